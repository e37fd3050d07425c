//! What may come before the answer, and how an answer may look: whatever a phone or a forking proxy makes of it, the
//! answer bridges, and a cancelled phone is let go.

use crate::support::story::{Story, assert_bridged_by_content, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// Both phones play; the representative's is the one of the scenario; we hang up.
fn is_bridged(scenario: &'static str) {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative(scenario);
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

/// The customer's phone is the one of the scenario; we hang up as soon as both have talked.
fn customer_is_bridged(scenario: &'static str) {
    let story = Story::begin();
    let customer = story.customer(scenario);
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn a_phone_may_ring_many_times() {
    is_bridged("phone-rings-many-times");
}

#[test]
fn a_phone_may_be_forwarded_and_queued() {
    is_bridged("phone-is-forwarded-and-queued");
}

#[test]
fn a_phone_may_answer_at_once() {
    customer_is_bridged("phone-answers-at-once");
}

#[test]
fn a_phone_may_answer_after_trying_only() {
    customer_is_bridged("phone-answers-after-trying-only");
}

#[test]
fn of_three_early_dialogs_the_one_that_answers_talks() {
    is_bridged("phone-rings-in-three-places");
}

#[test]
fn of_thirty_early_dialogs_the_one_that_answers_talks() {
    customer_is_bridged("phone-rings-in-thirty-places");
}

#[test]
fn compact_header_names_are_understood() {
    is_bridged("phone-answers-in-short-form");
}

#[test]
fn odd_blanks_are_understood() {
    customer_is_bridged("phone-answers-with-odd-blanks");
}

#[test]
fn an_answer_with_every_codec_is_understood() {
    is_bridged("phone-answers-with-all-it-can");
}

#[test]
fn each_repeated_answer_is_acknowledged() {
    let story = Story::begin();
    let mut customer = story.customer("phone-repeats-its-answer");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    eventually("the third ACK", PATIENCE, || (customer.count(|m| m.is_request("ACK")) >= 3).then_some(()));
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn a_customer_who_hangs_up_at_once_bothers_nobody_for_long() {
    let story = Story::begin();
    let customer = story.customer("phone-hangs-up-at-once");
    let _representatives = story.nobody(Tone::Representative);
    let record = story.call().record();
    assert_eq!(record["outcome"], "customer_hung_up");
    customer.finish();
}

/// The phone rings until it is cancelled, and takes that in its own way.
fn is_cancelled(scenario: &'static str) -> serde_json::Value {
    let story = Story::with_limits(&[("customer_ring_seconds", 1)]);
    let customer = story.customer(scenario);
    let representatives = story.nobody(Tone::Representative);
    let record = story.call().record();
    customer.finish();
    representatives.assert_never_called();
    story.end();
    record
}

#[test]
fn a_cancel_that_the_phone_does_not_know_ends_the_call_all_the_same() {
    assert_eq!(is_cancelled("phone-does-not-know-the-cancel")["outcome"], "customer_no_answer");
}

#[test]
fn a_cancel_that_crosses_a_refusal_ends_the_call() {
    assert_eq!(is_cancelled("phone-is-busy-as-the-cancel-arrives")["talk_seconds"], 0);
}

#[test]
fn a_phone_that_rings_on_after_the_cancel_is_let_go() {
    assert_eq!(is_cancelled("phone-rings-on-after-the-cancel")["outcome"], "customer_no_answer");
}

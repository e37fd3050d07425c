//! Before the phone is picked up: reliable provisionals (RFC 3262), what they settle, UPDATE (RFC 3311), forks.

use crate::support::sipp::Phone;
use crate::support::story::{Call, Story, assert_bridged_by_content, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// The story of a plain talk with such a representative; it is picked up when `before` has looked.
fn talk_with(scenario: &'static str, before: impl Fn(&Phone, &Call<'_>)) {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let mut representative = story.representative(scenario);
    let call = story.call();
    before(&representative, &call);
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    representative.act();
    assert_eq!(call.record()["outcome"], "completed");
    representative.finish();
    customer.finish();
    story.end();
}

#[test]
fn a_reliable_answer_stands_when_the_200_brings_none() {
    talk_with("phone-answers-reliably-before-it-is-picked-up", |_, _| {});
}

#[test]
fn reliable_provisionals_out_of_order_are_not_acknowledged() {
    talk_with("phone-numbers-its-provisionals-astray", |phone, call| {
        call.until("bridged");
        let of = |number: &str| phone.count(|m| !m.sent && m.is_request("PRACK") && m.header("RAck") == Some(number));
        assert_eq!((of("10 1 INVITE"), of("11 1 INVITE")), (1, 1));
        assert_eq!(phone.count(|m| !m.sent && m.is_request("PRACK")), 2);
    });
}

#[test]
fn every_fork_is_acknowledged_for_itself_and_the_one_that_answers_talks() {
    talk_with("phone-forks-reliably", |_, _| {});
}

#[test]
fn an_update_after_the_reliable_answer_is_what_holds() {
    talk_with("phone-updates-before-it-is-picked-up", |_, _| {});
}

#[test]
fn an_update_before_the_offer_is_answered_meets_491() {
    talk_with("phone-updates-before-it-may", |_, _| {});
}

#[test]
fn a_customer_who_answers_reliably_hears_the_message() {
    let story = Story::begin();
    let mut customer = story.phone(Tone::Customer, "phone-answers-reliably-before-it-is-picked-up", |_| {});
    let mut representative = story.representative("phone-early-media-then-answers");
    let call = story.call();
    eventually("the message at the customer", PATIENCE, || {
        (customer.media.count(|f| f.tone() == Some(Tone::Prompt)) >= 10).then_some(())
    });
    representative.act();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

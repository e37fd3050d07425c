//! What a phone may ask in the middle of a talk, rightly or wrongly: everything gets its answer and the talk goes on.

use super::dialog::asks_and_talks_on;
use crate::support::story::{Story, until_both_hear_each_other};
use crate::support::tone::Tone;

/// The customer's phone plays the scenario; the answer that it waits for is in there.
fn is_answered(scenario: &'static str, status: u16, method: &str) {
    asks_and_talks_on(Tone::Customer, scenario, |phone| {
        phone.until("the answer", |m| m.is_response(status, method));
    });
}

/// The same from the representative's phone.
fn is_answered_to_the_representative(scenario: &'static str, status: u16, method: &str) {
    asks_and_talks_on(Tone::Representative, scenario, |phone| {
        phone.until("the answer", |m| m.is_response(status, method));
    });
}

#[test]
fn a_message_in_the_talk_is_refused() {
    is_answered("phone-sends-a-message", 405, "MESSAGE");
}

#[test]
fn a_subscription_in_the_talk_is_refused() {
    is_answered_to_the_representative("phone-subscribes", 405, "SUBSCRIBE");
}

#[test]
fn a_notification_that_nobody_asked_for_is_refused() {
    is_answered("phone-notifies-unasked", 489, "NOTIFY");
}

#[test]
fn a_prack_of_nothing_is_refused() {
    is_answered_to_the_representative("phone-acknowledges-what-was-never-sent", 481, "PRACK");
}

#[test]
fn an_invented_method_is_refused() {
    is_answered("phone-invents-a-method", 501, "FROBNICATE");
}

#[test]
fn a_registration_in_the_talk_is_refused() {
    is_answered("phone-registers-in-the-dialog", 405, "REGISTER");
}

#[test]
fn an_unknown_extension_is_named_in_the_refusal() {
    is_answered_to_the_representative("phone-requires-the-unknown", 420, "OPTIONS");
}

#[test]
fn an_old_cseq_is_refused() {
    is_answered("phone-repeats-an-old-cseq", 500, "INFO");
}

#[test]
fn a_cseq_may_leap() {
    is_answered("phone-jumps-ahead-in-cseq", 200, "INFO");
}

#[test]
fn a_cancel_of_nothing_is_refused() {
    is_answered("phone-cancels-nothing", 481, "CANCEL");
}

#[test]
fn a_cancel_after_the_reinvite_was_answered_changes_nothing() {
    is_answered("phone-cancels-its-reinvite-too-late", 481, "CANCEL");
}

#[test]
fn the_last_hop_answers_though_max_forwards_is_zero() {
    is_answered("phone-asks-with-max-forwards-zero", 200, "OPTIONS");
}

#[test]
fn eight_reinvites_in_a_row_are_answered() {
    asks_and_talks_on(Tone::Representative, "phone-reinvites-again-and-again", |phone| {
        phone.until("the last ACK", |m| m.sent && m.header("CSeq") == Some("8 ACK"));
        assert_eq!(phone.count(|m| !m.sent && m.is_response(200, "INVITE")), 8, "each has its answer, once");
    });
}

#[test]
fn a_reinvite_with_a_strange_codec_is_refused_and_the_session_stays() {
    is_answered("phone-reinvites-with-a-strange-codec", 488, "INVITE");
}

#[test]
fn a_reinvite_with_broken_sdp_is_refused_and_the_session_stays() {
    is_answered_to_the_representative("phone-reinvites-with-broken-sdp", 488, "INVITE");
}

#[test]
fn a_reinvite_with_a_body_of_another_kind_is_refused_and_the_session_stays() {
    is_answered("phone-reinvites-with-another-body", 415, "INVITE");
}

/// Bridged; then the customer's phone plays its end of the talk.
fn ends_by(scenario: &'static str) -> serde_json::Value {
    let story = Story::begin();
    let mut customer = story.customer(scenario);
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    customer.finish();
    representative.finish();
    story.end();
    record
}

#[test]
fn the_reason_of_a_bye_is_recorded() {
    let record = ends_by("phone-says-bye-with-a-reason");
    assert_eq!((&record["outcome"], &record["customer_q850"]), (&"completed".into(), &31.into()));
}

#[test]
fn a_bye_whose_length_is_a_lie_is_refused_and_a_true_one_ends_the_call() {
    assert_eq!(ends_by("phone-lies-about-the-length")["outcome"], "completed");
}

#[test]
fn a_second_bye_is_answered() {
    assert_eq!(ends_by("phone-says-bye-twice")["outcome"], "completed");
}

//! Datagrams get lost: what SIP repeats is answered again, and nothing happens twice.

use crate::support::relay::{Rule, Towards, loses_everything_once, loses_first};
use crate::support::sipp::Phone;
use crate::support::story::{Story, assert_bridged_by_content, until_both_hear_each_other};
use crate::support::tone::Tone;

/// One good call whose phone of `who` is behind a bad road; gives that phone to `judge` before it ends.
fn talk_over(who: Tone, rule: Rule, judge: impl Fn(&Phone)) {
    let mut story = Story::begin();
    let other = if who == Tone::Customer { Tone::Representative } else { Tone::Customer };
    let mut caller = story.phone(other, "phone-answers-and-hangs-up", |_| {});
    let far = story.phone_behind(rule, who, "phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    let both = if who == Tone::Customer { (&far, &caller) } else { (&caller, &far) };
    until_both_hear_each_other(both.0, both.1);
    // Else the BYE could overtake the ACK, which sipp takes amiss.
    far.until("the ACK", |m| m.is_request("ACK"));
    judge(&far);
    caller.act();
    assert_eq!(call.record()["outcome"], "completed");
    let (caller, far) = (caller.finish().heard, far.finish().heard);
    let (customer, representative) = if who == Tone::Customer { (far, caller) } else { (caller, far) };
    assert_bridged_by_content(&customer, &representative);
    story.end();
}

#[test]
fn a_lost_invite_is_repeated() {
    talk_over(Tone::Customer, loses_first(2, Towards::Phone, "INVITE "), |phone| {
        assert_eq!(phone.count(|m| m.is_request("INVITE")), 1, "the third one arrived");
    });
}

#[test]
fn an_answer_whose_ack_was_lost_is_acknowledged_again() {
    talk_over(Tone::Representative, loses_first(1, Towards::Phone, "ACK "), |phone| {
        assert!(phone.count(|m| m.is_response(200, "INVITE")) >= 2, "the answer was repeated");
    });
}

#[test]
fn a_lost_answer_is_awaited() {
    talk_over(Tone::Representative, loses_first(1, Towards::Equipment, "SIP/2.0 200 OK"), |phone| {
        assert!(phone.count(|m| m.is_response(200, "INVITE")) >= 2, "the answer was repeated");
    });
}

#[test]
fn a_lost_bye_is_repeated() {
    talk_over(Tone::Customer, loses_first(1, Towards::Phone, "BYE "), |_| {});
}

#[test]
fn every_message_of_the_customers_leg_is_lost_once() {
    talk_over(Tone::Customer, loses_everything_once(), |_| {});
}

#[test]
fn every_message_of_the_representatives_leg_is_lost_once() {
    talk_over(Tone::Representative, loses_everything_once(), |_| {});
}

#[test]
fn a_lost_cancel_is_repeated() {
    let mut story = Story::with_limits(&[("customer_ring_seconds", 1)]);
    let road = loses_first(1, Towards::Phone, "CANCEL ");
    let customer = story.phone_behind(road, Tone::Customer, "phone-rings-until-cancelled");
    let representatives = story.nobody(Tone::Representative);
    let call = story.call();
    assert_eq!(call.record()["outcome"], "customer_no_answer");
    customer.finish();
    representatives.assert_never_called();
    story.end();
}

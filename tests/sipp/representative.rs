//! Representatives who are busy, absent, or in two places: the next one is tried, in order, each once; early media is never
//! an answer; none left, and the customer is told so.

use serde_json::{Value, json};

use crate::support::story::{REPRESENTATIVES, Story, assert_bridged_by_content, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

fn two_representatives() -> Value {
    json!({ "representative": &REPRESENTATIVES[..2] })
}

#[test]
fn a_busy_representative_is_followed_by_the_next() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative =
        story.phone(Tone::Representative, "representative-busy-then-next-answers", |phone| phone.calls = 2);
    let call = story.call_with(two_representatives());
    let bridged = call.until("bridged");
    let attempts = bridged["attempts"].as_array().expect("attempts").len();
    assert_eq!(attempts, 3, "the customer and two representatives: {bridged:#}");
    assert_eq!(bridged["attempts"][1]["sip_status"], 486);
    assert_eq!(bridged["attempts"][1]["q850_cause"], 17);
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["representative"]), (&"completed".into(), &REPRESENTATIVES[1].into()));
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn a_representative_who_does_not_answer_is_followed_by_the_next() {
    let story = Story::with_limits(&[("representative_ring_seconds", 1)]);
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative =
        story.phone(Tone::Representative, "representative-no-answer-then-next-answers", |phone| phone.calls = 2);
    let call = story.call_with(two_representatives());
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["representative"]), (&"completed".into(), &REPRESENTATIVES[1].into()));
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn when_no_representative_is_left_the_customer_is_told_and_released() {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representatives = story.phone(Tone::Representative, "representatives-all-busy", |phone| phone.calls = 2);
    let record = story.call_with(two_representatives()).record();
    assert_eq!((&record["outcome"], &record["bridged_at"]), (&"representative_unavailable".into(), &Value::Null));
    assert_eq!((&record["representative_sip_status"], &record["representative_q850"]), (&486.into(), &17.into()));
    let heard = customer.finish().heard;
    let told = heard.iter().filter(|f| f.tone() == Some(Tone::Unavailable)).count();
    assert!((48..=51).contains(&told), "the whole second message of 50 frames, once: {told}");
    let last = heard.iter().rposition(|f| f.tone() == Some(Tone::Prompt)).unwrap_or(0);
    let first = heard.iter().position(|f| f.tone() == Some(Tone::Unavailable)).unwrap_or(0);
    assert!(last <= first, "the first message does not come back");
    representatives.finish();
    story.end();
}

#[test]
fn the_customer_holds_no_longer_than_the_limit() {
    let story = Story::with_limits(&[("max_hold_seconds", 1)]);
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative("phone-rings-until-cancelled");
    let record = story.call().record();
    assert_eq!(record["outcome"], "representative_unavailable");
    let heard = customer.finish().heard;
    assert!(heard.iter().any(|f| f.tone() == Some(Tone::Unavailable)), "the customer is told");
    representative.finish();
    story.end();
}

#[test]
fn early_media_then_busy_is_never_an_answer_and_never_heard() {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let mut representative = story.representative("representative-early-media-then-busy");
    let call = story.call();
    representative.until("183", |m| m.is_response(183, "INVITE"));
    eventually("half a second of the message while early media runs", PATIENCE, || {
        (customer.media.count(|f| f.tone() == Some(Tone::Prompt)) >= 25).then_some(())
    });
    assert_eq!(call.now()["state"], "calling_representative");
    representative.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["bridged_at"]), (&"representative_unavailable".into(), &Value::Null));
    assert!(!customer.finish().heard.iter().any(|f| f.has_some_of(Tone::Representative)), "the announcement leaked");
    assert!(representative.finish().heard.is_empty(), "nothing is sent to a phone that has not answered");
    story.end();
}

#[test]
fn early_media_then_an_answer_bridges_at_the_answer() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let mut representative = story.representative("phone-early-media-then-answers");
    let call = story.call();
    representative.until("183", |m| m.is_response(183, "INVITE"));
    eventually("half a second of the message while ringback runs", PATIENCE, || {
        (customer.media.count(|f| f.tone() == Some(Tone::Prompt)) >= 25).then_some(())
    });
    let before = customer.media.heard();
    assert!(!before.iter().any(|f| f.has_some_of(Tone::Representative)), "ringback leaked");
    representative.act();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn early_media_of_the_customer_is_no_answer_either() {
    let story = Story::begin();
    let mut customer = story.customer("phone-early-media-then-answers");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    customer.until("183", |m| m.is_response(183, "INVITE"));
    eventually("the call to know that it rings", PATIENCE, || {
        (call.now()["customer"]["state"] == "ringing").then_some(())
    });
    assert!(customer.media.heard().is_empty(), "the message waits for the answer");
    assert_eq!(representative.count(|_| true), 0, "the representative rings only after the customer's answer");
    customer.act();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn of_two_forked_answers_the_second_is_released() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("representative-forked-answers");
    let call = story.call();
    call.until("bridged");
    representative.until("the second phone's release", |m| m.sent && m.is_response(200, "BYE"));
    until_both_hear_each_other(&customer, &representative);
    assert_eq!(call.now()["state"], "bridged", "the first phone talks on");
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
}

//! The customer's phone does not do what everybody hoped: every failure has its outcome, its cause, and no representative is
//! bothered.

use serde_json::{Value, json};

use crate::support::story::Story;
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};
use std::time::{Duration, Instant};

/// Plays a story whose customer never answers, and judges its record.
fn assert_customer_fails(scenario: &'static str, expected: Value) {
    let story = Story::with_limits(&[("customer_ring_seconds", 2)]);
    let customer = story.customer(scenario);
    let representatives = story.nobody(Tone::Representative);
    let record = story.call().record();
    for (field, value) in expected.as_object().expect("fields of the record") {
        assert_eq!(&record[field], value, "{field} of {record:#}");
    }
    assert_eq!(record["customer_billable_seconds"], 0);
    let heard = customer.finish().heard;
    assert!(heard.is_empty(), "nothing is played to a phone that was not answered");
    representatives.assert_never_called();
    story.end();
}

#[test]
fn customer_busy() {
    let expected = json!({ "outcome": "customer_busy", "customer_sip_status": 486, "customer_q850": 17 });
    assert_customer_fails("customer-busy", expected);
}

#[test]
fn customer_no_answer() {
    let expected = json!({ "outcome": "customer_no_answer", "customer_answered_at": null });
    assert_customer_fails("phone-rings-until-cancelled", expected);
}

#[test]
fn customer_rejects() {
    let expected = json!({ "outcome": "customer_rejected", "customer_sip_status": 603, "customer_q850": 21 });
    assert_customer_fails("customer-rejects", expected);
}

#[test]
fn customer_unreachable_number_not_found() {
    let expected = json!({ "outcome": "customer_unreachable", "customer_sip_status": 404, "customer_q850": 1 });
    assert_customer_fails("customer-number-unknown", expected);
}

#[test]
fn customer_unreachable_temporarily() {
    let expected = json!({ "outcome": "customer_unreachable", "customer_sip_status": 480 });
    assert_customer_fails("customer-temporarily-unavailable", expected);
}

#[test]
fn customer_unreachable_because_the_switch_is_out_of_service() {
    let expected = json!({ "outcome": "customer_unreachable", "customer_sip_status": 503 });
    assert_customer_fails("customer-switch-out-of-service", expected);
}

#[test]
fn nobody_there_at_all() {
    let story = Story::begin();
    let (customer, representative) = (story.nobody(Tone::Customer), story.nobody(Tone::Representative));
    let start = Instant::now();
    let call = story.call();
    let record = call.record_within(Duration::from_secs(45));
    let took = start.elapsed();
    assert_eq!(record["outcome"], "customer_unreachable");
    // Timer B is 64·T1 = 32 s; INVITEs at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s (RFC 3261 §17.1.1.2).
    assert!((31.5..36.0).contains(&took.as_secs_f64()), "timer B took {took:?}");
    let invites = customer.datagrams();
    assert_eq!(invites.len(), 7, "{invites:#?}");
    assert!(invites.iter().all(|i| i == &invites[0] && i.starts_with("INVITE ")), "the very same octets each time");
    representative.assert_never_called();
    story.end();
}

#[test]
fn customer_hangs_up_while_holding_and_the_representative_stops_ringing() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-rings-until-cancelled");
    let call = story.call();
    representative.until("180", |m| m.is_response(180, "INVITE"));
    customer.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["bridged_at"]), (&"customer_hung_up".into(), &Value::Null));
    assert_eq!(record["customer_q850"], 16);
    let heard = customer.finish().heard;
    assert!(heard.iter().all(|f| f.tone() != Some(Tone::Representative)));
    representative.finish();
    story.end();
}

#[test]
fn customer_hangs_up_as_the_representative_answers() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-as-the-cancel-arrives");
    let call = story.call();
    representative.until("180", |m| m.is_response(180, "INVITE"));
    customer.act();
    let record = call.record();
    assert_eq!(record["outcome"], "customer_hung_up");
    assert_eq!((&record["bridged_at"], &record["talk_seconds"]), (&Value::Null, &0.into()), "nobody talked");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn customer_answers_as_the_call_is_cancelled() {
    let story = Story::begin();
    let customer = story.customer("phone-answers-as-the-cancel-arrives");
    let representatives = story.nobody(Tone::Representative);
    let call = story.call();
    customer.until("180", |m| m.is_response(180, "INVITE"));
    call.delete();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["customer_answered_at"]), (&"cancelled".into(), &Value::Null));
    let heard = customer.finish().heard;
    assert!(heard.is_empty(), "no message to a customer who is being released");
    representatives.assert_never_called();
    story.end();
}

#[test]
fn a_call_cancelled_before_it_rings_is_cancelled_at_the_phone_only_after_it_rang() {
    let story = Story::begin();
    let mut customer = story.customer("customer-rings-late-and-is-cancelled");
    let representatives = story.nobody(Tone::Representative);
    let call = story.call();
    customer.until("INVITE", |m| m.is_request("INVITE"));
    call.delete();
    eventually("INVITE to be repeated after the cancellation", PATIENCE, || {
        (customer.count(|m| m.is_request("INVITE")) >= 2).then_some(())
    });
    assert_eq!(customer.count(|m| m.is_request("CANCEL")), 0, "no CANCEL before a provisional response (§9.1)");
    customer.act();
    let record = call.record();
    assert_eq!(record["outcome"], "cancelled");
    customer.finish();
    representatives.assert_never_called();
    story.end();
}

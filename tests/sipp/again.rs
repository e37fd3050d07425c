//! A customer who is busy is tried again, by real phones: one call, one record, also across kill -9 between two tries.

use serde_json::{Value, json};

use crate::support::daemon::Setup;
use crate::support::story::{Story, until_both_hear_each_other};

/// A business whose calls are tried again so long after a busy line.
fn story(seconds: u32) -> Story {
    let more = format!("[business.contact]\nretry = {{ max_tries = 3, busy_seconds = [{seconds}] }}\n");
    Story::with(Setup { more, ..Setup::default() })
}

#[test]
fn a_busy_customer_is_tried_again_and_talks_also_after_kill_9() {
    let mut story = story(20);
    let busy = story.customer("customer-busy");
    let call = story.call();
    call.until("scheduled");
    busy.finish();
    let shown = call.now();
    assert_eq!((&shown["tries"], &shown["customer"]["sip_status"]), (&json!(1), &json!(486)));
    assert_ne!(shown["next_try_at"], Value::Null);
    let id = call.id;
    story.daemon.kill();
    story.daemon.restart();
    let call = story.known(&id);
    assert_eq!(call.now()["state"], "scheduled", "nothing is forgotten");
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["tries"]), (&json!("completed"), &json!(2)));
    assert_eq!(story.daemon.printed_records().len(), 1, "one call, one record");
    let ended = story.known(&id).now();
    assert_eq!(ended["attempts"].as_array().map(Vec::len), Some(3), "two of the customer, one of the representative");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn a_call_between_two_tries_is_cancelled() {
    let story = story(3600);
    let busy = story.customer("customer-busy");
    let call = story.call();
    call.until("scheduled");
    busy.finish();
    assert_eq!(story.daemon.api("DELETE", &format!("/v1/calls/{}", call.id), None).status, 200);
    let record = call.record();
    assert_eq!((&record["outcome"], &record["tries"]), (&json!("cancelled"), &json!(1)));
    story.end();
}

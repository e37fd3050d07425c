//! Several switches: which one carries a call, and which one next.

use std::fs;

use serde_json::Value;

use crate::support::daemon::{Setup, Switch};
use crate::support::ports;
use crate::support::sipp::Phone;
use crate::support::story::Story;
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// A stage with one more switch for the customer's numbers, which is tried when ssp-62 cannot; its port.
fn with_a_spare(trunk: &[(&'static str, &str)]) -> (Story, u16) {
    let port = ports::port();
    let spare = Switch { keys: vec![("weight", "0".to_owned())], ..Switch::new("ssp-63", port, &["+1212"]) };
    let trunk = trunk.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    (Story::with(Setup { switches: vec![spare], trunk, ..Setup::default() }), port)
}

/// A phone of the customer's at another port than its switch's.
pub fn phone_at(story: &Story, port: u16, scenario: &'static str) -> Phone {
    story.phone(Tone::Customer, scenario, |setup| {
        setup.port = port;
        setup.contact_port = port;
    })
}

/// Which switch carried the call at last, and how it ended.
#[track_caller]
pub fn assert_carried(record: &Value, switch: &str, outcome: &str) {
    assert_eq!(record["customer_switch"], switch, "{record:#}");
    assert_eq!(record["outcome"], outcome, "{record:#}");
}

#[test]
fn when_the_switch_is_out_of_service_the_next_one_carries_the_call() {
    let (story, port) = with_a_spare(&[]);
    let first = story.customer("customer-switch-out-of-service");
    let second = phone_at(&story, port, "customer-busy");
    assert_carried(&story.call().record(), "ssp-63", "customer_busy");
    first.finish();
    second.finish();
    let labels = "switch=\"ssp-62\",reason=\"out_of_service\"";
    assert_eq!(story.daemon.metric("callbridge_switch_failures_total", labels), 1.0);
    story.end();
}

#[test]
fn when_the_switch_is_silent_the_next_one_carries_the_call() {
    let (story, port) = with_a_spare(&[("answer_seconds", "1")]);
    let silent = story.nobody(Tone::Customer);
    let second = phone_at(&story, port, "customer-busy");
    assert_carried(&story.call().record(), "ssp-63", "customer_busy");
    second.finish();
    assert!(silent.datagrams().iter().all(|text| text.starts_with("INVITE")), "nothing but the INVITE went there");
    story.end();
}

#[test]
fn a_switch_that_is_drained_by_reload_gets_no_new_call() {
    let (story, port) = with_a_spare(&[]);
    let drained = story.nobody(Tone::Customer);
    let text = fs::read_to_string(story.daemon.config()).expect("the configuration");
    let text = text.replace("name = \"ssp-62\"\n", "name = \"ssp-62\"\ndrain = true\n");
    fs::write(story.daemon.config(), text).expect("the configuration takes a line");
    story.daemon.ask_to_reload();
    eventually("the reload", PATIENCE, || story.daemon.log().contains("reloaded").then_some(()));
    let second = phone_at(&story, port, "customer-busy");
    assert_carried(&story.call().record(), "ssp-63", "customer_busy");
    second.finish();
    drained.assert_never_called();
    story.end();
}

#[test]
fn a_redirection_to_a_number_that_another_switch_serves_is_followed_there() {
    let story = Story::begin();
    let moved = story.phone(Tone::Customer, "customer-moved-to-another-number", |setup| {
        setup.keys.push(("moved_to", "+16465550109"));
    });
    let elsewhere = story.representative("customer-busy");
    assert_carried(&story.call().record(), "ssp-64", "customer_busy");
    moved.finish();
    elsewhere.finish();
    story.end();
}

#[test]
fn a_redirection_to_a_premium_number_is_refused() {
    let story = Story::begin();
    let moved = story.phone(Tone::Customer, "customer-moved-to-another-number", |setup| {
        setup.keys.push(("moved_to", "+19005550100"));
    });
    let record = story.call().record();
    assert_carried(&record, "ssp-62", "customer_unreachable");
    assert_eq!(record["customer_sip_status"], 302);
    moved.finish();
    story.end();
}

#[test]
fn a_redirection_back_to_the_same_number_is_a_loop() {
    let story = Story::begin();
    let moved = story.phone(Tone::Customer, "customer-moved-to-another-number", |setup| {
        setup.keys.push(("moved_to", crate::support::story::CUSTOMER));
    });
    let record = story.call().record();
    assert_carried(&record, "ssp-62", "customer_unreachable");
    assert_eq!(record["detail"], "redirected in a loop");
    moved.finish();
    story.end();
}

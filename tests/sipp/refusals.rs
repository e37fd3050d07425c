//! How a customer's phone, or its switch, may refuse: status and Reason become one outcome and one cause in the record.

use serde_json::Value;

use crate::support::story::Story;
use crate::support::tone::Tone;

/// One call in this story whose customer's phone plays the scenario; gives the record.
fn refused(story: &Story, scenario: &'static str) -> Value {
    let customer = story.customer(scenario);
    let record = story.call().record();
    assert!(customer.finish().heard.is_empty(), "nothing is played to a phone that was not answered");
    record
}

#[test]
fn each_status_has_its_outcome() {
    let story = Story::begin();
    let representatives = story.nobody(Tone::Representative);
    let expected = [
        ("customer-asked-badly", 400, "customer_unreachable"),
        ("customer-forbidden", 403, "customer_rejected"),
        ("customer-request-times-out", 408, "customer_unreachable"),
        ("customer-gone", 410, "customer_unreachable"),
        ("customer-number-incomplete", 484, "customer_unreachable"),
        ("customer-accepts-no-offer", 488, "customer_unreachable"),
        ("customer-switch-fails", 500, "customer_unreachable"),
        ("customer-busy-everywhere", 600, "customer_busy"),
        ("customer-exists-nowhere", 604, "customer_unreachable"),
        ("customer-does-not-want-it", 607, "customer_rejected"),
    ];
    for (scenario, status, outcome) in expected {
        let record = refused(&story, scenario);
        let told = (&record["outcome"], &record["customer_sip_status"]);
        assert_eq!(told, (&outcome.into(), &status.into()), "{scenario}");
    }
    representatives.assert_never_called();
    story.end();
}

/// A story of one refusal.
fn refused_once(scenario: &'static str) -> Value {
    let story = Story::begin();
    let record = refused(&story, scenario);
    story.end();
    record
}

#[test]
fn a_q850_reason_says_more_than_the_status() {
    let record = refused_once("customer-is-busy-by-its-reason");
    assert_eq!((&record["customer_sip_status"], &record["customer_q850"]), (&480.into(), &17.into()));
    assert_eq!(record["outcome"], "customer_busy");
}

#[test]
fn of_two_reasons_the_q850_one_counts() {
    let record = refused_once("customer-refuses-with-two-reasons");
    assert_eq!((&record["customer_sip_status"], &record["customer_q850"]), (&500.into(), &1.into()));
}

#[test]
fn a_reason_that_cannot_be_read_is_as_none() {
    let record = refused_once("customer-refuses-with-a-nonsense-reason");
    assert_eq!((&record["outcome"], &record["customer_q850"]), (&"customer_busy".into(), &17.into()));
}

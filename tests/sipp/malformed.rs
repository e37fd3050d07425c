//! Answers that cannot be used: the phone is acknowledged and released, never left off the hook, and the record says why.

use serde_json::Value;

use crate::support::story::Story;
use crate::support::tone::Tone;

fn customer_is_released(scenario: &'static str) {
    let story = Story::begin();
    let customer = story.customer(scenario);
    let representatives = story.nobody(Tone::Representative);
    let record = story.call().record();
    let outcome = record["outcome"].as_str().unwrap_or_default();
    assert!(["failed", "customer_unreachable"].contains(&outcome), "{record:#}");
    assert_ne!(record["detail"], "", "the record says why: {record:#}");
    assert_eq!(record["bridged_at"], Value::Null);
    customer.finish();
    representatives.assert_never_called();
    story.end();
}

fn representative_is_released(scenario: &'static str) {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative(scenario);
    let record = story.call().record();
    assert_eq!((&record["outcome"], &record["bridged_at"]), (&"representative_unavailable".into(), &Value::Null));
    assert!(customer.finish().heard.iter().any(|f| f.tone() == Some(Tone::Unavailable)), "the customer is told");
    representative.finish();
    story.end();
}

#[test]
fn a_customers_answer_without_contact_is_released() {
    customer_is_released("phone-answers-without-contact");
}

#[test]
fn a_customers_answer_with_broken_sdp_is_released() {
    customer_is_released("phone-answers-with-broken-sdp");
}

#[test]
fn a_customers_answer_without_common_codec_is_released() {
    customer_is_released("phone-answers-without-common-codec");
}

#[test]
fn a_representatives_answer_without_contact_is_released() {
    representative_is_released("phone-answers-without-contact");
}

#[test]
fn a_representatives_answer_with_broken_sdp_is_released() {
    representative_is_released("phone-answers-with-broken-sdp");
}

#[test]
fn a_representatives_answer_without_common_codec_is_released() {
    representative_is_released("phone-answers-without-common-codec");
}

//! When a call is placed, on the real daemon: windows, ends and plans in messages and direct requests, what is shown of them and what is
//! refused. Owns these stories; the moments by themselves are `src/access/window.rs`'s and the engine's.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{CUSTOMER, Equipment, REPRESENTATIVE, is_problem};
use crate::support::http::send;
use crate::support::wait::{PATIENCE, eventually};

fn after(seconds: u64) -> String {
    (OffsetDateTime::now_utc() + Duration::from_secs(seconds)).format(&Rfc3339).expect("a time")
}

fn with(field: &str, value: Value) -> Value {
    let mut message = json!({ "customer": CUSTOMER, "representative": REPRESENTATIVE });
    message[field] = value;
    message
}

#[test]
fn a_window_by_the_clock_is_shown_in_moments_and_waited_for() {
    let equipment = Equipment::start();
    let answer =
        equipment.post(&with("contact_window", json!({ "from": "17:00", "to": "17:01", "zone": "Europe/Berlin" })));
    assert_eq!(answer.status, 202, "{}", answer.body);
    let call = answer.json();
    let moment = |value: &Value| OffsetDateTime::parse(value.as_str().expect("a time"), &Rfc3339).expect("RFC 3339");
    let (from, to) = (moment(&call["contact_window"]["from"]), moment(&call["contact_window"]["to"]));
    assert_eq!(to - from, time::Duration::minutes(1));
    assert!(to > OffsetDateTime::now_utc() && from < OffsetDateTime::now_utc() + Duration::from_secs(2 * 86_400));
    assert_eq!(call["expires_at"], call["contact_window"]["to"]);
    if from > OffsetDateTime::now_utc() {
        assert_eq!(
            (&call["state"], &call["desired_contact_time"]),
            (&json!("scheduled"), &call["contact_window"]["from"])
        );
    }
}

#[test]
fn times_that_exclude_each_other_and_unknown_clocks_are_refused() {
    let equipment = Equipment::start();
    let refused = |body: &Value, status: u16, pointer: &str| {
        let answer = equipment.post(body);
        is_problem(&answer, status);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.body);
    };
    let sip = json!({ "customer": "sip:someone@127.0.0.1", "representative": REPRESENTATIVE,
        "contact_window": { "from": "17:00", "to": "19:00" } });
    let answer = equipment.post(&sip);
    assert!(matches!(answer.status, 403 | 422), "no switch serves it, or nobody knows its clock: {}", answer.body);
    refused(
        &with("contact_window", json!({ "from": "17:00", "to": "19:00", "zone": "Mars" })),
        422,
        "/contact_window/zone",
    );
    refused(&with("contact_window", json!({ "from": "17:00" })), 400, "/contact_window/to");
    refused(&with("expires_at", json!("2020-01-01T00:00:00Z")), 422, "/expires_at");
    refused(&with("expires_at", json!("2999-01-01T00:00:00Z")), 422, "/expires_at");
    let mut early = with("expires_at", json!(after(60)));
    early["desired_contact_time"] = json!(after(120));
    refused(&early, 422, "/expires_at");
    refused(&with("retry", json!({ "max_tries": 2 })), 403, "/retry/max_tries");
    refused(&with("retry", json!({ "max_tries": 0 })), 400, "/retry/max_tries");
    assert_eq!(equipment.post(&with("retry", json!({ "max_tries": 1 }))).status, 202, "fewer may always be asked for");
}

#[test]
fn a_call_that_finds_no_line_expires_at_its_end_with_one_record() {
    let equipment = Equipment::start();
    let mut message = with("desired_contact_time", json!(after(1)));
    // Down when its time comes, and up again when it is over.
    message["expires_at"] = json!(after(3));
    let id = equipment.accepted(&message);
    let mut equipment = equipment;
    equipment.daemon.kill();
    std::thread::sleep(Duration::from_millis(3_100));
    equipment.daemon.restart();
    let record = eventually("its record", PATIENCE, || {
        equipment.daemon.records().into_iter().find(|record| record["call_id"] == json!(id))
    });
    assert_eq!((&record["outcome"], &record["tries"]), (&json!("expired"), &json!(0)));
    assert_eq!(equipment.daemon.records().len(), 1);
}

#[test]
fn a_page_asks_for_a_window_and_an_end_and_not_for_tries() {
    let account = "[business.direct]\nallowed_origins = [\"https://shop.example\"]\n\
        centres = { cruise = \"+12125550101#sea\" }\ndefault_centre = \"cruise\"\n";
    let equipment = Equipment::and(&[("customer_ring_seconds", 30)], account);
    let ask = |more: Value| {
        let mut body =
            json!({ "business_id": "abc", "customer": CUSTOMER, "web_page": { "url": "https://shop.example/" } });
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        let headers = [("Origin", "https://shop.example")];
        send(equipment.daemon.http, "POST", "/v1/call-requests", &headers, Some(&body)).expect("an answer")
    };
    let (from, to) = (after(600), after(1200));
    let asked = ask(json!({ "contact_window": { "from": from, "to": to } }));
    assert_eq!(asked.status, 202, "{}", asked.body);
    let call = asked.json();
    assert_eq!((&call["state"], &call["expires_at"]), (&json!("scheduled"), &call["contact_window"]["to"]));
    let until = call["token_expires_at"].as_str().expect("a time");
    assert!(until > call["expires_at"].as_str().expect("a time"), "the token outlives the wait");
    is_problem(&ask(json!({ "retry": { "max_tries": 1 } })), 400);
    is_problem(&ask(json!({ "expires_at": "2020-01-01T00:00:00Z" })), 422);
}

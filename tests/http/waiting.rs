//! Calls that wait for their time, on the real daemon: listed page by page, ended for good, there again after `kill -9`. Owns these stories;
//! what a waiting call costs is benches/waiting.rs's.

use serde_json::{Value, json};

use super::{Equipment, message};
use crate::support::wait::{PATIENCE, eventually};

fn waiting(number: u32) -> Value {
    let tomorrow = time::OffsetDateTime::now_utc() + time::Duration::hours(20);
    let mut message = message();
    message["desired_contact_time"] = json!(tomorrow.format(&time::format_description::well_known::Rfc3339).unwrap());
    message["customer"] = json!(format!("+12125550{number:03}"));
    message["reference"] = json!(format!("order {number}"));
    message
}

/// The identifiers of all pages of this list, the newest first.
fn listed(equipment: &Equipment, query: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = equipment.daemon.api("GET", &format!("/v1/calls?limit=7&{query}{cursor}"), None);
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.json();
        let calls = page["calls"].as_array().expect("calls");
        assert!(calls.len() <= 7);
        ids.extend(calls.iter().filter_map(|call| call["id"].as_str().map(str::to_owned)));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

#[test]
fn calls_that_wait_are_listed_page_by_page_before_and_after_a_kill() {
    let mut equipment = Equipment::start();
    let mut ids: Vec<String> = (0..24).map(|number| equipment.accepted(&waiting(number))).collect();
    let eleventh = ids[11].clone();
    let talking = equipment.accepted(&message());
    // Those of one millisecond stand as their random parts have it.
    ids.sort_by(|one, other| other.cmp(one));
    assert_eq!(listed(&equipment, "state=scheduled"), ids);
    let mut all: Vec<String> = [talking].into_iter().chain(ids.clone()).collect();
    all.sort_by(|one, other| other.cmp(one));
    assert_eq!(listed(&equipment, ""), all);
    assert_eq!(listed(&equipment, "reference=order%2011"), [eleventh]);
    equipment.daemon.kill();
    equipment.daemon.restart();
    assert_eq!(listed(&equipment, "state=scheduled"), ids);
    assert_eq!(equipment.call(&ids[3])["state"], "scheduled");
    let waiting = || equipment.daemon.metric("callbridge_calls_active", "state=\"scheduled\"");
    eventually("24 are counted", PATIENCE, || (waiting() == 24.0).then_some(()));
}

#[test]
fn a_waiting_call_whose_end_was_told_stays_ended_after_a_kill() {
    let mut equipment = Equipment::start();
    let ids: Vec<String> = (0..8).map(|number| equipment.accepted(&waiting(number))).collect();
    for id in &ids {
        let answer = equipment.daemon.api("DELETE", &format!("/v1/calls/{id}"), None);
        assert_eq!((answer.status, &answer.json()["outcome"]), (200, &json!("cancelled")), "{}", answer.body);
    }
    // At once: whatever was not durable then is gone.
    equipment.daemon.kill();
    equipment.daemon.restart();
    for id in &ids {
        assert_eq!(equipment.call(id)["outcome"], "cancelled");
        assert_eq!(equipment.daemon.api("DELETE", &format!("/v1/calls/{id}"), None).status, 409);
    }
    assert_eq!(equipment.daemon.records().len(), 8);
}

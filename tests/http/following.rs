//! A call followed by server-sent events, on the real daemon. Owns these stories; what each event says is `src/io/http/tests.rs`'s.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Equipment, basic, message, with};
use crate::support::http::request;

/// The stream of this call, to its end.
fn stream(equipment: &Equipment, id: &str) -> String {
    let who = equipment.daemon.business.clone();
    let answer = request(equipment.daemon.http, "GET", &format!("/v1/calls/{id}/events"), Some(&who), None);
    let answer = answer.expect("a stream that ends");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn events(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|json| serde_json::from_str(json).expect("JSON")).collect()
}

#[test]
fn a_call_is_followed_from_its_first_state_to_its_record() {
    let equipment = Equipment::start();
    let id = equipment.accepted(&message());
    let told = std::thread::scope(|scope| {
        let following = scope.spawn(|| stream(&equipment, &id));
        equipment.until(&id, "calling_customer");
        assert_eq!(equipment.daemon.api("DELETE", &format!("/v1/calls/{id}"), None).status, 200);
        following.join().expect("the stream")
    });
    let events = events(&told);
    let states: Vec<&str> = events.iter().filter_map(|event| event["state"].as_str()).collect();
    assert_eq!(states, ["queued", "calling_customer", "ended"]);
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["sequence"].as_u64()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let end = &events[2];
    assert_eq!((&end["type"], &end["data"]["outcome"]), (&"call.ended".into(), &"cancelled".into()));
    assert_eq!(equipment.daemon.records().len(), 1, "told when it was durable");
    let again = format!(
        "GET /v1/calls/{id}/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nLast-Event-ID: {}\r\n\
         Authorization: Basic {}\r\n\r\n",
        numbers[2],
        basic(&equipment.daemon.business)
    );
    assert_eq!(equipment.raw(&again).0, 204, "nothing will come any more");
}

#[test]
fn a_daemon_that_stops_does_not_wait_for_those_who_follow_a_call_of_tomorrow() {
    let mut equipment = Equipment::start();
    let tomorrow = time::OffsetDateTime::now_utc() + Duration::from_secs(86_400);
    let tomorrow = tomorrow.format(&time::format_description::well_known::Rfc3339).expect("a time");
    let id = equipment.accepted(&with("desired_contact_time", json!(tomorrow)));
    let (http, who) = (equipment.daemon.http, equipment.daemon.business.clone());
    let path = format!("/v1/calls/{id}/events");
    let following = std::thread::spawn(move || request(http, "GET", &path, Some(&who), None));
    // It follows: what it was told is behind it when the next request is answered.
    equipment.until(&id, "scheduled");
    let begun = Instant::now();
    equipment.daemon.ask_to_stop();
    assert!(equipment.daemon.wait_for_exit().success());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    if let Ok(told) = following.join().expect("the follower") {
        assert!(!told.body.contains("call.ended"), "it has not ended: {}", told.body);
    }
}

//! A call followed by server-sent events, on the real daemon. Owns these stories; what each event says is `src/io/http/tests.rs`'s.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Equipment, basic, message, with};

/// The stream of this call as it comes.
struct Following {
    lines: Lines<BufReader<TcpStream>>,
    seen: String,
}

impl Following {
    fn begin(equipment: &Equipment, id: &str) -> Following {
        let mut connection = TcpStream::connect(equipment.daemon.http).expect("the daemon listens");
        connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
        let who = basic(&equipment.daemon.business);
        let asked = format!(
            "GET /v1/calls/{id}/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic {who}\r\n\r\n"
        );
        connection.write_all(asked.as_bytes()).expect("it reads");
        let mut lines = BufReader::new(connection).lines();
        let status = lines.next().expect("an answer").expect("text");
        assert!(status.contains(" 200 "), "{status}");
        Following { lines, seen: String::new() }
    }

    /// Reads until this was told: what is done then is done after it.
    fn until(mut self, text: &str) -> Following {
        while !self.seen.contains(text) {
            let line = self.lines.next().expect("the stream goes on").expect("text");
            self.seen.push_str(&format!("{line}\n"));
        }
        self
    }

    /// All of it, to its end.
    fn read_to_end(mut self) -> String {
        for line in self.lines.map_while(Result::ok) {
            self.seen.push_str(&format!("{line}\n"));
        }
        self.seen
    }
}

fn events(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|json| serde_json::from_str(json).expect("JSON")).collect()
}

#[test]
fn a_call_is_followed_from_its_first_state_to_its_record() {
    let equipment = Equipment::start();
    let id = equipment.accepted(&message());
    let following = Following::begin(&equipment, &id).until("\"state\":\"calling_customer\"");
    assert_eq!(equipment.daemon.api("DELETE", &format!("/v1/calls/{id}"), None).status, 200);
    let events = events(&following.read_to_end());
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
    let following = Following::begin(&equipment, &id).until("\"state\":\"scheduled\"");
    let begun = Instant::now();
    equipment.daemon.ask_to_stop();
    assert!(equipment.daemon.wait_for_exit().success());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let told = following.read_to_end();
    assert!(!told.contains("call.ended"), "it has not ended: {told}");
}

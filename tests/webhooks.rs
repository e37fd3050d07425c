//! Events of calls as a business's webhook gets them from the real daemon: in order, signed, again and again until they are taken, and
//! never to where they must not go. Owns these stories.

#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;

#[path = "webhooks/places.rs"]
mod places;
#[path = "webhooks/receiver.rs"]
mod receiver;
#[path = "webhooks/replay.rs"]
mod replay;

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use receiver::{Delivery, Manner, Receiver};
use serde_json::{Value, json};
use support::daemon::{Daemon, Setup, Switch};
use support::ports;
use support::story::{Story, until_both_hear_each_other};
use support::wait::{PATIENCE, eventually};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The first retry comes after five seconds, the second after thirty more.
const RETRIES: Duration = Duration::from_secs(60);

/// What makes the business of every test be told at this address, as it stands behind its entry in the file.
fn told_at(folder: &tempfile::TempDir, url: &str, webhooks: &str) -> String {
    let file = folder.path().join("abc.whsec");
    std::fs::write(&file, format!("{SECRET}\n")).expect("the secret");
    format!("webhook = {{ url = \"{url}\", secret_file = \"{}\" }}\n[webhooks]\n{webhooks}", file.display())
}

/// A daemon whose business has a webhook, and the silent switch it dials.
struct Stage {
    daemon: Daemon,
    _folder: tempfile::TempDir,
    _switch: UdpSocket,
}

impl Stage {
    /// With a webhook at this URL and these keys of `[webhooks]`.
    fn start(url: &str, webhooks: &str) -> Stage {
        Stage::with(url, webhooks, Setup::default())
    }

    fn with(url: &str, webhooks: &str, setup: Setup) -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        let port = ports::port();
        let switch = UdpSocket::bind(ports::loopback(port)).expect("a free port");
        let more = told_at(&folder, url, webhooks) + &setup.more;
        let switches = vec![Switch::new("silent", port, &["+1"])];
        let daemon = Daemon::start(&Setup { switches, more, call: vec![("customer_ring_seconds", 30)], ..setup });
        Stage { daemon, _folder: folder, _switch: switch }
    }

    /// With a receiver on loopback.
    fn receiving() -> (Stage, Receiver) {
        let receiver = Receiver::start(ports::loopback(ports::port()));
        let stage = Stage::start(&format!("http://{}/events?who=abc", receiver.address), "allow = [\"127.0.0.0/8\"]\n");
        (stage, receiver)
    }

    /// Places a call and gives its identifier.
    #[track_caller]
    fn call(&self) -> String {
        let message = json!({ "customer": "+12125550100", "representative": "+12125550101" });
        let answer = self.daemon.api("POST", "/v1/calls", Some(&message));
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.json()["id"].as_str().expect("an identifier").to_owned()
    }

    /// A call that is cancelled once the customer is dialled: three events.
    #[track_caller]
    fn short_call(&self) -> String {
        let id = self.call();
        let path = format!("/v1/calls/{id}");
        let state = || self.daemon.api("GET", &path, None).json()["state"].clone();
        eventually("the customer to be dialled", PATIENCE, || (state() == "calling_customer").then_some(()));
        assert_eq!(self.daemon.api("DELETE", &path, None).status, 200);
        eventually("its end", PATIENCE, || (state() == "ended").then_some(()));
        id
    }

    /// The list of deliveries, the newest call first.
    #[track_caller]
    fn deliveries(&self, query: &str) -> Vec<Value> {
        let answer = self.daemon.api("GET", &format!("/v1/webhooks/deliveries{query}"), None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["deliveries"].as_array().expect("a list").clone()
    }

    /// A small command of ours on this daemon's configuration.
    #[track_caller]
    fn command(&self, words: &[&str], input: &str) -> String {
        let mut child = Command::new(env!("CARGO_BIN_EXE_callbridge"))
            .args(words)
            .arg("--config")
            .arg(self.daemon.config())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("callbridge");
        std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), input.as_bytes()).expect("it reads");
        let Output { status, stdout, stderr } = child.wait_with_output().expect("its end");
        assert!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("text")
    }
}

/// What was taken of this call, in the order of coming.
fn of_call(receiver: &Receiver, id: &str) -> Vec<Delivery> {
    receiver.took().into_iter().filter(|delivery| delivery.json()["data"]["id"] == id).collect()
}

/// Waits until the end of this call was taken.
#[track_caller]
fn until_told(receiver: &Receiver, id: &str, within: Duration) -> Vec<Delivery> {
    eventually("the end of the call to be told", within, || {
        let told = of_call(receiver, id);
        told.iter().any(|delivery| delivery.json()["type"] == "call.ended").then_some(told)
    })
}

/// Each event of a call once, in order, and exactly one end, the last.
#[track_caller]
fn assert_whole(told: &[Delivery], states: &[&str]) {
    let events: Vec<Value> = told.iter().map(Delivery::json).collect();
    let got: Vec<&str> = events.iter().filter_map(|event| event["state"].as_str()).collect();
    assert_eq!(got, states);
    let sequences: Vec<u64> = events.iter().filter_map(|event| event["sequence"].as_u64()).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b) && sequences.first() == Some(&1), "{sequences:?}");
    let ends = events.iter().filter(|event| event["type"] == "call.ended").count();
    assert_eq!((ends, events.last().map(|event| event["type"].clone())), (1, Some("call.ended".into())));
    told.iter().for_each(|delivery| delivery.assert_signed(&[SECRET]));
}

#[test]
fn a_whole_call_is_told_in_order_and_signed() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = Receiver::start(ports::loopback(ports::port()));
    let url = format!("http://{}/hook", receiver.address);
    let more = told_at(&folder, &url, "allow = [\"127.0.0.1\"]\n");
    let story = Story::with(Setup { more, ..Setup::default() });
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    let told = until_told(&receiver, &call.id, PATIENCE);
    assert_whole(&told, &["queued", "calling_customer", "calling_representative", "bridged", "ended"]);
    let end = told.last().expect("an end").json();
    assert_eq!((&end["data"]["outcome"], &end["data"]["ended_at"]), (&record["outcome"], &record["ended_at"]));
    assert_eq!((&end["data"]["reference"], &end["data"]["state"]), (&"order 321".into(), &"ended".into()));
    let head = &told[0].head;
    for line in ["POST /hook HTTP/1.1", "content-type: application/json", &format!("host: {}", receiver.address)] {
        assert!(head.lines().any(|own| own.eq_ignore_ascii_case(line)), "{line} is not in\n{head}");
    }
    // The stream of the same call says the same.
    let stream = story.daemon.api("GET", &format!("/v1/calls/{}/events", call.id), None).body;
    let line = stream.lines().find_map(|line| line.strip_prefix("data: ")).expect("an event");
    let streamed: Value = serde_json::from_str(line).expect("JSON");
    for field in ["type", "sequence", "timestamp", "state"] {
        assert_eq!(streamed[field], end[field], "{field}");
    }
    assert!(!story.daemon.log().contains("MfKQ"), "no secret in the log");
    assert!(story.daemon.metric("callbridge_webhook_deliveries_total", "result=\"delivered\"") >= 5.0);
    story.end();
}

#[test]
fn a_webhook_that_is_down_is_told_everything_once_it_is_up() {
    let address = ports::loopback(ports::port());
    let stage = Stage::start(&format!("http://{address}/"), "allow = [\"127.0.0.0/8\"]\n");
    let calls: Vec<String> = (0..3).map(|_| stage.short_call()).collect();
    eventually("all to be durable", PATIENCE, || (stage.deliveries("?state=waiting").len() == 9).then_some(()));
    assert!(stage.daemon.records().len() == 3, "calls do not wait for it");
    let receiver = Receiver::start(address);
    for id in &calls {
        assert_whole(&until_told(&receiver, id, RETRIES), &["queued", "calling_customer", "ended"]);
    }
    eventually("all to be settled", PATIENCE, || stage.deliveries("?state=waiting").is_empty().then_some(()));
    let depth = || stage.daemon.metrics().contains("callbridge_webhook_outbox_depth 0");
    eventually("an empty outbox", PATIENCE, || depth().then_some(()));
}

#[test]
fn what_it_cannot_take_comes_again_under_the_same_name_and_nothing_overtakes_it() {
    let (stage, receiver) = Stage::receiving();
    let redirect = Manner { head: "Location: http://127.0.0.1:1/\r\n", ..Manner::status(302) };
    receiver.answers([Manner::status(500), redirect]);
    let id = stage.short_call();
    assert_whole(&until_told(&receiver, &id, RETRIES), &["queued", "calling_customer", "ended"]);
    let got: Vec<(u64, String, u16)> = receiver
        .got()
        .iter()
        .map(|delivery| (delivery.json()["sequence"].as_u64().expect("a number"), delivery.id.clone(), delivery.status))
        .collect();
    let first: Vec<u16> = got.iter().filter(|(sequence, ..)| *sequence == 1).map(|(.., status)| *status).collect();
    assert_eq!(first, [500, 302, 204]);
    assert!(got[..3].iter().all(|(sequence, name, _)| *sequence == 1 && *name == got[0].1), "{got:?}");
    let times: Vec<_> = receiver.got().iter().take(3).map(|delivery| delivery.at).collect();
    assert!(times[1] - times[0] >= Duration::from_secs(5) && times[2] - times[1] >= Duration::from_secs(30));
    // Each try is signed anew, with its own time.
    receiver.got().iter().for_each(|delivery| delivery.assert_signed(&[SECRET]));
}

#[test]
fn a_slow_webhook_delays_no_other_business() {
    let (slow, quick) =
        (Receiver::start(ports::loopback(ports::port())), Receiver::start(ports::loopback(ports::port())));
    slow.always(Manner { after: Duration::from_secs(30), ..Manner::status(200) });
    let url = format!("http://{}/", slow.address);
    let setup = Setup { rtp_ports: 128, ..Setup::default() };
    let stage = Stage::with(&url, "allow = [\"127.0.0.0/8\"]\ntimeout_seconds = 5\n", setup);
    let address = format!("http://{}/", quick.address);
    let words = [
        "business",
        "add",
        "xyz",
        "--name",
        "XYZ",
        "--password-stdin",
        "--webhook-secret-stdin",
        "--webhook-url",
        &address,
    ];
    stage.command(&words, &format!("sesame\n{SECRET}\n"));
    (0..20).for_each(|_| drop(stage.call()));
    eventually("the slow one to be asked", PATIENCE, || (slow.connections() > 0).then_some(()));
    let xyz = support::http::Credentials { id: "xyz".into(), password: "sesame".into() };
    let message = json!({ "customer": "+12125550100", "representative": "+12125550101" });
    let begun = std::time::Instant::now();
    let answer = eventually("the new account", PATIENCE, || {
        let answer = support::http::request(stage.daemon.http, "POST", "/v1/calls", Some(&xyz), Some(&message));
        answer.ok().filter(|answer| answer.status == 202)
    });
    let id = answer.json()["id"].as_str().expect("an identifier").to_owned();
    eventually("its first events", PATIENCE, || (of_call(&quick, &id).len() >= 2).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(slow.connections() <= 4, "one at a time to who is slow: {}", slow.connections());
    assert!(slow.took().iter().all(|delivery| delivery.json()["sequence"] == 1), "nothing overtakes");
}

#[test]
fn a_crash_between_the_end_and_its_delivery_loses_nothing_and_doubles_nothing() {
    let address = ports::loopback(ports::port());
    let mut stage = Stage::start(&format!("http://{address}/"), "allow = [\"127.0.0.0/8\"]\n");
    let mut calls: Vec<String> = (0..4).map(|_| stage.short_call()).collect();
    // This one is cut by the crash: its end is told by the next life.
    let cut = stage.call();
    let path = format!("/v1/calls/{cut}");
    let state = |stage: &Stage| stage.daemon.api("GET", &path, None).json()["state"].clone();
    eventually("the customer to be dialled", PATIENCE, || (state(&stage) == "calling_customer").then_some(()));
    eventually("its events to be durable", PATIENCE, || (stage.deliveries("?state=waiting").len() == 14).then_some(()));
    stage.daemon.kill();
    stage.daemon.restart();
    let receiver = Receiver::start(address);
    calls.push(cut);
    for id in &calls {
        assert_whole(&until_told(&receiver, id, RETRIES), &["queued", "calling_customer", "ended"]);
    }
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    receiver.took().iter().for_each(|delivery| *times.entry(delivery.id.clone()).or_default() += 1);
    assert!(times.len() == 15 && times.values().all(|times| *times == 1), "{times:?}");
}

#[test]
fn a_business_without_a_webhook_leaves_nothing_in_the_outbox() {
    let (stage, receiver) = Stage::receiving();
    stage.command(&["business", "change", "abc", "--webhook-url", ""], "");
    // The daemon sees the change within a second; what is asked for before that is a test event of its own, of no call.
    let none = || stage.daemon.api("POST", "/v1/webhooks/test", None).status == 409;
    eventually("the webhook to be taken away", PATIENCE, || none().then_some(()));
    let tested = stage.deliveries("").len();
    stage.short_call();
    eventually("its record", PATIENCE, || (stage.daemon.records().len() == 1).then_some(()));
    let (left, of_calls) = (stage.deliveries(""), |delivery: &Value| !delivery["call_id"].is_null());
    assert_eq!((left.len(), left.iter().filter(|delivery| of_calls(delivery)).count()), (tested, 0), "{left:?}");
    assert!(receiver.connections() <= tested, "{} connections for {tested} tests", receiver.connections());
}

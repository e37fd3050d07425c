//! CloudEvents to a call's sink: each state in order, with the sink's token and nobody else's, again until taken, across a crash, and not a moment
//! after the token has expired.

use std::time::Duration;

use super::receiver::{Delivery, Manner, Receiver};
use super::support::story::{Story, until_both_hear_each_other};
use super::support::tone::Tone;
use super::support::wait::{PATIENCE, eventually};
use super::*;

const SECRET: &str = "ya29.A0AR-a-sinks-secret==";
/// The first retry comes after five seconds, the second after thirty more.
const RETRIES: Duration = Duration::from_secs(90);

fn receiver() -> Receiver {
    Receiver::start(ports::loopback(ports::port()))
}

/// A sink on this address, with a token that expires in so many seconds.
fn to(address: std::net::SocketAddr, seconds: i64) -> Value {
    let expires = time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    let expires = expires.format(&time::format_description::well_known::Rfc3339).expect("a time");
    let mut body = with("sink", json!(format!("http://{address}/sink?for=abc")));
    body["sinkCredential"] = json!({ "credentialType": "ACCESSTOKEN", "accessToken": SECRET,
        "accessTokenType": "bearer", "accessTokenExpiresUtc": expires });
    body
}

/// What a call went through, as its sink was told: judged, in order, the last one its end.
#[track_caller]
fn until_over(receiver: &Receiver, judge: &Judge, id: &str, within: Duration) -> Vec<Delivery> {
    let told = eventually("the end to be told", within, || {
        let told: Vec<Delivery> = receiver.took().into_iter().filter(|d| d.json()["data"]["callId"] == id).collect();
        let over =
            |d: &Delivery| ["disconnected", "failed"].map(Value::from).contains(&d.json()["data"]["status"]["state"]);
        told.iter().any(over).then_some(told)
    });
    for delivery in &told {
        judge.event(&delivery.json());
        let head = delivery.head.to_lowercase();
        assert!(head.contains("content-type: application/cloudevents+json"), "{head}");
        assert!(delivery.head.contains(&format!("Bearer {SECRET}")), "{head}");
        assert!(!head.contains("webhook-"), "a sink is shown its token and no signature: {head}");
    }
    let names: std::collections::BTreeSet<String> = told.iter().map(|d| d.json()["id"].to_string()).collect();
    assert_eq!(names.len(), told.len(), "each once");
    told
}

fn states(told: &[Delivery]) -> Vec<String> {
    let state = |delivery: &Delivery| delivery.json()["data"]["status"]["state"].as_str().expect("a state").to_owned();
    told.iter().map(state).collect()
}

#[track_caller]
fn end(told: &[Delivery]) -> Value {
    told.last().expect("an end").json()["data"].clone()
}

/// Nothing is kept of any sink.
#[track_caller]
fn assert_forgotten(daemon: &Daemon) {
    let store = daemon.config().with_file_name("callbridge.db");
    eventually("the sinks to be forgotten", PATIENCE, || {
        let store = rusqlite::Connection::open(&store).expect("the store");
        let left = |table: &str, what: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table} WHERE {what}");
            store.query_row(&sql, [], |row| row.get(0)).expect("a count")
        };
        let token = format!("LIKE '%{SECRET}%'");
        let bodies = left("outbox", &format!("body {token}")) + left("records", &format!("record {token}"));
        (left("sinks", "true") + left("calls", &format!("message {token}")) + bodies == 0).then_some(())
    });
}

#[test]
fn a_whole_call_is_told_state_by_state_with_the_sinks_token() {
    let receiver = receiver();
    let story = Story::with(Setup { more: LOOPBACK_SINKS.to_owned(), ..Setup::default() });
    let (judge, token) = (Judge::start(), token(&story.daemon, ""));
    let mut caller = story.customer("phone-answers-and-hangs-up");
    let callee = story.representative("phone-answers-and-is-hung-up");
    let mut body = to(receiver.address, 3600);
    body["recordingEnabled"] = json!(true);
    let answer = asked(&story.daemon, &token, &judge, "POST", "", Some(&body));
    assert!(answer.status == 201 && !answer.body.contains(SECRET), "{}", answer.body);
    let id = answer.json()["callId"].as_str().expect("an id").to_owned();
    let call = story.known(&id);
    call.until("bridged");
    until_both_hear_each_other(&caller, &callee);
    caller.act();
    let record = call.record();
    let told = until_over(&receiver, &judge, &id, PATIENCE);
    assert_eq!(states(&told), ["initiating", "callingCaller", "callingCallee", "connected", "disconnected"]);
    let end = end(&told);
    assert_eq!((&end["caller"], &end["callee"]), (&json!(CALLER), &json!(CALLEE)));
    assert_eq!((&end["status"]["reason"], &end["recordingResult"]), (&json!("hangUp"), &json!("success")));
    assert_eq!(end["callDuration"], record["talk_seconds"].to_string());
    assert!(told[0].head.starts_with("POST /sink?for=abc HTTP/1.1"), "{}", told[0].head);
    assert!(story.daemon.metric("callbridge_sink_deliveries_total", "result=\"delivered\"") >= 5.0);
    for shown in [story.daemon.log(), asked(&story.daemon, &token, &judge, "GET", &format!("/{id}"), None).body] {
        assert!(!shown.contains(SECRET));
    }
    assert_forgotten(&story.daemon);
    assert_eq!(story.daemon.api("GET", "/v1/webhooks/deliveries", None).json()["deliveries"], json!([]));
    caller.finish();
    callee.finish();
    story.end();
}

#[test]
fn who_does_not_answer_or_is_busy_is_disconnected_with_a_reason() {
    for (caller, callee, reason) in [
        ("customer-busy", None, "callerBusy"),
        ("phone-rings-until-cancelled", None, "callerNoAnswer"),
        ("customer-rejects", None, "callerFailure"),
        ("phone-answers-and-is-hung-up", Some("representatives-all-busy"), "calleeBusy"),
        ("phone-answers-and-is-hung-up", Some("phone-rings-until-cancelled"), "calleeNoAnswer"),
    ] {
        let receiver = receiver();
        let call = vec![("customer_ring_seconds", 2), ("representative_ring_seconds", 2)];
        let setup = Setup { more: LOOPBACK_SINKS.to_owned(), call, prompt_seconds: 1.0, ..Setup::default() };
        let story = Story::with(setup);
        let (judge, token) = (Judge::start(), token(&story.daemon, ""));
        let caller = story.customer(caller);
        let callee = callee.map(|scenario| story.phone(Tone::Representative, scenario, |_| {}));
        let mut body = to(receiver.address, 3600);
        body["recordingEnabled"] = json!(true);
        let answer = asked(&story.daemon, &token, &judge, "POST", "", Some(&body));
        let id = answer.json()["callId"].as_str().expect("an id").to_owned();
        let end = end(&until_over(&receiver, &judge, &id, PATIENCE));
        assert_eq!((&end["status"]["state"], &end["status"]["reason"]), (&json!("disconnected"), &json!(reason)));
        assert_eq!((&end["callDuration"], &end["recordingResult"]), (&json!("0"), &json!("noRecord")), "{reason}");
        assert_eq!(
            asked(&story.daemon, &token, &judge, "GET", &format!("/{id}"), None).json()["status"],
            "disconnected"
        );
        caller.finish();
        drop(callee);
    }
}

#[test]
fn a_sink_that_is_down_is_told_everything_in_order_after_a_crash_too_and_a_fault_of_ours_is_a_failure() {
    let address = ports::loopback(ports::port());
    let mut stage = Stage::start();
    let id = stage.create(&to(address, 3600));
    let path = format!("/{id}");
    eventually("the caller to be dialled", PATIENCE, || {
        (stage.ask("GET", &path, None).json()["status"] == "callingCaller").then_some(())
    });
    stage.daemon.kill();
    let receiver = Receiver::start(address);
    stage.daemon.restart();
    let told = until_over(&receiver, &stage.judge, &id, RETRIES);
    assert_eq!(states(&told), ["initiating", "callingCaller", "failed"]);
    assert_eq!(stage.ask("GET", &path, None).json()["status"], "failed");
    assert_forgotten(&stage.daemon);
    assert!(!stage.daemon.log().contains(SECRET));
}

#[test]
fn nothing_is_sent_once_the_sinks_token_has_expired() {
    let receiver = receiver();
    let stage = Stage::start();
    let id = stage.create(&to(receiver.address, 3));
    eventually("the first two", PATIENCE, || (receiver.took().len() == 2).then_some(()));
    std::thread::sleep(Duration::from_millis(3_500));
    assert_eq!(stage.ask("DELETE", &format!("/{id}"), None).status, 204);
    eventually("the end to be given up", PATIENCE * 2, || {
        (stage.daemon.metric("callbridge_sink_deliveries_total", "result=\"dead\"") >= 1.0).then_some(())
    });
    assert_eq!(receiver.connections(), 2, "its end was not sent");
    let dead = stage.daemon.api("GET", "/v1/webhooks/deliveries?way=sink&state=dead", None).json();
    assert_eq!(dead["deliveries"].as_array().map(Vec::len), Some(1), "{dead}");
    assert_eq!(dead["deliveries"][0]["call_id"], id.as_str(), "it is listed where it is looked for");
    assert_forgotten(&stage.daemon);
}

#[test]
fn a_sink_that_wants_no_more_gets_no_more_and_others_get_theirs() {
    let (gone, other) = (receiver(), receiver());
    let stage = Stage::start();
    gone.always(Manner::status(410));
    let first = stage.create(&to(gone.address, 3600));
    let mut second = to(other.address, 3600);
    second["callee"]["number"] = json!("+16465550102");
    let second = stage.create(&second);
    eventually("the first to be told", PATIENCE, || (gone.connections() > 0).then_some(()));
    for id in [&first, &second] {
        assert_eq!(stage.ask("DELETE", &format!("/{id}"), None).status, 204);
    }
    let told = until_over(&other, &stage.judge, &second, PATIENCE * 2);
    assert_eq!(end(&told)["status"]["reason"], "other");
    assert_forgotten(&stage.daemon);
    assert_eq!(gone.connections(), 1);
}

#[test]
fn the_example_of_the_documentation_joins_two_and_its_sink_is_told() {
    let receiver = receiver();
    let stage = Stage::start();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/click-to-dial.sh");
    let (equipment, sink) = (format!("http://{}", stage.daemon.http), format!("http://{}/sink", receiver.address));
    let run = Command::new("sh")
        .args([example, &equipment, CALLER, CALLEE, &sink, SECRET])
        .env("BUSINESS", &stage.daemon.business.id)
        .env("PASSWORD", &stage.daemon.business.password)
        .output()
        .expect("sh");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    let calls: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [created, shown] = calls.as_slice() else { panic!("two answers: {said}") };
    assert_eq!((&created["callId"], &created["caller"]["number"]), (&shown["callId"], &json!(CALLER)));
    let first = eventually("the first event", PATIENCE, || receiver.took().into_iter().next());
    stage.judge.event(&first.json());
    assert!(first.head.contains(&format!("Bearer {SECRET}")), "{}", first.head);
}

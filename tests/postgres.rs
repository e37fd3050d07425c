//! The whole equipment on PostgreSQL: real daemons, real `sipp` phones, a real server. Owns what only shows from one end to the other; the
//! store's own stories are played on both databases in src/io/store/tests.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use support::daemon::{Daemon, Setup};
use support::postgres::{Cluster, shared};
use support::story::{Story, assert_bridged_by_content, until_both_hear_each_other};
use support::wait::{PATIENCE, eventually};

#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;

fn on(url: String) -> Setup {
    Setup { store: Some(url), ..Setup::default() }
}

fn tool(daemon: &Daemon, arguments: &[&str], input: &str) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_callbridge"))
        .args(arguments)
        .arg("--config")
        .arg(daemon.config())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("callbridge");
    process.stdin.take().expect("its input").write_all(input.as_bytes()).expect("the password");
    process.wait_with_output().expect("its end")
}

fn printed(daemon: &Daemon, arguments: &[&str]) -> String {
    let done = tool(daemon, arguments, "");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn tomorrow() -> String {
    let at = time::OffsetDateTime::now_utc() + time::Duration::DAY;
    at.format(&time::format_description::well_known::Rfc3339).expect("RFC 3339")
}

#[test]
fn a_call_is_bridged_recorded_and_billed_and_the_tools_work_beside_the_daemon() {
    let url = shared().database();
    let story = Story::with(on(url.clone()));
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!(record["outcome"], "completed");
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    eventually("the ladder of the ended call", PATIENCE, || {
        let answer = story.daemon.api("GET", &format!("/v1/calls/{}/ladder", call.id), None);
        (answer.status == 200 && answer.body.contains("INVITE")).then_some(())
    });
    let listed = story.daemon.api("GET", "/v1/calls?limit=10", None).json();
    assert_eq!(listed["calls"].as_array().map(Vec::len), Some(1), "{listed:#}");

    let daemon = &story.daemon;
    let added = tool(daemon, &["business", "add", "xyz", "--name", "XYZ", "--password-stdin"], "another password\n");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    assert!(printed(daemon, &["business", "list"]).contains("xyz"));
    printed(daemon, &["business", "disable", "xyz"]);
    assert!(printed(daemon, &["cdr", "--format", "jsonl"]).contains(&call.id));
    assert!(
        printed(daemon, &["bill", "--business", "abc", "--from", "2020-01-01", "--to", "2099-01-01"]).contains("abc")
    );
    let checked = printed(daemon, &["check"]);
    assert!(checked.contains("postgres://callbridge@127.0.0.1") && !checked.contains("p%40"), "{checked}");
    assert!(!daemon.log().contains("p%40ss") && !daemon.log().contains("p@ss"), "{}", daemon.log());
    let second = tool(daemon, &["serve"], "");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("another callbridge serves"), "{said}");
    story.end();
}

#[test]
fn kill_9_of_the_daemon_loses_no_call_and_doubles_none() {
    let mut story = Story::with(on(shared().database()));
    let mut customer = story.customer("phone-outlives-the-equipment");
    let mut representative = story.representative("phone-outlives-the-equipment");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    let id = call.id;
    let later = story.call_with(json!({ "customer": "+12125550177", "desired_contact_time": tomorrow() })).id;
    story.daemon.kill();
    story.daemon.restart();
    assert_eq!(story.known(&id).record()["outcome"], "interrupted");
    assert_eq!(story.known(&later).now()["state"], "scheduled");
    customer.act();
    representative.act();
    customer.finish();
    representative.finish();
    story.daemon.kill();
    story.daemon.restart();
    assert_eq!(story.known(&id).record()["outcome"], "interrupted", "another restart adds no record");
    story.known(&later).delete();
    assert_eq!(story.known(&later).record()["outcome"], "cancelled");
    story.end();
}

#[test]
fn while_the_database_is_away_messages_are_refused_the_talk_goes_on_and_its_record_is_there_afterwards() {
    let cluster = Cluster::start();
    let story = Story::with(on(cluster.database()));
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    cluster.kill();
    let message = json!({ "customer": "+12125550188", "representative": "+16465550188" });
    for _ in 0..3 {
        let refused = story.daemon.api("POST", "/v1/calls", Some(&message));
        assert_eq!(refused.status, 503, "{}", refused.body);
        assert!(refused.head.to_ascii_lowercase().contains("retry-after"), "{}", refused.head);
    }
    // The talk ends while nothing can be written.
    customer.act();
    let (heard, answered) = (customer.finish(), representative.finish());
    assert_bridged_by_content(&heard.heard, &answered.heard);
    cluster.run();
    let id = call.id.clone();
    let record = eventually("the record", PATIENCE, || {
        let answer = story.daemon.api("GET", "/v1/cdrs?limit=200", None);
        let records = answer.json()["records"].as_array().cloned().unwrap_or_default();
        records.into_iter().find(|record| record["call_id"] == id.as_str())
    });
    assert_eq!(record["outcome"], "completed");
    let accepted = eventually("a message to be accepted again", PATIENCE, || {
        let later = json!({ "customer": "+12125550188", "representative": "+16465550188",
                            "desired_contact_time": tomorrow() });
        let answer = story.daemon.api("POST", "/v1/calls", Some(&later));
        (answer.status == 202).then(|| answer.json())
    });
    let ids: Vec<Value> = story.daemon.records().iter().map(|record| record["call_id"].clone()).collect();
    let distinct: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!((ids.len(), distinct.len()), (1, 1), "one record of one call: {ids:?}");
    let listed = story.daemon.api("GET", "/v1/calls?limit=10", None).json();
    assert_eq!(listed["calls"].as_array().map(Vec::len), Some(2), "what was refused left nothing: {listed:#}");
    story.known(accepted["id"].as_str().expect("an id")).delete();
    story.end();
}

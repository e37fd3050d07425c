//! The log: one line for a call, its identifier in every line, no number in clear unless it is asked for.

use serde_json::Value;

use crate::support::daemon::Setup;
use crate::support::story::{CUSTOMER, Story};
use crate::support::wait::{PATIENCE, eventually};

fn busy_call(log: &str) -> (Story, String) {
    let more = if log.is_empty() { String::new() } else { format!("[log]\n{log}\n") };
    let story = Story::with(Setup { more, ..Setup::default() });
    let customer = story.customer("customer-busy");
    let id = {
        let call = story.call();
        call.record();
        call.id.clone()
    };
    customer.finish();
    eventually("the call's line", PATIENCE, || story.daemon.log().contains("call ended").then_some(()));
    (story, id)
}

#[test]
fn a_call_is_one_line_and_shows_no_number() {
    let (story, id) = busy_call("");
    let log = story.daemon.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&id)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for words in ["call ended", "business=\"abc\"", "outcome=\"customer_busy\"", "customer=+1212*****00", "total_ms="] {
        assert!(lines[0].contains(words), "{words} is not in {}", lines[0]);
    }
    assert!(!log.contains(CUSTOMER.trim_start_matches('+')), "{log}");
    story.end();
}

#[test]
fn every_state_and_every_start_line_has_its_calls_identifier_in_json() {
    let filter = "filter = \"info,callbridge::call=debug,callbridge::sip=trace\"";
    let (story, id) = busy_call(&format!("format = \"json\"\n{filter}"));
    let log = story.daemon.log();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    let of_call: Vec<&Value> =
        lines.iter().map(|line| &line["fields"]).filter(|line| line["call"] == id.as_str()).collect();
    let states: Vec<&str> =
        of_call.iter().filter(|l| l["message"] == "call state").filter_map(|l| l["state"].as_str()).collect();
    assert_eq!(states, ["queued", "calling_customer", "ended"]);
    let sip: Vec<(&str, &str, Option<u64>)> = of_call
        .iter()
        .filter(|line| line["message"] == "SIP")
        .map(|line| {
            (line["way"].as_str().unwrap_or(""), line["method"].as_str().unwrap_or(""), line["status"].as_u64())
        })
        .collect();
    assert_eq!(sip.first(), Some(&("sent", "INVITE", None)));
    assert!(sip.contains(&("received", "INVITE", Some(486))) && sip.contains(&("sent", "ACK", None)), "{sip:?}");
    assert!(
        of_call
            .iter()
            .filter(|l| l["message"] == "SIP")
            .all(|l| l["peer"].as_str().is_some_and(|p| p.starts_with("udp:")))
    );
    assert!(!log.contains(CUSTOMER.trim_start_matches('+')), "{log}");
    story.end();
}

#[test]
fn numbers_are_in_clear_where_the_operator_says_so() {
    let (story, _) = busy_call("numbers = true");
    assert!(story.daemon.log().contains(CUSTOMER));
    story.end();
}

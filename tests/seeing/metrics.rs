//! /metrics after a talk and after refusals: every name of the contract is there with its help, its type and its labels, it has
//! moved, and no stranger can grow it.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::http::{Credentials, request};
use crate::support::story::{Story, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// Name, type, labels.
const CONTRACT: &[(&str, &str, &[&str])] = &[
    ("callbridge_calls_total", "counter", &["outcome"]),
    ("callbridge_calls_active", "gauge", &["state"]),
    ("callbridge_setup_seconds", "histogram", &["le"]),
    ("callbridge_bridge_seconds", "histogram", &["le"]),
    ("callbridge_rtp_packets_total", "counter", &["direction", "result"]),
    ("callbridge_rtp_ports_in_use", "gauge", &[]),
    ("callbridge_sip_messages_total", "counter", &["direction", "method", "status"]),
    ("callbridge_http_requests_total", "counter", &["route", "status"]),
    ("callbridge_rejected_total", "counter", &["reason"]),
    ("callbridge_inbox_depth", "gauge", &[]),
];

/// The lines of one metric: labels and value.
fn series<'m>(metrics: &'m str, name: &str) -> Vec<(&'m str, f64)> {
    let own = |key: &str| {
        let base = key.split('{').next().unwrap_or(key);
        base.strip_prefix(name).is_some_and(|rest| matches!(rest, "" | "_bucket" | "_sum" | "_count"))
    };
    let lines = metrics.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    lines.filter(|(key, _)| own(key)).map(|(key, value)| (key, value.parse().expect("a number"))).collect()
}

fn labels(key: &str) -> BTreeSet<&str> {
    let inner = key.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
    inner.split("\",").filter_map(|pair| pair.split_once('=')).map(|(name, _)| name).collect()
}

#[test]
fn every_metric_of_the_contract_is_there_and_has_moved() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    let talking = story.daemon.metrics();
    assert!(talking.contains("callbridge_calls_active{state=\"bridged\"} 1"), "{talking}");
    assert!(story.daemon.metric("callbridge_rtp_ports_in_use", "") >= 2.0);
    customer.act();
    call.record();
    customer.finish();
    representative.finish();
    let barred = story.daemon.api(
        "POST",
        "/v1/calls",
        Some(&json!({
            "customer": "+442079460000", "representative": "+16465550101",
        })),
    );
    assert_eq!(barred.status, 403, "{}", barred.body);
    let guess = Credentials { id: "abc".into(), password: "a guess".into() };
    assert_eq!(request(story.daemon.http, "GET", "/v1/calls", Some(&guess), None).expect("an answer").status, 401);
    let metrics = story.daemon.metrics();
    for (name, kind, wanted) in CONTRACT {
        assert!(metrics.lines().any(|line| line.starts_with(&format!("# HELP {name} "))), "HELP {name}\n{metrics}");
        assert!(metrics.lines().any(|line| line == format!("# TYPE {name} {kind}")), "TYPE {name} {kind}\n{metrics}");
        let found = series(&metrics, name);
        assert!(!found.is_empty(), "{name}\n{metrics}");
        let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
        for (key, _) in found.iter().filter(|(key, _)| !key.contains("_sum") && !key.contains("_count")) {
            assert_eq!(labels(key), wanted, "{key}");
        }
    }
    for (name, labels) in [
        ("callbridge_calls_total", "outcome=\"completed\""),
        ("callbridge_setup_seconds_count", ""),
        ("callbridge_bridge_seconds_count", ""),
        ("callbridge_rtp_packets_total", "direction=\"in\",result=\"taken\""),
        ("callbridge_rtp_packets_total", "direction=\"out\",result=\"relayed\""),
        ("callbridge_rtp_packets_total", "direction=\"out\",result=\"played\""),
        ("callbridge_sip_messages_total", "direction=\"out\",method=\"INVITE\",status=\"\""),
        ("callbridge_sip_messages_total", "direction=\"in\",method=\"INVITE\",status=\"200\""),
        ("callbridge_sip_messages_total", "direction=\"in\",method=\"BYE\",status=\"\""),
        ("callbridge_http_requests_total", "route=\"/v1/calls\",status=\"202\""),
        ("callbridge_http_requests_total", "route=\"/v1/calls/{id}\",status=\"200\""),
        ("callbridge_rejected_total", "reason=\"destination_barred\""),
        ("callbridge_rejected_total", "reason=\"unauthorized\""),
    ] {
        assert!(story.daemon.metric(name, labels) > 0.0, "{name}{{{labels}}} has not moved\n{metrics}");
    }
    story.end();
}

#[test]
fn no_stranger_and_no_switch_gone_mad_can_grow_the_metrics() {
    let story = Story::begin();
    let switch = story.nobody(Tone::Customer);
    let send = |method: &str, number: u32| {
        let request = format!(
            "{method} sip:callbridge@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:a@{own}>;tag=1\r\nTo: <sip:callbridge@{sip}>\r\nCall-ID: {method}{number}\r\nCSeq: 1 {method}\r\n\
             Content-Length: 0\r\n\r\n",
            sip = story.daemon.sip,
            own = switch.address(),
        );
        switch.send(story.daemon.sip, request.as_bytes());
    };
    let others = || story.daemon.metric("callbridge_sip_messages_total", "direction=\"in\",method=\"OTHER\"");
    send("WHATEVER", 0);
    eventually("the first strange method", PATIENCE, || (others() >= 1.0).then_some(()));
    let path = |number: u32| request(story.daemon.http, "GET", &format!("/secret/{number}"), None, None);
    assert_eq!(path(0).expect("an answer").status, 404);
    assert_eq!(story.daemon.api("GET", "/v1/calls/0", None).status, 404);
    let count = || story.daemon.metrics().lines().filter(|line| !line.starts_with('#')).count();
    let before = count();
    for number in 1..=20 {
        send(&format!("M{number}"), number);
        assert_eq!(path(number).expect("an answer").status, 404);
        assert_eq!(story.daemon.api("GET", &format!("/v1/calls/{number}"), None).status, 404);
    }
    eventually("twenty more strange methods", PATIENCE, || (others() >= 21.0).then_some(()));
    assert_eq!(count(), before, "{}", story.daemon.metrics());
    drop(switch);
    story.end();
}

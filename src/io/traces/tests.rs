//! Spans out of records.

use super::spans::{of_call, request};
use super::*;
use crate::clock::Wall;
use crate::io::logs::tests::record;
use crate::model::{Cause, Endpoint, Outcome, Role};

fn attempt(role: Role, attempt: u16) -> AttemptRecord {
    AttemptRecord {
        call_id: CallId::from_u128(1),
        attempt,
        role,
        address: Endpoint::parse("+12125550100").unwrap(),
        switch: Some("ssp-62".to_owned()),
        dialled_at: Wall(100),
        ringing_at: Some(Wall(200)),
        answered_at: None,
        ended_at: Wall(300),
        cause: Cause { sip_status: Some(486), q850: Some(17), text: "busy".to_owned() },
        codec: None,
        billable_seconds: 0,
        quality: None,
        mode: None,
        price_micros: None,
        rated: None,
    }
}

#[test]
fn every_span_of_a_trace_has_an_identifier_of_its_own_and_none_is_zero() {
    let attempts: Vec<AttemptRecord> = (0..40).map(|n| attempt(Role::Representative, n)).collect();
    let spans = of_call(&record(Outcome::Completed), &attempts);
    let ids: std::collections::BTreeSet<&[u8]> = spans.iter().map(|span| span.span_id.as_slice()).collect();
    assert_eq!(ids.len(), spans.len());
    assert!(ids.iter().all(|id| id.len() == 8 && id.iter().any(|byte| *byte != 0)));
}

#[test]
fn a_leg_that_was_busy_is_a_failed_span_and_a_call_that_ended_as_calls_end_is_not() {
    let spans = of_call(&record(Outcome::CustomerBusy), &[attempt(Role::Customer, 0)]);
    assert!(spans[0].status.is_none());
    let status = spans.last().and_then(|span| span.status.clone()).unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "busy"));
    assert!(of_call(&record(Outcome::Failed), &[])[0].status.is_some());
}

#[test]
fn a_clock_that_was_set_back_makes_no_span_of_negative_length() {
    let mut early = attempt(Role::Customer, 0);
    (early.dialled_at, early.ended_at) = (Wall(500), Wall(100));
    for span in of_call(&record(Outcome::Completed), &[early]) {
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
    }
}

#[test]
fn a_sample_is_of_about_that_many_in_a_hundred_and_the_ends_are_exact() {
    let calls: Vec<CallId> = (0..10_000_u128).map(|n| CallId::from_u128(n * 7919)).collect();
    let sampled = |percent| calls.iter().filter(|call| is_sampled(**call, percent)).count();
    assert_eq!((sampled(0), sampled(100)), (0, calls.len()));
    assert!((900..1100).contains(&sampled(10)));
}

#[test]
fn what_is_sent_can_be_read_again() {
    let spans = of_call(&record(Outcome::Completed), &[attempt(Role::Customer, 0)]);
    let sent = request("x", spans);
    let bytes = sent.encode_to_vec();
    let read = opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest::decode(&*bytes);
    assert_eq!(read.unwrap(), sent);
}

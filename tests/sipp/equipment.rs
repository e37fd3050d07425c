//! The equipment itself: calls at their desired contact time, kill -9, SIGTERM, a hundred calls at once, and strangers.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::daemon::Setup;
use crate::support::story::{Story, assert_bridged_by_content, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

fn in_seconds(seconds: u64) -> (SystemTime, Value) {
    let at = SystemTime::now() + Duration::from_secs(seconds);
    let text = OffsetDateTime::from(at).format(&Rfc3339).expect("RFC 3339");
    (at, json!({ "desired_contact_time": text }))
}

#[test]
fn a_scheduled_call_is_placed_at_its_time() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let (at, fields) = in_seconds(2);
    let call = story.call_with(fields);
    assert_eq!(call.now()["state"], "scheduled");
    customer.until("INVITE", |m| m.is_request("INVITE"));
    let late = SystemTime::now().duration_since(at).expect("not placed before its time");
    assert!(late < Duration::from_millis(900), "{late:?} after its time");
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn a_scheduled_call_survives_kill_9() {
    let mut story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let (at, fields) = in_seconds(4);
    let id = story.call_with(fields).id;
    story.daemon.kill();
    story.daemon.restart();
    let call = story.known(&id);
    call.until("bridged");
    assert!(SystemTime::now() >= at, "not before its time");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn a_call_cut_by_kill_9_is_recorded_as_interrupted_once() {
    let mut story = Story::begin();
    let mut customer = story.customer("phone-outlives-the-equipment");
    let mut representative = story.representative("phone-outlives-the-equipment");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    let id = call.id;
    story.daemon.kill();
    story.daemon.restart();
    let record = story.known(&id).record();
    assert_eq!(record["outcome"], "interrupted");
    assert_ne!(record["bridged_at"], Value::Null, "what is known is kept");
    customer.act();
    representative.act();
    customer.finish();
    representative.finish();
    story.daemon.kill();
    story.daemon.restart();
    assert_eq!(story.known(&id).record()["outcome"], "interrupted", "another restart adds no record");
    story.end();
}

#[test]
fn sigterm_lets_the_talk_end_and_takes_no_new_call() {
    let mut story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    let id = call.id;
    story.daemon.ask_to_stop();
    eventually("new calls to be refused", PATIENCE, || {
        let message = json!({ "customer": "+12125550199", "representative": "+16465550199" });
        let who = &story.daemon.business;
        let answer = crate::support::http::request(story.daemon.http, "POST", "/v1/calls", Some(who), Some(&message));
        answer.map_or(true, |a| a.status == 503).then_some(())
    });
    customer.act();
    assert_eq!(story.daemon.wait_for_exit().code(), Some(0), "{}", story.daemon.log());
    let record = story.daemon.printed_records().into_iter().find(|r| r["call_id"] == id.as_str()).expect("the record");
    assert_eq!(record["outcome"], "completed");
    customer.finish();
    representative.finish();
}

#[test]
fn a_hundred_calls_at_once() {
    const CALLS: u32 = 100;
    let story = Story::with(Setup { rtp_ports: 420, prompt_seconds: 0.2, ..Setup::default() });
    let [customers, representatives] = [Tone::Customer, Tone::Representative]
        .map(|who| story.phone(who, "phone-answers-and-is-hung-up", |phone| phone.calls = CALLS));
    let calls: Vec<_> = (0..CALLS).map(|n| story.call_with(json!({ "reference": n.to_string() }))).collect();
    for (phone, voice) in [(&customers, Tone::Representative), (&representatives, Tone::Customer)] {
        eventually("every call to carry the other's voice", PATIENCE * 2, || {
            let talking = phone.media.judge(|heard| {
                let of_voice = heard.iter().filter(|f| f.tone() == Some(voice));
                of_voice.map(|f| f.from).collect::<BTreeSet<_>>().len()
            });
            (talking == CALLS as usize).then_some(())
        });
    }
    assert_eq!(story.daemon.metric("callbridge_calls_active", "state=\"bridged\""), f64::from(CALLS));
    for call in &calls {
        call.delete();
    }
    customers.finish();
    representatives.finish();
    eventually("a record of each call", PATIENCE, || {
        let records = story.daemon.records();
        assert!(records.iter().all(|r| r["outcome"] == "completed"), "{records:#?}");
        (records.len() == CALLS as usize).then_some(())
    });
    story.end();
}

#[test]
fn a_stranger_gets_silence_even_with_the_names_of_a_live_dialog() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    let answer = customer.until("the answer", |m| m.sent && m.is_response(200, "INVITE"));
    let field = |name: &str| answer.header(name).unwrap_or_default().to_owned();
    let stranger = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).expect("another loopback address");
    stranger.set_read_timeout(Some(Duration::from_millis(700))).expect("a read timeout");
    let from = stranger.local_addr().expect("its address");
    let via = format!("Via: SIP/2.0/UDP {from};branch=z9hG4bKstranger;rport");
    let (own, other, id) = (field("To"), field("From"), field("Call-ID"));
    let bye = format!(
        "BYE sip:callbridge@{} SIP/2.0\r\n{via}\r\nFrom: {own}\r\nTo: {other}\r\nCall-ID: {id}\r\nCSeq: 9 BYE\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        story.daemon.sip
    );
    let options = bye.replace("BYE", "OPTIONS").replace(&id, "nobody-knows-this");
    let invite = options.replace("OPTIONS", "INVITE");
    for datagram in [bye.as_str(), options.as_str(), invite.as_str(), "\r\n\r\n", "not SIP at all"] {
        stranger.send_to(datagram.as_bytes(), story.daemon.sip).expect("sent");
    }
    let mut answer = [0; 2048];
    let silence = stranger.recv_from(&mut answer);
    assert!(silence.is_err(), "a stranger was answered: {}", String::from_utf8_lossy(&answer));
    assert!(story.daemon.metric("callbridge_rejected_total", "reason=\"sip_stranger\"") >= 3.0);
    assert_eq!(call.now()["state"], "bridged", "a stranger's BYE hangs nobody up");
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
}

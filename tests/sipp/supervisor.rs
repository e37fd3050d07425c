//! A third party at a talk: dialled through the API, heard by whom its mode says, gone when the talk ends, and no loss to it.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::daemon::{Setup, Switch};
use crate::support::http::download;
use crate::support::ports;
use crate::support::sipp::{Phone, PhoneSetup};
use crate::support::story::{Call, Story, assert_one_stream, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

const SUPERVISOR: &str = "+19145550100";

/// A story with a third switch, for +1914…, at this port.
fn begin() -> (Story, u16) {
    let port = ports::port();
    let setup = Setup { switches: vec![Switch::new("ssp-66", port, &["+1914"])], ..Setup::default() };
    (Story::with(setup), port)
}

fn supervisor(port: u16, scenario: &'static str) -> Phone {
    Phone::start(&PhoneSetup::new(scenario, port, Tone::NewParty))
}

/// POST …/supervisors; its leg.
#[track_caller]
fn invite(story: &Story, call: &Call<'_>, mode: &str) -> u64 {
    let body = json!({ "supervisor": SUPERVISOR, "mode": mode });
    let answer = story.daemon.api("POST", &format!("/v1/calls/{}/supervisors", call.id), Some(&body));
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()["leg"].as_u64().expect("the supervisor's leg")
}

#[track_caller]
fn change(story: &Story, call: &Call<'_>, leg: u64, mode: &str) {
    let path = format!("/v1/calls/{}/supervisors/{leg}", call.id);
    let answer = story.daemon.api("PATCH", &path, Some(&json!({ "mode": mode })));
    assert_eq!((answer.status, answer.json()["mode"].as_str()), (200, Some(mode)), "{}", answer.body);
}

/// Waits until this phone hears exactly these voices at once, in so many frames of the last moment.
#[track_caller]
fn until_hears(who: &str, phone: &Phone, voices: &[Tone]) {
    let all = [Tone::Customer, Tone::Representative, Tone::NewParty];
    let mut since = Instant::now();
    eventually(&format!("{who} to hear {voices:?}"), PATIENCE, || {
        let wrong = |frame: &&crate::support::rtp::Frame| {
            all.iter().any(|tone| frame.has_some_of(*tone) != voices.contains(tone))
        };
        let last_wrong = phone.media.judge(|frames| frames.iter().rev().find(wrong).map(|frame| frame.at));
        since = since.max(last_wrong.unwrap_or(since));
        (phone.media.count(|frame| frame.at > since) >= 20).then_some(())
    });
}

#[track_caller]
fn attempts(record: &Value, story: &Story) -> Vec<Value> {
    let id = record["call_id"].as_str().expect("an identifier");
    let view = story.daemon.api("GET", &format!("/v1/calls/{id}"), None).json();
    view["attempts"].as_array().expect("attempts").clone()
}

#[test]
fn a_supervisor_listens_whispers_and_joins_and_the_customers_end_ends_everything() {
    use Tone::{Customer, NewParty, Representative};
    let (story, port) = begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let third = supervisor(port, "phone-answers-and-is-hung-up");
    let call = story.call_with(json!({ "record": true }));
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    let leg = invite(&story, &call, "listen");
    let again = json!({ "supervisor": SUPERVISOR, "mode": "join" });
    let second = story.daemon.api("POST", &format!("/v1/calls/{}/supervisors", call.id), Some(&again));
    assert_eq!(second.status, 409, "one at a time: {}", second.body);
    let talk =
        [("listen", &[Representative][..], &[Customer][..]), ("whisper", &[Representative], &[Customer, NewParty])];
    for (mode, by_customer, by_representative) in talk {
        change(&story, &call, leg, mode);
        until_hears("the supervisor", &third, &[Customer, Representative]);
        until_hears("the customer", &customer, by_customer);
        until_hears("the representative", &representative, by_representative);
    }
    assert_eq!(customer.media.count(|frame| frame.has_some_of(NewParty)), 0, "a whisper reached the customer");
    change(&story, &call, leg, "join");
    until_hears("the customer", &customer, &[Representative, NewParty]);
    until_hears("the representative", &representative, &[Customer, NewParty]);
    let shown = call.now();
    assert_eq!(
        (shown["supervisors"][0]["leg"].as_u64(), shown["supervisors"][0]["mode"].as_str()),
        (Some(leg), Some("join"))
    );
    customer.act();
    third.until("the BYE", |m| m.is_request("BYE"));
    let record = call.record();
    assert_eq!(record["outcome"], "completed");
    assert!(record["supervisor_billable_seconds"].as_u64() >= Some(1), "{record:#}");
    assert_eq!(attempts(&record, &story).len(), 3);
    recorded(&story, &call);
    for phone in [customer, representative, third] {
        assert_one_stream(&phone.finish().heard);
    }
    story.end();
}

/// The recording: the customer on the left, on the right what the customer heard of the others, at the last both at once, and
/// never a whisper alone.
#[track_caller]
fn recorded(story: &Story, call: &Call<'_>) {
    let wav = eventually("the recording", PATIENCE, || {
        let path = format!("/v1/calls/{}/recording", call.id);
        let (status, _, body) = download(story.daemon.http, &path, &story.daemon.business).expect("an answer");
        (status == 200).then_some(body)
    });
    let mut reader = hound::WavReader::new(std::io::Cursor::new(wav)).expect("a WAV file");
    let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    let side = |offset: usize| samples.iter().skip(offset).step_by(2).copied().collect::<Vec<_>>();
    let share = |frame: &[i16], tone: Tone| tone.share(frame) > 0.2;
    let (left, right) = (side(0), side(1));
    assert!(!left.chunks_exact(160).any(|frame| share(frame, Tone::NewParty)), "the left side is the customer's");
    let joined: Vec<bool> = right.chunks_exact(160).map(|frame| share(frame, Tone::NewParty)).collect();
    let first = joined.iter().position(|heard| *heard).expect("who joined is in it");
    assert!(first > 40, "whispers are not in it: {first}");
    assert!(joined[first..].iter().filter(|heard| **heard).count() >= 15);
}

#[test]
fn a_supervisor_who_is_busy_or_hangs_up_or_is_dismissed_leaves_the_talk_alone() {
    let (story, port) = begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    let ended = |n: usize| {
        eventually("the supervisor's end", PATIENCE, || {
            (call.now()["supervisors"][n]["state"] == "ended").then_some(())
        });
    };
    let busy = supervisor(port, "customer-busy");
    invite(&story, &call, "join");
    ended(0);
    busy.finish();
    let mut leaves = supervisor(port, "phone-answers-and-hangs-up");
    invite(&story, &call, "join");
    until_hears("the supervisor", &leaves, &[Tone::Customer, Tone::Representative]);
    leaves.act();
    ended(1);
    leaves.finish();
    let dismissed = supervisor(port, "phone-answers-and-is-hung-up");
    let leg = invite(&story, &call, "whisper");
    until_hears("the supervisor", &dismissed, &[Tone::Customer, Tone::Representative]);
    let path = format!("/v1/calls/{}/supervisors/{leg}", call.id);
    assert_eq!(story.daemon.api("DELETE", &path, None).status, 200);
    assert_eq!(story.daemon.api("DELETE", &path, None).status, 409);
    ended(2);
    dismissed.finish();
    until_hears("the customer", &customer, &[Tone::Representative]);
    until_hears("the representative", &representative, &[Tone::Customer]);
    let barred = json!({ "supervisor": "+442079460000", "mode": "listen" });
    let answer = story.daemon.api("POST", &format!("/v1/calls/{}/supervisors", call.id), Some(&barred));
    assert_eq!(answer.status, 403, "{}", answer.body);
    customer.act();
    let record = call.record();
    assert_eq!(record["outcome"], "completed");
    assert_eq!(attempts(&record, &story).len(), 5);
    for phone in [customer, representative] {
        assert_one_stream(&phone.finish().heard);
    }
    story.end();
}

//! Talks that are recorded: what both said is in the file that the business fetches, and a disk that fails costs no call.

use std::io::Cursor;

use serde_json::json;

use crate::support::daemon::{Daemon, Setup};
use crate::support::http::{Credentials, download};
use crate::support::rtp::Frame;
use crate::support::story::{Story, assert_bridged_by_content, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

fn fetch(daemon: &Daemon, id: &str) -> (u16, String, Vec<u8>) {
    download(daemon.http, &format!("/v1/calls/{id}/recording"), &daemon.business).expect("an answer")
}

/// The share of a channel's frames, where the talk is steady, that are purely this tone.
fn share(channel: &[i16], tone: Tone) -> f64 {
    let frames: Vec<_> = channel.chunks_exact(160).filter(|frame| frame.iter().any(|s| s.abs() > 500)).collect();
    let pure = frames.iter().filter(|frame| tone.share(frame) > 0.8).count();
    pure as f64 / frames.len().max(1) as f64
}

#[test]
fn the_customer_is_on_the_left_and_the_representative_on_the_right() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call_with(json!({ "record": true }));
    assert_eq!(fetch(&story.daemon, &call.id).0, 404, "nobody talks yet");
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    eventually("the first second on the disk", PATIENCE, || (fetch(&story.daemon, &call.id).0 == 409).then_some(()));
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    let (head, wav) = eventually("the recording", PATIENCE, || {
        let (status, head, body) = fetch(&story.daemon, &call.id);
        (status == 200).then_some((head, body))
    });
    assert!(head.contains("content-type: audio/wav") && head.contains("recording-incomplete: false"), "{head}");
    let mut reader = hound::WavReader::new(Cursor::new(wav)).expect("a WAV file");
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, 8000, 16));
    let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    let side = |offset: usize| samples.iter().skip(offset).step_by(2).copied().collect::<Vec<_>>();
    let (left, right) = (side(0), side(1));
    assert!(left.len() >= 8000, "{} samples", left.len());
    assert!(share(&left, Tone::Customer) > 0.9, "left: {}", share(&left, Tone::Customer));
    assert!(share(&right, Tone::Representative) > 0.9, "right: {}", share(&right, Tone::Representative));
    let stranger = Credentials { id: story.daemon.business.id.clone(), password: "guessed".to_owned() };
    let path = format!("/v1/calls/{}/recording", call.id);
    assert_eq!(download(story.daemon.http, &path, &stranger).expect("an answer").0, 401);
    assert_eq!(fetch(&story.daemon, "00000000-0000-7000-8000-000000000000").0, 404);
    assert_eq!(fetch(&story.daemon, "..%2F..%2Fcallbridge").0, 404);
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn a_folder_that_cannot_be_written_costs_the_recording_and_never_the_call() {
    let story = Story::begin();
    // A file stands where the folder should be.
    std::fs::write(story.daemon.config().with_file_name("talks"), "taken").expect("the daemon's folder");
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call_with(json!({ "record": true }));
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    eventually("the failure to be counted", PATIENCE, || {
        (story.daemon.metric("callbridge_recordings_total", "result=\"failed\"") >= 1.0).then_some(())
    });
    assert_eq!(call.now()["state"], "bridged");
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    assert_eq!(fetch(&story.daemon, &call.id).0, 404);
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn a_call_that_nobody_asked_to_record_is_not() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    assert_eq!(fetch(&story.daemon, &call.id).0, 404);
    assert!(!story.daemon.config().with_file_name("talks").exists());
    story.end();
}

/// Frames of speech before the first one of this sound.
#[track_caller]
fn spoken_before(heard: &[Frame], sound: Tone) -> usize {
    let first = heard.iter().position(|frame| frame.tone() == Some(sound)).expect("it is heard at all");
    heard[..first].iter().filter(|frame| frame.is_other_sound()).count()
}

#[test]
fn both_are_told_before_they_talk_and_the_recording_begins_with_the_talk() {
    let more = "recording = \"always\"\nconsent = true\n".to_owned();
    let story = Story::with(Setup { more, ..Setup::default() });
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!(
        (&record["outcome"], &record["recording"]["state"]),
        (&"completed".into(), &"made".into()),
        "{record:#}"
    );
    let ladder = story.daemon.api("GET", &format!("/v1/calls/{}/ladder", call.id), None).body;
    assert_eq!(ladder.matches("knows of the recording").count(), 2, "{ladder}");
    let wav = eventually("the recording", PATIENCE, || {
        let (status, _, body) = fetch(&story.daemon, &call.id);
        (status == 200).then_some(body)
    });
    let samples: Vec<i16> =
        hound::WavReader::new(Cursor::new(wav)).expect("a WAV file").samples().map(|s| s.expect("a sample")).collect();
    let left: Vec<i16> = samples.iter().step_by(2).copied().collect();
    assert!(share(&left, Tone::Customer) > 0.9, "nothing of the message: {}", share(&left, Tone::Customer));
    let (customer, representative) = (customer.finish().heard, representative.finish().heard);
    // "This call is recorded." lasts some 1.5 s.
    assert!(spoken_before(&customer, Tone::Prompt) > 30, "{}", spoken_before(&customer, Tone::Prompt));
    assert!(spoken_before(&representative, Tone::Customer) > 30, "{}", spoken_before(&representative, Tone::Customer));
    story.end();
}

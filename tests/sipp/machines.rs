//! Who answers: a machine, a person and a silent one over real SIP and RTP, for each policy. The voices are a speech program's; what the
//! verdict takes and what fools it are `src/audio/machine`'s own tests'.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::daemon::{Daemon, Setup};
use crate::support::rtp::Frame;
use crate::support::sipp::Phone;
use crate::support::story::{Story, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// Five seconds and more of one voice, as machines greet.
const GREETING: &str = "Hello. You have reached the Miller family. We can not come to the phone right now. Please leave your \
                        name and your number after the tone, and we will call you back as soon as we can.";
/// Samples a second.
const RATE: usize = 8_000;

/// Flite says it, 8 kHz.
fn spoken(words: &str) -> Vec<i16> {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("spoken.wav");
    let ran = Command::new("flite").args(["-voice", "slt", "-t", words, "-o"]).arg(&output).status();
    assert!(ran.expect("the Debian package flite is needed").success());
    callbridge::audio::wav::read(&std::fs::read(output).expect("what it said")).expect("a WAV")
}

fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * RATE / 1000]
}

fn beep() -> Vec<i16> {
    let step = std::f64::consts::TAU * 1000.0 / RATE as f64;
    (0..RATE * 2 / 5).map(|n| ((n as f64 * step).sin() * 9000.0) as i16).collect()
}

/// What is said at the customer's before the phone's own tone.
fn machine() -> Vec<i16> {
    [silence(300), spoken(GREETING), silence(400), beep(), silence(12_000)].concat()
}

fn person() -> Vec<i16> {
    [silence(400), spoken("Hello?"), silence(4_000)].concat()
}

fn nobody() -> Vec<i16> {
    silence(7_000)
}

fn story(policy: &str) -> Story {
    Story::with(Setup { more: format!("machine = \"{policy}\"\n"), ..Setup::default() })
}

fn answers(story: &Story, scenario: &'static str, first: Vec<i16>) -> Phone {
    story.phone(Tone::Customer, scenario, |phone| phone.first = first)
}

/// The business's own word to machines: a tone of two seconds.
fn own_word(daemon: &Daemon, folder: &Path) {
    let file = folder.join("word.wav");
    Tone::NewParty.write_wav(&file, 2.0);
    let ran = Command::new(env!("CARGO_BIN_EXE_callbridge"))
        .args(["business", "change", "abc", "--config"])
        .arg(daemon.config())
        .arg("--machine-message")
        .arg(&file)
        .output()
        .expect("callbridge business");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// Where it is taken for a machine, nobody else's phone rings and the record says so; what it heard.
#[track_caller]
fn ends_on_the_machine(story: &Story, customer: Phone) -> (Value, Vec<Frame>) {
    let representative = story.nobody(Tone::Representative);
    let call = story.call();
    let record = call.record_within(std::time::Duration::from_secs(40));
    assert_eq!(
        (&record["outcome"], &record["customer_answered_by"]),
        (&"customer_machine".into(), &"machine".into()),
        "{record:#}"
    );
    assert!(record["bridged_at"].is_null());
    representative.assert_never_called();
    let ladder = story.daemon.api("GET", &format!("/v1/calls/{}/ladder", call.id), None).body;
    assert!(ladder.contains("a machine answers"), "{ladder}");
    (record, customer.finish().heard)
}

/// Where the call goes on, both talk, and the record says who answered.
#[track_caller]
fn goes_on(policy: &str, first: Vec<i16>, by: &str) -> Vec<Frame> {
    let story = story(policy);
    let mut customer = answers(&story, "phone-answers-and-hangs-up", first);
    // Where nothing waits for the verdict, the talk would end the listening: the representative answers when it is known.
    let waits = policy == "go_on";
    let scenario = if waits { "phone-early-media-then-answers" } else { "phone-answers-and-is-hung-up" };
    let mut representative = story.representative(scenario);
    let call = story.call();
    if waits {
        eventually("the verdict", PATIENCE, || call.now()["customer_answered_by"].as_str().map(str::to_owned));
        representative.act();
    }
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!(
        (&record["outcome"], &record["customer_answered_by"]),
        (&"completed".into(), &by.into()),
        "{policy}: {record:#}"
    );
    representative.finish();
    let heard = customer.finish().heard;
    story.end();
    heard
}

/// Frames before the message began.
#[track_caller]
fn before_the_message(heard: &[Frame]) -> usize {
    heard.iter().position(|frame| frame.tone() == Some(Tone::Prompt)).expect("the message")
}

#[test]
fn a_machine_is_hung_up_and_hears_nothing() {
    let story = story("hang_up");
    let customer = answers(&story, "phone-answers-and-is-hung-up", machine());
    let (_, heard) = ends_on_the_machine(&story, customer);
    assert!(heard.iter().all(|frame| frame.tone().is_none() && !frame.is_other_sound()), "silence, no message");
    story.end();
}

#[test]
fn a_machine_is_left_the_businesss_own_word_behind_its_beep_whole() {
    let story = story("leave_message");
    let folder = tempfile::tempdir().expect("a folder");
    own_word(&story.daemon, folder.path());
    let greets = silence(300).len() + spoken(GREETING).len() + silence(400).len() + beep().len();
    let customer = answers(&story, "phone-answers-and-is-hung-up", machine());
    let (_, heard) = ends_on_the_machine(&story, customer);
    let word: Vec<usize> = (0..heard.len()).filter(|n| heard[*n].tone() == Some(Tone::NewParty)).collect();
    assert!((97..=101).contains(&word.len()), "two seconds: {} frames", word.len());
    assert_eq!(word[word.len() - 1] - word[0] + 1, word.len(), "without a gap");
    // Our silence began with the answer, as its greeting did.
    assert!(word[0] * 160 + 1600 > greets, "not over its greeting: frame {} of {}", word[0], greets / 160);
    assert!(word[0] * 160 < greets + RATE, "and soon behind it: frame {} of {}", word[0], greets / 160);
    story.end();
}

#[test]
fn a_machine_is_put_through_where_that_is_wanted_and_the_record_says_so() {
    let greeting = [silence(300), spoken(GREETING), silence(300)].concat();
    let heard = goes_on("go_on", greeting, "machine");
    assert!(before_the_message(&heard) < 10, "nothing waits for the verdict");
}

#[test]
fn a_person_hears_the_message_a_moment_after_the_first_word() {
    for policy in ["hang_up", "leave_message"] {
        let heard = goes_on(policy, person(), "person");
        let waited = before_the_message(&heard) * 20;
        assert!((1_300..3_000).contains(&waited), "{policy}: {waited} ms after the answer");
    }
    let heard = goes_on("go_on", person(), "person");
    assert!(before_the_message(&heard) < 10);
}

#[test]
fn who_answers_in_silence_is_taken_for_a_person() {
    for policy in ["hang_up", "leave_message"] {
        let heard = goes_on(policy, nobody(), "unsure");
        let waited = before_the_message(&heard) * 20;
        assert!((2_000..4_100).contains(&waited), "{policy}: {waited} ms after the answer");
    }
    goes_on("go_on", nobody(), "unsure");
}

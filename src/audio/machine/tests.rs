//! People and machines, spoken by flite and espeak-ng, told apart.

use std::process::Command;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::audio::codec::Rate;
use crate::audio::g711::{ulaw_decode_all, ulaw_encode_all};
use crate::audio::tone::sine;
use crate::audio::{render, wav};

/// What was told, each with the millisecond at which it was.
fn told(line: &[i16]) -> Vec<(Told, usize)> {
    let mut ear = MachineEar::new(MachineTimes::default());
    let mut told = Vec::new();
    // Through the telephone's law and in pieces that fit no frame.
    for (n, piece) in ulaw_decode_all(&ulaw_encode_all(line)).chunks(80).enumerate() {
        ear.hear(piece, |said| told.push((said, n * 10)));
    }
    told
}

fn by(line: &[i16]) -> (AnsweredBy, usize) {
    match told(line).first() {
        Some((Told::By(by), at)) => (*by, *at),
        other => panic!("{other:?}"),
    }
}

fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 8]
}

fn hiss(line: &mut [i16], most: i32) {
    let mut state = 7u32;
    for sample in line {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample = sample.saturating_add(((state >> 16) as i32 % (2 * most + 1) - most) as i16);
    }
}

/// Spoken words as they come over a line, at the common loudness.
fn spoken(voice: &[&str], words: &str) -> Vec<i16> {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("spoken.wav");
    let ran = match voice {
        ["flite", name] => Command::new("flite").args(["-voice", name, "-t", words, "-o"]).arg(&output).status(),
        _ => Command::new("espeak-ng").args(&voice[1..]).arg("-w").arg(&output).arg(words).status(),
    };
    assert!(ran.expect("the Debian packages flite and espeak-ng are needed").success());
    render::ready(&wav::read(&std::fs::read(output).unwrap()).unwrap(), Rate::Hz8000)
}

/// An answered line: a moment, the words, and whoever it is waits.
fn line(voice: &[&str], words: &str, beep: bool) -> Vec<i16> {
    let mut line = [silence(300), spoken(voice, words)].concat();
    if beep {
        line.extend(silence(700));
        line.extend(sine(1000.0, 8000, 8 * 400));
    }
    line.extend(silence(6000));
    hiss(&mut line, 30);
    line
}

const ENGLISH: [&[&str]; 6] = [
    &["flite", "slt"],
    &["flite", "kal"],
    &["flite", "rms"],
    &["espeak-ng", "-v", "en"],
    &["espeak-ng", "-v", "en-us", "-s", "140"],
    &["espeak-ng", "-v", "en-us+f3", "-s", "190"],
];
const PEOPLE: [&str; 8] = [
    "Hello?",
    "Hello, who is this?",
    "Smith residence, hello.",
    "Yes?",
    "This is John speaking.",
    "Hi, John here, good morning.",
    "Good afternoon, Smith here.",
    "John Smith.",
];
const MACHINES: [&str; 6] = [
    "Hi, you have reached John and Mary Smith. We can not come to the phone now. Please leave a message after the tone.",
    "Your call has been forwarded to an automatic voice message system. Five five five, zero one two three, is not available. \
     At the tone, please record your message.",
    "The person you have called is not available at the moment. Please leave a message after the beep.",
    "Hello, this is John. I am away from my phone, so leave me a message and I will call you back.",
    "The number you have dialed is not in service. Please check the number and dial again.",
    "You have reached the voice mailbox of Smith and sons. Our office is open from nine to five.",
];
const FOREIGN: [(&[&str], &str, AnsweredBy); 9] = [
    (&["espeak-ng", "-v", "de"], "Hallo?", AnsweredBy::Person),
    (&["espeak-ng", "-v", "de"], "Schmidt, guten Tag.", AnsweredBy::Person),
    (&["espeak-ng", "-v", "es"], "¿Diga?", AnsweredBy::Person),
    (&["espeak-ng", "-v", "es"], "¿Hola, quién es?", AnsweredBy::Person),
    (&["espeak-ng", "-v", "fr"], "Allô, oui?", AnsweredBy::Person),
    (
        &["espeak-ng", "-v", "de"],
        "Guten Tag. Sie sind mit dem Anschluss der Familie Schmidt verbunden. Bitte sprechen Sie nach dem Signalton.",
        AnsweredBy::Machine,
    ),
    (
        &["espeak-ng", "-v", "es"],
        "Ha llamado al contestador de Juan. Deje su mensaje después de la señal.",
        AnsweredBy::Machine,
    ),
    (
        &["espeak-ng", "-v", "fr"],
        "Bonjour, vous êtes bien chez Jean Dupont. Merci de laisser un message après le signal sonore.",
        AnsweredBy::Machine,
    ),
    (&["espeak-ng", "-v", "fr"], "Jean Dupont, bonjour.", AnsweredBy::Person),
];

/// The rates stand in docs/API.md. No person may be taken for a machine.
#[test]
fn people_and_machines_are_told_apart_within_four_seconds() {
    let (mut people, mut machines, mut slowest) = ((0, 0), (0, 0), 0);
    let mut judge = |voice: &[&str], words: &str, is: AnsweredBy| {
        let (heard, at) = by(&line(voice, words, is == AnsweredBy::Machine));
        println!("{is:?} {heard:?} after {at} ms: {voice:?} {words:?}");
        assert!(at <= 4000, "{voice:?} {words:?}: {at} ms");
        slowest = slowest.max(at);
        let counted = if is == AnsweredBy::Machine { &mut machines } else { &mut people };
        counted.0 += usize::from(heard == is);
        counted.1 += 1;
        assert!(is == AnsweredBy::Machine || heard != AnsweredBy::Machine, "{voice:?} {words:?} is a person");
    };
    for voice in ENGLISH {
        PEOPLE.iter().for_each(|words| judge(voice, words, AnsweredBy::Person));
        MACHINES.iter().for_each(|words| judge(voice, words, AnsweredBy::Machine));
    }
    FOREIGN.iter().for_each(|(voice, words, is)| judge(voice, words, *is));
    println!("people {people:?}, machines {machines:?}, slowest {slowest} ms");
    assert!(people.0 * 100 >= people.1 * 98 && machines.0 * 100 >= machines.1 * 90, "{people:?} {machines:?}");
}

#[test]
fn a_greeting_is_over_after_its_beep_and_without_one_after_three_seconds() {
    let voice = ENGLISH[0];
    for beep in [400.0, 440.0, 1000.0, 1400.0, 2600.0] {
        let mut greeting = [silence(300), spoken(voice, MACHINES[0])].concat();
        greeting.extend(silence(1200));
        greeting.extend(sine(beep, 6000, 8 * 250));
        let end = greeting.len() / 8;
        greeting.extend(silence(6000));
        hiss(&mut greeting, 30);
        let told = told(&greeting);
        assert_eq!(told.len(), 2);
        assert_eq!(told[1].0, Told::GreetingOver);
        assert!((end..end + 250).contains(&told[1].1), "{beep} Hz, over at {end} ms: {told:?}");
    }
    let mut greeting = [silence(300), spoken(voice, MACHINES[0])].concat();
    let end = greeting.len() / 8;
    greeting.extend(silence(6000));
    let told = told(&greeting);
    assert!((end + 2800..end + 3200).contains(&told[1].1), "{told:?}");
}

#[test]
fn fax_and_the_tones_before_an_announcement_are_machines_and_ringing_is_nobody() {
    let tone = |hertz: f64, ms: usize| [silence(400), sine(hertz, 6000, 8 * ms), silence(5000)].concat();
    for (what, hertz) in [("CNG", 1100.0), ("CED", 2100.0), ("SIT", 950.0), ("beep", 1400.0)] {
        let (by, at) = by(&tone(hertz, 380));
        assert_eq!(by, AnsweredBy::Machine, "{what}");
        assert!(at < 700, "{what}: {at}");
    }
    assert_eq!(by(&tone(425.0, 1000)).0, AnsweredBy::Unsure, "ringing");
    let two: Vec<i16> = sine(440.0, 4000, 16_000).iter().zip(sine(480.0, 4000, 16_000)).map(|(a, b)| a + b).collect();
    assert_ne!(by(&[silence(400), two, silence(4000)].concat()).0, AnsweredBy::Machine, "American ringing");
}

#[test]
fn who_says_nothing_clicks_or_stands_in_a_noisy_street_is_no_machine() {
    assert_eq!(by(&silence(5000)), (AnsweredBy::Unsure, 2500 - 10));
    let mut clicks = silence(5000);
    (0..20).for_each(|n| clicks[n * 1900..n * 1900 + 100].fill(9000));
    assert_eq!(by(&clicks).0, AnsweredBy::Unsure);
    for loud in [100, 600, 2000] {
        let mut street = [silence(600), spoken(ENGLISH[0], "Hello?"), silence(5000)].concat();
        hiss(&mut street, loud);
        assert_ne!(by(&street).0, AnsweredBy::Machine, "noise of {loud}");
    }
}

#[test]
fn a_line_that_sends_nothing_in_silence_is_judged_as_soon() {
    let mut ear = MachineEar::new(MachineTimes::default());
    let mut told = Vec::new();
    ear.hear_nothing(300, |said| told.push(said));
    ear.hear(&spoken(ENGLISH[0], "Hello?"), |said| told.push(said));
    ear.hear_nothing(800, |said| told.push(said));
    assert_eq!(told, []);
    ear.hear_nothing(200, |said| told.push(said));
    assert_eq!((told, ear.is_done()), (vec![Told::By(AnsweredBy::Person)], true));
}

proptest! {
    #[test]
    fn whatever_is_heard_a_verdict_comes_in_time_and_once(
        pieces in prop::collection::vec((any::<i16>(), 1usize..800), 1..40),
    ) {
        let mut ear = MachineEar::new(MachineTimes { within: Duration::from_millis(1500), ..MachineTimes::default() });
        let mut verdicts = 0;
        let mut count = |said| verdicts += usize::from(matches!(said, Told::By(_)));
        for (sample, length) in pieces {
            ear.hear(&vec![sample; length], &mut count);
        }
        ear.hear_nothing(1500, &mut count);
        prop_assert_eq!(verdicts, 1);
    }
}

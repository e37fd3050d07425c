//! Stories of a leg that is listened to: who answered, on lines of every kind.

use super::*;
use crate::model::{AnsweredBy, MachineTimes};

/// Speech as far as rhythm goes: syllables of a changing voice.
fn speech(ms: usize) -> Vec<i16> {
    let mut phase = 0.0f64;
    let sample = |at: usize| {
        let seconds = at as f64 / 8000.0;
        let voice = 130.0 + 40.0 * (seconds * 7.0).sin();
        phase += std::f64::consts::TAU * voice / 8000.0;
        let syllable = (seconds * 4.0 * std::f64::consts::TAU).sin().max(0.0).sqrt();
        let sound: f64 = (1..9).map(|n| (phase * f64::from(n)).sin() / f64::from(n)).sum();
        (sound * syllable * 5000.0) as i16
    };
    (0..ms * 8).map(sample).collect()
}

impl Stage {
    fn listens(codec: Codec) -> Stage {
        let mut stage = Stage::new([codec, Codec::Pcmu]);
        stage.tell(Command::Play { leg: leg(0), script: Script { once: vec![], then_loop: Some(Clip::Silence) } });
        stage.tell(Command::HearWho { leg: leg(0), times: MachineTimes::default() });
        stage
    }

    /// The customer's phone says this from now on.
    fn says(&mut self, sound: Vec<i16>) {
        self.phones[0].tone = match self.phones[0].codec {
            Codec::Pcma => g711::alaw_encode_all(&sound),
            _ => g711::ulaw_encode_all(&sound),
        };
        self.phones[0].sequence = 0;
        self.phones[0].ssrc += 1;
    }

    fn by(&self) -> Vec<AnsweredBy> {
        let by = |event: &Event| if let Event::AnsweredBy { by, .. } = event { Some(*by) } else { None };
        self.events.iter().filter_map(by).collect()
    }
}

#[test]
fn a_short_greeting_and_silence_is_a_person_whether_silence_is_sent_or_not() {
    for sends_silence in [true, false] {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let mut stage = Stage::listens(codec);
            stage.says([vec![0; 8 * 400], speech(600), vec![0; 8 * 9000]].concat());
            stage.run(1000, &[0]);
            assert_eq!(stage.by(), [], "{codec:?}");
            stage.run(1100, if sends_silence { &[0] } else { &[] });
            assert_eq!(stage.by(), [AnsweredBy::Person], "{codec:?}");
            assert!(stage.shard.legs.iter().all(|(_, leg)| leg.ear.is_none()), "nobody listens any more");
        }
    }
}

#[test]
fn a_long_greeting_is_a_machine_and_its_beep_ends_it() {
    let mut stage = Stage::listens(Codec::Pcma);
    stage.says(
        [vec![0; 8 * 400], speech(5000), vec![0; 8 * 600], tone::sine(1000.0, 8000, 8 * 400), vec![0; 80_000]].concat(),
    );
    stage.run(4000, &[0]);
    assert_eq!(stage.by(), [AnsweredBy::Machine]);
    stage.run(2300, &[0]);
    assert_eq!(stage.count(|event| matches!(event, Event::GreetingOver { .. })), 0);
    stage.run(400, &[0]);
    assert_eq!(stage.count(|event| matches!(event, Event::GreetingOver { .. })), 1);
    let silence = stage.phones[0].samples();
    assert!(silence.len() > 8000 * 6 && crate::audio::level::rms(&silence) < 20.0, "silence goes out as packets");
}

#[test]
fn a_phone_that_sends_nothing_at_all_gets_its_verdict_in_time_and_once() {
    let mut stage = Stage::listens(Codec::Pcmu);
    stage.run(2400, &[]);
    assert_eq!(stage.by(), []);
    stage.run(300, &[]);
    stage.run(4000, &[0]);
    assert_eq!(stage.by(), [AnsweredBy::Unsure]);
}

#[test]
fn the_ear_stays_through_a_message_and_goes_with_the_bridge() {
    let mut stage = Stage::listens(Codec::Pcmu);
    stage.says(speech(1000));
    stage.tell(Command::Play { leg: leg(0), script: message() });
    stage.run(200, &[0]);
    assert!(stage.shard.legs.iter().any(|(_, leg)| leg.ear.is_some()));
    stage.bridge();
    stage.run(5000, &[]);
    assert_eq!(stage.by(), []);
    assert!(stage.shard.legs.iter().all(|(_, leg)| leg.ear.is_none()));
}

/// A machine whose switch moves it to another codec in the middle of its greeting, as some do that record in one of their own.
#[test]
fn a_greeting_that_goes_on_in_another_codec_is_one_greeting() {
    let mut stage = Stage::listens(Codec::Pcmu);
    let greeting = speech(3_400);
    stage.says([vec![0; 8 * 400], greeting[..8 * 1_600].to_vec()].concat());
    stage.run(2_000, &[0]);
    assert_eq!(stage.by(), []);
    stage.tell(Command::Agree { leg: leg(0), plan: plan(4000, Codec::G722) });
    let mut encoder = crate::audio::codec::Encoder::new(Codec::G722, crate::audio::codec::Rate::Hz8000);
    let phone = &mut stage.phones[0];
    (phone.tone, phone.codec, phone.sequence) = (Vec::new(), Codec::G722, 0);
    encoder.encode(&greeting[8 * 1_600..], &mut phone.tone);
    phone.ssrc += 1;
    stage.run(1_600, &[0]);
    assert_eq!(stage.by(), [AnsweredBy::Machine], "1.6 and 1.6 seconds of one voice");
}

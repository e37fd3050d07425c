//! All sixteen keys from every form that media hears to every form that media says. INFO is signalling's: it comes as
//! [`Command::Pressed`] and goes by [`Event::Digit`] (tests of the engine).

use super::*;

const ALL: &str = "1234567890*#ABCD";

fn tones(letters: &str) -> Vec<i16> {
    let mut line = vec![0; 1600];
    for letter in letters.chars() {
        line.extend(crate::audio::keys::sound(Key::of(letter).unwrap(), 0, 800));
        line.resize(line.len() + 800, 0);
    }
    line.resize(line.len() + 8000, 0);
    line
}

/// Two phones that talk; who has no events is named.
fn talking(codecs: [Codec; 2], without_events: &[u16]) -> Stage {
    let mut stage = Stage::new(codecs);
    for n in without_events {
        let plan = MediaPlan { telephone_event: None, ..plan(4000 + n * 2, codecs[usize::from(*n)]) };
        stage.tell(Command::Agree { leg: leg(*n), plan });
    }
    stage.bridge();
    stage
}

fn says(stage: &mut Stage, letters: &str) {
    let encode = match stage.phones[0].codec {
        Codec::Pcma => g711::alaw_encode_all,
        _ => g711::ulaw_encode_all,
    };
    let line = tones(letters);
    let lasts = line.len() as u64 / 8;
    stage.phones[0].tone = encode(&line);
    stage.phones[0].sequence = 0;
    stage.phones[0].ssrc += 1;
    stage.run(lasts / 20 * 20, &[0]);
}

#[test]
fn tones_become_events_once_each_and_are_not_heard_as_tones_besides() {
    for codecs in [[Codec::Pcmu, Codec::Pcmu], [Codec::Pcma, Codec::Pcmu]] {
        let mut stage = talking(codecs, &[0]);
        stage.tell(Command::HearKeys { leg: leg(0) });
        says(&mut stage, ALL);
        assert_eq!((stage.phones[1].letters().as_str(), stage.told(0).as_str()), (ALL, ALL));
        assert!(stage.tones(1).len() <= 2, "hardly a beginning of them: {}", stage.tones(1));
    }
}

#[test]
fn tones_between_two_that_have_nothing_else_pass_as_they_are() {
    let mut stage = talking([Codec::Pcmu; 2], &[0, 1]);
    says(&mut stage, ALL);
    assert_eq!((stage.tones(1).as_str(), stage.told(0).as_str()), (ALL, ""));
}

#[test]
fn events_and_signalling_become_events_and_tones() {
    for (events, expected) in [(true, (ALL, "")), (false, ("", ALL))] {
        let without: &[u16] = if events { &[] } else { &[1] };
        for by_signalling in [false, true] {
            let mut stage = talking([Codec::Pcmu, Codec::Pcma], without);
            for letter in ALL.chars() {
                match by_signalling {
                    true => stage.tell(Command::Pressed { leg: leg(0), key: Key::of(letter).unwrap() }),
                    false => stage.press(0, letter),
                }
                if !events {
                    // As the engine does, which knows that there is no other way.
                    let digits = crate::model::Digits::key(Key::of(letter).unwrap());
                    stage.tell(Command::SendDigits { leg: leg(1), digits, after: Duration::ZERO });
                }
                stage.run(300, &[]);
            }
            assert_eq!(stage.told(0), ALL);
            assert_eq!((stage.phones[1].letters().as_str(), stage.tones(1).as_str()), expected, "{by_signalling}");
        }
    }
}

#[test]
fn a_tone_that_opened_a_gate_is_not_heard_again_over_the_bridge() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Agree { leg: leg(0), plan: MediaPlan { telephone_event: None, ..plan(4000, Codec::Pcmu) } });
    stage.tell(Command::HearKeys { leg: leg(0) });
    stage.phones[0].tone = g711::ulaw_encode_all(&crate::audio::keys::sound(Key::of('1').unwrap(), 0, 4000));
    stage.run(200, &[0]);
    assert_eq!(stage.told(0), "1");
    stage.bridge();
    stage.tell(Command::HearKeys { leg: leg(0) });
    stage.run(100, &[0]);
    assert_eq!((stage.told(0).as_str(), stage.phones[1].letters().as_str()), ("1", ""));
}

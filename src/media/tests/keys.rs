//! Stories of keys: dialled after an answer, pressed in a talk, said twice.

use super::*;
use crate::model::{Digits, Endpoint};

fn digits(ext: &str) -> Digits {
    Digits::of(&Endpoint::parse(&format!("tel:+12125550101;ext={ext}")).unwrap()).unwrap()
}

fn key(letter: char) -> Key {
    Key::of(letter).unwrap()
}

impl Phone {
    /// A packet of an event.
    fn event(&mut self, letter: char, began: u32, end: bool) -> Vec<u8> {
        let mut bytes = self.packet();
        bytes.truncate(HEADER);
        let stamp = Stamp { marker: false, sequence: self.sequence.wrapping_sub(1), timestamp: began, ssrc: self.ssrc };
        rtp::write(bytes.first_chunk_mut().unwrap(), 101, stamp);
        bytes.extend(TelephoneEvent { event: key(letter).event(), end, volume: 10, duration: 160 }.write());
        bytes
    }

    /// The keys heard: one for each moment of beginning.
    fn keys(&self) -> Vec<(char, u32)> {
        let mut keys: Vec<(char, u32)> = self
            .heard
            .iter()
            .filter(|(_, header, _)| header.payload_type == 101)
            .filter_map(|(_, header, bytes)| {
                TelephoneEvent::read(&bytes[header.payload.clone()])?.digit().map(|digit| (digit, header.timestamp))
            })
            .collect();
        keys.dedup();
        keys
    }

    pub(super) fn letters(&self) -> String {
        self.keys().into_iter().map(|(letter, _)| letter).collect()
    }
}

impl Stage {
    /// Presses a key as an event of five packets.
    pub(super) fn press(&mut self, n: usize, letter: char) {
        let began = self.phones[n].timestamp;
        for packet in 0..5 {
            let (slot, from) = (self.phones[n].slot, self.phones[n].from);
            let bytes = self.phones[n].event(letter, began, packet > 2);
            self.hand_in(slot, from, bytes);
            self.run(20, &[]);
        }
    }

    /// The keys that a phone hears as tones.
    pub(super) fn tones(&self, n: usize) -> String {
        let (mut ear, mut keys) = (crate::audio::keys::KeyEar::default(), String::new());
        let mut last = Mono::default();
        for (at, header, bytes) in &self.phones[n].heard {
            if header.payload_type == 101 {
                continue;
            }
            if at.since(last) > Duration::from_millis(60) {
                ear.hear(&[0; 800], |_| ());
            }
            last = *at;
            let samples = decode(self.phones[n].codec, &bytes[header.payload.clone()]);
            ear.hear(&samples, |key| keys.push(key.letter()));
        }
        keys
    }

    pub(super) fn told(&self, n: u16) -> String {
        let of = |event: &Event| match event {
            Event::Digit { leg: told, key } if *told == leg(n) => Some(key.letter()),
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }
}

#[test]
fn digits_after_the_answer_are_dialled_after_a_pause_and_said_once() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::SendDigits { leg: leg(1), digits: digits("42"), after: Duration::from_millis(500) });
    stage.run(490, &[1]);
    assert!(stage.phones[1].heard.is_empty());
    stage.run(320, &[1]);
    assert_eq!(stage.count(|event| matches!(event, Event::DigitsSent { .. })), 0);
    stage.run(1000, &[1]);
    assert_eq!(stage.count(|event| matches!(event, Event::DigitsSent { .. })), 1);
    let phone = &stage.phones[1];
    assert_eq!(phone.letters(), "42");
    assert_eq!(phone.heard.len(), 14);
    assert_eq!(phone.keys()[1].1 - phone.keys()[0].1, 200 * 8);
    stage.bridge();
    stage.run(100, &[0, 1]);
    let numbers: Vec<u16> = stage.phones[1].heard.iter().map(|heard| heard.1.sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
}

#[test]
fn a_pause_of_two_seconds_is_kept() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::SendDigits { leg: leg(1), digits: digits("p7"), after: Duration::from_millis(500) });
    stage.run(2490, &[]);
    assert!(stage.phones[1].heard.is_empty());
    stage.run(200, &[]);
    assert_eq!(stage.phones[1].letters(), "7");
}

#[test]
fn without_telephone_event_digits_are_dialled_as_tones() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Agree { leg: leg(1), plan: MediaPlan { telephone_event: None, ..plan(4002, Codec::Pcmu) } });
    stage.tell(Command::SendDigits { leg: leg(1), digits: digits("42"), after: Duration::ZERO });
    stage.run(2000, &[]);
    assert_eq!((stage.tones(1).as_str(), stage.phones[1].heard.len()), ("42", 10));
    assert_eq!(stage.count(|event| matches!(event, Event::DigitsSent { .. })), 1);
}

#[test]
fn a_key_said_by_signalling_is_heard_by_the_peer_within_its_stream() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(200, &[0, 1]);
    stage.tell(Command::Pressed { leg: leg(0), key: key('5') });
    stage.run(600, &[0, 1]);
    assert_eq!((stage.phones[1].letters().as_str(), stage.told(0).as_str()), ("5", "5"));
    let heard = &stage.phones[1].heard;
    for pair in heard.windows(2) {
        assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1));
    }
    let during: Vec<u8> =
        heard.iter().map(|(_, header, _)| header.payload_type).skip_while(|kind| *kind == 0).collect();
    assert!(during.iter().take(6).all(|kind| *kind == 101), "no voice while the key sounds: {during:?}");
    assert!(tone::is_heard(&stage.phones[0].samples(), REPRESENTATIVE_HZ), "the other way goes on");
}

#[test]
fn one_press_said_both_ways_is_heard_once() {
    for message_first in [true, false] {
        let mut stage = Stage::new([Codec::Pcmu; 2]);
        stage.bridge();
        stage.run(200, &[0, 1]);
        if message_first {
            stage.tell(Command::Pressed { leg: leg(0), key: key('5') });
            stage.press(0, '5');
        } else {
            stage.press(0, '5');
            stage.tell(Command::Pressed { leg: leg(0), key: key('5') });
        }
        stage.run(400, &[0, 1]);
        assert_eq!((stage.phones[1].letters().as_str(), stage.told(0).as_str()), ("5", "5"), "{message_first}");
        stage.press(0, '5');
        stage.run(400, &[0, 1]);
        assert_eq!((stage.phones[1].letters().as_str(), stage.told(0).as_str()), ("55", "55"), "{message_first}");
        let numbers: Vec<u16> = stage.phones[1].heard.iter().map(|heard| heard.1.sequence).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
    }
}

#[test]
fn presses_are_told_when_the_peer_does_not_understand_them() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Agree { leg: leg(1), plan: MediaPlan { telephone_event: None, ..plan(4002, Codec::Pcmu) } });
    stage.bridge();
    stage.run(100, &[0]);
    stage.press(0, '#');
    stage.tell(Command::Pressed { leg: leg(0), key: key('1') });
    stage.run(300, &[0]);
    assert_eq!(stage.told(0), "#1");
    assert!(stage.phones[1].keys().is_empty());
}

#[test]
fn a_late_packet_that_is_left_out_takes_no_number_twice() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Agree { leg: leg(1), plan: MediaPlan { telephone_event: None, ..plan(4002, Codec::Pcmu) } });
    stage.bridge();
    stage.run(60, &[0]);
    let (slot, from, began) = (stage.phones[0].slot, stage.phones[0].from, stage.phones[0].timestamp);
    let late = stage.phones[0].event('5', began, false);
    stage.run(40, &[0]);
    stage.hand_in(slot, from, late);
    stage.run(40, &[0]);
    let numbers: Vec<u16> = stage.phones[1].heard.iter().map(|heard| heard.1.sequence).collect();
    let (mut sorted, count) = (numbers.clone(), numbers.len());
    sorted.dedup();
    assert_eq!(sorted.len(), count, "{numbers:?}");
}

#[test]
fn the_rest_of_a_press_that_opened_a_gate_is_not_heard_over_the_bridge() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.run(40, &[0, 1]);
    let began = stage.phones[1].timestamp;
    for packet in 0..6 {
        let (slot, from) = (stage.phones[1].slot, stage.phones[1].from);
        let bytes = stage.phones[1].event('1', began, packet > 3);
        stage.hand_in(slot, from, bytes);
        if packet == 0 {
            assert_eq!(stage.told(1), "1");
            stage.bridge();
        }
        stage.run(20, &[]);
    }
    assert_eq!((stage.phones[0].letters().as_str(), stage.told(1).as_str()), ("", "1"));
    stage.run(100, &[0, 1]);
    stage.press(1, '1');
    assert_eq!(
        (stage.phones[0].letters().as_str(), stage.told(1).as_str()),
        ("1", "11"),
        "a second press is for the other"
    );
}

#[test]
fn a_key_in_the_sound_is_heard_while_one_is_waited_for_and_only_then() {
    let mut stage = Stage::new([Codec::Pcma, Codec::Pcmu]);
    let script = || Script { once: Vec::new(), then_loop: Some(Clip::HoldMusic) };
    let (low, high) = (tone::sine(697.0, 8000, 8000), tone::sine(1209.0, 8000, 8000));
    let one: Vec<i16> = low.iter().zip(high).map(|(low, high)| low + high).collect();
    let voice = std::mem::replace(&mut stage.phones[0].tone, g711::alaw_encode_all(&one));
    stage.tell(Command::Play { leg: leg(0), script: script() });
    stage.run(200, &[0]);
    assert_eq!(stage.told(0), "", "nobody waits for a key");
    stage.tell(Command::HearKeys { leg: leg(0) });
    stage.run(400, &[0]);
    assert_eq!(stage.told(0), "1", "once");
    stage.tell(Command::Pressed { leg: leg(0), key: key('1') });
    assert_eq!(stage.told(0), "1", "the same press, by INFO");
    stage.phones[0].tone = voice;
    stage.run(200, &[0]);
    stage.tell(Command::Play { leg: leg(0), script: script() });
    stage.phones[0].tone = g711::alaw_encode_all(&one);
    stage.run(200, &[0]);
    assert_eq!(stage.told(0), "1", "something else is heard: nobody waits any more");
}

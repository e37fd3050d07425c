//! Stories of a supervisor, proved by tones: who hears whom in each mode, and that nobody's numbering shows that anything changed.

use super::*;
use crate::audio::tone::{is_heard, share_at};
use crate::model::SupervisorMode;

const SUPERVISOR_HZ: f64 = 2500.0;

impl Stage {
    /// A third phone, which is not in the talk yet.
    pub(super) fn third(&mut self, codec: Codec) {
        let slot = self.shard.open(leg(2)).unwrap();
        let plan = plan(4010, codec);
        let from = plan.remote;
        self.tell(Command::Agree { leg: leg(2), plan });
        let samples = tone::sine(SUPERVISOR_HZ, 8000, 8000);
        let tone = match codec {
            Codec::Pcmu => g711::ulaw_encode_all(&samples),
            _ => g711::alaw_encode_all(&samples),
        };
        self.phones.push(Phone {
            slot,
            from,
            codec,
            tone,
            ssrc: 99,
            sequence: 7,
            timestamp: 1,
            heard: Vec::new(),
            reports: Vec::new(),
        });
    }

    fn supervise(&mut self, mode: SupervisorMode) {
        let (customer, representative) = (leg(0), leg(1));
        self.tell(Command::Supervise { supervisor: leg(2), customer, representative, mode });
    }

    /// What each of the three hears of the three in `millis`, after a moment that a change may take.
    fn who_hears(&mut self, millis: u64) -> [[bool; 3]; 3] {
        self.run(200, &[0, 1, 2]);
        self.phones.iter_mut().for_each(|phone| phone.heard.clear());
        self.run(millis, &[0, 1, 2]);
        [0, 1, 2].map(|listener| {
            let heard = self.phones[listener].samples();
            [CUSTOMER_HZ, REPRESENTATIVE_HZ, SUPERVISOR_HZ].map(|hertz| share_at(&heard, hertz) > 0.2)
        })
    }

    /// Every packet that this phone heard has the number after the one before, and a time that goes on with the clock.
    #[track_caller]
    fn no_gap_and_no_double(&self, phone: usize) {
        for pair in self.phones[phone].heard.windows(2) {
            let [(before, first, _), (after, second, _)] = pair else { panic!("two") };
            assert_eq!(second.sequence, first.sequence.wrapping_add(1), "at {after:?}");
            assert!(after.since(*before) <= Duration::from_millis(45), "{:?} at {after:?}", after.since(*before));
            let ticks = i64::from(second.timestamp.wrapping_sub(first.timestamp));
            let passed = i64::try_from(after.since(*before).as_micros()).unwrap() / 125;
            assert!(ticks > 0 && (ticks - passed).abs() <= 200, "{ticks} ticks in {passed}");
        }
    }
}

#[test]
fn each_hears_whom_the_mode_says_in_every_codec_pair() {
    for codecs in [[Codec::Pcmu; 2], [Codec::Pcmu, Codec::Pcma]] {
        let mut stage = Stage::new(codecs);
        stage.third(Codec::Pcma);
        stage.bridge();
        let both = [true, true, false];
        for (mode, customer, representative) in [
            (SupervisorMode::Listen, [false, true, false], [true, false, false]),
            (SupervisorMode::Whisper, [false, true, false], [true, false, true]),
            (SupervisorMode::Join, [false, true, true], [true, false, true]),
            (SupervisorMode::Whisper, [false, true, false], [true, false, true]),
            (SupervisorMode::Listen, [false, true, false], [true, false, false]),
        ] {
            stage.supervise(mode);
            assert_eq!(stage.who_hears(1000), [customer, representative, both], "{mode:?}");
        }
    }
}

#[test]
fn the_talk_goes_on_while_a_supervisor_comes_changes_and_goes_without_a_gap_or_a_double_packet() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(500, &[0, 1]);
    stage.third(Codec::Pcmu);
    stage.run(200, &[0, 1, 2]);
    for mode in [SupervisorMode::Join, SupervisorMode::Listen, SupervisorMode::Whisper, SupervisorMode::Join] {
        stage.supervise(mode);
        stage.run(615, &[0, 1, 2]);
    }
    stage.tell(Command::Close { leg: leg(2) });
    stage.run(500, &[0, 1]);
    for phone in [0, 1, 2] {
        stage.no_gap_and_no_double(phone);
    }
    assert!(!stage.shard.legs.iter().any(|(_, leg)| leg.mixed), "in place again");
    let relayed = stage.phones[0].heard.len();
    stage.run(100, &[1]);
    assert_eq!(stage.phones[0].heard.len(), relayed + 5, "each packet as it comes");
}

#[test]
fn listening_leaves_the_packets_of_the_talk_as_they_are() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.third(Codec::Pcmu);
    stage.bridge();
    stage.supervise(SupervisorMode::Listen);
    stage.run(400, &[0, 1, 2]);
    let tone = &stage.phones[1].tone;
    let heard = &stage.phones[0].heard;
    assert!(heard.len() >= 19);
    for (_, header, bytes) in heard {
        let payload = &bytes[header.payload.clone()];
        assert!(tone.chunks(160).any(|frame| frame == payload), "byte for byte");
    }
}

#[test]
fn the_end_of_either_talker_ends_the_mix_and_a_supervisor_alone_hears_nothing() {
    for who in [0, 1] {
        let mut stage = Stage::new([Codec::Pcmu; 2]);
        stage.third(Codec::Pcmu);
        stage.bridge();
        stage.supervise(SupervisorMode::Join);
        stage.run(300, &[0, 1, 2]);
        stage.tell(Command::Close { leg: leg(who) });
        let heard = stage.phones[2].heard.len();
        stage.run(300, &[2]);
        assert_eq!(stage.phones[2].heard.len(), heard);
        assert!(stage.shard.mixers.is_empty());
        assert_eq!(stage.shard.playout.next(), None, "nothing is due for nobody");
    }
}

#[test]
fn a_supervisor_stays_through_a_transfer_and_hears_the_new_party() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.third(Codec::Pcmu);
    stage.bridge();
    stage.supervise(SupervisorMode::Whisper);
    stage.run(300, &[0, 1, 2]);
    stage.tell(Command::Play { leg: leg(0), script: message() });
    stage.phones.iter_mut().for_each(|phone| phone.heard.clear());
    stage.run(300, &[0, 1, 2]);
    assert!(!is_heard(&stage.phones[2].samples(), CUSTOMER_HZ), "who hears music is not listened to");
    assert!(stage.phones[2].heard.len() >= 14, "its line is kept alive");
    stage.bridge();
    stage.supervise(SupervisorMode::Whisper);
    let heard = stage.who_hears(500);
    assert_eq!(heard, [[false, true, false], [true, false, true], [true, true, false]]);
    stage.no_gap_and_no_double(2);
}

#[test]
fn a_supervisor_who_holds_is_neither_sent_to_nor_heard() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.third(Codec::Pcmu);
    stage.bridge();
    stage.supervise(SupervisorMode::Join);
    stage.run(300, &[0, 1, 2]);
    let held = MediaPlan { direction: Direction { send: false, receive: true }, ..plan(4010, Codec::Pcmu) };
    stage.tell(Command::Agree { leg: leg(2), plan: held });
    stage.run(600, &[0, 1, 2]);
    let heard = stage.phones[2].heard.len();
    assert_eq!(stage.who_hears(500)[0], [false, true, false], "its music is for nobody");
    stage.run(100, &[0, 1]);
    assert!(heard > 0 && stage.phones[2].heard.is_empty());
    stage.tell(Command::Agree { leg: leg(2), plan: plan(4010, Codec::Pcmu) });
    assert_eq!(stage.who_hears(500)[0], [false, true, true]);
}

#[test]
fn a_key_crosses_while_a_supervisor_speaks_and_the_mix_waits_for_it() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.third(Codec::Pcmu);
    stage.bridge();
    stage.supervise(SupervisorMode::Join);
    stage.run(300, &[0, 1, 2]);
    let digit = TelephoneEvent { event: 5, end: false, volume: 10, duration: 160 };
    let (slot, from) = (stage.phones[0].slot, stage.phones[0].from);
    let mut bytes = stage.phones[0].packet();
    bytes.truncate(HEADER);
    bytes[1] = 101;
    bytes.extend_from_slice(&digit.write());
    assert!(stage.hand_in(slot, from, bytes).is_some());
    let at = stage.phones[1].heard.len();
    stage.run(50, &[1, 2]);
    assert_eq!(stage.phones[1].heard.len(), at, "no voice beside the key");
    stage.run(200, &[0, 1, 2]);
    assert!(stage.phones[1].heard.len() > at + 5);
    let numbers: Vec<u16> = stage.phones[1].heard.iter().map(|heard| heard.1.sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
}

#[test]
fn the_recording_holds_what_the_customer_hears_and_no_whisper() {
    for (mode, heard) in
        [(SupervisorMode::Listen, false), (SupervisorMode::Whisper, false), (SupervisorMode::Join, true)]
    {
        let mut stage = Stage::new([Codec::Pcmu; 2]);
        stage.third(Codec::Pcmu);
        stage.bridge();
        stage.tell(Command::Record { a: leg(0), b: leg(1) });
        stage.supervise(mode);
        stage.run(2000, &[0, 1, 2]);
        stage.tell(Command::Close { leg: leg(0) });
        let (mut left, mut right) = (Vec::new(), Vec::new());
        while let Some(piece) = stage.shard.poll_recorded() {
            if let Recorded::Samples { samples, .. } = piece {
                left.extend(samples.iter().step_by(2).copied());
                right.extend(samples.iter().skip(1).step_by(2).copied());
            }
        }
        assert!(share_at(&left[400..15_000], CUSTOMER_HZ) > 0.9, "{mode:?}");
        assert!(is_heard(&right[400..15_000], REPRESENTATIVE_HZ) || heard, "{mode:?}");
        assert_eq!(share_at(&right[400..15_000], SUPERVISOR_HZ) > 0.2, heard, "{mode:?}");
    }
}

#[test]
fn nobody_is_supervised_who_has_agreed_on_nothing_or_is_another_of_the_three() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.shard.open(leg(2)).unwrap();
    stage.supervise(SupervisorMode::Join);
    let twice =
        Command::Supervise { supervisor: leg(1), customer: leg(0), representative: leg(1), mode: SupervisorMode::Join };
    stage.tell(twice);
    assert!(stage.shard.mixers.is_empty());
    stage.run(200, &[0, 1]);
    assert!(is_heard(&stage.phones[0].samples(), REPRESENTATIVE_HZ));
}

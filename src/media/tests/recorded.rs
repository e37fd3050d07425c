//! Stories of recording: the customer left, the representative right, in step, whatever came of the packets.

use super::*;
use crate::audio::tone::{first_heard, is_heard, share_at, windows_heard};

#[derive(Default)]
struct Tape {
    left: Vec<i16>,
    right: Vec<i16>,
    ended: bool,
    longest: usize,
}

impl Stage {
    fn record(&mut self) {
        self.bridge();
        self.tell(Command::Record { a: leg(0), b: leg(1) });
    }

    /// Everything handed out so far.
    fn tape(&mut self) -> Tape {
        let mut tape = Tape::default();
        self.wind(&mut tape);
        tape
    }

    fn wind(&mut self, tape: &mut Tape) {
        while let Some(piece) = self.shard.poll_recorded() {
            assert!(!tape.ended, "nothing follows the end");
            match piece {
                Recorded::Samples { call, samples } => {
                    assert_eq!(call, leg(0).call);
                    tape.longest = tape.longest.max(samples.len());
                    for pair in samples.chunks_exact(2) {
                        tape.left.push(pair[0]);
                        tape.right.push(pair[1]);
                    }
                }
                Recorded::Ended { .. } => tape.ended = true,
            }
        }
    }

    fn hang_up(&mut self) -> Tape {
        self.tell(Command::Close { leg: leg(1) });
        self.tell(Command::Close { leg: leg(0) });
        self.tape()
    }
}

#[test]
fn each_side_is_on_its_own_channel_in_step_and_whole() {
    for codecs in [[Codec::Pcmu; 2], [Codec::Pcma, Codec::Pcmu]] {
        let mut stage = Stage::new(codecs);
        stage.record();
        stage.run(3000, &[0, 1]);
        let tape = stage.hang_up();
        assert!(tape.ended);
        assert_eq!(tape.left.len(), tape.right.len());
        assert!((23_900..=24_200).contains(&tape.left.len()), "{}", tape.left.len());
        assert!(share_at(&tape.left[400..23_600], CUSTOMER_HZ) > 0.99);
        assert!(share_at(&tape.right[400..23_600], REPRESENTATIVE_HZ) > 0.99);
        assert!(stage.phones[1].heard.len() > 140, "the talk goes on as ever");
    }
}

#[test]
fn who_is_silent_is_silence_of_the_right_length_and_a_lost_packet_moves_nothing() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.record();
    stage.run(1000, &[1]);
    stage.run(1000, &[0, 1]);
    // Five packets are spoken and never come.
    for _ in 0..5 {
        stage.phones[0].packet();
    }
    stage.run(100, &[1]);
    stage.run(900, &[0, 1]);
    let tape = stage.hang_up();
    assert!(tape.left[..7_800].iter().all(|sample| *sample == 0));
    let starts = first_heard(&tape.left, CUSTOMER_HZ, 160).unwrap();
    assert!((7_800..=8_200).contains(&starts), "{starts}");
    assert!(is_heard(&tape.left[8_200..15_800], CUSTOMER_HZ));
    assert!(tape.left[16_200..16_600].iter().all(|sample| *sample == 0));
    assert!(is_heard(&tape.left[17_000..], CUSTOMER_HZ));
    assert!(is_heard(&tape.right[200..23_800], REPRESENTATIVE_HZ));
}

#[test]
fn packets_out_of_order_and_repeated_are_put_where_they_were_spoken() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.record();
    stage.run(200, &[0]);
    for _ in 0..40 {
        let (slot, from) = (stage.phones[0].slot, stage.phones[0].from);
        let (first, second) = (stage.phones[0].packet(), stage.phones[0].packet());
        stage.run(20, &[]);
        stage.hand_in(slot, from, second.clone());
        stage.run(20, &[]);
        stage.hand_in(slot, from, first);
        stage.hand_in(slot, from, second);
    }
    let tape = stage.hang_up();
    assert!(share_at(&tape.left[400..13_600], CUSTOMER_HZ) > 0.99);
}

#[test]
fn a_talk_of_an_hour_is_handed_out_as_it_goes_and_keeps_little() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.record();
    let mut seconds = 0;
    for _ in 0..3600 {
        stage.now = stage.now + Duration::from_secs(1);
        for n in [0, 1] {
            let phone = &mut stage.phones[n];
            phone.timestamp = phone.timestamp.wrapping_add(8_000 - 160);
            let (slot, from, bytes) = (phone.slot, phone.from, phone.packet());
            stage.hand_in(slot, from, bytes);
        }
        let now = stage.now;
        stage.shard.tick(now, |_, _| {});
        let mut tape = Tape::default();
        stage.wind(&mut tape);
        assert!(tape.longest <= 16_000 && tape.left.len() <= 8_000, "a second at a time");
        seconds += tape.left.len() / 8_000;
    }
    assert!((3598..=3600).contains(&seconds), "{seconds}");
    let rest = stage.hang_up();
    assert!(rest.left.len() <= 20_000 && rest.ended);
}

#[test]
fn a_timestamp_gone_mad_moves_no_one_far() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.record();
    stage.run(1000, &[0, 1]);
    stage.phones[0].timestamp = stage.phones[0].timestamp.wrapping_add(3_000_000_000);
    stage.run(1000, &[0, 1]);
    let tape = stage.hang_up();
    assert!((15_900..=16_400).contains(&tape.left.len()), "{}", tape.left.len());
    assert!(windows_heard(&tape.left, CUSTOMER_HZ, 160) >= 95);
}

#[test]
fn what_the_customer_hears_on_hold_is_not_recorded_and_the_next_representative_is() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.run(500, &[0, 1]);
    stage.record();
    stage.run(1000, &[0, 1]);
    stage.tell(Command::Play { leg: leg(0), script: message() });
    stage.run(1000, &[0, 1]);
    stage.record();
    stage.run(1000, &[0, 1]);
    let tape = stage.hang_up();
    assert!((23_900..=24_400).contains(&tape.left.len()), "one recording: {}", tape.left.len());
    for side in [&tape.left, &tape.right] {
        assert!(side[8_400..15_600].iter().all(|sample| *sample == 0), "no talk, no voice");
    }
    assert!(is_heard(&tape.left[16_400..23_600], CUSTOMER_HZ));
    assert!(is_heard(&tape.right[16_400..23_600], REPRESENTATIVE_HZ));
}

#[test]
fn who_is_not_to_be_recorded_is_not() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(3000, &[0, 1]);
    let tape = stage.hang_up();
    assert!(!tape.ended && tape.left.is_empty());
}

fn consent_then(then: Option<Clip>) -> Script {
    let business = "abc".parse().unwrap();
    let spoken = crate::media::api::Spoken { business, company: "ABC".into(), language: None };
    let consent = Clip::Consent(crate::media::api::Worded { spoken, text: None });
    Script { once: [consent].into_iter().chain(then).collect(), then_loop: Some(Clip::HoldMusic) }
}

#[test]
fn the_end_of_the_consent_message_is_said_once_and_what_follows_joins_without_a_gap() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Play { leg: leg(0), script: consent_then(Some(message().once[0].clone())) });
    let said = |stage: &Stage| stage.count(|event| *event == Event::ConsentSaid { leg: leg(0), heard: true });
    stage.run(470, &[]);
    assert_eq!(said(&stage), 0, "half a second, not all of it yet");
    stage.run(1_500, &[]);
    assert_eq!(said(&stage), 1);
    let heard = stage.phones[0].samples();
    assert!(is_heard(&heard[..4_000], STILL_HZ) && is_heard(&heard[4_000..12_000], MESSAGE_HZ));
    assert_eq!(stage.count(|event| matches!(event, Event::PlayEnded { .. })), 0);
}

#[test]
fn a_consent_message_to_somebody_who_holds_us_was_not_heard() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    let held = MediaPlan { direction: Direction { send: false, receive: true }, ..plan(4000, Codec::Pcmu) };
    stage.tell(Command::Agree { leg: leg(0), plan: held });
    stage.tell(Command::Play { leg: leg(0), script: consent_then(None) });
    stage.run(1_000, &[]);
    assert_eq!(stage.count(|event| *event == Event::ConsentSaid { leg: leg(0), heard: false }), 1);
    assert_eq!(stage.count(|event| matches!(event, Event::ConsentSaid { heard: true, .. })), 0);
}

#[test]
fn a_consent_message_of_which_a_part_could_not_be_sent_was_not_heard() {
    for (from, until) in [(0, 300), (100, 300), (300, 600)] {
        let mut stage = Stage::new([Codec::Pcmu; 2]);
        let direction = |send| MediaPlan { direction: Direction { send, receive: true }, ..plan(4000, Codec::Pcmu) };
        stage.tell(Command::Agree { leg: leg(0), plan: direction(from > 0) });
        stage.tell(Command::Play { leg: leg(0), script: consent_then(None) });
        stage.run(from, &[]);
        stage.tell(Command::Agree { leg: leg(0), plan: direction(false) });
        stage.run(until - from, &[]);
        stage.tell(Command::Agree { leg: leg(0), plan: direction(true) });
        stage.run(1_000, &[]);
        let said = |heard| stage.count(|event| *event == Event::ConsentSaid { leg: leg(0), heard });
        assert_eq!((said(true), said(false)), (0, 1), "held from {from} to {until} ms");
    }
}

#[test]
fn a_talk_that_goes_to_somebody_else_is_recorded_only_once_that_is_said() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.third(Codec::Pcmu);
    stage.record();
    stage.run(1_000, &[0, 1]);
    stage.tell(Command::Bridge { a: leg(0), b: leg(2) });
    stage.run(1_000, &[0, 2]);
    stage.tell(Command::Bridge { a: leg(0), b: leg(1) });
    stage.tell(Command::Record { a: leg(0), b: leg(1) });
    stage.run(1_000, &[0, 1]);
    let tape = stage.hang_up();
    let loud = |side: &[i16], from: usize, to: usize| side[from..to].iter().any(|sample| sample.abs() > 1_000);
    for side in [&tape.left, &tape.right] {
        assert!(loud(side, 400, 7_600) && loud(side, 16_800, 23_200));
        assert!(!loud(side, 8_400, 15_600), "nobody was asked whether this may be kept");
    }
}

#[test]
fn a_consent_message_that_is_cut_was_not_said() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Play { leg: leg(0), script: consent_then(None) });
    stage.run(300, &[]);
    stage.tell(Command::Play { leg: leg(0), script: message() });
    stage.run(1_500, &[]);
    assert_eq!(stage.count(|event| matches!(event, Event::ConsentSaid { .. })), 0);
}

#[test]
fn a_speaker_with_another_source_after_a_renewed_agreement_is_recorded_without_a_gap() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.record();
    stage.run(1_000, &[0, 1]);
    stage.tell(Command::Agree { leg: leg(0), plan: plan(4000, Codec::Pcmu) });
    stage.run(40, &[0, 1]);
    let phone = &mut stage.phones[0];
    (phone.ssrc, phone.sequence, phone.timestamp) = (777, 9_000, 123_456);
    stage.run(1_000, &[0, 1]);
    let heard = stage.phones[1].heard.len();
    assert!((101..=103).contains(&heard), "no packet was taken for a stranger's: {heard}");
    let tape = stage.hang_up();
    let loud =
        tape.left[400..16_000].chunks(160).filter(|frame| frame.iter().any(|sample| sample.abs() > 3_000)).count();
    assert!(loud >= 96, "{loud} of 97 frames");
}

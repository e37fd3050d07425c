//! Stories of hold: what the held one hears, and how a talk goes on.

use super::*;

const MUSIC_HZ: f64 = 620.0;
/// The holder may send, and wants nothing.
const SENDONLY: Direction = Direction { send: false, receive: true };

impl Stage {
    fn agree(&mut self, n: u16, direction: Direction) {
        let codec = self.phones[usize::from(n)].codec;
        let plan = MediaPlan { direction, ..plan(4000 + n * 2, codec) };
        self.tell(Command::Agree { leg: leg(n), plan });
    }

    /// What a phone has heard since its `from`-th packet.
    fn since(&self, n: usize, from: usize) -> Vec<i16> {
        let phone = &self.phones[n];
        let packets = &phone.heard[from..];
        packets.iter().flat_map(|(_, header, bytes)| decode(phone.codec, &bytes[header.payload.clone()])).collect()
    }

    fn one_stream(&self, n: usize) {
        for pair in self.phones[n].heard.windows(2) {
            assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1));
            assert_eq!(pair[1].1.ssrc, pair[0].1.ssrc);
            let passed = pair[1].1.timestamp.wrapping_sub(pair[0].1.timestamp);
            assert!((1..16_000).contains(&passed), "{passed}");
        }
    }
}

#[test]
fn inactive_brings_music_at_once_and_resume_cuts_it_within_one_frame() {
    for codecs in [[Codec::Pcmu; 2], [Codec::Pcmu, Codec::Pcma]] {
        let mut stage = Stage::new(codecs);
        stage.bridge();
        stage.run(200, &[0, 1]);
        let before = stage.phones[1].heard.len();
        stage.agree(0, Direction::INACTIVE);
        stage.run(1000, &[1]);
        let music = stage.since(1, before);
        assert!((49..=50).contains(&(music.len() / 160)), "{}", music.len());
        assert!(tone::is_heard(&music, MUSIC_HZ));
        let held = stage.phones[1].heard.len();
        stage.agree(0, Direction::BOTH);
        stage.run(400, &[0, 1]);
        let talk = stage.since(1, held);
        assert!(!tone::is_heard(&talk[..160], MUSIC_HZ), "cut within one frame");
        assert!(tone::is_heard(&talk, CUSTOMER_HZ));
        assert!(stage.phones[1].heard[held].1.marker);
        stage.one_stream(1);
    }
}

#[test]
fn a_holder_who_streams_music_is_relayed_and_a_quiet_one_is_replaced_after_a_moment() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(200, &[0, 1]);
    let before = stage.phones[1].heard.len();
    stage.agree(0, SENDONLY);
    stage.run(1000, &[0, 1]);
    let own = stage.since(1, before);
    assert!(tone::is_heard(&own, CUSTOMER_HZ) && !tone::is_heard(&own, MUSIC_HZ));
    let (quiet, at) = (stage.phones[1].heard.len(), stage.now);
    stage.run(1000, &[1]);
    assert!(tone::is_heard(&stage.since(1, quiet), MUSIC_HZ));
    let first = stage.phones[1].heard[quiet].0.since(at);
    assert!((Duration::from_millis(200)..=Duration::from_millis(300)).contains(&first), "{first:?}");
    let again = stage.phones[1].heard.len();
    stage.run(600, &[0, 1]);
    let own = stage.since(1, again);
    assert!(!tone::is_heard(&own, MUSIC_HZ), "the holder's music is one stream, not two");
    stage.one_stream(1);
}

#[test]
fn who_is_held_by_a_holder_hears_nothing_either_when_both_hold() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(100, &[0, 1]);
    stage.agree(0, SENDONLY);
    stage.agree(1, SENDONLY);
    let heard = [stage.phones[0].heard.len(), stage.phones[1].heard.len()];
    stage.run(1000, &[0, 1]);
    assert_eq!([stage.phones[0].heard.len(), stage.phones[1].heard.len()], heard);
    stage.agree(0, Direction::BOTH);
    stage.run(1000, &[0]);
    assert!(tone::is_heard(&stage.since(0, heard[0]), MUSIC_HZ), "still held by the other");
    stage.agree(1, Direction::BOTH);
    let resumed = stage.phones[0].heard.len();
    stage.run(400, &[0, 1]);
    assert!(tone::is_heard(&stage.since(0, resumed), REPRESENTATIVE_HZ));
    stage.one_stream(0);
}

#[test]
fn silence_is_not_held_against_holder_nor_held() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    for n in [0, 1] {
        stage.tell(Command::WatchSilence { leg: leg(n), after: Some(Duration::from_secs(1)) });
    }
    stage.agree(0, SENDONLY);
    stage.run(5000, &[]);
    let silent = |stage: &Stage| stage.count(|event| matches!(event, Event::Silent { .. }));
    assert_eq!(silent(&stage), 0);
    stage.agree(0, Direction::BOTH);
    stage.run(900, &[]);
    assert_eq!(silent(&stage), 0, "both count from the resume on");
    stage.run(300, &[]);
    assert_eq!(silent(&stage), 2);
}

#[test]
fn whoever_is_joined_with_a_holder_hears_music() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.agree(0, Direction::INACTIVE);
    stage.bridge();
    stage.run(400, &[1]);
    assert!(tone::is_heard(&stage.phones[1].samples(), MUSIC_HZ));
    stage.tell(Command::Play { leg: leg(1), script: message() });
    let before = stage.phones[1].heard.len();
    stage.run(200, &[1]);
    let heard = stage.since(1, before);
    assert_eq!(heard.len(), 10 * 160, "a message is not mixed with the music of a hold that is over");
    assert!(tone::is_heard(&heard, MESSAGE_HZ));
}

#[test]
fn a_moved_holder_keeps_the_music_playing() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.agree(0, Direction::INACTIVE);
    stage.run(400, &[1]);
    let before = stage.phones[1].heard.len();
    stage.agree(0, Direction::INACTIVE);
    stage.run(400, &[1]);
    assert_eq!(stage.phones[1].heard.len() - before, 20);
    stage.one_stream(1);
}

#[test]
fn a_message_in_the_hold_music_is_cut_by_the_answer_within_a_frame() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    let script = Script { once: Vec::new(), then_loop: Some(Clip::HoldMusic) };
    stage.tell(Command::Play { leg: leg(0), script });
    stage.run(400, &[]);
    let business = "abc".parse().unwrap();
    let spoken = super::super::api::Spoken { business, company: "ABC".into(), language: None };
    let still = Clip::Still(super::super::api::Still { spoken, minutes: Some(2) });
    stage.tell(Command::Interject { leg: leg(0), clip: still });
    stage.run(200, &[]);
    let before = stage.phones[0].samples();
    assert!(tone::is_heard(&before[1600..3200], 620.0) && tone::is_heard(&before[before.len() - 1440..], STILL_HZ));
    stage.bridge();
    stage.run(200, &[1]);
    assert!(!tone::is_heard(&stage.phones[0].samples()[before.len()..][..160], STILL_HZ));
    assert!(tone::is_heard(&stage.phones[0].samples()[before.len()..], REPRESENTATIVE_HZ));
}

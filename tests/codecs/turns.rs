//! What happens in the middle of a transcoded talk: keys, pauses, comfort noise, another codec, another source, a stranger's
//! payloads.

use std::net::SocketAddr;

use callbridge::audio::codec::{Decoder, Encoder, Rate};
use callbridge::audio::tone::{share_at, sine};
use callbridge::clock::Mono;
use callbridge::media::api::Command;
use callbridge::media::{Half, Shard, Slot};
use callbridge::model::Codec;
use callbridge::rtp::{self, Header, TelephoneEvent};
use callbridge::sdp::MediaPlan;
use proptest::prelude::*;

use crate::line::{RECEIVE, SEND, Side, bridge, leg, packet, plan};

/// A talk that goes on packet by packet.
struct Talk {
    shard: Shard,
    slot: Slot,
    now: u64,
    encoder: Encoder,
    codec: Codec,
    tone: Vec<i16>,
    sequence: u16,
    timestamp: u32,
    /// What the second phone was sent, and when, in ms.
    out: Vec<(u64, Header, Vec<u8>)>,
}

impl Talk {
    fn begin(from: Codec, to: Codec) -> Talk {
        let (shard, [slot, _]) = bridge([from, to].map(|codec| Side { codec, ptime_ms: 20 }));
        let encoder = Encoder::new(from, Rate::Hz8000);
        let tone = sine(400.0, 8000, 160);
        Talk { shard, slot, now: 0, encoder, codec: from, tone, sequence: 0, timestamp: 0, out: Vec::new() }
    }

    /// A packet of the first phone, then 20 ms.
    fn send(&mut self, bytes: Option<Vec<u8>>) {
        let from = SocketAddr::from(([127, 0, 0, 1], 4000));
        if let Some(mut bytes) = bytes
            && self.shard.packet(Mono(self.now * 1000), self.slot, Half::Rtp, from, &mut bytes).send.is_some()
        {
            self.note(bytes);
        }
        for _ in 0..20 {
            let mut out = Vec::new();
            self.shard.tick(Mono(self.now * 1000), |_, bytes| out.push(bytes.to_vec()));
            out.into_iter().for_each(|bytes| self.note(bytes));
            self.now += 1;
        }
    }

    fn note(&mut self, bytes: Vec<u8>) {
        let header = rtp::read(&bytes).expect("RTP");
        let payload = bytes[header.payload.clone()].to_vec();
        self.out.push((self.now, header, payload));
    }

    /// So many frames of a 400 Hz tone.
    fn speak(&mut self, frames: usize) {
        for _ in 0..frames {
            let mut payload = Vec::new();
            self.encoder.encode(&self.tone, &mut payload);
            let bytes = packet(RECEIVE, self.sequence, self.timestamp, &payload);
            self.advance();
            self.send(Some(bytes));
        }
    }

    /// So much time without a packet.
    fn pause(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.timestamp = self.timestamp.wrapping_add(self.codec.clock_hz() / 50);
            self.send(None);
        }
    }

    fn advance(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.codec.clock_hz() / 50);
    }

    /// A key as a phone sends it: eight packets of one timestamp, the voice rests.
    fn press(&mut self, key: u8) {
        let began = self.timestamp;
        for n in 1..=8u16 {
            let event = TelephoneEvent { event: key, end: n >= 6, volume: 10, duration: 160 * n.min(6) };
            let bytes = packet(101, self.sequence, began, &event.write());
            self.advance();
            self.send(Some(bytes));
        }
    }

    /// What was heard of the voice since a moment, 8 kHz.
    fn heard(&self, codec: Codec, since: u64) -> Vec<i16> {
        let (mut decoder, mut heard) = (Decoder::new(codec, Rate::Hz8000), Vec::new());
        for (_, header, payload) in
            self.out.iter().filter(|(at, header, _)| *at >= since && header.payload_type == SEND)
        {
            assert!(decoder.decode(payload, &mut heard), "{header:?}");
        }
        heard
    }

    /// One numbering without a hole or a repetition, one SSRC, and no timestamp goes back.
    fn assert_one_stream(&self) {
        self.assert_streams(&[]);
    }

    /// A stream of its own, with another SSRC, from each moment on at which the clock of the payload changed (RFC 7160 §4.1).
    fn assert_streams(&self, clock_changes: &[u64]) {
        for two in self.out.windows(2) {
            let [(before_at, before, _), (after_at, after, _)] = two else { continue };
            if clock_changes.iter().any(|change| before_at < change && change <= after_at) {
                assert_ne!(after.ssrc, before.ssrc, "{before:?} {after:?}");
                continue;
            }
            assert_eq!(after.sequence, before.sequence.wrapping_add(1), "{before:?} {after:?}");
            assert_eq!(after.ssrc, before.ssrc);
            assert!(after.timestamp.wrapping_sub(before.timestamp) < 0x8000_0000, "{before:?} {after:?}");
        }
    }
}

#[test]
fn a_key_crosses_a_transcoded_talk_once_and_the_voice_rests_meanwhile() {
    let mut talk = Talk::begin(Codec::Opus, Codec::Pcmu);
    talk.speak(50);
    talk.press(5);
    talk.speak(50);
    let events: Vec<_> = talk.out.iter().filter(|(_, header, _)| header.payload_type == 101).collect();
    assert_eq!(events.len(), 8);
    assert!(events.iter().all(|(_, header, _)| header.timestamp == events[0].1.timestamp));
    let (first, last) = (events[0].0, events[7].0);
    let between = talk.out.iter().filter(|(at, header, _)| *at > first && *at < last && header.payload_type == SEND);
    assert_eq!(between.count(), 0, "no voice between the packets of a key");
    talk.assert_one_stream();
    let after = talk.heard(Codec::Pcmu, last + 200);
    assert!(share_at(&after[800..4000], 400.0) > 0.95);
    // The key did not lengthen the delay: what was said last is heard within 60 ms.
    assert!(talk.out.iter().filter(|(at, ..)| *at > talk.now - 40).count() >= 1);
}

#[test]
fn a_pause_of_the_source_is_a_pause_and_a_new_talk_spurt() {
    for to in [Codec::G722, Codec::Opus] {
        let mut talk = Talk::begin(Codec::Pcma, to);
        talk.speak(50);
        talk.pause(2000);
        let silent_since = talk.out.last().unwrap().0;
        assert!(silent_since < 1000 + 560, "{to:?}: sending ends half a second after the voice: {silent_since}");
        let began = talk.now;
        talk.speak(50);
        let (at, header, _) = talk.out.iter().find(|(at, ..)| *at >= began).unwrap();
        assert!(header.marker && *at <= began + 21, "{to:?}: {at} after {began}");
        talk.assert_one_stream();
        assert!(share_at(&talk.heard(to, began)[800..6400], 400.0) > 0.95, "{to:?}");
    }
}

#[test]
fn comfort_noise_is_a_quiet_and_no_loss() {
    let mut talk = Talk::begin(Codec::Pcmu, Codec::G722);
    talk.speak(50);
    let quiet = talk.now;
    for _ in 0..10 {
        let bytes = packet(13, talk.sequence, talk.timestamp, &[60]);
        talk.advance();
        talk.send(Some(bytes));
    }
    let heard = talk.heard(Codec::G722, quiet + 100);
    assert!(callbridge::audio::level::rms(&heard) < 20.0);
    talk.speak(50);
    talk.assert_one_stream();
    let after = talk.heard(Codec::G722, quiet + 300);
    assert!(share_at(&after[1600..6400], 400.0) > 0.95);
}

#[test]
fn another_agreement_brings_the_talk_back_into_place_or_out_of_it() {
    let side = |codec| Side { codec, ptime_ms: 20 };
    let mut talk = Talk::begin(Codec::Pcmu, Codec::Pcmu);
    talk.speak(50);
    let agree = |talk: &mut Talk, plan: MediaPlan| {
        talk.shard.command(Mono(talk.now * 1000), Command::Agree { leg: leg(1), plan });
    };
    agree(&mut talk, plan(4002, side(Codec::Opus)));
    let changed = talk.now;
    talk.speak(50);
    assert!(share_at(&talk.heard(Codec::Opus, changed)[1600..6400], 400.0) > 0.95);
    agree(&mut talk, plan(4002, side(Codec::Pcma)));
    let back = talk.now;
    talk.speak(50);
    let heard = talk.heard(Codec::Pcma, back);
    assert_eq!(heard.len(), 8000, "in place: a packet for a packet, at once");
    assert!(share_at(&heard, 400.0) > 0.95);
    talk.assert_streams(&[changed, back]);
}

#[test]
fn a_phone_that_sends_its_first_codec_though_another_was_agreed_is_heard() {
    // G.722 was agreed on both sides; the phone sends PCMU under its static number.
    let mut talk = Talk::begin(Codec::G722, Codec::G722);
    talk.encoder = Encoder::new(Codec::Pcmu, Rate::Hz8000);
    for _ in 0..50 {
        let mut payload = Vec::new();
        talk.encoder.encode(&talk.tone, &mut payload);
        let bytes = packet(0, talk.sequence, talk.timestamp, &payload);
        talk.advance();
        talk.send(Some(bytes));
    }
    assert!(share_at(&talk.heard(Codec::G722, 0)[1600..6400], 400.0) > 0.95);
    // Then it does as was agreed, and after a second nothing is transcoded any more.
    talk.encoder = Encoder::new(Codec::G722, Rate::Hz8000);
    talk.speak(100);
    let late: Vec<u64> = talk.out.iter().map(|(at, ..)| *at).filter(|at| *at >= talk.now - 200).collect();
    assert!(late.iter().all(|at| at % 20 == 0), "in the rhythm of its own packets: {late:?}");
    talk.assert_one_stream();
}

proptest! {
    /// Whatever payloads, numbers and times a peer sends, and whatever it sends them as: what goes out is one stream, no more than
    /// a packet every packet time.
    #[test]
    fn no_packets_of_a_stranger_break_the_talk(
        from in 0usize..4, to in 0usize..4, ptime in 1u16..7,
        all in proptest::collection::vec((prop_oneof![Just(RECEIVE), Just(101), Just(13), Just(0), Just(9), any::<u8>()],
            any::<u16>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..60),
    ) {
        let (from, to) = (Codec::ALL[from], Codec::ALL[to]);
        let mut talk = Talk::begin(from, to);
        let side = Side { codec: to, ptime_ms: to.packet_ms(ptime * 10) };
        talk.shard.command(Mono(0), Command::Agree { leg: leg(1), plan: plan(4002, side) });
        for (kind, sequence, timestamp, payload, steady) in all {
            let (sequence, timestamp) = if steady { (talk.sequence, talk.timestamp) } else { (sequence, timestamp) };
            talk.advance();
            talk.send(Some(packet(kind & 0x7f, sequence, timestamp, &payload)));
        }
        let frames = talk.now / u64::from(side.ptime_ms) + 60;
        prop_assert!((talk.out.len() as u64) <= frames + 60, "{} packets in {} ms", talk.out.len(), talk.now);
    }
}

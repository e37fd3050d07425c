//! Opus (RFC 6716), mono, as `ropus` does it. Owned here: the rates that a voice is coded with, what a packet says of its own
//! length, and that no packet harms the thread that decodes it.
//!
//! RTP counts its time at 48 kHz whatever is sampled (RFC 7587 §4.1), and a decoder gives any of our rates from any packet: a leg
//! that meets G.711 is decoded at 8 kHz at once. The crate is a large translation of C: should a stranger's packet trip one of
//! its checks, that packet is lost and the decoder begins anew, and no call but its own is the worse for it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ropus::{Application, Bitrate, Channels, DecodeMode, InbandFec, Signal};

use super::codec::Rate;

/// The longest packet there is (RFC 6716 §3.2.5, requirement 5), in milliseconds.
pub const LONGEST_MS: usize = 120;
/// The longest packet that we make: as long as 60 ms of G.711.
pub const MAX_PACKET: usize = 480;
/// Beyond this, in percent, more correction helps nobody.
const MOST_LOSS: u8 = 30;
/// How hard the encoder tries, 0 to 10 (docs/performance.md has the cost).
const COMPLEXITY: u8 = 5;

/// How long a packet lasts, in 48,000ths of a second, by its first two bytes (RFC 6716 §3.1, §3.2). `None`: it is no packet.
pub fn ticks(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frame = match toc >> 3 {
        config @ 0..12 => [480, 960, 1920, 2880].get(usize::from(config & 3)),
        config @ 12..16 => [480, 960].get(usize::from(config & 1)),
        config => [120, 240, 480, 960].get(usize::from(config & 3)),
    }?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let ticks = frame * frames;
    (1..=LONGEST_MS as u32 * 48).contains(&ticks).then_some(ticks)
}

/// A stream being decoded.
pub struct Decoder {
    rate: Rate,
    /// Absent: it could not be made, and what comes is silent.
    inner: Option<ropus::Decoder>,
    room: Vec<i16>,
}

impl Decoder {
    /// At this rate.
    pub fn new(rate: Rate) -> Decoder {
        Decoder { rate, inner: decoder(rate), room: Vec::new() }
    }

    /// Appends the packet's samples. False: it was no Opus packet and nothing was appended.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i16>) -> bool {
        let Some(ticks) = ticks(packet) else { return false };
        self.run(packet, self.samples(ticks), DecodeMode::Normal, out)
    }

    /// Appends `count` samples in place of a packet that was lost, as the decoder makes them up from what it heard; from the
    /// packet after it, where that is there already and tells of it (RFC 6716 §2.1.7).
    pub fn lost(&mut self, count: usize, next: Option<&[u8]>, out: &mut Vec<i16>) {
        let before = out.len();
        // What it makes up comes in steps of 2.5 ms, and at most as much as a packet holds.
        let step = self.rate.samples(5) / 2;
        let whole = count.min(self.rate.samples(LONGEST_MS)) / step * step;
        let told = next.filter(|next| ticks(next).is_some_and(|ticks| self.samples(ticks) <= whole));
        if whole > 0 {
            match told {
                Some(next) => self.run(next, whole, DecodeMode::Fec, out),
                None => self.run(&[], whole, DecodeMode::Normal, out),
            };
        }
        out.resize(before + count, 0);
    }

    fn samples(&self, ticks: u32) -> usize {
        ticks as usize * self.rate.samples(1) / 48
    }

    fn run(&mut self, packet: &[u8], room: usize, mode: DecodeMode, out: &mut Vec<i16>) -> bool {
        let Some(inner) = &mut self.inner else { return false };
        self.room.clear();
        self.room.resize(room, 0);
        let samples = &mut self.room;
        match catch_unwind(AssertUnwindSafe(|| inner.decode(packet, samples, mode))) {
            Ok(Ok(count)) => {
                out.extend_from_slice(samples.get(..count).unwrap_or_default());
                true
            }
            Ok(Err(_)) => false,
            Err(_) => {
                self.inner = decoder(self.rate);
                false
            }
        }
    }
}

fn decoder(rate: Rate) -> Option<ropus::Decoder> {
    ropus::Decoder::new(rate.hertz(), Channels::Mono).ok()
}

/// A stream being encoded.
pub struct Encoder {
    inner: Option<ropus::Encoder>,
    rate: Rate,
    /// Percent of its packets that are expected to be lost.
    loss: u8,
}

impl Encoder {
    /// Of samples at this rate.
    pub fn new(rate: Rate) -> Encoder {
        Encoder { inner: encoder(rate), rate, loss: 0 }
    }

    /// So many percent of the packets are expected not to arrive: each tells something of the one before it (RFC 6716 §2.1.7), for
    /// half as many bits again. At zero none does.
    pub fn expect_loss(&mut self, percent: u8) {
        let percent = percent.min(MOST_LOSS);
        if percent != self.loss {
            self.loss = percent;
            self.heed_loss();
        }
    }

    fn heed_loss(&mut self) {
        let Some(inner) = &mut self.inner else { return };
        let mode = if self.loss == 0 { InbandFec::Disabled } else { InbandFec::Enabled };
        // What is told twice is paid for: at the rate of once there would be no room for it, and the crate would leave it out.
        let bits = if self.loss == 0 { bits(self.rate) } else { bits(self.rate) * 3 / 2 };
        if let Ok(rate) = Bitrate::try_bits(bits) {
            let _ = inner.set_bitrate(rate);
        }
        // None of these numbers is one that it could refuse; refused, it would sound as before.
        let _ = inner.set_packet_loss_perc(self.loss);
        let _ = inner.set_inband_fec(mode);
    }

    /// Appends one packet of these samples: 10, 20, 40 or 60 ms of them. False: they are no such packet.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> bool {
        let Some(inner) = &mut self.inner else { return false };
        let before = out.len();
        out.resize(before + MAX_PACKET, 0);
        let room = out.get_mut(before..).unwrap_or_default();
        let done = catch_unwind(AssertUnwindSafe(|| inner.encode(samples, room)));
        if done.is_err() {
            self.inner = encoder(self.rate);
            self.heed_loss();
        }
        let length = done.ok().and_then(Result::ok);
        out.truncate(before + length.unwrap_or(0));
        length.is_some()
    }
}

/// What is good quality for the band (RFC 7587 §3.1.1), in bits a second.
fn bits(rate: Rate) -> u32 {
    match rate {
        Rate::Hz8000 => 16_000,
        Rate::Hz16000 => 24_000,
        Rate::Hz48000 => 40_000,
    }
}

/// Speech.
fn encoder(rate: Rate) -> Option<ropus::Encoder> {
    ropus::Encoder::builder(rate.hertz(), Channels::Mono, Application::Voip)
        .bitrate(Bitrate::try_bits(bits(rate)).ok()?)
        .complexity(COMPLEXITY)
        .signal(Signal::Voice)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::level::rms;
    use crate::audio::tone::{share_at, sine};

    fn packets(samples: &[i16], ms: usize) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(Rate::Hz8000);
        let pack = |samples: &[i16]| {
            let mut packet = Vec::new();
            assert!(encoder.encode(samples, &mut packet));
            packet
        };
        samples.chunks_exact(ms * 8).map(pack).collect()
    }

    #[test]
    fn a_packet_says_how_long_it_is() {
        for ms in [10, 20, 40, 60] {
            for packet in packets(&sine(440.0, 8000, 960), ms) {
                assert_eq!(ticks(&packet), Some(ms as u32 * 48));
            }
        }
        assert_eq!(ticks(&[]), None);
        assert_eq!(ticks(&[0x03]), None, "the count is cut off");
        assert_eq!(ticks(&[0x1b, 3]), None, "three of 60 ms are too long");
        assert_eq!(ticks(&[0x03, 0]), None, "no frame at all");
        assert_eq!(ticks(&[0xe0]), Some(120));
        assert_eq!(ticks(&[0xff, 6]), Some(5760));
        assert_eq!(ticks(&[0xff, 7]), None);
    }

    #[test]
    fn a_tone_is_heard_at_every_rate_and_in_every_packet_time() {
        for ms in [10, 20, 40, 60] {
            let packets = packets(&sine(440.0, 8000, 8000), ms);
            for rate in [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000] {
                let mut heard = Vec::new();
                let mut decoder = Decoder::new(rate);
                packets.iter().for_each(|packet| assert!(decoder.decode(packet, &mut heard)));
                let count = 8000 / (ms * 8) * rate.samples(ms);
                assert_eq!(heard.len(), count);
                let thin: Vec<i16> = heard.iter().copied().step_by(rate.samples(1) / 8).collect();
                assert!(share_at(&thin[800..4000], 440.0) > 0.97, "{rate:?}, {ms} ms");
            }
        }
    }

    #[test]
    fn a_lost_packet_of_a_tone_is_made_up() {
        let packets = packets(&sine(440.0, 8000, 8000), 20);
        let (mut decoder, mut heard) = (Decoder::new(Rate::Hz8000), Vec::new());
        for (n, packet) in packets.iter().enumerate() {
            if n == 30 {
                decoder.lost(160, packets.get(n + 1).map(Vec::as_slice), &mut heard);
            } else {
                decoder.decode(packet, &mut heard);
            }
        }
        assert_eq!(heard.len(), 8000);
        let gap = &heard[4800..4960];
        assert!(share_at(gap, 440.0) > 0.6 && rms(gap) > 2000.0, "{} {}", share_at(gap, 440.0), rms(gap));
    }

    /// Whether a packet of 20 ms has something of the one before it: the second flag of SILK (RFC 6716 §4.2.3).
    fn tells_of_the_last(packet: &[u8]) -> bool {
        packet[0] >> 3 < 16 && packet.get(1).is_some_and(|flags| flags & 0x40 != 0)
    }

    #[test]
    fn packets_tell_of_the_one_before_where_loss_is_expected_and_only_there() {
        let speech = crate::audio::wav::read(include_bytes!("../../assets/unavailable.wav")).unwrap();
        for rate in [Rate::Hz8000, Rate::Hz16000] {
            let mut samples = Vec::new();
            crate::audio::resample::Resampler::new(Rate::Hz8000, rate).process(&speech, &mut samples);
            let mut encoder = Encoder::new(rate);
            let count = |encoder: &mut Encoder, percent| {
                encoder.expect_loss(percent);
                let pack = |frame: &[i16]| {
                    let mut packet = Vec::new();
                    assert!(encoder.encode(frame, &mut packet));
                    tells_of_the_last(&packet)
                };
                samples.chunks_exact(rate.samples(20)).take(150).map(pack).filter(|tells| *tells).count()
            };
            assert_eq!(count(&mut encoder, 0), 0);
            let told = count(&mut encoder, 10);
            assert!(told > 75, "{rate:?}: {told} of 150");
            assert!(count(&mut encoder, 200) > 75, "more than is believed");
            assert!(count(&mut encoder, 0) <= 1);
        }
    }

    #[test]
    fn what_is_no_packet_adds_nothing_and_what_is_lost_has_its_length() {
        let (mut decoder, mut heard) = (Decoder::new(Rate::Hz16000), Vec::new());
        assert!(!decoder.decode(&[], &mut heard));
        assert!(!decoder.decode(&[0x1b, 3, 1, 2, 3], &mut heard));
        assert!(heard.is_empty());
        for count in [0, 1, 39, 320, 333, 960, 10_000] {
            heard.clear();
            decoder.lost(count, None, &mut heard);
            assert_eq!(heard.len(), count);
        }
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_panic_or_grow(all in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..8)) {
            let mut decoder = Decoder::new(Rate::Hz8000);
            for packet in &all {
                let mut heard = Vec::new();
                decoder.decode(packet, &mut heard);
                prop_assert!(heard.len() <= 960);
                decoder.lost(160, Some(packet), &mut heard);
                prop_assert!(heard.len() <= 960 + 160);
            }
        }
    }
}

//! From one leg's codec or packet time to another's, where they differ: packets in their order, decoded, resampled, encoded, and
//! sent on the beat of the leg that hears them. Owns that beat and the pauses; refuses packets that can be relayed in place, which
//! need none of it. How packets become a steady voice is [`Hearing`]'s.
//!
//! ```text
//! packets ─► hearing ─► samples that wait ─► encoder ─► a packet every `ptime` ms
//! ```

use std::time::Duration;

use super::hearing::{Hearing, PAUSE_MS, START_MS};
use super::jitter::{Carries, Coded};
use super::playout::after;
use crate::audio::codec::{Encoder, Rate, band};
use crate::clock::Mono;
use crate::model::Codec;
use crate::sdp::MediaPlan;

/// After the last packet heard of a key: they come every 50 ms at the latest (RFC 4733 §2.5.1.2).
const KEY_LASTS: Duration = Duration::from_millis(60);

/// One way of a bridge whose sides differ.
pub(super) struct Transcoder {
    hearing: Hearing,
    encoder: Encoder,
    /// Milliseconds of a packet that we send.
    ptime_ms: u16,
    beat: Beat,
    key: KeyHeard,
}

/// The key that a party presses (RFC 4733) while its voice is made by us: the timestamp of its event, and when it is over unless
/// more is heard of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct KeyHeard(Option<(u32, Mono)>);

impl KeyHeard {
    /// A packet of a key event is passed on: while it lasts no voice is sent. True: it is the first one of that key.
    pub(super) fn note(&mut self, now: Mono, timestamp: u32) -> bool {
        let new = self.0.is_none_or(|(last, _)| last != timestamp);
        self.0 = Some((timestamp, now + KEY_LASTS));
        new
    }

    /// A key is being heard.
    pub(super) fn lasts(&self, now: Mono) -> bool {
        self.0.is_some_and(|(_, until)| now < until)
    }
}

/// When the next packet is due.
enum Beat {
    /// The source pauses.
    Rests,
    /// Then. Nothing came for so many milliseconds.
    Runs { due: Mono, empty_ms: usize },
}

/// What a beat brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Made {
    /// The payload of a packet was appended.
    Payload,
    /// The source pauses: nothing more is due.
    Rest,
}

impl Transcoder {
    /// From `from` to what `plan` agreed on.
    pub(super) fn new(from: Codec, plan: &MediaPlan) -> Transcoder {
        let rate = rate_between(from, plan.codec);
        Transcoder {
            hearing: Hearing::new(rate),
            encoder: Encoder::new(plan.codec, rate),
            ptime_ms: plan.codec.packet_ms(plan.ptime_ms),
            beat: Beat::Rests,
            key: KeyHeard::default(),
        }
    }

    /// Whether packets of this codec can go on through it: the band may be another.
    pub(super) fn suits(&self, from: Codec) -> bool {
        rate_between(from, self.encoder.codec()) == self.hearing.rate()
    }

    /// Another source, or another numbering: what waits of the last one is still heard.
    pub(super) fn new_source(&mut self) {
        self.hearing.new_source();
    }

    /// A packet came. `Some`: after a pause frames are due again, the first one then.
    pub(super) fn hear(&mut self, now: Mono, packet: &Coded<'_>) -> Option<Mono> {
        self.hearing.put(packet);
        if !matches!(self.beat, Beat::Rests) || packet.carries == Carries::Quiet {
            return None;
        }
        let Carries::Voice(codec) = packet.carries else { return None };
        let lasts = u16::try_from(packet.ticks * 1000 / codec.clock_hz()).unwrap_or(u16::MAX);
        // When a packet is due, what it is made of has come: of beats of 60 and 50 ms, say, the worst meeting is 40 ms apart.
        let wait = START_MS + self.ptime_ms - common_divisor(self.ptime_ms, lasts);
        let due = now + Duration::from_millis(u64::from(wait));
        self.beat = Beat::Runs { due, empty_ms: 0 };
        self.hearing.starts();
        Some(due)
    }

    /// The key that its party presses.
    pub(super) fn key(&mut self) -> &mut KeyHeard {
        &mut self.key
    }

    /// Whether the frame of this moment is its.
    pub(super) fn is_due(&self, at: Mono) -> bool {
        matches!(self.beat, Beat::Runs { due, .. } if due == at)
    }

    /// Moves a beat that the wheel could not reach.
    pub(super) fn next_due(&self) -> Option<Mono> {
        match self.beat {
            Beat::Runs { due, .. } => Some(due),
            Beat::Rests => None,
        }
    }

    /// Percent of its packets that the peer loses.
    pub(super) fn expect_loss(&mut self, percent: u8) {
        self.encoder.expect_loss(percent);
    }

    /// Milliseconds of a packet.
    pub(super) fn ptime_ms(&self) -> u16 {
        self.ptime_ms
    }

    /// Makes the packet that is due now.
    pub(super) fn frame(&mut self, now: Mono, payload: &mut Vec<u8>) -> Made {
        let Beat::Runs { due, empty_ms } = self.beat else { return Made::Rest };
        if empty_ms >= PAUSE_MS {
            self.beat = Beat::Rests;
            self.hearing.pauses();
            return Made::Rest;
        }
        let ms = usize::from(self.ptime_ms);
        let encoder = &mut self.encoder;
        let missing = self.hearing.take(ms, |frame| {
            encoder.encode(frame, payload);
        });
        let empty_ms = if missing == 0 { 0 } else { empty_ms + missing };
        let due = after(due, Duration::from_millis(u64::from(self.ptime_ms)), now);
        self.beat = Beat::Runs { due, empty_ms };
        Made::Payload
    }
}

/// The greatest one; of a packet without length it is 1.
fn common_divisor(a: u16, b: u16) -> u16 {
    if b == 0 {
        a.min(1)
    } else if a.is_multiple_of(b) {
        b
    } else {
        common_divisor(b, a % b)
    }
}

/// What both carry: no more is worth being decoded.
fn rate_between(from: Codec, to: Codec) -> Rate {
    band(from).min(band(to))
}

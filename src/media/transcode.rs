//! From one leg's codec or packet time to another's, where they differ: packets in their order, decoded, resampled, encoded, and
//! sent on the beat of the leg that hears them. Owns the delay between the two: as short as the packets' jitter lets it be, bounded,
//! and no longer after an hour of clocks that differ. Refuses packets that can be relayed in place, which need none of it.
//!
//! ```text
//! packets ─► jitter ─► decoder ─► samples that wait ─► encoder ─► a packet every `ptime` ms
//!             (16)      (lost: made up)      └ too many for two seconds: a few ms are taken out
//! ```

use std::time::Duration;

use super::jitter::{Carries, Coded, Jitter, Next};
use super::playout::after;
use crate::audio::codec::{Decoder, Encoder, Rate, band};
use crate::audio::splice;
use crate::clock::Mono;
use crate::model::Codec;
use crate::sdp::MediaPlan;

/// The first packet waits so long, in milliseconds: most networks sway less.
const START_MS: u16 = 20;
/// More than this still waiting after every frame of a [`WINDOW_MS`] is too much delay, in milliseconds …
const TOO_MUCH_MS: usize = 30;
/// … and is brought down to this.
const KEEP_MS: usize = 20;
/// How long too much must have waited, in milliseconds: longer than networks hold their breath.
const WINDOW_MS: usize = 2000;
/// Between two cuts, in milliseconds.
const CUT_EVERY_MS: usize = 100;
/// Samples that must be there beyond the frame for a cut to be made well, in milliseconds.
const CUT_ROOM_MS: usize = 40;
/// No more waits than this, in milliseconds; the oldest go.
const MOST_MS: usize = 300;
/// A source that has sent nothing for so long, in milliseconds, has paused: nothing is sent either.
const PAUSE_MS: usize = 500;

/// After the last packet heard of a key: they come every 50 ms at the latest (RFC 4733 §2.5.1.2).
const KEY_LASTS: Duration = Duration::from_millis(60);

/// One way of a bridge whose sides differ.
pub(super) struct Transcoder {
    jitter: Jitter,
    /// Made with the first packet, and anew with another codec or source.
    ear: Option<Decoder>,
    encoder: Encoder,
    rate: Rate,
    /// Decoded and not yet sent.
    samples: Vec<i16>,
    /// Milliseconds of a packet that we send.
    ptime_ms: u16,
    beat: Beat,
    delay: Delay,
    /// The source said that it is quiet (comfort noise).
    quiet: bool,
    /// The key that its party presses: the timestamp of its event, and when it is over unless more is heard of it.
    key: Option<(u32, Mono)>,
}

/// When the next packet is due.
enum Beat {
    /// The source pauses.
    Rests,
    /// Then. Nothing came for so many milliseconds.
    Runs { due: Mono, empty_ms: usize },
}

/// The watch over what waits, in milliseconds.
struct Delay {
    least: usize,
    seen: usize,
    surplus: usize,
    since_cut: usize,
}

impl Delay {
    const NEW: Delay = Delay { least: usize::MAX, seen: 0, surplus: 0, since_cut: 0 };

    /// So much waits after a frame of so long.
    fn note(&mut self, waits: usize, frame: usize) {
        self.least = self.least.min(waits);
        self.seen += frame;
        self.since_cut += frame;
        if self.seen >= WINDOW_MS {
            self.surplus = if self.least > TOO_MUCH_MS { self.least - KEEP_MS } else { 0 };
            (self.least, self.seen) = (usize::MAX, 0);
        }
    }

    fn wants_cut(&self) -> bool {
        self.surplus > 0 && self.since_cut >= CUT_EVERY_MS
    }

    fn was_cut(&mut self, ms: usize) {
        self.surplus = self.surplus.saturating_sub(ms.max(1));
        self.since_cut = 0;
    }
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
            jitter: Jitter::default(),
            ear: None,
            encoder: Encoder::new(plan.codec, rate),
            rate,
            samples: Vec::new(),
            ptime_ms: plan.codec.packet_ms(plan.ptime_ms),
            beat: Beat::Rests,
            delay: Delay::NEW,
            quiet: false,
            key: None,
        }
    }

    /// Whether packets of this codec can go on through it: the band may be another.
    pub(super) fn suits(&self, from: Codec) -> bool {
        rate_between(from, self.encoder.codec()) == self.rate
    }

    /// Another source, or another numbering: what waits of the last one is still heard.
    pub(super) fn new_source(&mut self) {
        self.jitter = Jitter::default();
        self.ear = None;
    }

    /// A packet came. `Some`: after a pause frames are due again, the first one then.
    pub(super) fn hear(&mut self, now: Mono, packet: &Coded<'_>) -> Option<Mono> {
        self.jitter.put(packet);
        self.jitter.trim(MOST_MS);
        if !matches!(self.beat, Beat::Rests) || packet.carries == Carries::Quiet {
            return None;
        }
        // What is sent in longer packets than it comes in must have been heard first.
        let Carries::Voice(codec) = packet.carries else { return None };
        let lasts = u16::try_from(packet.ticks * 1000 / codec.clock_hz()).unwrap_or(u16::MAX);
        let wait = START_MS + self.ptime_ms.saturating_sub(lasts);
        let due = now + Duration::from_millis(u64::from(wait));
        self.beat = Beat::Runs { due, empty_ms: 0 };
        self.delay = Delay::NEW;
        Some(due)
    }

    /// A packet of a key event (RFC 4733) is passed on: while it lasts no voice is sent. True: it is the first one of that key.
    pub(super) fn key(&mut self, now: Mono, timestamp: u32) -> bool {
        let new = self.key.is_none_or(|(last, _)| last != timestamp);
        self.key = Some((timestamp, now + KEY_LASTS));
        new
    }

    /// A key is being heard.
    pub(super) fn key_lasts(&self, now: Mono) -> bool {
        self.key.is_some_and(|(_, until)| now < until)
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

    /// Milliseconds of a packet.
    pub(super) fn ptime_ms(&self) -> u16 {
        self.ptime_ms
    }

    /// Makes the packet that is due now.
    pub(super) fn frame(&mut self, now: Mono, payload: &mut Vec<u8>) -> Made {
        let Beat::Runs { due, empty_ms } = self.beat else { return Made::Rest };
        if empty_ms >= PAUSE_MS {
            self.beat = Beat::Rests;
            self.samples.clear();
            return Made::Rest;
        }
        let ms = usize::from(self.ptime_ms);
        let wanted = self.rate.samples(ms);
        let missing = self.fill(wanted);
        self.shorten(wanted);
        let frame = self.samples.get(..wanted).unwrap_or(&self.samples);
        self.encoder.encode(frame, payload);
        self.samples.drain(..wanted.min(self.samples.len()));
        self.delay.note(self.waits_ms(), ms);
        let empty_ms = if missing == 0 { 0 } else { empty_ms + missing };
        let due = after(due, Duration::from_millis(u64::from(self.ptime_ms)), now);
        self.beat = Beat::Runs { due, empty_ms };
        Made::Payload
    }

    /// Decodes until there are so many samples. Where packets are missing, the voice is made up; returns for how many milliseconds
    /// because nothing at all was there.
    fn fill(&mut self, wanted: usize) -> usize {
        while self.samples.len() < wanted {
            let Some(empty) = self.fill_once(wanted) else { continue };
            return empty;
        }
        0
    }

    /// One step of it. `Some`: nothing was there, and so many milliseconds were made up.
    fn fill_once(&mut self, wanted: usize) -> Option<usize> {
        match self.jitter.take() {
            Next::Packet { carries: Carries::Voice(codec), payload } => {
                if self.ear.as_ref().is_none_or(|ear| ear.codec() != codec) {
                    self.ear = Some(Decoder::new(codec, self.rate));
                }
                self.quiet = false;
                if let Some(ear) = &mut self.ear
                    && !ear.decode(payload, &mut self.samples)
                {
                    ear.lost(20, None, &mut self.samples);
                }
                None
            }
            Next::Packet { carries: Carries::Quiet, .. } => {
                self.quiet = true;
                None
            }
            Next::Lost { ms, next } => {
                match &mut self.ear {
                    Some(ear) => ear.lost(ms, next, &mut self.samples),
                    None => self.samples.resize(self.samples.len() + self.rate.samples(ms), 0),
                }
                None
            }
            Next::Empty => {
                let ms = wanted.saturating_sub(self.samples.len()).div_ceil(self.rate.samples(1));
                match &mut self.ear {
                    Some(ear) if !self.quiet => ear.lost(ms, None, &mut self.samples),
                    _ => self.samples.resize(self.samples.len() + self.rate.samples(ms), 0),
                }
                Some(ms)
            }
        }
    }

    /// Takes some milliseconds out, where too much has been waiting for long.
    fn shorten(&mut self, wanted: usize) {
        if !self.delay.wants_cut() {
            return;
        }
        let enough = wanted + self.rate.samples(CUT_ROOM_MS);
        while self.samples.len() < enough && self.jitter.waiting_ms() > 0 {
            self.fill_once(self.samples.len());
        }
        let cut = splice::shorten(&mut self.samples, self.rate);
        self.delay.was_cut(cut / self.rate.samples(1));
    }

    /// What has come and was not sent yet.
    fn waits_ms(&self) -> usize {
        self.samples.len() / self.rate.samples(1) + self.jitter.waiting_ms()
    }
}

/// What both carry: no more is worth being decoded.
fn rate_between(from: Codec, to: Codec) -> Rate {
    band(from).min(band(to))
}

//! One source's packets as a steady voice: in their order, decoded, what was lost made up. Owns the delay between what comes and what is
//! heard: as short as the packets' jitter lets it be, bounded, and no longer after an hour of clocks that differ. Refuses to know when
//! somebody listens: the transcoder and the mixer ask for so many milliseconds on their own beat.
//!
//! ```text
//! packets ─► jitter ─► decoder ─► samples that wait ─► a frame when asked for
//!             (16)      (lost: made up)      └ too many for two seconds: a few ms are taken out
//! ```

use super::jitter::{Carries, Coded, Jitter, Next};
use crate::audio::codec::{Decoder, Rate};
use crate::audio::splice;

/// The first packet waits so long, in milliseconds: most networks sway less.
pub(super) const START_MS: u16 = 20;
/// A source that has sent nothing for so long, in milliseconds, has paused.
pub(super) const PAUSE_MS: usize = 500;
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

/// A source being heard.
pub(super) struct Hearing {
    jitter: Jitter,
    /// Made with the first packet, and anew with another codec or source.
    ear: Option<Decoder>,
    rate: Rate,
    /// Decoded and not yet taken.
    samples: Vec<i16>,
    delay: Delay,
    /// The source said that it is quiet (comfort noise).
    quiet: bool,
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

impl Hearing {
    /// Of nobody yet, at this rate.
    pub(super) fn new(rate: Rate) -> Hearing {
        Hearing { jitter: Jitter::default(), ear: None, rate, samples: Vec::new(), delay: Delay::NEW, quiet: false }
    }

    /// Samples a second of what is heard.
    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Another source, or another numbering: what was decoded of the last one is still heard.
    pub(super) fn new_source(&mut self) {
        self.jitter = Jitter::default();
        self.ear = None;
    }

    /// A packet came.
    pub(super) fn put(&mut self, packet: &Coded<'_>) {
        self.jitter.put(packet);
        self.jitter.trim(MOST_MS);
    }

    /// It is listened to from now on.
    pub(super) fn starts(&mut self) {
        self.delay = Delay::NEW;
    }

    /// The source pauses: what waits is too little for a frame.
    pub(super) fn pauses(&mut self) {
        self.samples.clear();
    }

    /// Hands so many milliseconds to `heard`. Where packets are missing, the voice is made up; returns for how many milliseconds
    /// because nothing at all was there.
    pub(super) fn take(&mut self, ms: usize, heard: impl FnOnce(&[i16])) -> usize {
        let wanted = self.rate.samples(ms);
        let missing = self.fill(wanted);
        self.shorten(wanted);
        heard(self.samples.get(..wanted).unwrap_or(&self.samples));
        self.samples.drain(..wanted.min(self.samples.len()));
        self.delay.note(self.waits_ms(), ms);
        missing
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

//! What is recorded of a bridged call: the customer on the left, the representative on the right, at 8 kHz, in step by the
//! time at which they spoke. Owns that timeline and its bounds; refuses files, which are `io`'s.
//!
//! Each packet lies where its RTP timestamp says, as long as that agrees with its arrival within [`SLACK`]; what nobody spoke is
//! silence. Of a supervisor (`conference`) the right side holds what the customer hears: whispers are not in it.
//! Finished seconds are handed out some time later, so that packets out of order still find their place. Keys
//! pressed (RFC 4733) are not in it.

use std::collections::VecDeque;

use super::leg::{Heard, Sound};
use super::{Shard, Slot};
use crate::audio::codec::{Decoder, Rate};
use crate::clock::Mono;
use crate::model::{CallId, Codec, LegId};
use crate::rtp::Arrival;

/// Samples a second of either side.
const RATE: Rate = Rate::Hz8000;
/// Moments handed out at once.
const BLOCK: usize = 8_000;
/// What was spoken is handed out so much later, in samples: 500 ms.
const LAG: u64 = 4_000;
/// A timestamp further from its packet's arrival than this is not believed, in samples: 250 ms.
const SLACK: i64 = 2_000;

/// A piece of a recording, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// Goes on: left and right by turns, at 8 kHz.
    Samples {
        /// Whose.
        call: CallId,
        /// At most two times 8000.
        samples: Vec<i16>,
    },
    /// Nothing more follows.
    Ended {
        /// Whose.
        call: CallId,
    },
}

/// One recording being made.
pub(super) struct Recorder {
    customer: LegId,
    representative: LegId,
    /// A supervisor whom both hear: its voice stands beside the representative's.
    supervisor: Option<LegId>,
    /// The customer talks with somebody whom nobody said to record: nothing of that is kept.
    paused: bool,
    began: Mono,
    /// Moments handed out.
    done: u64,
    left: Side,
    right: Side,
    beside: Side,
    heard: Vec<i16>,
}

/// One speaker.
#[derive(Default)]
struct Side {
    decoder: Option<Decoder>,
    /// A timestamp and its moment.
    anchor: Option<(u32, u64)>,
    /// What was spoken since the moments handed out.
    spoken: Vec<i16>,
}

/// A voice packet.
struct Voice<'a> {
    codec: Codec,
    timestamp: u32,
    /// Of another source than the ones before.
    fresh: bool,
    payload: &'a [u8],
}

impl Recorder {
    fn new(now: Mono, customer: LegId, representative: LegId) -> Recorder {
        Recorder {
            customer,
            representative,
            supervisor: None,
            paused: false,
            began: now,
            done: 0,
            left: Side::default(),
            right: Side::default(),
            beside: Side::default(),
            heard: Vec::new(),
        }
    }

    /// Somebody else talks with the customer.
    fn changes(&mut self, representative: LegId) {
        self.paused = false;
        if self.representative != representative {
            self.representative = representative;
            self.right.decoder = None;
            self.right.anchor = None;
        }
    }

    fn moment(&self, now: Mono) -> u64 {
        u64::try_from(now.since(self.began).as_micros()).unwrap_or(u64::MAX) / 125
    }

    fn hear(&mut self, now: Mono, leg: LegId, voice: &Voice<'_>) {
        if self.paused {
            return;
        }
        let arrival = self.moment(now);
        let side = if leg == self.customer {
            &mut self.left
        } else if leg == self.representative {
            &mut self.right
        } else if Some(leg) == self.supervisor {
            &mut self.beside
        } else {
            return;
        };
        let decoder = match &mut side.decoder {
            Some(decoder) if decoder.codec() == voice.codec && !voice.fresh => decoder,
            place => {
                side.anchor = None;
                place.insert(Decoder::new(voice.codec, RATE))
            }
        };
        self.heard.clear();
        if !decoder.decode(voice.payload, &mut self.heard) {
            return;
        }
        let came = arrival.saturating_sub(self.heard.len() as u64);
        let at = side.moment(voice, came);
        side.put(self.done, at, &self.heard);
    }

    /// Hands out what is old enough.
    fn hand_out(&mut self, now: Mono, out: &mut VecDeque<Recorded>) {
        while self.moment(now).saturating_sub(self.done) >= BLOCK as u64 + LAG {
            self.block(BLOCK, out);
        }
    }

    /// Hands out the rest.
    fn end(&mut self, now: Mono, out: &mut VecDeque<Recorded>) {
        self.hand_out(now, out);
        let passed = usize::try_from(self.moment(now).saturating_sub(self.done)).unwrap_or(usize::MAX);
        let mut rest = passed.max(self.left.spoken.len()).max(self.right.spoken.len()).max(self.beside.spoken.len());
        while rest > 0 {
            let moments = rest.min(BLOCK);
            self.block(moments, out);
            rest -= moments;
        }
        out.push_back(Recorded::Ended { call: self.customer.call });
    }

    fn block(&mut self, moments: usize, out: &mut VecDeque<Recorded>) {
        let mut samples = Vec::with_capacity(2 * moments);
        for moment in 0..moments {
            let at = |side: &Side| side.spoken.get(moment).copied().unwrap_or(0);
            samples.push(at(&self.left));
            samples.push(at(&self.right).saturating_add(at(&self.beside)));
        }
        for side in [&mut self.left, &mut self.right, &mut self.beside] {
            side.spoken.drain(..moments.min(side.spoken.len()));
        }
        self.done += moments as u64;
        out.push_back(Recorded::Samples { call: self.customer.call, samples });
    }
}

impl Side {
    /// Where a packet lies that came at this moment.
    fn moment(&mut self, voice: &Voice<'_>, came: u64) -> u64 {
        if let Some((timestamp, moment)) = self.anchor {
            let ticks = i64::from(voice.timestamp.wrapping_sub(timestamp).cast_signed());
            let passed = ticks * i64::from(RATE.hertz()) / i64::from(voice.codec.clock_hz());
            let at = moment.saturating_add_signed(passed);
            if (at.cast_signed() - came.cast_signed()).abs() <= SLACK {
                // Kept near, so that the timestamp's wrap is never far.
                if passed > 0 {
                    self.anchor = Some((voice.timestamp, at));
                }
                return at;
            }
        }
        self.anchor = Some((voice.timestamp, came));
        came
    }

    fn put(&mut self, done: u64, at: u64, heard: &[i16]) {
        // What came too late is cut off.
        let late = usize::try_from(done.saturating_sub(at)).unwrap_or(usize::MAX);
        let heard = heard.get(late..).unwrap_or_default();
        let Ok(start) = usize::try_from(at.saturating_sub(done)) else { return };
        let end = start + heard.len();
        if self.spoken.len() < end {
            self.spoken.resize(end, 0);
        }
        if let Some(place) = self.spoken.get_mut(start..end) {
            place.copy_from_slice(heard);
        }
    }
}

impl Shard {
    /// Records these two from now on; said again with another, the recording goes on with that one.
    pub(super) fn record(&mut self, now: Mono, customer: LegId, representative: LegId) {
        let (Some(a), Some(b)) = (self.slot(customer), self.slot(representative)) else { return };
        for slot in [a, b] {
            if let Some(leg) = self.legs.get_mut(slot.0) {
                leg.recorded = true;
            }
        }
        let make = || Box::new(Recorder::new(now, customer, representative));
        self.recorders.entry(customer.call).or_insert_with(make).changes(representative);
    }

    /// The customer talks with this one. With another than before nothing is recorded until that is said.
    pub(super) fn recorded_talk_goes_to(&mut self, customer: LegId, representative: LegId) {
        if let Some(recorder) = self.recorders.get_mut(&customer.call) {
            recorder.paused = recorder.representative != representative;
        }
    }

    /// A supervisor is heard by both from now on, or is not: what the customer hears is recorded, whispers are not.
    pub(super) fn record_beside(&mut self, supervisor: LegId, heard: bool) {
        let Some(recorder) = self.recorders.get_mut(&supervisor.call) else { return };
        recorder.supervisor = heard.then_some(supervisor);
        if let Some(leg) = self.slots.get(&supervisor).and_then(|slot| self.legs.get_mut(slot.0)) {
            leg.recorded = heard;
        }
    }

    /// A packet of a leg that is recorded, before it goes on to the other.
    pub(super) fn overhear(&mut self, now: Mono, slot: Slot, heard: &Heard, bytes: &[u8]) {
        let Some(leg) = self.legs.get(slot.0).filter(|leg| leg.hears.is_talk()) else { return };
        let Some(recorder) = self.recorders.get_mut(&leg.id.call) else { return };
        let (Sound::Voice(codec), Some(payload)) = (heard.sound, bytes.get(heard.header.payload.clone())) else {
            return;
        };
        let fresh = match heard.arrival {
            Arrival::Duplicate | Arrival::Suspect => return,
            Arrival::Start => true,
            Arrival::Fresh | Arrival::Late => false,
        };
        recorder.hand_out(now, &mut self.recorded);
        recorder.hear(now, leg.id, &Voice { codec, timestamp: heard.header.timestamp, fresh, payload });
    }

    /// Time went on: finished seconds are ready.
    pub(super) fn hand_out_recordings(&mut self, now: Mono) {
        for recorder in self.recorders.values_mut() {
            recorder.hand_out(now, &mut self.recorded);
        }
    }

    /// The customer's leg is closed: so is its recording.
    pub(super) fn end_recording(&mut self, now: Mono, leg: LegId) {
        if self.recorders.get(&leg.call).is_some_and(|recorder| recorder.customer == leg)
            && let Some(mut recorder) = self.recorders.remove(&leg.call)
        {
            recorder.end(now, &mut self.recorded);
        }
    }

    /// The next piece of any recording.
    pub fn poll_recorded(&mut self) -> Option<Recorded> {
        self.recorded.pop_front()
    }
}

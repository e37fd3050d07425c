//! Packets of one source put back into their order before they are decoded: a ring of 16, by sequence number. Owns what is next,
//! what is lost and what came too late; refuses to decode and to know when the next one is due, which is the transcoder's.

use crate::model::Codec;

/// Packets that may wait.
pub(super) const SLOTS: u16 = 16;
/// A gap in the timestamps longer than this, in milliseconds, is a silence of the source and not a loss.
const LONGEST_LOSS_MS: u32 = 120;
/// No payload is longer: nothing that fits a datagram is.
const MAX_PAYLOAD: usize = 1500;

/// What a packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Carries {
    /// A voice.
    Voice(Codec),
    /// Comfort noise (RFC 3389): from here on nothing is said.
    Quiet,
}

/// A packet as it is put in.
pub(super) struct Coded<'a> {
    pub(super) carries: Carries,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// How long it lasts, in ticks of its clock.
    pub(super) ticks: u32,
    pub(super) payload: &'a [u8],
}

/// What is to be heard next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// This packet.
    Packet { carries: Carries, payload: &'a [u8] },
    /// So many milliseconds never came, and this is the packet after them.
    Lost { ms: usize, next: Option<&'a [u8]> },
    /// Nothing is there.
    Empty,
}

/// The packets of one source.
#[derive(Default)]
pub(super) struct Jitter {
    slots: [Waiting; SLOTS as usize],
    /// The number that is to be heard next; absent before the first packet.
    next: Option<u16>,
    /// The timestamp at which it begins, if nothing is lost.
    due: u32,
    waiting: u16,
}

#[derive(Default)]
struct Waiting {
    here: bool,
    carries: Option<Carries>,
    timestamp: u32,
    ticks: u32,
    payload: Vec<u8>,
}

impl Jitter {
    /// Takes a packet. False: its turn is over and it is left out. One so far ahead that it finds no room drops the oldest.
    pub(super) fn put(&mut self, packet: &Coded<'_>) -> bool {
        let next = *self.next.get_or_insert_with(|| {
            self.due = packet.timestamp;
            packet.sequence
        });
        let ahead = packet.sequence.wrapping_sub(next);
        if ahead >= 0x8000 {
            return false;
        }
        for _ in 0..(ahead + 1).saturating_sub(SLOTS).min(SLOTS) {
            self.drop_oldest();
        }
        if ahead >= 2 * SLOTS {
            self.next = Some(packet.sequence);
            self.due = packet.timestamp;
        }
        let Some(slot) = self.slots.get_mut(usize::from(packet.sequence % SLOTS)) else { return false };
        if !std::mem::replace(&mut slot.here, true) {
            self.waiting += 1;
        }
        slot.carries = Some(packet.carries);
        slot.timestamp = packet.timestamp;
        slot.ticks = packet.ticks;
        slot.payload.clear();
        slot.payload.extend_from_slice(packet.payload.get(..MAX_PAYLOAD).unwrap_or(packet.payload));
        true
    }

    /// Drops the oldest until at most so much waits.
    pub(super) fn trim(&mut self, most_ms: usize) {
        while self.waiting > 1 && self.waiting_ms() > most_ms {
            self.drop_oldest();
        }
    }

    /// What is to be heard next; it is thereby taken.
    pub(super) fn take(&mut self) -> Next<'_> {
        let Some(next) = self.next.filter(|_| self.waiting > 0) else { return Next::Empty };
        let ahead = (0..SLOTS).find(|ahead| self.slot(next.wrapping_add(*ahead)).is_some_and(|slot| slot.here));
        let Some(ahead) = ahead else { return Next::Empty };
        let number = next.wrapping_add(ahead);
        let lost_ms = if ahead > 0 { self.lost_ms(number) } else { 0 };
        if ahead > 0 && lost_ms > 0 {
            self.next = Some(number);
            self.due = self.slot(number).map_or(self.due, |slot| slot.timestamp);
            let next = self.slot(number).map(|slot| slot.payload.as_slice());
            return Next::Lost { ms: lost_ms, next };
        }
        self.next = Some(number.wrapping_add(1));
        self.waiting -= 1;
        let Some(slot) = self.slots.get_mut(usize::from(number % SLOTS)) else { return Next::Empty };
        slot.here = false;
        self.due = slot.timestamp.wrapping_add(slot.ticks);
        match slot.carries {
            Some(carries) => Next::Packet { carries, payload: &slot.payload },
            None => Next::Empty,
        }
    }

    /// How much waits, in milliseconds.
    pub(super) fn waiting_ms(&self) -> usize {
        let waiting = self.slots.iter().filter(|slot| slot.here);
        waiting.map(|slot| slot.ticks / clock_ms(slot.carries)).sum::<u32>() as usize
    }

    fn slot(&self, number: u16) -> Option<&Waiting> {
        self.slots.get(usize::from(number % SLOTS))
    }

    /// How long the gap before this packet is, by its timestamp. Zero: nothing was lost in time.
    fn lost_ms(&self, number: u16) -> usize {
        let Some(slot) = self.slot(number) else { return 0 };
        let ms = slot.timestamp.wrapping_sub(self.due) / clock_ms(slot.carries);
        if ms <= LONGEST_LOSS_MS { ms as usize } else { 0 }
    }

    /// Makes room for one more.
    fn drop_oldest(&mut self) {
        let Some(next) = self.next else { return };
        self.next = Some(next.wrapping_add(1));
        let Some(slot) = self.slots.get_mut(usize::from(next % SLOTS)) else { return };
        if std::mem::replace(&mut slot.here, false) {
            self.waiting -= 1;
            self.due = slot.timestamp.wrapping_add(slot.ticks);
        }
    }
}

/// Ticks of a millisecond. Comfort noise has the clock of G.711 (RFC 3389 §4).
fn clock_ms(carries: Option<Carries>) -> u32 {
    match carries {
        Some(Carries::Voice(codec)) => codec.clock_hz() / 1000,
        Some(Carries::Quiet) | None => 8,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VOICE: Carries = Carries::Voice(Codec::Pcmu);

    fn put(jitter: &mut Jitter, sequence: u16) -> bool {
        let payload = [sequence as u8; 160];
        let timestamp = u32::from(sequence).wrapping_mul(160);
        jitter.put(&Coded { carries: VOICE, sequence, timestamp, ticks: 160, payload: &payload })
    }

    /// The first byte of a packet, minus the milliseconds of a loss, or nothing.
    fn take(jitter: &mut Jitter) -> Option<i32> {
        match jitter.take() {
            Next::Packet { payload, .. } => Some(i32::from(payload[0])),
            Next::Lost { ms, .. } => Some(-(ms as i32)),
            Next::Empty => None,
        }
    }

    fn takes(jitter: &mut Jitter) -> Vec<i32> {
        std::iter::from_fn(|| take(jitter)).collect()
    }

    #[test]
    fn packets_out_of_order_are_heard_in_order() {
        let mut jitter = Jitter::default();
        for number in [65_534, 0, 65_535, 2, 1] {
            put(&mut jitter, number);
        }
        assert_eq!(jitter.waiting_ms(), 100);
        assert_eq!(takes(&mut jitter), [254, 255, 0, 1, 2]);
        assert_eq!(jitter.waiting_ms(), 0);
    }

    #[test]
    fn a_gap_is_a_loss_of_its_length_and_the_late_packet_is_left_out() {
        let mut jitter = Jitter::default();
        for number in [10, 13] {
            put(&mut jitter, number);
        }
        assert_eq!(take(&mut jitter), Some(10));
        assert!(matches!(jitter.take(), Next::Lost { ms: 40, next: Some([13, ..]) }));
        assert!(!put(&mut jitter, 11));
        assert_eq!(takes(&mut jitter), [13]);
    }

    #[test]
    fn a_packet_that_was_only_slow_is_heard_when_it_comes() {
        let mut jitter = Jitter::default();
        put(&mut jitter, 1);
        assert_eq!((take(&mut jitter), take(&mut jitter)), (Some(1), None));
        put(&mut jitter, 2);
        assert_eq!(take(&mut jitter), Some(2));
    }

    #[test]
    fn a_silence_of_the_source_is_no_loss() {
        let mut jitter = Jitter::default();
        put(&mut jitter, 1);
        take(&mut jitter);
        let resumed = Coded { carries: VOICE, sequence: 3, timestamp: 80_000, ticks: 160, payload: &[9; 160] };
        jitter.put(&resumed);
        assert_eq!(takes(&mut jitter), [9]);
        // A number left out on the way without a gap in time.
        jitter.put(&Coded { sequence: 5, timestamp: 80_160, ..resumed });
        assert_eq!(takes(&mut jitter), [9]);
    }

    #[test]
    fn what_finds_no_room_drops_the_oldest() {
        let mut jitter = Jitter::default();
        for number in 0..20 {
            put(&mut jitter, number);
        }
        assert_eq!(takes(&mut jitter), (4..20).collect::<Vec<i32>>());
        put(&mut jitter, 200);
        assert_eq!(takes(&mut jitter), [200], "a leap begins anew");
    }

    proptest! {
        /// Whatever comes, what waits is bounded, counted rightly, and comes to an end.
        #[test]
        fn no_packets_make_it_panic_or_grow(all in proptest::collection::vec((any::<u16>(), any::<u32>(), 0u32..6000, 0usize..2000, any::<bool>()), 0..100)) {
            let mut jitter = Jitter::default();
            let payload = [0; 2000];
            for (sequence, timestamp, ticks, length, pull) in all {
                let carries = if pull { Carries::Voice(Codec::Opus) } else { Carries::Quiet };
                jitter.put(&Coded { carries, sequence, timestamp, ticks, payload: &payload[..length] });
                prop_assert_eq!(usize::from(jitter.waiting), jitter.slots.iter().filter(|slot| slot.here).count());
                if pull && let Next::Lost { ms, .. } = jitter.take() {
                    prop_assert!(ms <= 120);
                }
            }
            let mut turns = 0;
            while jitter.take() != Next::Empty {
                turns += 1;
                prop_assert!(turns <= 2 * SLOTS);
            }
            prop_assert_eq!(jitter.waiting, 0);
        }
    }
}

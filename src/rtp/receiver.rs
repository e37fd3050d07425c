//! What came from a peer: extended sequence, loss, duplicates, restarts, jitter (RFC 3550 A.1, A.3, A.8). Owns the
//! counters of one source after another; refuses to judge who may send.

use super::{CLOCK_HZ, Header, ticks};
use crate::clock::Mono;

/// Beyond this many missing packets the source has restarted (RFC 3550 A.1 MAX_DROPOUT).
const MAX_DROPOUT: u16 = 3000;
/// A packet so much older than the newest is a restart, not a late one (MAX_MISORDER).
const MAX_MISORDER: u16 = 100;

/// What a packet is among those of its source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// The newest so far, perhaps after a gap.
    Fresh,
    /// First of a source, or of its new numbering: what counted before is closed.
    Start,
    /// Older than the newest, not seen before.
    Late,
    /// Seen before.
    Duplicate,
    /// A wild jump; the next one tells whether the source restarted.
    Suspect,
}

/// The counters of a leg.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Ticks a second.
    clock_hz: u32,
    /// Packets of the present numbering: base and newest extended numbers, distinct packets.
    base: u32,
    newest: u32,
    distinct: u32,
    /// Bit n: `newest - n` was seen.
    seen: u64,
    /// The number that would confirm a restart.
    suspect: Option<u16>,
    started: bool,
    /// Arrival minus timestamp of the last packet, on the RTP clock.
    transit: u32,
    /// Jitter times 16, in ticks (A.8).
    jitter: u32,
    /// Loss of numberings that are over.
    lost_before: u64,
    received: u64,
    duplicates: u32,
    restarts: u32,
}

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver {
            clock_hz: CLOCK_HZ,
            base: 0,
            newest: 0,
            distinct: 0,
            seen: 0,
            suspect: None,
            started: false,
            transit: 0,
            jitter: 0,
            lost_before: 0,
            received: 0,
            duplicates: 0,
            restarts: 0,
        }
    }
}

impl Receiver {
    /// The codec that was agreed on counts so many ticks a second.
    pub fn set_clock(&mut self, clock_hz: u32) {
        let jitter = u64::from(self.jitter) * u64::from(clock_hz) / u64::from(self.clock_hz.max(1));
        self.jitter = u32::try_from(jitter).unwrap_or(u32::MAX);
        self.clock_hz = clock_hz;
    }

    /// Counts one packet.
    pub fn update(&mut self, now: Mono, header: &Header) -> Arrival {
        let arrival = self.place(header.sequence);
        match arrival {
            Arrival::Duplicate => self.duplicates = self.duplicates.saturating_add(1),
            Arrival::Suspect => {}
            Arrival::Start | Arrival::Fresh | Arrival::Late => self.received += 1,
        }
        let transit = ticks(now.0, self.clock_hz).wrapping_sub(header.timestamp);
        if arrival == Arrival::Fresh {
            let change = transit.wrapping_sub(self.transit).cast_signed().unsigned_abs();
            // A second's leap is a new timestamp base, not jitter.
            if change < self.clock_hz {
                self.jitter = (self.jitter + change).saturating_sub((self.jitter + 8) >> 4);
            }
        }
        if matches!(arrival, Arrival::Fresh | Arrival::Start) {
            self.transit = transit;
        }
        arrival
    }

    /// The next packet begins a new source (another SSRC).
    pub fn new_source(&mut self) {
        if self.started {
            self.close_numbering();
            self.started = false;
        }
    }

    fn place(&mut self, sequence: u16) -> Arrival {
        if !self.started {
            return self.start(sequence);
        }
        // Truncation takes the low half: the number as it stood in the packet.
        let ahead = sequence.wrapping_sub(self.newest as u16);
        let behind = ahead.wrapping_neg();
        if ahead == 0 {
            Arrival::Duplicate
        } else if ahead < MAX_DROPOUT {
            self.newest = self.newest.wrapping_add(u32::from(ahead));
            self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.distinct += 1;
            self.suspect = None;
            Arrival::Fresh
        } else if behind <= MAX_MISORDER {
            self.late(behind)
        } else if self.suspect == Some(sequence) {
            self.restarts = self.restarts.saturating_add(1);
            self.close_numbering();
            self.start(sequence)
        } else {
            self.suspect = Some(sequence.wrapping_add(1));
            Arrival::Suspect
        }
    }

    fn late(&mut self, behind: u16) -> Arrival {
        let first = self.newest.wrapping_sub(self.base);
        if u32::from(behind) > first {
            // From before we began to listen: it was never expected.
            return Arrival::Duplicate;
        }
        match 1u64.checked_shl(u32::from(behind)) {
            Some(bit) if self.seen & bit == 0 => {
                self.seen |= bit;
                self.distinct += 1;
                Arrival::Late
            }
            _ => Arrival::Duplicate,
        }
    }

    fn start(&mut self, sequence: u16) -> Arrival {
        self.started = true;
        self.base = u32::from(sequence);
        self.newest = self.base;
        self.distinct = 1;
        self.seen = 1;
        self.suspect = None;
        Arrival::Start
    }

    fn close_numbering(&mut self) {
        self.lost_before += self.lost_now();
    }

    fn lost_now(&self) -> u64 {
        if !self.started {
            return 0;
        }
        let expected = u64::from(self.newest.wrapping_sub(self.base)) + 1;
        expected.saturating_sub(u64::from(self.distinct))
    }

    /// Distinct packets taken.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets that never came, over all numberings.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.lost_now()
    }

    /// What a report says of the present numbering: lost of it, the highest number with its turns, jitter in ticks. `None`: nothing
    /// came.
    pub fn report(&self) -> Option<(u32, u32, u32)> {
        let lost = u32::try_from(self.lost_now()).unwrap_or(u32::MAX);
        self.started.then_some((lost, self.newest, self.jitter >> 4))
    }

    /// Packets that came again.
    pub fn duplicates(&self) -> u32 {
        self.duplicates
    }

    /// How often the source began to count anew.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Interarrival jitter in milliseconds.
    pub fn jitter_ms(&self) -> f32 {
        // At most one second in ticks times 16: exact in f32.
        (self.jitter as f32) / 16.0 / (self.clock_hz as f32 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(sequence: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 1, payload: 12..172 }
    }

    fn feed(receiver: &mut Receiver, sequences: &[u16]) -> Vec<Arrival> {
        sequences.iter().map(|sequence| receiver.update(Mono(0), &packet(*sequence, 0))).collect()
    }

    #[test]
    fn loss_over_the_wrap_is_counted_and_a_late_packet_takes_it_back() {
        let mut receiver = Receiver::default();
        feed(&mut receiver, &[65_533, 65_534, 1]);
        assert_eq!(receiver.lost(), 2);
        assert_eq!(feed(&mut receiver, &[65_535, 65_535]), [Arrival::Late, Arrival::Duplicate]);
        assert_eq!((receiver.lost(), receiver.received(), receiver.duplicates()), (1, 4, 1));
    }

    #[test]
    fn a_restart_is_believed_with_its_second_packet() {
        let mut receiver = Receiver::default();
        let arrivals = feed(&mut receiver, &[10, 11, 40_000, 40_001, 40_002]);
        use Arrival::{Fresh, Start, Suspect};
        assert_eq!(arrivals, [Start, Fresh, Suspect, Start, Fresh]);
        assert_eq!((receiver.lost(), receiver.restarts()), (0, 1));
    }

    #[test]
    fn steady_packets_have_no_jitter_and_swaying_ones_approach_their_sway() {
        let mut steady = Receiver::default();
        let mut swaying = Receiver::default();
        for n in 0..500u16 {
            let due = u64::from(n) * 20_000;
            let sent = u32::from(n) * 160;
            steady.update(Mono(due), &packet(n, sent));
            swaying.update(Mono(due + u64::from(n % 2) * 4000), &packet(n, sent));
        }
        assert_eq!(steady.jitter_ms(), 0.0);
        assert!((3.5..=4.1).contains(&swaying.jitter_ms()), "{}", swaying.jitter_ms());
    }

    proptest! {
        /// Any subset of a numbering, slightly shuffled: received + lost = the span.
        #[test]
        fn received_and_lost_add_up(start: u16, kept in proptest::collection::vec(proptest::bool::weighted(0.8), 2..300)) {
            let mut receiver = Receiver::default();
            let mut sent: Vec<u16> = kept.iter().enumerate().filter(|(_, keep)| **keep)
                .map(|(n, _)| start.wrapping_add(n as u16)).collect();
            if sent.len() > 3 {
                let middle = sent.len() / 2;
                sent.swap(middle, middle + 1);
            }
            feed(&mut receiver, &sent);
            if let (Some(first), true) = (sent.first(), sent.len() > 3) {
                let newest = sent.iter().map(|s| s.wrapping_sub(*first)).max().unwrap();
                prop_assert_eq!(receiver.received(), sent.len() as u64);
                prop_assert_eq!(receiver.received() + receiver.lost(), u64::from(newest) + 1);
            }
        }

        #[test]
        fn no_sequence_of_numbers_makes_it_panic(all in proptest::collection::vec((any::<u16>(), any::<u32>(), any::<u64>()), 0..200)) {
            let mut receiver = Receiver::default();
            for (sequence, timestamp, at) in all {
                receiver.update(Mono(at), &packet(sequence, timestamp));
            }
            prop_assert!(receiver.jitter_ms() >= 0.0);
        }
    }
}

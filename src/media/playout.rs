//! Which legs are due a frame: a wheel of one-millisecond buckets. Owns absolute moments, so that a late tick delays one
//! frame and not all that follow; refuses to know what is played.

use std::time::Duration;

use super::Slot;
use crate::clock::Mono;

/// Buckets: more than the longest packet time.
const BUCKETS: u64 = 64;

/// Deadlines at most 63 ms ahead. A leg that no longer plays is left in its bucket and found stale when it is due.
pub(super) struct Playout {
    buckets: Vec<Vec<(Slot, Mono)>>,
    /// The first millisecond not yet served.
    cursor: u64,
    waiting: usize,
}

impl Default for Playout {
    fn default() -> Playout {
        Playout { buckets: vec![Vec::new(); BUCKETS as usize], cursor: 0, waiting: 0 }
    }
}

impl Playout {
    /// A frame is due then; moments of the past are due at once.
    pub(super) fn put(&mut self, slot: Slot, due: Mono) {
        let milli = (due.0 / 1000).clamp(self.cursor, self.cursor + BUCKETS - 1);
        if let Some(bucket) = self.buckets.get_mut((milli % BUCKETS) as usize) {
            bucket.push((slot, due));
            self.waiting += 1;
        }
    }

    /// Takes all that is due into `into`, in order of time.
    pub(super) fn take_due(&mut self, now: Mono, into: &mut Vec<(Slot, Mono)>) {
        let end = now.0 / 1000 + 1;
        if self.waiting > 0 {
            let first = self.cursor;
            for milli in first..end.min(first.saturating_add(BUCKETS)) {
                if let Some(bucket) = self.buckets.get_mut((milli % BUCKETS) as usize) {
                    self.waiting -= bucket.len();
                    into.append(bucket);
                }
            }
        }
        self.cursor = self.cursor.max(end);
    }

    /// The next moment at which something is due.
    pub(super) fn next(&self) -> Option<Mono> {
        if self.waiting == 0 {
            return None;
        }
        let filled = (self.cursor..self.cursor + BUCKETS)
            .find(|milli| self.buckets.get((milli % BUCKETS) as usize).is_some_and(|bucket| !bucket.is_empty()))?;
        Some(Mono(filled * 1000))
    }
}

/// The next frame's moment. A stall of more than five frames is not caught up by a burst.
pub(super) fn after(due: Mono, period: Duration, now: Mono) -> Mono {
    let next = due + period;
    if now.since(next) > period * 5 { now } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Mono {
        Mono(n * 1000)
    }

    #[test]
    fn what_is_due_comes_in_order_of_time_and_once() {
        let mut playout = Playout::default();
        let mut due = Vec::new();
        playout.take_due(ms(1000), &mut due);
        playout.put(Slot(1), ms(1020));
        playout.put(Slot(2), ms(1010));
        playout.put(Slot(3), ms(5));
        assert_eq!(playout.next(), Some(ms(1001)));
        playout.take_due(ms(1001), &mut due);
        playout.take_due(ms(1060), &mut due);
        assert_eq!(due, [(Slot(3), ms(5)), (Slot(2), ms(1010)), (Slot(1), ms(1020))]);
        playout.take_due(ms(2000), &mut due);
        assert_eq!((due.len(), playout.next()), (3, None));
    }

    #[test]
    fn a_late_tick_does_not_move_the_beat_and_a_stall_begins_a_new_one() {
        let period = Duration::from_millis(20);
        assert_eq!(after(ms(100), period, ms(109)), ms(120));
        assert_eq!(after(ms(100), period, ms(900)), ms(900));
    }
}

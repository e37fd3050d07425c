//! How long a media thread's ticks are: fixed, or short while the thread has time and longer when time is scarce. Owns the bounds
//! and the hysteresis; refuses clocks. Why so: decision 0023.

use std::time::Duration;

use super::BackEnd;
use crate::config::Tick;

/// While the thread has time.
const SHORT: Duration = Duration::from_millis(1);
/// While it has much to do: a fifth of the wake-ups, and larger batches.
const LONG: Duration = Duration::from_millis(5);
/// From this share of a core on ticks are long…
const BUSY: f64 = 0.50;
/// …and below this one short again. The gap is wider than what the longer tick saves, or the two would take turns.
const CALM: f64 = 0.25;

/// One thread's tick.
pub(super) struct Pace {
    way: Way,
    tick: Duration,
}

enum Way {
    /// Whatever the load.
    Fixed,
    /// Short or long.
    ByLoad,
}

impl Pace {
    /// Nothing to do yet. A longer tick is worth something to the back end only where it takes all ports' packets in one batch.
    pub(super) fn new(wanted: Tick, back_end: BackEnd) -> Pace {
        let (way, tick) = match (wanted, back_end) {
            (Tick::Fixed(ms), _) => (Way::Fixed, Duration::from_millis(u64::from(ms.clamp(1, 20)))),
            (Tick::Adaptive, BackEnd::OneSocket) => (Way::ByLoad, SHORT),
            (Tick::Adaptive, BackEnd::Portable) => (Way::Fixed, SHORT),
        };
        Pace { way, tick }
    }

    /// From this tick to the next.
    pub(super) fn tick(&self) -> Duration {
        self.tick
    }

    /// In the last second the thread used this share of a core; 0 when it slept.
    pub(super) fn follow(&mut self, busy: f64) {
        match self.way {
            Way::Fixed => {}
            Way::ByLoad if busy >= BUSY => self.tick = LONG,
            Way::ByLoad if busy < CALM => self.tick = SHORT,
            Way::ByLoad => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tick after each of these seconds, in milliseconds.
    fn ticks(wanted: Tick, seconds: &[f64]) -> Vec<u128> {
        ticks_of(BackEnd::OneSocket, wanted, seconds)
    }

    fn ticks_of(back_end: BackEnd, wanted: Tick, seconds: &[f64]) -> Vec<u128> {
        let mut pace = Pace::new(wanted, back_end);
        let after = |busy: &f64| {
            pace.follow(*busy);
            pace.tick().as_millis()
        };
        seconds.iter().map(after).collect()
    }

    #[test]
    fn a_thread_with_time_ticks_every_millisecond_and_a_busy_one_every_five() {
        assert_eq!(Pace::new(Tick::Adaptive, BackEnd::OneSocket).tick(), SHORT, "the first calls");
        assert_eq!(ticks(Tick::Adaptive, &[0.01, 0.49, 0.50, 0.85, 0.24]), [1, 1, 5, 5, 1]);
    }

    #[test]
    fn what_the_longer_tick_saves_does_not_bring_the_shorter_back() {
        assert_eq!(ticks(Tick::Adaptive, &[0.51, 0.45, 0.26, 0.49, 0.0]), [5, 5, 5, 5, 1]);
    }

    #[test]
    fn with_a_socket_for_each_port_ticks_stay_short_because_longer_ones_save_nothing() {
        assert_eq!(ticks_of(BackEnd::Portable, Tick::Adaptive, &[0.01, 0.50, 0.95]), [1, 1, 1]);
    }

    #[test]
    fn a_fixed_tick_stays_whatever_the_load() {
        assert_eq!(ticks(Tick::Fixed(2), &[0.0, 0.9, 0.0]), [2, 2, 2]);
        assert_eq!(Pace::new(Tick::Fixed(0), BackEnd::OneSocket).tick(), SHORT, "none would spin");
    }

    proptest! {
        #[test]
        fn every_tick_divides_a_frame(seconds in proptest::collection::vec(0.0f64..1.5, 0..50)) {
            prop_assert!(ticks(Tick::Adaptive, &seconds).iter().all(|ms| 20 % ms == 0));
        }
    }
}

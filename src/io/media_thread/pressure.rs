//! Whether a media thread has too much to do: from its processor time and from how late its ticks begin, a second at a time.
//! Owns the bounds and the hysteresis; refuses clocks, and what follows from it, which is the engine's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::FullSink;

/// Judged so often.
const WINDOW: Duration = Duration::from_secs(1);
/// A thread that is full is so until it is this much less busy.
const RELIEF: f64 = 0.15;
/// Ticks that begin so late on average are heard: somebody else has the processor.
const LATE: Duration = Duration::from_millis(10);
/// So late on average is good enough to go on.
const PUNCTUAL: Duration = Duration::from_millis(5);
/// So many bad seconds in a row make it full.
const PATIENCE: u32 = 2;

/// How many threads are full, and who hears of the first and the last.
pub(super) struct Fullness {
    threads: Mutex<usize>,
    tell: FullSink,
}

impl Fullness {
    /// None is.
    pub(super) fn new(tell: FullSink) -> Fullness {
        Fullness { threads: Mutex::new(0), tell }
    }

    /// One thread became full, or no longer is. Told under the lock, so that the last word is the true one.
    fn changed(&self, full: bool) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *threads;
        *threads = if full { before + 1 } else { before.saturating_sub(1) };
        if (before == 0) != (*threads == 0) {
            (self.tell)(full);
        }
    }
}

/// One thread's load.
pub(super) struct Pressure {
    /// The share of a core above which no more calls are wanted.
    bound: f64,
    began: Duration,
    cpu: Duration,
    ticks: u32,
    late: Duration,
    bad: u32,
    full: bool,
    all: Arc<Fullness>,
}

/// What the last second was like.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Load {
    /// The share of a core.
    pub(super) busy: f64,
    /// How late ticks began, on average.
    pub(super) late: Duration,
    /// No more calls are wanted.
    pub(super) full: bool,
}

impl Pressure {
    /// Nothing to do yet.
    pub(super) fn new(bound_percent: u8, all: Arc<Fullness>) -> Pressure {
        Pressure {
            bound: f64::from(bound_percent) / 100.0,
            began: Duration::ZERO,
            cpu: Duration::ZERO,
            ticks: 0,
            late: Duration::ZERO,
            bad: 0,
            full: false,
            all,
        }
    }

    /// A tick began so late.
    pub(super) fn tick(&mut self, late: Duration) {
        self.ticks = self.ticks.saturating_add(1);
        self.late += late;
    }

    /// The window is over at this moment.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.began + WINDOW
    }

    /// Judges the window that is over, by the processor time that the thread has used since its start.
    pub(super) fn judge(&mut self, now: Duration, cpu: Duration) -> Load {
        let lasted = now.saturating_sub(self.began).as_secs_f64().max(0.001);
        let busy = cpu.saturating_sub(self.cpu).as_secs_f64() / lasted;
        let late = self.late / self.ticks.max(1);
        let bad = busy >= self.bound || late >= LATE;
        let good = busy < self.bound - RELIEF && late < PUNCTUAL;
        self.bad = if bad { self.bad + 1 } else { 0 };
        self.begin(now, cpu);
        self.become_full(self.bad >= PATIENCE || (self.full && !good));
        Load { busy, late, full: self.full }
    }

    /// The thread slept, for no call was open: nothing is full.
    pub(super) fn rest(&mut self, now: Duration, cpu: Duration) -> Load {
        self.begin(now, cpu);
        self.bad = 0;
        self.become_full(false);
        Load::default()
    }

    fn begin(&mut self, now: Duration, cpu: Duration) {
        (self.began, self.cpu, self.ticks, self.late) = (now, cpu, 0, Duration::ZERO);
    }

    fn become_full(&mut self, full: bool) {
        if std::mem::replace(&mut self.full, full) != full {
            self.all.changed(full);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn pressure() -> (Pressure, Receiver<bool>) {
        let (sender, told) = channel();
        let all = Arc::new(Fullness::new(Arc::new(move |full| sender.send(full).unwrap())));
        (Pressure::new(85, all), told)
    }

    /// Seconds in a row with this processor time and lateness in milliseconds; what the last one said.
    fn after(pressure: &mut Pressure, seconds: &[(u64, u64)]) -> bool {
        let mut full = false;
        for (busy, late) in seconds {
            for _ in 0..200 {
                pressure.tick(Duration::from_millis(*late));
            }
            let (now, cpu) = (pressure.began + WINDOW, pressure.cpu + Duration::from_millis(*busy));
            assert!(pressure.is_due(now));
            full = pressure.judge(now, cpu).full;
        }
        full
    }

    #[test]
    fn a_thread_is_full_after_two_busy_seconds_and_until_it_has_air_again() {
        let (mut pressure, _told) = pressure();
        assert!(!after(&mut pressure, &[(500, 0), (860, 0)]), "one busy second is a burst");
        assert!(!after(&mut pressure, &[(840, 0), (900, 0)]));
        assert!(after(&mut pressure, &[(900, 0)]));
        assert!(after(&mut pressure, &[(800, 0), (710, 0)]), "a little less is not enough");
        assert!(!after(&mut pressure, &[(690, 0)]));
    }

    #[test]
    fn ticks_that_come_late_make_it_full_though_it_is_not_busy() {
        let (mut pressure, _told) = pressure();
        assert!(after(&mut pressure, &[(300, 25), (300, 25)]));
        assert!(after(&mut pressure, &[(300, 12)]));
        assert!(!after(&mut pressure, &[(300, 3)]));
    }

    #[test]
    fn a_thread_without_calls_is_never_full() {
        let (mut pressure, _told) = pressure();
        assert!(after(&mut pressure, &[(900, 0), (900, 0)]));
        let (now, cpu) = (pressure.began, pressure.cpu);
        assert!(!pressure.rest(now + Duration::from_secs(60), cpu).full);
        assert!(!after(&mut pressure, &[(860, 0)]));
    }

    #[test]
    fn the_engine_hears_of_the_first_full_thread_and_of_the_last() {
        let (mut first, told) = pressure();
        let mut second = Pressure::new(85, Arc::clone(&first.all));
        for thread in [&mut first, &mut second] {
            after(thread, &[(900, 0), (900, 0), (900, 0)]);
        }
        after(&mut first, &[(100, 0)]);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [true]);
        second.rest(Duration::from_secs(60), Duration::ZERO);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [false]);
    }
}

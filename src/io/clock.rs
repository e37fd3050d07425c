//! The one place that reads clocks. Owns the zero of monotonic time; hands out [`Now`].

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::clock::{Mono, Now, Wall};

/// The machine's clocks. Copies share the zero.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    zero: Instant,
}

impl SystemClock {
    /// A clock whose monotonic zero is a second ago, so that no interval reaches below it.
    pub fn start() -> SystemClock {
        let now = Instant::now();
        SystemClock { zero: now.checked_sub(std::time::Duration::from_secs(1)).unwrap_or(now) }
    }

    /// This instant.
    pub fn now(&self) -> Now {
        let mono = Mono(u64::try_from(self.zero.elapsed().as_micros()).unwrap_or(u64::MAX));
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono, wall: Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)) }
    }
}

//! Waiting for a condition with a bound. Refuses to wait for time alone.

use std::time::{Duration, Instant};

/// Generous: a loaded machine with two cores is slow, but not that slow.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks again and again until there is something, at most for `within`.
///
/// Panics, naming `what`, when the bound passes.
#[track_caller]
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < within, "waited {within:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

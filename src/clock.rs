//! Time as data: the pair of clocks every pure room is handed, and deadlines kept by key.
//!
//! Owns the two time scales ([`Mono`], [`Wall`]), their pair [`Now`] and [`Timers`]. Refuses to read a clock: only `io` does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

/// Microseconds on a monotonic scale whose zero is arbitrary (process start). Never stored, never compared across processes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// Time passed since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, rhs: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Mono> for Mono {
    type Output = Duration;
    fn sub(self, rhs: Mono) -> Duration {
        self.since(rhs)
    }
}

/// Milliseconds since the Unix epoch: what is stored, shown and billed. It may jump.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, ToSchema)]
#[schema(as = Time, value_type = String, format = DateTime, example = "2026-11-24T13:30:00.123Z")]
pub struct Wall(pub i64);

impl Wall {
    /// Parses RFC 3339 with any offset.
    pub fn parse(text: &str) -> Option<Wall> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(Wall)
    }

    /// Milliseconds from `earlier` to this, zero when the clock went backwards.
    pub fn millis_since(self, earlier: Wall) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl Add<Duration> for Wall {
    type Output = Wall;
    fn add(self, rhs: Duration) -> Wall {
        Wall(self.0.saturating_add(i64::try_from(rhs.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// `2026-11-24T13:30:00.123Z`
const RFC3339: usize = 24;

impl Wall {
    /// RFC 3339 in UTC with milliseconds; `None` outside the years 0 to 9999. Written by hand: every record and progress mark
    /// has several, and `write!` takes ten times as long.
    fn text(self, out: &mut [u8; RFC3339]) -> Option<&str> {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).ok()?;
        let (date, time) = ((at.month(), at.day()), (at.hour(), at.minute(), at.second()));
        out.copy_from_slice(b"0000-00-00T00:00:00.000Z");
        let fields = [
            (0..4, u16::try_from(at.year()).ok()?),
            (5..7, u8::from(date.0).into()),
            (8..10, date.1.into()),
            (11..13, time.0.into()),
            (14..16, time.1.into()),
            (17..19, time.2.into()),
            (20..23, at.millisecond()),
        ];
        for (place, mut value) in fields {
            for digit in out.get_mut(place)?.iter_mut().rev() {
                *digit = b'0' + (value % 10) as u8;
                value /= 10;
            }
        }
        std::str::from_utf8(out).ok()
    }
}

impl fmt::Display for Wall {
    /// RFC 3339 in UTC with milliseconds: `2026-11-24T13:30:00.123Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; RFC3339]).unwrap_or("out-of-range"))
    }
}

impl Serialize for Wall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text(&mut [0; RFC3339]).unwrap_or("out-of-range"))
    }
}

impl<'de> Deserialize<'de> for Wall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Wall, D::Error> {
        let text = String::deserialize(deserializer)?;
        Wall::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

/// One instant on both scales, handed in with every input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For intervals and deadlines.
    pub mono: Mono,
    /// For records and desired contact times.
    pub wall: Wall,
}

/// Deadlines as data: at most one per key, popped in time order (ties in key order, so runs are reproducible).
#[derive(Clone, Debug)]
pub struct Timers<K> {
    by_key: BTreeMap<K, Mono>,
    by_time: BTreeSet<(Mono, K)>,
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Timers { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets or moves the deadline of `key`.
    pub fn set(&mut self, key: K, at: Mono) {
        if let Some(old) = self.by_key.insert(key.clone(), at) {
            self.by_time.remove(&(old, key.clone()));
        }
        self.by_time.insert((at, key));
    }

    /// Sets the deadline of `key`, unless it has an earlier one.
    pub fn bring_forward(&mut self, key: K, at: Mono) {
        if self.by_key.get(&key).is_none_or(|set| *set > at) {
            self.set(key, at);
        }
    }

    /// Forgets the deadline of `key`, if it has one.
    pub fn cancel(&mut self, key: &K) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_time.remove(&(at, key.clone()));
        }
    }

    /// True when `key` has a deadline.
    pub fn is_set(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// Takes one key whose deadline is at or before `now`.
    pub fn pop_due(&mut self, now: Mono) -> Option<K> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// The next deadline and whose it is.
    pub fn next(&self) -> Option<(Mono, &K)> {
        self.by_time.first().map(|(at, key)| (*at, key))
    }

    /// How many deadlines are waiting.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_deadline_fires_once_at_its_new_time() {
        let mut timers = Timers::default();
        timers.set("a", Mono(10));
        timers.set("b", Mono(20));
        timers.set("a", Mono(30));
        assert_eq!(timers.pop_due(Mono(15)), None);
        assert_eq!(timers.pop_due(Mono(40)), Some("b"));
        assert_eq!(timers.pop_due(Mono(40)), Some("a"));
        assert_eq!(timers.pop_due(Mono(40)), None);
        assert!(timers.is_empty());
    }

    #[test]
    fn wall_time_is_written_and_read_as_rfc_3339() {
        let at = Wall::parse("2026-11-24T14:30:00.5+01:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-24T13:30:00.500Z");
        assert_eq!(Wall::parse(&at.to_string()), Some(at));
        assert_eq!(Wall::parse("yesterday"), None);
    }
}

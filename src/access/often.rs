//! How often one customer's number was called by one business, in the last hour and the last 24. Owns the counts and their bound; refuses
//! clocks and to know calls. Only businesses with such a bound are counted, by digests as `direct` makes them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::clock::{Mono, Now, Wall};
use crate::model::direct::Mark;
use crate::model::{Limit, Limits};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Calls counted at once over all businesses (some 60 MB); beyond it no more are taken from those that are counted.
pub const MAX_COUNTED: usize = 500_000;

/// Why a number is not called once more now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Often {
    /// As often as it may be.
    Reached {
        /// Which bound.
        limit: Limit,
        /// How many calls it allows.
        quota: u32,
        /// Seconds.
        retry_after: u32,
    },
    /// More is being counted than there is room for.
    Full,
}

/// A call that was counted: not to be taken back once it is accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counted {
    number: Mark,
    until: Mono,
}

/// The calls of the last 24 hours.
#[derive(Debug, Default)]
pub struct Numbers {
    /// In the order of their coming: until when they count, and whose.
    log: VecDeque<(Mono, Mark)>,
    /// When each leaves the 24 hours, the oldest first.
    counts: BTreeMap<Mark, VecDeque<Mono>>,
}

impl Numbers {
    /// Whether this number of a business may be called once more.
    pub fn check(&mut self, now: Mono, number: Mark, limits: &Limits) -> Result<(), Often> {
        self.forget(now);
        let bounds = [
            (limits.max_per_number_per_hour, HOUR, Limit::NumberPerHour),
            (limits.max_per_number_per_day, DAY, Limit::NumberPerDay),
        ];
        for (most, window, limit) in bounds {
            let Some(quota) = most else { continue };
            if let Some(retry_after) = self.wait(now, number, quota, window) {
                return Err(Often::Reached { limit, quota, retry_after });
            }
        }
        if self.log.len() >= MAX_COUNTED { Err(Often::Full) } else { Ok(()) }
    }

    /// A call was accepted.
    pub fn count(&mut self, now: Mono, number: Mark) -> Counted {
        let until = now + DAY;
        self.count_until(until, number);
        Counted { number, until }
    }

    /// It was not, after all: the store did not take it.
    pub fn undo(&mut self, counted: Counted) {
        let Counted { number, until } = counted;
        if let Some(at) = self.log.iter().rposition(|other| *other == (until, number)) {
            self.log.remove(at);
            self.uncount(number, until);
        }
    }

    /// A call that was accepted before a restart, the oldest first.
    pub fn recall(&mut self, now: Now, at: Wall, number: Mark) {
        let age = Duration::from_millis(now.wall.millis_since(at));
        if age < DAY && self.log.len() < MAX_COUNTED {
            self.count_until(now.mono + (DAY - age), number);
        }
    }

    fn count_until(&mut self, until: Mono, number: Mark) {
        self.log.push_back((until, number));
        self.counts.entry(number).or_default().push_back(until);
    }

    /// In how many seconds there are fewer than `most` in this window; none: there are now.
    fn wait(&self, now: Mono, number: Mark, most: u32, window: Duration) -> Option<u32> {
        let counted = self.counts.get(&number);
        // A call leaves the hour 23 hours before it leaves the day.
        let earlier = DAY - window;
        let within = |until: &Mono| until.since(now) > earlier;
        let outside = counted.map_or(0, |counted| counted.iter().take_while(|until| !within(until)).count());
        let inside = counted.map_or(0, VecDeque::len) - outside;
        let over = inside.checked_sub(usize::try_from(most).unwrap_or(usize::MAX))?;
        let until = counted.and_then(|counted| counted.get(outside + over));
        let wait = until.map_or(window, |until| until.since(now).saturating_sub(earlier));
        Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1))
    }

    fn forget(&mut self, now: Mono) {
        while let Some((until, number)) = self.log.pop_front_if(|(until, _)| *until <= now) {
            self.uncount(number, until);
        }
    }

    fn uncount(&mut self, number: Mark, until: Mono) {
        if let Some(counted) = self.counts.get_mut(&number) {
            if let Some(at) = counted.iter().position(|other| *other == until) {
                counted.remove(at);
            }
            if counted.is_empty() {
                self.counts.remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60_000_000;

    fn limits(hour: Option<u32>, day: Option<u32>) -> Limits {
        Limits { max_per_number_per_hour: hour, max_per_number_per_day: day, ..Limits::default() }
    }

    #[test]
    fn the_third_call_of_an_hour_waits_for_the_first_to_leave_it() {
        let (mut numbers, limits) = (Numbers::default(), limits(Some(2), None));
        let number = Mark(7);
        for at in [0, 10] {
            numbers.check(Mono(at * MINUTE), number, &limits).unwrap();
            numbers.count(Mono(at * MINUTE), number);
        }
        let refused = numbers.check(Mono(20 * MINUTE), number, &limits);
        assert_eq!(refused, Err(Often::Reached { limit: Limit::NumberPerHour, quota: 2, retry_after: 2401 }));
        assert!(numbers.check(Mono(20 * MINUTE), Mark(8), &limits).is_ok(), "another number is another's");
        assert!(numbers.check(Mono(61 * MINUTE), number, &limits).is_ok());
    }

    #[test]
    fn a_restart_forgets_no_call_of_the_last_day() {
        let (mut numbers, limits) = (Numbers::default(), limits(None, Some(1)));
        let now = Now { mono: Mono(5), wall: Wall(1_000 * 86_400_000) };
        numbers.recall(now, Wall(now.wall.0 - 86_400_001), Mark(1));
        assert!(numbers.check(now.mono, Mark(1), &limits).is_ok());
        numbers.recall(now, Wall(now.wall.0 - 86_340_000), Mark(1));
        let refused = numbers.check(now.mono, Mark(1), &limits);
        assert_eq!(refused, Err(Often::Reached { limit: Limit::NumberPerDay, quota: 1, retry_after: 61 }));
    }

    #[test]
    fn a_call_that_the_store_did_not_take_leaves_no_mark() {
        let (mut numbers, limits) = (Numbers::default(), limits(Some(1), None));
        let counted = numbers.count(Mono(0), Mark(1));
        numbers.undo(counted);
        assert!(numbers.check(Mono(1), Mark(1), &limits).is_ok());
        assert!(numbers.counts.is_empty() && numbers.log.is_empty());
    }

    proptest! {
        /// In no hour and in no 24 hours are there more calls than the bounds say; and who is refused is told how long to wait.
        #[test]
        fn no_window_has_more_than_its_bound(
            steps in proptest::collection::vec(0u64..200, 1..60), hour in 0u32..4, day in 0u32..8,
        ) {
            let (mut numbers, limits) = (Numbers::default(), limits(Some(hour), Some(day)));
            let (mut at, mut taken) = (0, Vec::<u64>::new());
            for step in steps {
                at += step * MINUTE;
                match numbers.check(Mono(at), Mark(1), &limits) {
                    Ok(()) => {
                        numbers.count(Mono(at), Mark(1));
                        taken.push(at);
                    }
                    Err(Often::Reached { retry_after, .. }) if hour > 0 && day > 0 => {
                        let then = at + u64::from(retry_after) * 1_000_000;
                        let within = |window: u64| taken.iter().filter(|t| **t + window > then).count() as u32;
                        prop_assert!(within(60 * MINUTE) < hour || within(1440 * MINUTE) < day);
                    }
                    Err(_) => {}
                }
                for end in &taken {
                    let within = |window: u64| taken.iter().filter(|t| **t <= *end && **t + window > *end).count() as u32;
                    prop_assert!(within(60 * MINUTE) <= hour && within(1440 * MINUTE) <= day);
                }
            }
        }
    }
}

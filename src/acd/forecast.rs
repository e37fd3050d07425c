//! Who will be free by the time a customer answers. Owns the measured times of talks and of customers' phones, the probability that a
//! customer who is dialled now finds nobody, and the guard that compares what was foretold with what came; refuses clocks.
//!
//! Times are counted in steps, so that a figure depends on nothing but what was measured. The probability is that of too few of those
//! who are busy becoming free: each of them by the measured rest of talks as long as theirs, with the rule of succession, so that few
//! measurements promise little.

use std::time::Duration;

/// Talks that must be known before anybody is called ahead, and answers of customers.
const ENOUGH: u32 = 20;
/// Beyond so many the counts are halved: what is new counts more.
const MEMORY: u32 = 4_096;
/// Answers that the guard remembers.
const GUARD_MEMORY: u32 = 1_024;
/// Parts into which the times of customers' phones are divided, each as likely.
const PARTS: u32 = 8;

/// Measured times: how many lasted at least so many steps.
#[derive(Clone, Debug)]
pub struct Times {
    step: Duration,
    at_least: Vec<u32>,
    sum: Duration,
    known: u32,
}

impl Times {
    /// Times of up to `steps` steps; longer ones count as longer.
    pub fn new(step: Duration, steps: usize) -> Times {
        Times {
            step: step.max(Duration::from_millis(1)),
            at_least: vec![0; steps.max(2)],
            sum: Duration::ZERO,
            known: 0,
        }
    }

    /// One more was measured.
    pub fn note(&mut self, took: Duration) {
        if self.known >= MEMORY {
            self.at_least.iter_mut().for_each(|count| *count /= 2);
            self.known = self.at_least.first().copied().unwrap_or(0);
            self.sum /= 2;
        }
        let last = self.index(took).min(self.at_least.len() - 1);
        self.at_least.iter_mut().take(last + 1).for_each(|count| *count += 1);
        self.known += 1;
        self.sum += took;
    }

    fn index(&self, took: Duration) -> usize {
        usize::try_from(took.as_millis() / self.step.as_millis()).unwrap_or(usize::MAX)
    }

    /// Their mean, when enough are known.
    pub fn mean(&self) -> Option<Duration> {
        (self.known >= ENOUGH).then(|| self.sum / self.known)
    }

    /// The middles of equally likely parts.
    fn parts(&self) -> Option<impl Iterator<Item = Duration>> {
        (self.known >= ENOUGH).then(|| {
            (0..PARTS).map(move |part| {
                // How many took longer than the middle of this part: counted from the shortest.
                let longer = u64::from(self.known) * u64::from(2 * (PARTS - part) - 1) / u64::from(2 * PARTS);
                let shorter = self.at_least.partition_point(|count| u64::from(*count) > longer);
                self.step * u32::try_from(shorter.saturating_sub(1)).unwrap_or(u32::MAX)
            })
        })
    }

    /// The probability that what has lasted for `so_far` is over within `more`. Not known for what lasts longer than was ever counted.
    fn over_within(&self, so_far: Duration, more: Duration) -> f64 {
        // Rounded so that it never promises more than was measured: younger now, and not all of the time that is left.
        let from = self.index(so_far);
        let to = self.index(so_far + more);
        let count = |index: usize| self.at_least.get(index).copied();
        let gone_on = |still: u32, then: u32| f64::from(then + 1) / f64::from(still + 1);
        match (count(from), count(to), self.at_least.last()) {
            (Some(still), Some(then), _) => 1.0 - gone_on(still, then),
            (Some(still), None, Some(then)) => 1.0 - gone_on(still, *then),
            (Some(_) | None, _, _) => 0.0,
        }
    }
}

/// When somebody who is not free now may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// They write up for so much longer.
    WrapUp(Duration),
    /// They have talked for so long, and write up then.
    Talk(Duration),
}

/// What was measured of a business's calls.
#[derive(Clone, Debug)]
pub struct Forecast {
    talks: Times,
    rings: Times,
    guard: Guard,
}

impl Default for Forecast {
    fn default() -> Forecast {
        Forecast {
            talks: Times::new(Duration::from_secs(5), 480),
            rings: Times::new(Duration::from_secs(1), 64),
            guard: Guard::default(),
        }
    }
}

impl Forecast {
    /// A talk is over.
    pub fn note_talk(&mut self, took: Duration) {
        self.talks.note(took);
    }

    /// A customer answered after so long.
    pub fn note_ring(&mut self, took: Duration) {
        self.rings.note(took);
    }

    /// A customer who answered found somebody in time, or did not.
    pub fn note_answer(&mut self, late: bool) {
        self.guard.note(late);
    }

    /// The mean talk, when enough is known.
    pub fn mean_talk(&self) -> Option<Duration> {
        self.talks.mean()
    }

    /// The longest talk that is foretold anything of.
    pub fn longest_talk(&self) -> Duration {
        self.talks.step * u32::try_from(self.talks.at_least.len()).unwrap_or(u32::MAX)
    }

    /// Whether so many customers out of a thousand may find nobody, by what has come of late.
    pub fn is_within(&self, per_mille: u16) -> bool {
        self.guard.is_within(per_mille)
    }

    /// The probability that of these, fewer than `wanted` are free by the time that a customer answers who is dialled now, and `grace`
    /// after it. `None`: too little was measured to say.
    pub fn too_few(&self, busy: &[Rest], wanted: usize, wrap_up: Duration, grace: Duration) -> Option<f64> {
        if busy.len() < wanted {
            return Some(1.0);
        }
        let parts = self.rings.parts()?;
        let mut sum = 0.0;
        for ring in parts {
            let within = ring + grace;
            let each = busy.iter().map(|rest| match rest {
                Rest::WrapUp(left) if *left <= within => 1.0,
                Rest::WrapUp(_) => 0.0,
                Rest::Talk(so_far) => match within.checked_sub(wrap_up) {
                    Some(more) if self.talks.known >= ENOUGH => self.talks.over_within(*so_far, more),
                    Some(_) | None => 0.0,
                },
            });
            sum += fewer_than(wanted, each);
        }
        Some(sum / f64::from(PARTS))
    }
}

/// The probability that fewer than `wanted` of these come true.
fn fewer_than(wanted: usize, each: impl Iterator<Item = f64>) -> f64 {
    // chances[n]: exactly n have come true so far; those with enough are left out.
    let mut chances = vec![0.0; wanted];
    if let Some(none) = chances.first_mut() {
        *none = 1.0;
    }
    for one in each {
        let mut carried = 0.0;
        for chance in &mut chances {
            let moved = *chance * one;
            *chance = *chance - moved + carried;
            carried = moved;
        }
    }
    chances.iter().sum()
}

/// How many of the last answers were late.
#[derive(Clone, Copy, Debug, Default)]
struct Guard {
    answers: u32,
    late: u32,
}

impl Guard {
    fn note(&mut self, late: bool) {
        if self.answers >= GUARD_MEMORY {
            self.answers /= 2;
            self.late /= 2;
        }
        self.answers += 1;
        self.late += u32::from(late);
    }

    fn is_within(self, per_mille: u16) -> bool {
        u64::from(self.late) * 1_000 <= u64::from(self.answers) * u64::from(per_mille)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Talks of 10, 20, … 400 s; customers answer after 10 s.
    fn measured() -> Forecast {
        let mut forecast = Forecast::default();
        (1..=40).for_each(|n| forecast.note_talk(seconds(n * 10)));
        (0..40).for_each(|_| forecast.note_ring(seconds(10)));
        forecast
    }

    #[test]
    fn nothing_is_foretold_from_nothing() {
        assert_eq!(Forecast::default().too_few(&[Rest::WrapUp(seconds(1))], 1, seconds(0), seconds(2)), None);
        assert_eq!(Forecast::default().mean_talk(), None);
    }

    #[test]
    fn who_writes_up_is_free_in_time_or_is_not() {
        let ask = |left| measured().too_few(&[Rest::WrapUp(seconds(left))], 1, seconds(30), seconds(2));
        assert_eq!(ask(9), Some(0.0));
        assert_eq!(ask(30), Some(1.0));
        assert_eq!(measured().too_few(&[], 1, seconds(30), seconds(2)), Some(1.0), "there is nobody");
    }

    #[test]
    fn of_many_who_talk_one_is_free_in_time_where_of_few_none_is() {
        let ask =
            |many: usize| measured().too_few(&vec![Rest::Talk(seconds(200)); many], 1, seconds(0), seconds(2)).unwrap();
        assert!(ask(1) > 0.8, "{}", ask(1));
        assert!(ask(100) < 0.01, "{}", ask(100));
        let second = measured().too_few(&[Rest::Talk(seconds(200)); 100], 2, seconds(0), seconds(2)).unwrap();
        assert!(second > ask(100), "the second one needs two");
    }

    #[test]
    fn a_talk_longer_than_any_foretells_nothing() {
        let mut forecast = measured();
        (0..100).for_each(|_| forecast.note_talk(seconds(100_000)));
        assert_eq!(forecast.too_few(&[Rest::Talk(forecast.longest_talk() * 2)], 1, seconds(0), seconds(2)), Some(1.0));
    }

    #[test]
    fn the_guard_closes_when_more_were_late_than_may_be_and_opens_again() {
        let mut guard = Guard::default();
        assert!(guard.is_within(0));
        guard.note(true);
        assert!(!guard.is_within(30));
        (0..40).for_each(|_| guard.note(false));
        assert!(guard.is_within(30));
        (0..10_000).for_each(|n| guard.note(n % 10 == 0));
        assert!(!guard.is_within(90) && guard.is_within(110) && guard.answers <= GUARD_MEMORY);
    }

    #[test]
    fn old_times_give_way_to_new_ones() {
        let mut times = Times::new(seconds(1), 64);
        (0..MEMORY).for_each(|_| times.note(seconds(50)));
        (0..4 * MEMORY).for_each(|_| times.note(seconds(10)));
        assert!(times.known <= MEMORY && times.mean().unwrap() < seconds(16));
    }

    proptest! {
        /// Against the plain sum over all that may come true.
        #[test]
        fn the_chance_of_too_few_is_that_of_every_case_added_up(
            each in proptest::collection::vec(0.0f64..=1.0, 0..8), wanted in 0usize..9,
        ) {
            let mut sum = 0.0;
            for case in 0u32..(1 << each.len()) {
                if (case.count_ones() as usize) < wanted {
                    sum += each.iter().enumerate().map(|(n, p)| if case & (1 << n) != 0 { *p } else { 1.0 - p }).product::<f64>();
                }
            }
            prop_assert!((fewer_than(wanted, each.into_iter()) - sum).abs() < 1e-9);
        }

        /// It is a probability, and more helpers never make it worse.
        #[test]
        fn more_who_may_be_free_never_make_it_likelier_to_find_nobody(
            talks in proptest::collection::vec(0u64..5_000, 20..60), rings in proptest::collection::vec(0u64..70, 20..60),
            so_far in proptest::collection::vec(0u64..3_000, 1..20), wanted in 1usize..5, wrap_up in 0u64..30,
        ) {
            let mut forecast = Forecast::default();
            talks.iter().for_each(|talk| forecast.note_talk(seconds(*talk)));
            rings.iter().for_each(|ring| forecast.note_ring(seconds(*ring)));
            let busy: Vec<Rest> = so_far.iter().map(|n| Rest::Talk(seconds(*n))).collect();
            let mut last = 1.0 + 1e-9;
            for many in 0..=busy.len() {
                let chance = forecast.too_few(&busy[..many], wanted, seconds(wrap_up), seconds(2)).unwrap();
                prop_assert!((0.0..=last).contains(&chance), "{chance} after {last}");
                last = chance + 1e-9;
            }
        }
    }
}

//! Which calling equipment is asked next: the cheapest that works, and how long one that failed is left alone. Pure. Owns that order;
//! refuses to send anything.

use std::time::Duration;

use crate::clock::Mono;

/// The first rest after a failure; it doubles.
const REST: Duration = Duration::from_secs(10);
/// No rest is longer.
const MAX_REST: Duration = Duration::from_secs(300);

/// What is known of the equipments, by their place in the configuration.
#[derive(Clone, Debug)]
pub struct Equipments(Vec<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    cost: u32,
    failures: u32,
    rests_until: Mono,
}

impl Equipments {
    /// All of them work until one is seen not to. The items are their costs.
    pub fn new(costs: impl IntoIterator<Item = u32>) -> Equipments {
        let state = |cost| State { cost, failures: 0, rests_until: Mono(0) };
        Equipments(costs.into_iter().map(state).collect())
    }

    /// The next one to ask, after those that were asked in vain: working ones before resting ones, cheap before dear.
    pub fn next(&self, now: Mono, tried: &[usize]) -> Option<usize> {
        let untried = self.0.iter().enumerate().filter(|(at, _)| !tried.contains(at));
        untried.min_by_key(|(at, state)| (state.rests_until > now, state.cost, *at)).map(|(at, _)| at)
    }

    /// It answered.
    pub fn works(&mut self, at: usize) {
        if let Some(state) = self.0.get_mut(at) {
            (state.failures, state.rests_until) = (0, Mono(0));
        }
    }

    /// It did not, or took nothing.
    pub fn failed(&mut self, at: usize, now: Mono) {
        if let Some(state) = self.0.get_mut(at) {
            let rest = REST.saturating_mul(1 << state.failures.min(8)).min(MAX_REST);
            state.failures = state.failures.saturating_add(1);
            state.rests_until = now + rest;
        }
    }

    #[cfg(test)]
    fn rests(&self, at: usize, now: Mono) -> bool {
        self.0.get(at).is_some_and(|state| state.rests_until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn the_cheapest_that_works_is_asked_and_a_failed_one_rests_longer_each_time() {
        let mut all = Equipments::new([5, 1, 1]);
        let now = Mono(SECOND);
        assert_eq!(all.next(now, &[]), Some(1));
        all.failed(1, now);
        assert_eq!((all.next(now, &[]), all.rests(1, now)), (Some(2), true));
        all.failed(2, now);
        assert_eq!(all.next(now, &[]), Some(0), "dear, but it works");
        assert_eq!(all.next(now, &[0]), Some(1), "rested or not, better than nobody");
        assert_eq!(all.next(now, &[0, 1, 2]), None);
        let later = Mono(12 * SECOND);
        assert_eq!(all.next(later, &[]), Some(1), "its rest is over");
        all.failed(1, later);
        assert!(all.rests(1, Mono(30 * SECOND)) && !all.rests(1, Mono(33 * SECOND)));
        all.works(1);
        assert_eq!(all.next(later, &[]), Some(1));
    }
}

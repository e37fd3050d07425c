//! Whether one place of a switch works: a breaker that closes, opens and tries again. Pure: told of successes, failures and
//! time. Owns how many failures open it and how long it stays open; refuses to send anything.
//!
//! ```text
//! Closed ─3 failures in a row→ Open ─back-off over, one try→ Trying ─success→ Closed
//!                               └────────── failure, longer back-off ──┘
//! ```

use std::time::Duration;

use crate::clock::Mono;

/// Failures in a row that open the breaker: one lost datagram or one mad answer opens nothing.
pub const FAILURES: u8 = 3;
/// The first time a place is left alone.
const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
/// The longest.
const LAST_BACK_OFF: Duration = Duration::from_secs(300);
/// A try whose end is never heard of is over after this (timer B).
const TRY: Duration = Duration::from_secs(32);
/// The longest Retry-After that is believed.
const MAX_REST: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed { failures: u8 },
    Open { until: Mono, back_off: Duration },
    Trying { until: Mono, back_off: Duration },
}

/// What may be sent to a place now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fit {
    /// Anything.
    Well,
    /// One call, to see.
    Trial,
    /// Nothing, where there is another place.
    Broken,
    /// Nothing: it asked to be left alone (Retry-After).
    Resting,
}

/// The breaker of one place, and its wish to be left alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Health {
    state: State,
    rests_until: Option<Mono>,
}

impl Default for Health {
    fn default() -> Health {
        Health { state: State::Closed { failures: 0 }, rests_until: None }
    }
}

impl Health {
    /// What may be sent now.
    pub fn fit(&self, now: Mono) -> Fit {
        if self.rests_until.is_some_and(|until| until > now) {
            return Fit::Resting;
        }
        match self.state {
            State::Closed { .. } => Fit::Well,
            State::Open { until, .. } | State::Trying { until, .. } if until <= now => Fit::Trial,
            State::Open { .. } | State::Trying { .. } => Fit::Broken,
        }
    }

    /// True while nothing speaks against it.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// When it may be sent something again, if it asked to be left alone.
    pub fn rests_until(&self) -> Option<Mono> {
        self.rests_until
    }

    /// A call goes there. While broken it is the one try.
    pub fn used(&mut self, now: Mono) {
        if let State::Open { until, back_off } | State::Trying { until, back_off } = self.state
            && until <= now
        {
            self.state = State::Trying { until: now + TRY, back_off };
        }
    }

    /// It answered: with anything that shows it alive.
    pub fn succeeded(&mut self) {
        *self = Health { state: State::Closed { failures: 0 }, rests_until: self.rests_until };
    }

    /// It was silent, unreachable or out of service.
    pub fn failed(&mut self, now: Mono) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < FAILURES => State::Closed { failures: failures + 1 },
            State::Closed { .. } => State::Open { until: now + FIRST_BACK_OFF, back_off: FIRST_BACK_OFF },
            State::Trying { back_off, .. } => {
                let back_off = (back_off * 2).min(LAST_BACK_OFF);
                State::Open { until: now + back_off, back_off }
            }
            open @ State::Open { .. } => open,
        };
    }

    /// It asked to be left alone for so long.
    pub fn rests(&mut self, now: Mono, time: Duration) {
        self.rests_until = Some(now + time.min(MAX_REST));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000)
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_one_try_closes_it() {
        let mut health = Health::default();
        health.failed(s(0));
        health.failed(s(0));
        health.succeeded();
        health.failed(s(1));
        health.failed(s(1));
        assert_eq!(health.fit(s(1)), Fit::Well);
        health.failed(s(1));
        assert_eq!(health.fit(s(10)), Fit::Broken);
        assert_eq!(health.fit(s(11)), Fit::Trial);
        health.used(s(11));
        assert_eq!(health.fit(s(11)), Fit::Broken, "one try at a time");
        health.succeeded();
        assert_eq!(health.fit(s(12)), Fit::Well);
    }

    #[test]
    fn a_failed_try_doubles_the_wait_up_to_a_bound() {
        let mut health = Health::default();
        let mut now = s(0);
        for _ in 0..FAILURES {
            health.failed(now);
        }
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            let until = now + Duration::from_secs(seconds);
            assert_eq!(health.fit(Mono(until.0 - 1)), Fit::Broken, "{seconds}");
            assert_eq!(health.fit(until), Fit::Trial, "{seconds}");
            now = until;
            health.used(now);
            health.failed(now);
        }
    }

    #[test]
    fn a_place_that_asked_for_rest_gets_it_but_not_for_ever() {
        let mut health = Health::default();
        health.rests(s(0), Duration::from_secs(30));
        assert_eq!(health.fit(s(29)), Fit::Resting);
        assert_eq!(health.fit(s(30)), Fit::Well);
        health.rests(s(0), Duration::from_secs(u64::from(u32::MAX)));
        assert_eq!(health.fit(s(600)), Fit::Well);
    }

    proptest! {
        #[test]
        fn whatever_happens_it_can_be_tried_again(steps in prop::collection::vec((0u8..4, 0u64..100), 0..100)) {
            let (mut health, mut now) = (Health::default(), 0);
            for (step, pause) in steps {
                now += pause;
                match step {
                    0 => health.failed(s(now)),
                    1 => health.succeeded(),
                    2 => health.used(s(now)),
                    _ => health.rests(s(now), Duration::from_secs(pause)),
                }
            }
            prop_assert!(health.fit(s(now + 601)) <= Fit::Trial);
        }
    }
}

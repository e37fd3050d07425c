//! How much is sent to one webhook at once: one event until it has shown that it is quick, more with each quick answer, one now and
//! then while it fails. So a slow or dead webhook costs the others nothing. Owns these verdicts; pure: time is handed in.

use std::time::{Duration, Instant};

/// Events on their way to one quick webhook, at most: with a tenth of a second for each, some 300 events a second.
const AT_ONCE: usize = 32;
/// An answer within this is quick.
const QUICK: Duration = Duration::from_secs(2);
/// So many failures in a row, and it is given rest.
const PATIENCE: u32 = 3;
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// The accounts are read anew within this.
const GONE: Duration = Duration::from_secs(2);

/// What is known of one webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pace {
    /// Quick answers since the last slow one or the last rest.
    quick: usize,
    failures: u32,
    rests_until: Option<Instant>,
}

impl Pace {
    /// How many events may be on their way to it.
    pub fn at_once(&self) -> usize {
        (1 + self.quick).min(AT_ONCE)
    }

    /// True when its answers come at once: it has the places that slow ones may not take.
    pub fn is_quick(&self) -> bool {
        self.quick > 0
    }

    /// When it may be sent something again.
    pub fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.rests_until.filter(|until| now < *until)
    }

    /// It has taken an event.
    pub fn succeeded(&mut self, took: Duration) {
        let quick = if took < QUICK { self.quick.saturating_add(1) } else { 0 };
        *self = Pace { quick, failures: 0, rests_until: None };
    }

    /// It has not taken an event, which may be that event's fault. True when it is given rest from now on.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < PATIENCE {
            return false;
        }
        let rest = Duration::from_secs(1).saturating_mul(1 << (self.failures - PATIENCE).min(10)).min(LONGEST_REST);
        self.rests_until = Some(now + rest);
        self.quick = 0;
        self.failures == PATIENCE
    }

    /// It wants no more: it is left alone until the accounts say so, too.
    pub fn gone(&mut self, now: Instant) {
        self.rests_until = Some(now + GONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_gets_more_with_each_quick_answer_and_little_when_it_is_slow() {
        let mut pace = Pace::default();
        assert_eq!((pace.at_once(), pace.is_quick()), (1, false), "nothing is known of it");
        pace.succeeded(Duration::from_millis(20));
        assert_eq!((pace.at_once(), pace.is_quick()), (2, true));
        (0..100).for_each(|_| pace.succeeded(Duration::from_millis(20)));
        assert_eq!(pace.at_once(), AT_ONCE);
        pace.succeeded(Duration::from_secs(9));
        assert_eq!((pace.at_once(), pace.is_quick()), (1, false));
    }

    #[test]
    fn one_that_fails_again_and_again_rests_longer_and_longer_and_one_success_ends_it() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.succeeded(Duration::ZERO);
        assert!(!pace.failed(now) && !pace.failed(now) && pace.is_quick(), "one event may be bad in itself");
        assert!(pace.failed(now), "told once");
        let mut rests = Vec::new();
        for _ in 0..8 {
            rests.push((pace.rests_until(now).unwrap() - now).as_secs());
            assert!(!pace.failed(now));
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!((pace.rests_until(now + LONGEST_REST), pace.at_once()), (None, 1));
        pace.succeeded(Duration::ZERO);
        assert_eq!((pace.rests_until(now), pace.at_once()), (None, 2));
    }

    #[test]
    fn one_that_wants_no_more_is_left_alone_for_a_moment() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.gone(now);
        assert_eq!((pace.rests_until(now), pace.rests_until(now + GONE)), (Some(now + GONE), None));
    }
}

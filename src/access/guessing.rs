//! The guard against guessed passwords: who gave wrong ones waits, longer each time. Owns what is counted and the verdict; refuses clocks, and to
//! know who asks: everything is a [`Mark`].
//!
//! Nothing is counted of a business alone, so nobody can lock a business out from elsewhere. Two things are counted: a business from one source
//! (guesses at it), and a source over all businesses (one guess at each of many). A business that gave the right password from a source lately is
//! not held up there by what others, at the same address, try at other businesses; and where somebody there guesses at this very business, its
//! password goes on being taken while it is remembered, a bounded number of wrong ones a second beside it (decision 0024).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::direct::mark;
use crate::clock::Mono;
use crate::model::direct::Mark;

/// Wrong passwords of one business from one source until it is locked there.
const LOCK_PAIR: u32 = 10;
/// Wrong passwords of one source until it is locked.
const LOCK_SOURCE: u32 = 40;
/// After a lock, so many more until the next, which is longer.
const AFTER_LOCK: u32 = 3;
/// Wrong passwords that are answered at once.
const FREE: u32 = 3;
/// The answer after the first that is not.
const FIRST_DELAY: Duration = Duration::from_millis(125);
/// No answer is held back longer: it holds a connection.
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// The first lock.
const FIRST_LOCK: Duration = Duration::from_secs(30);
/// No lock is longer.
const LONGEST_LOCK: Duration = Duration::from_secs(900);
/// Wrong passwords are forgotten after so long without another one and without a lock.
const FORGET: Duration = Duration::from_secs(1800);
/// A right password is remembered so long.
const LATELY: Duration = Duration::from_secs(24 * 3600);
/// Passwords a second that are compared with the remembered one while its business is locked at its own source.
const COMPARED: u32 = 50;
/// Entries of each table; the one that was quiet for longest makes room.
pub const MAX_ENTRIES: usize = 50_000;

/// Who tries: marks, because names of businesses are anybody's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trier {
    pair: Mark,
    source: Mark,
}

impl Trier {
    /// This name of a business from this source (an address, or the network that counts as one).
    pub fn new(business: &str, source: &str) -> Trier {
        let pair = mark("guess pair", &[business.as_bytes(), source.as_bytes()]);
        Trier { pair, source: mark("guess source", &[source.as_bytes()]) }
    }
}

/// Whether a password is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It is.
    Open,
    /// Only whether it is the one that is remembered.
    RememberedOnly,
    /// It is not, for so many seconds.
    Closed {
        /// Seconds, at least one.
        retry_after: u32,
    },
}

/// What a wrong password costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Penalty {
    /// The answer is held back for so long.
    pub delay: Duration,
    /// Who is locked from now on, if somebody is.
    pub locked: Option<Locked>,
}

/// A lock that has just begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Locked {
    /// One business from one source.
    Pair(Duration),
    /// A source.
    Source(Duration),
}

/// All that is counted.
#[derive(Debug, Default)]
pub struct Guard {
    pairs: Table,
    sources: Table,
    lately: Lately,
}

impl Guard {
    /// Before a password is looked at.
    pub fn admit(&mut self, now: Mono, who: Trier) -> Admission {
        let known = self.lately.has(who.pair, now);
        if let Some(left) = self.pairs.locked(who.pair, now) {
            let retry_after = seconds(left);
            return match known && self.lately.compare(who.pair, now) {
                true => Admission::RememberedOnly,
                false if known => Admission::Closed { retry_after: 1 },
                false => Admission::Closed { retry_after },
            };
        }
        match self.sources.locked(who.source, now) {
            Some(left) if !known => Admission::Closed { retry_after: seconds(left) },
            _ => Admission::Open,
        }
    }

    /// The password was right. What the source did to others stays counted: a guesser may have an account of its own.
    pub fn right(&mut self, now: Mono, who: Trier) {
        if self.pairs.locked(who.pair, now).is_none() {
            self.pairs.forget(who.pair);
        }
        self.lately.keep(who.pair, now);
    }

    /// It was not the remembered one, and no other is looked at now.
    pub fn missed(&mut self, now: Mono, who: Trier) {
        self.lately.count(who.pair, now);
    }

    /// The password was wrong, or there is no such business.
    pub fn wrong(&mut self, now: Mono, who: Trier) -> Penalty {
        let (failures, pair) = self.pairs.count(who.pair, now, LOCK_PAIR);
        let (_, source) = self.sources.count(who.source, now, LOCK_SOURCE);
        let beyond = failures.saturating_sub(FREE);
        let delay = match beyond {
            0 => Duration::ZERO,
            _ => FIRST_DELAY.saturating_mul(1 << (beyond - 1).min(10)).min(LONGEST_DELAY),
        };
        Penalty { delay, locked: pair.map(Locked::Pair).or(source.map(Locked::Source)) }
    }
}

fn seconds(left: Duration) -> u32 {
    u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<Mark, Entry>,
    by_age: BTreeSet<(Mono, Mark)>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    locks: u32,
    /// The last failure.
    at: Mono,
    locked_until: Mono,
}

impl Table {
    fn locked(&self, who: Mark, now: Mono) -> Option<Duration> {
        let until = self.entries.get(&who)?.locked_until;
        (now < until).then(|| until.since(now))
    }

    /// Counts a failure. Gives how many there are, and the lock that begins.
    fn count(&mut self, who: Mark, now: Mono, lock_after: u32) -> (u32, Option<Duration>) {
        let fresh = Entry { failures: 0, locks: 0, at: now, locked_until: now };
        let old = self.entries.get(&who).copied();
        let mut entry = old.filter(|entry| now.since(entry.at.max(entry.locked_until)) < FORGET).unwrap_or(fresh);
        entry.failures = entry.failures.saturating_add(1);
        entry.at = now;
        let mut lock = None;
        // What was under way when the lock began is counted, and does not lengthen it.
        if entry.failures >= lock_after && now >= entry.locked_until {
            let time = FIRST_LOCK.saturating_mul(1 << entry.locks.min(10)).min(LONGEST_LOCK);
            entry.locks = entry.locks.saturating_add(1);
            entry.failures = lock_after.saturating_sub(AFTER_LOCK);
            entry.locked_until = now + time;
            lock = Some(time);
        }
        if let Some(old) = old {
            self.by_age.remove(&(old.at, who));
        }
        self.entries.insert(who, entry);
        self.by_age.insert((entry.at, who));
        while self.entries.len() > MAX_ENTRIES {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            self.entries.remove(&oldest);
        }
        (entry.failures, lock)
    }

    fn forget(&mut self, who: Mark) {
        if let Some(entry) = self.entries.remove(&who) {
            self.by_age.remove(&(entry.at, who));
        }
    }
}

/// Businesses whose password was right, and from where: grows with right passwords only.
#[derive(Debug, Default)]
struct Lately {
    kept: BTreeMap<Mark, Kept>,
    by_age: BTreeSet<(Mono, Mark)>,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    at: Mono,
    /// The second in which passwords are compared, and how many were.
    second: u64,
    compared: u32,
}

impl Lately {
    fn has(&self, who: Mark, now: Mono) -> bool {
        self.kept.get(&who).is_some_and(|kept| now.since(kept.at) < LATELY)
    }

    /// Whether one more may be compared in this second.
    fn compare(&self, who: Mark, now: Mono) -> bool {
        self.kept.get(&who).is_some_and(|kept| kept.second != second(now) || kept.compared < COMPARED)
    }

    fn count(&mut self, who: Mark, now: Mono) {
        if let Some(kept) = self.kept.get_mut(&who) {
            kept.compared = if kept.second == second(now) { kept.compared.saturating_add(1) } else { 1 };
            kept.second = second(now);
        }
    }

    fn keep(&mut self, who: Mark, now: Mono) {
        let old = self.kept.get(&who).copied();
        // Most requests come from who was here a moment ago: the order by age need not know each of them.
        if old.is_some_and(|kept| now.since(kept.at) < Duration::from_secs(60)) {
            return;
        }
        if let Some(old) = old {
            self.by_age.remove(&(old.at, who));
        }
        let (second, compared) = old.map_or((0, 0), |kept| (kept.second, kept.compared));
        self.kept.insert(who, Kept { at: now, second, compared });
        self.by_age.insert((now, who));
        while self.kept.len() > MAX_ENTRIES {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            self.kept.remove(&oldest);
        }
    }
}

fn second(now: Mono) -> u64 {
    now.0 / 1_000_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(1_000_000 + seconds * 1_000_000)
    }

    fn stranger() -> Trier {
        Trier::new("abc", "192.0.2.66")
    }

    fn guess(guard: &mut Guard, now: Mono, who: Trier, times: u32) -> Penalty {
        let mut last = Penalty { delay: Duration::ZERO, locked: None };
        for _ in 0..times {
            last = guard.wrong(now, who);
        }
        last
    }

    #[test]
    fn answers_to_a_guesser_come_later_and_later_and_then_not_at_all() {
        let mut guard = Guard::default();
        let delays: Vec<u128> = (0..9).map(|_| guard.wrong(at(0), stranger()).delay.as_millis()).collect();
        assert_eq!(delays, [0, 0, 0, 125, 250, 500, 1000, 2000, 2000]);
        assert_eq!(guard.admit(at(0), stranger()), Admission::Open);
        assert_eq!(guard.wrong(at(0), stranger()).locked, Some(Locked::Pair(FIRST_LOCK)));
        assert_eq!(guard.admit(at(1), stranger()), Admission::Closed { retry_after: 29 });
        assert_eq!(guard.admit(at(30), stranger()), Admission::Open);
        let next = guess(&mut guard, at(31), stranger(), AFTER_LOCK);
        assert_eq!(next.locked, Some(Locked::Pair(2 * FIRST_LOCK)), "each lock is twice the last");
    }

    #[test]
    fn a_stranger_locks_no_business_out_but_where_the_stranger_is() {
        let mut guard = Guard::default();
        guess(&mut guard, at(0), stranger(), 1000);
        assert_eq!(guard.admit(at(1), Trier::new("abc", "198.51.100.1")), Admission::Open);
    }

    #[test]
    fn a_source_that_tries_one_password_at_many_businesses_is_locked() {
        let mut guard = Guard::default();
        for n in 0..LOCK_SOURCE {
            guard.wrong(at(0), Trier::new(&format!("b{n}"), "192.0.2.66"));
        }
        let other = Trier::new("fresh", "192.0.2.66");
        assert!(matches!(guard.admit(at(0), other), Admission::Closed { .. }));
        // One's own right password buys no guesses at others.
        guard.right(at(100), Trier::new("mine", "192.0.2.66"));
        guard.wrong(at(100), other);
        guard.wrong(at(100), other);
        assert!(matches!(guard.wrong(at(100), other).locked, Some(Locked::Source(_))));
    }

    #[test]
    fn who_was_right_lately_is_not_locked_by_others_at_the_same_address() {
        let mut guard = Guard::default();
        let abc = Trier::new("abc", "192.0.2.66");
        guard.right(at(0), abc);
        for n in 0..1000 {
            guard.wrong(at(1), Trier::new(&format!("b{n}"), "192.0.2.66"));
        }
        assert_eq!(guard.admit(at(2), abc), Admission::Open);
        guess(&mut guard, at(3), abc, LOCK_PAIR);
        assert_eq!(guard.admit(at(4), abc), Admission::RememberedOnly, "guesses at itself");
        for _ in 0..COMPARED {
            assert_eq!(guard.admit(at(4), abc), Admission::RememberedOnly);
            guard.missed(at(4), abc);
        }
        assert_eq!(guard.admit(at(4), abc), Admission::Closed { retry_after: 1 }, "so many a second and no more");
        assert_eq!(guard.admit(at(5), abc), Admission::RememberedOnly);
    }

    #[test]
    fn a_right_password_takes_back_what_was_mistyped() {
        let mut guard = Guard::default();
        guess(&mut guard, at(0), stranger(), LOCK_PAIR - 1);
        guard.right(at(1), stranger());
        assert_eq!(guess(&mut guard, at(2), stranger(), LOCK_PAIR - 1).locked, None);
        let mut forgets = Guard::default();
        guess(&mut forgets, at(0), stranger(), LOCK_PAIR - 1);
        assert_eq!(forgets.wrong(at(1801), stranger()).locked, None, "half an hour is long enough");
    }

    #[test]
    fn no_stranger_makes_the_tables_grow_without_end() {
        let mut guard = Guard::default();
        for n in 0..MAX_ENTRIES + 10 {
            guard.wrong(Mono(n as u64), Trier::new("abc", &n.to_string()));
        }
        assert_eq!((guard.pairs.entries.len(), guard.pairs.by_age.len()), (MAX_ENTRIES, MAX_ENTRIES));
        assert_eq!(guard.sources.entries.len(), MAX_ENTRIES);
        assert_eq!(guard.lately.kept.len(), 0);
    }

    proptest! {
        #[test]
        fn whatever_strangers_do_elsewhere_a_business_at_its_own_source_is_open(
            steps in proptest::collection::vec((0u64..4000, 0u8..4, 0u8..4, any::<bool>()), 0..200)
        ) {
            let mut guard = Guard::default();
            let mut now = 0;
            for (pause, business, source, right) in steps {
                now += pause;
                let who = Trier::new(&format!("b{business}"), &format!("192.0.2.{source}"));
                if right { guard.right(at(now), who) } else { guard.wrong(at(now), who); }
                for business in 0..4 {
                    let own = Trier::new(&format!("b{business}"), "198.51.100.7");
                    prop_assert_eq!(guard.admit(at(now), own), Admission::Open);
                }
                prop_assert_eq!(guard.pairs.entries.len(), guard.pairs.by_age.len());
                prop_assert_eq!(guard.lately.kept.len(), guard.lately.by_age.len());
            }
        }
    }
}

//! Who is called first among those who are free: an order that stays while they are free, so that the choice is the first of a sorted
//! set. Owns the orders of the five strategies; refuses to know who is free. Ties go to who has been free for longest, then to the
//! account's order: nothing is drawn, so that a run can be repeated.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::model::Strategy;

/// What is known of somebody who is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Free {
    /// Which place among all, and in the account's order.
    pub(super) seat: usize,
    pub(super) order: u32,
    /// Grows with each time that somebody becomes free.
    pub(super) idle_ticket: u64,
    pub(super) served: u64,
    pub(super) tier: u8,
    /// How well they suit the line.
    pub(super) fit: u32,
}

/// A place in the order of a line's free representatives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    first: u64,
    idle_ticket: u64,
    seat: usize,
}

impl Place {
    pub(super) fn of(strategy: Strategy, free: Free) -> Place {
        let first = match strategy {
            Strategy::LongestIdle => 0,
            Strategy::FewestCalls => free.served,
            Strategy::SkillBest => u64::from(u32::MAX - free.fit),
            Strategy::RoundRobin => u64::from(free.order),
            Strategy::Priority => u64::from(free.tier),
        };
        Place { first, idle_ticket: free.idle_ticket, seat: free.seat }
    }
}

/// Those of a line who are free, in the order of its strategy.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    free: BTreeSet<Place>,
    /// Whose turn it was last, by the account's order.
    last_turn: Option<u64>,
}

impl Standing {
    pub(super) fn add(&mut self, place: Place) {
        self.free.insert(place);
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.free.remove(&place);
    }

    /// Whose call the next one is. They stay until they are removed.
    pub(super) fn choose(&mut self, strategy: Strategy) -> Option<usize> {
        let chosen = match strategy {
            Strategy::RoundRobin => {
                let after = |last| Place { first: last, idle_ticket: u64::MAX, seat: usize::MAX };
                let next = self.last_turn.map(|last| self.free.range((Bound::Excluded(after(last)), Bound::Unbounded)));
                next.and_then(|mut next| next.next()).or_else(|| self.free.first())
            }
            Strategy::LongestIdle | Strategy::FewestCalls | Strategy::SkillBest | Strategy::Priority => {
                self.free.first()
            }
        };
        let chosen = *chosen?;
        self.last_turn = Some(chosen.first);
        Some(chosen.seat)
    }

    #[cfg(test)]
    pub(super) fn seats(&self) -> impl Iterator<Item = usize> {
        self.free.iter().map(|place| place.seat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(seat: usize) -> Free {
        let n = u32::try_from(seat).unwrap();
        Free { seat, order: n, idle_ticket: 10 - u64::from(n), served: 5, tier: 2, fit: 3 }
    }

    fn chosen(strategy: Strategy, those: &[Free], times: usize) -> Vec<usize> {
        let mut standing = Standing::default();
        those.iter().for_each(|free| standing.add(Place::of(strategy, *free)));
        (0..times).filter_map(|_| standing.choose(strategy)).collect()
    }

    #[test]
    fn each_strategy_has_its_first() {
        let those = [free(0), Free { served: 4, ..free(1) }, Free { fit: 9, ..free(2) }, Free { tier: 1, ..free(3) }];
        let ask = |strategy| chosen(strategy, &those, 1);
        assert_eq!(ask(Strategy::LongestIdle), [3]);
        assert_eq!(ask(Strategy::FewestCalls), [1]);
        assert_eq!(ask(Strategy::SkillBest), [2]);
        assert_eq!(ask(Strategy::Priority), [3]);
        assert!(chosen(Strategy::LongestIdle, &[], 1).is_empty());
    }

    #[test]
    fn a_round_goes_through_the_accounts_order_and_begins_again() {
        let those = [free(2), free(0), free(1)];
        assert_eq!(chosen(Strategy::RoundRobin, &those, 7), [0, 1, 2, 0, 1, 2, 0]);
    }
}

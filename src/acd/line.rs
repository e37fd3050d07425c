//! A line: customers with the same need, in the order of their coming, and the representatives who suit it. Owns the places and that a
//! priority is worth some waiting and never more: whoever comes later by more than that waits behind, so that nobody starves.

use std::collections::{BTreeMap, BTreeSet};

use super::api::CustomerId;
use super::seat::SeatNo;
use super::strategy::Standing;
use crate::clock::Mono;
use crate::model::Need;

/// A place is told while no more than so many stand before it.
const MAX_BEFORE: usize = 1_000;

/// A place in line: the moment of coming less what the priority is worth, then the order of coming.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rank {
    /// Microseconds; may lie before the beginning.
    pub(super) at: i64,
    pub(super) ticket: u64,
}

/// A customer whose phone is dialled or who holds, and who has nobody free: before all who wait, those who have answered first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Urgent {
    /// The phone still rings.
    pub(super) rings: bool,
    /// Since when it rings, or they hold.
    pub(super) since: Mono,
    pub(super) customer: CustomerId,
}

/// Customers with one need.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) need: Need,
    /// Whose phone is not dialled yet.
    pub(super) waiting: BTreeMap<Rank, CustomerId>,
    pub(super) urgent: BTreeSet<Urgent>,
    pub(super) free: Standing,
    /// Who suits, whether there or not.
    pub(super) seats: Vec<SeatNo>,
    /// How many of them take calls.
    pub(super) takers: usize,
    /// Customers of this line at any stage.
    pub(super) customers: usize,
}

impl Line {
    pub(super) fn new(need: Need) -> Line {
        Line {
            need,
            waiting: BTreeMap::new(),
            urgent: BTreeSet::new(),
            free: Standing::default(),
            seats: Vec::new(),
            takers: 0,
            customers: 0,
        }
    }

    /// How many stand before this place; none: more than are counted.
    pub(super) fn before(&self, rank: Rank) -> Option<usize> {
        let before = self.waiting.range(..rank).take(MAX_BEFORE + 1).count();
        (before <= MAX_BEFORE).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_comes_before_whose_phone_rings_and_each_in_the_order_of_since() {
        let urgent = |rings, since, n| Urgent { rings, since: Mono(since), customer: CustomerId(n) };
        let order = BTreeSet::from([urgent(true, 1, 1), urgent(false, 9, 2), urgent(false, 8, 3)]);
        assert_eq!(order.iter().map(|urgent| urgent.customer.0).collect::<Vec<_>>(), [3, 2, 1]);
    }

    #[test]
    fn a_place_is_told_while_few_enough_stand_before_it() {
        let mut line = Line::new(Need::default());
        let rank = |n: usize| Rank { at: 0, ticket: n as u64 };
        line.waiting.extend((0..1_100).map(|n| (rank(n), CustomerId(n as u128))));
        assert_eq!(
            (line.before(rank(0)), line.before(rank(1_000)), line.before(rank(1_001))),
            (Some(0), Some(1_000), None)
        );
    }
}

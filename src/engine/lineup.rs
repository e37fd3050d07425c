//! Who waits for a channel, in the order of coming. Owns the places in the line and which switches are waited for; refuses to
//! know what a channel is and who may have one (`routing`'s).

use std::collections::BTreeMap;

use crate::routing::Lines;

/// What somebody waits for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Wants {
    /// A channel of these switches.
    One(Lines),
    /// One of the first, and that another of the second is left for the representative.
    Both(Lines, Lines),
}

/// A line: first come, first served.
#[derive(Debug)]
pub(super) struct Lineup<K> {
    order: BTreeMap<u64, K>,
    places: BTreeMap<K, (u64, Option<Wants>)>,
    wanted: BTreeMap<Wants, usize>,
    next: u64,
}

impl<K> Default for Lineup<K> {
    fn default() -> Lineup<K> {
        Lineup { order: BTreeMap::new(), places: BTreeMap::new(), wanted: BTreeMap::new(), next: 0 }
    }
}

impl<K: Ord + Copy> Lineup<K> {
    /// Takes a place at the end; whoever has one keeps it.
    pub(super) fn join(&mut self, who: K) {
        if !self.places.contains_key(&who) {
            self.next += 1;
            self.order.insert(self.next, who);
            self.places.insert(who, (self.next, None));
        }
    }

    /// It waits for this now; for nothing: what keeps it waiting is no channel. One without a place is not waiting.
    pub(super) fn waits(&mut self, who: K, wants: Option<Wants>) {
        let Some((_, place)) = self.places.get_mut(&who) else { return };
        if *place == wants {
            return;
        }
        let before = std::mem::replace(place, wants.clone());
        self.forget(before);
        if let Some(wants) = wants {
            *self.wanted.entry(wants).or_default() += 1;
        }
    }

    /// It waits no more.
    pub(super) fn leave(&mut self, who: K) {
        if let Some((ticket, wants)) = self.places.remove(&who) {
            self.order.remove(&ticket);
            self.forget(wants);
        }
    }

    fn forget(&mut self, wants: Option<Wants>) {
        let Some(wants) = wants else { return };
        if let Some(count) = self.wanted.get_mut(&wants) {
            *count -= 1;
            if *count == 0 {
                self.wanted.remove(&wants);
            }
        }
    }

    /// True when it has a place.
    pub(super) fn stands(&self, who: K) -> bool {
        self.places.contains_key(&who)
    }

    /// What it waits for.
    pub(super) fn wants_of(&self, who: K) -> Option<&Wants> {
        self.places.get(&who)?.1.as_ref()
    }

    /// True when nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many of those that `count` stand before this one. `None`: it does not stand here, or more than `most` do before it, of
    /// whatever kind.
    pub(super) fn before(&self, who: K, most: usize, count: impl Fn(K) -> bool) -> Option<u32> {
        let (ticket, _) = self.places.get(&who)?;
        let mut counted = 0;
        for (seen, (_, other)) in self.order.range(..ticket).enumerate() {
            if seen >= most {
                return None;
            }
            counted += u32::from(count(*other));
        }
        Some(counted)
    }

    /// Everybody, the first first.
    pub(super) fn in_order(&self) -> Vec<K> {
        self.order.values().copied().collect()
    }

    /// What is waited for, each once.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Wants> {
        self.wanted.keys()
    }

    /// True when somebody waits for a channel.
    pub(super) fn wants_channels(&self) -> bool {
        !self.wanted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: u32) -> Option<Wants> {
        Some(Wants::One(Lines::of([line])))
    }

    #[test]
    fn places_are_kept_in_the_order_of_coming_and_each_want_is_told_while_somebody_has_it() {
        let mut line = Lineup::default();
        for who in ['c', 'a', 'b', 'c'] {
            line.join(who);
        }
        assert_eq!(line.in_order(), ['c', 'a', 'b']);
        assert_eq!(line.before('b', 10, |who| who != 'a'), Some(1));
        assert_eq!((line.before('b', 1, |_| true), line.before('x', 10, |_| true)), (None, None));
        assert!(!line.wants_channels());
        line.waits('c', one(1));
        line.waits('b', one(1));
        line.waits('x', one(9));
        line.leave('c');
        assert_eq!(line.wanted().collect::<Vec<_>>(), [&Wants::One(Lines::of([1]))]);
        line.waits('b', one(2));
        assert_eq!(line.wanted().collect::<Vec<_>>(), [&Wants::One(Lines::of([2]))]);
        line.waits('b', None);
        assert!(!line.wants_channels() && !line.is_empty());
        line.leave('b');
        line.leave('a');
        line.leave('a');
        assert!(line.is_empty());
    }
}

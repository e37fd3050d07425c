//! Channels that are kept for representatives: whoever dials a customer claims one more, on the switches that serve the
//! representative, until that leg has its own. Owns the claims and whether one more leg leaves enough for all of them; refuses
//! to know calls.
//!
//! For each list of switches that is claimed, as many channels must be free as are claimed on it and on the lists within it.
//! For lists that are equal or have nothing in common, which is what prefixes make, that is exact.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::line::Line;
use super::{Blocked, Candidate, Routing};
use crate::clock::Mono;
use crate::model::Endpoint;

/// The switches that serve a destination now: a name for that list, equal for destinations that are served alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Lines(Vec<u32>);

impl Lines {
    /// A list of these.
    pub fn of(lines: impl IntoIterator<Item = u32>) -> Lines {
        let mut lines: Vec<u32> = lines.into_iter().collect();
        lines.sort_unstable();
        Lines(lines)
    }

    /// True when some switch is in both.
    pub fn meets(&self, other: &Lines) -> bool {
        self.0.iter().any(|line| other.holds(*line))
    }

    fn holds(&self, line: u32) -> bool {
        self.0.binary_search(&line).is_ok()
    }

    fn is_within(&self, other: &Lines) -> bool {
        self.0.iter().all(|line| other.holds(*line))
    }
}

/// A channel that is kept for a representative. Gives itself back when dropped.
#[derive(Debug)]
pub struct Claim {
    count: Arc<AtomicU32>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is claimed, by list.
#[derive(Debug, Default)]
pub(super) struct Claims(BTreeMap<Lines, Arc<AtomicU32>>);

impl Claims {
    fn count(&self, within: &Lines) -> u32 {
        let inside = self.0.iter().filter(|(lines, _)| lines.is_within(within));
        inside.map(|(_, count)| count.load(Ordering::Relaxed)).sum()
    }

    /// Lists with a claim on them.
    fn lists(&self) -> impl Iterator<Item = &Lines> {
        self.0.iter().filter(|(_, count)| count.load(Ordering::Relaxed) > 0).map(|(lines, _)| lines)
    }
}

/// Why a customer is not dialled now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Short {
    /// No switch has a channel for the customer.
    OfOne,
    /// One could be had, but then none would be left for the representative.
    OfTwo,
}

impl Routing {
    /// The list of switches that serve a destination now.
    pub fn lines(&self, endpoint: &Endpoint) -> Lines {
        Lines::of(self.serving(endpoint).into_iter().flatten().map(|line| line.id))
    }

    /// Whether a customer may be dialled now: there is a channel for that leg, and one more for the representative. Where the
    /// switches of both have never two channels, waiting for the second would be waiting for ever: the first is enough.
    pub fn room_for_both(
        &self,
        now: Mono,
        customer: &Endpoint,
        representative: Option<&Endpoint>,
    ) -> Result<(), Short> {
        if self.room(now, customer) == Err(Blocked::Busy) {
            return Err(Short::OfOne);
        }
        let Some(wanted) = self.claimable(customer, representative) else { return Ok(()) };
        let of_customer = self.lines(customer);
        let mut free = self.lines.iter().filter(|line| of_customer.holds(line.id) && line.has_room(now));
        if free.any(|line| self.leaves_enough(line.id, Some(&wanted))) { Ok(()) } else { Err(Short::OfTwo) }
    }

    /// Keeps a channel for the representative of a customer who is dialled now; none where there is no sense in it.
    pub fn claim(&mut self, customer: &Endpoint, representative: Option<&Endpoint>) -> Option<Claim> {
        let wanted = self.claimable(customer, representative)?;
        self.claims.0.retain(|_, count| count.load(Ordering::Relaxed) > 0);
        let count = Arc::clone(self.claims.0.entry(wanted).or_default());
        count.fetch_add(1, Ordering::Relaxed);
        Some(Claim { count })
    }

    /// Whether a leg through this candidate leaves a channel for everybody who claims one.
    pub fn spares(&self, candidate: &Candidate) -> bool {
        let line = self.lines.iter().find(|line| line.switch.name == candidate.switch.name);
        line.is_some_and(|line| self.leaves_enough(line.id, None))
    }

    /// The list that a representative's channel is claimed on. None: nobody named, nobody serves them now, or two channels are
    /// never to be had.
    fn claimable(&self, customer: &Endpoint, representative: Option<&Endpoint>) -> Option<Lines> {
        let wanted = self.lines(representative?);
        if wanted.0.is_empty() {
            return None;
        }
        let both = Lines::of(self.lines(customer).0.into_iter().chain(wanted.0.iter().copied()));
        let capacity = self.sum(&both, |line| line.switch.max_channels);
        capacity.is_none_or(|all| all >= 2).then_some(wanted)
    }

    /// With one channel of `taken` less and one claim on `more`: are there as many free as claimed, wherever some are claimed?
    fn leaves_enough(&self, taken: u32, more: Option<&Lines>) -> bool {
        self.claims.lists().chain(more).all(|list| {
            let Some(free) = self.sum(list, Line::free) else { return true };
            let used = u32::from(list.holds(taken));
            let claimed = self.claims.count(list) + u32::from(more.is_some_and(|more| more.is_within(list)));
            free >= used + claimed
        })
    }

    /// Of all of a list; none: without bound.
    fn sum(&self, list: &Lines, of: impl Fn(&Line) -> Option<u32>) -> Option<u32> {
        let lines = self.lines.iter().filter(|line| list.holds(line.id));
        lines.map(of).try_fold(0u32, |sum, one| Some(sum.saturating_add(one?)))
    }
}

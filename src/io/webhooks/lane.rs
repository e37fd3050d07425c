//! What is on its way to one business, to its webhook or to the sinks of its calls: what was read of the outbox, what is being sent, when to look again. Owns that no event is
//! begun twice; refuses to read and to send.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::retry::GIVEN_UP_AFTER;
use crate::clock::Wall;
use crate::io::store::Due;

/// Events read at once.
const READ: usize = 64;
/// Dead letters made at once, of one business.
const BURIED_AT_ONCE: usize = 32;

/// What was found in the outbox.
pub(super) struct Look {
    pub due: Vec<Due>,
    /// When the next one is due after these.
    pub next: Option<Wall>,
    /// So many were asked for.
    pub limit: usize,
}

/// One business's.
#[derive(Default)]
pub(super) struct Lane {
    ready: VecDeque<Due>,
    flying: BTreeSet<i64>,
    /// There may be more in the outbox than is known here.
    unseen: bool,
    next: Option<Wall>,
    pub pace: Pace,
}

impl Lane {
    /// Something may have changed in the outbox.
    pub fn look(&mut self) {
        self.unseen = true;
    }

    /// Nothing is known to be on its way.
    pub fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.flying.is_empty() && !self.unseen && self.next.is_none()
    }

    /// How many to read now, if any. What is being sent is found again, so that many more.
    pub fn wants(&self, now: Wall) -> Option<usize> {
        let look = self.unseen || self.next.is_some_and(|next| next <= now);
        (look && self.ready.is_empty()).then(|| self.flying.len() + READ)
    }

    /// Takes what was found, but for what is being sent.
    pub fn fill(&mut self, look: Look) {
        self.unseen = look.due.len() >= look.limit;
        self.next = look.next;
        self.ready.extend(look.due.into_iter().filter(|due| !self.flying.contains(&due.number)));
    }

    /// The next event that is not sent any more: too old, or nobody is there for it (`nobody`).
    pub fn next_to_bury(&mut self, now: Wall, nobody: impl FnOnce(&Due) -> bool) -> Option<Due> {
        let bury = self.ready.front().is_some_and(|due| nobody(due) || is_late(due.since, now));
        if bury && self.flying.len() < BURIED_AT_ONCE { self.take() } else { None }
    }

    /// The next event that may be sent.
    pub fn next(&mut self, now: Instant) -> Option<Due> {
        let may = self.flying.len() < self.pace.at_once() && self.pace.rests_until(now).is_none();
        if may { self.take() } else { None }
    }

    fn take(&mut self) -> Option<Due> {
        let due = self.ready.pop_front()?;
        self.flying.insert(due.number);
        Some(due)
    }

    /// An event was settled: the next of its call may be due now, or the same one later.
    pub fn landed(&mut self, number: i64) {
        self.flying.remove(&number);
        self.unseen = true;
    }

    /// How long until it wants something by itself; `None`: not before it is told.
    pub fn wakes_after(&self, wall: Wall, now: Instant) -> Option<Duration> {
        let rest = self.pace.rests_until(now).filter(|_| !self.ready.is_empty()).map(|until| until - now);
        let next = self.next.filter(|_| self.ready.is_empty());
        rest.or_else(|| next.map(|next| Duration::from_millis(next.millis_since(wall).max(1))))
    }
}

/// An event is not sent any more that long after it happened.
pub(super) fn is_late(since: Wall, now: Wall) -> bool {
    u128::from(now.millis_since(since)) > GIVEN_UP_AFTER.as_millis()
}

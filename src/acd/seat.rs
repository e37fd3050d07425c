//! One representative as the distribution keeps them: the account's entry, the log-on, what they do, which lines they serve. Owns
//! whether they take calls; refuses to choose.

use super::lease::Session;
use super::shift;
use super::state::{State, Work, derive};
use super::strategy::Free;
use crate::clock::{Mono, Wall};
use crate::model::{Representative, Wish};

/// A seat's place among all.
pub(super) type SeatNo = usize;
/// A line's place among all.
pub(super) type LineNo = usize;

/// One representative.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) one: Representative,
    /// In the account's order.
    pub(super) order: u32,
    /// No longer in the account; goes when no leg is left.
    pub(super) gone: bool,
    pub(super) session: Option<Session>,
    pub(super) work: Work,
    /// Not called until then.
    pub(super) aside: Option<Mono>,
    pub(super) on_shift: bool,
    /// Lines whose need they suit, and how well.
    pub(super) serves: Vec<(LineNo, u32)>,
    /// Grows with each time that somebody becomes free.
    pub(super) idle_ticket: u64,
    pub(super) served: u64,
    /// Among the free of each of its lines.
    pub(super) listed: bool,
    /// Its key among those who are soon free.
    pub(super) soon: Option<Soon>,
    /// Counted among those who take calls, in each of its lines.
    pub(super) counted: bool,
}

/// Who is free soonest: first those who write up, by its end; then those who talk, the longest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Soon {
    /// Until then.
    WrapUp(Mono),
    /// Since then.
    Busy(Mono),
}

impl Seat {
    pub(super) fn new(one: Representative, order: u32, now: Mono) -> Seat {
        Seat {
            one,
            order,
            gone: false,
            session: None,
            work: Work::Idle { since: now },
            aside: None,
            on_shift: true,
            serves: Vec::new(),
            idle_ticket: 0,
            served: 0,
            listed: false,
            soon: None,
            counted: false,
        }
    }

    /// Whether they get customers, now or when they are free.
    pub(super) fn takes(&self) -> bool {
        let wishes = self.session.is_some_and(|session| session.wish == Wish::Available);
        wishes && self.on_shift && self.aside.is_none() && !self.gone
    }

    pub(super) fn state(&self) -> State {
        derive(self.work, self.session, self.on_shift, self.aside)
    }

    /// Their shift at this moment; when to look again.
    pub(super) fn look_at_shift(&mut self, wall: Wall) -> Option<Wall> {
        if self.one.shifts.is_empty() {
            self.on_shift = true;
            return None;
        }
        let opening = shift::of_representative(&self.one, wall);
        self.on_shift = opening.open;
        opening.until
    }

    pub(super) fn free(&self, seat: SeatNo, fit: u32) -> Free {
        let (order, idle_ticket, served, tier) = (self.order, self.idle_ticket, self.served, self.one.tier);
        Free { seat, order, idle_ticket, served, tier, fit }
    }

    pub(super) fn serves(&self, line: LineNo) -> bool {
        self.serves.iter().any(|(served, _)| *served == line)
    }

    /// Its key among those who are soon free.
    pub(super) fn soon_key(&self) -> Option<Soon> {
        match self.work {
            Work::WrapUp { until, .. } => Some(Soon::WrapUp(until)),
            Work::Busy { since, .. } => Some(Soon::Busy(since)),
            Work::Idle { .. } | Work::Promised { .. } | Work::Ringing { .. } => None,
        }
    }
}

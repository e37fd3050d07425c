//! Who is there: the account's representatives, their log-on, their rests, their shifts, and which lines they serve. Owns what changes
//! these; whom they get is `reserve`'s.

use std::time::Duration;

use super::api::{CustomerId, GivenUp, Output};
use super::distribution::{Distribution, Key, Stage};
use super::error::Refusal;
use super::lease::{self, Session, Turn};
use super::line::Line;
use super::need;
use super::seat::{LineNo, Seat, SeatNo};
use super::state::Work;
use crate::clock::Now;
use crate::model::{Need, RepresentativeId, Staffing, Wish};

/// Different needs that are told apart at once.
const MAX_LINES: usize = 256;
/// The wall clock is looked at this often, because it may jump.
const LOOK: Duration = Duration::from_secs(30);

impl Distribution {
    /// The account is as given from now on: who is new can log on, who is gone gets no customer more, talks go on.
    pub fn reconfigure(&mut self, now: Now, settings: Staffing) {
        for (_, seat) in &mut self.seats {
            (seat.gone, seat.listed, seat.counted, seat.soon) = (true, false, false, None);
            seat.serves.clear();
        }
        self.soon.clear();
        for (order, one) in (0..).zip(&settings.representatives) {
            match self.by_id.get(&one.id).and_then(|no| self.seats.get_mut(*no)) {
                Some(seat) => {
                    (seat.one, seat.order, seat.gone) = (one.clone(), order, false);
                    seat.on_shift = true;
                }
                None => {
                    let no = self.seats.insert(Seat::new(one.clone(), order, now.mono));
                    self.by_id.insert(one.id.clone(), no);
                }
            }
        }
        self.settings = settings;
        self.forget_hours();
        for (no, line) in &mut self.lines {
            *line = Line { free: Default::default(), seats: Vec::new(), takers: 0, ..line.clone() };
            Distribution::staff(no, line, &mut self.seats, self.settings.strategy);
        }
        let all: Vec<SeatNo> = self.seats.iter().map(|(no, _)| no).collect();
        for no in all {
            let gone = self.seats.get(no).is_some_and(|seat| seat.gone);
            if gone {
                self.log_off(now, no);
            } else {
                self.watch_shift(now, no);
                self.settle(now, no);
            }
        }
        let empty: Vec<LineNo> = self.lines.iter().filter(|(_, line)| line.takers == 0).map(|(no, _)| no).collect();
        empty.into_iter().for_each(|no| self.nobody_is_left(now, no));
    }

    /// Who suits this line serves it.
    fn staff(no: LineNo, line: &mut Line, seats: &mut slab::Slab<Seat>, strategy: crate::model::Strategy) {
        for (seat_no, seat) in seats {
            let Some(fit) = need::fit(&line.need, &seat.one).filter(|_| !seat.gone) else { continue };
            seat.serves.push((no, fit));
            line.seats.push(seat_no);
            line.takers += usize::from(seat.counted);
            if seat.listed {
                line.free.add(super::strategy::Place::of(strategy, seat.free(seat_no, fit)));
            }
        }
    }

    /// The line of this need; a new one where nobody has asked for it yet.
    pub(super) fn line_for(&mut self, need: &Need) -> Result<LineNo, Refusal> {
        let need = need::line(need);
        if let Some(no) = self.by_need.get(&need) {
            return Ok(*no);
        }
        let suits = |seat: &Seat| !seat.gone && need::fit(&need, &seat.one).is_some();
        if !self.seats.iter().any(|(_, seat)| suits(seat)) {
            return Err(Refusal::NobodySuits);
        }
        if self.lines.len() >= MAX_LINES {
            let unused = self.lines.iter().find(|(_, line)| line.customers == 0).map(|(no, _)| no);
            self.close_line(unused.ok_or(Refusal::TooManyNeeds)?);
        }
        let entry = self.lines.vacant_entry();
        let no = entry.key();
        let line = entry.insert(Line::new(need.clone()));
        Distribution::staff(no, line, &mut self.seats, self.settings.strategy);
        self.by_need.insert(need, no);
        Ok(no)
    }

    fn close_line(&mut self, no: LineNo) {
        let Some(line) = self.lines.try_remove(no) else { return };
        self.by_need.remove(&line.need);
        for seat in line.seats {
            if let Some(seat) = self.seats.get_mut(seat) {
                seat.serves.retain(|(line, _)| *line != no);
            }
        }
    }

    /// A representative's word.
    pub(super) fn session(&mut self, now: Now, representative: RepresentativeId, wish: Wish, lease: Duration) {
        let known = self.by_id.get(&representative).copied();
        let Some((no, seat)) = known.and_then(|no| self.seats.get_mut(no).map(|seat| (no, seat))) else {
            let why = Refusal::UnknownRepresentative(representative);
            return self.outputs.push_back(Output::Refused { customer: None, why });
        };
        if wish != Wish::LoggedOff && !lease::is_possible(lease) {
            return self.outputs.push_back(Output::Refused { customer: None, why: Refusal::Lease });
        }
        let until = now.mono + lease;
        let (session, turn) = lease::renew(seat.session, wish, until);
        if session.is_none() {
            return self.log_off(now, no);
        }
        seat.session = session;
        self.timers.set(Key::Lease(no), until);
        match turn {
            Turn::Renewed => {}
            Turn::On => self.log_on(now, no),
            Turn::Back => self.come_back(now, no),
            Turn::Other => self.settle(now, no),
        }
    }

    fn log_on(&mut self, now: Now, no: SeatNo) {
        let there = self.seats.iter().filter(|(other, seat)| *other != no && seat.session.is_some());
        let least = there.map(|(_, seat)| seat.served).min().unwrap_or(0);
        if let Some(seat) = self.seats.get_mut(no) {
            // Who comes late does not get all the calls that others had meanwhile.
            seat.served = seat.served.max(least);
            seat.aside = None;
        }
        self.timers.cancel(&Key::Aside(no));
        self.queue_up(no);
        self.watch_shift(now, no);
        self.settle(now, no);
    }

    fn come_back(&mut self, now: Now, no: SeatNo) {
        if let Some(seat) = self.seats.get_mut(no) {
            seat.aside = None;
        }
        self.timers.cancel(&Key::Aside(no));
        self.queue_up(no);
        self.rest_is_over(now, no);
    }

    /// Talks go on.
    fn log_off(&mut self, now: Now, no: SeatNo) {
        let Some(seat) = self.seats.get_mut(no) else { return };
        seat.session = None;
        seat.aside = None;
        [Key::Lease(no), Key::Aside(no), Key::Shift(no)].iter().for_each(|key| self.timers.cancel(key));
        self.rest_is_over(now, no);
    }

    /// The last among those who are free.
    fn queue_up(&mut self, no: SeatNo) {
        self.unlist(no);
        self.next_ticket += 1;
        if let Some(seat) = self.seats.get_mut(no) {
            seat.idle_ticket = self.next_ticket;
        }
    }

    /// Whoever wrote up does so no more, and is settled in any case. The next customer, if there is one, is of those who need somebody
    /// most, and looks for somebody else only after that.
    fn rest_is_over(&mut self, now: Now, no: SeatNo) {
        self.timers.cancel(&Key::WrapUp(no));
        let Some(Work::WrapUp { next, .. }) = self.seats.get(no).map(|seat| seat.work) else {
            return self.settle(now, no);
        };
        if let Some(id) = next {
            self.release(now, id);
        }
        self.queue_up(no);
        if let Some(seat) = self.seats.get_mut(no) {
            seat.work = Work::Idle { since: now.mono };
        }
        self.settle(now, no);
        next.into_iter().for_each(|id| self.find_seat(now, id));
    }

    /// A talk of this representative is over.
    pub(super) fn talk_ended(&mut self, now: Now, no: SeatNo) {
        let Some(seat) = self.seats.get_mut(no) else { return };
        let next = seat.work.kept_for();
        let until = now.mono + Duration::from_secs(self.settings.wrap_up_seconds.into());
        seat.work = Work::WrapUp { until, next };
        if until > now.mono && seat.session.is_some() {
            self.timers.set(Key::WrapUp(no), until);
            return self.settle(now, no);
        }
        self.wrap_up_ended(now, no);
    }

    pub(super) fn wrap_up_ended(&mut self, now: Now, no: SeatNo) {
        self.changed(no);
        self.rest_is_over(now, no);
    }

    pub(super) fn aside_ended(&mut self, now: Now, no: SeatNo) {
        if let Some(seat) = self.seats.get_mut(no) {
            seat.aside = None;
        }
        self.queue_up(no);
        self.changed(no);
        self.settle(now, no);
    }

    pub(super) fn lease_ended(&mut self, now: Now, no: SeatNo) {
        self.changed(no);
        self.log_off(now, no);
    }

    fn changed(&mut self, no: SeatNo) {
        if let Some(seat) = self.seats.get(no) {
            self.outputs.push_back(Output::Changed { representative: seat.one.id.clone() });
        }
    }

    pub(super) fn look_at_shift(&mut self, now: Now, no: SeatNo) {
        let before = self.seats.get(no).is_some_and(|seat| seat.on_shift);
        self.watch_shift(now, no);
        if self.seats.get(no).is_some_and(|seat| seat.on_shift != before) {
            self.changed(no);
            self.settle(now, no);
        }
    }

    /// Whether their shift is on, and when that is looked at again.
    fn watch_shift(&mut self, now: Now, no: SeatNo) {
        let Some(seat) = self.seats.get_mut(no).filter(|seat| seat.session.is_some()) else { return };
        let until = seat.look_at_shift(now.wall);
        if seat.one.shifts.is_empty() {
            return self.timers.cancel(&Key::Shift(no));
        }
        let left = until.map_or(LOOK, |until| Duration::from_millis(until.millis_since(now.wall)).min(LOOK));
        self.timers.set(Key::Shift(no), now.mono + left);
    }

    /// Counts this representative among those who take calls, or not, in each of their lines.
    pub(super) fn count(&mut self, now: Now, no: SeatNo, takes: bool) {
        let Some(seat) = self.seats.get_mut(no).filter(|seat| seat.counted != takes) else { return };
        seat.counted = takes;
        let mut empty = Vec::new();
        for (line_no, _) in &seat.serves {
            let Some(line) = self.lines.get_mut(*line_no) else { continue };
            line.takers = if takes { line.takers + 1 } else { line.takers.saturating_sub(1) };
            if line.takers == 0 {
                empty.push(*line_no);
            }
        }
        empty.into_iter().for_each(|line| self.nobody_is_left(now, line));
    }

    /// Nobody takes calls of this line: who holds is given up, and who waits where there is an overflow number.
    fn nobody_is_left(&mut self, now: Now, line: LineNo) {
        let Some(line) = self.lines.get(line) else { return };
        let holding = line.urgent.iter().filter(|urgent| !urgent.rings).map(|urgent| urgent.customer);
        let waiting = line.waiting.values().copied().filter(|_| self.settings.overflow.is_some());
        let lost: Vec<CustomerId> = holding.chain(waiting).collect();
        for id in lost {
            let alone = |stage| matches!(stage, Stage::Waiting | Stage::Holding { .. });
            if self.customers.get(&id).is_some_and(|customer| alone(customer.stage)) {
                self.give_up(now, id, GivenUp::NobodyThere);
            }
        }
    }

    /// No longer in the account, and without a leg.
    pub(super) fn remove_seat(&mut self, no: SeatNo) {
        let Some(seat) = self.seats.try_remove(no) else { return };
        if self.by_id.get(&seat.one.id) == Some(&no) {
            self.by_id.remove(&seat.one.id);
        }
        [Key::Lease(no), Key::Aside(no), Key::Shift(no), Key::WrapUp(no)]
            .iter()
            .for_each(|key| self.timers.cancel(key));
    }

    /// Until when each representative is logged on, and as what: what a restart needs to know.
    pub fn sessions(&self) -> impl Iterator<Item = (&RepresentativeId, Session)> {
        self.by_id.iter().filter_map(move |(id, no)| Some((id, self.seats.get(*no)?.session?)))
    }
}

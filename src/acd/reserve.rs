//! Who is kept for whom. Owns reservations: each representative is kept for one customer at most, each customer has one representative
//! at most, and both know it. A reservation with somebody free is firm; one with somebody busy is a forecast, and whoever becomes free
//! first goes to the customer who needs somebody most.

use super::api::CustomerId;
use super::distribution::{Distribution, Stage};
use super::line::Urgent;
use super::seat::SeatNo;
use super::state::Work;
use super::strategy::Place;
use crate::clock::Now;

/// Those who are soon free are looked through so far.
const SCAN: usize = 256;

impl Distribution {
    /// Keeps this representative for this customer, whose phone rings or who holds, and who has nobody else.
    pub(super) fn keep(&mut self, now: Now, no: SeatNo, id: CustomerId) {
        let (Some(customer), Some(seat)) = (self.customers.get_mut(&id), self.seats.get_mut(no)) else { return };
        if let Stage::Dialled { kept, .. } | Stage::Holding { kept, .. } = &mut customer.stage {
            *kept = Some(no);
        }
        match seat.work {
            Work::Idle { .. } => {
                seat.work = Work::Promised { customer: id, since: now.mono };
                self.leave_urgent(id);
            }
            Work::Busy { .. } | Work::WrapUp { .. } => {
                seat.work.set_next(Some(id));
                self.join_urgent(id);
            }
            Work::Promised { .. } | Work::Ringing { .. } => {}
        }
    }

    /// Whether this representative is free and kept for this customer.
    pub(super) fn is_firm(&self, no: SeatNo, id: CustomerId) -> bool {
        let work = self.seats.get(no).map(|seat| seat.work);
        matches!(work, Some(Work::Promised { customer, .. }) if customer == id)
    }

    /// Nobody is kept for this customer any more. Who was is to be settled.
    pub(super) fn release(&mut self, now: Now, id: CustomerId) -> Option<SeatNo> {
        let customer = self.customers.get_mut(&id)?;
        let (Stage::Dialled { kept, .. } | Stage::Holding { kept, .. }) = &mut customer.stage else { return None };
        let no = kept.take()?;
        let seat = self.seats.get_mut(no).filter(|seat| seat.work.kept_for() == Some(id))?;
        match &mut seat.work {
            // The turn among those who are free stays: nobody was talked with.
            work @ Work::Promised { .. } => *work = Work::Idle { since: now.mono },
            work => work.set_next(None),
        }
        Some(no)
    }

    /// A customer who has nobody kept: somebody free, else who is free soonest.
    pub(super) fn find_seat(&mut self, now: Now, id: CustomerId) {
        let Some(customer) = self.customers.get(&id) else { return };
        let holds = match customer.stage {
            Stage::Dialled { kept: None, .. } => false,
            Stage::Holding { kept: None, .. } => true,
            _ => return,
        };
        let (line_no, strategy) = (customer.line, self.settings.strategy);
        let Some(line) = self.lines.get_mut(line_no) else { return };
        if let Some(no) = line.free.choose(strategy) {
            self.unlist(no);
            return self.serve(now, no, id, holds);
        }
        let next =
            |no: SeatNo| self.seats.get(no).is_some_and(|seat| seat.work.kept_for().is_none() && seat.serves(line_no));
        let soonest = self.soon.iter().take(SCAN).map(|(_, no)| *no).find(|no| next(*no));
        if let Some(no) = soonest {
            self.keep(now, no, id);
        }
    }

    /// Somebody free for a customer who has nobody: at once where they hold, else kept.
    fn serve(&mut self, now: Now, no: SeatNo, id: CustomerId, holds: bool) {
        match holds {
            true => {
                self.leave_urgent(id);
                self.offer(now, no, id);
            }
            false => self.keep(now, no, id),
        }
    }

    /// Something about this representative is otherwise: in and out of the sets of those who are free, soon free, there at all; and
    /// who is free and takes calls gets the one who needs somebody most.
    pub(super) fn settle(&mut self, now: Now, no: SeatNo) {
        self.unlist(no);
        let Some(seat) = self.seats.get_mut(no) else { return };
        let (takes, kept_for) = (seat.takes(), seat.work.kept_for());
        if !takes && let Some(id) = kept_for {
            self.release(now, id);
            self.join_urgent(id);
        }
        self.count(now, no, takes);
        let Some(seat) = self.seats.get_mut(no) else { return };
        match (seat.work, takes) {
            (Work::Idle { .. }, true) => self.give(now, no),
            (Work::Busy { .. } | Work::WrapUp { .. }, true) => {
                seat.soon = seat.soon_key();
                self.soon.extend(seat.soon.map(|key| (key, no)));
                self.mind_ahead(now);
            }
            (Work::Idle { .. }, false) if seat.gone => self.remove_seat(no),
            (
                Work::Promised { .. }
                | Work::Ringing { .. }
                | Work::Idle { .. }
                | Work::Busy { .. }
                | Work::WrapUp { .. },
                _,
            ) => {}
        }
        if !takes && let Some(id) = kept_for {
            self.find_seat(now, id);
        }
    }

    /// Somebody free, who is in no set: for who holds, for whose phone rings, for who waits, else for whoever comes.
    fn give(&mut self, now: Now, no: SeatNo) {
        let Some(seat) = self.seats.get(no) else { return };
        let (lines, serves) = (&self.lines, &seat.serves);
        let served = || serves.iter().filter_map(move |(line, _)| lines.get(*line));
        if let Some(urgent) = served().filter_map(|line| line.urgent.first()).min().copied() {
            let former = self.release(now, urgent.customer);
            self.serve(now, no, urgent.customer, !urgent.rings);
            return former.into_iter().for_each(|former| self.settle(now, former));
        }
        let first = served().filter_map(|line| line.waiting.first_key_value()).min().map(|(rank, id)| (*rank, *id));
        match first {
            Some((_, id)) => {
                self.step_out(id);
                self.dial(now, id, no);
            }
            None => self.list(no),
        }
    }

    /// The customer waits in line no more.
    pub(super) fn step_out(&mut self, id: CustomerId) {
        let Some(customer) = self.customers.get(&id) else { return };
        let Some(line) = self.lines.get_mut(customer.line) else { return };
        line.waiting.remove(&customer.rank);
        if line.waiting.is_empty() {
            self.crowded.remove(&customer.line);
        }
    }

    /// Among the free of each line that they serve.
    fn list(&mut self, no: SeatNo) {
        let strategy = self.settings.strategy;
        let Some(seat) = self.seats.get_mut(no) else { return };
        seat.listed = true;
        for (line, fit) in &seat.serves {
            if let Some(line) = self.lines.get_mut(*line) {
                line.free.add(Place::of(strategy, seat.free(no, *fit)));
            }
        }
    }

    /// Neither among the free nor among those who are soon free.
    pub(super) fn unlist(&mut self, no: SeatNo) {
        let strategy = self.settings.strategy;
        let Some(seat) = self.seats.get_mut(no) else { return };
        if std::mem::take(&mut seat.listed) {
            for (line, fit) in &seat.serves {
                if let Some(line) = self.lines.get_mut(*line) {
                    line.free.remove(Place::of(strategy, seat.free(no, *fit)));
                }
            }
        }
        if let Some(key) = seat.soon.take() {
            self.soon.remove(&(key, no));
        }
    }

    fn urgent_of(&self, id: CustomerId) -> Option<(usize, Urgent)> {
        let customer = self.customers.get(&id)?;
        match customer.stage {
            Stage::Dialled { since, .. } => Some((customer.line, Urgent { rings: true, since, customer: id })),
            Stage::Holding { since, .. } => Some((customer.line, Urgent { rings: false, since, customer: id })),
            Stage::Waiting | Stage::Offered { .. } | Stage::Talking { .. } => None,
        }
    }

    /// The customer needs somebody free.
    pub(super) fn join_urgent(&mut self, id: CustomerId) {
        let Some((line, urgent)) = self.urgent_of(id) else { return };
        if let Some(line) = self.lines.get_mut(line) {
            line.urgent.insert(urgent);
        }
    }

    /// The customer has somebody free, or is gone. Before the stage changes.
    pub(super) fn leave_urgent(&mut self, id: CustomerId) {
        let Some((line, urgent)) = self.urgent_of(id) else { return };
        if let Some(line) = self.lines.get_mut(line) {
            line.urgent.remove(&urgent);
        }
    }
}

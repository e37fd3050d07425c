//! The distribution of one business's calls: what happens comes in, what is to be done comes out. Owns where each customer stands and
//! the order in which things are done; who is kept for whom is `reserve`'s, who is there `staff`'s, who is called ahead `ahead`'s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use slab::Slab;

use super::api::{CustomerId, GivenUp, Input, Output, Reason};
use super::error::Refusal;
use super::figures::Figures;
use super::forecast::Forecast;
use super::lease::Session;
use super::line::{Line, Rank};
use super::seat::{LineNo, Seat, SeatNo, Soon};
use super::shift;
use super::state::{State, Work};
use crate::clock::{Mono, Now, Timers, Wall};
use crate::model::{Need, Representative, RepresentativeId, Staffing};

/// From a customer's phone being dialled to a talk it takes no longer: beyond, nobody tells us any more.
const UNHEARD: Duration = Duration::from_secs(900);

/// One business's customers and representatives.
#[derive(Clone, Debug)]
pub struct Distribution {
    pub(super) settings: Staffing,
    pub(super) seats: Slab<Seat>,
    pub(super) by_id: BTreeMap<RepresentativeId, SeatNo>,
    pub(super) lines: Slab<Line>,
    pub(super) by_need: BTreeMap<Need, LineNo>,
    pub(super) customers: BTreeMap<CustomerId, Customer>,
    /// Lines in which somebody waits.
    pub(super) crowded: BTreeSet<LineNo>,
    /// Those who take calls and are busy or write up.
    pub(super) soon: BTreeSet<(Soon, SeatNo)>,
    pub(super) timers: Timers<Key>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) forecast: Forecast,
    pub(super) figures: Figures,
    pub(super) next_ticket: u64,
    /// The business's hours as they were looked at last: from then, until then, open.
    hours: Option<(Wall, Wall, shift::Opening)>,
}

/// Where a customer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// In line; the phone is not dialled.
    Waiting,
    /// The phone rings, and this representative is kept.
    Dialled { since: Mono, kept: Option<SeatNo> },
    /// The customer has answered, and nobody is free yet.
    Holding { since: Mono, kept: Option<SeatNo> },
    /// This representative's phone rings.
    Offered { to: SeatNo },
    /// They talk.
    Talking { with: SeatNo, since: Mono },
}

/// A customer who is not gone.
#[derive(Clone, Debug)]
pub(super) struct Customer {
    pub(super) line: LineNo,
    pub(super) rank: Rank,
    /// When they asked; before the beginning of the scale where they have waited for longer.
    pub(super) asked: Mono,
    /// What they had waited before that.
    pub(super) waited: Duration,
    /// How often a representative's phone was made to ring.
    pub(super) offers: u8,
    pub(super) answered: Option<Mono>,
    pub(super) stage: Stage,
}

/// Whose deadline it is. Of deadlines at one moment, those by which somebody is there no longer come first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    Lease(SeatNo),
    Shift(SeatNo),
    WrapUp(SeatNo),
    Aside(SeatNo),
    Wait(CustomerId),
    Unheard(CustomerId),
    Ahead,
}

impl Distribution {
    /// A distribution in which nobody is logged on.
    pub fn new(now: Now, settings: Staffing) -> Distribution {
        let mut distribution = Distribution {
            settings: Staffing::default(),
            seats: Slab::new(),
            by_id: BTreeMap::new(),
            lines: Slab::new(),
            by_need: BTreeMap::new(),
            customers: BTreeMap::new(),
            crowded: BTreeSet::new(),
            soon: BTreeSet::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            forecast: Forecast::default(),
            figures: Figures::default(),
            next_ticket: 0,
            hours: None,
        };
        distribution.reconfigure(now, settings);
        distribution
    }

    /// Takes exactly one input. Drain `poll_output` before the next.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Session { representative, wish, lease } => self.session(now, representative, wish, lease),
            Input::Ask { customer, need, waited } => {
                if let Err(why) = self.ask(now, customer, need, waited) {
                    self.outputs.push_back(Output::Refused { customer: Some(customer), why });
                }
            }
            Input::CustomerAnswered { customer } => self.customer_answered(now, customer),
            Input::Talking { customer } => self.talking(now, customer),
            Input::Missed { customer } => self.missed(now, customer),
            Input::Gone { customer } => self.gone(now, customer),
            Input::Timeout => self.timeout(now),
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call again with [`Input::Timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Mono, Reason)> {
        self.timers.next().map(|(at, key)| {
            let why = match key {
                Key::Lease(_) => Reason::Lease,
                Key::WrapUp(_) => Reason::WrapUp,
                Key::Aside(_) => Reason::Aside,
                Key::Shift(_) => Reason::Shift,
                Key::Wait(_) => Reason::Wait,
                Key::Unheard(_) => Reason::Unheard,
                Key::Ahead => Reason::Ahead,
            };
            (at, why)
        })
    }

    /// How each representative of the account stands, in the account's order.
    pub fn representatives(&self) -> Vec<(&Representative, Option<Session>, State)> {
        let mut all: Vec<&Seat> = self.by_id.values().filter_map(|no| self.seats.get(*no)).collect();
        all.sort_by_key(|seat| seat.order);
        all.into_iter().map(|seat| (&seat.one, seat.session, seat.state())).collect()
    }

    /// How this representative stands.
    pub fn state_of(&self, representative: &RepresentativeId) -> Option<State> {
        self.by_id.get(representative).and_then(|no| self.seats.get(*no)).map(Seat::state)
    }

    /// The account as it is distributed by.
    pub fn settings(&self) -> &Staffing {
        &self.settings
    }

    /// Whether a customer who asks for this now would be taken in.
    pub fn check(&mut self, now: Now, need: &Need) -> Result<(), Refusal> {
        let opening = self.opening(now.wall);
        if !opening.open {
            return Err(Refusal::Closed { opens: opening.until });
        }
        if self.customers.len() >= usize::try_from(self.settings.max_customers).unwrap_or(usize::MAX) {
            return Err(Refusal::Full);
        }
        self.line_for(need).map(|_| ())
    }

    /// What was counted.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// Customers who are not gone.
    pub fn customers(&self) -> usize {
        self.customers.len()
    }

    fn timeout(&mut self, now: Now) {
        while let Some(key) = self.timers.pop_due(now.mono) {
            match key {
                Key::Lease(no) => self.lease_ended(now, no),
                Key::WrapUp(no) => self.wrap_up_ended(now, no),
                Key::Aside(no) => self.aside_ended(now, no),
                Key::Shift(no) => self.look_at_shift(now, no),
                Key::Wait(customer) => self.give_up(now, customer, GivenUp::WaitedTooLong),
                Key::Unheard(customer) => {
                    // Said first: whoever was with this customer may get another one by the next word.
                    self.outputs.push_back(Output::GivenUp { customer, why: GivenUp::Unheard });
                    self.gone(now, customer);
                }
                Key::Ahead => self.look_ahead(now),
            }
        }
    }

    fn ask(&mut self, now: Now, id: CustomerId, need: Need, waited: Duration) -> Result<(), Refusal> {
        if self.customers.contains_key(&id) {
            return Err(Refusal::AskedAlready);
        }
        let opening = self.opening(now.wall);
        // Who waits since before is still served.
        if !opening.open && waited.is_zero() {
            return Err(Refusal::Closed { opens: opening.until });
        }
        if self.customers.len() >= usize::try_from(self.settings.max_customers).unwrap_or(usize::MAX) {
            return Err(Refusal::Full);
        }
        let line_no = self.line_for(&need)?;
        self.next_ticket += 1;
        let worth = u64::from(need.priority) * u64::from(self.settings.priority_seconds) * 1_000_000;
        let micros = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let waited_micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let at = micros(now.mono.0).saturating_sub(micros(waited_micros)).saturating_sub(micros(worth));
        let rank = Rank { at, ticket: self.next_ticket };
        let stage = Stage::Waiting;
        let customer = Customer { line: line_no, rank, asked: now.mono, waited, offers: 0, answered: None, stage };
        self.customers.insert(id, customer);
        self.figures.asked += 1;
        let strategy = self.settings.strategy;
        let Some(line) = self.lines.get_mut(line_no) else { return Ok(()) };
        line.customers += 1;
        if let Some(no) = line.free.choose(strategy) {
            self.unlist(no);
            self.dial(now, id, no);
        } else if line.takers == 0 && self.settings.overflow.is_some() {
            self.give_up(now, id, GivenUp::NobodyThere);
        } else {
            line.waiting.insert(rank, id);
            self.crowded.insert(line_no);
            let longest = Duration::from_secs(self.settings.max_wait_seconds.into()).saturating_sub(waited);
            self.timers.set(Key::Wait(id), now.mono + longest);
            self.mind_ahead(now);
        }
        Ok(())
    }

    /// The business's hours at this moment, looked up anew only when they may have changed.
    fn opening(&mut self, at: Wall) -> shift::Opening {
        let Some(hours) = &self.settings.hours else { return shift::Opening { open: true, until: None } };
        if let Some((from, until, opening)) = self.hours
            && (from..until).contains(&at)
        {
            return opening;
        }
        let opening = shift::of_business(hours, at);
        let look_again = at + Duration::from_secs(3_600);
        self.hours = Some((at, opening.until.map_or(look_again, |until| until.min(look_again)), opening));
        opening
    }

    /// Forgets what was looked up of hours that are others now.
    pub(super) fn forget_hours(&mut self) {
        self.hours = None;
    }

    /// This customer's phone is dialled, this representative kept. The customer stands in no line any more.
    pub(super) fn dial(&mut self, now: Now, id: CustomerId, no: SeatNo) {
        let Some(customer) = self.customers.get_mut(&id) else { return };
        customer.stage = Stage::Dialled { since: now.mono, kept: None };
        self.figures.dialled += 1;
        self.figures.waited += now.mono.since(customer.asked) + customer.waited;
        self.timers.cancel(&Key::Wait(id));
        self.timers.set(Key::Unheard(id), now.mono + UNHEARD);
        self.outputs.push_back(Output::CallCustomer { customer: id });
        self.keep(now, no, id);
    }

    fn customer_answered(&mut self, now: Now, id: CustomerId) {
        let Some(customer) = self.customers.get_mut(&id) else { return };
        let Stage::Dialled { since, kept } = customer.stage else { return };
        customer.answered = Some(now.mono);
        self.forecast.note_ring(now.mono.since(since));
        self.figures.answered += 1;
        let firm = kept.filter(|no| self.is_firm(*no, id));
        self.leave_urgent(id);
        match firm {
            Some(no) => self.offer(now, no, id),
            None => {
                self.hold(now.mono, id, kept);
                let line = self.customers.get(&id).and_then(|customer| self.lines.get(customer.line));
                if line.is_some_and(|line| line.takers == 0) {
                    self.give_up(now, id, GivenUp::NobodyThere);
                }
            }
        }
    }

    /// The customer holds since then, before all who do not.
    pub(super) fn hold(&mut self, since: Mono, id: CustomerId, kept: Option<SeatNo>) {
        if let Some(customer) = self.customers.get_mut(&id) {
            customer.stage = Stage::Holding { since, kept };
            self.join_urgent(id);
        }
    }

    /// This representative's phone rings for this customer, who has answered.
    pub(super) fn offer(&mut self, now: Now, no: SeatNo, id: CustomerId) {
        let (Some(customer), Some(seat)) = (self.customers.get_mut(&id), self.seats.get_mut(no)) else { return };
        if let (0, Some(answered)) = (customer.offers, customer.answered) {
            let held = now.mono.since(answered);
            let late = held > Duration::from_millis(self.settings.grace_millis.into());
            self.figures.held += held;
            self.figures.late += u64::from(late);
            self.forecast.note_answer(late);
        }
        customer.offers = customer.offers.saturating_add(1);
        customer.stage = Stage::Offered { to: no };
        seat.work = Work::Ringing { customer: id, since: now.mono };
        let (representative, address) = (seat.one.id.clone(), seat.one.address.clone());
        self.outputs.push_back(Output::CallRepresentative { customer: id, representative, address });
    }

    fn talking(&mut self, now: Now, id: CustomerId) {
        let Some(customer) = self.customers.get_mut(&id) else { return };
        let Stage::Offered { to } = customer.stage else { return };
        customer.stage = Stage::Talking { with: to, since: now.mono };
        self.timers.cancel(&Key::Unheard(id));
        self.figures.talked += 1;
        if let Some(seat) = self.seats.get_mut(to) {
            seat.work = Work::Busy { customer: id, since: now.mono, next: None };
            seat.served += 1;
        }
        self.settle(now, to);
    }

    fn missed(&mut self, now: Now, id: CustomerId) {
        let Some(customer) = self.customers.get(&id) else { return };
        let Stage::Offered { to } = customer.stage else { return };
        let (answered, enough) = (customer.answered, customer.offers >= self.settings.max_offers);
        self.figures.missed += 1;
        if let Some(seat) = self.seats.get_mut(to) {
            let until = now.mono + Duration::from_secs(self.settings.set_aside_seconds.into());
            seat.work = Work::Idle { since: now.mono };
            seat.aside = Some(until);
            self.timers.set(Key::Aside(to), until);
        }
        self.hold(answered.unwrap_or(now.mono), id, None);
        if enough {
            self.give_up(now, id, GivenUp::NobodyAnswered);
            return self.settle(now, to);
        }
        self.settle(now, to);
        self.find_seat(now, id);
    }

    fn gone(&mut self, now: Now, id: CustomerId) {
        let Some(customer) = self.customers.get(&id) else { return };
        match customer.stage {
            Stage::Waiting => {
                self.figures.left_waiting += 1;
                self.forget(id);
            }
            Stage::Dialled { .. } => {
                self.figures.unanswered += 1;
                let kept = self.release(now, id);
                self.forget(id);
                kept.into_iter().for_each(|no| self.settle(now, no));
            }
            Stage::Holding { .. } => {
                self.note_abandoned(now, id);
                let kept = self.release(now, id);
                self.forget(id);
                kept.into_iter().for_each(|no| self.settle(now, no));
            }
            Stage::Offered { to } => {
                self.figures.abandoned += 1;
                self.forget(id);
                if let Some(seat) = self.seats.get_mut(to) {
                    seat.work = Work::Idle { since: now.mono };
                }
                self.settle(now, to);
            }
            Stage::Talking { with, since } => {
                let took = now.mono.since(since);
                self.forecast.note_talk(took);
                self.figures.talk_time += took;
                self.forget(id);
                self.talk_ended(now, with);
            }
        }
    }

    /// A customer who holds is gone.
    fn note_abandoned(&mut self, now: Now, id: CustomerId) {
        self.figures.abandoned += 1;
        let Some(customer) = self.customers.get(&id).filter(|customer| customer.offers == 0) else { return };
        let held = customer.answered.map_or(Duration::ZERO, |answered| now.mono.since(answered));
        let late = held > Duration::from_millis(self.settings.grace_millis.into());
        self.figures.late += u64::from(late);
        self.forecast.note_answer(late);
    }

    /// Nobody is there for this customer, who is not with a representative: the overflow number, or nothing.
    pub(super) fn give_up(&mut self, now: Now, id: CustomerId, why: GivenUp) {
        let Some(customer) = self.customers.get(&id) else { return };
        match customer.stage {
            Stage::Holding { .. } => self.note_abandoned(now, id),
            Stage::Waiting | Stage::Dialled { .. } => {}
            Stage::Offered { .. } | Stage::Talking { .. } => return,
        }
        let kept = self.release(now, id);
        self.forget(id);
        let output = match self.settings.overflow.clone() {
            Some(address) => {
                self.figures.overflowed += 1;
                Output::Overflow { customer: id, address }
            }
            None => {
                self.figures.given_up += 1;
                Output::GivenUp { customer: id, why }
            }
        };
        self.outputs.push_back(output);
        kept.into_iter().for_each(|no| self.settle(now, no));
    }

    /// The customer is in no line and no timer's any more.
    fn forget(&mut self, id: CustomerId) {
        self.leave_urgent(id);
        let Some(customer) = self.customers.remove(&id) else { return };
        if let Some(line) = self.lines.get_mut(customer.line) {
            line.customers = line.customers.saturating_sub(1);
            line.waiting.remove(&customer.rank);
            if line.waiting.is_empty() {
                self.crowded.remove(&customer.line);
            }
        }
        self.timers.cancel(&Key::Wait(id));
        self.timers.cancel(&Key::Unheard(id));
    }
}

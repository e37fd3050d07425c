//! Calls whose representative call distribution chooses: a distribution for each business that has representatives in its account. Owns
//! the translation between calls and distributions (who asks, who may be dialled, who was found, who is gone) and representatives'
//! sessions; the choices are `acd`'s.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::api::{Refusal, Reply, ReplyTo, StaffWish, StoreFailure, StoreOp};
use super::{Engine, Pending, TimerKey};
use crate::acd::{self, CustomerId, Distribution, Input, Output, State};
use crate::call::Event;
use crate::clock::{Mono, Now, Wall};
use crate::model::{
    Business, BusinessId, CallId, Endpoint, InitiationMessage, Need, RepresentativeView, StoredSession, WaitView, Wish,
};

/// Names a business's distribution while the equipment runs.
pub(super) type DeskNo = u32;

/// The distributions of all businesses that have one.
#[derive(Debug, Default)]
pub(super) struct Desks {
    desks: BTreeMap<DeskNo, Desk>,
    of: BTreeMap<BusinessId, DeskNo>,
    next: DeskNo,
}

#[derive(Debug)]
struct Desk {
    distribution: Distribution,
}

/// How far call distribution is with a call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Sought {
    /// It has not been asked, or has nothing to do with this call.
    #[default]
    Not,
    /// The customer waits in line.
    InLine,
    /// A representative is kept: the customer may be dialled.
    Kept { since: Wall },
    /// Nobody is there: the customer may be dialled and gets this.
    Overflow { since: Wall, address: Endpoint },
}

impl Sought {
    /// Whether the customer waits for a representative.
    pub(super) fn is_in_line(&self) -> bool {
        *self == Sought::InLine
    }

    /// Whether call distribution was asked.
    pub(super) fn is_asked(&self) -> bool {
        *self != Sought::Not
    }

    /// Since when the customer may be dialled.
    pub(super) fn since(&self) -> Option<Wall> {
        match self {
            Sought::Kept { since } | Sought::Overflow { since, .. } => Some(*since),
            Sought::Not | Sought::InLine => None,
        }
    }
}

impl Engine {
    /// Whom a message without a representative means, where the account has representatives. `information` is 910.
    pub(super) fn need_of(business: &Business, message: &InitiationMessage, information: Option<&str>) -> Option<Need> {
        let staffing = &business.staffing;
        if !staffing.is_staffed() {
            return None;
        }
        let any = Need { language: message.language, ..Need::default() };
        let Some(word) = information else { return Some(any) };
        if let Some(named) = word.parse().ok().filter(|id| staffing.find(id).is_some()) {
            return Some(Need::of(named));
        }
        let skill = word.parse().ok()?;
        let known = staffing.representatives.iter().any(|one| one.skills.contains_key(&skill));
        known.then(|| Need { language: message.language, ..Need::skill(skill) })
    }

    /// Who may be dialled for this message: whom it names, or all of the account's representatives and where customers go whom nobody is
    /// there for. What bounds an account is asked of each of them before the customer is dialled.
    pub(super) fn whom<'m>(business: &Business, message: &'m InitiationMessage) -> Cow<'m, [Endpoint]> {
        if message.need.is_none() {
            return Cow::Borrowed(&message.representatives);
        }
        let staffing = &business.staffing;
        staffing.representatives.iter().map(|one| &one.address).chain(&staffing.overflow).cloned().collect()
    }

    /// Whether call distribution takes a customer now who wants somebody at once.
    pub(super) fn check_desk(&mut self, now: Now, message: &InitiationMessage) -> Result<(), Refusal> {
        let Some(need) = &message.need else { return Ok(()) };
        if Engine::wall_in_future(now, message.desired_contact_time).is_some() {
            return Ok(());
        }
        let Some(desk) = self.desk(now, &message.business_id) else { return Err(Refusal::NoRepresentative) };
        let checked = desk.distribution.check(now, need);
        checked.map_err(|why| refusal_of(now, &why))
    }

    /// The business's distribution, made where its account has representatives.
    fn desk(&mut self, now: Now, business: &BusinessId) -> Option<&mut Desk> {
        if let Some(no) = self.desks.of.get(business) {
            return self.desks.desks.get_mut(no);
        }
        let account = self.directory.get(business).filter(|account| account.staffing.is_staffed())?;
        let distribution = Distribution::new(now, account.staffing.clone());
        let no = self.desks.next;
        self.desks.next = no.wrapping_add(1);
        self.desks.of.insert(business.clone(), no);
        Some(self.desks.desks.entry(no).or_insert(Desk { distribution }))
    }

    /// Tells a business's distribution something, and does what it says.
    fn tell_desk(&mut self, now: Now, business: &BusinessId, input: Input) {
        if self.desk(now, business).is_none() {
            return;
        }
        let Some(no) = self.desks.of.get(business).copied() else { return };
        if let Some(desk) = self.desks.desks.get_mut(&no) {
            desk.distribution.handle(now, input);
        }
        self.mind_desk(now, no);
    }

    /// Does what a distribution says, and sets its next deadline.
    fn mind_desk(&mut self, now: Now, no: DeskNo) {
        while let Some(output) = self.desks.desks.get_mut(&no).and_then(|desk| desk.distribution.poll_output()) {
            self.desk_says(now, output);
        }
        match self.desks.desks.get(&no).and_then(|desk| desk.distribution.poll_timeout()) {
            Some((at, _)) => self.timers.set(TimerKey::Desk(no), at),
            None => self.timers.cancel(&TimerKey::Desk(no)),
        }
    }

    pub(super) fn desk_is_due(&mut self, now: Now, no: DeskNo) {
        if let Some(desk) = self.desks.desks.get_mut(&no) {
            desk.distribution.handle(now, Input::Timeout);
            self.mind_desk(now, no);
        }
    }

    fn desk_says(&mut self, now: Now, output: Output) {
        match output {
            Output::CallCustomer { customer } => self.sought(now, customer, Sought::Kept { since: now.wall }),
            Output::CallRepresentative { customer, address, .. } => {
                self.tell(now, call_of(customer), Event::Found { address, last: false });
            }
            Output::Overflow { customer, address } => {
                let waits = self.calls.get(&call_of(customer)).is_some_and(|live| live.call.is_waiting());
                match waits {
                    true => self.sought(now, customer, Sought::Overflow { since: now.wall, address }),
                    false => self.tell(now, call_of(customer), Event::Found { address, last: true }),
                }
            }
            Output::GivenUp { customer, .. } | Output::Refused { customer: Some(customer), .. } => {
                self.queued.leave(call_of(customer));
                self.tell(now, call_of(customer), Event::NobodyFound);
            }
            Output::Refused { customer: None, .. } | Output::Changed { .. } => {}
        }
    }

    /// The call's turn is looked at soon.
    fn sought(&mut self, now: Now, customer: CustomerId, sought: Sought) {
        if let Some(live) = self.calls.get_mut(&call_of(customer)) {
            live.sought = sought;
            self.timers.bring_forward(TimerKey::Turn, now.mono);
        }
    }

    /// Whether this call's customer may be dialled, as far as call distribution is concerned. Asks it where nobody has.
    pub(super) fn may_be_dialled(&mut self, now: Now, id: CallId) -> bool {
        let Some(live) = self.calls.get_mut(&id) else { return false };
        let Some(need) = live.call.message().need.as_deref().cloned() else { return true };
        if live.sought == Sought::Not {
            live.sought = Sought::InLine;
            let waited = Duration::from_millis(now.wall.millis_since(live.due));
            let business = live.business.id.clone();
            let asked = Input::Ask { customer: id.into(), need, waited };
            match self.desk(now, &business).is_some() {
                true => self.tell_desk(now, &business, asked),
                false => self.tell(now, id, Event::NobodyFound),
            }
        }
        self.calls.get(&id).is_some_and(|live| live.sought.since().is_some())
    }

    /// The customer has answered, or the representative who was found did not come.
    pub(super) fn find_representative(&mut self, now: Now, id: CallId, missed: bool) {
        let Some(live) = self.calls.get(&id) else { return };
        if let Sought::Overflow { address, .. } = &live.sought {
            let address = address.clone();
            return self.tell(now, id, Event::Found { address, last: true });
        }
        let (business, customer) = (live.business.id.clone(), id.into());
        let input = if missed { Input::Missed { customer } } else { Input::CustomerAnswered { customer } };
        self.tell_desk(now, &business, input);
    }

    /// The customer and the representative talk, or the call is over.
    pub(super) fn tell_desk_of(&mut self, now: Now, id: CallId, over: bool) {
        let Some(live) = self.calls.get(&id).filter(|live| live.call.message().need.is_some()) else { return };
        let (business, customer) = (live.business.id.clone(), id.into());
        let input = if over { Input::Gone { customer } } else { Input::Talking { customer } };
        self.tell_desk(now, &business, input);
        if let Some(live) = self.calls.get_mut(&id).filter(|_| over) {
            live.sought = Sought::Not;
        }
    }

    /// The place in line of a call that waits for a representative.
    pub(super) fn desk_wait(&self, id: CallId) -> Option<WaitView> {
        let live = self.calls.get(&id).filter(|live| live.sought != Sought::Not)?;
        let desk = self.desks.desks.get(self.desks.of.get(&live.business.id)?)?;
        let wait = desk.distribution.wait(id.into())?;
        let minutes = wait.estimate.map(|time| time.as_secs().div_ceil(60).max(1));
        let estimated_minutes = minutes.and_then(|minutes| u8::try_from(minutes).ok());
        Some(WaitView { position: wait.position, estimated_minutes })
    }

    /// Accounts have changed.
    pub(super) fn restaff(&mut self, now: Now) {
        let all: Vec<(DeskNo, BusinessId)> =
            self.desks.of.iter().map(|(business, no)| (*no, business.clone())).collect();
        for (no, business) in all {
            let staffing = self.directory.get(&business).map(|account| account.staffing.clone()).unwrap_or_default();
            let Some(desk) = self.desks.desks.get_mut(&no) else { continue };
            if *desk.distribution.settings() != staffing {
                desk.distribution.reconfigure(now, staffing);
                self.mind_desk(now, no);
            }
        }
    }

    /// A business asks about its representatives, or says what one of them wants.
    pub(super) fn staff(&mut self, now: Now, reply: ReplyTo, business: BusinessId, wish: StaffWish) {
        match wish {
            StaffWish::List => {
                let views = self.representatives(now, &business);
                self.reply(reply, Reply::Representatives(views));
            }
            StaffWish::Session { representative, wish, lease } => {
                let known =
                    self.directory.get(&business).is_some_and(|one| one.staffing.find(&representative).is_some());
                if !known {
                    return self.reply(reply, Reply::Representatives(Vec::new()));
                }
                let until = now.wall + lease;
                let session = StoredSession { business: business.clone(), representative, wish, until };
                self.store(StoreOp::Session(Box::new(session.clone())), Pending::Session { reply, session });
            }
        }
    }

    /// A session is durable, or is not.
    pub(super) fn session_stored(
        &mut self,
        now: Now,
        reply: ReplyTo,
        session: StoredSession,
        result: Result<(), StoreFailure>,
    ) {
        if result.is_err() {
            let why = "the store does not answer";
            return self.refuse(reply, Refusal::Unavailable { retry_after: 5, why });
        }
        let StoredSession { business, representative, wish, until } = session;
        let lease = Duration::from_millis(until.millis_since(now.wall));
        // Long under way: the lease may be over.
        let wish = if lease < acd::SHORTEST_LEASE { Wish::LoggedOff } else { wish };
        self.tell_desk(now, &business, Input::Session { representative: representative.clone(), wish, lease });
        let mut views = self.representatives(now, &business);
        views.retain(|view| view.id == representative);
        self.reply(reply, Reply::Representatives(views));
    }

    /// Takes back what the store knows of sessions that are not over.
    pub fn recall_sessions(&mut self, now: Now, sessions: Vec<StoredSession>) {
        for StoredSession { business, representative, wish, until } in sessions {
            let lease = Duration::from_millis(until.millis_since(now.wall));
            if lease >= acd::SHORTEST_LEASE {
                self.tell_desk(now, &business, Input::Session { representative, wish, lease });
            }
        }
    }

    fn representatives(&mut self, now: Now, business: &BusinessId) -> Vec<RepresentativeView> {
        let Some(desk) = self.desk(now, business) else { return Vec::new() };
        let wall = |at: Mono| Wall(now.wall.0 - i64::try_from(now.mono.since(at).as_millis()).unwrap_or(0));
        let later = |at: Mono| now.wall + at.since(now.mono);
        let views = desk.distribution.representatives().into_iter().map(|(one, session, state)| {
            let (since, until, call) = match state {
                State::LoggedOff | State::Break => (None, None, None),
                State::Available { since } => (Some(wall(since)), None, None),
                State::Promised { since, customer } | State::Ringing { since, customer } => {
                    (Some(wall(since)), None, Some(call_of(customer)))
                }
                State::Busy { since, customer, .. } => (Some(wall(since)), None, Some(call_of(customer))),
                State::WrapUp { until, .. } => (None, until.map(later), None),
                State::SetAside { until } => (None, Some(later(until)), None),
            };
            RepresentativeView {
                id: one.id.clone(),
                name: one.name.clone(),
                state: state.as_str().to_owned(),
                since,
                until,
                call,
                session_until: session.map(|session| later(session.until)),
            }
        });
        views.collect()
    }
}

fn call_of(customer: CustomerId) -> CallId {
    CallId::from_u128(customer.0)
}

fn refusal_of(now: Now, why: &acd::Refusal) -> Refusal {
    let unavailable = |retry_after, why| Refusal::Unavailable { retry_after, why };
    match why {
        acd::Refusal::NobodySuits | acd::Refusal::UnknownRepresentative(_) => Refusal::UnknownRepresentative,
        acd::Refusal::Closed { opens } => {
            let seconds = opens.map_or(86_400, |at| at.millis_since(now.wall).div_ceil(1_000));
            unavailable(u32::try_from(seconds).unwrap_or(86_400), "the business is closed")
        }
        acd::Refusal::Full | acd::Refusal::TooManyNeeds => {
            unavailable(60, "too many customers wait for a representative")
        }
        acd::Refusal::Lease | acd::Refusal::AskedAlready => unavailable(5, "call distribution does not take this call"),
    }
}

/// Every distribution's business, for the census.
impl Desks {
    pub(super) fn customers(&self) -> usize {
        self.desks.values().map(|desk| desk.distribution.customers()).sum()
    }
}

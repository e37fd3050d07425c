//! What representatives say and what is known of them: their log-ons, the moments before which their tokens are worthless, how they stand.
//! Owns that what is said is durable before it is acknowledged; whom they get is `distribute`'s.

use std::time::Duration;

use super::api::{DeskView, Refusal, Reply, ReplyTo, StaffSums, StaffWish, StoreFailure, StoreOp};
use super::distribute::{Desks, call_of};
use super::{Engine, Pending};
use crate::access::desk;
use crate::acd::{self, Input, Queue, State};
use crate::clock::{Mono, Now, Wall};
use crate::model::{BusinessId, QueueView, RepresentativeId, RepresentativeView, Revocation, StoredSession, Wish};

impl Engine {
    /// A business asks about its representatives, or says what one of them wants; or that one does, by their token.
    pub(super) fn staff(&mut self, now: Now, reply: ReplyTo, business: BusinessId, wish: StaffWish) {
        if let Some((representative, since)) = wish.shown()
            && self.revoked(&business, representative).is_some_and(|at| since <= at)
        {
            return self.reply(reply, Reply::TokenRevoked);
        }
        let known = |engine: &Engine, one: &RepresentativeId| {
            engine.directory.get(&business).is_some_and(|account| account.staffing.find(one).is_some())
        };
        if wish.of().is_some_and(|one| !known(self, one)) {
            return self.reply(reply, Reply::Representatives(Vec::new()));
        }
        match wish {
            StaffWish::List => {
                let view = self.desk_view(now, business);
                self.reply(reply, Reply::Desk(Box::new(view)));
            }
            StaffWish::One { representative, .. } => {
                let view = self.representative(now, &business, &representative);
                self.reply(reply, Reply::Representatives(view));
            }
            StaffWish::Session { representative, wish, lease, .. } => {
                let until = now.wall + lease;
                let session = StoredSession { business, representative, wish, until };
                self.store(StoreOp::Session(Box::new(session.clone())), Pending::Session { reply, session });
            }
            StaffWish::Token { representative } => {
                // A clock that was set back makes no token that is worthless from the beginning.
                let before = self.revoked(&business, &representative).map(|at| Wall(at.0.saturating_add(1)));
                let since = before.map_or(now.wall, |before| before.max(now.wall));
                self.reply(reply, Reply::TokenSince(since));
            }
            StaffWish::Revoke { representative } => {
                // Also those that were given since the last one, within its millisecond or by a clock that was set back.
                let before = self.revoked(&business, &representative).map(|at| Wall(at.0.saturating_add(1)));
                let at = before.map_or(now.wall, |before| before.max(now.wall));
                let revocation = Revocation { business, representative, at };
                self.store(StoreOp::Revoke(Box::new(revocation.clone())), Pending::Revoke { reply, revocation });
            }
        }
    }

    fn revoked(&self, business: &BusinessId, representative: &RepresentativeId) -> Option<Wall> {
        self.desks.revoked.get(&(business.clone(), representative.clone())).copied()
    }

    /// That tokens are worthless is durable, or is not.
    pub(super) fn revocation_stored(
        &mut self,
        now: Now,
        reply: ReplyTo,
        revocation: Revocation,
        result: Result<(), StoreFailure>,
    ) {
        if result.is_err() {
            return self.reply_unstored(reply);
        }
        self.note_revocation(now, revocation.clone());
        let view = self.representative(now, &revocation.business, &revocation.representative);
        self.reply(reply, Reply::Representatives(view));
    }

    fn note_revocation(&mut self, now: Now, revocation: Revocation) {
        let Revocation { business, representative, at } = revocation;
        // Tokens from before those are over by now.
        self.desks.revoked.retain(|_, at| *at + desk::LONGEST_LIFE > now.wall);
        let known = self.desks.revoked.entry((business, representative)).or_insert(at);
        *known = at.max(*known);
    }

    fn reply_unstored(&mut self, reply: ReplyTo) {
        let why = "the store does not answer";
        self.refuse(reply, Refusal::Unavailable { retry_after: 5, why });
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
            return self.reply_unstored(reply);
        }
        let StoredSession { business, representative, wish, until } = session;
        let lease = Duration::from_millis(until.millis_since(now.wall));
        // Long under way: the lease may be over.
        let wish = if lease < acd::SHORTEST_LEASE { Wish::LoggedOff } else { wish };
        self.tell_desk(now, &business, Input::Session { representative: representative.clone(), wish, lease });
        let view = self.representative(now, &business, &representative);
        self.reply(reply, Reply::Representatives(view));
    }

    /// Takes back what the store knows of sessions that are not over, and of tokens that are worthless.
    pub fn recall_sessions(&mut self, now: Now, sessions: Vec<StoredSession>, revocations: Vec<Revocation>) {
        for StoredSession { business, representative, wish, until } in sessions {
            let lease = Duration::from_millis(until.millis_since(now.wall));
            if lease >= acd::SHORTEST_LEASE {
                self.tell_desk(now, &business, Input::Session { representative, wish, lease });
            }
        }
        revocations.into_iter().for_each(|revocation| self.note_revocation(now, revocation));
    }

    fn desk_view(&mut self, now: Now, business: BusinessId) -> DeskView {
        let representatives = self.representatives(now, &business);
        let queue = self.desk(now, &business).map(|desk| desk.distribution.queue(now.mono)).unwrap_or_default();
        DeskView { business, queue: queue_view(queue), representatives }
    }

    /// The distributions of all businesses, up to so many representatives.
    pub(super) fn desk_views(&mut self, now: Now, most: usize) -> Vec<DeskView> {
        let staffed = self.directory.businesses.values().filter(|account| account.staffing.is_staffed());
        let staffed: Vec<BusinessId> = staffed.map(|account| account.id.clone()).collect();
        let mut seen = 0;
        let mut views = Vec::new();
        for business in staffed {
            let view = self.desk_view(now, business);
            seen += view.representatives.len();
            views.push(view);
            if seen >= most {
                break;
            }
        }
        views
    }

    fn representative(&mut self, now: Now, business: &BusinessId, who: &RepresentativeId) -> Vec<RepresentativeView> {
        let mut views = self.representatives(now, business);
        views.retain(|view| view.id == *who);
        views
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

fn queue_view(queue: Queue) -> QueueView {
    let Queue { waiting, holding, longest } = queue;
    QueueView { waiting, holding, longest_wait_seconds: longest.map(|time| time.as_secs()) }
}

impl Desks {
    /// The representatives and customers of all businesses whose calls were distributed since the start.
    pub(super) fn sums(&self, now: Mono) -> StaffSums {
        let mut sums = StaffSums::default();
        for desk in self.all() {
            for (_, _, state) in desk.representatives() {
                *sums.states.entry(state.as_str()).or_default() += 1;
            }
            let QueueView { waiting, holding, longest_wait_seconds } = queue_view(desk.queue(now));
            sums.queue.waiting += waiting;
            sums.queue.holding += holding;
            sums.queue.longest_wait_seconds = sums.queue.longest_wait_seconds.max(longest_wait_seconds);
            sums.figures += desk.figures();
        }
        sums
    }
}

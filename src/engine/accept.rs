//! From an initiation message to a placed call: admission, durability, the schedule, the turn. Owns the order of these steps;
//! the verdicts are `access`'s and `routing`'s.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::RngCore;

use super::api::{Notice, Refusal, Reply, ReplyTo, StoreFailure, StoreOp};
use super::contact::{self, Moment};
use super::events::{FIRST, Moments};
use super::limits::Share;
use super::lineup::Wants;
use super::{Drain, Engine, HEARTBEAT, Live, OFFER, Pending, Standing, TURN, TimerKey, again, direct, taped};
use crate::access::{Barred, Permit};
use crate::billing::Prices;
use crate::call::{self, Call};
use crate::clock::{Mono, Now, Wall};
use crate::model::business::PasswordHash;
use crate::model::{Business, CallId, CallState, Endpoint, InitiationMessage, Progress, Recording, StoredCall};
use crate::routing::{Routing, Short};

/// So many calls that are due at the same moment are looked at, then others have their turn.
const AT_ONCE: usize = 100;
/// And these for so long at least.
const BREATH: Duration = Duration::from_millis(1);
const UNPRICED: &str = "the account's tariff has no price for it any more";

impl Engine {
    pub(super) fn initiate(&mut self, now: Now, reply: ReplyTo, mut message: InitiationMessage) {
        let admitted = self.admit_direct(now, &mut message).and_then(|()| self.admit(now, &mut message));
        match admitted {
            Ok((business, permit)) => {
                self.count_direct(now, &message);
                let prices = Prices::of(&business, &self.config.tariffs);
                let share = self.take_share(now, &business, &prices, &message);
                let id = self.new_call_id(now);
                let due = Engine::wall_in_future(now, message.desired_contact_time).is_none();
                let stored =
                    StoredCall { id, created_at: now.wall, message: message.clone(), progress: Progress::default() };
                let mut moments = Moments::of(&message);
                let call = Call::new(id, now.wall, message, self.config.limits, due);
                moments.enter(now.wall, call.public_state());
                let (op, _) = moments.telling(&business, StoreOp::Accept(Box::new(stored)), || call.view());
                self.see_asked(now, id, &business.id);
                self.insert(now, call, (business, prices), Standing::Accepting { permit }, moments, share);
                self.store(op, Pending::Accept { call: id, reply });
            }
            Err(refusal) => self.refuse(reply, refusal),
        }
    }

    pub(super) fn refuse(&mut self, reply: ReplyTo, refusal: Refusal) {
        self.notice(Notice::Refused(refusal.clone()));
        self.reply(reply, Reply::Refused(refusal));
    }

    fn admit(&mut self, now: Now, message: &mut InitiationMessage) -> Result<(Arc<Business>, Permit), Refusal> {
        if self.drain != Drain::No {
            return Err(Refusal::Unavailable { retry_after: 30, why: "the equipment is being stopped" });
        }
        let business = self.directory.get(&message.business_id).cloned().ok_or(Refusal::UnknownBusiness)?;
        self.access.admit(now.mono, &business).map_err(refusal_of)?;
        if message.representatives.is_empty() && message.need.is_none() {
            message.need = Engine::need_of(&business, message, None).map(Box::new);
        }
        self.check_destinations(message)?;
        Engine::check_account_destinations(&business, message)?;
        let prices = Prices::of(&business, &self.config.tariffs);
        let wanted = Engine::wall_in_future(now, message.desired_contact_time).unwrap_or(now.wall);
        check_prices(&prices, &business, message, wanted)?;
        if message.caller_id.as_ref().is_some_and(|id| !business.caller_ids.contains(id)) {
            return Err(Refusal::CallerIdBarred);
        }
        if message.record && business.recording == Recording::Off {
            return Err(Refusal::RecordingBarred);
        }
        self.check_desk(now, message)?;
        self.check_headers(message)?;
        if self.joins_a_pair(message) {
            return Err(Refusal::Duplicate);
        }
        if self.key_in_flight(message) {
            return Err(Refusal::KeyInFlight);
        }
        // Those who wait and are awake are followed by somebody.
        let waiting = self.schedule.len().saturating_sub(self.asleep.len());
        let live = self.calls.len().saturating_sub(waiting);
        if live >= self.config.max_calls {
            return Err(Refusal::Unavailable { retry_after: 5, why: "every line is in use" });
        }
        self.settle_contact(now, &business, message)?;
        let at = Engine::wall_in_future(now, message.desired_contact_time);
        if self.media_full && at.is_none() {
            return Err(Refusal::MediaFull { retry_after: 2 });
        }
        if at.is_some_and(|at| at > now.wall + self.config.max_ahead) {
            return Err(Refusal::TooFar);
        }
        self.check_duplicates(&business, message, at)?;
        self.check_limits(now, &business, &prices, message)?;
        let permit = match at {
            Some(_) => self.access.scheduled(now.mono, &business),
            None => self.access.live(now.mono, &business),
        };
        Ok((business, permit.map_err(refusal_of)?))
    }

    fn check_destinations(&self, message: &InitiationMessage) -> Result<(), Refusal> {
        let barred = |pointer: String| Refusal::DestinationBarred { pointer };
        if message.representatives.is_empty() && message.need.is_none() {
            return Err(Refusal::NoRepresentative);
        }
        if !self.routing.covers(&message.customer) {
            return Err(barred("/customer".to_owned()));
        }
        let many = message.representatives.len() > 1;
        for (at, representative) in message.representatives.iter().enumerate() {
            if !self.routing.covers(representative) {
                let pointer = if many { format!("/representative/{at}") } else { "/representative".to_owned() };
                return Err(barred(pointer));
            }
        }
        Ok(())
    }

    /// A header field that no switch takes would never be seen by anybody: better said now.
    fn check_headers(&self, message: &InitiationMessage) -> Result<(), Refusal> {
        let taken = |name: &str| self.config.switches.iter().any(|switch| switch.trunk.allows_header(name));
        match message.headers.iter().find(|(name, _)| !taken(name)) {
            Some((name, _)) => Err(Refusal::HeaderBarred { pointer: format!("/headers/{name}") }),
            None => Ok(()),
        }
    }

    /// Only messages that are not durable yet are in flight; durable keys are the store's to judge.
    fn key_in_flight(&self, message: &InitiationMessage) -> bool {
        let Some(key) = message.idempotency.as_ref().map(|i| &i.key) else { return false };
        self.pending.values().any(|pending| match pending {
            Pending::Accept { call, .. } => self.calls.get(call).is_some_and(|live| {
                let other = live.call.message();
                other.business_id == message.business_id && other.idempotency.as_ref().is_some_and(|i| i.key == *key)
            }),
            Pending::Progress { .. } | Pending::Finish { .. } | Pending::Ladder { .. } => false,
            Pending::Alive | Pending::Limit(_) | Pending::Session { .. } => false,
        })
    }

    fn new_call_id(&mut self, now: Now) -> CallId {
        let mut random = [0; 10];
        self.rng.fill_bytes(&mut random);
        CallId::new(now.wall, random)
    }

    fn insert(
        &mut self,
        now: Now,
        call: Call,
        (business, prices): (Arc<Business>, Prices),
        standing: Standing,
        moments: Moments,
        share: Share,
    ) {
        let single = self.hold(call.message(), call.public_state());
        let live = Live::new(now, call, (business, prices), standing, moments, (share, single));
        self.calls.insert(live.call.id(), Box::new(live));
    }

    /// The message is durable, or it never was.
    pub(super) fn accepted(&mut self, now: Now, id: CallId, reply: ReplyTo, result: Result<(), StoreFailure>) {
        if let Err(failure) = result {
            if let Some(live) = self.calls.remove(&id) {
                self.give_share_back(&live.business.id, live.share);
            }
            self.seen.forget(id);
            return match failure {
                StoreFailure::KeyReplayed(call) => self.reply(reply, Reply::Replayed(call)),
                StoreFailure::KeyReused => self.refuse(reply, Refusal::KeyReused),
                StoreFailure::TakenBefore => self.refuse(reply, Refusal::TakenBefore),
                StoreFailure::Unavailable(_) => {
                    let why = "the store does not answer";
                    self.refuse(reply, Refusal::Unavailable { retry_after: 5, why });
                }
            };
        }
        let Some(mut live) = self.calls.remove(&id) else { return };
        let state = live.call.public_state();
        self.notice(Notice::State { call: id, from: None, to: state });
        live.moments.are_kept(FIRST);
        let quotas = self.quotas(now, live.call.message(), &live.business);
        self.reply(reply, Reply::Accepted(Box::new(live.call.view()), quotas));
        live.due_at = now.mono;
        let Standing::Accepting { permit } = live.standing else { return };
        let at = live.call.message().desired_contact_time;
        self.see_accepted(now, id, at.filter(|_| state == CallState::Scheduled));
        if let (CallState::Scheduled, Some(at)) = (state, at) {
            live.standing = Standing::Scheduled { _permit: Some(permit) };
            self.calls.insert(id, live);
            self.schedule.add(at, id);
            self.look_at_schedule(now);
            self.put_to_sleep(id);
        } else {
            live.standing = Standing::Queued { permit: Some(permit) };
            self.calls.insert(id, live);
            self.first_turn(now, id);
        }
    }

    /// Moves calls whose time has come to the queue, not too many at once, and sets the next look.
    pub(super) fn look_at_schedule(&mut self, now: Now) {
        for _ in 0..AT_ONCE {
            let Some(id) = self.schedule.pop_due(now.wall) else { break };
            self.wake(now, id);
            self.timers.cancel(&TimerKey::Rest(id));
            if let Err(why) = self.asks_anew(now, id) {
                if let Some(live) = self.calls.get_mut(&id) {
                    live.call.expire(now, &why);
                    self.drive(now, id);
                }
                continue;
            }
            if let Some(live) = self.calls.get_mut(&id).filter(|live| live.call.is_waiting()) {
                live.standing = Standing::Queued { permit: None };
                live.due_at = now.mono;
                live.call.enqueue();
                live.single = self.singles.hold(direct::single(live.call.message(), None));
                let pairs = direct::pairs(live.call.message(), None);
                live.share.pairs = pairs.map(|pair| self.singles.hold(pair)).collect();
                self.drive(now, id);
                self.first_turn(now, id);
            }
        }
        match self.schedule.next_look(now) {
            Some(after) => self.timers.set(TimerKey::Schedule, now.mono + after.max(BREATH)),
            None => self.timers.cancel(&TimerKey::Schedule),
        }
    }

    /// Those who wait get what has become free, in the order of their coming; legs of live calls before calls that are not placed
    /// yet.
    pub(super) fn give_turns(&mut self, now: Now) {
        self.seek(now);
        let mut taken = self.seeking.wanted().cloned().collect();
        for id in self.queued.in_order() {
            self.give_turn(now, id, &mut taken);
        }
    }

    /// What others wait for already: nobody else may have it first.
    fn waited_for(&self) -> BTreeSet<Wants> {
        self.seeking.wanted().chain(self.queued.wanted()).cloned().collect()
    }

    /// A call whose time has just come: placed at once, or the last in the line.
    fn first_turn(&mut self, now: Now, id: CallId) {
        self.queued.join(id);
        let mut taken = self.waited_for();
        self.give_turn(now, id, &mut taken);
    }

    /// Places a queued call if there is room for it and nobody before it waits for the same, else leaves it queued until it is
    /// too late. Adds to `taken` what it waits for.
    fn give_turn(&mut self, now: Now, id: CallId, taken: &mut BTreeSet<Wants>) {
        let Some(live) = self.calls.get(&id) else { return self.queued.leave(id) };
        let mut moment = self.moment_of(now, live);
        if matches!(moment, Moment::Fits)
            && check_prices(&live.prices, &live.business, live.call.message(), now.wall).is_err()
        {
            moment = Moment::Over(UNPRICED);
        }
        let Some(live) = self.calls.get_mut(&id) else { return };
        match moment {
            Moment::Fits => {}
            Moment::Over(why) => {
                self.queued.leave(id);
                live.call.expire(now, why);
                return self.drive(now, id);
            }
            // Its place among the live calls is for those who may be placed meanwhile.
            Moment::Later => {
                live.standing = Standing::Queued { permit: None };
                self.queued.waits(id, None);
                return self.timers.bring_forward(TimerKey::Turn, now.mono + contact::next_look(now, live));
            }
        }
        if !self.may_be_dialled(now, id) {
            return self.timers.bring_forward(TimerKey::Turn, now.mono + TURN);
        }
        let Some(live) = self.calls.get_mut(&id) else { return };
        let held = match &mut live.standing {
            Standing::Queued { permit } => permit.take(),
            Standing::Accepting { .. }
            | Standing::PuttingOff { .. }
            | Standing::Scheduled { .. }
            | Standing::Placed { .. } => None,
        };
        let permit = match held {
            Some(permit) => Some(permit),
            None => self.access.live(now.mono, &live.business).ok(),
        };
        let may = permit.is_some() && self.drain == Drain::No && live.business.enabled;
        // Without a free channel the call waits here: nobody's phone rings, and no port is held.
        let message = live.call.message();
        let (customer, representative) = (&message.customer, message.representatives.first());
        let wants = if may { wants(&self.routing, now.mono, customer, representative, taken) } else { None };
        match permit {
            Some(permit) if may && wants.is_none() => {
                live.claim = self.routing.claim(customer, representative);
                live.standing = Standing::Placed { _permit: permit };
                self.queued.leave(id);
                live.call.set_gates(live.business.gates);
                live.call.set_taping(taped::wanted(live, self.config.consent));
                if !self.timers.is_set(&TimerKey::Alive) {
                    self.timers.set(TimerKey::Alive, now.mono + HEARTBEAT);
                }
                self.tell(now, id, call::Event::Due);
            }
            permit => {
                live.standing = Standing::Queued { permit };
                taken.extend(wants.clone());
                self.queued.waits(id, wants);
                self.timers.bring_forward(TimerKey::Turn, now.mono + contact::next_look(now, live));
            }
        }
    }

    /// A channel came back: whoever waits is asked soon.
    pub(super) fn channel_is_free(&mut self, now: Now) {
        let soon = now.mono + OFFER;
        if !self.seeking.is_empty() {
            self.timers.bring_forward(TimerKey::Seek, soon);
        }
        if self.queued.wants_channels() {
            self.timers.bring_forward(TimerKey::Turn, soon);
        }
    }

    /// Whose call it is. A business that was removed while its calls waited: they are not placed, but their records are kept.
    pub(super) fn business_or_unknown(&self, stored: &StoredCall) -> Arc<Business> {
        let known = self.directory.get(&stored.message.business_id).cloned();
        known.unwrap_or_else(|| {
            let nobody = PasswordHash(String::new());
            let gone = Business::new(stored.message.business_id.clone(), "", nobody);
            Arc::new(Business { enabled: false, ..gone })
        })
    }

    /// Takes back what the store knew of unfinished calls: those that were waiting go on, those in progress are closed.
    pub fn restore(&mut self, now: Now, open: Vec<StoredCall>, last_alive: Option<Wall>) {
        let mut waiting = 0;
        for stored in open {
            let business = self.business_or_unknown(&stored);
            if stored.progress.started_at.is_some() {
                self.record_interrupted(&stored, business, last_alive, now);
                continue;
            }
            let at = again::due_of(&stored);
            let waits = at > now.wall;
            let prices = Prices::of(&business, &self.config.tariffs);
            let share = self.share_again(&business, &prices, &stored, Some(at).filter(|_| waits));
            if waits {
                let single = self.singles.hold(direct::single(&stored.message, Some(at)));
                let permit = self.access.scheduled(now.mono, &business).ok();
                self.restore_asleep(now, stored, (permit, share, single));
                waiting += 1;
                continue;
            }
            self.see_restored(now, &stored);
            let moments = Moments::restored(&stored, now.wall, CallState::Queued);
            let mut call = Call::new(stored.id, stored.created_at, stored.message, self.config.limits, true);
            if let Some(next) = stored.progress.next_try_at {
                call.tried_before(&stored.progress.tried, next);
            }
            let id = call.id();
            self.insert(now, call, (business, prices), Standing::Queued { permit: None }, moments, share);
            if let Some(live) = self.calls.get_mut(&id) {
                live.due = at;
            }
            self.notice(Notice::State { call: id, from: None, to: CallState::Queued });
            self.tell_webhook(id);
            self.queued.join(id);
        }
        if waiting > 0 {
            self.notice(Notice::Waiting(waiting));
        }
        self.look_at_schedule(now);
        if !self.queued.is_empty() {
            self.timers.set(TimerKey::Turn, now.mono);
        }
        self.pump(now);
    }
}

/// Nobody is called, now or then, for whom there is no price.
fn check_prices(prices: &Prices, business: &Business, message: &InitiationMessage, at: Wall) -> Result<(), Refusal> {
    if let Prices::Missing(_) = prices {
        return Err(Refusal::NoTariff);
    }
    prices.cover(&message.customer, &Engine::whom(business, message), at).map_err(|unrated| {
        let pointer = match unrated.representative {
            None => "/customer".to_owned(),
            Some(at) if message.representatives.len() > 1 => format!("/representative/{at}"),
            Some(_) => "/representative".to_owned(),
        };
        Refusal::NoRate { pointer }
    })
}

/// What a call waits for; nothing: it may be placed. Who waits for a second channel of the switches that are to carry the customer
/// too keeps everybody behind it from the first: else it might wait for ever.
fn wants(
    routing: &Routing,
    now: Mono,
    customer: &Endpoint,
    representative: Option<&Endpoint>,
    taken: &BTreeSet<Wants>,
) -> Option<Wants> {
    let room = routing.room_for_both(now, customer, representative);
    if room.is_ok() && taken.is_empty() {
        return None;
    }
    let first = routing.lines(customer);
    let second = representative.map(|representative| routing.lines(representative)).unwrap_or_default();
    let one = Wants::One(first.clone());
    match room {
        Err(Short::OfTwo) if !first.meets(&second) => Some(Wants::Both(first, second)),
        Err(_) => Some(one),
        Ok(()) if taken.contains(&one) => Some(one),
        Ok(()) => Some(Wants::Both(first, second)).filter(|both| taken.contains(both)),
    }
}

fn refusal_of(barred: Barred) -> Refusal {
    match barred {
        Barred::Disabled => Refusal::Disabled,
        Barred::Rate { retry_after } => Refusal::RateExceeded { retry_after },
        Barred::Concurrency => Refusal::ConcurrencyExceeded { retry_after: 10 },
        Barred::Scheduled => Refusal::ScheduledExceeded { retry_after: 60 },
    }
}

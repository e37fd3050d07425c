//! From an initiation message to a placed call: admission, durability, the schedule, the turn. Owns the order of these steps;
//! the verdicts are `access`'s and `routing`'s.

use std::sync::Arc;

use rand::RngCore;

use super::api::{Notice, Refusal, Reply, ReplyTo, StoreFailure, StoreOp};
use super::{Drain, Engine, HEARTBEAT, Live, Pending, Standing, TURN, TimerKey};
use crate::access::{Barred, Permit};
use crate::call::{self, Call};
use crate::clock::{Now, Wall};
use crate::model::{Business, CallId, Endpoint, InitiationMessage, Progress, StoredCall};
use crate::routing::Blocked;

impl Engine {
    pub(super) fn initiate(&mut self, now: Now, reply: ReplyTo, message: InitiationMessage) {
        match self.admit(now, &message) {
            Ok((business, permit)) => {
                let id = self.new_call_id(now);
                let due = Engine::wall_in_future(now, message.desired_contact_time).is_none();
                let stored =
                    StoredCall { id, created_at: now.wall, message: message.clone(), progress: Progress::default() };
                let call = Call::new(id, now.wall, message, self.config.limits, due);
                self.see_asked(now, id, &business.id);
                self.insert(now, call, business, Standing::Accepting { permit });
                self.store(StoreOp::Accept(Box::new(stored)), Pending::Accept { call: id, reply });
            }
            Err(refusal) => self.refuse(reply, refusal),
        }
    }

    pub(super) fn refuse(&mut self, reply: ReplyTo, refusal: Refusal) {
        self.notice(Notice::Refused(refusal.clone()));
        self.reply(reply, Reply::Refused(refusal));
    }

    fn admit(&mut self, now: Now, message: &InitiationMessage) -> Result<(Arc<Business>, Permit), Refusal> {
        if self.drain != Drain::No {
            return Err(Refusal::Unavailable { retry_after: 30, why: "the equipment is being stopped" });
        }
        let business = self.directory.get(&message.business_id).cloned().ok_or(Refusal::UnknownBusiness)?;
        self.access.admit(now.mono, &business).map_err(refusal_of)?;
        self.check_destinations(message)?;
        if message.caller_id.as_ref().is_some_and(|id| !business.caller_ids.contains(id)) {
            return Err(Refusal::CallerIdBarred);
        }
        self.check_headers(message)?;
        if self.key_in_flight(message) {
            return Err(Refusal::KeyInFlight);
        }
        let live = self.calls.len().saturating_sub(self.schedule.len());
        if live >= self.config.max_calls {
            return Err(Refusal::Unavailable { retry_after: 5, why: "every line is in use" });
        }
        let permit = match Engine::wall_in_future(now, message.desired_contact_time) {
            Some(at) if at > now.wall + self.config.max_ahead => return Err(Refusal::TooFar),
            Some(_) => self.access.scheduled(now.mono, &business),
            None => self.access.live(now.mono, &business),
        };
        Ok((business, permit.map_err(refusal_of)?))
    }

    fn check_destinations(&self, message: &InitiationMessage) -> Result<(), Refusal> {
        let barred = |pointer: String| Refusal::DestinationBarred { pointer };
        if message.representatives.is_empty() {
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
            Pending::Progress { .. } | Pending::Finish { .. } | Pending::Ladder { .. } | Pending::Alive => false,
        })
    }

    fn new_call_id(&mut self, now: Now) -> CallId {
        let mut random = [0; 10];
        self.rng.fill_bytes(&mut random);
        CallId::new(now.wall, random)
    }

    fn insert(&mut self, now: Now, call: Call, business: Arc<Business>, standing: Standing) {
        let live = Live {
            business,
            standing,
            legs: Default::default(),
            due_at: now.mono,
            bridged_at: None,
            asked: None,
            referral: None,
            call,
        };
        self.calls.insert(live.call.id(), Box::new(live));
    }

    /// The message is durable, or it never was.
    pub(super) fn accepted(&mut self, now: Now, id: CallId, reply: ReplyTo, result: Result<(), StoreFailure>) {
        if let Err(failure) = result {
            self.calls.remove(&id);
            self.seen.forget(id);
            return match failure {
                StoreFailure::KeyReplayed(call) => self.reply(reply, Reply::Replayed(call)),
                StoreFailure::KeyReused => self.refuse(reply, Refusal::KeyReused),
                StoreFailure::Unavailable(_) => {
                    let why = "the store does not answer";
                    self.refuse(reply, Refusal::Unavailable { retry_after: 5, why });
                }
            };
        }
        let Some(mut live) = self.calls.remove(&id) else { return };
        let state = live.call.public_state();
        self.notice(Notice::State { call: id, from: None, to: state });
        self.reply(reply, Reply::Accepted(Box::new(live.call.view())));
        live.due_at = now.mono;
        let Standing::Accepting { permit } = live.standing else { return };
        let at = live.call.message().desired_contact_time;
        self.see_accepted(now, id, at.filter(|_| state == crate::model::CallState::Scheduled));
        if let (crate::model::CallState::Scheduled, Some(at)) = (state, at) {
            live.standing = Standing::Scheduled { _permit: permit };
            self.calls.insert(id, live);
            self.schedule.add(at, id);
            self.look_at_schedule(now);
        } else {
            live.standing = Standing::Queued { permit: Some(permit) };
            self.calls.insert(id, live);
            self.queued.insert(id);
            self.give_turn(now, id);
        }
    }

    /// Moves calls whose time has come to the queue, and sets the next look.
    pub(super) fn look_at_schedule(&mut self, now: Now) {
        while let Some(id) = self.schedule.pop_due(now.wall) {
            if let Some(live) = self.calls.get_mut(&id).filter(|live| live.call.is_waiting()) {
                live.standing = Standing::Queued { permit: None };
                live.due_at = now.mono;
                live.call.enqueue();
                self.drive(now, id);
                self.queued.insert(id);
                self.give_turn(now, id);
            }
        }
        match self.schedule.next_look(now) {
            Some(after) => self.timers.set(TimerKey::Schedule, now.mono + after),
            None => self.timers.cancel(&TimerKey::Schedule),
        }
    }

    pub(super) fn give_turns(&mut self, now: Now) {
        let waiting: Vec<CallId> = self.queued.iter().copied().collect();
        for id in waiting {
            self.give_turn(now, id);
        }
    }

    /// Places a queued call if there is room for it, else leaves it queued until it is too late.
    fn give_turn(&mut self, now: Now, id: CallId) {
        let Some(live) = self.calls.get_mut(&id) else {
            self.queued.remove(&id);
            return;
        };
        let due: Wall = live.call.message().desired_contact_time.unwrap_or(live.call.created_at());
        if now.wall > due + self.config.late {
            self.queued.remove(&id);
            live.call.expire(now);
            return self.drive(now, id);
        }
        let held = match &mut live.standing {
            Standing::Queued { permit } => permit.take(),
            Standing::Accepting { .. } | Standing::Scheduled { .. } | Standing::Placed { .. } => None,
        };
        let permit = match held {
            Some(permit) => Some(permit),
            None => self.access.live(now.mono, &live.business).ok(),
        };
        // Without a free channel the call waits here: nobody's phone rings, and no port is held.
        let full = self.routing.room(now.mono, &live.call.message().customer) == Err(Blocked::Busy);
        let open = self.drain == Drain::No && live.business.enabled && !full;
        match permit {
            Some(permit) if open => {
                live.standing = Standing::Placed { _permit: permit };
                self.queued.remove(&id);
                if !self.timers.is_set(&TimerKey::Alive) {
                    self.timers.set(TimerKey::Alive, now.mono + HEARTBEAT);
                }
                self.tell(now, id, call::Event::Due);
            }
            permit => {
                live.standing = Standing::Queued { permit };
                self.timers.set(TimerKey::Turn, now.mono + TURN);
            }
        }
    }

    /// Takes back what the store knew of unfinished calls: those that were waiting go on, those in progress are closed.
    pub fn restore(&mut self, now: Now, open: Vec<StoredCall>, last_alive: Option<Wall>) {
        for stored in open {
            let known = self.directory.get(&stored.message.business_id).cloned();
            let business = known.unwrap_or_else(|| Arc::new(unknown_business(&stored)));
            if stored.progress.started_at.is_some() {
                self.record_interrupted(&stored, &business, last_alive, now);
                continue;
            }
            self.see_restored(now, &stored);
            let at = stored.message.desired_contact_time.unwrap_or(stored.created_at);
            let waits = at > now.wall;
            let call = Call::new(stored.id, stored.created_at, stored.message, self.config.limits, !waits);
            let (id, state) = (call.id(), call.public_state());
            let permit = self.access.scheduled(now.mono, &business).ok();
            let standing = match permit {
                Some(permit) if waits => Standing::Scheduled { _permit: permit },
                _ => Standing::Queued { permit: None },
            };
            self.insert(now, call, business, standing);
            self.notice(Notice::State { call: id, from: None, to: state });
            if waits {
                self.schedule.add(at, id);
            } else {
                self.queued.insert(id);
            }
        }
        self.look_at_schedule(now);
        if !self.queued.is_empty() {
            self.timers.set(TimerKey::Turn, now.mono);
        }
        self.pump(now);
    }
}

/// A business that was removed while its calls waited: they are not placed, but their records are kept.
fn unknown_business(stored: &StoredCall) -> Business {
    Business {
        id: stored.message.business_id.clone(),
        name: String::new(),
        password_hash: crate::model::business::PasswordHash(String::new()),
        enabled: false,
        limits: Default::default(),
        tariff: Default::default(),
        caller_ids: Vec::<Endpoint>::new(),
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

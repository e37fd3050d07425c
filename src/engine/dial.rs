//! From "dial this leg" to its answer: which switch, which port, what the INVITE says, and which switch next when the first one
//! cannot. Owns the tries of a leg and that none begins for a leg that is no longer wanted (field.md 2); who may be dialled
//! through which switch is `routing`'s.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rand::RngCore;

use super::api::Notice;
use super::failure::{self, failure_of};
use super::identity::{self, Asking, Caller};
use super::lineup::Wants;
use super::{Engine, EngineConfig, LegMedia, Live, Port, TURN, TimerKey};
use crate::call::leg::Phase;
use crate::call::{Event, FailureKind};
use crate::clock::{Mono, Now};
use crate::media::api::Command;
use crate::model::{Cause, Codecs, Endpoint, Hop, LegId, OurKeys, SrtpUse};
use crate::routing::{self, Blocked, Candidate, Channel, Failure, Switch};
use crate::sdp::{self, Direction};
use crate::sip::HangUpReason;
use crate::sip::api::{FailedWhy, Invite};

/// The packet time that a leg is asked for where no other leg has one, in milliseconds (RFC 3551 §4.5).
const PACKET_MS: u16 = 20;

/// A candidate, and what it is asked for: a redirection may have changed that.
#[derive(Clone, Debug)]
pub(super) struct Next {
    pub(super) candidate: Candidate,
    pub(super) address: Endpoint,
}

/// The try under way and those that are left.
#[derive(Debug)]
pub(super) struct Tries {
    pub(super) switch: Arc<Switch>,
    pub(super) hop: Hop,
    /// What this try asks for.
    address: Endpoint,
    /// Given back with the leg, or when another switch takes over.
    _channel: Channel,
    pub(super) rest: VecDeque<Next>,
    /// What was asked for so far: the same again is a loop.
    pub(super) asked: Vec<Endpoint>,
    pub(super) redirects: u8,
    rang: bool,
    sent_at: Mono,
}

/// The try that comes next, its channel taken.
struct Taken {
    next: Next,
    channel: Channel,
    rest: VecDeque<Next>,
}

impl Engine {
    /// Chooses the switch and asks for a port; the INVITE follows when the port is there. While every switch is full the leg
    /// waits, as long as it may ring.
    pub(super) fn dial(&mut self, now: Now, leg: LegId) {
        let session_id = u64::from(self.rng.next_u32());
        let Some(address) = self.wanted(leg) else { return self.seeking.leave(leg) };
        let wants = Wants::One(self.routing.lines(&address));
        // Who comes while others wait for the same waits behind them.
        if !self.seeking.stands(leg) && self.seeking.wanted().any(|other| *other == wants) {
            return self.seek_later(now, leg, wants);
        }
        let found = self.routing.candidates(now.mono, &address, &mut self.rng);
        let rest = match found {
            Ok(found) => found.into_iter().map(|candidate| Next { candidate, address: address.clone() }).collect(),
            Err(Blocked::Busy) => VecDeque::new(),
            Err(Blocked::Unserved) => {
                let cause = Cause::local(3, Blocked::Unserved.to_string());
                self.seeking.leave(leg);
                return self.tell(now, leg.call, Event::Failed(leg.attempt, FailureKind::Unreachable, cause));
            }
        };
        let Some(taken) = self.take_first(now, leg, rest) else { return self.seek_later(now, leg, wants) };
        self.seeking.leave(leg);
        let Some(live) = self.calls.get_mut(&leg.call) else { return };
        if leg.attempt != live.call.customer() {
            live.claim = None;
        }
        let caller = caller_of(&self.config, live, leg, &taken.next.candidate);
        let (codecs, ptime_ms) = offered_to(live, &taken.next.candidate);
        let candidate = &taken.next.candidate;
        live.call.set_switch(leg.attempt, &candidate.switch.name);
        let leg_media = LegMedia {
            hop: candidate.hop.clone(),
            trunk: Arc::clone(&candidate.switch.trunk),
            caller,
            called: identity::number_of(&address),
            codecs,
            ptime_ms,
            port: Port::Opening,
            session_id,
            our_keys: None,
            version: 1,
            plan: None,
            early: Vec::new(),
            keys: Default::default(),
            sdp: Arc::from([]),
            tries: Tries {
                switch: Arc::clone(&candidate.switch),
                hop: candidate.hop.clone(),
                address: address.clone(),
                _channel: taken.channel,
                rest: taken.rest,
                asked: vec![address],
                redirects: 0,
                rang: false,
                sent_at: now.mono,
            },
        };
        let name = candidate.switch.name.clone();
        live.legs.insert(leg.attempt, Box::new(leg_media));
        self.see_dialled(now, leg, &name);
        self.media(Command::Open { leg });
    }

    /// The leg keeps its place in the line.
    fn seek_later(&mut self, now: Now, leg: LegId, wants: Wants) {
        self.seeking.join(leg);
        self.seeking.waits(leg, Some(wants));
        if !self.timers.is_set(&TimerKey::Seek) {
            self.timers.set(TimerKey::Seek, now.mono + TURN);
        }
    }

    /// Legs that wait for a channel get what has become free, in the order of their coming.
    pub(super) fn seek(&mut self, now: Now) {
        let mut taken = BTreeSet::new();
        for leg in self.seeking.in_order() {
            let wants = self.wanted(leg).map(|address| Wants::One(self.routing.lines(&address)));
            if let Some(wants) = wants.filter(|wants| taken.contains(wants)) {
                self.seeking.waits(leg, Some(wants));
                continue;
            }
            self.dial(now, leg);
            taken.extend(self.seeking.wants_of(leg).cloned());
        }
        match self.seeking.is_empty() {
            true => self.timers.cancel(&TimerKey::Seek),
            false => self.timers.set(TimerKey::Seek, now.mono + TURN),
        }
    }

    /// The first of these that has a channel; a customer gets none that is kept for a representative.
    fn take_first(&mut self, now: Now, leg: LegId, mut rest: VecDeque<Next>) -> Option<Taken> {
        let claims = |live: &Live| leg.attempt == live.call.customer() && live.claim.is_some();
        let claims = self.calls.get(&leg.call).is_some_and(|live| claims(live));
        let spares = |next: &Next| !claims || self.routing.spares(&next.candidate);
        let first = rest.iter().position(spares)?;
        // Those before it are for later: by then somebody else may have given back a channel.
        rest.rotate_left(first);
        self.take_next(now, rest)
    }

    /// What a leg dials, while it is being called and nobody has hung up.
    pub(super) fn wanted(&self, leg: LegId) -> Option<Endpoint> {
        let called = self.calls.get(&leg.call)?.call.leg(leg.attempt)?;
        (called.phase == Phase::Calling).then(|| called.address.clone())
    }

    /// The first of these that has a channel.
    fn take_next(&mut self, now: Now, mut rest: VecDeque<Next>) -> Option<Taken> {
        while let Some(next) = rest.pop_front() {
            if let Some(channel) = self.routing.take(now.mono, &next.candidate) {
                return Some(Taken { next, channel, rest });
            }
        }
        None
    }

    /// The port is there: the INVITE goes out.
    pub(super) fn opened(&mut self, now: Now, leg: LegId, local: std::net::SocketAddr) {
        let live = self.calls.get_mut(&leg.call);
        let Some((live_due, customer, leg_media)) =
            live.and_then(|live| live.legs.get_mut(&leg.attempt).map(|l| (live.due_at, live.call.customer(), l)))
        else {
            return self.media(Command::Close { leg });
        };
        if leg_media.port != Port::Opening {
            leg_media.port = Port::Closing;
            return self.media(Command::Close { leg });
        }
        leg_media.port = Port::Open(local);
        self.send_invite(now, leg);
        if leg.attempt == customer {
            self.prepare(leg);
            let micros = u64::try_from(now.mono.since(live_due).as_micros()).unwrap_or(u64::MAX);
            self.notice(Notice::Setup { call: leg.call, micros });
        }
    }

    /// Sends the INVITE of the try under way; one that nobody answers gives way to the next, if there is one.
    fn send_invite(&mut self, now: Now, leg: LegId) {
        let Some(live) = self.calls.get_mut(&leg.call) else { return };
        let Some(leg_media) = live.legs.get_mut(&leg.attempt) else { return };
        let Port::Open(local) = leg_media.port else { return };
        let tries = &mut leg_media.tries;
        tries.sent_at = now.mono;
        let waits = (!tries.rest.is_empty()).then(|| now.mono + tries.switch.answer);
        let target = routing::uri(&tries.address, &tries.switch.address.authority());
        // No two switches are shown the same keys.
        leg_media.our_keys = (leg_media.trunk.srtp != SrtpUse::Off)
            .then(|| Box::new(OurKeys::random(leg_media.trunk.srtp_suites, |bytes| self.rng.fill_bytes(bytes))));
        leg_media.sdp = sdp::offer(&leg_media.local(local), leg_media.codecs.as_slice(), Direction::BOTH).into();
        let Ok(headers) = identity::headers(self.config.stir.as_ref(), leg, leg_media, now.wall) else {
            let cause = Cause::local(identity::UNSIGNED, "the call could not be signed");
            return self.tell(now, leg.call, Event::Failed(leg.attempt, FailureKind::Fault, cause));
        };
        let mut invite = Invite {
            leg,
            hop: leg_media.hop.clone(),
            target,
            from: leg_media.caller.from.clone(),
            from_name: leg_media.caller.from_name.clone(),
            headers,
            trunk: Arc::clone(&leg_media.trunk),
            offer: Arc::clone(&leg_media.sdp),
        };
        invite.headers.extend(self.referral_fields(leg));
        match waits {
            Some(at) => self.timers.set(TimerKey::Answer(leg), at),
            None => self.timers.cancel(&TimerKey::Answer(leg)),
        }
        self.stack.invite(now.mono, invite);
    }

    /// A port that will never come, or a leg that ended: no try of it is waited for any more.
    pub(super) fn forget_tries(&mut self, leg: LegId) {
        self.timers.cancel(&TimerKey::Answer(leg));
        self.seeking.leave(leg);
    }

    /// The switch rang or answered.
    pub(super) fn try_is_heard(&mut self, leg: LegId) {
        self.timers.cancel(&TimerKey::Answer(leg));
        let live = self.calls.get_mut(&leg.call);
        let Some(tries) = live.and_then(|live| live.legs.get_mut(&leg.attempt)).map(|l| &mut l.tries) else { return };
        tries.rang = true;
        let (switch, hop) = (Arc::clone(&tries.switch), tries.hop.clone());
        self.switch_succeeded(&switch.name, &hop);
    }

    /// No ring and no answer for as long as its switch is given: without any response, or with nothing but 100 Trying.
    pub(super) fn try_is_silent(&mut self, now: Now, leg: LegId) {
        let Some(tries) = self.tries(leg) else { return };
        let stalls_at = tries.sent_at + tries.switch.trying;
        let other = tries.rest.iter().any(|next| self.routing.is_ready(now.mono, &next.candidate));
        if self.wanted(leg).is_none() {
            return;
        }
        if other && self.stack.give_up(now.mono, leg) {
            let cause = Cause::local(102, "the switch did not answer");
            self.leg_failed(now, leg, cause, FailedWhy::Silent);
        } else if stalls_at > now.mono {
            self.timers.set(TimerKey::Answer(leg), stalls_at);
        } else if other {
            // A 100 was heard, so CANCEL takes the INVITE back (RFC 3261 §9.1); an answer that crosses it is released.
            let text = "nothing but 100 Trying in time";
            self.stack.hang_up(now.mono, leg, HangUpReason { q850: 102, text: text.into() });
            self.leg_failed(now, leg, Cause::local(102, text), FailedWhy::Stalled);
        }
    }

    /// A leg is hung up whose INVITE nobody has answered: its switch is judged as if it had been waited for.
    pub(super) fn judge_silence(&mut self, now: Now, leg: LegId) {
        let Some(tries) = self.tries(leg) else { return };
        if now.mono.since(tries.sent_at) >= tries.switch.answer && self.stack.is_unanswered(leg) {
            let (switch, hop) = (Arc::clone(&tries.switch), tries.hop.clone());
            self.switch_failed(now, &switch.name, &hop, Failure::Silent, None);
        }
    }

    fn tries(&self, leg: LegId) -> Option<&Tries> {
        self.calls.get(&leg.call)?.legs.get(&leg.attempt).map(|leg_media| &leg_media.tries)
    }

    /// The try failed: the next one, where the fault is the switch's and the leg is still wanted; else the leg has failed.
    pub(super) fn leg_failed(&mut self, now: Now, leg: LegId, cause: Cause, why: FailedWhy) {
        self.timers.cancel(&TimerKey::Answer(leg));
        let failure = failure_of(&cause, why);
        if let Some(tries) = self.tries(leg) {
            let (switch, hop) = (Arc::clone(&tries.switch), tries.hop.clone());
            match (failure, why) {
                (Some(failure), FailedWhy::Refused { retry_after }) => {
                    self.switch_failed(now, &switch.name, &hop, failure, retry_after);
                }
                (Some(failure), _) => self.switch_failed(now, &switch.name, &hop, failure, None),
                (None, FailedWhy::Refused { .. }) => self.switch_succeeded(&switch.name, &hop),
                (None, _) => {}
            }
        }
        let elsewhere = matches!(why, FailedWhy::Refused { .. }) && cause.sip_status.is_some_and(|status| status < 600);
        if (failure.is_some() || elsewhere) && self.try_next(now, leg, failure.is_some()) {
            return;
        }
        let live = self.calls.get(&leg.call);
        let rang = live.and_then(|l| l.call.leg(leg.attempt)).is_some_and(|l| l.ringing_at.is_some());
        let kind = failure::kind_of(&cause, rang);
        self.tell(now, leg.call, Event::Failed(leg.attempt, kind, cause));
    }

    /// Goes on with the next candidate, on the same port. `switch_failed`: with any; else only with another address that a
    /// redirection named (RFC 3261 §8.1.3.4). A phone that rang is not made to ring twice.
    fn try_next(&mut self, now: Now, leg: LegId, switch_failed: bool) -> bool {
        if self.wanted(leg).is_none() {
            return false;
        }
        let live = self.calls.get_mut(&leg.call);
        let Some(leg_media) = live.and_then(|live| live.legs.get_mut(&leg.attempt)) else { return false };
        let tries = &mut leg_media.tries;
        let (address, rang) = (tries.address.clone(), tries.rang);
        let mut rest = std::mem::take(&mut tries.rest);
        rest.retain(|next| next.address != address || (switch_failed && !rang));
        self.go_on(now, leg, rest)
    }

    /// Begins the first of these tries that has a channel.
    pub(super) fn go_on(&mut self, now: Now, leg: LegId, rest: VecDeque<Next>) -> bool {
        let Some(taken) = self.take_next(now, rest) else { return false };
        let Some(live) = self.calls.get_mut(&leg.call) else { return false };
        if !live.legs.get(&leg.attempt).is_some_and(|leg_media| matches!(leg_media.port, Port::Open(_))) {
            return false;
        }
        let caller = caller_of(&self.config, live, leg, &taken.next.candidate);
        let (codecs, ptime_ms) = offered_to(live, &taken.next.candidate);
        let Some(leg_media) = live.legs.get_mut(&leg.attempt) else { return false };
        let Candidate { switch, hop } = taken.next.candidate;
        let name = switch.name.clone();
        live.call.set_switch(leg.attempt, &name);
        leg_media.hop = hop.clone();
        leg_media.trunk = Arc::clone(&switch.trunk);
        leg_media.caller = caller;
        leg_media.called = identity::number_of(&taken.next.address);
        leg_media.codecs = codecs;
        leg_media.ptime_ms = ptime_ms;
        leg_media.early.clear();
        let tries = &mut leg_media.tries;
        tries.switch = switch;
        tries.hop = hop;
        tries.address = taken.next.address;
        tries._channel = taken.channel;
        tries.rest = taken.rest;
        tries.rang = false;
        self.see_dialled(now, leg, &name);
        self.send_invite(now, leg);
        self.channel_is_free(now);
        true
    }
}

/// What a leg is offered through this switch: what the customer's leg agreed on first, so that most calls are relayed untouched.
fn offered_to(live: &Live, candidate: &Candidate) -> (Codecs, u16) {
    let known = candidate.switch.trunk.codecs;
    match live.legs.get(&live.call.customer()).and_then(|customer| customer.plan.as_ref()) {
        Some(plan) => (known.led_by(plan.codec), plan.ptime_ms),
        None => (known, PACKET_MS),
    }
}

/// Who calls, as this switch is shown it.
fn caller_of(config: &EngineConfig, live: &Live, leg: LegId, candidate: &Candidate) -> Caller {
    identity::caller(&Asking {
        leg,
        message: live.call.message(),
        business: &live.business,
        trunk: &candidate.switch.trunk,
        switch_caller_id: candidate.switch.caller_id.as_deref(),
        own: config.sip.of(&candidate.hop),
        default_attestation: identity::attestation_of_switches(config.stir.as_ref()),
    })
}

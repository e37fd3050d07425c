//! The ladders of calls: noted while they live and for a moment after their record, then given to the store. Owns what of the
//! engine's doings is a line of a ladder, and how long one waits for the last BYE's answer; refuses to draw.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::api::{Notice, Reply, ReplyTo, StoreFailure, StoreOp};
use super::{Drain, Engine, Pending, STORE_RETRY, TimerKey};
use crate::call::{self, Action};
use crate::clock::{Mono, Now, Wall};
use crate::ladder::{Clip, Coding, Ladder, Message, Moment, Peer, SdpMode, Verb};
use crate::model::digits::Step;
use crate::model::{BusinessId, CallId, CallState, Digits, Hop, LegId, Outcome, StoredCall};
use crate::sip::api::{self as sip, Note, Way};

/// After a call's record its last messages are still noted for so long.
const LINGER: Duration = Duration::from_secs(2);
/// While the equipment is drained it is looked this often whether they have all come.
const GLANCE: Duration = Duration::from_millis(100);
/// A ladder that the store refuses so often is given up: no bill depends on it.
const TRIES: u8 = 5;

/// All ladders that are not in the store yet.
#[derive(Default)]
pub(super) struct Seen {
    ladders: BTreeMap<CallId, Kept>,
    /// Where the message that is being handled came from.
    from: Option<Peer>,
}

struct Kept {
    ladder: Arc<Ladder>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The call lives, or its record is not durable.
    Living,
    /// The record is durable; stragglers are waited for until then.
    Lingering { until: Mono },
    /// Given to the store so many times.
    Storing { tries: u8 },
}

impl Seen {
    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.ladders.len()
    }

    /// A message from there is about to be handled, or nothing of the kind.
    pub(super) fn hears_from(&mut self, hop: Option<&Hop>) {
        self.from = hop.map(|hop| (hop.transport, hop.address));
    }

    /// Ladders of calls that are over.
    fn lingering(&self) -> impl Iterator<Item = CallId> {
        self.ladders.iter().filter(|(_, kept)| kept.phase != Phase::Living).map(|(call, _)| *call)
    }

    /// A call that will not be.
    pub(super) fn forget(&mut self, call: CallId) {
        self.ladders.remove(&call);
    }

    /// The ladder of a call that goes to sleep.
    pub(super) fn take(&mut self, call: CallId) -> Option<Arc<Ladder>> {
        self.ladders.remove(&call).map(|kept| kept.ladder)
    }

    /// That of one that wakes.
    pub(super) fn put(&mut self, ladder: Ladder) {
        self.ladders.insert(ladder.call(), Kept { ladder: Arc::new(ladder), phase: Phase::Living });
    }

    fn of(&mut self, call: CallId) -> Option<&mut Ladder> {
        self.ladders.get_mut(&call).map(|kept| Arc::make_mut(&mut kept.ladder))
    }

    /// This call's, while it is not in the store.
    pub(super) fn held(&self, call: CallId) -> Option<Arc<Ladder>> {
        self.ladders.get(&call).map(|kept| Arc::clone(&kept.ladder))
    }

    /// What a call is told, where a ladder shows it and no message does.
    pub(super) fn event(&mut self, now: Now, call: &call::Call, event: &call::Event) {
        let (call, customer) = (call.id(), call.customer());
        let Some(ladder) = self.of(call) else { return };
        let moment = match event {
            call::Event::Failed(attempt, _, cause) if cause.sip_status.is_none() => {
                Moment::Fails { attempt: *attempt, q850: cause.q850.unwrap_or(31) }
            }
            call::Event::PlayEnded(attempt) if ladder.hears(*attempt) == Some(Clip::Message) => {
                Moment::Plays { attempt: *attempt, clip: Clip::Music }
            }
            call::Event::ConsentSaid(attempt, heard) => {
                let hears = ladder.hears(*attempt);
                ladder.moment(now, Moment::Told { attempt: *attempt, heard: *heard });
                match hears {
                    Some(Clip::Consent) if *attempt == customer => {
                        Moment::Plays { attempt: *attempt, clip: Clip::Message }
                    }
                    _ => return,
                }
            }
            call::Event::TransferAsked { by, .. } => Moment::Transferred { by: *by },
            call::Event::FirstRelayed(attempt) => Moment::Heard { attempt: *attempt },
            _ => return,
        };
        ladder.moment(now, moment);
    }
}

impl Engine {
    /// The first line: the initiation message came.
    pub(super) fn see_asked(&mut self, now: Now, call: CallId, business: &BusinessId) {
        let mut ladder = Ladder::new(call, business.clone(), now);
        ladder.moment(now, Moment::Asked);
        self.seen.ladders.insert(call, Kept { ladder: Arc::new(ladder), phase: Phase::Living });
    }

    /// It is durable.
    pub(super) fn see_accepted(&mut self, now: Now, call: CallId, until: Option<Wall>) {
        self.see(now, call, Moment::Accepted);
        if let Some(until) = until {
            self.see(now, call, Moment::Waits { until });
        }
    }

    /// A restart found it; what was noted before is gone with the last life's memory.
    pub(super) fn see_restored(&mut self, now: Now, stored: &StoredCall) {
        let mut ladder = Ladder::new(stored.id, stored.message.business_id.clone(), now);
        ladder.moment_at(stored.created_at, Moment::Accepted);
        if stored.progress.started_at.is_some() {
            ladder.moment(now, Moment::Lost);
            ladder.moment(now, Moment::Ended { outcome: Outcome::Interrupted });
        } else {
            ladder.moment(now, Moment::Restored);
        }
        self.seen.ladders.insert(stored.id, Kept { ladder: Arc::new(ladder), phase: Phase::Living });
    }

    /// Something happened to a call.
    pub(super) fn see(&mut self, now: Now, call: CallId, moment: Moment) {
        if let Some(ladder) = self.seen.of(call) {
            ladder.moment(now, moment);
        }
    }

    /// A leg is dialled through this switch.
    pub(super) fn see_dialled(&mut self, now: Now, leg: LegId, switch: &str) {
        let dialled = self.calls.get(&leg.call).and_then(|live| live.call.leg(leg.attempt));
        let (Some(dialled), Some(ladder)) = (dialled, self.seen.of(leg.call)) else { return };
        if ladder.dials(now, leg.attempt, dialled.role, &dialled.address, switch) {
            self.notice(Notice::Failover { call: leg.call, attempt: leg.attempt, switch: switch.into() });
        }
    }

    /// What was agreed with a leg, where it is something else than before.
    pub(super) fn see_agreed(&mut self, now: Now, leg: LegId) {
        let live = self.calls.get(&leg.call);
        let plan = live.and_then(|live| live.legs.get(&leg.attempt)?.plan.as_ref());
        let (Some(plan), Some(ladder)) = (plan, self.seen.of(leg.call)) else { return };
        let srtp = plan.srtp.as_ref().map(|keys| keys.send.suite());
        let coding = Coding { codec: plan.codec, packet_ms: plan.ptime_ms, srtp };
        if ladder.coding(leg.attempt) != Some(coding) {
            ladder.moment(now, Moment::Agreed { attempt: leg.attempt, coding });
        }
    }

    /// What was agreed with a leg may have changed: does it hear us?
    pub(super) fn see_hold(&mut self, now: Now, leg: LegId) {
        let live = self.calls.get(&leg.call).filter(|live| live.call.bridged_at().is_some());
        let plan = live.and_then(|live| live.legs.get(&leg.attempt)?.plan.as_ref());
        let (Some(plan), Some(ladder)) = (plan, self.seen.of(leg.call)) else { return };
        let by = leg.attempt;
        match (ladder.is_holding(by), plan.direction.send) {
            (false, false) => ladder.moment(now, Moment::Held { by }),
            (true, true) => ladder.moment(now, Moment::Resumed { by }),
            _ => {}
        }
    }

    /// A message of a leg; `to` where we sent it.
    pub(super) fn see_message(&mut self, now: Now, note: &Note, to: Option<&Hop>) {
        let Some(leg) = note.leg else { return };
        let peer = to.map(|hop| (hop.transport, hop.address)).or(self.seen.from);
        if let (Some(peer), Some(ladder)) = (peer, self.seen.of(leg.call)) {
            ladder.message(now, peer, message(leg, note));
        }
    }

    /// What a call wants done, where a ladder shows it.
    pub(super) fn see_action(&mut self, now: Now, call: CallId, action: &Action) {
        let moment = match action {
            Action::Entered { from: CallState::Scheduled, to: CallState::Queued } => Moment::Due,
            Action::Entered { to: CallState::CallingCustomer, .. } => {
                return self.seen.of(call).map_or((), |ladder| ladder.anchor(now));
            }
            Action::PlayConnecting(attempt) => {
                let tells = self.calls.get(&call).is_some_and(|live| live.call.tells());
                Moment::Plays { attempt: *attempt, clip: if tells { Clip::Consent } else { Clip::Message } }
            }
            Action::PlayConsent(attempt) => Moment::Plays { attempt: *attempt, clip: Clip::Consent },
            Action::PlayUnavailable(attempt) => Moment::Plays { attempt: *attempt, clip: Clip::Unavailable },
            Action::LeaveMessage(attempt) => Moment::Plays { attempt: *attempt, clip: Clip::Machine },
            Action::PlayGate(attempt) => Moment::Plays { attempt: *attempt, clip: Clip::Gate },
            Action::PlayWhisper(attempt) | Action::PlayAccept(attempt) => {
                Moment::Plays { attempt: *attempt, clip: Clip::Whisper }
            }
            Action::PlayHold(attempt) => Moment::Plays { attempt: *attempt, clip: Clip::Music },
            Action::SendDigits(attempt) => Moment::Digits { attempt: *attempt, count: self.digits_of(call, *attempt) },
            Action::Bridge(a, b) => Moment::Bridged { a: *a, b: *b },
            Action::Supervise { supervisor, mode, .. } => Moment::Supervises { attempt: *supervisor, mode: *mode },
            Action::OneWayAudio => Moment::OneWay,
            Action::Finish(outcome) => Moment::Ended { outcome: *outcome },
            _ => return,
        };
        self.see(now, call, moment);
    }

    /// How many keys are pressed after the answer: which ones is nobody's business here.
    fn digits_of(&self, call: CallId, attempt: u16) -> u8 {
        let leg = self.calls.get(&call).and_then(|live| live.call.leg(attempt));
        let digits = leg.and_then(|leg| Digits::of(&leg.address));
        let pressed = digits.map_or(0, |digits| digits.steps().iter().filter(|step| **step != Step::Pause).count());
        u8::try_from(pressed).unwrap_or(u8::MAX)
    }

    /// The call is over: what was measured of its legs outlives it here.
    pub(super) fn see_sound(&mut self, call: &call::Call) {
        if let Some(ladder) = self.seen.of(call.id()) {
            for (attempt, leg) in (0u16..).zip(call.legs()) {
                ladder.sounded(attempt, leg.samples());
            }
        }
    }

    /// The record is durable: the last messages are waited for, then the ladder is stored.
    pub(super) fn see_recorded(&mut self, now: Now, call: CallId) {
        if let Some(kept) = self.seen.ladders.get_mut(&call) {
            kept.phase = Phase::Lingering { until: now.mono + LINGER };
            let wait = if self.drain == Drain::No { LINGER } else { GLANCE };
            self.timers.set(TimerKey::Ladder(call), now.mono + wait);
        }
    }

    /// No time is lost while the equipment is drained.
    pub(super) fn see_drain(&mut self, now: Now) {
        for call in self.seen.lingering().collect::<Vec<_>>() {
            if self.timers.is_set(&TimerKey::Ladder(call)) {
                self.timers.set(TimerKey::Ladder(call), now.mono + GLANCE);
            }
        }
    }

    /// A ladder's time to be stored may have come.
    pub(super) fn look_at_ladder(&mut self, now: Now, call: CallId) {
        let Some(kept) = self.seen.ladders.get_mut(&call) else { return };
        let tries = match kept.phase {
            Phase::Living => return,
            Phase::Lingering { until } if now.mono < until && !kept.ladder.is_settled() => {
                return self.timers.set(TimerKey::Ladder(call), now.mono + GLANCE);
            }
            Phase::Lingering { .. } => 0,
            Phase::Storing { tries } => tries,
        };
        kept.phase = Phase::Storing { tries: tries + 1 };
        let op = StoreOp::Ladder(Arc::clone(&kept.ladder));
        self.store(op, Pending::Ladder { call });
    }

    /// The store has the ladder, or could not take it.
    pub(super) fn ladder_stored(&mut self, now: Now, call: CallId, result: &Result<(), StoreFailure>) {
        let tries = match self.seen.ladders.get(&call).map(|kept| kept.phase) {
            Some(Phase::Storing { tries }) => tries,
            _ => return,
        };
        match result {
            Err(_) if tries < TRIES => self.timers.set(TimerKey::Ladder(call), now.mono + STORE_RETRY),
            Err(_) => {
                self.seen.forget(call);
                self.notice(Notice::LadderLost { call });
            }
            Ok(()) => self.seen.forget(call),
        }
    }

    /// True while a ladder of a call that is over is not in the store.
    pub(super) fn owes_ladders(&self) -> bool {
        self.seen.lingering().next().is_some()
    }

    /// Shows a ladder to its business.
    pub(super) fn show_ladder(&mut self, reply: ReplyTo, business: &BusinessId, call: CallId) {
        let kept = self.seen.ladders.get(&call).filter(|kept| kept.ladder.business() == business);
        let ladder = kept.map(|kept| Arc::clone(&kept.ladder));
        self.reply(reply, Reply::Ladder(ladder));
    }
}

fn message(leg: LegId, note: &Note) -> Message {
    Message {
        attempt: leg.attempt,
        out: note.way == Way::Out,
        verb: Verb::of(note.method),
        status: note.status,
        cseq: note.cseq,
        sdp: note.sdp.map(|mode| match mode {
            sip::SdpMode::SendRecv => SdpMode::SendRecv,
            sip::SdpMode::SendOnly => SdpMode::SendOnly,
            sip::SdpMode::RecvOnly => SdpMode::RecvOnly,
            sip::SdpMode::Inactive => SdpMode::Inactive,
        }),
        q850: note.q850,
        digest: note.digest,
        peer: 0,
        again: false,
    }
}

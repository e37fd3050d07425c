//! What a call's followers and its business's webhook are told: the states that it entered, in order, each with its number, the alarms of
//! its media (followers only), which have numbers of their own and leave those of the states alone, and its end once the record is
//! durable. Owns who waits for the next one, and which of them the store has for the webhook; refuses how they are sent (`io`).
//!
//! A follower asks [`super::api::Input::Watch`] again and again, each time from the number that it knows: nobody is missed, nothing is
//! pushed to one who is gone, and a lost connection goes on where it was.

use std::collections::VecDeque;

use super::api::{After, AlarmEvent, CallEvent, Hearers, Reply, ReplyTo, StoreOp, Watched};
use super::asleep::FOLLOWED;
use super::{Engine, TimerKey, taped};
use crate::clock::{Now, Wall};
use crate::model::{Alarm, Business, BusinessId, CallId, CallState, CallView, InitiationMessage, LegId, StoredCall};

/// Followers that wait at one call. One more, and the one who waited longest is answered with nothing: it asks again if it is
/// still there.
const MAX_WAITING: usize = 32;

/// Alarms of one call that are kept for who comes later; a leg that turns bad and good for hours has more.
const MAX_ALARMS: usize = 32;

/// What one call's followers have been told, and who waits for more.
#[derive(Debug, Default)]
pub(super) struct Moments {
    entered: Vec<CallEvent>,
    /// The newest last, at most [`MAX_ALARMS`].
    alarms: VecDeque<AlarmEvent>,
    waiting: Vec<ReplyTo>,
    /// The number of the last one that went into an operation of the store, for the webhook or the sink.
    told: u32,
    /// The number of the last one that is durable there, or that nobody was there for.
    kept: u32,
    /// The call came with a sink for its events.
    sink: bool,
}

impl Moments {
    /// Those of a call that was asked for like this, before its first.
    pub(super) fn of(message: &InitiationMessage) -> Moments {
        Moments { sink: message.has_sink(), ..Moments::default() }
    }

    /// Who is sent them.
    pub(super) fn hearers(&self, business: &Business) -> Hearers {
        Hearers { webhook: business.is_told(), sink: self.sink }
    }

    /// Those of a call that a restart found waiting, as they were numbered when it was accepted.
    pub(super) fn restored(stored: &StoredCall, now: Wall, state: CallState) -> Moments {
        let mut moments = Moments::of(&stored.message);
        if stored.progress.next_try_at.is_some() {
            let tries = stored.progress.tried.len() as u64;
            let put_off = stored.progress.tried.last().map_or(stored.created_at, |last| last.ended_at);
            moments.wait_again(put_off, tries);
            (moments.told, moments.kept) = (moments.last(), moments.last());
            if state != CallState::Scheduled {
                moments.enter(now, state);
            }
            return moments;
        }
        let first = match stored.message.desired_contact_time {
            Some(at) if at > stored.created_at => CallState::Scheduled,
            _ => CallState::Queued,
        };
        moments.enter(stored.created_at, first);
        // Its acceptance has told it.
        (moments.told, moments.kept) = (moments.last(), moments.last());
        // A clock that was set back makes no call wait for the first time: its number would be one too many.
        if first == CallState::Scheduled && state != first {
            moments.enter(now, state);
        }
        moments
    }

    /// The number of the last one.
    pub(super) fn last(&self) -> u32 {
        self.entered.last().map_or(0, |event| event.sequence)
    }

    /// True when all of it is durable and nobody waits for more.
    pub(super) fn are_settled(&self) -> bool {
        self.waiting.is_empty() && self.alarms.is_empty() && self.kept >= self.last()
    }

    /// What is not known from the store's form of the call: all but the last one.
    pub(super) fn before_last(&self) -> Box<[CallEvent]> {
        self.entered.split_last().map_or(Box::default(), |(_, before)| before.into())
    }

    /// These, and what was told before.
    pub(super) fn behind(mut self, before: &[CallEvent]) -> Moments {
        let first = self.entered.first().map_or(u32::MAX, |event| event.sequence);
        self.entered.splice(0..0, before.iter().filter(|event| event.sequence < first).copied());
        self
    }

    /// Those who wait for more, who do so no longer.
    pub(super) fn dismiss(&mut self) -> Vec<ReplyTo> {
        std::mem::take(&mut self.waiting)
    }

    /// True when something happened that no operation of the store tells.
    pub(super) fn are_untold(&self) -> bool {
        self.told < self.last()
    }

    /// What `op` has to tell to this business's webhook and the call's sink: all that is not known to be durable, so that no event is there without those
    /// before it. Gives the number up to which it tells.
    pub(super) fn telling(
        &mut self,
        business: &Business,
        op: StoreOp,
        call: impl FnOnce() -> CallView,
    ) -> (StoreOp, u32) {
        self.told = self.last();
        let hearers = self.hearers(business);
        if !hearers.any() {
            self.kept = self.told;
        }
        let events = self.unkept();
        (with(op, hearers, events, call), self.told)
    }

    fn unkept(&self) -> Vec<CallEvent> {
        self.entered.iter().filter(|event| event.sequence > self.kept).copied().collect()
    }

    /// The operation that told it up to this number is durable.
    pub(super) fn are_kept(&mut self, told: u32) {
        self.kept = self.kept.max(told);
    }

    /// The same for the record, which tells the end as well.
    pub(super) fn telling_end(&self, business: &Business, op: StoreOp, call: &CallView) -> StoreOp {
        let hearers = self.hearers(business);
        if !hearers.any() {
            return op;
        }
        let mut events = self.unkept();
        events.push(end_of(call));
        with(op, hearers, events, || call.clone())
    }

    /// The call entered a state. Its end is told by [`Engine::told_end`], when it is durable.
    pub(super) fn enter(&mut self, at: Wall, state: CallState) {
        if state != CallState::Ended {
            let sequence = self.entered.last().map_or(0, |event| event.sequence) + 1;
            self.entered.push(CallEvent { sequence, at, state });
        }
    }

    /// After so many tries the call waits for another. Its number follows from theirs, whatever a restart has forgotten.
    pub(super) fn wait_again(&mut self, at: Wall, tries: u64) {
        let sequence = before_try(tries).max(self.last()) + 1;
        self.entered.push(CallEvent { sequence, at, state: CallState::Scheduled });
    }

    /// A leg's media fails, or is right again.
    fn alarm(&mut self, at: Wall, leg: u16, alarm: Alarm) -> AlarmEvent {
        let number = self.alarms.back().map_or(0, |last| last.number).saturating_add(1);
        let after = self.entered.last().map_or(0, |event| event.sequence);
        let event = AlarmEvent { number, after, at, leg, alarm };
        if self.alarms.len() >= MAX_ALARMS {
            self.alarms.pop_front();
        }
        self.alarms.push_back(event);
        event
    }

    /// What came after this.
    fn after(&self, known: After) -> (Vec<CallEvent>, Vec<AlarmEvent>) {
        let events = self.entered.iter().filter(|event| event.sequence > known.sequence);
        let alarms = self.alarms.iter().filter(|event| match known.alarms {
            Some(number) => event.number > number,
            None => event.after >= known.sequence,
        });
        (events.copied().collect(), alarms.copied().collect())
    }

    /// Keeps a follower until there is more; gives the one who has to make room.
    fn wait(&mut self, reply: ReplyTo) -> Option<ReplyTo> {
        self.waiting.push(reply);
        (self.waiting.len() > MAX_WAITING).then(|| self.waiting.remove(0))
    }
}

fn with(op: StoreOp, hearers: Hearers, events: Vec<CallEvent>, call: impl FnOnce() -> CallView) -> StoreOp {
    if events.is_empty() {
        return op;
    }
    let mut call = call();
    call.without_samples();
    let told = Box::new(Watched { events, alarms: Vec::new(), call });
    StoreOp::Telling { op: Box::new(op), told, hearers }
}

/// The number of every call's first event: its acceptance.
pub(super) const FIRST: u32 = 1;
/// The most numbers that are used before the wait for the next try: each try is waited for, queued and dialled.
fn before_try(tries: u64) -> u32 {
    u32::try_from(tries).unwrap_or(u32::MAX / 8).saturating_mul(3)
}

/// The number of every call's last event: one more than a call with so many tries can enter states before its end (each try: scheduled,
/// queued, calling the customer; then calling a representative, bridged). So it is the same from memory, from the store and after a
/// crash, and above all that was told; numbers may be left out before it.
fn last_of(tries: u64) -> u32 {
    before_try(tries.max(1)) + 3
}

impl Engine {
    /// The call entered a state: whoever follows it is told.
    pub(super) fn entered(&mut self, now: Now, call: CallId, state: CallState) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        match state {
            // No call waits at first that has not been accepted so.
            CallState::Scheduled => live.moments.wait_again(now.wall, live.call.tries()),
            _ => live.moments.enter(now.wall, state),
        }
        if state == CallState::Ended || live.moments.waiting.is_empty() {
            return;
        }
        let events: Vec<CallEvent> = live.moments.entered.last().copied().into_iter().collect();
        self.tell_followers(now, call, &events, &[]);
    }

    /// A leg's media fails, or is right again: whoever follows the call is told.
    pub(super) fn alarm_told(&mut self, now: Now, leg: LegId, alarm: Alarm) {
        let Some(live) = self.calls.get_mut(&leg.call) else { return };
        let event = live.moments.alarm(now.wall, leg.attempt, alarm);
        self.tell_followers(now, leg.call, &[], &[event]);
    }

    fn tell_followers(&mut self, now: Now, call: CallId, events: &[CallEvent], alarms: &[AlarmEvent]) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        let waiting = std::mem::take(&mut live.moments.waiting);
        if waiting.is_empty() {
            return;
        }
        let view = taped::shown(live, live.call.view());
        let view = self.with_wait(now, view);
        for reply in waiting {
            let watched = Watched { events: events.to_vec(), alarms: alarms.to_vec(), call: view.clone() };
            self.reply(reply, Reply::Events(Some(Box::new(watched))));
        }
    }

    /// The call's record is durable: its last event.
    pub(super) fn told_end(&mut self, mut moments: Moments, view: &CallView) {
        let events = vec![end_of(view)];
        for reply in std::mem::take(&mut moments.waiting) {
            let watched = Watched { events: events.clone(), alarms: Vec::new(), call: view.clone() };
            self.reply(reply, Reply::Events(Some(Box::new(watched))));
        }
    }

    /// A follower wants what came after `after`: at once if there is something, else when there is.
    pub(super) fn watch(&mut self, now: Now, reply: ReplyTo, business: &BusinessId, call: CallId, after: After) {
        let view = self.view(business, call).map(|view| self.with_wait(now, view));
        let Some(view) = view else { return self.reply(reply, Reply::Events(None)) };
        let moments = match self.calls.get_mut(&call) {
            Some(live) => Some(&mut live.moments),
            None => self.recording.get_mut(&call).map(|recorded| &mut recorded.moments),
        };
        let Some(moments) = moments else { return self.reply(reply, Reply::Events(None)) };
        let (events, alarms) = moments.after(after);
        let nothing = events.is_empty() && alarms.is_empty();
        let displaced = if nothing { moments.wait(reply) } else { None };
        if nothing && view.state == CallState::Scheduled {
            self.timers.set(TimerKey::Rest(call), now.mono + FOLLOWED);
        }
        if !nothing {
            self.reply(reply, Reply::Events(Some(Box::new(Watched { events, alarms, call: view }))));
        } else if let Some(displaced) = displaced {
            let watched = Watched { events: Vec::new(), alarms: Vec::new(), call: view };
            self.reply(displaced, Reply::Events(Some(Box::new(watched))));
        }
    }
}

/// The event of an ended call.
pub fn end_of(call: &CallView) -> CallEvent {
    CallEvent { sequence: last_of(call.tries), at: call.ended_at.unwrap_or(call.created_at), state: CallState::Ended }
}

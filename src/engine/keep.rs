//! Durability: progress marks, the heartbeat, records until they are stored. Owns the retries; a record leaves memory only
//! when the store has it.

use std::sync::Arc;

use super::api::{Notice, Refusal, Reply, ReplyTo, StoreFailure, StoreOp, StoreToken};
use super::events::Moments;
use super::{Engine, HEARTBEAT, Live, Pending, Recorded, STORE_RETRY, Standing, TimerKey, record, taped};
use crate::billing::Prices;
use crate::clock::{Now, Wall};
use crate::model::{Business, CallId, CallView, Outcome, StoredCall};

/// So many who asked for the end of one call are kept until it is durable.
const MAX_ASKERS: usize = 32;

impl Engine {
    pub(super) fn stored(&mut self, now: Now, token: StoreToken, result: Result<(), StoreFailure>) {
        let Some(pending) = self.pending.remove(&token) else { return };
        match (pending, result) {
            (Pending::Accept { call, reply }, result) => self.accepted(now, call, reply, result),
            (Pending::Finish { call }, Ok(())) => {
                if let Some(recorded) = self.recording.remove(&call) {
                    let Recorded { record, attempts, view, moments, askers, .. } = *recorded;
                    self.told_end(moments, &view);
                    for (to, reply) in askers {
                        self.reply(to, reply);
                    }
                    self.notice(Notice::Ended(Box::new(record), attempts));
                    self.see_recorded(now, call);
                }
            }
            (Pending::Ladder { call }, result) => self.ladder_stored(now, call, &result),
            (Pending::Finish { call } | Pending::Progress { call, .. }, Err(_)) => {
                self.notice(Notice::StoreRetry { call });
                self.timers.set(TimerKey::StoreRetry(call), now.mono + STORE_RETRY);
            }
            (Pending::Progress { call, told }, Ok(())) => {
                if let Some(live) = self.calls.get_mut(&call) {
                    live.moments.are_kept(told);
                    self.put_off_is_kept(now, call, told);
                } else if let Some(recorded) = self.recording.get_mut(&call) {
                    recorded.moments.are_kept(told);
                }
            }
            (Pending::Session { reply, session }, result) => self.session_stored(now, reply, session, result),
            (Pending::Limit(event), Err(_)) => self.limit_untold(*event),
            (Pending::Alive, _) | (Pending::Limit(_), Ok(())) => {}
        }
    }

    /// Answers who asked for a call's end: once the record is durable, where there is one already, else at once. Without that, a crash would
    /// bring back a call that waited, and its customer would be called who was told that nobody will.
    pub(super) fn reply_when_recorded(&mut self, id: CallId, to: ReplyTo, reply: Reply) {
        match self.recording.get_mut(&id) {
            Some(recorded) if recorded.askers.len() < MAX_ASKERS => recorded.askers.push((to, reply)),
            Some(_) => {
                let why = "the store does not answer";
                self.reply(to, Reply::Refused(Refusal::Unavailable { retry_after: 1, why }));
            }
            None => self.reply(to, reply),
        }
    }

    /// Says again what the store could not keep: the record, or the latest marks.
    pub(super) fn retry_store(&mut self, call: CallId) {
        if self.recording.contains_key(&call) {
            self.store_record(call);
        } else {
            self.save_progress(call);
        }
    }

    pub(super) fn save_progress(&mut self, id: CallId) {
        let Some(live) = self.calls.get_mut(&id) else { return };
        let op = StoreOp::Progress { call: id, progress: Box::new(live.call.progress()) };
        let mut moments = std::mem::take(&mut live.moments);
        let (op, told) = moments.telling(&live.business, op, || taped::shown(live, live.call.view()));
        live.moments = moments;
        self.store(op, Pending::Progress { call: id, told });
    }

    /// What no mark has told to the webhook or the sink is told by one of its own.
    pub(super) fn tell_webhook(&mut self, id: CallId) {
        let Some(live) = self.calls.get_mut(&id).filter(|live| live.moments.are_untold()) else { return };
        if live.moments.hearers(&live.business).any() {
            self.save_progress(id);
        }
    }

    /// A mark of this life must not stand for calls of the last one, so it waits until their records are durable.
    pub(super) fn heartbeat(&mut self, now: Now) {
        if self.recording.values().any(|recorded| recorded.record.outcome == Outcome::Interrupted) {
            return self.timers.set(TimerKey::Alive, now.mono + STORE_RETRY);
        }
        if self.calls.values().any(|live| matches!(live.standing, Standing::Placed { .. })) {
            self.store(StoreOp::Alive { at: now.wall }, Pending::Alive);
            self.timers.set(TimerKey::Alive, now.mono + HEARTBEAT);
        }
    }

    /// The call is over and every port is back: its record is made, its permit returns, its memory is the record's.
    pub(super) fn finish(&mut self, id: CallId, outcome: Outcome, ended_at: Wall) {
        let Some(live) = self.calls.remove(&id) else { return };
        self.queued.leave(id);
        self.schedule.remove(live.due, id);
        self.timers.cancel(&TimerKey::Rest(id));
        let (record, attempts) = record::finished(&live.call, &live.prices, &live.business, outcome, ended_at);
        let mut record = record;
        record.recording = taped::ended(&live);
        self.settle(&record, &live.share);
        let mut view = live.call.view();
        view.recording = record.recording.clone();
        view.billable_seconds = Some(record.billable_seconds());
        let Live { business, moments, .. } = *live;
        let askers = Vec::new();
        self.recording.insert(id, Box::new(Recorded { record, attempts, view, moments, business, askers }));
        self.store_record(id);
    }

    pub(super) fn record_interrupted(
        &mut self,
        stored: &StoredCall,
        business: Arc<Business>,
        last_alive: Option<Wall>,
        now: Now,
    ) {
        self.see_restored(now, stored);
        let prices = Prices::of(&business, &self.config.tariffs);
        let (record, attempts) = record::interrupted(stored, &prices, &business, last_alive, now.wall);
        self.settle_interrupted(&record);
        let view = CallView::from_record(&record, &attempts);
        let moments = Moments::of(&stored.message);
        let askers = Vec::new();
        self.recording.insert(stored.id, Box::new(Recorded { record, attempts, view, moments, business, askers }));
        self.store_record(stored.id);
    }

    fn store_record(&mut self, call: CallId) {
        let Some(recorded) = self.recording.get(&call) else { return };
        let op = StoreOp::Finish { record: Box::new(recorded.record.clone()), attempts: recorded.attempts.clone() };
        let op = recorded.moments.telling_end(&recorded.business, op, &recorded.view);
        self.store(op, Pending::Finish { call });
    }
}

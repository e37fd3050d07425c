//! Calls that wait for their time, in few bytes: what the store has of each, its place and what it holds of its account's bounds. Owns the form,
//! the going to sleep and the waking; a call is awake when its time has come, while somebody follows it and for as long as it is asked about.
//! So nothing that the engine does goes through those who wait: a million of them cost memory, not time. Decision 0032.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::api::{CallEvent, Reply, Watched};
use super::events::Moments;
use super::limits::Share;
use super::{Engine, Live, Standing, TimerKey, again};
use crate::access::Permit;
use crate::access::direct::Held;
use crate::billing::Prices;
use crate::call::Call;
use crate::clock::{Now, Wall};
use crate::ladder::{Ladder, Moment};
use crate::model::{BusinessId, CallId, CallState, CallView, StoredCall};

/// A call that is put off is awake for so long yet: the last messages of its try are still to be noted.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// Whoever follows a call that waits is asked so often whether it is still there; an open stream is younger.
pub(super) const FOLLOWED: Duration = Duration::from_secs(600);

/// All that sleep.
#[derive(Default)]
pub(super) struct Dormitory {
    calls: BTreeMap<CallId, Box<Asleep>>,
    of_business: BTreeMap<BusinessId, BTreeSet<CallId>>,
}

/// One that sleeps.
pub(super) struct Asleep {
    due: Wall,
    permit: Option<Permit>,
    share: Share,
    single: Held,
    stored: Packed,
    ladder: Noted,
    /// What its followers were told of earlier tries.
    entered: Box<[CallEvent]>,
}

/// A [`StoredCall`].
enum Packed {
    Json(Box<[u8]>),
    /// It has no such form; none is known.
    Whole(Box<StoredCall>),
}

/// What was seen of it before.
enum Noted {
    /// The ladder's stored form.
    Ladder(Box<str>),
    /// A restart found it at this moment: what was noted before is gone.
    Restored(Wall),
}

impl Dormitory {
    /// How many sleep.
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Those of a business, the newest first, from this one on downwards.
    pub(super) fn newest(&self, business: &BusinessId, before: CallId) -> impl Iterator<Item = CallId> {
        self.of_business.get(business).into_iter().flat_map(move |calls| calls.range(..before).rev().copied())
    }

    fn take(&mut self, id: CallId, business: &BusinessId) -> Option<Box<Asleep>> {
        let asleep = self.calls.remove(&id)?;
        if let Some(calls) = self.of_business.get_mut(business) {
            calls.remove(&id);
            if calls.is_empty() {
                self.of_business.remove(business);
            }
        }
        Some(asleep)
    }

    fn put(&mut self, id: CallId, business: &BusinessId, asleep: Box<Asleep>) {
        self.calls.insert(id, asleep);
        match self.of_business.get_mut(business) {
            Some(calls) => calls.insert(id),
            None => self.of_business.entry(business.clone()).or_default().insert(id),
        };
    }
}

impl Packed {
    fn of(stored: StoredCall) -> Packed {
        match serde_json::to_vec(&stored) {
            Ok(bytes) => Packed::Json(bytes.into()),
            Err(_) => Packed::Whole(Box::new(stored)),
        }
    }

    fn read(&self) -> Option<StoredCall> {
        match self {
            Packed::Json(bytes) => serde_json::from_slice(bytes).ok(),
            Packed::Whole(stored) => Some(StoredCall::clone(stored)),
        }
    }
}

impl Engine {
    /// A call that waits, that nobody follows and all of which is durable goes to sleep.
    pub(super) fn put_to_sleep(&mut self, id: CallId) {
        let Some(live) = self.calls.get(&id) else { return };
        if !matches!(live.standing, Standing::Scheduled { .. }) || !live.moments.are_settled() {
            return;
        }
        let stored = Packed::of(StoredCall {
            id,
            created_at: live.call.created_at(),
            message: live.call.message().clone(),
            progress: live.call.progress(),
        });
        let entered = live.moments.before_last();
        let Some(ladder) = self.seen.take(id) else { return };
        let Some(live) = self.calls.remove(&id) else { return };
        self.timers.cancel(&TimerKey::Rest(id));
        let Live { business, standing, due, share, single, .. } = *live;
        let permit = if let Standing::Scheduled { _permit } = standing { _permit } else { None };
        let ladder = Noted::Ladder(ladder.to_stored().into());
        let asleep = Asleep { due, permit, share, single, stored, ladder, entered };
        self.asleep.put(id, &business.id, Box::new(asleep));
    }

    /// It has been awake for long enough: who still follows it asks again.
    pub(super) fn rest(&mut self, id: CallId) {
        let Some(live) = self.calls.get_mut(&id) else { return };
        if !matches!(live.standing, Standing::Scheduled { .. }) {
            return;
        }
        let followers = live.moments.dismiss();
        if !followers.is_empty() {
            let call = live.call.view();
            for reply in followers {
                let watched = Watched { events: Vec::new(), alarms: Vec::new(), call: call.clone() };
                self.reply(reply, Reply::Events(Some(Box::new(watched))));
            }
        }
        self.put_to_sleep(id);
    }

    /// A restart found it waiting.
    pub(super) fn restore_asleep(
        &mut self,
        now: Now,
        stored: StoredCall,
        (permit, share, single): (Option<Permit>, Share, Held),
    ) {
        let (id, business, due) = (stored.id, stored.message.business_id.clone(), again::due_of(&stored));
        let (stored, ladder) = (Packed::of(stored), Noted::Restored(now.wall));
        let asleep = Asleep { due, permit, share, single, stored, ladder, entered: Box::default() };
        self.asleep.put(id, &business, Box::new(asleep));
        self.schedule.add(due, id);
    }

    /// Wakes a call, if it sleeps.
    pub(super) fn wake(&mut self, now: Now, id: CallId) {
        let Some(stored) = self.asleep.calls.get(&id).and_then(|asleep| asleep.stored.read()) else { return };
        let Some(asleep) = self.asleep.take(id, &stored.message.business_id) else { return };
        let Asleep { due, permit, share, single, ladder, entered, .. } = *asleep;
        let ladder = match ladder {
            Noted::Ladder(text) => Ladder::from_stored(&text).ok(),
            Noted::Restored(at) => {
                let mut ladder = Ladder::new(id, stored.message.business_id.clone(), now);
                ladder.moment_at(stored.created_at, Moment::Accepted);
                ladder.moment_at(at, Moment::Restored);
                Some(ladder)
            }
        };
        let mut ladder = ladder.unwrap_or_else(|| Ladder::new(id, stored.message.business_id.clone(), now));
        ladder.anchor(now);
        self.seen.put(ladder);
        let business = self.business_or_unknown(&stored);
        let moments = Moments::restored(&stored, now.wall, CallState::Scheduled).behind(&entered);
        let mut call = Call::new(id, stored.created_at, stored.message, self.config.limits, false);
        if let Some(next) = stored.progress.next_try_at {
            call.tried_before(&stored.progress.tried, next);
        }
        let standing = Standing::Scheduled { _permit: permit };
        let prices = Prices::of(&business, &self.config.tariffs);
        let live = Live { due, ..Live::new(now, call, (business, prices), standing, moments, (share, single)) };
        self.calls.insert(id, Box::new(live));
    }

    /// What is shown of one that sleeps, without waking it.
    pub(super) fn asleep_view(&self, id: CallId) -> Option<CallView> {
        let stored = self.asleep.calls.get(&id)?.stored.read()?;
        let mut call = Call::new(id, stored.created_at, stored.message, self.config.limits, false);
        if let Some(next) = stored.progress.next_try_at {
            call.tried_before(&stored.progress.tried, next);
        }
        Some(call.view())
    }
}

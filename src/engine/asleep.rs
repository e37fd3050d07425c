//! Calls that wait for their time, in few bytes: what the store has of each, its place and what it holds of its account's bounds. Owns the form,
//! the going to sleep and the waking; a call is awake when its time has come, while somebody follows it and for as long as it is asked about.
//! So nothing that the engine does goes through those who wait: a million of them cost memory, not time.

use std::collections::{BTreeMap, BTreeSet};

use super::events::Moments;
use super::limits::Share;
use super::{Engine, Live, Standing, again};
use crate::access::Permit;
use crate::access::direct::Held;
use crate::call::Call;
use crate::clock::{Now, Wall};
use crate::ladder::{Ladder, Moment};
use crate::model::{BusinessId, CallId, CallState, CallView, StoredCall};

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
    /// A [`StoredCall`] as JSON.
    stored: Box<[u8]>,
    ladder: Noted,
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

impl Asleep {
    fn read(&self) -> Option<StoredCall> {
        serde_json::from_slice(&self.stored).ok()
    }
}

impl Engine {
    /// A call that waits, that nobody follows and all of which is durable goes to sleep.
    pub(super) fn put_to_sleep(&mut self, id: CallId) {
        let waits =
            |live: &&Box<Live>| matches!(live.standing, Standing::Scheduled { .. }) && live.moments.are_settled();
        let Some(live) = self.calls.get(&id).filter(waits) else { return };
        let stored = StoredCall {
            id,
            created_at: live.call.created_at(),
            message: live.call.message().clone(),
            progress: live.call.progress(),
        };
        let Ok(bytes) = serde_json::to_vec(&stored) else { return };
        let Some(ladder) = self.seen.take(id) else { return };
        let Some(live) = self.calls.remove(&id) else { return };
        let Live { business, standing, due, share, single, .. } = *live;
        let permit = if let Standing::Scheduled { _permit } = standing { _permit } else { None };
        let asleep = Asleep {
            due,
            permit,
            share,
            single,
            stored: bytes.into(),
            ladder: Noted::Ladder(ladder.to_stored().into()),
        };
        self.asleep.put(id, &business.id, Box::new(asleep));
    }

    /// A restart found it waiting.
    pub(super) fn restore_asleep(
        &mut self,
        now: Now,
        stored: &StoredCall,
        holds: (Option<Permit>, Share, Held),
    ) -> bool {
        let Ok(bytes) = serde_json::to_vec(stored) else { return false };
        let (permit, share, single) = holds;
        let due = again::due_of(stored);
        let ladder = Noted::Restored(now.wall);
        let asleep = Asleep { due, permit, share, single, stored: bytes.into(), ladder };
        self.asleep.put(stored.id, &stored.message.business_id, Box::new(asleep));
        self.schedule.add(due, stored.id);
        true
    }

    /// Wakes a call, if it sleeps.
    pub(super) fn wake(&mut self, now: Now, id: CallId) {
        let Some(stored) = self.asleep.calls.get(&id).and_then(|asleep| asleep.read()) else { return };
        let Some(asleep) = self.asleep.take(id, &stored.message.business_id) else { return };
        let Asleep { due, permit, share, single, ladder, .. } = *asleep;
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
        let moments = Moments::restored(&stored, now.wall, CallState::Scheduled);
        let mut call = Call::new(id, stored.created_at, stored.message, self.config.limits, false);
        if let Some(next) = stored.progress.next_try_at {
            call.tried_before(&stored.progress.tried, next);
        }
        let standing = Standing::Scheduled { _permit: permit };
        let live = Live { due, ..Live::new(now, call, business, standing, moments, (share, single)) };
        self.calls.insert(id, Box::new(live));
    }

    /// What is shown of one that sleeps, without waking it.
    pub(super) fn asleep_view(&self, id: CallId) -> Option<CallView> {
        let stored = self.asleep.calls.get(&id)?.read()?;
        let mut call = Call::new(id, stored.created_at, stored.message, self.config.limits, false);
        if let Some(next) = stored.progress.next_try_at {
            call.tried_before(&stored.progress.tried, next);
        }
        Some(call.view())
    }
}

//! A call between two tries: when the next one is due, that it is durable before it waits, and what is asked anew when its time comes. Owns the
//! order of these steps; which ends are followed by another try is `call`'s, the plan the message's.

use std::time::Duration;

use super::asleep::LINGER;
use super::{Engine, Live, Standing, TimerKey, direct};
use crate::access::quiet;
use crate::clock::{Now, Wall};
use crate::ladder::Moment;
use crate::model::{CallId, StoredCall};

impl Engine {
    /// The customer was not reached, and the plan has another try so long after: the call waits for it, or is over.
    pub(super) fn try_again(&mut self, now: Now, id: CallId, after: Duration) {
        let Some(live) = self.calls.get_mut(&id) else { return };
        let Some(at) = next_try(now.wall + after, live) else { return live.call.end_tries(now) };
        // No plan is broken for want of a place among those who wait.
        let permit = self.access.scheduled(now.mono, &live.business).ok();
        live.standing = Standing::PuttingOff { permit };
        live.due = at;
        live.claim = None;
        live.holds_since = None;
        live.share.until = None;
        live.single = self.singles.hold(direct::single(live.call.message(), Some(at)));
        let pairs = direct::pairs(live.call.message(), Some(at));
        live.share.pairs = pairs.map(|pair| self.singles.hold(pair)).collect();
        live.call.put_off(at);
        self.see(now, id, Moment::Waits { until: at });
    }

    /// The store has what was told up to this number: a call that is put off waits from then on.
    pub(super) fn put_off_is_kept(&mut self, now: Now, id: CallId, told: u32) {
        let Some(live) = self.calls.get_mut(&id) else { return };
        let Standing::PuttingOff { permit } = &mut live.standing else { return };
        if told < live.moments.last() {
            return;
        }
        live.standing = Standing::Scheduled { _permit: permit.take() };
        self.schedule.add(live.due, id);
        self.timers.set(TimerKey::Rest(id), now.mono + LINGER);
        self.look_at_schedule(now);
    }

    /// What is asked anew before the customer is dialled again; why it is not.
    pub(super) fn asks_anew(&mut self, now: Now, id: CallId) -> Result<(), String> {
        let Some(live) = self.calls.get(&id).filter(|live| live.call.tries() > 0) else { return Ok(()) };
        let (business, message) = (live.business.clone(), live.call.message().clone());
        if !business.enabled {
            return Err("this account is disabled".to_owned());
        }
        let judged = Engine::check_account_destinations(&business, &message)
            .and_then(|()| self.check_duplicates(&business, &message, None))
            .and_then(|()| self.check_number(now, &business, &message));
        judged.map_err(|refusal| refusal.to_string())?;
        self.count_number(now, &business, &message);
        Ok(())
    }
}

/// When the next try is due, at this moment or when it is quiet no more; none: not within the window and before the end.
fn next_try(wanted: Wall, live: &Live) -> Option<Wall> {
    let message = live.call.message();
    let at = match &live.business.guard.quiet {
        Some(hours) => quiet::ends(hours, &message.customer, wanted)?,
        None => wanted,
    };
    Some(at).filter(|at| message.expires_at.is_none_or(|end| *at < end))
}

/// When a call that a restart found waiting is due.
pub(super) fn due_of(stored: &StoredCall) -> Wall {
    let first = stored.message.desired_contact_time.unwrap_or(stored.created_at);
    stored.progress.next_try_at.unwrap_or(first)
}

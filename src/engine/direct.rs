//! A direct call request on its way in: is the account open, is it within its bounds, whom does it mean. Owns the order of these
//! questions, and what a call holds so that it is not placed twice; the verdicts are `access`'s, the choice is `acd`'s.

use super::Engine;
use super::api::Refusal;
use crate::access::direct::{Held, Single, number_mark, pair_mark};
use crate::acd;
use crate::clock::{Now, Wall};
use crate::model::direct::RequestMarks;
use crate::model::{CallState, InitiationMessage};

impl Engine {
    /// Judges a message that a customer's browser sent, and names its representatives; one of a business passes.
    pub(super) fn admit_direct(&mut self, now: Now, message: &mut InitiationMessage) -> Result<(), Refusal> {
        let Some(direct) = &message.direct else { return Ok(()) };
        let business = self.directory.get(&message.business_id).filter(|business| business.enabled);
        let business = business.filter(|business| business.direct.is_open()).cloned().ok_or(Refusal::NotOpen)?;
        let account = &business.direct;
        // First: who has shown work has used it, whatever comes of it.
        if let Some(work) = &direct.marks.work {
            self.requests.spend(now, work)?;
        }
        let named = direct.representative_information.as_deref();
        message.need = Engine::need_of(&business, message, named).map(Box::new);
        if message.need.is_none() {
            message.representatives = acd::named::choose(account, named).ok_or(Refusal::UnknownRepresentative)?;
        }
        let at = Engine::wall_in_future(now, message.desired_contact_time);
        // Where a window is asked for, the moment is not known yet: it is asked again then.
        let windowed = message.asked.as_ref().is_some_and(|asked| asked.window.is_some());
        if !windowed && self.singles.is_held(&single(message, at)) {
            return Err(Refusal::Duplicate);
        }
        Ok(self.requests.check(now.mono, &direct.marks, account)?)
    }

    /// It is accepted, unless the store fails: then it was counted for nothing, which errs on the safe side.
    pub(super) fn count_direct(&mut self, now: Now, message: &InitiationMessage) {
        if let Some(direct) = &message.direct {
            self.requests.count(now, &direct.marks);
        }
    }

    /// Takes back what the store knows of direct requests that still count, the oldest first.
    pub fn recall_requests(&mut self, now: Now, counted: &[(Wall, RequestMarks)]) {
        for (at, marks) in counted {
            self.requests.recall(now, *at, marks);
        }
    }

    /// Whether a call of Click to Dial would join two that a live call joins already: never allowed, whatever the account says of duplicates.
    pub(super) fn joins_a_pair(&self, message: &InitiationMessage) -> bool {
        message.click_to_dial.is_some() && pairs(message, None).any(|pair| self.singles.is_held(&pair))
    }

    /// What a call holds from now on: its customer's number, for as long as it waits for its time with that time.
    pub(super) fn hold(&mut self, message: &InitiationMessage, state: CallState) -> Held {
        let at = message.desired_contact_time.filter(|_| state == CallState::Scheduled);
        self.singles.hold(single(message, at))
    }
}

/// The pairs of a customer and a representative that a call holds.
pub(super) fn pairs(message: &InitiationMessage, at: Option<Wall>) -> impl Iterator<Item = Single> {
    message.representatives.iter().map(move |representative| Single {
        business: message.business_id.clone(),
        number: pair_mark(&message.customer, representative),
        at,
    })
}

/// The number that a call to this customer holds.
pub(super) fn single(message: &InitiationMessage, at: Option<Wall>) -> Single {
    Single { business: message.business_id.clone(), number: number_mark(&message.customer), at }
}

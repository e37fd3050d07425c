//! Tries one after the other: a customer who was not reached is dialled again, as the message's plan has it. Owns which ends are followed by
//! another try, and what is kept of the tries before; refuses to say when, which the engine does. It is one call: its legs are listed one behind
//! the other, and it ends once.

use std::time::Duration;

use super::leg::Leg;
use super::{Action, Call, State};
use crate::clock::{Now, Wall};
use crate::model::{CallState, MachinePolicy, Outcome, Role, TriedLeg};

/// How the last try ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tried {
    outcome: Outcome,
    detail: String,
}

impl Call {
    /// How often the customer was dialled.
    pub fn tries(&self) -> u64 {
        self.legs.iter().filter(|leg| leg.role == Role::Customer).count() as u64
    }

    /// When the customer is dialled again, while the call waits for that.
    pub fn next_try_at(&self) -> Option<Wall> {
        self.next_try.filter(|_| self.is_waiting())
    }

    /// How long after this end of a try the plan has the next one.
    pub(super) fn wait_for_another(&self, outcome: Outcome) -> Option<Duration> {
        let plan = self.message.retry.as_ref().filter(|_| !self.no_more)?;
        // Who was left a message, or may have been, was reached.
        if outcome == Outcome::CustomerMachine && self.gates.machine != MachinePolicy::HangUp {
            return None;
        }
        plan.wait(outcome, u8::try_from(self.tries()).ok()?)
    }

    /// The engine's answer to [`Action::TryAgain`]: the next try is due at this moment.
    pub fn put_off(&mut self, until: Wall) {
        let State::Closing { outcome, from } = self.state else { return };
        self.state = State::Waiting { due: false };
        self.anchor = None;
        self.answered_by = None;
        self.last_found = false;
        self.next_try = Some(until);
        self.tried = Some(Tried { outcome, detail: std::mem::take(&mut self.detail) });
        self.actions.push_back(Action::Entered { from, to: CallState::Scheduled });
        self.actions.push_back(Action::SaveProgress);
    }

    /// The engine's other answer: there is no moment for another try.
    pub fn end_tries(&mut self, now: Now) {
        self.no_more = true;
        self.finish_when_released(now);
    }

    /// A call that waited and is not dialled (again): it ends as its last try did, or expires where there was none.
    pub fn expire(&mut self, now: Now, why: &str) {
        if !self.is_waiting() {
            return;
        }
        let outcome = match self.tried.take() {
            Some(Tried { outcome, detail }) => {
                self.note(&format!("{detail}; not tried again: {why}"));
                outcome
            }
            None => {
                self.note(why);
                Outcome::Expired
            }
        };
        self.no_more = true;
        self.close(now, outcome);
    }

    /// What a restart needs to know of the tries that are over.
    pub(super) fn tried_legs(&self) -> Vec<TriedLeg> {
        let over = if self.is_waiting() { self.legs.len() } else { usize::from(self.customer) };
        let mut tried: Vec<TriedLeg> = self.legs.iter().take(over).filter_map(Leg::tried).collect();
        if let (Some(last), Some(Tried { outcome, detail })) = (tried.last_mut(), &self.tried) {
            (last.outcome, last.detail) = (*outcome, detail.clone());
        }
        tried
    }

    /// A restart found it waiting for another try; before the first event.
    pub fn tried_before(&mut self, tried: &[TriedLeg], next: Wall) {
        let address = self.message.customer.clone();
        self.legs = tried.iter().map(|tried| Leg::of_try(address.clone(), tried)).collect();
        self.customer = u16::try_from(self.legs.len().saturating_sub(1)).unwrap_or(u16::MAX);
        self.tried = tried.last().map(|last| Tried { outcome: last.outcome, detail: last.detail.clone() });
        self.next_try = Some(next);
    }
}

//! Calls whose representatives call distribution finds, one at a time, instead of the message naming them. Owns the wait for the next
//! one, in which the customer goes on hearing the message; refuses to choose (`acd` does).

use super::{Action, Call, Stage, State};
use crate::clock::Now;
use crate::model::{Endpoint, Outcome, Role};

impl Call {
    /// Whether somebody else may be found.
    pub(super) fn seeks(&self) -> bool {
        self.message.need.is_some() && !self.last_found
    }

    /// The customer has answered, or whoever was tried did not come.
    pub(super) fn seek(&mut self, missed: bool) {
        self.state = State::Seeking;
        self.actions.push_back(Action::FindRepresentative { missed });
    }

    /// Somebody is there for the customer.
    pub(super) fn on_found(&mut self, now: Now, address: Endpoint, last: bool) {
        if self.state == State::Seeking {
            self.last_found = last;
            let trying = self.dial(now, Role::Representative, address);
            self.state = State::Holding { trying, stage: Stage::Ringing };
        }
    }

    /// The representative has handed the customer on: free for the next one, however long this call goes on.
    pub(super) fn representative_left(&mut self) {
        if self.message.need.is_some() {
            self.actions.push_back(Action::RepresentativeLeft);
        }
    }

    /// Nobody is there for the customer.
    pub(super) fn on_nobody_found(&mut self, now: Now) {
        match self.state {
            State::Seeking => self.say_farewell(now, "no representative was there"),
            State::Waiting { .. } => {
                self.note("no representative was there");
                self.close(now, Outcome::RepresentativeUnavailable);
            }
            _ => {}
        }
    }
}

//! Who answered at the customer's: a person or a machine. Owns what follows from either, and the bounds of that time; refuses to
//! hear the difference, which media tells.
//!
//! Who is to be hung up or left a message is listened to before anything is said: a person, who says a word and waits, hears the
//! message a moment after it, and nobody else's phone rings for a machine. Whoever cannot be told is taken for a person. Where
//! the call goes on with either, nothing waits, and the record says who it was.

use super::{Action, Attempt, Call, Stage, State, Timer};
use crate::clock::Now;
use crate::model::{AnsweredBy, MachinePolicy, Outcome};

impl Call {
    /// The leg talks to us and its digits are dialled.
    pub(super) fn arrived(&mut self, now: Now, attempt: Attempt) {
        let policy = match self.state {
            State::CallingCustomer { .. } => self.gates.machine,
            _ => MachinePolicy::Off,
        };
        match policy {
            MachinePolicy::Off => self.meets_gate(now, attempt),
            MachinePolicy::GoOn => {
                self.actions.push_back(Action::Listen(attempt));
                self.meets_gate(now, attempt);
            }
            MachinePolicy::HangUp | MachinePolicy::LeaveMessage => {
                self.state = State::CallingCustomer { stage: Stage::Judged };
                self.actions.push_back(Action::KeepQuiet(attempt));
                self.actions.push_back(Action::Listen(attempt));
                self.set_machine_timer(now, self.limits.machine.within);
                self.actions.push_back(Action::SaveProgress);
            }
        }
    }

    pub(super) fn on_judged(&mut self, now: Now, attempt: Attempt, by: AnsweredBy) {
        if attempt != self.customer || self.is_ending() {
            return;
        }
        self.answered_by.get_or_insert(by);
        if !self.stands(attempt, Stage::Judged) {
            return;
        }
        self.actions.push_back(Action::CancelTimer(Timer::Machine));
        match (by, self.gates.machine) {
            (AnsweredBy::Machine, MachinePolicy::LeaveMessage) => {
                self.state = State::CallingCustomer { stage: Stage::Greeting };
                self.set_machine_timer(now, self.limits.greeting);
            }
            (AnsweredBy::Machine, _) => self.close_on_machine(now, "a machine answered"),
            (AnsweredBy::Person | AnsweredBy::Unsure, _) => self.meets_gate(now, attempt),
        }
    }

    pub(super) fn on_greeting_over(&mut self, now: Now, attempt: Attempt) {
        if self.stands(attempt, Stage::Greeting) {
            self.state = State::CallingCustomer { stage: Stage::Message };
            self.actions.push_back(Action::LeaveMessage(attempt));
            self.set_machine_timer(now, self.limits.farewell);
        }
    }

    pub(super) fn on_message_left(&mut self, now: Now, attempt: Attempt) {
        if self.stands(attempt, Stage::Message) {
            self.close_on_machine(now, "a machine answered and was left a message");
        }
    }

    /// The time for a verdict, a greeting or a message is over.
    pub(super) fn machine_is_late(&mut self, now: Now) {
        let State::CallingCustomer { stage } = self.state else { return };
        match stage {
            Stage::Judged => self.on_judged(now, self.customer, AnsweredBy::Unsure),
            Stage::Greeting => self.close_on_machine(now, "a machine answered, and its greeting had no end"),
            Stage::Message => {
                self.close_on_machine(now, "a machine answered and was left as much of the message as fits")
            }
            Stage::Ringing | Stage::Digits | Stage::Told | Stage::Asked | Stage::Waits => {}
        }
    }

    fn set_machine_timer(&mut self, now: Now, after: std::time::Duration) {
        self.actions.push_back(Action::SetTimer(Timer::Machine, now.mono + after));
    }

    fn close_on_machine(&mut self, now: Now, why: &str) {
        self.note(why);
        self.close(now, Outcome::CustomerMachine);
    }
}

//! The gates: whoever answered is asked to press 1 before it goes on, or is told once who calls. Owns what a key, the end of a
//! message and the end of the time mean; refuses to know how a key came and what the message says. Who is to be told that the talk is
//! recorded (`consent`) is told behind the gate.
//!
//! A machine never presses: a customer who presses nothing has not answered, one who presses another key has declined.
//! A representative who does either is left, and the next one tried; the customer hears music meanwhile.

use std::time::Duration;

use super::{Action, Attempt, Call, FailureKind, Stage, State, Timer, q850};
use crate::clock::Now;
use crate::model::{Gates, Key, RepresentativeGate};

/// The key that opens a gate.
const OPENS: char = '1';

impl Call {
    /// What is asked of whom. Without effect once dialling has begun.
    pub fn set_gates(&mut self, gates: Gates) {
        if self.is_waiting() {
            self.gates = gates;
        }
    }

    /// What is asked of whom.
    pub fn gates(&self) -> Gates {
        self.gates
    }

    /// This leg is asked to press a key.
    pub fn asks(&self, attempt: Attempt) -> bool {
        match self.state {
            State::CallingCustomer { stage: Stage::Asked } => attempt == self.customer,
            State::Holding { trying, stage: Stage::Asked } => attempt == trying,
            _ => false,
        }
    }

    /// The leg talks to us and its digits are dialled: it meets its gate, if it has one.
    pub(super) fn meets_gate(&mut self, now: Now, attempt: Attempt) {
        let gate = match self.state {
            State::CallingCustomer { .. } if self.gates.customer => Some((Stage::Asked, Action::PlayGate(attempt))),
            State::Holding { .. } => match self.gates.representative {
                RepresentativeGate::Off if self.tells() => return self.tell_consent(now, attempt),
                RepresentativeGate::Off => None,
                RepresentativeGate::Whisper => Some((Stage::Told, Action::PlayWhisper(attempt))),
                RepresentativeGate::Accept => Some((Stage::Asked, Action::PlayAccept(attempt))),
            },
            // Whom a representative named is announced by that representative.
            State::Transferring { .. } if self.tells() => return self.tell_consent(now, attempt),
            _ => None,
        };
        let Some((at, play)) = gate else { return self.reached(now, attempt) };
        if let Some((_, stage)) = self.setting_up() {
            *stage = at;
        }
        self.actions.push_back(play);
        let more = if at == Stage::Told && self.tells() { self.limits.farewell } else { Duration::ZERO };
        self.actions.push_back(Action::SetTimer(Timer::Gate, now.mono + self.limits.gate + more));
        self.actions.push_back(Action::SaveProgress);
    }

    pub(super) fn on_pressed(&mut self, now: Now, attempt: Attempt, key: Key) {
        if !self.stands(attempt, Stage::Asked) {
            return;
        }
        if key.letter() == OPENS && attempt != self.customer && self.tells() {
            self.tell_consent(now, attempt);
        } else if key.letter() == OPENS {
            self.opened(now, attempt);
        } else {
            self.give_up(now, FailureKind::Rejected, q850::REJECTED, "declined by another key than 1");
        }
    }

    /// A message that only tells has been told.
    pub(super) fn on_told(&mut self, now: Now, attempt: Attempt) {
        if self.stands(attempt, Stage::Told) {
            self.opened(now, attempt);
        }
    }

    /// The time of the gate is over.
    pub(super) fn gate_closes(&mut self, now: Now) {
        match self.setting_up().map(|(attempt, stage)| (attempt, *stage)) {
            Some((attempt, Stage::Told)) => self.opened(now, attempt),
            Some((attempt, Stage::Waits)) => self.reached(now, attempt),
            Some((_, Stage::Asked)) => {
                self.give_up(now, FailureKind::NoAnswer, q850::NO_ANSWER, "answered, and nobody pressed 1 in time");
            }
            Some((_, _)) | None => {}
        }
    }

    fn opened(&mut self, now: Now, attempt: Attempt) {
        self.actions.push_back(Action::CancelTimer(Timer::Gate));
        match self.waits_for_customer(attempt) {
            true => self.wait_for_customer(now),
            false => self.reached(now, attempt),
        }
    }
}

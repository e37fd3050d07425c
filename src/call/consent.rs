//! Both are told that their talk is recorded, before they talk. Owns when a party has been told, that nobody is recorded who was
//! not, and that a fault of the message costs the recording and never the call; refuses what the message says.
//!
//! The customer hears it before the message, while the representative is dialled already: it costs no waiting. The representative
//! hears it behind its gate: at the answer, after the whisper, or when it has pressed 1; so does whom the customer is transferred
//! to. A representative who is there before the customer has heard it out waits in silence for that, at most as long as a gate.

use super::leg::Consent;
use super::{Action, Attempt, Call, Stage, State, Timer};
use crate::clock::Now;
use crate::model::Taping;

impl Call {
    /// Whether the talk is recorded. Without effect once dialling has begun.
    pub fn set_taping(&mut self, taping: Taping) {
        if self.is_waiting() {
            self.taping = taping;
        }
    }

    /// True when those who talk are told first that they are recorded.
    pub fn tells(&self) -> bool {
        self.taping == Taping::Told
    }

    /// True when its talk is to be recorded.
    pub fn tapes(&self) -> bool {
        self.taping != Taping::Off
    }

    /// True when the talk of the customer with this leg is to be recorded, and may be.
    pub fn may_tape(&self, with: Attempt) -> bool {
        let heard = |attempt| self.leg(attempt).is_some_and(|leg| leg.consent == Consent::Heard);
        match self.taping {
            Taping::Off => false,
            Taping::Untold => true,
            Taping::Told => heard(self.customer) && heard(with),
        }
    }

    /// The leg that is being set up hears it, and goes on at its end.
    pub(super) fn tell_consent(&mut self, now: Now, attempt: Attempt) {
        if let Some((_, stage)) = self.setting_up() {
            *stage = Stage::Told;
        }
        self.actions.push_back(Action::PlayConsent(attempt));
        self.set_gate_timer(now);
        self.actions.push_back(Action::SaveProgress);
    }

    pub(super) fn on_consent_said(&mut self, now: Now, attempt: Attempt, heard: bool) {
        if let Some(leg) = self.legs.get_mut(usize::from(attempt))
            && leg.consent == Consent::NotYet
        {
            leg.consent = if heard { Consent::Heard } else { Consent::Missed };
        }
        if let State::Holding { trying, stage: Stage::Waits } = self.state
            && attempt == self.customer
        {
            self.actions.push_back(Action::CancelTimer(Timer::Gate));
            self.reached(now, trying);
        }
    }

    /// True when this leg could talk, and the customer is not told yet.
    pub(super) fn waits_for_customer(&self, attempt: Attempt) -> bool {
        let untold = self.customer_leg().is_some_and(|leg| leg.consent == Consent::NotYet);
        matches!(self.state, State::Holding { trying, .. } if trying == attempt) && self.tells() && untold
    }

    pub(super) fn wait_for_customer(&mut self, now: Now) {
        if let Some((attempt, stage)) = self.setting_up() {
            *stage = Stage::Waits;
            self.actions.push_back(Action::KeepQuiet(attempt));
        }
        self.set_gate_timer(now);
    }

    /// Whoever hears it hears it out: longer than a gate, where the words are many.
    fn set_gate_timer(&mut self, now: Now) {
        let bound = self.limits.gate + self.limits.farewell;
        self.actions.push_back(Action::SetTimer(Timer::Gate, now.mono + bound));
    }
}

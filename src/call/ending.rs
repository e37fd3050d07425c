//! The ends of a call: the second message, cancelling, releasing every leg, the wait for their ports. Owns that each live leg is
//! hung up once and each port comes back before the record is asked for.

use super::{Action, Attempt, Call, Leg, State, Timer, TransferReport, q850};
use crate::clock::Now;
use crate::model::{CallState, Cause, Outcome};

impl Call {
    pub(super) fn say_farewell(&mut self, now: Now, why: &str) {
        self.state = State::Farewell;
        self.note(why);
        self.send_supervisors_away(now);
        for timer in [Timer::Ring, Timer::Hold, Timer::Digits, Timer::Gate, Timer::Still] {
            self.actions.push_back(Action::CancelTimer(timer));
        }
        self.actions.push_back(Action::PlayUnavailable(self.customer));
        self.actions.push_back(Action::SetTimer(Timer::Farewell, now.mono + self.limits.farewell));
    }

    /// A customer who has talked with somebody has completed a call, though the last one was not reached.
    pub(super) fn farewell_outcome(&self) -> Outcome {
        if self.bridged.is_some() { Outcome::Completed } else { Outcome::RepresentativeUnavailable }
    }

    pub(super) fn on_stop(&mut self, now: Now, outcome: Outcome, why: &str) {
        let outcome = match self.state {
            // Who ends a call that is ending wants no other try of it.
            State::Closing { .. } | State::Finished { .. } => {
                self.no_more = true;
                return;
            }
            // Both have talked: hanging up for them is no cancellation (contract.md: DELETE "cancels or hangs up").
            _ if outcome == Outcome::Cancelled && self.bridged.is_some() => Outcome::Completed,
            _ => outcome,
        };
        self.note(why);
        self.close(now, outcome);
    }

    /// Ends every leg that is not over, gives every port back, and waits for media's last words.
    pub(super) fn close(&mut self, now: Now, outcome: Outcome) {
        let (number, why) = match outcome {
            Outcome::CustomerNoAnswer => (q850::EXPIRY, "did not answer in time"),
            Outcome::Interrupted => (q850::TEMPORARY, "the equipment was stopped"),
            _ => (q850::NORMAL, "released by the equipment"),
        };
        if let State::Transferring { transfer, .. } = self.state {
            self.actions.push_back(Action::ReportTransfer(transfer.id, TransferReport::Abandoned));
        }
        self.state = State::Closing { outcome, from: self.public_state() };
        for attempt in 0..self.legs.len() {
            let attempt = u16::try_from(attempt).unwrap_or(u16::MAX);
            self.hang_up(now, attempt, Cause::local(number, why));
        }
        for timer in Timer::ALL {
            self.actions.push_back(Action::CancelTimer(timer));
        }
        self.finish_when_released(now);
    }

    /// Hangs a live leg up; a leg that is over stays as it is.
    pub(super) fn hang_up(&mut self, now: Now, attempt: Attempt, cause: Cause) {
        let at = self.wall(now);
        let ended = self.legs.get_mut(usize::from(attempt)).is_some_and(|leg| leg.ends(at, cause.clone()));
        if ended {
            self.actions.push_back(Action::HangUp(attempt, cause));
            self.actions.push_back(Action::Release(attempt));
        }
    }

    /// Notes the end of a leg whose signalling is over already.
    pub(super) fn end_leg(&mut self, now: Now, attempt: Attempt, cause: Cause) {
        let at = self.wall(now);
        if self.legs.get_mut(usize::from(attempt)).is_some_and(|leg| leg.ends(at, cause)) {
            self.actions.push_back(Action::Release(attempt));
        }
    }

    pub(super) fn finish_when_released(&mut self, now: Now) {
        let State::Closing { outcome, from } = self.state else { return };
        if self.legs.iter().all(Leg::is_done) {
            if let Some(after) = self.wait_for_another(outcome) {
                return self.actions.push_back(Action::TryAgain { after });
            }
            let ends = self.legs.iter().filter_map(|leg| leg.end().map(|end| end.at));
            // The legs of a call that waited are of tries that were over long before.
            let waited = matches!(from, CallState::Scheduled | CallState::Queued);
            let at = if waited { None } else { ends.max() };
            self.state = State::Finished { outcome, at: at.unwrap_or_else(|| self.wall(now)) };
            self.actions.push_back(Action::Entered { from, to: CallState::Ended });
            self.actions.push_back(Action::Finish(outcome));
        }
    }
}

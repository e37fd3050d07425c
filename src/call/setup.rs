//! From the due time to a talk: the customer is dialled, then representatives one after the other, each with the digits of its
//! address. Owns the order of these steps; refuses transfers and endings.

use std::time::Duration;

use super::{Action, Attempt, Call, FailureKind, Heard, Leg, Stage, State, Timer, TransferReport, q850};
use crate::clock::Now;
use crate::model::{CallState, Cause, Digits, Endpoint, Outcome, Role};

/// Besides twice the usual pace, digits may take so long: a peer that acknowledges each one may repeat and be repeated to.
const DIGITS_SLACK: Duration = Duration::from_secs(20);

/// How long these digits may take.
pub(super) fn digits_bound(digits: &Digits) -> Duration {
    digits.duration() * 2 + DIGITS_SLACK
}

impl Call {
    pub(super) fn on_due(&mut self, now: Now) {
        let State::Waiting { due } = self.state else { return };
        self.anchor = Some(now);
        if !due {
            self.actions.push_back(Action::Entered { from: CallState::Scheduled, to: CallState::Queued });
        }
        self.state = State::CallingCustomer { stage: Stage::Ringing };
        self.actions.push_back(Action::Entered { from: CallState::Queued, to: CallState::CallingCustomer });
        let customer = self.message.customer.clone();
        self.customer = u16::try_from(self.legs.len()).unwrap_or(u16::MAX);
        self.dial(now, Role::Customer, customer);
        self.actions.push_back(Action::SaveProgress);
    }

    pub(super) fn dial(&mut self, now: Now, role: Role, address: Endpoint) -> Attempt {
        let attempt = self.add_leg(now, role, address);
        let ring = match role {
            Role::Customer => self.limits.customer_ring,
            Role::Representative | Role::Supervisor => self.limits.representative_ring,
        };
        self.actions.push_back(Action::SetTimer(Timer::Ring, now.mono + ring));
        self.actions.push_back(Action::Dial(attempt));
        attempt
    }

    pub(super) fn add_leg(&mut self, now: Now, role: Role, address: Endpoint) -> Attempt {
        let attempt = u16::try_from(self.legs.len()).unwrap_or(u16::MAX);
        // The customer and one representative: most calls have no more.
        self.legs.reserve_exact(if self.legs.is_empty() { 2 } else { 1 });
        self.legs.push(Leg::new(role, address, self.wall(now)));
        attempt
    }

    /// Notes that a leg rings; true for the first time.
    pub(super) fn ring(&mut self, now: Now, attempt: Attempt) -> bool {
        let at = self.wall(now);
        let Some(leg) = self.legs.get_mut(usize::from(attempt)) else { return false };
        let first = leg.ringing_at.is_none();
        leg.rings(at);
        first
    }

    pub(super) fn on_ringing(&mut self, now: Now, attempt: Attempt) {
        let first = self.ring(now, attempt);
        if first && attempt == self.customer {
            self.actions.push_back(Action::SaveProgress);
        }
        if let State::Transferring { transfer, stage: Stage::Ringing } = self.state
            && first
            && attempt == transfer.target
        {
            self.actions.push_back(Action::ReportTransfer(transfer.id, TransferReport::Ringing));
        }
    }

    /// The leg that is being set up, and how far it is.
    pub(super) fn setting_up(&mut self) -> Option<(Attempt, &mut Stage)> {
        match &mut self.state {
            State::CallingCustomer { stage } => Some((self.customer, stage)),
            State::Holding { trying, stage } => Some((*trying, stage)),
            State::Transferring { transfer, stage } => Some((transfer.target, stage)),
            State::Waiting { .. }
            | State::Seeking
            | State::Farewell
            | State::Bridged { .. }
            | State::Closing { .. }
            | State::Finished { .. } => None,
        }
    }

    /// True when this leg is being set up and stands there.
    pub(super) fn stands(&mut self, attempt: Attempt, at: Stage) -> bool {
        self.setting_up().is_some_and(|(leg, stage)| leg == attempt && *stage == at)
    }

    pub(super) fn on_answered(&mut self, now: Now, attempt: Attempt, codec: &'static str) {
        if !self.stands(attempt, Stage::Ringing) {
            return;
        }
        let at = self.wall(now);
        self.actions.push_back(Action::CancelTimer(Timer::Ring));
        if let Some(leg) = self.legs.get_mut(usize::from(attempt)) {
            leg.answers(at, codec);
        }
        match self.address_of(attempt).and_then(Digits::of) {
            None => self.arrived(now, attempt),
            Some(digits) => {
                if let Some((_, stage)) = self.setting_up() {
                    *stage = Stage::Digits;
                }
                self.actions.push_back(Action::SendDigits(attempt));
                self.actions.push_back(Action::SetTimer(Timer::Digits, now.mono + digits_bound(&digits)));
                self.actions.push_back(Action::SaveProgress);
            }
        }
    }

    pub(super) fn on_digits_sent(&mut self, now: Now, attempt: Attempt) {
        if self.stands(attempt, Stage::Digits) {
            self.actions.push_back(Action::CancelTimer(Timer::Digits));
            self.arrived(now, attempt);
        }
    }

    pub(super) fn on_digits_failed(&mut self, now: Now, attempt: Attempt) {
        if self.stands(attempt, Stage::Digits) {
            self.digits_failed(now);
        }
    }

    /// Who answered is not who was meant: the leg is given up.
    pub(super) fn digits_failed(&mut self, now: Now) {
        self.give_up(now, FailureKind::Unreachable, q850::INTERWORKING, "the digits could not be dialled");
    }

    /// Hangs the leg that is being set up up, and goes on without it.
    pub(super) fn give_up(&mut self, now: Now, kind: FailureKind, number: u8, why: &str) {
        let Some((attempt, _)) = self.setting_up() else { return };
        let cause = Cause::local(number, why);
        self.hang_up(now, attempt, cause.clone());
        self.missed(now, kind, cause);
    }

    /// The leg talks to us, its digits are dialled and its gate is open.
    pub(super) fn reached(&mut self, now: Now, attempt: Attempt) {
        match self.state {
            State::CallingCustomer { .. } => {
                self.actions.push_back(Action::PlayConnecting(self.customer));
                self.actions.push_back(Action::SetTimer(Timer::Hold, now.mono + self.limits.max_hold));
                self.set_still_timer(now);
                self.actions.push_back(Action::Entered {
                    from: CallState::CallingCustomer,
                    to: CallState::CallingRepresentative,
                });
                self.try_next_representative(now);
                self.actions.push_back(Action::SaveProgress);
            }
            State::Holding { .. } => {
                self.bridged = Some((self.wall(now), attempt));
                self.actions.push_back(Action::CancelTimer(Timer::Hold));
                self.actions.push_back(Action::CancelTimer(Timer::Still));
                self.actions.push_back(Action::SetTimer(Timer::Talk, now.mono + self.limits.max_call));
                self.join(now, attempt);
                self.actions
                    .push_back(Action::Entered { from: CallState::CallingRepresentative, to: CallState::Bridged });
                self.actions.push_back(Action::SaveProgress);
            }
            State::Transferring { transfer, .. } => self.complete_transfer(now, transfer),
            _ => {}
        }
    }

    pub(super) fn set_still_timer(&mut self, now: Now) {
        if !self.limits.still.is_zero() {
            self.actions.push_back(Action::SetTimer(Timer::Still, now.mono + self.limits.still));
        }
    }

    /// The customer and this representative talk from now on.
    pub(super) fn join(&mut self, now: Now, with: Attempt) {
        self.state = State::Bridged { with, heard: Heard::default() };
        self.actions.push_back(Action::Bridge(self.customer, with));
        self.seat_supervisor();
        self.actions.push_back(Action::SetTimer(Timer::AudioProof, now.mono + self.limits.audio_proof));
        self.actions.push_back(Action::WatchSilence(self.customer, Some(self.limits.silence)));
        self.actions.push_back(Action::WatchSilence(with, Some(self.limits.silence)));
    }

    /// The next in hunt order, each once; none left: the customer is told.
    fn try_next_representative(&mut self, now: Now) {
        let tried = self.legs.len().saturating_sub(usize::from(self.customer) + 1);
        match self.message.representatives.get(tried).cloned() {
            Some(address) => {
                let trying = self.dial(now, Role::Representative, address);
                self.state = State::Holding { trying, stage: Stage::Ringing };
            }
            None if self.seeks() => self.seek(tried > 0),
            None => self.say_farewell(now, "no representative answered"),
        }
    }

    pub(super) fn on_failed(&mut self, now: Now, attempt: Attempt, kind: FailureKind, cause: Cause) {
        if self.stands(attempt, Stage::Ringing) {
            self.end_leg(now, attempt, cause.clone());
            self.missed(now, kind, cause);
        }
    }

    /// A leg that was answered is billed, also after a crash, and no longer than it lasted.
    pub(super) fn save_end_of(&mut self, attempt: Attempt) {
        if self.leg(attempt).is_some_and(|leg| leg.answered_at().is_some()) {
            self.actions.push_back(Action::SaveProgress);
        }
    }

    /// The leg that was being set up is over and was not reached.
    pub(super) fn missed(&mut self, now: Now, kind: FailureKind, cause: Cause) {
        self.actions.push_back(Action::CancelTimer(Timer::Ring));
        self.actions.push_back(Action::CancelTimer(Timer::Digits));
        self.actions.push_back(Action::CancelTimer(Timer::Gate));
        self.actions.push_back(Action::CancelTimer(Timer::Machine));
        match self.state {
            State::CallingCustomer { .. } => {
                self.note(&cause.text);
                let outcome = match kind {
                    FailureKind::Busy => Outcome::CustomerBusy,
                    FailureKind::NoAnswer => Outcome::CustomerNoAnswer,
                    FailureKind::Rejected => Outcome::CustomerRejected,
                    FailureKind::Unreachable => Outcome::CustomerUnreachable,
                    FailureKind::Fault => Outcome::Failed,
                };
                self.close(now, outcome);
            }
            State::Holding { trying, .. } => {
                self.try_next_representative(now);
                self.save_end_of(trying);
            }
            State::Transferring { transfer, .. } => self.fail_transfer(now, transfer, kind, cause),
            _ => {}
        }
    }
}

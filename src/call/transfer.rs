//! A representative hands the customer on to somebody else. Owns who may ask and when, and who talks with whom afterwards. The
//! customer's leg stays as it is, whatever becomes of the transfer.
//!
//! - Only a representative who talks with the customer may ask, one transfer at a time, [`MAX_TRANSFERS`] a call.
//! - While the new party is dialled the customer hears hold music and the call counts as bridged: its time and its price go on.
//!   A customer of whom nothing comes any more is not kept waiting for it.
//! - Reached: the customer talks with the new party and the asker is released.
//! - Not reached: the customer is given back to the asker; to one who hung up meanwhile nobody can be given back, and the
//!   customer hears the second message. Both had talked: the call is completed.
//! - The end of the call ends the transfer.

use super::{Action, Attempt, Call, FailureKind, Stage, State, Timer, Transfer, TransferRefusal, TransferReport, q850};
use crate::clock::Now;
use crate::model::{Cause, Endpoint, Role, TransferId};

/// Most transfers that are tried in one call: each adds a leg to its record.
pub const MAX_TRANSFERS: u8 = 8;

impl Call {
    pub(super) fn on_transfer_asked(&mut self, now: Now, by: Attempt, id: TransferId, target: Option<Endpoint>) {
        let refusal = match (&self.state, target) {
            _ if by == self.customer => TransferRefusal::NotYours,
            (State::Transferring { .. }, _) => TransferRefusal::Pending,
            (State::Bridged { with, .. }, _) if *with != by => TransferRefusal::NotTalking,
            (State::Bridged { .. }, _) if self.transfers_tried >= MAX_TRANSFERS => TransferRefusal::TooMany,
            (State::Bridged { .. }, None) => TransferRefusal::Barred,
            (State::Bridged { .. }, Some(target)) => return self.begin_transfer(now, by, id, target),
            _ => TransferRefusal::NotTalking,
        };
        self.actions.push_back(Action::AnswerTransfer(id, Some(refusal)));
    }

    fn begin_transfer(&mut self, now: Now, by: Attempt, id: TransferId, target: Endpoint) {
        self.transfers_tried += 1;
        self.actions.push_back(Action::AnswerTransfer(id, None));
        self.actions.push_back(Action::CancelTimer(Timer::AudioProof));
        self.actions.push_back(Action::WatchSilence(by, None));
        self.actions.push_back(Action::PlayHold(self.customer));
        let target = self.dial(now, Role::Representative, target);
        self.state = State::Transferring { transfer: Transfer { id, by, target }, stage: Stage::Ringing };
    }

    /// The customer and the new party talk; the asker has nothing more to do here.
    pub(super) fn complete_transfer(&mut self, now: Now, transfer: Transfer) {
        let Transfer { id, by, target } = transfer;
        self.transferred.push(target);
        self.join(now, target);
        self.actions.push_back(Action::ReportTransfer(id, TransferReport::Answered));
        self.hang_up(now, by, Cause::local(q850::NORMAL, "the call was transferred"));
        self.representative_left();
        self.actions.push_back(Action::SaveProgress);
    }

    pub(super) fn fail_transfer(&mut self, now: Now, transfer: Transfer, kind: FailureKind, cause: Cause) {
        self.actions.push_back(Action::ReportTransfer(transfer.id, TransferReport::Failed(kind, cause)));
        match self.is_live(transfer.by) {
            true => self.join(now, transfer.by),
            false => self.say_farewell(now, "the transfer reached nobody"),
        }
        self.actions.push_back(Action::SaveProgress);
    }

    /// Many phones hang up as soon as their wish is accepted: the transfer goes on without them.
    pub(super) fn on_asker_gone(&mut self, now: Now, by: Attempt, cause: Cause) {
        self.end_leg(now, by, cause);
        self.representative_left();
        self.actions.push_back(Action::SaveProgress);
    }

    fn is_live(&self, attempt: Attempt) -> bool {
        self.leg(attempt).is_some_and(|leg| leg.end().is_none())
    }

    /// The leg that is dialled for a transfer.
    pub fn transferring_to(&self) -> Option<Attempt> {
        match &self.state {
            State::Transferring { transfer, .. } => Some(transfer.target),
            _ => None,
        }
    }
}

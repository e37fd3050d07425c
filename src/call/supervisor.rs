//! A third party at the talk: a supervisor who listens, whispers to the representative, or speaks to both. Owns when one may come, how
//! far it has come, and that the talk never depends on it; refuses to know who hears whom, which is media's.
//!
//! - Only while both talk, or a transfer is under way; one at a time, [`MAX_SUPERVISORS`] a call: each adds a leg to its record.
//! - Whatever becomes of its leg changes nothing for the two who talk, and nothing of the call's outcome.
//! - It goes when the talk ends, and stays through a transfer: it hears whoever talks with the customer.
//!
//! ```text
//! Rings ─answered→ (Digits) ─→ Here ─→ over: dismissed, hung up, failed, or the talk ended
//! ```

use super::setup::digits_bound;
use super::{Action, Attempt, Call, Event, State, SupervisorRefusal, Timer, q850};
use crate::clock::Now;
use crate::model::{Cause, Digits, Endpoint, Role, SupervisorMode};

/// Most supervisors that are dialled in one call, one after the other.
pub const MAX_SUPERVISORS: usize = 8;

/// A supervisor's leg, live or over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Supervisor {
    pub(super) attempt: Attempt,
    pub(super) mode: SupervisorMode,
    presence: Presence,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Presence {
    /// Dialled or ringing.
    Rings,
    /// Answered; the digits of its address are being dialled.
    Digits,
    /// It takes part.
    Here,
    /// No more.
    Over,
}

impl Call {
    /// Dials a supervisor. Nothing is judged of its address here.
    pub fn invite_supervisor(
        &mut self,
        now: Now,
        address: Endpoint,
        mode: SupervisorMode,
    ) -> Result<Attempt, SupervisorRefusal> {
        self.may_be_supervised()?;
        let attempt = self.add_leg(now, Role::Supervisor, address);
        self.supervisors.push(Supervisor { attempt, mode, presence: Presence::Rings });
        self.actions.push_back(Action::SetTimer(Timer::Supervisor, now.mono + self.limits.representative_ring));
        self.actions.push_back(Action::Dial(attempt));
        Ok(attempt)
    }

    /// Whether a supervisor may come now.
    pub fn may_be_supervised(&self) -> Result<(), SupervisorRefusal> {
        if !matches!(self.state, State::Bridged { .. } | State::Transferring { .. }) {
            return Err(SupervisorRefusal::NotBridged);
        }
        if self.supervisors.iter().any(|supervisor| supervisor.presence != Presence::Over) {
            return Err(SupervisorRefusal::Present);
        }
        if self.supervisors.len() >= MAX_SUPERVISORS { Err(SupervisorRefusal::TooMany) } else { Ok(()) }
    }

    /// Another mode for a supervisor that rings or is here.
    pub fn change_supervisor(&mut self, attempt: Attempt, mode: SupervisorMode) -> Result<(), SupervisorRefusal> {
        let supervisor = self.live_supervisor(attempt)?;
        if std::mem::replace(&mut supervisor.mode, mode) != mode {
            self.seat_supervisor();
        }
        Ok(())
    }

    /// Sends a supervisor away.
    pub fn dismiss_supervisor(&mut self, now: Now, attempt: Attempt) -> Result<(), SupervisorRefusal> {
        self.live_supervisor(attempt)?;
        self.send_away(now, attempt, Cause::local(q850::NORMAL, "dismissed through the API"));
        Ok(())
    }

    /// Takes what happens to a supervisor's leg. False: it is another's, or the same for every leg.
    pub(super) fn on_supervisor(&mut self, now: Now, event: &Event) -> bool {
        let attempt = match event {
            Event::Ringing(attempt)
            | Event::Answered(attempt, _)
            | Event::Failed(attempt, ..)
            | Event::HungUp(attempt, _)
            | Event::DigitsSent(attempt)
            | Event::DigitsFailed(attempt) => *attempt,
            Event::Timer(Timer::Supervisor) => {
                self.supervisor_is_late(now);
                return true;
            }
            _ => return false,
        };
        if !self.supervisors.iter().any(|supervisor| supervisor.attempt == attempt) {
            return false;
        }
        match event {
            Event::Ringing(_) => {
                self.ring(now, attempt);
            }
            Event::Answered(_, codec) => self.supervisor_answered(now, attempt, codec),
            Event::DigitsSent(_) if self.is_at(attempt, Presence::Digits) => self.supervisor_comes(attempt),
            Event::DigitsFailed(_) if self.is_at(attempt, Presence::Digits) => {
                let cause = Cause::local(q850::INTERWORKING, "the digits could not be dialled");
                self.send_away(now, attempt, cause);
            }
            // Late news of a leg that is over changes nothing.
            Event::Failed(_, _, cause) | Event::HungUp(_, cause) if !self.is_at(attempt, Presence::Over) => {
                self.end_leg(now, attempt, cause.clone());
                self.supervisor_is_over(attempt);
            }
            _ => {}
        }
        true
    }

    fn supervisor_answered(&mut self, now: Now, attempt: Attempt, codec: &'static str) {
        if !self.is_at(attempt, Presence::Rings) {
            return;
        }
        let at = self.wall(now);
        let Some(leg) = self.legs.get_mut(usize::from(attempt)) else { return };
        leg.answers(at, codec);
        match self.address_of(attempt).and_then(Digits::of) {
            None => {
                self.actions.push_back(Action::CancelTimer(Timer::Supervisor));
                self.supervisor_comes(attempt);
            }
            Some(digits) => {
                self.set_presence(attempt, Presence::Digits);
                self.actions.push_back(Action::SendDigits(attempt));
                self.actions.push_back(Action::SetTimer(Timer::Supervisor, now.mono + digits_bound(&digits)));
            }
        }
        self.actions.push_back(Action::SaveProgress);
    }

    /// It is there: it takes part from now on, or from the moment at which the two talk again.
    fn supervisor_comes(&mut self, attempt: Attempt) {
        self.actions.push_back(Action::CancelTimer(Timer::Supervisor));
        self.set_presence(attempt, Presence::Here);
        self.seat_supervisor();
    }

    /// Says who takes part, after the two were joined or the supervisor came.
    pub(super) fn seat_supervisor(&mut self) {
        let State::Bridged { with, .. } = self.state else { return };
        let here = self.supervisors.iter().find(|supervisor| supervisor.presence == Presence::Here);
        if let Some(Supervisor { attempt, mode, .. }) = here {
            self.actions.push_back(Action::Supervise { supervisor: *attempt, of: [self.customer, with], mode: *mode });
        }
    }

    fn supervisor_is_late(&mut self, now: Now) {
        let late = self.supervisors.iter().find_map(|supervisor| match supervisor.presence {
            Presence::Rings => Some((supervisor.attempt, Cause::local(q850::NO_ANSWER, "did not answer in time"))),
            Presence::Digits => {
                let cause = Cause::local(q850::INTERWORKING, "the digits could not be dialled");
                Some((supervisor.attempt, cause))
            }
            Presence::Here | Presence::Over => None,
        });
        if let Some((attempt, cause)) = late {
            self.send_away(now, attempt, cause);
        }
    }

    /// The talk is over: nobody is left to be listened to.
    pub(super) fn send_supervisors_away(&mut self, now: Now) {
        let live = self.supervisors.iter().find(|supervisor| supervisor.presence != Presence::Over);
        if let Some(attempt) = live.map(|supervisor| supervisor.attempt) {
            self.send_away(now, attempt, Cause::local(q850::NORMAL, "the talk ended"));
        }
    }

    fn send_away(&mut self, now: Now, attempt: Attempt, cause: Cause) {
        self.hang_up(now, attempt, cause);
        self.supervisor_is_over(attempt);
    }

    fn supervisor_is_over(&mut self, attempt: Attempt) {
        self.set_presence(attempt, Presence::Over);
        self.actions.push_back(Action::CancelTimer(Timer::Supervisor));
        self.save_end_of(attempt);
    }

    fn is_at(&self, attempt: Attempt, presence: Presence) -> bool {
        self.supervisors.iter().any(|supervisor| supervisor.attempt == attempt && supervisor.presence == presence)
    }

    fn set_presence(&mut self, attempt: Attempt, presence: Presence) {
        if let Some(supervisor) = self.supervisors.iter_mut().find(|supervisor| supervisor.attempt == attempt) {
            supervisor.presence = presence;
        }
    }

    fn live_supervisor(&mut self, attempt: Attempt) -> Result<&mut Supervisor, SupervisorRefusal> {
        let found = self.supervisors.iter_mut().find(|supervisor| supervisor.attempt == attempt);
        let supervisor = found.ok_or(SupervisorRefusal::NoSuchLeg)?;
        let over = matches!(self.state, State::Closing { .. } | State::Finished { .. });
        if over || supervisor.presence == Presence::Over { Err(SupervisorRefusal::Over) } else { Ok(supervisor) }
    }

    /// In which mode a supervisor's leg takes part, or took.
    pub fn supervisor_mode(&self, attempt: Attempt) -> Option<SupervisorMode> {
        self.supervisors.iter().find(|supervisor| supervisor.attempt == attempt).map(|supervisor| supervisor.mode)
    }
}

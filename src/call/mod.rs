//! The customer service call: the machine of its legs. Customer first; only an answering customer makes a representative's phone
//! ring; all legs have this one owner (field.md 1). Pure; speaks of leg events, never of SIP status codes. `setup` brings both
//! to talk, `transfer` hands the customer on, `supervisor` lets a third party
//! take part, `ending` releases everybody, `views` shows.
//!
//! ```text
//! Waiting ─Due→ CallingCustomer ─reached→ Holding ─reached→ Bridged ─────────→ Closing ─→ Finished
//!    └─Cancel──────┴──Failed/HungUp────────┤└none left→ Farewell │ ↑ ↘        (every leg released)
//!                                          └───────────── reached│ │  TransferAsked
//!                                                              Transferring
//! ```
//!
//! A leg is reached when it has answered, the digits of its address, if it has any, are dialled, it is taken for a person
//! (`answerer`) where that is to be known first, and its gate (`gate`), if it has one, is open.

mod again;
mod answerer;
pub mod api;
mod consent;
mod distributed;
mod ending;
mod gate;
pub mod leg;
mod setup;
mod supervisor;
mod transfer;
mod views;

use std::collections::VecDeque;

use crate::clock::{Now, Wall};
use crate::model::{
    AnsweredBy, CallId, CallState, Cause, Endpoint, Gates, InitiationMessage, Outcome, Taping, TransferId,
};

pub use api::{
    Action, Attempt, CUSTOMER, CallLimits, Event, FailureKind, SupervisorRefusal, Timer, TransferRefusal,
    TransferReport,
};
pub use leg::Leg;
pub use supervisor::MAX_SUPERVISORS;

/// Q.850 cause values this machine gives of its own accord.
mod q850 {
    pub const NORMAL: u8 = 16;
    pub const NO_ANSWER: u8 = 19;
    pub const REJECTED: u8 = 21;
    pub const EXPIRY: u8 = 102;
    pub const TEMPORARY: u8 = 41;
    pub const INTERWORKING: u8 = 127;
}

/// Where the call stands.
#[derive(Clone, PartialEq, Debug)]
enum State {
    /// Scheduled or queued.
    Waiting { due: bool },
    /// The customer's phone is dialled.
    CallingCustomer { stage: Stage },
    /// The customer hears the message; this representative is being tried.
    Holding { trying: Attempt, stage: Stage },
    /// The customer hears the message; call distribution looks for a representative.
    Seeking,
    /// No representative is left; the customer hears so.
    Farewell,
    /// Both talk.
    Bridged { with: Attempt, heard: Heard },
    /// The customer hears hold music while the one whom a representative named is dialled.
    Transferring { transfer: Transfer, stage: Stage },
    /// Everybody was released; ports are still coming back. It left this state.
    Closing { outcome: Outcome, from: CallState },
    /// The record was asked for.
    Finished { outcome: Outcome, at: Wall },
}

/// How far the leg being set up has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Dialled or ringing.
    Ringing,
    /// Answered; the digits of its address are being dialled.
    Digits,
    /// It is listened to: a person or a machine?
    Judged,
    /// A machine; its greeting is waited for.
    Greeting,
    /// A machine is told the message.
    Message,
    /// It hears who calls or that the talk is recorded, and is reached at the end of that.
    Told,
    /// It must press 1.
    Asked,
    /// Its gate is open; the customer is still being told that the talk is recorded.
    Waits,
}

/// A transfer under way. Whether the asker is still there is the asker's leg's to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Transfer {
    id: TransferId,
    by: Attempt,
    target: Attempt,
}

/// Towards whom audio was relayed since the bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Heard {
    by_customer: bool,
    by_representative: bool,
}

/// One customer service call.
#[derive(Clone, Debug)]
pub struct Call {
    id: CallId,
    created_at: Wall,
    message: InitiationMessage,
    limits: CallLimits,
    gates: Gates,
    taping: Taping,
    /// Who answered at the customer's, once that is known.
    answered_by: Option<AnsweredBy>,
    /// Wall time is read once, when dialling begins; later moments are that plus monotonic time, so that a clock that jumps
    /// bends no duration.
    anchor: Option<Now>,
    state: State,
    /// Of every try, one behind the other.
    legs: Vec<Leg>,
    /// The customer's leg of the present try, or of the last one.
    customer: Attempt,
    /// How the last try ended, while another is to come.
    tried: Option<again::Tried>,
    /// When that is, or was, due.
    next_try: Option<Wall>,
    /// However this try ends, none follows.
    no_more: bool,
    /// Since when both talk, and the representative whom the customer was first joined with.
    bridged: Option<(Wall, Attempt)>,
    /// Whom the customer was transferred to, in order.
    transferred: Vec<Attempt>,
    /// Transfers that were accepted, whatever became of them.
    transfers_tried: u8,
    /// In the order of their coming.
    supervisors: Vec<supervisor::Supervisor>,
    /// The one whom call distribution found is the last.
    last_found: bool,
    one_way: bool,
    audio_alarms: u64,
    quality_alarms: u64,
    detail: String,
    actions: VecDeque<Action>,
}

impl Call {
    /// An accepted call; `due` is false while it waits for its desired contact time.
    pub fn new(id: CallId, created_at: Wall, message: InitiationMessage, limits: CallLimits, due: bool) -> Call {
        Call {
            id,
            created_at,
            message,
            limits,
            gates: Gates::default(),
            taping: Taping::default(),
            answered_by: None,
            anchor: None,
            state: State::Waiting { due },
            legs: Vec::new(),
            customer: CUSTOMER,
            tried: None,
            next_try: None,
            no_more: false,
            bridged: None,
            transferred: Vec::new(),
            transfers_tried: 0,
            supervisors: Vec::new(),
            last_found: false,
            one_way: false,
            audio_alarms: 0,
            quality_alarms: 0,
            detail: String::new(),
            actions: VecDeque::new(),
        }
    }

    /// Takes one event. Events that the state has no use for change nothing: they are late news of a leg that is over.
    pub fn handle(&mut self, now: Now, event: Event) {
        if self.on_supervisor(now, &event) {
            return;
        }
        match event {
            Event::Due => self.on_due(now),
            Event::Ringing(attempt) => self.on_ringing(now, attempt),
            Event::Answered(attempt, codec) => self.on_answered(now, attempt, codec),
            Event::Failed(attempt, kind, cause) => self.on_failed(now, attempt, kind, cause),
            Event::HungUp(attempt, cause) => self.on_hung_up(now, attempt, cause),
            Event::DigitsSent(attempt) => self.on_digits_sent(now, attempt),
            Event::DigitsFailed(attempt) => self.on_digits_failed(now, attempt),
            Event::Pressed(attempt, key) => self.on_pressed(now, attempt, key),
            Event::Judged(attempt, by) => self.on_judged(now, attempt, by),
            Event::GreetingOver(attempt) => self.on_greeting_over(now, attempt),
            Event::TransferAsked { by, id, target } => self.on_transfer_asked(now, by, id, target),
            Event::PlayEnded(attempt) => self.on_play_ended(now, attempt),
            Event::ConsentSaid(attempt, heard) => self.on_consent_said(now, attempt, heard),
            Event::Silent(attempt) => self.on_silent(now, attempt),
            Event::FirstRelayed(attempt) => self.on_relayed(attempt),
            Event::Released(attempt, quality) => {
                if let Some(leg) = self.legs.get_mut(usize::from(attempt)) {
                    leg.released(quality);
                }
                self.finish_when_released(now);
            }
            Event::Timer(timer) => self.on_timer(now, timer),
            Event::Cancel => self.on_stop(now, Outcome::Cancelled, "ended through the API"),
            Event::Found { address, last } => self.on_found(now, address, last),
            Event::NobodyFound => self.on_nobody_found(now),
            Event::CeilingReached => self.on_stop(now, Outcome::Cancelled, "the account's ceiling was reached"),
            Event::Shutdown => self.on_stop(now, Outcome::Interrupted, "the equipment was stopped"),
        }
    }

    /// The next thing to be done.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        if action.is_none() {
            // Calls last for minutes, actions for a moment: their room is given back.
            self.actions = VecDeque::new();
        }
        action
    }

    fn on_hung_up(&mut self, now: Now, attempt: Attempt, cause: Cause) {
        match self.state {
            State::CallingCustomer { stage: Stage::Greeting | Stage::Message } if attempt == self.customer => {
                self.hung_up_for_good(now, attempt, cause, Outcome::CustomerMachine);
            }
            State::CallingCustomer { stage: Stage::Digits | Stage::Judged | Stage::Told | Stage::Asked }
            | State::Holding { .. }
            | State::Seeking
                if attempt == self.customer =>
            {
                self.hung_up_for_good(now, attempt, cause, Outcome::CustomerHungUp);
            }
            State::Farewell if attempt == self.customer => {
                let outcome = self.farewell_outcome();
                self.hung_up_for_good(now, attempt, cause, outcome);
            }
            State::Bridged { with, .. } if attempt == self.customer || attempt == with => {
                self.hung_up_for_good(now, attempt, cause, Outcome::Completed);
            }
            State::Transferring { .. } if attempt == self.customer => {
                self.hung_up_for_good(now, attempt, cause, Outcome::Completed);
            }
            State::Transferring { transfer, .. } if attempt == transfer.by => self.on_asker_gone(now, attempt, cause),
            // Hung up while its digits were dialled, or at its gate.
            State::Holding { trying: leg, stage: Stage::Digits | Stage::Told | Stage::Asked | Stage::Waits }
            | State::Transferring { transfer: Transfer { target: leg, .. }, stage: Stage::Digits | Stage::Told }
                if attempt == leg =>
            {
                self.end_leg(now, attempt, cause.clone());
                self.missed(now, FailureKind::Unreachable, cause);
            }
            _ => {}
        }
    }

    fn hung_up_for_good(&mut self, now: Now, attempt: Attempt, cause: Cause, outcome: Outcome) {
        let who = if attempt == self.customer { "the customer hung up" } else { "the representative hung up" };
        self.note(who);
        self.end_leg(now, attempt, cause);
        self.close(now, outcome);
    }

    fn on_play_ended(&mut self, now: Now, attempt: Attempt) {
        if self.state == State::Farewell && attempt == self.customer {
            let outcome = self.farewell_outcome();
            return self.close(now, outcome);
        }
        self.on_message_left(now, attempt);
        self.on_told(now, attempt);
    }

    fn on_silent(&mut self, now: Now, attempt: Attempt) {
        let watched = match self.state {
            State::Bridged { with, .. } => attempt == self.customer || attempt == with,
            State::Transferring { .. } => attempt == self.customer,
            _ => false,
        };
        if watched {
            self.note(if attempt == self.customer {
                "the customer fell silent"
            } else {
                "the representative fell silent"
            });
            self.close(now, Outcome::Completed);
        }
    }

    fn on_relayed(&mut self, attempt: Attempt) {
        if let State::Bridged { with, heard } = &mut self.state {
            heard.by_customer |= attempt == self.customer;
            heard.by_representative |= attempt == *with;
        }
    }

    fn on_timer(&mut self, now: Now, timer: Timer) {
        match (timer, &self.state) {
            (Timer::Ring, State::CallingCustomer { .. }) => {
                self.note("the customer did not answer in time");
                self.close(now, Outcome::CustomerNoAnswer);
            }
            (Timer::Ring, State::Holding { .. } | State::Transferring { .. }) => {
                self.give_up(now, FailureKind::NoAnswer, q850::NO_ANSWER, "did not answer in time");
            }
            (Timer::Digits, _) => self.digits_failed(now),
            (Timer::Gate, _) => self.gate_closes(now),
            (Timer::Machine, _) => self.machine_is_late(now),
            (Timer::Still, State::Holding { .. } | State::Seeking) => {
                self.actions.push_back(Action::SayStillHolding(self.customer));
                self.set_still_timer(now);
            }
            (Timer::Hold, State::Holding { trying, .. }) => {
                let trying = *trying;
                self.hang_up(now, trying, Cause::local(q850::NO_ANSWER, "the customer had held long enough"));
                self.say_farewell(now, "no representative answered");
                self.save_end_of(trying);
            }
            (Timer::Hold, State::Seeking) => self.say_farewell(now, "no representative was free in time"),
            (Timer::Talk, State::Bridged { .. } | State::Transferring { .. } | State::Farewell) => {
                self.note("the longest time of a call was reached");
                self.close(now, Outcome::Completed);
            }
            (Timer::Farewell, State::Farewell) => {
                let outcome = self.farewell_outcome();
                self.close(now, outcome);
            }
            (Timer::AudioProof, State::Bridged { heard, .. }) if !(heard.by_customer && heard.by_representative) => {
                self.one_way = true;
                self.actions.push_back(Action::OneWayAudio);
            }
            _ => {}
        }
    }

    fn note(&mut self, why: &str) {
        if self.detail.is_empty() {
            self.detail = why.to_owned();
        }
    }

    /// The moment on the clock that this call goes by.
    pub fn wall(&self, now: Now) -> Wall {
        self.anchor.map_or(now.wall, |anchor| anchor.wall + now.mono.since(anchor.mono))
    }

    /// What the leg is dialled at.
    fn address_of(&self, attempt: Attempt) -> Option<&Endpoint> {
        self.leg(attempt).map(|leg| &leg.address)
    }
}

#[cfg(test)]
mod tests;

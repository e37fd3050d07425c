//! The customer service call: the two-leg machine. Customer first; only an answering customer makes a representative's phone
//! ring; both legs have this one owner (field.md 1). Pure; speaks of leg events, never of SIP status codes.
//!
//! ```text
//! Waiting ─Due→ CallingCustomer ─Answered→ Holding ─Answered→ Bridged ─→ Closing ─→ Finished
//!    └─Cancel──────┴──Failed/HungUp────────┤└none left→ Farewell ┘           (every leg released)
//! ```

pub mod api;
pub mod leg;

use std::collections::VecDeque;

use crate::clock::{Now, Wall};
use crate::model::{CallId, CallState, CallView, Cause, Endpoint, InitiationMessage, LegView, Outcome, Progress, Role};

pub use api::{Action, Attempt, CUSTOMER, CallLimits, Event, FailureKind, Timer};
pub use leg::Leg;

/// Q.850 cause values this machine gives of its own accord.
mod q850 {
    pub const NORMAL: u8 = 16;
    pub const NO_ANSWER: u8 = 19;
    pub const EXPIRY: u8 = 102;
    pub const TEMPORARY: u8 = 41;
}

/// Where the call stands.
#[derive(Clone, PartialEq, Debug)]
enum State {
    /// Scheduled or queued.
    Waiting { due: bool },
    /// The customer's phone is dialled.
    CallingCustomer,
    /// The customer hears the message; this representative is being tried.
    Holding { trying: Attempt },
    /// No representative is left; the customer hears so.
    Farewell,
    /// Both talk.
    Bridged { representative: Attempt, heard: Heard },
    /// Everybody was released; ports are still coming back.
    Closing { outcome: Outcome },
    /// The record was asked for.
    Finished { outcome: Outcome, at: Wall },
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
    /// Wall time is read once, when dialling begins; later moments are that plus monotonic time, so that a clock that jumps
    /// bends no duration.
    anchor: Option<Now>,
    state: State,
    legs: Vec<Leg>,
    bridged_at: Option<Wall>,
    one_way: bool,
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
            anchor: None,
            state: State::Waiting { due },
            legs: Vec::new(),
            bridged_at: None,
            one_way: false,
            detail: String::new(),
            actions: VecDeque::new(),
        }
    }

    /// Takes one event. Events that the state has no use for change nothing: they are late news of a leg that is over.
    pub fn handle(&mut self, now: Now, event: Event) {
        match event {
            Event::Due => self.on_due(now),
            Event::Ringing(attempt) => self.on_ringing(now, attempt),
            Event::Answered(attempt, codec) => self.on_answered(now, attempt, codec),
            Event::Failed(attempt, kind, cause) => self.on_failed(now, attempt, kind, cause),
            Event::HungUp(attempt, cause) => self.on_hung_up(now, attempt, cause),
            Event::PlayEnded(attempt) => self.on_play_ended(now, attempt),
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
            Event::Shutdown => self.on_stop(now, Outcome::Interrupted, "the equipment was stopped"),
        }
    }

    /// The next thing to be done.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn on_due(&mut self, now: Now) {
        let State::Waiting { due } = self.state else { return };
        self.anchor = Some(now);
        if !due {
            self.actions.push_back(Action::Entered { from: CallState::Scheduled, to: CallState::Queued });
        }
        self.state = State::CallingCustomer;
        self.actions.push_back(Action::Entered { from: CallState::Queued, to: CallState::CallingCustomer });
        let customer = self.message.customer.clone();
        self.dial(now, Role::Customer, customer);
        self.actions.push_back(Action::SaveProgress);
    }

    fn dial(&mut self, now: Now, role: Role, address: Endpoint) -> Attempt {
        let attempt = u16::try_from(self.legs.len()).unwrap_or(u16::MAX);
        self.legs.push(Leg::new(role, address, self.wall(now)));
        let ring = match role {
            Role::Customer => self.limits.customer_ring,
            Role::Representative => self.limits.representative_ring,
        };
        self.actions.push_back(Action::SetTimer(Timer::Ring, now.mono + ring));
        self.actions.push_back(Action::Dial(attempt));
        attempt
    }

    fn on_ringing(&mut self, now: Now, attempt: Attempt) {
        let at = self.wall(now);
        let Some(leg) = self.legs.get_mut(usize::from(attempt)) else { return };
        let first = leg.ringing_at.is_none();
        leg.rings(at);
        if first && attempt == CUSTOMER {
            self.actions.push_back(Action::SaveProgress);
        }
    }

    fn on_answered(&mut self, now: Now, attempt: Attempt, codec: &'static str) {
        let at = self.wall(now);
        match self.state {
            State::CallingCustomer if attempt == CUSTOMER => {
                self.answer_leg(attempt, at, codec);
                self.actions.push_back(Action::PlayConnecting(CUSTOMER));
                self.actions.push_back(Action::SetTimer(Timer::Hold, now.mono + self.limits.max_hold));
                self.actions.push_back(Action::Entered {
                    from: CallState::CallingCustomer,
                    to: CallState::CallingRepresentative,
                });
                self.try_next_representative(now);
                self.actions.push_back(Action::SaveProgress);
            }
            State::Holding { trying } if attempt == trying => {
                self.answer_leg(attempt, at, codec);
                self.bridged_at = Some(at);
                self.state = State::Bridged { representative: attempt, heard: Heard::default() };
                self.actions.push_back(Action::Bridge(CUSTOMER, attempt));
                self.actions.push_back(Action::CancelTimer(Timer::Hold));
                self.actions.push_back(Action::SetTimer(Timer::Talk, now.mono + self.limits.max_call));
                self.actions.push_back(Action::SetTimer(Timer::AudioProof, now.mono + self.limits.audio_proof));
                self.actions.push_back(Action::WatchSilence(CUSTOMER, self.limits.silence));
                self.actions.push_back(Action::WatchSilence(attempt, self.limits.silence));
                self.actions
                    .push_back(Action::Entered { from: CallState::CallingRepresentative, to: CallState::Bridged });
                self.actions.push_back(Action::SaveProgress);
            }
            _ => {}
        }
    }

    fn answer_leg(&mut self, attempt: Attempt, at: Wall, codec: &'static str) {
        self.actions.push_back(Action::CancelTimer(Timer::Ring));
        if let Some(leg) = self.legs.get_mut(usize::from(attempt)) {
            leg.answers(at, codec);
        }
    }

    /// The next in hunt order, each once; none left: the customer is told.
    fn try_next_representative(&mut self, now: Now) {
        let tried = self.legs.len().saturating_sub(1);
        match self.message.representatives.get(tried).cloned() {
            Some(address) => {
                let trying = self.dial(now, Role::Representative, address);
                self.state = State::Holding { trying };
            }
            None => self.say_farewell(now),
        }
    }

    fn say_farewell(&mut self, now: Now) {
        self.state = State::Farewell;
        self.note("no representative answered");
        self.actions.push_back(Action::CancelTimer(Timer::Ring));
        self.actions.push_back(Action::CancelTimer(Timer::Hold));
        self.actions.push_back(Action::PlayUnavailable(CUSTOMER));
        self.actions.push_back(Action::SetTimer(Timer::Farewell, now.mono + self.limits.farewell));
    }

    fn on_failed(&mut self, now: Now, attempt: Attempt, kind: FailureKind, cause: Cause) {
        match self.state {
            State::CallingCustomer if attempt == CUSTOMER => {
                self.note(&cause.text);
                self.end_leg(now, attempt, cause);
                let outcome = match kind {
                    FailureKind::Busy => Outcome::CustomerBusy,
                    FailureKind::NoAnswer => Outcome::CustomerNoAnswer,
                    FailureKind::Rejected => Outcome::CustomerRejected,
                    FailureKind::Unreachable => Outcome::CustomerUnreachable,
                    FailureKind::Fault => Outcome::Failed,
                };
                self.close(now, outcome);
            }
            State::Holding { trying } if attempt == trying => {
                self.end_leg(now, attempt, cause);
                self.actions.push_back(Action::CancelTimer(Timer::Ring));
                self.try_next_representative(now);
            }
            _ => {}
        }
    }

    fn on_hung_up(&mut self, now: Now, attempt: Attempt, cause: Cause) {
        let outcome = match self.state {
            State::Holding { .. } if attempt == CUSTOMER => Outcome::CustomerHungUp,
            State::Farewell if attempt == CUSTOMER => Outcome::RepresentativeUnavailable,
            State::Bridged { representative, .. } if attempt == CUSTOMER || attempt == representative => {
                Outcome::Completed
            }
            _ => return,
        };
        let who = if attempt == CUSTOMER { "the customer hung up" } else { "the representative hung up" };
        self.note(who);
        self.end_leg(now, attempt, cause);
        self.close(now, outcome);
    }

    fn on_play_ended(&mut self, now: Now, attempt: Attempt) {
        if self.state == State::Farewell && attempt == CUSTOMER {
            self.close(now, Outcome::RepresentativeUnavailable);
        }
    }

    fn on_silent(&mut self, now: Now, attempt: Attempt) {
        if matches!(self.state, State::Bridged { representative, .. } if attempt == CUSTOMER || attempt == representative)
        {
            self.note(if attempt == CUSTOMER { "the customer fell silent" } else { "the representative fell silent" });
            self.close(now, Outcome::Completed);
        }
    }

    fn on_relayed(&mut self, attempt: Attempt) {
        if let State::Bridged { representative, heard } = &mut self.state {
            heard.by_customer |= attempt == CUSTOMER;
            heard.by_representative |= attempt == *representative;
        }
    }

    fn on_timer(&mut self, now: Now, timer: Timer) {
        match (timer, &self.state) {
            (Timer::Ring, State::CallingCustomer) => {
                self.note("the customer did not answer in time");
                self.close(now, Outcome::CustomerNoAnswer);
            }
            (Timer::Ring, State::Holding { trying }) => {
                let trying = *trying;
                self.hang_up(now, trying, Cause::local(q850::NO_ANSWER, "did not answer in time"));
                self.try_next_representative(now);
            }
            (Timer::Hold, State::Holding { trying }) => {
                let trying = *trying;
                self.hang_up(now, trying, Cause::local(q850::NO_ANSWER, "the customer had held long enough"));
                self.say_farewell(now);
            }
            (Timer::Talk, State::Bridged { .. }) => {
                self.note("the longest time of a call was reached");
                self.close(now, Outcome::Completed);
            }
            (Timer::Farewell, State::Farewell) => self.close(now, Outcome::RepresentativeUnavailable),
            (Timer::AudioProof, State::Bridged { heard, .. }) if !(heard.by_customer && heard.by_representative) => {
                self.one_way = true;
                self.actions.push_back(Action::OneWayAudio);
            }
            _ => {}
        }
    }

    fn on_stop(&mut self, now: Now, outcome: Outcome, why: &str) {
        let outcome = match self.state {
            // Both have talked: hanging up for them is no cancellation (contract.md: DELETE "cancels or hangs up").
            State::Bridged { .. } if outcome == Outcome::Cancelled => Outcome::Completed,
            State::Closing { .. } | State::Finished { .. } => return,
            _ => outcome,
        };
        self.note(why);
        self.close(now, outcome);
    }

    /// A call that waited too long for its turn.
    pub fn expire(&mut self, now: Now) {
        if let State::Waiting { .. } = self.state {
            self.note("its time passed before it could be placed");
            self.close(now, Outcome::Expired);
        }
    }

    /// Ends every leg that is not over, gives every port back, and waits for media's last words.
    fn close(&mut self, now: Now, outcome: Outcome) {
        let (number, why) = match outcome {
            Outcome::CustomerNoAnswer => (q850::EXPIRY, "did not answer in time"),
            Outcome::Interrupted => (q850::TEMPORARY, "the equipment was stopped"),
            _ => (q850::NORMAL, "released by the equipment"),
        };
        self.state = State::Closing { outcome };
        for attempt in 0..self.legs.len() {
            let attempt = u16::try_from(attempt).unwrap_or(u16::MAX);
            self.hang_up(now, attempt, Cause::local(number, why));
        }
        for timer in [Timer::Ring, Timer::Hold, Timer::Talk, Timer::Farewell, Timer::AudioProof] {
            self.actions.push_back(Action::CancelTimer(timer));
        }
        self.finish_when_released(now);
    }

    /// Hangs a live leg up; a leg that is over stays as it is.
    fn hang_up(&mut self, now: Now, attempt: Attempt, cause: Cause) {
        let at = self.wall(now);
        let ended = self.legs.get_mut(usize::from(attempt)).is_some_and(|leg| leg.ends(at, cause.clone()));
        if ended {
            self.actions.push_back(Action::HangUp(attempt, cause));
            self.actions.push_back(Action::Release(attempt));
        }
    }

    /// Notes the end of a leg whose signalling is over already.
    fn end_leg(&mut self, now: Now, attempt: Attempt, cause: Cause) {
        let at = self.wall(now);
        if self.legs.get_mut(usize::from(attempt)).is_some_and(|leg| leg.ends(at, cause)) {
            self.actions.push_back(Action::Release(attempt));
        }
    }

    fn finish_when_released(&mut self, now: Now) {
        let State::Closing { outcome } = self.state else { return };
        if self.legs.iter().all(Leg::is_done) {
            let from = self.public_state();
            let at = self.legs.iter().filter_map(|leg| leg.end().map(|end| end.at)).max();
            self.state = State::Finished { outcome, at: at.unwrap_or_else(|| self.wall(now)) };
            self.actions.push_back(Action::Entered { from, to: CallState::Ended });
            self.actions.push_back(Action::Finish(outcome));
        }
    }

    fn note(&mut self, why: &str) {
        if self.detail.is_empty() {
            self.detail = why.to_owned();
        }
    }

    fn wall(&self, now: Now) -> Wall {
        self.anchor.map_or(now.wall, |anchor| anchor.wall + now.mono.since(anchor.mono))
    }
}

/// Views.
impl Call {
    /// Its identifier.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// When it was accepted.
    pub fn created_at(&self) -> Wall {
        self.created_at
    }

    /// What was asked for.
    pub fn message(&self) -> &InitiationMessage {
        &self.message
    }

    /// Every leg tried, the customer's first.
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// One leg.
    pub fn leg(&self, attempt: Attempt) -> Option<&Leg> {
        self.legs.get(usize::from(attempt))
    }

    /// Notes which switch carries a leg.
    pub fn set_switch(&mut self, attempt: Attempt, switch: &str) {
        if let Some(leg) = self.legs.get_mut(usize::from(attempt)) {
            leg.switch = Some(switch.to_owned());
        }
    }

    /// Both talked, since then.
    pub fn bridged_at(&self) -> Option<Wall> {
        self.bridged_at
    }

    /// Audio never crossed both ways within the bound.
    pub fn one_way_audio(&self) -> bool {
        self.one_way
    }

    /// Why it ended, in our words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The outcome and the moment, once finished.
    pub fn ended(&self) -> Option<(Outcome, Wall)> {
        match self.state {
            State::Finished { outcome, at } => Some((outcome, at)),
            _ => None,
        }
    }

    /// True from the moment it began to end.
    pub fn is_ending(&self) -> bool {
        matches!(self.state, State::Closing { .. } | State::Finished { .. })
    }

    /// True while it waits for its time or its turn.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// A scheduled call's time has come, but not its turn: it is queued.
    pub fn enqueue(&mut self) {
        if let State::Waiting { due: false } = self.state {
            self.state = State::Waiting { due: true };
            self.actions.push_back(Action::Entered { from: CallState::Scheduled, to: CallState::Queued });
        }
    }

    /// The contract's state.
    pub fn public_state(&self) -> CallState {
        match &self.state {
            State::Waiting { due: false } => CallState::Scheduled,
            State::Waiting { due: true } => CallState::Queued,
            State::CallingCustomer => CallState::CallingCustomer,
            State::Holding { .. } | State::Farewell => CallState::CallingRepresentative,
            State::Bridged { .. } => CallState::Bridged,
            State::Closing { .. } if self.bridged_at.is_some() => CallState::Bridged,
            State::Closing { .. } => match self.legs.first() {
                None => CallState::Queued,
                Some(leg) if leg.answered_at().is_some() => CallState::CallingRepresentative,
                Some(_) => CallState::CallingCustomer,
            },
            State::Finished { .. } => CallState::Ended,
        }
    }

    /// The representative's leg that matters: the one who answered, else the last tried.
    pub fn representative(&self) -> Option<&Leg> {
        let mut tried = self.legs.iter().skip(1);
        let answered = self.legs.iter().skip(1).find(|leg| leg.answered_at().is_some());
        answered.or_else(|| tried.next_back())
    }

    /// The durable marks.
    pub fn progress(&self) -> Progress {
        let customer = self.legs.first();
        let talking = self.legs.iter().skip(1).find(|leg| leg.answered_at().is_some());
        Progress {
            started_at: customer.map(|leg| leg.dialled_at),
            customer_ringing_at: customer.and_then(|leg| leg.ringing_at),
            customer_answered_at: customer.and_then(Leg::answered_at),
            representative: talking.map(|leg| leg.address.clone()),
            representative_answered_at: talking.and_then(Leg::answered_at),
            bridged_at: self.bridged_at,
        }
    }

    /// The call object of the HTTP contract. `billable_seconds` is the biller's to fill.
    pub fn view(&self) -> CallView {
        let customer = match self.legs.first() {
            Some(leg) => leg.view(),
            None => LegView::idle(self.message.customer.clone()),
        };
        let first_named = || self.message.representatives.first().cloned().map(LegView::idle);
        CallView {
            id: self.id,
            business_id: self.message.business_id.clone(),
            state: self.public_state(),
            outcome: self.ended().map(|(outcome, _)| outcome),
            customer,
            representative: self.representative().map(Leg::view).or_else(first_named),
            attempts: self.legs.iter().map(Leg::view).collect(),
            created_at: self.created_at,
            desired_contact_time: self.message.desired_contact_time,
            bridged_at: self.bridged_at,
            ended_at: self.ended().map(|(_, at)| at),
            billable_seconds: None,
            reference: self.message.reference.clone(),
        }
    }
}

#[cfg(test)]
mod tests;

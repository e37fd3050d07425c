//! What others see of a call: its legs, its state in the contract's words, the call object, the durable marks. Owns the reading
//! of the machine's state; refuses to change it, but for what the engine notes of its own.

use super::supervisor::Supervisor;
use super::{Action, Attempt, Call, Leg, State};
use crate::clock::{Now, Wall};
use crate::model::{
    Alarm, AnsweredBy, AnsweredMark, CallId, CallState, CallView, Endpoint, InitiationMessage, LegView, Outcome,
    Progress, Quality, Role, Sample, SupervisorView,
};

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

    /// Which leg is the customer's: of the present try, or of the last one.
    pub fn customer(&self) -> Attempt {
        self.customer
    }

    /// That leg, once the customer was dialled.
    pub fn customer_leg(&self) -> Option<&Leg> {
        self.leg(self.customer)
    }

    /// Notes which switch carries a leg.
    pub fn set_switch(&mut self, attempt: Attempt, switch: &str) {
        if let Some(leg) = self.legs.get_mut(usize::from(attempt)) {
            leg.switch = Some(switch.to_owned());
        }
    }

    /// A leg that talks agreed on another codec.
    pub fn set_codec(&mut self, attempt: Attempt, codec: &'static str) {
        if let Some(leg) = self.legs.get_mut(usize::from(attempt)) {
            leg.recode(codec);
        }
    }

    /// Media measured five seconds of a leg.
    pub fn measured(&mut self, now: Now, attempt: Attempt, quality: Quality, sample: Sample) {
        let at = self.wall(now);
        if let Some(leg) = self.legs.get_mut(usize::from(attempt)) {
            leg.measures(at, quality, sample);
        }
    }

    /// Something is wrong with the talk, or right again.
    pub fn alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::OneWay => {
                self.one_way = true;
                self.audio_alarms += 1;
            }
            Alarm::Silence => self.audio_alarms += 1,
            Alarm::Bad => self.quality_alarms += 1,
            Alarm::Heard | Alarm::Good => {}
        }
    }

    /// How often audio failed, and how often it was bad.
    pub fn alarms(&self) -> (u64, u64) {
        (self.audio_alarms, self.quality_alarms)
    }

    /// Both talked, since then.
    pub fn bridged_at(&self) -> Option<Wall> {
        self.bridged.map(|(at, _)| at)
    }

    /// Audio did not cross both ways within the bound, or one side alone fell silent later.
    pub fn one_way_audio(&self) -> bool {
        self.one_way
    }

    /// Who answered at the customer's, where that was listened for and is known.
    pub fn answered_by(&self) -> Option<AnsweredBy> {
        self.answered_by
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
            State::CallingCustomer { .. } => CallState::CallingCustomer,
            State::Bridged { .. } | State::Transferring { .. } => CallState::Bridged,
            // A customer who has talked stays among those who talk until the end.
            State::Farewell if self.bridged.is_some() => CallState::Bridged,
            State::Holding { .. } | State::Seeking | State::Farewell => CallState::CallingRepresentative,
            State::Closing { from, .. } => *from,
            State::Finished { .. } => CallState::Ended,
        }
    }

    /// The representative's leg that matters: the one whom the customer was first joined with, else the last tried.
    pub fn representative(&self) -> Option<&Leg> {
        match self.bridged {
            Some((_, attempt)) => self.leg(attempt),
            None => self.legs.iter().skip(usize::from(self.customer) + 1).next_back(),
        }
    }

    /// Whom the customer was last transferred to.
    pub fn transferred_to(&self) -> Option<&Endpoint> {
        self.transferred.last().and_then(|attempt| self.address_of(*attempt))
    }

    /// How often the customer was transferred.
    pub fn transfers(&self) -> u64 {
        self.transferred.len() as u64
    }

    /// With whom this leg talks.
    pub fn partner(&self, attempt: Attempt) -> Option<Attempt> {
        match self.state {
            State::Bridged { with, .. } if attempt == self.customer => Some(with),
            State::Bridged { with, .. } if attempt == with => Some(self.customer),
            _ => None,
        }
    }

    /// The durable marks.
    pub fn progress(&self) -> Progress {
        let customer = self.customer_leg().filter(|_| !self.is_waiting());
        let talking = self.bridged.and_then(|(_, attempt)| self.leg(attempt));
        let others = (0u16..).zip(&self.legs).filter(|(_, leg)| leg.role != Role::Customer);
        let answered = others.filter_map(|(attempt, leg)| {
            Some(AnsweredMark {
                attempt,
                address: leg.address.clone(),
                answered_at: leg.answered_at()?,
                ended_at: leg.end().map(|end| end.at),
                transferred: self.transferred.contains(&attempt),
                role: leg.role,
            })
        });
        Progress {
            started_at: customer.map(|leg| leg.dialled_at),
            customer_ringing_at: customer.and_then(|leg| leg.ringing_at),
            customer_answered_at: customer.and_then(Leg::answered_at),
            representative: talking.map(|leg| leg.address.clone()),
            representative_answered_at: talking.and_then(Leg::answered_at),
            bridged_at: self.bridged_at(),
            answered: answered.collect(),
            tried: self.tried_legs(),
            next_try_at: self.next_try_at(),
        }
    }

    /// Its supervisors, in the order of their coming.
    pub fn supervisor_views(&self) -> Vec<SupervisorView> {
        let view = |supervisor: &Supervisor| {
            let leg = self.leg(supervisor.attempt)?.view();
            Some(SupervisorView { leg: supervisor.attempt, mode: Some(supervisor.mode), view: leg })
        };
        self.supervisors.iter().filter_map(view).collect()
    }

    /// The call object of the HTTP contract. `billable_seconds` is the biller's to fill.
    pub fn view(&self) -> CallView {
        let customer = match self.customer_leg() {
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
            bridged_at: self.bridged_at(),
            ended_at: self.ended().map(|(_, at)| at),
            billable_seconds: None,
            reference: self.message.reference.clone(),
            transferred_to: self.transferred_to().cloned(),
            transfers: self.transfers(),
            recording: None,
            supervisors: self.supervisor_views(),
            customer_answered_by: self.answered_by,
            source: self.message.source(),
            web_page: self.message.web_page.clone(),
            note: self.message.note.clone(),
            record: self.message.record,
            contact_window: self.message.contact_window,
            expires_at: self.message.expires_at,
            tries: self.tries(),
            next_try_at: self.next_try_at(),
            wait: None,
        }
    }
}

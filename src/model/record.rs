//! What is left of a call: the call detail record, the record of each leg attempt, and the call object that HTTP shows.
//! Owns their field names (contract.md); refuses rating and storage.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AnsweredBy, BusinessId, CallId, CallSource, CallState, Cause, ContactWindow, Currency, Endpoint, LegState, Money,
    Outcome, Quality, RecordingView, Role, SampleView, SupervisorMode, WebPage,
};
use crate::clock::Wall;

/// The call detail record: exactly one per call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Record)]
pub struct CallRecord {
    /// The call.
    pub call_id: CallId,
    /// Who is billed.
    pub business_id: BusinessId,
    /// The business's own identifier.
    pub reference: Option<String>,
    /// Who was called first.
    pub customer: Endpoint,
    /// The representative with whom the customer was first joined, else the last one tried, else the first one named.
    pub representative: Option<Endpoint>,
    /// How it ended.
    pub outcome: Outcome,
    /// Accepted.
    pub created_at: Wall,
    /// Asked for.
    pub desired_contact_time: Option<Wall>,
    /// First ring at the customer.
    pub customer_ringing_at: Option<Wall>,
    /// The customer's 200.
    pub customer_answered_at: Option<Wall>,
    /// First ring at that representative.
    pub representative_ringing_at: Option<Wall>,
    /// That representative's 200.
    pub representative_answered_at: Option<Wall>,
    /// Both talk.
    pub bridged_at: Option<Wall>,
    /// Over.
    pub ended_at: Wall,
    /// Billed seconds of the customer's leg, after increment and minimum.
    pub customer_billable_seconds: u64,
    /// Billed seconds of all answered representatives' legs.
    pub representative_billable_seconds: u64,
    /// Whole seconds from the bridge to the end, rounded down; the time of transfers counts.
    pub talk_seconds: u64,
    /// The price.
    pub price_micros: Money,
    /// Of what.
    pub currency: Currency,
    /// Final SIP status of the customer's leg.
    pub customer_sip_status: Option<u16>,
    /// Final SIP status of that representative's leg.
    pub representative_sip_status: Option<u16>,
    /// Q.850 cause of the customer's leg.
    pub customer_q850: Option<u8>,
    /// Q.850 cause of that representative's leg.
    pub representative_q850: Option<u8>,
    /// Which switch carried the customer's leg.
    pub customer_switch: Option<String>,
    /// Which switch carried that representative's leg.
    pub representative_switch: Option<String>,
    /// Codec agreed with the customer.
    pub codec_customer: Option<String>,
    /// Codec agreed with that representative.
    pub codec_representative: Option<String>,
    /// Quality of the customer's leg.
    pub quality_customer: Option<Quality>,
    /// Quality of that representative's leg.
    pub quality_representative: Option<Quality>,
    /// True when a talk did not carry audio both ways at its beginning, and also when one side alone fell silent in mid-talk for as
    /// long as an alarm takes (`[media] quiet_seconds`), even where it came back (field.md pain 7).
    pub one_way_audio: bool,
    /// Why it ended, in our words.
    pub detail: String,
    /// Whom the customer was transferred to, the last one.
    #[serde(default)]
    pub transferred_to: Option<Endpoint>,
    /// How often the customer was transferred.
    #[serde(default)]
    pub transfers: u64,
    /// Its recording, if the talk was recorded.
    #[serde(default)]
    pub recording: Option<RecordingView>,
    /// Billed seconds of all answered supervisors' legs.
    #[serde(default)]
    pub supervisor_billable_seconds: u64,
    /// Who answered at the customer's, where that was listened for.
    #[serde(default)]
    pub customer_answered_by: Option<AnsweredBy>,
    /// How often nothing came of a side while both should have talked.
    #[serde(default)]
    pub audio_alarms: u64,
    /// How often the sound of a leg turned bad.
    #[serde(default)]
    pub quality_alarms: u64,
    /// How it came to the equipment.
    #[serde(default)]
    pub source: CallSource,
    /// 706, 906: the page the customer was on.
    #[serde(default)]
    pub web_page: Option<WebPage>,
    /// 710: the customer's note.
    #[serde(default)]
    pub note: Option<String>,
    /// Its message asked that the talk be recorded.
    #[serde(default)]
    pub record: bool,
    /// Between which moments the customer was to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_window: Option<ContactWindow>,
    /// No try was to begin at or after this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Wall>,
    /// How often the customer was dialled.
    #[serde(default)]
    pub tries: u64,
}

/// One leg attempt: the second listing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// The call.
    pub call_id: CallId,
    /// 0 is the customer.
    pub attempt: u16,
    /// Which party.
    pub role: Role,
    /// What was dialled.
    pub address: Endpoint,
    /// Through which switch.
    pub switch: Option<String>,
    /// INVITE sent.
    pub dialled_at: Wall,
    /// First ring.
    pub ringing_at: Option<Wall>,
    /// 200.
    pub answered_at: Option<Wall>,
    /// Over.
    pub ended_at: Wall,
    /// Why.
    pub cause: Cause,
    /// Agreed codec.
    pub codec: Option<String>,
    /// Billed seconds.
    pub billable_seconds: u64,
    /// Measured.
    pub quality: Option<Quality>,
    /// How a supervisor took part, at the last.
    #[serde(default)]
    pub mode: Option<SupervisorMode>,
}

/// A leg inside the call object.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Leg)]
pub struct LegView {
    /// What is or will be dialled.
    pub address: Endpoint,
    /// Where it stands.
    pub state: LegState,
    /// First ring.
    pub ringing_at: Option<Wall>,
    /// 200.
    pub answered_at: Option<Wall>,
    /// Over.
    pub ended_at: Option<Wall>,
    /// Final SIP status.
    pub sip_status: Option<u16>,
    /// Q.850 cause.
    pub q850_cause: Option<u8>,
    /// Measured so far: from the first five seconds on, and for good once the leg is over.
    pub quality: Option<Quality>,
    /// The last ten minutes of it, five seconds each; of a call that lives, asked for alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quality_samples: Vec<SampleView>,
}

impl LegView {
    /// A leg nobody has dialled.
    pub fn idle(address: Endpoint) -> LegView {
        LegView {
            address,
            state: LegState::Idle,
            ringing_at: None,
            answered_at: None,
            ended_at: None,
            sip_status: None,
            q850_cause: None,
            quality: None,
            quality_samples: Vec::new(),
        }
    }
}

/// A supervisor inside the call object: its leg, by which it is named, and how it takes part.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Supervisor)]
pub struct SupervisorView {
    /// Its place in `attempts`.
    pub leg: u16,
    /// How it takes part, at the last once it is over.
    pub mode: Option<SupervisorMode>,
    /// The leg.
    #[serde(flatten)]
    pub view: LegView,
}

/// The call object of the HTTP contract.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Call)]
pub struct CallView {
    /// The call.
    pub id: CallId,
    /// Whose.
    pub business_id: BusinessId,
    /// Where it stands.
    pub state: CallState,
    /// Null until ended.
    pub outcome: Option<Outcome>,
    /// The customer's leg.
    pub customer: LegView,
    /// The representative's: the one first joined, else the one being tried, else the last tried, else the first named.
    pub representative: Option<LegView>,
    /// Every leg tried, in order.
    pub attempts: Vec<LegView>,
    /// Accepted.
    pub created_at: Wall,
    /// Asked for.
    pub desired_contact_time: Option<Wall>,
    /// Both talk.
    pub bridged_at: Option<Wall>,
    /// Over.
    pub ended_at: Option<Wall>,
    /// All legs' billed seconds, once ended.
    pub billable_seconds: Option<u64>,
    /// The business's own identifier.
    pub reference: Option<String>,
    /// Whom the customer was transferred to, the last one.
    #[serde(default)]
    pub transferred_to: Option<Endpoint>,
    /// How often the customer was transferred.
    #[serde(default)]
    pub transfers: u64,
    /// Its recording, if the talk is recorded.
    #[serde(default)]
    pub recording: Option<RecordingView>,
    /// Who listened, whispered or joined, in order.
    #[serde(default)]
    pub supervisors: Vec<SupervisorView>,
    /// Who answered at the customer's, where that was listened for and is known.
    #[serde(default)]
    pub customer_answered_by: Option<AnsweredBy>,
    /// How it came to the equipment.
    #[serde(default)]
    pub source: CallSource,
    /// 706, 906: the page the customer was on, for the representative.
    #[serde(default)]
    pub web_page: Option<WebPage>,
    /// 710: the customer's note, for the representative.
    #[serde(default)]
    pub note: Option<String>,
    /// Its message asked that the talk be recorded.
    #[serde(default)]
    pub record: bool,
    /// Between which moments the customer may be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_window: Option<ContactWindow>,
    /// No try begins at or after this moment: a call that was not placed by then ends `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Wall>,
    /// How often the customer was dialled.
    #[serde(default)]
    pub tries: u64,
    /// When it is dialled again, while it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Wall>,
    /// How long the customer still waits, as far as it waits and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<WaitView>,
}

/// A wait inside the call object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WaitView {
    /// Of a queued call: its place among the queued calls of its business, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// Of a customer who holds: in how many whole minutes somebody may be expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_minutes: Option<u8>,
}

impl CallRecord {
    /// Billed seconds of all legs.
    pub fn billable_seconds(&self) -> u64 {
        self.customer_billable_seconds + self.representative_billable_seconds + self.supervisor_billable_seconds
    }
}

impl CallView {
    /// As it stands in a list, and when it is over.
    pub fn without_samples(&mut self) {
        let legs = self.representative.iter_mut().chain(&mut self.attempts);
        for leg in legs.chain([&mut self.customer]) {
            leg.quality_samples = Vec::new();
        }
    }

    /// The call object of an ended call, from its records.
    pub fn from_record(record: &CallRecord, attempts: &[AttemptRecord]) -> CallView {
        let leg = |attempt: &AttemptRecord| LegView {
            address: attempt.address.clone(),
            state: LegState::Ended,
            ringing_at: attempt.ringing_at,
            answered_at: attempt.answered_at,
            ended_at: Some(attempt.ended_at),
            sip_status: attempt.cause.sip_status,
            q850_cause: attempt.cause.q850,
            quality: attempt.quality,
            quality_samples: Vec::new(),
        };
        let customer = attempts.iter().rfind(|a| a.role == Role::Customer).map(leg);
        let supervisors = attempts.iter().filter(|a| a.role == Role::Supervisor);
        let supervisors = supervisors.map(|a| SupervisorView { leg: a.attempt, mode: a.mode, view: leg(a) });
        let tried = || attempts.iter().filter(|a| a.role == Role::Representative);
        let first_joined = |a: &&AttemptRecord| {
            record.bridged_at.is_some()
                && a.answered_at == record.representative_answered_at
                && record.representative.as_ref() == Some(&a.address)
        };
        let talked = tried().find(first_joined).or_else(|| tried().next_back()).map(leg);
        CallView {
            id: record.call_id,
            business_id: record.business_id.clone(),
            state: CallState::Ended,
            outcome: Some(record.outcome),
            customer: customer.unwrap_or_else(|| LegView::idle(record.customer.clone())),
            representative: talked.or_else(|| record.representative.clone().map(LegView::idle)),
            attempts: attempts.iter().map(leg).collect(),
            created_at: record.created_at,
            desired_contact_time: record.desired_contact_time,
            bridged_at: record.bridged_at,
            ended_at: Some(record.ended_at),
            billable_seconds: Some(record.billable_seconds()),
            reference: record.reference.clone(),
            transferred_to: record.transferred_to.clone(),
            transfers: record.transfers,
            recording: record.recording.clone(),
            supervisors: supervisors.collect(),
            customer_answered_by: record.customer_answered_by,
            source: record.source,
            web_page: record.web_page.clone(),
            note: record.note.clone(),
            record: record.record,
            contact_window: record.contact_window,
            expires_at: record.expires_at,
            tries: attempts.iter().filter(|a| a.role == Role::Customer).count() as u64,
            next_try_at: None,
            wait: None,
        }
    }
}

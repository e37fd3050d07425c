//! The customer service call initiation message (Fig. 8) once it has been judged: typed, complete, and what is kept of it in
//! the store. Owns the shape; HTTP's raw form is `io/http`'s, the decision whether it is allowed is `access`'s.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    BusinessId, CallId, CallSource, Cause, ClickToDial, ContactWindow, ContactWish, DirectRequest, Endpoint, Language,
    Need, Outcome, Quality, RetryPlan, Role,
};
use crate::clock::Wall;

/// Fig. 8, without its password.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InitiationMessage {
    /// 804: who is billed.
    pub business_id: BusinessId,
    /// 810: who is called first.
    pub customer: Endpoint,
    /// 812: who is called next, in hunt order. Empty once accepted only where call distribution chooses.
    pub representatives: Vec<Endpoint>,
    /// Whom call distribution chooses, where nobody is named above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need: Option<Box<Need>>,
    /// 814: absent = as soon as possible.
    pub desired_contact_time: Option<Wall>,
    /// Between which moments the customer may be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_window: Option<ContactWindow>,
    /// Once it is accepted: no try begins at or after this moment. Never later than the window's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Wall>,
    /// How it is tried again, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Box<RetryPlan>>,
    /// What was asked of these, until it is accepted.
    #[serde(skip)]
    pub asked: Option<Box<ContactWish>>,
    /// Spoken in the message; absent = the business's registered name.
    pub company_name: Option<String>,
    /// 706: the page the customer was on.
    pub web_page: Option<WebPage>,
    /// 710: a note from the customer.
    pub note: Option<String>,
    /// The business's own identifier of this call, kept in the record.
    pub reference: Option<String>,
    /// Which of its verified numbers to show.
    pub caller_id: Option<Endpoint>,
    /// Do not show a number to those who are called (RFC 3323); a switch that trusts us still hears it.
    #[serde(default)]
    pub withhold_caller_id: bool,
    /// In which language its parties are spoken to; absent = the business's.
    #[serde(default)]
    pub language: Option<Language>,
    /// Record the talk, where the business's account lets it.
    #[serde(default)]
    pub record: bool,
    /// Header fields for the INVITEs of this call, name and value, such as User-to-User (RFC 7433). Towards a switch that does
    /// not allow a name it is left out.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The `Idempotency-Key` of the request, with a hash of its body.
    #[serde(default)]
    pub idempotency: Option<Idempotency>,
    /// Names of the encrypted texts of the request: each is taken once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub once: Vec<String>,
    /// It was a customer's browser that asked (Fig. 9), not the business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<Box<DirectRequest>>,
    /// It was asked for through Click to Dial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_to_dial: Option<Box<ClickToDial>>,
}

impl InitiationMessage {
    /// How it came to the equipment.
    pub fn source(&self) -> CallSource {
        match (&self.direct, &self.click_to_dial) {
            (Some(_), _) => CallSource::DirectRequest,
            (None, Some(_)) => CallSource::ClickToDial,
            (None, None) => CallSource::Message,
        }
    }

    /// True when its events go to a sink of its own.
    pub fn has_sink(&self) -> bool {
        self.click_to_dial.as_ref().is_some_and(|asked| asked.sink.is_some())
    }

    /// Who calls whom, and nothing else: as soon as possible, nothing said about it.
    pub fn new(business_id: BusinessId, customer: Endpoint, representatives: Vec<Endpoint>) -> InitiationMessage {
        InitiationMessage {
            business_id,
            customer,
            representatives,
            need: None,
            desired_contact_time: None,
            contact_window: None,
            expires_at: None,
            retry: None,
            asked: None,
            company_name: None,
            web_page: None,
            note: None,
            reference: None,
            caller_id: None,
            withhold_caller_id: false,
            language: None,
            record: false,
            headers: Vec::new(),
            idempotency: None,
            once: Vec::new(),
            direct: None,
            click_to_dial: None,
        }
    }
}

/// What makes a repeated POST the same call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Idempotency {
    /// The header's value.
    pub key: String,
    /// Hex SHA-256 of the request's body without its password.
    pub body_hash: String,
}

/// Web page information 706.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebPage {
    /// Address of the page.
    pub url: String,
    /// Its title.
    #[serde(default)]
    pub title: Option<String>,
    /// Pages that were viewed shortly before (612), the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub viewed: Vec<ViewedPage>,
}

/// A page that the customer was on before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewedPage {
    /// Address of the page.
    pub url: String,
    /// Its title.
    #[serde(default)]
    pub title: Option<String>,
}

/// An accepted call as the store keeps it until its record is final.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredCall {
    /// The call.
    pub id: CallId,
    /// When it was accepted.
    pub created_at: Wall,
    /// What was asked for.
    pub message: InitiationMessage,
    /// How far it had come when last written.
    pub progress: Progress,
}

/// The durable marks of a call's life: what a restart needs to go on or to close the record truthfully.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Dialling of the customer began: not to be dialled again after a crash.
    pub started_at: Option<Wall>,
    /// The customer's phone rang.
    pub customer_ringing_at: Option<Wall>,
    /// The customer answered: billing of that leg begins.
    pub customer_answered_at: Option<Wall>,
    /// Which representative answered.
    pub representative: Option<Endpoint>,
    /// The representative answered.
    pub representative_answered_at: Option<Wall>,
    /// Both talked.
    pub bridged_at: Option<Wall>,
    /// Every representative's leg that was answered, in order: each is billed, also after a transfer.
    #[serde(default)]
    pub answered: Vec<AnsweredMark>,
    /// The customer's legs of the tries that are over, where there is another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<TriedLeg>,
    /// It waits for another try, which is due then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Wall>,
}

/// The customer's leg of a try that is over and is followed by another.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TriedLeg {
    /// Through which switch.
    pub switch: Option<String>,
    /// INVITE sent.
    pub dialled_at: Wall,
    /// First ring.
    pub ringing_at: Option<Wall>,
    /// 200: it is billed.
    pub answered_at: Option<Wall>,
    /// Agreed codec.
    pub codec: Option<String>,
    /// Over.
    pub ended_at: Wall,
    /// Why.
    pub cause: Cause,
    /// Measured.
    pub quality: Option<Quality>,
    /// How the try ended; meant of the last one, which the call ends as where no other follows.
    pub outcome: Outcome,
    /// The same, in our words.
    pub detail: String,
}

/// What a mark without a role is of: marks were of representatives only.
fn representative() -> Role {
    Role::Representative
}

/// The mark of one answered leg of a representative or supervisor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AnsweredMark {
    /// Which leg of the call.
    pub attempt: u16,
    /// What was dialled.
    pub address: Endpoint,
    /// Billing begins.
    pub answered_at: Wall,
    /// Billing ended; absent: it was live.
    pub ended_at: Option<Wall>,
    /// The customer was transferred to it.
    pub transferred: bool,
    /// Which party.
    #[serde(default = "representative")]
    pub role: Role,
}

//! An account as operators are shown it, and the trail. Owns the descriptions of these answers, and how a version becomes an `ETag`; no secret is here
//! but one that was just made.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::form::Secrets;
use crate::clock::Wall;
use crate::io::http::calls::json;
use crate::io::http::problem::Problem;
use crate::io::store::{NumberedEntry, Versioned};
use crate::model::direct::Centre;
use crate::model::webhook::WebhookState;
use crate::model::{
    Actor, AuditAction, BusinessId, Contact, Destinations, FieldChange, Gates, Limits, QuietHours, Recording, Tariff,
    TariffName, Voice, account,
};

/// An account, without its secrets.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "a description: the account itself is written")]
pub struct Account {
    /// Its identifier.
    id: BusinessId,
    /// Its name, as it is spoken.
    name: String,
    /// False: its messages are refused.
    enabled: bool,
    /// Its bounds.
    limits: Limits,
    /// Where it may call.
    destinations: Destinations,
    /// When nobody is called; null: there are no such hours.
    #[schema(required = true)]
    quiet_hours: Option<QuietHours>,
    /// How long its calls are wanted, and how often they are tried.
    contact: Contact,
    /// What it pays, where it has none of the carrier's tariffs.
    tariff: Tariff,
    /// The carrier's tariff that it pays by; null: its own prices.
    #[schema(required = true)]
    tariff_name: Option<TariffName>,
    /// Verified numbers, the first is its default.
    caller_ids: Vec<String>,
    /// Whether its talks are recorded.
    recording: Recording,
    /// What its parties are asked before they talk.
    gates: Gates,
    /// How it is spoken for.
    voice: Voice,
    /// Addresses and networks that its requests may come from; none: everywhere.
    sources: Vec<String>,
    /// Client certificates of which its requests show one; none: it needs none.
    certificates: Vec<String>,
    /// Until when the former password holds; null: there is none.
    #[schema(required = true)]
    former_password_until: Option<Wall>,
    /// Where its events are told.
    #[schema(required = true)]
    webhook: Option<WebhookView>,
    /// How it takes direct call requests.
    direct: DirectView,
    /// Its representatives and how calls are distributed among them.
    #[schema(value_type = Object)]
    staffing: Value,
    /// Grows with each change.
    version: i64,
    /// Secrets that were made by this request: they are shown this once.
    #[schema(nullable = false)]
    secrets: Option<Secrets>,
}

/// Where events are told.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "a description")]
pub struct WebhookView {
    /// Its address.
    url: String,
    /// Whether it is told anything.
    state: WebhookState,
    /// Until when the former secret signs too.
    #[schema(required = true)]
    former_secret_until: Option<Wall>,
}

/// How direct call requests are taken.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "a description")]
pub struct DirectView {
    /// The Web origins of its pages; none: it takes no direct requests.
    allowed_origins: Vec<String>,
    /// Every request needs a page token.
    page_token_required: bool,
    /// The names of its page keys, the newest first.
    page_keys: Vec<String>,
    /// The longest life of a page token.
    page_token_seconds: u32,
    /// How many calls one page token may start.
    page_token_uses: u32,
    /// Leading zero bits that a browser has to find.
    work_bits: u8,
    /// Direct calls to one number an hour.
    max_per_number: u32,
    /// Direct calls from one source an hour.
    max_per_source: u32,
    /// Direct calls of the business an hour.
    max_per_hour: u32,
    /// Whom pages may name.
    #[schema(value_type = Vec<CentreView>)]
    centres: Vec<Centre>,
    /// Who is meant where nobody is named.
    #[schema(required = true)]
    default_centre: Option<String>,
}

/// A representative or a service centre that pages may name.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "a description")]
pub struct CentreView {
    /// Its identifier.
    id: String,
    /// Where it is reached, in hunt order.
    addresses: Vec<String>,
    /// What it knows.
    skills: Vec<String>,
}

/// A part of the accounts.
#[derive(Serialize, ToSchema)]
pub struct AccountPage {
    /// In the order of their identifiers.
    #[schema(value_type = Vec<Account>)]
    pub businesses: Vec<Value>,
    /// Hand it in as `cursor`; null after the last.
    #[schema(required = true)]
    pub next_cursor: Option<BusinessId>,
}

/// One entry of the trail.
#[derive(Serialize, ToSchema)]
pub struct AuditView {
    /// Its number; numbers grow and are never used again.
    number: i64,
    /// When.
    at: Wall,
    /// Who.
    actor: Actor,
    /// From which address; null: not over a network.
    #[schema(required = true)]
    source: Option<String>,
    /// Whose account; null: nobody's.
    #[schema(required = true)]
    business_id: Option<BusinessId>,
    /// What.
    action: AuditAction,
    /// Which fields; null in both places: a secret, or a field that had nothing and has nothing.
    changes: Vec<FieldChange>,
}

impl From<NumberedEntry> for AuditView {
    fn from(NumberedEntry { number, entry }: NumberedEntry) -> AuditView {
        AuditView {
            number,
            at: entry.at,
            actor: entry.actor,
            source: entry.source.map(|source| source.to_string()),
            business_id: entry.business_id,
            action: entry.action,
            changes: entry.changes,
        }
    }
}

/// A part of the trail.
#[derive(Serialize, ToSchema)]
pub struct AuditPage {
    /// The newest first.
    pub entries: Vec<AuditView>,
    /// Hand it in as `cursor`; null after the last.
    #[schema(required = true)]
    pub next_cursor: Option<i64>,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
pub struct OperatorView {
    /// Its name.
    pub name: String,
    /// `read` or `write`.
    #[schema(pattern = "^(read|write)$")]
    pub role: &'static str,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    /// To be shown as `Authorization: Bearer …`.
    pub token: String,
    /// It ends then, or with another password.
    pub expires_at: Wall,
}

/// The account as JSON.
pub fn shown(account: &Versioned, secrets: Option<&Secrets>, now: Wall) -> Value {
    let mut shown = account::shown(&account.business, now);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("version".to_owned(), Value::from(account.version));
        if let Some(secrets) = secrets.filter(|secrets| secrets.any()) {
            fields.insert("secrets".to_owned(), serde_json::json!(secrets));
        }
    }
    shown
}

/// The answer with an account, and its `ETag`.
pub fn answer(status: StatusCode, account: &Versioned, secrets: Option<&Secrets>, now: Wall) -> Response {
    let mut response = (status, json(&shown(account, secrets, now))).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", account.version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The version that `If-Match` wants; absent or `*`: whichever there is.
pub fn wanted(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    // Clients leave the quotes out; a number alone can mean nothing else.
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let version = bare.parse().ok();
    match (text, version, values.next()) {
        ("*", _, None) => Ok(None),
        (_, Some(version), None) => Ok(Some(version)),
        // A tag that we never gave is the tag of no version of ours.
        (text, None, None) if text.starts_with('"') && text.len() > 1 && text.ends_with('"') => Ok(Some(-1)),
        _ => Err(Problem::malformed("If-Match holds one ETag, as an answer had it, or *")),
    }
}

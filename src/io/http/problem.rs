//! Refusals as `application/problem+json` (RFC 9457). Owns the types, titles and statuses of every error this API gives;
//! refuses to carry anything secret: details are our own words.

use std::collections::BTreeMap;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::quota::{self, Left};
use crate::engine::api::{Refusal, TooMany};

/// A pair that is in a call is asked for again after so many seconds at the earliest.
const PAIR_RETRY: u32 = 10;
/// An operator has to mend a tariff that is not there.
const NO_TARIFF_RETRY: u32 = 300;

/// One field that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the message; for a query parameter, `/` and its name.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// An error answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Boxed, since hardly any has some.
    members: Option<Box<Members>>,
}

/// What a problem says, without its form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The HTTP status.
    pub status: StatusCode,
    /// What is wrong.
    pub detail: String,
    /// The fields that are wrong.
    pub pointers: Vec<String>,
    /// Headers of its own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Members of a problem's own (RFC 9457 §3.2).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
struct Members(BTreeMap<&'static str, serde_json::Value>);

/// An error as it is sent (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// A URN that names the kind.
    #[schema(example = "urn:callbridge:problem:malformed")]
    r#type: String,
    /// The kind in words.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What is wrong here.
    detail: &'a str,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(value_type = Vec<FieldError>, required = false)]
    errors: &'a [FieldError],
    /// Of a kind's own, such as the challenge of `work`.
    #[serde(flatten)]
    #[schema(ignore)]
    members: Option<&'a Members>,
}

/// What [`Problem::of`] makes a title and a type of.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("malformed", "Malformed request"),
        401 => ("unauthorized", "Business identifier or password is wrong"),
        403 => ("barred", "Not allowed"),
        404 => ("not-found", "Not found"),
        405 => ("method-not-allowed", "Method not allowed"),
        408 => ("timeout", "The request took too long"),
        409 => ("conflict", "Conflict"),
        412 => ("precondition-failed", "It was changed meanwhile"),
        413 => ("too-large", "The message is too large"),
        415 => ("unsupported-media-type", "Unsupported media type"),
        422 => ("unprocessable", "A field cannot be accepted"),
        429 => ("too-many", "Too many"),
        503 => ("unavailable", "Not available now"),
        _ => ("internal", "Internal error"),
    }
}

impl Problem {
    /// A problem of this status with its detail.
    pub fn of(status: StatusCode, detail: impl Into<String>) -> Problem {
        let (kind, title) = words(status);
        Problem { status, kind, title, detail: detail.into(), errors: Vec::new(), headers: Vec::new(), members: None }
    }

    /// A problem with a type and a title of its own.
    fn kind(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Problem {
        Problem { kind, title, ..Problem::of(status, detail) }
    }

    /// It is, or will be, quiet where the customer is.
    fn quiet(status: StatusCode, detail: String) -> Problem {
        Problem::kind(status, "quiet-hours", "Quiet hours where the customer is", detail)
    }

    /// Which bound it was, in the header fields and the member that the draft of the IETF has for it, and `Retry-After`.
    fn violates(self, left: Left) -> Problem {
        let value = quota::left([left]);
        let (name, seconds) = (left.policy, left.reset.max(1));
        self.with_member("violated-policies", vec![name]).with_header(quota::RATE_LIMIT, value).retry_after(seconds)
    }

    /// 400: not what the contract describes.
    pub fn malformed(detail: impl Into<String>) -> Problem {
        Problem::of(StatusCode::BAD_REQUEST, detail)
    }

    /// 401, the same for every reason.
    pub fn unauthorized() -> Problem {
        let challenge = HeaderValue::from_static("Basic realm=\"callbridge\", charset=\"UTF-8\"");
        Problem::of(StatusCode::UNAUTHORIZED, "give a registered business identifier and its password")
            .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 404 for a call.
    pub fn no_such_call() -> Problem {
        Problem::of(StatusCode::NOT_FOUND, "this business has no such call")
    }

    /// 503 with `Retry-After`.
    pub fn unavailable(retry_after: u32, detail: impl Into<String>) -> Problem {
        Problem::of(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(retry_after)
    }

    /// 503 with `Retry-After` where it is not known whether the message was taken: its `type` keeps it apart from the others, after which
    /// another equipment may be asked.
    pub fn late(retry_after: u32, detail: impl Into<String>) -> Problem {
        Problem { kind: "late", title: "No answer in time", ..Problem::unavailable(retry_after, detail) }
    }

    /// 500: a recording that cannot be decrypted.
    pub fn sealed(detail: impl Into<String>) -> Problem {
        let (kind, title) = ("recording-sealed", "The recording cannot be decrypted");
        Problem { kind, title, ..Problem::of(StatusCode::INTERNAL_SERVER_ERROR, detail) }
    }

    /// 403: a page token is missing, wrong, old or used; `type` says so, and a page may ask its business for another.
    pub fn page_token(detail: impl Into<String>) -> Problem {
        let (kind, title) = ("page-token", "A valid page token is needed");
        Problem { kind, title, ..Problem::of(StatusCode::FORBIDDEN, detail) }
    }

    /// 403: the work of a challenge is missing, wrong, old or used; `type` says so, and a page may ask for a challenge.
    pub fn work(detail: impl Into<String>) -> Problem {
        let (kind, title) = ("work", "The work of a challenge is needed");
        Problem { kind, title, ..Problem::of(StatusCode::FORBIDDEN, detail) }
    }

    /// 403: the account's requests come from other addresses.
    pub fn source_address() -> Problem {
        let (kind, title) = ("source_address", "Not from this address");
        let detail = "this account's requests may not come from this address: ask the carrier to add it";
        Problem { kind, title, ..Problem::of(StatusCode::FORBIDDEN, detail) }
    }

    /// 403: the account's requests show a certificate, and this one does not show the right one.
    pub fn client_certificate() -> Problem {
        let (kind, title) = ("client_certificate", "A client certificate is needed");
        let detail = "this account's requests show a client certificate that the account names";
        Problem { kind, title, ..Problem::of(StatusCode::FORBIDDEN, detail) }
    }

    /// 429: too many wrong passwords came from there.
    pub fn guessing(retry_after: u32) -> Problem {
        let (kind, title) = ("guessing", "Too many wrong passwords");
        let detail = "too many wrong passwords came from this address: wait, then give the right one";
        Problem { kind, title, ..Problem::of(StatusCode::TOO_MANY_REQUESTS, detail) }.retry_after(retry_after)
    }

    /// 401 for who follows a call, the same for every reason.
    pub fn no_follower() -> Problem {
        let challenge = HeaderValue::from_static("Bearer realm=\"callbridge\"");
        let title = "The token of this call is needed";
        Problem { title, ..Problem::of(StatusCode::UNAUTHORIZED, "give the token that came with this call") }
            .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 401 for who speaks for a representative without being one, the same for every reason.
    pub fn no_desk() -> Problem {
        let challenge = HeaderValue::from_static("Bearer realm=\"callbridge\", error=\"invalid_token\"");
        let title = "The token of this representative is needed";
        let detail = "give a token of this representative that has neither expired nor been taken back";
        Problem { title, ..Problem::of(StatusCode::UNAUTHORIZED, detail) }
            .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// Of a kind of its own.
    pub(super) fn titled(mut self, kind: &'static str, title: &'static str) -> Problem {
        (self.kind, self.title) = (kind, title);
        self
    }

    /// 401 for who has no access token that holds, the same for every reason (RFC 6750).
    pub fn no_token() -> Problem {
        let challenge = HeaderValue::from_static("Bearer realm=\"callbridge\", error=\"invalid_token\"");
        let title = "An access token is needed";
        Problem {
            title,
            ..Problem::of(StatusCode::UNAUTHORIZED, "give an access token of /oauth2/token that has not expired")
        }
        .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 403: the access token does not allow this (RFC 6750).
    pub fn scope(scope: &'static str) -> Problem {
        let problem = Problem::of(StatusCode::FORBIDDEN, format!("the access token lacks the scope {scope}"));
        match HeaderValue::from_str(&format!(
            "Bearer realm=\"callbridge\", error=\"insufficient_scope\", scope=\"{scope}\""
        )) {
            Ok(challenge) => problem.with_header(header::WWW_AUTHENTICATE, challenge),
            Err(_) => problem,
        }
    }

    /// The wrong fields.
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Problem {
        self.errors = errors;
        self
    }

    /// One wrong field.
    pub fn at(self, pointer: impl Into<String>) -> Problem {
        let errors = vec![FieldError { pointer: pointer.into(), detail: self.detail.clone() }];
        self.with_errors(errors)
    }

    /// Another header.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.headers.push((name, value));
        self
    }

    /// A member of its own (RFC 9457 §3.2).
    pub fn with_member(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Problem {
        self.members.get_or_insert_default().0.insert(name, value.into());
        self
    }

    /// `Retry-After` in seconds, at least one.
    pub fn retry_after(self, seconds: u32) -> Problem {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// The status it will answer with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says, for an interface whose errors have another form.
    pub fn told(self) -> Told {
        let pointers = self.errors.into_iter().map(|error| error.pointer).collect();
        Told { status: self.status, detail: self.detail, pointers, headers: self.headers }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let detail = refusal.to_string();
        match refusal {
            Refusal::UnknownBusiness => Problem::unauthorized(),
            Refusal::Disabled => Problem::of(StatusCode::FORBIDDEN, detail),
            Refusal::DestinationBarred { pointer } => {
                Problem::of(StatusCode::FORBIDDEN, "no switch serves this destination").at(pointer)
            }
            Refusal::DestinationDenied { pointer, why } => {
                Problem::kind(StatusCode::FORBIDDEN, "destination", "The account does not call there", why.to_string())
                    .at(pointer)
            }
            Refusal::NoRate { pointer } => {
                let detail = "the account's tariff has no price for this destination";
                Problem::kind(StatusCode::FORBIDDEN, "no-rate", "There is no price for this destination", detail)
                    .at(pointer)
            }
            Refusal::NoTariff => Problem::unavailable(NO_TARIFF_RETRY, detail),
            Refusal::QuietNow { retry_after } => Problem::quiet(StatusCode::FORBIDDEN, detail).retry_after(retry_after),
            Refusal::QuietThen => Problem::quiet(StatusCode::UNPROCESSABLE_ENTITY, detail).at("/desired_contact_time"),
            Refusal::PairInCall { too_many: false } => {
                Problem::kind(StatusCode::CONFLICT, "duplicate", "These two are in a call already", detail)
            }
            Refusal::PairInCall { too_many: true } => {
                Problem::kind(StatusCode::TOO_MANY_REQUESTS, "duplicate", "These two are in a call already", detail)
                    .retry_after(PAIR_RETRY)
            }
            Refusal::Limit { limit, quota, retry_after } => {
                let left = Left { policy: limit.as_str(), remaining: 0, reset: retry_after };
                Problem::kind(StatusCode::TOO_MANY_REQUESTS, "limit", "A limit of the account is reached", detail)
                    .with_member("limit", limit.as_str())
                    .with_member("quota", quota)
                    .violates(left)
            }
            Refusal::RecordingBarred => Problem::of(StatusCode::FORBIDDEN, detail).at("/record"),
            Refusal::RetryBarred { pointer } => Problem::of(StatusCode::FORBIDDEN, detail).at(pointer),
            Refusal::CallerIdBarred => Problem::of(StatusCode::FORBIDDEN, detail).at("/caller_id"),
            Refusal::HeaderBarred { pointer } => {
                Problem::of(StatusCode::UNPROCESSABLE_ENTITY, "no switch takes this header field").at(pointer)
            }
            Refusal::NoRepresentative => Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail).at("/representative"),
            Refusal::NoMoment { pointer, .. } => Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail).at(pointer),
            Refusal::TooFar => Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail).at("/desired_contact_time"),
            Refusal::RateExceeded { retry_after } => too_many_of(quota::RATE, retry_after, detail),
            Refusal::ConcurrencyExceeded { retry_after } => too_many_of(quota::CONCURRENT, retry_after, detail),
            Refusal::ScheduledExceeded { retry_after } => too_many_of(quota::SCHEDULED, retry_after, detail),
            Refusal::NotOpen => Problem::of(StatusCode::FORBIDDEN, detail),
            Refusal::UnknownRepresentative => {
                Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail).at("/representative_information")
            }
            Refusal::Duplicate => Problem::of(StatusCode::CONFLICT, detail),
            Refusal::TooMany(why) => too_many(why, detail),
            Refusal::KeyReused => Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail),
            Refusal::TakenBefore => Problem::of(StatusCode::CONFLICT, detail),
            Refusal::KeyInFlight => Problem::of(StatusCode::CONFLICT, detail).retry_after(1),
            Refusal::MediaFull { retry_after } | Refusal::Unavailable { retry_after, .. } => {
                Problem::unavailable(retry_after, detail)
            }
        }
    }
}

/// 429 of a bound that has a name.
fn too_many_of(policy: &'static str, reset: u32, detail: String) -> Problem {
    Problem::of(StatusCode::TOO_MANY_REQUESTS, detail).violates(Left { policy, remaining: 0, reset })
}

fn too_many(why: TooMany, detail: String) -> Problem {
    match why {
        TooMany::Number { retry_after } => too_many_of(quota::NUMBER, retry_after, detail),
        TooMany::Source { retry_after } => too_many_of(quota::SOURCE, retry_after, detail),
        TooMany::Business { retry_after } => {
            Problem::of(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(retry_after)
        }
        TooMany::Full { retry_after } => Problem::unavailable(retry_after, detail),
        TooMany::PageTokenUsed | TooMany::WorkUsed => Problem::of(StatusCode::FORBIDDEN, detail),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemDocument {
            r#type: format!("urn:callbridge:problem:{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
            members: self.members.as_deref(),
        };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], json).into_response();
        response.headers_mut().extend(self.headers.iter().cloned());
        // For who says it in another form (`click_to_dial`).
        response.extensions_mut().insert(self);
        response
    }
}

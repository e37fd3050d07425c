//! `/v1/call-requests`: the direct call request (Fig. 9) of a customer's browser, and what whoever asked may see and do afterwards.
//!
//! Owns the order of the questions: form, origin, page, page token, work; then the engine counts and decides. Refuses to say which
//! business exists: unknown, closed, disabled and asked from a foreign page are one answer. What a customer sees of a call has no
//! number of anybody, no price and nothing of another call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::{App, json_content};
use super::calls::{Answer, call_id, current, ended, json, mismatch, unreadable};
use super::events::{self, Watcher};
use super::message::{RawMessage, RequestMessage};
use super::openapi::{FromBrowser, WithBody};
use super::problem::Problem;
use super::query;
use super::quota;
use super::request_form::RequestForm;
use super::source::Peer;
use super::token::bearer;
use crate::access::direct::{TooMany, mark, number_mark};
use crate::access::follow;
use crate::access::page_token;
use crate::clock::Wall;
use crate::engine::api::{Refusal, Reply};
use crate::model::direct::{RequestMarks, Ticket, WebOrigin};
use crate::model::{
    Business, BusinessId, CallId, CallState, CallView, ContactWindow, DirectRequest, LegState, LegView, Outcome,
    WaitView, WebPage,
};

type From = Option<Extension<Peer>>;

/// A customer's browser asks for a call: the direct call request (Fig. 9).
#[utoipa::path(post, operation_id = "askForCall", path = "/v1/call-requests", tag = "call requests", security(()), request_body = RequestForm,
    responses(
        (status = 202, description = "Durable: the customer is called at once, or when its time has come", body = Accepted<'static>,
            headers(("Location" = String, description = "The call, for who has its token"),
            ("RateLimit" = Option<String>, description = "What is left of the account's bounds: a list of strings with `r` and `t` (draft-ietf-httpapi-ratelimit-headers-10)"),
            ("RateLimit-Policy" = Option<String>, description = "The bounds: a list of strings with `q` and `w`"))),
        (status = 403, description = "Not from this page, or no switch serves the number", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        (status = 409, description = "A call to this number is under way, or waits for the same time", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        (status = 429, description = "Too many; see `Retry-After`", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>, headers(
            ("RateLimit" = Option<String>, description = "What is left of the account's bounds: a list of strings with `r` and `t` (draft-ietf-httpapi-ratelimit-headers-10)"),
            ("RateLimit-Policy" = Option<String>, description = "The bounds: a list of strings with `q` and `w`"))),
        FromBrowser, WithBody
    )
)]
pub async fn create(State(app): State<Arc<App>>, peer: From, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    query::none(&uri)?;
    json_content(&headers)?;
    let body = app.body(&headers, body).await?;
    let now = (app.clock)();
    let request = RawMessage::parse(&body)?.request(now)?;
    let account = account(&app, request.business.as_ref())?;
    let (page_token, work) = admit(&app, &account, &request, &headers, now)?;
    let marks = RequestMarks {
        number: number_mark(&request.customer),
        source: app.door.source_mark(peer.map(|Extension(peer)| peer), &headers, &account.id),
        business: mark("business", &[account.id.as_str().as_bytes()]),
        page_token,
        work,
    };
    let representative_information = request.representative_information.clone();
    let direct = DirectRequest { representative_information, marks };
    let message = request.into_message(account.id.clone(), direct);
    match app.answer(app.engine.initiate(message)).await? {
        Reply::Accepted(view, quotas) => {
            // While it waits, and for a time after.
            let waits = [view.desired_contact_time, view.expires_at].into_iter().flatten().max();
            let until = waits.map_or(now, |at| at.max(now)) + follow::LIFE;
            let token = app.door.follow_token(view.id, &account.id, until);
            let mut response = accepted(&view, &token, until);
            response.headers_mut().extend(quota::of(quota::direct_policies(&account.direct), quotas));
            Ok(response)
        }
        Reply::Refused(refusal) => {
            let counted = matches!(refusal, Refusal::TooMany(TooMany::Number { .. } | TooMany::Source { .. }));
            let problem = to_stranger(refusal);
            let policies = (quota::RATE_LIMIT_POLICY, quota::direct_policies(&account.direct));
            Err(if counted { problem.with_header(policies.0, policies.1) } else { problem })
        }
        _ => Err(mismatch()),
    }
}

/// The account that takes direct requests under this name.
fn account(app: &App, business: Option<&BusinessId>) -> Result<Arc<Business>, Problem> {
    let known = business.and_then(|id| app.directory.load().get(id).cloned());
    let open = known.filter(|business| business.enabled && business.direct.is_open());
    open.ok_or_else(|| rejected("not_open", not_open()))
}

/// What the request has to show before the engine is asked.
fn admit(
    app: &App,
    business: &Business,
    request: &RequestMessage,
    headers: &HeaderMap,
    now: Wall,
) -> Result<(Option<Ticket>, Option<Ticket>), Problem> {
    let account = &business.direct;
    let url = request.web_page.as_ref().map(|page| page.url.as_str());
    let origin = origin(headers)?;
    let judged = request.page_token.as_deref().map(|token| {
        let page = url.ok_or(page_token::PageTokenFault::Wrong)?;
        page_token::judge(token, account, &business.id, page, now)
    });
    match origin {
        Some(origin) if account.allows(origin) => {}
        // No browser: a Web server or a program that the business gave a token to.
        None if matches!(judged, Some(Ok(_))) => {}
        _ => return Err(rejected("origin", not_open())),
    }
    let of_theirs = |url: &str| WebOrigin::of_url(url).is_some_and(|page| account.allows(page.as_str()));
    if let Some(pointer) = request.web_page.as_ref().and_then(|page| foreign(page, of_theirs)) {
        let detail = "this page is none of this business's";
        return Err(rejected("web_page", Problem::of(StatusCode::FORBIDDEN, detail).at(pointer)));
    }
    let page_token = match judged {
        Some(Ok(ticket)) => Some(ticket),
        Some(Err(fault)) => return Err(rejected("page_token", Problem::page_token(fault.to_string()))),
        None if account.page_token_required => {
            return Err(rejected("page_token", Problem::page_token("a page token is needed")));
        }
        None => None,
    };
    let judged = match (&request.work, account.work_bits) {
        (None, 0) => return Ok((page_token, None)),
        (None, _) => Err("the work of a challenge is needed".to_owned()),
        (Some((challenge, nonce)), bits) => {
            let judged = app.door.judge_work(&business.id, bits, (challenge, nonce), now);
            judged.map_err(|fault| fault.to_string())
        }
    };
    match judged {
        Ok(work) => Ok((page_token, Some(work))),
        Err(fault) => Err(rejected("work", to_do(app, business, fault, now))),
    }
}

/// What is missing, with a challenge: whoever had none needs not ask for it.
fn to_do(app: &App, business: &Business, fault: String, now: Wall) -> Problem {
    let bits = business.direct.work_bits;
    match app.door.challenge(&business.id, bits, now) {
        Ok(challenge) => Problem::work(fault).with_member("challenge", challenge).with_member("bits", bits),
        Err(_) => mismatch(),
    }
}

/// The first of the pages that is not the business's own: a representative may open them all.
fn foreign(page: &WebPage, of_theirs: impl Fn(&str) -> bool) -> Option<String> {
    if !of_theirs(&page.url) {
        return Some("/web_page/url".to_owned());
    }
    let at = page.viewed.iter().position(|viewed| !of_theirs(&viewed.url))?;
    Some(format!("/web_page/viewed/{at}/url"))
}

/// The page that a browser says the request comes from.
fn origin(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(header::ORIGIN).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match value.to_str() {
        Ok(origin) if values.next().is_none() => Ok(Some(origin)),
        _ => Err(rejected("origin", not_open())),
    }
}

fn not_open() -> Problem {
    Problem::from(Refusal::NotOpen)
}

fn rejected(reason: &'static str, problem: Problem) -> Problem {
    metrics::counter!("callbridge_rejected_total", "reason" => reason).increment(1);
    problem
}

/// What a stranger is told of a refusal: what it can mend itself, and of the business's own affairs nothing.
fn to_stranger(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::DestinationBarred { pointer } if pointer == "/customer" => {
            Problem::from(Refusal::DestinationBarred { pointer })
        }
        Refusal::DestinationDenied { pointer, .. } if pointer == "/customer" => {
            Problem::from(Refusal::DestinationBarred { pointer })
        }
        Refusal::Limit { retry_after, .. } => {
            Problem::of(StatusCode::TOO_MANY_REQUESTS, "too many call requests for now").retry_after(retry_after)
        }
        Refusal::RateExceeded { retry_after }
        | Refusal::ConcurrencyExceeded { retry_after }
        | Refusal::ScheduledExceeded { retry_after } => {
            Problem::of(StatusCode::TOO_MANY_REQUESTS, refusal.to_string()).retry_after(retry_after)
        }
        Refusal::PairInCall { .. } => Problem::from(Refusal::Duplicate),
        Refusal::DestinationBarred { .. } | Refusal::DestinationDenied { .. } | Refusal::NoRepresentative => {
            Problem::unavailable(60, "nobody can be called for this business now")
        }
        Refusal::UnknownBusiness | Refusal::Disabled => not_open(),
        Refusal::TooMany(why @ TooMany::PageTokenUsed) => Problem::page_token(why.to_string()),
        Refusal::TooMany(why @ TooMany::WorkUsed) => Problem::work(why.to_string()),
        other => Problem::from(other),
    }
}

/// Work for a page whose business wants some: find a `nonce` for which SHA-256 of `CHALLENGE.NONCE` begins with `bits` zero bits.
#[utoipa::path(get, operation_id = "getChallenge", path = "/v1/call-requests/challenge", tag = "call requests", security(()),
    params(("business_id" = String, Query, description = "904"),
        ("Origin" = Option<String>, Header, description = "As browsers send it")),
    responses((status = 200, description = "The work", body = Challenge),
        (status = 403, description = "Not from this page", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>), FromBrowser))]
pub async fn challenge(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Answer {
    let business = query::business(&uri)?;
    let account = account(&app, business.parse().ok().as_ref())?;
    if !origin(&headers)?.is_some_and(|origin| account.direct.allows(origin)) {
        return Err(rejected("origin", not_open()));
    }
    let now = (app.clock)();
    let bits = account.direct.work_bits;
    let challenge = app.door.challenge(&account.id, bits, now).map_err(|_| mismatch())?;
    let expires_at = now + crate::access::work::LIFE;
    Ok(json(&Challenge { challenge, bits, expires_at }))
}

/// Work to be done before a call may be asked for.
#[derive(Serialize, ToSchema)]
pub struct Challenge {
    /// What the hash begins with, before a point and the nonce.
    challenge: String,
    /// So many bits of SHA-256 must be zero.
    bits: u8,
    /// Good until then.
    expires_at: Wall,
}

/// The call that was asked for, as far as a customer may see it.
#[utoipa::path(get, operation_id = "getRequestedCall", path = "/v1/call-requests/{id}", tag = "call requests", security(("follower" = [])), params(("id" = CallId, Path, description = "The call")),
    responses((status = 200, description = "The call", body = RequestView<'static>),
        (status = 401, description = "Not the token of this call", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>), (status = 404, description = "Nothing is kept of it", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>), FromBrowser))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    query::none(&uri)?;
    let (business, id) = follower(&app, &id, &headers, None)?;
    let view = current(&app, &business, id).await?.ok_or_else(forgotten)?;
    Ok(json(&RequestView::of(&view)))
}

/// Cancels or hangs up.
#[utoipa::path(delete, operation_id = "endRequestedCall", path = "/v1/call-requests/{id}", tag = "call requests", security(("follower" = [])), params(("id" = CallId, Path, description = "The call")),
    responses((status = 200, description = "The call", body = RequestView<'static>),
        (status = 401, description = "Not the token of this call", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>), (status = 404, description = "Nothing is kept of it", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        (status = 409, description = "It has ended already", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>), FromBrowser))]
pub async fn delete(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    query::none(&uri)?;
    let (business, id) = follower(&app, &id, &headers, None)?;
    match app.answer(app.engine.delete(business.clone(), id)).await? {
        Reply::Deleted(Some(view)) => Ok(json(&RequestView::of(&view))),
        Reply::AlreadyEnded => Err(ended()),
        Reply::Deleted(None) => match app.answer(app.store.find_call(business, id)).await?.map_err(unreadable)? {
            Some(_) => Err(ended()),
            None => Err(forgotten()),
        },
        Reply::Refused(refusal) => Err(to_stranger(refusal)),
        _ => Err(mismatch()),
    }
}

/// Its events as they happen (server-sent events). An `EventSource` sets no headers: the token may be in the query.
#[utoipa::path(get, operation_id = "followRequestedCall", path = "/v1/call-requests/{id}/events", tag = "call requests",
    security(("follower" = []), ()), params(("id" = CallId, Path, description = "The call"), ("token" = Option<String>, Query, description = "In place of `Authorization`"),
        ("Last-Event-ID" = Option<u32>, Header, description = "Only what happened after this event")),
    responses((status = 200, description = "The stream", content_type = "text/event-stream", body = String),
        (status = 204, description = "The end is known already: do not come again"),
        (status = 401, description = "Not the token of this call", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>), (status = 404, description = "Nothing is kept of it", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        (status = 429, description = "Too many streams; see `Retry-After`", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>), FromBrowser))]
pub async fn follow(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let token = query::token(&uri)?;
    let (business, id) = follower(&app, &id, &headers, token.as_deref())?;
    events::stream(app, business, id, &headers, Watcher::Customer).await
}

/// Who follows, by the token of this call. An unknown call and a wrong token are one answer.
fn follower(app: &App, id: &str, headers: &HeaderMap, query: Option<&str>) -> Result<(BusinessId, CallId), Problem> {
    let unauthorized = || rejected("unauthorized", Problem::no_follower());
    let id = call_id(id).map_err(|_| unauthorized())?;
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let header = match (values.next(), values.next()) {
        (None, _) => None,
        (Some(value), None) => Some(value.to_str().ok().and_then(bearer).ok_or_else(unauthorized)?),
        (Some(_), Some(_)) => return Err(unauthorized()),
    };
    let token = header.or(query).ok_or_else(unauthorized)?;
    let business = app.door.follower(id, token, (app.clock)()).ok_or_else(unauthorized)?;
    Ok((business, id))
}

/// Its token is right, but nothing is kept of the call.
fn forgotten() -> Problem {
    Problem::of(StatusCode::NOT_FOUND, "there is no such call")
}

fn accepted(view: &CallView, token: &str, until: Wall) -> Response {
    let path = format!("/v1/call-requests/{}", view.id);
    let call = RequestView::of(view);
    let mut response = json(&Accepted { call, token, token_expires_at: until });
    *response.status_mut() = StatusCode::ACCEPTED;
    if let Ok(location) = HeaderValue::from_str(&path) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A call that was asked for, with what follows it.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedRequest)]
pub struct Accepted<'a> {
    #[serde(flatten)]
    call: RequestView<'a>,
    /// The bearer token of this call.
    token: &'a str,
    /// Good until then.
    token_expires_at: Wall,
}

/// The call object as far as whoever asked for the call may see it.
#[derive(Serialize, ToSchema)]
#[schema(as = RequestedCall)]
pub struct RequestView<'a> {
    id: CallId,
    #[schema(value_type = BusinessId)]
    business_id: &'a BusinessId,
    state: CallState,
    outcome: Option<Outcome>,
    customer: PartyView,
    representative: Option<PartyView>,
    created_at: Wall,
    desired_contact_time: Option<Wall>,
    /// Between which moments the customer may be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_window: Option<ContactWindow>,
    /// A call that was not placed by then ends `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Wall>,
    /// When it is dialled again, while it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_at: Option<Wall>,
    bridged_at: Option<Wall>,
    ended_at: Option<Wall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<WaitView>,
}

/// A party without its number.
#[derive(Serialize, ToSchema)]
#[schema(as = Party)]
pub struct PartyView {
    state: LegState,
    ringing_at: Option<Wall>,
    answered_at: Option<Wall>,
    ended_at: Option<Wall>,
}

impl PartyView {
    fn of(leg: &LegView) -> PartyView {
        let LegView { state, ringing_at, answered_at, ended_at, .. } = *leg;
        PartyView { state, ringing_at, answered_at, ended_at }
    }
}

impl<'a> RequestView<'a> {
    /// Of a call object.
    pub(super) fn of(view: &'a CallView) -> RequestView<'a> {
        RequestView {
            id: view.id,
            business_id: &view.business_id,
            state: view.state,
            outcome: view.outcome,
            customer: PartyView::of(&view.customer),
            representative: view.representative.as_ref().map(PartyView::of),
            created_at: view.created_at,
            desired_contact_time: view.desired_contact_time,
            contact_window: view.contact_window,
            expires_at: view.expires_at,
            next_try_at: view.next_try_at,
            bridged_at: view.bridged_at,
            ended_at: view.ended_at,
            wait: view.wait,
        }
    }
}

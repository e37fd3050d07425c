//! `/v1/calls` and `/v1/cdrs`: the handlers. Each parses, learns who asks, asks the engine and the store, and answers; refuses
//! to decide anything about a call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::openapi::{Asking, InitiationForm, OfOneCall, WithBody};
use super::port::{CallFilter, StoreUnreadable};
use super::problem::Problem;
use super::sealed::{self, Opener};
use super::sender::Sender;
use super::{credentials, query, quota};
use crate::engine::api::{ListFilter, Refusal, Reply};
use crate::model::{BusinessId, CallId, CallRecord, CallState, CallView, Idempotency};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest `Idempotency-Key`.
pub const MAX_KEY_BYTES: usize = 255;

/// What a handler comes to.
pub(super) type Answer = Result<Response, Problem>;

/// Places a call: the customer service call initiation message (Fig. 8). Answered once the call is durable.
#[utoipa::path(
    post, operation_id = "placeCall", path = "/v1/calls", tag = "calls", request_body = InitiationForm, security(("business" = []), ()),
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", min_length = 1, max_length = 255,
        description = "The same key with the same message answers with the first call. Kept for a week")),
    responses(
        (status = 202, description = "Durable: the customer is called at once, or when its time has come", body = CallView, headers(
            ("Location" = String, description = "The call"),
            ("Idempotency-Replayed" = Option<String>, description = "`true`: this is the call of an earlier request"),
            ("RateLimit" = Option<String>, description = "What is left of the account's bounds: a list of strings with `r` and `t` (draft-ietf-httpapi-ratelimit-headers-10)"),
            ("RateLimit-Policy" = Option<String>, description = "The bounds: a list of strings with `q` and `w`")
        )),
        (status = 409, description = "A request with this `Idempotency-Key` is in progress; `duplicate`: the customer and a representative are in a call already",
            content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        (status = 429, description = "Too many messages a second, or calls at once; `limit`: a bound of the account; see `Retry-After`",
            content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>, headers(
            ("RateLimit" = Option<String>, description = "What is left of the account's bounds: a list of strings with `r` and `t` (draft-ietf-httpapi-ratelimit-headers-10)"),
            ("RateLimit-Policy" = Option<String>, description = "The bounds: a list of strings with `q` and `w`")
        )),
        Asking, WithBody
    )
)]
pub async fn create(State(app): State<Arc<App>>, uri: Uri, headers: Sender, body: Body) -> Answer {
    query::none(&uri)?;
    sealed::content(&app, &headers)?;
    let key = idempotency_key(&headers)?;
    let basic = credentials::basic(&headers)?;
    let body = app.body(&headers, body).await?;
    let mut opener = Opener::new(&app);
    let mut raw = opener.message(&headers, &body)?;
    let given = credentials::join(basic, std::mem::take(&mut raw.sender))?;
    let business = app.verified(&headers, given).await?;
    let idempotency = key.map(|key| Idempotency { key, body_hash: raw.body_hash() });
    let mut message = raw.judge(business.clone(), (app.clock)())?;
    message.idempotency.clone_from(&idempotency);
    message.once = opener.names();
    match app.answer(app.engine.initiate(message)).await? {
        Reply::Accepted(view, quotas) => {
            let mut response = accepted(&view);
            response.headers_mut().extend(quota::of(policies(&app, &business), quotas));
            Ok(response)
        }
        Reply::Replayed(id) => replayed(&app, &business, id).await,
        Reply::Refused(refusal) => match known(&app, &business, idempotency).await? {
            Some(id) => replayed(&app, &business, id).await,
            None => Err(refused(&app, &business, refusal)),
        },
        _ => Err(mismatch()),
    }
}

/// The call of an earlier request with this key: a repeated message is no call more, whatever stands against one more.
async fn known(app: &App, business: &BusinessId, idempotency: Option<Idempotency>) -> Result<Option<CallId>, Problem> {
    let Some(Idempotency { key, body_hash }) = idempotency else { return Ok(None) };
    match app.answer(app.store.key_of(business.clone(), key)).await?.map_err(unreadable)? {
        Some((id, hash)) if hash == body_hash => Ok(Some(id)),
        Some(_) => Err(Problem::from(Refusal::KeyReused)),
        None => Ok(None),
    }
}

async fn replayed(app: &App, business: &BusinessId, id: CallId) -> Answer {
    let view = current(app, business, id).await?;
    let view = view.ok_or_else(|| Problem::unavailable(1, "this call is just being stored"))?;
    let mut response = accepted(&view);
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn policies(app: &App, business: &BusinessId) -> HeaderValue {
    let limits = app.directory.load().get(business).map(|account| account.limits);
    quota::policies(&limits.unwrap_or_default())
}

/// With 429 go the bounds that there are.
fn refused(app: &App, business: &BusinessId, refusal: Refusal) -> Problem {
    let problem = Problem::from(refusal);
    match problem.status() {
        StatusCode::TOO_MANY_REQUESTS => problem.with_header(quota::RATE_LIMIT_POLICY, policies(app, business)),
        _ => problem,
    }
}

/// One call as it is now.
#[utoipa::path(get, operation_id = "getCall", path = "/v1/calls/{id}", tag = "calls", security(("business" = [])), params(("id" = CallId, Path, description = "The call")),
    responses((status = 200, description = "The call", body = CallView), Asking, OfOneCall))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: Sender) -> Answer {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    let id = call_id(&id)?;
    current(&app, &business, id).await?.map(|view| json(&view)).ok_or_else(Problem::no_such_call)
}

/// Cancels or hangs up. Answers with the call as it is now; it may take a moment until it is `ended`.
#[utoipa::path(delete, operation_id = "endCall", path = "/v1/calls/{id}", tag = "calls", security(("business" = [])), params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "The call", body = CallView),
        (status = 409, description = "It has ended already",
            content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        Asking, OfOneCall
    )
)]
pub async fn delete(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: Sender) -> Answer {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    let id = call_id(&id)?;
    match app.answer(app.engine.delete(business.clone(), id)).await? {
        Reply::Deleted(Some(view)) => Ok(json(&view)),
        Reply::AlreadyEnded => Err(ended()),
        Reply::Deleted(None) => match app.answer(app.store.find_call(business, id)).await?.map_err(unreadable)? {
            Some(_) => Err(ended()),
            None => Err(Problem::no_such_call()),
        },
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

/// A part of the calls.
#[derive(Serialize, ToSchema)]
pub struct CallPage<'a> {
    /// The newest first.
    #[schema(value_type = Vec<CallView>)]
    calls: &'a [CallView],
    /// Hand it in as `cursor`; null after the last.
    next_cursor: Option<CallId>,
}

/// The business's calls, the newest first: live ones and ended ones. A page may hold less than `limit`: go on while there is a `next_cursor`.
#[utoipa::path(get, operation_id = "listCalls", path = "/v1/calls", tag = "calls", security(("business" = [])),
    params(
        ("state" = Option<CallState>, Query, description = "Only calls in this state"),
        ("reference" = Option<String>, Query, description = "Only calls with this identifier of yours"),
        ("created_from" = Option<crate::clock::Wall>, Query, description = "Accepted at or after"),
        ("created_to" = Option<crate::clock::Wall>, Query, description = "Accepted before"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "At most so many [50]"),
        ("cursor" = Option<CallId>, Query, description = "`next_cursor` of the page before")
    ),
    responses((status = 200, description = "A page", body = CallPage<'static>), Asking))]
pub async fn list(State(app): State<Arc<App>>, uri: Uri, headers: Sender) -> Answer {
    let business = app.basic(&headers).await?;
    let filter = query::calls(&uri)?;
    // The engine first: a call that ends in between is then found twice, never missed.
    let wanted = ListFilter {
        state: filter.state,
        reference: filter.reference.clone(),
        from: filter.created_from,
        to: filter.created_to,
        before: filter.before,
        limit: filter.limit,
    };
    let (live, looked_to) = match app.answer(app.engine.list(business.clone(), wanted)).await? {
        Reply::Calls(calls, looked_to) => (calls, looked_to),
        Reply::Refused(refusal) => return Err(Problem::from(refusal)),
        _ => return Err(mismatch()),
    };
    let ended = match filter.state {
        None | Some(CallState::Ended) => {
            let one_more = CallFilter { limit: filter.limit + 1, ..filter.clone() };
            app.answer(app.store.ended_calls(business, one_more)).await?.map_err(unreadable)?
        }
        Some(_) => Vec::new(),
    };
    let mut calls = merge(live, ended, &filter);
    // Below it nobody has looked yet.
    calls.retain(|call| looked_to.is_none_or(|looked_to| call.id >= looked_to));
    let next_cursor = cut(&mut calls, filter.limit, |call| call.id).or(looked_to);
    Ok(json(&CallPage { calls: &calls, next_cursor }))
}

/// Newest first; where both know a call, the store's is the later state.
fn merge(live: Vec<CallView>, ended: Vec<CallView>, filter: &CallFilter) -> Vec<CallView> {
    let mut calls = ended;
    let known: std::collections::BTreeSet<CallId> = calls.iter().map(|call| call.id).collect();
    calls.extend(live.into_iter().filter(|call| filter.takes(call) && !known.contains(&call.id)));
    calls.sort_by_key(|call| std::cmp::Reverse(call.id));
    calls
}

/// Cuts a page of `limit` and says where the next begins, if there is one.
fn cut<T>(items: &mut Vec<T>, limit: usize, id: impl Fn(&T) -> CallId) -> Option<CallId> {
    let more = items.len() > limit;
    items.truncate(limit);
    items.last().map(id).filter(|_| more)
}

/// A part of the records.
#[derive(Serialize, ToSchema)]
pub struct RecordPage<'a> {
    /// The oldest first.
    #[schema(value_type = Vec<CallRecord>)]
    records: &'a [CallRecord],
    /// Hand it in as `cursor`; null after the last.
    next_cursor: Option<CallId>,
}

/// The business's own call detail records, the oldest first.
#[utoipa::path(get, operation_id = "listRecords", path = "/v1/cdrs", tag = "records", security(("business" = [])),
    params(
        ("from" = Option<crate::clock::Wall>, Query, description = "Of calls accepted at or after"),
        ("to" = Option<crate::clock::Wall>, Query, description = "Of calls accepted before"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "At most so many [50]"),
        ("cursor" = Option<CallId>, Query, description = "`next_cursor` of the page before")
    ),
    responses((status = 200, description = "A page", body = RecordPage<'static>), Asking))]
pub async fn records(State(app): State<Arc<App>>, uri: Uri, headers: Sender) -> Answer {
    let business = app.basic(&headers).await?;
    let mut filter = query::records(&uri)?;
    let limit = filter.limit;
    filter.limit += 1;
    let mut records = app.answer(app.store.records(business, filter)).await?.map_err(unreadable)?;
    let next_cursor = cut(&mut records, limit, |record| record.call_id);
    Ok(json(&RecordPage { records: &records, next_cursor }))
}

/// The call as it is now: of the engine while it lives, else of the store, else of the engine again, because between the two
/// questions it may have been on its way.
pub(super) async fn current(app: &App, business: &BusinessId, id: CallId) -> Result<Option<CallView>, Problem> {
    match app.answer(app.engine.get(business.clone(), id)).await? {
        Reply::Call(Some(view)) => Ok(Some(*view)),
        Reply::Call(None) => app.answer(app.store.find_call(business.clone(), id)).await?.map_err(unreadable),
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

/// An identifier of a wrong form names no call: 404 as for any other.
pub(super) fn call_id(text: &str) -> Result<CallId, Problem> {
    text.parse().map_err(|_| Problem::no_such_call())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if visible && (1..=MAX_KEY_BYTES).contains(&key.len()) && values.next().is_none() => {
            Ok(Some(key.to_owned()))
        }
        _ => Err(Problem::malformed("Idempotency-Key must be given once, 1 to 255 visible ASCII characters")),
    }
}

fn accepted(view: &CallView) -> Response {
    let mut response = json(view);
    *response.status_mut() = StatusCode::ACCEPTED;
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/calls/{}", view.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

pub(super) fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(_) => mismatch().into_response(),
    }
}

pub(super) fn unreadable(error: StoreUnreadable) -> Problem {
    tracing::warn!(%error, "a request could not read the store");
    Problem::from(Refusal::Unavailable { retry_after: 2, why: "the store cannot be read" })
}

/// 409: nothing can be done to it any more.
pub(super) fn ended() -> Problem {
    Problem::of(StatusCode::CONFLICT, "this call has already ended")
}

/// The engine answered another question than the one asked: a fault of ours.
pub(super) fn mismatch() -> Problem {
    Problem::of(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the equipment")
}

//! `/v1/representatives`: how a business's representatives stand, their log-on with a lease, the call that comes with its page and its note,
//! and the token with which their own browser says and asks all that of one of them. Owns these messages' form and who may send them;
//! refuses to decide who gets a call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::{App, json_content};
use super::calls::{Answer, json, mismatch};
use super::message::RawMessage;
use super::openapi::{Asking, DeskTokenForm, OfOneDesk, SessionForm, WithBody};
use super::problem::Problem;
use super::sender::Sender;
use super::token::bearer;
use super::{credentials, query};
use crate::access::desk;
use crate::clock::Wall;
use crate::engine::api::{DeskView, Reply, StaffWish};
use crate::model::{BusinessId, CallView, QueueView, RepresentativeId, RepresentativeView};

/// The word of who talks.
const BUSY: &str = "busy";

/// A business's representatives, and who waits for them.
#[derive(Serialize, ToSchema)]
#[schema(as = Representatives)]
pub struct RepresentativesView {
    /// Who waits.
    queue: QueueView,
    /// In the account's order.
    representatives: Vec<RepresentativeView>,
}

/// A representative's own token.
#[derive(Serialize, ToSchema)]
#[schema(as = RepresentativeToken)]
pub struct TokenView {
    /// Whose.
    representative: RepresentativeId,
    /// To be shown as `Authorization: Bearer`.
    token: String,
    /// From then on it is worth nothing.
    expires_at: Wall,
}

/// How the representatives stand, and who waits for them.
#[utoipa::path(get, operation_id = "listRepresentatives", path = "/v1/representatives", tag = "representatives", security(("business" = [])),
    responses((status = 200, description = "All of the account, in its order", body = RepresentativesView), Asking)
)]
pub async fn list(State(app): State<Arc<App>>, uri: Uri, headers: Sender) -> Answer {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    match app.answer(app.engine.staff(business, StaffWish::List)).await? {
        Reply::Desk(desk) => {
            let DeskView { queue, representatives, .. } = *desk;
            Ok(json(&RepresentativesView { queue, representatives }).into_response())
        }
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

/// How one representative stands.
#[utoipa::path(get, operation_id = "getRepresentative", path = "/v1/representatives/{id}", tag = "representatives",
    security(("business" = []), ("representative" = [])), params(("id" = RepresentativeId, Path, description = "The representative")),
    responses((status = 200, description = "As they are now", body = RepresentativeView), Asking, OfOneDesk)
)]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: Sender) -> Answer {
    let (_, view) = one(&app, &id, &uri, &headers).await?;
    Ok(json(&view).into_response())
}

/// The call that this representative rings for, talks in or is kept for: whose it is, which page the customer was on and had viewed
/// before, the note.
#[utoipa::path(get, operation_id = "getRepresentativeCall", path = "/v1/representatives/{id}/call", tag = "representatives",
    security(("business" = []), ("representative" = [])), params(("id" = RepresentativeId, Path, description = "The representative")),
    responses(
        (status = 200, description = "The call", body = CallView),
        (status = 204, description = "There is none now"),
        Asking, OfOneDesk
    )
)]
pub async fn call(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: Sender) -> Answer {
    let (business, view) = one(&app, &id, &uri, &headers).await?;
    let Some(call) = view.call else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    match app.answer(app.engine.get(business, call)).await? {
        Reply::Call(Some(view)) => Ok(json(&*view).into_response()),
        // It has ended meanwhile.
        Reply::Call(None) => Ok(StatusCode::NO_CONTENT.into_response()),
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

/// Hangs up the talk of this representative; a call that only rings is left to ring.
#[utoipa::path(delete, operation_id = "endRepresentativeCall", path = "/v1/representatives/{id}/call", tag = "representatives",
    security(("business" = []), ("representative" = [])), params(("id" = RepresentativeId, Path, description = "The representative")),
    responses(
        (status = 200, description = "The call as it is now", body = CallView),
        (status = 409, description = "They do not talk", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        Asking, OfOneDesk
    )
)]
pub async fn hang_up(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: Sender) -> Answer {
    let (business, view) = one(&app, &id, &uri, &headers).await?;
    let silent = || Problem::of(StatusCode::CONFLICT, "this representative does not talk");
    let call = view.call.filter(|_| view.state == BUSY).ok_or_else(silent)?;
    match app.answer(app.engine.delete(business, call)).await? {
        Reply::Deleted(Some(view)) => Ok(json(&*view).into_response()),
        Reply::Deleted(None) | Reply::AlreadyEnded => Err(silent()),
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

/// A representative logs on, rests, comes back or logs off; the same again renews the lease. A talk is never touched by it.
#[utoipa::path(put, operation_id = "setSession", path = "/v1/representatives/{id}/session", tag = "representatives",
    security(("business" = []), ("representative" = []), ()),
    params(("id" = RepresentativeId, Path, description = "The representative")), request_body = SessionForm,
    responses(
        (status = 200, description = "Durable: the representative as they are now", body = RepresentativeView),
        Asking, OfOneDesk, WithBody
    )
)]
pub async fn session(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: Sender,
    body: Body,
) -> Answer {
    query::none(&uri)?;
    json_content(&headers)?;
    let token = Shown::read(&app, &headers)?;
    let basic = if token.is_some() { None } else { credentials::basic(&headers)? };
    let body = app.body(&headers, body).await?;
    let mut raw = RawMessage::parse(&body)?;
    let sender = std::mem::take(&mut raw.sender);
    let (business, shown) = match token {
        // One speaks for oneself, or the business does; never both.
        Some(_) if sender.business.is_some() || sender.password.is_some() => return Err(Problem::no_desk()),
        Some(token) => token.of(&id)?,
        None => (app.enabled(app.verified(&headers, credentials::join(basic, sender)?).await?)?, None),
    };
    let message = raw.session()?;
    let representative: RepresentativeId = id.parse().map_err(|_| nobody())?;
    let wish = StaffWish::Session { representative, wish: message.wish, lease: message.lease, shown };
    let view = ask(&app, business, wish).await?.pop().ok_or_else(nobody)?;
    Ok(json(&view).into_response())
}

/// A token for this representative's own browser. With it they log on, rest and see their call, and can do nothing else.
#[utoipa::path(post, operation_id = "createRepresentativeToken", path = "/v1/representatives/{id}/token", tag = "representatives",
    security(("business" = []), ()), params(("id" = RepresentativeId, Path, description = "The representative")), request_body = DeskTokenForm,
    responses((status = 200, description = "The token", body = TokenView), Asking, OfOneDesk, WithBody)
)]
pub async fn token(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: Sender,
    body: Body,
) -> Answer {
    query::none(&uri)?;
    json_content(&headers)?;
    let basic = credentials::basic(&headers)?;
    let body = app.body(&headers, body).await?;
    let mut raw = RawMessage::parse(&body)?;
    let given = credentials::join(basic, std::mem::take(&mut raw.sender))?;
    // Before the password is judged: were it changed meanwhile, the token would be one for the old one, and worth nothing.
    let accounts = app.directory.load_full();
    let business = app.enabled(app.verified(&headers, given).await?)?;
    let life = raw.desk_token()?;
    let account = accounts.get(&business).ok_or_else(Problem::unauthorized)?;
    let representative: RepresentativeId = id.parse().map_err(|_| nobody())?;
    let wish = StaffWish::Token { representative: representative.clone() };
    let since = match app.answer(app.engine.staff(business.clone(), wish)).await? {
        Reply::TokenSince(since) => since,
        Reply::Representatives(_) => return Err(nobody()),
        Reply::Refused(refusal) => return Err(Problem::from(refusal)),
        _ => return Err(mismatch()),
    };
    let expires_at = since + life;
    let key = app.tokens.key();
    let token = desk::make(key, &business, &representative, &account.password_hash, [since, expires_at]);
    Ok(json(&TokenView { representative, token, expires_at }).into_response())
}

/// Takes back every token that this representative has. A talk goes on; whoever is logged on stays so until the lease ends.
#[utoipa::path(delete, operation_id = "revokeRepresentativeTokens", path = "/v1/representatives/{id}/token", tag = "representatives",
    security(("business" = [])), params(("id" = RepresentativeId, Path, description = "The representative")),
    responses((status = 200, description = "Durable: tokens given before this are worthless", body = RepresentativeView), Asking, OfOneDesk)
)]
pub async fn revoke(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri, headers: Sender) -> Answer {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    let representative: RepresentativeId = id.parse().map_err(|_| nobody())?;
    let view = ask(&app, business, StaffWish::Revoke { representative }).await?.pop().ok_or_else(nobody)?;
    Ok(json(&view).into_response())
}

/// Whoever may ask about this representative, and how they stand.
async fn one(app: &App, id: &str, uri: &Uri, headers: &Sender) -> Result<(BusinessId, RepresentativeView), Problem> {
    let (business, shown) = match Shown::read(app, headers)? {
        Some(token) => token.of(id)?,
        None => (app.basic(headers).await?, None),
    };
    query::none(uri)?;
    let representative: RepresentativeId = id.parse().map_err(|_| nobody())?;
    let wish = StaffWish::One { representative, shown };
    let view = ask(app, business.clone(), wish).await?.pop().ok_or_else(nobody)?;
    Ok((business, view))
}

/// A representative's token that was shown and is ours. Whether it was taken back the engine says. It may come from anywhere, unlike the
/// business's password: who works from home has no address of the business's.
struct Shown {
    business: BusinessId,
    representative: RepresentativeId,
    since: Wall,
}

impl Shown {
    /// `None`: no token is shown. An account that is disabled has none.
    fn read(app: &App, headers: &Sender) -> Result<Option<Shown>, Problem> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(token) = values.next().and_then(|value| value.to_str().ok()).and_then(bearer) else {
            return Ok(None);
        };
        let claim = desk::Claim::read(token).filter(|_| values.next().is_none()).ok_or_else(Problem::no_desk)?;
        let account = app.directory.load().get(&claim.business).cloned().filter(|account| account.enabled);
        let since = account.and_then(|account| claim.judge(app.tokens.key(), &account.password_hash, (app.clock)()));
        let since = since.ok_or_else(Problem::no_desk)?;
        Ok(Some(Shown { business: claim.business, representative: claim.representative, since }))
    }

    /// Whose account it speaks for and since when, if it is this representative's.
    fn of(self, id: &str) -> Result<(BusinessId, Option<Wall>), Problem> {
        if self.representative.as_str() != id {
            return Err(Problem::no_desk());
        }
        Ok((self.business, Some(self.since)))
    }
}

async fn ask(app: &App, business: BusinessId, wish: StaffWish) -> Result<Vec<RepresentativeView>, Problem> {
    match app.answer(app.engine.staff(business, wish)).await? {
        Reply::Representatives(views) => Ok(views),
        Reply::TokenRevoked => Err(Problem::no_desk()),
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

fn nobody() -> Problem {
    Problem::of(StatusCode::NOT_FOUND, "there is no such representative")
}

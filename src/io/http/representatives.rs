//! `/v1/representatives`: how a business's representatives stand, and their log-on with a lease. Owns these messages' form; refuses to
//! decide who gets a call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::{App, json_content};
use super::calls::{Answer, json, mismatch};
use super::message::RawMessage;
use super::openapi::{Asking, SessionForm, WithBody};
use super::problem::Problem;
use super::sender::Sender;
use super::{credentials, query};
use crate::engine::api::{Reply, StaffWish};
use crate::model::{BusinessId, RepresentativeId, RepresentativeView};

/// A business's representatives.
#[derive(Serialize, ToSchema)]
#[schema(as = Representatives)]
pub struct RepresentativesView {
    /// In the account's order.
    representatives: Vec<RepresentativeView>,
}

/// How the representatives stand.
#[utoipa::path(get, operation_id = "listRepresentatives", path = "/v1/representatives", tag = "representatives", security(("business" = [])),
    responses((status = 200, description = "All of the account, in its order", body = RepresentativesView), Asking)
)]
pub async fn list(State(app): State<Arc<App>>, uri: Uri, headers: Sender) -> Answer {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    let representatives = ask(&app, business, StaffWish::List).await?;
    Ok(json(&RepresentativesView { representatives }).into_response())
}

/// A representative logs on, rests, comes back or logs off; the same again renews the lease. A talk is never touched by it.
#[utoipa::path(put, operation_id = "setSession", path = "/v1/representatives/{id}/session", tag = "representatives", security(("business" = []), ()),
    params(("id" = RepresentativeId, Path, description = "The representative")), request_body = SessionForm,
    responses(
        (status = 200, description = "Durable: the representative as they are now", body = RepresentativeView),
        (status = 404, description = "The account has no such representative", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        Asking, WithBody
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
    let basic = credentials::basic(&headers)?;
    let body = app.body(&headers, body).await?;
    let mut raw = RawMessage::parse(&body)?;
    let given = credentials::join(basic, std::mem::take(&mut raw.sender))?;
    let business = app.enabled(app.verified(&headers, given).await?)?;
    let message = raw.session()?;
    let representative: RepresentativeId = id.parse().map_err(|_| nobody())?;
    let wish = StaffWish::Session { representative, wish: message.wish, lease: message.lease };
    let view = ask(&app, business, wish).await?.pop().ok_or_else(nobody)?;
    Ok(json(&view).into_response())
}

async fn ask(app: &App, business: BusinessId, wish: StaffWish) -> Result<Vec<RepresentativeView>, Problem> {
    match app.answer(app.engine.staff(business, wish)).await? {
        Reply::Representatives(views) => Ok(views),
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

fn nobody() -> Problem {
    Problem::of(StatusCode::NOT_FOUND, "there is no such representative")
}

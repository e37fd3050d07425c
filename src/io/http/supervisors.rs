//! `/v1/calls/{id}/supervisors`: a third party at a talk is dialled, changes its mode, is sent away. Owns these messages' form and the
//! statuses of what comes back; refuses to decide who may.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::IntoResponse;

use super::app::{App, json_content};
use super::calls::{Answer, call_id, ended, json, mismatch, unreadable};
use super::message::{RawMessage, SupervisorMessage};
use super::openapi::{Asking, ModeForm, OfOneCall, SupervisorForm, WithBody};
use super::problem::Problem;
use super::sender::Sender;
use super::{credentials, query};
use crate::engine::api::{Reply, SupervisorRefusal, SupervisorWish};
use crate::model::{BusinessId, CallId, SupervisorView};

/// A supervisor's phone begins to ring; answered, it takes part in the talk.
#[utoipa::path(post, operation_id = "inviteSupervisor", path = "/v1/calls/{id}/supervisors", tag = "supervisors", security(("business" = []), ()), params(("id" = CallId, Path, description = "The call")),
    request_body = SupervisorForm,
    responses(
        (status = 202, description = "It rings", body = SupervisorView, headers(("Location" = String, description = "The supervisor"))),
        (status = 409, description = "Nobody talks, or somebody supervises already", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        Asking, OfOneCall, WithBody
    )
)]
pub async fn invite(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: Sender,
    body: Body,
) -> Answer {
    let (business, message) = asked(&app, &uri, &headers, body).await?;
    let SupervisorMessage { address, mode } = message.invitation()?;
    let id = call_id(&id)?;
    let view = wish(&app, business, id, SupervisorWish::Invite { address, mode }).await?;
    let mut response = (StatusCode::ACCEPTED, json(&view)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/calls/{id}/supervisors/{}", view.leg)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Another mode, at once.
#[utoipa::path(put, operation_id = "changeSupervisor", path = "/v1/calls/{id}/supervisors/{leg}", tag = "supervisors", security(("business" = []), ()),
    params(("id" = CallId, Path, description = "The call"), ("leg" = u16, Path, description = "Its `leg` in `supervisors`")), request_body = ModeForm,
    responses(
        (status = 200, description = "The supervisor", body = SupervisorView),
        (status = 409, description = "It is over", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        Asking, OfOneCall, WithBody
    )
)]
pub async fn change(
    State(app): State<Arc<App>>,
    Path((id, leg)): Path<(String, String)>,
    uri: Uri,
    headers: Sender,
    body: Body,
) -> Answer {
    let (business, message) = asked(&app, &uri, &headers, body).await?;
    let mode = message.change()?;
    let wished = SupervisorWish::Change { leg: leg_of(&leg)?, mode };
    Ok(json(&wish(&app, business, call_id(&id)?, wished).await?))
}

/// Another mode, at once: the same as PUT.
#[utoipa::path(patch, operation_id = "patchSupervisor", path = "/v1/calls/{id}/supervisors/{leg}", tag = "supervisors", security(("business" = []), ()),
    params(("id" = CallId, Path, description = "The call"), ("leg" = u16, Path, description = "Its `leg` in `supervisors`")), request_body = ModeForm,
    responses(
        (status = 200, description = "The supervisor", body = SupervisorView),
        (status = 409, description = "It is over", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        Asking, OfOneCall, WithBody
    )
)]
pub async fn patch(
    state: State<Arc<App>>,
    path: Path<(String, String)>,
    uri: Uri,
    headers: Sender,
    body: Body,
) -> Answer {
    change(state, path, uri, headers, body).await
}

/// It is hung up; the talk goes on.
#[utoipa::path(delete, operation_id = "dismissSupervisor", path = "/v1/calls/{id}/supervisors/{leg}", tag = "supervisors", security(("business" = [])), params(("id" = CallId, Path, description = "The call"), ("leg" = u16, Path, description = "Its `leg` in `supervisors`")),
    responses(
        (status = 200, description = "The supervisor as it was", body = SupervisorView),
        (status = 409, description = "It is over", content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        Asking, OfOneCall
    )
)]
pub async fn dismiss(
    State(app): State<Arc<App>>,
    Path((id, leg)): Path<(String, String)>,
    uri: Uri,
    headers: Sender,
) -> Answer {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    let wished = SupervisorWish::Dismiss { leg: leg_of(&leg)? };
    Ok(json(&wish(&app, business, call_id(&id)?, wished).await?))
}

/// Who asks, verified, and what the body says.
async fn asked(app: &App, uri: &Uri, headers: &Sender, body: Body) -> Result<(BusinessId, RawMessage), Problem> {
    query::none(uri)?;
    json_content(headers)?;
    let basic = credentials::basic(headers)?;
    let body = app.body(headers, body).await?;
    let mut raw = RawMessage::parse(&body)?;
    let given = credentials::join(basic, std::mem::take(&mut raw.sender))?;
    Ok((app.enabled(app.verified(headers, given).await?)?, raw))
}

async fn wish(app: &App, business: BusinessId, id: CallId, wish: SupervisorWish) -> Result<SupervisorView, Problem> {
    match app.answer(app.engine.supervise(business.clone(), id, wish)).await? {
        Reply::Supervised(Some(view)) => Ok(*view),
        Reply::Supervised(None) => match app.answer(app.store.find_call(business, id)).await?.map_err(unreadable)? {
            Some(_) => Err(ended()),
            None => Err(Problem::no_such_call()),
        },
        Reply::AlreadyEnded => Err(ended()),
        Reply::NotSupervised(why) => {
            let status = match why {
                SupervisorRefusal::NoSuchLeg => StatusCode::NOT_FOUND,
                SupervisorRefusal::NotBridged
                | SupervisorRefusal::Present
                | SupervisorRefusal::TooMany
                | SupervisorRefusal::Over => StatusCode::CONFLICT,
            };
            Err(Problem::of(status, why.to_string()))
        }
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

/// An identifier of a wrong form names no supervisor.
fn leg_of(text: &str) -> Result<u16, Problem> {
    text.parse().map_err(|_| Problem::of(StatusCode::NOT_FOUND, SupervisorRefusal::NoSuchLeg.to_string()))
}

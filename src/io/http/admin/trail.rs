//! `/admin/v1/audit`, `/admin/v1/operator`, `/admin/v1/sessions`: what was done, who asks, and a token that stands for a password for a working day. Owns
//! these answers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;

use super::AdminApp;
use super::view::{AuditPage, AuditView, OperatorView, SessionView};
use crate::config::OperatorRole;
use crate::io::http::calls::{Answer, json};
use crate::io::http::openapi::{Administering, Bodiless};
use crate::io::http::problem::Problem;
use crate::io::http::query;
use crate::io::http::sender::Sender;
use crate::model::BusinessId;

/// The audit trail, the newest first.
#[utoipa::path(get, operation_id = "listAudit", path = "/admin/v1/audit", tag = "operators",
    security(("operator" = []), ("session" = [])),
    params(("business" = Option<BusinessId>, Query, description = "Only of this business"),
        ("from" = Option<crate::clock::Wall>, Query, description = "At or after"),
        ("to" = Option<crate::clock::Wall>, Query, description = "Before"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "At most so many [50]"),
        ("cursor" = Option<i64>, Query, minimum = 1, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = AuditPage), Administering))]
pub async fn audit(State(app): State<Arc<AdminApp>>, uri: Uri, sender: Sender) -> Answer {
    app.operator(&sender, OperatorRole::Read).await?;
    let mut filter = query::audit(&uri)?;
    let limit = filter.limit;
    filter.limit += 1;
    let mut entries = app.work(move |store| Ok(store.archive().audit(&filter)?)).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next_cursor = entries.last().map(|entry| entry.number).filter(|_| more);
    Ok(json(&AuditPage { entries: entries.into_iter().map(AuditView::from).collect(), next_cursor }))
}

/// Who asks, and with which role.
#[utoipa::path(get, operation_id = "getOperator", path = "/admin/v1/operator", tag = "operators",
    security(("operator" = []), ("session" = [])),
    responses((status = 200, description = "The operator", body = OperatorView), Administering))]
pub async fn operator(State(app): State<Arc<AdminApp>>, uri: Uri, sender: Sender) -> Answer {
    let operator = app.operator(&sender, OperatorRole::Read).await?;
    query::none(&uri)?;
    Ok(json(&OperatorView { name: operator.name, role: operator.role.as_str() }))
}

/// Begins a session: a token for eight hours, or until the operator's password is another one.
#[utoipa::path(post, operation_id = "beginSession", path = "/admin/v1/sessions", tag = "operators", security(("operator" = []), ("session" = [])),
    responses((status = 201, description = "The session", body = SessionView), Administering, Bodiless))]
pub async fn begin_session(State(app): State<Arc<AdminApp>>, uri: Uri, sender: Sender, body: Body) -> Answer {
    let operator = app.operator(&sender, OperatorRole::Read).await?;
    query::none(&uri)?;
    app.nothing(&sender, body).await?;
    let session = app.operators.load().session(&operator, (app.clock)());
    let (token, expires_at) = session.ok_or_else(Problem::no_operator)?;
    Ok((StatusCode::CREATED, json(&SessionView { token, expires_at })).into_response())
}

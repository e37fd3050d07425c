//! `/admin/v1/businesses`: accounts listed, shown, added, changed, enabled and disabled. Owns these answers; what an account may be is
//! `model::account`'s, and secrets are `secrets`'s.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use rand::random;
use serde_json::Value;

use super::form::{self, AccountChange, NewAccount};
use super::operators::Operator;
use super::view::{Account, AccountPage, answer, shown, wanted};
use super::{AdminApp, wrong};
use crate::config::OperatorRole;
use crate::io::http::calls::{Answer, json};
use crate::io::http::openapi::{Administering, Bodiless, OfOneAccount, WithBody, WithVersion};
use crate::io::http::problem::{Problem, ProblemDocument};
use crate::io::http::query;
use crate::io::http::sender::Sender;
use crate::io::passwords::hash_password;
use crate::io::store::Versioned;
use crate::model::business::PasswordHash;
use crate::model::{AuditAction, Business, BusinessId, WebhookSecret};

/// Accounts, in the order of their identifiers.
#[utoipa::path(get, operation_id = "listBusinesses", path = "/admin/v1/businesses", tag = "businesses",
    security(("operator" = []), ("session" = [])),
    params(("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "At most so many [50]"),
        ("cursor" = Option<BusinessId>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = AccountPage), Administering))]
pub async fn list(State(app): State<Arc<AdminApp>>, uri: Uri, sender: Sender) -> Answer {
    app.operator(&sender, OperatorRole::Read).await?;
    let (after, limit) = query::businesses(&uri)?;
    let mut accounts = app.work(move |store| Ok(store.archive().accounts(after.as_ref(), limit + 1)?)).await?;
    let more = accounts.len() > limit;
    accounts.truncate(limit);
    let next_cursor = accounts.last().map(|account| account.business.id.clone()).filter(|_| more);
    let now = (app.clock)();
    Ok(json(&AccountPage { businesses: accounts.iter().map(|one| shown(one, None, now)).collect(), next_cursor }))
}

/// One account.
#[utoipa::path(get, operation_id = "getBusiness", path = "/admin/v1/businesses/{id}", tag = "businesses",
    security(("operator" = []), ("session" = [])), params(("id" = BusinessId, Path, description = "The business")),
    responses((status = 200, description = "The account", body = Account, headers(("ETag" = String, description = "Its version"))),
        Administering, OfOneAccount))]
pub async fn show(State(app): State<Arc<AdminApp>>, Path(id): Path<String>, uri: Uri, sender: Sender) -> Answer {
    app.operator(&sender, OperatorRole::Read).await?;
    query::none(&uri)?;
    let id = business_id(&id)?;
    let found = app.work(move |store| Ok(store.archive().account(&id)?)).await?.ok_or_else(unknown)?;
    Ok(answer(StatusCode::OK, &found, None, (app.clock)()))
}

/// Adds an account.
#[utoipa::path(post, operation_id = "addBusiness", path = "/admin/v1/businesses", tag = "businesses",
    security(("operator" = []), ("session" = [])), request_body = NewAccount,
    responses((status = 201, description = "The account; `secrets` has what was made for it, this once", body = Account, headers(
            ("Location" = String, description = "The account"), ("ETag" = String, description = "Its version"))),
        (status = 409, description = "There is a business of this identifier", body = ProblemDocument,
            content_type = "application/problem+json"),
        Administering, WithBody))]
pub async fn create(State(app): State<Arc<AdminApp>>, uri: Uri, sender: Sender, body: Body) -> Answer {
    let operator = app.operator(&sender, OperatorRole::Write).await?;
    query::none(&uri)?;
    let mut fields = app.object(&sender, body).await?;
    let id = fields.remove("id").ok_or_else(|| Problem::malformed("required").at("/id"))?;
    let id = id.as_str().and_then(|id| id.parse::<BusinessId>().ok());
    let id = id.ok_or_else(|| wrong("/id", "1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit"))?;
    if !fields.contains_key("name") {
        return Err(Problem::malformed("required").at("/name"));
    }
    let (given, made) = new_password(fields.remove("password"))?;
    let (who, tariffs) = (app.who(&operator, &sender), app.tariffs.load_full());
    let (account, secrets) = app
        .work(move |store| {
            let business = Business::new(id, "", hashed(&given)?);
            let (business, mut secrets) =
                form::apply(business, &fields, &tariffs, fresh_secret).map_err(fields_wrong)?;
            let account = store.archive().add_account(&who, business)?;
            secrets.password = made;
            Ok((account, secrets))
        })
        .await?;
    let mut response = answer(StatusCode::CREATED, &account, Some(&secrets), (app.clock)());
    if let Ok(location) = HeaderValue::from_str(&format!("/admin/v1/businesses/{}", account.business.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Changes an account: what is given replaces, all else stays.
#[utoipa::path(patch, operation_id = "changeBusiness", path = "/admin/v1/businesses/{id}", tag = "businesses",
    security(("operator" = []), ("session" = [])), request_body = AccountChange,
    params(("id" = BusinessId, Path, description = "The business"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]{1,15}")$"#, description = "Only the version with this `ETag` is changed")),
    responses((status = 200, description = "The account; `secrets` has what was made for it, this once", body = Account,
            headers(("ETag" = String, description = "Its version"))),
        Administering, OfOneAccount, WithVersion, WithBody))]
pub async fn change(
    State(app): State<Arc<AdminApp>>,
    Path(id): Path<String>,
    uri: Uri,
    sender: Sender,
    body: Body,
) -> Answer {
    let operator = app.operator(&sender, OperatorRole::Write).await?;
    query::none(&uri)?;
    let (id, version) = (business_id(&id)?, wanted(&sender)?);
    let fields = app.object(&sender, body).await?;
    let (who, tariffs) = (app.who(&operator, &sender), app.tariffs.load_full());
    let (account, secrets) = app
        .work(move |store| {
            let mut made = None;
            let change = |old| {
                let (business, secrets) = form::apply(old, &fields, &tariffs, fresh_secret).map_err(fields_wrong)?;
                made = Some(secrets);
                Ok::<_, Problem>(business)
            };
            let account = store.archive().change_account(&who, AuditAction::Changed, &id, version, change)?;
            Ok((account, made))
        })
        .await?;
    Ok(answer(StatusCode::OK, &account, secrets.as_ref(), (app.clock)()))
}

/// Takes its messages again.
#[utoipa::path(post, operation_id = "enableBusiness", path = "/admin/v1/businesses/{id}/enable", tag = "businesses",
    security(("operator" = []), ("session" = [])),
    params(("id" = BusinessId, Path, description = "The business"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]{1,15}")$"#, description = "Only the version with this `ETag` is changed")),
    responses((status = 200, description = "The account", body = Account, headers(("ETag" = String, description = "Its version"))),
        Administering, OfOneAccount, WithVersion, Bodiless))]
pub async fn enable(
    State(app): State<Arc<AdminApp>>,
    Path(id): Path<String>,
    uri: Uri,
    sender: Sender,
    body: Body,
) -> Answer {
    switch(&app, &id, &uri, &sender, body, true).await
}

/// Refuses its messages from now on; live calls go on.
#[utoipa::path(post, operation_id = "disableBusiness", path = "/admin/v1/businesses/{id}/disable", tag = "businesses",
    security(("operator" = []), ("session" = [])),
    params(("id" = BusinessId, Path, description = "The business"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]{1,15}")$"#, description = "Only the version with this `ETag` is changed")),
    responses((status = 200, description = "The account", body = Account, headers(("ETag" = String, description = "Its version"))),
        Administering, OfOneAccount, WithVersion, Bodiless))]
pub async fn disable(
    State(app): State<Arc<AdminApp>>,
    Path(id): Path<String>,
    uri: Uri,
    sender: Sender,
    body: Body,
) -> Answer {
    switch(&app, &id, &uri, &sender, body, false).await
}

async fn switch(app: &AdminApp, id: &str, uri: &Uri, sender: &Sender, body: Body, enabled: bool) -> Answer {
    let operator = app.operator(sender, OperatorRole::Write).await?;
    query::none(uri)?;
    app.nothing(sender, body).await?;
    let action = if enabled { AuditAction::Enabled } else { AuditAction::Disabled };
    let change = move |old| Ok(Business { enabled, ..old });
    let account = changed(app, &operator, sender, id, action, change).await?;
    Ok(answer(StatusCode::OK, &account, None, (app.clock)()))
}

/// One change of one account, by this operator.
pub(super) async fn changed(
    app: &AdminApp,
    operator: &Operator,
    sender: &Sender,
    id: &str,
    action: AuditAction,
    change: impl FnOnce(Business) -> Result<Business, Problem> + Send + 'static,
) -> Result<Versioned, Problem> {
    let (id, version) = (business_id(id)?, wanted(sender)?);
    let who = app.who(operator, sender);
    app.work(move |store| store.archive().change_account(&who, action, &id, version, change)).await
}

/// A password that is given, or one that is made: shown once.
pub(super) fn new_password(given: Option<Value>) -> Result<(String, Option<String>), Problem> {
    use base64::Engine as _;
    match given {
        None => {
            let bytes: [u8; 24] = random();
            let made = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
            Ok((made.clone(), Some(made)))
        }
        Some(Value::String(password)) => Ok((password, None)),
        Some(_) => Err(wrong("/password", "a string is wanted")),
    }
}

/// Tens of milliseconds of processor.
pub(super) fn hashed(password: &str) -> Result<PasswordHash, Problem> {
    hash_password(password).map_err(|error| wrong("/password", error.to_string()))
}

pub(super) fn fresh_secret() -> WebhookSecret {
    WebhookSecret::new(random())
}

/// An identifier of a wrong form names no business.
pub(super) fn business_id(text: &str) -> Result<BusinessId, Problem> {
    text.parse().map_err(|_| unknown())
}

pub(super) fn unknown() -> Problem {
    Problem::of(StatusCode::NOT_FOUND, "there is no such business")
}

fn fields_wrong(errors: Vec<crate::io::http::problem::FieldError>) -> Problem {
    Problem::of(StatusCode::UNPROCESSABLE_ENTITY, "fields are unknown or cannot be so").with_errors(errors)
}

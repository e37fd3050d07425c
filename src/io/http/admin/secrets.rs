//! `/admin/v1/businesses/{id}/password`, `…/webhook/secret`, `…/page-keys`: secrets set, rotated, made and taken away. Owns these answers; what was made
//! is in the answer, this once, and nowhere else but in the store.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::random;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::businesses::{changed, fresh_secret, hashed, new_password};
use super::form::Secrets;
use super::view::{Account, answer};
use super::{AdminApp, only, wrong};
use crate::config::OperatorRole;
use crate::io::http::calls::Answer;
use crate::io::http::openapi::{Administering, Bodiless, OfOneAccount, WithBody, WithVersion};
use crate::io::http::problem::Problem;
use crate::io::http::query;
use crate::io::http::sender::Sender;
use crate::model::account::MAX_OVERLAP;
use crate::model::direct::PageKey;
use crate::model::{AuditAction, BusinessId, WebhookSecret};

/// How long a former secret holds where nothing is said.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// Another password.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
pub struct PasswordChange {
    /// The new one; without it the answer shows one that was made.
    #[schema(required = false, min_length = 1, max_length = 256)]
    password: String,
    /// The present one still holds so long; 0: it ends at once. 86400 unless given.
    #[schema(required = false, minimum = 0, maximum = 2592000)]
    overlap_seconds: u32,
}

/// Another secret of a webhook.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
pub struct WebhookSecretChange {
    /// `whsec_` and the base64 of 24 to 64 bytes; without it the answer shows one that was made.
    #[schema(required = false, max_length = 100)]
    secret: String,
    /// The present one still signs so long. 86400 unless given.
    #[schema(required = false, minimum = 0, maximum = 2592000)]
    overlap_seconds: u32,
}

/// A new page key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description")]
pub struct NewPageKey {
    /// Its name in tokens.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,16}$")]
    id: String,
}

/// Sets or rotates its password.
#[utoipa::path(post, operation_id = "setPassword", path = "/admin/v1/businesses/{id}/password", tag = "secrets",
    security(("operator" = []), ("session" = [])), request_body = PasswordChange,
    params(("id" = BusinessId, Path, description = "The business"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]{1,15}")$"#, description = "Only the version with this `ETag` is changed")),
    responses((status = 200, description = "The account; `secrets.password` where it was made", body = Account,
            headers(("ETag" = String, description = "Its version"))),
        Administering, OfOneAccount, WithVersion, WithBody))]
pub async fn password(
    State(app): State<Arc<AdminApp>>,
    Path(id): Path<String>,
    uri: Uri,
    sender: Sender,
    body: Body,
) -> Answer {
    let operator = app.operator(&sender, OperatorRole::Write).await?;
    query::none(&uri)?;
    let mut fields = app.object(&sender, body).await?;
    only(&fields, &["password", "overlap_seconds"])?;
    let overlap = overlap(&fields)?;
    let (given, made) = new_password(fields.remove("password"))?;
    let hash = app.work(move |_| hashed(&given)).await?;
    let (action, until) = match overlap.is_zero() {
        true => (AuditAction::PasswordSet, None),
        false => (AuditAction::PasswordRotated, Some((app.clock)() + overlap)),
    };
    let change = move |mut business: crate::model::Business| {
        match until {
            None => business.set_password(hash),
            Some(until) => business.rotate_password(hash, until),
        }
        Ok(business)
    };
    let account = changed(&app, &operator, &sender, &id, action, change).await?;
    let secrets = Secrets { password: made, ..Secrets::default() };
    Ok(answer(StatusCode::OK, &account, Some(&secrets), (app.clock)()))
}

/// Rotates the secret that its events are signed with.
#[utoipa::path(post, operation_id = "setWebhookSecret", path = "/admin/v1/businesses/{id}/webhook/secret", tag = "secrets",
    security(("operator" = []), ("session" = [])), request_body = WebhookSecretChange,
    params(("id" = BusinessId, Path, description = "The business"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]{1,15}")$"#, description = "Only the version with this `ETag` is changed")),
    responses((status = 200, description = "The account; `secrets.webhook_secret` where it was made", body = Account,
            headers(("ETag" = String, description = "Its version"))),
        Administering, OfOneAccount, WithVersion, WithBody))]
pub async fn webhook_secret(
    State(app): State<Arc<AdminApp>>,
    Path(id): Path<String>,
    uri: Uri,
    sender: Sender,
    body: Body,
) -> Answer {
    let operator = app.operator(&sender, OperatorRole::Write).await?;
    query::none(&uri)?;
    let mut fields = app.object(&sender, body).await?;
    only(&fields, &["secret", "overlap_seconds"])?;
    let until = (app.clock)() + overlap(&fields)?;
    let (secret, made) = match fields.remove("secret") {
        None => {
            let secret = fresh_secret();
            let shown = secret.reveal().to_string();
            (secret, Some(shown))
        }
        Some(given) => {
            let parsed = given.as_str().map(str::parse::<WebhookSecret>);
            let parsed = parsed.ok_or_else(|| wrong("/secret", "a string is wanted"))?;
            (parsed.map_err(|why| wrong("/secret", why.to_string()))?, None)
        }
    };
    let change = move |mut business: crate::model::Business| match &mut business.webhook {
        None => Err(wrong("/secret", "this business has no webhook")),
        Some(webhook) => {
            webhook.rotate(secret, until);
            Ok(business)
        }
    };
    let account = changed(&app, &operator, &sender, &id, AuditAction::Changed, change).await?;
    let secrets = Secrets { webhook_secret: made, ..Secrets::default() };
    Ok(answer(StatusCode::OK, &account, Some(&secrets), (app.clock)()))
}

/// Makes a page key; it signs from now on, and the older ones are taken until they are removed.
#[utoipa::path(post, operation_id = "addPageKey", path = "/admin/v1/businesses/{id}/page-keys", tag = "secrets",
    security(("operator" = []), ("session" = [])), request_body = NewPageKey,
    params(("id" = BusinessId, Path, description = "The business"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]{1,15}")$"#, description = "Only the version with this `ETag` is changed")),
    responses((status = 201, description = "The account; `secrets.page_key` is the key's secret", body = Account,
            headers(("ETag" = String, description = "Its version"))),
        Administering, OfOneAccount, WithVersion, WithBody))]
pub async fn new_page_key(
    State(app): State<Arc<AdminApp>>,
    Path(id): Path<String>,
    uri: Uri,
    sender: Sender,
    body: Body,
) -> Answer {
    let operator = app.operator(&sender, OperatorRole::Write).await?;
    query::none(&uri)?;
    let fields = app.object(&sender, body).await?;
    only(&fields, &["id"])?;
    let name = fields.get("id").ok_or_else(|| Problem::malformed("required").at("/id"))?;
    let bytes: [u8; 32] = random();
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let name = name.as_str().ok_or_else(|| wrong("/id", "a string is wanted"))?;
    let key = PageKey::new(name, &secret).map_err(|why| wrong("/id", why))?;
    let change = move |mut business: crate::model::Business| {
        business.direct.page_keys.insert(0, key);
        Ok(business)
    };
    let account = changed(&app, &operator, &sender, &id, AuditAction::Changed, change).await?;
    let secrets = Secrets { page_key: Some(secret), ..Secrets::default() };
    Ok(answer(StatusCode::CREATED, &account, Some(&secrets), (app.clock)()))
}

/// Takes no more tokens of this page key.
#[utoipa::path(delete, operation_id = "removePageKey", path = "/admin/v1/businesses/{id}/page-keys/{key}", tag = "secrets",
    security(("operator" = []), ("session" = [])),
    params(("id" = BusinessId, Path, description = "The business"), ("key" = String, Path, description = "The key's name"),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]{1,15}")$"#, description = "Only the version with this `ETag` is changed")),
    responses((status = 200, description = "The account", body = Account, headers(("ETag" = String, description = "Its version"))),
        (status = 422, description = "The account cannot be without it: page tokens are required",
            body = crate::io::http::problem::ProblemDocument, content_type = "application/problem+json"),
        Administering, OfOneAccount, WithVersion, Bodiless))]
pub async fn remove_page_key(
    State(app): State<Arc<AdminApp>>,
    Path((id, key)): Path<(String, String)>,
    uri: Uri,
    sender: Sender,
    body: Body,
) -> Answer {
    let operator = app.operator(&sender, OperatorRole::Write).await?;
    query::none(&uri)?;
    app.nothing(&sender, body).await?;
    let change = move |mut business: crate::model::Business| {
        let keys = &mut business.direct.page_keys;
        let before = keys.len();
        keys.retain(|own| own.id != key);
        match keys.len() < before {
            true => Ok(business),
            false => Err(Problem::of(StatusCode::NOT_FOUND, "this business has no such page key")),
        }
    };
    let account = changed(&app, &operator, &sender, &id, AuditAction::Changed, change).await?;
    Ok(answer(StatusCode::OK, &account, None, (app.clock)()))
}

fn overlap(fields: &Map<String, Value>) -> Result<Duration, Problem> {
    let Some(given) = fields.get("overlap_seconds") else { return Ok(OVERLAP) };
    let seconds = given.as_u64().map(Duration::from_secs).filter(|time| *time <= MAX_OVERLAP);
    seconds.ok_or_else(|| wrong("/overlap_seconds", "a whole number from 0 to 2592000"))
}

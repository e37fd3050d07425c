//! `/admin/v1/businesses/{id}/prompts/{kind}`: the recordings that a business's callers hear in place of what is spoken. Owns these answers; what a
//! recording may be is the prompt library's.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::IntoResponse;

use super::AdminApp;
use super::businesses::{business_id, unknown};
use crate::config::OperatorRole;
use crate::io::http::app::read_up_to;
use crate::io::http::calls::Answer;
use crate::io::http::openapi::{Administering, Bodiless, OfOneAccount};
use crate::io::http::problem::{Problem, ProblemDocument};
use crate::io::http::query;
use crate::io::http::sender::Sender;
use crate::io::prompts::{RecordingKind, install_bytes, remove_recording};
use crate::model::{AuditAction, AuditEntry, BusinessId, FieldChange, Who};

/// Largest recording: a minute and a half of 48 kHz mono.
const MAX_WAV_BYTES: usize = 8 << 20;

/// Puts in a recording: a WAV file (as `audio/wav` too), which is brought to 8 kHz mono, without silence around it, at the common loudness.
#[utoipa::path(put, operation_id = "putPrompt", path = "/admin/v1/businesses/{id}/prompts/{kind}", tag = "businesses",
    security(("operator" = []), ("session" = [])), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    params(("id" = BusinessId, Path, description = "The business"),
        ("kind" = String, Path, description = "spoken-name, message, unavailable, gate, machine, consent, hold or whisper")),
    responses((status = 204, description = "It is heard from now on"),
        (status = 408, description = "The body came too slowly", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "The recording is larger than 8 MiB", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "Neither `audio/wav` nor `application/octet-stream`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "No recording that can be used", body = ProblemDocument, content_type = "application/problem+json"),
        Administering, OfOneAccount))]
pub async fn put(
    State(app): State<Arc<AdminApp>>,
    Path((id, kind)): Path<(String, String)>,
    uri: Uri,
    sender: Sender,
    body: Body,
) -> Answer {
    let operator = app.operator(&sender, OperatorRole::Write).await?;
    query::none(&uri)?;
    let (id, kind) = (business_id(&id)?, kind_of(&kind)?);
    wav(&sender)?;
    let wav = read_up_to(MAX_WAV_BYTES, app.patience.body, &sender, body).await?;
    let (who, folder) = (app.who(&operator, &sender), app.folder.clone());
    app.work(move |store| {
        store.archive().account(&id)?.ok_or_else(unknown)?;
        let name = std::path::Path::new("the recording");
        install_bytes(&folder, &id, kind, &wav, name)
            .map_err(|error| Problem::of(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
        Ok(store.archive().note(&entry(who, id, kind))?)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes a recording away: what is spoken is heard again.
#[utoipa::path(delete, operation_id = "removePrompt", path = "/admin/v1/businesses/{id}/prompts/{kind}", tag = "businesses",
    security(("operator" = []), ("session" = [])),
    params(("id" = BusinessId, Path, description = "The business"),
        ("kind" = String, Path, description = "spoken-name, message, unavailable, gate, machine, consent, hold or whisper")),
    responses((status = 204, description = "It is heard no more"), Administering, OfOneAccount, Bodiless))]
pub async fn remove(
    State(app): State<Arc<AdminApp>>,
    Path((id, kind)): Path<(String, String)>,
    uri: Uri,
    sender: Sender,
    body: Body,
) -> Answer {
    let operator = app.operator(&sender, OperatorRole::Write).await?;
    query::none(&uri)?;
    app.nothing(&sender, body).await?;
    let (id, kind) = (business_id(&id)?, kind_of(&kind)?);
    let (who, folder) = (app.who(&operator, &sender), app.folder.clone());
    app.work(move |store| {
        store.archive().account(&id)?.ok_or_else(unknown)?;
        match remove_recording(&folder, &id, kind) {
            Ok(true) => Ok(store.archive().note(&entry(who, id, kind))?),
            Ok(false) => Err(Problem::of(StatusCode::NOT_FOUND, "this business has no such recording")),
            Err(error) => {
                tracing::error!(%error, "a recording could not be removed");
                Err(Problem::unavailable(5, "the recording could not be removed"))
            }
        }
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn entry(who: Who, id: BusinessId, kind: RecordingKind) -> AuditEntry {
    AuditEntry {
        at: who.at,
        actor: who.actor,
        source: who.source,
        business_id: Some(id),
        action: AuditAction::PromptChanged,
        changes: vec![FieldChange::secret(format!("prompts.{}", kind.name()))],
    }
}

fn kind_of(text: &str) -> Result<RecordingKind, Problem> {
    let found = RecordingKind::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| Problem::of(StatusCode::NOT_FOUND, "there is no such kind of recording"))
}

fn wav(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if matches!(essence.as_str(), "audio/wav" | "audio/x-wav" | "audio/vnd.wave" | "application/octet-stream") {
        return Ok(());
    }
    let accept = HeaderValue::from_static("audio/wav");
    Err(Problem::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send audio/wav").with_header(header::ACCEPT, accept))
}

//! `GET /v1/calls/{id}/recording`: a call's recording, to the business whose call it was. Owns the statuses; the files are
//! `io/recordings`'s.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;

use super::app::App;
use super::calls::{call_id, current};
use super::openapi::{Asking, OfOneCall};
use super::problem::Problem;
use super::query;
use super::sender::Sender;
use crate::io::recordings::{Opened, Unreadable};
use crate::model::CallId;

/// `true` where a part is missing.
const INCOMPLETE: HeaderName = HeaderName::from_static("recording-incomplete");

/// The talk's recording: WAV, the customer on the left, the representative on the right.
#[utoipa::path(get, operation_id = "getRecording", path = "/v1/calls/{id}/recording", tag = "records", security(("business" = [])), params(("id" = CallId, Path, description = "The call")),
    responses(
        (status = 200, description = "The recording", content_type = "audio/wav", body = Vec<u8>,
            headers(("Recording-Incomplete" = bool, description = "Whether a part is missing"))),
        (status = 409, description = "It is still being made",
            content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        (status = 500, description = "It cannot be decrypted",
            content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        Asking, OfOneCall
    )
)]
pub async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: Sender,
) -> Result<Response, Problem> {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    let id = call_id(&id)?;
    if current(&app, &business, id).await?.is_none() {
        return Err(Problem::no_such_call());
    }
    let (body, incomplete) = match app.recordings.open(id).await {
        Ok(Opened::Here { body, incomplete }) => (body, incomplete),
        Ok(Opened::Unfinished) => {
            return Err(Problem::of(StatusCode::CONFLICT, "the recording is still being made"));
        }
        Ok(Opened::None) => return Err(Problem::of(StatusCode::NOT_FOUND, "this call has no recording")),
        Err(error) => return Err(unreadable(id, &error)),
    };
    let length = body.len();
    let mut response = Response::new(Body::new(*body));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    fields.insert(INCOMPLETE, HeaderValue::from_static(if incomplete { "true" } else { "false" }));
    Ok(response)
}

/// What the operator must mend is told apart: a key is no matter of trying again.
fn unreadable(id: CallId, error: &Unreadable) -> Problem {
    tracing::warn!(%id, %error, "a recording cannot be read");
    match error {
        Unreadable::Disk(_) => Problem::unavailable(5, "the recording cannot be read"),
        Unreadable::Sealed(error) => Problem::sealed(error.to_string()),
    }
}

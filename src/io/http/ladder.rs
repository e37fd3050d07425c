//! `GET /v1/calls/{id}/ladder`: the handler and the choice of a face. Refuses to draw (`ladder` does).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::calls::{call_id, mismatch, unreadable};
use super::openapi::{Asking, OfOneCall};
use super::problem::Problem;
use super::query;
use super::sender::Sender;
use crate::engine::api::Reply;
use crate::ladder::Ladder;
use crate::model::{BusinessId, CallId};

/// How a ladder is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Face {
    /// `text/plain`
    Text,
    /// `image/svg+xml`
    Svg,
    /// `application/json`
    Json,
}

impl Face {
    /// Each with its name in `?format=` and its type.
    const ALL: [(Face, &'static str, &'static str); 3] = [
        (Face::Text, "text", "text/plain; charset=utf-8"),
        (Face::Svg, "svg", "image/svg+xml"),
        (Face::Json, "json", "application/json"),
    ];

    /// Reads the value of `format`.
    pub fn parse(text: &str) -> Option<Face> {
        Face::ALL.iter().find(|(_, name, _)| *name == text).map(|(face, ..)| *face)
    }

    /// The one that an `Accept` header likes best; text where it names none of them (RFC 9110 §12.5.1).
    fn accepted(accept: &str) -> Face {
        let mut best = (Face::Text, 0);
        for range in accept.split(',').take(32) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, |q| {
                let thousandths = q.parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0;
                thousandths as u32
            });
            let named = Face::ALL.iter().find(|(_, _, own)| own.split(';').next() == Some(&kind));
            if let Some((face, ..)) = named.filter(|_| quality > best.1) {
                best = (*face, quality);
            }
        }
        best.0
    }
}

/// The call's ladder: every SIP message that was really sent and received for it. Text, SVG or JSON by `format`, else by `Accept`.
#[utoipa::path(get, operation_id = "getLadder", path = "/v1/calls/{id}/ladder", tag = "records", security(("business" = [])),
    params(("id" = CallId, Path, description = "The call"),
        ("format" = Option<String>, Query, pattern = "^(text|svg|json)$", description = "text, svg or json")),
    responses(
        (status = 200, description = "The ladder", content((String = "text/plain"), (String = "image/svg+xml"), (Object = "application/json"))),
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
    let asked = query::ladder(&uri)?;
    let id = call_id(&id)?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let face = asked.unwrap_or_else(|| Face::accepted(accept));
    match find(&app, &business, id).await? {
        Some(ladder) => Ok(draw(&ladder, face)),
        None => match app.answer(app.store.find_call(business, id)).await?.map_err(unreadable)? {
            Some(_) => Err(Problem::of(StatusCode::NOT_FOUND, "no ladder is kept of this call")),
            None => Err(Problem::no_such_call()),
        },
    }
}

/// Of the engine until the store has it.
async fn find(app: &App, business: &BusinessId, id: CallId) -> Result<Option<Arc<Ladder>>, Problem> {
    match app.answer(app.engine.ladder(business.clone(), id)).await? {
        Reply::Ladder(Some(ladder)) => Ok(Some(ladder)),
        Reply::Ladder(None) => {
            let stored = app.answer(app.store.ladder(business.clone(), id)).await?.map_err(unreadable)?;
            Ok(stored.map(Arc::new))
        }
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

fn draw(ladder: &Ladder, face: Face) -> Response {
    let body = match face {
        Face::Text => ladder.to_text(),
        Face::Svg => ladder.to_svg(),
        Face::Json => ladder.to_json().to_string(),
    };
    let kind = Face::ALL.iter().find(|(own, ..)| *own == face).map_or("", |(_, _, kind)| kind);
    let mut response = ([(header::CONTENT_TYPE, kind), (header::VARY, "accept")], body).into_response();
    // A picture may be opened as a page: it has a style of its own, and nothing else may be loaded or run.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_face_is_taken_and_text_where_none_is_named() {
        for (accept, face) in [
            ("", Face::Text),
            ("*/*", Face::Text),
            ("image/svg+xml", Face::Svg),
            ("application/json;q=0.5, image/svg+xml;q=0.9", Face::Svg),
            ("Application/JSON", Face::Json),
            ("image/svg+xml;q=0", Face::Text),
            ("text/html, image/avif, */*;q=0.8", Face::Text),
        ] {
            assert_eq!(Face::accepted(accept), face, "{accept}");
        }
    }
}

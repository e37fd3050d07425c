//! `POST /webhooks/calls`: the equipments' events by Standard Webhooks, where they are configured. Owns the judgement of the signature;
//! what an event means is the floor's. It tells nothing that the streams do not, and earlier where a stream is broken.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::equipment::Event;
use super::floor;
use super::secrets::is_webhook;
use super::web::{App, Trouble, read_body};

/// `POST /webhooks/calls`
pub async fn take(State(shop): App, headers: HeaderMap, body: Body) -> Result<Response, Trouble> {
    let secret = shop.webhook_secret.as_ref().ok_or(Trouble::NotFound)?;
    let body = read_body(body).await?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (id, at, signed) = (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
    if !is_webhook(secret, shop.wall(), id, at, signed, &body) {
        return Ok((StatusCode::UNAUTHORIZED, "the signature is not ours, or old\n").into_response());
    }
    // Types that we do not know may come, and are none of our concern.
    if let Ok(event) = serde_json::from_slice::<Event>(&body) {
        floor::told(&shop, &event).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

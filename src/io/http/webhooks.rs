//! `/v1/webhooks/…`: what became of a business's events, sending one again, and a test event. Owns these answers; who sends is
//! `io/webhooks`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use rand::random;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::calls::{Answer, json, unreadable};
use super::openapi::{Asking, Bodiless};
use super::port::{Pending, StoreUnreadable};
use super::problem::{Problem, ProblemDocument};
use super::query;
use super::sender::Sender;
use crate::clock::Wall;
use crate::io::store::{Delivery, DeliveryFilter, DeliveryId, DeliveryState, TestEvent};
use crate::model::{BusinessId, CallId};

/// The type of a test event.
const TEST: &str = "webhook.test";

/// The outbox, seen from a request.
pub trait OutboxPort: Send + Sync + 'static {
    /// Events of one business, the newest call first.
    fn deliveries(&self, filter: DeliveryFilter) -> Pending<'_, Result<Vec<Delivery>, StoreUnreadable>>;
    /// Sends a settled event of this business again. False: there is none.
    fn replay(&self, business: BusinessId, id: DeliveryId, at: Wall) -> Pending<'_, Result<bool, StoreUnreadable>>;
    /// Writes a test event.
    fn test(&self, event: TestEvent) -> Pending<'_, Result<bool, StoreUnreadable>>;
}

/// An event and what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct Shown {
    /// The `webhook-id` that it is sent with.
    id: String,
    /// `call.state_changed`, `call.ended`, `webhook.test`.
    r#type: String,
    /// Null: a test.
    call_id: Option<CallId>,
    /// Grows with each event of a call.
    sequence: u32,
    /// What became of it.
    state: DeliveryState,
    /// How often it was tried.
    attempts: u32,
    /// When it happened.
    created_at: Wall,
    /// When it is tried next; null where it stands behind another event of its call, or is settled.
    next_attempt_at: Option<Wall>,
    /// When it was taken or given up.
    settled_at: Option<Wall>,
    /// The status of the last answer.
    status: Option<u16>,
    /// What was wrong with the last try.
    problem: Option<String>,
}

impl From<Delivery> for Shown {
    fn from(delivery: Delivery) -> Shown {
        Shown {
            id: delivery.id.to_string(),
            call_id: (delivery.kind != TEST).then_some(delivery.id.subject),
            sequence: delivery.id.sequence,
            r#type: delivery.kind,
            state: delivery.state,
            attempts: delivery.attempts,
            created_at: delivery.created_at,
            next_attempt_at: delivery.next_attempt_at,
            settled_at: delivery.settled_at,
            status: delivery.status,
            problem: delivery.problem,
        }
    }
}

/// A part of the deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryPage)]
pub struct Page {
    /// The newest call first, of a call the last event first.
    deliveries: Vec<Shown>,
    /// Where the next page begins.
    next_cursor: Option<String>,
}

/// GET /v1/webhooks/deliveries: the newest call first, of a call the last event first.
#[utoipa::path(get, operation_id = "listDeliveries", path = "/v1/webhooks/deliveries", tag = "webhooks",
    security(("business" = [])),
    params(
        ("way" = Option<String>, Query, pattern = "^(webhook|sink)$",
            description = "Those to the business's webhook, or those to the sinks that its calls came with [webhook]"),
        ("state" = Option<DeliveryState>, Query, description = "Only those in this state"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "At most so many [50]"),
        ("cursor" = Option<String>, Query, pattern = "^msg_[0-9a-f]{32}_[0-9]{1,9}$",
            description = "`next_cursor` of the page before")
    ),
    responses((status = 200, description = "A page", body = Page), Asking))]
pub async fn list(State(app): State<Arc<App>>, uri: Uri, headers: Sender) -> Answer {
    let business = app.basic(&headers).await?;
    let mut filter = query::deliveries(&uri, business)?;
    let limit = filter.limit;
    filter.limit += 1;
    let mut found = app.answer(app.outbox.deliveries(filter)).await?.map_err(unreadable)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().map(|delivery| delivery.id.to_string()).filter(|_| more);
    Ok(json(&Page { deliveries: found.into_iter().map(Shown::from).collect(), next_cursor }))
}

/// An event that is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedDelivery)]
pub struct Accepted {
    /// The `webhook-id` that it is sent with.
    id: String,
}

/// POST /v1/webhooks/deliveries/{id}/replay: 202; 404 where there is none, 409 while it is on its way.
#[utoipa::path(post, operation_id = "replayDelivery", path = "/v1/webhooks/deliveries/{id}/replay", tag = "webhooks",
    security(("business" = [])),
    params(("id" = String, Path, description = "Which event")),
    responses((status = 202, description = "It is sent again", body = Accepted),
        (status = 404, description = "This business has no such delivery", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 409, description = "It is on its way, or no webhook is enabled", body = ProblemDocument,
            content_type = "application/problem+json"),
        Asking, Bodiless))]
pub async fn replay(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: Sender,
    body: Body,
) -> Answer {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    empty(&app, &headers, body).await?;
    told(&app, &business)?;
    let none = || Problem::of(StatusCode::NOT_FOUND, "this business has no such delivery");
    let id: DeliveryId = id.parse().map_err(|_| none())?;
    let done = app.answer(app.outbox.replay(business.clone(), id, (app.clock)())).await?.map_err(unreadable)?;
    if done {
        return Ok(accepted(id));
    }
    // It is on its way, or there is none: the list knows which.
    let after = DeliveryId { sequence: id.sequence.saturating_add(1), ..id };
    let filter =
        DeliveryFilter { business: Some(business), before: Some(after), limit: 1, ..DeliveryFilter::default() };
    let found = app.answer(app.outbox.deliveries(filter)).await?.map_err(unreadable)?;
    match found.first() {
        Some(delivery) if delivery.id == id => {
            Err(Problem::of(StatusCode::CONFLICT, "this event is on its way already"))
        }
        _ => Err(none()),
    }
}

#[derive(Serialize)]
struct Test<'a> {
    r#type: &'static str,
    timestamp: Wall,
    data: TestData<'a>,
}

#[derive(Serialize)]
struct TestData<'a> {
    business_id: &'a BusinessId,
}

/// POST /v1/webhooks/test: 202 with the identifier of an event that is sent as any other.
#[utoipa::path(post, operation_id = "testWebhook", path = "/v1/webhooks/test", tag = "webhooks",
    security(("business" = [])),
    responses((status = 202, description = "It is sent", body = Accepted),
        (status = 409, description = "No webhook is enabled", body = ProblemDocument,
            content_type = "application/problem+json"),
        Asking, Bodiless))]
pub async fn test(State(app): State<Arc<App>>, uri: Uri, headers: Sender, body: Body) -> Answer {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    empty(&app, &headers, body).await?;
    told(&app, &business)?;
    let at = (app.clock)();
    let id = DeliveryId { subject: CallId::new(at, random()), sequence: 1 };
    let test = Test { r#type: TEST, timestamp: at, data: TestData { business_id: &business } };
    let body = serde_json::to_string(&test).map_err(|_| super::calls::mismatch())?;
    let event = TestEvent { id, business, kind: TEST, body, at };
    app.answer(app.outbox.test(event)).await?.map_err(unreadable)?;
    Ok(accepted(id))
}

fn accepted(id: DeliveryId) -> axum::response::Response {
    (StatusCode::ACCEPTED, json(&Accepted { id: id.to_string() })).into_response()
}

/// 409 where nothing would be sent.
fn told(app: &App, business: &BusinessId) -> Result<(), Problem> {
    let account = app.directory.load().get(business).cloned();
    match account.as_ref().map(|account| &account.webhook) {
        Some(Some(webhook)) if webhook.is_enabled() => Ok(()),
        Some(Some(_)) => Err(Problem::of(
            StatusCode::CONFLICT,
            "the webhook was disabled by its answer 410; the carrier enables it again",
        )),
        _ => Err(Problem::of(StatusCode::CONFLICT, "this business has no webhook")),
    }
}

/// Nothing is read here that a body could say.
async fn empty(app: &App, headers: &HeaderMap, body: Body) -> Result<(), Problem> {
    match app.body(headers, body).await?.is_empty() {
        true => Ok(()),
        false => Err(Problem::malformed("this request has no body")),
    }
}

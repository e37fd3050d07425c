//! The HTTP API (contract.md): parse, verify, ask the engine, answer.
//!
//! Owns the routes and what surrounds every one of them: problem+json for everything that goes wrong, counting, the catch of
//! panics. Refuses business rules: those are `access`'s, `call`'s and the engine's.

pub mod adapters;
pub mod admin;
pub mod app;
pub mod bill;
pub mod calls;
pub mod click_to_dial;
pub mod console;
pub mod credentials;
pub mod docs;
pub mod door;
pub mod events;
pub mod guard;
pub mod json;
pub mod ladder;
pub mod message;
pub mod openapi;
mod places;
pub mod port;
pub mod problem;
pub mod query;
mod quota;
pub mod recording;
pub mod representatives;
pub mod request_form;
mod requests;
pub mod sealed;
pub mod sender;
pub mod server;
pub mod source;
pub mod supervisors;
#[cfg(test)]
mod tests;
pub mod token;
pub mod webhooks;
pub mod widget;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

pub use app::{App, Patience};
use click_to_dial::Correlator;
pub use port::{CallFilter, EnginePort, Health, Pending, Phase, RecordFilter, StorePort, StoreUnreadable, Summed};
use problem::Problem;

/// The API that businesses call, with /healthz and /readyz.
pub fn router(app: Arc<App>) -> Router {
    let health = app.health.clone();
    let (api, document) = described(Some(&app)).split_for_parts();
    let document = openapi::without_null_parameters(document);
    let (dialling, its_document) = click_to_dial::described().split_for_parts();
    let its_document = openapi::without_null_parameters(its_document);
    let api = api.merge(dialling).with_state(app).merge(health_routes(health));
    let documents = openapi::routes(&document).merge(openapi::route("/click-to-dial/v0.1/openapi.json", &its_document));
    surround(api.merge(documents).merge(widget::routes()))
}

/// The API's description, as `/openapi.json` has it.
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::without_null_parameters(described(None).into_openapi())
}

/// Every route with its description: what is not here is neither served nor described. Without an app nothing answers across origins.
fn described(app: Option<&Arc<App>>) -> OpenApiRouter<Arc<App>> {
    let cors = |methods: &[Method], headers: &[HeaderName]| app.map(|app| door::cors(app, methods, headers));
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(calls::create, calls::list))
        .routes(routes!(calls::show, calls::delete))
        .routes(routes!(events::follow))
        .routes(routes!(ladder::show))
        .routes(routes!(recording::show))
        .routes(routes!(representatives::list))
        .routes(routes!(representatives::session))
        .routes(routes!(supervisors::invite))
        .routes(routes!(supervisors::change, supervisors::patch, supervisors::dismiss))
        .routes(routes!(calls::records))
        .routes(routes!(bill::bill))
        .routes(routes!(webhooks::list))
        .routes(routes!(webhooks::replay))
        .routes(routes!(webhooks::test))
        .routes(routes!(sealed::keys))
        .routes(routes!(token::create))
        .routes(across(routes!(requests::create), cors(&[Method::POST], &[header::CONTENT_TYPE])))
        .routes(across(routes!(requests::challenge), cors(&[Method::GET], &[])))
        .routes(across(
            routes!(requests::show, requests::delete),
            cors(&[Method::GET, Method::DELETE], &[header::AUTHORIZATION]),
        ))
        .routes(across(
            routes!(requests::follow),
            cors(&[Method::GET], &[header::AUTHORIZATION, events::LAST_EVENT_ID]),
        ))
}

/// A route that customers' browsers call, across origins.
fn across(
    routes: UtoipaMethodRouter<Arc<App>>,
    cors: Option<tower_http::cors::CorsLayer>,
) -> UtoipaMethodRouter<Arc<App>> {
    let Some(cors) = cors else { return routes };
    // Answered by the layer before it; without it a preflight would be a method that is not allowed.
    let preflight = async || StatusCode::NO_CONTENT;
    routes.map(|router| router.options(preflight).layer(cors))
}

/// What the operator's listener serves: /metrics, /healthz, /readyz, the admin API with its description, and the console. `metrics`
/// renders the Prometheus text.
pub fn admin_router(
    console: Option<Arc<console::Console>>,
    health: Arc<Health>,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
) -> Router {
    let exposition = get(move || {
        let text = metrics();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text) }
    });
    let seen = health_routes(health).route("/metrics", exposition);
    let Some(console) = console else { return surround(seen) };
    let app = Arc::clone(&console.admin);
    let (api, document) = admin::described().split_for_parts();
    let document = openapi::without_null_parameters(document);
    surround(seen.merge(api.with_state(app)).merge(openapi::routes(&document)).merge(console::router(console)))
}

fn health_routes(health: Arc<Health>) -> Router {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready)).with_state(health)
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    match health.phase() {
        Phase::Ready => "ready\n".into_response(),
        Phase::Starting => Problem::unavailable(1, "starting").into_response(),
        Phase::Draining => Problem::unavailable(30, "draining: no new calls are taken").into_response(),
    }
}

fn surround(router: Router) -> Router {
    router
        .fallback(async || Problem::of(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || {
            Problem::of(StatusCode::METHOD_NOT_ALLOWED, "see the Allow header for what can be done here")
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(every_request))
}

/// The panic's message may hold a customer's number: it stays in the process's own panic output.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    Problem::of(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the equipment").into_response()
}

/// RFC 9112 §3.2: exactly one Host in HTTP/1.1. Every answer is counted, and none is cached. What Click to Dial answers, an error of the
/// router's own too, is in that interface's form.
async fn every_request(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let correlator = Correlator::of(&request);
    let mut response = match hosts {
        _ if matches!(correlator, Some(Correlator::Malformed)) => {
            Problem::malformed("x-correlator: at most 256 of A-Z a-z 0-9 - _ : ; . / < > { }").into_response()
        }
        1 => next.run(request).await,
        0 if request.version() < Version::HTTP_11 => next.run(request).await,
        _ => Problem::malformed("exactly one Host header is needed").into_response(),
    };
    if let Some(correlator) = correlator {
        response = correlator.dress(response);
    }
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let route = route.unwrap_or_else(|| String::from("other"));
    let status = response.status().as_str().to_owned();
    metrics::counter!("callbridge_http_requests_total", "route" => route, "status" => status).increment(1);
    response
}

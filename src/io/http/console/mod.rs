//! `/console`: pages for the carrier's operators on the admin listener, behind a login: live calls, a call with its ladder and quality,
//! switches, representatives, businesses, refusals.
//!
//! Owns the routes, what every page is served with, and who is let in. Refuses to change anything: accounts are changed by the admin API
//! and the command line, calls by their business. Pages are made here; the one script asks for newer parts of them.

mod call;
mod calls;
mod desks;
mod history;
mod login;
mod places;
mod plot;
mod view;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use self::history::{History, STEP_SECONDS};
use self::view::Frame;
use super::admin::AdminApp;
use super::admin::operators::Operator;
use crate::engine::api::{Look, Looked, Reply};
use crate::io::engine_thread::EngineHandle;

/// Where the console is; its cookie goes nowhere else.
pub const PATH: &str = "/console";
/// Nothing from outside, nothing written into a page runs.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = include_str!("../../../../assets/pages/console/style.css");
const ICON: &str = include_str!("../../../../assets/pages/console/icon.svg");
const SCRIPT: &str = include_str!("../../../../assets/pages/console/console.js");

/// What the pages are made of.
pub struct Console {
    /// Who is let in, and the store.
    pub admin: Arc<AdminApp>,
    /// What is live.
    pub engine: EngineHandle,
    /// The Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The listener speaks TLS: the cookie is for TLS only.
    pub secure: bool,
    history: History,
}

impl Console {
    /// Its pages have nothing to show of the past yet.
    pub fn new(
        admin: Arc<AdminApp>,
        engine: EngineHandle,
        metrics: Arc<dyn Fn() -> String + Send + Sync>,
        secure: bool,
    ) -> Console {
        Console { admin, engine, metrics, secure, history: History::default() }
    }

    /// Samples the metrics until the console is gone, where there is somebody who may look: an idle daemon without operators does not
    /// write them out every few seconds for nobody.
    pub fn remember(self: &Arc<Console>) {
        let console = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut step = tokio::time::interval(Duration::from_secs(STEP_SECONDS));
            step.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                step.tick().await;
                let Some(console) = console.upgrade() else { return };
                if !console.admin.operators.load().is_empty() {
                    console.history.add((console.admin.clock)(), &(console.metrics)());
                }
            }
        });
    }

    /// What the engine shows, within the time that every answer has.
    async fn look(&self, look: Look) -> Result<Looked, Trouble> {
        match tokio::time::timeout(self.admin.patience.answer, self.engine.look(look)).await {
            Ok(Reply::Looked(looked)) => Ok(looked),
            _ => Err(Trouble::Busy),
        }
    }
}

/// The pages.
pub fn router(console: Arc<Console>) -> Router {
    console.remember();
    Router::new()
        .route("/console", get(places::overview))
        .route("/console/overview/now", get(places::overview_now))
        .route("/console/login", get(login::form).post(login::log_in))
        .route("/console/logout", post(login::log_out))
        .route("/console/calls", get(calls::page))
        .route("/console/calls/live", get(calls::live))
        .route("/console/calls/{id}", get(call::page))
        .route("/console/calls/{id}/now", get(call::now))
        .route("/console/calls/{id}/ladder.svg", get(call::ladder))
        .route("/console/switches", get(places::switches))
        .route("/console/switches/now", get(places::switches_now))
        .route("/console/representatives", get(desks::page))
        .route("/console/representatives/now", get(desks::now))
        .route("/console/businesses", get(places::businesses))
        .route("/console/refusals", get(places::refusals))
        .route("/console/refusals/now", get(places::refusals_now))
        .route("/console/style.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/console/icon.svg", get(async || asset("image/svg+xml", ICON)))
        .route("/console/console.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .with_state(console)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

/// Who looks: the operator of a session, or who has none and is sent to the login.
struct Viewer(Operator);

impl FromRequestParts<Arc<Console>> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Viewer, Response> {
        let operators = console.admin.operators.load();
        let operator = operators.of_cookie(&parts.headers, (console.admin.clock)());
        operator.map(Viewer).ok_or_else(|| ask_to_log_in(&parts.headers))
    }
}

/// A script is told; a person is led.
fn ask_to_log_in(headers: &HeaderMap) -> Response {
    let fetched = headers.get("sec-fetch-dest").is_some_and(|kind| kind == "empty");
    match fetched {
        true => StatusCode::UNAUTHORIZED.into_response(),
        false => Redirect::to("/console/login").into_response(),
    }
}

/// A page or a part of one.
fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let mut response = (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page of the console cannot be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Why a page cannot be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trouble {
    /// The engine or the store does not answer in time.
    Busy,
    /// There is no such call.
    NoCall,
}

impl Trouble {
    fn page(self, frame: Frame) -> Response {
        let (status, title, detail) = match self {
            Trouble::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, "Busy", "The equipment does not answer in time. Try again.")
            }
            Trouble::NoCall => (StatusCode::NOT_FOUND, "No such call", "There is no call of this identifier."),
        };
        html(status, &view::ProblemPage { frame, title, detail })
    }

    fn status(self) -> Response {
        match self {
            Trouble::Busy => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Trouble::NoCall => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

//! `/console/representatives`: how the representatives of every account stand, and who waits for them. Owns this page; refuses to change
//! anything: log-ons are the business's.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::view::{Fact, Frame, moment};
use super::{Console, Trouble, Viewer, html};
use crate::engine::api::{DeskView, Look, Looked};
use crate::model::RepresentativeView;

struct Row {
    name: String,
    state: String,
    class: &'static str,
    since: String,
    until: String,
    call: Option<String>,
    session_until: String,
}

struct Desk {
    business: String,
    facts: Vec<Fact>,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "console/representatives.html")]
struct Page {
    frame: Frame,
    now: String,
}

#[derive(Template)]
#[template(path = "console/representatives_now.html")]
struct Now {
    desks: Vec<Desk>,
}

/// `GET /console/representatives`
pub(super) async fn page(State(console): State<Arc<Console>>, Viewer(operator): Viewer) -> Response {
    let frame = Frame { operator: operator.name, here: "/console/representatives" };
    match part(&console).await {
        Ok(part) => html(StatusCode::OK, &Page { frame, now: part.render().unwrap_or_default() }),
        Err(trouble) => trouble.page(frame),
    }
}

/// `GET /console/representatives/now`
pub(super) async fn now(State(console): State<Arc<Console>>, _: Viewer) -> Response {
    match part(&console).await {
        Ok(part) => html(StatusCode::OK, &part),
        Err(trouble) => trouble.status(),
    }
}

async fn part(console: &Console) -> Result<Now, Trouble> {
    match console.look(Look::Desks).await? {
        Looked::Desks(desks) => Ok(Now { desks: desks.into_iter().map(desk).collect() }),
        _ => Err(Trouble::Busy),
    }
}

fn desk(view: DeskView) -> Desk {
    let longest = view.queue.longest_wait_seconds.map_or_else(String::new, |seconds| format!("{seconds} s"));
    let facts = vec![
        Fact::new("in line", view.queue.waiting),
        Fact::new("on the phone, waiting", view.queue.holding),
        Fact::new("longest wait", longest),
    ];
    Desk { business: view.business.to_string(), facts, rows: view.representatives.into_iter().map(row).collect() }
}

fn row(view: RepresentativeView) -> Row {
    let class = match view.state.as_str() {
        "available" => "good",
        "set_aside" => "bad",
        "logged_off" => "",
        _ => "warn",
    };
    let at = |at: Option<crate::clock::Wall>| at.map(moment).unwrap_or_default();
    let name = if view.name.is_empty() { view.id.to_string() } else { format!("{} ({})", view.name, view.id) };
    Row {
        name,
        state: view.state.replace('_', " "),
        class,
        since: at(view.since),
        until: at(view.until),
        call: view.call.map(|call| call.to_string()),
        session_until: at(view.session_until),
    }
}

//! The list of calls: live ones of every business as they change, ended ones with search. Owns the page and its live part; refuses to
//! look further back than the store's answer is bounded to.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::view::{Frame, Row};
use super::{Console, Trouble, Viewer, html};
use crate::engine::api::{Look, LookFilter, Looked};
use crate::io::store::CallSearch;
use crate::model::{CallId, CallView};

/// Live calls that are shown at once.
const LIVE: usize = 200;
/// Ended calls of one page.
const ENDED: usize = 50;
/// Longest text that is searched for.
const MAX_QUERY: usize = 100;

/// What is searched for, and where the page begins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    q: Option<String>,
    before: Option<CallId>,
}

impl Asked {
    fn text(&self) -> Option<String> {
        let text: String = self.q.as_deref().unwrap_or_default().trim().chars().take(MAX_QUERY).collect();
        (!text.is_empty()).then_some(text)
    }
}

#[derive(Template)]
#[template(path = "console/calls.html")]
struct Page {
    frame: Frame,
    query: String,
    /// The search again, for the live part.
    suffix: String,
    live: String,
    ended: String,
}

#[derive(Template)]
#[template(path = "console/rows.html")]
struct Rows {
    note: Option<String>,
    rows: Vec<Row>,
    next: Option<String>,
}

/// `GET /console/calls?q=&before=`
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Viewer(operator): Viewer,
    Query(asked): Query<Asked>,
) -> Response {
    let frame = Frame { operator: operator.name, here: "/console/calls" };
    let query = asked.text();
    let parts = async { Ok((live_rows(&console, query.clone()).await?, ended_rows(&console, &asked).await?)) };
    match parts.await {
        Ok((live, ended)) => {
            let suffix = query.as_ref().map_or_else(String::new, |text| format!("?{}", encoded(text)));
            html(StatusCode::OK, &Page { frame, query: query.unwrap_or_default(), suffix, live, ended })
        }
        Err(trouble) => Trouble::page(trouble, frame),
    }
}

/// `GET /console/calls/live?q=`
pub(super) async fn live(State(console): State<Arc<Console>>, _: Viewer, Query(asked): Query<Asked>) -> Response {
    match show_live(&console, asked.text()).await {
        Ok(rows) => html(StatusCode::OK, &rows),
        Err(trouble) => trouble.status(),
    }
}

async fn live_rows(console: &Console, text: Option<String>) -> Result<String, Trouble> {
    Ok(show_live(console, text).await?.render().unwrap_or_default())
}

async fn show_live(console: &Console, text: Option<String>) -> Result<Rows, Trouble> {
    let searched = text.is_some();
    let Looked::Live(live) = console.look(Look::Live(LookFilter { text, limit: LIVE })).await? else {
        return Err(Trouble::Busy);
    };
    let now = (console.admin.clock)();
    let all: usize = live.states.iter().map(|(_, count)| count).sum();
    let note =
        (live.calls.len() < all && !searched).then(|| format!("The newest {} of {all} live calls.", live.calls.len()));
    let cut = live.cut.then(|| "More calls are waiting or live than one look goes through.".to_owned());
    Ok(Rows { note: note.or(cut), rows: live.calls.iter().map(|view| Row::new(view, now)).collect(), next: None })
}

async fn ended_rows(console: &Console, asked: &Asked) -> Result<String, Trouble> {
    let search = CallSearch { text: asked.text(), before: asked.before, limit: ENDED };
    let found = console.admin.work(move |store| Ok(store.archive().search_ended(&search)?)).await;
    let found = found.map_err(|_| Trouble::Busy)?;
    let now = (console.admin.clock)();
    let next = found.next.map(|before| match asked.text() {
        Some(text) => format!("/console/calls?{}&before={before}", encoded(&text)),
        None => format!("/console/calls?before={before}"),
    });
    let note = found.cut.then(|| "Older calls were not searched: go on with “Older calls”.".to_owned());
    let views = found.records.iter().map(|record| CallView::from_record(record, &[]));
    let rows = views.map(|view| Row::new(&view, now)).collect();
    Ok(Rows { note, rows, next }.render().unwrap_or_default())
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish()
}

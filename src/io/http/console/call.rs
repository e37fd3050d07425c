//! One call: where it stands, its legs, quality over time, its ladder. Owns the page and its live part.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::plot::{Plot, Series, Until};
use super::view::{Drawn, Fact, Frame, LegRow, class, lasted, moment, state};
use super::{Console, Trouble, Viewer, html};
use crate::clock::Wall;
use crate::engine::api::{Look, Looked, Reply};
use crate::ladder::Ladder;
use crate::model::{CallId, CallState, CallView, LegView, SampleView};

/// Seconds that a plot of a leg's quality shows: as much as the engine keeps.
const SHOWN: f64 = 600.0;

#[derive(Template)]
#[template(path = "console/call.html")]
struct Page {
    frame: Frame,
    id: String,
    live: bool,
    now: String,
}

#[derive(Template)]
#[template(path = "console/call_now.html")]
struct Now {
    state: &'static str,
    class: &'static str,
    business: String,
    reference: Option<String>,
    facts: Vec<Fact>,
    legs: Vec<LegRow>,
    plots: Vec<Drawn>,
}

/// `GET /console/calls/{id}`
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Viewer(operator): Viewer,
    Path(id): Path<String>,
) -> Response {
    let frame = Frame { operator: operator.name, here: "/console/calls" };
    match find(&console, &id).await {
        Ok(view) => {
            let now = shown(&view, (console.admin.clock)()).render().unwrap_or_default();
            let live = view.state != CallState::Ended;
            html(StatusCode::OK, &Page { frame, id: view.id.to_string(), live, now })
        }
        Err(trouble) => trouble.page(frame),
    }
}

/// `GET /console/calls/{id}/now`
pub(super) async fn now(State(console): State<Arc<Console>>, _: Viewer, Path(id): Path<String>) -> Response {
    match find(&console, &id).await {
        Ok(view) => html(StatusCode::OK, &shown(&view, (console.admin.clock)())),
        Err(trouble) => trouble.status(),
    }
}

/// A call's ladder: of the engine until the store has it.
async fn ladder_of(console: &Console, id: CallId) -> Result<Option<Arc<Ladder>>, Trouble> {
    let held = tokio::time::timeout(console.admin.patience.answer, console.engine.look(Look::Ladder(id))).await;
    match held.map_err(|_| Trouble::Busy)? {
        Reply::Ladder(Some(ladder)) => Ok(Some(ladder)),
        _ => {
            let stored = console.admin.work(move |store| Ok(store.archive().ladder_of(id)?)).await;
            Ok(stored.ok().flatten().map(Arc::new))
        }
    }
}

/// `GET /console/calls/{id}/ladder.svg`
pub(super) async fn ladder(State(console): State<Arc<Console>>, _: Viewer, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<CallId>() else { return Trouble::NoCall.status() };
    let svg = match ladder_of(&console, id).await {
        Ok(Some(ladder)) => ladder.to_svg(),
        Ok(None) => return Trouble::NoCall.status(),
        Err(trouble) => return trouble.status(),
    };
    // The picture has a style of its own, and nothing else may be loaded or run.
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CONTENT_SECURITY_POLICY, policy)], svg).into_response()
}

/// Of the engine while it lives, else of the store.
async fn find(console: &Console, id: &str) -> Result<CallView, Trouble> {
    let id = id.parse::<CallId>().map_err(|_| Trouble::NoCall)?;
    if let Looked::Call(Some(view)) = console.look(Look::Call(id)).await? {
        return Ok(*view);
    }
    let found = console.admin.work(move |store| Ok(store.archive().ended_call(id)?)).await;
    let (record, attempts) = found.map_err(|_| Trouble::Busy)?.ok_or(Trouble::NoCall)?;
    let mut view = CallView::from_record(&record, &attempts);
    // What it sounded like is kept with its ladder, and gone with it.
    if let Some(ladder) = ladder_of(console, id).await? {
        for (attempt, leg) in (0u16..).zip(&mut view.attempts) {
            leg.quality_samples = ladder.sound(attempt).iter().map(|(at, sample)| sample.view(*at)).collect();
        }
    }
    Ok(view)
}

fn shown(view: &CallView, now: Wall) -> Now {
    let mut facts = vec![Fact::new("Created", moment(view.created_at))];
    let mut add = |name: &str, value: Option<String>| facts.extend(value.map(|value| Fact::new(name, value)));
    add("Wanted at", view.desired_contact_time.map(moment));
    add("Joined at", view.bridged_at.map(moment));
    add("Ended at", view.ended_at.map(moment));
    add("Talk", view.bridged_at.map(|bridged| lasted(bridged, view.ended_at.unwrap_or(now))));
    add("Billed seconds", view.billable_seconds.map(|seconds| seconds.to_string()));
    add("Answered by", view.customer_answered_by.map(|who| who.as_str().to_owned()));
    add("Source", Some(view.source.as_str().replace('_', " ")));
    add("Page", view.web_page.as_ref().map(|page| page.url.clone()));
    add("Transferred to", view.transferred_to.as_ref().map(ToString::to_string));
    add("Recording", view.recording.as_ref().map(|recording| recording.state.as_str().to_owned()));
    Now {
        state: state(view),
        class: class(view),
        business: view.business_id.to_string(),
        reference: view.reference.clone(),
        facts,
        legs: legs(view).map(|(name, leg)| LegRow::new(name, leg)).collect(),
        plots: plots(view, now),
    }
}

/// The attempts by number; a call of which none was tried shows whom it is for.
fn legs(view: &CallView) -> impl Iterator<Item = (String, &LegView)> {
    let named = |index: usize| {
        if index == 0 { "customer".to_owned() } else { format!("attempt {index}") }
    };
    let tried = view.attempts.iter().enumerate().map(move |(index, leg)| (named(index), leg));
    let planned = [Some(("customer", &view.customer)), view.representative.as_ref().map(|leg| ("representative", leg))];
    let planned = planned.into_iter().flatten().filter(|_| view.attempts.is_empty());
    tried.chain(planned.map(|(name, leg)| (name.to_owned(), leg)))
}

fn plots(view: &CallView, now: Wall) -> Vec<Drawn> {
    let measured: Vec<(String, &LegView)> = legs(view).filter(|(_, leg)| !leg.quality_samples.is_empty()).collect();
    if measured.is_empty() {
        return Vec::new();
    }
    let seconds = |at: Wall| at.0 as f64 / 1000.0;
    let (to, until) = match view.ended_at {
        Some(ended) => (seconds(ended), Until::End),
        None => (seconds(now), Until::Now),
    };
    // A sample is of the five seconds before it.
    let first =
        measured.iter().filter_map(|(_, leg)| leg.quality_samples.first()).map(|sample| seconds(sample.at) - 5.0);
    let from = match until {
        Until::End => first.fold(to - 5.0, f64::min),
        Until::Now => to - SHOWN,
    };
    let plot = |title: &str, unit, least_top, value: fn(&SampleView) -> Option<f64>| {
        let series = measured.iter().map(|(name, leg)| Series {
            name: name.clone(),
            points: leg
                .quality_samples
                .iter()
                .filter_map(|sample| Some((seconds(sample.at), value(sample)?)))
                .collect(),
        });
        Drawn::from(Plot { title: title.to_owned(), unit, series: series.collect(), from, to, until, least_top })
    };
    vec![
        plot("Opinion score of what came (1 to 4.5)", "", 4.5, |sample| sample.mos),
        plot("Opinion score of what was heard there", "", 4.5, |sample| sample.peer_mos),
        plot("Lost", " %", 1.0, |sample| sample.lost_percent),
        plot("Jitter", " ms", 5.0, |sample| sample.jitter_ms),
        plot("Round trip", " ms", 20.0, |sample| sample.round_trip_ms),
    ]
}

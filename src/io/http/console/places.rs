//! The overview, switches, businesses, refusals. Owns these pages; refuses to change what they show.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::history::refusals as counted;
use super::view::{Drawn, Fact, Frame};
use super::{Console, Trouble, Viewer, html};
use crate::engine::api::{Live, Look, LookFilter, Looked, SwitchView};
use crate::io::store::Archive;
use crate::model::{Business, Recording};

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage {
    frame: Frame,
    now: String,
}

#[derive(Template)]
#[template(path = "console/overview_now.html")]
struct OverviewNow {
    cards: Vec<Fact>,
    plots: Vec<Drawn>,
}

/// `GET /console`
pub(super) async fn overview(State(console): State<Arc<Console>>, Viewer(operator): Viewer) -> Response {
    let frame = Frame { operator: operator.name, here: "/console" };
    match overview_part(&console).await {
        Ok(part) => html(StatusCode::OK, &OverviewPage { frame, now: part.render().unwrap_or_default() }),
        Err(trouble) => trouble.page(frame),
    }
}

/// `GET /console/overview/now`
pub(super) async fn overview_now(State(console): State<Arc<Console>>, _: Viewer) -> Response {
    match overview_part(&console).await {
        Ok(part) => html(StatusCode::OK, &part),
        Err(trouble) => trouble.status(),
    }
}

async fn overview_part(console: &Console) -> Result<OverviewNow, Trouble> {
    let live = live(console).await?;
    let Looked::Switches(switches) = console.look(Look::Switches).await? else { return Err(Trouble::Busy) };
    let up = switches.iter().filter(|switch| switch.up && !switch.drained).count();
    let mut cards: Vec<Fact> =
        live.states.iter().map(|(state, count)| Fact::new(&state.as_str().replace('_', " "), count)).collect();
    cards.push(Fact::new("scheduled", live.scheduled));
    cards.push(Fact::new("switches that work", format!("{up} of {}", switches.len())));
    let plots = console.history.plots((console.admin.clock)()).into_iter().map(Drawn::from).collect();
    Ok(OverviewNow { cards, plots })
}

async fn live(console: &Console) -> Result<Live, Trouble> {
    match console.look(Look::Live(LookFilter::default())).await? {
        Looked::Live(live) => Ok(live),
        _ => Err(Trouble::Busy),
    }
}

struct SwitchRow {
    name: String,
    state: &'static str,
    class: &'static str,
    channels: u32,
    places: Vec<PlaceRow>,
}

struct PlaceRow {
    text: String,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "console/switches.html")]
struct SwitchesPage {
    frame: Frame,
    now: String,
}

#[derive(Template)]
#[template(path = "console/switches_now.html")]
struct SwitchesNow {
    switches: Vec<SwitchRow>,
}

/// `GET /console/switches`
pub(super) async fn switches(State(console): State<Arc<Console>>, Viewer(operator): Viewer) -> Response {
    let frame = Frame { operator: operator.name, here: "/console/switches" };
    match switches_part(&console).await {
        Ok(part) => html(StatusCode::OK, &SwitchesPage { frame, now: part.render().unwrap_or_default() }),
        Err(trouble) => trouble.page(frame),
    }
}

/// `GET /console/switches/now`
pub(super) async fn switches_now(State(console): State<Arc<Console>>, _: Viewer) -> Response {
    match switches_part(&console).await {
        Ok(part) => html(StatusCode::OK, &part),
        Err(trouble) => trouble.status(),
    }
}

async fn switches_part(console: &Console) -> Result<SwitchesNow, Trouble> {
    match console.look(Look::Switches).await? {
        Looked::Switches(switches) => Ok(SwitchesNow { switches: switches.into_iter().map(switch_row).collect() }),
        _ => Err(Trouble::Busy),
    }
}

fn switch_row(switch: SwitchView) -> SwitchRow {
    let (state, class) = match (switch.drained, switch.up) {
        (true, _) => ("in maintenance", "warn"),
        (false, true) => ("works", "good"),
        (false, false) => ("down", "bad"),
    };
    let place = |(hop, works): (crate::model::Hop, bool)| PlaceRow {
        text: hop.to_string(),
        class: if works { "good" } else { "bad" },
    };
    let places = switch.places.into_iter().map(place).collect();
    SwitchRow { name: switch.name, state, class, channels: switch.channels, places }
}

struct BusinessRow {
    id: String,
    name: String,
    state: &'static str,
    class: &'static str,
    live: usize,
    concurrent: u32,
    per_second: u32,
    scheduled: u32,
    recording: &'static str,
    direct: &'static str,
    webhook: &'static str,
}

#[derive(Template)]
#[template(path = "console/businesses.html")]
struct BusinessesPage {
    frame: Frame,
    rows: Vec<BusinessRow>,
}

/// `GET /console/businesses`
pub(super) async fn businesses(State(console): State<Arc<Console>>, Viewer(operator): Viewer) -> Response {
    let frame = Frame { operator: operator.name, here: "/console/businesses" };
    let found = async {
        let directory = console.admin.work(|store| Ok(store.archive().directory()?)).await;
        Ok::<_, Trouble>((directory.map_err(|_| Trouble::Busy)?, live(&console).await?))
    };
    match found.await {
        Ok((directory, live)) => {
            let calls = |business: &Business| {
                live.businesses.iter().find(|(id, _)| *id == business.id).map_or(0, |(_, count)| *count)
            };
            let rows = directory.businesses.values().map(|business| business_row(business, calls(business))).collect();
            html(StatusCode::OK, &BusinessesPage { frame, rows })
        }
        Err(trouble) => trouble.page(frame),
    }
}

fn business_row(business: &Business, live: usize) -> BusinessRow {
    let (state, class) = if business.enabled { ("enabled", "good") } else { ("disabled", "bad") };
    BusinessRow {
        id: business.id.to_string(),
        name: business.name.clone(),
        state,
        class,
        live,
        concurrent: business.limits.max_concurrent,
        per_second: business.limits.max_per_second,
        scheduled: business.limits.max_scheduled,
        recording: match business.recording {
            Recording::Off => "off",
            Recording::OnRequest => "on request",
            Recording::Always => "always",
        },
        direct: if business.direct.allowed_origins.is_empty() { "no" } else { "yes" },
        webhook: match &business.webhook {
            None => "none",
            Some(webhook) if webhook.is_enabled() => "told",
            Some(_) => "gone",
        },
    }
}

#[derive(Template)]
#[template(path = "console/refusals.html")]
struct RefusalsPage {
    frame: Frame,
    now: String,
}

#[derive(Template)]
#[template(path = "console/refusals_now.html")]
struct RefusalsNow {
    rows: Vec<Fact>,
}

/// `GET /console/refusals`
pub(super) async fn refusals(State(console): State<Arc<Console>>, Viewer(operator): Viewer) -> Response {
    let frame = Frame { operator: operator.name, here: "/console/refusals" };
    html(StatusCode::OK, &RefusalsPage { frame, now: refusals_part(&console).render().unwrap_or_default() })
}

/// `GET /console/refusals/now`
pub(super) async fn refusals_now(State(console): State<Arc<Console>>, _: Viewer) -> Response {
    html(StatusCode::OK, &refusals_part(&console))
}

fn refusals_part(console: &Console) -> RefusalsNow {
    let rows = counted(&(console.metrics)()).into_iter();
    RefusalsNow { rows: rows.map(|(reason, count)| Fact::new(&reason.replace('_', " "), count)).collect() }
}

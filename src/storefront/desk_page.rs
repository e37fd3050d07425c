//! The desk's page: what a representative sees (612): who calls, their stored information, the page they are on and those before, the note,
//! who waits; and its newer parts as server-sent events. Owns what is shown; the actions are `desk`'s.
//!
//! The stream tells the whole of each part that changed, so a browser that was away needs no history.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::desk::AtDesk;
use super::shop::Shop;
use super::store::goods::{self, Order, Product};
use super::store::people::{self, Customer};
use super::store::reports::{self, Report};
use super::store::requests::{self, Request, Stage};
use super::store::staff::{self, Mode, Representative};
use super::stream::{self, QUIET, Stream};
use super::web::{App, Trouble, html};
use crate::clock::Wall;
use crate::model::{CallState, Outcome, ViewedPage};

/// Of those who wait so many are shown, of orders and reports so many.
const WAITING: usize = 20;
const RECORDS: u32 = 100;
/// Former orders beside a call.
const ORDERS: u32 = 5;

/// Everything that a desk shows at one moment.
struct Seen {
    representative: Representative,
    queue: Vec<Waits>,
    /// Those that this representative serves, then those of which a result is owed, the oldest first.
    calls: Vec<Shown>,
    products: Vec<Product>,
}

impl Seen {
    /// The one whose result is asked for: from the beginning of its talk on.
    fn form(&self) -> Option<&Shown> {
        let talked = || self.calls.iter().filter(|call| call.request.bridged_at.is_some());
        talked().find(|call| !call.request.is_open()).or_else(|| talked().next())
    }
}

/// Who waits.
struct Waits {
    who: String,
    page: String,
    since: Wall,
}

/// The call that this representative serves or writes up.
struct Shown {
    request: Request,
    customer: Option<Customer>,
    orders: Vec<Order>,
}

fn look(connection: &rusqlite::Connection, id: &str) -> rusqlite::Result<Option<Seen>> {
    let Some(representative) = staff::find(connection, id)? else { return Ok(None) };
    let who = |request: &Request| -> rusqlite::Result<Option<Customer>> {
        request.customer.map_or(Ok(None), |id| people::customer(connection, id))
    };
    let mut queue = Vec::new();
    let open = requests::open(connection)?;
    let waits = |request: &&Request| request.stage == Stage::Waiting && request.state == CallState::Queued;
    for request in open.iter().filter(waits).take(WAITING) {
        let name = who(request)?.map_or_else(|| request.address.clone(), |customer| customer.name);
        let page = request.page.as_ref().map(|page| page.title.clone().unwrap_or_else(|| page.url.clone()));
        queue.push(Waits { who: name, page: page.unwrap_or_default(), since: request.due_at });
    }
    let mut calls = Vec::new();
    for request in requests::owed(connection, id)? {
        let customer = who(&request)?;
        let orders = match &customer {
            Some(customer) => goods::orders(connection, Some(customer.id), ORDERS)?,
            None => Vec::new(),
        };
        calls.push(Shown { request, customer, orders });
    }
    calls.sort_by_key(|call| !call.request.is_open());
    Ok(Some(Seen { representative, queue, calls, products: goods::products(connection)? }))
}

#[derive(Template)]
#[template(path = "storefront/desk_status.html")]
struct StatusPart<'a> {
    token: &'a str,
    seen: &'a Seen,
    now: Wall,
}

impl StatusPart<'_> {
    fn state(&self) -> &'static str {
        let open = self.seen.calls.iter().any(|call| call.request.is_open());
        match self.seen.representative.mode {
            Mode::Available if open => "Busy",
            Mode::Available if self.seen.representative.missed_at.is_some() => "Set aside",
            Mode::Available => "Available",
            Mode::Break => "On a break",
            Mode::WrapUp => "Wrap-up",
            Mode::Off => "Logged off",
        }
    }

    fn is_free(&self) -> bool {
        let one = &self.seen.representative;
        one.mode == Mode::Available && one.serving.is_none() && one.missed_at.is_none()
    }

    fn may_go_on(&self) -> bool {
        let one = &self.seen.representative;
        one.mode == Mode::Break || one.missed_at.is_some() && one.mode == Mode::Available
    }

    fn minutes(&self, waits: &Waits) -> u64 {
        self.now.millis_since(waits.since) / 60_000
    }
}

#[derive(Template)]
#[template(path = "storefront/desk_call.html")]
struct CallPart<'a> {
    token: &'a str,
    calls: &'a [Shown],
}

impl Shown {
    fn who(&self) -> &str {
        self.customer.as_ref().map_or("A customer without an account", |customer| customer.name.as_str())
    }

    fn state(&self) -> &'static str {
        match (self.request.state, self.request.outcome) {
            (CallState::Scheduled | CallState::Queued, _) => "is about to be called",
            (CallState::CallingCustomer, _) => "is being called",
            (CallState::CallingRepresentative, _) => "holds for you: your phone rings",
            (CallState::Bridged, _) => "is on the line",
            (CallState::Ended, Some(Outcome::Completed)) => "has talked with you",
            (CallState::Ended, _) => "was not reached",
        }
    }

    fn talks(&self) -> bool {
        self.request.state == CallState::Bridged
    }

    fn title<'p>(&self, title: &'p Option<String>, url: &'p str) -> &'p str {
        title.as_deref().unwrap_or(url)
    }

    /// The latest first, as one looks back.
    fn viewed(&self) -> Vec<&ViewedPage> {
        self.request.page.as_ref().map_or_else(Vec::new, |page| page.viewed.iter().rev().collect())
    }
}

#[derive(Template)]
#[template(path = "storefront/desk_after.html")]
struct AfterPart<'a> {
    token: &'a str,
    form: Option<&'a Shown>,
    products: &'a [Product],
}

impl AfterPart<'_> {
    fn name(&self) -> &str {
        self.form.and_then(|call| call.customer.as_ref()).map_or("", |customer| customer.name.as_str())
    }

    /// The product whose page the customer was on.
    fn is_on(&self, product: &Product) -> bool {
        let page = self.form.and_then(|call| call.request.page.as_ref());
        page.is_some_and(|page| page.url.ends_with(&format!("/products/{}", product.id)))
    }
}

/// The parts as they are told: whoever has one already keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Parts {
    status: String,
    call: String,
    after: String,
    notes: Option<Notes>,
}

/// What is noted of the call whose form is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Notes {
    request: String,
    text: String,
}

async fn parts(shop: &Shop, id: &str, token: &str) -> Result<Option<Parts>, Trouble> {
    let (owned, now) = (id.to_owned(), shop.wall());
    let Some(seen) = shop.store.read(move |c| look(c, &owned)).await? else { return Ok(None) };
    if seen.representative.mode == Mode::Off {
        return Ok(None);
    }
    let form = seen.form();
    let notes = form.map(|call| Notes { request: call.request.id.clone(), text: call.request.notes.clone() });
    let made = |text: Result<String, askama::Error>| match text {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => {
            tracing::error!(%error, "a part of the desk cannot be made");
            Err(Trouble::Broken)
        }
    };
    Ok(Some(Parts {
        call: made(CallPart { token, calls: &seen.calls }.render())?,
        after: made(AfterPart { token, form, products: &seen.products }.render())?,
        status: made(StatusPart { token, seen: &seen, now }.render())?,
        notes,
    }))
}

#[derive(Template)]
#[template(path = "storefront/desk.html")]
struct Page {
    company: String,
    name: String,
    token: String,
    lease: u64,
    parts: Parts,
}

/// `GET /desk`
pub async fn page(State(shop): App, at: AtDesk) -> Result<Response, Trouble> {
    let AtDesk { representative, token, .. } = at;
    let parts = parts(&shop, &representative.id, &token).await?.ok_or(Trouble::LogOn("/desk/login"))?;
    let (company, name, lease) = (shop.company.clone(), representative.name, shop.lease.as_secs());
    Ok(html(StatusCode::OK, &Page { company, name, token, lease, parts }))
}

/// `GET /desk/events`: `parts`, whenever one changes; `off` when this representative is logged off.
pub async fn events(State(shop): App, at: AtDesk) -> Response {
    let Some((response, stream)) = Stream::open(&shop.streams) else { return stream::full() };
    tokio::spawn(async move { tell(&shop, &at.representative.id, &at.token, &stream).await });
    response
}

async fn tell(shop: &Arc<Shop>, id: &str, token: &str, stream: &Stream) {
    let mut changes = shop.store.changes();
    let mut told = None;
    loop {
        let number = *changes.borrow_and_update();
        let fresh = match parts(shop, id, token).await {
            Ok(Some(fresh)) => fresh,
            Ok(None) => {
                let _over = stream.event("off", number, "{}").await;
                return;
            }
            Err(_) => return,
        };
        if told.as_ref() != Some(&fresh) {
            let Ok(data) = serde_json::to_string(&fresh) else { return };
            if stream.event("parts", number, &data).await.is_err() {
                return;
            }
            told = Some(fresh);
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(QUIET) => if stream.still().await.is_err() { return },
            () = stream.gone() => return,
        }
    }
}

#[derive(Template)]
#[template(path = "storefront/desk_records.html")]
struct RecordsPage {
    company: String,
    name: String,
    token: String,
    reports: Vec<Report>,
    orders: Vec<Order>,
}

/// `GET /desk/records`: complaints that wait, other information, orders.
pub async fn records(State(shop): App, at: AtDesk) -> Result<Response, Trouble> {
    let (reports, orders) =
        shop.store.read(|c| Ok((reports::all(c, RECORDS)?, goods::orders(c, None, RECORDS)?))).await?;
    let (company, name) = (shop.company.clone(), at.representative.name);
    Ok(html(StatusCode::OK, &RecordsPage { company, name, token: at.token, reports, orders }).into_response())
}

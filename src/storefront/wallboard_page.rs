//! The wallboard's page: who waits, how long, how the day goes, who does what; and its newer parts as server-sent events. Owns what is
//! shown; the actions are `wallboard`'s.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::shop::Shop;
use super::store::people;
use super::store::requests::{self, Request, Stage};
use super::store::staff::{self, Representative};
use super::store::supervisors::{self, Day};
use super::stream::{self, Stream};
use super::wallboard::AtBoard;
use super::web::{App, Trouble, html};
use crate::clock::Wall;
use crate::model::{CallState, SupervisorMode};

/// Times go on without a change.
const TICK: Duration = Duration::from_secs(5);

/// Those who wait for the same.
struct Queue {
    what: String,
    waiting: u32,
    since: Wall,
    /// When the last of them may expect somebody, in minutes.
    estimate: Option<u64>,
}

/// A representative, and the call that they are in.
struct Row {
    one: Representative,
    state: &'static str,
    call: Option<Call>,
}

struct Call {
    request: Request,
    customer: String,
    page: String,
    /// Who takes part, and how.
    third: Option<(String, SupervisorMode)>,
}

#[derive(Template)]
#[template(path = "storefront/wallboard_now.html")]
struct Now<'a> {
    token: &'a str,
    supervisor: &'a str,
    now: Wall,
    day: Day,
    promised: u64,
    queues: Vec<Queue>,
    rows: Vec<Row>,
}

impl Now<'_> {
    fn waiting(&self) -> u32 {
        self.queues.iter().map(|queue| queue.waiting).sum()
    }

    fn ago(&self, since: &Wall) -> String {
        minutes(self.now.millis_since(*since) / 1000)
    }

    fn longest(&self) -> String {
        self.queues.iter().map(|queue| queue.since).min().map_or_else(|| "–".to_owned(), |since| self.ago(&since))
    }

    fn level(&self) -> String {
        self.day.service_level().map_or_else(|| "–".to_owned(), |percent| format!("{percent} %"))
    }

    fn mean(&self) -> String {
        self.day.mean_wait().map_or_else(|| "–".to_owned(), minutes)
    }

    fn words(&self, state: &str) -> &'static str {
        match state {
            "available" => "Available",
            "promised" => "Customer's phone rings",
            "ringing" => "Phone rings",
            "busy" => "Talks",
            "wrap_up" => "Wrap-up",
            "break" => "On a break",
            "set_aside" => "Set aside",
            _ => "Logged off",
        }
    }

    fn may_listen(&self, call: &Call) -> bool {
        call.request.state == CallState::Bridged && call.third.as_ref().is_none_or(|(id, _)| id == self.supervisor)
    }

    fn is_there(&self, call: &Call, mode: &str) -> bool {
        call.third.as_ref().is_some_and(|(id, own)| id == self.supervisor && own.as_str() == mode)
    }
}

/// `40 s`, `3 min`
fn minutes(seconds: u64) -> String {
    match seconds {
        0..90 => format!("{} s", seconds / 5 * 5),
        _ => format!("{} min", (seconds + 30) / 60),
    }
}

/// The beginning of the day on the company's clock.
fn midnight(shop: &Shop) -> Wall {
    let now = shop.wall();
    let Ok(moment) = jiff::Timestamp::from_millisecond(now.0) else { return now };
    let day = shop.zone.to_datetime(moment).date();
    let start = shop.zone.to_timestamp(day.to_datetime(jiff::civil::Time::midnight()));
    start.map_or(now, |start| Wall(start.as_millisecond()))
}

/// What is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Parts {
    now: String,
}

async fn parts(shop: &Shop, at: &AtBoard) -> Result<Parts, Trouble> {
    let (since, promised, now) = (midnight(shop), shop.promised, shop.wall());
    let look = shop.store.read(move |c| {
        let open = requests::open(c)?;
        let mut named = BTreeMap::new();
        for request in &open {
            let customer = request.customer.map_or(Ok(None), |id| people::customer(c, id))?;
            named.insert(request.id.clone(), customer.map_or_else(|| request.address.clone(), |one| one.name));
        }
        Ok((open, named, staff::all(c)?, supervisors::day(c, since, promised)?))
    });
    let (open, named, mut staff, day) = look.await?;
    staff.sort_by(|a, b| a.name.cmp(&b.name));
    let mut queues: BTreeMap<Option<String>, Queue> = BTreeMap::new();
    for request in open.iter().filter(|one| one.stage == Stage::Waiting && one.state == CallState::Queued) {
        let what = request.wanted.clone().unwrap_or_else(|| "Anybody".to_owned());
        let estimate =
            shop.hall().wait(&request.id).and_then(|wait| wait.estimate).map(|time| time.as_secs().div_ceil(60));
        let new = Queue { what, waiting: 0, since: request.due_at, estimate: None };
        let queue = queues.entry(request.wanted.clone()).or_insert(new);
        (queue.waiting, queue.estimate) = (queue.waiting + 1, estimate.or(queue.estimate));
    }
    let row = |one: Representative| {
        let call = open.iter().find(|request| request.representative.as_deref() == Some(one.id.as_str()));
        let call = call.map(|request| Call {
            customer: named.get(&request.id).cloned().unwrap_or_default(),
            page: request
                .page
                .as_ref()
                .map(|page| page.title.clone().unwrap_or_else(|| page.url.clone()))
                .unwrap_or_default(),
            third: shop.supervises(&request.id),
            request: request.clone(),
        });
        Row { state: shop.hall().state(&one.id), call, one }
    };
    let rows = staff.into_iter().map(row).collect();
    let (token, supervisor) = (at.token.as_str(), at.supervisor.id.as_str());
    let queues = queues.into_values().collect();
    let text = Now { token, supervisor, now, day, promised: promised.as_secs(), queues, rows }.render();
    match text {
        Ok(now) => Ok(Parts { now: now.trim().to_owned() }),
        Err(error) => {
            tracing::error!(%error, "the wallboard cannot be made");
            Err(Trouble::Broken)
        }
    }
}

#[derive(Template)]
#[template(path = "storefront/wallboard.html")]
struct Page {
    company: String,
    name: String,
    address: String,
    token: String,
    parts: Parts,
}

/// `GET /wallboard`
pub async fn page(State(shop): App, at: AtBoard) -> Result<Response, Trouble> {
    let parts = parts(&shop, &at).await?;
    let (company, token) = (shop.company.clone(), at.token);
    let page = Page { company, name: at.supervisor.name, address: at.supervisor.address, token, parts };
    Ok(html(StatusCode::OK, &page))
}

/// `GET /wallboard/events`: `parts`, whenever one changes.
pub async fn events(State(shop): App, at: AtBoard) -> Response {
    let Some((response, stream)) = Stream::open(&shop.streams) else { return stream::full() };
    tokio::spawn(async move { tell(&shop, &at, &stream).await });
    response
}

async fn tell(shop: &Arc<Shop>, at: &AtBoard, stream: &Stream) {
    let mut changes = shop.store.changes();
    let (mut told, mut quiet) = (None, Duration::ZERO);
    loop {
        let number = *changes.borrow_and_update();
        if !at.is_there(shop).await {
            return;
        }
        let Ok(fresh) = parts(shop, at).await else { return };
        let said = if told.as_ref() != Some(&fresh) {
            let Ok(data) = serde_json::to_string(&fresh) else { return };
            (told, quiet) = (Some(fresh), Duration::ZERO);
            stream.event("parts", number, &data).await
        } else if quiet >= stream::QUIET {
            quiet = Duration::ZERO;
            stream.still().await
        } else {
            Ok(())
        };
        if said.is_err() {
            return;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(TICK) => quiet += TICK,
            () = stream.gone() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_so_that_they_do_not_flicker() {
        assert_eq!(
            [0, 4, 7, 89, 90, 149, 150, 3600].map(minutes),
            ["0 s", "0 s", "5 s", "85 s", "2 min", "2 min", "3 min", "60 min"]
        );
    }
}

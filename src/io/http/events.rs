//! `GET /v1/calls/{id}/events`: a call's events as they happen (server-sent events, WHATWG HTML §9.2). Owns the stream: its form,
//! its pace, how many there are; refuses to know what happens to a call (the engine tells).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::app::App;
use super::calls::{call_id, mismatch, unreadable};
use super::openapi::{Asking, OfOneCall};
use super::port::Phase;
use super::problem::Problem;
use super::query;
use super::requests::RequestView;
use super::sender::Sender;
use crate::clock::Wall;
use crate::engine::api::{After, AlarmEvent, CallEvent, Reply, Watched};
use crate::engine::events::end_of;
use crate::io::told;
use crate::model::{Alarm, BusinessId, CallId, CallState, CallView, WaitView};

pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Streams of one business at once.
const OF_ONE_BUSINESS: u32 = 100;
/// Streams of all.
const OF_ALL: u32 = 1000;
/// Of them, streams of customers, who are strangers: never so many that businesses find no place.
const OF_CUSTOMERS: u32 = 500;
/// Streams of one call's customer at once: a page or two, and one that was left behind.
const OF_ONE_CUSTOMER: u32 = 4;
/// A reader that does not read is waited for so long, then it is on its own.
const UNREAD: Duration = Duration::from_secs(10);
/// A comment goes out this often, so that whoever stands between knows that the stream lives.
const QUIET: Duration = Duration::from_secs(15);
/// How often a stream looks whether it should end.
const LOOK: Duration = Duration::from_secs(1);
/// A stream ends before its connection is too old; the client comes again with `Last-Event-ID`.
const AGE: Duration = Duration::from_secs(540);
/// The type of an alarm's event.
const ALARM: &str = "call.alarm";
/// The type of the event of another place in line, or of another estimate.
const WAIT: &str = "call.wait";
/// How often a stream asks for the place of a customer who waits.
const WAIT_LOOK: Duration = Duration::from_secs(2);
/// What a client waits before it comes again.
const BEGINNING: &[u8] = b"retry: 2000\n\n";

/// For whom a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Watcher {
    /// The business whose call it is.
    Business,
    /// The customer who asked for it.
    Customer,
}

/// What streams are counted by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Count {
    Business(BusinessId),
    /// Of all customers of a business.
    CustomersOf(BusinessId),
    Customers,
    Call(CallId),
}

type Counts = Arc<Mutex<BTreeMap<Count, u32>>>;

/// The streams there are, counted.
#[derive(Debug, Default)]
pub struct Followers {
    counts: Counts,
}

/// One stream's place.
struct Place {
    counts: Counts,
    kinds: Vec<Count>,
}

impl Followers {
    fn take(&self, business: &BusinessId, call: CallId, watcher: Watcher) -> Result<Place, Problem> {
        let bounds = match watcher {
            Watcher::Business => vec![(Count::Business(business.clone()), OF_ONE_BUSINESS)],
            Watcher::Customer => vec![
                (Count::CustomersOf(business.clone()), OF_ONE_BUSINESS),
                (Count::Customers, OF_CUSTOMERS),
                (Count::Call(call), OF_ONE_CUSTOMER),
            ],
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = |(kind, count): (&Count, &u32)| match kind {
            Count::Business(_) | Count::Customers => *count,
            Count::CustomersOf(_) | Count::Call(_) => 0,
        };
        if counts.iter().map(whole).sum::<u32>() >= OF_ALL {
            return Err(Problem::unavailable(5, "too many event streams are open"));
        }
        for (kind, most) in &bounds {
            if counts.get(kind).is_some_and(|count| count >= most) {
                let detail = match watcher {
                    Watcher::Business => format!("at most {most} event streams of a business are open at once"),
                    Watcher::Customer => "too many event streams are open".to_owned(),
                };
                return Err(Problem::of(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(5));
            }
        }
        let kinds: Vec<Count> = bounds.into_iter().map(|(kind, _)| kind).collect();
        for kind in &kinds {
            *counts.entry(kind.clone()).or_default() += 1;
        }
        Ok(Place { counts: Arc::clone(&self.counts), kinds })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in &self.kinds {
            if let Some(count) = counts.get_mut(kind) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(kind);
                }
            }
        }
    }
}

/// A call's events as they happen: server-sent events, `data` an object with `type`, `sequence`, `timestamp`, `state` and the call.
#[utoipa::path(get, operation_id = "followCall", path = "/v1/calls/{id}/events", tag = "calls", security(("business" = [])),
    params(("id" = CallId, Path, description = "The call"),
        ("Last-Event-ID" = Option<u32>, Header, description = "Only what happened after this event")),
    responses(
        (status = 200, description = "The stream; it ends after `call.ended`", content_type = "text/event-stream", body = String),
        (status = 204, description = "The end is known already: do not come again"),
        (status = 429, description = "Too many streams are open; see `Retry-After`",
            content_type = "application/problem+json", body = super::problem::ProblemDocument<'static>),
        Asking, OfOneCall
    )
)]
pub async fn follow(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: Sender,
) -> Result<Response, Problem> {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    let id = call_id(&id)?;
    stream(app, business, id, &headers, Watcher::Business).await
}

/// The stream of this call for one who may see it.
pub(super) async fn stream(
    app: Arc<App>,
    business: BusinessId,
    id: CallId,
    headers: &HeaderMap,
    watcher: Watcher,
) -> Result<Response, Problem> {
    let after = last_event_id(headers)?;
    let place = app.followers.take(&business, id, watcher)?;
    let known = known(&app, &business, id, after).await?.ok_or_else(Problem::no_such_call)?;
    if matches!(&known, Known::Ended(end) if end.events.is_empty()) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (lines, body) = mpsc::channel(4);
    tokio::spawn(async move {
        let _place = place;
        Stream { app, business, id, after: After { sequence: after, alarms: None }, lines, watcher }.run(known).await;
    });
    let mut response = Response::new(Body::new(Lines(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

/// The number of the last event that the client knows; absent: none.
fn last_event_id(headers: &HeaderMap) -> Result<u32, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(0) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Problem::malformed("Last-Event-ID is the id of an event of this stream"))
}

/// What is known of a call when a stream begins.
enum Known {
    /// The engine has it. A call that waits is not waited for by a daemon that stops.
    Live(Where),
    /// The store has it: its end, unless the client knows it.
    Ended(Box<Watched>),
}

async fn known(app: &App, business: &BusinessId, id: CallId, after: u32) -> Result<Option<Known>, Problem> {
    match app.answer(app.engine.get(business.clone(), id)).await? {
        Reply::Call(Some(call)) => Ok(Some(Known::Live(Where::of(&call)))),
        Reply::Call(None) => Ok(ended(app, business, id, after).await?.map(|end| Known::Ended(Box::new(end)))),
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

/// Where a call stands, as far as its follower was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Where {
    state: CallState,
    wait: Option<WaitView>,
}

impl Where {
    fn of(call: &CallView) -> Where {
        Where { state: call.state, wait: call.wait }
    }

    /// Nobody was dialled yet.
    fn waits(self) -> bool {
        matches!(self.state, CallState::Scheduled | CallState::Queued)
    }

    /// The customer may be in a line, in which others go and come.
    fn is_in_line(self) -> bool {
        matches!(self.state, CallState::Queued | CallState::CallingRepresentative)
    }
}

/// The end of a call that the store has.
async fn ended(app: &App, business: &BusinessId, id: CallId, after: u32) -> Result<Option<Watched>, Problem> {
    let found = app.answer(app.store.find_call(business.clone(), id)).await?.map_err(unreadable)?;
    Ok(found.map(|call| {
        let end = end_of(&call);
        let events = if end.sequence > after { vec![end] } else { Vec::new() };
        Watched { events, alarms: Vec::new(), call }
    }))
}

struct Stream {
    app: Arc<App>,
    business: BusinessId,
    id: CallId,
    after: After,
    lines: mpsc::Sender<Bytes>,
    watcher: Watcher,
}

/// Whether a stream goes on.
#[derive(PartialEq, Eq)]
enum Goes {
    On,
    Over,
}

impl Stream {
    async fn run(mut self, known: Known) {
        let end = Instant::now() + AGE;
        if self.say(Bytes::from_static(BEGINNING)).await == Goes::Over {
            return;
        }
        let mut told = match known {
            Known::Ended(watched) => {
                self.tell(&watched).await;
                return;
            }
            // Of its place this reader was told nothing yet.
            Known::Live(stands) => Where { wait: None, ..stands },
        };
        while Instant::now() < end {
            let Some(watched) = self.next(end, &mut told).await else { return };
            told = Where::of(&watched.call);
            if self.tell(&watched).await == Goes::Over {
                return;
            }
        }
    }

    /// The next events; `None`: the stream is over.
    async fn next(&self, end: Instant, told: &mut Where) -> Option<Watched> {
        let mut pending = self.app.engine.watch(self.business.clone(), self.id, self.after);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut quiet, mut looked) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                reply = &mut pending => return self.learned(reply).await,
                () = self.lines.closed() => return None,
                _ = look.tick() => {}
            }
            let stops = told.waits() && self.app.health.phase() == Phase::Draining;
            if stops || Instant::now() >= end {
                return None;
            }
            if told.is_in_line() && looked.elapsed() >= WAIT_LOOK {
                looked = Instant::now();
                if self.tell_wait(told).await == Goes::Over {
                    return None;
                }
            }
            if quiet.elapsed() >= QUIET {
                quiet = Instant::now();
                if self.say(Bytes::from_static(b": still there\n\n")).await == Goes::Over {
                    return None;
                }
            }
        }
    }

    async fn learned(&self, reply: Reply) -> Option<Watched> {
        match reply {
            Reply::Events(Some(watched)) => Some(*watched),
            // The store has it by now.
            Reply::Events(None) => {
                let end = ended(&self.app, &self.business, self.id, self.after.sequence).await.ok().flatten();
                end.filter(|end| !end.events.is_empty())
            }
            _ => None,
        }
    }

    /// States and alarms as they came: an alarm behind the state that it names.
    async fn tell(&mut self, watched: &Watched) -> Goes {
        let mut alarms = watched.alarms.iter().peekable();
        for event in &watched.events {
            while let Some(alarm) = alarms.next_if(|alarm| alarm.after < event.sequence) {
                if self.tell_alarm(alarm, &watched.call).await == Goes::Over {
                    return Goes::Over;
                }
            }
            let Some(text) = written(event, &watched.call, self.watcher) else { return Goes::Over };
            if self.say(text).await == Goes::Over || event.state == CallState::Ended {
                return Goes::Over;
            }
            self.after.sequence = event.sequence;
        }
        for alarm in alarms {
            if self.tell_alarm(alarm, &watched.call).await == Goes::Over {
                return Goes::Over;
            }
        }
        Goes::On
    }

    /// The customer's place in line, where it is another than was told.
    async fn tell_wait(&self, told: &mut Where) -> Goes {
        let Ok(Reply::Call(Some(call))) = self.app.answer(self.app.engine.get(self.business.clone(), self.id)).await
        else {
            return Goes::On;
        };
        let stands = Where::of(&call);
        // Another state is an event of its own.
        if stands.state != told.state || stands == *told {
            return Goes::On;
        }
        *told = stands;
        let at = (self.app.clock)();
        let text = match self.watcher {
            Watcher::Business => written_wait(at, call.state, &*call),
            Watcher::Customer => written_wait(at, call.state, &RequestView::of(&call)),
        };
        match text {
            Some(text) => self.say(text).await,
            None => Goes::Over,
        }
    }

    async fn tell_alarm(&mut self, alarm: &AlarmEvent, call: &CallView) -> Goes {
        self.after.alarms = Some(alarm.number);
        // What a customer follows is whether somebody calls.
        if self.watcher == Watcher::Customer {
            return Goes::On;
        }
        match written_alarm(alarm, call) {
            Some(text) => self.say(text).await,
            None => Goes::Over,
        }
    }

    async fn say(&self, text: Bytes) -> Goes {
        match timeout(UNREAD, self.lines.send(text)).await {
            Ok(Ok(())) => Goes::On,
            _ => Goes::Over,
        }
    }
}

fn written(event: &CallEvent, call: &CallView, watcher: Watcher) -> Option<Bytes> {
    let json = match watcher {
        Watcher::Business => told::json(event, call),
        Watcher::Customer => told::json(event, &RequestView::of(call)),
    };
    let (kind, json) = (told::kind(event), json.ok()?);
    Some(Bytes::from(format!("event: {kind}\nid: {}\ndata: {json}\n\n", event.sequence)))
}

/// An alarm. It has no `id`: `Last-Event-ID` stays that of the state before it.
#[derive(Serialize)]
struct ToldAlarm<'a> {
    r#type: &'static str,
    number: u32,
    timestamp: Wall,
    leg: u16,
    alarm: &'static str,
    data: &'a CallView,
}

fn written_alarm(event: &AlarmEvent, call: &CallView) -> Option<Bytes> {
    let AlarmEvent { number, at: timestamp, leg, alarm, .. } = *event;
    let told = ToldAlarm { r#type: ALARM, number, timestamp, leg, alarm: Alarm::as_str(alarm), data: call };
    let json = serde_json::to_string(&told).ok()?;
    Some(Bytes::from(format!("event: {ALARM}\ndata: {json}\n\n")))
}

/// Another place in line. Without an `id`, as an alarm is.
#[derive(Serialize)]
struct ToldWait<'a, T> {
    r#type: &'static str,
    timestamp: Wall,
    state: CallState,
    data: &'a T,
}

fn written_wait<T: Serialize>(timestamp: Wall, state: CallState, call: &T) -> Option<Bytes> {
    let json = serde_json::to_string(&ToldWait { r#type: WAIT, timestamp, state, data: call }).ok()?;
    Some(Bytes::from(format!("event: {WAIT}\ndata: {json}\n\n")))
}

/// The stream as a body.
struct Lines(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

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
use super::port::Phase;
use super::problem::Problem;
use super::query;
use crate::clock::Wall;
use crate::engine::api::{CallEvent, Reply, Watched};
use crate::engine::events::end_of;
use crate::model::{BusinessId, CallId, CallState, CallView};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Streams of one business at once.
const OF_ONE_BUSINESS: u32 = 100;
/// Streams of all.
const OF_ALL: u32 = 1000;
/// A reader that does not read is waited for so long, then it is on its own.
const UNREAD: Duration = Duration::from_secs(10);
/// A comment goes out this often, so that whoever stands between knows that the stream lives.
const QUIET: Duration = Duration::from_secs(15);
/// How often a stream looks whether it should end.
const LOOK: Duration = Duration::from_secs(1);
/// A stream ends before its connection is too old; the client comes again with `Last-Event-ID`.
const AGE: Duration = Duration::from_secs(540);
/// What a client waits before it comes again.
const BEGINNING: &[u8] = b"retry: 2000\n\n";

/// The streams there are, counted by business.
#[derive(Debug, Default)]
pub struct Followers {
    by_business: Arc<Mutex<BTreeMap<BusinessId, u32>>>,
}

/// One stream's place.
struct Place {
    by_business: Arc<Mutex<BTreeMap<BusinessId, u32>>>,
    business: BusinessId,
}

impl Followers {
    fn take(&self, business: &BusinessId) -> Result<Place, Problem> {
        let mut counts = self.by_business.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.values().sum::<u32>() >= OF_ALL {
            return Err(Problem::unavailable(5, "too many event streams are open"));
        }
        let count = counts.entry(business.clone()).or_default();
        if *count >= OF_ONE_BUSINESS {
            let detail = format!("at most {OF_ONE_BUSINESS} event streams of a business are open at once");
            return Err(Problem::of(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(5));
        }
        *count += 1;
        Ok(Place { by_business: Arc::clone(&self.by_business), business: business.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.by_business.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.business) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.business);
            }
        }
    }
}

/// GET /v1/calls/{id}/events: 200 with the stream; 204 to one who knows the end already, so that it does not come again.
pub async fn follow(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let business = app.basic(&headers).await?;
    query::none(&uri)?;
    let id = call_id(&id)?;
    let after = last_event_id(&headers)?;
    let place = app.followers.take(&business)?;
    let known = known(&app, &business, id, after).await?.ok_or_else(Problem::no_such_call)?;
    if matches!(&known, Known::Ended(end) if end.events.is_empty()) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (lines, body) = mpsc::channel(4);
    tokio::spawn(async move {
        let _place = place;
        Stream { app, business, id, after, lines }.run(known).await;
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
    Live { waits: bool },
    /// The store has it: its end, unless the client knows it.
    Ended(Box<Watched>),
}

async fn known(app: &App, business: &BusinessId, id: CallId, after: u32) -> Result<Option<Known>, Problem> {
    match app.answer(app.engine.get(business.clone(), id)).await? {
        Reply::Call(Some(call)) => Ok(Some(Known::Live { waits: waits(&call) })),
        Reply::Call(None) => Ok(ended(app, business, id, after).await?.map(|end| Known::Ended(Box::new(end)))),
        Reply::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Err(mismatch()),
    }
}

fn waits(call: &CallView) -> bool {
    matches!(call.state, CallState::Scheduled | CallState::Queued)
}

/// The end of a call that the store has.
async fn ended(app: &App, business: &BusinessId, id: CallId, after: u32) -> Result<Option<Watched>, Problem> {
    let found = app.answer(app.store.find_call(business.clone(), id)).await?.map_err(unreadable)?;
    Ok(found.map(|call| {
        let end = end_of(&call);
        let events = if end.sequence > after { vec![end] } else { Vec::new() };
        Watched { events, call }
    }))
}

struct Stream {
    app: Arc<App>,
    business: BusinessId,
    id: CallId,
    after: u32,
    lines: mpsc::Sender<Bytes>,
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
        let mut waiting = match known {
            Known::Ended(watched) => {
                self.tell(&watched).await;
                return;
            }
            Known::Live { waits } => waits,
        };
        while Instant::now() < end {
            let Some(watched) = self.next(end, waiting).await else { return };
            waiting = waits(&watched.call);
            if self.tell(&watched).await == Goes::Over {
                return;
            }
        }
    }

    /// The next events; `None`: the stream is over.
    async fn next(&self, end: Instant, waiting: bool) -> Option<Watched> {
        let mut pending = self.app.engine.watch(self.business.clone(), self.id, self.after);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut quiet = Instant::now();
        loop {
            tokio::select! {
                reply = &mut pending => return self.learned(reply).await,
                () = self.lines.closed() => return None,
                _ = look.tick() => {}
            }
            let stops = waiting && self.app.health.phase() == Phase::Draining;
            if stops || Instant::now() >= end {
                return None;
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
                let end = ended(&self.app, &self.business, self.id, self.after).await.ok().flatten();
                end.filter(|end| !end.events.is_empty())
            }
            _ => None,
        }
    }

    async fn tell(&mut self, watched: &Watched) -> Goes {
        for event in &watched.events {
            let Some(text) = written(event, &watched.call) else { return Goes::Over };
            if self.say(text).await == Goes::Over || event.state == CallState::Ended {
                return Goes::Over;
            }
            self.after = event.sequence;
        }
        Goes::On
    }

    async fn say(&self, text: Bytes) -> Goes {
        match timeout(UNREAD, self.lines.send(text)).await {
            Ok(Ok(())) => Goes::On,
            _ => Goes::Over,
        }
    }
}

/// One event: what webhooks carry too.
#[derive(Serialize)]
struct Told<'a> {
    r#type: &'static str,
    sequence: u32,
    timestamp: Wall,
    state: CallState,
    /// The call as it is now, which may be later than the event.
    data: &'a CallView,
}

fn written(event: &CallEvent, call: &CallView) -> Option<Bytes> {
    let kind = if event.state == CallState::Ended { "call.ended" } else { "call.state_changed" };
    let told = Told { r#type: kind, sequence: event.sequence, timestamp: event.at, state: event.state, data: call };
    let json = serde_json::to_string(&told).ok()?;
    Some(Bytes::from(format!("event: {kind}\nid: {}\ndata: {json}\n\n", event.sequence)))
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

//! Server-sent events: a body that is written while it is read, bounded in number and in time. Owns the form; what is told, and when, is
//! the caller's.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout};

/// Streams at once.
pub const MOST: usize = 1000;
/// A stream ends after so long; whoever is still there comes again.
const AGE: Duration = Duration::from_secs(540);
/// After so long without an event something is said all the same.
pub const QUIET: Duration = Duration::from_secs(15);
/// A reader who takes nothing for so long is gone.
const UNREAD: Duration = Duration::from_secs(10);

/// The writing end.
pub struct Stream {
    lines: mpsc::Sender<Bytes>,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

/// Nobody reads any more, or the stream is old enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Over;

impl Stream {
    /// Opens one: what the browser gets, and what it is written to. `None`: too many are open, see [`full`].
    pub fn open(places: &Arc<Semaphore>) -> Option<(Response, Stream)> {
        let place = Arc::clone(places).try_acquire_owned().ok()?;
        let (lines, body) = mpsc::channel(4);
        let mut response = Response::new(Body::new(Lines(body)));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        Some((response, Stream { lines, until: Instant::now() + AGE, _place: place }))
    }

    /// One event; `data` is a line.
    pub async fn event(&self, kind: &str, id: u64, data: &str) -> Result<(), Over> {
        self.say(format!("event: {kind}\nid: {id}\ndata: {data}\n\n")).await
    }

    /// A comment, so that both ends know that the other is there.
    pub async fn still(&self) -> Result<(), Over> {
        self.say(": still there\n\n".to_owned()).await
    }

    async fn say(&self, text: String) -> Result<(), Over> {
        if Instant::now() >= self.until {
            return Err(Over);
        }
        match timeout(UNREAD, self.lines.send(Bytes::from(text))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Over),
        }
    }

    /// Returns when the reader is gone.
    pub async fn gone(&self) {
        self.lines.closed().await;
    }
}

/// What a browser gets when too many are open.
pub fn full() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], "too many streams are open\n").into_response()
}

/// The number of the last event that the browser knows; absent: none.
pub fn last_event_id(headers: &HeaderMap) -> u32 {
    let value = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    value.and_then(|text| text.parse().ok()).unwrap_or(0)
}

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

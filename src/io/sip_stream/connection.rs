//! The life of one connection after its handshake: a reader that cuts messages and waits for the engine, a writer that waits
//! for the peer, and the watch over both. Owns both halves; tells the engine when it is over.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::places::Place;
use super::watch::{Due, Side, Watch};
use super::{Ends, News, Shared};
use crate::model::Hop;
use crate::sip::api::{Loss, RefusedWhy};
use crate::sip::wire::{Frame, Framer};

/// A peer that takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(10);
/// After the last message that could be cut off, its answer may take so long.
const LAST_ANSWER: Duration = Duration::from_secs(1);
/// Messages that wait together are written together, up to so many bytes.
const WRITE_TOGETHER: usize = 16 * 1024;
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// A connection that is ready to speak.
pub(super) struct Connection {
    pub(super) hop: Hop,
    pub(super) ends: Ends,
    pub(super) side: Side,
    pub(super) shared: Arc<Shared>,
    /// Held for its life.
    pub(super) _place: Place,
}

/// How the reader ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// The peer closed, or nothing was said for long.
    Over,
    /// The bytes make no messages, or not in time.
    Broken,
    /// The last message did not say where it ends; it may be answered.
    Endless,
}

impl Connection {
    /// Speaks until one side has enough; then tells the engine.
    pub(super) async fn run<S: AsyncRead + AsyncWrite>(self, stream: S) {
        let Connection { hop, ends: Ends { id, mut queue, cut }, side, shared, _place } = self;
        let from = Arc::new(hop.clone());
        let (reader, writer) = tokio::io::split(stream);
        let (keepalives, asked) = mpsc::channel(4);
        let mut reading = pin!(read(reader, &from, side, &shared, keepalives));
        let mut writing = pin!(write(writer, &mut queue, asked));
        let end = tokio::select! {
            end = reading.as_mut() => end,
            () = writing.as_mut() => End::Over,
            () = cut.notified() => End::Over,
        };
        match end {
            End::Over => {}
            End::Broken => (shared.refused)(RefusedWhy::Framing),
            End::Endless => {
                (shared.refused)(RefusedWhy::Framing);
                let _answered = timeout(LAST_ANSWER, writing.as_mut()).await;
            }
        }
        tracing::debug!(%hop, ?end, "a SIP connection is over");
        shared.tell(News::Closed { hop, id, loss: Loss::Broke }).await;
    }
}

async fn read<R: AsyncRead + Unpin>(
    mut stream: R,
    from: &Arc<Hop>,
    side: Side,
    shared: &Shared,
    keepalives: mpsc::Sender<&'static [u8]>,
) -> End {
    let mut framer = Framer::default();
    let mut watch = Watch::new(Instant::now(), side, &shared.limits.load());
    loop {
        let (at, due) = watch.next();
        match timeout_at(at, stream.read_buf(framer.buffer())).await {
            Ok(Ok(0) | Err(_)) => return End::Over,
            Ok(Ok(_)) => watch.bytes(Instant::now()),
            Err(_) => match due {
                Due::Ping => {
                    let _asked = keepalives.try_send(PING);
                    watch.ping(Instant::now());
                }
                Due::NoPong | Due::Idle => return End::Over,
                Due::Slow => return End::Broken,
            },
        }
        loop {
            match framer.take() {
                Ok(None) => break,
                Ok(Some(Frame::LineEnd)) => {
                    if watch.line_end() {
                        let _asked = keepalives.try_send(PONG);
                    }
                }
                Ok(Some(Frame::Message(bytes))) => {
                    watch.message(Instant::now());
                    shared.tell(News::Message { from: Arc::clone(from), bytes }).await;
                }
                Ok(Some(Frame::Endless(bytes))) => {
                    shared.tell(News::Message { from: Arc::clone(from), bytes }).await;
                    return End::Endless;
                }
                Err(_) => return End::Broken,
            }
        }
        watch.partial(Instant::now(), framer.is_partial());
    }
}

/// Returns when nobody wants to say anything any more, or the peer does not listen.
async fn write<W: AsyncWrite + Unpin>(
    mut stream: W,
    queue: &mut mpsc::Receiver<Arc<[u8]>>,
    mut keepalives: mpsc::Receiver<&'static [u8]>,
) {
    let mut together = Vec::new();
    loop {
        together.clear();
        tokio::select! {
            message = queue.recv() => match message {
                Some(bytes) => together.extend_from_slice(&bytes),
                None => {
                    let _closed = timeout(WRITE, stream.shutdown()).await;
                    return;
                }
            },
            Some(bytes) = keepalives.recv() => together.extend_from_slice(bytes),
        }
        while together.len() < WRITE_TOGETHER
            && let Ok(bytes) = queue.try_recv()
        {
            together.extend_from_slice(&bytes);
        }
        let written = timeout(WRITE, async {
            stream.write_all(&together).await?;
            stream.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            return;
        }
    }
}

/// What every connection's socket is told: no waiting for full segments, and the kernel looks whether a quiet peer still lives.
pub(super) fn prepare(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    let set = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive))
        .and_then(|()| socket.set_tcp_user_timeout(Some(WRITE * 2)));
    if let Err(error) = set {
        tracing::debug!(%error, "a SIP connection stays as the system made it");
    }
}

//! SIP over TCP and TLS: listeners, connections both ways, and the table by which the engine's thread finds them. Owns what
//! they share: who may knock, how many, for how long, with which certificates. Refuses SIP itself: messages go to the engine's
//! thread through one bounded channel (full: the reader waits, and TCP slows the peer) and come back through one bounded
//! queue for each connection (full: the connection is given up).

mod connection;
mod listener;
mod outbound;
mod places;
mod table;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

pub use listener::serve;
pub use table::{Connections, Heard, Lost};

use crate::io::tls::{ClientTls, ServerTls};
use crate::model::Hop;
use crate::sip::api::{Locals, Loss, RefusedWhy, Sources};
use places::Places;

/// Messages of all connections that wait for the engine.
const INBOX: usize = 256;
/// Messages that wait for one connection, also while it is being made.
const QUEUE: usize = 1024;

/// Bounds of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamLimits {
    /// In all, both ways.
    pub connections: usize,
    /// Of one source address.
    pub per_source: usize,
    /// One on which nothing is said for so long is closed.
    pub idle: Duration,
    /// One of ours that is quiet for so long is asked whether it lives (RFC 5626 §4.4.1); `None`: never.
    pub keepalive: Option<Duration>,
}

/// TLS both ways; absent parts cannot be used.
#[derive(Default)]
pub struct StreamTls {
    /// For those who come to us.
    pub server: Option<ServerTls>,
    /// For those we go to.
    pub client: ArcSwapOption<ClientTls>,
}

/// What all connections share.
pub struct Shared {
    inbox: mpsc::Sender<News>,
    ring: Box<dyn Fn() + Send + Sync>,
    sources: ArcSwap<Sources>,
    limits: ArcSwap<StreamLimits>,
    tls: StreamTls,
    locals: Locals,
    places: Places,
    next_id: AtomicU64,
    refused: Box<dyn Fn(RefusedWhy) + Send + Sync>,
}

/// What connections tell the engine's thread, in order.
pub(super) enum News {
    /// A switch connected.
    Opened { hop: Hop, line: Line },
    /// A message came.
    Message { from: Arc<Hop>, bytes: Bytes },
    /// A connection is over.
    Closed { hop: Hop, id: u64, loss: Loss },
}

/// The engine's end of a connection.
pub(super) struct Line {
    id: u64,
    queue: mpsc::Sender<Arc<[u8]>>,
    cut: Arc<Notify>,
    /// Our address on it, where it is known.
    local: Option<SocketAddr>,
    /// A request went this way: somebody may wait for its answer.
    asked: bool,
}

/// The connection's end of the same.
struct Ends {
    id: u64,
    queue: mpsc::Receiver<Arc<[u8]>>,
    cut: Arc<Notify>,
}

impl Shared {
    /// Makes what is shared, and the engine's end of it. `ring` wakes the engine's thread.
    pub fn new(
        limits: StreamLimits,
        tls: StreamTls,
        locals: Locals,
        ring: Box<dyn Fn() + Send + Sync>,
        refused: Box<dyn Fn(RefusedWhy) + Send + Sync>,
        runtime: tokio::runtime::Handle,
    ) -> (Arc<Shared>, Connections) {
        let (inbox, news) = mpsc::channel(INBOX);
        let shared = Arc::new(Shared {
            inbox,
            ring,
            sources: ArcSwap::default(),
            limits: ArcSwap::from_pointee(limits),
            tls,
            locals,
            places: Places::default(),
            next_id: AtomicU64::new(1),
            refused,
        });
        let connections = Connections::new(Arc::clone(&shared), news, runtime);
        (shared, connections)
    }

    /// Other bounds for what comes from now on.
    pub fn set_limits(&self, limits: StreamLimits) {
        self.limits.store(Arc::new(limits));
    }

    /// TLS, to reload it.
    pub fn tls(&self) -> &StreamTls {
        &self.tls
    }

    /// Returns when no connection is left.
    pub async fn all_closed(&self) {
        self.places.all_free().await;
    }

    async fn tell(&self, news: News) {
        // The engine's thread is gone only at the end of the process.
        let _told = self.inbox.send(news).await;
        (self.ring)();
    }

    fn line(&self, local: Option<SocketAddr>) -> (Line, Ends) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, queue) = mpsc::channel(QUEUE);
        let cut = Arc::new(Notify::new());
        (Line { id, queue: sender, cut: Arc::clone(&cut), local, asked: false }, Ends { id, queue, cut })
    }
}

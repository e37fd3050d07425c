//! The accept loop: TCP or TLS connections served by hyper, every wait bounded, drained on request.
//!
//! Owns connections: how many, how long, how they end. Refuses to know what is served.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::places::Places;
use super::sender::Shown;
use super::source::Peer;
use crate::io::tls::ServerTls;

/// Bounds of a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerLimits {
    /// Connections at once; more wait in the system's queue.
    pub connections: usize,
    /// Of these, by one subscriber; its further ones are closed at once.
    pub share: usize,
    /// Until the TLS handshake is done.
    pub handshake: Duration,
    /// Until a request's headers are there, and between requests.
    pub header_read: Duration,
    /// A connection is asked to end after so long, so that none is held for ever by a peer that never reads.
    pub age: Duration,
    /// After the drain began or the age was reached: what is not finished then is cut.
    pub linger: Duration,
}

impl Default for ServerLimits {
    fn default() -> ServerLimits {
        ServerLimits {
            connections: 2048,
            share: 256,
            handshake: Duration::from_secs(10),
            header_read: Duration::from_secs(15),
            age: Duration::from_secs(600),
            linger: Duration::from_secs(20),
        }
    }
}

/// A bound listener that is not yet served.
pub struct Server {
    listener: TcpListener,
    tls: Option<ServerTls>,
    router: Router,
    limits: ServerLimits,
    trusted: Vec<IpNet>,
}

impl Server {
    /// Binds; port 0 takes a free one.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<ServerTls>,
        router: Router,
        limits: ServerLimits,
    ) -> std::io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        Ok(Server { listener, tls, router, limits, trusted: Vec::new() })
    }

    /// Proxies that speak for many: [`ServerLimits::share`] does not bind them.
    pub fn trusting(self, proxies: &[IpNet]) -> Server {
        Server { trusted: proxies.to_vec(), ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` holds true (or its sender is gone); then accepts nothing, lets requests in flight finish within
    /// [`ServerLimits::linger`], and returns when no connection is left.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let Server { listener, tls, router, limits, trusted } = self;
        let rooms = Arc::new(Semaphore::new(limits.connections));
        let places = Places::new(limits.share, trusted);
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                let room = rooms.clone().acquire_owned().await;
                (room, listener.accept().await)
            };
            let (room, accepted) = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                next = next => next,
            };
            match (room, accepted) {
                (Ok(room), Ok((stream, peer))) => {
                    let Some(place) = places.take(peer.ip()) else {
                        metrics::counter!("callbridge_rejected_total", "reason" => "connections").increment(1);
                        continue;
                    };
                    let connection =
                        Connection { router: router.clone(), peer: Peer(peer), limits, stop: stop.clone() };
                    let tls = tls.clone();
                    connections.spawn(async move {
                        connection.run(stream, tls).await;
                        drop((room, place));
                    });
                }
                // Out of descriptors, or the peer was gone already: neither is helped by haste.
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }
}

struct Connection {
    router: Router,
    peer: Peer,
    limits: ServerLimits,
    stop: watch::Receiver<bool>,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<ServerTls>) {
        // Answers are small and whole: waiting to fill a segment only delays them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return self.talk(stream, None).await };
        match tokio::time::timeout(self.limits.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let shown = shown.map(|certificate| Shown(Arc::new(certificate.clone().into_owned())));
                self.talk(stream, shown).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn talk(mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shown: Option<Shown>) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.limits.header_read).max_buf_size(32 * 1024);
        let peer = self.peer;
        let told = move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            if let Some(shown) = &shown {
                request.extensions_mut().insert(shown.clone());
            }
            request
        };
        let service = TowerToHyperService::new(self.router.map_request(told));
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = self.stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(self.limits.age) => {}
        }
        connection.as_mut().graceful_shutdown();
        // Whatever is cut here has had its time.
        let _ = tokio::time::timeout(self.limits.linger, connection).await;
    }
}

//! The accept loop of SIP over TCP and TLS. Owns the first look at whoever connects: strangers are closed before any handshake,
//! and with mutual TLS a connection is a switch's only if its certificate shows that switch's name.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::connection::{Connection, prepare};
use super::places::Place;
use super::watch::Side;
use super::{News, Shared};
use crate::io::tls::{ServerTls, certificate_shows};
use crate::model::{Hop, SipTransport};
use crate::sip::api::RefusedWhy;

/// A TLS handshake may take so long.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Serves until `stop` holds true or its sender is gone. Connections live on.
pub async fn serve(
    listener: TcpListener,
    transport: SipTransport,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => knock(stream, peer, transport, &shared),
            // Out of descriptors, or the peer was gone already: neither is helped by haste.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

fn knock(stream: TcpStream, peer: SocketAddr, transport: SipTransport, shared: &Arc<Shared>) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    if !shared.sources.load().knows(peer.ip()) {
        return (shared.refused)(RefusedWhy::Stranger);
    }
    let Some(place) = shared.places.take(peer.ip(), &shared.limits.load()) else {
        return (shared.refused)(RefusedWhy::Connections);
    };
    tokio::spawn(welcome(stream, peer, transport, Arc::clone(shared), place));
}

async fn welcome(stream: TcpStream, peer: SocketAddr, transport: SipTransport, shared: Arc<Shared>, place: Place) {
    prepare(&stream);
    if transport != SipTransport::Tls {
        let local = stream.local_addr().ok();
        return open(stream, local, Hop { transport, address: peer, name: None }, shared, place).await;
    }
    let Some(tls) = &shared.tls.server else { return };
    let (asks, local) = (tls.asks_for_certificates(), stream.local_addr().ok());
    let stream = match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return refuse(&shared, peer, &error.to_string()),
        Err(_) => return refuse(&shared, peer, "it took too long"),
    };
    let name = shown(&shared, peer.ip(), tls, &stream);
    if asks && name.is_none() {
        return refuse(&shared, peer, "the certificate shows the name of no switch at this address");
    }
    open(stream, local, Hop { transport, address: peer, name }, shared, place).await;
}

/// The name of a switch at this address that the peer's verified certificate shows.
fn shown(
    shared: &Shared,
    ip: IpAddr,
    tls: &ServerTls,
    stream: &tokio_rustls::server::TlsStream<TcpStream>,
) -> Option<Arc<str>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first().filter(|_| tls.asks_for_certificates())?;
    shared.sources.load().named(ip, |name| certificate_shows(certificate, name))
}

fn refuse(shared: &Shared, peer: SocketAddr, why: &str) {
    tracing::debug!(%peer, why, "a TLS handshake failed");
    (shared.refused)(RefusedWhy::Handshake);
}

async fn open<S>(stream: S, local: Option<SocketAddr>, hop: Hop, shared: Arc<Shared>, place: Place)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite,
{
    let (line, ends) = shared.line(local);
    shared.tell(News::Opened { hop: hop.clone(), line }).await;
    Connection { hop, ends, side: Side::Theirs, shared, _place: place }.run(stream).await;
}

//! Connections that we open: from the address the switches know, within a bounded time, over TLS only to who proves the hop's
//! name. Messages wait in the connection's queue meanwhile, so that there is one attempt however many want it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::connection::{Connection, prepare};
use super::places::Place;
use super::watch::Side;
use super::{Ends, News, Shared};
use crate::io::tls::{ClientTls, TlsError};
use crate::model::{Hop, SipTransport};
use crate::sip::api::{Locals, Loss};

/// Connecting and shaking hands may take so long, together.
const CONNECT: Duration = Duration::from_secs(4);

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
enum NotMade {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("no TLS is configured")]
    NoTls,
    #[error("no answer within {} s", CONNECT.as_secs())]
    Late,
}

/// A socket for a connection to this hop, and its address, which is known before it is connected: bound to the address that the
/// switches know, where it is of the hop's family.
pub(super) fn socket(hop: &Hop, locals: &Locals) -> io::Result<(TcpSocket, Option<SocketAddr>)> {
    let local = locals.of(hop);
    let socket = if hop.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if local.is_ipv4() != hop.address.is_ipv4() {
        return Ok((socket, None));
    }
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    let own = socket.local_addr().ok();
    Ok((socket, own))
}

/// Connects, then speaks; tells the engine when either is over.
pub(super) async fn run(socket: io::Result<TcpSocket>, hop: Hop, ends: Ends, shared: Arc<Shared>, place: Place) {
    let id = ends.id;
    let connected = tokio::select! {
        connected = timeout(CONNECT, connect(socket, &hop, &shared)) => connected.unwrap_or(Err(NotMade::Late)),
        () = ends.cut.notified() => Err(NotMade::Late),
    };
    let connection =
        |ends| Connection { hop: hop.clone(), ends, side: Side::Ours, shared: Arc::clone(&shared), _place: place };
    match connected {
        Ok(Stream::Plain(stream)) => connection(ends).run(stream).await,
        Ok(Stream::Tls(stream)) => connection(ends).run(stream).await,
        Err(error) => {
            tracing::warn!(%hop, %error, "no connection to a switch");
            shared.tell(News::Closed { hop, id, loss: Loss::NotMade }).await;
        }
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn connect(socket: io::Result<TcpSocket>, hop: &Hop, shared: &Shared) -> Result<Stream, NotMade> {
    let stream = socket?.connect(hop.address).await?;
    prepare(&stream);
    if hop.transport != SipTransport::Tls {
        return Ok(Stream::Plain(stream));
    }
    let tls: Arc<ClientTls> = shared.tls.client.load_full().ok_or(NotMade::NoTls)?;
    // A hop without a name is its address; the certificate must show that.
    let name = hop.name.as_deref().map_or_else(|| hop.address.ip().to_string(), str::to_owned);
    Ok(Stream::Tls(Box::new(tls.connect(&name, stream).await?)))
}

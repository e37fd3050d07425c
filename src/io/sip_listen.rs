//! Where SIP listens: binds every address of `[sip] listen`, starts the listeners of TCP and TLS, reloads certificates and
//! bounds, and ends them. Owns sockets until the engine's thread takes them; refuses to read any message.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::watch;

use super::engine_thread::Wires;
use super::sip_stream::{self, Shared, StreamLimits, StreamTls};
use super::sip_udp::UdpSockets;
use super::tls::{Application, ClientTls, ServerTls, TlsError};
use crate::config::SipConfig;
use crate::model::SipTransport;
use crate::sip::api::{Locals, RefusedWhy};

/// Kernel buffers of a UDP socket: a burst of a thousand INVITE answers fits.
const UDP_BUFFER: usize = 4 << 20;
/// What is still to be written at the end may take so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why SIP does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// This address cannot be taken.
    #[error("{address}: {error}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// No address is configured.
    #[error("no SIP address is configured")]
    None,
    /// A certificate, key or authority.
    #[error("[sip] tls: {0}")]
    Tls(#[from] TlsError),
    /// Sockets.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
}

/// Bound, not yet served.
pub struct Bound {
    udp: Vec<UdpSocket>,
    tcp: Vec<(SipTransport, TcpListener)>,
    locals: Locals,
}

impl Bound {
    /// Takes every address.
    ///
    /// # Errors
    /// [`ListenError::Bind`] names the one that cannot be had.
    pub fn new(config: &SipConfig) -> Result<Bound, ListenError> {
        let (mut udp, mut tcp, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for &(transport, address) in &config.listen {
            let refused = |error| ListenError::Bind { address, error };
            let bound = match transport {
                SipTransport::Udp => {
                    let socket = udp_socket(address).map_err(refused)?;
                    let bound = socket.local_addr()?;
                    udp.push(socket);
                    bound
                }
                SipTransport::Tcp | SipTransport::Tls => {
                    let listener = TcpListener::bind(address).map_err(refused)?;
                    listener.set_nonblocking(true)?;
                    let bound = listener.local_addr()?;
                    tcp.push((transport, listener));
                    bound
                }
            };
            all.push((transport, bound));
        }
        Ok(Bound { udp, tcp, locals: Locals::new(all).ok_or(ListenError::None)? })
    }

    /// The addresses that messages name.
    pub fn locals(&self) -> &Locals {
        &self.locals
    }

    /// Serves them: gives what the engine's thread needs and what is left to hold. Runs within tokio.
    ///
    /// # Errors
    /// [`ListenError::Tls`] for files that cannot be used.
    pub fn serve(
        self,
        config: &SipConfig,
        bell: impl Fn() + Send + Sync + 'static,
        refused: impl Fn(RefusedWhy) + Send + Sync + 'static,
    ) -> Result<(Wires, SipSide), ListenError> {
        let server = config.tls.as_ref().map(|files| ServerTls::load_for(Application::Sip, files)).transpose()?;
        let tls = StreamTls { server, client: ArcSwapOption::new(client_tls(config)?) };
        let runtime = tokio::runtime::Handle::current();
        let (shared, streams) =
            Shared::new(limits(config), tls, self.locals, Box::new(bell), Box::new(refused), runtime);
        let (stop, stopped) = watch::channel(false);
        for (transport, listener) in self.tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(sip_stream::serve(listener, transport, Arc::clone(&shared), stopped.clone()));
        }
        Ok((Wires { udp: UdpSockets::new(self.udp)?, streams }, SipSide { shared, stop }))
    }
}

fn udp_socket(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(UDP_BUFFER)?;
    socket.set_send_buffer_size(UDP_BUFFER)?;
    socket.bind(&address.into())?;
    Ok(UdpSocket::from(socket))
}

/// For the switches we go to. Without a word about TLS in the configuration, missing authorities are missed only by who
/// wants TLS.
fn client_tls(config: &SipConfig) -> Result<Option<Arc<ClientTls>>, TlsError> {
    let identity = config.tls.as_ref().map(|files| (files.certificate.as_path(), files.key.as_path()));
    match ClientTls::load_for(Application::Sip, config.ca.as_deref(), identity) {
        Ok(client) => Ok(Some(Arc::new(client))),
        Err(error) if config.ca.is_some() || config.tls.is_some() => Err(error),
        Err(_) => Ok(None),
    }
}

fn limits(config: &SipConfig) -> StreamLimits {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let seconds = |number: u32| Duration::from_secs(u64::from(number));
    StreamLimits {
        connections: count(config.max_connections),
        per_source: count(config.max_connections_per_source),
        idle: seconds(config.idle_seconds),
        keepalive: Some(seconds(config.keepalive_seconds)).filter(|every| !every.is_zero()),
    }
}

/// The listeners and connections, from outside the engine's thread.
pub struct SipSide {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

impl SipSide {
    /// Certificates, authorities and bounds for what comes from now on; live connections stay.
    ///
    /// # Errors
    /// What cannot be read; then everything stays as it was.
    pub fn reload(&self, config: &SipConfig) -> Result<(), ListenError> {
        let tls = self.shared.tls();
        let client = client_tls(config)?;
        if let (Some(server), Some(files)) = (&tls.server, &config.tls) {
            server.reload(Some(files))?;
        }
        tls.client.store(client);
        self.shared.set_limits(limits(config));
        Ok(())
    }

    /// The engine's thread is gone: accepts nothing more, and lets what was said last be written.
    pub async fn stop(self) {
        let _all_told = self.stop.send(true);
        let _written = tokio::time::timeout(LAST_WORDS, self.shared.all_closed()).await;
    }
}

//! A PostgreSQL server: how a session with it is opened, encrypted where the configuration wants it, and what it must be able to do. Owns the
//! connection's settings; refuses servers that are too old, do not keep UTF-8 or only read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Config, NoTls, Socket};
use tokio_rustls::{TlsConnector, client};

use super::error::Error;
use super::postgres::{Backend, Session};
use super::wait::Reactor;
use crate::config::{PostgresPlace, PostgresTls, StorePassword, StorePlace};
use crate::io::store::StoreError;
use crate::io::tls::{Application, ClientTls};

/// A connection is waited for so long.
const CONNECT: Duration = Duration::from_secs(5);
/// What was sent and is not acknowledged by the other side's system for so long breaks the connection.
const UNHEARD: Duration = Duration::from_secs(10);
/// A silent connection is looked after so often.
const LOOK_AFTER: Duration = Duration::from_secs(10);
/// `pg_current_xact_id` is there from here on.
const OLDEST: u32 = 13;

/// Said once for each session: locks are waited for as long as SQLite's, and a program that hangs within a transaction does not hold up the others. A
/// client that is gone without a word is noticed within half a minute: its locks go with it.
const SETTINGS: &str = "SET client_min_messages = warning; SET lock_timeout = '5s'; SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = '60s'; SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SET tcp_user_timeout = '15s'; SET standard_conforming_strings = on;
    SELECT pg_backend_pid()::text,
        (SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()),
        current_setting('server_version_num'), current_setting('server_encoding'),
        current_setting('synchronous_commit'), current_setting('fsync'), pg_is_in_recovery()::text";

/// Where sessions are opened.
pub(in super::super) struct Server {
    place: PostgresPlace,
    tls: Option<Tls>,
    reactor: Reactor,
}

impl Server {
    pub(in super::super) fn new(place: PostgresPlace) -> Result<Server, StoreError> {
        let tls = match &place.tls {
            PostgresTls::Clear => None,
            PostgresTls::Verified { authorities } => {
                let tls = ClientTls::load_for(Application::Postgres, authorities.as_deref(), None);
                let mend = "name the authority that signed the server's certificate: ?sslrootcert=FILE";
                let shown = StorePlace::Postgres(place.clone()).to_string();
                let refused = |why: &dyn ToString| StoreError::Server { place: shown, why: why.to_string(), mend };
                Some(Tls(tls.map_err(|error| refused(&error))?.connector()))
            }
        };
        Ok(Server { place, tls, reactor: Reactor::start().map_err(StoreError::Thread)? })
    }

    fn settings(&self) -> Config {
        let PostgresPlace { host, port, user, password, database, tls } = &self.place;
        let mut config = Config::new();
        config.user(user).dbname(database).port(*port).host(host).application_name("callbridge");
        config.connect_timeout(CONNECT).tcp_user_timeout(UNHEARD);
        config.keepalives_idle(LOOK_AFTER).keepalives_interval(LOOK_AFTER / 2).keepalives_retries(3);
        config.ssl_mode(if *tls == PostgresTls::Clear { SslMode::Disable } else { SslMode::Require });
        if let Some(password) = password {
            config.password(StorePassword::expose(password));
        }
        config
    }

    /// Opens a session.
    pub(in super::super) fn connect(self: &Arc<Server>) -> Result<Session, Error> {
        let (config, tls) = (self.settings(), self.tls.clone());
        let opened = self.reactor.run(CONNECT * 2, async move {
            // Of two types, as they are encrypted or not; what serves them is the same.
            Ok::<_, tokio_postgres::Error>(match tls {
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    (client, Box::pin(connection) as Served)
                }
                Some(tls) => {
                    let (client, connection) = config.connect(tls).await?;
                    (client, Box::pin(connection) as Served)
                }
            })
        });
        let late = || Error::Lost(format!("no connection within {} s", CONNECT.as_secs() * 2));
        let (client, connection) = opened.ok_or_else(late)?.map_err(|error| Error::refused(&error))?;
        self.reactor.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %super::error::with_causes(&error), "a session with the database has ended");
            }
        });
        let mut session = Session::new(client, Arc::clone(self));
        let found = session.texts(SETTINGS)?;
        session.backend = judged(&session, &found)?;
        Ok(session)
    }
}

type Served = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// The server must be able to keep what the store promises.
fn judged(session: &Session, found: &[Option<String>]) -> Result<Backend, Error> {
    let word = |at: usize| found.get(at).and_then(Option::as_deref).unwrap_or_default();
    let refuse = |message: String| Err(Error::Postgres { code: "0A000".to_owned(), message });
    let version = word(2).parse::<u32>().unwrap_or(0) / 10_000;
    if version < OLDEST {
        return refuse(format!("the server is PostgreSQL {version}, and {OLDEST} or later is wanted"));
    }
    if word(3) != "UTF8" {
        return refuse(format!("the database keeps {} and not UTF8: make it with createdb --encoding UTF8", word(3)));
    }
    if word(6) == "true" {
        return refuse("the server is a standby and only reads: name the primary".to_owned());
    }
    // What is acknowledged is on the disk, whatever the database's default says.
    if word(4) == "off" {
        session.batch("SET synchronous_commit = on")?;
    }
    if word(5) == "off" {
        tracing::warn!("the database server runs with fsync = off: a power cut loses what was acknowledged");
    }
    Ok(Backend { pid: word(0).to_owned(), since: word(1).to_owned() })
}

/// Makes connections encrypted; the server's name is verified.
#[derive(Clone)]
struct Tls(TlsConnector);

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = Named;
    type Error = io::Error;

    fn make_tls_connect(&mut self, name: &str) -> io::Result<Named> {
        let wrong = |_| io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name of a server"));
        Ok(Named(self.0.clone(), ServerName::try_from(name.to_owned()).map_err(wrong)?))
    }
}

/// The name that is wanted.
struct Named(TlsConnector, ServerName<'static>);

impl TlsConnect<Socket> for Named {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move { self.0.connect(self.1, stream).await.map(Encrypted) })
    }
}

/// An encrypted connection.
struct Encrypted(client::TlsStream<Socket>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

//! The way to the collector: one HTTP/1.1 connection, kept, made anew where it broke. Owns the bounds of one request; refuses to
//! read more of an answer than its status, and to try again.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

use crate::config::TracesConfig;
use crate::io::tls::{ClientTls, TlsError};

/// A request takes no longer, connecting included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer so much is read.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Posted {
    /// 2xx.
    Taken,
    /// OTLP/HTTP: 429, 502, 503 and 504 ask for another try, and no answer does as well.
    Later,
    /// Another status: never again.
    Refused(u16),
}

/// The collector, and the connection to it.
pub struct Collector {
    config: TracesConfig,
    /// Absent: it is spoken to in clear.
    tls: Option<ClientTls>,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Collector {
    /// Reads the authorities; connects to nobody yet.
    pub fn new(config: &TracesConfig) -> Result<Collector, TlsError> {
        let secure = config.endpoint.is_secure();
        let tls = secure.then(|| ClientTls::load(config.ca.as_deref(), None)).transpose()?;
        Ok(Collector { config: config.clone(), tls, open: None })
    }

    /// Hands one request over.
    pub async fn post(&mut self, body: Bytes) -> Posted {
        match timeout(PATIENCE, self.exchange(body)).await {
            Ok(Some(200..=299)) => Posted::Taken,
            Ok(Some(status)) if !matches!(status, 429 | 502..=504) => Posted::Refused(status),
            Ok(Some(_)) => Posted::Later,
            Ok(None) | Err(_) => {
                self.open = None;
                Posted::Later
            }
        }
    }

    /// The status, if one came.
    async fn exchange(&mut self, body: Bytes) -> Option<u16> {
        let mut sender = match self.open.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        sender.ready().await.ok()?;
        let answer = sender.send_request(self.request(body)?).await.ok()?;
        let status = answer.status().as_u16();
        let whole = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        // What is longer than we read would stand before the next answer.
        self.open = whole.is_ok().then_some(sender);
        Some(status)
    }

    fn request(&self, body: Bytes) -> Option<Request<Full<Bytes>>> {
        let endpoint = &self.config.endpoint;
        let mut request = Request::post(endpoint.target())
            .header(HOST, endpoint.authority())
            .header(USER_AGENT, concat!("callbridge/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/x-protobuf");
        if let Some((name, value)) = &self.config.header {
            request = request.header(name, value);
        }
        request.body(Full::new(body)).ok()
    }

    async fn connect(&self) -> Option<SendRequest<Full<Bytes>>> {
        let endpoint = &self.config.endpoint;
        let name = match endpoint.host()? {
            Host::Domain(name) => name.trim_end_matches('.').to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let stream = TcpStream::connect((name.as_str(), endpoint.port())).await.ok()?;
        match &self.tls {
            None => shake(stream).await,
            Some(tls) => shake(tls.connect(&name, stream).await.ok()?).await,
        }
    }
}

async fn shake<S>(stream: S) -> Option<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        Builder::new().max_buf_size(MAX_ANSWER_BYTES).handshake(TokioIo::new(stream)).await.ok()?;
    // It ends with its sender.
    tokio::spawn(async move {
        let _ended = connection.await;
    });
    Some(sender)
}

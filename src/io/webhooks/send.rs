//! One try to send one event: look up, judge, connect to what was judged, sign (or show the sink's token), post, read the status. Owns the
//! bounds of a try; refuses to follow a redirect, to look a name up twice, and to try again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use hickory_resolver::TokioResolver;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Host;
use zeroize::Zeroizing;

use super::Target;
use super::judge::{is_allowed, is_public};
use super::sign::signature;
use crate::clock::Wall;
use crate::io::tls::ClientTls;
use crate::model::{Sink, WebhookUrl};

/// One connection may take so long to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;
/// Of an answer's body so much is read, and waited for so long: nothing in it is used.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
const ANSWER: Duration = Duration::from_secs(1);
/// Of an answer's head so much is read.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEAD_FIELDS: usize = 100;

/// What every try is made with.
pub struct Means {
    /// Networks that need not be public.
    pub allow: Vec<IpNet>,
    /// Plain HTTP to every address.
    pub insecure: bool,
    /// Absent: no authority is trusted.
    pub tls: Option<ClientTls>,
    /// Absent: no name server is known.
    pub dns: Option<TokioResolver>,
    /// A try takes no longer.
    pub patience: Duration,
}

/// What a try came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// 2xx.
    Taken(u16),
    /// 410: it wants no more.
    Gone,
    /// Another status, and what its Retry-After asks for.
    Answered(u16, Option<Duration>),
    /// No answer.
    Failed(Fault),
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The name is not found.
    #[error("its name cannot be looked up")]
    Lookup,
    /// Every address is private.
    #[error("its address is not a public one")]
    Barred,
    /// Plain HTTP is not sent there.
    #[error("its URL is http://, and nothing is sent in clear to there")]
    Clear,
    /// Nobody takes connections.
    #[error("no connection")]
    Connection,
    /// No TLS, or a certificate that is not to be trusted.
    #[error("no TLS connection: see its certificate")]
    Tls,
    /// What came is no answer.
    #[error("its answer is not HTTP, or the connection broke")]
    Http,
    /// It takes too long.
    #[error("no answer in time")]
    Late,
}

/// One try, whatever comes, within its time.
pub(super) async fn attempt(means: &Means, target: &Target, id: &str, body: &str, now: Wall) -> Outcome {
    let tried = timeout(means.patience, exchange(means, target, id, body, now)).await;
    tried.unwrap_or(Err(Fault::Late)).unwrap_or_else(Outcome::Failed)
}

/// What is certain before anything is looked up: an address that is not to be connected to, or clear text to where none is sent. `localhost`
/// is what RFC 6761 has it be.
pub(super) fn foreseen(means: &Means, url: &WebhookUrl) -> Result<(), Fault> {
    let address: IpAddr = match url.host().ok_or(Fault::Lookup)? {
        Host::Ipv4(address) => address.into(),
        Host::Ipv6(address) => address.into(),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if name == "localhost" || name.ends_with(".localhost") {
                return judge(means, url.is_secure(), &[Ipv4Addr::LOCALHOST.into()]).map(|_| ());
            }
            let clear = url.is_secure() || means.insecure || !means.allow.is_empty();
            return if clear { Ok(()) } else { Err(Fault::Clear) };
        }
    };
    judge(means, url.is_secure(), &[address]).map(|_| ())
}

async fn exchange(means: &Means, target: &Target, id: &str, body: &str, now: Wall) -> Result<Outcome, Fault> {
    let url = match target {
        Target::Webhook(webhook) => &webhook.url,
        Target::Sink(sink) => &sink.url,
    };
    let stream = connect(means, url).await?;
    let request = Request::post(url.target())
        .header(HOST, url.authority())
        .header(USER_AGENT, concat!("callbridge/", env!("CARGO_PKG_VERSION")));
    let request = match target {
        Target::Webhook(webhook) => {
            let timestamp = now.0.div_euclid(1000);
            request
                .header(CONTENT_TYPE, "application/json")
                .header("webhook-id", id)
                .header("webhook-timestamp", timestamp)
                .header("webhook-signature", signature(webhook.secrets_at(now), id, timestamp, body))
        }
        Target::Sink(sink) => match bearer(sink)? {
            Some(shown) => request.header(AUTHORIZATION, shown),
            None => request,
        }
        .header(CONTENT_TYPE, "application/cloudevents+json"),
    };
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).map_err(|_| Fault::Http)?;
    if !url.is_secure() {
        return post(stream, request).await;
    }
    let tls = means.tls.as_ref().ok_or(Fault::Tls)?;
    let name = match url.host().ok_or(Fault::Lookup)? {
        Host::Domain(name) => name.trim_end_matches('.').to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    post(tls.connect(&name, stream).await.map_err(|_| Fault::Tls)?, request).await
}

/// What is shown at a sink; it is in no log of the libraries below.
fn bearer(sink: &Sink) -> Result<Option<HeaderValue>, Fault> {
    let Some(credential) = &sink.credential else { return Ok(None) };
    let text = Zeroizing::new(format!("Bearer {}", credential.token.expose()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| Fault::Http)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Connects to an address that was judged: the name is not looked up again, so it cannot lead elsewhere meanwhile.
async fn connect(means: &Means, url: &WebhookUrl) -> Result<TcpStream, Fault> {
    let found = match url.host().ok_or(Fault::Lookup)? {
        Host::Ipv4(address) => vec![address.into()],
        Host::Ipv6(address) => vec![address.into()],
        Host::Domain(name) => look_up(means, name).await?,
    };
    let judged = judge(means, url.is_secure(), &found)?;
    let mut fault = Fault::Connection;
    for address in judged.into_iter().take(MAX_ADDRESSES) {
        match timeout(CONNECT, TcpStream::connect(SocketAddr::new(address, url.port()))).await {
            Ok(Ok(stream)) => {
                // Small messages in one piece: nothing is gained by waiting, and little lost without.
                let _slower = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(_)) => fault = Fault::Connection,
            Err(_) => fault = Fault::Late,
        }
    }
    Err(fault)
}

/// Those of the addresses that may be connected to.
fn judge(means: &Means, secure: bool, found: &[IpAddr]) -> Result<Vec<IpAddr>, Fault> {
    let allowed = |address: &&IpAddr| is_allowed(**address, &means.allow);
    let may: Vec<IpAddr> = found.iter().filter(|a| is_public(**a) || allowed(a)).copied().collect();
    if may.is_empty() {
        return Err(Fault::Barred);
    }
    let clear: Vec<IpAddr> = may.iter().filter(|a| secure || means.insecure || allowed(a)).copied().collect();
    if clear.is_empty() { Err(Fault::Clear) } else { Ok(clear) }
}

async fn look_up(means: &Means, name: &str) -> Result<Vec<IpAddr>, Fault> {
    let dns = means.dns.as_ref().ok_or(Fault::Lookup)?;
    let absolute = if name.ends_with('.') { name.to_owned() } else { format!("{name}.") };
    let found = dns.lookup_ip(absolute).await.map_err(|_| Fault::Lookup)?;
    let addresses: Vec<IpAddr> = found.iter().collect();
    if addresses.is_empty() { Err(Fault::Lookup) } else { Ok(addresses) }
}

/// Ends its task with itself.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn post<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Outcome, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEAD_FIELDS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Fault::Http)?;
    let _driver = Driver(tokio::spawn(async move {
        // How it ends is told by the answer.
        let _ended = connection.await;
    }));
    let response = sender.send_request(request).await.map_err(|_| Fault::Http)?;
    let outcome = read(&response);
    // The status counts; the rest is read for politeness, so that it is not cut in its sentence.
    let _rest = timeout(ANSWER, Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect()).await;
    Ok(outcome)
}

fn read(response: &Response<Incoming>) -> Outcome {
    let status = response.status().as_u16();
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    match status {
        200..=299 => Outcome::Taken(status),
        410 => Outcome::Gone,
        _ => Outcome::Answered(status, asked.map(Duration::from_secs)),
    }
}

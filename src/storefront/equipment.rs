//! One calling equipment, through its public API only: sending an initiation message (Fig. 8), following the call, ending it. Owns the
//! client and what an answer means for the question that matters: may another equipment be asked, or could this one have the call?

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock::Wall;
use crate::config::storefront::EquipmentConfig;
use crate::io::passwords::Password;
use crate::io::tls::{ClientTls, TlsError};
use crate::model::{BusinessId, CallState, LegState, Outcome, SupervisorMode, WebhookUrl};

/// Connecting, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// An answer; the equipment's own bound is 15 s.
const ANSWER: Duration = Duration::from_secs(20);
/// Largest answer that is read, and largest event.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// A stream says something every 15 s; one that does not is broken.
const QUIET: Duration = Duration::from_secs(45);

/// See the module.
pub struct Equipment {
    /// In logs and in the store.
    pub name: String,
    /// Who we are there (804).
    pub business: BusinessId,
    url: WebhookUrl,
    tls: Option<ClientTls>,
    authorization: HeaderValue,
}

/// As much of a call object as concerns us; whatever else is in it may change.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Call {
    /// Its identifier there.
    pub id: String,
    /// Where it stands.
    pub state: CallState,
    /// Null until ended.
    pub outcome: Option<Outcome>,
    /// When both began to talk.
    pub bridged_at: Option<Wall>,
    /// When it was over.
    pub ended_at: Option<Wall>,
    /// Our request's identifier.
    pub reference: Option<String>,
    /// Third parties at the talk, those who are gone too.
    #[serde(default)]
    pub supervisors: Vec<Third>,
}

/// A third party at a talk.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Third {
    /// Its name in the paths.
    pub leg: u16,
    /// Where its leg stands.
    pub state: LegState,
}

/// What became of a wish about a supervisor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Supervised {
    /// Takes part, or its phone rings.
    There,
    /// Takes part no more.
    Gone,
}

#[derive(Deserialize)]
struct Listed {
    calls: Vec<Call>,
}

/// One event of a stream or a webhook.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Event {
    /// `call.state_changed`, `call.ended`, and others that may come.
    pub r#type: String,
    /// Counts the states of a call; absent for events of other kinds.
    #[serde(default)]
    pub sequence: u32,
    /// When it happened.
    pub timestamp: Wall,
    /// The state entered.
    pub state: Option<CallState>,
    /// The call as it is now.
    pub data: Value,
}

impl Event {
    /// The call that it tells of.
    pub fn call(&self) -> Option<Call> {
        serde_json::from_value(self.data.clone()).ok()
    }
}

/// What became of an initiation message.
#[derive(Clone, PartialEq, Debug)]
pub enum Placing {
    /// It has the call.
    Placed(Call),
    /// It certainly has nothing of it: another one may be asked.
    NotTaken(String),
    /// It takes no such message, and no other would: what its customer is told.
    Refused(Outcome, String),
    /// It may have taken it. Nobody else is asked; the same key to the same equipment tells.
    Unknown(String),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// Nothing was sent.
    #[error("no connection to {0}: {1}")]
    Connect(String, String),
    /// Something may have been.
    #[error("the exchange broke: {0}")]
    Broken(String),
}

impl Equipment {
    /// Reads its password and the authorities to trust.
    pub fn new(config: &EquipmentConfig, password: &Password) -> Result<Equipment, TlsError> {
        let tls = match config.url.is_secure() {
            true => Some(ClientTls::load(config.ca.as_deref(), None)?),
            false => None,
        };
        let pair = Password::new(format!("{}:{}", config.business, password.expose()));
        let basic = Password::new(format!("Basic {}", STANDARD.encode(pair.expose())));
        // Base64 has no byte that a header may not have.
        let mut authorization = HeaderValue::from_str(basic.expose()).unwrap_or(HeaderValue::from_static(""));
        authorization.set_sensitive(true);
        let (name, url, business) = (config.name.clone(), config.url.clone(), config.business.clone());
        Ok(Equipment { name, business, url, tls, authorization })
    }

    /// Sends the initiation message. The same `key` makes a repetition the same call.
    pub async fn initiate(&self, key: &str, message: &Value) -> Placing {
        let body = Bytes::from(message.to_string());
        let key = HeaderValue::from_str(key).ok().map(|key| ("idempotency-key", key));
        let sent = self.send(Method::POST, "/v1/calls", key.as_slice(), body);
        let answer = match sent.await {
            Ok(answer) => answer,
            Err(fault @ Fault::Connect(..)) => return Placing::NotTaken(fault.to_string()),
            Err(fault @ Fault::Broken(_)) => return Placing::Unknown(fault.to_string()),
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        match whole(answer).await {
            Ok(body) => judge(status, &headers, &body),
            Err(fault) => Placing::Unknown(fault.to_string()),
        }
    }

    /// The call as it is now. `None`: it has no such call.
    pub async fn look(&self, call: &str) -> Result<Option<Call>, String> {
        self.asked(Method::GET, call, StatusCode::NOT_FOUND).await
    }

    /// Cancels or hangs up. `None`: it has ended already.
    pub async fn end(&self, call: &str) -> Result<Option<Call>, String> {
        self.asked(Method::DELETE, call, StatusCode::CONFLICT).await
    }

    /// The call that has this reference of ours. `None`: it has none.
    pub async fn find(&self, reference: &str) -> Result<Option<Call>, String> {
        let path = format!("/v1/calls?reference={reference}");
        let answer = self.send(Method::GET, &path, &[], Bytes::new()).await.map_err(|fault| fault.to_string())?;
        let status = answer.status();
        let body = whole(answer).await.map_err(|fault| fault.to_string())?;
        if status != StatusCode::OK {
            return Err(told(status, &body));
        }
        let list: Listed = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        Ok(list.calls.into_iter().next())
    }

    async fn asked(&self, method: Method, call: &str, none: StatusCode) -> Result<Option<Call>, String> {
        let sent = self.send(method, &format!("/v1/calls/{call}"), &[], Bytes::new()).await;
        let answer = sent.map_err(|fault| fault.to_string())?;
        let status = answer.status();
        let body = whole(answer).await.map_err(|fault| fault.to_string())?;
        match status {
            _ if status == none => Ok(None),
            StatusCode::OK => serde_json::from_slice(&body).map(Some).map_err(|error| error.to_string()),
            _ => Err(told(status, &body)),
        }
    }

    /// A supervisor at this address takes part in the talk in this mode from now on; none: no more.
    pub async fn supervise(
        &self,
        call: &str,
        address: &str,
        mode: Option<SupervisorMode>,
    ) -> Result<Supervised, String> {
        let now = self.look(call).await?.ok_or("no such call")?;
        let live = now.supervisors.iter().find(|third| third.state != LegState::Ended).map(|third| third.leg);
        let path = format!("/v1/calls/{call}/supervisors");
        let (method, path, body) = match (mode, live) {
            (None, None) => return Ok(Supervised::Gone),
            (None, Some(leg)) => (Method::DELETE, format!("{path}/{leg}"), Bytes::new()),
            (Some(mode), Some(leg)) => {
                (Method::PUT, format!("{path}/{leg}"), Bytes::from(json!({ "mode": mode }).to_string()))
            }
            (Some(mode), None) => {
                (Method::POST, path, Bytes::from(json!({ "supervisor": address, "mode": mode }).to_string()))
            }
        };
        let answer = self.send(method, &path, &[], body).await.map_err(|fault| fault.to_string())?;
        let status = answer.status();
        let body = whole(answer).await.map_err(|fault| fault.to_string())?;
        match status.is_success() {
            true if mode.is_some() => Ok(Supervised::There),
            true => Ok(Supervised::Gone),
            false => Err(told(status, &body)),
        }
    }

    /// The stream of a call's events after `after`. `None`: its end is known already.
    pub async fn follow(&self, call: &str, after: u32) -> Result<Option<Follow>, String> {
        let path = format!("/v1/calls/{call}/events");
        let last = [("last-event-id", HeaderValue::from(after))];
        let headers = if after > 0 { last.as_slice() } else { &[] };
        let answer = self.send(Method::GET, &path, headers, Bytes::new()).await.map_err(|fault| fault.to_string())?;
        match answer.status() {
            StatusCode::OK => Ok(Some(Follow { body: answer.into_body(), text: Vec::new() })),
            StatusCode::NO_CONTENT => Ok(None),
            status => Err(format!("{} for the events", status.as_u16())),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, HeaderValue)],
        body: Bytes,
    ) -> Result<Response<Incoming>, Fault> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        let broken = |error: &dyn std::fmt::Display| Fault::Broken(error.to_string());
        *request.uri_mut() = path.parse().map_err(|error| broken(&error))?;
        let authority = HeaderValue::from_str(&self.url.authority()).map_err(|error| broken(&error))?;
        let json = HeaderValue::from_static("application/json");
        let own = [(HOST, authority), (AUTHORIZATION, self.authorization.clone()), (CONTENT_TYPE, json)];
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.clone());
        }
        request.headers_mut().extend(own);
        let unreachable = |why: String| Fault::Connect(self.url.authority(), why);
        let host = self.url.host().map(|host| host.to_string()).unwrap_or_default();
        let host = host.trim_matches(['[', ']']).to_owned();
        let connecting = async {
            let stream = TcpStream::connect((host.as_str(), self.url.port())).await.map_err(|e| e.to_string())?;
            let Some(tls) = &self.tls else { return Ok(Stream::Clear(stream)) };
            let stream = tls.connect(&host, stream).await.map_err(|e| e.to_string())?;
            Ok::<_, String>(Stream::Tls(Box::new(stream)))
        };
        let stream = timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err("it takes too long".to_owned()));
        let exchange = async {
            match stream.map_err(unreachable)? {
                Stream::Clear(stream) => exchange(stream, request).await,
                Stream::Tls(stream) => exchange(*stream, request).await,
            }
        };
        timeout(ANSWER, exchange).await.unwrap_or_else(|_| Err(Fault::Broken("no answer in time".to_owned())))
    }
}

/// A stream of events.
pub struct Follow {
    body: Incoming,
    text: Vec<u8>,
}

impl Follow {
    /// The next event. `None`: the stream is over, the call may not be.
    pub async fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            while let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                if let Some(event) = read_event(&block) {
                    return Ok(Some(event));
                }
            }
            if self.text.len() > MAX_ANSWER_BYTES {
                return Err("an event that is too long".to_owned());
            }
            let frame = timeout(QUIET, self.body.frame()).await.map_err(|_| "the stream is silent".to_owned())?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| error.to_string())?;
            self.text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
    }
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Fault>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| Fault::Broken(error.to_string());
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with the body, or when that is dropped.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(broken)
}

async fn whole(answer: Response<Incoming>) -> Result<Bytes, Fault> {
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect();
    match timeout(ANSWER, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(Fault::Broken(error.to_string())),
        Err(_) => Err(Fault::Broken("the answer does not end".to_owned())),
    }
}

/// What an answer to an initiation message means (docs/API.md).
fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Placing {
    let kind = |name: &str| problem(body).is_some_and(|problem| problem.r#type.rsplit(':').next() == Some(name));
    let told = told(status, body);
    match status.as_u16() {
        202 => match serde_json::from_slice(body) {
            Ok(call) => Placing::Placed(call),
            Err(error) => Placing::Unknown(format!("202 with another body: {error}")),
        },
        // Taken by this very key, and still being worked on.
        409 if headers.contains_key(RETRY_AFTER) => Placing::Unknown(told),
        409 => Placing::Refused(Outcome::Failed, told),
        422 => Placing::Refused(Outcome::CustomerUnreachable, told),
        400 | 413 | 415 => Placing::Refused(Outcome::Failed, told),
        // Not this account, not this destination, too many, not now: another equipment may.
        401 | 403 | 404 | 429 => Placing::NotTaken(told),
        503 if !kind("late") => Placing::NotTaken(told),
        _ => Placing::Unknown(told),
    }
}

#[derive(Deserialize)]
struct ProblemOf {
    r#type: String,
    detail: String,
}

fn problem(body: &[u8]) -> Option<ProblemOf> {
    serde_json::from_slice(body).ok()
}

/// For the log: numbers are not in a problem's detail.
fn told(status: StatusCode, body: &[u8]) -> String {
    let detail = problem(body).map(|problem| problem.detail).unwrap_or_default();
    format!("{} {}", status.as_u16(), detail.chars().take(200).collect::<String>())
}

/// The `data` of a block; the rest of it says the same again.
fn read_event(block: &[u8]) -> Option<Event> {
    let text = std::str::from_utf8(block).ok()?;
    let data = text.lines().find_map(|line| line.strip_prefix("data:"))?;
    serde_json::from_str(data.trim_start()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, kind: &str, retry_after: bool) -> Placing {
        let mut headers = HeaderMap::new();
        if retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let body = format!("{{\"type\":\"urn:callbridge:problem:{kind}\",\"detail\":\"d\",\"status\":{status}}}");
        judge(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn only_what_is_certainly_not_taken_goes_to_another_equipment() {
        for (status, kind) in [(503, "unavailable"), (429, "limit"), (403, "destination"), (401, "unauthorized")] {
            assert!(matches!(judged(status, kind, true), Placing::NotTaken(_)), "{status}");
        }
        for (status, kind, retry) in
            [(503, "late", true), (409, "conflict", true), (500, "internal", false), (502, "", false)]
        {
            assert!(matches!(judged(status, kind, retry), Placing::Unknown(_)), "{status}");
        }
        assert!(matches!(judged(422, "number", false), Placing::Refused(Outcome::CustomerUnreachable, _)));
        assert!(matches!(judged(409, "duplicate", false), Placing::Refused(Outcome::Failed, _)));
        assert!(matches!(judged(202, "", false), Placing::Unknown(_)), "no call in it");
    }

    #[test]
    fn events_are_read_from_a_stream_and_what_is_none_is_passed_over() {
        let block = b"event: call.ended\nid: 5\ndata: {\"type\":\"call.ended\",\"sequence\":5,\"timestamp\":\"2026-12-01T05:20:01.000Z\",\"state\":\"ended\",\"data\":{\"id\":\"x\",\"state\":\"ended\",\"outcome\":\"completed\",\"bridged_at\":null,\"ended_at\":null,\"reference\":\"r\",\"more\":1}}\n\n";
        let event = read_event(block).unwrap();
        assert_eq!((event.sequence, event.state), (5, Some(CallState::Ended)));
        assert_eq!(event.call().unwrap().outcome, Some(Outcome::Completed));
        assert_eq!(read_event(b": still there\n\n"), None);
    }
}

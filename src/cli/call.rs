//! `callbridge call`: sends an initiation message and follows the call until it ends. Owns a small HTTP client over TCP or
//! TLS; refuses to show the password.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::io::passwords::Password;
use crate::io::tls::{ClientTls, TlsError};
use crate::model::{CallState, CallView, Outcome};

/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// One request may take so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at the call.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Attempts to send the message; its `Idempotency-Key` makes them one call.
const ATTEMPTS: u32 = 3;

/// Sends an initiation message, follows the call; ends 0 when both have talked, 1 otherwise. Interrupting it leaves the call
/// going on.
#[derive(Clone, Debug, clap::Args)]
pub struct CallArgs {
    /// The API, such as http://127.0.0.1:8080
    #[arg(long)]
    pub url: String,
    /// Business identifier
    #[arg(long)]
    pub business: String,
    /// Who is called first: +12125550100, tel:, sip:, or an IP address
    #[arg(long)]
    pub customer: String,
    /// Who is called next; several, in hunt order
    #[arg(long, num_args = 1..)]
    pub representative: Vec<String>,
    /// Desired contact time, RFC 3339; now when absent
    #[arg(long)]
    pub at: Option<String>,
    /// Read the password from standard input; else CALLBRIDGE_PASSWORD holds it
    #[arg(long)]
    pub password_stdin: bool,
    /// The company to be named in the message
    #[arg(long)]
    pub company: Option<String>,
    /// Your own identifier of this call, kept in its record
    #[arg(long)]
    pub reference: Option<String>,
    /// The same key never makes a second call; a random one when absent
    #[arg(long)]
    pub idempotency_key: Option<String>,
    /// At the end show the call's ladder: every SIP message of both legs
    #[arg(long)]
    pub ladder: bool,
    /// PEM file of the authorities to trust for https; the system's when absent
    #[arg(long)]
    pub ca: Option<PathBuf>,
}

/// Why the call could not be followed.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("no password: set CALLBRIDGE_PASSWORD or give --password-stdin")]
    NoPassword,
    #[error("standard input: {0}")]
    Stdin(std::io::Error),
    #[error("--url: give http://host:port or https://host:port")]
    Url,
    #[error("{0}: {1}")]
    Connect(String, std::io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the HTTP exchange failed: {0}")]
    Http(String),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
    #[error("answer {status}: {text}")]
    Refused { status: StatusCode, text: String, retry_after: Option<u64> },
}

/// Runs the command.
pub async fn run(args: CallArgs) -> ExitCode {
    match follow(&args).await {
        Ok(Outcome::Completed) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("callbridge call: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn follow(args: &CallArgs) -> Result<Outcome, CallError> {
    let client = Client::new(args)?;
    let view = client.start(args).await?;
    println!("call {}", view.id);
    let path = format!("/v1/calls/{}", view.id);
    let mut shown = Vec::new();
    let mut view = view;
    let mut failures = 0;
    loop {
        show(&view, &mut shown);
        if let (CallState::Ended, Some(outcome)) = (view.state, view.outcome) {
            println!("{outcome}, {} s billed", view.billable_seconds.unwrap_or(0));
            if args.ladder {
                print!("\n{}", client.ladder(&path).await?);
            }
            return Ok(outcome);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        view = match client.ask(Method::GET, &path, None, None).await {
            Ok(fresh) => fresh,
            Err(error) if failures < 20 && error.may_pass() => {
                failures += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        failures = 0;
    }
}

/// Every moment of the call, once, in the order in which it is learnt.
fn show(view: &CallView, shown: &mut Vec<String>) {
    let customer = &view.customer;
    let representative = view.representative.as_ref();
    let moments = [
        ("customer rings", customer.ringing_at),
        ("customer answered, hears the message", customer.answered_at),
        ("representative rings", representative.and_then(|leg| leg.ringing_at)),
        ("representative answered", representative.and_then(|leg| leg.answered_at)),
        ("bridged", view.bridged_at),
        ("ended", view.ended_at),
    ];
    let state = format!("state {}", view.state);
    if !shown.contains(&state) {
        println!("{state}");
        shown.push(state);
    }
    for (what, at) in moments {
        let Some(at) = at else { continue };
        let line = format!("{at}  {what}");
        if !shown.contains(&line) {
            println!("{line}");
            shown.push(line);
        }
    }
}

impl CallError {
    fn may_pass(&self) -> bool {
        match self {
            CallError::Connect(..) | CallError::Http(_) | CallError::Late => true,
            CallError::Refused { status, .. } => {
                matches!(*status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
            }
            CallError::NoPassword | CallError::Stdin(_) | CallError::Url | CallError::Tls(_) => false,
        }
    }

    fn wait(&self) -> Duration {
        match self {
            CallError::Refused { retry_after: Some(seconds), .. } => Duration::from_secs((*seconds).min(60)),
            _ => Duration::from_secs(1),
        }
    }
}

struct Client {
    host: String,
    port: u16,
    authority: String,
    tls: Option<ClientTls>,
    authorization: Password,
}

impl Client {
    fn new(args: &CallArgs) -> Result<Client, CallError> {
        let uri: Uri = args.url.parse().map_err(|_| CallError::Url)?;
        let (host, authority) = match (uri.host(), uri.authority()) {
            (Some(host), Some(authority)) if uri.path() == "/" && !authority.as_str().contains('@') => {
                (host.trim_matches(['[', ']']).to_owned(), authority.to_string())
            }
            _ => return Err(CallError::Url),
        };
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => Some(ClientTls::load(args.ca.as_deref(), None)?),
            _ => return Err(CallError::Url),
        };
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let password = password(args.password_stdin)?;
        let pair = Password::new(format!("{}:{}", args.business, password.expose()));
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair.expose());
        Ok(Client { host, port, authority, tls, authorization: Password::new(format!("Basic {encoded}")) })
    }

    async fn start(&self, args: &CallArgs) -> Result<CallView, CallError> {
        let message = serde_json::json!({
            "customer": args.customer,
            "representative": (!args.representative.is_empty()).then_some(&args.representative),
            "desired_contact_time": args.at,
            "company_name": args.company,
            "reference": args.reference,
        });
        let key = args.idempotency_key.clone().unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
        let mut attempt = 1;
        loop {
            match self.ask(Method::POST, "/v1/calls", Some(message.to_string()), Some(&key)).await {
                Err(error) if attempt < ATTEMPTS && error.may_pass() => {
                    attempt += 1;
                    eprintln!("{error}; trying again");
                    tokio::time::sleep(error.wait()).await;
                }
                done => return done,
            }
        }
    }

    /// The ladder as text. Its last answers may still be on their way; that is no reason to wait.
    async fn ladder(&self, path: &str) -> Result<String, CallError> {
        let bytes = self.send(Method::GET, &format!("{path}/ladder?format=text"), None, None).await?;
        String::from_utf8(bytes.into()).map_err(http)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        key: Option<&str>,
    ) -> Result<CallView, CallError> {
        serde_json::from_slice(&self.send(method, path, body, key).await?).map_err(http)
    }

    /// The body of a good answer.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        key: Option<&str>,
    ) -> Result<Bytes, CallError> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.authority);
        request = request.header(AUTHORIZATION, self.authorization.expose());
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default()))).map_err(http)?;
        tokio::time::timeout(PATIENCE, self.exchange(request)).await.map_err(|_| CallError::Late)?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Bytes, CallError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|error| CallError::Connect(self.authority.clone(), error))?;
        match &self.tls {
            None => talk(stream, request).await,
            Some(tls) => talk(tls.connect(&self.host, stream).await?, request).await,
        }
    }
}

async fn talk<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Bytes, CallError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(http)?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(http)?.to_bytes();
    drop(sender);
    driver.abort();
    if head.status.is_success() {
        return Ok(body);
    }
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(CallError::Refused { status: head.status, text: explain(&body), retry_after })
}

/// The detail of a problem and of its fields; else the beginning of whatever came.
fn explain(body: &[u8]) -> String {
    let Ok(problem) = serde_json::from_slice::<serde_json::Value>(body) else {
        return String::from_utf8_lossy(body).chars().take(200).collect();
    };
    let text =
        |value: &serde_json::Value, name: &str| value.get(name).and_then(|v| v.as_str()).unwrap_or("").to_owned();
    let mut out = text(&problem, "detail");
    for field in problem.get("errors").and_then(|errors| errors.as_array()).into_iter().flatten() {
        out.push_str(&format!("\n  {}: {}", text(field, "pointer"), text(field, "detail")));
    }
    out
}

fn http(error: impl std::fmt::Display) -> CallError {
    CallError::Http(error.to_string())
}

fn password(from_stdin: bool) -> Result<Password, CallError> {
    let given = match from_stdin {
        true => {
            let mut text = String::new();
            std::io::stdin().take(1024).read_to_string(&mut text).map_err(CallError::Stdin)?;
            let line = text.lines().next().unwrap_or_default().to_owned();
            drop(Password::new(text));
            line
        }
        false => std::env::var("CALLBRIDGE_PASSWORD").unwrap_or_default(),
    };
    if given.is_empty() { Err(CallError::NoPassword) } else { Ok(Password::new(given)) }
}

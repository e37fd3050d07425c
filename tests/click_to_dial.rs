//! CAMARA's Click to Dial as a business's program meets it on the real daemon: tokens, the four operations, events to a sink, and every trap of
//! the interface. Owns these stories; what is answered and told is judged by CAMARA's own description.

#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;

#[path = "click_to_dial/calls.rs"]
mod calls;
#[path = "click_to_dial/described.rs"]
mod described;
#[path = "click_to_dial/events.rs"]
mod events;
#[path = "click_to_dial/judge.rs"]
mod judge;
#[allow(dead_code, reason = "a sink is not signed for")]
#[path = "webhooks/receiver.rs"]
mod receiver;
#[path = "click_to_dial/tokens.rs"]
mod tokens;

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::daemon::{Daemon, Setup, Switch};
use support::http::{Response, send};
use support::ports;

use judge::Judge;

const CALLER: &str = "+12125550100";
const CALLEE: &str = "+16465550101";
const CALLS: &str = "/click-to-dial/v0.1/calls";
/// Sinks of the tests are on loopback.
const LOOPBACK_SINKS: &str = "[webhooks]\nallow = [\"127.0.0.0/8\"]\n";

/// Asks the token endpoint: further header lines, and the form.
fn ask_token(daemon: &Daemon, headers: &[(&str, &str)], form: &str) -> Response {
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let length = form.len().to_string();
    let head = [headers, &[kind, ("Content-Length", length.as_str())]].concat();
    let head = head.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
    let to = daemon.http;
    let request = format!("POST /oauth2/token HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{head}\r\n{form}");
    raw(daemon, &request)
}

/// A request written by hand.
fn raw(daemon: &Daemon, request: &str) -> Response {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(daemon.http).expect("a listener");
    stream.set_read_timeout(Some(support::wait::PATIENCE)).expect("a socket");
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    Response { status, head: head.to_owned(), body: body.to_owned() }
}

/// `Basic …` of the business of every test.
fn basic(daemon: &Daemon) -> String {
    use base64::Engine as _;
    let pair = format!("{}:{}", daemon.business.id, daemon.business.password);
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// A token with these scopes; without any, with all.
#[track_caller]
fn token(daemon: &Daemon, scope: &str) -> String {
    let scope = if scope.is_empty() { String::new() } else { format!("&scope={}", scope.replace(' ', "+")) };
    let form = format!("grant_type=client_credentials{scope}");
    let answer = ask_token(daemon, &[("Authorization", &basic(daemon))], &form);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

/// A small command of ours on this daemon's configuration.
#[track_caller]
fn command(daemon: &Daemon, words: &[&str], input: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_callbridge"))
        .args(words)
        .arg("--config")
        .arg(daemon.config())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("callbridge");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("its end");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A daemon whose switches are silent, a token for everything, and the judge of all that is answered.
struct Stage {
    daemon: Daemon,
    token: String,
    judge: Judge,
    _switch: UdpSocket,
}

impl Stage {
    fn start() -> Stage {
        Stage::with(LOOPBACK_SINKS, Setup::default())
    }

    fn with(more: &str, setup: Setup) -> Stage {
        let port = ports::port();
        let switch = UdpSocket::bind(ports::loopback(port)).expect("a free port");
        let switches = vec![Switch::new("silent", port, &["+1"])];
        let more = format!("{}{more}", setup.more);
        let daemon = Daemon::start(&Setup { switches, more, call: vec![("customer_ring_seconds", 30)], ..setup });
        let token = token(&daemon, "");
        Stage { daemon, token, judge: Judge::start(), _switch: switch }
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        asked(&self.daemon, &self.token, &self.judge, method, path, body)
    }

    /// Creates a call; gives its identifier.
    #[track_caller]
    fn create(&self, body: &Value) -> String {
        let answer = self.ask("POST", "", Some(body));
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["callId"].as_str().expect("an identifier").to_owned()
    }
}

/// An answer below [`CALLS`], judged.
#[track_caller]
fn asked(daemon: &Daemon, token: &str, judge: &Judge, method: &str, path: &str, body: Option<&Value>) -> Response {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("x-correlator", "b4333c46-49c0-4f62")];
    let answer = send(daemon.http, method, &format!("{CALLS}{path}"), &headers, body).expect("an answer");
    let operation = match path.split('/').nth(2) {
        Some(_) => "/calls/{callId}/recording",
        None if path.is_empty() => "/calls",
        None => "/calls/{callId}",
    };
    judge.answer(method, operation, &answer);
    assert!(answer.head.to_lowercase().contains("x-correlator: b4333c46-49c0-4f62"), "{}", answer.head);
    answer
}

/// Who calls whom.
fn pair() -> Value {
    json!({ "caller": { "number": CALLER }, "callee": { "number": CALLEE } })
}

/// The same with another property.
fn with(field: &str, value: Value) -> Value {
    let mut message = pair();
    message[field] = value;
    message
}

#[track_caller]
fn is_refused(answer: &Response, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{}", answer.body);
    assert_eq!(answer.json()["status"], status);
}

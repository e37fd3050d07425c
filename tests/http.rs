//! The API of the real daemon as a business meets it, over HTTP and TLS: every status of the contract, keys, drain, renewal.
//! Owns these stories; the switch they dial is a socket that never answers, so that calls stay where they are.

#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;

#[path = "http/accounts.rs"]
mod accounts;
#[path = "http/admin.rs"]
mod admin;
#[path = "http/contact.rs"]
mod contact;
#[path = "http/described.rs"]
mod described;
#[path = "http/direct.rs"]
mod direct;
#[path = "http/following.rs"]
mod following;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/sealed.rs"]
mod sealed;
#[path = "http/secure.rs"]
mod secure;
#[path = "http/staff.rs"]
mod staff;
#[path = "http/tariffs.rs"]
mod tariffs;
#[path = "http/waiting.rs"]
mod waiting;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::daemon::{Daemon, Setup, Switch};
use support::http::{Credentials, Response, request};
use support::ports;
use support::wait::{PATIENCE, eventually};

const CUSTOMER: &str = "+12125550100";
const REPRESENTATIVE: &str = "+12125550101";

/// A daemon and the silent switch it dials.
struct Equipment {
    daemon: Daemon,
    _switch: UdpSocket,
}

impl Equipment {
    fn start() -> Equipment {
        Equipment::with(&[("customer_ring_seconds", 30)])
    }

    fn with(call: &[(&'static str, u32)]) -> Equipment {
        Equipment::and(call, "")
    }

    /// With more of the business or of the file.
    fn and(call: &[(&'static str, u32)], more: &str) -> Equipment {
        Equipment::set_up(Setup { call: call.to_vec(), more: more.to_owned(), ..Setup::default() })
    }

    fn set_up(setup: Setup) -> Equipment {
        let port = ports::port();
        let switch = UdpSocket::bind(ports::loopback(port)).expect("a free port");
        let switches = vec![Switch::new("silent", port, &["+1"])];
        let daemon = Daemon::start(&Setup { switches, ..setup });
        Equipment { daemon, _switch: switch }
    }

    /// Changes the configuration file's text and starts the daemon anew.
    fn change(&mut self, change: impl Fn(String) -> String) {
        self.daemon.kill();
        let file = self.daemon.config();
        let text = std::fs::read_to_string(&file).expect("the configuration");
        std::fs::write(&file, change(text)).expect("the configuration");
        self.daemon.restart();
    }

    #[track_caller]
    fn post(&self, body: &Value) -> Response {
        self.daemon.api("POST", "/v1/calls", Some(body))
    }

    #[track_caller]
    fn accepted(&self, body: &Value) -> String {
        let answer = self.post(body);
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.json()["id"].as_str().expect("an identifier").to_owned()
    }

    #[track_caller]
    fn call(&self, id: &str) -> Value {
        self.daemon.api("GET", &format!("/v1/calls/{id}"), None).json()
    }

    /// Waits until the call is in this state.
    #[track_caller]
    fn until(&self, id: &str, state: &str) {
        eventually(state, PATIENCE, || (self.call(id)["state"] == state).then_some(()));
    }

    /// A request written by hand.
    fn raw(&self, text: &str) -> (u16, String) {
        raw(self.daemon.http, text)
    }

    fn keyed(&self, key: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let pair = basic(&self.daemon.business);
        let length = body.len();
        self.raw(&format!(
            "POST /v1/calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Idempotency-Key: {key}\r\nAuthorization: Basic {pair}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    /// A small command of ours on this daemon's configuration.
    fn command(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_callbridge"))
            .args(arguments)
            .arg("--config")
            .arg(self.daemon.config())
            .current_dir(self.daemon.config().parent().expect("a folder"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("callbridge");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

fn basic(who: &Credentials) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", who.id, who.password))
}

fn raw(to: SocketAddr, text: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(to).expect("a listener");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    // The daemon may refuse before it has read all.
    let _sent = stream.write_all(text.as_bytes());
    let mut answer = Vec::new();
    let _ended = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    (status, answer)
}

fn message() -> Value {
    json!({ "customer": CUSTOMER, "representative": REPRESENTATIVE })
}

fn with(field: &str, value: Value) -> Value {
    let mut message = message();
    message[field] = value;
    message
}

#[track_caller]
fn is_problem(answer: &Response, status: u16) {
    assert_eq!(answer.status, status, "{}\n{}", answer.head, answer.body);
    assert!(answer.head.to_lowercase().contains("content-type: application/problem+json"), "{}", answer.head);
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    for member in ["type", "title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {problem}");
    }
}

#[test]
fn a_call_is_accepted_shown_listed_deleted_and_recorded() {
    let equipment = Equipment::start();
    let answer = equipment.post(&with("reference", json!("order 7")));
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.json()["id"].as_str().expect("an identifier").to_owned();
    assert!(answer.head.to_lowercase().contains(&format!("location: /v1/calls/{id}")), "{}", answer.head);
    eventually("the customer to be dialled", PATIENCE, || {
        (equipment.call(&id)["state"] == "calling_customer").then_some(())
    });
    let listed = equipment.daemon.api("GET", "/v1/calls?state=calling_customer&reference=order%207", None).json();
    assert_eq!(listed["calls"][0]["id"], id);
    let path = format!("/v1/calls/{id}");
    assert_eq!(equipment.daemon.api("DELETE", &path, None).status, 200);
    // The switch never answers, not even the INVITE: the call may end at once or when the transaction is given up.
    eventually("the call to end", PATIENCE * 2, || (equipment.call(&id)["state"] == "ended").then_some(()));
    assert_eq!(equipment.call(&id)["outcome"], "cancelled");
    is_problem(&equipment.daemon.api("DELETE", &path, None), 409);
    // The call is shown as ended a moment before its record is durable.
    let records = eventually("the record", PATIENCE, || Some(equipment.daemon.records()).filter(|all| !all.is_empty()));
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0]["call_id"], &records[0]["reference"]), (&json!(id), &json!("order 7")));
    let ended = equipment.daemon.api("GET", "/v1/calls?state=ended", None).json();
    assert_eq!(ended["calls"].as_array().map(Vec::len), Some(1));
}

#[test]
fn every_wrong_message_has_its_status() {
    let equipment = Equipment::start();
    for (body, status, pointer) in [
        (json!([]), 400, ""),
        (json!({ "representative": REPRESENTATIVE }), 400, "/customer"),
        (with("colour", json!("red")), 400, "/colour"),
        (with("customer", json!(7)), 400, "/customer"),
        (with("company_name", json!("x".repeat(81))), 400, "/company_name"),
        (with("customer", json!("+1212555010")), 422, "/customer"),
        (with("representative", json!([REPRESENTATIVE, "+1"])), 422, "/representative/1"),
        (with("desired_contact_time", json!("tomorrow")), 422, "/desired_contact_time"),
        (with("desired_contact_time", json!("2020-01-01T00:00:00Z")), 422, "/desired_contact_time"),
        (with("desired_contact_time", json!("2999-01-01T00:00:00Z")), 422, "/desired_contact_time"),
        (with("customer", json!("sip:anna@elsewhere.example")), 403, "/customer"),
        (with("representative", json!([REPRESENTATIVE, "+442079460000"])), 403, "/representative/1"),
        (with("caller_id", json!("+12125550199")), 403, "/caller_id"),
        (json!({ "customer": CUSTOMER }), 422, "/representative"),
    ] {
        let answer = equipment.post(&body);
        is_problem(&answer, status);
        if !pointer.is_empty() {
            assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}: {}", answer.body);
        }
    }
    let head =
        format!("Host: x\r\nConnection: close\r\nAuthorization: Basic {}\r\n", basic(&equipment.daemon.business));
    let json = "Content-Type: application/json\r\n";
    for (request, status) in [
        (format!("POST /v1/calls HTTP/1.1\r\n{head}{json}Content-Length: 3\r\n\r\n{{,}}"), 400),
        (format!("POST /v1/calls HTTP/1.1\r\n{head}{json}Content-Length: 70000\r\n\r\n"), 413),
        (
            format!("POST /v1/calls HTTP/1.1\r\n{head}Content-Type: application/jose\r\nContent-Length: 3\r\n\r\na.b"),
            415,
        ),
        (format!("POST /v1/calls HTTP/1.1\r\n{head}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}"), 415),
        (format!("PUT /v1/calls HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n"), 405),
        (format!("GET /v3/calls HTTP/1.1\r\n{head}\r\n"), 404),
        (format!("GET /v1/calls/00000000-0000-7000-8000-000000000000 HTTP/1.1\r\n{head}\r\n"), 404),
        (format!("GET /v1/calls?limit=0 HTTP/1.1\r\n{head}\r\n"), 400),
    ] {
        let (got, answer) = equipment.raw(&request);
        assert_eq!(got, status, "{request}\n{answer}");
        assert!(answer.to_lowercase().contains("application/problem+json"), "{answer}");
    }
    assert!(equipment.daemon.records().is_empty());
    assert!(equipment.daemon.metric("callbridge_rejected_total", "reason=\"destination_barred\"") >= 2.0);
    assert!(equipment.daemon.metric("callbridge_http_requests_total", "status=\"422\"") >= 5.0);
}

#[test]
fn an_unknown_business_and_a_wrong_password_cannot_be_told_apart() {
    let equipment = Equipment::start();
    // That both cost the same work is counted where it is done: `io/passwords`.
    let ask = |id: &str, password: &str| {
        let who = Credentials { id: id.into(), password: password.into() };
        let answer = request(equipment.daemon.http, "GET", "/v1/calls", Some(&who), None).expect("an answer");
        is_problem(&answer, 401);
        assert!(answer.head.to_lowercase().contains("www-authenticate: basic"), "{}", answer.head);
        answer.body
    };
    assert_eq!(ask("abc", "x"), ask("nobody", "x"));
    let anonymous = request(equipment.daemon.http, "GET", "/v1/cdrs", None, None).expect("an answer");
    is_problem(&anonymous, 401);
    let in_message = json!({ "business_id": "abc", "password": equipment.daemon.business.password,
        "customer": CUSTOMER, "representative": REPRESENTATIVE });
    let answer = request(equipment.daemon.http, "POST", "/v1/calls", None, Some(&in_message)).expect("an answer");
    assert_eq!(answer.status, 202, "{}", answer.body);
    let stranger = Credentials { id: "abd".into(), password: equipment.daemon.business.password.clone() };
    let disagree = request(equipment.daemon.http, "POST", "/v1/calls", Some(&stranger), Some(&in_message));
    is_problem(&disagree.expect("an answer"), 401);
    assert!(!equipment.daemon.log().contains(&equipment.daemon.business.password));
    assert!(!equipment.daemon.log().contains(CUSTOMER), "numbers are not logged");
}

#[test]
fn the_same_key_makes_one_call_even_across_a_kill() {
    let mut equipment = Equipment::start();
    let later = with("desired_contact_time", json!("2027-11-01T12:00:00Z"));
    let (status, first) = equipment.keyed("order-7", &later);
    assert_eq!(status, 202, "{first}");
    assert!(!first.to_lowercase().contains("idempotency-replayed"));
    equipment.daemon.kill();
    equipment.daemon.restart();
    let (status, again) = equipment.keyed("order-7", &later);
    assert_eq!(status, 202, "{again}");
    assert!(again.to_lowercase().contains("idempotency-replayed: true"), "{again}");
    let id = |answer: &str| answer.split("\"id\":\"").nth(1).and_then(|rest| rest.get(..36)).map(str::to_owned);
    assert!(id(&first).is_some());
    assert_eq!(id(&first), id(&again));
    let (status, other) = equipment.keyed("order-7", &message());
    assert_eq!(status, 422, "{other}");
    let scheduled = equipment.daemon.api("GET", "/v1/calls?state=scheduled", None).json();
    assert_eq!(scheduled["calls"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_business_sees_its_own_calls_only_and_may_be_disabled_while_the_daemon_runs() {
    let equipment = Equipment::start();
    let id = equipment.accepted(&message());
    equipment.command(&["business", "add", "xyz", "--name", "XYZ", "--password-stdin"], "first secret\n");
    let ask = |password: &str, path: &str| {
        let who = Credentials { id: "xyz".into(), password: password.into() };
        request(equipment.daemon.http, "GET", path, Some(&who), None).expect("an answer")
    };
    eventually("the new business to be known", PATIENCE, || {
        (ask("first secret", "/v1/calls").status == 200).then_some(())
    });
    is_problem(&ask("first secret", &format!("/v1/calls/{id}")), 404);
    assert_eq!(ask("first secret", "/v1/calls").json()["calls"], json!([]));
    equipment.command(&["business", "set-password", "xyz", "--password-stdin"], "second secret\n");
    eventually("the old, remembered password to be refused", PATIENCE, || {
        (ask("first secret", "/v1/calls").status == 401).then_some(())
    });
    assert_eq!(ask("second secret", "/v1/calls").status, 200);
    equipment.command(&["business", "disable", "xyz"], "");
    eventually("the business to be disabled", PATIENCE, || {
        (ask("second secret", "/v1/calls").status == 403).then_some(())
    });
}

#[test]
fn too_many_messages_a_second_are_told_when_to_come_again() {
    let equipment = Equipment::start();
    let limited = ["business", "add", "xyz", "--name", "XYZ", "--password-stdin", "--max-per-second", "1"];
    equipment.command(&limited, "secret of xyz\n");
    let who = Credentials { id: "xyz".into(), password: "secret of xyz".into() };
    let ask = |method: &str, body: Option<&Value>| {
        request(equipment.daemon.http, method, "/v1/calls", Some(&who), body).expect("an answer")
    };
    eventually("the new business to be known", PATIENCE, || (ask("GET", None).status == 200).then_some(()));
    let answers: Vec<Response> = (0..5).map(|_| ask("POST", Some(&message()))).collect();
    assert!(answers.iter().any(|answer| answer.status == 202));
    let refused = answers.iter().find(|answer| answer.status != 202).expect("five within a second are too many");
    is_problem(refused, 429);
    assert!(refused.head.to_lowercase().contains("retry-after: "), "{}", refused.head);
}

#[test]
fn a_draining_daemon_refuses_new_calls_and_still_answers() {
    let mut equipment = Equipment::with(&[("customer_ring_seconds", 30), ("drain_seconds", 3)]);
    let id = equipment.accepted(&message());
    let ready = |equipment: &Equipment| {
        request(equipment.daemon.admin, "GET", "/readyz", None, None).map_or(0, |answer| answer.status)
    };
    assert_eq!(ready(&equipment), 200);
    equipment.daemon.ask_to_stop();
    eventually("the drain to begin", PATIENCE, || (ready(&equipment) == 503).then_some(()));
    let refused = equipment.post(&message());
    is_problem(&refused, 503);
    assert!(refused.head.to_lowercase().contains("retry-after: "), "{}", refused.head);
    assert_eq!(equipment.call(&id)["id"], id.as_str());
    assert!(equipment.daemon.wait_for_exit().success());
}

#[test]
fn slow_and_idle_connections_are_ended() {
    let equipment = Equipment::start();
    let started = Instant::now();
    let (status, _) = equipment.raw("POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Le");
    assert!(matches!(status, 0 | 408), "{status}");
    assert!(started.elapsed() < PATIENCE, "the daemon ended it");
    assert!(started.elapsed() > Duration::from_secs(1), "but not at once");
}

#[test]
fn callbridge_call_follows_a_call_to_its_end() {
    let equipment = Equipment::with(&[("customer_ring_seconds", 2)]);
    let output = secure::follow(&equipment, &format!("http://{}", equipment.daemon.http), None);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("state calling_customer"), "{text}");
    assert!(text.contains("customer_no_answer") || text.contains("customer_unreachable"), "{text}");
}

#[test]
fn the_metrics_have_the_contracts_names() {
    let equipment = Equipment::start();
    equipment.accepted(&message());
    eventually("the INVITE to be counted", PATIENCE, || {
        (equipment.daemon.metric("callbridge_sip_messages_total", "method=\"INVITE\"") >= 1.0).then_some(())
    });
    let text = equipment.daemon.metrics();
    for name in [
        "callbridge_calls_total{outcome=",
        "callbridge_calls_active{state=\"calling_customer\"} 1",
        "callbridge_setup_seconds_count 1",
        "callbridge_bridge_seconds",
        "callbridge_rtp_packets_total{direction=",
        "callbridge_rtp_ports_in_use 1",
        "callbridge_http_requests_total{route=\"/v1/calls\",status=\"202\"} 1",
        "callbridge_inbox_depth ",
    ] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
    assert_eq!(request(equipment.daemon.http, "GET", "/metrics", None, None).expect("an answer").status, 404);
    for health in ["/healthz", "/readyz"] {
        for listener in [equipment.daemon.http, equipment.daemon.admin] {
            assert_eq!(request(listener, "GET", health, None, None).expect("an answer").status, 200);
        }
    }
}

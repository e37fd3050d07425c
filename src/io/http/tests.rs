//! The router as its users meet it: over a socket, with a scripted engine and store behind it. Every status of the contract.

mod requests;
mod supervisors;
mod webhooks;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::server::{Server, ServerLimits};
use super::*;
use crate::clock::Wall;
use crate::engine::api::{
    After, AlarmEvent, CallEvent, ListFilter, Refusal, Reply, StaffWish, SupervisorWish, Watched,
};
use crate::io::passwords::{Cost, Verifier, VerifierLimits, hash_with};
use crate::ladder::Ladder;
use crate::model::{
    Alarm, Business, BusinessId, CallId, CallRecord, CallState, CallView, Directory, Endpoint, InitiationMessage,
    LegView,
};

const CHEAP: Cost = Cost { memory_kib: 64, passes: 1 };
const GOOD: &str =
    r#"{"business_id":"abc","password":"sesame","customer":"+12125550100","representative":"+12125550101"}"#;

/// Answers in the order of its script and remembers what it was asked.
#[derive(Default)]
struct Scripted {
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<InitiationMessage>>,
    ended: Mutex<Vec<CallView>>,
    wishes: Mutex<Vec<SupervisorWish>>,
    broken: std::sync::atomic::AtomicBool,
}

impl Scripted {
    fn next(&self) -> Pending<'_, Reply> {
        let reply = self.replies.lock().unwrap().pop_front();
        Box::pin(async move {
            match reply {
                Some(reply) => reply,
                None => std::future::pending().await,
            }
        })
    }

    fn read<T: Send + 'static>(&self, value: T) -> Pending<'_, Result<T, StoreUnreadable>> {
        let broken = self.broken.load(std::sync::atomic::Ordering::SeqCst);
        Box::pin(async move { if broken { Err(StoreUnreadable("disk".into())) } else { Ok(value) } })
    }
}

impl EnginePort for Scripted {
    fn initiate(&self, message: InitiationMessage) -> Pending<'_, Reply> {
        self.asked.lock().unwrap().push(message);
        self.next()
    }
    fn get(&self, _: BusinessId, _: CallId) -> Pending<'_, Reply> {
        self.next()
    }
    fn ladder(&self, _: BusinessId, _: CallId) -> Pending<'_, Reply> {
        self.next()
    }
    fn watch(&self, _: BusinessId, _: CallId, _: After) -> Pending<'_, Reply> {
        self.next()
    }
    fn list(&self, _: BusinessId, _: ListFilter) -> Pending<'_, Reply> {
        self.next()
    }
    fn delete(&self, _: BusinessId, _: CallId) -> Pending<'_, Reply> {
        self.next()
    }
    fn supervise(&self, _: BusinessId, _: CallId, wish: SupervisorWish) -> Pending<'_, Reply> {
        self.wishes.lock().unwrap().push(wish);
        self.next()
    }
    fn staff(&self, _: BusinessId, _: StaffWish) -> Pending<'_, Reply> {
        self.next()
    }
}

impl StorePort for Scripted {
    fn find_call(&self, _: BusinessId, call: CallId) -> Pending<'_, Result<Option<CallView>, StoreUnreadable>> {
        self.read(self.ended.lock().unwrap().iter().find(|view| view.id == call).cloned())
    }
    fn ladder(&self, _: BusinessId, _: CallId) -> Pending<'_, Result<Option<Ladder>, StoreUnreadable>> {
        self.read(None)
    }
    fn key_of(&self, _: BusinessId, _: String) -> Pending<'_, Result<Option<(CallId, String)>, StoreUnreadable>> {
        Box::pin(async { Ok(None) })
    }

    fn ended_calls(&self, _: BusinessId, filter: CallFilter) -> Pending<'_, Result<Vec<CallView>, StoreUnreadable>> {
        let mut calls: Vec<_> = self.ended.lock().unwrap().iter().filter(|view| filter.takes(view)).cloned().collect();
        calls.sort_by_key(|call| std::cmp::Reverse(call.id));
        calls.truncate(filter.limit);
        self.read(calls)
    }
    fn records(&self, _: BusinessId, _: RecordFilter) -> Pending<'_, Result<Vec<CallRecord>, StoreUnreadable>> {
        self.read(Vec::new())
    }
    fn invoice(&self, business: BusinessId, from: Wall, to: Wall) -> Pending<'_, Result<Summed, StoreUnreadable>> {
        self.read(crate::billing::invoice::Ledger::new(business, "ABC", from, to).finish().map_err(|e| e.to_string()))
    }
}

struct World {
    script: Arc<Scripted>,
    health: Arc<Health>,
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
}

fn now() -> Wall {
    Wall::parse("2026-11-24T14:00:00Z").unwrap()
}

fn business(id: &str, enabled: bool) -> Arc<Business> {
    let allowed_origins = vec!["https://shop.example".parse().unwrap()];
    Arc::new(Business {
        enabled,
        direct: crate::model::Direct { allowed_origins, ..Default::default() },
        ..Business::new(id.parse().unwrap(), id.to_uppercase(), hash_with("sesame", CHEAP).unwrap())
    })
}

/// One with a webhook.
fn with_webhook() -> Arc<Business> {
    let secret = crate::model::WebhookSecret::new([7; 32]);
    let webhook = crate::model::Webhook::new("https://example.com/".parse().unwrap(), secret);
    Arc::new(Business { webhook: Some(webhook), ..(*business("told", true)).clone() })
}

async fn world(replies: impl IntoIterator<Item = Reply>) -> World {
    let script = Arc::new(Scripted::default());
    script.replies.lock().unwrap().extend(replies);
    let mut directory = Directory::default();
    for account in [business("abc", true), business("off", false), with_webhook()] {
        directory.businesses.insert(account.id.clone(), account);
    }
    let health = Arc::new(Health::default());
    let app = App {
        engine: script.clone(),
        store: script.clone(),
        outbox: script.clone(),
        directory: Arc::new(ArcSwap::from_pointee(directory)),
        encryption: Arc::default(),
        recordings: crate::io::recordings::Talks::new(std::path::Path::new("/nowhere")),
        verifier: Verifier::new(VerifierLimits { cost: CHEAP, ..VerifierLimits::default() }).unwrap(),
        guard: Arc::new(guard::PasswordGuard::new(Box::new(|_| {}))),
        tokens: token::Tokens::new(&[7; 32]),
        sinks: Arc::new(|_| Ok(())),
        health: health.clone(),
        clock: now,
        followers: Default::default(),
        door: door::Door::new(&[7; 32], Vec::new()).unwrap(),
        patience: Patience { body: Duration::from_millis(300), answer: Duration::from_millis(300) },
    };
    let limits = ServerLimits { header_read: Duration::from_millis(300), ..ServerLimits::default() };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), None, router(Arc::new(app)), limits).await.unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = watch::channel(false);
    let served = tokio::spawn(server.serve(stopped));
    World { script, health, address, stop, served }
}

fn call(n: u8) -> CallView {
    let at = Wall(now().0 + i64::from(n));
    CallView {
        id: CallId::new(at, [n; 10]),
        business_id: "abc".parse().unwrap(),
        state: CallState::Queued,
        outcome: None,
        customer: LegView::idle(Endpoint::parse("+12125550100").unwrap()),
        representative: None,
        attempts: Vec::new(),
        created_at: at,
        desired_contact_time: None,
        bridged_at: None,
        ended_at: None,
        billable_seconds: None,
        reference: None,
        transferred_to: None,
        transfers: 0,
        recording: None,
        supervisors: Vec::new(),
        customer_answered_by: None,
        source: Default::default(),
        web_page: None,
        note: None,
        record: false,
        contact_window: None,
        expires_at: None,
        tries: 0,
        next_try_at: None,
        wait: None,
    }
}

fn ended(n: u8) -> CallView {
    CallView { state: CallState::Ended, outcome: Some(crate::model::Outcome::Completed), ..call(n) }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.head, self.body))
    }

    fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line.eq_ignore_ascii_case(header))
    }

    /// Every error looks like this.
    #[track_caller]
    fn is_problem(&self, status: u16) -> &Answer {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        assert!(self.has("content-type: application/problem+json"), "{}", self.head);
        let json = self.json();
        assert_eq!(json["status"], status);
        assert!(
            ["type", "title", "detail"].iter().all(|name| json[name].as_str().is_some_and(|text| !text.is_empty()))
        );
        self
    }
}

impl World {
    async fn raw(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut whole = Vec::new();
        // An early answer may close before all was sent: what came is what counts.
        let reading = stream.read_to_end(&mut whole);
        let _ = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an answer in time");
        let text = String::from_utf8(whole).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        self.raw(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"))
            .await
    }

    async fn post(&self, body: &str) -> Answer {
        self.send("POST", "/v1/calls", "Content-Type: application/json\r\n", body).await
    }

    async fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, &basic("abc", "sesame"), "").await
    }
}

fn basic(id: &str, password: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{password}"));
    format!("Authorization: Basic {pair}\r\n")
}

#[tokio::test]
async fn an_accepted_message_is_answered_202_with_the_call_and_its_place() {
    let world = world([Reply::Accepted(Box::new(call(1)), Default::default())]).await;
    let answer = world.post(GOOD).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = call(1).id;
    assert!(answer.has(&format!("location: /v1/calls/{id}")), "{}", answer.head);
    assert_eq!(answer.json()["id"], id.to_string());
    assert_eq!(answer.json()["state"], "queued");
    assert!(answer.json()["outcome"].is_null());
    let asked = world.script.asked.lock().unwrap();
    assert_eq!(asked[0].customer.to_string(), "+12125550100");
    assert_eq!(asked[0].idempotency, None);
}

#[tokio::test]
async fn an_unknown_business_and_a_wrong_password_get_the_same_401() {
    let world = world([]).await;
    let wrong = world.post(&GOOD.replace("sesame", "guess")).await;
    let unknown = world.post(&GOOD.replace("\"abc\"", "\"nobody\"")).await;
    let malformed_id = world.post(&GOOD.replace("\"abc\"", "\" no id\"")).await;
    let none = world.post(r#"{"customer":"+12125550100"}"#).await;
    for answer in [&wrong, &unknown, &malformed_id, &none] {
        answer.is_problem(401);
        assert!(answer.head.to_lowercase().contains("www-authenticate: basic realm="), "{}", answer.head);
        assert_eq!(answer.body, wrong.body);
    }
    let disagree = format!("Content-Type: application/json\r\n{}", basic("off", "sesame"));
    world.send("POST", "/v1/calls", &disagree, GOOD).await.is_problem(401);
    world.send("GET", "/v1/calls", "", "").await.is_problem(401);
    world.send("GET", "/v1/cdrs", "Authorization: Bearer x\r\n", "").await.is_problem(401);
}

#[tokio::test]
async fn every_refusal_of_the_engine_has_its_status() {
    let unavailable = Refusal::Unavailable { retry_after: 7, why: "the equipment drains" };
    let barred = Refusal::DestinationBarred { pointer: "/representative/0".into() };
    let table = [
        (Refusal::UnknownBusiness, 401, ""),
        (Refusal::Disabled, 403, ""),
        (barred, 403, "/representative/0"),
        (Refusal::CallerIdBarred, 403, "/caller_id"),
        (Refusal::RecordingBarred, 403, "/record"),
        (Refusal::RetryBarred { pointer: "/retry/max_tries".into() }, 403, "/retry/max_tries"),
        (Refusal::HeaderBarred { pointer: "/headers/X-Order".into() }, 422, "/headers/X-Order"),
        (Refusal::NoRepresentative, 422, "/representative"),
        (Refusal::MediaFull { retry_after: 7 }, 503, ""),
        (Refusal::TooFar, 422, "/desired_contact_time"),
        (Refusal::NoMoment { pointer: "/expires_at", why: "it expires".into() }, 422, "/expires_at"),
        (Refusal::KeyReused, 422, ""),
        (Refusal::TakenBefore, 409, ""),
        (Refusal::KeyInFlight, 409, ""),
        (Refusal::RateExceeded { retry_after: 7 }, 429, ""),
        (Refusal::ConcurrencyExceeded { retry_after: 7 }, 429, ""),
        (Refusal::ScheduledExceeded { retry_after: 7 }, 429, ""),
        (unavailable, 503, ""),
    ];
    let world = world(table.iter().map(|(refusal, ..)| Reply::Refused(refusal.clone()))).await;
    for (refusal, status, pointer) in table {
        let answer = world.post(GOOD).await;
        answer.is_problem(status);
        assert_eq!(answer.has("retry-after: 7"), matches!(status, 429 | 503), "{refusal:?}");
        if !pointer.is_empty() {
            assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
        }
    }
    world.post(GOOD).await.is_problem(503);
}

#[tokio::test]
async fn bad_bodies_are_told_apart() {
    let world = world([]).await;
    let json = "Content-Type: application/json\r\n";
    let broken = world.post("{\"business_id\":\n oops}").await;
    assert!(broken.is_problem(400).json()["detail"].as_str().unwrap().contains("line 2"));
    world.post("[]").await.is_problem(400);
    world.post(&GOOD.replace("{\"b", "{\"business_id\":\"abc\",\"b")).await.is_problem(400);
    let unknown = world.post(&GOOD.replace("{\"b", "{\"colour\":1,\"b")).await;
    assert_eq!(unknown.is_problem(400).json()["errors"][0]["pointer"], "/colour");
    let numbers = world.post(&GOOD.replace("+12125550", "+121255")).await;
    assert_eq!(numbers.is_problem(422).json()["errors"].as_array().unwrap().len(), 2);
    world.send("POST", "/v1/calls", "", GOOD).await.is_problem(415);
    world.send("POST", "/v1/calls", "Content-Type: text/json\r\n", GOOD).await.is_problem(415);
    let jose = world.send("POST", "/v1/calls", "Content-Type: application/jose\r\n", "a.b.c.d.e").await;
    assert!(jose.is_problem(415).json()["detail"].as_str().unwrap().contains("encrypted"));
    let large = format!("{}{}", " ".repeat(70_000), GOOD);
    world.post(&large).await.is_problem(413);
    let chunked = format!("{json}Transfer-Encoding: chunked\r\n");
    let body = format!("11170\r\n{}\r\n0\r\n\r\n", " ".repeat(70_000));
    let request = format!("POST /v1/calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{chunked}\r\n{body}");
    world.raw(&request).await.is_problem(413);
    let bad_key = format!("{json}Idempotency-Key: two words\r\n");
    world.send("POST", "/v1/calls", &bad_key, GOOD).await.is_problem(400);
    assert!(world.script.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_repeated_key_is_answered_with_the_call_as_it_is_now() {
    let id = ended(1).id;
    let world =
        world([Reply::Accepted(Box::new(call(1)), Default::default()), Reply::Replayed(id), Reply::Call(None)]).await;
    world.script.ended.lock().unwrap().push(ended(1));
    let headers = "Content-Type: application/json\r\nIdempotency-Key: order-7\r\n";
    let first = world.send("POST", "/v1/calls", headers, GOOD).await;
    assert!(!first.head.to_lowercase().contains("idempotency-replayed"));
    let again = world.send("POST", "/v1/calls", headers, GOOD).await;
    assert_eq!(again.status, 202);
    assert!(again.has("idempotency-replayed: true"), "{}", again.head);
    assert_eq!(again.json()["state"], "ended");
    let asked = world.script.asked.lock().unwrap();
    let keys: Vec<_> = asked.iter().map(|message| message.idempotency.clone().unwrap()).collect();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[0].key, "order-7");
}

#[tokio::test]
async fn a_call_is_shown_while_it_lives_and_after() {
    let world = world([Reply::Call(Some(Box::new(call(1)))), Reply::Call(None), Reply::Call(None)]).await;
    world.script.ended.lock().unwrap().push(ended(2));
    let (live, old, strange) = (call(1).id, ended(2).id, call(3).id);
    assert_eq!(world.ask("GET", &format!("/v1/calls/{live}")).await.json()["state"], "queued");
    assert_eq!(world.ask("GET", &format!("/v1/calls/{old}")).await.json()["outcome"], "completed");
    world.ask("GET", &format!("/v1/calls/{strange}")).await.is_problem(404);
    world.ask("GET", "/v1/calls/7").await.is_problem(404);
}

#[tokio::test]
async fn delete_hangs_up_and_answers_409_when_it_is_over() {
    let deleted = Reply::Deleted(Some(Box::new(call(1))));
    let world = world([deleted, Reply::AlreadyEnded, Reply::Deleted(None), Reply::Deleted(None)]).await;
    world.script.ended.lock().unwrap().push(ended(1));
    let path = format!("/v1/calls/{}", call(1).id);
    assert_eq!(world.ask("DELETE", &path).await.status, 200);
    world.ask("DELETE", &path).await.is_problem(409);
    world.ask("DELETE", &path).await.is_problem(409);
    world.ask("DELETE", &format!("/v1/calls/{}", call(9).id)).await.is_problem(404);
}

#[tokio::test]
async fn a_listing_merges_live_and_ended_calls_and_is_read_page_by_page() {
    let live = || Reply::Calls(vec![call(4), call(3)], None);
    let world = world([live(), live(), live()]).await;
    // Call 3 ended while we asked: it is shown once, as ended.
    world.script.ended.lock().unwrap().extend([ended(1), ended(2), ended(3)]);
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page["calls"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
    };
    let first = world.ask("GET", "/v1/calls?limit=3").await.json();
    assert_eq!(ids(&first), [call(4).id, call(3).id, call(2).id].map(|id| id.to_string()));
    assert_eq!(first["calls"][1]["state"], "ended");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.ask("GET", &format!("/v1/calls?limit=3&cursor={cursor}")).await.json();
    assert_eq!(ids(&second), [call(1).id.to_string()]);
    assert!(second["next_cursor"].is_null());
    let queued = world.ask("GET", "/v1/calls?state=queued").await.json();
    assert_eq!(ids(&queued).len(), 2);
    world.ask("GET", "/v1/calls?colour=red").await.is_problem(400);
    assert_eq!(world.ask("GET", "/v1/cdrs").await.json()["records"], serde_json::json!([]));
    world.script.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    world.ask("GET", "/v1/cdrs").await.is_problem(503);
    world.send("GET", "/v1/cdrs", &basic("off", "sesame"), "").await.is_problem(403);
}

#[tokio::test]
async fn paths_methods_and_hosts_that_are_not_ours_are_problems_too() {
    let world = world([]).await;
    world.ask("GET", "/v2/calls").await.is_problem(404);
    let put = world.ask("PUT", "/v1/calls").await;
    put.is_problem(405);
    assert!(put.head.to_lowercase().contains("allow: "), "{}", put.head);
    world.ask("GET", "/metrics").await.is_problem(404);
    world.raw("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").await.is_problem(400);
    world.raw("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n").await.is_problem(400);
    assert_eq!(world.raw("nonsense\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn health_tells_starting_ready_and_draining_apart() {
    let world = world([]).await;
    assert_eq!(world.ask("GET", "/healthz").await.status, 200);
    world.ask("GET", "/readyz").await.is_problem(503);
    world.health.set(Phase::Ready);
    assert_eq!(world.ask("GET", "/readyz").await.status, 200);
    world.health.set(Phase::Draining);
    world.ask("GET", "/readyz").await.is_problem(503);
}

#[tokio::test]
async fn a_slow_sender_is_cut_and_a_slow_body_gets_408() {
    let world = world([]).await;
    let slow_body =
        "POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    world.raw(slow_body).await.is_problem(408);
    let slow_headers = world.raw("POST /v1/calls HTTP/1.1\r\nHost: x\r\n").await;
    assert!(matches!(slow_headers.status, 0 | 408), "the connection ends");
    let idle = world.raw("").await;
    assert_eq!(idle.status, 0, "an idle connection ends, too");
}

#[tokio::test]
async fn a_drain_lets_requests_in_flight_finish() {
    let world = world([]).await;
    let (request, stop) = (world.post(GOOD), async {
        while world.script.asked.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        world.stop.send(true).unwrap();
    });
    let (answer, ()) = tokio::join!(request, stop);
    answer.is_problem(503);
    tokio::time::timeout(Duration::from_secs(5), world.served).await.expect("served to the end").unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}

#[tokio::test]
async fn the_admin_listener_shows_metrics_and_health_and_nothing_else() {
    let health = Arc::new(Health::default());
    let routes = admin_router(None, health.clone(), Arc::new(|| String::from("callbridge_inbox_depth 3\n")));
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), None, routes, ServerLimits::default()).await.unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = watch::channel(false);
    let served = tokio::spawn(server.serve(stopped));
    let world = World { script: Arc::new(Scripted::default()), health, address, stop, served };
    let metrics = world.ask("GET", "/metrics").await;
    assert!(metrics.body.contains("callbridge_inbox_depth 3") && metrics.head.contains("version=0.0.4"));
    assert_eq!(world.ask("GET", "/healthz").await.status, 200);
    world.ask("GET", "/v1/calls").await.is_problem(404);
}

#[tokio::test]
async fn a_handler_that_panics_is_a_500_and_the_server_lives_on() {
    let routes = surround(Router::new().route(
        "/boom",
        get(async || {
            if true {
                panic!("x")
            }
        }),
    ));
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), None, routes, ServerLimits::default()).await.unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = watch::channel(false);
    let served = tokio::spawn(server.serve(stopped));
    let (script, health) = (Arc::new(Scripted::default()), Arc::new(Health::default()));
    let world = World { script, health, address, stop, served };
    world.ask("GET", "/boom").await.is_problem(500);
    world.ask("GET", "/boom").await.is_problem(500);
}

fn told(events: &[(u32, CallState)], call: CallView) -> Reply {
    let events = events.iter().map(|(sequence, state)| CallEvent { sequence: *sequence, at: now(), state: *state });
    Reply::Events(Some(Box::new(Watched { events: events.collect(), alarms: Vec::new(), call })))
}

#[tokio::test]
async fn a_call_is_followed_to_its_end_as_server_sent_events() {
    let live = call(1);
    let replies = [
        Reply::Call(Some(Box::new(live.clone()))),
        told(&[(1, CallState::Queued), (2, CallState::CallingCustomer)], live.clone()),
        told(&[(5, CallState::Ended)], ended(1)),
    ];
    let world = world(replies).await;
    let answer = world.ask("GET", &format!("/v1/calls/{}/events", live.id)).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.has("content-type: text/event-stream"));
    let events: Vec<&str> = answer.body.lines().filter(|line| line.starts_with("event: ")).collect();
    assert_eq!(events, ["event: call.state_changed", "event: call.state_changed", "event: call.ended"]);
    let ids: Vec<&str> = answer.body.lines().filter(|line| line.starts_with("id: ")).collect();
    assert_eq!(ids, ["id: 1", "id: 2", "id: 5"]);
    let last = answer.body.lines().rfind(|line| line.starts_with("data: ")).unwrap();
    let last: serde_json::Value = serde_json::from_str(&last[6..]).unwrap();
    assert_eq!((&last["type"], &last["sequence"], &last["state"]), (&"call.ended".into(), &5.into(), &"ended".into()));
    assert_eq!(last["data"]["outcome"], "completed");
}

#[tokio::test]
async fn an_ended_call_tells_its_end_once_and_then_asks_not_to_come_again() {
    let over = ended(3);
    let path = format!("/v1/calls/{}/events", over.id);
    let world = world([Reply::Call(None), Reply::Call(None), Reply::Call(None)]).await;
    world.script.ended.lock().unwrap().push(over);
    let answer = world.ask("GET", &path).await;
    assert_eq!(answer.body.matches("event: call.ended").count(), 1, "{}", answer.body);
    let id = answer.body.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let again = format!("{}Last-Event-ID: {id}\r\n", basic("abc", "sesame"));
    assert_eq!(world.send("GET", &path, &again, "").await.status, 204);
    let strange = format!("{}Last-Event-ID: x\r\n", basic("abc", "sesame"));
    world.send("GET", &path, &strange, "").await.is_problem(400);
}

#[tokio::test]
async fn alarms_stand_among_the_states_in_their_order_and_without_an_id() {
    let live = call(1);
    let alarm = |number, after, alarm| AlarmEvent { number, after, at: now(), leg: 1, alarm };
    let told = |events: &[(u32, CallState)], alarms: Vec<AlarmEvent>, call: CallView| {
        let Reply::Events(Some(watched)) = told(events, call) else { panic!("events") };
        Reply::Events(Some(Box::new(Watched { alarms, ..*watched })))
    };
    let (one_way, heard) = (alarm(1, 4, Alarm::OneWay), alarm(2, 4, Alarm::Heard));
    let replies = [
        Reply::Call(Some(Box::new(live.clone()))),
        told(&[(3, CallState::CallingRepresentative), (4, CallState::Bridged)], vec![one_way], live.clone()),
        told(&[], vec![heard], live.clone()),
        told(&[(6, CallState::Ended)], vec![], ended(1)),
    ];
    let world = world(replies).await;
    let answer = world.ask("GET", &format!("/v1/calls/{}/events", live.id)).await;
    let kinds: Vec<&str> = answer.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let state = "call.state_changed";
    assert_eq!(kinds, [state, state, "call.alarm", "call.alarm", "call.ended"]);
    assert_eq!(answer.body.lines().filter(|line| line.starts_with("id: ")).count(), 3);
    let data = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let data: Vec<serde_json::Value> = data.map(|json| serde_json::from_str(json).unwrap()).collect();
    assert_eq!((&data[2]["type"], &data[2]["number"]), (&"call.alarm".into(), &1.into()));
    assert_eq!(
        (&data[2]["leg"], &data[2]["alarm"], &data[3]["alarm"]),
        (&1.into(), &"one_way".into(), &"heard_again".into())
    );
    assert!(data[2]["timestamp"].is_string() && data[2]["data"]["id"].is_string());
}

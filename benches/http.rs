//! Initiation messages per CPU-second of the API alone: parsing, the remembered password, judging, answering; the engine
//! answers at once. The server runs on one thread, whose CPU clock is read; the clients are plain sockets on another.
//!
//! `cargo bench --bench http` prints one JSON line.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use callbridge::clock::Wall;
use callbridge::engine::api::{After, ListFilter, Reply, StaffWish, SupervisorWish};
use callbridge::io::http::guard::PasswordGuard;
use callbridge::io::http::server::{Server, ServerLimits};
use callbridge::io::http::webhooks::OutboxPort;
use callbridge::io::http::{
    App, CallFilter, EnginePort, Health, Patience, Pending, RecordFilter, StorePort, StoreUnreadable, Summed, router,
};
use callbridge::io::passwords::{Verifier, VerifierLimits, hash_password};
use callbridge::io::store::{Delivery, DeliveryFilter, DeliveryId, TestEvent};
use callbridge::ladder::Ladder;
use callbridge::model::{
    Business, BusinessId, CallId, CallRecord, CallState, CallView, Directory, Endpoint, InitiationMessage, LegView,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

const CONNECTIONS: usize = 16;
const REQUESTS: usize = 50_000;
const BODY: &str = r#"{"business_id":"abc","password":"open sesame","customer":"+12125550100","representative":["+12125550101","+12125550102"],"company_name":"ABC","reference":"order 7"}"#;

/// An engine that accepts everything at once.
struct Instantly;

impl EnginePort for Instantly {
    fn initiate(&self, message: InitiationMessage) -> Pending<'_, Reply> {
        let view = CallView {
            id: CallId::new(Wall(0), [7; 10]),
            business_id: message.business_id,
            state: CallState::Queued,
            outcome: None,
            customer: LegView::idle(message.customer),
            representative: message.representatives.into_iter().next().map(LegView::idle),
            attempts: Vec::new(),
            created_at: Wall(0),
            desired_contact_time: message.desired_contact_time,
            bridged_at: None,
            ended_at: None,
            billable_seconds: None,
            reference: message.reference,
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
        };
        Box::pin(async move { Reply::Accepted(Box::new(view), Default::default()) })
    }
    fn get(&self, _: BusinessId, _: CallId) -> Pending<'_, Reply> {
        Box::pin(async { Reply::Call(None) })
    }
    fn ladder(&self, _: BusinessId, _: CallId) -> Pending<'_, Reply> {
        Box::pin(async { Reply::Ladder(None) })
    }
    fn watch(&self, _: BusinessId, _: CallId, _: After) -> Pending<'_, Reply> {
        Box::pin(async { Reply::Events(None) })
    }
    fn list(&self, _: BusinessId, _: ListFilter) -> Pending<'_, Reply> {
        Box::pin(async { Reply::Calls(Vec::new(), None) })
    }
    fn delete(&self, _: BusinessId, _: CallId) -> Pending<'_, Reply> {
        Box::pin(async { Reply::Deleted(None) })
    }
    fn supervise(&self, _: BusinessId, _: CallId, _: SupervisorWish) -> Pending<'_, Reply> {
        Box::pin(async { Reply::Supervised(None) })
    }

    fn staff(&self, _: BusinessId, _: StaffWish) -> Pending<'_, Reply> {
        Box::pin(async { Reply::Representatives(Vec::new()) })
    }
}

impl StorePort for Instantly {
    fn find_call(&self, _: BusinessId, _: CallId) -> Pending<'_, Result<Option<CallView>, StoreUnreadable>> {
        Box::pin(async { Ok(None) })
    }
    fn ladder(&self, _: BusinessId, _: CallId) -> Pending<'_, Result<Option<Ladder>, StoreUnreadable>> {
        Box::pin(async { Ok(None) })
    }
    fn key_of(&self, _: BusinessId, _: String) -> Pending<'_, Result<Option<(CallId, String)>, StoreUnreadable>> {
        Box::pin(async { Ok(None) })
    }

    fn ended_calls(&self, _: BusinessId, _: CallFilter) -> Pending<'_, Result<Vec<CallView>, StoreUnreadable>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn records(&self, _: BusinessId, _: RecordFilter) -> Pending<'_, Result<Vec<CallRecord>, StoreUnreadable>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn invoice(&self, _: BusinessId, _: Wall, _: Wall) -> Pending<'_, Result<Summed, StoreUnreadable>> {
        Box::pin(async { Ok(Err("none".to_owned())) })
    }
}

impl OutboxPort for Instantly {
    fn deliveries(&self, _: DeliveryFilter) -> Pending<'_, Result<Vec<Delivery>, StoreUnreadable>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn replay(&self, _: BusinessId, _: DeliveryId, _: Wall) -> Pending<'_, Result<bool, StoreUnreadable>> {
        Box::pin(async { Ok(false) })
    }
    fn test(&self, _: TestEvent) -> Pending<'_, Result<bool, StoreUnreadable>> {
        Box::pin(async { Ok(true) })
    }
}

fn app() -> App {
    let id: BusinessId = "abc".parse().expect("an identifier");
    let business = Business::new(id.clone(), "ABC", hash_password("open sesame").expect("a hash"));
    let directory = Directory { businesses: [(id, Arc::new(business))].into() };
    App {
        encryption: Arc::default(),
        engine: Arc::new(Instantly),
        store: Arc::new(Instantly),
        outbox: Arc::new(Instantly),
        directory: Arc::new(ArcSwap::from_pointee(directory)),
        recordings: callbridge::io::recordings::Talks::new(std::path::Path::new("/nowhere")),
        guard: Arc::new(PasswordGuard::new(Box::new(|_| {}))),
        verifier: Verifier::new(VerifierLimits::default()).expect("a verifier"),
        health: Arc::new(Health::default()),
        tokens: callbridge::io::http::token::Tokens::new(&[7; 32]),
        sinks: Arc::new(|_| Ok(())),
        clock: || Wall(0),
        patience: Patience::default(),
        followers: Default::default(),
        door: callbridge::io::http::door::Door::new(&[7; 32], Vec::new()).unwrap(),
    }
}

fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or(0))
}

/// Each connection has one request under way.
fn load(address: SocketAddr, requests: usize) {
    let request = format!(
        "POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let connect = |_| TcpStream::connect(address).expect("the server");
    let mut connections: Vec<TcpStream> = (0..CONNECTIONS).map(connect).collect();
    let mut answer = [0u8; 4096];
    for _ in 0..requests.div_ceil(CONNECTIONS) {
        for connection in &mut connections {
            connection.write_all(request.as_bytes()).expect("a request");
        }
        for connection in &mut connections {
            let n = connection.read(&mut answer).expect("an answer");
            assert!(answer.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(&answer[..n]));
        }
    }
}

fn main() {
    let (tell, told) = channel();
    let (stop, stopped) = watch::channel(false);
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let here = SocketAddr::from(([127, 0, 0, 1], 0));
            let server = Server::bind(here, None, router(Arc::new(app())), ServerLimits::default()).await;
            let server = server.expect("a port");
            tell.send(server.address().expect("an address")).expect("the bench waits");
            server.serve(stopped).await;
        });
        cpu()
    });
    let address = told.recv().expect("the server's address");
    let tables = Instant::now();
    Endpoint::parse("+12125550100").expect("a number");
    let tables = tables.elapsed();
    let verify = Instant::now();
    load(address, CONNECTIONS);
    let first = verify.elapsed();
    let start = Instant::now();
    load(address, REQUESTS);
    let wall = start.elapsed();
    stop.send(true).expect("the server listens");
    let spent = server.join().expect("the server ends");
    println!(
        "{{\"requests\":{REQUESTS},\"server_cpu_us_per_request\":{:.1},\"requests_per_cpu_second\":{:.0},\"requests_per_second\":{:.0},\"first_verification_ms\":{:.1},\"number_tables_ms\":{:.1}}}",
        spent.as_secs_f64() * 1e6 / REQUESTS as f64,
        REQUESTS as f64 / spent.as_secs_f64(),
        REQUESTS as f64 / wall.as_secs_f64(),
        first.as_secs_f64() * 1e3,
        tables.as_secs_f64() * 1e3,
    );
}

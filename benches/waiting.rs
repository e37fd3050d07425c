//! Calls that wait for their time, by the million: memory of each, a restart, one more, a page of them, one that is asked for, one that is
//! cancelled, one look at the clock. Prints figures rather than statistics: `WAITING=1000000 cargo bench --bench waiting`.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use callbridge::call::CallLimits;
use callbridge::clock::{Mono, Now, Wall};
use callbridge::engine::api::{Input, ListFilter, Output, Reply, ReplyTo, StoreOp, StoreToken};
use callbridge::engine::{Engine, EngineConfig};
use callbridge::io::store::{Archive, SqliteStore, Store, WriterBounds};
use callbridge::model::business::PasswordHash;
use callbridge::model::{
    Business, BusinessId, CallId, CallState, Directory, Endpoint, Hop, InitiationMessage, Limits, MachineTimes,
    Progress, StoredCall,
};
use callbridge::routing::Switch;
use callbridge::sip::api::Locals;
use rand::SeedableRng;
use rand::rngs::StdRng;

const EPOCH: i64 = 1_795_521_600_000;

fn business() -> BusinessId {
    "abc".parse().expect("an identifier")
}

fn message(number: u64) -> InitiationMessage {
    let endpoint = |text: String| Endpoint::parse(&text).expect("a number");
    InitiationMessage {
        // A day of calls, one after the other.
        desired_contact_time: Some(Wall(EPOCH + 86_400_000 + i64::try_from(number % 86_400_000).expect("small"))),
        reference: Some(format!("order {number}")),
        ..InitiationMessage::new(
            business(),
            endpoint(format!("+1212555{:04}", number % 10_000)),
            vec![endpoint(format!("+1646555{:04}", number / 10_000 % 10_000))],
        )
    }
}

fn stored(number: u64) -> StoredCall {
    let created_at = Wall(EPOCH - 1_000_000_000 + i64::try_from(number).expect("small"));
    StoredCall {
        id: CallId::new(created_at, [9; 10]),
        created_at,
        message: message(number),
        progress: Progress::default(),
    }
}

fn engine() -> Engine {
    let seconds = Duration::from_secs;
    let limits = CallLimits {
        customer_ring: seconds(45),
        representative_ring: seconds(25),
        max_hold: seconds(120),
        max_call: seconds(7200),
        silence: seconds(60),
        farewell: seconds(20),
        audio_proof: seconds(5),
        gate: seconds(20),
        machine: MachineTimes::default(),
        greeting: seconds(30),
        still: Duration::ZERO,
    };
    let hop = Hop::udp("192.0.2.1:5060".parse().expect("an address"));
    let switch = Switch { prefixes: vec!["+1".to_owned()], ..Switch::at("ssp-62", hop) };
    let config = EngineConfig {
        sip: Locals::udp("192.0.2.100:5060".parse().expect("an address")),
        user_agent: "callbridge".to_owned(),
        limits,
        late: seconds(3600),
        max_ahead: seconds(366 * 86_400),
        max_calls: 2500,
        strays_per_second: 1_000,
        switches: vec![switch],
        stir: None,
        consent: false,
        tariffs: Default::default(),
    };
    let mut engine = Engine::new(config, StdRng::seed_from_u64(3));
    let account = Business::new(business(), "ABC", PasswordHash(String::new()));
    let limits = Limits { max_scheduled: u32::MAX, max_per_second: 1_000_000, ..account.limits };
    let account = Business { limits, ..account };
    let directory = Directory { businesses: [(account.id.clone(), Arc::new(account))].into() };
    engine.handle(now(0), Input::Directory(Arc::new(directory)));
    drain(&mut engine);
    engine
}

fn now(millis: u64) -> Now {
    Now { mono: Mono(1_000_000 + millis * 1000), wall: Wall(EPOCH) + Duration::from_millis(millis) }
}

/// Answers the store, and gives the replies.
fn drain(engine: &mut Engine) -> Vec<Reply> {
    let mut replies = Vec::new();
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Store { token, .. } => engine.handle(now(0), Input::Stored { token, result: Ok(()) }),
            Output::Reply { reply, .. } => replies.push(reply),
            _ => {}
        }
    }
    replies
}

/// Resident memory in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn timed<T>(what: &str, times: u32, mut each: impl FnMut(u32) -> T) {
    let mut spent: Vec<Duration> = Vec::new();
    for n in 0..times {
        let begun = Instant::now();
        std::hint::black_box(each(n));
        spent.push(begun.elapsed());
    }
    spent.sort_unstable();
    let at = |part: usize| spent[(spent.len() * part / 100).min(spent.len() - 1)].as_secs_f64() * 1e6;
    println!("{what:<42} p50 {:>9.1} µs  p99 {:>9.1} µs", at(50), at(99));
}

fn main() {
    let count: u64 = std::env::var("WAITING").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let path = folder.path().join("waiting.db");
    {
        let (tell, answers) = channel();
        let stored_answer = Box::new(move |token, result| tell.send((token, result)).unwrap_or_default());
        let store = SqliteStore::open(&path, WriterBounds::default(), stored_answer).expect("the store");
        let mut in_flight = 0;
        for number in 0..count {
            if in_flight == 512 {
                answers.recv().expect("an answer").1.expect("durable");
                in_flight -= 1;
            }
            store.submit(StoreToken(number), StoreOp::Accept(Box::new(stored(number)))).expect("room");
            in_flight += 1;
        }
        (0..in_flight).for_each(|_| answers.recv().expect("an answer").1.expect("durable"));
    }
    let store = SqliteStore::open(&path, WriterBounds::default(), Box::new(|_, _| {})).expect("the store");
    let (before, begun, mut engine) = (resident(), Instant::now(), engine());
    let mut after = None;
    loop {
        let open = store.open_calls(after, 1_000).expect("open calls");
        let Some(last) = open.last() else { break };
        after = Some(last.id);
        engine.restore(now(0), open, None);
        drain(&mut engine);
    }
    let held = resident().saturating_sub(before);
    println!("{} calls wait; read and restored in {:.2} s", engine.census().scheduled, begun.elapsed().as_secs_f64());
    println!("memory of each: {:.0} bytes", held as f64 / count as f64);
    timed("one more is accepted", 1_000, |n| {
        let message = Box::new(message(count + u64::from(n)));
        engine.handle(now(n.into()), Input::Initiate { reply: ReplyTo(1), message });
        drain(&mut engine)
    });
    timed("a look at the clock", 1_000, |n| {
        engine.handle(now(1_000 + u64::from(n) * 1_000), Input::Timeout);
        drain(&mut engine)
    });
    let page = |before, state| Input::List {
        reply: ReplyTo(1),
        business: business(),
        filter: ListFilter { before, state, limit: 50, ..ListFilter::default() },
    };
    let mut cursor = None;
    timed("a page of 50", 200, |_| {
        engine.handle(now(2_000_000), page(cursor, None));
        if let Some(Reply::Calls(calls, _)) = drain(&mut engine).pop() {
            cursor = calls.last().map(|call| call.id);
        }
    });
    timed("a page of those that talk", 200, |_| {
        engine.handle(now(2_000_000), page(None, Some(CallState::Bridged)));
        drain(&mut engine)
    });
    let id = |n: u32| stored(u64::from(n) * count / 1_000).id;
    timed("one is asked for", 1_000, |n| {
        engine.handle(now(2_000_000), Input::Get { reply: ReplyTo(1), business: business(), call: id(n) });
        drain(&mut engine)
    });
    timed("one is cancelled", 1_000, |n| {
        engine.handle(now(2_000_000), Input::Delete { reply: ReplyTo(1), business: business(), call: id(n) });
        drain(&mut engine)
    });
    println!("{} calls wait at the end", engine.census().scheduled);
}

//! The store on this machine's disk: durable operations a second when many wait, the time of a single one, processor per
//! operation. Prints figures rather than statistics: `cargo bench --bench store`. The folder is `CARGO_TARGET_TMPDIR`'s; with
//! `POSTGRES_URL=postgres://…` an empty database of PostgreSQL is the store.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use callbridge::clock::Wall;
use callbridge::config::StorePlace;
use callbridge::engine::api::{CallEvent, Hearers, StoreFailure, StoreOp, StoreToken, Watched};
use callbridge::io::store::{SqliteStore, Store, WriterBounds};
use callbridge::model::{CallId, CallState, CallView, Endpoint, InitiationMessage, LegView, Progress, StoredCall};

type Answers = Receiver<(StoreToken, Result<(), StoreFailure>)>;

/// A file of its own in the folder, or the one database of `POSTGRES_URL`.
fn place(folder: &Path, name: &str) -> StorePlace {
    match std::env::var("POSTGRES_URL") {
        Ok(url) => StorePlace::parse(&url, folder).expect("the URL of a database"),
        Err(_) => StorePlace::Sqlite(folder.join(name)),
    }
}

fn open(place: StorePlace) -> (SqliteStore, Answers) {
    let (tell, answers) = channel();
    let stored = Box::new(move |token, result| tell.send((token, result)).unwrap_or_default());
    (SqliteStore::open(place, WriterBounds::default(), stored).expect("the store"), answers)
}

fn accept(number: u64) -> StoreOp {
    let created_at = Wall(1_700_000_000_000 + i64::try_from(number).expect("small"));
    StoreOp::Accept(Box::new(StoredCall {
        id: CallId::new(created_at, [9; 10]),
        created_at,
        message: InitiationMessage {
            reference: Some(format!("order {number}")),
            ..InitiationMessage::new(
                "abc".parse().expect("an identifier"),
                Endpoint::parse("+12125550100").expect("a number"),
                vec![Endpoint::parse("+12125550101").expect("a number")],
            )
        },
        progress: Progress::default(),
    }))
}

/// A bridged call as the store sees it, but for its record: accepted, four marks; with an event each where it is told to a webhook.
fn life(number: u64, told: bool) -> Vec<StoreOp> {
    let accept = accept(number);
    let StoreOp::Accept(stored) = &accept else { return Vec::new() };
    let (id, created_at, message) = (stored.id, stored.created_at, stored.message.clone());
    let call = CallView {
        id,
        business_id: message.business_id,
        state: CallState::Bridged,
        outcome: None,
        customer: LegView::idle(message.customer.clone()),
        representative: message.representatives.first().cloned().map(LegView::idle),
        attempts: vec![LegView::idle(message.customer), LegView::idle(message.representatives[0].clone())],
        created_at,
        desired_contact_time: None,
        bridged_at: Some(created_at),
        ended_at: None,
        billable_seconds: None,
        reference: message.reference,
        transferred_to: None,
        transfers: 0,
        recording: None,
        supervisors: Vec::new(),
        wait: None,
        customer_answered_by: None,
        source: Default::default(),
        web_page: None,
        note: None,
        record: false,
        contact_window: None,
        expires_at: None,
        tries: 0,
        next_try_at: None,
    };
    let progress = || StoreOp::Progress { call: id, progress: Box::default() };
    let ops = std::iter::once(accept).chain((0..4).map(|_| progress()));
    let tell = |(sequence, op): (u32, StoreOp)| {
        let events = vec![CallEvent { sequence, at: created_at, state: CallState::Bridged }];
        let told = Box::new(Watched { events, alarms: Vec::new(), call: call.clone() });
        StoreOp::Telling { op: Box::new(op), told, hearers: Hearers { webhook: true, sink: false } }
    };
    if told { (1..).zip(ops).map(tell).collect() } else { ops.collect() }
}

/// User and system time of this process.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    // Beyond those of the single operations.
    let mut next = 1_000;

    let (store, answers) = open(place(folder.path(), "single.db"));
    let mut times: Vec<f64> = (0..500)
        .map(|number| {
            let begun = Instant::now();
            store.submit(StoreToken(number), accept(number)).expect("room");
            answers.recv().expect("an answer").1.expect("durable");
            micros(begun.elapsed())
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("one durable operation: p50 {:.0} µs, p99 {:.0} µs", times[250], times[495]);
    drop(store);

    for told in [false, true] {
        let (store, answers) = open(place(folder.path(), &format!("told-{told}.db")));
        let calls = 10_000;
        let lives: Vec<StoreOp> = (0..calls).flat_map(|n| life(next + n, told)).collect();
        next += calls;
        let (operations, begun, before) = (lives.len(), Instant::now(), processor());
        let mut in_flight = 0;
        for op in lives {
            if in_flight == 512 {
                answers.recv().expect("an answer").1.expect("durable");
                in_flight -= 1;
            }
            store.submit(StoreToken(0), op).expect("room");
            in_flight += 1;
        }
        (0..in_flight).for_each(|_| answers.recv().expect("an answer").1.expect("durable"));
        let (elapsed, busy) = (begun.elapsed(), processor() - before);
        println!(
            "a call of {} operations, {} its events: {:.0} calls/s, {:.0} µs of processor each",
            operations / usize::try_from(calls).expect("small"),
            if told { "with" } else { "without" },
            calls as f64 / elapsed.as_secs_f64(),
            micros(busy) / calls as f64
        );
    }

    for waiting in [8u64, 64, 512, 4096] {
        let (store, answers) = open(place(folder.path(), &format!("group-{waiting}.db")));
        let total = (waiting * 40).clamp(4_000, 60_000);
        let operations: Vec<StoreOp> = (0..total).map(|n| accept(next + n)).collect();
        next += total;
        let (begun, processor_before) = (Instant::now(), processor());
        let mut in_flight = 0;
        for (number, op) in operations.into_iter().enumerate() {
            if in_flight == waiting {
                answers.recv().expect("an answer").1.expect("durable");
                in_flight -= 1;
            }
            store.submit(StoreToken(number as u64), op).expect("room");
            in_flight += 1;
        }
        (0..in_flight).for_each(|_| answers.recv().expect("an answer").1.expect("durable"));
        let (elapsed, busy) = (begun.elapsed(), processor() - processor_before);
        println!(
            "{waiting:>5} waiting: {:>7.0} operations/s, {:.1} µs of processor each",
            total as f64 / elapsed.as_secs_f64(),
            micros(busy) / total as f64
        );
    }
}

//! kill -9 at any instant: whatever the store acknowledged is there afterwards. This test runs itself again as the victim.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callbridge::clock::Wall;
use callbridge::engine::api::{StoreOp, StoreToken};
use callbridge::io::store::{Archive, SqliteStore, Store, WriterBounds};
use callbridge::model::{CallId, Endpoint, InitiationMessage, Progress, StoredCall};

/// Tells the victim where to write, and from which number on.
const FOLDER: &str = "STORE_CRASH_FOLDER";
const FIRST: &str = "STORE_CRASH_FIRST";
const ROUNDS: u32 = 12;
/// Numbers of one round begin here, times the round.
const ROUND: i64 = 1_000_000;

fn call(number: i64) -> StoredCall {
    let created_at = Wall(1_700_000_000_000 + number);
    StoredCall {
        id: CallId::new(created_at, [9; 10]),
        created_at,
        message: InitiationMessage {
            note: Some("x".repeat(usize::try_from(number % 4000).unwrap_or(0))),
            withhold_caller_id: true,
            headers: vec![("User-to-User".into(), "56a3;encoding=hex".into())],
            ..InitiationMessage::new(
                "abc".parse().expect("an identifier"),
                Endpoint::parse("+12125550100").expect("a number"),
                vec![Endpoint::parse("+12125550101").expect("a number")],
            )
        },
        progress: Progress::default(),
    }
}

/// The victim: writes as fast as it can and says each acknowledged number. Does nothing in a normal run.
#[test]
fn the_victim_writes_until_it_is_killed() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) else { return };
    let first: i64 = first.parse().expect("a number");
    let out = Mutex::new(std::io::stdout());
    let stored = Box::new(move |StoreToken(number), result: Result<(), _>| {
        if result.is_ok() {
            let mut out = out.lock().expect("the output");
            writeln!(out, "stored {number}").and_then(|()| out.flush()).expect("the parent listens");
        }
    });
    let path = Path::new(&folder).join("store.db");
    let store = SqliteStore::open(&path, WriterBounds { queue: 64, group: 16, ..WriterBounds::default() }, stored)
        .expect("the store");
    for number in first.. {
        let token = StoreToken(u64::try_from(number).expect("positive"));
        while store.submit(token, StoreOp::Accept(Box::new(call(number)))).is_err() {
            std::thread::yield_now();
        }
    }
}

fn victim(folder: &Path, first: i64) -> Child {
    Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "the_victim_writes_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the victim")
}

/// Lines with their ends, until the pipe is closed.
fn whole_lines(mut out: impl BufRead) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        let mut line = String::new();
        out.read_line(&mut line).ok().filter(|length| *length > 0).map(|_| line)
    })
}

#[test]
fn what_was_acknowledged_is_there_after_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    for round in 0..ROUNDS {
        let mut child = victim(folder.path(), i64::from(round) * ROUND);
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let heard = Arc::clone(&acknowledged);
        let (begun, has_begun) = std::sync::mpsc::channel();
        let listener = std::thread::spawn(move || {
            for line in whole_lines(out) {
                // A line that the kill cut in two would name another number: without its end it does not count.
                let whole = line.strip_suffix('\n').and_then(|line| line.strip_prefix("stored "));
                if let Some(number) = whole.and_then(|number| number.parse::<i64>().ok()) {
                    heard.lock().expect("the numbers").insert(call(number).id);
                    begun.send(()).unwrap_or_default();
                }
            }
        });
        has_begun.recv_timeout(Duration::from_secs(30)).expect("the victim writes");
        // The instant differs from round to round, and falls anywhere between two commits.
        std::thread::sleep(Duration::from_micros(u64::from(round) * 7_919 % 90_000));
        child.kill().expect("the kill");
        child.wait().expect("its end");
        listener.join().expect("the listener");
        let store = SqliteStore::open(&folder.path().join("store.db"), WriterBounds::default(), Box::new(|_, _| {}))
            .expect("the store opens after the kill");
        let kept: BTreeSet<CallId> =
            store.open_calls(None, usize::MAX).expect("it is whole").iter().map(|call| call.id).collect();
        let promised = acknowledged.lock().expect("the numbers");
        let lost = promised.difference(&kept).count();
        assert_eq!(lost, 0, "round {round}: {lost} of {} acknowledged calls are lost", promised.len());
    }
    let total = acknowledged.lock().expect("the numbers").len();
    assert!(total > usize::try_from(ROUNDS).expect("small"), "only {total} were acknowledged");
}

//! A PostgreSQL server that is not there, not ours, or goes away: what is said, what is refused, and what is there afterwards.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::home::{place, postgres};
use super::*;

fn said(url: &str) -> String {
    let error = SqliteArchive::open(place(url)).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Server { .. }), "{error}");
    error.to_string()
}

#[test]
fn what_is_wrong_with_the_server_is_said_with_its_mend_and_without_the_password() {
    let cluster = postgres::shared();
    let url = cluster.database();
    for (wrong, wanted) in [
        (url.replace("%40ss", "%40zz"), "see role and password"),
        (format!("{url}_nowhere"), "createdb"),
        ("postgres://callbridge:p%40zz@127.0.0.1:1/d".to_owned(), "pg_isready"),
    ] {
        let said = said(&wrong);
        assert!(said.contains(wanted) && said.contains("mend: "), "{said}");
        assert!(!said.contains("p@ss") && !said.contains("p@zz") && !said.contains("p%40"), "{said}");
    }
    drop(SqliteArchive::open(place(&url)).unwrap());
    cluster.sql(&url, "UPDATE meta SET value = 99 WHERE key = 'schema'");
    let later = SqliteArchive::open(place(&url)).map(|_| ()).unwrap_err();
    assert!(matches!(later, StoreError::FutureVersion { found: 99, .. }), "{later}");
}

#[test]
fn where_encryption_is_wanted_the_server_shows_a_certificate_for_its_name_or_nothing_is_said() {
    let cluster = postgres::Cluster::start();
    let url = cluster.database();
    let plain = said(&format!("{url}?sslmode=require"));
    assert!(plain.contains("TLS"), "{plain}");
    let certificate = cluster.encrypt();
    let trusting = format!("{url}?sslmode=require&sslrootcert={}", certificate.display());
    let (store, answers) = open(place(&trusting));
    done(&store, &answers, accept(&call(1))).unwrap();
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE datname = current_database() AND application_name = 'callbridge'";
    assert_eq!(cluster.sql(&url, encrypted), "t");
    let stranger = said(&format!("{url}?sslmode=require"));
    assert!(stranger.contains("certificate"), "an authority that nobody named: {stranger}");
    let misnamed = said(&trusting.replace("127.0.0.1", "localhost"));
    assert!(misnamed.contains("certificate"), "{misnamed}");
}

#[test]
fn a_database_of_another_encoding_is_refused() {
    let cluster = postgres::shared();
    let url = cluster.database();
    let name = url.rsplit('/').next().unwrap();
    cluster.sql("postgres", &format!("CREATE DATABASE {name}l ENCODING LATIN1 LOCALE 'C' TEMPLATE template0"));
    assert!(said(&format!("{url}l")).contains("LATIN1"), "{}", said(&format!("{url}l")));
}

#[test]
fn the_servers_socket_is_a_way_to_it_and_a_daemon_there_keeps_another_off() {
    let cluster = postgres::shared();
    let url = cluster.database();
    let (first, answers) = open(place(&cluster.by_socket(&url)));
    done(&first, &answers, accept(&call(1))).unwrap();
    let second = SqliteStore::open(place(&url), WriterBounds::default(), Box::new(|_, _| {}));
    assert!(matches!(second.map(|_| ()), Err(StoreError::InUse { .. })));
    let tool = SqliteArchive::open(place(&url)).unwrap();
    assert_eq!(tool.open_calls(None, 1_000).unwrap(), [call(1)], "a tool works beside it");
}

#[test]
fn zero_bytes_and_the_longest_texts_are_kept_as_far_as_the_database_can() {
    let (store, answers) = open(place(&postgres::shared().database()));
    let mut asked = call(1);
    asked.message.note = Some(format!("a\0b{}", "ü".repeat(4_000)));
    asked.message.reference = Some("a\0b".to_owned());
    done(&store, &answers, accept(&asked)).unwrap();
    assert_eq!(store.open_calls(None, 1_000).unwrap(), [asked]);
}

/// Says stop when it is dropped.
struct Over<'s>(&'s AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Submits calls one after another from `first` until told to stop; gives those that were acknowledged, and counts them in `heard`.
fn writes(
    store: &SqliteStore,
    answers: &Answers,
    first: i64,
    stop: &AtomicBool,
    heard: &AtomicUsize,
) -> BTreeSet<CallId> {
    let (mut kept, mut waiting) = (BTreeSet::new(), 0);
    let mut hear = |(StoreToken(number), result): (StoreToken, Result<(), StoreFailure>)| {
        if result.is_ok() {
            kept.insert(call(i64::try_from(number).unwrap()).id);
            heard.fetch_add(1, Ordering::Relaxed);
        }
    };
    for number in first.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let op = if number % 3 == 2 { finish(&call(number)) } else { accept(&call(number)) };
        match store.submit(StoreToken(u64::try_from(number).unwrap()), op) {
            Ok(()) => waiting += 1,
            // The database is away: refused at once.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
        if waiting == 64 {
            hear(answers.recv_timeout(PATIENCE * 2).unwrap());
            waiting -= 1;
        }
    }
    for _ in 0..waiting {
        hear(answers.recv_timeout(PATIENCE * 2).unwrap());
    }
    kept
}

/// Waits until so many more were acknowledged.
fn more(heard: &AtomicUsize, count: usize) {
    let (from, begun) = (heard.load(Ordering::Relaxed), std::time::Instant::now());
    while heard.load(Ordering::Relaxed) < from + count {
        assert!(begun.elapsed() < PATIENCE * 4, "{count} more were not acknowledged");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9_of_the_server_under_load_and_the_writer_comes_back() {
    let cluster = postgres::Cluster::start();
    let url = cluster.database();
    let (store, answers) = open(place(&url));
    let mut acknowledged = BTreeSet::new();
    for round in 0..3 {
        let (stop, heard) = (AtomicBool::new(false), AtomicUsize::new(0));
        let kept = std::thread::scope(|scope| {
            scope.spawn(|| {
                // The writer ends also where one of these gives up.
                let _over = Over(&stop);
                more(&heard, 200 + 37 * usize::try_from(round).unwrap());
                cluster.kill();
                cluster.run();
                more(&heard, 200);
            });
            writes(&store, &answers, round * 1_000_000, &stop, &heard)
        });
        acknowledged.extend(kept);
        let back = std::time::Instant::now();
        while done(&store, &answers, StoreOp::Alive { at: Wall(1) }).is_err() {
            assert!(back.elapsed() < PATIENCE, "{}", cluster.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let mut there: BTreeSet<CallId> = store.open_calls(None, usize::MAX).unwrap().iter().map(|call| call.id).collect();
    let mut each = |record: CallRecord| {
        assert!(there.insert(record.call_id), "a second record, or a call that is open and closed");
        ControlFlow::Continue(())
    };
    store.records(&RecordFilter::default(), &mut each).unwrap();
    assert_eq!(acknowledged.difference(&there).count(), 0, "of {} acknowledged", acknowledged.len());
    // Refused operations left nothing: the store's word was kept both ways, but for what was submitted and never answered.
    assert_eq!(there.difference(&acknowledged).count(), 0, "of {} that are there", there.len());
}

#[test]
fn a_session_that_is_ended_from_outside_costs_at_most_what_was_under_way() {
    let cluster = postgres::shared();
    let url = cluster.database();
    let (store, answers) = open(place(&url));
    done(&store, &answers, accept(&call(1))).unwrap();
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_ne!(cluster.sql(&url, ended), "0");
    let begun = std::time::Instant::now();
    while done(&store, &answers, accept(&call(2))).is_err() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    // Readers and the connection for accounts come back by themselves.
    for _ in 0..4 {
        let _broken = store.open_calls(None, 1_000);
    }
    assert_eq!(store.open_calls(None, 1_000).unwrap().len(), 2);
    let _broken = store.archive().add_account(&who(), business("abc"));
    assert!(
        store.business(&"abc".parse().unwrap()).unwrap().is_some() || {
            store.archive().add_account(&who(), business("abc")).is_ok()
        }
    );
}

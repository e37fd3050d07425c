//! The writer: one thread, one bounded queue; all operations that wait are put into one transaction, made durable by one sync
//! and then answered. Owns order, grouping and the fate of a failed operation; refuses to retry (the engine does).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, OptionalExtension, params};

use super::bell::Bell;
use super::outbox::{self, OutboxOp, Outlet, TestEvent, Way};
use super::queue::{Queue, Refused, Taker, queue};
use super::sqlite::WriterBounds;
use super::{OnStored, StoreError, audit, direct, ladders, sessions, sinks, usage};
use crate::clock::Wall;
use crate::engine::api::{StoreFailure, StoreOp, StoreToken};
use crate::model::{AttemptRecord, BusinessId, CallId, CallRecord, Idempotency, StoredCall};

/// An idempotency key is remembered so long.
const KEYS_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How often old keys and ladders are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// And how soon again where more are left.
const FORGET_MORE: Duration = Duration::from_secs(1);

/// How an operation of the outbox is answered: false where there was nothing to change.
pub type OutboxDone = Box<dyn FnOnce(Result<bool, StoreFailure>) + Send>;

/// What waits.
enum Work {
    Engine(StoreToken, StoreOp),
    Outbox(OutboxOp, OutboxDone),
}

/// Who is answered.
enum Asker {
    Engine(StoreToken),
    Outbox(OutboxDone),
}

/// The queue's end and the thread behind it.
pub(super) struct Writer {
    queue: Option<Queue<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        bounds: WriterBounds,
        stored: OnStored,
        bell: Arc<Bell>,
    ) -> Result<Writer, StoreError> {
        let (queue, waiting) = queue(bounds.queue);
        let run = move || run(&connection, &waiting, bounds, &stored, &bell);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(run).map_err(StoreError::Thread)?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) fn submit(&self, token: StoreToken, op: StoreOp) -> Result<(), StoreFailure> {
        self.put(Work::Engine(token, op))
    }

    pub(super) fn outbox(&self, op: OutboxOp, done: OutboxDone) -> Result<(), StoreFailure> {
        self.put(Work::Outbox(op, done))
    }

    fn put(&self, work: Work) -> Result<(), StoreFailure> {
        let gone = || StoreFailure::Unavailable("the writer is gone".to_owned());
        self.queue.as_ref().ok_or_else(gone)?.put(work).map_err(|refused| match refused {
            Refused::Full => StoreFailure::Unavailable("too many operations wait".to_owned()),
            Refused::Gone => gone(),
        })
    }
}

impl Drop for Writer {
    /// What was queued is still made durable and answered.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread panicked");
        }
    }
}

fn run(connection: &Connection, waiting: &Taker<Work>, bounds: WriterBounds, stored: &OnStored, bell: &Bell) {
    let group = bounds.group.max(1);
    let mut answers = Vec::with_capacity(group);
    let (mut forgotten, mut pause): (Option<Instant>, Duration) = (None, FORGET_EVERY);
    loop {
        if forgotten.is_none_or(|at| at.elapsed() >= pause) {
            forget_old_keys(connection);
            direct::forget(connection, wall());
            sessions::forget(connection, wall());
            let more = ladders::forget(connection, bounds.ladders_kept);
            let more = outbox::forget(connection, bounds.events_kept, wall()) || more;
            let more = audit::forget(connection, bounds.audit_kept, wall()) || more;
            pause = if more { FORGET_MORE } else { FORGET_EVERY };
            forgotten = Some(Instant::now());
        }
        let first = match waiting.take(pause) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let ops = std::iter::once(first).chain(std::iter::from_fn(|| waiting.try_take())).take(group);
        let told = commit_group(connection, ops, &mut answers);
        bell.ring(told);
        for (asker, result) in answers.drain(..) {
            match asker {
                Asker::Engine(token) => stored(token, result.map(|_| ())),
                Asker::Outbox(done) => done(result),
            }
        }
    }
    // Leaves one file behind instead of three; what fails here is repaired at the next opening.
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "the store's log was not folded in at the end");
    }
}

/// True where something was changed, as far as the operation tells.
type Answer = (Asker, Result<bool, StoreFailure>);

/// One transaction over all of `ops`. One operation that fails does not fail the others; a failed commit fails all. Gives the
/// outlets that have events to be sent by it.
fn commit_group(
    connection: &Connection,
    ops: impl Iterator<Item = Work>,
    answers: &mut Vec<Answer>,
) -> BTreeSet<Outlet> {
    let run = |sql: &str| connection.prepare_cached(sql)?.execute([]);
    let mut broken = run("BEGIN IMMEDIATE").err();
    let mut told = BTreeSet::new();
    for work in ops {
        let result = if broken.is_some() { Ok(Ok(true)) } else { apply_alone(connection, &work) };
        let answer = result.unwrap_or_else(|error| {
            let failure = unavailable(&error);
            // A full or failing disk makes SQLite roll everything back by itself.
            if connection.is_autocommit() {
                broken = Some(error);
            }
            Err(failure)
        });
        told.extend(work.tells());
        answers.push((work.asker(), answer));
    }
    if broken.is_none() {
        broken = run("COMMIT").err();
    }
    let Some(error) = broken else { return told };
    tracing::error!(%error, operations = answers.len(), "the store could not commit");
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "the store could not roll back");
    }
    for (_, answer) in answers.iter_mut() {
        *answer = Err(unavailable(&error));
    }
    BTreeSet::new()
}

impl Work {
    fn asker(self) -> Asker {
        match self {
            Work::Engine(token, _) => Asker::Engine(token),
            Work::Outbox(_, done) => Asker::Outbox(done),
        }
    }

    /// Whose events are to be sent, once this is durable. What a settlement frees is looked for by whoever settled.
    fn tells(&self) -> impl Iterator<Item = Outlet> {
        let [webhook, sink] = match self {
            Work::Engine(_, StoreOp::Telling { told, hearers, .. }) => {
                let business = &told.call.business_id;
                [hearers.webhook.then_some(business), hearers.sink.then_some(business)]
            }
            Work::Engine(_, StoreOp::LimitReached(reached)) => [Some(&reached.business), None],
            Work::Outbox(OutboxOp::Test(TestEvent { business, .. }) | OutboxOp::Replay(business, ..), _) => {
                [Some(business), None]
            }
            Work::Engine(..) | Work::Outbox(OutboxOp::Settle(_), _) => [None, None],
        };
        let webhook = webhook.map(|business| (business.clone(), Way::Webhook));
        webhook.into_iter().chain(sink.map(|business| (business.clone(), Way::Sink)))
    }
}

fn unavailable(error: &rusqlite::Error) -> StoreFailure {
    StoreFailure::Unavailable(error.to_string())
}

/// Applies one operation inside a savepoint, so that nothing of it stays when it fails. The outer error is SQLite's, the
/// inner one the operation's own verdict.
fn apply_alone(connection: &Connection, work: &Work) -> rusqlite::Result<Result<bool, StoreFailure>> {
    connection.prepare_cached("SAVEPOINT op")?.execute([])?;
    let result = match work {
        Work::Engine(_, op) => apply(connection, op).map(|verdict| verdict.map(|()| true)),
        Work::Outbox(op, _) => outbox::apply(connection, op).map(Ok),
    };
    if !matches!(result, Ok(Ok(_))) && !connection.is_autocommit() {
        connection.prepare_cached("ROLLBACK TO op")?.execute([])?;
    }
    if !connection.is_autocommit() {
        connection.prepare_cached("RELEASE op")?.execute([])?;
    }
    result
}

fn apply(connection: &Connection, op: &StoreOp) -> rusqlite::Result<Result<(), StoreFailure>> {
    match op {
        StoreOp::Accept(call) => accept(connection, call),
        StoreOp::Progress { call, progress } => {
            let sql = "UPDATE calls SET progress = ?2 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute(params![key(*call), json(progress)?])?;
            Ok(Ok(()))
        }
        StoreOp::Finish { record, attempts } => finish(connection, record, attempts).map(Ok),
        StoreOp::Ladder(ladder) => ladders::insert(connection, ladder).map(Ok),
        StoreOp::Session(session) => sessions::put(connection, session).map(Ok),
        StoreOp::LimitReached(reached) => outbox::limit_reached(connection, reached).map(Ok),
        StoreOp::Telling { op, told, hearers } => match apply(connection, op)? {
            Ok(()) => outbox::tell(connection, told, *hearers).map(Ok),
            Err(verdict) => Ok(Err(verdict)),
        },
        StoreOp::Alive { at } => {
            let sql = "INSERT INTO meta (key, value) VALUES ('alive', ?1)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            connection.prepare_cached(sql)?.execute([at.0])?;
            Ok(Ok(()))
        }
    }
}

fn accept(connection: &Connection, call: &StoredCall) -> rusqlite::Result<Result<(), StoreFailure>> {
    let message = &call.message;
    if let Some(idempotency) = &message.idempotency
        && let Err(verdict) = take_key(connection, call, &message.business_id, idempotency)?
    {
        return Ok(Err(verdict));
    }
    for name in &message.once {
        // A space, which no `Idempotency-Key` has: a sender can take none of these names.
        let taken = Idempotency { key: format!("once {name}"), body_hash: String::new() };
        if take_key(connection, call, &message.business_id, &taken)?.is_err() {
            return Ok(Err(StoreFailure::TakenBefore));
        }
    }
    // Asked again after a commit whose answer was lost: nothing changes, and a closed call is not opened again.
    let sql = "INSERT INTO calls (id, business_id, created_at, reference, message, progress)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM records WHERE id = ?1)
               ON CONFLICT (id) DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![
        key(call.id),
        message.business_id.as_str(),
        call.created_at.0,
        message.reference,
        json(message)?,
        json(&call.progress)?,
    ])?;
    direct::insert(connection, call)?;
    sinks::insert(connection, call)?;
    Ok(Ok(()))
}

/// The key becomes this call's, or whose it is decides.
fn take_key(
    connection: &Connection,
    call: &StoredCall,
    business: &BusinessId,
    idempotency: &Idempotency,
) -> rusqlite::Result<Result<(), StoreFailure>> {
    let sql = "INSERT INTO idempotency (business_id, key, body_hash, call_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (business_id, key) DO NOTHING";
    let Idempotency { key: word, body_hash } = idempotency;
    let values = params![business.as_str(), word, body_hash, key(call.id), call.created_at.0];
    if connection.prepare_cached(sql)?.execute(values)? == 1 {
        return Ok(Ok(()));
    }
    let sql = "SELECT call_id, body_hash FROM idempotency WHERE business_id = ?1 AND key = ?2";
    let first: Option<([u8; 16], String)> = connection
        .prepare_cached(sql)?
        .query_row([business.as_str(), word], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match first {
        Some((id, hash)) if hash == *body_hash && id == key(call.id) => Ok(()),
        Some((id, hash)) if hash == *body_hash => {
            Err(StoreFailure::KeyReplayed(CallId::from_u128(u128::from_be_bytes(id))))
        }
        _ => Err(StoreFailure::KeyReused),
    })
}

/// The record is written once; whoever comes second changes nothing.
fn finish(connection: &Connection, record: &CallRecord, attempts: &[AttemptRecord]) -> rusqlite::Result<()> {
    let id = key(record.call_id);
    let sql =
        "INSERT INTO records (id, business_id, created_at, reference, record, due_at, billed_seconds, price_micros, currency)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
               ON CONFLICT (id) DO NOTHING";
    let (due_at, seconds, price) = usage::summed(record);
    let (business, created_at) = (record.business_id.as_str(), record.created_at.0);
    let (reference, currency) = (&record.reference, record.currency.to_string());
    let values = params![id, business, created_at, reference, json(record)?, due_at, seconds, price, currency];
    if connection.prepare_cached(sql)?.execute(values)? == 1 {
        let mut insert = connection.prepare_cached(
            "INSERT INTO attempts (call_id, attempt, record) VALUES (?1, ?2, ?3) ON CONFLICT (call_id, attempt) DO NOTHING",
        )?;
        for attempt in attempts {
            insert.execute(params![id, attempt.attempt, json(attempt)?])?;
        }
    }
    connection.prepare_cached("DELETE FROM calls WHERE id = ?1")?.execute([id])?;
    Ok(())
}

fn wall() -> Wall {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

fn forget_old_keys(connection: &Connection) {
    let before = wall().0.saturating_sub(i64::try_from(KEYS_KEPT.as_millis()).unwrap_or(i64::MAX));
    if let Err(error) = connection.execute("DELETE FROM idempotency WHERE created_at < ?1", [before]) {
        tracing::warn!(%error, "old idempotency keys were not forgotten");
    }
}

/// The primary key: big-endian, so that the order of bytes is the order of creation.
pub(super) fn key(call: CallId) -> [u8; 16] {
    call.as_u128().to_be_bytes()
}

fn json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

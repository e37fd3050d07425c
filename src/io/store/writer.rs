//! The writer: one thread, one bounded queue; all operations that wait are put into one transaction, made durable by one sync
//! and then answered. Owns order, grouping, the fate of a failed operation and of a commit whose answer was lost; refuses to retry (the
//! engine does).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::archive::WriterBounds;
use super::bell::Bell;
use super::db::{self, Connection, Error, OptionalExtension, params};
use super::outbox::{self, OutboxOp, Outlet, TestEvent, Way};
use super::pen::Pen;
use super::queue::{Queue, Refused, Taker, queue};
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
/// A lost database is looked for after so long, then after twice that,
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// up to this. A store that is closed meanwhile waits for it no longer.
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// How an operation of the outbox is answered: false where there was nothing to change.
pub type OutboxDone = Box<dyn FnOnce(Result<bool, StoreFailure>) + Send>;

/// What waits.
enum Work {
    Engine(StoreToken, StoreOp),
    Outbox(OutboxOp, OutboxDone),
}

/// The queue's end and the thread behind it.
pub(super) struct Writer {
    queue: Option<Queue<Work>>,
    thread: Option<JoinHandle<()>>,
    /// The database is not there: nothing is taken that could only wait.
    away: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn start(
        pen: Pen,
        bounds: WriterBounds,
        stored: OnStored,
        bell: Arc<Bell>,
    ) -> Result<Writer, StoreError> {
        let (queue, waiting) = queue(bounds.queue);
        let away = Arc::new(AtomicBool::new(false));
        let desk = Desk { pen, waiting, bounds, stored, bell, away: Arc::clone(&away) };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || desk.run());
        Ok(Writer { queue: Some(queue), thread: Some(thread.map_err(StoreError::Thread)?), away })
    }

    pub(super) fn submit(&self, token: StoreToken, op: StoreOp) -> Result<(), StoreFailure> {
        self.put(Work::Engine(token, op))
    }

    pub(super) fn outbox(&self, op: OutboxOp, done: OutboxDone) -> Result<(), StoreFailure> {
        self.put(Work::Outbox(op, done))
    }

    fn put(&self, work: Work) -> Result<(), StoreFailure> {
        if self.away.load(Ordering::Relaxed) {
            return Err(away());
        }
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

/// The writer at its thread.
struct Desk {
    pen: Pen,
    waiting: Taker<Work>,
    bounds: WriterBounds,
    stored: OnStored,
    bell: Arc<Bell>,
    away: Arc<AtomicBool>,
}

/// An operation and what it came to: true where something was changed, as far as the operation tells.
type Taken = (Work, Result<bool, StoreFailure>);

impl Desk {
    fn run(mut self) {
        let most = self.bounds.group.max(1);
        let mut group = Vec::with_capacity(most);
        let (mut forgotten, mut pause): (Option<Instant>, Duration) = (None, FORGET_EVERY);
        loop {
            if forgotten.is_none_or(|at| at.elapsed() >= pause) {
                pause = if self.forget() { FORGET_MORE } else { FORGET_EVERY };
                forgotten = Some(Instant::now());
            }
            // A session can end while nothing is to be done, and its lock with it.
            let longest = if self.pen.connection().is_far() { pause.min(LAST_PAUSE) } else { pause };
            let first = match self.waiting.take(longest) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    if self.pen.connection().is_lost() && !self.come_back(None, &mut group) {
                        return;
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if !self.pen.connection().is_sound() && self.pen.take_again().is_err() {
                self.refuse(first);
                if self.come_back(None, &mut group) {
                    continue;
                }
                return;
            }
            let ops = std::iter::once(first).chain(std::iter::from_fn(|| self.waiting.try_take())).take(most);
            let doubt = match commit_group(self.pen.connection(), ops, &mut group) {
                Ok(()) => None,
                Err(Error::Doubt { xid, why }) => {
                    tracing::error!(error = why, operations = group.len(), "the answer to a commit was lost");
                    Some(xid)
                }
                Err(error) => {
                    tracing::error!(%error, operations = group.len(), "the store could not commit");
                    fail(&mut group, &error);
                    None
                }
            };
            if doubt.is_none() {
                self.answer(&mut group);
            }
            if self.pen.connection().is_lost() && !self.come_back(doubt, &mut group) {
                return;
            }
        }
        // Leaves one file behind instead of three; what fails here is repaired at the next opening.
        if let Connection::Sqlite(file) = self.pen.connection()
            && let Err(error) = file.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        {
            tracing::warn!(%error, "the store's log was not folded in at the end");
        }
    }

    /// True: there may be more.
    fn forget(&self) -> bool {
        let connection = self.pen.connection();
        forget_old_keys(connection);
        direct::forget(connection, wall());
        sessions::forget(connection, wall());
        let more = ladders::forget(connection, self.bounds.ladders_kept);
        let more = outbox::forget(connection, self.bounds.events_kept, wall()) || more;
        audit::forget(connection, self.bounds.audit_kept, wall()) || more
    }

    fn answer(&self, group: &mut Vec<Taken>) {
        let durable = group.iter().filter(|(_, result)| result.is_ok());
        self.bell.ring(durable.flat_map(|(work, _)| work.tells()).collect());
        for (work, result) in group.drain(..) {
            match work {
                Work::Engine(token, _) => (self.stored)(token, result.map(|_| ())),
                Work::Outbox(_, done) => done(result),
            }
        }
    }

    /// The way to the database is lost: whatever comes is refused at once until it is found again. `group` is answered as soon as it is
    /// known whether the commit in doubt happened. False: the store is closed, and nobody waits any more.
    fn come_back(&mut self, mut doubt: Option<String>, group: &mut Vec<Taken>) -> bool {
        self.away.store(true, Ordering::Relaxed);
        let (since, mut pause, mut closing, mut said) = (Instant::now(), FIRST_PAUSE, None, String::new());
        tracing::error!("the database is away: messages are refused until it is back");
        loop {
            self.refuse_waiting();
            let again = self.pen.take_again().map_err(|error| ends_if_superseded(&error));
            match again.and_then(|()| self.settle(&mut doubt, group)) {
                Ok(()) => break,
                Err(error) => {
                    // Once for each reason.
                    if said != error {
                        tracing::warn!(error, "the database is away still");
                        said = error;
                    }
                }
            }
            match self.waiting.take(pause) {
                Ok(work) => self.refuse(work),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let closing = *closing.get_or_insert_with(Instant::now);
                    if closing.elapsed() > LAST_PAUSE {
                        fail(group, &Error::Lost("the database did not come back before the end".to_owned()));
                        self.answer(group);
                        return false;
                    }
                    std::thread::sleep(pause);
                }
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
        self.away.store(false, Ordering::Relaxed);
        tracing::info!(seconds = since.elapsed().as_secs(), "the database is back");
        true
    }

    /// What became of a commit whose answer was lost. A group that was not committed is answered so: nothing of it is there.
    fn settle(&self, doubt: &mut Option<String>, group: &mut Vec<Taken>) -> Result<(), String> {
        let Some(xid) = doubt else { return Ok(()) };
        let committed = self.pen.was_committed(xid).map_err(|error| error.to_string())?;
        tracing::warn!(xid, committed, operations = group.len(), "a commit in doubt is settled");
        if !committed {
            fail(group, &Error::Lost("it broke before the commit".to_owned()));
        }
        *doubt = None;
        self.answer(group);
        Ok(())
    }

    fn refuse_waiting(&self) {
        while let Some(work) = self.waiting.try_take() {
            self.refuse(work);
        }
    }

    fn refuse(&self, work: Work) {
        self.answer(&mut vec![(work, Err(away()))]);
    }
}

fn away() -> StoreFailure {
    StoreFailure::Unavailable("the database is away".to_owned())
}

/// Nothing of the group is there.
fn fail(group: &mut [Taken], error: &Error) {
    for (_, result) in group {
        *result = Err(unavailable(error));
    }
}

/// One transaction over all of `ops`, which are put into `group` with what they came to. One operation that fails does not fail the others.
/// An error: nothing of the group is durable, but where it is [`Error::Doubt`], which leaves that open.
fn commit_group(
    connection: &Connection,
    mut ops: impl Iterator<Item = Work>,
    group: &mut Vec<Taken>,
) -> db::Result<()> {
    group.clear();
    if connection.is_far() {
        match all_together(connection, &mut ops, group) {
            Ok(true) => return connection.commit(),
            // One was refused or failed: once more, each with a way back of its own.
            Ok(false) => {}
            Err(error) => {
                group.extend(ops.map(|work| (work, Ok(true))));
                return Err(error);
            }
        }
    }
    let mut broken = connection.begin_write().err();
    let again = std::mem::take(group).into_iter().map(|(work, _)| work);
    for work in again.chain(ops) {
        let result = if broken.is_some() { Ok(Ok(true)) } else { apply_alone(connection, &work) };
        let answer = result.unwrap_or_else(|error| {
            let failure = unavailable(&error);
            // A full or failing disk makes SQLite roll everything back by itself.
            if !connection.is_open() {
                broken = Some(error);
            }
            Err(failure)
        });
        group.push((work, answer));
    }
    let error = match broken {
        Some(error) => error,
        None => match connection.commit() {
            Ok(()) => return Ok(()),
            Err(error) => error,
        },
    };
    if connection.is_open()
        && let Err(error) = connection.rollback()
    {
        tracing::error!(%error, "the store could not roll back");
    }
    Err(error)
}

/// What is wrong, in words. A daemon whose calls another one has taken over dials nobody any more: it ends at once, as after a crash, and
/// what it was told is with the other.
fn ends_if_superseded(error: &StoreError) -> String {
    if matches!(error, StoreError::Superseded { .. }) {
        tracing::error!(%error, "this daemon ends");
        // sysexits: a temporary failure, so that a supervisor starts it again.
        std::process::exit(75);
    }
    error.to_string()
}

/// The operations without savepoints: true where each went well, and the commit is still to come. False: everything is taken back, those
/// that were tried are in `group`.
fn all_together(
    connection: &Connection,
    ops: &mut impl Iterator<Item = Work>,
    group: &mut Vec<Taken>,
) -> db::Result<bool> {
    connection.begin_write()?;
    for work in ops {
        let result = apply_work(connection, &work);
        // A key that is known has written nothing.
        let known = matches!(result, Ok(Err(StoreFailure::KeyReplayed(_) | StoreFailure::KeyReused)));
        let well = known || matches!(result, Ok(Ok(_)));
        let (well, lost) = (well, result.as_ref().err().is_some_and(|_| connection.is_lost()));
        let error = result.as_ref().err().map(ToString::to_string);
        group.push((work, result.unwrap_or(Ok(true))));
        if lost {
            return Err(Error::Lost(error.unwrap_or_default()));
        }
        if !well {
            connection.rollback()?;
            return Ok(false);
        }
    }
    Ok(true)
}

impl Work {
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

fn unavailable(error: &Error) -> StoreFailure {
    StoreFailure::Unavailable(error.to_string())
}

/// Applies one operation inside a savepoint, so that nothing of it stays when it fails. The outer error is the database's, the
/// inner one the operation's own verdict.
fn apply_alone(connection: &Connection, work: &Work) -> db::Result<Result<bool, StoreFailure>> {
    connection.save()?;
    let result = apply_work(connection, work);
    if !matches!(result, Ok(Ok(_))) && connection.is_open() {
        connection.take_back()?;
    }
    if connection.is_open() {
        connection.keep()?;
    }
    result
}

fn apply_work(connection: &Connection, work: &Work) -> db::Result<Result<bool, StoreFailure>> {
    match work {
        Work::Engine(_, op) => apply(connection, op).map(|verdict| verdict.map(|()| true)),
        Work::Outbox(op, _) => outbox::apply(connection, op).map(Ok),
    }
}

fn apply(connection: &Connection, op: &StoreOp) -> db::Result<Result<(), StoreFailure>> {
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
        StoreOp::Revoke(revocation) => sessions::revoke(connection, revocation).map(Ok),
        StoreOp::LimitReached(reached) => outbox::limit_reached(connection, reached).map(Ok),
        StoreOp::Telling { op, told, hearers } => match apply(connection, op)? {
            Ok(()) => outbox::tell(connection, told, *hearers).map(Ok),
            Err(verdict) => Ok(Err(verdict)),
        },
        StoreOp::Alive { at } => {
            let sql = "INSERT INTO meta (key, value) VALUES ('alive', ?1)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            connection.prepare_cached(sql)?.execute(params![at.0])?;
            Ok(Ok(()))
        }
    }
}

fn accept(connection: &Connection, call: &StoredCall) -> db::Result<Result<(), StoreFailure>> {
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
) -> db::Result<Result<(), StoreFailure>> {
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
        .query_row(params![business.as_str(), word], |row| Ok((row.get(0)?, row.get(1)?)))
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
fn finish(connection: &Connection, record: &CallRecord, attempts: &[AttemptRecord]) -> db::Result<()> {
    let id = key(record.call_id);
    let sql =
        "INSERT INTO records (id, business_id, created_at, reference, record, due_at, billed_seconds, price_micros)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
               ON CONFLICT (id) DO NOTHING";
    let (due_at, seconds, price) = usage::summed(record);
    let (business, created_at) = (record.business_id.as_str(), record.created_at.0);
    let values = params![id, business, created_at, record.reference, json(record)?, due_at, seconds, price];
    if connection.prepare_cached(sql)?.execute(values)? == 1 {
        let mut insert = connection.prepare_cached(
            "INSERT INTO attempts (call_id, attempt, record) VALUES (?1, ?2, ?3) ON CONFLICT (call_id, attempt) DO NOTHING",
        )?;
        for attempt in attempts {
            insert.execute(params![id, attempt.attempt, json(attempt)?])?;
        }
    }
    connection.prepare_cached("DELETE FROM calls WHERE id = ?1")?.execute(params![id])?;
    Ok(())
}

fn wall() -> Wall {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

fn forget_old_keys(connection: &Connection) {
    let before = wall().0.saturating_sub(i64::try_from(KEYS_KEPT.as_millis()).unwrap_or(i64::MAX));
    if let Err(error) = connection.execute("DELETE FROM idempotency WHERE created_at < ?1", params![before]) {
        tracing::warn!(%error, "old idempotency keys were not forgotten");
    }
}

/// The primary key: big-endian, so that the order of bytes is the order of creation.
pub(super) fn key(call: CallId) -> [u8; 16] {
    call.as_u128().to_be_bytes()
}

fn json<T: serde::Serialize>(value: &T) -> db::Result<String> {
    Ok(serde_json::to_string(value)?)
}

//! SQLite behind the traits: the archive (readers, and one connection for accounts) and the daemon's store over it. Owns
//! connections and the lock that keeps a second daemon off; the SQL is in `reads`, `accounts` and `writer`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::bell::Bell;
use super::outbox::OutboxOp;
use super::writer::{OutboxDone, Writer};
use super::{OnStored, Store, StoreError, schema};
use crate::engine::api::{StoreFailure, StoreOp, StoreToken};

/// Readers kept open; more are opened for a moment when more threads read at once.
const KEPT_READERS: usize = 4;

/// Bounds of the writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriterBounds {
    /// Operations that may wait; beyond, they are refused.
    pub queue: usize,
    /// Operations in one transaction.
    pub group: usize,
    /// Ladders are kept so long.
    pub ladders_kept: Duration,
    /// Entries of the audit trail.
    pub audit_kept: Duration,
    /// And events that were taken by a webhook or given up.
    pub events_kept: Duration,
}

impl Default for WriterBounds {
    fn default() -> WriterBounds {
        let day = Duration::from_secs(86_400);
        WriterBounds { queue: 16_384, group: 512, ladders_kept: 30 * day, audit_kept: 400 * day, events_kept: 7 * day }
    }
}

/// Reads, and keeps accounts. Tools open it beside a running daemon.
pub struct SqliteArchive {
    pub(super) path: PathBuf,
    readers: Mutex<Vec<Connection>>,
    accounts: Mutex<Connection>,
}

impl SqliteArchive {
    /// Opens the database, makes or migrates it where needed.
    pub fn open(path: &Path) -> Result<SqliteArchive, StoreError> {
        let accounts = Mutex::new(schema::open(path)?);
        Ok(SqliteArchive { path: path.to_owned(), readers: Mutex::new(Vec::new()), accounts })
    }

    pub(super) fn fail(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path, error)
    }

    /// Lends a reader.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = kept.map_or_else(|| schema::open_reader(&self.path), Ok)?;
        let result = work(&connection);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < KEPT_READERS {
            readers.push(connection);
        }
        result
    }

    /// Lends the connection that writes accounts.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut connection = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut connection).map_err(|error| self.fail(&error))
    }
}

/// The daemon's store: the archive, the writer, and the lock that says that a daemon is here.
pub struct SqliteStore {
    // In this order: the writer ends first, the lock is given back last.
    writer: Writer,
    archive: SqliteArchive,
    bell: Arc<Bell>,
    _lock: File,
}

impl SqliteStore {
    /// Opens the database for a daemon; `stored` answers every operation from the writer's thread.
    pub fn open(path: &Path, bounds: WriterBounds, stored: OnStored) -> Result<SqliteStore, StoreError> {
        let lock = lock(path)?;
        let archive = SqliteArchive::open(path)?;
        let bell = Arc::new(Bell::default());
        let writer = Writer::start(schema::open(path)?, bounds, stored, Arc::clone(&bell))?;
        Ok(SqliteStore { writer, archive, bell, _lock: lock })
    }

    /// Rings when events for webhooks have become durable.
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Queues an operation of the outbox, in order with the engine's; `done` is called on the writer's thread. Refused at once when
    /// the queue is full or the writer is gone.
    pub fn outbox(&self, op: OutboxOp, done: OutboxDone) -> Result<(), StoreFailure> {
        self.writer.outbox(op, done)
    }

    /// What can be read.
    pub fn archive(&self) -> &SqliteArchive {
        &self.archive
    }
}

impl Store for SqliteStore {
    fn submit(&self, token: StoreToken, op: StoreOp) -> Result<(), StoreFailure> {
        self.writer.submit(token, op)
    }
}

/// Two daemons would both dial the calls that one of them left. The system drops the lock with the process, however it ends.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let cannot = |error: std::io::Error| StoreError::CannotOpen { path: path.to_owned(), why: error.to_string() };
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => Err(cannot(error)),
    }
}

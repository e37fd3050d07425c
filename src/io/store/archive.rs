//! A database behind the traits: the archive (readers, and one connection for accounts) and the daemon's store over it. Owns
//! these connections; the SQL is in `reads`, `accounts` and `writer`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::bell::Bell;
use super::database::Database;
use super::db::{self, Connection};
use super::outbox::OutboxOp;
use super::pen::Pen;
use super::writer::{OutboxDone, Writer};
use super::{OnStored, Store, StoreError};
use crate::config::StorePlace;
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
    database: Database,
    readers: Mutex<Vec<Connection>>,
    accounts: Mutex<Connection>,
}

impl SqliteArchive {
    /// Opens the database, makes or migrates it where needed.
    pub fn open(place: impl Into<StorePlace>) -> Result<SqliteArchive, StoreError> {
        SqliteArchive::of(Database::new(place.into())?)
    }

    fn of(database: Database) -> Result<SqliteArchive, StoreError> {
        let accounts = Mutex::new(database.open()?);
        Ok(SqliteArchive { database, readers: Mutex::new(Vec::new()), accounts })
    }

    pub(super) fn fail(&self, error: &db::Error) -> StoreError {
        self.database.fail(error)
    }

    /// Lends a reader.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept.filter(Connection::is_sound) {
            Some(connection) => connection,
            None => self.database.open_reader()?,
        };
        let result = work(&connection);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.is_lost() {
            // What broke one way to the server has broken the others.
            readers.clear();
        } else if readers.len() < KEPT_READERS {
            readers.push(connection);
        }
        result
    }

    /// Lends the connection that writes accounts.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Connection) -> db::Result<T>) -> Result<T, StoreError> {
        let mut connection = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.is_sound() {
            *connection = self.database.open_again().map_err(|error| self.fail(&error))?;
        }
        work(&connection).map_err(|error| self.fail(&error))
    }
}

/// The daemon's store: the archive, and the writer, with which the lock goes that says that a daemon is here.
pub struct SqliteStore {
    writer: Writer,
    archive: SqliteArchive,
    bell: Arc<Bell>,
}

impl SqliteStore {
    /// Opens the database for a daemon; `stored` answers every operation from the writer's thread.
    pub fn open(
        place: impl Into<StorePlace>,
        bounds: WriterBounds,
        stored: OnStored,
    ) -> Result<SqliteStore, StoreError> {
        let database = Database::new(place.into())?;
        let pen = Pen::take(&database)?;
        let archive = SqliteArchive::of(database)?;
        let bell = Arc::new(Bell::default());
        let writer = Writer::start(pen, bounds, stored, Arc::clone(&bell))?;
        Ok(SqliteStore { writer, archive, bell })
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

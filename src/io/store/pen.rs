//! The writer's connection, and the lock that says that a daemon is here: two would both dial what one of them left. Owns that nobody writes
//! without the lock, also after the way to the server was lost; refuses to be patient (the writer is).

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use super::database::Database;
use super::db::{Connection, Error};
use super::{StoreError, schema};

/// A daemon that has just ended, however, may be in its last commit for so long.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// And is asked for so often.
const ASKED: Duration = Duration::from_millis(50);

/// A connection that may write for a daemon.
pub(super) struct Pen {
    database: Database,
    connection: Connection,
    /// SQLite's lock; PostgreSQL's is the session's. The system drops it with the process, however that ends.
    _lock: Option<File>,
}

impl Pen {
    /// Opens the database, makes or migrates it, and takes the lock.
    pub(super) fn take(database: &Database) -> Result<Pen, StoreError> {
        let lock = database.file().map(lock).transpose()?;
        let connection = database.open_again().map_err(|error| database.fail(&error))?;
        let begun = Instant::now();
        while !serves(&connection).map_err(|error| database.fail(&error))? {
            if begun.elapsed() > LAST_WORDS {
                return Err(StoreError::InUse { place: database.to_string() });
            }
            std::thread::sleep(ASKED);
        }
        schema::migrate(database, &connection)?;
        Ok(Pen { database: database.clone(), connection, _lock: lock })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// After the connection was lost: another one, with the lock. A session that the server still takes for ours is ended first, so that
    /// nothing it was doing is done later.
    pub(super) fn take_again(&mut self) -> Result<(), StoreError> {
        let fail = |error: Error| self.database.fail(&error);
        let fresh = self.database.open_again().map_err(fail)?;
        if let (Connection::Postgres(former), Connection::Postgres(session)) = (&self.connection, &fresh) {
            session.end(&former.backend).map_err(fail)?;
        }
        if !serves(&fresh).map_err(fail)? {
            return Err(StoreError::InUse { place: self.database.to_string() });
        }
        self.connection = fresh;
        Ok(())
    }

    /// Whether this transaction was committed; none: the server does not know.
    pub(super) fn was_committed(&self, xid: &str) -> Result<Option<bool>, Error> {
        match &self.connection {
            Connection::Postgres(session) => session.was_committed(xid),
            Connection::Sqlite(_) => Ok(None),
        }
    }
}

/// False: another daemon's session has the lock. Of SQLite the file is the lock.
fn serves(connection: &Connection) -> Result<bool, Error> {
    match connection {
        Connection::Sqlite(_) => Ok(true),
        Connection::Postgres(session) => session.serve(),
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let place = || path.display().to_string();
    let cannot = |error: std::io::Error| StoreError::CannotOpen { place: place(), why: error.to_string() };
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse { place: place() }),
        Err(std::fs::TryLockError::Error(error)) => Err(cannot(error)),
    }
}

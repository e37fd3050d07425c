//! The writer's connection, and the lock that says that a daemon is here: two would both dial what one of them left. Owns that nobody writes
//! without the lock, also after the way to the server was lost, nor with what another daemon has taken over meanwhile; refuses to be patient
//! (the writer is).

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use super::database::Database;
use super::db::{Connection, Error, params};
use super::{StoreError, schema};

/// A daemon that has just ended, however, may be in its last commit for so long.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// And is asked for so often.
const ASKED: Duration = Duration::from_millis(50);

/// A connection that may write for a daemon.
pub(super) struct Pen {
    database: Database,
    connection: Connection,
    /// How many daemons had taken the lock of a PostgreSQL database when this one did, itself included.
    term: Option<i64>,
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
        let term = begin_term(&connection).map_err(|error| database.fail(&error))?;
        marked(&connection);
        Ok(Pen { database: database.clone(), connection, term, _lock: lock })
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
        let serves = serves(&fresh).map_err(fail)?;
        // Whoever served meanwhile has what this one had in memory: to go on with it would dial it twice.
        if self.term != term(&fresh).map_err(fail)? {
            return Err(StoreError::Superseded { place: self.database.to_string() });
        }
        if !serves {
            return Err(StoreError::InUse { place: self.database.to_string() });
        }
        marked(&fresh);
        self.connection = fresh;
        Ok(())
    }

    /// Whether this transaction was committed.
    pub(super) fn was_committed(&self, xid: &str) -> Result<bool, Error> {
        match &self.connection {
            Connection::Postgres(session) => session.was_committed(xid),
            Connection::Sqlite(_) => Ok(false),
        }
    }
}

/// What its groups write carries their numbers.
fn marked(connection: &Connection) {
    if let Connection::Postgres(session) = connection {
        session.mark();
    }
}

/// One more daemon has the lock.
fn begin_term(connection: &Connection) -> Result<Option<i64>, Error> {
    if connection.is_far() {
        let sql = "INSERT INTO meta (key, value) VALUES ('term', 1)
                   ON CONFLICT (key) DO UPDATE SET value = meta.value + 1";
        connection.execute(sql, params![])?;
    }
    term(connection)
}

/// Which daemon had the lock last; of SQLite the file is the lock, which no broken connection can cost.
fn term(connection: &Connection) -> Result<Option<i64>, Error> {
    match connection.is_far() {
        true => {
            connection.query_row("SELECT value FROM meta WHERE key = 'term'", params![], |row| row.get(0)).map(Some)
        }
        false => Ok(None),
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

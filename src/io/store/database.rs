//! Where a store is, and how connections with it are opened. Owns the settings that durability hangs on; refuses to know a table.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::OpenFlags;

use super::db::{Connection, Error, Server};
use super::{StoreError, schema};
use crate::config::StorePlace;

/// A writer of another process is waited for so long.
const BUSY: Duration = Duration::from_secs(5);

/// A place at which connections can be opened; cheap to copy.
#[derive(Clone)]
pub(super) struct Database {
    shown: Arc<str>,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Sqlite(PathBuf),
    Postgres(Arc<Server>),
}

/// Without a password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Database {
    pub(super) fn new(place: StorePlace) -> Result<Database, StoreError> {
        let shown = place.to_string().into();
        let place = match place {
            StorePlace::Sqlite(path) => Place::Sqlite(path),
            StorePlace::Postgres(place) => Place::Postgres(Arc::new(Server::new(place)?)),
        };
        Ok(Database { shown, place })
    }

    /// The file, if it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite(path) => Some(path),
            Place::Postgres(_) => None,
        }
    }

    pub(super) fn fail(&self, error: &Error) -> StoreError {
        StoreError::of(&self.shown, error)
    }

    /// Opens for reading and writing; makes the file and the tables where they are missing.
    pub(super) fn open(&self) -> Result<Connection, StoreError> {
        let connection = self.open_again().map_err(|error| self.fail(&error))?;
        schema::migrate(self, &connection)?;
        Ok(connection)
    }

    /// Opens for reading and writing what [`Database::open`] has made.
    pub(super) fn open_again(&self) -> Result<Connection, Error> {
        match &self.place {
            Place::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path)?;
                connection.busy_timeout(BUSY)?;
                // FULL: the log is on the disk before a commit returns.
                connection.pragma_update(None, "journal_mode", "wal")?;
                connection.pragma_update(None, "synchronous", "full")?;
                Ok(Connection::sqlite(connection))
            }
            Place::Postgres(server) => Ok(Connection::Postgres(Box::new(server.connect()?))),
        }
    }

    /// Opens for reading what [`Database::open`] has made.
    pub(super) fn open_reader(&self) -> Result<Connection, StoreError> {
        match &self.place {
            Place::Sqlite(path) => {
                let open = || {
                    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
                    connection.busy_timeout(BUSY)?;
                    Ok(Connection::sqlite(connection))
                };
                open().map_err(|error: rusqlite::Error| self.fail(&error.into()))
            }
            Place::Postgres(_) => self.open_again().map_err(|error| self.fail(&error)),
        }
    }
}

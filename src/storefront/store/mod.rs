//! The Web server's memory in SQLite: customers 324, orders 321, representatives 331, call requests and what came back of them. Owns the
//! connection, the tables, and that everybody is woken by a change; refuses business: that is in the files beside it and in the floor.

pub mod goods;
pub mod people;
pub mod reports;
pub mod requests;
pub mod sample;
pub mod staff;
pub mod supervisors;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Transaction};
use tokio::sync::watch;

/// The form of the tables. A later form adds its steps.
const VERSION: i64 = 2;
const TABLES: &str = include_str!("tables.sql");
const SECOND: &str = include_str!("second.sql");

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite.
    #[error("{}: {error}; is the disk full, or the file another program's?", file.display())]
    Sqlite {
        /// Which file.
        file: PathBuf,
        /// What it says.
        error: rusqlite::Error,
    },
    /// A later version made it.
    #[error("{}: made by a later callbridge (form {found}, this one knows {VERSION}); use that one", file.display())]
    Later {
        /// Which file.
        file: PathBuf,
        /// Its form.
        found: i64,
    },
    /// The thread of the work is gone.
    #[error("the store is stopping")]
    Stopping,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Store {
    file: PathBuf,
    connection: Arc<Mutex<Connection>>,
    changed: watch::Sender<u64>,
}

impl Store {
    /// Opens the file, or makes it.
    pub fn open(file: &Path) -> Result<Store, StoreError> {
        let fail = |error| StoreError::Sqlite { file: file.to_owned(), error };
        let mut connection = Connection::open(file).map_err(fail)?;
        let mut prepare = || -> rusqlite::Result<i64> {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            let steps = match found {
                0 => TABLES,
                1 => SECOND,
                _ => return Ok(found),
            };
            let transaction = connection.transaction()?;
            transaction.execute_batch(steps)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
            Ok(found)
        };
        let found = prepare().map_err(fail)?;
        if found > VERSION {
            return Err(StoreError::Later { file: file.to_owned(), found });
        }
        let connection = Arc::new(Mutex::new(connection));
        Ok(Store { file: file.to_owned(), connection, changed: watch::Sender::new(0) })
    }

    /// Woken by each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Something else that is shown has changed.
    pub fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Looks, off the threads that serve.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |connection| work(connection)).await
    }

    /// Changes in one transaction, durable when this returns. Whoever waits for changes is woken if there was one.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let changed = self.changed.clone();
        self.run(move |connection| {
            let before = total_changes(connection)?;
            let transaction = connection.transaction()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            if total_changes(connection)? != before {
                changed.send_modify(|count| *count += 1);
            }
            Ok(done)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (connection, file) = (Arc::clone(&self.connection), self.file.clone());
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut connection)
        });
        let done = done.await.map_err(|_| StoreError::Stopping)?;
        done.map_err(|error| StoreError::Sqlite { file, error })
    }
}

fn total_changes(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT total_changes()", [], |row| row.get(0))
}

/// The key that cookies and tokens are signed with: made once, `fresh` by the caller, and kept.
pub fn key(transaction: &Transaction<'_>, fresh: [u8; 32]) -> rusqlite::Result<[u8; 32]> {
    let found =
        transaction.query_row("SELECT value FROM settings WHERE name = 'key'", [], |row| row.get(0)).optional()?;
    if let Some(key) = found {
        return Ok(key);
    }
    transaction.execute("INSERT INTO settings (name, value) VALUES ('key', ?1)", [fresh])?;
    Ok(fresh)
}

/// Of a column whose words are ours: a word of a later version is an error, not a guess.
fn word<T>(parse: impl Fn(&str) -> Option<T>, text: &str) -> rusqlite::Result<T> {
    parse(text).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            0,
            rusqlite::types::Type::Text,
            format!("{text:?} is no word of this version").into(),
        )
    })
}

#[cfg(test)]
pub(super) fn in_memory() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(TABLES).unwrap();
    connection
}

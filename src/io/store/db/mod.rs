//! A connection that takes SQL with numbered parameters (`?1`) and gives rows, with SQLite or PostgreSQL behind it: so every statement of the
//! store is written once, in what both understand. Owns what differs: parameters, columns, transactions, errors, and the two words of
//! [`Dialect`]. Refuses to know any table.
//!
//! What a statement may use: upserts, `RETURNING`, partial indexes, row values; 64-bit integers for every number and truth, byte strings of
//! PostgreSQL's `BYTEA`, text ordered by its bytes. A parameter that is only compared with NULL needs a `CAST`, and so has a truth that is stored.

mod error;
pub(super) mod postgres;
mod server;
mod values;
mod wait;

use std::ops::Deref;

pub(super) use error::{Error, OptionalExtension, Result};
pub(super) use postgres::Session;
pub(super) use server::Server;
pub(super) use values::{FromValue, Param, Row, params};

/// Statements of a connection that are kept prepared.
const KEPT_STATEMENTS: usize = 64;
/// Rows of a long listing that are fetched at once.
const FETCHED: usize = 500;

/// An open database.
pub(super) enum Connection {
    /// A file.
    Sqlite(rusqlite::Connection),
    /// A session with a server.
    Postgres(Box<Session>),
}

/// What has another name in each database.
pub(super) struct Dialect {
    /// The column of `ladders` that grows with time.
    pub ladder_number: &'static str,
    /// The table with the bytes that are drawn once.
    pub secrets: &'static str,
}

impl Connection {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Connection::Sqlite(_) => Dialect { ladder_number: "rowid", secrets: "meta" },
            Connection::Postgres(_) => Dialect { ladder_number: "number", secrets: "secrets" },
        }
    }

    /// Keeps SQLite's statements prepared.
    pub(super) fn sqlite(connection: rusqlite::Connection) -> Connection {
        connection.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
        Connection::Sqlite(connection)
    }

    /// A statement, prepared once for this connection.
    pub(super) fn prepare_cached(&self, sql: &str) -> Result<Statement<'_>> {
        match self {
            Connection::Sqlite(connection) => Ok(Statement::Sqlite(connection.prepare_cached(sql)?)),
            Connection::Postgres(session) => Ok(Statement::Postgres(session, session.prepare(sql)?)),
        }
    }

    /// Rows changed.
    pub(super) fn execute(&self, sql: &str, values: &[&dyn Param]) -> Result<usize> {
        self.prepare_cached(sql)?.execute(values)
    }

    /// Its first row; [`Error::NoRow`] where there is none.
    pub(super) fn query_row<T>(
        &self,
        sql: &str,
        values: &[&dyn Param],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare_cached(sql)?.query_row(values, read)
    }

    /// Statements without parameters, one after another.
    pub(super) fn execute_batch(&self, sql: &str) -> Result<()> {
        match self {
            Connection::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Connection::Postgres(session) => session.batch(sql),
        }
    }

    /// Begins to write; nobody else writes until it ends.
    pub(super) fn begin_write(&self) -> Result<()> {
        match self {
            Connection::Sqlite(_) => self.word("BEGIN IMMEDIATE"),
            Connection::Postgres(session) => session.begin_write(),
        }
    }

    /// Begins to read one and the same state.
    fn begin_read(&self) -> Result<()> {
        match self {
            Connection::Sqlite(_) => self.word("BEGIN DEFERRED"),
            Connection::Postgres(session) => session.begin_read(),
        }
    }

    /// What was begun is durable when this returns.
    pub(super) fn commit(&self) -> Result<()> {
        match self {
            Connection::Sqlite(_) => self.word("COMMIT"),
            Connection::Postgres(session) => session.commit(),
        }
    }

    pub(super) fn rollback(&self) -> Result<()> {
        match self {
            Connection::Sqlite(_) => self.word("ROLLBACK"),
            Connection::Postgres(session) => session.rollback(),
        }
    }

    /// Whether a transaction is open: a failing disk makes SQLite end it by itself, a lost connection ends PostgreSQL's.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Connection::Sqlite(connection) => !connection.is_autocommit(),
            Connection::Postgres(session) => session.is_open(),
        }
    }

    /// From here on everything can be taken back alone.
    pub(super) fn save(&self) -> Result<()> {
        self.word("SAVEPOINT op")
    }

    /// Takes back what came since [`Connection::save`].
    pub(super) fn take_back(&self) -> Result<()> {
        match self {
            Connection::Sqlite(_) => self.word("ROLLBACK TO op"),
            Connection::Postgres(session) => session.take_back(),
        }
    }

    /// Keeps what came since [`Connection::save`].
    pub(super) fn keep(&self) -> Result<()> {
        self.word("RELEASE op")
    }

    fn word(&self, sql: &str) -> Result<()> {
        match self {
            Connection::Sqlite(connection) => {
                connection.prepare_cached(sql)?.execute([]).map(|_| ()).map_err(Error::from)
            }
            Connection::Postgres(session) => session.batch(sql),
        }
    }

    /// One state for several statements.
    pub(super) fn snapshot(&self) -> Result<Transaction<'_>> {
        self.begin_read()?;
        Ok(Transaction { connection: self, over: false })
    }

    /// Several changes, all or none.
    pub(super) fn immediate(&self) -> Result<Transaction<'_>> {
        self.begin_write()?;
        Ok(Transaction { connection: self, over: false })
    }

    /// Whether it is better to have a group's operations in one transaction without a savepoint each: each is a way to the server and back.
    pub(super) fn is_far(&self) -> bool {
        matches!(self, Connection::Postgres(_))
    }

    /// Whether the way to the server is gone; a file's never is.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Connection::Postgres(session) if session.is_lost())
    }

    /// Whether it can still be used, asked of the server where that was long ago.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Connection::Sqlite(_) => true,
            Connection::Postgres(session) => session.is_sound(),
        }
    }
}

/// Rolled back where it is dropped without [`Transaction::commit`].
pub(super) struct Transaction<'c> {
    connection: &'c Connection,
    over: bool,
}

impl Transaction<'_> {
    pub(super) fn commit(mut self) -> Result<()> {
        self.over = true;
        let committed = self.connection.commit();
        if committed.is_err() {
            self.over = !self.connection.is_open();
        }
        committed
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.over
            && self.connection.is_open()
            && let Err(error) = self.connection.rollback()
        {
            tracing::warn!(%error, "the store could not roll back");
        }
    }
}

/// A prepared statement.
pub(super) enum Statement<'c> {
    /// SQLite's.
    Sqlite(rusqlite::CachedStatement<'c>),
    /// PostgreSQL's.
    Postgres(&'c Session, postgres::Prepared),
}

impl Statement<'_> {
    /// Rows changed.
    pub(super) fn execute(&mut self, values: &[&dyn Param]) -> Result<usize> {
        match self {
            Statement::Sqlite(statement) => Ok(statement.execute(values::bound(values))?),
            Statement::Postgres(session, prepared) => session.execute(prepared, values),
        }
    }

    /// Its rows; for listings that are bounded: PostgreSQL's are all fetched at once.
    pub(super) fn query(&mut self, values: &[&dyn Param]) -> Result<Rows<'_>> {
        match self {
            Statement::Sqlite(statement) => Ok(Rows::Sqlite(statement.query(values::bound(values))?)),
            Statement::Postgres(session, prepared) => {
                let rows = session.query(prepared, values)?.into_iter();
                Ok(Rows::Fetched { rows, current: None })
            }
        }
    }

    /// Its rows, some at a time, however many they are.
    pub(super) fn stream(&mut self, values: &[&dyn Param]) -> Result<Rows<'_>> {
        match self {
            Statement::Sqlite(_) => self.query(values),
            Statement::Postgres(session, prepared) => {
                let cursor = postgres::Cursor::open(session, prepared, values)?;
                Ok(Rows::Cursor { cursor, rows: Vec::new().into_iter(), current: None, last: false })
            }
        }
    }

    /// Its first row; [`Error::NoRow`] where there is none.
    pub(super) fn query_row<T>(
        &mut self,
        values: &[&dyn Param],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut rows = self.query(values)?;
        match rows.next()? {
            Some(row) => read(&row),
            None => Err(Error::NoRow),
        }
    }

    /// Every row, read.
    pub(super) fn query_map<T>(
        &mut self,
        values: &[&dyn Param],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let (mut rows, mut found) = (self.query(values)?, Vec::new());
        while let Some(row) = rows.next()? {
            found.push(read(&row)?);
        }
        Ok(found)
    }
}

/// Rows, one after another.
pub(super) enum Rows<'s> {
    /// As SQLite goes on.
    Sqlite(rusqlite::Rows<'s>),
    /// All are here.
    Fetched {
        /// The rest.
        rows: std::vec::IntoIter<tokio_postgres::Row>,
        /// The one that is looked at.
        current: Option<tokio_postgres::Row>,
    },
    /// Some are here, the server has more.
    Cursor {
        /// Where they come from.
        cursor: postgres::Cursor<'s>,
        /// The rest of those that are here.
        rows: std::vec::IntoIter<tokio_postgres::Row>,
        /// The one that is looked at.
        current: Option<tokio_postgres::Row>,
        /// The server has no more.
        last: bool,
    },
}

impl Rows<'_> {
    /// The next one.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>> {
        let current = match self {
            Rows::Sqlite(rows) => return Ok(rows.next()?.map(Row::Sqlite)),
            Rows::Fetched { rows, current } => {
                *current = rows.next();
                current
            }
            Rows::Cursor { cursor, rows, current, last } => {
                if rows.len() == 0 && !*last {
                    let fetched = cursor.fetch(FETCHED)?;
                    *last = fetched.len() < FETCHED;
                    *rows = fetched.into_iter();
                }
                *current = rows.next();
                current
            }
        };
        Ok(current.as_ref().map(Row::Postgres))
    }
}

//! A session with a PostgreSQL server: statements prepared once, transactions, cursors, and the locks by which the store's promises hold there.
//! Owns what is known of the session's state; refuses to connect again by itself (whoever uses it decides what that means).
//!
//! Who writes has the database's one advisory lock while it does, as SQLite has it by nature: so numbers grow in the order of commits, and what
//! an operation looked at is so when it is committed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, SimpleQueryMessage};

use super::error::{Error, Result};
use super::server::Server;
use super::values::{Param, Value};
use super::wait::wait;

/// A statement is waited for so long; beyond, the server counts as gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// A session that was not used for so long is asked whether it is there still.
const SOUND_FOR: Duration = Duration::from_secs(1);
/// The first number of every advisory lock here: the letters `call`.
const LOCKS: i32 = 0x6361_6c6c;
/// Held by a transaction that writes.
const WRITING: i32 = 1;
/// Held by the session of a daemon's writer.
const SERVING: i32 = 2;

/// See [`Session::mark`].
const MARK: &str = "INSERT INTO meta (key, value) VALUES ('group', pg_current_xact_id()::text::bigint)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;";

/// An open session.
pub(in super::super) struct Session {
    client: Client,
    /// Serves the connection's thread.
    _server: Arc<Server>,
    /// Texts are those of this program, so they are few.
    statements: RefCell<HashMap<Box<str>, Prepared>>,
    transaction: RefCell<Standing>,
    lost: Cell<bool>,
    used: Cell<Instant>,
    cursors: Cell<u32>,
    /// The number of each transaction that writes stands in the database, committed with it: of a daemon's writer.
    marks: Cell<bool>,
    /// Who this session is to the server.
    pub(in super::super) backend: Backend,
}

/// Where the transaction stands.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Standing {
    /// None is open.
    None,
    /// Open; with its number where it writes.
    Open(Option<String>),
    /// A statement of it failed: it can only be taken back.
    Failed(Option<String>),
}

/// A session as the server names it: process and when that began, so that no later one is taken for it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in super::super) struct Backend {
    /// The process.
    pub pid: String,
    /// When it began.
    pub since: String,
}

/// A statement of a session.
#[derive(Clone)]
pub(in super::super) struct Prepared {
    sql: Arc<str>,
    statement: tokio_postgres::Statement,
}

impl Session {
    pub(super) fn new(client: Client, server: Arc<Server>) -> Session {
        Session {
            client,
            _server: server,
            statements: RefCell::default(),
            transaction: RefCell::new(Standing::None),
            lost: Cell::new(false),
            used: Cell::new(Instant::now()),
            cursors: Cell::new(0),
            marks: Cell::new(false),
            backend: Backend::default(),
        }
    }

    /// Waits for the server, and keeps in mind what its answer means for the transaction and the session.
    fn ask<T>(&self, asked: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>) -> Result<T> {
        if self.lost.get() {
            return Err(Error::Lost("it broke before".to_owned()));
        }
        let error = match wait(PATIENCE, asked) {
            Some(Ok(answer)) => {
                self.used.set(Instant::now());
                return Ok(answer);
            }
            Some(Err(error)) => Error::postgres(&error),
            None => Error::Lost(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        let mut transaction = self.transaction.borrow_mut();
        if matches!(error, Error::Lost(_)) {
            self.lost.set(true);
        } else if let Standing::Open(xid) = &mut *transaction {
            *transaction = Standing::Failed(xid.take());
        }
        Err(error)
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<Prepared> {
        if let Some(prepared) = self.statements.borrow().get(sql) {
            return Ok(prepared.clone());
        }
        let text = numbered(sql);
        let statement = self.ask(self.client.prepare(&text))?;
        let prepared = Prepared { sql: text.into(), statement };
        self.statements.borrow_mut().insert(sql.into(), prepared.clone());
        Ok(prepared)
    }

    pub(super) fn execute(&self, prepared: &Prepared, values: &[&dyn Param]) -> Result<usize> {
        let changed = self.ask(self.client.execute_raw(&prepared.statement, given(values)))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    pub(super) fn query(&self, prepared: &Prepared, values: &[&dyn Param]) -> Result<Vec<tokio_postgres::Row>> {
        let values = given(values);
        let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.ask(self.client.query(&prepared.statement, &values))
    }

    pub(super) fn batch(&self, sql: &str) -> Result<()> {
        self.ask(self.client.batch_execute(sql))
    }

    /// The first row of the last statement of these that gives one, as texts.
    pub(super) fn texts(&self, sql: &str) -> Result<Vec<Option<String>>> {
        let answers = self.ask(self.client.simple_query(sql))?;
        let row = answers.into_iter().rev().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect::<Vec<_>>())
            }
            _ => None,
        });
        row.ok_or(Error::NoRow)
    }

    pub(super) fn begin_write(&self) -> Result<()> {
        let mark = if self.marks.get() { MARK } else { "" };
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({LOCKS}, {WRITING}); {mark} \
             SELECT pg_current_xact_id()::text"
        );
        self.transaction.replace(Standing::Open(None));
        match self.texts(&begin) {
            Ok(row) => {
                self.transaction.replace(Standing::Open(row.into_iter().next().flatten()));
                Ok(())
            }
            Err(error) => {
                if !self.is_lost() {
                    self.rollback()?;
                }
                Err(error)
            }
        }
    }

    pub(super) fn begin_read(&self) -> Result<()> {
        // Who reads holds nobody up, however slowly.
        self.batch(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0",
        )?;
        self.transaction.replace(Standing::Open(None));
        Ok(())
    }

    /// A commit of a failed transaction would be a rollback that says nothing, so it is not asked for.
    pub(super) fn commit(&self) -> Result<()> {
        let xid = match &*self.transaction.borrow() {
            Standing::Open(xid) => xid.clone(),
            Standing::None | Standing::Failed(_) => {
                let message = "a statement of this transaction had failed".to_owned();
                return Err(Error::Postgres { code: "25P02".to_owned(), message });
            }
        };
        let committed = self.batch("COMMIT");
        self.transaction.replace(Standing::None);
        match (committed, xid) {
            (Err(Error::Lost(why)), Some(xid)) => Err(Error::Doubt { xid, why }),
            (committed, _) => committed,
        }
    }

    pub(super) fn rollback(&self) -> Result<()> {
        self.transaction.replace(Standing::None);
        self.batch("ROLLBACK")
    }

    pub(super) fn take_back(&self) -> Result<()> {
        self.batch("ROLLBACK TO SAVEPOINT op")?;
        let mut transaction = self.transaction.borrow_mut();
        if let Standing::Failed(xid) = &mut *transaction {
            *transaction = Standing::Open(xid.take());
        }
        Ok(())
    }

    pub(super) fn is_open(&self) -> bool {
        !self.is_lost() && *self.transaction.borrow() != Standing::None
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.get() || self.client.is_closed()
    }

    pub(super) fn is_sound(&self) -> bool {
        if self.is_lost() || self.is_open() {
            return false;
        }
        self.used.get().elapsed() < SOUND_FOR || self.batch("").is_ok()
    }

    /// One daemon writes; false: another one does. The lock goes with the session.
    pub(in super::super) fn serve(&self) -> Result<bool> {
        let row = self.texts(&format!("SELECT pg_try_advisory_lock({LOCKS}, {SERVING})::text"))?;
        Ok(row.into_iter().next().flatten().as_deref() == Some("true"))
    }

    /// Ends a session of ours whose connection broke, where the server has not noticed: it may hold the lock still.
    pub(in super::super) fn end(&self, former: &Backend) -> Result<()> {
        if former.pid.bytes().any(|byte| !byte.is_ascii_digit()) || former.since.contains('\'') {
            return Ok(());
        }
        let Backend { pid, since } = former;
        self.batch(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE pid::text = '{pid}' AND backend_start::text = '{since}'"
        ))
    }

    /// From now on each transaction that writes leaves its number with what it wrote. The server's own memory of numbers
    /// (`pg_xact_status`) would not do: after a crash it gives the number of a lost transaction out again.
    pub(in super::super) fn mark(&self) {
        self.marks.set(true);
    }

    /// Whether the transaction of this number is the last one that a daemon committed here. To be asked before the next one begins.
    pub(in super::super) fn was_committed(&self, xid: &str) -> Result<bool> {
        if xid.is_empty() || xid.bytes().any(|byte| !byte.is_ascii_digit()) {
            return Ok(false);
        }
        match self.texts(&format!("SELECT (value = {xid})::text FROM meta WHERE key = 'group'")) {
            Ok(row) => Ok(row.into_iter().next().flatten().as_deref() == Some("true")),
            Err(Error::NoRow) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn given<'v>(values: &'v [&'v dyn Param]) -> Vec<Value<'v>> {
    values.iter().map(|value| value.value()).collect()
}

/// PostgreSQL writes a parameter as `$1`. No text of the store has a question mark of its own.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

/// A long listing, read some rows at a time from one state of the database.
pub(in super::super) struct Cursor<'s> {
    session: &'s Session,
    name: String,
    /// Its transaction was begun for it alone.
    alone: bool,
}

impl<'s> Cursor<'s> {
    pub(super) fn open(session: &'s Session, prepared: &Prepared, values: &[&dyn Param]) -> Result<Cursor<'s>> {
        let alone = !session.is_open();
        if alone {
            session.begin_read()?;
        }
        let number = session.cursors.get().wrapping_add(1);
        session.cursors.set(number);
        // Made first, so that what was begun for it ends with it.
        let cursor = Cursor { session, name: format!("rows_{number}"), alone };
        let declare = format!("DECLARE {} NO SCROLL CURSOR FOR {}", cursor.name, prepared.sql);
        session.ask(session.client.execute_raw(&declare, given(values)))?;
        Ok(cursor)
    }

    pub(super) fn fetch(&mut self, most: usize) -> Result<Vec<tokio_postgres::Row>> {
        let fetch = format!("FETCH FORWARD {most} FROM {}", self.name);
        self.session.ask(self.session.client.query(&fetch, &[]))
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        let failed = matches!(&*self.session.transaction.borrow(), Standing::Failed(_));
        let ended = match self.alone {
            _ if self.session.is_lost() => Ok(()),
            true => self.session.rollback(),
            // Who began the transaction takes it back.
            false if failed => Ok(()),
            false => self.session.batch(&format!("CLOSE {}", self.name)),
        };
        if let Err(error) = ended {
            tracing::warn!(%error, "a listing could not be closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_written_as_the_server_wants_them() {
        assert_eq!(numbered("SELECT ?1 WHERE a = ?12"), "SELECT $1 WHERE a = $12");
    }
}

//! What direct call requests are counted by, kept beside their calls while they count, so that a restart opens no door again; and the
//! secret that the tokens of their followers are signed with. Owns this SQL; refuses to judge.

use std::time::Duration;

use super::db::{self, Connection, params};
use super::writer::key;
use super::{SqliteArchive, StoreError};
use crate::clock::Wall;
use crate::model::StoredCall;
use crate::model::direct::RequestMarks;
use rand::TryRngCore;
use rand::rngs::OsRng;

/// They count for an hour, and for as long as their page token lives.
const COUNTED: Duration = Duration::from_secs(3600);

/// In the transaction that accepts the call.
pub(super) fn insert(connection: &Connection, call: &StoredCall) -> db::Result<()> {
    let Some(direct) = &call.message.direct else { return Ok(()) };
    let token = direct.marks.page_token.map(|token| token.until);
    let until = token.map_or(call.created_at + COUNTED, |until| until.max(call.created_at + COUNTED));
    let marks = serde_json::to_string(&direct.marks);
    let marks = marks.map_err(db::Error::from)?;
    let sql = "INSERT INTO direct_requests (call_id, created_at, until, marks) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (call_id) DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![key(call.id), call.created_at.0, until.0, marks])?;
    Ok(())
}

/// Forgets those that do not count any more.
pub(super) fn forget(connection: &Connection, now: Wall) {
    if let Err(error) = connection.execute("DELETE FROM direct_requests WHERE until <= ?1", params![now.0]) {
        tracing::warn!(%error, "old direct requests were not forgotten");
    }
}

impl SqliteArchive {
    pub(super) fn read_direct_requests(&self, now: Wall) -> Result<Vec<(Wall, RequestMarks)>, StoreError> {
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let sql = "SELECT created_at, marks FROM direct_requests WHERE until > ?1 ORDER BY created_at, call_id";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let mut rows = statement.query(params![now.0]).map_err(fail)?;
            let mut counted = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                let (at, marks): (i64, String) = (row.get(0).map_err(fail)?, row.get(1).map_err(fail)?);
                let marks = serde_json::from_str(&marks).map_err(|error| StoreError::row("direct_requests", error))?;
                counted.push((Wall(at), marks));
            }
            Ok(counted)
        })
    }

    /// SQLite keeps the bytes as they are, though the other values of this table are numbers.
    pub(super) fn read_secret(&self) -> Result<[u8; 32], StoreError> {
        let mut drawn = [0; 32];
        OsRng.try_fill_bytes(&mut drawn).map_err(|error| StoreError::row("meta", error))?;
        self.write(|connection| {
            let table = connection.dialect().secrets;
            let sql = format!("INSERT INTO {table} (key, value) VALUES ('secret', ?1) ON CONFLICT (key) DO NOTHING");
            connection.execute(&sql, params![drawn])?;
            connection
                .query_row(&format!("SELECT value FROM {table} WHERE key = 'secret'"), params![], |row| row.get(0))
        })
    }
}

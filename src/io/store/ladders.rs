//! Ladders in the store: one row each, written once, forgotten when they are old. Owns their SQL; what is in one is
//! `ladder`'s.

use std::time::{Duration, SystemTime};

use super::db::{self, Connection, OptionalExtension, params};
use super::writer::key;
use super::{SqliteArchive, StoreError};
use crate::ladder::Ladder;
use crate::model::{BusinessId, CallId};

/// Old ladders forgotten at once: the writer is not to be held up by them.
const FORGOTTEN_AT_ONCE: usize = 1_000;

/// Whoever comes second changes nothing.
pub(super) fn insert(connection: &Connection, ladder: &Ladder) -> db::Result<()> {
    let sql = "INSERT INTO ladders (call_id, business_id, stored_at, ladder) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (call_id) DO NOTHING";
    let values = params![key(ladder.call()), ladder.business().as_str(), seconds_now(), ladder.to_stored()];
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

/// Forgets ladders that were stored longer ago than `kept`, the oldest first. True: there may be more of them.
pub(super) fn forget(connection: &Connection, kept: Duration) -> bool {
    let before = seconds_now().saturating_sub(i64::try_from(kept.as_secs()).unwrap_or(i64::MAX));
    // Row numbers grow with time, so only the first rows are looked at.
    let number = connection.dialect().ladder_number;
    let sql = format!(
        "DELETE FROM ladders WHERE {number} IN (SELECT {number} FROM
             (SELECT {number}, stored_at FROM ladders ORDER BY {number} LIMIT ?1) AS oldest WHERE stored_at < ?2)"
    );
    match connection.execute(&sql, params![FORGOTTEN_AT_ONCE, before]) {
        Ok(forgotten) => forgotten == FORGOTTEN_AT_ONCE,
        Err(error) => {
            tracing::warn!(%error, "old ladders were not forgotten");
            false
        }
    }
}

fn seconds_now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

impl SqliteArchive {
    pub(super) fn read_ladder(&self, business: &BusinessId, call: CallId) -> Result<Option<Ladder>, StoreError> {
        let sql = "SELECT ladder FROM ladders WHERE call_id = ?1 AND business_id = ?2";
        let text: Option<String> = self.read(|connection| {
            connection
                .prepare_cached(sql)
                .and_then(|mut statement| {
                    statement.query_row(params![key(call), business.as_str()], |row| row.get(0)).optional()
                })
                .map_err(|error| self.fail(&error))
        })?;
        text.map(|text| Ladder::from_stored(&text).map_err(|error| StoreError::row("ladders", error))).transpose()
    }
}

//! The audit trail in the store: entries are added in the transaction of what they tell of, read newest first, and forgotten by age. Owns their
//! SQL; refuses to change an entry (a trigger does).

use std::time::Duration;

use super::db::{self, Connection, Row, params};
use super::{SqliteArchive, StoreError};
use crate::clock::Wall;
use crate::model::{AuditEntry, BusinessId};

/// Most entries of one listing.
pub const MAX_AUDIT_LISTED: usize = 1000;
/// Entries forgotten at once.
const FORGET_BATCH: u32 = 1000;

/// An entry and its number; numbers grow and are never used again.
#[derive(Clone, PartialEq, Debug)]
pub struct NumberedEntry {
    /// Its number.
    pub number: i64,
    /// What it says.
    pub entry: AuditEntry,
}

/// Which entries are read, the newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    /// Of one business only.
    pub business: Option<BusinessId>,
    /// At or after.
    pub from: Option<Wall>,
    /// Before.
    pub to: Option<Wall>,
    /// Only those with a smaller number: the page after it.
    pub before: Option<i64>,
    /// At most so many, up to [`MAX_AUDIT_LISTED`].
    pub limit: usize,
}

impl SqliteArchive {
    /// Entries of the trail.
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<NumberedEntry>, StoreError> {
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let sql = "SELECT number, entry FROM audit WHERE (CAST(?1 AS TEXT) IS NULL OR business_id = ?1) AND at >= ?2 AND at < ?3
                       AND number < ?4 ORDER BY number DESC LIMIT ?5";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let limit = i64::try_from(filter.limit.min(MAX_AUDIT_LISTED)).unwrap_or(0);
            let (from, to) = (filter.from.map_or(i64::MIN, |at| at.0), filter.to.map_or(i64::MAX, |at| at.0));
            let business = filter.business.as_ref().map(BusinessId::as_str);
            let values = params![business, from, to, filter.before.unwrap_or(i64::MAX), limit];
            let mut rows = statement.query(values).map_err(fail)?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                entries.push(entry_of(&row).map_err(fail)??);
            }
            Ok(entries)
        })
    }

    /// Adds an entry that goes with no change of an account.
    pub fn note(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.write(|connection| insert(connection, entry))
    }
}

fn entry_of(row: &Row<'_>) -> db::Result<Result<NumberedEntry, StoreError>> {
    let (number, text): (i64, String) = (row.get(0)?, row.get(1)?);
    let entry = serde_json::from_str(&text).map_err(|error| StoreError::row("audit", error));
    Ok(entry.map(|entry| NumberedEntry { number, entry }))
}

/// Writes an entry, inside of whatever transaction is open.
pub(super) fn insert(connection: &Connection, entry: &AuditEntry) -> db::Result<()> {
    let text = serde_json::to_string(entry).map_err(db::Error::from)?;
    let business = entry.business_id.as_ref().map(BusinessId::as_str);
    let sql = "INSERT INTO audit (at, business_id, entry) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![entry.at.0, business, text]).map(|_| ())
}

/// Forgets what is older than `kept`, some at a time. True: there may be more.
pub(super) fn forget(connection: &Connection, kept: Duration, now: Wall) -> bool {
    let before = now.0.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
    // Numbers grow with time, so only the first rows are looked at.
    let sql = "DELETE FROM audit WHERE number IN (SELECT number FROM audit ORDER BY number LIMIT ?2) AND at < ?1";
    match connection.execute(sql, params![before, FORGET_BATCH]) {
        Ok(gone) => u32::try_from(gone).is_ok_and(|gone| gone >= FORGET_BATCH),
        Err(error) => {
            tracing::warn!(%error, "old entries of the audit trail were not forgotten");
            false
        }
    }
}

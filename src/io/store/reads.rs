//! Reading calls, records and attempts, and the archive's face over SQLite. Owns the SQL of the listings; refuses to write.

use std::ops::ControlFlow;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::writer::key;
use super::{Archive, CallFilter, FoundCall, Page, RecordFilter, SqliteArchive, SqliteStore, StoreError, Usage};
use crate::clock::Wall;
use crate::ladder::Ladder;
use crate::model::direct::RequestMarks;
use crate::model::{
    AttemptRecord, Billed, Business, BusinessId, CallId, CallRecord, CallState, DayAdjustment, Directory, Endpoint,
    Money, StoredCall, StoredSession,
};

/// Longest part of a listing.
const MAX_PAGE: usize = 1000;

impl Archive for SqliteArchive {
    fn open_calls(&self, after: Option<CallId>, limit: usize) -> Result<Vec<StoredCall>, StoreError> {
        self.read(|connection| {
            let fail = |error: rusqlite::Error| self.fail(&error);
            let sql = "SELECT id, created_at, message, progress FROM calls WHERE id > ?1 ORDER BY id LIMIT ?2";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![after.map_or([0; 16], key), limit]).map_err(fail)?;
            let mut calls = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                calls.push(self.open_call(row)?);
            }
            Ok(calls)
        })
    }

    fn last_alive(&self) -> Result<Option<Wall>, StoreError> {
        let sql = "SELECT value FROM meta WHERE key = 'alive'";
        self.read(|connection| {
            connection.query_row(sql, [], |row| row.get(0).map(Wall)).optional().map_err(|error| self.fail(&error))
        })
    }

    fn direct_requests(&self, now: Wall) -> Result<Vec<(Wall, RequestMarks)>, StoreError> {
        self.read_direct_requests(now)
    }

    fn sessions(&self, now: Wall) -> Result<Vec<StoredSession>, StoreError> {
        self.read_sessions(now)
    }

    fn usage(&self, since: Wall) -> Result<Usage, StoreError> {
        self.read_usage(since)
    }

    fn adjusted(&self, after: i64, since: Wall) -> Result<(Vec<DayAdjustment>, i64), StoreError> {
        self.read_adjusted(after, since)
    }

    fn called(&self, since: Wall) -> Result<Vec<(BusinessId, Wall, Endpoint)>, StoreError> {
        self.read_called(since)
    }

    fn key_of(&self, business: &BusinessId, key: &str) -> Result<Option<(CallId, String)>, StoreError> {
        self.read_key(business, key)
    }

    fn secret(&self) -> Result<[u8; 32], StoreError> {
        self.read_secret()
    }

    fn record(&self, call: CallId) -> Result<Option<CallRecord>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT record FROM records WHERE id = ?1";
            let text: Option<String> = connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.query_row([key(call)], |row| row.get(0)).optional())
                .map_err(|error| self.fail(&error))?;
            text.map(|text| from_json("records", &text)).transpose()
        })
    }

    fn find_call(&self, business: &BusinessId, call: CallId) -> Result<Option<FoundCall>, StoreError> {
        // In one transaction: a call that is closed in this moment is found in one of the two tables.
        self.read(|connection| {
            let fail = |error: rusqlite::Error| self.fail(&error);
            let snapshot = connection.unchecked_transaction().map_err(fail)?;
            let sql = format!("{LISTED_OPEN} AND id = ?2 UNION ALL {LISTED_CLOSED} AND id = ?2");
            let mut statement = snapshot.prepare_cached(&sql).map_err(fail)?;
            let mut rows = statement.query(params![business.as_str(), key(call)]).map_err(fail)?;
            let Some(row) = rows.next().map_err(fail)? else { return Ok(None) };
            self.listed(&snapshot, row).map(Some)
        })
    }

    fn ladder(&self, business: &BusinessId, call: CallId) -> Result<Option<Ladder>, StoreError> {
        self.read_ladder(business, call)
    }

    fn list_calls(
        &self,
        business: &BusinessId,
        filter: &CallFilter,
        cursor: Option<CallId>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let narrow = "AND id < ?2 AND created_at >= ?3 AND created_at < ?4 AND (?5 IS NULL OR reference = ?5)";
        let (open, closed) = (format!("{LISTED_OPEN} {narrow}"), format!("{LISTED_CLOSED} {narrow}"));
        let listed = match filter.state {
            None => format!("{open} UNION ALL {closed}"),
            Some(CallState::Ended) => closed,
            Some(_) => open,
        };
        let sql = format!("{listed} ORDER BY id DESC LIMIT ?6");
        self.read(|connection| {
            let fail = |error: rusqlite::Error| self.fail(&error);
            let snapshot = connection.unchecked_transaction().map_err(fail)?;
            let mut statement = snapshot.prepare_cached(&sql).map_err(fail)?;
            let below = cursor.map_or([0xff; 16], key);
            let (from, to) = bounds(filter.from, filter.to);
            let values = params![business.as_str(), below, from, to, filter.reference, limit + 1];
            let mut rows = statement.query(values).map_err(fail)?;
            let mut page = Page::default();
            while let Some(row) = rows.next().map_err(fail)? {
                if page.calls.len() == limit {
                    page.next = page.calls.last().map(FoundCall::id);
                    break;
                }
                page.calls.push(self.listed(&snapshot, row)?);
            }
            Ok(page)
        })
    }

    fn records(
        &self,
        filter: &RecordFilter,
        each: &mut dyn FnMut(CallRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let sql = "SELECT record, price_micros FROM records
                   WHERE (?1 IS NULL OR business_id = ?1) AND created_at >= ?2 AND created_at < ?3 ORDER BY id";
        self.stream(sql, filter, &mut |text, row| {
            let mut record: CallRecord = from_json("records", text)?;
            // The column has the price in force.
            let in_force = Money(self.column(row, 1)?);
            record.rerated_price_micros = Some(in_force).filter(|price| *price != record.price_micros);
            Ok(each(record))
        })
    }

    fn billed(&self, filter: &RecordFilter, each: &mut dyn FnMut(Billed) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.read_billed(filter, each)
    }

    fn attempts(
        &self,
        filter: &RecordFilter,
        each: &mut dyn FnMut(AttemptRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let sql = "SELECT attempts.record FROM records JOIN attempts ON attempts.call_id = records.id
                   WHERE (?1 IS NULL OR business_id = ?1) AND created_at >= ?2 AND created_at < ?3
                   ORDER BY records.id, attempts.attempt";
        self.stream(sql, filter, &mut |text, _| Ok(each(from_json("attempts", text)?)))
    }

    fn generation(&self) -> Result<u64, StoreError> {
        self.read_generation()
    }

    fn directory(&self) -> Result<Directory, StoreError> {
        self.read_directory()
    }

    fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        Ok(self.account(id)?.map(|account| account.business))
    }
}

/// Both listings have the same columns; `record` tells which one a row comes from.
const LISTED_OPEN: &str = "SELECT id, created_at, message, progress, NULL AS record FROM calls WHERE business_id = ?1";
const LISTED_CLOSED: &str = "SELECT id, created_at, NULL, NULL, record FROM records WHERE business_id = ?1";

fn bounds(from: Option<Wall>, to: Option<Wall>) -> (i64, i64) {
    (from.map_or(i64::MIN, |at| at.0), to.map_or(i64::MAX, |at| at.0))
}

pub(super) fn from_json<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::row(table, error))
}

/// Told of a row: its JSON, and the row itself.
type Each<'e> = dyn FnMut(&str, &Row<'_>) -> Result<ControlFlow<()>, StoreError> + 'e;

impl SqliteArchive {
    fn column<T: FromSql>(&self, row: &Row<'_>, at: usize) -> Result<T, StoreError> {
        row.get(at).map_err(|error| self.fail(&error))
    }

    fn open_call(&self, row: &Row<'_>) -> Result<StoredCall, StoreError> {
        let (message, progress): (String, String) = (self.column(row, 2)?, self.column(row, 3)?);
        Ok(StoredCall {
            id: CallId::from_u128(u128::from_be_bytes(self.column(row, 0)?)),
            created_at: Wall(self.column(row, 1)?),
            message: from_json("calls", &message)?,
            progress: from_json("calls", &progress)?,
        })
    }

    fn listed(&self, connection: &Connection, row: &Row<'_>) -> Result<FoundCall, StoreError> {
        let Some(record) = self.column::<Option<String>>(row, 4)? else {
            return self.open_call(row).map(|call| FoundCall::Open(Box::new(call)));
        };
        let record: CallRecord = from_json("records", &record)?;
        let fail = |error: rusqlite::Error| self.fail(&error);
        let sql = "SELECT record FROM attempts WHERE call_id = ?1 ORDER BY attempt";
        let mut statement = connection.prepare_cached(sql).map_err(fail)?;
        let mut rows = statement.query([key(record.call_id)]).map_err(fail)?;
        let mut attempts = Vec::new();
        while let Some(row) = rows.next().map_err(fail)? {
            attempts.push(from_json("attempts", &self.column::<String>(row, 0)?)?);
        }
        Ok(FoundCall::Closed(Box::new(record), attempts))
    }

    fn stream(&self, sql: &str, filter: &RecordFilter, each: &mut Each<'_>) -> Result<(), StoreError> {
        self.read(|connection| {
            let fail = |error: rusqlite::Error| self.fail(&error);
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let (from, to) = bounds(filter.from, filter.to);
            let business = filter.business.as_ref().map(BusinessId::as_str);
            let mut rows = statement.query(params![business, from, to]).map_err(fail)?;
            while let Some(row) = rows.next().map_err(fail)? {
                let text = row.get_ref(0).map_err(fail)?;
                let text = text.as_str().map_err(|error| StoreError::row("records", error))?;
                if each(text, row)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// The daemon's store reads as its archive does.
impl Archive for SqliteStore {
    fn open_calls(&self, after: Option<CallId>, limit: usize) -> Result<Vec<StoredCall>, StoreError> {
        self.archive().open_calls(after, limit)
    }

    fn last_alive(&self) -> Result<Option<Wall>, StoreError> {
        self.archive().last_alive()
    }

    fn direct_requests(&self, now: Wall) -> Result<Vec<(Wall, RequestMarks)>, StoreError> {
        self.archive().direct_requests(now)
    }

    fn sessions(&self, now: Wall) -> Result<Vec<StoredSession>, StoreError> {
        self.archive().sessions(now)
    }

    fn usage(&self, since: Wall) -> Result<Usage, StoreError> {
        self.archive().usage(since)
    }

    fn adjusted(&self, after: i64, since: Wall) -> Result<(Vec<DayAdjustment>, i64), StoreError> {
        self.archive().adjusted(after, since)
    }

    fn called(&self, since: Wall) -> Result<Vec<(BusinessId, Wall, Endpoint)>, StoreError> {
        self.archive().called(since)
    }

    fn key_of(&self, business: &BusinessId, key: &str) -> Result<Option<(CallId, String)>, StoreError> {
        self.archive().key_of(business, key)
    }

    fn secret(&self) -> Result<[u8; 32], StoreError> {
        self.archive().secret()
    }

    fn record(&self, call: CallId) -> Result<Option<CallRecord>, StoreError> {
        self.archive().record(call)
    }

    fn find_call(&self, business: &BusinessId, call: CallId) -> Result<Option<FoundCall>, StoreError> {
        self.archive().find_call(business, call)
    }

    fn ladder(&self, business: &BusinessId, call: CallId) -> Result<Option<Ladder>, StoreError> {
        self.archive().ladder(business, call)
    }

    fn list_calls(
        &self,
        business: &BusinessId,
        filter: &CallFilter,
        cursor: Option<CallId>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.archive().list_calls(business, filter, cursor, limit)
    }

    fn records(
        &self,
        filter: &RecordFilter,
        each: &mut dyn FnMut(CallRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.archive().records(filter, each)
    }

    fn billed(&self, filter: &RecordFilter, each: &mut dyn FnMut(Billed) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.archive().billed(filter, each)
    }

    fn attempts(
        &self,
        filter: &RecordFilter,
        each: &mut dyn FnMut(AttemptRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.archive().attempts(filter, each)
    }

    fn generation(&self) -> Result<u64, StoreError> {
        self.archive().generation()
    }

    fn directory(&self) -> Result<Directory, StoreError> {
        self.archive().directory()
    }

    fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        self.archive().business(id)
    }
}

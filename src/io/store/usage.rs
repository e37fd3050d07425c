//! What businesses have used, out of their records: sums by day, and whom they called lately. Owns this SQL; refuses to judge. Nothing is
//! counted twice: a call is among the open ones or among the records, never in both.

use rusqlite::{Connection, OptionalExtension, params};

use super::billed::{self, Usage};
use super::writer::key;
use super::{SqliteArchive, StoreError};
use crate::clock::Wall;
use crate::model::{BusinessId, CallId, CallRecord, Cost, DayUsage, Endpoint, Money};

const DAY_MILLIS: i64 = 86_400_000;

/// What a record is summed by: the moment that its call was wanted, the billed seconds of all its legs, its price.
pub(super) fn summed(record: &CallRecord) -> (i64, i64, i64) {
    let due = record.desired_contact_time.map_or(record.created_at, |at| at.max(record.created_at));
    let seconds = i64::try_from(record.billable_seconds()).unwrap_or(i64::MAX);
    (due.0, seconds, record.price_micros.0)
}

impl SqliteArchive {
    /// Sums of the records of calls that were wanted at or after `since`, by day of UTC.
    pub(super) fn read_usage(&self, since: Wall) -> Result<Usage, StoreError> {
        self.read(|connection| {
            let fail = |error: rusqlite::Error| self.fail(&error);
            // One view of both: an adjustment is in the sums or has a greater number, never both.
            let connection = connection.unchecked_transaction().map_err(fail)?;
            let adjusted = billed::last_adjustment(&connection).map_err(fail)?;
            // `total` never overflows, and a double holds every sum that a ceiling is compared with to the last unit.
            let sql = "SELECT business_id, due_at / ?2, count(*), total(billed_seconds), total(price_micros), currency
                       FROM records WHERE due_at >= ?1 GROUP BY business_id, due_at / ?2, currency";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let mut rows = statement.query(params![since.0, DAY_MILLIS]).map_err(fail)?;
            let mut days = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                let (business, day, calls): (String, i64, i64) =
                    (row.get(0).map_err(fail)?, row.get(1).map_err(fail)?, row.get(2).map_err(fail)?);
                let (seconds, price): (f64, f64) = (row.get(3).map_err(fail)?, row.get(4).map_err(fail)?);
                let currency: String = row.get(5).map_err(fail)?;
                days.push(DayUsage {
                    business: business_of(&business)?,
                    day,
                    calls: u64::try_from(calls).unwrap_or(0),
                    currency: currency.parse().map_err(|error| StoreError::row("records", error))?,
                    cost: Cost { seconds: seconds as u64, price: Money(price as i64) },
                });
            }
            Ok(Usage { days, adjusted })
        })
    }

    /// The customers of calls by message that were accepted at or after `since`, the oldest first.
    pub(super) fn read_called(&self, since: Wall) -> Result<Vec<(BusinessId, Wall, Endpoint)>, StoreError> {
        self.read(|connection| {
            let fail = |error: rusqlite::Error| self.fail(&error);
            let sql = "SELECT business_id, created_at, json_extract(record, '$.customer') FROM records
                           WHERE id >= ?1 AND created_at >= ?2
                               AND coalesce(json_extract(record, '$.source'), '') <> 'direct_request'
                       UNION ALL
                       SELECT business_id, created_at, json_extract(message, '$.customer') FROM calls
                           WHERE id >= ?1 AND created_at >= ?2 AND json_extract(message, '$.direct') IS NULL
                       ORDER BY 2";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            // Identifiers begin with their moment.
            let first = key(CallId::new(since, [0; 10]));
            let mut rows = statement.query(params![first, since.0]).map_err(fail)?;
            let mut called = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                let (business, at, customer): (String, i64, String) =
                    (row.get(0).map_err(fail)?, row.get(1).map_err(fail)?, row.get(2).map_err(fail)?);
                let customer = Endpoint::parse(&customer).map_err(|error| StoreError::row("records", error))?;
                called.push((business_of(&business)?, Wall(at), customer));
            }
            Ok(called)
        })
    }

    /// The call that has this `Idempotency-Key`, with the hash of its body.
    pub(super) fn read_key(&self, business: &BusinessId, word: &str) -> Result<Option<(CallId, String)>, StoreError> {
        self.read(|connection| key_of(connection, business, word).map_err(|error| self.fail(&error)))
    }
}

fn key_of(connection: &Connection, business: &BusinessId, word: &str) -> rusqlite::Result<Option<(CallId, String)>> {
    let sql = "SELECT call_id, body_hash FROM idempotency WHERE business_id = ?1 AND key = ?2";
    let found: Option<([u8; 16], String)> = connection
        .prepare_cached(sql)?
        .query_row([business.as_str(), word], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.map(|(id, hash)| (CallId::from_u128(u128::from_be_bytes(id)), hash)))
}

fn business_of(text: &str) -> Result<BusinessId, StoreError> {
    text.parse().map_err(|error| StoreError::row("records", error))
}

//! What businesses have used, out of their records: sums by day, and whom they called lately. Owns this SQL; refuses to judge. Nothing is
//! counted twice: a call is among the open ones or among the records, never in both.

use super::billed::{self, Usage};
use super::db::{self, Connection, OptionalExtension, params};
use super::reads::from_json;
use super::writer::key;
use super::{SqliteArchive, StoreError};
use crate::clock::Wall;
use crate::model::{BusinessId, CallId, CallRecord, CallSource, Cost, DayUsage, Endpoint, Money};

const DAY_MILLIS: i64 = 86_400_000;

/// What a record is summed by: the moment that its call was wanted, the billed seconds of all its legs, its price.
pub(super) fn summed(record: &CallRecord) -> (i64, i64, i64) {
    let due = record.desired_contact_time.map_or(record.created_at, |at| at.max(record.created_at));
    let seconds = i64::try_from(record.billable_seconds()).unwrap_or(i64::MAX);
    (due.0, seconds, record.price_micros.0)
}

/// What a record or a message says of whom it called; a direct request's is not counted here.
#[derive(serde::Deserialize)]
struct Called {
    customer: Endpoint,
    #[serde(default)]
    source: CallSource,
    direct: Option<serde::de::IgnoredAny>,
}

impl SqliteArchive {
    /// Sums of the records of calls that were wanted at or after `since`, by day of UTC.
    pub(super) fn read_usage(&self, since: Wall) -> Result<Usage, StoreError> {
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            // One view of both: an adjustment is in the sums or has a greater number, never both.
            let connection = connection.snapshot().map_err(fail)?;
            let adjusted = billed::last_adjustment(&connection).map_err(fail)?;
            // A double never overflows, and holds every sum that a ceiling is compared with to the last unit.
            let sql = "SELECT business_id, due_at / ?2, count(*),
                           sum(CAST(billed_seconds AS DOUBLE PRECISION)), sum(CAST(price_micros AS DOUBLE PRECISION))
                       FROM records WHERE due_at >= ?1 GROUP BY business_id, due_at / ?2";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let mut rows = statement.query(params![since.0, DAY_MILLIS]).map_err(fail)?;
            let mut days = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                let (business, day, calls): (String, i64, i64) =
                    (row.get(0).map_err(fail)?, row.get(1).map_err(fail)?, row.get(2).map_err(fail)?);
                let (seconds, price): (f64, f64) = (row.get(3).map_err(fail)?, row.get(4).map_err(fail)?);
                days.push(DayUsage {
                    business: business_of(&business)?,
                    day,
                    calls: u64::try_from(calls).unwrap_or(0),
                    cost: Cost { seconds: seconds as u64, price: Money(price as i64) },
                });
            }
            Ok(Usage { days, adjusted })
        })
    }

    /// The customers of calls by message that were accepted at or after `since`, the oldest first.
    pub(super) fn read_called(&self, since: Wall) -> Result<Vec<(BusinessId, Wall, Endpoint)>, StoreError> {
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            // In the order of identifiers, which begin with their moment: both tables are gone through as they lie.
            let sql = "SELECT id, business_id, created_at, record FROM records WHERE id >= ?1 AND created_at >= ?2
                       UNION ALL SELECT id, business_id, created_at, message FROM calls WHERE id >= ?1 AND created_at >= ?2
                       ORDER BY 1";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let first = key(CallId::new(since, [0; 10]));
            let mut rows = statement.stream(params![first, since.0]).map_err(fail)?;
            let mut called = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                let Called { customer, source, direct } = from_json("records", row.text(3).map_err(fail)?)?;
                if source != CallSource::DirectRequest && direct.is_none() {
                    let business: String = row.get(1).map_err(fail)?;
                    called.push((business_of(&business)?, Wall(row.get(2).map_err(fail)?), customer));
                }
            }
            Ok(called)
        })
    }

    /// The call that has this `Idempotency-Key`, with the hash of its body.
    pub(super) fn read_key(&self, business: &BusinessId, word: &str) -> Result<Option<(CallId, String)>, StoreError> {
        self.read(|connection| key_of(connection, business, word).map_err(|error| self.fail(&error)))
    }
}

fn key_of(connection: &Connection, business: &BusinessId, word: &str) -> db::Result<Option<(CallId, String)>> {
    let sql = "SELECT call_id, body_hash FROM idempotency WHERE business_id = ?1 AND key = ?2";
    let found: Option<([u8; 16], String)> = connection
        .prepare_cached(sql)?
        .query_row(params![business.as_str(), word], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.map(|(id, hash)| (CallId::from_u128(u128::from_be_bytes(id)), hash)))
}

fn business_of(text: &str) -> Result<BusinessId, StoreError> {
    text.parse().map_err(|error| StoreError::row("records", error))
}

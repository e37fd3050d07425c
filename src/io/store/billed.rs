//! Calls at the prices in force: read with their legs and last adjustment, rated anew in one transaction per batch, summed to an invoice. Owns
//! this SQL, and that an adjustment, the sums that limits are counted from, the trail and the generation change together or not at all.
//! Refuses to compute prices.

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde_json::json;

use super::reads::from_json;
use super::writer::key;
use super::{Archive, RecordFilter, SqliteArchive, StoreError, audit};
use crate::billing::invoice::{Invoice, Ledger, TooLarge};
use crate::clock::Wall;
use crate::model::{
    Adjustment, AttemptRecord, AuditAction, AuditEntry, Billed, Business, BusinessId, CallId, CallRecord, Cost,
    DayAdjustment, DayUsage, FieldChange, Money, Who,
};

const DAY_MILLIS: i64 = 86_400_000;

/// What is counted against limits out of records, and up to which adjustment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Sums by business and day.
    pub days: Vec<DayUsage>,
    /// The number of the last adjustment that is in them.
    pub adjusted: i64,
}

/// One transaction of a re-rating.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// The last call that was looked at; absent: there was none left.
    pub last: Option<CallId>,
    /// Calls that have another price now.
    pub adjusted: usize,
}

/// Why there is no invoice.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sums do not fit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// More calls than were to be read.
    #[error("the period has more than {0} calls: ask for a shorter one, or for `callbridge bill`")]
    TooMany(usize),
}

/// What a business owes for calls accepted in this period; `most`: no more calls than so many are gone through.
pub fn invoice(
    archive: &dyn Archive,
    business: &Business,
    from: Wall,
    to: Wall,
    most: Option<usize>,
) -> Result<Invoice, InvoiceError> {
    let mut ledger = Ledger::new(business.id.clone(), business.name.clone(), from, to);
    let filter = RecordFilter { business: Some(business.id.clone()), from: Some(from), to: Some(to) };
    let (mut summed, mut calls) = (Ok(()), 0usize);
    archive.billed(&filter, &mut |billed| {
        calls += 1;
        summed = match most.filter(|most| calls > *most) {
            Some(most) => Err(InvoiceError::TooMany(most)),
            None => ledger.add(&billed).map_err(InvoiceError::from),
        };
        if summed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    summed?;
    Ok(ledger.finish()?)
}

impl SqliteArchive {
    pub(super) fn read_billed(
        &self,
        filter: &RecordFilter,
        each: &mut dyn FnMut(Billed) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.read(|connection| {
            billed(connection, filter, None, &mut |billed| each(billed)).map_err(|error| self.fail(&error))?
        })
    }

    /// Adjustments with a greater number than `after`, as far as the calls were wanted at or after `since`; and the number of the last one.
    pub(super) fn read_adjusted(&self, after: i64, since: Wall) -> Result<(Vec<DayAdjustment>, i64), StoreError> {
        self.read(|connection| {
            let fail = |error: rusqlite::Error| self.fail(&error);
            let sql =
                "SELECT a.number, a.business_id, r.due_at, a.old_seconds, a.old_micros, a.new_seconds, a.new_micros,
                           r.currency
                       FROM adjustments a JOIN records r ON r.id = a.call_id WHERE a.number > ?1 ORDER BY a.number";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let mut rows = statement.query([after]).map_err(fail)?;
            let (mut changes, mut last) = (Vec::new(), after);
            while let Some(row) = rows.next().map_err(fail)? {
                last = row.get(0).map_err(fail)?;
                let due: i64 = row.get(2).map_err(fail)?;
                if due < since.0 {
                    continue;
                }
                let business: String = row.get(1).map_err(fail)?;
                let cost = |at: usize| {
                    let seconds: i64 = row.get(at).map_err(fail)?;
                    let price = Money(row.get(at + 1).map_err(fail)?);
                    Ok::<_, StoreError>(Cost { seconds: u64::try_from(seconds).unwrap_or(0), price })
                };
                let currency: String = row.get(7).map_err(fail)?;
                changes.push(DayAdjustment {
                    currency: currency.parse().map_err(|error| StoreError::row("records", error))?,
                    business: business.parse().map_err(|error| StoreError::row("adjustments", error))?,
                    day: due.div_euclid(DAY_MILLIS),
                    old: cost(3)?,
                    new: cost(5)?,
                });
            }
            Ok((changes, last))
        })
    }

    /// Every adjustment of a call, the first one first.
    pub fn adjustments(&self, call: CallId) -> Result<Vec<Adjustment>, StoreError> {
        self.read(|connection| {
            let fail = |error: rusqlite::Error| self.fail(&error);
            let sql = "SELECT adjustment FROM adjustments WHERE call_id = ?1 ORDER BY number";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let texts = statement.query_map([key(call)], |row| row.get::<_, String>(0)).map_err(fail)?;
            texts.map(|text| from_json("adjustments", &text.map_err(fail)?)).collect()
        })
    }

    /// Goes through at most `limit` calls after `after` and gives those another price that `judge` has one for: all in one transaction,
    /// with an entry of the trail for each business. A call that is as it would be is not touched, so what was cut short is simply begun
    /// again.
    pub fn adjust<E: From<StoreError>>(
        &self,
        who: &Who,
        filter: &RecordFilter,
        after: Option<CallId>,
        limit: usize,
        judge: &mut dyn FnMut(&Billed) -> Result<Option<Adjustment>, E>,
    ) -> Result<Batch, E> {
        let done = self.write(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (mut batch, mut refused, mut found) = (Batch::default(), None, Vec::new());
            let mut left = limit;
            let read = billed(&transaction, filter, after, &mut |billed| {
                batch.last = Some(billed.record.call_id);
                left = left.saturating_sub(1);
                match judge(&billed) {
                    Ok(None) => {}
                    Ok(Some(adjustment)) => found.push((billed.cost(), adjustment)),
                    Err(error) => refused = Some(error),
                }
                if left > 0 && refused.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            if let Err(error) = read {
                return Ok(Err(E::from(error)));
            }
            if let Some(error) = refused {
                return Ok(Err(error));
            }
            batch.adjusted = found.len();
            if !found.is_empty() {
                write(&transaction, who, &found)?;
                transaction.commit()?;
            }
            Ok(Ok(batch))
        });
        done.map_err(E::from)?
    }
}

/// The rows of one record, as far as they were read.
type Rows = ([u8; 16], CallRecord, Vec<AttemptRecord>, Option<Adjustment>);

/// Records of this filter with a greater identifier than `after`, in their order. The outer error is SQLite's.
fn billed(
    connection: &Connection,
    filter: &RecordFilter,
    after: Option<CallId>,
    each: &mut dyn FnMut(Billed) -> ControlFlow<()>,
) -> rusqlite::Result<Result<(), StoreError>> {
    // With a business its index is gone through, and no others' records.
    let whose = if filter.business.is_some() { "records.business_id = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT records.record, attempts.record,
             (SELECT adjustment FROM adjustments WHERE call_id = records.id ORDER BY number DESC LIMIT 1), records.id
         FROM records LEFT JOIN attempts ON attempts.call_id = records.id
         WHERE {whose} AND records.id > ?2 AND created_at >= ?3 AND created_at < ?4
         ORDER BY records.id, attempts.attempt"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let business = filter.business.as_ref().map(BusinessId::as_str);
    let (from, to) = (filter.from.map_or(i64::MIN, |at| at.0), filter.to.map_or(i64::MAX, |at| at.0));
    let after = after.map_or([0; 16], key);
    let mut rows = statement.query(params![business, after, from, to])?;
    let mut open: Option<Rows> = None;
    let mut close = |(_, record, legs, adjustment)| each(Billed::new(record, legs, adjustment));
    while let Some(row) = rows.next()? {
        let id: [u8; 16] = row.get(3)?;
        if open.as_ref().is_none_or(|(last, ..)| *last != id) {
            if let Some(whole) = open.take()
                && close(whole).is_break()
            {
                return Ok(Ok(()));
            }
            let (record, adjustment): (String, Option<String>) = (row.get(0)?, row.get(2)?);
            let record = match from_json("records", &record) {
                Ok(record) => record,
                Err(error) => return Ok(Err(error)),
            };
            let adjustment = match adjustment.map(|text| from_json("adjustments", &text)).transpose() {
                Ok(adjustment) => adjustment,
                Err(error) => return Ok(Err(error)),
            };
            open = Some((id, record, Vec::new(), adjustment));
        }
        let leg: Option<String> = row.get(1)?;
        match (leg.map(|leg| from_json("attempts", &leg)).transpose(), &mut open) {
            (Ok(Some(leg)), Some((_, _, legs, _))) => legs.push(leg),
            (Ok(_), _) => {}
            (Err(error), _) => return Ok(Err(error)),
        }
    }
    if let Some(whole) = open.take() {
        let _last = close(whole);
    }
    Ok(Ok(()))
}

/// The adjustments, what the records come to now, one entry of the trail for each business, and the generation.
fn write(connection: &Connection, who: &Who, found: &[(Cost, Adjustment)]) -> rusqlite::Result<()> {
    let whole = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    for (old, adjustment) in found {
        let seconds: u64 = adjustment.legs.iter().map(|leg| leg.billable_seconds).sum();
        let text = serde_json::to_string(adjustment);
        let text = text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let Adjustment { call_id, business_id, at, new_price_micros, .. } = adjustment;
        let sql = "INSERT INTO adjustments (call_id, business_id, at, old_seconds, old_micros, new_seconds, new_micros, adjustment)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (old_seconds, new_seconds) = (whole(old.seconds), whole(seconds));
        let (id, new_micros) = (key(*call_id), new_price_micros.0);
        let business = business_id.as_str();
        let values = params![id, business, at.0, old_seconds, old.price.0, new_seconds, new_micros, text];
        connection.prepare_cached(sql)?.execute(values)?;
        let sql = "UPDATE records SET billed_seconds = ?2, price_micros = ?3 WHERE id = ?1";
        connection.prepare_cached(sql)?.execute(params![id, new_seconds, new_micros])?;
    }
    let mut businesses: Vec<&BusinessId> = found.iter().map(|(_, adjustment)| &adjustment.business_id).collect();
    businesses.sort_unstable();
    businesses.dedup();
    for business in businesses {
        let of = found.iter().filter(|(_, adjustment)| adjustment.business_id == *business);
        let (mut calls, mut old, mut new, mut reason) = (0u64, 0i64, 0i64, None);
        for (_, adjustment) in of {
            calls += 1;
            old = old.saturating_add(adjustment.old_price_micros.0);
            new = new.saturating_add(adjustment.new_price_micros.0);
            reason = adjustment.reason.clone();
        }
        let change = |field: &str, old, new| FieldChange { field: field.to_owned(), old, new };
        let entry = AuditEntry {
            at: who.at,
            actor: who.actor.clone(),
            source: who.source,
            business_id: Some(business.clone()),
            action: AuditAction::Rerated,
            changes: vec![
                change("records.price_micros", json!(old), json!(new)),
                change("records", json!(null), json!({ "calls": calls, "reason": reason })),
            ],
        };
        audit::insert(connection, &entry)?;
    }
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'", []).map(|_| ())
}

/// The number of the last adjustment.
pub(super) fn last_adjustment(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT number FROM adjustments ORDER BY number DESC LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}

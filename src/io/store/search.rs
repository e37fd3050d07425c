//! Ended calls of every business, for an operator: one by its identifier, and a search backwards through the newest. Owns its SQL and the
//! bound of one search; refuses businesses, who see their own calls by `list_calls`.

use super::db::{self, OptionalExtension, params};
use super::reads::from_json;
use super::writer::key;
use super::{SqliteArchive, StoreError};
use crate::ladder::Ladder;
use crate::model::{AttemptRecord, BusinessId, CallId, CallRecord};

/// One search goes through so many records: it holds a thread, and the newest are what is looked for.
const MAX_VISITED: usize = 20_000;

/// What is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallSearch {
    /// A part of a number, an identifier, a business, its reference or an outcome.
    pub text: Option<String>,
    /// Only calls whose identifier sorts below this one.
    pub before: Option<CallId>,
    /// At most so many.
    pub limit: usize,
}

/// What was found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FoundEnded {
    /// The newest first.
    pub records: Vec<CallRecord>,
    /// Where to go on, if there may be more.
    pub next: Option<CallId>,
    /// The search ended at its bound.
    pub cut: bool,
}

impl SqliteArchive {
    /// Ended calls of every business, the newest first.
    pub fn search_ended(&self, search: &CallSearch) -> Result<FoundEnded, StoreError> {
        let text = search.text.as_ref().map(|text| text.to_ascii_lowercase());
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let sql = "SELECT record FROM records WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let mut rows =
                statement.stream(params![search.before.map_or([0xff; 16], key), MAX_VISITED]).map_err(fail)?;
            let (mut found, mut visited) = (FoundEnded::default(), 0);
            while let Some(row) = rows.next().map_err(fail)? {
                let json = row.text(0).map_err(fail)?;
                visited += 1;
                // The text first: most records are not meant, and need not be taken apart.
                let may = text.as_ref().is_none_or(|text| json.to_ascii_lowercase().contains(text.as_str()));
                let at_bound = visited == MAX_VISITED;
                if may || at_bound {
                    let record: CallRecord = from_json("records", json)?;
                    let id = record.call_id;
                    if may && text.as_ref().is_none_or(|text| is_meant(&record, text)) {
                        found.records.push(record);
                    }
                    if at_bound || found.records.len() == search.limit {
                        (found.next, found.cut) = (Some(id), at_bound && text.is_some());
                        break;
                    }
                }
            }
            Ok(found)
        })
    }

    /// An ended call, whosever it is, with its attempts.
    pub fn ended_call(&self, call: CallId) -> Result<Option<(CallRecord, Vec<AttemptRecord>)>, StoreError> {
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let one = "SELECT record FROM records WHERE id = ?1";
            let mut statement = connection.prepare_cached(one).map_err(fail)?;
            let json: Option<String> =
                statement.query_row(params![key(call)], |row| row.get(0)).optional().map_err(fail)?;
            let Some(json) = json else { return Ok(None) };
            let legs = "SELECT record FROM attempts WHERE call_id = ?1 ORDER BY attempt";
            let mut statement = connection.prepare_cached(legs).map_err(fail)?;
            let legs = statement.query_map(params![key(call)], |row| row.get::<String>(0)).map_err(fail)?;
            let legs = legs.iter().map(|leg| from_json("attempts", leg)).collect::<Result<_, _>>()?;
            Ok(Some((from_json("records", &json)?, legs)))
        })
    }

    /// The ladder of an ended call, whosever it is.
    pub fn ladder_of(&self, call: CallId) -> Result<Option<Ladder>, StoreError> {
        let business: Option<String> = self.read(|connection| {
            let sql = "SELECT business_id FROM ladders WHERE call_id = ?1";
            let found = connection
                .prepare_cached(sql)
                .and_then(|mut s| s.query_row(params![key(call)], |row| row.get(0)).optional());
            found.map_err(|error| self.fail(&error))
        })?;
        let business = business.and_then(|business| business.parse::<BusinessId>().ok());
        business.map_or(Ok(None), |business| self.read_ladder(&business, call))
    }
}

fn is_meant(record: &CallRecord, text: &str) -> bool {
    let has = |whole: &str| whole.to_ascii_lowercase().contains(text);
    has(&record.customer.to_string())
        || record.representative.as_ref().is_some_and(|address| has(&address.to_string()))
        || has(record.business_id.as_str())
        || record.reference.as_deref().is_some_and(has)
        || has(record.outcome.as_str())
        || has(&record.call_id.to_string())
}

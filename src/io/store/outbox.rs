//! The outbox: events of calls on their way to webhooks and sinks, and what became of them. Owns its rows, their order and the words for
//! them; refuses to send, and to decide when one is tried again (`io/webhooks`).
//!
//! Of one call, on one way, only the first event that is neither taken nor given up can be due; those after it stand behind it until it is
//! settled. So order is kept by what is stored, whoever sends.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::SqliteArchive;
use super::StoreError;
use super::db::{self, Connection, OptionalExtension, Row, params};
use super::sinks;
use super::writer::key;
use crate::clock::Wall;
use crate::engine::api::{Hearers, Watched};
use crate::io::told;
use crate::model::{BusinessId, CallId, LimitReached, Sink};

/// Rows forgotten at once: the writer is not to be held up by them.
const FORGOTTEN_AT_ONCE: usize = 1_000;
/// Longest part of a listing, and dead letters sent again at once.
pub const MAX_LISTED: usize = 1_000;

/// The column `state`. The first of its call, or alone: can be sent. 1: stands behind another event of its call.
const WAITING: i64 = 0;
/// Taken: the webhook answered 2xx.
const DELIVERED: i64 = 2;
/// Given up.
const DEAD: i64 = 3;

/// The status of who wants no more.
const GONE: u16 = 410;

/// Where an event goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Way {
    /// To the business's webhook.
    #[default]
    Webhook,
    /// To the sink that its call came with.
    Sink,
}

/// Events of one business that go one way.
pub type Outlet = (BusinessId, Way);

impl Way {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Way::Webhook => "webhook",
            Way::Sink => "sink",
        }
    }

    /// Reads its word.
    pub fn parse(word: &str) -> Option<Way> {
        [Way::Webhook, Way::Sink].into_iter().find(|way| way.as_str() == word)
    }

    /// The column `way`.
    fn number(self) -> i64 {
        match self {
            Way::Webhook => 0,
            Way::Sink => 1,
        }
    }

    fn of(number: i64) -> Way {
        if number == 1 { Way::Sink } else { Way::Webhook }
    }
}

/// Names an event for good, also to its receiver (`webhook-id`): `msg_`, the call, `_`, the sequence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeliveryId {
    /// The call; of a test event, a number of its own.
    pub subject: CallId,
    /// The event's.
    pub sequence: u32,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{:032x}_{}", self.subject.as_u128(), self.sequence)
    }
}

/// The text is no [`DeliveryId`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not the identifier of a delivery")]
pub struct NoDelivery;

impl FromStr for DeliveryId {
    type Err = NoDelivery;

    fn from_str(text: &str) -> Result<DeliveryId, NoDelivery> {
        let (subject, sequence) = text.strip_prefix("msg_").and_then(|rest| rest.split_once('_')).ok_or(NoDelivery)?;
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit()) && !text.is_empty();
        if subject.len() != 32 || !digits(subject) || !digits(sequence) {
            return Err(NoDelivery);
        }
        let subject = u128::from_str_radix(subject, 16).map_err(|_| NoDelivery)?;
        let sequence = sequence.parse().map_err(|_| NoDelivery)?;
        Ok(DeliveryId { subject: CallId::from_u128(subject), sequence })
    }
}

/// What became of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// On its way, or behind another one of its call.
    Waiting,
    /// The webhook has taken it.
    Delivered,
    /// Given up: a dead letter.
    Dead,
}

impl DeliveryState {
    /// Every one.
    pub const ALL: [DeliveryState; 3] = [DeliveryState::Waiting, DeliveryState::Delivered, DeliveryState::Dead];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Waiting => "waiting",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Dead => "dead",
        }
    }

    /// Reads its word.
    pub fn parse(word: &str) -> Option<DeliveryState> {
        DeliveryState::ALL.into_iter().find(|state| state.as_str() == word)
    }

    fn of(number: i64) -> DeliveryState {
        match number {
            DELIVERED => DeliveryState::Delivered,
            DEAD => DeliveryState::Dead,
            _ => DeliveryState::Waiting,
        }
    }

    /// Written out, so that the partial indexes are used.
    fn narrow(state: Option<DeliveryState>) -> &'static str {
        match state {
            None => "",
            Some(DeliveryState::Waiting) => "AND state < 2",
            Some(DeliveryState::Delivered) => "AND state = 2",
            Some(DeliveryState::Dead) => "AND state = 3",
        }
    }
}

/// An event that can be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// Its row.
    pub number: i64,
    /// Its name.
    pub id: DeliveryId,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when it is to be sent.
    pub since: Wall,
    /// The JSON.
    pub body: String,
    /// Where it goes, on its way to a sink; absent: that one is known no more.
    pub sink: Option<Sink>,
}

/// An event as it is listed: everything but its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// Whose.
    pub business: BusinessId,
    /// Its type.
    pub kind: String,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was written.
    pub created_at: Wall,
    /// When it is tried next, where it waits and stands behind no other.
    pub next_attempt_at: Option<Wall>,
    /// When it was taken or given up.
    pub settled_at: Option<Wall>,
    /// The status of the last answer.
    pub status: Option<u16>,
    /// What was wrong with the last try, in our words.
    pub problem: Option<String>,
}

/// Which events are listed, the newest call first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeliveryFilter {
    /// Of one business only.
    pub business: Option<BusinessId>,
    /// That go this way.
    pub way: Way,
    /// In this state only.
    pub state: Option<DeliveryState>,
    /// Only those that stand after this one.
    pub before: Option<DeliveryId>,
    /// At most so many, up to [`MAX_LISTED`].
    pub limit: usize,
}

/// What a try came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// The event's row.
    pub number: i64,
    /// What becomes of it.
    pub verdict: Verdict,
    /// How often it was tried.
    pub attempts: u32,
    /// Now.
    pub at: Wall,
    /// The status of the answer.
    pub status: Option<u16>,
    /// What was wrong.
    pub problem: Option<String>,
}

/// What becomes of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It was taken.
    Delivered,
    /// It is tried again then.
    Later(Wall),
    /// It is given up.
    Dead,
}

/// An event that no call tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestEvent {
    /// Its name.
    pub id: DeliveryId,
    /// Whose.
    pub business: BusinessId,
    /// Its type.
    pub kind: &'static str,
    /// The JSON.
    pub body: String,
    /// Now.
    pub at: Wall,
}

/// What the outbox is asked to keep, besides the events of calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OutboxOp {
    /// What a try came to.
    Settle(Settlement),
    /// A test event.
    Test(TestEvent),
    /// A settled event of this business is sent again.
    Replay(BusinessId, DeliveryId, Wall),
}

/// What an operation of the outbox came to: false where there was nothing to change.
pub(super) fn apply(connection: &Connection, op: &OutboxOp) -> db::Result<bool> {
    match op {
        OutboxOp::Settle(settlement) => settle(connection, settlement),
        OutboxOp::Test(test) => {
            let row = Written { id: test.id, kind: test.kind, body: &test.body, at: test.at };
            insert(connection, &test.business, Way::Webhook, &row)
        }
        OutboxOp::Replay(business, id, at) => replay(connection, business, *id, *at),
    }
}

/// Writes events of a call for those who want them; what is there changes nothing.
pub(super) fn tell(connection: &Connection, told: &Watched, hearers: Hearers) -> db::Result<()> {
    let Watched { events, call, .. } = told;
    let text = |json: serde_json::Result<String>| json.map_err(db::Error::from);
    for event in events {
        let id = DeliveryId { subject: call.id, sequence: event.sequence };
        if hearers.webhook {
            let body = text(told::json(event, call))?;
            let row = Written { id, kind: told::kind(event), body: &body, at: event.at };
            insert(connection, &call.business_id, Way::Webhook, &row)?;
        }
        if hearers.sink {
            let body = text(told::cloud_event(&id.to_string(), event, call))?;
            let row = Written { id, kind: told::STATUS_CHANGED, body: &body, at: event.at };
            insert(connection, &call.business_id, Way::Sink, &row)?;
        }
    }
    Ok(())
}

/// Writes the event of a bound that was reached; one that is there changes nothing.
pub(super) fn limit_reached(connection: &Connection, reached: &LimitReached) -> db::Result<()> {
    let id = DeliveryId { subject: reached.id, sequence: 1 };
    let body = told::limit(reached).map_err(db::Error::from)?;
    let row = Written { id, kind: told::LIMIT_REACHED, body: &body, at: reached.at };
    insert(connection, &reached.business, Way::Webhook, &row).map(|_| ())
}

/// A new row.
struct Written<'a> {
    id: DeliveryId,
    kind: &'a str,
    body: &'a str,
    at: Wall,
}

fn insert(connection: &Connection, business: &BusinessId, way: Way, row: &Written<'_>) -> db::Result<bool> {
    let Written { id, kind, body, at } = row;
    let sql =
        "INSERT INTO outbox (business_id, way, subject, sequence, kind, body, created_at, since, due_at, state, attempts)
               SELECT ?1, ?7, ?2, ?3, ?4, ?5, ?6, ?6, ?6,
                   CAST(EXISTS (SELECT 1 FROM outbox
                       WHERE business_id = ?1 AND way = ?7 AND subject = ?2 AND +state < 2) AS INTEGER), 0
               WHERE true ON CONFLICT (business_id, way, subject, sequence) DO NOTHING";
    let values = params![business.as_str(), key(id.subject), id.sequence, kind, body, at.0, way.number()];
    connection.prepare_cached(sql)?.execute(values).map(|written| written > 0)
}

fn settle(connection: &Connection, settlement: &Settlement) -> db::Result<bool> {
    let Settlement { number, verdict, attempts, at, status, problem } = settlement;
    if let Verdict::Later(due) = verdict {
        let sql =
            "UPDATE outbox SET due_at = ?2, attempts = ?3, status = ?4, problem = ?5 WHERE number = ?1 AND state = 0";
        let values = params![number, due.0, attempts, status, problem];
        return connection.prepare_cached(sql)?.execute(values).map(|changed| changed > 0);
    }
    let state = if *verdict == Verdict::Delivered { DELIVERED } else { DEAD };
    let sql = "UPDATE outbox SET state = ?2, attempts = ?3, settled_at = ?4, status = ?5, problem = ?6
               WHERE number = ?1 AND state = 0 RETURNING business_id, way, subject";
    let values = params![number, state, attempts, at.0, status, problem];
    let settled: Option<(String, i64, [u8; 16])> = connection
        .prepare_cached(sql)?
        .query_row(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((business, way, subject)) = settled else { return Ok(false) };
    promote(connection, &business, way, subject, *at)?;
    if Way::of(way) == Way::Sink {
        sinks::settled(connection, &business, subject, *status == Some(GONE))?;
    }
    Ok(true)
}

/// The next event of a call is due, where none is.
fn promote(connection: &Connection, business: &str, way: i64, subject: [u8; 16], at: Wall) -> db::Result<()> {
    let sql = "UPDATE outbox SET state = 0, due_at = ?4 WHERE number =
                   (SELECT number FROM outbox WHERE business_id = ?1 AND way = ?2 AND subject = ?3 AND state = 1
                    ORDER BY sequence LIMIT 1)
               AND NOT EXISTS (SELECT 1 FROM outbox WHERE business_id = ?1 AND way = ?2 AND subject = ?3 AND state = 0)";
    connection.prepare_cached(sql)?.execute(params![business, way, subject, at.0]).map(|_| ())
}

/// A settled event is to be sent again: alone, or behind those of its call that are on their way before it.
fn replay(connection: &Connection, business: &BusinessId, id: DeliveryId, at: Wall) -> db::Result<bool> {
    let sql =
        "UPDATE outbox SET attempts = 0, since = ?4, due_at = ?4, settled_at = NULL, problem = NULL, status = NULL,
                   state = CAST(EXISTS (SELECT 1 FROM outbox WHERE business_id = ?1 AND way = 0 AND subject = ?2
                                        AND +state < 2 AND sequence < ?3) AS INTEGER)
               WHERE business_id = ?1 AND way = 0 AND subject = ?2 AND sequence = ?3 AND state >= 2";
    let values = params![business.as_str(), key(id.subject), id.sequence, at.0];
    connection.prepare_cached(sql)?.execute(values).map(|changed| changed > 0)
}

/// Forgets what was settled longer ago than `kept`, the oldest first. True: there may be more.
pub(super) fn forget(connection: &Connection, kept: Duration, now: Wall) -> bool {
    let before = now.0.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
    // Row numbers grow with time, so only the first rows are looked at. Asked twice: PostgreSQL looks again only at the outer condition where
    // an event is sent again at this moment.
    let sql = "DELETE FROM outbox WHERE number IN
               (SELECT number FROM (SELECT number, settled_at FROM outbox ORDER BY number LIMIT ?1) AS oldest
                WHERE settled_at < ?2) AND settled_at < ?2";
    match connection.execute(sql, params![FORGOTTEN_AT_ONCE, before]) {
        Ok(forgotten) => forgotten == FORGOTTEN_AT_ONCE,
        Err(error) => {
            tracing::warn!(%error, "old events of the outbox were not forgotten");
            false
        }
    }
}

impl SqliteArchive {
    /// Events that can be sent now, those that wait longest first, and when the next one is due after these.
    pub fn due(&self, outlet: &Outlet, now: Wall, limit: usize) -> Result<(Vec<Due>, Option<Wall>), StoreError> {
        let (business, way) = outlet;
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let sql = "SELECT number, subject, sequence, attempts, since, body, url, token, expires_at
                       FROM outbox LEFT JOIN sinks ON way = 1 AND call_id = subject
                       WHERE business_id = ?1 AND way = ?4 AND state < 2 AND state = 0 AND due_at <= ?2
                       ORDER BY due_at LIMIT ?3";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let due = statement.query_map(params![business.as_str(), now.0, limit, way.number()], |row| {
                Ok(Due {
                    number: row.get(0)?,
                    id: id_of(row, 1)?,
                    attempts: row.get(3)?,
                    since: Wall(row.get(4)?),
                    body: row.get(5)?,
                    sink: sinks::of_row(row, 6)?,
                })
            });
            let due = due.map_err(fail)?;
            let sql = "SELECT due_at FROM outbox WHERE business_id = ?1 AND way = ?3 AND state < 2 AND state = 0 AND due_at > ?2
                       ORDER BY due_at LIMIT 1";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let values = params![business.as_str(), now.0, way.number()];
            let next = statement.query_row(values, |row| row.get(0).map(Wall));
            Ok((due, next.optional().map_err(fail)?))
        })
    }

    /// Every business with events on their way, and on which. One step of the index each.
    pub fn awaited(&self) -> Result<Vec<Outlet>, StoreError> {
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let sql = "SELECT business_id, way FROM outbox WHERE (business_id, way) > (?1, ?2) AND state < 2
                       ORDER BY business_id, way LIMIT 1";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let (mut last, mut found) = ((String::new(), 0), Vec::new());
            while let Some(next) = statement
                .query_row(params![last.0, last.1], |row| Ok((row.get::<String>(0)?, row.get::<i64>(1)?)))
                .optional()
                .map_err(fail)?
            {
                // A name that cannot be read names no account: nobody could be sent to.
                found.extend(next.0.parse::<BusinessId>().map(|business| (business, Way::of(next.1))));
                last = next;
            }
            Ok(found)
        })
    }

    /// How many events are on their way.
    pub fn outbox_depth(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM outbox WHERE state < 2";
        self.read(|connection| {
            let count = connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.query_row(params![], |row| row.get(0)));
            count.map(i64::cast_unsigned).map_err(|error| self.fail(&error))
        })
    }

    /// Events as they stand, the newest call first and of a call the last event first.
    pub fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        let state = DeliveryState::narrow(filter.state);
        // Without a business there is no index for the order of calls: that is an operator's question, in the order of writing.
        let order = if filter.business.is_some() { "subject DESC, sequence DESC" } else { "number DESC" };
        let sql = format!(
            "SELECT subject, sequence, business_id, kind, state, attempts, created_at, due_at, settled_at, status, problem
             FROM outbox WHERE way = ?5 AND (CAST(?1 AS TEXT) IS NULL OR business_id = ?1) AND (subject, sequence) < (?2, ?3) {state} ORDER BY {order} LIMIT ?4"
        );
        // Two statements, so that each has its plan.
        let sql = if filter.business.is_some() {
            sql.replace("(CAST(?1 AS TEXT) IS NULL OR business_id = ?1)", "business_id = ?1")
        } else {
            sql
        };
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let mut statement = connection.prepare_cached(&sql).map_err(fail)?;
            let (subject, sequence) = filter.before.map_or(([0xff; 16], u32::MAX), |id| (key(id.subject), id.sequence));
            let business = filter.business.as_ref().map(BusinessId::as_str);
            let limit = filter.limit.clamp(1, MAX_LISTED);
            let values = params![business, subject, sequence, limit, filter.way.number()];
            let mut rows = statement.query(values).map_err(fail)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                found.push(delivery(&row).map_err(fail)??);
            }
            Ok(found)
        })
    }

    /// Sends one event of this business again. False: there is none that is settled.
    pub fn replay(&self, business: &BusinessId, id: DeliveryId, at: Wall) -> Result<bool, StoreError> {
        self.change(|connection| replay(connection, business, id, at).map(usize::from))
    }

    /// Sends dead letters of this business again, in order, at most [`MAX_LISTED`] at once; says how many.
    pub fn replay_dead(&self, business: &BusinessId, at: Wall) -> Result<usize, StoreError> {
        let mut count = 0;
        self.change(|connection| {
            let sql = "SELECT subject, sequence FROM outbox WHERE business_id = ?1 AND way = 0 AND state = 3
                       ORDER BY subject, sequence LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![business.as_str(), MAX_LISTED], |row| id_of(row, 0))?;
            for id in rows {
                count += usize::from(replay(connection, business, id, at)?);
            }
            Ok(count)
        })?;
        Ok(count)
    }
}

fn id_of(row: &Row<'_>, at: usize) -> db::Result<DeliveryId> {
    let subject = CallId::from_u128(u128::from_be_bytes(row.get(at)?));
    Ok(DeliveryId { subject, sequence: row.get(at + 1)? })
}

fn delivery(row: &Row<'_>) -> db::Result<Result<Delivery, StoreError>> {
    let (state, business): (i64, String) = (row.get(4)?, row.get(2)?);
    let Ok(business) = business.parse() else { return Ok(Err(StoreError::row("outbox", "no business"))) };
    Ok(Ok(Delivery {
        id: id_of(row, 0)?,
        business,
        kind: row.get(3)?,
        state: DeliveryState::of(state),
        attempts: row.get(5)?,
        created_at: Wall(row.get(6)?),
        next_attempt_at: if state == WAITING { Some(Wall(row.get(7)?)) } else { None },
        settled_at: row.get::<Option<i64>>(8)?.map(Wall),
        status: row.get(9)?,
        problem: row.get(10)?,
    }))
}

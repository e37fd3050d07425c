//! Call requests (Fig. 7): from the asking to the end, with every state numbered for who follows. Owns their table and which step may
//! follow which; refuses to choose a representative and to send anything.
//!
//! ```text
//! waiting ── assign ──▶ placing ── placed ──▶ placed ── end ──▶ ended
//!    └──────────────────── cancel, end ───────────────────────────┘
//! ```

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{staff, word};
use crate::clock::Wall;
use crate::model::{CallState, Outcome, WebPage};

/// What we are doing about a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Nobody is assigned: its time has not come, or everybody is busy.
    Waiting,
    /// A representative is reserved, and an equipment is being asked.
    Placing,
    /// An equipment has the call.
    Placed,
    /// Over.
    Ended,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Stage::Waiting => "waiting",
            Stage::Placing => "placing",
            Stage::Placed => "placed",
            Stage::Ended => "ended",
        }
    }

    fn parse(text: &str) -> Option<Stage> {
        [Stage::Waiting, Stage::Placing, Stage::Placed, Stage::Ended].into_iter().find(|stage| stage.as_str() == text)
    }
}

/// A call request and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// Identifier: also the reference and the idempotency key at the equipment.
    pub id: String,
    /// When it came.
    pub created_at: Wall,
    /// Not to be placed before.
    pub due_at: Wall,
    /// 708, as asked.
    pub desired_at: Option<Wall>,
    /// What we are doing about it.
    pub stage: Stage,
    /// What its customer is told.
    pub state: CallState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// 704: who is called.
    pub address: String,
    /// Whose account, where they are known.
    pub customer: Option<i64>,
    /// 910: whom the page asked for.
    pub wanted: Option<String>,
    /// 706.
    pub page: Option<WebPage>,
    /// 710: the customer's words.
    pub note: Option<String>,
    /// Who serves it.
    pub representative: Option<String>,
    /// The equipment that was asked, from before the first byte of the message is sent.
    pub equipment: Option<String>,
    /// The call there.
    pub call: Option<String>,
    /// The customer wants it no more, and the equipment is to be told when it is known to have it.
    pub cancelled: bool,
    /// Of the last event.
    pub sequence: u32,
    /// When both began to talk.
    pub bridged_at: Option<Wall>,
    /// When it was over.
    pub ended_at: Option<Wall>,
    /// The address that is rung where no representative was there.
    pub overflow: Option<String>,
    /// The representative's notes, while they talk.
    pub notes: String,
    /// Nothing is owed of it: the result is there, or there is none.
    pub written: bool,
}

impl Request {
    fn read(row: &Row<'_>) -> rusqlite::Result<Request> {
        let text = |name| row.get::<_, Option<String>>(name);
        let wall = |name| row.get::<_, Option<i64>>(name).map(|at| at.map(Wall));
        let page = text("page")?.and_then(|page| serde_json::from_str(&page).ok());
        Ok(Request {
            id: row.get("id")?,
            created_at: Wall(row.get("created_at")?),
            due_at: Wall(row.get("due_at")?),
            desired_at: wall("desired_at")?,
            stage: word(Stage::parse, &row.get::<_, String>("stage")?)?,
            state: word(CallState::parse, &row.get::<_, String>("state")?)?,
            outcome: text("outcome")?.map(|outcome| word(Outcome::parse, &outcome)).transpose()?,
            address: row.get("address")?,
            customer: row.get("customer")?,
            wanted: text("wanted")?,
            page,
            note: text("note")?,
            representative: text("representative")?,
            equipment: text("equipment")?,
            call: text("call")?,
            cancelled: row.get("cancelled")?,
            sequence: row.get("sequence")?,
            bridged_at: wall("bridged_at")?,
            ended_at: wall("ended_at")?,
            overflow: text("overflow")?,
            notes: row.get("notes")?,
            written: row.get("written")?,
        })
    }

    /// True while somebody may still be called, or talks.
    pub fn is_open(&self) -> bool {
        self.stage != Stage::Ended
    }
}

/// What a new request says.
#[derive(Clone, PartialEq, Debug)]
pub struct NewRequest {
    /// Identifier.
    pub id: String,
    /// 704.
    pub address: String,
    /// Whose account.
    pub customer: Option<i64>,
    /// Where it came from, for the count of an hour.
    pub source: String,
    /// 910.
    pub wanted: Option<String>,
    /// 706.
    pub page: Option<WebPage>,
    /// 708.
    pub desired_at: Option<Wall>,
    /// 710.
    pub note: Option<String>,
}

/// How many are allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// To one number an hour.
    pub per_number: u32,
    /// From one source an hour.
    pub per_source: u32,
    /// That wait.
    pub waiting: u32,
}

/// Why a request is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turned {
    /// This number is being called, or waits to be.
    Duplicate,
    /// Too many an hour to this number or from this source.
    TooMany,
    /// Too many wait.
    Full,
}

const HOUR_MS: i64 = 3_600_000;

/// Takes a request, unless the bounds forbid it.
pub fn ask(
    transaction: &Transaction<'_>,
    now: Wall,
    new: &NewRequest,
    bounds: Bounds,
) -> rusqlite::Result<Result<Request, Turned>> {
    let count = |sql: &str, value: &dyn rusqlite::ToSql, since: i64| -> rusqlite::Result<u32> {
        transaction.prepare_cached(sql)?.query_row(params![value, since], |row| row.get(0))
    };
    let same = "SELECT count(*) FROM requests WHERE address = ?1 AND created_at >= ?2 AND stage <> 'ended'";
    if count(same, &new.address, i64::MIN)? > 0 {
        return Ok(Err(Turned::Duplicate));
    }
    let hour = now.0 - HOUR_MS;
    let to = count("SELECT count(*) FROM requests WHERE address = ?1 AND created_at > ?2", &new.address, hour)?;
    let from = count("SELECT count(*) FROM requests WHERE source = ?1 AND created_at > ?2", &new.source, hour)?;
    if to >= bounds.per_number || from >= bounds.per_source {
        return Ok(Err(Turned::TooMany));
    }
    let open = count("SELECT count(*) FROM requests WHERE stage <> ?1 AND created_at > ?2", &"ended", i64::MIN)?;
    if open >= bounds.waiting {
        return Ok(Err(Turned::Full));
    }
    let due = new.desired_at.map_or(now, |at| at.max(now));
    let state = if due > now { CallState::Scheduled } else { CallState::Queued };
    let page = new.page.as_ref().and_then(|page| serde_json::to_string(page).ok());
    transaction.execute(
        "INSERT INTO requests (id, created_at, due_at, desired_at, stage, state, address, customer, source, wanted, page, note) \
         VALUES (?1, ?2, ?3, ?4, 'waiting', ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            new.id,
            now.0,
            due.0,
            new.desired_at.map(|at| at.0),
            state.as_str(),
            new.address,
            new.customer,
            new.source,
            new.wanted,
            page,
            new.note
        ],
    )?;
    enter(transaction, &new.id, now, state)?;
    find(transaction, &new.id)?.map(Ok).ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// One of them.
pub fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Request>> {
    connection.prepare_cached("SELECT * FROM requests WHERE id = ?1")?.query_row([id], Request::read).optional()
}

/// Those that are not over, in the order in which they are due.
pub fn open(connection: &Connection) -> rusqlite::Result<Vec<Request>> {
    let sql = "SELECT * FROM requests WHERE stage <> 'ended' ORDER BY due_at, created_at, id";
    connection.prepare_cached(sql)?.query_map([], Request::read)?.collect()
}

/// Those of this representative of which something is owed, the oldest first: the call that goes on, talks without a result.
pub fn owed(connection: &Connection, representative: &str) -> rusqlite::Result<Vec<Request>> {
    let sql = "SELECT * FROM requests WHERE representative = ?1 AND written = 0 ORDER BY created_at";
    connection.prepare_cached(sql)?.query_map([representative], Request::read)?.collect()
}

/// What the representative notes while they talk.
pub fn note(transaction: &Transaction<'_>, id: &str, representative: &str, notes: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE requests SET notes = ?3 WHERE id = ?1 AND representative = ?2 AND written = 0 AND notes <> ?3";
    transaction.execute(sql, [id, representative, notes]).map(drop)
}

/// Rings and talks of the last completed calls, the oldest first: milliseconds from dialling to the answer, and of the talk.
pub fn former(connection: &Connection, most: u32) -> rusqlite::Result<Vec<(u64, u64)>> {
    let sql = "SELECT coalesce((SELECT answered.at - dialled.at FROM events AS dialled, events AS answered \
            WHERE dialled.request = requests.id AND dialled.state = 'calling_customer' \
            AND answered.request = requests.id AND answered.state = 'calling_representative'), 0), ended_at - bridged_at \
        FROM requests WHERE stage = 'ended' AND outcome = 'completed' AND bridged_at IS NOT NULL ORDER BY ended_at DESC LIMIT ?1";
    let mut statement = connection.prepare(sql)?;
    let pair = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let rows: Vec<(i64, i64)> = statement.query_map([most], pair)?.collect::<Result<_, _>>()?;
    let millis = |n: i64| u64::try_from(n).unwrap_or(0);
    Ok(rows.into_iter().rev().map(|(ring, talk)| (millis(ring), millis(talk))).collect())
}

/// Requests whose time has come go into the queue.
pub fn queue(transaction: &Transaction<'_>, now: Wall) -> rusqlite::Result<()> {
    let sql = "SELECT id FROM requests WHERE stage <> 'ended' AND state = 'scheduled' AND due_at <= ?1 ORDER BY due_at";
    let mut statement = transaction.prepare_cached(sql)?;
    let due: Vec<String> = statement.query_map([now.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
    due.iter().try_for_each(|id| enter(transaction, id, now, CallState::Queued))
}

/// A representative is reserved for it.
pub fn assign(transaction: &Transaction<'_>, id: &str, representative: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE requests SET stage = 'placing', representative = ?2 WHERE id = ?1 AND stage = 'waiting'";
    let assigned = transaction.execute(sql, [id, representative])? == 1;
    if assigned {
        staff::serve(transaction, representative, id)?;
    }
    Ok(assigned)
}

/// Nobody is there for it: it goes to this address.
pub fn overflow(transaction: &Transaction<'_>, id: &str, address: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE requests SET stage = 'placing', overflow = ?2 WHERE id = ?1 AND stage = 'waiting'";
    Ok(transaction.execute(sql, [id, address])? == 1)
}

/// Its result is there. False: it was there before, or it is not this representative's.
pub fn written(transaction: &Transaction<'_>, id: &str, representative: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE requests SET written = 1 WHERE id = ?1 AND representative = ?2 AND written = 0 AND bridged_at IS NOT NULL";
    Ok(transaction.execute(sql, [id, representative])? == 1)
}

/// Which equipment is about to be asked; `None`: the one that was has certainly nothing of it. False: it is over already.
pub fn pin(transaction: &Transaction<'_>, id: &str, equipment: Option<&str>) -> rusqlite::Result<bool> {
    let sql = "UPDATE requests SET equipment = ?2 WHERE id = ?1 AND stage = 'placing'";
    Ok(transaction.execute(sql, params![id, equipment])? == 1)
}

/// The equipment has taken it. True: it was cancelled meanwhile.
pub fn placed(transaction: &Transaction<'_>, id: &str, call: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE requests SET stage = 'placed', call = ?2 WHERE id = ?1 AND stage = 'placing'";
    transaction.execute(sql, [id, call])?;
    transaction.query_row("SELECT cancelled FROM requests WHERE id = ?1", [id], |row| row.get(0))
}

/// The order in which states follow each other.
fn rank(state: CallState) -> u8 {
    match state {
        CallState::Scheduled => 0,
        CallState::Queued => 1,
        CallState::CallingCustomer => 2,
        CallState::CallingRepresentative => 3,
        CallState::Bridged => 4,
        CallState::Ended => 5,
    }
}

/// The equipment says where its call is. What comes late leads nowhere back; the end is [`end`]'s.
pub fn moved(transaction: &Transaction<'_>, id: &str, at: Wall, state: CallState) -> rusqlite::Result<()> {
    let Some(request) = find(transaction, id)?.filter(Request::is_open) else { return Ok(()) };
    if state == CallState::Ended || rank(state) <= rank(request.state) {
        return Ok(());
    }
    if state == CallState::Bridged {
        transaction.execute("UPDATE requests SET bridged_at = ?2 WHERE id = ?1", params![id, at.0])?;
    }
    enter(transaction, id, at, state)
}

/// It is over; its representative is free again, or writes up.
pub fn end(transaction: &Transaction<'_>, id: &str, at: Wall, outcome: Outcome) -> rusqlite::Result<()> {
    let Some(request) = find(transaction, id)?.filter(Request::is_open) else { return Ok(()) };
    // A talk owes a result, unless it is there already.
    let owed = outcome == Outcome::Completed && request.representative.is_some() && !request.written;
    transaction.execute(
        "UPDATE requests SET stage = 'ended', outcome = ?2, ended_at = ?3, written = ?4 WHERE id = ?1",
        params![id, outcome.as_str(), at.0, !owed],
    )?;
    enter(transaction, id, at, CallState::Ended)?;
    match &request.representative {
        Some(representative) => staff::served(transaction, representative, id, at, (outcome, owed)),
        None => Ok(()),
    }
}

/// What is to be done for a customer who wants it no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cancelling {
    /// It is over.
    Done,
    /// Whoever places it will see.
    Noted,
    /// This equipment has to be told to end this call.
    Tell {
        /// Its name.
        equipment: String,
        /// The call.
        call: String,
    },
    /// It was over before.
    TooLate,
}

/// The customer, or the desk, wants it no more.
pub fn cancel(transaction: &Transaction<'_>, id: &str, at: Wall) -> rusqlite::Result<Option<Cancelling>> {
    let Some(request) = find(transaction, id)? else { return Ok(None) };
    if matches!(request.stage, Stage::Placing | Stage::Placed) {
        transaction.execute("UPDATE requests SET cancelled = 1 WHERE id = ?1", [id])?;
    }
    Ok(Some(match (request.stage, request.equipment, request.call) {
        (Stage::Ended, ..) => Cancelling::TooLate,
        (Stage::Placed, Some(equipment), Some(call)) => Cancelling::Tell { equipment, call },
        (Stage::Waiting, ..) => {
            end(transaction, id, at, Outcome::Cancelled)?;
            Cancelling::Done
        }
        (Stage::Placing | Stage::Placed, ..) => Cancelling::Noted,
    }))
}

/// The next event of a request.
fn enter(transaction: &Transaction<'_>, id: &str, at: Wall, state: CallState) -> rusqlite::Result<()> {
    transaction
        .execute("UPDATE requests SET state = ?2, sequence = sequence + 1 WHERE id = ?1", [id, state.as_str()])?;
    transaction.execute(
        "INSERT INTO events (request, sequence, at, state) SELECT id, sequence, ?2, ?3 FROM requests WHERE id = ?1",
        params![id, at.0, state.as_str()],
    )?;
    Ok(())
}

/// One state that a request entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// From 1.
    pub sequence: u32,
    /// When.
    pub at: Wall,
    /// Which.
    pub state: CallState,
}

/// Those after this one.
pub fn events(connection: &Connection, id: &str, after: u32) -> rusqlite::Result<Vec<Event>> {
    let sql = "SELECT sequence, at, state FROM events WHERE request = ?1 AND sequence > ?2 ORDER BY sequence";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![id, after], |row| {
        let state = word(CallState::parse, &row.get::<_, String>(2)?)?;
        Ok(Event { sequence: row.get(0)?, at: Wall(row.get(1)?), state })
    })?;
    rows.collect()
}

/// The request of a call, by what its events say.
pub fn of_call(connection: &Connection, call: &str, reference: &str) -> rusqlite::Result<Option<Request>> {
    Ok(find(connection, reference)?.filter(|request| request.call.as_deref() == Some(call)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storefront::store::in_memory;

    const BOUNDS: Bounds = Bounds { per_number: 2, per_source: 3, waiting: 10 };

    fn new(id: &str, address: &str) -> NewRequest {
        let (id, address, source) = (id.to_owned(), address.to_owned(), "192.0.2.7".to_owned());
        NewRequest { id, address, customer: None, source, wanted: None, page: None, desired_at: None, note: None }
    }

    #[test]
    fn a_request_goes_its_way_and_its_states_are_numbered() {
        let mut connection = in_memory();
        let t = connection.transaction().unwrap();
        staff::add(&t, "rita", "Rita", "+16465550101", &[], "$argon2id$").unwrap();
        staff::log_on(&t, "rita", Wall(0), Wall(100_000)).unwrap();
        let asked = ask(&t, Wall(10), &NewRequest { desired_at: Some(Wall(50)), ..new("1", "+12125550100") }, BOUNDS);
        assert_eq!(asked.unwrap().unwrap().state, CallState::Scheduled);
        let state = |t: &Transaction<'_>| find(t, "1").unwrap().unwrap().state;
        queue(&t, Wall(20)).unwrap();
        assert_eq!(state(&t), CallState::Scheduled);
        queue(&t, Wall(50)).unwrap();
        assert_eq!(state(&t), CallState::Queued);
        assert!(assign(&t, "1", "rita").unwrap());
        assert!(!assign(&t, "1", "rita").unwrap(), "once");
        assert!(pin(&t, "1", Some("one")).unwrap());
        assert!(!placed(&t, "1", "call-1").unwrap());
        moved(&t, "1", Wall(60), CallState::CallingCustomer).unwrap();
        moved(&t, "1", Wall(80), CallState::Bridged).unwrap();
        moved(&t, "1", Wall(70), CallState::CallingRepresentative).unwrap();
        end(&t, "1", Wall(90), Outcome::Completed).unwrap();
        end(&t, "1", Wall(95), Outcome::Failed).unwrap();
        let states: Vec<&str> = events(&t, "1", 0).unwrap().iter().map(|event| event.state.as_str()).collect();
        assert_eq!(states, ["scheduled", "queued", "calling_customer", "bridged", "ended"]);
        assert_eq!(events(&t, "1", 4).unwrap()[0].sequence, 5);
        let ended = find(&t, "1").unwrap().unwrap();
        assert_eq!((ended.outcome, ended.bridged_at), (Some(Outcome::Completed), Some(Wall(80))));
    }

    #[test]
    fn one_number_is_called_once_at_a_time_and_seldom() {
        let mut connection = in_memory();
        let t = connection.transaction().unwrap();
        let asked = |id: &str, address: &str| ask(&t, Wall(10), &new(id, address), BOUNDS).unwrap().map(|_| ());
        assert_eq!(asked("1", "+12125550100"), Ok(()));
        assert_eq!(asked("2", "+12125550100"), Err(Turned::Duplicate));
        assert_eq!(cancel(&t, "1", Wall(11)).unwrap(), Some(Cancelling::Done));
        assert_eq!(cancel(&t, "1", Wall(11)).unwrap(), Some(Cancelling::TooLate));
        assert_eq!(asked("3", "+12125550100"), Ok(()));
        cancel(&t, "3", Wall(12)).unwrap();
        assert_eq!(asked("4", "+12125550100"), Err(Turned::TooMany), "of this number");
        assert_eq!(asked("5", "+12125550101"), Ok(()));
        assert_eq!(asked("6", "+12125550102"), Err(Turned::TooMany), "of this source");
    }

    #[test]
    fn what_is_being_placed_is_cancelled_when_it_is_known_where() {
        let mut connection = in_memory();
        let t = connection.transaction().unwrap();
        staff::add(&t, "rita", "Rita", "+16465550101", &[], "$argon2id$").unwrap();
        staff::log_on(&t, "rita", Wall(0), Wall(100_000)).unwrap();
        ask(&t, Wall(10), &new("1", "+12125550100"), BOUNDS).unwrap().unwrap();
        assign(&t, "1", "rita").unwrap();
        pin(&t, "1", Some("one")).unwrap();
        assert_eq!(cancel(&t, "1", Wall(20)).unwrap(), Some(Cancelling::Noted));
        assert!(placed(&t, "1", "call-1").unwrap(), "whoever placed it learns that it is not wanted");
        let tell = Cancelling::Tell { equipment: "one".to_owned(), call: "call-1".to_owned() };
        assert_eq!(cancel(&t, "1", Wall(30)).unwrap(), Some(tell));
    }
}

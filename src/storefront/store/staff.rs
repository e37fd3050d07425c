//! Representatives 331: who is logged on, available (337), serving whom, reached where (334, 336); and the sessions of their browsers.
//! Owns their states; refuses to choose one.
//!
//! Serving is not a state of its own: it is that an open request names them. So nobody can be stuck in it.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::word;
use crate::clock::Wall;
use crate::model::Outcome;
use crate::model::business::PasswordHash;

/// What a representative says of themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Logged off.
    Off,
    /// Takes calls.
    Available,
    /// Logged on, takes none.
    Break,
    /// Writes down what a call came to, takes none.
    WrapUp,
}

impl Mode {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::Available => "available",
            Mode::Break => "break",
            Mode::WrapUp => "wrap_up",
        }
    }

    /// Of its word.
    pub fn parse(text: &str) -> Option<Mode> {
        [Mode::Off, Mode::Available, Mode::Break, Mode::WrapUp].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// A representative.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Representative {
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// What rings (812).
    pub address: String,
    /// What they know.
    pub skills: Vec<String>,
    /// Argon2id.
    pub password_hash: PasswordHash,
    /// As they say.
    pub mode: Mode,
    /// In this mode since.
    pub since: Wall,
    /// The request that they serve, or write up.
    pub serving: Option<String>,
    /// What they are told.
    pub notice: Option<String>,
    /// Set aside since then: they did not answer.
    pub missed_at: Option<Wall>,
    /// Logged on until then, without another word of their browser.
    pub lease_until: Wall,
}

impl Representative {
    fn read(row: &Row<'_>) -> rusqlite::Result<Representative> {
        let skills: String = row.get("skills")?;
        Ok(Representative {
            id: row.get("id")?,
            name: row.get("name")?,
            address: row.get("address")?,
            skills: skills.split(',').filter(|skill| !skill.is_empty()).map(str::to_owned).collect(),
            password_hash: PasswordHash(row.get("password_hash")?),
            mode: word(Mode::parse, &row.get::<_, String>("mode")?)?,
            since: Wall(row.get("since")?),
            serving: row.get("serving")?,
            notice: row.get("notice")?,
            missed_at: row.get::<_, Option<i64>>("missed_at")?.map(Wall),
            lease_until: Wall(row.get("lease_until")?),
        })
    }
}

/// Adds one, if there is none of this identifier. True: it was added.
pub fn add(
    transaction: &Transaction<'_>,
    id: &str,
    name: &str,
    address: &str,
    skills: &[String],
    password_hash: &str,
) -> rusqlite::Result<bool> {
    let sql =
        "INSERT OR IGNORE INTO representatives (id, name, address, skills, password_hash) VALUES (?1, ?2, ?3, ?4, ?5)";
    Ok(transaction.execute(sql, params![id, name, address, skills.join(","), password_hash])? == 1)
}

/// One of them.
pub fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Representative>> {
    let sql = "SELECT * FROM representatives WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([id], Representative::read).optional()
}

/// Everybody, who said something first before the others.
pub fn all(connection: &Connection) -> rusqlite::Result<Vec<Representative>> {
    let mut statement = connection.prepare_cached("SELECT * FROM representatives ORDER BY since, id")?;
    statement.query_map([], Representative::read)?.collect()
}

/// Log on = available; whoever still serves goes on serving, whoever owes a result writes it.
pub fn log_on(transaction: &Transaction<'_>, id: &str, now: Wall, lease: Wall) -> rusqlite::Result<()> {
    let owes = "EXISTS (SELECT 1 FROM requests WHERE requests.id = serving AND stage = 'ended')";
    let sql = format!(
        "UPDATE representatives SET mode = CASE WHEN {owes} THEN 'wrap_up' ELSE 'available' END, since = ?2, \
         lease_until = ?3, notice = NULL, missed_at = NULL WHERE id = ?1"
    );
    transaction.execute(&sql, params![id, now.0, lease.0])?;
    Ok(())
}

/// The browser is there.
pub fn renew(transaction: &Transaction<'_>, id: &str, lease: Wall) -> rusqlite::Result<()> {
    let sql = "UPDATE representatives SET lease_until = ?2 WHERE id = ?1 AND mode <> 'off'";
    transaction.execute(sql, params![id, lease.0])?;
    Ok(())
}

/// They say what they do. A call goes on, whatever they say.
pub fn set_mode(transaction: &Transaction<'_>, id: &str, mode: Mode, now: Wall) -> rusqlite::Result<()> {
    let sql = "UPDATE representatives SET mode = ?2, since = ?3, notice = NULL, missed_at = NULL \
        WHERE id = ?1 AND (mode <> ?2 OR missed_at IS NOT NULL)";
    transaction.execute(sql, params![id, mode.as_str(), now.0])?;
    if mode == Mode::Off {
        transaction.execute("DELETE FROM desk_sessions WHERE representative = ?1", [id])?;
    }
    Ok(())
}

/// A result is there: available again, unless another one is owed. Who rests or is gone stays so.
pub fn wrote_up(transaction: &Transaction<'_>, id: &str, now: Wall) -> rusqlite::Result<()> {
    let sql = "UPDATE representatives SET mode = 'available', since = ?2, notice = NULL WHERE id = ?1 AND mode = 'wrap_up' \
        AND NOT EXISTS (SELECT 1 FROM requests WHERE representative = ?1 AND written = 0 AND stage = 'ended')";
    transaction.execute(sql, params![id, now.0]).map(drop)
}

/// What rings from the next call on.
pub fn set_address(transaction: &Transaction<'_>, id: &str, address: &str) -> rusqlite::Result<()> {
    transaction.execute("UPDATE representatives SET address = ?2 WHERE id = ?1", [id, address])?;
    Ok(())
}

/// Whose browser was not heard of is logged off; their calls go on. Who was set aside for long enough gets calls again.
pub fn expire(transaction: &Transaction<'_>, now: Wall, aside: Duration) -> rusqlite::Result<()> {
    let before = now.0.saturating_sub(i64::try_from(aside.as_millis()).unwrap_or(i64::MAX));
    let sql = "UPDATE representatives SET missed_at = NULL, notice = NULL, since = ?2 WHERE missed_at <= ?1";
    transaction.prepare_cached(sql)?.execute(params![before, now.0])?;
    let mut statement =
        transaction.prepare_cached("SELECT id FROM representatives WHERE mode <> 'off' AND lease_until <= ?1")?;
    let gone: Vec<String> = statement.query_map([now.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
    gone.iter().try_for_each(|id| set_mode(transaction, id, Mode::Off, now))
}

/// Named for a request; who still serves another one serves this one next.
pub(super) fn serve(transaction: &Transaction<'_>, id: &str, request: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE representatives SET serving = ?2 WHERE id = ?1 AND serving IS NULL";
    transaction.execute(sql, [id, request]).map(drop)
}

/// Their request is over.
pub(super) fn served(
    transaction: &Transaction<'_>,
    id: &str,
    request: &str,
    at: Wall,
    (outcome, owed): (Outcome, bool),
) -> rusqlite::Result<()> {
    match outcome {
        // There is something to write down.
        Outcome::Completed if owed => {
            let sql = "UPDATE representatives SET mode = 'wrap_up', since = ?3 \
                WHERE id = ?1 AND serving = ?2 AND mode IN ('available', 'break')";
            transaction.execute(sql, params![id, request, at.0])?;
        }
        // Set aside, so that no further customer waits in vain.
        Outcome::RepresentativeUnavailable => {
            let notice = "Your phone was not answered, and a customer waited. Go on when you are there.";
            let sql = "UPDATE representatives SET missed_at = ?2, notice = ?3 WHERE id = ?1 AND serving = ?4 AND mode = 'available'";
            transaction.execute(sql, params![id, at.0, notice, request])?;
            release(transaction, id, request)?;
        }
        // Nobody was rung here, or nobody was there any more: the time of waiting goes on.
        _ => release(transaction, id, request)?,
    }
    Ok(())
}

/// Serves this request no more; the next one, if there is one.
pub fn release(transaction: &Transaction<'_>, id: &str, request: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE representatives SET serving = (SELECT id FROM requests WHERE representative = ?1 AND written = 0 AND id <> ?2 \
        ORDER BY created_at LIMIT 1) WHERE id = ?1 AND serving = ?2";
    transaction.execute(sql, [id, request]).map(drop)
}

/// A browser of a representative; `tag` is a digest of what it shows.
pub fn add_session(transaction: &Transaction<'_>, tag: &[u8], id: &str, now: Wall) -> rusqlite::Result<()> {
    let sql = "INSERT INTO desk_sessions (tag, representative, created_at) VALUES (?1, ?2, ?3)";
    transaction.execute(sql, params![tag, id, now.0])?;
    // The oldest browsers beyond ten are forgotten.
    let sql = "DELETE FROM desk_sessions WHERE representative = ?1 AND tag NOT IN \
        (SELECT tag FROM desk_sessions WHERE representative = ?1 ORDER BY created_at DESC LIMIT 10)";
    transaction.execute(sql, [id])?;
    Ok(())
}

/// Whose browser it is.
pub fn of_session(connection: &Connection, tag: &[u8]) -> rusqlite::Result<Option<Representative>> {
    let sql = "SELECT representatives.* FROM representatives JOIN desk_sessions ON representative = representatives.id WHERE tag = ?1";
    connection.prepare_cached(sql)?.query_row([tag], Representative::read).optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storefront::store::in_memory;
    use crate::storefront::store::requests::{self, Bounds, NewRequest};

    const ASIDE: Duration = Duration::from_secs(60);

    fn serving(t: &Transaction<'_>) {
        add(t, "rita", "Rita", "+16465550101", &["cruise".to_owned()], "$argon2id$").unwrap();
        log_on(t, "rita", Wall(0), Wall(100)).unwrap();
        let bounds = Bounds { per_number: 9, per_source: 9, waiting: 9 };
        let new = NewRequest {
            id: "1".to_owned(),
            address: "+12125550100".to_owned(),
            customer: None,
            source: String::new(),
            wanted: None,
            page: None,
            desired_at: None,
            note: None,
        };
        requests::ask(t, Wall(1), &new, bounds).unwrap().unwrap();
        assert!(requests::assign(t, "1", "rita").unwrap());
    }

    fn now(t: &Transaction<'_>) -> (Mode, Option<String>) {
        let rita = find(t, "rita").unwrap().unwrap();
        (rita.mode, rita.serving)
    }

    #[test]
    fn after_a_talk_comes_the_wrap_up_and_it_is_owed_after_a_lost_browser_too() {
        let mut connection = in_memory();
        let t = connection.transaction().unwrap();
        serving(&t);
        expire(&t, Wall(100), ASIDE).unwrap();
        assert_eq!(now(&t), (Mode::Off, Some("1".to_owned())), "the call goes on");
        requests::end(&t, "1", Wall(120), Outcome::Completed).unwrap();
        log_on(&t, "rita", Wall(130), Wall(200)).unwrap();
        assert_eq!(now(&t), (Mode::WrapUp, Some("1".to_owned())));
    }

    #[test]
    fn who_does_not_answer_is_set_aside_and_whose_customer_does_not_is_free() {
        let mut connection = in_memory();
        let t = connection.transaction().unwrap();
        serving(&t);
        requests::end(&t, "1", Wall(20), Outcome::CustomerBusy).unwrap();
        assert_eq!(now(&t), (Mode::Available, None));
        serve(&t, "rita", "1").unwrap();
        served(&t, "rita", "1", Wall(30), (Outcome::RepresentativeUnavailable, false)).unwrap();
        let rita = find(&t, "rita").unwrap().unwrap();
        assert_eq!((rita.missed_at, rita.notice.is_some(), rita.serving), (Some(Wall(30)), true, None));
        expire(&t, Wall(99), ASIDE).unwrap();
        assert!(find(&t, "rita").unwrap().unwrap().missed_at.is_some());
        t.execute("UPDATE representatives SET lease_until = 200000", []).unwrap();
        expire(&t, Wall(60_030), ASIDE).unwrap();
        let rita = find(&t, "rita").unwrap().unwrap();
        assert_eq!((rita.missed_at, rita.notice, rita.mode), (None, None, Mode::Available));
    }

    #[test]
    fn a_log_off_ends_every_browser() {
        let mut connection = in_memory();
        let t = connection.transaction().unwrap();
        serving(&t);
        add_session(&t, b"one", "rita", Wall(1)).unwrap();
        assert_eq!(of_session(&t, b"one").unwrap().map(|one| one.id).as_deref(), Some("rita"));
        set_mode(&t, "rita", Mode::Off, Wall(2)).unwrap();
        assert_eq!(of_session(&t, b"one").unwrap(), None);
    }
}

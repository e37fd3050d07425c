//! Supervisors, who look at the wallboard, and the sessions of their browsers; and what a day came to. Owns these tables and that count.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::clock::Wall;
use crate::model::business::PasswordHash;

/// A supervisor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Supervisor {
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// What rings to listen, whisper or join.
    pub address: String,
    /// Argon2id.
    pub password_hash: PasswordHash,
}

impl Supervisor {
    fn read(row: &Row<'_>) -> rusqlite::Result<Supervisor> {
        let (id, name, address) = (row.get("id")?, row.get("name")?, row.get("address")?);
        Ok(Supervisor { id, name, address, password_hash: PasswordHash(row.get("password_hash")?) })
    }
}

/// Adds one, if there is none of this identifier.
pub fn add(transaction: &Transaction<'_>, one: &Supervisor) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO supervisors (id, name, address, password_hash) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(sql, params![one.id, one.name, one.address, one.password_hash.0]).map(drop)
}

/// One of them.
pub fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Supervisor>> {
    connection.prepare_cached("SELECT * FROM supervisors WHERE id = ?1")?.query_row([id], Supervisor::read).optional()
}

/// What rings from now on.
pub fn set_address(transaction: &Transaction<'_>, id: &str, address: &str) -> rusqlite::Result<()> {
    transaction.execute("UPDATE supervisors SET address = ?2 WHERE id = ?1", [id, address]).map(drop)
}

/// A browser of a supervisor; `tag` is a digest of what it shows. It ends when it was begun `life` ago.
pub fn add_session(transaction: &Transaction<'_>, tag: &[u8], id: &str, now: Wall) -> rusqlite::Result<()> {
    let sql = "INSERT INTO supervisor_sessions (tag, supervisor, created_at) VALUES (?1, ?2, ?3)";
    transaction.execute(sql, params![tag, id, now.0])?;
    let sql = "DELETE FROM supervisor_sessions WHERE supervisor = ?1 AND tag NOT IN \
        (SELECT tag FROM supervisor_sessions WHERE supervisor = ?1 ORDER BY created_at DESC LIMIT 10)";
    transaction.execute(sql, [id]).map(drop)
}

/// Whose browser it is, if its session began after `since`.
pub fn of_session(connection: &Connection, tag: &[u8], since: Wall) -> rusqlite::Result<Option<Supervisor>> {
    let sql = "SELECT supervisors.* FROM supervisors JOIN supervisor_sessions ON supervisor = supervisors.id \
        WHERE tag = ?1 AND created_at > ?2";
    connection.prepare_cached(sql)?.query_row(params![tag, since.0], Supervisor::read).optional()
}

/// Every browser of this one.
pub fn log_off(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM supervisor_sessions WHERE supervisor = ?1", [id]).map(drop)
}

/// What requests that have ended since a moment came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Day {
    /// Requests.
    pub ended: u32,
    /// Those that talked with somebody.
    pub talked: u32,
    /// Of those, within the time that is promised, from the moment on which they were due.
    pub in_time: u32,
    /// Waits of those who talked, together, in milliseconds.
    pub waited: u64,
    /// Talks, together, in milliseconds.
    pub talk: u64,
    /// Those who did not want it any more, or hung up before.
    pub left: u32,
    /// Those who were called and for whom nobody was there.
    pub nobody: u32,
}

impl Day {
    /// The share of those who talked in time among all who could have: in percent.
    pub fn service_level(&self) -> Option<u32> {
        let could = self.talked + self.left + self.nobody;
        (could > 0).then(|| (self.in_time * 100 + could / 2) / could)
    }

    /// The mean wait until both talked, in seconds.
    pub fn mean_wait(&self) -> Option<u64> {
        (self.talked > 0).then(|| self.waited / u64::from(self.talked) / 1000)
    }
}

/// Of those that have ended since then; who talked within `promised` talked in time.
pub fn day(connection: &Connection, since: Wall, promised: Duration) -> rusqlite::Result<Day> {
    let sql = "SELECT count(*), count(bridged_at), total(bridged_at - due_at <= ?2), total(bridged_at - due_at), \
            total(ended_at - bridged_at), total(bridged_at IS NULL AND outcome IN ('cancelled', 'customer_hung_up')), \
            total(outcome = 'representative_unavailable') \
        FROM requests WHERE stage = 'ended' AND ended_at >= ?1";
    let promised = i64::try_from(promised.as_millis()).unwrap_or(i64::MAX);
    connection.prepare_cached(sql)?.query_row(params![since.0, promised], |row| {
        // `total` gives a real number of whole ones.
        let whole = |at: usize| row.get::<_, f64>(at).map(|n| n.max(0.0) as u64);
        let count = |at: usize| whole(at).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        Ok(Day {
            ended: row.get(0)?,
            talked: row.get(1)?,
            in_time: count(2)?,
            waited: whole(3)?,
            talk: whole(4)?,
            left: count(5)?,
            nobody: count(6)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storefront::store::in_memory;

    #[test]
    fn the_service_level_is_of_all_who_could_have_talked() {
        let mut connection = in_memory();
        let t = connection.transaction().unwrap();
        let insert = |id: &str, outcome: &str, bridged: Option<i64>, ended: i64| {
            let sql = "INSERT INTO requests (id, created_at, due_at, stage, state, outcome, address, source, bridged_at, ended_at) \
                VALUES (?1, 0, 1000, 'ended', 'ended', ?2, '', '', ?3, ?4)";
            t.execute(sql, params![id, outcome, bridged, ended]).unwrap();
        };
        insert("1", "completed", Some(21_000), 81_000);
        insert("2", "completed", Some(61_000), 91_000);
        insert("3", "cancelled", None, 70_000);
        insert("4", "customer_busy", None, 70_000);
        insert("5", "representative_unavailable", None, 70_000);
        insert("6", "completed", Some(2_000), 3_000);
        let day = day(&t, Wall(10_000), Duration::from_secs(30)).unwrap();
        let wanted = Day { ended: 5, talked: 2, in_time: 1, waited: 80_000, talk: 90_000, left: 1, nobody: 1 };
        assert_eq!(day, wanted);
        assert_eq!((day.service_level(), day.mean_wait()), (Some(25), Some(40)));
        assert_eq!(Day::default().service_level(), None);
    }
}

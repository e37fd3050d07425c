//! Representatives' sessions, so that a restart logs nobody off. Owns this SQL; refuses to know what a session is for. There is one row for
//! each representative who is logged on; those whose time is over are forgotten.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::{SqliteArchive, StoreError};
use crate::clock::Wall;
use crate::model::{StoredSession, Wish};

/// The latest word replaces the one before; logged off: there is none.
pub(super) fn put(connection: &Connection, session: &StoredSession) -> rusqlite::Result<()> {
    let (business, representative) = (session.business.as_str(), session.representative.as_str());
    if session.wish == Wish::LoggedOff {
        let sql = "DELETE FROM sessions WHERE business_id = ?1 AND representative = ?2";
        return connection.prepare_cached(sql)?.execute([business, representative]).map(|_| ());
    }
    let sql = "INSERT INTO sessions (business_id, representative, wish, until) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (business_id, representative) DO UPDATE SET wish = excluded.wish, until = excluded.until";
    let wish = session.wish.as_str();
    connection.prepare_cached(sql)?.execute(params![business, representative, wish, session.until.0]).map(|_| ())
}

/// Forgets those that are long over.
pub(super) fn forget(connection: &Connection, now: Wall) {
    let before = now.0 - i64::try_from(Duration::from_secs(3_600).as_millis()).unwrap_or(0);
    if let Err(error) = connection.execute("DELETE FROM sessions WHERE until <= ?1", [before]) {
        tracing::warn!(%error, "old sessions were not forgotten");
    }
}

impl SqliteArchive {
    pub(super) fn read_sessions(&self, now: Wall) -> Result<Vec<StoredSession>, StoreError> {
        self.read(|connection| {
            let fail = |error: rusqlite::Error| self.fail(&error);
            let sql = "SELECT business_id, representative, wish, until FROM sessions WHERE until > ?1
                       ORDER BY business_id, representative";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let mut rows = statement.query([now.0]).map_err(fail)?;
            let mut sessions = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                let text = |at| row.get::<_, String>(at).map_err(fail);
                let wrong = |error: String| StoreError::row("sessions", error);
                sessions.push(StoredSession {
                    business: text(0)?.parse().map_err(|_| wrong("business_id".to_owned()))?,
                    representative: text(1)?.parse().map_err(|_| wrong("representative".to_owned()))?,
                    wish: Wish::parse(&text(2)?).ok_or_else(|| wrong("wish".to_owned()))?,
                    until: Wall(row.get(3).map_err(fail)?),
                });
            }
            Ok(sessions)
        })
    }
}

//! Representatives' sessions, so that a restart logs nobody off, and from when their tokens are worthless, so that none takes them back in.
//! Owns this SQL; refuses to know what a session is for. There is one row for each representative who is logged on, and one for each whose
//! tokens were taken back; those whose time is over are forgotten.

use std::time::Duration;

use super::db::{self, Connection, params};
use super::{SqliteArchive, StoreError};
use crate::access::desk;
use crate::clock::Wall;
use crate::model::{Revocation, StoredSession, Wish};

/// The latest word replaces the one before; logged off: there is none.
pub(super) fn put(connection: &Connection, session: &StoredSession) -> db::Result<()> {
    let (business, representative) = (session.business.as_str(), session.representative.as_str());
    if session.wish == Wish::LoggedOff {
        let sql = "DELETE FROM sessions WHERE business_id = ?1 AND representative = ?2";
        return connection.prepare_cached(sql)?.execute(params![business, representative]).map(|_| ());
    }
    let sql = "INSERT INTO sessions (business_id, representative, wish, until) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (business_id, representative) DO UPDATE SET wish = excluded.wish, until = excluded.until";
    let wish = session.wish.as_str();
    connection.prepare_cached(sql)?.execute(params![business, representative, wish, session.until.0]).map(|_| ())
}

/// A representative's tokens are worthless.
pub(super) fn revoke(connection: &Connection, revocation: &Revocation) -> db::Result<()> {
    let sql = "INSERT INTO revocations (business_id, representative, at) VALUES (?1, ?2, ?3)
               ON CONFLICT (business_id, representative) DO UPDATE SET at =
               CASE WHEN excluded.at > revocations.at THEN excluded.at ELSE revocations.at END";
    let (business, representative) = (revocation.business.as_str(), revocation.representative.as_str());
    connection.prepare_cached(sql)?.execute(params![business, representative, revocation.at.0]).map(|_| ())
}

/// Forgets those that are long over.
pub(super) fn forget(connection: &Connection, now: Wall) {
    let before = |ago: Duration| now.0 - i64::try_from(ago.as_millis()).unwrap_or(0);
    let hour = Duration::from_secs(3_600);
    let old = [
        ("DELETE FROM sessions WHERE until <= ?1", before(hour)),
        ("DELETE FROM revocations WHERE at <= ?1", before(desk::LONGEST_LIFE + hour)),
    ];
    for (sql, before) in old {
        if let Err(error) = connection.execute(sql, params![before]) {
            tracing::warn!(%error, "old sessions and revocations were not forgotten");
        }
    }
}

impl SqliteArchive {
    pub(super) fn read_sessions(&self, now: Wall) -> Result<Vec<StoredSession>, StoreError> {
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let sql = "SELECT business_id, representative, wish, until FROM sessions WHERE until > ?1
                       ORDER BY business_id, representative";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let mut rows = statement.query(params![now.0]).map_err(fail)?;
            let mut sessions = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                let text = |at| row.get::<String>(at).map_err(fail);
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

    pub(super) fn read_revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let sql = "SELECT business_id, representative, at FROM revocations ORDER BY business_id, representative";
            let mut statement = connection.prepare_cached(sql).map_err(fail)?;
            let mut rows = statement.query(params![]).map_err(fail)?;
            let mut revocations = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                let text = |at| row.get::<String>(at).map_err(fail);
                let wrong = |error: &str| StoreError::row("revocations", error.to_owned());
                revocations.push(Revocation {
                    business: text(0)?.parse().map_err(|_| wrong("business_id"))?,
                    representative: text(1)?.parse().map_err(|_| wrong("representative"))?,
                    at: Wall(row.get(2).map_err(fail)?),
                });
            }
            Ok(revocations)
        })
    }
}

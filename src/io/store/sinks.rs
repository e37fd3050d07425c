//! The sinks that calls came with (Click to Dial): where to, and the access token that is shown there. Owns this SQL and when a sink is
//! forgotten; refuses to send. A row is there from the call's acceptance until its last event is settled, and not a moment longer: the token is
//! a stranger's secret.

use super::db::{self, Connection, Row, params};
use super::writer::key;
use crate::clock::Wall;
use crate::model::click_to_dial::{SinkCredential, SinkToken};
use crate::model::{Sink, StoredCall};

/// In the transaction that accepts the call.
pub(super) fn insert(connection: &Connection, call: &StoredCall) -> db::Result<()> {
    let Some(sink) = call.message.click_to_dial.as_ref().and_then(|asked| asked.sink.as_ref()) else { return Ok(()) };
    let token = sink.credential.as_ref().map(|credential| credential.token.expose());
    let expires_at = sink.credential.as_ref().map(|credential| credential.expires_at.0);
    let sql = "INSERT INTO sinks (call_id, url, token, expires_at) SELECT ?1, ?2, ?3, ?4
               WHERE NOT EXISTS (SELECT 1 FROM records WHERE id = ?1) ON CONFLICT (call_id) DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![key(call.id), sink.url.as_str(), token, expires_at])?;
    Ok(())
}

/// An event of this call was settled: its sink goes where it was the last one of a call that is over, or where the sink wants no more.
pub(super) fn settled(connection: &Connection, business: &str, call: [u8; 16], gone: bool) -> db::Result<()> {
    let sql = "DELETE FROM sinks WHERE call_id = ?2 AND (?3 OR (NOT EXISTS (SELECT 1 FROM calls WHERE id = ?2)
               AND NOT EXISTS (SELECT 1 FROM outbox WHERE business_id = ?1 AND way = 1 AND subject = ?2 AND +state < 2)))";
    connection.prepare_cached(sql)?.execute(params![business, call, gone]).map(|_| ())
}

/// A sink in the columns url, token, expires_at from here on. One that cannot be read is none: nothing could be sent to it.
pub(super) fn of_row(row: &Row<'_>, at: usize) -> db::Result<Option<Sink>> {
    let (url, token): (Option<String>, Option<String>) = (row.get(at)?, row.get(at + 1)?);
    let expires_at: Option<i64> = row.get(at + 2)?;
    let Some(url) = url.and_then(|url| url.parse().ok()) else { return Ok(None) };
    let credential = match token.zip(expires_at) {
        None => None,
        Some((token, at)) => match SinkToken::try_from(token) {
            Ok(token) => Some(SinkCredential { token, expires_at: Wall(at) }),
            Err(_) => return Ok(None),
        },
    };
    Ok(Some(Sink { url, credential }))
}

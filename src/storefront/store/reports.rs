//! What representatives send back of calls that is no order: complaints, which wait in a queue until somebody has handled them, and other
//! information (614, 616). Owns their table.

use rusqlite::{Connection, Row, Transaction, params};

use crate::clock::Wall;

/// A complaint or other information.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Wall,
    /// It is a complaint.
    pub complaint: bool,
    /// The representative's words.
    pub body: String,
    /// Who wrote them.
    pub representative: String,
    /// Who had called for them: name or number.
    pub customer: String,
    /// Somebody has handled it.
    pub handled: bool,
}

impl Report {
    fn read(row: &Row<'_>) -> rusqlite::Result<Report> {
        Ok(Report {
            id: row.get("id")?,
            at: Wall(row.get("created_at")?),
            complaint: row.get::<_, String>("kind")? == "complaint",
            body: row.get("body")?,
            representative: row.get("representative")?,
            customer: row.get("customer")?,
            handled: row.get::<_, Option<i64>>("handled_at")?.is_some(),
        })
    }
}

/// Stores one.
pub fn add(
    transaction: &Transaction<'_>,
    now: Wall,
    complaint: bool,
    body: &str,
    representative: &str,
    request: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO reports (created_at, kind, body, representative, request) VALUES (?1, ?2, ?3, ?4, ?5)";
    let kind = if complaint { "complaint" } else { "other" };
    transaction.execute(sql, params![now.0, kind, body, representative, request])?;
    Ok(())
}

/// Open complaints in the order of coming, then the newest of all else.
pub fn all(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<Report>> {
    let sql = "SELECT reports.*, coalesce(customers.name, requests.address) AS customer FROM reports \
        JOIN requests ON requests.id = reports.request LEFT JOIN customers ON customers.id = requests.customer \
        ORDER BY NOT (kind = 'complaint' AND handled_at IS NULL), \
        CASE WHEN kind = 'complaint' AND handled_at IS NULL THEN reports.id ELSE -reports.id END LIMIT ?1";
    connection.prepare_cached(sql)?.query_map([limit], Report::read)?.collect()
}

/// Somebody has handled a complaint.
pub fn handled(transaction: &Transaction<'_>, id: i64, by: &str, now: Wall) -> rusqlite::Result<()> {
    let sql = "UPDATE reports SET handled_at = ?2, handled_by = ?3 WHERE id = ?1 AND handled_at IS NULL";
    transaction.execute(sql, params![id, now.0, by])?;
    Ok(())
}

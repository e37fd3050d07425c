//! The database file: how it is opened, and the migrations that bring any earlier one to today's schema. Owns the SQL of the
//! tables; refuses a file from the future.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::StoreError;

/// One step each; a step is never edited once it was released.
pub(super) const MIGRATIONS: [&str; 10] = [
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta (key, value) VALUES ('generation', 1);
    CREATE TABLE businesses (
        id TEXT PRIMARY KEY,
        enabled INTEGER NOT NULL,
        password_hash TEXT NOT NULL,
        account TEXT NOT NULL
    ) WITHOUT ROWID;
    -- Accepted calls without a record. Identifiers are UUIDs of version 7: in the order of creation.
    CREATE TABLE calls (
        id BLOB PRIMARY KEY,
        business_id TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        reference TEXT,
        message TEXT NOT NULL,
        progress TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE records (
        id BLOB PRIMARY KEY,
        business_id TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        reference TEXT,
        record TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX records_of_business ON records (business_id, id);
    CREATE TABLE attempts (
        call_id BLOB NOT NULL,
        attempt INTEGER NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (call_id, attempt)
    ) WITHOUT ROWID;
    CREATE TABLE idempotency (
        business_id TEXT NOT NULL,
        key TEXT NOT NULL,
        body_hash TEXT NOT NULL,
        call_id BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (business_id, key)
    ) WITHOUT ROWID;
    CREATE INDEX idempotency_by_age ON idempotency (created_at);
",
    "
    -- Row numbers grow with time: the oldest are found without an index.
    CREATE TABLE ladders (
        call_id BLOB NOT NULL UNIQUE,
        business_id TEXT NOT NULL,
        stored_at INTEGER NOT NULL,
        ladder TEXT NOT NULL
    );
",
    "
    -- What direct call requests are counted by, while they count.
    CREATE TABLE direct_requests (
        call_id BLOB PRIMARY KEY,
        created_at INTEGER NOT NULL,
        until INTEGER NOT NULL,
        marks TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX direct_requests_by_end ON direct_requests (until);
",
    "
    -- Events for webhooks. Row numbers grow with time. state: 0 can be sent, 1 stands behind another of its call, 2 taken, 3 given up.
    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY,
        business_id TEXT NOT NULL,
        subject BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        kind TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        since INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        state INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        settled_at INTEGER,
        status INTEGER,
        problem TEXT,
        body TEXT NOT NULL,
        UNIQUE (business_id, subject, sequence)
    );
    CREATE INDEX outbox_open ON outbox (business_id, state, due_at) WHERE state < 2;
    CREATE INDEX outbox_dead ON outbox (business_id, subject, sequence) WHERE state = 3;
",
    "
    -- Events go two ways now: 0 to the business's webhook, 1 to the sink that their call came with. A call's order is kept on each.
    ALTER TABLE outbox RENAME TO outbox_of_webhooks;
    DROP INDEX outbox_open;
    DROP INDEX outbox_dead;
    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY,
        business_id TEXT NOT NULL,
        way INTEGER NOT NULL,
        subject BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        kind TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        since INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        state INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        settled_at INTEGER,
        status INTEGER,
        problem TEXT,
        body TEXT NOT NULL,
        UNIQUE (business_id, way, subject, sequence)
    );
    INSERT INTO outbox SELECT number, business_id, 0, subject, sequence, kind, created_at, since, due_at, state, attempts,
        settled_at, status, problem, body FROM outbox_of_webhooks;
    DROP TABLE outbox_of_webhooks;
    CREATE INDEX outbox_open ON outbox (business_id, way, state, due_at) WHERE state < 2;
    CREATE INDEX outbox_dead ON outbox (business_id, way, subject, sequence) WHERE state = 3;
    -- Where the events of one call go, until the last of them is settled.
    CREATE TABLE sinks (
        call_id BLOB PRIMARY KEY,
        url TEXT NOT NULL,
        token TEXT,
        expires_at INTEGER
    ) WITHOUT ROWID;
",
    "
    ALTER TABLE businesses ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
    -- Who changed an account, and what. Numbers grow with time and are never used again.
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        business_id TEXT,
        entry TEXT NOT NULL
    );
    CREATE INDEX audit_of_business ON audit (business_id, number);
    CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit BEGIN
        SELECT RAISE(ABORT, 'the audit trail is append-only');
    END;
",
    "
    -- What records are summed by: when the call was wanted, billed seconds of all its legs, its price.
    ALTER TABLE records ADD COLUMN due_at INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE records ADD COLUMN billed_seconds INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE records ADD COLUMN price_micros INTEGER NOT NULL DEFAULT 0;
    UPDATE records SET
        due_at = max(created_at, coalesce(unixepoch(json_extract(record, '$.desired_contact_time')) * 1000, created_at)),
        billed_seconds = coalesce(json_extract(record, '$.customer_billable_seconds'), 0)
            + coalesce(json_extract(record, '$.representative_billable_seconds'), 0)
            + coalesce(json_extract(record, '$.supervisor_billable_seconds'), 0),
        price_micros = coalesce(json_extract(record, '$.price_micros'), 0);
    CREATE INDEX records_by_day ON records (due_at, business_id, billed_seconds, price_micros);
",
    "
    -- Calls that were rated anew. A record keeps what it said when the call was over; its columns billed_seconds and price_micros are
    -- what is in force: what the last adjustment of the call says.
    CREATE TABLE adjustments (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        call_id BLOB NOT NULL,
        business_id TEXT NOT NULL,
        at INTEGER NOT NULL,
        old_seconds INTEGER NOT NULL,
        old_micros INTEGER NOT NULL,
        new_seconds INTEGER NOT NULL,
        new_micros INTEGER NOT NULL,
        adjustment TEXT NOT NULL
    );
    CREATE INDEX adjustments_of_call ON adjustments (call_id, number);
    CREATE TRIGGER adjustments_are_append_only BEFORE UPDATE ON adjustments BEGIN
        SELECT RAISE(ABORT, 'adjustments are append-only');
    END;
    CREATE TRIGGER adjustments_are_kept BEFORE DELETE ON adjustments BEGIN
        SELECT RAISE(ABORT, 'adjustments are kept');
    END;
    ",
    "
    -- Representatives who are logged on.
    CREATE TABLE sessions (
        business_id TEXT NOT NULL,
        representative TEXT NOT NULL,
        wish TEXT NOT NULL,
        until INTEGER NOT NULL,
        PRIMARY KEY (business_id, representative)
    ) WITHOUT ROWID;
",
    "
    -- Amounts of two currencies are never added up.
    ALTER TABLE records ADD COLUMN currency TEXT NOT NULL DEFAULT 'USD';
    UPDATE records SET currency = coalesce(json_extract(record, '$.currency'), 'USD');
    DROP INDEX records_by_day;
    CREATE INDEX records_by_day ON records (due_at, business_id, currency, billed_seconds, price_micros);
",
];

/// A writer of another process is waited for so long.
const BUSY: Duration = Duration::from_secs(5);

/// Opens for reading and writing, makes the file and its tables where they are missing.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let fail = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let mut connection = Connection::open(path).map_err(fail)?;
    connection.busy_timeout(BUSY).map_err(fail)?;
    // FULL: the log is on the disk before a commit returns.
    connection.pragma_update(None, "journal_mode", "wal").map_err(fail)?;
    connection.pragma_update(None, "synchronous", "full").map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(path, &mut connection)?;
    Ok(connection)
}

/// Opens for reading what [`open`] has made.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let fail = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection.busy_timeout(BUSY).map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn migrate(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    let fail = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version(connection).map_err(fail)? == known {
        return Ok(());
    }
    // Asked again under the lock: two processes may have found the same old file.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let found = version(&transaction).map_err(fail)?;
    if found > known || found < 0 {
        return Err(StoreError::FutureVersion { path: path.to_owned(), found, known });
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction.execute_batch(step).map_err(fail)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(fail)?;
    transaction.commit().map_err(fail)
}

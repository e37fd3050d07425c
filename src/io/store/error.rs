//! What can be wrong with the store, and the mend. Owns the translation of both databases' codes; refuses to retry.

use rusqlite::ErrorCode;

use super::db::Error;

/// Why the store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Missing folder, no permission, not a file.
    #[error(
        "the store {place} cannot be opened: {why}\n    mend: see that its folder exists and that this user may write there"
    )]
    CannotOpen {
        /// The database.
        place: String,
        /// The system's words.
        why: String,
    },
    /// Not a SQLite file, or damaged.
    #[error(
        "the store {place} is damaged or is no store: {why}\n    mend: stop callbridge, keep a copy, and bring back a \
         backup, or rescue what is left with: sqlite3 {place} .recover"
    )]
    Corrupt {
        /// The database.
        place: String,
        /// SQLite's words.
        why: String,
    },
    /// Another program holds it for longer than is waited.
    #[error("the store {place} is locked by another program\n    mend: end the program that holds it (fuser {place})")]
    Locked {
        /// The database.
        place: String,
    },
    /// A daemon runs on it already.
    #[error(
        "another callbridge serves from the store {place}\n    mend: end it first, or give this one a store of its own"
    )]
    InUse {
        /// The database.
        place: String,
    },
    /// While the way to the database was lost, another daemon served from it.
    #[error(
        "another callbridge has served from the store {place} meanwhile: what this one had in memory is that one's\n    mend: none is \
         needed; started again, this one takes over when the other ends"
    )]
    Superseded {
        /// The database.
        place: String,
    },
    /// Written by a later version.
    #[error(
        "the store {place} has schema version {found}, and this callbridge knows up to {known}\n    mend: use the callbridge that \
         wrote it, or a later one"
    )]
    FutureVersion {
        /// The database.
        place: String,
        /// In the file.
        found: i64,
        /// Of this program.
        known: i64,
    },
    /// No space left, or the disk fails.
    #[error(
        "the store {place} cannot be written: {why}\n    mend: free space on its disk, and look at the disk's health"
    )]
    Disk {
        /// The database.
        place: String,
        /// SQLite's words.
        why: String,
    },
    /// A row that this version cannot read.
    #[error(
        "the store holds a row of {table} that cannot be read: {why}\n    mend: report this with the callbridge version"
    )]
    Row {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The database server cannot be asked, or refuses.
    #[error("the store {place}: {why}\n    mend: {mend}")]
    Server {
        /// The database, without its password.
        place: String,
        /// What is wrong.
        why: String,
        /// What helps.
        mend: &'static str,
    },
    /// The system gives no thread.
    #[error("the store's thread cannot be started: {0}\n    mend: raise the limit of threads (ulimit -u)")]
    Thread(std::io::Error),
}

impl StoreError {
    /// What an error means for the database at `place`.
    pub(super) fn of(place: &str, error: &Error) -> StoreError {
        let (place, why) = (place.to_owned(), error.to_string());
        let code = match error {
            Error::Sqlite(error) => error.sqlite_error_code(),
            Error::Column { .. } | Error::NoRow | Error::Json(_) => return StoreError::Corrupt { place, why },
            Error::Lost(_) | Error::Doubt { .. } | Error::Postgres { .. } => {
                return StoreError::Server { place, why, mend: mend_of(error.code()) };
            }
        };
        match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { place },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { place, why },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
                StoreError::CannotOpen { place, why }
            }
            Some(ErrorCode::Unknown) => StoreError::Corrupt { place, why },
            _ => StoreError::Disk { place, why },
        }
    }

    pub(super) fn row(table: &'static str, error: impl std::fmt::Display) -> StoreError {
        StoreError::Row { table, why: error.to_string() }
    }
}

/// By the class of SQLSTATE (PostgreSQL's documentation, appendix A); none: the server was not heard.
fn mend_of(code: Option<&str>) -> &'static str {
    match code {
        None => "see that the server runs and is reached from here at that host and port: pg_isready -h HOST -p PORT",
        Some("3D000") => "make the database: createdb --encoding UTF8 --template template0 --owner ROLE DATABASE",
        Some("42501") => "make the role the owner of its database: ALTER DATABASE … OWNER TO …",
        Some("55P03") => "end the program that holds a lock for so long: see pg_stat_activity",
        Some(code) => match code.get(..2) {
            Some("28") => "see role and password in [store] url, and the server's pg_hba.conf",
            Some("57") => "wait until the server has started, and see its log",
            Some("53") => "free space or connections on the server: see its log",
            Some("0A") => "give callbridge a database on a server that can do this (docs/operations.md)",
            _ => "see the server's log",
        },
    }
}

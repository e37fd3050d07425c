//! What can be wrong with the store, and the mend. Owns the translation of SQLite's codes; refuses to retry.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Missing folder, no permission, not a file.
    #[error(
        "the store {path} cannot be opened: {why}\n    mend: see that its folder exists and that this user may write there"
    )]
    CannotOpen {
        /// The database.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// Not a SQLite file, or damaged.
    #[error(
        "the store {path} is damaged or is no store: {why}\n    mend: stop callbridge, keep a copy, and bring back a \
         backup, or rescue what is left with: sqlite3 {path} .recover"
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        why: String,
    },
    /// Another program holds it for longer than is waited.
    #[error("the store {path} is locked by another program\n    mend: end the program that holds it (fuser {path})")]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// A daemon runs on it already.
    #[error(
        "another callbridge serves from the store {path}\n    mend: end it first, or give this one a store of its own"
    )]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// Written by a later version.
    #[error(
        "the store {path} has schema version {found}, and this callbridge knows up to {known}\n    mend: use the callbridge that \
         wrote it, or a later one"
    )]
    FutureVersion {
        /// The database.
        path: PathBuf,
        /// In the file.
        found: i64,
        /// Of this program.
        known: i64,
    },
    /// No space left, or the disk fails.
    #[error(
        "the store {path} cannot be written: {why}\n    mend: free space on its disk, and look at the disk's health"
    )]
    Disk {
        /// The database.
        path: PathBuf,
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
    /// The system gives no thread.
    #[error("the store's thread cannot be started: {0}\n    mend: raise the limit of threads (ulimit -u)")]
    Thread(std::io::Error),
}

impl StoreError {
    /// What SQLite's error means for the database at `path`.
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> StoreError {
        let (path, why) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { path, why },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
                StoreError::CannotOpen { path, why }
            }
            Some(ErrorCode::Unknown) => StoreError::Corrupt { path, why },
            _ => StoreError::Disk { path, why },
        }
    }

    pub(super) fn row(table: &'static str, error: impl std::fmt::Display) -> StoreError {
        StoreError::Row { table, why: error.to_string() }
    }
}

//! What can go wrong with a statement, whichever database it is. Owns the distinction that matters afterwards: the database said no, or it is
//! not known to have heard.

use tokio_postgres::error::{Severity, SqlState};

/// What a statement gives.
pub(in super::super) type Result<T> = std::result::Result<T, Error>;

/// Why a statement came to nothing.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Error {
    /// SQLite's word.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL's word: its code and its message, without the rows that its details show.
    #[error("{message} (SQLSTATE {code})")]
    Postgres {
        /// Five letters or digits.
        code: String,
        /// The server's words.
        message: String,
    },
    /// The connection is gone, or was not answered in time. Whether a commit happened is then not known.
    #[error("the connection to the database is lost: {0}")]
    Lost(String),
    /// The answer to a commit was lost with the connection; whether this number stands in the database tells.
    #[error("the connection was lost while committing: {why}")]
    Doubt {
        /// The transaction.
        xid: String,
        /// What broke.
        why: String,
    },
    /// A first row was wanted, and there is none.
    #[error("there is no such row")]
    NoRow,
    /// The column is not of the type that is wanted.
    #[error("column {at} holds no {wanted}")]
    Column {
        /// Which, from 0.
        at: usize,
        /// What was wanted.
        wanted: &'static str,
    },
    /// A value could not be written as JSON.
    #[error("cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// Of a session that was not opened: what the server said counts, or that nothing was heard.
    pub(super) fn refused(error: &tokio_postgres::Error) -> Error {
        match error.as_db_error() {
            Some(said) => Error::Postgres { code: said.code().code().to_owned(), message: said.message().to_owned() },
            None => Error::Lost(with_causes(error)),
        }
    }

    pub(super) fn postgres(error: &tokio_postgres::Error) -> Error {
        match error.as_db_error() {
            Some(said) => {
                let (code, message) = (said.code().code().to_owned(), said.message().to_owned());
                let fatal = matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
                match fatal || *said.code() == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT {
                    true => Error::Lost(format!("{message} (SQLSTATE {code})")),
                    false => Error::Postgres { code, message },
                }
            }
            None => Error::Lost(with_causes(error)),
        }
    }

    /// The server's code.
    pub(in super::super) fn code(&self) -> Option<&str> {
        match self {
            Error::Postgres { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// An error and what it comes from, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A row that may be missing.
pub(in super::super) trait OptionalExtension<T> {
    /// None where there is no row.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExtension<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(Error::NoRow) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

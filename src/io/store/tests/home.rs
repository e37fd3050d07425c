//! Where a story's store is: a SQLite file or a PostgreSQL database, each new. A story is told once and played on both.

use crate::config::StorePlace;
use std::path::Path;

#[path = "../../../../tests/support/postgres.rs"]
#[allow(dead_code, reason = "the integration tests use more of it")]
pub(in super::super) mod postgres;

/// A place for one store.
pub(in super::super) struct Home {
    /// Where it is.
    pub place: StorePlace,
    _folder: Option<tempfile::TempDir>,
}

/// Plays each story on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test]
            fn $story() {
                super::$story(&$crate::io::store::tests::home::Home::sqlite());
            })*
        }
        mod on_postgres {
            $(#[test]
            fn $story() {
                super::$story(&$crate::io::store::tests::home::Home::postgres());
            })*
        }
    };
}
pub(in super::super) use on_both;

/// The place that a URL names.
pub(super) fn place(url: &str) -> StorePlace {
    StorePlace::parse(url, Path::new("")).unwrap()
}

impl Home {
    pub(in super::super) fn sqlite() -> Home {
        let folder = tempfile::tempdir().unwrap();
        Home { place: StorePlace::Sqlite(folder.path().join("callbridge.db")), _folder: Some(folder) }
    }

    pub(in super::super) fn postgres() -> Home {
        Home { place: place(&postgres::shared().database()), _folder: None }
    }

    /// Does something to the tables behind the store's back; `NUMBER` is the column that grows with time.
    pub(in super::super) fn sql(&self, sql: &str) -> Result<(), String> {
        match &self.place {
            StorePlace::Sqlite(path) => {
                let file = rusqlite::Connection::open(path).unwrap();
                file.execute_batch(&sql.replace("NUMBER", "rowid")).map_err(|error| error.to_string())
            }
            StorePlace::Postgres(_) => {
                let database = super::super::database::Database::new(self.place.clone()).unwrap();
                let connection = database.open_again().unwrap();
                connection.execute_batch(&sql.replace("NUMBER", "number")).map_err(|error| error.to_string())
            }
        }
    }
}

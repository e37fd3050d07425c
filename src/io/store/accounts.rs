//! The businesses in the store, and the generation that tells a daemon of a change. Owns their SQL; refuses to hash or verify
//! passwords.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::{SqliteArchive, StoreError};
use crate::model::business::PasswordHash;
use crate::model::webhook::WebhookState;
use crate::model::{Business, BusinessId, Directory, WebhookUrl};

const COLUMNS: &str = "account, enabled, password_hash";

impl SqliteArchive {
    pub(super) fn read_generation(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let sql = "SELECT value FROM meta WHERE key = 'generation'";
            let read = connection.prepare_cached(sql).and_then(|mut s| s.query_row([], |row| row.get(0)));
            read.map_err(|error| self.fail(&error))
        })
    }

    pub(super) fn read_directory(&self) -> Result<Directory, StoreError> {
        self.read(|connection| {
            let fail = |error: rusqlite::Error| self.fail(&error);
            let mut statement =
                connection.prepare_cached(&format!("SELECT {COLUMNS} FROM businesses")).map_err(fail)?;
            let mut rows = statement.query([]).map_err(fail)?;
            let mut directory = Directory::default();
            while let Some(row) = rows.next().map_err(fail)? {
                let business = business_of(row).map_err(fail)??;
                directory.businesses.insert(business.id.clone(), Arc::new(business));
            }
            Ok(directory)
        })
    }

    pub(super) fn read_business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM businesses WHERE id = ?1");
            let found = connection
                .prepare_cached(&sql)
                .and_then(|mut statement| statement.query_row([id.as_str()], business_of).optional());
            found.map_err(|error| self.fail(&error))?.transpose()
        })
    }

    pub(super) fn insert_business(&self, business: &Business, replace: bool) -> Result<bool, StoreError> {
        let account = serde_json::to_string(business).map_err(|error| StoreError::row("businesses", error))?;
        let conflict = if replace {
            "DO UPDATE SET enabled = excluded.enabled, password_hash = excluded.password_hash, account = excluded.account"
        } else {
            "DO NOTHING"
        };
        let sql = format!(
            "INSERT INTO businesses (id, enabled, password_hash, account) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) {conflict}"
        );
        self.change(|connection| {
            let values = params![business.id.as_str(), business.enabled, business.password_hash.0, account];
            connection.execute(&sql, values)
        })
    }

    pub(super) fn update_enabled(&self, id: &BusinessId, enabled: bool) -> Result<bool, StoreError> {
        let sql = "UPDATE businesses SET enabled = ?2 WHERE id = ?1";
        self.change(|connection| connection.execute(sql, params![id.as_str(), enabled]))
    }

    pub(super) fn update_password(&self, id: &BusinessId, hash: &PasswordHash) -> Result<bool, StoreError> {
        let sql = "UPDATE businesses SET password_hash = ?2 WHERE id = ?1";
        self.change(|connection| connection.execute(sql, params![id.as_str(), hash.0]))
    }

    /// The webhook at this address wants no more. False: the account has another one, or none.
    pub fn webhook_gone(&self, id: &BusinessId, url: &WebhookUrl) -> Result<bool, StoreError> {
        self.change(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM businesses WHERE id = ?1");
            // An account that cannot be read is told of where it is needed.
            let found = connection.query_row(&sql, [id.as_str()], business_of).optional()?.and_then(Result::ok);
            let Some(mut business) = found else { return Ok(0) };
            match &mut business.webhook {
                Some(webhook) if webhook.url == *url && webhook.is_enabled() => webhook.state = WebhookState::Gone,
                _ => return Ok(0),
            }
            let account = serde_json::to_string(&business);
            let account = account.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            let sql = "UPDATE businesses SET account = ?2 WHERE id = ?1";
            connection.execute(sql, params![id.as_str(), account])
        })
    }

    /// One change of one account, with the generation, in one transaction. False: nothing was touched.
    pub(super) fn change(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<usize>) -> Result<bool, StoreError> {
        self.write(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let touched = work(&transaction)? > 0;
            if touched {
                transaction.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'", [])?;
            }
            transaction.commit()?;
            Ok(touched)
        })
    }
}

/// The columns of their own are what counts; the copies inside the account's JSON may be older.
fn business_of(row: &Row<'_>) -> rusqlite::Result<Result<Business, StoreError>> {
    let account: String = row.get(0)?;
    let (enabled, password_hash) = (row.get(1)?, PasswordHash(row.get(2)?));
    let business = serde_json::from_str::<Business>(&account).map_err(|error| StoreError::row("businesses", error));
    Ok(business.map(|business| Business { enabled, password_hash, ..business }))
}

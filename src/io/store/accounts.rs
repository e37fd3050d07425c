//! The businesses in the store, and the generation that tells a daemon of a change. Owns their SQL and the one way in which an account changes:
//! read, changed, judged, written and told to the audit trail in one transaction. Refuses to hash or verify passwords.

use std::sync::Arc;

use super::db::{self, Connection, OptionalExtension, Row, params};
use super::{SqliteArchive, StoreError, audit};
use crate::clock::Wall;
use crate::model::account::{self, Problems};
use crate::model::audit::differences;
use crate::model::business::PasswordHash;
use crate::model::webhook::WebhookState;
use crate::model::{Actor, AuditAction, AuditEntry, Business, BusinessId, Directory, FieldChange, WebhookUrl, Who};

const COLUMNS: &str = "account, enabled, password_hash";

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is none.
    #[error("there is no business {0}\n    mend: `callbridge business list` shows those that are there")]
    Unknown(BusinessId),
    /// There is one.
    #[error(
        "there is a business {0} already\n    mend: `callbridge business change` changes it, `set-password` its password"
    )]
    Exists(BusinessId),
    /// It is not the version that was to be changed.
    #[error("this account was changed meanwhile")]
    Stale,
    /// It cannot be so.
    #[error("{0}")]
    Fields(#[from] Problems),
}

/// An account and how often it was changed.
#[derive(Clone, PartialEq, Debug)]
pub struct Versioned {
    /// The account.
    pub business: Business,
    /// Grows with each change of this account.
    pub version: i64,
}

impl SqliteArchive {
    pub(super) fn read_generation(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let sql = "SELECT value FROM meta WHERE key = 'generation'";
            let read = connection.prepare_cached(sql).and_then(|mut s| s.query_row(params![], |row| row.get(0)));
            read.map_err(|error| self.fail(&error))
        })
    }

    pub(super) fn read_directory(&self) -> Result<Directory, StoreError> {
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let mut statement =
                connection.prepare_cached(&format!("SELECT {COLUMNS} FROM businesses")).map_err(fail)?;
            let mut rows = statement.query(params![]).map_err(fail)?;
            let mut directory = Directory::default();
            while let Some(row) = rows.next().map_err(fail)? {
                let business = business_of(&row).map_err(fail)??;
                directory.businesses.insert(business.id.clone(), Arc::new(business));
            }
            Ok(directory)
        })
    }

    /// One account with its version.
    pub fn account(&self, id: &BusinessId) -> Result<Option<Versioned>, StoreError> {
        self.read(|connection| find(connection, id).map_err(|error| self.fail(&error))?.transpose())
    }

    /// Accounts in the order of their identifiers, after `after`, at most `limit`.
    pub fn accounts(&self, after: Option<&BusinessId>, limit: usize) -> Result<Vec<Versioned>, StoreError> {
        self.read(|connection| {
            let fail = |error: db::Error| self.fail(&error);
            let sql = format!("SELECT {COLUMNS}, version FROM businesses WHERE id > ?1 ORDER BY id LIMIT ?2");
            let mut statement = connection.prepare_cached(&sql).map_err(fail)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![after.map_or("", BusinessId::as_str), limit]).map_err(fail)?;
            let mut accounts = Vec::new();
            while let Some(row) = rows.next().map_err(fail)? {
                accounts.push(versioned(&row).map_err(fail)??);
            }
            Ok(accounts)
        })
    }

    /// Adds an account.
    pub fn add_account(&self, who: &Who, business: Business) -> Result<Versioned, AccountError> {
        account::judge(&business)?;
        let id = business.id.clone();
        self.transact(|connection| {
            if find(connection, &id)?.is_some() {
                return Ok(Err(AccountError::Exists(id.clone())));
            }
            let written = Versioned { business, version: 1 };
            insert(connection, &written)?;
            told(connection, who, AuditAction::Added, None, &written.business)?;
            Ok(Ok(written))
        })
    }

    /// Changes an account: `change` gets it as it is and gives it as it is to be. `version`: only that one. What changes nothing is not
    /// written and not told.
    pub fn change_account<E: From<AccountError>>(
        &self,
        who: &Who,
        action: AuditAction,
        id: &BusinessId,
        version: Option<i64>,
        change: impl FnOnce(Business) -> Result<Business, E>,
    ) -> Result<Versioned, E> {
        self.transact(|connection| {
            let refuse = |why: AccountError| Ok(Err(E::from(why)));
            let old = match find(connection, id)? {
                None => return refuse(AccountError::Unknown(id.clone())),
                Some(Err(error)) => return refuse(AccountError::Store(error)),
                Some(Ok(old)) => old,
            };
            if version.is_some_and(|wanted| wanted != old.version) {
                return refuse(AccountError::Stale);
            }
            let business = match change(old.business.clone()) {
                Ok(business) => Business { id: id.clone(), ..business },
                Err(error) => return Ok(Err(error)),
            };
            // An account that an earlier version let pass can still be disabled and given another password.
            if action == AuditAction::Changed
                && let Err(problems) = account::judge(&business)
            {
                return refuse(AccountError::Fields(problems));
            }
            if business == old.business {
                return Ok(Ok(old));
            }
            let written = Versioned { business, version: old.version + 1 };
            insert(connection, &written)?;
            told(connection, who, action, Some(&old.business), &written.business)?;
            Ok(Ok(written))
        })
    }

    /// The webhook at this address wants no more. False: the account has another one, or none.
    pub fn webhook_gone(&self, id: &BusinessId, url: &WebhookUrl, at: Wall) -> Result<bool, StoreError> {
        let mut touched = false;
        let who = Who { actor: Actor::Webhook, source: None, at };
        let done = self.change_account(&who, AuditAction::WebhookGone, id, None, |mut business| {
            match &mut business.webhook {
                Some(webhook) if webhook.url == *url && webhook.is_enabled() => {
                    (webhook.state, touched) = (WebhookState::Gone, true);
                }
                _ => {}
            }
            Ok::<_, AccountError>(business)
        });
        match done {
            Ok(_) => Ok(touched),
            Err(AccountError::Store(error)) => Err(error),
            // An account that is no more, or that a later version judges otherwise.
            Err(_) => Ok(false),
        }
    }

    /// One change with the generation, in one transaction; nothing of it stays where it is refused.
    fn transact<T, E: From<AccountError>>(
        &self,
        work: impl FnOnce(&Connection) -> db::Result<Result<T, E>>,
    ) -> Result<T, E> {
        let done = self.write(|connection| {
            let transaction = connection.immediate()?;
            let verdict = work(&transaction)?;
            if verdict.is_ok() {
                transaction.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'", params![])?;
                transaction.commit()?;
            }
            Ok(verdict)
        });
        done.map_err(|error| E::from(AccountError::Store(error)))?
    }

    /// One change of rows besides the accounts, with the generation, in one transaction. False: nothing was touched.
    pub(super) fn change(&self, work: impl FnOnce(&Connection) -> db::Result<usize>) -> Result<bool, StoreError> {
        self.write(|connection| {
            let transaction = connection.immediate()?;
            let touched = work(&transaction)? > 0;
            if touched {
                transaction.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'", params![])?;
            }
            transaction.commit()?;
            Ok(touched)
        })
    }
}

/// The entry of a change.
fn told(
    connection: &Connection,
    who: &Who,
    action: AuditAction,
    old: Option<&Business>,
    new: &Business,
) -> db::Result<()> {
    // Of a new account what is not as in any new account.
    let fresh = Business::new(new.id.clone(), "", PasswordHash(String::new()));
    let before = account::shown(old.unwrap_or(&fresh), who.at);
    let mut changes = differences(&before, &account::shown(new, who.at));
    changes.extend(account::secrets_changed(old, new).into_iter().map(FieldChange::secret));
    let entry = AuditEntry {
        at: who.at,
        actor: who.actor.clone(),
        source: who.source,
        business_id: Some(new.id.clone()),
        action,
        changes,
    };
    audit::insert(connection, &entry)
}

fn insert(connection: &Connection, Versioned { business, version }: &Versioned) -> db::Result<()> {
    let account = serde_json::to_string(business);
    let account = account.map_err(db::Error::from)?;
    let sql = "INSERT INTO businesses (id, enabled, password_hash, account, version) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (id) DO UPDATE SET enabled = excluded.enabled, password_hash = excluded.password_hash,
                   account = excluded.account, version = excluded.version";
    let values = params![business.id.as_str(), business.enabled, business.password_hash.0, account, version];
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

fn find(connection: &Connection, id: &BusinessId) -> db::Result<Option<Result<Versioned, StoreError>>> {
    let sql = format!("SELECT {COLUMNS}, version FROM businesses WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row(params![id.as_str()], versioned).optional()
}

fn versioned(row: &Row<'_>) -> db::Result<Result<Versioned, StoreError>> {
    let version = row.get(3)?;
    Ok(business_of(row)?.map(|business| Versioned { business, version }))
}

/// The columns of their own are what counts; the copies inside the account's JSON may be older.
fn business_of(row: &Row<'_>) -> db::Result<Result<Business, StoreError>> {
    let account: String = row.get(0)?;
    let (enabled, password_hash) = (row.get(1)?, PasswordHash(row.get(2)?));
    let business = serde_json::from_str::<Business>(&account).map_err(|error| StoreError::row("businesses", error));
    Ok(business.map(|business| Business { enabled, password_hash, ..business }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::store::AuditFilter;
    use crate::io::store::tests::home::{Home, on_both};
    use crate::model::business::FormerPassword;

    on_both! {
        a_change_is_written_with_its_entry_and_a_refused_one_with_neither,
        an_account_that_was_changed_meanwhile_is_not_overwritten,
        a_former_password_and_its_end_outlive_the_process,
        the_trail_takes_entries_and_lets_none_be_rewritten,
    }

    fn who() -> Who {
        let actor = Actor::Operator { name: "anna".into() };
        Who { actor, source: "192.0.2.7".parse().ok(), at: Wall(1_764_550_000_000) }
    }

    fn abc() -> Business {
        Business::new("abc".parse().unwrap(), "ABC", PasswordHash("$argon2id$one".into()))
    }

    fn trail(archive: &SqliteArchive) -> Vec<AuditEntry> {
        let found = archive.audit(&AuditFilter { limit: 100, ..AuditFilter::default() }).unwrap();
        found.into_iter().map(|one| one.entry).collect()
    }

    fn a_change_is_written_with_its_entry_and_a_refused_one_with_neither(home: &Home) {
        let archive = SqliteArchive::open(&home.place).unwrap();
        let id = abc().id;
        archive.add_account(&who(), abc()).unwrap();
        let change = |max_concurrent| {
            archive.change_account(&who(), AuditAction::Changed, &id, None, |mut old| {
                old.limits.max_concurrent = max_concurrent;
                Ok::<_, AccountError>(old)
            })
        };
        assert_eq!(change(7).unwrap().version, 2);
        assert!(matches!(change(9_000_000), Err(AccountError::Fields(_))));
        assert_eq!(change(7).unwrap().version, 2, "what changes nothing is no change");
        assert_eq!(archive.account(&id).unwrap().unwrap().business.limits.max_concurrent, 7);
        let trail = trail(&archive);
        assert_eq!(trail.len(), 2);
        let [change] = trail[0].changes.as_slice() else { panic!("{trail:?}") };
        assert_eq!(
            (change.field.as_str(), &change.old, &change.new),
            ("limits.max_concurrent", &100.into(), &7.into())
        );
        assert_eq!((trail[0].actor.clone(), trail[0].source), (who().actor, who().source));
    }

    fn an_account_that_was_changed_meanwhile_is_not_overwritten(home: &Home) {
        let archive = SqliteArchive::open(&home.place).unwrap();
        let id = abc().id;
        archive.add_account(&who(), abc()).unwrap();
        let rename = |version, name: &str| {
            archive.change_account(&who(), AuditAction::Changed, &id, Some(version), |old| {
                Ok::<_, AccountError>(Business { name: name.to_owned(), ..old })
            })
        };
        assert_eq!(rename(1, "First").unwrap().version, 2);
        assert!(matches!(rename(1, "Second"), Err(AccountError::Stale)));
        assert_eq!(archive.account(&id).unwrap().unwrap().business.name, "First");
    }

    fn a_former_password_and_its_end_outlive_the_process(home: &Home) {
        let archive = SqliteArchive::open(&home.place).unwrap();
        let id = abc().id;
        archive.add_account(&who(), abc()).unwrap();
        let until = who().at + std::time::Duration::from_secs(60);
        archive
            .change_account(&who(), AuditAction::PasswordRotated, &id, None, |mut old| {
                old.rotate_password(PasswordHash("$argon2id$two".into()), until);
                Ok::<_, AccountError>(old)
            })
            .unwrap();
        drop(archive);
        let archive = SqliteArchive::open(&home.place).unwrap();
        let business = archive.account(&id).unwrap().unwrap().business;
        assert_eq!(business.password_hash.0, "$argon2id$two");
        let former = FormerPassword { hash: PasswordHash("$argon2id$one".into()), until };
        assert_eq!(business.former_password_at(who().at), Some(&former));
        assert_eq!(business.former_password_at(until), None);
        let trail = trail(&archive);
        let text = serde_json::to_string(&trail).unwrap();
        assert!(!text.contains("argon2id"), "{text}");
        assert!(trail[0].changes.contains(&FieldChange::secret("password")));
    }

    fn the_trail_takes_entries_and_lets_none_be_rewritten(home: &Home) {
        let archive = SqliteArchive::open(&home.place).unwrap();
        archive.add_account(&who(), abc()).unwrap();
        let rewritten = archive.write(|connection| connection.execute("UPDATE audit SET at = 0", params![]));
        assert!(rewritten.unwrap_err().to_string().contains("append-only"));
        let kept = std::time::Duration::from_secs(60);
        let forget = |now| archive.write(|connection| Ok(audit::forget(connection, kept, now))).unwrap();
        assert!(!forget(who().at));
        assert_eq!(trail(&archive).len(), 1);
        forget(who().at + kept + kept);
        assert!(trail(&archive).is_empty());
    }
}

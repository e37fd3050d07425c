//! Businesses that the configuration file names are put into an empty place of the store. Owns reading their password files;
//! refuses to change an account that is there already (`callbridge business` does).

use std::path::PathBuf;

use super::{AccountError, Archive, SqliteArchive, StoreError};
use crate::clock::Wall;
use crate::config::{BusinessSeed, SeedPassword};
use crate::io::passwords::hash_password;
use crate::model::{Actor, Business, Who};

/// Why a business of the file could not be put into the store.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The account cannot be so.
    #[error("business {id}: {why}")]
    Account {
        /// Which business.
        id: String,
        /// What is wrong.
        why: AccountError,
    },
    /// The password file cannot be read, or its first line is empty.
    #[error(
        "business {id}: password_file {path}: {why}\n    mend: write the password into the first line of that file"
    )]
    PasswordFile {
        /// Which business.
        id: String,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The password is refused.
    #[error("business {id}: {why}\n    mend: choose another password")]
    Password {
        /// Which business.
        id: String,
        /// What is wrong.
        why: String,
    },
}

/// Adds those that are not there, and says how many. Hashing a password takes tens of milliseconds.
pub fn seed_businesses(archive: &SqliteArchive, seeds: &[BusinessSeed], at: Wall) -> Result<usize, SeedError> {
    let mut added = 0;
    for seed in seeds {
        if archive.business(&seed.id)?.is_some() {
            continue;
        }
        let password_hash = match &seed.password {
            SeedPassword::Hash(hash) => hash.clone(),
            SeedPassword::File(path) => {
                let (id, path) = (seed.id.to_string(), path.clone());
                let text = std::fs::read_to_string(&path);
                let password = match &text {
                    Ok(text) => text.lines().next().unwrap_or_default(),
                    Err(error) => return Err(SeedError::PasswordFile { id, path, why: error.to_string() }),
                };
                if password.is_empty() {
                    return Err(SeedError::PasswordFile { id, path, why: "its first line is empty".to_owned() });
                }
                hash_password(password).map_err(|error| SeedError::Password { id, why: error.to_string() })?
            }
        };
        let business = Business {
            limits: seed.limits,
            tariff: seed.tariff,
            tariff_name: seed.tariff_name.clone(),
            caller_ids: seed.caller_ids.clone(),
            recording: seed.recording,
            gates: seed.gates,
            voice: seed.voice.clone(),
            direct: seed.direct.clone(),
            staffing: seed.staffing.clone(),
            webhook: seed.webhook.clone(),
            sources: seed.sources.clone(),
            certificates: seed.certificates.clone(),
            guard: seed.guard.clone(),
            contact: seed.contact.clone(),
            ..Business::new(seed.id.clone(), seed.name.clone(), password_hash)
        };
        let who = Who { actor: Actor::Configuration, source: None, at };
        match archive.add_account(&who, business) {
            Ok(_) => added += 1,
            // Somebody was quicker.
            Err(AccountError::Exists(_)) => {}
            Err(AccountError::Store(error)) => return Err(SeedError::Store(error)),
            Err(why) => return Err(SeedError::Account { id: seed.id.to_string(), why }),
        }
    }
    Ok(added)
}

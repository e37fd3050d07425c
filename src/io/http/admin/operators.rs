//! Operators: who they are, how they show it (HTTP Basic, or the token of a session as bearer or cookie) and what they may do. Owns these; the
//! console and the admin API share them. Refuses to keep a password: of a `password_file` its hash is made at the start.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use axum::http::{HeaderMap, header};
use ring::hmac;

use crate::access::session;
use crate::clock::Wall;
use crate::config::{OperatorConfig, OperatorRole, SeedPassword};
use crate::io::passwords::{PasswordError, check_hash, hash_password};
use crate::model::business::PasswordHash;

/// The name of the console's cookie.
const COOKIE: &str = "callbridge_session";

/// Who has shown to be an operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operator {
    /// Its name in the audit trail.
    pub name: String,
    /// What it may do.
    pub role: OperatorRole,
}

/// Why the operators of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The password file cannot be read.
    #[error("operator {name}: password_file {}: {error}\n    mend: write the password into the first line of that file", path.display())]
    File {
        /// Whose.
        name: String,
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The password or its hash is refused.
    #[error("operator {name}: {why}\n    mend: choose another password")]
    Password {
        /// Whose.
        name: String,
        /// What is wrong.
        why: PasswordError,
    },
}

/// All operators, replaced whole when the configuration is read again.
pub struct Operators {
    by_name: BTreeMap<String, (PasswordHash, OperatorRole)>,
    key: hmac::Key,
}

impl fmt::Debug for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_name.keys()).finish()
    }
}

impl Operators {
    /// Those of the configuration; sessions outlive the daemon with the store's `secret`, if their operator has its password from a
    /// `password_hash` (of a file another hash is made at each start). Hashing takes tens of milliseconds each.
    pub fn load(configured: &[OperatorConfig], secret: &[u8; 32]) -> Result<Operators, OperatorError> {
        let mut by_name = BTreeMap::new();
        for OperatorConfig { name, password, role } in configured {
            let refused = |why| OperatorError::Password { name: name.clone(), why };
            let hash = match password {
                SeedPassword::Hash(hash) => check_hash(hash).map(|()| hash.clone()).map_err(refused)?,
                SeedPassword::File(path) => {
                    let text = std::fs::read_to_string(path).map_err(|error| OperatorError::File {
                        name: name.clone(),
                        path: path.clone(),
                        error,
                    })?;
                    hash_password(text.lines().next().unwrap_or_default()).map_err(refused)?
                }
            };
            by_name.insert(name.clone(), (hash, *role));
        }
        Ok(Operators { by_name, key: hmac::Key::new(hmac::HMAC_SHA256, secret) })
    }

    /// Nobody can log in.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The hash of an operator's password.
    pub fn hash(&self, name: &str) -> Option<&PasswordHash> {
        self.by_name.get(name).map(|(hash, _)| hash)
    }

    /// An operator of this name, whose password somebody else has verified.
    pub fn named(&self, name: &str) -> Option<Operator> {
        self.by_name.get(name).map(|(_, role)| Operator { name: name.to_owned(), role: *role })
    }

    /// A session of this operator, and until when.
    pub fn session(&self, operator: &Operator, now: Wall) -> Option<(String, Wall)> {
        let until = now + session::LIFE;
        let hash = self.hash(&operator.name)?;
        Some((session::make(&self.key, &operator.name, &hash.0, until), until))
    }

    /// Whose session this token is; its role is the one that the operator has now.
    pub fn of_session(&self, token: &str, now: Wall) -> Option<Operator> {
        let hash_of = |name: &str| self.hash(name).map(|hash| hash.0.as_str());
        session::judge(&self.key, token, now, hash_of).and_then(|(name, _)| self.named(&name))
    }

    /// A `Set-Cookie` value for pages under `path`: no script reads it, no other site sends it.
    pub fn cookie(token: &str, path: &str, secure: bool) -> String {
        let (life, secure) = (session::LIFE.as_secs(), if secure { "; Secure" } else { "" });
        format!("{COOKIE}={token}; Path={path}; Max-Age={life}; HttpOnly; SameSite=Strict{secure}")
    }

    /// Whose session a request's cookie names. For pages only: the API takes no cookies, so no page of another site can use it.
    pub fn of_cookie(&self, headers: &HeaderMap, now: Wall) -> Option<Operator> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let token = pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| token)?;
        self.of_session(token, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::passwords::{Cost, hash_with};

    fn operators(password: &str) -> Operators {
        let hash = hash_with(password, Cost { memory_kib: 64, passes: 1 }).unwrap();
        let anna =
            OperatorConfig { name: "anna".into(), password: SeedPassword::Hash(hash), role: OperatorRole::Write };
        Operators::load(&[anna], &[7; 32]).unwrap()
    }

    #[test]
    fn a_session_is_shown_as_a_cookie_and_ends_with_the_password() {
        let operators = operators("x");
        let anna = operators.named("anna").unwrap();
        let (token, until) = operators.session(&anna, Wall(0)).unwrap();
        let cookie = Operators::cookie(&token, "/console", true);
        assert!(cookie.ends_with("HttpOnly; SameSite=Strict; Secure") && !cookie.contains("argon2"), "{cookie}");
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; {COOKIE}={token}").parse().unwrap());
        assert_eq!(operators.of_cookie(&headers, Wall(1)), Some(anna));
        assert_eq!(operators.of_cookie(&headers, until), None);
        assert_eq!(self::operators("y").of_cookie(&headers, Wall(1)), None);
        assert!(!format!("{operators:?}").contains("argon2"));
    }

    #[test]
    fn a_hash_that_is_none_and_a_missing_file_are_told() {
        let of = |password| OperatorConfig { name: "anna".into(), password, role: OperatorRole::Read };
        let none = of(SeedPassword::Hash(PasswordHash("plain".into())));
        assert!(matches!(Operators::load(&[none], &[7; 32]), Err(OperatorError::Password { .. })));
        let missing = of(SeedPassword::File("/nowhere/anna".into()));
        assert!(Operators::load(&[missing], &[7; 32]).unwrap_err().to_string().contains("mend:"));
    }
}

//! Access tokens (RFC 6749, RFC 6750): what a business's program shows in place of its password, for an hour and for some scopes only. Owns
//! their form and verdict; refuses clocks and who gets one.
//!
//! Nothing is kept of a token. It says until when it holds, for what and for whom, and an HMAC-SHA256 over that and over the account's
//! password hash says that it is ours: another password, or no account, and every token before it is worthless. A thief of the store's secret
//! alone, without the accounts, can make none.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::clock::Wall;
use crate::model::BusinessId;
use crate::model::business::PasswordHash;

/// A token holds for so long.
pub const LIFE: Duration = Duration::from_secs(3600);
/// Longer texts are no tokens.
const MAX_TOKEN_BYTES: usize = 160;
const TAG: usize = 32;

/// One thing that a token may allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Placing a call by Click to Dial.
    CallsCreate,
    /// Seeing one.
    CallsRead,
    /// Ending one.
    CallsDelete,
    /// Fetching its recording.
    RecordingsRead,
}

impl Scope {
    /// Every one.
    pub const ALL: [Scope; 4] = [Scope::CallsCreate, Scope::CallsRead, Scope::CallsDelete, Scope::RecordingsRead];

    /// As CAMARA writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::CallsCreate => "click-to-dial:calls:create",
            Scope::CallsRead => "click-to-dial:calls:read",
            Scope::CallsDelete => "click-to-dial:calls:delete",
            Scope::RecordingsRead => "click-to-dial:recordings:read",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Scope::CallsCreate => 1,
            Scope::CallsRead => 2,
            Scope::CallsDelete => 4,
            Scope::RecordingsRead => 8,
        }
    }
}

/// What a token allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scopes(u8);

/// A scope that there is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no such scope")]
pub struct NoScope;

impl Scopes {
    /// Everything.
    pub fn all() -> Scopes {
        Scopes(Scope::ALL.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Whether it allows this.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
}

impl FromStr for Scopes {
    type Err = NoScope;

    /// Words, a space between two (RFC 6749 §3.3).
    fn from_str(text: &str) -> Result<Scopes, NoScope> {
        let scope = |word: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or(NoScope);
        let bits = text.split(' ').try_fold(0, |bits, word| Ok(bits | scope(word)?.bit()))?;
        Ok(Scopes(bits))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Scope::ALL.into_iter().filter(|scope| self.has(*scope));
        words.next().iter().try_for_each(|first| f.write_str(first.as_str()))?;
        words.try_for_each(|scope| write!(f, " {}", scope.as_str()))
    }
}

/// A token for this business, as long as it has this password.
pub fn make(key: &hmac::Key, business: &BusinessId, password: &PasswordHash, scopes: Scopes, until: Wall) -> String {
    let mut bytes = until.0.to_be_bytes().to_vec();
    bytes.push(scopes.0);
    bytes.extend_from_slice(business.as_str().as_bytes());
    let tag = context(key, password, &bytes).sign();
    bytes.extend_from_slice(tag.as_ref());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a text says that may be a token, not yet believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Whose it says it is.
    pub business: BusinessId,
    scopes: Scopes,
    until: Wall,
    body: Vec<u8>,
    tag: [u8; TAG],
}

impl Claim {
    /// Reads one; absent: of another form.
    pub fn read(token: &str) -> Option<Claim> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (body, tag) = bytes.split_last_chunk::<TAG>()?;
        let (until, rest) = body.split_first_chunk::<8>()?;
        let (scopes, business) = rest.split_first()?;
        Some(Claim {
            business: std::str::from_utf8(business).ok()?.parse().ok()?,
            scopes: Scopes(*scopes),
            until: Wall(i64::from_be_bytes(*until)),
            body: body.to_vec(),
            tag: *tag,
        })
    }

    /// What it allows, if it is ours, was given for this password and its time is not over.
    pub fn judge(&self, key: &hmac::Key, password: &PasswordHash, now: Wall) -> Option<Scopes> {
        let expected = context(key, password, &self.body).sign();
        let ours: bool = expected.as_ref().ct_eq(&self.tag).into();
        (ours && now < self.until).then_some(self.scopes)
    }
}

fn context(key: &hmac::Key, password: &PasswordHash, body: &[u8]) -> hmac::Context {
    let mut context = hmac::Context::with_key(key);
    context.update(b"callbridge access 1\0");
    // The length parts the hash from what follows.
    context.update(&u64::try_from(password.0.len()).unwrap_or(u64::MAX).to_be_bytes());
    context.update(password.0.as_bytes());
    context.update(body);
    context
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Wall = Wall(1_764_550_000_000);

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[7; 32])
    }

    fn hash(text: &str) -> PasswordHash {
        PasswordHash(text.to_owned())
    }

    fn token(scopes: &str) -> String {
        make(&key(), &"abc".parse().unwrap(), &hash("first"), scopes.parse().unwrap(), NOW + LIFE)
    }

    fn ask(token: &str, password: &str, now: Wall) -> Option<Scopes> {
        Claim::read(token)?.judge(&key(), &hash(password), now)
    }

    #[test]
    fn a_token_allows_its_scopes_for_its_time_and_dies_with_the_password() {
        let one = token("click-to-dial:calls:read click-to-dial:calls:create");
        let scopes = ask(&one, "first", NOW).unwrap();
        assert!(scopes.has(Scope::CallsCreate) && scopes.has(Scope::CallsRead));
        assert!(!scopes.has(Scope::CallsDelete) && !scopes.has(Scope::RecordingsRead));
        assert_eq!(scopes.to_string(), "click-to-dial:calls:create click-to-dial:calls:read");
        assert_eq!(ask(&one, "first", NOW + LIFE), None);
        assert_eq!(ask(&one, "second", NOW), None, "the password was changed");
        let other = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
        assert_eq!(Claim::read(&one).unwrap().judge(&other, &hash("first"), NOW), None);
        assert_eq!(Claim::read(&one).unwrap().business.as_str(), "abc");
    }

    #[test]
    fn scopes_are_words_with_one_space_between_them() {
        assert_eq!(Scopes::all().to_string().parse(), Ok(Scopes::all()));
        for bad in ["", " ", "click-to-dial:calls:read ", "click-to-dial", "click-to-dial:calls:read,x"] {
            assert_eq!(bad.parse::<Scopes>(), Err(NoScope), "{bad}");
        }
    }

    #[test]
    fn the_longest_name_has_a_token() {
        let name = "a".repeat(64).parse().unwrap();
        let token = make(&key(), &name, &hash("first"), Scopes::all(), NOW + LIFE);
        assert_eq!(ask(&token, "first", NOW), Some(Scopes::all()), "{}", token.len());
    }

    proptest! {
        #[test]
        fn no_changed_token_is_taken(at in 0usize..100, to in any::<char>()) {
            let mut letters: Vec<char> = token("click-to-dial:calls:read").chars().collect();
            let at = at % letters.len();
            prop_assume!(letters[at] != to);
            letters[at] = to;
            let changed: String = letters.into_iter().collect();
            prop_assert_eq!(ask(&changed, "first", NOW), None);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            prop_assert_eq!(ask(&text, "first", NOW), None);
        }
    }
}

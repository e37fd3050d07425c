//! A representative's own token: what the desk in their browser shows, so that it need not hold the business's password. Owns its form and
//! its verdict; refuses clocks, and to know whether the representative is there.
//!
//! Nothing is kept of a token. It says until when it holds, since when, for which account and which representative, and an HMAC-SHA256 over
//! that and over the account's password hash says that it is ours: another password, and every token before it is worthless. What is kept is
//! a moment for each representative whose tokens were taken back: older ones are worthless, too.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::clock::Wall;
use crate::model::business::PasswordHash;
use crate::model::{BusinessId, RepresentativeId};

/// A token holds for so long where nothing else is said: a working day with its breaks.
pub const LIFE: Duration = Duration::from_secs(12 * 3_600);
/// It holds for no longer than this.
pub const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3_600);
/// And for no less.
pub const SHORTEST_LIFE: Duration = Duration::from_secs(60);
/// Longer texts are no tokens.
const MAX_TOKEN_BYTES: usize = 320;
const TAG: usize = 32;

/// A token for this representative, as long as the account has this password.
pub fn make(
    key: &hmac::Key,
    business: &BusinessId,
    representative: &RepresentativeId,
    password: &PasswordHash,
    [since, until]: [Wall; 2],
) -> String {
    let mut bytes = since.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(&until.0.to_be_bytes());
    bytes.extend_from_slice(business.as_str().as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(representative.as_str().as_bytes());
    let tag = context(key, password, &bytes).sign();
    bytes.extend_from_slice(tag.as_ref());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a text says that may be a token, not yet believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Whose account it says it is for.
    pub business: BusinessId,
    /// Whose it says it is.
    pub representative: RepresentativeId,
    since: Wall,
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
        let (since, rest) = body.split_first_chunk::<8>()?;
        let (until, names) = rest.split_first_chunk::<8>()?;
        let (business, representative) = std::str::from_utf8(names).ok()?.split_once('\0')?;
        Some(Claim {
            business: business.parse().ok()?,
            representative: representative.parse().ok()?,
            since: Wall(i64::from_be_bytes(*since)),
            until: Wall(i64::from_be_bytes(*until)),
            body: body.to_vec(),
            tag: *tag,
        })
    }

    /// Since when it holds, if it is ours, was given for this password and its time is not over.
    pub fn judge(&self, key: &hmac::Key, password: &PasswordHash, now: Wall) -> Option<Wall> {
        let expected = context(key, password, &self.body).sign();
        let ours: bool = expected.as_ref().ct_eq(&self.tag).into();
        (ours && now < self.until).then_some(self.since)
    }
}

fn context(key: &hmac::Key, password: &PasswordHash, body: &[u8]) -> hmac::Context {
    let mut context = hmac::Context::with_key(key);
    context.update(b"callbridge desk 1\0");
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

    fn token() -> String {
        make(&key(), &"abc".parse().unwrap(), &"anna".parse().unwrap(), &hash("$hash"), [NOW, NOW + LIFE])
    }

    fn ask(token: &str, password: &str, at: Wall) -> Option<(String, Wall)> {
        let claim = Claim::read(token)?;
        let since = claim.judge(&key(), &hash(password), at)?;
        Some((format!("{}/{}", claim.business, claim.representative), since))
    }

    #[test]
    fn a_token_is_one_representatives_until_its_time_or_another_password() {
        assert_eq!(ask(&token(), "$hash", NOW), Some(("abc/anna".to_owned(), NOW)));
        assert_eq!(ask(&token(), "$hash", NOW + LIFE), None);
        assert_eq!(ask(&token(), "$another", NOW), None);
        let other = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
        assert_eq!(Claim::read(&token()).unwrap().judge(&other, &hash("$hash"), NOW), None);
        let longest = "x".repeat(64);
        let token =
            make(&key(), &longest.parse().unwrap(), &longest.parse().unwrap(), &hash("$hash"), [NOW, NOW + LIFE]);
        assert!(ask(&token, "$hash", NOW).is_some(), "the longest names fit");
    }

    proptest! {
        #[test]
        fn no_changed_token_is_taken(at in 0usize..100, to in any::<char>()) {
            let mut letters: Vec<char> = token().chars().collect();
            let at = at % letters.len();
            prop_assume!(letters[at] != to);
            letters[at] = to;
            let changed: String = letters.into_iter().collect();
            prop_assert_eq!(ask(&changed, "$hash", NOW), None);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,400}") {
            prop_assert_eq!(ask(&text, "$hash", NOW), None);
        }
    }
}

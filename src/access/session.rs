//! The token of an operator's session: it says who and until when, and an HMAC-SHA256 over both says that it is ours. Owns its form and its verdict;
//! refuses clocks, and to know operators. Nothing is kept of it: what ends it before its time is another password, because the password's hash is
//! signed with it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::clock::Wall;

/// A working day.
pub const LIFE: Duration = Duration::from_secs(8 * 3600);
/// Longer texts are no tokens.
const MAX_TOKEN_BYTES: usize = 200;
const TAG: usize = 32;

/// A token for the operator of this name, whose password has this hash.
pub fn make(key: &hmac::Key, name: &str, hash: &str, until: Wall) -> String {
    let mut bytes = until.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(name.as_bytes());
    let tag = context(key, hash, &bytes).sign();
    bytes.extend_from_slice(tag.as_ref());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whose session it is and until when, if its time is not over. `hash_of` gives the hash of an operator's password now.
pub fn judge<'a>(
    key: &hmac::Key,
    token: &str,
    now: Wall,
    hash_of: impl FnOnce(&str) -> Option<&'a str>,
) -> Option<(String, Wall)> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (body, given) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
    let (until, name) = body.split_first_chunk::<8>()?;
    let (until, name) = (Wall(i64::from_be_bytes(*until)), std::str::from_utf8(name).ok()?);
    let expected = context(key, hash_of(name)?, body).sign();
    let signed = bool::from(subtle::ConstantTimeEq::ct_eq(expected.as_ref(), given));
    (signed && now < until).then(|| (name.to_owned(), until))
}

fn context(key: &hmac::Key, hash: &str, body: &[u8]) -> hmac::Context {
    let mut context = hmac::Context::with_key(key);
    context.update(b"callbridge session 1\0");
    context.update(&u64::try_from(hash.len()).unwrap_or(u64::MAX).to_be_bytes());
    context.update(hash.as_bytes());
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

    fn token() -> String {
        make(&key(), "anna", "$hash", NOW + LIFE)
    }

    fn ask(token: &str, hash: &str, at: Wall) -> Option<String> {
        judge(&key(), token, at, |name| (name == "anna").then_some(hash)).map(|(name, _)| name)
    }

    #[test]
    fn a_session_is_one_operators_until_its_time_or_another_password() {
        assert_eq!(ask(&token(), "$hash", NOW).as_deref(), Some("anna"));
        assert_eq!(ask(&token(), "$hash", NOW + LIFE), None);
        assert_eq!(ask(&token(), "$another", NOW), None);
        assert_eq!(judge(&key(), &token(), NOW, |_| None), None, "an operator who is no more");
        let other = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
        assert_eq!(judge(&other, &token(), NOW, |_| Some("$hash")), None);
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
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            prop_assert_eq!(ask(&text, "$hash", NOW), None);
        }
    }
}

//! The token with which a customer follows and cancels the call that was asked for, and no other. Owns its form and its verdict;
//! refuses clocks. Nothing is kept of it: it says until when it holds and for which business, and an HMAC-SHA256 over both and the
//! call's identifier says that it is ours.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::clock::Wall;
use crate::model::{BusinessId, CallId};

/// It holds for so long after the call was asked for, or after its desired contact time.
pub const LIFE: Duration = Duration::from_secs(24 * 3600);
/// Longer texts are no tokens.
const MAX_TOKEN_BYTES: usize = 160;
const TAG: usize = 32;

/// A token for this call.
pub fn make(key: &hmac::Key, call: CallId, business: &BusinessId, until: Wall) -> String {
    let mut bytes = until.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(business.as_str().as_bytes());
    let tag = context(key, call, &bytes).sign();
    bytes.extend_from_slice(tag.as_ref());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whose call it is, if the token is this call's and its time is not over.
pub fn judge(key: &hmac::Key, call: CallId, token: &str, now: Wall) -> Option<BusinessId> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (body, given) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
    let expected = context(key, call, body).sign();
    if !bool::from(subtle::ConstantTimeEq::ct_eq(expected.as_ref(), given)) {
        return None;
    }
    let (until, business) = body.split_first_chunk::<8>()?;
    if Wall(i64::from_be_bytes(*until)) <= now {
        return None;
    }
    std::str::from_utf8(business).ok()?.parse().ok()
}

fn context(key: &hmac::Key, call: CallId, body: &[u8]) -> hmac::Context {
    let mut context = hmac::Context::with_key(key);
    context.update(b"callbridge follow 1\0");
    context.update(&call.as_u128().to_be_bytes());
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

    fn token(call: u128) -> String {
        make(&key(), CallId::from_u128(call), &"abc".parse().unwrap(), NOW + LIFE)
    }

    #[test]
    fn a_token_is_for_one_call_and_for_a_time() {
        let ask = |call: u128, at| judge(&key(), CallId::from_u128(call), &token(7), at);
        assert_eq!(ask(7, NOW), Some("abc".parse().unwrap()));
        assert_eq!(ask(8, NOW), None);
        assert_eq!(ask(7, NOW + LIFE), None);
        let other = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
        assert_eq!(judge(&other, CallId::from_u128(7), &token(7), NOW), None);
    }

    proptest! {
        #[test]
        fn no_changed_token_is_taken(at in 0usize..100, to in any::<char>()) {
            let mut letters: Vec<char> = token(7).chars().collect();
            let at = at % letters.len();
            prop_assume!(letters[at] != to);
            letters[at] = to;
            let changed: String = letters.into_iter().collect();
            prop_assert_eq!(judge(&key(), CallId::from_u128(7), &changed, NOW), None);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            prop_assert_eq!(judge(&key(), CallId::from_u128(7), &text, NOW), None);
        }
    }
}

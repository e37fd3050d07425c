//! Proof of work: a browser pays for a request with some hashes. Owns the challenge's form and its verdict; refuses clocks and
//! randomness, and to remember which challenges were used ([`super::direct`] does).
//!
//! A challenge is URL-safe base64 of expiry (8 bytes, Unix milliseconds), bits (1), nonce (12) and the first 16 bytes of an
//! HMAC-SHA256 over them and the business: nothing is kept until somebody has done the work. Done is it with a nonce for which
//! SHA-256 of `CHALLENGE.NONCE` begins with so many zero bits.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};
use subtle::ConstantTimeEq;

use crate::clock::Wall;
use crate::model::BusinessId;
use crate::model::direct::{Mark, Ticket};

/// A challenge has to be answered within so long.
pub const LIFE: Duration = Duration::from_secs(300);
/// Longest nonce.
pub const MAX_NONCE_BYTES: usize = 32;
const BODY: usize = 21;
const TAG: usize = 16;

/// Why work is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WorkFault {
    /// No challenge of ours for this business.
    #[error("this is no challenge for this business: ask for one")]
    Challenge,
    /// Its time is over, or the business asks for more by now.
    #[error("this challenge has expired: ask for another")]
    Expired,
    /// Too few zero bits.
    #[error("the work is not done: SHA-256 of challenge, full stop and nonce has too few leading zero bits")]
    NotDone,
}

/// A challenge for this business; `nonce` must be unpredictable.
pub fn challenge(key: &hmac::Key, business: &BusinessId, bits: u8, now: Wall, nonce: [u8; 12]) -> String {
    let mut bytes = Vec::with_capacity(BODY + TAG);
    bytes.extend_from_slice(&(now + LIFE).0.to_be_bytes());
    bytes.push(bits);
    bytes.extend_from_slice(&nonce);
    let tag = tag(key, business, &bytes);
    bytes.extend_from_slice(tag.as_ref().get(..TAG).unwrap_or_default());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Judges the work shown for a challenge; `bits` is what the business asks for now.
pub fn judge(
    key: &hmac::Key,
    business: &BusinessId,
    bits: u8,
    challenge: &str,
    nonce: &str,
    now: Wall,
) -> Result<Ticket, WorkFault> {
    if challenge.len() > 64 {
        return Err(WorkFault::Challenge);
    }
    let bytes = URL_SAFE_NO_PAD.decode(challenge).map_err(|_| WorkFault::Challenge)?;
    let (body, given) = bytes.split_at_checked(BODY).ok_or(WorkFault::Challenge)?;
    let expected = tag(key, business, body);
    let expected = expected.as_ref().get(..TAG).unwrap_or_default();
    if !bool::from(expected.ct_eq(given)) {
        return Err(WorkFault::Challenge);
    }
    let (until, rest) = body.split_first_chunk::<8>().ok_or(WorkFault::Challenge)?;
    let until = Wall(i64::from_be_bytes(*until));
    if until <= now || rest.first().is_none_or(|promised| *promised < bits) {
        return Err(WorkFault::Expired);
    }
    if nonce.len() > MAX_NONCE_BYTES || zero_bits(&shown(challenge, nonce)) < u32::from(bits) {
        return Err(WorkFault::NotDone);
    }
    let mark = given.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte));
    Ok(Ticket { mark: Mark(mark), until })
}

/// What has to begin with zero bits.
pub fn shown(challenge: &str, nonce: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [challenge, ".", nonce] {
        context.update(part.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// How many bits are zero before the first that is not.
pub fn zero_bits(hash: &[u8]) -> u32 {
    let whole = hash.iter().take_while(|byte| **byte == 0).count();
    let rest = hash.get(whole).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(whole * 8).unwrap_or(u32::MAX).saturating_add(rest)
}

fn tag(key: &hmac::Key, business: &BusinessId, body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(b"callbridge work 1\0");
    context.update(business.as_str().as_bytes());
    context.update(&[0]);
    context.update(body);
    context.sign()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Wall = Wall(1_764_550_000_000);

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[7; 32])
    }

    fn abc() -> BusinessId {
        "abc".parse().unwrap()
    }

    fn solve(challenge: &str, bits: u32) -> String {
        let found = (0u64..).map(|n| n.to_string()).find(|nonce| zero_bits(&shown(challenge, nonce)) >= bits);
        found.unwrap()
    }

    #[test]
    fn work_that_is_done_is_taken_for_this_business_and_in_time_only() {
        let challenge = challenge(&key(), &abc(), 10, NOW, [1; 12]);
        let nonce = solve(&challenge, 10);
        let ask = |bits, at| judge(&key(), &abc(), bits, &challenge, &nonce, at);
        assert!(ask(10, NOW).is_ok());
        assert_eq!(ask(11, NOW), Err(WorkFault::Expired), "the business asks for more by now");
        assert_eq!(ask(10, NOW + LIFE), Err(WorkFault::Expired));
        let other: BusinessId = "abd".parse().unwrap();
        assert_eq!(judge(&key(), &other, 10, &challenge, &nonce, NOW), Err(WorkFault::Challenge));
        let before_the_restart = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
        assert_eq!(judge(&before_the_restart, &abc(), 10, &challenge, &nonce, NOW), Err(WorkFault::Challenge));
        let lazy = (0u64..).map(|n| n.to_string()).find(|nonce| zero_bits(&shown(&challenge, nonce)) < 10).unwrap();
        assert_eq!(judge(&key(), &abc(), 10, &challenge, &lazy, NOW), Err(WorkFault::NotDone));
    }

    #[test]
    fn zero_bits_are_counted_from_the_left() {
        assert_eq!(zero_bits(&[0x80, 0]), 0);
        assert_eq!(zero_bits(&[0, 0x1f]), 11);
        assert_eq!(zero_bits(&[0; 32]), 256);
    }

    proptest! {
        #[test]
        fn no_changed_challenge_is_taken(at in 0usize..64, to in any::<char>()) {
            let challenge = challenge(&key(), &abc(), 0, NOW, [1; 12]);
            let mut letters: Vec<char> = challenge.chars().collect();
            let at = at % letters.len();
            prop_assume!(letters[at] != to);
            letters[at] = to;
            let changed: String = letters.into_iter().collect();
            prop_assert!(judge(&key(), &abc(), 0, &changed, "1", NOW).is_err());
        }

        #[test]
        fn no_text_makes_it_panic(challenge in "\\PC{0,80}", nonce in "\\PC{0,80}") {
            let _ = judge(&key(), &abc(), 4, &challenge, &nonce, NOW);
        }
    }
}

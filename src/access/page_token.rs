//! Page tokens: a business signs that a page of its own may ask for a call, for a short time. Owns the token's form and its
//! verdict; refuses clocks and randomness, and to count how often a token is used ([`super::direct`] does).
//!
//! `KEY.EXPIRY.NONCE.MAC`: the key's name, Unix seconds, 8 to 64 of `A-Z a-z 0-9 _ -`, and in small hexadecimal digits the
//! HMAC-SHA256 of `business LF page LF EXPIRY LF NONCE`, the page without query and fragment. What is signed stands in the request
//! already, so the token repeats none of it and cannot say another thing.

use std::fmt::Write;
use std::time::Duration;

use ring::hmac;

use crate::clock::Wall;
use crate::model::BusinessId;
use crate::model::direct::{Direct, Mark, PageKey, Ticket, page_of};

/// Clocks of Web servers may be ahead of ours by so much.
const SKEW: Duration = Duration::from_secs(60);
/// Longer texts are no tokens.
pub const MAX_TOKEN_BYTES: usize = 256;

/// Why a page token is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PageTokenFault {
    /// Of another form, key, business or page, or changed: which of them is nobody's business.
    #[error("this page token is not one for this page")]
    Wrong,
    /// Rightly signed; its time is over.
    #[error("this page token has expired: load the page again")]
    Expired,
    /// Rightly signed, for longer than the account allows.
    #[error("this page token is valid for longer than the account allows")]
    TooLong,
}

/// A token for this page.
pub fn make(key: &PageKey, business: &BusinessId, url: &str, expires: Wall, nonce: &str) -> String {
    let expiry = (expires.0 / 1000).to_string();
    let mac = hmac::sign(&key_of(key), signed(business, url, &expiry, nonce).as_bytes());
    let mut token = format!("{}.{expiry}.{nonce}.", key.id);
    for byte in mac.as_ref() {
        // A String takes all.
        let _ = write!(token, "{byte:02x}");
    }
    token
}

/// Judges the token of a request from the page at `url`. The ticket names the token once and for all: there is no second form of it.
pub fn judge(
    token: &str,
    account: &Direct,
    business: &BusinessId,
    url: &str,
    now: Wall,
) -> Result<Ticket, PageTokenFault> {
    let (key, expiry, nonce, mac) = parts(token).ok_or(PageTokenFault::Wrong)?;
    let key = account.page_keys.iter().find(|known| known.id == key).ok_or(PageTokenFault::Wrong)?;
    let message = signed(business, url, expiry, nonce);
    // In constant time, by ring.
    hmac::verify(&key_of(key), message.as_bytes(), &mac).map_err(|_| PageTokenFault::Wrong)?;
    let until = Wall(expiry.parse::<i64>().map_err(|_| PageTokenFault::Wrong)?.saturating_mul(1000));
    if until <= now {
        return Err(PageTokenFault::Expired);
    }
    if until > now + Duration::from_secs(u64::from(account.page_token_seconds)) + SKEW {
        return Err(PageTokenFault::TooLong);
    }
    let (first, _) = mac.split_at(16);
    let mark = first.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte));
    Ok(Ticket { mark: Mark(mark), until })
}

fn key_of(key: &PageKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.secret.as_bytes())
}

fn signed(business: &BusinessId, url: &str, expiry: &str, nonce: &str) -> String {
    format!("{business}\n{}\n{expiry}\n{nonce}", page_of(url))
}

/// The parts, each in its only form: a token that is written in two ways would count as two.
fn parts(token: &str) -> Option<(&str, &str, &str, [u8; 32])> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let mut parts = token.split('.');
    let (key, expiry, nonce, mac) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let digits = (1..=12).contains(&expiry.len()) && expiry.bytes().all(|b| b.is_ascii_digit());
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let good_nonce = (8..=64).contains(&nonce.len()) && nonce.bytes().all(word);
    if parts.next().is_some() || !digits || expiry.starts_with('0') || !good_nonce || mac.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(mac.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some((key, expiry, nonce, bytes))
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = "https://shop.example/cruises";
    const NOW: Wall = Wall(1_764_550_000_000);

    fn key(id: &str) -> PageKey {
        PageKey::new(id, &format!("{id}-0123456789abcdef0123456789abcdef")).unwrap()
    }

    fn account() -> Direct {
        Direct { page_keys: vec![key("k2"), key("k1")], page_token_seconds: 600, ..Direct::default() }
    }

    fn abc() -> BusinessId {
        "abc".parse().unwrap()
    }

    fn ask(token: &str, url: &str) -> Result<Ticket, PageTokenFault> {
        judge(token, &account(), &abc(), url, NOW)
    }

    fn in_seconds(seconds: u64) -> Wall {
        NOW + Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_is_for_one_page_of_one_business_by_any_of_its_keys() {
        for id in ["k1", "k2"] {
            let token = make(&key(id), &abc(), PAGE, in_seconds(300), "nonce-0123");
            assert!(ask(&token, PAGE).is_ok());
            assert!(ask(&token, "https://shop.example/cruises?from=mail#top").is_ok(), "the same page");
            assert_eq!(ask(&token, "https://shop.example/flights"), Err(PageTokenFault::Wrong));
            assert_eq!(ask(&token, "https://other.example/cruises"), Err(PageTokenFault::Wrong));
            let other = judge(&token, &account(), &"abd".parse().unwrap(), PAGE, NOW);
            assert_eq!(other, Err(PageTokenFault::Wrong));
        }
        let unknown = make(&key("k3"), &abc(), PAGE, in_seconds(300), "nonce-0123");
        assert_eq!(ask(&unknown, PAGE), Err(PageTokenFault::Wrong));
    }

    #[test]
    fn a_token_lives_for_a_short_time_only() {
        let token = |seconds: u64| make(&key("k1"), &abc(), PAGE, in_seconds(seconds), "nonce-0123");
        assert_eq!(ask(&token(0), PAGE), Err(PageTokenFault::Expired));
        assert!(ask(&token(660), PAGE).is_ok(), "their clock is a minute ahead");
        assert_eq!(ask(&token(661), PAGE), Err(PageTokenFault::TooLong));
        let never = make(&key("k1"), &abc(), PAGE, Wall(999_999_999_999_000), "nonce-0123");
        assert_eq!(ask(&never, PAGE), Err(PageTokenFault::TooLong));
    }

    #[test]
    fn the_form_is_that_of_the_recipe() {
        // python3 -c 'import hmac; print(hmac.new(b"k1-0123456789abcdef0123456789abcdef",
        //   b"abc\nhttps://shop.example/cruises\n1764550300\nnonce-0123", "sha256").hexdigest())'
        let token = make(&key("k1"), &abc(), PAGE, in_seconds(300), "nonce-0123");
        let mac = "c7db81dfff813cb7ea4e3951df2c8281fb1576e93ec2224ea4995e85bf44b76d";
        assert_eq!(token, format!("k1.1764550300.nonce-0123.{mac}"));
    }

    proptest! {
        #[test]
        fn no_changed_token_is_taken(at in 0usize..100, to in any::<u8>()) {
            let token = make(&key("k1"), &abc(), PAGE, in_seconds(300), "nonce-0123");
            let mut bytes = token.clone().into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert_eq!(ask(&changed, PAGE), Err(PageTokenFault::Wrong));
        }

        #[test]
        fn no_text_makes_it_panic(token in "\\PC{0,300}", url in "\\PC{0,100}") {
            let _ = ask(&token, &url);
        }

        #[test]
        fn texts_that_look_like_tokens_are_judged(token in "k[12]\\.[0-9]{0,14}\\.[a-z]{6,10}\\.[0-9a-fA-F]{63,65}") {
            prop_assert!(ask(&token, PAGE).is_err());
        }

        #[test]
        fn every_token_names_itself_alone(a in "[a-z]{8,12}", b in "[a-z]{8,12}") {
            let ticket = |nonce: &str| ask(&make(&key("k1"), &abc(), PAGE, in_seconds(60), nonce), PAGE).unwrap();
            prop_assert_eq!(a == b, ticket(&a).mark == ticket(&b).mark);
        }
    }
}

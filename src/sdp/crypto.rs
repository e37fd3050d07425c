//! `a=crypto` (RFC 4568): the lines of a stream read and written. Owns their grammar and which of them we can use; refuses to
//! choose among them, and to show a key in an error.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::model::{MasterKey, Suite};

/// Lines looked at in one stream; a peer that offers more has its wish among the first.
const MAX_LINES: usize = 16;
/// A tag has nine digits at most (RFC 4568 §9.1).
const MAX_TAG: u32 = 999_999_999;

/// A usable `a=crypto` line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Crypto {
    /// Tells the lines of one stream apart; an answer repeats it.
    pub tag: u32,
    /// The key of whoever wrote the line.
    pub key: MasterKey,
}

/// The lines that we can use, in the peer's order of preference.
pub(super) fn lines(media: &sdp_types::Media) -> Vec<Crypto> {
    let named = media.attributes.iter().filter(|attribute| attribute.attribute.eq_ignore_ascii_case("crypto"));
    named.take(MAX_LINES).filter_map(|attribute| read(attribute.value.as_deref()?)).collect()
}

/// A suite that we have, one key without MKI, and nothing that weakens or changes what the suite says (RFC 4568 §6.3).
fn read(value: &str) -> Option<Crypto> {
    let mut words = value.split_ascii_whitespace();
    let tag = words.next()?.parse().ok().filter(|tag| *tag <= MAX_TAG)?;
    let name = words.next()?;
    let suite = Suite::ALL.into_iter().find(|suite| name.eq_ignore_ascii_case(suite.name()))?;
    let parameters = words.next()?;
    // The window is the receiver's own affair.
    if !words.all(|parameter| parameter.starts_with("WSH=")) {
        return None;
    }
    let (method, key) = parameters.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") || key.contains(';') {
        return None;
    }
    let mut parts = key.split('|');
    let text = parts.next()?;
    // Behind the key comes a lifetime, which 2^31 packets of a call never reach; with a colon it is an MKI.
    if parts.any(|part| part.contains(':')) {
        return None;
    }
    let material = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
    Some(Crypto { tag, key: MasterKey::new(suite, &material)? })
}

/// The value of the attribute.
pub(super) fn write(crypto: &Crypto) -> String {
    let (suite, material) = (crypto.key.suite().name(), STANDARD.encode(crypto.key.material()));
    format!("{} {suite} inline:{material}", crypto.tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn tag(value: &str) -> Option<u32> {
        read(value).map(|crypto| crypto.tag)
    }

    #[test]
    fn a_line_with_one_key_is_read_with_or_without_its_lifetime() {
        assert_eq!(tag(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")), Some(1));
        assert_eq!(tag(&format!("7 aes_cm_128_hmac_sha1_80 INLINE:{KEY}|2^20 WSH=128")), Some(7));
    }

    #[test]
    fn a_line_is_passed_over_that_we_could_not_keep_to() {
        for line in [
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNAUTHENTICATED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1"),
            format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1000000000 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("x AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80 inline:".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
            String::new(),
        ] {
            assert_eq!(tag(&line), None, "{line}");
        }
    }

    #[test]
    fn what_we_write_reads_as_we_meant_it() {
        for suite in Suite::ALL {
            let material = vec![0xfb; suite.key_length() + suite.salt_length()];
            let crypto = Crypto { tag: 3, key: MasterKey::new(suite, &material).unwrap() };
            assert_eq!(read(&write(&crypto)), Some(crypto));
        }
    }
}

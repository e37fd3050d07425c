//! What browsers are given to show again: signed cookies, tokens of one call, tokens of forms; and randomness. Owns the key and the forms;
//! refuses to keep anything: what is signed need not be stored.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand::TryRngCore;
use rand::rngs::OsRng;
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::clock::Wall;
use crate::model::WebhookSecret;

/// The system gives no random bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandom;

/// So many random bytes.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// Random text that nobody guesses.
pub fn random_text() -> Result<String, NoRandom> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// Signs and judges.
pub struct Keys(hmac::Key);

impl Keys {
    /// Of the store's key.
    pub fn new(key: [u8; 32]) -> Keys {
        Keys(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The signature of `text` for one purpose.
    pub fn sign(&self, purpose: &str, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, format!("{purpose}\n{text}").as_bytes()))
    }

    /// Whether this is it, in constant time.
    pub fn is_signed(&self, purpose: &str, text: &str, signature: &str) -> bool {
        self.sign(purpose, text).as_bytes().ct_eq(signature.as_bytes()).into()
    }

    /// `TEXT.EXPIRY.SIGNATURE`, for a cookie.
    pub fn seal(&self, purpose: &str, text: &str, until: Wall) -> String {
        let signed = format!("{text}.{}", until.0);
        let signature = self.sign(purpose, &signed);
        format!("{signed}.{signature}")
    }

    /// The text of what was sealed, while it holds.
    pub fn open<'a>(&self, purpose: &str, sealed: &'a str, now: Wall) -> Option<&'a str> {
        let (signed, signature) = sealed.rsplit_once('.')?;
        let (text, until) = signed.rsplit_once('.')?;
        let holds = until.parse::<i64>().is_ok_and(|until| now.0 < until);
        (self.is_signed(purpose, signed, signature) && holds).then_some(text)
    }
}

/// A webhook of an equipment may be this old or this far ahead, in seconds (Standard Webhooks).
const WEBHOOK_AGE: i64 = 300;

/// Whether an equipment's webhook is signed with our secret, and lately.
pub fn is_webhook(secret: &WebhookSecret, now: Wall, id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> bool {
    let lately = timestamp.parse::<i64>().is_ok_and(|at| (now.0 / 1000 - at).abs() <= WEBHOOK_AGE);
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.key()));
    context.update(format!("{id}.{timestamp}.").as_bytes());
    context.update(body);
    let wanted = STANDARD.encode(context.sign());
    let right = |one: &str| one.strip_prefix("v1,").is_some_and(|one| one.as_bytes().ct_eq(wanted.as_bytes()).into());
    lately && signatures.split(' ').any(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_for_its_purpose_and_its_time() {
        let keys = Keys::new([7; 32]);
        let sealed = keys.seal("customer", "42", Wall(100));
        assert_eq!(keys.open("customer", &sealed, Wall(99)), Some("42"));
        assert_eq!(keys.open("customer", &sealed, Wall(100)), None, "over");
        assert_eq!(keys.open("desk", &sealed, Wall(99)), None, "for another purpose");
        assert_eq!(keys.open("customer", &sealed.replacen("42", "43", 1), Wall(99)), None, "changed");
        assert_eq!(Keys::new([8; 32]).open("customer", &sealed, Wall(99)), None, "another business's");
        assert_eq!(keys.open("customer", "", Wall(99)), None);
    }

    #[test]
    fn a_webhook_is_that_of_the_reference_implementations() {
        let secret: WebhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let now = Wall(1_614_265_330_000);
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", b"{\"test\": 2432232314}");
        let right = "v1,abc v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert!(is_webhook(&secret, now, id, "1614265330", right, body));
        assert!(!is_webhook(&secret, now, id, "1614265330", "v1,abc", body));
        assert!(!is_webhook(&secret, Wall(1_614_265_700_000), id, "1614265330", right, body), "old");
        assert!(!is_webhook(&secret, now, id, "1614265330", right, b"{}"));
    }
}

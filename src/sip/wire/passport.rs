//! The SHAKEN PASSporT (RFC 8225, RFC 8588) and the Identity field it travels in (RFC 8224): the canonical text that is signed,
//! and how the signature is put to it. Owns the form; keys and randomness are the [`Signer`]'s, which lives outside the pure
//! rooms.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;

use crate::clock::Wall;
use crate::model::CallId;
use crate::model::trunk::Attestation;

/// Signs ES256: ECDSA on P-256 with SHA-256, the signature as `r` and `s` of 32 bytes each (RFC 7518 §3.4).
pub trait Signer: fmt::Debug + Send + Sync {
    /// `None`: the key could not be used this time.
    fn sign(&self, text: &[u8]) -> Option<[u8; 64]>;
    /// Where the certificate is found: an `https` URL without `"` or control characters.
    fn certificate_url(&self) -> &str;
}

/// What a PASSporT says.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// How well the caller is known.
    pub attestation: Attestation,
    /// Called: E.164 with its `+`.
    pub destination: &'a str,
    /// Calling: E.164 with its `+`.
    pub origin: &'a str,
    /// When the INVITE is made.
    pub at: Wall,
    /// Names the call for a traceback: a UUID, the same on every leg.
    pub call: CallId,
}

impl Claims<'_> {
    /// Header and payload as they are signed: base64url of JSON without blanks, members in lexical order (RFC 8225 §9).
    fn text(&self, certificate_url: &str) -> String {
        let header =
            format!("{{\"alg\":\"ES256\",\"ppt\":\"shaken\",\"typ\":\"passport\",\"x5u\":{}}}", json(certificate_url));
        let payload = format!(
            "{{\"attest\":\"{}\",\"dest\":{{\"tn\":[{}]}},\"iat\":{},\"orig\":{{\"tn\":{}}},\"origid\":\"{}\"}}",
            self.attestation.as_str(),
            json(canonical(self.destination)),
            self.at.0.div_euclid(1000),
            json(canonical(self.origin)),
            self.call
        );
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    /// The value of the Identity field (RFC 8224 §4, full form). `None` when it could not be signed.
    pub fn identity(&self, signer: &dyn Signer) -> Option<String> {
        let url = signer.certificate_url();
        let text = self.text(url);
        let signature = signer.sign(text.as_bytes())?;
        Some(format!("{text}.{};info=<{url}>;alg=ES256;ppt=shaken", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The canonical form of a number (RFC 8224 §8.3): digits only.
fn canonical(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The Date field of the moment (RFC 3261 §20.17); RFC 8224 §4.1 wants it to agree with `iat`.
pub fn date(at: Wall) -> Option<String> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let at = OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000)).ok()?;
    let day = DAYS.get(usize::from(at.weekday().number_days_from_monday()))?;
    let month = MONTHS.get(usize::from(u8::from(at.month())).checked_sub(1)?)?;
    let (date, year, hour, minute, second) = (at.day(), at.year(), at.hour(), at.minute(), at.second());
    Some(format!("{day}, {date:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed;

    impl Signer for Fixed {
        fn sign(&self, _text: &[u8]) -> Option<[u8; 64]> {
            Some([7; 64])
        }

        fn certificate_url(&self) -> &str {
            "https://cert.example.org/passport.cer"
        }
    }

    fn decoded(part: &str) -> String {
        String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    /// RFC 8588 §6 has this header; RFC 8225 §9 has the order and the absence of blanks.
    #[test]
    fn a_passport_is_canonical_to_the_letter() {
        let call = CallId::new(Wall(0), [7; 10]);
        let claims = Claims {
            attestation: Attestation::Full,
            destination: "+12155551213",
            origin: "+12155551212",
            at: Wall(1_443_208_345_999),
            call,
        };
        let identity = claims.identity(&Fixed).unwrap();
        let (token, parameters) = identity.split_once(';').unwrap();
        assert_eq!(parameters, "info=<https://cert.example.org/passport.cer>;alg=ES256;ppt=shaken");
        let parts: Vec<&str> = token.split('.').collect();
        // The header of RFC 8225 appendix A.1 is this one without `ppt`.
        assert_eq!(
            decoded(parts[0]),
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#
        );
        let payload = format!(
            r#"{{"attest":"A","dest":{{"tn":["12155551213"]}},"iat":1443208345,"orig":{{"tn":"12155551212"}},"origid":"{call}"}}"#
        );
        assert_eq!(decoded(parts[1]), payload);
        assert_eq!((parts.len(), URL_SAFE_NO_PAD.decode(parts[2]).unwrap()), (3, vec![7; 64]));
        assert!(!token.contains('='), "base64url has no padding (RFC 7515 §2)");
    }

    #[test]
    fn the_date_is_of_rfc_1123() {
        assert_eq!(date(Wall(784_111_777_000)).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(date(Wall(1_289_656_141_500)).as_deref(), Some("Sat, 13 Nov 2010 13:49:01 GMT"));
    }
}

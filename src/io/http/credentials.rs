//! Who asks: HTTP Basic (RFC 7617), or `business_id` and `password` of the message. Owns how the two are joined; refuses to
//! say why a pair is wrong.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::io::passwords::Password;

/// A pair as it was given, not yet verified.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Text of the business identifier.
    pub business: String,
    /// The password.
    pub password: Password,
}

/// What the message says about its sender.
#[derive(Clone, Debug, Default)]
pub struct InMessage {
    /// `business_id`
    pub business: Option<String>,
    /// `password`
    pub password: Option<Password>,
}

/// Reads `Authorization`. Absent: `None`. Another scheme, twice, or unreadable: 401.
pub fn basic(headers: &HeaderMap) -> Result<Option<Credentials>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::unauthorized());
    }
    read_basic(value.as_bytes()).map(Some).ok_or_else(Problem::unauthorized)
}

fn read_basic(value: &[u8]) -> Option<Credentials> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim_ascii()).ok()?;
    let decoded = Zeroizing::new(decoded);
    let text = std::str::from_utf8(&decoded).ok()?;
    let (business, password) = text.split_once(':')?;
    Some(Credentials { business: business.to_owned(), password: Password::new(password.to_owned()) })
}

/// Joins both ways: either is enough, and where both speak they must agree; otherwise 401.
pub fn join(basic: Option<Credentials>, message: InMessage) -> Result<Credentials, Problem> {
    match (basic, message.business, message.password) {
        (None, Some(business), Some(password)) => Ok(Credentials { business, password }),
        (None, _, _) => Err(Problem::unauthorized()),
        (Some(basic), business, password) => {
            let same_business = business.is_none_or(|given| given == basic.business);
            let same_password = password.is_none_or(|given| given.same(&basic.password));
            if same_business && same_password { Ok(basic) } else { Err(Problem::unauthorized()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_hold_colons_and_the_scheme_any_case() {
        let pair = read_basic(b"bAsIc YWJjOm9wZW46c2VzYW1l").unwrap();
        assert_eq!((pair.business.as_str(), pair.password.expose()), ("abc", "open:sesame"));
        for bad in [&b"Bearer x"[..], b"Basic", b"Basic !!!!", b"Basic YWJj", b"Basic /////w=="] {
            assert!(read_basic(bad).is_none());
        }
    }

    #[test]
    fn both_ways_must_agree() {
        let basic = || Credentials { business: "abc".into(), password: Password::new("p".into()) };
        let says = |b: Option<&str>, p: Option<&str>| InMessage {
            business: b.map(str::to_owned),
            password: p.map(|p| Password::new(p.to_owned())),
        };
        assert!(join(Some(basic()), says(None, None)).is_ok());
        assert!(join(Some(basic()), says(Some("abc"), Some("p"))).is_ok());
        assert!(join(Some(basic()), says(Some("abd"), None)).is_err());
        assert!(join(Some(basic()), says(None, Some("q"))).is_err());
        assert!(join(None, says(Some("abc"), Some("p"))).is_ok());
        assert!(join(None, says(Some("abc"), None)).is_err());
    }
}

//! URIs as SIP uses them: sip, sips, tel, and anything else as opaque text. Owns their parsing and the comparison of
//! RFC 3261 §19.1.4; refuses name resolution.

use std::net::IpAddr;

use super::grammar::{host_ip, host_port, is_host};

/// Why text is no URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UriError {
    #[error("no scheme")]
    Scheme,
    #[error("a character that a URI cannot hold, or a broken escape")]
    Character,
    #[error("a host or port that is none")]
    Host,
    #[error("an empty part")]
    Empty,
}

/// The scheme, compared without case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme<'a> {
    Sip,
    Sips,
    Tel,
    /// Any other, as written.
    Other(&'a str),
}

/// A URI, borrowed. Parts are as written, escapes kept; [`Uri::unescape`] undoes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uri<'a> {
    /// The scheme.
    pub scheme: Scheme<'a>,
    /// User part of sip and sips (without password), the number of tel.
    pub user: Option<&'a str>,
    /// The password of sip and sips.
    pub password: Option<&'a str>,
    /// Host of sip and sips, brackets of IPv6 kept; empty otherwise.
    pub host: &'a str,
    /// Port of sip and sips, where written.
    pub port: Option<u16>,
    /// `name=value;flag` of sip, sips and tel, without the first semicolon.
    pub params: &'a str,
    /// `name=value&…` after the question mark of sip and sips.
    pub headers: &'a str,
    /// All after the colon of the scheme.
    pub opaque: &'a str,
}

impl<'a> Uri<'a> {
    /// Reads a URI without brackets around it.
    ///
    /// # Errors
    /// [`UriError`]; never for an unknown scheme with lawful characters.
    pub fn parse(text: &'a str) -> Result<Uri<'a>, UriError> {
        let (scheme, opaque) = text.split_once(':').ok_or(UriError::Scheme)?;
        let mut letters = scheme.bytes();
        if !letters.next().is_some_and(|byte| byte.is_ascii_alphabetic())
            || !letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        {
            return Err(UriError::Scheme);
        }
        lawful(opaque)?;
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("sip") => Scheme::Sip,
            _ if scheme.eq_ignore_ascii_case("sips") => Scheme::Sips,
            _ if scheme.eq_ignore_ascii_case("tel") => Scheme::Tel,
            other => Scheme::Other(other),
        };
        let bare = Uri { scheme, user: None, password: None, host: "", port: None, params: "", headers: "", opaque };
        match scheme {
            Scheme::Sip | Scheme::Sips => bare.with_sip_parts(),
            Scheme::Tel => {
                let (number, params) = opaque.split_once(';').unwrap_or((opaque, ""));
                if number.is_empty() { Err(UriError::Empty) } else { Ok(Uri { user: Some(number), params, ..bare }) }
            }
            Scheme::Other(_) if opaque.is_empty() => Err(UriError::Empty),
            Scheme::Other(_) => Ok(bare),
        }
    }

    /// The user part may hold `;`, `?`, `/` and `,` (RFC 4475 §3.1.1.2), so it is cut off first, at the only `@`.
    fn with_sip_parts(self) -> Result<Uri<'a>, UriError> {
        let (userinfo, rest) = match self.opaque.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, self.opaque),
        };
        let (user, password) = match userinfo.map(|info| info.split_once(':').unwrap_or((info, ""))) {
            Some(("", _)) => return Err(UriError::Empty),
            Some((user, password)) => (Some(user), Some(password).filter(|password| !password.is_empty())),
            None => (None, None),
        };
        escapes(self.opaque)?;
        let (rest, headers) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, params) = rest.split_once(';').unwrap_or((rest, ""));
        if params.contains('@') || headers.contains('@') {
            return Err(UriError::Character);
        }
        let (host, port) = host_port(place).ok_or(UriError::Host)?;
        Ok(Uri { user, password, host, port, params, headers, ..self })
    }

    /// True for sip and sips.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The host as an address, where it is one.
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }

    /// A parameter's value as written; "" for a flag.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        pairs(self.params, ';').find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Undoes percent escapes; bytes that make no UTF-8 are replaced.
    pub fn unescape(text: &str) -> String {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, more)) = rest.split_first() {
            match (first, more) {
                (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    bytes.push(hex(*high) << 4 | hex(*low));
                    rest = after;
                }
                _ => {
                    bytes.push(first);
                    rest = more;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// RFC 3261 §19.1.4. URIs of other schemes are equal when their text is.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        if !self.is_sip() || !other.is_sip() {
            return match (self.scheme, other.scheme) {
                (Scheme::Other(a), Scheme::Other(b)) => a.eq_ignore_ascii_case(b) && self.opaque == other.opaque,
                (Scheme::Tel, Scheme::Tel) => self.opaque.eq_ignore_ascii_case(other.opaque),
                _ => false,
            };
        }
        let same_text = |a: Option<&str>, b: Option<&str>| a.map(Uri::unescape) == b.map(Uri::unescape);
        let same_host = match (self.host_ip(), other.host_ip()) {
            (Some(a), Some(b)) => a == b,
            _ => self.host.eq_ignore_ascii_case(other.host),
        };
        (self.scheme == Scheme::Sips) == (other.scheme == Scheme::Sips)
            && same_text(self.user, other.user)
            && same_text(self.password, other.password)
            && same_host
            && self.port == other.port
            && self.params_agree_with(other)
            && other.params_agree_with(self)
            && self.headers_within(other)
            && other.headers_within(self)
    }

    /// A parameter in both must match; the ones that choose a destination must be in both or neither.
    fn params_agree_with(&self, other: &Uri<'_>) -> bool {
        pairs(self.params, ';').all(|(name, value)| match other.param(name) {
            Some(theirs) => Uri::unescape(value).eq_ignore_ascii_case(&Uri::unescape(theirs)),
            None => !["user", "ttl", "method", "maddr", "transport"].iter().any(|key| name.eq_ignore_ascii_case(key)),
        })
    }

    fn headers_within(&self, other: &Uri<'_>) -> bool {
        pairs(self.headers, '&').all(|(name, value)| {
            pairs(other.headers, '&').any(|(theirs, their_value)| {
                name.eq_ignore_ascii_case(theirs) && Uri::unescape(value) == Uri::unescape(their_value)
            })
        })
    }
}

/// `a=1;b` as pairs; a flag has the value "".
fn pairs(text: &str, separator: char) -> impl Iterator<Item = (&str, &str)> {
    text.split(separator).filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Visible ASCII without the delimiters that no URI may hold unescaped.
fn lawful(text: &str) -> Result<(), UriError> {
    let is_lawful = |byte: u8| {
        byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\\' | b'^' | b'`' | b'{' | b'}' | b'|')
    };
    if text.bytes().all(is_lawful) { Ok(()) } else { Err(UriError::Character) }
}

/// Every `%` is followed by two hexadecimal digits.
fn escapes(text: &str) -> Result<(), UriError> {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        match rest.get(at + 1..at + 3) {
            Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest = &rest[at + 3..],
            _ => return Err(UriError::Character),
        }
    }
    Ok(())
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// True when `host` can stand in a URI or Via as it is.
pub(super) fn writable_host(host: &str) -> bool {
    is_host(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_taken_apart() {
        let uri = Uri::parse("sip:alice:secret@[2001:db8::1]:5062;transport=tcp;lr?Subject=a&x=b").unwrap();
        assert_eq!((uri.scheme, uri.user, uri.password), (Scheme::Sip, Some("alice"), Some("secret")));
        assert_eq!((uri.host, uri.port), ("[2001:db8::1]", Some(5062)));
        assert_eq!(uri.host_ip(), "2001:db8::1".parse().ok());
        assert_eq!((uri.param("Transport"), uri.param("lr"), uri.param("none")), (Some("tcp"), Some(""), None));
        assert_eq!(uri.headers, "Subject=a&x=b");
        let tel = Uri::parse("tel:+1-212-555-0100;ext=7").unwrap();
        assert_eq!((tel.user, tel.param("ext")), (Some("+1-212-555-0100"), Some("7")));
        assert_eq!(Uri::parse("soap.beep://192.0.2.103:3002").unwrap().scheme, Scheme::Other("soap.beep"));
        assert_eq!(
            Uri::parse("sip:user;par=u%40example.net@example.com").unwrap().user,
            Some("user;par=u%40example.net")
        );
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in
            ["", "sip", ":x", "sip:", "sip:@h", "sip:a@", "sip:a b@h", "sip:2001:db8::10", "sip:%zz@h", "sip:a@h:99999"]
        {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
        for text in
            ["<sip:a@h>", "sip:a@h\r\nX: y", "sip:a@[::1", "sip:a@[x]", "sip:a@h;x@y", "tel:", "1x:y", "sip:ü@h"]
        {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_rfc_3261_comparison_examples_hold() {
        let same = [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            ("sip:biloxi.com;transport=tcp;method=REGISTER", "sip:biloxi.com;method=REGISTER;transport=tcp"),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
        ];
        let different = [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@b", "sips:a@b"),
        ];
        for (a, b) in same {
            assert!(Uri::parse(a).unwrap().equivalent(&Uri::parse(b).unwrap()), "{a} {b}");
        }
        for (a, b) in different {
            assert!(!Uri::parse(a).unwrap().equivalent(&Uri::parse(b).unwrap()), "{a} {b}");
        }
    }
}

//! What can be dialled: an E.164 number, a `tel:` URI, a SIP URI or an IP address (system.md part 10). Owns the syntax of the
//! `customer` 810 and `representative` 812 fields; refuses to decide whether a destination is allowed or where it is routed.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::numbering;

/// Longest accepted text of an endpoint, in bytes.
pub const MAX_ENDPOINT_BYTES: usize = 256;

/// A place a leg can be dialled to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Endpoint {
    /// A global number, `+` and digits.
    Number(Number),
    /// `sip:` or `sips:` URI, kept as given.
    Sip(SipAddress),
    /// A bare IP address with an optional port: dialled as `sip:` there.
    Ip(IpAddr, Option<u16>),
}

/// A telephone number in E.164, with what RFC 3966 may hang on it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Number {
    /// `+` and 7 to 15 digits.
    pub e164: String,
    /// `;ext=` (RFC 3966 §5.3): dialled as digits after the answer.
    pub extension: Option<String>,
    /// `;postd=` (RFC 2806): dialled as digits after the answer.
    pub post_dial: Option<String>,
}

/// A SIP URI whose scheme and host were checked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SipAddress {
    /// The whole URI as it was given.
    pub uri: String,
    /// The host part, brackets removed.
    pub host: String,
    /// The port, where one was given.
    pub port: Option<u16>,
}

/// Why a text cannot be dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EndpointError {
    /// Empty text.
    #[error("empty; give an E.164 number such as +12125550100, a tel: or sip: URI, or an IP address")]
    Empty,
    /// Longer than [`MAX_ENDPOINT_BYTES`].
    #[error("longer than 256 characters")]
    TooLong,
    /// Neither number, URI nor address.
    #[error("not an E.164 number (+ and digits), a tel: or sip: URI, or an IP address")]
    Syntax,
    /// No country has this prefix.
    #[error("no country has this calling code")]
    UnknownCountry,
    /// Shorter than any number of its country.
    #[error("too short for a number of its country")]
    TooShort,
    /// Longer than any number of its country.
    #[error("too long for a number of its country")]
    TooLongNumber,
    /// A `tel:` URI without `+`: its context is not known here.
    #[error("a local tel: number; give the global form, + and country code")]
    LocalNumber,
    /// A parameter that is malformed.
    #[error("a malformed URI parameter")]
    Parameter,
    /// Control characters, spaces, or a malformed host in a SIP URI.
    #[error("a malformed SIP URI")]
    SipUri,
}

impl SipAddress {
    /// The user as a number would be written in it, or nothing: digits, with a `+` before them where there is one; unescaped, without
    /// separators and what hangs on it. So no number is reached, or rated, under another name.
    pub fn telephone_user(&self) -> String {
        let rest = self.uri.split_once(':').map_or(self.uri.as_str(), |(_, rest)| rest);
        let Some((user, _)) = rest.rsplit_once('@') else { return String::new() };
        let user = unescape(user);
        let user = user.split([';', ':']).next().unwrap_or_default();
        let digits: String = user.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect();
        let number = digits.strip_prefix('+').unwrap_or(&digits);
        if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) { digits } else { String::new() }
    }
}

fn unescape(text: &str) -> String {
    let mut rest = text.as_bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Endpoint {
    /// Reads the text of a message field or of configuration.
    pub fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(EndpointError::Empty);
        }
        if text.len() > MAX_ENDPOINT_BYTES {
            return Err(EndpointError::TooLong);
        }
        let scheme =
            |name: &str| text.get(..name.len()).filter(|s| s.eq_ignore_ascii_case(name)).map(|_| &text[name.len()..]);
        if let Some(rest) = scheme("tel:") {
            return parse_tel(rest).map(Endpoint::Number);
        }
        if let Some(rest) = scheme("sips:").or_else(|| scheme("sip:")) {
            return parse_sip(text, rest).map(Endpoint::Sip);
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Endpoint::Ip(address.ip(), Some(address.port())));
        }
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Endpoint::Ip(ip, None));
        }
        if !text.starts_with('+') {
            return Err(EndpointError::Syntax);
        }
        parse_e164(text).map(|e164| Endpoint::Number(Number { e164, extension: None, post_dial: None }))
    }

    /// The E.164 digits with `+`, for numbers: what prefixes are matched against.
    pub fn e164(&self) -> Option<&str> {
        match self {
            Endpoint::Number(number) => Some(&number.e164),
            Endpoint::Sip(_) | Endpoint::Ip(..) => None,
        }
    }
}

/// Visual separators of RFC 3966 are dropped; the length is judged for the number's country, the range is not.
fn parse_e164(text: &str) -> Result<String, EndpointError> {
    let mut e164 = String::with_capacity(16);
    for (at, c) in text.chars().enumerate() {
        match c {
            '+' if at == 0 => e164.push('+'),
            '0'..='9' => e164.push(c),
            '-' | '.' | '(' | ')' | ' ' => {}
            _ => return Err(EndpointError::Syntax),
        }
    }
    match e164.len() {
        0..=4 => return Err(EndpointError::TooShort),
        17.. => return Err(EndpointError::TooLongNumber),
        _ => {}
    }
    match numbering::is_plainly_possible(e164.trim_start_matches('+')) {
        true => Ok(e164),
        false => possible_length(&e164).map(|()| e164),
    }
}

/// The judgement of the crate.
pub(super) fn possible_length(e164: &str) -> Result<(), EndpointError> {
    use phonenumber::ParseError;
    let number = phonenumber::parse(None, e164).map_err(|error| match error {
        ParseError::InvalidCountryCode => EndpointError::UnknownCountry,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => EndpointError::TooShort,
        ParseError::TooLong => EndpointError::TooLongNumber,
        ParseError::NoNumber | ParseError::MalformedInteger(_) => EndpointError::Syntax,
    })?;
    // The crate judges possible lengths only inside a private path, and its `is_valid` would refuse unassigned ranges, which
    // the contract does not: so the lengths are read here.
    let code = number.code().value();
    let national = number.national().to_string().len();
    let metas = phonenumber::metadata::DATABASE.by_code(&code).ok_or(EndpointError::UnknownCountry)?;
    let (mut shortest, mut longest, mut fits) = (usize::MAX, 0, false);
    for length in possible_lengths(&metas) {
        shortest = shortest.min(length);
        longest = longest.max(length);
        fits |= length == national;
    }
    match fits || longest == 0 {
        true => Ok(()),
        false if national > longest => Err(EndpointError::TooLongNumber),
        false => Err(EndpointError::TooShort),
    }
}

/// How long a national number of these plans may be.
pub(super) fn possible_lengths(metas: &[&phonenumber::Metadata]) -> impl Iterator<Item = usize> {
    // The general description of this crate's data has no lengths: they are the union over the kinds of numbers.
    metas.iter().flat_map(|meta| {
        let kinds = meta.descriptors();
        let all = [
            kinds.fixed_line(),
            kinds.mobile(),
            kinds.toll_free(),
            kinds.premium_rate(),
            kinds.shared_cost(),
            kinds.personal_number(),
            kinds.voip(),
            kinds.pager(),
            kinds.uan(),
            kinds.voicemail(),
        ];
        all.into_iter().flatten().flat_map(|kind| kind.possible_length().iter().copied().map(usize::from))
    })
}

fn parse_tel(rest: &str) -> Result<Number, EndpointError> {
    let mut parts = rest.split(';');
    let number = parts.next().unwrap_or_default();
    if !number.starts_with('+') {
        return Err(EndpointError::LocalNumber);
    }
    let mut out = Number { e164: parse_e164(number)?, extension: None, post_dial: None };
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let slot = match name.to_ascii_lowercase().as_str() {
            "ext" => &mut out.extension,
            "postd" => &mut out.post_dial,
            _ => continue,
        };
        let digits: String = value.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect();
        let known = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D' | 'a'..='d' | 'p' | 'w' | ',');
        if digits.is_empty() || digits.len() > 32 || !digits.chars().all(known) || slot.is_some() {
            return Err(EndpointError::Parameter);
        }
        *slot = Some(digits);
    }
    Ok(out)
}

fn parse_sip(whole: &str, rest: &str) -> Result<SipAddress, EndpointError> {
    let printable = |b: u8| {
        (0x21..0x7f).contains(&b) && !matches!(b, b'<' | b'>' | b'"' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
    };
    if !whole.bytes().all(printable) {
        return Err(EndpointError::SipUri);
    }
    // RFC 3261 §19.1.5: headers in a URI would let a stranger write into our INVITE.
    if rest.contains('?') {
        return Err(EndpointError::Parameter);
    }
    let after_user = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host_port = after_user.split(';').next().unwrap_or_default();
    let (host, port) = if let Some(v6) = host_port.strip_prefix('[') {
        let (host, tail) = v6.split_once(']').ok_or(EndpointError::SipUri)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| EndpointError::SipUri)?;
        (host, tail.strip_prefix(':'))
    } else {
        let (host, port) = host_port.split_once(':').map_or((host_port, None), |(h, p)| (h, Some(p)));
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if host.is_empty() || !host.bytes().all(good) {
            return Err(EndpointError::SipUri);
        }
        (host, port)
    };
    let port = port.map(|p| p.parse::<u16>().ok().filter(|p| *p > 0).ok_or(EndpointError::SipUri)).transpose()?;
    Ok(SipAddress { uri: whole.to_owned(), host: host.to_owned(), port })
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Number(Number { e164, extension: None, post_dial: None }) => f.write_str(e164),
            Endpoint::Number(Number { e164, extension, post_dial }) => {
                write!(f, "tel:{e164}")?;
                extension.iter().try_for_each(|ext| write!(f, ";ext={ext}"))?;
                post_dial.iter().try_for_each(|digits| write!(f, ";postd={digits}"))
            }
            Endpoint::Sip(sip) => f.write_str(&sip.uri),
            Endpoint::Ip(ip, Some(port)) => SocketAddr::new(*ip, *port).fmt(f),
            Endpoint::Ip(ip, None) => ip.fmt(f),
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl utoipa::PartialSchema for Endpoint {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        let text = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String);
        text.max_length(Some(MAX_ENDPOINT_BYTES)).examples(["+12125550100"]).into()
    }
}

impl utoipa::ToSchema for Endpoint {}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Endpoint, D::Error> {
        Endpoint::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_judged_by_length_for_its_country_not_by_its_range() {
        assert!(matches!(Endpoint::parse("+12125550100"), Ok(Endpoint::Number(_))));
        assert!(Endpoint::parse("+1 (555) 555-0100").is_ok());
        assert_eq!(Endpoint::parse("+1212555010"), Err(EndpointError::TooShort));
        assert_eq!(Endpoint::parse("+121255501000"), Err(EndpointError::TooLongNumber));
        assert_eq!(Endpoint::parse("+99955501000"), Err(EndpointError::UnknownCountry));
        assert_eq!(Endpoint::parse("2125550100"), Err(EndpointError::Syntax));
        for good in
            ["+442079460000", "+4915123456789", "+33123456789", "+390612345678", "+390236618300", "+819012345678"]
        {
            assert!(Endpoint::parse(good).is_ok(), "{good}: {:?}", Endpoint::parse(good));
        }
    }

    #[test]
    fn a_tel_uri_keeps_its_extension() {
        let Ok(Endpoint::Number(n)) = Endpoint::parse("tel:+1-212-555-0101;ext=42") else { panic!() };
        assert_eq!((n.e164.as_str(), n.extension.as_deref()), ("+12125550101", Some("42")));
        assert_eq!(Endpoint::parse("tel:5550100"), Err(EndpointError::LocalNumber));
        assert_eq!(Endpoint::parse("tel:+12125550101;ext="), Err(EndpointError::Parameter));
    }

    #[test]
    fn sip_uris_and_addresses_stand_for_numbers() {
        for text in [
            "sip:rep@192.0.2.9:5070",
            "sips:a@example.com",
            "sip:[2001:db8::7]:5062;transport=udp",
            "192.0.2.7",
            "[2001:db8::7]:5062",
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint), "{text}");
        }
        for text in ["sip:", "sip:a b@c", "sip:a@b?Subject=x", "sip:a@b:99999", "sip:a@[::zz]", "sip:a@b\r\nEvil: 1"] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}

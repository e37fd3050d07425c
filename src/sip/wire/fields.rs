//! Typed readings of single header field values: Via, name-addr, CSeq, RAck. Borrowed from the message; refuses to decide
//! what a wrong one means (that is `judge`).

use std::borrow::Cow;
use std::net::IpAddr;

use super::grammar::{
    Params, find_outside, host_ip, host_port, is_token, is_token_char, lenient_text, number, quoted_len, split_at_byte,
    trim,
};
use super::method::Method;
use super::uri::{Uri, UriError};

/// Why a header field could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FieldError {
    #[error("the field is missing")]
    Missing,
    #[error("the field does not follow its grammar")]
    Syntax,
    #[error("a parameter is malformed")]
    Parameter,
    #[error("a number is malformed or out of range")]
    Number,
    #[error("a quoted string never ends")]
    Quote,
    #[error("the URI is malformed: {0}")]
    Uri(#[from] UriError),
}

/// The `rport` parameter of a Via (RFC 3581).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rport {
    /// Not there.
    Absent,
    /// There without a value: the client asks for symmetric answers.
    Asked,
    /// Filled in by a server.
    Port(u16),
}

/// One Via value (RFC 3261 §20.42).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, … as written.
    pub transport: &'a str,
    /// The host of sent-by, brackets of IPv6 kept.
    pub host: &'a str,
    /// The port of sent-by, where written.
    pub port: Option<u16>,
    /// The branch; absent from RFC 2543 elements.
    pub branch: Option<&'a str>,
    /// The address a server saw (with or without brackets); `None` when absent or not an address.
    pub received: Option<IpAddr>,
    /// The port a server saw, or the wish to have it.
    pub rport: Rport,
    /// All parameters, these included.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value (not a comma list).
    ///
    /// # Errors
    /// [`FieldError`] for anything but `SIP / version / transport sent-by *(;param)`.
    pub fn parse(value: &'a [u8]) -> Result<Via<'a>, FieldError> {
        let (protocol, rest) = split_at_byte(value, b'/');
        let (version, rest) = split_at_byte(rest.ok_or(FieldError::Syntax)?, b'/');
        let rest = trim(rest.ok_or(FieldError::Syntax)?);
        if !trim(protocol).eq_ignore_ascii_case(b"SIP") || !is_token(trim(version)) {
            return Err(FieldError::Syntax);
        }
        let transport_end = rest.iter().position(|&byte| !is_token_char(byte)).ok_or(FieldError::Syntax)?;
        let (transport, rest) = rest.split_at(transport_end);
        if !matches!(rest.first(), Some(b' ' | b'\t')) || transport.is_empty() {
            return Err(FieldError::Syntax);
        }
        let sent_by_end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (sent_by, params) = rest.split_at(sent_by_end);
        let (host, port) = host_port(text(trim(sent_by))?).ok_or(FieldError::Syntax)?;
        let params = Params::parse(params)?;
        let mut via =
            Via { transport: text(transport)?, host, port, branch: None, received: None, rport: Rport::Absent, params };
        for (name, value) in params.iter() {
            match name {
                _ if name.eq_ignore_ascii_case(b"branch") => {
                    via.branch = Some(text(value.ok_or(FieldError::Parameter)?)?)
                }
                _ if name.eq_ignore_ascii_case(b"received") => {
                    via.received = value.and_then(|value| host_ip(std::str::from_utf8(value).ok()?));
                }
                _ if name.eq_ignore_ascii_case(b"rport") => {
                    via.rport = match value {
                        None => Rport::Asked,
                        Some(value) => Rport::Port(port_number(value)?),
                    };
                }
                _ => {}
            }
        }
        Ok(via)
    }
}

/// CSeq: a number below 2³¹ and a method (RFC 3261 §8.1.1.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CSeq {
    /// The sequence number.
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    /// Reads `number method`.
    ///
    /// # Errors
    /// [`FieldError::Number`] for a number of 2³¹ or more, [`FieldError::Syntax`] otherwise.
    pub fn parse(value: &[u8]) -> Result<CSeq, FieldError> {
        let (digits, method) = word(value)?;
        let number = sequence(digits)?;
        if !is_token(method) {
            return Err(FieldError::Syntax);
        }
        Ok(CSeq { number, method: Method::from_token(text(method)?) })
    }
}

/// RAck: what a PRACK acknowledges (RFC 3262 §7.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RAck {
    /// RSeq of the provisional response.
    pub rseq: u32,
    /// Its CSeq.
    pub cseq: CSeq,
}

impl RAck {
    /// Reads `rseq number method`.
    ///
    /// # Errors
    /// As [`CSeq::parse`].
    pub fn parse(value: &[u8]) -> Result<RAck, FieldError> {
        let (rseq, rest) = word(value)?;
        Ok(RAck { rseq: sequence(rseq)?, cseq: CSeq::parse(rest)? })
    }
}

/// A name-addr or addr-spec with parameters: From, To, Contact, Route, Record-Route and their kin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameAddr<'a> {
    /// The display name without quotes and escapes. Bytes that are no UTF-8 are read as Latin-1.
    pub display: Option<Cow<'a, str>>,
    /// The URI, without brackets; its syntax has been checked.
    pub uri: &'a str,
    /// The `tag` parameter.
    pub tag: Option<&'a str>,
    /// The parameters of the field (not of the URI).
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value (not a comma list).
    ///
    /// # Errors
    /// [`FieldError`]: a quote that never ends, blanks inside the URI, a bare URI with `?` or `,` (RFC 3261 §20.10), …
    pub fn parse(value: &'a [u8]) -> Result<NameAddr<'a>, FieldError> {
        let value = trim(value);
        let (display, uri, params) = match value {
            [b'"', ..] => {
                let (quoted, rest) = value.split_at(quoted_len(value).ok_or(FieldError::Quote)?);
                let (before, uri, params) = bracketed(rest).ok_or(FieldError::Syntax)?;
                if !trim(before).is_empty() {
                    return Err(FieldError::Syntax);
                }
                (Some(unquote(quoted)), uri, params)
            }
            _ => match bracketed(value) {
                Some((display, uri, params)) if trim(display).is_empty() => (None, uri, params),
                Some((display, uri, params)) if is_display(display) => (Some(lenient_text(trim(display))), uri, params),
                Some(_) => return Err(FieldError::Syntax),
                None => {
                    let (uri, params) = value.split_at(find_outside(value, b';', false).unwrap_or(value.len()));
                    if uri.iter().any(|byte| matches!(byte, b'?' | b',')) {
                        return Err(FieldError::Syntax);
                    }
                    (None, trim(uri), params)
                }
            },
        };
        let uri = text(uri)?;
        Uri::parse(uri)?;
        let params = Params::parse(params)?;
        let tag = match params.has("tag") {
            true => Some(params.get("tag").filter(|tag| is_token(tag.as_bytes())).ok_or(FieldError::Parameter)?),
            false => None,
        };
        Ok(NameAddr { display, uri, tag, params })
    }
}

/// Splits `before<uri>after`.
fn bracketed(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (before, rest) = split_at_byte(text, b'<');
    let (uri, after) = split_at_byte(rest?, b'>');
    Some((before, uri, after?))
}

/// `*(token LWS)`; bytes beyond ASCII are let through, since many phones send names unquoted.
fn is_display(text: &[u8]) -> bool {
    text.iter().all(|&byte| is_token_char(byte) || byte >= 0x80 || matches!(byte, b' ' | b'\t'))
}

fn unquote(quoted: &[u8]) -> Cow<'_, str> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if memchr::memchr(b'\\', inner).is_none() {
        return lenient_text(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    lenient_text(&plain).into_owned().into()
}

/// The first word and the rest, both trimmed.
fn word(value: &[u8]) -> Result<(&[u8], &[u8]), FieldError> {
    let value = trim(value);
    let end = value.iter().position(|byte| matches!(byte, b' ' | b'\t')).ok_or(FieldError::Syntax)?;
    let (first, rest) = value.split_at(end);
    Ok((first, trim(rest)))
}

fn sequence(digits: &[u8]) -> Result<u32, FieldError> {
    u32::try_from(number(digits, (1 << 31) - 1).ok_or(FieldError::Number)?).map_err(|_| FieldError::Number)
}

fn port_number(digits: &[u8]) -> Result<u16, FieldError> {
    u16::try_from(number(digits, 65_535).ok_or(FieldError::Number)?).map_err(|_| FieldError::Number)
}

fn text(bytes: &[u8]) -> Result<&str, FieldError> {
    std::str::from_utf8(bytes).map_err(|_| FieldError::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_via_is_read_with_blanks_and_ipv6() {
        let via =
            Via::parse(b"SIP  / 2.0  / TCP     [2001:db8::1] : 5061 ; branch  =   z9hG4bK9ikj8 ;rport;received=[::1]")
                .unwrap();
        assert_eq!((via.transport, via.host, via.port), ("TCP", "[2001:db8::1]", Some(5061)));
        assert_eq!((via.branch, via.rport, via.received), (Some("z9hG4bK9ikj8"), Rport::Asked, "::1".parse().ok()));
        for bad in [
            "SIP/2.0/UDP",
            "SIP/2.0/UDP h;;",
            "HTTP/1.1/TCP h",
            "SIP/2.0/UDP h:0x5",
            "SIP/2.0 h",
            "SIP/2.0/UDP h;rport=x",
        ] {
            assert!(Via::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_addr_is_read_in_all_its_forms() {
        let from = NameAddr::parse(br#""J Rosenberg \\\""       <sip:jdrosen@example.com>  ;  tag = 98asjd8"#).unwrap();
        assert_eq!(
            (from.display.as_deref(), from.uri, from.tag),
            (Some(r#"J Rosenberg \""#), "sip:jdrosen@example.com", Some("98asjd8"))
        );
        assert_eq!(NameAddr::parse(b"caller<sip:c@h>;tag=3").unwrap().display.as_deref(), Some("caller"));
        let bare = NameAddr::parse(b"sip:+1972@gw;user=phone").unwrap();
        assert_eq!((bare.uri, bare.params.get("user")), ("sip:+1972@gw", Some("phone")));
        assert_eq!(NameAddr::parse(b"\"J\xfcrgen\" <sip:j@h>").unwrap().display.as_deref(), Some("J\u{fc}rgen"));
        for bad in [
            "",
            "\"open <sip:a@b>",
            "Bell, A <sip:a@b>",
            "<sip:a@b",
            "< sip:a@b >",
            "sip:a@b?Route=x",
            "<sip:a@b>;;",
            "<sip:a@b> x",
            "sip:a@b;tag=",
        ] {
            assert!(NameAddr::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn sequence_numbers_end_below_two_to_the_31() {
        assert_eq!(CSeq::parse(b"0009   INVITE"), Ok(CSeq { number: 9, method: Method::Invite }));
        assert_eq!(CSeq::parse(b"2147483648 INVITE"), Err(FieldError::Number));
        assert!(CSeq::parse(b"1").is_err() && CSeq::parse(b"-1 ACK").is_err() && CSeq::parse(b"1 A B").is_err());
        let rack = RAck::parse(b"776656 1 INVITE").unwrap();
        assert_eq!((rack.rseq, rack.cseq.number), (776_656, 1));
    }
}

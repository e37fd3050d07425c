//! The small pieces of SIP grammar shared by every field: tokens, quoted strings, comma lists, parameters, hosts. All of it
//! works on borrowed bytes, in one pass, without allocation.

use std::net::{IpAddr, Ipv6Addr};

use super::fields::FieldError;

/// RFC 3261 §25.1 `token`.
pub(super) fn is_token_char(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut at = 0;
        while at < 256 {
            let byte = at as u8;
            table[at] = byte.is_ascii_alphanumeric()
                || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
            at += 1;
        }
        table
    };
    TABLE[usize::from(byte)]
}

/// One or more token characters and nothing else.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_char(byte))
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without the blanks at both ends. Folded lines are blanks already when this is called.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Splits at the first `at`; the rest is without it.
pub(super) fn split_at_byte(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, text) {
        Some(index) => (&text[..index], Some(&text[index + 1..])),
        None => (text, None),
    }
}

/// Decimal digits only, at most `max`.
pub(super) fn number(text: &[u8], max: u64) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit).filter(|value| *value <= max)
    })
}

/// UTF-8 as it is; anything else read as Latin-1, as phones of many years wrote it.
pub(super) fn lenient_text(text: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(text) {
        Ok(text) => text.into(),
        Err(_) => text.iter().map(|&byte| char::from(byte)).collect::<String>().into(),
    }
}

/// Length of the quoted string that begins `text`, quotes included; `None` when it never ends.
pub(super) fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// Where the first of `stops` lies outside quoted strings and, where `brackets` is set, outside `<…>`. A quote that never
/// ends hides the rest.
pub(super) fn find_outside(text: &[u8], stop: u8, brackets: bool) -> Option<usize> {
    let mut at = 0;
    let mut inside = false;
    while let Some(&byte) = text.get(at) {
        match byte {
            _ if byte == stop && !inside => return Some(at),
            b'"' if !inside => at += quoted_len(&text[at..])? - 1,
            b'<' if brackets => inside = true,
            b'>' if brackets => inside = false,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The values of one comma-separated line, blanks trimmed. Empty ones are kept, so that a judge sees them.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Values<'a> {
    /// The values of `line`.
    pub fn of(line: &'a [u8]) -> Values<'a> {
        Values { rest: Some(line) }
    }

    /// `line` as one value.
    pub(super) fn none() -> Values<'a> {
        Values { rest: None }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.rest?;
        match find_outside(line, b',', true) {
            Some(at) => {
                self.rest = Some(&line[at + 1..]);
                Some(trim(&line[..at]))
            }
            None => {
                self.rest = None;
                Some(trim(line))
            }
        }
    }
}

/// Parameters of a header field (`;name=value;flag`), checked when made, read on demand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Params<'a> {
    /// From the first name on, without the first semicolon; empty when there is none.
    raw: &'a [u8],
}

impl<'a> Params<'a> {
    /// Checks `text`, which is empty or begins with a semicolon.
    ///
    /// # Errors
    /// [`FieldError::Parameter`] for an empty parameter, a name that is no token or a quote that never ends.
    pub fn parse(text: &'a [u8]) -> Result<Params<'a>, FieldError> {
        let raw = match trim(text) {
            [] => return Ok(Params::default()),
            [b';', rest @ ..] => rest,
            _ => return Err(FieldError::Parameter),
        };
        let params = Params { raw };
        for (name, value) in params.iter() {
            let value_is_fine = match value {
                None => true,
                Some([]) => false,
                Some(quoted @ [b'"', ..]) => quoted_len(quoted) == Some(quoted.len()),
                Some(plain) => !plain.iter().any(|byte| is_space(byte) || matches!(byte, b'"' | b',' | b'<' | b'>')),
            };
            if !is_token(name) || !value_is_fine {
                return Err(FieldError::Parameter);
            }
        }
        Ok(params)
    }

    /// Names and raw values (quotes kept), in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut rest = (!self.raw.is_empty()).then_some(self.raw);
        std::iter::from_fn(move || {
            let text = rest?;
            let (one, more) = match find_outside(text, b';', false) {
                Some(at) => (&text[..at], Some(&text[at + 1..])),
                None => (text, None),
            };
            rest = more;
            let (name, value) = split_at_byte(one, b'=');
            Some((trim(name), value.map(trim)))
        })
    }

    /// True when the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The raw value of the first parameter of that name; `None` also when it has no value or is not UTF-8.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?;
        std::str::from_utf8(value?).ok()
    }

    /// As it stands in the message, without the first semicolon.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }
}

/// A host as in a URI or Via: a name, an IPv4 address or a bracketed IPv6 reference.
pub(super) fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| ipv6(inner).is_some()),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        }
    }
}

/// An IPv6 address. The three colons that the grammar of RFC 3261 produces before an embedded IPv4 address are read as two
/// (RFC 5118 §4.10).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    match text.split_once(":::") {
        Some((before, after)) => format!("{before}::{after}").parse().ok(),
        None => text.parse().ok(),
    }
}

/// The address a host spells, with or without brackets (RFC 5118 §4.5 asks for both in `received`).
pub(super) fn host_ip(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => ipv6(inner).map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// Splits `host[:port]`; both are checked.
pub(super) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match text.strip_prefix('[') {
        Some(_) => text.find(']')? + 1,
        None => text.find([':', ' ', '\t']).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(host_end)?;
    let port = match rest.trim_matches([' ', '\t']).strip_prefix(':') {
        Some(port) => Some(u16::try_from(number(port.trim_matches([' ', '\t']).as_bytes(), 65_535)?).ok()?),
        None if rest.trim_matches([' ', '\t']).is_empty() => None,
        None => return None,
    };
    is_host(host).then_some((host, port))
}

//! The phone's own reading and writing of SIP text (RFC 3261 §7): borrowed slices in, bytes out. Written apart from
//! `crate::sip` on purpose, and strict: what it cannot read is a violation of the peer. Refuses any knowledge of calls.

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

/// The first line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start<'a> {
    /// Method and Request-URI.
    Request { method: &'a str, uri: &'a str },
    /// Status code.
    Response { status: u16 },
}

/// One message, borrowed from its datagram.
#[derive(Debug)]
pub struct Message<'a> {
    /// The first line.
    pub start: Start<'a>,
    headers: SmallVec<[(&'a str, &'a str); 20]>,
    /// What follows the empty line.
    pub body: &'a [u8],
}

/// Why a datagram is no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MessageError {
    /// Not text up to the empty line, or no empty line.
    #[error("no header section of UTF-8 text ending in an empty line")]
    Section,
    /// Neither a request line nor a status line.
    #[error("a malformed first line")]
    FirstLine,
    /// A line without a colon, or a folded one (we never see the need to fold).
    #[error("a malformed header line")]
    HeaderLine,
}

impl<'a> Message<'a> {
    /// Reads one datagram.
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").ok_or(MessageError::Section)?;
        let head = bytes.get(..end).and_then(|h| std::str::from_utf8(h).ok()).ok_or(MessageError::Section)?;
        let mut lines = head.split("\r\n");
        let start = first_line(lines.next().unwrap_or_default())?;
        let mut headers = SmallVec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(MessageError::HeaderLine)?;
            let name = name.trim_end();
            if name.is_empty() || name.starts_with([' ', '\t']) {
                return Err(MessageError::HeaderLine);
            }
            headers.push((long_name(name), value.trim()));
        }
        Ok(Message { start, headers, body: bytes.get(end + 4..).unwrap_or_default() })
    }

    /// All values of a header, in order.
    pub fn all(&self, name: &'a str) -> impl Iterator<Item = &'a str> + '_ {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v)
    }

    /// The first value of a header.
    pub fn get(&self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> Option<(u32, &'a str)> {
        let (number, method) = self.get("CSeq")?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> Option<&'a str> {
        parameter(self.get("Via")?.split(',').next()?, "branch")
    }

    /// Whether a header that lists tokens (Supported, Require, Allow) names this one.
    pub fn lists(&self, name: &'a str, token: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(token))
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&'a str> {
        match self.start {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } => None,
        }
    }
}

fn first_line(line: &str) -> Result<Start<'_>, MessageError> {
    let mut words = line.splitn(3, ' ');
    let (a, b, c) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next());
    if a == "SIP/2.0" {
        let status = b.parse().ok().filter(|s| (100..700).contains(s)).ok_or(MessageError::FirstLine)?;
        return Ok(Start::Response { status });
    }
    match c {
        Some("SIP/2.0") if !a.is_empty() && !b.is_empty() => Ok(Start::Request { method: a, uri: b }),
        _ => Err(MessageError::FirstLine),
    }
}

/// RFC 3261 §7.3.3.
fn long_name(name: &str) -> &str {
    match name {
        "v" | "V" => "Via",
        "f" | "F" => "From",
        "t" | "T" => "To",
        "i" | "I" => "Call-ID",
        "m" | "M" => "Contact",
        "l" | "L" => "Content-Length",
        "c" | "C" => "Content-Type",
        "k" | "K" => "Supported",
        "x" | "X" => "Session-Expires",
        "o" | "O" => "Event",
        other => other,
    }
}

/// A `;name=value` parameter behind a URI, a header's address or a Via.
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    // Parameters of the header stand behind the closing bracket; those inside belong to the URI.
    let tail = value.rfind('>').map_or(value, |at| &value[at + 1..]);
    tail.split(';').skip(1).find_map(|part| {
        let (n, v) = part.split_once('=').unwrap_or((part, ""));
        n.trim().eq_ignore_ascii_case(name).then(|| v.trim())
    })
}

/// The URI of a name-addr or addr-spec.
pub fn uri_of(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
        None => value.split(';').next().unwrap_or_default().trim(),
    }
}

/// The user part of a SIP URI, without its parameters.
pub fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.rsplit_once('@').map_or("", |(user, _)| user.split(';').next().unwrap_or_default())
}

/// The address in a SIP URI whose host is an IP address.
pub fn address_of(uri: &str) -> Option<SocketAddr> {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split([';', '?']).next().unwrap_or_default();
    if let Ok(address) = host.parse() {
        return Some(address);
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 5060))
}

/// Adds Content-Type (with a body), Content-Length, the empty line and the body.
pub fn finish(head: String, body: &str) -> Vec<u8> {
    finish_as(head, "application/sdp", body)
}

/// The same with a body of another kind.
pub fn finish_as(mut head: String, kind: &str, body: &str) -> Vec<u8> {
    use std::fmt::Write;
    if !body.is_empty() {
        let _ = write!(head, "Content-Type: {kind}\r\n");
    }
    let _ = write!(head, "Content-Length: {}\r\n\r\n{body}", body.len());
    head.into_bytes()
}

/// The words behind a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        422 => "Session Interval Too Small",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Whatever",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_read_with_its_compact_headers() {
        let text = b"BYE sip:a@192.0.2.1 SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1;rport\r\nf: <sip:b@c;x=1>;tag=t\r\nCSeq: 7 BYE\r\n\r\nbody";
        let message = Message::parse(text).unwrap();
        assert_eq!(message.method(), Some("BYE"));
        assert_eq!(message.branch(), Some("z9hG4bK1"));
        assert_eq!(parameter(message.get("From").unwrap(), "tag"), Some("t"));
        assert_eq!(parameter(message.get("From").unwrap(), "x"), None);
        assert_eq!(message.cseq(), Some((7, "BYE")));
        assert_eq!(message.body, b"body");
    }

    #[test]
    fn the_parts_of_a_uri_are_found() {
        assert_eq!(user_of("sip:+1212;ext=4@192.0.2.1:5070;user=phone"), "+1212");
        assert_eq!(address_of("sip:p7@127.0.0.1:5071;transport=udp"), "127.0.0.1:5071".parse().ok());
        assert_eq!(address_of("sip:[::1]"), "[::1]:5060".parse().ok());
        assert_eq!(uri_of("\"A B\" <sip:x@y>;tag=1"), "sip:x@y");
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(message) = Message::parse(&bytes) {
                let _ = (message.cseq(), message.branch());
            }
        }

        #[test]
        fn no_text_makes_the_uri_readers_panic(text in ".{0,80}") {
            let _ = (parameter(&text, "tag"), uri_of(&text), user_of(&text), address_of(&text));
        }
    }
}

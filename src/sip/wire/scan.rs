//! The scan: one pass over a datagram that finds the start line, the header lines and the body, as offsets. Refuses what no
//! answer could be sent to; whatever a request got wrong beyond that is kept as a [`Fault`] for `judge`.

use bytes::Bytes;
use smallvec::SmallVec;

use super::grammar::{is_token, is_token_char, number, trim};
use super::message::{Fault, Line, Message, Span, Start};
use super::method::Method;
use super::name::Name;

/// The largest message: what a UDP datagram can hold, so that every offset fits 16 bits.
pub const MAX_MESSAGE: usize = 65_535;
/// The most header lines of a message.
pub const MAX_HEADERS: usize = 256;

/// Why bytes are no SIP message that anybody could answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// Only line ends (or nothing): a keep-alive (RFC 5626 §4.4.1), not an attack.
    #[error("a keep-alive")]
    KeepAlive,
    #[error("longer than 65,535 bytes")]
    TooLong,
    #[error("more than 256 header lines")]
    TooManyHeaders,
    #[error("the first line is no SIP start line")]
    StartLine,
    #[error("a status code that is not three digits from 100 to 699")]
    StatusCode,
}

/// Reads one datagram.
pub(super) fn scan(datagram: &[u8]) -> Result<Message, ParseError> {
    let skipped = datagram.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let datagram = datagram.get(skipped..).unwrap_or_default();
    if datagram.is_empty() {
        return Err(ParseError::KeepAlive);
    }
    if datagram.len() > MAX_MESSAGE {
        return Err(ParseError::TooLong);
    }
    let mut fault = None;
    let (line, mut at) = next_line(datagram, 0).unwrap_or((span(0, datagram.len()), datagram.len()));
    let start = start_line(line.of(datagram), &mut fault)?;
    let mut headers = SmallVec::new();
    let mut dirty = false;
    let mut complete = false;
    while let Some((mut line, mut next)) = next_line(datagram, at) {
        if line.is_empty() {
            at = next;
            complete = true;
            break;
        }
        while let Some(b' ' | b'\t') = datagram.get(next) {
            let Some((more, after)) = next_line(datagram, next) else { break };
            line.end = more.end;
            next = after;
            dirty = true;
        }
        if headers.len() == MAX_HEADERS {
            return Err(ParseError::TooManyHeaders);
        }
        match header_line(datagram, line) {
            Some(header) => {
                dirty |= memchr::memchr(b'\r', header.value.of(datagram)).is_some();
                headers.push(header);
            }
            None => fault = fault.or(Some(Fault::HeaderLine)),
        }
        at = next;
    }
    if !complete {
        fault = fault.or(Some(Fault::Incomplete));
        at = datagram.len();
    }
    let buffer = if dirty { unfolded(datagram, &headers) } else { Bytes::copy_from_slice(datagram) };
    let mut message = Message { buffer, start, headers, body: span(at, datagram.len()), fault };
    delimit_body(&mut message);
    Ok(message)
}

/// The line that begins at `at`, without its end, and where the next begins. A lone line feed also ends a line.
fn next_line(datagram: &[u8], at: usize) -> Option<(Span, usize)> {
    let rest = datagram.get(at..)?;
    let feed = memchr::memchr(b'\n', rest)?;
    let end = if feed > 0 && rest.get(feed - 1) == Some(&b'\r') { feed - 1 } else { feed };
    Some((span(at, at + end), at + feed + 1))
}

fn start_line(line: &[u8], fault: &mut Option<Fault>) -> Result<Start, ParseError> {
    if line.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/")) {
        return status_line(line);
    }
    let method_end = line.iter().position(|&byte| !is_token_char(byte)).ok_or(ParseError::StartLine)?;
    let method = line.get(..method_end).unwrap_or_default();
    let body = line.trim_ascii_end();
    let version_at = body.iter().rposition(|&byte| byte == b' ').ok_or(ParseError::StartLine)? + 1;
    let version = body.get(version_at..).unwrap_or_default();
    if method.is_empty() || line.get(method_end) != Some(&b' ') || version_at <= method_end + 1 {
        return Err(ParseError::StartLine);
    }
    let version_number = match version.split_at_checked(4) {
        Some((head, number)) if head.eq_ignore_ascii_case(b"SIP/") => number,
        _ => return Err(ParseError::StartLine),
    };
    let uri = line.get(method_end..version_at).unwrap_or_default();
    let (uri_from, uri_to) = {
        let lead = uri.len() - uri.trim_ascii_start().len();
        (method_end + lead, (method_end + lead).max(method_end + uri.trim_ascii_end().len()))
    };
    let uri = line.get(uri_from..uri_to).unwrap_or_default();
    if version_number != b"2.0" {
        *fault = Some(Fault::Version);
    } else if body.len() != line.len() {
        *fault = Some(Fault::RequestLine);
    } else if uri.is_empty() || !uri.iter().all(u8::is_ascii_graphic) {
        *fault = Some(Fault::RequestUri);
    }
    let method = std::str::from_utf8(method).map_err(|_| ParseError::StartLine)?;
    Ok(Start::Request { method: Method::from_token(method), uri: span(uri_from, uri_to) })
}

/// `SIP/2.0 status reason`. A response gets no answer, so whatever is wrong here is an error.
fn status_line(line: &[u8]) -> Result<Start, ParseError> {
    let rest = line.get(4..).and_then(|rest| rest.strip_prefix(b"2.0 ")).ok_or(ParseError::StartLine)?;
    let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    let (digits, reason) = rest.split_at(end);
    let status = Some(digits).filter(|digits| digits.len() == 3).and_then(|digits| number(digits, 699));
    let status = status.and_then(|status| u16::try_from(status).ok()).filter(|status| *status >= 100);
    let reason_at = line.len() - reason.len() + usize::from(!reason.is_empty());
    Ok(Start::Response { status: status.ok_or(ParseError::StatusCode)?, reason: span(reason_at, line.len()) })
}

fn header_line(datagram: &[u8], line: Span) -> Option<Line> {
    let text = line.of(datagram);
    let name_len = text.iter().position(|&byte| !is_token_char(byte))?;
    let name = text.get(..name_len)?;
    let blanks = text.get(name_len..)?.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let colon = name_len + blanks;
    if text.get(colon) != Some(&b':') || !is_token(name) {
        return None;
    }
    let value = text.get(colon + 1..)?;
    let lead = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    let tail = value.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    let from = usize::from(line.start) + colon + 1 + lead;
    let to = (usize::from(line.end) - tail).max(from);
    Some(Line {
        name: Name::of(name),
        written: span(line.start.into(), usize::from(line.start) + name_len),
        value: span(from, to),
    })
}

/// A copy in which the line ends inside folded values are blanks: the same length, the same meaning (RFC 3261 §7.3.1), and no
/// value can carry a line end into what we send.
fn unfolded(datagram: &[u8], headers: &[Line]) -> Bytes {
    let mut copy = datagram.to_vec();
    for header in headers {
        let value = copy.get_mut(usize::from(header.value.start)..usize::from(header.value.end));
        for byte in value.into_iter().flatten().filter(|byte| matches!(byte, b'\r' | b'\n')) {
            *byte = b' ';
        }
    }
    copy.into()
}

/// Cuts the body to Content-Length; more than there is, a negative or an ambiguous length is a fault.
fn delimit_body(message: &mut Message) {
    let mut lengths = message.headers.iter().filter(|line| line.name == Name::ContentLength);
    let Some(first) = lengths.next() else { return };
    let more = lengths.next().is_some();
    let written = number(trim(first.value.of(&message.buffer)), MAX_MESSAGE as u64 * 4);
    let there = usize::from(message.body.end) - usize::from(message.body.start);
    match written.and_then(|length| usize::try_from(length).ok()) {
        Some(length) if !more && length <= there => {
            message.body.end = span(0, usize::from(message.body.start) + length).end;
        }
        _ => message.fault = message.fault.or(Some(Fault::ContentLength)),
    }
}

/// Offsets fit: [`MAX_MESSAGE`] was checked before the first one was made.
fn span(start: usize, end: usize) -> Span {
    Span { start: u16::try_from(start).unwrap_or(u16::MAX), end: u16::try_from(end).unwrap_or(u16::MAX) }
}

//! Writers of messages, straight into one buffer. Owns that nothing which goes in can add a header: every value with a line
//! end or another control character is refused. Refuses dialog knowledge: who fills in what is the caller's affair.

use std::net::{IpAddr, SocketAddr};

use super::grammar::{Values, find_outside, is_token, split_at_byte, trim};
use super::message::Message;
use super::method::Method;
use super::name::Name;
use super::status::reason_phrase;
use super::uri::{Uri, UriError, writable_host};

/// Why a message was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BuildError {
    #[error("a value holds a line end or another control character")]
    Control,
    #[error("a token, tag, branch or header name that is none")]
    Token,
    #[error("a URI that is none: {0}")]
    Uri(#[from] UriError),
    #[error("a host that is none")]
    Host,
    #[error("a response was asked for a message that is no request")]
    NotARequest,
    #[error("a status outside 100 to 699")]
    Status,
    #[error("longer than 65,535 bytes")]
    TooLong,
}

/// The bytes so far and the first thing that went wrong: so calls chain without a `?` each.
#[derive(Debug)]
struct Writer {
    out: Vec<u8>,
    error: Option<BuildError>,
}

impl Writer {
    fn new() -> Writer {
        Writer { out: Vec::with_capacity(1024), error: None }
    }

    fn fail(&mut self, error: BuildError) {
        self.error.get_or_insert(error);
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, value: u64) {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = value;
        while at > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(digits.get(at..).unwrap_or_default());
    }

    /// A value whose inside is the caller's: no control characters but the tab.
    fn value(&mut self, value: &[u8]) {
        if value.iter().any(|&byte| byte != b'\t' && byte.is_ascii_control()) {
            self.fail(BuildError::Control);
        }
        self.out.extend_from_slice(value);
    }

    fn token(&mut self, token: &str) {
        if !is_token(token.as_bytes()) {
            self.fail(BuildError::Token);
        }
        self.put(token);
    }

    fn uri(&mut self, uri: &str) {
        if let Err(error) = Uri::parse(uri) {
            self.fail(error.into());
        }
        self.put(uri);
    }

    fn host(&mut self, host: &str) {
        if !writable_host(host) {
            self.fail(BuildError::Host);
        }
        self.put(host);
    }

    fn name(&mut self, name: Name) {
        if name == Name::Extension {
            self.fail(BuildError::Token);
        }
        self.put(name.as_str());
        self.put(": ");
    }

    fn line_end(&mut self) {
        self.put("\r\n");
    }

    fn header(&mut self, name: Name, value: &[u8]) {
        self.name(name);
        self.value(value);
        self.line_end();
    }

    /// `"display" <uri>;tag=…`
    fn name_addr(&mut self, name: Name, display: Option<&str>, uri: &str, tag: Option<&str>) {
        self.name(name);
        if let Some(display) = display {
            self.put("\"");
            for piece in display.split_inclusive(['"', '\\']) {
                match piece.strip_suffix(['"', '\\']) {
                    Some(plain) => {
                        self.value(plain.as_bytes());
                        self.put(if piece.ends_with('"') { "\\\"" } else { "\\\\" });
                    }
                    None => self.value(piece.as_bytes()),
                }
            }
            self.put("\" ");
        }
        self.put("<");
        self.uri(uri);
        self.put(">");
        if let Some(tag) = tag {
            self.put(";tag=");
            self.token(tag);
        }
        self.line_end();
    }

    fn finish(mut self, body: &[u8]) -> Result<Vec<u8>, BuildError> {
        self.name(Name::ContentLength);
        self.number(body.len() as u64);
        self.put("\r\n\r\n");
        self.out.extend_from_slice(body);
        match self.error {
            Some(error) => Err(error),
            None if self.out.len() > super::MAX_MESSAGE => Err(BuildError::TooLong),
            None => Ok(self.out),
        }
    }
}

/// Writes a request, in the order of the calls. Content-Length is added by [`RequestBuilder::body`] or
/// [`RequestBuilder::finish`].
#[derive(Debug)]
#[must_use]
pub struct RequestBuilder {
    writer: Writer,
}

impl RequestBuilder {
    /// Begins with the request line.
    pub fn new(method: &Method, request_uri: &str) -> RequestBuilder {
        let mut writer = Writer::new();
        writer.token(method.as_str());
        writer.put(" ");
        writer.uri(request_uri);
        writer.put(" SIP/2.0\r\n");
        RequestBuilder { writer }
    }

    /// `Via: SIP/2.0/<transport> <host>[:port];branch=…;rport`. IPv6 hosts are written with brackets.
    pub fn via(mut self, transport: &str, sent_by: SocketAddr, branch: &str) -> RequestBuilder {
        self.writer.name(Name::Via);
        self.writer.put("SIP/2.0/");
        self.writer.token(transport);
        self.writer.put(" ");
        self.writer.put(&sent_by.to_string());
        self.writer.put(";rport;branch=");
        self.writer.token(branch);
        self.writer.line_end();
        self
    }

    /// As [`RequestBuilder::via`] with a host name; `port` is left out when `None`.
    pub fn via_host(mut self, transport: &str, host: &str, port: Option<u16>, branch: &str) -> RequestBuilder {
        self.writer.name(Name::Via);
        self.writer.put("SIP/2.0/");
        self.writer.token(transport);
        self.writer.put(" ");
        self.writer.host(host);
        if let Some(port) = port {
            self.writer.put(":");
            self.writer.number(port.into());
        }
        self.writer.put(";rport;branch=");
        self.writer.token(branch);
        self.writer.line_end();
        self
    }

    /// Max-Forwards.
    pub fn max_forwards(mut self, hops: u8) -> RequestBuilder {
        self.writer.name(Name::MaxForwards);
        self.writer.number(hops.into());
        self.writer.line_end();
        self
    }

    /// From; the display name is quoted here.
    pub fn from(mut self, display: Option<&str>, uri: &str, tag: &str) -> RequestBuilder {
        self.writer.name_addr(Name::From, display, uri, Some(tag));
        self
    }

    /// To; the display name is quoted here.
    pub fn to(mut self, display: Option<&str>, uri: &str, tag: Option<&str>) -> RequestBuilder {
        self.writer.name_addr(Name::To, display, uri, tag);
        self
    }

    /// Call-ID.
    pub fn call_id(self, call_id: &str) -> RequestBuilder {
        self.header(Name::CallId, call_id)
    }

    /// CSeq.
    pub fn cseq(mut self, number: u32, method: &Method) -> RequestBuilder {
        self.writer.name(Name::CSeq);
        self.writer.number(number.into());
        self.writer.put(" ");
        self.writer.token(method.as_str());
        self.writer.line_end();
        self
    }

    /// Contact: a URI without brackets.
    pub fn contact(mut self, uri: &str) -> RequestBuilder {
        self.writer.name_addr(Name::Contact, None, uri, None);
        self
    }

    /// One Route line per value, as written in Record-Route (brackets kept).
    pub fn routes<R: AsRef<[u8]>>(mut self, routes: impl IntoIterator<Item = R>) -> RequestBuilder {
        for route in routes {
            self.writer.header(Name::Route, route.as_ref());
        }
        self
    }

    /// Any other field; also From, To and Via as they stood in another message (for CANCEL and ACK).
    pub fn header(mut self, name: Name, value: impl AsRef<[u8]>) -> RequestBuilder {
        self.writer.header(name, value.as_ref());
        self
    }

    /// A field that has no [`Name`].
    pub fn extension(mut self, name: &str, value: impl AsRef<[u8]>) -> RequestBuilder {
        self.writer.token(name);
        self.writer.put(": ");
        self.writer.value(value.as_ref());
        self.writer.line_end();
        self
    }

    /// Ends with a body.
    ///
    /// # Errors
    /// The first [`BuildError`] of any call.
    pub fn body(mut self, content_type: &str, body: &[u8]) -> Result<Vec<u8>, BuildError> {
        self.writer.header(Name::ContentType, content_type.as_bytes());
        self.writer.finish(body)
    }

    /// Ends without a body.
    ///
    /// # Errors
    /// The first [`BuildError`] of any call.
    pub fn finish(self) -> Result<Vec<u8>, BuildError> {
        self.writer.finish(&[])
    }
}

/// Begins the response to `request` that came from `source` (RFC 3261 §8.2.6): its Vias (`received` and `rport` filled in by
/// RFC 3581 in the top one), From, To (with `to_tag`, unless it has a tag), Call-ID, CSeq, Record-Route (not in 100).
pub fn response(request: &Message, status: u16, to_tag: Option<&str>, source: SocketAddr) -> ResponseBuilder {
    ResponseBuilder::new(request, status, &reason_phrase(status), to_tag, source)
}

/// Writes a response, in the order of the calls.
#[derive(Debug)]
#[must_use]
pub struct ResponseBuilder {
    writer: Writer,
}

impl ResponseBuilder {
    /// As [`response`], with a reason phrase of one's own.
    pub fn new(
        request: &Message,
        status: u16,
        reason: &str,
        to_tag: Option<&str>,
        source: SocketAddr,
    ) -> ResponseBuilder {
        let mut writer = Writer::new();
        if request.is_response() {
            writer.fail(BuildError::NotARequest);
        }
        if !(100..=699).contains(&status) {
            writer.fail(BuildError::Status);
        }
        writer.put("SIP/2.0 ");
        writer.number(status.into());
        writer.put(" ");
        writer.value(reason.as_bytes());
        writer.line_end();
        let mut first_via = true;
        for (name, _, value) in request.all_headers() {
            match name {
                Name::Via if first_via => {
                    first_via = false;
                    top_via(&mut writer, value, source);
                }
                Name::To => to(&mut writer, value, to_tag.filter(|_| status > 100)),
                Name::Via | Name::From | Name::CallId | Name::CSeq => copy(&mut writer, name, value),
                Name::RecordRoute if status > 100 => copy(&mut writer, name, value),
                Name::Timestamp if status == 100 => copy(&mut writer, name, value),
                _ => {}
            }
        }
        ResponseBuilder { writer }
    }

    /// Contact: a URI without brackets.
    pub fn contact(mut self, uri: &str) -> ResponseBuilder {
        self.writer.name_addr(Name::Contact, None, uri, None);
        self
    }

    /// Any other field.
    pub fn header(mut self, name: Name, value: impl AsRef<[u8]>) -> ResponseBuilder {
        self.writer.header(name, value.as_ref());
        self
    }

    /// Several fields, such as those of a `Verdict::Refuse`.
    pub fn headers<V: AsRef<[u8]>>(mut self, headers: impl IntoIterator<Item = (Name, V)>) -> ResponseBuilder {
        for (name, value) in headers {
            self.writer.header(name, value.as_ref());
        }
        self
    }

    /// Ends with a body.
    ///
    /// # Errors
    /// The first [`BuildError`] of any call.
    pub fn body(mut self, content_type: &str, body: &[u8]) -> Result<Vec<u8>, BuildError> {
        self.writer.header(Name::ContentType, content_type.as_bytes());
        self.writer.finish(body)
    }

    /// Ends without a body.
    ///
    /// # Errors
    /// The first [`BuildError`] of any call.
    pub fn finish(self) -> Result<Vec<u8>, BuildError> {
        self.writer.finish(&[])
    }
}

/// A value of the peer, given back unchanged. The scan left no line end in it; other control characters (RFC 4475 §3.1.1.2
/// has them, escaped) are the peer's own.
fn copy(writer: &mut Writer, name: Name, value: &[u8]) {
    writer.name(name);
    raw(writer, value);
    writer.line_end();
}

fn raw(writer: &mut Writer, value: &[u8]) {
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        writer.fail(BuildError::Control);
    }
    writer.out.extend_from_slice(value);
}

/// To with our tag where it has none. A To that cannot be read is given back as it is.
fn to(writer: &mut Writer, value: &[u8], tag: Option<&str>) {
    writer.name(Name::To);
    raw(writer, value);
    let untagged = super::NameAddr::parse(value).is_ok_and(|to| to.tag.is_none());
    if let (true, Some(tag)) = (untagged, tag) {
        writer.put(";tag=");
        writer.token(tag);
    }
    writer.line_end();
}

/// The first Via line, whose first value gets `received` (when asked by rport, or when sent-by is not the source's address:
/// RFC 3261 §18.2.1, RFC 3581 §4) and the value of `rport`. A `received` of the client's own making is dropped.
fn top_via(writer: &mut Writer, line: &[u8], source: SocketAddr) {
    let first_len = find_outside(line, b',', true).unwrap_or(line.len());
    let (first, others) = line.split_at(first_len);
    let Ok(via) = super::Via::parse(Values::of(line).next().unwrap_or_default()) else {
        return copy(writer, Name::Via, line);
    };
    let asked = via.rport != super::Rport::Absent;
    let (sent_by, _) = split_at_byte(first, b';');
    writer.name(Name::Via);
    raw(writer, trim(sent_by));
    for (name, value) in via.params.iter() {
        if name.eq_ignore_ascii_case(b"rport") || name.eq_ignore_ascii_case(b"received") {
            continue;
        }
        writer.put(";");
        raw(writer, name);
        if let Some(value) = value {
            writer.put("=");
            raw(writer, value);
        }
    }
    if asked || super::grammar::host_ip(via.host) != Some(canonical(source.ip())) {
        writer.put(";received=");
        writer.put(&canonical(source.ip()).to_string());
    }
    if asked {
        writer.put(";rport=");
        writer.number(source.port().into());
    }
    raw(writer, others);
    writer.line_end();
}

/// An IPv4 peer of a dual-stack socket is an IPv4 peer.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::wire::{NameAddr, Rport};

    fn request(via: &str) -> Message {
        let text = format!(
            "INVITE sip:a@h SIP/2.0\r\nVia: {via}\r\nRecord-Route: <sip:p;lr>\r\nFrom: <sip:a@h>;tag=1\r\nTo: B <sip:b@h>\r\n\
             Call-ID: x\r\nCSeq: 1 INVITE\r\nTimestamp: 54\r\n\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    fn answer(via: &str, status: u16, source: &str) -> Message {
        let bytes = response(&request(via), status, Some("ours"), source.parse().unwrap()).finish().unwrap();
        Message::parse(&bytes).unwrap()
    }

    #[test]
    fn the_top_via_says_where_the_request_came_from() {
        let asked = answer("SIP/2.0/UDP h:5070;rport;branch=z9hG4bK1, SIP/2.0/TCP i;branch=z", 200, "192.0.2.9:6000");
        let via = asked.top_via().unwrap();
        assert_eq!((via.received, via.rport), ("192.0.2.9".parse().ok(), Rport::Port(6000)));
        assert_eq!((via.host, via.port, via.branch), ("h", Some(5070), Some("z9hG4bK1")));
        assert_eq!(asked.headers(Name::Via).nth(1), Some(&b"SIP/2.0/TCP i;branch=z"[..]));
        let same = answer("SIP/2.0/UDP [2001:db8::1]:5060;branch=z", 200, "[2001:db8::1]:5060");
        assert_eq!(same.header(Name::Via), Some(&b"SIP/2.0/UDP [2001:db8::1]:5060;branch=z"[..]));
        let lied = answer("SIP/2.0/UDP 192.0.2.1;received=10.0.0.1;branch=z", 200, "[::ffff:192.0.2.2]:5060");
        assert_eq!(lied.top_via().unwrap().received, "192.0.2.2".parse().ok());
    }

    #[test]
    fn a_trying_has_no_tag_of_ours_and_no_route() {
        let trying = answer("SIP/2.0/UDP h;branch=z", 100, "192.0.2.9:5060");
        assert_eq!((trying.to().unwrap().tag, trying.record_routes().count()), (None, 0));
        assert_eq!(trying.header(Name::Timestamp), Some(&b"54"[..]));
        let ringing = answer("SIP/2.0/UDP h;branch=z", 180, "192.0.2.9:5060");
        assert_eq!((ringing.to().unwrap().tag, ringing.record_routes().count()), (Some("ours"), 1));
        assert_eq!(ringing.reason(), Some(&b"Ringing"[..]));
    }

    #[test]
    fn a_display_name_is_quoted_and_read_back() {
        let name = r#"O"Hara \ & Söhne"#;
        let bytes = RequestBuilder::new(&Method::Bye, "sip:a@h").from(Some(name), "sip:a@h", "t").finish().unwrap();
        let message = Message::parse(&bytes).unwrap();
        let from: NameAddr<'_> = message.from().unwrap();
        assert_eq!(from.display.as_deref(), Some(name));
    }

    #[test]
    fn a_response_answers_no_response() {
        let trying = answer("SIP/2.0/UDP h;branch=z", 100, "192.0.2.9:5060");
        let source = "192.0.2.9:5060".parse().unwrap();
        assert_eq!(response(&trying, 200, None, source).finish(), Err(BuildError::NotARequest));
        assert_eq!(response(&request("SIP/2.0/UDP h"), 99, None, source).finish(), Err(BuildError::Status));
    }
}

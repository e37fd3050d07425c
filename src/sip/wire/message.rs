//! One message: a shared buffer and the offsets of its parts. Owns reading; refuses judging (`judge`) and writing (`build`).

use bytes::Bytes;
use smallvec::SmallVec;

use super::fields::{CSeq, FieldError, NameAddr, RAck, Via};
use super::grammar::{Values as LineValues, number, trim};
use super::method::Method;
use super::name::Name;
use super::scan::{ParseError, scan};

/// What is wrong with the frame of a message that could still be read in part. `judge` turns it into an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Not SIP/2.0.
    Version,
    /// Blanks after the version.
    RequestLine,
    /// Nothing, blanks or bytes beyond ASCII in the Request-URI's place.
    RequestUri,
    /// A line without a name or a colon.
    HeaderLine,
    /// No empty line after the headers.
    Incomplete,
    /// Content-Length is no number, longer than the body, or there twice.
    ContentLength,
}

/// Offsets into the buffer; a message has at most 65,535 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) end: u16,
}

impl Span {
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// One header line, folds joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Line {
    pub(super) name: Name,
    /// The name as written.
    pub(super) written: Span,
    pub(super) value: Span,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Start {
    Request { method: Method, uri: Span },
    Response { status: u16, reason: Span },
}

/// A SIP message. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub(super) buffer: Bytes,
    pub(super) start: Start,
    pub(super) headers: SmallVec<[Line; 20]>,
    pub(super) body: Span,
    pub(super) fault: Option<Fault>,
}

impl Message {
    /// Reads one datagram. Line ends before the start line are skipped; what follows Content-Length bytes of body is ignored
    /// (RFC 3261 §18.3). A request with a wrong Content-Length or a broken line parses, with a [`Fault`]: see `judge`.
    ///
    /// # Errors
    /// [`ParseError`]: bytes that nobody can answer.
    pub fn parse(datagram: &[u8]) -> Result<Message, ParseError> {
        scan(datagram)
    }

    /// True for a request.
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// True for a response.
    pub fn is_response(&self) -> bool {
        !self.is_request()
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&Method> {
        match &self.start {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } => None,
        }
    }

    /// The Request-URI as written; any scheme. `None` for responses and for URIs that are not ASCII (a fault).
    pub fn request_uri(&self) -> Option<&str> {
        match self.start {
            Start::Request { uri, .. } => std::str::from_utf8(uri.of(&self.buffer)).ok(),
            Start::Response { .. } => None,
        }
    }

    /// The status of a response, 100 to 699.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase of a response, possibly empty, in any encoding.
    pub fn reason(&self) -> Option<&[u8]> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { reason, .. } => Some(reason.of(&self.buffer)),
        }
    }

    /// What is wrong with the frame, if anything.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The value of the first line of that name: raw, trimmed, folds joined, commas not split.
    pub fn header(&self, name: Name) -> Option<&[u8]> {
        self.lines(name).next()
    }

    /// As [`Message::header`], where it is UTF-8.
    pub fn header_str(&self, name: Name) -> Option<&str> {
        self.header(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The value of the first line of a name we have no [`Name`] for (compared without case).
    pub fn header_named(&self, name: &str) -> Option<&[u8]> {
        let mut all = self.all_headers();
        all.find(|(_, written, _)| written.eq_ignore_ascii_case(name.as_bytes())).map(|(_, _, value)| value)
    }

    /// The values of every line of that name, raw, one per line.
    pub fn lines(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.headers.iter().filter(move |line| line.name == name).map(|line| line.value.of(&self.buffer))
    }

    /// Every value of that name over all its lines; commas are split where the field is a list.
    pub fn headers(&self, name: Name) -> Values<'_> {
        Values { message: self, name, next_line: 0, line: LineValues::none() }
    }

    /// Every line in order: name, name as written, value.
    pub fn all_headers(&self) -> impl Iterator<Item = (Name, &[u8], &[u8])> {
        self.headers.iter().map(|line| (line.name, line.written.of(&self.buffer), line.value.of(&self.buffer)))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.body.of(&self.buffer)
    }

    /// `type/subtype` without parameters, as written.
    pub fn content_type(&self) -> Option<&str> {
        self.header_str(Name::ContentType).map(|value| value.split(';').next().unwrap_or_default().trim())
    }

    /// Call-ID.
    pub fn call_id(&self) -> Option<&str> {
        self.header_str(Name::CallId).filter(|value| !value.is_empty())
    }

    /// The topmost Via.
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed.
    pub fn top_via(&self) -> Result<Via<'_>, FieldError> {
        Via::parse(self.headers(Name::Via).next().ok_or(FieldError::Missing)?)
    }

    /// CSeq.
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed.
    pub fn cseq(&self) -> Result<CSeq, FieldError> {
        CSeq::parse(self.header(Name::CSeq).ok_or(FieldError::Missing)?)
    }

    /// The method of CSeq: the method a response answers.
    pub fn cseq_method(&self) -> Option<Method> {
        self.cseq().ok().map(|cseq| cseq.method)
    }

    /// From.
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed.
    pub fn from(&self) -> Result<NameAddr<'_>, FieldError> {
        NameAddr::parse(self.header(Name::From).ok_or(FieldError::Missing)?)
    }

    /// To.
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed.
    pub fn to(&self) -> Result<NameAddr<'_>, FieldError> {
        NameAddr::parse(self.header(Name::To).ok_or(FieldError::Missing)?)
    }

    /// The first Contact.
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed (`*` included).
    pub fn contact(&self) -> Result<NameAddr<'_>, FieldError> {
        NameAddr::parse(self.headers(Name::Contact).next().ok_or(FieldError::Missing)?)
    }

    /// Record-Route values as written, topmost first; each fits a Route header as it is.
    pub fn record_routes(&self) -> Values<'_> {
        self.headers(Name::RecordRoute)
    }

    /// Route values as written, topmost first.
    pub fn routes(&self) -> Values<'_> {
        self.headers(Name::Route)
    }

    /// Max-Forwards; values above 255 are malformed.
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed.
    pub fn max_forwards(&self) -> Result<u8, FieldError> {
        let value = self.numeric(Name::MaxForwards, 255)?;
        u8::try_from(value).map_err(|_| FieldError::Number)
    }

    /// RSeq of a reliable provisional response (RFC 3262 §7.1).
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed.
    pub fn rseq(&self) -> Result<u32, FieldError> {
        let value = self.numeric(Name::RSeq, u32::MAX.into())?;
        u32::try_from(value).map_err(|_| FieldError::Number)
    }

    /// RAck of a PRACK.
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed.
    pub fn rack(&self) -> Result<RAck, FieldError> {
        RAck::parse(self.header(Name::RAck).ok_or(FieldError::Missing)?)
    }

    /// The option tags of Require.
    pub fn require(&self) -> impl Iterator<Item = &str> {
        self.headers(Name::Require).filter_map(|value| std::str::from_utf8(value).ok()).filter(|tag| !tag.is_empty())
    }

    /// True when Supported or Require lists the option tag.
    pub fn supports(&self, option: &str) -> bool {
        let mut tags = self.headers(Name::Supported).chain(self.headers(Name::Require));
        tags.any(|tag| tag.eq_ignore_ascii_case(option.as_bytes()))
    }

    /// Retry-After in seconds; comment and parameters are ignored.
    ///
    /// # Errors
    /// [`FieldError`] when missing, malformed or above 2³²-1.
    pub fn retry_after(&self) -> Result<u32, FieldError> {
        let value = self.header(Name::RetryAfter).ok_or(FieldError::Missing)?;
        let end = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
        let seconds = number(value.get(..end).unwrap_or_default(), u32::MAX.into()).ok_or(FieldError::Number)?;
        u32::try_from(seconds).map_err(|_| FieldError::Number)
    }

    /// The Q.850 cause of a Reason header (RFC 3326), 0 to 127.
    pub fn reason_q850(&self) -> Option<u8> {
        self.headers(Name::Reason).find_map(|value| {
            let end = memchr::memchr(b';', value)?;
            let (protocol, params) = value.split_at(end);
            let params = super::Params::parse(params).ok().filter(|_| trim(protocol).eq_ignore_ascii_case(b"Q.850"))?;
            u8::try_from(number(params.get("cause")?.as_bytes(), 127)?).ok()
        })
    }

    /// Content-Length as written; the body is already cut to it.
    ///
    /// # Errors
    /// [`FieldError`] when missing or malformed.
    pub fn content_length(&self) -> Result<u32, FieldError> {
        u32::try_from(self.numeric(Name::ContentLength, u32::MAX.into())?).map_err(|_| FieldError::Number)
    }

    /// The bytes, start line to the end of the datagram, folds joined.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    fn numeric(&self, name: Name, max: u64) -> Result<u64, FieldError> {
        number(self.header(name).ok_or(FieldError::Missing)?, max).ok_or(FieldError::Number)
    }
}

/// The values of one header name over all its lines: [`Message::headers`].
#[derive(Clone, Debug)]
pub struct Values<'a> {
    message: &'a Message,
    name: Name,
    next_line: usize,
    line: LineValues<'a>,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if let Some(value) = self.line.next() {
                return Some(value);
            }
            let line = self.message.headers.get(self.next_line)?;
            self.next_line += 1;
            let value = line.value.of(&self.message.buffer);
            if line.name != self.name || value.is_empty() {
                continue;
            }
            if !self.name.is_list() {
                return Some(value);
            }
            self.line = LineValues::of(value);
        }
    }
}

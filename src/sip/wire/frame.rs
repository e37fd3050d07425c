//! A stream of bytes cut into SIP messages (RFC 3261 §18.3): where one ends is said by its Content-Length, which a stream
//! must have. Owns the cut and its bounds; refuses time, sockets and judgement.
//!
//! The head is read by the same scan that the stack uses, so that no peer can make the two disagree about where a body ends.

use bytes::{Buf, Bytes, BytesMut};

use super::grammar::{number, trim};
use super::message::Message;
use super::name::Name;

/// The longest start line and headers together, the empty line included.
pub const MAX_HEAD: usize = 24 * 1024;
/// The longest body.
pub const MAX_BODY: usize = 32 * 1024;
/// What one read may add.
const READ: usize = 8 * 1024;

/// What was cut off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A line end between messages: a keep-alive or half of one (RFC 5626 §3.5.1).
    LineEnd,
    /// One whole message.
    Message(Bytes),
    /// The head of a message that does not say where it ends (Content-Length missing, wrong or beyond [`MAX_BODY`]). It may be
    /// answered, but the stream cannot be read further.
    Endless(Bytes),
}

/// Why the stream cannot be read further, with nobody to answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// More than [`MAX_HEAD`] bytes without an empty line.
    #[error("a head that is too long")]
    HeadTooLong,
    /// The head is no SIP.
    #[error("not SIP")]
    NotSip,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Wait {
    /// For the first byte of a message.
    #[default]
    Start,
    /// For the empty line; lines before this offset are not it.
    Head(usize),
    /// For so many bytes in all.
    Body(usize),
}

/// Cuts. Feed [`Framer::buffer`], then take frames until there is none.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    wait: Wait,
}

impl Framer {
    /// Where the next bytes go: with room for one read.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.buffer.reserve(READ);
        &mut self.buffer
    }

    /// A message has begun and is not whole.
    pub fn is_partial(&self) -> bool {
        self.wait != Wait::Start || !self.buffer.is_empty()
    }

    /// The next frame, or `None` until more bytes are there. After an error or [`Frame::Endless`] nothing sensible follows.
    ///
    /// # Errors
    /// [`FrameError`]: close the connection.
    pub fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            match self.wait {
                Wait::Start => match *self.buffer {
                    [] | [b'\r'] => return Ok(None),
                    [b'\r', b'\n', ..] => return Ok(Some(self.line_end(2))),
                    [b'\n', ..] => return Ok(Some(self.line_end(1))),
                    [b'\r', ..] => self.buffer.advance(1),
                    _ => self.wait = Wait::Head(0),
                },
                Wait::Head(from) => match self.end_of_head(from) {
                    Some(end) => {
                        if let Some(endless) = self.read_head(end)? {
                            return Ok(Some(endless));
                        }
                    }
                    None if self.buffer.len() > MAX_HEAD => return Err(FrameError::HeadTooLong),
                    None => return Ok(None),
                },
                Wait::Body(total) if self.buffer.len() >= total => {
                    self.wait = Wait::Start;
                    return Ok(Some(Frame::Message(self.buffer.split_to(total).freeze())));
                }
                Wait::Body(_) => return Ok(None),
            }
        }
    }

    fn line_end(&mut self, bytes: usize) -> Frame {
        self.buffer.advance(bytes);
        Frame::LineEnd
    }

    /// Where the head ends, its empty line included. Remembers how far it looked.
    fn end_of_head(&mut self, from: usize) -> Option<usize> {
        let mut at = from;
        while let Some(feed) = self.buffer.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let line = self.buffer.get(at..at + feed).unwrap_or_default();
            let next = at + feed + 1;
            if next > MAX_HEAD {
                break;
            }
            if matches!(line, [] | [b'\r']) {
                return Some(next);
            }
            at = next;
        }
        self.wait = Wait::Head(at);
        None
    }

    /// Learns where the message ends.
    fn read_head(&mut self, end: usize) -> Result<Option<Frame>, FrameError> {
        let head = self.buffer.get(..end).unwrap_or_default();
        let message = Message::parse(head).map_err(|_| FrameError::NotSip)?;
        let mut lengths = message.lines(Name::ContentLength);
        let length = lengths.next().and_then(|value| number(trim(value), MAX_BODY as u64));
        let length = length.and_then(|length| usize::try_from(length).ok());
        match length {
            Some(length) if lengths.next().is_none() => {
                self.wait = Wait::Body(end + length);
                Ok(None)
            }
            _ => Ok(Some(Frame::Endless(self.buffer.split_to(end).freeze()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "OPTIONS sip:a@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n";

    fn all(framer: &mut Framer) -> Result<Vec<Frame>, FrameError> {
        std::iter::from_fn(|| framer.take().transpose()).collect()
    }

    fn frames(bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        let mut framer = Framer::default();
        framer.buffer().extend_from_slice(bytes);
        all(&mut framer)
    }

    fn message(length: &str, body: &str) -> String {
        format!("{HEAD}{length}\r\n{body}")
    }

    #[test]
    fn two_messages_and_a_keep_alive_in_one_segment_are_three_frames() {
        let first = message("Content-Length: 3\r\n", "abc");
        let second = message("l :\r\n 0\r\n", "");
        let bytes = format!("{first}\r\n{second}");
        let wanted = [Frame::Message(first.into()), Frame::LineEnd, Frame::Message(second.into())];
        assert_eq!(frames(bytes.as_bytes()), Ok(wanted.to_vec()));
    }

    #[test]
    fn a_message_that_does_not_say_where_it_ends_is_the_last() {
        for length in ["", "Content-Length: x\r\n", "Content-Length: -1\r\n", "Content-Length: 32769\r\n"] {
            let text = message(length, "body");
            let head = text.strip_suffix("body").unwrap().to_owned();
            assert_eq!(frames(text.as_bytes()), Ok(vec![Frame::Endless(head.into())]), "{length}");
        }
        let twice = message("Content-Length: 4\r\nl: 4\r\n", "body");
        assert!(matches!(frames(twice.as_bytes()).unwrap()[..], [Frame::Endless(_)]));
    }

    #[test]
    fn a_head_without_end_and_what_is_no_sip_break_the_stream() {
        let mut framer = Framer::default();
        framer.buffer().extend_from_slice(HEAD.as_bytes());
        let broken = (0..100).find_map(|_| {
            framer.buffer().extend_from_slice(&[b'x'; 1000]);
            framer.take().err()
        });
        assert_eq!(broken, Some(FrameError::HeadTooLong));
        assert_eq!(frames(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), Err(FrameError::NotSip));
        let many = message(&"a:b\r\n".repeat(300), "");
        assert_eq!(frames(many.as_bytes()), Err(FrameError::NotSip));
    }

    #[test]
    fn a_begun_message_is_known_as_such() {
        let mut framer = Framer::default();
        assert!(!framer.is_partial());
        framer.buffer().extend_from_slice(b"OPT");
        assert_eq!(framer.take(), Ok(None));
        assert!(framer.is_partial());
        framer.buffer().extend_from_slice(message("Content-Length: 0\r\n", "").strip_prefix("OPT").unwrap().as_bytes());
        assert!(matches!(framer.take(), Ok(Some(Frame::Message(_)))));
        assert!(!framer.is_partial());
    }

    proptest! {
        /// However the network cuts a stream, the same messages come out.
        #[test]
        fn segments_do_not_matter(bodies in prop::collection::vec("[a-z\r\n]{0,40}", 1..6), cuts in prop::collection::vec(1usize..50, 1..40)) {
            let messages: Vec<String> =
                bodies.iter().map(|body| message(&format!("Content-Length: {}\r\n", body.len()), body)).collect();
            let stream: Vec<u8> = messages.concat().into_bytes();
            let mut framer = Framer::default();
            let mut got = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                framer.buffer().extend_from_slice(now);
                got.extend(all(&mut framer).unwrap());
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            let wanted: Vec<Frame> = messages.into_iter().map(|text| Frame::Message(text.into())).collect();
            prop_assert_eq!(got, wanted);
        }

        /// No bytes make it panic or hold more than its bounds.
        #[test]
        fn any_bytes_are_survived(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let mut framer = Framer::default();
            for piece in pieces {
                framer.buffer().extend_from_slice(&piece);
                match all(&mut framer) {
                    Ok(frames) if frames.iter().any(|frame| matches!(frame, Frame::Endless(_))) => break,
                    Ok(_) => prop_assert!(framer.buffer.len() <= MAX_HEAD + MAX_BODY),
                    Err(_) => break,
                }
            }
        }
    }
}

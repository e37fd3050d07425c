//! A call's recording inside JSON (Click to Dial): the WAV in base64, encoded as it is read, so that no recording is in memory whole. Owns that
//! body; the file is `io/recordings`'s.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// Longest `content`, in characters.
const MAX_CONTENT_CHARS: u64 = 20_971_520;

/// A WAV of so many bytes fits into `content`.
pub(super) fn fits(bytes: u64) -> bool {
    chars(bytes) <= MAX_CONTENT_CHARS
}

fn chars(bytes: u64) -> u64 {
    bytes.div_ceil(3).saturating_mul(4)
}

/// What comes next.
enum Part {
    Head,
    Content,
    Tail,
    Nothing,
}

/// `head`, the base64 of what `inner` gives, `tail`.
pub(super) struct Encoded<B> {
    inner: B,
    head: Bytes,
    tail: Bytes,
    /// Up to two bytes that wait for their third.
    carry: Vec<u8>,
    part: Part,
    left: u64,
}

impl<B> Encoded<B> {
    /// `bytes`: how many `inner` gives.
    pub(super) fn new(inner: B, bytes: u64, head: String, tail: String) -> Encoded<B> {
        let left = chars(bytes) + head.len() as u64 + tail.len() as u64;
        Encoded { inner, head: head.into(), tail: tail.into(), carry: Vec::with_capacity(2), part: Part::Head, left }
    }

    fn encode(&mut self, piece: &[u8]) -> Bytes {
        let mut whole = std::mem::take(&mut self.carry);
        whole.extend_from_slice(piece);
        let (now, later) = whole.split_at(whole.len() / 3 * 3);
        let text = STANDARD.encode(now);
        self.carry = later.to_vec();
        text.into()
    }

    fn send(&mut self, piece: Bytes) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.left = self.left.saturating_sub(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl<B: HttpBody<Data = Bytes, Error = io::Error> + Unpin> HttpBody for Encoded<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        loop {
            match body.part {
                Part::Head => {
                    body.part = Part::Content;
                    let head = std::mem::take(&mut body.head);
                    return body.send(head);
                }
                Part::Content => match ready!(Pin::new(&mut body.inner).poll_frame(context)) {
                    Some(Ok(frame)) => {
                        let piece = frame.into_data().map(|piece| body.encode(&piece)).unwrap_or_default();
                        if !piece.is_empty() {
                            return body.send(piece);
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => {
                        body.part = Part::Tail;
                        let last = STANDARD.encode(std::mem::take(&mut body.carry));
                        if !last.is_empty() {
                            return body.send(last.into());
                        }
                    }
                },
                Part::Tail => {
                    body.part = Part::Nothing;
                    let tail = std::mem::take(&mut body.tail);
                    return body.send(tail);
                }
                Part::Nothing => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.part, Part::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;

    struct Pieces(VecDeque<Vec<u8>>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece.into()))))
        }
    }

    proptest! {
        #[test]
        fn in_whatever_pieces_it_comes_it_is_one_base64_of_the_length_that_was_said(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9),
        ) {
            let whole = pieces.concat();
            let body = Encoded::new(Pieces(pieces.into()), whole.len() as u64, "{\"".to_owned(), "\"}".to_owned());
            let said = body.size_hint().exact().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let sent = runtime.block_on(body.collect()).unwrap().to_bytes();
            prop_assert_eq!(sent.len() as u64, said);
            prop_assert_eq!(sent, format!("{{\"{}\"}}", STANDARD.encode(whole)));
        }
    }

    #[test]
    fn what_does_not_fit_is_known_before_it_is_read() {
        assert!(fits(15_728_640) && !fits(15_728_641));
    }
}

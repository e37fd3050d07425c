//! The body of the SIP fuzz target, which the torture tests use too.

use std::net::SocketAddr;

use callbridge::sip::wire::{
    Frame, Framer, MAX_BODY, MAX_HEAD, Message, Name, NameAddr, Uri, Verdict, Via, judge, response,
};

/// Reads and judges a datagram, calls every accessor and, for a request, writes an answer to it and reads that.
pub fn sip_message(datagram: &[u8]) {
    let Ok(message) = Message::parse(datagram) else { return };
    let verdict = judge(&message);
    let _ = (message.from(), message.to(), message.contact(), message.cseq(), message.rack(), message.rseq());
    let _ = (message.retry_after(), message.reason_q850(), message.content_length(), message.max_forwards());
    let _ = (message.content_type(), message.call_id(), message.reason(), message.require().count());
    for (name, _, value) in message.all_headers() {
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n')), "a value holds no line end");
        let _ = (message.headers(name).count(), NameAddr::parse(value), Via::parse(value));
    }
    let uri = message.request_uri().and_then(|uri| Uri::parse(uri).ok());
    assert!(uri.is_none_or(|uri| uri.equivalent(&uri)), "a URI equals itself");
    let source: SocketAddr = ([192, 0, 2, 77], 5070).into();
    let Ok(answer) = response(&message, 486, Some("our-tag"), source).finish() else {
        assert!(message.is_response() || datagram.len() > 60_000, "every request can be answered");
        return;
    };
    let answer = Message::parse(&answer).expect("our own answer is read");
    assert_eq!((answer.status(), answer.fault()), (Some(486), None));
    assert_eq!(answer.lines(Name::Via).count(), message.lines(Name::Via).count());
    assert_eq!(answer.header(Name::CallId), message.header(Name::CallId));
    if verdict == Verdict::Ok {
        assert!(answer.to().is_ok_and(|to| to.tag.is_some()), "a sound request's answer has a To tag");
        assert!(answer.top_via().is_ok(), "and its Via");
    }
}

/// Cuts a stream whose first byte says how it is torn into segments; every message cut off is whole by its own Content-Length.
pub fn sip_stream(bytes: &[u8]) {
    let Some((tear, stream)) = bytes.split_first() else { return };
    let mut framer = Framer::default();
    for segment in stream.chunks(usize::from(*tear) + 1) {
        framer.buffer().extend_from_slice(segment);
        loop {
            match framer.take() {
                Ok(Some(Frame::Message(bytes))) => {
                    let message = Message::parse(&bytes).expect("the framer read its head");
                    let length = usize::try_from(message.content_length().expect("it has one")).expect("small");
                    assert!(bytes.len() <= MAX_HEAD + MAX_BODY && bytes.ends_with(message.body()));
                    assert_eq!(message.body().len(), length);
                }
                Ok(Some(Frame::LineEnd)) => {}
                Ok(Some(Frame::Endless(_))) | Err(_) => return,
                Ok(None) => break,
            }
        }
    }
}

//! What the wire room costs: reading, judging and writing one message.

use std::net::SocketAddr;

use callbridge::sip::wire::{Message, Method, Name, RequestBuilder, judge, response};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\nm=audio 49216 RTP/AVP 0 8 101\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n";

fn source() -> SocketAddr {
    ([192, 0, 2, 1], 5060).into()
}

fn build() -> Vec<u8> {
    RequestBuilder::new(&Method::Invite, "sip:+12125550100@192.0.2.9;user=phone")
        .via("UDP", source(), "z9hG4bK7f3a9c0d21e84b56")
        .max_forwards(70)
        .from(Some("ABC"), "sip:+12125550199@192.0.2.1", "a73kszlfl")
        .to(None, "sip:+12125550100@192.0.2.9;user=phone", None)
        .call_id("01936f2e-7b1c-7c55-9f5e-3d2a1b0c9d8e")
        .cseq(1, &Method::Invite)
        .contact("sip:192.0.2.1:5060")
        .header(Name::Allow, "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, NOTIFY, PRACK")
        .header(Name::Supported, "timer")
        .body("application/sdp", SDP)
        .expect("a plain INVITE is written")
}

/// An INVITE with SDP, from bytes to offsets.
#[divan::bench]
fn parse_invite(bencher: Bencher) {
    let datagram = build();
    bencher.bench_local(|| Message::parse(black_box(&datagram)));
}

/// The same, judged.
#[divan::bench]
fn parse_and_judge_invite(bencher: Bencher) {
    let datagram = build();
    bencher.bench_local(|| Message::parse(black_box(&datagram)).map(|message| judge(&message)));
}

/// A 180, judged.
#[divan::bench]
fn parse_and_judge_ringing(bencher: Bencher) {
    let invite = Message::parse(&build()).expect("a plain INVITE is read");
    let ringing = response(&invite, 180, Some("tag"), source()).contact("sip:192.0.2.9").finish().expect("is written");
    bencher.bench_local(|| Message::parse(black_box(&ringing)).map(|message| judge(&message)));
}

/// An INVITE with SDP, written.
#[divan::bench]
fn build_invite() -> Vec<u8> {
    build()
}

/// A 200 to it, written.
#[divan::bench]
fn build_ok(bencher: Bencher) {
    let invite = Message::parse(&build()).expect("a plain INVITE is read");
    bencher.bench_local(|| {
        response(black_box(&invite), 200, Some("b81kszlfl"), source())
            .contact("sip:192.0.2.9")
            .body("application/sdp", SDP)
    });
}

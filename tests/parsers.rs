//! Every parser that meets bytes from outside survives any of them: the fuzz targets' own functions, run here over arbitrary
//! and mutated input so that they count without a fuzzer too.

#[path = "parsers/bodies.rs"]
mod bodies;

use proptest::prelude::*;

const SDP: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\nm=audio 49217 RTP/AVP 0 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
const SIP: &[u8] = b"INVITE sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bK1;rport\r\nFrom: \"A\" <sip:b@h>;tag=1\r\n\
    To: <sip:a@192.0.2.1>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:b@192.0.2.7>\r\nContent-Length: 0\r\n\r\n";
const STREAM: &[u8] = b"\x10OPTIONS sip:a@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nl: 4\r\n\r\nbody\r\n\r\n\
    OPTIONS sip:a@h SIP/2.0\r\nContent-Length: 0\r\n\r\n";
const RTP: &[u8] = b"\x80\x00\x00\x01\x00\x00\x00\xa0\x12\x34\x56\x78\x7f\x7f\x7f\x7f";
/// A sender report with one block, a name, a goodbye.
const RTCP: &[u8] =
    b"\x81\xc8\x00\x0c\x12\x34\x56\x78\xe9\xa0\x00\x01\x80\x00\x00\x00\x00\x00\x00\xa0\x00\x00\x00\x01\x00\x00\x00\xa0\
    \x11\x11\x11\x11\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\
    \x81\xca\x00\x03\x12\x34\x56\x78\x01\x03abc\x00\x00\x00\x81\xcb\x00\x01\x12\x34\x56\x78";
const HTTP: &[u8] = br#"{"business_id":"abc","password":"p","customer":"+12125550100","representative":["sip:r@h","+12125550101"],
    "desired_contact_time":"2026-11-24T14:30:00Z","company_name":"ABC","web_page":{"url":"https://a.example/","title":"t"}}"#;
const CONFIG: &[u8] = b"[sip]\nlisten = [\"udp:127.0.0.1:5060\"]\n[[switch]]\nname = \"ssp-62\"\naddress = \"sip:127.0.0.1:5070;transport=udp\"\n\
    prefixes = [\"+1\"]\n";

/// Figure 9 as a page sends it.
const REQUEST: &[u8] = br#"{"business_id":"abc","customer":"+12125550100","representative_information":"cruise","note":"soon",
    "web_page":{"url":"https://a.example/","title":"t"},"page_token":"k1.1700000600.abcdefgh.00","work":{"challenge":"AAAA","nonce":"7"}}"#;
/// An encrypted message to a key that nobody has.
const JWE: &[u8] = b"eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSIsImVwayI6eyJrdHkiOiJPS1AiLCJjcnYiOiJYMjU1MTkiLCJ4IjoiWFlaIn19    ..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";
const TOKEN: &[u8] = b"k1.1700000600.abcdefgh.7b0e7f5d1c5a4b8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60";
/// Payloads of 20 bytes whose first ones are sound Opus tables of contents: SILK, hybrid and CELT, one frame and several.
const OPUS: &[u8] = b"\x13\x08voice voice voice v\x68voice voice voice v\xf8voice voice voice v\x0b\x02voice voice voice\x99voice voice voice v";

/// Arbitrary bytes, or a sound input with some bytes changed, added or removed.
fn input(seed: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 0..12);
    let mutated = changes.prop_map(move |changes| {
        let mut bytes = seed.to_vec();
        for (at, byte, what) in changes {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        bytes
    });
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..400), 3 => mutated]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn sip_messages(bytes in input(SIP)) { bodies::sip_message(&bytes); }

    #[test]
    fn sip_streams(bytes in input(STREAM)) { bodies::sip_stream(&bytes); }

    #[test]
    fn session_descriptions(bytes in input(SDP)) { bodies::sdp(&bytes); }

    #[test]
    fn media_packets(bytes in input(RTP)) { bodies::rtp(&bytes); }

    #[test]
    fn reports(bytes in input(RTCP)) { bodies::rtcp(&bytes); }

    #[test]
    fn payloads_of_every_codec(bytes in input(OPUS)) { bodies::payloads(&bytes); }

    #[test]
    fn initiation_messages(bytes in input(HTTP)) { bodies::http_body(&bytes); }

    #[test]
    fn call_requests(bytes in input(REQUEST)) { bodies::call_request(&bytes); }

    #[test]
    fn encrypted_messages(bytes in input(JWE)) { bodies::jwe(&bytes); }

    #[test]
    fn tokens_of_every_kind(bytes in input(TOKEN)) { bodies::tokens(&bytes); }

    #[test]
    fn encrypted_media_packets(bytes in input(RTP)) { bodies::srtp(&bytes); }

    #[test]
    fn configurations(bytes in input(CONFIG)) { bodies::config(&bytes); }
}

//! One plain function per parser that meets bytes from outside. The fuzz targets and the tests of `tests/parsers.rs` call the
//! same functions. Each must return for any bytes; what it asserts holds for any bytes too.

#[path = "sealed.rs"]
mod sealed;
#[path = "sip.rs"]
mod sip;

use callbridge::audio::codec::{Decoder, LONGEST_MS, Rate};
use callbridge::clock::Wall;
use callbridge::io::http::message::RawMessage;
use callbridge::model::{BusinessId, MasterKey, OurKeys, Suite, Suites};
use callbridge::rtp::rtcp::Packet;
use callbridge::sdp::{self, Codec, LocalMedia, LocalSrtp};
use callbridge::{config, rtp};

pub use sealed::{call_request, jwe, srtp, tokens};
pub use sip::{sip_message, sip_stream};

/// Takes the bytes as an offer, and as an answer to ours.
pub fn sdp(body: &[u8]) {
    let keys = OurKeys::random(Suites::DEFAULT, |bytes| bytes.fill(7));
    for srtp in [LocalSrtp::Off, LocalSrtp::Optional(keys), LocalSrtp::Required(keys)] {
        let local = LocalMedia {
            address: [127, 0, 0, 1].into(),
            port: 20_000,
            session_id: 1,
            version: 1,
            telephone_event: true,
            ptime_ms: 20,
            srtp,
        };
        let required = matches!(srtp, LocalSrtp::Required(_));
        if let Ok(plan) = sdp::accept_answer(&Codec::ALL, &srtp, body) {
            assert!(plan.srtp.is_some() || !required);
        }
        if let Ok((answer, plan)) = sdp::answer(&local, body, &Codec::ALL, &[Codec::Pcmu]) {
            assert!(!answer.is_empty());
            assert!(plan.srtp.is_some() || !required);
        }
    }
}

/// Decodes a stranger's payloads, one after the other in each codec, with losses between them: the first byte picks where they are cut.
pub fn payloads(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let length = usize::from(first % 128) + 1;
    for codec in Codec::ALL {
        let mut decoder = Decoder::new(codec, Rate::Hz8000);
        for payload in rest.chunks(length) {
            let mut samples = Vec::new();
            let decoded = decoder.decode(payload, &mut samples);
            assert!(samples.len() <= Rate::Hz8000.samples(LONGEST_MS), "{codec:?}: {} samples", samples.len());
            assert!(decoded || samples.is_empty());
            if payload.first().is_some_and(|byte| byte % 5 == 0) {
                samples.clear();
                decoder.lost(usize::from(*first), Some(payload), &mut samples);
                assert_eq!(samples.len(), Rate::Hz8000.samples(usize::from(*first).min(LONGEST_MS)), "{codec:?}");
            }
        }
    }
}

/// Reads a packet and rewrites it as the relay does.
pub fn rtp(packet: &[u8]) {
    let Some(header) = rtp::read(packet) else { return };
    let payload = packet.get(header.payload.clone()).expect("the payload lies inside the packet");
    let _ = rtp::TelephoneEvent::read(payload);
    let mut copy = packet.to_vec();
    rtp::rewrite(&mut copy, 8, rtp::Stamp { marker: false, sequence: 1, timestamp: 2, ssrc: 3 });
    let rewritten = rtp::read(&copy).expect("a rewritten packet is a packet");
    assert_eq!((rewritten.payload, rewritten.sequence), (header.payload, 1));
}

/// Reads and judges an initiation message.
pub fn http_body(body: &[u8]) {
    let Ok(message) = RawMessage::parse(body) else { return };
    assert_eq!(message.body_hash().len(), 64);
    let Ok(business) = "abc".parse::<BusinessId>() else { return };
    let _ = message.judge(business, Wall(1_700_000_000_000));
}

/// Reads a configuration file.
pub fn config(file: &[u8]) {
    if let Ok(text) = std::str::from_utf8(file) {
        let _ = config::parse(text, "fuzz.toml");
    }
}

/// Reads a compound packet and walks over all that is in it; opens it as SRTCP, which nobody without the key may pass.
pub fn rtcp(bytes: &[u8]) {
    if let Ok(compound) = rtp::rtcp::read(bytes) {
        assert!(bytes.len() <= rtp::rtcp::LONGEST);
        for packet in compound.packets() {
            let items = match packet {
                Packet::Report(report) => report.blocks().filter(|block| block.lost < 1 << 23).count(),
                Packet::Description(chunks) => chunks.names().filter(|(_, name)| name.len() < 256).count(),
                Packet::Goodbye(sources) => sources.all().count(),
                Packet::Other(_) => 0,
            };
            assert!(items <= rtp::rtcp::MAX_BLOCKS);
        }
    }
    for suite in Suite::ALL {
        let key = MasterKey::new(suite, &vec![7; suite.key_length() + suite.salt_length()]);
        let opener = key.and_then(|key| rtp::Opener::new(&key));
        assert!(opener.is_some_and(|mut opener| opener.open_report(bytes).is_none()));
    }
}

//! What strangers' bytes reach behind the plain parsers: encrypted texts, tokens, call requests, encrypted packets, the ports of a talk.
//! Owns these bodies of `bodies`, and what must hold for any bytes: nothing is forged, nobody who was not signalled is heard.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use callbridge::access::{follow, page_token, work};
use callbridge::audio::Prompt;
use callbridge::clock::{Mono, Wall};
use callbridge::io::http::message::RawMessage;
use callbridge::io::jose::{self, Key, Keys};
use callbridge::media::api::{Clip, Command, Prompts};
use callbridge::media::{Half, Settings, Shard};
use callbridge::model::direct::{Direct, PageKey, WebOrigin};
use callbridge::model::{BusinessId, CallId, LegId, MasterKey, OurKeys, Suite, Suites, SupervisorMode};
use callbridge::rtp;
use callbridge::sdp::{self, Codec, LocalSrtp, MediaPlan};
use ring::hmac;

/// 2026-12-01.
const NOW: Wall = Wall(1_796_083_200_000);

fn business() -> BusinessId {
    "abc".parse().expect("a constant")
}

/// A key of each curve; the numbers are any.
static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("callbridge-parsers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for two keys");
    let keys = [("EC", "P-256"), ("OKP", "X25519")].map(|(kty, crv)| {
        let path = folder.join(crv);
        let d = "BwcH".repeat(10) + "Bwc";
        std::fs::write(&path, format!(r#"{{"kty":"{kty}","crv":"{crv}","d":"{d}","kid":"{crv}"}}"#)).expect("written");
        Key::read(&path, true).expect("a sound key")
    });
    std::fs::remove_dir_all(&folder).expect("removed");
    Keys::new(keys.into()).expect("two names")
});

/// Opens a text as a compact JWE; or, where the first byte is odd, what its pieces are when they are encoded as one's parts.
pub fn jwe(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let text = if first % 2 == 0 {
        String::from_utf8_lossy(rest).into_owned()
    } else {
        let parts: Vec<String> = rest.splitn(5, |byte| *byte == 0xff).map(base64url).collect();
        parts.join(".")
    };
    let _ = jose::looks_encrypted(&text);
    assert!(jose::open(&text, &KEYS).is_err(), "nobody can seal for a key with these few bytes by chance");
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letters = bytes.chunks(3).flat_map(|chunk| {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(move |at| char::from(LETTERS[(bits >> (18 - 6 * at)) as usize % 64]))
    });
    letters.collect()
}

/// Judges a text as each of the tokens that strangers show, and as what their browsers say of their pages.
pub fn tokens(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (token, url) = text.split_once(' ').unwrap_or((&text, "https://a.example/page"));
    let key = PageKey::new("k1", &"s".repeat(40)).expect("a constant");
    let account = Direct { page_keys: vec![key.clone()], ..Direct::default() };
    assert!(page_token::judge(token, &account, &business(), url, NOW).is_err(), "forged: {token}");
    let ours = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    assert!(work::judge(&ours, &business(), 8, token, url, NOW).is_err(), "forged: {token}");
    assert_eq!(follow::judge(&ours, CallId::from_u128(7), token, NOW), None, "forged: {token}");
    if let Some(origin) = WebOrigin::of_url(url) {
        assert!(url.len() >= origin.as_str().len() || origin.as_str().len() < 300);
    }
    // What is signed is taken for this page, and only as it is.
    let signed = page_token::make(&key, &business(), url, NOW + Duration::from_secs(60), "noncenonce");
    assert!(page_token::judge(&signed, &account, &business(), url, NOW).is_ok());
    assert!(
        page_token::judge(&format!("{signed}{token}"), &account, &business(), url, NOW).is_err() || token.is_empty()
    );
}

/// Reads and judges a customer's call request, and a wish about a supervisor.
pub fn call_request(body: &[u8]) {
    if let Ok(message) = RawMessage::parse(body)
        && let Ok(request) = message.request(NOW)
    {
        assert!(request.page_token.is_none_or(|token| !token.is_empty()));
    }
    let _ = RawMessage::parse(body).map(RawMessage::invitation);
    let _ = RawMessage::parse(body).map(RawMessage::change);
}

/// Opens a stranger's packet, and a peer's of which one bit is another: neither passes, and after both the peer is still heard.
pub fn srtp(bytes: &[u8]) {
    for suite in Suite::ALL {
        let material = vec![7; suite.key_length() + suite.salt_length()];
        let key = MasterKey::new(suite, &material).expect("whole");
        let (mut seal, mut opener) = (rtp::Seal::new(&key).expect("made"), rtp::Opener::new(&key).expect("made"));
        assert_eq!(opener.open(bytes), None);
        assert_eq!(opener.open_report(bytes), None);
        let header = [0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4];
        let packet: Vec<u8> = header.iter().chain(bytes.iter().take(1400)).copied().collect();
        let sealed = seal.seal(&packet).expect("a packet");
        let mut changed = sealed.clone();
        let at = bytes.iter().fold(0usize, |sum, byte| sum * 31 % 65_521 + usize::from(*byte)) % changed.len();
        changed[at] ^= 1 << (bytes.len() % 8);
        assert_eq!(opener.open(&changed), None, "{suite:?}: byte {at} was another");
        assert_eq!(opener.open(&sealed).as_ref(), Some(&packet));
        assert_eq!(opener.open(&sealed), None, "a replay");
    }
}

struct Nothing;

impl Prompts for Nothing {
    fn find(&self, _: &Clip) -> Arc<Prompt> {
        Arc::new(Prompt::of_codes(&[][..], &[][..]))
    }
}

/// What a peer at this port answered.
fn plan(port: u16, codecs: &str, srtp: &LocalSrtp, crypto: &str) -> MediaPlan {
    let profile = if crypto.is_empty() { "RTP/AVP" } else { "RTP/SAVP" };
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio {port} {profile} {codecs} 101\r\n\
         a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\n{crypto}"
    );
    sdp::accept_answer(&Codec::ALL, srtp, body.as_bytes()).expect("a sound answer")
}

/// The ports of a recorded talk with a supervisor, one leg of it encrypted, are sent anything by anybody.
pub fn ports(bytes: &[u8]) {
    let mut shard = Shard::new(Arc::new(Nothing), Settings::default(), [7; 32]);
    let call = CallId::from_u128(7);
    let legs = [0, 1, 2].map(|attempt| LegId { call, attempt });
    let keys = OurKeys::random(Suites::DEFAULT, |key| key.fill(7));
    let crypto = format!("a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{}\r\n", "BwcH".repeat(10));
    let plans = [
        plan(4000, "0", &LocalSrtp::Off, ""),
        plan(4010, "8", &LocalSrtp::Off, ""),
        plan(4020, "9", &LocalSrtp::Required(keys), &crypto),
    ];
    let mut now = Mono(1_000_000);
    let slots = legs.map(|leg| shard.open(leg).expect("room"));
    for (leg, plan) in legs.into_iter().zip(plans) {
        shard.command(now, Command::Agree { leg, plan });
    }
    let [customer, representative, supervisor] = legs;
    shard.command(now, Command::Bridge { a: customer, b: representative });
    shard.command(now, Command::Record { a: customer, b: representative });
    let mode = SupervisorMode::Join;
    shard.command(now, Command::Supervise { supervisor, customer, representative, mode });
    let peer: SocketAddr = "192.0.2.9:4000".parse().expect("a constant");
    let mut rest = bytes;
    while let Some((head, behind)) = rest.split_first_chunk::<2>() {
        let [how, length] = *head;
        let (datagram, next) = behind.split_at(usize::from(length).min(behind.len()));
        rest = next;
        let at = usize::from(how) % 3;
        let half = if how & 0x40 == 0 { Half::Rtp } else { Half::Rtcp };
        let port = 4000 + 10 * u16::from(how % 3) + u16::from(how >> 4 & 3);
        let host = if how & 0x80 == 0 { peer.ip() } else { [198, 51, 100, 7].into() };
        let mut datagram = datagram.to_vec();
        let verdict = shard.packet(now, slots[at], half, SocketAddr::new(host, port), &mut datagram);
        if let Some(out) = verdict.send {
            assert_eq!(out.to.ip(), peer.ip(), "nothing is ever sent to strangers");
        }
        now = now + Duration::from_millis(u64::from(how >> 2 & 0x1f));
        shard.tick(now, |out, _| assert_eq!(out.to.ip(), peer.ip(), "nothing is ever sent to strangers"));
        while shard.poll_recorded().is_some() {}
        while shard.poll_event().is_some() {}
    }
    legs.into_iter().for_each(|leg| shard.command(now, Command::Close { leg }));
}

//! HEP version 3: chunks of vendor 0, type, length, value, all in network byte order. Owns the layout and the masking of
//! credentials; pure.

use std::net::{IpAddr, SocketAddr};

use crate::model::SipTransport;

/// Chunk types of vendor 0 (the generic ones).
mod chunk {
    pub const FAMILY: u16 = 1;
    pub const PROTOCOL: u16 = 2;
    pub const SOURCE_V4: u16 = 3;
    pub const DESTINATION_V4: u16 = 4;
    pub const SOURCE_V6: u16 = 5;
    pub const DESTINATION_V6: u16 = 6;
    pub const SOURCE_PORT: u16 = 7;
    pub const DESTINATION_PORT: u16 = 8;
    pub const SECONDS: u16 = 9;
    pub const MICROSECONDS: u16 = 10;
    pub const KIND: u16 = 11;
    pub const CAPTURE_ID: u16 = 12;
    pub const AUTH_KEY: u16 = 14;
    pub const PAYLOAD: u16 = 15;
    pub const CORRELATION_ID: u16 = 17;
}

const IPV4: u8 = 2;
const IPV6: u8 = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// The payload is SIP.
const SIP: u8 = 1;
/// What one packet can hold beside everything else: a length is 16 bits, and it must fit a UDP datagram.
const MAX_PAYLOAD: usize = 64_500;

/// One captured message.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// What carried it.
    pub transport: SipTransport,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Microseconds since the Unix epoch.
    pub micros: u64,
    /// What both legs of a call share.
    pub correlation: Option<&'a str>,
    /// The message.
    pub payload: &'a [u8],
}

/// Who captures.
#[derive(Clone, Copy, Debug)]
pub struct Agent<'a> {
    /// Shown by the collector.
    pub capture_id: u32,
    /// Proves us to the collector.
    pub password: Option<&'a str>,
}

/// Writes one packet over whatever `out` held.
pub fn encode(out: &mut Vec<u8>, agent: Agent<'_>, captured: &Captured<'_>) {
    out.clear();
    out.extend_from_slice(b"HEP3\0\0");
    let (from, to) = (captured.from.ip().to_canonical(), captured.to.ip().to_canonical());
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            put(out, chunk::FAMILY, &[IPV4]);
            put(out, chunk::SOURCE_V4, &from.octets());
            put(out, chunk::DESTINATION_V4, &to.octets());
        }
        (from, to) => {
            put(out, chunk::FAMILY, &[IPV6]);
            put(out, chunk::SOURCE_V6, &v6(from));
            put(out, chunk::DESTINATION_V6, &v6(to));
        }
    }
    put(out, chunk::PROTOCOL, &[if captured.transport.is_reliable() { TCP } else { UDP }]);
    put(out, chunk::SOURCE_PORT, &captured.from.port().to_be_bytes());
    put(out, chunk::DESTINATION_PORT, &captured.to.port().to_be_bytes());
    let seconds = u32::try_from(captured.micros / 1_000_000).unwrap_or(u32::MAX);
    let micros = u32::try_from(captured.micros % 1_000_000).unwrap_or(0);
    put(out, chunk::SECONDS, &seconds.to_be_bytes());
    put(out, chunk::MICROSECONDS, &micros.to_be_bytes());
    put(out, chunk::KIND, &[SIP]);
    put(out, chunk::CAPTURE_ID, &agent.capture_id.to_be_bytes());
    if let Some(password) = agent.password {
        put(out, chunk::AUTH_KEY, password.as_bytes());
    }
    if let Some(correlation) = captured.correlation {
        put(out, chunk::CORRELATION_ID, correlation.as_bytes());
    }
    let payload = captured.payload.get(..MAX_PAYLOAD).unwrap_or(captured.payload);
    let start = out.len() + 6;
    put(out, chunk::PAYLOAD, payload);
    mask_credentials(out.get_mut(start..).unwrap_or_default());
    let length = u16::try_from(out.len()).unwrap_or(u16::MAX);
    if let Some(place) = out.get_mut(4..6) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 6).unwrap_or(u16::MAX);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Writes stars over the value of every Authorization and Proxy-Authorization field, folded lines too: a digest response is
/// a password to whoever can guess. So over the key of every `a=crypto` line in the body (RFC 4568 §8). The length stays.
fn mask_credentials(message: &mut [u8]) {
    let mut secret = false;
    let mut at = 0;
    while let Some(line) = message.get_mut(at..) {
        let end = memchr::memchr(b'\n', line).map_or(line.len(), |end| end + 1);
        let Some(line) = line.get_mut(..end).filter(|line| !line.iter().all(|byte| matches!(byte, b'\r' | b'\n')))
        else {
            return mask_keys(message.get_mut(at..).unwrap_or_default());
        };
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        let colon = memchr::memchr(b':', line).filter(|_| !folded);
        if !folded {
            let name = colon.and_then(|colon| line.get(..colon)).unwrap_or_default().trim_ascii_end();
            secret = [&b"authorization"[..], b"proxy-authorization"].iter().any(|own| name.eq_ignore_ascii_case(own));
        }
        if secret {
            star(line.get_mut(colon.map_or(0, |colon| colon + 1)..).unwrap_or_default());
        }
        at += end;
    }
}

fn star(value: &mut [u8]) {
    value.iter_mut().filter(|byte| byte.is_ascii_graphic() || !byte.is_ascii()).for_each(|byte| *byte = b'*');
}

/// Of a line `a=crypto:tag suite inline:key…` tag and suite stay.
fn mask_keys(body: &mut [u8]) {
    for line in body.split_mut(|byte| matches!(byte, b'\r' | b'\n')) {
        let name = line.get(..b"a=crypto:".len()).unwrap_or_default();
        if !name.eq_ignore_ascii_case(b"a=crypto:") {
            continue;
        }
        let mut spaces = memchr::memchr_iter(b' ', line);
        let behind_suite = spaces.nth(1).unwrap_or(name.len());
        star(line.get_mut(behind_suite..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: Agent<'_> = Agent { capture_id: 2001, password: None };

    fn captured(payload: &[u8]) -> Captured<'_> {
        Captured {
            transport: SipTransport::Udp,
            from: SocketAddr::from(([192, 0, 2, 1], 5060)),
            to: SocketAddr::from(([192, 0, 2, 2], 5070)),
            micros: 1_764_000_000_000_123,
            correlation: Some("call-1"),
            payload,
        }
    }

    /// Every chunk: type and value.
    fn chunks(packet: &[u8]) -> Vec<(u16, Vec<u8>)> {
        assert_eq!(packet[..4], *b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
        let (mut rest, mut out) = (&packet[6..], Vec::new());
        while !rest.is_empty() {
            assert_eq!(rest[..2], [0, 0], "vendor");
            let length = usize::from(u16::from_be_bytes([rest[4], rest[5]]));
            out.push((u16::from_be_bytes([rest[2], rest[3]]), rest[6..length].to_vec()));
            rest = &rest[length..];
        }
        out
    }

    #[test]
    fn every_chunk_stands_at_its_number() {
        let mut out = b"old".to_vec();
        encode(&mut out, Agent { password: Some("key"), ..AGENT }, &captured(b"OPTIONS sip:a SIP/2.0\r\n\r\n"));
        let found = chunks(&out);
        let value = |kind: u16| found.iter().find(|(own, _)| *own == kind).map(|(_, value)| value.clone()).unwrap();
        assert_eq!((value(1), value(2), value(11)), (vec![2], vec![17], vec![1]));
        assert_eq!((value(3), value(4)), (vec![192, 0, 2, 1], vec![192, 0, 2, 2]));
        assert_eq!((value(7), value(8)), (5060u16.to_be_bytes().to_vec(), 5070u16.to_be_bytes().to_vec()));
        assert_eq!((value(9), value(10)), (1_764_000_000u32.to_be_bytes().to_vec(), 123u32.to_be_bytes().to_vec()));
        assert_eq!((value(12), value(14)), (2001u32.to_be_bytes().to_vec(), b"key".to_vec()));
        assert_eq!((value(15), value(17)), (b"OPTIONS sip:a SIP/2.0\r\n\r\n".to_vec(), b"call-1".to_vec()));
        assert_eq!(found.len(), 13);
    }

    #[test]
    fn ipv6_and_tls_are_told_as_what_they_are() {
        let (from, to) = ("[2001:db8::1]:5061".parse().unwrap(), "[2001:db8::2]:5061".parse().unwrap());
        let mut out = Vec::new();
        let packet = Captured { from, to, transport: SipTransport::Tls, correlation: None, ..captured(b"x") };
        encode(&mut out, AGENT, &packet);
        let kinds: Vec<u16> = chunks(&out).iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [1, 5, 6, 2, 7, 8, 9, 10, 11, 12, 15]);
        assert_eq!((chunks(&out)[0].1[0], chunks(&out)[3].1[0]), (10, 6));
    }

    #[test]
    fn the_longest_message_still_fits() {
        let mut out = Vec::new();
        encode(&mut out, AGENT, &captured(&vec![b'x'; 65_535]));
        assert!(out.len() < 65_507);
        assert_eq!(chunks(&out).last().unwrap().1.len(), MAX_PAYLOAD);
    }

    #[test]
    fn keys_of_srtp_never_leave() {
        let message = "INVITE sip:a SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\
                       a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n\
                       A=CRYPTO:2 AEAD_AES_128_GCM  inline:c2VjcmV0\na=sendrecv\r\n";
        let mut out = Vec::new();
        encode(&mut out, AGENT, &captured(message.as_bytes()));
        let payload = String::from_utf8(chunks(&out).pop().unwrap().1).unwrap();
        assert_eq!(payload.len(), message.len());
        assert!(!payload.contains("WVNf") && !payload.contains("c2Vj") && !payload.contains("inline"), "{payload}");
        assert!(payload.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 ****"), "{payload}");
        assert!(payload.ends_with("a=sendrecv\r\n"), "{payload}");
    }

    #[test]
    fn credentials_never_leave_and_nothing_else_is_touched() {
        let message = "INVITE sip:a SIP/2.0\r\nauthorization : Digest username=\"bob\",\r\n response=\"6629fae4\"\r\n\
                       PROXY-AUTHORIZATION:Digest response=\"ff\"\r\nX-Authorization: kept\r\n\r\nAuthorization: body\r\n";
        let mut out = Vec::new();
        encode(&mut out, AGENT, &captured(message.as_bytes()));
        let payload = String::from_utf8(chunks(&out).pop().unwrap().1).unwrap();
        assert_eq!(payload.len(), message.len());
        for secret in ["bob", "6629fae4", "\"ff\"", "Digest"] {
            assert!(!payload.contains(secret), "{payload}");
        }
        assert!(payload.contains("X-Authorization: kept\r\n\r\nAuthorization: body\r\n"), "{payload}");
        assert!(payload.starts_with("INVITE sip:a SIP/2.0\r\nauthorization : ******"), "{payload}");
    }
}

//! Datagrams sent in batches through one raw socket, each from its own leg's port. Owns their IP and UDP headers (RFC 791,
//! 768, 8200), checksums among them; refuses to receive: such a socket hears nothing.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use socket2::{Domain, Protocol, Socket, Type};

/// Datagrams sent with one call.
const BATCH: usize = 64;
/// What leaves with more hops than this to go.
const HOPS: u8 = 64;
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
/// Kernel buffer for what is being sent: a tick's packets of two thousand calls.
const SEND_BUFFER: usize = 4 << 20;

/// The socket, and what waits for the next call.
pub(super) struct RawSender {
    socket: Socket,
    from: IpAddr,
    bytes: Vec<u8>,
    waiting: Vec<(SocketAddrAny, Range<usize>)>,
}

impl RawSender {
    /// Sends from this address. Needs CAP_NET_RAW.
    pub(super) fn new(from: IpAddr) -> io::Result<RawSender> {
        let domain = if from.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        // With this protocol the socket takes whole IP packets and receives none (raw(7)).
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        socket.set_nonblocking(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        Ok(RawSender { socket, from, bytes: Vec::new(), waiting: Vec::with_capacity(BATCH) })
    }

    /// Sends it with the next batch. Losing one is no error, and so is a peer of the other family.
    pub(super) fn push(&mut self, from_port: u16, to: SocketAddr, payload: &[u8]) {
        let start = self.bytes.len();
        let Some(header) = header(self.from, from_port, to, payload) else { return };
        header.put(&mut self.bytes);
        self.bytes.extend_from_slice(payload);
        // The kernel takes the port of an IPv6 raw socket's address for a protocol.
        let mut host = to;
        host.set_port(0);
        self.waiting.push((SocketAddrAny::from(host), start..self.bytes.len()));
        if self.waiting.len() == BATCH {
            self.flush();
        }
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self) {
        let pieces: Vec<[IoSlice<'_>; 1]> =
            self.waiting.iter().map(|(_, at)| [IoSlice::new(self.bytes.get(at.clone()).unwrap_or_default())]).collect();
        let mut beside: Vec<_> = self.waiting.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let each = self.waiting.iter().zip(&pieces).zip(&mut beside);
        let mut messages: Vec<MMsgHdr<'_>> =
            each.map(|(((to, _), piece), beside)| MMsgHdr::new_with_addr(to, piece, beside)).collect();
        let mut rest = messages.as_mut_slice();
        while !rest.is_empty() {
            // One that the system refuses (no route, a firewall) is lost, as the network may lose it; the others go on.
            let sent = sendmmsg(&self.socket, rest, SendFlags::DONTWAIT).unwrap_or(0).max(1).min(rest.len());
            rest = rest.split_at_mut(sent).1;
        }
        drop(messages);
        self.waiting.clear();
        self.bytes.clear();
    }
}

/// The headers of one datagram.
enum Header {
    V4([u8; 20 + UDP_HEADER]),
    V6([u8; 40 + UDP_HEADER]),
}

impl Header {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Header::V4(bytes) => to.extend_from_slice(bytes),
            Header::V6(bytes) => to.extend_from_slice(bytes),
        }
    }
}

fn header(from: IpAddr, from_port: u16, to: SocketAddr, payload: &[u8]) -> Option<Header> {
    let length = u16::try_from(UDP_HEADER + payload.len()).ok()?;
    let ([a, b], [c, d], [e, f]) = (from_port.to_be_bytes(), to.port().to_be_bytes(), length.to_be_bytes());
    let udp = |sum: u16| {
        let [x, y] = sum.to_be_bytes();
        [a, b, c, d, e, f, x, y]
    };
    match (from, to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(ip)) => {
            let (source, target) = (from.octets(), ip.octets());
            let sum = checksum(&[&source, &target, &udp(0), payload], length);
            let [g, h] = length.checked_add(20)?.to_be_bytes();
            let mut bytes = [0; 28];
            // No fragments; the kernel adds identification and checksum.
            bytes[..12].copy_from_slice(&[0x45, 0, g, h, 0, 0, 0x40, 0, HOPS, UDP, 0, 0]);
            bytes[12..16].copy_from_slice(&source);
            bytes[16..20].copy_from_slice(&target);
            bytes[20..].copy_from_slice(&udp(sum));
            Some(Header::V4(bytes))
        }
        (IpAddr::V6(from), IpAddr::V6(ip)) => {
            let (source, target) = (from.octets(), ip.octets());
            let sum = checksum(&[&source, &target, &udp(0), payload], length);
            let mut bytes = [0; 48];
            bytes[..8].copy_from_slice(&[0x60, 0, 0, 0, e, f, UDP, HOPS]);
            bytes[8..24].copy_from_slice(&source);
            bytes[24..40].copy_from_slice(&target);
            bytes[40..].copy_from_slice(&udp(sum));
            Some(Header::V6(bytes))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

/// The Internet checksum (RFC 1071) of UDP over its pseudo-header; all parts but the last have even lengths. Zero would say
/// that there is none (RFC 768).
fn checksum(parts: &[&[u8]], length: u16) -> u16 {
    let mut sum = u64::from(UDP) + u64::from(length);
    for part in parts {
        let (words, rest) = part.as_chunks::<2>();
        sum += words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
        sum += rest.first().map_or(0, |last| u64::from(u16::from_be_bytes([*last, 0])));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !(sum as u16) {
        0 => 0xffff,
        sum => sum,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_datagram_comes_from_its_own_port_with_a_checksum_that_the_kernel_accepts() {
        for address in ["127.0.0.1", "::1"] {
            let ip: IpAddr = address.parse().unwrap();
            let mut raw = RawSender::new(ip).unwrap();
            let phone = UdpSocket::bind((ip, 0)).unwrap();
            phone.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            for n in 0..100u16 {
                // Odd and even lengths, and more than one batch.
                raw.push(30_000 + n, phone.local_addr().unwrap(), &vec![n as u8; 171 + usize::from(n)]);
            }
            raw.flush();
            for n in 0..100u16 {
                let mut bytes = [0; 512];
                let (length, from) = phone.recv_from(&mut bytes).unwrap();
                assert_eq!(from, SocketAddr::new(ip, 30_000 + n));
                assert_eq!(bytes[..length], vec![n as u8; 171 + usize::from(n)]);
            }
        }
    }

    #[test]
    fn a_checksum_is_that_of_the_rfc_and_never_zero() {
        // The example of RFC 1071 §3, less what the pseudo-header adds.
        let sum = checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]], 0);
        assert_eq!(sum, !(0xddf2 + 17));
        assert_eq!(checksum(&[&(0xffffu16 - 17).to_be_bytes()], 0), 0xffff);
        assert_eq!(checksum(&[&[1]], 0), !(0x0100 + 17));
    }

    #[test]
    fn a_peer_that_cannot_be_reached_takes_nobody_with_it() {
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        let mut raw = RawSender::new(ip).unwrap();
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // The kernel wants a permission for broadcasts, which we do not ask for.
        raw.push(30_000, "255.255.255.255:9".parse().unwrap(), b"nobody");
        raw.push(30_000, "[::1]:9".parse().unwrap(), b"other family");
        raw.push(30_002, phone.local_addr().unwrap(), b"somebody");
        raw.flush();
        let mut bytes = [0; 16];
        let (length, from) = phone.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes[..length], from.port()), (&b"somebody"[..], 30_002));
    }
}

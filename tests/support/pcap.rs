//! A capture file of datagrams for tshark: raw IPv4 with UDP, checksums left out as the formats allow. Owns the bytes of the
//! format; who sent what is the caller's.

use std::net::SocketAddrV4;

/// Microseconds, little-endian, version 2.4; raw IP (link type 101).
const HEAD: [u8; 24] = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0];
const UDP: u8 = 17;

/// The file of these datagrams, a millisecond apart.
pub fn of_datagrams<'a>(datagrams: impl IntoIterator<Item = (SocketAddrV4, SocketAddrV4, &'a [u8])>) -> Vec<u8> {
    let mut file = HEAD.to_vec();
    for (number, (from, to, payload)) in (0u32..).zip(datagrams) {
        let length = u16::try_from(28 + payload.len()).expect("a datagram");
        let words = [number / 1000, number % 1000 * 1000, length.into(), length.into()];
        words.iter().for_each(|word| file.extend(word.to_le_bytes()));
        // Version 4, five words of head; don't fragment; 64 hops.
        file.extend([0x45, 0]);
        file.extend(length.to_be_bytes());
        file.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
        file.extend(from.ip().octets());
        file.extend(to.ip().octets());
        file.extend(from.port().to_be_bytes());
        file.extend(to.port().to_be_bytes());
        file.extend((length - 20).to_be_bytes());
        file.extend([0, 0]);
        file.extend(payload);
    }
    file
}

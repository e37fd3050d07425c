//! One packet: read through rtp-rs, rewritten in place. Owns offsets; refuses to copy payloads.

use std::ops::Range;

/// Bytes of a header without CSRC list and extension.
pub const HEADER: usize = 12;

/// What a valid packet says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// First packet of a talk spurt (RFC 3551 §4.1), or of an event (RFC 4733 §2.3.5).
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// On the clock of the stream's codec.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Where the payload lies: behind CSRC list and extension, before padding.
    pub payload: Range<usize>,
}

/// What we put into a packet that goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Start of a talk spurt.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// On the clock of the stream's codec.
    pub timestamp: u32,
    /// Ours, of this leg.
    pub ssrc: u32,
}

/// Reads a datagram. `None`: not RTP version 2, cut off, padding that does not add up, or RTCP on the RTP port
/// (payload types 64 to 95 behind the marker bit, RFC 5761 §4).
pub fn read(bytes: &[u8]) -> Option<Header> {
    let reader = rtp_rs::RtpReader::new(bytes).ok()?;
    let payload_type = reader.payload_type();
    if reader.mark() && (64..96).contains(&payload_type) {
        return None;
    }
    let start = reader.payload_offset();
    let end = bytes.len().checked_sub(usize::from(reader.padding().unwrap_or(0)))?;
    Some(Header {
        marker: reader.mark(),
        payload_type,
        sequence: reader.sequence_number().into(),
        timestamp: reader.timestamp(),
        ssrc: reader.ssrc(),
        payload: start..end,
    })
}

/// Gives a packet that [`read`] accepted our stamp and payload type; CSRC list, extension and padding stay as they are.
pub fn rewrite(bytes: &mut [u8], payload_type: u8, stamp: Stamp) {
    let Some(header) = bytes.first_chunk_mut::<HEADER>() else { return };
    put(header, payload_type, stamp);
}

/// Writes a plain header before a payload of ours.
pub fn write(header: &mut [u8; HEADER], payload_type: u8, stamp: Stamp) {
    header[0] = 2 << 6;
    put(header, payload_type, stamp);
}

fn put(header: &mut [u8; HEADER], payload_type: u8, stamp: Stamp) {
    header[1] = (u8::from(stamp.marker) << 7) | (payload_type & 0x7f);
    header[2..4].copy_from_slice(&stamp.sequence.to_be_bytes());
    header[4..8].copy_from_slice(&stamp.timestamp.to_be_bytes());
    header[8..12].copy_from_slice(&stamp.ssrc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtp_rs::{Pad, RtpPacketBuilder};

    use super::*;

    #[test]
    fn a_packet_with_csrc_extension_and_padding_is_rewritten_in_place() {
        let mut bytes = RtpPacketBuilder::new()
            .payload_type(0)
            .marked(true)
            .sequence(77.into())
            .timestamp(1600)
            .ssrc(1)
            .add_csrc(2)
            .extension(0xbede, &[1, 2, 3, 4])
            .padded(Pad::round_to(8))
            .payload(&[9; 33])
            .build()
            .unwrap();
        let before = read(&bytes).unwrap();
        assert_eq!(&bytes[before.payload.clone()], &[9; 33]);
        rewrite(&mut bytes, 8, Stamp { marker: false, sequence: 5, timestamp: 6, ssrc: 7 });
        let after = read(&bytes).unwrap();
        assert_eq!(
            after,
            Header { marker: false, payload_type: 8, sequence: 5, timestamp: 6, ssrc: 7, payload: before.payload }
        );
        assert_eq!(rtp_rs::RtpReader::new(&bytes).unwrap().csrc().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn rtcp_on_the_rtp_port_is_no_rtp() {
        let mut report = [0u8; 28];
        report[0] = 0x80;
        report[1] = 200;
        assert_eq!(read(&report), None);
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), version: bool) {
            if let (true, Some(first)) = (version, bytes.first_mut()) {
                *first = (*first & 0x3f) | 0x80;
            }
            if let Some(header) = read(&bytes) {
                prop_assert!(bytes.get(header.payload.clone()).is_some());
                let stamp = Stamp { marker: false, sequence: 1, timestamp: 2, ssrc: 3 };
                rewrite(&mut bytes, 0, stamp);
                prop_assert_eq!(read(&bytes).unwrap().payload, header.payload);
            }
        }

        #[test]
        fn what_we_write_reads_as_we_meant_it(sequence: u16, timestamp: u32, ssrc: u32, marker: bool, kind in 0u8..64) {
            let mut bytes = [0u8; HEADER];
            write(&mut bytes, kind, Stamp { marker, sequence, timestamp, ssrc });
            let payload = HEADER..HEADER;
            prop_assert_eq!(
                read(&bytes),
                Some(Header { marker, payload_type: kind, sequence, timestamp, ssrc, payload })
            );
        }
    }
}

//! RTCP (RFC 3550 §6): compound packets read and written. Owns their layout and which of them are sound as a whole (A.2);
//! refuses to judge who may send, and what the figures are good for.
//!
//! Reading borrows and allocates nothing: [`read`] walks the whole datagram once, and what it gives only points into it.

use thiserror::Error;

/// Longer datagrams are no compound of ours.
pub const LONGEST: usize = 1500;
/// Most report blocks of one packet: the count has five bits.
pub const MAX_BLOCKS: usize = 31;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// Bytes of a header, and of one report block.
const HEADER: usize = 4;
const BLOCK: usize = 24;
/// Bytes of sender information.
const INFO: usize = 20;
/// The item of a description that names a source for good.
const CNAME: u8 = 1;

/// Why a datagram is no compound packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum RtcpError {
    /// More than [`LONGEST`] bytes.
    #[error("longer than {LONGEST} bytes")]
    TooLong,
    /// It ends within a packet.
    #[error("it ends within a packet")]
    CutOff,
    /// Some packet is not version 2.
    #[error("not version 2")]
    Version,
    /// It does not begin with a report (RFC 3550 §6.1).
    #[error("it does not begin with a report")]
    NoReport,
    /// Padding in another packet than the last one, or more than there is.
    #[error("padding where none may be")]
    Padding,
    /// A count that the packet has no room for.
    #[error("a count larger than its packet")]
    Count,
}

/// What a sender says of itself (RFC 3550 §6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderInfo {
    /// The moment of the report: seconds since 1900 and their fraction, 32 bits each.
    pub ntp: u64,
    /// The same moment on the clock of the stream.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// What somebody hears of a source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// Whom it is about.
    pub ssrc: u32,
    /// Share lost since the last report, of 256.
    pub fraction: u8,
    /// Lost in all, 24 bits; negative where more came than was expected.
    pub lost: i32,
    /// The highest number that came, with how often the numbers have turned.
    pub highest: u32,
    /// In ticks.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report; 0: none came.
    pub last_report: u32,
    /// Since it came, in 1/65536 s.
    pub delay: u32,
}

/// A sound compound packet.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a>(&'a [u8]);

/// One packet of it.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// A sender's or a receiver's report.
    Report(Report<'a>),
    /// Source description.
    Description(Chunks<'a>),
    /// These sources leave.
    Goodbye(Sources<'a>),
    /// Of another type.
    Other(u8),
}

/// A report.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Whose.
    pub ssrc: u32,
    /// Of a sender.
    pub sender: Option<SenderInfo>,
    blocks: &'a [u8],
}

/// The sources that are described.
#[derive(Clone, Copy, Debug)]
pub struct Chunks<'a>(&'a [u8]);

/// A list of sources.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a>(&'a [u8]);

impl<'a> Report<'a> {
    /// What it says of others.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + use<'a> {
        self.blocks.as_chunks::<BLOCK>().0.iter().map(block)
    }
}

impl<'a> Sources<'a> {
    /// One after the other.
    pub fn all(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.0.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word))
    }
}

impl<'a> Chunks<'a> {
    /// Sources with their canonical names.
    pub fn names(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (ssrc, items) = rest.split_first_chunk::<4>()?;
            let (name, length) = items_of(items)?;
            rest = items.get(length..)?;
            Some((u32::from_be_bytes(*ssrc), name.unwrap_or_default()))
        })
    }
}

impl<'a> Compound<'a> {
    /// Its packets. [`read`] has seen that each is whole.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'a>> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (packet, behind) = first(rest).ok()?;
            rest = behind;
            Some(packet)
        })
    }

    /// Who reports.
    pub fn ssrc(&self) -> u32 {
        word(self.0, 4).unwrap_or(0)
    }
}

/// Reads a datagram: every packet of it is looked at, or none is taken.
pub fn read(bytes: &[u8]) -> Result<Compound<'_>, RtcpError> {
    if bytes.len() > LONGEST {
        return Err(RtcpError::TooLong);
    }
    let mut rest = bytes;
    let mut reported = false;
    while !rest.is_empty() {
        let (packet, behind) = first(rest)?;
        if !reported && !matches!(packet, Packet::Report(_)) {
            return Err(RtcpError::NoReport);
        }
        reported = true;
        rest = behind;
    }
    if reported { Ok(Compound(bytes)) } else { Err(RtcpError::CutOff) }
}

/// The first packet, and what is behind it.
fn first(bytes: &[u8]) -> Result<(Packet<'_>, &[u8]), RtcpError> {
    let [head, kind, high, low] = *bytes.first_chunk::<HEADER>().ok_or(RtcpError::CutOff)?;
    if head >> 6 != 2 {
        return Err(RtcpError::Version);
    }
    let length = HEADER + 4 * usize::from(u16::from_be_bytes([high, low]));
    let (packet, behind) = bytes.split_at_checked(length).ok_or(RtcpError::CutOff)?;
    let mut body = packet.get(HEADER..).unwrap_or_default();
    if head & 0x20 != 0 {
        let padding = usize::from(body.last().copied().unwrap_or(0));
        let fits = padding > 0 && padding.is_multiple_of(4) && behind.is_empty();
        let kept = body.len().checked_sub(padding).filter(|_| fits).ok_or(RtcpError::Padding)?;
        body = body.get(..kept).unwrap_or_default();
    }
    let count = usize::from(head & 0x1f);
    let part = |from: usize, bytes: usize| body.get(from..from + bytes).ok_or(RtcpError::Count);
    let read = match kind {
        SENDER_REPORT => {
            let blocks = part(4 + INFO, count * BLOCK)?;
            Packet::Report(Report { ssrc: word(body, 0).unwrap_or(0), sender: Some(info(part(4, INFO)?)), blocks })
        }
        RECEIVER_REPORT => {
            let blocks = part(4, count * BLOCK)?;
            Packet::Report(Report { ssrc: word(body, 0).unwrap_or(0), sender: None, blocks })
        }
        DESCRIPTION => {
            let mut rest = body;
            for _ in 0..count {
                let items = rest.get(4..).ok_or(RtcpError::Count)?;
                let (_, length) = items_of(items).ok_or(RtcpError::Count)?;
                rest = items.get(length..).ok_or(RtcpError::Count)?;
            }
            Packet::Description(Chunks(body.get(..body.len() - rest.len()).unwrap_or_default()))
        }
        GOODBYE => Packet::Goodbye(Sources(part(0, count * 4)?)),
        other => Packet::Other(other),
    };
    Ok((read, behind))
}

/// The canonical name among a chunk's items, and their length with the zeros that fill the last word.
fn items_of(bytes: &[u8]) -> Option<(Option<&[u8]>, usize)> {
    let (mut at, mut name) = (0, None);
    loop {
        let kind = *bytes.get(at)?;
        if kind == 0 {
            let length = (at + 1).next_multiple_of(4);
            return (length <= bytes.len()).then_some((name, length));
        }
        let length = usize::from(*bytes.get(at + 1)?);
        let text = bytes.get(at + 2..at + 2 + length)?;
        if kind == CNAME {
            name = Some(text);
        }
        at += 2 + length;
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}

fn info(bytes: &[u8]) -> SenderInfo {
    let word = |at| word(bytes, at).unwrap_or(0);
    let ntp = (u64::from(word(0)) << 32) | u64::from(word(4));
    SenderInfo { ntp, timestamp: word(8), packets: word(12), octets: word(16) }
}

fn block(bytes: &[u8; BLOCK]) -> Block {
    let word = |at| word(bytes, at).unwrap_or(0);
    let [fraction, ..] = word(4).to_be_bytes();
    // The sign stands in the 24th bit.
    let lost = (word(4) << 8).cast_signed() >> 8;
    Block { ssrc: word(0), fraction, lost, highest: word(8), jitter: word(12), last_report: word(16), delay: word(20) }
}

/// Writes a compound of ours: a report, our name, and a goodbye where we leave. Of the blocks, [`MAX_BLOCKS`] are written; of
/// the name, as many bytes as an item has room for.
pub fn write(into: &mut Vec<u8>, ssrc: u32, sender: Option<SenderInfo>, blocks: &[Block], name: &[u8], leaves: bool) {
    let blocks = blocks.get(..MAX_BLOCKS).unwrap_or(blocks);
    let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    let bytes = 4 + if sender.is_some() { INFO } else { 0 } + blocks.len() * BLOCK;
    header(into, blocks.len(), kind, bytes);
    into.extend_from_slice(&ssrc.to_be_bytes());
    if let Some(SenderInfo { ntp, timestamp, packets, octets }) = sender {
        into.extend_from_slice(&ntp.to_be_bytes());
        for word in [timestamp, packets, octets] {
            into.extend_from_slice(&word.to_be_bytes());
        }
    }
    for block in blocks {
        let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
        let second = (u32::from(block.fraction) << 24) | lost;
        for word in [block.ssrc, second, block.highest, block.jitter, block.last_report, block.delay] {
            into.extend_from_slice(&word.to_be_bytes());
        }
    }
    let name = name.get(..255).unwrap_or(name);
    let items = (2 + name.len() + 1).next_multiple_of(4);
    header(into, 1, DESCRIPTION, 4 + items);
    into.extend_from_slice(&ssrc.to_be_bytes());
    // At most 255.
    into.extend_from_slice(&[CNAME, name.len() as u8]);
    into.extend_from_slice(name);
    into.resize(into.len() + items - 2 - name.len(), 0);
    if leaves {
        header(into, 1, GOODBYE, 4);
        into.extend_from_slice(&ssrc.to_be_bytes());
    }
}

fn header(into: &mut Vec<u8>, count: usize, kind: u8, bytes: usize) {
    // Whole words, few of them.
    let [high, low] = u16::try_from(bytes / 4).unwrap_or(0).to_be_bytes();
    into.extend_from_slice(&[(2 << 6) | (count as u8 & 0x1f), kind, high, low]);
}

/// Whether a datagram on a port that carries both is RTCP (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first >> 6 == 2) && bytes.get(1).is_some_and(|kind| (192..224).contains(kind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INFO_OF_OURS: SenderInfo = SenderInfo { ntp: 0xe9a0_0001_8000_0000, timestamp: 160, packets: 1, octets: 160 };

    fn block(ssrc: u32) -> Block {
        Block { ssrc, fraction: 64, lost: -3, highest: 70_000, jitter: 9, last_report: 5, delay: 6 }
    }

    fn written(sender: Option<SenderInfo>, blocks: &[Block], name: &[u8], leaves: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, 7, sender, blocks, name, leaves);
        bytes
    }

    #[test]
    fn a_goodbye_carries_the_last_report_and_the_name() {
        let bytes = written(Some(INFO_OF_OURS), &[block(9)], b"abc", true);
        assert!(is_rtcp(&bytes));
        let compound = read(&bytes).unwrap();
        assert_eq!(compound.ssrc(), 7);
        let packets: Vec<_> = compound.packets().collect();
        let [Packet::Report(report), Packet::Description(chunks), Packet::Goodbye(sources)] = packets.as_slice() else {
            panic!("{packets:?}")
        };
        assert_eq!((report.ssrc, report.sender), (7, Some(INFO_OF_OURS)));
        assert_eq!(report.blocks().collect::<Vec<_>>(), [block(9)]);
        assert_eq!(chunks.names().collect::<Vec<_>>(), [(7, &b"abc"[..])]);
        assert_eq!(sources.all().collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn what_breaks_the_rules_of_a_compound_is_refused_whole() {
        let sound = written(None, &[], b"abc", true);
        let changed = |at: usize, byte: u8| {
            let mut bytes = sound.clone();
            bytes[at] = byte;
            read(&bytes).map(|_| ()).unwrap_err()
        };
        assert_eq!(read(&[]).map(|_| ()), Err(RtcpError::CutOff));
        assert_eq!(changed(0, 0x40), RtcpError::Version);
        assert_eq!(changed(0, 0xa0), RtcpError::Padding, "only the last packet may have padding");
        assert_eq!(changed(0, 0x81), RtcpError::Count);
        assert_eq!(changed(1, GOODBYE), RtcpError::NoReport);
        assert_eq!(changed(3, 200), RtcpError::CutOff);
        assert_eq!(read(&sound[..sound.len() - 1]).map(|_| ()), Err(RtcpError::CutOff));
        assert_eq!(read(&vec![0x80; LONGEST + 1]).map(|_| ()), Err(RtcpError::TooLong));
    }

    #[test]
    fn padding_of_the_last_packet_is_no_part_of_it() {
        let mut bytes = written(None, &[], b"abc", true);
        let last = bytes.len() - 8;
        bytes[last] |= 0x20;
        bytes[last + 3] += 1;
        bytes.extend_from_slice(&[0, 0, 0, 4]);
        let Some(Packet::Goodbye(sources)) = read(&bytes).unwrap().packets().last() else { panic!("no goodbye") };
        assert_eq!(sources.all().collect::<Vec<_>>(), [7]);
        *bytes.last_mut().unwrap() = 12;
        assert_eq!(read(&bytes).map(|_| ()), Err(RtcpError::Padding));
    }

    #[test]
    fn a_packet_of_another_type_is_passed_over() {
        let mut bytes = written(None, &[], b"", false);
        bytes.extend_from_slice(&[0x81, 207, 0, 1, 1, 2, 3, 4]);
        assert!(matches!(read(&bytes).unwrap().packets().last(), Some(Packet::Other(207))));
    }

    fn any_block() -> impl Strategy<Value = Block> {
        let words = any::<(u32, u8, u32, u32, u32, u32)>();
        (words, -0x80_0000..0x80_0000i32).prop_map(|((ssrc, fraction, highest, jitter, last_report, delay), lost)| {
            Block { ssrc, fraction, lost, highest, jitter, last_report, delay }
        })
    }

    proptest! {
        #[test]
        fn what_we_write_reads_as_we_meant_it(
            sender in proptest::option::of(any::<(u64, u32, u32, u32)>()),
            blocks in proptest::collection::vec(any_block(), 0..40),
            name in proptest::collection::vec(any::<u8>(), 0..300),
            leaves: bool,
        ) {
            let sender = sender.map(|(ntp, timestamp, packets, octets)| SenderInfo { ntp, timestamp, packets, octets });
            let bytes = written(sender, &blocks, &name, leaves);
            let compound = read(&bytes).unwrap();
            let packets: Vec<_> = compound.packets().collect();
            prop_assert_eq!(packets.len(), 2 + usize::from(leaves));
            let Packet::Report(report) = packets[0] else { panic!("{packets:?}") };
            prop_assert_eq!(report.sender, sender);
            prop_assert!(report.blocks().eq(blocks.iter().copied().take(MAX_BLOCKS)));
            let Packet::Description(chunks) = packets[1] else { panic!("{packets:?}") };
            prop_assert!(chunks.names().eq([(7, &name[..name.len().min(255)])]));
        }

        #[test]
        fn no_datagram_makes_it_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            kinds in proptest::collection::vec((200u8..205, 0u8..4, 0usize..20), 0..6),
        ) {
            let mut bytes = bytes;
            for (kind, count, at) in kinds {
                if let Some(header) = bytes.get_mut(at * 8..at * 8 + 4) {
                    header.copy_from_slice(&[0x80 | count, kind, 0, count * 2]);
                }
            }
            if let Ok(compound) = read(&bytes) {
                for packet in compound.packets() {
                    match packet {
                        Packet::Report(report) => prop_assert!(report.blocks().count() <= MAX_BLOCKS),
                        Packet::Description(chunks) => prop_assert!(chunks.names().count() <= MAX_BLOCKS),
                        Packet::Goodbye(sources) => prop_assert!(sources.all().count() <= MAX_BLOCKS),
                        Packet::Other(_) => {}
                    }
                }
            }
        }
    }
}

//! RTCP at a phone: what it checks of the equipment's reports, and the one that it gives back for each. Independent of the
//! equipment's own reading and writing, so that the two cannot agree on a mistake. Owns RFC 3550 §6.4.1 as a phone sees it.

use std::net::SocketAddr;

use super::call::Call;
use super::story::Fault;
use super::{Desk, PhoneOutput};

/// What a phone wants to know of the equipment's report.
struct Said {
    ssrc: u32,
    /// The middle of its time; 0 where it is no sender.
    middle: u32,
    /// Whom it hears.
    about: Option<u32>,
}

/// Whether a datagram on the port above that of RTP is RTCP.
pub(super) fn is_report(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|kind| (200..=204).contains(kind))
}

/// A report, a name, perhaps a goodbye; each as long as it says, all of one source.
fn parse(bytes: &[u8]) -> Result<Said, &'static str> {
    let word =
        |at: usize| bytes.get(at..at + 4).map(|w| w.iter().fold(0u32, |all, byte| (all << 8) | u32::from(*byte)));
    let mut at = 0;
    let mut kinds = Vec::new();
    let ssrc = word(4).ok_or("RTCP that is cut off")?;
    while at < bytes.len() {
        let (Some(head), Some(source)) = (word(at), word(at + 4)) else { return Err("RTCP that is cut off") };
        if head >> 29 != 0b100 {
            return Err("RTCP with another version, or padding that nobody needs");
        }
        if source != ssrc {
            return Err("RTCP of two sources");
        }
        kinds.push((head >> 16) as u8);
        at += 4 + 4 * (head & 0xffff) as usize;
    }
    if at != bytes.len() {
        return Err("RTCP longer or shorter than it says");
    }
    let sender = match kinds.as_slice() {
        [200, 202] | [200, 202, 203] => true,
        [201, 202] | [201, 202, 203] => false,
        _ => return Err("RTCP that is not a report, a name and perhaps a goodbye"),
    };
    let middle = if sender { word(10).unwrap_or(0) } else { 0 };
    let blocks = bytes.first().map_or(0, |first| first & 0x1f);
    let about = (blocks > 0).then(|| word(if sender { 28 } else { 8 })).flatten();
    Ok(Said { ssrc, middle, about })
}

impl Call {
    /// A report came; it is answered by the phone's own.
    pub fn report(&mut self, desk: &mut Desk<'_>, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        let now = desk.now;
        let said = match parse(bytes) {
            Ok(said) => said,
            Err(what) => return self.story.blame(now, Fault::RtpBroken, what),
        };
        let Some(voice) = self.voice.as_ref().filter(|_| self.story.ended_at.is_none()) else { return };
        if said.about.is_some_and(|about| about != voice.ssrc()) {
            return self.story.blame(now, Fault::RtpForeign, "a report about somebody else");
        }
        if voice.hears().is_some_and(|heard| heard != said.ssrc) {
            return self.story.blame(now, Fault::RtpForeign, "a report of another source than that of its RTP");
        }
        self.story.reports += 1;
        // A receiver report with one block, kept for no time, and an empty name.
        let words = [0x81c9_0007, voice.ssrc(), said.ssrc, 0, voice.highest(), 0, said.middle, 0];
        let name = [0x81ca_0002, voice.ssrc(), 0x0100_0000];
        let bytes = words.iter().chain(&name).flat_map(|word: &u32| word.to_be_bytes()).collect();
        desk.out.push_back(PhoneOutput::SendRtp { from: local, to: from, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(all: &[u32]) -> Vec<u8> {
        all.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn a_report_a_name_and_a_goodbye_are_in_order_and_nothing_else_is() {
        let report = [0x81c9_0007, 7, 9, 0, 0, 0, 0, 0, 0x81ca_0002, 7, 0x0100_0000, 0x81cb_0001, 7];
        let said = parse(&words(&report)).unwrap();
        assert_eq!((said.ssrc, said.about, said.middle), (7, Some(9), 0));
        assert!(parse(&words(&report[..11])).is_ok());
        assert!(parse(&words(&report[..8])).is_err(), "no name");
        assert!(parse(&words(&report[8..])).is_err(), "no report");
        let mut two = report;
        two[9] = 8;
        assert!(parse(&words(&two)).is_err(), "two sources");
        assert!(parse(&words(&report)[..51]).is_err(), "cut off");
        assert!(is_report(&words(&report)) && !is_report(&[0x80, 0, 0, 1]));
    }
}

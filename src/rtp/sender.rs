//! What goes to a peer: one SSRC, one numbering and one clock over all that a leg ever hears (message, music, talk), as
//! RFC 3550 §5.1 wants of a source; another clock is another source (RFC 7160 §4.1). Owns the mapping from another source's numbers
//! to ours; refuses payloads.

use super::rtcp::SenderInfo;
use super::{CLOCK_HZ, Header, Stamp, ticks};
use crate::clock::Mono;

/// A late packet is relayed only so far back behind the newest.
const LATE: u16 = 100;
/// Bytes of an event.
const EVENT: u64 = 4;

/// The sending side of a leg.
#[derive(Clone, Debug)]
pub struct Sender {
    ssrc: u32,
    /// The number of the next fresh packet.
    next: u16,
    /// Timestamp and moment of the last fresh packet.
    last: Option<(u32, Mono)>,
    first_timestamp: u32,
    /// Ticks a second.
    clock_hz: u32,
    source: Source,
    sent: u64,
    octets: u64,
    /// Packets of sources of ours that are over.
    sent_before: u64,
}

/// Where the packets come from now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// The next packet begins a talk spurt.
    New,
    /// Our own frames.
    Own,
    /// Another leg's packets: what to add to its numbers, and how far back our numbers are its (at most [`LATE`]).
    Mapped { sequence: u16, timestamp: u32, span: u16 },
}

impl Sender {
    /// A source with its three random beginnings (RFC 3550 §5.1).
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Sender {
        Sender {
            ssrc,
            next: sequence,
            last: None,
            first_timestamp: timestamp,
            clock_hz: CLOCK_HZ,
            source: Source::New,
            sent: 0,
            octets: 0,
            sent_before: 0,
        }
    }

    /// The codec that was agreed on counts so many ticks a second. What was sent before is another source's: see
    /// [`Sender::begin_anew`]. Without that the clock goes on from where the last one stood.
    pub fn set_clock(&mut self, clock_hz: u32) {
        if self.clock_hz != clock_hz {
            self.clock_hz = clock_hz;
            self.source = Source::New;
        }
    }

    /// True when something was sent on another clock than this one: whoever hears it could not tell how time goes
    /// (RFC 7160 §3.1).
    pub fn leaves_clock(&self, clock_hz: u32) -> bool {
        self.last.is_some() && self.clock_hz != clock_hz
    }

    /// Another source from here on, with its three random beginnings; the counts of its reports begin at zero (RFC 3550 §6.4.1).
    pub fn begin_anew(&mut self, ssrc: u32, sequence: u16, timestamp: u32) {
        let (sent_before, clock_hz) = (self.sent(), self.clock_hz);
        *self = Sender { clock_hz, sent_before, ..Sender::new(ssrc, sequence, timestamp) };
    }

    /// What is heard changes: the next packet has the marker, and its timestamp goes on by the time that passed.
    pub fn new_source(&mut self) {
        self.source = Source::New;
    }

    /// The next packet begins a talk spurt.
    pub fn begins(&self) -> bool {
        self.source == Source::New
    }

    /// Stamps a frame of our own with so many bytes of payload, `samples` ticks after the one before it. After a change of source
    /// the clock says how far.
    pub fn frame(&mut self, now: Mono, samples: u32, octets: usize) -> Stamp {
        let fresh = self.source != Source::Own;
        let timestamp = match self.last {
            Some((last, _)) if !fresh => last.wrapping_add(samples),
            _ => self.timestamp_at(now),
        };
        self.source = Source::Own;
        self.octets += octets as u64;
        self.stamp(now, timestamp, fresh)
    }

    /// Stamps another source's packet: its spacing in sequence and time is kept. `None`: it is from before we began to
    /// relay that source.
    pub fn relay(&mut self, now: Mono, theirs: &Header) -> Option<Stamp> {
        let octets = theirs.payload.len() as u64;
        let Source::Mapped { sequence, timestamp, span } = self.source else {
            self.octets += octets;
            return Some(self.map(now, theirs));
        };
        let number = theirs.sequence.wrapping_add(sequence);
        let ours = theirs.timestamp.wrapping_add(timestamp);
        let ahead = number.wrapping_sub(self.next);
        if ahead < 0x8000 {
            self.next = number;
            let span = span.saturating_add(ahead).saturating_add(1).min(LATE);
            self.source = Source::Mapped { sequence, timestamp, span };
            self.octets += octets;
            return Some(self.stamp(now, ours, theirs.marker));
        }
        let behind = ahead.wrapping_neg();
        if behind > span {
            return None;
        }
        self.sent += 1;
        self.octets += octets;
        Some(Stamp { marker: theirs.marker, sequence: number, timestamp: ours, ssrc: self.ssrc })
    }

    /// A packet of the mapped source is left out on purpose: what follows closes up, so that it does not look lost.
    pub fn leave_out(&mut self) {
        if let Source::Mapped { sequence, .. } = &mut self.source {
            *sequence = sequence.wrapping_sub(1);
        }
    }

    /// An event of our own begins (RFC 4733 §2.1): the timestamp that all its packets bear.
    pub fn begin_event(&mut self, now: Mono) -> u32 {
        let timestamp = self.timestamp_at(now);
        self.last = Some((timestamp, now));
        timestamp
    }

    /// Stamps a packet of an event of our own. A mapped source's numbers make room for it.
    pub fn event(&mut self, timestamp: u32, marker: bool) -> Stamp {
        let sequence = self.next;
        self.next = sequence.wrapping_add(1);
        self.sent += 1;
        self.octets += EVENT;
        if let Source::Mapped { sequence, span, .. } = &mut self.source {
            *sequence = sequence.wrapping_add(1);
            // What is late from before would fall on numbers that are given away.
            *span = 0;
        }
        Stamp { marker, sequence, timestamp, ssrc: self.ssrc }
    }

    /// The event is over: our own frames, which paused, go on by the clock.
    pub fn end_event(&mut self) {
        if self.source == Source::Own {
            self.source = Source::New;
        }
    }

    /// Packets stamped, of all sources.
    pub fn sent(&self) -> u64 {
        self.sent_before + self.sent
    }

    /// Whose packets they are.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// What a report says of them at a moment, which is `ntp` on the wall: the clock of the stream stands between packets where
    /// the next one's would (RFC 3550 §6.4.1). `None`: nothing was sent.
    pub fn report(&self, now: Mono, ntp: u64) -> Option<SenderInfo> {
        let (last, at) = self.last?;
        let timestamp = last.wrapping_add(ticks(now.0.saturating_sub(at.0), self.clock_hz));
        // Both counts turn over at 32 bits, by the RFC.
        Some(SenderInfo { ntp, timestamp, packets: self.sent as u32, octets: self.octets as u32 })
    }

    fn map(&mut self, now: Mono, theirs: &Header) -> Stamp {
        let timestamp = self.timestamp_at(now);
        self.source = Source::Mapped {
            sequence: self.next.wrapping_sub(theirs.sequence),
            timestamp: timestamp.wrapping_sub(theirs.timestamp),
            span: 1,
        };
        self.stamp(now, timestamp, true)
    }

    /// The clock of a new source: at least one millisecond on, so that no timestamp is used twice.
    fn timestamp_at(&self, now: Mono) -> u32 {
        match self.last {
            Some((last, at)) => {
                last.wrapping_add(ticks(now.0.saturating_sub(at.0), self.clock_hz).max(self.clock_hz / 1000))
            }
            None => self.first_timestamp,
        }
    }

    fn stamp(&mut self, now: Mono, timestamp: u32, marker: bool) -> Stamp {
        let sequence = self.next;
        self.next = sequence.wrapping_add(1);
        self.last = Some((timestamp, now));
        self.sent += 1;
        Stamp { marker, sequence, timestamp, ssrc: self.ssrc }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theirs(sequence: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 9, payload: 12..172 }
    }

    fn ms(n: u64) -> Mono {
        Mono(n * 1000)
    }

    #[test]
    fn a_message_then_a_talk_is_one_numbering_on_one_clock() {
        let mut sender = Sender::new(7, 65_535, u32::MAX - 100);
        let first = sender.frame(ms(0), 160, 160);
        let second = sender.frame(ms(21), 160, 160);
        assert_eq!((first.marker, first.sequence, first.ssrc), (true, 65_535, 7));
        assert_eq!((second.marker, second.sequence), (false, 0));
        assert_eq!(second.timestamp.wrapping_sub(first.timestamp), 160);
        sender.new_source();
        let talk = sender.relay(ms(51), &theirs(500, 80_000)).unwrap();
        assert_eq!((talk.marker, talk.sequence), (true, 1));
        assert_eq!(talk.timestamp.wrapping_sub(second.timestamp), 240);
        let next = sender.relay(ms(71), &theirs(501, 80_160)).unwrap();
        assert_eq!((next.marker, next.sequence), (false, 2));
        assert_eq!(next.timestamp.wrapping_sub(talk.timestamp), 160);
    }

    #[test]
    fn a_gap_stays_a_gap_and_a_late_packet_fills_it() {
        let mut sender = Sender::new(7, 100, 0);
        sender.relay(ms(0), &theirs(10, 0)).unwrap();
        assert_eq!(sender.relay(ms(60), &theirs(13, 480)).unwrap().sequence, 103);
        let late = sender.relay(ms(61), &theirs(12, 320)).unwrap();
        assert_eq!((late.sequence, late.timestamp), (102, 320));
        assert_eq!(sender.relay(ms(62), &theirs(9, 0)), None, "from before the talk");
        assert_eq!(sender.relay(ms(80), &theirs(14, 640)).unwrap().sequence, 104);
    }

    #[test]
    fn a_packet_left_out_leaves_no_gap() {
        let mut sender = Sender::new(7, 100, 0);
        sender.relay(ms(0), &theirs(10, 0)).unwrap();
        sender.leave_out();
        assert_eq!(sender.relay(ms(40), &theirs(12, 320)).unwrap().sequence, 101);
    }

    #[test]
    fn an_event_of_our_own_stands_in_the_numbering_of_a_talk() {
        let mut sender = Sender::new(7, 100, 0);
        let before = sender.relay(ms(0), &theirs(10, 0)).unwrap();
        let timestamp = sender.begin_event(ms(30));
        assert_eq!(timestamp.wrapping_sub(before.timestamp), 240);
        let packets = [sender.event(timestamp, true), sender.event(timestamp, false)];
        assert_eq!(packets.map(|p| (p.sequence, p.timestamp)), [(101, timestamp), (102, timestamp)]);
        sender.end_event();
        assert_eq!(sender.relay(ms(41), &theirs(9, 0)), None, "late, and its number is given away");
        let after = sender.relay(ms(60), &theirs(11, 480)).unwrap();
        assert_eq!((after.sequence, after.timestamp, after.marker), (103, 480, false));
        assert_eq!(sender.relay(ms(80), &theirs(12, 640)).unwrap().sequence, 104);
    }

    #[test]
    fn opus_counts_six_times_as_fast_and_another_clock_goes_on_where_the_last_one_stood() {
        let mut sender = Sender::new(7, 0, 1000);
        sender.frame(ms(0), 160, 160);
        sender.set_clock(48_000);
        let first = sender.frame(ms(20), 960, 960);
        assert_eq!((first.timestamp, first.marker), (1000 + 960, true));
        assert_eq!(sender.frame(ms(40), 960, 960).timestamp, first.timestamp + 960);
        sender.new_source();
        assert_eq!(sender.frame(ms(70), 960, 960).timestamp, first.timestamp + 960 + 1440);
    }

    #[test]
    fn another_source_has_numbers_time_and_counts_of_its_own_and_the_leg_counts_on() {
        let mut sender = Sender::new(7, 10, 1000);
        assert!(!sender.leaves_clock(48_000), "nothing was sent: nobody heard a clock");
        sender.relay(ms(0), &theirs(10, 0)).unwrap();
        sender.relay(ms(20), &theirs(11, 160)).unwrap();
        assert!(sender.leaves_clock(48_000) && !sender.leaves_clock(8_000));
        sender.begin_anew(8, 500, 90_000);
        sender.set_clock(48_000);
        assert_eq!((sender.ssrc(), sender.sent(), sender.report(ms(30), 1)), (8, 2, None));
        let first = sender.frame(ms(40), 960, 80);
        assert_eq!((first.ssrc, first.sequence, first.timestamp, first.marker), (8, 500, 90_000, true));
        let info = sender.report(ms(60), 1).unwrap();
        assert_eq!((info.packets, info.octets, info.timestamp), (1, 80, 90_000 + 960));
        assert_eq!(sender.sent(), 3);
    }

    #[test]
    fn a_report_pairs_the_moment_with_the_streams_own_clock_and_counts_payload_only() {
        let mut sender = Sender::new(7, 0, 5000);
        assert_eq!(sender.report(ms(0), 1), None);
        sender.frame(ms(0), 160, 160);
        sender.new_source();
        sender.relay(ms(30), &theirs(1, 90_000)).unwrap();
        let timestamp = sender.begin_event(ms(40));
        sender.event(timestamp, true);
        let info = sender.report(ms(65), 0x1234).unwrap();
        assert_eq!(info, SenderInfo { ntp: 0x1234, timestamp: 5000 + 65 * 8, packets: 3, octets: 160 + 160 + 4 });
    }

    #[test]
    fn a_talk_longer_than_the_numbering_goes_on() {
        let mut sender = Sender::new(7, 3, 0);
        for n in 0..200_000u32 {
            let stamp = sender.relay(ms(u64::from(n) * 20), &theirs(n as u16, n.wrapping_mul(160)));
            assert_eq!(stamp.unwrap().sequence, (n as u16).wrapping_add(3));
        }
        assert_eq!(sender.sent(), 200_000);
    }
}

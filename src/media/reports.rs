//! A leg's RTCP (RFC 3550 §6): our reports on it, and the peer's. Owns when ours leave, what stands in them, and whose are taken;
//! refuses the layout, which is `rtp`'s, and what the figures mean, which is `figures`'.
//!
//! We are an end of both RTP sessions of a bridge: each leg has a source of ours, whose reports speak of what we send and receive
//! there, whatever the other leg does.

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::figures::Figures;
use super::leg::Leg;
use super::{Half, Outgoing, Shard, Slot, secure};
use crate::clock::{Mono, Wall};
use crate::model::LegId;
use crate::rtp::rtcp::{self, Block, Packet, SenderInfo};
use crate::sdp::RtcpPath;

/// Between two reports, on average (RFC 3550 §6.2); the first one comes after half of it.
const INTERVAL: f64 = 5.0;
/// What the draw of the interval is divided by (§6.3.1).
const COMPENSATION: f64 = 1.218_28;
/// From 1900, where NTP begins, to 1970.
const NTP_UNIX: u64 = 2_208_988_800;
/// Sources of ours on one leg, one after the other; a key's state is kept for each.
const MAX_SOURCES: u8 = 32;
/// Bytes of a name: 96 random bits as hexadecimal (RFC 7022 §4.2). It says nothing of anybody and lasts as long as the leg.
const NAME: usize = 24;

/// A leg's reports.
pub(super) struct Reports {
    pub(super) due: Mono,
    pub(super) figures: Figures,
    name: [u8; NAME],
    /// Where the peer's reports came from, where they have a port of their own.
    source: Option<SocketAddr>,
    /// Of the last sender report: whose, the middle of its time, and when it came.
    heard: Option<(u32, u32, Mono)>,
    /// Packets that we had sent at the last two reports: who sent none since is no sender.
    sent: [u64; 2],
    /// What had come, and what was missing, at the last report.
    received: (u64, u64),
    refused: u64,
    taken: u64,
}

impl Reports {
    fn new(now: Mono, random: &mut StdRng) -> Reports {
        let mut name = [0; NAME];
        for digit in &mut name {
            *digit = b"0123456789abcdef".get(random.random_range(0..16usize)).copied().unwrap_or(b'0');
        }
        Reports {
            due: now + interval(random, INTERVAL / 2.0),
            figures: Figures::new(now),
            name,
            source: None,
            heard: None,
            sent: [0; 2],
            received: (0, 0),
            refused: 0,
            taken: 0,
        }
    }

    /// RTCP packets taken and refused.
    pub(super) fn counted(&self) -> (u64, u64) {
        (self.taken, self.refused)
    }
}

/// A draw between half and one and a half of it, made so that a crowd does not drift together (RFC 3550 §6.3.1).
fn interval(random: &mut StdRng, seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds * random.random_range(0.5..1.5) / COMPENSATION)
}

/// A leg agreed on something: it has reports from the first agreement on.
pub(super) fn begin(leg: &mut Leg, now: Mono, random: &mut StdRng) {
    if leg.reports.is_none() {
        leg.reports = Some(Box::new(Reports::new(now, random)));
    }
}

/// Seconds since 1900 in the upper half, their fraction in the lower.
fn ntp(wall_at_zero: Wall, now: Mono) -> u64 {
    let micros = u64::try_from(wall_at_zero.0).unwrap_or(0).saturating_mul(1000).saturating_add(now.0);
    let (seconds, rest) = (micros / 1_000_000 + NTP_UNIX, micros % 1_000_000);
    (seconds << 32) | ((rest << 32) / 1_000_000)
}

/// The middle 32 bits: what a report says of another report's time.
fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

impl Leg {
    /// Where our reports go, and out of which port.
    fn reports_go(&self) -> Option<(Half, SocketAddr)> {
        let agreed = self.agreed.as_ref()?;
        let source = agreed.latch.source();
        let (half, to) = match agreed.plan.rtcp {
            RtcpPath::Off => return None,
            RtcpPath::Mux => (Half::Rtp, agreed.latch.target()?),
            RtcpPath::Apart(signalled) => {
                let came_from = self.reports.as_ref().and_then(|reports| reports.source);
                // Behind a NAT the signalled address is worth nothing, and the next port is the best guess.
                let moved = source.filter(|source| source.ip() != agreed.plan.remote.ip());
                let guessed = moved.and_then(|at| Some(SocketAddr::new(at.ip(), at.port().checked_add(1)?)));
                (Half::Rtcp, came_from.or(guessed).unwrap_or(signalled))
            }
        };
        (!to.ip().is_unspecified() && to.port() != 0).then_some((half, to))
    }

    /// Whether the peer's reports may come from there: from where its packets come, where both share a port; else from the
    /// signalled address, or, once, from another port of the host that the packets come from (field.md 23).
    fn may_report(&self, half: Half, from: SocketAddr) -> bool {
        let Some(agreed) = &self.agreed else { return false };
        match (agreed.plan.rtcp, half) {
            (RtcpPath::Mux, Half::Rtp) => agreed.latch.source().or(agreed.latch.target()) == Some(from),
            (RtcpPath::Apart(signalled), Half::Rtcp) => match self.reports.as_ref().and_then(|known| known.source) {
                Some(known) => from == known,
                None => from == signalled || agreed.latch.source().is_some_and(|source| source.ip() == from.ip()),
            },
            (RtcpPath::Off | RtcpPath::Mux | RtcpPath::Apart(_), _) => false,
        }
    }

    /// What we say of what the peer sends.
    fn block(&mut self, now: Mono) -> Option<Block> {
        let ssrc = self.agreed.as_ref()?.latch.ssrc()?;
        let (lost, highest, jitter) = self.receiver.report()?;
        let (all_received, all_lost) = (self.receiver.received(), self.receiver.lost());
        let reports = self.reports.as_mut()?;
        let (received_before, lost_before) = std::mem::replace(&mut reports.received, (all_received, all_lost));
        let missing = all_lost.saturating_sub(lost_before);
        let expected = (all_received + all_lost).saturating_sub(received_before + lost_before);
        let fraction = (missing * 256).checked_div(expected).unwrap_or(0).min(255) as u8;
        let heard = reports.heard.filter(|(whose, ..)| *whose == ssrc);
        let (last_report, delay) = heard.map_or((0, 0), |(_, middle, came)| {
            let passed = now.since(came).as_micros() * 65_536 / 1_000_000;
            (middle, u32::try_from(passed).unwrap_or(u32::MAX))
        });
        let lost = i32::try_from(lost).unwrap_or(i32::MAX);
        Some(Block { ssrc, fraction, lost, highest, jitter, last_report, delay })
    }

    /// Whether anything was sent since the report before the last: then we report as a sender (RFC 3550 §6.4).
    fn sends(&mut self) -> bool {
        let sent = self.sender.sent();
        let Some(reports) = &mut self.reports else { return false };
        let [before_last, last] = reports.sent;
        reports.sent = [last, sent];
        sent > before_last
    }
}

impl Shard {
    /// An RTCP packet came to a leg.
    pub(super) fn report_came(&mut self, now: Mono, slot: Slot, (half, from): (Half, SocketAddr), bytes: &[u8]) {
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        if leg.agreed.is_none() {
            self.counters.early += 1;
            return;
        }
        let here = middle(ntp(self.settings.wall_at_zero, now));
        let taken = leg.may_report(half, from)
            && secure::open_report(&mut leg.secure, bytes)
                .is_some_and(|clear| leg.take_report(now, here, clear.as_deref().unwrap_or(bytes)));
        let Some(reports) = &mut leg.reports else { return };
        if taken {
            reports.taken += 1;
            self.counters.reports_taken += 1;
            if half == Half::Rtcp {
                reports.source = Some(from);
            }
        } else {
            reports.refused += 1;
            self.counters.reports_refused += 1;
        }
    }

    /// Sends the reports that are due. Called from time to time, much more often than they are.
    pub(super) fn send_reports(&mut self, now: Mono, send: &mut impl FnMut(Outgoing, &mut [u8])) {
        for at in 0..self.legs.capacity() {
            let due = self.legs.get(at).and_then(|leg| leg.reports.as_ref()).is_some_and(|reports| reports.due <= now);
            if due {
                let next = now + interval(&mut self.random, INTERVAL);
                self.report(now, Slot(at), false, send);
                if let Some(reports) = self.legs.get_mut(at).and_then(|leg| leg.reports.as_mut()) {
                    reports.due = next;
                }
            }
        }
    }

    /// A leg agrees on a codec of this clock: what it was sent on another one was another source's, which says goodbye (RFC 7160
    /// §4.1, RFC 3550 §6.6). A peer that wants ever more of them is given one clock after the other under the last source.
    pub(super) fn take_clock(&mut self, now: Mono, slot: Slot, clock_hz: u32) {
        let leaves = |leg: &&Leg| leg.renewed < MAX_SOURCES && leg.sender.leaves_clock(clock_hz);
        if self.legs.get(slot.0).map(Box::as_ref).filter(leaves).is_none() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.sealed);
        self.report(now, slot, true, &mut |way, report| waiting.push((way, report.to_vec())));
        self.sealed = waiting;
        let (ssrc, sequence, timestamp) = self.beginnings();
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        leg.renewed += 1;
        leg.sender.begin_anew(ssrc, sequence, timestamp);
        if let Some(reports) = &mut leg.reports {
            reports.figures.new_source();
        }
    }

    /// The leg is about to be closed: its last report says so (RFC 3550 §6.6). For the host, which loses the leg's sockets next.
    pub fn farewell(&mut self, now: Mono, leg: LegId, mut send: impl FnMut(Outgoing, &mut [u8])) {
        if let Some(slot) = self.slot(leg) {
            self.report(now, slot, true, &mut send);
        }
    }

    fn report(&mut self, now: Mono, slot: Slot, leaves: bool, send: &mut impl FnMut(Outgoing, &mut [u8])) {
        let ntp = ntp(self.settings.wall_at_zero, now);
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let Some((half, to)) = leg.reports_go() else { return };
        let sender: Option<SenderInfo> = if leg.sends() { leg.sender.report(now, ntp) } else { None };
        let block = leg.block(now);
        let (ssrc, Some(reports)) = (leg.sender.ssrc(), &leg.reports) else { return };
        self.made.clear();
        rtcp::write(&mut self.made, ssrc, sender, block.as_slice(), &reports.name, leaves);
        self.counters.reports_sent += 1;
        secure::emit_report(&mut leg.secure, Outgoing { slot, half, to }, &mut self.made, send);
    }
}

impl Leg {
    /// Takes what a compound packet says; false: it is not sound, or of another source than the peer's packets.
    fn take_report(&mut self, now: Mono, here: u32, bytes: &[u8]) -> bool {
        let Ok(compound) = rtcp::read(bytes) else { return false };
        let ssrc = self.agreed.as_ref().and_then(|agreed| agreed.latch.ssrc());
        if ssrc.is_some_and(|ssrc| ssrc != compound.ssrc()) {
            return false;
        }
        let ours = self.sender.ssrc();
        let clock_hz = self.agreed.as_ref().map_or(rtp_clock(), |agreed| agreed.plan.codec.clock_hz());
        let Some(reports) = &mut self.reports else { return false };
        for packet in compound.packets() {
            let Packet::Report(report) = packet else { continue };
            if let Some(info) = report.sender {
                reports.heard = Some((report.ssrc, middle(info.ntp), now));
            }
            for block in report.blocks().filter(|block| block.ssrc == ours) {
                reports.figures.hear(&block, here, clock_hz);
            }
        }
        true
    }
}

fn rtp_clock() -> u32 {
    crate::rtp::CLOCK_HZ
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn intervals_are_drawn_around_five_seconds_less_the_compensation() {
        let mut random = StdRng::from_seed([1; 32]);
        let all: Vec<f64> = (0..10_000).map(|_| interval(&mut random, INTERVAL).as_secs_f64()).collect();
        let mean = all.iter().sum::<f64>() / 10_000.0;
        assert!((4.05..=4.16).contains(&mean), "{mean}");
        assert!(all.iter().all(|one| (2.05..=6.16).contains(one)));
    }

    #[test]
    fn a_moment_is_written_as_ntp_has_it() {
        // 2026-11-25T12:00:00.5Z.
        let at = ntp(Wall(1_795_608_000_000), Mono(500_000));
        assert_eq!((at >> 32, at & 0xffff_ffff), (1_795_608_000 + NTP_UNIX, 0x8000_0000));
        assert_eq!(middle(0x1234_5678_9abc_def0), 0x5678_9abc);
    }
}

//! Encrypted legs: what comes is opened before anything else looks at it, what goes is sealed last. Owns the contexts of a leg
//! and their renewal; refuses the cryptography (`rtp`) and the keys' negotiation (`sdp`).
//!
//! A sealed packet is longer than it came. It therefore does not leave in the buffer of its datagram: it waits in the shard
//! until [`Shard::tick`], which the host calls behind each batch.

use std::net::SocketAddr;

use super::{Half, Outgoing, Shard, Slot, Verdict};
use crate::clock::Mono;
use crate::model::{MasterKey, SrtpKeys};
use crate::rtp::{Opener, Seal, is_rtcp};
use crate::sdp::RtcpPath;

/// A leg's contexts. They outlive an agreement without encryption: a key that comes back goes on counting, so that no number is
/// used twice and no packet heard twice.
#[derive(Default)]
pub(super) struct Secure {
    /// The agreement in force wants them.
    active: bool,
    /// Of each key that we ever sent with; the last one is in use. A leg has one key of ours per suite.
    seals: Vec<(MasterKey, Seal)>,
    opener: Option<(MasterKey, Opener)>,
}

impl Secure {
    /// A new agreement's keys.
    fn agree(&mut self, keys: Option<&SrtpKeys>) {
        self.active = keys.is_some();
        let Some(SrtpKeys { send, receive }) = keys else { return };
        match self.seals.iter().position(|(key, _)| key == send) {
            Some(at) => {
                let known = self.seals.remove(at);
                self.seals.push(known);
            }
            None => self.seals.extend(Seal::new(send).map(|seal| (*send, seal))),
        }
        if self.opener.as_ref().is_none_or(|(key, _)| key != receive) {
            self.opener = Opener::new(receive).map(|opener| (*receive, opener));
        }
    }
}

/// A leg agreed on something, with keys or without.
pub(super) fn agree(secure: &mut Option<Box<Secure>>, keys: Option<&SrtpKeys>) {
    match secure {
        None if keys.is_none() => {}
        secure => secure.get_or_insert_default().agree(keys),
    }
}

/// Sends a packet to a leg: sealed, where that was agreed on. What cannot be sealed is not sent.
pub(super) fn emit(
    secure: &mut Option<Box<Secure>>,
    way: Outgoing,
    packet: &mut [u8],
    send: &mut impl FnMut(Outgoing, &mut [u8]),
) {
    emit_by(Seal::seal, secure, way, packet, send);
}

/// The same with a report.
pub(super) fn emit_report(
    secure: &mut Option<Box<Secure>>,
    way: Outgoing,
    packet: &mut [u8],
    send: &mut impl FnMut(Outgoing, &mut [u8]),
) {
    emit_by(Seal::seal_report, secure, way, packet, send);
}

fn emit_by(
    seal_as: fn(&mut Seal, &[u8]) -> Option<Vec<u8>>,
    secure: &mut Option<Box<Secure>>,
    way: Outgoing,
    packet: &mut [u8],
    send: &mut impl FnMut(Outgoing, &mut [u8]),
) {
    match active(secure) {
        None => send(way, packet),
        Some(secure) => {
            let sealed = secure.seals.last_mut().and_then(|(_, seal)| seal_as(seal, packet));
            if let Some(mut datagram) = sealed {
                send(way, &mut datagram);
            }
        }
    }
}

/// The report in a datagram; `Some(None)`: the leg is in clear, and it is the datagram itself.
pub(super) fn open_report(secure: &mut Option<Box<Secure>>, datagram: &[u8]) -> Option<Option<Vec<u8>>> {
    match active(secure) {
        None => Some(None),
        Some(secure) => secure.opener.as_mut().and_then(|(_, opener)| opener.open_report(datagram)).map(Some),
    }
}

fn active(secure: &mut Option<Box<Secure>>) -> Option<&mut Secure> {
    secure.as_deref_mut().filter(|secure| secure.active)
}

/// What a datagram is.
enum Opened {
    /// As it came.
    Clear,
    /// The packet in it.
    Packet(Vec<u8>),
    /// Not the peer's.
    Forged,
}

impl Shard {
    /// A datagram came to one of a leg's two ports.
    pub fn packet(&mut self, now: Mono, slot: Slot, half: Half, from: SocketAddr, bytes: &mut [u8]) -> Verdict {
        if half == Half::Rtcp || (is_rtcp(bytes) && self.shares_its_port(slot)) {
            self.report_came(now, slot, (half, from), bytes);
            return Verdict::default();
        }
        match self.opened(slot, bytes) {
            Opened::Clear => {
                let verdict = self.judge(now, slot, from, bytes);
                match verdict.send {
                    Some(way) if self.legs.get_mut(way.slot.0).is_some_and(|leg| active(&mut leg.secure).is_some()) => {
                        self.send_later(way, bytes);
                        Verdict { send: None, ..verdict }
                    }
                    _ => verdict,
                }
            }
            Opened::Packet(mut packet) => {
                let verdict = self.judge(now, slot, from, &mut packet);
                if let Some(way) = verdict.send {
                    self.send_later(way, &mut packet);
                }
                Verdict { send: None, ..verdict }
            }
            Opened::Forged => {
                self.counters.refused += 1;
                Verdict::default()
            }
        }
    }

    fn shares_its_port(&self, slot: Slot) -> bool {
        let agreed = self.legs.get(slot.0).and_then(|leg| leg.agreed.as_ref());
        agreed.is_some_and(|agreed| agreed.plan.rtcp == RtcpPath::Mux)
    }

    fn opened(&mut self, slot: Slot, bytes: &[u8]) -> Opened {
        let Some(leg) = self.legs.get_mut(slot.0) else { return Opened::Clear };
        let Some(secure) = active(&mut leg.secure) else { return Opened::Clear };
        match secure.opener.as_mut().and_then(|(_, opener)| opener.open(bytes)) {
            Some(packet) => Opened::Packet(packet),
            None => {
                leg.refuse();
                Opened::Forged
            }
        }
    }

    /// Puts a packet behind those that the next tick sends.
    fn send_later(&mut self, way: Outgoing, packet: &mut [u8]) {
        let Some(leg) = self.legs.get_mut(way.slot.0) else { return };
        let sealed = &mut self.sealed;
        emit(&mut leg.secure, way, packet, &mut |way, datagram| sealed.push((way, datagram.to_vec())));
    }

    /// Sends what waits.
    pub(super) fn send_sealed(&mut self, send: &mut impl FnMut(Outgoing, &mut [u8])) {
        for (way, mut datagram) in self.sealed.drain(..) {
            send(way, &mut datagram);
        }
    }
}

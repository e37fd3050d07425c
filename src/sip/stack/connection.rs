//! Which transport one request takes, and what a lost connection means to those who wait for an answer on it (RFC 3261
//! §8.1.3.1, §18.1.1, §18.4). Owns both decisions; refuses sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::table::{Carried, ClientTx};
use super::{ClientMachine, HangUpReason, Stack};
use crate::clock::Mono;
use crate::model::{Cause, Hop, SipTransport};
use crate::sip::api::{FailedWhy, LegEvent, Loss, NO_TRANSPORT_Q850};
use crate::sip::dialog::State;
use crate::sip::transaction::{InviteClient, NonInviteClient, Stored};
use crate::sip::wire::Method;

/// A longer request does not go over UDP: the path's MTU is not known (§18.1.1).
const MAX_UDP_REQUEST: usize = 1300;
/// A switch that had no TCP for a long request is not asked again for so long.
const NO_TCP_FOR: Duration = Duration::from_secs(300);
/// How many such switches are remembered.
const MAX_WITHOUT_TCP: usize = 256;

/// A request that went over TCP for its length only, as it goes over UDP.
#[derive(Clone, Debug)]
pub(super) struct UdpForm {
    pub(super) to: Hop,
    pub(super) request: Stored,
    /// Of a re-INVITE: the ACK of its refusal.
    pub(super) ack: Option<Stored>,
}

/// What is left to try when a request's connection is lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Spare {
    /// There may be no TCP.
    pub(super) udp: Option<Box<UdpForm>>,
    /// It was sent a second time already.
    pub(super) resent: bool,
}

/// Switches that have no TCP, and until when that is believed.
#[derive(Debug, Default)]
pub(super) struct WithoutTcp(BTreeMap<SocketAddr, Mono>);

impl WithoutTcp {
    fn learn(&mut self, now: Mono, address: SocketAddr) {
        self.0.retain(|_, until| *until > now);
        if self.0.len() < MAX_WITHOUT_TCP {
            self.0.insert(address, now + NO_TCP_FOR);
        }
    }

    fn holds(&self, now: Mono, address: SocketAddr) -> bool {
        self.0.get(&address).is_some_and(|until| *until > now)
    }
}

fn unreachable() -> LegEvent {
    let cause = Cause::local(NO_TRANSPORT_Q850, "no connection to the switch");
    LegEvent::Failed { cause, why: FailedWhy::Unreachable }
}

impl Stack {
    /// The hop of a request as long as `write` makes it: over UDP, one that is too long goes over TCP, its Via and Contact with
    /// it, and keeps its UDP form for the case that there is no TCP. `None` when it cannot be written.
    pub(super) fn road(
        &self,
        now: Mono,
        hop: &Hop,
        write: impl Fn(&Hop) -> Option<Stored>,
    ) -> Option<(Hop, Stored, Spare)> {
        let bytes = write(hop)?;
        let short = bytes.len() <= MAX_UDP_REQUEST || hop.transport.is_reliable();
        if short || self.without_tcp.holds(now, hop.address) {
            return Some((hop.clone(), bytes, Spare::default()));
        }
        let over_tcp = Hop::tcp(hop.address);
        let long = write(&over_tcp)?;
        let udp = UdpForm { to: hop.clone(), request: bytes, ack: None };
        Some((over_tcp, long, Spare { udp: Some(Box::new(udp)), resent: false }))
    }

    /// A connection could not be made or broke. What waits for an answer there goes the next way it has: UDP where only its
    /// length forbade it, once more over a new connection where the old one broke (its branch makes it the same request to
    /// the switch). An INVITE goes nowhere else: another switch may take its call. What must arrive at this very peer (a
    /// BYE above all: a phone is off-hook until it comes) goes again after a pause, and again, for 64·T1 in all. Dialogs live on.
    pub fn lost(&mut self, now: Mono, hop: &Hop, loss: Loss) {
        let waits = |(at, tx): (usize, &ClientTx)| (tx.to == *hop && tx.waiting().is_some()).then_some(at);
        let waiting: Vec<usize> = self.tables.clients.iter().filter_map(waits).collect();
        for tx in waiting {
            self.lost_one(now, tx, loss);
        }
        self.outside_lost(hop);
    }

    fn lost_one(&mut self, now: Mono, at: usize, loss: Loss) {
        let Some(tx) = self.tables.clients.get(at) else { return };
        let (leg, method, dials) = (tx.leg, tx.method.clone(), matches!(tx.carried, Carried::Invite));
        // No switch has heard of this leg, and nobody wants it any more: it is not dialled now.
        let unwanted = dials && loss == Loss::NotMade && self.is_closed(leg);
        let persists = self.persists(tx);
        let Some(tx) = self.tables.clients.get_mut(at) else { return };
        if let Some(udp) = tx.spare.udp.take().filter(|_| !unwanted) {
            self.over_udp(now, at, *udp);
        } else if let (Loss::Broke, false, Some(bytes)) = (loss, tx.spare.resent, tx.waiting()) {
            tx.spare.resent = true;
            let to = tx.to.clone();
            self.send(to, bytes, &method, Some(leg));
        } else if persists {
            match &mut tx.machine {
                ClientMachine::Invite(machine) => machine.persist(now),
                ClientMachine::Other(machine) => machine.persist(now),
            }
        } else if dials && tx.spare.resent {
            self.invite_lost(now, at, leg);
        } else {
            match &mut tx.machine {
                ClientMachine::Invite(machine) => machine.unreachable(now),
                ClientMachine::Other(machine) => machine.unreachable(now),
            }
            if let Some(asked) = tx.carried.take() {
                self.request_unreached(now, leg, &asked);
            } else if dials {
                self.report_last(leg, unreachable());
            }
        }
        self.client_timer(at);
    }

    /// The leg fails; but a copy of its INVITE may have reached the switch before a connection broke. It is sent no more, and
    /// what still comes of it is released (CANCEL, or ACK and BYE).
    fn invite_lost(&mut self, now: Mono, at: usize, leg: usize) {
        if let Some(ClientMachine::Invite(machine)) = self.tables.clients.get_mut(at).map(|tx| &mut tx.machine) {
            machine.hush();
        }
        self.report_last(leg, unreachable());
        self.hang_up_leg(now, leg, HangUpReason { q850: NO_TRANSPORT_Q850, text: "the connection was lost".into() });
    }

    /// Requests that have to arrive at the peer they are for, and that nobody else sends again. An UPDATE or re-INVITE only where
    /// a connection was there and broke: the peer may have it, and another one must not follow before its answer (§14.1). A
    /// dialog that ended wants nothing but its BYE and its NOTIFYs.
    fn persists(&self, tx: &ClientTx) -> bool {
        let Some(asked) = tx.carried.request() else { return matches!(tx.carried, Carried::Cancel) };
        let leg = self.tables.legs.get(tx.leg).filter(|leg| leg.cseq == asked.invite);
        let lives = leg
            .and_then(|leg| leg.usage.fork(asked.fork))
            .is_some_and(|dialog| !matches!(dialog.state, State::Ended { .. }));
        match asked.method {
            Method::Bye | Method::Notify => true,
            Method::Invite | Method::Update => lives && tx.spare.resent,
            _ => lives,
        }
    }

    fn is_closed(&self, leg: usize) -> bool {
        self.tables.legs.get(leg).is_some_and(|leg| leg.usage.is_closed())
    }

    /// The same transaction begins again over UDP: with its timers, and with the ACK that a refusal there gets.
    fn over_udp(&mut self, now: Mono, at: usize, udp: UdpForm) {
        let Some(tx) = self.tables.clients.get_mut(at) else { return };
        let (request, transport) = (udp.request, SipTransport::Udp.into());
        let timers =
            if matches!(tx.carried, Carried::Invite) { self.config.timers } else { self.config.timers.in_dialog() };
        tx.machine = match tx.machine {
            ClientMachine::Invite(_) => {
                ClientMachine::Invite(InviteClient::start(now, request.clone(), timers, transport).0)
            }
            ClientMachine::Other(_) => {
                ClientMachine::Other(NonInviteClient::start(now, request.clone(), timers, transport).0)
            }
        };
        tx.to = udp.to.clone();
        let (leg, method) = (tx.leg, tx.method.clone());
        match &mut tx.carried {
            Carried::Invite => {
                self.tables.legs.get_mut(leg).into_iter().for_each(|leg| leg.way = udp.to.clone());
            }
            Carried::Request(Some(asked)) => asked.ack = udp.ack.or(asked.ack.take()),
            Carried::Request(None) | Carried::Cancel => {}
        }
        self.without_tcp.learn(now, udp.to.address);
        self.send(udp.to, request, &method, Some(leg));
    }
}

//! The calling side: dialling, hanging up, and the client transactions with their timers. Owns that CANCEL and BYE go out
//! when they are owed and allowed; refuses what the answers mean (`answers`, `reliable`) and requests of the peer.

use rand::RngCore;

use super::challenge::Tried;
use super::connection::Spare;
use super::table::{Carried, ClientTx, Draft, Key, Leg};
use super::write;
use super::{ClientMachine, HangUpReason, Stack};
use crate::clock::Mono;
use crate::model::{Cause, LegId};
use crate::sip::api::{FailedWhy, Invite, LegEvent, RefusedWhy, SipOutput};
use crate::sip::dialog::Usage;
use crate::sip::dialog::session::Ask;
use crate::sip::transaction::invite_client::Event as InviteEvent;
use crate::sip::transaction::{InviteClient, NonInviteClient, Step, Stored};
use crate::sip::wire::{Message, Method, Name};

impl Stack {
    /// Dials. A leg that lives already is left alone; one that cannot be dialled fails at once.
    pub fn invite(&mut self, now: Mono, invite: Invite) {
        let id = invite.leg;
        if self.tables.by_id.contains_key(&id) {
            return;
        }
        let full = self.tables.by_id.len() >= self.config.max_legs;
        let leg = self.new_leg(&invite);
        if full {
            let cause = Cause::local(42, "too many legs at once");
            return self.output.push_back(SipOutput::Leg(id, LegEvent::Failed { cause, why: FailedWhy::Local }));
        }
        let leg = self.tables.add_leg(leg);
        if !self.send_invite(now, leg) {
            let cause = Cause::local(28, "this address cannot be written into an INVITE");
            self.report_last(leg, LegEvent::Failed { cause, why: FailedWhy::Local });
            self.settle(leg);
        }
    }

    /// Starts the transaction of a leg's INVITE; false when a value of it cannot be written.
    pub(super) fn send_invite(&mut self, now: Mono, at: usize) -> bool {
        let Some(leg) = self.tables.legs.get_mut(at) else { return false };
        let credentials = leg.trunk.credentials.as_ref();
        leg.retry_fields = self.keyring.authorize(&leg.hop, credentials, &Method::Invite, &leg.target);
        let Some(leg) = self.tables.legs.get(at) else { return false };
        let branch = leg.branch;
        let road = self.road(now, &leg.hop, |hop| write::invite(&self.config, leg, hop));
        let Some((to, bytes, spare)) = road else { return false };
        let way = to.clone();
        let (machine, step) = InviteClient::start(now, bytes, self.config.timers, to.transport.into());
        let machine = ClientMachine::Invite(machine);
        let (carried, method) = (Carried::Invite, Method::Invite);
        let tx = ClientTx { machine, leg: at, carried, to, method, branch, ack: None, spare };
        let tx = self.tables.add_client(tx);
        if let Some(leg) = self.tables.legs.get_mut(at) {
            leg.invite = Some(tx);
            leg.way = way;
        }
        self.send_step(tx, step);
        self.client_timer(tx);
        true
    }

    fn new_leg(&mut self, invite: &Invite) -> Leg {
        let call_id = format!("{}{}", self.random_hex(), self.random_hex());
        Leg {
            id: invite.leg,
            hop: invite.hop.clone(),
            way: invite.hop.clone(),
            call_id: call_id.into(),
            local_tag: self.random_hex().into(),
            from: invite.from.as_str().into(),
            from_name: invite.from_name.as_deref().map(Into::into),
            target: invite.target.as_str().into(),
            headers: invite.headers.clone(),
            trunk: std::sync::Arc::clone(&invite.trunk),
            offer: Stored::clone(&invite.offer),
            ask: invite.trunk.session.as_ref().map(Ask::of),
            retry_fields: Vec::new(),
            tried: Tried::default(),
            unanswered: None,
            retries: 0,
            cseq: 1,
            branch: self.branch(),
            usage: Usage::default(),
            invite: None,
            clients: 0,
            servers: Vec::new(),
            referrals: Default::default(),
            last_source: invite.hop.clone(),
        }
    }

    pub(super) fn branch(&mut self) -> u128 {
        u128::from(self.rng.next_u64()) << 64 | u128::from(self.rng.next_u64())
    }

    /// Ends a leg in whatever state it is; nothing more is reported of it. Unknown legs are ignored.
    pub fn hang_up(&mut self, now: Mono, id: LegId, reason: HangUpReason) {
        let Some(leg) = self.tables.by_id.remove(&id) else { return };
        self.hang_up_leg(now, leg, reason);
        self.settle(leg);
    }

    /// Gives up a leg to whose INVITE not even a provisional has come: it is sent no more, and what comes late is released
    /// (CANCEL, or ACK and BYE). False when something has come: then the leg stays as it is.
    pub fn give_up(&mut self, now: Mono, id: LegId) -> bool {
        let tx = self.tables.by_id.get(&id).and_then(|leg| self.tables.legs.get(*leg)?.invite);
        let Some(client) = tx.and_then(|tx| self.tables.clients.get_mut(tx)) else { return false };
        let ClientMachine::Invite(machine) = &mut client.machine else { return false };
        if !machine.hush() {
            return false;
        }
        if let Some(tx) = tx {
            self.client_timer(tx);
        }
        self.hang_up(now, id, HangUpReason { q850: 102, text: "no response in time".into() });
        true
    }

    /// True while not even a provisional has come to a leg's INVITE.
    pub fn is_unanswered(&self, id: LegId) -> bool {
        let tx = self.tables.by_id.get(&id).and_then(|leg| self.tables.legs.get(*leg)?.invite);
        let machine = tx.and_then(|tx| self.tables.clients.get(tx)).map(|client| &client.machine);
        matches!(machine, Some(ClientMachine::Invite(machine)) if machine.is_unanswered())
    }

    pub(super) fn hang_up_leg(&mut self, now: Mono, leg: usize, reason: HangUpReason) {
        let Some(usage) = self.tables.legs.get_mut(leg).map(|leg| &mut leg.usage) else { return };
        usage.hang_up(reason.clone());
        match usage.winner() {
            Some(fork) => self.bye(now, leg, fork, &reason),
            None => self.cancel_if_due(now, leg),
        }
    }

    /// CANCEL, if it is owed and allowed (§9.1: not before a provisional).
    pub(super) fn cancel_if_due(&mut self, now: Mono, at: usize) {
        let Some(leg) = self.tables.legs.get_mut(at) else { return };
        let Some(tx) = leg.invite.and_then(|tx| self.tables.clients.get_mut(tx)) else { return };
        let ClientMachine::Invite(machine) = &mut tx.machine else { return };
        if !leg.usage.cancel_now(machine.may_cancel()) {
            return;
        }
        machine.cancelled(now);
        let (invite, to, branch) = (leg.invite, leg.way.clone(), leg.branch);
        let bytes = leg.usage.hung_up().and_then(|reason| write::cancel(&self.config, leg, reason));
        if let Some(tx) = invite {
            self.client_timer(tx);
        }
        if let Some(bytes) = bytes {
            let (machine, step) = NonInviteClient::start(now, bytes, self.config.timers, to.transport.into());
            let machine = ClientMachine::Other(machine);
            let (carried, method, spare) = (Carried::Cancel, Method::Cancel, Spare::default());
            let tx = ClientTx { machine, leg: at, carried, to, method, branch, ack: None, spare };
            let tx = self.tables.add_client(tx);
            self.send_step(tx, step);
            self.client_timer(tx);
        }
    }

    /// Ends a confirmed dialog. A re-INVITE that waits for the engine is refused first.
    pub(super) fn bye(&mut self, now: Mono, at: usize, fork: usize, reason: &HangUpReason) {
        self.drop_offer(now, at, fork);
        self.abandon_offer(now, at, fork);
        let dialog = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork));
        let Some(dialog) = dialog.filter(|dialog| dialog.is_confirmed()) else { return };
        dialog.end();
        self.exchange_timer(now, at, fork);
        let draft = Draft { fields: vec![(Name::Reason, write::reason_text(reason))], ..Draft::default() };
        self.start_request(now, at, fork, Method::Bye, draft);
    }

    pub(super) fn send_step<E>(&mut self, tx: usize, step: Step<E>) -> Option<E> {
        if let (Some(bytes), Some(tx)) = (step.send, self.tables.clients.get(tx)) {
            let (to, leg) = (tx.to.clone(), tx.leg);
            // The INVITE machine also sends the ACK of a refusal; its bytes say which.
            let method = if bytes.starts_with(b"ACK ") { Method::Ack } else { tx.method.clone() };
            self.send(to, bytes, &method, Some(leg));
        }
        step.event
    }

    /// Sets the timer of a transaction, or frees it.
    pub(super) fn client_timer(&mut self, tx: usize) {
        let Some(client) = self.tables.clients.get(tx) else { return };
        match client.deadline() {
            Some((at, _)) => self.timers.set(Key::Client(tx), at),
            None => self.timers.cancel(&Key::Client(tx)),
        }
        if client.is_terminated() {
            self.tables.remove_client(tx);
        }
    }

    pub(super) fn client_timeout(&mut self, now: Mono, tx: usize) {
        let Some(client) = self.tables.clients.get_mut(tx) else { return };
        let leg = client.leg;
        let (asked, dials) = (client.carried.request().cloned(), matches!(client.carried, Carried::Invite));
        let event = match &mut client.machine {
            ClientMachine::Invite(machine) => {
                let step = machine.timeout(now);
                self.send_step(tx, step)
            }
            ClientMachine::Other(machine) => {
                let step = machine.timeout(now);
                // An unanswered CANCEL changes nothing: the leg is closed already.
                self.send_step(tx, step).filter(|_| asked.is_some()).map(|_| InviteEvent::TimedOut)
            }
        };
        self.client_timer(tx);
        match (event, asked) {
            (Some(InviteEvent::TimedOut | InviteEvent::RangTooLong), Some(asked)) => {
                self.request_timed_out(now, leg, &asked);
            }
            (Some(event), None) if dials => self.invite_timed_out(now, leg, event),
            (Some(_), _) | (None, _) => {}
        }
        self.settle(leg);
    }

    /// Of the INVITE that dials.
    fn invite_timed_out(&mut self, now: Mono, leg: usize, event: InviteEvent) {
        match event {
            InviteEvent::TimedOut => {
                // An UPDATE of an early dialog that nobody answered gets its refusal: nothing may wait for a leg that is over.
                self.end_early(now, leg);
                let cause = Cause::local(102, "the switch did not answer");
                self.report_last(leg, LegEvent::Failed { cause, why: FailedWhy::Silent });
            }
            InviteEvent::RangTooLong => {
                let cause = Cause::local(19, "rang for too long");
                self.report_last(leg, LegEvent::Failed { cause, why: FailedWhy::RangTooLong });
                self.hang_up_leg(now, leg, HangUpReason { q850: 19, text: "rang for too long".into() });
            }
            InviteEvent::Provisional | InviteEvent::Success | InviteEvent::Refused => {}
        }
    }

    /// A response: ours by its single Via's branch and CSeq method, or nobody's (§18.1.2: silence).
    pub(super) fn response(&mut self, now: Mono, message: &Message) {
        let Some(status) = message.status() else { return };
        let (Ok(via), Ok(cseq)) = (message.top_via(), message.cseq()) else {
            return self.refused(RefusedWhy::Malformed);
        };
        let tx = via.branch.and_then(|branch| self.tables.client_of(branch, &cseq.method));
        let single = message.headers(Name::Via).count() == 1;
        let found = tx.filter(|_| single).and_then(|tx| Some((tx, self.tables.clients.get(tx)?.leg)));
        let Some((tx, leg)) = found else {
            let branch = via.branch.filter(|_| single).unwrap_or_default();
            if !self.outside_response(now, branch, &cseq.method, message) {
                self.refused(RefusedWhy::OutOfTheBlue);
            }
            return;
        };
        self.received(message, Some(leg));
        let Some(client) = self.tables.clients.get_mut(tx) else { return };
        match &mut client.machine {
            ClientMachine::Other(machine) => {
                let step = machine.response(now, status);
                let asked = if step.event.is_some() { client.carried.take() } else { None };
                self.client_timer(tx);
                if let Some(asked) = asked {
                    self.request_answered(now, leg, *asked, message);
                }
            }
            ClientMachine::Invite(_) if client.carried.request().is_some() => {
                self.reinvite_response(now, tx, leg, status, message);
            }
            ClientMachine::Invite(_) => self.invite_response(now, tx, leg, status, message),
        }
        self.settle(leg);
    }
}

//! Our requests inside dialogs: PRACK, UPDATE, re-INVITE, NOTIFY, INFO, BYE. Owns that all of them are written and started in one place, so
//! that each can be written again (`retry`), and whose answer means what. Refuses to know why they are sent.

use super::table::{Asked, Carried, ClientTx, Draft};
use super::write;
use super::{ClientMachine, Stack};
use crate::clock::Mono;
use crate::model::{Cause, Hop};
use crate::sip::api::LegEvent;
use crate::sip::dialog::Negotiation;
use crate::sip::transaction::{InviteClient, NonInviteClient, Step, Stored, Transport};
use crate::sip::wire::{Message, Method};

impl Stack {
    /// Sends a request in a dialog with the dialog's next CSeq number; false when it cannot be written.
    pub(super) fn start_request(
        &mut self,
        now: Mono,
        at: usize,
        fork: usize,
        method: Method,
        mut draft: Draft,
    ) -> bool {
        let branch = self.branch();
        let Some(leg) = self.tables.legs.get_mut(at) else { return false };
        let invite = leg.cseq;
        let Some(dialog) = leg.usage.fork_mut(fork) else { return false };
        dialog.local_cseq = dialog.local_cseq.saturating_add(1);
        let cseq = dialog.local_cseq;
        let Some(leg) = self.tables.legs.get(at) else { return false };
        let Some(dialog) = leg.usage.fork(fork) else { return false };
        let to = dialog.next_hop(&leg.hop, &self.config.sources);
        let (uri, _) = dialog.way();
        draft.retry_fields = self.keyring.authorize(&leg.hop, leg.trunk.credentials.as_ref(), &method, uri);
        let written = |to: &Hop| write::request(&self.config, leg, dialog, to, &method, branch, &draft);
        let Some((to, bytes, mut spare)) = self.road(now, &to, written) else { return false };
        let is_invite = method == Method::Invite;
        let refusal_ack =
            |to: &Hop| is_invite.then(|| write::ack_refused(&self.config, leg, dialog, to, branch)).flatten();
        if let Some(udp) = &mut spare.udp {
            udp.ack = refusal_ack(&udp.to);
        }
        let refusal_ack = refusal_ack(&to);
        let (machine, step) = self.machine(now, bytes, is_invite, to.transport.into());
        let asked = Asked { method: method.clone(), fork, invite, cseq, ack: refusal_ack, draft };
        let carried = Carried::Request(Some(Box::new(asked)));
        let tx = self.tables.add_client(ClientTx { machine, leg: at, carried, to, method, branch, ack: None, spare });
        let dialog = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork)).filter(|_| is_invite);
        if let Some(Negotiation::Ours { transaction, .. }) = dialog.map(|dialog| &mut dialog.negotiation) {
            *transaction = Some(tx);
        }
        self.send_step(tx, step);
        self.client_timer(tx);
        true
    }

    fn machine(&self, now: Mono, bytes: Stored, invite: bool, transport: Transport) -> (ClientMachine, Step<()>) {
        let timers = self.config.timers.in_dialog();
        let step = Step { send: Some(bytes.clone()), event: None };
        let machine = match invite {
            true => ClientMachine::Invite(InviteClient::start(now, bytes, timers, transport).0),
            false => ClientMachine::Other(NonInviteClient::start(now, bytes, timers, transport).0),
        };
        (machine, step)
    }

    /// The final answer to a request that is no INVITE. An answer to PRACK or BYE changes nothing.
    pub(super) fn request_answered(&mut self, now: Mono, at: usize, asked: Asked, message: &Message) {
        let refused = message.status().is_some_and(|status| status >= 300);
        if refused && self.request_again(now, at, asked.clone(), message) {
            return;
        }
        match asked.method {
            Method::Update => self.update_answered(now, at, &asked, message),
            Method::Notify => self.notify_over(now, at, !refused),
            Method::Info => self.report(at, LegEvent::KeySent { accepted: !refused }),
            _ => {}
        }
    }

    /// No connection carried it: as good as a 503, which ends no dialog.
    pub(super) fn request_unreached(&mut self, now: Mono, at: usize, asked: &Asked) {
        match asked.method {
            Method::Update => {
                self.refresh_unreached(now, at, asked.fork);
                self.exchange_timer(now, at, asked.fork);
            }
            Method::Invite => self.offer_unreached(now, at, asked.fork),
            _ => {}
        }
    }

    /// Nobody answered it. PRACK and BYE: so be it.
    pub(super) fn request_timed_out(&mut self, now: Mono, at: usize, asked: &Asked) {
        match asked.method {
            Method::Update | Method::Invite => {
                self.dialog_died(now, at, asked.fork, Cause::local(102, "the phone does not answer any more"));
            }
            Method::Notify => self.notify_over(now, at, false),
            Method::Info => self.report(at, LegEvent::KeySent { accepted: false }),
            _ => {}
        }
    }
}

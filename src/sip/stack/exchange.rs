//! Offer and answer inside a dialog: re-INVITE and UPDATE of the peer, and the ACK (RFC 3261 §14.2, RFC 3311). Owns what collides
//! and what is repeated; refuses the contents of bodies, which are the engine's to answer.

use rand::Rng;
use smallvec::SmallVec;

use super::refresh::{wish_of, written};
use super::server::tags;
use super::table::{Identity, Key};
use super::write::{self, Extras};
use super::{HangUpReason, ServerMachine, Stack};
use crate::clock::Mono;
use crate::model::{Cause, LegId};
use crate::sip::api::{LegEvent, OfferId, OfferReply};
use crate::sip::dialog::Negotiation;
use crate::sip::dialog::negotiation::{Collision, Due};
use crate::sip::dialog::reliable::Settled;
use crate::sip::dialog::session::Reply;
use crate::sip::transaction::Stored;
use crate::sip::wire::{Message, Method, Name};

impl Stack {
    /// A re-INVITE, or an UPDATE with an offer (§14.2, RFC 3311 §5.2).
    pub(super) fn offered(&mut self, now: Mono, at: usize, fork: usize, tx: usize, message: &Message) {
        let retry = self.rng.random_range(0..=10u8).to_string();
        let wish = wish_of(message);
        let reply = self.session_reply(now, at, fork, &wish);
        let Some(dialog) = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork)) else { return };
        match dialog.negotiation.collision() {
            Collision::Glare => self.answer(now, tx, 491, &Extras::default()),
            Collision::Busy => {
                let fields = [(Name::RetryAfter, retry.as_str())];
                self.answer(now, tx, 500, &Extras { fields: &fields, ..Extras::default() });
            }
            Collision::None if let Reply::TooSmall(min_se) = reply => self.too_small(now, tx, min_se),
            Collision::None => {
                self.next_offer += 1;
                let id = OfferId(self.next_offer);
                let contact = message.contact().ok().map(|contact| contact.uri.into());
                let offer = message.body().to_vec();
                dialog.negotiation =
                    Negotiation::Offered { id, transaction: tx, offerless: offer.is_empty(), contact, wish };
                // An offer of ours that waited for its time waits for the end of theirs now.
                self.exchange_timer(now, at, fork);
                self.report(at, LegEvent::Offered { id, offer });
            }
        }
    }

    /// The engine's answer to [`LegEvent::Offered`]. Answers that come too late are ignored.
    pub fn answer_offer(&mut self, now: Mono, leg: LegId, offer: OfferId, reply: OfferReply) {
        let Some(&at) = self.tables.by_id.get(&leg) else { return };
        let Some(usage) = self.tables.legs.get_mut(at).map(|leg| &mut leg.usage) else { return };
        let Some(fork) = usage.offered(offer) else { return };
        let Some(dialog) = usage.fork_mut(fork) else { return };
        let Negotiation::Offered { transaction, offerless, contact, wish, .. } =
            std::mem::take(&mut dialog.negotiation)
        else {
            return;
        };
        match reply {
            OfferReply::Refuse => self.answer(now, transaction, 488, &Extras::default()),
            OfferReply::Accept(body) => {
                if let Some(contact) = contact {
                    dialog.remote_target = contact;
                }
                if !dialog.is_confirmed() {
                    dialog.reliable.settled = Settled::Offer(offer);
                }
                dialog.local_sdp = Some(Stored::from(body.as_slice()));
                let (field, require) = match self.session_reply(now, at, fork, &wish) {
                    Reply::Accept { session, field, require } => {
                        self.set_session(at, fork, session);
                        (field.as_ref().map(written), require)
                    }
                    // It was judged when it came; what has changed since is our affair.
                    Reply::TooSmall(_) => (None, false),
                };
                let fields = accepted_fields(field.as_deref(), require);
                let extras = Extras { fields: &fields, contact: true, body: &body };
                self.accept(now, at, fork, transaction, offerless, &extras);
            }
        }
        self.server_timer(transaction);
        self.exchange_timer(now, at, fork);
    }

    fn accept(&mut self, now: Mono, at: usize, fork: usize, tx: usize, offerless: bool, extras: &Extras<'_>) {
        let Some((is_invite, cseq, transport)) = self
            .tables
            .servers
            .get(tx)
            .map(|tx| (tx.method == Method::Invite, tx.identity.cseq, tx.to.transport.into()))
        else {
            return;
        };
        let Some(response) = self.answer_stored(now, tx, 200, extras) else { return };
        let timers = self.config.timers;
        let dialog = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork));
        if let (Some(dialog), true) = (dialog, is_invite) {
            dialog.negotiation = Negotiation::await_ack(now, cseq, response, offerless, &timers, transport);
        }
    }

    /// An ACK: of a refused re-INVITE by its branch, of an accepted one by its dialog and CSeq number.
    pub(super) fn ack(&mut self, now: Mono, at: usize, identity: &Identity, message: &Message) {
        if let Some(tx) = self.tables.server_of(at, identity, &Method::Invite) {
            if let Some(ServerMachine::Invite(machine)) = self.tables.servers.get_mut(tx).map(|tx| &mut tx.machine) {
                machine.ack(now);
            }
            self.server_timer(tx);
        }
        let Some(leg) = self.tables.legs.get_mut(at) else { return };
        let fork =
            tags(message).filter(|(ours, _)| **ours == *leg.local_tag).and_then(|(_, theirs)| leg.usage.find(&theirs));
        let Some(fork) = fork else { return };
        let offer = leg.usage.fork(fork).and_then(|dialog| dialog.local_sdp.clone());
        let offer = offer.unwrap_or_else(|| Stored::clone(&leg.offer));
        let taken = leg.usage.fork_mut(fork).and_then(|dialog| dialog.negotiation.ack(identity.cseq));
        self.exchange_timer(now, at, fork);
        if taken == Some(true) {
            self.report(at, LegEvent::OfferAnswered { offer, answer: message.body().to_vec() });
        }
    }

    /// Refuses an offer that the engine has not answered: the dialog ends, or the peer took it back.
    pub(super) fn drop_offer(&mut self, now: Mono, at: usize, fork: usize) {
        let dialog = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork));
        if let Some(dialog) = dialog
            && let Negotiation::Offered { transaction, .. } = dialog.negotiation
        {
            dialog.negotiation = Negotiation::Idle;
            self.answer(now, transaction, 487, &Extras::default());
            self.server_timer(transaction);
            self.exchange_timer(now, at, fork);
        }
    }

    pub(super) fn exchange_timeout(&mut self, now: Mono, leg: usize, fork: usize) {
        let timers = self.config.timers;
        let Some(usage) = self.tables.legs.get_mut(leg).map(|leg| &mut leg.usage) else { return };
        let Some(dialog) = usage.fork_mut(fork) else { return };
        match dialog.negotiation.timeout(now, &timers) {
            Due::Nothing => {}
            Due::Again(response) => {
                let to = self.tables.legs.get(leg).map(|leg| leg.last_source.clone());
                if let Some(to) = to {
                    self.send(to, response, &Method::Invite, Some(leg));
                }
            }
            Due::NeverAcked => {
                let reason = HangUpReason { q850: 102, text: "no ACK".into() };
                self.bye(now, leg, fork, &reason);
                self.report_last(
                    leg,
                    LegEvent::HungUp { cause: Cause::local(102, "the phone never acknowledged our answer") },
                );
            }
        }
        self.session_timeout(now, leg, fork);
        self.propose(now, leg, fork);
        self.exchange_timer(now, leg, fork);
        self.settle(leg);
    }

    /// Sets the one timer of a dialog.
    pub(super) fn exchange_timer(&mut self, now: Mono, leg: usize, fork: usize) {
        let key = Key::Exchange { leg, fork };
        let dialog = self.tables.legs.get(leg).and_then(|leg| leg.usage.fork(fork));
        match dialog.and_then(|dialog| dialog.deadline()) {
            Some((at, _)) => self.timers.set(key, at.max(now)),
            None => self.timers.cancel(&key),
        }
    }
}

/// What our 2xx to a re-INVITE or UPDATE says of us and of the session timer.
pub(super) fn accepted_fields(session: Option<&str>, require: bool) -> SmallVec<[(Name, &str); 4]> {
    let mut fields = SmallVec::from_slice(&[(Name::Allow, write::ALLOW), (Name::Supported, "timer")]);
    fields.extend(session.map(|field| (Name::SessionExpires, field)));
    fields.extend(require.then_some((Name::Require, "timer")));
    fields
}

//! Our own re-INVITE: asked for by the engine, or a session refresh to a peer without UPDATE (RFC 3261 §14.1). Owns when it may
//! go out, its ACKs, and what its answer means to the dialog; refuses bodies' contents.

use std::time::Duration;

use rand::Rng;

use super::table::{Asked, Draft};
use super::write;
use super::{ClientMachine, HangUpReason, ServerMachine, Stack};
use crate::clock::Mono;
use crate::model::{Cause, LegId};
use crate::sip::api::{LegEvent, NO_TRANSPORT_Q850};
use crate::sip::dialog::Negotiation;
use crate::sip::dialog::negotiation::{Proposal, Purpose};
use crate::sip::transaction::Stored;
use crate::sip::transaction::invite_client::{Event as InviteEvent, Response};
use crate::sip::wire::{Message, Method};

use super::answers::cause_of;

/// Most times that one offer is sent because of 491 or 500 with Retry-After.
const MAX_TRIES: u8 = 10;

/// While a refusal of ours waits for its ACK, an offer of ours looks again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// After a lost connection, an offer or a refresh of ours goes out again.
pub(super) const RECONNECT: Duration = Duration::from_secs(5);

/// However long a 500 says that we should wait, we try again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

impl Stack {
    /// Offers the peer another session description. It goes out when no other exchange is under way; one that has not gone
    /// out yet is replaced. Answered by [`LegEvent::OfferAnswered`] or [`LegEvent::OfferRefused`]; ignored for a leg that is
    /// not answered.
    pub fn reoffer(&mut self, now: Mono, id: LegId, body: Vec<u8>) {
        let Some(&at) = self.tables.by_id.get(&id) else { return };
        let Some(usage) = self.tables.legs.get_mut(at).map(|leg| &mut leg.usage) else { return };
        let Some(fork) = usage.winner() else { return };
        let Some(dialog) = usage.fork_mut(fork).filter(|dialog| dialog.is_confirmed()) else { return };
        dialog.proposal = Some(Proposal::new(Stored::from(body), Purpose::Engine, now));
        self.propose(now, at, fork);
        self.exchange_timer(now, at, fork);
    }

    /// Sends the offer that waits, if it is time and nothing is in its way.
    pub(super) fn propose(&mut self, now: Mono, at: usize, fork: usize) {
        let busy = self.has_open_invite(at);
        let fields = self.session_fields(at, fork);
        let Some(dialog) = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork)) else { return };
        if !dialog.may_propose(now) {
            return;
        }
        let Some(mut proposal) = dialog.proposal.take() else { return };
        if busy {
            proposal.at = now + LOOK_AGAIN;
            dialog.proposal = Some(proposal);
            return;
        }
        proposal.tries += 1;
        dialog.session.sent();
        let draft = Draft { fields, body: Some(proposal.body.clone()), ..Draft::default() };
        dialog.negotiation = Negotiation::Ours { transaction: None, proposal };
        if !self.start_request(now, at, fork, Method::Invite, draft) {
            let cause = Cause::local(111, "this offer cannot be written");
            self.refused_offer(now, at, fork, cause);
        }
    }

    /// A refusal of ours to a re-INVITE is not ACKed yet (§14.1: no INVITE before).
    fn has_open_invite(&self, at: usize) -> bool {
        let Some(leg) = self.tables.legs.get(at) else { return false };
        let mut all = leg.servers.iter().filter_map(|tx| self.tables.servers.get(*tx));
        all.any(|tx| matches!(&tx.machine, ServerMachine::Invite(machine) if machine.is_open()))
    }

    /// A response to a re-INVITE of ours.
    pub(super) fn reinvite_response(&mut self, now: Mono, tx: usize, at: usize, status: u16, message: &Message) {
        let Some(client) = self.tables.clients.get_mut(tx) else { return };
        let Some(asked) = client.carried.request().cloned() else { return };
        let ClientMachine::Invite(machine) = &mut client.machine else { return };
        let response = match (status, &asked.ack) {
            (..200, _) => Response::Provisional,
            (200..300, _) => Response::Success,
            (_, Some(ack)) => Response::Refusal { ack: ack.clone() },
            (_, None) => return,
        };
        let step = machine.response(now, response);
        let event = self.send_step(tx, step);
        match event {
            Some(InviteEvent::Provisional) => self.abandon_if_ended(now, tx, at, asked.fork),
            Some(InviteEvent::Success) => self.reinvite_success(now, tx, at, &asked, message),
            Some(InviteEvent::Refused) => {
                let fork = asked.fork;
                if !self.request_again(now, at, asked, message) {
                    self.reinvite_refused(now, at, fork, status, message);
                }
                self.exchange_timer(now, at, fork);
            }
            Some(InviteEvent::TimedOut | InviteEvent::RangTooLong) | None => {}
        }
        self.client_timer(tx);
    }

    /// A 2xx is ACKed each time it comes; what it means is taken once, and not when the dialog ended meanwhile.
    fn reinvite_success(&mut self, now: Mono, tx: usize, at: usize, asked: &Asked, message: &Message) {
        let branch = self.branch();
        let (fork, first) = (asked.fork, self.tables.clients.get(tx).is_some_and(|client| client.ack.is_none()));
        let Some(leg) = self.tables.legs.get_mut(at) else { return };
        let Some(dialog) = leg.usage.fork_mut(fork) else { return };
        if let (true, Ok(contact)) = (first, message.contact()) {
            dialog.remote_target = contact.uri.into();
        }
        let Some(dialog) = leg.usage.fork(fork) else { return };
        if first {
            let to = dialog.next_hop(&leg.hop, &self.config.sources);
            let ack = write::ack_again(&self.config, leg, dialog, &to, asked, branch);
            if let Some(client) = self.tables.clients.get_mut(tx) {
                client.ack = ack.map(|ack| (ack, to));
            }
        }
        if let Some((ack, to)) = self.tables.clients.get(tx).and_then(|client| client.ack.clone()) {
            self.send(to, ack, &Method::Ack, Some(at));
        }
        if first {
            self.offer_accepted(now, at, fork, message);
            self.exchange_timer(now, at, fork);
        }
    }

    fn offer_accepted(&mut self, now: Mono, at: usize, fork: usize, message: &Message) {
        let Some(dialog) = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork)) else { return };
        let Negotiation::Ours { proposal, .. } = std::mem::take(&mut dialog.negotiation) else { return };
        let offer = proposal.body;
        dialog.local_sdp = Some(Stored::clone(&offer));
        self.session_decided(now, at, fork, message);
        match (message.body().is_empty(), proposal.purpose) {
            (false, _) => self.report(at, LegEvent::OfferAnswered { offer, answer: message.body().to_vec() }),
            // A refresh that forgets to repeat itself has changed nothing.
            (true, Purpose::Refresh) => {}
            (true, Purpose::Engine) => {
                let cause =
                    Cause { sip_status: message.status(), q850: Some(111), text: "no answer in the 2xx".into() };
                self.report(at, LegEvent::OfferRefused { cause });
            }
        }
    }

    fn reinvite_refused(&mut self, now: Mono, at: usize, fork: usize, status: u16, message: &Message) {
        let wait = self.wait_of(status, message);
        match status {
            408 | 481 => self.dialog_died(now, at, fork, cause_of(status, message)),
            _ => self.offer_again_or_refused(now, at, fork, wait, cause_of(status, message)),
        }
    }

    /// No connection to the peer: as good as a 503 (§8.1.3.1), which may be over soon.
    pub(super) fn offer_unreached(&mut self, now: Mono, at: usize, fork: usize) {
        let cause = Cause::local(NO_TRANSPORT_Q850, "no connection to the switch");
        let dialog = self.tables.legs.get(at).and_then(|leg| leg.usage.fork(fork));
        let refresh = dialog.is_some_and(|dialog| {
            matches!(&dialog.negotiation, Negotiation::Ours { proposal, .. } if proposal.purpose == Purpose::Refresh)
        });
        if refresh {
            self.refresh_unreached(now, at, fork);
        }
        self.offer_again_or_refused(now, at, fork, Some(RECONNECT), cause);
        self.exchange_timer(now, at, fork);
    }

    fn offer_again_or_refused(&mut self, now: Mono, at: usize, fork: usize, wait: Option<Duration>, cause: Cause) {
        let Some(dialog) = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork)) else { return };
        let Negotiation::Ours { proposal, .. } = &dialog.negotiation else { return };
        match wait {
            Some(wait) if proposal.tries < MAX_TRIES => {
                let again = Proposal { at: now + wait, ..proposal.clone() };
                dialog.negotiation = Negotiation::Idle;
                // A newer offer that waits already goes instead.
                dialog.proposal.get_or_insert(again);
            }
            _ => self.refused_offer(now, at, fork, cause),
        }
    }

    /// The offer is refused for good; the session stays as it was (§14.1).
    fn refused_offer(&mut self, now: Mono, at: usize, fork: usize, cause: Cause) {
        let Some(dialog) = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork)) else { return };
        let Negotiation::Ours { proposal, .. } = std::mem::take(&mut dialog.negotiation) else { return };
        dialog.session.refused(now, None);
        if proposal.purpose == Purpose::Engine {
            self.report(at, LegEvent::OfferRefused { cause });
        }
    }

    /// After a 491 between 2.1 and 4 s in steps of 10 ms, since the Call-ID is ours (§14.1); after a 500 what it says.
    pub(super) fn wait_of(&mut self, status: u16, message: &Message) -> Option<Duration> {
        match status {
            491 => Some(Duration::from_millis(10) * self.rng.random_range(210..=400)),
            500 => message.retry_after().ok().map(|seconds| Duration::from_secs(seconds.into()).min(LONGEST_WAIT)),
            _ => None,
        }
    }

    /// A request of ours inside the dialog got a 408 or 481 or no answer at all: the dialog is no more (§12.2.1.2).
    pub(super) fn dialog_died(&mut self, now: Mono, at: usize, fork: usize, cause: Cause) {
        let lives = self.tables.legs.get(at).and_then(|leg| leg.usage.fork(fork)).is_some_and(|d| d.is_confirmed());
        if lives {
            let reason = HangUpReason { q850: cause.q850.unwrap_or(102), text: cause.text.clone() };
            self.bye(now, at, fork, &reason);
            self.report_last(at, LegEvent::HungUp { cause });
        }
    }

    /// The dialog ends while a re-INVITE of ours waits for its answer: it is sent no more, and the wait is bounded.
    pub(super) fn abandon_offer(&mut self, now: Mono, at: usize, fork: usize) {
        let dialog = self.tables.legs.get(at).and_then(|leg| leg.usage.fork(fork));
        if let Some(Negotiation::Ours { transaction: Some(tx), .. }) = dialog.map(|dialog| &dialog.negotiation) {
            self.abandon(now, *tx);
        }
    }

    fn abandon_if_ended(&mut self, now: Mono, tx: usize, at: usize, fork: usize) {
        let dialog = self.tables.legs.get(at).and_then(|leg| leg.usage.fork(fork));
        if dialog.is_none_or(|dialog| !dialog.is_confirmed()) {
            self.abandon(now, tx);
        }
    }

    fn abandon(&mut self, now: Mono, tx: usize) {
        if let Some(ClientMachine::Invite(machine)) = self.tables.clients.get_mut(tx).map(|client| &mut client.machine)
        {
            machine.abandon(now);
        }
        self.client_timer(tx);
    }
}

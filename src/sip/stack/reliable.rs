//! Provisional responses to our INVITE: early dialogs, ringing, and PRACK (RFC 3262). Owns that each reliable one is PRACKed
//! once, in order, in its own dialog (field.md 29). Refuses early media: nobody hears of a description before the 2xx.

use super::Stack;
use super::answers::new_dialog;
use super::table::Draft;
use crate::clock::Mono;
use crate::sip::api::{LegEvent, RefusedWhy};
use crate::sip::dialog::State;
use crate::sip::dialog::reliable::Order;
use crate::sip::wire::{Message, Method, Name};

/// Most client transactions of one leg: a switch that sends reliable provisionals faster than it answers PRACKs must wait.
const MAX_CLIENTS: usize = 16;

impl Stack {
    pub(super) fn provisional(&mut self, now: Mono, at: usize, status: u16, message: &Message) {
        self.cancel_if_due(now, at);
        let Some(leg) = self.tables.legs.get_mut(at) else { return };
        let tag = message.to().ok().and_then(|to| to.tag).filter(|_| status > 100);
        let mut fork = tag.and_then(|tag| leg.usage.find(tag));
        if let Some(tag) = tag.filter(|_| fork.is_none() && leg.usage.has_room_for_early()) {
            let dialog = new_dialog(leg, tag, message, State::Early);
            fork = leg.usage.keep(dialog);
        }
        let reliable = leg.trunk.reliable_provisionals && status > 100 && requires_100rel(message);
        if reliable && !fork.is_some_and(|fork| self.acknowledge(now, at, fork, message)) {
            return;
        }
        let news = (180..=183).contains(&status) && self.tables.legs.get_mut(at).is_some_and(|leg| leg.usage.ringing());
        if news {
            self.report(at, LegEvent::Ringing);
        }
    }

    /// PRACKs a reliable provisional if it is the next of its dialog. False: it must not be looked at any further (§4).
    fn acknowledge(&mut self, now: Mono, at: usize, fork: usize, message: &Message) -> bool {
        let (Ok(rseq), Ok(cseq)) = (message.rseq(), message.cseq()) else {
            self.refused(RefusedWhy::Malformed);
            return false;
        };
        let Some(leg) = self.tables.legs.get_mut(at).filter(|leg| leg.clients < MAX_CLIENTS) else { return false };
        let Some(dialog) = leg.usage.fork_mut(fork) else { return false };
        if dialog.reliable.order(rseq) != Order::Next {
            return false;
        }
        dialog.reliable.take(rseq, message.body());
        if let Ok(contact) = message.contact() {
            dialog.remote_target = contact.uri.into();
        }
        let rack = format!("{rseq} {} INVITE", cseq.number);
        let draft = Draft { fields: vec![(Name::RAck, rack)], ..Draft::default() };
        self.start_request(now, at, fork, Method::Prack, draft);
        true
    }
}

fn requires_100rel(message: &Message) -> bool {
    message.require().any(|tag| tag.eq_ignore_ascii_case("100rel"))
}

//! A refused request goes out once more: the INVITE of a leg, or a request inside a dialog. Owns that it is a new transaction
//! with the next CSeq number, that tries are bounded, and that nothing is sent for a leg that was hung up meanwhile. Refuses
//! to decide what the other try says: who reads the refusal does (422 here, credentials elsewhere).

use super::Stack;
use super::table::{Asked, Key};
use crate::clock::Mono;
use crate::sip::dialog::session::Ask;
use crate::sip::dialog::{Dialog, State};
use crate::sip::wire::{Message, Method, Name};

/// Most retries of one request, for whatever reasons.
const MAX_RETRIES: u8 = 5;

/// What is different the next time.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Further fields, in the place of those that the last retry added.
    pub(super) fields: Option<Vec<(Name, String)>>,
    /// Another session timer.
    pub(super) ask: Option<Ask>,
}

impl Stack {
    /// The INVITE was refused: sends it again where another try can help. The ACK of the refusal is on the way already.
    /// False: the refusal stands.
    pub(super) fn invite_again(&mut self, now: Mono, at: usize, status: u16, message: &Message) -> bool {
        if matches!(status, 401 | 407) {
            return self.invite_challenged(now, at, message);
        }
        let Some(leg) = self.tables.legs.get(at) else { return false };
        let changes = match status {
            422 => {
                let longer = leg.ask.as_ref().and_then(|ask| ask.after_422(message.min_se().ok()?));
                longer.map(|ask| Changes { ask: Some(ask), ..Changes::default() })
            }
            _ => None,
        };
        changes.is_some_and(|changes| self.retry_invite(now, at, changes))
    }

    /// Sends the INVITE of a leg again: same Call-ID and From, no To tag, the next CSeq number (RFC 3261 §8.1.3.5).
    pub(super) fn retry_invite(&mut self, now: Mono, at: usize, changes: Changes) -> bool {
        let branch = self.branch();
        let Some(leg) = self.tables.legs.get_mut(at) else { return false };
        if leg.usage.is_closed() || leg.retries >= MAX_RETRIES {
            return false;
        }
        leg.retries += 1;
        leg.cseq = leg.usage.highest_cseq().max(leg.cseq).saturating_add(1);
        leg.branch = branch;
        if let Some(fields) = changes.fields {
            leg.retry_fields = fields;
        }
        leg.ask = changes.ask.or(leg.ask);
        self.end_early(now, at);
        self.send_invite(now, at)
    }

    /// A request inside a dialog was refused with this response: sends it again where another try can help.
    pub(super) fn request_again(&mut self, now: Mono, at: usize, asked: Asked, message: &Message) -> bool {
        if matches!(message.status(), Some(401 | 407)) {
            return self.request_challenged(now, at, asked, message);
        }
        let changes = match message.status() {
            Some(422) => {
                let longer = message.min_se().ok().and_then(|min_se| asked.draft.ask()?.after_422(min_se));
                longer.map(|ask| Changes { ask: Some(ask), ..Changes::default() })
            }
            _ => None,
        };
        changes.is_some_and(|changes| self.retry_request(now, at, asked, changes))
    }

    /// Sends a request of a dialog again, with the dialog's next CSeq number.
    pub(super) fn retry_request(&mut self, now: Mono, at: usize, asked: Asked, changes: Changes) -> bool {
        let Asked { method, fork, invite, mut draft, .. } = asked;
        // The forks of an INVITE that was refused meanwhile are gone; a dialog that ended takes nothing but its BYE.
        let leg = self.tables.legs.get(at).filter(|leg| leg.cseq == invite);
        let ended = |dialog: &Dialog| matches!(dialog.state, State::Ended { .. });
        let lives = leg.and_then(|leg| leg.usage.fork(fork)).is_some_and(|d| method == Method::Bye || !ended(d));
        if !lives || draft.retries >= MAX_RETRIES {
            return false;
        }
        draft.retries += 1;
        if let Some(fields) = changes.fields {
            draft.retry_fields = fields;
        }
        if let Some(ask) = changes.ask {
            draft.set_ask(&ask);
        }
        self.start_request(now, at, fork, method, draft)
    }

    /// A final refusal ends every early dialog of its INVITE (RFC 3261 §12.3).
    pub(super) fn end_early(&mut self, now: Mono, at: usize) {
        let forks = self.tables.legs.get(at).map_or(0, |leg| leg.usage.forks());
        for fork in 0..forks {
            self.drop_offer(now, at, fork);
            self.timers.cancel(&Key::Exchange { leg: at, fork });
        }
        if let Some(leg) = self.tables.legs.get_mut(at) {
            leg.usage.end_early();
        }
    }
}

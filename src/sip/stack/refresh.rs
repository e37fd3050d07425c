//! Session timers on the wire (RFC 4028): the fields of our requests and answers, our refreshes, and the end of a session that
//! nobody refreshed. Owns no rule of the timer itself (`dialog::session`).

use super::table::{Asked, Draft};
use super::{HangUpReason, Stack};
use crate::clock::Mono;
use crate::model::Cause;
use crate::sip::api::LegEvent;
use crate::sip::dialog::negotiation::{Proposal, Purpose};
use crate::sip::dialog::session::{DEFAULT_MIN_SE, Due, Reply, Session, Wish};
use crate::sip::wire::{Message, Method, Name, SessionExpires};

use super::answers::cause_of;
use super::reoffer::RECONNECT;

impl Stack {
    /// What a 2xx to a request of ours decides; it also says whether the peer takes UPDATE.
    pub(super) fn session_decided(&mut self, now: Mono, at: usize, fork: usize, message: &Message) {
        let Some(dialog) = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork)) else { return };
        dialog.session = Session::of_success(now, message.session_expires().ok());
        if message.header(Name::Allow).is_some() {
            dialog.updates = message.allows("UPDATE");
        }
    }

    /// The session's fields of a re-INVITE or UPDATE of ours.
    pub(super) fn session_fields(&self, at: usize, fork: usize) -> Vec<(Name, String)> {
        let Some(leg) = self.tables.legs.get(at) else { return Vec::new() };
        let field = leg.usage.fork(fork).and_then(|dialog| dialog.session.request_field());
        let mut fields = Vec::new();
        if field.is_some() || leg.ask.is_some() {
            fields.push((Name::Supported, "timer".to_owned()));
        }
        if let Some(field) = field {
            fields.push((Name::SessionExpires, written(&field)));
            fields.push((Name::MinSe, leg.ask.map_or(DEFAULT_MIN_SE, |ask| ask.min_se).to_string()));
        }
        fields
    }

    pub(super) fn session_timeout(&mut self, now: Mono, at: usize, fork: usize) {
        let Some(dialog) = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork)) else { return };
        match dialog.session.timeout(now) {
            Due::Nothing => {}
            Due::Refresh => self.send_refresh(now, at, fork),
            Due::Expired => {
                let reason = HangUpReason { q850: 102, text: "session expired".into() };
                self.bye(now, at, fork, &reason);
                let cause = Cause::local(102, "the phone did not refresh the session");
                self.report_last(at, LegEvent::HungUp { cause });
            }
        }
    }

    /// By UPDATE where the peer takes it, else by a re-INVITE with the description that stands (§7.4).
    fn send_refresh(&mut self, now: Mono, at: usize, fork: usize) {
        let fields = self.session_fields(at, fork);
        let Some(leg) = self.tables.legs.get_mut(at) else { return };
        let offer = leg.offer.clone();
        let Some(dialog) = leg.usage.fork_mut(fork) else { return };
        if dialog.updates {
            let draft = Draft { fields, ..Draft::default() };
            if !self.start_request(now, at, fork, Method::Update, draft) {
                self.session_refused(now, at, fork, None);
            }
            return;
        }
        let body = dialog.local_sdp.clone().unwrap_or(offer);
        // An offer of the engine that waits refreshes as well.
        dialog.proposal.get_or_insert_with(|| Proposal::new(body, Purpose::Refresh, now));
    }

    /// The final answer to an UPDATE of ours.
    pub(super) fn update_answered(&mut self, now: Mono, at: usize, asked: &Asked, message: &Message) {
        let (fork, status) = (asked.fork, message.status().unwrap_or_default());
        let wait = self.wait_of(status, message);
        let Some(dialog) = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork)) else { return };
        if !dialog.is_confirmed() {
            return;
        }
        match status {
            200..300 => {
                if let Ok(contact) = message.contact() {
                    dialog.remote_target = contact.uri.into();
                }
                self.session_decided(now, at, fork, message);
            }
            408 | 481 => self.dialog_died(now, at, fork, cause_of(status, message)),
            // What it said of itself was not so.
            405 | 501 => {
                dialog.updates = false;
                self.send_refresh(now, at, fork);
            }
            _ => self.session_refused(now, at, fork, wait),
        }
        self.exchange_timer(now, at, fork);
    }

    /// No connection carried our refresh: again soon, and BYE when the session has ended by then (RFC 4028 §10).
    pub(super) fn refresh_unreached(&mut self, now: Mono, at: usize, fork: usize) {
        let dialog = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork));
        if dialog.is_some_and(|dialog| !dialog.session.unreached(now, RECONNECT)) {
            self.dialog_died(now, at, fork, Cause::local(102, "the session could not be refreshed in time"));
        }
    }

    pub(super) fn session_refused(&mut self, now: Mono, at: usize, fork: usize, wait: Option<std::time::Duration>) {
        let dialog = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork));
        if let Some(dialog) = dialog {
            dialog.session.refused(now, wait);
        }
    }

    /// What our answer to a re-INVITE or UPDATE would say of the session timer.
    pub(super) fn session_reply(&self, now: Mono, at: usize, fork: usize, wish: &Wish) -> Reply {
        let none = Reply::Accept { session: Session::Off, field: None, require: false };
        let Some(leg) = self.tables.legs.get(at) else { return none };
        let floor = leg.ask.map_or(DEFAULT_MIN_SE, |ask| ask.min_se);
        // Before the 2xx the INVITE still decides.
        let dialog = leg.usage.fork(fork).filter(|dialog| dialog.is_confirmed());
        dialog.map_or(none, |dialog| dialog.session.answer(now, wish, floor))
    }

    /// The session goes on as our 2xx says.
    pub(super) fn set_session(&mut self, at: usize, fork: usize, session: Session) {
        let dialog = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork));
        if let Some(dialog) = dialog.filter(|dialog| dialog.is_confirmed()) {
            dialog.session = session;
        }
    }
}

/// What a request of the peer says of the session timer.
pub(super) fn wish_of(message: &Message) -> Wish {
    Wish {
        expires: message.session_expires().ok(),
        min_se: message.min_se().unwrap_or(0),
        supported: message.supports("timer"),
    }
}

/// Session-Expires as we write it.
pub(super) fn written(field: &SessionExpires) -> String {
    match field.refresher {
        Some(refresher) => format!("{};refresher={}", field.seconds, refresher.as_str()),
        None => field.seconds.to_string(),
    }
}

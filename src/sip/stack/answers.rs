//! What the responses to our INVITE mean for its leg: refusals, and the 2xx of every fork. Owns the races between a hang-up and
//! an answer, and that each 2xx is ACKed; refuses provisionals (`reliable`) and other tries (`retry`).

use std::time::Duration;

use super::table::Leg;
use super::{ClientMachine, HangUpReason, Stack};
use super::{redirect, write};
use crate::clock::Mono;
use crate::model::Cause;
use crate::sip::api::{FailedWhy, LegEvent, RefusedWhy};
use crate::sip::dialog::reliable::Settled;
use crate::sip::dialog::{Dialog, MAX_ROUTES, State, Success};
use crate::sip::transaction::invite_client::{Event as InviteEvent, Response};
use crate::sip::wire::{self, Message, Method, Name};

impl Stack {
    pub(super) fn invite_response(&mut self, now: Mono, tx: usize, leg: usize, status: u16, message: &Message) {
        let response = match status {
            ..200 => Response::Provisional,
            200..300 => Response::Success,
            _ => {
                let ack = self.tables.legs.get(leg).and_then(|leg| write::ack_refusal(&self.config, leg, message));
                match ack {
                    Some(ack) => Response::Refusal { ack },
                    None => return self.refused(RefusedWhy::Malformed),
                }
            }
        };
        let Some(client) = self.tables.clients.get_mut(tx) else { return };
        let ClientMachine::Invite(machine) = &mut client.machine else { return };
        let step = machine.response(now, response);
        let event = self.send_step(tx, step);
        self.client_timer(tx);
        match event {
            Some(InviteEvent::Provisional) => self.provisional(now, leg, status, message),
            Some(InviteEvent::Success) => self.success(now, leg, message),
            Some(InviteEvent::Refused) if self.invite_again(now, leg, status, message) => {}
            Some(InviteEvent::Refused) => {
                self.end_early(now, leg);
                let retry_after = message.retry_after().ok().map(|seconds| Duration::from_secs(seconds.into()));
                let (mut cause, why) = (cause_of(status, message), FailedWhy::Refused { retry_after });
                if let Some(unanswered) = self.tables.legs.get(leg).and_then(|leg| leg.unanswered) {
                    cause.text = unanswered.to_string();
                }
                let contacts = redirect::contacts(status, message);
                let event = match contacts.is_empty() {
                    true => LegEvent::Failed { cause, why },
                    false => LegEvent::Redirected { contacts, cause },
                };
                self.report_last(leg, event);
            }
            Some(InviteEvent::TimedOut | InviteEvent::RangTooLong) | None => {}
        }
    }

    /// A 2xx (§13.2.2.4). Whatever it is, it is ACKed; only the first dialog lives on, if it is still wanted and sound.
    fn success(&mut self, now: Mono, at: usize, message: &Message) {
        let branch = self.branch();
        let Some(leg) = self.tables.legs.get_mut(at) else { return };
        let tag = message.to().ok().and_then(|to| to.tag).unwrap_or("");
        let verdict = leg.usage.success(tag);
        match verdict {
            Success::TooMany => return self.refused(RefusedWhy::Overload),
            Success::Again(fork) => {
                let ack = leg.usage.fork(fork).and_then(Dialog::ack).map(|(ack, to)| (ack.clone(), to.clone()));
                if let Some((ack, to)) = ack {
                    self.send(to, ack, &Method::Ack, Some(at));
                }
                return;
            }
            Success::Winner | Success::Unwanted => {}
        }
        let sound = !tag.is_empty() && message.contact().is_ok() && message.fault().is_none();
        let displaced = leg.usage.displaced_by(tag);
        let mut dialog = new_dialog(leg, tag, message, State::Early);
        let ack_to = dialog.next_hop(&leg.hop, &self.config.sources);
        let Some(ack) = write::ack_success(&self.config, leg, &dialog, &ack_to, branch) else {
            let cause = Cause::local(111, "malformed answer");
            return self.report_last(at, LegEvent::Failed { cause, why: FailedWhy::Local });
        };
        dialog.state = State::Confirmed { ack: ack.clone(), ack_to: ack_to.clone() };
        if let Some(displaced) = displaced {
            self.drop_offer(now, at, displaced);
        }
        let Some(leg) = self.tables.legs.get_mut(at) else { return };
        let Some(fork) = leg.usage.keep(dialog) else { return };
        let why = leg.usage.hung_up().cloned();
        if verdict == Success::Winner && sound {
            leg.usage.win(fork);
        }
        self.send(ack_to, ack, &Method::Ack, Some(at));
        self.drop_early_offers(now, at, fork);
        match (verdict, sound) {
            (Success::Winner, true) => self.won(now, at, fork, message),
            (Success::Winner, false) => {
                self.bye(now, at, fork, &HangUpReason { q850: 111, text: "malformed answer".into() });
                let cause = Cause { sip_status: message.status(), q850: Some(111), text: "malformed answer".into() };
                self.report_last(at, LegEvent::Failed { cause, why: FailedWhy::Local });
            }
            _ => {
                let surplus = || HangUpReason { q850: 26, text: "answered elsewhere".into() };
                self.bye(now, at, fork, &why.unwrap_or_else(surplus));
            }
        }
    }

    /// A 2xx came, by this dialog: what the early ones ask has no answer any more, whoever talks.
    fn drop_early_offers(&mut self, now: Mono, at: usize, fork: usize) {
        let forks = self.tables.legs.get(at).map_or(0, |leg| leg.usage.forks());
        for other in (0..forks).filter(|other| *other != fork) {
            let dialog = self.tables.legs.get(at).and_then(|leg| leg.usage.fork(other));
            if dialog.is_some_and(|dialog| matches!(dialog.state, State::Early)) {
                self.drop_offer(now, at, other);
            }
        }
    }

    /// This dialog answers the leg; what it agreed on before stands (§13.2.1).
    fn won(&mut self, now: Mono, at: usize, fork: usize, message: &Message) {
        self.session_decided(now, at, fork, message);
        self.exchange_timer(now, at, fork);
        let dialog = self.tables.legs.get_mut(at).and_then(|leg| leg.usage.fork_mut(fork));
        let settled = dialog.map(|dialog| std::mem::take(&mut dialog.reliable.settled)).unwrap_or_default();
        let (answer, by) = match settled {
            Settled::Nothing => (message.body().to_vec(), None),
            Settled::Answer(answer) => (answer.to_vec(), None),
            Settled::Offer(id) => (Vec::new(), Some(id)),
        };
        self.report(at, LegEvent::Answered { answer, by });
    }
}

/// The dialog a response makes (§12.1.2). What is missing is replaced so that an ACK and a BYE can still be written.
pub(super) fn new_dialog(leg: &Leg, tag: &str, message: &Message, state: State) -> Dialog {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned().into_boxed_str();
    let remote_target = message.contact().map_or(leg.target.clone(), |contact| contact.uri.into());
    let mut route_set: Vec<Box<str>> = message.record_routes().take(MAX_ROUTES).map(text).collect();
    route_set.reverse();
    let to = match message.to() {
        Ok(_) => message.header(Name::To).map(text).unwrap_or_default(),
        Err(_) => format!("<{}>", leg.target).into(),
    };
    Dialog { route_set, state, ..Dialog::new(tag.into(), to, remote_target, leg.cseq) }
}

/// Longest reason phrase that goes into a record, in characters.
const MAX_REASON: usize = 120;

/// What a refusal means for the record. A Reason (RFC 3326) says more than the status and its phrase.
pub(super) fn cause_of(status: u16, message: &Message) -> Cause {
    let given = message.reason_given();
    let phrase = || {
        let phrase = String::from_utf8_lossy(message.reason().unwrap_or_default());
        phrase.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
    };
    let q850 = given.as_ref().map_or_else(|| wire::q850_of_status(status), |given| given.q850);
    Cause {
        sip_status: Some(status),
        q850: Some(q850),
        text: given.and_then(|given| given.text).unwrap_or_else(phrase),
    }
}

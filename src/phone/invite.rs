//! The INVITE at the phone, as its server: what is kept of it, whether it may come in (challenge, 422, Replaces), its
//! provisional and final responses with their retransmission until the ACK, and another try after a refusal that asks for one.
//! Owns INVITE server transactions; reliable provisionals are `early`'s.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use smallvec::SmallVec;

use super::behaviour::{AnswerWith, Then};
use super::call::{Call, Dialog, Phase, T2, tag};
use super::message::{Message, Start, finish, parameter, reason};
use super::refresh::Asked;
use super::reply::vias;
use super::session::Session;
use super::story::{Ending, Fault};
use super::{Desk, Due, PhoneMove, contact_of};
use crate::clock::Mono;

/// What is kept of the INVITE.
pub(super) struct Invited {
    pub from: SocketAddr,
    pub branch: String,
    pub uri: String,
    pub vias: String,
    pub from_header: String,
    pub to_header: String,
    pub cseq: u32,
    /// Where requests to the peer go, and their Request-URI.
    pub target: (String, SocketAddr),
    pub offer: Option<Session>,
    pub offer_error: Option<String>,
    /// It supports 100rel.
    pub reliable: bool,
    /// What it says of session timers.
    pub asked: Asked,
    pub replaces: Option<String>,
}

impl Invited {
    /// Reads an INVITE; none when it lacks what a response needs.
    pub fn read(from: SocketAddr, message: &Message<'_>) -> Option<Invited> {
        let Start::Request { uri, .. } = message.start else { return None };
        let offer = if message.body.is_empty() { None } else { Some(Session::parse(message.body)) };
        Some(Invited {
            from,
            branch: message.branch()?.to_owned(),
            uri: uri.to_owned(),
            vias: vias(message, from),
            from_header: message.get("From")?.to_owned(),
            to_header: message.get("To")?.to_owned(),
            cseq: message.cseq()?.0,
            target: contact_of(message).unwrap_or_else(|| (format!("sip:{from}"), from)),
            offer_error: offer.as_ref().and_then(|o| o.as_ref().err()).map(ToString::to_string),
            offer: offer.and_then(Result::ok),
            reliable: message.lists("Supported", "100rel") || message.lists("Require", "100rel"),
            asked: Asked::read(message),
            replaces: message.get("Replaces").map(str::to_owned),
        })
    }
}

/// A final refusal of one INVITE, until its ACK.
pub(super) struct Refused {
    pub branch: String,
    pub uri: String,
    pub cseq: u32,
    to: SocketAddr,
    status: u16,
    bytes: Vec<u8>,
    pub acked: bool,
    began: Mono,
    interval: Duration,
    sent_faithfully: u32,
}

impl Call {
    /// An INVITE outside of a dialog with the Call-ID of this call.
    pub(super) fn invite(&mut self, desk: &mut Desk<'_>, from: SocketAddr, message: &Message<'_>) {
        let branch = message.branch().unwrap_or_default();
        if let Some(refused) = self.refusals.iter().find(|r| r.branch == branch) {
            let (to, bytes, status) =
                (if desk.config.stream { from } else { refused.to }, refused.bytes.clone(), refused.status);
            return desk.send(to, bytes, || format!("{status} (INVITE) again"));
        }
        if branch == self.invited.branch {
            return self.invite_again(desk, from);
        }
        match self.phase {
            Phase::Refused { again: true } => self.another_try(desk, from, message),
            Phase::Refused { again: false } => {
                self.story.blame(desk.now, Fault::Retry, "another INVITE after a refusal that stands");
            }
            Phase::Open | Phase::Answered => {
                let over = self.story.ended_at.is_some();
                let fault = if over { Fault::AfterEnd } else { Fault::Sequence };
                self.story.blame(desk.now, fault, "another INVITE with the Call-ID of this call");
            }
        }
    }

    /// A retransmission: the last response again; a 2xx is its own retransmitter (RFC 6026 §7.1).
    fn invite_again(&mut self, desk: &mut Desk<'_>, from: SocketAddr) {
        // Over a stream what follows goes the way that the INVITE came last (RFC 3261 §18.2.2).
        self.invited.from = from;
        if !self.may_come_twice(desk) {
            self.story.blame(desk.now, Fault::Repeated, "the INVITE came twice over a stream");
        }
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        match self.provisional.clone() {
            Some(bytes) => desk.send(self.invited.from, bytes, || "the provisional again".to_owned()),
            None if self.behaviour.trying => self.provisionally(desk, 100),
            None => {}
        }
    }

    /// RFC 3261 §22.2, RFC 4028 §7.4: the same Call-ID and From, no To tag, the next CSeq number.
    fn another_try(&mut self, desk: &mut Desk<'_>, from: SocketAddr, message: &Message<'_>) {
        let Some(invited) = Invited::read(from, message) else { return };
        let now = desk.now;
        if self.cancelled {
            self.story.blame(now, Fault::Retry, "another INVITE for a call that was cancelled");
        }
        if invited.cseq != self.invited.cseq + 1 {
            let text = format!("after CSeq {} the next INVITE has {}", self.invited.cseq, invited.cseq);
            self.story.blame(now, Fault::Retry, text);
        }
        if parameter(&invited.from_header, "tag") != parameter(&self.invited.from_header, "tag") {
            self.story.blame(now, Fault::Retry, "the next INVITE has another From tag");
        }
        if invited.uri != self.invited.uri {
            self.story.blame(now, Fault::Retry, "the next INVITE has another Request-URI");
        }
        self.invited = invited;
        self.story.tries += 1;
        self.story.ended_at = None;
        self.story.ending = None;
        self.hushed_at = None;
        self.phase = Phase::Open;
        self.provisional = None;
        desk.forget(Due::Linger);
        desk.wake(Due::Patience, now + desk.config.patience);
        self.enter(desk, message);
    }

    /// Lets the INVITE in, or refuses it at once: Replaces, challenge, session interval.
    pub(super) fn enter(&mut self, desk: &mut Desk<'_>, message: &Message<'_>) {
        if let Some(error) = self.invited.offer_error.take() {
            self.story.blame(desk.now, Fault::Body, format!("the offer: {error}"));
        }
        if let Some(wanted) = &self.behaviour.replaces
            && self.invited.replaces.as_ref() != Some(wanted)
        {
            let text = format!("Replaces {:?}, wanted was {wanted}", self.invited.replaces);
            self.story.blame(desk.now, Fault::Transfer, text);
        }
        if let Some((status, headers)) = self.challenged(desk, message) {
            return self.refuse_for_now(desk, status, &headers);
        }
        if let Some(headers) = self.interval_too_small(desk) {
            return self.refuse_for_now(desk, 422, &headers);
        }
        self.script(desk);
    }

    fn refuse_for_now(&mut self, desk: &mut Desk<'_>, status: u16, headers: &str) {
        self.refuse_with(desk, status, headers, Ending::Refused(status));
        self.phase = Phase::Refused { again: true };
    }

    pub(super) fn provisionally(&mut self, desk: &mut Desk<'_>, status: u16) {
        let body = if status == 183 { self.our_answer(AnswerWith::Session) } else { String::new() };
        let rings = if status == 100 { 1 } else { self.behaviour.rings.max(1) };
        for fork in 0..rings {
            let tag = (status != 100).then(|| tag(desk, self.story.tries, fork));
            let bytes = self.respond(desk, status, tag.as_deref(), "", &body);
            self.provisional = Some(bytes.clone());
            desk.send(self.invited.from, bytes, || format!("{status} (INVITE)"));
        }
    }

    /// A response to the INVITE; `headers` are whole lines.
    pub(super) fn respond(
        &self,
        desk: &Desk<'_>,
        status: u16,
        tag: Option<&str>,
        headers: &str,
        body: &str,
    ) -> Vec<u8> {
        let i = &self.invited;
        let mut head =
            format!("SIP/2.0 {status} {}\r\n{}From: {}\r\nTo: {}", reason(status), i.vias, i.from_header, i.to_header);
        if let Some(tag) = tag {
            let _ = write!(head, ";tag={tag}");
        }
        let _ = write!(head, "\r\nCall-ID: {}\r\nCSeq: {} INVITE\r\n", self.story.call_id, i.cseq);
        if tag.is_some() && status < 300 {
            let _ = write!(head, "Contact: <{}>\r\n", self.contact(desk));
        }
        head.push_str(headers);
        finish(head, body)
    }

    pub(super) fn answer(&mut self, desk: &mut Desk<'_>, with: AnswerWith, forks: u8) {
        if self.common_codecs().is_empty() && with == AnswerWith::Session {
            return self.refuse(desk, 488, Ending::Refused(488));
        }
        let timer = self.session_of_200(desk);
        for fork in 0..forks {
            let tag = tag(desk, self.story.tries, fork);
            let told = if with == AnswerWith::BrokenHeaders { None } else { Some(tag.as_str()) };
            // The answer of a reliable provisional is not said twice (RFC 6337 §2.2).
            let said = self.forks.get(usize::from(fork)).is_some_and(|f| f.described);
            let body = if said { String::new() } else { self.our_answer(with) };
            let ok = self.respond(desk, 200, told, &timer, &body);
            desk.send(self.invited.from, ok.clone(), || "200 (INVITE)".to_owned());
            let heard_cseq = self.forks.get(usize::from(fork)).map_or(self.invited.cseq, |f| f.heard_cseq);
            // A 200 without To tag makes no dialog: there is nothing to wait for.
            let nothing = told.is_none();
            self.dialogs.push(Dialog {
                tag: if nothing { String::new() } else { tag },
                ok,
                sent_faithfully: u32::from(desk.faithful()),
                acked: nothing,
                over: nothing,
                heard_cseq,
            });
        }
        self.early_over(desk);
        self.phase = Phase::Answered;
        self.story.answered_at = Some(desk.now);
        desk.moved(PhoneMove::Answered);
        self.interval = desk.config.t1;
        desk.wake(Due::Retransmit, desk.now + self.interval);
        desk.wake(Due::GiveUp, desk.now + desk.config.t1 * 64);
        if self.dialogs.iter().all(|d| d.over) {
            return self.over(desk, Ending::NoAck);
        }
        self.start_voice(desk);
        for (index, (after, _)) in (0..).zip(&self.behaviour.talk) {
            desk.wake(Due::Act(index), desk.now + *after);
        }
    }

    pub(super) fn refuse(&mut self, desk: &mut Desk<'_>, status: u16, ending: Ending) {
        let mut headers = String::new();
        let refusal = &self.behaviour.refusal;
        if matches!(self.behaviour.then, Then::Refuse { status: own, .. } if own == status) {
            for contact in &refusal.contacts {
                let _ = write!(headers, "Contact: {contact}\r\n");
            }
            if let Some(seconds) = refusal.retry_after {
                let _ = write!(headers, "Retry-After: {seconds}\r\n");
            }
            if let Some(cause) = refusal.q850 {
                let _ = write!(headers, "Reason: Q.850;cause={cause}\r\n");
            }
        }
        self.refuse_with(desk, status, &headers, ending);
    }

    fn refuse_with(&mut self, desk: &mut Desk<'_>, status: u16, headers: &str, ending: Ending) {
        let tag = tag(desk, self.story.tries, 0);
        let bytes = self.respond(desk, status, Some(&tag), headers, "");
        desk.send(self.invited.from, bytes.clone(), || format!("{status} (INVITE)"));
        let refused = Refused {
            branch: self.invited.branch.clone(),
            uri: self.invited.uri.clone(),
            cseq: self.invited.cseq,
            to: self.invited.from,
            status,
            bytes,
            acked: false,
            began: desk.now,
            interval: desk.config.t1,
            sent_faithfully: u32::from(desk.faithful()),
        };
        desk.wake(Due::Refusal(self.refusals.len()), desk.now + refused.interval);
        self.refusals.push(refused);
        self.phase = Phase::Refused { again: false };
        self.early_over(desk);
        self.over(desk, ending);
    }

    /// Timers G and H.
    pub(super) fn refusal_due(&mut self, desk: &mut Desk<'_>, at: usize) {
        let Some(refused) = self.refusals.get_mut(at).filter(|r| !r.acked) else { return };
        let (status, now) = (refused.status, desk.now);
        if now.since(refused.began) >= desk.config.t1 * 64 {
            refused.acked = true;
            // Nobody repeats an ACK that was lost with a stream.
            if refused.sent_faithfully >= 2 || (desk.config.stream && self.torn_at.is_none()) {
                self.story.blame(now, Fault::AckMissing, format!("no ACK for the {status}"));
            }
            return;
        }
        refused.interval = (refused.interval * 2).min(T2);
        desk.wake(Due::Refusal(at), (now + refused.interval).min(refused.began + desk.config.t1 * 64));
        if !desk.config.stream {
            refused.sent_faithfully += u32::from(desk.faithful());
            desk.send(refused.to, refused.bytes.clone(), || format!("{status} (INVITE) again"));
        }
    }

    /// A 200 until its ACK: also over a stream (RFC 3261 §13.3.1.4).
    pub(super) fn retransmit(&mut self, desk: &mut Desk<'_>) {
        let faithful = u32::from(desk.faithful());
        let mut waiting = false;
        for dialog in self.dialogs.iter_mut().filter(|d| !d.acked && !d.over) {
            waiting = true;
            dialog.sent_faithfully += faithful;
            desk.send(self.invited.from, dialog.ok.clone(), || "200 (INVITE) again".to_owned());
        }
        if waiting {
            self.interval = (self.interval * 2).min(T2);
            desk.wake(Due::Retransmit, desk.now + self.interval);
        }
    }

    /// 64·T1 after the 200 (RFC 3261 §13.3.1.4).
    pub(super) fn give_up(&mut self, desk: &mut Desk<'_>) {
        desk.forget(Due::Retransmit);
        if self.dialogs.iter().any(|d| !d.acked && !d.over && d.sent_faithfully >= 2) {
            self.story.blame(desk.now, Fault::AckMissing, "no ACK for the 200");
        }
        let unacked: SmallVec<[usize; 2]> =
            (0..self.dialogs.len()).filter(|at| self.dialogs.get(*at).is_some_and(|d| !d.acked && !d.over)).collect();
        for at in unacked {
            self.bye(desk, at);
        }
        if self.story.off_hook() && self.dialogs.iter().all(|d| d.over) {
            self.over(desk, Ending::NoAck);
        }
    }
}

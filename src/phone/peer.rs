//! The requests of the equipment within a call: ACK, CANCEL, BYE and whatever else is said inside a dialog. Owns their order
//! as RFC 3261 §9, §12, §13 and §15 want it; the call's own script is `call`'s.

use std::net::SocketAddr;

use super::behaviour::{AnswerWith, OnCancel};
use super::call::{Call, Phase, tag};
use super::message::{Message, finish, parameter};
use super::reply::echo;
use super::story::{Ending, Fault};
use super::{Desk, PhoneMove};

/// Answers are kept for repetition, so many.
const MOST_REPLIES: usize = 16;

impl Call {
    pub(super) fn ack(&mut self, desk: &mut Desk<'_>, uri: &str, message: &Message<'_>) {
        let now = desk.now;
        let branch = message.branch().unwrap_or_default();
        let number = message.cseq().map(|(n, _)| n);
        if let Some(refused) = self.refusals.iter_mut().find(|r| r.branch == branch) {
            refused.acked = true;
            if uri != refused.uri || number != Some(refused.cseq) {
                self.story.blame(
                    now,
                    Fault::Dialog,
                    "ACK of a refusal with another Request-URI or CSeq than its INVITE",
                );
            }
            return;
        }
        if self.ack_of_reinvite(desk, message) {
            return;
        }
        if let Some(refused) = self.refusals.iter_mut().find(|r| Some(r.cseq) == number) {
            refused.acked = true;
            let text = "ACK of a refusal with another branch than its INVITE";
            return self.story.blame(now, Fault::Dialog, text);
        }
        if number != Some(self.invited.cseq) {
            return self.story.blame(now, Fault::Sequence, "ACK whose CSeq number is not the INVITE's");
        }
        let own = self.contact(desk);
        let to_tag = message.get("To").and_then(|to| parameter(to, "tag")).unwrap_or_default();
        match &mut self.phase {
            Phase::Open | Phase::Refused { .. } => {
                self.story.blame(now, Fault::Dialog, "ACK before any final response");
            }
            Phase::Answered => {
                let Some(dialog) = self.dialogs.iter_mut().find(|d| d.tag == to_tag) else {
                    return self.story.blame(now, Fault::Dialog, format!("ACK with unknown To tag {to_tag:?}"));
                };
                if branch == self.invited.branch {
                    self.story.blame(now, Fault::Dialog, "ACK of a 200 with the branch of its INVITE");
                }
                if uri != own {
                    self.story.blame(now, Fault::Dialog, format!("ACK to {uri}, the phone's Contact is {own}"));
                }
                dialog.acked = true;
                if self.story.acked_at.is_none() {
                    self.story.acked_at = Some(now);
                    desk.moved(PhoneMove::Connected);
                }
            }
        }
    }

    pub(super) fn cancel(&mut self, desk: &mut Desk<'_>, from: SocketAddr, uri: &str, message: &Message<'_>) {
        let now = desk.now;
        let number = message.cseq().map(|(n, _)| n);
        if message.branch() != Some(&self.invited.branch)
            || uri != self.invited.uri
            || number != Some(self.invited.cseq)
        {
            self.story.blame(now, Fault::Cancel, "CANCEL whose branch, Request-URI or CSeq is not its INVITE's");
            let bytes = finish(echo(message, 481, from, "none"), "");
            return desk.send(from, bytes, || "481 (CANCEL)".to_owned());
        }
        if self.provisional.is_none() && matches!(self.phase, Phase::Open) {
            self.story.blame(now, Fault::Cancel, "CANCEL before any provisional response (RFC 3261 §9.1)");
        }
        let first = !std::mem::replace(&mut self.cancelled, true);
        let race = first && matches!(self.phase, Phase::Open) && self.behaviour.on_cancel == OnCancel::AnswerInstead;
        if race {
            self.answer(desk, AnswerWith::Session, 1);
        }
        let tag = tag(desk, self.story.tries, 0);
        let ok = finish(echo(message, 200, from, &tag), "");
        desk.send(from, ok, || "200 (CANCEL)".to_owned());
        if first && matches!(self.phase, Phase::Open) {
            match self.behaviour.on_cancel {
                OnCancel::Obey | OnCancel::AnswerInstead => self.refuse(desk, 487, Ending::Cancelled),
                OnCancel::SayNothingMore => {
                    self.deaf = true;
                    self.over(desk, Ending::Cancelled);
                }
            }
        }
    }

    /// BYE, and whatever else is said inside a dialog.
    pub(super) fn in_dialog(
        &mut self,
        desk: &mut Desk<'_>,
        from: SocketAddr,
        method: &str,
        uri: &str,
        message: &Message<'_>,
    ) {
        let branch = message.branch().unwrap_or_default();
        if let Some((_, bytes)) = self.replies.iter().find(|(seen, _)| seen == branch) {
            let (bytes, name) = (bytes.clone(), method.to_owned());
            if !self.may_come_twice(desk) {
                self.story.blame(desk.now, Fault::Repeated, format!("{method} came twice over a stream"));
            }
            return desk.send(from, bytes, || format!("the answer to {name} again"));
        }
        // An INVITE again has its credentials again.
        if method != "INVITE" {
            self.judge_credentials(desk, message);
        }
        let to_tag = message.get("To").and_then(|to| parameter(to, "tag")).unwrap_or_default();
        if !self.fits(desk, to_tag, method, uri, message) {
            return self.reply(desk, from, message, 481, "", "");
        }
        match method {
            "INVITE" => self.reinvited(desk, from, to_tag, message),
            "UPDATE" => self.updated(desk, from, to_tag, message),
            "PRACK" => self.prack(desk, from, to_tag, message),
            "NOTIFY" => {
                if let Some(status) = self.notified(desk, message) {
                    self.reply(desk, from, message, status, "", "");
                }
                self.transferred(desk);
            }
            "INFO" => {
                let status = self.informed(desk, message);
                self.reply(desk, from, message, status, "", "");
            }
            "BYE" => self.hung_up(desk, from, message),
            _ => {
                let contact = format!("Contact: <{}>\r\n", self.contact(desk));
                self.reply(desk, from, message, 200, &contact, "");
            }
        }
    }

    /// Tags, CSeq and Request-URI of a request against its dialog; false: there is no such dialog.
    fn fits(&mut self, desk: &Desk<'_>, to_tag: &str, method: &str, uri: &str, message: &Message<'_>) -> bool {
        let now = desk.now;
        let own = self.contact(desk);
        let same_from =
            message.get("From").and_then(|f| parameter(f, "tag")) == parameter(&self.invited.from_header, "tag");
        let number = message.cseq().map_or(0, |(n, _)| n);
        let late_notify = method == "NOTIFY" && self.expects_notify();
        let dialog = self.dialogs.iter_mut().find(|d| d.tag == to_tag && same_from);
        let early = self.forks.iter_mut().find(|f| f.tag == to_tag && same_from);
        match (dialog, early) {
            (None, None) => {
                self.story.blame(now, Fault::Dialog, format!("{method} whose tags are of no dialog"));
                return false;
            }
            (Some(dialog), _) => {
                // A PRACK of before the answer, or an INFO of before the end, may have been lost until now.
                let may_be_late = matches!(method, "BYE" | "PRACK" | "INFO") || late_notify;
                if dialog.over && number > dialog.heard_cseq && !may_be_late {
                    self.story.blame(now, Fault::AfterEnd, format!("{method} after the end"));
                }
                dialog.heard_cseq = dialog.heard_cseq.max(number);
                dialog.over |= method == "BYE";
            }
            (None, Some(fork)) => {
                fork.heard_cseq = fork.heard_cseq.max(number);
                if !matches!(method, "PRACK" | "UPDATE" | "OPTIONS" | "INFO") {
                    self.story.blame(now, Fault::Dialog, format!("{method} in an early dialog"));
                }
            }
        }
        // A lower number is a retransmission or was overtaken; an INVITE's own number is a mistake.
        if number <= self.invited.cseq {
            self.story.blame(now, Fault::Sequence, format!("{method} with CSeq {number}, not above the INVITE's"));
        }
        if !uri.is_empty() && uri != own {
            self.story.blame(now, Fault::Dialog, format!("{method} to {uri}, the phone's Contact is {own}"));
        }
        true
    }

    fn hung_up(&mut self, desk: &mut Desk<'_>, from: SocketAddr, message: &Message<'_>) {
        if self.behaviour.answer_bye {
            self.reply(desk, from, message, 200, "", "");
        } else {
            self.deaf = self.dialogs.iter().all(|d| d.over);
        }
        if self.story.off_hook() && self.dialogs.iter().all(|d| d.over) {
            self.over(desk, Ending::WasHungUp);
        }
    }

    /// Answers a request inside a dialog, and keeps the answer for its repetition.
    pub(super) fn reply(
        &mut self,
        desk: &mut Desk<'_>,
        from: SocketAddr,
        message: &Message<'_>,
        status: u16,
        lines: &str,
        body: &str,
    ) {
        let mut head = echo(message, status, from, "none");
        head.push_str(lines);
        let bytes = finish(head, body);
        let method = message.method().unwrap_or_default().to_owned();
        if self.replies.len() >= MOST_REPLIES {
            self.replies.pop_front();
        }
        self.replies.push_back((message.branch().unwrap_or_default().to_owned(), bytes.clone()));
        desk.send(from, bytes, || format!("{status} ({method})"));
    }
}

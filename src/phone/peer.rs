//! The requests of the equipment within a call: ACK, CANCEL, BYE and whatever else is said inside a dialog. Owns their order
//! as RFC 3261 §9, §12, §13 and §15 want it; the call's own script is `call`'s.

use std::fmt::Write;
use std::net::SocketAddr;

use super::behaviour::{AnswerWith, OnCancel};
use super::call::{Call, Phase, echo, tag};
use super::message::{Message, finish, parameter};
use super::story::{Ending, Fault};
use super::{Desk, Due, PhoneMove};

impl Call {
    pub(super) fn ack(&mut self, desk: &mut Desk<'_>, uri: &str, message: &Message<'_>) {
        if self.ack_of_reinvite(message) {
            return;
        }
        let now = desk.now;
        if message.cseq().map(|(n, _)| n) != Some(self.invited.cseq) {
            return self.story.blame(now, Fault::Sequence, "ACK whose CSeq number is not the INVITE's");
        }
        let own = format!("sip:phone{}@{}", desk.key, desk.config.address);
        let to_tag = message.get("To").and_then(|to| parameter(to, "tag")).unwrap_or_default();
        match &mut self.phase {
            Phase::Open => self.story.blame(now, Fault::Dialog, "ACK before any final response"),
            Phase::Refused { acked, .. } => {
                if message.branch() != Some(&self.invited.branch) || uri != self.invited.uri {
                    let text = "ACK of a refusal with another branch or Request-URI than its INVITE";
                    self.story.blame(now, Fault::Dialog, text);
                }
                *acked = true;
                desk.forget(Due::Retransmit);
                desk.forget(Due::GiveUp);
            }
            Phase::Answered => {
                let Some(dialog) = self.dialogs.iter_mut().find(|d| d.tag == to_tag) else {
                    return self.story.blame(now, Fault::Dialog, format!("ACK with unknown To tag {to_tag:?}"));
                };
                if message.branch() == Some(&self.invited.branch) {
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
        let tag = tag(desk, 0);
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
        let now = desk.now;
        let to_tag = message.get("To").and_then(|to| parameter(to, "tag")).unwrap_or_default();
        let own = format!("sip:phone{}@{}", desk.key, desk.config.address);
        let same_from =
            message.get("From").and_then(|f| parameter(f, "tag")) == parameter(&self.invited.from_header, "tag");
        let status = match self.dialogs.iter_mut().find(|d| d.tag == to_tag && same_from) {
            None => {
                self.story.blame(now, Fault::Dialog, format!("{method} whose tags are of no dialog"));
                481
            }
            Some(dialog) => {
                let number = message.cseq().map_or(0, |(n, _)| n);
                // A lower number is a retransmission or was overtaken; an INVITE's own number is a mistake.
                if number <= self.invited.cseq {
                    self.story.blame(
                        now,
                        Fault::Sequence,
                        format!("{method} with CSeq {number}, not above the INVITE's"),
                    );
                }
                let repeated = number == dialog.heard_cseq;
                if dialog.over && !repeated && method != "BYE" {
                    self.story.blame(now, Fault::AfterEnd, format!("{method} after the end"));
                }
                if !uri.is_empty() && uri != own {
                    self.story.blame(now, Fault::Dialog, format!("{method} to {uri}, the phone's Contact is {own}"));
                }
                dialog.heard_cseq = dialog.heard_cseq.max(number);
                if method == "BYE" {
                    dialog.over = true;
                }
                200
            }
        };
        if method == "BYE" && !self.behaviour.answer_bye {
            self.deaf = self.dialogs.iter().all(|d| d.over);
        } else {
            let body =
                if method == "INVITE" && status == 200 { self.our_answer(AnswerWith::Session) } else { String::new() };
            let mut head = echo(message, status, from, to_tag);
            let _ = write!(head, "Contact: <{own}>\r\n");
            let name = method.to_owned();
            desk.send(from, finish(head, &body), || format!("{status} ({name})"));
        }
        if method == "BYE" && status == 200 && self.story.off_hook() && self.dialogs.iter().all(|d| d.over) {
            self.over(desk, Ending::WasHungUp);
        }
    }
}

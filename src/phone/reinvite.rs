//! re-INVITEs and UPDATEs of the equipment (RFC 3261 §14, RFC 3311): answered, refused for a while, or crossed by the phone's
//! own, or left unanswered; and judged: the waiting times after 491 and Retry-After, the version of the offer, the ACK, the BYE
//! after silence. Owns that server side.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use super::behaviour::{Act, AnswerWith};
use super::call::{Call, T2};
use super::manners::OnReinvite;
use super::message::{Message, finish};
use super::reply::echo;
use super::session::{Session, SessionError};
use super::story::{Ending, Fault};
use super::{Desk, Due};
use crate::clock::Mono;

/// RFC 3261 §14.1: the owner of the Call-ID waits at least so long after a 491. It is the equipment's.
const GLARE_WAIT: Duration = Duration::from_millis(2_100);

/// After silence or a 408 the BYE may be on its way so long.
const BYE_COMES: Duration = Duration::from_secs(2);

/// The equipment's re-INVITEs of one call.
#[derive(Default)]
pub(super) struct Again {
    running: Option<Running>,
    refused: u8,
    glared: bool,
    not_before: Option<Mono>,
    version: Option<u64>,
    /// The last one was not accepted: what it was for has not happened.
    turned_down: bool,
    /// Method and branch of the first one that shows the equipment that nobody is there.
    unheard: Option<(bool, String)>,
}

impl Again {
    /// A stream broke, with our answer, its ACK or the BYE, which comes again over another one.
    pub(super) fn torn(&mut self, desk: &mut Desk<'_>) {
        self.running.iter_mut().for_each(|running| running.sent_faithfully = 0);
        if self.unheard.is_some() {
            desk.wake(Due::Released, desk.now + desk.config.t1 * 64 + BYE_COMES);
        }
    }
}

struct Running {
    branch: String,
    cseq: u32,
    from: SocketAddr,
    success: bool,
    bytes: Vec<u8>,
    acked: bool,
    wants_answer: bool,
    began: Mono,
    interval: Duration,
    sent_faithfully: u32,
}

impl Call {
    /// A re-INVITE in the dialog with this tag.
    pub(super) fn reinvited(&mut self, desk: &mut Desk<'_>, from: SocketAddr, tag: &str, message: &Message<'_>) {
        let branch = message.branch().unwrap_or_default();
        if let Some(running) = self.again.running.as_ref().filter(|r| r.branch == branch) {
            let bytes = running.bytes.clone();
            return desk.send(from, bytes, || "the answer to the re-INVITE again".to_owned());
        }
        if self.again.unheard.as_ref().is_some_and(|(invite, unheard)| *invite && unheard != branch) {
            let text = "another re-INVITE though one was never answered (RFC 3261 §14.1)";
            self.story.blame(desk.now, Fault::Glare, text);
        }
        if !self.may_come_now(desk, "re-INVITE") {
            return;
        }
        let Some((status, headers)) = self.verdict(desk, message) else { return };
        let offerless = message.body.is_empty();
        let body = match status {
            200 if offerless => self.current_offer(),
            200 => self.answer_to(message.body),
            _ => String::new(),
        };
        let mut head = echo(message, status, from, tag);
        let _ = write!(head, "Contact: <{}>\r\n{headers}", self.contact(desk));
        let bytes = finish(head, &body);
        desk.send(from, bytes.clone(), || format!("{status} (INVITE)"));
        self.again.running = Some(Running {
            branch: branch.to_owned(),
            cseq: message.cseq().map_or(0, |(n, _)| n),
            from,
            success: status == 200,
            bytes,
            acked: false,
            wants_answer: status == 200 && offerless,
            began: desk.now,
            interval: desk.config.t1,
            sent_faithfully: u32::from(desk.faithful()),
        });
        desk.wake(Due::Again, desk.now + desk.config.t1);
    }

    /// An UPDATE in the dialog (early or not) with this tag.
    pub(super) fn updated(&mut self, desk: &mut Desk<'_>, from: SocketAddr, tag: &str, message: &Message<'_>) {
        let early = self.forks.iter().find(|f| f.tag == tag).filter(|_| self.story.answered_at.is_none());
        if early.is_some_and(|f| !f.described) && !message.body.is_empty() {
            self.story.blame(
                desk.now,
                Fault::Body,
                "UPDATE with an offer before the first one was answered (RFC 3311)",
            );
        }
        if !self.may_come_now(desk, "UPDATE") {
            return;
        }
        let Some((status, headers)) = self.verdict(desk, message) else { return };
        let body = if status == 200 && !message.body.is_empty() { self.answer_to(message.body) } else { String::new() };
        let lines = format!("Contact: <{}>\r\n{headers}", self.contact(desk));
        self.reply(desk, from, message, status, &lines, &body);
    }

    fn may_come_now(&mut self, desk: &Desk<'_>, what: &str) -> bool {
        if let Some(at) = self.again.not_before.take()
            && desk.now < at
        {
            let early = at.since(desk.now).as_millis();
            self.story.blame(desk.now, Fault::Glare, format!("{what} {early} ms too soon after it was told to wait"));
        }
        true
    }

    /// What the phone's manners make of it: status and lines; none: no answer.
    fn verdict(&mut self, desk: &mut Desk<'_>, message: &Message<'_>) -> Option<(u16, String)> {
        let no_lines = |status| Some((status, String::new()));
        self.again.turned_down = true;
        match self.behaviour.on_reinvite {
            OnReinvite::Silent => {
                self.expect_bye(desk, desk.config.t1 * 64, message);
                return None;
            }
            OnReinvite::HangUp if self.story.off_hook() => self.hang_up(desk, Ending::HungUp),
            OnReinvite::Glare if !std::mem::replace(&mut self.again.glared, true) => self.request(desk, Act::Resume),
            _ => {}
        }
        if self.story.ended_at.is_some() {
            return no_lines(481);
        }
        if self.client.offers_pending() {
            self.again.not_before = Some(desk.now + GLARE_WAIT);
            return no_lines(491);
        }
        match self.behaviour.on_reinvite {
            OnReinvite::Pending(times) if self.again.refused < times => {
                self.again.refused += 1;
                self.again.not_before = Some(desk.now + GLARE_WAIT);
                return no_lines(491);
            }
            OnReinvite::Later(seconds) if self.again.refused == 0 => {
                self.again.refused = 1;
                self.again.not_before = Some(desk.now + Duration::from_secs(u64::from(seconds)));
                return Some((500, format!("Retry-After: {seconds}\r\n")));
            }
            OnReinvite::Refuse => return no_lines(488),
            OnReinvite::Gone => {
                self.expect_bye(desk, Duration::ZERO, message);
                return no_lines(408);
            }
            _ => {}
        }
        if !message.body.is_empty() && !self.takes_offer(desk, message.body) {
            return no_lines(488);
        }
        self.again.turned_down = false;
        Some((200, self.refreshed_by_peer(desk, message)))
    }

    /// The equipment must find out, from its first request that says so, that nobody is there.
    fn expect_bye(&mut self, desk: &mut Desk<'_>, within: Duration, message: &Message<'_>) {
        if self.again.unheard.is_none() && self.story.off_hook() && desk.faithful() {
            let branch = message.branch().unwrap_or_default().to_owned();
            self.again.unheard = Some((message.method() == Some("INVITE"), branch));
            desk.wake(Due::Released, desk.now + within + BYE_COMES);
        }
    }

    /// Its BYE is overdue.
    pub(super) fn release_due(&mut self, desk: &mut Desk<'_>) {
        if self.story.off_hook() {
            let text = "nobody answers the equipment any more, and it does not hang up";
            self.story.blame(desk.now, Fault::Refresh, text);
            self.hang_up(desk, Ending::HungUp);
        }
    }

    /// The phone did not let the equipment refresh.
    pub(super) fn turned_down(&self) -> bool {
        self.again.turned_down
    }

    /// Judges an offer; false: it is no session description.
    fn takes_offer(&mut self, desk: &Desk<'_>, body: &[u8]) -> bool {
        let before = self.again.version.or(self.invited.offer.as_ref().map(|o| o.version));
        match Session::parse(body) {
            Err(error) => {
                self.story.blame(desk.now, Fault::Body, format!("the new offer: {error}"));
                false
            }
            Ok(offer) => {
                if before.is_some_and(|b| offer.version != b && offer.version != b + 1) {
                    let text = format!("o= version {} after {before:?} (RFC 3264 §8)", offer.version);
                    self.story.blame(desk.now, Fault::Body, text);
                }
                self.again.version = Some(offer.version);
                if let Some(voice) = &mut self.voice {
                    voice.offered(&offer);
                }
                true
            }
        }
    }

    fn answer_to(&self, body: &[u8]) -> String {
        let (Ok(offer), Some(voice)) = (Session::parse(body), &self.voice) else {
            return self.our_answer(AnswerWith::Session);
        };
        Session {
            address: voice.signalled(self.behaviour.rtp_from_elsewhere),
            payloads: vec![voice.law().payload_type()],
            telephone_event: offer.telephone_event,
            flow: offer.flow.mirrored(),
            version: 1 + self.client.version(),
        }
        .write()
    }

    /// Its 200 until the ACK.
    pub(super) fn again_due(&mut self, desk: &mut Desk<'_>) {
        let Some(running) = self.again.running.as_mut().filter(|r| !r.acked) else { return };
        let waited = desk.now.since(running.began);
        if waited >= desk.config.t1 * 64 {
            running.acked = true;
            if running.sent_faithfully >= 2 && self.story.off_hook() {
                self.story.blame(desk.now, Fault::AckMissing, "no ACK for the answer to a re-INVITE");
                self.hang_up(desk, Ending::HungUp);
            }
            return;
        }
        running.interval = (running.interval * 2).min(T2);
        desk.wake(Due::Again, (desk.now + running.interval).min(running.began + desk.config.t1 * 64));
        if running.success || !desk.config.stream {
            running.sent_faithfully += u32::from(desk.faithful());
            desk.send(running.from, running.bytes.clone(), || "the answer to the re-INVITE again".to_owned());
        }
    }

    /// True when this ACK is of a re-INVITE; judges it.
    pub(super) fn ack_of_reinvite(&mut self, desk: &mut Desk<'_>, message: &Message<'_>) -> bool {
        let number = message.cseq().map(|(n, _)| n);
        let Some(running) = self.again.running.as_mut().filter(|r| Some(r.cseq) == number) else { return false };
        let first = !std::mem::replace(&mut running.acked, true);
        desk.forget(Due::Again);
        let same_branch = message.branch() == Some(running.branch.as_str());
        if same_branch == running.success {
            let text = "the ACK of a re-INVITE has a branch of its own exactly when it was accepted";
            self.story.blame(desk.now, Fault::Dialog, text);
        }
        if first && running.wants_answer {
            let answer = Session::parse(message.body);
            match answer {
                Ok(answer) => {
                    if let Some(voice) = &mut self.voice {
                        voice.offered(&answer);
                    }
                }
                Err(SessionError::Line | SessionError::Mandatory | SessionError::Connection | SessionError::Media) => {
                    self.story.blame(desk.now, Fault::Body, "the ACK of an offerless re-INVITE brings no answer");
                }
            }
        }
        true
    }
}

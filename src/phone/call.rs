//! One call at the phone, as a user agent server: rings, answers or refuses by its script, retransmits until the ACK, obeys
//! CANCEL and BYE, and judges their order. The phone's own requests are in `client`, its sound in `voice`.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use smallvec::{SmallVec, smallvec};

use super::behaviour::{Act, AnswerWith, Behaviour, Codecs, Sound, Then};
use super::client::Client;
use super::message::{Message, Start, finish, parameter, reason};
use super::session::{Flow, Session};
use super::sound::Law;
use super::story::{Ending, Fault, Story};
use super::voice::Voice;
use super::{Desk, Due, PhoneMove, PhoneOutput, contact_of};

/// RFC 3261 T2.
const T2: Duration = Duration::from_secs(4);

/// What is kept of the INVITE.
pub(super) struct Invited {
    pub from: SocketAddr,
    pub branch: String,
    pub uri: String,
    vias: String,
    pub from_header: String,
    pub to_header: String,
    pub cseq: u32,
    /// Where requests to the peer go, and their Request-URI.
    pub target: (String, SocketAddr),
    offer: Option<Session>,
    offer_error: Option<String>,
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
        })
    }
}

/// One dialog that a 200 made: forks make several.
pub(super) struct Dialog {
    pub tag: String,
    ok: Vec<u8>,
    sent_faithfully: u32,
    pub acked: bool,
    pub over: bool,
    pub heard_cseq: u32,
}

impl Dialog {
    /// The highest CSeq number of the peer in this dialog.
    pub fn heard_cseq(&self) -> u32 {
        self.heard_cseq
    }
}

pub(super) enum Phase {
    /// Not decided.
    Open,
    /// A final refusal was sent.
    Refused { status: u16, bytes: Vec<u8>, acked: bool, sent_faithfully: u32 },
    /// At least one 200 was sent.
    Answered,
}

/// The call.
pub(super) struct Call {
    pub story: Story,
    pub behaviour: Behaviour,
    pub invited: Invited,
    pub phase: Phase,
    pub provisional: Option<Vec<u8>>,
    pub cancelled: bool,
    pub deaf: bool,
    interval: Duration,
    pub dialogs: SmallVec<[Dialog; 1]>,
    pub client: Client,
    pub voice: Option<Voice>,
    local: Option<SocketAddr>,
    last_word: crate::clock::Mono,
    /// From then on the peer knows that no RTP is wanted any more.
    pub hushed_at: Option<crate::clock::Mono>,
}

impl Call {
    pub fn new(story: Story, behaviour: Behaviour, invited: Invited) -> Call {
        Call {
            last_word: story.invited_at,
            story,
            behaviour,
            invited,
            phase: Phase::Open,
            provisional: None,
            cancelled: false,
            deaf: false,
            interval: Duration::ZERO,
            dialogs: smallvec![],
            client: Client::default(),
            voice: None,
            local: None,
            hushed_at: None,
        }
    }

    /// CSeq number of the INVITE.
    pub fn invited_cseq(&self) -> u32 {
        self.invited.cseq
    }

    /// Starts the script.
    pub fn begin(&mut self, desk: &mut Desk<'_>, local: Option<SocketAddr>) {
        desk.moved(PhoneMove::Invited);
        self.local = local;
        self.story.rtp_port = local.map(|l| l.port());
        if let Some(local) = local {
            desk.out.push_back(PhoneOutput::OpenRtp { call: super::PhoneCall(desk.key), local });
        }
        if let Some(error) = self.invited.offer_error.take() {
            self.story.blame(desk.now, Fault::Body, format!("the offer: {error}"));
        }
        desk.wake(Due::Patience, desk.now + desk.config.patience);
        if self.behaviour.then == Then::Silent {
            self.deaf = true;
            return;
        }
        if let Some(after) = self.behaviour.ring_after {
            desk.wake(Due::Ring, desk.now + after);
        }
        match self.behaviour.then {
            Then::Answer { after, .. } | Then::Refuse { after, .. } => desk.wake(Due::Decide, desk.now + after),
            Then::NeverAnswer | Then::Silent => {}
        }
    }

    /// A SIP message of this call.
    pub fn message(&mut self, desk: &mut Desk<'_>, from: SocketAddr, message: &Message<'_>) {
        let cseq_method = message.cseq().map_or("", |(_, m)| m);
        match message.start {
            Start::Request { method, .. } => desk.ladder(false, || method.to_owned()),
            Start::Response { status } => desk.ladder(false, || format!("{status} ({cseq_method})")),
        }
        self.last_word = desk.now;
        if self.deaf {
            return;
        }
        match message.start {
            Start::Response { status } => self.response(desk, status, message),
            Start::Request { method: "INVITE", .. } => self.invite(desk, from, message),
            Start::Request { method: "ACK", uri } => self.ack(desk, uri, message),
            Start::Request { method: "CANCEL", uri } => self.cancel(desk, from, uri, message),
            Start::Request { method, uri } => self.in_dialog(desk, from, method, uri, message),
        }
    }

    fn invite(&mut self, desk: &mut Desk<'_>, from: SocketAddr, message: &Message<'_>) {
        if message.get("To").and_then(|to| parameter(to, "tag")).is_some() {
            return self.in_dialog(desk, from, "INVITE", "", message);
        }
        if message.branch() != Some(&self.invited.branch) {
            let over = self.story.ended_at.is_some();
            let fault = if over { Fault::AfterEnd } else { Fault::Sequence };
            return self.story.blame(desk.now, fault, "another INVITE with the Call-ID of this call");
        }
        // A retransmission: the last response again; a 2xx is its own retransmitter (RFC 6026 §7.1).
        match &self.phase {
            Phase::Open if self.provisional.is_none() && self.behaviour.trying => self.provisionally(desk, 100),
            Phase::Open => {
                if let Some(bytes) = self.provisional.clone() {
                    desk.send(self.invited.from, bytes, || "the provisional again".to_owned());
                }
            }
            Phase::Refused { status, bytes, .. } => {
                let (status, bytes) = (*status, bytes.clone());
                desk.send(self.invited.from, bytes, || format!("{status} (INVITE) again"));
            }
            Phase::Answered => {}
        }
    }

    /// A deadline.
    pub fn timeout(&mut self, desk: &mut Desk<'_>, due: Due) {
        match due {
            Due::Patience => self.lose_patience(desk),
            _ if self.deaf => {}
            Due::Ring if matches!(self.phase, Phase::Open) => {
                let status = if self.behaviour.early_media { 183 } else { 180 };
                self.provisionally(desk, status);
                self.story.ringing_at = Some(desk.now);
                desk.moved(PhoneMove::Ringing);
                if self.behaviour.early_media {
                    self.start_voice(desk);
                }
            }
            Due::Decide if matches!(self.phase, Phase::Open) => match self.behaviour.then {
                Then::Answer { with, forks, .. } => self.answer(desk, with, forks.max(1)),
                Then::Refuse { status, .. } => self.refuse(desk, status, Ending::Refused(status)),
                Then::NeverAnswer | Then::Silent => {}
            },
            Due::Retransmit => self.retransmit(desk),
            Due::GiveUp => self.give_up(desk),
            Due::Act(index) => self.act(desk, index),
            Due::Frame => self.frame(desk),
            Due::Client(index) => self.retransmit_request(desk, index),
            Due::Ring | Due::Decide | Due::Linger => {}
        }
    }

    fn provisionally(&mut self, desk: &mut Desk<'_>, status: u16) {
        let body = if status == 183 { self.our_answer(AnswerWith::Session) } else { String::new() };
        let tag = (status != 100).then(|| tag(desk, 0));
        let bytes = self.respond(desk, status, tag.as_deref(), &body);
        self.provisional = Some(bytes.clone());
        desk.send(self.invited.from, bytes, || format!("{status} (INVITE)"));
    }

    fn respond(&self, desk: &Desk<'_>, status: u16, tag: Option<&str>, body: &str) -> Vec<u8> {
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
        finish(head, body)
    }

    /// The phone's Contact in this call.
    pub fn contact(&self, desk: &Desk<'_>) -> String {
        format!("sip:phone{}@{}", desk.key, desk.config.address)
    }

    /// The payload types of the offer (static order of ours where none was made) that this phone knows.
    pub fn common_codecs(&self) -> Vec<u8> {
        let known: &[u8] = match self.behaviour.codecs {
            Codecs::Both => &[0, 8],
            Codecs::MuOnly => &[0],
            Codecs::AOnly => &[8],
        };
        match &self.invited.offer {
            Some(offer) => offer.payloads.iter().copied().filter(|p| known.contains(p)).collect(),
            None => known.to_vec(),
        }
    }

    pub fn our_answer(&self, with: AnswerWith) -> String {
        let Some(local) = self.local else { return String::new() };
        let offer = self.invited.offer.as_ref();
        let session = Session {
            address: local,
            payloads: if with == AnswerWith::ForeignCodec { vec![3] } else { self.common_codecs() },
            telephone_event: offer.and_then(|o| o.telephone_event),
            flow: offer.map_or(Flow::SendRecv, |o| o.flow.mirrored()),
            version: 1,
        };
        match with {
            AnswerWith::Session | AnswerWith::ForeignCodec | AnswerWith::BrokenHeaders => session.write(),
            AnswerWith::Garbage => "v=0\r\nthis is no session description\r\n".to_owned(),
            AnswerWith::Nothing => String::new(),
        }
    }

    pub fn answer(&mut self, desk: &mut Desk<'_>, with: AnswerWith, forks: u8) {
        if self.common_codecs().is_empty() && with == AnswerWith::Session {
            return self.refuse(desk, 488, Ending::Refused(488));
        }
        let body = self.our_answer(with);
        for fork in 0..forks {
            let tag = tag(desk, fork);
            let told = if with == AnswerWith::BrokenHeaders { None } else { Some(tag.as_str()) };
            let ok = self.respond(desk, 200, told, &body);
            desk.send(self.invited.from, ok.clone(), || "200 (INVITE)".to_owned());
            let sent_faithfully = u32::from(desk.now >= desk.config.faithful_from);
            // A 200 without To tag makes no dialog: there is nothing to wait for.
            let nothing = told.is_none();
            self.dialogs.push(Dialog {
                tag: if nothing { String::new() } else { tag },
                ok,
                sent_faithfully,
                acked: nothing,
                over: nothing,
                heard_cseq: self.invited.cseq,
            });
        }
        self.phase = Phase::Answered;
        self.story.answered_at = Some(desk.now);
        desk.moved(PhoneMove::Answered);
        self.wait_for_ack(desk);
        if self.dialogs.iter().all(|d| d.over) {
            return self.over(desk, Ending::NoAck);
        }
        self.start_voice(desk);
        for (index, (after, _)) in (0..).zip(&self.behaviour.talk) {
            desk.wake(Due::Act(index), desk.now + *after);
        }
    }

    fn start_voice(&mut self, desk: &mut Desk<'_>) {
        let (Some(local), Some(offer)) = (self.local, &self.invited.offer) else { return };
        let Some(law) = self.common_codecs().first().copied().and_then(Law::of) else { return };
        if self.voice.is_some() {
            return;
        }
        let from = if self.behaviour.rtp_from_elsewhere {
            SocketAddr::new(local.ip(), local.port().saturating_add(1))
        } else {
            local
        };
        let voice = Voice::new(desk.rng, from, offer, law);
        self.voice = Some(voice);
        if self.behaviour.sound != Sound::Nothing {
            desk.wake(Due::Frame, desk.now);
        }
    }

    pub fn refuse(&mut self, desk: &mut Desk<'_>, status: u16, ending: Ending) {
        let tag = tag(desk, 0);
        let bytes = self.respond(desk, status, Some(&tag), "");
        desk.send(self.invited.from, bytes.clone(), || format!("{status} (INVITE)"));
        let sent_faithfully = u32::from(desk.now >= desk.config.faithful_from);
        self.phase = Phase::Refused { status, bytes, acked: false, sent_faithfully };
        self.wait_for_ack(desk);
        self.over(desk, ending);
    }

    fn wait_for_ack(&mut self, desk: &mut Desk<'_>) {
        self.interval = desk.config.t1;
        desk.wake(Due::Retransmit, desk.now + self.interval);
        desk.wake(Due::GiveUp, desk.now + desk.config.t1 * 64);
    }

    fn retransmit(&mut self, desk: &mut Desk<'_>) {
        let faithful = u32::from(desk.now >= desk.config.faithful_from);
        let mut waiting = false;
        if let Phase::Refused { status, bytes, acked: false, sent_faithfully } = &mut self.phase {
            waiting = true;
            *sent_faithfully += faithful;
            let status = *status;
            desk.send(self.invited.from, bytes.clone(), || format!("{status} (INVITE) again"));
        }
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

    /// 64·T1 after the final response: RFC 3261 timer H, and §13.3.1.4 for a 2xx.
    fn give_up(&mut self, desk: &mut Desk<'_>) {
        desk.forget(Due::Retransmit);
        let now = desk.now;
        if let Phase::Refused { acked: acked @ false, sent_faithfully: 2.., status, .. } = &mut self.phase {
            *acked = true;
            let text = format!("no ACK for the {status}");
            self.story.blame(now, Fault::AckMissing, text);
        }
        if self.dialogs.iter().any(|d| !d.acked && !d.over && d.sent_faithfully >= 2) {
            self.story.blame(now, Fault::AckMissing, "no ACK for the 200");
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

    fn act(&mut self, desk: &mut Desk<'_>, index: u16) {
        let Some((_, act)) = self.behaviour.talk.get(usize::from(index)).copied() else { return };
        if !self.story.off_hook() {
            return;
        }
        let acked = self.dialogs.iter().all(|d| d.acked || d.over);
        match act {
            Act::Vanish => {
                self.deaf = true;
                self.over(desk, Ending::Vanished);
            }
            Act::Mute => desk.forget(Due::Frame),
            // RFC 3261 §15: no BYE, and no other request, before the ACK.
            _ if !acked => desk.wake(Due::Act(index), desk.now + Duration::from_millis(100)),
            Act::HangUp => self.hang_up(desk, Ending::HungUp),
            Act::Digit(digit) => {
                if let Some(voice) = &mut self.voice {
                    voice.digit(digit);
                }
            }
            Act::Hold | Act::Resume | Act::OfferlessReinvite | Act::Update | Act::Options | Act::Info => {
                self.request(desk, act);
            }
        }
    }

    /// BYE to every dialog.
    pub fn hang_up(&mut self, desk: &mut Desk<'_>, ending: Ending) {
        for at in 0..self.dialogs.len() {
            if self.dialogs.get(at).is_some_and(|d| !d.over) {
                self.bye(desk, at);
            }
        }
        self.over(desk, ending);
    }

    /// What a person does when the line stays dead: the equipment has died, and nobody will ever hang up for it.
    fn lose_patience(&mut self, desk: &mut Desk<'_>) {
        if self.story.ended_at.is_some() {
            return;
        }
        let quiet_until = self.last_word + desk.config.patience;
        if quiet_until > desk.now {
            return desk.wake(Due::Patience, quiet_until);
        }
        match self.phase {
            Phase::Answered if !self.deaf => self.hang_up(desk, Ending::Forgotten),
            _ => self.over(desk, Ending::Forgotten),
        }
    }

    /// Word that the peer lives: a packet that carried sound.
    pub fn hears_peer(&mut self, now: crate::clock::Mono) {
        self.last_word = now;
    }

    /// On-hook.
    pub fn over(&mut self, desk: &mut Desk<'_>, ending: Ending) {
        if self.story.ended_at.is_some() {
            return;
        }
        self.story.ended_at = Some(desk.now);
        self.story.ending = Some(ending);
        if matches!(ending, Ending::Refused(_) | Ending::Cancelled | Ending::WasHungUp) {
            self.hushed_at = Some(desk.now);
        }
        desk.forget(Due::Frame);
        desk.forget(Due::Patience);
        desk.moved(PhoneMove::Ended(ending));
        desk.wake(Due::Linger, desk.now + desk.config.linger.max(desk.config.t1 * 64 + T2));
    }
}

/// The phone's tag in this call; forks differ.
pub(super) fn tag(desk: &mut Desk<'_>, fork: u8) -> String {
    format!("{:x}-{}-{fork}", desk.config.seed, desk.key)
}

/// A fresh branch.
pub(super) fn branch(desk: &mut Desk<'_>) -> String {
    format!("z9hG4bK-ph-{:016x}", desk.rng.random::<u64>())
}

/// The Via headers of a request as its responses carry them (RFC 3261 §18.2.1, RFC 3581).
fn vias(message: &Message<'_>, from: SocketAddr) -> String {
    let mut out = String::with_capacity(128);
    for (at, via) in message.all("Via").enumerate() {
        let _ = match via.split_once(";rport") {
            Some((head, tail)) if at == 0 && !tail.starts_with('=') => {
                write!(out, "Via: {head};rport={};received={}{tail}\r\n", from.port(), from.ip())
            }
            _ => write!(out, "Via: {via}\r\n"),
        };
    }
    out
}

/// The head of a response to a request inside or outside of a dialog.
pub(super) fn echo(message: &Message<'_>, status: u16, from: SocketAddr, tag: &str) -> String {
    let to = message.get("To").unwrap_or_default();
    let tagged = parameter(to, "tag").is_some();
    format!(
        "SIP/2.0 {status} {}\r\n{}From: {}\r\nTo: {to}{}{}\r\nCall-ID: {}\r\nCSeq: {}\r\n",
        reason(status),
        vias(message, from),
        message.get("From").unwrap_or_default(),
        if tagged { "" } else { ";tag=" },
        if tagged { "" } else { tag },
        message.get("Call-ID").unwrap_or_default(),
        message.get("CSeq").unwrap_or_default(),
    )
}

//! One call at the phone: its state, its script, its end. The INVITE is `invite`'s, the equipment's other requests are `peer`'s,
//! the phone's own are `client`'s, its sound is `voice`'s.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use smallvec::{SmallVec, smallvec};

use super::behaviour::{Act, AnswerWith, Behaviour, Codecs, Sound, Then};
use super::client::Client;
use super::early::Fork;
use super::guard::Guard;
use super::invite::{Invited, Refused};
use super::message::{Message, Start, parameter};
use super::refer::Subscription;
use super::refresh::Keeping;
use super::reinvite::Again;
use super::session::{Flow, Session};
use super::sound::Law;
use super::story::{Ending, Story};
use super::voice::Voice;
use super::{Desk, Due, PhoneMove, PhoneOutput};
use crate::clock::Mono;

/// RFC 3261 T2.
pub(super) const T2: Duration = Duration::from_secs(4);

/// One dialog that a 200 made: forks make several.
pub(super) struct Dialog {
    pub tag: String,
    pub ok: Vec<u8>,
    pub sent_faithfully: u32,
    pub acked: bool,
    pub over: bool,
    /// The highest CSeq number of the peer in this dialog.
    pub heard_cseq: u32,
}

pub(super) enum Phase {
    /// Not decided.
    Open,
    /// The last INVITE was refused; after some refusals another one is welcome.
    Refused { again: bool },
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
    pub interval: Duration,
    pub refusals: SmallVec<[Refused; 1]>,
    pub forks: SmallVec<[Fork; 1]>,
    pub dialogs: SmallVec<[Dialog; 1]>,
    pub guard: Guard,
    /// A 422 has named the shortest session.
    pub told_least: bool,
    pub keeping: Option<Keeping>,
    pub again: Again,
    pub subscriptions: Vec<Subscription>,
    /// Answers to the equipment's requests, by branch.
    pub replies: VecDeque<(String, Vec<u8>)>,
    pub client: Client,
    pub voice: Option<Voice>,
    pub local: Option<SocketAddr>,
    last_word: Mono,
    /// A stream that may have carried its messages broke then: from there on some come twice, and some never.
    pub torn_at: Option<Mono>,
    /// From then on the peer knows that no RTP is wanted any more.
    pub hushed_at: Option<Mono>,
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
            refusals: smallvec![],
            forks: smallvec![],
            dialogs: smallvec![],
            guard: Guard::default(),
            told_least: false,
            keeping: None,
            again: Again::default(),
            subscriptions: Vec::new(),
            replies: VecDeque::new(),
            client: Client::default(),
            voice: None,
            local: None,
            torn_at: None,
            hushed_at: None,
        }
    }

    /// True when the tags or the branch of this message are of this call; a Call-ID may be shared by the branches of a
    /// redirection.
    pub fn owns(&self, message: &Message<'_>) -> bool {
        let of_branch = message.branch().is_some_and(|branch| {
            branch == self.invited.branch
                || self.refusals.iter().any(|r| r.branch == branch)
                || self.client.owns(branch)
        });
        let tag = message.get("To").and_then(|to| parameter(to, "tag"));
        of_branch || tag.is_some_and(|tag| self.knows(tag))
    }

    /// The tag is one that this phone gave in this call.
    pub fn knows(&self, tag: &str) -> bool {
        self.dialogs.iter().any(|d| d.tag == tag) || self.forks.iter().any(|f| f.tag == tag)
    }

    /// Starts the script.
    pub fn begin(&mut self, desk: &mut Desk<'_>, local: Option<SocketAddr>, message: &Message<'_>) {
        desk.moved(PhoneMove::Invited);
        self.local = local;
        self.story.rtp_port = local.map(|l| l.port());
        if let Some(local) = local {
            desk.out.push_back(PhoneOutput::OpenRtp { call: super::PhoneCall(desk.key), local });
        }
        desk.wake(Due::Patience, desk.now + desk.config.patience);
        self.ladder(desk, message);
        if self.behaviour.then == Then::Silent {
            self.deaf = true;
            return;
        }
        self.enter(desk, message);
    }

    /// The INVITE is in: rings and decides in its time.
    pub fn script(&mut self, desk: &mut Desk<'_>) {
        if self.behaviour.trying {
            self.provisionally(desk, 100);
        }
        if let Some(after) = self.behaviour.ring_after {
            desk.wake(Due::Ring, desk.now + after);
        }
        match self.behaviour.then {
            Then::Answer { after, .. } | Then::Refuse { after, .. } => desk.wake(Due::Decide, desk.now + after),
            Then::NeverAnswer | Then::Silent => {}
        }
    }

    fn ladder(&self, desk: &mut Desk<'_>, message: &Message<'_>) {
        match message.start {
            Start::Request { method, .. } => desk.ladder(false, || method.to_owned()),
            Start::Response { status } => {
                let method = message.cseq().map_or("", |(_, m)| m);
                desk.ladder(false, || format!("{status} ({method})"));
            }
        }
    }

    /// A SIP message of this call, after the INVITE that began it.
    pub fn message(&mut self, desk: &mut Desk<'_>, from: SocketAddr, message: &Message<'_>) {
        self.ladder(desk, message);
        self.last_word = desk.now;
        if self.deaf {
            return;
        }
        match message.start {
            Start::Response { status } => self.response(desk, status, message),
            Start::Request { method: "INVITE", .. } if !tagged(message) => self.invite(desk, from, message),
            Start::Request { method: "ACK", uri } => self.ack(desk, uri, message),
            Start::Request { method: "CANCEL", uri } => self.cancel(desk, from, uri, message),
            Start::Request { method, uri } => self.in_dialog(desk, from, method, uri, message),
        }
    }

    /// A deadline.
    pub fn timeout(&mut self, desk: &mut Desk<'_>, due: Due) {
        match due {
            Due::Patience => self.lose_patience(desk),
            _ if self.deaf => {}
            Due::Ring if matches!(self.phase, Phase::Open) => self.ring(desk),
            Due::Decide if matches!(self.phase, Phase::Open) => self.decide(desk),
            Due::Retransmit => self.retransmit(desk),
            Due::Refusal(at) => self.refusal_due(desk, at),
            Due::GiveUp => self.give_up(desk),
            Due::Early(fork) => self.early_due(desk, fork),
            Due::Again => self.again_due(desk),
            Due::Refresh => self.refresh_due(desk),
            Due::Lapse => self.lapse(desk),
            Due::Released => self.release_due(desk),
            Due::Told(index) => self.told_nothing(desk, index),
            Due::Act(index) => self.act(desk, index),
            Due::Frame => self.frame(desk),
            Due::Client(index) => self.retransmit_request(desk, index),
            Due::Retry => self.retry_request(desk),
            Due::Ring | Due::Decide | Due::Linger => {}
        }
    }

    fn ring(&mut self, desk: &mut Desk<'_>) {
        self.story.ringing_at = Some(desk.now);
        let reliably = self.behaviour.reliable.is_some() && self.invited.reliable;
        if reliably {
            self.ring_reliably(desk);
        } else {
            self.provisionally(desk, if self.behaviour.early_media { 183 } else { 180 });
        }
        desk.moved(PhoneMove::Ringing);
        if self.behaviour.early_media {
            self.start_voice(desk);
        }
    }

    fn decide(&mut self, desk: &mut Desk<'_>) {
        match self.behaviour.then {
            // RFC 3262 §3: no 2xx while a provisional with a description is unacknowledged.
            Then::Answer { forks, .. } if self.must_wait_for_prack(forks) => {
                desk.wake(Due::Decide, desk.now + Duration::from_millis(20));
            }
            Then::Answer { with, forks, .. } => self.answer(desk, with, forks.max(1)),
            Then::Refuse { status, .. } => self.refuse(desk, status, Ending::Refused(status)),
            Then::NeverAnswer | Then::Silent => {}
        }
    }

    /// The phone's Contact in this call.
    pub fn contact(&self, desk: &Desk<'_>) -> String {
        let transport = if desk.config.stream { ";transport=tcp" } else { "" };
        format!("sip:phone{}@{}{transport}", desk.key, desk.config.address)
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

    pub fn start_voice(&mut self, desk: &mut Desk<'_>) {
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
            Act::Refer => self.refer(desk),
            _ => self.request(desk, act),
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

    /// A stream broke. Whatever waits for an answer of the peer may have been lost with it, or its answer: nobody is to blame.
    pub fn torn(&mut self, desk: &mut Desk<'_>, branches: &[String], again: bool) {
        self.torn_at = Some(desk.now);
        self.dialogs.iter_mut().for_each(|dialog| dialog.sent_faithfully = 0);
        // Nobody repeats an ACK of a refusal over a stream.
        self.refusals.iter_mut().for_each(|refused| refused.acked = true);
        self.early_torn();
        self.again.torn(desk);
        self.subscriptions.iter_mut().for_each(super::refer::Subscription::torn);
        self.requests_torn(desk, branches, again);
    }

    /// A request may come twice: the peer said it once more over another stream.
    pub fn may_come_twice(&self, desk: &Desk<'_>) -> bool {
        !desk.config.stream || self.torn_at.is_some_and(|at| desk.now.since(at) <= desk.config.t1 * 64 + T2)
    }

    /// Word that the peer lives: a packet that carried sound.
    pub fn hears_peer(&mut self, now: Mono) {
        self.last_word = now;
    }

    /// On-hook.
    pub fn over(&mut self, desk: &mut Desk<'_>, ending: Ending) {
        if self.story.ended_at.is_some() {
            return;
        }
        self.story.ended_at = Some(desk.now);
        self.story.ending = Some(ending);
        if let Some((_, until @ None)) = self.story.holds.last_mut() {
            *until = Some(desk.now);
        }
        if matches!(ending, Ending::Refused(_) | Ending::Cancelled | Ending::WasHungUp) {
            self.hushed_at = Some(desk.now);
        }
        for due in [Due::Frame, Due::Patience, Due::Refresh, Due::Lapse, Due::Released, Due::Retry] {
            desk.forget(due);
        }
        desk.moved(PhoneMove::Ended(ending));
        desk.wake(Due::Linger, desk.now + desk.config.linger.max(desk.config.t1 * 64 + T2));
    }
}

/// A request inside a dialog names both tags.
fn tagged(message: &Message<'_>) -> bool {
    message.get("To").and_then(|to| parameter(to, "tag")).is_some()
}

/// The phone's tag in this call; forks and tries differ.
pub(super) fn tag(desk: &Desk<'_>, tries: u32, fork: u8) -> String {
    format!("{:x}-{}-{}", desk.config.seed, desk.key, (tries - 1) * 10 + u32::from(fork))
}

/// A fresh branch.
pub(super) fn branch(desk: &mut Desk<'_>) -> String {
    format!("z9hG4bK-ph-{:016x}", desk.rng.random::<u64>())
}

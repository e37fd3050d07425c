//! Script tests of the stack in virtual time, with a peer made of strings: it shares no code with what it judges.

mod calls;
mod challenges;
mod connection;
mod keys;
mod lossy;
mod races;
mod referrals;
mod reliable;
mod reoffers;
mod requests;
mod retries;
mod scripts;
mod timers;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{HangUpReason, Stack, StackConfig};
use crate::clock::{Mono, Wall};
use crate::model::{CallId, Hop, LegId, Trunk};
use crate::sip::api::{Invite, LegEvent, Locals, RefusedWhy, SipOutput, Sources};

pub fn switch() -> Hop {
    Hop::udp("192.0.2.1:5070".parse().unwrap())
}

pub fn leg(attempt: u16) -> LegId {
    LegId { call: CallId::new(Wall(0), [7; 10]), attempt }
}

pub fn reason() -> HangUpReason {
    HangUpReason { q850: 16, text: "done".into() }
}

/// The stack, a clock, and what came out of it.
pub struct Rig {
    pub stack: Stack,
    pub now: Mono,
    /// What was sent since the last look, with its milliseconds.
    pub sent: Vec<(u64, String)>,
    pub events: Vec<LegEvent>,
    pub refused: Vec<RefusedWhy>,
}

impl Rig {
    pub fn new(seed: u64) -> Rig {
        let locals = Locals::udp("192.0.2.100:5060".parse().unwrap());
        let config = StackConfig::new(locals, Sources::of(&[switch().address.ip()]), "callbridge".into());
        let stack = Stack::new(config, StdRng::seed_from_u64(seed));
        Rig { stack, now: Mono(0), sent: Vec::new(), events: Vec::new(), refused: Vec::new() }
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                SipOutput::Send { bytes, .. } => {
                    self.sent.push((self.now.0 / 1000, String::from_utf8_lossy(&bytes).into_owned()));
                }
                SipOutput::Leg(_, event) => self.events.push(event),
                SipOutput::Refused(why) => self.refused.push(why),
                SipOutput::Received(_) | SipOutput::Asked { .. } => {}
            }
        }
    }

    pub fn receive(&mut self, text: &str) {
        self.stack.receive(self.now, &switch(), text.as_bytes());
        self.drain();
    }

    pub fn hang_up(&mut self) {
        self.stack.hang_up(self.now, leg(0), reason());
        self.drain();
    }

    /// Lets time pass up to `ms`.
    pub fn until(&mut self, ms: u64) {
        while let Some((at, why)) = self.stack.poll_timeout().filter(|(at, _)| at.0 <= ms * 1000) {
            assert!(at >= self.now, "{why} lies in the past");
            assert_ne!(why, "sip timer", "a deadline without its reason");
            self.now = at;
            self.stack.timeout(at);
            self.drain();
        }
        self.now = Mono(ms * 1000);
    }

    /// What was sent since the last look.
    pub fn take(&mut self) -> Vec<String> {
        self.sent.drain(..).map(|(_, text)| text).collect()
    }

    /// The start lines' first words since the last look: methods, or statuses of responses.
    pub fn words(&mut self) -> Vec<String> {
        self.take().iter().map(|text| word(text)).collect()
    }

    pub fn events(&mut self) -> Vec<LegEvent> {
        std::mem::take(&mut self.events)
    }

    /// Dials leg 0 and gives its INVITE.
    pub fn dial(&mut self) -> String {
        self.dial_with(Default::default())
    }

    /// The same on a trunk with manners of its own.
    pub fn dial_with(&mut self, trunk: Trunk) -> String {
        self.stack.invite(
            self.now,
            Invite {
                leg: leg(0),
                hop: switch(),
                target: "sip:+12125550100@192.0.2.1;user=phone".into(),
                from: "sip:+12125550199@192.0.2.100".into(),
                from_name: Some("ABC".into()),
                headers: Vec::new(),
                trunk: trunk.into(),
                offer: b"v=0 offer".to_vec().into(),
            },
        );
        self.drain();
        self.take().pop().unwrap()
    }

    /// Dials, rings, answers with tag `a`; gives the INVITE and the ACK.
    pub fn answered(&mut self) -> (String, String) {
        let invite = self.dial();
        self.receive(&reply(&invite, 180, "a", ""));
        self.receive(&answer(&invite, "a"));
        let ack = self.take().pop().unwrap();
        assert!(matches!(self.events()[..], [LegEvent::Ringing, LegEvent::Answered { .. }]));
        (invite, ack)
    }

    /// Nothing may be left after 64·T1 and some.
    pub fn assert_freed(&mut self) {
        let later = self.now.0 / 1000 + 70_000;
        self.until(later);
        self.sent.clear();
        assert_eq!(self.stack.census(), super::Live::default());
        assert!(self.stack.is_idle());
    }
}

pub fn word(text: &str) -> String {
    let mut words = text.split(' ');
    match words.next() {
        Some("SIP/2.0") => words.next().unwrap().into(),
        other => other.unwrap().into(),
    }
}

/// The value of a header.
pub fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let mut lines = text.split("\r\n").take_while(|line| !line.is_empty());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or("")
}

pub fn branch(text: &str) -> &str {
    field(text, "Via").split(";branch=").nth(1).unwrap().split(';').next().unwrap()
}

/// A response of the peer without a body. `extra` is whole lines.
pub fn reply(request: &str, status: u16, tag: &str, extra: &str) -> String {
    reply_body(request, status, tag, extra, "")
}

pub fn reply_body(request: &str, status: u16, tag: &str, extra: &str, body: &str) -> String {
    let mut to = field(request, "To").to_string();
    if !tag.is_empty() && !to.contains(";tag=") {
        to = format!("{to};tag={tag}");
    }
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status} Word\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}{content}Content-Length: {}\r\n\r\n{body}",
        field(request, "Via"),
        field(request, "From"),
        field(request, "Call-ID"),
        field(request, "CSeq"),
        body.len(),
    )
}

/// What the engine hears of an answer to an offer of ours.
pub fn answered_offer(offer: &str, answer: &str) -> LegEvent {
    LegEvent::OfferAnswered { offer: offer.as_bytes().into(), answer: answer.as_bytes().to_vec() }
}

/// A good 200 with SDP.
pub fn answer(invite: &str, tag: &str) -> String {
    reply_body(invite, 200, tag, "Contact: <sip:phone@192.0.2.1:5070>\r\n", "v=0 answer")
}

/// A request of the peer in the dialog that `invite` and `tag` made.
pub fn request(invite: &str, tag: &str, method: &str, cseq: u32, extra: &str, body: &str) -> String {
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let number_method = if method == "ACK-of-refusal" { "ACK" } else { method };
    format!(
        "{number_method} sip:callbridge@192.0.2.100:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKpeer{cseq}{};rport\r\nMax-Forwards: 70\r\nFrom: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {number_method}\r\n{extra}{content}Content-Length: {}\r\n\r\n{body}",
        if matches!(method, "CANCEL" | "ACK-of-refusal") { "INVITE" } else { method },
        field(invite, "To"),
        field(invite, "From"),
        field(invite, "Call-ID"),
        body.len(),
    )
}

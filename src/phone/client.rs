//! The phone's own requests inside a dialog: BYE, re-INVITE (hold, resume, offerless, refresh), UPDATE, OPTIONS, INFO, REFER and
//! oddities, with their retransmission (RFC 3261 timers A/E, B/F), the ACK of a re-INVITE, and another try after a 491. Owns
//! client transactions; judges the answers.

use std::fmt::Write;
use std::time::Duration;

use rand::Rng;

use super::behaviour::Act;
use super::call::{Call, T2, branch};
use super::digits::key;
use super::message::{Message, finish, finish_as, parameter};
use super::session::{Flow, Session};
use super::story::Fault;
use super::{Desk, Due};
use crate::clock::Mono;

/// The client transactions of one call.
#[derive(Default)]
pub(super) struct Client {
    cseq: u32,
    version: u64,
    flow: Option<Flow>,
    requests: Vec<Request>,
    retry: Option<Act>,
    retries: u8,
}

struct Request {
    branch: String,
    method: &'static str,
    cseq: u32,
    tag: String,
    act: Option<Act>,
    bytes: Vec<u8>,
    offered: Option<Flow>,
    /// It says something of the session timer.
    timed: bool,
    interval: Duration,
    began: Mono,
    sent_faithfully: u32,
    answered: bool,
    ack: Option<Vec<u8>>,
}

/// What a request is made of.
#[derive(Default)]
struct Draft<'a> {
    act: Option<Act>,
    offered: Option<Flow>,
    lines: &'a str,
    kind: &'a str,
    body: &'a str,
}

impl Client {
    /// The branch is of one of these requests.
    pub fn owns(&self, branch: &str) -> bool {
        self.requests.iter().any(|r| r.branch == branch)
    }

    /// A re-INVITE, or an UPDATE with an offer, is not answered yet.
    pub fn offers_pending(&self) -> bool {
        self.requests.iter().any(|r| !r.answered && (r.method == "INVITE" || r.offered.is_some()))
    }

    /// How often the phone has described itself anew.
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Call {
    /// BYE to one dialog, which is over at once.
    pub fn bye(&mut self, desk: &mut Desk<'_>, dialog: usize) {
        let Some(dialog) = self.dialogs.get_mut(dialog) else { return };
        dialog.over = true;
        let tag = dialog.tag.clone();
        self.send(desk, "BYE", &tag, Draft::default());
    }

    /// A request with these further lines; its CSeq number.
    pub(super) fn send_request(&mut self, desk: &mut Desk<'_>, method: &'static str, tag: &str, lines: &str) -> u32 {
        self.send(desk, method, tag, Draft { lines, ..Draft::default() });
        self.client.cseq
    }

    /// An in-dialog request of the script: in the call's dialog, or in its first early one.
    pub fn request(&mut self, desk: &mut Desk<'_>, act: Act) {
        let dialog = self.dialogs.iter().find(|d| !d.over).map(|d| d.tag.clone());
        let early = || self.forks.iter().find(|f| f.described).map(|f| f.tag.clone());
        let Some(tag) = dialog.or_else(|| early().filter(|_| self.dialogs.is_empty())) else { return };
        let flow = match act {
            Act::Hold | Act::HoldNull => Flow::SendOnly,
            Act::HoldInactive => Flow::Inactive,
            Act::Resume => Flow::SendRecv,
            _ => self.client.flow.unwrap_or(Flow::SendRecv),
        };
        let timer = self.session_of_request();
        let draft = Draft { act: Some(act), lines: &timer, ..Draft::default() };
        match act {
            Act::Hold | Act::HoldInactive | Act::HoldNull | Act::Resume | Act::RefreshByInvite => {
                let body = self.our_offer(flow, act == Act::HoldNull);
                self.send(desk, "INVITE", &tag, Draft { offered: Some(flow), body: &body, ..draft });
            }
            Act::OfferlessReinvite => self.send(desk, "INVITE", &tag, draft),
            Act::Update => {
                let body = self.our_offer(flow, false);
                self.send(desk, "UPDATE", &tag, Draft { offered: Some(flow), body: &body, ..draft });
            }
            Act::Refresh => self.send(desk, "UPDATE", &tag, draft),
            Act::Options => self.send(desk, "OPTIONS", &tag, Draft { lines: "", ..draft }),
            Act::Info => self.send(desk, "INFO", &tag, Draft { lines: "", ..draft }),
            Act::InfoDigit { digit, bare } => {
                let signal = key(digit).unwrap_or('0');
                let relay = format!("Signal={signal}\r\nDuration=160\r\n");
                let alone = signal.to_string();
                let (kind, body) = if bare { ("application/dtmf", &alone) } else { ("application/dtmf-relay", &relay) };
                self.send(desk, "INFO", &tag, Draft { lines: "", kind, body, ..draft });
            }
            Act::Oddities => {
                for method in ["MESSAGE", "SUBSCRIBE", "WHATEVER"] {
                    let lines = if method == "SUBSCRIBE" { "Event: presence\r\n" } else { "" };
                    self.send(desk, method, &tag, Draft { lines, ..draft });
                }
            }
            Act::HangUp | Act::Vanish | Act::Mute | Act::Digit(_) | Act::Refer => {}
        }
    }

    fn our_offer(&mut self, flow: Flow, nowhere: bool) -> String {
        if self.voice.is_none() && self.local.is_none() {
            return String::new();
        }
        self.client.version += 1;
        self.described(flow, nowhere)
    }

    /// What the phone would offer now, unchanged.
    pub(super) fn current_offer(&mut self) -> String {
        let flow = self.client.flow.unwrap_or(Flow::SendRecv);
        self.our_offer(flow, false)
    }

    fn described(&self, flow: Flow, nowhere: bool) -> String {
        let (mut address, payloads, telephone_event) = match (&self.voice, self.local) {
            (Some(voice), _) => (
                voice.signalled(self.behaviour.rtp_from_elsewhere),
                vec![voice.law().payload_type()],
                voice.telephone_event(),
            ),
            (None, Some(local)) => (local, self.common_codecs(), None),
            (None, None) => return String::new(),
        };
        if nowhere {
            address.set_ip(std::net::Ipv4Addr::UNSPECIFIED.into());
        }
        Session { address, payloads, telephone_event, flow, version: 1 + self.client.version }.write()
    }

    fn head(&self, desk: &mut Desk<'_>, method: &str, cseq: u32, tag: &str, branch: &str) -> String {
        let i = &self.invited;
        let transport = desk.config.via();
        let mut head = format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/{transport} {};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n",
            i.target.0, desk.config.address, i.to_header, i.from_header, self.story.call_id
        );
        if matches!(method, "INVITE" | "UPDATE" | "REFER" | "SUBSCRIBE") {
            let _ = write!(head, "Contact: <{}>\r\n", self.contact(desk));
        }
        head
    }

    fn send(&mut self, desk: &mut Desk<'_>, method: &'static str, tag: &str, draft: Draft<'_>) {
        self.client.cseq += 1;
        let (cseq, branch) = (self.client.cseq, branch(desk));
        let mut head = self.head(desk, method, cseq, tag, &branch);
        head.push_str(draft.lines);
        if let (Some(voice), Some(flow)) = (&mut self.voice, draft.offered) {
            voice.offers(flow);
        }
        let kind = if draft.kind.is_empty() { "application/sdp" } else { draft.kind };
        let bytes = finish_as(head, kind, draft.body);
        let index = u16::try_from(self.client.requests.len()).unwrap_or(u16::MAX);
        let request = Request {
            branch,
            method,
            cseq,
            tag: tag.to_owned(),
            act: draft.act,
            bytes: bytes.clone(),
            offered: draft.offered,
            timed: !draft.lines.is_empty(),
            interval: desk.config.t1,
            began: desk.now,
            sent_faithfully: u32::from(desk.faithful()),
            answered: false,
            ack: None,
        };
        desk.wake(Due::Client(index), desk.now + request.interval);
        self.client.requests.push(request);
        desk.send(self.invited.target.1, bytes, || method.to_owned());
    }

    /// A stream broke that carried requests with these branches.
    pub(super) fn requests_torn(&mut self, desk: &mut Desk<'_>, branches: &[String], again: bool) {
        for request in self.client.requests.iter_mut().filter(|request| !request.answered) {
            request.sent_faithfully = 0;
            if again && branches.contains(&request.branch) {
                let method = request.method;
                desk.send(self.invited.target.1, request.bytes.clone(), || format!("{method} again"));
            }
        }
    }

    fn is_over(&self, tag: &str) -> bool {
        self.dialogs.iter().find(|d| d.tag == tag).map_or(self.story.ended_at.is_some(), |d| d.over)
    }

    /// Timers A/E and B/F.
    pub fn retransmit_request(&mut self, desk: &mut Desk<'_>, index: u16) {
        let faithful = desk.faithful();
        let Some(request) = self.client.requests.get_mut(usize::from(index)).filter(|r| !r.answered) else { return };
        if desk.now.since(request.began) >= desk.config.t1 * 64 {
            request.answered = true;
            let (method, tag) = (request.method, request.tag.clone());
            let told = request.sent_faithfully >= 2 || (desk.config.stream && request.sent_faithfully > 0);
            // A request that the end of the dialog overtook may stay unanswered.
            if told && (method == "BYE" || !self.is_over(&tag)) {
                self.story.blame(desk.now, Fault::Unanswered, format!("{method} was never answered"));
            }
            return;
        }
        let most = if request.method == "INVITE" { Duration::from_secs(64) } else { T2 };
        request.interval = (request.interval * 2).min(most);
        let left = request.began + desk.config.t1 * 64;
        desk.wake(Due::Client(index), (desk.now + request.interval).min(left));
        if !desk.config.stream {
            request.sent_faithfully += u32::from(faithful);
            let method = request.method;
            desk.send(self.invited.target.1, request.bytes.clone(), || format!("{method} again"));
        }
    }

    /// A response to one of the phone's requests.
    pub fn response(&mut self, desk: &mut Desk<'_>, status: u16, message: &Message<'_>) {
        let branch = message.branch().unwrap_or_default();
        let Some(at) = self.client.requests.iter().position(|r| r.branch == branch) else {
            return self.story.blame(desk.now, Fault::Dialog, format!("a {status} to no request of the phone"));
        };
        let Some(request) = self.client.requests.get_mut(at) else { return };
        let (method, tag, cseq, act) = (request.method, request.tag.clone(), request.cseq, request.act);
        if message.cseq() != Some((cseq, method)) {
            self.story.blame(desk.now, Fault::Sequence, format!("{status} to {method} with another CSeq"));
        }
        if status < 200 {
            return;
        }
        let repeated = std::mem::replace(&mut request.answered, true);
        let (offered, timed) = (request.offered, request.timed);
        if method == "INVITE" {
            if let Some(ack) = request.ack.clone() {
                return desk.send(self.invited.target.1, ack, || "ACK again".to_owned());
            }
            self.acknowledge(desk, at, status, &tag, cseq, message);
        }
        if repeated {
            return;
        }
        if message.get("From").and_then(|f| parameter(f, "tag")) != Some(&tag) {
            self.story.blame(desk.now, Fault::Dialog, format!("{status} to {method} with another From tag"));
        }
        // A request that a later one overtook has a number too low (RFC 3261 §12.2.2).
        let overtaken = status == 500 && self.client.requests.iter().any(|r| r.tag == tag && r.cseq > cseq);
        if !overtaken {
            self.judge_answer(desk, status, method, &tag);
        }
        // Forks are hung up one by one; the peer is silent when it has heard of all.
        if method == "BYE" && self.client.requests.iter().all(|r| r.method != "BYE" || r.answered) {
            self.hushed_at = self.hushed_at.or(Some(desk.now));
        }
        match (method, status) {
            ("REFER", _) => self.referred(desk, cseq, status, message),
            ("INVITE" | "UPDATE", 491) => self.again_later(desk, act),
            ("INVITE" | "UPDATE", 200..300) => {
                if timed {
                    self.refreshed_by_us(desk, message);
                }
                self.held(desk, act);
                if let Some(offered) = offered {
                    self.taken(desk, offered, message);
                    self.offers_that_wait();
                }
            }
            _ => {}
        }
    }

    fn judge_answer(&mut self, desk: &Desk<'_>, status: u16, method: &str, tag: &str) {
        match (method, status) {
            // What has no place in a call must be refused, and properly.
            ("MESSAGE" | "SUBSCRIBE" | "WHATEVER", 405 | 481 | 489 | 501) => {}
            ("MESSAGE" | "SUBSCRIBE" | "WHATEVER", _) => {
                self.story.blame(desk.now, Fault::Unanswered, format!("{method} was answered by {status}"));
            }
            // Glare and momentary refusal are lawful answers to a re-INVITE; 481 says that both hung up at once.
            (_, 200..300 | 481) | ("INVITE" | "UPDATE", 491 | 500) | ("INFO", 400..500) | ("REFER", 300..) => {}
            // A late retransmission may meet the end of the dialog.
            _ if self.is_over(tag) => {}
            _ => self.story.blame(desk.now, Fault::Unanswered, format!("{status} to {method}")),
        }
    }

    /// RFC 3261 §14.1: who does not own the Call-ID waits up to 2 s in steps of 10 ms.
    fn again_later(&mut self, desk: &mut Desk<'_>, act: Option<Act>) {
        if self.client.retries >= 5 {
            return;
        }
        self.client.retries += 1;
        self.client.retry = act;
        let wait = Duration::from_millis(10 * desk.rng.random_range(0..=200));
        desk.wake(Due::Retry, desk.now + wait);
    }

    /// Another try after a 491.
    pub(super) fn retry_request(&mut self, desk: &mut Desk<'_>) {
        if let Some(act) = self.client.retry.take().filter(|_| self.story.off_hook()) {
            self.request(desk, act);
        }
    }

    /// A hold or a resumption was accepted.
    fn held(&mut self, desk: &Desk<'_>, act: Option<Act>) {
        let open = self.story.holds.last_mut().filter(|(_, until)| until.is_none());
        match (act, open) {
            (Some(Act::Hold | Act::HoldInactive | Act::HoldNull), None) => self.story.holds.push((desk.now, None)),
            (Some(Act::Resume), Some((_, until))) => *until = Some(desk.now),
            _ => {}
        }
    }

    /// What a later offer, still on its way, says it takes may come already (RFC 3264 §5.1).
    fn offers_that_wait(&mut self) {
        let waiting = self.client.requests.iter().filter(|request| !request.answered);
        if let (Some(voice), Some(flow)) = (&mut self.voice, waiting.filter_map(|request| request.offered).next_back())
        {
            voice.offers(flow);
        }
    }

    /// The equipment took the phone's offer.
    fn taken(&mut self, desk: &mut Desk<'_>, offered: Flow, message: &Message<'_>) {
        self.client.flow = Some(offered);
        match Session::parse(message.body) {
            Err(error) => self.story.blame(desk.now, Fault::Body, format!("the answer: {error}")),
            Ok(answer) => {
                let lawful = match offered {
                    Flow::SendOnly => matches!(answer.flow, Flow::RecvOnly | Flow::Inactive),
                    Flow::Inactive => answer.flow == Flow::Inactive,
                    Flow::RecvOnly => matches!(answer.flow, Flow::SendOnly | Flow::Inactive),
                    Flow::SendRecv => true,
                };
                if !lawful {
                    let text = format!("{offered:?} was answered by {:?}", answer.flow);
                    self.story.blame(desk.now, Fault::Body, text);
                }
                if let Some(voice) = &mut self.voice {
                    voice.agreed(desk.now, &answer, offered);
                }
            }
        }
    }

    fn acknowledge(
        &mut self,
        desk: &mut Desk<'_>,
        at: usize,
        status: u16,
        tag: &str,
        cseq: u32,
        message: &Message<'_>,
    ) {
        let success = status < 300;
        let branch = match self.client.requests.get(at) {
            Some(request) if !success => request.branch.clone(),
            _ => branch(desk),
        };
        // The 2xx of an offerless re-INVITE carries an offer: the ACK brings our answer.
        let offerless = self.client.requests.get(at).is_some_and(|r| r.offered.is_none());
        let body = match Session::parse(message.body) {
            Ok(_) if success && offerless => self.our_offer(self.client.flow.unwrap_or(Flow::SendRecv), false),
            Err(error) if success => {
                self.story.blame(desk.now, Fault::Body, format!("200 to re-INVITE: {error}"));
                String::new()
            }
            _ => String::new(),
        };
        let ack = finish(self.head(desk, "ACK", cseq, tag, &branch), &body);
        if let Some(request) = self.client.requests.get_mut(at) {
            request.ack = Some(ack.clone());
        }
        desk.send(self.invited.target.1, ack, || "ACK".to_owned());
    }
}

//! The phone's own requests inside a dialog: BYE, re-INVITE (hold, resume, offerless), UPDATE, OPTIONS, INFO, with their
//! retransmission (RFC 3261 timers A/E, B/F) and the ACK of a re-INVITE. Owns client transactions; judges the answers.

use std::fmt::Write;
use std::time::Duration;

use super::behaviour::Act;
use super::call::{Call, branch};
use super::message::{Message, finish, parameter};
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
}

struct Request {
    branch: String,
    method: &'static str,
    cseq: u32,
    dialog: usize,
    bytes: Vec<u8>,
    offered: Option<Flow>,
    interval: Duration,
    began: Mono,
    sent_faithfully: u32,
    answered: bool,
    ack: Option<Vec<u8>>,
}

impl Call {
    /// BYE to one dialog, which is over at once.
    pub fn bye(&mut self, desk: &mut Desk<'_>, dialog: usize) {
        if let Some(d) = self.dialogs.get_mut(dialog) {
            d.over = true;
        }
        self.send_request(desk, "BYE", dialog, None, "");
    }

    /// An in-dialog request of the script.
    pub fn request(&mut self, desk: &mut Desk<'_>, act: Act) {
        let Some(dialog) = self.dialogs.iter().position(|d| !d.over) else { return };
        let flow = match act {
            Act::Hold => Flow::SendOnly,
            Act::Resume => Flow::SendRecv,
            _ => self.client.flow.unwrap_or(Flow::SendRecv),
        };
        match act {
            Act::Hold | Act::Resume => {
                let body = self.our_offer(flow);
                self.send_request(desk, "INVITE", dialog, Some(flow), &body);
            }
            Act::OfferlessReinvite => self.send_request(desk, "INVITE", dialog, None, ""),
            Act::Update => {
                let body = self.our_offer(flow);
                self.send_request(desk, "UPDATE", dialog, Some(flow), &body);
            }
            Act::Options => self.send_request(desk, "OPTIONS", dialog, None, ""),
            Act::Info => self.send_request(desk, "INFO", dialog, None, ""),
            Act::HangUp | Act::Vanish | Act::Mute | Act::Digit(_) => {}
        }
    }

    fn our_offer(&mut self, flow: Flow) -> String {
        let Some(voice) = &self.voice else { return String::new() };
        self.client.version += 1;
        Session {
            address: voice.signalled(self.behaviour.rtp_from_elsewhere),
            payloads: vec![voice.law().payload_type()],
            telephone_event: voice.telephone_event(),
            flow,
            version: 1 + self.client.version,
        }
        .write()
    }

    fn head(&self, desk: &mut Desk<'_>, method: &str, cseq: u32, dialog: usize, branch: &str) -> String {
        let tag = self.dialogs.get(dialog).map_or("", |d| d.tag.as_str());
        let i = &self.invited;
        let mut head = format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n",
            i.target.0, desk.config.address, i.to_header, i.from_header, self.story.call_id
        );
        if matches!(method, "INVITE" | "UPDATE") {
            let _ = write!(head, "Contact: <{}>\r\n", self.contact(desk));
        }
        head
    }

    fn send_request(
        &mut self,
        desk: &mut Desk<'_>,
        method: &'static str,
        dialog: usize,
        offered: Option<Flow>,
        body: &str,
    ) {
        self.client.cseq += 1;
        let (cseq, branch) = (self.client.cseq, branch(desk));
        let bytes = finish(self.head(desk, method, cseq, dialog, &branch), body);
        let index = u16::try_from(self.client.requests.len()).unwrap_or(u16::MAX);
        let request = Request {
            branch,
            method,
            cseq,
            dialog,
            bytes: bytes.clone(),
            offered,
            interval: desk.config.t1,
            began: desk.now,
            sent_faithfully: u32::from(desk.now >= desk.config.faithful_from),
            answered: false,
            ack: None,
        };
        desk.wake(Due::Client(index), desk.now + request.interval);
        self.client.requests.push(request);
        desk.send(self.invited.target.1, bytes, || method.to_owned());
    }

    /// Timers A/E and B/F.
    pub fn retransmit_request(&mut self, desk: &mut Desk<'_>, index: u16) {
        let Some(request) = self.client.requests.get_mut(usize::from(index)).filter(|r| !r.answered) else { return };
        if desk.now.since(request.began) >= desk.config.t1 * 64 {
            request.answered = true;
            // A re-INVITE that the end of the dialog overtook may stay unanswered.
            let over = self.dialogs.get(request.dialog).is_some_and(|d| d.over);
            if request.sent_faithfully >= 2 && (request.method == "BYE" || !over) {
                let text = format!("{} was never answered", request.method);
                self.story.blame(desk.now, Fault::Unanswered, text);
            }
            return;
        }
        request.sent_faithfully += u32::from(desk.now >= desk.config.faithful_from);
        let most = if request.method == "INVITE" { Duration::from_secs(64) } else { Duration::from_secs(4) };
        request.interval = (request.interval * 2).min(most);
        let left = request.began + desk.config.t1 * 64;
        desk.wake(Due::Client(index), (desk.now + request.interval).min(left));
        let method = request.method;
        desk.send(self.invited.target.1, request.bytes.clone(), || format!("{method} again"));
    }

    /// A response to one of the phone's requests.
    pub fn response(&mut self, desk: &mut Desk<'_>, status: u16, message: &Message<'_>) {
        let branch = message.branch().unwrap_or_default();
        let Some(at) = self.client.requests.iter().position(|r| r.branch == branch) else {
            return self.story.blame(desk.now, Fault::Dialog, format!("a {status} to no request of the phone"));
        };
        let Some(request) = self.client.requests.get_mut(at) else { return };
        let (method, dialog, cseq) = (request.method, request.dialog, request.cseq);
        if message.cseq() != Some((cseq, method)) {
            self.story.blame(desk.now, Fault::Sequence, format!("{status} to {method} with another CSeq"));
        }
        if status < 200 {
            return;
        }
        let repeated = std::mem::replace(&mut request.answered, true);
        let offered = request.offered;
        if method == "INVITE" {
            if let Some(ack) = request.ack.clone() {
                return desk.send(self.invited.target.1, ack, || "ACK again".to_owned());
            }
            self.acknowledge(desk, at, status, dialog, cseq, message);
        }
        if repeated {
            return;
        }
        let tag = self.dialogs.get(dialog).map(|d| d.tag.clone());
        if message.get("From").and_then(|f| parameter(f, "tag")) != tag.as_deref() {
            self.story.blame(desk.now, Fault::Dialog, format!("{status} to {method} with another From tag"));
        }
        match (method, status) {
            // Glare and momentary refusal are lawful answers to a re-INVITE; 481 says that both hung up at once.
            (_, 200..300 | 481) | ("INVITE" | "UPDATE", 491 | 500) | ("INFO", 400..500) => {}
            // A late retransmission may meet the end of the dialog.
            _ if self.dialogs.get(dialog).is_some_and(|d| d.over) => {}
            _ => self.story.blame(desk.now, Fault::Unanswered, format!("{status} to {method}")),
        }
        // Forks are hung up one by one; the peer is silent when it has heard of all.
        if method == "BYE" && self.client.requests.iter().all(|r| r.method != "BYE" || r.answered) {
            self.hushed_at = self.hushed_at.or(Some(desk.now));
        }
        if let (200..300, Some(offered)) = (status, offered) {
            self.taken(desk, offered, message);
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
                    voice.agreed(&answer, offered);
                }
            }
        }
    }

    fn acknowledge(
        &mut self,
        desk: &mut Desk<'_>,
        at: usize,
        status: u16,
        dialog: usize,
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
            Ok(_) if success && offerless => self.our_offer(self.client.flow.unwrap_or(Flow::SendRecv)),
            Err(error) if success => {
                self.story.blame(desk.now, Fault::Body, format!("200 to re-INVITE: {error}"));
                String::new()
            }
            _ => String::new(),
        };
        let ack = finish(self.head(desk, "ACK", cseq, dialog, &branch), &body);
        if let Some(request) = self.client.requests.get_mut(at) {
            request.ack = Some(ack.clone());
        }
        desk.send(self.invited.target.1, ack, || "ACK".to_owned());
    }

    /// The equipment sends no re-INVITE of its own; an ACK above the INVITE's number would belong to one.
    pub fn ack_of_reinvite(&self, message: &Message<'_>) -> bool {
        self.dialogs.iter().any(|d| message.cseq().is_some_and(|(n, _)| n > self.invited_cseq() && n == d.heard_cseq()))
    }
}

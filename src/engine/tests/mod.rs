//! The engine with everybody around it played by the test: the switches' messages are written by hand, media and store answer
//! at once.

mod again;
mod asleep;
mod codecs;
mod contact;
mod dialling;
mod direct;
mod distribution;
mod following;
mod forms;
mod full;
mod limits;
mod look;
mod quality;
mod recording;
mod redirects;
mod secure;
mod supervisors;
mod tariffs;
mod vouched;
mod waiting;
mod webhook;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use super::api::{Input, Notice, Output, Refusal, Reply, ReplyTo, StoreFailure, StoreOp, Watched};
use super::{Census, Engine, EngineConfig};
use crate::call::CallLimits;
use crate::clock::{Mono, Now, Wall};
use crate::media::api::{Command, Event};
use crate::model::business::PasswordHash;
use crate::model::{
    AttemptRecord, Business, BusinessId, CallId, CallRecord, Directory, Duplicates, Endpoint, Hop, InitiationMessage,
    LimitReached, Limits, MachineTimes, Outcome, Progress, Quality, StoredCall,
};
use crate::routing::Switch;
use crate::sip::api::Locals;

pub const CUSTOMER: &str = "+12125550100";

/// An engine and what it said.
pub struct Rig {
    pub engine: Engine,
    now: Now,
    /// Messages sent and not looked at yet.
    sent: VecDeque<(Hop, String)>,
    pub notices: Vec<Notice>,
    /// Commands to media, but for ports.
    pub media: Vec<Command>,
    pub records: Vec<CallRecord>,
    /// Of the last record.
    pub attempts: Vec<AttemptRecord>,
    pub replied: Vec<(ReplyTo, Reply)>,
    pub ports: u16,
    pub last: Option<CallId>,
    replies: u64,
    /// What followers were told: who, and what.
    pub told: Vec<(ReplyTo, Option<Watched>)>,
    /// What the store was asked to keep for the webhook.
    pub webhook: Vec<Watched>,
    /// And of bounds that were reached.
    pub limits_told: Vec<LimitReached>,
    pub store_fails: bool,
    /// Calls without a record, as the store has them.
    pub open: BTreeMap<CallId, StoredCall>,
}

pub fn hop(last: u8) -> Hop {
    Hop::udp(std::net::SocketAddr::from(([192, 0, 2, last], 5060)))
}

/// Serves every number.
pub fn switch(name: &str, last: u8) -> Switch {
    Switch { allow: vec!["pbx.example.com".into()], prefixes: vec!["+1212".into()], ..Switch::at(name, hop(last)) }
}

pub fn config(switches: Vec<Switch>) -> EngineConfig {
    EngineConfig {
        sip: Locals::udp("192.0.2.100:5060".parse().unwrap()),
        user_agent: "callbridge".to_owned(),
        limits: CallLimits {
            customer_ring: Duration::from_secs(45),
            representative_ring: Duration::from_secs(25),
            max_hold: Duration::from_secs(120),
            max_call: Duration::from_secs(7200),
            silence: Duration::from_secs(60),
            farewell: Duration::from_secs(20),
            audio_proof: Duration::from_secs(5),
            gate: Duration::from_secs(20),
            machine: MachineTimes::default(),
            greeting: Duration::from_secs(30),
            still: Duration::ZERO,
        },
        late: Duration::from_secs(30),
        max_ahead: Duration::from_secs(3600),
        max_calls: 100,
        strays_per_second: 1_000,
        switches,
        stir: None,
        consent: false,
        tariffs: Default::default(),
    }
}

impl Rig {
    pub fn new(switches: Vec<Switch>) -> Rig {
        Rig::of(config(switches))
    }

    pub fn of(config: EngineConfig) -> Rig {
        let engine = Engine::new(config, StdRng::seed_from_u64(3));
        let now = Now { mono: Mono(1_000_000), wall: Wall(1_795_521_600_000) };
        let mut rig = Rig {
            engine,
            now,
            sent: VecDeque::new(),
            notices: Vec::new(),
            media: Vec::new(),
            records: Vec::new(),
            attempts: Vec::new(),
            replied: Vec::new(),
            ports: 0,
            last: None,
            replies: 0,
            told: Vec::new(),
            webhook: Vec::new(),
            limits_told: Vec::new(),
            store_fails: false,
            open: BTreeMap::new(),
        };
        // Most tests call one pair again and again.
        let limits = Limits { duplicates: Duplicates::Allow, ..Limits::default() };
        let account = Business::new("abc".parse().unwrap(), "ABC", PasswordHash(String::new()));
        let business = Business { limits, ..account };
        let directory = Directory { businesses: [(business.id.clone(), Arc::new(business))].into() };
        rig.give(Input::Directory(Arc::new(directory)));
        rig
    }

    pub fn give(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { to, bytes, .. } => {
                    self.sent.push_back((to, String::from_utf8_lossy(&bytes).into_owned()));
                }
                Output::Media(Command::Open { leg }) => {
                    self.ports += 1;
                    let local = std::net::SocketAddr::from(([192, 0, 2, 100], 20_000 + 2 * self.ports));
                    self.engine.handle(self.now, Input::Media(Event::Opened { leg, local }));
                }
                Output::Media(Command::Close { leg }) => {
                    let quality = Quality::default();
                    self.engine.handle(self.now, Input::Media(Event::Closed { leg, quality }));
                }
                Output::Media(command) => self.media.push(command),
                Output::Store { token, op } => {
                    let op = match op {
                        StoreOp::Telling { op, told, .. } => {
                            self.webhook.push(*told);
                            *op
                        }
                        op => op,
                    };
                    match op {
                        StoreOp::Accept(call) if !self.store_fails => {
                            self.open.insert(call.id, *call);
                        }
                        StoreOp::Progress { call, progress } if !self.store_fails => {
                            self.open.entry(call).and_modify(|open| open.progress = *progress);
                        }
                        StoreOp::Finish { record, attempts } => {
                            self.open.remove(&record.call_id);
                            self.records.push(*record);
                            self.attempts = attempts;
                        }
                        StoreOp::LimitReached(reached) => self.limits_told.push(*reached),
                        _ => {}
                    }
                    let failed = StoreFailure::Unavailable("full".to_owned());
                    let result = if self.store_fails { Err(failed) } else { Ok(()) };
                    self.engine.handle(self.now, Input::Stored { token, result });
                }
                Output::Reply { to, reply: Reply::Events(watched) } => {
                    self.told.push((to, watched.map(|watched| *watched)));
                }
                Output::Notice(Notice::State { call, from, to }) => {
                    self.last = Some(call);
                    self.notices.push(Notice::State { call, from, to });
                }
                Output::Notice(notice) => self.notices.push(notice),
                Output::Reply { to, reply } => self.replied.push((to, reply)),
                _ => {}
            }
        }
    }

    /// Posts a call to the customer.
    pub fn call(&mut self) {
        let message = json!({ "business_id": "abc", "customer": CUSTOMER, "representatives": ["+12125550101"] });
        let message = serde_json::from_value(message).unwrap();
        self.replies += 1;
        self.give(Input::Initiate { reply: ReplyTo(self.replies), message: Box::new(message) });
    }

    /// Ends the last call through the API.
    pub fn delete(&mut self) {
        let call = self.last.unwrap();
        self.give(Input::Delete { reply: ReplyTo(0), business: "abc".parse().unwrap(), call });
    }

    /// Lets so many milliseconds pass.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.mono.0 + ms * 1000;
        let begin = self.now;
        while let Some((at, _)) = self.engine.poll_timeout().filter(|(at, _)| at.0 <= end) {
            self.set(begin, at.0.max(self.now.mono.0));
            self.give(Input::Timeout);
        }
        self.set(begin, end);
    }

    fn set(&mut self, begin: Now, at: u64) {
        let passed = Duration::from_micros(at - begin.mono.0);
        self.now = Now { mono: Mono(at), wall: begin.wall + passed };
    }

    /// The next message of this kind; others before it are passed over.
    #[track_caller]
    pub fn next(&mut self, method: &str) -> (Hop, String) {
        while let Some((to, text)) = self.sent.pop_front() {
            if text.starts_with(method) {
                return (to, text);
            }
        }
        panic!("no {method} was sent");
    }

    /// How many messages of this kind wait to be looked at.
    pub fn count(&self, method: &str) -> usize {
        self.sent.iter().filter(|(_, text)| text.starts_with(method)).count()
    }

    /// The switch at `from` answers this request.
    pub fn answer(&mut self, from: &Hop, request: &str, status: u16, more: &str) {
        let line = |name: &str| request.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        let tag = if status > 100 { ";tag=far" } else { "" };
        let text = format!(
            "SIP/2.0 {status} Said\r\n{}\r\n{}\r\n{}{tag}\r\n{}\r\n{}\r\n{more}",
            line("Via:"),
            line("From:"),
            line("To:"),
            line("Call-ID:"),
            line("CSeq:"),
        );
        let text = if more.contains("\r\n\r\n") { text } else { format!("{text}Content-Length: 0\r\n\r\n") };
        self.give(Input::Sip { from, bytes: text.as_bytes() });
    }

    /// A 200 with SDP.
    pub fn accept(&mut self, from: &Hop, request: &str) {
        self.accept_with(from, request, "0\r\n");
    }

    /// A 200 whose audio stream has these formats and attributes.
    pub fn accept_with(&mut self, from: &Hop, request: &str, formats: &str) {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}"
        );
        let more = format!(
            "Contact: <sip:phone@{}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            from.address,
            sdp.len()
        );
        self.answer(from, request, 200, &more);
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        self.records.iter().map(|record| record.outcome).collect()
    }

    /// After everything is over nothing may be held.
    #[track_caller]
    pub fn assert_nothing_left(&mut self) {
        self.pass(120_000);
        assert_eq!(self.engine.census(), Census::default());
    }
}

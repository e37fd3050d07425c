//! A small, **independent** SIP phone: what the simulator, `demo` and `bench` put at the far end of our legs. It shares no line
//! with `crate::sip`, `sdp`, `rtp` or `media` (a stack that only talks to itself agrees with its own mistakes), acts out a
//! [`Behaviour`], and judges whatever it receives ([`Violation`]). Pure: no clock, no socket, no randomness but its seed.
//!
//! How to drive it:
//! * [`Phone::datagram`] for each datagram on its SIP address, [`Phone::rtp`] for each on one of its RTP ports,
//!   [`Phone::timeout`] when [`Phone::poll_timeout`] says so;
//! * [`Phone::torn`] where messages come over streams and one of them broke;
//! * after each of these, drain [`Phone::poll_output`]: [`PhoneOutput::OpenRtp`] says which port to bind (one per call, even
//!   numbers out of `rtp_ports`), [`PhoneOutput::SendRtp`] goes out of the port it names, [`PhoneOutput::CloseRtp`] frees it;
//! * one phone takes any number of calls, keyed by Call-ID; [`Phone::expect`] gives a dialled user its own behaviour;
//! * [`PhoneOutput::Told`] brings the [`Story`] of a call when it is wholly over (`linger` after its end).

mod behaviour;
mod call;
mod client;
mod digits;
mod early;
mod greeting;
mod guard;
mod invite;
mod judge;
pub mod manners;
pub mod message;
mod peer;
mod refer;
mod refresh;
mod registrar;
mod reinvite;
mod reply;
mod report;
mod session;
mod sound;
mod story;
#[cfg(test)]
mod tests;
mod voice;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use slab::Slab;

use crate::clock::{Mono, Timers};
use call::Call;
use guard::Nonces;
use invite::Invited;
use message::{Message, Start, parameter, uri_of, user_of};
use registrar::Register;

pub use behaviour::{Act, AnswerWith, Behaviour, Codecs, OnCancel, Sound, Then};
pub use greeting::{BEEP_HZ, Greeting};
pub use registrar::{Binding, OnOptions, Registrar, RegistrarFlaw};
pub use sound::{Law, tone_frame, tone_of, voices_of};
pub use story::{Digit, Ending, Fault, Heard, Story, Violation, VoiceHeard};

/// How a phone is set up.
#[derive(Clone, Debug)]
pub struct PhoneConfig {
    /// Its SIP address.
    pub address: SocketAddr,
    /// Where its RTP ports are.
    pub rtp_address: IpAddr,
    /// First and last RTP port; even ones are used, one per call.
    pub rtp_ports: (u16, u16),
    /// What it does with calls to users that nobody told it to expect.
    pub behaviour: Behaviour,
    /// Seeds tags, branches, SSRCs.
    pub seed: u64,
    /// RFC 3261 T1.
    pub t1: Duration,
    /// RTP may still arrive so long after the end without being held against the peer.
    pub grace: Duration,
    /// A call is kept so long after its end, to answer and to judge what comes late.
    pub linger: Duration,
    /// From then on the network is faithful: a missing ACK or answer is the peer's fault.
    pub faithful_from: Mono,
    /// A call that stands so long without a packet or message from the peer is given up (the peer has died).
    pub patience: Duration,
    /// Messages come over a stream that loses nothing (TCP), not in datagrams.
    pub stream: bool,
    /// How OPTIONS outside of a call are answered.
    pub on_options: OnOptions,
    /// It takes registrations.
    pub registrar: Option<Registrar>,
    /// Keep what is heard.
    pub record: bool,
    /// Tell [`PhoneOutput::Ladder`].
    pub ladder: bool,
}

impl PhoneConfig {
    /// A phone at `address` whose RTP ports are `rtp_ports` there.
    pub fn new(address: SocketAddr, rtp_ports: (u16, u16), behaviour: Behaviour, seed: u64) -> PhoneConfig {
        PhoneConfig {
            address,
            rtp_address: address.ip(),
            rtp_ports,
            behaviour,
            seed,
            t1: Duration::from_millis(500),
            grace: Duration::from_millis(300),
            linger: Duration::from_secs(32),
            faithful_from: Mono(0),
            patience: Duration::from_secs(3600),
            stream: false,
            on_options: OnOptions::Answer(200),
            registrar: None,
            record: false,
            ladder: false,
        }
    }

    /// The transport's word in a Via.
    fn via(&self) -> &'static str {
        if self.stream { "TCP" } else { "UDP" }
    }
}

/// Names a call of one phone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PhoneCall(pub usize);

/// What a phone wants or tells.
#[derive(Clone, PartialEq, Debug)]
pub enum PhoneOutput {
    /// Send from the phone's SIP address.
    SendSip { to: SocketAddr, bytes: Vec<u8> },
    /// Bind this RTP address.
    OpenRtp { call: PhoneCall, local: SocketAddr },
    /// Send from this RTP address.
    SendRtp { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// Let this RTP address go.
    CloseRtp { local: SocketAddr },
    /// Something happened.
    Moved { call: PhoneCall, at: Mono, what: PhoneMove },
    /// One SIP message, as a ladder shows it: `INVITE`, `180 (INVITE)`.
    Ladder { call: PhoneCall, at: Mono, sent: bool, text: String },
    /// The call is wholly over.
    Told(Box<Story>),
}

/// A move of a phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhoneMove {
    /// An INVITE came.
    Invited,
    /// It rings.
    Ringing,
    /// It is off-hook: the 200 was sent.
    Answered,
    /// The ACK came.
    Connected,
    /// It hears another sound now: a tone in Hz, or none.
    Hears(Option<u16>),
    /// It is on-hook again, or never was off-hook.
    Ended(Ending),
}

/// What a deadline is for. One of each per call, but acts, refusals, forks, subscriptions and client transactions are
/// numbered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    Ring,
    Decide,
    Retransmit,
    Refusal(usize),
    GiveUp,
    Early(u8),
    Again,
    Refresh,
    Lapse,
    Released,
    Told(u16),
    Act(u16),
    Frame,
    Client(u16),
    Retry,
    Patience,
    Linger,
}

/// What every part of a call may use of its phone.
struct Desk<'p> {
    now: Mono,
    config: &'p PhoneConfig,
    key: usize,
    timers: &'p mut Timers<(usize, Due)>,
    out: &'p mut VecDeque<PhoneOutput>,
    rng: &'p mut StdRng,
    nonces: &'p mut Nonces,
}

impl Desk<'_> {
    fn wake(&mut self, due: Due, at: Mono) {
        self.timers.set((self.key, due), at);
    }

    fn forget(&mut self, due: Due) {
        self.timers.cancel(&(self.key, due));
    }

    fn moved(&mut self, what: PhoneMove) {
        self.out.push_back(PhoneOutput::Moved { call: PhoneCall(self.key), at: self.now, what });
    }

    fn ladder(&mut self, sent: bool, text: impl FnOnce() -> String) {
        if self.config.ladder {
            self.out.push_back(PhoneOutput::Ladder { call: PhoneCall(self.key), at: self.now, sent, text: text() });
        }
    }

    /// From now on nothing is lost.
    fn faithful(&self) -> bool {
        self.now >= self.config.faithful_from
    }

    fn send(&mut self, to: SocketAddr, bytes: Vec<u8>, text: impl FnOnce() -> String) {
        self.ladder(true, text);
        self.out.push_back(PhoneOutput::SendSip { to, bytes });
    }
}

/// The phone.
pub struct Phone {
    config: PhoneConfig,
    expected: BTreeMap<String, Behaviour>,
    calls: Slab<Call>,
    by_id: HashMap<String, Vec<usize>>,
    register: Register,
    nonces: Nonces,
    by_port: HashMap<u16, usize>,
    next_port: u16,
    timers: Timers<(usize, Due)>,
    out: VecDeque<PhoneOutput>,
    rng: StdRng,
    strays: Vec<Violation>,
}

impl Phone {
    /// A phone on-hook.
    pub fn new(config: PhoneConfig) -> Phone {
        let rng = StdRng::seed_from_u64(config.seed);
        Phone {
            next_port: config.rtp_ports.0.next_multiple_of(2),
            config,
            expected: BTreeMap::new(),
            calls: Slab::new(),
            by_id: HashMap::new(),
            register: Register::default(),
            nonces: Nonces::default(),
            by_port: HashMap::new(),
            timers: Timers::default(),
            out: VecDeque::new(),
            rng,
            strays: Vec::new(),
        }
    }

    /// Calls to `user` (the user part of the Request-URI) are treated so from now on.
    pub fn expect(&mut self, user: &str, behaviour: Behaviour) {
        self.expected.insert(user.to_owned(), behaviour);
    }

    /// Calls not yet told, live or lingering.
    pub fn stories(&self) -> impl Iterator<Item = &Story> {
        self.calls.iter().map(|(_, call)| &call.story)
    }

    /// The story of a call not yet told.
    pub fn story(&self, call: PhoneCall) -> Option<&Story> {
        self.calls.get(call.0).map(|c| &c.story)
    }

    /// What is registered here, by address of record.
    pub fn bindings(&self) -> &BTreeMap<String, Binding> {
        &self.register.bindings
    }

    /// Its set-up, to change its manners while it runs.
    pub fn config(&mut self) -> &mut PhoneConfig {
        &mut self.config
    }

    /// What was wrong with messages that belong to no call.
    pub fn strays(&self) -> &[Violation] {
        &self.strays
    }

    /// A datagram came to the SIP address.
    pub fn datagram(&mut self, now: Mono, from: SocketAddr, bytes: &[u8]) {
        // RFC 5626 keep-alives.
        if bytes.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            return;
        }
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => return self.stray(now, Fault::Malformed, error.to_string()),
        };
        if let Some(key) = self.call_of(&message) {
            return self.with(key, now, |call, desk| {
                judge::message(&message, desk.config.via(), &mut |fault, text| call.story.blame(now, fault, text));
                call.message(desk, from, &message);
            });
        }
        if !self.first_invite(now, from, &message) {
            self.out_of_the_blue(now, from, &message);
        }
    }

    /// Whose message this is. The branches of a redirection may share a Call-ID; then tags, branches and numbers tell.
    fn call_of(&self, message: &Message<'_>) -> Option<usize> {
        let keys = self.by_id.get(message.get("Call-ID")?)?;
        let calls = || keys.iter().filter_map(|key| Some((*key, self.calls.get(*key)?)));
        let owner = calls().find(|(_, call)| call.owns(message)).map(|(key, _)| key);
        let user = match message.start {
            Start::Request { method: "INVITE", uri } => Some(user_of(uri)),
            _ => return owner.or_else(|| keys.last().copied()),
        };
        owner.or_else(|| calls().find(|(_, call)| Some(call.story.user.as_str()) == user).map(|(key, _)| key))
    }

    /// A packet came to the RTP address `local`, or a report to the one above it.
    pub fn rtp(&mut self, now: Mono, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        // A phone whose RTP leaves from elsewhere listens there too: the odd port above its own.
        if let Some(key) = self.by_port.get(&(local.port() & !1)).copied() {
            self.with(key, now, |call, desk| {
                if !local.port().is_multiple_of(2) && report::is_report(bytes) {
                    call.report(desk, local, from, bytes);
                } else {
                    call.packet(desk, from, bytes);
                }
            });
        }
    }

    /// The moment that `poll_timeout` named has come.
    pub fn timeout(&mut self, now: Mono) {
        while let Some((key, due)) = self.timers.pop_due(now) {
            match due {
                Due::Linger => self.remove(key),
                _ => self.with(key, now, |call, desk| call.timeout(desk, due)),
            }
        }
    }

    /// A stream broke that may have carried messages of these calls. The phone need not have noticed: this is for its judgement
    /// of the peer, who may have, and says again what may be lost.
    pub fn excuse(&mut self, now: Mono) {
        self.calls.iter_mut().for_each(|(_, call)| call.torn_at = Some(now));
        self.register.excuse();
    }

    /// A stream of its messages broke: what was on the way may be lost, in either direction, and with it the requests with these
    /// branches. They go out once more (`again`), or are given up.
    pub fn torn(&mut self, now: Mono, branches: &[String], again: bool) {
        self.register.excuse();
        let keys: Vec<usize> = self.calls.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.with(key, now, |call, desk| call.torn(desk, branches, again));
        }
    }

    /// When to call `timeout`.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.timers.next().map(|(at, _)| at)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<PhoneOutput> {
        self.out.pop_front()
    }

    fn with(&mut self, key: usize, now: Mono, act: impl FnOnce(&mut Call, &mut Desk<'_>)) {
        let Phone { config, calls, timers, out, rng, nonces, .. } = self;
        if let Some(call) = calls.get_mut(key) {
            act(call, &mut Desk { now, config, key, timers, out, rng, nonces });
        }
    }

    /// Begins a call, if this is an INVITE that can.
    fn first_invite(&mut self, now: Mono, from: SocketAddr, message: &Message<'_>) -> bool {
        let Start::Request { method: "INVITE", uri } = message.start else { return false };
        let tagged = message.get("To").is_none_or(|to| parameter(to, "tag").is_some());
        let (Some(id), Some(invited)) = (message.get("Call-ID"), Invited::read(from, message)) else { return false };
        if tagged {
            return false;
        }
        let (id, user) = (id.to_owned(), user_of(uri));
        let behaviour = self.expected.get(user).unwrap_or(&self.config.behaviour).clone();
        let port = self.take_port();
        let call = Call::new(Story::new(&id, user, now), behaviour, invited);
        let key = self.calls.insert(call);
        self.by_id.entry(id).or_default().push(key);
        if let Some(port) = port {
            self.by_port.insert(port, key);
        }
        let local = port.map(|port| SocketAddr::new(self.config.rtp_address, port));
        self.with(key, now, |call, desk| {
            judge::message(message, desk.config.via(), &mut |fault, text| call.story.blame(now, fault, text));
            call.begin(desk, local, message);
        });
        true
    }

    fn take_port(&mut self) -> Option<u16> {
        let (first, last) = self.config.rtp_ports;
        for _ in 0..=(last.saturating_sub(first)) / 2 {
            let port = self.next_port;
            self.next_port = port.checked_add(2).filter(|p| *p <= last).unwrap_or(first.next_multiple_of(2));
            if !self.by_port.contains_key(&port) {
                return Some(port);
            }
        }
        None
    }

    /// Nobody's dialog: OPTIONS and REGISTER have their answers; 481 for the rest, and nothing for an ACK or a response.
    fn out_of_the_blue(&mut self, now: Mono, from: SocketAddr, message: &Message<'_>) {
        let Start::Request { method, uri } = message.start else {
            return self.stray(now, Fault::Dialog, "a response to nothing".to_owned());
        };
        let via = self.config.via();
        let answer = match (method, self.config.on_options, &self.config.registrar) {
            ("OPTIONS", OnOptions::Silent, _) => None,
            ("OPTIONS", OnOptions::Answer(status), _) => {
                judge::message(message, via, &mut |fault, text| blame(&mut self.strays, now, fault, text));
                Some(message::finish(reply::echo(message, status, from, "options"), ""))
            }
            ("REGISTER", _, Some(manner)) => {
                judge::message(message, via, &mut |fault, text| blame(&mut self.strays, now, fault, text));
                self.register.take(now, manner, (&mut self.rng, &mut self.nonces), from, message, &mut self.strays)
            }
            _ => {
                self.stray(now, Fault::Dialog, format!("{method} {uri} belongs to no call"));
                (method != "ACK").then(|| message::finish(reply::echo(message, 481, from, "stray"), ""))
            }
        };
        if let Some(bytes) = answer {
            self.out.push_back(PhoneOutput::SendSip { to: from, bytes });
        }
    }

    fn stray(&mut self, at: Mono, fault: Fault, text: String) {
        blame(&mut self.strays, at, fault, text);
    }

    fn remove(&mut self, key: usize) {
        let Some(call) = self.calls.try_remove(key) else { return };
        if let Some(keys) = self.by_id.get_mut(&call.story.call_id) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_id.remove(&call.story.call_id);
            }
        }
        if let Some(port) = call.story.rtp_port {
            self.by_port.remove(&port);
            let local = SocketAddr::new(self.config.rtp_address, port);
            self.out.push_back(PhoneOutput::CloseRtp { local });
        }
        self.out.push_back(PhoneOutput::Told(Box::new(call.story)));
    }
}

/// At most 50 of them.
fn blame(strays: &mut Vec<Violation>, at: Mono, fault: Fault, text: String) {
    if strays.len() < 50 {
        strays.push(Violation { at, fault, text });
    }
}

/// The peer's own address, out of a Contact header.
fn contact_of(message: &Message<'_>) -> Option<(String, SocketAddr)> {
    let uri = uri_of(message.get("Contact")?);
    Some((uri.to_owned(), message::address_of(uri)?))
}

//! The user agent core: legs in, messages out, and back (RFC 3261 §8, §13–15, §17). Owns demultiplexing, the tables of legs and
//! transactions, their timers and their bounds. Refuses sockets, clocks and SDP. `client` calls and hangs up, `answers` and
//! `reliable` hear what comes back, `requests` are those of ours inside dialogs, `retry` sends refused ones again, `exchange` and
//! `reoffer` are offer and answer inside a dialog, theirs and ours, `refresh` the session timer, `connection` chooses a
//! request's transport and bears the loss of one, `outside` is what we ask outside all dialogs, `server` answers requests inside
//! dialogs, `stranger` those out of the blue, `redirect` reads a 3xx,
//! `challenge` has the credentials, `write` makes the bytes.

mod answers;
mod challenge;
mod client;
mod connection;
mod exchange;
mod info;
mod outside;
mod rates;
mod redirect;
mod refer;
mod refresh;
mod reliable;
mod reoffer;
mod requests;
mod retry;
mod server;
mod stranger;
mod table;
#[cfg(test)]
mod tests;
mod write;

use std::collections::VecDeque;

use rand::RngCore;
use rand::rngs::StdRng;

use super::api::{LegEvent, Locals, RefusedWhy, SipOutput, Sources};
pub use super::dialog::usage::HangUpReason;
use super::note;
use super::transaction::{InviteClient, InviteServer, NonInviteClient, NonInviteServer};
use super::transaction::{Stored, TimerConfig};
use super::wire::{Message, Method};
use crate::clock::{Mono, Timers};
use crate::model::{Hop, LegId};
use challenge::Keyring;
use connection::WithoutTcp;
use outside::Outside;
use rates::Rates;
use table::{Key, Tables};

/// How the stack is set up.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// Our addresses in Via and Contact.
    pub locals: Locals,
    /// Switches we listen to; anyone else gets silence.
    pub sources: Sources,
    /// User-Agent and Server.
    pub user_agent: String,
    /// The timers.
    pub timers: TimerConfig,
    /// Most legs at once that something is still reported of; above, `invite` fails at once.
    pub max_legs: usize,
    /// Most live server transactions per leg; above, a request gets a stateless 503.
    pub max_requests_per_leg: usize,
    /// Requests outside of dialogs that one source may make each second; above, silence.
    pub strays_per_second: u32,
}

impl StackConfig {
    /// The usual bounds and timers.
    pub fn new(locals: Locals, sources: Sources, user_agent: String) -> StackConfig {
        StackConfig {
            locals,
            sources,
            user_agent,
            timers: TimerConfig::default(),
            max_legs: 20_000,
            max_requests_per_leg: 64,
            strays_per_second: 100,
        }
    }
}

/// How much is alive: all zero when the stack is idle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Live {
    /// Legs that something is still reported of.
    pub legs: usize,
    /// Usages kept, those included that only wait for stragglers.
    pub usages: usize,
    /// Dialogs in any state.
    pub dialogs: usize,
    /// Client transactions.
    pub clients: usize,
    /// Server transactions.
    pub servers: usize,
    /// Deadlines.
    pub timers: usize,
}

/// The stack. Inputs: `receive`, `timeout`, `invite`, `hang_up`, `answer_offer`, `reoffer`; after each, drain `poll_output`.
#[derive(Debug)]
pub struct Stack {
    config: StackConfig,
    rng: StdRng,
    /// Keys the To tags of stateless answers.
    secret: u64,
    next_offer: u64,
    tables: Tables,
    outside: Outside,
    keyring: Keyring,
    timers: Timers<Key>,
    without_tcp: WithoutTcp,
    rates: Rates,
    output: VecDeque<SipOutput>,
}

#[derive(Debug)]
enum ClientMachine {
    Invite(InviteClient),
    Other(NonInviteClient),
}

#[derive(Debug)]
enum ServerMachine {
    Invite(InviteServer),
    Other(NonInviteServer),
}

impl Stack {
    /// A stack that has nothing to do. All branches, tags and Call-IDs come from `rng`: seed it from the system.
    pub fn new(config: StackConfig, mut rng: StdRng) -> Stack {
        let secret = rng.next_u64();
        let rates = Rates::new(config.strays_per_second);
        let keyring = Keyring::new(&mut rng);
        Stack {
            config,
            rng,
            secret,
            next_offer: 0,
            tables: Tables::default(),
            outside: Outside::default(),
            keyring,
            timers: Timers::default(),
            without_tcp: WithoutTcp::default(),
            rates,
            output: VecDeque::new(),
        }
    }

    /// Another rate for requests outside of dialogs.
    pub fn set_strays_per_second(&mut self, per_second: u32) {
        self.rates.set(per_second);
    }

    /// Where the peers of all legs are, of those too that are just being ended.
    pub fn peers(&self) -> impl Iterator<Item = &Hop> {
        self.tables.legs.iter().flat_map(|(_, leg)| [&leg.hop, &leg.last_source])
    }

    /// Other switches from now on.
    pub fn set_sources(&mut self, sources: Sources) {
        self.config.sources = sources;
    }

    /// The next thing to do for the world outside.
    pub fn poll_output(&mut self) -> Option<SipOutput> {
        self.output.pop_front()
    }

    /// When to call [`Stack::timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        let (at, key) = self.timers.next()?;
        let deadline = match *key {
            Key::Client(tx) => self.tables.clients.get(tx).and_then(|tx| tx.deadline()),
            Key::Server(tx) => self.tables.servers.get(tx).and_then(|tx| tx.deadline()),
            Key::Outside(at) => self.outside.deadline(at),
            Key::Exchange { leg, fork } => self.tables.legs.get(leg).and_then(|leg| leg.usage.fork(fork)?.deadline()),
        };
        Some((at, deadline.map_or("sip timer", |(_, why)| why)))
    }

    /// Nothing lives and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.output.is_empty() && self.census() == Live::default()
    }

    /// How many usages, transactions and deadlines live, together: zero when nothing is left to do.
    pub fn live(&self) -> usize {
        let census = self.census();
        census.usages + census.clients + census.servers + census.timers
    }

    /// How much is alive, by kind.
    pub fn census(&self) -> Live {
        Live {
            legs: self.tables.by_id.len(),
            usages: self.tables.legs.len(),
            dialogs: self.tables.legs.iter().map(|(_, leg)| leg.usage.forks()).sum(),
            clients: self.tables.clients.len() + self.outside.len(),
            servers: self.tables.servers.len(),
            timers: self.timers.len(),
        }
    }

    /// A datagram, or one message of a stream.
    pub fn receive(&mut self, now: Mono, from: &Hop, bytes: &[u8]) {
        if !self.config.sources.knows(from.address.ip()) {
            return self.refused(RefusedWhy::Stranger);
        }
        // Keep-alives (RFC 5626 §3.5.1).
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return;
        }
        match Message::parse(bytes) {
            Err(_) => self.refused(RefusedWhy::Malformed),
            Ok(message) if message.is_request() => self.request(now, from, message),
            Ok(message) => self.response(now, &message),
        }
    }

    /// The moment of [`Stack::poll_timeout`] may have come.
    pub fn timeout(&mut self, now: Mono) {
        while let Some(key) = self.timers.pop_due(now) {
            match key {
                Key::Client(tx) => self.client_timeout(now, tx),
                Key::Server(tx) => self.server_timeout(now, tx),
                Key::Outside(at) => self.outside_timeout(now, at),
                Key::Exchange { leg, fork } => self.exchange_timeout(now, leg, fork),
            }
        }
    }

    fn refused(&mut self, why: RefusedWhy) {
        self.output.push_back(SipOutput::Refused(why));
    }

    fn send(&mut self, to: Hop, bytes: Stored, method: &Method, leg: Option<usize>) {
        let note = note::of_sent(&bytes, method, self.id_of(leg));
        self.output.push_back(SipOutput::Send { to, bytes, note });
    }

    fn received(&mut self, message: &Message, leg: Option<usize>) {
        let note = note::of_received(message, self.id_of(leg));
        self.output.push_back(SipOutput::Received(note));
    }

    fn id_of(&self, leg: Option<usize>) -> Option<LegId> {
        leg.and_then(|leg| self.tables.legs.get(leg)).map(|leg| leg.id)
    }

    /// Reports, while someone listens.
    fn report(&mut self, leg: usize, event: LegEvent) {
        if let Some(leg) = self.tables.legs.get(leg).filter(|leg| !leg.usage.is_closed()) {
            self.output.push_back(SipOutput::Leg(leg.id, event));
        }
    }

    /// Reports the last event of a leg.
    fn report_last(&mut self, leg: usize, event: LegEvent) {
        self.report(leg, event);
        self.close(leg);
    }

    /// Nothing is reported from now on; the id is free.
    fn close(&mut self, leg: usize) {
        if let Some(leg) = self.tables.legs.get_mut(leg).filter(|leg| !leg.usage.is_closed()) {
            leg.usage.close();
            self.tables.by_id.remove(&leg.id);
        }
    }

    /// Frees a leg of which nothing is left.
    fn settle(&mut self, leg: usize) {
        if self.tables.legs.get(leg).is_some_and(|leg| leg.is_over())
            && let Some(gone) = self.tables.remove_leg(leg)
        {
            for fork in 0..gone.usage.forks() {
                self.timers.cancel(&Key::Exchange { leg, fork });
            }
        }
    }

    fn random_hex(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }
}

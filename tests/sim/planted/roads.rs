//! Bugs planted in the choice of switches: redirections, failover, bounds, breakers, maintenance, look-ups. Owns what they
//! remember of the messages that pass; which bug is planted and how it must be caught is `planted`'s.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use callbridge::engine::EngineConfig;
use callbridge::engine::api::Output;
use callbridge::model::{Hop, LegId};
use callbridge::phone::message::{Message, Start, parameter};
use callbridge::routing::Switch;

use super::carrier::next_cseq;
use super::{Bug, Planted, altered};

/// What passed so far.
#[derive(Default)]
pub(super) struct Memory {
    /// The last INVITE that began a dialog, by Call-ID, and by leg.
    invites: BTreeMap<String, Output>,
    last: BTreeMap<LegId, String>,
    /// The last re-INVITE, by Call-ID.
    again: BTreeMap<String, Output>,
    /// The last REGISTER, by Call-ID, and those that were accepted.
    registers: BTreeMap<String, Output>,
    bound: BTreeSet<String>,
    hops: BTreeSet<Hop>,
    /// Places whose OPTIONS were once refused.
    ill: bool,
    looked_up: BTreeSet<(u32, usize)>,
}

/// What the world sees of a message that the engine sends.
pub(super) fn send(planted: &mut Planted, output: Output) -> Vec<Output> {
    let Output::Send { to, bytes, note } = &output else { return vec![output] };
    let (to, bytes, note) = (to.clone(), Arc::clone(bytes), note.clone());
    let Ok(message) = Message::parse(&bytes) else { return vec![output] };
    if let (Some("REGISTER"), Some(id)) = (message.method(), message.get("Call-ID")) {
        let bound = planted.bug == Bug::RegisteredOnce && planted.roads.bound.contains(id);
        planted.roads.registers.insert(id.to_owned(), Output::Send { to, bytes: Arc::clone(&bytes), note });
        return if bound { vec![] } else { vec![output] };
    }
    let (Some("INVITE"), Some(leg), Some(id)) = (message.method(), note.leg, message.get("Call-ID")) else {
        return vec![output];
    };
    let copy = || Output::Send { to: to.clone(), bytes: Arc::clone(&bytes), note: note.clone() };
    if message.get("To").is_some_and(|to| parameter(to, "tag").is_some()) {
        planted.roads.again.insert(id.to_owned(), copy());
        return vec![output];
    }
    planted.roads.hops.insert(to.clone());
    planted.roads.last.insert(leg, id.to_owned());
    let first = planted.roads.invites.insert(id.to_owned(), copy()).is_none();
    match planted.bug {
        Bug::TwoSwitchesAtOnce if first => {
            let other = elsewhere(planted, &output);
            std::iter::once(output).chain(other).collect()
        }
        _ => vec![output],
    }
}

/// The same INVITE as another call, to another place where one is known.
fn elsewhere(planted: &Planted, invite: &Output) -> Option<Output> {
    let Output::Send { to, .. } = invite else { return None };
    let other = planted.roads.hops.iter().find(|hop| *hop != to)?.clone();
    let Output::Send { bytes, note, .. } = altered(invite, "Call-ID: ", "Call-ID: z") else { return None };
    Some(Output::Send { to: other, bytes, note })
}

impl Planted {
    /// What the engine hears of a SIP message.
    pub fn receives<'b>(&mut self, bytes: &'b Arc<[u8]>) -> Cow<'b, [u8]> {
        let plain = Cow::Borrowed(&bytes[..]);
        if self.bug == Bug::None {
            return plain;
        }
        let Ok(message) = Message::parse(bytes) else { return plain };
        let (Some((_, method)), Some(id)) = (message.cseq(), message.get("Call-ID")) else { return plain };
        let with = |from: &str, to: &str| Cow::Owned(String::from_utf8_lossy(bytes).replacen(from, to, 1).into_bytes());
        let soon = Duration::from_millis(30);
        match (self.bug, message.start, method) {
            (Bug::RedirectLoopFollowed, Start::Response { status: 302 }, "INVITE") => {
                let again = self.roads.invites.get(id).map(|invite| next_cseq(&altered(invite, "z9hG4bK", "z9hG4bKx")));
                self.later.extend(again.map(|invite| (soon, invite)));
            }
            (Bug::ReinviteTooSoon, Start::Response { status: 491 }, "INVITE") => {
                let again = self.roads.again.get(id).map(|invite| next_cseq(&altered(invite, "z9hG4bK", "z9hG4bKx")));
                self.later.extend(again.map(|invite| (soon, invite)));
            }
            (Bug::FailoverAfterHangUp, Start::Request { method: "BYE", .. }, _) => {
                let invite = self.roads.invites.get(id).filter(|invite| leg_of(invite).is_some_and(|l| l.attempt == 0));
                let other = invite.and_then(|invite| elsewhere(self, invite));
                self.later.extend(other.map(|invite| (soon, invite)));
            }
            (Bug::FailoverAfterAnswer, Start::Response { status: 200 }, "INVITE") => {
                let other = self.roads.invites.get(id).and_then(|invite| elsewhere(self, invite));
                self.later.extend(other.map(|invite| (soon, invite)));
            }
            (Bug::RegisteredOnce, Start::Response { status: 200 }, "REGISTER") => {
                self.roads.bound.insert(id.to_owned());
            }
            (Bug::RegisterHammers, Start::Response { status: 503 }, "REGISTER") => {
                let again = self.roads.registers.get(id).map(|one| next_cseq(&altered(one, "z9hG4bK", "z9hG4bKx")));
                self.later.extend(again.map(|one| (Duration::from_secs(1), one)));
            }
            (Bug::NoFailover, Start::Response { status: 503 }, "INVITE") => return with("SIP/2.0 503", "SIP/2.0 500"),
            (Bug::RestForgotten, Start::Response { status: 503 }, "INVITE") => return with("Retry-After", "X-Retry"),
            (Bug::BreakerNeverOpens, Start::Response { status: 503 }, "OPTIONS") => {
                return with("SIP/2.0 503", "SIP/2.0 200");
            }
            (Bug::BreakerNeverCloses, Start::Response { status: 503 }, "OPTIONS") => self.roads.ill = true,
            (Bug::BreakerNeverCloses, Start::Response { status: 200 }, "OPTIONS") if self.roads.ill => {
                return with("SIP/2.0 200", "SIP/2.0 503");
            }
            _ => {}
        }
        plain
    }

    /// What the engine is configured with.
    pub fn configure(&mut self, config: &mut EngineConfig) {
        let change: fn(&mut Switch) = match self.bug {
            Bug::RedirectsWithoutEnd => |switch| Arc::make_mut(&mut switch.trunk).max_redirects = 250,
            Bug::BoundsForgotten => |switch| {
                switch.max_channels = None;
                switch.max_calls_per_second = None;
            },
            Bug::DrainedUsed => |switch| switch.drain = false,
            _ => return,
        };
        config.switches.iter_mut().for_each(change);
    }

    /// False: this life of the engine does not hear of a look-up.
    pub fn looks_up(&mut self, life: u32, switch: usize) -> bool {
        self.roads.looked_up.insert((life, switch)) || self.bug != Bug::OldPlaceKept
    }
}

fn leg_of(output: &Output) -> Option<LegId> {
    if let Output::Send { note, .. } = output { note.leg } else { None }
}

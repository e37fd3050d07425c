//! One switch as it is now: where it is, how much of it is in use, how it fares. Owns its counters and its probes' times;
//! refuses to choose between switches.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Switch;
use super::health::{Fit, Health};
use crate::clock::Mono;
use crate::model::{Hop, Target};

/// One leg's place in a switch. Gives itself back when dropped (field.md 14).
#[derive(Debug)]
pub struct Channel {
    live: Arc<AtomicU32>,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is known of a switch.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) switch: Arc<Switch>,
    /// Names it as long as its name stays in the configuration.
    pub(super) id: u32,
    /// Where it can be reached; none until its name was looked up.
    pub(super) targets: Vec<Target>,
    live: Arc<AtomicU32>,
    /// Thousandths of a leg that may begin at `at`.
    tokens: u64,
    at: Mono,
    health: BTreeMap<Hop, Health>,
    probes: BTreeMap<Hop, Probe>,
    was_up: Option<bool>,
}

/// A place that works is asked again this soon after a question that it did not answer, or not well: one lost datagram must not
/// look like a dead switch, and a dead switch is to be known in three times this.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// OPTIONS to one place.
#[derive(Clone, Copy, Debug)]
struct Probe {
    /// When it is asked, or its silence judged.
    next: Mono,
    /// The one whose answer is waited for.
    sent_at: Option<Mono>,
}

impl Line {
    pub(super) fn new(id: u32, switch: Switch) -> Line {
        let hop = switch.address.literal(switch.tls_name.as_deref());
        let mut line = Line {
            switch: Arc::new(switch),
            id,
            targets: Vec::new(),
            live: Arc::default(),
            tokens: u64::MAX,
            at: Mono(0),
            health: BTreeMap::new(),
            probes: BTreeMap::new(),
            was_up: None,
        };
        line.locate(hop.map(Target::only).into_iter().collect());
        line
    }

    /// The same switch with another configuration: what is live and what was learnt stays.
    pub(super) fn reconfigured(self, switch: Switch) -> Line {
        let same_place = (&self.switch.address, &self.switch.tls_name) == (&switch.address, &switch.tls_name);
        let targets = if same_place { self.targets.clone() } else { Line::new(self.id, switch.clone()).targets };
        let mut line = Line { switch: Arc::new(switch), ..self };
        line.probes.clear();
        line.locate(targets);
        line
    }

    /// It is at these places from now on. What was learnt of a place that stays is kept.
    pub(super) fn locate(&mut self, mut targets: Vec<Target>) {
        targets.sort();
        targets.dedup_by(|a, b| a.hop == b.hop);
        let stays = |hop: &Hop| targets.iter().any(|target| target.hop == *hop);
        self.health.retain(|hop, _| stays(hop));
        self.probes.retain(|hop, _| stays(hop));
        if self.switch.options.is_some() {
            for target in &targets {
                self.probes.entry(target.hop.clone()).or_insert(Probe { next: self.at, sent_at: None });
            }
        }
        self.targets = targets;
    }

    /// Legs that are live.
    pub(super) fn live(&self) -> u32 {
        self.live.load(Ordering::Relaxed)
    }

    /// Channels that are not in use; none: without bound.
    pub(super) fn free(&self) -> Option<u32> {
        self.switch.max_channels.map(|max| max.saturating_sub(self.live()))
    }

    fn tokens(&self, now: Mono) -> Option<u64> {
        let rate = u64::from(self.switch.max_calls_per_second?);
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        Some(self.tokens.saturating_add(passed.saturating_mul(rate)).min(rate * 1000))
    }

    /// Whether one more leg may begin.
    pub(super) fn has_room(&self, now: Mono) -> bool {
        let channel = self.switch.max_channels.is_none_or(|max| self.live() < max);
        channel && self.tokens(now).is_none_or(|tokens| tokens >= 1000)
    }

    /// Takes a channel and a place in this second.
    pub(super) fn take(&mut self, now: Mono, hop: &Hop) -> Option<Channel> {
        if !self.has_room(now) {
            return None;
        }
        if let Some(tokens) = self.tokens(now) {
            self.tokens = tokens.saturating_sub(1000);
            self.at = now;
        }
        self.live.fetch_add(1, Ordering::Relaxed);
        self.health_mut(hop).used(now);
        Some(Channel { live: Arc::clone(&self.live) })
    }

    pub(super) fn fit(&self, now: Mono, hop: &Hop) -> Fit {
        self.health.get(hop).map_or(Fit::Well, |health| health.fit(now))
    }

    /// Only places of the configuration are kept: a place that was left meanwhile is judged no more.
    pub(super) fn health_mut(&mut self, hop: &Hop) -> &mut Health {
        self.health.entry(hop.clone()).or_default()
    }

    pub(super) fn knows(&self, hop: &Hop) -> bool {
        self.targets.iter().any(|target| target.hop == *hop)
    }

    /// A leg may begin at this place, if there is room.
    pub(super) fn admits(&self, now: Mono, hop: &Hop) -> bool {
        !self.switch.drain && self.knows(hop) && self.fit(now, hop) != Fit::Resting
    }

    /// Some place of it works.
    pub(super) fn is_up(&self) -> bool {
        self.targets.iter().any(|target| self.health.get(&target.hop).is_none_or(Health::is_up))
    }

    /// Whether it works, if that changed since it was last asked.
    pub(super) fn news(&mut self) -> Option<bool> {
        let up = self.is_up();
        (self.was_up.replace(up) != Some(up)).then_some(up)
    }

    /// When the next OPTIONS is due.
    pub(super) fn next_probe(&self) -> Option<Mono> {
        self.probes.values().map(|probe| probe.next).min()
    }

    /// The places that are to be asked now. One that has not answered the last time has failed.
    pub(super) fn due_probes(&mut self, now: Mono) -> Vec<Hop> {
        let Some(every) = self.switch.options else { return Vec::new() };
        let mut due = Vec::new();
        let mut silent = Vec::new();
        for (hop, probe) in self.probes.iter_mut().filter(|(_, probe)| probe.next <= now) {
            if probe.sent_at.is_some() {
                silent.push(hop.clone());
            }
            *probe = Probe { next: now + every, sent_at: Some(now) };
            due.push(hop.clone());
        }
        for hop in silent {
            self.probe_failed(now, &hop);
        }
        // Whoever was down already is asked in the ordinary time: nothing is learnt by haste.
        for hop in due.iter().filter(|hop| self.health.get(hop).is_none_or(Health::is_up)) {
            if let Some(probe) = self.probes.get_mut(hop) {
                probe.next = now + every.min(ASK_AGAIN);
            }
        }
        due
    }

    /// What came of the probe that was sent at this moment. The silence of one that has a follower was counted with that.
    pub(super) fn probed(&mut self, now: Mono, hop: &Hop, sent_at: Mono, alive: bool) {
        let Some(probe) = self.probes.get_mut(hop) else { return };
        let latest = probe.sent_at == Some(sent_at);
        if latest {
            probe.sent_at = None;
        }
        let every = self.switch.options.unwrap_or_default();
        match alive {
            true if latest => {
                probe.next = sent_at + every;
                self.health_mut(hop).succeeded();
            }
            true => self.health_mut(hop).succeeded(),
            false if latest => {
                self.probe_failed(now, hop);
                let soon = if self.health_mut(hop).is_up() { every.min(ASK_AGAIN) } else { every };
                if let Some(probe) = self.probes.get_mut(hop) {
                    probe.next = now + soon;
                }
            }
            false => {}
        }
    }

    /// A probe is a try of its own: it lengthens the wait like a call that failed.
    fn probe_failed(&mut self, now: Mono, hop: &Hop) {
        let health = self.health_mut(hop);
        health.used(now);
        health.failed(now);
    }

    /// Every address that it may speak to us from.
    pub(super) fn sources(&self) -> impl Iterator<Item = IpAddr> {
        let own = self.targets.iter().map(|target| target.hop.address.ip());
        self.switch.sources.iter().copied().chain(own)
    }
}

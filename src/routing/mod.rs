//! Which switch carries a destination, and which next when it cannot: the longest prefix, then by weight, then by the look-up's
//! priorities; without those that are drained, full, too fast, broken or resting. Pure: the caller brings time and draws.
//!
//! Owns the meaning of `[[switch]]` but for SIP's manners, the channels in use and what was learnt of each place's health.
//! Refuses to send, to look up and to know calls.

pub mod health;
mod line;
mod order;
mod reach;
mod reserve;
mod switch;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rand::RngCore;

use crate::clock::Mono;
use crate::model::{Endpoint, Hop, Target};
use health::Fit;
pub use line::Channel;
use line::Line;
use order::by_weight;
use reach::reach;
pub use reserve::{Claim, Lines, Short};
pub use switch::Switch;

/// Every configured switch and what is known of it now.
#[derive(Debug, Default)]
pub struct Routing {
    lines: Vec<Line>,
    claims: reserve::Claims,
    next_line: u32,
}

/// One that may carry a leg.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The switch.
    pub switch: Arc<Switch>,
    /// The place of it.
    pub hop: Hop,
}

/// Why there is no candidate now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Blocked {
    /// No switch serves this destination.
    #[error("no switch serves this destination")]
    Unserved,
    /// Those that do are full, drained, resting or not found yet: later.
    #[error("no switch of this destination has a free channel")]
    Busy,
}

/// Why a try at a place failed: the word of `callbridge_switch_failures_total{reason}`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Failure {
    /// No response at all in time.
    Silent,
    /// It took the INVITE (100) and then said nothing in time.
    Stalled,
    /// No connection.
    Unreachable,
    /// 503.
    OutOfService,
    /// 502 or 504: it works, what lies behind does not.
    Behind,
    /// OPTIONS was not answered, or with 503 or 408.
    Probe,
}

impl Failure {
    /// Every one.
    pub const ALL: [Failure; 6] = [
        Failure::Silent,
        Failure::Stalled,
        Failure::Unreachable,
        Failure::OutOfService,
        Failure::Behind,
        Failure::Probe,
    ];

    /// In metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Failure::Silent => "silent",
            Failure::Stalled => "stalled",
            Failure::Unreachable => "unreachable",
            Failure::OutOfService => "out_of_service",
            Failure::Behind => "behind",
            Failure::Probe => "probe",
        }
    }
}

/// A switch as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchView {
    /// Its name.
    pub name: String,
    /// Some place of it works.
    pub up: bool,
    /// In maintenance.
    pub drained: bool,
    /// Legs that are live.
    pub channels: u32,
    /// Its places, and whether each works.
    pub places: Vec<(Hop, bool)>,
}

impl Routing {
    /// Takes the configured switches in their order.
    pub fn new(switches: Vec<Switch>) -> Routing {
        let mut routing = Routing::default();
        routing.reconfigure(switches);
        routing
    }

    /// Other switches from now on; those whose name stays keep their channels and what was learnt of them.
    pub fn reconfigure(&mut self, switches: Vec<Switch>) {
        let mut old = std::mem::take(&mut self.lines);
        for switch in switches {
            let known = old.iter().position(|line| line.switch.name == switch.name);
            let line = match known {
                Some(at) => old.swap_remove(at).reconfigured(switch),
                None => {
                    self.next_line += 1;
                    Line::new(self.next_line, switch)
                }
            };
            self.lines.push(line);
        }
    }

    /// A switch's name was looked up: these are its places now. An unknown name is old news.
    pub fn locate(&mut self, switch: &str, targets: Vec<Target>) {
        if let Some(line) = self.line(switch).filter(|line| line.switch.address.is_name()) {
            line.locate(targets);
        }
    }

    /// True when some switch serves this destination, whatever its state.
    pub fn covers(&self, endpoint: &Endpoint) -> bool {
        self.lines.iter().any(|line| reach(line, endpoint).is_some())
    }

    /// True when `host` is a switch itself, by name or address.
    pub fn is_switch(&self, host: &str) -> bool {
        self.lines.iter().any(|line| reach::is_itself(line, host))
    }

    /// Whether a leg to this destination could begin now.
    pub fn room(&self, now: Mono, endpoint: &Endpoint) -> Result<(), Blocked> {
        let ready = self.serving(endpoint)?.any(|line| {
            let rests = |target: &Target| line.fit(now, &target.hop) == Fit::Resting;
            line.has_room(now) && !line.targets.iter().all(rests)
        });
        if ready { Ok(()) } else { Err(Blocked::Busy) }
    }

    /// Those that may carry a leg to this destination, in the order to be tried. Where all of them are broken they are tried
    /// all the same: a breaker chooses among switches, it never refuses the last one.
    pub fn candidates(&self, now: Mono, endpoint: &Endpoint, rng: &mut dyn RngCore) -> Result<Vec<Candidate>, Blocked> {
        let ready: Vec<&Line> = self.serving(endpoint)?.filter(|line| line.has_room(now)).collect();
        let mut found: Vec<(Fit, Candidate)> = Vec::new();
        for line in by_weight(ready, |line| line.switch.weight, rng) {
            for target in in_order(&line.targets, rng) {
                let candidate = Candidate { switch: Arc::clone(&line.switch), hop: target.hop.clone() };
                found.push((line.fit(now, &target.hop), candidate));
            }
        }
        found.retain(|(fit, _)| *fit != Fit::Resting);
        let best = found.iter().map(|(fit, _)| *fit).min().ok_or(Blocked::Busy)?;
        // The one trial call of a place that was broken goes there first: if it fails again, a sound one takes over.
        let trial =
            found.iter().position(|(fit, _)| *fit == Fit::Trial).filter(|_| best == Fit::Well && found.len() > 1);
        let trial = trial.map(|at| found.remove(at).1);
        found.retain(|(fit, _)| best == Fit::Broken || *fit <= Fit::Trial);
        found.sort_by_key(|(fit, _)| *fit);
        Ok(trial.into_iter().chain(found.into_iter().map(|(_, candidate)| candidate)).collect())
    }

    /// Lines that serve the destination: of those that take calls, the ones with the longest prefix.
    fn serving(&self, endpoint: &Endpoint) -> Result<impl Iterator<Item = &Line>, Blocked> {
        if !self.covers(endpoint) {
            return Err(Blocked::Unserved);
        }
        let open = || self.lines.iter().filter(|line| !line.switch.drain);
        let longest = open().filter_map(|line| reach(line, endpoint)).max().ok_or(Blocked::Busy)?;
        let serving: Vec<&Line> = open().filter(|line| reach(line, endpoint) == Some(longest)).collect();
        Ok(serving.into_iter())
    }

    /// Whether [`Routing::take`] would find a channel.
    pub fn is_ready(&self, now: Mono, candidate: &Candidate) -> bool {
        let line = self.lines.iter().find(|line| line.switch.name == candidate.switch.name);
        line.is_some_and(|line| line.admits(now, &candidate.hop) && line.has_room(now))
    }

    /// Takes a channel of a candidate; none when meanwhile it has become full, was drained, is elsewhere or wants to be left
    /// alone.
    pub fn take(&mut self, now: Mono, candidate: &Candidate) -> Option<Channel> {
        let line = self.line(&candidate.switch.name).filter(|line| line.admits(now, &candidate.hop))?;
        line.take(now, &candidate.hop)
    }

    /// A place answered a call with anything that shows it alive.
    pub fn succeeded(&mut self, switch: &str, hop: &Hop) {
        if let Some(line) = self.place(switch, hop) {
            line.health_mut(hop).succeeded();
        }
    }

    /// A try at a place failed. A place that said how long it wants to be left alone is left alone.
    pub fn failed(&mut self, now: Mono, switch: &str, hop: &Hop, why: Failure, retry_after: Option<Duration>) {
        let Some(line) = self.place(switch, hop) else { return };
        match (why, retry_after) {
            (Failure::Behind, _) => line.health_mut(hop).succeeded(),
            (Failure::OutOfService, Some(time)) => line.health_mut(hop).rests(now, time),
            _ => line.health_mut(hop).failed(now),
        }
    }

    /// When [`Routing::due_probes`] should be asked again.
    pub fn next_probe(&self) -> Option<Mono> {
        self.lines.iter().filter_map(Line::next_probe).min()
    }

    /// The places that are to be asked with OPTIONS now. Each is answered by [`Routing::probed`].
    pub fn due_probes(&mut self, now: Mono) -> Vec<Candidate> {
        let mut due = Vec::new();
        for line in &mut self.lines {
            let hops = line.due_probes(now);
            due.extend(hops.into_iter().map(|hop| Candidate { switch: Arc::clone(&line.switch), hop }));
        }
        due
    }

    /// What came of the probe that was sent at this moment.
    pub fn probed(&mut self, now: Mono, switch: &str, hop: &Hop, sent_at: Mono, alive: bool) {
        if let Some(line) = self.place(switch, hop) {
            line.probed(now, hop, sent_at, alive);
        }
    }

    /// Switches that went up or down since this was last asked.
    pub fn news(&mut self) -> Vec<(String, bool)> {
        let news = |line: &mut Line| line.news().map(|up| (line.switch.name.clone(), up));
        self.lines.iter_mut().filter_map(news).collect()
    }

    /// How they fare.
    pub fn views(&self, now: Mono) -> Vec<SwitchView> {
        let view = |line: &Line| SwitchView {
            name: line.switch.name.clone(),
            up: line.is_up(),
            drained: line.switch.drain,
            channels: line.live(),
            places: line.targets.iter().map(|t| (t.hop.clone(), line.fit(now, &t.hop) == Fit::Well)).collect(),
        };
        self.lines.iter().map(view).collect()
    }

    /// For each switch, the addresses that SIP is accepted from and the name in its certificate.
    pub fn doors(&self) -> impl Iterator<Item = (Vec<IpAddr>, Option<Arc<str>>)> {
        self.lines.iter().map(|line| {
            let name = line.targets.iter().find_map(|target| target.hop.name.clone());
            (line.sources().collect(), name)
        })
    }

    /// The places of a switch, the preferred first; none when it was not found yet.
    pub fn places(&self, switch: &str) -> Vec<Hop> {
        let line = self.lines.iter().find(|line| line.switch.name == switch);
        line.map(|line| line.targets.iter().map(|target| target.hop.clone()).collect()).unwrap_or_default()
    }

    /// Channels that are out: zero when no leg is left.
    pub fn channels_out(&self) -> u32 {
        self.lines.iter().map(Line::live).sum()
    }

    fn line(&mut self, name: &str) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.switch.name == name)
    }

    fn place(&mut self, switch: &str, hop: &Hop) -> Option<&mut Line> {
        self.line(switch).filter(|line| line.knows(hop))
    }
}

/// RFC 2782: priorities upwards, among equals by weight.
fn in_order<'a>(targets: &'a [Target], rng: &mut dyn RngCore) -> Vec<&'a Target> {
    let chunks = targets.chunk_by(|a, b| a.priority == b.priority);
    chunks.flat_map(|equals| by_weight(equals.iter().collect(), |target| target.weight.into(), rng)).collect()
}

/// An endpoint as a URI: a number at this authority (`host` or `host:port`), an address as itself.
pub fn uri(endpoint: &Endpoint, authority: &str) -> String {
    match endpoint {
        Endpoint::Number(number) => format!("sip:{}@{authority};user=phone", number.e164),
        Endpoint::Sip(sip) => sip.uri.clone(),
        Endpoint::Ip(ip, port) => format!("sip:{}", SocketAddr::new(*ip, port.unwrap_or(5060))),
    }
}

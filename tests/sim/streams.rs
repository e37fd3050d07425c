//! SIP over TCP in a world: which hosts speak it, how they treat their connections, and what befalls these. Owns the drawing, from
//! a generator of its own; acting it out is `lines`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use crate::topology::{SwitchPlan, Turn};

/// How a host treats connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// Its own requests go over whatever connection there is; else only over one that it opened (RFC 3261 §18.1.1).
    pub reuses: bool,
    /// One on which nothing was said for so long is closed.
    pub closes_after: Option<Duration>,
    /// What a broken connection may have lost of its own requests is said again over another one; else it is given up.
    pub resends: bool,
    /// That a connection broke is noticed within this, on either side.
    pub notices: Duration,
}

impl Manner {
    /// It reuses connections and never closes one.
    pub const PLAIN: Manner =
        Manner { reuses: true, closes_after: None, resends: false, notices: Duration::from_millis(1) };
}

/// What befalls connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upset {
    /// Those of a host break, with what is on the way.
    Breaks(usize),
    /// A host is gone for so long: its connections break, and new ones are refused, or (`silently`) never answered.
    Shut {
        /// Which.
        host: usize,
        /// For so long.
        lasts: Duration,
        /// No word comes back.
        silently: bool,
    },
}

/// All of a world's.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// Who speaks SIP over TCP.
    pub hosts: BTreeMap<usize, Manner>,
    /// What befalls them, and when.
    pub upsets: Vec<(Duration, Upset)>,
}

impl Streams {
    /// Nothing is ever lost.
    pub fn calm(&self) -> bool {
        self.upsets.is_empty() && self.hosts.values().all(|manner| manner.closes_after.is_none())
    }

    /// Something may befall this host, or it closes connections by itself.
    pub fn troubles(&self, host: usize) -> bool {
        self.hosts.contains_key(&host) && !self.calm()
    }
}

/// In a third of the worlds some switches speak SIP over TCP; `until` is when trouble ends, where there is any.
pub fn draw(rng: &mut StdRng, switches: &[SwitchPlan], turns: &[(Duration, Turn)], until: Option<Duration>) -> Streams {
    let mut streams = Streams::default();
    if !rng.random_bool(0.35) {
        return streams;
    }
    let later = |at: usize| {
        turns.iter().flat_map(move |(_, turn)| match turn {
            Turn::Places(switch, places) if *switch == at => places.clone(),
            _ => Vec::new(),
        })
    };
    for (at, switch) in switches.iter().enumerate() {
        if rng.random_bool(0.7) {
            for host in switch.places.iter().copied().chain(later(at)) {
                streams.hosts.insert(host, manner(rng, until.is_some()));
            }
        }
    }
    let Some(until) = until.filter(|_| rng.random_bool(0.85)) else { return streams };
    for host in streams.hosts.keys().copied() {
        let mut at = || Duration::from_millis(rng.random_range(0..until.as_millis() as u64));
        let (first, second, third) = (at(), at(), at());
        if rng.random_bool(0.8) {
            streams.upsets.push((first, Upset::Breaks(host)));
        }
        if rng.random_bool(0.4) {
            streams.upsets.push((second, Upset::Breaks(host)));
        }
        if rng.random_bool(0.5) {
            let lasts = Duration::from_millis(rng.random_range(1..9_000));
            streams.upsets.push((third, Upset::Shut { host, lasts, silently: rng.random_bool(0.3) }));
        }
    }
    streams.upsets.sort_by_key(|(at, _)| *at);
    streams
}

fn manner(rng: &mut StdRng, trouble: bool) -> Manner {
    let notices = [1, 1, 50, 400, 4_000][rng.random_range(0..5)];
    let closes_after = rng.random_bool(0.2).then(|| Duration::from_millis(rng.random_range(200..4_000)));
    Manner {
        reuses: rng.random(),
        closes_after: closes_after.filter(|_| trouble),
        resends: rng.random(),
        notices: Duration::from_millis(notices),
    }
}

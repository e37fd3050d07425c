//! The switches of a world and what befalls them: prefixes, weights, bounds, places that a look-up names, moods that come and
//! go, maintenance, redirections. Owns the drawing, from a generator of its own; acting it out is `turns`'s, judging `roads`'s.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use callbridge::model::Hop;
use callbridge::phone::manners::Refusal;
use callbridge::phone::{Behaviour, Then};
use rand::Rng;
use rand::rngs::StdRng;

use crate::plan::{Party, Wish, draw_behaviour, draw_wish};
use crate::streams::Streams;

/// How a host treats what reaches it from outside of its calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// As its phones are.
    Well,
    /// Nothing new reaches it: no INVITE, no OPTIONS, no REGISTER.
    Deaf,
    /// 503 to everything new.
    Busy,
    /// 503 with a Retry-After of so many seconds to every INVITE.
    Rests(u32),
}

/// One switch.
#[derive(Clone, Debug)]
pub struct SwitchPlan {
    /// In records.
    pub name: &'static str,
    /// What it serves.
    pub prefixes: Vec<&'static str>,
    /// Its share.
    pub weight: u32,
    /// Legs at once.
    pub max_channels: Option<u32>,
    /// New legs a second.
    pub max_calls_per_second: Option<u32>,
    /// OPTIONS this often.
    pub options: Option<Duration>,
    /// It wants to be registered with, and grants so many seconds at most.
    pub registers: Option<u32>,
    /// It has a name, and a look-up says its places.
    pub named: bool,
    /// Hosts, in the order of their priority.
    pub places: Vec<usize>,
}

impl SwitchPlan {
    fn at(name: &'static str, prefix: &'static str, host: usize) -> SwitchPlan {
        SwitchPlan {
            name,
            prefixes: vec![prefix],
            weight: 1,
            max_channels: None,
            max_calls_per_second: None,
            options: None,
            registers: None,
            named: false,
            places: vec![host],
        }
    }

    /// The length of its longest prefix of a number.
    pub fn reach(&self, number: &str) -> Option<usize> {
        self.prefixes.iter().filter(|prefix| number.starts_with(**prefix)).map(|prefix| prefix.len()).max()
    }

    /// It takes whatever comes, as far as its bounds go.
    pub fn is_wide(&self) -> bool {
        self.max_channels.is_none() && self.max_calls_per_second.is_none()
    }
}

/// Something that happens to the switches.
#[derive(Clone, Debug)]
pub enum Turn {
    /// A host's mood from now on.
    Mood(usize, Mood),
    /// A look-up names other places of a switch.
    Places(usize, Vec<usize>),
    /// A switch goes into maintenance, or comes back.
    Drain(usize, bool),
    /// Nobody is asked by OPTIONS or registered with any more, so that the world can come to rest.
    Close,
}

/// All of them.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The switches, in their order in the configuration.
    pub switches: Vec<SwitchPlan>,
    /// Without a response for so long another one is tried.
    pub answer: Duration,
    /// 3xx followed per leg.
    pub max_redirects: u8,
    /// What befalls them, in time order.
    pub turns: Vec<(Duration, Turn)>,
    /// As simple as it can be: what a call comes to does not depend on it.
    pub plain: bool,
    /// Who of them speaks SIP over TCP.
    pub streams: Streams,
}

/// The SIP address of a host.
pub fn host(index: usize) -> SocketAddr {
    let last = 11 + u8::try_from(index).expect("few hosts");
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060))
}

impl Topology {
    /// One switch for everything, or a second one for representatives.
    pub fn plain(two_switches: bool) -> Topology {
        let mut switches = vec![SwitchPlan::at("ssp-a", "+1", 0)];
        if two_switches {
            switches.push(SwitchPlan::at("ssp-b", "+1646", 1));
        }
        let (answer, max_redirects) = (Duration::from_secs(5), 3);
        Topology { switches, answer, max_redirects, turns: Vec::new(), plain: true, streams: Streams::default() }
    }

    /// Every host there is; two at least.
    pub fn hosts(&self) -> usize {
        let of_turn = |turn: &Turn| if let Turn::Places(_, places) = turn { places.clone() } else { Vec::new() };
        let places = self.switches.iter().flat_map(|switch| switch.places.clone());
        let later = self.turns.iter().flat_map(|(_, turn)| of_turn(turn));
        places.chain(later).max().unwrap_or(0).max(1) + 1
    }

    /// Where a host takes SIP, and what carries it.
    pub fn hop(&self, place: usize) -> Hop {
        if self.streams.hosts.contains_key(&place) { Hop::tcp(host(place)) } else { Hop::udp(host(place)) }
    }

    /// Nothing ever befalls this switch: one place, known from the start, never in another mood, never in maintenance, always
    /// to be connected.
    pub fn is_steady(&self, switch: usize) -> bool {
        let plan = &self.switches[switch];
        let touched = |turn: &Turn| match turn {
            Turn::Mood(host, mood) => plan.places.contains(host) && *mood != Mood::Well,
            Turn::Drain(other, _) => *other == switch,
            Turn::Places(other, _) => *other == switch,
            Turn::Close => false,
        };
        let troubled = plan.places.iter().any(|place| self.streams.troubles(*place));
        !plan.named && plan.is_wide() && !troubled && !self.turns.iter().any(|(_, turn)| touched(turn))
    }
}

/// Several switches for one number, more calls, and trouble until `until`.
pub fn draw(rng: &mut StdRng, wishes: &mut Vec<Wish>, until: Duration) -> Topology {
    for n in wishes.len() as u16..rng.random_range(3..6) {
        wishes.push(draw_wish(rng, n, until));
    }
    let names = ["ssp-a", "ssp-b", "ssp-c", "ssp-d"];
    let count = rng.random_range(1..=names.len());
    let mut hosts = count;
    let mut switches = Vec::new();
    for (at, name) in names.into_iter().take(count).enumerate() {
        let mut switch =
            SwitchPlan::at(name, ["+1", "+1", "+1", "+1212", "+1646", "+1212555"][rng.random_range(0..6)], at);
        if at == 0 {
            switch.prefixes = vec!["+1"];
        }
        switch.weight = [0, 1, 1, 5][rng.random_range(0..4)];
        switch.max_channels = rng.random_bool(0.25).then(|| rng.random_range(1..4));
        switch.max_calls_per_second = rng.random_bool(0.15).then(|| rng.random_range(1..3));
        switch.options = rng.random_bool(0.4).then(|| Duration::from_millis(rng.random_range(700..2_500)));
        switch.registers = rng.random_bool(0.3).then(|| rng.random_range(12..40));
        switch.named = rng.random_bool(0.3);
        if switch.named && rng.random_bool(0.5) {
            switch.places.push(hosts);
            hosts += 1;
        }
        switches.push(switch);
    }
    let mut turns = Vec::new();
    let most = until.as_millis() as u64;
    for host in 0..hosts {
        if rng.random_bool(0.5) {
            let from = rng.random_range(0..most);
            let mood = match rng.random_range(0..4) {
                0 => Mood::Rests(rng.random_range(1..12)),
                1 | 2 => Mood::Busy,
                _ => Mood::Deaf,
            };
            turns.push((Duration::from_millis(from), Turn::Mood(host, mood)));
            turns.push((Duration::from_millis(rng.random_range(from..=most)), Turn::Mood(host, Mood::Well)));
        }
    }
    for (at, switch) in switches.iter().enumerate() {
        if rng.random_bool(0.15) {
            let from = rng.random_range(0..most);
            turns.push((Duration::from_millis(from), Turn::Drain(at, true)));
            turns.push((Duration::from_millis(rng.random_range(from..=most)), Turn::Drain(at, false)));
        }
        if switch.named && rng.random_bool(0.6) {
            let from = Duration::from_millis(rng.random_range(500..most));
            turns.push((from, Turn::Places(at, vec![hosts])));
            hosts += 1;
        }
    }
    // Failed registrations have come right by then.
    turns.push((until + Duration::from_secs(100), Turn::Close));
    turns.sort_by_key(|(at, _)| *at);
    for wish in wishes.iter_mut() {
        redirections(rng, wish);
    }
    let answer = Duration::from_millis([1_000, 1_500, 2_500][rng.random_range(0..3)]);
    Topology {
        switches,
        answer,
        max_redirects: rng.random_range(0..4),
        turns,
        plain: false,
        streams: Streams::default(),
    }
}

/// A customer who has moved, and perhaps back again; a representative whose switch sends us in a circle or abroad.
fn redirections(rng: &mut StdRng, wish: &mut Wish) {
    let moved = |to: Vec<String>, behaviour: &mut Behaviour, after: u64| {
        behaviour.then = Then::Refuse { after: Duration::from_millis(after), status: 302 };
        behaviour.refusal = Refusal { contacts: to, ..Refusal::default() };
    };
    let contact = |number: &str| format!("<sip:{number}@192.0.2.11;user=phone>");
    if rng.random_bool(0.2) {
        let own = wish.customer.number.clone();
        let number = |step: usize| format!("{}8{step}{}", &own[..9], &own[11..]);
        let steps = rng.random_range(1..6);
        for step in 0..steps {
            let mut behaviour = draw_behaviour(rng, 1_000);
            behaviour.sound = wish.customer.behaviour.sound;
            wish.elsewhere.push(Party { number: number(step), extension: None, behaviour });
        }
        let back = rng.random_bool(0.4);
        let ends: Vec<String> = wish.elsewhere.iter().map(|party| contact(&party.number)).collect();
        let parties = std::iter::once(&mut wish.customer).chain(&mut wish.elsewhere);
        for (step, party) in parties.enumerate() {
            let mut to: Vec<String> = ends.get(step).cloned().into_iter().collect();
            if to.is_empty() && back {
                to = vec![contact(&own)];
            }
            if rng.random_bool(0.2) {
                to.push("<sip:+442079460000@192.0.2.11;user=phone>".to_owned());
            }
            if !to.is_empty() {
                moved(to, &mut party.behaviour, rng.random_range(0..300));
            }
        }
    }
    if rng.random_bool(0.1) {
        let party = &mut wish.representatives[0];
        let to = if rng.random() { contact(&party.number) } else { "<sip:+442079460000@192.0.2.11>".to_owned() };
        moved(vec![to], &mut party.behaviour, rng.random_range(0..300));
    }
}

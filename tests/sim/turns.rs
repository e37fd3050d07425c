//! What befalls the switches, acted out: moods, look-ups, maintenance, and at last the quiet in which a world comes to rest.
//! Owns the present state of the switches; what must hold meanwhile is judged in `roads`.

use std::net::SocketAddr;
use std::time::Duration;

use callbridge::engine::api::Input;
use callbridge::model::Target;
use callbridge::phone::manners::Refusal;
use callbridge::phone::message::{Message, uri_of};
use callbridge::phone::{Behaviour, OnOptions, Phone, RegistrarFlaw};

use crate::plan::Plan;
use crate::promises::Promise;
use crate::setup::engine_config;
use crate::topology::{Mood, Topology, Turn, host};
use crate::world::{Event, World};

/// The switches as they are now.
#[derive(Clone, Debug)]
pub struct Present {
    /// Of each host.
    pub moods: Vec<Mood>,
    /// Hosts of each switch.
    pub places: Vec<Vec<usize>>,
    /// In maintenance.
    pub drained: Vec<bool>,
    /// Nobody is asked by OPTIONS any more.
    pub closed: bool,
}

impl Present {
    /// At the beginning of a world.
    pub fn of(topology: &Topology) -> Present {
        Present {
            moods: vec![Mood::Well; topology.hosts()],
            places: topology.switches.iter().map(|switch| switch.places.clone()).collect(),
            drained: vec![false; topology.switches.len()],
            closed: false,
        }
    }

    /// Where a look-up finds a switch.
    pub fn targets(&self, topology: &Topology, switch: usize) -> Vec<Target> {
        let target = |(priority, place): (u16, &usize)| Target { priority, weight: 1, hop: topology.hop(*place) };
        (0..).zip(&self.places[switch]).map(target).collect()
    }
}

impl World {
    /// What befalls the switches, as the plan says.
    pub(crate) fn begin_turns(&mut self) {
        for (at, (after, _)) in self.plan.topology.turns.clone().into_iter().enumerate() {
            self.after(after, Event::Turn(at));
        }
    }

    /// An engine that has just started looks its switches up.
    pub(crate) fn look_up_all(&mut self) {
        for switch in 0..self.plan.topology.switches.len() {
            if self.plan.topology.switches[switch].named {
                self.after(Duration::from_millis(3), Event::Resolved(switch));
            }
        }
    }

    /// The look-up of a switch has an answer.
    pub(crate) fn resolved(&mut self, switch: usize) {
        let name = self.plan.topology.switches[switch].name.to_owned();
        let targets = self.present.targets(&self.plan.topology, switch);
        self.note(|| format!("{name} is at {targets:?}"));
        self.roads.places(&self.plan.topology, &self.present);
        if self.planted.looks_up(self.life, switch) {
            self.tell_engine(Input::Resolved { switch: name, targets });
        }
    }

    pub(crate) fn turn(&mut self, at: usize) {
        let (_, turn) = self.plan.topology.turns[at].clone();
        self.note(|| format!("{turn:?}"));
        match turn {
            Turn::Mood(host, mood) => {
                self.present.moods[host] = mood;
                let wishes = &self.plan;
                humour(wishes, &mut self.phones[host].1, mood);
            }
            Turn::Places(switch, places) => {
                self.present.places[switch] = places;
                self.resolved(switch);
            }
            Turn::Drain(switch, drained) => {
                self.present.drained[switch] = drained;
                self.reconfigure();
            }
            Turn::Close => {
                self.came_back();
                self.registered();
                self.present.closed = true;
                self.reconfigure();
            }
        }
    }

    fn reconfigure(&mut self) {
        self.roads.reconfigured();
        let mut config = engine_config(&self.plan, &self.present);
        self.planted.configure(&mut config);
        if let Some(engine) = &mut self.engine {
            engine.reconfigure(config);
        }
        self.drain_engine();
    }

    /// Long after the last trouble every switch that is asked whether it lives is known to live.
    fn came_back(&mut self) {
        let now = self.now_pair();
        let views = self.engine.as_ref().map(|engine| engine.switches(now)).unwrap_or_default();
        for (view, plan) in views.iter().zip(self.plan.topology.switches.clone()) {
            if plan.options.is_some() && !(view.up && view.places.iter().all(|(_, well)| *well)) {
                self.blame(Promise::SwitchesComeBack, format!("{view:?}, and nothing ails it"));
            }
        }
    }

    /// Long after the last trouble every switch that wants it is registered with.
    fn registered(&mut self) {
        for at in 0..self.plan.topology.switches.len() {
            let plan = &self.plan.topology.switches[at];
            let (name, phone) = (plan.name, &self.phones[self.present.places[at][0]].1);
            let aor = format!("sip:callbridge@{name}.example");
            let bound = phone.bindings().get(&aor).is_some_and(|binding| binding.until > self.now);
            if plan.registers.is_some() && !bound {
                self.blame(Promise::RegistrationsAreKept, format!("{name} knows us no more"));
            }
        }
    }

    /// A REGISTER that nothing held up does not come after its binding has lapsed.
    pub(crate) fn refreshed(&mut self, to: SocketAddr, bytes: &[u8]) {
        let Some(index) = (0..self.phones.len()).find(|at| host(*at) == to) else { return };
        let Some(aor) = Message::parse(bytes).ok().and_then(|message| message.get("To").map(uri_of)) else { return };
        let held_up = |turn: &Turn| matches!(turn, Turn::Mood(..) | Turn::Places(..));
        let whole = self.plan.topology.streams.calm();
        let smooth = self.plan.faults.weather.is_none() && self.crashed.is_empty() && whole;
        let lapsed = self.phones[index].1.bindings().get(aor).is_some_and(|binding| binding.until < self.now);
        if lapsed && smooth && !self.plan.topology.turns.iter().any(|(_, turn)| held_up(turn)) {
            self.blame(Promise::RegistrationsAreKept, format!("{aor} had lapsed before it was refreshed"));
        }
    }

    /// False: a host in this mood never sees the message.
    pub(crate) fn reaches(&self, to: SocketAddr, bytes: &[u8]) -> bool {
        let deaf = (0..self.present.moods.len()).any(|at| host(at) == to && self.present.moods[at] == Mood::Deaf);
        let head = bytes.split(|b| *b == b'\n').take_while(|line| line.len() > 1);
        let in_dialog = || head.clone().any(|line| line.starts_with(b"To:") && line.windows(5).any(|w| w == b";tag="));
        let begins = ["INVITE ", "OPTIONS ", "REGISTER "].iter().any(|method| bytes.starts_with(method.as_bytes()));
        !(deaf && begins && !in_dialog())
    }
}

/// The phones of a host take new calls in this mood.
fn humour(plan: &Plan, phone: &mut Phone, mood: Mood) {
    let refusal = |retry_after| Behaviour {
        ring_after: None,
        refusal: Refusal { retry_after, ..Refusal::default() },
        ..Behaviour::refusing(Duration::ZERO, 503)
    };
    let instead = match mood {
        Mood::Well | Mood::Deaf => None,
        Mood::Busy => Some(refusal(None)),
        Mood::Rests(seconds) => Some(refusal(Some(seconds))),
    };
    let busy = mood == Mood::Busy;
    phone.config().on_options = OnOptions::Answer(if busy { 503 } else { 200 });
    if let Some(registrar) = &mut phone.config().registrar {
        registrar.flaw = busy.then_some(RegistrarFlaw::Busy(8));
    }
    for party in plan.wishes.iter().flat_map(crate::plan::Wish::parties) {
        phone.expect(&party.number, instead.clone().unwrap_or_else(|| party.behaviour.clone()));
    }
}

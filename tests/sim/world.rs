//! The world: one heap of (time, number, event), one equipment, two switches full of phones, one network, one store. Owns
//! virtual time and the order of things; what must hold is judged in `promises`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use callbridge::clock::{Mono, Now, Wall};
use callbridge::engine::Engine;
use callbridge::engine::api::{Input, Output, ReplyTo};
use callbridge::media::api::{self as media_api, Prompts};
use callbridge::model::{CallId, Hop, InitiationMessage};
use callbridge::phone::{Phone, Story};
use callbridge::sip::api::Loss;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::consent::Tapes;
use crate::contact;
use crate::lines::{LineEvent, Lines};
use crate::media::Media;
use crate::plan::{EQUIPMENT, Plan, Wish};
use crate::planted::{Bug, Planted};
use crate::promises::{Broken, Promise};
use crate::roads::Roads;
use crate::setup::{EPOCH, EQUIPMENT_RTP, address, business, phones, whose};
use crate::store::Store;
use crate::supervisors::{Step, Visits};
use crate::turns::Present;

/// What can happen.
pub(crate) enum Event {
    /// A datagram arrives at this SIP address.
    Sip { to: SocketAddr, from: SocketAddr, bytes: Arc<[u8]> },
    /// A connection to a switch that has no TCP could not be made.
    NoTcp(Hop),
    /// Of a switch that has TCP.
    Line(LineEvent),
    /// A packet arrives at this RTP address.
    Rtp { to: SocketAddr, from: SocketAddr, bytes: Vec<u8> },
    /// Media has something to say to the engine of this life.
    Media(u32, media_api::Event),
    /// A commit of this life is over.
    Commit(u32),
    /// A wish is posted.
    Post(usize),
    /// DELETE for a wish.
    Delete(usize, CallId),
    /// GET for a wish.
    Get(usize, CallId),
    /// The customer of a wish, who could not be reached, picks up from now on.
    Reachable(usize),
    /// Something is asked about a supervisor of a wish.
    Supervise(usize, usize, Step),
    /// The equipment comes up again.
    Restart,
    /// A planted bug puts this out now.
    Late(Box<Output>),
    /// The wall clock jumps.
    Jump(i64),
    /// A look-up of a switch has its answer.
    Resolved(usize),
    /// Something befalls the switches.
    Turn(usize),
    /// The liveness phase begins.
    FaultsEnd,
}

/// What was asked over HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    Post(usize),
    Delete(usize, CallId),
    Get(usize),
    Supervise(usize, usize, Step),
}

/// What became of a wish at the HTTP interface.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// It was posted.
    pub posted: bool,
    /// Calls that were answered with 202, or named in a replay.
    pub calls: Vec<CallId>,
    /// It was refused, in words.
    pub refused: Option<String>,
    /// A DELETE was sent.
    pub deleted: bool,
    /// Its supervisors.
    pub visits: Visits,
}

/// Whose phone rings at a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Who {
    /// The customer of a wish.
    Customer(usize),
    /// A representative of a wish, by place in the hunt.
    Representative(usize, usize),
    /// Somebody whom the customer of a wish is to be transferred to, by place.
    Target(usize, usize),
    /// A supervisor of a wish, by place.
    Supervisor(usize, usize),
}

/// A running world.
pub struct World {
    /// What it was made from.
    pub plan: Plan,
    /// Virtual time.
    pub now: Mono,
    /// The store, which outlives crashes.
    pub store: Store,
    /// What HTTP clients saw, per wish.
    pub fates: Vec<Fate>,
    /// Stories of calls that are wholly over.
    pub told: Vec<Story>,
    /// Broken promises found on the way.
    pub broken: Vec<Broken>,
    /// Moments of crashes.
    pub crashed: Vec<Mono>,
    /// The trace, when one is wanted.
    pub trace: Option<Vec<String>>,
    /// Ladder lines, when a trace is wanted.
    pub ladder: Vec<String>,
    pub(crate) engine: Option<Engine>,
    pub(crate) media: Media,
    pub(crate) phones: Vec<(SocketAddr, Phone)>,
    /// Connections between them and the equipment.
    pub(crate) lines: Lines,
    /// The switches as they are.
    pub(crate) present: Present,
    /// What they saw.
    pub(crate) roads: Roads,
    pub(crate) whose: BTreeMap<String, Who>,
    /// Calls whose record was made.
    pub(crate) over: BTreeSet<CallId>,
    /// INVITEs that were sent already.
    pub(crate) invites: BTreeSet<Arc<[u8]>>,
    pub(crate) dialled_before: Vec<usize>,
    pub(crate) asked: BTreeMap<ReplyTo, Asked>,
    heap: BinaryHeap<Reverse<(Mono, u64, Slot)>>,
    events: BTreeMap<u64, Event>,
    pub(crate) rng: StdRng,
    pub(crate) prompts: Arc<dyn Prompts>,
    /// What was recorded.
    pub(crate) tapes: Tapes,
    pub(crate) planted: Planted,
    pub(crate) faulty: bool,
    shift: i64,
    pub(crate) life: u32,
    pub(crate) outputs: u32,
    pub(crate) crashes: VecDeque<u32>,
    pub(crate) committing: bool,
    pub(crate) count: u64,
}

/// Where an event lies (the heap orders times and numbers, never events).
type Slot = u64;

impl World {
    /// A world before its first event.
    pub fn new(plan: Plan, prompts: Arc<dyn Prompts>, bug: Bug, traced: bool) -> World {
        let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x5eed);
        let faulty = !plan.calm();
        let media = Media::new(Arc::clone(&prompts), address(EQUIPMENT_RTP), plan.ports, rng.next_u64());
        let mut world = World {
            now: Mono(1_000_000),
            store: Store::default(),
            fates: vec![Fate::default(); plan.wishes.len()],
            told: Vec::new(),
            broken: Vec::new(),
            crashed: Vec::new(),
            trace: traced.then(Vec::new),
            ladder: Vec::new(),
            engine: None,
            media,
            phones: phones(&plan, faulty, traced, &mut rng),
            lines: Lines::default(),
            present: Present::of(&plan.topology),
            roads: Roads::default(),
            whose: whose(&plan),
            over: BTreeSet::new(),
            invites: BTreeSet::new(),
            dialled_before: Vec::new(),
            asked: BTreeMap::new(),
            heap: BinaryHeap::new(),
            events: BTreeMap::new(),
            rng,
            prompts,
            tapes: Tapes::new(),
            planted: Planted::new(bug),
            faulty,
            shift: 0,
            life: 0,
            outputs: 0,
            crashes: plan.faults.crashes.iter().copied().collect(),
            committing: false,
            count: 0,
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for wish in 0..self.plan.wishes.len() {
            let Wish { at, timing, .. } = &self.plan.wishes[wish];
            let (at, reachable) = (*at, timing.reachable);
            self.after(at, Event::Post(wish));
            if let Some(later) = reachable {
                self.after(at + later, Event::Reachable(wish));
            }
        }
        for (at, by) in self.plan.faults.jumps.clone() {
            self.after(at, Event::Jump(by));
        }
        self.after(self.plan.faults.until, Event::FaultsEnd);
        self.roads.places(&self.plan.topology, &self.present);
        self.begin_turns();
        self.begin_lines();
        self.start_engine();
    }

    /// Runs until nothing is left to happen; false when it would not come to rest in bounded time.
    pub fn run(&mut self) -> bool {
        let longest = if self.plan.faults.jumps.is_empty() { 300 } else { 8_000 } + self.plan.limits.silence.as_secs();
        let bound = self.now + self.plan.faults.until + Duration::from_secs(longest);
        while let Some(at) = self.next_moment() {
            if at > bound {
                self.note(|| format!("not at rest: something is due at {:.3}", at.0 as f64 / 1e6 - 1.0));
                for (index, (_, phone)) in self.phones.iter().enumerate() {
                    let due = phone.poll_timeout();
                    let text = format!("phones {index}: {due:?}");
                    self.trace.iter_mut().for_each(|trace| trace.push(text.clone()));
                }
                let engine = self.engine.as_ref().map(|e| (e.poll_timeout(), e.census()));
                self.note(|| format!("engine: {engine:?}"));
                return false;
            }
            self.step(at);
        }
        true
    }

    /// The engine, unless it is down.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// RTP ports that media holds.
    pub fn media_ports(&self) -> usize {
        self.media.ports()
    }

    /// Every story, told or not.
    pub fn stories(&self) -> impl Iterator<Item = &Story> {
        self.told.iter().chain(self.phones.iter().flat_map(|(_, phone)| phone.stories()))
    }

    /// What phones saw that belongs to no call.
    pub fn strays(&self) -> impl Iterator<Item = &callbridge::phone::Violation> {
        self.phones.iter().flat_map(|(_, phone)| phone.strays())
    }

    /// Whose number this is.
    pub fn who(&self, number: &str) -> Option<Who> {
        self.whose.get(number).copied()
    }

    /// HTTP requests that never got an answer.
    pub fn unanswered(&self) -> usize {
        self.asked.len()
    }

    pub(crate) fn now_pair(&self) -> Now {
        let millis = i64::try_from(self.now.0 / 1000).unwrap_or(0);
        Now { mono: self.now, wall: Wall(EPOCH + millis + self.shift) }
    }

    pub(crate) fn after(&mut self, delay: Duration, event: Event) {
        self.count += 1;
        self.events.insert(self.count, event);
        self.heap.push(Reverse((self.now + delay, self.count, self.count)));
    }

    fn next_moment(&self) -> Option<Mono> {
        let heap = self.heap.peek().map(|Reverse((at, ..))| *at);
        let engine = self.engine.as_ref().and_then(|e| e.poll_timeout()).map(|(at, _)| at);
        let phones = self.phones.iter().filter_map(|(_, phone)| phone.poll_timeout());
        heap.into_iter().chain(engine).chain(self.media.next_due()).chain(phones).min()
    }

    fn step(&mut self, at: Mono) {
        self.now = self.now.max(at);
        if self.heap.peek().is_some_and(|Reverse((due, ..))| *due <= at) {
            if let Some(Reverse((_, _, slot))) = self.heap.pop()
                && let Some(event) = self.events.remove(&slot)
            {
                self.happen(event);
            }
        } else if self.engine.as_ref().and_then(|e| e.poll_timeout()).is_some_and(|(due, _)| due <= at) {
            self.tell_engine(Input::Timeout);
        } else if self.media.next_due().is_some_and(|due| due <= at) {
            let sent = self.media.tick(self.now);
            sent.into_iter().for_each(|packet| self.send_rtp(packet));
            self.hear_media();
        } else {
            for index in 0..self.phones.len() {
                let (_, phone) = &mut self.phones[index];
                if phone.poll_timeout().is_some_and(|due| due <= at) {
                    phone.timeout(at);
                    self.drain_phone(index);
                }
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Sip { to, from, bytes } if to == address(EQUIPMENT) => {
                if self.engine.is_some() {
                    self.roads.heard(self.now, from, &bytes);
                    let bytes = self.planted.receives(&bytes);
                    self.tell_engine(Input::Sip { from: &Hop::udp(from), bytes: &bytes });
                }
            }
            Event::NoTcp(hop) => self.tell_engine(Input::SipLost { hop: &hop, loss: Loss::NotMade }),
            Event::Line(event) => self.line(event),
            Event::Sip { to, from, bytes } => self.phone_hears(to, from, &bytes),
            Event::Rtp { to, from, bytes } => self.rtp_arrives(to, from, bytes),
            Event::Media(life, event) if life == self.life => self.tell_engine(Input::Media(event)),
            Event::Commit(life) if life == self.life => self.commit(),
            Event::Media(..) | Event::Commit(_) => {}
            Event::Post(wish) => self.post(wish),
            Event::Delete(wish, call) => {
                self.fates[wish].deleted = true;
                if self.engine.is_some() {
                    self.roads.over(call);
                }
                let reply = self.ask(Asked::Delete(wish, call));
                self.tell_engine(Input::Delete { reply, business: business(), call });
            }
            Event::Get(wish, call) => {
                let reply = self.ask(Asked::Get(wish));
                self.tell_engine(Input::Get { reply, business: business(), call });
            }
            Event::Reachable(wish) => {
                let customer = &self.plan.wishes[wish].customer;
                for (_, phone) in &mut self.phones {
                    phone.expect(&customer.number, contact::picks_up(&customer.behaviour));
                }
            }
            Event::Supervise(wish, visit, step) => self.supervise(wish, visit, step),
            Event::Late(output) => self.perform(*output, &mut VecDeque::new()),
            Event::Restart => self.start_engine(),
            Event::Resolved(switch) => self.resolved(switch),
            Event::Turn(at) => self.turn(at),
            Event::Jump(by) => self.shift += by,
            Event::FaultsEnd => {
                self.faulty = false;
                self.crashes.clear();
            }
        }
    }

    /// A SIP message reaches a host.
    pub(crate) fn phone_hears(&mut self, to: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        if !self.reaches(to, bytes) {
            return;
        }
        if bytes.starts_with(b"REGISTER ") {
            self.refreshed(to, bytes);
        }
        if let Some(index) = self.phones.iter().position(|(address, _)| *address == to) {
            self.phones[index].1.datagram(self.now, from, bytes);
            self.drain_phone(index);
        }
    }

    fn rtp_arrives(&mut self, to: SocketAddr, from: SocketAddr, bytes: Vec<u8>) {
        if to.ip() == address(EQUIPMENT).ip() {
            if let Some(packet) = self.media.packet(self.now, to, from, bytes) {
                self.send_rtp(packet);
            }
            self.hear_media();
        } else if let Some(index) = self.phones.iter().position(|(address, _)| address.ip() == to.ip()) {
            self.phones[index].1.rtp(self.now, to, from, &bytes);
            self.drain_phone(index);
        }
    }

    /// The wish that a message came from.
    pub fn wish_of(&self, message: &InitiationMessage) -> Option<usize> {
        message.reference.as_deref()?.strip_prefix("wish-")?.parse().ok()
    }

    pub(crate) fn blame(&mut self, promise: Promise, text: String) {
        self.broken.push(Broken { promise, text });
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12.6} {}", self.now.0 as f64 / 1e6 - 1.0, text()));
        }
    }
}

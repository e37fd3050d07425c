//! The world: one heap of (time, number, event), one equipment, two switches full of phones, one network, one store. Owns
//! virtual time and the order of things; what must hold is judged in `promises`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use callbridge::clock::{Mono, Now, Wall};
use callbridge::engine::Engine;
use callbridge::engine::api::{Input, Output, ReplyTo};
use callbridge::media::api::{self as media_api, Prompts};
use callbridge::model::{CallId, Hop, InitiationMessage, Tariff};
use callbridge::phone::{Phone, PhoneCall, PhoneMove, PhoneOutput, Story};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::media::{Media, Sent};
use crate::network::Weather;
use crate::plan::{EQUIPMENT, Plan, SWITCH_A, SWITCH_B};
use crate::planted::{Bug, Planted, Told};
use crate::promises::{Broken, Promise};
use crate::setup::{EPOCH, address, business, directory, engine_config, phones, whose};
use crate::store::Store;

/// First RTP port of the equipment.
const EQUIPMENT_RTP: &str = "192.0.2.1:20000";

/// What can happen.
pub(crate) enum Event {
    /// A datagram arrives at this SIP address.
    Sip { to: SocketAddr, from: SocketAddr, bytes: Arc<[u8]> },
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
    /// The equipment comes up again.
    Restart,
    /// The wall clock jumps.
    Jump(i64),
    /// The liveness phase begins.
    FaultsEnd,
}

/// What was asked over HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    Post(usize),
    Delete(usize),
    Get(usize),
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
}

/// Whose phone rings at a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Who {
    /// The customer of a wish.
    Customer(usize),
    /// A representative of a wish, by place in the hunt.
    Representative(usize, usize),
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
    media: Media,
    phones: Vec<(SocketAddr, Phone)>,
    whose: BTreeMap<String, Who>,
    dialled_before: Vec<usize>,
    pub(crate) asked: BTreeMap<ReplyTo, Asked>,
    heap: BinaryHeap<Reverse<(Mono, u64, Slot)>>,
    events: BTreeMap<u64, Event>,
    rng: StdRng,
    prompts: Arc<dyn Prompts>,
    planted: Planted,
    faulty: bool,
    shift: i64,
    life: u32,
    outputs: u32,
    crashes: VecDeque<u32>,
    committing: bool,
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
            whose: whose(&plan),
            dialled_before: Vec::new(),
            asked: BTreeMap::new(),
            heap: BinaryHeap::new(),
            events: BTreeMap::new(),
            rng,
            prompts,
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
            self.after(self.plan.wishes[wish].at, Event::Post(wish));
        }
        for (at, by) in self.plan.faults.jumps.clone() {
            self.after(at, Event::Jump(by));
        }
        self.after(self.plan.faults.until, Event::FaultsEnd);
        self.start_engine();
    }

    /// Runs until nothing is left to happen; false when it would not come to rest in bounded time.
    pub fn run(&mut self) -> bool {
        let longest = if self.plan.faults.jumps.is_empty() { 300 } else { 8_000 };
        let bound = self.now + self.plan.faults.until + Duration::from_secs(longest);
        while let Some(at) = self.next_moment() {
            if at > bound {
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
                self.tell_engine(Input::Sip { from: &Hop::udp(from), bytes: &bytes });
            }
            Event::Sip { to, from, bytes } => {
                if let Some(index) = self.phones.iter().position(|(address, _)| *address == to) {
                    self.phones[index].1.datagram(self.now, from, &bytes);
                    self.drain_phone(index);
                }
            }
            Event::Rtp { to, from, bytes } => self.rtp_arrives(to, from, bytes),
            Event::Media(life, event) if life == self.life => self.tell_engine(Input::Media(event)),
            Event::Commit(life) if life == self.life => self.commit(),
            Event::Media(..) | Event::Commit(_) => {}
            Event::Post(wish) => self.post(wish),
            Event::Delete(wish, call) => {
                self.fates[wish].deleted = true;
                let reply = self.ask(Asked::Delete(wish));
                self.tell_engine(Input::Delete { reply, business: business(), call });
            }
            Event::Get(wish, call) => {
                let reply = self.ask(Asked::Get(wish));
                self.tell_engine(Input::Get { reply, business: business(), call });
            }
            Event::Restart => self.start_engine(),
            Event::Jump(by) => self.shift += by,
            Event::FaultsEnd => {
                self.faulty = false;
                self.crashes.clear();
            }
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

    // ---- the equipment -------------------------------------------------------------------------------------------

    fn start_engine(&mut self) {
        let mut engine = Engine::new(engine_config(&self.plan), StdRng::seed_from_u64(self.rng.next_u64()));
        let now = self.now_pair();
        let tariff = Tariff {
            customer_per_minute_micros: 20_000,
            representative_per_minute_micros: 10_000,
            increment_seconds: self.plan.tariff.0,
            minimum_seconds: self.plan.tariff.1,
            ..Tariff::default()
        };
        engine.handle(now, Input::Directory(Arc::new(directory(tariff))));
        let (mut open, mut last_alive) = self.store.restart();
        let began = |call: &callbridge::model::StoredCall| call.progress.started_at.is_some();
        self.dialled_before =
            open.iter().filter(|call| began(call)).filter_map(|call| self.wish_of(&call.message)).collect();
        self.planted.restore(&mut open, &mut last_alive);
        engine.restore(now, open, last_alive);
        self.engine = Some(engine);
        self.drain_engine();
        // Clients that got no answer ask again: that is what the key is for.
        for wish in 0..self.fates.len() {
            let fate = &self.fates[wish];
            if self.life > 0 && fate.posted && fate.calls.is_empty() && fate.refused.is_none() {
                self.after(Duration::from_millis(20), Event::Post(wish));
            }
        }
    }

    pub(crate) fn tell_engine(&mut self, input: Input<'_>) {
        let now = self.now_pair();
        if let Some(engine) = &mut self.engine {
            engine.handle(now, input);
            self.drain_engine();
        }
    }

    fn drain_engine(&mut self) {
        let mut answers = VecDeque::new();
        loop {
            while let Some(output) = self.engine.as_mut().and_then(Engine::poll_output) {
                self.outputs += 1;
                if self.crashes.front().is_some_and(|limit| self.outputs >= *limit) {
                    return self.crash();
                }
                let (outputs, told) = self.planted.output(output);
                outputs.into_iter().for_each(|output| self.perform(output, &mut answers));
                answers.extend(told);
            }
            let Some(answer) = answers.pop_front() else { return };
            let now = self.now_pair();
            let Some(engine) = &mut self.engine else { return };
            match answer {
                Told::Media(event) => engine.handle(now, Input::Media(event)),
                Told::Stored(token) => engine.handle(now, Input::Stored { token, result: Ok(()) }),
            }
        }
    }

    fn perform(&mut self, output: Output, answers: &mut VecDeque<Told>) {
        match output {
            Output::Send { to, bytes, note } => {
                self.note(|| format!("→ {to} {} {:?} {:?}", note.method, note.status, note.leg.map(|l| l.attempt)));
                let to_address = to.address;
                if ![SWITCH_A, SWITCH_B].map(address).contains(&to_address) {
                    self.blame(Promise::NothingToStrangers, format!("SIP sent to {to}"));
                }
                self.carry(|world, delay| {
                    let bytes = Arc::clone(&bytes);
                    world.after(delay, Event::Sip { to: to_address, from: address(EQUIPMENT), bytes });
                });
            }
            Output::Media(command) => {
                self.note(|| format!("media {command:?}"));
                answers.extend(self.media.command(self.now, command).map(Told::Media));
                self.hear_media();
            }
            Output::Store { token, op } => {
                self.note(|| format!("store {op:?}").chars().take(160).collect());
                self.store.submit(token, op);
                self.begin_commit();
            }
            Output::Reply { to, reply } => self.reply(to, reply),
            Output::Prepare(_) | Output::Sources(_) | Output::Drained => {}
            Output::Notice(notice) => self.note(|| format!("notice {notice:?}")),
        }
    }

    fn crash(&mut self) {
        self.note(|| "the equipment crashes".to_owned());
        self.crashes.pop_front();
        self.crashed.push(self.now);
        self.outputs = 0;
        self.life += 1;
        self.engine = None;
        self.committing = false;
        self.store.crash(self.rng.random());
        self.asked.clear();
        let seed = self.rng.next_u64();
        // The daemon begins anywhere in its row of ports, so that peers of the life before do not meet new calls.
        let mut first = address(EQUIPMENT_RTP);
        first.set_port(first.port() + 2_000 * u16::try_from(self.life % 8).unwrap_or(0));
        self.media = Media::new(Arc::clone(&self.prompts), first, self.plan.ports, seed);
        let down = Duration::from_millis(self.rng.random_range(5..2_000));
        self.after(down, Event::Restart);
    }

    fn hear_media(&mut self) {
        while let Some(event) = self.media.poll_event() {
            if self.planted.hears(&event) {
                self.note(|| format!("media says {event:?}"));
                self.after(Duration::from_micros(200), Event::Media(self.life, event));
            }
        }
    }

    fn begin_commit(&mut self) {
        if !self.committing && self.store.begin() {
            self.committing = true;
            let most = if self.faulty { self.plan.faults.store_delay } else { Duration::from_millis(2) };
            let micros = self.rng.random_range(200..=most.as_micros().max(1_000) as u64);
            self.after(Duration::from_micros(micros), Event::Commit(self.life));
        }
    }

    fn commit(&mut self) {
        let fails = self.plan.faults.store_failure;
        let success = !(self.faulty && fails > 0.0 && self.rng.random_bool(fails));
        self.committing = false;
        for (token, result) in self.store.finish(success) {
            if self.planted.tells_stored(token) {
                self.tell_engine(Input::Stored { token, result });
            }
        }
        self.begin_commit();
    }

    // ---- phones and network --------------------------------------------------------------------------------------

    fn drain_phone(&mut self, index: usize) {
        let phone_address = self.phones[index].0;
        while let Some(output) = self.phones[index].1.poll_output() {
            match output {
                PhoneOutput::SendSip { to, bytes } => {
                    let bytes: Arc<[u8]> = bytes.into();
                    self.carry(|world, delay| {
                        let bytes = Arc::clone(&bytes);
                        world.after(delay, Event::Sip { to, from: phone_address, bytes });
                    });
                }
                PhoneOutput::SendRtp { from, to, bytes } => self.send_rtp((from, to, bytes)),
                PhoneOutput::Moved { call, what, .. } => self.moved(index, call, what),
                PhoneOutput::Ladder { call, sent, text, .. } => self.rung(index, call, sent, &text),
                PhoneOutput::Told(story) => self.told.push(*story),
                PhoneOutput::OpenRtp { .. } | PhoneOutput::CloseRtp { .. } => {}
            }
        }
    }

    fn send_rtp(&mut self, (from, to, bytes): Sent) {
        if from.ip() == address(EQUIPMENT).ip() && ![SWITCH_A, SWITCH_B].map(|a| address(a).ip()).contains(&to.ip()) {
            self.blame(Promise::NothingToStrangers, format!("RTP sent to {to}"));
        }
        self.carry(|world, delay| world.after(delay, Event::Rtp { to, from, bytes: bytes.clone() }));
    }

    fn carry(&mut self, mut deliver: impl FnMut(&mut World, Duration)) {
        let weather = self.plan.faults.weather.filter(|_| self.faulty).unwrap_or(Weather::CALM);
        let mut delays = smallvec::SmallVec::<[Duration; 2]>::new();
        weather.carry(&mut self.rng, |delay| delays.push(delay));
        delays.into_iter().for_each(|delay| deliver(self, delay));
    }

    fn moved(&mut self, index: usize, call: PhoneCall, what: PhoneMove) {
        let Some(story) = self.phones[index].1.story(call) else { return };
        let who = self.whose.get(&story.user).copied();
        let user = story.user.clone();
        self.note(|| format!("phone {user} {what:?}"));
        if self.trace.is_some()
            && let PhoneMove::Hears(tone) = what
        {
            let sound = crate::ladders::sound(tone);
            self.ladder_line(&format!("{:<14}   hears {sound}", crate::ladders::name(who)));
        }
        if what == PhoneMove::Invited {
            match who {
                None => self.blame(Promise::NothingToStrangers, format!("{user} was dialled: nobody asked for it")),
                // An INVITE of the life before may still have been on its way.
                Some(Who::Customer(wish))
                    if self.dialled_before.contains(&wish)
                        && self.crashed.last().is_some_and(|at| self.now.since(*at) > Duration::from_millis(400)) =>
                {
                    self.blame(Promise::DialledOnce, format!("customer {user} was dialled again after the restart"));
                }
                Some(Who::Customer(_)) => {}
                Some(Who::Representative(wish, _)) => self.representative_dialled(wish, &user),
            }
        }
    }

    fn representative_dialled(&mut self, wish: usize, number: &str) {
        let customer = &self.plan.wishes[wish].customer.number;
        let answered = self.stories().any(|s| s.user == *customer && s.answered_at.is_some());
        if !answered {
            self.blame(Promise::CustomerFirst, format!("{number} was dialled, {customer} had not answered"));
        }
    }

    fn rung(&mut self, index: usize, call: PhoneCall, sent: bool, text: &str) {
        let who = self.phones[index].1.story(call).and_then(|s| self.whose.get(&s.user).copied());
        let name = crate::ladders::name(who);
        let arrow = if sent { "-->" } else { "<--" };
        self.ladder_line(&format!("{name:<14} {arrow} {text}"));
    }

    fn ladder_line(&mut self, line: &str) {
        let tenths = self.now.0.saturating_sub(1_000_000) / 100_000;
        self.ladder.push(format!("{:>3}.{}  {line}", tenths / 10, tenths % 10));
        self.note(|| line.to_owned());
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

//! The legs of one media thread. Owns what passes between two legs and when frames are due; refuses sockets: the host
//! hands in datagrams and ticks, sends what comes out, and drains the events.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use slab::Slab;

use super::alarm::Alarms;
use super::api::{Command, Event, Prompts, Script};
use super::ear;
use super::figures::SAMPLE;
use super::frame::Frame;
use super::leg::{Heard, Hears, Leg, Sound, Taken};
use super::mixer::Mixer;
use super::player::Player;
use super::playout::{Playout, after};
use super::presses::Judged;
use super::recorder::{Recorded, Recorder};
use super::relay::Way;
use super::{reports, secure};
use crate::clock::{Mono, Wall};
use crate::model::{CallId, Digits, Key, LegId};
use crate::rtp::{Sender, TelephoneEvent};
use crate::sdp::{Codec, MediaPlan};

/// How often silence is looked for.
const SWEEP: Duration = Duration::from_millis(100);

/// A leg's place in its shard, and its socket's in the host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub usize);

/// How a shard behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Peers behind NAT are expected: any address may latch within the window.
    pub latch_any_address: bool,
    /// When something is wrong with a talk.
    pub alarms: Alarms,
    /// The wall's time at the zero of the clock that is handed in: reports name the wall's (RFC 3550 §4).
    pub wall_at_zero: Wall,
}

/// Which of a leg's two ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Half {
    /// The even one, for RTP.
    Rtp,
    /// The next one, for RTCP.
    Rtcp,
}

/// Where a packet goes, in the buffer it came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Out of a socket of this leg.
    pub slot: Slot,
    /// Out of this one.
    pub half: Half,
    /// To there.
    pub to: SocketAddr,
}

/// What follows from a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Send the buffer, which was rewritten in place.
    pub send: Option<Outgoing>,
    /// The leg's socket may be connected to its peer from now on.
    pub connect: Option<SocketAddr>,
}

/// Packets by what became of them, since the shard began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Taken from peers.
    pub taken: u64,
    /// Of these, passed on to the other leg.
    pub relayed: u64,
    /// Frames of messages and music sent.
    pub played: u64,
    /// Strangers, foreign SSRC, malformed.
    pub refused: u64,
    /// Before anything was agreed.
    pub early: u64,
    /// RTCP packets sent.
    pub reports_sent: u64,
    /// RTCP packets taken from peers.
    pub reports_taken: u64,
    /// RTCP packets refused: strangers, malformed, not authentic.
    pub reports_refused: u64,
}

/// A set of legs that may hear each other.
pub struct Shard {
    /// Boxed: a row of them would be copied whole when it grows, and hold room for up to twice as many.
    pub(super) legs: Slab<Box<Leg>>,
    pub(super) slots: BTreeMap<LegId, Slot>,
    pub(super) prompts: Arc<dyn Prompts>,
    pub(super) settings: Settings,
    pub(super) random: StdRng,
    pub(super) playout: Playout,
    due: Vec<(Slot, Mono)>,
    next_sweep: Mono,
    pub(super) events: VecDeque<Event>,
    pub(super) counters: Counters,
    pub(super) recorders: BTreeMap<CallId, Box<Recorder>>,
    pub(super) recorded: VecDeque<Recorded>,
    /// Talks that a supervisor takes part in.
    pub(super) mixers: BTreeMap<CallId, Box<Mixer>>,
    /// The packet being made.
    pub(super) made: Vec<u8>,
    /// What is being listened to.
    pub(super) samples: Vec<i16>,
    /// Packets that are not sent from where they came, until the next tick: one for each datagram of a batch at most.
    pub(super) sealed: Vec<(Outgoing, Vec<u8>)>,
}

/// What a packet must be like to be relayed in place.
fn packing(plan: &MediaPlan) -> (Codec, u16, u16) {
    (plan.codec, plan.ptime_ms, plan.max_ptime_ms)
}

impl Shard {
    /// An empty shard. The seed makes SSRCs and first numbers, which strangers must not guess (RFC 3550 §5.1).
    pub fn new(prompts: Arc<dyn Prompts>, settings: Settings, seed: [u8; 32]) -> Shard {
        Shard {
            legs: Slab::new(),
            slots: BTreeMap::new(),
            prompts,
            settings,
            random: StdRng::from_seed(seed),
            playout: Playout::default(),
            due: Vec::new(),
            next_sweep: Mono::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
            recorders: BTreeMap::new(),
            recorded: VecDeque::new(),
            mixers: BTreeMap::new(),
            made: Vec::new(),
            samples: Vec::new(),
            sealed: Vec::new(),
        }
    }

    /// A leg for which the host has a socket. `None`: there is one already.
    pub fn open(&mut self, leg: LegId) -> Option<Slot> {
        if self.slots.contains_key(&leg) {
            return None;
        }
        let (ssrc, first, timestamp) = self.beginnings();
        let sender = Sender::new(ssrc, first, timestamp);
        let slot = Slot(self.legs.insert(Box::new(Leg::new(leg, sender))));
        self.slots.insert(leg, slot);
        Some(slot)
    }

    /// SSRC, number and timestamp that a source of ours begins with.
    pub(super) fn beginnings(&mut self) -> (u32, u16, u32) {
        // SRTP wants first numbers below the middle: a lost first packet would hide a rollover (RFC 3711 §3.3.1).
        let first = self.random.random::<u16>() >> 1;
        (self.random.random(), first, self.random.random())
    }

    /// The place of a leg.
    pub fn slot(&self, leg: LegId) -> Option<Slot> {
        self.slots.get(&leg).copied()
    }

    /// Every leg open.
    pub fn legs(&self) -> Vec<LegId> {
        self.slots.keys().copied().collect()
    }

    /// Legs open.
    pub fn len(&self) -> usize {
        self.legs.len()
    }

    /// No leg is open: nothing will ever be due.
    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// What became of packets so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The peer whom the leg's socket may be connected to; a renewed agreement may take this back.
    pub fn connected(&self, slot: Slot) -> Option<SocketAddr> {
        let agreed = self.legs.get(slot.0)?.agreed.as_ref().filter(|agreed| agreed.connected)?;
        agreed.latch.target()
    }

    /// What happened since.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Obeys the engine. [`Command::Open`] is the host's: it binds, then calls [`Shard::open`].
    pub fn command(&mut self, now: Mono, command: Command) {
        match command {
            Command::Open { .. } => {}
            Command::Agree { leg, plan } => self.agree(now, leg, plan),
            Command::Play { leg, script } => self.play(now, leg, script),
            Command::Interject { leg, clip } => {
                if let Some(Leg { hears: Hears::Script { player, .. }, .. }) = self.leg(leg) {
                    player.interject(clip);
                }
            }
            Command::Bridge { a, b } => self.bridge(now, a, b),
            Command::Record { a, b } => self.record(now, a, b),
            Command::Supervise { supervisor, customer, representative, mode } => {
                self.supervise(now, supervisor, [customer, representative], mode);
            }
            Command::SendDigits { leg, digits, after } => self.send_digits(now, leg, &digits, after),
            Command::Pressed { leg, key } => self.pressed(now, leg, key),
            Command::HearKeys { leg } => self.hear_keys(leg),
            Command::HearWho { leg, times } => self.hear_who(now, leg, times),
            Command::WatchSilence { leg, after } => {
                if let Some(leg) = self.leg(leg) {
                    leg.watch(now, after);
                }
            }
            Command::Close { leg } => self.close(now, leg),
        }
    }

    /// A packet came to a leg, in clear.
    pub(super) fn judge(&mut self, now: Mono, slot: Slot, from: SocketAddr, bytes: &mut [u8]) -> Verdict {
        let Some(leg) = self.legs.get_mut(slot.0) else { return Verdict::default() };
        let mut heard = match leg.take(now, from, bytes, self.settings.latch_any_address) {
            Taken::Heard(heard) => heard,
            Taken::Refused => {
                self.counters.refused += 1;
                return Verdict::default();
            }
            Taken::Early => {
                self.counters.early += 1;
                return Verdict::default();
            }
        };
        self.counters.taken += 1;
        if heard.first {
            self.events.push_back(Event::FirstPacket { leg: leg.id });
        }
        let connect = leg.settle(now);
        let (recorded, mixed) = (leg.recorded, leg.mixed);
        if leg.ear.is_some() {
            self.listen(now, slot, &heard, bytes);
            // The peer is told the key: the rest of it is no voice.
            let ear = self.legs.get(slot.0).and_then(|leg| leg.ear.as_deref());
            if matches!(heard.sound, Sound::Voice(_)) && ear.is_some_and(ear::Ear::hears_key) {
                heard.sound = Sound::Quiet;
            }
        }
        let twin = heard.sound == Sound::Event && self.key_pressed(now, slot, &heard, bytes);
        let Some(leg) = self.legs.get_mut(slot.0) else { return Verdict::default() };
        let may_talk = leg.agreed.as_ref().is_some_and(|agreed| agreed.plan.direction.receive);
        let peer = match leg.hears {
            Hears::Peer { slot, .. } if may_talk => Some(slot),
            _ => None,
        };
        if recorded && may_talk {
            self.overhear(now, slot, &heard, bytes);
        }
        if mixed && may_talk {
            self.mix_in(now, slot, &heard, bytes);
        }
        let send = peer.and_then(|peer| self.relay(now, slot, peer, &heard, twin, bytes));
        Verdict { send, connect }
    }

    /// Time went on: hands out every frame that is due, as a datagram with its way, and looks for silence.
    pub fn tick(&mut self, now: Mono, mut send: impl FnMut(Outgoing, &mut [u8])) {
        self.send_sealed(&mut send);
        let mut due = std::mem::take(&mut self.due);
        self.playout.take_due(now, &mut due);
        for (slot, at) in due.drain(..) {
            // Each finds by its own moment whether it is meant.
            self.dial_beat(now, slot, at, &mut send);
            self.hold_frame(now, slot, at, &mut send);
            self.transcoded_frame(now, slot, at, &mut send);
            self.mixed_frames(now, slot, at, &mut send);
            self.play_frame(now, slot, at, &mut send);
        }
        self.due = due;
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.hand_out_recordings(now);
            self.send_reports(now, &mut send);
            self.alarm_quiet(now);
            self.hear_gaps(now);
            for (_, leg) in &mut self.legs {
                if let Some(sample) = leg.sample(now) {
                    let turned = leg.follow_score(now, &self.settings.alarms, &sample, SAMPLE);
                    self.events.push_back(Event::Measured { leg: leg.id, quality: leg.quality(), sample });
                    self.events.extend(turned.map(|alarm| Event::Alarm { leg: leg.id, alarm }));
                }
                if let Some(lasted) = leg.fell_silent(now) {
                    self.events.push_back(Event::Silent { leg: leg.id, lasted });
                }
            }
        }
    }

    /// When [`Shard::tick`] has something to do next: for hosts in virtual time (it looks at every leg).
    pub fn next_due(&self) -> Option<Mono> {
        let reports = |leg: &Leg| leg.reports.as_ref().map(|reports| reports.due.min(reports.figures.due));
        let watched = |leg: &Leg| [leg.silence_due(), reports(leg)].into_iter().flatten().min();
        let watched = self.legs.iter().filter_map(|(_, leg)| watched(leg)).min();
        if !self.sealed.is_empty() {
            return Some(Mono::default());
        }
        self.playout.next().into_iter().chain(watched.map(|at| at.max(self.next_sweep))).min()
    }

    fn leg(&mut self, id: LegId) -> Option<&mut Leg> {
        let slot = self.slot(id)?;
        self.legs.get_mut(slot.0).map(Box::as_mut)
    }

    fn agree(&mut self, now: Mono, id: LegId, plan: MediaPlan) {
        let Some(slot) = self.slot(id) else { return };
        self.take_clock(now, slot, plan.codec.clock_hz());
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let before = leg.agreed.as_ref().map(|agreed| packing(&agreed.plan));
        let first = before.is_none();
        let changed = before.is_some_and(|before| before != packing(&plan));
        leg.agree(now, plan);
        reports::begin(leg, now, &mut self.random);
        if let (true, Hears::Script { due, .. }) = (first, &mut leg.hears) {
            *due = now;
            self.playout.put(slot, now);
        }
        if changed {
            if let Some(ear) = &mut leg.ear {
                ear.hears_anew();
            }
            self.judge_ways(slot);
        }
        self.follow_hold(now, slot);
    }

    fn play(&mut self, now: Mono, id: LegId, script: Script) {
        let Some(slot) = self.slot(id) else { return };
        self.part(slot);
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        leg.hears = Hears::Script { player: Box::new(Player::new(script)), due: now };
        ear::hear_no_keys(&mut leg.ear);
        leg.sender.new_source();
        self.playout.put(slot, now);
    }

    fn bridge(&mut self, now: Mono, a: LegId, b: LegId) {
        self.recorded_talk_goes_to(a, b);
        let (Some(a), Some(b)) = (self.slot(a), self.slot(b)) else { return };
        if a == b {
            return;
        }
        for (slot, peer) in [(a, b), (b, a)] {
            self.part(slot);
            if let Some(leg) = self.legs.get_mut(slot.0) {
                leg.hears = Hears::Peer { slot: peer, relayed: false, hold: None, way: Way::NEW };
                leg.heard_at = now;
                leg.alarms.quiet = false;
                leg.transcodes.0 = None;
                leg.sender.new_source();
                ear::bridged(&mut leg.ear);
                if let Some(presses) = &mut leg.presses {
                    presses.keep_to_ourselves();
                }
            }
        }
        self.follow_hold(now, a);
        self.follow_hold(now, b);
    }

    /// A packet of an RFC 4733 event came: true when its press is known from signalling and is not to be heard again.
    fn key_pressed(&mut self, now: Mono, slot: Slot, heard: &Heard, bytes: &[u8]) -> bool {
        let Some(leg) = self.legs.get_mut(slot.0) else { return false };
        let event = bytes.get(heard.header.payload.clone()).and_then(TelephoneEvent::read);
        let Some(key) = event.and_then(|event| Key::of_event(event.event)) else { return false };
        match leg.presses().event(now, key, heard.header.timestamp) {
            Judged::New => {
                self.events.push_back(Event::Digit { leg: leg.id, key });
                false
            }
            Judged::Goes => false,
            Judged::Twin => true,
        }
    }

    /// Signalling says that a key was pressed.
    fn pressed(&mut self, now: Mono, id: LegId, key: Key) {
        let Some(leg) = self.leg(id) else { return };
        if !leg.presses().message(now, key) {
            return;
        }
        self.events.push_back(Event::Digit { leg: id, key });
        self.key_crosses(now, id, key);
    }

    /// A key that this leg's party did not say as an event: the peer hears it as one, if it understands.
    pub(super) fn key_crosses(&mut self, now: Mono, id: LegId, key: Key) {
        let Some(leg) = self.leg(id) else { return };
        let peer = if let Hears::Peer { slot, .. } = leg.hears { self.legs.get(slot.0).map(Box::as_ref) } else { None };
        let understands = |leg: &&Leg| leg.agreed.as_ref().is_some_and(|agreed| agreed.plan.telephone_event.is_some());
        let peer = peer.filter(understands).map(|leg| leg.id);
        if let Some(peer) = peer {
            self.send_digits(now, peer, &Digits::key(key), Duration::ZERO);
        }
    }

    fn close(&mut self, now: Mono, id: LegId) {
        let Some(slot) = self.slots.get(&id).copied() else { return };
        self.end_recording(now, id);
        self.end_mix_of(id);
        self.part(slot);
        self.slots.remove(&id);
        let leg = self.legs.remove(slot.0);
        self.events.push_back(Event::Closed { leg: id, quality: leg.quality() });
    }

    /// Ends the bridge that a leg is in: the other one hears nothing until something is said.
    fn part(&mut self, slot: Slot) {
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let Hears::Peer { slot: peer, .. } = leg.hears else { return };
        leg.hears = Hears::Nothing;
        if let Some(peer) = self.legs.get_mut(peer.0)
            && matches!(peer.hears, Hears::Peer { slot: back, .. } if back == slot)
        {
            peer.hears = Hears::Nothing;
        }
    }

    fn play_frame(&mut self, now: Mono, slot: Slot, at: Mono, send: &mut impl FnMut(Outgoing, &mut [u8])) {
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let target = leg.target().filter(|_| !leg.sounds_key());
        // Without an agreement the script waits; with it, the entry is put again.
        let Some(agreed) = &leg.agreed else { return };
        let Hears::Script { player, due } = &mut leg.hears else { return };
        if *due != at {
            return;
        }
        let Some(mut frame) = Frame::fill(&agreed.plan, player, self.prompts.as_ref()) else {
            leg.hears = Hears::Nothing;
            self.events.push_back(Event::PlayEnded { leg: leg.id });
            return;
        };
        if let Some(heard) = player.consented(target.is_some()) {
            self.events.push_back(Event::ConsentSaid { leg: leg.id, heard });
        }
        // The beat is counted from the first frame as it was really sent.
        let beat = if leg.sender.begins() { now } else { at };
        *due = after(beat, frame.period(), now);
        self.playout.put(slot, *due);
        // Held, or a key sounds: the script goes on unheard, so that one that ends does end.
        let Some(to) = target else {
            leg.sender.new_source();
            return;
        };
        self.counters.played += 1;
        let datagram = frame.stamp(now, &agreed.plan, &mut leg.sender);
        secure::emit(&mut leg.secure, Outgoing { slot, half: Half::Rtp, to }, datagram, send);
    }
}

//! What passes from one leg of a bridge to the other: in place where both agreed on the same, which most calls do, else through a
//! [`Transcoder`]. Owns that choice and what becomes of each kind of packet; refuses whose packets are taken, which is the leg's.

use super::jitter::{Carries, Coded};
use super::leg::{Heard, Hears, Sound};
use super::secure;
use super::transcode::{KeyHeard, Made, Transcoder};
use super::{Half, Outgoing, Shard, Slot};
use crate::audio::{codec, g711};
use crate::clock::Mono;
use crate::model::Codec;
use crate::rtp::{self, Arrival, HEADER, TelephoneEvent};
use crate::sdp::MediaPlan;

/// So many packets in a row of another packet time than was agreed on: the peer means it.
const ODD: u8 = 3;
/// Transcodings of one leg that are told; a peer may change its packets with each one.
const MAX_TOLD: u8 = 16;
/// So many packets in a row that could be relayed in place: the peer has come back to what was agreed on.
const EVEN: u8 = 50;

/// How packets go to the leg that hears them.
pub(super) enum Way {
    /// As they came, rewritten. So many in a row have another packet time.
    InPlace { odd: u8 },
    /// Decoded and encoded. So many in a row need not be.
    Transcoded { by: Box<Transcoder>, even: u8 },
    /// Not at all: what the leg hears is mixed, but for the keys of the other.
    Mixed { key: Box<KeyHeard> },
}

impl Way {
    /// In place, as far as is known.
    pub(super) const NEW: Way = Way::InPlace { odd: 0 };

    /// The transcoder that this packet has to go through, if it has to.
    fn through(&mut self, from: Codec, payload: &[u8], plan: &MediaPlan) -> Option<&mut Transcoder> {
        let kin = from == plan.codec || (from.is_g711() && plan.codec.is_g711());
        let fits = kin && fits(from, payload, plan);
        let goes = match self {
            Way::InPlace { odd } => {
                *odd = if fits { 0 } else { *odd + 1 };
                !kin || *odd >= ODD
            }
            Way::Transcoded { even, .. } => {
                *even = if fits { *even + 1 } else { 0 };
                *even < EVEN
            }
            Way::Mixed { .. } => return None,
        };
        match self {
            Way::InPlace { .. } if !goes => return None,
            Way::Transcoded { .. } if !goes => *self = Way::NEW,
            Way::Transcoded { by, .. } if by.suits(from) => {}
            Way::InPlace { .. } | Way::Transcoded { .. } | Way::Mixed { .. } => {
                *self = Way::Transcoded { by: Box::new(Transcoder::new(from, plan)), even: 0 };
            }
        }
        self.transcoder()
    }

    /// The transcoder, if packets go through one.
    pub(super) fn transcoder(&mut self) -> Option<&mut Transcoder> {
        match self {
            Way::InPlace { .. } | Way::Mixed { .. } => None,
            Way::Transcoded { by, .. } => Some(by),
        }
    }

    /// The key that is heard instead of a voice that we make.
    pub(super) fn key(&mut self) -> Option<&mut KeyHeard> {
        match self {
            Way::InPlace { .. } => None,
            Way::Transcoded { by, .. } => Some(by.key()),
            Way::Mixed { key } => Some(key),
        }
    }

    /// What the leg hears is mixed.
    pub(super) fn is_mixed(&self) -> bool {
        matches!(self, Way::Mixed { .. })
    }

    /// What was agreed on is something else: judged anew.
    fn judged_anew(&mut self) {
        if !self.is_mixed() {
            *self = Way::NEW;
        }
    }
}

/// Whether a packet lasts as long as the peer wants its packets. An Opus packet tells its length, and any up to the longest is
/// taken; odd ends of talk spurts are left as they are.
fn fits(from: Codec, payload: &[u8], plan: &MediaPlan) -> bool {
    let tick = from.clock_hz() / 1000;
    match codec::ticks(from, payload) {
        None => true,
        Some(ticks) if from == Codec::Opus => ticks <= u32::from(plan.max_ptime_ms) * tick,
        Some(ticks) => ticks == u32::from(plan.ptime_ms) * tick || !ticks.is_multiple_of(10 * tick),
    }
}

impl Shard {
    /// A packet of `from` is heard by `to`, if these two are bridged.
    pub(super) fn relay(
        &mut self,
        now: Mono,
        from: Slot,
        to: Slot,
        heard: &Heard,
        twin: bool,
        bytes: &mut [u8],
    ) -> Option<Outgoing> {
        let spoken_hz = self.legs.get(from.0)?.agreed.as_ref()?.plan.event_hz;
        let leg = self.legs.get_mut(to.0)?;
        let key_sounds = leg.sounds_key();
        let Hears::Peer { slot, relayed, hold, way } = &mut leg.hears else { return None };
        if *slot != from {
            return None;
        }
        let agreed = leg.agreed.as_ref()?;
        let target = agreed.latch.target().filter(|_| agreed.plan.direction.send);
        let Some(target) = target else {
            // What comes after the hold is a new talk spurt.
            leg.sender.new_source();
            return None;
        };
        match heard.arrival {
            Arrival::Duplicate | Arrival::Suspect => return None,
            Arrival::Start => {
                leg.sender.new_source();
                if let Some(transcoder) = way.transcoder() {
                    transcoder.new_source();
                }
            }
            Arrival::Fresh | Arrival::Late => {}
        }
        if way.is_mixed() && heard.sound != Sound::Event {
            return None;
        }
        let payload = bytes.get_mut(heard.header.payload.clone())?;
        if let Some(coded) = to_be_coded(heard, payload, way, &agreed.plan) {
            if let Carries::Voice(from) = coded.carries
                && leg.transcodes.0 != Some((from, agreed.plan.codec))
                && leg.transcodes.1 < MAX_TOLD
            {
                leg.transcodes = (Some((from, agreed.plan.codec)), leg.transcodes.1 + 1);
                self.events.push_back(super::api::Event::Transcodes { leg: leg.id, from, to: agreed.plan.codec });
            }
            let speaks = matches!(heard.sound, Sound::Voice(_));
            if speaks && hold.as_mut().is_some_and(|hold| hold.holder_speaks(now)) {
                leg.sender.new_source();
            }
            if let Some(due) = way.transcoder().and_then(|transcoder| transcoder.hear(now, &coded)) {
                leg.sender.new_source();
                self.playout.put(to, due);
            }
            if heard.sound != Sound::Event {
                return None;
            }
        }
        let payload_type = match (heard.sound, agreed.plan.telephone_event) {
            (Sound::Voice(_), _) if !key_sounds => agreed.plan.send_payload_type,
            (Sound::Event, Some((send, _))) if !key_sounds && !twin => send,
            _ => {
                // A late one has its number behind us: nothing closes up.
                if heard.arrival != Arrival::Late {
                    leg.sender.leave_out();
                }
                return None;
            }
        };
        if hold.as_mut().is_some_and(|hold| hold.holder_speaks(now)) {
            leg.sender.new_source();
        }
        if heard.sound == Sound::Event {
            let new = way.key().is_some_and(|key| key.note(now, heard.header.timestamp));
            if new {
                leg.sender.new_source();
            }
            TelephoneEvent::rescale(payload, spoken_hz, agreed.plan.event_hz);
        }
        let stamp = leg.sender.relay(now, &heard.header)?;
        match (heard.sound, agreed.plan.codec) {
            (Sound::Voice(Codec::Pcmu), Codec::Pcma) => g711::ulaw_to_alaw(payload),
            (Sound::Voice(Codec::Pcma), Codec::Pcmu) => g711::alaw_to_ulaw(payload),
            _ => {}
        }
        rtp::rewrite(bytes, payload_type, stamp);
        if !std::mem::replace(relayed, true) {
            self.events.push_back(super::api::Event::FirstRelayed { to: leg.id });
        }
        self.counters.relayed += 1;
        Some(Outgoing { slot: to, half: Half::Rtp, to: target })
    }

    /// The transcoder's part of what is due at a leg.
    pub(super) fn transcoded_frame(
        &mut self,
        now: Mono,
        slot: Slot,
        at: Mono,
        send: &mut impl FnMut(Outgoing, &mut [u8]),
    ) {
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let target = leg.target().filter(|_| !leg.sounds_key());
        let (Hears::Peer { relayed, hold, way, .. }, Some(agreed)) = (&mut leg.hears, &leg.agreed) else { return };
        let Some(transcoder) = way.transcoder().filter(|transcoder| transcoder.is_due(at)) else { return };
        if now < at {
            // Further away than the wheel reaches.
            return self.playout.put(slot, at);
        }
        let packet = &mut self.made;
        packet.clear();
        packet.resize(HEADER, 0);
        transcoder.expect_loss(agreed.expected_loss(&leg.reports));
        let made = transcoder.frame(now, packet);
        if let Some(due) = transcoder.next_due() {
            self.playout.put(slot, due);
        }
        if transcoder.key().lasts(now) {
            return;
        }
        let held = hold.as_ref().is_some_and(|hold| hold.plays());
        let Some(to) = target.filter(|_| made == Made::Payload && !held) else {
            leg.sender.new_source();
            return;
        };
        let ticks = u32::from(transcoder.ptime_ms()) * (agreed.plan.codec.clock_hz() / 1000);
        let stamp = leg.sender.frame(now, ticks, packet.len().saturating_sub(HEADER));
        if let Some(header) = packet.first_chunk_mut::<HEADER>() {
            rtp::write(header, agreed.plan.send_payload_type, stamp);
        }
        if !std::mem::replace(relayed, true) {
            self.events.push_back(super::api::Event::FirstRelayed { to: leg.id });
        }
        self.counters.relayed += 1;
        secure::emit(&mut leg.secure, Outgoing { slot, half: Half::Rtp, to }, packet, send);
    }

    /// A leg agreed on something else, or with another: what it hears and what is heard of it is judged anew.
    pub(super) fn judge_ways(&mut self, slot: Slot) {
        self.mix_begins(slot);
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let Hears::Peer { slot: peer, way, .. } = &mut leg.hears else { return };
        way.judged_anew();
        leg.sender.new_source();
        let peer = *peer;
        if let Some(peer) = self.legs.get_mut(peer.0)
            && let Hears::Peer { slot: back, way, .. } = &mut peer.hears
            && *back == slot
        {
            way.judged_anew();
            peer.sender.new_source();
        }
    }
}

/// What a transcoder is given of a packet; `None`: there is none that wants it. What is no voice has a number, too: without it
/// something would look lost.
fn to_be_coded<'a>(heard: &Heard, payload: &'a [u8], way: &mut Way, plan: &MediaPlan) -> Option<Coded<'a>> {
    let (carries, ticks) = match heard.sound {
        Sound::Voice(from) => {
            way.through(from, payload, plan)?;
            (Carries::Voice(from), codec::ticks(from, payload).unwrap_or(0))
        }
        Sound::Event | Sound::Quiet | Sound::Other => {
            way.transcoder()?;
            (Carries::Quiet, 0)
        }
    };
    let (sequence, timestamp) = (heard.header.sequence, heard.header.timestamp);
    Some(Coded { carries, sequence, timestamp, ticks, payload })
}

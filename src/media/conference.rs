//! A supervisor at a talk: which legs hear the mix, where their voices go in, when the mix ends. Owns the change between relaying in
//! place and mixing, in both directions without a number used twice or left out; refuses to mix, which is [`Mixer`]'s, and to
//! know who may listen, which is the call's.
//!
//! A talker who does not hear the supervisor is relayed to as before, in place: listening costs the two who talk nothing.

use super::jitter::{Carries, Coded};
use super::leg::{Heard, Hears, Sound};
use super::mixer::{Mixer, Party};
use super::relay::Way;
use super::secure;
use super::{Half, Outgoing, Shard, Slot};
use crate::audio::codec;
use crate::clock::Mono;
use crate::model::{LegId, SupervisorMode};
use crate::rtp::{self, Arrival, HEADER};

impl Shard {
    /// `supervisor` takes part in the talk of the other two from now on; said again with another mode or another representative,
    /// it goes on with those.
    pub(super) fn supervise(
        &mut self,
        now: Mono,
        supervisor: LegId,
        [customer, representative]: [LegId; 2],
        mode: SupervisorMode,
    ) {
        let legs = [customer, representative, supervisor];
        let Some(slots) = self.slots_of(legs) else { return };
        if self.mixers.get(&supervisor.call).is_some_and(|mixer| mixer.legs() != legs) {
            self.end_mix_of(supervisor);
        }
        let mixer = match self.mixers.remove(&supervisor.call) {
            Some(mut mixer) => {
                mixer.mode = mode;
                mixer
            }
            None => {
                let plans = slots.map(|slot| self.legs.get(slot.0).and_then(|leg| leg.agreed.as_ref()));
                let [Some(a), Some(b), Some(c)] = plans else { return };
                let parties = [(customer, &a.plan), (representative, &b.plan), (supervisor, &c.plan)];
                let mixer = Mixer::new(now, mode, parties);
                let [_, _, beats] = slots;
                self.playout.put(beats, mixer.due());
                Box::new(mixer)
            }
        };
        self.mixers.insert(supervisor.call, mixer);
        for (party, slot) in Party::ALL.into_iter().zip(slots) {
            self.seat(party, slot, party.hears_mix(mode));
        }
        self.record_beside(supervisor, mode == SupervisorMode::Join);
    }

    /// A leg of a talk with a supervisor closes: the others go on as without one.
    pub(super) fn end_mix_of(&mut self, leg: LegId) {
        if self.mixers.get(&leg.call).is_none_or(|mixer| mixer.party(leg).is_none()) {
            return;
        }
        let Some(mixer) = self.mixers.remove(&leg.call) else { return };
        for (party, id) in Party::ALL.into_iter().zip(mixer.legs()) {
            let Some(slot) = self.slot(id) else { continue };
            self.seat(party, slot, false);
            if let Some(leg) = self.legs.get_mut(slot.0) {
                leg.mixed = false;
            }
        }
        let [_, _, supervisor] = mixer.legs();
        self.record_beside(supervisor, false);
    }

    /// What a party hears is a mix from now on, or is none.
    fn seat(&mut self, party: Party, slot: Slot, mix: bool) {
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        leg.mixed = true;
        let changes = match (&mut leg.hears, party) {
            (Hears::Mix, Party::Supervisor) if !mix => {
                leg.hears = Hears::Nothing;
                true
            }
            (hears, Party::Supervisor) if mix && !matches!(hears, Hears::Mix) => {
                leg.hears = Hears::Mix;
                leg.ear = None;
                true
            }
            (Hears::Peer { way, .. }, Party::Customer | Party::Representative) => way.mixes(mix),
            _ => false,
        };
        if changes {
            leg.sender.new_source();
            self.mix_begins(slot);
        }
    }

    /// What this leg hears of the mix, if it hears one, begins anew.
    pub(super) fn mix_begins(&mut self, slot: Slot) {
        let Some(leg) = self.legs.get(slot.0).filter(|leg| leg.mixed) else { return };
        let (Some(mixer), Some(agreed)) = (self.mixers.get_mut(&leg.id.call), &leg.agreed) else { return };
        if let Some(party) = mixer.party(leg.id) {
            mixer.begins(party, &agreed.plan);
        }
    }

    /// A packet of a leg at such a talk.
    pub(super) fn mix_in(&mut self, now: Mono, slot: Slot, heard: &Heard, bytes: &[u8]) {
        let Some(leg) = self.legs.get(slot.0) else { return };
        let Some(mixer) = self.mixers.get_mut(&leg.id.call) else { return };
        let (Some(party), Some(agreed)) = (mixer.party(leg.id), &leg.agreed) else { return };
        let takes_part = match leg.hears {
            Hears::Peer { .. } => true,
            // A supervisor who holds may stream music: it is for nobody.
            Hears::Mix => agreed.plan.direction.send,
            Hears::Nothing | Hears::Script { .. } => false,
        };
        let fresh = match heard.arrival {
            Arrival::Duplicate | Arrival::Suspect => return,
            Arrival::Start => true,
            Arrival::Fresh | Arrival::Late => false,
        };
        let Some(payload) = bytes.get(heard.header.payload.clone()).filter(|_| takes_part) else { return };
        let (carries, ticks) = match heard.sound {
            Sound::Voice(from) => (Carries::Voice(from), codec::ticks(from, payload).unwrap_or(0)),
            Sound::Event | Sound::Quiet | Sound::Other => (Carries::Quiet, 0),
        };
        let (sequence, timestamp) = (heard.header.sequence, heard.header.timestamp);
        mixer.hear(now, party, &Coded { carries, sequence, timestamp, ticks, payload }, fresh);
    }

    /// The mixer's part of what is due at a leg: its beat is the supervisor's.
    pub(super) fn mixed_frames(&mut self, now: Mono, slot: Slot, at: Mono, send: &mut impl FnMut(Outgoing, &mut [u8])) {
        let Some(leg) = self.legs.get(slot.0).filter(|leg| matches!(leg.hears, Hears::Mix)) else { return };
        let call = leg.id.call;
        let Some(mut mixer) = self.mixers.remove(&call) else { return };
        if mixer.due() == at && mixer.party(leg.id) == Some(Party::Supervisor) {
            mixer.beat(now);
            self.playout.put(slot, mixer.due());
            for (party, id) in Party::ALL.into_iter().zip(mixer.legs()) {
                if party.hears_mix(mixer.mode)
                    && let Some(slot) = self.slot(id)
                {
                    self.send_mixed(now, &mut mixer, party, slot, send);
                }
            }
        }
        self.mixers.insert(call, mixer);
    }

    /// Sends a party what was mixed for it. What it may not be sent, or cannot hear because something else sounds, is left out.
    fn send_mixed(
        &mut self,
        now: Mono,
        mixer: &mut Mixer,
        party: Party,
        slot: Slot,
        send: &mut impl FnMut(Outgoing, &mut [u8]),
    ) {
        loop {
            let packet = &mut self.made;
            packet.clear();
            packet.resize(HEADER, 0);
            let Some(leg) = self.legs.get_mut(slot.0) else { return };
            let loss = leg.agreed.as_ref().map_or(0, |agreed| agreed.expected_loss(&leg.reports));
            let Some(ticks) = mixer.packet(party, loss, packet) else { return };
            let silent = match &mut leg.hears {
                Hears::Mix => false,
                Hears::Peer { way, hold, .. } => {
                    let key = way.key().is_some_and(|key| key.lasts(now));
                    !way.is_mixed() || key || hold.as_ref().is_some_and(|hold| hold.plays())
                }
                Hears::Nothing | Hears::Script { .. } => true,
            };
            if silent {
                continue;
            }
            let target = leg.target().filter(|_| !leg.sounds_key());
            let (Some(to), Some(agreed)) = (target, &leg.agreed) else {
                leg.sender.new_source();
                continue;
            };
            let stamp = leg.sender.frame(now, ticks, packet.len().saturating_sub(HEADER));
            if let Some(header) = packet.first_chunk_mut::<HEADER>() {
                rtp::write(header, agreed.plan.send_payload_type, stamp);
            }
            let other = if party == Party::Customer { Party::Representative } else { Party::Customer };
            if let Hears::Peer { relayed, .. } = &mut leg.hears
                && mixer.speaks(other)
                && !std::mem::replace(relayed, true)
            {
                self.events.push_back(super::api::Event::FirstRelayed { to: leg.id });
            }
            self.counters.relayed += 1;
            secure::emit(&mut leg.secure, Outgoing { slot, half: Half::Rtp, to }, packet, send);
        }
    }

    fn slots_of(&self, legs: [LegId; 3]) -> Option<[Slot; 3]> {
        let [a, b, c] = legs.map(|leg| self.slot(leg));
        let slots = [a?, b?, c?];
        let agreed = |slot: &Slot| self.legs.get(slot.0).is_some_and(|leg| leg.agreed.is_some());
        let apart = a != b && b != c && a != c;
        (apart && slots.iter().all(agreed)).then_some(slots)
    }
}

impl Way {
    /// Packets are mixed from now on, or relayed. True: that is something else than before.
    fn mixes(&mut self, mix: bool) -> bool {
        if self.is_mixed() == mix {
            return false;
        }
        *self = if mix { Way::Mixed { key: Default::default() } } else { Way::NEW };
        true
    }
}

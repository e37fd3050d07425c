//! What is heard in the sound of a leg: keys, of a peer that says them in no other way, and whether a person answered or a machine.
//! Owns the decoding for both and that one press counts once; made only while somebody wants to know, and gone afterwards.

use std::time::Duration;

use super::api::Event;
use super::leg::{Heard, Sound};
use super::presses::Judged;
use super::{Shard, Slot};
use crate::audio::codec::{Decoder, Rate};
use crate::audio::g711;
use crate::audio::keys::KeyEar;
use crate::audio::machine::{MachineEar, Told};
use crate::clock::Mono;
use crate::model::{Codec, LegId, MachineTimes};
use crate::rtp::Arrival;

/// What has not come so long after its time is silence.
const LATE: Duration = Duration::from_millis(100);

/// What listens to a leg.
#[derive(Default)]
pub(super) struct Ear {
    keys: Option<KeyEar>,
    who: Option<Box<Who>>,
    /// Of the codec that was heard last, where that is not G.711, which needs a table only.
    decoder: Option<Box<Decoder>>,
    /// It was bridged while a key sounded, which is not to be heard as another: it goes, unless keys are waited for again.
    closing: bool,
}

/// A person or a machine?
struct Who {
    ear: MachineEar,
    began: Mono,
    /// Milliseconds heard since, with what was silent.
    heard: Duration,
}

impl Who {
    /// What should have come by now and did not was silence.
    fn fill(&mut self, now: Mono, said: impl FnMut(Told)) {
        let missing = now.since(self.began).saturating_sub(self.heard);
        if missing >= LATE {
            let ms = missing.as_millis();
            self.heard += missing;
            self.ear.hear_nothing(usize::try_from(ms).unwrap_or(usize::MAX), said);
        }
    }

    fn hear(&mut self, now: Mono, samples: &[i16], mut said: impl FnMut(Told)) {
        self.fill(now, &mut said);
        // A peer that sends more than there is time for is not heard any sooner.
        let lasts = crate::audio::duration(samples.len());
        if self.heard <= now.since(self.began) + LATE {
            self.heard += lasts;
            self.ear.hear(samples, said);
        }
    }
}

/// No key is waited for any more.
pub(super) fn hear_no_keys(ear: &mut Option<Box<Ear>>) {
    if let Some(listens) = ear {
        listens.keys = None;
        if listens.who.is_none() {
            *ear = None;
        }
    }
}

/// They talk from now on.
pub(super) fn bridged(ear: &mut Option<Box<Ear>>) {
    match ear {
        Some(listens) if listens.hears_key() => {
            listens.who = None;
            listens.closing = true;
        }
        _ => *ear = None,
    }
}

impl Ear {
    /// What comes from now on is coded in another way, or is somebody else's: a decoder that knew the last one would mishear it.
    pub(super) fn hears_anew(&mut self) {
        self.decoder = None;
    }

    /// A key sounds that was told.
    pub(super) fn hears_key(&self) -> bool {
        self.keys.as_ref().is_some_and(KeyEar::is_down)
    }
}

fn event(leg: LegId, told: Told) -> Event {
    match told {
        Told::By(by) => Event::AnsweredBy { leg, by },
        Told::GreetingOver => Event::GreetingOver { leg },
    }
}

impl Shard {
    /// Keys are listened for from now on.
    pub(super) fn hear_keys(&mut self, id: LegId) {
        if let Some(ear) = self.ear(id) {
            ear.keys.get_or_insert_default();
            ear.closing = false;
        }
    }

    /// From now on it is listened who answered.
    pub(super) fn hear_who(&mut self, now: Mono, id: LegId, times: MachineTimes) {
        if let Some(ear) = self.ear(id) {
            ear.who = Some(Box::new(Who { ear: MachineEar::new(times), began: now, heard: Duration::ZERO }));
        }
    }

    fn ear(&mut self, id: LegId) -> Option<&mut Ear> {
        let slot = self.slot(id)?;
        let leg = self.legs.get_mut(slot.0)?;
        Some(leg.ear.get_or_insert_default())
    }

    /// A packet of a leg that is listened to.
    pub(super) fn listen(&mut self, now: Mono, slot: Slot, heard: &Heard, bytes: &[u8]) {
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let (Some(ear), Sound::Voice(codec)) = (&mut leg.ear, heard.sound) else { return };
        let Some(payload) = bytes.get(heard.header.payload.clone()) else { return };
        if !matches!(heard.arrival, Arrival::Fresh | Arrival::Start) {
            return;
        }
        if heard.arrival == Arrival::Start {
            ear.hears_anew();
        }
        let samples = &mut self.samples;
        samples.clear();
        match codec {
            Codec::Pcmu => samples.extend(payload.iter().map(|code| g711::ulaw_decode(*code))),
            Codec::Pcma => samples.extend(payload.iter().map(|code| g711::alaw_decode(*code))),
            Codec::G722 | Codec::Opus => {
                let decoder = match &mut ear.decoder {
                    Some(known) if known.codec() == codec => known,
                    other => other.insert(Box::new(Decoder::new(codec, Rate::Hz8000))),
                };
                decoder.decode(payload, samples);
            }
        }
        let mut pressed = Vec::new();
        if let Some(keys) = &mut ear.keys {
            keys.hear(samples, |key| pressed.push(key));
        }
        if let Some(who) = &mut ear.who {
            let (id, events) = (leg.id, &mut self.events);
            who.hear(now, samples, |told| events.push_back(event(id, told)));
        }
        let (id, closing) = (leg.id, ear.closing);
        // The same press may have come by signalling.
        pressed.retain(|key| !closing && leg.presses().event(now, *key, heard.header.timestamp) == Judged::New);
        for key in pressed {
            self.events.push_back(Event::Digit { leg: id, key });
            self.key_crosses(now, id, key);
        }
    }

    /// Where nothing comes, time goes on all the same: silence is heard. What has said all it had to say is put away.
    pub(super) fn hear_gaps(&mut self, now: Mono) {
        for (_, leg) in &mut self.legs {
            let Some(ear) = &mut leg.ear else { continue };
            if let Some(who) = &mut ear.who {
                let (id, events) = (leg.id, &mut self.events);
                who.fill(now, |told| events.push_back(event(id, told)));
            }
            if ear.closing {
                leg.ear = None;
                continue;
            }
            if ear.who.as_ref().is_some_and(|who| who.ear.is_done()) {
                ear.who = None;
                if ear.keys.is_none() {
                    leg.ear = None;
                }
            }
        }
    }
}

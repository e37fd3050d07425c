//! Keys in the sound of a leg that says them in no other way. Owns the decoding for the ear and that one press counts once; made
//! only while somebody waits for a key, and gone with the next thing that the leg hears.

use super::api::Event;
use super::leg::{Heard, Sound};
use super::presses::Judged;
use super::{Shard, Slot};
use crate::audio::codec::{Decoder, Rate};
use crate::audio::keys::KeyEar;
use crate::clock::Mono;
use crate::model::{Codec, LegId};
use crate::rtp::Arrival;

/// What listens to a leg.
#[derive(Default)]
pub(super) struct Ear {
    keys: KeyEar,
    /// Of the codec that was heard last.
    decoder: Option<(Codec, Decoder)>,
    samples: Vec<i16>,
}

impl Shard {
    /// Keys are listened for from now on.
    pub(super) fn hear_keys(&mut self, id: LegId) {
        if let Some(leg) = self.slot(id).and_then(|slot| self.legs.get_mut(slot.0)) {
            leg.ear = Some(Box::default());
        }
    }

    /// A packet of a leg that is listened to.
    pub(super) fn listen(&mut self, now: Mono, slot: Slot, heard: &Heard, bytes: &[u8]) {
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let (Some(ear), Sound::Voice(codec)) = (&mut leg.ear, heard.sound) else { return };
        let Some(payload) = bytes.get(heard.header.payload.clone()) else { return };
        if !matches!(heard.arrival, Arrival::Fresh | Arrival::Start) {
            return;
        }
        let known = ear.decoder.take().filter(|(known, _)| *known == codec);
        let (_, decoder) = ear.decoder.insert(known.unwrap_or_else(|| (codec, Decoder::new(codec, Rate::Hz8000))));
        ear.samples.clear();
        decoder.decode(payload, &mut ear.samples);
        let mut pressed = Vec::new();
        ear.keys.hear(&ear.samples, |key| pressed.push(key));
        for key in pressed {
            // The same press may have come by signalling.
            if leg.presses().event(now, key, heard.header.timestamp) == Judged::New {
                self.events.push_back(Event::Digit { leg: leg.id, key });
            }
        }
    }
}

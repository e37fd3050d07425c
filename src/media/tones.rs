//! A key as sound, for a peer that understands it in no other way. Owns its frames in the codec of the leg; refuses when they are due.

use crate::audio::SAMPLE_RATE;
use crate::audio::codec::{Encoder, Rate};
use crate::audio::keys;
use crate::model::digits::PRESS;
use crate::model::{Codec, Key};

/// A key that sounds.
pub(super) struct Sounding {
    key: Key,
    /// Samples that have sounded.
    at: usize,
    encoder: Encoder,
}

impl Sounding {
    /// At its beginning.
    pub(super) fn new(key: Key, codec: Codec) -> Sounding {
        Sounding { key, at: 0, encoder: Encoder::new(codec, Rate::Hz8000) }
    }

    /// Appends a payload of `ms` milliseconds; true when it has sounded long enough: [`PRESS`], in whole packets.
    pub(super) fn frame(&mut self, codec: Codec, ms: u16, payload: &mut Vec<u8>) -> bool {
        if self.encoder.codec() != codec {
            self.encoder = Encoder::new(codec, Rate::Hz8000);
        }
        let count = Rate::Hz8000.samples(usize::from(ms));
        self.encoder.encode(&keys::sound(self.key, self.at, count), payload);
        self.at += count;
        self.at as u64 * 1000 >= PRESS.as_millis() as u64 * u64::from(SAMPLE_RATE)
    }
}

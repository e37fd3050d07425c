//! A recording ready to be sent: encoded once per codec and shared by every leg that hears it.
//!
//! Both laws of G.711 are made at once. G.722 and Opus are made when somebody is to hear them, by a thread that has the time
//! ([`Prompt::make`]); until then whoever plays it encodes for himself, in the band of G.711. What they carry beyond it comes from the
//! recording itself, which is read again for that ([`Wide`]) and not kept. Owns the encoded frames; refuses to know who hears them.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::codec::{Encoder, Rate};
use super::{SAMPLE_RATE, SAMPLES_PER_FRAME, g711};
use crate::model::Codec;

/// Gives a recording again, at 16 kHz: asked by whoever makes it in a codec of that band, once for each. `None`: it is not to be had any more.
#[derive(Clone)]
pub struct Wide(Arc<dyn Fn() -> Option<Vec<i16>> + Send + Sync>);

impl Wide {
    /// Given by this.
    pub fn new(give: impl Fn() -> Option<Vec<i16>> + Send + Sync + 'static) -> Wide {
        Wide(Arc::new(give))
    }
}

impl fmt::Debug for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wide")
    }
}

/// A recording, mono.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// G.711 µ-law, one byte per 125 µs sample.
    pub pcmu: Arc<[u8]>,
    /// The same in A-law.
    pub pcma: Arc<[u8]>,
    /// Where it has more in it than these carry.
    wide: Option<Wide>,
    /// G.722: also a byte per 125 µs.
    g722: OnceLock<Arc<[u8]>>,
    opus: OnceLock<Packets>,
    asked: [OnceLock<()>; 2],
}

/// Opus packets of 20 ms, one behind the other.
#[derive(Clone, Debug)]
struct Packets {
    bytes: Arc<[u8]>,
    ends: Arc<[usize]>,
}

impl Prompt {
    /// Encodes 8 kHz samples in both laws. The last frame is filled up with silence, so every packet is whole.
    pub fn from_pcm(samples: &[i16]) -> Prompt {
        let missing = samples.len().next_multiple_of(SAMPLES_PER_FRAME) - samples.len();
        let whole = |mut codes: Vec<u8>, silence: u8| -> Arc<[u8]> {
            codes.extend(std::iter::repeat_n(silence, missing));
            codes.into()
        };
        Prompt::of_codes(
            whole(g711::ulaw_encode_all(samples), g711::ULAW_SILENCE),
            whole(g711::alaw_encode_all(samples), g711::ALAW_SILENCE),
        )
    }

    /// Of what is encoded in both laws already, equally long.
    pub fn of_codes(pcmu: impl Into<Arc<[u8]>>, pcma: impl Into<Arc<[u8]>>) -> Prompt {
        let (g722, opus, asked) = (OnceLock::new(), OnceLock::new(), Default::default());
        Prompt { pcmu: pcmu.into(), pcma: pcma.into(), wide: None, g722, opus, asked }
    }

    /// The same, with what a wide band carries beyond it. Where the two do not last equally long, the narrow one says how long it is.
    pub fn with_wide(self, wide: Option<Wide>) -> Prompt {
        Prompt { wide, ..self }
    }

    /// Its samples, as a listener on a µ-law line hears them.
    pub fn to_pcm(&self) -> Vec<i16> {
        g711::ulaw_decode_all(&self.pcmu)
    }

    /// The frames of a codec that has a byte for every sample: all but Opus. `None`: not made.
    pub fn codes(&self, codec: Codec) -> Option<&[u8]> {
        match codec {
            Codec::Pcmu => Some(&self.pcmu),
            Codec::Pcma => Some(&self.pcma),
            Codec::G722 => self.g722.get().map(AsRef::as_ref),
            Codec::Opus => None,
        }
    }

    /// The Opus packet of this 20 ms frame. `None`: not made, or past the end.
    pub fn packet(&self, frame: usize) -> Option<&[u8]> {
        let Packets { bytes, ends } = self.opus.get()?;
        let start = frame.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied())?;
        bytes.get(start..*ends.get(frame)?)
    }

    /// Whether its frames in this codec are there.
    pub fn is_made(&self, codec: Codec) -> bool {
        match codec {
            Codec::Pcmu | Codec::Pcma => true,
            Codec::G722 => self.g722.get().is_some(),
            Codec::Opus => self.opus.get().is_some(),
        }
    }

    /// Somebody would hear it in this codec: true for the first who says so while it is not made.
    pub fn ask(&self, codec: Codec) -> bool {
        let [g722, opus] = &self.asked;
        match codec {
            Codec::Pcmu | Codec::Pcma => false,
            Codec::G722 => !self.is_made(codec) && g722.set(()).is_ok(),
            Codec::Opus => !self.is_made(codec) && opus.set(()).is_ok(),
        }
    }

    /// Makes its frames in this codec, where they are not there: some milliseconds of work for each second of it.
    pub fn make(&self, codec: Codec) {
        match codec {
            Codec::Pcmu | Codec::Pcma => {}
            Codec::G722 => {
                self.g722.get_or_init(|| {
                    let mut codes = Vec::with_capacity(self.samples());
                    let (samples, rate) = self.best();
                    Encoder::new(codec, rate).encode(&samples, &mut codes);
                    codes.into()
                });
            }
            Codec::Opus => {
                self.opus.get_or_init(|| self.opus_packets());
            }
        }
    }

    fn opus_packets(&self) -> Packets {
        let (samples, rate) = self.best();
        let mut encoder = Encoder::new(Codec::Opus, rate);
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for frame in samples.chunks(rate.samples(20)) {
            encoder.encode(frame, &mut bytes);
            ends.push(bytes.len());
        }
        Packets { bytes: bytes.into(), ends: ends.into() }
    }

    /// The best there is of it, as long as the rest of it.
    fn best(&self) -> (Vec<i16>, Rate) {
        match self.wide.as_ref().and_then(|wide| (wide.0)()) {
            Some(mut samples) => {
                samples.resize(2 * self.samples(), 0);
                (samples, Rate::Hz16000)
            }
            None => (self.to_pcm(), Rate::Hz8000),
        }
    }

    /// How many samples of 8 kHz it has; of those made by [`Prompt::from_pcm`] a multiple of [`SAMPLES_PER_FRAME`].
    pub fn samples(&self) -> usize {
        self.pcmu.len()
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        duration(self.samples())
    }

    /// Memory it takes with every codec made, in bytes: three at 64 kbit/s, Opus near 24.
    pub fn bytes(&self) -> usize {
        self.pcmu.len() * 3 + self.pcmu.len() * 3 / 8
    }
}

/// How long so many samples last.
pub fn duration(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::codec::Decoder;
    use crate::audio::tone::{share_at, sine};

    #[test]
    fn a_prompt_is_whole_frames_in_both_laws() {
        let prompt = Prompt::from_pcm(&sine(440.0, 8000, 170));
        assert_eq!((prompt.pcmu.len(), prompt.pcma.len()), (320, 320));
        assert_eq!(prompt.duration(), Duration::from_millis(40));
        assert_eq!(prompt.pcma.last(), Some(&g711::ALAW_SILENCE));
        assert!(Prompt::from_pcm(&[]).pcmu.is_empty());
    }

    #[test]
    fn the_other_codecs_are_made_once_for_the_first_who_asks() {
        let prompt = Prompt::from_pcm(&sine(440.0, 8000, 8000));
        for codec in [Codec::G722, Codec::Opus] {
            assert!(!prompt.is_made(codec));
            assert_eq!((prompt.ask(codec), prompt.ask(codec)), (true, false));
            prompt.make(codec);
            assert!(prompt.is_made(codec) && !prompt.ask(codec));
        }
        assert!(!prompt.ask(Codec::Pcmu));
    }

    /// A tone within a telephone line's band and one beyond it, at 16 kHz; that rate's hertz count double here.
    fn wide_chord(count: usize) -> Vec<i16> {
        sine(500.0, 4000, count).iter().zip(sine(3000.0, 4000, count)).map(|(low, high)| low + high).collect()
    }

    #[test]
    fn what_is_beyond_a_telephone_line_is_heard_in_the_codecs_that_carry_it() {
        for samples in [15_000, 16_000, 17_000] {
            let narrow = Prompt::from_pcm(&sine(1000.0, 4000, 8000));
            let prompt = narrow.with_wide(Some(Wide::new(move || Some(wide_chord(samples)))));
            for codec in [Codec::G722, Codec::Opus] {
                prompt.make(codec);
                let (mut decoder, mut heard) = (Decoder::new(codec, Rate::Hz16000), Vec::new());
                for frame in 0..50 {
                    let payload = match prompt.codes(codec) {
                        Some(codes) => &codes[frame * 160..(frame + 1) * 160],
                        None => prompt.packet(frame).unwrap(),
                    };
                    assert!(decoder.decode(payload, &mut heard));
                }
                let (low, high) = (share_at(&heard[3200..12_800], 500.0), share_at(&heard[3200..12_800], 3000.0));
                assert!(low > 0.4 && high > 0.4, "{codec:?}: 1 kHz {low}, 6 kHz {high}");
            }
            assert_eq!(prompt.codes(Codec::G722).unwrap().len(), 8000, "as long as the narrow one");
            assert!(prompt.opus.get().unwrap().bytes.len() <= prompt.samples() * 3 / 8 * 2, "near 24 kbit/s");
        }
    }

    #[test]
    fn a_recording_that_is_gone_is_still_heard_as_on_a_telephone_line() {
        let prompt = Prompt::from_pcm(&sine(1000.0, 4000, 8000)).with_wide(Some(Wide::new(|| None)));
        prompt.make(Codec::G722);
        let mut heard = Vec::new();
        Decoder::new(Codec::G722, Rate::Hz8000)
            .decode(prompt.codes(Codec::G722).unwrap().get(..960).unwrap(), &mut heard);
        assert!(share_at(&heard[160..], 1000.0) > 0.95);
    }

    #[test]
    fn it_sounds_the_same_in_every_codec() {
        let prompt = Prompt::from_pcm(&sine(440.0, 8000, 8000));
        for codec in Codec::ALL {
            prompt.make(codec);
            let (mut decoder, mut heard) = (Decoder::new(codec, Rate::Hz8000), Vec::new());
            for frame in 0..50 {
                let payload = match prompt.codes(codec) {
                    Some(codes) => &codes[frame * 160..(frame + 1) * 160],
                    None => prompt.packet(frame).unwrap(),
                };
                assert!(decoder.decode(payload, &mut heard));
            }
            assert_eq!(heard.len(), 8000, "{codec:?}");
            assert!(share_at(&heard[1600..6400], 440.0) > 0.98, "{codec:?}");
        }
        assert_eq!(prompt.packet(50), None);
        assert!(prompt.opus.get().unwrap().bytes.len() <= prompt.samples() / 4 * 2, "near 16 kbit/s");
    }
}

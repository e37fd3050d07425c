//! G.711, WAV, tones, resampling, levels, prompt rendering. Pure.
//!
//! Everything here is 8 kHz mono: what a telephone line carries. Refuses files, sockets and time: bytes and samples in, bytes
//! and samples out.

use std::sync::Arc;
use std::time::Duration;

pub mod codec;
mod conceal;
pub mod g711;
mod g722;
pub mod level;
pub mod music;
mod opus;
pub mod render;
pub mod resample;
pub mod tone;
pub mod wav;

/// Samples a second.
pub const SAMPLE_RATE: u32 = 8_000;
/// Samples of one 20 ms frame: one RTP packet.
pub const SAMPLES_PER_FRAME: usize = 160;

/// A recording ready to be sent: 8 kHz mono, encoded once per codec and shared by every leg that hears it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompt {
    /// G.711 µ-law, one byte per 125 µs sample.
    pub pcmu: Arc<[u8]>,
    /// The same in A-law.
    pub pcma: Arc<[u8]>,
}

impl Prompt {
    /// Encodes 8 kHz samples in both laws. The last frame is filled up with silence, so every packet is whole.
    pub fn from_pcm(samples: &[i16]) -> Prompt {
        let missing = samples.len().next_multiple_of(SAMPLES_PER_FRAME) - samples.len();
        let whole = |mut codes: Vec<u8>, silence: u8| -> Arc<[u8]> {
            codes.extend(std::iter::repeat_n(silence, missing));
            codes.into()
        };
        Prompt {
            pcmu: whole(g711::ulaw_encode_all(samples), g711::ULAW_SILENCE),
            pcma: whole(g711::alaw_encode_all(samples), g711::ALAW_SILENCE),
        }
    }

    /// Its samples, as a listener on a µ-law line hears them.
    pub fn to_pcm(&self) -> Vec<i16> {
        g711::ulaw_decode_all(&self.pcmu)
    }

    /// How many samples it has; a multiple of [`SAMPLES_PER_FRAME`].
    pub fn samples(&self) -> usize {
        self.pcmu.len()
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        duration(self.samples())
    }

    /// Memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.pcmu.len() + self.pcma.len()
    }
}

/// How long so many samples last.
pub fn duration(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_whole_frames_in_both_laws() {
        let prompt = Prompt::from_pcm(&tone::sine(440.0, 8000, 170));
        assert_eq!((prompt.pcmu.len(), prompt.pcma.len()), (320, 320));
        assert_eq!(prompt.duration(), Duration::from_millis(40));
        assert_eq!(prompt.pcma.last(), Some(&g711::ALAW_SILENCE));
        assert!(Prompt::from_pcm(&[]).pcmu.is_empty());
    }
}

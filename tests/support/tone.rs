//! Tones as signatures: each speaker and each message has its own frequency, a multiple of 50 Hz, so that one 20 ms frame
//! holds whole periods and Goertzel's filter judges it exactly, whatever the phase.

use std::f64::consts::TAU;
use std::path::Path;

/// Who or what is heard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tone {
    /// The customer's voice.
    Customer,
    /// The representative's voice.
    Representative,
    /// The message, where a story gives it as a file.
    Prompt,
    /// The second message, likewise.
    Unavailable,
    /// Hold music, likewise.
    HoldMusic,
    /// The voice of the one to whom a customer is transferred.
    NewParty,
}

impl Tone {
    /// All of them.
    pub const ALL: [Tone; 6] =
        [Tone::Customer, Tone::Representative, Tone::Prompt, Tone::Unavailable, Tone::HoldMusic, Tone::NewParty];

    /// Its frequency.
    pub fn hertz(self) -> f64 {
        match self {
            Tone::Customer => 1150.0,
            Tone::Representative => 1550.0,
            Tone::Prompt => 650.0,
            Tone::Unavailable => 850.0,
            Tone::HoldMusic => 450.0,
            Tone::NewParty => 1950.0,
        }
    }

    /// The sample at this position.
    pub fn sample(self, position: u32) -> i16 {
        ((self.hertz() * TAU * f64::from(position) / 8000.0).sin() * 8000.0) as i16
    }

    /// The share of the samples' energy at this frequency: 1 for the pure tone, 0 for silence.
    pub fn share(self, samples: &[i16]) -> f64 {
        let energy: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        if energy < 1.0 {
            return 0.0;
        }
        let coefficient = 2.0 * (TAU * self.hertz() / 8000.0).cos();
        let (mut older, mut newer) = (0.0, 0.0);
        for sample in samples {
            (older, newer) = (newer, f64::from(*sample) + coefficient * newer - older);
        }
        let power = newer * newer + older * older - coefficient * newer * older;
        2.0 * power / (samples.len() as f64 * energy)
    }

    /// Writes it as a WAV, 8 kHz mono 16 bit.
    pub fn write_wav(self, path: &Path, seconds: f64) {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(path, spec).expect("a WAV in the test's folder");
        for position in 0..(seconds * 8000.0) as u32 {
            wav.write_sample(self.sample(position)).expect("a sample");
        }
        wav.finalize().expect("the WAV's header");
    }
}

/// Root mean square of the samples.
pub fn level(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    (energy / samples.len().max(1) as f64).sqrt()
}

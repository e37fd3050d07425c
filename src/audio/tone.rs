//! Tones: making a sine, and telling whether one is heard. With these a test or the demo proves that audio crossed the bridge.
//!
//! Owns the generator and the Goertzel detector at 8 kHz. Refuses to judge speech (that is [`super::level`]'s).

use std::f64::consts::TAU;

use super::SAMPLE_RATE;

/// An endless sine that keeps its phase from block to block.
#[derive(Clone, Debug)]
pub struct Sine {
    step: f64,
    phase: f64,
    amplitude: f64,
}

impl Sine {
    /// A sine of `hertz` (below 4000) with this peak.
    pub fn new(hertz: f64, amplitude: i16) -> Sine {
        Sine { step: TAU * hertz / f64::from(SAMPLE_RATE), phase: 0.0, amplitude: f64::from(amplitude) }
    }

    /// The next samples.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = (self.amplitude * self.phase.sin()).round() as i16;
            self.phase = (self.phase + self.step) % TAU;
        }
    }
}

/// `count` samples of a sine.
pub fn sine(hertz: f64, amplitude: i16, count: usize) -> Vec<i16> {
    let mut samples = vec![0; count];
    Sine::new(hertz, amplitude).fill(&mut samples);
    samples
}

/// The share (0 to 1) of the window's energy that lies at `hertz`, by Goertzel's recurrence. A window of N samples resolves
/// 8000 / N Hz: other tones should be at least twice that away. 0 for an empty or silent window.
pub fn share_at(samples: &[i16], hertz: f64) -> f64 {
    let energy: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    if energy <= 0.0 {
        return 0.0;
    }
    let omega = TAU * hertz / f64::from(SAMPLE_RATE);
    let turn = 2.0 * omega.cos();
    let (mut last, mut before) = (0.0f64, 0.0f64);
    for sample in samples {
        let next = f64::from(*sample) + turn * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - turn * last * before;
    (2.0 * power / (samples.len() as f64 * energy)).min(1.0)
}

/// The smallest root mean square that counts as sound: about −56 dBFS, far over the idle noise of either law.
const AUDIBLE: f64 = 50.0;

/// True when the window is audible and most of its energy is at `hertz`.
pub fn is_heard(samples: &[i16], hertz: f64) -> bool {
    super::level::rms(samples) >= AUDIBLE && share_at(samples, hertz) >= 0.5
}

/// How many of the consecutive windows of `window` samples carry the tone: a recording's way to say "heard for so long".
pub fn windows_heard(samples: &[i16], hertz: f64, window: usize) -> usize {
    samples.chunks_exact(window.max(1)).filter(|part| is_heard(part, hertz)).count()
}

/// The first sample of the first window of `window` samples that carries the tone.
pub fn first_heard(samples: &[i16], hertz: f64, window: usize) -> Option<usize> {
    samples.chunks_exact(window.max(1)).position(|part| is_heard(part, hertz)).map(|n| n * window.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::g711;

    #[test]
    fn a_tone_is_heard_where_it_is_and_nowhere_else() {
        let tone = sine(440.0, 8000, 800);
        assert!(share_at(&tone, 440.0) > 0.99);
        assert!(is_heard(&tone, 440.0));
        for other in [220.0, 400.0, 480.0, 880.0, 1000.0] {
            assert!(!is_heard(&tone, other), "{other} Hz");
        }
    }

    #[test]
    fn a_tone_is_heard_through_both_laws() {
        let tone = sine(1004.0, 4000, 800);
        let ulaw = g711::ulaw_decode_all(&g711::ulaw_encode_all(&tone));
        let alaw = g711::alaw_decode_all(&g711::alaw_encode_all(&tone));
        assert!(share_at(&ulaw, 1004.0) > 0.99);
        assert!(share_at(&alaw, 1004.0) > 0.99);
    }

    #[test]
    fn silence_and_idle_noise_are_no_tone() {
        assert_eq!(share_at(&[], 440.0), 0.0);
        assert!(!is_heard(&[0; 160], 440.0));
        assert!(!is_heard(&sine(440.0, 8, 800), 440.0));
    }

    #[test]
    fn of_two_tones_each_has_its_share() {
        let (low, high) = (sine(440.0, 6000, 1600), sine(1000.0, 3000, 1600));
        let both: Vec<i16> = low.iter().zip(&high).map(|(a, b)| a + b).collect();
        assert!((share_at(&both, 440.0) - 0.8).abs() < 0.02);
        assert!((share_at(&both, 1000.0) - 0.2).abs() < 0.02);
    }

    #[test]
    fn blocks_of_a_sine_join_without_a_click() {
        let mut generator = Sine::new(440.0, 8000);
        let mut blocks = vec![0; 320];
        let (first, second) = blocks.split_at_mut(160);
        generator.fill(first);
        generator.fill(second);
        assert_eq!(blocks, sine(440.0, 8000, 320));
    }

    #[test]
    fn the_moment_a_tone_begins_is_found() {
        let mut recording = vec![0; 1600];
        recording.extend(sine(440.0, 8000, 1600));
        assert_eq!(first_heard(&recording, 440.0, 160), Some(1600));
        assert_eq!(windows_heard(&recording, 440.0, 160), 10);
    }
}

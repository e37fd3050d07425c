//! The hold music that callbridge ships: twenty seconds of plucked chords, composed here and computed when asked for.
//!
//! Owns the tune. It ends where it begins, so a loop of it has no seam. The work is ours: nothing to license.

use std::f64::consts::TAU;

use super::codec::Rate;
use super::{SAMPLE_RATE, level};

/// Samples of an eighth note: 2,500 at 8 kHz, that is 96 crotchets a minute.
const EIGHTH: usize = 2_500;
/// Eighths of a bar.
const BAR: usize = 8;
/// How long a plucked string is heard, in samples.
const RING: usize = 24_000;
/// A bed of sound under no voice: quieter than speech by so many dB.
const UNDER_SPEECH_DB: f64 = -5.0;

/// A bar: its bass note and the four strings above it, as semitones from A3 (220 Hz).
struct Chord {
    bass: i32,
    strings: [i32; 4],
}

/// C – A minor – F – G, then C – E minor – F – G7: each bar a chord.
const BARS: [Chord; 8] = [
    Chord { bass: -9, strings: [-2, 3, 7, 10] },
    Chord { bass: -12, strings: [0, 3, 7, 12] },
    Chord { bass: -16, strings: [-4, 0, 3, 8] },
    Chord { bass: -14, strings: [-2, 2, 5, 10] },
    Chord { bass: -9, strings: [-5, 3, 7, 15] },
    Chord { bass: -17, strings: [-2, 2, 7, 14] },
    Chord { bass: -16, strings: [-4, 3, 8, 12] },
    Chord { bass: -14, strings: [-4, 2, 5, 10] },
];

/// In which order a bar's strings are plucked; eighth 0 also sounds the bass.
const PATTERN: [usize; BAR] = [0, 1, 2, 3, 2, 1, 3, 2];

/// Samples of the whole loop: 8 bars of 8 eighths, 20 s.
pub const SAMPLES: usize = BARS.len() * BAR * EIGHTH;

/// One turn of the loop at 8 kHz, quieter than speech.
pub fn hold_music() -> Vec<i16> {
    let mut mix = vec![0.0; SAMPLES];
    for (bar, chord) in BARS.iter().enumerate() {
        let start = bar * BAR * EIGHTH;
        pluck(&mut mix, start, hertz(chord.bass), 1.0);
        for (eighth, string) in PATTERN.into_iter().enumerate() {
            let accent = if eighth % 4 == 0 { 0.8 } else { 0.55 };
            pluck(&mut mix, start + eighth * EIGHTH, hertz(chord.strings[string]), accent);
        }
    }
    to_line(&mix)
}

fn hertz(semitones_from_a3: i32) -> f64 {
    220.0 * 2f64.powf(f64::from(semitones_from_a3) / 12.0)
}

/// Adds one string: six partials, the higher ones weaker and sooner gone. What rings past the end is heard at the beginning.
fn pluck(mix: &mut [f64], start: usize, hertz: f64, strength: f64) {
    for partial in 1..=6u32 {
        let frequency = hertz * f64::from(partial);
        if frequency > 3_300.0 {
            break;
        }
        let omega = TAU * frequency / f64::from(SAMPLE_RATE);
        let decay = (-(1.1 + 0.9 * f64::from(partial)) / f64::from(SAMPLE_RATE)).exp();
        let amplitude = strength / f64::from(partial).powf(1.6);
        // A damped resonator: each sample from the two before it.
        let (mut last, mut before) = (0.0, -amplitude * omega.sin() / decay);
        let turn = 2.0 * decay * omega.cos();
        for n in 0..RING {
            let next = turn * last - decay * decay * before;
            before = last;
            last = next;
            if let Some(sample) = mix.get_mut((start + n) % SAMPLES) {
                *sample += next;
            }
        }
    }
}

fn to_line(mix: &[f64]) -> Vec<i16> {
    let peak = mix.iter().fold(1e-9f64, |peak, s| peak.max(s.abs()));
    let mut samples: Vec<i16> = mix.iter().map(|s| (s / peak * 20_000.0).round() as i16).collect();
    level::normalise(&mut samples, Rate::Hz8000);
    let softer = 10f64.powf(UNDER_SPEECH_DB / 20.0);
    samples.iter_mut().for_each(|s| *s = (f64::from(*s) * softer).round() as i16);
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::share_at;

    #[test]
    fn the_music_is_quiet_and_always_the_same() {
        let music = hold_music();
        assert_eq!(music.len(), 160_000);
        assert_eq!(music, hold_music());
        let loudness = level::measure(&music);
        assert!((-27.0..-23.0).contains(&loudness.active_dbfs), "{loudness:?}");
        assert!(loudness.peak_dbfs < -6.0, "{loudness:?}");
        assert!(loudness.active_seconds > 19.5, "no hole in it: {loudness:?}");
    }

    #[test]
    fn the_loop_has_no_seam() {
        let music = hold_music();
        let step = |a: i16, b: i16| (i32::from(a) - i32::from(b)).abs();
        let largest = music.windows(2).map(|w| step(w[0], w[1])).max().unwrap();
        assert!(step(music[SAMPLES - 1], music[0]) <= largest);
        let (end, start) = (level::rms(&music[SAMPLES - 400..]), level::rms(&music[..400]));
        assert!(
            end > 200.0 && start > end,
            "the last strings still ring when the first are plucked: {end} then {start}"
        );
    }

    #[test]
    fn each_bar_sounds_its_bass() {
        let music = hold_music();
        for (bar, chord) in BARS.iter().enumerate() {
            let from = bar * BAR * EIGHTH;
            let beginning = &music[from..from + EIGHTH];
            assert!(share_at(beginning, hertz(chord.bass)) > 0.05, "bar {bar}");
        }
    }
}

//! Keys heard in the sound itself (ITU-T Q.23, Q.24): sixteen pairs of tones, for a peer that says its keys in no other way.
//! Owns which sound is a key; refuses packets, and speech that happens to sing.

use std::f64::consts::TAU;

use crate::model::Key;

/// Samples of one look, 8 kHz: 12.75 ms. Short enough for a key of 40 ms to fill two of them whole, long enough to tell the
/// rows apart.
const BLOCK: usize = 102;
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// Looks in a row that must agree: no key is shorter than 23 ms (Q.24), none of 40 ms is missed.
const PRESSED: u8 = 2;
/// Looks in a row without the key: an interruption of 10 ms does not end it, a pause of 40 ms does.
const RELEASED: u8 = 2;
/// Fainter than this mean square is nothing: about -40 dBm0.
const FAINTEST: f64 = 100.0 * 100.0;
/// A column may be so much stronger than its row (4 dB), a row than its column (8 dB); as power, with 1 dB of grace.
const TWIST: f64 = 3.2;
const REVERSE_TWIST: f64 = 8.0;
/// The strongest of a group stands so far above the others of it, as power.
const ABOVE: f64 = 6.0;
/// The pair holds at least this share of all that is heard: speech has more besides.
const SHARE: f64 = 0.72;

/// Listens to one leg.
#[derive(Clone, Debug)]
pub struct KeyEar {
    block: Vec<f64>,
    /// What the last looks said, and how many of them in a row.
    last: Option<Key>,
    times: u8,
    /// The key that is down.
    down: Option<Key>,
}

impl Default for KeyEar {
    fn default() -> KeyEar {
        KeyEar { block: Vec::with_capacity(BLOCK), last: None, times: 0, down: None }
    }
}

/// A key's two tones are so loud each: about -9 dBm0, as telephones make them.
const LOUDNESS: f64 = 8000.0;

/// `count` samples (8 kHz) of a key that has sounded for `from` samples.
pub fn sound(key: Key, from: usize, count: usize) -> Vec<i16> {
    let places = KEYS.iter().zip(ROWS).flat_map(|(keys, row)| keys.iter().zip(COLUMNS).map(move |at| (row, at)));
    let pair = places.into_iter().find(|(_, (letter, _))| **letter == key.letter());
    let (row, column) = pair.map_or((0.0, 0.0), |(row, (_, column))| (row, column));
    let tone = |hertz: f64, at: usize| (TAU * hertz * at as f64 / 8000.0).sin() * LOUDNESS;
    (from..from + count).map(|at| (tone(row, at) + tone(column, at)) as i16).collect()
}

impl KeyEar {
    /// A key sounds that was said.
    pub fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// Hears the next samples (8 kHz) and says each key once, when it has been down long enough.
    pub fn hear(&mut self, samples: &[i16], mut pressed: impl FnMut(Key)) {
        for sample in samples {
            self.block.push(f64::from(*sample));
            if self.block.len() == BLOCK {
                let heard = key_in(&self.block);
                self.block.clear();
                if let Some(key) = self.look(heard) {
                    pressed(key);
                }
            }
        }
    }

    /// Takes one look's verdict; a key when it has just been pressed.
    fn look(&mut self, heard: Option<Key>) -> Option<Key> {
        self.times = if heard == self.last { self.times.saturating_add(1) } else { 1 };
        self.last = heard;
        match (heard, self.down) {
            (None, Some(_)) if self.times >= RELEASED => {
                self.down = None;
                None
            }
            (Some(key), down) if down != Some(key) && self.times >= PRESSED => {
                self.down = Some(key);
                Some(key)
            }
            _ => None,
        }
    }
}

/// The key that fills this block.
fn key_in(block: &[f64]) -> Option<Key> {
    let energy: f64 = block.iter().map(|sample| sample * sample).sum();
    let count = block.len() as f64;
    if energy < FAINTEST * count {
        return None;
    }
    let (row, row_power) = strongest(block, &ROWS)?;
    let (column, column_power) = strongest(block, &COLUMNS)?;
    let twisted = column_power > row_power * TWIST || row_power > column_power * REVERSE_TWIST;
    // A tone of amplitude a has the energy a²·n/2 and the power (a·n/2)²: their ratio is n/2.
    let share = (row_power + column_power) / (energy * count / 2.0);
    if twisted || share < SHARE {
        return None;
    }
    Key::of(*KEYS.get(row)?.get(column)?)
}

/// The one of these tones that stands out, and its power.
fn strongest(block: &[f64], tones: &[f64; 4]) -> Option<(usize, f64)> {
    let powers = tones.map(|hertz| goertzel(block, hertz));
    let (at, power) = powers.into_iter().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let clear = powers.iter().enumerate().all(|(other, weaker)| other == at || weaker * ABOVE < power);
    clear.then_some((at, power))
}

/// The power of one tone in a block (Goertzel).
fn goertzel(block: &[f64], hertz: f64) -> f64 {
    let factor = 2.0 * (TAU * hertz / 8000.0).cos();
    let (one, two) = block.iter().fold((0.0, 0.0), |(one, two), sample| (factor * one - two + sample, one));
    one * one + two * two - factor * one * two
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::g711::{ulaw_decode_all, ulaw_encode_all};

    /// A pair of tones with these amplitudes.
    fn pair(row: f64, column: f64, amplitudes: (f64, f64), samples: usize) -> Vec<i16> {
        let tone = |hertz: f64, at: usize| (TAU * hertz * at as f64 / 8000.0).sin();
        (0..samples).map(|at| (amplitudes.0 * tone(row, at) + amplitudes.1 * tone(column, at)) as i16).collect()
    }

    fn key(letter: char, amplitudes: (f64, f64), milliseconds: usize) -> Vec<i16> {
        let (row, keys) = KEYS.iter().enumerate().find(|(_, keys)| keys.contains(&letter)).unwrap();
        let column = keys.iter().position(|key| *key == letter).unwrap();
        pair(ROWS[row], COLUMNS[column], amplitudes, milliseconds * 8)
    }

    fn heard(samples: &[i16]) -> String {
        let (mut ear, mut keys) = (KeyEar::default(), String::new());
        // In pieces that fit no block, as packets do not.
        samples.chunks(160).for_each(|chunk| ear.hear(chunk, |key| keys.push(key.letter())));
        keys
    }

    fn noise(count: usize, most: i32, seed: u32) -> Vec<i16> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as i32 % (2 * most + 1) - most) as i16
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn all_sixteen_keys_are_heard_once_each_at_any_offset() {
        let letters = "1234567890*#ABCD";
        for offset in 0..BLOCK {
            let mut line = vec![0; offset];
            for letter in letters.chars() {
                line.extend(key(letter, (5000.0, 5000.0), 40));
                line.resize(line.len() + 40 * 8, 0);
            }
            assert_eq!(heard(&line), letters, "offset {offset}");
        }
    }

    #[test]
    fn what_we_sound_is_heard() {
        for key in (0..16).filter_map(Key::of_event) {
            let line = [sound(key, 0, 300), sound(key, 300, 500), vec![0; 800]].concat();
            assert_eq!(heard(&line), key.letter().to_string());
        }
    }

    #[test]
    fn keys_are_heard_through_g711_faint_loud_twisted_long_and_in_noise() {
        for amplitudes in [(300.0, 300.0), (15_000.0, 15_000.0), (4000.0, 6300.0), (8000.0, 3300.0)] {
            for letter in "19D*".chars() {
                let mut line = key(letter, amplitudes, 2_000);
                let hiss = noise(line.len(), (amplitudes.0.min(amplitudes.1) / 8.0) as i32, 7);
                line.iter_mut().zip(hiss).for_each(|(sample, hiss)| *sample += hiss);
                assert_eq!(heard(&ulaw_decode_all(&ulaw_encode_all(&line))), letter.to_string(), "{amplitudes:?}");
            }
        }
    }

    #[test]
    fn what_is_too_short_twisted_off_tune_or_single_is_no_key() {
        let silence = [0; 400];
        let after = |sound: Vec<i16>| heard(&[&silence[..], &sound, &silence].concat());
        assert_eq!(after(key('5', (5000.0, 5000.0), 12)), "", "too short");
        assert_eq!(after(key('5', (2000.0, 8000.0), 100)), "", "12 dB of twist");
        assert_eq!(after(key('5', (9000.0, 1000.0), 100)), "", "19 dB the other way");
        assert_eq!(after(pair(770.0, 0.0, (8000.0, 0.0), 800)), "", "one tone");
        assert_eq!(after(pair(735.0, 1270.0, (5000.0, 5000.0), 800)), "", "between the tones");
        assert_eq!(after(key('5', (40.0, 40.0), 100)), "", "hardly there");
    }

    #[test]
    fn a_short_interruption_is_the_same_press_and_a_pause_begins_another() {
        let press = key('7', (5000.0, 5000.0), 80);
        assert_eq!(heard(&[&press[..], &[0; 80], &press].concat()), "7");
        assert_eq!(heard(&[&press[..], &[0; 320], &press].concat()), "77");
    }

    #[test]
    fn noise_speech_music_and_ringing_are_no_keys() {
        for seed in 0..20 {
            assert_eq!(heard(&noise(80_000, 20_000, seed)), "", "noise {seed}");
        }
        assert_eq!(heard(&crate::audio::music::hold_music()), "");
        // Vowels: a voice of many partials that glides over the tones of the keys.
        let voice = |base: f64| -> Vec<i16> {
            let mut phase = 0.0;
            let sample = |at: usize| {
                phase += TAU * (base + (at as f64 / 900.0).sin() * base * 0.3) / 8000.0;
                (1..12).map(|n| (phase * f64::from(n)).sin() * 6000.0 / f64::from(n)).sum::<f64>() as i16
            };
            (0..80_000).map(sample).collect()
        };
        for base in [90.0, 120.0, 170.0, 233.0, 350.0] {
            assert_eq!(heard(&voice(base)), "", "a voice of {base} Hz");
        }
        assert_eq!(heard(&pair(440.0, 480.0, (5000.0, 5000.0), 16_000)), "", "ringing");
    }

    proptest! {
        #[test]
        fn whatever_is_heard_nothing_breaks_and_keys_are_bounded(samples in prop::collection::vec(any::<i16>(), 0..4000)) {
            let keys = heard(&samples).len();
            prop_assert!(keys <= samples.len() / (BLOCK * usize::from(PRESSED)));
        }
    }
}

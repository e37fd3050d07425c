//! Keys heard in the sound itself (ITU-T Q.23, Q.24): sixteen pairs of tones, for a peer that says its keys in no other way.
//! Owns which sound is a key; refuses packets, and speech that happens to sing.

use std::f64::consts::TAU;

use crate::model::Key;

/// Samples of one look, 8 kHz: 12.75 ms. Short enough for a key of 40 ms to fill two of them whole, long enough to tell the
/// rows apart.
const BLOCK: usize = 102;
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// Twice the cosine of each tone's angle from sample to sample.
const ROW_FACTORS: [f32; 4] = [1.707_737_8, 1.645_281_1, 1.568_687, 1.478_204_6];
const COLUMN_FACTORS: [f32; 4] = [1.164_104, 0.996_370_2, 0.798_618_4, 0.568_532_7];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// Looks in a row that must agree: no key is shorter than 23 ms (Q.24), none of 40 ms is missed.
const PRESSED: u8 = 2;
/// Looks in a row without the key: an interruption of 10 ms does not end it, a pause of 40 ms does.
const RELEASED: u8 = 2;
/// What is fainter on (quadratic) average is nothing: about -40 dBm0.
const FAINTEST: f32 = 100.0;
/// A column may be so much stronger than its row (4 dB), a row than its column (8 dB); as power, with 1 dB of grace.
const TWIST: f32 = 3.2;
const REVERSE_TWIST: f32 = 8.0;
/// The strongest of a group stands so far above the others of it, as power.
const ABOVE: f32 = 6.0;
/// The pair holds at least this share of all that is heard: speech has more besides.
const SHARE: f32 = 0.72;

/// Listens to one leg.
#[derive(Clone, Debug)]
pub struct KeyEar {
    block: [i16; BLOCK],
    filled: usize,
    /// The block before, which nobody has looked at.
    unseen: Option<[i16; BLOCK]>,
    /// What the last looks said, and how many of them in a row.
    last: Option<Key>,
    times: u8,
    /// The key that is down.
    down: Option<Key>,
}

impl Default for KeyEar {
    fn default() -> KeyEar {
        KeyEar { block: [0; BLOCK], filled: 0, unseen: None, last: None, times: 0, down: None }
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
        let mut rest = samples;
        while !rest.is_empty() {
            let room = self.block.get_mut(self.filled..).unwrap_or_default();
            let (next, later) = rest.split_at(room.len().min(rest.len()));
            room.iter_mut().zip(next).for_each(|(place, sample)| *place = *sample);
            rest = later;
            self.filled += next.len();
            if self.filled == BLOCK {
                self.filled = 0;
                self.look_or_wait(&mut pressed);
            }
        }
    }

    /// A block is whole. While no key is heard every second one is left out: a press fills two in a row, so one of them is looked at, and
    /// then the one before it, too.
    fn look_or_wait(&mut self, pressed: &mut impl FnMut(Key)) {
        let idle = self.down.is_none() && self.last.is_none();
        let Some(before) = self.unseen.take() else {
            if idle {
                self.unseen = Some(self.block);
            } else {
                self.look_at(key_in(&self.block), pressed);
            }
            return;
        };
        let heard = key_in(&self.block);
        if heard.is_some() {
            self.look_at(key_in(&before), pressed);
            self.look_at(heard, pressed);
        }
    }

    fn look_at(&mut self, heard: Option<Key>, pressed: &mut impl FnMut(Key)) {
        if let Some(key) = self.look(heard) {
            pressed(key);
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

/// The key that fills this block. Nearly every look at a talk ends at the energy or at the rows: the columns are looked at only
/// beneath a row that could be a key's.
fn key_in(block: &[i16; BLOCK]) -> Option<Key> {
    // Quick, and true of most of what is quiet.
    if block.iter().all(|sample| sample.unsigned_abs() < FAINTEST as u16) {
        return None;
    }
    let (row, row_power) = strongest(block, &ROW_FACTORS)?;
    let energy = block.iter().map(|sample| f32::from(*sample).powi(2)).sum::<f32>();
    if energy < FAINTEST * FAINTEST * BLOCK as f32 {
        return None;
    }
    // A tone of amplitude a has the energy a²·n/2 and the power (a·n/2)²: their ratio is n/2.
    let wanted = SHARE * energy * BLOCK as f32 / 2.0;
    if row_power * (1.0 + TWIST) < wanted {
        return None;
    }
    let (column, column_power) = strongest(block, &COLUMN_FACTORS)?;
    let twisted = column_power > row_power * TWIST || row_power > column_power * REVERSE_TWIST;
    if twisted || row_power + column_power < wanted {
        return None;
    }
    Key::of(*KEYS.get(row)?.get(column)?)
}

/// The one of these tones that stands out, and its power.
fn strongest(block: &[i16; BLOCK], factors: &[f32; 4]) -> Option<(usize, f32)> {
    let mut powers = [0.0; 4];
    goertzel(block, factors, &mut powers);
    let (at, power) = powers.into_iter().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let clear = powers.iter().enumerate().all(|(other, weaker)| other == at || weaker * ABOVE < power);
    clear.then_some((at, power))
}

/// The powers of four tones in a block (Goertzel), side by side. A function of its own, whose four results lie side by side, too: so
/// the compiler has one instruction do all four.
#[inline(never)]
fn goertzel(block: &[i16; BLOCK], factors: &[f32; 4], powers: &mut [f32; 4]) {
    let (mut one, mut two) = ([0.0f32; 4], [0.0f32; 4]);
    for sample in block {
        let sample = f32::from(*sample);
        let next = std::array::from_fn(|tone| factors[tone] * one[tone] - two[tone] + sample);
        (one, two) = (next, one);
    }
    *powers = std::array::from_fn(|at| one[at] * one[at] + two[at] * two[at] - factors[at] * one[at] * two[at]);
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
    fn the_factors_are_those_of_the_tones() {
        for (hertz, factor) in ROWS.iter().zip(ROW_FACTORS).chain(COLUMNS.iter().zip(COLUMN_FACTORS)) {
            assert_eq!((2.0 * (TAU * hertz / 8000.0).cos()) as f32, factor);
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

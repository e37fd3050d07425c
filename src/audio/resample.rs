//! From one sample rate to another while a voice goes on: block after block, with no seam between them.
//!
//! Owns the low-pass that keeps what the slower side cannot carry from coming back as another tone. Only between the rates of
//! the codecs ([`Rate`]), whose ratios are whole numbers: a polyphase filter is all it takes. Recordings of any rate are
//! [`super::wav`]'s.

use std::sync::LazyLock;

use super::codec::Rate;

/// Samples of the slower side that each output sample is made of. The filter delays by half of them: 1.5 ms at 8 kHz.
const SPAN: usize = 24;
/// Kaiser's β for 60 dB: what lies beyond the slower side's band is weaker than G.711's own noise.
const BETA: f64 = 5.65;

/// The filters for the ratios 2, 3 and 6, at the faster side's rate: `ratio` × [`SPAN`] taps whose sum is 1.
static TWO: LazyLock<Vec<f32>> = LazyLock::new(|| low_pass(2));
static THREE: LazyLock<Vec<f32>> = LazyLock::new(|| low_pass(3));
static SIX: LazyLock<Vec<f32>> = LazyLock::new(|| low_pass(6));

/// A stream being resampled.
#[derive(Clone, Debug)]
pub struct Resampler {
    way: Way,
    ratio: usize,
    /// Up: the filter split by phase, times the ratio. Down: the filter itself.
    taps: Vec<f32>,
    /// The samples before the next block, then that block.
    line: Vec<f32>,
    /// Down: samples to skip before the next one that is kept.
    skip: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Same,
    Up,
    Down,
}

impl Resampler {
    /// Between two rates; with equal ones samples pass as they are.
    pub fn new(from: Rate, to: Rate) -> Resampler {
        let (slow, fast) = (from.hertz().min(to.hertz()), from.hertz().max(to.hertz()));
        let ratio = (fast / slow) as usize;
        let filter: &[f32] = match ratio {
            2 => &TWO,
            3 => &THREE,
            6 => &SIX,
            _ => &[],
        };
        let way = if ratio == 1 {
            Way::Same
        } else if from.hertz() < to.hertz() {
            Way::Up
        } else {
            Way::Down
        };
        let (taps, before) = match way {
            Way::Same => (Vec::new(), 0),
            Way::Up => (by_phase(filter, ratio), SPAN - 1),
            Way::Down => (filter.to_vec(), filter.len() - 1),
        };
        Resampler { way, ratio, taps, line: vec![0.0; before], skip: 0 }
    }

    /// Appends what `samples` become. Up: exactly `ratio` as many; down: a `ratio`th, over all blocks together.
    pub fn process(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        if self.way == Way::Same {
            return out.extend_from_slice(samples);
        }
        self.line.extend(samples.iter().map(|s| f32::from(*s)));
        let used = match self.way {
            Way::Same => 0,
            Way::Up => self.up(out),
            Way::Down => self.down(out),
        };
        self.line.drain(..used);
    }

    /// How far the output is behind the input, in samples of the slower side.
    pub fn delay(&self) -> usize {
        if self.way == Way::Same { 0 } else { SPAN / 2 }
    }

    fn up(&mut self, out: &mut Vec<i16>) -> usize {
        for window in self.line.windows(SPAN) {
            out.extend(self.taps.chunks_exact(SPAN).map(|phase| sample(dot(window, phase))));
        }
        (self.line.len() + 1).saturating_sub(SPAN)
    }

    fn down(&mut self, out: &mut Vec<i16>) -> usize {
        let mut at = self.skip;
        while let Some(window) = self.line.get(at..at + self.taps.len()) {
            out.push(sample(dot(window, &self.taps)));
            at += self.ratio;
        }
        let used = (self.line.len() + 1).saturating_sub(self.taps.len());
        self.skip = at - used;
        used
    }
}

/// Phase by phase, each in the order of the samples it meets; the gain makes up for the zeros between the samples.
fn by_phase(filter: &[f32], ratio: usize) -> Vec<f32> {
    let phase = |start: usize| filter.iter().skip(start).step_by(ratio).rev().map(|tap| tap * ratio as f32);
    (0..ratio).flat_map(phase).collect()
}

/// Four sums side by side, which the compiler turns into one vector.
fn dot(window: &[f32], taps: &[f32]) -> f32 {
    let mut sums = [0.0f32; 4];
    for (four, by) in window.chunks_exact(4).zip(taps.chunks_exact(4)) {
        for ((sum, value), tap) in sums.iter_mut().zip(four).zip(by) {
            *sum += value * tap;
        }
    }
    sums.iter().sum()
}

fn sample(value: f32) -> i16 {
    // Clamped: nothing is cut off.
    value.round().clamp(-32_768.0, 32_767.0) as i16
}

/// A windowed sinc at the slower side's Nyquist frequency.
fn low_pass(ratio: usize) -> Vec<f32> {
    let length = ratio * SPAN;
    let middle = (length - 1) as f64 / 2.0;
    let taps: Vec<f64> = (0..length)
        .map(|n| {
            let away = n as f64 - middle;
            let x = std::f64::consts::PI * away / ratio as f64;
            let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
            let edge = away / (middle + 0.5);
            sinc * bessel(BETA * (1.0 - edge * edge).max(0.0).sqrt())
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| (tap / sum) as f32).collect()
}

/// The modified Bessel function I0, by its series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..=30 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::level::rms;

    const RATES: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];

    fn tone(rate: Rate, hertz: f64, seconds: f64) -> Vec<i16> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate.hertz());
        (0..(f64::from(rate.hertz()) * seconds) as u32).map(|n| (8000.0 * (step * f64::from(n)).sin()) as i16).collect()
    }

    fn all(from: Rate, to: Rate, samples: &[i16]) -> Vec<i16> {
        let mut out = Vec::new();
        Resampler::new(from, to).process(samples, &mut out);
        out
    }

    /// How much of `heard` is not the tone it should be, in dB.
    fn error_db(heard: &[i16], rate: Rate, hertz: f64, delay: f64) -> f64 {
        let step = std::f64::consts::TAU * hertz / f64::from(rate.hertz());
        let (mut wrong, mut right) = (0.0, 0.0);
        for (n, sample) in heard.iter().enumerate().skip(rate.hertz() as usize / 20) {
            let expected = 8000.0 * (step * (n as f64 - delay)).sin();
            wrong += (f64::from(*sample) - expected).powi(2);
            right += expected * expected;
        }
        10.0 * (wrong / right).log10()
    }

    #[test]
    fn a_tone_stays_the_tone_it_is_between_any_two_rates() {
        for (from, to) in RATES.into_iter().flat_map(|from| RATES.map(|to| (from, to))) {
            let top = f64::from(from.hertz().min(to.hertz())) * 0.42;
            for hertz in [100.0, 1004.0, 3200.0, top] {
                let heard = all(from, to, &tone(from, hertz, 0.3));
                // The filter's middle, in samples of the output.
                let ratio = f64::from(from.hertz()) / f64::from(to.hertz());
                let length = ratio.max(1.0 / ratio) * SPAN as f64;
                let late = if from == to { 0.0 } else { (length - 1.0) / 2.0 / ratio.max(1.0) };
                let error = error_db(&heard, to, hertz, late);
                assert!(error < -45.0, "{hertz} Hz, {from:?} to {to:?}: {error:.1} dB");
            }
        }
    }

    #[test]
    fn what_the_slower_side_cannot_carry_is_not_heard() {
        for (from, to) in [(Rate::Hz16000, Rate::Hz8000), (Rate::Hz48000, Rate::Hz8000), (Rate::Hz48000, Rate::Hz16000)]
        {
            let beyond = f64::from(to.hertz()) * 0.6;
            let heard = all(from, to, &tone(from, beyond, 0.3));
            let level = rms(&heard[heard.len() / 4..]);
            assert!(level < 8.0, "{beyond} Hz, {from:?} to {to:?}: {level}");
        }
    }

    #[test]
    fn upwards_no_mirrored_tone_appears() {
        let heard = all(Rate::Hz8000, Rate::Hz16000, &tone(Rate::Hz8000, 3000.0, 0.3));
        // Back by leaving out every other sample: what was added above 4 kHz would fall on 3 kHz with another phase.
        let mirrored = error_db(&heard, Rate::Hz16000, 3000.0, 23.5);
        assert!(mirrored < -55.0, "{mirrored}");
    }

    proptest! {
        /// However the stream is cut into blocks, the samples are the same.
        #[test]
        fn blocks_join_without_a_seam(cuts in proptest::collection::vec(0usize..500, 1..20), from in 0usize..3, to in 0usize..3) {
            let (from, to) = (RATES[from], RATES[to]);
            let samples = tone(from, 700.0, 0.1);
            let whole = all(from, to, &samples);
            let (mut resampler, mut pieces, mut at) = (Resampler::new(from, to), Vec::new(), 0);
            for cut in cuts {
                let end = (at + cut).min(samples.len());
                resampler.process(&samples[at..end], &mut pieces);
                at = end;
            }
            resampler.process(&samples[at..], &mut pieces);
            prop_assert_eq!(pieces, whole);
        }

        #[test]
        fn no_samples_make_it_panic_or_grow(samples in proptest::collection::vec(any::<i16>(), 0..3000), from in 0usize..3, to in 0usize..3) {
            let (from, to) = (RATES[from], RATES[to]);
            let mut resampler = Resampler::new(from, to);
            let mut out = Vec::new();
            resampler.process(&samples, &mut out);
            prop_assert!(resampler.line.len() < 6 * SPAN + 6);
            let due = samples.len() * to.hertz() as usize / from.hertz() as usize;
            prop_assert!(out.len().abs_diff(due) <= 1);
        }
    }
}

//! A few milliseconds taken out of a voice so that nobody hears it: one period of it, its neighbours blended into each other.
//!
//! Owns where to cut. Refuses to know why: the delay of a conversation is [`crate::media`]'s.

use super::codec::Rate;

/// The shortest and the longest cut, in milliseconds: periods of 200 to 66 Hz, or several of a higher voice.
const CUT_MS: std::ops::RangeInclusive<usize> = 5..=15;
/// The blend, in milliseconds.
const BLEND_MS: usize = 5;

/// Takes one cut out of the beginning of `samples`: the one whose ends fit best. Returns how many samples it took: none where
/// there are too few.
pub fn shorten(samples: &mut Vec<i16>, rate: Rate) -> usize {
    let blend = rate.samples(BLEND_MS);
    let most = rate.samples(*CUT_MS.end()).min(samples.len().saturating_sub(blend));
    let least = rate.samples(*CUT_MS.start());
    let Some(before) = samples.get(..blend) else { return 0 };
    let fits = |cut: usize| alike(before, samples.get(cut..).unwrap_or_default());
    let best = (least..=most).map(|cut| (cut, fits(cut))).max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((cut, _)) = best else { return 0 };
    for n in 0..blend {
        let Some(after) = samples.get(n + cut).copied() else { break };
        if let Some(sample) = samples.get_mut(n) {
            let (left, right) = (i32::from(*sample), i32::from(after));
            // Between two samples: it fits.
            *sample = ((left * (blend - n) as i32 + right * n as i32) / blend as i32) as i16;
        }
    }
    samples.drain(blend..blend + cut);
    cut
}

/// How alike two stretches are, as the cosine between them; the longer one counts as far as the shorter goes.
pub(super) fn alike(a: &[i16], b: &[i16]) -> f32 {
    let (mut product, mut first, mut second) = (0.0f32, 1.0f32, 1.0f32);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f32::from(*a), f32::from(*b));
        product += a * b;
        first += a * a;
        second += b * b;
    }
    product / (first * second).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::{share_at, sine};

    #[test]
    fn a_cut_of_a_tone_is_whole_periods_and_leaves_no_click() {
        let mut samples = sine(250.0, 8000, 800);
        let cut = shorten(&mut samples, Rate::Hz8000);
        assert_eq!(cut % 32, 0, "a period is 32 samples");
        assert!((40..=120).contains(&cut));
        assert_eq!(samples.len(), 800 - cut);
        assert!(share_at(&samples, 250.0) > 0.99);
    }

    #[test]
    fn what_is_too_short_stays_as_it_is() {
        for length in [0, 1, 39, 79] {
            let mut samples = sine(250.0, 8000, length);
            assert_eq!(shorten(&mut samples, Rate::Hz8000), 0, "{length}");
            assert_eq!(samples.len(), length);
        }
        let mut samples = sine(250.0, 8000, 80);
        assert_eq!(shorten(&mut samples, Rate::Hz8000), 40);
        assert_eq!(samples.len(), 40);
    }

    #[test]
    fn silence_and_the_loudest_samples_are_cut_as_well() {
        for level in [0, i16::MAX, i16::MIN] {
            let mut samples = vec![level; 2000];
            assert!(shorten(&mut samples, Rate::Hz16000) >= 80);
            assert!(samples.iter().all(|s| *s == level));
        }
    }
}

//! What is heard where a packet was lost, for codecs that know nothing of loss themselves: the last period of the voice again
//! and again, ever softer, and a short blend into what comes after it (in the manner of ITU-T G.711 Appendix I).
//!
//! Owns the last moments of the voice. Refuses to know why nothing came; Opus has its own way ([`super::opus`]).

use super::codec::Rate;
use super::splice::alike;

/// A gap is filled so long, in milliseconds; then it is silent.
const LONGEST_MS: usize = 60;
/// At full loudness for so long.
const FULL_MS: usize = 10;
/// The blend of what was made up into what came.
const BLEND_MS: usize = 4;
/// The longest period looked for: a voice of 66 Hz.
const PERIOD_MAX_MS: usize = 15;
/// The shortest, in samples of 8 kHz: a voice of 400 Hz.
const PERIOD_MIN: usize = 20;
/// What two periods are compared over, in milliseconds.
const COMPARE_MS: usize = 15;

/// A voice that may have gaps.
#[derive(Clone, Debug)]
pub struct Concealer {
    rate: Rate,
    /// What was heard last: enough to find a period in.
    past: Vec<i16>,
    gap: Option<Gap>,
}

/// A gap being filled.
#[derive(Clone, Debug)]
struct Gap {
    period: Vec<i16>,
    /// Samples made up so far.
    made: usize,
}

impl Concealer {
    /// Nothing was heard yet.
    pub fn new(rate: Rate) -> Concealer {
        Concealer { rate, past: Vec::new(), gap: None }
    }

    /// These samples came. After a gap their beginning is blended with what was made up.
    pub fn heard(&mut self, samples: &mut [i16]) {
        if let Some(mut gap) = self.gap.take() {
            let blend = self.rate.samples(BLEND_MS).min(samples.len());
            let (rate, length) = (self.rate, blend as i32 + 1);
            for (n, sample) in samples.iter_mut().take(blend).enumerate() {
                let (made, came) = (i32::from(gap.next(rate)), i32::from(*sample));
                let weight = n as i32 + 1;
                // Between two samples: it fits.
                *sample = ((made * (length - weight) + came * weight) / length) as i16;
            }
        }
        self.remember(samples);
    }

    /// Nothing came: appends `count` samples in its place.
    pub fn lost(&mut self, count: usize, out: &mut Vec<i16>) {
        let rate = self.rate;
        let past = &self.past;
        let gap = self.gap.get_or_insert_with(|| Gap { period: last_period(past, rate), made: 0 });
        let from = out.len();
        out.extend((0..count).map(|_| gap.next(rate)));
        let made = out.get(from..).unwrap_or_default().to_vec();
        self.remember(&made);
    }

    fn remember(&mut self, samples: &[i16]) {
        let keep = self.rate.samples(PERIOD_MAX_MS + COMPARE_MS);
        self.past.extend_from_slice(samples.get(samples.len().saturating_sub(keep)..).unwrap_or_default());
        let surplus = self.past.len().saturating_sub(keep);
        self.past.drain(..surplus);
    }
}

impl Gap {
    fn next(&mut self, rate: Rate) -> i16 {
        let at = if self.period.is_empty() { 0 } else { self.made % self.period.len() };
        let sample = i32::from(self.period.get(at).copied().unwrap_or(0));
        let (full, longest) = (rate.samples(FULL_MS), rate.samples(LONGEST_MS));
        let left = longest.saturating_sub(self.made.max(full));
        self.made += 1;
        // Of a 16-bit sample at most all is left.
        (sample * left as i32 / (longest - full) as i32) as i16
    }
}

/// The end of the voice that repeats itself best, by normalised correlation of the last moments with those before them.
fn last_period(past: &[i16], rate: Rate) -> Vec<i16> {
    let compare = rate.samples(COMPARE_MS).min(past.len() / 2);
    let (shortest, longest) = (PERIOD_MIN * rate.samples(1) / 8, rate.samples(PERIOD_MAX_MS).min(past.len() - compare));
    let Some(recent) = past.get(past.len() - compare..) else { return Vec::new() };
    let likeness = |lag: usize| {
        let from = past.len() - compare - lag;
        alike(recent, past.get(from..from + compare).unwrap_or_default())
    };
    let best = (shortest..=longest).map(|lag| (lag, likeness(lag))).max_by(|a, b| a.1.total_cmp(&b.1));
    let length = best.map_or(0, |(lag, _)| lag);
    past.get(past.len() - length..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::rms;
    use crate::audio::tone::{share_at, sine};

    fn heard(concealer: &mut Concealer, samples: &[i16]) -> Vec<i16> {
        let mut samples = samples.to_vec();
        concealer.heard(&mut samples);
        samples
    }

    #[test]
    fn a_lost_frame_of_a_tone_is_hardly_heard() {
        let tone = sine(200.0, 8000, 800);
        let mut concealer = Concealer::new(Rate::Hz8000);
        let mut all = heard(&mut concealer, &tone[..320]);
        concealer.lost(80, &mut all);
        all.extend(heard(&mut concealer, &tone[400..]));
        assert_eq!(all.len(), 800);
        assert!(share_at(&all, 200.0) > 0.98, "{}", share_at(&all, 200.0));
        let largest = all.windows(2).map(|w| (i32::from(w[0]) - i32::from(w[1])).abs()).max().unwrap();
        assert!(largest < 2000, "no click: {largest}");
    }

    #[test]
    fn a_long_gap_fades_to_silence() {
        let mut concealer = Concealer::new(Rate::Hz16000);
        heard(&mut concealer, &sine(300.0, 8000, 1600));
        let mut gap = Vec::new();
        for _ in 0..10 {
            concealer.lost(320, &mut gap);
        }
        let levels: Vec<f64> = gap.chunks(320).map(rms).collect();
        assert!(levels[0] > 3000.0 && levels[1] < levels[0] && levels[2] < levels[1], "{levels:?}");
        assert_eq!(&levels[3..], [0.0; 7]);
    }

    #[test]
    fn a_gap_before_anything_was_heard_is_silent() {
        let mut concealer = Concealer::new(Rate::Hz8000);
        let mut gap = Vec::new();
        concealer.lost(160, &mut gap);
        assert_eq!(gap, [0; 160]);
        heard(&mut concealer, &[5]);
        concealer.lost(160, &mut gap);
        assert_eq!(gap.len(), 320);
    }

    #[test]
    fn the_past_is_bounded() {
        let mut concealer = Concealer::new(Rate::Hz16000);
        for _ in 0..100 {
            heard(&mut concealer, &[1; 5000]);
            concealer.lost(5000, &mut Vec::new());
        }
        assert!(concealer.past.len() <= 480);
    }
}

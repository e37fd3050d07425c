//! Loudness: measuring it, bringing recordings to one level, trimming the silence around them.
//!
//! Owns what "speech is heard" means here. Refuses to tell words: it measures energy over time.

use super::codec::Rate;

/// The frames that a recording is judged by, in milliseconds.
const FRAME_MS: usize = 20;
/// Full scale of a 16-bit sample.
const FULL: f64 = 32_768.0;
/// The loudness recordings are brought to, over their active parts, in dBFS.
pub const TARGET_DBFS: f64 = -20.0;
/// No sample may be louder than this, in dBFS.
pub const PEAK_DBFS: f64 = -3.0;
/// A frame quieter than this is silence, in dBFS.
const SILENCE_DBFS: f64 = -45.0;
/// A frame also counts as silence when it is so much quieter than the loudest frame, in dB.
const SPEECH_RANGE_DB: f64 = 35.0;

/// Root mean square of the samples; 0 for none.
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let energy: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    (energy / samples.len() as f64).sqrt()
}

/// An amplitude in dB below full scale; silence is −120.
pub fn dbfs(amplitude: f64) -> f64 {
    if amplitude <= 0.0 { -120.0 } else { (20.0 * (amplitude / FULL).log10()).max(-120.0) }
}

/// What a recording sounds like, measured frame by frame.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Loudness {
    /// Loudness of the active frames together, in dBFS.
    pub active_dbfs: f64,
    /// The loudest sample, in dBFS.
    pub peak_dbfs: f64,
    /// Seconds of active frames.
    pub active_seconds: f64,
    /// How often activity rises and falls per second: speech does so some 2 to 8 times, a tone or a hum does not.
    pub bursts_per_second: f64,
}

impl Loudness {
    /// True for something that rises and falls as speech does and is loud enough to be understood on a telephone.
    pub fn is_like_speech(&self) -> bool {
        self.active_dbfs > -35.0 && self.active_seconds >= 0.2 && self.bursts_per_second >= 0.5
    }
}

/// Measures a recording of 8 kHz.
pub fn measure(samples: &[i16]) -> Loudness {
    measure_at(samples, Rate::Hz8000)
}

/// Measures a recording.
fn measure_at(samples: &[i16], rate: Rate) -> Loudness {
    let frame_samples = rate.samples(FRAME_MS);
    let threshold = silence_threshold(samples, frame_samples);
    let (mut energy, mut active, mut bursts, mut was_loud) = (0.0, 0usize, 0usize, false);
    let mut loudest: f64 = 0.0;
    for frame in samples.chunks(frame_samples) {
        let level = rms(frame);
        if level > threshold {
            energy += level * level;
            active += 1;
            loudest = loudest.max(level);
        }
        // A burst: a frame over a third of the loudest so far after one under it.
        let loud = level > threshold.max(loudest / 3.0);
        bursts += usize::from(loud && !was_loud);
        was_loud = loud;
    }
    let seconds = samples.len() as f64 / f64::from(rate.hertz());
    Loudness {
        active_dbfs: if active == 0 { -120.0 } else { dbfs((energy / active as f64).sqrt()) },
        peak_dbfs: dbfs(samples.iter().map(|s| f64::from(*s).abs()).fold(0.0, f64::max)),
        active_seconds: active as f64 * FRAME_MS as f64 / 1000.0,
        bursts_per_second: if seconds > 0.0 { bursts as f64 / seconds } else { 0.0 },
    }
}

/// Brings the active parts to [`TARGET_DBFS`], less where a peak would pass [`PEAK_DBFS`]. Silence stays as it is.
pub fn normalise(samples: &mut [i16], rate: Rate) {
    let loudness = measure_at(samples, rate);
    if loudness.active_seconds <= 0.0 {
        return;
    }
    let gain_db = (TARGET_DBFS - loudness.active_dbfs).min(PEAK_DBFS - loudness.peak_dbfs);
    let gain = 10f64.powf(gain_db / 20.0);
    for sample in samples {
        *sample = (f64::from(*sample) * gain).round().clamp(-FULL, FULL - 1.0) as i16;
    }
}

/// The recording without the silence before and after it; `keep` samples of it stay on both sides, so that soft beginnings
/// and endings of words are not cut. All silence: nothing.
pub fn trim(samples: &[i16], keep: usize, rate: Rate) -> &[i16] {
    let frame_samples = rate.samples(FRAME_MS);
    let threshold = silence_threshold(samples, frame_samples);
    let active = |frame: &[i16]| rms(frame) > threshold;
    let frames = || samples.chunks(frame_samples);
    let (Some(first), Some(last)) = (frames().position(active), frames().rposition(active)) else {
        return &[];
    };
    let start = (first * frame_samples).saturating_sub(keep);
    let end = ((last + 1) * frame_samples + keep).min(samples.len());
    samples.get(start..end).unwrap_or(samples)
}

/// The level under which a frame of this recording is silence.
fn silence_threshold(samples: &[i16], frame_samples: usize) -> f64 {
    let loudest = samples.chunks(frame_samples).map(rms).fold(0.0, f64::max);
    let below_loudest = loudest * 10f64.powf(-SPEECH_RANGE_DB / 20.0);
    below_loudest.max(FULL * 10f64.powf(SILENCE_DBFS / 20.0)).min(loudest / 2.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::sine;

    #[test]
    fn a_quiet_recording_comes_to_the_target() {
        let mut quiet = sine(440.0, 300, 8000);
        normalise(&mut quiet, Rate::Hz8000);
        assert!((measure(&quiet).active_dbfs - TARGET_DBFS).abs() < 0.2);
    }

    #[test]
    fn a_peak_keeps_the_gain_down() {
        let mut spiky = sine(440.0, 300, 8000);
        for at in (0..spiky.len()).step_by(1600) {
            spiky[at] = 20_000;
        }
        normalise(&mut spiky, Rate::Hz8000);
        let after = measure(&spiky);
        assert!(after.peak_dbfs <= PEAK_DBFS + 0.1, "{after:?}");
    }

    #[test]
    fn silence_stays_silence() {
        let mut silence = vec![0; 800];
        normalise(&mut silence, Rate::Hz8000);
        assert_eq!(silence, vec![0; 800]);
        assert!(trim(&silence, 80, Rate::Hz8000).is_empty());
        assert!(measure(&[]).active_seconds == 0.0);
    }

    #[test]
    fn the_silence_around_a_recording_is_trimmed() {
        let mut recording = vec![0; 1600];
        recording.extend(sine(440.0, 8000, 1600));
        recording.extend(vec![0; 3200]);
        assert_eq!(trim(&recording, 0, Rate::Hz8000).len(), 1600);
        assert_eq!(trim(&recording, 160, Rate::Hz8000).len(), 1920);
    }

    #[test]
    fn syllables_are_like_speech_and_a_steady_tone_is_not() {
        let mut syllables = Vec::new();
        for _ in 0..8 {
            syllables.extend(sine(200.0, 8000, 1200));
            syllables.extend(vec![0; 800]);
        }
        assert!(measure(&syllables).is_like_speech());
        assert!(!measure(&sine(440.0, 8000, 24_000)).is_like_speech());
    }
}

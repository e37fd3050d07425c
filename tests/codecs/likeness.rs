//! How alike a voice is before and after its way, in the manner of perceptual measures: both are brought into step, cut into
//! frames, and compared band by band on a scale of the ear. Owns the two measures and what they are worth; refuses transport.

use callbridge::audio::codec::Rate;

/// Edges of the bands in Hz, about a critical band and a half wide each.
const BANDS: [f64; 14] =
    [100.0, 250.0, 400.0, 560.0, 740.0, 940.0, 1160.0, 1420.0, 1720.0, 2060.0, 2460.0, 2920.0, 3400.0, 7000.0];
/// A frame, in milliseconds: 32 is the length of PESQ's.
const FRAME_MS: usize = 32;
/// Bands so much quieter than the voice's loudest moment are not heard, in dB.
const RANGE_DB: f64 = 45.0;

/// The score.
#[derive(Clone, Copy, Debug)]
pub struct Likeness {
    /// Root mean square of the differences of the band levels, over bands in which the voice speaks, in dB. 0 is the same; G.711 is
    /// about 0.3, Opus about 1, one 20 ms hole in ten about 4, another part of the sentence over 8.
    pub distance_db: f64,
    /// The voice came so many milliseconds late, by its own sound.
    pub late_ms: f64,
}

/// Compares what was heard with what was said, both at one rate. `wide`: the band above 3.4 kHz counts as well.
pub fn compare(said: &[i16], heard: &[i16], rate: Rate, wide: bool) -> Likeness {
    let late = late_by(said, heard, rate);
    let heard = heard.get(late..).unwrap_or_default();
    let bands = if wide { BANDS.len() - 1 } else { BANDS.len() - 2 };
    let (said, heard) = (levels(said, rate, bands), levels(heard, rate, bands));
    let loudest = said.iter().flatten().fold(0.0f64, |most, level| most.max(*level));
    let floor = loudest / 10f64.powf(RANGE_DB / 10.0);
    let (mut sum, mut count) = (0.0, 0usize);
    for (before, after) in said.iter().zip(&heard) {
        for (a, b) in before.iter().zip(after) {
            if *a > floor {
                sum += (10.0 * ((a + floor) / (b + floor)).log10()).powi(2);
                count += 1;
            }
        }
    }
    assert!(count > 100, "nothing to compare: {count} bands");
    Likeness { distance_db: (sum / count as f64).sqrt(), late_ms: late as f64 * 1000.0 / f64::from(rate.hertz()) }
}

/// By how many samples: where the two fit best.
fn late_by(said: &[i16], heard: &[i16], rate: Rate) -> usize {
    let length = said.len().min(heard.len()).min(rate.samples(1200));
    let fit = |late: usize| -> f64 {
        let pairs = said.iter().take(length).zip(heard.iter().skip(late));
        let (mut product, mut energy) = (0.0, 1.0);
        for (a, b) in pairs {
            product += f64::from(*a) * f64::from(*b);
            energy += f64::from(*b) * f64::from(*b);
        }
        product / energy.sqrt()
    };
    (0..rate.samples(80))
        .map(|late| (late, fit(late)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(late, _)| late)
        .unwrap_or(0)
}

/// Energy by frame and band.
fn levels(samples: &[i16], rate: Rate, bands: usize) -> Vec<Vec<f64>> {
    let size = rate.samples(FRAME_MS);
    samples.chunks_exact(size).map(|frame| (0..bands).map(|band| energy(frame, rate, band)).collect()).collect()
}

/// The energy of one band of a frame, by the lines of a Fourier transform in it.
fn energy(frame: &[i16], rate: Rate, band: usize) -> f64 {
    let resolution = 1000.0 / FRAME_MS as f64;
    let (from, to) = ((BANDS[band] / resolution) as usize, (BANDS[band + 1] / resolution) as usize);
    // Of a wide band every fourth line is enough.
    let step = if to - from > 40 { 4 } else { 1 };
    let size = frame.len() as f64;
    (from..to)
        .step_by(step)
        .map(|line| {
            let turn = std::f64::consts::TAU * line as f64 * resolution / f64::from(rate.hertz());
            let k = 2.0 * turn.cos();
            let (mut last, mut before) = (0.0f64, 0.0f64);
            for (n, sample) in frame.iter().enumerate() {
                let window = 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / size).cos();
                let next = f64::from(*sample) * window + k * last - before;
                before = last;
                last = next;
            }
            (last * last + before * before - k * last * before) * step as f64
        })
        .sum()
}

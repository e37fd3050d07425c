//! What a talk sounds like, as a number: the E-model (ITU-T G.107) with the defaults of its table 2 for all that a relay cannot
//! know. Owns the formulas and each codec's values; refuses to measure.
//!
//! `R = 93.2 - Id - Ie,eff` and from it the mean opinion score of annex B. Loss is taken to be random (BurstR = 1).

use std::time::Duration;

use crate::model::Codec;

/// `Ro - Is` with every default.
const BASE: f64 = 93.2;
/// `Ro` with every default: what the delay's terms refer to.
const RO: f64 = 94.77;
/// Talker's echo loudness: 65 dB, a line with echo control.
const TELR: f64 = 65.0;
/// Weighted echo path loss.
const WEPL: f64 = 110.0;

/// Impairment of a codec without loss, and how robust it is against loss (G.113 appendix I: G.711 with concealment). G.722 and
/// Opus have no values on this scale, which ends with the telephone's band: they count as well as G.711, which is the least that
/// they are. That Opus hides losses as well as it, and G.722 less, is an estimate of ours.
fn codec(codec: Codec) -> (f64, f64) {
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::Opus => (0.0, 25.1),
        Codec::G722 => (0.0, 7.0),
    }
}

/// The mean opinion score, 1 to 4.5, of so much delay one way and such a share of packets lost.
pub(super) fn mos(of: Codec, one_way: Duration, lost: f64) -> f32 {
    let (ie, bpl) = codec(of);
    let percent = lost.clamp(0.0, 1.0) * 100.0;
    let ie_eff = ie + (95.0 - ie) * percent / (percent + bpl);
    // Two decimals are more than it is worth.
    ((score(BASE - delay(one_way.as_secs_f64() * 1000.0) - ie_eff) * 100.0).round() / 100.0) as f32
}

/// `MOS` of `R` (G.107 annex B). Below 6.5 the polynomial falls under the scale.
fn score(r: f64) -> f64 {
    match r {
        ..=6.5 => 1.0,
        100.0.. => 4.5,
        r => 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6,
    }
}

/// `Id = Idte + Idle + Idd` (G.107 §7.4): the talker's echo, the listener's echo, and the delay itself.
fn delay(ms: f64) -> f64 {
    talker_echo(ms) + listener_echo(2.0 * ms) + pure_delay(ms)
}

fn talker_echo(ms: f64) -> f64 {
    let terv = TELR - 40.0 * ((1.0 + ms / 10.0) / (1.0 + ms / 150.0)).log10() + 6.0 * (-0.3 * ms * ms).exp();
    let half = (RO - (80.0 + 2.5 * (terv - 14.0))) / 2.0;
    (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-ms).exp())
}

fn listener_echo(round_ms: f64) -> f64 {
    let half = (RO - 10.5 * (WEPL + 7.0) * (round_ms + 1.0).powf(-0.25)) / 2.0;
    half + (half * half + 169.0).sqrt()
}

fn pure_delay(ms: f64) -> f64 {
    if ms <= 100.0 {
        return 0.0;
    }
    let x = (ms / 100.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// The usual figure of G.711 without delay and loss, and the curve of G.107 annex B.
    #[test]
    fn a_perfect_line_scores_441_and_the_scale_is_that_of_annex_b() {
        assert!((4.40..=4.42).contains(&mos(Codec::Pcmu, ms(0), 0.0)), "{}", mos(Codec::Pcmu, ms(0), 0.0));
        for (r, expected) in [(50.0, 2.58), (60.0, 3.10), (70.0, 3.60), (80.0, 4.02), (90.0, 4.34), (100.0, 4.5)] {
            assert!((score(r) - expected).abs() < 0.01, "{r}: {}", score(r));
        }
    }

    /// The values that the well-known linear form has at both sides of its knee at 177 ms, and G.114's limits.
    #[test]
    fn delay_costs_little_up_to_150_ms_and_much_beyond_400() {
        for (one_way, from, to) in [(50, 0.5, 2.0), (150, 2.5, 5.0), (250, 11.0, 16.0), (400, 26.0, 36.0)] {
            let cost = delay(f64::from(one_way));
            assert!((from..=to).contains(&cost), "{one_way} ms: {cost}");
        }
    }

    /// `95 * 5 / (5 + 25.1) = 15.8` of `R`.
    #[test]
    fn five_percent_lost_cost_g711_half_a_point_and_a_half_leaves_nothing_of_it() {
        let lossy = mos(Codec::Pcma, ms(0), 0.05);
        assert!((3.85..=3.95).contains(&lossy), "{lossy}");
        assert!(mos(Codec::G722, ms(0), 0.05) < lossy);
        assert!(mos(Codec::Pcmu, ms(0), 0.5) < 1.8);
    }

    proptest! {
        #[test]
        fn more_delay_and_more_loss_never_sound_better(codec in 0usize..4, delay in 0u64..2000, lost in 0.0..1.0f64) {
            let codec = Codec::ALL[codec];
            let here = mos(codec, ms(delay), lost);
            prop_assert!((1.0..=4.5).contains(&here));
            prop_assert!(mos(codec, ms(delay + 50), lost) <= here + 0.01);
            prop_assert!(mos(codec, ms(delay), (lost + 0.05).min(1.0)) <= here);
        }
    }
}

//! From recordings to a message: each piece made ready alike, pieces joined with short gaps.
//!
//! Owns how a message sounds as a whole. Refuses to choose the pieces (that is the prompt library's, in `io`).

use super::codec::Rate;
use super::{SAMPLE_RATE, level};

/// Silence kept around a trimmed piece, in milliseconds: soft beginnings of words live there.
const KEEP_MS: usize = 30;
/// Silence between two joined pieces, in samples (90 ms): the rest of a natural pause of 150 ms is in the pieces' edges.
const GAP: usize = 720;
/// Pieces fade in and out over so many milliseconds, so that none begins with a click.
const FADE_MS: usize = 5;

/// Makes a recording ready for the line: silence around it trimmed, loudness to the common target, edges faded.
pub fn ready(samples: &[i16], rate: Rate) -> Vec<i16> {
    let mut piece = level::trim(samples, rate.samples(KEEP_MS), rate).to_vec();
    level::normalise(&mut piece, rate);
    fade(&mut piece, rate.samples(FADE_MS));
    piece
}

/// Pieces one after the other with a short gap between them.
pub fn join(pieces: &[&[i16]]) -> Vec<i16> {
    let mut message = Vec::with_capacity(pieces.iter().map(|p| p.len() + GAP).sum());
    for piece in pieces.iter().filter(|p| !p.is_empty()) {
        if !message.is_empty() {
            message.resize(message.len() + GAP, 0);
        }
        message.extend_from_slice(piece);
    }
    message
}

/// So many milliseconds of silence.
pub fn silence(millis: u32) -> Vec<i16> {
    vec![0; (u64::from(SAMPLE_RATE) * u64::from(millis) / 1000) as usize]
}

fn fade(samples: &mut [i16], over: usize) {
    let length = over.min(samples.len() / 2);
    let scaled = |sample: i16, n: usize| (i32::from(sample) * n as i32 / length as i32) as i16;
    for (n, sample) in samples.iter_mut().take(length).enumerate() {
        *sample = scaled(*sample, n);
    }
    for (n, sample) in samples.iter_mut().rev().take(length).enumerate() {
        *sample = scaled(*sample, n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::sine;

    fn narrow(samples: &[i16]) -> Vec<i16> {
        ready(samples, Rate::Hz8000)
    }

    #[test]
    fn a_recording_is_made_ready_alike_at_either_rate() {
        // At 16 kHz the same numbers are a tone of twice the pitch that lasts half as long.
        let (slow, fast) = (sine(440.0, 400, 4000), sine(220.0, 400, 8000));
        let (slow, fast) = (narrow(&slow), ready(&fast, Rate::Hz16000));
        assert_eq!(fast.len(), 2 * slow.len());
        assert!((level::rms(&slow) / level::rms(&fast) - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_loud_piece_and_a_quiet_piece_are_joined_at_one_level() {
        let (loud, quiet) = (narrow(&sine(440.0, 20_000, 4000)), narrow(&sine(440.0, 400, 4000)));
        let message = join(&[&loud, &[], &quiet]);
        assert_eq!(message.len(), loud.len() + GAP + quiet.len());
        let (first, second) = message.split_at(loud.len() + GAP);
        assert!((level::rms(&first[..4000]) / level::rms(second) - 1.0).abs() < 0.02);
        assert!(first[loud.len()..].iter().all(|s| *s == 0));
    }

    #[test]
    fn a_piece_begins_and_ends_in_silence() {
        let piece = narrow(&sine(1000.0, 8000, 1600).split_off(3));
        assert_eq!((piece.first(), piece.last()), (Some(&0), Some(&0)));
        assert!(narrow(&[0; 1000]).is_empty());
        assert_eq!(silence(20).len(), 160);
    }
}

//! From recordings to a message: each piece made ready alike, pieces joined with short gaps.
//!
//! Owns how a message sounds as a whole. Refuses to choose the pieces (that is the prompt library's, in `io`).

use super::{SAMPLE_RATE, level};

/// Silence kept around a trimmed piece, in samples (30 ms): soft beginnings of words live there.
const KEEP: usize = 240;
/// Silence between two joined pieces, in samples (90 ms): the rest of a natural pause of 150 ms is in the pieces' edges.
const GAP: usize = 720;
/// Pieces fade in and out over so many samples (5 ms), so that none begins with a click.
const FADE: usize = 40;

/// Makes a recording ready for the line: silence around it trimmed, loudness to the common target, edges faded.
pub fn ready(samples: &[i16]) -> Vec<i16> {
    let mut piece = level::trim(samples, KEEP).to_vec();
    level::normalise(&mut piece);
    fade(&mut piece);
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

fn fade(samples: &mut [i16]) {
    let length = FADE.min(samples.len() / 2);
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

    #[test]
    fn a_loud_piece_and_a_quiet_piece_are_joined_at_one_level() {
        let (loud, quiet) = (ready(&sine(440.0, 20_000, 4000)), ready(&sine(440.0, 400, 4000)));
        let message = join(&[&loud, &[], &quiet]);
        assert_eq!(message.len(), loud.len() + GAP + quiet.len());
        let (first, second) = message.split_at(loud.len() + GAP);
        assert!((level::rms(&first[..4000]) / level::rms(second) - 1.0).abs() < 0.02);
        assert!(first[loud.len()..].iter().all(|s| *s == 0));
    }

    #[test]
    fn a_piece_begins_and_ends_in_silence() {
        let piece = ready(&sine(1000.0, 8000, 1600).split_off(3));
        assert_eq!((piece.first(), piece.last()), (Some(&0), Some(&0)));
        assert!(ready(&[0; 1000]).is_empty());
        assert_eq!(silence(20).len(), 160);
    }
}

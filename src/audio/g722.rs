//! ITU-T G.722 at 64 kbit/s: 16 kHz samples, two to a byte. The algorithm is `ezk-g722`'s; owned here is its bound to whole
//! pairs of samples, that a stream keeps its state from packet to packet, and that nothing harms the thread that codes it: should
//! a payload trip one of the crate's checks, that payload is lost and the stream begins anew.
//!
//! RTP counts its time at 8 kHz (RFC 3551 §4.5.2), an old error that all keep to: one tick is one byte.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ezk_g722::libg722::{Bitrate, decoder, encoder};

/// A byte that, said on and on, is silence to any decoder.
pub const SILENCE: u8 = 0xfc;

/// A stream being decoded.
pub struct Decoder(decoder::Decoder);

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder(decoder::Decoder::new(Bitrate::Mode1_64000, false, false))
    }
}

impl Decoder {
    /// Appends two samples for every byte.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        let inner = &mut self.0;
        match catch_unwind(AssertUnwindSafe(|| inner.decode(payload))) {
            Ok(samples) => out.extend(samples),
            Err(_) => *self = Decoder::default(),
        }
    }
}

/// A stream being encoded.
pub struct Encoder {
    inner: encoder::Encoder,
    /// The first of a pair whose second is still to come.
    odd: Option<i16>,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { inner: encoder::Encoder::new(Bitrate::Mode1_64000, false, false), odd: None }
    }
}

impl Encoder {
    /// Appends a byte for every two samples.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        let mut rest = samples;
        if let (Some(first), Some((second, others))) = (self.odd, rest.split_first()) {
            self.encode_pairs(&[first, *second], out);
            self.odd = None;
            rest = others;
        }
        let (pairs, last) = rest.split_at(rest.len() & !1);
        self.encode_pairs(pairs, out);
        self.odd = last.first().copied().or(self.odd);
    }

    fn encode_pairs(&mut self, pairs: &[i16], out: &mut Vec<u8>) {
        let inner = &mut self.inner;
        match catch_unwind(AssertUnwindSafe(|| inner.encode(pairs))) {
            Ok(bytes) => out.extend(bytes),
            Err(_) => self.inner = encoder::Encoder::new(Bitrate::Mode1_64000, false, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tone at 16 kHz through both, without the delay of the filters.
    fn through(samples: &[i16]) -> Vec<i16> {
        let (mut payload, mut heard) = (Vec::new(), Vec::new());
        Encoder::default().encode(samples, &mut payload);
        Decoder::default().decode(&payload, &mut heard);
        heard
    }

    #[test]
    fn a_wide_band_tone_comes_back_22_samples_late() {
        let tone = |n: usize| (8000.0 * (std::f64::consts::TAU * 5000.0 / 16_000.0 * n as f64).sin()) as i16;
        let sent: Vec<i16> = (0..3200).map(tone).collect();
        let heard = through(&sent);
        assert_eq!(heard.len(), 3200);
        let (mut wrong, mut right) = (0.0, 0.0);
        for (a, b) in sent[1000..].iter().zip(&heard[1022..]) {
            wrong += f64::from(i32::from(*a) - i32::from(*b)).powi(2);
            right += f64::from(*a).powi(2);
        }
        let ratio = 10.0 * (right / wrong).log10();
        assert!(ratio > 12.0, "{ratio:.1} dB");
    }

    #[test]
    fn an_odd_sample_waits_for_its_pair() {
        let samples: Vec<i16> = (0..320).map(|n| (n * 97 % 4000) as i16).collect();
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        Encoder::default().encode(&samples, &mut whole);
        let mut encoder = Encoder::default();
        for piece in samples.chunks(7) {
            encoder.encode(piece, &mut pieces);
        }
        assert_eq!(pieces, whole);
        assert_eq!(whole.len(), 160);
    }

    #[test]
    fn the_byte_of_silence_is_silent_after_any_voice() {
        let (mut payload, mut decoder, mut heard) = (Vec::new(), Decoder::default(), Vec::new());
        let loud: Vec<i16> = (0..3200).map(|n| (n * 7919 % 60_000 - 30_000) as i16).collect();
        Encoder::default().encode(&loud, &mut payload);
        payload.extend([SILENCE; 800]);
        decoder.decode(&payload, &mut heard);
        let rest = &heard[heard.len() - 800..];
        assert!(rest.iter().all(|s| s.abs() < 8), "{rest:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(payload in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut heard = Vec::new();
            Decoder::default().decode(&payload, &mut heard);
            prop_assert_eq!(heard.len(), payload.len() * 2);
        }

        #[test]
        fn no_samples_make_the_encoder_panic(samples in proptest::collection::vec(any::<i16>(), 0..2000)) {
            let mut payload = Vec::new();
            Encoder::default().encode(&samples, &mut payload);
            prop_assert_eq!(payload.len(), samples.len() / 2);
        }
    }
}

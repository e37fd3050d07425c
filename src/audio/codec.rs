//! Every codec behind one face: a payload to samples, samples to a payload, at the rate that the listener works with.
//!
//! Owns the choice of algorithm, the resampling between the codec's band and the asked rate, what is heard in place of a lost
//! packet, and the bound on what one payload may become. Refuses packets, time and order: [`crate::media`] brings payloads in
//! the order in which they are to be heard.
//!
//! A decoder or an encoder is one stream: made when somebody needs it, kept as long as the stream lasts (a fresh one for a new
//! source), some 200 bytes for G.711, 1 KB for G.722 and 30 KB for Opus.

use super::conceal::Concealer;
use super::resample::Resampler;
use super::{g711, g722, opus};
use crate::model::Codec;

/// Samples a second that something here works with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rate {
    /// A telephone line.
    Hz8000,
    /// G.722, and wide-band voice.
    Hz16000,
    /// Everything audible.
    Hz48000,
}

impl Rate {
    /// As a number.
    pub fn hertz(self) -> u32 {
        match self {
            Rate::Hz8000 => 8_000,
            Rate::Hz16000 => 16_000,
            Rate::Hz48000 => 48_000,
        }
    }

    /// How many samples last so many milliseconds.
    pub fn samples(self, ms: usize) -> usize {
        self.hertz() as usize / 1000 * ms
    }
}

/// No payload becomes more than this, in milliseconds; what is longer is cut off.
pub const LONGEST_MS: usize = opus::LONGEST_MS;
/// No payload that we make is longer than this, in bytes: 60 ms of G.711 or G.722.
pub const MAX_PAYLOAD: usize = 480;

/// The band a codec carries: what it is best decoded at, and what is lost below it. Opus carries all.
pub fn band(codec: Codec) -> Rate {
    match codec {
        Codec::Pcmu | Codec::Pcma => Rate::Hz8000,
        Codec::G722 => Rate::Hz16000,
        Codec::Opus => Rate::Hz48000,
    }
}

/// How long a payload lasts, in ticks of the codec's RTP clock ([`Codec::clock_hz`]). `None`: it is no payload of this codec.
pub fn ticks(codec: Codec, payload: &[u8]) -> Option<u32> {
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => u32::try_from(payload.len()).ok().filter(|bytes| *bytes > 0),
        Codec::Opus => opus::ticks(payload),
    }
}

/// The byte that silence is made of; Opus has none.
pub fn silence(codec: Codec) -> Option<u8> {
    match codec {
        Codec::Pcmu => Some(g711::ULAW_SILENCE),
        Codec::Pcma => Some(g711::ALAW_SILENCE),
        Codec::G722 => Some(g722::SILENCE),
        Codec::Opus => None,
    }
}

/// A stream being decoded.
pub struct Decoder {
    codec: Codec,
    rate: Rate,
    kind: Decoding,
    /// Samples of the codec's own rate, before they are resampled.
    own: Vec<i16>,
}

/// Opus decodes to any rate and makes up its own losses.
enum Decoding {
    Mu(Line),
    A(Line),
    G722(Box<g722::Decoder>, Line),
    Opus(Box<opus::Decoder>),
}

/// What the other codecs have in common.
struct Line {
    rate: Rate,
    concealer: Concealer,
    resampler: Resampler,
}

impl Line {
    fn new(from: Rate, to: Rate) -> Line {
        Line { rate: from, concealer: Concealer::new(from), resampler: Resampler::new(from, to) }
    }

    fn heard(&mut self, samples: &mut [i16], out: &mut Vec<i16>) {
        self.concealer.heard(samples);
        self.resampler.process(samples, out);
    }

    fn lost(&mut self, ms: usize, room: &mut Vec<i16>, out: &mut Vec<i16>) {
        self.concealer.lost(self.rate.samples(ms), room);
        self.resampler.process(room, out);
    }
}

impl Decoder {
    /// Decodes `codec` to mono samples at `rate`.
    pub fn new(codec: Codec, rate: Rate) -> Decoder {
        let kind = match codec {
            Codec::Pcmu => Decoding::Mu(Line::new(Rate::Hz8000, rate)),
            Codec::Pcma => Decoding::A(Line::new(Rate::Hz8000, rate)),
            Codec::G722 => Decoding::G722(Box::default(), Line::new(Rate::Hz16000, rate)),
            Codec::Opus => Decoding::Opus(Box::new(opus::Decoder::new(rate))),
        };
        Decoder { codec, rate, kind, own: Vec::new() }
    }

    /// The codec it was made for.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The rate of what comes out.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Appends the samples of one payload: as many as it lasts, at most [`LONGEST_MS`]. False: it is no payload of this codec,
    /// nothing was appended, and whoever keeps time makes it up as [lost](Decoder::lost).
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> bool {
        // A tick of these codecs is a byte.
        let bytes = payload.get(..8 * LONGEST_MS).unwrap_or(payload);
        if bytes.is_empty() {
            return false;
        }
        self.own.clear();
        match &mut self.kind {
            Decoding::Mu(line) => {
                self.own.extend(bytes.iter().map(|code| g711::ulaw_decode(*code)));
                line.heard(&mut self.own, out);
            }
            Decoding::A(line) => {
                self.own.extend(bytes.iter().map(|code| g711::alaw_decode(*code)));
                line.heard(&mut self.own, out);
            }
            Decoding::G722(decoder, line) => {
                decoder.decode(bytes, &mut self.own);
                line.heard(&mut self.own, out);
            }
            Decoding::Opus(decoder) => return decoder.decode(payload, out),
        }
        true
    }

    /// Appends `ms` milliseconds (at most [`LONGEST_MS`]) in place of what never came: the voice goes on for a moment and fades.
    /// `next`: the payload after it, where that is there already; an Opus packet may tell of the one before it.
    pub fn lost(&mut self, ms: usize, next: Option<&[u8]>, out: &mut Vec<i16>) {
        let ms = ms.min(LONGEST_MS);
        self.own.clear();
        match &mut self.kind {
            Decoding::Mu(line) | Decoding::A(line) | Decoding::G722(_, line) => line.lost(ms, &mut self.own, out),
            Decoding::Opus(decoder) => decoder.lost(self.rate.samples(ms), next, out),
        }
    }
}

/// A stream being encoded.
pub struct Encoder {
    codec: Codec,
    resampler: Resampler,
    kind: Encoding,
    own: Vec<i16>,
}

enum Encoding {
    Mu,
    A,
    G722(Box<g722::Encoder>),
    Opus(Box<opus::Encoder>),
}

impl Encoder {
    /// Encodes mono samples of `rate`.
    pub fn new(codec: Codec, rate: Rate) -> Encoder {
        let (own, kind) = match codec {
            Codec::Pcmu => (Rate::Hz8000, Encoding::Mu),
            Codec::Pcma => (Rate::Hz8000, Encoding::A),
            Codec::G722 => (Rate::Hz16000, Encoding::G722(Box::default())),
            Codec::Opus => (rate, Encoding::Opus(Box::new(opus::Encoder::new(rate)))),
        };
        Encoder { codec, resampler: Resampler::new(rate, own), kind, own: Vec::new() }
    }

    /// The codec it was made for.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// So many percent of the payloads are expected not to arrive. Of use to Opus alone, which can tell twice what matters.
    pub fn expect_loss(&mut self, percent: u8) {
        if let Encoding::Opus(encoder) = &mut self.kind {
            encoder.expect_loss(percent);
        }
    }

    /// Appends one payload made of these samples: a [packet time](Codec::packet_ms) of the codec. False (and nothing appended) only for
    /// Opus, where the samples are no packet time of it.
    pub fn encode(&mut self, samples: &[i16], payload: &mut Vec<u8>) -> bool {
        self.own.clear();
        self.resampler.process(samples, &mut self.own);
        match &mut self.kind {
            Encoding::Mu => payload.extend(self.own.iter().map(|sample| g711::ulaw_encode(*sample))),
            Encoding::A => payload.extend(self.own.iter().map(|sample| g711::alaw_encode(*sample))),
            Encoding::G722(encoder) => encoder.encode(&self.own, payload),
            Encoding::Opus(encoder) => return encoder.encode(&self.own, payload),
        }
        true
    }
}

//! What a phone says and hears: RTP packets (RFC 3550 §5.1), G.711 written straight from ITU-T G.711, steady tones and their
//! recognition. Written apart from `crate::rtp` and `crate::media`. Owns bytes and samples; refuses calls and addresses.

use std::f64::consts::TAU;

/// Samples of one 20 ms frame at 8 kHz.
pub const FRAME: usize = 160;
/// Tones are multiples of this, so that every 20 ms frame holds whole periods and all frames of a tone are equal.
pub const TONE_STEP_HZ: u16 = 50;

/// The G.711 law of a payload type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Law {
    /// µ-law, payload type 0.
    Mu,
    /// A-law, payload type 8.
    A,
}

impl Law {
    /// The static payload type (RFC 3551).
    pub fn payload_type(self) -> u8 {
        match self {
            Law::Mu => 0,
            Law::A => 8,
        }
    }

    /// The law of a static payload type.
    pub fn of(payload_type: u8) -> Option<Law> {
        match payload_type {
            0 => Some(Law::Mu),
            8 => Some(Law::A),
            _ => None,
        }
    }

    /// One sample to one byte.
    pub fn encode(self, sample: i16) -> u8 {
        let s = i32::from(sample);
        match self {
            Law::Mu => {
                let sign = if s < 0 { 0x80 } else { 0 };
                let magnitude = s.abs().min(32_635) + 132;
                let exponent = 31 - (magnitude >> 7).leading_zeros().min(31);
                let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
                !u8::try_from(sign | ((exponent as i32) << 4) | mantissa).unwrap_or(0)
            }
            Law::A => {
                let sign = if s < 0 { 0 } else { 0x80 };
                let magnitude = (if s < 0 { !s } else { s }) >> 3;
                let (mut segment, mut top) = (0, 0x1f);
                while magnitude > top && segment < 7 {
                    segment += 1;
                    top = (top << 1) | 1;
                }
                let low = (magnitude >> segment.max(1)) & 0x0f;
                u8::try_from(sign | (segment << 4) | low).unwrap_or(0) ^ 0x55
            }
        }
    }

    /// One byte to one sample.
    pub fn decode(self, byte: u8) -> i16 {
        match self {
            Law::Mu => {
                let b = !byte;
                let exponent = (b >> 4) & 7;
                let magnitude = (((i16::from(b & 0x0f) << 3) + 132) << exponent) - 132;
                if b & 0x80 != 0 { -magnitude } else { magnitude }
            }
            Law::A => {
                let b = byte ^ 0x55;
                let segment = (b >> 4) & 7;
                let low = i16::from(b & 0x0f) << 4;
                let magnitude = if segment == 0 { low + 8 } else { (low + 0x108) << (segment - 1) };
                if b & 0x80 != 0 { magnitude } else { -magnitude }
            }
        }
    }
}

/// One 20 ms frame of a tone at about −10 dBm0; `hz` is rounded to a multiple of `TONE_STEP_HZ`. Zero is silence.
pub fn tone_frame(hz: u16, law: Law) -> [u8; FRAME] {
    chord_frame(&[hz], law)
}

/// The same with several tones, all of them together as loud as one.
pub(super) fn chord_frame(tones: &[u16], law: Law) -> [u8; FRAME] {
    let each = 8000.0 / tones.len() as f64;
    let mut frame = [0; FRAME];
    for (at, byte) in frame.iter_mut().enumerate() {
        let pitch = |hz: &u16| f64::from(hz / TONE_STEP_HZ * TONE_STEP_HZ);
        let sample: f64 = tones.iter().map(|hz| each * (TAU * pitch(hz) * at as f64 / 8000.0).sin()).sum();
        *byte = law.encode(sample as i16);
    }
    frame
}

/// The one steady tone that carries most of a frame's energy, if any, as a multiple of 50 Hz up to 3.6 kHz.
pub fn tone_of(payload: &[u8], law: Law) -> Option<u16> {
    voices_of(payload, law).sole()
}

/// Most voices of a frame that are told apart.
pub const VOICES: usize = 4;

/// The steady tones of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Voices {
    found: [Option<u16>; VOICES],
    sole: bool,
}

impl Voices {
    /// The one that carries most of it.
    pub fn sole(&self) -> Option<u16> {
        self.found[0].filter(|_| self.sole)
    }

    /// Every one that carries a good part of it, the lowest first, unless one of them carries most.
    pub fn all(&self) -> impl Iterator<Item = u16> {
        self.found.into_iter().flatten()
    }
}

/// The steady tones that are added up in a frame, as multiples of 50 Hz up to 3.6 kHz.
pub fn voices_of(payload: &[u8], law: Law) -> Voices {
    let samples: Vec<f64> = payload.iter().map(|b| f64::from(law.decode(*b))).collect();
    let energy: f64 = samples.iter().map(|s| s * s).sum();
    let mut voices = Voices::default();
    if samples.len() < FRAME / 2 || energy / (samples.len() as f64) < 100.0 * 100.0 {
        return voices;
    }
    // Goertzel; a pure tone gives |X|² = energy · n / 2.
    let share = |hz: u16| {
        let k = 2.0 * (TAU * f64::from(hz) / 8000.0).cos();
        let (a, b) = samples.iter().fold((0.0, 0.0), |(a, b), s| (s + k * a - b, a));
        (a * a + b * b - k * a * b) * 2.0 / (energy * samples.len() as f64)
    };
    for hz in (2..=72).map(|n| n * TONE_STEP_HZ) {
        let share = share(hz);
        if share > 0.6 {
            return Voices { found: [Some(hz), None, None, None], sole: true };
        }
        if share > 0.2
            && let Some(free) = voices.found.iter_mut().find(|place| place.is_none())
        {
            *free = Some(hz);
        }
    }
    voices
}

/// One RTP packet, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Beginning of a talk spurt.
    pub marker: bool,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// In samples.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Coded audio.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet without extensions, padding or contributing sources: nothing we talk to has a reason to use them.
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let (head, payload) = bytes.split_first_chunk::<12>()?;
        let [first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = *head;
        (first == 0x80).then_some(Packet {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            payload,
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + self.payload.len());
        out.extend_from_slice(&[0x80, (u8::from(self.marker) << 7) | (self.payload_type & 0x7f)]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(self.payload);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_laws_keep_a_sample_within_their_step() {
        for law in [Law::Mu, Law::A] {
            for sample in (-32_000..32_000).step_by(37) {
                let back = i32::from(law.decode(law.encode(sample)));
                let allowed = 16 + i32::from(sample).abs() / 16;
                assert!((back - i32::from(sample)).abs() <= allowed, "{law:?} {sample} came back as {back}");
            }
        }
        assert_eq!((Law::Mu.encode(0), Law::A.encode(0)), (0xff, 0xd5));
    }

    #[test]
    fn a_tone_is_recognised_in_either_law_and_silence_is_none() {
        for law in [Law::Mu, Law::A] {
            for hz in [350, 400, 1000, 1950, 3400] {
                assert_eq!(tone_of(&tone_frame(hz, law), law), Some(hz));
            }
            assert_eq!(tone_of(&tone_frame(0, law), law), None);
        }
    }

    #[test]
    fn voices_that_are_added_up_are_told_apart() {
        for law in [Law::Mu, Law::A] {
            let heard = |tones: &[u16]| voices_of(&chord_frame(tones, law), law);
            assert_eq!(heard(&[1000, 1550]).all().collect::<Vec<_>>(), [1000, 1550]);
            assert_eq!(heard(&[1550, 1000, 2050]).all().collect::<Vec<_>>(), [1000, 1550, 2050]);
            assert_eq!((heard(&[1000, 2000]).sole(), heard(&[2000]).sole()), (None, Some(2000)));
        }
    }

    #[test]
    fn a_packet_is_read_as_it_was_written() {
        let packet =
            Packet { marker: true, payload_type: 8, sequence: 65_535, timestamp: 7, ssrc: 9, payload: &[1, 2, 3] };
        assert_eq!(Packet::parse(&packet.write()), Some(packet));
        assert_eq!(Packet::parse(&[0x80; 11]), None);
    }
}

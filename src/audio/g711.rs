//! ITU-T G.711: both companding laws, and the conversion between them, as tables computed at compile time.
//!
//! Owns the laws at the scale of 16-bit linear samples (µ-law's 14 bits times 4, A-law's 13 bits times 8). Refuses packets
//! and time.

/// What a silent µ-law line carries (the code of +0).
pub const ULAW_SILENCE: u8 = 0xff;
/// What a silent A-law line carries (the code of the smallest positive value).
pub const ALAW_SILENCE: u8 = 0xd5;

/// One µ-law code as a linear sample.
pub fn ulaw_decode(code: u8) -> i16 {
    ULAW_TO_LINEAR[usize::from(code)]
}

/// One A-law code as a linear sample.
pub fn alaw_decode(code: u8) -> i16 {
    ALAW_TO_LINEAR[usize::from(code)]
}

/// A linear sample as a µ-law code: the interval of G.711 table 2 it lies in.
pub const fn ulaw_encode(sample: i16) -> u8 {
    let magnitude = if sample < 0 { !sample >> 2 } else { sample >> 2 };
    let number = ulaw_number(magnitude as u32);
    // All bits but the sign are sent inverted; the sign bit is 1 for positive values.
    if sample < 0 { 0x7f - number } else { 0xff - number }
}

/// A linear sample as an A-law code: the interval of G.711 table 1 it lies in.
pub const fn alaw_encode(sample: i16) -> u8 {
    let magnitude = if sample < 0 { !sample >> 3 } else { sample >> 3 };
    let number = alaw_number(magnitude as u32);
    // Even bits are sent inverted; the sign bit is 1 for positive values.
    (if sample < 0 { number } else { number | 0x80 }) ^ 0x55
}

/// Converts in place, by G.711 table 3.
pub fn ulaw_to_alaw(codes: &mut [u8]) {
    for code in codes {
        *code = ULAW_TO_ALAW[usize::from(*code)];
    }
}

/// Converts in place, by G.711 table 4.
pub fn alaw_to_ulaw(codes: &mut [u8]) {
    for code in codes {
        *code = ALAW_TO_ULAW[usize::from(*code)];
    }
}

/// µ-law of a whole recording.
pub fn ulaw_encode_all(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|s| ulaw_encode(*s)).collect()
}

/// A-law of a whole recording.
pub fn alaw_encode_all(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|s| alaw_encode(*s)).collect()
}

/// A whole µ-law recording as samples.
pub fn ulaw_decode_all(codes: &[u8]) -> Vec<i16> {
    codes.iter().map(|c| ulaw_decode(*c)).collect()
}

/// A whole A-law recording as samples.
pub fn alaw_decode_all(codes: &[u8]) -> Vec<i16> {
    codes.iter().map(|c| alaw_decode(*c)).collect()
}

static ULAW_TO_LINEAR: [i16; 256] = ulaw_levels();
static ALAW_TO_LINEAR: [i16; 256] = alaw_levels();
static ULAW_TO_ALAW: [u8; 256] = ulaw_to_alaw_codes();
static ALAW_TO_ULAW: [u8; 256] = alaw_to_ulaw_codes();

/// Which of the 128 µ-law intervals a 14-bit magnitude lies in; 0 is the smallest.
const fn ulaw_number(magnitude: u32) -> u8 {
    let biased = if magnitude + 33 > 8191 { 8191 } else { magnitude + 33 };
    let segment = 26 - biased.leading_zeros();
    ((segment << 4) | ((biased >> (segment + 1)) & 0x0f)) as u8
}

/// Which of the 128 A-law intervals a 13-bit magnitude (scale of 4096) lies in; 0 is the smallest.
const fn alaw_number(magnitude: u32) -> u8 {
    if magnitude < 32 {
        return (magnitude >> 1) as u8;
    }
    let capped = if magnitude > 4095 { 4095 } else { magnitude };
    let segment = 27 - capped.leading_zeros();
    ((segment << 4) | ((capped >> segment) & 0x0f)) as u8
}

/// The decoder's output for a µ-law interval, scale of 8159.
const fn ulaw_level(number: u32) -> u32 {
    (((number & 0x0f) * 2 + 33) << (number >> 4)) - 33
}

/// The decoder's output for an A-law interval, scale of 4096.
const fn alaw_level(number: u32) -> u32 {
    let step = (number & 0x0f) * 2 + 1;
    match number >> 4 {
        0 => step,
        segment => (step + 32) << (segment - 1),
    }
}

const fn ulaw_levels() -> [i16; 256] {
    let mut levels = [0; 256];
    let mut number = 0;
    while number < 128 {
        let level = (ulaw_level(number as u32) * 4) as i16;
        levels[0xff - number] = level;
        levels[0x7f - number] = -level;
        number += 1;
    }
    levels
}

const fn alaw_levels() -> [i16; 256] {
    let mut levels = [0; 256];
    let mut number = 0;
    while number < 128 {
        let level = (alaw_level(number as u32) * 8) as i16;
        levels[(number | 0x80) ^ 0x55] = level;
        levels[number ^ 0x55] = -level;
        number += 1;
    }
    levels
}

/// One µ-law unit in A-law units, times 100,000. The full scales 8159 and 4096 are +3.17 and +3.14 dBm0 (G.711 §4), so the same
/// power is 4096 / 8159 · 10^(0.03/20) = 0.50376 of the number, not exactly a half.
const SCALE: u32 = 50_376;

/// G.711 table 3 follows from equal power everywhere but at this one interval (counted from 0), where the equal power level
/// lies barely over an A-law decision value and the table keeps the lower one.
const KEPT_LOWER: usize = 80;

const fn ulaw_to_alaw_codes() -> [u8; 256] {
    let mut codes = [0; 256];
    let mut number = 0;
    while number < 128 {
        let level = ulaw_level(number as u32) * SCALE / 100_000;
        let nearest = alaw_number(level) - (number == KEPT_LOWER) as u8;
        codes[0xff - number] = (nearest | 0x80) ^ 0x55;
        codes[0x7f - number] = nearest ^ 0x55;
        number += 1;
    }
    codes
}

const fn alaw_to_ulaw_codes() -> [u8; 256] {
    let mut codes = [0; 256];
    let mut number = 0;
    while number < 128 {
        let level = alaw_level(number as u32) * 100_000 / SCALE;
        let nearest = ulaw_number(level);
        codes[(number | 0x80) ^ 0x55] = 0xff - nearest;
        codes[number ^ 0x55] = 0x7f - nearest;
        number += 1;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decision values of G.711 table 2 (µ-law), scale of 8159: x(1), then the first of every segment, then the virtual one.
    const ULAW_DECISIONS: [(i16, u8); 10] = [
        (0, 0xff),
        (1, 0xfe),
        (31, 0xef),
        (95, 0xdf),
        (223, 0xcf),
        (479, 0xbf),
        (991, 0xaf),
        (2015, 0x9f),
        (4063, 0x8f),
        (8158, 0x80),
    ];

    /// Decision values of G.711 table 1 (A-law), scale of 4096, before the even bits are inverted.
    const ALAW_DECISIONS: [(i16, u8); 9] = [
        (0, 0x80),
        (2, 0x81),
        (32, 0x90),
        (64, 0xa0),
        (128, 0xb0),
        (256, 0xc0),
        (512, 0xd0),
        (1024, 0xe0),
        (2048, 0xf0),
    ];

    #[test]
    fn ulaw_intervals_begin_at_the_decision_values_of_table_2() {
        for (decision, code) in ULAW_DECISIONS {
            assert_eq!(ulaw_encode(decision * 4), code, "at {decision}");
            if decision > 0 {
                assert_eq!(ulaw_encode(-(decision * 4) - 1), code & 0x7f, "at -{decision}");
            }
            if decision > 0 && decision < 8158 {
                assert_eq!(ulaw_encode(decision * 4 - 1), code + 1, "under {decision}");
            }
        }
        assert_eq!((ulaw_encode(i16::MAX), ulaw_encode(i16::MIN)), (0x80, 0x00));
        assert_eq!((ulaw_decode(0x80), ulaw_decode(0x00)), (8031 * 4, -8031 * 4));
    }

    #[test]
    fn alaw_intervals_begin_at_the_decision_values_of_table_1() {
        for (decision, code) in ALAW_DECISIONS {
            assert_eq!(alaw_encode(decision * 8) ^ 0x55, code, "at {decision}");
            assert_eq!(alaw_encode(-(decision * 8) - 1) ^ 0x55, code & 0x7f, "at -{decision}");
            if decision > 0 {
                assert_eq!(alaw_encode(decision * 8 - 1) ^ 0x55, code - 1, "under {decision}");
            }
        }
        assert_eq!((alaw_encode(i16::MAX), alaw_encode(i16::MIN)), (0xff ^ 0x55, 0x7f ^ 0x55));
        assert_eq!((alaw_decode(0xff ^ 0x55), alaw_decode(0x7f ^ 0x55)), (4032 * 8, -4032 * 8));
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for code in 0..=255u8 {
            assert_eq!(alaw_encode(alaw_decode(code)), code);
            // µ-law has two zeros; the negative one is read as zero and written as the positive one.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(ulaw_encode(ulaw_decode(code)), expected);
        }
    }

    #[test]
    fn every_sample_comes_back_within_half_of_its_interval() {
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs();
            let error = |level: i16| (i32::from(level) - i32::from(sample)).abs();
            let ulaw_half = (4 << ((magnitude / 4 + 33).min(8191).ilog2() - 5)).max(4) + 3;
            let alaw_half = (8 << (magnitude / 8).clamp(32, 4095).ilog2().saturating_sub(5)) + 7;
            if magnitude <= 8158 * 4 {
                assert!(error(ulaw_decode(ulaw_encode(sample))) <= ulaw_half, "µ-law of {sample}");
            }
            assert!(error(alaw_decode(alaw_encode(sample))) <= alaw_half, "A-law of {sample}");
        }
    }

    /// The A-law numbers of G.711 table 3 (counted from 1) for the µ-law numbers 0 to 127.
    fn numbers_of_table_3() -> Vec<u8> {
        let mut numbers: Vec<u8> = (1..=8).flat_map(|n| [n, n]).collect();
        numbers.extend(9..=24);
        numbers.extend([25, 27, 29, 31]);
        numbers.extend(33..=44);
        numbers.extend([46, 48]);
        numbers.extend(49..=62);
        numbers.extend(64..=80);
        numbers.extend(82..=128);
        numbers
    }

    /// The µ-law numbers of G.711 table 4 (counted from 0) for the A-law numbers 1 to 128.
    fn numbers_of_table_4() -> Vec<u8> {
        let mut numbers: Vec<u8> = (0..8).map(|n| 2 * n + 1).collect();
        numbers.extend(16..=31);
        numbers.extend((32..=35).flat_map(|n| [n, n]));
        numbers.extend(36..=47);
        numbers.extend([48, 48, 49, 49]);
        numbers.extend(50..=63);
        numbers.extend([64, 64]);
        numbers.extend(65..=79);
        numbers.push(80);
        numbers.extend(80..=127);
        numbers
    }

    #[test]
    fn ulaw_becomes_alaw_by_table_3() {
        for (number, expected) in numbers_of_table_3().into_iter().enumerate() {
            let mut codes = [0xff - number as u8, 0x7f - number as u8];
            ulaw_to_alaw(&mut codes);
            assert_eq!(codes, [((expected - 1) | 0x80) ^ 0x55, (expected - 1) ^ 0x55], "µ-law number {number}");
        }
        assert_eq!(numbers_of_table_3().len(), 128);
    }

    #[test]
    fn alaw_becomes_ulaw_by_table_4() {
        for (number, expected) in numbers_of_table_4().into_iter().enumerate() {
            let mut codes = [(number as u8 | 0x80) ^ 0x55, number as u8 ^ 0x55];
            alaw_to_ulaw(&mut codes);
            assert_eq!(codes, [0xff - expected, 0x7f - expected], "A-law number {number}");
        }
        assert_eq!(numbers_of_table_4().len(), 128);
    }

    #[test]
    fn silence_stays_silence_through_the_conversion() {
        let mut codes = [ULAW_SILENCE];
        ulaw_to_alaw(&mut codes);
        assert_eq!(codes, [ALAW_SILENCE]);
        assert_eq!((ulaw_decode(ULAW_SILENCE), alaw_decode(ALAW_SILENCE)), (0, 8));
    }
}

//! WAV: any usual recording to mono samples of a line, 8 or 16 kHz, and what we heard back to a file. Bytes in, bytes out: the files are `io`'s.
//!
//! Reads integers of 8, 16, 24 and 32 bits and 32-bit floats, mono or stereo, 4 to 192 kHz. Refuses what is larger than the
//! bounds below before it costs memory.

use std::io::Cursor;

use hound::{SampleFormat, WavReader};
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler};

use super::SAMPLE_RATE;
use super::codec::Rate;

/// The longest recording that is taken, in seconds.
pub const MAX_SECONDS: u32 = 120;
/// The largest file that is taken, in bytes.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Sample rates that are taken.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// Why a recording cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WavError {
    /// Not a WAV file, cut short, or of a coding that is not read.
    #[error("not a WAV file of 8, 16, 24, 32 bits or float samples: {0}")]
    Malformed(String),
    /// More than two channels, or none.
    #[error("a recording has one or two channels, this one has {0}")]
    Channels(u16),
    /// A rate outside the bounds.
    #[error("a sample rate is 4000 to 192000 Hz, this one is {0}")]
    Rate(u32),
    /// Longer than [`MAX_SECONDS`].
    #[error("a recording lasts at most {MAX_SECONDS} seconds")]
    TooLong,
    /// Larger than [`MAX_BYTES`].
    #[error("a recording has at most {MAX_BYTES} bytes")]
    TooLarge,
    /// No samples.
    #[error("the recording is empty")]
    Empty,
}

impl From<hound::Error> for WavError {
    fn from(error: hound::Error) -> WavError {
        WavError::Malformed(error.to_string())
    }
}

/// Reads a WAV file's bytes as 8 kHz mono samples.
pub fn read(bytes: &[u8]) -> Result<Vec<i16>, WavError> {
    read_at(bytes, Rate::Hz8000)
}

/// True for a recording that has more in it than a telephone line of 8 kHz carries.
pub fn is_wide(bytes: &[u8]) -> bool {
    WavReader::new(Cursor::new(bytes)).is_ok_and(|reader| reader.spec().sample_rate > SAMPLE_RATE)
}

/// Reads a WAV file's bytes as mono samples of this rate.
pub fn read_at(bytes: &[u8], rate: Rate) -> Result<Vec<i16>, WavError> {
    if bytes.len() > MAX_BYTES {
        return Err(WavError::TooLarge);
    }
    let reader = WavReader::new(Cursor::new(bytes))?;
    let spec = reader.spec();
    if !(1..=2).contains(&spec.channels) {
        return Err(WavError::Channels(spec.channels));
    }
    if !RATES.contains(&spec.sample_rate) {
        return Err(WavError::Rate(spec.sample_rate));
    }
    if reader.duration() > MAX_SECONDS * spec.sample_rate {
        return Err(WavError::TooLong);
    }
    let samples = samples(reader)?;
    let mono = if spec.channels == 2 { mix_down(&samples) } else { samples };
    if mono.is_empty() {
        return Err(WavError::Empty);
    }
    let line = resample(mono, spec.sample_rate, rate.hertz())?;
    Ok(line.into_iter().map(|s| (s * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).collect())
}

/// Writes 8 kHz mono samples as a 16-bit WAV file.
pub fn write_mono(samples: &[i16]) -> Vec<u8> {
    write_mono_at(samples, Rate::Hz8000)
}

/// Writes mono samples of this rate as a 16-bit WAV file.
pub fn write_mono_at(samples: &[i16], rate: Rate) -> Vec<u8> {
    write((1, rate), samples.len(), samples.iter().copied())
}

/// Writes two sides as a stereo WAV file; the shorter one is filled up with silence.
pub fn write_stereo(left: &[i16], right: &[i16]) -> Vec<u8> {
    let length = left.len().max(right.len());
    let at = |side: &[i16], n: usize| side.get(n).copied().unwrap_or(0);
    write((2, Rate::Hz8000), length, (0..length).flat_map(|n| [at(left, n), at(right, n)]))
}

/// A 16-bit PCM file by hand: 44 bytes of header, so that writing cannot fail.
fn write((channels, rate): (u16, Rate), frames: usize, samples: impl Iterator<Item = i16>) -> Vec<u8> {
    let data = u32::try_from(frames * usize::from(channels) * 2).unwrap_or(u32::MAX - 36);
    let mut bytes = Vec::with_capacity(44 + data as usize);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + data).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend_from_slice(&channels.to_le_bytes());
    bytes.extend_from_slice(&rate.hertz().to_le_bytes());
    bytes.extend_from_slice(&(rate.hertz() * u32::from(channels) * 2).to_le_bytes());
    bytes.extend_from_slice(&(channels * 2).to_le_bytes());
    bytes.extend_from_slice(b"\x10\0data");
    bytes.extend_from_slice(&data.to_le_bytes());
    samples.for_each(|s| bytes.extend_from_slice(&s.to_le_bytes()));
    bytes
}

/// All samples, interleaved, −1 to 1.
fn samples(reader: WavReader<Cursor<&[u8]>>) -> Result<Vec<f32>, WavError> {
    let spec = reader.spec();
    match spec.sample_format {
        SampleFormat::Float => {
            let finite = |s: f32| if s.is_finite() { s.clamp(-1.0, 1.0) } else { 0.0 };
            reader.into_samples::<f32>().map(|s| Ok(finite(s?))).collect()
        }
        SampleFormat::Int => {
            let scale = 1.0 / (1u64 << spec.bits_per_sample.clamp(8, 32).saturating_sub(1)) as f32;
            reader.into_samples::<i32>().map(|s| Ok(s? as f32 * scale)).collect()
        }
    }
}

fn mix_down(stereo: &[f32]) -> Vec<f32> {
    stereo.chunks_exact(2).map(|pair| pair.iter().sum::<f32>() / 2.0).collect()
}

/// From one rate to another, band-limited before it falls (rubato's FFT resampler), with its delay taken off.
fn resample(samples: Vec<f32>, from: u32, to: u32) -> Result<Vec<f32>, WavError> {
    if from == to {
        return Ok(samples);
    }
    let failed = |error: &dyn std::fmt::Display| WavError::Malformed(error.to_string());
    let frames = samples.len();
    let mut resampler =
        Fft::<f32>::new(from as usize, to as usize, 1024, 1, FixedSync::Both).map_err(|e| failed(&e))?;
    let input = InterleavedOwned::new_from(samples, 1, frames).map_err(|e| failed(&e))?;
    let output = resampler.process_all(&input, frames, None).map_err(|e| failed(&e))?;
    Ok(output.take_data())
}

/// A WAV file of any format that [`read`] takes: what the tests of this room and of `io` feed it.
#[cfg(test)]
pub fn write_as(spec: hound::WavSpec, samples: impl IntoIterator<Item = f64>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for sample in samples {
        match spec.sample_format {
            SampleFormat::Float => writer.write_sample(sample as f32).unwrap(),
            SampleFormat::Int => {
                let full = (1i64 << (spec.bits_per_sample - 1)) as f64;
                writer.write_sample((sample * full).round().clamp(-full, full - 1.0) as i32).unwrap();
            }
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

#[cfg(test)]
mod tests {
    use hound::WavSpec;
    use proptest::prelude::*;

    use super::*;
    use crate::audio::level::rms;
    use crate::audio::tone::{share_at, sine};

    fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
        WavSpec { channels, sample_rate, bits_per_sample, sample_format }
    }

    fn tone(hertz: f64, rate: u32, seconds: f64) -> impl Iterator<Item = f64> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        (0..(f64::from(rate) * seconds) as u32).map(move |n| 0.5 * (step * f64::from(n)).sin())
    }

    #[test]
    fn every_usual_format_becomes_the_same_telephone_line() {
        for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000] {
            for (bits, format) in [
                (8, SampleFormat::Int),
                (16, SampleFormat::Int),
                (24, SampleFormat::Int),
                (32, SampleFormat::Int),
                (32, SampleFormat::Float),
            ] {
                let line = read(&write_as(spec(1, rate, bits, format), tone(440.0, rate, 0.5))).unwrap();
                assert!((3990..=4010).contains(&line.len()), "{rate} Hz, {bits} bits: {} samples", line.len());
                assert!(share_at(&line[800..3200], 440.0) > 0.99, "{rate} Hz, {bits} bits");
                let level = rms(&line[800..3200]) / 32_768.0;
                assert!((level - 0.3535).abs() < 0.01, "{rate} Hz, {bits} bits: {level}");
            }
        }
    }

    #[test]
    fn what_only_a_wide_band_line_carries_is_there_where_that_is_asked_for() {
        for rate in [11_025, 16_000, 22_050, 44_100, 48_000] {
            let file = write_as(spec(1, rate, 16, SampleFormat::Int), tone(5_000.0, rate, 0.5));
            let line = read_at(&file, Rate::Hz16000).unwrap();
            assert!(is_wide(&file) && (7980..=8020).contains(&line.len()), "{rate} Hz: {} samples", line.len());
            // At 16 kHz the detector's hertz count double.
            assert!(share_at(&line[1600..6400], 2_500.0) > 0.99, "{rate} Hz");
            assert_eq!(read_at(&write_mono_at(&line, Rate::Hz16000), Rate::Hz16000), Ok(line));
        }
        assert!(!is_wide(&write_mono(&[0; 100])) && !is_wide(b"RIFF"));
    }

    #[test]
    fn both_sides_of_a_stereo_recording_are_heard() {
        let sides = tone(440.0, 16_000, 0.5).zip(tone(1000.0, 16_000, 0.5)).flat_map(|(l, r)| [l, r]);
        let line = read(&write_as(spec(2, 16_000, 16, SampleFormat::Int), sides)).unwrap();
        assert_eq!(line.len(), 4000);
        assert!((share_at(&line, 440.0) - 0.5).abs() < 0.05 && (share_at(&line, 1000.0) - 0.5).abs() < 0.05);
    }

    #[test]
    fn what_a_telephone_cannot_carry_does_not_come_back_as_another_tone() {
        // 5 kHz sampled at 8 kHz without a filter would be heard at 3 kHz.
        let line = read(&write_as(spec(1, 48_000, 16, SampleFormat::Int), tone(5_000.0, 48_000, 0.5))).unwrap();
        assert!(rms(&line[400..3600]) < 33.0, "60 dB down, is {}", rms(&line[400..3600]));
    }

    #[test]
    fn what_was_written_is_read_back_exactly() {
        let heard = sine(440.0, 8000, 1234);
        assert_eq!(read(&write_mono(&heard)).unwrap(), heard);
        let stereo = write_stereo(&heard, &heard[..400]);
        assert_eq!(WavReader::new(Cursor::new(&stereo)).unwrap().duration(), 1234);
        assert_eq!(read(&stereo).unwrap().len(), 1234);
    }

    #[test]
    fn unusable_recordings_are_refused_with_the_reason() {
        let three = write_as(spec(3, 8_000, 16, SampleFormat::Int), vec![0.0; 300]);
        assert_eq!(read(&three), Err(WavError::Channels(3)));
        let slow = write_as(spec(1, 2_000, 16, SampleFormat::Int), vec![0.0; 300]);
        assert_eq!(read(&slow), Err(WavError::Rate(2_000)));
        let long = write_as(spec(1, 4_000, 8, SampleFormat::Int), vec![0.0; 4_000 * 121]);
        assert_eq!(read(&long), Err(WavError::TooLong));
        assert_eq!(read(&write_mono(&[])), Err(WavError::Empty));
        assert!(matches!(read(b"ID3\x04 not a WAV"), Err(WavError::Malformed(_))));
        let cut = write_mono(&sine(440.0, 8000, 400));
        assert!(matches!(read(&cut[..500]), Err(WavError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_changed_header_makes_the_reader_panic(at in 0usize..44, value: u8, second in 0usize..44, other: u8) {
            let mut bytes = write_mono(&sine(440.0, 8000, 100));
            bytes[at] = value;
            bytes[second] = other;
            let _ = read(&bytes);
        }
    }
}

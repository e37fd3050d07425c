//! Codecs, WAV, tones, resampling, levels, prompt rendering. Pure.
//!
//! Mono throughout, and 8 kHz, what a telephone line carries, where no [`codec::Rate`] is named. Refuses files, sockets and time:
//! bytes and samples in, bytes and samples out.

pub mod codec;
mod conceal;
pub mod g711;
mod g722;
pub mod keys;
pub mod level;
pub mod machine;
pub mod music;
mod opus;
mod prompt;
pub mod render;
pub mod resample;
pub mod splice;
pub mod tone;
pub mod wav;

pub use prompt::{Prompt, Wide, duration};

/// Samples a second.
pub const SAMPLE_RATE: u32 = 8_000;
/// Samples of one 20 ms frame: one RTP packet.
pub const SAMPLES_PER_FRAME: usize = 160;

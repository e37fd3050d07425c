//! G.711, WAV, tones, resampling, levels, prompt rendering. Pure.

use std::sync::Arc;

/// A recording ready to be sent: 8 kHz mono, encoded once per codec and shared by every leg that hears it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompt {
    /// G.711 µ-law, one byte per 125 µs sample.
    pub pcmu: Arc<[u8]>,
    /// The same in A-law.
    pub pcma: Arc<[u8]>,
}

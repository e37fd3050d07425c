//! A call's media: prompt, hold music, relay, digits, latching, silence, counters, RTCP. Pure: driven by packets and ticks.
//! See [`api`] for what the engine says to it and hears from it, [`Shard`] for the machine. Owns what a leg hears and whose
//! packets it takes; refuses sockets, ports and clocks, which are `io::media_thread`'s.

mod alarm;
pub mod api;
mod conference;
mod digits;
mod ear;
mod emodel;
mod figures;
mod frame;
mod hearing;
mod hold;
mod jitter;
mod latch;
mod leg;
mod mixer;
mod player;
mod playout;
mod presses;
mod recorder;
mod relay;
mod reports;
mod secure;
mod shard;
mod tones;
mod transcode;

#[cfg(test)]
mod tests;

pub use alarm::Alarms;
pub use recorder::Recorded;
pub use shard::{Counters, Half, Outgoing, Settings, Shard, Slot, Verdict};

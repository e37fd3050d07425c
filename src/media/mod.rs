//! A call's media: prompt, hold music, relay, latching, silence, counters. Pure: driven by packets and ticks.
//! See [`api`] for what the engine says to it and hears from it.

pub mod api;

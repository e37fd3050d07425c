//! callbridge: a carrier's Internet access server and intelligent peripheral for click-to-dial customer service calls.
//!
//! Flat pure rooms → one engine → one I/O shell. The map is docs/ARCHITECTURE.md; the engine's contract is [`engine::api`].

// clippy.toml says what pure rooms may not touch, and why; the rooms that touch the world are let off by the lines at them.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type))]

pub mod access;
pub mod acd;
pub mod audio;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod bench;
pub mod billing;
pub mod call;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod cli;
pub mod clock;
pub mod config;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod daemon;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod demo;
pub mod engine;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod io;
pub mod ladder;
pub mod media;
pub mod model;
pub mod phone;
pub mod routing;
pub mod rtp;
pub mod schedule;
pub mod sdp;
pub mod sip;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod storefront;

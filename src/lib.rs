//! callbridge: a carrier's Internet access server and intelligent peripheral for click-to-dial customer service calls.
//!
//! Flat pure rooms → one engine → one I/O shell. The map is docs/ARCHITECTURE.md; the engine's contract is [`engine::api`].

pub mod access;
pub mod acd;
pub mod audio;
pub mod bench;
pub mod billing;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod engine;
pub mod io;
pub mod media;
pub mod model;
pub mod phone;
pub mod routing;
pub mod rtp;
pub mod schedule;
pub mod sdp;
pub mod sip;

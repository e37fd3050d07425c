//! What the integration tests share: the real daemon as a child process, a small HTTP client, `sipp` phones, RTP endpoints
//! that judge by content, a lossy relay, and waiting with a bound. Owns processes and sockets of the tests, every one of
//! them ended by its guard, and a browser; refuses the crate's own SIP, RTP and HTTP code, so that it cannot agree with their mistakes.

pub mod browser;
pub mod daemon;
pub mod g711;
pub mod http;
pub mod layout;
pub mod log;
pub mod pcap;
pub mod ports;
pub mod postgres;
pub mod relay;
pub mod rtp;
pub mod sipp;
pub mod story;
pub mod tls;
pub mod tone;
pub mod trace;
pub mod wait;

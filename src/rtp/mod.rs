//! RTP packets and counters, RTCP (RFC 3550), both encrypted (RFC 3711), DTMF events (RFC 4733). Pure. Owns what stands in a packet and the arithmetic of
//! sequence numbers and timestamps on both sides of a leg; refuses legs, codecs and sockets.

mod event;
mod packet;
mod receiver;
pub mod rtcp;
mod sender;
mod srtcp;
mod srtp;

pub use event::TelephoneEvent;
pub use packet::{HEADER, Header, Stamp, read, rewrite, write};
pub use receiver::{Arrival, Receiver};
pub use rtcp::is_rtcp;
pub use sender::Sender;
pub use srtp::{Opener, Seal};

/// Ticks a second of a leg's clock before anything was agreed: that of G.711, G.722 and most events. Opus has 48,000.
pub const CLOCK_HZ: u32 = 8000;

/// Moment on a clock of so many ticks a second, from microseconds. Wraps as RTP timestamps do.
fn ticks(micros: u64, clock_hz: u32) -> u32 {
    // Whole ticks a millisecond; truncation is the wrap.
    (micros.wrapping_mul(u64::from(clock_hz / 1000)) / 1000) as u32
}

//! RTP packets and counters (RFC 3550), DTMF events (RFC 4733). Pure. Owns what stands in a packet and the arithmetic of
//! sequence numbers and timestamps on both sides of a leg; refuses legs, codecs and sockets.

mod event;
mod packet;
mod receiver;
mod sender;

pub use event::TelephoneEvent;
pub use packet::{HEADER, Header, Stamp, read, rewrite, write};
pub use receiver::{Arrival, Receiver};
pub use sender::Sender;

/// Samples per second of every clock in this room: G.711 and telephone-event alike.
pub const CLOCK_HZ: u32 = 8000;

/// Moment on the RTP clock, from microseconds. Wraps as RTP timestamps do.
fn ticks(micros: u64) -> u32 {
    // 8 samples a millisecond; truncation is the wrap.
    (micros / 125) as u32
}

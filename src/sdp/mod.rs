//! SDP offer/answer (RFC 3264, RFC 8866) as functions: bodies in, [`MediaPlan`] out. Owns what one audio stream of a leg
//! agreed on; refuses sockets, SIP and RTP.

use std::net::SocketAddr;

/// An audio codec this equipment speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
}

impl Codec {
    /// The encoding name of RFC 3551.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
        }
    }
}

/// Which way audio flows, seen from us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Direction {
    /// We may send to the peer.
    pub send: bool,
    /// The peer may send to us.
    pub receive: bool,
}

impl Direction {
    /// Both ways: `a=sendrecv`.
    pub const BOTH: Direction = Direction { send: true, receive: true };
}

/// What was agreed for a leg's audio stream: all that media needs to know of SDP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaPlan {
    /// Where the peer wants RTP.
    pub remote: SocketAddr,
    /// The codec in use, both ways.
    pub codec: Codec,
    /// Payload type we send it with.
    pub send_payload_type: u8,
    /// Payload type the peer sends it with.
    pub receive_payload_type: u8,
    /// `telephone-event` (RFC 4733): payload types we send and receive it with.
    pub telephone_event: Option<(u8, u8)>,
    /// Flow.
    pub direction: Direction,
    /// Packet time we send with, in milliseconds (20 unless the peer asked otherwise).
    pub ptime_ms: u16,
}

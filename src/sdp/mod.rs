//! SDP offer/answer (RFC 3264, RFC 8866) as functions: bodies in, [`MediaPlan`] out. Owns what one audio stream of a leg
//! agreed on; refuses sockets, SIP and RTP. The text is taken apart by `sdp-types`; what it means is decided here.

mod negotiate;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

pub use crate::model::Codec;
pub use negotiate::{accept_answer, accept_answer_to, answer, offer};

/// The payload type we name `telephone-event/8000` (RFC 4733) in our own offers.
pub const TELEPHONE_EVENT: u8 = 101;
/// The payload type we name `telephone-event/48000` beside Opus: events keep the clock of their stream (RFC 4733 §2.1).
pub const TELEPHONE_EVENT_48000: u8 = 102;

/// Bodies longer than this are refused unread.
pub const MAX_BODY: usize = 8 * 1024;

/// More `m=` lines than this are refused.
pub const MAX_STREAMS: usize = 16;

/// Which way audio flows, seen from us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Direction {
    /// We may send to the peer.
    pub send: bool,
    /// The peer may send to us.
    pub receive: bool,
}

impl Direction {
    /// Both ways: a talk.
    pub const BOTH: Direction = Direction { send: true, receive: true };
    /// Neither way: held by both.
    pub const INACTIVE: Direction = Direction { send: false, receive: false };

    /// The attribute that says so from our side (RFC 8866 §6.7).
    pub fn attribute(self) -> &'static str {
        match (self.send, self.receive) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }
}

/// Our end of an audio stream, as it stands in the SDP that we write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalMedia {
    /// `c=` and `o=`.
    pub address: IpAddr,
    /// The RTP port of the `m=` line.
    pub port: u16,
    /// `o=` session identifier: the same for all bodies of one dialog.
    pub session_id: u64,
    /// `o=` version: one more with each changed body (RFC 3264 §8).
    pub version: u64,
    /// Digits are heard and sent as RTP (RFC 4733).
    pub telephone_event: bool,
    /// `a=ptime`: the packet time in milliseconds that we like to be sent.
    pub ptime_ms: u16,
}

/// Why a body leads to no [`MediaPlan`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpError {
    /// More than [`MAX_BODY`] bytes or [`MAX_STREAMS`] streams.
    #[error("the session description is too large")]
    TooLarge,
    /// Not SDP (RFC 8866).
    #[error("not a session description: {0}")]
    Malformed(String),
    /// No `m=audio` line at all.
    #[error("no audio stream")]
    NoAudio,
    /// Every audio stream has port 0.
    #[error("the audio stream is refused (port 0)")]
    Refused,
    /// No audio stream is plain `RTP/AVP`.
    #[error("the transport {0} is not RTP/AVP")]
    Transport(String),
    /// None that this leg speaks, or in an answer none that we offered.
    #[error("no common codec")]
    NoCommonCodec,
    /// No usable unicast IP address.
    #[error("no usable connection address")]
    Address,
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
    /// Ticks a second in which events count: the codec's, or 8000 where the peer knows no other.
    pub event_hz: u32,
    /// Flow.
    pub direction: Direction,
    /// Packet time we send with, in milliseconds (20 unless the peer asked otherwise): one that the codec has.
    pub ptime_ms: u16,
    /// The longest packet that the peer takes, in milliseconds.
    pub max_ptime_ms: u16,
}

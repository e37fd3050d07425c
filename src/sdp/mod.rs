//! SDP offer/answer (RFC 3264, RFC 8866) as functions: bodies in, [`MediaPlan`] out. Owns what one audio stream of a leg
//! agreed on; refuses sockets, SIP and RTP. The text is taken apart by `sdp-types`; what it means is decided here.

mod crypto;
mod negotiate;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

pub use crate::model::Codec;
use crate::model::{OurKeys, SrtpKeys, SrtpUse};
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
    /// Encryption of the stream.
    pub srtp: LocalSrtp,
}

/// Whether our end of a stream is encrypted (RFC 4568), and with what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalSrtp {
    /// Never: keys of the peer are passed over.
    Off,
    /// Where the peer can: the profile stays `RTP/AVP`, which those that cannot understand, too.
    Optional(OurKeys),
    /// In any case: `RTP/SAVP`.
    Required(OurKeys),
}

impl LocalSrtp {
    /// What the configuration wants, with the keys that it needs.
    pub fn new(wanted: SrtpUse, keys: Option<OurKeys>) -> LocalSrtp {
        match (wanted, keys) {
            (SrtpUse::Optional, Some(keys)) => LocalSrtp::Optional(keys),
            (SrtpUse::Required, Some(keys)) => LocalSrtp::Required(keys),
            _ => LocalSrtp::Off,
        }
    }

    /// Our keys, where there are any.
    fn keys(&self) -> Option<&OurKeys> {
        match self {
            LocalSrtp::Off => None,
            LocalSrtp::Optional(keys) | LocalSrtp::Required(keys) => Some(keys),
        }
    }
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
    /// No audio stream has a profile that this leg may speak: `RTP/AVP`, and `RTP/SAVP` where SRTP is on.
    #[error("the transport {0} is not RTP/AVP")]
    Transport(String),
    /// None that this leg speaks, or in an answer none that we offered.
    #[error("no common codec")]
    NoCommonCodec,
    /// SRTP is required, or the profile promises it, and no `a=crypto` line can be used.
    #[error("the stream is not encrypted (SRTP), or not with a suite and key that we have")]
    NotSecured,
    /// No usable unicast IP address.
    #[error("no usable connection address")]
    Address,
}

/// Where the RTCP of a stream goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RtcpPath {
    /// Nowhere: the peer wants none (`b=RS:0` and `b=RR:0`, RFC 3556 §2).
    Off,
    /// With the RTP (`a=rtcp-mux`, RFC 5761).
    Mux,
    /// From our next port to there: what `a=rtcp` says (RFC 3605), else the peer's next port.
    Apart(SocketAddr),
}

/// What was agreed for a leg's audio stream: all that media needs to know of SDP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaPlan {
    /// Where the peer wants RTP.
    pub remote: SocketAddr,
    /// Where its RTCP goes.
    pub rtcp: RtcpPath,
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
    /// The peer reads what an Opus packet tells of the one before it (`useinbandfec=1`, RFC 7587 §6.1).
    pub fec: bool,
    /// The keys, where the stream is encrypted.
    pub srtp: Option<Box<SrtpKeys>>,
}

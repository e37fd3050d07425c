//! From our side of a stream to a body. Owns the lines we write and their order; refuses decisions.

use std::fmt::Write;
use std::net::IpAddr;

use super::crypto::{self, Crypto};
use super::{Codec, Direction, LocalMedia};

/// Our audio stream.
pub(super) struct OurAudio {
    /// In order of preference, with payload types.
    pub codecs: Vec<(Codec, u8)>,
    /// `telephone-event`, where it is spoken: payload types and clocks.
    pub events: Vec<(u8, u32)>,
    /// From our side.
    pub direction: Direction,
    /// The profile is `RTP/SAVP`.
    pub savp: bool,
    /// Our keys.
    pub crypto: Vec<Crypto>,
    /// RTCP may go with the RTP. Where it does not, our next port has it, as everybody expects.
    pub mux: bool,
}

/// One `m=` line of ours.
pub(super) enum OurStream<'a> {
    /// The stream in use.
    Audio(OurAudio),
    /// Refused in place: port 0, everything else as it came (RFC 3264 §6).
    Refused { media: &'a str, proto: &'a str, formats: &'a str },
}

/// Writes a body.
pub(super) fn write(local: &LocalMedia, time: (u64, u64), streams: &[OurStream<'_>]) -> Vec<u8> {
    let family = match local.address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    let LocalMedia { address, session_id, version, .. } = local;
    let (start, stop) = time;
    let mut text = format!(
        "v=0\r\no=- {session_id} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\n\
         t={start} {stop}\r\n"
    );
    for stream in streams {
        match stream {
            OurStream::Audio(audio) => write_audio(&mut text, local, audio),
            OurStream::Refused { media, proto, formats } => {
                line(&mut text, format_args!("m={media} 0 {proto} {formats}"))
            }
        }
    }
    text.into_bytes()
}

fn write_audio(text: &mut String, local: &LocalMedia, audio: &OurAudio) {
    let profile = if audio.savp { "RTP/SAVP" } else { "RTP/AVP" };
    let _ = write!(text, "m=audio {} {profile}", local.port);
    let numbers = audio.codecs.iter().map(|(_, number)| *number).chain(audio.events.iter().map(|(number, _)| *number));
    for payload_type in numbers {
        let _ = write!(text, " {payload_type}");
    }
    text.push_str("\r\n");
    for (codec, payload_type) in &audio.codecs {
        // 0 and 8 are known to every phone (RFC 3551 table 4), and an INVITE over UDP has 1300 bytes (RFC 3261 §18.1.1).
        if !codec.is_g711() || *payload_type != codec.payload_type() {
            line(text, format_args!("a=rtpmap:{payload_type} {}", codec.rtpmap()));
        }
        if *codec == Codec::Opus {
            // Lost packets are made up from the next; one channel each way is the default (RFC 7587 §6.1).
            line(text, format_args!("a=fmtp:{payload_type} useinbandfec=1"));
        }
    }
    for (payload_type, hertz) in &audio.events {
        line(text, format_args!("a=rtpmap:{payload_type} telephone-event/{hertz}"));
        // The sixteen keys are meant without it (RFC 4733 §2.4.1); old phones at 8 kHz want to read it, and an INVITE has to be short.
        if *hertz == 8_000 {
            line(text, format_args!("a=fmtp:{payload_type} 0-15"));
        }
    }
    for crypto in &audio.crypto {
        line(text, format_args!("a=crypto:{}", crypto::write(crypto)));
    }
    if audio.mux {
        line(text, format_args!("a=rtcp-mux"));
    }
    line(text, format_args!("a=ptime:{}", local.ptime_ms));
    line(text, format_args!("a={}", audio.direction.attribute()));
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{content}\r\n");
}

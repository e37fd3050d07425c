//! From our side of a stream to a body. Owns the lines we write and their order; refuses decisions.

use std::fmt::Write;
use std::net::IpAddr;

use super::{Codec, Direction, LocalMedia};

/// Our audio stream.
pub(super) struct OurAudio {
    /// In order of preference, with payload types.
    pub codecs: Vec<(Codec, u8)>,
    /// Payload type of `telephone-event/8000`, where it is spoken.
    pub telephone_event: Option<u8>,
    /// From our side.
    pub direction: Direction,
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
        "v=0\r\no=- {session_id} {version} IN {family} {address}\r\ns=callbridge\r\nc=IN {family} {address}\r\n\
         t={start} {stop}\r\n"
    );
    for stream in streams {
        match stream {
            OurStream::Audio(audio) => write_audio(&mut text, local.port, audio),
            OurStream::Refused { media, proto, formats } => {
                line(&mut text, format_args!("m={media} 0 {proto} {formats}"))
            }
        }
    }
    text.into_bytes()
}

fn write_audio(text: &mut String, port: u16, audio: &OurAudio) {
    let _ = write!(text, "m=audio {port} RTP/AVP");
    for payload_type in audio.codecs.iter().map(|(_, number)| *number).chain(audio.telephone_event) {
        let _ = write!(text, " {payload_type}");
    }
    text.push_str("\r\n");
    for (codec, payload_type) in &audio.codecs {
        line(text, format_args!("a=rtpmap:{payload_type} {}/8000", codec.name()));
    }
    if let Some(payload_type) = audio.telephone_event {
        line(text, format_args!("a=rtpmap:{payload_type} telephone-event/8000"));
        line(text, format_args!("a=fmtp:{payload_type} 0-15"));
    }
    line(text, format_args!("a=ptime:20"));
    line(text, format_args!("a={}", audio.direction.attribute()));
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{content}\r\n");
}

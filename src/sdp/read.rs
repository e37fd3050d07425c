//! From a body to the streams in it. Owns which lines matter and what they mean alone (address, formats, direction, packet
//! time); refuses to compare an offer with an answer.

use std::net::{IpAddr, SocketAddr};

use super::{Codec, Direction, MAX_BODY, MAX_STREAMS, SdpError};

/// A body's streams in the order of its `m=` lines, which an answer must keep (RFC 3264 §6).
pub(super) struct Description {
    /// `t=`: an answer repeats the offer's (RFC 3264 §6).
    pub time: (u64, u64),
    /// One per `m=` line.
    pub streams: Vec<Stream>,
}

/// One `m=` line.
pub(super) struct Stream {
    /// `audio`, `video`, …: as written.
    pub media: String,
    /// As written.
    pub proto: String,
    /// As written: repeated when the stream is refused.
    pub formats: String,
    /// The audio in it, or why there is none that we can use.
    pub audio: Result<Audio, SdpError>,
}

/// A usable audio stream, seen from the peer who wrote it.
pub(super) struct Audio {
    /// Where the peer wants RTP.
    pub remote: SocketAddr,
    /// G.711 formats in the peer's order of preference, with their payload types.
    pub codecs: Vec<(Codec, u8)>,
    /// Payload type of `telephone-event/8000`.
    pub telephone_event: Option<u8>,
    /// The flow from the peer's point of view, `c=0.0.0.0` already counted as "send me nothing" (RFC 3264 §8.4).
    pub direction: Direction,
    /// The packet time in milliseconds that we shall send with.
    pub ptime_ms: u16,
}

/// Reads a body.
pub(super) fn read(body: &[u8]) -> Result<Description, SdpError> {
    if body.len() > MAX_BODY {
        return Err(SdpError::TooLarge);
    }
    let session = sdp_types::Session::parse(body).map_err(|error| SdpError::Malformed(error.to_string()))?;
    if session.medias.len() > MAX_STREAMS {
        return Err(SdpError::TooLarge);
    }
    let time = session.times.first().map_or((0, 0), |t| (t.start_time, t.stop_time));
    let streams = session.medias.iter().map(|media| stream(&session, media)).collect();
    Ok(Description { time, streams })
}

fn stream(session: &sdp_types::Session, media: &sdp_types::Media) -> Stream {
    Stream {
        media: media.media.clone(),
        proto: media.proto.clone(),
        formats: media.fmt.clone(),
        audio: audio(session, media),
    }
}

fn audio(session: &sdp_types::Session, media: &sdp_types::Media) -> Result<Audio, SdpError> {
    if !media.media.eq_ignore_ascii_case("audio") {
        return Err(SdpError::NoAudio);
    }
    if media.port == 0 {
        return Err(SdpError::Refused);
    }
    if !media.proto.eq_ignore_ascii_case("RTP/AVP") {
        return Err(SdpError::Transport(media.proto.chars().take(40).collect()));
    }
    let (codecs, telephone_event) = formats(media);
    if codecs.is_empty() {
        return Err(SdpError::NoCommonCodec);
    }
    let address = address(session, media)?;
    let mut direction = direction(session, media);
    if address.is_unspecified() {
        direction.receive = false;
    }
    Ok(Audio {
        remote: SocketAddr::new(address, media.port),
        codecs,
        telephone_event,
        direction,
        ptime_ms: packet_time(media),
    })
}

/// The media-level `c=` goes before the session's (RFC 8866 §5.7). Names and groups are no addresses here.
fn address(session: &sdp_types::Session, media: &sdp_types::Media) -> Result<IpAddr, SdpError> {
    let connection = media.connections.first().or(session.connection.as_ref()).ok_or(SdpError::Address)?;
    let address: IpAddr = connection.connection_address.trim().parse().map_err(|_| SdpError::Address)?;
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_multicast() || broadcast { Err(SdpError::Address) } else { Ok(address) }
}

fn formats(media: &sdp_types::Media) -> (Vec<(Codec, u8)>, Option<u8>) {
    let mut codecs: Vec<(Codec, u8)> = Vec::new();
    let mut telephone_event = None;
    for format in media.fmt.split_ascii_whitespace() {
        let Some(payload_type) = format.parse::<u8>().ok().filter(is_usable) else { continue };
        match rtpmap(media, payload_type) {
            Some(encoding) if is_8000_mono(encoding) => {
                let name = encoding.split('/').next().unwrap_or_default();
                if let Some(codec) = Codec::from_name(name) {
                    add(&mut codecs, codec, payload_type);
                } else if name.eq_ignore_ascii_case("telephone-event") && telephone_event.is_none() {
                    telephone_event = Some(payload_type);
                }
            }
            Some(_) => {}
            None => {
                if let Some(codec) = Codec::from_payload_type(payload_type) {
                    add(&mut codecs, codec, payload_type);
                }
            }
        }
    }
    (codecs, telephone_event)
}

/// 64 to 95 behind the marker bit look like RTCP (RFC 5761 §4): events that begin with it would be lost.
fn is_usable(number: &u8) -> bool {
    matches!(number, 0..64 | 96..128)
}

fn add(codecs: &mut Vec<(Codec, u8)>, codec: Codec, payload_type: u8) {
    if !codecs.iter().any(|(known, _)| *known == codec) {
        codecs.push((codec, payload_type));
    }
}

/// The encoding that `a=rtpmap` gives a payload type.
fn rtpmap(media: &sdp_types::Media, payload_type: u8) -> Option<&str> {
    media.attributes.iter().filter(|a| a.attribute.eq_ignore_ascii_case("rtpmap")).find_map(|attribute| {
        let (number, encoding) = attribute.value.as_deref()?.trim().split_once(' ')?;
        (number.parse() == Ok(payload_type)).then(|| encoding.trim())
    })
}

fn is_8000_mono(encoding: &str) -> bool {
    let mut parts = encoding.split('/').skip(1);
    parts.next() == Some("8000") && matches!(parts.next(), None | Some("1"))
}

/// The media-level attribute goes before the session's; none means both ways (RFC 8866 §6.7).
fn direction(session: &sdp_types::Session, media: &sdp_types::Media) -> Direction {
    let find = |attributes: &[sdp_types::Attribute]| {
        attributes.iter().find_map(|attribute| {
            let all = [(true, true), (true, false), (false, true), (false, false)];
            all.into_iter()
                .map(|(send, receive)| Direction { send, receive })
                .find(|direction| attribute.attribute.eq_ignore_ascii_case(direction.attribute()))
        })
    };
    find(&media.attributes).or_else(|| find(&session.attributes)).unwrap_or(Direction::BOTH)
}

/// `a=ptime` where we can pack so, shortened to `a=maxptime`; else 20.
fn packet_time(media: &sdp_types::Media) -> u16 {
    let number = |name: &str| -> Option<u16> {
        let attribute = media.attributes.iter().find(|a| a.attribute.eq_ignore_ascii_case(name))?;
        attribute.value.as_deref()?.trim().parse().ok()
    };
    let asked = number("ptime").filter(|ms| matches!(ms, 10 | 20 | 30 | 40 | 60)).unwrap_or(20);
    let most = number("maxptime").filter(|ms| *ms >= 10).unwrap_or(60);
    if asked <= most { asked } else { most / 10 * 10 }
}

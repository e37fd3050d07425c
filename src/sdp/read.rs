//! From a body to the streams in it. Owns which lines matter and what they mean alone (address, formats, direction, packet
//! time); refuses to compare an offer with an answer.

use std::net::{IpAddr, SocketAddr};

use super::crypto::{self, Crypto};
use super::{Codec, Direction, MAX_BODY, MAX_STREAMS, RtcpPath, SdpError};

/// What a peer that names no `a=maxptime` takes: the longest packet that Opus has (RFC 7587 §7).
const DEFAULT_MAX_PTIME: u16 = 120;

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
    /// Where the peer wants RTCP that has a port of its own, and that it wants any.
    pub rtcp: RtcpPath,
    /// RTCP may go with the RTP.
    pub mux: bool,
    /// Formats that we know in the peer's order of preference, with their payload types.
    pub codecs: Vec<(Codec, u8)>,
    /// `telephone-event`, by clock.
    pub events: Events,
    /// The flow from the peer's point of view, `c=0.0.0.0` already counted as "send me nothing" (RFC 3264 §8.4).
    pub direction: Direction,
    /// The packet time in milliseconds that we shall send with.
    pub ptime_ms: u16,
    /// The longest packet that the peer takes, in milliseconds.
    pub max_ptime_ms: u16,
    /// Its Opus reads in-band error correction.
    pub fec: bool,
    /// The profile is `RTP/SAVP`.
    pub savp: bool,
    /// Keys that the peer offers, as far as we can use them.
    pub crypto: Vec<Crypto>,
}

/// Payload types of `telephone-event` at the clocks that our codecs have.
#[derive(Clone, Copy, Default)]
pub(super) struct Events {
    pub at_8000: Option<u8>,
    pub at_48000: Option<u8>,
}

impl Events {
    /// The one to use beside a codec, with its clock: of the same clock, else at 8000, as many phones have it beside Opus.
    pub fn beside(self, codec: Codec) -> Option<(u8, u32)> {
        let same = self.at_48000.filter(|_| codec.clock_hz() == 48_000).map(|number| (number, 48_000));
        same.or(self.at_8000.map(|number| (number, 8_000)))
    }
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
    let savp = media.proto.eq_ignore_ascii_case("RTP/SAVP");
    if !savp && !media.proto.eq_ignore_ascii_case("RTP/AVP") {
        return Err(SdpError::Transport(media.proto.chars().take(40).collect()));
    }
    let (codecs, events) = formats(media);
    if codecs.is_empty() {
        return Err(SdpError::NoCommonCodec);
    }
    let address = address(session, media)?;
    let mut direction = direction(session, media);
    if address.is_unspecified() {
        direction.receive = false;
    }
    let (ptime_ms, max_ptime_ms) = packet_time(media);
    let (remote, crypto) = (SocketAddr::new(address, media.port), crypto::lines(media));
    let mux = media.attributes.iter().any(|attribute| attribute.attribute.eq_ignore_ascii_case("rtcp-mux"));
    let rtcp = rtcp(media, remote);
    let opus = codecs.iter().find(|(codec, _)| *codec == Codec::Opus);
    let fec = opus.is_some_and(|(_, number)| says_fec(media, *number));
    Ok(Audio { remote, rtcp, mux, codecs, events, direction, ptime_ms, max_ptime_ms, fec, savp, crypto })
}

/// `a=rtcp:PORT [IN IP4 ADDRESS]` (RFC 3605 §2.1), else the next port. One that makes no sense is as good as none.
fn rtcp(media: &sdp_types::Media, remote: SocketAddr) -> RtcpPath {
    let none = |kind: &str| media.bandwidths.iter().any(|line| line.bwtype == kind && line.bandwidth == 0);
    if none("RS") && none("RR") {
        return RtcpPath::Off;
    }
    let said = media.attributes.iter().find(|attribute| attribute.attribute.eq_ignore_ascii_case("rtcp"));
    let said = said.and_then(|attribute| {
        let mut words = attribute.value.as_deref()?.split_ascii_whitespace();
        let port = words.next()?.parse().ok().filter(|port| *port != 0)?;
        let ip = words.nth(2).map_or(Some(remote.ip()), |address| address.parse().ok())?;
        (!ip.is_multicast()).then_some(SocketAddr::new(ip, port))
    });
    let next = remote.port().checked_add(1).map(|port| SocketAddr::new(remote.ip(), port));
    said.or(next).map_or(RtcpPath::Off, RtcpPath::Apart)
}

/// The media-level `c=` goes before the session's (RFC 8866 §5.7). Names and groups are no addresses here.
fn address(session: &sdp_types::Session, media: &sdp_types::Media) -> Result<IpAddr, SdpError> {
    let connection = media.connections.first().or(session.connection.as_ref()).ok_or(SdpError::Address)?;
    let address: IpAddr = connection.connection_address.trim().parse().map_err(|_| SdpError::Address)?;
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_multicast() || broadcast { Err(SdpError::Address) } else { Ok(address) }
}

fn formats(media: &sdp_types::Media) -> (Vec<(Codec, u8)>, Events) {
    let mut codecs: Vec<(Codec, u8)> = Vec::new();
    let mut events = Events::default();
    for format in media.fmt.split_ascii_whitespace() {
        let Some(payload_type) = format.parse::<u8>().ok().filter(is_usable) else { continue };
        let Some(encoding) = rtpmap(media, payload_type) else {
            if let Some(codec) = Codec::from_payload_type(payload_type) {
                add(&mut codecs, codec, payload_type);
            }
            continue;
        };
        let (name, clock) = encoding.split_once('/').unwrap_or((encoding, ""));
        if name.eq_ignore_ascii_case("telephone-event") {
            match mono(clock) {
                Some("8000") => events.at_8000 = events.at_8000.or(Some(payload_type)),
                Some("48000") => events.at_48000 = events.at_48000.or(Some(payload_type)),
                _ => {}
            }
        } else if let Some(codec) = Codec::from_name(name).filter(|codec| has_clock(*codec, clock)) {
            add(&mut codecs, codec, payload_type);
        }
    }
    (codecs, events)
}

/// Opus is always said to have two channels, whatever is in it (RFC 7587 §7); some forget them.
fn has_clock(codec: Codec, clock: &str) -> bool {
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => mono(clock) == Some("8000"),
        Codec::Opus => matches!(clock, "48000/2" | "48000" | "48000/1"),
    }
}

/// The clock rate, where one channel is meant.
fn mono(clock: &str) -> Option<&str> {
    let rate = clock.strip_suffix("/1").unwrap_or(clock);
    (!rate.contains('/')).then_some(rate)
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

/// `a=fmtp` of this payload type has `useinbandfec=1` among its parameters.
fn says_fec(media: &sdp_types::Media, payload_type: u8) -> bool {
    let lines = media.attributes.iter().filter(|a| a.attribute.eq_ignore_ascii_case("fmtp"));
    let mut mine = lines.filter_map(|attribute| {
        let (number, parameters) = attribute.value.as_deref()?.trim().split_once(' ')?;
        (number.parse() == Ok(payload_type)).then_some(parameters)
    });
    let on = |parameter: &str| {
        parameter
            .split_once('=')
            .is_some_and(|(name, value)| name.trim().eq_ignore_ascii_case("useinbandfec") && value.trim() == "1")
    };
    mine.any(|parameters| parameters.split(';').any(on))
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

/// `a=ptime` where we can pack so, else 20, shortened to `a=maxptime`; and that.
fn packet_time(media: &sdp_types::Media) -> (u16, u16) {
    let number = |name: &str| -> Option<u16> {
        let attribute = media.attributes.iter().find(|a| a.attribute.eq_ignore_ascii_case(name))?;
        attribute.value.as_deref()?.trim().parse().ok()
    };
    let asked = number("ptime").filter(|ms| matches!(ms, 10 | 20 | 30 | 40 | 50 | 60)).unwrap_or(20);
    let most = number("maxptime").filter(|ms| *ms >= 10).unwrap_or(DEFAULT_MAX_PTIME).min(DEFAULT_MAX_PTIME);
    (asked.min(most / 10 * 10), most)
}

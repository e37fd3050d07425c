//! Offer and answer (RFC 3264): which stream, which codec, which way. Owns the choice; refuses text.

use super::crypto::Crypto;
use super::read::{Audio, Events, read};
use super::write::{OurAudio, OurStream, write};
use super::{
    Codec, Direction, LocalMedia, LocalSrtp, MediaPlan, RtcpPath, SdpError, TELEPHONE_EVENT, TELEPHONE_EVENT_48000,
};
use crate::model::SrtpKeys;

/// Our offer: one audio stream with these codecs in this order, and `telephone-event` at their clocks.
pub fn offer(local: &LocalMedia, codecs: &[Codec], direction: Direction) -> Vec<u8> {
    let events = if local.telephone_event { our_events(codecs) } else { Vec::new() };
    let codecs = codecs.iter().map(|codec| (*codec, codec.payload_type())).collect();
    let savp = matches!(local.srtp, LocalSrtp::Required(_));
    let crypto = our_crypto(&local.srtp);
    write(local, (0, 0), &[OurStream::Audio(OurAudio { codecs, events, direction, savp, crypto, mux: true })])
}

/// `telephone-event` as we offer it beside these codecs: payload types and clocks.
fn our_events(codecs: &[Codec]) -> Vec<(u8, u32)> {
    let narrow = codecs.iter().any(|codec| codec.clock_hz() == 8_000).then_some((TELEPHONE_EVENT, 8_000));
    let wide = codecs.iter().any(|codec| codec.clock_hz() == 48_000).then_some((TELEPHONE_EVENT_48000, 48_000));
    narrow.into_iter().chain(wide).collect()
}

/// Reads the answer to our [`offer`]. The codec is the first of the answer that we offered. Packets come with the payload
/// types of our offer and go with those of the answer (RFC 3264 §6.1).
pub fn accept_answer(offered: &[Codec], srtp: &LocalSrtp, answer: &[u8]) -> Result<MediaPlan, SdpError> {
    let ours: Vec<(Codec, u8)> = offered.iter().map(|codec| (*codec, codec.payload_type())).collect();
    accept(&ours, &our_events(offered), (srtp, &our_crypto(srtp)), true, answer)
}

/// Our keys as we offer them.
fn our_crypto(srtp: &LocalSrtp) -> Vec<Crypto> {
    let keys = srtp.keys().into_iter().flat_map(|keys| keys.all());
    (1..).zip(keys).map(|(tag, key)| Crypto { tag, key: *key }).collect()
}

/// Reads the answer to a later offer of ours, which may repeat an answer of ours with the peer's payload types.
pub fn accept_answer_to(offer: &[u8], srtp: &LocalSrtp, answer: &[u8]) -> Result<MediaPlan, SdpError> {
    let description = read(offer)?;
    let (_, ours) = usable(description.streams.iter().map(|stream| &stream.audio), &Codec::ALL, srtp)?;
    let Events { at_8000, at_48000 } = ours.events;
    let events: Vec<(u8, u32)> =
        at_8000.map(|number| (number, 8_000)).into_iter().chain(at_48000.map(|number| (number, 48_000))).collect();
    accept(&ours.codecs, &events, (srtp, &ours.crypto), ours.mux, answer)
}

fn accept(
    ours: &[(Codec, u8)],
    our_events: &[(u8, u32)],
    (srtp, our_crypto): (&LocalSrtp, &[Crypto]),
    our_mux: bool,
    answer: &[u8],
) -> Result<MediaPlan, SdpError> {
    let description = read(answer)?;
    let offered: Vec<Codec> = ours.iter().map(|(codec, _)| *codec).collect();
    let (_, audio) = usable(description.streams.iter().map(|stream| &stream.audio), &offered, srtp)?;
    let both = |(codec, theirs): &(Codec, u8)| {
        let (_, ours) = ours.iter().find(|(offered, _)| offered == codec)?;
        Some((*codec, *theirs, *ours))
    };
    let (codec, send_payload_type, receive_payload_type) =
        audio.codecs.iter().find_map(both).ok_or(SdpError::NoCommonCodec)?;
    // Of the clocks that both named, the codec's goes first.
    let shared = |hertz: u32| {
        let (ours, _) = our_events.iter().find(|(_, clock)| *clock == hertz)?;
        let theirs = if hertz == 48_000 { audio.events.at_48000 } else { audio.events.at_8000 }?;
        Some(((theirs, *ours), hertz))
    };
    let event = shared(codec.clock_hz()).or_else(|| shared(8_000));
    Ok(MediaPlan {
        remote: audio.remote,
        rtcp: path(audio, our_mux),
        codec,
        send_payload_type,
        receive_payload_type,
        telephone_event: event.map(|(numbers, _)| numbers),
        event_hz: event.map_or(codec.clock_hz(), |(_, hertz)| hertz),
        direction: mirrored(audio.direction),
        ptime_ms: codec.packet_ms(audio.ptime_ms),
        max_ptime_ms: audio.max_ptime_ms,
        fec: audio.fec && codec == Codec::Opus,
        srtp: answered_keys(srtp, our_crypto, audio)?,
    })
}

/// Answers a peer's offer (a re-INVITE: hold, resume, a moved address). One audio stream is taken with one of `codecs`: the
/// first of `preferred` that is offered, else the peer's first; all other streams are refused in place.
pub fn answer(
    local: &LocalMedia,
    offer: &[u8],
    codecs: &[Codec],
    preferred: &[Codec],
) -> Result<(Vec<u8>, MediaPlan), SdpError> {
    let description = read(offer)?;
    let (chosen, audio) = usable(description.streams.iter().map(|stream| &stream.audio), codecs, &local.srtp)?;
    let known = || audio.codecs.iter().filter(|(codec, _)| codecs.contains(codec));
    let wanted = preferred.iter().find_map(|codec| known().find(|(offered, _)| offered == codec));
    let (codec, payload_type) = wanted.or_else(|| known().next()).copied().ok_or(SdpError::NoCommonCodec)?;
    let event = audio.events.beside(codec).filter(|_| local.telephone_event);
    // The first key of the peer's offer; the answer has its tag, and ours of the same suite.
    let keys = audio.crypto.first().and_then(|theirs| {
        let send = local.srtp.keys()?.of(theirs.key.suite())?;
        Some((Crypto { tag: theirs.tag, key: send }, SrtpKeys { send, receive: theirs.key }))
    });
    let plan = MediaPlan {
        remote: audio.remote,
        rtcp: path(audio, true),
        codec,
        send_payload_type: payload_type,
        receive_payload_type: payload_type,
        telephone_event: event.map(|(number, _)| (number, number)),
        event_hz: event.map_or(codec.clock_hz(), |(_, hertz)| hertz),
        direction: mirrored(audio.direction),
        ptime_ms: codec.packet_ms(audio.ptime_ms),
        max_ptime_ms: audio.max_ptime_ms,
        fec: audio.fec && codec == Codec::Opus,
        srtp: keys.map(|(_, keys)| Box::new(keys)),
    };
    let streams: Vec<OurStream<'_>> = description
        .streams
        .iter()
        .enumerate()
        .map(|(index, stream)| {
            if index == chosen {
                OurStream::Audio(OurAudio {
                    codecs: vec![(codec, payload_type)],
                    events: event.into_iter().collect(),
                    direction: plan.direction,
                    savp: audio.savp,
                    crypto: keys.iter().map(|(crypto, _)| *crypto).collect(),
                    mux: audio.mux,
                })
            } else {
                OurStream::Refused { media: &stream.media, proto: &stream.proto, formats: &stream.formats }
            }
        })
        .collect();
    Ok((write(local, description.time, &streams), plan))
}

/// Where RTCP goes: with the RTP, where both want that (RFC 5761 §5.1.1).
fn path(theirs: &Audio, ours: bool) -> RtcpPath {
    match theirs.rtcp {
        RtcpPath::Apart(_) if ours && theirs.mux => RtcpPath::Mux,
        path => path,
    }
}

/// Whether the stream is as well encrypted as it has to be. A profile that promises encryption is kept to or refused.
fn may_be_spoken(audio: &Audio, srtp: &LocalSrtp) -> Result<(), SdpError> {
    match srtp {
        LocalSrtp::Off if audio.savp => Err(SdpError::Transport("RTP/SAVP".to_owned())),
        LocalSrtp::Off => Ok(()),
        LocalSrtp::Optional(_) if !audio.savp => Ok(()),
        LocalSrtp::Optional(_) | LocalSrtp::Required(_) if audio.crypto.is_empty() => Err(SdpError::NotSecured),
        LocalSrtp::Optional(_) | LocalSrtp::Required(_) => Ok(()),
    }
}

/// The keys of an answer: the one line that it may have must take up one of ours (RFC 4568 §5.1.2). An answer without any is
/// in clear, where that is allowed.
fn answered_keys(srtp: &LocalSrtp, ours: &[Crypto], audio: &Audio) -> Result<Option<Box<SrtpKeys>>, SdpError> {
    if *srtp == LocalSrtp::Off {
        return Ok(None);
    }
    let Some(theirs) = audio.crypto.first() else { return Ok(None) };
    let taken = ours.iter().find(|ours| ours.tag == theirs.tag && ours.key.suite() == theirs.key.suite());
    let send = taken.ok_or(SdpError::NotSecured)?.key;
    Ok(Some(Box::new(SrtpKeys { send, receive: theirs.key })))
}

/// The first stream that can carry one of these codecs, with its place. Where none can, the error that came furthest: a
/// stream without a common codec says more than a refused one, and that more than a video.
fn usable<'a>(
    streams: impl Iterator<Item = &'a Result<Audio, SdpError>>,
    codecs: &[Codec],
    srtp: &LocalSrtp,
) -> Result<(usize, &'a Audio), SdpError> {
    let mut why = SdpError::NoAudio;
    for (index, stream) in streams.enumerate() {
        let error = match stream {
            Ok(audio) if !audio.codecs.iter().any(|(codec, _)| codecs.contains(codec)) => SdpError::NoCommonCodec,
            Ok(audio) => match may_be_spoken(audio, srtp) {
                Ok(()) => return Ok((index, audio)),
                Err(error) => error,
            },
            Err(error) => error.clone(),
        };
        if rank(&error) > rank(&why) {
            why = error;
        }
    }
    Err(why)
}

fn rank(error: &SdpError) -> u8 {
    match error {
        SdpError::NoAudio | SdpError::TooLarge | SdpError::Malformed(_) => 0,
        SdpError::Refused => 1,
        SdpError::Transport(_) => 2,
        SdpError::NoCommonCodec => 3,
        SdpError::NotSecured => 4,
        SdpError::Address => 5,
    }
}

/// The peer's flow seen from our side.
fn mirrored(theirs: Direction) -> Direction {
    Direction { send: theirs.receive, receive: theirs.send }
}

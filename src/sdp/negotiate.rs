//! Offer and answer (RFC 3264): which stream, which codec, which way. Owns the choice; refuses text.

use super::read::{Audio, read};
use super::write::{OurAudio, OurStream, write};
use super::{Codec, Direction, LocalMedia, MediaPlan, SdpError, TELEPHONE_EVENT};

/// Our offer: one audio stream with these codecs in this order, and `telephone-event`.
pub fn offer(local: &LocalMedia, codecs: &[Codec], direction: Direction) -> Vec<u8> {
    let codecs = codecs.iter().map(|codec| (*codec, codec.payload_type())).collect();
    let audio = OurAudio { codecs, telephone_event: local.telephone_event.then_some(TELEPHONE_EVENT), direction };
    write(local, (0, 0), &[OurStream::Audio(audio)])
}

/// Reads the answer to our [`offer`]. The codec is the first of the answer that we offered. Packets come with the payload
/// types of our offer and go with those of the answer (RFC 3264 §6.1).
pub fn accept_answer(offered: &[Codec], answer: &[u8]) -> Result<MediaPlan, SdpError> {
    let description = read(answer)?;
    let (_, audio) = usable(description.streams.iter().map(|stream| &stream.audio), offered)?;
    let (codec, send_payload_type) =
        audio.codecs.iter().copied().find(|(codec, _)| offered.contains(codec)).ok_or(SdpError::NoCommonCodec)?;
    Ok(MediaPlan {
        remote: audio.remote,
        codec,
        send_payload_type,
        receive_payload_type: codec.payload_type(),
        telephone_event: audio.telephone_event.map(|theirs| (theirs, TELEPHONE_EVENT)),
        direction: mirrored(audio.direction),
        ptime_ms: audio.ptime_ms,
    })
}

/// Reads the answer to a later offer of ours, which may repeat an answer of ours with the peer's payload types.
pub fn accept_answer_to(offer: &[u8], answer: &[u8]) -> Result<MediaPlan, SdpError> {
    let description = read(offer)?;
    let known = [Codec::Pcmu, Codec::Pcma];
    let (_, ours) = usable(description.streams.iter().map(|stream| &stream.audio), &known)?;
    let offered: Vec<Codec> = ours.codecs.iter().map(|(codec, _)| *codec).collect();
    let plan = accept_answer(&offered, answer)?;
    let payload_type = ours.codecs.iter().find(|(codec, _)| *codec == plan.codec).map(|(_, number)| *number);
    Ok(MediaPlan {
        receive_payload_type: payload_type.unwrap_or(plan.receive_payload_type),
        telephone_event: plan.telephone_event.zip(ours.telephone_event).map(|((theirs, _), ours)| (theirs, ours)),
        ..plan
    })
}

/// Answers a peer's offer (a re-INVITE: hold, resume, a moved address). One audio stream is taken with one codec:
/// `preferred` where it is offered, else the peer's first; all other streams are refused in place.
pub fn answer(local: &LocalMedia, offer: &[u8], preferred: Option<Codec>) -> Result<(Vec<u8>, MediaPlan), SdpError> {
    let description = read(offer)?;
    let known = [Codec::Pcmu, Codec::Pcma];
    let (chosen, audio) = usable(description.streams.iter().map(|stream| &stream.audio), &known)?;
    let (codec, payload_type) = audio
        .codecs
        .iter()
        .find(|(codec, _)| Some(*codec) == preferred)
        .or(audio.codecs.first())
        .copied()
        .ok_or(SdpError::NoCommonCodec)?;
    let telephone_event = audio.telephone_event.filter(|_| local.telephone_event);
    let plan = MediaPlan {
        remote: audio.remote,
        codec,
        send_payload_type: payload_type,
        receive_payload_type: payload_type,
        telephone_event: telephone_event.map(|number| (number, number)),
        direction: mirrored(audio.direction),
        ptime_ms: audio.ptime_ms,
    };
    let streams: Vec<OurStream<'_>> = description
        .streams
        .iter()
        .enumerate()
        .map(|(index, stream)| {
            if index == chosen {
                OurStream::Audio(OurAudio {
                    codecs: vec![(codec, payload_type)],
                    telephone_event,
                    direction: plan.direction,
                })
            } else {
                OurStream::Refused { media: &stream.media, proto: &stream.proto, formats: &stream.formats }
            }
        })
        .collect();
    Ok((write(local, description.time, &streams), plan))
}

/// The first stream that can carry one of these codecs, with its place. Where none can, the error that came furthest: a
/// stream without a common codec says more than a refused one, and that more than a video.
fn usable<'a>(
    streams: impl Iterator<Item = &'a Result<Audio, SdpError>>,
    codecs: &[Codec],
) -> Result<(usize, &'a Audio), SdpError> {
    let mut why = SdpError::NoAudio;
    for (index, stream) in streams.enumerate() {
        let error = match stream {
            Ok(audio) if audio.codecs.iter().any(|(codec, _)| codecs.contains(codec)) => return Ok((index, audio)),
            Ok(_) => SdpError::NoCommonCodec,
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
        SdpError::Address => 4,
    }
}

/// The peer's flow seen from our side.
fn mirrored(theirs: Direction) -> Direction {
    Direction { send: theirs.receive, receive: theirs.send }
}

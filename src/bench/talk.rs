//! What the talks of a measurement are like: in which codec the representative answers, whether both encrypt, whether they are
//! recorded. Owns the phones' side of each: their session description, their frames, their SRTP; refuses to measure.
//!
//! Where both speak G.711 each packet says who spoke and when (`voice`), so that loss and delay are told by the voice itself. What is
//! transcoded carries no such mark: then packets are counted by their numbers, and delay is told by the sound of some talks (`tape`).

use std::fmt::Write as _;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use rtc_srtp::context::Context;
use rtc_srtp::crypto::default_provider;
use rtc_srtp::protection_profile::ProtectionProfile;
use serde::Serialize;

use super::voice::{PACKET, packet, spoken};
use crate::audio::codec::{Encoder, Rate};
use crate::audio::wav;
use crate::model::{Codec, Suite};

/// A packet's time.
const FRAME_MS: usize = 20;
/// What a phone says where its packets carry no mark: half a minute of speech at most.
const SPEECH: &[u8] = include_bytes!("../../assets/unavailable.wav");

/// What the talks are like.
#[derive(Args, Clone, Debug, Serialize)]
pub struct Talk {
    /// Both phones speak SRTP with this suite: AEAD_AES_128_GCM, AEAD_AES_256_GCM or AES_CM_128_HMAC_SHA1_80
    #[arg(long, value_parser = suite)]
    #[serde(serialize_with = "suite_name")]
    pub srtp: Option<Suite>,
    /// Every talk is recorded
    #[arg(long)]
    pub record: bool,
    /// The phones agree to telephone-event, as most do; else keys are listened for in the sound of each talk
    #[arg(long)]
    pub telephone_event: bool,
    /// The representatives answer in this codec, the customers in PCMU: PCMU, G722 or opus, of which the latter two are transcoded;
    /// their delay is told by the sound of eight talks, less what the speaker's codec costs in a direct call
    #[arg(long, default_value = "PCMU", value_parser = codec)]
    #[serde(serialize_with = "codec_name")]
    pub representative_codec: Codec,
}

fn suite(name: &str) -> Result<Suite, String> {
    let found = Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| "none of the three suites".to_owned())
}

fn codec(name: &str) -> Result<Codec, String> {
    // Both laws are relayed in place, and the table between them would spoil the marks.
    Codec::from_name(name).filter(|codec| *codec != Codec::Pcma).ok_or_else(|| "PCMU, G722 or opus".to_owned())
}

fn suite_name<S: serde::Serializer>(suite: &Option<Suite>, to: S) -> Result<S::Ok, S::Error> {
    suite.map(Suite::name).serialize(to)
}

fn codec_name<S: serde::Serializer>(codec: &Codec, to: S) -> Result<S::Ok, S::Error> {
    codec.name().serialize(to)
}

impl Talk {
    /// Packets pass as they are, marks and all.
    pub fn is_marked(&self) -> bool {
        self.representative_codec == Codec::Pcmu
    }

    /// What the switch of the daemon that is started is to be like, in its configuration.
    pub fn switch_lines(&self) -> String {
        let suite = |suite: Suite| format!("srtp = \"required\"\nsrtp_suites = [\"{}\"]\n", suite.name());
        self.srtp.map(suite).unwrap_or_default()
    }

    /// And its business.
    pub fn business_lines(&self) -> &'static str {
        if self.record { "recording = \"always\"\n" } else { "" }
    }

    /// The codec of a side: 0 the customer, 1 the representative.
    fn codec(&self, side: usize) -> Codec {
        if side == 0 { Codec::Pcmu } else { self.representative_codec }
    }
}

/// What all phones of a side say, packet by packet.
pub struct Speech {
    marked: bool,
    codecs: [Codec; 2],
    /// What is encoded in the frames, 8 kHz; nothing where packets are marked.
    samples: Vec<f32>,
    frames: [Vec<Vec<u8>>; 2],
}

impl Speech {
    /// Made once, for both sides.
    pub fn new(talk: &Talk) -> Speech {
        let codecs = [talk.codec(0), talk.codec(1)];
        let samples = if talk.is_marked() { Vec::new() } else { wav::read(SPEECH).unwrap_or_default() };
        let whole = samples.len() - samples.len() % Rate::Hz8000.samples(FRAME_MS);
        let samples = samples.get(..whole).unwrap_or_default();
        let frames = codecs.map(|codec| frames(codec, samples));
        let samples = samples.iter().map(|sample| f32::from(*sample)).collect();
        Speech { marked: talk.is_marked(), codecs, samples, frames }
    }

    /// Packets say when they were said; else it is to be told by their sound.
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// What a side speaks: 0 the customer, 1 the representative.
    pub fn codec(&self, side: usize) -> Codec {
        self.codecs[side.min(1)]
    }

    /// The speech that both say over and over: packet `n` begins with its sample 160 × `n`.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// The same, as a side says it.
    pub fn frames(&self, side: usize) -> &[Vec<u8>] {
        &self.frames[side.min(1)]
    }

    /// The next packet of a phone.
    pub fn packet(&self, side: usize, described: Described, ssrc: u32, sequence: u32, micros: u64) -> Vec<u8> {
        let frames = self.frames.get(side).filter(|frames| !self.marked && !frames.is_empty());
        let Some(frames) = frames else { return packet(ssrc, sequence, micros).to_vec() };
        let payload = frames.get(sequence as usize % frames.len()).map(Vec::as_slice).unwrap_or_default();
        let mut out = Vec::with_capacity(PACKET);
        out.extend_from_slice(&[0x80, described.payload_type]);
        out.extend_from_slice(&(sequence as u16).to_be_bytes());
        out.extend_from_slice(&sequence.wrapping_mul(described.ticks).to_be_bytes());
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(payload);
        out
    }

    /// What a packet heard says: its speaker's number, and its time where it is marked. Unmarked ones count once somebody talks.
    pub fn heard(&self, bytes: &[u8], talks: bool) -> Option<(u32, Option<u64>)> {
        if self.marked {
            return spoken(bytes).map(|(sequence, micros)| (sequence, Some(micros)));
        }
        let number = bytes.get(2..4)?.first_chunk::<2>()?;
        talks.then_some((u32::from(u16::from_be_bytes(*number)), None))
    }
}

fn frames(codec: Codec, samples: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, Rate::Hz8000);
    let encode = |frame: &[i16]| {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        payload
    };
    samples.chunks_exact(Rate::Hz8000.samples(FRAME_MS)).map(encode).collect()
}

/// What a phone answered with.
#[derive(Clone, Copy)]
pub struct Described {
    payload_type: u8,
    /// Of its RTP clock in each packet.
    ticks: u32,
}

/// A phone's answer to an offer: the body, and what it means. `None`: there is no such codec or key in the offer.
pub fn answer(
    talk: &Talk,
    side: usize,
    offer: &[u8],
    rtp: SocketAddr,
    leg: usize,
) -> Option<(String, Described, Option<Box<Srtp>>)> {
    let text = std::str::from_utf8(offer).ok()?;
    let codec = talk.codec(side);
    let payload_type = match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => codec.payload_type(),
        Codec::Opus => {
            text.lines().find_map(|line| line.strip_prefix("a=rtpmap:")?.strip_suffix(" opus/48000/2"))?.parse().ok()?
        }
    };
    let (srtp, crypto) = match talk.srtp {
        None => (None, String::new()),
        Some(suite) => Srtp::agree(suite, text, leg).map(|(srtp, line)| (Some(Box::new(srtp)), line))?,
    };
    let profile = if srtp.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
    let map = match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => format!("{}/8000", codec.name()),
        Codec::Opus => "opus/48000/2".to_owned(),
    };
    let clock = codec.clock_hz();
    let events = text
        .lines()
        .find_map(|line| line.strip_prefix("a=rtpmap:")?.strip_suffix(&format!(" telephone-event/{clock}")));
    let events = events.filter(|_| talk.telephone_event);
    let listed = events.map(|number| format!(" {number}")).unwrap_or_default();
    let events = events.map(|number| format!("a=rtpmap:{number} telephone-event/{clock}\r\n")).unwrap_or_default();
    let (ip, port) = (rtp.ip(), rtp.port());
    let mut body = format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n");
    let _ = write!(
        body,
        "m=audio {port} {profile} {payload_type}{listed}\r\na=rtpmap:{payload_type} {map}\r\n{events}{crypto}"
    );
    let ticks = clock / 1000 * FRAME_MS as u32;
    Some((body, Described { payload_type, ticks }, srtp))
}

/// A phone's encryption.
pub struct Srtp {
    seals: Context,
    opens: Context,
}

impl Srtp {
    /// Takes the offered key of this suite; gives the line of the answer too.
    fn agree(suite: Suite, offer: &str, leg: usize) -> Option<(Srtp, String)> {
        let mut words =
            offer.lines().find(|line| line.starts_with("a=crypto:") && line.contains(suite.name()))?.split(' ');
        let tag = words.next()?;
        let theirs = STANDARD.decode(words.nth(1)?.strip_prefix("inline:")?.split('|').next()?).ok()?;
        let mut ours = vec![0x5a; theirs.len()];
        if let Some(place) = ours.first_chunk_mut() {
            *place = leg.to_be_bytes();
        }
        let line = format!("{tag} {} inline:{}\r\n", suite.name(), STANDARD.encode(&ours));
        Some((Srtp { seals: context(suite, &ours)?, opens: context(suite, &theirs)? }, line))
    }

    /// The datagram of a packet.
    pub fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        self.seals.encrypt_rtp(packet).map(Vec::from).unwrap_or_default()
    }

    /// The packet in a datagram; nothing where it is not authentic.
    pub fn open(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        self.opens.decrypt_rtp(datagram).ok().map(Vec::from)
    }
}

fn context(suite: Suite, material: &[u8]) -> Option<Context> {
    let profile = match suite {
        Suite::AesCm128HmacSha1 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    };
    let (key, salt) = material.split_at_checked(suite.key_length())?;
    Context::new(key, salt, profile, None, None, default_provider().ok()?.crypto()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(srtp: Option<Suite>, representative_codec: Codec) -> Talk {
        Talk { srtp, record: false, telephone_event: false, representative_codec }
    }

    const OFFER: &str = "v=0\r\nm=audio 4000 RTP/SAVP 0 9 111\r\na=rtpmap:111 opus/48000/2\r\n\
        a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";

    #[test]
    fn a_phone_answers_with_the_codec_and_the_suite_that_it_was_told() {
        let rtp = "127.0.0.1:5000".parse().unwrap();
        let told = talk(Some(Suite::AesCm128HmacSha1), Codec::Opus);
        let (body, described, srtp) = answer(&told, 1, OFFER.as_bytes(), rtp, 7).unwrap();
        assert!(body.contains("m=audio 5000 RTP/SAVP 111\r\na=rtpmap:111 opus/48000/2\r\n"));
        assert!(body.contains("a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:"));
        assert_eq!((described.payload_type, described.ticks, srtp.is_some()), (111, 960, true));
        assert!(answer(&talk(Some(Suite::AeadAes128Gcm), Codec::Pcmu), 0, OFFER.as_bytes(), rtp, 7).is_none());
        let (body, ..) = answer(&talk(None, Codec::Opus), 0, OFFER.as_bytes(), rtp, 7).unwrap();
        assert!(body.contains("m=audio 5000 RTP/AVP 0\r\n"), "customers answer in PCMU");
        let offer = format!("{OFFER}a=rtpmap:101 telephone-event/8000\r\n");
        let events = Talk { telephone_event: true, ..talk(None, Codec::Pcmu) };
        let (body, ..) = answer(&events, 0, offer.as_bytes(), rtp, 7).unwrap();
        assert!(body.contains("RTP/AVP 0 101\r\n") && body.contains("a=rtpmap:101 telephone-event/8000\r\n"));
    }

    #[test]
    fn marked_packets_tell_their_time_and_others_their_number() {
        let rtp = "127.0.0.1:5000".parse().unwrap();
        for (codec, time) in [(Codec::Pcmu, Some(99)), (Codec::G722, None)] {
            let told = talk(None, codec);
            let (_, described, _) = answer(&told, 1, OFFER.as_bytes(), rtp, 7).unwrap();
            let speech = Speech::new(&told);
            let bytes = speech.packet(1, described, 1, 300, 99);
            assert_eq!(bytes.len(), PACKET, "{codec:?}");
            assert_eq!(speech.heard(&bytes, true), Some((300, time)));
        }
    }
}

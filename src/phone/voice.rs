//! The sound of one call: the RTP it sends every 20 ms, and what it hears, with its judgement of sequence, timestamp, SSRC,
//! payload type and source. Owns one RTP stream each way; refuses signalling.

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::behaviour::Sound;
use super::call::Call;
use super::digits::Keypad;
use super::session::{Flow, Session};
use super::sound::{FRAME, Law, Packet, Voices, tone_frame, voices_of};
use super::story::{Digit, Fault, Heard, Story};
use super::{Desk, Due, PhoneMove, PhoneOutput};
use crate::clock::Mono;

/// Both directions of one call's sound.
pub(super) struct Voice {
    from: SocketAddr,
    to: SocketAddr,
    law: Law,
    event: Option<u8>,
    sends: bool,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    frame: Option<[u8; FRAME]>,
    /// Frames so far.
    frames: u32,
    digit: Option<(u8, u8)>,
    keypad: Keypad,
    /// Since when the phone wants nothing.
    holds: Option<Mono>,
    ear: Ear,
}

/// The receiving half.
#[derive(Default)]
struct Ear {
    ssrc: Option<u32>,
    first: u32,
    highest: u32,
    highest_timestamp: u32,
    last_payload: Vec<u8>,
    last_voices: Voices,
}

impl Voice {
    pub fn new(rng: &mut StdRng, from: SocketAddr, offer: &Session, law: Law) -> Voice {
        Voice {
            from,
            to: offer.address,
            law,
            event: offer.telephone_event,
            sends: offer.flow.receives(),
            ssrc: rng.random(),
            sequence: rng.random(),
            timestamp: rng.random(),
            frame: None,
            frames: 0,
            digit: None,
            keypad: Keypad::default(),
            holds: None,
            ear: Ear::default(),
        }
    }

    pub fn law(&self) -> Law {
        self.law
    }

    pub fn telephone_event(&self) -> Option<u8> {
        self.event
    }

    /// The address that SDP names, which a broken phone does not send from.
    pub fn signalled(&self, elsewhere: bool) -> SocketAddr {
        let port = self.from.port().saturating_sub(u16::from(elsewhere));
        SocketAddr::new(self.from.ip(), port)
    }

    /// Whose packets the phone's are.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Whose packets it hears.
    pub fn hears(&self) -> Option<u32> {
        self.ear.ssrc
    }

    /// The highest number that came, with its turns.
    pub fn highest(&self) -> u32 {
        self.ear.highest
    }

    /// A re-INVITE or UPDATE of ours was answered.
    pub fn agreed(&mut self, now: Mono, answer: &Session, offered: Flow) {
        self.to = answer.address;
        self.sends = offered.sends() && answer.flow.receives();
        self.holds = if offered.receives() { None } else { self.holds.or(Some(now)) };
    }

    /// The phone offers this: from now on it takes what it says it takes.
    pub fn offers(&mut self, flow: Flow) {
        if flow.receives() {
            self.holds = None;
        }
    }

    /// The peer describes itself anew.
    pub fn offered(&mut self, offer: &Session) {
        self.to = offer.address;
        self.sends = offer.flow.receives() && !offer.address.ip().is_unspecified();
    }

    /// Begins a digit of 100 ms.
    pub fn digit(&mut self, digit: u8) {
        if self.event.is_some() {
            self.digit = Some((digit, 0));
        }
    }

    /// The next packet, 20 ms after the last one.
    fn next(&mut self, sound: Sound) -> Option<Vec<u8>> {
        let first = self.frame.is_none();
        let hz = if let Sound::Tone(hz) = sound { hz } else { 0 };
        let law = self.law;
        let mut frame = *self.frame.get_or_insert_with(|| tone_frame(hz, law));
        if let Sound::Greets(greeting) = sound {
            frame = greeting.frame(self.frames, law);
        }
        self.frames += 1;
        let (sequence, timestamp) = (self.sequence, self.timestamp);
        self.timestamp = timestamp.wrapping_add(160);
        if !self.sends {
            return None;
        }
        self.sequence = sequence.wrapping_add(1);
        let voice = Packet {
            marker: first,
            payload_type: law.payload_type(),
            sequence,
            timestamp,
            ssrc: self.ssrc,
            payload: &frame,
        };
        let (Some((digit, step)), Some(event)) = (self.digit, self.event) else { return Some(voice.write()) };
        // RFC 4733 §2.5.1: the timestamp stays at the beginning, the duration grows, the last packet comes three times.
        self.digit = (step < 7).then_some((digit, step + 1));
        let duration = 160 * u16::from(step.min(4) + 1);
        let end = if step >= 5 { 0x80 } else { 0 };
        let [high, low] = duration.to_be_bytes();
        let payload = [digit, end | 10, high, low];
        let timestamp = timestamp.wrapping_sub(160 * u32::from(step));
        Some(Packet { marker: step == 0, payload_type: event, timestamp, payload: &payload, ..voice }.write())
    }
}

impl Ear {
    /// Judges one packet against the stream; returns whether it is the newest.
    fn place(&mut self, packet: &Packet<'_>, story: &mut Story, now: Mono) -> bool {
        let Some(ssrc) = self.ssrc else {
            self.ssrc = Some(packet.ssrc);
            self.first = u32::from(packet.sequence) | 0x1_0000;
            self.highest = self.first;
            self.highest_timestamp = packet.timestamp;
            return true;
        };
        if ssrc != packet.ssrc {
            story.blame(now, Fault::RtpBroken, "SSRC changed within the call");
            self.ssrc = None;
            return self.place(packet, story, now);
        }
        let ahead = packet.sequence.wrapping_sub(self.highest as u16) as i16;
        if ahead.unsigned_abs() > 500 {
            story.blame(now, Fault::RtpBroken, format!("sequence jumps by {ahead}"));
        }
        if ahead <= 0 {
            return false;
        }
        let samples = packet.timestamp.wrapping_sub(self.highest_timestamp) as i32;
        let expected = i32::from(ahead) * 160;
        // Frames that are not for this phone (a digit, a hold) may be left out; then the clock goes on in whole frames.
        let skipped = samples > 0 && (packet.marker || ahead > 1 || samples % 160 == 0);
        let steady = samples == expected || skipped;
        if !steady && packet.payload.len() == FRAME {
            story.blame(now, Fault::RtpBroken, format!("timestamp goes {samples} while the sequence goes {ahead}"));
        }
        self.highest = self.highest.wrapping_add(u32::from(ahead.unsigned_abs()));
        self.highest_timestamp = packet.timestamp;
        true
    }

    fn expected(&self) -> u64 {
        u64::from(self.highest.wrapping_sub(self.first)) + 1
    }
}

impl Call {
    /// 20 ms have passed.
    pub fn frame(&mut self, desk: &mut Desk<'_>) {
        let Some(voice) = &mut self.voice else { return };
        if let Some(bytes) = voice.next(self.behaviour.sound) {
            self.story.rtp_sent += 1;
            desk.out.push_back(PhoneOutput::SendRtp { from: voice.from, to: voice.to, bytes });
        }
        desk.wake(Due::Frame, desk.now + Duration::from_millis(20));
    }

    /// A packet came to this call's port.
    pub fn packet(&mut self, desk: &mut Desk<'_>, from: SocketAddr, bytes: &[u8]) {
        let now = desk.now;
        self.hears_peer(now);
        let Some(packet) = Packet::parse(bytes) else {
            return self.story.blame(now, Fault::RtpBroken, "not an RTP packet");
        };
        if self.hushed_at.is_some_and(|end| now.since(end) > desk.config.grace) {
            return self.story.blame(now, Fault::RtpLate, "RTP after the end");
        }
        if self.story.ended_at.is_some() {
            return;
        }
        if self.story.answered_at.is_none() {
            self.story.blame(now, Fault::RtpEarly, "RTP before the phone answered");
        }
        let Some(voice) = &mut self.voice else { return };
        if from != voice.to {
            self.story.blame(now, Fault::RtpForeign, format!("RTP from {from}, SDP said {}", voice.to));
        }
        self.story.rtp_received += 1;
        let newest = voice.ear.place(&packet, &mut self.story, now);
        self.story.rtp_lost = voice.ear.expected().saturating_sub(self.story.rtp_received);
        if voice.holds.is_some_and(|since| now.since(since) > desk.config.grace) {
            self.story.blame(now, Fault::RtpForeign, "RTP while the phone holds");
        }
        if Some(packet.payload_type) == voice.event {
            match voice.keypad.press(packet.sequence, packet.timestamp, packet.payload) {
                Err(text) => self.story.blame(now, Fault::Digit, text),
                Ok(Some(key)) if self.story.digits.len() < 200 => {
                    self.story.digits.push(Digit { key, by_info: false, at: now });
                }
                Ok(_) => {}
            }
            return;
        }
        if packet.payload_type != voice.law.payload_type() {
            let text = format!("payload type {}, agreed was {}", packet.payload_type, voice.law.payload_type());
            return self.story.blame(now, Fault::RtpForeign, text);
        }
        if newest {
            self.hear(desk, packet.payload);
        }
    }

    fn hear(&mut self, desk: &mut Desk<'_>, payload: &[u8]) {
        let Some(voice) = &mut self.voice else { return };
        if desk.config.record {
            self.story.recording.extend(payload.iter().map(|b| voice.law.decode(*b)));
        }
        let ear = &mut voice.ear;
        // Frames of a steady tone are all equal, so most need no analysis.
        if ear.last_payload != payload {
            ear.last_payload.clear();
            ear.last_payload.extend_from_slice(payload);
            ear.last_voices = voices_of(payload, voice.law);
        }
        let (voices, now) = (ear.last_voices, desk.now);
        let tone = voices.sole();
        voices.all().for_each(|hz| self.story.hears_voice(now, hz));
        match self.story.heard.last_mut() {
            Some(heard) if heard.tone == tone => {
                heard.last = now;
                heard.packets += 1;
            }
            _ => {
                // Speech changes its pitch with every frame: keep no endless list of it.
                if self.story.heard.len() < 10_000 {
                    self.story.heard.push(Heard { tone, first: now, last: now, packets: 1 });
                }
                desk.moved(PhoneMove::Hears(tone));
            }
        }
    }
}

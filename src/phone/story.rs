//! What a phone tells afterwards: each call's story as it was seen from outside, and the violations it saw. Owns only facts;
//! whether they keep a promise is for the reader (simulator, bench, demo).

use std::time::Duration;

use crate::clock::Mono;

/// One call as this phone lived it.
#[derive(Clone, PartialEq, Debug)]
pub struct Story {
    /// Call-ID of the INVITE.
    pub call_id: String,
    /// User part of the Request-URI: the number that was dialled.
    pub user: String,
    /// The INVITE came.
    pub invited_at: Mono,
    /// A 180 or 183 was sent.
    pub ringing_at: Option<Mono>,
    /// The 200 was sent.
    pub answered_at: Option<Mono>,
    /// The ACK of the 200 came.
    pub acked_at: Option<Mono>,
    /// The phone went on-hook, or refused.
    pub ended_at: Option<Mono>,
    /// How.
    pub ending: Option<Ending>,
    /// The RTP port of this call.
    pub rtp_port: Option<u16>,
    /// What was heard, in order.
    pub heard: Vec<Heard>,
    /// Which voices were in it, also where several were added up, in the order of their beginnings.
    pub voices: Vec<VoiceHeard>,
    /// RTP packets taken.
    pub rtp_received: u64,
    /// RTP packets that the sequence numbers say were lost.
    pub rtp_lost: u64,
    /// RTCP reports of the equipment that were in order.
    pub reports: u64,
    /// RTP packets sent.
    pub rtp_sent: u64,
    /// INVITEs that this call took: more than one after a challenge or a 422.
    pub tries: u32,
    /// Digits heard, in order, by RFC 4733 or INFO.
    pub digits: Vec<Digit>,
    /// PRACKs that were in order.
    pub pracks: u32,
    /// Refreshes of the session by the equipment.
    pub refreshes: u32,
    /// From when to when the phone held the other side.
    pub holds: Vec<(Mono, Option<Mono>)>,
    /// What NOTIFYs told of the transfers, in order.
    pub transfers: Vec<u16>,
    /// REFERs that were sent.
    pub refers: u32,
    /// When the first of them was.
    pub refers_from: Option<Mono>,
    /// When REFERs were accepted by a 2xx.
    pub referred: Vec<Mono>,
    /// What the peer did wrong.
    pub violations: Vec<Violation>,
    /// Everything heard at 8 kHz, when the phone records.
    pub recording: Vec<i16>,
}

/// How a call ended for the phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The phone refused it with this status.
    Refused(u16),
    /// CANCEL came in time: 487.
    Cancelled,
    /// The equipment's BYE.
    WasHungUp,
    /// The phone's own BYE.
    HungUp,
    /// The phone lost its network.
    Vanished,
    /// No ACK ever came for its 200: it sent BYE.
    NoAck,
    /// It heard no word of the call for far too long: the caller is gone.
    Forgotten,
}

/// One digit that was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digit {
    /// `0` to `9`, `*`, `#`, `A` to `D`.
    pub key: char,
    /// By INFO, not RFC 4733.
    pub by_info: bool,
    /// Its beginning.
    pub at: Mono,
}

/// A stretch of one sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The tone in Hz; none is silence or a mixture.
    pub tone: Option<u16>,
    /// Arrival of its first packet.
    pub first: Mono,
    /// Arrival of its last packet.
    pub last: Mono,
    /// Its packets.
    pub packets: u32,
}

/// A stretch of one voice, a steady tone, alone or among others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoiceHeard {
    /// The tone in Hz.
    pub hz: u16,
    /// Arrival of its first packet.
    pub first: Mono,
    /// Arrival of its last packet.
    pub last: Mono,
    /// Its packets.
    pub packets: u32,
}

/// A voice that is away for longer than this begins anew.
const GAP: Duration = Duration::from_millis(100);

/// Most stretches of voices that are kept: speech has new ones with every frame.
const MAX_VOICES: usize = 1_000;

/// Something the peer did wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// When it was noticed.
    pub at: Mono,
    /// Which kind.
    pub fault: Fault,
    /// In words.
    pub text: String,
}

/// Kinds of violation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// Not SIP at all.
    Malformed,
    /// A mandatory header is missing or ill-formed.
    Header,
    /// A body that is no SDP, or does not fit.
    Body,
    /// CSeq does not go up, or a known Call-ID is invited again.
    Sequence,
    /// Tags, Call-ID or Request-URI fit no dialog of the phone.
    Dialog,
    /// A CANCEL before any provisional, or that does not match its INVITE.
    Cancel,
    /// No ACK for a final response.
    AckMissing,
    /// A request of the phone was never answered, or answered with an error.
    Unanswered,
    /// Signalling for a call that is over.
    AfterEnd,
    /// A PRACK that acknowledges nothing, or a reliable provisional without its PRACK.
    Prack,
    /// A session timer that is not kept.
    Refresh,
    /// A re-INVITE too soon after a 491 or a Retry-After.
    Glare,
    /// A digest answer that is wrong, or credentials for nobody.
    Credentials,
    /// NOTIFYs of a transfer that are out of order, or missing.
    Transfer,
    /// A digit that is no proper event.
    Digit,
    /// Another request after a refusal that must not be repeated, or repeated in the wrong way.
    Retry,
    /// A request repeated over a transport that loses nothing.
    Repeated,
    /// RTP before the phone told anybody its port, or before it answered.
    RtpEarly,
    /// RTP after the end.
    RtpLate,
    /// SSRC changed, or sequence and timestamp do not fit.
    RtpBroken,
    /// A payload type that was not agreed, or RTP from an address that was not signalled.
    RtpForeign,
}

impl Story {
    /// An INVITE has come.
    pub fn new(call_id: &str, user: &str, now: Mono) -> Story {
        Story {
            call_id: call_id.to_owned(),
            user: user.to_owned(),
            invited_at: now,
            ringing_at: None,
            answered_at: None,
            acked_at: None,
            ended_at: None,
            ending: None,
            rtp_port: None,
            heard: Vec::new(),
            voices: Vec::new(),
            rtp_received: 0,
            rtp_lost: 0,
            reports: 0,
            rtp_sent: 0,
            tries: 1,
            digits: Vec::new(),
            pracks: 0,
            refreshes: 0,
            holds: Vec::new(),
            transfers: Vec::new(),
            refers: 0,
            refers_from: None,
            referred: Vec::new(),
            violations: Vec::new(),
            recording: Vec::new(),
        }
    }

    /// True while the phone is off-hook.
    pub fn off_hook(&self) -> bool {
        self.answered_at.is_some() && self.ended_at.is_none()
    }

    /// True while the phone rings or is about to.
    pub fn alerting(&self) -> bool {
        self.answered_at.is_none() && self.ended_at.is_none()
    }

    /// When this tone was first heard.
    pub fn first_heard(&self, tone: u16) -> Option<Mono> {
        self.heard.iter().find(|h| h.tone == Some(tone)).map(|h| h.first)
    }

    /// This voice is in a packet, alone or among others.
    pub(super) fn hears_voice(&mut self, now: Mono, hz: u16) {
        let room = self.voices.len() < MAX_VOICES;
        match self.voices.iter_mut().rev().find(|voice| voice.hz == hz) {
            Some(voice) if now.since(voice.last) <= GAP => {
                voice.last = now;
                voice.packets += 1;
            }
            _ if room => {
                self.voices.push(VoiceHeard { hz, first: now, last: now, packets: 1 });
            }
            _ => {}
        }
    }

    /// The stretches in which this voice was heard, alone or among others.
    pub fn hears(&self, hz: u16) -> impl Iterator<Item = &VoiceHeard> {
        self.voices.iter().filter(move |voice| voice.hz == hz)
    }

    /// When this tone was last heard.
    pub fn last_heard(&self, tone: u16) -> Option<Mono> {
        self.heard.iter().rev().find(|h| h.tone == Some(tone)).map(|h| h.last)
    }

    /// The digits heard, as one dials them.
    pub fn dialled(&self) -> String {
        self.digits.iter().map(|digit| digit.key).collect()
    }

    /// Writes a violation down, at most 50 of them.
    pub fn blame(&mut self, at: Mono, fault: Fault, text: impl Into<String>) {
        if self.violations.len() < 50 {
            self.violations.push(Violation { at, fault, text: text.into() });
        }
    }
}

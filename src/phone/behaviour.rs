//! What a phone does with a call, as data: a script. Owns the vocabulary of good and bad manners; the machine that acts it
//! out is `call`'s.

use std::time::Duration;

use super::greeting::Greeting;
use super::manners::{Challenge, OnReinvite, Refusal, Reliable, SessionManner, Transfer};

/// One phone's manners towards one call. Times count from the INVITE unless said otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behaviour {
    /// 100 at once (a proxy in front would do so).
    pub trying: bool,
    /// 180 (or 183) after so long; none: no ringing is told.
    pub ring_after: Option<Duration>,
    /// The provisional is a 183 with SDP, and the phone's tone is sent as early media.
    pub early_media: bool,
    /// How it decides.
    pub then: Then,
    /// How it takes a CANCEL.
    pub on_cancel: OnCancel,
    /// Codecs it knows.
    pub codecs: Codecs,
    /// What it says while off-hook.
    pub sound: Sound,
    /// RTP leaves from a port that its SDP does not name (a NAT or a broken phone).
    pub rtp_from_elsewhere: bool,
    /// False: a BYE ends the call but is never answered.
    pub answer_bye: bool,
    /// Early dialogs that ring, each with a tag of its own; at least one.
    pub rings: u8,
    /// Provisionals are reliable (RFC 3262).
    pub reliable: Option<Reliable>,
    /// A session timer is kept (RFC 4028).
    pub session: Option<SessionManner>,
    /// INVITEs are challenged first.
    pub challenge: Option<Challenge>,
    /// What a refusal carries.
    pub refusal: Refusal,
    /// How re-INVITEs of the equipment are taken.
    pub on_reinvite: OnReinvite,
    /// What [`Act::Refer`] does.
    pub transfer: Transfer,
    /// The INVITE must carry this Replaces (RFC 3891).
    pub replaces: Option<String>,
    /// Acts, each so long after the 200 was sent. In time order.
    pub talk: Vec<(Duration, Act)>,
}

/// The decision about the call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Then {
    /// 200, retransmitted until the ACK (RFC 3261 §13.3.1.4).
    Answer {
        /// After the INVITE.
        after: Duration,
        /// What the 200 carries.
        with: AnswerWith,
        /// How many forks answer (1 is one phone).
        forks: u8,
    },
    /// A final refusal, retransmitted until the ACK.
    Refuse {
        /// After the INVITE.
        after: Duration,
        /// 300 to 699.
        status: u16,
    },
    /// Rings until it is cancelled.
    NeverAnswer,
    /// Sends no response to anything.
    Silent,
}

/// What a 200 carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerWith {
    /// A proper answer.
    Session,
    /// An answer that takes none of the offered codecs.
    ForeignCodec,
    /// A body that is no SDP.
    Garbage,
    /// No body.
    Nothing,
    /// A 200 without Contact and without a To tag.
    BrokenHeaders,
}

/// How a CANCEL is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnCancel {
    /// 200 to it, 487 to the INVITE.
    Obey,
    /// The user lifts the handset at that instant: 200 to the INVITE first, then 200 to the CANCEL.
    AnswerInstead,
    /// 200 to it, and nothing for the INVITE.
    SayNothingMore,
}

/// Which codecs a phone knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codecs {
    /// Both G.711 laws, in the order of the offer.
    Both,
    /// µ-law only.
    MuOnly,
    /// A-law only.
    AOnly,
}

/// What a phone sends once it is off-hook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sound {
    /// A tone, a multiple of 50 Hz.
    Tone(u16),
    /// Words as somebody says them who answers, then a tone.
    Greets(Greeting),
    /// Packets that hold silence.
    Silence,
    /// No packets at all.
    Nothing,
}

/// Something a phone does while the call stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// BYE (not before the ACK has come, RFC 3261 §15).
    HangUp,
    /// The phone loses its network: it sends and hears nothing more.
    Vanish,
    /// re-INVITE, sendonly.
    Hold,
    /// re-INVITE, inactive.
    HoldInactive,
    /// re-INVITE, sendonly from 0.0.0.0, as RFC 2543 had it.
    HoldNull,
    /// re-INVITE, sendrecv.
    Resume,
    /// re-INVITE without an offer.
    OfferlessReinvite,
    /// UPDATE with an offer.
    Update,
    /// UPDATE without a body: a refresh of the session timer.
    Refresh,
    /// re-INVITE with the offer as it was: a refresh of the session timer.
    RefreshByInvite,
    /// OPTIONS inside the dialog.
    Options,
    /// INFO inside the dialog.
    Info,
    /// INFO with a digit, `application/dtmf-relay` or (bare) `application/dtmf`.
    InfoDigit {
        /// Event code 0 to 15.
        digit: u8,
        /// The body is the digit alone.
        bare: bool,
    },
    /// MESSAGE, SUBSCRIBE and an unknown method, which the equipment must refuse.
    Oddities,
    /// The next REFER of [`Behaviour::transfer`].
    Refer,
    /// No more RTP from here on.
    Mute,
    /// A digit by RFC 4733, where it was agreed: event code 0 to 15.
    Digit(u8),
}

impl Behaviour {
    /// Rings after 100 ms, answers after `answer`, sends a tone, hangs up `talk` after its answer, if ever.
    pub fn answering(answer: Duration, tone: u16, talk: Option<Duration>) -> Behaviour {
        Behaviour {
            trying: false,
            ring_after: Some(Duration::from_millis(100).min(answer)),
            early_media: false,
            then: Then::Answer { after: answer, with: AnswerWith::Session, forks: 1 },
            on_cancel: OnCancel::Obey,
            codecs: Codecs::Both,
            sound: Sound::Tone(tone),
            rtp_from_elsewhere: false,
            answer_bye: true,
            rings: 1,
            reliable: None,
            session: None,
            challenge: None,
            refusal: Refusal::default(),
            on_reinvite: OnReinvite::Accept,
            transfer: Transfer::default(),
            replaces: None,
            talk: talk.map(|after| (after, Act::HangUp)).into_iter().collect(),
        }
    }

    /// Rings after 100 ms, refuses after `after`.
    pub fn refusing(after: Duration, status: u16) -> Behaviour {
        Behaviour { then: Then::Refuse { after, status }, ..Behaviour::answering(after, 0, None) }
    }

    /// Rings and never answers.
    pub fn ringing_only() -> Behaviour {
        Behaviour { then: Then::NeverAnswer, ..Behaviour::answering(Duration::from_secs(1), 0, None) }
    }

    /// Answers nothing at all.
    pub fn silent() -> Behaviour {
        Behaviour { then: Then::Silent, ring_after: None, ..Behaviour::ringing_only() }
    }
}

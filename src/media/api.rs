//! What the engine tells media and what media tells the engine. Owns these two vocabularies; the machine behind them is
//! [`crate::media`]'s, the sockets are `io`'s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    Alarm, AnsweredBy, Codec, Digits, Key, Language, LegId, MachineTimes, Quality, Sample, SupervisorMode,
};
use crate::sdp::MediaPlan;

/// One recording to be played, named by what it says; resolved to audio by the prompt library outside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Clip {
    /// "Please hold while we connect you to a {company} company customer representative."
    Connecting(Spoken),
    /// The second message: no representative is available.
    Unavailable(Spoken),
    /// The customer's gate: "This is a call from {company}. Press 1 to be connected.", and a pause.
    Gate(Spoken),
    /// What a representative is told before the talk.
    Whisper(Whisper),
    /// What is left on an answering machine.
    Machine(Worded),
    /// "This call is recorded."
    Consent(Worded),
    /// To a customer who holds: still in line, and perhaps for how long.
    Still(Still),
    /// Nothing to be heard; endless when looped.
    Silence,
    /// Hold music; endless when looped.
    HoldMusic,
}

/// For whom a message is spoken: what picks the recording, the rendered text or the business's own file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Spoken {
    /// The business, whose own recordings come first.
    pub business: crate::model::BusinessId,
    /// The company to be named; may differ from the registered name.
    pub company: Arc<str>,
    /// In which language; absent: the configured one.
    pub language: Option<Language>,
}

/// What a representative is told: whose call it is, from which page, and what to press.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Whisper {
    /// The business and the company to be named.
    pub spoken: Spoken,
    /// The title of the page that the customer came from, fit to be spoken.
    pub page: Option<Arc<str>>,
    /// A key is asked for, and a pause follows.
    pub accept: bool,
}

/// What a machine is told, or a party whose talk is recorded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Worded {
    /// The business and the company to be named.
    pub spoken: Spoken,
    /// The business's own text, where it has one.
    pub text: Option<Arc<str>>,
}

/// What a customer who holds is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Still {
    /// The business, the company and the language.
    pub spoken: Spoken,
    /// The estimated wait, where there is an estimate: from one minute to [`MAX_MINUTES`].
    pub minutes: Option<u8>,
}

/// The longest wait that is told, in minutes: one recording for each is made at most.
pub const MAX_MINUTES: u8 = 10;

/// What a leg hears, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// Played once, one after the other.
    pub once: Vec<Clip>,
    /// Then repeated until something else is said; absent: [`Event::PlayEnded`] and nothing more is sent.
    pub then_loop: Option<Clip>,
}

/// From the engine. Commands for an unknown leg are ignored (it was closed).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Take a port for this leg. Answered at once by [`Event::Opened`] or [`Event::OpenFailed`].
    Open { leg: LegId },
    /// What was agreed with the peer; again after a re-INVITE. Before the first, packets are dropped. A changed remote
    /// address opens a new latching window (field.md 23).
    Agree { leg: LegId, plan: MediaPlan },
    /// Play to this leg, replacing what it hears. Ends a bridge the leg is in.
    Play { leg: LegId, script: Script },
    /// Say this once in the midst of what is looped to this leg, which then goes on where it was; left out where nothing is
    /// looped at this moment.
    Interject { leg: LegId, clip: Clip },
    /// Cut whatever both hear (within one 20 ms frame) and relay between them. While one of them holds, the other hears hold
    /// music instead: at once where the holder sends nothing, else when it has sent nothing for a moment.
    Bridge { a: LegId, b: LegId },
    /// Record what these two say to each other from now on, `a` (the customer) on the left; said again with another `b`, the same
    /// recording goes on with that one. It ends when `a` is closed.
    Record { a: LegId, b: LegId },
    /// A third party takes part in the talk of these two, who are bridged and stay so; said again with another mode or another
    /// representative, it goes on with those. It ends when any of the three is closed: the others go on as without it.
    Supervise { supervisor: LegId, customer: LegId, representative: LegId, mode: SupervisorMode },
    /// Dial to this leg after such a pause, as RFC 4733 events where the peer agreed to telephone-event, else as tones; said
    /// again, the digits queue. [`Event::DigitsSent`] follows.
    SendDigits { leg: LegId, digits: Digits, after: Duration },
    /// This leg's party pressed a key and said so by signalling: the same press may come as an RFC 4733 event too.
    Pressed { leg: LegId, key: Key },
    /// Listen for keys in this leg's sound, until something else is played to it or it is bridged (anew). While it is bridged
    /// its peer hears them as events, if it agreed to such, and no more than their beginning as sound.
    HearKeys { leg: LegId },
    /// Listen to this leg, which has just answered: a person or a machine? [`Event::AnsweredBy`] follows, and after a machine
    /// [`Event::GreetingOver`], unless it is bridged before.
    HearWho { leg: LegId, times: MachineTimes },
    /// Report [`Event::Silent`] when a leg that may send has sent nothing for so long; counted from this command on.
    /// `None` stops watching.
    WatchSilence { leg: LegId, after: Option<Duration> },
    /// Give the port back. [`Event::Closed`] follows, always and once.
    Close { leg: LegId },
}

/// To the engine.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The leg's port, for SDP.
    Opened { leg: LegId, local: SocketAddr },
    /// No port could be had: the pool is empty or the system refused. No `Closed` follows.
    OpenFailed { leg: LegId, reason: OpenError },
    /// The first packet of the agreed peer was accepted.
    FirstPacket { leg: LegId },
    /// The script ended and had no loop.
    PlayEnded { leg: LegId },
    /// A [`Clip::Consent`] of the script was played to its end; heard, unless nothing could be sent to the leg meanwhile.
    ConsentSaid { leg: LegId, heard: bool },
    /// The first packet was relayed towards this leg after `Bridge`.
    FirstRelayed { to: LegId },
    /// What this leg hears of its peer is decoded and encoded anew, as far as that is news; of a peer whose packets are ever
    /// others, the first few times.
    Transcodes { leg: LegId, from: Codec, to: Codec },
    /// Nothing came for the watched time. Repeated only after audio came again.
    Silent { leg: LegId, lasted: Duration },
    /// Every digit was sent.
    DigitsSent { leg: LegId },
    /// This leg's party pressed a key: once for each press, in whichever ways it came. A bridged peer that agreed to
    /// telephone-event hears it from media.
    Digit { leg: LegId, key: Key },
    /// Five seconds of the leg, and all that was measured so far.
    Measured { leg: LegId, quality: Quality, sample: Sample },
    /// Who answered, once after [`Command::HearWho`], within its time.
    AnsweredBy { leg: LegId, by: AnsweredBy },
    /// The machine has greeted, and beeped if it does: it records.
    GreetingOver { leg: LegId },
    /// Something is wrong with what comes of a leg of a talk, or right again.
    Alarm { leg: LegId, alarm: Alarm },
    /// The port is free again.
    Closed { leg: LegId, quality: Quality },
}

impl Event {
    /// The leg it is about.
    pub fn leg(&self) -> LegId {
        match self {
            Event::Opened { leg, .. }
            | Event::OpenFailed { leg, .. }
            | Event::FirstPacket { leg }
            | Event::PlayEnded { leg }
            | Event::Transcodes { leg, .. }
            | Event::ConsentSaid { leg, .. }
            | Event::FirstRelayed { to: leg }
            | Event::Silent { leg, .. }
            | Event::DigitsSent { leg }
            | Event::Digit { leg, .. }
            | Event::Measured { leg, .. }
            | Event::Alarm { leg, .. }
            | Event::AnsweredBy { leg, .. }
            | Event::GreetingOver { leg }
            | Event::Closed { leg, .. } => *leg,
        }
    }
}

/// Why no port could be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Every port of `[media] ports` is in use.
    #[error("every RTP port is in use")]
    PoolEmpty,
    /// The system refused to bind.
    #[error("the system refused a socket")]
    System,
}

/// Finds the audio of a clip. Never fails: the library always has something to say.
pub trait Prompts: Send + Sync {
    /// The recording to play now.
    fn find(&self, clip: &Clip) -> Arc<crate::audio::Prompt>;

    /// This recording is being heard in a codec that nobody has made it in: whoever has the time may
    /// [make](crate::audio::Prompt::make) it. Said once; until then it is encoded for each that hears it.
    fn wish(&self, _prompt: &Arc<crate::audio::Prompt>, _codec: crate::model::Codec) {}
}

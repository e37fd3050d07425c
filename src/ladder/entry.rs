//! One line of a ladder: a message or a moment. Owns these shapes and their equality; refuses drawing.

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::model::{Alarm, AnsweredBy, Codec, Outcome, Suite, SupervisorMode, TransferRefusal};

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When.
    pub at: Wall,
    /// What.
    pub what: What,
}

/// A message or a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A SIP message.
    Message(Message),
    /// Something else that matters.
    Moment(Moment),
}

/// A SIP message: its start line and what a carrier's engineer asks of it first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The leg.
    pub attempt: u16,
    /// From us.
    pub out: bool,
    /// The method, of the CSeq for responses.
    pub verb: Verb,
    /// The status of a response.
    pub status: Option<u16>,
    /// CSeq number.
    pub cseq: u32,
    /// It carries a session description.
    pub sdp: Option<SdpMode>,
    /// The cause of its Reason.
    pub q850: Option<u8>,
    /// Of all its bytes; zero when read from the store.
    pub digest: u32,
    /// Which of the ladder's peers.
    pub peer: u8,
    /// It repeats an earlier one, byte by byte.
    pub again: bool,
}

impl Message {
    /// The same bytes, the same way.
    pub(super) fn is_same(&self, other: &Message) -> bool {
        let face = |m: &Message| (m.digest, m.attempt, m.out, m.verb, m.status, m.cseq);
        face(self) == face(other)
    }

    /// A final answer to this request.
    pub(super) fn answers(&self, request: &Message) -> bool {
        let same = |m: &Message| (m.attempt, m.verb, m.cseq);
        self.status.is_some_and(|status| status >= 200) && self.out != request.out && same(self) == same(request)
    }
}

/// A method, by its place in the list of those that have a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verb(u8);

const VERBS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "PRACK",
    "UPDATE",
    "INFO",
    "REFER",
    "NOTIFY",
    "OPTIONS",
    "REGISTER",
    "MESSAGE",
    "SUBSCRIBE",
    "PUBLISH",
];

impl Verb {
    /// Of a method's name; unknown ones are all one.
    pub fn of(name: &str) -> Verb {
        Verb(VERBS.iter().position(|verb| *verb == name).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        VERBS.get(usize::from(self.0)).copied().unwrap_or("OTHER")
    }
}

/// The direction of a session description, as its sender wrote it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SdpMode {
    /// Both ways.
    SendRecv,
    /// The sender only sends: hold.
    SendOnly,
    /// The sender only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl SdpMode {
    /// Every one.
    pub const ALL: [SdpMode; 4] = [SdpMode::SendRecv, SdpMode::SendOnly, SdpMode::RecvOnly, SdpMode::Inactive];

    /// As in a session description.
    pub fn as_str(self) -> &'static str {
        match self {
            SdpMode::SendRecv => "sendrecv",
            SdpMode::SendOnly => "sendonly",
            SdpMode::RecvOnly => "recvonly",
            SdpMode::Inactive => "inactive",
        }
    }
}

/// What a party hears from us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clip {
    /// "Please hold while we connect you …"
    Message,
    /// "No representative is available."
    Unavailable,
    /// Hold music.
    Music,
    /// The customer is asked to press 1.
    Gate,
    /// A representative is told who calls.
    Whisper,
    /// A machine is left a message.
    Machine,
    /// "This call is recorded."
    Consent,
}

/// What a leg's audio is agreed to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Coding {
    /// In this codec.
    pub codec: Codec,
    /// In packets of so many milliseconds, as we send them.
    pub packet_ms: u16,
    /// Encrypted with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srtp: Option<Suite>,
}

/// Something that happened to the call, beside its messages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The initiation message came.
    Asked,
    /// It is durable: 202.
    Accepted,
    /// It waits for its desired contact time.
    Waits {
        /// Until then.
        until: Wall,
    },
    /// Its time has come.
    Due,
    /// A restart found it in the store.
    Restored,
    /// A leg is dialled.
    Dials {
        /// The leg.
        attempt: u16,
        /// Which of the ladder's switches carries it.
        switch: u8,
        /// Not for the first time: the one before failed.
        again: bool,
    },
    /// A leg failed though no switch refused it.
    Fails {
        /// The leg.
        attempt: u16,
        /// Why (Q.850).
        q850: u8,
    },
    /// Offer and answer of a leg agreed on its audio, or on another one than before.
    Agreed {
        /// The leg.
        attempt: u16,
        /// On this.
        #[serde(flatten)]
        coding: Coding,
    },
    /// What a leg hears of the other one is decoded and encoded anew.
    Transcoded {
        /// The leg that hears.
        attempt: u16,
        /// As it comes.
        from: Codec,
        /// As it is heard.
        to: Codec,
    },
    /// Something is played to a leg.
    Plays {
        /// The leg.
        attempt: u16,
        /// What.
        clip: Clip,
    },
    /// A party was told that the talk is recorded.
    Told {
        /// The leg.
        attempt: u16,
        /// False: it held us, and could not hear it.
        heard: bool,
    },
    /// Who answered at the customer's.
    Judged {
        /// As far as can be heard.
        by: AnsweredBy,
    },
    /// Two legs are joined; whatever played is cut.
    Bridged {
        /// One.
        a: u16,
        /// The other.
        b: u16,
    },
    /// The first packet was relayed towards a leg.
    Heard {
        /// The leg that hears.
        attempt: u16,
    },
    /// Audio does not cross both ways.
    OneWay,
    /// Something is wrong with what comes of a leg, or right again.
    Alarm {
        /// The leg.
        attempt: u16,
        /// What.
        alarm: Alarm,
    },
    /// A leg put the other on hold.
    Held {
        /// Who holds.
        by: u16,
    },
    /// And came back.
    Resumed {
        /// Who had held.
        by: u16,
    },
    /// Digits were sent to a leg (which ones is not kept).
    Digits {
        /// The leg.
        attempt: u16,
        /// How many.
        count: u8,
    },
    /// A leg is replaced by another.
    Transferred {
        /// Who asked for it.
        by: u16,
    },
    /// The transfer that was asked for is refused.
    TransferRefused {
        /// Who asked for it.
        by: u16,
        /// Why.
        why: TransferRefusal,
    },
    /// A supervisor takes part in the talk.
    Supervises {
        /// Its leg.
        attempt: u16,
        /// How.
        mode: SupervisorMode,
    },
    /// The business asked for the end.
    Deleted,
    /// Over.
    Ended {
        /// How.
        outcome: Outcome,
    },
    /// The equipment stopped in the middle: what was sent and received before is lost.
    Lost,
}

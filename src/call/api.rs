//! What the engine tells a call and what a call asks of the engine. Owns the vocabulary of leg events and actions; there is
//! no SIP, SDP or RTP in it.

use std::time::Duration;

use crate::clock::Mono;
pub use crate::model::TransferRefusal;
use crate::model::{
    AnsweredBy, CallState, Cause, Endpoint, Key, MachineTimes, Outcome, Quality, SupervisorMode, TransferId,
};

/// Ordinal of a leg within its call: 0 is the customer.
pub type Attempt = u16;

/// The customer's attempt number at the first try.
pub const CUSTOMER: Attempt = 0;

/// Bounds of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallLimits {
    /// The customer's phone rings at most so long.
    pub customer_ring: Duration,
    /// Each representative's.
    pub representative_ring: Duration,
    /// From the customer's answer to a representative's.
    pub max_hold: Duration,
    /// From the bridge to the end.
    pub max_call: Duration,
    /// A bridged leg may be silent so long.
    pub silence: Duration,
    /// The second message may take so long.
    pub farewell: Duration,
    /// After the bridge, audio must have crossed both ways within this, else the record says so.
    pub audio_proof: Duration,
    /// Whoever is asked to press 1 has so long; a whisper may take so long.
    pub gate: Duration,
    /// How a person and a machine are told apart; [`MachineTimes::within`] is the longest that it takes.
    pub machine: MachineTimes,
    /// From that to the end of a machine's greeting.
    pub greeting: Duration,
    /// A customer who holds is told so each time that so long has passed; zero: never.
    pub still: Duration,
}

/// What kind of failure a leg met: all that the call needs to choose its outcome.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FailureKind {
    /// Busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// Declined.
    Rejected,
    /// No such address, no route, no common codec, no answer from the switch.
    Unreachable,
    /// Our own fault: no port, no capacity.
    Fault,
}

/// What happens to a call.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// Its time has come.
    Due,
    /// The leg rings.
    Ringing(Attempt),
    /// The leg answered and agreed on this codec.
    Answered(Attempt, &'static str),
    /// The leg failed before an answer. Nothing of it is left to hang up.
    Failed(Attempt, FailureKind, Cause),
    /// The leg's party hung up.
    HungUp(Attempt, Cause),
    /// The digits of this leg are dialled.
    DigitsSent(Attempt),
    /// They could not be dialled.
    DigitsFailed(Attempt),
    /// This leg's party pressed a key.
    Pressed(Attempt, Key),
    /// Who answered, as far as can be heard.
    Judged(Attempt, AnsweredBy),
    /// A machine's greeting is over: it records.
    GreetingOver(Attempt),
    /// A party wants the customer to talk with somebody else.
    TransferAsked {
        /// Who asks.
        by: Attempt,
        /// Names the transfer in what is said of it.
        id: TransferId,
        /// With whom; absent: an address that may not be called.
        target: Option<Endpoint>,
    },
    /// The message to this leg ended.
    PlayEnded(Attempt),
    /// The consent message was said to this leg; heard, unless its party held us meanwhile.
    ConsentSaid(Attempt, bool),
    /// No RTP came from this leg for the watched time.
    Silent(Attempt),
    /// Audio was relayed towards this leg.
    FirstRelayed(Attempt),
    /// The leg's port is free; what was measured on it (none if it never had one).
    Released(Attempt, Option<Quality>),
    /// A deadline passed.
    Timer(Timer),
    /// Call distribution has this representative for the customer.
    Found {
        /// Where.
        address: Endpoint,
        /// Nobody comes after this one.
        last: bool,
    },
    /// Call distribution has nobody for the customer.
    NobodyFound,
    /// `DELETE`.
    Cancel,
    /// Its account has no minutes or no money left for it.
    CeilingReached,
    /// The equipment stops.
    Shutdown,
}

/// The call's deadlines. At most one of each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// The leg being dialled has rung long enough.
    Ring,
    /// The customer has held long enough.
    Hold,
    /// They have talked long enough.
    Talk,
    /// The second message has played long enough.
    Farewell,
    /// Audio should have crossed both ways by now.
    AudioProof,
    /// Digits should have been dialled by now.
    Digits,
    /// A key should have been pressed by now.
    Gate,
    /// A supervisor should have answered by now, and its digits have been dialled.
    Supervisor,
    /// It should be known by now who answered, a machine's greeting be over, or the message be left.
    Machine,
    /// A customer who holds is to be told so again.
    Still,
}

impl Timer {
    /// Every one.
    pub const ALL: [Timer; 10] = [
        Timer::Ring,
        Timer::Hold,
        Timer::Talk,
        Timer::Farewell,
        Timer::AudioProof,
        Timer::Digits,
        Timer::Gate,
        Timer::Supervisor,
        Timer::Machine,
        Timer::Still,
    ];
}

/// Why a wish about a supervisor is not granted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum SupervisorRefusal {
    /// Nobody talks.
    #[error("this call is not bridged: there is nobody to listen to")]
    NotBridged,
    /// One is there, or being dialled.
    #[error("this call has a supervisor already")]
    Present,
    /// Enough were dialled.
    #[error("this call has had as many supervisors as it may have")]
    TooMany,
    /// No supervisor of this call has this leg.
    #[error("this call has no such supervisor")]
    NoSuchLeg,
    /// It has gone.
    #[error("this supervisor has gone")]
    Over,
}

/// What became of a transfer: told to the one who asked.
#[derive(Clone, PartialEq, Debug)]
pub enum TransferReport {
    /// The new party's phone rings.
    Ringing,
    /// The customer talks with the new party. The last word.
    Answered,
    /// The new party was not reached. The last word.
    Failed(FailureKind, Cause),
    /// The call ended meanwhile. The last word.
    Abandoned,
}

/// What a call wants done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Take a port and dial. Answered by `Ringing`, `Answered` or `Failed`.
    Dial(Attempt),
    /// End the leg's signalling, in whatever state it is. Nothing more is heard of it.
    HangUp(Attempt, Cause),
    /// Whom call distribution found has handed the customer on and has nothing more to do here.
    RepresentativeLeft,
    /// Find the customer, who has answered, a representative by call distribution; `missed`: the one found last did not come. Answered by
    /// `Found` or `NobodyFound`.
    FindRepresentative {
        /// Another one than the last.
        missed: bool,
    },
    /// Give the leg's port back. Answered by `Released`, always.
    Release(Attempt),
    /// Play the message, then hold music until something else happens. Where the call [tells](super::Call::tells), the consent
    /// message comes first. Answered by `ConsentSaid` then.
    PlayConnecting(Attempt),
    /// Listen who answered. Answered by `Judged`, and where that is a machine by `GreetingOver`.
    Listen(Attempt),
    /// Say nothing until something else happens: somebody is listened to.
    KeepQuiet(Attempt),
    /// Leave a machine the message. Answered by `PlayEnded`.
    LeaveMessage(Attempt),
    /// Ask the customer to press 1, again and again until something else happens.
    PlayGate(Attempt),
    /// Tell a representative once who calls, and where the call [tells](super::Call::tells) the consent message behind it. Answered
    /// by `PlayEnded`, and `ConsentSaid` before it.
    PlayWhisper(Attempt),
    /// Tell a party once that the talk is recorded. Answered by `ConsentSaid`, then `PlayEnded`.
    PlayConsent(Attempt),
    /// Tell a representative who calls and ask for a 1, again and again.
    PlayAccept(Attempt),
    /// Tell the customer, in the midst of the music, that it goes on holding.
    SayStillHolding(Attempt),
    /// Play the second message once.
    PlayUnavailable(Attempt),
    /// Play hold music until something else happens; ends the bridge the leg is in.
    PlayHold(Attempt),
    /// Dial the digits of the leg's address. Answered by `DigitsSent` or `DigitsFailed`.
    SendDigits(Attempt),
    /// Cut what plays and join both.
    Bridge(Attempt, Attempt),
    /// A third party takes part in the talk of these two, customer first, from now on in this mode.
    Supervise { supervisor: Attempt, of: [Attempt; 2], mode: SupervisorMode },
    /// Watch this leg for silence; no time: no longer.
    WatchSilence(Attempt, Option<Duration>),
    /// Answer the party who asked for a transfer; accepted when there is no refusal.
    AnswerTransfer(TransferId, Option<TransferRefusal>),
    /// Tell that party how it goes on.
    ReportTransfer(TransferId, TransferReport),
    /// Set a deadline.
    SetTimer(Timer, Mono),
    /// Drop a deadline.
    CancelTimer(Timer),
    /// The call is in another state.
    Entered {
        /// Left.
        from: CallState,
        /// Entered.
        to: CallState,
    },
    /// A durable mark changed: write it.
    SaveProgress,
    /// Audio does not cross both ways.
    OneWayAudio,
    /// The customer was not reached, and the plan has another try so long after: answered at once by [`super::Call::put_off`] or
    /// [`super::Call::end_tries`].
    TryAgain {
        /// Not sooner.
        after: Duration,
    },
    /// Over, every leg released: make the record.
    Finish(Outcome),
}

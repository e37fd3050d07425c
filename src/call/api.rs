//! What the engine tells a call and what a call asks of the engine. Owns the vocabulary of leg events and actions; there is
//! no SIP, SDP or RTP in it.

use std::time::Duration;

use crate::clock::Mono;
use crate::model::{CallState, Cause, Outcome, Quality};

/// Ordinal of a leg within its call: 0 is the customer.
pub type Attempt = u16;

/// The customer's attempt number.
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
    /// The message to this leg ended.
    PlayEnded(Attempt),
    /// No RTP came from this leg for the watched time.
    Silent(Attempt),
    /// Audio was relayed towards this leg.
    FirstRelayed(Attempt),
    /// The leg's port is free; what was measured on it (none if it never had one).
    Released(Attempt, Option<Quality>),
    /// A deadline passed.
    Timer(Timer),
    /// `DELETE`.
    Cancel,
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
}

/// What a call wants done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Take a port and dial. Answered by `Ringing`, `Answered` or `Failed`.
    Dial(Attempt),
    /// End the leg's signalling, in whatever state it is. Nothing more is heard of it.
    HangUp(Attempt, Cause),
    /// Give the leg's port back. Answered by `Released`, always.
    Release(Attempt),
    /// Play the message, then hold music until something else happens.
    PlayConnecting(Attempt),
    /// Play the second message once.
    PlayUnavailable(Attempt),
    /// Cut what plays and join both.
    Bridge(Attempt, Attempt),
    /// Watch this leg for silence.
    WatchSilence(Attempt, Duration),
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
    /// Over, every leg released: make the record.
    Finish(Outcome),
}

//! What the distribution is told and what it says. Owns this vocabulary; there is no leg, no SIP and no HTTP in it.

use std::time::Duration;

use super::error::Refusal;
use crate::model::{CallId, Endpoint, Need, RepresentativeId, Wish};

/// A customer, named by whoever asks; the equipment takes the identifier of the call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CustomerId(pub u128);

impl From<CallId> for CustomerId {
    fn from(call: CallId) -> CustomerId {
        CustomerId(call.as_u128())
    }
}

/// What happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A representative says what they want, or repeats it: the lease begins anew. A talk that goes on is not touched by it.
    Session {
        /// Who.
        representative: RepresentativeId,
        /// What they want from now on.
        wish: Wish,
        /// Without a word within this they are logged off.
        lease: Duration,
    },
    /// A customer wants to talk with somebody.
    Ask {
        /// Who.
        customer: CustomerId,
        /// With whom.
        need: Need,
        /// How long they have waited already: after a restart they keep their place.
        waited: Duration,
    },
    /// The customer who was [called](Output::CallCustomer) has answered.
    CustomerAnswered {
        /// Who.
        customer: CustomerId,
    },
    /// The representative who was [called](Output::CallRepresentative) and the customer talk.
    Talking {
        /// Who.
        customer: CustomerId,
    },
    /// The representative who was called does not talk with the customer: busy, no answer, declined, not reached.
    Missed {
        /// Who waits for another one now.
        customer: CustomerId,
    },
    /// The customer is gone: the call has ended, wherever it stood.
    Gone {
        /// Who.
        customer: CustomerId,
    },
    /// A deadline passed, see `poll_timeout`.
    Timeout,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Dial this customer now: a representative is kept. Answered by [`Input::CustomerAnswered`] or [`Input::Gone`].
    CallCustomer {
        /// Who.
        customer: CustomerId,
    },
    /// Dial this representative for this customer, who has answered. Answered by [`Input::Talking`], [`Input::Missed`] or
    /// [`Input::Gone`].
    CallRepresentative {
        /// For whom.
        customer: CustomerId,
        /// Who.
        representative: RepresentativeId,
        /// Where.
        address: Endpoint,
    },
    /// Nobody is there for this customer, who is forgotten here: connect them with this address instead.
    Overflow {
        /// Who.
        customer: CustomerId,
        /// Where to.
        address: Endpoint,
    },
    /// Nobody is there for this customer, nor an overflow number; they are forgotten here, and their call is to be ended.
    GivenUp {
        /// Who.
        customer: CustomerId,
        /// Why.
        why: GivenUp,
    },
    /// The input was not taken; nothing changed.
    Refused {
        /// Whose, where it was a customer's.
        customer: Option<CustomerId>,
        /// Why.
        why: Refusal,
    },
    /// A representative is in another state: worth showing.
    Changed {
        /// Who.
        representative: RepresentativeId,
    },
}

/// Why a customer is given up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GivenUp {
    /// Everybody who could is logged off, on a break or set aside, and the customer holds.
    NobodyThere,
    /// As many representatives as may be tried did not answer.
    NobodyAnswered,
    /// The longest wait is over.
    WaitedTooLong,
    /// Nobody told what became of the customer's call.
    Unheard,
}

/// A customer's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait {
    /// 1 is the next to be served of those with the same need; absent while more than a thousand stand before.
    pub position: Option<u32>,
    /// In about how long, where enough was measured.
    pub estimate: Option<Duration>,
}

/// Why `poll_timeout` names a moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// A lease ends.
    Lease,
    /// A representative's rest after a talk ends.
    WrapUp,
    /// A representative who was set aside is called again.
    Aside,
    /// A representative's shift begins or ends, or the clock is looked at, because it may jump.
    Shift,
    /// Somebody who waits may be called ahead.
    Ahead,
    /// A customer's longest wait is over.
    Wait,
    /// It should be known by now what became of a customer's call.
    Unheard,
}

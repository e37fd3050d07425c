//! How calls and legs stand and how they end. Owns the contract's words for states and outcomes, shared by the call record,
//! the metrics and the HTTP answers; refuses SIP: a [`Cause`] carries numbers, not messages.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which of the two parties a leg reaches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person on the web page: phone 38.
    Customer,
    /// The customer service representative: phone 56.
    Representative,
    /// A third party on the conference bridge of peripheral 76.
    Supervisor,
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
        // For the description of the API, which does not see the words below.
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every value, in the contract's order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The contract's word.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// Reads the contract's word.
            pub fn parse(word: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|v| v.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// A call's state, in the order of its life.
    CallState {
        /// Waits for its desired contact time.
        Scheduled = "scheduled",
        /// Due; not yet dialled.
        Queued = "queued",
        /// The customer's phone is dialled.
        CallingCustomer = "calling_customer",
        /// The customer has answered and hears the message while representatives are dialled.
        CallingRepresentative = "calling_representative",
        /// Both talk.
        Bridged = "bridged",
        /// Over.
        Ended = "ended",
    }
}

words! {
    /// How a call ended. Exactly one per call.
    Outcome {
        /// Both talked.
        Completed = "completed",
        /// The customer's phone was busy.
        CustomerBusy = "customer_busy",
        /// The customer did not answer in time.
        CustomerNoAnswer = "customer_no_answer",
        /// The customer declined.
        CustomerRejected = "customer_rejected",
        /// The customer's address could not be reached.
        CustomerUnreachable = "customer_unreachable",
        /// A machine answered in the customer's place.
        CustomerMachine = "customer_machine",
        /// The customer hung up while holding.
        CustomerHungUp = "customer_hung_up",
        /// No representative answered.
        RepresentativeUnavailable = "representative_unavailable",
        /// Cancelled through the API.
        Cancelled = "cancelled",
        /// Its time passed before it could be placed.
        Expired = "expired",
        /// A crash of the equipment cut it.
        Interrupted = "interrupted",
        /// A fault of the equipment.
        Failed = "failed",
    }
}

words! {
    /// A leg's state.
    LegState {
        /// Not dialled (yet).
        Idle = "idle",
        /// Dialled, nothing heard.
        Dialling = "dialling",
        /// Rings.
        Ringing = "ringing",
        /// Answered.
        Answered = "answered",
        /// Over.
        Ended = "ended",
    }
}

/// Why a leg ended, as numbers of the field.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cause {
    /// The final SIP status, where one was received.
    pub sip_status: Option<u16>,
    /// The Q.850 cause value, received (RFC 3326) or mapped from the status.
    pub q850: Option<u8>,
    /// Our words for it.
    pub text: String,
}

impl Cause {
    /// A cause that no SIP status brought.
    pub fn local(q850: u8, text: impl Into<String>) -> Cause {
        Cause { sip_status: None, q850: Some(q850), text: text.into() }
    }

    /// The cause of a leg that was answered: its final status is that of the answer, however the talk ended.
    pub fn after_answer(self) -> Cause {
        Cause { sip_status: self.sip_status.or(Some(200)), ..self }
    }
}

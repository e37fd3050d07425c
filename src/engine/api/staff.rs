//! What businesses, their representatives and operators ask of call distribution, and what they see. Owns these shapes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::acd::{Figures, State};
use crate::clock::Wall;
use crate::model::{BusinessId, QueueView, RepresentativeId, RepresentativeView, Wish};

/// What a business wants of its representatives, or one of these by a token. `shown`: since when that token holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StaffWish {
    /// To know how all stand.
    List,
    /// To know how one stands.
    One {
        /// Who.
        representative: RepresentativeId,
        /// Of the token.
        shown: Option<Wall>,
    },
    /// A representative's word.
    Session {
        /// Who.
        representative: RepresentativeId,
        /// What they want.
        wish: Wish,
        /// For so long without another word.
        lease: Duration,
        /// Of the token.
        shown: Option<Wall>,
    },
    /// A token for this representative: from when it may hold.
    Token {
        /// Who.
        representative: RepresentativeId,
    },
    /// Tokens that this representative has are worthless from now on.
    Revoke {
        /// Who.
        representative: RepresentativeId,
    },
}

impl StaffWish {
    /// Whom it is about.
    pub fn of(&self) -> Option<&RepresentativeId> {
        match self {
            StaffWish::List => None,
            StaffWish::One { representative, .. }
            | StaffWish::Session { representative, .. }
            | StaffWish::Token { representative }
            | StaffWish::Revoke { representative } => Some(representative),
        }
    }

    /// Whose token was shown, and since when it holds.
    pub fn shown(&self) -> Option<(&RepresentativeId, Wall)> {
        match self {
            StaffWish::One { representative, shown } | StaffWish::Session { representative, shown, .. } => {
                shown.map(|since| (representative, since))
            }
            StaffWish::List | StaffWish::Token { .. } | StaffWish::Revoke { .. } => None,
        }
    }
}

/// A business's representatives and who waits for them.
#[derive(Clone, Debug, PartialEq)]
pub struct DeskView {
    /// Whose.
    pub business: BusinessId,
    /// Who waits.
    pub queue: QueueView,
    /// In the account's order.
    pub representatives: Vec<RepresentativeView>,
}

/// Representatives and customers of all businesses.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StaffSums {
    /// How many representatives are in each state, by its word.
    pub states: BTreeMap<&'static str, u64>,
    /// Who waits.
    pub queue: QueueView,
    /// What was counted since the start.
    pub figures: Figures,
}

impl StaffSums {
    /// The words of all states.
    pub const STATES: [&str; 8] = State::WORDS;
}

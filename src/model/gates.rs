//! What a business wants its parties to be asked before they talk. Owns these settings and their words; what follows from a
//! key is `call`'s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MachinePolicy;

/// The gates of a business's calls; none unless it wants them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// The customer presses 1 before anybody else is dialled.
    pub customer: bool,
    /// What a representative meets who answers.
    pub representative: RepresentativeGate,
    /// What is done about a machine that answers in the customer's place.
    pub machine: MachinePolicy,
}

/// What a representative meets between answer and talk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepresentativeGate {
    /// Nothing: the customer at once.
    #[default]
    Off,
    /// Hears once for whom the call is and whence it comes.
    Whisper,
    /// Hears that, and must press 1.
    Accept,
}

impl RepresentativeGate {
    /// Every one.
    pub const ALL: [RepresentativeGate; 3] =
        [RepresentativeGate::Off, RepresentativeGate::Whisper, RepresentativeGate::Accept];

    /// Its word in configuration and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            RepresentativeGate::Off => "off",
            RepresentativeGate::Whisper => "whisper",
            RepresentativeGate::Accept => "accept",
        }
    }
}

impl fmt::Display for RepresentativeGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is none of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not off, whisper or accept")]
pub struct NoSuchGate;

impl FromStr for RepresentativeGate {
    type Err = NoSuchGate;

    fn from_str(word: &str) -> Result<RepresentativeGate, NoSuchGate> {
        RepresentativeGate::ALL.into_iter().find(|gate| gate.as_str() == word).ok_or(NoSuchGate)
    }
}

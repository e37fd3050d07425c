//! Who it is that answered, a person or a machine, and what a business wants done about it. Owns the words and the times; hearing
//! the difference is `audio`'s, and what follows from it `call`'s.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What happens when the customer's phone is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MachinePolicy {
    /// Whoever answers is the customer; nobody listens.
    #[default]
    Off,
    /// Nobody else is dialled before it is known who answered; a machine is hung up.
    HangUp,
    /// The same, but a machine is spoken a message after its greeting.
    LeaveMessage,
    /// The call goes on at once, whoever it is, and the record says who it was.
    GoOn,
}

impl MachinePolicy {
    /// Every one.
    pub const ALL: [MachinePolicy; 4] =
        [MachinePolicy::Off, MachinePolicy::HangUp, MachinePolicy::LeaveMessage, MachinePolicy::GoOn];

    /// Its word in configuration and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            MachinePolicy::Off => "off",
            MachinePolicy::HangUp => "hang_up",
            MachinePolicy::LeaveMessage => "leave_message",
            MachinePolicy::GoOn => "go_on",
        }
    }
}

impl fmt::Display for MachinePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is none of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not off, hang_up, leave_message or go_on")]
pub struct NoSuchPolicy;

impl FromStr for MachinePolicy {
    type Err = NoSuchPolicy;

    fn from_str(word: &str) -> Result<MachinePolicy, NoSuchPolicy> {
        MachinePolicy::ALL.into_iter().find(|policy| policy.as_str() == word).ok_or(NoSuchPolicy)
    }
}

/// Who answered, as far as can be heard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnsweredBy {
    /// Said a few words and waited.
    Person,
    /// Spoke long without waiting, or a tone was heard.
    Machine,
    /// Said nothing, or nothing that tells: taken for a person.
    Unsure,
}

impl AnsweredBy {
    /// Its word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            AnsweredBy::Person => "person",
            AnsweredBy::Machine => "machine",
            AnsweredBy::Unsure => "unsure",
        }
    }
}

/// The times by which a person and a machine are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MachineTimes {
    /// Whoever speaks so long without a pause is a machine.
    pub greeting: Duration,
    /// Whoever is quiet for so long after a shorter greeting is a person.
    pub pause: Duration,
    /// Whoever says nothing for so long will say nothing.
    pub silence: Duration,
    /// From the answer to the verdict at most.
    pub within: Duration,
}

impl MachineTimes {
    /// What fits most languages and networks.
    pub const USUAL: MachineTimes = MachineTimes {
        greeting: Duration::from_millis(2800),
        pause: Duration::from_millis(900),
        silence: Duration::from_millis(2500),
        within: Duration::from_millis(4000),
    };
}

impl Default for MachineTimes {
    fn default() -> MachineTimes {
        MachineTimes::USUAL
    }
}

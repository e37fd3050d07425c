//! How far a supervisor takes part in a talk. Owns the words of the HTTP interface; who hears whom follows in `media`, who may in
//! `call`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a supervisor does in a talk of two others, both of whom it always hears.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SupervisorMode {
    /// Nobody hears it.
    Listen,
    /// The representative hears it, the customer does not.
    Whisper,
    /// Both hear it.
    Join,
}

impl SupervisorMode {
    /// Every one.
    pub const ALL: [SupervisorMode; 3] = [SupervisorMode::Listen, SupervisorMode::Whisper, SupervisorMode::Join];

    /// As in the HTTP interface.
    pub fn as_str(self) -> &'static str {
        match self {
            SupervisorMode::Listen => "listen",
            SupervisorMode::Whisper => "whisper",
            SupervisorMode::Join => "join",
        }
    }

    /// Of its word.
    pub fn parse(word: &str) -> Option<SupervisorMode> {
        SupervisorMode::ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

//! Whether a talk is recorded, and what is said of its recording. Owns the words of the HTTP interface and of the record; refuses files.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a call's talk is recorded, and whether those who talk are told first. Settled when dialling begins: what an account
/// changes meanwhile is for its next calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Taping {
    /// Not recorded.
    #[default]
    Off,
    /// Recorded, and nobody is told by us.
    Untold,
    /// Recorded once both have heard the consent message whole.
    Told,
}

/// How a recording stands, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// The talk goes on.
    Making,
    /// The talk is over, and nothing was known to be missing.
    Made,
    /// Something is missing: the disk failed or was too slow, or a party of a part of the talk had not heard the consent message.
    Incomplete,
    /// Nothing was recorded, though it was to be: somebody who talked had not heard the consent message whole.
    Untold,
}

impl RecordingState {
    /// As in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordingState::Making => "making",
            RecordingState::Made => "made",
            RecordingState::Incomplete => "incomplete",
            RecordingState::Untold => "untold",
        }
    }
}

/// A recording inside the call object and the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Recording)]
pub struct RecordingView {
    /// What its file's name begins with; absent while it is made, and where there is none.
    pub name: Option<String>,
    /// Whole seconds from the first bridge to the end of the customer's leg; absent while it is made, and where there is none.
    pub seconds: Option<u64>,
    /// How it stands.
    pub state: RecordingState,
}

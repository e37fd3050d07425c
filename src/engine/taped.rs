//! Whether a talk is recorded, and what the call object and the record say of it. Owns when it began and whether something of it is missing,
//! as far as is known; refuses files: the last word is the file's own.

use super::{Engine, Live};
use crate::call::Attempt;
use crate::model::{CallId, CallView, RecordingState, RecordingView, Taping};

/// A recording under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Taped {
    failed: bool,
}

impl Engine {
    /// The disk failed, or was too slow: the call goes on.
    pub(super) fn recording_failed(&mut self, call: CallId) {
        if let Some(taped) = self.calls.get_mut(&call).and_then(|live| live.taped.as_mut()) {
            taped.failed = true;
        }
    }
}

/// What the account and the message want of a call that is about to be dialled, and whether its parties are told.
pub(super) fn wanted(live: &Live, equipment_tells: bool) -> Taping {
    match live.business.recording.takes(live.call.message().record) {
        false => Taping::Off,
        true if live.business.voice.tells(equipment_tells) => Taping::Told,
        true => Taping::Untold,
    }
}

/// The customer and this leg are joined: true when what they say is recorded.
pub(super) fn begins(live: &mut Live, with: Attempt) -> bool {
    let takes = live.call.may_tape(with);
    if takes {
        live.taped.get_or_insert(Taped { failed: false });
    }
    takes
}

/// What is seen of it while the call lives.
pub(super) fn shown(live: &Live, mut view: CallView) -> CallView {
    view.recording = live.taped.map(|taped| RecordingView {
        name: None,
        seconds: None,
        state: if taped.failed { RecordingState::Incomplete } else { RecordingState::Making },
    });
    view
}

/// What the record says: from the first bridge to the end of the customer's leg.
pub(super) fn ended(live: &Live) -> Option<RecordingView> {
    let taped = live.taped?;
    let customer = live.call.legs().first()?.end()?.at;
    Some(RecordingView {
        name: Some(live.call.id().to_string()),
        seconds: live.call.bridged_at().map(|at| customer.millis_since(at) / 1000),
        state: if taped.failed { RecordingState::Incomplete } else { RecordingState::Made },
    })
}

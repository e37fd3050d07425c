//! Whether a talk is recorded, and what the call object and the record say of it. Owns when it began, whether something of it is missing and
//! why nothing was made, as far as is known; refuses files: the last word is the file's own.

use super::{Engine, Live};
use crate::call::Attempt;
use crate::model::{CallId, CallView, RecordingState, RecordingView, Taping};

/// A talk that is to be recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taped {
    /// It is; whether something of it is missing.
    Made { missing: bool },
    /// Nothing of it: somebody who talks had not heard the consent message.
    Untold,
}

impl Taped {
    /// The customer talks with another: with nobody who was not told.
    fn goes_on(before: Option<Taped>, told: bool) -> Taped {
        match before {
            None if told => Taped::Made { missing: false },
            Some(Taped::Made { missing }) => Taped::Made { missing: missing || !told },
            Some(Taped::Untold) if told => Taped::Made { missing: true },
            None | Some(Taped::Untold) => Taped::Untold,
        }
    }
}

impl Engine {
    /// The disk failed, or was too slow: the call goes on.
    pub(super) fn recording_failed(&mut self, call: CallId) {
        if let Some(Taped::Made { missing }) = self.calls.get_mut(&call).and_then(|live| live.taped.as_mut()) {
            *missing = true;
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
    if live.call.tapes() {
        live.taped = Some(Taped::goes_on(live.taped, takes));
    }
    takes
}

/// What is seen of it while the call lives.
pub(super) fn shown(live: &Live, mut view: CallView) -> CallView {
    let none = |state| RecordingView { name: None, seconds: None, state };
    view.recording = live.taped.map(|taped| match taped {
        Taped::Made { missing: false } => none(RecordingState::Making),
        Taped::Made { missing: true } => none(RecordingState::Incomplete),
        Taped::Untold => none(RecordingState::Untold),
    });
    view
}

/// What the record says: from the first bridge to the end of the customer's leg.
pub(super) fn ended(live: &Live) -> Option<RecordingView> {
    let state = match live.taped? {
        Taped::Made { missing: false } => RecordingState::Made,
        Taped::Made { missing: true } => RecordingState::Incomplete,
        Taped::Untold => return Some(RecordingView { name: None, seconds: None, state: RecordingState::Untold }),
    };
    let customer = live.call.customer_leg()?.end()?.at;
    Some(RecordingView {
        name: Some(live.call.id().to_string()),
        seconds: live.call.bridged_at().map(|at| customer.millis_since(at) / 1000),
        state,
    })
}

//! Bugs planted in what a supervisor hears, is heard by, and leaves behind. Owns the alterations; which bug is planted and how it must
//! be caught is `planted`'s.

use callbridge::engine::api::{Output, StoreOp};
use callbridge::media::api::{Command, Event};
use callbridge::model::{AttemptRecord, CallRecord, LegId, Role, SupervisorMode};
use callbridge::sip::api::Way;

use super::{Bug, Planted, Told};

/// What passed so far.
#[derive(Default)]
pub(super) struct Memory {
    /// Legs of supervisors, by what was dialled.
    legs: std::collections::BTreeSet<LegId>,
    /// Talks that a supervisor takes part in already.
    seated: std::collections::BTreeSet<LegId>,
}

/// False: this message is never sent.
pub(super) fn sends(planted: &mut Planted, output: &Output) -> bool {
    let Output::Send { bytes, note, .. } = output else { return true };
    let Some(leg) = note.leg.filter(|_| note.way == Way::Out && note.status.is_none()) else { return true };
    if note.method == "INVITE" && bytes.windows(9).take(60).any(|w| w == b"+16465556") {
        planted.supervisors.legs.insert(leg);
    }
    let ends = note.method == "BYE" || note.method == "CANCEL";
    !(planted.bug == Bug::SupervisorLeftBehind && ends && planted.supervisors.legs.contains(&leg))
}

/// What media is told instead; none: the bug is none of these, or not to be seen here.
pub(super) fn instead(planted: &mut Planted, command: &Command) -> Option<(Vec<Output>, Vec<Told>)> {
    let out = |command: Command| Some((vec![Output::Media(command)], vec![]));
    match (planted.bug, command) {
        (Bug::SupervisorNeverSeated, Command::Supervise { .. }) => Some((vec![], vec![])),
        (Bug::ListenerHeard, Command::Supervise { supervisor, customer, representative, .. }) => {
            let (supervisor, customer, representative) = (*supervisor, *customer, *representative);
            out(Command::Supervise { supervisor, customer, representative, mode: SupervisorMode::Join })
        }
        (Bug::WhisperToTheCustomer, Command::Supervise { supervisor, customer, representative, mode }) => {
            let (customer, representative) = (*representative, *customer);
            out(Command::Supervise { supervisor: *supervisor, customer, representative, mode: *mode })
        }
        (Bug::ModeChangeLost, Command::Supervise { supervisor, .. }) => {
            (!planted.supervisors.seated.insert(*supervisor)).then(|| (vec![], vec![]))
        }
        (Bug::SupervisorEndsTheTalk, Command::Close { leg }) if planted.supervisors.legs.contains(leg) => {
            let silent = Event::Silent { leg: LegId { attempt: 0, ..*leg }, lasted: Default::default() };
            Some((vec![Output::Media(command.clone())], vec![Told::Media(silent)]))
        }
        _ => None,
    }
}

/// A supervisor's leg is taken for a representative's.
pub(super) fn mistaken(mut record: Box<CallRecord>, mut attempts: Vec<AttemptRecord>) -> StoreOp {
    record.representative_billable_seconds += std::mem::take(&mut record.supervisor_billable_seconds);
    for attempt in attempts.iter_mut().filter(|attempt| attempt.role == Role::Supervisor) {
        attempt.role = Role::Representative;
    }
    StoreOp::Finish { record, attempts }
}

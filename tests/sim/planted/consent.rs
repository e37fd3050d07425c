//! Bugs planted in what is recorded and who is told of it first. Owns the alterations of commands and records; which bug is planted and
//! how it must be caught is `planted`'s.

use callbridge::engine::api::Output;
use callbridge::media::api::{Clip, Command, Event, Script};
use callbridge::model::{LegId, RecordingState, RecordingView};

use super::{Bug, Told};

/// What media is told instead, and the engine out of turn; none: the bug is none of these, or not to be seen here.
pub(super) fn instead(bug: Bug, command: &Command) -> Option<(Vec<Output>, Vec<Told>)> {
    let out = |commands: Vec<Command>, told: Vec<Event>| {
        let outputs = commands.into_iter().map(Output::Media).collect();
        Some((outputs, told.into_iter().map(Told::Media).collect()))
    };
    match (bug, command) {
        (Bug::RecordLost, Command::Record { .. }) => out(vec![], vec![]),
        (Bug::SidesSwapped, Command::Record { a, b }) => out(vec![Command::Record { a: *b, b: *a }], vec![]),
        (_, Command::Play { leg, script }) if tells(script) => {
            let (leg, play) = (*leg, command.clone());
            let customer = LegId { attempt: 0, ..leg };
            match bug {
                Bug::ConsentAssumed => {
                    let mut script = script.clone();
                    script.once.retain(|clip| !matches!(clip, Clip::Consent(_)));
                    let heard = Event::ConsentSaid { leg, heard: true };
                    out(vec![Command::Play { leg, script }], vec![heard])
                }
                Bug::RecordedFromTheAnswer if leg != customer => {
                    out(vec![Command::Record { a: customer, b: leg }, play], vec![])
                }
                Bug::BridgedUntold if leg != customer => out(vec![play], vec![Event::PlayEnded { leg }]),
                _ => None,
            }
        }
        _ => None,
    }
}

fn tells(script: &Script) -> bool {
    script.once.iter().any(|clip| matches!(clip, Clip::Consent(_)))
}

/// A talk that nobody was told of is said to be kept.
pub(super) fn said_to_be_kept(recording: &mut Option<RecordingView>) {
    if let Some(recording) = recording.as_mut().filter(|recording| recording.state == RecordingState::Untold) {
        recording.state = RecordingState::Made;
    }
}

//! Bugs planted in who answers, what a machine and whoever holds are told, and in which language. Owns the alterations of
//! commands and words of media; which bug is planted and how it must be caught is `planted`'s.

use callbridge::media::api::{Clip, Command, Event, Script, Spoken, Still};
use callbridge::model::AnsweredBy;

use super::Bug;

/// What media is told instead; none: the bug is none of these, or not to be seen here.
pub(super) fn instead(bug: Bug, command: &Command) -> Option<Vec<Command>> {
    match (bug, command) {
        (Bug::StillOverBridge, Command::Bridge { a, b }) => {
            let spoken = Spoken { business: crate::setup::business(), company: "ABC".into(), language: None };
            let script = Script { once: vec![Clip::Still(Still { spoken, minutes: None })], then_loop: None };
            Some(vec![Command::Bridge { a: *a, b: *b }, Command::Play { leg: *a, script }])
        }
        (Bug::NeverSaysStill, Command::Interject { .. }) => Some(vec![]),
        (Bug::NoMessageLeft, Command::Play { script, .. }) if matches!(script.once[..], [Clip::Machine(_)]) => {
            Some(vec![])
        }
        (Bug::WrongLanguage, Command::Play { leg, script }) => {
            let mut script = script.clone();
            for clip in &mut script.once {
                if let Clip::Connecting(spoken) = clip {
                    spoken.language = None;
                }
            }
            Some(vec![Command::Play { leg: *leg, script }])
        }
        _ => None,
    }
}

/// The engine never hears of it.
pub(super) fn unheard(bug: Bug, event: &Event) -> bool {
    bug == Bug::MachineTakenForPerson && matches!(event, Event::AnsweredBy { by: AnsweredBy::Machine, .. })
}

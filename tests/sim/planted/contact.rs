//! Bugs planted in when and how often a customer is called. Owns the alterations of messages, accounts and of what a restart finds; which bug
//! is planted and how it must be caught is `planted`'s.

use callbridge::model::{InitiationMessage, RetryPlan, StoredCall};

use super::Bug;

/// What the engine is asked instead.
pub fn asks(bug: Bug, message: &mut InitiationMessage) {
    match bug {
        Bug::WindowLost => message.asked = None,
        Bug::EndLost => message.expires_at = None,
        _ => {}
    }
}

/// The plan that the engine has of the account instead.
pub fn plan(bug: Bug, plan: &mut RetryPlan) {
    let lists = [&mut plan.busy_seconds, &mut plan.no_answer_seconds];
    match bug {
        Bug::TriedTooOften => plan.max_tries += 1,
        Bug::TriedTooSoon => lists.into_iter().flatten().for_each(|wait| *wait -= 1),
        _ => {}
    }
}

/// What a restart finds instead.
pub fn restore(bug: Bug, open: &mut Vec<StoredCall>) {
    if bug == Bug::LostBetweenTries {
        open.retain(|call| call.progress.next_try_at.is_none());
    }
}

//! The reference: what a call must come to, worked out from the phones' scripts alone, and which stories of phones go with
//! which outcome. Owns expectations; shares no code with the engine.

use std::time::Duration;

use callbridge::model::{Gates, Outcome};
use callbridge::phone::manners::ReliableFlaw;
use callbridge::phone::{Act, AnswerWith, Behaviour, Ending, Story, Then};

use crate::manners::{Upset, upset};
use crate::plan::{Party, Plan, Wish};

/// Closer than this to a bound, either outcome is right.
const MARGIN: Duration = Duration::from_millis(200);

/// What dialling a phone comes to, and after how long.
enum Dialled {
    Up(Duration),
    Refused(Duration, u16),
    Broken(Duration),
    TimedOut,
    TooClose,
}

fn dial(plan: &Plan, behaviour: &Behaviour, limit: Duration) -> Dialled {
    let bounded = |after: Duration, then: Dialled| {
        if after + MARGIN < limit {
            then
        } else if after > limit + MARGIN {
            Dialled::TimedOut
        } else {
            Dialled::TooClose
        }
    };
    match upset(behaviour, &plan.trunk) {
        Some(Upset::Refuses(after, status)) => return bounded(after, Dialled::Refused(after, status)),
        Some(Upset::Unclear) => return Dialled::TooClose,
        None => {}
    }
    match behaviour.then {
        Then::Answer { after, with: AnswerWith::Session, .. } => bounded(after, Dialled::Up(after)),
        Then::Answer { after, .. } => bounded(after, Dialled::Broken(after)),
        Then::Refuse { after, status } => bounded(after, Dialled::Refused(after, status)),
        Then::NeverAnswer | Then::Silent => Dialled::TimedOut,
    }
}

/// The outcome of a wish in a calm world without DELETE; none where it hangs on milliseconds.
pub fn expected(plan: &Plan, wish: &Wish) -> Option<Outcome> {
    if plan.gates != Gates::default() {
        return None;
    }
    let limits = &plan.limits;
    let customer = &wish.customer.behaviour;
    match dial(plan, customer, limits.customer_ring) {
        Dialled::Up(_) => {}
        Dialled::TimedOut => return Some(Outcome::CustomerNoAnswer),
        Dialled::Broken(_) => return Some(Outcome::CustomerUnreachable),
        Dialled::TooClose => return None,
        Dialled::Refused(after, status) => {
            let garbled = customer.reliable.as_ref().is_some_and(|r| r.flaw == Some(ReliableFlaw::Garbage));
            let rang = customer.ring_after.is_some_and(|ring| ring <= after) && !garbled;
            return Some(match status {
                486 | 600 => Outcome::CustomerBusy,
                603 => Outcome::CustomerRejected,
                408 | 480 | 487 if rang => Outcome::CustomerNoAnswer,
                _ => Outcome::CustomerUnreachable,
            });
        }
    }
    let leaves = customer.talk.iter().find(|(_, act)| *act == Act::HangUp).map(|(after, _)| *after);
    let vanishes = customer.talk.iter().find(|(_, act)| *act == Act::Vanish).map(|(after, _)| *after);
    let mut held = Duration::ZERO;
    for representative in &wish.representatives {
        let left = limits.max_hold.saturating_sub(held);
        let (step, up) = match dial(plan, &representative.behaviour, limits.representative_ring.min(left)) {
            Dialled::Up(_) if leaves_while_dialled(representative) => return None,
            Dialled::Up(after) => (after + representative.dialling(), true),
            Dialled::Refused(after, _) | Dialled::Broken(after) => (after, false),
            Dialled::TimedOut => (limits.representative_ring.min(left), false),
            Dialled::TooClose => return None,
        };
        held += step;
        match leaves {
            Some(after) if after + MARGIN < held => return Some(Outcome::CustomerHungUp),
            Some(after) if after < held + MARGIN => return None,
            _ => {}
        }
        // Whoever fell off the network a moment ago may still be taken for present.
        if vanishes.is_some_and(|after| after < held + MARGIN) && up {
            return Some(Outcome::Completed);
        }
        if up {
            return Some(Outcome::Completed);
        }
        if held + MARGIN > limits.max_hold {
            break;
        }
    }
    Some(Outcome::RepresentativeUnavailable)
}

/// Whoever goes while the digits of the extension are dialled was reached or not, by milliseconds.
fn leaves_while_dialled(party: &Party) -> bool {
    let dialling = party.dialling();
    let goes = |act: &Act| matches!(act, Act::HangUp | Act::Vanish);
    !dialling.is_zero() && party.behaviour.talk.iter().any(|(at, act)| goes(act) && *at < dialling + MARGIN)
}

/// True when the customer's own story (none: the phone was never reached) goes with the outcome that was recorded.
/// `lossy`: a refusal or a 200 of the phone may never have arrived. `gated`: it had to press 1.
pub fn customer_agrees(outcome: Outcome, story: Option<&Story>, lossy: bool, gated: bool) -> bool {
    let ending = story.and_then(|s| s.ending);
    let answered = story.is_some_and(|s| s.answered_at.is_some());
    let refused = |statuses: &[u16]| matches!(ending, Some(Ending::Refused(s)) if statuses.contains(&s));
    match outcome {
        Outcome::Completed | Outcome::RepresentativeUnavailable => answered,
        Outcome::CustomerHungUp => answered && matches!(ending, Some(Ending::HungUp | Ending::NoAck)),
        Outcome::CustomerBusy => refused(&[486, 600]),
        Outcome::CustomerRejected => refused(&[603]) || (gated && answered),
        // Cancelled in time, or a 200 that crossed the CANCEL and was hung up at once, or nothing heard at all.
        Outcome::CustomerNoAnswer => {
            let late = matches!(ending, Some(Ending::Cancelled | Ending::WasHungUp | Ending::Forgotten) | None);
            late || (gated && answered)
                || refused(&[480, 408])
                || (lossy && matches!(ending, Some(Ending::Refused(_))))
                || (lossy && answered)
                || story.is_some_and(|s| s.acked_at.is_none() || s.answered_at > s.acked_at)
        }
        Outcome::CustomerUnreachable => {
            refused(&[404, 503, 480, 500, 302, 488, 408]) || answered || ending != Some(Ending::Cancelled)
        }
        Outcome::Cancelled | Outcome::Interrupted | Outcome::Expired | Outcome::Failed | Outcome::CustomerMachine => {
            true
        }
    }
}

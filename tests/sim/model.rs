//! The reference: what a call must come to, worked out from the phones' scripts alone, and which stories of phones go with
//! which outcome. Owns expectations; shares no code with the engine.

use std::time::Duration;

use callbridge::model::{Outcome, RepresentativeGate, Taping};
use callbridge::phone::manners::ReliableFlaw;
use callbridge::phone::{Act, AnswerWith, Behaviour, Ending, Sound, Story, Then};

use crate::consent::CONSENT;
use crate::gates;
use crate::machines::{self, Met};
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
    // The customer leaves first, or it comes to this, or nobody can say.
    let unless_left = |at: Duration, outcome| match leaves {
        Some(after) if after + MARGIN < at => Some(Outcome::CustomerHungUp),
        Some(after) if after < at + MARGIN => None,
        _ => Some(outcome),
    };
    let mut began = match machines::met(plan, &wish.customer) {
        Met::GoesOn(at) => at,
        Met::Machine(at) => return unless_left(at, Outcome::CustomerMachine),
        Met::Unclear => return None,
    };
    if plan.gates.customer {
        began = match gate(plan, &wish.customer, began) {
            Gate::Opens(at) => at,
            Gate::Declines(at) => return unless_left(at, Outcome::CustomerRejected),
            Gate::Closes(at) => return unless_left(at, Outcome::CustomerNoAnswer),
            Gate::Unclear => return None,
        };
    }
    let mut held = Duration::ZERO;
    for representative in &wish.representatives {
        let left = limits.max_hold.saturating_sub(held);
        let (step, mut up) = match dial(plan, &representative.behaviour, limits.representative_ring.min(left)) {
            Dialled::Up(after) => match reached(plan, representative) {
                Gate::Opens(at) => (after + at, true),
                Gate::Declines(at) | Gate::Closes(at) => (after + at, false),
                Gate::Unclear => return None,
            },
            Dialled::Refused(after, _) | Dialled::Broken(after) => (after, false),
            Dialled::TimedOut => (limits.representative_ring.min(left), false),
            Dialled::TooClose => return None,
        };
        held += step;
        if step > left {
            // It was still asked something when the customer had held long enough.
            if step < left + MARGIN {
                return None;
            }
            (held, up) = (limits.max_hold, false);
        }
        match leaves {
            Some(after) if after + MARGIN < began + held => return Some(Outcome::CustomerHungUp),
            Some(after) if after < began + held + MARGIN => return None,
            _ => {}
        }
        // Whoever fell off the network a moment ago may still be taken for present.
        if vanishes.is_some_and(|after| after < began + held + MARGIN) && up {
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

/// What a gate comes to, and how long after the answer.
enum Gate {
    Opens(Duration),
    Declines(Duration),
    Closes(Duration),
    Unclear,
}

/// Somebody who is asked, so long after the answer, to press 1.
fn gate(plan: &Plan, party: &Party, asked: Duration) -> Gate {
    let behaviour = &party.behaviour;
    let closes = asked + plan.limits.gate;
    let mut last: Option<Duration> = None;
    let mut talk = behaviour.talk.clone();
    talk.sort_by_key(|(at, _)| *at);
    for (at, act) in &talk {
        if *at > closes + MARGIN {
            break;
        }
        let key = match act {
            // A key takes the place of sound, and a phone that sends none presses none.
            Act::Digit(_) if behaviour.sound == Sound::Nothing => continue,
            Act::Digit(_) if behaviour.rtp_from_elsewhere || behaviour.early_media => return Gate::Unclear,
            // An offer of the phone names no events: what it presses then is not agreed on.
            Act::Digit(_) if behaviour.reliable.as_ref().is_some_and(|r| r.update) => return Gate::Unclear,
            Act::Digit(key) | Act::InfoDigit { digit: key, .. } => *key,
            Act::HangUp => return Gate::Closes(closes),
            Act::Oddities | Act::Options | Act::Info => continue,
            _ => return Gate::Unclear,
        };
        let hurried = last.is_some_and(|last| *at < last + MARGIN);
        last = Some(*at);
        if *at + MARGIN < asked {
            continue;
        }
        let another = behaviour.talk.iter().any(|(other, act)| {
            matches!(act, Act::Digit(_) | Act::InfoDigit { .. }) && *other > *at && *other < *at + MARGIN
        });
        if hurried || another || *at < asked + MARGIN / 4 || *at + MARGIN > closes {
            return Gate::Unclear;
        }
        return if key == 1 { Gate::Opens(*at) } else { Gate::Declines(*at) };
    }
    Gate::Closes(closes)
}

/// A representative who answered, up to where it is reached: its digits are dialled, and it heard who calls, or accepted.
fn reached(plan: &Plan, party: &Party) -> Gate {
    let arrives = party.dialling();
    let reached = match plan.gates.representative {
        RepresentativeGate::Off => Gate::Opens(arrives),
        RepresentativeGate::Whisper => Gate::Opens(arrives + gates::WHISPER),
        RepresentativeGate::Accept => gate(plan, party, arrives),
    };
    let reached = match reached {
        Gate::Opens(at) if plan.taping == Taping::Told => Gate::Opens(at + CONSENT),
        other => other,
    };
    let (Gate::Opens(at) | Gate::Declines(at) | Gate::Closes(at)) = reached else { return reached };
    if leaves_before(party, at) { Gate::Unclear } else { reached }
}

/// Whoever goes, or wants something else, while its digits are dialled or it is asked something, was reached or not by
/// milliseconds.
fn leaves_before(party: &Party, at: Duration) -> bool {
    let disturbs = |act: &Act| matches!(act, Act::HangUp | Act::Vanish);
    !at.is_zero() && party.behaviour.talk.iter().any(|(after, act)| disturbs(act) && *after < at + MARGIN)
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
        Outcome::CustomerMachine => answered,
        Outcome::Cancelled | Outcome::Interrupted | Outcome::Expired | Outcome::Failed => true,
    }
}

//! Tries one after the other, as the machine sees them.

use super::*;
use crate::model::{Gates, MachinePolicy, RetryPlan};

fn planned(gates: Gates) -> Call {
    let mut call = call(&["+16465550100"]);
    let retry =
        RetryPlan { max_tries: 2, busy_seconds: vec![60], no_answer_seconds: vec![900], machine_seconds: vec![1800] };
    call.message.retry = Some(Box::new(retry));
    call.set_gates(gates);
    call
}

fn after(seconds: u64) -> Action {
    Action::TryAgain { after: Duration::from_secs(seconds) }
}

#[test]
fn a_try_ends_when_its_port_is_back_and_the_next_has_a_leg_of_its_own() {
    let mut call = planned(Gates::default());
    assert_eq!(tell(&mut call, 0, Event::Due), [Action::Dial(0)]);
    assert_eq!(tell(&mut call, 1, Event::Failed(0, FailureKind::Busy, busy())), [Action::Release(0)]);
    assert_eq!(tell(&mut call, 1, Event::Released(0, None)), [after(60)]);
    call.put_off(at(61).wall);
    assert_eq!((call.public_state(), call.next_try_at(), call.tries()), (CallState::Scheduled, Some(at(61).wall), 1));
    assert_eq!((call.progress().started_at, call.progress().tried.len()), (None, 1));
    assert_eq!(tell(&mut call, 61, Event::Due), [Action::Dial(1)]);
    assert_eq!((call.progress().started_at, call.progress().next_try_at), (Some(at(61).wall), None));
    // Late news of the try before.
    assert_eq!(tell(&mut call, 62, Event::Answered(0, "PCMU")), []);
    assert_eq!(tell(&mut call, 63, Event::Answered(1, "PCMU")), [Action::PlayConnecting(1), Action::Dial(2)]);
    assert_eq!(tell(&mut call, 64, Event::Answered(2, "PCMU")), [Action::Bridge(1, 2)]);
    assert_eq!((call.partner(1), call.representative().map(|leg| &leg.address)), (Some(2), call.address_of(2)));
    assert_eq!(call.progress().answered.len(), 1);
}

#[test]
fn whoever_ends_a_call_that_is_ending_wants_no_other_try() {
    let mut call = planned(Gates::default());
    tell(&mut call, 0, Event::Due);
    tell(&mut call, 1, Event::Failed(0, FailureKind::Busy, busy()));
    assert_eq!(tell(&mut call, 1, Event::Cancel), []);
    assert_eq!(tell(&mut call, 1, Event::Released(0, None)), [Action::Finish(Outcome::CustomerBusy)]);
}

#[test]
fn a_machine_that_was_hung_up_is_tried_again_and_one_that_was_left_a_message_is_not() {
    let judged = |policy| {
        let mut call = planned(Gates { machine: policy, ..Gates::default() });
        tell(&mut call, 0, Event::Due);
        tell(&mut call, 1, Event::Answered(0, "PCMU"));
        tell(&mut call, 2, Event::Judged(0, AnsweredBy::Machine));
        if policy == MachinePolicy::LeaveMessage {
            tell(&mut call, 5, Event::GreetingOver(0));
            tell(&mut call, 9, Event::PlayEnded(0));
        }
        tell(&mut call, 9, Event::Released(0, None))
    };
    assert_eq!(judged(MachinePolicy::HangUp), [after(1800)]);
    assert_eq!(judged(MachinePolicy::LeaveMessage), [Action::Finish(Outcome::CustomerMachine)]);
}

#[test]
fn a_call_for_whose_next_try_there_is_no_moment_is_over() {
    let mut call = planned(Gates::default());
    tell(&mut call, 0, Event::Due);
    tell(&mut call, 1, Event::Failed(0, FailureKind::Busy, busy()));
    tell(&mut call, 1, Event::Released(0, None));
    call.end_tries(at(1));
    let actions: Vec<Action> = std::iter::from_fn(|| call.poll_action()).collect();
    assert!(actions.contains(&Action::Finish(Outcome::CustomerBusy)));
    assert_eq!(call.ended(), Some((Outcome::CustomerBusy, at(1).wall)));
}

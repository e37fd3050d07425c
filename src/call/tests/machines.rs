//! Stories of who answers: a person goes on, a machine is hung up, left a message, or borne.

use super::*;
use crate::model::{AnsweredBy, Gates, Key, MachinePolicy};

fn listening(machine: MachinePolicy, gate: bool) -> Call {
    let mut call = call(&["+16465550100"]);
    call.set_gates(Gates { customer: gate, machine, ..Gates::default() });
    tell(&mut call, 0, Event::Due);
    call
}

fn ends_as(call: &mut Call, seconds: u64, outcome: Outcome) {
    let legs = u16::try_from(call.legs().len()).unwrap();
    let end: Vec<Action> = (0..legs).flat_map(|attempt| tell(call, seconds, Event::Released(attempt, None))).collect();
    assert_eq!(end, [Action::Finish(outcome)]);
}

#[test]
fn nobody_is_dialled_and_nothing_said_before_a_person_is_heard() {
    for policy in [MachinePolicy::HangUp, MachinePolicy::LeaveMessage] {
        for by in [AnsweredBy::Person, AnsweredBy::Unsure] {
            let mut call = listening(policy, false);
            assert_eq!(tell(&mut call, 1, Event::Answered(0, "PCMU")), [Action::KeepQuiet(0), Action::Listen(0)]);
            assert_eq!(call.public_state(), CallState::CallingCustomer);
            let on = tell(&mut call, 2, Event::Judged(0, by));
            assert_eq!(on, [Action::PlayConnecting(0), Action::Dial(1)]);
            assert_eq!(call.answered_by(), Some(by));
            assert_eq!(tell(&mut call, 3, Event::Judged(0, AnsweredBy::Machine)), [], "one verdict is enough");
            assert_eq!(tell(&mut call, 3, Event::GreetingOver(0)), []);
            assert_eq!(call.leg(CUSTOMER).unwrap().answered_at(), Some(at(1).wall), "the bill begins at the answer");
        }
    }
}

#[test]
fn a_machine_is_hung_up_where_that_is_wanted() {
    let mut call = listening(MachinePolicy::HangUp, true);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    let end = tell(&mut call, 4, Event::Judged(0, AnsweredBy::Machine));
    assert!(matches!(end.as_slice(), [Action::HangUp(0, _), Action::Release(0)]), "{end:?}");
    ends_as(&mut call, 4, Outcome::CustomerMachine);
    assert_eq!((call.legs().len(), call.detail()), (1, "a machine answered"));
}

#[test]
fn a_machine_is_left_a_message_after_its_greeting() {
    let greeted = || {
        let mut call = listening(MachinePolicy::LeaveMessage, false);
        tell(&mut call, 1, Event::Answered(0, "PCMU"));
        assert_eq!(tell(&mut call, 4, Event::Judged(0, AnsweredBy::Machine)), []);
        call
    };
    let mut call = greeted();
    assert_eq!(tell(&mut call, 5, Event::PlayEnded(0)), [], "of what went before");
    assert_eq!(tell(&mut call, 9, Event::GreetingOver(0)), [Action::LeaveMessage(0)]);
    let end = tell(&mut call, 15, Event::PlayEnded(0));
    assert!(matches!(end.as_slice(), [Action::HangUp(0, _), Action::Release(0)]));
    ends_as(&mut call, 15, Outcome::CustomerMachine);

    // A greeting without an end, and a machine that hangs up: nobody waits for ever.
    let mut call = greeted();
    let end = tell(&mut call, 34, Event::Timer(Timer::Machine));
    assert!(matches!(end.as_slice(), [Action::HangUp(0, _), Action::Release(0)]));
    ends_as(&mut call, 34, Outcome::CustomerMachine);
    let mut call = greeted();
    assert_eq!(tell(&mut call, 7, Event::HungUp(0, Cause::local(16, "bye"))), [Action::Release(0)]);
    ends_as(&mut call, 7, Outcome::CustomerMachine);
}

#[test]
fn without_a_verdict_in_time_it_is_a_person_and_one_who_hangs_up_meanwhile_has_hung_up() {
    let mut call = listening(MachinePolicy::HangUp, false);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    let on = tell(&mut call, 5, Event::Timer(Timer::Machine));
    assert_eq!(on, [Action::PlayConnecting(0), Action::Dial(1)]);
    assert_eq!(call.answered_by(), Some(AnsweredBy::Unsure));

    let mut call = listening(MachinePolicy::HangUp, false);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    assert_eq!(tell(&mut call, 2, Event::HungUp(0, Cause::local(16, "bye"))), [Action::Release(0)]);
    ends_as(&mut call, 2, Outcome::CustomerHungUp);
}

#[test]
fn a_person_meets_the_gate_after_it_was_heard() {
    let mut call = listening(MachinePolicy::HangUp, true);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    assert_eq!(tell(&mut call, 2, Event::Pressed(0, Key::of('1').unwrap())), [], "nothing was asked yet");
    assert_eq!(tell(&mut call, 2, Event::Judged(0, AnsweredBy::Person)), [Action::PlayGate(0)]);
    let on = tell(&mut call, 4, Event::Pressed(0, Key::of('1').unwrap()));
    assert_eq!(on, [Action::PlayConnecting(0), Action::Dial(1)]);
}

#[test]
fn where_the_call_goes_on_nothing_waits_and_the_record_says_who_it_was() {
    let mut call = listening(MachinePolicy::GoOn, false);
    let on = tell(&mut call, 1, Event::Answered(0, "PCMU"));
    assert_eq!(on, [Action::Listen(0), Action::PlayConnecting(0), Action::Dial(1)]);
    assert_eq!(tell(&mut call, 4, Event::Judged(0, AnsweredBy::Machine)), []);
    assert_eq!(tell(&mut call, 8, Event::Answered(1, "PCMU")), [Action::Bridge(0, 1)]);
    assert_eq!(call.view().customer_answered_by, Some(AnsweredBy::Machine));
}

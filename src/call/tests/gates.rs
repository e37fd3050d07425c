//! Stories of gates: who is asked to press 1, and what follows from it.

use super::*;
use crate::model::{Gates, Key, RepresentativeGate};

const TWO: [&str; 2] = ["+16465550100", "+16465550101"];

fn gated(customer: bool, representative: RepresentativeGate) -> Call {
    let mut call = call(&TWO);
    call.set_gates(Gates { customer, representative, ..Gates::default() });
    tell(&mut call, 0, Event::Due);
    call
}

fn pressed(attempt: Attempt, letter: char) -> Event {
    Event::Pressed(attempt, Key::of(letter).unwrap())
}

fn finish(call: &mut Call, seconds: u64) -> Vec<Action> {
    let legs = u16::try_from(call.legs().len()).unwrap();
    (0..legs).flat_map(|attempt| tell(call, seconds, Event::Released(attempt, None))).collect()
}

#[test]
fn nobody_is_dialled_before_the_customer_pressed_1() {
    let mut call = gated(true, RepresentativeGate::Off);
    assert_eq!(tell(&mut call, 1, Event::Answered(0, "PCMU")), [Action::PlayGate(0)]);
    assert_eq!(call.public_state(), CallState::CallingCustomer);
    assert_eq!(tell(&mut call, 4, pressed(0, '1')), [Action::PlayConnecting(0), Action::Dial(1)]);
    assert_eq!(tell(&mut call, 5, pressed(0, '1')), [], "once is enough");
    assert_eq!(tell(&mut call, 6, Event::Timer(Timer::Gate)), []);
    assert_eq!(tell(&mut call, 8, Event::Answered(1, "PCMU")), [Action::Bridge(0, 1)]);
    assert_eq!(call.leg(CUSTOMER).unwrap().answered_at(), Some(at(1).wall), "the bill begins at the answer");
}

#[test]
fn a_customer_who_presses_another_key_has_declined_and_one_who_presses_none_has_not_answered() {
    for letter in "023456789*#ABCD".chars() {
        let mut call = gated(true, RepresentativeGate::Off);
        tell(&mut call, 1, Event::Answered(0, "PCMU"));
        let end = tell(&mut call, 4, pressed(0, letter));
        assert!(matches!(end.as_slice(), [Action::HangUp(0, _), Action::Release(0)]), "{letter}: {end:?}");
        assert_eq!(finish(&mut call, 4), [Action::Finish(Outcome::CustomerRejected)]);
    }
    let mut call = gated(true, RepresentativeGate::Off);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    let end = tell(&mut call, 21, Event::Timer(Timer::Gate));
    assert!(matches!(end.as_slice(), [Action::HangUp(0, _), Action::Release(0)]));
    assert_eq!(finish(&mut call, 21), [Action::Finish(Outcome::CustomerNoAnswer)]);
    assert_eq!(call.legs().len(), 1);
}

#[test]
fn a_customer_who_hangs_up_at_the_gate_has_hung_up() {
    let mut call = gated(true, RepresentativeGate::Off);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    assert_eq!(tell(&mut call, 3, Event::HungUp(0, Cause::local(16, "bye"))), [Action::Release(0)]);
    assert_eq!(finish(&mut call, 3), [Action::Finish(Outcome::CustomerHungUp)]);
}

#[test]
fn a_whisper_is_heard_out_or_cut_by_its_bound_and_then_they_talk() {
    for event in [Event::PlayEnded(1), Event::Timer(Timer::Gate)] {
        let mut call = gated(false, RepresentativeGate::Whisper);
        tell(&mut call, 1, Event::Answered(0, "PCMU"));
        assert_eq!(tell(&mut call, 5, Event::Answered(1, "PCMU")), [Action::PlayWhisper(1)]);
        assert_eq!(call.public_state(), CallState::CallingRepresentative);
        assert_eq!(tell(&mut call, 6, pressed(1, '9')), [], "nothing was asked");
        assert_eq!(tell(&mut call, 7, Event::PlayEnded(0)), [], "the customer's message is another matter");
        assert_eq!(tell(&mut call, 8, event), [Action::Bridge(0, 1)]);
        assert_eq!(call.bridged_at(), Some(at(8).wall));
    }
}

#[test]
fn only_a_representative_who_pressed_1_is_joined_and_the_next_is_tried_else() {
    for event in [pressed(1, '2'), Event::Timer(Timer::Gate)] {
        let mut call = gated(false, RepresentativeGate::Accept);
        tell(&mut call, 1, Event::Answered(0, "PCMU"));
        assert_eq!(tell(&mut call, 5, Event::Answered(1, "PCMU")), [Action::PlayAccept(1)]);
        assert_eq!(tell(&mut call, 6, pressed(0, '1')), [], "the customer's keys open nothing here");
        let next = tell(&mut call, 9, event);
        assert!(matches!(next.as_slice(), [Action::HangUp(1, _), Action::Release(1), Action::Dial(2)]), "{next:?}");
        assert_eq!(tell(&mut call, 9, pressed(1, '1')), [], "too late");
        assert_eq!(tell(&mut call, 11, Event::Answered(2, "PCMU")), [Action::PlayAccept(2)]);
        assert_eq!(tell(&mut call, 13, pressed(2, '1')), [Action::Bridge(0, 2)]);
        assert_eq!(call.leg(1).unwrap().answered_at(), Some(at(5).wall), "its time is billed");
    }
}

#[test]
fn a_representative_who_hangs_up_at_the_gate_gives_way_to_the_next() {
    let mut call = gated(false, RepresentativeGate::Accept);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    tell(&mut call, 5, Event::Answered(1, "PCMU"));
    let next = tell(&mut call, 6, Event::HungUp(1, Cause::local(16, "bye")));
    assert_eq!(next, [Action::Release(1), Action::Dial(2)]);
}

#[test]
fn a_customer_who_hangs_up_or_has_held_long_enough_takes_the_gate_along() {
    let at_gate = || {
        let mut call = gated(false, RepresentativeGate::Accept);
        tell(&mut call, 1, Event::Answered(0, "PCMU"));
        tell(&mut call, 5, Event::Answered(1, "PCMU"));
        call
    };
    let mut call = at_gate();
    let end = tell(&mut call, 6, Event::HungUp(0, Cause::local(16, "bye")));
    assert!(matches!(end.as_slice(), [Action::Release(0), Action::HangUp(1, _), Action::Release(1)]));
    assert_eq!(tell(&mut call, 7, pressed(1, '1')), []);
    assert_eq!(finish(&mut call, 7), [Action::Finish(Outcome::CustomerHungUp)]);
    let mut call = at_gate();
    let end = tell(&mut call, 121, Event::Timer(Timer::Hold));
    assert!(matches!(end.as_slice(), [Action::HangUp(1, _), Action::Release(1), Action::PlayUnavailable(0)]));
    assert_eq!(tell(&mut call, 121, pressed(1, '1')), []);
}

#[test]
fn gates_are_settled_when_dialling_begins() {
    let mut call = gated(false, RepresentativeGate::Off);
    call.set_gates(Gates { customer: true, representative: RepresentativeGate::Accept, ..Gates::default() });
    assert_eq!(tell(&mut call, 1, Event::Answered(0, "PCMU")), [Action::PlayConnecting(0), Action::Dial(1)]);
    assert_eq!(tell(&mut call, 2, Event::Answered(1, "PCMU")), [Action::Bridge(0, 1)]);
}

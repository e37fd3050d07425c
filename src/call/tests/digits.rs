//! Stories of digits that are dialled after an answer.

use super::*;

const EXTENSION: &str = "tel:+16465550100;ext=42";

/// The customer has answered and hears the message; the representative behind a PBX rings.
fn holding(representatives: &[&str]) -> Call {
    let mut call = call(representatives);
    tell(&mut call, 0, Event::Due);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    call
}

#[test]
fn the_bridge_comes_when_the_last_digit_is_dialled_and_the_bill_begins_at_the_answer() {
    let mut call = holding(&[EXTENSION]);
    assert_eq!(tell(&mut call, 5, Event::Answered(1, "PCMU")), [Action::SendDigits(1)], "the message goes on");
    assert_eq!(call.public_state(), CallState::CallingRepresentative);
    assert_eq!(tell(&mut call, 7, Event::DigitsSent(1)), [Action::Bridge(0, 1)]);
    assert_eq!(call.leg(1).unwrap().answered_at(), Some(at(5).wall));
    assert_eq!(call.bridged_at(), Some(at(7).wall));
    assert_eq!(tell(&mut call, 8, Event::DigitsSent(1)), [], "later keys are nobody's business");
}

#[test]
fn digits_that_cannot_be_dialled_reach_nobody() {
    for event in [Event::DigitsFailed(1), Event::Timer(Timer::Digits)] {
        let mut call = holding(&[EXTENSION, "+16465550101"]);
        tell(&mut call, 5, Event::Answered(1, "PCMU"));
        let next = tell(&mut call, 6, event);
        assert!(matches!(next.as_slice(), [Action::HangUp(1, _), Action::Release(1), Action::Dial(2)]), "{next:?}");
        tell(&mut call, 8, Event::Answered(2, "PCMU"));
        assert_eq!(call.representative().unwrap().address.to_string(), "+16465550101", "who was joined counts");
        assert_eq!(call.progress().answered.len(), 2, "both are billed");
    }
}

#[test]
fn a_pbx_that_hangs_up_while_its_digits_are_dialled_is_followed_by_the_next() {
    let mut call = holding(&[EXTENSION]);
    tell(&mut call, 5, Event::Answered(1, "PCMU"));
    let end = tell(&mut call, 6, Event::HungUp(1, busy()));
    assert_eq!(end, [Action::Release(1), Action::PlayUnavailable(0)]);
}

#[test]
fn whoever_ends_the_call_while_digits_are_dialled_ends_all_of_it() {
    let cause = || Cause::local(16, "bye");
    for (event, outcome) in [
        (Event::HungUp(0, cause()), Outcome::CustomerHungUp),
        (Event::Cancel, Outcome::Cancelled),
        (Event::Shutdown, Outcome::Interrupted),
    ] {
        let mut call = holding(&[EXTENSION]);
        tell(&mut call, 5, Event::Answered(1, "PCMU"));
        tell(&mut call, 6, event);
        assert_eq!(tell(&mut call, 6, Event::DigitsSent(1)), []);
        tell(&mut call, 6, Event::Released(0, None));
        assert_eq!(tell(&mut call, 6, Event::Released(1, None)), [Action::Finish(outcome)]);
    }
    let mut call = holding(&[EXTENSION]);
    tell(&mut call, 5, Event::Answered(1, "PCMU"));
    let held_long = tell(&mut call, 121, Event::Timer(Timer::Hold));
    assert!(matches!(held_long.as_slice(), [Action::HangUp(1, _), Action::Release(1), Action::PlayUnavailable(0)]));
}

#[test]
fn a_customer_behind_a_pbx_hears_the_message_after_the_digits() {
    let mut call = call(&["+16465550100"]);
    call.message.customer = Endpoint::parse("tel:+12125550100;postd=p7").unwrap();
    tell(&mut call, 0, Event::Due);
    assert_eq!(tell(&mut call, 1, Event::Answered(0, "PCMU")), [Action::SendDigits(0)]);
    assert_eq!(call.public_state(), CallState::CallingCustomer);
    assert_eq!(tell(&mut call, 4, Event::DigitsSent(0)), [Action::PlayConnecting(0), Action::Dial(1)]);

    call.handle(at(5), Event::HungUp(0, busy()));
    let mut lost = self::call(&["+16465550100"]);
    lost.message.customer = Endpoint::parse("tel:+12125550100;ext=7").unwrap();
    tell(&mut lost, 0, Event::Due);
    tell(&mut lost, 1, Event::Answered(0, "PCMU"));
    tell(&mut lost, 2, Event::DigitsFailed(0));
    assert_eq!(tell(&mut lost, 2, Event::Released(0, None)), [Action::Finish(Outcome::CustomerUnreachable)]);
}

//! Stories of the consent message: who is told, in what order, and that nobody is recorded who was not.

use super::*;
use crate::model::{Gates, Key, RepresentativeGate, Taping};

fn told(representative: RepresentativeGate) -> Call {
    let mut call = call(&["+16465550100", "+16465550101"]);
    call.set_gates(Gates { representative, ..Gates::default() });
    call.set_taping(Taping::Told);
    tell(&mut call, 0, Event::Due);
    assert_eq!(tell(&mut call, 1, Event::Answered(0, "PCMU")), [Action::PlayConnecting(0), Action::Dial(1)]);
    call
}

fn one() -> Key {
    Key::of('1').unwrap()
}

#[test]
fn the_representative_is_dialled_while_the_customer_is_told_and_is_told_at_its_answer() {
    let mut call = told(RepresentativeGate::Off);
    assert_eq!(tell(&mut call, 3, Event::ConsentSaid(0, true)), []);
    assert_eq!(tell(&mut call, 5, Event::Answered(1, "PCMU")), [Action::PlayConsent(1)]);
    assert_eq!(call.public_state(), CallState::CallingRepresentative);
    assert!(!call.may_tape(1));
    assert_eq!(tell(&mut call, 7, Event::ConsentSaid(1, true)), []);
    assert_eq!(tell(&mut call, 7, Event::PlayEnded(1)), [Action::Bridge(0, 1)]);
    assert!(call.may_tape(1));
}

#[test]
fn a_representative_who_is_quicker_than_the_customers_message_waits_for_its_end() {
    let mut call = told(RepresentativeGate::Off);
    tell(&mut call, 1, Event::Answered(1, "PCMU"));
    tell(&mut call, 2, Event::ConsentSaid(1, true));
    assert_eq!(tell(&mut call, 2, Event::PlayEnded(1)), [Action::KeepQuiet(1)]);
    assert_eq!(tell(&mut call, 3, Event::ConsentSaid(0, true)), [Action::Bridge(0, 1)]);
    assert!(call.may_tape(1));
    let mut gone = told(RepresentativeGate::Off);
    tell(&mut gone, 1, Event::Answered(1, "PCMU"));
    tell(&mut gone, 2, Event::PlayEnded(1));
    let next = tell(&mut gone, 2, Event::HungUp(1, Cause::local(16, "bye")));
    assert_eq!(next, [Action::Release(1), Action::Dial(2)], "whoever will not wait gives way to the next");
    assert_eq!(tell(&mut gone, 3, Event::ConsentSaid(0, true)), [], "nobody is there to be joined");
}

#[test]
fn a_whisper_has_it_behind_and_an_accepted_call_has_it_after_the_1() {
    let mut call = told(RepresentativeGate::Whisper);
    tell(&mut call, 3, Event::ConsentSaid(0, true));
    assert_eq!(tell(&mut call, 5, Event::Answered(1, "PCMU")), [Action::PlayWhisper(1)]);
    tell(&mut call, 8, Event::ConsentSaid(1, true));
    assert_eq!(tell(&mut call, 8, Event::PlayEnded(1)), [Action::Bridge(0, 1)]);
    let mut call = told(RepresentativeGate::Accept);
    tell(&mut call, 3, Event::ConsentSaid(0, true));
    assert_eq!(tell(&mut call, 5, Event::Answered(1, "PCMU")), [Action::PlayAccept(1)]);
    assert_eq!(tell(&mut call, 6, Event::Pressed(1, one())), [Action::PlayConsent(1)]);
    assert_eq!(tell(&mut call, 7, Event::Pressed(1, one())), [], "it is not cut by another key");
    tell(&mut call, 8, Event::ConsentSaid(1, true));
    assert_eq!(tell(&mut call, 8, Event::PlayEnded(1)), [Action::Bridge(0, 1)]);
    assert!(call.may_tape(1));
}

#[test]
fn whoever_could_not_hear_it_talks_and_is_not_recorded() {
    // The customer held us; the representative's never ended; the customer's never ended.
    let mut call = told(RepresentativeGate::Off);
    tell(&mut call, 3, Event::ConsentSaid(0, false));
    tell(&mut call, 5, Event::Answered(1, "PCMU"));
    tell(&mut call, 7, Event::ConsentSaid(1, true));
    assert_eq!(tell(&mut call, 7, Event::PlayEnded(1)), [Action::Bridge(0, 1)]);
    assert!(!call.may_tape(1));
    let mut call = told(RepresentativeGate::Off);
    tell(&mut call, 3, Event::ConsentSaid(0, true));
    tell(&mut call, 5, Event::Answered(1, "PCMU"));
    assert_eq!(tell(&mut call, 40, Event::Timer(Timer::Gate)), [Action::Bridge(0, 1)]);
    assert!(!call.may_tape(1));
    let mut call = told(RepresentativeGate::Off);
    tell(&mut call, 5, Event::Answered(1, "PCMU"));
    tell(&mut call, 7, Event::ConsentSaid(1, true));
    assert_eq!(tell(&mut call, 7, Event::PlayEnded(1)), [Action::KeepQuiet(1)]);
    assert_eq!(tell(&mut call, 42, Event::Timer(Timer::Gate)), [Action::Bridge(0, 1)]);
    assert!(!call.may_tape(1));
}

#[test]
fn whom_the_customer_is_transferred_to_is_told_too_and_the_asker_is_not_told_twice() {
    let mut call = told(RepresentativeGate::Off);
    tell(&mut call, 3, Event::ConsentSaid(0, true));
    tell(&mut call, 5, Event::Answered(1, "PCMU"));
    tell(&mut call, 7, Event::ConsentSaid(1, true));
    tell(&mut call, 7, Event::PlayEnded(1));
    let asked = |id| Event::TransferAsked { by: 1, id: TransferId(id), target: Endpoint::parse("+16465550103").ok() };
    tell(&mut call, 10, asked(1));
    assert_eq!(tell(&mut call, 12, Event::Answered(2, "PCMU")), [Action::PlayConsent(2)]);
    let back = tell(&mut call, 13, Event::HungUp(2, Cause::local(16, "bye")));
    assert!(back.contains(&Action::Bridge(0, 1)) && call.may_tape(1), "{back:?}");
    tell(&mut call, 20, asked(2));
    assert_eq!(tell(&mut call, 22, Event::Answered(3, "PCMU")), [Action::PlayConsent(3)]);
    tell(&mut call, 24, Event::ConsentSaid(3, true));
    let joined = tell(&mut call, 24, Event::PlayEnded(3));
    assert!(joined.contains(&Action::Bridge(0, 3)) && call.may_tape(3), "{joined:?}");
}

#[test]
fn a_call_that_is_not_recorded_or_tells_nobody_goes_as_ever() {
    for (taping, taped) in [(Taping::Off, false), (Taping::Untold, true)] {
        let mut call = call(&["+16465550100"]);
        call.set_taping(taping);
        tell(&mut call, 0, Event::Due);
        call.set_taping(Taping::Told);
        tell(&mut call, 1, Event::Answered(0, "PCMU"));
        assert_eq!(
            tell(&mut call, 5, Event::Answered(1, "PCMU")),
            [Action::Bridge(0, 1)],
            "settled when it was dialled"
        );
        assert_eq!(call.may_tape(1), taped);
    }
}

//! Stories of transfers, one for each race.

use super::*;

const ID: TransferId = TransferId(9);

fn bye() -> Cause {
    Cause::local(16, "bye")
}

/// Customer and representative talk since second 2.
fn talking() -> Call {
    let mut call = call(&["+16465550100"]);
    tell(&mut call, 0, Event::Due);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    tell(&mut call, 2, Event::Answered(1, "PCMU"));
    call
}

fn asks(by: Attempt) -> Event {
    Event::TransferAsked { by, id: ID, target: Endpoint::parse("+16465550102").ok() }
}

/// The representative's wish was accepted in second 10: leg 2 is dialled.
fn transferring() -> Call {
    let mut call = talking();
    let begun = tell(&mut call, 10, asks(1));
    assert_eq!(begun, [Action::AnswerTransfer(ID, None), Action::PlayHold(0), Action::Dial(2)]);
    assert_eq!(call.public_state(), CallState::Bridged);
    call
}

fn report(report: TransferReport) -> Action {
    Action::ReportTransfer(ID, report)
}

fn finish(call: &mut Call, seconds: u64) -> Vec<Action> {
    let legs = u16::try_from(call.legs().len()).unwrap();
    (0..legs).flat_map(|leg| tell(call, seconds, Event::Released(leg, None))).collect()
}

#[test]
fn the_customer_talks_with_the_new_party_and_the_asker_is_released() {
    let mut call = transferring();
    assert_eq!(tell(&mut call, 11, Event::Ringing(2)), [report(TransferReport::Ringing)]);
    let done = tell(&mut call, 14, Event::Answered(2, "PCMU"));
    let [Action::Bridge(0, 2), told, Action::HangUp(1, _), Action::Release(1)] = done.as_slice() else {
        panic!("{done:?}")
    };
    assert_eq!(*told, report(TransferReport::Answered));
    assert_eq!(
        (call.transfers(), call.transferred_to().map(ToString::to_string)),
        (1, Some("+16465550102".to_owned()))
    );
    assert_eq!(call.representative().unwrap().answered_at(), Some(at(2).wall), "who was joined first");
    let marks = call.progress().answered;
    assert_eq!(
        marks.iter().map(|mark| (mark.attempt, mark.ended_at.is_some(), mark.transferred)).collect::<Vec<_>>(),
        [(1, true, false), (2, false, true)]
    );
    let end = tell(&mut call, 60, Event::HungUp(2, bye()));
    assert!(matches!(end.as_slice(), [Action::Release(2), Action::HangUp(0, _), Action::Release(0)]));
    assert_eq!(finish(&mut call, 60), [Action::Finish(Outcome::Completed)]);
}

#[test]
fn an_asker_who_hangs_up_before_the_answer_leaves_the_transfer_going() {
    let mut call = transferring();
    assert_eq!(tell(&mut call, 11, Event::HungUp(1, bye())), [Action::Release(1)]);
    let done = tell(&mut call, 14, Event::Answered(2, "PCMU"));
    assert_eq!(done, [Action::Bridge(0, 2), report(TransferReport::Answered)]);
}

#[test]
fn an_asker_who_hangs_up_after_the_answer_changes_nothing() {
    let mut call = transferring();
    tell(&mut call, 14, Event::Answered(2, "PCMU"));
    assert_eq!(tell(&mut call, 14, Event::HungUp(1, bye())), []);
    assert_eq!(call.public_state(), CallState::Bridged);
}

#[test]
fn a_busy_target_gives_the_customer_back() {
    let mut call = transferring();
    let back = tell(&mut call, 12, Event::Failed(2, FailureKind::Busy, busy()));
    let told = report(TransferReport::Failed(FailureKind::Busy, busy()));
    assert_eq!(back, [Action::Release(2), told, Action::Bridge(0, 1)]);
    assert_eq!((call.transfers(), call.transferred_to()), (0, None));
    assert_eq!(tell(&mut call, 20, asks(1))[0], Action::AnswerTransfer(ID, None), "another may be tried");
}

#[test]
fn a_target_that_rings_too_long_is_given_up() {
    let mut call = transferring();
    let back = tell(&mut call, 35, Event::Timer(Timer::Ring));
    let [Action::HangUp(2, _), Action::Release(2), told, Action::Bridge(0, 1)] = back.as_slice() else {
        panic!("{back:?}")
    };
    assert!(matches!(told, Action::ReportTransfer(ID, TransferReport::Failed(FailureKind::NoAnswer, _))));
    assert_eq!(tell(&mut call, 36, Event::Answered(2, "PCMU")), [], "late news");
}

#[test]
fn a_failed_transfer_with_nobody_to_go_back_to_ends_with_the_second_message() {
    let mut call = transferring();
    tell(&mut call, 11, Event::HungUp(1, bye()));
    let lost = tell(&mut call, 12, Event::Failed(2, FailureKind::Busy, busy()));
    let told = report(TransferReport::Failed(FailureKind::Busy, busy()));
    assert_eq!(lost, [Action::Release(2), told, Action::PlayUnavailable(0)]);
    assert_eq!(call.public_state(), CallState::Bridged);
    tell(&mut call, 16, Event::PlayEnded(0));
    assert_eq!(finish(&mut call, 16), [Action::Finish(Outcome::Completed)], "they had talked");
    assert_eq!(call.detail(), "the transfer reached nobody");
}

#[test]
fn the_end_of_the_call_ends_the_transfer() {
    for (event, outcome) in [
        (Event::HungUp(0, bye()), Outcome::Completed),
        (Event::Cancel, Outcome::Completed),
        (Event::Timer(Timer::Talk), Outcome::Completed),
        (Event::Shutdown, Outcome::Interrupted),
    ] {
        let mut call = transferring();
        let end = tell(&mut call, 12, event);
        let told = end.iter().position(|action| *action == report(TransferReport::Abandoned)).unwrap();
        let hung_up = |leg| end.iter().position(|action| matches!(action, Action::HangUp(of, _) if *of == leg));
        assert!(told < hung_up(1).unwrap() && hung_up(2).is_some(), "{end:?}");
        assert_eq!(tell(&mut call, 13, Event::Answered(2, "PCMU")), []);
        assert_eq!(finish(&mut call, 13), [Action::Finish(outcome)]);
    }
}

#[test]
fn only_a_representative_who_talks_may_transfer_and_one_at_a_time() {
    let refused = |why| vec![Action::AnswerTransfer(ID, Some(why))];
    assert_eq!(tell(&mut talking(), 3, asks(0)), refused(TransferRefusal::NotYours));
    assert_eq!(tell(&mut transferring(), 11, asks(0)), refused(TransferRefusal::NotYours));
    assert_eq!(tell(&mut transferring(), 11, asks(1)), refused(TransferRefusal::Pending));
    assert_eq!(tell(&mut talking(), 3, asks(7)), refused(TransferRefusal::NotTalking));
    let barred = Event::TransferAsked { by: 1, id: ID, target: None };
    assert_eq!(tell(&mut talking(), 3, barred), refused(TransferRefusal::Barred));
    let mut over = talking();
    tell(&mut over, 3, Event::Cancel);
    assert_eq!(tell(&mut over, 3, asks(1)), refused(TransferRefusal::NotTalking));
}

#[test]
fn the_new_party_may_hand_on_and_the_chain_is_bounded() {
    let mut call = talking();
    for n in 0..8u16 {
        assert_eq!(tell(&mut call, 10, asks(n + 1))[0], Action::AnswerTransfer(ID, None));
        tell(&mut call, 11, Event::Answered(n + 2, "PCMU"));
    }
    assert_eq!(call.transfers(), 8);
    assert_eq!(tell(&mut call, 12, asks(9)), [Action::AnswerTransfer(ID, Some(TransferRefusal::TooMany))]);
}

#[test]
fn a_target_behind_a_pbx_gets_its_digits_first() {
    let mut call = talking();
    let target = Endpoint::parse("tel:+16465550102;ext=7").ok();
    tell(&mut call, 10, Event::TransferAsked { by: 1, id: ID, target });
    assert_eq!(tell(&mut call, 12, Event::Answered(2, "PCMU")), [Action::SendDigits(2)]);
    let done = tell(&mut call, 13, Event::DigitsSent(2));
    assert!(matches!(done.as_slice(), [Action::Bridge(0, 2), Action::ReportTransfer(..), ..]));

    let mut lost = talking();
    let target = Endpoint::parse("tel:+16465550102;ext=7").ok();
    tell(&mut lost, 10, Event::TransferAsked { by: 1, id: ID, target });
    tell(&mut lost, 12, Event::Answered(2, "PCMU"));
    let back = tell(&mut lost, 13, Event::HungUp(2, bye()));
    assert!(
        matches!(back.as_slice(), [Action::Release(2), Action::ReportTransfer(..), Action::Bridge(0, 1)]),
        "{back:?}"
    );
}

#[test]
fn a_customer_who_falls_silent_during_a_transfer_ends_it() {
    let mut call = transferring();
    assert_eq!(tell(&mut call, 80, Event::Silent(1)), [], "the asker may be gone already");
    let end = tell(&mut call, 81, Event::Silent(0));
    assert!(end.contains(&report(TransferReport::Abandoned)), "{end:?}");
    assert_eq!(call.detail(), "the customer fell silent");
    assert_eq!(finish(&mut call, 81), [Action::Finish(Outcome::Completed)]);
}

#[test]
fn silence_of_the_new_party_is_watched_after_a_transfer() {
    let mut call = transferring();
    tell(&mut call, 81, Event::Answered(2, "PCMU"));
    assert_eq!(tell(&mut call, 82, Event::Silent(1)), [], "the asker is gone");
    tell(&mut call, 150, Event::Silent(2));
    assert_eq!(finish(&mut call, 150), [Action::Finish(Outcome::Completed)]);
}

//! Stories of the two-leg machine, without SIP or media.

mod again;
mod consent;
mod digits;
mod gates;
mod machines;
mod supervisors;
mod transfers;

use std::time::Duration;

use super::*;
use crate::clock::Mono;
use crate::model::{CallState, Cause, MachineTimes, TransferId};

const CALL: [u8; 10] = [7; 10];

fn limits() -> CallLimits {
    CallLimits {
        customer_ring: Duration::from_secs(45),
        representative_ring: Duration::from_secs(25),
        max_hold: Duration::from_secs(120),
        max_call: Duration::from_secs(7200),
        silence: Duration::from_secs(60),
        farewell: Duration::from_secs(15),
        audio_proof: Duration::from_secs(5),
        gate: Duration::from_secs(20),
        machine: MachineTimes::default(),
        greeting: Duration::from_secs(30),
        still: Duration::from_secs(30),
    }
}

fn at(seconds: u64) -> Now {
    Now { mono: Mono(seconds * 1_000_000), wall: Wall(1_000_000 + i64::try_from(seconds).unwrap() * 1000) }
}

fn call(representatives: &[&str]) -> Call {
    let message = InitiationMessage::new(
        "abc".parse().unwrap(),
        Endpoint::parse("+12125550100").unwrap(),
        representatives.iter().map(|r| Endpoint::parse(r).unwrap()).collect(),
    );
    Call::new(CallId::new(Wall(0), CALL), Wall(0), message, limits(), true)
}

/// Feeds an event and returns what the call wants that matters to a story (timers and marks left out).
fn tell(call: &mut Call, seconds: u64, event: Event) -> Vec<Action> {
    call.handle(at(seconds), event);
    std::iter::from_fn(|| call.poll_action())
        .filter(|a| {
            !matches!(
                a,
                Action::SetTimer(..)
                    | Action::CancelTimer(_)
                    | Action::SaveProgress
                    | Action::Entered { .. }
                    | Action::WatchSilence(..)
            )
        })
        .collect()
}

fn busy() -> Cause {
    Cause { sip_status: Some(486), q850: Some(17), text: "busy".into() }
}

#[test]
fn the_representative_is_dialled_only_after_the_customer_answered() {
    let mut call = call(&["+16465550100"]);
    assert_eq!(tell(&mut call, 0, Event::Due), [Action::Dial(0)]);
    assert_eq!(tell(&mut call, 1, Event::Ringing(0)), []);
    assert_eq!(tell(&mut call, 5, Event::Answered(0, "PCMU")), [Action::PlayConnecting(0), Action::Dial(1)]);
    assert_eq!(tell(&mut call, 8, Event::Answered(1, "PCMU")), [Action::Bridge(0, 1)]);
    assert_eq!(call.public_state(), CallState::Bridged);
    let end = tell(&mut call, 68, Event::HungUp(1, Cause::local(16, "bye")));
    assert!(matches!(end.as_slice(), [Action::Release(1), Action::HangUp(0, _), Action::Release(0)]));
    assert_eq!(tell(&mut call, 68, Event::Released(1, None)), []);
    assert_eq!(tell(&mut call, 68, Event::Released(0, None)), [Action::Finish(Outcome::Completed)]);
    assert_eq!(call.bridged_at(), Some(at(8).wall));
    assert_eq!(call.ended(), Some((Outcome::Completed, at(68).wall)));
}

#[test]
fn a_busy_representative_is_followed_by_the_next_and_then_by_the_second_message() {
    let mut call = call(&["+16465550100", "+16465550101"]);
    tell(&mut call, 0, Event::Due);
    tell(&mut call, 1, Event::Answered(0, "PCMA"));
    let next = tell(&mut call, 2, Event::Failed(1, FailureKind::Busy, busy()));
    assert_eq!(next, [Action::Release(1), Action::Dial(2)]);
    let none_left = tell(&mut call, 30, Event::Timer(Timer::Ring));
    assert!(matches!(none_left.as_slice(), [Action::HangUp(2, _), Action::Release(2), Action::PlayUnavailable(0)]));
    for attempt in [1, 2] {
        tell(&mut call, 31, Event::Released(attempt, None));
    }
    let end = tell(&mut call, 36, Event::PlayEnded(0));
    assert!(matches!(end.as_slice(), [Action::HangUp(0, _), Action::Release(0)]));
    assert_eq!(tell(&mut call, 36, Event::Released(0, None)), [Action::Finish(Outcome::RepresentativeUnavailable)]);
}

#[test]
fn a_customer_who_hangs_up_while_holding_takes_the_ringing_representative_along() {
    let mut call = call(&["+16465550100", "+16465550101"]);
    tell(&mut call, 0, Event::Due);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    let end = tell(&mut call, 3, Event::HungUp(0, Cause::local(16, "bye")));
    assert!(matches!(end.as_slice(), [Action::Release(0), Action::HangUp(1, _), Action::Release(1)]));
    // Late news of the dead call rings nobody (field.md 2).
    assert_eq!(tell(&mut call, 3, Event::Failed(1, FailureKind::Busy, busy())), []);
    assert_eq!(tell(&mut call, 3, Event::Answered(1, "PCMU")), []);
    tell(&mut call, 3, Event::Released(0, None));
    assert_eq!(tell(&mut call, 3, Event::Released(1, None)), [Action::Finish(Outcome::CustomerHungUp)]);
}

#[test]
fn each_failure_of_the_customer_has_its_outcome() {
    for (kind, outcome) in [
        (FailureKind::Busy, Outcome::CustomerBusy),
        (FailureKind::NoAnswer, Outcome::CustomerNoAnswer),
        (FailureKind::Rejected, Outcome::CustomerRejected),
        (FailureKind::Unreachable, Outcome::CustomerUnreachable),
        (FailureKind::Fault, Outcome::Failed),
    ] {
        let mut call = call(&["+16465550100"]);
        tell(&mut call, 0, Event::Due);
        assert_eq!(tell(&mut call, 1, Event::Failed(0, kind, busy())), [Action::Release(0)]);
        assert_eq!(tell(&mut call, 1, Event::Released(0, None)), [Action::Finish(outcome)]);
    }
}

#[test]
fn cancelling_before_the_answer_is_cancelled_and_hanging_up_a_talk_is_completed() {
    let mut ringing = call(&["+16465550100"]);
    tell(&mut ringing, 0, Event::Due);
    assert!(matches!(tell(&mut ringing, 1, Event::Cancel).as_slice(), [Action::HangUp(0, _), Action::Release(0)]));
    assert_eq!(tell(&mut ringing, 1, Event::Released(0, None)), [Action::Finish(Outcome::Cancelled)]);

    let mut talking = call(&["+16465550100"]);
    tell(&mut talking, 0, Event::Due);
    tell(&mut talking, 1, Event::Answered(0, "PCMU"));
    tell(&mut talking, 2, Event::Answered(1, "PCMU"));
    tell(&mut talking, 9, Event::Cancel);
    tell(&mut talking, 9, Event::Released(0, None));
    assert_eq!(tell(&mut talking, 9, Event::Released(1, None)), [Action::Finish(Outcome::Completed)]);
}

#[test]
fn a_waiting_call_is_cancelled_without_anybody_being_dialled() {
    let mut call = call(&["+16465550100"]);
    assert_eq!(tell(&mut call, 0, Event::Cancel), [Action::Finish(Outcome::Cancelled)]);
    assert_eq!(tell(&mut call, 1, Event::Due), []);
}

#[test]
fn audio_in_one_direction_only_is_marked() {
    let mut call = call(&["+16465550100"]);
    tell(&mut call, 0, Event::Due);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    tell(&mut call, 2, Event::Answered(1, "PCMU"));
    tell(&mut call, 2, Event::FirstRelayed(0));
    assert_eq!(tell(&mut call, 7, Event::Timer(Timer::AudioProof)), [Action::OneWayAudio]);
    assert!(call.one_way_audio());
}

#[test]
fn a_clock_that_jumps_bends_no_duration() {
    let mut call = call(&["+16465550100"]);
    tell(&mut call, 0, Event::Due);
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    let jumped = Now { mono: at(11).mono, wall: Wall(0) };
    call.handle(jumped, Event::HungUp(0, Cause::local(16, "bye")));
    let leg = call.leg(CUSTOMER).unwrap();
    assert_eq!(leg.end().unwrap().at.millis_since(leg.answered_at().unwrap()), 10_000);
}

#[test]
fn a_customer_who_holds_is_told_so_again_and_again_until_somebody_answers() {
    let mut call = call(&["+16465550100", "+16465550101"]);
    tell(&mut call, 0, Event::Due);
    assert_eq!(tell(&mut call, 0, Event::Timer(Timer::Still)), [], "nobody holds yet");
    tell(&mut call, 1, Event::Answered(0, "PCMU"));
    assert_eq!(tell(&mut call, 31, Event::Timer(Timer::Still)), [Action::SayStillHolding(0)]);
    tell(&mut call, 40, Event::Failed(1, FailureKind::Busy, busy()));
    call.handle(at(61), Event::Timer(Timer::Still));
    let next = std::iter::from_fn(|| call.poll_action()).collect::<Vec<_>>();
    assert_eq!(next, [Action::SayStillHolding(0), Action::SetTimer(Timer::Still, at(91).mono)]);
    tell(&mut call, 70, Event::Answered(2, "PCMU"));
    assert_eq!(tell(&mut call, 91, Event::Timer(Timer::Still)), []);
}

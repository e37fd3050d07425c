//! Stories of a supervisor: comes, changes, goes, fails, and is never what the talk depends on.

use super::*;
use crate::model::{Role, SupervisorMode};

const SUPERVISOR: &str = "+16465550109";

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

fn ask(call: &mut Call, seconds: u64, mode: SupervisorMode) -> Result<Attempt, SupervisorRefusal> {
    call.invite_supervisor(at(seconds), Endpoint::parse(SUPERVISOR).unwrap(), mode)
}

fn actions(call: &mut Call) -> Vec<Action> {
    let noise = |a: &Action| matches!(a, Action::SetTimer(..) | Action::CancelTimer(_) | Action::SaveProgress);
    std::iter::from_fn(|| call.poll_action()).filter(|action| !noise(action)).collect()
}

/// Leg 2 was asked for in second 10 and answered in second 12.
fn supervised(mode: SupervisorMode) -> Call {
    let mut call = talking();
    assert_eq!(ask(&mut call, 10, mode), Ok(2));
    assert_eq!(actions(&mut call), [Action::Dial(2)]);
    assert_eq!(tell(&mut call, 11, Event::Ringing(2)), []);
    assert_eq!(tell(&mut call, 12, Event::Answered(2, "PCMA")), [supervise(2, 1, mode)]);
    call
}

fn supervise(supervisor: Attempt, with: Attempt, mode: SupervisorMode) -> Action {
    Action::Supervise { supervisor, of: [0, with], mode }
}

fn finish(call: &mut Call, seconds: u64) -> Vec<Action> {
    let legs = u16::try_from(call.legs().len()).unwrap();
    (0..legs).flat_map(|leg| tell(call, seconds, Event::Released(leg, None))).collect()
}

#[test]
fn a_supervisor_comes_only_to_a_talk_and_one_at_a_time() {
    let refused = |call: &mut Call, seconds| ask(call, seconds, SupervisorMode::Listen).unwrap_err();
    let mut early = call(&["+16465550100"]);
    assert_eq!(refused(&mut early, 0), SupervisorRefusal::NotBridged);
    tell(&mut early, 0, Event::Due);
    tell(&mut early, 1, Event::Answered(0, "PCMU"));
    assert_eq!(refused(&mut early, 1), SupervisorRefusal::NotBridged);
    assert_eq!(actions(&mut early), []);
    let mut call = supervised(SupervisorMode::Listen);
    assert_eq!(refused(&mut call, 13), SupervisorRefusal::Present);
    tell(&mut call, 14, Event::HungUp(2, bye()));
    assert_eq!(ask(&mut call, 15, SupervisorMode::Join), Ok(3), "another may come");
    tell(&mut call, 16, Event::Cancel);
    assert_eq!(refused(&mut call, 17), SupervisorRefusal::NotBridged);
}

#[test]
fn the_number_of_supervisors_of_one_call_is_bounded() {
    let mut call = talking();
    for n in 0..u16::try_from(MAX_SUPERVISORS).unwrap() {
        assert_eq!(ask(&mut call, 10, SupervisorMode::Listen), Ok(n + 2));
        tell(&mut call, 11, Event::Failed(n + 2, FailureKind::Busy, busy()));
    }
    assert_eq!(ask(&mut call, 12, SupervisorMode::Listen), Err(SupervisorRefusal::TooMany));
}

#[test]
fn a_mode_is_changed_at_once_and_a_supervisor_who_still_rings_comes_in_the_last_one() {
    let mut call = supervised(SupervisorMode::Listen);
    assert_eq!(call.change_supervisor(2, SupervisorMode::Whisper), Ok(()));
    assert_eq!(actions(&mut call), [supervise(2, 1, SupervisorMode::Whisper)]);
    assert_eq!(call.change_supervisor(2, SupervisorMode::Whisper), Ok(()));
    assert_eq!(actions(&mut call), [], "nothing changes");
    assert_eq!(call.change_supervisor(1, SupervisorMode::Join), Err(SupervisorRefusal::NoSuchLeg));
    let mut ringing = talking();
    ask(&mut ringing, 10, SupervisorMode::Listen).unwrap();
    actions(&mut ringing);
    assert_eq!(ringing.change_supervisor(2, SupervisorMode::Join), Ok(()));
    assert_eq!(actions(&mut ringing), []);
    assert_eq!(tell(&mut ringing, 12, Event::Answered(2, "PCMU")), [supervise(2, 1, SupervisorMode::Join)]);
}

#[test]
fn a_supervisor_who_goes_is_sent_away_or_fails_leaves_the_talk_as_it_is() {
    let gone = |call: &mut Call| {
        assert_eq!(call.public_state(), CallState::Bridged);
        assert_eq!(call.partner(0), Some(1));
        assert_eq!(call.change_supervisor(2, SupervisorMode::Join), Err(SupervisorRefusal::Over));
        assert_eq!(call.dismiss_supervisor(at(30), 2), Err(SupervisorRefusal::Over));
    };
    let mut call = supervised(SupervisorMode::Join);
    assert_eq!(tell(&mut call, 20, Event::HungUp(2, bye())), [Action::Release(2)]);
    gone(&mut call);
    let mut call = supervised(SupervisorMode::Join);
    assert_eq!(call.dismiss_supervisor(at(20), 2), Ok(()));
    assert!(matches!(actions(&mut call).as_slice(), [Action::HangUp(2, _), Action::Release(2)]));
    gone(&mut call);
    let mut call = talking();
    ask(&mut call, 10, SupervisorMode::Join).unwrap();
    actions(&mut call);
    assert_eq!(tell(&mut call, 11, Event::Failed(2, FailureKind::Busy, busy())), [Action::Release(2)]);
    gone(&mut call);
    let mut call = talking();
    ask(&mut call, 10, SupervisorMode::Join).unwrap();
    actions(&mut call);
    let late = tell(&mut call, 35, Event::Timer(Timer::Supervisor));
    assert!(matches!(late.as_slice(), [Action::HangUp(2, _), Action::Release(2)]));
    gone(&mut call);
    assert_eq!(tell(&mut call, 36, Event::Answered(2, "PCMU")), [], "late news");
    assert_eq!(call.detail(), "", "it is not why the call ends");
}

#[test]
fn the_end_of_the_talk_ends_the_supervisor_wherever_it_stands() {
    for ringing in [true, false] {
        for event in [
            Event::HungUp(0, bye()),
            Event::HungUp(1, bye()),
            Event::Cancel,
            Event::Timer(Timer::Talk),
            Event::Silent(1),
            Event::Shutdown,
        ] {
            let mut call = if ringing { talking() } else { supervised(SupervisorMode::Join) };
            if ringing {
                ask(&mut call, 10, SupervisorMode::Join).unwrap();
                actions(&mut call);
            }
            let end = tell(&mut call, 60, event.clone());
            assert!(end.iter().any(|action| matches!(action, Action::HangUp(2, _))), "{event:?}: {end:?}");
            assert_eq!(tell(&mut call, 61, Event::Answered(2, "PCMU")), []);
            assert!(matches!(finish(&mut call, 61).as_slice(), [Action::Finish(_)]));
            assert_eq!(call.ended().unwrap().1, at(60).wall, "it prolongs nothing");
        }
    }
}

#[test]
fn a_supervisor_stays_through_a_transfer_and_goes_when_nobody_is_left_to_talk() {
    let id = TransferId(4);
    let target = Endpoint::parse("+16465550102").ok();
    let mut call = supervised(SupervisorMode::Whisper);
    tell(&mut call, 20, Event::TransferAsked { by: 1, id, target: target.clone() });
    assert_eq!(tell(&mut call, 21, Event::TransferAsked { by: 2, id, target: target.clone() }).len(), 1, "refused");
    assert_eq!(call.change_supervisor(2, SupervisorMode::Join), Ok(()));
    assert_eq!(actions(&mut call), [], "nobody talks now");
    let done = tell(&mut call, 24, Event::Answered(3, "PCMU"));
    assert_eq!(done[..2], [Action::Bridge(0, 3), supervise(2, 3, SupervisorMode::Join)]);

    let mut call = supervised(SupervisorMode::Whisper);
    tell(&mut call, 20, Event::TransferAsked { by: 1, id, target });
    tell(&mut call, 21, Event::HungUp(1, bye()));
    let lost = tell(&mut call, 22, Event::Failed(3, FailureKind::Busy, busy()));
    assert!(lost.iter().any(|action| matches!(action, Action::HangUp(2, _))), "{lost:?}");
    assert_eq!(lost.last(), Some(&Action::PlayUnavailable(0)));
}

#[test]
fn digits_of_a_supervisors_address_are_dialled_before_it_listens() {
    let mut call = talking();
    let address = Endpoint::parse("tel:+16465550109;ext=42").unwrap();
    assert_eq!(call.invite_supervisor(at(10), address, SupervisorMode::Listen), Ok(2));
    actions(&mut call);
    assert_eq!(tell(&mut call, 12, Event::Answered(2, "PCMU")), [Action::SendDigits(2)]);
    assert_eq!(tell(&mut call, 13, Event::DigitsSent(2)), [supervise(2, 1, SupervisorMode::Listen)]);
    let mut failing = talking();
    let address = Endpoint::parse("tel:+16465550109;ext=42").unwrap();
    failing.invite_supervisor(at(10), address, SupervisorMode::Listen).unwrap();
    actions(&mut failing);
    tell(&mut failing, 12, Event::Answered(2, "PCMU"));
    let given_up = tell(&mut failing, 13, Event::DigitsFailed(2));
    assert!(matches!(given_up.as_slice(), [Action::HangUp(2, _), Action::Release(2)]));
}

#[test]
fn an_answered_supervisor_is_a_durable_mark_of_its_own_kind() {
    let mut call = supervised(SupervisorMode::Listen);
    let marks = |call: &Call| -> Vec<_> {
        call.progress().answered.iter().map(|mark| (mark.attempt, mark.role, mark.ended_at)).collect()
    };
    assert_eq!(marks(&call), [(1, Role::Representative, None), (2, Role::Supervisor, None)]);
    tell(&mut call, 20, Event::HungUp(2, bye()));
    assert_eq!(marks(&call)[1], (2, Role::Supervisor, Some(at(20).wall)));
    assert_eq!(call.representative().unwrap().role, Role::Representative);
    let views = call.view().supervisors;
    assert_eq!((views.len(), views[0].leg, views[0].mode), (1, 2, Some(SupervisorMode::Listen)));
}

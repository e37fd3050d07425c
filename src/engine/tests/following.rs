//! Who follows a call is told each state it enters, once, in order, and its end when the record is durable.

use super::*;
use crate::engine::api::After;
use crate::model::{Alarm, CallState, LegId};

impl Rig {
    /// Follows the last call from this number on; gives the name of the waiting.
    fn watch(&mut self, after: u32) -> ReplyTo {
        self.replies += 1;
        let reply = ReplyTo(1_000 + self.replies);
        let call = self.last.unwrap();
        self.give(Input::Watch {
            reply,
            business: "abc".parse().unwrap(),
            call,
            after: After { sequence: after, alarms: Some(0) },
        });
        reply
    }

    /// What this waiting was answered with: numbers and states.
    #[track_caller]
    fn heard(&self, reply: ReplyTo) -> Vec<(u32, CallState)> {
        let (_, watched) = self.told.iter().find(|(to, _)| *to == reply).expect("an answer");
        let watched = watched.as_ref().expect("a call that lives");
        watched.events.iter().map(|event| (event.sequence, event.state)).collect()
    }

    fn waits(&self, reply: ReplyTo) -> bool {
        self.told.iter().all(|(to, _)| *to != reply)
    }
}

#[test]
fn a_follower_is_told_what_was_before_it_came_and_then_each_state_as_it_comes() {
    let mut rig = Rig::new(vec![switch("first", 1)]);
    rig.call();
    let first = rig.watch(0);
    assert_eq!(rig.heard(first), [(1, CallState::Queued), (2, CallState::CallingCustomer)]);
    let next = rig.watch(2);
    assert!(rig.waits(next));
    let (to, invite) = rig.next("INVITE");
    rig.accept(&to, &invite);
    assert_eq!(rig.heard(next), [(3, CallState::CallingRepresentative)]);
    let last = rig.watch(3);
    rig.delete();
    let (to, bye) = rig.next("BYE");
    rig.answer(&to, &bye, 200, "");
    rig.pass(40_000);
    let end = rig.heard(last);
    assert_eq!(end.len(), 1);
    assert_eq!(end[0].1, CallState::Ended);
    assert_eq!(end[0].0, 6, "above all that any call can be told before");
    rig.assert_nothing_left();
}

#[test]
fn one_who_comes_again_is_told_only_what_it_does_not_know() {
    let mut rig = Rig::new(vec![switch("first", 1)]);
    rig.call();
    let again = rig.watch(1);
    assert_eq!(rig.heard(again), [(2, CallState::CallingCustomer)]);
}

#[test]
fn another_business_and_an_ended_call_have_nothing_to_follow() {
    let mut rig = Rig::new(vec![switch("first", 1)]);
    rig.call();
    let call = rig.last.unwrap();
    rig.give(Input::Watch { reply: ReplyTo(5), business: "other".parse().unwrap(), call, after: After::default() });
    assert_eq!(rig.told, [(ReplyTo(5), None)]);
    let (to, invite) = rig.next("INVITE");
    rig.answer(&to, &invite, 486, "");
    rig.pass(40_000);
    let late = rig.watch(0);
    assert_eq!(rig.told.last(), Some(&(late, None)));
}

#[test]
fn followers_that_went_away_make_room_for_new_ones() {
    let mut rig = Rig::new(vec![switch("first", 1)]);
    rig.call();
    let first = rig.watch(2);
    for _ in 0..31 {
        rig.watch(2);
    }
    assert!(rig.waits(first));
    let newest = rig.watch(2);
    assert_eq!(rig.heard(first), [], "asked to come again");
    assert!(rig.waits(newest));
}

#[test]
fn alarms_are_told_as_they_come_behind_the_states_whose_numbers_they_leave_alone() {
    let mut rig = Rig::new(vec![switch("first", 1)]);
    rig.call();
    for _ in 0..2 {
        let (to, invite) = rig.next("INVITE");
        rig.accept(&to, &invite);
    }
    let call = rig.last.unwrap();
    let ask = |rig: &mut Rig, reply, sequence, alarms| {
        let after = After { sequence, alarms };
        rig.give(Input::Watch { reply: ReplyTo(reply), business: "abc".parse().unwrap(), call, after });
    };
    let told = |rig: &Rig, reply| {
        let (_, watched) = rig.told.iter().find(|(to, _)| *to == ReplyTo(reply)).expect("an answer");
        let watched = watched.clone().expect("a call that lives");
        let states: Vec<u32> = watched.events.iter().map(|event| event.sequence).collect();
        let alarms: Vec<_> = watched.alarms.iter().map(|event| (event.number, event.after, event.alarm)).collect();
        (states, alarms)
    };
    let alarm = |rig: &mut Rig, alarm| {
        rig.give(Input::Media(Event::Alarm { leg: LegId { call, attempt: 1 }, alarm }));
    };
    ask(&mut rig, 50, 4, None);
    alarm(&mut rig, Alarm::OneWay);
    assert_eq!(told(&rig, 50), (vec![], vec![(1, 4, Alarm::OneWay)]), "whoever waits is told at once");
    alarm(&mut rig, Alarm::Heard);
    ask(&mut rig, 51, 4, Some(1));
    assert_eq!(told(&rig, 51), (vec![], vec![(2, 4, Alarm::Heard)]), "and one who comes again what it missed");
    ask(&mut rig, 52, 2, None);
    assert_eq!(
        told(&rig, 52),
        (vec![3, 4], vec![(1, 4, Alarm::OneWay), (2, 4, Alarm::Heard)]),
        "a new stream all of it"
    );
    ask(&mut rig, 53, 4, Some(2));
    assert!(rig.told.iter().all(|(to, _)| *to != ReplyTo(53)), "nothing is new");
    for _ in 0..100 {
        alarm(&mut rig, Alarm::Bad);
    }
    ask(&mut rig, 54, 0, None);
    let (states, alarms) = told(&rig, 54);
    assert_eq!((states, alarms.len(), alarms[31].0), (vec![1, 2, 3, 4], 32, 102), "the newest are kept");
}

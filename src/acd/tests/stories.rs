//! Stories: one behaviour each.

use std::time::Duration;

use super::world::{NOON, Seen, World, id, one, seconds, staff};
use crate::acd::{CustomerId, GivenUp, Input, Output, Refusal, State, Wish};
use crate::clock::Wall;
use crate::model::{Endpoint, Hours, Need, Staffing};

fn anybody() -> Need {
    Need::default()
}

fn knows(skill: &str) -> Need {
    Need::skill(skill.parse().unwrap())
}

#[test]
fn a_customer_is_dialled_when_somebody_is_free_and_the_representative_only_after_the_answer() {
    let mut world = World::everybody(staff(&["anna"]));
    world.ask(1, &anybody());
    assert_eq!(world.said, [Output::CallCustomer { customer: CustomerId(1) }]);
    assert!(matches!(world.state("anna"), State::Promised { customer: CustomerId(1), .. }));
    world.answers(1);
    assert!(
        matches!(&world.said[..], [Output::CallRepresentative { representative, .. }] if *representative == id("anna"))
    );
    assert_eq!(world.state("anna").as_str(), "ringing");
    world.talks(1);
    assert_eq!(world.state("anna").as_str(), "busy");
    world.goes(1);
    assert_eq!(world.state("anna").as_str(), "wrap_up");
    world.pass(seconds(10));
    assert_eq!(world.state("anna").as_str(), "available");
}

#[test]
fn nobody_is_dialled_while_nobody_is_there_and_who_logs_on_gets_the_first() {
    let mut world = World::new(staff(&["anna"]));
    world.ask(1, &anybody());
    world.ask(2, &anybody());
    assert!(world.dialled.is_empty());
    assert_eq!(world.desk.wait(CustomerId(2)).unwrap().position, Some(2));
    world.word(id("anna"), Wish::Available, seconds(60));
    assert_eq!(world.dialled, [CustomerId(1)]);
    assert_eq!(world.desk.wait(CustomerId(2)).unwrap().position, Some(1));
}

#[test]
fn a_representative_who_does_not_answer_is_set_aside_and_the_next_is_called() {
    let mut world = World::everybody(staff(&["anna", "bert"]));
    world.ask(1, &anybody());
    world.answers(1);
    world.misses(1);
    assert_eq!(world.called, [id("anna"), id("bert")]);
    assert_eq!(world.state("anna").as_str(), "set_aside");
    world.talks(1);
    world.pass(seconds(60));
    assert_eq!(world.state("anna").as_str(), "available");
}

#[test]
fn who_was_set_aside_is_back_when_they_say_so_and_not_by_renewing_their_lease() {
    let mut world = World::everybody(staff(&["anna", "bert"]));
    world.ask(1, &anybody());
    world.answers(1);
    world.misses(1);
    world.word(id("anna"), Wish::Available, seconds(600));
    assert_eq!(world.state("anna").as_str(), "set_aside");
    world.word(id("anna"), Wish::Break, seconds(600));
    world.word(id("anna"), Wish::Available, seconds(600));
    assert_eq!(world.state("anna").as_str(), "available");
}

#[test]
fn when_all_are_set_aside_a_customer_who_holds_goes_to_the_overflow_number_or_is_given_up() {
    let overflow = Endpoint::parse("+12125550109").unwrap();
    for number in [Some(overflow), None] {
        let mut world = World::everybody(Staffing { overflow: number.clone(), ..staff(&["anna"]) });
        world.ask(1, &anybody());
        world.answers(1);
        world.misses(1);
        let customer = CustomerId(1);
        assert_eq!(
            world.said,
            [match number {
                Some(address) => Output::Overflow { customer, address },
                None => Output::GivenUp { customer, why: GivenUp::NobodyThere },
            }]
        );
    }
}

#[test]
fn with_an_overflow_number_nobody_waits_for_who_is_not_there() {
    let overflow = Some(Endpoint::parse("+12125550109").unwrap());
    let mut world = World::new(Staffing { overflow, ..staff(&["anna"]) });
    world.ask(1, &anybody());
    assert!(matches!(world.said[..], [Output::Overflow { .. }]));
    world.word(id("anna"), Wish::Available, seconds(600));
    world.serve(2, &anybody());
    world.ask(3, &anybody());
    assert!(world.said.is_empty(), "anna is there, and busy");
    world.word(id("anna"), Wish::LoggedOff, Duration::ZERO);
    assert!(matches!(world.said[..], [Output::Overflow { customer: CustomerId(3), .. }]));
    assert_eq!(world.state("anna").as_str(), "busy", "her talk goes on");
}

#[test]
fn as_many_representatives_are_tried_as_may_be() {
    let mut world = World::everybody(Staffing { max_offers: 2, ..staff(&["anna", "bert", "cleo"]) });
    world.ask(1, &anybody());
    world.answers(1);
    world.misses(1);
    world.misses(1);
    assert_eq!(world.called, [id("anna"), id("bert")]);
    assert!(world.said.contains(&Output::GivenUp { customer: CustomerId(1), why: GivenUp::NobodyAnswered }));
}

#[test]
fn a_lease_that_ends_drops_no_talk_and_no_customer_is_given_after_it() {
    let mut world = World::new(staff(&["anna"]));
    world.word(id("anna"), Wish::Available, seconds(30));
    world.serve(1, &anybody());
    world.pass(seconds(3_600));
    assert!(matches!(world.state("anna"), State::Busy { customer: CustomerId(1), .. }));
    world.goes(1);
    assert_eq!(world.state("anna").as_str(), "logged_off");
    world.ask(2, &anybody());
    assert!(world.said.is_empty());
}

#[test]
fn a_lease_that_ends_while_a_customer_is_dialled_gives_the_customer_to_another() {
    let mut world = World::everybody(staff(&["bert"]));
    world.reconfigure(staff(&["anna", "bert"]));
    world.serve(1, &anybody());
    world.word(id("anna"), Wish::Available, seconds(5));
    world.ask(2, &anybody());
    assert!(matches!(world.state("anna"), State::Promised { .. }));
    world.pass(seconds(5));
    assert!(matches!(world.state("bert"), State::Busy { next: Some(CustomerId(2)), .. }));
    world.goes(1);
    world.answers(2);
    assert!(world.said.is_empty(), "bert writes up");
    world.pass(seconds(10));
    assert_eq!(world.called, [id("bert"), id("bert")]);
}

#[test]
fn a_wrap_up_ends_by_itself_or_when_the_representative_says_so() {
    let mut world = World::everybody(staff(&["anna"]));
    world.serve(1, &anybody());
    world.goes(1);
    world.word(id("anna"), Wish::WrapUp, seconds(600));
    world.pass(seconds(300));
    assert_eq!(world.state("anna"), State::WrapUp { until: None, next: None });
    world.word(id("anna"), Wish::Available, seconds(600));
    assert_eq!(world.state("anna").as_str(), "available");
}

#[test]
fn who_holds_comes_before_who_waits_and_the_longest_first() {
    let mut world = World::everybody(staff(&["anna", "bert"]));
    for n in [1, 2] {
        world.ask(n, &anybody());
        world.answers(n);
    }
    world.ask(3, &anybody());
    world.pass(seconds(1));
    world.misses(2);
    world.talks(1);
    world.goes(1);
    world.pass(seconds(10));
    assert_eq!(world.called.last(), Some(&id("anna")));
    assert_eq!(world.seen[&CustomerId(2)], Seen::Offered(id("anna")));
    assert_eq!(world.seen[&CustomerId(3)], Seen::Waits);
}

#[test]
fn a_customer_gets_who_knows_what_is_needed_or_who_is_named() {
    let people = vec![one("anna", &[("cruise", 3)]), one("bert", &[("cruise", 9), ("air", 2)]), one("cleo", &[])];
    let mut world = World::everybody(Staffing { representatives: people, ..staff(&[]) });
    assert_eq!(world.serve(1, &knows("air")), id("bert"));
    assert_eq!(world.serve(2, &knows("cruise")), id("anna"));
    let named = Need { representative: Some(id("anna")), ..Need::default() };
    world.ask(3, &named);
    assert_eq!(world.seen[&CustomerId(3)], Seen::Waits, "cleo is free and not meant");
    world.ask(4, &knows("rail"));
    assert_eq!(world.said, [Output::Refused { customer: Some(CustomerId(4)), why: Refusal::NobodySuits }]);
}

#[test]
fn a_business_is_closed_outside_its_hours_and_says_when_it_opens() {
    let hours = Hours { week: vec!["mon-fri 13:00-17:00".parse().unwrap()], ..Hours::default() };
    let mut world = World::everybody(Staffing { hours: Some(hours), ..staff(&["anna"]) });
    world.ask(1, &anybody());
    let opens = Some(Wall(NOON.0 + 3_600_000));
    assert_eq!(world.said, [Output::Refused { customer: Some(CustomerId(1)), why: Refusal::Closed { opens } }]);
    world.pass(seconds(3_600));
    world.ask(1, &anybody());
    assert!(matches!(world.said[..], [Output::CallCustomer { .. }]));
}

#[test]
fn a_shift_that_ends_takes_no_call_more_and_one_that_begins_does() {
    let mut anna = one("anna", &[]);
    anna.shifts = vec!["daily 12:30-13:00".parse().unwrap()];
    let mut world = World::everybody(Staffing { representatives: vec![anna], ..staff(&[]) });
    assert_eq!(world.state("anna").as_str(), "logged_off");
    world.ask(1, &anybody());
    world.pass(seconds(1_800));
    assert_eq!(world.dialled, [CustomerId(1)]);
    world.answers(1);
    world.talks(1);
    world.ask(2, &anybody());
    world.pass(seconds(1_790));
    world.goes(1);
    world.pass(seconds(20));
    assert_eq!((world.state("anna").as_str(), world.dialled.len()), ("logged_off", 1));
}

#[test]
fn a_customer_who_waits_too_long_is_given_up_and_one_nobody_tells_of_too() {
    let mut world = World::everybody(Staffing { max_wait_seconds: 60, ..staff(&["anna"]) });
    world.ask(1, &anybody());
    world.ask(2, &anybody());
    world.pass(seconds(60));
    assert!(!world.seen.contains_key(&CustomerId(2)));
    world.pass(seconds(900));
    assert!(world.seen.is_empty());
    assert_eq!(world.state("anna").as_str(), "available");
}

#[test]
fn after_a_restart_a_customer_keeps_the_place() {
    let mut world = World::new(staff(&["anna"]));
    world.ask(1, &anybody());
    world.seen.insert(CustomerId(2), Seen::Waits);
    world.give(Input::Ask { customer: CustomerId(2), need: anybody(), waited: seconds(50) });
    assert_eq!(world.desk.wait(CustomerId(1)).unwrap().position, Some(2));
    world.word(id("anna"), Wish::Available, seconds(60));
    assert_eq!(world.dialled, [CustomerId(2)]);
}

#[test]
fn a_customer_is_dialled_before_somebody_is_free_when_one_will_be() {
    let mut world = World::everybody(staff(&["anna"]));
    // Measured: customers answer after 12 s, talks take 100 s.
    for n in 0..25 {
        world.ask(n, &anybody());
        world.pass(seconds(12));
        world.answers(n);
        world.talks(n);
        world.pass(seconds(100));
        world.goes(n);
        world.pass(seconds(10));
    }
    world.serve(100, &anybody());
    world.ask(101, &anybody());
    world.pass(seconds(100));
    assert_eq!(world.seen[&CustomerId(101)], Seen::Waits, "anna talks, nobody knows for how long");
    world.goes(100);
    world.pass(seconds(1));
    assert_eq!(world.seen[&CustomerId(101)], Seen::PhoneRings, "she writes up for 9 s more, he answers in 12");
    assert!(matches!(world.state("anna"), State::WrapUp { next: Some(CustomerId(101)), .. }));
    world.ask(102, &anybody());
    world.pass(seconds(2));
    assert_eq!(world.seen[&CustomerId(102)], Seen::Waits, "she is promised once");
    world.pass(seconds(9));
    world.answers(101);
    assert_eq!(world.seen[&CustomerId(101)], Seen::Offered(id("anna")));
    assert_eq!((world.desk.figures().ahead, world.desk.figures().late), (1, 0));
}

#[test]
fn an_account_that_wants_nobody_late_has_nobody_dialled_ahead() {
    let mut world = World::everybody(Staffing { late_per_mille: 0, ..staff(&["anna"]) });
    for n in 0..30 {
        world.ask(n, &anybody());
        world.ask(n + 1_000, &anybody());
        world.pass(seconds(12));
        if world.seen[&CustomerId(n)] == Seen::PhoneRings {
            world.answers(n);
            world.talks(n);
        }
        world.goes(n);
        world.goes(n + 1_000);
        world.pass(seconds(10));
    }
    assert_eq!(world.desk.figures().ahead, 0);
}

#[test]
fn who_leaves_the_account_ends_their_talk_and_gets_no_other() {
    let mut world = World::everybody(staff(&["anna", "bert"]));
    assert_eq!(world.serve(1, &anybody()), id("anna"));
    world.reconfigure(staff(&["bert"]));
    assert_eq!(world.state("anna").as_str(), "busy");
    world.goes(1);
    assert_eq!(world.desk.state_of(&id("anna")), None);
    assert_eq!(world.serve(2, &anybody()), id("bert"));
}

#[test]
fn what_is_asked_is_bounded_and_wrong_words_change_nothing() {
    let mut world = World::everybody(Staffing { max_customers: 2, ..staff(&["anna"]) });
    world.ask(1, &anybody());
    world.ask(1, &anybody());
    assert!(matches!(world.said[..], [Output::Refused { why: Refusal::AskedAlready, .. }]));
    world.ask(2, &anybody());
    world.ask(3, &anybody());
    assert!(matches!(world.said[..], [Output::Refused { why: Refusal::Full, .. }]));
    world.word(id("zoe"), Wish::Available, seconds(60));
    assert!(
        matches!(&world.said[..], [Output::Refused { why: Refusal::UnknownRepresentative(who), .. }] if *who == id("zoe"))
    );
    world.word(id("anna"), Wish::Available, seconds(86_401));
    assert!(matches!(world.said[..], [Output::Refused { why: Refusal::Lease, .. }]));
    for input in [
        Input::CustomerAnswered { customer: CustomerId(9) },
        Input::Talking { customer: CustomerId(1) },
        Input::Missed { customer: CustomerId(2) },
        Input::Gone { customer: CustomerId(9) },
    ] {
        world.give(input);
        assert!(world.said.is_empty());
    }
}

#[test]
fn needs_are_told_apart_up_to_a_bound_and_forgotten_when_nobody_has_them() {
    let skills: Vec<(String, u8)> = (0..30).map(|n| (format!("s{n}"), 10)).collect();
    let skills: Vec<(&str, u8)> = skills.iter().map(|(name, level)| (name.as_str(), *level)).collect();
    let mut world = World::new(Staffing { representatives: vec![one("anna", &skills)], ..staff(&[]) });
    let need = |n: usize| {
        let mut need = knows(&format!("s{}", n % 30));
        need.skills.values_mut().for_each(|level| *level = crate::model::Level::new((n / 30 + 1) as u8).unwrap());
        need
    };
    (0..257).for_each(|n| world.ask(n as u128, &need(n)));
    assert!(matches!(world.said[..], [Output::Refused { why: Refusal::TooManyNeeds, .. }]));
    world.goes(7);
    world.ask(1_000, &need(257));
    assert!(world.said.is_empty());
    assert_eq!(world.desk.lines.len(), 256);
}

//! Who comes first: among customers, the order of coming within a priority; among representatives, what the strategy says, and evenly.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::world::{World, id, one, seconds, staff};
use crate::acd::{CustomerId, Wish};
use crate::model::{Need, Representative, RepresentativeId, Staffing, Strategy as Order};

fn with(strategy: Order, representatives: Vec<Representative>) -> World {
    World::everybody(Staffing { strategy, representatives, wrap_up_seconds: 0, ..staff(&[]) })
}

fn four() -> Vec<Representative> {
    ["anna", "bert", "cleo", "dora"].iter().map(|name| one(name, &[])).collect()
}

/// So many customers one after the other: whom they talked with.
fn one_by_one(world: &mut World, many: u128, need: &Need) -> Vec<RepresentativeId> {
    (0..many)
        .map(|n| {
            let with = world.serve(n, need);
            world.pass(seconds(1));
            world.goes(n);
            with
        })
        .collect()
}

fn count(talks: &[RepresentativeId]) -> BTreeMap<&str, usize> {
    let mut count = BTreeMap::new();
    talks.iter().for_each(|with| *count.entry(with.as_str()).or_default() += 1);
    count
}

#[test]
fn longest_idle_goes_round_and_who_comes_back_is_the_last() {
    let mut world = with(Order::LongestIdle, four());
    let talks = one_by_one(&mut world, 8, &Need::default());
    assert_eq!(talks, ["anna", "bert", "cleo", "dora", "anna", "bert", "cleo", "dora"].map(id));
    world.word(id("anna"), Wish::Break, seconds(600));
    world.word(id("anna"), Wish::Available, seconds(600));
    let talks = one_by_one(&mut world, 4, &Need::default());
    assert_eq!(talks, ["bert", "cleo", "dora", "anna"].map(id));
}

#[test]
fn a_customer_who_does_not_answer_costs_the_representative_no_turn() {
    let mut world = with(Order::LongestIdle, four());
    world.ask(100, &Need::default());
    world.goes(100);
    assert_eq!(world.serve(1, &Need::default()), id("anna"));
}

#[test]
fn fewest_calls_evens_out_and_a_newcomer_does_not_get_all() {
    let mut world = with(Order::FewestCalls, four());
    world.word(id("dora"), Wish::LoggedOff, seconds(1));
    one_by_one(&mut world, 30, &Need::default());
    world.word(id("dora"), Wish::Available, seconds(600));
    let talks = one_by_one(&mut world, 40, &Need::default());
    assert_eq!(count(&talks).values().copied().collect::<Vec<_>>(), [10, 10, 10, 10]);
}

#[test]
fn round_robin_keeps_the_accounts_order_whoever_is_busy() {
    let mut world = with(Order::RoundRobin, four());
    assert_eq!(world.serve(100, &Need::default()), id("anna"));
    let talks = one_by_one(&mut world, 4, &Need::default());
    assert_eq!(talks, ["bert", "cleo", "dora", "bert"].map(id), "anna talks");
    world.goes(100);
    let talks = one_by_one(&mut world, 4, &Need::default());
    assert_eq!(talks, ["cleo", "dora", "anna", "bert"].map(id));
}

#[test]
fn the_best_get_the_call_and_equals_take_turns() {
    let people = vec![one("anna", &[("cruise", 3)]), one("bert", &[("cruise", 9)]), one("cleo", &[("cruise", 9)])];
    let mut world = with(Order::SkillBest, people);
    let need = Need::skill("cruise".parse().unwrap());
    assert_eq!(one_by_one(&mut world, 4, &need), ["bert", "cleo", "bert", "cleo"].map(id));
    world.serve(100, &need);
    world.serve(101, &need);
    assert_eq!(world.serve(102, &need), id("anna"), "who knows less, when the best are busy");
}

#[test]
fn a_lower_tier_comes_first_and_equals_take_turns() {
    let mut people = four();
    people[0].tier = 1;
    people[1].tier = 1;
    let mut world = with(Order::Priority, people);
    assert_eq!(one_by_one(&mut world, 4, &Need::default()), ["cleo", "dora", "cleo", "dora"].map(id));
}

#[test]
fn a_priority_is_worth_some_waiting_and_no_more() {
    let mut world = World::new(Staffing { priority_seconds: 60, ..staff(&["anna"]) });
    let first = |priority| Need { priority, ..Need::default() };
    world.ask(1, &first(0));
    world.pass(seconds(59));
    world.ask(2, &first(1));
    world.pass(seconds(2));
    world.ask(3, &first(1));
    let place = |world: &World, n| world.desk.wait(CustomerId(n)).unwrap().position.unwrap();
    assert_eq!([place(&world, 1), place(&world, 2), place(&world, 3)], [2, 1, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Within a priority and a need customers are dialled in the order of their coming.
    #[test]
    fn within_a_priority_the_order_of_coming_is_kept(
        customers in proptest::collection::vec((0u8..3, 0u64..40), 1..40), many in 1usize..4, order in proptest::sample::select(Order::ALL.to_vec()),
    ) {
        let people: Vec<Representative> = four().into_iter().take(many).collect();
        let mut world = with(order, people);
        let mut came: Vec<(u128, u8)> = Vec::new();
        for (n, (priority, pause)) in customers.into_iter().enumerate() {
            came.push((n as u128, priority));
            world.ask(n as u128, &Need { priority, ..Need::default() });
            world.pass(seconds(pause));
        }
        while !world.seen.is_empty() {
            let there: Vec<u128> = world.seen.keys().map(|customer| customer.0).collect();
            for n in there {
                match world.seen.get(&CustomerId(n)) {
                    Some(super::world::Seen::PhoneRings) => { world.answers(n); world.talks(n); }
                    Some(super::world::Seen::Talks(_)) => world.goes(n),
                    _ => {}
                }
            }
        }
        for priority in 0..3 {
            let expected: Vec<u128> = came.iter().filter(|(_, own)| *own == priority).map(|(n, _)| *n).collect();
            let dialled = world.dialled.iter().map(|customer| customer.0);
            let dialled: Vec<u128> = dialled.filter(|n| expected.contains(n)).collect();
            prop_assert_eq!(dialled, expected);
        }
    }

    /// Nobody who is there all the time is more than one call behind or ahead of another, with these strategies and equal talks.
    #[test]
    fn equal_representatives_get_equally_many_calls(
        many in 2usize..5, customers in 1u128..60,
        order in proptest::sample::select(vec![Order::LongestIdle, Order::FewestCalls, Order::RoundRobin, Order::SkillBest, Order::Priority]),
    ) {
        let mut world = with(order, four().into_iter().take(many).collect());
        let talks = one_by_one(&mut world, customers, &Need::default());
        let counts = count(&talks);
        let least = if counts.len() < many { 0 } else { *counts.values().min().unwrap() };
        prop_assert!(counts.values().max().unwrap() - least <= 1, "{counts:?}");
    }
}

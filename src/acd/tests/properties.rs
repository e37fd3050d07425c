//! Whatever happens in whatever order: everything kept agrees ([`World::check`] after each step), no representative is kept for two,
//! nobody is lost, and whoever waits is served in a bounded number of steps once somebody serves.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{Seen, World, one, seconds, staff};
use crate::acd::{CustomerId, Wish};
use crate::model::{Endpoint, Level, Need, Representative, Staffing, Strategy as Order};

#[derive(Clone, Debug)]
enum Step {
    Word(usize, Wish, u64),
    Ask(usize, u8),
    Forward(usize, bool),
    Leave(usize),
    Pass(u64),
    Account(usize, Order),
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![6 => Just(Wish::Available), 1 => Just(Wish::Break), 1 => Just(Wish::WrapUp), 1 => Just(Wish::LoggedOff)]
}

fn order() -> impl Strategy<Value = Order> {
    proptest::sample::select(Order::ALL.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..6, wish(), 1u64..2_000).prop_map(|(who, wish, lease)| Step::Word(who, wish, lease)),
        5 => (0usize..5, 0u8..4).prop_map(|(need, priority)| Step::Ask(need, priority)),
        10 => (any::<usize>(), proptest::bool::weighted(0.85)).prop_map(|(who, well)| Step::Forward(who, well)),
        2 => any::<usize>().prop_map(Step::Leave),
        4 => (1u64..200).prop_map(Step::Pass),
        1 => (2usize..6, order()).prop_map(|(many, order)| Step::Account(many, order)),
    ]
}

fn people() -> Vec<Representative> {
    let mut people = vec![
        one("anna", &[("cruise", 3)]),
        one("bert", &[("cruise", 9), ("air", 2)]),
        one("cleo", &[]),
        one("dora", &[("air", 8)]),
        one("emil", &[("cruise", 5), ("air", 5)]),
        one("fred", &[("rail", 1)]),
    ];
    people[2].languages = vec!["de".parse().unwrap()];
    people[4].shifts = vec!["daily 12:00-12:20".parse().unwrap(), "daily 12:40-23:00".parse().unwrap()];
    people
}

fn need(kind: usize, priority: u8) -> Need {
    let mut need = match kind {
        0 => Need::default(),
        1 => Need::skill("cruise".parse().unwrap()),
        2 => Need::skill("air".parse().unwrap()),
        3 => Need { language: Some("en".parse().unwrap()), ..Need::default() },
        _ => Need { representative: Some("emil".parse().unwrap()), ..Need::default() },
    };
    if kind == 1 {
        need.skills.values_mut().for_each(|level| *level = Level::new(4).unwrap());
    }
    Need { priority, ..need }
}

fn account(order: Order, late_per_mille: u16, overflow: bool) -> Staffing {
    let overflow = overflow.then(|| Endpoint::parse("+12125550109").unwrap());
    Staffing { representatives: people(), strategy: order, late_per_mille, overflow, max_customers: 12, ..staff(&[]) }
}

/// The n-th of those who are there goes a step further, well or not.
fn forward(world: &mut World, n: usize, well: bool) {
    let Some((customer, seen)) = world.seen.iter().nth(n % world.seen.len().max(1)) else { return };
    let (CustomerId(n), seen) = (*customer, seen.clone());
    match (seen, well) {
        (Seen::Waits | Seen::Answered, _) => {}
        (Seen::PhoneRings, true) => world.answers(n),
        (Seen::Offered(_), true) => world.talks(n),
        (Seen::Offered(_), false) => world.misses(n),
        (Seen::PhoneRings, false) | (Seen::Talks(_), _) => world.goes(n),
    }
}

fn run(world: &mut World, settings: &Staffing, steps: Vec<Step>) {
    let mut next = 0u128;
    for step in steps {
        match step {
            Step::Word(who, wish, lease) => world.word(people()[who].id.clone(), wish, seconds(lease)),
            Step::Ask(kind, priority) => {
                next += 1;
                world.ask(next, &need(kind, priority));
            }
            Step::Forward(who, well) => forward(world, who, well),
            Step::Leave(who) => {
                if let Some(customer) = world.seen.keys().nth(who % world.seen.len().max(1)).copied() {
                    world.goes(customer.0);
                }
            }
            Step::Pass(time) => world.pass(seconds(time)),
            Step::Account(many, strategy) => {
                let mut settings = Staffing { strategy, ..settings.clone() };
                settings.representatives.truncate(many);
                world.reconfigure(settings);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// No representative is promised twice, nobody is lost, all sets agree, also over changes of the account.
    #[test]
    fn whatever_happens_each_representative_is_kept_for_one_customer(
        steps in proptest::collection::vec(step(), 1..120), order in order(), late in prop_oneof![Just(0u16), Just(500u16)],
        overflow in any::<bool>(),
    ) {
        let settings = account(order, late, overflow);
        let mut world = World::new(settings.clone());
        run(&mut world, &settings, steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// After any beginning: once everybody who suits works, each customer talks within a bounded number of steps, however many
    /// others with a higher priority keep coming.
    #[test]
    fn nobody_who_waits_is_forgotten(
        steps in proptest::collection::vec(step(), 1..60), order in order(), rivals in 0u8..4,
    ) {
        let settings = Staffing { max_wait_seconds: 86_400, ..account(order, 30, false) };
        let mut world = World::new(settings.clone());
        run(&mut world, &settings, steps);
        world.reconfigure(Staffing { max_customers: 1_000, ..settings });
        world.pass(Duration::from_secs(3 * 3_600));
        people().into_iter().for_each(|one| world.word(one.id, Wish::Available, seconds(86_400)));
        let waiting: Vec<CustomerId> = world.seen.keys().copied().collect();
        // Each round serves whoever can be served and lets a rival of each kind come. A rival's priority is worth four minutes at
        // most, a round takes half a minute: after so many rounds none who waited before is passed by any more.
        for round in 0..40 {
            for kind in 0..5 {
                world.ask(10_000 + round * 5 + kind as u128, &need(kind, rivals));
            }
            for _ in 0..4 {
                let there: Vec<u128> = world.seen.keys().map(|customer| customer.0).collect();
                for n in there {
                    step_well(&mut world, n);
                }
            }
            world.pass(seconds(30));
        }
        for customer in waiting {
            prop_assert!(!world.seen.contains_key(&customer), "{:?} is still {:?}", customer, world.seen[&customer]);
        }
    }
}

/// One step further, if there is one to take.
fn step_well(world: &mut World, n: u128) {
    match world.seen.get(&CustomerId(n)) {
        Some(Seen::PhoneRings) => world.answers(n),
        Some(Seen::Offered(_)) => world.talks(n),
        Some(Seen::Talks(_)) => world.goes(n),
        Some(Seen::Waits | Seen::Answered) | None => {}
    }
}

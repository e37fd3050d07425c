//! The whole engine in virtual time, against independent phones, a bad network, a slow or failing store and crashes. One seed
//! decides everything. Owns the runs; worlds, phones and promises are beside it.
//!
//! * `cargo test --release --test sim` runs 10,000 seeds (`SIM_SEEDS=1000000` more);
//! * `SIM_SEED=n cargo test --release --test sim -- one_seed --nocapture` shows one with its ladder and trace;
//! * `SIM_BUG=LostBye cargo test --release --test sim -- every_planted --nocapture` plants one bug alone;
//! * `UPDATE_LADDERS=1` rewrites docs/ladders, the table of planted bugs in its README too.

mod case;
mod consent;
mod contact;
mod equipment;
mod exchange;
mod gates;
mod http;
mod ladders;
mod limits;
mod lines;
mod machines;
mod manners;
mod media;
mod model;
mod network;
mod plan;
mod planted;
mod promises;
mod roads;
mod setup;
mod staff;
mod store;
mod stories;
mod streams;
mod supervisors;
mod table;
mod topology;
mod turns;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use callbridge::media::api::Prompts;
use callbridge::model::Outcome;
use plan::Plan;
use planted::Bug;
use promises::{Broken, Promise};
use world::World;

/// Seeds of the ordinary run.
const SEEDS: u64 = 10_000;
/// Each planted bug is caught within so many seeds.
const BUG_SEEDS: u64 = 2_000;

fn run(seed: u64, prompts: &Arc<dyn Prompts>, bug: Bug) -> Vec<Broken> {
    let mut world = World::new(Plan::draw(seed), Arc::clone(prompts), bug, false);
    let rested = world.run();
    let mut broken = promises::check(&world, rested);
    supervisors::unchanged(&world, bug, &mut broken);
    broken
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn ten_thousand_seeds_keep_every_promise() {
    let seeds = number("SIM_SEEDS").unwrap_or(SEEDS);
    let first = number("SIM_FIRST").unwrap_or(0);
    let (next, failed, began) = (AtomicU64::new(first), Mutex::new(Vec::new()), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let prompts = media::tones();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || failed.lock().unwrap().len() >= 20 {
                        return;
                    }
                    let verdict =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed, &prompts, Bug::None)));
                    match verdict {
                        Ok(broken) if broken.is_empty() => {}
                        Ok(broken) => failed.lock().unwrap().push((seed, broken[0].to_string())),
                        Err(_) => failed.lock().unwrap().push((seed, "panic".to_owned())),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let ran = next.into_inner().saturating_sub(first).min(seeds);
    println!("{ran} seeds in {:.1} s", began.elapsed().as_secs_f64());
    let list: String = failed.iter().map(|(seed, text)| format!("SIM_SEED={seed}: {text}\n")).collect();
    assert!(failed.is_empty(), "replay: SIM_SEED=n cargo test --release --test sim -- one_seed --nocapture\n{list}");
}

#[test]
fn every_outcome_has_its_golden_ladder() {
    let wrong = ladders::compare();
    assert!(wrong.is_empty(), "UPDATE_LADDERS=1 rewrites them\n{}", wrong.join("\n"));
}

/// Guards the run itself: a world in which nothing happens keeps every promise.
#[test]
fn the_seeds_meet_every_outcome_crash_and_fault() {
    let prompts = media::tones();
    let (mut outcomes, mut crashes, mut talked) = (BTreeMap::<Outcome, u32>::new(), 0, 0);
    for seed in 0..2_000 {
        let mut world = World::new(Plan::draw(seed), Arc::clone(&prompts), Bug::None, false);
        world.run();
        crashes += world.crashed.len();
        for record in world.store.all_kept().flat_map(|(_, kept)| &kept.records) {
            *outcomes.entry(record.outcome).or_default() += 1;
            talked += record.talk_seconds;
        }
    }
    println!("{crashes} crashes, {talked} s of talk, {outcomes:?}");
    for outcome in Outcome::ALL {
        assert!(outcomes.get(outcome).is_some_and(|met| *met >= 3), "{outcome} is hardly met: {outcomes:?}");
    }
    assert!(crashes > 100 && talked > 500);
}

#[test]
fn one_seed() {
    let seed = number("SIM_SEED").unwrap_or(1);
    let mut world = World::new(Plan::draw(seed), media::tones(), Bug::None, true);
    let rested = world.run();
    let mut broken = promises::check(&world, rested);
    supervisors::unchanged(&world, Bug::None, &mut broken);
    println!("{:#?}", world.plan);
    println!("{}", world.trace.take().unwrap_or_default().join("\n"));
    for (call, kept) in world.store.all_kept() {
        println!("{call}: {:?}", kept.records);
    }
    broken.iter().for_each(|b| println!("BROKEN {b}"));
    assert!(broken.is_empty(), "SIM_SEED={seed}");
}

#[test]
fn the_same_seed_gives_the_same_world() {
    for seed in 0..20 {
        let trace = || {
            let mut world = World::new(Plan::draw(seed), media::tones(), Bug::None, true);
            world.run();
            world.trace.take()
        };
        assert!(trace() == trace(), "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_caught_by_its_promise() {
    let only = std::env::var("SIM_BUG").ok();
    let wanted = |bug: &Bug| only.as_ref().is_none_or(|name| *name == format!("{bug:?}"));
    let bugs: Vec<(Bug, Promise)> = Bug::ALL.iter().copied().filter(|(bug, _)| wanted(bug)).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let prompts = media::tones();
                while let Some((bug, promise)) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let catches = |seed: &u64| run(*seed, &prompts, *bug).iter().any(|b| b.promise == *promise);
                    let caught = (0..BUG_SEEDS).find(catches);
                    found.lock().unwrap().insert(*bug, caught);
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    let (mut missed, mut caught) = (Vec::new(), Vec::new());
    for (bug, promise) in &bugs {
        match found.get(bug).copied().flatten() {
            Some(seed) => {
                println!("{:<28} caught by {:<26} at seed {seed}", format!("{bug:?}"), format!("{promise:?}"));
                caught.push((*bug, *promise, seed));
            }
            None => missed.push(format!("{bug:?} was not caught by {promise:?} within {BUG_SEEDS} seeds")),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    if only.is_some() {
        return;
    }
    let wrong = table::compare(&caught);
    assert!(wrong.is_empty(), "UPDATE_LADDERS=1 rewrites docs/ladders/README.md\n{}", wrong.join("\n"));
}

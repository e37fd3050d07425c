//! When customers want to be called and how often that is tried, in a world: windows, ends, plans, customers who can be reached only later;
//! and what must hold of them. Owns these draws, from a generator of their own, and these verdicts.

use std::time::Duration;

use callbridge::clock::Wall;
use callbridge::model::contact::{ContactWish, WindowWish};
use callbridge::model::{AttemptRecord, Contact, ContactWindow, InitiationMessage, Outcome, RetryPlan, Role};
use callbridge::phone::{AnswerWith, Behaviour, Then};
use rand::Rng;
use rand::rngs::StdRng;

use crate::plan::Wish;
use crate::promises::{Blame, Promise};
use crate::setup::EPOCH;
use crate::world::{Who, World};

/// What a wish says of its moment, all from its posting on.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Timing {
    /// Between which moments.
    pub window: Option<(Duration, Duration)>,
    /// Until when.
    pub ends: Option<Duration>,
    /// From when on the customer, who could not be reached, picks up.
    pub reachable: Option<Duration>,
}

impl Timing {
    /// True where nothing follows from the phones' scripts alone.
    pub fn is_open(&self) -> bool {
        *self != Timing::default()
    }

    /// The first moment at which no try may begin any more.
    fn end(&self) -> Option<Duration> {
        [self.ends, self.window.map(|(_, to)| to)].into_iter().flatten().min()
    }
}

/// In these worlds; in all others nobody says anything of it.
pub fn is_drawn(seed: u64) -> bool {
    matches!(seed % 16, 4 | 5)
}

/// Of some of them none.
pub fn draw(rng: &mut StdRng, wishes: &mut [Wish]) -> RetryPlan {
    let mut plan = RetryPlan::default();
    if rng.random_bool(0.6) {
        let waits = |rng: &mut StdRng| (0..rng.random_range(0..3)).map(|_| rng.random_range(2..7)).collect();
        plan = RetryPlan {
            max_tries: rng.random_range(2..4),
            busy_seconds: waits(rng),
            no_answer_seconds: waits(rng),
            machine_seconds: Vec::new(),
        };
    }
    for wish in wishes {
        let mut within = |least: u64, most: u64| Duration::from_millis(rng.random_range(least..most));
        let (from, long, ends, reachable) =
            (within(0, 12_000), within(500, 15_000), within(500, 25_000), within(0, 12_000));
        wish.timing.window = rng.random_bool(0.2).then_some((from, from + long));
        wish.timing.ends = rng.random_bool(0.2).then_some(ends);
        let away = match wish.customer.behaviour.then {
            Then::Refuse { status, .. } => status == 486,
            Then::NeverAnswer => true,
            Then::Answer { .. } | Then::Silent => false,
        };
        wish.timing.reachable = (away && plan.tries_again() && rng.random_bool(0.5)).then_some(reachable);
    }
    plan
}

/// The account's.
pub fn account(plan: &RetryPlan) -> Contact {
    Contact { retry: plan.clone(), ..Contact::default() }
}

/// What it does who could not be reached before.
pub fn picks_up(behaviour: &Behaviour) -> Behaviour {
    let then = Then::Answer { after: Duration::from_millis(700), with: AnswerWith::Session, forks: 1 };
    Behaviour { then, ..behaviour.clone() }
}

/// A message that was posted first at this moment says so.
pub fn said(timing: &Timing, base: Wall, message: &mut InitiationMessage) {
    let window =
        timing.window.map(|(from, to)| WindowWish::Between(ContactWindow { from: base + from, to: base + to }));
    message.asked = window.map(|window| Box::new(ContactWish { window: Some(window), retry: None }));
    message.expires_at = timing.ends.map(|ends| base + ends);
}

/// When this wish was posted first.
pub fn base(wish: &Wish) -> Wall {
    Wall(EPOCH + 1_000) + wish.at
}

/// No try outside of its time, none that the plan does not have, and those that it has.
pub fn check(world: &World, blame: Blame<'_>) {
    for call in world.store.accepted() {
        let (Some(wish), Some(kept)) = (world.wish_of(&call.message), world.store.kept(call.id)) else { continue };
        let Some(record) = kept.records.last() else { continue };
        let tries: Vec<&AttemptRecord> = kept.attempts.iter().filter(|leg| leg.role == Role::Customer).collect();
        let planned = &world.plan.wishes[wish];
        let (timing, base) = (&planned.timing, base(planned));
        for tried in &tries {
            let early = timing.window.is_some_and(|(from, _)| tried.dialled_at < base + from);
            let late = timing.end().is_some_and(|end| tried.dialled_at >= base + end);
            if early || late {
                let text =
                    format!("wish {wish} was dialled at {}, its time is {timing:?} from {base}", tried.dialled_at);
                blame(Promise::NeverOutsideItsTime, text);
            }
        }
        if record.tries != tries.len() as u64 {
            blame(Promise::TriedAsPlanned, format!("wish {wish}: {} tries, {} listed", record.tries, tries.len()));
        }
        spaced(world, wish, &tries, blame);
        given_up(world, wish, record, tries.len(), blame);
    }
    rung(world, blame);
}

/// How a try ended, by its cause.
fn ended(tried: &AttemptRecord) -> Outcome {
    match tried.cause.sip_status {
        Some(486 | 600) => Outcome::CustomerBusy,
        _ => Outcome::CustomerNoAnswer,
    }
}

fn spaced(world: &World, wish: usize, tries: &[&AttemptRecord], blame: Blame<'_>) {
    let plan = &world.plan.retry;
    for (number, pair) in (1u8..).zip(tries.windows(2)) {
        let [before, after] = pair else { continue };
        let Some(wait) = plan.wait(ended(before), number) else {
            blame(Promise::TriedAsPlanned, format!("wish {wish}: try {} after {:?}", number + 1, before.cause));
            continue;
        };
        let waited = Duration::from_millis(after.dialled_at.millis_since(before.ended_at));
        // A clock that was set tells no time.
        if world.plan.faults.jumps.is_empty() && waited + Duration::from_millis(1) < wait {
            blame(Promise::TriedAsPlanned, format!("wish {wish}: tried again after {waited:?}, not {wait:?}"));
        }
    }
}

/// Where nothing goes wrong, what the plan has is tried.
fn given_up(world: &World, wish: usize, record: &callbridge::model::CallRecord, tries: usize, blame: Blame<'_>) {
    let open = world.plan.calm() && world.plan.topology.plain && !world.fates[wish].deleted;
    let bounded = world.plan.wishes[wish].timing.end().is_some() || record.detail.contains("not tried again");
    let left = u8::try_from(tries).ok().and_then(|tries| world.plan.retry.wait(record.outcome, tries));
    if open && !bounded && left.is_some() {
        blame(Promise::TriedAsPlanned, format!("wish {wish} ended {} after {tries} tries", record.outcome));
    }
}

/// What the phones saw, whatever the records say.
fn rung(world: &World, blame: Blame<'_>) {
    if !world.plan.faults.jumps.is_empty() {
        return;
    }
    for story in world.stories() {
        let Some(Who::Customer(wish)) = world.who(&story.user) else { continue };
        let planned = &world.plan.wishes[wish];
        let at = Wall(EPOCH) + Duration::from_micros(story.invited_at.0);
        if planned.timing.window.is_some_and(|(from, _)| at < base(planned) + from) {
            blame(Promise::NeverOutsideItsTime, format!("{} rang at {at}, before its window", story.user));
        }
    }
}

//! The account's bounds in a world: drawn for some, judged when a message is refused and when all has come to rest. Owns what must hold of
//! them; a call that is hung up at the ceiling is like one that was ended by `DELETE`.

use std::time::Duration;

use callbridge::engine::api::Refusal;
use callbridge::model::{AtCeiling, CallRecord, Cost, DayUsage, Limit, Limits, Role};
use rand::Rng;
use rand::rngs::StdRng;

use crate::promises::{Blame, Promise};
use crate::setup::business;
use crate::world::World;

/// Of most worlds none. Where the equipment crashes, often as many calls as are wanted, or one less: what a restart forgets, or counts
/// twice, shows there.
pub fn draw(rng: &mut StdRng, wishes: usize, crashes: bool) -> Limits {
    let mut limits = Limits::default();
    let wanted = u32::try_from(wishes).unwrap_or(u32::MAX);
    match rng.random_range(0..16) {
        4..=11 if crashes => limits.max_calls_per_day = Some(wanted.saturating_sub(rng.random_range(0..2))),
        0 | 1 => limits.max_calls_per_day = Some(rng.random_range(0..3)),
        2 => {
            limits.max_spend_per_day_micros = Some(rng.random_range(0..80_000));
            limits.reserve_seconds = 5;
            limits.at_ceiling = if rng.random() { AtCeiling::HangUp } else { AtCeiling::Refuse };
        }
        _ => {}
    }
    limits
}

/// True where calls may end for want of money.
pub fn cut(limits: &Limits) -> bool {
    limits.has_ceiling() && limits.at_ceiling == AtCeiling::HangUp
}

/// The sums of a store's records, by day, as a restart reads them.
pub fn usage<'r>(records: impl Iterator<Item = &'r CallRecord>) -> Vec<DayUsage> {
    let day = Duration::from_secs(86_400).as_millis() as i64;
    let of = |record: &CallRecord| DayUsage {
        business: business(),
        day: record.desired_contact_time.map_or(record.created_at, |at| at.max(record.created_at)).0 / day,
        calls: 1,
        currency: record.currency,
        cost: Cost { seconds: record.billable_seconds(), price: record.price_micros },
    };
    records.map(of).collect()
}

impl World {
    /// Nobody is refused below the bound: what is durable or on its way there reaches it.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        let taken = self.store.accepted().count() + self.store.accepting();
        let limits = &self.plan.account;
        let below = match refusal {
            Refusal::Limit { limit: Limit::CallsPerDay, .. } => {
                limits.max_calls_per_day.is_none_or(|most| taken < most as usize)
            }
            // With no call at all there is nothing but the ceiling itself.
            Refusal::Limit { limit: Limit::SpendPerDay, .. } => {
                taken == 0 && limits.max_spend_per_day_micros.is_none_or(|most| most >= 70_000)
            }
            Refusal::Limit { .. } => true,
            _ => false,
        };
        if below {
            self.blame(Promise::NotRefusedBelowTheLimit, format!("{refusal}, with {taken} calls accepted"));
        }
    }
}

/// Never more calls than the bound, and no more money than the ceiling where calls are hung up at it.
pub fn check(world: &World, blame: Blame<'_>) {
    let limits = &world.plan.account;
    let accepted = world.store.accepted().count();
    if limits.max_calls_per_day.is_some_and(|most| accepted > most as usize) {
        blame(Promise::LimitsHold, format!("{accepted} calls were accepted, the account has {limits:?}"));
    }
    for kept in world.store.all_kept().map(|(_, kept)| kept) {
        let legs: i64 = kept.attempts.iter().filter_map(|leg| leg.price_micros).map(|price| price.0).sum();
        let record = kept.records.last().map_or(legs, |record| record.price_micros.0);
        if legs != record {
            blame(Promise::BilledAtMostTalked, format!("a record of {record} micro-units, its legs come to {legs}"));
        }
    }
    // After a jump of the wall clock the last durable sign of life may lie hours from the marks of an interrupted call.
    let told = cut(limits) && world.plan.faults.jumps.is_empty();
    let Some(ceiling) = limits.max_spend_per_day_micros.filter(|_| told) else { return };
    let (mut spent, mut further) = (0, 0);
    for kept in world.store.all_kept().map(|(_, kept)| kept) {
        spent += kept.records.last().map_or(0, |record| record.price_micros.0);
        // Legs beyond the two may cost what they cost at least before anybody looks.
        let answered = kept.attempts.iter().filter(|leg| leg.role != Role::Customer && leg.answered_at.is_some());
        further += answered.skip(1).map(|leg| leg.billable_seconds as i64 * 10_000 / 60).sum::<i64>();
    }
    if spent > ceiling + further {
        blame(Promise::LimitsHold, format!("{spent} micro-units were spent, the ceiling is {ceiling}"));
    }
}

//! What each business has used of its days and months: calls, minutes, money, and what its live and waiting calls may still cost.
//! Owns the sums and the verdicts on a call more; refuses clocks, prices (`billing` rates) and to know calls.
//!
//! A day is one of UTC, a month too: as bills have them. A call belongs to the day that it is wanted on: that of its desired contact time, else
//! that of its acceptance. Every accepted call counts, whatever became of it. What a call has cost stands in its record; until it has one,
//! what may still come is reserved, so that many calls at once cannot overrun together what each alone could not.
//!
//! Money is summed by currency: a ceiling is compared with what was spent in the currency of the account's tariff now, and amounts of two
//! currencies are never added up.
//!
//! A restart knows the same: [`Ledger::recall`] takes the sums of the records, [`Ledger::open`] the calls that have none yet.

use std::collections::BTreeMap;

use crate::clock::Wall;
use crate::model::{BusinessId, Cost, Currency, Limit, Limits, Money};

const DAY_MILLIS: i64 = 86_400_000;
/// Days that are over are forgotten when they cannot be of a month that anybody asks for.
const KEPT_DAYS: i64 = 62;

/// A day of UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(i64);

impl Day {
    /// The day of this moment.
    pub fn of(at: Wall) -> Day {
        Day(at.0.div_euclid(DAY_MILLIS))
    }

    /// By its number since 1970-01-01.
    pub fn numbered(number: i64) -> Day {
        Day(number)
    }

    /// The day that a call belongs to.
    pub fn of_call(created_at: Wall, desired: Option<Wall>) -> Day {
        Day::of(desired.map_or(created_at, |desired| desired.max(created_at)))
    }

    /// Its first moment.
    pub fn begins(self) -> Wall {
        Wall(self.0.saturating_mul(DAY_MILLIS))
    }

    fn next(self) -> Day {
        Day(self.0.saturating_add(1))
    }

    /// The first day of its month, and that of the next one.
    pub fn month(self) -> (Day, Day) {
        // Days to a civil date in the proleptic Gregorian calendar, in eras of 400 years.
        let shifted = self.0.saturating_add(719_468);
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let of_month = of_year - (153 * month + 2) / 5;
        let january_next = if month >= 10 { 1 } else { 0 };
        let civil = year + era * 400 + january_next;
        let leap = civil % 4 == 0 && (civil % 100 != 0 || civil % 400 == 0);
        // Months are counted from March here.
        let length = match month {
            1 | 3 | 6 | 8 => 30,
            11 => 28 + i64::from(leap),
            _ => 31,
        };
        let first = self.0 - of_month;
        (Day(first), Day(first + length))
    }
}

/// A bound that was reached, and when it is another's day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reached {
    /// Which.
    pub limit: Limit,
    /// How much it allows: calls, minutes or micro-units.
    pub quota: u64,
    /// The period that it is of, by its first moment.
    pub since: Wall,
    /// The first moment of the next one.
    pub until: Wall,
}

/// A call's place in the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    day: Day,
    currency: Currency,
    held: Cost,
}

impl Entry {
    /// What it holds of its day and month.
    pub fn held(&self) -> Cost {
        self.held
    }
}

/// What was used of a day.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Sums {
    calls: u64,
    /// Of ended calls, and what the others may come to.
    seconds: u64,
    /// The same in money; an account has one currency, or two where it changed it.
    prices: Vec<(Currency, Money)>,
}

impl Sums {
    fn cost(&self, currency: Currency) -> Cost {
        let price = self.prices.iter().find(|(of, _)| *of == currency).map_or(Money(0), |(_, price)| *price);
        Cost { seconds: self.seconds, price }
    }

    fn set(&mut self, currency: Currency, cost: Cost) {
        self.seconds = cost.seconds;
        match self.prices.iter_mut().find(|(of, _)| *of == currency) {
            Some((_, price)) => *price = cost.price,
            None if cost.price == Money(0) => {}
            None => self.prices.push((currency, cost.price)),
        }
    }
}

/// Every business's days.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    books: BTreeMap<BusinessId, BTreeMap<Day, Sums>>,
}

impl Ledger {
    /// Whether one more call of this day, for which `cost` is to be kept free, is within the bounds.
    pub fn check(
        &self,
        business: &BusinessId,
        day: Day,
        (currency, cost): (Currency, Cost),
        limits: &Limits,
    ) -> Result<(), Reached> {
        let calls = self.day(business, day).map_or(0, |sums| sums.calls);
        if let Some(most) = limits.max_calls_per_day.filter(|most| calls >= u64::from(*most)) {
            return Err(Reached::of_day(Limit::CallsPerDay, day, most.into()));
        }
        self.room(business, day, (currency, cost), limits)
    }

    /// Whether there is room for this much more minutes and money.
    fn room(
        &self,
        business: &BusinessId,
        day: Day,
        (currency, more): (Currency, Cost),
        limits: &Limits,
    ) -> Result<(), Reached> {
        let of_day = self.day(business, day).map_or(Cost::default(), |sums| sums.cost(currency)).plus(more);
        let of_month = self.month(business, day, currency).plus(more);
        let minutes = |most: Option<u32>, used: Cost| most.filter(|most| used.seconds > u64::from(*most) * 60);
        let money = |most: Option<i64>, used: Cost| most.filter(|most| used.price > Money(*most));
        let micros = |most: i64| u64::try_from(most).unwrap_or(0);
        if let Some(most) = minutes(limits.max_minutes_per_day, of_day) {
            return Err(Reached::of_day(Limit::MinutesPerDay, day, most.into()));
        }
        if let Some(most) = money(limits.max_spend_per_day_micros, of_day) {
            return Err(Reached::of_day(Limit::SpendPerDay, day, micros(most)));
        }
        if let Some(most) = minutes(limits.max_minutes_per_month, of_month) {
            return Err(Reached::of_month(Limit::MinutesPerMonth, day, most.into()));
        }
        match money(limits.max_spend_per_month_micros, of_month) {
            Some(most) => Err(Reached::of_month(Limit::SpendPerMonth, day, micros(most))),
            None => Ok(()),
        }
    }

    /// A call that has no record yet, accepted now or before a restart.
    pub fn open(&mut self, business: &BusinessId, day: Day, currency: Currency, held: Cost) -> Entry {
        self.add(business, day, 1, (currency, held));
        Entry { day, currency, held }
    }

    /// The call pays in this currency from now on: its account's tariff is another one.
    pub fn pays_in(&mut self, business: &BusinessId, entry: &mut Entry, currency: Currency) {
        if entry.currency != currency {
            let seconds = Cost { price: Money(0), ..entry.held };
            self.replace(business, entry.day, (entry.currency, entry.held), (currency, seconds));
            (entry.currency, entry.held) = (currency, seconds);
        }
    }

    /// A live call may come to this much; refused where that is beyond the bounds, and then nothing changes.
    pub fn extend(
        &mut self,
        business: &BusinessId,
        entry: &mut Entry,
        to: Cost,
        limits: &Limits,
    ) -> Result<(), Reached> {
        let to = to.at_least(entry.held);
        let more = Cost {
            seconds: to.seconds - entry.held.seconds,
            price: Money(to.price.0.saturating_sub(entry.held.price.0)),
        };
        if more != Cost::default() {
            self.room(business, entry.day, (entry.currency, more), limits)?;
        }
        self.grow(business, entry, to);
        Ok(())
    }

    /// The same, whatever the bounds say: it is what the call has come to already.
    pub fn grow(&mut self, business: &BusinessId, entry: &mut Entry, to: Cost) {
        let to = to.at_least(entry.held);
        self.change(business, entry, to);
    }

    /// What the call may come to is no more than this: what it holds beyond that is for others.
    pub fn lower(&mut self, business: &BusinessId, entry: &mut Entry, to: Cost) {
        let to = Cost { seconds: to.seconds.min(entry.held.seconds), price: Money(to.price.0.min(entry.held.price.0)) };
        self.change(business, entry, to);
    }

    fn change(&mut self, business: &BusinessId, entry: &mut Entry, to: Cost) {
        self.replace(business, entry.day, (entry.currency, entry.held), (entry.currency, to));
        entry.held = to;
    }

    /// The call has its record.
    pub fn settle(&mut self, business: &BusinessId, entry: Entry, currency: Currency, cost: Cost) {
        self.replace(business, entry.day, (entry.currency, entry.held), (currency, cost));
    }

    /// It never was: the store did not take it.
    pub fn undo(&mut self, business: &BusinessId, entry: Entry) {
        self.replace(business, entry.day, (entry.currency, entry.held), (entry.currency, Cost::default()));
        if let Some(sums) = self.books.get_mut(business).and_then(|days| days.get_mut(&entry.day)) {
            sums.calls = sums.calls.saturating_sub(1);
        }
    }

    /// What the records of a day come to.
    pub fn recall(&mut self, business: &BusinessId, day: Day, calls: u64, currency: Currency, cost: Cost) {
        self.add(business, day, calls, (currency, cost));
    }

    /// A call of that day was rated anew. Days that nobody asks for stay unknown.
    pub fn adjust(&mut self, business: &BusinessId, day: Day, currency: Currency, old: Cost, new: Cost) {
        self.replace(business, day, (currency, old), (currency, new));
    }

    /// Forgets days that nobody asks for any more.
    pub fn forget(&mut self, now: Wall) {
        let oldest = Day(Day::of(now).0.saturating_sub(KEPT_DAYS));
        self.books.retain(|_, days| {
            *days = days.split_off(&oldest);
            !days.is_empty()
        });
    }

    /// How many calls of this day may still be accepted, where that is bounded.
    pub fn calls_left(&self, business: &BusinessId, day: Day, limits: &Limits) -> Option<u64> {
        let calls = self.day(business, day).map_or(0, |sums| sums.calls);
        limits.max_calls_per_day.map(|most| u64::from(most).saturating_sub(calls))
    }

    fn day(&self, business: &BusinessId, day: Day) -> Option<&Sums> {
        self.books.get(business)?.get(&day)
    }

    fn month(&self, business: &BusinessId, day: Day, currency: Currency) -> Cost {
        let (first, next) = day.month();
        let days = self.books.get(business).into_iter().flat_map(|days| days.range(first..next));
        days.fold(Cost::default(), |sum, (_, sums)| sum.plus(sums.cost(currency)))
    }

    fn add(&mut self, business: &BusinessId, day: Day, calls: u64, (currency, cost): (Currency, Cost)) {
        if !self.books.contains_key(business) {
            self.books.insert(business.clone(), BTreeMap::new());
        }
        if let Some(days) = self.books.get_mut(business) {
            let sums = days.entry(day).or_default();
            sums.calls = sums.calls.saturating_add(calls);
            sums.set(currency, sums.cost(currency).plus(cost));
        }
    }

    fn replace(
        &mut self,
        business: &BusinessId,
        day: Day,
        (before, old): (Currency, Cost),
        (now, new): (Currency, Cost),
    ) {
        if let Some(sums) = self.books.get_mut(business).and_then(|days| days.get_mut(&day)) {
            let was = sums.cost(before);
            let seconds = was.seconds.saturating_sub(old.seconds);
            sums.set(before, Cost { seconds, price: Money(was.price.0.saturating_sub(old.price.0)) });
            sums.set(now, sums.cost(now).plus(new));
        }
    }
}

impl Reached {
    fn of_day(limit: Limit, day: Day, quota: u64) -> Reached {
        Reached { limit, quota, since: day.begins(), until: day.next().begins() }
    }

    fn of_month(limit: Limit, day: Day, quota: u64) -> Reached {
        let (first, next) = day.month();
        Reached { limit, quota, since: first.begins(), until: next.begins() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn abc() -> BusinessId {
        "abc".parse().unwrap()
    }

    fn cost(seconds: u64, price: i64) -> Cost {
        Cost { seconds, price: Money(price) }
    }

    const USD: Currency = Currency::USD;

    fn wall(text: &str) -> Wall {
        Wall::parse(text).unwrap()
    }

    #[test]
    fn a_call_belongs_to_the_day_that_it_is_wanted_on() {
        let accepted = wall("2026-11-30T23:59:59Z");
        let day = Day::of_call(accepted, None);
        assert_eq!(day.begins(), wall("2026-11-30T00:00:00Z"));
        let (first, next) = day.month();
        assert_eq!((first.begins(), next.begins()), (wall("2026-11-01T00:00:00Z"), wall("2026-12-01T00:00:00Z")));
        assert_eq!(Day::of_call(accepted, Some(wall("2026-12-01T00:00:00Z"))), next);
        assert_eq!(Day::of_call(accepted, Some(wall("2026-11-01T00:00:00Z"))), day, "a time that is past is now");
    }

    #[test]
    fn many_calls_at_once_overrun_nothing_together() {
        let limits = Limits { max_spend_per_day_micros: Some(100), ..Limits::default() };
        let mut ledger = Ledger::default();
        let day = Day(20_000);
        for _ in 0..3 {
            ledger.check(&abc(), day, (USD, cost(60, 30)), &limits).unwrap();
            ledger.open(&abc(), day, USD, cost(60, 30));
        }
        let refused = ledger.check(&abc(), day, (USD, cost(60, 30)), &limits).unwrap_err();
        assert_eq!((refused.limit, refused.quota), (Limit::SpendPerDay, 100));
        assert_eq!(refused.until, Day(20_001).begins());
    }

    #[test]
    fn what_was_reserved_and_not_used_comes_back() {
        let limits = Limits { max_minutes_per_day: Some(1), ..Limits::default() };
        let (mut ledger, day) = (Ledger::default(), Day(20_000));
        let mut entry = ledger.open(&abc(), day, USD, cost(60, 0));
        assert!(ledger.check(&abc(), day, (USD, cost(60, 0)), &limits).is_err());
        assert!(ledger.extend(&abc(), &mut entry, cost(61, 0), &limits).is_err());
        assert_eq!(entry.held(), cost(60, 0));
        ledger.lower(&abc(), &mut entry, cost(70, 0));
        assert!(ledger.check(&abc(), day, (USD, cost(1, 0)), &limits).is_err(), "lowered to more is not lowered");
        ledger.lower(&abc(), &mut entry, cost(20, 0));
        assert!(ledger.check(&abc(), day, (USD, cost(40, 0)), &limits).is_ok());
        assert!(ledger.extend(&abc(), &mut entry, cost(60, 0), &limits).is_ok());
        ledger.settle(&abc(), entry, USD, Cost::default());
        assert!(ledger.check(&abc(), day, (USD, cost(60, 0)), &limits).is_ok());
    }

    #[test]
    fn a_call_that_the_store_did_not_take_does_not_count() {
        let limits = Limits { max_calls_per_day: Some(1), ..Limits::default() };
        let (mut ledger, day) = (Ledger::default(), Day(20_000));
        let entry = ledger.open(&abc(), day, USD, Cost::default());
        assert_eq!(ledger.check(&abc(), day, (USD, Cost::default()), &limits).unwrap_err().limit, Limit::CallsPerDay);
        ledger.undo(&abc(), entry);
        assert!(ledger.check(&abc(), day, (USD, Cost::default()), &limits).is_ok());
        assert_eq!(ledger.calls_left(&abc(), day, &limits), Some(1));
    }

    #[test]
    fn two_currencies_are_never_added_up() {
        let euro: Currency = "EUR".parse().unwrap();
        let limits =
            Limits { max_spend_per_month_micros: Some(100), max_minutes_per_day: Some(2), ..Limits::default() };
        let (mut ledger, day) = (Ledger::default(), Day(20_000));
        let mut waiting = ledger.open(&abc(), day, euro, cost(30, 90));
        assert!(ledger.check(&abc(), day, (euro, cost(1, 20)), &limits).is_err());
        assert!(ledger.check(&abc(), day, (USD, cost(1, 20)), &limits).is_ok(), "nothing was spent in dollars");
        assert!(ledger.check(&abc(), day, (USD, cost(91, 0)), &limits).is_err(), "a minute is a minute");
        // The account pays in dollars from now on, and so does the call that waits.
        ledger.pays_in(&abc(), &mut waiting, USD);
        assert_eq!(waiting.held(), cost(30, 0));
        assert!(ledger.extend(&abc(), &mut waiting, cost(30, 100), &limits).is_ok());
        assert!(ledger.check(&abc(), day, (USD, cost(1, 1)), &limits).is_err());
        assert!(ledger.check(&abc(), day, (euro, cost(1, 100)), &limits).is_ok(), "its euros came back");
        ledger.settle(&abc(), waiting, USD, cost(10, 60));
        assert!(ledger.check(&abc(), day, (USD, cost(1, 40)), &limits).is_ok());
        ledger.adjust(&abc(), day, USD, cost(10, 60), cost(10, 70));
        assert!(ledger.check(&abc(), day, (USD, cost(1, 40)), &limits).is_err());
    }

    /// A call of the property below: its day, what was held for it, and what it came to, if it has ended.
    type Past = (i64, u64, i64, Option<(u64, i64)>);

    fn calls() -> impl Strategy<Value = Vec<Past>> {
        let end = proptest::option::of((0u64..10_000, 0i64..10_000));
        proptest::collection::vec((20_400i64..20_470, 0u64..600, 0i64..600, end), 0..40)
    }

    fn limits() -> impl Strategy<Value = Limits> {
        let some = |most: u32| proptest::option::of(0..most);
        let money = || proptest::option::of(0i64..100_000);
        (some(20), some(500), some(2000), money(), money()).prop_map(|(calls, minutes, month, spend, monthly)| Limits {
            max_calls_per_day: calls,
            max_minutes_per_day: minutes,
            max_minutes_per_month: month,
            max_spend_per_day_micros: spend,
            max_spend_per_month_micros: monthly,
            ..Limits::default()
        })
    }

    proptest! {
        /// What a restart reads, sums of records by day and the calls that have none, gives the same verdicts.
        #[test]
        fn after_a_restart_the_verdicts_are_the_same(
            calls in calls(), limits in limits(), day in 20_400i64..20_470, seconds in 0u64..600, price in 0i64..600,
        ) {
            let (mut before, mut after) = (Ledger::default(), Ledger::default());
            let mut records: BTreeMap<i64, (u64, Cost)> = BTreeMap::new();
            for (day, seconds, price, end) in calls {
                let entry = before.open(&abc(), Day(day), USD, cost(seconds, price));
                match end {
                    Some((seconds, price)) => {
                        before.settle(&abc(), entry, USD, cost(seconds, price));
                        let (count, sum) = records.entry(day).or_default();
                        *count += 1;
                        *sum = sum.plus(cost(seconds, price));
                    }
                    None => drop(after.open(&abc(), Day(day), USD, cost(seconds, price))),
                }
            }
            for (day, (count, sum)) in records {
                after.recall(&abc(), Day(day), count, USD, sum);
            }
            let asked = cost(seconds, price);
            prop_assert_eq!(
                before.check(&abc(), Day(day), (USD, asked), &limits), after.check(&abc(), Day(day), (USD, asked), &limits)
            );
        }

        /// Never more than the bound, whatever the order; and never refused below it.
        #[test]
        fn calls_of_a_day_are_taken_up_to_the_bound_and_no_further(most in 0u32..10, wanted in 0u32..20) {
            let limits = Limits { max_calls_per_day: Some(most), ..Limits::default() };
            let (mut ledger, mut taken) = (Ledger::default(), 0);
            for _ in 0..wanted {
                if ledger.check(&abc(), Day(20_400), (USD, Cost::default()), &limits).is_ok() {
                    ledger.open(&abc(), Day(20_400), USD, Cost::default());
                    taken += 1;
                }
            }
            prop_assert_eq!(taken, most.min(wanted));
        }

        /// Reservations that are granted never come to more than the ceiling.
        #[test]
        fn what_is_granted_stays_below_the_ceiling(
            ceiling in 0i64..1_000, asks in proptest::collection::vec((0usize..5, 0i64..300), 0..60),
        ) {
            let limits = Limits { max_spend_per_day_micros: Some(ceiling), ..Limits::default() };
            let (mut ledger, mut live) = (Ledger::default(), Vec::<Entry>::new());
            for (which, price) in asks {
                if let Some(entry) = live.get_mut(which) {
                    let to = entry.held().plus(cost(0, price));
                    let _refused = ledger.extend(&abc(), entry, to, &limits);
                } else if ledger.check(&abc(), Day(1), (USD, cost(0, price)), &limits).is_ok() {
                    live.push(ledger.open(&abc(), Day(1), USD, cost(0, price)));
                }
                let all: i64 = live.iter().map(|entry| entry.held().price.0).sum();
                prop_assert!(all <= ceiling);
            }
        }

        #[test]
        fn months_follow_each_other_without_a_gap(number in -1_000_000i64..1_000_000) {
            let (first, next) = Day(number).month();
            prop_assert!(first <= Day(number) && Day(number) < next);
            prop_assert_eq!(next.month().0, next);
            prop_assert_eq!(Day(next.0 - 1).month(), (first, next));
            prop_assert!((28..=31).contains(&(next.0 - first.0)));
            let at = first.begins().to_string();
            prop_assert!(at.ends_with("-01T00:00:00.000Z") || at == "out-of-range", "{}", at);
        }
    }
}

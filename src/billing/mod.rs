//! Rating of legs, and the text forms of records. Pure, in integers.
//!
//! Owns how talked time becomes billed seconds and a price, which rate of a tariff a leg has, what a business owes for a period, and the
//! columns of `callbridge cdr`. Refuses to assemble records (the engine does) and to keep them (the store does).

pub mod invoice;
mod listing;
pub mod plan;
pub mod rerate;
pub mod sheet;

pub use listing::{attempt_csv, attempt_csv_header, attempt_json, record_csv, record_csv_header, record_json};
pub use plan::{Plan, Plans, Prices, plans};

use crate::clock::Wall;
use crate::model::{Cost, Endpoint, LegRate, Money, Role};

/// What one leg costs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RatedLeg {
    /// After increment and minimum; 0 for a leg that was never answered.
    pub billable_seconds: u64,
    /// Of these seconds, and for the set-up.
    pub price: Money,
    /// What it was rated by; absent for a leg that was never answered, and for one that there is no price for.
    pub rate: Option<LegRate>,
}

/// Rates one leg: from its answer to its end, begun seconds counted whole, rounded up to the increment, at least the minimum; and the
/// set-up fee. A clock that jumped back between the two makes a leg of no length, never a negative one. The price of the seconds is rounded
/// down to a whole micro-unit, so that no leg costs more than its exact price; a call's price is the sum of its legs'.
pub fn rate_leg(answered: Wall, ended: Wall, rate: LegRate) -> RatedLeg {
    let begun_seconds = ended.millis_since(answered).div_ceil(1000);
    let increment = u64::from(rate.increment_seconds.max(1));
    let rounded = begun_seconds.max(u64::from(rate.minimum_seconds)).div_ceil(increment).saturating_mul(increment);
    let price = price(rounded, rate.per_minute_micros).0.saturating_add(rate.setup_micros.max(0));
    RatedLeg { billable_seconds: rounded, price: Money(price), rate: Some(rate) }
}

/// An address of a call that its account's tariff has no price for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unrated {
    /// The customer's; else the representative's of this place among those that were named.
    pub representative: Option<usize>,
}

impl Prices {
    /// What a leg costs. One that was answered where there is no price costs nothing and has no rate: its seconds are counted whole, so that
    /// it is seen and can be rated when there is a price.
    pub fn leg(&self, role: Role, address: &Endpoint, answered: Option<Wall>, ended: Wall) -> RatedLeg {
        let Some(answered) = answered else { return RatedLeg::default() };
        match self.rate(role, address, answered) {
            Some(rate) => rate_leg(answered, ended, rate),
            None => RatedLeg { billable_seconds: ended.millis_since(answered).div_ceil(1000), ..RatedLeg::default() },
        }
    }

    /// What a leg costs at most that lasts so long and is answered at either of two moments: prices may change between them.
    pub fn most(&self, role: Role, address: &Endpoint, answered: [Wall; 2], seconds: u64) -> Cost {
        let of = |answered: Wall| self.leg(role, address, Some(answered), after(answered, seconds)).cost();
        let [first, last] = answered;
        of(first).at_least(of(last))
    }

    /// Whether a leg to this address costs no more than one to the other, however long it lasts.
    pub fn is_no_dearer(&self, role: Role, address: &Endpoint, other: &Endpoint, answered: Wall) -> bool {
        let (Some(this), Some(other)) = (self.rate(role, address, answered), self.rate(role, other, answered)) else {
            return false;
        };
        this.per_minute_micros <= other.per_minute_micros
            && this.setup_micros <= other.setup_micros
            && this.minimum_seconds <= other.minimum_seconds
            && this.increment_seconds <= other.increment_seconds
    }

    /// What both legs of a call cost at most that last so long and are answered at once, now or at the latest moment that they may be: the
    /// representative's is that of the dearest one.
    pub fn both_legs(&self, seconds: u32, customer: &Endpoint, others: &[Endpoint], answered: [Wall; 2]) -> Cost {
        let seconds = u64::from(seconds);
        let dearest = others.iter().map(|other| self.most(Role::Representative, other, answered, seconds));
        let dearest = dearest.fold(Cost::default(), Cost::at_least);
        self.most(Role::Customer, customer, answered, seconds).plus(dearest)
    }

    /// Whether there is a price for everybody who may be called at this moment.
    pub fn cover(&self, customer: &Endpoint, others: &[Endpoint], answered: Wall) -> Result<(), Unrated> {
        let has = |role, address| self.rate(role, address, answered).is_some();
        if !has(Role::Customer, customer) {
            return Err(Unrated { representative: None });
        }
        match others.iter().position(|other| !has(Role::Representative, other)) {
            Some(at) => Err(Unrated { representative: Some(at) }),
            None => Ok(()),
        }
    }
}

fn after(at: Wall, seconds: u64) -> Wall {
    Wall(at.0.saturating_add(i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)))
}

impl RatedLeg {
    /// The same, as it is counted against an account's bounds.
    pub fn cost(&self) -> Cost {
        Cost { seconds: self.billable_seconds, price: self.price }
    }
}

/// In 128 bits inside, kept at the greatest amount there is. A negative price counts as none.
fn price(seconds: u64, per_minute: i64) -> Money {
    let micros = i128::from(seconds) * i128::from(per_minute.max(0)) / 60;
    Money(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Currency, Tariff};

    fn tariff(increment: u32, minimum: u32) -> Tariff {
        Tariff {
            customer_per_minute_micros: 20_000,
            representative_per_minute_micros: 15_000,
            increment_seconds: increment,
            minimum_seconds: minimum,
            ..Tariff::default()
        }
    }

    fn leg(answered: Option<i64>, ended: i64, tariff: Tariff, role: Role) -> RatedLeg {
        let address = Endpoint::parse("+12125550100").unwrap();
        Prices::Own(tariff).leg(role, &address, answered.map(Wall), Wall(ended))
    }

    #[test]
    fn a_leg_of_61_seconds_in_steps_of_6_costs_66_seconds() {
        let rated = leg(Some(1_000), 62_000, tariff(6, 30), Role::Customer);
        assert_eq!((rated.billable_seconds, rated.price), (66, Money(22_000)));
        let rated = leg(Some(1_000), 62_000, tariff(6, 30), Role::Representative);
        assert_eq!(rated.price, Money(16_500));
    }

    #[test]
    fn a_short_leg_costs_the_minimum_and_an_unanswered_one_nothing() {
        assert_eq!(leg(Some(0), 1, tariff(1, 30), Role::Customer).billable_seconds, 30);
        assert_eq!(leg(None, 60_000, tariff(1, 30), Role::Customer), RatedLeg::default());
    }

    #[test]
    fn a_minimum_between_two_steps_is_rounded_up_like_any_length() {
        assert_eq!(leg(Some(0), 1, tariff(6, 20), Role::Customer).billable_seconds, 24);
    }

    #[test]
    fn a_clock_that_jumped_back_costs_no_more_than_the_minimum() {
        assert_eq!(leg(Some(9_000), 1, tariff(1, 0), Role::Customer).cost(), Cost::default());
        assert_eq!(leg(Some(9_000), 1, tariff(1, 10), Role::Customer).billable_seconds, 10);
    }

    #[test]
    fn the_set_up_is_paid_once_for_a_leg_that_is_answered() {
        let rate = rate_of(60_000, 5_000, 1, 0);
        assert_eq!(rate_leg(Wall(0), Wall(1_000), rate.clone()).price, Money(6_000));
        assert_eq!(rate_leg(Wall(0), Wall(0), rate.clone()).price, Money(5_000), "answered and gone");
        assert_eq!(rate_leg(Wall(0), Wall(60_000), rate).price, Money(65_000));
    }

    #[test]
    fn a_leg_without_a_price_is_no_free_leg_but_an_unrated_one() {
        let address = Endpoint::parse("+12125550100").unwrap();
        let prices = Prices::Missing("gone".parse().unwrap());
        let rated = prices.leg(Role::Customer, &address, Some(Wall(0)), Wall(61_000));
        assert_eq!(rated, RatedLeg { billable_seconds: 61, price: Money(0), rate: None });
        assert_eq!(prices.cover(&address, &[], Wall(0)), Err(Unrated { representative: None }));
    }

    fn rate_of(per_minute_micros: i64, setup_micros: i64, increment_seconds: u32, minimum_seconds: u32) -> LegRate {
        LegRate {
            tariff: None,
            version: None,
            prefix: None,
            per_minute_micros,
            setup_micros,
            increment_seconds,
            minimum_seconds,
            currency: Currency::USD,
        }
    }

    fn any_rate() -> impl Strategy<Value = LegRate> {
        (any::<i64>(), any::<i64>(), any::<u32>(), any::<u32>())
            .prop_map(|(minute, setup, increment, minimum)| rate_of(minute, setup, increment, minimum))
    }

    proptest! {
        #[test]
        fn nothing_overflows_and_nothing_is_negative(a in any::<i64>(), e in any::<i64>(), rate in any_rate()) {
            prop_assert!(rate_leg(Wall(a), Wall(e), rate).price >= Money(0));
        }

        #[test]
        fn billed_is_talked_rounded_up_by_less_than_one_step(
            begin in 0i64..1 << 41, millis in 0i64..1 << 33, increment in 1u32..3600, minimum in 0u32..3600,
        ) {
            let tariff = tariff(increment, minimum);
            let billed = leg(Some(begin), begin + millis, tariff, Role::Customer).billable_seconds;
            let talked = u64::try_from(millis).unwrap().div_ceil(1000);
            let least = talked.max(u64::from(minimum));
            prop_assert!(billed >= least && billed < least + u64::from(increment));
            prop_assert_eq!(billed % u64::from(increment), 0);
        }

        #[test]
        fn the_price_is_exact_to_a_micro_and_grows_with_time(seconds in 0u64..1 << 27, per_minute in 0i64..1 << 40) {
            let exact = i128::from(seconds) * i128::from(per_minute);
            let got = price(seconds, per_minute);
            prop_assert!(exact - i128::from(got.0) * 60 < 60 && exact >= i128::from(got.0) * 60);
            prop_assert!(price(seconds + 1, per_minute) >= got);
        }

        /// A leg that lasts longer, or whose rate is dearer in any respect, costs no less.
        #[test]
        fn no_leg_gets_cheaper_by_lasting_longer_or_by_a_dearer_rate(
            millis in 0i64..1 << 33, more in 0i64..100_000, minute in 0i64..1 << 40, setup in 0i64..1 << 40,
            increment in 1u32..120, minimum in 0u32..3600, dearer in 0u8..3,
        ) {
            let rate = rate_of(minute, setup, increment, minimum);
            let cost = rate_leg(Wall(0), Wall(millis), rate.clone());
            prop_assert!(rate_leg(Wall(0), Wall(millis + more), rate.clone()).price >= cost.price);
            let other = match dearer {
                0 => LegRate { per_minute_micros: minute + more, ..rate },
                1 => LegRate { setup_micros: setup + more, ..rate },
                _ => LegRate { minimum_seconds: minimum + 60, ..rate },
            };
            prop_assert!(rate_leg(Wall(0), Wall(millis), other).price >= cost.price);
        }
    }
}

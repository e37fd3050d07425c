//! Rating of legs, and the text forms of records. Pure, in integers.
//!
//! Owns how talked time becomes billed seconds and a price, what a business owes for a period, and the columns of `callbridge cdr`. Refuses to assemble records
//! (the engine does) and to keep them (the store does).

pub mod invoice;
mod listing;

pub use listing::{attempt_csv, attempt_csv_header, attempt_json, record_csv, record_csv_header, record_json};

use crate::clock::Wall;
use crate::model::{Cost, Money, Role, Tariff};

/// What one leg costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RatedLeg {
    /// After increment and minimum; 0 for a leg that was never answered.
    pub billable_seconds: u64,
    /// Of these seconds.
    pub price: Money,
}

/// Rates one leg: from its answer to its end, begun seconds counted whole, rounded up to the increment, at least the minimum.
/// A clock that jumped back between the two makes a leg of no length, never a negative one. The price is rounded down to a
/// whole micro-unit, so that no leg costs more than its exact price; a call's price is the sum of its legs'.
pub fn rate_leg(answered: Option<Wall>, ended: Wall, tariff: &Tariff, role: Role) -> RatedLeg {
    let Some(answered) = answered else { return RatedLeg::default() };
    let begun_seconds = ended.millis_since(answered).div_ceil(1000);
    let increment = u64::from(tariff.increment_seconds.max(1));
    let rounded = begun_seconds.max(u64::from(tariff.minimum_seconds)).div_ceil(increment).saturating_mul(increment);
    RatedLeg { billable_seconds: rounded, price: price(rounded, per_minute(tariff, role)) }
}

/// What both legs of a call cost that are answered at once and last so long.
pub fn both_legs(seconds: u32, tariff: &Tariff) -> Cost {
    let end = Wall(i64::from(seconds) * 1000);
    let [customer, representative] =
        [Role::Customer, Role::Representative].map(|role| rate_leg(Some(Wall(0)), end, tariff, role).cost());
    customer.plus(representative)
}

impl RatedLeg {
    /// The same, as it is counted against an account's bounds.
    pub fn cost(self) -> Cost {
        Cost { seconds: self.billable_seconds, price: self.price }
    }
}

fn per_minute(tariff: &Tariff, role: Role) -> i64 {
    match role {
        Role::Customer => tariff.customer_per_minute_micros,
        // A supervisor is somebody of the business's, as a representative is.
        Role::Representative | Role::Supervisor => tariff.representative_per_minute_micros,
    }
}

/// In 128 bits inside, kept at the greatest amount there is. A negative price in a tariff counts as none.
fn price(seconds: u64, per_minute: i64) -> Money {
    let micros = i128::from(seconds) * i128::from(per_minute.max(0)) / 60;
    Money(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tariff(increment: u32, minimum: u32) -> Tariff {
        Tariff {
            customer_per_minute_micros: 20_000,
            representative_per_minute_micros: 15_000,
            increment_seconds: increment,
            minimum_seconds: minimum,
            ..Tariff::default()
        }
    }

    #[test]
    fn a_leg_of_61_seconds_in_steps_of_6_costs_66_seconds() {
        let rated = rate_leg(Some(Wall(1_000)), Wall(62_000), &tariff(6, 30), Role::Customer);
        assert_eq!(rated, RatedLeg { billable_seconds: 66, price: Money(22_000) });
        let rated = rate_leg(Some(Wall(1_000)), Wall(62_000), &tariff(6, 30), Role::Representative);
        assert_eq!(rated.price, Money(16_500));
    }

    #[test]
    fn a_short_leg_costs_the_minimum_and_an_unanswered_one_nothing() {
        assert_eq!(rate_leg(Some(Wall(0)), Wall(1), &tariff(1, 30), Role::Customer).billable_seconds, 30);
        assert_eq!(rate_leg(None, Wall(60_000), &tariff(1, 30), Role::Customer), RatedLeg::default());
    }

    #[test]
    fn a_minimum_between_two_steps_is_rounded_up_like_any_length() {
        assert_eq!(rate_leg(Some(Wall(0)), Wall(1), &tariff(6, 20), Role::Customer).billable_seconds, 24);
    }

    #[test]
    fn a_clock_that_jumped_back_costs_no_more_than_the_minimum() {
        assert_eq!(rate_leg(Some(Wall(9_000)), Wall(1), &tariff(1, 0), Role::Customer), RatedLeg::default());
        assert_eq!(rate_leg(Some(Wall(9_000)), Wall(1), &tariff(1, 10), Role::Customer).billable_seconds, 10);
    }

    fn any_tariff() -> impl Strategy<Value = Tariff> {
        (any::<i64>(), any::<i64>(), any::<u32>(), any::<u32>()).prop_map(|(customer, representative, i, m)| Tariff {
            customer_per_minute_micros: customer,
            representative_per_minute_micros: representative,
            increment_seconds: i,
            minimum_seconds: m,
            ..Tariff::default()
        })
    }

    proptest! {
        #[test]
        fn nothing_overflows_and_nothing_is_negative(a in any::<i64>(), e in any::<i64>(), tariff in any_tariff()) {
            let rated = rate_leg(Some(Wall(a)), Wall(e), &tariff, Role::Representative);
            prop_assert!(rated.price >= Money(0));
        }

        #[test]
        fn billed_is_talked_rounded_up_by_less_than_one_step(
            begin in 0i64..1 << 41, millis in 0i64..1 << 33, increment in 1u32..3600, minimum in 0u32..3600,
        ) {
            let tariff = tariff(increment, minimum);
            let billed = rate_leg(Some(Wall(begin)), Wall(begin + millis), &tariff, Role::Customer).billable_seconds;
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
    }
}

//! Rating, in integers. Pure. Owns seconds to billable seconds to price; the record is assembled by the engine.

use crate::clock::Wall;
use crate::model::{Money, Role, Tariff};

/// What one leg costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RatedLeg {
    /// After increment and minimum.
    pub billable_seconds: u64,
    /// Of these seconds.
    pub price: Money,
}

/// Rates a leg that was answered and ended then. A leg that was never answered is free.
pub fn rate_leg(answered: Option<Wall>, ended: Wall, tariff: &Tariff, role: Role) -> RatedLeg {
    let Some(answered) = answered else { return RatedLeg::default() };
    let increment = u64::from(tariff.increment_seconds.max(1));
    let talked = ended.millis_since(answered).div_ceil(1000).max(u64::from(tariff.minimum_seconds));
    let billable_seconds = talked.div_ceil(increment) * increment;
    let per_minute = match role {
        Role::Customer => tariff.customer_per_minute_micros,
        Role::Representative => tariff.representative_per_minute_micros,
    };
    let micros = (i128::from(per_minute) * i128::from(billable_seconds)).div_euclid(60);
    RatedLeg { billable_seconds, price: Money(i64::try_from(micros).unwrap_or(i64::MAX)) }
}

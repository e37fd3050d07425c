//! A call rated anew from its stored legs: what it costs by other prices, and why. Owns the comparison and what is refused (no price, another
//! currency); refuses to read and to write records (the store does).

use serde::Serialize;

use super::Prices;
use crate::clock::Wall;
use crate::model::{
    Actor, AdjustedLeg, Adjustment, AttemptRecord, Billed, BusinessId, CallId, Currency, LegRate, Money, Role,
};

/// A call that costs another price now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    /// Which call.
    pub call_id: CallId,
    /// Whose.
    pub business_id: BusinessId,
    /// When it was accepted.
    pub created_at: Wall,
    /// What prices are in.
    pub currency: Currency,
    /// When the call was over.
    pub original_price_micros: Money,
    /// In force.
    pub old_price_micros: Money,
    /// Computed anew.
    pub new_price_micros: Money,
    /// Leg by leg, what is another.
    pub why: Vec<String>,
    /// The legs as they would be.
    #[serde(skip)]
    pub legs: Vec<AdjustedLeg>,
}

/// Why a call cannot be rated by these prices.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RerateError {
    /// An answered leg has no price.
    #[error(
        "call {call}: leg {attempt} ({role}) has no price at {answered_at}\n    mend: add a rate for its destination"
    )]
    NoRate {
        /// Which call.
        call: CallId,
        /// Which leg.
        attempt: u16,
        /// Of whom.
        role: &'static str,
        /// When it was answered.
        answered_at: Wall,
    },
    /// Amounts in two currencies are never taken for each other.
    #[error(
        "call {call} was rated in {old}, these prices are in {new}\n    mend: choose a period and a tariff of one currency"
    )]
    Currency {
        /// Which call.
        call: CallId,
        /// Of the record.
        old: Currency,
        /// Of the prices.
        new: Currency,
    },
}

/// What this call costs by these prices: none where it is what is in force.
pub fn rerate(billed: &Billed, prices: &Prices) -> Result<Option<Difference>, RerateError> {
    let record = &billed.record;
    if let Some(new) = prices.currency().filter(|new| *new != record.currency) {
        return Err(RerateError::Currency { call: record.call_id, old: record.currency, new });
    }
    let mut legs = Vec::with_capacity(billed.legs.len());
    let (mut price, mut seconds) = (0i64, [0u64; 3]);
    for leg in &billed.legs {
        let rated = prices.leg(leg.role, &leg.address, leg.answered_at, leg.ended_at);
        if let Some(answered_at) = leg.answered_at.filter(|_| rated.rate.is_none()) {
            let (call, attempt, role) = (record.call_id, leg.attempt, role_word(leg.role));
            return Err(RerateError::NoRate { call, attempt, role, answered_at });
        }
        price = price.saturating_add(rated.price.0);
        let [customer, representative, supervisor] = &mut seconds;
        *match leg.role {
            Role::Customer => customer,
            Role::Representative => representative,
            Role::Supervisor => supervisor,
        } += rated.billable_seconds;
        legs.push(AdjustedLeg {
            attempt: leg.attempt,
            billable_seconds: rated.billable_seconds,
            price_micros: rated.price,
            rated: rated.rate,
        });
    }
    let old_seconds =
        [record.customer_billable_seconds, record.representative_billable_seconds, record.supervisor_billable_seconds];
    // A leg that was never rated is rated now, also where it is free.
    let unrated = billed.legs.iter().any(AttemptRecord::is_unrated);
    if Money(price) == record.price_micros && seconds == old_seconds && !unrated {
        return Ok(None);
    }
    let why = billed.legs.iter().zip(&legs).filter_map(|(old, new)| differs(old, new)).collect();
    Ok(Some(Difference {
        call_id: record.call_id,
        business_id: record.business_id.clone(),
        created_at: record.created_at,
        currency: record.currency,
        original_price_micros: billed.original_micros,
        old_price_micros: record.price_micros,
        new_price_micros: Money(price),
        why,
        legs,
    }))
}

impl Difference {
    /// As it is kept.
    pub fn adjustment(self, at: Wall, actor: Actor, reason: Option<String>) -> Adjustment {
        Adjustment {
            call_id: self.call_id,
            business_id: self.business_id,
            at,
            actor,
            reason,
            old_price_micros: self.old_price_micros,
            new_price_micros: self.new_price_micros,
            currency: self.currency,
            legs: self.legs,
        }
    }
}

/// A part of what a leg was rated by: its name, and how it is written.
type Shown = (&'static str, fn(&LegRate) -> String);

/// In words, what is another about this leg.
fn differs(old: &AttemptRecord, new: &AdjustedLeg) -> Option<String> {
    let mut parts = Vec::new();
    let mut part = |name: &str, old: String, new: String| {
        if old != new {
            parts.push(format!("{name} {old} to {new}"));
        }
    };
    let price = old.price_micros.map_or_else(|| "unknown".to_owned(), |price| price.0.to_string());
    part("price_micros", price, new.price_micros.0.to_string());
    part("billable_seconds", old.billable_seconds.to_string(), new.billable_seconds.to_string());
    let text =
        |rate: &Option<LegRate>, show: fn(&LegRate) -> String| rate.as_ref().map_or_else(|| "none".to_owned(), show);
    let shown: [Shown; 6] = [
        ("tariff", |rate| rate.tariff.as_ref().map_or_else(|| "own".to_owned(), ToString::to_string)),
        ("prefix", |rate| format!("{:?}", rate.prefix.as_ref().map_or("", crate::model::Destination::as_str))),
        ("per_minute_micros", |rate| rate.per_minute_micros.to_string()),
        ("setup_micros", |rate| rate.setup_micros.to_string()),
        ("increment_seconds", |rate| rate.increment_seconds.to_string()),
        ("minimum_seconds", |rate| rate.minimum_seconds.to_string()),
    ];
    for (name, show) in shown {
        part(name, text(&old.rated, show), text(&new.rated, show));
    }
    (!parts.is_empty()).then(|| format!("leg {} ({}): {}", old.attempt, role_word(old.role), parts.join(", ")))
}

/// A role, as it is written in listings.
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::Customer => "customer",
        Role::Representative => "representative",
        Role::Supervisor => "supervisor",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::billing::plan::Plan;
    use crate::model::{Endpoint, Outcome, Rate, RatePlan, RatedLegs};
    use std::sync::Arc;

    /// A call of these legs (role, address, answered, ended), rated as the engine does it.
    pub(in crate::billing) fn call(n: u8, at: i64, legs: &[(Role, &str, Option<i64>, i64)], prices: &Prices) -> Billed {
        let id = CallId::new(Wall(at), [n; 10]);
        let json = json!({
            "call_id": id, "business_id": "abc", "reference": null,
            "customer": Endpoint::parse("+12125550100").unwrap(), "representative": null, "outcome": Outcome::Completed,
            "created_at": Wall(at), "ended_at": Wall(at + 90_000), "customer_billable_seconds": 0,
            "representative_billable_seconds": 0, "talk_seconds": 25, "price_micros": 0,
            "currency": prices.currency().unwrap_or(Currency::USD), "one_way_audio": false, "detail": ""
        });
        let mut record: crate::model::CallRecord = serde_json::from_value(json).unwrap();
        let mut attempts = Vec::new();
        for (attempt, (role, address, answered, ended)) in (0u16..).zip(legs) {
            let address = Endpoint::parse(address).unwrap();
            let (answered, ended) = (answered.map(|after| Wall(at + after)), Wall(at + ended));
            let rated = prices.leg(*role, &address, answered, ended);
            *record.billable_of(*role) += rated.billable_seconds;
            record.price_micros.0 += rated.price.0;
            attempts.push(AttemptRecord {
                call_id: id,
                attempt,
                role: *role,
                address,
                switch: None,
                dialled_at: Wall(at),
                ringing_at: None,
                answered_at: answered,
                ended_at: ended,
                cause: Default::default(),
                codec: None,
                billable_seconds: rated.billable_seconds,
                quality: None,
                mode: None,
                price_micros: Some(rated.price),
                rated: rated.rate,
            });
        }
        Billed::new(record, attempts, None)
    }

    pub(in crate::billing) fn rate(prefix: &str, minute: i64, setup: i64, from: Option<i64>) -> Rate {
        Rate {
            prefix: prefix.parse().unwrap(),
            leg: RatedLegs::Both,
            per_minute_micros: minute,
            setup_micros: setup,
            increment_seconds: 6,
            minimum_seconds: 30,
            effective_from: from.map(Wall),
            effective_to: None,
        }
    }

    pub(in crate::billing) fn prices(currency: Currency, rates: Vec<Rate>) -> Prices {
        let plan = RatePlan { name: "retail".parse().unwrap(), currency, rates };
        assert_eq!(plan.problems(), []);
        Prices::Plan(Arc::new(Plan::new(&plan)))
    }

    const TALK: [(Role, &str, Option<i64>, i64); 2] = [
        (Role::Customer, "+12125550100", Some(1_000), 61_000),
        (Role::Representative, "+442079460000", Some(5_000), 60_000),
    ];

    #[test]
    fn a_dearer_prefix_is_told_with_what_became_dearer() {
        let old = prices(Currency::USD, vec![rate("", 60_000, 0, None)]);
        let new = prices(Currency::USD, vec![rate("", 60_000, 0, None), rate("+44", 120_000, 7, None)]);
        let billed = call(1, 0, &TALK, &old);
        let difference = rerate(&billed, &new).unwrap().unwrap();
        assert_eq!((difference.old_price_micros, difference.new_price_micros), (Money(120_000), Money(180_007)));
        let [why] = difference.why.as_slice() else { panic!("{:?}", difference.why) };
        assert!(why.contains("leg 1 (representative): price_micros 60000 to 120007"), "{why}");
        assert!(why.contains("prefix \"\" to \"+44\"") && why.contains("setup_micros 0 to 7"), "{why}");
    }

    #[test]
    fn an_adjusted_call_is_in_force_as_it_was_adjusted_and_its_original_is_kept() {
        let old = prices(Currency::USD, vec![rate("", 60_000, 0, None)]);
        let new = prices(Currency::USD, vec![rate("", 30_000, 0, None)]);
        let billed = call(1, 0, &TALK, &old);
        let actor = Actor::CommandLine { user: "anna".into() };
        let adjustment = rerate(&billed, &new).unwrap().unwrap().adjustment(Wall(9), actor, None);
        let now = Billed::new(billed.record.clone(), billed.legs.clone(), Some(adjustment));
        assert_eq!((now.original_micros, now.record.price_micros), (Money(120_000), Money(60_000)));
        assert_eq!(rerate(&now, &new), Ok(None), "it is what it would be");
        let back = rerate(&now, &old).unwrap().unwrap();
        assert_eq!((back.original_price_micros, back.new_price_micros), (Money(120_000), Money(120_000)));
    }

    #[test]
    fn another_currency_and_a_leg_without_a_price_are_refused() {
        let billed = call(1, 0, &TALK, &prices(Currency::USD, vec![rate("", 1, 0, None)]));
        let euro = prices("EUR".parse().unwrap(), vec![rate("", 1, 0, None)]);
        assert!(matches!(rerate(&billed, &euro), Err(RerateError::Currency { .. })));
        let narrow = prices(Currency::USD, vec![rate("+1", 1, 0, None)]);
        assert!(matches!(rerate(&billed, &narrow), Err(RerateError::NoRate { attempt: 1, .. })));
    }

    #[test]
    fn a_leg_that_had_no_price_is_rated_when_there_is_one() {
        let narrow = prices(Currency::USD, vec![rate("+1", 60_000, 0, None)]);
        let billed = call(1, 0, &TALK, &narrow);
        assert!(billed.legs.iter().any(AttemptRecord::is_unrated));
        let wide = prices(Currency::USD, vec![rate("+1", 60_000, 0, None), rate("+44", 0, 0, None)]);
        let difference = rerate(&billed, &wide).unwrap().expect("free, but rated");
        assert_eq!(difference.old_price_micros, difference.new_price_micros);
    }

    proptest! {
        /// Without a change of the tariff, rating anew gives what the record says, whatever the legs and dates.
        #[test]
        fn the_same_prices_give_the_same_call(
            legs in proptest::collection::vec((0usize..3, 0usize..4, proptest::option::of(0i64..200_000), 0i64..200_000), 0..8),
            minute in 0i64..1_000_000, setup in 0i64..1_000_000, change in 0i64..200_000,
        ) {
            let rates = vec![
                rate("", minute, setup, None), rate("", minute / 2, setup * 2, Some(1_000_000 + change)),
                rate("+1", setup, minute, None), rate("sip", 7, 1, None),
            ];
            let prices = prices(Currency::USD, rates);
            let roles = [Role::Customer, Role::Representative, Role::Supervisor];
            let addresses = ["+12125550100", "+442079460000", "sip:a@b.example", "192.0.2.7"];
            let legs: Vec<_> = legs.into_iter().map(|(r, a, answered, more)| {
                (roles[r], addresses[a], answered, answered.unwrap_or(0) + more)
            }).collect();
            let billed = call(1, 1_000_000, &legs, &prices);
            prop_assert_eq!(rerate(&billed, &prices), Ok(None));
            let sum: i64 = billed.legs.iter().filter_map(|leg| leg.price_micros).map(|price| price.0).sum();
            prop_assert_eq!(sum, billed.record.price_micros.0);
        }
    }
}

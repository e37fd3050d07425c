//! A price that was computed anew: what it is now, what it was, by whom and why; and a record with the prices that are in force. Owns these
//! shapes and that the original stays what it was; refuses to compute prices (`billing` does).

use serde::{Deserialize, Serialize};

use super::{Actor, AttemptRecord, BusinessId, CallId, CallRecord, Cost, Currency, LegRate, Money, Role};
use crate::clock::Wall;

/// A leg as it is rated now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AdjustedLeg {
    /// Its place in the call.
    pub attempt: u16,
    /// Billed seconds.
    pub billable_seconds: u64,
    /// What it costs.
    pub price_micros: Money,
    /// What it was rated by; absent for a leg that nobody answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rated: Option<LegRate>,
}

/// A call was rated anew. Adjustments are added, never changed: the last one of a call is in force, its record keeps the original.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Adjustment {
    /// Which call.
    pub call_id: CallId,
    /// Whose.
    pub business_id: BusinessId,
    /// When.
    pub at: Wall,
    /// By whom.
    pub actor: Actor,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In force before.
    pub old_price_micros: Money,
    /// In force from now on.
    pub new_price_micros: Money,
    /// What both are in.
    pub currency: Currency,
    /// Its legs.
    pub legs: Vec<AdjustedLeg>,
}

/// What the prices of a day's calls became: how a running daemon learns of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DayAdjustment {
    /// Whose.
    pub business: BusinessId,
    /// The day of UTC, counted from 1970-01-01, that the call was wanted on.
    pub day: i64,
    /// In this currency, which no re-rating changes.
    pub currency: Currency,
    /// What it cost.
    pub old: Cost,
    /// What it costs.
    pub new: Cost,
}

/// A record with its legs, at the prices in force.
#[derive(Clone, PartialEq, Debug)]
pub struct Billed {
    /// Its seconds and its price are the sums of its legs'.
    pub record: CallRecord,
    /// Every leg, in order.
    pub legs: Vec<AttemptRecord>,
    /// What the record said when the call was over.
    pub original_micros: Money,
    /// The last adjustment, if there was one.
    pub adjustment: Option<Adjustment>,
}

impl Billed {
    /// The record and legs as they were stored, with the last adjustment put over them.
    pub fn new(record: CallRecord, legs: Vec<AttemptRecord>, adjustment: Option<Adjustment>) -> Billed {
        let original_micros = record.price_micros;
        let mut billed = Billed { record, legs, original_micros, adjustment };
        let Some(adjustment) = &billed.adjustment else { return billed };
        let record = &mut billed.record;
        record.price_micros = adjustment.new_price_micros;
        record.rerated_price_micros = Some(adjustment.new_price_micros);
        (record.customer_billable_seconds, record.representative_billable_seconds) = (0, 0);
        record.supervisor_billable_seconds = 0;
        for leg in &mut billed.legs {
            if let Some(now) = adjustment.legs.iter().find(|now| now.attempt == leg.attempt) {
                leg.billable_seconds = now.billable_seconds;
                leg.price_micros = Some(now.price_micros);
                leg.rated = now.rated.clone();
            }
            *record.billable_of(leg.role) += leg.billable_seconds;
        }
        billed
    }

    /// What it costs.
    pub fn cost(&self) -> Cost {
        Cost { seconds: self.record.billable_seconds(), price: self.record.price_micros }
    }
}

impl CallRecord {
    /// Billed seconds of legs of this role.
    pub fn billable_of(&mut self, role: Role) -> &mut u64 {
        match role {
            Role::Customer => &mut self.customer_billable_seconds,
            Role::Representative => &mut self.representative_billable_seconds,
            Role::Supervisor => &mut self.supervisor_billable_seconds,
        }
    }
}

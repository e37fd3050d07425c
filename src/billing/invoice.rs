//! What a business owes for a period: the sums of its calls by day and outcome, and of their legs by whom and where to, at the prices in
//! force. Owns the sums and that all of them agree; refuses to rate, to choose the records and to write (`sheet` has the text forms).

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Wall;
use crate::model::{Billed, BusinessId, CallId, CallRecord, Currency, Destination, Money, Outcome, Role, TariffName};

/// Adjustments that are listed one by one; the totals have all.
pub const MAX_ADJUSTMENTS: usize = 10_000;

/// Sums of some calls. They are exact: an amount too large for them is an error, never another amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
#[schema(as = InvoiceSums)]
pub struct Sums {
    /// Calls.
    pub calls: u64,
    /// Calls in which both talked.
    pub completed: u64,
    /// Whole seconds of talk.
    pub talk_seconds: u64,
    /// Billed seconds of customers' legs.
    pub customer_billable_seconds: u64,
    /// Billed seconds of representatives' legs.
    pub representative_billable_seconds: u64,
    /// Billed seconds of supervisors' legs.
    pub supervisor_billable_seconds: u64,
    /// The price.
    pub price_micros: Money,
}

/// The sums do not fit: somebody's tariff is wrong by many orders of magnitude.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the sum of these records is larger than 9,223,372,036,854 units of a currency: a tariff must be wrong")]
pub struct TooLarge;

impl Sums {
    fn add(&mut self, other: &Sums) -> Result<(), TooLarge> {
        let pairs = [
            (&mut self.calls, other.calls),
            (&mut self.completed, other.completed),
            (&mut self.talk_seconds, other.talk_seconds),
            (&mut self.customer_billable_seconds, other.customer_billable_seconds),
            (&mut self.representative_billable_seconds, other.representative_billable_seconds),
            (&mut self.supervisor_billable_seconds, other.supervisor_billable_seconds),
        ];
        for (sum, more) in pairs {
            add(sum, more)?;
        }
        add_money(&mut self.price_micros, other.price_micros)
    }
}

fn add(sum: &mut u64, more: u64) -> Result<(), TooLarge> {
    *sum = sum.checked_add(more).ok_or(TooLarge)?;
    Ok(())
}

fn add_money(sum: &mut Money, more: Money) -> Result<(), TooLarge> {
    *sum = Money(sum.0.checked_add(more.0).ok_or(TooLarge)?);
    Ok(())
}

impl From<&CallRecord> for Sums {
    fn from(record: &CallRecord) -> Sums {
        Sums {
            calls: 1,
            completed: u64::from(record.outcome == Outcome::Completed),
            talk_seconds: record.talk_seconds,
            customer_billable_seconds: record.customer_billable_seconds,
            representative_billable_seconds: record.representative_billable_seconds,
            supervisor_billable_seconds: record.supervisor_billable_seconds,
            price_micros: record.price_micros,
        }
    }
}

/// The calls of one day that ended in one way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = InvoiceLine)]
pub struct Line {
    /// The day (UTC) on which the calls were accepted, such as `2026-11-24`.
    pub day: String,
    /// How they ended.
    pub outcome: Outcome,
    /// What they cost is in this.
    pub currency: Currency,
    /// Their sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// The answered legs of one party to destinations of one rate.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, ToSchema)]
#[schema(as = InvoiceLegs)]
pub struct LegLine {
    /// Which party; null: what calls cost of before legs had prices of their own.
    #[schema(value_type = Option<String>, required = true)]
    pub leg: Option<Role>,
    /// The carrier's tariff; null: the account's own prices.
    #[schema(required = true)]
    pub tariff: Option<TariffName>,
    /// The rate's destination: a prefix of numbers, `sip`, `ip`, or empty for all others; null: the account's own prices, for all.
    #[schema(value_type = Option<String>, required = true)]
    pub prefix: Option<Destination>,
    /// True: there was no price for these legs when they were rated. They cost nothing until they are rated anew.
    pub unrated: bool,
    /// What they cost is in this.
    pub currency: Currency,
    /// Their sums.
    #[serde(flatten)]
    pub sums: LegSums,
}

/// Sums of some legs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, ToSchema)]
#[schema(as = InvoiceLegSums)]
pub struct LegSums {
    /// Answered legs.
    pub legs: u64,
    /// Their billed seconds.
    pub billable_seconds: u64,
    /// Of their price, what was for the set-up.
    pub setup_micros: Money,
    /// Their price.
    pub price_micros: Money,
}

impl LegSums {
    fn add(&mut self, other: &LegSums) -> Result<(), TooLarge> {
        add(&mut self.legs, other.legs)?;
        add(&mut self.billable_seconds, other.billable_seconds)?;
        add_money(&mut self.setup_micros, other.setup_micros)?;
        add_money(&mut self.price_micros, other.price_micros)
    }
}

/// A call of the period that was rated anew.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = InvoiceAdjustment)]
pub struct Adjusted {
    /// Which call.
    pub call_id: CallId,
    /// Accepted.
    pub created_at: Wall,
    /// When it was rated anew, the last time.
    pub adjusted_at: Wall,
    /// What prices are in.
    pub currency: Currency,
    /// When the call was over.
    pub original_price_micros: Money,
    /// In force.
    pub price_micros: Money,
    /// Why.
    #[schema(required = true)]
    pub reason: Option<String>,
}

/// What is owed in one currency.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = InvoiceTotal)]
pub struct Total {
    /// In this.
    pub currency: Currency,
    /// The sums of the lines.
    #[serde(flatten)]
    pub sums: Sums,
    /// Of the price, what was for set-ups.
    pub setup_micros: Money,
    /// Answered legs that there was no price for: they are not paid for.
    pub unrated_legs: u64,
    /// Calls that were rated anew.
    pub adjusted_calls: u64,
    /// By how much more, or less, they cost than at first; it is in the price.
    pub adjusted_micros: Money,
}

/// A business's invoice: the calls accepted in a period.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Invoice {
    /// Whose.
    pub business_id: BusinessId,
    /// Its name.
    pub name: String,
    /// Calls accepted at or after.
    pub from: Wall,
    /// Calls accepted before.
    pub to: Wall,
    /// By day, outcome and currency.
    pub lines: Vec<Line>,
    /// By party, tariff, destination and currency. Their prices come to those of the lines.
    pub legs: Vec<LegLine>,
    /// Calls that were rated anew, in their order; at most 10,000.
    pub adjustments: Vec<Adjusted>,
    /// By currency: one, unless the tariff's was changed in the period.
    pub totals: Vec<Total>,
}

/// An invoice being made.
#[derive(Clone, Debug)]
pub struct Ledger {
    head: Invoice,
    lines: BTreeMap<(String, &'static str, Currency), (Outcome, Sums)>,
    legs: BTreeMap<LegKey, LegSums>,
    adjusted: BTreeMap<Currency, (u64, Money)>,
}

/// Currency, party, tariff, destination, and whether there was no price.
type LegKey = (Currency, Option<Role>, Option<TariffName>, Option<Destination>, bool);

impl Ledger {
    /// Nothing yet.
    pub fn new(business_id: BusinessId, name: impl Into<String>, from: Wall, to: Wall) -> Ledger {
        let (lines, legs, adjustments, totals) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let head = Invoice { business_id, name: name.into(), from, to, lines, legs, adjustments, totals };
        Ledger { head, lines: BTreeMap::new(), legs: BTreeMap::new(), adjusted: BTreeMap::new() }
    }

    /// One call more. Those of others and of other times are none of its business.
    pub fn add(&mut self, billed: &Billed) -> Result<(), TooLarge> {
        let record = &billed.record;
        let within = record.created_at >= self.head.from && record.created_at < self.head.to;
        if record.business_id != self.head.business_id || !within {
            return Ok(());
        }
        let day = record.created_at.to_string().chars().take(10).collect();
        let key = (day, record.outcome.as_str(), record.currency);
        let (_, sums) = self.lines.entry(key).or_insert((record.outcome, Sums::default()));
        sums.add(&Sums::from(record))?;
        self.add_legs(billed)?;
        self.add_adjustment(billed)
    }

    /// What no leg's own price explains stands in a line of its own, so that legs and calls always come to the same.
    fn add_legs(&mut self, billed: &Billed) -> Result<(), TooLarge> {
        let currency = billed.record.currency;
        let mut rest = LegSums { price_micros: billed.record.price_micros, ..LegSums::default() };
        for leg in billed.legs.iter().filter(|leg| leg.answered_at.is_some()) {
            let Some(price_micros) = leg.price_micros else {
                add(&mut rest.legs, 1)?;
                add(&mut rest.billable_seconds, leg.billable_seconds)?;
                continue;
            };
            let rate = leg.rated.as_ref();
            let (tariff, prefix) =
                (rate.and_then(|rate| rate.tariff.clone()), rate.and_then(|rate| rate.prefix.clone()));
            let key = (currency, Some(leg.role), tariff, prefix, rate.is_none());
            let setup_micros = Money(rate.map_or(0, |rate| rate.setup_micros.max(0)));
            let own = LegSums { legs: 1, billable_seconds: leg.billable_seconds, setup_micros, price_micros };
            self.legs.entry(key).or_default().add(&own)?;
            rest.price_micros = Money(rest.price_micros.0.checked_sub(price_micros.0).ok_or(TooLarge)?);
        }
        match rest == LegSums::default() {
            true => Ok(()),
            false => self.legs.entry((currency, None, None, None, false)).or_default().add(&rest),
        }
    }

    fn add_adjustment(&mut self, billed: &Billed) -> Result<(), TooLarge> {
        let Some(adjustment) = &billed.adjustment else { return Ok(()) };
        let (record, original_price_micros) = (&billed.record, billed.original_micros);
        let (calls, by) = self.adjusted.entry(record.currency).or_default();
        let more = record.price_micros.0.checked_sub(original_price_micros.0).ok_or(TooLarge)?;
        add(calls, 1)?;
        add_money(by, Money(more))?;
        if self.head.adjustments.len() < MAX_ADJUSTMENTS {
            self.head.adjustments.push(Adjusted {
                call_id: record.call_id,
                created_at: record.created_at,
                adjusted_at: adjustment.at,
                currency: record.currency,
                original_price_micros,
                price_micros: record.price_micros,
                reason: adjustment.reason.clone(),
            });
        }
        Ok(())
    }

    /// The invoice.
    pub fn finish(self) -> Result<Invoice, TooLarge> {
        let mut invoice = self.head;
        let mut totals: BTreeMap<Currency, Total> = BTreeMap::new();
        for ((day, _, currency), (outcome, sums)) in self.lines {
            let (adjusted_calls, adjusted_micros) = self.adjusted.get(&currency).copied().unwrap_or_default();
            let nothing = Total {
                currency,
                sums: Sums::default(),
                setup_micros: Money(0),
                unrated_legs: 0,
                adjusted_calls,
                adjusted_micros,
            };
            totals.entry(currency).or_insert(nothing).sums.add(&sums)?;
            invoice.lines.push(Line { day, outcome, currency, sums });
        }
        for ((currency, leg, tariff, prefix, unrated), sums) in self.legs {
            if let Some(total) = totals.get_mut(&currency) {
                add_money(&mut total.setup_micros, sums.setup_micros)?;
                add(&mut total.unrated_legs, if unrated { sums.legs } else { 0 })?;
            }
            invoice.legs.push(LegLine { leg, tariff, prefix, unrated, currency, sums });
        }
        invoice.totals = totals.into_values().collect();
        Ok(invoice)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::billing::rerate;
    use crate::billing::rerate::tests::{call, prices, rate};
    use crate::model::{Actor, Endpoint};

    const DAY: i64 = 86_400_000;

    fn record(n: u8, at: i64, outcome: Outcome, price: i64, currency: &str) -> Billed {
        let json = serde_json::json!({
            "call_id": CallId::new(Wall(at), [n; 10]), "business_id": "abc", "reference": null,
            "customer": Endpoint::parse("+12125550100").unwrap(), "representative": null, "outcome": outcome,
            "created_at": Wall(at), "ended_at": Wall(at + 90_000), "customer_billable_seconds": 60,
            "representative_billable_seconds": 30, "talk_seconds": 25, "price_micros": price, "currency": currency,
            "one_way_audio": false, "detail": ""
        });
        Billed::new(serde_json::from_value(json).unwrap(), Vec::new(), None)
    }

    fn ledger() -> Ledger {
        Ledger::new("abc".parse().unwrap(), "ABC", Wall(DAY), Wall(3 * DAY))
    }

    #[test]
    fn calls_are_summed_by_day_and_outcome_and_the_end_of_the_period_is_not_in_it() {
        let mut ledger = ledger();
        for (n, at, outcome) in [
            (1, DAY, Outcome::Completed),
            (2, DAY + 5, Outcome::Completed),
            (3, 2 * DAY, Outcome::CustomerBusy),
            (4, DAY - 1, Outcome::Completed),
            (5, 3 * DAY, Outcome::Completed),
        ] {
            ledger.add(&record(n, at, outcome, 1_500_000, "USD")).unwrap();
        }
        let invoice = ledger.finish().unwrap();
        let lines: Vec<(&str, u64)> = invoice.lines.iter().map(|line| (line.day.as_str(), line.sums.calls)).collect();
        assert_eq!(lines, [("1970-01-02", 2), ("1970-01-03", 1)]);
        assert_eq!(invoice.totals.len(), 1);
        let total = &invoice.totals[0].sums;
        assert_eq!((total.calls, total.completed, total.price_micros), (3, 2, Money(4_500_000)));
    }

    #[test]
    fn currencies_are_never_added_to_each_other() {
        let mut ledger = ledger();
        ledger.add(&record(1, DAY, Outcome::Completed, 1, "USD")).unwrap();
        ledger.add(&record(2, DAY, Outcome::Completed, 2, "EUR")).unwrap();
        let totals = ledger.finish().unwrap().totals;
        let owed: Vec<(String, i64)> = totals.iter().map(|t| (t.currency.to_string(), t.sums.price_micros.0)).collect();
        assert_eq!(owed, [("EUR".to_owned(), 2), ("USD".to_owned(), 1)]);
    }

    #[test]
    fn a_sum_that_does_not_fit_is_an_error_and_no_other_sum() {
        let mut ledger = ledger();
        ledger.add(&record(1, DAY, Outcome::Completed, i64::MAX, "USD")).unwrap();
        assert_eq!(ledger.add(&record(2, DAY, Outcome::Completed, 1, "USD")), Err(TooLarge));
    }

    #[test]
    fn legs_without_a_price_stand_in_a_line_of_their_own() {
        let narrow = prices(Currency::USD, vec![rate("+1", 60_000, 5, None)]);
        let legs = [
            (Role::Customer, "+12125550100", Some(0), 60_000),
            (Role::Representative, "+442079460000", Some(0), 60_000),
            (Role::Representative, "+442079460000", None, 60_000),
        ];
        let mut ledger = ledger();
        ledger.add(&call(1, DAY, &legs, &narrow)).unwrap();
        let invoice = ledger.finish().unwrap();
        let lines: Vec<_> =
            invoice.legs.iter().map(|line| (line.leg, line.unrated, line.sums.price_micros.0)).collect();
        assert_eq!(lines, [(Some(Role::Customer), false, 60_005), (Some(Role::Representative), true, 0)]);
        assert_eq!((invoice.totals[0].unrated_legs, invoice.totals[0].setup_micros), (1, Money(5)));
        assert_eq!(invoice.legs[0].prefix.as_ref().map(Destination::as_str), Some("+1"));
    }

    proptest! {
        #[test]
        fn the_total_is_always_the_sum_of_the_records(
            calls in proptest::collection::vec((0i64..4 * DAY, 0usize..12, 0i64..1 << 40, any::<bool>()), 0..60)
        ) {
            let mut ledger = ledger();
            let mut owed: BTreeMap<String, i64> = BTreeMap::new();
            for (n, (at, outcome, price, euro)) in calls.iter().enumerate() {
                let currency = if *euro { "EUR" } else { "USD" };
                let outcome = Outcome::ALL[*outcome];
                ledger.add(&record(u8::try_from(n).unwrap(), *at, outcome, *price, currency)).unwrap();
                if (DAY..3 * DAY).contains(at) {
                    *owed.entry(currency.to_owned()).or_default() += price;
                }
            }
            let invoice = ledger.finish().unwrap();
            let totals = invoice.totals.iter().map(|t| (t.currency.to_string(), t.sums.price_micros.0));
            prop_assert_eq!(totals.collect::<BTreeMap<_, _>>(), owed);
            let lines: u64 = invoice.lines.iter().map(|line| line.sums.calls).sum();
            prop_assert_eq!(lines, invoice.totals.iter().map(|total| total.sums.calls).sum::<u64>());
        }

        /// Record and legs, calls and invoice, invoice and what is counted against limits: one sum, also after calls were rated anew.
        #[test]
        fn legs_calls_invoice_and_ledger_come_to_one_sum(
            calls in proptest::collection::vec(
                (0i64..2 * DAY, proptest::collection::vec((0usize..3, 0usize..4, proptest::option::of(0i64..200_000), 0i64..200_000), 0..5), any::<bool>()),
                0..30,
            ),
            minute in 0i64..1_000_000, setup in 0i64..100_000,
        ) {
            let old = prices(Currency::USD, vec![rate("", minute, setup, None), rate("+1", setup, minute, Some(DAY))]);
            let new = prices(Currency::USD, vec![rate("", minute / 3, setup, None), rate("+44", setup, 1, Some(2 * DAY))]);
            let roles = [Role::Customer, Role::Representative, Role::Supervisor];
            let addresses = ["+12125550100", "+442079460000", "sip:a@b.example", "192.0.2.7"];
            let (mut ledger, mut sum, mut seconds, mut setups) = (ledger(), 0, 0, 0);
            for (n, (at, legs, anew)) in calls.into_iter().enumerate() {
                let legs: Vec<_> = legs.into_iter().map(|(r, a, answered, more)| {
                    (roles[r], addresses[a], answered, answered.unwrap_or(0) + more)
                }).collect();
                let mut billed = call(u8::try_from(n).unwrap(), DAY + at, &legs, &old);
                if anew && let Some(difference) = rerate::rerate(&billed, &new).unwrap() {
                    let adjustment = difference.adjustment(Wall(3 * DAY), Actor::Configuration, None);
                    billed = Billed::new(billed.record, billed.legs, Some(adjustment));
                }
                let of_legs: i64 = billed.legs.iter().filter_map(|leg| leg.price_micros).map(|price| price.0).sum();
                prop_assert_eq!(of_legs, billed.record.price_micros.0);
                prop_assert_eq!(billed.legs.iter().map(|leg| leg.billable_seconds).sum::<u64>(), billed.cost().seconds);
                setups += billed.legs.iter().filter_map(|leg| leg.rated.as_ref()).map(|rate| rate.setup_micros).sum::<i64>();
                sum += billed.cost().price.0;
                seconds += billed.cost().seconds;
                ledger.add(&billed).unwrap();
            }
            let invoice = ledger.finish().unwrap();
            let total = invoice.totals.first().map_or((0, 0), |total| (total.sums.price_micros.0, total.setup_micros.0));
            prop_assert_eq!(total, (sum, setups));
            prop_assert_eq!(invoice.lines.iter().map(|line| line.sums.price_micros.0).sum::<i64>(), sum);
            prop_assert_eq!(invoice.legs.iter().map(|line| line.sums.price_micros.0).sum::<i64>(), sum);
            prop_assert_eq!(invoice.legs.iter().map(|line| line.sums.billable_seconds).sum::<u64>(), seconds);
            let adjusted: i64 = invoice.adjustments.iter().map(|one| one.price_micros.0 - one.original_price_micros.0).sum();
            prop_assert_eq!(invoice.totals.iter().map(|total| total.adjusted_micros.0).sum::<i64>(), adjusted);
        }
    }
}

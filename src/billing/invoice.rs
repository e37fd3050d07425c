//! What a business owes for a period: the sums of its call detail records by day and outcome. Owns the sums and their text forms;
//! refuses to rate (a record's price is final) and to choose the records.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Wall;
use crate::model::{BusinessId, CallRecord, Currency, Money, Outcome};

/// Sums of some calls. They are exact: an amount too large for them is an error, never another amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
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
            *sum = sum.checked_add(more).ok_or(TooLarge)?;
        }
        self.price_micros = Money(self.price_micros.0.checked_add(other.price_micros.0).ok_or(TooLarge)?);
        Ok(())
    }
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

/// One line of an invoice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
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

/// What is owed in one currency.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Total {
    /// In this.
    pub currency: Currency,
    /// The sums of the lines.
    #[serde(flatten)]
    pub sums: Sums,
}

/// A business's invoice: the calls accepted in a period.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
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
    /// By currency: one, unless the tariff's was changed in the period.
    pub totals: Vec<Total>,
}

/// An invoice being made.
#[derive(Clone, Debug)]
pub struct Ledger {
    head: Invoice,
    lines: BTreeMap<(String, &'static str, Currency), (Outcome, Sums)>,
}

impl Ledger {
    /// Nothing yet.
    pub fn new(business_id: BusinessId, name: impl Into<String>, from: Wall, to: Wall) -> Ledger {
        let (lines, totals) = (Vec::new(), Vec::new());
        Ledger { head: Invoice { business_id, name: name.into(), from, to, lines, totals }, lines: BTreeMap::new() }
    }

    /// One record more. Those of others and of other times are none of its business.
    pub fn add(&mut self, record: &CallRecord) -> Result<(), TooLarge> {
        let within = record.created_at >= self.head.from && record.created_at < self.head.to;
        if record.business_id != self.head.business_id || !within {
            return Ok(());
        }
        let day = record.created_at.to_string().chars().take(10).collect();
        let key = (day, record.outcome.as_str(), record.currency);
        let (_, sums) = self.lines.entry(key).or_insert((record.outcome, Sums::default()));
        sums.add(&Sums::from(record))
    }

    /// The invoice.
    pub fn finish(self) -> Result<Invoice, TooLarge> {
        let mut invoice = self.head;
        let mut totals: BTreeMap<Currency, Sums> = BTreeMap::new();
        for ((day, _, currency), (outcome, sums)) in self.lines {
            totals.entry(currency).or_default().add(&sums)?;
            invoice.lines.push(Line { day, outcome, currency, sums });
        }
        invoice.totals = totals.into_iter().map(|(currency, sums)| Total { currency, sums }).collect();
        Ok(invoice)
    }
}

/// An amount for people: units with the decimals that it has, at least two, such as `0.034` or `12.50`.
pub fn amount(money: Money) -> String {
    let micros = money.0.unsigned_abs();
    let (units, rest) = (micros / 1_000_000, micros % 1_000_000);
    let mut decimals = format!("{rest:06}");
    while decimals.len() > 2 && decimals.ends_with('0') {
        decimals.pop();
    }
    format!("{}{units}.{decimals}", if money.0 < 0 { "-" } else { "" })
}

/// The head of [`line_csv`].
pub const CSV_HEADER: &str = "day,outcome,currency,calls,completed,talk_seconds,customer_billable_seconds,\
    representative_billable_seconds,supervisor_billable_seconds,price_micros";

/// A line as CSV (RFC 4180); no cell can need quotes.
pub fn line_csv(day: &str, outcome: &str, currency: Currency, sums: &Sums) -> String {
    let Sums { calls, completed, talk_seconds, price_micros, .. } = sums;
    let (customer, representative) = (sums.customer_billable_seconds, sums.representative_billable_seconds);
    let supervisor = sums.supervisor_billable_seconds;
    format!(
        "{day},{outcome},{currency},{calls},{completed},{talk_seconds},{customer},{representative},{supervisor},{}",
        price_micros.0
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{CallId, Endpoint};

    const DAY: i64 = 86_400_000;

    fn record(n: u8, at: i64, outcome: Outcome, price: i64, currency: &str) -> CallRecord {
        let json = serde_json::json!({
            "call_id": CallId::new(Wall(at), [n; 10]), "business_id": "abc", "reference": null,
            "customer": Endpoint::parse("+12125550100").unwrap(), "representative": null, "outcome": outcome,
            "created_at": Wall(at), "ended_at": Wall(at + 90_000), "customer_billable_seconds": 60,
            "representative_billable_seconds": 30, "talk_seconds": 25, "price_micros": price, "currency": currency,
            "one_way_audio": false, "detail": ""
        });
        serde_json::from_value(json).unwrap()
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
    fn amounts_are_exact_for_people_too() {
        for (micros, text) in
            [(0, "0.00"), (34_000, "0.034"), (12_500_000, "12.50"), (1, "0.000001"), (-1_500_000, "-1.50")]
        {
            assert_eq!(amount(Money(micros)), text);
        }
    }

    #[test]
    fn a_line_of_csv_has_as_many_cells_as_its_head() {
        let line = line_csv("2026-11-24", "completed", Currency::USD, &Sums::default());
        assert_eq!(line.split(',').count(), CSV_HEADER.split(',').count());
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
    }
}

//! An invoice as text: amounts and minutes for people, and each of its parts as CSV (RFC 4180). Owns the columns; refuses files and terminals.

use super::invoice::{Adjusted, Invoice, LegLine, Line, Sums, Total};
use super::listing::{csv_line, harmless};
use super::rerate::role_word;
use crate::model::Money;

/// A part of an invoice that has columns of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Calls by day and outcome, the totals as lines without a day.
    Calls,
    /// Legs by party, tariff and destination.
    Destinations,
    /// Calls that were rated anew.
    Adjustments,
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

/// Minutes and seconds, such as `61:05`.
pub fn minutes(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// A part's lines, the first one its head, without their ends.
pub fn csv(invoice: &Invoice, part: Part) -> Vec<String> {
    let head = |names: &str| names.to_owned();
    match part {
        Part::Calls => {
            let names = "day,outcome,currency,calls,completed,talk_seconds,customer_billable_seconds,\
                representative_billable_seconds,supervisor_billable_seconds,price_micros,setup_micros,unrated_legs,\
                adjusted_calls,adjusted_micros";
            let lines = invoice.lines.iter().map(call_line);
            std::iter::once(head(names)).chain(lines).chain(invoice.totals.iter().map(total_line)).collect()
        }
        Part::Destinations => {
            let names = "leg,tariff,prefix,unrated,currency,legs,billable_seconds,setup_micros,price_micros";
            std::iter::once(head(names)).chain(invoice.legs.iter().map(leg_line)).collect()
        }
        Part::Adjustments => {
            let names = "call_id,created_at,adjusted_at,currency,original_price_micros,price_micros,reason";
            std::iter::once(head(names)).chain(invoice.adjustments.iter().map(adjusted_line)).collect()
        }
    }
}

fn sums(sums: &Sums) -> [String; 7] {
    [
        sums.calls.to_string(),
        sums.completed.to_string(),
        sums.talk_seconds.to_string(),
        sums.customer_billable_seconds.to_string(),
        sums.representative_billable_seconds.to_string(),
        sums.supervisor_billable_seconds.to_string(),
        sums.price_micros.0.to_string(),
    ]
}

/// Set-ups, unrated legs and adjustments are the totals' only.
fn call_line(line: &Line) -> String {
    let first = [line.day.clone(), line.outcome.to_string(), line.currency.to_string()];
    csv_line(first.into_iter().chain(sums(&line.sums)).chain([const { String::new() }; 4]))
}

fn total_line(total: &Total) -> String {
    let first = [String::new(), "total".to_owned(), total.currency.to_string()];
    let last = [
        total.setup_micros.0.to_string(),
        total.unrated_legs.to_string(),
        total.adjusted_calls.to_string(),
        total.adjusted_micros.0.to_string(),
    ];
    csv_line(first.into_iter().chain(sums(&total.sums)).chain(last))
}

fn leg_line(line: &LegLine) -> String {
    let cells = [
        line.leg.map_or("", role_word).to_owned(),
        line.tariff.as_ref().map_or_else(String::new, ToString::to_string),
        line.prefix.as_ref().map_or_else(String::new, ToString::to_string),
        line.unrated.to_string(),
        line.currency.to_string(),
        line.sums.legs.to_string(),
        line.sums.billable_seconds.to_string(),
        line.sums.setup_micros.0.to_string(),
        line.sums.price_micros.0.to_string(),
    ];
    csv_line(cells.into_iter())
}

fn adjusted_line(one: &Adjusted) -> String {
    let cells = [
        one.call_id.to_string(),
        one.created_at.to_string(),
        one.adjusted_at.to_string(),
        one.currency.to_string(),
        one.original_price_micros.0.to_string(),
        one.price_micros.0.to_string(),
        one.reason.as_deref().map(harmless).unwrap_or_default(),
    ];
    csv_line(cells.into_iter())
}

/// Whom a line of legs is of, for people.
pub fn party(line: &LegLine) -> &'static str {
    line.leg.map_or("not itemised", role_word)
}

/// Where a line of legs goes, for people.
pub fn destination(line: &LegLine) -> &str {
    match line.prefix.as_ref().map(crate::model::Destination::as_str) {
        _ if line.unrated => "without a price",
        None | Some("") => "all others",
        Some("sip") => "SIP addresses",
        Some("ip") => "IP addresses",
        Some(prefix) => prefix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::invoice::Ledger;
    use crate::billing::rerate::tests::{call, prices, rate};
    use crate::clock::Wall;
    use crate::model::{Currency, Role};

    #[test]
    fn amounts_and_minutes_are_exact_for_people_too() {
        for (micros, text) in
            [(0, "0.00"), (34_000, "0.034"), (12_500_000, "12.50"), (1, "0.000001"), (-1_500_000, "-1.50")]
        {
            assert_eq!(amount(Money(micros)), text);
        }
        assert_eq!([0, 59, 3665].map(minutes), ["0:00", "0:59", "61:05"]);
    }

    #[test]
    fn every_line_has_as_many_cells_as_its_head() {
        let prices = prices(Currency::USD, vec![rate("+1", 60_000, 5, None)]);
        let legs = [(Role::Customer, "+12125550100", Some(0), 60_000)];
        let mut ledger = Ledger::new("abc".parse().unwrap(), "ABC", Wall(0), Wall(10));
        ledger.add(&call(1, 0, &legs, &prices)).unwrap();
        let invoice = ledger.finish().unwrap();
        for part in [Part::Calls, Part::Destinations, Part::Adjustments] {
            let lines = csv(&invoice, part);
            let cells: Vec<usize> = lines.iter().map(|line| line.split(',').count()).collect();
            assert!(cells.windows(2).all(|two| two[0] == two[1]), "{lines:?}");
        }
        assert_eq!(csv(&invoice, Part::Destinations)[1], "customer,retail,+1,false,USD,1,60,5,60005");
    }
}

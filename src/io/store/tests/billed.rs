//! Calls at the prices in force: that the invoice is what limits are counted from, before and after a re-rating; that the original stays; that a
//! re-rating is whole, told to the trail, and may be cut short anywhere.

use super::*;
use crate::billing::Prices;
use crate::billing::rerate::rerate;
use crate::model::{Adjustment, AttemptRecord, Tariff};

const MONTH: (Wall, Wall) = (Wall(1_700_000_000_000), Wall(1_700_000_000_000 + 30 * 86_400_000));

on_both! {
    the_invoice_is_what_limits_are_counted_from_before_and_after_a_rerating,
    the_original_stays_and_every_adjustment_is_kept,
    a_rerating_that_was_cut_short_is_gone_on_with_by_beginning_again,
    a_batch_with_a_call_that_cannot_be_rated_changes_nothing,
    the_trail_says_who_rated_how_many_calls_anew_and_what_they_came_to,
}

fn prices(customer: i64, currency: &str) -> Prices {
    Prices::Own(Tariff {
        customer_per_minute_micros: customer,
        representative_per_minute_micros: 30_000,
        currency: currency.parse().unwrap(),
        ..Tariff::default()
    })
}

/// A call of both legs, a minute and half a minute, rated as the engine does.
fn talked(number: i64, prices: &Prices) -> StoreOp {
    let call = call(number);
    let StoreOp::Finish { mut record, attempts } = finish(&call) else { panic!() };
    let leg = |attempt: u16, role, seconds: u64| {
        let (answered_at, ended_at) = (call.created_at, call.created_at + Duration::from_secs(seconds));
        let address = call.message.customer.clone();
        let rated = prices.leg(role, &address, Some(answered_at), ended_at);
        AttemptRecord {
            attempt,
            role,
            address,
            answered_at: Some(answered_at),
            ended_at,
            billable_seconds: rated.billable_seconds,
            price_micros: Some(rated.price),
            rated: rated.rate,
            ..attempts[0].clone()
        }
    };
    let attempts = vec![leg(0, Role::Customer, 60), leg(1, Role::Representative, 30)];
    record.currency = prices.currency().unwrap();
    (record.customer_billable_seconds, record.representative_billable_seconds) = (0, 0);
    for leg in &attempts {
        *record.billable_of(leg.role) += leg.billable_seconds;
    }
    record.price_micros = Money(attempts.iter().filter_map(|leg| leg.price_micros).map(|price| price.0).sum());
    StoreOp::Finish { record, attempts }
}

fn with_calls(place: &StorePlace, calls: i64) -> SqliteStore {
    let (store, answers) = open(place);
    store.archive().add_account(&who(), business("abc")).unwrap();
    for number in 1..=calls {
        done(&store, &answers, talked(number, &prices(20_000, "USD"))).unwrap();
    }
    store
}

fn owed(store: &SqliteStore) -> Money {
    let invoice = invoice(store, &business("abc"), MONTH.0, MONTH.1, None).unwrap();
    let total = &invoice.totals[0];
    let legs: i64 = invoice.legs.iter().map(|line| line.sums.price_micros.0).sum();
    assert_eq!(legs, total.sums.price_micros.0);
    total.sums.price_micros
}

/// What limits are counted from.
fn used(store: &SqliteStore) -> (u64, Money) {
    let usage = store.usage(Wall(0)).unwrap();
    let cost = usage.days.iter().fold(crate::model::Cost::default(), |sum, day| sum.plus(day.cost));
    (cost.seconds, cost.price)
}

fn all() -> RecordFilter {
    RecordFilter::default()
}

/// One batch of at most so many calls, by these prices.
fn adjust(store: &SqliteStore, after: Option<CallId>, limit: usize, to: &Prices) -> Result<Batch, StoreError> {
    store.archive().adjust(&who(), &all(), after, limit, &mut |billed| {
        let difference = rerate(billed, to).map_err(|error| StoreError::row("records", error))?;
        Ok(difference.map(|one| one.adjustment(Wall(9), who().actor, Some("a wrong price".to_owned()))))
    })
}

fn the_invoice_is_what_limits_are_counted_from_before_and_after_a_rerating(home: &Home) {
    let store = with_calls(&home.place, 5);
    assert_eq!((owed(&store), used(&store)), (Money(175_000), (450, Money(175_000))));
    let generation = store.generation().unwrap();
    let batch = adjust(&store, None, 100, &prices(26_000, "USD")).unwrap();
    assert_eq!((batch.adjusted, batch.last), (5, Some(call(5).id)));
    assert_eq!((owed(&store), used(&store)), (Money(205_000), (450, Money(205_000))));
    assert!(store.generation().unwrap() > generation, "a running daemon is told");
    let (changes, last) = store.adjusted(0, Wall(0)).unwrap();
    assert_eq!((changes.len(), last), (5, 5));
    assert_eq!((changes[0].old.price, changes[0].new.price), (Money(35_000), Money(41_000)));
    assert_eq!(store.adjusted(last, Wall(0)).unwrap(), (Vec::new(), last));
    assert_eq!(store.usage(Wall(0)).unwrap().adjusted, 5);
}

fn the_original_stays_and_every_adjustment_is_kept(home: &Home) {
    let store = with_calls(&home.place, 1);
    let id = call(1).id;
    for price in [26_000, 14_000] {
        assert_eq!(adjust(&store, None, 100, &prices(price, "USD")).unwrap().adjusted, 1);
    }
    assert_eq!(store.record(id).unwrap().unwrap().price_micros, Money(35_000));
    let kept: Vec<(i64, i64)> = store.archive().adjustments(id).unwrap().iter().map(told).collect();
    assert_eq!(kept, [(35_000, 41_000), (41_000, 29_000)]);
    let mut listed = Vec::new();
    store
        .records(&all(), &mut |record| {
            listed.push(record);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((listed[0].price_micros, listed[0].rerated_price_micros), (Money(35_000), Some(Money(29_000))));
    let invoice = invoice(&store, &business("abc"), MONTH.0, MONTH.1, None).unwrap();
    let [adjusted] = invoice.adjustments.as_slice() else { panic!("{:?}", invoice.adjustments) };
    assert_eq!((adjusted.original_price_micros, adjusted.price_micros), (Money(35_000), Money(29_000)));
    assert_eq!(adjusted.reason.as_deref(), Some("a wrong price"));
    assert_eq!(invoice.totals[0].adjusted_micros, Money(-6_000));
    drop(store);
    for sql in ["UPDATE adjustments SET new_micros = 0", "DELETE FROM adjustments"] {
        assert!(home.sql(sql).is_err(), "{sql}");
    }
}

fn told(adjustment: &Adjustment) -> (i64, i64) {
    (adjustment.old_price_micros.0, adjustment.new_price_micros.0)
}

fn a_rerating_that_was_cut_short_is_gone_on_with_by_beginning_again(home: &Home) {
    let store = with_calls(&home.place, 7);
    let new = prices(26_000, "USD");
    // Three batches of two were wanted; after the second one the machine stopped.
    let first = adjust(&store, None, 2, &new).unwrap();
    adjust(&store, first.last, 2, &new).unwrap();
    let (mut after, mut adjusted) = (None, 0);
    while let Batch { last: Some(last), adjusted: some } = adjust(&store, after, 2, &new).unwrap() {
        (after, adjusted) = (Some(last), adjusted + some);
    }
    assert_eq!(adjusted, 3, "those that were not rated anew yet");
    assert_eq!(owed(&store), Money(7 * 41_000));
    assert_eq!(adjust(&store, None, 100, &new).unwrap().adjusted, 0, "once more changes nothing");
}

fn a_batch_with_a_call_that_cannot_be_rated_changes_nothing(home: &Home) {
    let store = with_calls(&home.place, 2);
    drop(store);
    let (store, answers) = open(&home.place);
    done(&store, &answers, talked(3, &prices(20_000, "EUR"))).unwrap();
    let before = used(&store);
    assert!(adjust(&store, None, 100, &prices(26_000, "USD")).is_err());
    assert_eq!((used(&store), store.adjusted(0, Wall(0)).unwrap().1), (before, 0));
}

fn the_trail_says_who_rated_how_many_calls_anew_and_what_they_came_to(home: &Home) {
    let store = with_calls(&home.place, 3);
    adjust(&store, None, 100, &prices(26_000, "USD")).unwrap();
    let filter = AuditFilter { business: "abc".parse().ok(), limit: 1, ..AuditFilter::default() };
    let entry = store.archive().audit(&filter).unwrap().remove(0).entry;
    assert_eq!((entry.action, entry.actor), (AuditAction::Rerated, who().actor));
    let change = &entry.changes[0];
    assert_eq!((&change.old, &change.new), (&105_000.into(), &123_000.into()));
    assert_eq!(entry.changes[1].new, serde_json::json!({ "calls": 3, "reason": "a wrong price" }));
}

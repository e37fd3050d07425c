//! What an account's limits are counted from after a restart, and the events of bounds that were reached.

use super::*;
use crate::model::{Cost, Currency, DayUsage, Limit, LimitReached};

const DAY: i64 = 86_400_000;

/// A record of this day that was wanted `later` milliseconds after it was accepted.
fn ended(number: i64, day: i64, later: Option<i64>, seconds: u64, price: i64) -> StoreOp {
    let call = call(number);
    let StoreOp::Finish { mut record, attempts } = finish(&call) else { panic!() };
    record.created_at = Wall(day * DAY + 1_000);
    record.desired_contact_time = later.map(|later| Wall(record.created_at.0 + later));
    record.customer_billable_seconds = seconds;
    record.supervisor_billable_seconds = 1;
    record.price_micros = Money(price);
    StoreOp::Finish { record, attempts }
}

fn usage(day: i64, calls: u64, seconds: u64, price: i64) -> DayUsage {
    let cost = Cost { seconds, price: Money(price) };
    DayUsage { business: "abc".parse().unwrap(), day, calls, currency: Currency::USD, cost }
}

#[test]
fn what_records_come_to_is_summed_by_the_day_that_calls_were_wanted_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("callbridge.db");
    let (store, answers) = open(&path);
    for op in [
        ended(1, 20_000, None, 60, 100),
        ended(2, 20_000, Some(-DAY), 30, 50),
        ended(3, 20_000, Some(DAY), 10, 7),
        ended(4, 19_999, None, 999, 999),
    ] {
        done(&store, &answers, op).unwrap();
    }
    let StoreOp::Finish { mut record, attempts } = ended(5, 20_001, None, 20, 9) else { panic!() };
    record.currency = "EUR".parse().unwrap();
    done(&store, &answers, StoreOp::Finish { record, attempts }).unwrap();
    let euros = DayUsage { currency: "EUR".parse().unwrap(), ..usage(20_001, 1, 21, 9) };
    let wanted = [usage(20_000, 2, 92, 150), euros, usage(20_001, 1, 11, 7)];
    assert_eq!(store.usage(Wall(20_000 * DAY)).unwrap().days, wanted);
    drop(store);
    // A file from before these columns is summed like one from today.
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(
        "DROP TABLE sessions; DROP TABLE adjustments; DROP INDEX records_by_day; ALTER TABLE records DROP COLUMN due_at;
         ALTER TABLE records DROP COLUMN billed_seconds; ALTER TABLE records DROP COLUMN price_micros;
         ALTER TABLE records DROP COLUMN currency;
         PRAGMA user_version = 6;",
    )
    .unwrap();
    drop(file);
    let (store, _answers) = open(&path);
    assert_eq!(store.usage(Wall(20_000 * DAY)).unwrap().days, wanted);
}

#[test]
fn whom_a_business_called_lately_is_read_from_open_calls_and_records() {
    let folder = tempfile::tempdir().unwrap();
    let (store, answers) = open(&folder.path().join("callbridge.db"));
    let (first, second) = (call(1), call(2));
    done(&store, &answers, accept(&first)).unwrap();
    done(&store, &answers, accept(&second)).unwrap();
    done(&store, &answers, finish(&first)).unwrap();
    let both = [&first, &second]
        .map(|call| (call.message.business_id.clone(), call.created_at, call.message.customer.clone()));
    assert_eq!(store.called(first.created_at).unwrap(), both);
    assert_eq!(store.called(second.created_at).unwrap(), both[1..]);
    assert_eq!(store.called(second.created_at + Duration::from_secs(3600)).unwrap(), []);
}

#[test]
fn a_key_has_its_call_also_when_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (store, answers) = open(&folder.path().join("callbridge.db"));
    let call = keyed(1, "one", "hash");
    done(&store, &answers, accept(&call)).unwrap();
    done(&store, &answers, finish(&call)).unwrap();
    let business = &call.message.business_id;
    assert_eq!(store.key_of(business, "one").unwrap(), Some((call.id, "hash".to_owned())));
    assert_eq!(store.key_of(business, "two").unwrap(), None);
}

#[test]
fn a_bound_that_is_reached_is_in_the_outbox_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, answers) = open(&folder.path().join("callbridge.db"));
    let reached = LimitReached {
        id: call(9).id,
        business: "abc".parse().unwrap(),
        limit: Limit::CallsPerDay,
        quota: 5,
        since: Wall(0),
        until: Wall(DAY),
        at: Wall(7),
    };
    for _ in 0..2 {
        done(&store, &answers, StoreOp::LimitReached(Box::new(reached.clone()))).unwrap();
    }
    let filter = super::super::DeliveryFilter { limit: 10, ..Default::default() };
    let listed = store.archive().deliveries(&filter).unwrap();
    let [only] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((only.kind.as_str(), only.business.as_str()), ("business.limit_reached", "abc"));
    let body: serde_json::Value = serde_json::from_str(&crate::io::told::limit(&reached).unwrap()).unwrap();
    assert_eq!((&body["data"]["limit"], &body["data"]["quota"]), (&"calls_per_day".into(), &5.into()));
    assert_eq!(body["data"]["period_ends"], "1970-01-02T00:00:00.000Z");
}

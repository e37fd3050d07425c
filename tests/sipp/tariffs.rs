//! A call over real sockets, rated by a tariff of the carrier's: each leg by its prefix, with its set-up, and the bill that comes of it.

use crate::support::daemon::Setup;
use crate::support::story::{Story, until_both_hear_each_other};

#[test]
fn a_call_is_rated_leg_by_leg_and_the_bill_is_its_sum() {
    let account = "tariff_name = \"retail\"\n[[tariff]]\nname = \"retail\"\n\
        [[tariff.rate]]\nprefix = \"\"\nper_minute_micros = 60000\nsetup_micros = 700\n\
        [[tariff.rate]]\nprefix = \"+1646\"\nper_minute_micros = 120000\nminimum_seconds = 30\n";
    let story = Story::with(Setup { more: account.to_owned(), ..Setup::default() });
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    let seconds = record["customer_billable_seconds"].as_i64().expect("seconds");
    let price = record["price_micros"].as_i64().expect("a price");
    assert_eq!(record["representative_billable_seconds"], 30, "{record:#}");
    assert_eq!(price, 700 + seconds * 1000 + 60_000, "{record:#}");
    let path = "/v1/bill?from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z";
    let bill = story.daemon.api("GET", path, None);
    assert_eq!(bill.json()["totals"][0]["price_micros"], price, "{}", bill.body);
    assert_eq!(bill.json()["totals"][0]["setup_micros"], 700, "{}", bill.body);
    customer.finish();
    representative.finish();
    story.end();
}

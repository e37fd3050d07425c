//! The carrier's tariffs on the real daemon: who is refused for want of a price, what operators are shown, what a business is told it owes.
//! Owns these stories; prices by themselves are `src/billing`'s.

use serde_json::json;

use super::{CUSTOMER, Equipment, REPRESENTATIVE};
use crate::support::http::send;

const ACCOUNT: &str = "tariff_name = \"retail\"\n[[tariff]]\nname = \"retail\"\ncurrency = \"EUR\"\n\
    [[tariff.rate]]\nprefix = \"+12125550\"\nper_minute_micros = 60000\nsetup_micros = 500\n";

#[test]
fn a_destination_without_a_price_is_refused_with_its_pointer() {
    let equipment = Equipment::and(&[("customer_ring_seconds", 30)], ACCOUNT);
    let post = |customer: &str, representative: &str| {
        equipment.post(&json!({ "customer": customer, "representative": representative }))
    };
    assert_eq!(post(CUSTOMER, REPRESENTATIVE).status, 202);
    let refused = post("+12125559900", REPRESENTATIVE);
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert_eq!(refused.json()["type"], "urn:callbridge:problem:no-rate");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/customer");
    assert!(equipment.daemon.metric("callbridge_rejected_total", "reason=\"no_rate\"") > 0.0);
}

#[test]
fn a_business_is_told_what_it_owes() {
    let equipment = Equipment::and(&[("customer_ring_seconds", 30)], ACCOUNT);
    let ask = |query: &str| equipment.daemon.api("GET", &format!("/v1/bill?{query}"), None);
    let bill = ask("from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z");
    assert_eq!(bill.status, 200, "{}", bill.body);
    assert_eq!((&bill.json()["business_id"], &bill.json()["totals"]), (&json!("abc"), &json!([])));
    for wrong in ["", "from=2026-01-01T00:00:00Z", "month=2026-01"] {
        assert_eq!(ask(wrong).status, 400, "{wrong}");
    }
    assert_eq!(ask("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").status, 422);
    let nobody =
        send(equipment.daemon.http, "GET", "/v1/bill?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z", &[], None);
    assert_eq!(nobody.expect("an answer").status, 401);
}

//! An account's limits on the real daemon: what is refused and how, in body and header fields, also after `kill -9`. Owns these stories;
//! the verdicts by themselves are `src/access`'s.

use serde_json::{Value, json};

use super::{CUSTOMER, Equipment, REPRESENTATIVE, basic};
use crate::support::http::{Response, send};
use crate::support::wait::{PATIENCE, eventually};

fn with(keys: &str) -> Equipment {
    Equipment::and(&[("customer_ring_seconds", 30)], keys)
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[track_caller]
fn is_refused(answer: &Response, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.json()["type"], format!("urn:callbridge:problem:{kind}"), "{}", answer.body);
}

impl Equipment {
    #[track_caller]
    fn place(&self, customer: &str, representative: &str) -> Response {
        self.post(&json!({ "customer": customer, "representative": representative }))
    }

    #[track_caller]
    fn post_keyed(&self, body: &Value, key: &str) -> Response {
        let pair = format!("Basic {}", basic(&self.daemon.business));
        let headers = [("Idempotency-Key", key), ("Authorization", &pair)];
        send(self.daemon.http, "POST", "/v1/calls", &headers, Some(body)).expect("an answer")
    }

    #[track_caller]
    fn counted(&self, reason: &str) -> bool {
        self.daemon.metric("callbridge_rejected_total", &format!("reason=\"{reason}\"")) > 0.0
    }
}

#[test]
fn the_calls_of_a_day_are_bounded_also_after_kill_9_and_a_repeated_message_is_none_of_them() {
    let mut equipment = with("max_calls_per_day = 2\n");
    let message = json!({ "customer": CUSTOMER, "representative": REPRESENTATIVE });
    let first = equipment.post_keyed(&message, "one");
    assert_eq!(first.status, 202, "{}", first.body);
    let policy = "\"rate\";q=200;w=1, \"concurrent\";q=200, \"scheduled\";q=10000, \"calls_per_day\";q=2;w=86400";
    assert_eq!(header(&first, "RateLimit-Policy"), Some(policy));
    let left = header(&first, "RateLimit").expect("what is left");
    assert!(left.starts_with("\"rate\";r=199;t=1, \"calls_per_day\";r=1;t="), "{left}");
    assert_eq!(equipment.place("+12125550110", REPRESENTATIVE).status, 202);
    let spent = |equipment: &Equipment| {
        let refused = equipment.place("+12125550111", REPRESENTATIVE);
        is_refused(&refused, 429, "limit");
        let (retry, left) =
            (header(&refused, "Retry-After").expect("when"), header(&refused, "RateLimit").expect("which"));
        assert_eq!(left, format!("\"calls_per_day\";r=0;t={retry}"));
        assert_eq!(header(&refused, "RateLimit-Policy"), Some(policy));
        let json = refused.json();
        assert_eq!((&json["limit"], &json["quota"]), (&json!("calls_per_day"), &json!(2)));
        assert_eq!(json["violated-policies"], json!(["calls_per_day"]));
    };
    spent(&equipment);
    assert!(equipment.counted("calls_per_day"));
    equipment.daemon.kill();
    equipment.daemon.restart();
    spent(&equipment);
    let again = equipment.post_keyed(&message, "one");
    assert_eq!((again.status, header(&again, "Idempotency-Replayed")), (202, Some("true")), "{}", again.body);
    assert_eq!(again.json()["id"], first.json()["id"]);
    let other = equipment.post_keyed(&json!({ "customer": CUSTOMER, "representative": "+12125550177" }), "one");
    assert_eq!(other.status, 422, "{}", other.body);
}

#[test]
fn premium_satellite_and_denied_destinations_are_403_and_an_allowed_range_opens() {
    let equipment = with("deny_destinations = [\"+1646\"]\nallow_destinations = [\"+1\", \"+1900555\"]\n");
    let denied = |customer: &str, representative: &str, pointer: &str| {
        let refused = equipment.place(customer, representative);
        is_refused(&refused, 403, "destination");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{}", refused.body);
    };
    denied("+19006660100", REPRESENTATIVE, "/customer");
    denied(CUSTOMER, "+16465550100", "/representative");
    assert_eq!(equipment.place("+19005550100", REPRESENTATIVE).status, 202);
    assert!(equipment.counted("destination"));
    assert_eq!(equipment.place("+881612345678", REPRESENTATIVE).status, 403, "no switch serves it, too");
}

/// Quiet all day but for a minute that is half an hour off, whichever whole hour the zone is off.
fn quiet(calls: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    let minute = (now / 60 + 30) % 60;
    let (from, to) = (format!("12:{:02}", (minute + 1) % 60), format!("12:{minute:02}"));
    let from = if minute == 59 { "13:00".to_owned() } else { from };
    format!("quiet_hours = {{ from = \"{from}\", to = \"{to}\", calls = \"{calls}\" }}\n")
}

#[test]
fn quiet_hours_refuse_a_call_at_once_or_put_it_off() {
    let equipment = with(&quiet("refuse"));
    let refused = equipment.place(CUSTOMER, REPRESENTATIVE);
    is_refused(&refused, 403, "quiet-hours");
    let wait: u32 = header(&refused, "Retry-After").expect("when").parse().expect("seconds");
    assert!((1..=86_400).contains(&wait));
    assert!(equipment.counted("quiet_hours"));
    let equipment = with(&quiet("defer"));
    let put_off = equipment.place(CUSTOMER, REPRESENTATIVE);
    assert_eq!(put_off.status, 202, "{}", put_off.body);
    let call = put_off.json();
    assert_eq!(call["state"], "scheduled");
    let at = call["desired_contact_time"].as_str().expect("a time").to_owned();
    let then = |customer: &str, at: &str| {
        equipment.post(&json!({ "customer": customer, "representative": REPRESENTATIVE, "desired_contact_time": at }))
    };
    assert_eq!(then("+12125550110", &at).status, 202, "the same moment is not quiet");
    // A minute later it is quiet again.
    let (hour, rest) = at.split_at(14);
    let minute: u32 = rest[..2].parse().expect("minutes");
    let then = then("+12125550111", &format!("{hour}{:02}{}", (minute + 1) % 60, &rest[2..]));
    is_refused(&then, 422, "quiet-hours");
    assert_eq!(then.json()["errors"][0]["pointer"], "/desired_contact_time");
}

#[test]
fn a_pair_in_a_call_is_409_or_429_as_the_account_has_it() {
    let equipment = with("");
    assert_eq!(equipment.place(CUSTOMER, REPRESENTATIVE).status, 202);
    equipment.command(&["business", "change", "abc", "--duplicates", "conflict"], "");
    let refused = |status| {
        eventually("the account's change", PATIENCE, || {
            Some(equipment.place(CUSTOMER, REPRESENTATIVE)).filter(|answer| answer.status == status)
        })
    };
    is_refused(&refused(409), 409, "duplicate");
    assert_eq!(equipment.place(CUSTOMER, "+12125550177").status, 202);
    assert!(equipment.counted("duplicate_pair"));
    equipment.command(&["business", "change", "abc", "--duplicates", "too_many"], "");
    let refused = refused(429);
    is_refused(&refused, 429, "duplicate");
    assert_eq!(header(&refused, "Retry-After"), Some("10"));
}

#[test]
fn one_customer_is_called_as_often_as_the_account_says_also_after_kill_9() {
    let mut equipment = with("max_per_number_per_hour = 1\n");
    assert_eq!(equipment.place(CUSTOMER, REPRESENTATIVE).status, 202);
    equipment.daemon.kill();
    equipment.daemon.restart();
    let refused = equipment.place("tel:+12125550100;ext=3", "+12125550177");
    is_refused(&refused, 429, "limit");
    assert_eq!(refused.json()["limit"], "number_per_hour");
    assert_eq!(equipment.place("+12125550110", REPRESENTATIVE).status, 202);
}

#[test]
fn a_ceiling_holds_room_for_the_calls_that_live() {
    let keys = "max_spend_per_day_micros = 100\nreserve_seconds = 60\ntariff = { customer_per_minute_micros = 40, representative_per_minute_micros = 20 }\n";
    let equipment = with(keys);
    assert_eq!(equipment.place(CUSTOMER, REPRESENTATIVE).status, 202);
    let refused = equipment.place("+12125550110", REPRESENTATIVE);
    is_refused(&refused, 429, "limit");
    assert_eq!(refused.json()["limit"], "spend_per_day");
}

#[test]
fn a_page_is_told_how_often_it_may_ask() {
    let account = "[business.direct]\nallowed_origins = [\"https://shop.example\"]\nmax_per_number = 1\n\
        centres = { sales = \"+12125550101\" }\n";
    let equipment = with(account);
    let ask = |customer: &str| {
        let body = json!({ "business_id": "abc", "customer": customer });
        send(equipment.daemon.http, "POST", "/v1/call-requests", &[("Origin", "https://shop.example")], Some(&body))
            .expect("an answer")
    };
    let taken = ask(CUSTOMER);
    assert_eq!(taken.status, 202, "{}", taken.body);
    let policy = "\"number\";q=1;w=3600, \"source\";q=20;w=3600";
    assert_eq!(header(&taken, "RateLimit-Policy"), Some(policy));
    let left = header(&taken, "RateLimit").expect("what is left");
    assert!(left.starts_with("\"source\";r=19;t="), "{left}");
    let exposed = header(&taken, "Access-Control-Expose-Headers").expect("what a page may read").to_lowercase();
    assert!(exposed.contains("ratelimit") && exposed.contains("retry-after"), "{exposed}");
    let id = taken.json()["id"].as_str().expect("an id").to_owned();
    let token = taken.json()["token"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {token}");
    let path = format!("/v1/call-requests/{id}");
    let ended = send(equipment.daemon.http, "DELETE", &path, &[("Authorization", &bearer)], None).expect("an answer");
    assert_eq!(ended.status, 200, "{}", ended.body);
    // Until the call has ended there is another reason.
    let refused =
        eventually("the number's count", PATIENCE, || Some(ask(CUSTOMER)).filter(|answer| answer.status == 429));
    assert!(
        header(&refused, "RateLimit").is_some_and(|left| left.starts_with("\"number\";r=0;t=")),
        "{}",
        refused.head
    );
    assert_eq!(header(&refused, "RateLimit-Policy"), Some(policy));
}

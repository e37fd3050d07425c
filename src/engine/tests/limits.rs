//! The account's limits in the engine: what is refused, counted, hung up and told, and that a restart changes none of it.

use super::*;
use crate::engine::api::{Denied, Quotas};
use crate::model::{
    AtCeiling, Cost, Currency, DayUsage, Guard, Limit, Money, NumberKind, QuietHours, Quietly, Tariff, Webhook,
    WebhookSecret,
};

const REPRESENTATIVE: &str = "+12125550101";

/// The rig's moment: 2026-11-24T12:00:00Z.
fn rig(limits: Limits, guard: Guard) -> Rig {
    let mut rig = Rig::new(vec![switch("ssp-62", 1)]);
    rig.bound_by(limits, guard);
    rig
}

impl Rig {
    fn bound_by(&mut self, limits: Limits, guard: Guard) {
        let account = Business::new("abc".parse().unwrap(), "ABC", PasswordHash(String::new()));
        let webhook = Webhook::new("https://example.com/".parse().unwrap(), WebhookSecret::new([1; 32]));
        // A minute of both legs costs 60.
        let tariff =
            Tariff { customer_per_minute_micros: 40, representative_per_minute_micros: 20, ..Tariff::default() };
        let business = Business { limits, guard, tariff, webhook: Some(webhook), ..account };
        let directory = Directory { businesses: [(business.id.clone(), Arc::new(business))].into() };
        self.give(Input::Directory(Arc::new(directory)));
    }

    fn post(&mut self, customer: &str, representative: &str, at: Option<Wall>) -> Result<Quotas, Refusal> {
        let parse = |text: &str| Endpoint::parse(text).unwrap();
        let message = InitiationMessage {
            desired_contact_time: at,
            ..InitiationMessage::new("abc".parse().unwrap(), parse(customer), vec![parse(representative)])
        };
        self.replies += 1;
        self.give(Input::Initiate { reply: ReplyTo(self.replies), message: Box::new(message) });
        match self.replied.pop() {
            Some((_, Reply::Accepted(_, quotas))) => Ok(quotas),
            Some((_, Reply::Refused(refusal))) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    fn reached(&self) -> Vec<Limit> {
        let limit = |notice: &Notice| match notice {
            Notice::LimitReached { limit, .. } => Some(*limit),
            _ => None,
        };
        self.notices.iter().filter_map(limit).collect()
    }

    /// Answers every INVITE that was sent.
    fn answer_all(&mut self) {
        while self.count("INVITE") > 0 {
            let (to, invite) = self.next("INVITE");
            self.accept(&to, &invite);
        }
    }
}

fn limit(refused: Result<Quotas, Refusal>) -> Option<Limit> {
    match refused {
        Err(Refusal::Limit { limit, .. }) => Some(limit),
        _ => None,
    }
}

fn customer(n: u32) -> String {
    format!("+121255502{n:02}")
}

#[test]
fn the_calls_of_a_day_are_counted_by_the_day_that_they_are_wanted_on() {
    let mut rig = rig(Limits { max_calls_per_day: Some(2), ..Limits::default() }, Guard::default());
    let midnight = Wall::parse("2026-11-25T00:00:00Z").unwrap();
    rig.now.wall = Wall(midnight.0 - 1_800_000);
    assert_eq!(rig.post(&customer(1), REPRESENTATIVE, None).unwrap().calls, Some((1, 1800)));
    rig.post(&customer(2), REPRESENTATIVE, None).unwrap();
    let refused = rig.post(&customer(3), REPRESENTATIVE, None);
    assert_eq!(refused, Err(Refusal::Limit { limit: Limit::CallsPerDay, quota: 2, retry_after: 1800 }));
    assert!(rig.post(&customer(3), REPRESENTATIVE, Some(midnight)).is_ok(), "tomorrow's call is tomorrow's");
    assert!(rig.post(&customer(4), REPRESENTATIVE, Some(midnight)).is_ok());
    assert_eq!(limit(rig.post(&customer(5), REPRESENTATIVE, Some(midnight))), Some(Limit::CallsPerDay));
}

#[test]
fn a_call_that_the_store_did_not_take_is_no_call_of_the_day() {
    let limits = Limits { max_calls_per_day: Some(1), max_per_number_per_day: Some(1), ..Limits::default() };
    let mut rig = rig(limits, Guard::default());
    rig.store_fails = true;
    assert!(matches!(rig.post(CUSTOMER, REPRESENTATIVE, None), Err(Refusal::Unavailable { .. })));
    rig.store_fails = false;
    assert!(rig.post(CUSTOMER, REPRESENTATIVE, None).is_ok());
}

#[test]
fn calls_at_once_do_not_overrun_the_ceiling_together() {
    let limits = Limits { max_spend_per_day_micros: Some(150), ..Limits::default() };
    let mut rig = rig(limits, Guard::default());
    rig.post(&customer(1), REPRESENTATIVE, None).unwrap();
    rig.post(&customer(2), REPRESENTATIVE, None).unwrap();
    assert_eq!(limit(rig.post(&customer(3), REPRESENTATIVE, None)), Some(Limit::SpendPerDay));
    // Nobody has answered the first: what was reserved for it comes back.
    rig.delete();
    rig.pass(40_000);
    assert_eq!(rig.records.first().map(|record| record.price_micros), Some(Money(0)));
    assert!(rig.post(&customer(3), REPRESENTATIVE, None).is_ok());
}

#[test]
fn a_live_call_is_hung_up_before_it_costs_more_than_there_is() {
    let limits = Limits {
        max_minutes_per_day: Some(3),
        at_ceiling: AtCeiling::HangUp,
        reserve_seconds: 60,
        ..Limits::default()
    };
    let mut rig = rig(limits, Guard::default());
    rig.post(CUSTOMER, REPRESENTATIVE, None).unwrap();
    rig.answer_all();
    rig.answer_all();
    rig.pass(58_000);
    assert!(rig.records.is_empty(), "a minute of both is paid for");
    rig.pass(30_000);
    let record = rig.records.first().expect("two more leg minutes are not there");
    assert!(record.billable_seconds() <= 180 && record.billable_seconds() >= 100, "{}", record.billable_seconds());
    assert_eq!(record.detail, "the account's ceiling was reached");
    assert_eq!(rig.reached(), [Limit::MinutesPerDay]);
    rig.assert_nothing_left();
}

#[test]
fn where_only_new_calls_are_refused_a_live_one_goes_on_and_counts() {
    let limits = Limits { max_minutes_per_day: Some(3), ..Limits::default() };
    let mut rig = rig(limits, Guard::default());
    rig.post(CUSTOMER, REPRESENTATIVE, None).unwrap();
    rig.answer_all();
    rig.answer_all();
    rig.pass(59_500);
    assert!(rig.records.is_empty());
    assert_eq!(limit(rig.post(&customer(3), REPRESENTATIVE, None)), Some(Limit::MinutesPerDay));
}

#[test]
fn a_ceiling_that_is_set_meanwhile_holds_for_live_calls() {
    let mut rig = rig(Limits::default(), Guard::default());
    rig.post(CUSTOMER, REPRESENTATIVE, None).unwrap();
    rig.answer_all();
    rig.answer_all();
    rig.pass(10_000);
    let limits = Limits { max_spend_per_month_micros: Some(5), at_ceiling: AtCeiling::HangUp, ..Limits::default() };
    rig.bound_by(limits, Guard::default());
    rig.pass(100);
    assert_eq!(rig.records.len(), 1, "it has cost more than that already");
}

#[test]
fn a_customer_is_called_as_often_as_the_account_says() {
    let limits = Limits { max_per_number_per_hour: Some(1), ..Limits::default() };
    let mut rig = rig(limits, Guard::default());
    rig.post(CUSTOMER, REPRESENTATIVE, None).unwrap();
    let refused = rig.post("tel:+12125550100;ext=4", "+12125550177", None);
    assert!(matches!(refused, Err(Refusal::Limit { limit: Limit::NumberPerHour, quota: 1, retry_after: 3600..=3601 })));
    assert!(rig.post(&customer(1), REPRESENTATIVE, None).is_ok());
}

#[test]
fn a_pair_that_is_in_a_call_gets_no_second_one() {
    let mut rig = rig(Limits::default(), Guard::default());
    rig.post(CUSTOMER, REPRESENTATIVE, None).unwrap();
    let again = rig.post(CUSTOMER, "tel:+12125550101;ext=7", None);
    assert_eq!(again, Err(Refusal::PairInCall { too_many: false }));
    assert!(rig.post(CUSTOMER, "+12125550177", None).is_ok(), "another representative");
    let later = rig.now.wall + Duration::from_secs(600);
    assert!(rig.post(CUSTOMER, REPRESENTATIVE, Some(later)).is_ok(), "another time");
    assert!(rig.post(CUSTOMER, REPRESENTATIVE, Some(later)).is_err(), "the same time");
    let limits = Limits { duplicates: Duplicates::TooMany, ..Limits::default() };
    rig.bound_by(limits, Guard::default());
    assert_eq!(rig.post(CUSTOMER, REPRESENTATIVE, None), Err(Refusal::PairInCall { too_many: true }));
    rig.bound_by(Limits { duplicates: Duplicates::Allow, ..Limits::default() }, Guard::default());
    assert!(rig.post(CUSTOMER, REPRESENTATIVE, None).is_ok());
}

#[test]
fn premium_numbers_are_dialled_for_nobody() {
    let mut rig = Rig::new(vec![Switch { prefixes: vec![], ..switch("ssp-62", 1) }]);
    rig.bound_by(Limits::default(), Guard::default());
    let why = Denied::Kind(NumberKind::Premium);
    let denied = |pointer: &str| Err(Refusal::DestinationDenied { pointer: pointer.to_owned(), why });
    assert_eq!(rig.post("+19005550100", REPRESENTATIVE, None), denied("/customer"));
    assert_eq!(rig.post(CUSTOMER, "+19005550100", None), denied("/representative"));
    let disguised = format!("sip:+19005550100@{}", hop(1).address);
    assert_eq!(rig.post(CUSTOMER, &disguised, None), denied("/representative"));
    assert_eq!(rig.count("INVITE"), 0);
}

/// Noon in the rig is 07:00 in New York.
fn quiet(calls: Quietly) -> Guard {
    let (from, to) = QuietHours::parse_span("21:00-08:00").unwrap();
    Guard { quiet: Some(QuietHours { from, to, calls, zone: Default::default() }), ..Guard::default() }
}

#[test]
fn nobody_is_rung_in_quiet_hours() {
    let mut rig = rig(Limits::default(), quiet(Quietly::Refuse));
    assert_eq!(rig.post(CUSTOMER, REPRESENTATIVE, None), Err(Refusal::QuietNow { retry_after: 3600 }));
    let half_past = rig.now.wall + Duration::from_secs(1800);
    assert_eq!(rig.post(CUSTOMER, REPRESENTATIVE, Some(half_past)), Err(Refusal::QuietThen));
    let eight = rig.now.wall + Duration::from_secs(3600);
    assert!(rig.post(CUSTOMER, REPRESENTATIVE, Some(eight)).is_ok());
}

#[test]
fn a_call_that_is_put_off_is_placed_when_quiet_hours_end() {
    let mut rig = rig(Limits::default(), quiet(Quietly::Defer));
    rig.post(CUSTOMER, REPRESENTATIVE, None).unwrap();
    rig.pass(3_599_000);
    assert_eq!(rig.count("INVITE"), 0);
    rig.pass(2_000);
    assert!(rig.count("INVITE") > 0);
}

#[test]
fn a_call_that_quiet_hours_overtake_expires() {
    let mut rig = rig(Limits::default(), Guard::default());
    let at = rig.now.wall + Duration::from_secs(600);
    rig.post(CUSTOMER, REPRESENTATIVE, Some(at)).unwrap();
    rig.bound_by(Limits::default(), quiet(Quietly::Refuse));
    rig.pass(601_000);
    assert_eq!(rig.outcomes(), [Outcome::Expired]);
    assert_eq!(
        rig.records.first().map(|record| record.detail.as_str()),
        Some("quiet hours began before it could be placed")
    );
}

#[test]
fn a_limit_is_told_once_in_its_period() {
    let mut rig = rig(Limits { max_calls_per_day: Some(0), ..Limits::default() }, Guard::default());
    for n in 0..3 {
        assert_eq!(limit(rig.post(&customer(n), REPRESENTATIVE, None)), Some(Limit::CallsPerDay));
    }
    assert_eq!(rig.reached(), [Limit::CallsPerDay]);
    let first = rig.limits_told.clone();
    assert_eq!(first.len(), 1);
    // After a restart it is told again under the same name, which the store has already.
    let mut again = self::rig(Limits { max_calls_per_day: Some(0), ..Limits::default() }, Guard::default());
    assert!(again.post(&customer(1), REPRESENTATIVE, None).is_err());
    assert_eq!(again.limits_told.first().map(|told: &LimitReached| told.id), first.first().map(|told| told.id));
    rig.now.wall = rig.now.wall + Duration::from_secs(86_400);
    assert!(rig.post(&customer(1), REPRESENTATIVE, None).is_err());
    assert_eq!(rig.reached().len(), 2, "another day");
}

#[test]
fn a_restart_knows_what_was_used() {
    let limits = Limits { max_calls_per_day: Some(3), max_per_number_per_day: Some(1), ..Limits::default() };
    let mut rig = rig(limits, Guard::default());
    let abc: BusinessId = "abc".parse().unwrap();
    let day = rig.now.wall.0 / 86_400_000;
    let usage = DayUsage { business: abc.clone(), day, calls: 1, currency: Currency::USD, cost: Cost::default() };
    let called = (abc.clone(), rig.now.wall, Endpoint::parse(CUSTOMER).unwrap());
    let parse = |text: &str| Endpoint::parse(text).unwrap();
    let message = InitiationMessage::new(abc, parse(&customer(1)), vec![parse(REPRESENTATIVE)]);
    let waiting = StoredCall {
        id: CallId::new(rig.now.wall, [1; 10]),
        created_at: rig.now.wall,
        message,
        progress: Progress::default(),
    };
    let mut cut = waiting.clone();
    cut.id = CallId::new(rig.now.wall, [2; 10]);
    cut.progress.started_at = Some(rig.now.wall);
    rig.engine.recall_usage(rig.now, &[usage], &[called]);
    rig.engine.restore(rig.now, vec![waiting, cut], None);
    rig.drain();
    assert_eq!(limit(rig.post(CUSTOMER, "+12125550177", None)), Some(Limit::NumberPerDay));
    assert_eq!(
        limit(rig.post(&customer(2), REPRESENTATIVE, None)),
        Some(Limit::CallsPerDay),
        "one ended, one waits, one was cut"
    );
}

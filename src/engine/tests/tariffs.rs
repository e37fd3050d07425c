//! The carrier's tariffs in the engine: who is not called for want of a price, by which rate a leg is rated, that a record is the sum of its legs,
//! and that set-up fees and prefixes are reserved before anybody answers.

use super::*;
use crate::billing::{Plan, Plans};
use crate::engine::api::SupervisorWish;
use crate::model::{AtCeiling, Currency, Limit, Money, Rate, RatePlan, RatedLegs, Role, SupervisorMode, TariffName};

const REPRESENTATIVE: &str = "+12125550101";
const DEAR: &str = "+12125559900";

fn rate(prefix: &str, leg: RatedLegs, minute: i64, setup: i64, from: Option<Wall>) -> Rate {
    Rate {
        prefix: prefix.parse().unwrap(),
        leg,
        per_minute_micros: minute,
        setup_micros: setup,
        increment_seconds: 1,
        minimum_seconds: 0,
        effective_from: from,
        effective_to: None,
    }
}

fn name() -> TariffName {
    "retail".parse().unwrap()
}

fn plans(rates: Vec<Rate>) -> Arc<Plans> {
    let plan = RatePlan { name: name(), currency: "EUR".parse().unwrap(), rates };
    assert_eq!(plan.problems(), []);
    Arc::new(Plans::from([(name(), Arc::new(Plan::new(&plan)))]))
}

fn both(prefix: &str, minute: i64, setup: i64) -> Rate {
    rate(prefix, RatedLegs::Both, minute, setup, None)
}

/// A rig whose account pays by these rates.
fn rig(rates: Vec<Rate>, limits: Limits) -> Rig {
    let mut rig = Rig::of(EngineConfig { tariffs: plans(rates), ..config(vec![switch("ssp-62", 1)]) });
    rig.pays(Some(name()), limits);
    rig
}

impl Rig {
    fn pays(&mut self, tariff_name: Option<TariffName>, limits: Limits) {
        let account = Business::new("abc".parse().unwrap(), "ABC", PasswordHash(String::new()));
        let business = Business { limits, tariff_name, ..account };
        let directory = Directory { businesses: [(business.id.clone(), Arc::new(business))].into() };
        self.give(Input::Directory(Arc::new(directory)));
    }

    fn wants(&mut self, customer: &str, representatives: &[&str], at: Option<Wall>) -> Option<Refusal> {
        let parse = |text: &str| Endpoint::parse(text).unwrap();
        let others = representatives.iter().map(|text| parse(text)).collect();
        let message = InitiationMessage {
            desired_contact_time: at,
            ..InitiationMessage::new("abc".parse().unwrap(), parse(customer), others)
        };
        self.replies += 1;
        self.give(Input::Initiate { reply: ReplyTo(self.replies), message: Box::new(message) });
        match self.replied.pop() {
            Some((_, Reply::Accepted(..))) => None,
            Some((_, Reply::Refused(refusal))) => Some(refusal),
            other => panic!("{other:?}"),
        }
    }

    /// Answers the next INVITE.
    fn answers(&mut self) {
        let (to, invite) = self.next("INVITE");
        self.accept(&to, &invite);
    }
}

#[test]
fn a_call_to_where_there_is_no_price_is_refused_and_not_given_away() {
    let mut rig = rig(vec![both("+12125550", 60, 0)], Limits::default());
    let refused = |pointer: &str| Some(Refusal::NoRate { pointer: pointer.to_owned() });
    assert_eq!(rig.wants(DEAR, &[REPRESENTATIVE], None), refused("/customer"));
    assert_eq!(rig.wants(CUSTOMER, &[DEAR], None), refused("/representative"));
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE, DEAR], None), refused("/representative/1"));
    assert_eq!(rig.count("INVITE"), 0);
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
    rig.pays("wholesale".parse().ok(), Limits::default());
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), Some(Refusal::NoTariff));
}

#[test]
fn each_leg_is_rated_by_its_own_prefix_and_the_record_is_their_sum() {
    let rates = vec![
        rate("", RatedLegs::Customer, 6_000, 0, None),
        rate("", RatedLegs::Representative, 60_000, 100, None),
        rate("+12125550101", RatedLegs::Representative, 120_000, 1_000, None),
    ];
    let mut rig = rig(rates, Limits::default());
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
    rig.answers();
    rig.pass(10_000);
    rig.answers();
    rig.pass(30_000);
    rig.delete();
    rig.pass(1_000);
    let record = rig.records.first().unwrap().clone();
    assert_eq!(record.currency, "EUR".parse::<Currency>().unwrap());
    let [customer, representative] = rig.attempts.as_slice() else { panic!("{:?}", rig.attempts) };
    assert_eq!((customer.billable_seconds, customer.price_micros), (40, Some(Money(4_000))));
    assert_eq!((representative.billable_seconds, representative.price_micros), (30, Some(Money(61_000))));
    assert_eq!(record.price_micros, Money(65_000));
    let rated = representative.rated.as_ref().unwrap();
    assert_eq!(
        (rated.tariff.as_ref(), rated.prefix.as_ref().map(|p| p.as_str())),
        (Some(&name()), Some("+12125550101"))
    );
    assert_eq!((rated.setup_micros, customer.rated.as_ref().map(|rate| rate.setup_micros)), (1_000, Some(0)));
    assert!(rated.version.is_some());
    rig.assert_nothing_left();
}

#[test]
fn a_leg_is_rated_by_the_price_of_the_moment_of_its_answer() {
    let noon = Wall(1_795_521_600_000);
    let later = noon + Duration::from_secs(20);
    let mut rig = rig(vec![both("", 6_000, 0), rate("+1", RatedLegs::Both, 60_000, 0, Some(later))], Limits::default());
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
    rig.answers();
    rig.pass(20_000);
    rig.answers();
    rig.pass(10_000);
    rig.delete();
    rig.pass(1_000);
    let prices: Vec<_> = rig.attempts.iter().map(|leg| leg.price_micros.unwrap().0).collect();
    assert_eq!(prices, [3_000, 10_000]);
}

#[test]
fn a_placed_call_keeps_the_tariff_that_it_began_with_and_a_waiting_one_gets_the_new_one() {
    let mut rig = rig(vec![both("", 60_000, 0)], Limits::default());
    let later = rig.now.wall + Duration::from_secs(600);
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
    assert_eq!(rig.wants("+12125550150", &[REPRESENTATIVE], Some(later)), None);
    rig.answers();
    let dearer = plans(vec![both("+12125550100", 120_000, 0)]);
    rig.engine.reconfigure(EngineConfig { tariffs: dearer, ..config(vec![switch("ssp-62", 1)]) });
    rig.pays(Some(name()), Limits::default());
    rig.answers();
    rig.pass(60_000);
    let first = rig.notices.iter().find_map(|notice| match notice {
        Notice::State { call, from: None, .. } => Some(*call),
        _ => None,
    });
    let call = first.unwrap();
    rig.give(Input::Delete { reply: ReplyTo(0), business: "abc".parse().unwrap(), call });
    rig.pass(1_000);
    assert_eq!(rig.records[0].price_micros, Money(120_000), "a minute of both, at the price that they were called at");
    rig.pass(600_000);
    assert_eq!(rig.records[1].outcome, Outcome::Expired);
    assert_eq!(rig.records[1].detail, "the account's tariff has no price for it any more");
}

fn spend(micros: i64) -> Limits {
    Limits {
        max_spend_per_day_micros: Some(micros),
        at_ceiling: AtCeiling::HangUp,
        reserve_seconds: 60,
        ..Limits::default()
    }
}

#[test]
fn the_set_up_and_the_dearest_representative_are_reserved() {
    // A minute of the customer 60 + 5, of the dear representative 600 + 50.
    let rates = vec![both("", 60, 5), both("+121255599", 600, 50)];
    let mut exact = rig(rates.clone(), spend(715));
    assert_eq!(exact.wants(CUSTOMER, &[REPRESENTATIVE, DEAR], None), None);
    let mut short = rig(rates, spend(714));
    let refused = short.wants(CUSTOMER, &[REPRESENTATIVE, DEAR], None);
    assert!(matches!(refused, Some(Refusal::Limit { limit: Limit::SpendPerDay, .. })), "{refused:?}");
    assert_eq!(short.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
}

#[test]
fn a_live_call_with_set_ups_is_hung_up_before_it_costs_more_than_there_is() {
    // A minute of both is 320, another second of both 2 more.
    let mut rig = rig(vec![both("", 60, 100)], spend(330));
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
    rig.answers();
    rig.answers();
    rig.pass(58_000);
    assert!(rig.records.is_empty(), "a minute of both is paid for");
    rig.pass(30_000);
    let record = rig.records.first().expect("another minute is not there");
    assert!((300..=330).contains(&record.price_micros.0), "{:?}", record.price_micros);
    assert_eq!(record.detail, "the account's ceiling was reached");
}

#[test]
fn a_supervisor_comes_where_there_is_a_price_and_room_for_it() {
    let invite = |rig: &mut Rig, address: &str| {
        let wish = SupervisorWish::Invite { address: Endpoint::parse(address).unwrap(), mode: SupervisorMode::Listen };
        let call = rig.last.unwrap();
        rig.replies += 1;
        rig.give(Input::Supervise { reply: ReplyTo(rig.replies), business: "abc".parse().unwrap(), call, wish });
        rig.replied.pop().map(|(_, reply)| reply)
    };
    let talk = |rates: Vec<Rate>, limits| {
        let mut rig = rig(rates, limits);
        assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
        rig.answers();
        rig.answers();
        rig
    };
    let mut narrow = talk(vec![both("+12125550", 60, 100)], Limits::default());
    let pointer = "/supervisor".to_owned();
    assert_eq!(invite(&mut narrow, DEAR), Some(Reply::Refused(Refusal::NoRate { pointer })));
    let mut poor = talk(vec![both("", 60, 100)], spend(420));
    let refused = invite(&mut poor, "+12125550109");
    assert!(matches!(refused, Some(Reply::Refused(Refusal::Limit { limit: Limit::SpendPerDay, .. }))), "{refused:?}");
    let mut rich = talk(vec![both("", 60, 100)], spend(10_000));
    assert!(matches!(invite(&mut rich, "+12125550109"), Some(Reply::Supervised(Some(_)))));
    rich.answers();
    rich.pass(5_000);
    rich.delete();
    rich.pass(1_000);
    let prices: Vec<i64> = rich.attempts.iter().map(|leg| leg.price_micros.unwrap().0).collect();
    assert_eq!(rich.attempts[2].role, Role::Supervisor);
    assert_eq!(prices.iter().sum::<i64>(), rich.records[0].price_micros.0);
    assert!(prices.iter().all(|price| *price >= 100), "each has paid its set-up: {prices:?}");
}

/// A talk, and the INVITE of its representative.
fn talk(rates: Vec<Rate>, limits: Limits) -> (Rig, String) {
    let mut rig = rig(rates, limits);
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
    rig.answers();
    let (to, invite) = rig.next("INVITE");
    rig.accept(&to, &invite);
    (rig, invite)
}

impl Rig {
    /// The representative's phone, which was sent this INVITE, wants to hand the customer on; gives the answer's status.
    fn refers(&mut self, invite: &str, cseq: u32, target: &str) -> u16 {
        let value = |name: &str| invite.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let text = format!(
            "REFER sip:callbridge@192.0.2.100:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKrefer{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: {};tag=far\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} REFER\r\n\
             Contact: <sip:phone@192.0.2.1:5060>\r\nRefer-To: <tel:{target}>\r\nContent-Length: 0\r\n\r\n",
            value("To: "),
            value("From: "),
            value("Call-ID: "),
        );
        self.sent.clear();
        self.give(Input::Sip { from: &hop(1), bytes: text.as_bytes() });
        let (_, answer) = self.next("SIP/2.0");
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap()
    }
}

#[test]
fn a_transfer_to_where_there_is_no_price_or_the_account_does_not_call_is_refused_and_the_talk_goes_on() {
    let (mut rig, invite) = talk(vec![both("+12125550", 60, 0)], Limits::default());
    assert_eq!((rig.refers(&invite, 1, DEAR), rig.count("INVITE")), (603, 0));
    let barred = |rig: &Rig| {
        let why = |notice: &&Notice| matches!(notice, Notice::TransferRefused { .. });
        rig.notices.iter().filter(why).count()
    };
    assert_eq!(barred(&rig), 1);
    let guard = crate::model::Guard {
        destinations: crate::model::Destinations { deny: vec!["+12125550109".parse().unwrap()], ..Default::default() },
        ..Default::default()
    };
    let business = rig.engine.directory.get(&"abc".parse().unwrap()).cloned().unwrap();
    let business = Business { guard, ..(*business).clone() };
    let directory = Directory { businesses: [(business.id.clone(), Arc::new(business))].into() };
    rig.give(Input::Directory(Arc::new(directory)));
    assert_eq!((rig.refers(&invite, 2, "+12125550109"), rig.count("INVITE")), (603, 0));
    assert_eq!(barred(&rig), 2);
    assert!(rig.records.is_empty(), "they talk on");
    assert_eq!(rig.refers(&invite, 3, "+12125550108"), 202);
    assert!(rig.next("INVITE").1.starts_with("INVITE sip:+12125550108@"));
}

#[test]
fn what_was_kept_free_for_a_transfer_comes_back_when_it_is_refused_or_reaches_nobody() {
    // A minute of a leg is 160: two talk, a third is being called, and one more call needs 320.
    let another = |rig: &mut Rig| rig.wants("+12125550150", &["+12125550151"], None).is_none();
    let (mut rig, invite) = talk(vec![both("", 60, 100)], spend(650));
    assert_eq!(rig.refers(&invite, 1, "+12125550109"), 202);
    let (to, third) = rig.next("INVITE");
    assert!(!another(&mut rig), "480 are kept");
    rig.answer(&to, &third, 486, "");
    assert!(another(&mut rig), "the third was busy: 320 are kept");

    let (mut rig, invite) = talk(vec![both("", 60, 100)], spend(800));
    assert_eq!(rig.refers(&invite, 1, "+12125550109"), 202);
    assert_eq!(rig.refers(&invite, 2, "+12125550108"), 491, "one at a time");
    assert!(another(&mut rig), "480 are kept, as if the second had not been asked for");
}

#[test]
fn no_redirection_leads_to_where_a_leg_costs_more_than_it_is_billed() {
    let mut rig = rig(vec![both("", 60, 0), both("+121255599", 600, 0)], Limits::default());
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
    let (to, invite) = rig.next("INVITE");
    rig.answer(&to, &invite, 302, &format!("Contact: <sip:{DEAR}@192.0.2.1>\r\n"));
    rig.pass(1_000);
    assert_eq!(rig.records[0].outcome, Outcome::CustomerUnreachable);
    assert_eq!(rig.attempts[0].cause.text, "redirected to where a leg costs more than it is billed");
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
    let (to, invite) = rig.next("INVITE");
    rig.answer(&to, &invite, 302, "Contact: <sip:+12125550155@192.0.2.1>\r\n");
    assert!(rig.next("INVITE").1.starts_with("INVITE sip:+12125550155@"));
}

#[test]
fn what_was_rated_anew_counts_against_the_ceiling_at_once() {
    let mut rig = rig(vec![both("", 60, 0)], spend(200));
    let abc: BusinessId = "abc".parse().unwrap();
    let day = rig.now.wall.0 / 86_400_000;
    let cost = |price| crate::model::Cost { seconds: 60, price: Money(price) };
    let euro: Currency = "EUR".parse().unwrap();
    let usage = crate::model::DayUsage { business: abc.clone(), day, calls: 1, currency: euro, cost: cost(100) };
    rig.engine.recall_usage(rig.now, &[usage], &[]);
    let adjusted =
        crate::model::DayAdjustment { business: abc.clone(), day, currency: euro, old: cost(100), new: cost(50) };
    assert!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None).is_some());
    rig.give(Input::Adjusted(vec![adjusted]));
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
}

#[test]
fn an_account_that_changes_its_currency_within_a_month_does_not_add_up_both() {
    // A minute of both legs is 320 in each.
    let dollars =
        RatePlan { name: "domestic".parse().unwrap(), currency: Currency::USD, rates: vec![both("", 60, 100)] };
    let mut tariffs = (*plans(vec![both("", 60, 100)])).clone();
    tariffs.insert(dollars.name.clone(), Arc::new(Plan::new(&dollars)));
    let limits = Limits { max_spend_per_month_micros: Some(400), ..spend(400) };
    let mut rig = Rig::of(EngineConfig { tariffs: Arc::new(tariffs), ..config(vec![switch("ssp-62", 1)]) });
    rig.pays(Some(name()), limits);
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None);
    rig.answers();
    rig.answers();
    rig.pass(60_000 - 2_000);
    rig.delete();
    rig.pass(1_000);
    assert_eq!(rig.records[0].currency, "EUR".parse().unwrap());
    assert!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None).is_some(), "the euros are spent");
    rig.pays(Some(dollars.name), limits);
    assert_eq!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None), None, "of dollars none are");
    assert!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None).is_some(), "now they are kept for this call");
    rig.pays(Some(name()), limits);
    assert!(rig.wants(CUSTOMER, &[REPRESENTATIVE], None).is_some(), "and euros are still spent");
}

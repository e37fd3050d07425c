//! A customer who is not reached is tried again: when, how often, and that it is one call with one record, over restarts too.

use super::contact::message;
use super::*;
use crate::model::contact::{ContactWish, RetryWish};
use crate::model::{CallState, CallView, Contact, Guard, LegState, QuietHours, RetryPlan, Role};

const EPOCH: Wall = Wall(1_795_521_600_000);

pub fn contact(max_tries: u8, busy: &[u32], no_answer: &[u32]) -> Contact {
    let retry = RetryPlan {
        max_tries,
        busy_seconds: busy.to_vec(),
        no_answer_seconds: no_answer.to_vec(),
        machine_seconds: Vec::new(),
    };
    Contact { retry, ..Contact::default() }
}

fn rig(contact: Contact) -> Rig {
    let mut rig = Rig::new(vec![switch("ssp-62", 1)]);
    rig.set_account(Limits::default(), Guard::default(), contact);
    rig
}

impl Rig {
    /// The customer's phone is rung once, and says this.
    #[track_caller]
    pub fn says(&mut self, status: u16) {
        let (to, invite) = self.next("INVITE");
        self.sent.clear();
        self.answer(&to, &invite, status, "");
    }

    /// Nobody is rung for so long, then the customer is.
    #[track_caller]
    fn rings_after(&mut self, seconds: u64) {
        self.sent.clear();
        self.pass(seconds * 1000 - 10);
        assert_eq!(self.count("INVITE"), 0, "too early");
        self.pass(20);
        assert!(self.count("INVITE sip:+12125550100") > 0, "too late");
    }

    fn call_now(&mut self) -> Option<CallView> {
        let call = self.last.unwrap();
        self.give(Input::Get { reply: ReplyTo(99), business: "abc".parse().unwrap(), call });
        match self.replied.pop() {
            Some((_, Reply::Call(view))) => view.map(|view| *view),
            other => panic!("{other:?}"),
        }
    }

    /// What the webhook was told: the number and the state of each event.
    fn events(&self) -> Vec<(u32, CallState)> {
        let all = self.webhook.iter().flat_map(|told| &told.events);
        let mut events: Vec<(u32, CallState)> = all.map(|event| (event.sequence, event.state)).collect();
        events.dedup();
        events
    }
}

#[test]
fn a_busy_customer_is_tried_again_as_the_plan_has_it_and_the_call_is_one() {
    let mut rig = rig(contact(3, &[60, 300], &[]));
    let id = rig.takes_in(message(CUSTOMER)).unwrap().id;
    rig.says(486);
    let view = rig.call_now().unwrap();
    assert_eq!((view.state, view.outcome, view.tries), (CallState::Scheduled, None, 1));
    assert_eq!(view.next_try_at.map(|at| at.millis_since(EPOCH)), Some(60_000));
    assert_eq!((view.customer.state, view.customer.sip_status), (LegState::Ended, Some(486)));
    rig.rings_after(60);
    assert_eq!(rig.call_now().map(|view| (view.tries, view.next_try_at)), Some((2, None)));
    rig.says(486);
    rig.rings_after(300);
    let (to, invite) = rig.next("INVITE");
    rig.accept(&to, &invite);
    let (to, invite) = rig.next("INVITE sip:+12125550101");
    rig.accept(&to, &invite);
    rig.pass(10_000);
    rig.delete();
    let record = &rig.records[0];
    assert_eq!((rig.records.len(), record.call_id, record.outcome), (1, id, Outcome::Completed));
    assert_eq!((record.tries, record.customer_sip_status, record.talk_seconds), (3, Some(200), 10));
    let legs: Vec<_> = rig.attempts.iter().map(|leg| (leg.attempt, leg.role, leg.cause.sip_status)).collect();
    let (customer, representative) = (Role::Customer, Role::Representative);
    let wanted = [(0, customer, Some(486)), (1, customer, Some(486)), (2, customer, Some(200))];
    assert_eq!(legs[..3], wanted);
    assert_eq!(legs[3], (3, representative, Some(200)));
    let view = CallView::from_record(record, &rig.attempts);
    assert_eq!((view.tries, view.customer.sip_status), (3, Some(200)));
    rig.assert_nothing_left();
}

#[test]
fn every_state_of_every_try_is_told_in_order_and_the_end_has_the_last_number() {
    let mut rig = rig(contact(2, &[60], &[]));
    rig.takes_in(message(CUSTOMER)).unwrap();
    rig.says(486);
    rig.rings_after(60);
    rig.says(486);
    let states = [
        (1, CallState::Queued),
        (2, CallState::CallingCustomer),
        (4, CallState::Scheduled),
        (5, CallState::Queued),
        (6, CallState::CallingCustomer),
        (9, CallState::Ended),
    ];
    assert_eq!(rig.events(), states);
    assert_eq!((rig.outcomes(), rig.records[0].tries), (vec![Outcome::CustomerBusy], 2), "the plan has no third");
    let entered: Vec<_> = rig
        .notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::State { from, to, .. } => Some((*from, *to)),
            _ => None,
        })
        .collect();
    assert!(
        entered.windows(2).all(|pair| pair[1].0 == Some(pair[0].1)),
        "no state is left that was not entered: {entered:?}"
    );
    rig.assert_nothing_left();
}

#[test]
fn nobody_answers_is_another_cause_with_waits_of_its_own() {
    let mut rig = rig(contact(4, &[60], &[900]));
    rig.takes_in(message(CUSTOMER)).unwrap();
    let (to, invite) = rig.next("INVITE");
    rig.answer(&to, &invite, 180, "");
    rig.pass(45_000);
    let (to, cancel) = rig.next("CANCEL");
    rig.answer(&to, &cancel, 200, "");
    rig.answer(&to, &invite, 487, "");
    rig.pass(899_000);
    assert_eq!(rig.count("INVITE"), 0);
    rig.pass(1_100);
    rig.says(486);
    rig.rings_after(60);
    rig.says(603);
    assert_eq!(rig.outcomes(), [Outcome::CustomerRejected], "who declines is left alone");
    assert_eq!(rig.records[0].tries, 3);
    rig.assert_nothing_left();
}

#[test]
fn a_message_may_ask_for_less_and_never_for_more() {
    let mut rig = rig(contact(3, &[60], &[]));
    let ask = |wish| {
        let wish = ContactWish { window: None, retry: Some(wish) };
        InitiationMessage { asked: Some(Box::new(wish)), ..message(CUSTOMER) }
    };
    rig.takes_in(ask(RetryWish { max_tries: Some(1), ..RetryWish::default() })).unwrap();
    rig.says(486);
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy]);
    let more = rig.takes_in(ask(RetryWish { max_tries: Some(4), ..RetryWish::default() }));
    assert_eq!(more, Err(Refusal::RetryBarred { pointer: "/retry/max_tries".into() }));
    let sooner = rig.takes_in(ask(RetryWish { busy_seconds: Some(vec![30]), ..RetryWish::default() }));
    assert_eq!(sooner, Err(Refusal::RetryBarred { pointer: "/retry/busy_seconds".into() }));
}

#[test]
fn a_call_is_cancelled_between_two_tries() {
    let mut rig = rig(contact(3, &[60], &[]));
    rig.takes_in(message(CUSTOMER)).unwrap();
    rig.says(486);
    rig.pass(30_000);
    rig.delete();
    assert_eq!((rig.outcomes(), rig.records[0].tries), (vec![Outcome::Cancelled], 1));
    assert_eq!(rig.records[0].ended_at.millis_since(EPOCH), 30_000, "then, not when the last try was over");
    assert_eq!((rig.attempts.len(), rig.events().last().copied()), (1, Some((6, CallState::Ended))));
    rig.pass(600_000);
    assert_eq!(rig.count("INVITE"), 0);
    rig.assert_nothing_left();
}

#[test]
fn no_try_begins_at_or_after_the_end_of_a_call() {
    let mut rig = rig(contact(9, &[60], &[]));
    rig.takes_in(InitiationMessage { expires_at: Some(EPOCH + Duration::from_secs(120)), ..message(CUSTOMER) })
        .unwrap();
    rig.says(486);
    rig.rings_after(60);
    rig.says(486);
    assert_eq!((rig.outcomes(), rig.records[0].tries), (vec![Outcome::CustomerBusy], 2), "it ends as its last try did");
    rig.assert_nothing_left();
}

#[test]
fn a_try_that_cannot_be_placed_in_time_ends_the_call_as_the_last_one_did() {
    let mut rig = Rig::new(vec![Switch { max_channels: Some(1), ..switch("ssp-62", 1) }]);
    rig.set_account(Limits::default(), Guard::default(), contact(3, &[60], &[]));
    rig.takes_in(message(CUSTOMER)).unwrap();
    rig.says(486);
    rig.pass(50_000);
    rig.takes_in(message("+12125550102")).unwrap();
    let (to, invite) = rig.next("INVITE");
    rig.accept(&to, &invite);
    // Somebody else has the one channel for all of the thirty seconds that a call may be late.
    rig.pass(42_000);
    assert_eq!((rig.outcomes(), rig.records[0].tries), (vec![Outcome::CustomerBusy], 1));
    let detail = &rig.records[0].detail;
    assert!(detail.contains("not tried again: its time passed before it could be placed"), "{detail}");
}

#[test]
fn a_try_waits_for_the_end_of_quiet_hours() {
    let mut rig = Rig::new(vec![switch("ssp-62", 1)]);
    // 07:00 in New York; quiet from 07:10 to 07:30.
    let (from, to) = QuietHours::parse_span("07:10-07:30").unwrap();
    let quiet = Some(QuietHours { from, to, calls: Default::default(), zone: Default::default() });
    rig.set_account(Limits::default(), Guard { quiet, ..Guard::default() }, contact(3, &[900], &[]));
    rig.takes_in(message(CUSTOMER)).unwrap();
    rig.says(486);
    rig.rings_after(1800);
}

#[test]
fn a_restart_between_two_tries_loses_none_and_doubles_none() {
    let plan = || contact(3, &[60, 300], &[]);
    let mut rig = rig(plan());
    let id = rig.takes_in(message(CUSTOMER)).unwrap().id;
    rig.says(486);
    rig.rings_after(60);
    rig.says(486);
    let open: Vec<StoredCall> = rig.open.values().cloned().collect();
    let mut second = Rig::restored(open, EPOCH + Duration::from_secs(160), plan());
    let view = second.call_now().unwrap();
    assert_eq!((view.id, view.state, view.tries, view.attempts.len()), (id, CallState::Scheduled, 2, 2));
    assert_eq!(view.next_try_at.map(|at| at.millis_since(EPOCH) / 1000), Some(360));
    second.rings_after(200);
    second.says(486);
    assert_eq!((second.records.len(), second.records[0].call_id, second.records[0].tries), (1, id, 3));
    assert_eq!(second.attempts.iter().map(|leg| leg.attempt).collect::<Vec<_>>(), [0, 1, 2]);
    // The numbers go on where the first life was.
    let wanted = [(8, CallState::Queued), (9, CallState::CallingCustomer), (12, CallState::Ended)];
    assert_eq!(second.events(), wanted);
    second.assert_nothing_left();
}

#[test]
fn a_restart_after_the_time_of_the_next_try_makes_it_at_once() {
    let plan = || contact(3, &[60], &[]);
    let mut rig = rig(plan());
    rig.takes_in(message(CUSTOMER)).unwrap();
    rig.says(486);
    let open: Vec<StoredCall> = rig.open.values().cloned().collect();
    let mut second = Rig::restored(open.clone(), EPOCH + Duration::from_secs(70), plan());
    second.pass(10);
    assert!(second.count("INVITE") > 0);
    // And one that comes later than a call may be late ends it as the last try did.
    let mut late = Rig::restored(open, EPOCH + Duration::from_secs(100), plan());
    late.pass(10);
    assert_eq!((late.outcomes(), late.count("INVITE")), (vec![Outcome::CustomerBusy], 0));
    late.assert_nothing_left();
}

#[test]
fn a_crash_during_a_later_try_is_recorded_with_the_tries_before_it() {
    let plan = || contact(3, &[60], &[]);
    let mut rig = rig(plan());
    rig.takes_in(message(CUSTOMER)).unwrap();
    rig.says(486);
    rig.rings_after(60);
    let open: Vec<StoredCall> = rig.open.values().cloned().collect();
    let mut second = Rig::restored(open, EPOCH + Duration::from_secs(90), plan());
    second.pass(10);
    assert_eq!((second.outcomes(), second.records[0].tries), (vec![Outcome::Interrupted], 2));
    let legs: Vec<_> = second.attempts.iter().map(|leg| (leg.attempt, leg.role, leg.cause.sip_status)).collect();
    assert_eq!(legs, [(0, Role::Customer, Some(486)), (1, Role::Customer, None)]);
    assert_eq!(second.count("INVITE"), 0);
    second.assert_nothing_left();
}

#[test]
fn a_call_waits_for_its_next_try_only_when_that_is_durable() {
    let mut rig = rig(contact(3, &[2], &[]));
    rig.takes_in(message(CUSTOMER)).unwrap();
    let (to, invite) = rig.next("INVITE");
    rig.store_fails = true;
    rig.answer(&to, &invite, 486, "");
    rig.pass(5_000);
    assert_eq!((rig.count("INVITE"), rig.records.len()), (0, 0), "the disk is full: the try waits for it");
    rig.store_fails = false;
    rig.sent.clear();
    rig.pass(1_100);
    assert!(rig.count("INVITE") > 0);
}

#[test]
fn what_bounds_a_business_is_asked_anew_at_each_try() {
    let plan = || contact(3, &[60], &[]);
    let mut rig = rig(plan());
    rig.set_account(Limits { max_per_number_per_hour: Some(2), ..Limits::default() }, Guard::default(), plan());
    rig.takes_in(message(CUSTOMER)).unwrap();
    rig.says(486);
    rig.rings_after(60);
    rig.says(486);
    rig.pass(61_000);
    assert_eq!(
        (rig.outcomes(), rig.records[0].tries),
        (vec![Outcome::CustomerBusy], 2),
        "the third would be one too many"
    );
    assert!(rig.records[0].detail.contains("not tried again"), "{}", rig.records[0].detail);
    rig.assert_nothing_left();
}

#[test]
fn a_customer_who_talks_with_the_representative_meanwhile_is_not_tried_again() {
    let mut rig = rig(contact(3, &[60], &[]));
    rig.takes_in(message(CUSTOMER)).unwrap();
    rig.says(486);
    rig.pass(30_000);
    rig.takes_in(message(CUSTOMER)).unwrap();
    let (to, invite) = rig.next("INVITE");
    rig.accept(&to, &invite);
    let (to, invite) = rig.next("INVITE sip:+12125550101");
    rig.accept(&to, &invite);
    rig.pass(31_000);
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy]);
    assert!(rig.records[0].detail.contains("in a call already"), "{}", rig.records[0].detail);
}

#[test]
fn a_drain_waits_until_the_next_try_is_durable_and_no_longer() {
    let mut rig = rig(contact(3, &[60], &[]));
    rig.takes_in(message(CUSTOMER)).unwrap();
    rig.says(486);
    rig.give(Input::Drain);
    assert_eq!(rig.engine.census().scheduled, 1, "it stays in the store");
    rig.pass(61_000);
    assert_eq!(rig.count("INVITE"), 0, "no new try while the equipment is drained");
}

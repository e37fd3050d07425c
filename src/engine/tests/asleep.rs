//! Calls that sleep until their time: they answer, end, are listed and counted like any other, and hold next to nothing.

use super::again::contact;
use super::contact::message;
use super::*;
use crate::engine::api::{After, ListFilter};
use crate::ladder::What;
use crate::model::{CallState, CallView, Contact};

const EPOCH: Wall = Wall(1_795_521_600_000);

fn later(customer: &str, seconds: u64) -> InitiationMessage {
    let at = Some(EPOCH + Duration::from_secs(seconds));
    InitiationMessage { desired_contact_time: at, ..message(customer) }
}

fn customer(n: usize) -> String {
    format!("+121255502{n:02}")
}

impl Rig {
    fn replies_to(&mut self, input: impl FnOnce(ReplyTo, BusinessId) -> Input<'static>) -> Reply {
        self.give(input(ReplyTo(77), "abc".parse().unwrap()));
        self.replied.pop().unwrap().1
    }

    fn lists(&mut self, filter: ListFilter) -> (Vec<CallView>, Option<CallId>) {
        match self.replies_to(|reply, business| Input::List { reply, business, filter }) {
            Reply::Calls(calls, cut) => (calls, cut),
            other => panic!("{other:?}"),
        }
    }
}

fn rig() -> Rig {
    Rig::new(vec![switch("ssp-62", 1)])
}

#[test]
fn a_waiting_call_sleeps_and_answers_when_it_is_asked() {
    let mut rig = rig();
    let id = rig.takes_in(later(CUSTOMER, 600)).unwrap().id;
    assert_eq!((rig.engine.calls.len(), rig.engine.asleep.len(), rig.engine.seen.len()), (0, 1, 0));
    assert_eq!(rig.engine.census().scheduled, 1);
    let Reply::Call(Some(view)) = rig.replies_to(|reply, business| Input::Get { reply, business, call: id }) else {
        panic!()
    };
    assert_eq!((view.id, view.state, view.customer.address.to_string().as_str()), (id, CallState::Scheduled, CUSTOMER));
    assert_eq!(rig.engine.asleep.len(), 1, "it went to sleep again");
    let foreign = "other".parse().unwrap();
    rig.give(Input::Get { reply: ReplyTo(1), business: foreign, call: id });
    assert!(matches!(rig.replied.pop(), Some((_, Reply::Call(None)))));
    let Reply::Ladder(Some(ladder)) = rig.replies_to(|reply, business| Input::Ladder { reply, business, call: id })
    else {
        panic!()
    };
    let moments = ladder.entries().filter(|entry| matches!(entry.what, What::Moment(_))).count();
    assert_eq!(moments, 3, "asked, accepted, waits");
    rig.pass(599_990);
    assert_eq!(rig.count("INVITE"), 0);
    rig.pass(20);
    let (to, invite) = rig.next("INVITE");
    rig.answer(&to, &invite, 486, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy]);
    rig.assert_nothing_left();
}

#[test]
fn a_sleeping_call_is_cancelled_and_has_its_record() {
    let mut rig = rig();
    rig.takes_in(later(CUSTOMER, 600)).unwrap();
    rig.pass(10_000);
    rig.delete();
    assert_eq!((rig.outcomes(), rig.engine.asleep.len()), (vec![Outcome::Cancelled], 0));
    rig.assert_nothing_left();
}

#[test]
fn a_followed_call_stays_awake_and_its_follower_is_told() {
    let mut rig = rig();
    let id = rig.takes_in(later(CUSTOMER, 600)).unwrap().id;
    let after = After { sequence: 1, alarms: None };
    rig.give(Input::Watch { reply: ReplyTo(5), business: "abc".parse().unwrap(), call: id, after });
    assert_eq!((rig.engine.calls.len(), rig.engine.asleep.len()), (1, 0));
    rig.pass(600_100);
    let told = rig.told.iter().find(|(who, _)| *who == ReplyTo(5)).and_then(|(_, told)| told.clone()).unwrap();
    assert_eq!(told.events.first().map(|event| (event.sequence, event.state)), Some((2, CallState::Queued)));
}

#[test]
fn the_newest_are_listed_first_awake_or_asleep_and_a_page_goes_on_where_the_last_one_ended() {
    let mut rig = rig();
    let mut ids = Vec::new();
    for n in 0..10 {
        rig.pass(10);
        let message = if n % 3 == 0 { message(&customer(n)) } else { later(&customer(n), 600) };
        ids.push(rig.takes_in(message).unwrap().id);
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let (mut page, cut) = rig.lists(ListFilter { before, limit: 3, ..ListFilter::default() });
        assert_eq!(cut, None);
        let more = page.len() > 3;
        page.truncate(3);
        seen.extend(page.iter().map(|call| call.id));
        before = page.last().map(|call| call.id);
        if !more {
            break;
        }
    }
    assert_eq!(seen, ids);
    let (scheduled, _) = rig.lists(ListFilter { state: Some(CallState::Scheduled), limit: 50, ..Default::default() });
    assert_eq!(scheduled.len(), 6);
    let (calling, _) =
        rig.lists(ListFilter { state: Some(CallState::CallingCustomer), limit: 50, ..Default::default() });
    assert_eq!(calling.len(), 4);
    let from = Some(EPOCH + Duration::from_millis(80));
    let (newest, _) = rig.lists(ListFilter { from, limit: 50, ..Default::default() });
    assert_eq!(newest.len(), 3);
    let (oldest, _) = rig.lists(ListFilter { to: from, limit: 50, ..Default::default() });
    assert_eq!(oldest.len(), 7);
}

#[test]
fn one_look_for_what_few_have_is_bounded_and_says_where_to_go_on() {
    let mut rig = rig();
    let limits = Limits { duplicates: Duplicates::Allow, max_per_second: 1_000_000, ..Limits::default() };
    rig.set_account(limits, Default::default(), Contact::default());
    for n in 0..1_500u32 {
        let reference = Some(if n == 0 { "wanted".to_owned() } else { format!("{n}") });
        rig.pass(1);
        rig.takes_in(InitiationMessage { reference, ..later(CUSTOMER, 600 + u64::from(n)) }).unwrap();
    }
    let wanted = |before| ListFilter { before, reference: Some("wanted".into()), limit: 50, ..Default::default() };
    let (none, cut) = rig.lists(wanted(None));
    assert!(none.is_empty() && cut.is_some());
    let (found, end) = rig.lists(wanted(cut));
    assert_eq!((found.len(), end), (1, None));
}

#[test]
fn what_a_sleeping_call_holds_of_its_account_is_held() {
    let mut rig = rig();
    let limits = Limits { max_calls_per_day: Some(3), max_scheduled: 2, ..Limits::default() };
    rig.set_account(limits, Default::default(), Contact::default());
    rig.takes_in(later(CUSTOMER, 600)).unwrap();
    assert_eq!(rig.takes_in(later(CUSTOMER, 600)), Err(Refusal::PairInCall { too_many: false }), "for the same moment");
    rig.takes_in(later(&customer(1), 600)).unwrap();
    assert!(matches!(rig.takes_in(later(&customer(2), 600)), Err(Refusal::ScheduledExceeded { .. })));
    rig.delete();
    rig.takes_in(later(&customer(3), 600)).unwrap();
    assert!(matches!(rig.takes_in(later(&customer(4), 700)), Err(Refusal::Limit { .. })), "the fourth of the day");
}

#[test]
fn a_restart_lays_waiting_calls_to_rest_at_once() {
    let mut rig = rig();
    for n in 0..5 {
        rig.takes_in(later(&customer(n), 600)).unwrap();
    }
    let open: Vec<StoredCall> = rig.open.values().cloned().collect();
    let mut second = Rig::restored(open, EPOCH + Duration::from_secs(100), Contact::default());
    assert_eq!((second.engine.calls.len(), second.engine.asleep.len()), (0, 5));
    assert!(second.notices.contains(&Notice::Waiting(5)));
    second.pass(500_100);
    assert_eq!(second.engine.asleep.len(), 0);
    assert_eq!(second.engine.calls.len(), 5);
}

#[test]
fn the_end_of_a_waiting_call_is_answered_when_it_is_durable_and_no_sooner() {
    let mut rig = rig();
    let call = rig.takes_in(later(CUSTOMER, 600)).unwrap().id;
    rig.store_fails = true;
    rig.delete();
    rig.delete();
    assert!(rig.replied.is_empty(), "a crash now would bring it back: {:?}", rig.replied);
    rig.pass(3_000);
    assert!(rig.replied.is_empty());
    rig.store_fails = false;
    rig.pass(1_100);
    let replies: Vec<Reply> = std::mem::take(&mut rig.replied).into_iter().map(|(_, reply)| reply).collect();
    let [Reply::Deleted(Some(view)), Reply::AlreadyEnded] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!((view.id, view.state, view.outcome), (call, CallState::Ended, Some(Outcome::Cancelled)));
    rig.assert_nothing_left();
}

#[test]
fn those_who_ask_for_an_end_that_is_not_durable_are_bounded() {
    let mut rig = rig();
    rig.takes_in(later(CUSTOMER, 600)).unwrap();
    rig.store_fails = true;
    (0..40).for_each(|_| rig.delete());
    assert_eq!(rig.replied.len(), 8, "32 wait");
    assert!(rig.replied.iter().all(|(_, reply)| matches!(reply, Reply::Refused(Refusal::Unavailable { .. }))));
}

#[test]
fn a_call_that_is_put_off_sleeps_after_a_moment_and_its_followers_find_what_they_missed() {
    let mut rig = rig();
    rig.set_account(Limits::default(), Default::default(), contact(2, &[60], &[]));
    let id = rig.takes_in(message(CUSTOMER)).unwrap().id;
    rig.says(486);
    assert_eq!((rig.engine.calls.len(), rig.engine.asleep.len()), (1, 0), "its last messages are noted yet");
    rig.pass(2_100);
    assert_eq!((rig.engine.calls.len(), rig.engine.asleep.len()), (0, 1));
    let after = After { sequence: 1, alarms: None };
    rig.give(Input::Watch { reply: ReplyTo(5), business: "abc".parse().unwrap(), call: id, after });
    let told = rig.told.pop().unwrap().1.unwrap();
    let told: Vec<(u32, CallState)> = told.events.iter().map(|event| (event.sequence, event.state)).collect();
    assert_eq!(told, [(2, CallState::CallingCustomer), (4, CallState::Scheduled)]);
    assert_eq!(rig.engine.asleep.len(), 1, "it was answered, so nobody keeps the call awake");
    rig.pass(60_000);
    rig.says(486);
    assert_eq!((rig.outcomes(), rig.records[0].tries), (vec![Outcome::CustomerBusy], 2));
    rig.assert_nothing_left();
}

#[test]
fn a_follower_who_may_be_gone_keeps_no_call_awake_for_long() {
    let mut rig = rig();
    let id = rig.takes_in(later(CUSTOMER, 3_000)).unwrap().id;
    let watch = |rig: &mut Rig, reply| {
        let after = After { sequence: 1, alarms: None };
        rig.give(Input::Watch { reply: ReplyTo(reply), business: "abc".parse().unwrap(), call: id, after });
    };
    watch(&mut rig, 5);
    rig.pass(600_100);
    assert_eq!(rig.engine.asleep.len(), 1);
    let told = rig.told.pop().and_then(|(who, told)| (who == ReplyTo(5)).then_some(told)).flatten().unwrap();
    assert!(told.events.is_empty(), "ask again, if you still want to know");
    watch(&mut rig, 6);
    rig.pass(2_400_000);
    assert!(rig.told.iter().any(|(who, told)| *who == ReplyTo(6) && told.is_some()));
}

#[test]
fn many_that_are_due_at_one_moment_are_looked_at_in_parts_and_all_within_a_second() {
    let mut rig = rig();
    let limits = Limits { max_per_second: 1_000_000, duplicates: Duplicates::Allow, ..Limits::default() };
    rig.set_account(limits, Default::default(), Contact::default());
    (0..250).for_each(|_| drop(rig.takes_in(later(CUSTOMER, 600)).unwrap()));
    rig.pass(599_999);
    assert_eq!(rig.engine.asleep.len(), 250);
    rig.pass(1);
    assert_eq!(rig.engine.asleep.len(), 150, "others have their turn between");
    rig.pass(10);
    assert_eq!(rig.engine.asleep.len(), 0);
}

#[test]
fn what_a_sleeping_call_pays_by_is_what_its_account_has_when_it_is_placed() {
    let mut rig = rig();
    rig.takes_in(later(CUSTOMER, 600)).unwrap();
    let business = rig.engine.directory.get(&"abc".parse().unwrap()).cloned().unwrap();
    let gone = Business { tariff_name: Some("gone".parse().unwrap()), ..(*business).clone() };
    let directory = Directory { businesses: [(gone.id.clone(), Arc::new(gone))].into() };
    rig.give(Input::Directory(Arc::new(directory)));
    rig.pass(600_100);
    assert_eq!((rig.outcomes(), rig.count("INVITE")), (vec![Outcome::Expired], 0), "it has no price any more");
    rig.assert_nothing_left();
}

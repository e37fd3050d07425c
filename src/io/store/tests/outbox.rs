//! Events on both ways, and what operators look at, told once for both databases.

use super::*;
use crate::engine::api::{CallEvent, Hearers, Watched};
use crate::model::click_to_dial::{ClickToDial, SinkCredential, SinkToken};
use crate::model::{CallView, LegView, Sink, StoredSession, Wish};

on_both! {
    events_wait_in_the_order_of_their_call_and_are_settled_sent_again_and_given_up,
    a_sink_is_known_until_the_last_event_of_its_call_is_settled,
    an_operator_finds_ended_calls_by_a_part_of_what_they_say,
    accounts_are_listed_in_order_and_sessions_outlive_the_daemon,
}

fn view(call: &StoredCall) -> CallView {
    let legs = [call.message.customer.clone(), call.message.representatives[0].clone()].map(LegView::idle);
    CallView {
        id: call.id,
        business_id: call.message.business_id.clone(),
        state: CallState::Bridged,
        outcome: None,
        customer: legs[0].clone(),
        representative: Some(legs[1].clone()),
        attempts: legs.to_vec(),
        created_at: call.created_at,
        desired_contact_time: None,
        bridged_at: None,
        ended_at: None,
        billable_seconds: None,
        reference: None,
        transferred_to: None,
        transfers: 0,
        recording: None,
        supervisors: Vec::new(),
        wait: None,
        customer_answered_by: None,
        source: Default::default(),
        web_page: None,
        note: None,
        record: false,
        contact_window: None,
        expires_at: None,
        tries: 0,
        next_try_at: None,
    }
}

fn telling(op: StoreOp, call: &StoredCall, sequence: u32, hearers: Hearers) -> StoreOp {
    let events = vec![CallEvent { sequence, at: Wall(5), state: CallState::Bridged }];
    let told = Box::new(Watched { events, alarms: Vec::new(), call: view(call) });
    StoreOp::Telling { op: Box::new(op), told, hearers }
}

/// An operation of the outbox, answered.
fn outbox(store: &SqliteStore, op: OutboxOp) -> bool {
    let (tell, told) = channel();
    store.outbox(op, Box::new(move |result| tell.send(result).unwrap())).unwrap();
    told.recv_timeout(PATIENCE).unwrap().unwrap()
}

fn settle(due: &Due, verdict: Verdict, status: u16) -> OutboxOp {
    let (number, attempts) = (due.number, due.attempts + 1);
    OutboxOp::Settle(Settlement { number, verdict, attempts, at: Wall(20), status: Some(status), problem: None })
}

fn events_wait_in_the_order_of_their_call_and_are_settled_sent_again_and_given_up(home: &Home) {
    let (store, answers) = open(&home.place);
    let (abc, webhook) = ("abc".parse::<BusinessId>().unwrap(), Hearers { webhook: true, sink: false });
    let progress = || StoreOp::Progress { call: call(1).id, progress: Box::default() };
    done(&store, &answers, telling(accept(&call(1)), &call(1), 1, webhook)).unwrap();
    for sequence in [2, 2, 3] {
        done(&store, &answers, telling(progress(), &call(1), sequence, webhook)).unwrap();
    }
    let test = TestEvent {
        id: DeliveryId { subject: call(9).id, sequence: 1 },
        business: "xyz".parse().unwrap(),
        kind: "call.ended",
        body: "{}".to_owned(),
        at: Wall(6),
    };
    assert!(outbox(&store, OutboxOp::Test(test.clone())));
    assert!(!outbox(&store, OutboxOp::Test(test)), "it is there");
    let archive = store.archive();
    let outlet = (abc.clone(), Way::Webhook);
    assert_eq!(archive.awaited().unwrap(), [outlet.clone(), ("xyz".parse().unwrap(), Way::Webhook)]);
    assert_eq!(archive.outbox_depth().unwrap(), 4);
    let due = || archive.due(&outlet, Wall(100), 10).unwrap().0;
    let first = due();
    assert_eq!(first.iter().map(|due| due.id.sequence).collect::<Vec<_>>(), [1], "the others stand behind it");
    assert!(outbox(&store, settle(&first[0], Verdict::Later(Wall(200)), 500)));
    assert_eq!(archive.due(&outlet, Wall(100), 10).unwrap(), (Vec::new(), Some(Wall(200))));
    assert!(outbox(&store, settle(&first[0], Verdict::Dead, 400)));
    assert!(!outbox(&store, settle(&first[0], Verdict::Dead, 400)), "settled already");
    let second = due();
    assert_eq!(second[0].id.sequence, 2);
    assert!(outbox(&store, settle(&second[0], Verdict::Delivered, 200)));
    let filter = DeliveryFilter { business: Some(abc.clone()), limit: 10, ..DeliveryFilter::default() };
    let states = |filter: &DeliveryFilter| {
        let listed = archive.deliveries(filter).unwrap();
        listed.into_iter().map(|one| (one.id.sequence, one.state)).collect::<Vec<_>>()
    };
    let (waiting, delivered, dead) = (DeliveryState::Waiting, DeliveryState::Delivered, DeliveryState::Dead);
    assert_eq!(states(&filter), [(3, waiting), (2, delivered), (1, dead)]);
    assert_eq!(states(&DeliveryFilter { state: Some(dead), ..filter.clone() }), [(1, dead)]);
    assert_eq!(states(&DeliveryFilter { before: Some(second[0].id), ..filter.clone() }), [(1, dead)]);
    assert_eq!(states(&DeliveryFilter { business: None, ..filter.clone() }).len(), 4, "of every business");
    assert_eq!(archive.replay_dead(&abc, Wall(30)).unwrap(), 1);
    assert!(archive.replay(&abc, second[0].id, Wall(30)).unwrap());
    assert!(!archive.replay(&abc, second[0].id, Wall(30)).unwrap(), "on its way");
    let mut on_the_way: Vec<u32> = due().iter().map(|due| due.id.sequence).collect();
    on_the_way.sort_unstable();
    assert_eq!(on_the_way, [1, 3], "what was on its way stays so; what is sent again goes before what comes after it");
}

fn a_sink_is_known_until_the_last_event_of_its_call_is_settled(home: &Home) {
    let (store, answers) = open(&home.place);
    let mut asked = call(1);
    let credential = SinkCredential { token: SinkToken::try_from("token".to_owned()).unwrap(), expires_at: Wall(999) };
    let sink = Sink { url: "https://hooks.example/in".parse().unwrap(), credential: Some(credential) };
    asked.message.click_to_dial = Some(Box::new(ClickToDial { sink: Some(sink.clone()) }));
    let hearers = Hearers { webhook: false, sink: true };
    done(&store, &answers, telling(accept(&asked), &asked, 1, hearers)).unwrap();
    let outlet = ("abc".parse().unwrap(), Way::Sink);
    let due = store.archive().due(&outlet, Wall(100), 10).unwrap().0;
    assert_eq!(due[0].sink.as_ref(), Some(&sink));
    assert!(outbox(&store, settle(&due[0], Verdict::Delivered, 200)));
    done(&store, &answers, telling(finish(&asked), &asked, 2, hearers)).unwrap();
    let due = store.archive().due(&outlet, Wall(100), 10).unwrap().0;
    assert_eq!(due[0].sink.as_ref(), Some(&sink), "the call was open when its first event was settled");
    assert!(outbox(&store, settle(&due[0], Verdict::Delivered, 200)));
    done(&store, &answers, telling(finish(&asked), &asked, 3, hearers)).unwrap();
    let due = store.archive().due(&outlet, Wall(100), 10).unwrap().0;
    assert_eq!(due[0].sink, None, "forgotten with the last one");
}

fn an_operator_finds_ended_calls_by_a_part_of_what_they_say(home: &Home) {
    let (store, answers) = open(&home.place);
    for number in 0..5 {
        done(&store, &answers, finish(&call(number))).unwrap();
        done(&store, &answers, StoreOp::Ladder(Arc::new(ladder(number)))).unwrap();
    }
    let archive = store.archive();
    let search = |text: Option<&str>, before| {
        let search = CallSearch { text: text.map(str::to_owned), before, limit: 2 };
        let found = archive.search_ended(&search).unwrap();
        (found.records.iter().map(|record| record.call_id).collect::<Vec<_>>(), found.next)
    };
    assert_eq!(search(None, None), (vec![call(4).id, call(3).id], Some(call(3).id)));
    assert_eq!(search(None, Some(call(1).id)), (vec![call(0).id], None));
    assert_eq!(search(Some("ORDER 2"), None), (vec![call(2).id], None));
    let (record, attempts) = archive.ended_call(call(2).id).unwrap().unwrap();
    assert_eq!((record.call_id, attempts.len()), (call(2).id, 1));
    assert_eq!(archive.ended_call(call(7).id).unwrap(), None);
    assert!(archive.ladder_of(call(2).id).unwrap().is_some());
    assert_eq!(archive.ladder_of(call(7).id).unwrap(), None);
}

fn accounts_are_listed_in_order_and_sessions_outlive_the_daemon(home: &Home) {
    // No writer yet: it forgets entries that are as old as these.
    let archive = SqliteArchive::open(&home.place).unwrap();
    for id in ["b-1", "B_2", "a", "b.3"].iter().filter(|id| id.parse::<BusinessId>().is_ok()) {
        archive.add_account(&who(), business(id)).unwrap();
    }
    let mut listed = Vec::new();
    while let Some(one) = archive.accounts(listed.last(), 1).unwrap().pop() {
        listed.push(one.business.id);
    }
    assert!(
        listed.len() > 1 && listed.is_sorted_by(|a, b| a.as_str().as_bytes() < b.as_str().as_bytes()),
        "{listed:?}"
    );
    assert_eq!(archive.audit(&AuditFilter { limit: 2, ..AuditFilter::default() }).unwrap().len(), 2);
    drop(archive);
    let (store, answers) = open(&home.place);
    let session = |wish| StoredSession {
        business: "abc".parse().unwrap(),
        representative: "anna".parse().unwrap(),
        wish,
        until: Wall(i64::MAX),
    };
    for wish in [Wish::Available, Wish::Break] {
        done(&store, &answers, StoreOp::Session(Box::new(session(wish)))).unwrap();
    }
    drop(store);
    let (store, answers) = open(&home.place);
    assert_eq!(store.sessions(Wall(5)).unwrap(), [session(Wish::Break)]);
    done(&store, &answers, StoreOp::Session(Box::new(session(Wish::LoggedOff)))).unwrap();
    assert_eq!(store.sessions(Wall(5)).unwrap(), []);
}

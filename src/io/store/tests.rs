//! The store as the engine, the API and an operator meet it.

mod away;
mod billed;
pub(super) mod home;
mod limits;
mod outbox;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::config::StorePlace;
use crate::model::business::PasswordHash;
use crate::model::{
    Actor, AuditAction, Cause, Currency, Endpoint, Idempotency, InitiationMessage, Money, Outcome, Progress, Role, Who,
};

use home::{Home, on_both};

type Answers = Receiver<(StoreToken, Result<(), StoreFailure>)>;

const PATIENCE: Duration = Duration::from_secs(30);

on_both! {
    an_accepted_call_is_there_after_a_restart_with_its_progress,
    a_record_closes_its_call_and_is_written_once,
    an_idempotency_key_belongs_to_one_message_of_one_business,
    one_refused_operation_does_not_fail_its_group,
    a_full_queue_refuses_at_once,
    a_listing_goes_on_where_it_stopped_newest_first,
    another_business_does_not_find_the_call,
    records_are_read_oldest_first_until_the_reader_has_enough,
    a_running_daemon_sees_what_another_process_changes,
    a_second_daemon_on_one_store_is_refused,
    the_businesses_of_the_file_seed_an_empty_place_only,
    a_ladder_is_kept_once_and_shown_to_its_business_only,
    old_ladders_are_forgotten_and_records_are_not,
    what_a_direct_request_counts_by_outlives_its_call_and_goes_when_it_counts_no_more,
}

fn open(place: impl Into<StorePlace>) -> (SqliteStore, Answers) {
    let (tell, answers) = channel();
    let stored = Box::new(move |token, result| tell.send((token, result)).unwrap_or_default());
    (SqliteStore::open(place, WriterBounds::default(), stored).unwrap(), answers)
}

/// One operation, answered.
fn done(store: &SqliteStore, answers: &Answers, op: StoreOp) -> Result<(), StoreFailure> {
    store.submit(StoreToken(7), op)?;
    let (token, result) = answers.recv_timeout(PATIENCE).unwrap();
    assert_eq!(token, StoreToken(7));
    result
}

fn call(number: i64) -> StoredCall {
    let created_at = Wall(1_700_000_000_000 + number * 1000);
    StoredCall {
        id: CallId::new(created_at, [3; 10]),
        created_at,
        message: InitiationMessage {
            reference: Some(format!("order {number}")),
            withhold_caller_id: true,
            headers: vec![("User-to-User".into(), "56a3;encoding=hex".into())],
            ..InitiationMessage::new(
                "abc".parse().unwrap(),
                Endpoint::parse("+12125550100").unwrap(),
                vec![Endpoint::parse("+12125550101").unwrap()],
            )
        },
        progress: Progress::default(),
    }
}

fn keyed(number: i64, key: &str, body_hash: &str) -> StoredCall {
    let mut call = call(number);
    call.message.idempotency = Some(Idempotency { key: key.to_owned(), body_hash: body_hash.to_owned() });
    call
}

fn accept(call: &StoredCall) -> StoreOp {
    StoreOp::Accept(Box::new(call.clone()))
}

fn finish(call: &StoredCall) -> StoreOp {
    let record = CallRecord {
        call_id: call.id,
        business_id: call.message.business_id.clone(),
        reference: call.message.reference.clone(),
        customer: call.message.customer.clone(),
        representative: None,
        outcome: Outcome::CustomerBusy,
        created_at: call.created_at,
        desired_contact_time: None,
        customer_ringing_at: None,
        customer_answered_at: None,
        representative_ringing_at: None,
        representative_answered_at: None,
        bridged_at: None,
        ended_at: call.created_at + Duration::from_secs(3),
        customer_billable_seconds: 0,
        representative_billable_seconds: 0,
        talk_seconds: 0,
        price_micros: Money(0),
        currency: Currency::USD,
        customer_sip_status: Some(486),
        representative_sip_status: None,
        customer_q850: Some(17),
        representative_q850: None,
        customer_switch: Some("ssp-62".to_owned()),
        representative_switch: None,
        codec_customer: None,
        codec_representative: None,
        quality_customer: None,
        quality_representative: None,
        one_way_audio: false,
        detail: "busy".to_owned(),
        transferred_to: None,
        transfers: 0,
        recording: None,
        supervisor_billable_seconds: 0,
        customer_answered_by: None,
        audio_alarms: 0,
        quality_alarms: 0,
        source: Default::default(),
        web_page: None,
        note: None,
        record: false,
        contact_window: None,
        expires_at: None,
        tries: 0,
        rerated_price_micros: None,
    };
    let attempt = AttemptRecord {
        call_id: call.id,
        attempt: 0,
        role: Role::Customer,
        address: call.message.customer.clone(),
        switch: Some("ssp-62".to_owned()),
        dialled_at: call.created_at,
        ringing_at: None,
        answered_at: None,
        ended_at: call.created_at + Duration::from_secs(3),
        cause: Cause { sip_status: Some(486), q850: Some(17), text: "busy".to_owned() },
        codec: None,
        billable_seconds: 0,
        quality: None,
        mode: None,
        price_micros: None,
        rated: None,
    };
    StoreOp::Finish { record: Box::new(record), attempts: vec![attempt] }
}

fn who() -> Who {
    Who { actor: Actor::CommandLine { user: "root".to_owned() }, source: None, at: Wall(7) }
}

fn business(id: &str) -> Business {
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA";
    Business::new(id.parse().unwrap(), id.to_uppercase(), PasswordHash(hash.to_owned()))
}

fn an_accepted_call_is_there_after_a_restart_with_its_progress(home: &Home) {
    let (first, second) = (call(1), call(2));
    let progress = Progress { customer_answered_at: Some(Wall(5)), ..Progress::default() };
    {
        let (store, answers) = open(&home.place);
        done(&store, &answers, accept(&second)).unwrap();
        done(&store, &answers, accept(&first)).unwrap();
        let op = StoreOp::Progress { call: first.id, progress: Box::new(progress.clone()) };
        done(&store, &answers, op).unwrap();
        done(&store, &answers, StoreOp::Alive { at: Wall(77) }).unwrap();
    }
    let (store, _answers) = open(&home.place);
    assert_eq!(store.open_calls(None, 1_000).unwrap(), vec![StoredCall { progress, ..first }, second], "oldest first");
    assert_eq!(store.last_alive().unwrap(), Some(Wall(77)));
}

fn a_record_closes_its_call_and_is_written_once(home: &Home) {
    let (store, answers) = open(&home.place);
    let call = call(1);
    done(&store, &answers, accept(&call)).unwrap();
    done(&store, &answers, finish(&call)).unwrap();
    assert!(store.open_calls(None, 1_000).unwrap().is_empty());
    let StoreOp::Finish { record, mut attempts } = finish(&call) else { panic!() };
    let other = CallRecord { outcome: Outcome::Completed, ..*record.clone() };
    attempts.push(AttemptRecord { attempt: 1, ..attempts[0].clone() });
    done(&store, &answers, StoreOp::Finish { record: Box::new(other), attempts }).unwrap();
    assert_eq!(store.record(call.id).unwrap().as_ref(), Some(&*record), "the first record stands");
    let Some(FoundCall::Closed(found, attempts)) = store.find_call(&record.business_id, call.id).unwrap() else {
        panic!("not closed")
    };
    assert_eq!((found, attempts.len()), (record, 1));
    // An acceptance whose answer was lost is asked for again, late: the closed call stays closed.
    done(&store, &answers, accept(&call)).unwrap();
    assert!(store.open_calls(None, 1_000).unwrap().is_empty());
}

fn an_idempotency_key_belongs_to_one_message_of_one_business(home: &Home) {
    let (store, answers) = open(&home.place);
    let first = keyed(1, "k", "hash");
    done(&store, &answers, accept(&first)).unwrap();
    done(&store, &answers, accept(&first)).expect("asking again for the same call is no conflict");
    let again = done(&store, &answers, accept(&keyed(2, "k", "hash")));
    assert_eq!(again, Err(StoreFailure::KeyReplayed(first.id)));
    assert_eq!(done(&store, &answers, accept(&keyed(3, "k", "other"))), Err(StoreFailure::KeyReused));
    let mut another = keyed(4, "k", "other");
    another.message.business_id = "xyz".parse().unwrap();
    done(&store, &answers, accept(&another)).expect("another business's key is its own");
    assert_eq!(store.open_calls(None, 1_000).unwrap().len(), 2);
}

fn one_refused_operation_does_not_fail_its_group(home: &Home) {
    let (store, answers) = open(&home.place);
    for number in 0..200 {
        let call = if number % 10 == 0 { keyed(number, "k", "hash") } else { call(number) };
        store.submit(StoreToken(u64::try_from(number).unwrap()), accept(&call)).unwrap();
    }
    for number in 0..200 {
        let (token, result) = answers.recv_timeout(PATIENCE).unwrap();
        assert_eq!(token, StoreToken(number), "answers come in order");
        assert_eq!(result.is_err(), number % 10 == 0 && number > 0, "{number}");
    }
    assert_eq!(store.open_calls(None, 1_000).unwrap().len(), 181);
}

fn a_full_queue_refuses_at_once(home: &Home) {
    let gate = Arc::new(Mutex::new(()));
    let (closed, waits) = (gate.lock().unwrap(), Arc::clone(&gate));
    let stored = Box::new(move |_, _| drop(waits.lock()));
    let bounds = WriterBounds { queue: 4, group: 1, ..WriterBounds::default() };
    let store = SqliteStore::open(&home.place, bounds, stored).unwrap();
    let refused = (0..100).find_map(|number| store.submit(StoreToken(0), accept(&call(number))).err());
    assert_eq!(refused, Some(StoreFailure::Unavailable("too many operations wait".to_owned())));
    drop(closed);
}

fn a_listing_goes_on_where_it_stopped_newest_first(home: &Home) {
    let (store, answers) = open(&home.place);
    let calls: Vec<StoredCall> = (0..10).map(call).collect();
    for call in &calls {
        done(&store, &answers, accept(call)).unwrap();
    }
    for call in &calls[..5] {
        done(&store, &answers, finish(call)).unwrap();
    }
    let abc = "abc".parse().unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.list_calls(&abc, &CallFilter::default(), cursor, 3).unwrap();
        assert!(page.calls.len() <= 3);
        seen.extend(page.calls.iter().map(FoundCall::id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let newest_first: Vec<CallId> = calls.iter().rev().map(|call| call.id).collect();
    assert_eq!(seen, newest_first);
    let count = |filter: CallFilter| store.list_calls(&abc, &filter, None, 100).unwrap().calls.len();
    assert_eq!(count(CallFilter { state: Some(CallState::Ended), ..CallFilter::default() }), 5);
    assert_eq!(count(CallFilter { state: Some(CallState::Bridged), ..CallFilter::default() }), 5);
    assert_eq!(count(CallFilter { reference: Some("order 7".to_owned()), ..CallFilter::default() }), 1);
    let (from, to) = (Some(calls[2].created_at), Some(calls[8].created_at));
    assert_eq!(count(CallFilter { from, to, ..CallFilter::default() }), 6);
}

fn another_business_does_not_find_the_call(home: &Home) {
    let (store, answers) = open(&home.place);
    done(&store, &answers, accept(&call(1))).unwrap();
    let xyz = "xyz".parse().unwrap();
    assert_eq!(store.find_call(&xyz, call(1).id).unwrap(), None);
    assert!(store.list_calls(&xyz, &CallFilter::default(), None, 10).unwrap().calls.is_empty());
}

fn records_are_read_oldest_first_until_the_reader_has_enough(home: &Home) {
    let (store, answers) = open(&home.place);
    for number in [2, 0, 1] {
        done(&store, &answers, finish(&call(number))).unwrap();
    }
    let mut seen = Vec::new();
    store
        .records(&RecordFilter::default(), &mut |record| {
            seen.push(record.call_id);
            if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, vec![call(0).id, call(1).id]);
    let mut attempts = 0;
    let filter = RecordFilter { from: Some(call(1).created_at), ..RecordFilter::default() };
    store
        .attempts(&filter, &mut |_| {
            attempts += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(attempts, 2);
}

fn a_running_daemon_sees_what_another_process_changes(home: &Home) {
    let (store, _answers) = open(&home.place);
    let (tell, told) = channel();
    let changed = move |directory| tell.send(directory).unwrap_or_default();
    let _watch = watch_directory(Arc::new(store), Duration::from_millis(50), changed).unwrap();
    assert!(told.recv_timeout(PATIENCE).unwrap().businesses.is_empty());
    let tool = SqliteArchive::open(&home.place).unwrap();
    tool.add_account(&who(), business("abc")).unwrap();
    let again = tool.add_account(&who(), business("abc"));
    assert!(matches!(again, Err(AccountError::Exists(_))), "there is one already");
    let id: BusinessId = "abc".parse().unwrap();
    assert!(told.recv_timeout(PATIENCE).unwrap().get(&id).unwrap().enabled);
    let disable = |old: Business| Ok::<_, AccountError>(Business { enabled: false, ..old });
    tool.change_account(&who(), AuditAction::Disabled, &id, None, disable).unwrap();
    assert!(!told.recv_timeout(PATIENCE).unwrap().get(&id).unwrap().enabled);
    let password = |mut old: Business| {
        old.set_password(PasswordHash("$argon2id$new".to_owned()));
        Ok::<_, AccountError>(old)
    };
    tool.change_account(&who(), AuditAction::PasswordSet, &id, None, password).unwrap();
    let directory = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(directory.get(&id).unwrap().password_hash.0, "$argon2id$new");
    let nobody = tool.change_account(&who(), AuditAction::Disabled, &"nobody".parse().unwrap(), None, disable);
    assert!(matches!(nobody, Err(AccountError::Unknown(_))));
}

#[test]
fn what_is_wrong_with_the_file_is_said_with_its_mend() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let said = |path: &Path| SqliteArchive::open(path).map(|_| ()).unwrap_err();
    std::fs::write(
        &path,
        "this is a letter to my aunt, and long enough to be mistaken for a database header".repeat(20),
    )
    .unwrap();
    assert!(matches!(said(&path), StoreError::Corrupt { .. }), "{}", said(&path));
    std::fs::remove_file(&path).unwrap();
    drop(SqliteArchive::open(&path).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(said(&path), StoreError::FutureVersion { found: 99, .. }), "{}", said(&path));
    let nowhere = folder.path().join("no/such/folder/store.db");
    assert!(matches!(said(&nowhere), StoreError::CannotOpen { .. }), "{}", said(&nowhere));
    assert!(said(&nowhere).to_string().contains("mend:"));
}

#[test]
fn events_of_a_store_from_before_the_sinks_are_still_on_their_way_to_the_webhook() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    schema::MIGRATIONS.iter().take(4).for_each(|step| old.execute_batch(step).unwrap());
    old.pragma_update(None, "user_version", 4).unwrap();
    let row =
        "INSERT INTO outbox (business_id, subject, sequence, kind, created_at, since, due_at, state, attempts, body)
               VALUES ('abc', ?1, ?2, 'call.ended', 5, 5, 5, ?3, 2, '{}')";
    for (sequence, state) in [(2, 0), (6, 1)] {
        old.execute(row, rusqlite::params![[7u8; 16], sequence, state]).unwrap();
    }
    drop(old);
    let (store, _answers) = open(&path);
    let abc: BusinessId = "abc".parse().unwrap();
    assert_eq!(store.archive().awaited().unwrap(), [(abc.clone(), Way::Webhook)]);
    let (due, _) = store.archive().due(&(abc.clone(), Way::Webhook), Wall(10), 10).unwrap();
    assert_eq!(due.iter().map(|due| (due.id.sequence, due.attempts)).collect::<Vec<_>>(), [(2, 2)]);
    assert_eq!(store.archive().outbox_depth().unwrap(), 2);
    assert!(store.archive().due(&(abc, Way::Sink), Wall(10), 10).unwrap().0.is_empty());
}

fn a_second_daemon_on_one_store_is_refused(home: &Home) {
    let (first, _answers) = open(&home.place);
    let second = SqliteStore::open(&home.place, WriterBounds::default(), Box::new(|_, _| {}));
    assert!(matches!(second.map(|_| ()), Err(StoreError::InUse { .. })));
    drop(first);
    let _third = open(&home.place);
}

fn the_businesses_of_the_file_seed_an_empty_place_only(home: &Home) {
    let archive = SqliteArchive::open(&home.place).unwrap();
    let text = "[[switch]]\nname = \"a\"\naddress = \"sip:127.0.0.1:5070\"\n[[business]]\nid = \"abc\"\nname = \"ABC\"\n\
                password_hash = \"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA\"\n";
    let seeds = crate::config::parse(text, "c").unwrap().businesses;
    assert_eq!(seed_businesses(&archive, &seeds, Wall(7)).unwrap(), 1);
    let id = "abc".parse().unwrap();
    let rename = |old: Business| Ok::<_, AccountError>(Business { name: "Renamed".to_owned(), ..old });
    archive.change_account(&who(), AuditAction::Changed, &id, None, rename).unwrap();
    assert_eq!(seed_businesses(&archive, &seeds, Wall(8)).unwrap(), 0);
    assert_eq!(archive.business(&id).unwrap().unwrap().name, "Renamed");
    let trail = archive.audit(&AuditFilter { limit: 10, ..AuditFilter::default() }).unwrap();
    let told: Vec<_> = trail.iter().map(|one| (one.entry.actor.clone(), one.entry.action)).collect();
    assert_eq!(told, [(who().actor, AuditAction::Changed), (Actor::Configuration, AuditAction::Added)]);
}

fn ladder(number: i64) -> Ladder {
    let call = call(number);
    let now = crate::clock::Now { wall: call.created_at, ..Default::default() };
    let mut ladder = Ladder::new(call.id, call.message.business_id, now);
    ladder.moment(now, crate::ladder::Moment::Asked);
    ladder
}

fn a_ladder_is_kept_once_and_shown_to_its_business_only(home: &Home) {
    let (store, answers) = open(&home.place);
    let first = ladder(1);
    let mut other = first.clone();
    other.moment(Default::default(), crate::ladder::Moment::Deleted);
    for each in [&first, &other] {
        done(&store, &answers, StoreOp::Ladder(Arc::new(each.clone()))).unwrap();
    }
    let (abc, xyz) = ("abc".parse().unwrap(), "xyz".parse().unwrap());
    assert_eq!(store.ladder(&abc, first.call()).unwrap().unwrap().to_text(), first.to_text());
    assert_eq!(store.ladder(&xyz, first.call()).unwrap(), None);
    drop(store);
    let (store, _) = open(&home.place);
    assert_eq!(store.ladder(&abc, first.call()).unwrap().unwrap().to_json(), first.to_json());
}

#[test]
fn a_file_of_the_first_version_gets_a_place_for_ladders_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(schema::MIGRATIONS[0]).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute("INSERT INTO meta (key, value) VALUES ('alive', 77)", []).unwrap();
    drop(old);
    let (store, answers) = open(&path);
    assert_eq!(store.last_alive().unwrap(), Some(Wall(77)));
    let ladder = ladder(1);
    done(&store, &answers, StoreOp::Ladder(Arc::new(ladder.clone()))).unwrap();
    assert!(store.ladder(ladder.business(), ladder.call()).unwrap().is_some());
}

fn old_ladders_are_forgotten_and_records_are_not(home: &Home) {
    let (store, answers) = open(&home.place);
    for number in 1..=3 {
        done(&store, &answers, accept(&call(number))).unwrap();
        done(&store, &answers, finish(&call(number))).unwrap();
        done(&store, &answers, StoreOp::Ladder(Arc::new(ladder(number)))).unwrap();
    }
    drop(store);
    home.sql("UPDATE ladders SET stored_at = stored_at - 31 * 86400 WHERE NUMBER < 3").unwrap();
    let (store, answers) = open(&home.place);
    // The writer forgets before it takes its first operation.
    done(&store, &answers, StoreOp::Alive { at: Wall(1) }).unwrap();
    let kept = |number| store.ladder(ladder(number).business(), call(number).id).unwrap().is_some();
    assert_eq!([kept(1), kept(2), kept(3)], [false, false, true]);
    assert!(store.record(call(1).id).unwrap().is_some());
}

fn what_a_direct_request_counts_by_outlives_its_call_and_goes_when_it_counts_no_more(home: &Home) {
    use crate::model::DirectRequest;
    use crate::model::direct::{Mark, RequestMarks, Ticket};
    let (store, answers) = open(&home.place);
    // In a time to come: what does not count any more is forgotten at the start.
    let mut asked = StoredCall { created_at: Wall(4_000_000_000_000), ..call(0) };
    let day = Duration::from_secs(86_400);
    let token = Ticket { mark: Mark(u128::MAX - 1), until: asked.created_at + day };
    let marks =
        RequestMarks { number: Mark(1), source: Mark(2), business: Mark(3), page_token: Some(token), work: None };
    asked.message.direct = Some(Box::new(DirectRequest { representative_information: None, marks }));
    let secret = store.secret().unwrap();
    for _ in 0..2 {
        assert_eq!(done(&store, &answers, accept(&asked)), Ok(()));
    }
    assert_eq!(done(&store, &answers, accept(&call(1))), Ok(()), "that of a business leaves none");
    assert_eq!(done(&store, &answers, finish(&asked)), Ok(()));
    drop(store);
    let (store, _answers) = open(&home.place);
    assert_eq!(store.direct_requests(asked.created_at + day / 2).unwrap(), [(asked.created_at, marks)]);
    assert_eq!(store.direct_requests(asked.created_at + day).unwrap(), []);
    assert_eq!(store.secret().unwrap(), secret, "drawn once");
    assert_ne!(secret, [0; 32]);
}

//! The sender over a real store, and its verdicts: whatever the webhook answers, each call's events come in order and each is settled.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::engine::api::{CallEvent, Hearers, StoreOp, StoreToken, Watched};
use crate::io::store::{Archive, DeliveryFilter, DeliveryId, DeliveryState, Store, WriterBounds};
use crate::model::business::PasswordHash;
use crate::model::{
    Business, CallId, CallState, CallView, Endpoint, InitiationMessage, LegView, Progress, StoredCall, WebhookSecret,
};

fn due(attempts: u32) -> Due {
    let id = DeliveryId { subject: CallId::new(Wall(1), [1; 10]), sequence: 1 };
    Due { number: 7, id, attempts, since: Wall(0), body: String::new(), sink: None }
}

#[test]
fn each_answer_has_its_verdict() {
    let judged = |attempts, outcome: Outcome| verdict(&due(attempts), &outcome, Wall(1_000), 0.0);
    assert_eq!(judged(0, Outcome::Taken(204)).verdict, Verdict::Delivered);
    assert_eq!(judged(0, Outcome::Answered(500, None)).verdict, Verdict::Later(Wall(6_000)));
    assert_eq!(judged(1, Outcome::Answered(302, None)).verdict, Verdict::Later(Wall(31_000)));
    assert_eq!(judged(0, Outcome::Answered(429, Some(Duration::from_secs(60)))).verdict, Verdict::Later(Wall(61_000)));
    assert_eq!(judged(3, Outcome::Gone).verdict, Verdict::Dead);
    let last = judged(10, Outcome::Failed(send::Fault::Late));
    assert_eq!((last.verdict, last.attempts, last.status), (Verdict::Dead, 11, None));
}

fn wall() -> Wall {
    crate::io::clock::SystemClock::start().now().wall
}

fn view(id: CallId, state: CallState) -> CallView {
    let stored = stored(id);
    CallView {
        id,
        business_id: stored.message.business_id,
        state,
        outcome: None,
        customer: LegView::idle(stored.message.customer),
        representative: None,
        attempts: Vec::new(),
        created_at: stored.created_at,
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

fn stored(id: CallId) -> StoredCall {
    let number = |text| Endpoint::parse(text).unwrap();
    let message = InitiationMessage::new("abc".parse().unwrap(), number("+12125550100"), vec![number("+12125550101")]);
    StoredCall { id, created_at: wall(), message, progress: Progress::default() }
}

/// The events of a call, each with an operation.
fn operations(id: CallId, states: &[CallState]) -> Vec<StoreOp> {
    let event = |(sequence, state): (u32, &CallState)| {
        let op = match sequence {
            1 => StoreOp::Accept(Box::new(stored(id))),
            _ => StoreOp::Progress { call: id, progress: Box::default() },
        };
        let sequence = if *state == CallState::Ended { 6 } else { sequence };
        let events = vec![CallEvent { sequence, at: hurried(), state: *state }];
        StoreOp::Telling {
            op: Box::new(op),
            told: Box::new(Watched { events, alarms: Vec::new(), call: view(id, *state) }),
            hearers: Hearers { webhook: true, sink: false },
        }
    };
    (1..).zip(states).map(event).collect()
}

/// Answers in the order of its script, then 200; remembers identifiers and what it said.
async fn scripted(script: Vec<u16>) -> (SocketAddr, Arc<Mutex<Vec<(String, u16)>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, got) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&got);
    let script = Arc::new(Mutex::new(std::collections::VecDeque::from(script)));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (heard, script) = (Arc::clone(&heard), Arc::clone(&script));
            tokio::spawn(async move {
                let mut bytes = vec![0; 16_384];
                let read = stream.read(&mut bytes).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&bytes[..read]).to_string();
                let id = text.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap_or_default().to_owned();
                let status = script.lock().unwrap().pop_front().unwrap_or(200);
                heard.lock().unwrap().push((id, status));
                let answer = format!(
                    "HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nRetry-After: 0\r\nConnection: close\r\n\r\n"
                );
                let _gone = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, got)
}

/// Lets the clock run so fast that the longest pause passes in a moment.
fn hurried() -> Wall {
    static BEGUN: std::sync::OnceLock<(Instant, Wall)> = std::sync::OnceLock::new();
    let (begun, at) = *BEGUN.get_or_init(|| (Instant::now(), wall()));
    at + begun.elapsed() * 1_000
}

/// Sends these calls' events, interleaved, to a webhook that answers like this; gives what it got, and how each was settled.
async fn told(calls: &[usize], script: Vec<u16>) -> (Vec<(String, u16)>, Vec<(DeliveryId, DeliveryState)>) {
    use CallState::{Bridged, CallingCustomer, CallingRepresentative, Ended, Queued};
    let folder = tempfile::tempdir().unwrap();
    let (tell, stored) = channel();
    let stored_by = Box::new(move |_: StoreToken, result: Result<(), _>| tell.send(result).unwrap_or_default());
    let store = SqliteStore::open(&folder.path().join("s.db"), WriterBounds::default(), stored_by).unwrap();
    let store = Arc::new(store);
    let (address, got) = scripted(script).await;
    let webhook = Webhook::new(format!("http://{address}/").parse().unwrap(), WebhookSecret::new([1; 32]));
    let account = Business::new("abc".parse().unwrap(), "ABC", PasswordHash(String::new()));
    let account = Business { webhook: Some(webhook), ..account };
    let who = crate::model::Who { actor: crate::model::Actor::Configuration, source: None, at: wall() };
    store.archive().add_account(&who, account).unwrap();
    let accounts = Arc::new(ArcSwap::from_pointee(store.directory().unwrap()));
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let means = Means { allow, insecure: false, tls: None, dns: None, patience: Duration::from_secs(5) };
    let all = [Queued, CallingCustomer, CallingRepresentative, Bridged];
    let mut lives: Vec<Vec<StoreOp>> = (0u8..)
        .zip(calls)
        .map(|(n, states)| {
            let mut states = all[..*states].to_vec();
            states.push(Ended);
            operations(CallId::new(wall(), [n; 10]), &states)
        })
        .collect();
    let webhooks = Webhooks::start(Arc::clone(&store), accounts, means, hurried);
    // The sender sleeps by the real clock: it is woken as often as the hurried one wants.
    let changed = webhooks.accounts_changed();
    let waker = tokio::spawn(async move {
        loop {
            changed();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut written = 0;
    while lives.iter().any(|life| !life.is_empty()) {
        for life in lives.iter_mut().filter(|life| !life.is_empty()) {
            store.submit(StoreToken(1), life.remove(0)).unwrap();
            written += 1;
        }
        tokio::task::yield_now().await;
    }
    for _ in 0..written {
        stored.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
    }
    let begun = Instant::now();
    while store.archive().outbox_depth().unwrap() > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "not settled: {:?}",
            store.archive().deliveries(&DeliveryFilter { limit: 100, ..DeliveryFilter::default() })
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    waker.abort();
    webhooks.stop().await;
    let filter = DeliveryFilter { limit: 1_000, ..DeliveryFilter::default() };
    let settled = store.archive().deliveries(&filter).unwrap().into_iter().map(|one| (one.id, one.state)).collect();
    let got = got.lock().unwrap().clone();
    (got, settled)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn whatever_it_answers_each_calls_events_come_in_order_and_its_end_is_taken_once(
        calls in prop::collection::vec(0usize..=4, 1..6),
        script in prop::collection::vec(prop::sample::select(vec![200u16, 204, 500, 404, 302, 429]), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (got, settled) = runtime.block_on(told(&calls, script));
        let events: usize = calls.iter().map(|states| states + 1).sum();
        prop_assert_eq!(settled.len(), events);
        prop_assert!(settled.iter().all(|(_, state)| *state == DeliveryState::Delivered), "{:?}", settled);
        let mut last: BTreeMap<CallId, (u32, bool)> = BTreeMap::new();
        let mut ends = 0;
        for (text, status) in &got {
            let id: DeliveryId = text.parse().unwrap();
            let taken = *status < 300;
            let before = last.insert(id.subject, (id.sequence, taken));
            // A new one only after the one before it was taken; the same one only where it was not.
            let in_order = before.is_none_or(|(sequence, done)| if done { id.sequence > sequence } else { id.sequence == sequence });
            prop_assert!(in_order, "{:?}", got);
            ends += usize::from(taken && id.sequence == 6);
        }
        prop_assert_eq!(ends, calls.len());
        let taken = got.iter().filter(|(_, status)| *status < 300).count();
        prop_assert_eq!(taken, events, "each was taken once: {:?}", got);
    }
}

//! What the store is asked to keep for a business's webhook: every event, once known to be durable never again, and none where there
//! is no webhook.

use super::*;
use crate::engine::api::Refusal;
use crate::model::{CallState, InitiationMessage, Progress, StoredCall, Webhook, WebhookSecret};

impl Rig {
    fn business(&mut self, webhook: Option<Webhook>) {
        let account = Business::new("abc".parse().unwrap(), "ABC", PasswordHash(String::new()));
        let account = Business { webhook, ..account };
        let directory = Directory { businesses: [(account.id.clone(), Arc::new(account))].into() };
        self.give(Input::Directory(Arc::new(directory)));
    }

    fn told() -> Rig {
        let mut rig = Rig::new(vec![switch("first", 1)]);
        rig.business(Some(webhook()));
        rig
    }

    /// Numbers and states, as they were written, operation by operation.
    fn written(&self) -> Vec<Vec<(u32, CallState)>> {
        let events = |told: &Watched| told.events.iter().map(|event| (event.sequence, event.state)).collect();
        self.webhook.iter().map(events).collect()
    }
}

fn webhook() -> Webhook {
    Webhook::new("https://example.com/".parse().unwrap(), WebhookSecret::new([1; 32]))
}

#[test]
fn every_state_is_told_with_the_operation_that_makes_it_durable() {
    let mut rig = Rig::told();
    rig.call();
    let (to, invite) = rig.next("INVITE");
    rig.accept(&to, &invite);
    rig.delete();
    let (to, bye) = rig.next("BYE");
    rig.answer(&to, &bye, 200, "");
    rig.pass(40_000);
    let each = [
        vec![(1, CallState::Queued)],
        vec![(2, CallState::CallingCustomer)],
        vec![(3, CallState::CallingRepresentative)],
        vec![(6, CallState::Ended)],
    ];
    assert_eq!(rig.written(), each);
    let states: Vec<CallState> = rig.webhook.iter().map(|told| told.call.state).collect();
    assert_eq!(states, each.map(|events| events[0].1), "the call as it was");
    rig.assert_nothing_left();
}

#[test]
fn a_business_without_a_webhook_costs_nothing() {
    let mut rig = Rig::new(vec![switch("first", 1)]);
    rig.call();
    let (to, invite) = rig.next("INVITE");
    rig.answer(&to, &invite, 486, "");
    rig.pass(40_000);
    assert_eq!((rig.records.len(), rig.webhook.len()), (1, 0));
    // A webhook that was disabled as well.
    let mut gone = webhook();
    gone.state = crate::model::webhook::WebhookState::Gone;
    rig.business(Some(gone));
    rig.call();
    rig.pass(60_000);
    assert_eq!(rig.webhook.len(), 0);
}

#[test]
fn what_is_not_known_to_be_durable_is_told_with_the_next_operation_too() {
    let mut rig = Rig::told();
    rig.call();
    rig.store_fails = true;
    let (to, invite) = rig.next("INVITE");
    rig.accept(&to, &invite);
    rig.delete();
    let (to, bye) = rig.next("BYE");
    rig.answer(&to, &bye, 200, "");
    rig.store_fails = false;
    rig.pass(40_000);
    let written = rig.written();
    let last = written.last().unwrap();
    assert_eq!(*last, [(3, CallState::CallingRepresentative), (6, CallState::Ended)], "{written:?}");
    rig.assert_nothing_left();
}

#[test]
fn a_webhook_that_comes_in_the_middle_of_a_call_is_told_what_comes_after() {
    let mut rig = Rig::new(vec![switch("first", 1)]);
    rig.call();
    rig.business(Some(webhook()));
    let (to, invite) = rig.next("INVITE");
    rig.answer(&to, &invite, 486, "");
    rig.pass(40_000);
    assert_eq!(rig.written(), [vec![(6, CallState::Ended)]]);
}

#[test]
fn a_restart_numbers_a_waiting_call_as_before_and_tells_no_state_twice_under_another_number() {
    let mut rig = Rig::told();
    let now = rig.now;
    let stored = |desired: Option<u64>| {
        let endpoint = |text| crate::model::Endpoint::parse(text).unwrap();
        let business = "abc".parse().unwrap();
        let created_at = Wall(now.wall.0 - 20_000);
        let message = InitiationMessage {
            desired_contact_time: desired.map(|seconds| created_at + Duration::from_secs(seconds)),
            ..InitiationMessage::new(business, endpoint(CUSTOMER), vec![endpoint("+12125550101")])
        };
        StoredCall {
            id: CallId::new(created_at, [desired.map_or(0, |s| s as u8); 10]),
            created_at,
            message,
            progress: Progress::default(),
        }
    };
    let (at_once, meanwhile, later) = (stored(None), stored(Some(10)), stored(Some(50)));
    rig.engine.restore(now, vec![at_once.clone(), meanwhile.clone(), later.clone()], None);
    rig.drain();
    rig.pass(40_000);
    let of = |call: CallId| -> Vec<(u32, CallState)> {
        let own = rig.webhook.iter().filter(|told| told.call.id == call).flat_map(|told| &told.events);
        // What is not known to be durable is told again: the outbox has each number once.
        let told: std::collections::BTreeMap<u32, CallState> = own.map(|event| (event.sequence, event.state)).collect();
        told.into_iter().collect()
    };
    assert_eq!(of(at_once.id)[..1], [(2, CallState::CallingCustomer)]);
    let queued = [(2, CallState::Queued), (3, CallState::CallingCustomer)];
    assert_eq!((&of(meanwhile.id)[..2], &of(later.id)[..2]), (&queued[..], &queued[..]));
}

/// A message of Click to Dial.
fn dialled(callee: &str, sink: bool) -> InitiationMessage {
    let endpoint = |text| crate::model::Endpoint::parse(text).unwrap();
    let sink = sink.then(|| crate::model::Sink { url: "https://example.com/".parse().unwrap(), credential: None });
    InitiationMessage {
        click_to_dial: Some(Box::new(crate::model::ClickToDial { sink })),
        ..InitiationMessage::new("abc".parse().unwrap(), endpoint(CUSTOMER), vec![endpoint(callee)])
    }
}

#[test]
fn a_call_with_a_sink_is_told_though_its_business_has_no_webhook() {
    let mut rig = Rig::new(vec![switch("first", 1)]);
    let give = |rig: &mut Rig, sink| {
        let message = Box::new(dialled("+12125550101", sink));
        rig.give(Input::Initiate { reply: ReplyTo(70), message });
        let (to, invite) = rig.next("INVITE");
        rig.answer(&to, &invite, 486, "");
        rig.pass(40_000);
    };
    give(&mut rig, false);
    assert_eq!(rig.written(), Vec::<Vec<_>>::new());
    give(&mut rig, true);
    let each = [vec![(1, CallState::Queued)], vec![(2, CallState::CallingCustomer)], vec![(6, CallState::Ended)]];
    assert_eq!(rig.written(), each);
    rig.assert_nothing_left();
}

#[test]
fn a_pair_of_click_to_dial_is_joined_by_one_live_call() {
    let mut rig = Rig::new(vec![switch("first", 1)]);
    let ask = |rig: &mut Rig, reply, callee| {
        rig.give(Input::Initiate { reply: ReplyTo(reply), message: Box::new(dialled(callee, false)) });
        let (_, reply) = rig.replied.pop().unwrap();
        !matches!(reply, Reply::Refused(Refusal::Duplicate))
    };
    assert!(ask(&mut rig, 71, "+12125550101"));
    assert!(!ask(&mut rig, 72, "+12125550101"));
    assert!(ask(&mut rig, 73, "+12125550102"), "another pair");
    for _ in 0..2 {
        let (to, invite) = rig.next("INVITE");
        rig.answer(&to, &invite, 486, "");
    }
    rig.pass(40_000);
    assert!(ask(&mut rig, 74, "+12125550101"), "it has ended");
}

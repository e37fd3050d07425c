//! When a call is placed: windows, ends, quiet hours within them, a clock that jumps, a restart that comes too late.

use super::*;
use crate::model::contact::{ContactWish, WindowWish};
use crate::model::{Contact, ContactWindow, Guard, QuietHours, Webhook, WebhookSecret};

/// The rig's moment: 2026-11-24T12:00:00Z, seven in the morning in New York.
const EPOCH: Wall = Wall(1_795_521_600_000);

fn after(seconds: u64) -> Wall {
    EPOCH + Duration::from_secs(seconds)
}

pub fn message(customer: &str) -> InitiationMessage {
    let parse = |text: &str| Endpoint::parse(text).unwrap();
    InitiationMessage::new("abc".parse().unwrap(), parse(customer), vec![parse("+12125550101")])
}

fn within(window: WindowWish) -> InitiationMessage {
    let wish = ContactWish { window: Some(window), retry: None };
    InitiationMessage { asked: Some(Box::new(wish)), ..message(CUSTOMER) }
}

fn between(from: u64, to: u64) -> WindowWish {
    WindowWish::Between(ContactWindow { from: after(from), to: after(to) })
}

fn daily(from: &str, to: &str) -> WindowWish {
    WindowWish::Daily { from: from.parse().unwrap(), to: to.parse().unwrap(), zone: None }
}

impl Rig {
    /// The account has this besides; its webhook is told.
    pub fn set_account(&mut self, limits: Limits, guard: Guard, contact: Contact) {
        let account = Business::new("abc".parse().unwrap(), "ABC", PasswordHash(String::new()));
        let webhook = Webhook::new("https://example.com/".parse().unwrap(), WebhookSecret::new([1; 32]));
        let business = Business { limits, guard, contact, webhook: Some(webhook), ..account };
        let directory = Directory { businesses: [(business.id.clone(), Arc::new(business))].into() };
        self.give(Input::Directory(Arc::new(directory)));
    }

    /// Posts it, and says what is answered.
    pub fn takes_in(&mut self, message: InitiationMessage) -> Result<crate::model::CallView, Refusal> {
        self.replies += 1;
        self.give(Input::Initiate { reply: ReplyTo(self.replies), message: Box::new(message) });
        match self.replied.pop() {
            Some((_, Reply::Accepted(view, _))) => Ok(*view),
            Some((_, Reply::Refused(refusal))) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    pub fn restored(open: Vec<StoredCall>, at: Wall, contact: Contact) -> Rig {
        let mut rig = Rig::new(vec![switch("ssp-62", 1)]);
        rig.set_account(Limits::default(), Guard::default(), contact);
        rig.now.wall = at;
        rig.open = open.iter().map(|call| (call.id, call.clone())).collect();
        rig.last = open.last().map(|call| call.id);
        rig.engine.restore(rig.now, open, None);
        rig.drain();
        rig
    }

    fn clock_jumps(&mut self, seconds: i64) {
        self.now.wall = Wall(self.now.wall.0 + seconds * 1000);
    }
}

fn rig() -> Rig {
    Rig::new(vec![switch("ssp-62", 1)])
}

fn quiet(span: &str) -> Guard {
    let (from, to) = QuietHours::parse_span(span).unwrap();
    Guard {
        quiet: Some(QuietHours { from, to, calls: Default::default(), zone: Default::default() }),
        ..Guard::default()
    }
}

fn pointer(refused: Result<crate::model::CallView, Refusal>) -> Option<&'static str> {
    match refused {
        Err(Refusal::NoMoment { pointer, .. }) => Some(pointer),
        _ => None,
    }
}

#[test]
fn a_call_waits_for_its_window_and_is_placed_at_its_first_moment() {
    let mut rig = rig();
    let view = rig.takes_in(within(between(600, 1200))).unwrap();
    assert_eq!((view.desired_contact_time, view.expires_at), (Some(after(600)), Some(after(1200))));
    assert_eq!(view.contact_window, Some(ContactWindow { from: after(600), to: after(1200) }));
    rig.pass(599_990);
    assert_eq!(rig.count("INVITE"), 0);
    rig.pass(20);
    assert!(rig.count("INVITE") > 0);
}

#[test]
fn a_window_by_the_clock_is_the_customers_next_one() {
    let mut rig = rig();
    // Half past seven to eight in New York begins in half an hour; from six to eight it is open.
    assert_eq!(rig.takes_in(within(daily("07:30", "08:00"))).unwrap().desired_contact_time, Some(after(1800)));
    rig.takes_in(within(daily("06:00", "08:00"))).unwrap();
    assert!(rig.count("INVITE") > 0);
    let nowhere = InitiationMessage {
        customer: Endpoint::parse("sip:customer@pbx.example.com").unwrap(),
        ..within(daily("06:00", "08:00"))
    };
    assert_eq!(pointer(rig.takes_in(nowhere)), Some("/contact_window/zone"));
}

#[test]
fn moments_that_exclude_each_other_are_refused() {
    let mut rig = rig();
    let later = InitiationMessage { desired_contact_time: Some(after(1200)), ..within(between(600, 1200)) };
    assert_eq!(pointer(rig.takes_in(later)), Some("/contact_window/to"));
    let ends = InitiationMessage { expires_at: Some(after(600)), ..within(between(600, 1200)) };
    assert_eq!(pointer(rig.takes_in(ends)), Some("/expires_at"));
    let desired = Some(after(60));
    let early = InitiationMessage { desired_contact_time: desired, expires_at: desired, ..message(CUSTOMER) };
    assert_eq!(pointer(rig.takes_in(early)), Some("/expires_at"));
    let far = InitiationMessage { expires_at: Some(after(3601)), ..message(CUSTOMER) };
    assert_eq!(pointer(rig.takes_in(far)), Some("/expires_at"), "further than the equipment keeps");
    assert_eq!(rig.takes_in(within(between(3601, 3700))), Err(Refusal::TooFar));
}

#[test]
fn quiet_hours_within_a_window_are_waited_for_or_the_call_is_refused() {
    let mut rig = rig();
    // It is quiet until half past seven.
    rig.set_account(Limits::default(), quiet("21:00-07:30"), Contact::default());
    assert_eq!(rig.takes_in(within(between(600, 2400))).unwrap().desired_contact_time, Some(after(1800)));
    assert_eq!(rig.takes_in(within(between(600, 1800))), Err(Refusal::QuietThen));
    rig.pass(1_799_990);
    assert_eq!(rig.count("INVITE"), 0);
    rig.pass(20);
    assert!(rig.count("INVITE") > 0);
}

#[test]
fn a_call_that_waits_for_a_channel_expires_at_its_end_to_the_millisecond() {
    let mut rig = Rig::new(vec![Switch { max_channels: Some(1), ..switch("ssp-62", 1) }]);
    rig.takes_in(message(CUSTOMER)).unwrap();
    let end = Wall(after(10).0 + 250);
    rig.takes_in(InitiationMessage { expires_at: Some(end), ..message("+12125550102") }).unwrap();
    rig.pass(10_249);
    assert!(rig.records.is_empty());
    rig.pass(1);
    assert_eq!((rig.outcomes(), rig.records[0].ended_at), (vec![Outcome::Expired], end));
    assert_eq!(rig.records[0].expires_at, Some(end));
    assert_eq!(rig.count("INVITE sip:+12125550102"), 0);
}

#[test]
fn an_account_says_how_long_its_calls_are_wanted() {
    let mut rig = Rig::new(vec![Switch { max_channels: Some(1), ..switch("ssp-62", 1) }]);
    let contact = Contact { expires_after_seconds: Some(5), ..Contact::default() };
    rig.set_account(Limits::default(), Guard::default(), contact);
    rig.takes_in(message(CUSTOMER)).unwrap();
    rig.takes_in(message("+12125550102")).unwrap();
    rig.pass(5_000);
    assert!(rig.records.is_empty());
    rig.pass(1_500);
    assert_eq!(rig.outcomes(), [Outcome::Expired]);
}

#[test]
fn a_call_that_says_until_when_it_is_wanted_outlasts_quiet_hours_that_came_meanwhile() {
    let mut rig = rig();
    let at = Some(after(600));
    let wanted = |customer, end| InitiationMessage { desired_contact_time: at, expires_at: end, ..message(customer) };
    rig.takes_in(wanted(CUSTOMER, Some(after(1700)))).unwrap();
    rig.takes_in(wanted("+12125550102", Some(after(1900)))).unwrap();
    rig.set_account(Limits::default(), quiet("21:00-07:30"), Contact::default());
    rig.pass(600_100);
    assert_eq!(rig.outcomes(), [Outcome::Expired], "quiet hours end after its own end");
    assert_eq!(rig.count("INVITE"), 0);
    rig.pass(1_201_000);
    assert!(rig.count("INVITE sip:+12125550102") > 0);
}

#[test]
fn a_clock_that_jumps_forward_makes_a_call_due_and_backward_makes_it_wait_again() {
    let mut rig = rig();
    rig.takes_in(within(between(3000, 3600))).unwrap();
    rig.pass(1_000);
    rig.clock_jumps(2_000);
    rig.clock_jumps(-2_000);
    rig.pass(5_000);
    assert_eq!(rig.count("INVITE"), 0);
    rig.clock_jumps(3_000);
    rig.pass(1_000);
    assert!(rig.count("INVITE") > 0, "within a second");
}

#[test]
fn a_clock_that_is_set_back_places_no_queued_call_before_its_window() {
    let mut rig = Rig::new(vec![Switch { max_channels: Some(1), ..switch("ssp-62", 1) }]);
    rig.takes_in(message("+12125550102")).unwrap();
    let (to, invite) = rig.next("INVITE");
    rig.answer(&to, &invite, 100, "");
    rig.takes_in(within(between(10, 600))).unwrap();
    rig.pass(11_000);
    rig.clock_jumps(-8);
    rig.answer(&to, &invite, 486, "");
    rig.pass(6_000);
    assert_eq!(rig.count("INVITE"), 0, "it is nine seconds past");
    rig.pass(2_000);
    assert!(rig.count("INVITE") > 0);
}

#[test]
fn a_jump_beyond_the_end_expires_a_waiting_call() {
    let mut rig = rig();
    rig.takes_in(within(between(1000, 1200))).unwrap();
    rig.clock_jumps(1_200);
    rig.pass(1_000);
    assert_eq!(rig.outcomes(), [Outcome::Expired]);
    assert_eq!(rig.count("INVITE"), 0);
    rig.assert_nothing_left();
}

#[test]
fn a_restart_after_the_end_makes_one_record_and_rings_nobody() {
    let mut rig = rig();
    rig.takes_in(within(between(600, 1200))).unwrap();
    let open: Vec<StoredCall> = rig.open.into_values().collect();
    let mut late = Rig::restored(open.clone(), after(1200), Contact::default());
    late.pass(1_000);
    assert_eq!((late.outcomes(), late.count("INVITE")), (vec![Outcome::Expired], 0));
    late.assert_nothing_left();
    let mut early = Rig::restored(open, after(500), Contact::default());
    early.pass(99_990);
    assert_eq!(early.count("INVITE"), 0);
    early.pass(20);
    assert!(early.count("INVITE") > 0);
}

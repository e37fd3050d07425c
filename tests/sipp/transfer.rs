//! The representative hands the customer on (REFER): to somebody, to somebody in a talk already, in vain, against the rules. The
//! customer's leg sees none of it.

use std::time::Instant;

use serde_json::Value;

use crate::support::daemon::{Setup, Switch};
use crate::support::ports;
use crate::support::sipp::{Phone, PhoneSetup};
use crate::support::story::{Story, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// The one to whom the customer is handed on.
const NEW_PARTY: &str = "+19145550100";

/// A story with a third switch, for +1914…, at this port.
fn begin() -> (Story, u16) {
    begin_with("")
}

/// With more of the business or of the file.
fn begin_with(more: &str) -> (Story, u16) {
    let port = ports::port();
    let switches = vec![Switch::new("ssp-66", port, &["+1914"])];
    (Story::with(Setup { switches, more: more.to_owned(), ..Setup::default() }), port)
}

fn new_party(port: u16, scenario: &'static str) -> Phone {
    Phone::start(&PhoneSetup::new(scenario, port, Tone::NewParty))
}

fn refers(story: &Story, who: Tone, scenario: &'static str, to: &'static str) -> Phone {
    story.phone(who, scenario, |phone| phone.keys = vec![("refer_to", to)])
}

#[track_caller]
fn until_hears(phone: &Phone, voice: Tone) {
    let since = Instant::now();
    eventually(&format!("{voice:?} to be heard"), PATIENCE, || {
        (phone.media.count(|f| f.at > since && f.tone() == Some(voice)) >= 20).then_some(())
    });
}

#[track_caller]
fn assert_transferred(record: &Value) {
    assert_eq!(record["outcome"], "completed");
    assert_eq!((&record["transferred_to"], &record["transfers"]), (&NEW_PARTY.into(), &1.into()));
    assert_eq!(record["representative"], "+16465550101", "who was joined first");
}

/// To the customer nothing happened but music and another voice: no request after the ACK until the BYE.
#[track_caller]
fn assert_untouched(customer: Phone) {
    let finished = customer.finish();
    let requests: Vec<String> = finished
        .messages
        .iter()
        .filter(|m| !m.sent)
        .map(|m| m.first_line().split(' ').next().unwrap_or("").to_owned())
        .collect();
    let strange = |word: &&String| !matches!(word.as_str(), "INVITE" | "ACK" | "BYE" | "SIP/2.0");
    assert_eq!(requests.iter().filter(strange).count(), 0, "{requests:?}");
    assert_eq!(requests.iter().filter(|word| *word == "INVITE").count(), 1);
    crate::support::story::assert_one_stream(&finished.heard);
}

/// The whole way of a transfer that succeeds; the target's INVITE is given to `judge`.
fn transfers(scenario: &'static str, to: &'static str, judge: impl Fn(&crate::support::trace::Message)) {
    let (story, port) = begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let mut representative = refers(&story, Tone::Representative, scenario, to);
    let mut target = new_party(port, "phone-early-media-then-answers");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    representative.act();
    judge(&target.until("the INVITE", |m| m.is_request("INVITE")));
    until_hears(&customer, Tone::HoldMusic);
    assert_eq!(call.now()["state"], "bridged", "a transfer is no hang-up");
    // Of the new party's ringback nothing is heard before it answers.
    assert_eq!(customer.media.count(|f| f.has_some_of(Tone::NewParty)), 0);
    representative.until("the second NOTIFY", |m| m.is_request("NOTIFY") && m.text.contains("SIP/2.0 180"));
    if scenario == "representative-transfers-and-hangs-up" {
        representative.until("its BYE answered", |m| m.is_response(200, "BYE"));
    }
    target.act();
    until_hears(&customer, Tone::NewParty);
    until_hears(&target, Tone::Customer);
    representative.finish();
    customer.act();
    let record = call.record();
    assert_transferred(&record);
    assert_eq!(call.now()["attempts"].as_array().map(Vec::len), Some(3), "each leg is listed");
    assert_untouched(customer);
    target.finish();
    story.end();
}

#[test]
fn a_blind_transfer_joins_the_customer_with_the_new_party() {
    transfers("representative-transfers-blind", "sip:+19145550100@127.0.0.1;user=phone", |invite| {
        assert!(invite.header("Referred-By").is_some_and(|by| by.starts_with("<sip:phone@")), "{}", invite.text);
        assert_eq!(invite.header("Replaces"), None);
    });
}

#[test]
fn an_attended_transfer_replaces_the_call_that_the_new_party_is_in() {
    let to = "sip:+19145550100@127.0.0.1;user=phone?Replaces=talk%40192.0.2.7%3Bto-tag%3D7a%3Bfrom-tag%3D8b";
    transfers("representative-transfers-attended", to, |invite| {
        assert_eq!(invite.header("Replaces"), Some("talk@192.0.2.7;to-tag=7a;from-tag=8b"));
    });
}

#[test]
fn a_representative_who_hangs_up_after_the_refer_is_told_the_rest() {
    transfers("representative-transfers-and-hangs-up", "tel:+19145550100", |_| {});
}

#[test]
fn a_busy_new_party_gives_the_customer_back_to_the_representative() {
    let (story, port) = begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let mut representative =
        refers(&story, Tone::Representative, "representative-transfers-to-a-busy-phone", "tel:+19145550100");
    let target = new_party(port, "customer-busy");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    representative.act();
    representative.until("the last NOTIFY", |m| m.is_request("NOTIFY") && m.text.contains("SIP/2.0 486"));
    until_hears(&customer, Tone::Representative);
    until_hears(&representative, Tone::Customer);
    representative.act();
    let record = call.record();
    assert_eq!(
        (&record["outcome"], &record["transfers"], &record["transferred_to"]),
        (&"completed".into(), &0.into(), &Value::Null)
    );
    target.finish();
    representative.finish();
    assert_untouched(customer);
    story.end();
}

/// A transfer that is declined: both talk on, and nobody's phone rings.
fn declined(who: Tone, to: &'static str, reason: &str, more: &str) {
    let (story, port) = begin_with(more);
    let other = if who == Tone::Customer { Tone::Representative } else { Tone::Customer };
    let mut asker = refers(&story, who, "phone-may-not-transfer", to);
    let listener = story.phone(other, "phone-answers-and-is-hung-up", |_| {});
    let nobody = std::net::UdpSocket::bind(ports::loopback(port)).expect("the new party's port");
    nobody.set_nonblocking(true).expect("a socket that does not wait");
    let call = story.call();
    call.until("bridged");
    let both = if who == Tone::Customer { (&asker, &listener) } else { (&listener, &asker) };
    until_both_hear_each_other(both.0, both.1);
    asker.act();
    asker.until("603", |m| m.is_response(603, "REFER"));
    until_hears(&asker, other);
    until_hears(&listener, who);
    assert_eq!(
        nobody.recv(&mut [0; 64]).map_err(|e| e.kind()),
        Err(std::io::ErrorKind::WouldBlock),
        "nobody is called"
    );
    assert_eq!(story.daemon.metric("callbridge_rejected_total", &format!("reason=\"{reason}\"")), 1.0);
    asker.act();
    assert_eq!(call.record()["transfers"], 0);
    asker.finish();
    listener.finish();
    story.end();
}

#[test]
fn a_transfer_to_a_number_that_no_switch_serves_is_declined() {
    declined(Tone::Representative, "sip:+19005550100@127.0.0.1;user=phone", "transfer_barred", "");
}

#[test]
fn the_customer_may_not_transfer() {
    declined(Tone::Customer, "sip:+19145550100@127.0.0.1;user=phone", "transfer_by_customer", "");
}

#[test]
fn a_transfer_to_where_the_account_does_not_call_is_declined() {
    let denied = "deny_destinations = [\"+1914\"]\n";
    declined(Tone::Representative, "sip:+19145550100@127.0.0.1;user=phone", "transfer_barred", denied);
}

#[test]
fn a_transfer_to_where_there_is_no_price_is_declined() {
    let narrow = "tariff_name = \"retail\"\n[[tariff]]\nname = \"retail\"\n\
        [[tariff.rate]]\nprefix = \"+1212\"\nper_minute_micros = 60000\n\
        [[tariff.rate]]\nprefix = \"+1646\"\nper_minute_micros = 60000\n";
    declined(Tone::Representative, "tel:+19145550100", "transfer_barred", narrow);
}

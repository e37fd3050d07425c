//! baresip as the customer and as the representative: real audio both ways, judged by tone.

use crate::baresip::{Baresip, Handset, Heard};
use crate::kamailio::{Kamailio, Office};
use crate::support::daemon::{Setup, Switch};
use crate::support::ports;
use crate::support::sipp::{Phone, PhoneSetup};
use crate::support::story::{CUSTOMER, REPRESENTATIVES, Story};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// A customer's phone that answers by itself, a representative's that rings until it is taken up.
fn handsets() -> [Handset; 2] {
    let representative = Handset::new(REPRESENTATIVES[0], Tone::Representative);
    [Handset::new(CUSTOMER, Tone::Customer), representative.answered_by_hand()]
}

/// A story whose two phones are baresips, each its own switch.
fn face_to_face(setup: Setup) -> (Story, [Baresip; 2]) {
    face_to_face_with(setup, handsets())
}

fn face_to_face_with(mut setup: Setup, handsets: [Handset; 2]) -> (Story, [Baresip; 2]) {
    for (name, handset, prefix) in [("ssp-62", &handsets[0], "+1212"), ("ssp-64", &handsets[1], "+1646")] {
        setup.switches.push(Switch::new(name, handset.port, &[prefix]));
    }
    let phones = [&handsets[0], &handsets[1]].map(Baresip::start);
    (Story::behind(setup, [handsets[0].port, handsets[1].port]), phones)
}

/// Both hear each other, for half a second at least.
#[track_caller]
fn until_they_talk([customer, representative]: &[Baresip; 2]) {
    customer.until_hears(Tone::Representative);
    representative.until_hears(Tone::Customer);
}

/// The customer heard first the message, then the representative and never the message again; the representative heard
/// the customer and nothing else.
#[track_caller]
fn assert_they_talked([customer, representative]: &[Baresip; 2]) {
    let (customer, representative) = (customer.heard(), representative.heard());
    let voice = Heard::Tone(Tone::Representative);
    let bridged = customer.iter().position(|heard| *heard == voice).expect("the customer hears the representative");
    let (before, after) = customer.split_at(bridged);
    assert!(before.contains(&Heard::Tone(Tone::Prompt)), "the message comes first");
    assert!(!before.contains(&Heard::Tone(Tone::HoldMusic)), "the message was not over yet");
    let strange = |heard: &&Heard, voice: Tone| !matches!(heard, Heard::Silence) && **heard != Heard::Tone(voice);
    assert_eq!(after.iter().filter(|heard| strange(heard, Tone::Representative)).count(), 0, "only the other's voice");
    // The first frame may be a seam: whatever baresip's echo-free world adds, it is at most one.
    assert!(representative.iter().filter(|heard| strange(heard, Tone::Customer)).count() <= 1, "{representative:?}");
}

#[test]
fn two_baresips_talk_and_the_customer_hangs_up() {
    let (story, mut phones) = face_to_face(Setup::default());
    let call = story.call();
    phones[0].until_hears(Tone::Prompt);
    phones[1].act("accept", "");
    call.until("bridged");
    until_they_talk(&phones);
    phones[0].act("hangup", "");
    let record = call.record();
    assert_eq!((&record["outcome"], &record["codec_customer"]), (&"completed".into(), &"PCMU".into()));
    phones[1].until("BYE sip:");
    assert_they_talked(&phones);
    story.end();
}

#[test]
fn a_baresip_representative_hangs_up() {
    let (story, mut phones) = face_to_face(Setup::default());
    let call = story.call();
    phones[0].until_hears(Tone::Prompt);
    phones[1].act("accept", "");
    call.until("bridged");
    until_they_talk(&phones);
    phones[1].act("hangup", "");
    let record = call.record();
    assert_eq!((&record["outcome"], &record["representative_q850"]), (&"completed".into(), &16.into()));
    phones[0].until("BYE sip:");
    assert_they_talked(&phones);
    story.end();
}

#[test]
fn a_baresip_that_rings_is_cancelled() {
    let (story, phones) = face_to_face(Setup { call: vec![("representative_ring_seconds", 1)], ..Setup::default() });
    let record = story.call().record();
    assert_eq!(record["outcome"], "representative_unavailable");
    phones[1].until("CANCEL sip:");
    phones[1].until("SIP/2.0 487 ");
    assert!(phones[0].heard().contains(&Heard::Tone(Tone::Unavailable)), "the customer is told");
    assert!(phones[1].heard().is_empty(), "nothing for a phone that was not taken up");
    story.end();
}

#[test]
fn an_a_law_baresip_talks_with_a_mu_law_one() {
    let [customer, representative] = handsets();
    let (story, mut phones) = face_to_face_with(Setup::default(), [customer.speaking("pcma"), representative]);
    let call = story.call();
    phones[0].until_hears(Tone::Prompt);
    phones[1].act("accept", "");
    call.until("bridged");
    until_they_talk(&phones);
    phones[0].act("hangup", "");
    let record = call.record();
    assert_eq!((&record["codec_customer"], &record["codec_representative"]), (&"PCMA".into(), &"PCMU".into()));
    assert_they_talked(&phones);
    story.end();
}

/// Two baresips that know one codec each talk, and the record says which.
fn they_talk_in(codecs: [&str; 2], names: [&str; 2]) {
    let [customer, representative] = handsets();
    let phones = [customer.speaking(codecs[0]), representative.speaking(codecs[1])];
    let (story, mut phones) = face_to_face_with(Setup::default(), phones);
    let call = story.call();
    phones[0].until_hears(Tone::Prompt);
    phones[1].act("accept", "");
    call.until("bridged");
    until_they_talk(&phones);
    phones[0].act("hangup", "");
    let record = call.record();
    assert_eq!((&record["codec_customer"], &record["codec_representative"]), (&names[0].into(), &names[1].into()));
    story.end();
}

#[test]
fn two_wide_band_baresips_are_relayed_in_g722() {
    they_talk_in(["g722", "g722"], ["G722", "G722"]);
}

#[test]
fn a_g722_baresip_talks_with_a_g711_one() {
    they_talk_in(["g722", "pcma"], ["G722", "PCMA"]);
}

#[test]
fn two_opus_baresips_are_relayed_in_opus() {
    they_talk_in(["opus", "opus"], ["opus", "opus"]);
}

#[test]
fn an_opus_baresip_talks_with_a_g711_one() {
    they_talk_in(["pcmu", "opus"], ["PCMU", "opus"]);
}

#[test]
fn an_opus_baresip_talks_with_a_g722_one() {
    they_talk_in(["opus", "g722"], ["opus", "G722"]);
}

#[test]
fn baresips_registered_with_kamailio_are_found_and_talk() {
    let office = Office::before([ports::port(), ports::port()]);
    let kamailio = Kamailio::start(&office);
    let mut phones = handsets().map(|handset| Baresip::start(&handset.registered(office.port, "udp")));
    for number in [CUSTOMER, REPRESENTATIVES[0]] {
        kamailio.until(&format!("registered sip:{number}@"));
    }
    let switch = Switch::new("kamailio", office.port, &["+1"]);
    let story = Story::behind(Setup { switches: vec![switch], ..Setup::default() }, office.phones);
    let call = story.call();
    phones[0].until_hears(Tone::Prompt);
    phones[1].act("accept", "");
    call.until("bridged");
    until_they_talk(&phones);
    phones[1].act("hangup", "");
    assert_eq!(call.record()["outcome"], "completed");
    phones[0].until("BYE sip:");
    assert_they_talked(&phones);
    for request in ["got INVITE", "got ACK", "got BYE"] {
        assert_eq!(kamailio.logged(request), 2, "{request} of both dialogs by way of Kamailio");
    }
    story.end();
}

#[test]
fn a_baresip_representative_holds_and_resumes() {
    let (story, mut phones) = face_to_face(Setup::default());
    let call = story.call();
    phones[0].until_hears(Tone::Prompt);
    phones[1].act("accept", "");
    call.until("bridged");
    until_they_talk(&phones);
    phones[1].act("hold", "");
    phones[1].until("a=recvonly");
    let answered = phones[1].lines("INVITE sip:");
    phones[1].act("resume", "");
    eventually("the second re-INVITE", PATIENCE, || (phones[1].lines("INVITE sip:") > answered).then_some(()));
    // What the one who held hears is judged by SIPp's stories: baresip stops writing it down when it holds.
    phones[0].until_hears(Tone::Representative);
    phones[0].act("hangup", "");
    assert_eq!(call.record()["outcome"], "completed");
    story.end();
}

#[test]
fn a_baresip_representative_hands_the_customer_on() {
    let port = ports::port();
    let third = Switch::new("ssp-66", port, &["+1914"]);
    let (story, mut phones) = face_to_face(Setup { switches: vec![third], ..Setup::default() });
    let new_party = Phone::start(&PhoneSetup::new("phone-answers-and-is-hung-up", port, Tone::NewParty));
    let call = story.call();
    phones[0].until_hears(Tone::Prompt);
    phones[1].act("accept", "");
    call.until("bridged");
    until_they_talk(&phones);
    phones[1].act("transfer", "sip:+19145550100@127.0.0.1");
    phones[1].until("REFER sip:");
    phones[1].until("SIP/2.0 202 ");
    phones[0].until_hears(Tone::NewParty);
    call.delete();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["transfers"]), (&"completed".into(), &1.into()));
    new_party.finish();
    story.end();
}

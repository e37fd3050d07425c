//! SRTP with an implementation that is not ours: baresip's (libre), in every suite, over the real sockets. Judged by tone.

use serde_json::Value;

use crate::baresip::{Baresip, Handset};
use crate::support::daemon::{Setup, Switch};
use crate::support::story::{CUSTOMER, REPRESENTATIVES, Story};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// How one switch is spoken to: `srtp`, and the one suite that it is offered.
type Wish = (&'static str, Option<&'static str>);

fn switch(name: &'static str, port: u16, prefix: &'static [&'static str], (srtp, suite): Wish) -> Switch {
    let mut keys = vec![("srtp", format!("{srtp:?}"))];
    if let Some(suite) = suite {
        keys.push(("srtp_suites", format!("[{suite:?}]")));
    }
    Switch { keys, ..Switch::new(name, port, prefix) }
}

/// Two baresips that encrypt so (`None`: not at all), each behind a switch that is spoken to so.
fn between(encrypted: [Option<&str>; 2], wishes: [Wish; 2]) -> (Story, [Baresip; 2]) {
    let mut handsets = [Handset::new(CUSTOMER, Tone::Customer), Handset::new(REPRESENTATIVES[0], Tone::Representative)];
    for (handset, how) in handsets.iter_mut().zip(encrypted) {
        if let Some(how) = how {
            *handset = handset.clone().encrypted(how);
        }
    }
    let switches = vec![
        switch("ssp-62", handsets[0].port, &["+1212"], wishes[0]),
        switch("ssp-64", handsets[1].port, &["+1646"], wishes[1]),
    ];
    let phones = [&handsets[0], &handsets[1]].map(Baresip::start);
    (Story::behind(Setup { switches, ..Setup::default() }, [handsets[0].port, handsets[1].port]), phones)
}

/// They hear each other, and the customer ends it.
fn they_talk(story: Story, mut phones: [Baresip; 2]) {
    let call = story.call();
    call.until("bridged");
    phones[0].until_hears(Tone::Representative);
    phones[1].until_hears(Tone::Customer);
    phones[0].act("hangup", "");
    assert_eq!(call.record()["outcome"], Value::from("completed"));
    story.end();
}

/// Both legs in this suite, and both phones say so.
fn they_talk_in(suite: &'static str) {
    let (story, phones) = between([Some("srtp-mand"); 2], [("required", Some(suite)); 2]);
    let call = story.call();
    call.until("bridged");
    for phone in &phones {
        phone.until(&format!("SRTP is Enabled (cryptosuite={suite})"));
    }
    phones[0].until_hears(Tone::Representative);
    phones[1].until_hears(Tone::Customer);
    call.delete();
    assert_eq!(call.record()["outcome"], Value::from("completed"));
    story.end();
}

#[test]
fn two_baresips_talk_in_aes_cm_128_hmac_sha1_80() {
    they_talk_in("AES_CM_128_HMAC_SHA1_80");
}

#[test]
fn two_baresips_talk_in_aead_aes_128_gcm() {
    they_talk_in("AEAD_AES_128_GCM");
}

#[test]
fn two_baresips_talk_in_aead_aes_256_gcm() {
    they_talk_in("AEAD_AES_256_GCM");
}

#[test]
fn a_baresip_that_encrypts_talks_with_one_that_does_not() {
    let (story, phones) = between([Some("srtp-mand"), None], [("required", None), ("off", None)]);
    they_talk(story, phones);
}

#[test]
fn an_offer_of_optional_keys_is_taken_by_one_and_passed_over_by_the_other() {
    let (story, phones) = between([Some("srtp"), None], [("optional", None); 2]);
    phones[1].until("baresip is ready");
    they_talk(story, phones);
}

#[test]
fn a_baresip_without_keys_is_refused_where_they_are_required() {
    let (story, phones) = between([None, None], [("required", None), ("off", None)]);
    let record = story.call().record();
    assert_ne!(record["outcome"], Value::from("completed"));
    assert_eq!(record["customer_answered_at"], Value::Null, "{record}");
    assert!(phones[1].heard().is_empty(), "the representative was never rung");
    story.end();
}

#[test]
fn keys_change_when_a_baresip_holds_and_resumes_and_both_are_heard_again() {
    let (story, mut phones) = between([Some("srtp-mand"); 2], [("required", None); 2]);
    let call = story.call();
    call.until("bridged");
    phones[0].until_hears(Tone::Representative);
    phones[1].act("hold", "");
    phones[1].until("a=recvonly");
    let answered = phones[1].lines("INVITE sip:");
    phones[1].act("resume", "");
    eventually("the second re-INVITE", PATIENCE, || (phones[1].lines("INVITE sip:") > answered).then_some(()));
    phones[0].until_hears(Tone::Representative);
    phones[1].act("hangup", "");
    assert_eq!(call.record()["outcome"], Value::from("completed"));
    story.end();
}

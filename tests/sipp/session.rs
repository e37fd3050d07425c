//! Session timers (RFC 4028) with short intervals, our own re-INVITE, glare, and requests that a call has no use for.

use std::time::Duration;

use crate::dialog::until_heard_anew;
use crate::support::sipp::Phone;
use crate::support::story::{Story, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// Longer than the phone's session of ten seconds.
const SESSION: Duration = Duration::from_secs(25);

fn until_within(what: &str, bound: Duration, is: impl Fn() -> bool) {
    eventually(what, bound, || is().then_some(()));
}

/// A talk with such a representative, who hangs up when `during` has seen enough; it goes on until then.
fn talk_with(scenario: &'static str, during: impl Fn(&mut Phone)) {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let mut representative = story.representative(scenario);
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    during(&mut representative);
    until_heard_anew(&customer, Tone::Representative);
    until_heard_anew(&representative, Tone::Customer);
    assert_eq!(call.now()["state"], "bridged", "the talk goes on");
    representative.act();
    assert_eq!(call.record()["outcome"], "completed");
    representative.finish();
    customer.finish();
    story.end();
}

#[test]
fn a_422_is_followed_by_the_longer_interval() {
    talk_with("phone-demands-a-longer-session", |phone| {
        assert_eq!(phone.count(|m| !m.sent && m.is_request("INVITE")), 2);
    });
}

#[test]
fn we_refresh_by_update_where_the_phone_takes_it() {
    talk_with("phone-is-refreshed-by-update", |phone| {
        until_within("two refreshes", SESSION, || phone.count(|m| m.sent && m.is_response(200, "UPDATE")) == 2);
    });
}

#[test]
fn we_refresh_by_reinvite_where_it_does_not() {
    talk_with("phone-is-refreshed-by-reinvite", |phone| {
        until_within("the ACK of the refresh", SESSION, || phone.count(|m| !m.sent && m.is_request("ACK")) == 2);
        let described = phone.messages().into_iter().filter(|m| !m.sent && m.is_request("INVITE"));
        let versions: Vec<String> = described.filter(|m| m.media().is_some()).map(|m| origin(&m.text)).collect();
        assert_eq!(versions.len(), 2);
        assert_eq!(versions[0], versions[1], "an unchanged description keeps its version");
    });
}

fn origin(text: &str) -> String {
    text.lines().find(|line| line.starts_with("o=")).unwrap_or_default().to_owned()
}

#[test]
fn the_phones_refresh_keeps_the_session() {
    talk_with("phone-refreshes-the-session", |phone| {
        phone.act();
        phone.until("the answer to its UPDATE", |m| m.is_response(200, "UPDATE"));
        let since = std::time::Instant::now();
        until_within("its first session to have passed", SESSION, || since.elapsed() > Duration::from_secs(11));
    });
}

#[test]
fn a_phone_that_forgets_to_refresh_is_hung_up() {
    ends_by_itself("phone-forgets-to-refresh");
}

#[test]
fn a_refresh_that_meets_481_ends_the_talk() {
    ends_by_itself("phone-lost-the-dialog");
}

fn ends_by_itself(scenario: &'static str) {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative(scenario);
    let call = story.call();
    call.until("bridged");
    assert_eq!(call.record_within(SESSION)["outcome"], "completed");
    representative.finish();
    customer.finish();
    story.end();
}

#[test]
fn too_short_a_session_is_refused_with_min_se() {
    talk_with("phone-asks-for-too-short-a-session", |phone| {
        phone.act();
        phone.until("the 422 to its re-INVITE", |m| m.is_response(422, "INVITE"));
    });
}

#[test]
fn a_refused_refresh_does_not_end_the_talk() {
    talk_with("phone-refuses-a-refresh", |phone| {
        until_within("the refusal", SESSION, || phone.count(|m| m.sent && m.is_response(488, "UPDATE")) == 1);
    });
}

#[test]
fn our_reinvite_that_meets_491_comes_again_in_time() {
    talk_with("phone-meets-our-reinvite-with-491", |phone| {
        until_within("the ACK of the second", SESSION, || phone.count(|m| !m.sent && m.is_request("ACK")) == 3);
    });
}

#[test]
fn the_phones_reinvite_into_ours_meets_491() {
    talk_with("phone-reinvites-into-our-reinvite", |phone| {
        until_within("the ACK of ours", SESSION, || phone.count(|m| !m.sent && m.is_request("ACK")) == 2);
        assert_eq!(phone.count(|m| !m.sent && m.is_response(491, "INVITE")), 1);
    });
}

#[test]
fn a_bye_into_our_reinvite_ends_both() {
    ends_by_itself("phone-hangs-up-into-our-reinvite");
}

#[test]
fn what_a_call_has_no_use_for_is_refused_by_its_rule() {
    talk_with("phone-asks-what-we-do-not-do", |phone| {
        phone.act();
        eventually("the last refusal", PATIENCE, || (phone.count(|m| m.is_response(501, "DANCE")) == 1).then_some(()));
    });
}

#[test]
fn the_reason_of_a_bye_reaches_the_record() {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let mut representative = story.representative("phone-gives-its-reason");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    representative.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["representative_q850"]), (&"completed".into(), &27.into()));
    representative.finish();
    customer.finish();
    story.end();
}

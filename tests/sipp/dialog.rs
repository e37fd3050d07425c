//! What phones do inside a dialog: hold and resume, refresh, ask, and hang up at awkward moments.

use std::time::Instant;

use crate::support::rtp::Frame;
use crate::support::sipp::Phone;
use crate::support::story::{Story, assert_clean_bridge, assert_one_stream, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

/// Waits for so many more frames of a tone from now on.
pub fn until_heard_anew(phone: &Phone, voice: Tone) {
    let since = Instant::now();
    eventually(&format!("{voice:?} to be heard anew"), PATIENCE, || {
        let frames = phone.media.count(|f| f.at > since && f.tone() == Some(voice));
        (frames >= 15).then_some(())
    });
}

/// Holds with `direction` and resumes; the other side answers plainly, and hears the holder while that one sends, else music.
fn hold_and_resume(who: Tone, direction: &'static str) {
    let story = Story::begin();
    let other = if who == Tone::Customer { Tone::Representative } else { Tone::Customer };
    let mut holder = story.phone(who, "phone-holds-and-resumes", |phone| phone.keys = vec![("hold", direction)]);
    let held = story.phone(other, "phone-answers-and-is-hung-up", |_| {});
    let call = story.call();
    call.until("bridged");
    let both = if who == Tone::Customer { (&holder, &held) } else { (&held, &holder) };
    until_both_hear_each_other(both.0, both.1);

    holder.act();
    holder.until("the ACK of the hold", |m| m.sent && m.is_request("ACK"));
    if direction == "sendonly" {
        until_heard_anew(&held, who);
        holder.media.fall_silent();
    }
    until_heard_anew(&held, Tone::HoldMusic);
    // The equipment had 200 ms to obey: in the half second after that nothing comes to the holder.
    let quiet_from = Instant::now() + std::time::Duration::from_millis(200);
    eventually("half a second of hold", PATIENCE, || (quiet_from.elapsed().as_millis() >= 500).then_some(()));
    let during = holder.media.count(|f| f.at > quiet_from);
    assert_eq!(during, 0, "a phone that holds with {direction} is sent nothing");
    assert_eq!(call.now()["state"], "bridged", "hold is no hang-up");

    holder.media.speak_again();
    holder.act();
    until_heard_anew(&holder, other);
    until_heard_anew(&held, who);
    holder.act();
    assert_eq!(call.record()["outcome"], "completed");
    assert_one_stream(&holder.finish().heard);
    let heard = held.finish().heard;
    assert_one_stream(&heard);
    let music = |frame: &Frame| frame.tone() == Some(Tone::HoldMusic);
    let last = heard.iter().rposition(music).expect("hold music");
    let first_after = heard.get(last + 1..).unwrap_or_default().iter().position(|f| f.tone() == Some(who));
    assert!(first_after.is_some_and(|at| at <= 1), "the music is cut, and the holder heard, at once: {first_after:?}");
    story.end();
}

#[test]
fn the_customer_holds_and_resumes() {
    hold_and_resume(Tone::Customer, "sendonly");
}

#[test]
fn the_representative_holds_and_resumes() {
    hold_and_resume(Tone::Representative, "sendonly");
}

#[test]
fn the_representative_holds_both_ways_and_resumes() {
    hold_and_resume(Tone::Representative, "inactive");
}

/// A phone that asks something in the middle of the talk, which goes on, and hangs up.
pub(super) fn asks_and_talks_on(who: Tone, scenario: &'static str, answered: impl Fn(&Phone)) {
    asks_whom(who, scenario, "phone-answers-and-is-hung-up", answered);
}

/// The same with another listener.
fn asks_whom(who: Tone, scenario: &'static str, listener: &'static str, answered: impl Fn(&Phone)) {
    let story = Story::begin();
    let other = if who == Tone::Customer { Tone::Representative } else { Tone::Customer };
    let mut asker = story.phone(who, scenario, |_| {});
    let listener = story.phone(other, listener, |_| {});
    let call = story.call();
    call.until("bridged");
    let both = if who == Tone::Customer { (&asker, &listener) } else { (&listener, &asker) };
    until_both_hear_each_other(both.0, both.1);
    asker.act();
    answered(&asker);
    until_heard_anew(&asker, other);
    until_heard_anew(&listener, who);
    asker.act();
    assert_eq!(call.record()["outcome"], "completed");
    let (asker, listener) = (asker.finish().heard, listener.finish().heard);
    let (customer, representative) = if who == Tone::Customer { (asker, listener) } else { (listener, asker) };
    assert_clean_bridge(&customer, &representative);
    story.end();
}

#[test]
fn a_reinvite_without_an_offer_gets_ours() {
    asks_and_talks_on(Tone::Customer, "phone-reinvites-without-offer", |phone| {
        phone.until("the ACK with the answer", |m| m.sent && m.is_request("ACK") && m.media().is_some());
    });
}

#[test]
fn an_update_with_and_without_an_offer_is_answered() {
    asks_and_talks_on(Tone::Representative, "phone-updates", |phone| {
        eventually("both UPDATEs to be answered", PATIENCE, || {
            (phone.count(|m| m.is_response(200, "UPDATE")) == 2).then_some(())
        });
    });
}

#[test]
fn options_and_info_in_the_dialog_are_answered() {
    // The INFO is a key, which the other side hears.
    asks_whom(Tone::Customer, "phone-asks-options-and-info", "phone-hears-digits", |phone| {
        phone.until("the answer to INFO", |m| m.is_response(200, "INFO"));
    });
}

#[test]
fn a_bye_after_ours_is_answered() {
    let story = Story::begin();
    let customer = story.customer("phone-sends-a-late-bye");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn byes_that_cross_are_both_answered() {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative("phone-hangs-up-as-the-bye-arrives");
    let call = story.call();
    call.until("bridged");
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn a_record_routed_dialog_follows_its_route_set() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-behind-proxies");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
}

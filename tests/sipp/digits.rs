//! Keys: an extension that is dialled after the answer, by RTP and by INFO, and keys that a customer presses.

use serde_json::json;

use crate::support::daemon::Setup;
use crate::support::rtp::{Frame, keys};
use crate::support::story::{Story, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

const EXTENSION: &str = "tel:+16465550101;ext=42";

/// The key's packets are one event as RFC 4733 has it: a marker, one moment, growing reports, three ends.
fn assert_well_formed(key: char, frames: &[&Frame]) {
    let events: Vec<_> = frames.iter().filter_map(|frame| frame.event).collect();
    assert_eq!(
        events.iter().map(|event| event.duration).collect::<Vec<_>>(),
        [160, 320, 480, 640, 800, 800, 800],
        "{key}"
    );
    assert_eq!(events.iter().filter(|event| event.end).count(), 3, "{key}");
    let markers: Vec<bool> = frames.iter().map(|frame| frame.marker).collect();
    assert_eq!(markers, [true, false, false, false, false, false, false], "{key}");
    for pair in frames.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "{key}");
    }
}

#[test]
fn the_extension_behind_a_pbx_is_dialled_as_rtp_events_before_the_bridge() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let pbx = story.representative("phone-hears-digits");
    let call = story.call_with(json!({ "representative": EXTENSION }));
    call.until("bridged");
    until_both_hear_each_other(&customer, &pbx);
    customer.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["representative"]), (&"completed".into(), &EXTENSION.into()));
    assert_ne!(
        record["representative_answered_at"], record["bridged_at"],
        "billed from the answer, bridged after the digits"
    );
    let heard = pbx.finish().heard;
    let dialled = keys(&heard);
    assert_eq!(dialled.iter().map(|(key, _)| *key).collect::<String>(), "42");
    for (key, frames) in &dialled {
        assert_well_formed(*key, frames);
    }
    let first_voice = heard.iter().position(|f| f.tone() == Some(Tone::Customer)).expect("the customer is heard");
    assert!(heard[first_voice..].iter().all(|frame| frame.event.is_none()), "no digit over the talk");
    let waited = customer.finish().heard;
    let bridged =
        waited.iter().position(|f| f.tone() == Some(Tone::Representative)).expect("the representative is heard");
    assert!(
        waited[..bridged].iter().all(|f| f.tone() == Some(Tone::Prompt)),
        "the message goes on while digits are dialled"
    );
    story.end();
}

/// The extension comes as INFO, key by key.
fn dialled_by_info(story: Story) {
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let pbx = story.representative("representative-behind-a-pbx-by-info");
    let call = story.call_with(json!({ "representative": EXTENSION }));
    call.until("bridged");
    until_both_hear_each_other(&customer, &pbx);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    assert!(keys(&pbx.finish().heard).is_empty());
    customer.finish();
    story.end();
}

#[test]
fn the_extension_is_dialled_by_info_where_the_pbx_knows_no_events() {
    dialled_by_info(Story::begin());
}

#[test]
fn a_switch_that_wants_info_is_offered_no_events() {
    let setup = Setup { trunk: vec![("dtmf", "\"info\"".to_owned())], ..Setup::default() };
    dialled_by_info(Story::with(setup));
}

#[test]
fn keys_that_the_customer_sends_by_info_are_heard_by_the_representative() {
    let story = Story::begin();
    let mut customer = story.customer("customer-sends-info-digits");
    let representative = story.representative("phone-hears-digits");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    eventually("both keys at the representative", PATIENCE, || {
        let ends = representative.media.judge(|heard| {
            keys(heard).iter().filter(|(_, frames)| frames.len() == 7).map(|(key, _)| *key).collect::<String>()
        });
        (ends == "5#").then_some(())
    });
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    for (key, frames) in keys(&representative.finish().heard) {
        assert_well_formed(key, &frames);
    }
    customer.finish();
    story.end();
}

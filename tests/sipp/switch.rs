//! What a configured switch may ask of us outside any call: it is answered, and nothing comes of it.

use crate::support::story::Story;
use crate::support::tone::Tone;

/// The customers' switch plays the scenario against the daemon.
fn is_answered(scenario: &'static str) {
    let story = Story::begin();
    let equipment = story.daemon.sip;
    let switch = story.phone(Tone::Customer, scenario, |phone| phone.calls_at = Some(equipment));
    switch.finish();
    assert_eq!(story.daemon.metric("callbridge_calls_active", ""), 0.0, "nothing came of it");
    story.end();
}

#[test]
fn a_switch_that_asks_whether_we_live_is_answered() {
    is_answered("switch-asks-whether-we-live");
}

#[test]
fn a_switch_that_calls_us_is_refused() {
    is_answered("switch-calls-us");
}

#[test]
fn a_switch_that_registers_with_us_is_refused() {
    is_answered("switch-registers-with-us");
}

#[test]
fn a_switch_that_sends_us_a_message_is_refused() {
    is_answered("switch-sends-us-a-message");
}

#[test]
fn a_switch_that_subscribes_to_us_is_refused() {
    is_answered("switch-subscribes-to-us");
}

#[test]
fn a_switch_that_transfers_nobody_is_refused() {
    is_answered("switch-transfers-nobody");
}

#[test]
fn a_switch_that_hangs_up_nobody_is_told_so() {
    is_answered("switch-hangs-up-nobody");
}

#[test]
fn a_switch_that_requires_the_unknown_is_told_what_we_do_not_know() {
    is_answered("switch-requires-the-unknown");
}

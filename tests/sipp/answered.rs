//! Both answer: the talk itself, its content, and every way in which it ends.

use crate::support::daemon::{Messages, Setup};
use crate::support::g711::Law;
use crate::support::story::{Story, assert_bridged_by_content, assert_one_stream, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

#[test]
fn both_answer_and_the_customer_hangs_up() {
    let story = Story::begin();
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!(record["outcome"], "completed");
    assert_eq!((&record["customer_sip_status"], &record["representative_sip_status"]), (&200.into(), &200.into()));
    assert_eq!((&record["customer_q850"], &record["representative_q850"]), (&16.into(), &16.into()));
    assert_eq!((&record["customer_switch"], &record["representative_switch"]), (&"ssp-62".into(), &"ssp-64".into()));
    assert_eq!((&record["codec_customer"], &record["codec_representative"]), (&"PCMU".into(), &"PCMU".into()));
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn both_answer_and_the_representative_hangs_up() {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let mut representative = story.representative("phone-answers-and-hangs-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    representative.act();
    let record = call.record();
    assert_eq!(record["outcome"], "completed");
    assert_eq!((&record["customer_q850"], &record["representative_q850"]), (&16.into(), &16.into()));
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn the_business_hangs_up_for_both_while_they_talk() {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    call.delete();
    assert_eq!(call.record()["outcome"], "completed", "both have talked: that is no cancellation");
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

#[test]
fn the_company_is_spoken_to_the_customer_before_the_bridge_and_never_after() {
    let story = Story::with(Setup { messages: Messages::Spoken, ..Setup::default() });
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let mut representative = story.representative("phone-early-media-then-answers");
    let call = story.call();
    eventually("half a second of speech at the customer", PATIENCE, || {
        let speech = customer.media.count(|f| f.is_other_sound());
        (speech >= 25).then_some(())
    });
    representative.act();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    let heard = customer.finish().heard;
    let bridged = heard.iter().position(|f| f.tone() == Some(Tone::Representative)).expect("the bridge");
    let after = heard.iter().skip(bridged + 1).filter(|f| f.is_other_sound()).count();
    assert_eq!(after, 0, "speech over the bridge");
    assert!(representative.finish().heard.iter().all(|f| !f.is_other_sound()), "the message is for the customer only");
    story.end();
}

#[test]
fn an_a_law_customer_talks_with_a_mu_law_representative() {
    let story = Story::begin();
    let mut customer = story.phone(Tone::Customer, "phone-answers-and-hangs-up", |phone| phone.law = Law::A);
    let representative = story.phone(Tone::Representative, "phone-answers-and-is-hung-up", |phone| phone.law = Law::Mu);
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!(record["outcome"], "completed");
    assert_eq!((&record["codec_customer"], &record["codec_representative"]), (&"PCMA".into(), &"PCMU".into()));
    let (customer, representative) = (customer.finish().heard, representative.finish().heard);
    assert!(customer.iter().all(|f| f.payload_type == 8), "only A-law for the customer");
    assert!(representative.iter().all(|f| f.payload_type == 0), "only µ-law for the representative");
    assert_bridged_by_content(&customer, &representative);
    story.end();
}

#[test]
fn the_message_gives_way_to_hold_music_until_the_representative_answers() {
    let story = Story::with(Setup { prompt_seconds: 0.6, ..Setup::default() });
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let mut representative = story.representative("phone-early-media-then-answers");
    let call = story.call();
    eventually("hold music after the message", PATIENCE, || {
        customer.media.judge(|all| all.iter().any(|f| f.tone() == Some(Tone::HoldMusic))).then_some(())
    });
    representative.act();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    let heard = customer.finish().heard;
    let prompt = heard.iter().filter(|f| f.tone() == Some(Tone::Prompt)).count();
    assert!((28..=31).contains(&prompt), "the whole message of 30 frames, once: {prompt}");
    assert_bridged_by_content(&heard, &representative.finish().heard);
    story.end();
}

#[test]
fn a_call_ends_when_its_longest_time_is_reached() {
    let story = Story::with_limits(&[("max_call_seconds", 1)]);
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["talk_seconds"]), (&"completed".into(), &1.into()));
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn a_line_that_went_dead_ends_the_call() {
    let story = Story::with_limits(&[("silence_seconds", 5)]);
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.media.fall_silent();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
}

#[test]
fn the_representatives_phone_hears_one_stream_without_a_gap_from_its_first_packet() {
    let story = Story::begin();
    let customer = story.customer("phone-answers-and-is-hung-up");
    let mut representative = story.representative("phone-answers-and-hangs-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    representative.act();
    call.record();
    let heard = representative.finish().heard;
    assert_one_stream(&heard);
    assert!(heard.first().is_some_and(|f| f.has_some_of(Tone::Customer)), "the first thing heard is the customer");
    customer.finish();
    story.end();
}

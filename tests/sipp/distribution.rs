//! The equipment distributes the calls (Fig. 9, 910 absent): nobody is named, real phones ring. Owns this story; who gets whom in every case
//! is src/acd's and src/engine/tests/distribution.rs's.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::daemon::{Setup, Switch};
use crate::support::http::request;
use crate::support::ports;
use crate::support::sipp::{Phone, PhoneSetup};
use crate::support::story::{Call, Story, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

const BERT: &str = "+19145550101";
const ANNA: &str = "+16465550101";
const OVERFLOW: &str = "+17185550109";

/// Bert is called first where both are free; the second and the third customer have numbers of their own.
const ACCOUNT: &str = "[[business.representative]]\nid = \"bert\"\naddress = \"+19145550101\"\n\
    [[business.representative]]\nid = \"anna\"\naddress = \"+16465550101\"\ntier = 1\n\
    [business.staffing]\nstrategy = \"priority\"\nwrap_up_seconds = 2\nlate_per_mille = 0\noverflow = \"+17185550109\"\n";

fn phone(port: u16, tone: Tone, scenario: &'static str) -> Phone {
    Phone::start(&PhoneSetup::new(scenario, port, tone))
}

fn says(story: &Story, who: &str, state: &str) -> Value {
    let path = format!("/v1/representatives/{who}/session");
    let answer = story.daemon.api("PUT", &path, Some(&json!({ "state": state, "lease_seconds": 600 })));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn states(story: &Story) -> Vec<String> {
    let all = story.daemon.api("GET", "/v1/representatives", None).json();
    let state = |one: &Value| one["state"].as_str().unwrap_or_default().to_owned();
    all["representatives"].as_array().into_iter().flatten().map(state).collect()
}

/// A message that names nobody.
fn asks<'s>(story: &'s Story, customer: &str) -> Call<'s> {
    let answer = story.daemon.api("POST", "/v1/calls", Some(&json!({ "customer": customer })));
    assert_eq!(answer.status, 202, "{}", answer.body);
    story.known(answer.json()["id"].as_str().expect("the call's id"))
}

#[track_caller]
fn until_place(call: &Call<'_>, place: u64) {
    eventually(&format!("place {place} in line"), PATIENCE, || {
        let now = call.now();
        assert_eq!(now["state"], "queued", "{now:#}");
        (now["wait"]["position"] == place).then_some(())
    });
}

#[test]
fn one_representative_answers_one_is_set_aside_the_line_moves_up_and_the_last_goes_to_the_overflow_number() {
    let [bert_port, second_port, third_port, overflow_port] = [(); 4].map(|()| ports::port());
    let switches = vec![
        Switch::new("ssp-66", bert_port, &["+1914"]),
        Switch::new("ssp-68", second_port, &["+1315"]),
        Switch::new("ssp-70", third_port, &["+1585"]),
        Switch::new("osn-74", overflow_port, &["+1718"]),
    ];
    let call = vec![("representative_ring_seconds", 1)];
    let story = Story::with(Setup { switches, call, more: ACCOUNT.to_owned(), ..Setup::default() });
    let bert = phone(bert_port, Tone::NewParty, "phone-rings-until-cancelled");
    let anna = story.representative("phone-answers-and-is-hung-up");
    let overflow = phone(overflow_port, Tone::Representative, "phone-answers-and-is-hung-up");
    let mut first = story.customer("phone-answers-and-hangs-up");
    let mut second = phone(second_port, Tone::Customer, "phone-answers-and-hangs-up");
    let mut third = phone(third_port, Tone::Customer, "phone-answers-and-hangs-up");
    for who in ["bert", "anna"] {
        assert_eq!(says(&story, who, "available")["state"], "available");
    }

    // Bert does not come to the phone: he is set aside, and the customer, who has answered, gets Anna.
    let one = asks(&story, "+12125550100");
    let bridged = one.until("bridged");
    assert_eq!(
        (&bridged["attempts"][1]["address"], &bridged["representative"]["address"]),
        (&json!(BERT), &json!(ANNA))
    );
    bert.finish();
    assert_eq!(states(&story), ["set_aside", "busy"]);
    until_both_hear_each_other(&first, &anna);

    // Two more: nobody is free, nobody's phone rings, and both know their place. Whoever follows the call is told when it changes.
    let two = asks(&story, "+13155550100");
    until_place(&two, 1);
    let three = asks(&story, "+15855550100");
    until_place(&three, 2);
    let (http, business) = (story.daemon.http, story.daemon.business.clone());
    let path = format!("/v1/calls/{}/events", three.id);
    let following = std::thread::spawn(move || request(http, "GET", &path, Some(&business), None));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(second.count(|m| m.is_request("INVITE")) + third.count(|m| m.is_request("INVITE")), 0);

    // The first talk is over and written up: Anna gets the next in line, whose phone rings now.
    first.act();
    assert_eq!(one.record()["outcome"], "completed");
    anna.finish();
    let anna = story.representative("phone-answers-and-is-hung-up");
    let bridged = two.until("bridged");
    assert_eq!(bridged["representative"]["address"], ANNA);
    until_place(&three, 1);
    until_both_hear_each_other(&second, &anna);
    // The place is told, too, and not only asked for: at most two seconds later.
    std::thread::sleep(Duration::from_millis(2_500));

    // Anna goes home after this one. Nobody is there for the third: the overflow number, and only then the customer's phone.
    assert_eq!(third.count(|m| m.is_request("INVITE")), 0);
    assert_eq!(says(&story, "anna", "logged_off")["state"], "busy", "a talk is never touched");
    let bridged = three.until("bridged");
    assert_eq!(bridged["representative"]["address"], OVERFLOW);
    until_both_hear_each_other(&third, &overflow);
    assert_eq!(two.now()["state"], "bridged");
    second.act();
    third.act();
    for (call, whom) in [(&two, ANNA), (&three, OVERFLOW)] {
        let record = call.record();
        assert_eq!((&record["outcome"], &record["representative"]), (&json!("completed"), &json!(whom)));
    }
    let told = following.join().expect("the follower").expect("the stream").body;
    let moved = told.split("\n\n").find(|event| event.starts_with("event: call.wait")).expect("a place told");
    assert!(moved.contains("\"position\":1"), "{moved}");
    assert!(told.contains("\"position\":2") && told.contains("\"outcome\":\"completed\""), "{told}");
    assert_eq!(states(&story), ["set_aside", "logged_off"]);
    for phone in [first, second, third, anna, overflow] {
        phone.finish();
    }
    story.end();
}

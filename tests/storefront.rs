//! The business's Web server (Figs. 3, 4, 6, 7) as a real process before a real daemon and real SIP phones: from the page to the call, the
//! desk, and the order that comes back. Owns these stories.

#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;

#[path = "storefront/button.rs"]
mod button;
#[path = "storefront/look.rs"]
mod look;
#[path = "storefront/lossy.rs"]
mod lossy;
#[path = "storefront/pages.rs"]
mod pages;
#[path = "storefront/shop.rs"]
mod shop;
#[path = "storefront/voip.rs"]
mod voip;
#[path = "storefront/wallboard.rs"]
mod wallboard;

use std::process::{Command, Stdio};
use std::time::Duration;

use lossy::Lossy;
use serde_json::{Value, json};
use shop::{Equipment, Shop, Visitor};
use support::daemon::Setup;
use support::http::Credentials;
use support::ports::{self, loopback};
use support::story::{CUSTOMER, Story, until_both_hear_each_other, until_both_hear_more};
use support::tone::Tone;
use support::wait::{PATIENCE, eventually};

/// Plenty for one representative's story.
const LEASE: &str = "[desk]\nlease_seconds = 600\n";

fn shop_before(story: &Story, more: &str) -> Shop {
    let daemon = &story.daemon;
    Shop::start("ABC", &[Equipment { at: daemon.http, who: &daemon.business, cost: 1 }], more)
}

/// The calls that the equipment has or had, of the business of every test.
#[track_caller]
fn calls(story: &Story) -> Vec<Value> {
    let answer = story.daemon.api("GET", "/v1/calls?limit=200", None);
    answer.json()["calls"].as_array().expect("calls").clone()
}

/// The page of a call that was asked for by the form.
#[track_caller]
fn asks_by_form(customer: &mut Visitor, fields: &[(&str, &str)]) -> String {
    let answer = customer.submit("/talk", fields);
    assert_eq!(answer.status, 303, "{}", answer.body);
    answer.location()
}

#[test]
fn from_the_page_to_the_call_to_the_order_that_comes_back() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let mut desk = shop.desk("rita");
    let mut phone = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let mut customer = shop.visitor();
    assert!(customer.get("/products/fjords").body.contains("Geirangerfjord"));
    assert!(customer.get("/products/caribbean").body.contains("data-callbridge"));
    let form = [("number", CUSTOMER), ("product", "caribbean"), ("note", "Is the <b>balcony</b> free?")];
    let page = asks_by_form(&mut customer, &form);
    customer.until(&page, "You are connected.");
    until_both_hear_each_other(&phone, &representative);

    let seen = desk.get("/desk").body;
    for part in ["is on the line", CUSTOMER, "Caribbean, ten nights", "Norwegian fjords", "/products/fjords", "Hang up"]
    {
        assert!(seen.contains(part), "{part} in\n{seen}");
    }
    assert!(!seen.contains("<b>") && seen.contains("balcony"), "a note is text");
    let call = &calls(&story)[0];
    assert!(call["web_page"]["url"].as_str().is_some_and(|url| url.ends_with("/products/caribbean")), "{call:#}");

    phone.act();
    phone.finish();
    representative.finish();
    desk.until("/desk", "What did it come to?");
    assert!(customer.until(&page, "Thank you for your call.").contains("Your call"));
    let request = shop.stored("SELECT id FROM requests").remove(0);
    let order = [
        ("kind", "order"),
        ("product", "caribbean"),
        ("quantity", "2"),
        ("name", "Carol"),
        ("text", "balcony"),
        ("request", &request),
    ];
    assert_eq!(desk.submit("/desk/result", &order).status, 303);
    assert_eq!(desk.submit("/desk/result", &order).status, 303, "another tab, too late");
    let stored = shop.stored(
        "SELECT product || ' ' || quantity || ' ' || customer_text || ' ' || representative || ' ' || note FROM orders",
    );
    assert_eq!(stored, ["caribbean 2 Carol rita balcony"]);
    desk.until("/desk", "<strong>Available</strong>");
    assert!(desk.get("/desk/records").body.contains("$2,580.00"));
    assert_eq!(calls(&story).len(), 1);
    story.end();
}

#[test]
fn a_known_customer_is_called_at_the_stored_number_without_a_question() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let mut desk = shop.desk("rita");
    let silent = story.nobody(Tone::Customer);
    let mut customer = shop.visitor();
    let nameless = customer.ask(&json!({ "note": "hello" }));
    assert_eq!((nameless.status, nameless.json()["errors"][0]["pointer"].as_str()), (422, Some("/customer")));
    let password = shop.password("carol@example.com");
    let answer = customer.submit("/account/login", &[("email", "carol@example.com"), ("password", &password)]);
    assert_eq!((answer.status, answer.location().as_str()), (303, "/account"));
    assert!(customer.get("/products/nile").body.contains("data-customer=\"known\""));
    assert!(customer.get("/talk").body.contains(&format!("<strong>{CUSTOMER}</strong>")));
    let asked = customer.ask(&json!({ "note": "about the Nile", "representative_information": "cruise" }));
    assert_eq!(asked.status, 202, "{}", asked.body);
    let shown = desk.until("/desk", "is being called");
    for part in ["Carol Chen", "12 Harbor Street", "about the Nile", CUSTOMER] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert_eq!(calls(&story)[0]["customer"]["address"], CUSTOMER);
    assert!(!asked.body.contains(CUSTOMER), "no number is told to the page: {}", asked.body);
    // The customer changes their mind.
    let (id, token) = (asked.json()["id"].clone(), asked.json()["token"].clone());
    let path = format!("/call-requests/{}", id.as_str().expect("an id"));
    assert_eq!(customer.send("DELETE", &path, &[("Authorization", "Bearer wrong")], "").status, 401);
    let bearer = format!("Bearer {}", token.as_str().expect("a token"));
    assert_eq!(customer.send("DELETE", &path, &[("Authorization", &bearer)], "").status, 200);
    let ended = || {
        let view = shop.visitor().send("GET", &path, &[("Authorization", &bearer)], "").json();
        (view["state"] == "ended").then_some(view)
    };
    assert_eq!(eventually("its end", PATIENCE, ended)["outcome"], "cancelled");
    assert_eq!(customer.send("DELETE", &path, &[("Authorization", &bearer)], "").status, 409);
    let events =
        customer.send("GET", &format!("{path}/events?token={}", token.as_str().expect("a token")), &[], "").body;
    for part in ["event: call.state_changed\nid: 1\n", "\"state\":\"calling_customer\"", "event: call.ended\n"] {
        assert!(events.contains(part), "{part} in\n{events}");
    }
    desk.until("/desk", "<strong>Available</strong>");
    drop(silent);
}

#[test]
fn a_desired_time_survives_a_crash_and_the_call_comes_then() {
    let story = Story::begin();
    let mut shop = shop_before(&story, LEASE);
    let _desk = shop.desk("rita");
    let _silent = story.nobody(Tone::Customer);
    let at = time::OffsetDateTime::now_utc() + Duration::from_secs(8);
    let at = at.format(&time::format_description::well_known::Rfc3339).expect("a time");
    let asked = shop.visitor().ask(&json!({ "customer": CUSTOMER, "desired_contact_time": at }));
    assert_eq!((asked.status, asked.json()["state"].as_str()), (202, Some("scheduled")), "{}", asked.body);
    shop.crash_and_restart();
    assert_eq!(calls(&story), Vec::<Value>::new(), "not yet");
    let placed = eventually("the call", PATIENCE, || calls(&story).into_iter().next());
    let instant =
        |text: &str| time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).expect("a time");
    assert!(instant(placed["created_at"].as_str().expect("a time")) >= instant(&at), "{placed:#}");
    assert_eq!(calls(&story).len(), 1);
}

#[test]
fn where_the_first_equipment_is_down_the_second_takes_it_and_it_is_one_call() {
    let story = Story::begin();
    let business = &story.daemon.business;
    let nobody = Equipment { at: loopback(ports::port()), who: business, cost: 1 };
    let shop = Shop::start("ABC", &[nobody, Equipment { at: story.daemon.http, who: business, cost: 9 }], LEASE);
    let mut desk = shop.desk("rita");
    let _silent = story.nobody(Tone::Customer);
    assert_eq!(shop.visitor().ask(&json!({ "customer": CUSTOMER })).status, 202);
    desk.until("/desk", "is being called");
    assert_eq!(calls(&story).len(), 1);
    assert_eq!(shop.stored("SELECT equipment FROM requests"), ["e1"]);
    assert!(shop.log().contains("not taken, the next one is asked"), "{}", shop.log());
}

#[test]
fn a_lost_answer_never_makes_a_second_call() {
    let story = Story::begin();
    let business = &story.daemon.business;
    let (lossy, other) = (Lossy::to(story.daemon.http, 1), Lossy::to(story.daemon.http, 0));
    let equipments =
        [Equipment { at: lossy.at, who: business, cost: 1 }, Equipment { at: other.at, who: business, cost: 9 }];
    let shop = Shop::start("ABC", &equipments, LEASE);
    let mut desk = shop.desk("rita");
    let _silent = story.nobody(Tone::Customer);
    assert_eq!(shop.visitor().ask(&json!({ "customer": CUSTOMER })).status, 202);
    desk.until("/desk", "is being called");
    assert_eq!((lossy.asked(), other.asked()), (2, 0), "the same one again, and nobody else");
    assert_eq!(calls(&story).len(), 1);
}

#[test]
fn a_lost_browser_is_logged_off_by_its_lease_and_the_call_goes_on() {
    let story = Story::begin();
    let shop = shop_before(&story, "[desk]\nlease_seconds = 12\n");
    let mut desk = shop.desk("rita");
    let mut phone = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let mut customer = shop.visitor();
    let page = asks_by_form(&mut customer, &[("number", CUSTOMER)]);
    customer.until(&page, "You are connected.");
    until_both_hear_each_other(&phone, &representative);
    eventually("the lease to end", PATIENCE, || (desk.get("/desk").location() == "/desk/login").then_some(()));
    until_both_hear_more(&phone, &representative);
    assert!(customer.get(&page).body.contains("You are connected."));
    let mut again = shop.desk("rita");
    assert!(again.get("/desk").body.contains("is on the line"), "logged on again, the call is there");
    phone.act();
    phone.finish();
    representative.finish();
    again.until("/desk", "What did it come to?");
    let request = shop.stored("SELECT id FROM requests").remove(0);
    let complaint = [("kind", "complaint"), ("text", "The brochure is wrong"), ("request", request.as_str())];
    assert_eq!(again.submit("/desk/result", &complaint).status, 303);
    let queue = again.get("/desk/records").body;
    assert!(queue.contains("The brochure is wrong") && queue.contains("Handled"), "{queue}");
    assert_eq!(again.submit("/desk/reports/1", &[]).status, 303);
    assert!(again.get("/desk/records").body.contains("handled"));
}

#[test]
fn two_in_line_are_served_in_order_and_told_their_place() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let _silent = story.nobody(Tone::Customer);
    let mut customers = [CUSTOMER, "+12125550101"].map(|number| {
        let mut customer = shop.visitor();
        let page = asks_by_form(&mut customer, &[("number", number)]);
        (customer, page)
    });
    for ((customer, page), place) in customers.iter_mut().zip(["You are next in line", "You are number 2 in line"]) {
        customer.until(page, place);
    }
    let mut desk = shop.desk("rita");
    desk.until("/desk", "is being called");
    assert!(desk.get("/desk").body.contains("Waiting: 1"));
    customers[1].0.until(&customers[1].1, "You are next in line");
    let id = customers[0].1.split(['/', '?']).nth(2).expect("an id").to_owned();
    assert_eq!(desk.submit("/desk/hang-up", &[("request", &id)]).status, 303);
    customers[0].0.until(&customers[0].1, "The call was cancelled.");
    customers[1].0.until(&customers[1].1, "Your phone is ringing");
    assert_eq!(calls(&story).len(), 2);
}

#[test]
fn two_businesses_never_see_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("xyz");
    std::fs::write(&file, "another password\n").expect("a password");
    let more = format!("[[business]]\nid = \"xyz\"\nname = \"XYZ\"\npassword_file = \"{}\"\n", file.display());
    let story = Story::with(Setup { more, ..Setup::default() });
    let ours = shop_before(&story, LEASE);
    let xyz = Credentials { id: "xyz".to_owned(), password: "another password".to_owned() };
    let theirs = Shop::start("XYZ", &[Equipment { at: story.daemon.http, who: &xyz, cost: 1 }], LEASE);
    let (mut our_desk, mut their_desk) = (ours.desk("rita"), theirs.desk("rita"));
    let _silent = story.nobody(Tone::Customer);
    let asked = ours.visitor().ask(&json!({ "customer": CUSTOMER, "note": "for ABC only" }));
    assert_eq!(asked.status, 202, "{}", asked.body);
    our_desk.until("/desk", "for ABC only");
    let other = their_desk.get("/desk").body;
    assert!(other.contains("<strong>Available</strong>") && !other.contains("for ABC only"), "{other}");
    let path = format!("/call-requests/{}", asked.json()["id"].as_str().expect("an id"));
    let bearer = format!("Bearer {}", asked.json()["token"].as_str().expect("a token"));
    assert_eq!(theirs.visitor().send("GET", &path, &[("Authorization", &bearer)], "").status, 401);
    let wrong = theirs.visitor().ask(&json!({ "customer": "+12125550109", "business_id": "abc" }));
    assert_eq!(wrong.status, 403, "{}", wrong.body);
    let password = ours.password("rita");
    assert_eq!(their_desk.submit("/desk/login", &[("id", "rita"), ("password", &password)]).status, 403);
}

#[test]
fn what_is_wrong_with_its_file_is_told_by_line_and_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("s.toml");
    std::fs::write(&file, "[company]\nname = \"ABC\"\n[[equipment]]\nurl = \"ftp://x\"\n").expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbridge"));
    let output = command.args(["storefront", "--config"]).arg(&file).stdin(Stdio::null()).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("s.toml:4: equipment[1].url") && told.contains("mend:"), "{told}");
}

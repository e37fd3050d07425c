//! A direct call request (Fig. 9) becomes a call like any other: the customer's phone first, then the representatives whom the page
//! named by a skill, in the account's order. Owns this story; who may ask is tests/http/direct.rs's.

use serde_json::json;

use crate::support::daemon::Setup;
use crate::support::http::send;
use crate::support::story::{CUSTOMER, REPRESENTATIVES, Story, assert_bridged_by_content, until_both_hear_each_other};
use crate::support::tone::Tone;

#[test]
fn a_page_of_the_business_brings_customer_and_expert_together_and_the_business_pays() {
    let account = "tariff = { customer_per_minute_micros = 60000, representative_per_minute_micros = 60000 }\n\
        [business.direct]\nallowed_origins = [\"https://shop.example\"]\n\
        centres = { cruise = \"+16465550101,+16465550102#sea\", flight = \"+16465550103\" }\n";
    let story = Story::with(Setup { more: account.to_owned(), ..Setup::default() });
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative =
        story.phone(Tone::Representative, "representative-busy-then-next-answers", |phone| phone.calls = 2);
    let body = json!({ "business_id": "abc", "customer": CUSTOMER, "representative_information": "sea",
        "web_page": { "url": "https://shop.example/cruises", "title": "Cruises" } });
    let origin = [("Origin", "https://shop.example")];
    let answer = send(story.daemon.http, "POST", "/v1/call-requests", &origin, Some(&body)).expect("an answer");
    assert_eq!(answer.status, 202, "{}", answer.body);
    let (id, token) = (answer.json()["id"].as_str().unwrap().to_owned(), answer.json()["token"].clone());
    let call = story.known(&id);
    let bridged = call.until("bridged");
    assert_eq!(bridged["attempts"][1]["address"], REPRESENTATIVES[0]);
    assert_eq!(bridged["representative"]["address"], REPRESENTATIVES[1]);
    let path = format!("/v1/call-requests/{id}/events?token={}", token.as_str().expect("a token"));
    let http = story.daemon.http;
    let following = std::thread::spawn(move || send(http, "GET", &path, &origin, None));
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    let record = call.record();
    assert_eq!((&record["outcome"], &record["source"]), (&json!("completed"), &json!("direct_request")));
    assert!(record["price_micros"].as_i64().is_some_and(|price| price > 0), "{record:#}");
    let told = following.join().expect("the follower").expect("the stream").body;
    assert!(told.contains("\"state\":\"bridged\"") && told.contains("\"outcome\":\"completed\""), "{told}");
    assert!(!told.contains("+1") && !told.contains("price") && !told.contains("billable"), "{told}");
    assert_bridged_by_content(&customer.finish().heard, &representative.finish().heard);
    story.end();
}

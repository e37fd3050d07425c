//! How the desk and the button's card look in each state, at a desktop's and a telephone's width: axe's judgement, and the layout as golden
//! text. Owns these stories.

use serde_json::json;

use super::button::Customer;
use super::pages::{log_on, log_on_to, picture};
use super::{LEASE, asks_by_form, shop_before};
use crate::support::browser::Browser;
use crate::support::layout::layout;
use crate::support::story::{CUSTOMER, Story, until_both_hear_each_other};
use crate::support::tone::Tone;

const DESK: &[(&str, &str)] = &[
    ("name", "header .name"),
    ("pages", "header nav"),
    ("log off", "header form"),
    ("state", ".bar .state"),
    ("break", ".bar > form"),
    ("phone", ".bar .phone"),
    ("waiting", ".queue"),
    ("customer", "#call .card"),
    ("hang up", "button.stop"),
    ("form", "#after .card"),
    ("result", "#after fieldset:not(.order)"),
    ("order", "#after .order"),
    ("notes", "#text"),
    ("send", "#after button.main"),
];
const CARD: &[(&str, &str)] = &[
    ("card", "@.card"),
    ("pill", "@.pill"),
    ("title", "@h2"),
    ("number", "@#number"),
    ("now", "@label:has(#now)"),
    ("later", "@label:has(#later)"),
    ("time", "@#time"),
    ("note", "@#note"),
    ("remember", "@label:has(#remember)"),
    ("call", "@#call"),
    ("stop", "@#stop"),
];

fn telephone(browser: &Browser) {
    let window = json!({ "width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true });
    browser.devtools("Emulation.setDeviceMetricsOverride", &window);
}

fn desktop(browser: &Browser) {
    browser.devtools("Emulation.clearDeviceMetricsOverride", &json!({}));
}

/// At both widths: the layout, and nothing for axe to find.
fn looks(browser: &Browser, parts: &[(&str, &str)], state: &str) -> String {
    desktop(browser);
    browser.assert_accessible(state);
    picture(browser, &format!("{state}-desktop"));
    let wide = layout(browser, parts);
    telephone(browser);
    browser.assert_accessible(state);
    picture(browser, &format!("{state}-telephone"));
    let narrow = layout(browser, parts);
    desktop(browser);
    format!("desktop\n{wide}\ntelephone\n{narrow}")
}

#[test]
fn the_desk_in_each_state() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let browser = Browser::start(1280, 900);
    browser.open(&format!("http://{}/desk", shop.http));
    browser.assert_accessible("the log-on");
    log_on(&browser, &shop, "rita");
    insta::assert_snapshot!("desk-available", looks(&browser, DESK, "desk-available"));
    browser.click(".bar > form button");
    browser.until_it_shows("On a break");
    browser.assert_accessible("on a break");
    browser.click(".bar > form button");
    browser.until_it_shows("Available");
    let mut phone = story.customer("phone-is-picked-up-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let mut customer = shop.visitor();
    customer.get("/products/fjords");
    let password = shop.password("carol@example.com");
    customer.submit("/account/login", &[("email", "carol@example.com"), ("password", &password)]);
    asks_by_form(&mut customer, &[("product", "baltic"), ("note", "Is breakfast included?")]);
    browser.until_it_shows("is being called");
    insta::assert_snapshot!("desk-called", looks(&browser, DESK, "desk-called"));
    phone.act();
    browser.until_it_shows("is on the line");
    until_both_hear_each_other(&phone, &representative);
    assert_eq!(shop.visitor().ask(&json!({ "customer": "+12125550199", "note": "next" })).status, 202);
    browser.until_it_shows("Waiting: 1");
    insta::assert_snapshot!("desk-talk", looks(&browser, DESK, "desk-talk"));
    // Notes of the call, in another browser of the same representative too; the form stays as it was filled in.
    let other = Browser::start(1000, 900);
    log_on_to(&other, &shop, "rita", "is on the line");
    browser.click("input[value=order]");
    browser.type_into("#text", "window seats");
    crate::support::wait::eventually("the notes in the other tab", crate::support::wait::PATIENCE, || {
        (other.run("return document.querySelector('#text')?.value ?? ''") == "window seats").then_some(())
    });
    phone.act();
    phone.finish();
    representative.finish();
    browser.until_it_shows("has talked with you");
    assert_eq!(browser.run("return document.querySelector('#text').value"), "window seats", "what is typed stays");
    assert_eq!(browser.run("return document.querySelector('input[value=order]').checked"), true);
    insta::assert_snapshot!("desk-after", looks(&browser, DESK, "desk-after"));
    browser.click("#after button");
    other.until_it_shows("is being called");
    let stored = shop.stored("SELECT product || ' ' || customer_text || ' ' || note FROM orders");
    assert_eq!(stored, ["baltic Carol Chen window seats"]);
    assert_eq!(browser.complaints(), Vec::<String>::new(), "nothing was blocked or failed");
}

#[test]
fn a_result_that_is_sent_during_the_talk_leaves_nothing_to_write_up() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let mut desk = shop.desk("rita");
    let mut phone = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    asks_by_form(&mut shop.visitor(), &[("number", CUSTOMER), ("product", "nile")]);
    desk.until("/desk", "is on the line");
    until_both_hear_each_other(&phone, &representative);
    let request = shop.stored("SELECT id FROM requests").remove(0);
    let result = [("kind", "other"), ("text", "Wants the brochure"), ("request", request.as_str())];
    assert_eq!(desk.submit("/desk/result", &result).status, 303);
    phone.act();
    phone.finish();
    representative.finish();
    desk.until("/desk", "<strong>Available</strong>");
    assert_eq!(shop.stored("SELECT body FROM reports"), ["Wants the brochure"]);
}

#[test]
fn who_does_not_answer_is_set_aside_and_may_go_on() {
    let story = Story::with_limits(&[("representative_ring_seconds", 2)]);
    let shop = shop_before(&story, LEASE);
    let browser = Browser::start(1280, 900);
    log_on(&browser, &shop, "rita");
    let phone = story.customer("phone-answers-and-is-hung-up");
    let silent = story.nobody(Tone::Representative);
    let mut customer = shop.visitor();
    let page = asks_by_form(&mut customer, &[("number", CUSTOMER), ("product", "nile")]);
    browser.until_it_shows("Set aside");
    browser.until_it_shows("Your phone was not answered");
    customer.until(&page, "Nobody was free after all");
    insta::assert_snapshot!("desk-aside", looks(&browser, DESK, "desk-aside"));
    browser.click(".bar > form button");
    browser.until_it_shows("Available");
    phone.finish();
    drop(silent);
}

#[test]
fn the_buttons_card_in_each_state() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let _desk = shop.desk("rita");
    let phone = story.customer("phone-rings-until-cancelled");
    let customer = Customer::at(&shop);
    customer.press_at("/products/caribbean");
    insta::assert_snapshot!("card-question", looks(&customer.browser, CARD, "card-question"));
    customer.click("#later");
    insta::assert_snapshot!("card-later", looks(&customer.browser, CARD, "card-later"));
    customer.click("#now");
    customer.type_into("#number", CUSTOMER);
    customer.click("#call");
    customer.until("Calling you… pick up");
    insta::assert_snapshot!("card-rings", looks(&customer.browser, CARD, "card-rings"));
    customer.click("#stop");
    customer.until("The call is cancelled.");
    insta::assert_snapshot!("card-cancelled", looks(&customer.browser, CARD, "card-cancelled"));
    phone.finish();
}

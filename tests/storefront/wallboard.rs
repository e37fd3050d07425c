//! The supervisor's wallboard: who waits, who talks, how the day goes, live; listening, whispering and joining by a third phone.

use serde_json::json;

use super::{LEASE, shop_before};
use crate::shop::Shop;
use crate::support::browser::Browser;
use crate::support::daemon::{Setup, Switch};
use crate::support::layout::layout;
use crate::support::ports;
use crate::support::sipp::{Phone, PhoneSetup};
use crate::support::story::{CUSTOMER, Story, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

const SUPERVISOR: &str = "+19145550100";

pub fn log_on(browser: &Browser, shop: &Shop) {
    browser.open(&format!("http://{}/wallboard", shop.http));
    browser.type_into("#id", "sue");
    browser.type_into("#password", &shop.password("sue"));
    browser.click("button");
    browser.until_it_shows("Representatives");
}

/// Presses the button of this name in the row of who talks; the part may be put anew at any moment.
fn press(browser: &Browser, name: &str) {
    browser.run(&format!(
        "[...document.querySelectorAll('.staff button')].find((one) => one.textContent === {name:?}).click()"
    ));
}

#[test]
fn a_supervisor_sees_who_waits_and_who_talks_and_listens_whispers_and_joins() {
    let port = ports::port();
    let setup = Setup { switches: vec![Switch::new("ssp-66", port, &["+1914"])], ..Setup::default() };
    let story = Story::with(setup);
    let shop = shop_before(&story, LEASE);
    let _desk = shop.desk("rita");
    let browser = Browser::start(1280, 900);
    log_on(&browser, &shop);
    browser.click("details.phone summary");
    browser.type_into("#ring", &format!("{}{SUPERVISOR}", "\u{e003}".repeat(30)));
    browser.click("details.phone button");
    browser.until_it_shows(&format!("To listen, {SUPERVISOR} rings"));
    browser.assert_accessible("nobody waits");
    let mut phone = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let third = Phone::start(&PhoneSetup::new("phone-answers-and-is-hung-up", port, Tone::NewParty));
    assert_eq!(shop.visitor().ask(&json!({ "customer": CUSTOMER })).status, 202);
    browser.until_it_shows("Talks");
    until_both_hear_each_other(&phone, &representative);
    // Another one waits, as the page tells at once.
    assert_eq!(
        shop.visitor().ask(&json!({ "customer": "+12125550199", "representative_information": "cruise" })).status,
        202
    );
    browser.until_it_shows("cruise");
    browser.assert_accessible("one waits, two talk");
    let hears = |who: &Phone, voice: Tone| who.media.count(|frame| frame.has_some_of(voice)) > 0;
    press(&browser, "Listen");
    browser.until_it_shows("Leave");
    eventually("the supervisor to hear both", PATIENCE, || {
        (hears(&third, Tone::Customer) && hears(&third, Tone::Representative)).then_some(())
    });
    assert!(!hears(&phone, Tone::NewParty) && !hears(&representative, Tone::NewParty), "nobody hears who listens");
    press(&browser, "Whisper");
    eventually("the representative to hear the supervisor", PATIENCE, || {
        hears(&representative, Tone::NewParty).then_some(())
    });
    assert!(!hears(&phone, Tone::NewParty), "the customer does not hear a whisper");
    press(&browser, "Join");
    eventually("the customer to hear the supervisor", PATIENCE, || hears(&phone, Tone::NewParty).then_some(()));
    let pressed = "return document.querySelector('[aria-pressed=true]')?.textContent ?? ''";
    eventually("the mode on the page", PATIENCE, || (browser.run(pressed) == "Join").then_some(()));
    browser.assert_accessible("joined");
    let parts = [
        ("figures", ".figures"),
        ("figure", ".figures div"),
        ("lines", "table"),
        ("row", ".staff li"),
        ("mode", ".staff button"),
        ("phone", "details.phone"),
    ];
    insta::assert_snapshot!("wallboard-desktop", layout(&browser, &parts));
    press(&browser, "Leave");
    third.finish();
    until_both_hear_each_other(&phone, &representative);
    phone.act();
    phone.finish();
    representative.finish();
    browser.until_it_shows("Wrap-up");
    browser.until_it_shows("100 %");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    drop(browser);
}

#[test]
fn the_wallboard_is_behind_its_own_login() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let mut desk = shop.desk("rita");
    assert_eq!(desk.get("/wallboard").location(), "/wallboard/login");
    let password = shop.password("rita");
    assert_eq!(desk.submit("/wallboard/login", &[("id", "rita"), ("password", &password)]).status, 403);
    let mut sue = shop.visitor();
    let password = shop.password("sue");
    assert_eq!(sue.submit("/wallboard/login", &[("id", "sue"), ("password", &password)]).location(), "/wallboard");
    assert_eq!(sue.get("/desk").location(), "/desk/login");
    let board = sue.get("/wallboard").body;
    assert!(board.contains("Rita Reyes") && board.contains("Nobody waits"), "{board}");
    assert_eq!(sue.submit("/wallboard/supervise", &[("request", "none"), ("mode", "listen")]).status, 400);
    assert_eq!(sue.submit("/wallboard/logoff", &[]).location(), "/wallboard/login");
    assert_eq!(sue.get("/wallboard").location(), "/wallboard/login");
}

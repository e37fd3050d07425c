//! The operators' console in Chromium, on the real daemon with a real call: logging in, a live call as it changes, its ladder and quality,
//! search by the keyboard, a telephone's narrow window. Owns these stories; the stage is in tests/support.

#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;

use serde_json::{Value, json};
use support::browser::Browser;
use support::daemon::Setup;
use support::story::{Story, until_both_hear_each_other};

const REPRESENTATIVES: &str = "[[business.representative]]\nid = \"carla\"\nname = \"Carla\"\naddress = \"+16465550101\"\n\
    [[business.representative]]\nid = \"dora\"\naddress = \"+16465550102\"\n";
const OPERATOR: &str = "[[admin.operator]]\nname = \"anna\"\npassword_file = \"password\"\nrole = \"read\"\n";

fn story() -> Story {
    // The password file of the tests' business serves the operator as well.
    Story::with(Setup { more: format!("{REPRESENTATIVES}{OPERATOR}"), ..Setup::default() })
}

fn log_in(browser: &Browser, story: &Story) {
    browser.open(&format!("http://{}/console", story.daemon.admin));
    assert!(browser.url().ends_with("/console/login"), "{}", browser.url());
    browser.type_into("#name", "anna");
    browser.type_into("#password", &story.daemon.business.password);
    browser.click("button");
    browser.until_it_shows("Overview");
}

/// A picture for people to look at, where `CONSOLE_PICTURES` names a folder.
fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("CONSOLE_PICTURES") {
        browser.screenshot(&std::path::Path::new(&folder).join(format!("{name}.png")));
    }
}

/// Every link, button and field of the page has a name that a screen reader can say, and the page has a language, a title and one main part.
fn assert_accessible(browser: &Browser) {
    let script = "const nameless = [...document.querySelectorAll('a, button, input, img, svg[role=img]')].filter(e => \
        !(e.innerText || e.getAttribute('aria-label') || e.getAttribute('alt') || e.labels?.length)).map(e => e.outerHTML); \
        return { nameless, lang: document.documentElement.lang, title: document.title, mains: document.querySelectorAll('main').length };";
    let page = browser.run(script);
    assert_eq!(page["nameless"], Value::Array(Vec::new()), "{page}");
    assert_eq!((page["lang"].as_str(), page["mains"].as_i64()), (Some("en"), Some(1)), "{page}");
    assert!(page["title"].as_str().is_some_and(|title| title.ends_with("callbridge")), "{page}");
}

#[test]
fn an_operator_sees_a_call_live_its_ladder_its_quality_and_its_end() {
    let story = story();
    let browser = Browser::start(1300, 900);
    log_in(&browser, &story);
    assert_accessible(&browser);
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    browser.open(&format!("http://{}/console/calls", story.daemon.admin));
    browser.until_it_shows("bridged");
    assert_accessible(&browser);
    picture(&browser, "calls");
    browser.click("tbody a");
    browser.until_it_shows(&call.id);
    until_both_hear_each_other(&customer, &representative);
    browser.until_it_shows("Quality over time");
    let ladder = browser.run("const i = document.querySelector('.ladder'); return i.complete && i.naturalWidth > 100");
    assert_eq!(ladder, true, "the ladder is drawn");
    let plot = browser.run("return document.querySelectorAll('svg.plot path.line').length");
    assert!(plot.as_i64().is_some_and(|lines| lines >= 2), "{plot}");
    assert_accessible(&browser);
    picture(&browser, "call");
    customer.act();
    call.record();
    customer.finish();
    representative.finish();
    browser.until_it_shows("completed");
    // What it sounded like is still there when it is looked for later.
    browser.open(&format!("http://{}/console/calls/{}", story.daemon.admin, call.id));
    browser.until_it_shows("Quality over time");
    let plots = browser.run("return [...document.querySelectorAll('svg.plot')].map(plot => plot.textContent).join()");
    assert!(plots.as_str().is_some_and(|text| text.contains("the end")), "{plots}");
    picture(&browser, "ended");
    browser.open(&format!("http://{}/console", story.daemon.admin));
    picture(&browser, "overview");
    browser.open(&format!("http://{}/console/switches", story.daemon.admin));
    browser.until_it_shows("works");
    picture(&browser, "switches");
    browser.open(&format!("http://{}/console/businesses", story.daemon.admin));
    browser.until_it_shows("enabled");
    browser.open(&format!("http://{}/console/refusals", story.daemon.admin));
    browser.until_it_shows("Refusals");
    assert_eq!(browser.complaints(), Vec::<String>::new(), "nothing was blocked or failed");
    drop(browser);
    story.end();
}

#[test]
fn a_call_is_found_with_the_keyboard_alone() {
    let story = story();
    let browser = Browser::start(1300, 900);
    log_in(&browser, &story);
    let phone = story.nobody(support::tone::Tone::Customer);
    let call = story.call();
    call.until("calling_customer");
    call.delete();
    call.record();
    browser.open(&format!("http://{}/console/calls", story.daemon.admin));
    browser.until_it_shows("cancelled");
    // A slash goes to the search; Enter sends it.
    browser.press("/5550100\u{e007}");
    browser.until_it_shows("cancelled");
    assert!(browser.url().contains("q=5550100"), "{}", browser.url());
    browser.press("/9999\u{e007}");
    let shown = browser.until_it_shows("None.");
    assert!(!shown.contains("cancelled"), "{shown}");
    // Tab comes first to the way past the frame.
    browser.open(&format!("http://{}/console/calls", story.daemon.admin));
    browser.press("\u{e004}");
    assert_eq!(browser.run("return document.activeElement.innerText"), "To the content");
    drop(phone);
    drop(browser);
}

#[test]
fn a_telephone_shows_every_page_without_scrolling_sideways() {
    let story = story();
    let browser = Browser::start(500, 900);
    log_in(&browser, &story);
    let phone = story.nobody(support::tone::Tone::Customer);
    let call = story.call();
    call.until("calling_customer");
    for page in
        ["", "/calls", "/switches", "/representatives", "/businesses", "/refusals", &format!("/calls/{}", call.id)]
    {
        browser.open(&format!("http://{}/console{page}", story.daemon.admin));
        let wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
        picture(&browser, &format!("narrow{}", page.replace('/', "-")));
        assert_eq!(wide, 0, "/console{page} is wider than the window");
        assert_accessible(&browser);
    }
    call.delete();
    call.record();
    drop(phone);
    drop(browser);
}

#[test]
fn who_is_there_and_who_waits_is_shown_as_it_changes() {
    let story = story();
    let browser = Browser::start(1300, 900);
    log_in(&browser, &story);
    let phone = story.nobody(support::tone::Tone::Customer);
    browser.open(&format!("http://{}/console/representatives", story.daemon.admin));
    let shown = browser.until_it_shows("Carla (carla)");
    assert!(shown.contains("logged off") && shown.contains("dora"), "{shown}");
    let asks = |n: u32| {
        let message = json!({ "customer": format!("+1212555020{n}") });
        let answer = story.daemon.api("POST", "/v1/calls", Some(&message));
        assert_eq!(answer.status, 202, "{}", answer.body);
        story.known(answer.json()["id"].as_str().expect("an identifier"))
    };
    let calls = [asks(1), asks(2)];
    let word = json!({ "state": "available", "lease_seconds": 600 });
    assert_eq!(story.daemon.api("PUT", "/v1/representatives/carla/session", Some(&word)).status, 200);
    // One is called for her, the other waits.
    let shown = browser.until_it_shows("promised");
    assert!(shown.contains(&calls[0].id), "{shown}");
    picture(&browser, "representatives");
    assert_accessible(&browser);
    for call in &calls {
        call.delete();
        call.record();
    }
    browser.until_it_shows("available");
    assert_eq!(browser.complaints(), Vec::<String>::new(), "nothing was blocked or failed");
    drop(phone);
    drop(browser);
    story.end();
}

#[test]
fn nobody_sees_a_page_without_a_session_and_a_wrong_password_gives_none() {
    let story = story();
    let browser = Browser::start(800, 600);
    for page in [
        "",
        "/calls",
        "/calls/live",
        "/calls/019abd00-0000-7000-8000-000000000000/ladder.svg",
        "/refusals/now",
        "/representatives",
        "/representatives/now",
    ] {
        browser.open(&format!("http://{}/console{page}", story.daemon.admin));
        assert!(browser.url().ends_with("/console/login"), "{page} led to {}", browser.url());
    }
    browser.type_into("#name", "anna");
    browser.type_into("#password", "a guess");
    browser.click("button");
    browser.until_it_shows("No operator has this name and password.");
    log_in(&browser, &story);
    browser.click(".who button");
    browser.open(&format!("http://{}/console/calls", story.daemon.admin));
    assert!(browser.url().ends_with("/console/login"), "{}", browser.url());
    drop(browser);
}

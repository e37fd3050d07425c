//! What stands guard, as a customer meets it: origins, page tokens, work, limits, an equipment that is away.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::hmac;
use serde_json::json;

use crate::support::tone::Tone;
use crate::{BUTTON, Visit, page};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What a business's server puts into its page (docs/for-businesses.md).
fn token(page: &str, nonce: &str) -> String {
    let expiry = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(600)).as_secs();
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    let mac = hmac::sign(&key, format!("abc\n{page}\n{expiry}\n{nonce}").as_bytes());
    let mac: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("k1.{expiry}.{nonce}.{mac}")
}

#[test]
fn a_page_token_and_work_open_the_way_once() {
    let keys = format!("page_token_required = true\npage_keys = {{ k1 = \"{KEY}\" }}\nwork_bits = 14\n");
    let visit = Visit::with(&keys, &|equipment| vec![("/", page(equipment, "Home", "", BUTTON))]);
    let phone = visit.story.nobody(Tone::Customer);
    visit.open("/?from=mail");
    let give = format!(
        "document.querySelector('[data-callbridge]').dataset.pageToken = {:?}",
        token(&format!("{}/", visit.site.origin()), "0123456789abcdef")
    );
    visit.browser.run(&give);
    visit.browser.click("[data-callbridge]");
    visit.until("Call me");
    visit.ask();
    visit.until("Calling you… pick up");
    visit.click("#stop");
    visit.until("The call is cancelled.");
    visit.click("#again");
    visit.click("#call");
    visit.until("This page is too old. Please reload it.");
    visit.assert_accessible("a refusal");
    visit.picture("refusal");
    drop(phone);
    // The browser notes each 403 by itself.
    let noted = visit.browser.complaints();
    assert!(noted.iter().all(|line| line.contains("403")), "{noted:?}");
    visit.end();
}

#[test]
fn a_page_that_may_not_ask_says_so_and_tells_its_maker_why() {
    let visit = Visit::with("", &|equipment| {
        let unknown =
            page(equipment, "Unknown", "", BUTTON).replace("data-business=\"abc\"", "data-business=\"nobody\"");
        vec![("/", page(equipment, "Home", "", BUTTON)), ("/unknown", unknown)]
    });
    // The same page at another origin: the browser keeps the answer from it.
    visit.browser.open(&visit.site.origin().replace("127.0.0.1", "localhost"));
    visit.browser.until_it_shows("Talk to us");
    std::thread::sleep(Duration::from_millis(300));
    visit.browser.click("[data-callbridge]");
    visit.until("Call me");
    visit.ask();
    visit.until("We cannot reach the telephone service. Please try again.");
    let noted = visit.browser.complaints().join("\n");
    assert!(noted.contains("callbridge:") && noted.contains("allowed origin"), "{noted}");
    visit.press_at("/unknown");
    visit.ask();
    visit.until("Calls cannot be requested from this page.");
    assert!(visit.has("#number"), "what was typed is still there");
    visit.browser.complaints();
    visit.end();
}

#[test]
fn limits_and_a_call_that_there_is_are_told_in_words() {
    let visit = Visit::with("max_per_source = 1\n", &|equipment| vec![("/", page(equipment, "Home", "", BUTTON))]);
    let phone = visit.story.nobody(Tone::Customer);
    visit.press_at("/");
    visit.ask();
    visit.until("Calling you… pick up");
    // Another tab of the same customer.
    visit.browser.run("sessionStorage.clear()");
    visit.press_at("/");
    visit.ask();
    visit.until("You are being called already.");
    visit.type_into("#number", "\u{e003}2");
    visit.click("#call");
    visit.until("Too many requests. Please try again in");
    visit.browser.complaints();
    let id = visit.call()["id"].as_str().expect("its identifier").to_owned();
    visit.story.known(&id).delete();
    visit.story.known(&id).record();
    drop(phone);
    visit.end();
}

#[test]
fn a_call_is_followed_again_when_the_equipment_comes_back() {
    let mut visit = Visit::begin();
    visit.press_at("/");
    visit.type_into("#number", crate::TYPED);
    visit.click("#later");
    visit.click("#call");
    visit.until("We will call you");
    visit.story.daemon.kill();
    std::thread::sleep(Duration::from_millis(500));
    visit.story.daemon.restart();
    let id = visit.call()["id"].as_str().expect("its identifier").to_owned();
    visit.story.known(&id).delete();
    visit.until("The call is cancelled.");
    assert_eq!(visit.browser.run("return sessionStorage.getItem('callbridge.call')"), json!(null));
    visit.browser.complaints();
    visit.end();
}

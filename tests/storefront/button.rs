//! The button (`data-server`) on the storefront's own pages in Chromium: the business's Web server takes the request, knows its customers,
//! tells the place in line, and the call goes on from page to page.

use serde_json::json;

use super::{LEASE, calls, shop_before};
use crate::shop::Shop;
use crate::support::browser::Browser;
use crate::support::story::{CUSTOMER, Story, until_both_hear_each_other};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

const CARD: &str = "document.querySelector('[data-callbridge-card]').shadowRoot";

/// A customer's browser at the shop.
pub struct Customer {
    pub browser: Browser,
    origin: String,
}

impl Customer {
    pub fn at(shop: &Shop) -> Customer {
        Customer { browser: Browser::start(1100, 900), origin: format!("http://{}", shop.http) }
    }

    pub fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.origin));
        eventually("the script", PATIENCE, || {
            (self.browser.run("return Boolean(window.callbridge)") == true).then_some(())
        });
    }

    /// Opens this page and presses its button.
    pub fn press_at(&self, path: &str) {
        self.open(path);
        self.browser.click("[data-callbridge]");
        self.until("Call me");
    }

    fn shown(&self) -> String {
        let script = format!(
            "return document.querySelector('[data-callbridge-card]') ? {CARD}.querySelector('.card, .pill')?.innerText ?? '' : ''"
        );
        self.browser.run(&script).as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn until(&self, text: &str) -> String {
        let mut last = String::new();
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            last = self.shown();
            if last.contains(text) {
                return last;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("no {text:?} on the card: {last:?}; {:?}", self.browser.complaints());
    }

    pub fn has(&self, selector: &str) -> bool {
        self.browser.run(&format!("return Boolean({CARD}.querySelector({selector:?}))")) == true
    }

    pub fn click(&self, selector: &str) {
        self.browser.click_found(&format!("return {CARD}.querySelector({selector:?})"));
    }

    pub fn type_into(&self, selector: &str, text: &str) {
        self.browser.type_into_found(&format!("return {CARD}.querySelector({selector:?})"), text);
    }
}

#[test]
fn the_button_asks_the_business_and_the_call_goes_on_from_page_to_page() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let mut desk = shop.desk("rita");
    let mut phone = story.customer("phone-is-picked-up-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let customer = Customer::at(&shop);
    customer.open("/products/fjords");
    customer.press_at("/products/caribbean");
    customer.type_into("#number", CUSTOMER);
    customer.type_into("#note", "With a balcony, please.");
    customer.click("#remember");
    customer.click("#call");
    customer.until("Calling you… pick up");
    phone.act();
    customer.until("Connected");
    until_both_hear_each_other(&phone, &representative);
    // On to another page, while they talk.
    customer.open("/products/nile");
    customer.until("Connected");
    let seen = desk.until("/desk", "is on the line");
    for part in ["Caribbean, ten nights", "Norwegian fjords", "With a balcony, please.", CUSTOMER] {
        assert!(seen.contains(part), "{part} in\n{seen}");
    }
    phone.act();
    customer.until("The call has ended. Thank you.");
    phone.finish();
    representative.finish();
    assert_eq!(calls(&story).len(), 1);
    // The number is stored: nobody is asked again, and the customer changes their mind.
    let request = shop.stored("SELECT id FROM requests").remove(0);
    desk.submit("/desk/result", &[("kind", "none"), ("request", &request)]);
    let phone = story.customer("phone-rings-until-cancelled");
    customer.press_at("/products/baltic");
    assert!(!customer.has("#number"), "the number is known");
    customer.browser.assert_accessible("the number is known");
    customer.click("#call");
    customer.until("Calling you… pick up");
    customer.click("#stop");
    customer.until("The call is cancelled.");
    phone.finish();
    assert_eq!(customer.browser.complaints(), Vec::<String>::new(), "nothing was blocked or failed");
    desk.until("/desk", "<strong>Available</strong>");
    drop(customer);
    story.end();
}

#[test]
fn who_is_logged_in_is_asked_for_no_number_and_may_wish_a_time() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let customer = Customer::at(&shop);
    customer.open("/account/login");
    customer.browser.type_into("#email", "carol@example.com");
    customer.browser.type_into("#password", &shop.password("carol@example.com"));
    customer.browser.click("main button");
    customer.browser.until_it_shows("Carol Chen");
    customer.press_at("/products/nile");
    assert!(!customer.has("#number"), "the business knows it");
    customer.click("#later");
    let tomorrow = "(() => { const d = new Date(Date.now() + 864e5); return new Date(d - d.getTimezoneOffset() * 6e4).toISOString().slice(0, 11) + '09:30'; })()";
    customer.browser.run(&format!(
        "const at = {CARD}.querySelector('#time'); at.value = {tomorrow}; at.dispatchEvent(new Event('input'))"
    ));
    customer.click("#call");
    let shown = customer.until("We will call you");
    assert!(shown.contains("09:30"), "{shown}");
    let stored = shop.stored("SELECT state || ' ' || address || ' ' || (desired_at > 0) FROM requests");
    assert_eq!(stored, [format!("scheduled {CUSTOMER} 1")]);
    assert_eq!(calls(&story).len(), 0, "kept here until then");
    customer.click("#stop");
    customer.until("The call is cancelled.");
    assert_eq!(shop.stored("SELECT outcome FROM requests"), ["cancelled"]);
    assert_eq!(customer.browser.complaints(), Vec::<String>::new());
}

#[test]
fn who_waits_is_told_the_place_and_in_about_how_long() {
    let story = Story::begin();
    let mut shop = shop_before(&story, LEASE);
    let _desk = shop.desk("rita");
    // Former talks of two minutes; a start knows them.
    for n in 0..24 {
        shop.write(&format!(
            "INSERT INTO requests (id, created_at, due_at, stage, state, outcome, address, source, bridged_at, ended_at, written) \
             VALUES ('former{n}', 1, 1, 'ended', 'ended', 'completed', 'x', '', {0}, {0} + 120000, 1)",
            1_000_000 + n
        ));
    }
    shop.crash_and_restart();
    let _silent = story.nobody(Tone::Customer);
    assert_eq!(shop.visitor().ask(&json!({ "customer": "+12125550197" })).status, 202);
    eventually("the first to be called", PATIENCE, || (calls(&story).len() == 1).then_some(()));
    let first =
        shop.visitor().ask(&json!({ "customer": "+12125550198", "representative_information": "cruise" })).json();
    let customer = Customer::at(&shop);
    customer.press_at("/products/caribbean");
    customer.type_into("#number", CUSTOMER);
    customer.click("#call");
    let shown = customer.until("You are second in line");
    assert!(shown.contains("about 5 minutes"), "{shown}");
    customer.browser.assert_accessible("in line");
    let path = format!("/call-requests/{}", first["id"].as_str().expect("an id"));
    let bearer = format!("Bearer {}", first["token"].as_str().expect("a token"));
    assert_eq!(shop.visitor().send("DELETE", &path, &[("Authorization", &bearer), ("Origin", "x")], "").status, 200);
    let shown = customer.until("You are first in line");
    assert!(shown.contains("about 3 minutes"), "{shown}");
    customer.click("#stop");
    customer.until("The call is cancelled.");
}

//! The pages by themselves: what they are served with, forms of other sites, what people write, and the same story in Chromium.

use serde_json::json;

use super::{LEASE, asks_by_form, calls, shop_before};
use crate::shop::Shop;
use crate::support::browser::Browser;
use crate::support::story::{CUSTOMER, Story, until_both_hear_each_other};
use crate::support::tone::Tone;

/// A picture for people to look at, where `STOREFRONT_PICTURES` names a folder.
pub fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("STOREFRONT_PICTURES") {
        browser.screenshot(&std::path::Path::new(&folder).join(format!("{name}.png")));
    }
}

#[test]
fn other_sites_can_send_no_form_and_run_nothing_here() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let mut desk = shop.desk("rita");
    let page = desk.get("/desk");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert!(!page.body.contains(" style=") && !page.body.contains("onclick"), "nothing inline");
    let token =
        page.body.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let token = token.to_owned();
    let here = format!("http://{}", shop.http);
    let fields = [("mode", "break"), ("token", token.as_str())];
    assert_eq!(desk.post("/desk/mode", "http://evil.example", &fields).status, 403);
    assert_eq!(desk.post("/desk/mode", "null", &fields).status, 403);
    assert_eq!(desk.post("/desk/mode", &here, &[("mode", "break"), ("token", "guess")]).status, 403);
    assert!(desk.get("/desk").body.contains("<strong>Available</strong>"), "none of them did anything");
    assert_eq!(desk.post("/desk/mode", &here, &fields).status, 303);
    let mut stranger = shop.visitor();
    assert_eq!(stranger.post("/desk/mode", &here, &fields).location(), "/desk/login");
    let message = json!({ "customer": CUSTOMER, "web_page": { "url": "javascript:alert(1)" } });
    assert_eq!(stranger.ask(&message).json()["errors"][0]["pointer"], "/web_page/url");
    assert_eq!(stranger.ask(&json!({ "customer": CUSTOMER, "colour": "red" })).status, 400);
    assert_eq!(calls(&story).len(), 0);
}

#[test]
fn an_account_a_cart_and_an_order_without_any_call() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let mut customer = shop.visitor();
    customer.get("/products/nile");
    let fields =
        [("email", "Dora@example.com"), ("password", "long enough"), ("name", "Dora"), ("phone", "+1 212 555 0177")];
    let made = customer.submit("/account/new", &fields);
    assert_eq!((made.status, made.location().as_str()), (303, "/account"), "{}", made.body);
    let mut again = shop.visitor();
    assert!(again.submit("/account/new", &fields).body.contains("This email address has an account"));
    let token = customer.get("/products/nile").body;
    let token = token
        .split("name=\"token\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a token")
        .to_owned();
    let here = format!("http://{}", shop.http);
    assert_eq!(customer.post("/cart", &here, &[("add", "nile"), ("token", &token)]).location(), "/cart");
    assert!(customer.get("/cart").body.contains("$1,180.00"));
    assert_eq!(customer.submit("/orders", &[]).location(), "/account");
    assert!(customer.get("/account").body.contains("The Nile, eight nights"));
    assert!(customer.get("/cart").body.contains("It is empty"));
    assert!(customer.get("/talk").body.contains("+12125550177"), "the number is stored as it is dialled");
    assert_eq!(shop.stored("SELECT customer_text || ' ' || product FROM orders"), ["Dora nile"]);
    assert_eq!(calls(&story).len(), 0);
}

pub fn log_on(browser: &Browser, shop: &Shop, name: &str) {
    log_on_to(browser, shop, name, "Available");
}

/// Logs on where the desk then shows this state.
pub fn log_on_to(browser: &Browser, shop: &Shop, name: &str, state: &str) {
    browser.open(&format!("http://{}/desk", shop.http));
    browser.type_into("#id", name);
    browser.type_into("#password", &shop.password(name));
    browser.click("button");
    browser.until_it_shows(state);
}

#[test]
fn the_desk_shows_in_two_tabs_who_calls_and_sends_the_order_back() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let browser = Browser::start(1280, 900);
    log_on(&browser, &shop, "rita");
    picture(&browser, "desk-available");
    let mut phone = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let mut customer = shop.visitor();
    customer.get("/products/fjords");
    customer
        .submit("/account/login", &[("email", "carol@example.com"), ("password", &shop.password("carol@example.com"))]);
    let note = "Is breakfast included? <img src=x onerror=alert(1)>";
    let page = asks_by_form(&mut customer, &[("product", "baltic"), ("note", note)]);
    // Nobody reloads the page: the stream brings it.
    browser.until_it_shows("is on the line");
    let shown = browser.until_it_shows("Baltic capitals");
    for part in ["Carol Chen", "Norwegian fjords", note] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    until_both_hear_each_other(&phone, &representative);
    picture(&browser, "desk-call");
    phone.act();
    phone.finish();
    representative.finish();
    browser.until_it_shows("What did it come to?");
    assert_eq!(browser.run("return document.querySelector('#product').value"), "baltic", "the page they were on");
    browser.click("input[value=order]");
    browser.type_into("#text", "window seats");
    picture(&browser, "desk-after");
    browser.click("#after button");
    browser.until_it_shows("Available");
    let stored = shop.stored("SELECT product || ' ' || customer_text || ' ' || note FROM orders");
    assert_eq!(stored, ["baltic Carol Chen window seats"]);
    assert!(customer.get("/account").body.contains("Baltic capitals"), "her order, in her account");
    assert!(customer.get(&page).body.contains("Thank you"));
    assert_eq!(browser.complaints(), Vec::<String>::new(), "nothing was blocked or failed");
    drop(browser);
    story.end();
}

#[test]
fn a_telephone_shows_every_page_without_scrolling_sideways() {
    let story = Story::begin();
    let shop = shop_before(&story, LEASE);
    let _silent = story.nobody(Tone::Customer);
    let browser = Browser::start(500, 900);
    log_on(&browser, &shop, "rita");
    let page = asks_by_form(&mut shop.visitor(), &[("number", CUSTOMER), ("product", "nile"), ("note", "hello")]);
    browser.until_it_shows("is being called");
    for page in [
        "/",
        "/products/caribbean",
        "/cart",
        "/talk?product=nile",
        "/account/new",
        "/account/login",
        &page,
        "/desk",
        "/desk/records",
    ] {
        browser.open(&format!("http://{}{page}", shop.http));
        let wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
        let name = page.split('?').next().unwrap_or_default().replace('/', "-");
        picture(&browser, &format!("narrow{}", name.get(..20).unwrap_or(&name)));
        assert_eq!(wide, 0, "{page} is wider than the window");
        let nameless = "return [...document.querySelectorAll('a, button, input:not([type=hidden]), textarea, select')].filter(e => \
            !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)";
        assert_eq!(browser.run(nameless), json!([]), "{page}");
        assert_eq!(browser.run("return document.documentElement.lang"), "en", "{page}");
    }
}

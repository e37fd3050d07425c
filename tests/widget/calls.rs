//! From the click to the end of the call: what the customer is asked, told and may do.

use serde_json::json;

use crate::support::daemon::Setup;
use crate::support::story::{CUSTOMER, REPRESENTATIVES};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};
use crate::{BUTTON, SHOWN, TYPED, Visit, page};

#[test]
fn a_customer_asks_picks_up_talks_and_is_told_all_of_it() {
    let visit = Visit::begin();
    let mut customer = visit.story.customer("phone-is-picked-up-and-hangs-up");
    let representative = visit.story.representative("phone-answers-and-is-hung-up");
    visit.open("/");
    visit.press_at("/cruises?session=secret#prices");
    assert_eq!(visit.focus(), "number");
    visit.assert_accessible("the question");
    visit.picture("question");
    visit.type_into("#number", TYPED);
    assert_eq!(visit.text("#number-hint"), format!("We call {SHOWN}"));
    visit.type_into("#note", "With a balcony, please.");
    visit.picture("question-filled");
    visit.listen();
    visit.click("#call");
    let shown = visit.until("Calling you… pick up");
    assert!(shown.contains(SHOWN) && shown.contains("Cancel"), "{shown}");
    visit.assert_accessible("it rings");
    visit.picture("ringing");
    let call = visit.call();
    assert_eq!((&call["source"], &call["note"]), (&json!("direct_request"), &json!("With a balcony, please.")));
    assert_eq!(
        (&call["customer"]["address"], &call["representative"]["address"]),
        (&json!(CUSTOMER), &json!(REPRESENTATIVES[0]))
    );
    // The representative learns where the customer is and was, and no address carries what is the customer's own.
    let (here, home) = (format!("{}/cruises", visit.site.origin()), format!("{}/", visit.site.origin()));
    assert_eq!((&call["web_page"]["url"], &call["web_page"]["title"]), (&json!(here), &json!("Cruises")));
    assert_eq!(call["web_page"]["viewed"], json!([{ "url": home, "title": "Home" }]));
    customer.act();
    visit.until("Connected");
    visit.assert_accessible("they talk");
    visit.picture("connected");
    assert_eq!(visit.text("#stop"), "Hang up");
    customer.act();
    visit.until("The call has ended. Thank you.");
    visit.assert_accessible("it has ended");
    visit.picture("ended");
    let heard = visit.heard();
    for text in ["One moment…", "Calling you… pick up", "Connected", "The call has ended. Thank you."] {
        assert_eq!(heard.iter().filter(|said| *said == text).count(), 1, "{text} once in {heard:?}");
    }
    visit.click("#again");
    assert_eq!((visit.shown().as_str(), visit.focus().as_str()), ("", "Talk to us"));
    customer.finish();
    representative.finish();
    assert_eq!(visit.browser.run("return sessionStorage.getItem('callbridge.call')"), json!(null));
    assert_eq!(visit.browser.run("return localStorage.length"), json!(0), "nothing is stored without consent");
    visit.end();
}

#[test]
fn a_number_that_was_stored_is_not_asked_for_until_it_is_forgotten() {
    let visit = Visit::begin();
    let customer = visit.story.customer("phone-rings-until-cancelled");
    visit.press_at("/");
    visit.click("#remember");
    visit.ask();
    visit.until("Calling you… pick up");
    assert!(visit.shown().contains("Forget my number"));
    visit.click("#stop");
    visit.until("The call is cancelled.");
    customer.finish();
    let customer = visit.story.customer("phone-rings-until-cancelled");
    visit.press_at("/cruises");
    assert!(!visit.has("#number"), "{}", visit.shown());
    assert!(visit.shown().contains(&format!("We call {SHOWN}")), "{}", visit.shown());
    assert_eq!(visit.focus(), "call");
    visit.assert_accessible("the number is known");
    visit.picture("known");
    visit.click("#call");
    visit.until("Calling you… pick up");
    visit.click("#stop");
    visit.until("The call is cancelled.");
    customer.finish();
    visit.press_at("/");
    visit.click("#other");
    assert_eq!(visit.focus(), "number");
    visit.click("#leave");
    visit.press_at("/");
    visit.click("#forget");
    assert!(visit.has("#number") && !visit.has("#forget"), "{}", visit.shown());
    assert_eq!(visit.text("[role=status]"), "Your number is forgotten.");
    assert_eq!(visit.browser.run("return localStorage.length"), json!(0));
    visit.end();
}

#[test]
fn a_number_is_judged_while_it_is_typed_and_the_equipment_has_the_last_word() {
    let visit = Visit::begin();
    visit.press_at("/");
    visit.type_into("#number", "(212) 5");
    assert_eq!(visit.text("#number-fault"), "", "who is still typing is not told off");
    visit.type_into("#number", "x");
    assert_eq!(visit.text("#number-fault"), "A phone number has digits only.");
    visit.assert_accessible("a fault");
    visit.picture("fault");
    visit.type_into("#number", "\u{e003}");
    assert_eq!(visit.text("#number-fault"), "");
    visit.click("#note");
    assert_eq!(visit.text("#number-fault"), "This number is too short.");
    visit.click("#call");
    assert_eq!(visit.focus(), "number");
    visit.type_into("#number", "55010012345678");
    assert_eq!(visit.text("#number-fault"), "This number is too long.");
    // Nobody of this equipment's switches serves Britain.
    visit.type_into("#number", &format!("{}+44 (0)20 7946 0000", "\u{e003}".repeat(30)));
    assert_eq!(visit.text("#number-hint"), "We call +44 207 946 0000");
    visit.click("#call");
    eventually("the refusal at the field", PATIENCE, || {
        (visit.text("#number-fault") == "This number cannot be called.").then_some(())
    });
    assert_eq!(visit.focus(), "number");
    // The browser notes the 403 by itself.
    visit.browser.complaints();
    visit.end();
}

#[test]
fn a_customer_is_called_at_the_time_that_was_wished() {
    let visit = Visit::begin();
    visit.press_at("/");
    visit.type_into("#number", TYPED);
    visit.click("#later");
    assert_eq!(visit.focus(), "later");
    visit.assert_accessible("a time is asked for");
    visit.picture("later");
    let wish = |time: &str| {
        let script = format!(
            "const at = {}.querySelector('#time'); at.value = {time}; at.dispatchEvent(new Event('input'))",
            crate::CARD
        );
        visit.browser.run(&script);
        visit.click("#call");
    };
    wish("'2020-01-01T10:00'");
    assert_eq!(visit.text("#time-fault"), "We cannot call at this time.");
    assert_eq!(visit.focus(), "time");
    wish("''");
    assert_eq!(visit.text("#time-fault"), "Please choose a day and time.");
    wish("'2999-01-01T10:00'");
    eventually("the refusal at the field", PATIENCE, || {
        (visit.text("#time-fault") == "We cannot call at this time.").then_some(())
    });
    visit.browser.complaints();
    // Tomorrow at half past nine on the customer's own clock.
    let tomorrow = "(() => { const d = new Date(Date.now() + 864e5); return new Date(d - d.getTimezoneOffset() * 6e4).toISOString().slice(0, 11) + '09:30'; })()";
    wish(tomorrow);
    let shown = visit.until("We will call you");
    assert!(shown.contains("09:30"), "{shown}");
    visit.picture("scheduled");
    let wished = visit.browser.run(&format!("return new Date({tomorrow}).toISOString().slice(0, 19)"));
    let call = visit.call();
    assert_eq!(call["state"], "scheduled");
    assert!(
        call["desired_contact_time"].as_str().is_some_and(|time| time.starts_with(wished.as_str().unwrap())),
        "{call} {wished}"
    );
    visit.click("#stop");
    visit.until("The call is cancelled.");
    visit.end();
}

#[test]
fn who_waits_is_told_the_place_in_the_line() {
    let trunk = vec![("max_channels", "1".to_owned())];
    let visit = Visit::set_up(Setup { trunk, ..Setup::default() }, "", &|equipment| {
        vec![("/", page(equipment, "Home", "", BUTTON))]
    });
    let phone = visit.story.nobody(Tone::Customer);
    let first = visit.story.call();
    first.until("calling_customer");
    let second = visit.story.call_with(json!({ "customer": "+12125550199" }));
    second.until("queued");
    visit.press_at("/");
    visit.listen();
    visit.ask();
    visit.until("You are second in line");
    visit.assert_accessible("in line");
    visit.picture("second-in-line");
    second.delete();
    visit.until("You are first in line");
    first.delete();
    visit.until("Calling you… pick up");
    visit.click("#stop");
    visit.until("The call is cancelled.");
    first.record();
    second.record();
    drop(phone);
    visit.end();
}

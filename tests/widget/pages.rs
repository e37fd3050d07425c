//! The customer goes on browsing: another page of the site, several buttons, buttons that come later, the keyboard alone, another
//! language, the business's own Web server.

use serde_json::{Value, json};

use crate::support::story::REPRESENTATIVES;
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};
use crate::{BUTTON, CARD, SHOWN, TYPED, Visit, page};

#[test]
fn a_call_goes_on_while_its_customer_goes_to_other_pages() {
    let visit = Visit::begin();
    let mut customer = visit.story.customer("phone-is-picked-up-and-hangs-up");
    let representative = visit.story.representative("phone-answers-and-is-hung-up");
    visit.press_at("/");
    visit.ask();
    visit.until("Calling you… pick up");
    visit.browser.click("a[href='/cruises']");
    visit.until("Calling you… pick up");
    assert!(visit.browser.url().ends_with("/cruises"));
    assert_eq!(visit.focus(), visit.browser.text(), "who came to read is not interrupted");
    visit.click("#leave");
    assert!(visit.has("#pill") && !visit.has(".card"));
    visit.assert_accessible("the pill");
    visit.picture("pill");
    visit.browser.click("a[href='/contact']");
    visit.until("Calling you… pick up");
    assert!(visit.has("#pill"), "it stays small");
    customer.act();
    visit.until("Connected");
    visit.picture("pill-connected");
    visit.browser.click("[data-callbridge]");
    assert!(visit.has(".card"), "the button shows the call that there is");
    assert_eq!(visit.text("#stop"), "Hang up");
    visit.click("#stop");
    visit.until("The call has ended. Thank you.");
    representative.finish();
    drop(customer);
    visit.open("/");
    assert_eq!(visit.shown(), "", "a call that is over does not follow its customer");
    visit.end();
}

#[test]
fn each_button_names_whom_it_is_for_also_one_that_comes_later() {
    let visit = Visit::with("", &|equipment| {
        let two = "<button data-callbridge>Sales</button> <button data-callbridge data-centre=\"cruise\" data-text-title=\"Ask a captain\">Cruises</button>";
        vec![("/", page(equipment, "Home", "", two))]
    });
    let phone = visit.story.nobody(Tone::Customer);
    let later = "const b = document.createElement('button'); b.dataset.callbridge = ''; b.dataset.representative = 'sea'; b.id = 'later'; \
        b.textContent = 'Later'; document.querySelector('main').append(b)";
    for (button, title, representative) in [
        ("[data-callbridge]", "Talk to us", REPRESENTATIVES[0]),
        ("[data-centre]", "Ask a captain", REPRESENTATIVES[1]),
        ("#later", "Talk to us", REPRESENTATIVES[1]),
    ] {
        visit.open("/");
        visit.browser.run(later);
        visit.browser.click(button);
        assert!(visit.until("Call me").starts_with(title), "{}", visit.shown());
        assert_eq!(
            visit.browser.run(&format!("return document.querySelector({button:?}).getAttribute('aria-expanded')")),
            "true"
        );
        visit.ask();
        visit.until("Calling you… pick up");
        assert_eq!(visit.call()["representative"]["address"], representative, "{button}");
        visit.click("#stop");
        visit.until("The call is cancelled.");
    }
    drop(phone);
    visit.end();
}

#[test]
fn the_keyboard_alone_is_enough() {
    const TAB: &str = "\u{e004}";
    const ENTER: &str = "\u{e007}";
    const ESCAPE: &str = "\u{e00c}";
    let visit = Visit::begin();
    let customer = visit.story.customer("phone-rings-until-cancelled");
    visit.open("/");
    visit.browser.press(TAB);
    assert_eq!(visit.focus(), "Talk to us");
    visit.browser.press(ENTER);
    visit.until("Call me");
    assert_eq!(visit.focus(), "number");
    visit.browser.press(ESCAPE);
    assert_eq!((visit.shown().as_str(), visit.focus().as_str()), ("", "Talk to us"));
    visit.browser.press(ENTER);
    visit.until("Call me");
    visit.browser.press(TYPED);
    visit.browser.press(TAB);
    assert_eq!(visit.focus(), "now");
    visit.browser.press(TAB);
    assert_eq!(visit.focus(), "note");
    visit.browser.press(TAB);
    visit.browser.press(" ");
    assert_eq!(visit.focus(), "remember");
    visit.browser.press(TAB);
    assert_eq!(visit.focus(), "call");
    visit.picture("focus");
    visit.browser.press(ENTER);
    visit.until("Calling you… pick up");
    assert_eq!(visit.focus(), "stop", "it is one key to cancel");
    visit.browser.press(ESCAPE);
    eventually("the pill", PATIENCE, || visit.has("#pill").then_some(()));
    assert_eq!(visit.focus(), "pill");
    visit.browser.press(ENTER);
    assert_eq!(visit.focus(), "stop");
    visit.browser.press(ENTER);
    visit.until("The call is cancelled.");
    assert_eq!(visit.focus(), "again");
    visit.browser.press(ESCAPE);
    assert_eq!(visit.focus(), "Talk to us");
    customer.finish();
    visit.end();
}

#[test]
fn it_speaks_the_pages_language_and_takes_its_words() {
    let visit = Visit::with("", &|equipment| {
        let own = "<script type=\"application/json\" data-callbridge-texts>{ \"call\": \"Ring me\", \"ar\": { \"title\": \"تحدث إلينا\", \"call\": \"اتصلوا بي\" } }</script>";
        vec![
            ("/de", page(equipment, "Start", "data-language=\"de\" data-country=\"DE\"", BUTTON)),
            ("/es", page(equipment, "Inicio", "", BUTTON).replace("lang=\"en\"", "lang=\"es-MX\"")),
            (
                "/fr",
                page(
                    equipment,
                    "Accueil",
                    "",
                    &BUTTON.replace("data-callbridge", "data-callbridge data-language=\"fr\""),
                ),
            ),
            ("/own", page(equipment, "Own", "", &format!("{BUTTON}{own}"))),
            ("/ar", page(equipment, "عربي", "data-language=\"ar\" data-country=\"AE\"", &format!("{BUTTON}{own}"))),
        ]
    });
    for (path, text, language) in [
        ("/de", "Rufen Sie mich an", "de"),
        ("/es", "Llámenme", "es"),
        ("/fr", "Appelez-moi", "fr"),
        ("/own", "Ring me", "en"),
        ("/ar", "اتصلوا بي", "ar"),
    ] {
        visit.open(path);
        visit.browser.click("[data-callbridge]");
        visit.until(text);
        assert_eq!(visit.browser.run(&format!("return {CARD}.querySelector('.all').lang")), language);
        visit.assert_accessible(path);
        visit.picture(&format!("language{}", path.replace('/', "-")));
    }
    // From right to left, but for the number itself.
    let direction =
        |of: &str| visit.browser.run(&format!("return getComputedStyle({CARD}.querySelector({of:?})).direction"));
    assert_eq!((direction(".card"), direction("#number")), (json!("rtl"), json!("ltr")));
    visit.open("/de");
    visit.browser.click("[data-callbridge]");
    visit.until("Deutschland");
    visit.type_into("#number", "030 1234567");
    assert_eq!(visit.text("#number-hint"), "Wir rufen +49 301 234 567 an");
    visit.end();
}

#[test]
fn the_businesss_own_server_takes_the_same_messages() {
    let visit = Visit::with("", &|equipment| {
        vec![
            ("/", page(equipment, "Home", "data-server=\"/\"", BUTTON)),
            ("/account", page(equipment, "Account", "data-server=\"/known\" data-customer=\"known\"", BUTTON)),
        ]
    });
    let mut customer = visit.story.customer("phone-is-picked-up-and-hangs-up");
    let representative = visit.story.representative("phone-answers-and-is-hung-up");
    visit.press_at("/");
    visit.ask();
    visit.until("Calling you… pick up");
    let asked = visit.browser.run("return performance.getEntriesByType('resource').map((r) => new URL(r.name).pathname).filter((p) => p.includes('call-requests'))");
    let asked = asked.as_array().cloned().unwrap_or_default();
    assert!(
        !asked.is_empty() && asked.iter().all(|path| path.as_str().is_some_and(|p| p.starts_with("/call-requests"))),
        "{asked:?}"
    );
    customer.act();
    visit.until("Connected");
    customer.act();
    visit.until("The call has ended. Thank you.");
    customer.finish();
    representative.finish();
    // A server that knows who is logged on is sent no number, and need not let the page follow the call.
    visit.press_at("/account");
    assert!(!visit.has("#number") && !visit.has("#remember"), "{}", visit.shown());
    visit.type_into("#note", "About order 321");
    visit.click("#call");
    visit.until("Thank you. Your phone will ring soon.");
    let asked = visit.site.asked();
    assert_eq!((asked.len(), &asked[0]["customer"], &asked[0]["note"]), (1, &Value::Null, &json!("About order 321")));
    assert_eq!(asked[0]["web_page"]["title"], "Account");
    assert!(!asked[0].to_string().contains(SHOWN));
    visit.end();
}

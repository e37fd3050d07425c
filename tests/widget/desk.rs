//! A business without a Web server of its own (Fig. 9): its page has the button, the equipment has its line and its representative's desk
//! (`/desk`). Two browsers and two phones. Owns this story.

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::daemon::Setup;
use crate::support::wait::{PATIENCE, eventually};
use crate::{BUTTON, Visit, page};

const ANNA: &str = "[[business.representative]]\nid = \"anna\"\nname = \"Anna\"\naddress = \"+16465550101\"\n\
    [business.staffing]\nwrap_up_seconds = 60\n";

/// axe finds nothing on the desk.
fn assert_accessible(browser: &Browser) {
    let axe =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/axe/axe_playwright_python/axe.min.js");
    let source = std::fs::read_to_string(&axe).expect("axe-core is missing: run ./check tools");
    let script = format!(
        "if (!window.axe) {{ {source}; }} return axe.run(document, {{ runOnly: {}, resultTypes: ['violations'] }})\
         .then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html).join(' | ')))",
        crate::RULES
    );
    assert_eq!(browser.run(&script), json!([]));
}

fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("WIDGET_PICTURES") {
        browser.screenshot(&std::path::Path::new(&folder).join(format!("desk-{name}.png")));
    }
}

#[test]
fn a_customer_waits_in_line_until_a_representative_opens_the_desk_and_sees_who_comes() {
    let visit = Visit::set_up(Setup { more: ANNA.to_owned(), ..Setup::default() }, "", &|equipment| {
        let all = [("/", "Home"), ("/cruises", "Cruises")];
        all.map(|(path, title)| (path, page(equipment, title, "", BUTTON))).to_vec()
    });
    let daemon = &visit.story.daemon;
    let customer = visit.story.customer("phone-answers-and-is-hung-up");
    let representative = visit.story.representative("phone-answers-and-is-hung-up");
    visit.open("/");
    visit.press_at("/cruises");
    visit.type_into("#note", "With a balcony, please.");
    visit.ask();
    // Nobody is there: no phone rings, and the customer knows the place.
    visit.until("You are first in line");
    assert_eq!(customer.count(|m| m.is_request("INVITE")), 0);

    // The desk holds Anna's own token, which leaves no trace in the address.
    let desk = Browser::start(1000, 800);
    desk.open(&format!("http://{}/desk", daemon.http));
    desk.until_it_shows("paste the token");
    assert_accessible(&desk);
    desk.type_into("#token", "nonsense");
    desk.click("#enter button");
    desk.until_it_shows("This is no token.");
    let token = daemon.api("POST", "/v1/representatives/anna/token", Some(&json!({})));
    assert_eq!(token.status, 200, "{}", token.body);
    let token = token.json()["token"].as_str().expect("a token").to_owned();
    desk.open("about:blank");
    desk.open(&format!("http://{}/desk#{token}", daemon.http));
    desk.until_it_shows("With a balcony, please.");
    assert!(!desk.url().contains('#'), "{}", desk.url());
    let shown = desk.until_it_shows("In a call");
    assert!(shown.contains("Anna") && shown.contains("Cruises") && shown.contains("Home"), "{shown}");
    visit.until("Connected");
    assert_accessible(&desk);
    picture(&desk, "talk");

    // A browser that is gone ends no talk; the tab that comes back goes on.
    desk.run("location.reload()");
    desk.until_it_shows("In a call");
    assert_eq!(visit.call()["state"], "bridged");
    desk.click("#call button");
    visit.until("The call has ended. Thank you.");
    desk.until_it_shows("Writing up");
    desk.click("#free button");
    desk.until_it_shows("Available");
    desk.click("#break button");
    desk.until_it_shows("On a break");
    desk.run("location.reload()");
    desk.until_it_shows("On a break");
    picture(&desk, "break");
    desk.click("#free button");
    desk.until_it_shows("Available");

    // What is taken back is worth nothing at once.
    assert_eq!(daemon.api("DELETE", "/v1/representatives/anna/token", None).status, 200);
    desk.until_it_shows("This token is not good any more.");
    assert_eq!(desk.run("return sessionStorage.length"), json!(0));
    let complaints = desk.complaints();
    let blocked = |text: &String| !text.contains("401");
    assert_eq!(complaints.iter().filter(|text| blocked(text)).count(), 0, "{complaints:?}");
    customer.finish();
    representative.finish();
    eventually("the record", PATIENCE, || (daemon.records().len() == 1).then_some(()));
    let record: Value = daemon.records()[0].clone();
    assert_eq!((&record["outcome"], &record["representative"]), (&json!("completed"), &json!("+16465550101")));
    drop(desk);
    visit.end();
}

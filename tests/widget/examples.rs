//! What a newcomer tries first: the page of docs/examples as it stands, and the demo's page.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::browser::Browser;
use crate::support::story::REPRESENTATIVES;
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};
use crate::{CARD, TYPED, Visit};

const EXAMPLE: &str = include_str!("../../docs/examples/button.html");

#[test]
fn the_page_of_the_examples_works_as_it_stands() {
    let visit = Visit::with("", &|equipment| {
        vec![("/", EXAMPLE.replace("https://calls.example", &format!("http://{equipment}")))]
    });
    let phone = visit.story.nobody(Tone::Customer);
    visit.open("/");
    visit.browser.click("[data-centre]");
    assert!(visit.until("Call me").starts_with("Ask our captain"), "{}", visit.shown());
    visit.ask();
    visit.until("Calling you… pick up");
    assert_eq!(visit.call()["representative"]["address"], REPRESENTATIVES[1]);
    visit.click("#stop");
    visit.until("The call is cancelled.");
    drop(phone);
    visit.end();
}

/// Killed also when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn the_demos_page_has_a_button_that_rings_its_own_phones() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbridge"));
    command.args(["demo", "--folder"]).arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = Running(command.spawn().expect("the demo runs"));
    let mut lines = BufReader::new(running.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let page = lines.find(|line| line.contains("as a page")).expect("the page's address");
    lines.find(|line| line.contains("Ctrl-C")).expect("the end of the first call");
    let browser = Browser::start(1100, 1000);
    browser.open(&format!("http://{}", page.split("http://").nth(1).expect("an address")));
    eventually("the script", PATIENCE, || (browser.run("return Boolean(window.callbridge)") == true).then_some(()));
    browser.click("[data-callbridge]");
    browser.type_into_found(&format!("return {CARD}.querySelector('#number')"), TYPED);
    browser.click_found(&format!("return {CARD}.querySelector('#call')"));
    let until = |text: &str| {
        eventually(text, PATIENCE, || {
            let shown = browser.run(&format!("return {CARD}.querySelector('.card')?.innerText ?? ''"));
            shown.as_str().is_some_and(|shown| shown.contains(text)).then_some(())
        });
    };
    until("Please hold, we are connecting you");
    until("Connected");
    until("The call has ended. Thank you.");
}

//! How it is delivered and how it looks: small, kept by browsers, in a telephone's window, in the dark, in a business's own colours.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::http::{Response, send};
use crate::support::tone::Tone;
use crate::{BUTTON, CARD, Visit, page};

/// Of issue 6.
const MOST_BYTES: usize = 15_000;

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[test]
fn the_script_is_small_and_kept_by_browsers_until_it_changes() {
    let story = crate::support::story::Story::begin();
    let ask =
        |headers: &[(&str, &str)]| send(story.daemon.http, "GET", "/widget.js", headers, None).expect("an answer");
    let answer = ask(&[]);
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("content-type", "text/javascript; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("access-control-allow-origin", "*"),
        ("cache-control", "public, max-age=3600, stale-while-revalidate=86400"),
    ] {
        assert_eq!(header(&answer, name), Some(value), "{}", answer.head);
    }
    let mut gzip = Command::new("gzip").arg("-9").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip");
    gzip.stdin.take().expect("a pipe").write_all(answer.body.as_bytes()).expect("gzip reads");
    let packed = gzip.wait_with_output().expect("gzip ends").stdout.len();
    assert!((1..MOST_BYTES).contains(&packed), "{packed} bytes");
    let tag = header(&answer, "etag").expect("a tag").to_owned();
    // Packed for whoever unpacks: what a browser loads.
    let packed = Command::new("curl")
        .args([
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{size_download} %header{content-encoding}",
            "-H",
            "Accept-Encoding: gzip",
        ])
        .arg(format!("http://{}/widget.js", story.daemon.http))
        .output()
        .expect("curl");
    let packed = String::from_utf8_lossy(&packed.stdout).into_owned();
    let (size, coding) = packed.split_once(' ').expect("two words");
    assert!(coding == "gzip" && size.parse::<usize>().is_ok_and(|size| (1..MOST_BYTES).contains(&size)), "{packed}");
    let again = ask(&[("If-None-Match", &tag)]);
    assert_eq!((again.status, again.body.as_str(), header(&again, "etag")), (304, "", Some(tag.as_str())));
    assert_eq!(ask(&[("If-None-Match", "\"another\"")]).status, 200);
    story.end();
}

#[test]
fn a_telephone_and_a_dark_room_are_at_home_in_it() {
    let visit = Visit::begin();
    let phone = visit.story.nobody(Tone::Customer);
    let fits = |state: &str| {
        let wide =
            visit.browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(wide, 0, "{state}: wider than the window");
        let inner = visit
            .browser
            .run(&format!("const c = {CARD}.querySelector('.card'); return c ? c.scrollWidth - c.clientWidth : 0"));
        assert_eq!(inner, 0, "{state}: the card is wider than itself");
        // WCAG 2.2, 2.5.8: nothing to press is smaller than a fingertip's least.
        let small = visit.browser.run(&format!(
            "return [...{CARD}.querySelectorAll('button, input, textarea')].filter((e) => {{ const r = (e.closest('label') || e).getBoundingClientRect(); \
             return r.width < 24 || r.height < 24; }}).map((e) => e.outerHTML)"
        ));
        assert_eq!(small, Value::Array(Vec::new()), "{state}");
        visit.assert_accessible(state);
        visit.picture(state);
    };
    visit.as_a_telephone(360, 740);
    visit.press_at("/cruises");
    fits("telephone-question");
    visit.in_the_dark();
    visit.press_at("/cruises");
    visit.click("#later");
    fits("telephone-dark-later");
    visit.click("#now");
    visit.ask();
    visit.until("Calling you… pick up");
    fits("telephone-dark-ringing");
    visit.click("#leave");
    fits("telephone-dark-pill");
    visit.as_a_telephone(1100, 900);
    visit.click("#pill");
    fits("dark-ringing");
    visit.click("#stop");
    visit.until("The call is cancelled.");
    fits("dark-cancelled");
    visit.click("#again");
    fits("dark-question");
    drop(phone);
    visit.end();
}

#[test]
fn a_business_gives_it_its_own_colours_without_touching_it() {
    let visit = Visit::with("", &|equipment| vec![("/", page(equipment, "Home", "data-theme=\"light\"", BUTTON))]);
    visit.in_the_dark();
    visit.open("/");
    visit.browser.run(
        "const sheet = new CSSStyleSheet(); sheet.replaceSync(':root { --callbridge-accent: rgb(120, 30, 90); --callbridge-radius: 4px; \
         --callbridge-font: Georgia, serif; } div, h2 { color: red !important; border: 9px solid }'); document.adoptedStyleSheets = [sheet]",
    );
    visit.browser.click("[data-callbridge]");
    visit.until("Call me");
    let style = |of: &str, what: &str| {
        visit.browser.run(&format!("return getComputedStyle({CARD}.querySelector({of:?})).{what}"))
    };
    assert_eq!(style("#call", "backgroundColor"), "rgb(120, 30, 90)");
    assert_eq!(style(".card", "borderTopLeftRadius"), "4px");
    assert_eq!(style("h2", "fontFamily"), "Georgia, serif");
    // The page asked for light, whatever the room; and the page's own rules stay outside.
    assert_eq!(
        (style(".card", "backgroundColor"), style("h2", "color")),
        (json!("rgb(255, 255, 255)"), json!("rgb(28, 36, 48)"))
    );
    visit.assert_accessible("its own colours");
    visit.picture("own-colours");
    visit.end();
}

//! The button (`/widget.js`) in Chromium, on the pages of a business's site, with the real daemon and real SIP phones behind it. Owns
//! the stage: a site under a strict policy, a visitor's browser, what the card shows, and axe's judgement of it; the stories are in tests/widget.

#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;

#[path = "widget/calls.rs"]
mod calls;
#[path = "widget/desk.rs"]
mod desk;
#[path = "widget/examples.rs"]
mod examples;
#[path = "widget/guards.rs"]
mod guards;
#[path = "widget/look.rs"]
mod look;
#[path = "widget/pages.rs"]
mod pages;
#[path = "widget/rules.rs"]
mod rules;
#[path = "widget/site.rs"]
mod site;

use std::path::Path;

use serde_json::{Value, json};
use site::{Site, page};
use support::browser::Browser;
use support::daemon::Setup;
use support::ports;
use support::story::{REPRESENTATIVES, Story};
use support::wait::{PATIENCE, eventually};

/// How an American writes the customer's number.
const TYPED: &str = "(212) 555-0100";
/// How it is shown.
const SHOWN: &str = "+1 212 555 0100";
const BUTTON: &str = "<button data-callbridge>Talk to us</button>";
const CARD: &str = "document.querySelector('[data-callbridge-card]').shadowRoot";
/// By what violations of axe are chosen: WCAG 2.2 AA and what is good practice besides.
const RULES: &str = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']";

/// A visitor at a business's site.
struct Visit {
    story: Story,
    site: Site,
    browser: Browser,
}

impl Visit {
    /// At a site whose every page has one button.
    fn begin() -> Visit {
        Visit::with("", &|equipment| {
            let all = [("/", "Home"), ("/cruises", "Cruises"), ("/contact", "Contact")];
            all.map(|(path, title)| (path, page(equipment, title, "", BUTTON))).to_vec()
        })
    }

    /// With further keys of `[business.direct]` and other pages, which are told where the equipment is.
    fn with(keys: &str, pages: &dyn Fn(&str) -> Vec<(&'static str, String)>) -> Visit {
        Visit::set_up(Setup::default(), keys, pages)
    }

    fn set_up(setup: Setup, keys: &str, pages: &dyn Fn(&str) -> Vec<(&'static str, String)>) -> Visit {
        let port = ports::port();
        let [sales, cruise, _] = REPRESENTATIVES;
        let more = format!(
            "{}[business.direct]\nallowed_origins = [\"http://127.0.0.1:{port}\"]\n\
             centres = {{ sales = \"{sales}\", cruise = \"{cruise}#sea\" }}\ndefault_centre = \"sales\"\n{keys}",
            setup.more
        );
        let story = Story::with(Setup { more, ..setup });
        let site = Site::start(port, story.daemon.http, pages(&story.daemon.http.to_string()));
        Visit { story, site, browser: Browser::start(1100, 900) }
    }

    fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.site.origin()));
        eventually("the script", PATIENCE, || {
            (self.browser.run("return Boolean(window.callbridge)") == true).then_some(())
        });
    }

    /// Opens this page and presses its button.
    fn press_at(&self, path: &str) {
        self.open(path);
        self.browser.click("[data-callbridge]");
        self.until("Call me");
    }

    /// What the card or the pill shows, as text.
    fn shown(&self) -> String {
        let script = format!("return {CARD}.querySelector('.card, .pill')?.innerText ?? ''");
        let here = self.browser.run("return Boolean(document.querySelector('[data-callbridge-card]'))");
        if here != true {
            return String::new();
        }
        self.browser.run(&script).as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn until(&self, text: &str) -> String {
        let mut last = String::new();
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            last = self.shown();
            if last.contains(text) {
                return last;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("no {text:?} on the card within {PATIENCE:?}: {last:?}; {:?}", self.browser.complaints());
    }

    fn within(&self, selector: &str) -> String {
        format!("return {CARD}.querySelector({selector:?})")
    }

    #[track_caller]
    fn has(&self, selector: &str) -> bool {
        self.browser.run(&format!("return Boolean({CARD}.querySelector({selector:?}))")) == true
    }

    #[track_caller]
    fn click(&self, selector: &str) {
        self.browser.click_found(&self.within(selector));
    }

    #[track_caller]
    fn type_into(&self, selector: &str, text: &str) {
        self.browser.type_into_found(&self.within(selector), text);
    }

    /// The text of one element of the card.
    #[track_caller]
    fn text(&self, selector: &str) -> String {
        let text = self.browser.run(&format!("return {CARD}.querySelector({selector:?})?.textContent ?? null"));
        text.as_str().unwrap_or_else(|| panic!("no {selector} on the card: {}", self.shown())).to_owned()
    }

    /// Where the keyboard is: the identifier of a part of the card, or the text of a part of the page.
    fn focus(&self) -> String {
        let script = "const at = document.activeElement; const inner = at.shadowRoot?.activeElement; return inner ? inner.id : at.innerText";
        self.browser.run(script).as_str().unwrap_or_default().to_owned()
    }

    /// From now on, all that a screen reader is told.
    fn listen(&self) {
        let script = format!(
            "window.said = []; const told = {CARD}.querySelector('[role=status]'); \
             new MutationObserver(() => said.push(told.textContent)).observe(told, {{ childList: true, characterData: true, subtree: true }})"
        );
        self.browser.run(&script);
    }

    fn heard(&self) -> Vec<String> {
        let said = self.browser.run("return window.said");
        let said = said.as_array().cloned().unwrap_or_default();
        said.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    }

    /// Asks for a call to the customer's phone from the question that is open.
    fn ask(&self) {
        self.type_into("#number", TYPED);
        self.click("#call");
    }

    /// The newest call of the business as the business sees it.
    #[track_caller]
    fn call(&self) -> Value {
        let calls = self.story.daemon.api("GET", "/v1/calls", None).json();
        let mut all = calls["calls"].as_array().cloned().unwrap_or_default();
        all.sort_by_key(|call| call["created_at"].as_str().map(str::to_owned));
        let id = all.last().expect("a call")["id"].as_str().expect("its identifier").to_owned();
        self.story.daemon.api("GET", &format!("/v1/calls/{id}"), None).json()
    }

    /// axe finds nothing on this page, the card included.
    #[track_caller]
    fn assert_accessible(&self, state: &str) {
        let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/axe/axe_playwright_python/axe.min.js");
        let source = std::fs::read_to_string(&axe).expect("axe-core is missing: run ./check tools");
        // What comes in with a movement is judged when it is there.
        let script = format!(
            "if (!window.axe) {{ {source}; }}\n\
             const moving = {CARD}.getAnimations().filter((a) => a.effect.getTiming().iterations === 1);\n\
             return Promise.all(moving.map((a) => a.finished)).then(() => \
                axe.run(document, {{ runOnly: {RULES}, resultTypes: ['violations'] }})).then((r) => ({{ of: r.passes.length, \
                wrong: r.violations.map((v) => `${{v.id}}: ${{v.help}}: ${{v.nodes.map((n) => n.html + ' ' + n.failureSummary).join(' | ')}}`) }}))"
        );
        let verdict = self.browser.run(&script);
        assert_eq!(verdict["wrong"], json!([]), "{state}: {verdict:#}");
        assert!(verdict["of"].as_u64().is_some_and(|rules| rules > 10), "{state}: axe judged nothing: {verdict}");
    }

    /// A picture for people to look at, where `WIDGET_PICTURES` names a folder.
    fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("WIDGET_PICTURES") {
            let moving = format!(
                "return Promise.all({CARD}.getAnimations().filter((a) => a.effect.getTiming().iterations === 1).map((a) => a.finished)).then(() => 0)"
            );
            self.browser.run(&moving);
            self.browser.screenshot(&Path::new(&folder).join(format!("{name}.png")));
        }
    }

    /// A telephone's window.
    fn as_a_telephone(&self, width: u32, height: u32) {
        let window = json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": true });
        self.browser.devtools("Emulation.setDeviceMetricsOverride", &window);
    }

    fn in_the_dark(&self) {
        let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
        self.browser.devtools("Emulation.setEmulatedMedia", &dark);
    }

    /// Nothing was blocked, nothing failed, nothing is left.
    #[track_caller]
    fn end(self) {
        assert_eq!(self.browser.complaints(), Vec::<String>::new(), "nothing was blocked or failed");
        drop(self.browser);
        self.story.end();
    }
}

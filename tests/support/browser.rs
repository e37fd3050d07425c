//! Chromium, headless, by the WebDriver protocol (W3C): JSON over HTTP to chromedriver, which is of Debian. Owns the driver's process and
//! the few commands that pages are tried with; the protocol is small enough that `support::http` speaks it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};

use base64::Engine as _;
use serde_json::{Value, json};

use super::http::send;
use super::ports::{self, loopback};
use super::wait::{PATIENCE, eventually};

/// The key under which an element is named (WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// So many stories at once have a browser in one test program: a page is to answer in a person's time also where many run side by side.
const AT_ONCE: usize = 3;
static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

thread_local! {
    /// Browsers of this story: only its first one waits, or two stories could wait for each other.
    static OWN: Cell<usize> = const { Cell::new(0) };
}

/// The right to run a browser.
struct Place;

impl Place {
    fn wait() -> Place {
        if OWN.replace(OWN.get() + 1) == 0 {
            let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            let free = ENDED.wait_while(running, |running| *running >= AT_ONCE);
            *free.unwrap_or_else(PoisonError::into_inner) += 1;
        }
        Place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if OWN.replace(OWN.get() - 1) == 1 {
            *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            ENDED.notify_one();
        }
    }
}

/// A browser with one window.
pub struct Browser {
    _place: Place,
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Browser {
    /// Starts chromedriver, and a window of this size.
    pub fn start(width: u32, height: u32) -> Browser {
        let place = Place::wait();
        let port = ports::port();
        let address = loopback(port);
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver (Debian package chromium-driver)");
        let mut browser = Browser { _place: place, driver, address, session: String::new() };
        eventually("chromedriver", PATIENCE, || {
            let status = send(address, "GET", "/status", &[], None).ok()?;
            (status.json()["value"]["ready"] == true).then_some(())
        });
        let size = format!("--window-size={width},{height}");
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &size];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let begun = browser.post("/session", &wanted);
        browser.session = begun["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.post(&self.path("url"), &json!({ "url": url }));
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.get(&self.path("url")).as_str().expect("a URL").to_owned()
    }

    /// Runs a function's body in the page; gives what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.post(&self.path("execute/sync"), &json!({ "script": script, "args": [] }))
    }

    /// What the page shows, as text.
    pub fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows this text.
    #[track_caller]
    pub fn until_it_shows(&self, text: &str) -> String {
        eventually(&format!("{text:?} on the page"), PATIENCE, || {
            Some(self.text()).filter(|shown| shown.contains(text))
        })
    }

    /// Types into the element of this selector.
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&self.path(&format!("element/{element}/value")), &json!({ "text": text }));
    }

    /// Clicks the element of this selector.
    pub fn click(&self, selector: &str) {
        // A part of a page that is alive may be made anew between looking and clicking.
        eventually(&format!("{selector} to stay for a click"), PATIENCE, || {
            let element = self.element(selector);
            let path = self.path(&format!("element/{element}/click"));
            let answer = send(self.address, "POST", &path, &[], Some(&json!({}))).expect("an answer of chromedriver");
            let gone = answer.json()["value"]["error"] == "stale element reference";
            assert!(gone || answer.status == 200, "click {selector}: {}", answer.body);
            (!gone).then_some(())
        });
    }

    /// Types into the element that a function's body returns, such as one within a shadow root.
    pub fn type_into_found(&self, script: &str, text: &str) {
        let element = self.found(script);
        self.post(&self.path(&format!("element/{element}/value")), &json!({ "text": text }));
    }

    /// Clicks the element that a function's body returns.
    pub fn click_found(&self, script: &str) {
        let element = self.found(script);
        self.post(&self.path(&format!("element/{element}/click")), &json!({}));
    }

    /// A command of the DevTools protocol, for what WebDriver has no word for: a telephone's window, a dark room.
    pub fn devtools(&self, command: &str, parameters: &Value) {
        self.post(&self.path("goog/cdp/execute"), &json!({ "cmd": command, "params": parameters }));
    }

    /// Presses keys, one after the other, wherever the focus is (WebDriver §17.4.2 names those without a letter).
    pub fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        self.post(
            &self.path("actions"),
            &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }),
        );
    }

    /// What the page complained of in its console: nothing, if all is well.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post(&self.path("se/log"), &json!({ "type": "browser" }));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// axe (WCAG 2.2 AA, and what is good practice besides) finds nothing on the page.
    #[track_caller]
    pub fn assert_accessible(&self, state: &str) {
        let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/axe/axe_playwright_python/axe.min.js");
        let source = std::fs::read_to_string(&axe).expect("axe-core is missing: run ./check tools");
        let rules = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']";
        let script = format!(
            "if (!window.axe) {{ {source}; }}\n\
             return axe.run(document, {{ runOnly: {rules}, resultTypes: ['violations'] }}).then((r) => ({{ of: r.passes.length, \
                wrong: r.violations.map((v) => `${{v.id}}: ${{v.help}}: ${{v.nodes.map((n) => n.html + ' ' + n.failureSummary).join(' | ')}}`) }}))"
        );
        let verdict = self.run(&script);
        assert_eq!(verdict["wrong"], json!([]), "{state}: {verdict:#}");
        assert!(verdict["of"].as_u64().is_some_and(|rules| rules > 10), "{state}: axe judged nothing: {verdict}");
    }

    /// A picture of the window, as a PNG file.
    pub fn screenshot(&self, file: &Path) {
        let picture = self.get(&self.path("screenshot"));
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().expect("a picture"));
        std::fs::write(file, bytes.expect("base64")).expect("a file");
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post(&self.path("element"), &json!({ "using": "css selector", "value": selector }));
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("no element {selector}: {found}")).to_owned()
    }

    fn found(&self, script: &str) -> String {
        let found = self.run(script);
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("no element by {script}: {found}")).to_owned()
    }

    fn path(&self, command: &str) -> String {
        format!("/session/{}/{command}", self.session)
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        self.answer("POST", path, Some(body))
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.answer("GET", path, None)
    }

    #[track_caller]
    fn answer(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = send(self.address, method, path, &[], body).expect("an answer of chromedriver");
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.json()["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; the driver itself is ours to end.
        let _ended = send(self.address, "DELETE", &format!("/session/{}", self.session), &[], None);
        let _killed = self.driver.kill();
        let _reaped = self.driver.wait();
    }
}

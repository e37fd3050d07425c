//! The real `callbridge storefront` as a child process, and people in front of it: browsers without scripts that keep cookies and fill in the
//! forms of its pages. Owns the process and its folder; both are gone when the guard is.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::http::Credentials;
use crate::support::log::Log;
use crate::support::ports::{self, loopback};
use crate::support::wait::{PATIENCE, eventually};

/// One equipment of the configuration.
pub struct Equipment<'a> {
    pub at: SocketAddr,
    pub who: &'a Credentials,
    pub cost: u32,
}

/// A running Web server of a business.
pub struct Shop {
    process: Child,
    log: Log,
    told: Log,
    /// What its later lives said.
    again: Vec<Log>,
    folder: tempfile::TempDir,
    /// Where its pages are.
    pub http: SocketAddr,
}

impl Shop {
    /// With the sample, and these further sections of its file.
    pub fn start(name: &str, equipments: &[Equipment<'_>], more: &str) -> Shop {
        let folder = tempfile::tempdir().expect("a folder for the storefront");
        let http = loopback(ports::port());
        let mut text = format!(
            "[http]\nlisten = \"{http}\"\n[company]\nname = \"{name}\"\n[calls]\nmax_per_number = 100\nmax_per_source = 1000\n{more}"
        );
        for (at, Equipment { at: address, who, cost }) in equipments.iter().enumerate() {
            fs::write(folder.path().join(format!("password-{at}")), format!("{}\n", who.password)).expect("a password");
            text.push_str(&format!(
                "[[equipment]]\nname = \"e{at}\"\nurl = \"http://{address}\"\nbusiness = \"{}\"\npassword_file = \"password-{at}\"\ncost = {cost}\n",
                who.id
            ));
        }
        fs::write(folder.path().join("storefront.toml"), text).expect("the configuration");
        let (process, log, told) = serve(folder.path());
        let mut shop = Shop { process, log, told, again: Vec::new(), folder, http };
        shop.wait_until_ready();
        shop
    }

    fn wait_until_ready(&mut self) {
        eventually("the storefront to say `ready`", PATIENCE, || {
            let gone = self.process.try_wait().ok().flatten();
            assert!(gone.is_none(), "the storefront left at once ({gone:?}):\n{}", self.log.text());
            self.log.lines().iter().any(|line| line.split([' ', '"']).any(|word| word == "ready")).then_some(())
        });
    }

    /// kill -9, and again in the same folder at the same address.
    pub fn crash_and_restart(&mut self) {
        self.process.kill().expect("a child of ours");
        self.process.wait().expect("a child of ours");
        let (process, log, told) = serve(self.folder.path());
        (self.process, self.log) = (process, log);
        self.again.push(told);
        self.wait_until_ready();
    }

    /// The password of somebody of the sample.
    #[track_caller]
    pub fn password(&self, name: &str) -> String {
        let said = |line: &String| {
            line.contains(&format!(" {name} password ")).then(|| line.rsplit(' ').next().map(str::to_owned))
        };
        eventually("the sample's passwords", PATIENCE, || self.told.lines().iter().find_map(said).flatten())
    }

    /// A stranger's browser.
    pub fn visitor(&self) -> Visitor {
        Visitor { at: self.http, cookies: BTreeMap::new() }
    }

    /// A representative of the sample, logged on.
    #[track_caller]
    pub fn desk(&self, name: &str) -> Visitor {
        let mut desk = self.visitor();
        desk.get("/desk/login");
        let answer = desk.submit("/desk/login", &[("id", name), ("password", &self.password(name))]);
        assert_eq!((answer.status, answer.location().as_str()), (303, "/desk"), "{}", answer.body);
        desk
    }

    /// What the store says, by one question.
    pub fn stored(&self, sql: &str) -> Vec<String> {
        let store = rusqlite::Connection::open(self.folder.path().join("storefront.db")).expect("the store");
        let mut statement = store.prepare(sql).expect("SQL");
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
        rows.map(|row| row.expect("text")).collect()
    }

    /// Changes the store behind its back.
    pub fn write(&self, sql: &str) {
        let store = rusqlite::Connection::open(self.folder.path().join("storefront.db")).expect("the store");
        store.busy_timeout(Duration::from_secs(5)).expect("a patient connection");
        store.execute_batch(sql).expect("SQL");
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.text()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        if std::thread::panicking() {
            eprintln!("---- callbridge storefront\n{}", self.log.text());
        }
    }
}

fn serve(folder: &Path) -> (Child, Log, Log) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_callbridge"))
        .args(["storefront", "--config", "storefront.toml", "--sample"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("callbridge storefront");
    let (out, err) = (process.stdout.take().expect("a pipe"), process.stderr.take().expect("a pipe"));
    (process, Log::follow(err), Log::follow(out))
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Where it leads.
    pub fn location(&self) -> String {
        self.header("location").unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }
}

/// A browser without scripts.
pub struct Visitor {
    at: SocketAddr,
    /// By name, with the path that they are for.
    cookies: BTreeMap<String, (String, String)>,
}

impl Visitor {
    /// Opens a page.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// Waits until a page says this.
    #[track_caller]
    pub fn until(&mut self, path: &str, text: &str) -> String {
        let mut last = String::new();
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            last = self.get(path).body;
            if last.contains(text) {
                return last;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{path} does not say {text:?}:\n{last}");
    }

    /// Fills in the form that `path`'s page has, and sends it from there.
    #[track_caller]
    pub fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = match path {
            "/cart" | "/orders" => "/cart",
            "/desk/login" => "/desk/login",
            "/wallboard/login" => "/wallboard/login",
            path if path.starts_with("/wallboard") => "/wallboard",
            path if path.starts_with("/desk") => "/desk",
            path if path.starts_with("/talk") => "/talk",
            path => path,
        };
        let page = self.get(page).body;
        let token = page.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let token = token.unwrap_or_else(|| panic!("no token in the page of {path}:\n{page}")).to_owned();
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("token", token.as_str())]).collect();
        self.post(path, &format!("http://{}", self.at), &fields)
    }

    /// Sends a form that says that it comes from `origin`.
    #[track_caller]
    pub fn post(&mut self, path: &str, origin: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", path, &[("Origin", origin), ("Content-Type", "application/x-www-form-urlencoded")], &body)
    }

    /// What the button sends.
    #[track_caller]
    pub fn ask(&mut self, message: &Value) -> Answer {
        let origin = format!("http://{}", self.at);
        self.send(
            "POST",
            "/call-requests",
            &[("Origin", &origin), ("Content-Type", "application/json")],
            &message.to_string(),
        )
    }

    /// One request with these header lines.
    #[track_caller]
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.at).expect("the storefront listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        let mut message = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.at);
        let for_this = self.cookies.iter().filter(|(_, (_, on))| path.starts_with(on.as_str()));
        let cookies: Vec<String> = for_this.map(|(name, (value, _))| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            message.push_str(&format!("Cookie: {}\r\n", cookies.join("; ")));
        }
        headers.iter().for_each(|(name, value)| message.push_str(&format!("{name}: {value}\r\n")));
        message.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(message.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("a whole answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        for line in head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            self.keep(line);
        }
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn keep(&mut self, line: &str) {
        let mut parts = line.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        let parts: Vec<&str> = parts.collect();
        assert!(parts.contains(&"HttpOnly") && parts.iter().any(|part| part.starts_with("SameSite=")), "{line}");
        let path = parts.iter().find_map(|part| part.strip_prefix("Path=")).unwrap_or("/");
        if parts.contains(&"Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), (value.to_owned(), path.to_owned()));
        }
    }
}

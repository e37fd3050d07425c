//! The real daemon as a child process: its configuration, its life and death, and what it says of itself. Owns the process
//! and its folder; both are gone when the guard is.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use super::http::{self, Credentials, Response};
use super::log::Log;
use super::ports::{self, loopback};
use super::tone::Tone;
use super::wait::{PATIENCE, eventually};

const PROGRAM: &str = env!("CARGO_BIN_EXE_callbridge");
const PASSWORD: &str = "open sesame, please";

/// A softswitch of the configuration.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Its name in records.
    pub name: &'static str,
    /// Its SIP port on loopback.
    pub port: u16,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'static str,
    /// Which numbers it serves.
    pub prefixes: Vec<&'static str>,
    /// Further keys of `[[switch]]`, their values as TOML.
    pub keys: Vec<(&'static str, String)>,
}

impl Switch {
    /// One that speaks UDP, with defaults.
    pub fn new(name: &'static str, port: u16, prefixes: &[&'static str]) -> Switch {
        Switch { name, port, transport: "udp", prefixes: prefixes.to_vec(), keys: Vec::new() }
    }
}

/// How the messages to the customer sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Messages {
    /// Each is a tone of its own, so that a phone can tell them apart.
    Tones,
    /// Spoken as in real life.
    Spoken,
}

/// What differs from one test's daemon to another's.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where INVITEs go.
    pub switches: Vec<Switch>,
    /// Keys of `[call]`.
    pub call: Vec<(&'static str, u32)>,
    /// What the customer hears.
    pub messages: Messages,
    /// How long the message is, where it is a tone.
    pub prompt_seconds: f64,
    /// How many RTP ports it may use.
    pub rtp_ports: u16,
    /// Over what it listens for SIP, all at one port: `udp`, `tcp` or `tls`.
    pub listen: Vec<&'static str>,
    /// Further keys of `[sip]`, their values as TOML.
    pub sip: Vec<(&'static str, String)>,
    /// How the two switches of a story are spoken to.
    pub transport: &'static str,
    /// Further keys of both switches of a story, their values as TOML.
    pub trunk: Vec<(&'static str, String)>,
    /// `url` of `[store]`; a SQLite file in the daemon's folder where nothing is said.
    pub store: Option<String>,
    /// Further sections, as they stand in the file.
    pub more: String,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            switches: Vec::new(),
            call: Vec::new(),
            messages: Messages::Tones,
            prompt_seconds: 5.0,
            rtp_ports: 16,
            listen: vec!["udp"],
            sip: Vec::new(),
            transport: "udp",
            trunk: Vec::new(),
            store: None,
            more: String::new(),
        }
    }
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    process: Child,
    log: Log,
    folder: tempfile::TempDir,
    /// Where its API listens.
    pub http: SocketAddr,
    /// Where its metrics are.
    pub admin: SocketAddr,
    /// Where its SIP listens.
    pub sip: SocketAddr,
    /// The business of every test.
    pub business: Credentials,
}

impl Daemon {
    /// Writes the configuration, starts the daemon, waits until it says that it is ready.
    pub fn start(setup: &Setup) -> Daemon {
        let folder = tempfile::tempdir().expect("a folder for the daemon");
        let [http, admin, sip] = [(); 3].map(|()| loopback(ports::port()));
        let text = configuration(folder.path(), setup, [http, admin, sip]);
        fs::write(folder.path().join("callbridge.toml"), text).expect("the configuration");
        fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).expect("the password file");
        if setup.messages == Messages::Tones {
            Tone::Prompt.write_wav(&folder.path().join("prompt.wav"), setup.prompt_seconds);
            Tone::Unavailable.write_wav(&folder.path().join("unavailable.wav"), 1.0);
            Tone::HoldMusic.write_wav(&folder.path().join("hold.wav"), 2.0);
        }
        let (process, log) = serve(folder.path());
        let business = Credentials { id: "abc".into(), password: PASSWORD.into() };
        let mut daemon = Daemon { process, log, folder, http, admin, sip, business };
        daemon.wait_until_ready();
        daemon
    }

    fn wait_until_ready(&mut self) {
        eventually("the daemon to say `ready`", PATIENCE, || {
            let gone = self.process.try_wait().ok().flatten();
            assert!(gone.is_none(), "the daemon left at once ({gone:?}):\n{}", self.log.text());
            self.log.lines().iter().any(|line| line.split([' ', '"']).any(|w| w == "ready")).then_some(())
        });
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("callbridge.toml")
    }

    /// A request in the name of the business.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        http::request(self.http, method, path, Some(&self.business), body)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}\n{}", self.log.text()))
    }

    /// All metrics as text.
    pub fn metrics(&self) -> String {
        http::request(self.admin, "GET", "/metrics", None, None).map(|r| r.body).unwrap_or_default()
    }

    /// The sum of a metric over the label sets that contain `labels` (such as `reason="rate"`); 0 when there is none.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let metrics = self.metrics();
        let values = metrics.lines().filter_map(|line| {
            let (key, value) = line.rsplit_once(' ')?;
            let (own, set) = key.split_once('{').unwrap_or((key, ""));
            (own == name && set.contains(labels)).then(|| value.parse::<f64>().ok()).flatten()
        });
        values.sum()
    }

    /// All records of the business, through the API.
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        let answer = self.api("GET", "/v1/cdrs?limit=200", None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["records"].as_array().expect("records").clone()
    }

    /// All records as `callbridge cdr` prints them, one a line; needs no running daemon.
    pub fn printed_records(&self) -> Vec<Value> {
        let output = Command::new(PROGRAM)
            .args(["cdr", "--format", "jsonl", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .output()
            .expect("callbridge cdr");
        assert!(output.status.success(), "callbridge cdr: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill().expect("a child of ours");
        self.process.wait().expect("a child of ours");
    }

    /// Starts it again in the same folder, on the same ports.
    pub fn restart(&mut self) {
        (self.process, self.log) = serve(self.folder.path());
        self.wait_until_ready();
    }

    /// SIGHUP.
    pub fn ask_to_reload(&self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("a child of ours");
    }

    /// SIGTERM.
    pub fn ask_to_stop(&self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a child of ours");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        eventually("the daemon to end", PATIENCE, || self.process.try_wait().expect("a child of ours"))
    }

    /// What it has logged since it was started.
    pub fn log(&self) -> String {
        self.log.text()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.process.kill().ok();
            self.process.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("---- callbridge serve\n{}", self.log.text());
        }
    }
}

fn serve(folder: &Path) -> (Child, Log) {
    let mut process = Command::new(PROGRAM)
        .args(["serve", "--config", "callbridge.toml"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("callbridge serve");
    let stderr = process.stderr.take().expect("a pipe");
    (process, Log::follow(stderr))
}

fn configuration(folder: &Path, setup: &Setup, [http, admin, sip]: [SocketAddr; 3]) -> String {
    let first = ports::block(setup.rtp_ports);
    let last = first + setup.rtp_ports - 1;
    let folder = folder.display();
    let listen: Vec<String> = setup.listen.iter().map(|transport| format!("{transport}:{sip}")).collect();
    let store = setup.store.clone().unwrap_or_else(|| format!("sqlite:{folder}/callbridge.db"));
    let mut text = format!("[http]\nlisten = \"{http}\"\n[admin]\nlisten = \"{admin}\"\n[sip]\n");
    // Without, the story says itself where it listens.
    if !listen.is_empty() {
        writeln!(text, "listen = {listen:?}").expect("a string takes all");
    }
    push_keys(&mut text, &setup.sip);
    text.push_str(&format!(
        "[media]\naddress = \"127.0.0.1\"\nports = \"{first}-{last}\"\n\
         [store]\nurl = \"{store}\"\n[call]\n"
    ));
    for (key, seconds) in &setup.call {
        writeln!(text, "{key} = {seconds}").expect("a string takes all");
    }
    if setup.messages == Messages::Tones {
        text.push_str(&format!(
            "[prompt]\nfile = \"{folder}/prompt.wav\"\nunavailable_file = \"{folder}/unavailable.wav\"\n\
             hold_music = \"{folder}/hold.wav\"\n"
        ));
    }
    for switch in &setup.switches {
        let Switch { name, port, transport, prefixes, keys } = switch;
        text.push_str(&format!(
            "[[switch]]\nname = \"{name}\"\nprefixes = {prefixes:?}\naddress = \"sip:127.0.0.1:{port};transport={transport}\"\n"
        ));
        push_keys(&mut text, keys);
    }
    text.push_str(&format!(
        "[[business]]\nid = \"abc\"\nname = \"ABC\"\npassword_file = \"{folder}/password\"\n\
         max_concurrent = 200\nmax_per_second = 200\nduplicates = \"allow\"\n"
    ));
    text.push_str(&setup.more);
    text
}

fn push_keys(text: &mut String, keys: &[(&'static str, String)]) {
    for (key, value) in keys {
        writeln!(text, "{key} = {value}").expect("a string takes all");
    }
}

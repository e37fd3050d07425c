//! `callbridge demo` as a newcomer runs it: the real binary, judged by its exit code, its ladder and the files it leaves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use callbridge::audio::level::measure;
use callbridge::audio::tone::windows_heard;
use callbridge::audio::wav;

/// The tones in the two persons' voices, as `src/demo/voices.rs` has them.
const CUSTOMER_HZ: f64 = 951.3;
const REPRESENTATIVE_HZ: f64 = 1251.7;

fn demo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbridge"));
    command.args(["demo", "--folder"]).arg(folder).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn once(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.arg("--once").output().expect("the demo runs");
    let text = String::from_utf8(stdout).expect("UTF-8");
    assert!(status.success(), "{status}\n{text}\n{}", String::from_utf8_lossy(&stderr));
    text
}

fn heard(folder: &Path, name: &str) -> Vec<i16> {
    wav::read(&std::fs::read(folder.join(name)).expect(name)).expect(name)
}

fn assert_proven(folder: &Path, text: &str) {
    for message in [
        "INVITE",
        "180 Ringing",
        "200 OK",
        "ACK",
        "BYE",
        "bridged; audio crossed both ways",
        "POST /call-requests",
        "desk shows +12125550100, on \"Caribbean",
        "the order that came back is stored",
    ] {
        assert!(text.contains(message), "no {message} in\n{text}");
    }
    let (customer, representative) = (heard(folder, "customer-heard.wav"), heard(folder, "representative-heard.wav"));
    assert!(windows_heard(&customer, REPRESENTATIVE_HZ, 160) >= 50 && windows_heard(&customer, CUSTOMER_HZ, 160) < 5);
    assert!(windows_heard(&representative, CUSTOMER_HZ, 160) >= 25);
    let message = &customer[..24_000];
    assert!(measure(message).is_like_speech(), "the message is speech: {:?}", measure(message));
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("record.json")).expect("record.json")).expect("JSON");
    assert_eq!((&record["outcome"], &record["customer"]), (&"completed".into(), &"+12125550100".into()));
}

#[test]
fn once_proves_a_call_also_twice_in_one_folder_and_without_a_speech_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let spoken = once(&mut demo(folder.path()));
    assert_proven(folder.path(), &spoken);
    assert!(spoken.contains("spoken by flite"), "{spoken}");
    // An empty search path: no speech program is found, and the shipped recordings are heard.
    let shipped = once(demo(folder.path()).env("PATH", "/nowhere"));
    assert_proven(folder.path(), &shipped);
    assert!(shipped.contains("recordings that callbridge ships"), "{shipped}");
}

/// Killed also when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// One HTTP/1.1 exchange with the page.
fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the page's server");
    write!(stream, "{request}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn the_page_shows_the_call_plays_both_sides_and_places_it_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = Running(demo(folder.path()).spawn().expect("the demo runs"));
    let mut lines = BufReader::new(running.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let page = lines.find(|line| line.contains("as a page")).expect("the page's address");
    let address = page.split("http://").nth(1).expect("an address").trim_end_matches('/').to_owned();
    lines.find(|line| line.contains("Ctrl-C")).expect("the end of the first call");
    let html = exchange(&address, "GET / HTTP/1.1");
    assert!(
        html.contains("content-security-policy") && html.contains("<audio") && html.contains("data-callbridge"),
        "{html}"
    );
    // The one thing that is not the page's own is its daemon's button.
    assert_eq!((html.matches("src=\"http").count(), html.matches("/widget.js\"").count()), (1, 1), "{html}");
    let state = exchange(&address, "GET /state HTTP/1.1");
    assert!(state.contains("INVITE") && state.contains("audio crossed both ways"), "{state}");
    let recording = exchange(&address, "GET /files/customer-heard.wav HTTP/1.1");
    assert!(recording.starts_with("HTTP/1.1 200") && recording.contains("RIFF"));
    assert!(exchange(&address, "GET /files/demo.toml HTTP/1.1").starts_with("HTTP/1.1 404"));
    assert!(exchange(&address, "POST /again HTTP/1.1").starts_with("HTTP/1.1 403"), "another site's page may not");
    assert!(exchange(&address, "POST /again HTTP/1.1\r\nX-Callbridge-Demo: 1").starts_with("HTTP/1.1 202"));
    let verdict = lines.find(|line| line.starts_with("verdict")).expect("the second call's verdict");
    assert!(verdict.contains("audio crossed both ways"), "{verdict}");
    lines.find(|line| line.contains("Ctrl-C")).expect("the end of the second call");
    let id = running.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    assert!(running.0.wait().expect("its end").success());
}

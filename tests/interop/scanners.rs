//! sipvicious' other two tools beside live calls: svwar, which looks for extensions, and svcrack, which guesses a password. From a
//! stranger's address they meet silence, from a switch's own address one refusal that is the same for everybody.

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::flood::nobody_noticed;
use crate::support::daemon::{Daemon, Setup};
use crate::support::ports::{self, loopback};
use crate::support::story::{CUSTOMER, Call, REPRESENTATIVES, Story};
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

const CALLS: u32 = 10;
/// What they look for: numbers and names that calls are just being made with, and some that nobody has.
const EXTENSIONS: [&str; 7] = [CUSTOMER, REPRESENTATIVES[0], "abc", "callbridge", "100", "101", "admin"];

/// Both tools take `-b` and forget it: this binds their socket for them, lets it wait for 2 s at most (loopback is quick), and
/// changes nothing else.
const BOUND: &str = "
import os, runpy, socket, sys
address, tool = sys.argv[1], sys.argv[2]
class Bound(socket.socket):
    def bind(self, at):
        super().bind((address, at[1]))
    def settimeout(self, seconds):
        super().settimeout(min(seconds, 2))
socket.socket = Bound
sys.argv = sys.argv[2:]
sys.path.insert(0, os.path.dirname(os.path.realpath(tool)))
runpy.run_path(tool, run_name='__main__')
";

/// Runs one of them against the daemon from this address. Gives all that it said.
fn scan(tool: &str, from: &str, daemon: &Daemon, arguments: &[&str]) -> String {
    let [at, own] = [daemon.sip.port(), ports::port()].map(|port| port.to_string());
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", BOUND, from, &format!("/usr/bin/{tool}"), "-p", &at, "-P", &own, "--maximumtime=2"]);
    let output = command.args(arguments).args(["127.0.0.1"]).stdin(Stdio::null()).output();
    let output = output.expect("the Debian packages python3 and sipvicious");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What this extension answers to a request of this method, but for the line that names it.
fn answer(socket: &UdpSocket, daemon: &Daemon, method: &str, extension: &str) -> Vec<String> {
    let own = socket.local_addr().expect("its address");
    let request = format!(
        "{method} sip:{extension}@{0} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{method};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:scanner@{own}>;tag=1\r\nTo: <sip:{extension}@{0}>\r\nCall-ID: {method}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:scanner@{own}>\r\nContent-Length: 0\r\n\r\n",
        daemon.sip
    );
    socket.send_to(request.as_bytes(), daemon.sip).expect("loopback takes a datagram");
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer).expect("an answer");
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    text.lines().filter(|line| !line.starts_with("To: ")).map(str::to_owned).collect()
}

/// svwar by every method that it knows, among them numbers that calls are being made to; svcrack for one of them. All at once.
fn everything_from(from: &str, daemon: &Daemon, list: &str) -> Vec<String> {
    let by_method = |method| scan("svwar", from, daemon, &["-m", method, "-d", list, "--force"]);
    std::thread::scope(|scope| {
        let wars = ["REGISTER", "OPTIONS", "INVITE"].map(|method| scope.spawn(move || by_method(method)));
        let crack = scope.spawn(|| scan("svcrack", from, daemon, &["-u", CUSTOMER, "-r", "1000-1020"]));
        wars.into_iter().chain([crack]).map(|tool| tool.join().expect("a scanner's thread")).collect()
    })
}

#[test]
fn no_scanner_tells_extensions_apart_or_guesses_a_password_and_no_call_notices() {
    let story = Story::with(Setup { rtp_ports: 60, prompt_seconds: 0.2, ..Setup::default() });
    let [customers, representatives] = [Tone::Customer, Tone::Representative]
        .map(|who| story.phone(who, "phone-answers-and-is-hung-up", |phone| phone.calls = CALLS));
    let calls: Vec<_> = (0..CALLS).map(|_| story.call()).collect();
    let daemon = &story.daemon;
    eventually("every call to be bridged", PATIENCE, || {
        (daemon.metric("callbridge_calls_active", "state=\"bridged\"") == f64::from(CALLS)).then_some(())
    });
    let folder = tempfile::tempdir().expect("a folder for the list of extensions");
    let list = folder.path().join("extensions");
    std::fs::write(&list, EXTENSIONS.join("\n")).expect("the list of extensions");
    let list = list.display().to_string();
    let sent = |method: &str, status: &str| {
        let labels = format!("direction=\"out\",method=\"{method}\",status=\"{status}");
        daemon.metric("callbridge_sip_messages_total", &labels)
    };
    let before = [sent("INVITE", ""), daemon.metric("callbridge_calls_total", "")];

    let since = Instant::now();
    for said in everything_from("127.0.0.66", daemon, &list) {
        assert!(said.contains("found nothing"), "a stranger: {said}");
    }
    assert!(daemon.metric("callbridge_rejected_total", "sip_stranger") >= 4.0, "each tool came as a stranger");
    assert_eq!([sent("REGISTER", ""), sent("OPTIONS", "200")], [0.0; 2], "a stranger got an answer");
    nobody_noticed(daemon, [&customers, &representatives], CALLS, since, "a stranger");

    let since = Instant::now();
    for said in everything_from("127.0.0.1", daemon, &list) {
        assert!(said.contains("found nothing"), "a switch gone bad: {said}");
    }
    nobody_noticed(daemon, [&customers, &representatives], CALLS, since, "a switch gone bad");
    // The tools give up at the first refusal: this asks on.
    let socket = UdpSocket::bind(loopback(0)).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a bound on waiting");
    for method in ["REGISTER", "OPTIONS", "INVITE", "SUBSCRIBE"] {
        let [first, others @ ..] = EXTENSIONS.map(|extension| answer(&socket, daemon, method, extension));
        assert!(others.iter().all(|other| *other == first), "{method}: {first:#?}\n{others:#?}");
    }
    assert_eq!(sent("REGISTER", ""), sent("REGISTER", "405"), "nobody is challenged or registered");
    let after = [sent("INVITE", "") - sent("INVITE", "403"), daemon.metric("callbridge_calls_total", "")];
    assert_eq!(after, before, "every INVITE was refused and no call came of it");

    calls.iter().for_each(Call::delete);
    customers.finish();
    representatives.finish();
    for call in &calls {
        assert_eq!(call.record()["outcome"], "completed");
    }
    story.end();
}

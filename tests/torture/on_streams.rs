//! The same table over TCP and TLS. A stream wants to be told where a message ends, so each message is given the Content-Length
//! that its body has, where it had one that was readable or none; what it deserves then is what the wire room says of it so. A
//! message whose Content-Length is unreadable or there twice, and one that is no SIP at all, ends its connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::on_the_wire::{lawful, probe};
use super::support::daemon::{Daemon, Setup, Switch};
use super::support::ports::port;
use super::support::tls::Authority;
use super::support::wait::PATIENCE;
use super::table::{TABLE, bytes};
use super::verdict;
use callbridge::sip::wire::Message;

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// The message as a stream carries it, and whether the stream goes on behind it.
fn framed(datagram: &[u8]) -> (Vec<u8>, bool) {
    let mut text = datagram.to_vec();
    let end = |text: &[u8]| text.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    if end(&text).is_none() {
        text.extend_from_slice(if text.ends_with(b"\r\n") { b"\r\n" } else { b"\r\n\r\n" });
    }
    let head_end = end(&text).expect("it has one now");
    let body = text.len() - head_end;
    let mut lengths = Vec::new();
    let mut at = 0;
    while at + 2 < head_end {
        let line_end = at + text[at..].windows(2).position(|two| two == b"\r\n").expect("the head ends") + 2;
        let line = String::from_utf8_lossy(&text[at..line_end]).into_owned();
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        if matches!(name.as_str(), "content-length" | "l") && !line.starts_with([' ', '\t']) {
            lengths.push((at, line_end, line.split_once(':').map(|(_, value)| value.trim().parse::<u32>().is_ok())));
        }
        at = line_end;
    }
    let own = format!("Content-Length: {body}\r\n").into_bytes();
    match lengths[..] {
        [] => drop(text.splice(head_end - 2..head_end - 2, own)),
        [(from, to, Some(true))] => drop(text.splice(from..to, own)),
        _ => return (text, false),
    }
    let goes_on = Message::parse(&text).is_ok();
    (text, goes_on)
}

/// The answers to a message and to the OPTIONS behind it; the latter is the last, unless the stream ended.
fn answers(wire: &mut dyn Wire, message: &[u8], daemon: SocketAddr, transport: &str, number: u32) -> Vec<String> {
    let here = SocketAddr::from(([127, 0, 0, 1], 9));
    wire.write_all(message).expect("sent");
    // The daemon may have ended the stream already.
    wire.write_all(probe(transport, here, daemon, number).as_bytes()).ok();
    wire.flush().ok();
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    let call_id = format!("still-alive-{number}");
    while !String::from_utf8_lossy(&text).contains(&call_id) {
        match wire.read(&mut buffer) {
            Ok(0) => break,
            Ok(size) => text.extend_from_slice(&buffer[..size]),
            Err(error) => {
                let waits = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                assert!(!waits, "neither an answer nor an end: {}", String::from_utf8_lossy(message));
                break;
            }
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    text.split("SIP/2.0 ").skip(1).filter(|answer| answer.contains("CSeq")).map(str::to_owned).collect()
}

fn torture(transport: &str, daemon: &Daemon, connect: impl Fn() -> Box<dyn Wire>) {
    let mut wrong = Vec::new();
    for (number, case) in (1..).zip(TABLE) {
        let original = bytes(case.file);
        let (message, goes_on) = framed(&original);
        let expect = if message == original { case.expect } else { verdict(&message) };
        let mut answers = answers(&mut *connect(), &message, daemon.sip, transport, number);
        let alive = answers.last().is_some_and(|last| last.contains(&format!("still-alive-{number}\r\n")));
        if alive {
            answers.pop();
        }
        let statuses: Vec<u16> = answers.iter().filter_map(|answer| answer.get(..3)?.parse().ok()).collect();
        let lawful = lawful(expect, &message);
        let fine = match (lawful, statuses.as_slice()) {
            ([], []) => true,
            (lawful, [status]) => lawful.contains(status),
            _ => false,
        };
        if !fine || alive != goes_on {
            wrong.push(format!("{} ({}): {statuses:?}, lawful {lawful:?}, alive {alive}", case.file, case.story));
        }
    }
    assert!(wrong.is_empty(), "over {transport}:\n{}", wrong.join("\n"));
}

fn setup(listen: &'static str) -> Setup {
    let sip = vec![("max_strays_per_second", "1000000".to_owned())];
    let switch = Switch { transport: listen, ..Switch::new("ssp-62", port(), &["+1"]) };
    Setup { switches: vec![switch], listen: vec![listen], sip, ..Setup::default() }
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("a configured source is let in");
    stream.set_read_timeout(Some(PATIENCE)).expect("a bound on waiting");
    stream
}

#[test]
fn the_table_holds_over_tcp() {
    let daemon = Daemon::start(&setup("tcp"));
    torture("TCP", &daemon, || Box::new(connect(daemon.sip)));
}

#[test]
fn the_table_holds_over_tls() {
    let folder = tempfile::tempdir().expect("a folder for certificates");
    let authority = Authority::new(folder.path());
    let (certificate, key) = authority.sign("own", &["callbridge.example"]);
    let mut setup = setup("tls");
    let tls = format!("{{ certificate = \"{}\", key = \"{}\" }}", certificate.display(), key.display());
    setup.sip.push(("tls", tls));
    setup.sip.push(("ca", format!("\"{}\"", authority.ca().display())));
    let daemon = Daemon::start(&setup);
    torture("TLS", &daemon, || Box::new(authority.connect(connect(daemon.sip), None)));
}

//! The same table sent over UDP to the real daemon by a configured switch: the answer or the silence that each RFC asks for,
//! and a daemon that goes on as if nothing had been.

use std::net::{SocketAddr, UdpSocket};

use super::support::daemon::{Daemon, Setup, Switch};
use super::support::http;
use super::support::ports::{loopback, port};
use super::support::wait::PATIENCE;
use super::table::{Expect, TABLE, bytes};

/// A switch that only sends what it is told.
struct Sender {
    socket: UdpSocket,
    daemon: SocketAddr,
    probes: u32,
}

impl Sender {
    fn new(port: u16, daemon: SocketAddr) -> Sender {
        let socket = UdpSocket::bind(loopback(port)).expect("the switch's port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a bound on waiting");
        Sender { socket, daemon, probes: 0 }
    }

    /// Sends a datagram and, behind it, an OPTIONS. The daemon takes datagrams in order, so whatever it had to say to the first
    /// has come when the 200 to the second has: silence is proved without waiting for it.
    fn answers_to(&mut self, datagram: &[u8], story: &str) -> Vec<String> {
        self.probes += 1;
        let here = self.socket.local_addr().expect("a bound socket");
        let call_id = format!("still-alive-{}", self.probes);
        let probe = probe("UDP", here, self.daemon, self.probes);
        self.socket.send_to(datagram, self.daemon).expect("loopback takes it");
        self.socket.send_to(probe.as_bytes(), self.daemon).expect("loopback takes it");
        let mut answers = Vec::new();
        let mut buffer = [0; 65_535];
        loop {
            let (size, _) = self.socket.recv_from(&mut buffer).unwrap_or_else(|e| panic!("after {story}: no 200: {e}"));
            let answer = String::from_utf8_lossy(&buffer[..size]).into_owned();
            if answer.contains(&call_id) {
                assert!(answer.starts_with("SIP/2.0 200 "), "after {story}: {answer}");
                return answers;
            }
            answers.push(answer);
        }
    }
}

/// An OPTIONS whose 200 proves that the daemon lives, with this number in its Call-ID.
pub fn probe(transport: &str, here: SocketAddr, daemon: SocketAddr, number: u32) -> String {
    format!(
        "OPTIONS sip:{daemon} SIP/2.0\r\nVia: SIP/2.0/{transport} {here};branch=z9hG4bKprobe{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:switch@{here}>;tag=1\r\nTo: <sip:{daemon}>\r\nCall-ID: still-alive-{number}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// What the daemon, which takes no calls, may say to a message; empty for silence.
pub fn lawful(expect: Expect, text: &[u8]) -> &'static [u16] {
    match expect {
        Expect::Silence => &[],
        Expect::Answer(400) => &[400],
        Expect::Answer(406) => &[406],
        Expect::Answer(415) => &[415],
        Expect::Answer(416) => &[416],
        Expect::Answer(420) => &[420],
        Expect::Answer(505) => &[505],
        Expect::Answer(other) => panic!("{other} is new to this test"),
        Expect::Take => {
            let first = String::from_utf8_lossy(text).lines().next().unwrap_or_default().to_owned();
            match first.split(' ').next().unwrap_or_default() {
                "SIP/2.0" => &[],
                "OPTIONS" => &[200],
                "INVITE" => &[403, 481],
                "BYE" => &[481],
                "REGISTER" | "MESSAGE" => &[405],
                _ => &[501],
            }
        }
    }
}

#[test]
fn a_daemon_under_torture_answers_as_each_rfc_asks_and_lives_on() {
    let switch = port();
    let sip = vec![("max_strays_per_second", "1000000".to_owned())];
    let setup = Setup { switches: vec![Switch::new("ssp-62", switch, &["+1"])], sip, ..Setup::default() };
    let daemon = Daemon::start(&setup);
    let mut sender = Sender::new(switch, daemon.sip);
    let mut wrong = Vec::new();
    for case in TABLE {
        let answers = sender.answers_to(&bytes(case.file), case.file);
        let statuses: Vec<u16> = answers.iter().filter_map(|answer| answer.get(8..11)?.parse().ok()).collect();
        let fine = match (lawful(case.expect, &bytes(case.file)), statuses.as_slice()) {
            ([], []) => true,
            (lawful, [status]) => lawful.contains(status),
            _ => false,
        };
        if !fine {
            wrong.push(format!(
                "{} ({}): {statuses:?}, lawful {:?}",
                case.file,
                case.story,
                lawful(case.expect, &bytes(case.file))
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let health = http::request(daemon.admin, "GET", "/healthz", None, None).expect("an answer");
    assert_eq!(health.status, 200);
    assert!(daemon.metric("callbridge_rejected_total", "sip_malformed") > 0.0, "what was refused is counted");
}

//! Live calls, and someone who does to the HTTP listener what HTTP allows and what it does not: slow, huge, ambiguous, broken and
//! endless requests. No call may notice, nobody else may wait, nothing is taken for a message.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::json;
use socket2::{Domain, Socket, Type};

use super::flood::nobody_noticed;
use crate::support::daemon::Setup;
use crate::support::story::Story;
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

const CALLS: u32 = 20;
const STRANGER: &str = "127.0.0.66:0";
/// More than one subscriber's share of the listener.
const CROWD: usize = 300;

/// A connection from the stranger's address.
fn connect(to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let from: SocketAddr = STRANGER.parse().expect("an address");
    socket.bind(&from.into()).expect("a loopback address");
    socket.connect(&to.into()).expect("a listener");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// Sends what it is told to, whether or not it is wanted, and gives the statuses of all answers until the end.
fn send(to: SocketAddr, bytes: &[u8]) -> Vec<u16> {
    let mut stream = connect(to);
    let _refused_before_all_was_read = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}

/// Everything that is broken, and what may be answered to it: one of these statuses, or the connection's end.
fn broken(basic: &str) -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let post = |more: &str, body: &[u8]| {
        let head =
            format!("POST /v1/calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic {basic}\r\n");
        [format!("{head}{more}\r\n\r\n").as_bytes(), body].concat()
    };
    let json = |body: &[u8]| post(&format!("Content-Type: application/json\r\nContent-Length: {}", body.len()), body);
    // Two members of gzip's simplest form: what it would grow to does not matter, for it is not to be opened at all.
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01\x02\x00\xfd\xff{}\x43\xbf\xa6\xa3\x02\x00\x00\x00";
    let chunk = [b"10000\r\n".as_slice(), &[b'['; 0x10000], b"\r\n"].concat();
    vec![
        ("a head of 200 KB", post(&format!("X-Long: {}", "x".repeat(200_000)), b""), &[431]),
        ("a thousand header lines", post(&"X-One: 1\r\n".repeat(1000), b""), &[400, 431]),
        (
            "a path of 100 KB",
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000)).into_bytes(),
            &[414, 431],
        ),
        ("a body of 10 GB", post("Content-Type: application/json\r\nContent-Length: 10000000000", b"{"), &[413]),
        ("a length beyond 64 bits", post("Content-Length: 99999999999999999999999", b"{"), &[400, 413]),
        ("a length with a sign", post("Content-Type: application/json\r\nContent-Length: +2", b"{}"), &[400]),
        ("two lengths", post("Content-Length: 2\r\nContent-Length: 30", b"{}"), &[400]),
        ("an unknown transfer coding", post("Transfer-Encoding: xchunked", b"{}"), &[400, 411, 415, 501]),
        (
            "chunks of 2 MB in all",
            post("Content-Type: application/json\r\nTransfer-Encoding: chunked", &chunk.repeat(32)),
            &[413],
        ),
        (
            "a chunk without a length",
            post("Content-Type: application/json\r\nTransfer-Encoding: chunked", b"zz\r\n"),
            &[400],
        ),
        ("no UTF-8 in the body", json(b"{\"customer\":\"\xff\xfe\xc0\x80\"}"), &[400]),
        (
            "no UTF-8 in the head",
            [b"GET /v1/calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: \xff\xfe\r\n\r\n".as_slice()]
                .concat(),
            &[400, 401],
        ),
        ("sixty thousand brackets", json(&[b'['; 60_000]), &[400]),
        ("as many names", json("{\"a\":".repeat(12_000).as_bytes()), &[400]),
        (
            "a compressed body",
            post(
                &format!("Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}", gzip.len()),
                gzip,
            ),
            &[400, 415],
        ),
        ("no HTTP at all", vec![0, 1, 2, 3, 255, 254, b'\n', b'\n'], &[400]),
        ("the hello of TLS", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n".to_vec(), &[400]),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[400, 404, 405, 505]),
        (
            "a proxy's request",
            b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nConnection: close\r\n\r\n".to_vec(),
            &[400, 404, 405],
        ),
    ]
}

#[test]
fn no_hostile_request_disturbs_live_calls_or_makes_others_wait() {
    let story = Story::with(Setup { rtp_ports: 100, prompt_seconds: 0.2, ..Setup::default() });
    let [customers, representatives] = [Tone::Customer, Tone::Representative]
        .map(|who| story.phone(who, "phone-answers-and-is-hung-up", |phone| phone.calls = CALLS));
    let calls: Vec<_> = (0..CALLS).map(|n| story.call_with(json!({ "reference": n.to_string() }))).collect();
    eventually("every call to be bridged", PATIENCE * 2, || {
        (story.daemon.metric("callbridge_calls_active", "state=\"bridged\"") == f64::from(CALLS)).then_some(())
    });
    let phones = [&customers, &representatives];
    let to = story.daemon.http;
    let who = &story.daemon.business;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", who.id, who.password));

    let since = Instant::now();
    for (what, bytes, statuses) in broken(&basic) {
        let got = send(to, &bytes);
        assert!(got.iter().all(|status| statuses.contains(status)) && got.len() <= 1, "{what}: {got:?}");
    }
    while since.elapsed() < Duration::from_millis(1500) {
        let _again = send(to, &[b'{'; 5000]);
    }
    nobody_noticed(&story.daemon, phones, CALLS, since, "broken requests");

    // Behind a front end that reads the length, the second request would be somebody else's.
    let smuggled = "GET /v1/calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for lengths in
        ["Content-Length: 6\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 6"]
    {
        let bytes = format!("POST /v1/calls HTTP/1.1\r\nHost: x\r\n{lengths}\r\n\r\n0\r\n\r\nX{smuggled}");
        let got = send(to, bytes.as_bytes());
        assert!(got.first().is_none_or(|status| (400..500).contains(status)), "{got:?}");
        assert!(got.iter().all(|status| (400..500).contains(status)), "what stood behind it was no request: {got:?}");
    }

    let since = Instant::now();
    let mut slow: Vec<TcpStream> = (0..CROWD).map(|_| connect(to)).collect();
    for byte in b"POST /v1/calls HTTP/1.1\r\nHo" {
        for stream in &mut slow {
            let _closed = stream.write_all(&[*byte]);
        }
        // Somebody else, from another address, is served between any two bytes.
        assert_eq!(story.daemon.api("GET", "/v1/calls?limit=1", None).status, 200);
        // The beat of the slow, not a wait for anything.
        std::thread::sleep(Duration::from_millis(20));
    }
    nobody_noticed(&story.daemon, phones, CALLS, since, "slow requests");
    assert!(story.daemon.metric("callbridge_rejected_total", "reason=\"connections\"") >= (CROWD - 256) as f64);
    drop(slow);

    assert_eq!(
        story.daemon.metric("callbridge_http_requests_total", "route=\"/v1/calls\",status=\"202\""),
        f64::from(CALLS)
    );
    for call in &calls {
        call.delete();
    }
    customers.finish_within(PATIENCE * 2);
    representatives.finish_within(PATIENCE * 2);
    eventually("a record of each call", PATIENCE, || {
        let records = story.daemon.records();
        assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:#?}");
        (records.len() == CALLS as usize).then_some(())
    });
    story.end();
}

//! Streams that are slow on purpose, begun and never ended, or opened and left: bounded in number and time, and no live call
//! notices.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::peer::{assert_silent_end, connect_from, message, options};
use crate::support::daemon::{Daemon, Setup};
use crate::support::rtp::Frame;
use crate::support::story::{Story, assert_one_stream, until_both_hear_each_other, until_both_hear_more};
use crate::support::wait::{PATIENCE, eventually};

/// As many as one source may have.
const CONNECTIONS: usize = 15;
/// A beat of those who are slow.
const BEAT: Duration = Duration::from_millis(100);

fn counted(daemon: &Daemon, reason: &str, count: usize) {
    eventually(reason, PATIENCE, || (daemon.metric("callbridge_rejected_total", reason) == count as f64).then_some(()));
}

#[test]
fn a_request_that_comes_byte_by_byte_is_a_request() {
    let story = Story::with(Setup { listen: vec!["udp", "tcp"], ..Setup::default() });
    let mut stream = connect_from("127.0.0.1", story.daemon.sip);
    stream.set_nodelay(true).expect("a socket of ours");
    for byte in options("TCP", 1).as_bytes() {
        stream.write_all(&[*byte]).expect("sent");
    }
    assert!(message(&mut stream).expect("an answer").is_some_and(|answer| answer.starts_with("SIP/2.0 200 ")));
    story.end();
}

/// Drips a request that would take a minute; gives how long the daemon bore it.
fn drip(mut stream: TcpStream) -> Duration {
    let begun = Instant::now();
    stream.set_nodelay(true).expect("a socket of ours");
    let request =
        options("TCP", 1).replace("Content-Length", &format!("X-Padding: {}\r\nContent-Length", "x".repeat(400)));
    for byte in request.as_bytes() {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        // The slowness itself, not a wait for anything.
        std::thread::sleep(BEAT);
    }
    begun.elapsed()
}

#[test]
fn streams_that_never_end_a_message_are_ended_and_no_live_call_notices() {
    let limit = ("max_connections_per_source", CONNECTIONS.to_string());
    let story = Story::with(Setup { listen: vec!["udp", "tcp"], sip: vec![limit], ..Setup::default() });
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);

    let daemon = &story.daemon;
    let connect = || connect_from("127.0.0.1", daemon.sip);
    let begun = Instant::now();
    let dripping: Vec<_> = (0..5).map(|_| connect()).map(|stream| std::thread::spawn(move || drip(stream))).collect();
    // A head that stops, and a body that does.
    let head = options("TCP", 2).replace("Content-Length: 0\r\n\r\n", "");
    let body = options("TCP", 3).replace("Length: 0", "Length: 30000") + "v=0\r\n";
    let begun_only: Vec<TcpStream> = [&head, &body, &head, &body, &head]
        .map(|text| {
            let mut stream = connect();
            stream.write_all(text.as_bytes()).expect("sent");
            stream
        })
        .into();
    let silent: Vec<TcpStream> = (0..5).map(|_| connect()).collect();
    assert_silent_end(connect());
    counted(daemon, "sip_connections", 1);

    begun_only.into_iter().for_each(assert_silent_end);
    for dripped in dripping {
        let borne = dripped.join().expect("a dripping stream");
        assert!(borne < Duration::from_secs(20), "{borne:?} of a request that never ended");
    }
    assert!(begun.elapsed() > Duration::from_secs(8), "a slow network is no attack");
    counted(daemon, "sip_framing", 10);
    // Those that only say nothing may stay, within the bound of one source; their places are free when they go.
    for mut stream in silent {
        stream.write_all(options("TCP", 4).as_bytes()).expect("still open");
        assert!(message(&mut stream).expect("an answer").is_some());
    }
    until_both_hear_more(&customer, &representative);
    for phone in [&customer, &representative] {
        phone.media.judge(|frames: &[Frame]| assert_one_stream(frames));
    }
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    customer.finish();
    representative.finish();
    story.end();
}

//! Who is let in over TCP, how many, and what becomes of streams that make no sense.

use std::io::{Read, Write};

use super::peer::{assert_silent_end, connect_from, field, message, options};
use crate::support::daemon::{Daemon, Setup, Switch};
use crate::support::ports;
use crate::support::wait::{PATIENCE, eventually};

fn daemon(sip: Vec<(&'static str, String)>) -> Daemon {
    let switches = vec![Switch::new("ssp-62", ports::port(), &[])];
    Daemon::start(&Setup { switches, sip, listen: vec!["udp", "tcp"], ..Setup::default() })
}

#[track_caller]
fn counted(daemon: &Daemon, reason: &str, count: f64) {
    eventually(reason, PATIENCE, || (daemon.metric("callbridge_rejected_total", reason) == count).then_some(()));
}

#[test]
fn strangers_are_closed_before_they_say_a_word() {
    let daemon = daemon(vec![]);
    assert_silent_end(connect_from("127.0.0.2", daemon.sip));
    counted(&daemon, "sip_stranger", 1.0);
}

#[test]
fn one_source_has_only_so_many_connections() {
    let daemon = daemon(vec![("max_connections_per_source", "3".into())]);
    let mut kept: Vec<_> = (0..3).map(|_| connect_from("127.0.0.1", daemon.sip)).collect();
    for (number, stream) in kept.iter_mut().enumerate() {
        stream.write_all(options("TCP", number as u32).as_bytes()).expect("sent");
        assert!(message(stream).expect("an answer").is_some());
    }
    assert_silent_end(connect_from("127.0.0.1", daemon.sip));
    counted(&daemon, "sip_connections", 1.0);
    drop(kept.pop());
    eventually("a place to be free again", PATIENCE, || {
        let mut stream = connect_from("127.0.0.1", daemon.sip);
        stream.write_all(options("TCP", 9).as_bytes()).ok();
        message(&mut stream).ok().flatten()
    });
}

#[test]
fn a_message_without_content_length_gets_its_400_and_the_stream_ends() {
    let daemon = daemon(vec![]);
    let mut stream = connect_from("127.0.0.1", daemon.sip);
    let endless = options("TCP", 1).replace("Content-Length: 0\r\n", "");
    stream.write_all(endless.as_bytes()).expect("sent");
    let answer = message(&mut stream).expect("an answer").expect("an answer");
    assert!(answer.starts_with("SIP/2.0 400 "), "{answer}");
    assert_eq!(field(&answer, "Call-ID"), "o1");
    assert_silent_end(stream);
    counted(&daemon, "sip_framing", 1.0);
}

#[test]
fn heads_without_end_and_bodies_beyond_measure_end_the_stream() {
    let daemon = daemon(vec![]);
    let mut stream = connect_from("127.0.0.1", daemon.sip);
    let head = options("TCP", 1).replace("Content-Length: 0\r\n\r\n", "");
    stream.write_all(head.as_bytes()).expect("sent");
    let line = format!("X-Padding: {}\r\n", "x".repeat(1000));
    // The daemon closes on the way.
    for _ in 0..40 {
        if stream.write_all(line.as_bytes()).is_err() {
            break;
        }
    }
    assert_silent_end(stream);
    let mut stream = connect_from("127.0.0.1", daemon.sip);
    stream.write_all(options("TCP", 2).replace("Length: 0", "Length: 999999999").as_bytes()).expect("sent");
    let answer = message(&mut stream).expect("an answer").expect("an answer");
    assert!(answer.starts_with("SIP/2.0 400 "), "{answer}");
    assert_silent_end(stream);
    let mut stream = connect_from("127.0.0.1", daemon.sip);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    assert_silent_end(stream);
    counted(&daemon, "sip_framing", 3.0);
}

#[test]
fn a_double_line_end_is_answered_by_a_single_one() {
    let daemon = daemon(vec![]);
    let mut stream = connect_from("127.0.0.1", daemon.sip);
    stream.write_all(b"\r\n\r\n").expect("sent");
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).expect("a pong");
    assert_eq!(&pong, b"\r\n");
    stream.write_all(options("TCP", 1).as_bytes()).expect("sent");
    assert!(message(&mut stream).expect("an answer").is_some_and(|answer| answer.starts_with("SIP/2.0 200 ")));
}

#[test]
fn strays_above_their_rate_meet_silence_over_tcp_too() {
    let daemon = daemon(vec![("max_strays_per_second", "5".into())]);
    let mut stream = connect_from("127.0.0.1", daemon.sip);
    let flood: String = (0..50).map(|number| options("TCP", number)).collect();
    stream.write_all(flood.as_bytes()).expect("sent");
    eventually("most to be refused", PATIENCE, || {
        (daemon.metric("callbridge_rejected_total", "sip_rate") >= 40.0).then_some(())
    });
    assert!(message(&mut stream).expect("an answer").is_some_and(|answer| answer.starts_with("SIP/2.0 200 ")));
}

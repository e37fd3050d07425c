//! A hundred live calls and someone who floods the SIP port: a stranger, a configured source gone mad, and sipvicious. No call
//! may notice.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::daemon::{Daemon, Setup};
use crate::support::rtp::Frame;
use crate::support::sipp::Phone;
use crate::support::story::Story;
use crate::support::tone::Tone;
use crate::support::wait::{PATIENCE, eventually};

const CALLS: u32 = 100;
/// How long each flood lasts.
const FLOOD: Duration = Duration::from_secs(3);
/// Datagrams between two breaths of a millisecond: some thousands a second.
const BURST: u32 = 5;
/// Packets that may be missing, of all.
const LOST: f64 = 0.01;

/// Sends requests of every kind, and nonsense, for a while. Gives how many.
fn flood(from: &str, to: SocketAddr) -> u32 {
    let socket = UdpSocket::bind((from, 0)).expect("a loopback address");
    let own = socket.local_addr().expect("its address");
    let (start, mut sent) = (Instant::now(), 0);
    while start.elapsed() < FLOOD {
        for _ in 0..BURST {
            let method = ["OPTIONS", "INVITE", "REGISTER", "BYE", "FROBNICATE"][(sent % 5) as usize];
            let request = format!(
                "{method} sip:100@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{sent};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:100@{own}>;tag={sent}\r\nTo: <sip:100@{to}>\r\nCall-ID: flood-{sent}\r\nCSeq: 1 {method}\r\n\
                 Contact: <sip:100@{own}>\r\nContent-Length: 0\r\n\r\n"
            );
            let bytes = if sent % 7 == 0 { &request.as_bytes()[..40] } else { request.as_bytes() };
            socket.send_to(bytes, to).ok();
            sent += 1;
        }
        // The beat of the flood, not a wait for anything.
        std::thread::sleep(Duration::from_millis(1));
    }
    sent
}

/// sipvicious' scanner from a stranger's address. Gives what it found.
fn svmap(to: SocketAddr) -> String {
    let output = Command::new("svmap")
        .args(["-b", "127.0.0.66", "-p", &to.port().to_string(), "-P", &(to.port() + 1).to_string(), "127.0.0.1"])
        .output()
        .expect("svmap (Debian package sipvicious) must be installed");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// How many packets came in the streams of one phone since `from`, and how many are missing between them.
fn lost(frames: &[Frame], since: Instant) -> (usize, usize) {
    let mut streams: BTreeMap<SocketAddr, Vec<u16>> = BTreeMap::new();
    for frame in frames.iter().filter(|frame| frame.at >= since) {
        streams.entry(frame.from).or_default().push(frame.sequence);
    }
    let gap = |pair: &[u16]| usize::from(pair[1].wrapping_sub(pair[0]).saturating_sub(1));
    let missing = streams.values().map(|all| all.windows(2).map(gap).sum::<usize>()).sum();
    (streams.values().map(Vec::len).sum(), missing)
}

/// So many calls are bridged, and both their phones have heard all of it since then, for half a second and more.
#[track_caller]
pub fn nobody_noticed(daemon: &Daemon, phones: [&Phone; 2], calls: u32, since: Instant, who: &str) {
    assert_eq!(daemon.metric("callbridge_calls_active", "state=\"bridged\""), f64::from(calls), "after {who}");
    for phone in phones {
        let (came, missing) = phone.media.judge(|frames| lost(frames, since));
        assert!(came > calls as usize * 25, "{who}: only {came} packets came");
        assert!((missing as f64) < came as f64 * LOST, "{who}: {missing} of {came} packets are missing");
    }
}

#[test]
fn no_flood_disturbs_a_hundred_live_calls() {
    let story = Story::with(Setup { rtp_ports: 420, prompt_seconds: 0.2, ..Setup::default() });
    let [customers, representatives] = [Tone::Customer, Tone::Representative]
        .map(|who| story.phone(who, "phone-answers-and-is-hung-up", |phone| phone.calls = CALLS));
    let calls: Vec<_> = (0..CALLS).map(|n| story.call_with(json!({ "reference": n.to_string() }))).collect();
    eventually("every call to be bridged", PATIENCE * 2, || {
        (story.daemon.metric("callbridge_calls_active", "state=\"bridged\"") == f64::from(CALLS)).then_some(())
    });
    for (who, from) in [("a stranger", "127.0.0.66"), ("a source gone mad", "127.0.0.1")] {
        let since = Instant::now();
        let sent = flood(from, story.daemon.sip);
        assert!(sent > 1000, "that was no flood: {sent}");
        nobody_noticed(&story.daemon, [&customers, &representatives], CALLS, since, who);
    }
    let found = svmap(story.daemon.sip);
    assert!(!found.contains("callbridge"), "a scanner finds us: {found}");
    assert!(story.daemon.metric("callbridge_rejected_total", "") > 100.0, "the flood is counted");
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

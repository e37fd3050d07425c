//! What we send and export, read by tshark, which knows nothing of us: every message is SIP without a complaint.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use super::hep::{Collector, Packet, talk};
use crate::support::daemon::Setup;
use crate::support::pcap;
use crate::support::ports::{self, loopback};
use crate::support::story::Story;
use crate::support::wait::{PATIENCE, eventually};

/// One line for each message of the capture that this filter lets through: method, status, Call-ID.
fn tshark(capture: &Path, sip: u16, filter: &str) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-d", &format!("udp.port=={sip},sip"), "-Y", filter, "-T", "fields"]);
    command.args(["-e", "sip.Method", "-e", "sip.Status-Code", "-e", "sip.Call-ID"]).arg("-r").arg(capture);
    let output = command.stdin(Stdio::null()).output().expect("tshark (Debian package) must be installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => panic!("{address}: the stage is IPv4"),
    }
}

#[test]
fn tshark_finds_nothing_wrong_with_any_message_of_a_call() {
    let socket = UdpSocket::bind(loopback(ports::port())).expect("the collector's port");
    socket.set_nonblocking(true).expect("a socket that does not wait");
    let at = socket.local_addr().expect("an address");
    let trunk = [
        ("identity", "\"p-asserted-identity\""),
        ("privacy", "true"),
        ("headers", "{ X-Account = \"{business_id}/{reference}\" }"),
        ("reliable_provisionals", "true"),
    ];
    let trunk = trunk.map(|(key, value)| (key, value.to_owned())).to_vec();
    let story = Story::with(Setup { trunk, more: format!("[hep]\ncollector = \"udp:{at}\"\n"), ..Setup::default() });
    let (_, seen) = talk(&story);
    let (mut collector, mut packets) = (Collector::Udp(socket), Vec::<Packet>::new());
    eventually("every message of both phones at the collector", PATIENCE, || {
        packets.extend(collector.fresh());
        (packets.len() >= seen.len()).then_some(())
    });
    let texts: Vec<String> = packets.iter().map(|packet| packet.text(15)).collect();
    let ends = packets.iter().map(|packet| (v4(packet.address(3, 7)), v4(packet.address(4, 8))));
    let datagrams = ends.zip(&texts).map(|((from, to), text)| (from, to, text.as_bytes()));
    let folder = tempfile::tempdir().expect("a folder for the capture");
    let capture = folder.path().join("call.pcap");
    std::fs::write(&capture, pcap::of_datagrams(datagrams)).expect("the capture");

    let port = story.daemon.sip.port();
    let all = tshark(&capture, port, "sip && (sip.Method || sip.Status-Code) && sip.Call-ID");
    assert_eq!(all.len(), packets.len(), "{all:#?}");
    for method in ["INVITE", "ACK", "BYE"] {
        assert_eq!(all.iter().filter(|line| line.starts_with(method)).count(), 2, "{method}: {all:#?}");
    }
    // The severity of a warning, in Wireshark's numbers.
    let wrong = tshark(&capture, port, "_ws.malformed || _ws.expert.severity >= 0x600000");
    assert_eq!(wrong, Vec::<String>::new());
    // And it would have said so.
    let broken: Vec<String> = texts.iter().map(|text| text.replace("\r\nv=0\r\n", "\r\nv 0\r\n")).collect();
    let datagrams = broken.iter().map(|text| (v4(loopback(port)), v4(loopback(9)), text.as_bytes()));
    std::fs::write(&capture, pcap::of_datagrams(datagrams)).expect("the capture");
    let wrong = tshark(&capture, port, "_ws.malformed || _ws.expert.severity >= 0x600000");
    assert!(!wrong.is_empty(), "a line without = is no SDP");
    story.end();
}

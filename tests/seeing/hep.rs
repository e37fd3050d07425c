//! The capture for Homer: a collector of the test's own takes it apart by the specification of HEP3 and compares it with what
//! both phones saw.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use crate::support::daemon::Setup;
use crate::support::ports::{self, loopback};
use crate::support::story::{Story, until_both_hear_each_other};
use crate::support::trace::Message;
use crate::support::wait::{PATIENCE, eventually};

/// One packet, by chunk number.
#[derive(Clone, Debug)]
pub struct Packet(BTreeMap<u16, Vec<u8>>);

impl Packet {
    /// `HEP3`, length, then vendor, type, length and value of each chunk; all lengths count their own heads.
    fn read(bytes: &[u8]) -> Packet {
        assert_eq!(&bytes[..4], b"HEP3");
        assert_eq!(number(&bytes[4..6]), bytes.len());
        let (mut at, mut chunks) = (6, BTreeMap::new());
        while at < bytes.len() {
            assert_eq!(number(&bytes[at..at + 2]), 0, "vendor");
            let (kind, length) = (number(&bytes[at + 2..at + 4]), number(&bytes[at + 4..at + 6]));
            let value = bytes[at + 6..at + length].to_vec();
            assert!(chunks.insert(u16::try_from(kind).expect("16 bits"), value).is_none(), "chunk {kind} twice");
            at += length;
        }
        Packet(chunks)
    }

    /// A chunk as text.
    pub fn text(&self, chunk: u16) -> String {
        String::from_utf8_lossy(self.0.get(&chunk).map_or(&[], Vec::as_slice)).into_owned()
    }

    fn value(&self, chunk: u16) -> usize {
        number(&self.0[&chunk])
    }

    /// Who is named by these two chunks.
    pub fn address(&self, address: u16, port: u16) -> SocketAddr {
        let octets: [u8; 4] = self.0[&address].clone().try_into().expect("IPv4");
        SocketAddr::from((Ipv4Addr::from(octets), u16::try_from(self.value(port)).expect("a port")))
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// A Homer that only listens.
pub enum Collector {
    /// At this socket.
    Udp(UdpSocket),
    /// At this listener; one connection.
    Tcp { listener: TcpListener, stream: Option<TcpStream>, rest: Vec<u8> },
}

impl Collector {
    /// What came since the last look.
    pub fn fresh(&mut self) -> Vec<Packet> {
        let mut buffer = vec![0; 65_536];
        let mut packets = Vec::new();
        match self {
            Collector::Udp(socket) => {
                while let Ok(length) = socket.recv(&mut buffer) {
                    packets.push(Packet::read(&buffer[..length]));
                }
            }
            Collector::Tcp { listener, stream, rest } => {
                if stream.is_none() {
                    *stream = listener.accept().ok().map(|(stream, _)| stream);
                    stream.iter().for_each(|stream| stream.set_nonblocking(true).expect("a stream that does not wait"));
                }
                while let Some(length) = stream.as_mut().and_then(|s| s.read(&mut buffer).ok()).filter(|n| *n > 0) {
                    rest.extend_from_slice(&buffer[..length]);
                }
                while rest.len() > 6 && rest.len() >= number(&rest[4..6]) {
                    let packet: Vec<u8> = rest.drain(..number(&rest[4..6])).collect();
                    packets.push(Packet::read(&packet));
                }
            }
        }
        packets
    }
}

fn story(collector: &str, keys: &str) -> Story {
    Story::with(Setup { more: format!("[hep]\ncollector = \"{collector}\"\n{keys}"), ..Setup::default() })
}

/// Both answer, the customer hangs up; what both phones saw.
pub fn talk(story: &Story) -> (String, Vec<Message>) {
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    call.record();
    let mut seen = customer.finish().messages;
    seen.extend(representative.finish().messages);
    (call.id.clone(), seen)
}

fn captures_both_legs_under_one_identifier(mut collector: Collector, story: Story) {
    let (call, seen) = talk(&story);
    let mut packets = Vec::new();
    eventually("every message of both phones at the collector", PATIENCE, || {
        packets.extend(collector.fresh());
        (packets.len() >= seen.len()).then_some(())
    });
    let mut captured: Vec<String> = packets.iter().map(|packet| packet.text(15)).collect();
    let mut wanted: Vec<String> = seen.iter().map(|message| message.text.clone()).collect();
    captured.sort();
    wanted.sort();
    assert_eq!(captured, wanted);
    let peers: BTreeSet<SocketAddr> = packets
        .iter()
        .map(|packet| {
            assert_eq!(packet.text(17), call, "both legs of a call are found under its identifier");
            assert_eq!((packet.value(1), packet.value(2), packet.value(11)), (2, 17, 1), "IPv4, UDP, SIP");
            assert_eq!((packet.value(12), packet.text(14)), (77, "sesame".to_owned()));
            assert!(packet.value(9) > 1_700_000_000 && packet.value(10) < 1_000_000);
            let (from, to) = (packet.address(3, 7), packet.address(4, 8));
            assert!(from == story.daemon.sip || to == story.daemon.sip, "{from} → {to}");
            if from == story.daemon.sip { to } else { from }
        })
        .collect();
    assert_eq!(peers.len(), 2, "two switches: {peers:?}");
    assert!(story.daemon.metric("callbridge_hep_packets_total", "result=\"sent\"") >= seen.len() as f64);
    story.end();
}

#[test]
fn both_legs_of_a_call_reach_the_collector_under_one_identifier() {
    let socket = UdpSocket::bind(loopback(ports::port())).expect("the collector's port");
    socket.set_nonblocking(true).expect("a socket that does not wait");
    let at = format!("udp:{}", socket.local_addr().expect("an address"));
    let story = story(&at, "capture_id = 77\npassword = \"sesame\"\n");
    captures_both_legs_under_one_identifier(Collector::Udp(socket), story);
}

#[test]
fn a_collector_over_tcp_gets_the_same() {
    let listener = TcpListener::bind(loopback(ports::port())).expect("the collector's port");
    listener.set_nonblocking(true).expect("a listener that does not wait");
    let at = format!("tcp:{}", listener.local_addr().expect("an address"));
    let story = story(&at, "capture_id = 77\npassword = \"sesame\"\n");
    captures_both_legs_under_one_identifier(Collector::Tcp { listener, stream: None, rest: Vec::new() }, story);
}

/// Connections between ports of 127.0.0.1 that are open now, each seen from both of its ends.
fn connections() -> BTreeSet<(u16, u16)> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let port = |field: &str| {
        let port = field.strip_prefix("0100007F:")?;
        u16::from_str_radix(port, 16).ok()
    };
    let open = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // State 1 is ESTABLISHED.
        let [_, local, remote, "01", ..] = fields[..] else { return None };
        Some((port(local)?, port(remote)?))
    };
    table.lines().filter_map(open).collect()
}

#[test]
fn over_tcp_a_message_is_shown_on_the_connection_that_carried_it() {
    let socket = UdpSocket::bind(loopback(ports::port())).expect("the collector's port");
    socket.set_nonblocking(true).expect("a socket that does not wait");
    let at = socket.local_addr().expect("an address");
    let more = format!("[hep]\ncollector = \"udp:{at}\"\n");
    let story = Story::with(Setup { more, transport: "tcp", listen: vec!["udp", "tcp"], ..Setup::default() });
    let customer = story.customer("phone-answers-and-is-hung-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    let open = connections();
    call.delete();
    call.record();
    let seen = customer.finish().messages.len() + representative.finish().messages.len();
    let (mut collector, mut packets) = (Collector::Udp(socket), Vec::new());
    eventually("every message of both phones at the collector", PATIENCE, || {
        packets.extend(collector.fresh());
        (packets.len() >= seen).then_some(())
    });
    for packet in packets {
        assert_eq!(packet.value(2), 6, "TCP");
        let ends = (packet.address(3, 7).port(), packet.address(4, 8).port());
        assert!(open.contains(&ends), "{ends:?} is no connection: {open:?}\n{}", packet.text(15));
    }
    story.end();
}

#[test]
fn a_dead_collector_costs_captured_messages_and_no_call() {
    let story = story(&format!("tcp:{}", loopback(ports::port())), "");
    let (_, seen) = talk(&story);
    eventually("what was not captured to be counted", Duration::from_secs(20), || {
        let dropped = story.daemon.metric("callbridge_hep_packets_total", "result=\"dropped\"");
        (dropped >= seen.len() as f64).then_some(())
    });
    story.end();
}

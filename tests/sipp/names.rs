//! Switches with a name: where a real dnsmasq says that they are, how calls are shared among several places, and what a changed
//! answer changes.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::switches::{assert_carried, phone_at};
use crate::support::daemon::{Daemon, Setup};
use crate::support::ports;
use crate::support::story::{Story, until_both_hear_more};
use crate::support::wait::{PATIENCE, eventually};

/// A name server on loopback; ends with its guard.
struct NameServer(Child);

impl NameServer {
    fn start(port: u16, records: &[String]) -> NameServer {
        let mut command = Command::new("dnsmasq");
        command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="]);
        command.args([
            "--bind-interfaces",
            "--listen-address=127.0.0.1",
            "--local=/test/",
            "--user=",
            "--group=",
            "--local-ttl=1",
        ]);
        command.arg(format!("--port={port}")).args(records);
        let child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn();
        NameServer(child.expect("dnsmasq (Debian package dnsmasq-base)"))
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Of the switch with a name, in every story here.
const NUMBER: &str = "+12135550100";

/// A `[[switch]]` whose address is a name, and whom to ask for it.
fn named(dns: u16) -> Setup {
    let more = "[[switch]]\nname = \"ssp-66\"\naddress = \"sip:sbc.test\"\nprefixes = [\"+1213\"]\n".to_owned();
    Setup { more, sip: vec![("resolver", format!("\"127.0.0.1:{dns}\""))], ..Setup::default() }
}

/// What dnsmasq is told: UDP only, one SRV record for each place (host, port, weight), and the hosts' addresses.
fn records(places: &[(&str, u16, u16)], addresses: &[(&str, &str)]) -> Vec<String> {
    let naptr = "--naptr-record=sbc.test,10,10,S,SIP+D2U,,_sip._udp.sbc.test".to_owned();
    let srv =
        places.iter().map(|(host, port, weight)| format!("--srv-host=_sip._udp.sbc.test,{host},{port},10,{weight}"));
    let address = addresses.iter().map(|(host, ip)| format!("--address=/{host}/{ip}"));
    std::iter::once(naptr).chain(srv).chain(address).collect()
}

fn until_located(daemon: &Daemon, times: usize) {
    eventually("the switch to be located", PATIENCE, || {
        (daemon.log().matches("switch located").count() >= times).then_some(())
    });
}

/// A place where everybody is busy, that counts who asks. Ends with its guard.
struct Busy {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Busy {
    fn at(address: SocketAddr) -> Busy {
        let socket = UdpSocket::bind(address).expect("the place's address");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a bound on waiting");
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut calls, mut datagram) = (BTreeSet::new(), [0; 65_536]);
            while !told.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
                let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
                if text.starts_with("INVITE ") {
                    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
                    let [via, caller, call, to, cseq] = ["Via:", "From:", "Call-ID:", "To:", "CSeq:"].map(line);
                    let head =
                        format!("SIP/2.0 486 Busy\r\n{via}\r\n{caller}\r\n{call}\r\n{to};tag=busy\r\n{cseq}\r\n");
                    socket.send_to(format!("{head}Content-Length: 0\r\n\r\n").as_bytes(), from).ok();
                    calls.insert(call.to_owned());
                }
            }
            calls.len()
        });
        Busy { stop, thread: Some(thread) }
    }

    /// How many calls came here in all.
    fn calls(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("the place's thread")
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[test]
fn a_switch_with_a_name_is_found_by_naptr_and_srv_and_kept_when_the_name_server_is_gone() {
    let (dns, sip) = (ports::port(), ports::port());
    let more = "[[switch]]\nname = \"ssp-66\"\naddress = \"sip:sbc.test\"\nprefixes = [\"+1213\"]\n".to_owned();
    let resolver = vec![("resolver", format!("\"127.0.0.1:{dns}\""))];
    // The daemon is there first: a name server that is down stops no start.
    let story = Story::with(Setup { more, sip: resolver, ..Setup::default() });
    let up = |story: &Story| story.daemon.metric("callbridge_switch_up", "switch=\"ssp-66\"");
    eventually("a failed look-up", PATIENCE, || {
        (story.daemon.metric("callbridge_switch_lookup_failures_total", "switch=\"ssp-66\"") > 0.0).then_some(())
    });
    assert_eq!(up(&story), 0.0);
    let server = NameServer::start(
        dns,
        &[
            "--naptr-record=sbc.test,10,10,S,SIP+D2U,,_sip._udp.sbc.test".to_owned(),
            format!("--srv-host=_sip._udp.sbc.test,a.sbc.test,{sip},10,1"),
            "--address=/a.sbc.test/127.0.0.1".to_owned(),
        ],
    );
    eventually("the switch to be found", PATIENCE, || (up(&story) == 1.0).then_some(()));
    let failures = |story: &Story| story.daemon.metric("callbridge_switch_lookup_failures_total", "switch=\"ssp-66\"");
    let before = failures(&story);
    drop(server);
    eventually("another failed look-up", PATIENCE, || (failures(&story) > before).then_some(()));
    assert_eq!(up(&story), 1.0, "the last answer stands");
    let phone = phone_at(&story, sip, "customer-busy");
    let record = story.call_with(json!({ "customer": "+12135550100" })).record();
    assert_carried(&record, "ssp-66", "customer_busy");
    phone.finish();
    story.end();
}

#[test]
fn a_switch_with_an_ipv6_address_only_is_found_by_aaaa() {
    let (dns, place, own) = (ports::port(), ports::port(), ports::port());
    let _server = NameServer::start(dns, &records(&[("a.sbc.test", place, 1)], &[("a.sbc.test", "::1")]));
    let mut setup = named(dns);
    setup.listen = vec![];
    setup.sip.push(("listen", format!("[\"udp:127.0.0.1:{own}\", \"udp:[::1]:{own}\"]")));
    let story = Story::with(setup);
    let busy = Busy::at(SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, place)));
    until_located(&story.daemon, 1);
    assert_carried(&story.call_with(json!({ "customer": NUMBER })).record(), "ssp-66", "customer_busy");
    assert_eq!(busy.calls(), 1);
    story.end();
}

#[test]
fn calls_are_shared_among_places_by_the_weights_of_srv() {
    const CALLS: usize = 120;
    let (dns, ports) = (ports::port(), [ports::port(), ports::port()]);
    let places = [("a.sbc.test", ports[0], 9), ("b.sbc.test", ports[1], 1)];
    let addresses = [("a.sbc.test", "127.0.0.1"), ("b.sbc.test", "127.0.0.1")];
    let _server = NameServer::start(dns, &records(&places, &addresses));
    let busy = ports.map(|port| Busy::at(ports::loopback(port)));
    // A pair for each: nobody is to wait for one that another call has not given back yet.
    let story = Story::with(Setup { rtp_ports: 2 * CALLS as u16, ..named(dns) });
    until_located(&story.daemon, 1);
    let calls: Vec<_> = (0..CALLS).map(|_| story.call_with(json!({ "customer": NUMBER }))).collect();
    for call in &calls {
        assert_eq!(call.record()["outcome"], "customer_busy");
    }
    let [heavy, light] = busy.map(Busy::calls);
    assert_eq!(heavy + light, CALLS);
    // Twelve on average, and a standard deviation of 3.3; sixty if weights did nothing.
    assert!((1..=30).contains(&light), "{light} of {CALLS} with a tenth of the weight");
    story.end();
}

#[test]
fn a_changed_answer_moves_new_calls_and_leaves_the_live_one_where_it_is() {
    let (dns, old, new) = (ports::port(), ports::port(), ports::port());
    let at = |port| records(&[("a.sbc.test", port, 1)], &[("a.sbc.test", "127.0.0.1")]);
    let server = NameServer::start(dns, &at(old));
    let story = Story::with(named(dns));
    until_located(&story.daemon, 1);
    let customer = phone_at(&story, old, "phone-answers-and-is-hung-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let live = story.call_with(json!({ "customer": NUMBER }));
    live.until("bridged");
    drop(server);
    let _server = NameServer::start(dns, &at(new));
    until_located(&story.daemon, 2);
    let moved = phone_at(&story, new, "customer-busy");
    assert_carried(&story.call_with(json!({ "customer": NUMBER })).record(), "ssp-66", "customer_busy");
    moved.finish();
    until_both_hear_more(&customer, &representative);
    live.delete();
    assert_carried(&live.record(), "ssp-66", "completed");
    customer.finish();
    representative.finish();
    story.end();
}

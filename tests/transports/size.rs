//! The rule of size (RFC 3261 §18.1.1) over real sockets: a request that may not fit a datagram goes over TCP, and comes back to
//! UDP where the switch has no TCP.

use std::net::TcpListener;

use super::peer::{Manner, Peer};
use crate::support::daemon::{Setup, Switch};
use crate::support::ports::{self, loopback};
use crate::support::story::Story;

/// What makes an INVITE longer than 1300 bytes.
fn long() -> Vec<(&'static str, String)> {
    let fields: Vec<String> = (0..5).map(|n| format!("X-Order-{n} = \"{}\"", "x".repeat(200))).collect();
    vec![("headers", format!("{{ {} }}", fields.join(", ")))]
}

#[test]
fn a_long_invite_goes_over_tcp_to_a_switch_of_udp() {
    let port = ports::port();
    let listener = TcpListener::bind(loopback(port)).expect("the switch's port");
    let peer = Peer::listen(listener, None, Manner::Steady);
    let switches = vec![Switch { keys: long(), ..Switch::new("ssp-66", port, &[]) }];
    let setup = Setup { switches, listen: vec!["udp", "tcp"], ..Setup::default() };
    let story = Story::at(crate::support::daemon::Daemon::start(&setup));
    let call = story.call();
    call.until("bridged");
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    for (_, invite) in peer.until("INVITE", 2) {
        assert!(invite.len() > 1300 && invite.contains("\r\nVia: SIP/2.0/TCP "), "{invite}");
    }
    peer.until("BYE", 2);
    story.end();
}

#[test]
fn a_long_invite_comes_back_to_udp_where_tcp_is_refused() {
    let story = Story::with(Setup { trunk: long(), listen: vec!["udp", "tcp"], ..Setup::default() });
    let customer = story.customer("customer-busy");
    let record = story.call().record();
    assert_eq!((&record["outcome"], &record["customer_switch"]), (&"customer_busy".into(), &"ssp-62".into()));
    let messages = customer.finish().messages;
    let invite = messages.iter().find(|m| m.is_request("INVITE")).expect("an INVITE");
    assert!(invite.text.len() > 1300, "{invite:?}");
    assert!(invite.header("Via").is_some_and(|via| via.starts_with("SIP/2.0/UDP ")), "{invite:?}");
    assert!(messages.iter().any(|m| m.is_request("ACK")), "the refusal is acknowledged over UDP, too");
    story.end();
}

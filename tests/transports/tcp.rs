//! Whole calls over TCP: `sipp` takes our connections.

use std::net::TcpListener;

use super::peer::{Manner, Peer};
use crate::support::daemon::{Daemon, Setup};
use crate::support::ports;
use crate::support::story::{Story, assert_bridged_by_content, until_both_hear_each_other};

/// A daemon that listens on UDP and TCP, its switches over TCP.
fn over_tcp() -> Setup {
    Setup { transport: "tcp", listen: vec!["udp", "tcp"], ..Setup::default() }
}

#[test]
fn a_call_over_tcp_is_bridged_and_hung_up_by_the_phone() {
    let story = Story::with(over_tcp());
    let mut customer = story.customer("phone-answers-and-hangs-up");
    let representative = story.representative("phone-answers-and-is-hung-up");
    let call = story.call();
    call.until("bridged");
    until_both_hear_each_other(&customer, &representative);
    customer.act();
    assert_eq!(call.record()["outcome"], "completed");
    let customer = customer.finish();
    let invite = customer.messages.iter().find(|m| m.is_request("INVITE")).expect("an INVITE");
    assert!(invite.header("Via").is_some_and(|via| via.starts_with("SIP/2.0/TCP ")), "{invite:?}");
    assert!(invite.header("Contact").is_some_and(|contact| contact.contains(";transport=tcp")), "{invite:?}");
    assert_bridged_by_content(&customer.heard, &representative.finish().heard);
    story.end();
}

/// A story whose only switch is a peer of ours over TCP at this address.
fn with_peer(address: &str, manner: Manner) -> (Story, Peer) {
    let listener = TcpListener::bind(address).expect("the switch's address");
    let at = listener.local_addr().expect("bound");
    let peer = Peer::listen(listener, None, manner);
    let more = format!("[[switch]]\nname = \"ssp-66\"\nprefixes = []\naddress = \"sip:{at};transport=tcp\"\n");
    let listen = if at.is_ipv6() { vec![] } else { vec!["udp", "tcp"] };
    let own = format!("[\"udp:[::1]:{0}\", \"tcp:[::1]:{0}\"]", ports::port());
    let sip = if at.is_ipv6() { vec![("listen", own)] } else { vec![] };
    let daemon = Daemon::start(&Setup { more, listen, sip, ..Setup::default() });
    (Story::at(daemon), peer)
}

#[test]
fn a_connection_that_breaks_in_a_call_is_made_again_for_its_bye() {
    let (story, peer) = with_peer("127.0.0.1:0", Manner::DropsAfterAck);
    let call = story.call();
    call.until("bridged");
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    let byes = peer.until("BYE", 2);
    assert!(byes.iter().all(|(connection, _)| *connection > 0), "the first connection was gone: {byes:?}");
    story.end();
}

#[test]
fn a_call_goes_over_ipv6() {
    let (story, peer) = with_peer("[::1]:0", Manner::Steady);
    let call = story.call();
    call.until("bridged");
    call.delete();
    assert_eq!(call.record()["outcome"], "completed");
    let invite = &peer.until("INVITE", 2)[0].1;
    assert!(invite.contains("Via: SIP/2.0/TCP [::1]:"), "{invite}");
    peer.until("BYE", 2);
    story.end();
}

#[test]
fn a_switch_whose_port_is_closed_is_unreachable_at_once() {
    let setup = over_tcp();
    let story = Story::with(setup);
    let call = story.call();
    let record = call.record();
    assert_eq!(record["outcome"], "customer_unreachable");
    assert_eq!(record["customer_q850"], 38);
    story.end();
}

//! Whole calls over TCP: `sipp` takes our connections.

use crate::support::daemon::Setup;
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

//! SRTP as the engine negotiates it: whom it is asked of, and what a leg without it is worth.

use std::sync::Arc;

use super::{Rig, hop, switch};
use crate::model::{Outcome, SrtpUse, Trunk};
use crate::routing::Switch;

fn srtp(srtp: SrtpUse, last: u8) -> Switch {
    Switch { trunk: Arc::new(Trunk { srtp, ..Trunk::default() }), ..switch("ssp-61", last) }
}

fn crypto(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("a=crypto:")).collect()
}

#[test]
fn a_clear_answer_fails_the_leg_where_srtp_is_required() {
    let mut rig = Rig::new(vec![srtp(SrtpUse::Required, 1)]);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    assert!(invite.contains(" RTP/SAVP ") && crypto(&invite).len() == 3, "{invite}");
    rig.accept(&hop(1), &invite);
    let (_, ack) = rig.next("ACK");
    assert!(ack.starts_with("ACK"));
    let (_, bye) = rig.next("BYE");
    assert!(bye.contains("cause=88") && bye.contains("not encrypted (SRTP)"), "{bye}");
    rig.answer(&hop(1), &bye, 200, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerUnreachable]);
    rig.assert_nothing_left();
}

#[test]
fn where_srtp_is_optional_the_offer_is_avp_with_keys_and_a_clear_answer_is_taken() {
    let mut rig = Rig::new(vec![srtp(SrtpUse::Optional, 1)]);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    assert!(invite.contains(" RTP/AVP ") && crypto(&invite).len() == 3, "{invite}");
    rig.accept(&hop(1), &invite);
    let (_, second) = rig.next("INVITE");
    assert!(second.contains("+12125550101"), "the representative is dialled");
    let (first, second) = (crypto(&invite), crypto(&second));
    assert!(first.iter().all(|line| !second.contains(line)), "every leg has its own keys");
}

#[test]
fn without_srtp_nothing_of_it_is_said() {
    let mut rig = Rig::new(vec![srtp(SrtpUse::Off, 1)]);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    assert!(invite.contains(" RTP/AVP ") && crypto(&invite).is_empty(), "{invite}");
}

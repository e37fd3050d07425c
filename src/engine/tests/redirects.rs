//! 3xx: followed where routing would dial of its own accord, and nowhere else.

use super::*;

fn redirected(status: u16, contacts: &str) -> Rig {
    let mut rig = Rig::new(vec![switch("only", 1)]);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    rig.answer(&hop(1), &invite, status, &format!("Contact: {contacts}\r\n"));
    rig
}

#[test]
fn a_302_is_followed_in_the_order_of_preference_and_a_refusal_there_tries_the_next_contact() {
    let mut rig = redirected(302, "<sip:201@pbx.example.com>;q=0.1, <sip:+12125550199@192.0.2.1>;q=0.9");
    let (_, invite) = rig.next("INVITE");
    assert!(invite.starts_with("INVITE sip:+12125550199@192.0.2.1:5060;user=phone "), "{invite}");
    rig.answer(&hop(1), &invite, 404, "");
    let (_, invite) = rig.next("INVITE");
    assert!(invite.starts_with("INVITE sip:201@pbx.example.com "), "{invite}");
    assert_eq!(rig.ports, 1);
    rig.answer(&hop(1), &invite, 486, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy]);
    rig.assert_nothing_left();
}

#[test]
fn a_redirection_to_a_premium_number_or_a_strange_host_is_refused() {
    for contacts in ["<sip:+19005550100@192.0.2.1>", "<sip:x@evil.example.org>", "*"] {
        let mut rig = redirected(302, contacts);
        assert_eq!(rig.count("INVITE"), 0, "{contacts}");
        assert_eq!(rig.outcomes(), [Outcome::CustomerUnreachable]);
        assert_eq!(rig.records[0].customer_sip_status, Some(302));
        rig.assert_nothing_left();
    }
}

#[test]
fn use_proxy_and_alternative_service_are_not_followed() {
    for status in [305, 380] {
        let rig = redirected(status, "<sip:201@pbx.example.com>");
        assert_eq!(rig.count("INVITE"), 0);
        assert_eq!(rig.outcomes(), [Outcome::CustomerUnreachable]);
    }
}

#[test]
fn a_loop_is_seen_at_its_second_turn() {
    let mut rig = redirected(302, "<sip:201@pbx.example.com>");
    let (_, invite) = rig.next("INVITE");
    rig.answer(&hop(1), &invite, 302, &format!("Contact: <sip:{CUSTOMER}@192.0.2.1>\r\n"));
    assert_eq!(rig.count("INVITE"), 0);
    assert_eq!(rig.records[0].detail, "redirected in a loop");
}

#[test]
fn redirections_end_at_the_switchs_limit() {
    let mut rig = redirected(302, "<sip:1@pbx.example.com>");
    for next in 2..=4 {
        let (_, invite) = rig.next("INVITE");
        rig.answer(&hop(1), &invite, 302, &format!("Contact: <sip:{next}@pbx.example.com>\r\n"));
    }
    assert_eq!(rig.count("INVITE"), 0);
    assert_eq!(rig.records[0].detail, "redirected too often");
}

#[test]
fn nothing_is_followed_for_a_call_that_is_dead() {
    let mut rig = Rig::new(vec![switch("only", 1)]);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    rig.answer(&hop(1), &invite, 180, "");
    rig.delete();
    rig.answer(&hop(1), &invite, 302, "Contact: <sip:201@pbx.example.com>\r\n");
    rig.pass(1_000);
    assert_eq!(rig.count("INVITE"), 0);
    rig.assert_nothing_left();
}

//! Requests of the peer: in a dialog, and out of the blue.

use super::*;
use crate::sip::api::{OfferId, OfferReply};

fn offer(rig: &mut Rig) -> (OfferId, Vec<u8>) {
    match rig.events().pop() {
        Some(LegEvent::Offered { id, offer }) => (id, offer),
        other => panic!("no offer: {other:?}"),
    }
}

fn reply_to_offer(rig: &mut Rig, id: OfferId, reply: OfferReply) {
    rig.stack.answer_offer(rig.now, leg(0), id, reply);
    rig.drain();
}

#[test]
fn a_re_invite_is_offered_answered_and_acked() {
    let mut rig = Rig::new(31);
    let (invite, _) = rig.answered();
    let again = request(&invite, "a", "INVITE", 5, "Contact: <sip:new@192.0.2.1:5099>\r\n", "v=0 hold");
    rig.receive(&again);
    let (id, body) = offer(&mut rig);
    assert_eq!(body, b"v=0 hold");
    reply_to_offer(&mut rig, id, OfferReply::Accept(b"v=0 held".to_vec()));
    let ok = rig.take().pop().unwrap();
    assert!(ok.starts_with("SIP/2.0 200") && ok.ends_with("v=0 held"));
    assert!(field(&ok, "Contact").contains("192.0.2.100:5060"));
    assert!(field(&ok, "Via").contains(";rport=5070"));
    rig.until(500);
    assert_eq!(rig.take(), [ok]);
    rig.receive(&request(&invite, "a", "ACK", 5, "", ""));
    rig.until(60_000);
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.hang_up();
    assert!(rig.take().pop().unwrap().starts_with("BYE sip:new@192.0.2.1:5099 "));
    rig.assert_freed();
}

#[test]
fn an_offerless_re_invite_gets_our_offer_and_its_ack_brings_the_answer() {
    let mut rig = Rig::new(32);
    let (invite, _) = rig.answered();
    rig.receive(&request(&invite, "a", "INVITE", 5, "Contact: <sip:p@192.0.2.1>\r\n", ""));
    let (id, body) = offer(&mut rig);
    assert!(body.is_empty());
    reply_to_offer(&mut rig, id, OfferReply::Accept(b"v=0 ours".to_vec()));
    assert!(rig.take().pop().unwrap().ends_with("v=0 ours"));
    rig.receive(&request(&invite, "a", "INVITE", 6, "Contact: <sip:p@192.0.2.1>\r\n", "v=0 x"));
    assert_eq!(rig.words(), ["491"]);
    rig.receive(&request(&invite, "a", "ACK", 5, "", "v=0 theirs"));
    assert_eq!(rig.events(), [answered_offer("v=0 ours", "v=0 theirs")]);
}

#[test]
fn a_second_offer_meets_500_with_retry_after() {
    let mut rig = Rig::new(33);
    let (invite, _) = rig.answered();
    rig.receive(&request(&invite, "a", "INVITE", 5, "Contact: <sip:p@192.0.2.1>\r\n", "v=0 1"));
    let (id, _) = offer(&mut rig);
    rig.receive(&request(&invite, "a", "UPDATE", 6, "Contact: <sip:p@192.0.2.1>\r\n", "v=0 2"));
    let busy = rig.take().pop().unwrap();
    assert!(busy.starts_with("SIP/2.0 500"));
    assert!(field(&busy, "Retry-After").parse::<u8>().unwrap() <= 10);
    reply_to_offer(&mut rig, id, OfferReply::Refuse);
    assert_eq!(rig.words(), ["488"]);
    rig.until(500);
    assert_eq!(rig.words(), ["488"]);
    rig.receive(&request(&invite, "a", "ACK-of-refusal", 5, "", ""));
    rig.until(10_000);
    assert_eq!(rig.words(), Vec::<String>::new());
}

#[test]
fn an_update_is_offered_and_answered() {
    let mut rig = Rig::new(34);
    let (invite, _) = rig.answered();
    rig.receive(&request(&invite, "a", "UPDATE", 5, "Contact: <sip:p@192.0.2.1>\r\n", "v=0 u"));
    let (id, _) = offer(&mut rig);
    reply_to_offer(&mut rig, id, OfferReply::Accept(b"v=0 a".to_vec()));
    assert!(rig.take().pop().unwrap().ends_with("v=0 a"));
    rig.receive(&request(&invite, "a", "UPDATE", 6, "Contact: <sip:p@192.0.2.1>\r\n", ""));
    assert_eq!(rig.words(), ["200"]);
    rig.until(30_000);
    assert_eq!(rig.words(), Vec::<String>::new());
}

#[test]
fn a_re_invite_can_be_cancelled() {
    let mut rig = Rig::new(35);
    let (invite, _) = rig.answered();
    rig.receive(&request(&invite, "a", "INVITE", 5, "Contact: <sip:p@192.0.2.1>\r\n", "v=0 1"));
    let (id, _) = offer(&mut rig);
    rig.until(250);
    assert_eq!(rig.words(), ["100"]);
    rig.receive(&request(&invite, "a", "CANCEL", 5, "", ""));
    assert_eq!(rig.words(), ["200", "487"]);
    reply_to_offer(&mut rig, id, OfferReply::Accept(b"late".to_vec()));
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.receive(&request(&invite, "a", "CANCEL", 77, "", ""));
    assert_eq!(rig.words(), ["481"]);
}

#[test]
fn a_2xx_that_is_never_acked_ends_the_dialog() {
    let mut rig = Rig::new(36);
    let (invite, _) = rig.answered();
    rig.receive(&request(&invite, "a", "INVITE", 5, "Contact: <sip:p@192.0.2.1>\r\n", "v=0 1"));
    let (id, _) = offer(&mut rig);
    reply_to_offer(&mut rig, id, OfferReply::Accept(b"v=0".to_vec()));
    rig.until(32_000);
    let words = rig.words();
    assert_eq!(words.iter().filter(|word| *word == "200").count(), 11);
    assert_eq!(words.last().unwrap(), "BYE");
    assert!(matches!(rig.events()[..], [LegEvent::HungUp { .. }]));
    rig.assert_freed();
}

#[test]
fn a_bye_refuses_the_re_invite_that_waits() {
    for ours in [true, false] {
        let mut rig = Rig::new(37);
        let (invite, _) = rig.answered();
        rig.receive(&request(&invite, "a", "INVITE", 5, "Contact: <sip:p@192.0.2.1>\r\n", "v=0 1"));
        offer(&mut rig);
        if ours {
            rig.hang_up();
            assert_eq!(rig.words(), ["487", "BYE"]);
        } else {
            rig.receive(&request(&invite, "a", "BYE", 6, "", ""));
            assert_eq!(rig.words(), ["200", "487"]);
        }
        rig.assert_freed();
    }
}

#[test]
fn the_polite_rest() {
    let mut rig = Rig::new(38);
    let (invite, _) = rig.answered();
    let table = [
        ("OPTIONS", "200"),
        ("INFO", "200"),
        ("NOTIFY", "489"),
        ("REFER", "400"),
        ("PRACK", "481"),
        ("MESSAGE", "405"),
        ("DANCE", "501"),
    ];
    for (cseq, (method, status)) in (10..).zip(table) {
        rig.receive(&request(&invite, "a", method, cseq, "", ""));
        assert_eq!(rig.words(), [status], "{method}");
    }
    rig.receive(&request(&invite, "a", "INFO", 3, "", ""));
    assert_eq!(rig.words(), ["500"]);
    rig.receive(&request(&invite, "other", "INFO", 30, "", ""));
    assert_eq!(rig.words(), ["481"]);
    rig.receive(&request(
        &invite,
        "a",
        "INVITE",
        31,
        "Require: timer, precondition\r\nContact: <sip:p@192.0.2.1>\r\n",
        "v=0",
    ));
    let refused = rig.take().pop().unwrap();
    assert!(refused.starts_with("SIP/2.0 420") && field(&refused, "Unsupported") == "precondition");
}

#[test]
fn requests_of_one_leg_are_bounded() {
    let mut rig = Rig::new(39);
    let (invite, _) = rig.answered();
    for cseq in 10..500 {
        rig.receive(&request(&invite, "a", "OPTIONS", cseq, "", ""));
    }
    assert_eq!(rig.stack.census().servers, 64);
    assert_eq!(rig.words().last().unwrap(), "503");
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn strangers_get_silence_and_the_unknown_costs_no_memory() {
    let mut rig = Rig::new(40);
    let other = Rig::new(41).dial();
    let bye = |method: &str| request(&other, "x", method, 1, "", "");
    let stranger = Hop::udp("198.51.100.1:5060".parse().unwrap());
    rig.stack.receive(rig.now, &stranger, bye("OPTIONS").as_bytes());
    rig.drain();
    assert_eq!((rig.words().len(), rig.refused.pop()), (0, Some(RefusedWhy::Stranger)));
    let table = [("BYE", "481"), ("INVITE", "481"), ("CANCEL", "481"), ("DANCE", "501")];
    for (method, status) in table {
        rig.receive(&bye(method));
        assert_eq!(rig.words(), [status], "{method}");
    }
    rig.receive(&bye("ACK"));
    assert_eq!(rig.words(), Vec::<String>::new());
    let to = field(&other, "From").to_string();
    let without_tag = |method: &str| bye(method).replace(&format!("To: {to}"), "To: <sip:callbridge@192.0.2.100>");
    let table = [
        ("INVITE", "403"),
        ("OPTIONS", "200"),
        ("REGISTER", "405"),
        ("REGISTER", "405"),
        ("MESSAGE", "405"),
        ("SUBSCRIBE", "405"),
        ("PUBLISH", "405"),
        ("NOTIFY", "481"),
        ("UPDATE", "481"),
        ("PRACK", "481"),
        ("INFO", "481"),
    ];
    for (method, status) in table {
        rig.receive(&without_tag(method));
        let sent = rig.take().pop().unwrap();
        assert_eq!(word(&sent), status, "{method}");
        assert!(field(&sent, "To").contains(";tag="));
        assert_eq!(field(&sent, "Allow").contains("PRACK"), matches!(status, "200" | "405"), "{method}");
        if method == "OPTIONS" {
            assert_eq!(field(&sent, "Accept"), "application/sdp, application/dtmf-relay, application/dtmf");
            assert_eq!(field(&sent, "Supported"), "100rel, timer, norefersub");
        }
    }
    rig.receive("nonsense");
    rig.receive("\r\n\r\n");
    rig.receive(&reply(&other, 200, "a", ""));
    assert_eq!(rig.words(), Vec::<String>::new());
    assert!(rig.stack.is_idle());
}

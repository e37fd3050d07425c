//! Reliable provisionals (RFC 3262), what they settle, and UPDATE before the answer (RFC 3311).

use super::*;
use crate::sip::api::{OfferId, OfferReply};

const CONTACT: &str = "Contact: <sip:phone@192.0.2.1:5070>\r\n";

/// A reliable 183 of the fork `tag`.
fn reliable(invite: &str, tag: &str, rseq: u32, body: &str) -> String {
    let extra = format!("Require: 100rel\r\nRSeq: {rseq}\r\nRecord-Route: <sip:192.0.2.1:5071;lr>\r\n{CONTACT}");
    reply_body(invite, 183, tag, &extra, body)
}

fn answered(rig: &mut Rig) -> (String, Option<OfferId>) {
    match rig.events().pop() {
        Some(LegEvent::Answered { answer, by }) => (String::from_utf8(answer).unwrap(), by),
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn a_reliable_provisional_is_pracked_in_its_dialog_and_repetitions_are_not() {
    let mut rig = Rig::new(71);
    let invite = rig.dial();
    assert!(field(&invite, "Supported").contains("100rel"));
    for _ in 0..3 {
        rig.receive(&reliable(&invite, "a", 400, ""));
    }
    let sent = rig.take();
    assert_eq!(sent.len(), 1);
    let prack = &sent[0];
    assert!(prack.starts_with("PRACK sip:phone@192.0.2.1:5070 SIP/2.0\r\n"));
    assert_eq!((field(prack, "RAck"), field(prack, "CSeq")), ("400 1 INVITE", "2 PRACK"));
    assert_eq!(field(prack, "Route"), "<sip:192.0.2.1:5071;lr>");
    assert!(field(prack, "To").ends_with(";tag=a"));
    assert_eq!(rig.events(), [LegEvent::Ringing]);
    rig.receive(&reply(prack, 200, "", ""));
    rig.receive(&reliable(&invite, "a", 401, ""));
    let prack = rig.take().pop().unwrap();
    assert_eq!((field(&prack, "RAck"), field(&prack, "CSeq")), ("401 1 INVITE", "3 PRACK"));
    rig.receive(&reply(&prack, 200, "", ""));
    rig.receive(&answer(&invite, "a"));
    assert_eq!(field(&rig.take().pop().unwrap(), "CSeq"), "1 ACK");
    rig.hang_up();
    assert_eq!(field(&rig.take().pop().unwrap(), "CSeq"), "4 BYE");
    rig.assert_freed();
}

#[test]
fn what_is_out_of_order_or_without_a_number_is_not_looked_at() {
    let mut rig = Rig::new(72);
    let invite = rig.dial();
    for rseq in [0, 1 << 31] {
        rig.receive(&reliable(&invite, "a", rseq, ""));
    }
    rig.receive(&reply(&invite, 183, "a", &format!("Require: 100rel\r\n{CONTACT}")));
    rig.receive(&reply(&invite, 183, "", &format!("Require: 100rel\r\nRSeq: 1\r\n{CONTACT}")));
    assert_eq!((rig.words().len(), rig.events().len()), (0, 0));
    rig.receive(&reliable(&invite, "a", 10, ""));
    assert_eq!(rig.words(), ["PRACK"]);
    for rseq in [12, 9, 10, 13, u32::MAX] {
        rig.receive(&reliable(&invite, "a", rseq, "v=0 astray"));
    }
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.receive(&reliable(&invite, "a", 11, ""));
    assert_eq!(rig.words(), ["PRACK"]);
    rig.receive(&answer(&invite, "a"));
    assert_eq!(answered(&mut rig).0, "v=0 answer");
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn the_reliable_answer_stands_whatever_the_200_brings() {
    for body in ["", "v=0 early", "v=0 other"] {
        let mut rig = Rig::new(73);
        let invite = rig.dial();
        rig.receive(&reliable(&invite, "a", 1, "v=0 early"));
        rig.receive(&reliable(&invite, "a", 2, "v=0 later"));
        assert_eq!(rig.events(), [LegEvent::Ringing]);
        rig.receive(&reply_body(&invite, 200, "a", CONTACT, body));
        assert_eq!(answered(&mut rig), ("v=0 early".into(), None));
        rig.hang_up();
        rig.assert_freed();
    }
}

#[test]
fn every_fork_has_its_own_sequence_and_its_own_answer() {
    let mut rig = Rig::new(74);
    let invite = rig.dial();
    rig.receive(&reliable(&invite, "a", 7, "v=0 a"));
    rig.receive(&reliable(&invite, "b", 900, "v=0 b"));
    rig.receive(&reliable(&invite, "a", 8, ""));
    rig.receive(&reliable(&invite, "b", 901, ""));
    let racks: Vec<String> = rig.take().iter().map(|text| field(text, "RAck").to_string()).collect();
    assert_eq!(racks, ["7 1 INVITE", "900 1 INVITE", "8 1 INVITE", "901 1 INVITE"]);
    rig.receive(&reply_body(&invite, 200, "b", CONTACT, ""));
    assert_eq!(answered(&mut rig).0, "v=0 b");
    // The other fork goes on as if it did not know: its provisionals mean nothing any more, its 200 is BYEd.
    rig.take();
    rig.receive(&reliable(&invite, "a", 9, ""));
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.receive(&reply_body(&invite, 200, "a", CONTACT, ""));
    let sent = rig.take();
    assert_eq!(sent.iter().map(|text| word(text)).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert_eq!(field(&sent[1], "CSeq"), "4 BYE");
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_prack_that_fails_or_is_never_answered_changes_nothing() {
    for refusal in [Some(481), Some(500), None] {
        let mut rig = Rig::new(75);
        let invite = rig.dial();
        rig.receive(&reliable(&invite, "a", 1, "v=0 early"));
        let prack = rig.take().pop().unwrap();
        match refusal {
            Some(status) => rig.receive(&reply(&prack, status, "", "")),
            None => rig.until(40_000),
        }
        rig.receive(&reliable(&invite, "a", 1, "v=0 early"));
        assert!(rig.words().iter().all(|word| word == "PRACK"));
        rig.receive(&answer(&invite, "a"));
        assert_eq!(answered(&mut rig).0, "v=0 early");
        rig.hang_up();
        rig.assert_freed();
    }
}

#[test]
fn a_storm_of_reliable_provisionals_waits_for_its_pracks() {
    let mut rig = Rig::new(76);
    let invite = rig.dial();
    for rseq in 1..1_000 {
        rig.receive(&reliable(&invite, "a", rseq, ""));
    }
    assert_eq!(rig.take().len(), 15);
    rig.hang_up();
    rig.receive(&reply(&invite, 487, "a", ""));
    rig.assert_freed();
}

#[test]
fn a_trunk_without_reliable_provisionals_gets_no_prack() {
    let mut rig = Rig::new(77);
    let trunk = crate::model::Trunk { reliable_provisionals: false, ..Default::default() };
    let invite = rig.dial_with(trunk);
    assert!(!invite.contains("100rel"));
    rig.receive(&reliable(&invite, "a", 1, "v=0 early"));
    assert_eq!(rig.words(), Vec::<String>::new());
    assert_eq!(rig.events(), [LegEvent::Ringing]);
    rig.receive(&answer(&invite, "a"));
    assert_eq!(answered(&mut rig).0, "v=0 answer");
}

#[test]
fn the_route_and_target_of_the_200_replace_those_of_the_provisional() {
    let mut rig = Rig::new(78);
    let invite = rig.dial();
    rig.receive(&reliable(&invite, "a", 1, ""));
    rig.take();
    rig.receive(&reply_body(&invite, 200, "a", "Contact: <sip:moved@192.0.2.1:5099>\r\n", "v=0"));
    let ack = rig.take().pop().unwrap();
    assert!(ack.starts_with("ACK sip:moved@192.0.2.1:5099 ") && field(&ack, "Route").is_empty());
}

#[test]
fn an_update_with_an_offer_before_the_answer_needs_a_settled_one() {
    let mut rig = Rig::new(79);
    let invite = rig.dial();
    rig.receive(&reply_body(&invite, 183, "a", CONTACT, "v=0 early media"));
    rig.receive(&request(&invite, "a", "UPDATE", 2, CONTACT, "v=0 u"));
    assert_eq!(rig.words(), ["491"]);
    rig.receive(&request(&invite, "a", "UPDATE", 3, CONTACT, ""));
    assert_eq!(rig.words(), ["200"]);
    rig.receive(&reliable(&invite, "a", 1, "v=0 early"));
    rig.take();
    rig.receive(&request(&invite, "a", "UPDATE", 4, CONTACT, "v=0 u"));
    let (id, _) = match rig.events().pop() {
        Some(LegEvent::Offered { id, offer }) => (id, offer),
        other => panic!("no offer: {other:?}"),
    };
    // While the engine thinks, another one is too much, and another fork has nothing settled.
    rig.receive(&request(&invite, "a", "UPDATE", 5, CONTACT, "v=0 v"));
    assert_eq!(rig.words(), ["500"]);
    rig.stack.answer_offer(rig.now, leg(0), id, OfferReply::Accept(b"v=0 ours".to_vec()));
    rig.drain();
    assert!(rig.take().pop().unwrap().ends_with("v=0 ours"));
    rig.receive(&reply_body(&invite, 200, "a", CONTACT, ""));
    assert_eq!(answered(&mut rig), (String::new(), Some(id)));
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn what_a_fork_that_lost_was_told_is_not_taken_for_an_offer_to_the_one_that_answered() {
    let mut rig = Rig::new(87);
    let invite = rig.dial();
    rig.receive(&reliable(&invite, "a", 1, "v=0 a"));
    rig.receive(&request(&invite, "a", "UPDATE", 4, CONTACT, "v=0 u"));
    let Some(LegEvent::Offered { id, .. }) = rig.events().pop() else { panic!("no offer") };
    rig.stack.answer_offer(rig.now, leg(0), id, OfferReply::Accept(b"v=0 for a".to_vec()));
    rig.drain();
    let timed =
        format!("{CONTACT}Session-Expires: 1800;refresher=uac\r\nRequire: timer\r\nAllow: INVITE, ACK, BYE\r\n");
    rig.receive(&reply_body(&invite, 200, "b", &timed, "v=0 b"));
    assert_eq!(answered(&mut rig), ("v=0 b".to_owned(), None));
    rig.take();
    rig.until(900_000);
    let refresh = rig.take().pop().unwrap();
    assert!(refresh.starts_with("INVITE ") && refresh.ends_with("v=0 offer"), "{refresh}");
    rig.receive(&reply_body(&refresh, 200, "", &timed, "v=0 b again"));
    assert_eq!(rig.events(), [answered_offer("v=0 offer", "v=0 b again")]);
}

#[test]
fn an_offer_of_a_fork_that_lost_is_refused() {
    let mut rig = Rig::new(80);
    let invite = rig.dial();
    rig.receive(&reliable(&invite, "a", 1, "v=0 a"));
    rig.receive(&request(&invite, "a", "UPDATE", 4, CONTACT, "v=0 u"));
    rig.take();
    rig.receive(&answer(&invite, "b"));
    assert_eq!(rig.words(), ["ACK", "487"]);
    rig.receive(&request(&invite, "a", "UPDATE", 5, CONTACT, "v=0 u"));
    rig.receive(&request(&invite, "a", "UPDATE", 6, CONTACT, ""));
    assert_eq!(rig.words(), ["481", "481"]);
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn an_answer_that_nobody_wants_any_more_refuses_the_offers_of_the_other_forks() {
    for late in [true, false] {
        let mut rig = Rig::new(86);
        let invite = rig.dial();
        rig.receive(&reliable(&invite, "a", 1, "v=0 a"));
        rig.receive(&request(&invite, "a", "UPDATE", 4, CONTACT, "v=0 u"));
        if late {
            rig.hang_up();
        }
        rig.take();
        // Too late, or without a Contact.
        let answer = if late { answer(&invite, "b") } else { reply_body(&invite, 200, "b", "", "v=0 b") };
        rig.receive(&answer);
        let words = rig.words();
        assert!(words.contains(&"487".to_owned()) && words.contains(&"BYE".to_owned()), "{words:?}");
        rig.hang_up();
        rig.assert_freed();
    }
}

#[test]
fn a_refused_invite_ends_its_early_dialogs() {
    let mut rig = Rig::new(81);
    let invite = rig.dial();
    rig.receive(&reliable(&invite, "a", 1, "v=0 a"));
    rig.receive(&request(&invite, "a", "UPDATE", 4, CONTACT, "v=0 u"));
    rig.take();
    rig.receive(&reply(&invite, 486, "a", ""));
    assert_eq!(rig.words(), ["ACK", "487"]);
    rig.receive(&request(&invite, "a", "UPDATE", 5, CONTACT, "v=0 u"));
    assert_eq!(rig.words(), ["481"]);
    rig.assert_freed();
}

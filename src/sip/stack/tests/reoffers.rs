//! Our own re-INVITE: glare both ways, its ACKs, and a BYE in the middle of it (field.md 9).

use super::*;
use crate::sip::api::OfferReply;

const CONTACT: &str = "Contact: <sip:phone@192.0.2.1:5070>\r\n";

fn reoffer(rig: &mut Rig, body: &str) -> String {
    rig.stack.reoffer(rig.now, leg(0), body.as_bytes().to_vec());
    rig.drain();
    rig.take().pop().unwrap_or_default()
}

fn accepted(invite: &str) -> String {
    reply_body(invite, 200, "", "Contact: <sip:moved@192.0.2.1:5099>\r\n", "v=0 theirs")
}

#[test]
fn a_re_invite_of_ours_is_acked_with_each_copy_of_its_200() {
    let mut rig = Rig::new(111);
    rig.answered();
    let invite = reoffer(&mut rig, "v=0 new");
    assert!(invite.starts_with("INVITE sip:phone@192.0.2.1:5070 ") && invite.ends_with("v=0 new"));
    rig.receive(&reply(&invite, 100, "", ""));
    rig.receive(&accepted(&invite));
    let ack = rig.take().pop().unwrap();
    assert!(ack.starts_with("ACK sip:moved@192.0.2.1:5099 ") && field(&ack, "CSeq") == "2 ACK");
    assert_ne!(branch(&ack), branch(&invite));
    rig.receive(&accepted(&invite));
    assert_eq!(rig.take(), [ack]);
    assert_eq!(rig.events(), [answered_offer("v=0 new", "v=0 theirs")]);
    rig.hang_up();
    let bye = rig.take().pop().unwrap();
    assert!(bye.starts_with("BYE sip:moved@192.0.2.1:5099 ") && field(&bye, "CSeq") == "3 BYE");
    rig.assert_freed();
}

#[test]
fn a_refused_re_invite_is_acked_like_the_request_and_told() {
    let mut rig = Rig::new(112);
    rig.answered();
    let invite = reoffer(&mut rig, "v=0 new");
    for _ in 0..2 {
        rig.receive(&reply(&invite, 488, "", ""));
        let ack = rig.take().pop().unwrap();
        assert!(ack.starts_with("ACK sip:phone@192.0.2.1:5070 ") && field(&ack, "CSeq") == "2 ACK");
        assert_eq!((branch(&ack), field(&ack, "To")), (branch(&invite), field(&invite, "To")));
    }
    assert!(matches!(&rig.events()[..], [LegEvent::OfferRefused { cause }] if cause.sip_status == Some(488)));
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn theirs_while_ours_is_pending_meets_491() {
    let mut rig = Rig::new(113);
    let (first, _) = rig.answered();
    let invite = reoffer(&mut rig, "v=0 new");
    rig.receive(&request(&first, "a", "INVITE", 5, CONTACT, "v=0 theirs"));
    rig.receive(&request(&first, "a", "UPDATE", 6, CONTACT, "v=0 theirs"));
    assert_eq!(rig.words(), ["491", "491"]);
    // No offer, no glare.
    rig.receive(&request(&first, "a", "UPDATE", 7, CONTACT, ""));
    assert_eq!(rig.words(), ["200"]);
    rig.receive(&accepted(&invite));
    assert_eq!(rig.words(), ["ACK"]);
    rig.receive(&request(&first, "a", "ACK-of-refusal", 5, "", ""));
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_491_to_ours_is_followed_by_the_same_offer_after_the_time_of_who_owns_the_call_id() {
    let mut rig = Rig::new(114);
    rig.answered();
    let invite = reoffer(&mut rig, "v=0 new");
    rig.receive(&reply(&invite, 491, "", ""));
    assert_eq!(rig.words(), ["ACK"]);
    rig.until(2_099);
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.until(4_000);
    let (at, again) = rig.sent.pop().unwrap();
    assert_eq!(at % 10, 0);
    assert!(again.ends_with("v=0 new") && field(&again, "CSeq") == "3 INVITE");
    rig.receive(&reply(&again, 500, "", "Retry-After: 9\r\n"));
    rig.take();
    rig.until(at + 9_000 - 1);
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.until(14_000);
    let again = rig.take().pop().unwrap();
    rig.receive(&accepted(&again));
    assert_eq!(rig.events().len(), 1);
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn endless_491_is_given_up() {
    let mut rig = Rig::new(115);
    rig.answered();
    let mut invite = reoffer(&mut rig, "v=0 new");
    let mut tries = 0;
    while !invite.is_empty() {
        tries += 1;
        rig.receive(&reply(&invite, 491, "", ""));
        rig.take();
        let later = rig.now.0 / 1000 + 5_000;
        rig.until(later);
        invite = rig.take().pop().unwrap_or_default();
    }
    assert_eq!(tries, 10);
    assert!(matches!(rig.events()[..], [LegEvent::OfferRefused { .. }]));
}

#[test]
fn ours_waits_for_the_end_of_theirs() {
    let mut rig = Rig::new(116);
    let (first, _) = rig.answered();
    rig.receive(&request(&first, "a", "INVITE", 5, CONTACT, "v=0 theirs"));
    let Some(LegEvent::Offered { id, .. }) = rig.events().pop() else { panic!("no offer") };
    assert_eq!(reoffer(&mut rig, "v=0 old news"), "");
    assert_eq!(reoffer(&mut rig, "v=0 new"), "");
    rig.stack.answer_offer(rig.now, leg(0), id, OfferReply::Accept(b"v=0 ok".to_vec()));
    rig.drain();
    assert_eq!(rig.words(), ["200"]);
    rig.receive(&request(&first, "a", "ACK", 5, "", ""));
    rig.until(1);
    let invite = rig.take().pop().unwrap();
    assert!(invite.starts_with("INVITE ") && invite.ends_with("v=0 new"));
    rig.receive(&accepted(&invite));
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn ours_waits_for_the_ack_of_a_refusal() {
    let mut rig = Rig::new(117);
    let (first, _) = rig.answered();
    rig.receive(&request(&first, "a", "INVITE", 5, CONTACT, "v=0 theirs"));
    let Some(LegEvent::Offered { id, .. }) = rig.events().pop() else { panic!("no offer") };
    rig.stack.answer_offer(rig.now, leg(0), id, OfferReply::Refuse);
    rig.drain();
    rig.take();
    assert_eq!(reoffer(&mut rig, "v=0 new"), "");
    rig.until(700);
    assert_eq!(rig.words(), ["488"]);
    rig.receive(&request(&first, "a", "ACK-of-refusal", 5, "", ""));
    rig.until(1_200);
    assert_eq!(rig.words(), ["INVITE"]);
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_bye_in_the_middle_of_ours_silences_it() {
    for ours in [true, false] {
        for rang in [true, false] {
            let mut rig = Rig::new(118);
            let (first, _) = rig.answered();
            let invite = reoffer(&mut rig, "v=0 new");
            if rang {
                rig.receive(&reply(&invite, 100, "", ""));
            }
            if ours {
                rig.hang_up();
                assert_eq!(rig.words(), ["BYE"]);
            } else {
                rig.receive(&request(&first, "a", "BYE", 9, "", ""));
                assert_eq!(rig.words(), ["200"]);
                assert!(matches!(rig.events()[..], [LegEvent::HungUp { .. }]));
            }
            rig.until(400);
            // What comes late is ACKed, and means nothing.
            rig.receive(&accepted(&invite));
            assert_eq!(rig.words(), ["ACK"]);
            assert_eq!(rig.events(), []);
            rig.assert_freed();
        }
    }
}

#[test]
fn a_re_invite_that_nobody_answers_ends_the_dialog() {
    for rings in [true, false] {
        let mut rig = Rig::new(119);
        rig.answered();
        let invite = reoffer(&mut rig, "v=0 new");
        if rings {
            rig.receive(&reply(&invite, 180, "", ""));
        }
        rig.until(32_000);
        assert_eq!(rig.words().last().unwrap(), "BYE");
        assert!(matches!(rig.events()[..], [LegEvent::HungUp { .. }]));
        rig.assert_freed();
    }
}

#[test]
fn a_200_without_a_description_refuses_the_offer() {
    let mut rig = Rig::new(120);
    rig.answered();
    let invite = reoffer(&mut rig, "v=0 new");
    rig.receive(&reply(&invite, 200, "", CONTACT));
    assert_eq!(rig.words(), ["ACK"]);
    assert!(matches!(rig.events()[..], [LegEvent::OfferRefused { .. }]));
}

#[test]
fn a_leg_that_is_not_answered_offers_nothing() {
    let mut rig = Rig::new(121);
    let invite = rig.dial();
    rig.receive(&reply(&invite, 180, "a", ""));
    assert_eq!(reoffer(&mut rig, "v=0 new"), "");
    rig.hang_up();
    rig.stack.reoffer(rig.now, leg(0), Vec::new());
    rig.stack.reoffer(rig.now, leg(9), Vec::new());
}

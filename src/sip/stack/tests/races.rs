//! Where a hang-up and an answer cross, where forks and copies come.

use super::*;

#[test]
fn no_cancel_before_a_provisional() {
    let mut rig = Rig::new(11);
    let invite = rig.dial();
    rig.hang_up();
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.receive(&reply(&invite, 100, "", ""));
    let cancel = rig.take().pop().unwrap();
    assert!(cancel.starts_with("CANCEL sip:+12125550100@192.0.2.1;user=phone SIP/2.0\r\n"));
    assert_eq!(branch(&cancel), branch(&invite));
    assert_eq!(field(&cancel, "CSeq"), "1 CANCEL");
    assert_eq!(field(&cancel, "To"), field(&invite, "To"));
    rig.receive(&reply(&cancel, 200, "a", ""));
    rig.receive(&reply(&invite, 487, "a", ""));
    rig.receive(&reply(&invite, 487, "a", ""));
    assert_eq!(rig.words(), ["ACK", "ACK"]);
    assert_eq!(rig.events(), []);
    rig.assert_freed();
}

#[test]
fn hung_up_before_anything_then_answered_is_acked_and_byed() {
    let mut rig = Rig::new(12);
    let invite = rig.dial();
    rig.hang_up();
    rig.receive(&answer(&invite, "a"));
    assert_eq!(rig.words(), ["ACK", "BYE"]);
    assert_eq!(rig.events(), []);
    rig.assert_freed();
}

#[test]
fn cancel_crosses_200() {
    let mut rig = Rig::new(13);
    let invite = rig.dial();
    rig.receive(&reply(&invite, 180, "a", ""));
    rig.events();
    rig.hang_up();
    let cancel = rig.take().pop().unwrap();
    rig.receive(&answer(&invite, "a"));
    let sent = rig.take();
    assert_eq!(sent.iter().map(|text| word(text)).collect::<Vec<_>>(), ["ACK", "BYE"]);
    rig.receive(&reply(&cancel, 200, "a", ""));
    rig.receive(&answer(&invite, "a"));
    assert_eq!(rig.words(), ["ACK"]);
    rig.receive(&reply(&sent[1], 200, "", ""));
    assert_eq!(rig.events(), []);
    rig.assert_freed();
}

#[test]
fn a_cancelled_invite_without_487_is_dropped_after_64_t1() {
    let mut rig = Rig::new(14);
    let invite = rig.dial();
    rig.receive(&reply(&invite, 180, "a", ""));
    rig.until(5_000);
    rig.hang_up();
    let cancel = rig.take().pop().unwrap();
    rig.receive(&reply(&cancel, 200, "a", ""));
    rig.until(36_999);
    assert_eq!(rig.stack.census().usages, 1);
    rig.until(37_000);
    assert_eq!(rig.stack.live(), 0);
    assert_eq!(rig.events(), [LegEvent::Ringing]);
}

#[test]
fn every_2xx_copy_is_acked_with_the_same_bytes() {
    let mut rig = Rig::new(15);
    let (invite, ack) = rig.answered();
    for at in [500, 1_500, 3_500, 31_500] {
        rig.until(at);
        rig.receive(&answer(&invite, "a"));
        assert_eq!(rig.take(), std::slice::from_ref(&ack));
    }
    assert_eq!(rig.events(), []);
}

#[test]
fn the_first_fork_wins_and_the_others_are_acked_and_byed() {
    let mut rig = Rig::new(16);
    let invite = rig.dial();
    for tag in ["a", "b", "c"] {
        rig.receive(&reply(&invite, 180, tag, ""));
    }
    rig.receive(&answer(&invite, "b"));
    assert_eq!(rig.words(), ["ACK"]);
    rig.receive(&answer(&invite, "a"));
    let sent = rig.take();
    assert_eq!(sent.len(), 2);
    for text in &sent {
        assert!(field(text, "To").ends_with(";tag=a"));
    }
    assert!(sent[1].starts_with("BYE"));
    assert!(matches!(rig.events()[..], [LegEvent::Ringing, LegEvent::Answered { .. }]));
    rig.hang_up();
    let bye = rig.take().pop().unwrap();
    assert!(field(&bye, "To").ends_with(";tag=b"));
    rig.assert_freed();
}

#[test]
fn forks_are_bounded() {
    let mut rig = Rig::new(17);
    let invite = rig.dial();
    for fork in 0..100 {
        rig.receive(&reply(&invite, 180, &format!("e{fork}"), ""));
        rig.receive(&answer(&invite, &format!("a{fork}")));
    }
    assert_eq!(rig.stack.census().dialogs, 8);
    assert!(rig.refused.contains(&RefusedWhy::Overload));
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_200_without_contact_or_tag_is_acked_byed_and_failed() {
    for (tag, extra) in [("a", ""), ("", "Contact: <sip:p@192.0.2.1>\r\n"), ("a", "Contact: <<>\r\n")] {
        let mut rig = Rig::new(18);
        let invite = rig.dial();
        let bad = reply_body(&invite, 200, tag, extra, "v=0");
        rig.receive(&bad);
        assert_eq!(rig.words(), ["ACK", "BYE"], "{extra}");
        rig.receive(&bad);
        assert_eq!(rig.words(), ["ACK"]);
        assert!(matches!(rig.events()[..], [LegEvent::Failed { .. }]));
        rig.assert_freed();
    }
}

#[test]
fn byes_cross() {
    let mut rig = Rig::new(19);
    let (invite, _) = rig.answered();
    rig.hang_up();
    let bye = rig.take().pop().unwrap();
    rig.receive(&request(&invite, "a", "BYE", 5, "", ""));
    assert_eq!(rig.words(), ["200"]);
    rig.receive(&reply(&bye, 481, "", ""));
    assert_eq!(rig.events(), []);
    rig.assert_freed();
}

#[test]
fn a_bye_without_answer_is_given_up() {
    let mut rig = Rig::new(20);
    rig.answered();
    rig.until(1_000);
    rig.hang_up();
    rig.until(80_000);
    assert_eq!(rig.words(), ["BYE"; 11]);
    assert_eq!(rig.events(), []);
    assert_eq!(rig.stack.live(), 0);
}

#[test]
fn hanging_up_twice_or_a_stranger_leg_does_nothing() {
    let mut rig = Rig::new(21);
    rig.answered();
    rig.hang_up();
    rig.take();
    rig.hang_up();
    rig.stack.hang_up(rig.now, leg(77), reason());
    rig.drain();
    assert_eq!(rig.words(), Vec::<String>::new());
}

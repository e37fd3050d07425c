//! Refusals that another try can turn: which INVITE follows, how often, and that a hang-up ends it.

use super::*;

fn too_small(invite: &str, min_se: u32) -> String {
    reply(invite, 422, "a", &format!("Min-SE: {min_se}\r\n"))
}

#[test]
fn a_422_is_acked_and_the_invite_goes_out_again_with_the_longer_interval() {
    let mut rig = Rig::new(61);
    let first = rig.dial();
    assert_eq!((field(&first, "Session-Expires"), field(&first, "Min-SE")), ("1800", "90"));
    rig.receive(&too_small(&first, 3600));
    let sent = rig.take();
    assert_eq!(sent.iter().map(|text| word(text)).collect::<Vec<_>>(), ["ACK", "INVITE"]);
    let (ack, second) = (&sent[0], &sent[1]);
    assert_eq!((field(ack, "CSeq"), branch(ack)), ("1 ACK", branch(&first)));
    assert_eq!(field(second, "CSeq"), "2 INVITE");
    assert_eq!((field(second, "Session-Expires"), field(second, "Min-SE")), ("3600", "3600"));
    for same in ["Call-ID", "From", "To", "Contact"] {
        assert_eq!(field(second, same), field(&first, same));
    }
    assert_ne!(branch(second), branch(&first));
    // The old refusal again gets the old ACK again, and nothing else.
    rig.receive(&too_small(&first, 3600));
    assert_eq!(rig.take(), std::slice::from_ref(ack));
    rig.receive(&answer(second, "b"));
    let ack = rig.take().pop().unwrap();
    assert_eq!(field(&ack, "CSeq"), "2 ACK");
    rig.hang_up();
    assert_eq!(field(&rig.take().pop().unwrap(), "CSeq"), "3 BYE");
    assert!(matches!(rig.events()[..], [LegEvent::Answered { .. }]));
    rig.assert_freed();
}

#[test]
fn a_422_that_asks_for_nothing_new_or_never_has_enough_fails_the_leg() {
    for step in [0, 100] {
        let mut rig = Rig::new(62);
        let mut invite = rig.dial();
        let mut tries = 1;
        for min_se in (1..20).map(|round| 1_700 + round * step) {
            rig.receive(&too_small(&invite, min_se));
            let Some(next) = rig.take().into_iter().find(|text| word(text) == "INVITE") else { break };
            invite = next;
            tries += 1;
        }
        assert_eq!(tries, if step == 0 { 2 } else { 6 });
        assert!(matches!(&rig.events()[..], [LegEvent::Failed { cause, .. }] if cause.sip_status == Some(422)));
        rig.assert_freed();
    }
}

#[test]
fn a_leg_that_was_hung_up_is_not_tried_again() {
    let mut rig = Rig::new(63);
    let invite = rig.dial();
    rig.hang_up();
    rig.receive(&too_small(&invite, 3600));
    assert_eq!(rig.words(), ["ACK"]);
    assert_eq!(rig.events(), []);
    rig.assert_freed();
}

#[test]
fn a_cancel_after_a_retry_names_the_new_invite() {
    let mut rig = Rig::new(64);
    let first = rig.dial();
    rig.receive(&reply(&first, 180, "early", ""));
    rig.receive(&too_small(&first, 3600));
    let second = rig.take().pop().unwrap();
    assert_eq!(rig.stack.census().dialogs, 0);
    rig.receive(&reply(&second, 180, "b", ""));
    rig.hang_up();
    let cancel = rig.take().pop().unwrap();
    assert_eq!((field(&cancel, "CSeq"), branch(&cancel)), ("2 CANCEL", branch(&second)));
    rig.receive(&reply(&second, 487, "b", ""));
    assert_eq!(field(&rig.take().pop().unwrap(), "CSeq"), "2 ACK");
    assert_eq!(rig.events(), [LegEvent::Ringing]);
    rig.assert_freed();
}

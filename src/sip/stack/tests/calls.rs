//! Plain calls: what is sent, what is reported, what is left.

use super::*;
use crate::model::Cause;
use crate::sip::api::FailedWhy;

#[test]
fn a_call_is_dialled_answered_and_hung_up_by_us() {
    let mut rig = Rig::new(1);
    let invite = rig.dial();
    assert!(invite.starts_with("INVITE sip:+12125550100@192.0.2.1;user=phone SIP/2.0\r\n"));
    assert!(branch(&invite).starts_with("z9hG4bK"));
    assert!(field(&invite, "Via").contains(";rport"));
    assert!(field(&invite, "From").starts_with("\"ABC\" <sip:+12125550199@192.0.2.100>;tag="));
    rig.receive(&reply(&invite, 100, "", ""));
    rig.receive(&reply(&invite, 183, "a", ""));
    rig.receive(&reply(&invite, 180, "a", ""));
    assert_eq!(rig.events(), [LegEvent::Ringing]);
    rig.receive(&answer(&invite, "a"));
    let ack = rig.take().pop().unwrap();
    assert!(ack.starts_with("ACK sip:phone@192.0.2.1:5070 SIP/2.0\r\n"));
    assert_eq!(field(&ack, "CSeq"), "1 ACK");
    assert!(field(&ack, "To").ends_with(";tag=a"));
    assert_ne!(branch(&ack), branch(&invite));
    assert_eq!(rig.events(), [LegEvent::Answered { answer: b"v=0 answer".to_vec(), by: None }]);
    rig.hang_up();
    let bye = rig.take().pop().unwrap();
    assert!(bye.starts_with("BYE sip:phone@192.0.2.1:5070 SIP/2.0\r\n"));
    assert_eq!(field(&bye, "CSeq"), "2 BYE");
    assert_eq!(field(&bye, "Reason"), "Q.850;cause=16;text=\"done\"");
    rig.receive(&reply(&bye, 200, "", ""));
    assert_eq!(rig.events(), []);
    rig.assert_freed();
}

#[test]
fn the_ack_is_put_out_before_the_answer_is_reported() {
    let mut rig = Rig::new(2);
    let invite = rig.dial();
    rig.stack.receive(rig.now, &switch(), answer(&invite, "a").as_bytes());
    let outputs: Vec<SipOutput> = std::iter::from_fn(|| rig.stack.poll_output()).collect();
    let ack = outputs.iter().position(|output| matches!(output, SipOutput::Send { .. })).unwrap();
    let told =
        outputs.iter().position(|output| matches!(output, SipOutput::Leg(_, LegEvent::Answered { .. }))).unwrap();
    assert!(ack < told);
}

#[test]
fn a_busy_phone_is_acked_each_time_and_told_once() {
    let mut rig = Rig::new(3);
    let invite = rig.dial();
    for _ in 0..3 {
        rig.receive(&reply(&invite, 486, "a", ""));
        let ack = rig.take().pop().unwrap();
        assert!(ack.starts_with("ACK sip:+12125550100@192.0.2.1;user=phone SIP/2.0\r\n"));
        assert_eq!(branch(&ack), branch(&invite));
        assert!(field(&ack, "To").ends_with(";tag=a"));
    }
    let cause = Cause { sip_status: Some(486), q850: Some(17), text: "Word".into() };
    assert_eq!(rig.events(), [LegEvent::Failed { cause, why: FailedWhy::Refused { retry_after: None } }]);
    rig.assert_freed();
}

#[test]
fn the_reason_field_of_a_refusal_is_believed() {
    let mut rig = Rig::new(4);
    let invite = rig.dial();
    rig.receive(&reply(&invite, 480, "a", "Reason: Q.850;cause=20\r\n"));
    assert!(matches!(&rig.events()[..], [LegEvent::Failed { cause, .. }] if cause.q850 == Some(20)));
}

#[test]
fn a_silent_switch_fails_the_leg_after_64_t1() {
    let mut rig = Rig::new(5);
    rig.dial();
    rig.until(31_999);
    let times: Vec<u64> = rig.sent.drain(..).map(|(at, _)| at).collect();
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(rig.events(), []);
    rig.until(32_000);
    assert!(matches!(&rig.events()[..], [LegEvent::Failed { cause, .. }] if cause.sip_status.is_none()));
    assert!(rig.stack.is_idle());
}

#[test]
fn the_peers_bye_is_answered_and_told_with_its_reason() {
    let mut rig = Rig::new(6);
    let (invite, _) = rig.answered();
    let bye = request(&invite, "a", "BYE", 9, "Reason: Q.850;cause=31\r\n", "");
    rig.receive(&bye);
    rig.receive(&bye);
    assert_eq!(rig.words(), ["200", "200"]);
    assert!(matches!(&rig.events()[..], [LegEvent::HungUp { cause }] if cause.q850 == Some(31)));
    rig.hang_up();
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.assert_freed();
}

#[test]
fn record_routes_are_followed_in_reverse() {
    let mut rig = Rig::new(7);
    let invite = rig.dial();
    let lines = "Record-Route: <sip:192.0.2.1:5071;lr>, <sip:10.0.0.1;lr>\r\nContact: <sip:phone@10.0.0.9>\r\n";
    rig.receive(&reply_body(&invite, 200, "a", lines, "v=0"));
    let ack = rig.take().pop().unwrap();
    let routes: Vec<&str> = ack.lines().filter_map(|line| line.strip_prefix("Route: ")).collect();
    assert_eq!(routes, ["<sip:10.0.0.1;lr>", "<sip:192.0.2.1:5071;lr>"]);
    assert!(ack.starts_with("ACK sip:phone@10.0.0.9 SIP/2.0"));
}

#[test]
fn an_unwritable_target_and_a_full_stack_fail_at_once() {
    let mut rig = Rig::new(8);
    let mut invite = Invite {
        leg: leg(0),
        hop: switch(),
        target: "sip:x@y\r\nEvil: 1".into(),
        from: "sip:a@b".into(),
        from_name: None,
        headers: Vec::new(),
        trunk: Default::default(),
        offer: Vec::new().into(),
    };
    rig.stack.invite(rig.now, invite.clone());
    rig.stack.config.max_legs = 1;
    invite.target = "sip:x@192.0.2.1".into();
    rig.stack.invite(rig.now, invite.clone());
    invite.leg = leg(1);
    rig.stack.invite(rig.now, invite);
    rig.drain();
    assert!(matches!(rig.events()[..], [LegEvent::Failed { .. }, LegEvent::Failed { .. }]));
    assert_eq!(rig.words(), ["INVITE"]);
}

#[test]
fn endless_ringing_is_cancelled_at_the_bound() {
    let mut rig = Rig::new(9);
    let invite = rig.dial();
    for minute in 0..12 {
        rig.until(minute * 60_000);
        rig.receive(&reply(&invite, 180, "a", ""));
    }
    // An unanswered CANCEL is sent eleven times, by timer E.
    assert_eq!(rig.words(), ["CANCEL"; 11]);
    assert!(matches!(rig.events()[..], [LegEvent::Ringing, LegEvent::Failed { .. }]));
    rig.assert_freed();
}

#[test]
fn the_text_of_a_reason_reaches_the_record() {
    let mut rig = Rig::new(10);
    let invite = rig.dial();
    let reasons = "Reason: SIP;cause=600;text=\"Busy Everywhere\", Q.850;cause=34;text=\"no circuit\"\r\n";
    rig.receive(&reply(&invite, 503, "a", reasons));
    let events = rig.events();
    let [LegEvent::Failed { cause, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((cause.sip_status, cause.q850, cause.text.as_str()), (Some(503), Some(34), "no circuit"));

    let mut rig = Rig::new(10);
    let (invite, _) = rig.answered();
    rig.receive(&request(&invite, "a", "BYE", 9, "Reason: SIP;cause=480;text=\"lost\"\r\n", ""));
    let events = rig.events();
    let [LegEvent::HungUp { cause }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((cause.q850, cause.text.as_str()), (Some(18), "lost"));
}

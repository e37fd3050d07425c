//! Session timers (RFC 4028) on the wire, both refreshers, in virtual time (field.md 25).

use super::*;
use crate::sip::api::OfferReply;

const CONTACT: &str = "Contact: <sip:phone@192.0.2.1:5070>\r\n";

/// Answered with these fields in the 200; gives the INVITE.
fn talking(rig: &mut Rig, fields: &str) -> String {
    let invite = rig.dial();
    rig.receive(&reply_body(&invite, 200, "a", &format!("{CONTACT}{fields}"), "v=0 answer"));
    assert_eq!(rig.words(), ["ACK"]);
    assert!(matches!(rig.events()[..], [LegEvent::Answered { .. }]));
    invite
}

const UPDATES: &str = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\nRequire: timer\r\n";

#[test]
fn we_refresh_by_update_at_half_time_and_so_on() {
    let mut rig = Rig::new(91);
    talking(&mut rig, &format!("Session-Expires: 1800;refresher=uac\r\n{UPDATES}"));
    rig.until(899_999);
    assert_eq!(rig.words(), Vec::<String>::new());
    for (round, at) in [900_000, 1_800_000, 2_700_000].into_iter().enumerate() {
        rig.until(at);
        let update = rig.take().pop().unwrap();
        assert!(update.starts_with("UPDATE sip:phone@192.0.2.1:5070 SIP/2.0\r\n"), "{update}");
        assert_eq!(field(&update, "CSeq"), format!("{} UPDATE", round + 2));
        assert_eq!(field(&update, "Session-Expires"), "1800;refresher=uac");
        assert_eq!((field(&update, "Min-SE"), field(&update, "Supported")), ("90", "timer"));
        assert!(field(&update, "Contact").contains("192.0.2.100") && field(&update, "Allow").contains("UPDATE"));
        assert!(update.ends_with("Content-Length: 0\r\n\r\n"));
        rig.receive(&reply(&update, 200, "", "Session-Expires: 1800;refresher=uac\r\nRequire: timer\r\n"));
    }
    assert_eq!(rig.events(), []);
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn without_update_we_refresh_by_a_re_invite_with_the_same_description() {
    let mut rig = Rig::new(92);
    talking(&mut rig, "Session-Expires: 1800;refresher=uac\r\nAllow: INVITE, ACK, BYE\r\n");
    rig.until(900_000);
    let invite = rig.take().pop().unwrap();
    assert!(invite.starts_with("INVITE sip:phone@192.0.2.1:5070 SIP/2.0\r\n") && invite.ends_with("v=0 offer"));
    assert_eq!((field(&invite, "CSeq"), field(&invite, "Session-Expires")), ("2 INVITE", "1800;refresher=uac"));
    assert!(field(&invite, "To").ends_with(";tag=a"));
    let ok = reply_body(&invite, 200, "", &format!("{CONTACT}Session-Expires: 600;refresher=uac\r\n"), "v=0 answer");
    for _ in 0..2 {
        rig.receive(&ok);
        let ack = rig.take().pop().unwrap();
        assert_eq!(field(&ack, "CSeq"), "2 ACK");
    }
    assert_eq!(rig.events(), [answered_offer("v=0 offer", "v=0 answer")]);
    // The new interval counts from its own 200.
    rig.until(1_199_999);
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.until(1_200_000);
    assert_eq!(rig.words(), ["INVITE"]);
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_200_without_session_expires_means_no_timer() {
    let mut rig = Rig::new(93);
    talking(&mut rig, "");
    rig.until(100_000_000);
    assert_eq!((rig.words().len(), rig.events().len()), (0, 0));
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_peer_that_does_not_refresh_is_hung_up_in_time() {
    for (interval, ends) in [(1800, 1_768_000), (90, 60_000)] {
        let mut rig = Rig::new(94);
        talking(&mut rig, &format!("Session-Expires: {interval};refresher=uas\r\n{UPDATES}"));
        rig.until(ends - 1);
        assert_eq!(rig.words(), Vec::<String>::new());
        rig.until(ends);
        assert_eq!(rig.words(), ["BYE"]);
        assert!(matches!(&rig.events()[..], [LegEvent::HungUp { cause }] if cause.q850 == Some(102)));
        rig.assert_freed();
    }
}

#[test]
fn a_peer_that_refreshes_keeps_the_session_by_update_or_re_invite() {
    let mut rig = Rig::new(95);
    let invite = talking(&mut rig, &format!("Session-Expires: 90;refresher=uas\r\n{UPDATES}"));
    let timer = format!("{CONTACT}Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n");
    for round in 1..10u32 {
        rig.until(u64::from(round) * 45_000);
        if round % 2 == 0 {
            rig.receive(&request(&invite, "a", "UPDATE", round, &timer, ""));
        } else {
            rig.receive(&request(&invite, "a", "INVITE", round, &timer, "v=0 same"));
            let Some(LegEvent::Offered { id, .. }) = rig.events().pop() else { panic!("no offer") };
            rig.stack.answer_offer(rig.now, leg(0), id, OfferReply::Accept(b"v=0".to_vec()));
            rig.drain();
        }
        let ok = rig.take().pop().unwrap();
        assert_eq!(field(&ok, "Session-Expires"), "90;refresher=uac");
        assert_eq!((field(&ok, "Require"), word(&ok)), ("timer", "200".into()));
        if round % 2 == 1 {
            rig.receive(&request(&invite, "a", "ACK", round, "", ""));
        }
    }
    assert_eq!(rig.events(), []);
    rig.until(9 * 45_000 + 60_000);
    assert_eq!(rig.words(), ["BYE"]);
    rig.assert_freed();
}

#[test]
fn too_small_an_interval_of_the_peer_is_refused_with_ours() {
    let mut rig = Rig::new(96);
    let invite = talking(&mut rig, "");
    for (method, cseq) in [("UPDATE", 5), ("INVITE", 6)] {
        let small = format!("{CONTACT}Supported: timer\r\nSession-Expires: 60\r\n");
        rig.receive(&request(&invite, "a", method, cseq, &small, if method == "INVITE" { "v=0" } else { "" }));
        let refusal = rig.take().pop().unwrap();
        assert_eq!((word(&refusal), field(&refusal, "Min-SE")), ("422".into(), "90"));
    }
    assert_eq!(rig.events(), []);
    // A peer that asks for a timer in the middle gets it; one that knows none leaves the refreshing to us.
    rig.receive(&request(&invite, "a", "UPDATE", 7, &format!("{CONTACT}Session-Expires: 200\r\n"), ""));
    let ok = rig.take().pop().unwrap();
    assert_eq!((field(&ok, "Session-Expires"), field(&ok, "Require")), ("200;refresher=uas", ""));
    rig.until(100_000);
    // The unACKed 422 is long forgotten by then.
    assert_eq!(rig.words().last().unwrap(), "INVITE");
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_422_to_our_refresh_raises_the_interval() {
    let mut rig = Rig::new(97);
    talking(&mut rig, &format!("Session-Expires: 90;refresher=uac\r\n{UPDATES}"));
    rig.until(45_000);
    let update = rig.take().pop().unwrap();
    rig.receive(&reply(&update, 422, "", "Min-SE: 400\r\n"));
    let again = rig.take().pop().unwrap();
    assert_eq!(field(&again, "CSeq"), "3 UPDATE");
    assert_eq!((field(&again, "Session-Expires"), field(&again, "Min-SE")), ("400;refresher=uac", "400"));
    rig.receive(&reply(&again, 200, "", "Session-Expires: 400;refresher=uac\r\n"));
    rig.until(244_999);
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.until(245_000);
    assert_eq!(rig.words(), ["UPDATE"]);
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_refresh_that_meets_408_481_or_silence_ends_the_dialog() {
    for (method, answer) in
        [("UPDATE", Some(408)), ("UPDATE", Some(481)), ("UPDATE", None), ("INVITE", Some(481)), ("INVITE", None)]
    {
        let mut rig = Rig::new(98);
        let allow = if method == "UPDATE" { UPDATES } else { "" };
        talking(&mut rig, &format!("Session-Expires: 90;refresher=uac\r\n{allow}"));
        rig.until(45_000);
        let refresh = rig.take().pop().unwrap();
        assert_eq!(word(&refresh), method);
        match answer {
            Some(status) => rig.receive(&reply(&refresh, status, "", "")),
            None => rig.until(77_000),
        }
        assert_eq!(rig.words().last().unwrap(), "BYE", "{method} {answer:?}");
        assert!(matches!(&rig.events()[..], [LegEvent::HungUp { cause }] if cause.sip_status == answer));
        rig.assert_freed();
    }
}

#[test]
fn other_refusals_of_a_refresh_prove_that_the_peer_lives() {
    let mut rig = Rig::new(99);
    talking(&mut rig, &format!("Session-Expires: 400;refresher=uac\r\n{UPDATES}"));
    rig.until(200_000);
    for status in [488, 503, 603, 403] {
        let update = rig.take().pop().unwrap();
        assert_eq!(word(&update), "UPDATE");
        rig.receive(&reply(&update, status, "", ""));
        let next = rig.now.0 / 1000 + 100_000;
        rig.until(next - 1);
        assert_eq!(rig.words(), Vec::<String>::new());
        rig.until(next);
    }
    let update = rig.take().pop().unwrap();
    rig.receive(&reply(&update, 500, "", "Retry-After: 7\r\n"));
    let wait = rig.now.0 / 1000 + 7_000;
    rig.until(wait);
    let update = rig.take().pop().unwrap();
    rig.receive(&reply(&update, 491, "", ""));
    let now = rig.now.0 / 1000;
    rig.until(now + 2_099);
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.until(now + 4_000);
    let update = rig.take().pop().unwrap();
    // It said that it takes UPDATE, and does not.
    rig.receive(&reply(&update, 405, "", ""));
    rig.until(now + 4_001);
    assert_eq!(rig.words(), ["INVITE"]);
    assert_eq!(rig.events(), []);
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_mad_interval_costs_no_more_than_one_refresh_in_five_seconds() {
    let mut rig = Rig::new(100);
    let zero = "Session-Expires: 0;refresher=uac\r\n";
    talking(&mut rig, &format!("{zero}{UPDATES}"));
    for _ in 0..20 {
        let next = rig.now.0 / 1000 + 5_000;
        rig.until(next - 1);
        assert_eq!(rig.words(), Vec::<String>::new());
        rig.until(next);
        let update = rig.take().pop().unwrap();
        rig.receive(&reply(&update, 200, "", zero));
    }
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_trunk_without_session_timers_asks_for_none() {
    let mut rig = Rig::new(101);
    let invite = rig.dial_with(crate::model::Trunk { session: None, ..Default::default() });
    assert_eq!((field(&invite, "Session-Expires"), field(&invite, "Min-SE")), ("", ""));
    assert!(!field(&invite, "Supported").contains("timer"));
    rig.receive(&reply(&invite, 422, "a", "Min-SE: 200\r\n"));
    assert!(matches!(rig.events()[..], [LegEvent::Failed { .. }]));
}

#[test]
fn a_refresh_that_no_connection_carries_is_tried_again_and_ends_nothing() {
    use crate::sip::api::Loss;
    for allow in [UPDATES, ""] {
        let mut rig = Rig::new(102);
        talking(&mut rig, &format!("Session-Expires: 400;refresher=uac\r\n{allow}"));
        rig.until(200_000);
        let refresh = word(&rig.take().pop().unwrap());
        rig.stack.lost(rig.now, &switch(), Loss::NotMade);
        rig.drain();
        rig.until(200_001);
        assert_eq!((rig.words().len(), rig.events().len()), (0, 0));
        rig.until(300_000);
        assert_eq!(rig.words().first(), Some(&refresh));
        rig.hang_up();
        rig.assert_freed();
    }
}

#[test]
fn a_session_that_no_connection_carries_a_refresh_of_ends_before_the_peer_thinks_it_over() {
    use crate::sip::api::Loss;
    for allow in [UPDATES, ""] {
        let mut rig = Rig::new(103);
        talking(&mut rig, &format!("Session-Expires: 90;refresher=uac\r\n{allow}"));
        rig.until(45_000);
        let mut tried = 0;
        while rig.events.is_empty() && rig.now.0 < 90_000_000 {
            tried += rig.words().iter().filter(|word| *word != "ACK").count();
            rig.stack.lost(rig.now, &switch(), Loss::NotMade);
            rig.drain();
            let next = rig.now.0 / 1_000 + 1_000;
            rig.until(next);
        }
        assert_eq!(tried, 3, "at 45, 50 and 55 s");
        assert!(matches!(rig.events()[..], [LegEvent::HungUp { .. }]));
        assert_eq!(rig.words().first().map(String::as_str), Some("BYE"));
        assert!(rig.now.0 <= 60_000_000);
        rig.assert_freed();
    }
}

#[test]
fn a_refresh_whose_connection_breaks_each_time_is_silence_after_64_t1_and_no_other_follows_it() {
    use crate::sip::api::Loss;
    for allow in [UPDATES, ""] {
        let mut rig = Rig::new(104);
        talking(&mut rig, &format!("Session-Expires: 400;refresher=uac\r\n{allow}"));
        rig.until(200_000);
        let refresh = rig.take().pop().unwrap();
        while rig.events.is_empty() && rig.now.0 < 300_000_000 {
            let next = rig.now.0 / 1_000 + 1_600;
            rig.until(next);
            rig.stack.lost(rig.now, &switch(), Loss::Broke);
            rig.drain();
        }
        assert!((232_000_000..234_000_000).contains(&rig.now.0), "{:?}", rig.now);
        assert!(matches!(rig.events()[..], [LegEvent::HungUp { .. }]));
        let sent = rig.take();
        let bye = sent.iter().position(|text| word(text) == "BYE").unwrap();
        assert!(bye > 3 && sent[..bye].iter().all(|text| *text == refresh), "always the same one");
    }
}

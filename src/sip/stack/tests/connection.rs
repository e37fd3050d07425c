//! Requests that are too long for UDP, connections that break, rates of requests out of the blue.

use super::{LegEvent, RefusedWhy, Rig, SipOutput, answer, branch, field, leg, reply, request, switch, word};
use crate::model::{Hop, SipTransport};
use crate::sip::api::{FailedWhy, Invite, Loss};

/// Dials leg 0 over `hop` and gives what was sent, with where to.
fn dial_over(rig: &mut Rig, hop: Hop, headers: usize) -> Vec<(Hop, String)> {
    let padding = (0..headers).map(|n| (format!("X-Padding-{n}"), "x".repeat(200))).collect();
    rig.stack.invite(
        rig.now,
        Invite {
            leg: leg(0),
            hop,
            target: "sip:+12125550100@192.0.2.1;user=phone".into(),
            from: "sip:+12125550199@192.0.2.100".into(),
            from_name: None,
            headers: padding,
            trunk: Default::default(),
            offer: b"v=0 offer".to_vec().into(),
        },
    );
    sent(rig)
}

fn sent(rig: &mut Rig) -> Vec<(Hop, String)> {
    let mut all = Vec::new();
    while let Some(output) = rig.stack.poll_output() {
        match output {
            SipOutput::Send { to, bytes, .. } => all.push((to, String::from_utf8_lossy(&bytes).into_owned())),
            SipOutput::Leg(_, event) => rig.events.push(event),
            _ => {}
        }
    }
    all
}

fn lose(rig: &mut Rig, hop: &Hop, loss: Loss) -> Vec<(Hop, String)> {
    rig.stack.lost(rig.now, hop, loss);
    sent(rig)
}

#[test]
fn an_invite_over_1300_bytes_goes_over_tcp_and_falls_back_to_udp_where_there_is_none() {
    let mut rig = Rig::new(1);
    let over_tcp = Hop::tcp(switch().address);
    let first = dial_over(&mut rig, switch(), 7);
    assert_eq!(first[0].0, over_tcp);
    assert!(field(&first[0].1, "Via").starts_with("SIP/2.0/TCP "));
    let second = lose(&mut rig, &over_tcp, Loss::NotMade);
    assert_eq!(second[0].0, switch());
    assert!(field(&second[0].1, "Via").starts_with("SIP/2.0/UDP "));
    assert_eq!(branch(&first[0].1), branch(&second[0].1));
    assert!(rig.events().is_empty(), "nothing failed");
    rig.receive(&answer(&second[0].1, "a"));
    assert!(matches!(rig.events()[..], [LegEvent::Answered { .. }]));
    rig.hang_up();
    rig.take();
    rig.until(40_000);
    let again = dial_over(&mut rig, switch(), 7);
    assert_eq!(again[0].0, switch(), "a switch without TCP is not asked again for a while");
}

#[test]
fn a_long_re_invite_that_falls_back_to_udp_acks_its_refusal_over_udp_and_is_not_let_ring() {
    let mut rig = Rig::new(8);
    let over_tcp = Hop::tcp(switch().address);
    let began = |rig: &mut Rig| {
        rig.stack.reoffer(rig.now, leg(0), vec![b'x'; 1_300]);
        let first = sent(rig).remove(0);
        assert_eq!(first.0, over_tcp);
        lose(rig, &over_tcp, Loss::NotMade).remove(0)
    };
    rig.answered();
    let (to, invite) = began(&mut rig);
    assert_eq!(to, switch());
    assert!(field(&invite, "Via").starts_with("SIP/2.0/UDP "));
    rig.stack.receive(rig.now, &switch(), reply(&invite, 488, "", "").as_bytes());
    let (to, ack) = sent(&mut rig).remove(0);
    assert_eq!((to, word(&ack).as_str()), (switch(), "ACK"));
    assert_eq!(field(&ack, "Via"), field(&invite, "Via"), "the ACK of a refusal goes the way of its INVITE");
    assert!(matches!(rig.events()[..], [LegEvent::OfferRefused { .. }]));
    // The next one rings on and on.
    rig.until(400_000);
    rig.events();
    let (_, invite) = began(&mut rig);
    rig.receive(&reply(&invite, 180, "", ""));
    rig.take();
    rig.until(400_000 + 70_000);
    assert!(matches!(rig.events()[..], [LegEvent::HungUp { .. }]), "as it would have over UDP from the start");
}

#[test]
fn an_invite_whose_leg_nobody_wants_any_more_does_not_fall_back_to_udp() {
    for given_up in [false, true] {
        let mut rig = Rig::new(9);
        let over_tcp = Hop::tcp(switch().address);
        dial_over(&mut rig, switch(), 7);
        match given_up {
            true => assert!(rig.stack.give_up(rig.now, leg(0))),
            false => rig.stack.hang_up(rig.now, leg(0), super::reason()),
        }
        assert_eq!(lose(&mut rig, &over_tcp, Loss::NotMade), [], "no switch has heard of it");
        assert_eq!(lose(&mut rig, &over_tcp, Loss::Broke), []);
        assert!(rig.events().is_empty());
        rig.assert_freed();
    }
}

#[test]
fn a_short_invite_stays_on_udp() {
    let mut rig = Rig::new(2);
    assert_eq!(dial_over(&mut rig, switch(), 1)[0].0, switch());
}

#[test]
fn a_broken_connection_is_tried_once_more_with_the_same_branch_and_then_the_leg_fails_as_unreachable() {
    let mut rig = Rig::new(3);
    let over_tcp = Hop::tcp(switch().address);
    let first = dial_over(&mut rig, over_tcp.clone(), 0);
    let second = lose(&mut rig, &over_tcp, Loss::Broke);
    assert_eq!(second, first);
    assert_eq!(lose(&mut rig, &over_tcp, Loss::Broke), []);
    let events = rig.events();
    let [LegEvent::Failed { cause, why: FailedWhy::Unreachable }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((cause.sip_status, cause.q850), (None, Some(38)));
    rig.assert_freed();
}

#[test]
fn a_connection_that_cannot_be_made_fails_the_leg_at_once() {
    let mut rig = Rig::new(4);
    let over_tls = Hop::tls(switch().address, "ssp.example".into());
    dial_over(&mut rig, over_tls.clone(), 0);
    assert_eq!(lose(&mut rig, &Hop::tcp(switch().address), Loss::NotMade), [], "another hop");
    lose(&mut rig, &over_tls, Loss::NotMade);
    assert!(matches!(rig.events()[..], [LegEvent::Failed { why: FailedWhy::Unreachable, .. }]));
    rig.assert_freed();
}

#[test]
fn a_dialog_outlives_its_connection_and_a_ringing_leg_waits_for_its_answer() {
    let mut rig = Rig::new(5);
    let over_tcp = Hop::tcp(switch().address);
    let invite = dial_over(&mut rig, over_tcp.clone(), 0).remove(0).1;
    let from = over_tcp.clone();
    rig.stack.receive(rig.now, &from, reply(&invite, 180, "a", "").as_bytes());
    assert_eq!(lose(&mut rig, &over_tcp, Loss::Broke), []);
    rig.stack.receive(rig.now, &from, answer(&invite, "a").as_bytes());
    sent(&mut rig);
    assert!(matches!(rig.events()[..], [LegEvent::Ringing, LegEvent::Answered { .. }]));
    lose(&mut rig, &over_tcp, Loss::Broke);
    assert!(rig.events().is_empty());
    rig.stack.hang_up(rig.now, leg(0), super::reason());
    let bye = sent(&mut rig);
    assert_eq!((word(&bye[0].1).as_str(), bye[0].0.transport), ("BYE", SipTransport::Tcp));
    assert_eq!(lose(&mut rig, &over_tcp, Loss::Broke), bye, "a BYE that was on its way goes again");
}

#[test]
fn a_bye_or_cancel_that_finds_no_connection_is_tried_again_ever_later_for_64_t1() {
    for answered in [true, false] {
        let mut rig = Rig::new(10);
        let over_tcp = Hop::tcp(switch().address);
        let invite = dial_over(&mut rig, over_tcp.clone(), 0).remove(0).1;
        rig.stack.receive(rig.now, &over_tcp, reply(&invite, 180, "a", "").as_bytes());
        if answered {
            rig.stack.receive(rig.now, &over_tcp, answer(&invite, "a").as_bytes());
        }
        sent(&mut rig);
        rig.stack.hang_up(rig.now, leg(0), super::reason());
        let first = sent(&mut rig).remove(0);
        assert_eq!(word(&first.1), if answered { "BYE" } else { "CANCEL" });
        let mut tried = Vec::new();
        while rig.now.0 < 40_000_000 {
            // The connection is refused at once, each time.
            rig.stack.lost(rig.now, &over_tcp, Loss::NotMade);
            let Some((at, _)) = rig.stack.poll_timeout() else { break };
            rig.now = at;
            rig.stack.timeout(at);
            tried.extend(sent(&mut rig).into_iter().map(|again| (again == first, rig.now.0 / 1_000)));
        }
        let expected = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
        assert_eq!(tried, expected.map(|at| (true, at)), "not in a row, and no longer than timer F");
        rig.assert_freed();
    }
}

#[test]
fn a_bye_that_found_its_way_again_waits_for_its_answer_and_is_not_repeated() {
    let mut rig = Rig::new(11);
    let over_tcp = Hop::tcp(switch().address);
    let invite = dial_over(&mut rig, over_tcp.clone(), 0).remove(0).1;
    rig.stack.receive(rig.now, &over_tcp, answer(&invite, "a").as_bytes());
    sent(&mut rig);
    rig.stack.hang_up(rig.now, leg(0), super::reason());
    let bye = sent(&mut rig).remove(0);
    assert_eq!(lose(&mut rig, &over_tcp, Loss::Broke).len(), 1, "at once where a connection broke");
    assert_eq!(lose(&mut rig, &over_tcp, Loss::NotMade), [], "and after a pause where none is to be had");
    rig.until(500);
    assert_eq!(rig.words(), ["BYE"]);
    rig.until(20_000);
    assert_eq!(rig.words(), Vec::<String>::new(), "this one was not lost");
    rig.stack.receive(rig.now, &over_tcp, reply(&bye.1, 200, "a", "").as_bytes());
    rig.assert_freed();
}

#[test]
fn an_invite_of_which_a_copy_may_have_arrived_is_released_when_its_answer_comes_late() {
    for late in ["180", "200"] {
        let mut rig = Rig::new(12);
        let over_tcp = Hop::tcp(switch().address);
        let invite = dial_over(&mut rig, over_tcp.clone(), 0).remove(0).1;
        lose(&mut rig, &over_tcp, Loss::Broke);
        lose(&mut rig, &over_tcp, Loss::NotMade);
        assert!(matches!(rig.events()[..], [LegEvent::Failed { why: FailedWhy::Unreachable, .. }]));
        // The phone got the first copy, and says so over a connection of its own.
        rig.until(3_000);
        let from = Hop::tcp("192.0.2.1:50123".parse().unwrap());
        let text = if late == "180" { reply(&invite, 180, "a", "") } else { answer(&invite, "a") };
        rig.stack.receive(rig.now, &from, text.as_bytes());
        let words: Vec<String> = sent(&mut rig).iter().map(|(_, text)| word(text)).collect();
        assert_eq!(words, if late == "180" { vec!["CANCEL"] } else { vec!["ACK", "BYE"] });
        assert!(rig.events().is_empty(), "the leg has failed long ago");
        rig.assert_freed();
    }
}

#[test]
fn a_key_or_a_notify_that_finds_no_connection_comes_to_an_end() {
    let mut rig = Rig::new(13);
    let over_tcp = Hop::tcp(switch().address);
    let invite = dial_over(&mut rig, over_tcp.clone(), 0).remove(0).1;
    rig.stack.receive(rig.now, &over_tcp, answer(&invite, "a").as_bytes());
    sent(&mut rig);
    rig.events();
    rig.stack.press(rig.now, leg(0), crate::model::Key::of('5').unwrap());
    assert_eq!(word(&sent(&mut rig)[0].1), "INFO");
    while rig.now.0 < 33_000_000 {
        rig.stack.lost(rig.now, &over_tcp, Loss::NotMade);
        let at = rig.now.0 / 1_000 + 250;
        rig.until(at);
    }
    assert_eq!(rig.events(), [LegEvent::KeySent { accepted: false }]);
}

#[test]
fn a_stream_wants_content_length_and_a_datagram_does_not() {
    let mut rig = Rig::new(6);
    let (invite, _) = rig.answered();
    let options = request(&invite, "a", "OPTIONS", 5, "", "").replace("Content-Length: 0\r\n", "");
    rig.stack.receive(rig.now, &Hop::tcp(switch().address), options.as_bytes());
    rig.drain();
    assert_eq!(rig.words(), ["400"]);
    rig.receive(&options);
    assert_eq!(rig.words(), ["200"]);
}

#[test]
fn strays_above_the_rate_meet_silence_and_calls_do_not_notice() {
    let mut rig = Rig::new(7);
    let (invite, _) = rig.answered();
    let stray = request(&invite, "a", "OPTIONS", 5, "", "").replace("Call-ID: ", "Call-ID: other");
    for _ in 0..150 {
        rig.receive(&stray);
    }
    assert_eq!(rig.take().len(), 100, "the default rate");
    assert_eq!(rig.refused.iter().filter(|why| **why == RefusedWhy::Rate).count(), 50);
    rig.receive(&request(&invite, "a", "OPTIONS", 6, "", ""));
    assert_eq!(rig.words(), ["200"], "the call is answered");
}

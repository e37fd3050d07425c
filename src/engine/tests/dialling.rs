//! Failover, capacity, health: which switch gets the INVITE, and which one next.

use super::*;
use crate::routing::Failure;

/// Two switches, the first always tried first.
fn pair() -> Rig {
    Rig::new(vec![switch("first", 1), Switch { weight: 0, ..switch("second", 2) }])
}

fn media_port(invite: &str) -> Option<&str> {
    invite.lines().find(|line| line.starts_with("m=audio"))
}

#[test]
fn a_503_sends_the_leg_to_the_next_switch_from_the_same_port() {
    let mut rig = pair();
    rig.call();
    let (to, first) = rig.next("INVITE");
    assert_eq!(to, hop(1));
    rig.answer(&hop(1), &first, 100, "");
    rig.answer(&hop(1), &first, 503, "");
    rig.next("ACK");
    let (to, second) = rig.next("INVITE");
    assert_eq!(to, hop(2));
    assert!(second.contains(&format!("sip:{CUSTOMER}@192.0.2.2:5060")));
    assert_eq!(media_port(&first), media_port(&second));
    assert_eq!(rig.ports, 1);
    rig.answer(&hop(2), &second, 486, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy]);
    assert_eq!(rig.records[0].customer_switch.as_deref(), Some("second"));
    assert!(rig.notices.contains(&Notice::SwitchFailed { switch: "first".into(), reason: Failure::OutOfService }));
    rig.assert_nothing_left();
}

#[test]
fn a_silent_switch_gives_way_and_its_late_answer_is_released() {
    let mut rig = pair();
    rig.call();
    let (_, first) = rig.next("INVITE");
    rig.pass(4_900);
    assert!(rig.sent.iter().all(|(to, _)| *to == hop(1)));
    rig.pass(200);
    let second = loop {
        let (to, invite) = rig.next("INVITE");
        if to == hop(2) {
            break invite;
        }
    };
    rig.pass(20_000);
    assert!(!rig.sent.iter().any(|(to, text)| *to == hop(1) && text.starts_with("INVITE")), "sent no more");
    rig.accept(&hop(1), &first);
    assert_eq!(rig.next("ACK").0, hop(1));
    assert_eq!(rig.next("BYE").0, hop(1));
    rig.answer(&hop(2), &second, 486, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy]);
    rig.assert_nothing_left();
}

#[test]
fn a_switch_that_said_trying_is_waited_for() {
    let mut rig = pair();
    rig.call();
    let (_, first) = rig.next("INVITE");
    rig.answer(&hop(1), &first, 100, "");
    rig.pass(20_000);
    assert_eq!(rig.count("INVITE"), 0);
    rig.delete();
    rig.next("CANCEL");
    rig.answer(&hop(1), &first, 487, "");
    rig.assert_nothing_left();
}

#[test]
fn a_switch_that_says_nothing_but_trying_gives_way_in_its_time_and_its_late_answer_is_released() {
    let mut rig = Rig::new(vec![
        Switch { trying: Duration::from_secs(12), ..switch("first", 1) },
        Switch { weight: 0, ..switch("second", 2) },
    ]);
    rig.call();
    let (_, first) = rig.next("INVITE");
    rig.answer(&hop(1), &first, 100, "");
    rig.pass(11_900);
    assert_eq!(rig.count("CANCEL") + rig.count("INVITE"), 0);
    rig.pass(200);
    let (to, cancel) = rig.next("CANCEL");
    assert_eq!(to, hop(1));
    assert!(cancel.contains("Reason: Q.850;cause=102"), "{cancel}");
    let (to, second) = rig.next("INVITE");
    assert_eq!(to, hop(2));
    let stalled = Notice::SwitchFailed { switch: "first".into(), reason: Failure::Stalled };
    assert!(rig.notices.contains(&stalled));
    rig.answer(&hop(1), &cancel, 200, "");
    rig.accept(&hop(1), &first);
    assert_eq!(rig.next("ACK").0, hop(1));
    assert_eq!(rig.next("BYE").0, hop(1));
    rig.answer(&hop(2), &second, 486, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy]);
    rig.assert_nothing_left();
}

#[test]
fn a_phone_that_rings_is_let_ring_however_long_its_switch_was_trying() {
    let mut rig = pair();
    rig.call();
    let (_, first) = rig.next("INVITE");
    rig.answer(&hop(1), &first, 100, "");
    rig.pass(29_000);
    rig.answer(&hop(1), &first, 180, "");
    rig.pass(10_000);
    assert_eq!(rig.count("INVITE") + rig.count("CANCEL"), 0);
    rig.answer(&hop(1), &first, 486, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy]);
    rig.assert_nothing_left();
}

#[test]
fn the_last_switch_may_try_as_long_as_the_phone_may_ring() {
    let mut rig = Rig::new(vec![switch("only", 1)]);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    rig.answer(&hop(1), &invite, 100, "");
    rig.pass(44_000);
    assert_eq!(rig.count("CANCEL"), 0);
    rig.answer(&hop(1), &invite, 486, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy]);
    rig.assert_nothing_left();
}

#[test]
fn nothing_is_dialled_for_a_call_that_is_dead() {
    let mut rig = pair();
    rig.call();
    let (_, first) = rig.next("INVITE");
    rig.answer(&hop(1), &first, 180, "");
    rig.delete();
    rig.answer(&hop(1), &first, 503, "");
    rig.pass(60_000);
    assert_eq!(rig.count("INVITE"), 0);
    assert_eq!(rig.outcomes(), [Outcome::Cancelled]);
    rig.assert_nothing_left();
}

#[test]
fn a_phone_that_rang_is_not_made_to_ring_twice_and_a_busy_one_is_busy_everywhere() {
    let mut rig = pair();
    for status in [503, 486] {
        rig.call();
        let (_, invite) = rig.next("INVITE");
        if status == 503 {
            rig.answer(&hop(1), &invite, 180, "");
        }
        rig.answer(&hop(1), &invite, status, "");
        assert_eq!(rig.count("INVITE"), 0);
    }
    assert_eq!(rig.outcomes(), [Outcome::CustomerUnreachable, Outcome::CustomerBusy]);
    rig.assert_nothing_left();
}

#[test]
fn when_every_switch_fails_the_last_cause_stands() {
    let mut rig = pair();
    rig.call();
    let (_, first) = rig.next("INVITE");
    rig.answer(&hop(1), &first, 503, "");
    let (_, second) = rig.next("INVITE");
    rig.answer(&hop(2), &second, 504, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerUnreachable]);
    assert_eq!(rig.records[0].customer_sip_status, Some(504));
    rig.assert_nothing_left();
}

#[test]
fn a_switch_that_asked_for_rest_is_passed_over_until_it_is_over() {
    let mut rig = pair();
    rig.call();
    let (_, first) = rig.next("INVITE");
    rig.answer(&hop(1), &first, 503, "Retry-After: 30\r\n");
    let (_, second) = rig.next("INVITE");
    rig.answer(&hop(2), &second, 486, "");
    rig.call();
    let (to, again) = rig.next("INVITE");
    assert_eq!(to, hop(2));
    rig.answer(&hop(2), &again, 486, "");
    rig.pass(31_000);
    rig.call();
    assert_eq!(rig.next("INVITE").0, hop(1));
}

#[test]
fn a_call_waits_for_a_free_channel_and_expires_when_none_comes() {
    let mut rig = Rig::new(vec![Switch { max_channels: Some(1), ..switch("only", 1) }]);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    rig.call();
    rig.call();
    rig.pass(3_000);
    assert_eq!(rig.count("INVITE"), 2, "only retransmissions of the first");
    rig.sent.clear();
    rig.answer(&hop(1), &invite, 486, "");
    rig.pass(1_100);
    let (_, second) = rig.next("INVITE");
    rig.answer(&hop(1), &second, 100, "");
    rig.pass(70_000);
    assert!(rig.outcomes().contains(&Outcome::Expired));
    let canceled = rig.next("CANCEL").1;
    rig.answer(&hop(1), &canceled, 200, "");
    rig.answer(&hop(1), &second, 487, "");
    assert_eq!(rig.records.len(), 3);
    rig.assert_nothing_left();
}

#[test]
fn a_drained_switch_takes_no_new_call_and_its_live_ones_go_on() {
    let mut rig = Rig::new(vec![switch("only", 1)]);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    rig.engine.reconfigure(config(vec![Switch { drain: true, ..switch("only", 1) }, switch("new", 2)]));
    rig.drain();
    rig.answer(&hop(1), &invite, 180, "");
    rig.call();
    assert_eq!(rig.next("INVITE").0, hop(2));
    assert_eq!(rig.engine.switches(rig.now)[0].channels, 1);
    rig.accept(&hop(1), &invite);
    assert_eq!(rig.next("ACK").0, hop(1));
}

#[test]
fn options_show_who_lives() {
    let probed = Switch { options: Some(Duration::from_secs(30)), ..switch("only", 1) };
    let mut rig = Rig::new(vec![probed]);
    rig.pass(10);
    let (to, options) = rig.next("OPTIONS");
    assert_eq!(to, hop(1));
    assert!(options.contains("sip:192.0.2.1:5060"));
    rig.answer(&hop(1), &options, 404, "");
    let down = |rig: &Rig| rig.notices.contains(&Notice::Switch { switch: "only".into(), up: false });
    rig.pass(44_000);
    assert!(!down(&rig), "two silences and a refusal");
    rig.pass(1_100);
    assert!(down(&rig), "three silences: fifteen seconds after the first question that was not answered");
    let (_, options) =
        std::iter::from_fn(|| rig.sent.pop_back()).find(|(_, text)| text.starts_with("OPTIONS")).unwrap();
    rig.answer(&hop(1), &options, 200, "");
    assert_eq!(rig.notices.last(), Some(&Notice::Switch { switch: "only".into(), up: true }));
}

#[test]
fn a_switch_is_dialled_where_its_name_was_found() {
    let address = crate::model::SwitchAddress::parse("sip:sbc.example.com").unwrap();
    let mut rig = Rig::new(vec![Switch { address, ..switch("named", 1) }]);
    rig.call();
    rig.pass(2_000);
    assert_eq!(rig.count("INVITE"), 0, "not found yet: it waits");
    let target = crate::model::Target::only(hop(7));
    rig.give(Input::Resolved { switch: "named".into(), targets: vec![target] });
    rig.pass(1_100);
    let (to, invite) = rig.next("INVITE");
    assert_eq!(to, hop(7));
    assert!(invite.starts_with(&format!("INVITE sip:{CUSTOMER}@sbc.example.com;user=phone ")));
    rig.answer(&hop(7), &invite, 486, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy], "its door is open");
}

#[test]
fn a_host_that_a_look_up_left_is_heard_until_its_last_call_is_over() {
    let address = crate::model::SwitchAddress::parse("sip:sbc.example.com").unwrap();
    let mut rig = Rig::new(vec![Switch { address, ..switch("named", 1) }]);
    let at = |last| Input::Resolved { switch: "named".into(), targets: vec![crate::model::Target::only(hop(last))] };
    rig.give(at(7));
    rig.call();
    let (_, invite) = rig.next("INVITE");
    rig.give(at(8));
    rig.answer(&hop(7), &invite, 486, "");
    assert_eq!(rig.outcomes(), [Outcome::CustomerBusy], "the old host still carries the call");
    let stray = "OPTIONS sip:callbridge@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
                 To: <sip:c@d>\r\nCall-ID: y\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    rig.pass(200_000);
    rig.sent.clear();
    rig.give(Input::Sip { from: &hop(7), bytes: stray.as_bytes() });
    assert!(rig.sent.is_empty(), "a stranger by now");
    rig.assert_nothing_left();
}

#[test]
fn a_failover_goes_to_no_place_that_asked_for_rest_meanwhile_or_is_the_switchs_no_more() {
    let mut rig = pair();
    rig.call();
    let (_, first) = rig.next("INVITE");
    rig.call();
    let (_, other) = rig.next("INVITE");
    rig.answer(&hop(1), &other, 503, "");
    let (to, other) = rig.next("INVITE");
    assert_eq!(to, hop(2));
    rig.answer(&hop(2), &other, 503, "Retry-After: 30\r\n");
    rig.answer(&hop(1), &first, 503, "");
    assert_eq!(rig.count("INVITE"), 0, "the second switch wants to be left alone");
    assert_eq!(rig.outcomes(), [Outcome::CustomerUnreachable; 2]);

    let address = crate::model::SwitchAddress::parse("sip:sbc.example.com").unwrap();
    let mut rig = Rig::new(vec![Switch { address, ..switch("named", 1) }]);
    let target = |priority, last| crate::model::Target { priority, weight: 1, hop: hop(last) };
    rig.give(Input::Resolved { switch: "named".into(), targets: vec![target(1, 7), target(2, 8)] });
    rig.call();
    let (_, invite) = rig.next("INVITE");
    rig.give(Input::Resolved { switch: "named".into(), targets: vec![target(1, 7), target(2, 9)] });
    rig.answer(&hop(7), &invite, 503, "");
    assert_eq!(rig.count("INVITE"), 0, "the second place is old news");
}

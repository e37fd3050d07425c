//! REFER of the peer, and what it is told of it.

use super::*;
use crate::model::TransferId;
use crate::sip::api::{Refer, ReferReply};

const TO: &str = "Refer-To: <sip:+16465550102@192.0.2.1;user=phone>\r\n";

fn asked(rig: &mut Rig) -> (TransferId, Refer) {
    let events = rig.events();
    let [LegEvent::TransferAsked { id, refer }] = events.as_slice() else { panic!("{events:?}") };
    (*id, refer.clone())
}

/// Sends a REFER with these fields and gives what the engine is asked.
fn refer(rig: &mut Rig, invite: &str, cseq: u32, fields: &str) -> (TransferId, Refer) {
    rig.receive(&request(invite, "a", "REFER", cseq, fields, ""));
    asked(rig)
}

fn answer_refer(rig: &mut Rig, id: TransferId, reply: ReferReply) {
    rig.stack.answer_refer(rig.now, id, reply);
    rig.drain();
}

fn report(rig: &mut Rig, id: TransferId, status: u16, last: bool) {
    rig.stack.report_refer(rig.now, id, status, last);
    rig.drain();
}

/// What a NOTIFY says: its sipfrag's status line and its Subscription-State.
fn said(notify: &str) -> (String, String) {
    assert_eq!((word(notify).as_str(), field(notify, "Content-Type")), ("NOTIFY", "message/sipfrag;version=2.0"));
    let body = notify.split_once("\r\n\r\n").unwrap().1.trim_end().to_owned();
    (body, field(notify, "Subscription-State").to_owned())
}

#[test]
fn an_accepted_refer_is_told_to_the_end_one_notify_at_a_time() {
    let mut rig = Rig::new(70);
    let (invite, _) = rig.answered();
    let (id, refer) = refer(&mut rig, &invite, 5, TO);
    assert_eq!(refer.target, "sip:+16465550102@192.0.2.1;user=phone");
    assert_eq!(rig.words(), Vec::<String>::new(), "the engine decides");
    answer_refer(&mut rig, id, ReferReply::Accept);
    let [accepted, trying] = rig.take().try_into().unwrap();
    assert!(accepted.starts_with("SIP/2.0 202 ") && !field(&accepted, "Contact").is_empty());
    assert_eq!(said(&trying), ("SIP/2.0 100 Trying".into(), "active;expires=600".into()));
    assert_eq!(field(&trying, "Event"), "refer");
    report(&mut rig, id, 180, false);
    report(&mut rig, id, 200, true);
    assert_eq!(rig.words(), Vec::<String>::new(), "one at a time");
    rig.receive(&reply(&trying, 200, "", ""));
    let ringing = rig.take().pop().unwrap();
    assert_eq!(said(&ringing).0, "SIP/2.0 180 Ringing");
    rig.receive(&reply(&ringing, 200, "", ""));
    let last = rig.take().pop().unwrap();
    assert_eq!(said(&last), ("SIP/2.0 200 OK".into(), "terminated;reason=noresource".into()));
    let number = |notify: &str| field(notify, "CSeq").split(' ').next().unwrap().parse::<u32>().unwrap();
    assert!(number(&trying) < number(&ringing) && number(&ringing) < number(&last));
    rig.receive(&reply(&last, 200, "", ""));
    report(&mut rig, id, 500, true);
    assert_eq!(rig.words(), Vec::<String>::new(), "nothing after the last word");
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_refused_refer_gets_its_status_and_no_notify() {
    for status in [603, 491] {
        let mut rig = Rig::new(71);
        let (invite, _) = rig.answered();
        let (id, _) = refer(&mut rig, &invite, 5, TO);
        answer_refer(&mut rig, id, ReferReply::Refuse(status));
        assert_eq!(rig.words(), [status.to_string()]);
        report(&mut rig, id, 200, true);
        assert_eq!(rig.words(), Vec::<String>::new());
        rig.hang_up();
        rig.assert_freed();
    }
}

#[test]
fn who_wants_no_subscription_gets_none() {
    let mut rig = Rig::new(72);
    let (invite, _) = rig.answered();
    let fields = format!("{TO}Refer-Sub: false\r\nRequire: norefersub\r\n");
    let (id, _) = refer(&mut rig, &invite, 5, &fields);
    answer_refer(&mut rig, id, ReferReply::Accept);
    let [accepted] = rig.take().try_into().unwrap();
    assert!(accepted.starts_with("SIP/2.0 200 "));
    assert_eq!(field(&accepted, "Refer-Sub"), "false");
    report(&mut rig, id, 200, true);
    assert_eq!(rig.words(), Vec::<String>::new());
}

#[test]
fn the_asker_is_told_also_after_its_bye() {
    let mut rig = Rig::new(73);
    let (invite, _) = rig.answered();
    let (id, _) = refer(&mut rig, &invite, 5, TO);
    answer_refer(&mut rig, id, ReferReply::Accept);
    let trying = rig.take().pop().unwrap();
    rig.receive(&request(&invite, "a", "BYE", 6, "", ""));
    assert!(matches!(rig.events()[..], [LegEvent::HungUp { .. }]));
    rig.receive(&reply(&trying, 200, "", ""));
    rig.until(40_000);
    rig.take();
    report(&mut rig, id, 486, true);
    let last = rig.take().pop().unwrap();
    assert_eq!(said(&last).0, "SIP/2.0 486 Busy Here");
    rig.receive(&reply(&last, 481, "", ""));
    rig.assert_freed();
}

#[test]
fn a_refused_notify_ends_the_subscription() {
    let mut rig = Rig::new(74);
    let (invite, _) = rig.answered();
    let (id, _) = refer(&mut rig, &invite, 5, TO);
    answer_refer(&mut rig, id, ReferReply::Accept);
    let trying = rig.take().pop().unwrap();
    rig.receive(&reply(&trying, 481, "", ""));
    report(&mut rig, id, 200, true);
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.hang_up();
    rig.assert_freed();
}

#[test]
fn a_notify_that_nobody_answers_ends_the_subscription_too() {
    let mut rig = Rig::new(75);
    let (invite, _) = rig.answered();
    let (id, _) = refer(&mut rig, &invite, 5, TO);
    answer_refer(&mut rig, id, ReferReply::Accept);
    rig.hang_up();
    report(&mut rig, id, 487, true);
    rig.assert_freed();
}

#[test]
fn a_second_refer_of_the_dialog_names_itself_in_its_events() {
    let mut rig = Rig::new(76);
    let (invite, _) = rig.answered();
    for (cseq, event) in [(5, "refer"), (6, "refer;id=6")] {
        let (id, _) = refer(&mut rig, &invite, cseq, TO);
        answer_refer(&mut rig, id, ReferReply::Accept);
        let trying = rig.take().pop().unwrap();
        assert_eq!(field(&trying, "Event"), event);
        rig.receive(&reply(&trying, 200, "", ""));
        report(&mut rig, id, 404, true);
        let last = rig.take().pop().unwrap();
        rig.receive(&reply(&last, 200, "", ""));
    }
}

#[test]
fn a_refer_that_cannot_be_read_is_refused_without_the_engine() {
    let mut rig = Rig::new(77);
    let (invite, _) = rig.answered();
    let two = format!("{TO}{TO}");
    for (cseq, fields, status) in
        [(5, "", "400"), (6, two.as_str(), "400"), (7, "Refer-To: <sip:a@b;method=BYE>\r\n", "603")]
    {
        rig.receive(&request(&invite, "a", "REFER", cseq, fields, ""));
        assert_eq!((rig.words(), rig.events()), (vec![status.to_owned()], vec![]), "{fields}");
    }
}

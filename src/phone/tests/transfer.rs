//! REFER and its NOTIFYs.

use super::*;
use crate::phone::manners::{AfterRefer, OnNotify, Transfer};

const TARGET: &str = "sip:+16465550199@127.0.0.1";

fn referring(transfer: Transfer) -> (Phone, Vec<String>) {
    let talk = vec![(Duration::from_millis(500), Act::Refer)];
    let (mut phone, _) = talking(Behaviour { transfer, talk, ..at_once() }, "");
    let texts = sent(&mut phone, ms(510));
    (phone, texts)
}

fn to(target: &str) -> Transfer {
    Transfer { to: vec![target.to_owned()], ..Transfer::default() }
}

fn notify(branch: &str, cseq: u32, state: &str, status: &str) -> Vec<u8> {
    let body = format!("SIP/2.0 {status}\r\n");
    let lines = format!("Event: refer\r\nSubscription-State: {state}\r\n");
    let bytes = with(request("NOTIFY", CONTACT, branch, cseq, ";tag=7-0-0", &body), &lines);
    String::from_utf8(bytes).unwrap().replace("application/sdp", "message/sipfrag;version=2.0").into_bytes()
}

#[test]
fn a_transfer_is_told_step_by_step_and_the_phone_hangs_up_on_success() {
    let (mut phone, texts) = referring(to(TARGET));
    assert_eq!(header(&texts[0], "Refer-To"), format!("<{TARGET}>"));
    phone.datagram(ms(520), far(), &answer(&texts, "REFER", 202, ""));
    phone.datagram(ms(530), far(), &notify("n1", 2, "active;expires=60", "100 Trying"));
    phone.datagram(ms(900), far(), &notify("n2", 3, "terminated;reason=noresource", "200 OK"));
    let texts = sent(&mut phone, ms(910));
    assert!(texts.last().unwrap().starts_with("BYE"));
    assert_eq!((story(&phone).transfers.as_slice(), faults(&phone)), ([100, 200].as_slice(), vec![]));
}

#[test]
fn every_disorder_of_notifies_is_seen() {
    let last = || notify("n1", 2, "terminated;reason=noresource", "603 Decline");
    let wrong: [Vec<Vec<u8>>; 4] = [
        vec![last(), notify("n2", 3, "terminated;reason=noresource", "603 Decline")],
        vec![notify("n1", 2, "active;expires=60", "200 OK")],
        vec![notify("n1", 2, "active;expires=60", "180 Ringing"), notify("n2", 3, "active;expires=60", "100 Trying")],
        vec![notify("n1", 2, "on", "100 Trying")],
    ];
    for notifies in wrong {
        let (mut phone, texts) = referring(Transfer { then: AfterRefer::Wait, ..to(TARGET) });
        phone.datagram(ms(520), far(), &answer(&texts, "REFER", 202, ""));
        notifies.iter().for_each(|bytes| phone.datagram(ms(600), far(), bytes));
        assert_eq!(faults(&phone), [Fault::Transfer], "{:?}", String::from_utf8_lossy(&notifies[0]));
    }
}

#[test]
fn silence_after_a_202_is_seen_but_not_where_it_was_wanted() {
    let (mut phone, texts) = referring(to(TARGET));
    phone.datagram(ms(520), far(), &answer(&texts, "REFER", 202, ""));
    sent(&mut phone, ms(4_000));
    assert_eq!(faults(&phone), [Fault::Transfer]);

    let (mut phone, texts) = referring(Transfer { unsubscribed: true, ..to(TARGET) });
    assert_eq!(header(&texts[0], "Refer-Sub"), "false");
    phone.datagram(ms(520), far(), &answer(&texts, "REFER", 202, "Refer-Sub: false\r\n"));
    sent(&mut phone, ms(4_000));
    assert_eq!(faults(&phone), []);
    phone.datagram(ms(4_010), far(), &notify("n1", 2, "active;expires=60", "100 Trying"));
    assert_eq!(faults(&phone), [Fault::Transfer]);
}

#[test]
fn a_refer_without_its_target_must_be_refused_and_a_notify_may_be_refused_too() {
    let (mut phone, texts) = referring(Transfer::default());
    assert_eq!(header(&texts[0], "Refer-To"), "");
    phone.datagram(ms(520), far(), &answer(&texts, "REFER", 202, ""));
    assert_eq!(faults(&phone), [Fault::Transfer]);

    let (mut phone, texts) = referring(Transfer { on_notify: OnNotify::Refuse, ..to(TARGET) });
    phone.datagram(ms(520), far(), &answer(&texts, "REFER", 202, ""));
    phone.datagram(ms(530), far(), &notify("n1", 2, "active;expires=60", "100 Trying"));
    assert_eq!(status(sent(&mut phone, ms(540)).last().unwrap()), "481");
}

#[test]
fn a_phone_may_hang_up_right_after_the_202_and_still_be_told() {
    let (mut phone, texts) = referring(Transfer { then: AfterRefer::HangUpAtOnce, ..to(TARGET) });
    phone.datagram(ms(520), far(), &answer(&texts, "REFER", 202, ""));
    assert!(sent(&mut phone, ms(521)).last().unwrap().starts_with("BYE"));
    phone.datagram(ms(530), far(), &notify("n1", 2, "active;expires=60", "100 Trying"));
    assert_eq!(faults(&phone), []);
}

#[test]
fn a_target_that_expects_replaces_sees_when_it_is_missing() {
    let wanted = Behaviour { replaces: Some("c;to-tag=a;from-tag=b".to_owned()), ..at_once() };
    let mut one = phone(wanted.clone());
    one.datagram(ms(0), far(), &with(invite(), "Replaces: c;to-tag=a;from-tag=b\r\n"));
    assert_eq!(faults(&one), []);
    let mut other = phone(wanted);
    other.datagram(ms(0), far(), &invite());
    assert_eq!(faults(&other), [Fault::Transfer]);
}

//! Reliable provisionals: the row, the retransmission, and the judgement of PRACK.

use super::*;
use crate::phone::manners::{Reliable, ReliableFlaw};

const SUPPORTED: &str = "Supported: 100rel, timer\r\n";

fn reliable(count: u8, answer: bool, flaw: Option<ReliableFlaw>) -> Behaviour {
    let reliable = Reliable { count, every: Duration::from_millis(50), answer, update: false, flaw };
    let answering = Behaviour::answering(Duration::from_millis(3000), 1000, None);
    Behaviour { reliable: Some(reliable), ..answering }
}

fn prack(branch: &str, cseq: u32, rack: &str) -> Vec<u8> {
    with(request("PRACK", CONTACT, branch, cseq, ";tag=7-0-0", ""), &format!("RAck: {rack}\r\n"))
}

/// The INVITE has come, the first provisional has left: its RSeq.
fn rung(behaviour: Behaviour) -> (Phone, String) {
    let mut phone = phone(behaviour);
    phone.datagram(ms(0), far(), &with(invite(), SUPPORTED));
    let texts = sent(&mut phone, ms(100));
    let rseq = header(texts.last().unwrap(), "RSeq").to_owned();
    (phone, rseq)
}

#[test]
fn a_row_of_provisionals_goes_on_with_each_prack_and_the_200_does_not_repeat_the_answer() {
    let (mut phone, rseq) = rung(reliable(2, true, None));
    phone.datagram(ms(110), far(), &prack("p1", 2, &format!("{rseq} 1 INVITE")));
    let texts = sent(&mut phone, ms(200));
    assert_eq!(texts.iter().map(|t| status(t)).collect::<Vec<_>>(), ["200", "180"]);
    let next = header(&texts[1], "RSeq").to_owned();
    assert_eq!(next.parse::<u32>().unwrap(), rseq.parse::<u32>().unwrap() + 1);
    phone.datagram(ms(210), far(), &prack("p2", 3, &format!("{next} 1 INVITE")));
    phone.datagram(ms(215), far(), &prack("p2", 3, &format!("{next} 1 INVITE")));
    let texts = sent(&mut phone, ms(3100));
    assert_eq!(texts.iter().map(|t| status(t)).collect::<Vec<_>>(), ["200", "200", "200"]);
    assert_eq!(header(texts.last().unwrap(), "Content-Length"), "0", "the answer was said in the 183");
    assert_eq!((story(&phone).pracks, faults(&phone)), (2, vec![]));
}

#[test]
fn without_100rel_in_the_invite_nothing_is_reliable() {
    let mut phone = phone(reliable(2, true, None));
    phone.datagram(ms(0), far(), &invite());
    let texts = sent(&mut phone, ms(100));
    assert_eq!((status(&texts[0]), header(&texts[0], "RSeq")), ("180", ""));
}

#[test]
fn an_unacknowledged_provisional_is_repeated_and_then_blamed() {
    let (mut phone, _) = rung(reliable(1, false, None));
    let texts = sent(&mut phone, ms(2_900));
    assert_eq!(texts.len(), 2, "after 500 and 1500 ms: {texts:?}");
    sent(&mut phone, ms(3_000));
    assert_eq!(faults(&phone), [Fault::Prack]);
}

#[test]
fn every_wrong_prack_is_seen() {
    for (rack, cseq) in [("1 1 INVITE", 2), ("RSEQ 2 INVITE", 2), ("RSEQ 1 BYE", 2), ("RSEQ INVITE", 2)] {
        let (mut phone, rseq) = rung(reliable(1, false, None));
        phone.datagram(ms(110), far(), &prack("p1", cseq, &rack.replace("RSEQ", &rseq)));
        assert_eq!(status(sent(&mut phone, ms(120)).last().unwrap()), "481", "{rack}");
        assert_eq!(faults(&phone), [Fault::Prack], "{rack}");
    }
    let (mut phone, rseq) = rung(reliable(1, false, None));
    phone.datagram(ms(110), far(), &prack("p1", 2, &format!("{rseq} 1 INVITE")));
    phone.datagram(ms(120), far(), &prack("p2", 3, &format!("{rseq} 1 INVITE")));
    assert_eq!(faults(&phone), [Fault::Prack], "a second PRACK of its own for the same provisional");
}

#[test]
fn a_provisional_out_of_order_must_not_be_acknowledged() {
    for flaw in [ReliableFlaw::SkipsNumber, ReliableFlaw::SameNumber] {
        let (mut phone, rseq) = rung(reliable(2, false, Some(flaw)));
        phone.datagram(ms(110), far(), &prack("p1", 2, &format!("{rseq} 1 INVITE")));
        let texts = sent(&mut phone, ms(300));
        let foul = header(texts.last().unwrap(), "RSeq").to_owned();
        phone.datagram(ms(310), far(), &prack("p2", 3, &format!("{foul} 1 INVITE")));
        assert_eq!(faults(&phone), [Fault::Prack], "{flaw:?}");
    }
}

#[test]
fn two_forks_ring_each_with_its_own_row() {
    let mut phone = phone(Behaviour { rings: 2, ..reliable(1, false, None) });
    phone.datagram(ms(0), far(), &with(invite(), SUPPORTED));
    let texts = sent(&mut phone, ms(100));
    let tags: Vec<_> = texts.iter().map(|t| header(t, "To").rsplit('=').next().unwrap()).collect();
    assert_eq!(tags, ["7-0-0", "7-0-1"]);
    let second = header(&texts[1], "RSeq").to_owned();
    let of_second = with(request("PRACK", CONTACT, "p", 2, ";tag=7-0-1", ""), &format!("RAck: {second} 1 INVITE\r\n"));
    phone.datagram(ms(110), far(), &of_second);
    assert_eq!((status(sent(&mut phone, ms(120)).last().unwrap()), faults(&phone)), ("200", vec![]));
}

//! What a ladder keeps, forgets and shows. The two faces are golden texts (`snapshots/`).

use std::time::Duration;

use super::*;
use crate::clock::Mono;
use crate::model::{Codec, Heard, Sample, Suite, TransferRefusal};

const AT: Now = Now { mono: Mono(5_000_000), wall: Wall(1_764_000_000_000) };
const CUSTOMER: u16 = 0;

/// One story, told in milliseconds.
struct Teller {
    ladder: Ladder,
    now: Now,
    digest: u32,
}

impl Teller {
    fn begin() -> Teller {
        let id = CallId::from_u128(0x0193_5c1d_2a40_7b11_8000_0000_0000_0001);
        Teller { ladder: Ladder::new(id, "abc".parse().unwrap(), AT), now: AT, digest: 0 }
    }

    fn after(&mut self, millis: u64) -> &mut Teller {
        self.now.mono = self.now.mono + Duration::from_millis(millis);
        self
    }

    fn moment(&mut self, moment: Moment) -> &mut Teller {
        self.ladder.moment(self.now, moment);
        self
    }

    fn dials(&mut self, attempt: u16, switch: &str) -> &mut Teller {
        let (role, number) = match attempt {
            CUSTOMER => (Role::Customer, "+12125550100".to_owned()),
            other => (Role::Representative, format!("+1646555010{other}")),
        };
        self.ladder.dials(self.now, attempt, role, &Endpoint::parse(&number).unwrap(), switch);
        self
    }

    fn sip(&mut self, out: bool, attempt: u16, verb: &str, status: u16, more: impl Fn(&mut Message)) -> &mut Teller {
        self.digest += 1;
        let mut message = Message {
            attempt,
            out,
            verb: Verb::of(verb),
            status: (status != 0).then_some(status),
            cseq: 1,
            sdp: None,
            q850: None,
            digest: self.digest,
            peer: 0,
            again: false,
        };
        more(&mut message);
        let port = if attempt == CUSTOMER { 5070 } else { 5080 };
        let peer = (SipTransport::Udp, SocketAddr::from(([192, 0, 2, 1], port)));
        self.ladder.message(self.now, peer, message);
        self
    }

    fn out(&mut self, attempt: u16, verb: &str) -> &mut Teller {
        self.sip(true, attempt, verb, 0, |_| {})
    }

    fn answer(&mut self, attempt: u16, verb: &str, status: u16) -> &mut Teller {
        self.sip(false, attempt, verb, status, |_| {})
    }

    fn offer(&mut self, attempt: u16) -> &mut Teller {
        self.sip(true, attempt, "INVITE", 0, |m| m.sdp = Some(SdpMode::SendRecv))
    }

    fn agreed(&mut self, attempt: u16, codec: Codec, srtp: Option<Suite>) -> &mut Teller {
        self.moment(Moment::Agreed { attempt, coding: Coding { codec, packet_ms: 20, srtp } })
    }

    fn answered(&mut self, attempt: u16) -> &mut Teller {
        self.sip(false, attempt, "INVITE", 200, |m| m.sdp = Some(SdpMode::SendRecv)).out(attempt, "ACK")
    }
}

/// Busy, then bridged; a lost INVITE; a hold.
fn story() -> Ladder {
    let mut tell = Teller::begin();
    tell.moment(Moment::Asked).after(3).moment(Moment::Accepted);
    tell.dials(CUSTOMER, "ssp-62").after(1).offer(CUSTOMER);
    let lost = tell.digest;
    tell.after(500).sip(true, CUSTOMER, "INVITE", 0, |m| {
        (m.digest, m.sdp) = (lost, Some(SdpMode::SendRecv));
    });
    tell.after(4).answer(CUSTOMER, "INVITE", 100).after(40).answer(CUSTOMER, "INVITE", 180);
    tell.after(2_300)
        .answered(CUSTOMER)
        .agreed(CUSTOMER, Codec::Opus, Some(Suite::AeadAes128Gcm))
        .moment(Moment::Plays { attempt: CUSTOMER, clip: Clip::Message });
    tell.dials(1, "ssp-64").after(1).offer(1).after(3).answer(1, "INVITE", 100);
    tell.after(30).sip(false, 1, "INVITE", 486, |m| m.q850 = Some(17)).out(1, "ACK");
    tell.dials(2, "ssp-64").after(1).offer(2).after(2).answer(2, "INVITE", 100);
    tell.after(60).answer(2, "INVITE", 180);
    tell.after(2_100).moment(Moment::Plays { attempt: CUSTOMER, clip: Clip::Music });
    tell.after(900).answered(2).agreed(2, Codec::Pcmu, None).moment(Moment::Bridged { a: CUSTOMER, b: 2 });
    tell.after(2).moment(Moment::Transcoded { attempt: CUSTOMER, from: Codec::Pcmu, to: Codec::Opus });
    tell.after(22).moment(Moment::Heard { attempt: CUSTOMER });
    tell.after(5_000).sip(false, 2, "INVITE", 0, |m| (m.cseq, m.sdp) = (7, Some(SdpMode::SendOnly)));
    tell.sip(true, 2, "INVITE", 200, |m| (m.cseq, m.sdp) = (7, Some(SdpMode::RecvOnly)));
    tell.moment(Moment::Held { by: 2 }).after(1).sip(false, 2, "ACK", 0, |m| m.cseq = 7);
    tell.after(4_000).moment(Moment::Resumed { by: 2 });
    tell.after(9_000).sip(false, CUSTOMER, "BYE", 0, |m| (m.cseq, m.q850) = (2, Some(16)));
    tell.sip(true, CUSTOMER, "BYE", 200, |m| m.cseq = 2).sip(true, 2, "BYE", 0, |m| (m.cseq, m.q850) = (2, Some(16)));
    tell.moment(Moment::Ended { outcome: Outcome::Completed });
    tell.after(5).sip(false, 2, "BYE", 200, |m| m.cseq = 2);
    tell.ladder.clone()
}

#[test]
fn a_refused_transfer_says_why_and_by_whom() {
    let mut tell = Teller::begin();
    tell.dials(CUSTOMER, "ssp-62").dials(1, "ssp-64");
    tell.moment(Moment::TransferRefused { by: 1, why: TransferRefusal::Barred });
    let read = Ladder::from_stored(&tell.ladder.to_stored()).unwrap();
    assert!(read.to_text().contains("transfer refused: nobody may be called there"), "{}", read.to_text());
    assert!(read.to_json().to_string().contains("barred"));
}

#[test]
fn the_text_is_as_the_golden_one() {
    insta::assert_snapshot!("text", story().to_text());
}

#[test]
fn the_picture_is_as_the_golden_one() {
    insta::assert_snapshot!("svg", story().to_svg());
}

#[test]
fn the_json_is_as_the_golden_one() {
    insta::assert_json_snapshot!("json", story().to_json());
}

#[test]
fn what_is_stored_is_what_is_shown_again() {
    let story = story();
    let stored = story.to_stored();
    let read = Ladder::from_stored(&stored).unwrap();
    assert_eq!(read.to_text(), story.to_text());
    assert_eq!(read.to_json(), story.to_json());
    assert!(stored.len() < 2_000, "{} bytes: {stored}", stored.len());
    assert!(matches!(Ladder::from_stored(&stored.replacen(":1", ":9", 1)), Err(Unreadable::Version(9))));
    assert!(Ladder::from_stored("{}").is_err());
}

#[test]
fn what_its_legs_sounded_like_is_stored_with_it_and_bounded() {
    let mut tell = Teller::begin();
    tell.dials(CUSTOMER, "ssp-62").dials(1, "ssp-64");
    let none = tell.ladder.to_stored().len();
    let at = |n: u16| Wall(AT.wall.0 + i64::from(n) * 5_000);
    let heard = |n: u16| Heard::new(f64::from(n) / 1_000.0, f32::from(n), 4.0);
    let sample = |n: u16| (at(n), Sample::new(heard(n), Heard::UNKNOWN, Some(31.0)));
    tell.ladder.sounded(1, (0..300).map(sample));
    tell.ladder.sounded(1, (0..3).map(sample));
    let stored = tell.ladder.to_stored();
    let read = Ladder::from_stored(&stored).unwrap();
    assert_eq!(read.sound(1), (180..300).map(sample).collect::<Vec<_>>(), "the last ten minutes");
    assert!(read.sound(CUSTOMER).is_empty());
    assert_eq!(read.to_json()["participants"][1]["quality_samples"][119]["jitter_ms"], 299.0);
    assert!(stored.len() - none < 120 * 60, "{} bytes", stored.len() - none);
}

#[test]
fn a_flood_of_messages_is_bounded_and_moments_outlive_it() {
    let mut tell = Teller::begin();
    tell.moment(Moment::Asked).dials(CUSTOMER, "ssp-62");
    for _ in 0..500 {
        tell.answer(CUSTOMER, "INVITE", 183);
    }
    tell.moment(Moment::Plays { attempt: CUSTOMER, clip: Clip::Message });
    for _ in 0..500 {
        tell.answer(CUSTOMER, "INVITE", 183);
    }
    tell.moment(Moment::Ended { outcome: Outcome::Cancelled });
    let ladder = &tell.ladder;
    assert_eq!(ladder.entries().count(), FIRST + LAST);
    let kept = usize::try_from(ladder.omitted()).unwrap() + FIRST + LAST;
    assert_eq!(kept, 1_004);
    assert!(ladder.entries().any(|entry| matches!(entry.what, What::Moment(Moment::Plays { .. }))));
    assert_eq!(ladder.outcome(), Some(Outcome::Cancelled));
    assert!(ladder.to_text().contains(&format!("… {} more …", ladder.omitted())));
    assert!(ladder.to_stored().len() < 12_000);
}

#[test]
fn only_the_same_bytes_are_the_same_message_again() {
    let mut tell = Teller::begin();
    tell.dials(CUSTOMER, "ssp-62").answer(CUSTOMER, "INVITE", 200).answer(CUSTOMER, "INVITE", 200);
    let digest = tell.digest;
    tell.sip(false, CUSTOMER, "INVITE", 200, |m| m.digest = digest);
    let again = tell.ladder.entries().filter_map(|entry| match &entry.what {
        What::Message(message) => Some(message.again),
        What::Moment(_) => None,
    });
    assert_eq!(again.collect::<Vec<_>>(), [false, false, true], "a fork's 200 is no repetition");
}

#[test]
fn a_call_is_settled_when_all_that_we_asked_is_answered() {
    let mut tell = Teller::begin();
    tell.dials(CUSTOMER, "ssp-62").offer(CUSTOMER);
    assert!(!tell.ladder.is_settled());
    tell.answer(CUSTOMER, "INVITE", 180);
    assert!(!tell.ladder.is_settled());
    tell.answered(CUSTOMER).sip(false, CUSTOMER, "BYE", 0, |m| m.cseq = 2);
    assert!(tell.ladder.is_settled(), "an ACK is not answered, and a BYE of the peer is not ours");
    tell.sip(true, CUSTOMER, "BYE", 0, |m| m.cseq = 2);
    assert!(!tell.ladder.is_settled());
    tell.sip(false, CUSTOMER, "BYE", 481, |m| m.cseq = 2);
    assert!(tell.ladder.is_settled());
}

#[test]
fn names_that_would_break_a_picture_or_a_terminal_are_written_safely() {
    let mut tell = Teller::begin();
    tell.dials(CUSTOMER, "a<b>&\"c\u{1b}[31m");
    let (svg, text) = (tell.ladder.to_svg(), tell.ladder.to_text());
    assert!(svg.contains("a&lt;b&gt;&amp;&quot;c[31m") && !svg.contains("<b>"));
    assert!(!text.contains('\u{1b}'));
}

//! Inside the dialog: session timers, re-INVITEs of either side and their glare, digits, hold.

use super::*;
use crate::phone::manners::{OnReinvite, RefreshBy, Refresher, SessionFlaw, SessionManner};

const TIMER: &str = "Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n";

fn keeping(refresher: Refresher, flaw: Option<SessionFlaw>) -> Behaviour {
    let session = SessionManner { expires: 120, min_se: 90, refresher, by: RefreshBy::Update, flaw };
    Behaviour { session: Some(session), ..at_once() }
}

fn seconds(n: u64) -> Mono {
    ms(n * 1000)
}

fn reinvite(branch: &str, cseq: u32, lines: &str) -> Vec<u8> {
    with(request("INVITE", CONTACT, branch, cseq, ";tag=7-0-0", &OFFER.replace("o=- 1 1", "o=- 1 2")), lines)
}

#[test]
fn a_refresher_that_forgets_is_blamed_and_hung_up() {
    let (mut phone, texts) = talking(keeping(Refresher::Uac, None), TIMER);
    assert_eq!(header(&texts[1], "Session-Expires"), "120;refresher=uac");
    let texts = sent(&mut phone, seconds(100));
    assert!(texts[0].starts_with("BYE"));
    assert_eq!(faults(&phone), [Fault::Refresh]);
}

#[test]
fn a_refresher_that_keeps_its_word_is_not() {
    let (mut phone, _) = talking(keeping(Refresher::Uac, None), TIMER);
    for n in 1..4 {
        sent(&mut phone, seconds(60 * u64::from(n)));
        let update = request("UPDATE", CONTACT, &format!("u{n}"), 1 + n, ";tag=7-0-0", "");
        phone.datagram(seconds(60 * u64::from(n)), far(), &with(update, TIMER));
    }
    let texts = sent(&mut phone, seconds(185));
    assert_eq!(header(&texts[0], "Session-Expires"), "120;refresher=uac");
    assert_eq!((story(&phone).refreshes, faults(&phone)), (3, vec![]));
}

#[test]
fn a_phone_that_refreshes_wants_a_timer_in_the_answer_and_one_that_stops_wants_a_bye() {
    let lines = "Supported: timer\r\nSession-Expires: 120\r\n";
    let (mut phone, _) = talking(keeping(Refresher::Uas, None), lines);
    let texts = sent(&mut phone, seconds(61));
    assert_eq!(header(&texts[0], "Session-Expires"), "120;refresher=uac");
    phone.datagram(seconds(62), far(), &answer(&texts, "UPDATE", 200, ""));
    assert_eq!(faults(&phone), [Fault::Refresh]);

    let (mut phone, _) = talking(keeping(Refresher::Uas, Some(SessionFlaw::StopsRefreshing)), lines);
    sent(&mut phone, seconds(121));
    assert_eq!(faults(&phone), []);
    sent(&mut phone, seconds(123));
    assert_eq!(faults(&phone), [Fault::Refresh]);
}

#[test]
fn a_reinvite_too_soon_after_a_491_or_a_retry_after_is_seen() {
    for (manner, wait, told) in [(OnReinvite::Pending(1), 2_100, "491"), (OnReinvite::Later(3), 3_000, "500")] {
        for (late, wrong) in [(1, vec![]), (0, vec![Fault::Glare])] {
            let (mut phone, _) = talking(Behaviour { on_reinvite: manner, ..at_once() }, "");
            phone.datagram(seconds(1), far(), &reinvite("r1", 2, ""));
            assert_eq!(status(sent(&mut phone, seconds(1)).last().unwrap()), told);
            phone.datagram(ms(1_010), far(), &request("ACK", CONTACT, "r1", 2, ";tag=7-0-0", ""));
            let again = ms(1_000 + wait - 1 + late);
            sent(&mut phone, again);
            phone.datagram(again, far(), &reinvite("r2", 3, ""));
            assert_eq!(faults(&phone), wrong, "{manner:?}");
        }
    }
}

#[test]
fn a_reinvite_that_crosses_the_phones_own_gets_491() {
    let (mut phone, _) = talking(Behaviour { on_reinvite: OnReinvite::Glare, ..at_once() }, "");
    phone.datagram(seconds(1), far(), &reinvite("r1", 2, ""));
    let texts = sent(&mut phone, seconds(1));
    assert!(texts[0].starts_with("INVITE") && status(&texts[1]) == "491");
    phone.datagram(ms(1_005), far(), &request("ACK", CONTACT, "r1", 2, ";tag=7-0-0", ""));
    // Ours is refused as well: it comes again within two seconds, for the Call-ID is not the phone's.
    phone.datagram(ms(1_010), far(), &answer(&texts, "INVITE", 491, ""));
    let texts = sent(&mut phone, ms(3_100));
    assert!(texts.iter().any(|t| t.starts_with("ACK")) && texts.iter().any(|t| t.starts_with("INVITE")), "{texts:?}");
    assert_eq!(faults(&phone), []);
}

#[test]
fn a_phone_that_answers_no_reinvite_any_more_wants_a_bye_64_t1_later_and_no_other_reinvite() {
    let (mut phone, _) = talking(Behaviour { on_reinvite: OnReinvite::Silent, ..at_once() }, "");
    for at in [1_000, 1_500, 2_500] {
        phone.datagram(ms(at), far(), &reinvite("r1", 2, ""));
    }
    assert_eq!((sent(&mut phone, seconds(34)), faults(&phone)), (vec![], vec![]));
    assert!(sent(&mut phone, seconds(36))[0].starts_with("BYE"));
    assert_eq!(faults(&phone), [Fault::Refresh]);

    let (mut phone, _) = talking(Behaviour { on_reinvite: OnReinvite::Silent, ..at_once() }, "");
    phone.datagram(seconds(1), far(), &reinvite("r1", 2, ""));
    phone.datagram(seconds(3), far(), &reinvite("r2", 3, ""));
    assert_eq!(faults(&phone), [Fault::Glare]);
    phone.datagram(seconds(33), far(), &request("BYE", CONTACT, "b", 4, ";tag=7-0-0", ""));
    sent(&mut phone, seconds(40));
    assert_eq!((story(&phone).ending, faults(&phone)), (Some(Ending::WasHungUp), vec![Fault::Glare]));
}

#[test]
fn after_a_408_the_bye_comes_at_once() {
    for (bye, wrong) in [(2, vec![]), (4, vec![Fault::Refresh])] {
        let (mut phone, _) = talking(Behaviour { on_reinvite: OnReinvite::Gone, ..at_once() }, "");
        phone.datagram(seconds(1), far(), &request("UPDATE", CONTACT, "u1", 2, ";tag=7-0-0", ""));
        assert_eq!(status(&sent(&mut phone, seconds(1))[0]), "408");
        sent(&mut phone, seconds(bye));
        phone.datagram(seconds(bye), far(), &request("BYE", CONTACT, "b", 3, ";tag=7-0-0", ""));
        assert_eq!(faults(&phone), wrong);
    }
}

#[test]
fn a_jump_of_the_offers_version_and_a_missing_ack_are_seen() {
    let (mut phone, _) = talking(at_once(), "");
    let offer = OFFER.replace("o=- 1 1", "o=- 1 7");
    phone.datagram(seconds(1), far(), &request("INVITE", CONTACT, "r1", 2, ";tag=7-0-0", &offer));
    let texts = sent(&mut phone, seconds(40));
    assert_eq!(texts.iter().filter(|t| t.starts_with("SIP/2.0 200")).count(), 11);
    assert_eq!(faults(&phone), [Fault::Body, Fault::AckMissing]);
}

#[test]
fn rtp_to_a_phone_that_holds_is_seen_and_the_hold_is_told() {
    let talk = vec![(Duration::from_millis(500), Act::Hold), (Duration::from_millis(2_000), Act::Resume)];
    let (mut phone, _) = talking(Behaviour { talk, ..at_once() }, "");
    let texts = sent(&mut phone, ms(600));
    let sdp = OFFER.replace("a=sendrecv", "a=recvonly");
    let ok = String::from_utf8(answer(&texts, "INVITE", 200, "Contact: <sip:127.0.0.1:5060>\r\n")).unwrap();
    let head = ok.replace("Content-Length: 0\r\n\r\n", "");
    let ok = format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    phone.datagram(ms(600), far(), ok.as_bytes());
    let payload = tone_frame(400, Law::Mu);
    let packet = sound::Packet { marker: true, payload_type: 0, sequence: 1, timestamp: 1, ssrc: 5, payload: &payload };
    let (local, media) = ("127.0.0.1:4000".parse().unwrap(), "127.0.0.1:20000".parse().unwrap());
    phone.rtp(ms(1_500), local, media, &packet.write());
    assert_eq!(faults(&phone), [Fault::RtpForeign]);
    assert_eq!(story(&phone).holds, [(ms(600), None)]);
}

#[test]
fn digits_are_heard_by_event_and_by_info() {
    let (mut phone, _) = talking(at_once(), "");
    let (local, media) = ("127.0.0.1:4000".parse().unwrap(), "127.0.0.1:20000".parse().unwrap());
    for (sequence, timestamp, payload) in
        [(1, 160, [4, 10, 0, 160]), (2, 160, [4, 138, 1, 64]), (3, 160, [4, 138, 1, 64]), (4, 960, [2, 10, 0, 160])]
    {
        let packet =
            sound::Packet { marker: false, payload_type: 101, sequence, timestamp, ssrc: 5, payload: &payload };
        phone.rtp(ms(20 * u64::from(sequence)), local, media, &packet.write());
    }
    let info = request("INFO", CONTACT, "i1", 2, ";tag=7-0-0", "Signal=#\r\nDuration=160\r\n");
    let info = String::from_utf8(info).unwrap().replace("application/sdp", "application/dtmf-relay");
    phone.datagram(ms(200), far(), info.as_bytes());
    phone.datagram(ms(210), far(), info.as_bytes());
    assert_eq!((story(&phone).dialled().as_str(), faults(&phone)), ("42#", vec![]));
}

#[test]
fn what_has_no_place_in_a_call_must_be_refused() {
    let talk = vec![(Duration::from_millis(500), Act::Oddities)];
    let (mut phone, _) = talking(Behaviour { talk, ..at_once() }, "");
    let texts = sent(&mut phone, ms(510));
    assert_eq!(texts.len(), 3);
    phone.datagram(ms(520), far(), &answer(&texts, "MESSAGE", 405, ""));
    phone.datagram(ms(520), far(), &answer(&texts, "WHATEVER", 200, ""));
    assert_eq!(faults(&phone), [Fault::Unanswered]);
}

#[test]
fn over_a_stream_nothing_comes_twice_and_the_via_says_so() {
    let mut config = PhoneConfig::new("127.0.0.1:5070".parse().unwrap(), (4000, 4010), Behaviour::ringing_only(), 7);
    config.stream = true;
    let mut phone = Phone::new(config);
    let over_tcp =
        |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace("SIP/2.0/UDP", "SIP/2.0/TCP").into_bytes();
    phone.datagram(ms(0), far(), &over_tcp(invite()));
    phone.datagram(ms(500), far(), &over_tcp(invite()));
    assert_eq!(faults(&phone), [Fault::Repeated]);
    phone.datagram(ms(600), far(), &with(over_tcp(request("CANCEL", URI, "1", 1, "", "")), ""));
    let (lines, _) = run(&mut phone, seconds(20));
    assert_eq!(lines.iter().filter(|l| l.contains("487")).count(), 1);
}

#[test]
fn after_a_stream_broke_a_request_may_come_again_and_the_phones_own_go_out_again_or_not() {
    for resends in [true, false] {
        let config = PhoneConfig::new("127.0.0.1:5070".parse().unwrap(), (4000, 4010), at_once(), 7);
        let mut phone = Phone::new(PhoneConfig { stream: true, ..config });
        let over_tcp =
            |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace("SIP/2.0/UDP", "SIP/2.0/TCP").into_bytes();
        phone.datagram(ms(0), far(), &over_tcp(invite()));
        sent(&mut phone, ms(1));
        let contact = format!("{CONTACT};transport=tcp");
        phone.datagram(ms(2), far(), &over_tcp(request("ACK", &contact, "ack", 1, ";tag=7-0-0", "")));
        let options = || over_tcp(request("OPTIONS", &contact, "o", 2, ";tag=7-0-0", ""));
        phone.datagram(ms(10), far(), &options());
        phone.torn(ms(20), &[], resends);
        phone.datagram(ms(30), far(), &options());
        assert_eq!(faults(&phone), []);
        sent(&mut phone, ms(40));
        phone.with(0, ms(50), |call, desk| call.request(desk, Act::Options));
        let first = sent(&mut phone, ms(50));
        phone.torn(ms(60), &[first[0].split("branch=").nth(1).unwrap().split(';').next().unwrap().to_owned()], resends);
        let again = sent(&mut phone, ms(60));
        assert_eq!(again, if resends { first } else { vec![] });
        sent(&mut phone, seconds(40));
        assert_eq!(faults(&phone), [], "it may have been lost");
    }
}

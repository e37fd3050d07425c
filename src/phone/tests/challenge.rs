//! Digest challenges, 422, redirection and registration against hand-written answers.

use super::*;
use crate::phone::manners::{Challenge, Hash, RefreshBy, Refresher, Refusal, SessionManner};

fn challenging(qop: bool) -> Challenge {
    Challenge {
        as_server: false,
        algorithm: Hash::Md5,
        qop,
        realm: "carrier".to_owned(),
        username: "u".to_owned(),
        password: "p".to_owned(),
        stale: false,
        strangers_first: false,
        flaw: None,
    }
}

fn md5(text: &str) -> String {
    use md5::{Digest, Md5};
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Credentials for the challenge in this message.
fn credentials(text: &str, method: &str, uri: &str, password: &str) -> String {
    let nonce = header(text, "Proxy-Authenticate").split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let (a, b) = (md5(&format!("u:carrier:{password}")), md5(&format!("{method}:{uri}")));
    let response = md5(&format!("{a}:{nonce}:00000001:abcdefgh:auth:{b}"));
    format!(
        "Proxy-Authorization: Digest username=\"u\", realm=\"carrier\", nonce=\"{nonce}\", uri=\"{uri}\", \
         opaque=\"b3BhcXVl\", response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"abcdefgh\"\r\n"
    )
}

fn challenged() -> (Phone, String) {
    let mut phone = phone(Behaviour { challenge: Some(challenging(true)), ..at_once() });
    phone.datagram(ms(0), far(), &invite());
    let texts = sent(&mut phone, ms(10));
    assert_eq!(status(&texts[0]), "407");
    let tag = header(&texts[0], "To").rsplit('=').next().unwrap();
    phone.datagram(ms(11), far(), &request("ACK", URI, "1", 1, &format!(";tag={tag}"), ""));
    (phone, texts[0].clone())
}

#[test]
fn a_right_answer_is_let_in_with_the_next_number() {
    let (mut phone, text) = challenged();
    let answer = credentials(&text, "INVITE", URI, "p");
    phone.datagram(ms(20), far(), &with(request("INVITE", URI, "2", 2, "", OFFER), &answer));
    assert_eq!(status(sent(&mut phone, ms(30)).last().unwrap()), "200");
    assert_eq!((story(&phone).tries, faults(&phone)), (2, vec![]));
}

#[test]
fn a_wrong_password_a_wrong_number_and_no_answer_at_all_are_seen() {
    let (mut phone, text) = challenged();
    let answer = credentials(&text, "INVITE", URI, "wrong");
    phone.datagram(ms(20), far(), &with(request("INVITE", URI, "2", 2, "", OFFER), &answer));
    assert_eq!(status(sent(&mut phone, ms(30)).last().unwrap()), "407");
    assert_eq!(faults(&phone), [Fault::Credentials]);

    let (mut phone, text) = challenged();
    let answer = credentials(&text, "INVITE", URI, "p");
    phone.datagram(ms(20), far(), &with(request("INVITE", URI, "2", 1, "", OFFER), &answer));
    assert_eq!(faults(&phone), [Fault::Retry]);

    let (mut phone, _) = challenged();
    phone.datagram(ms(20), far(), &request("INVITE", URI, "2", 2, "", OFFER));
    assert_eq!(faults(&phone), [Fault::Credentials]);
}

#[test]
fn credentials_that_nobody_asked_for_are_seen() {
    let mut phone = phone(at_once());
    phone.datagram(ms(0), far(), &with(invite(), "Authorization: Digest username=\"u\"\r\n"));
    assert_eq!(faults(&phone), [Fault::Credentials]);
}

#[test]
fn a_short_interval_is_refused_by_422_and_must_grow() {
    let session =
        SessionManner { expires: 600, min_se: 300, refresher: Refresher::Uac, by: RefreshBy::Update, flaw: None };
    let asks = |seconds: u32| format!("Supported: timer\r\nSession-Expires: {seconds}\r\n");
    for (second, expected, wrong) in [(300, "200", vec![]), (200, "422", vec![Fault::Refresh])] {
        let mut phone = phone(Behaviour { session: Some(session.clone()), ..at_once() });
        phone.datagram(ms(0), far(), &with(invite(), &asks(100)));
        let texts = sent(&mut phone, ms(10));
        assert_eq!((status(&texts[0]), header(&texts[0], "Min-SE")), ("422", "300"));
        phone.datagram(ms(20), far(), &with(request("INVITE", URI, "2", 2, "", OFFER), &asks(second)));
        let texts = sent(&mut phone, ms(30));
        assert_eq!((status(texts.last().unwrap()), faults(&phone)), (expected, wrong));
    }
}

#[test]
fn a_redirection_names_its_contacts_and_a_second_invite_after_a_refusal_is_seen() {
    let refusal = Refusal { contacts: vec!["<sip:b@127.0.0.1:5071>".into()], retry_after: Some(7), q850: Some(17) };
    let mut phone = phone(Behaviour { refusal, ..Behaviour::refusing(Duration::ZERO, 302) });
    phone.datagram(ms(0), far(), &invite());
    let texts = sent(&mut phone, ms(10));
    let text = texts.last().unwrap();
    assert_eq!((header(text, "Contact"), header(text, "Retry-After")), ("<sip:b@127.0.0.1:5071>", "7"));
    phone.datagram(ms(20), far(), &request("INVITE", URI, "2", 2, "", OFFER));
    assert_eq!(faults(&phone), [Fault::Retry]);
}

#[test]
fn two_branches_of_a_redirection_may_share_a_call_id() {
    let mut phone = phone(Behaviour::refusing(Duration::ZERO, 302));
    phone.expect("b", at_once());
    phone.datagram(ms(0), far(), &invite());
    phone.datagram(ms(10), far(), &request("INVITE", "sip:b@127.0.0.1:5070", "2", 2, "", OFFER));
    let texts = sent(&mut phone, ms(20));
    assert_eq!(texts.iter().map(|t| status(t)).collect::<Vec<_>>(), ["180", "302", "180", "200"]);
    phone.datagram(ms(30), far(), &request("ACK", URI, "1", 1, ";tag=7-0-0", ""));
    phone.datagram(ms(30), far(), &request("ACK", "sip:phone1@127.0.0.1:5070", "3", 2, ";tag=7-1-0", ""));
    assert_eq!(faults(&phone), []);
}

#[test]
fn options_are_answered_and_a_registration_is_challenged_kept_and_counted() {
    let mut config = PhoneConfig::new("127.0.0.1:5070".parse().unwrap(), (4000, 4010), at_once(), 7);
    config.registrar = Some(Registrar { challenge: Some(challenging(true)), most: 60, least: 30, flaw: None });
    let mut phone = Phone::new(config);
    phone.datagram(ms(0), far(), &request("OPTIONS", "sip:127.0.0.1:5070", "o", 1, "", ""));
    assert_eq!(status(&sent(&mut phone, ms(1))[0]), "200");
    let uri = "sip:127.0.0.1:5070";
    let register = |branch: &str, cseq, lines: &str| {
        with(request("REGISTER", uri, branch, cseq, "", ""), &format!("Expires: 3600\r\n{lines}"))
    };
    let to_itself = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        text.replace("<sip:+12125550100@127.0.0.1>", "<sip:us@127.0.0.1>").into_bytes()
    };
    phone.datagram(ms(2), far(), &to_itself(register("r1", 1, "")));
    let texts = sent(&mut phone, ms(3));
    assert_eq!(status(&texts[0]), "407");
    let answer = credentials(&texts[0], "REGISTER", uri, "p");
    phone.datagram(ms(4), far(), &to_itself(register("r2", 2, &answer)));
    let texts = sent(&mut phone, ms(5));
    assert_eq!((status(&texts[0]), header(&texts[0], "Contact")), ("200", "<sip:127.0.0.1:5060>;expires=60"));
    let binding = phone.bindings().get("sip:us@127.0.0.1").unwrap();
    assert_eq!((binding.until, phone.strays()), (ms(60_004), [].as_slice()));
}

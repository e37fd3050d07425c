//! Switches that want credentials: who is answered, how often, with which count, and what is never answered. The peer checks
//! answers with the formula of RFC 2617 written out here.

use md5::{Digest, Md5};

use super::*;
use crate::model::trunk::Credentials;

fn trunk() -> Trunk {
    let credentials =
        Credentials { username: "callbridge".into(), password: "open-sesame".into(), realm: Some("ssp".into()) };
    Trunk { credentials: Some(credentials), ..Trunk::default() }
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks for MD5 with qop=auth.
fn challenge(status: u16, nonce: &str, more: &str) -> String {
    let name = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    format!("{name}: Digest realm=\"ssp\", nonce=\"{nonce}\", qop=\"auth\"{more}\r\n")
}

fn part<'a>(field: &'a str, name: &str) -> &'a str {
    let mut parts = field.strip_prefix("Digest ").unwrap_or("").split(", ");
    parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).unwrap_or("").trim_matches('"')
}

/// Whether the request's credentials are right for this nonce; gives their count.
fn count(request: &str, name: &str, nonce: &str) -> u32 {
    let field = field(request, name);
    let (method, rest) = request.split_once(' ').unwrap();
    let uri = rest.split(' ').next().unwrap();
    assert_eq!((part(field, "uri"), part(field, "nonce"), part(field, "realm")), (uri, nonce, "ssp"), "{request}");
    let nc = part(field, "nc");
    let secret = md5("callbridge:ssp:open-sesame");
    let of = format!("{secret}:{nonce}:{nc}:{}:auth:{}", part(field, "cnonce"), md5(&format!("{method}:{uri}")));
    assert_eq!(part(field, "response"), md5(&of), "{request}");
    u32::from_str_radix(nc, 16).unwrap()
}

fn invite_in(sent: &[String]) -> &String {
    sent.iter().find(|text| word(text) == "INVITE").unwrap()
}

#[test]
fn a_407_is_answered_once_and_the_next_requests_are_believed_at_once() {
    let mut rig = Rig::new(71);
    let first = rig.dial_with(trunk());
    assert_eq!(field(&first, "Proxy-Authorization"), "");
    rig.receive(&reply(&first, 407, "a", &challenge(407, "n1", "")));
    let sent = rig.take();
    let second = invite_in(&sent);
    assert_eq!((field(&sent[0], "CSeq"), field(&sent[0], "Proxy-Authorization")), ("1 ACK", ""));
    assert_eq!((field(second, "CSeq"), count(second, "Proxy-Authorization", "n1")), ("2 INVITE", 1));
    rig.receive(&answer(second, "b"));
    let ack = rig.take().pop().unwrap();
    assert_eq!(field(&ack, "Proxy-Authorization"), field(second, "Proxy-Authorization"), "§22.1: the INVITE's own");
    rig.hang_up();
    let bye = rig.take().pop().unwrap();
    assert_eq!((word(&bye).as_str(), count(&bye, "Proxy-Authorization", "n1")), ("BYE", 2));
    rig.receive(&reply(&bye, 200, "b", ""));
    rig.assert_freed();
    // Another call, through another connection of the same trunk: no challenge is needed.
    let third = rig.dial_with(trunk());
    assert_eq!(count(&third, "Proxy-Authorization", "n1"), 3);
    // The nonce is worn out: a new one, without `stale`, is still a first challenge of this INVITE.
    rig.receive(&reply(&third, 407, "c", &challenge(407, "n2", "")));
    assert_eq!(count(invite_in(&rig.take()), "Proxy-Authorization", "n2"), 1);
}

#[test]
fn a_stale_nonce_is_replaced_and_anything_else_after_a_try_is_a_refusal() {
    let second_challenges = [
        (challenge(401, "n2", ", stale=true"), true),
        (challenge(401, "n2", ""), false),
        (challenge(401, "n1", ""), false),
        (challenge(401, "n1", ", stale=true"), false),
    ];
    for (again, answered) in second_challenges {
        let mut rig = Rig::new(72);
        let first = rig.dial_with(trunk());
        rig.receive(&reply(&first, 401, "a", &challenge(401, "n1", "")));
        let second = invite_in(&rig.take()).clone();
        rig.receive(&reply(&second, 401, "a", &again));
        let sent = rig.take();
        assert_eq!(sent.iter().any(|text| word(text) == "INVITE"), answered, "{again}");
        if answered {
            let third = invite_in(&sent);
            assert_eq!((field(third, "CSeq"), count(third, "Authorization", "n2")), ("3 INVITE", 1));
            rig.receive(&answer(third, "b"));
            assert!(matches!(rig.events()[..], [LegEvent::Answered { .. }]));
            continue;
        }
        let [LegEvent::Failed { cause, .. }] = &rig.events()[..] else { panic!("the leg fails") };
        assert_eq!((cause.sip_status, cause.text.as_str()), (Some(401), "the switch does not accept our credentials"));
        rig.assert_freed();
    }
}

#[test]
fn endless_stale_nonces_come_to_an_end() {
    let mut rig = Rig::new(73);
    let mut invite = rig.dial_with(trunk());
    let mut tries = 1;
    for round in 0..50 {
        rig.receive(&reply(&invite, 407, "a", &challenge(407, &format!("n{round}"), ", stale=true")));
        let Some(next) = rig.take().into_iter().find(|text| word(text) == "INVITE") else { break };
        (invite, tries) = (next, tries + 1);
    }
    assert_eq!(tries, 6);
    assert!(matches!(rig.events()[..], [LegEvent::Failed { .. }]));
    rig.assert_freed();
}

#[test]
fn proxy_and_agent_are_both_answered() {
    let mut rig = Rig::new(74);
    let first = rig.dial_with(trunk());
    rig.receive(&reply(&first, 407, "a", &challenge(407, "p", "")));
    let second = invite_in(&rig.take()).clone();
    rig.receive(&reply(&second, 401, "a", &challenge(401, "u", "")));
    let third = invite_in(&rig.take()).clone();
    assert_eq!(count(&third, "Proxy-Authorization", "p"), 2);
    assert_eq!(count(&third, "Authorization", "u"), 1);
    rig.hang_up();
    rig.receive(&reply(&third, 180, "a", ""));
    let cancel = rig.take().pop().unwrap();
    assert_eq!(word(&cancel), "CANCEL");
    assert!(!cancel.contains("Authorization"), "§22.1: a CANCEL is not challenged and carries nothing");
}

#[test]
fn a_bye_that_meets_a_challenge_goes_out_again() {
    let mut rig = Rig::new(75);
    let invite = rig.dial_with(trunk());
    rig.receive(&answer(&invite, "a"));
    rig.hang_up();
    let bye = rig.take().pop().unwrap();
    rig.receive(&reply(&bye, 407, "a", &challenge(407, "n1", "")));
    let again = rig.take().pop().unwrap();
    assert_eq!((field(&again, "CSeq"), count(&again, "Proxy-Authorization", "n1")), ("3 BYE", 1));
    rig.receive(&reply(&again, 407, "a", &challenge(407, "n1", "")));
    assert_eq!(rig.words(), Vec::<String>::new());
    rig.assert_freed();
}

#[test]
fn without_credentials_or_a_challenge_that_we_know_the_refusal_stands() {
    let none = "the switch asks for credentials and none are configured";
    let cannot = "the switch's challenge cannot be answered: ";
    let other = "WWW-Authenticate: Digest realm=\"elsewhere\", nonce=\"n\"\r\n";
    let unknown = "WWW-Authenticate: Digest realm=\"ssp\", nonce=\"n\", algorithm=ROT13\r\n";
    for (trunk, field, text) in [
        (Trunk::default(), challenge(401, "n", ""), none.to_owned()),
        (trunk(), String::new(), format!("{cannot}a 401 or 407 without a challenge")),
        (trunk(), other.to_owned(), format!("{cannot}a realm we have no credentials for")),
        (trunk(), unknown.to_owned(), format!("{cannot}an algorithm we do not know")),
        (trunk(), "WWW-Authenticate: Digest realm=\"ssp\r\n".into(), format!("{cannot}a malformed challenge")),
    ] {
        let mut rig = Rig::new(76);
        let invite = rig.dial_with(trunk);
        rig.receive(&reply(&invite, 401, "a", &field));
        assert_eq!(rig.words(), ["ACK"], "{field}");
        let [LegEvent::Failed { cause, .. }] = &rig.events()[..] else { panic!("the leg fails") };
        assert_eq!((cause.sip_status, &cause.text), (Some(401), &text));
        rig.assert_freed();
    }
}

#[test]
fn a_password_never_shows_itself() {
    let mut rig = Rig::new(77);
    let invite = rig.dial_with(trunk());
    rig.receive(&reply(&invite, 401, "a", &challenge(401, "n1", "")));
    assert!(!format!("{:?}", rig.stack).contains("open-sesame"));
    assert!(!rig.take().concat().contains("open-sesame"));
}

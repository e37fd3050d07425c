//! The vectors of RFC 2617, 7616 and 8760, the differential against rsip's generator, and what no stranger may do.

use proptest::prelude::*;

use super::*;

const MUFASA: Asked<'_> = Asked {
    username: "Mufasa",
    password: "Circle Of Life",
    method: "GET",
    uri: "/dir/index.html",
    cnonce: "0a4f113b",
    count: 1,
};

fn challenge(text: &str) -> Challenge {
    Challenge::parse(text.as_bytes()).unwrap()
}

/// A parameter of an answer, quotes kept.
fn part<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = answer.strip_prefix("Digest ").unwrap().split(", ");
    parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

#[test]
fn the_example_of_rfc_2617_section_3_5() {
    let asked = challenge(
        "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
         opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
    );
    assert_eq!(
        asked.answer(&MUFASA),
        "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
         uri=\"/dir/index.html\", response=\"6629fae49393a05397450978507c4ef1\", cnonce=\"0a4f113b\", \
         opaque=\"5ccc069c403ebaf9f0171e9517f40e41\", qop=auth, nc=00000001"
    );
}

#[test]
fn the_form_of_rfc_2069_has_neither_qop_nor_cnonce() {
    // RFC 2069 §2.4, with the response of its erratum 749.
    let asked = challenge(
        "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
         opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
    );
    let answer = asked.answer(&Asked { password: "CircleOfLife", ..MUFASA });
    assert_eq!(part(&answer, "response"), Some("\"1949323746fe6a43ef61f9606e7febea\""));
    assert!(!answer.contains("qop") && !answer.contains("cnonce") && !answer.contains("nc="));
}

/// RFC 7616 §3.9.1, in both algorithms: the one that RFC 8760 adds to SIP and the old one.
#[test]
fn the_examples_of_rfc_7616_section_3_9_1() {
    let asked = |algorithm| {
        challenge(&format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        ))
    };
    let of = Asked { password: "Circle of Life", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", ..MUFASA };
    let sha = asked("SHA-256").answer(&of);
    assert_eq!(part(&sha, "response"), Some("\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""));
    assert_eq!(part(&sha, "algorithm"), Some("SHA-256"));
    let md5 = asked("MD5").answer(&of);
    assert_eq!(part(&md5, "response"), Some("\"8ca523f5e9506fed4657c9700eebdbec\""));
}

/// RFC 7616 §3.9.2 as its erratum 4897 has it: SHA-512/256 is not SHA-512 cut short.
#[test]
fn the_example_of_rfc_7616_section_3_9_2_hashes_the_name() {
    let asked = challenge(
        "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, \
         nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", \
         charset=UTF-8, userhash=true",
    );
    let answer = asked.answer(&Asked {
        username: "J\u{e4}s\u{f8}n Doe",
        password: "Secret, or not?",
        method: "GET",
        uri: "/doe.json",
        cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        count: 1,
    });
    assert_eq!(part(&answer, "username"), Some("\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\""));
    assert_eq!(part(&answer, "response"), Some("\"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5\""));
    assert_eq!(part(&answer, "userhash"), Some("true"));
}

#[test]
fn a_session_key_is_bound_to_nonce_and_cnonce() {
    let asked = challenge("Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=MD5-sess");
    let answer = asked.answer(&MUFASA);
    let hash = |text: &str| hex(md5::Md5::digest(text.as_bytes()).as_slice());
    let secret = hash(&format!("{}:n:0a4f113b", hash("Mufasa:r:Circle Of Life")));
    let expected = hash(&format!("{secret}:n:00000001:0a4f113b:auth:{}", hash("GET:/dir/index.html")));
    assert_eq!(part(&answer, "response"), Some(format!("\"{expected}\"").as_str()));
    assert_eq!(part(&answer, "algorithm"), Some("MD5-sess"));
}

/// RFC 8760 §2.4: several challenges, one realm.
#[test]
fn the_strongest_challenge_of_each_realm_is_chosen() {
    let fields = [
        "Digest realm=\"atlanta.com\", qop=\"auth\", algorithm=MD5, nonce=\"1\"",
        "Digest realm=\"atlanta.com\", qop=\"auth\", algorithm=SHA-256, nonce=\"2\"",
        "Digest realm=\"atlanta.com\", qop=\"auth\", algorithm=SHA-3-1024, nonce=\"3\"",
        "Digest realm=\"biloxi.com\", nonce=\"4\"",
        "Bearer realm=\"atlanta.com\"",
    ];
    let choose = |realm| Challenge::choose(fields.iter().map(|field| field.as_bytes()), realm);
    let chosen: Vec<_> = choose(None).unwrap().into_iter().map(|c| (c.realm, c.algorithm.as_str(), c.nonce)).collect();
    assert_eq!(chosen, [("atlanta.com".into(), "SHA-256", "2".into()), ("biloxi.com".into(), "MD5", "4".into())]);
    assert_eq!(choose(Some("biloxi.com")).unwrap().len(), 1);
    assert_eq!(choose(Some("chicago.com")), Err(ChallengeError::Scheme));
    assert_eq!(Challenge::choose([].into_iter(), None), Err(ChallengeError::Missing));
}

#[test]
fn realm_nonce_and_opaque_go_back_as_they_came() {
    let asked = challenge(
        "digest  REALM = \"a \\\"b\\\" \\\\ c, d\" ,, nonce=\"x=,y\"  ,opaque=\"\",STALE=TRUE, domain=\"sip:x\", qop=auth",
    );
    assert!(asked.stale && asked.protected);
    let answer = asked.answer(&Asked { username: "o\"hara\\", ..MUFASA });
    assert!(answer.contains("realm=\"a \\\"b\\\" \\\\ c, d\""), "{answer}");
    assert!(answer.contains("nonce=\"x=,y\"") && answer.contains("opaque=\"\""), "{answer}");
    assert!(answer.contains("username=\"o\\\"hara\\\\\""), "{answer}");
    assert!(!answer.contains("algorithm"), "what the challenge did not say is not said");
}

#[test]
fn what_cannot_be_answered_is_named() {
    let why = |text: &str| Challenge::parse(text.as_bytes()).unwrap_err();
    for (text, expected) in [
        ("Basic realm=\"x\"", ChallengeError::Scheme),
        ("Digest", ChallengeError::Scheme),
        ("Digest realm=\"x\"", ChallengeError::Lacks("nonce")),
        ("Digest realm=\"x\", nonce=\"\"", ChallengeError::Lacks("nonce")),
        ("Digest nonce=\"x\"", ChallengeError::Lacks("realm")),
        ("Digest realm=\"x\", nonce=\"n\", algorithm=ROT13", ChallengeError::Algorithm),
        ("Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\"", ChallengeError::Protection),
        ("Digest realm=\"x\", nonce=\"n\", nonce=\"m\"", ChallengeError::Syntax),
        ("Digest realm=\"x, nonce=\"n\"", ChallengeError::Syntax),
        ("Digest realm=\"x\" nonce=\"n\"", ChallengeError::Syntax),
        ("Digest realm=\"x\", nonce=a\"b", ChallengeError::Syntax),
        ("Digest realm=\"x\", nonce=\"a\u{7}b\"", ChallengeError::Syntax),
        ("Digest realm=\"x\", =\"n\"", ChallengeError::Syntax),
    ] {
        assert_eq!(why(text), expected, "{text}");
    }
    assert_eq!(Challenge::parse(b"Digest realm=\"\xff\", nonce=\"n\""), Err(ChallengeError::Syntax));
    assert_eq!(why(&format!("Digest realm=\"x\", nonce=\"{}\"", "n".repeat(2000))), ChallengeError::TooLong);
    assert_eq!(why(&format!("Digest realm=\"x\", nonce=\"{}\"", "n".repeat(9000))), ChallengeError::TooLong);
}

/// rsip writes the nonce count in decimal, so it agrees up to nine.
fn by_rsip(asked: &Asked<'_>, realm: &str, nonce: &str, sha256: bool, protected: bool) -> String {
    use rsip::headers::auth::{Algorithm, AuthQop};
    let qop = AuthQop::Auth { cnonce: asked.cnonce.to_owned(), nc: asked.count as u8 };
    let uri = rsip::Uri::try_from(asked.uri).unwrap();
    rsip::services::DigestGenerator {
        username: asked.username,
        password: asked.password,
        nonce,
        uri: &uri,
        realm,
        method: &rsip::Method::Invite,
        qop: protected.then_some(&qop),
        algorithm: if sha256 { Algorithm::Sha256 } else { Algorithm::Md5 },
    }
    .compute()
}

proptest! {
    #[test]
    fn rsip_computes_the_same(
        username in "[a-z0-9.+]{1,20}", password in "[ -~]{0,30}", realm in "[a-zA-Z0-9. @]{0,30}",
        nonce in "[a-zA-Z0-9/+=]{1,60}", cnonce in "[0-9a-f]{1,32}", count in 1u32..10, sha256: bool, protected: bool,
    ) {
        let uri = "sip:+12125550100@192.0.2.1:5070;user=phone";
        let asked = Asked { username: &username, password: &password, method: "INVITE", uri, cnonce: &cnonce, count };
        let qop = if protected { ", qop=\"auth\"" } else { "" };
        let algorithm = if sha256 { "SHA-256" } else { "MD5" };
        let ours = challenge(&format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}{qop}"));
        let answer = ours.answer(&asked);
        let expected = format!("\"{}\"", by_rsip(&asked, &realm, &nonce, sha256, protected));
        prop_assert_eq!(part(&answer, "response"), Some(expected.as_str()));
    }

    #[test]
    fn nothing_a_switch_sends_panics_or_breaks_the_field(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[ -~\t]{0,60}") {
        let _ = Challenge::parse(&bytes);
        for text in [format!("Digest {text}"), format!("Digest realm=\"r\", nonce=\"n\",{text}"), format!("Digest realm={text},nonce={text}")] {
            if let Ok(challenge) = Challenge::parse(text.as_bytes()) {
                let answer = challenge.answer(&MUFASA);
                prop_assert!(!answer.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t'));
                // Our own reader finds the same values in it.
                let again = Challenge::parse(answer.as_bytes()).unwrap();
                prop_assert_eq!((again.realm, again.nonce), (challenge.realm, challenge.nonce));
            }
        }
    }
}

//! The torture messages of RFC 4475 and RFC 5118 against the wire room: each with the verdict that its RFC gives, in one table
//! that also serves to send them to a running daemon. Owns the table; property and differential tests are beside it.

#[allow(dead_code, reason = "each test program uses its part")]
#[path = "parsers/sip.rs"]
mod bodies;
#[path = "torture/on_streams.rs"]
mod on_streams;
#[path = "torture/on_the_wire.rs"]
mod on_the_wire;
#[path = "torture/properties.rs"]
mod properties;
#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;
#[path = "torture/table.rs"]
mod table;

use callbridge::sip::wire::{Message, Method, Name, Uri, Verdict, judge};
use table::{Expect, TABLE, bytes};

/// What parse and judge together make of a datagram.
fn verdict(datagram: &[u8]) -> Expect {
    match Message::parse(datagram).map(|message| judge(&message)) {
        Err(_) | Ok(Verdict::Drop) => Expect::Silence,
        Ok(Verdict::Ok) => Expect::Take,
        Ok(Verdict::Refuse { status, .. }) => Expect::Answer(status),
    }
}

fn message(file: &str) -> Message {
    Message::parse(&bytes(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn every_torture_message_gets_the_verdict_of_its_rfc() {
    let wrong: Vec<String> = TABLE
        .iter()
        .filter(|case| verdict(&bytes(case.file)) != case.expect)
        .map(|case| {
            let got = Message::parse(&bytes(case.file)).map(|message| judge(&message));
            format!("{} ({}, {}): expected {:?}, got {got:?}", case.file, case.section, case.story, case.expect)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_every_file() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let mut found = 0;
    for folder in ["rfc4475", "rfc5118"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let name = format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy());
            assert!(TABLE.iter().any(|case| case.file == name), "{name} has no verdict");
            found += 1;
        }
    }
    assert_eq!(found, TABLE.len());
}

#[test]
fn the_short_tortuous_invite_is_read_in_full() {
    let invite = message("rfc4475/TC_WSINV.dat");
    assert_eq!(invite.method(), Some(&Method::Invite));
    assert_eq!(invite.to().unwrap().tag, Some("1918181833n"));
    let from = invite.from().unwrap();
    assert_eq!((from.display.as_deref(), from.tag), (Some("J Rosenberg \\\""), Some("98asjd8")));
    assert_eq!(invite.max_forwards(), Ok(68));
    assert_eq!(invite.cseq().unwrap().number, 9);
    assert_eq!(invite.headers(Name::Via).count(), 3, "folds, compact names and commas make three hops");
    assert_eq!(invite.top_via().unwrap().branch, Some("390skdjuw"));
    assert_eq!(invite.body().len(), 150);
    let contact = invite.contact().unwrap();
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!((contact.params.get("newparam"), contact.params.get("q")), (Some("newvalue"), Some("0.33")));
    assert_eq!(invite.header_named("newfangledheader"), Some(&b"newfangled value   continued newfangled value"[..]));
    assert_eq!(invite.routes().count(), 1);
}

#[test]
fn escapes_stay_escaped_until_asked() {
    let invite = message("rfc4475/TC_ESC01_V.dat");
    let uri = Uri::parse(invite.request_uri().unwrap()).unwrap();
    assert_eq!(uri.user, Some("sips%3Auser%40example.com"));
    assert_eq!(Uri::unescape(uri.user.unwrap()), "sips:user@example.com");
    assert_eq!(uri.host, "example.net");
    let register = message("rfc4475/TC_ESC02_V.dat");
    assert!(register.method().unwrap().is_unknown(), "RE%47IST%45R is not REGISTER");
    assert_eq!(register.headers(Name::Contact).count(), 2, "C%6Fntact is not Contact");
}

#[test]
fn the_widest_range_of_characters_is_kept() {
    let request = message("rfc4475/TC_INTMETH.dat");
    assert_eq!(request.method().unwrap().as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(request.method().unwrap().metric_name(), "OTHER");
    let uri = Uri::parse(request.request_uri().unwrap()).unwrap();
    assert_eq!(uri.host, "example.com");
    assert_eq!(uri.user, Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(request.from().unwrap().tag, Some("_token~1'+`*%!-."));
    assert_eq!(request.to().unwrap().display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
}

#[test]
fn a_binary_body_survives() {
    let request = message("rfc4475/TC_MPART01.dat");
    assert_eq!(request.body().len(), 553);
    assert!(request.body().contains(&0), "nothing is cut at a NUL");
    assert_eq!(request.content_type(), Some("multipart/mixed"));
}

#[test]
fn of_two_requests_in_one_datagram_the_first_counts() {
    let request = message("rfc4475/TC_DBLREQ.dat");
    assert_eq!(request.method(), Some(&Method::Register));
    assert!(request.body().is_empty());
    assert_eq!(request.call_id(), Some("dblreq.0ha0isndaksdj99sdfafnl3lk233412"));
}

#[test]
fn responses_keep_any_reason_phrase_or_none() {
    assert_eq!(message("rfc4475/TC_NOREASON_V.dat").reason(), Some(&b""[..]));
    let odd = message("rfc4475/TC_UNREASON_V.dat");
    assert_eq!(odd.status(), Some(200));
    assert!(std::str::from_utf8(odd.reason().unwrap()).unwrap().starts_with("= 2**3 * 5**2"));
}

#[test]
fn the_unquoted_comma_is_refused_for_its_own_sake() {
    // The file of this corpus also lacks the empty line after its headers, which would hide the fault it is about.
    let mut datagram = bytes("rfc4475/TC_BADDN_I.dat");
    datagram.extend_from_slice(b"\r\n");
    let message = Message::parse(&datagram).unwrap();
    assert_eq!(message.fault(), None);
    assert_eq!(judge(&message), Verdict::Refuse { status: 400, reason: "Bad From", headers: Vec::new() });
}

#[test]
fn an_unsupported_extension_or_body_is_named_in_the_answer() {
    let headers = |file| match judge(&message(file)) {
        Verdict::Refuse { headers, .. } => headers,
        other => panic!("{other:?}"),
    };
    let unsupported = (Name::Unsupported, "nothingSupportsThis, nothingSupportsThisEither".to_string());
    assert_eq!(headers("rfc4475/TC_BEXT01_V.dat"), [unsupported]);
    assert_eq!(headers("rfc4475/TC_INVUT_V.dat"), [(Name::Accept, "application/sdp".to_string())]);
}

#[test]
fn ipv6_hosts_and_received_values_are_read_with_and_without_brackets() {
    let ip = |text: &str| text.parse().ok();
    for file in ["rfc5118/via-received-param-no-delim.dat", "rfc5118/via-received-param-with-delim.dat"] {
        assert_eq!(message(file).top_via().unwrap().received, ip("2001:db8::9:255"));
    }
    let ambiguous = message("rfc5118/port-ambiguous.dat");
    let uri = Uri::parse(ambiguous.request_uri().unwrap()).unwrap();
    assert_eq!((uri.host_ip(), uri.port), (ip("2001:db8::10:5070"), None));
    let plain = message("rfc5118/port-unambiguous.dat");
    let uri = Uri::parse(plain.request_uri().unwrap()).unwrap();
    assert_eq!((uri.host_ip(), uri.port), (ip("2001:db8::10"), Some(5070)));
    let colons = message("rfc5118/ipv6-bug-abnf-3-colons.dat");
    assert_eq!(Uri::parse(colons.request_uri().unwrap()).unwrap().host_ip(), ip("2001:db8::192.0.2.1"));
}

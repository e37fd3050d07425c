//! Properties of the wire room: nothing panics, what is built is read back, equal spellings mean the same, and rsip agrees on
//! plain messages.

use callbridge::sip::wire::{Message, Method, Name, RequestBuilder, judge};
use proptest::prelude::*;

use super::bodies::sip_message;
use super::table::{TABLE, bytes};

fn invite(uri: &str, display: &str, tag: &str, call_id: &str, number: u32, body: &[u8]) -> Vec<u8> {
    RequestBuilder::new(&Method::Invite, uri)
        .via("UDP", "192.0.2.1:5060".parse().unwrap(), "z9hG4bKabc")
        .max_forwards(70)
        .from(Some(display), "sip:callbridge@192.0.2.1", tag)
        .to(None, uri, None)
        .call_id(call_id)
        .cseq(number, &Method::Invite)
        .contact("sip:192.0.2.1:5060")
        .header(Name::Supported, "timer, 100rel")
        .body("application/sdp", body)
        .unwrap()
}

#[test]
fn every_torture_message_and_each_of_its_prefixes_is_survived() {
    for case in TABLE {
        let datagram = bytes(case.file);
        (0..=datagram.len()).for_each(|end| sip_message(&datagram[..end]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn mutated_torture_messages_never_panic(
        which in 0..TABLE.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..24),
    ) {
        let mut datagram = bytes(TABLE[which].file);
        for (at, byte, what) in changes {
            let at = at.index(datagram.len());
            match what {
                0 => datagram[at] = byte,
                1 => datagram.insert(at, byte),
                2 => datagram.insert(at, b"\r\n\";,<>@:[]%= "[usize::from(byte) % 14]),
                _ if datagram.len() > 1 => { datagram.remove(at); }
                _ => {}
            }
        }
        sip_message(&datagram);
    }

    #[test]
    fn arbitrary_bytes_never_panic(datagram in prop::collection::vec(any::<u8>(), 0..600)) {
        sip_message(&datagram);
        let mut framed = b"INVITE sip:a@b SIP/2.0\r\n".to_vec();
        framed.extend_from_slice(&datagram);
        sip_message(&framed);
    }

    #[test]
    fn what_is_built_is_read_back(
        user in "[a-z0-9+.]{1,12}", display in "\\PC{0,20}", tag in "[a-zA-Z0-9]{1,16}", call_id in "[a-z0-9@.-]{1,40}",
        number in 0u32..(1 << 31), body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let uri = format!("sip:{user}@192.0.2.9;user=phone");
        let message = Message::parse(&invite(&uri, &display, &tag, &call_id, number, &body)).unwrap();
        prop_assert_eq!(judge(&message), callbridge::sip::wire::Verdict::Ok);
        prop_assert_eq!(message.request_uri(), Some(uri.as_str()));
        let from = message.from().unwrap();
        prop_assert_eq!(from.display.as_deref(), Some(display.as_str()));
        prop_assert_eq!(from.tag, Some(tag.as_str()));
        prop_assert_eq!(message.call_id(), Some(call_id.as_str()));
        prop_assert_eq!(message.cseq().unwrap().number, number);
        prop_assert_eq!(message.body(), &body[..]);
    }

    #[test]
    fn a_line_end_in_a_value_is_refused_wherever_it_stands(
        before in "[a-z0-9]{0,8}", end in prop::sample::select(vec!["\r", "\n", "\r\n", "\0"]), after in "[a-zA-Z: ]{0,12}",
    ) {
        let evil = format!("{before}{end}{after}");
        let new = || RequestBuilder::new(&Method::Bye, "sip:a@b");
        prop_assert!(RequestBuilder::new(&Method::Bye, &["sip:", evil.as_str()].concat()).finish().is_err());
        prop_assert!(RequestBuilder::new(&Method::Other(evil.as_str().into()), "sip:a@b").finish().is_err());
        prop_assert!(new().call_id(&evil).finish().is_err());
        prop_assert!(new().from(Some(&evil), "sip:a@b", "t").finish().is_err());
        prop_assert!(new().from(None, "sip:a@b", &evil).finish().is_err());
        prop_assert!(new().via("UDP", "127.0.0.1:5060".parse().unwrap(), &evil).finish().is_err());
        prop_assert!(new().header(Name::Subject, &evil).finish().is_err());
        prop_assert!(new().extension(&evil, "x").finish().is_err());
        prop_assert!(new().routes([&evil]).finish().is_err());
        prop_assert!(new().contact(&evil).finish().is_err());
        prop_assert!(new().body(&evil, b"").is_err());
    }

    #[test]
    fn folded_and_compact_spellings_mean_the_same(fold in any::<[bool; 6]>(), short in any::<[bool; 6]>(), upper in any::<bool>()) {
        let fields = [
            ("Via", "v", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1"), ("From", "f", "\"A B\" <sip:a@b>;tag=1"),
            ("To", "t", "<sip:c@d>"), ("Call-ID", "i", "x@y"), ("Contact", "m", "<sip:a@b>, <sip:e@f>"),
            ("Supported", "k", "timer, 100rel"),
        ];
        let mut text = "OPTIONS sip:c@d SIP/2.0\r\nCSeq: 1 OPTIONS\r\n".to_string();
        let mut plain = text.clone();
        for (at, (long, compact, value)) in fields.iter().enumerate() {
            plain += &format!("{long}: {value}\r\n");
            let name = if short[at] { compact } else { long };
            let name = if upper { name.to_uppercase() } else { name.to_lowercase() };
            let value = if fold[at] { value.replace(' ', "\r\n\t ") } else { value.to_string() };
            text += &format!("{name} :{}{value} \r\n", if fold[at] { "\r\n " } else { "" });
        }
        let (odd, plain) = ((text + "\r\n").into_bytes(), (plain + "\r\n").into_bytes());
        let (odd, plain) = (Message::parse(&odd).unwrap(), Message::parse(&plain).unwrap());
        prop_assert_eq!(judge(&odd), judge(&plain));
        for name in [Name::CallId, Name::Contact, Name::Supported] {
            prop_assert!(odd.headers(name).eq(plain.headers(name)));
        }
        prop_assert_eq!(odd.from().unwrap().tag, plain.from().unwrap().tag);
        prop_assert_eq!(odd.from().unwrap().uri, plain.from().unwrap().uri);
        prop_assert_eq!(odd.top_via().unwrap().branch, plain.top_via().unwrap().branch);
    }

    #[test]
    fn rsip_agrees_on_plain_messages(
        user in "[a-z0-9]{1,12}", tag in "[a-zA-Z0-9]{1,16}", call_id in "[a-z0-9]{1,20}", number in 0u32..(1 << 31),
        body in "[a-z=0-9 ]{1,80}",
    ) {
        use rsip::prelude::{HeadersExt, UntypedHeader, ToTypedHeader};
        let datagram = invite(&format!("sip:{user}@192.0.2.9"), "name", &tag, &call_id, number, body.as_bytes());
        let ours = Message::parse(&datagram).unwrap();
        let theirs = rsip::Request::try_from(&datagram[..]).unwrap();
        prop_assert_eq!(ours.method().unwrap().as_str(), theirs.method.to_string());
        prop_assert_eq!(ours.request_uri().unwrap(), theirs.uri.to_string());
        prop_assert_eq!(ours.call_id().unwrap(), theirs.call_id_header().unwrap().value());
        let cseq = theirs.cseq_header().unwrap().typed().unwrap();
        prop_assert_eq!(ours.cseq().unwrap().number, cseq.seq);
        let from = theirs.from_header().unwrap().typed().unwrap();
        prop_assert_eq!(ours.from().unwrap().uri, from.uri.to_string());
        let their_tag = from.tag().map(|tag| tag.value().to_string());
        prop_assert_eq!(ours.from().unwrap().tag, their_tag.as_deref());
        let via = theirs.via_header().unwrap().typed().unwrap();
        let their_branch = via.branch().map(|branch| branch.value().to_string());
        prop_assert_eq!(ours.top_via().unwrap().branch, their_branch.as_deref());
        prop_assert_eq!(ours.body(), &theirs.body[..]);
        prop_assert_eq!(ours.all_headers().count(), theirs.headers.iter().count());
    }
}

//! Stories of offer and answer, golden bodies, and properties over arbitrary ones.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::model::Suites;

fn local() -> LocalMedia {
    LocalMedia {
        address: "192.0.2.1".parse().unwrap(),
        port: 20_000,
        session_id: 7,
        version: 1,
        telephone_event: true,
        ptime_ms: 20,
        srtp: LocalSrtp::Off,
    }
}

fn body(lines: &[&str]) -> Vec<u8> {
    let mut text = String::from("v=0\r\no=phone 1 1 IN IP4 198.51.100.9\r\ns=-\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.into_bytes()
}

const C: &str = "c=IN IP4 198.51.100.9";
const T: &str = "t=0 0";

/// What was all before there was more.
const G711: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

#[test]
fn our_offer_is_written_so() {
    insta::assert_snapshot!(text(offer(&local(), &[Codec::Pcmu, Codec::Pcma], Direction::BOTH)), @r"
    v=0
    o=- 7 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 20000 RTP/AVP 0 8 101
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=rtcp-mux
    a=ptime:20
    a=sendrecv
    ");
}

#[test]
fn our_offer_with_every_codec_is_written_so() {
    let ours = LocalMedia { ptime_ms: 30, ..local() };
    let codecs = [Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu];
    insta::assert_snapshot!(text(offer(&ours, &codecs, Direction::BOTH)), @r"
    v=0
    o=- 7 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 20000 RTP/AVP 107 9 8 0 101 102
    a=rtpmap:107 opus/48000/2
    a=fmtp:107 useinbandfec=1
    a=rtpmap:9 G722/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=rtpmap:102 telephone-event/48000
    a=rtcp-mux
    a=ptime:30
    a=sendrecv
    ");
}

#[test]
fn opus_under_the_peers_number_is_answered_under_it() {
    let theirs = body(&[
        C,
        T,
        "m=audio 40004 RTP/AVP 111 9 0 110 126",
        "a=rtpmap:111 OPUS/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:110 telephone-event/48000",
        "a=rtpmap:126 telephone-event/8000",
        "a=ptime:30",
        "a=maxptime:60",
    ]);
    let (ours, plan) = answer(&local(), &theirs, &Codec::ALL, &[]).unwrap();
    assert_eq!((plan.codec, plan.send_payload_type, plan.receive_payload_type), (Codec::Opus, 111, 111));
    assert_eq!((plan.telephone_event, plan.event_hz), (Some((110, 110)), 48_000));
    assert_eq!((plan.ptime_ms, plan.max_ptime_ms), (20, 60), "Opus has no packets of 30 ms");
    insta::assert_snapshot!(text(ours), @r"
    v=0
    o=- 7 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 20000 RTP/AVP 111 110
    a=rtpmap:111 opus/48000/2
    a=fmtp:111 useinbandfec=1
    a=rtpmap:110 telephone-event/48000
    a=ptime:20
    a=sendrecv
    ");
    let (_, plan) = answer(&local(), &theirs, &[Codec::Pcmu, Codec::G722], &[Codec::G722]).unwrap();
    assert_eq!((plan.codec, plan.telephone_event, plan.event_hz), (Codec::G722, Some((126, 126)), 8_000));
    assert_eq!(plan.ptime_ms, 30);
}

#[test]
fn an_answer_may_give_its_own_numbers_and_events_of_another_clock() {
    let offered = [Codec::Opus, Codec::Pcmu];
    let theirs = |event: &str| {
        let event = format!("a=rtpmap:97 telephone-event/{event}");
        body(&[C, T, "m=audio 40000 RTP/AVP 96 97", "a=rtpmap:96 opus/48000/2", &event])
    };
    let plan = accept_answer(&offered, &LocalSrtp::Off, &theirs("48000")).unwrap();
    assert_eq!((plan.codec, plan.send_payload_type, plan.receive_payload_type), (Codec::Opus, 96, 107));
    assert_eq!((plan.telephone_event, plan.event_hz), (Some((97, 102)), 48_000));
    let plan = accept_answer(&offered, &LocalSrtp::Off, &theirs("8000")).unwrap();
    assert_eq!((plan.telephone_event, plan.event_hz), (Some((97, 101)), 8_000));
    let plan = accept_answer(&offered, &LocalSrtp::Off, &theirs("16000")).unwrap();
    assert_eq!((plan.telephone_event, plan.event_hz), (None, 48_000));
    assert_eq!(accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, &theirs("8000")), Err(SdpError::NoCommonCodec));
}

#[test]
fn codecs_of_a_strange_clock_are_not_taken_for_ours() {
    let first = |lines: &[&str]| {
        let all: Vec<&str> = [C, T, "m=audio 40000 RTP/AVP 96 9 8"].into_iter().chain(lines.iter().copied()).collect();
        accept_answer(&Codec::ALL, &LocalSrtp::Off, &body(&all)).unwrap().codec
    };
    assert_eq!(first(&["a=rtpmap:96 opus/48000/2"]), Codec::Opus);
    assert_eq!(first(&["a=rtpmap:96 opus/48000"]), Codec::Opus);
    assert_eq!(first(&["a=rtpmap:96 opus/16000"]), Codec::G722);
    assert_eq!(first(&["a=rtpmap:96 PCMU/8000/2"]), Codec::G722);
    assert_eq!(first(&["a=rtpmap:9 G722/16000"]), Codec::Pcma);
}

#[test]
fn an_offer_with_video_and_two_audio_streams_is_answered_in_place() {
    let theirs = body(&[
        C,
        "t=3034423619 3042462419",
        "m=video 40002 RTP/AVP 96",
        "a=rtpmap:96 H264/90000",
        "m=audio 0 RTP/AVP 0",
        "m=audio 40004 RTP/AVP 9 97 8 96",
        "a=rtpmap:97 pcmu/8000/1",
        "a=rtpmap:96 Telephone-Event/8000",
        "a=sendonly",
        "m=audio 40006 RTP/AVP 0",
    ]);
    let (ours, plan) = answer(&local(), &theirs, &G711, &[Codec::Pcmu]).unwrap();
    assert_eq!(plan.codec, Codec::Pcmu);
    assert_eq!((plan.send_payload_type, plan.receive_payload_type), (97, 97));
    assert_eq!(plan.telephone_event, Some((96, 96)));
    assert_eq!(plan.direction, Direction { send: false, receive: true });
    insta::assert_snapshot!(text(ours), @r"
    v=0
    o=- 7 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=3034423619 3042462419
    m=video 0 RTP/AVP 96
    m=audio 0 RTP/AVP 0
    m=audio 20000 RTP/AVP 97 96
    a=rtpmap:97 PCMU/8000
    a=rtpmap:96 telephone-event/8000
    a=fmtp:96 0-15
    a=ptime:20
    a=recvonly
    m=audio 0 RTP/AVP 0
    ");
}

#[test]
fn an_answer_picks_the_first_codec_that_we_offered() {
    let theirs = body(&[C, T, "m=audio 40000 RTP/AVP 18 8 0 96", "a=rtpmap:96 telephone-event/8000"]);
    let plan = accept_answer(&[Codec::Pcmu, Codec::Pcma], &LocalSrtp::Off, &theirs).unwrap();
    assert_eq!(plan.codec, Codec::Pcma);
    assert_eq!(plan.remote, "198.51.100.9:40000".parse().unwrap());
    assert_eq!(plan.telephone_event, Some((96, 101)));
    assert_eq!(plan.direction, Direction::BOTH);
    assert_eq!(plan.ptime_ms, 20);
    assert_eq!(accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, &theirs).unwrap().codec, Codec::Pcmu);
}

#[test]
fn hold_by_sendonly_by_inactive_and_by_address_zero_then_resume() {
    let audio = "m=audio 40000 RTP/AVP 0";
    let flow = |lines: &[&str]| answer(&local(), &body(lines), &Codec::ALL, &[]).unwrap().1.direction;
    assert_eq!(flow(&[C, T, audio, "a=sendonly"]), Direction { send: false, receive: true });
    assert_eq!(flow(&[C, T, audio, "a=inactive"]), Direction::INACTIVE);
    assert!(!flow(&["c=IN IP4 0.0.0.0", T, audio]).send);
    assert!(!flow(&[C, T, audio, "c=IN IP4 0.0.0.0"]).send);
    assert_eq!(flow(&[C, T, "a=inactive", audio]), Direction::INACTIVE);
    assert_eq!(flow(&[C, T, "a=inactive", audio, "a=sendrecv"]), Direction::BOTH);
}

#[test]
fn the_address_of_the_stream_goes_before_the_sessions_and_ipv6_is_known() {
    let theirs = body(&[C, T, "m=audio 40000 RTP/AVP 0", "c=IN IP6 2001:db8::9"]);
    let plan = accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, &theirs).unwrap();
    assert_eq!(plan.remote, "[2001:db8::9]:40000".parse().unwrap());
    let six = LocalMedia { address: "2001:db8::1".parse().unwrap(), ..local() };
    assert!(text(offer(&six, &[Codec::Pcmu], Direction::BOTH)).contains("c=IN IP6 2001:db8::1\n"));
}

#[test]
fn a_body_that_cannot_be_used_says_why() {
    let why = |lines: &[&str]| accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, &body(lines)).unwrap_err();
    assert_eq!(why(&[C, T, "m=audio 0 RTP/AVP 0"]), SdpError::Refused);
    assert_eq!(why(&[C, T]), SdpError::NoAudio);
    assert_eq!(why(&[C, T, "m=video 40000 RTP/AVP 96"]), SdpError::NoAudio);
    assert_eq!(why(&[C, T, "m=audio 40000 RTP/AVP 18"]), SdpError::NoCommonCodec);
    assert_eq!(why(&[C, T, "m=audio 40000 RTP/AVP 8"]), SdpError::NoCommonCodec);
    assert_eq!(why(&[C, T, "m=audio 40000 RTP/AVP 0", "a=rtpmap:0 PCMU/16000"]), SdpError::NoCommonCodec);
    assert_eq!(why(&[C, T, "m=audio 40000 RTP/SAVP 0"]), SdpError::Transport("RTP/SAVP".into()));
    assert_eq!(why(&[T, "m=audio 40000 RTP/AVP 0"]), SdpError::Address);
    assert_eq!(why(&["c=IN IP4 224.0.0.1/127", T, "m=audio 40000 RTP/AVP 0"]), SdpError::Address);
    assert_eq!(why(&["c=IN IP4 phone.example", T, "m=audio 40000 RTP/AVP 0"]), SdpError::Address);
    assert!(matches!(accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, b"hello"), Err(SdpError::Malformed(_))));
    assert_eq!(accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, &vec![b'v'; MAX_BODY + 1]), Err(SdpError::TooLarge));
    let crowd = vec!["m=audio 40000 RTP/AVP 0"; MAX_STREAMS + 1];
    assert_eq!(accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, &body(&crowd)), Err(SdpError::TooLarge));
}

#[test]
fn bodies_with_bare_line_feeds_and_without_a_last_one_are_read() {
    let theirs = b"v=0\no=- 1 1 IN IP4 198.51.100.9\ns=-\nc=IN IP4 198.51.100.9\nt=0 0\nm=audio 40000 RTP/AVP 0";
    assert_eq!(accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, theirs).unwrap().codec, Codec::Pcmu);
}

#[test]
fn the_packet_time_that_the_peer_asks_is_kept_where_we_can() {
    let ptime = |lines: &[&str]| {
        let all: Vec<&str> = [C, T, "m=audio 40000 RTP/AVP 0"].into_iter().chain(lines.iter().copied()).collect();
        accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, &body(&all)).unwrap().ptime_ms
    };
    assert_eq!(ptime(&["a=ptime:30"]), 30);
    assert_eq!(ptime(&["a=ptime:50"]), 50);
    assert_eq!(ptime(&["a=ptime:17"]), 20);
    assert_eq!(ptime(&["a=ptime:60", "a=maxptime:40"]), 40);
    assert_eq!(ptime(&["a=maxptime:10"]), 10);
    assert_eq!(ptime(&["a=ptime:65535", "a=maxptime:0"]), 20);
}

fn a_stream() -> impl Strategy<Value = Vec<String>> {
    let media = prop_oneof![3 => Just("audio"), 1 => Just("video"), 1 => Just("image")];
    let port = prop_oneof![Just(0u16), 1024..65535u16];
    let proto = prop_oneof![3 => Just("RTP/AVP"), 1 => Just("RTP/SAVPF"), 1 => Just("udptl")];
    let formats = proptest::collection::vec(0u8..128, 1..8);
    let direction = proptest::sample::select(vec!["sendrecv", "sendonly", "recvonly", "inactive"]);
    let name = proptest::sample::select(vec!["PCMU/8000", "pcma/8000/1", "telephone-event/8000", "opus/48000/2"]);
    (media, port, proto, formats, direction, name).prop_map(|(media, port, proto, formats, direction, name)| {
        let list: Vec<String> = formats.iter().map(u8::to_string).collect();
        let mut lines = vec![format!("m={media} {port} {proto} {}", list.join(" ")), format!("a={direction}")];
        if let Some(dynamic) = formats.iter().find(|number| **number >= 96) {
            lines.push(format!("a=rtpmap:{dynamic} {name}"));
        }
        lines
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, &bytes);
        let _ = answer(&local(), &bytes, &Codec::ALL, &[]);
    }

    #[test]
    fn no_mutation_of_a_good_body_makes_it_panic(at in 0usize..200, byte: u8, cut in 0usize..260) {
        let mut bytes = offer(&local(), &[Codec::Pcma, Codec::Pcmu], Direction::BOTH);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(cut);
        let _ = accept_answer(&[Codec::Pcmu], &LocalSrtp::Off, &bytes);
        let _ = answer(&local(), &bytes, &Codec::ALL, &[Codec::Pcma]);
    }

    /// Whatever was offered: as many streams answered as offered, at most one taken, and we would take our own answer.
    #[test]
    fn our_answer_to_any_offer_is_one_that_we_accept(
        streams in proptest::collection::vec(a_stream(), 0..5),
        alaw: bool,
        six: bool,
    ) {
        let lines: Vec<String> = [C.to_owned(), T.to_owned()].into_iter().chain(streams.iter().flatten().cloned()).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let address: IpAddr = if six { "2001:db8::5".parse().unwrap() } else { "192.0.2.5".parse().unwrap() };
        let local = LocalMedia { address, ..local() };
        let preferred = if alaw { Codec::Pcma } else { Codec::Pcmu };
        if let Ok((ours, plan)) = answer(&local, &body(&lines), &Codec::ALL, &[preferred]) {
            let theirs = accept_answer(&Codec::ALL, &LocalSrtp::Off, &ours).unwrap();
            prop_assert_eq!(theirs.codec, plan.codec);
            prop_assert_eq!(theirs.send_payload_type, plan.receive_payload_type);
            prop_assert_eq!(theirs.remote, SocketAddr::new(local.address, local.port));
            prop_assert_eq!(theirs.direction, Direction { send: plan.direction.receive, receive: plan.direction.send });
            let text = String::from_utf8(ours).unwrap();
            prop_assert_eq!(text.matches("m=").count(), streams.len());
            prop_assert_eq!(text.matches(" 20000 RTP/AVP").count(), 1);
        }
    }

    #[test]
    fn our_own_offer_is_always_answered(alaw_first: bool, send: bool, receive: bool) {
        let codecs = if alaw_first { [Codec::Pcma, Codec::Pcmu] } else { [Codec::Pcmu, Codec::Pcma] };
        let offered = offer(&local(), &codecs, Direction { send, receive });
        let (ours, plan) = answer(&local(), &offered, &Codec::ALL, &[]).unwrap();
        prop_assert_eq!(plan.codec, codecs[0]);
        let accepted = accept_answer(&codecs, &LocalSrtp::Off, &ours).unwrap();
        prop_assert_eq!(accepted.direction, Direction { send, receive });
        prop_assert_eq!(accepted.telephone_event, Some((101, 101)));
    }
}

#[test]
fn the_answer_to_a_repeated_description_is_read_with_its_payload_types() {
    let theirs =
        body(&[C, T, "m=audio 40004 RTP/AVP 97 96", "a=rtpmap:97 PCMA/8000", "a=rtpmap:96 telephone-event/8000"]);
    let (ours, before) = answer(&local(), &theirs, &Codec::ALL, &[]).unwrap();
    let after = accept_answer_to(&ours, &LocalSrtp::Off, &theirs).unwrap();
    assert_eq!(after, before);
    assert_eq!((after.receive_payload_type, after.telephone_event), (97, Some((96, 96))));
}

/// The peer's key and ours: any bytes.
const THEIR_KEY: &str = "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^31";

fn our_keys() -> OurKeys {
    let mut next = 0;
    OurKeys::random(Suites::DEFAULT, |bytes| {
        bytes.fill(next);
        next += 1;
    })
}

fn required() -> LocalMedia {
    LocalMedia { srtp: LocalSrtp::Required(our_keys()), ..local() }
}

fn optional() -> LocalMedia {
    LocalMedia { srtp: LocalSrtp::Optional(our_keys()), ..local() }
}

#[test]
fn where_srtp_is_required_every_suite_is_offered_in_savp() {
    insta::assert_snapshot!(text(offer(&required(), &[Codec::Pcmu], Direction::BOTH)), @r"
    v=0
    o=- 7 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 20000 RTP/SAVP 0 101
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=crypto:1 AEAD_AES_128_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
    a=crypto:2 AEAD_AES_256_GCM inline:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
    a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC
    a=rtcp-mux
    a=ptime:20
    a=sendrecv
    ");
}

#[test]
fn where_srtp_is_optional_the_same_keys_stand_in_avp_and_a_clear_answer_is_taken() {
    let offered = text(offer(&optional(), &G711, Direction::BOTH));
    assert!(offered.contains("m=audio 20000 RTP/AVP 0 8 101\n"), "{offered}");
    assert_eq!(offered.matches("a=crypto:").count(), 3);
    let clear = accept_answer(&G711, &optional().srtp, &body(&[C, T, "m=audio 4000 RTP/AVP 0"])).unwrap();
    assert_eq!(clear.srtp, None);
}

#[test]
fn an_answer_gives_us_the_peers_key_beside_ours_of_the_same_tag() {
    let theirs = THEIR_KEY.replace("crypto:4", "crypto:3");
    for (ours, profile) in [(required(), "RTP/SAVP"), (optional(), "RTP/AVP"), (optional(), "RTP/SAVP")] {
        let answer = body(&[C, T, &format!("m=audio 4000 {profile} 0"), &theirs]);
        let keys = accept_answer(&G711, &ours.srtp, &answer).unwrap().srtp.unwrap();
        assert_eq!(keys.send.material(), [2; 30]);
        assert_eq!(keys.receive.material(), b"YS___semctl () {\t220;}\n}\nunles");
    }
}

#[test]
fn an_answer_without_a_key_of_our_offer_is_no_answer_where_srtp_is_required() {
    let answers: [&[&str]; 4] = [
        &[C, T, "m=audio 4000 RTP/AVP 0"],
        &[C, T, "m=audio 4000 RTP/SAVP 0"],
        // The tag is not one of ours; the suite is not that of the tag.
        &[C, T, "m=audio 4000 RTP/SAVP 0", THEIR_KEY],
        &[C, T, "m=audio 4000 RTP/SAVP 0", &THEIR_KEY.replace("crypto:4", "crypto:1")],
    ];
    for answer in answers {
        assert_eq!(accept_answer(&G711, &required().srtp, &body(answer)), Err(SdpError::NotSecured), "{answer:?}");
    }
}

#[test]
fn a_leg_without_srtp_passes_keys_over_and_refuses_savp() {
    let plan = accept_answer(&G711, &LocalSrtp::Off, &body(&[C, T, "m=audio 4000 RTP/AVP 0", THEIR_KEY])).unwrap();
    assert_eq!(plan.srtp, None);
    let savp = body(&[C, T, "m=audio 4000 RTP/SAVP 0", THEIR_KEY]);
    let refused = SdpError::Transport("RTP/SAVP".to_owned());
    assert_eq!(accept_answer(&G711, &LocalSrtp::Off, &savp), Err(refused.clone()));
    assert_eq!(answer(&local(), &savp, &G711, &[]).unwrap_err(), refused);
}

#[test]
fn a_peers_offer_is_answered_with_its_profile_its_tag_and_our_key() {
    for ours in [required(), optional()] {
        for profile in ["RTP/SAVP", "RTP/AVP"] {
            let offered = body(&[C, T, &format!("m=audio 4000 {profile} 0"), "a=crypto:1 F8 inline:x", THEIR_KEY]);
            let (answered, plan) = answer(&ours, &offered, &G711, &[]).unwrap();
            let answered = text(answered);
            assert!(answered.contains(&format!("m=audio 20000 {profile} 0\n")), "{answered}");
            let line = "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC\n";
            assert!(answered.contains(line) && answered.matches("a=crypto").count() == 1, "{answered}");
            let keys = plan.srtp.clone().unwrap();
            assert_eq!(keys.send.material(), [2; 30]);
            // A session refresh repeats our answer as an offer.
            let again =
                accept_answer_to(answered.as_bytes(), &ours.srtp, &body(&[C, T, "m=audio 4000 RTP/SAVP 0", THEIR_KEY]));
            assert_eq!(again.unwrap().srtp, Some(keys));
        }
    }
}

#[test]
fn a_clear_offer_is_refused_where_srtp_is_required_and_taken_where_it_is_optional() {
    let clear = body(&[C, T, "m=audio 4000 RTP/AVP 0"]);
    assert_eq!(answer(&required(), &clear, &G711, &[]).unwrap_err(), SdpError::NotSecured);
    let (answered, plan) = answer(&optional(), &clear, &G711, &[]).unwrap();
    assert_eq!((plan.srtp, text(answered).contains("crypto")), (None, false));
}

#[test]
fn an_error_shows_no_key() {
    let keys = format!("{:?}", required());
    assert!(keys.contains("AeadAes128Gcm") && !keys.contains("bytes") && !keys.contains("inline"), "{keys}");
}

fn path(lines: &[&str]) -> RtcpPath {
    let mut all = vec![C, T, "m=audio 49170 RTP/AVP 0"];
    all.extend(lines);
    accept_answer(&G711, &LocalSrtp::Off, &body(&all)).unwrap().rtcp
}

fn apart(at: &str) -> RtcpPath {
    RtcpPath::Apart(at.parse().unwrap())
}

#[test]
fn reports_go_to_the_next_port_or_to_where_the_peer_says() {
    assert_eq!(path(&[]), apart("198.51.100.9:49171"));
    assert_eq!(path(&["a=rtcp:53020"]), apart("198.51.100.9:53020"));
    assert_eq!(path(&["a=rtcp:53020 IN IP4 198.51.100.77"]), apart("198.51.100.77:53020"));
    for senseless in ["a=rtcp", "a=rtcp:0", "a=rtcp:x", "a=rtcp:1 IN IP4 224.0.0.1", "a=rtcp:1 IN IP4 name"] {
        assert_eq!(path(&[senseless]), apart("198.51.100.9:49171"), "{senseless}");
    }
    assert_eq!(path(&["b=RS:0", "b=RR:0"]), RtcpPath::Off);
    assert_eq!(path(&["b=RS:0"]), apart("198.51.100.9:49171"));
}

#[test]
fn both_share_a_port_for_reports_only_where_both_say_so() {
    assert_eq!(path(&["a=rtcp:49170", "a=rtcp-mux"]), RtcpPath::Mux, "as we always offer it");
    for (line, shared) in [(Some("a=rtcp-mux"), true), (None, false)] {
        let mut lines = vec![C, T, "m=audio 49170 RTP/AVP 0"];
        lines.extend(line);
        let (ours, plan) = answer(&local(), &body(&lines), &G711, &[]).unwrap();
        assert_eq!((text(ours.clone()).contains("a=rtcp-mux"), plan.rtcp == RtcpPath::Mux), (shared, shared));
        // What was answered so, offered again later and answered with it.
        let again = accept_answer_to(&ours, &LocalSrtp::Off, &body(&[C, T, "m=audio 49170 RTP/AVP 0", "a=rtcp-mux"]));
        assert_eq!(again.unwrap().rtcp == RtcpPath::Mux, shared);
    }
}

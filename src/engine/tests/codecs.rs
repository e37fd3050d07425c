//! Which codecs a leg is offered, and which are written down.

use super::*;
use crate::model::{Codec, Codecs, Trunk};

fn offering(name: &str, last: u8, codecs: &[Codec]) -> Switch {
    let trunk = Trunk { codecs: Codecs::of(codecs), ..Trunk::default() };
    Switch { trunk: Arc::new(trunk), ..switch(name, last) }
}

/// The `m=` line of an offer.
fn media(invite: &str) -> &str {
    invite.lines().find(|line| line.starts_with("m=")).unwrap_or_default()
}

#[test]
fn the_representative_is_offered_what_the_customer_agreed_on_first() {
    for (answer, formats, ptime) in [
        ("0 101\r\na=ptime:20\r\n", " RTP/AVP 0 8 9 107 101 102", 20),
        ("8\r\n", " RTP/AVP 8 0 9 107 101 102", 20),
        ("9\r\na=ptime:40\r\n", " RTP/AVP 9 0 8 107 101 102", 40),
        ("111\r\na=rtpmap:111 opus/48000/2\r\n", " RTP/AVP 107 0 8 9 101 102", 20),
    ] {
        let mut rig = Rig::new(vec![switch("only", 1)]);
        rig.call();
        let (_, invite) = rig.next("INVITE");
        assert!(media(&invite).ends_with(" RTP/AVP 0 8 9 107 101 102"), "{invite}");
        rig.accept_with(&hop(1), &invite, answer);
        let (_, invite) = rig.next("INVITE");
        assert!(media(&invite).ends_with(formats), "{answer}: {invite}");
        assert!(invite.contains(&format!("a=ptime:{ptime}\r\n")), "{invite}");
    }
}

#[test]
fn a_switch_is_offered_its_own_codecs_only() {
    let mut rig = Rig::new(vec![offering("only", 1, &[Codec::G722, Codec::Pcma])]);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    assert!(media(&invite).ends_with(" RTP/AVP 9 8 101"), "{invite}");
    rig.accept_with(&hop(1), &invite, "8\r\n");
    let (_, invite) = rig.next("INVITE");
    assert!(media(&invite).ends_with(" RTP/AVP 8 9 101"), "{invite}");
}

#[test]
fn the_record_names_what_each_leg_agreed_on_and_a_later_offer_changes_it() {
    let mut rig = Rig::new(vec![switch("only", 1)]);
    rig.call();
    let (_, invite) = rig.next("INVITE");
    rig.accept_with(&hop(1), &invite, "9\r\n");
    let (_, invite) = rig.next("INVITE");
    rig.accept_with(&hop(1), &invite, "111 0\r\na=rtpmap:111 opus/48000/2\r\n");
    // The representative's phone moves to its other codec.
    let line = |name: &str| invite.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    let from = line("To:").replacen("To:", "From:", 1) + ";tag=far";
    let to = line("From:").replacen("From:", "To:", 1);
    let sdp =
        "v=0\r\no=- 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18 8 9\r\n";
    let reinvite = format!(
        "INVITE sip:callbridge@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKback\r\n{from}\r\n{to}\r\n{}\r\n\
         CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:phone@{}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        hop(1).address,
        line("Call-ID:"),
        hop(1).address,
        sdp.len()
    );
    rig.give(Input::Sip { from: &hop(1), bytes: reinvite.as_bytes() });
    let (_, answer) = rig.next("SIP/2.0 200");
    assert!(media(&answer).ends_with(" RTP/AVP 9"), "what the customer has, so that nothing is transcoded: {answer}");
    rig.delete();
    rig.pass(60_000);
    let record = &rig.records[0];
    assert_eq!(
        (record.codec_customer.as_deref(), record.codec_representative.as_deref()),
        (Some("G722"), Some("G722"))
    );
}

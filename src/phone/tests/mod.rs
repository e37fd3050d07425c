//! The phone against hand-written messages: what it sends, what it judges.

mod challenge;
mod dialog;
mod reliable;
mod transfer;

use std::net::SocketAddr;
use std::time::Duration;

use super::*;

const FAR: &str = "127.0.0.1:5060";

fn far() -> SocketAddr {
    FAR.parse().unwrap()
}

fn phone(behaviour: Behaviour) -> Phone {
    Phone::new(PhoneConfig::new("127.0.0.1:5070".parse().unwrap(), (4000, 4010), behaviour, 7))
}

fn request(method: &str, uri: &str, branch: &str, cseq: u32, to_tag: &str, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {FAR};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:us@127.0.0.1>;tag=f\r\nTo: <sip:+12125550100@127.0.0.1>{to_tag}\r\nCall-ID: c1\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:{FAR}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0 8 101\r\n\
               a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
const URI: &str = "sip:+12125550100@127.0.0.1:5070";
const CONTACT: &str = "sip:phone0@127.0.0.1:5070";

fn invite() -> Vec<u8> {
    request("INVITE", URI, "1", 1, "", OFFER)
}

/// The same message with further header lines.
fn with(message: Vec<u8>, lines: &str) -> Vec<u8> {
    String::from_utf8(message).unwrap().replacen("Max-Forwards", &format!("{lines}Max-Forwards"), 1).into_bytes()
}

/// Runs to `until` and returns whole messages.
fn sent(phone: &mut Phone, until: Mono) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        while let Some(output) = phone.poll_output() {
            if let PhoneOutput::SendSip { bytes, .. } = output {
                texts.push(String::from_utf8(bytes).unwrap());
            }
        }
        match phone.poll_timeout() {
            Some(at) if at <= until => phone.timeout(at),
            _ => return texts,
        }
    }
}

/// The value of a header of a message that was sent.
fn header<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or("")
}

fn status(text: &str) -> &str {
    text.get(8..11).unwrap_or("")
}

/// The last request of this method, answered.
fn answer(texts: &[String], method: &str, status: u16, lines: &str) -> Vec<u8> {
    let request = texts.iter().rev().find(|text| text.starts_with(method)).expect("it was sent");
    let take = |name: &str| format!("{name}: {}\r\n", header(request, name));
    let head: String = ["Via", "From", "To", "Call-ID", "CSeq"].iter().map(|name| take(name)).collect();
    format!("SIP/2.0 {status} Whatever\r\n{head}{lines}Content-Length: 0\r\n\r\n").into_bytes()
}

fn faults(phone: &Phone) -> Vec<Fault> {
    phone.stories().flat_map(|s| &s.violations).map(|v| v.fault).collect()
}

fn story(phone: &Phone) -> &Story {
    phone.stories().next().unwrap()
}

fn ms(millis: u64) -> Mono {
    Mono(millis * 1000)
}

/// A phone that has answered at once, was acknowledged, and whose messages so far were taken.
fn talking(behaviour: Behaviour, lines: &str) -> (Phone, Vec<String>) {
    let mut phone = phone(behaviour);
    phone.datagram(ms(0), far(), &with(invite(), lines));
    let texts = sent(&mut phone, ms(1));
    phone.datagram(ms(2), far(), &request("ACK", CONTACT, "ack", 1, ";tag=7-0-0", ""));
    (phone, texts)
}

fn at_once() -> Behaviour {
    Behaviour::answering(Duration::ZERO, 1000, None)
}

/// Runs to `until` and returns the first lines of what was sent, and the number of RTP packets.
fn run(phone: &mut Phone, until: Mono) -> (Vec<String>, usize) {
    let (mut lines, mut packets) = (Vec::new(), 0);
    loop {
        while let Some(output) = phone.poll_output() {
            match output {
                PhoneOutput::SendSip { bytes, .. } => {
                    let text = String::from_utf8(bytes).unwrap();
                    lines.push(text.lines().next().unwrap_or_default().to_owned());
                }
                PhoneOutput::SendRtp { .. } => packets += 1,
                _ => {}
            }
        }
        match phone.poll_timeout() {
            Some(at) if at <= until => phone.timeout(at),
            _ => return (lines, packets),
        }
    }
}

const SECOND: u64 = 1_000_000;

#[test]
fn a_phone_answers_retransmits_its_200_until_the_ack_talks_and_hangs_up() {
    let talk = Some(Duration::from_secs(3));
    let mut phone = phone(Behaviour::answering(Duration::from_secs(1), 1000, talk));
    phone.datagram(Mono(0), far(), &invite());
    let (lines, packets) = run(&mut phone, Mono(SECOND * 26 / 10));
    assert_eq!(lines, ["SIP/2.0 180 Ringing", "SIP/2.0 200 OK", "SIP/2.0 200 OK", "SIP/2.0 200 OK"]);
    assert_eq!(packets, 81, "one packet at once and one every 20 ms");
    let ack = request("ACK", "sip:phone0@127.0.0.1:5070", "2", 1, ";tag=7-0-0", "");
    phone.datagram(Mono(SECOND * 27 / 10), far(), &ack);
    let (lines, _) = run(&mut phone, Mono(4 * SECOND));
    assert_eq!(lines, ["BYE sip:127.0.0.1:5060 SIP/2.0"]);
    let story = phone.stories().next().unwrap();
    assert_eq!((story.ending, story.violations.as_slice()), (Some(Ending::HungUp), [].as_slice()));
}

#[test]
fn a_cancel_is_obeyed_and_its_mistakes_are_seen() {
    let mut phone = phone(Behaviour::ringing_only());
    phone.datagram(Mono(0), far(), &invite());
    let uri = "sip:+12125550100@127.0.0.1:5070";
    phone.datagram(Mono(10), far(), &request("CANCEL", uri, "1", 1, "", ""));
    let (lines, _) = run(&mut phone, Mono(20));
    assert_eq!(lines, ["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]);
    phone.datagram(Mono(30), far(), &request("CANCEL", uri, "other", 1, "", ""));
    let story = phone.stories().next().unwrap();
    assert_eq!(story.violations.iter().map(|v| v.fault).collect::<Vec<_>>(), [Fault::Cancel, Fault::Cancel]);
}

#[test]
fn what_is_heard_is_told_tone_by_tone_and_rtp_after_the_end_is_seen() {
    let mut phone = phone(Behaviour::answering(Duration::ZERO, 1000, None));
    phone.datagram(Mono(0), far(), &invite());
    let (_, _) = run(&mut phone, Mono(0));
    let (local, media) = ("127.0.0.1:4000".parse().unwrap(), "127.0.0.1:20000".parse().unwrap());
    let packet = |sequence: u16, hz| {
        let payload = tone_frame(hz, Law::Mu);
        let timestamp = u32::from(sequence) * 160;
        sound::Packet { marker: false, payload_type: 0, sequence, timestamp, ssrc: 5, payload: &payload }.write()
    };
    for (sequence, hz) in [(1, 400), (2, 400), (3, 600)] {
        phone.rtp(Mono(u64::from(sequence) * 20_000), local, media, &packet(sequence, hz));
    }
    phone.datagram(Mono(70_000), far(), &request("ACK", "sip:phone0@127.0.0.1:5070", "2", 1, ";tag=7-0-0", ""));
    phone.datagram(Mono(80_000), far(), &request("BYE", "sip:phone0@127.0.0.1:5070", "3", 2, ";tag=7-0-0", ""));
    phone.rtp(Mono(SECOND), local, media, &packet(4, 600));
    let story = phone.stories().next().unwrap();
    let heard: Vec<_> = story.heard.iter().map(|h| (h.tone, h.packets)).collect();
    assert_eq!(heard, [(Some(400), 2), (Some(600), 1)]);
    assert_eq!(story.violations.iter().map(|v| v.fault).collect::<Vec<_>>(), [Fault::RtpLate]);
    assert_eq!(story.ending, Some(Ending::WasHungUp));
}

#[test]
fn a_busy_phone_wants_its_ack() {
    let mut phone = phone(Behaviour::refusing(Duration::from_millis(200), 486));
    phone.datagram(Mono(0), far(), &invite());
    let (lines, _) = run(&mut phone, Mono(34 * SECOND));
    assert_eq!(lines.iter().filter(|l| l.contains("486")).count(), 11, "RFC 3261 timer G");
    let told: Vec<_> = phone.stories().flat_map(|s| &s.violations).map(|v| v.fault).collect();
    assert_eq!(told, [Fault::AckMissing]);
}

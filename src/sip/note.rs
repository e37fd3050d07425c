//! What is noted of one message for ladders and logs, read from it in one cheap pass: CSeq number, the session's direction, the
//! Q.850 cause, a digest that tells a repetition. Owns that reading; never keeps contents, refuses to judge a message.

use super::api::{Note, SdpMode, Way};
use super::wire::{Message, Method};
use crate::model::LegId;

/// The note of a message that we wrote: its fields are spelled as `wire::build` spells them.
pub(super) fn of_sent(bytes: &[u8], method: &Method, leg: Option<LegId>) -> Note {
    let mut note = Note::new(Way::Out, method.metric_name(), status_of(bytes), leg);
    if leg.is_some() {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n").unwrap_or(bytes.len());
        let (head, body) = bytes.split_at(end);
        note.cseq = field(head, b"\r\nCSeq: ").map_or(0, leading_number);
        note.q850 = field(head, b"\r\nReason: ").and_then(cause);
        note.sdp = sdp_mode(body.get(4..).unwrap_or_default());
        note.digest = digest(bytes);
    }
    note
}

/// The note of a message that was received.
pub(super) fn of_received(message: &Message, leg: Option<LegId>) -> Note {
    let cseq = message.cseq().ok();
    let method = message.method().or(cseq.as_ref().map(|cseq| &cseq.method));
    let mut note = Note::new(Way::In, method.map_or("OTHER", Method::metric_name), message.status(), leg);
    if leg.is_some() {
        note.cseq = cseq.map_or(0, |cseq| cseq.number);
        note.q850 = message.reason_q850();
        note.sdp = sdp_mode(message.body());
        note.digest = digest(message.as_bytes());
    }
    note
}

/// The status of a response we wrote.
fn status_of(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What follows this text up to the line's end.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let start = memchr::memmem::find(head, name)? + name.len();
    let rest = head.get(start..)?;
    rest.get(..memchr::memchr(b'\r', rest).unwrap_or(rest.len()))
}

fn leading_number(text: &[u8]) -> u32 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum: u32, digit| sum.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')))
}

fn cause(reason: &[u8]) -> Option<u8> {
    let after = field(reason, b"Q.850;cause=")?;
    u8::try_from(leading_number(after)).ok()
}

/// The direction of the first audio stream: its own attribute, else the session's, else sendrecv (RFC 8866 §6.7).
fn sdp_mode(body: &[u8]) -> Option<SdpMode> {
    if !body.starts_with(b"v=0") {
        return None;
    }
    let (mut session, mut audio, mut sections) = (SdpMode::SendRecv, None, 0);
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"m=") {
            sections += 1;
        }
        let mode = match line {
            b"a=sendrecv" => SdpMode::SendRecv,
            b"a=sendonly" => SdpMode::SendOnly,
            b"a=recvonly" => SdpMode::RecvOnly,
            b"a=inactive" => SdpMode::Inactive,
            _ => continue,
        };
        match sections {
            0 => session = mode,
            1 => audio = audio.or(Some(mode)),
            _ => break,
        }
    }
    Some(audio.unwrap_or(session))
}

/// Equal for equal bytes; eight at a time. It tells a retransmission on a picture: nobody gains by a collision.
fn digest(bytes: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = bytes.as_chunks::<8>();
    let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let sum = rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)));
    (sum >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CallId;

    fn leg() -> Option<LegId> {
        Some(LegId { call: CallId::from_u128(1), attempt: 0 })
    }

    fn sent(text: &str) -> Note {
        of_sent(text.as_bytes(), &Method::Invite, leg())
    }

    #[test]
    fn what_we_send_is_noted_without_being_parsed() {
        let head = "INVITE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\nCSeq: 7 INVITE\r\nContent-Length: 30\r\n\r\n";
        let note = sent(&format!("{head}v=0\r\nm=audio 4 RTP/AVP 0\r\na=sendonly\r\n"));
        assert_eq!((note.way, note.method, note.status, note.cseq), (Way::Out, "INVITE", None, 7));
        assert_eq!((note.sdp, note.q850), (Some(SdpMode::SendOnly), None));
        let bye = "BYE sip:a@b SIP/2.0\r\nCSeq: 2 BYE\r\nReason: Q.850;cause=16;text=\"x\"\r\n\r\n";
        assert_eq!((sent(bye).cseq, sent(bye).q850, sent(bye).sdp), (2, Some(16), None));
        assert_eq!(sent("SIP/2.0 200 OK\r\nCSeq: 3 BYE\r\n\r\n").status, Some(200));
    }

    #[test]
    fn the_same_bytes_have_the_same_digest_and_others_another() {
        let text = "OPTIONS sip:a@b SIP/2.0\r\nCSeq: 7 OPTIONS\r\n\r\n";
        assert_eq!(sent(text).digest, sent(text).digest);
        assert_ne!(sent(text).digest, sent(&text.replace('7', "8")).digest);
        assert_ne!(digest(b""), digest(b"\0"));
    }

    #[test]
    fn the_streams_own_direction_comes_before_the_sessions() {
        let mode = |text: &str| sdp_mode(text.replace('|', "\r\n").as_bytes());
        assert_eq!(mode("v=0|a=inactive|m=audio 4 RTP/AVP 0|"), Some(SdpMode::Inactive));
        assert_eq!(mode("v=0|a=inactive|m=audio 4 RTP/AVP 0|a=recvonly|"), Some(SdpMode::RecvOnly));
        assert_eq!(mode("v=0|m=audio 4 RTP/AVP 0|m=video 5 RTP/AVP 31|a=inactive"), Some(SdpMode::SendRecv));
        assert_eq!(mode("Signal=5|Duration=160"), None);
    }

    #[test]
    fn what_is_received_is_noted_in_any_spelling() {
        let text = "SIP/2.0 486 Busy Here\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\ncseq :  1\r\n INVITE\r\nReason: SIP;cause=200, \
                    q.850 ; cause=17\r\nl: 0\r\n\r\n";
        let message = Message::parse(text.as_bytes()).unwrap();
        let note = of_received(&message, leg());
        assert_eq!((note.way, note.method, note.status, note.cseq), (Way::In, "INVITE", Some(486), 1));
        assert_eq!(note.q850, Some(17));
    }
}

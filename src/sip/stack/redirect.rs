//! What a 3xx offers instead (RFC 3261 §8.1.3.4): its contacts by preference. Owns the reading and its bound; refuses to follow.

use crate::sip::wire::{Message, Name, NameAddr};

/// Contacts read of one answer: more are no redirection but a flood.
const MAX_CONTACTS: usize = 8;

/// The URIs in the order of their q (§20.10: 1 where there is none; equal ones as they stand). None for what is not to be
/// followed: 305 Use Proxy would choose our way for us, 380 wants another service.
pub(super) fn contacts(status: u16, message: &Message) -> Vec<String> {
    if !(300..400).contains(&status) || matches!(status, 305 | 380) {
        return Vec::new();
    }
    let read = |value| NameAddr::parse(value).ok();
    let mut found: Vec<(u16, String)> = message
        .headers(Name::Contact)
        .take(MAX_CONTACTS)
        .filter_map(read)
        .map(|contact| (contact.params.get("q").map_or(1000, thousandths), contact.uri.to_owned()))
        .collect();
    found.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    found.into_iter().map(|(_, uri)| uri).collect()
}

/// `0.7` as 700; what is malformed comes last.
fn thousandths(q: &str) -> u16 {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let digits = format!("{fraction:0<3}");
    match (whole, digits.get(..3).and_then(|digits| digits.parse::<u16>().ok())) {
        ("1", Some(0)) => 1000,
        ("0" | "", Some(part)) => part,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, contacts: &str) -> Vec<String> {
        let text =
            format!("SIP/2.0 {status} Moved\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n{contacts}Content-Length: 0\r\n\r\n");
        super::contacts(status, &Message::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn contacts_are_read_in_the_order_of_their_preference() {
        let lines = "Contact: <sip:c@h>;q=0.15, <sip:a@h>\r\nm: sip:b@h;q=0.9\r\nContact: <sip:d@h>;q=x\r\n";
        assert_eq!(read(302, lines), ["sip:a@h", "sip:b@h", "sip:c@h", "sip:d@h"]);
    }

    #[test]
    fn what_is_not_to_be_followed_has_none() {
        assert!(read(305, "Contact: <sip:a@h>\r\n").is_empty());
        assert!(read(380, "Contact: <sip:a@h>\r\n").is_empty());
        assert!(read(404, "Contact: <sip:a@h>\r\n").is_empty());
        assert!(read(302, "Contact: *\r\n").is_empty());
        let many: String = (0..100).map(|n| format!("Contact: <sip:{n}@h>\r\n")).collect();
        assert_eq!(read(300, &many).len(), MAX_CONTACTS);
    }
}

//! Keys in INFO (RFC 6086 §2: the legacy usage; `application/dtmf-relay`, `application/dtmf`), both ways. Owns the two bodies and
//! the answers; refuses to pace keys and to know who hears them.

use super::Stack;
use super::table::Draft;
use super::write::{self, Extras};
use crate::clock::Mono;
use crate::model::digits::PRESS;
use crate::model::{Key, LegId};
use crate::sip::api::LegEvent;
use crate::sip::transaction::Stored;
use crate::sip::wire::{Message, Method, Name};

/// What we send, and read.
const RELAY: &str = "application/dtmf-relay";
/// What we read too.
const BARE: &str = "application/dtmf";
/// The bodies of INFO that we understand.
const ACCEPT: &str = "application/dtmf-relay, application/dtmf";

/// What an INFO says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    /// Nothing: the peer asks whether we live (RFC 6086 §4.2.2).
    Nothing,
    /// A key was pressed.
    Key(Key),
    /// A body that does not say which key.
    Malformed,
    /// A body of another kind.
    Unknown,
    /// A package (RFC 6086): we know none.
    Package,
}

impl Stack {
    pub(super) fn info(&mut self, now: Mono, at: usize, fork: usize, tx: usize, message: &Message) {
        let said = read(message);
        let fields = [(Name::Accept, ACCEPT), (Name::Allow, write::ALLOW)];
        let (status, fields) = match said {
            Said::Nothing | Said::Key(_) => (200, &[][..]),
            Said::Malformed => (400, &[][..]),
            Said::Unknown => (415, &fields[..]),
            Said::Package => (469, &[][..]),
        };
        self.answer(now, tx, status, &Extras { fields, ..Extras::default() });
        let talks = self.tables.legs.get(at).is_some_and(|leg| leg.usage.winner() == Some(fork));
        if let (Said::Key(key), true) = (said, talks) {
            self.report(at, LegEvent::Key { key });
        }
    }

    /// Tells the peer of a key. [`LegEvent::KeySent`] follows, unless the leg is over.
    pub fn press(&mut self, now: Mono, leg: LegId, key: Key) {
        let Some(&at) = self.tables.by_id.get(&leg) else { return };
        let Some(fork) = self.tables.legs.get(at).and_then(|leg| leg.usage.winner()) else { return };
        let body = format!("Signal={key}\r\nDuration={}\r\n", PRESS.as_millis());
        let body = Some(Stored::from(body.into_bytes()));
        let draft = Draft { body, content_type: Some(RELAY), ..Draft::default() };
        if !self.start_request(now, at, fork, Method::Info, draft) {
            self.report(at, LegEvent::KeySent { accepted: false });
        }
    }
}

fn read(message: &Message) -> Said {
    if message.header_named("Info-Package").is_some() {
        return Said::Package;
    }
    let body = message.body();
    let Some(kind) = message.content_type().filter(|_| !body.is_empty()) else {
        return if body.is_empty() { Said::Nothing } else { Said::Unknown };
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let Ok(text) = std::str::from_utf8(body) else { return Said::Malformed };
    let signal = match kind {
        _ if kind.eq_ignore_ascii_case(RELAY) => signal(text),
        // Some send the other body under this name.
        _ if kind.eq_ignore_ascii_case(BARE) => signal(text).or(Some(text)),
        _ => return Said::Unknown,
    };
    signal.and_then(|signal| key(signal.trim())).map_or(Said::Malformed, Said::Key)
}

/// The value of the line `Signal=`.
fn signal(text: &str) -> Option<&str> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("Signal")).map(|(_, value)| value).next()
}

/// A letter, or as some gateways write it the number of the event.
fn key(signal: &str) -> Option<Key> {
    let mut letters = signal.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Key::of(letter),
        _ => signal.parse().ok().and_then(Key::of_event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(kind: &str, body: &str) -> Said {
        let text = format!(
            "INFO sip:callbridge@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 7 INFO\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        read(&Message::parse(text.as_bytes()).unwrap())
    }

    fn relay(body: &str) -> Said {
        info("Content-Type: application/dtmf-relay\r\n", body)
    }

    fn pressed(letter: char) -> Said {
        Said::Key(Key::of(letter).unwrap())
    }

    #[test]
    fn both_bodies_name_a_key() {
        assert_eq!(relay("Signal=5\r\nDuration=160\r\n"), pressed('5'));
        assert_eq!(relay("signal = #\nduration = 160"), pressed('#'));
        assert_eq!(relay("Signal=11\r\n"), pressed('#'));
        assert_eq!(info("Content-Type: application/dtmf\r\n", "*"), pressed('*'));
        assert_eq!(info("c: Application/DTMF;x=y\r\n", "Signal=d\r\n"), pressed('D'));
    }

    #[test]
    fn an_empty_info_asks_whether_we_live() {
        assert_eq!(info("", ""), Said::Nothing);
    }

    #[test]
    fn what_is_no_key_is_refused_for_its_reason() {
        assert_eq!(relay("Signal=\r\n"), Said::Malformed);
        assert_eq!(relay("Signal=16\r\n"), Said::Malformed);
        assert_eq!(relay("Duration=160\r\n"), Said::Malformed);
        assert_eq!(info("Content-Type: application/dtmf\r\n", "55"), Said::Malformed);
        assert_eq!(info("Content-Type: text/plain\r\n", "5"), Said::Unknown);
        assert_eq!(info("", "5"), Said::Unknown);
        assert_eq!(info("Info-Package: x\r\nContent-Type: application/dtmf\r\n", "5"), Said::Package);
    }
}

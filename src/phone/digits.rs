//! The digits that a phone hears: RFC 4733 events in its RTP, and INFO (`application/dtmf-relay`, `application/dtmf`). Owns
//! their recognition; what they mean is the listener's.

use super::Desk;
use super::call::Call;
use super::message::Message;
use super::story::{Digit, Fault};

/// The keys in the order of their event codes.
const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// The key with this event code.
pub(super) fn key(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).copied()
}

/// The event that is being heard.
#[derive(Default)]
pub(super) struct Keypad {
    newest: Option<Event>,
}

struct Event {
    timestamp: u32,
    code: u8,
    duration: u16,
    /// The sequence number of its first end packet.
    ended: Option<u16>,
}

impl Keypad {
    /// One event packet; a key where a new event begins, or what is wrong. A packet that was overtaken on its way is not wrong.
    pub fn press(&mut self, sequence: u16, timestamp: u32, payload: &[u8]) -> Result<Option<char>, String> {
        let [code, flags, high, low] = *payload else { return Err(format!("an event of {} bytes", payload.len())) };
        let duration = u16::from_be_bytes([high, low]);
        let ended = flags & 0x80 != 0;
        if let Some(newest) = self.newest.as_mut().filter(|e| e.timestamp == timestamp) {
            if newest.code != code {
                return Err(format!("event {code} has the timestamp of event {}", newest.code));
            }
            let after = |end: u16| (sequence.wrapping_sub(end) as i16) > 0;
            if !ended && newest.ended.is_some_and(after) {
                return Err("an event goes on after its end".to_owned());
            }
            newest.duration = newest.duration.max(duration);
            if ended && newest.ended.is_none_or(|end| !after(end)) {
                newest.ended = Some(sequence);
            }
            return Ok(None);
        }
        let late = self.newest.as_ref().is_some_and(|e| (timestamp.wrapping_sub(e.timestamp) as i32) < 0);
        if late {
            return Ok(None);
        }
        let key = key(code).ok_or(format!("event {code} is no digit"))?;
        self.newest = Some(Event { timestamp, code, duration, ended: ended.then_some(sequence) });
        Ok(Some(key))
    }
}

impl Call {
    /// An INFO of the equipment: the status of its answer.
    pub(super) fn informed(&mut self, desk: &Desk<'_>, message: &Message<'_>) -> u16 {
        let kind = message.get("Content-Type").unwrap_or_default().to_ascii_lowercase();
        let body = std::str::from_utf8(message.body).unwrap_or_default();
        let signal = match kind.split(';').next().unwrap_or_default().trim() {
            "application/dtmf-relay" => {
                body.lines().find_map(|line| line.strip_prefix("Signal")?.trim_start().strip_prefix('=')).map(str::trim)
            }
            "application/dtmf" => Some(body.trim()),
            _ => return 415,
        };
        let mut letters = signal.unwrap_or_default().chars();
        match (letters.next(), letters.next()) {
            (Some(key), None) if KEYS.contains(&key) => {
                self.story.digits.push(Digit { key, by_info: true, at: desk.now });
                200
            }
            _ => {
                self.story.blame(desk.now, Fault::Digit, format!("INFO with {body:?}"));
                400
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_is_one_key_however_many_packets_it_has() {
        let mut pad = Keypad::default();
        let keys: Vec<_> =
            [(100, [5, 10, 0, 160]), (100, [5, 10, 1, 64]), (100, [5, 138, 1, 64]), (900, [11, 10, 0, 160])]
                .iter()
                .zip(1..)
                .map(|((at, payload), sequence)| pad.press(sequence, *at, payload))
                .collect();
        assert_eq!(keys, [Ok(Some('5')), Ok(None), Ok(None), Ok(Some('#'))]);
        assert!(pad.press(5, 2000, &[17, 0, 0, 160]).is_err() && pad.press(5, 900, &[4, 0, 0, 1]).is_err());
    }

    #[test]
    fn an_overtaken_packet_is_no_event_that_goes_on() {
        let mut pad = Keypad::default();
        assert_eq!(pad.press(7, 100, &[5, 138, 1, 64]), Ok(Some('5')));
        assert_eq!(pad.press(6, 100, &[5, 10, 0, 160]), Ok(None));
        assert!(pad.press(8, 100, &[5, 10, 1, 224]).is_err());
    }
}

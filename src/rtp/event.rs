//! The telephone-event payload (RFC 4733 §2.3): four bytes. Owns their meaning; refuses de-duplication, which is the
//! listener's by timestamp.

/// A digit or another event while it lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TelephoneEvent {
    /// 0–9, 10 = `*`, 11 = `#`, 12–15 = A–D, 16 = flash.
    pub event: u8,
    /// The last packet of the event (sent three times).
    pub end: bool,
    /// Power below 0 dBm0, 0 to 63.
    pub volume: u8,
    /// Since the timestamp, in ticks of the clock that was agreed for events.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload; longer ones carry further events, which we do not read.
    pub fn read(payload: &[u8]) -> Option<TelephoneEvent> {
        let [event, flags, high, low] = *payload.first_chunk::<4>()?;
        Some(TelephoneEvent {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The payload.
    pub fn write(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, (u8::from(self.end) << 7) | (self.volume & 0x3f), high, low]
    }

    /// Makes a payload's duration count at another clock, in place; one that no longer fits is cut at the longest.
    pub fn rescale(payload: &mut [u8], from_hz: u32, to_hz: u32) {
        if from_hz == to_hz || from_hz == 0 {
            return;
        }
        if let Some([_, _, high, low]) = payload.first_chunk_mut::<4>() {
            let duration = u64::from(u16::from_be_bytes([*high, *low])) * u64::from(to_hz) / u64::from(from_hz);
            [*high, *low] = u16::try_from(duration).unwrap_or(u16::MAX).to_be_bytes();
        }
    }

    /// The key that was pressed.
    pub fn digit(self) -> Option<char> {
        "0123456789*#ABCD".chars().nth(usize::from(self.event))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_event_is_read_as_it_was_written(event: u8, end: bool, volume in 0u8..64, duration: u16) {
            let written = TelephoneEvent { event, end, volume, duration };
            prop_assert_eq!(TelephoneEvent::read(&written.write()), Some(written));
        }

        #[test]
        fn no_payload_makes_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..8)) {
            let read = TelephoneEvent::read(&payload);
            prop_assert_eq!(read.is_some(), payload.len() >= 4);
            let _ = read.and_then(TelephoneEvent::digit);
        }
    }

    #[test]
    fn a_duration_is_the_same_time_at_another_clock() {
        let mut payload = TelephoneEvent { event: 5, end: true, volume: 10, duration: 800 }.write();
        TelephoneEvent::rescale(&mut payload, 8_000, 48_000);
        assert_eq!(TelephoneEvent::read(&payload).map(|event| (event.duration, event.end)), Some((4800, true)));
        TelephoneEvent::rescale(&mut payload, 48_000, 8_000);
        assert_eq!(TelephoneEvent::read(&payload).map(|event| event.duration), Some(800));
        let mut long = TelephoneEvent { event: 5, end: false, volume: 10, duration: 40_000 }.write();
        TelephoneEvent::rescale(&mut long, 8_000, 48_000);
        assert_eq!(TelephoneEvent::read(&long).map(|event| event.duration), Some(u16::MAX));
        TelephoneEvent::rescale(&mut [1, 2], 8_000, 48_000);
    }

    #[test]
    fn the_hash_key_is_event_eleven() {
        let event = TelephoneEvent { event: 11, end: false, volume: 10, duration: 160 };
        assert_eq!(event.digit(), Some('#'));
    }
}

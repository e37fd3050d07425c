//! Keys that a peer pressed: the same press may come as an RFC 4733 event and as a message of signalling, and counts once
//! (field.md 26). Owns the pairing; refuses packets and messages.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Mono;
use crate::model::Key;

/// The two ways of one press come within this of each other: signalling is repeated after half a second when it is lost.
const WINDOW: Duration = Duration::from_millis(1000);
/// No finger is faster (RFC 4733 §2.5.1: shorter events are noise); what comes closer is passed on and not reported.
const SHORTEST: Duration = Duration::from_millis(40);
/// Presses that wait for their other way.
const MAX_WAITING: usize = 8;

/// How a press was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// RFC 4733.
    Event,
    /// Signalling.
    Message,
}

/// What a packet of an event is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judged {
    /// A press nobody has heard of.
    New,
    /// A further packet of one.
    Goes,
    /// A packet of a press that came as a message before.
    Twin,
}

/// The presses of one leg that may still meet their other way.
#[derive(Default)]
pub(super) struct Presses {
    waiting: VecDeque<(Key, Way, Mono)>,
    /// The timestamp of the event that lasts, and whether it is a twin.
    lasting: Option<(u32, bool)>,
    reported: Option<Mono>,
}

impl Presses {
    /// A packet of an event with this timestamp.
    pub(super) fn event(&mut self, now: Mono, key: Key, timestamp: u32) -> Judged {
        if let Some((lasting, twin)) = self.lasting
            && lasting == timestamp
        {
            if let Some(waits) =
                self.waiting.iter_mut().rev().find(|(known, way, _)| *known == key && *way == Way::Event)
            {
                waits.2 = now;
            }
            return if twin { Judged::Twin } else { Judged::Goes };
        }
        let twin = !self.is_new(now, key, Way::Event);
        self.lasting = Some((timestamp, twin));
        let early = self.reported.is_some_and(|last| now.since(last) < SHORTEST);
        match (twin, early) {
            (true, _) => Judged::Twin,
            (false, true) => Judged::Goes,
            (false, false) => {
                self.reported = Some(now);
                Judged::New
            }
        }
    }

    /// They talk from now on: the rest of the press that lasts was for us.
    pub(super) fn keep_to_ourselves(&mut self) {
        if let Some((_, twin)) = &mut self.lasting {
            *twin = true;
        }
    }

    /// A message says so: true when nothing else has.
    pub(super) fn message(&mut self, now: Mono, key: Key) -> bool {
        self.is_new(now, key, Way::Message)
    }

    fn is_new(&mut self, now: Mono, key: Key, way: Way) -> bool {
        self.waiting.retain(|(_, _, at)| now.since(*at) < WINDOW);
        let other = self.waiting.iter().position(|(known, said, _)| *known == key && *said != way);
        if let Some(other) = other {
            self.waiting.remove(other);
            return false;
        }
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((key, way, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Mono {
        Mono(n * 1000)
    }

    fn five() -> Key {
        Key::of('5').unwrap()
    }

    #[test]
    fn one_press_said_both_ways_counts_once_in_either_order() {
        let mut presses = Presses::default();
        assert_eq!(presses.event(ms(0), five(), 100), Judged::New);
        assert_eq!(presses.event(ms(20), five(), 100), Judged::Goes);
        assert!(!presses.message(ms(50), five()));
        assert!(presses.message(ms(400), five()));
        assert_eq!(presses.event(ms(410), five(), 3000), Judged::Twin);
        assert_eq!(presses.event(ms(430), five(), 3000), Judged::Twin);
    }

    #[test]
    fn the_same_key_twice_counts_twice_whatever_the_order() {
        let mut presses = Presses::default();
        assert_eq!(presses.event(ms(0), five(), 100), Judged::New);
        assert_eq!(presses.event(ms(200), five(), 1700), Judged::New);
        assert!(!presses.message(ms(210), five()));
        assert!(!presses.message(ms(260), five()));
        assert!(presses.message(ms(300), five()));
    }

    #[test]
    fn a_long_press_meets_the_message_of_its_release() {
        let mut presses = Presses::default();
        for n in 0..200 {
            presses.event(ms(n * 20), five(), 100);
        }
        assert!(!presses.message(ms(4100), five()));
    }

    #[test]
    fn other_keys_and_later_presses_are_their_own() {
        let mut presses = Presses::default();
        assert_eq!(presses.event(ms(0), five(), 100), Judged::New);
        assert!(presses.message(ms(10), Key::of('6').unwrap()));
        assert!(presses.message(ms(1100), five()));
    }

    #[test]
    fn a_storm_of_events_is_bounded() {
        let mut presses = Presses::default();
        let new = (0..1000u32).filter(|n| presses.event(ms(u64::from(*n)), five(), *n) == Judged::New).count();
        assert_eq!(new, 25);
        assert!(presses.waiting.len() <= MAX_WAITING);
    }
}

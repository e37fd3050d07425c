//! Digits between signalling and media: those dialled after an answer, those that a party presses. Owns which way a leg is told:
//! RFC 4733 where its peer agreed to telephone-event and its switch wants that.

use super::Engine;
use crate::call::Event;
use crate::clock::Now;
use crate::media::api::Command;
use crate::model::digits::SETTLING;
use crate::model::{Digits, Key, LegId};

impl Engine {
    /// Dials what stands behind the number that answered.
    pub(super) fn send_digits(&mut self, now: Now, leg: LegId) {
        let live = self.calls.get(&leg.call);
        let digits = live.and_then(|live| live.call.leg(leg.attempt)).and_then(|leg| Digits::of(&leg.address));
        let Some(digits) = digits else { return self.tell(now, leg.call, Event::DigitsSent(leg.attempt)) };
        if self.hears_events(leg) {
            self.media(Command::SendDigits { leg, digits, after: SETTLING });
        } else {
            self.tell(now, leg.call, Event::DigitsFailed(leg.attempt));
        }
    }

    /// A party pressed a key. A bridged peer with telephone-event heard it from media already.
    pub(super) fn key_pressed(&mut self, _now: Now, _leg: LegId, _key: Key) {}

    fn hears_events(&self, leg: LegId) -> bool {
        let plan = self.calls.get(&leg.call).and_then(|live| live.legs.get(&leg.attempt)?.plan.as_ref());
        plan.is_some_and(|plan| plan.telephone_event.is_some())
    }
}

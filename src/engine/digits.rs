//! Digits between signalling and media: those dialled after an answer, those that a party presses. Owns which way a leg is told
//! (RFC 4733 by media where its peer agreed to telephone-event, else INFO) and the pace of INFO: one at a time, the next after
//! the answer to the last.

use std::collections::VecDeque;

use super::{Engine, TimerKey};
use crate::call::Event;
use crate::clock::Now;
use crate::media::api::Command;
use crate::model::digits::{PAUSE, RELEASE, SETTLING, Step};
use crate::model::{Digits, Key, LegId};

/// Most keys that wait for one leg; above, keys are lost: nobody dials so fast.
const MAX_WAITING: usize = 96;

/// What a leg is still to be told by INFO.
#[derive(Debug, Default)]
pub(super) struct Keys {
    steps: VecDeque<Step>,
    /// An INFO is on the way.
    asked: bool,
    /// The call waits for the end of it.
    wanted: bool,
}

impl Engine {
    /// Dials what stands behind the number that answered.
    pub(super) fn send_digits(&mut self, now: Now, leg: LegId) {
        let live = self.calls.get(&leg.call);
        let digits = live.and_then(|live| live.call.leg(leg.attempt)).and_then(|leg| Digits::of(&leg.address));
        let Some(digits) = digits else { return self.tell(now, leg.call, Event::DigitsSent(leg.attempt)) };
        if self.hears_events(leg) {
            return self.media(Command::SendDigits { leg, digits, after: SETTLING });
        }
        if let Some(keys) = self.keys_of(leg) {
            *keys = Keys { steps: digits.steps().iter().copied().collect(), asked: false, wanted: true };
            self.timers.set(TimerKey::Keys(leg), now.mono + SETTLING);
        }
    }

    /// A party pressed a key: a gate may wait for it. A bridged peer with telephone-event heard it from media already; another
    /// is told by INFO. The key that opens a gate is nobody else's.
    pub(super) fn key_pressed(&mut self, now: Now, leg: LegId, key: Key) {
        let partner = self.calls.get(&leg.call).and_then(|live| live.call.partner(leg.attempt));
        self.tell(now, leg.call, Event::Pressed(leg.attempt, key));
        let Some(partner) = partner.map(|attempt| LegId { attempt, ..leg }).filter(|leg| !self.hears_events(*leg))
        else {
            return;
        };
        let Some(keys) = self.keys_of(partner).filter(|keys| keys.steps.len() < MAX_WAITING) else { return };
        keys.steps.push_back(Step::Press(key));
        let idle = !keys.asked;
        if idle && !self.timers.is_set(&TimerKey::Keys(partner)) {
            self.next_key(now, partner);
        }
    }

    /// The next thing to be said by INFO.
    pub(super) fn next_key(&mut self, now: Now, leg: LegId) {
        let Some(keys) = self.keys_of(leg).filter(|keys| !keys.asked) else { return };
        match keys.steps.pop_front() {
            Some(Step::Press(key)) => {
                keys.asked = true;
                self.stack.press(now.mono, leg, key);
            }
            Some(Step::Pause) => self.timers.set(TimerKey::Keys(leg), now.mono + PAUSE),
            None if std::mem::take(&mut keys.wanted) => self.tell(now, leg.call, Event::DigitsSent(leg.attempt)),
            None => {}
        }
    }

    /// The INFO was answered, or never will be.
    pub(super) fn key_sent(&mut self, now: Now, leg: LegId, accepted: bool) {
        let Some(keys) = self.keys_of(leg) else { return };
        keys.asked = false;
        if accepted {
            return self.timers.set(TimerKey::Keys(leg), now.mono + RELEASE);
        }
        // Who refuses one key refuses all.
        keys.steps.clear();
        if std::mem::take(&mut keys.wanted) {
            self.tell(now, leg.call, Event::DigitsFailed(leg.attempt));
        }
    }

    fn keys_of(&mut self, leg: LegId) -> Option<&mut Keys> {
        self.calls.get_mut(&leg.call)?.legs.get_mut(&leg.attempt).map(|leg| &mut leg.keys)
    }

    pub(super) fn hears_events(&self, leg: LegId) -> bool {
        let plan = self.calls.get(&leg.call).and_then(|live| live.legs.get(&leg.attempt)?.plan.as_ref());
        plan.is_some_and(|plan| plan.telephone_event.is_some())
    }
}

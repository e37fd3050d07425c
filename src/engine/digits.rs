//! Digits between signalling and media: those dialled after an answer, those that a party presses. Owns which way a leg is told
//! ([`Form`]) and the pace of INFO: one at a time, the next after the answer to the last. A peer that refuses INFO, or does not answer
//! it, is told the same key and all that follow in its sound.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Engine, TimerKey};
use crate::call::Event;
use crate::clock::Now;
use crate::media::api::Command;
use crate::model::digits::{PAUSE, RELEASE, SETTLING, Step};
use crate::model::trunk::DtmfForm;
use crate::model::{Digits, Key, LegId};

/// Most keys that wait for one leg; above, keys are lost: nobody dials so fast.
const MAX_WAITING: usize = 96;

/// What a leg is still to be told by INFO.
#[derive(Debug, Default)]
pub(super) struct Keys {
    steps: VecDeque<Step>,
    /// An INFO is on the way with this key.
    asked: Option<Key>,
    /// INFO was refused: from then on it is tones.
    refused: bool,
    /// The call waits for the end of it.
    wanted: bool,
}

/// How a leg is told keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// RFC 4733: its peer agreed to telephone-event.
    Events,
    /// INFO, as its switch wants it, or because nothing was agreed and it has not been refused.
    Info,
    /// Tones in the sound: as its switch wants it, or because INFO was refused.
    Sound,
}

impl Engine {
    /// Dials what stands behind the number that answered.
    pub(super) fn send_digits(&mut self, now: Now, leg: LegId) {
        let live = self.calls.get(&leg.call);
        let digits = live.and_then(|live| live.call.leg(leg.attempt)).and_then(|leg| Digits::of(&leg.address));
        let Some(digits) = digits else { return self.tell(now, leg.call, Event::DigitsSent(leg.attempt)) };
        if self.form(leg) != Form::Info {
            return self.media(Command::SendDigits { leg, digits, after: SETTLING });
        }
        if let Some(keys) = self.keys_of(leg) {
            *keys = Keys { steps: digits.steps().iter().copied().collect(), wanted: true, ..Keys::default() };
            self.timers.set(TimerKey::Keys(leg), now.mono + SETTLING);
        }
    }

    /// A party pressed a key: a gate may wait for it. A bridged peer with telephone-event heard it from media already; another
    /// is told by INFO. The key that opens a gate is nobody else's.
    pub(super) fn key_pressed(&mut self, now: Now, leg: LegId, key: Key) {
        let partner = self.calls.get(&leg.call).and_then(|live| live.call.partner(leg.attempt));
        self.tell(now, leg.call, Event::Pressed(leg.attempt, key));
        let Some(partner) = partner.map(|attempt| LegId { attempt, ..leg }) else { return };
        match self.form(partner) {
            Form::Events => {}
            Form::Info => self.key_by_info(now, partner, key),
            Form::Sound => {
                let digits = Digits::key(key);
                self.media(Command::SendDigits { leg: partner, digits, after: Duration::ZERO });
            }
        }
    }

    /// Two legs talk from now on: keys of one that may say them by sound alone are listened for, where the other is told them in
    /// another form. Between two that have nothing but sound they pass as such.
    pub(super) fn listen_for_keys(&mut self, a: LegId, b: LegId) {
        for (from, to) in [(a, b), (b, a)] {
            let live = self.calls.get(&from.call).and_then(|live| live.legs.get(&from.attempt));
            let by_info = live.is_some_and(|leg| leg.trunk.dtmf == DtmfForm::Info);
            if !by_info && self.form(from) != Form::Events && self.form(to) != Form::Sound {
                self.media(Command::HearKeys { leg: from });
            }
        }
    }

    /// A leg agreed on something else while keys are waited for: it may say them by sound alone from now on, or its partner be told
    /// them in another form.
    pub(super) fn listen_anew(&mut self, leg: LegId) {
        let Some(call) = self.calls.get(&leg.call).map(|live| &live.call) else { return };
        if let Some(attempt) = call.partner(leg.attempt) {
            self.listen_for_keys(leg, LegId { attempt, ..leg });
        } else if call.asks(leg.attempt) && !self.hears_events(leg) {
            self.media(Command::HearKeys { leg });
        }
    }

    fn key_by_info(&mut self, now: Now, partner: LegId, key: Key) {
        let Some(keys) = self.keys_of(partner).filter(|keys| keys.steps.len() < MAX_WAITING) else { return };
        keys.steps.push_back(Step::Press(key));
        let idle = keys.asked.is_none();
        if idle && !self.timers.is_set(&TimerKey::Keys(partner)) {
            self.next_key(now, partner);
        }
    }

    /// The next thing to be said by INFO.
    pub(super) fn next_key(&mut self, now: Now, leg: LegId) {
        let Some(keys) = self.keys_of(leg).filter(|keys| keys.asked.is_none()) else { return };
        match keys.steps.pop_front() {
            Some(Step::Press(key)) => {
                keys.asked = Some(key);
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
        let asked = keys.asked.take();
        if accepted {
            return self.timers.set(TimerKey::Keys(leg), now.mono + RELEASE);
        }
        // Who refuses one key refuses all. Media says the rest, and when it is said, which the call may wait for; what cannot be
        // said in any form has failed.
        let rest = std::mem::take(&mut keys.steps);
        let wanted = std::mem::take(&mut keys.wanted);
        keys.refused = true;
        match Digits::new(asked.map(Step::Press).into_iter().chain(rest)) {
            Some(digits) => self.media(Command::SendDigits { leg, digits, after: Duration::ZERO }),
            None if wanted => self.tell(now, leg.call, Event::DigitsFailed(leg.attempt)),
            None => {}
        }
    }

    fn keys_of(&mut self, leg: LegId) -> Option<&mut Keys> {
        self.calls.get_mut(&leg.call)?.legs.get_mut(&leg.attempt).map(|leg| &mut leg.keys)
    }

    fn form(&self, leg: LegId) -> Form {
        let media = self.calls.get(&leg.call).and_then(|live| live.legs.get(&leg.attempt));
        match media {
            Some(media) if media.plan.as_ref().is_some_and(|plan| plan.telephone_event.is_some()) => Form::Events,
            Some(media) if media.trunk.dtmf == DtmfForm::InBand || media.keys.refused => Form::Sound,
            Some(_) | None => Form::Info,
        }
    }

    pub(super) fn hears_events(&self, leg: LegId) -> bool {
        let plan = self.calls.get(&leg.call).and_then(|live| live.legs.get(&leg.attempt)?.plan.as_ref());
        plan.is_some_and(|plan| plan.telephone_event.is_some())
    }
}

//! How long customers of each business have held until somebody talked with them, and what one who holds may be told of that. Owns
//! the mean and its rounding; refuses clocks and words.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Engine;
use crate::clock::Now;
use crate::media::api::MAX_MINUTES;
use crate::model::{BusinessId, CallId, CallState, CallView, WaitView};

/// So many waits must be known before anybody is told of them.
const ENOUGH: u32 = 3;
/// The newest wait counts one part of so many.
const SMOOTH: u32 = 8;
/// A place in the line is told while no more than so many, of all businesses, stand before it.
const MAX_BEFORE: usize = 1000;
/// Businesses remembered; beyond, those that were called for longest ago are not told apart and the first goes.
const MAX_BUSINESSES: usize = 10_000;

/// The waits of every business since the start.
#[derive(Debug, Default)]
pub(super) struct Waits(BTreeMap<BusinessId, Wait>);

#[derive(Clone, Copy, Debug)]
struct Wait {
    mean: Duration,
    known: u32,
}

impl Waits {
    /// A customer held for so long and then talked.
    pub(super) fn note(&mut self, business: &BusinessId, held: Duration) {
        if let Some(wait) = self.0.get_mut(business) {
            wait.known = wait.known.saturating_add(1);
            let parts = wait.known.min(SMOOTH);
            wait.mean = (wait.mean * (parts - 1) + held) / parts;
            return;
        }
        if self.0.len() >= MAX_BUSINESSES {
            self.0.pop_first();
        }
        self.0.insert(business.clone(), Wait { mean: held, known: 1 });
    }

    /// In how many whole minutes, rounded up, a customer who has held for so long may expect somebody. `None`: too little is
    /// known, or more than [`MAX_MINUTES`], or others were answered long before.
    pub(super) fn minutes(&self, business: &BusinessId, held: Duration) -> Option<u8> {
        let wait = self.0.get(business).filter(|wait| wait.known >= ENOUGH)?;
        if held > wait.mean * 2 {
            return None;
        }
        let left = wait.mean.saturating_sub(held).as_secs().div_ceil(60).max(1);
        u8::try_from(left).ok().filter(|minutes| *minutes <= MAX_MINUTES)
    }
}

impl Engine {
    /// The call object with what is known of how long its customer still waits.
    pub(super) fn with_wait(&self, now: Now, mut view: CallView) -> CallView {
        let Some(live) = self.calls.get(&view.id) else { return view };
        let own = |other: CallId| self.calls.get(&other).is_some_and(|other| other.business.id == live.business.id);
        let (position, estimated_minutes) = match view.state {
            CallState::Queued | CallState::CallingRepresentative if live.sought.is_asked() => {
                view.wait = self.desk_wait(view.id);
                return view;
            }
            CallState::Queued => (self.queued.before(view.id, MAX_BEFORE, own).map(|before| before + 1), None),
            CallState::CallingRepresentative => {
                let held = live.holds_since.map(|since| now.mono.since(since)).unwrap_or_default();
                (None, self.waits.minutes(&live.business.id, held))
            }
            CallState::Scheduled | CallState::CallingCustomer | CallState::Bridged | CallState::Ended => (None, None),
        };
        let known = position.is_some() || estimated_minutes.is_some();
        view.wait = known.then_some(WaitView { position, estimated_minutes });
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_wait_is_told_in_whole_minutes_when_enough_is_known_and_only_its_own() {
        let (abc, other) = ("abc".parse().unwrap(), "other".parse().unwrap());
        let mut waits = Waits::default();
        for held in [100, 110] {
            waits.note(&abc, seconds(held));
            assert_eq!(waits.minutes(&abc, seconds(0)), None, "too little is known");
        }
        waits.note(&abc, seconds(120));
        assert_eq!(waits.minutes(&abc, seconds(0)), Some(2));
        assert_eq!(waits.minutes(&abc, seconds(60)), Some(1));
        assert_eq!(waits.minutes(&abc, seconds(200)), Some(1), "any moment now");
        assert_eq!(waits.minutes(&abc, seconds(221)), None, "others were answered long before");
        assert_eq!(waits.minutes(&other, seconds(0)), None);
    }

    #[test]
    fn a_wait_follows_what_is_new_and_none_is_told_that_is_too_long() {
        let abc = "abc".parse().unwrap();
        let mut waits = Waits::default();
        (0..10).for_each(|_| waits.note(&abc, seconds(3_000)));
        assert_eq!(waits.minutes(&abc, seconds(0)), None);
        (0..40).for_each(|_| waits.note(&abc, seconds(20)));
        assert_eq!(waits.minutes(&abc, seconds(0)), Some(1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut waits = Waits::default();
        for n in 0..MAX_BUSINESSES + 50 {
            waits.note(&format!("b{n}").parse().unwrap(), seconds(1));
        }
        assert_eq!(waits.0.len(), MAX_BUSINESSES);
    }
}

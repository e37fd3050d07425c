//! Calls waiting for their desired contact time 814, by the wall clock. Owns the order in which they become due; refuses to
//! know anything else of a call. A clock that jumps forward makes calls due at once, backwards makes them wait again.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::{Now, Wall};
use crate::model::CallId;

/// However far away the next call is, the wall clock is looked at this often, because it may jump.
const LOOK: Duration = Duration::from_secs(1);

/// The waiting calls.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    waiting: BTreeSet<(Wall, CallId)>,
}

impl Schedule {
    /// Keeps a call until `due`.
    pub fn add(&mut self, due: Wall, call: CallId) {
        self.waiting.insert((due, call));
    }

    /// Forgets a call that was to be due then.
    pub fn remove(&mut self, due: Wall, call: CallId) {
        self.waiting.remove(&(due, call));
    }

    /// Takes one call whose time has come.
    pub fn pop_due(&mut self, now: Wall) -> Option<CallId> {
        let (due, _) = self.waiting.first()?;
        if *due > now {
            return None;
        }
        self.waiting.pop_first().map(|(_, call)| call)
    }

    /// In how long to look again; none when nothing waits.
    pub fn next_look(&self, now: Now) -> Option<Duration> {
        let (due, _) = self.waiting.first()?;
        Some(Duration::from_millis(due.millis_since(now.wall)).min(LOOK))
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True when none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;

    fn call(n: u8) -> CallId {
        CallId::new(Wall(0), [n; 10])
    }

    fn at(wall: i64) -> Now {
        Now { mono: Mono(0), wall: Wall(wall) }
    }

    #[test]
    fn calls_become_due_in_the_order_of_their_times() {
        let mut schedule = Schedule::default();
        schedule.add(Wall(2000), call(2));
        schedule.add(Wall(1000), call(1));
        assert_eq!(schedule.pop_due(Wall(999)), None);
        assert_eq!(schedule.next_look(at(400)), Some(Duration::from_millis(600)));
        assert_eq!(schedule.pop_due(Wall(5000)), Some(call(1)));
        assert_eq!(schedule.pop_due(Wall(5000)), Some(call(2)));
        assert_eq!(schedule.pop_due(Wall(5000)), None);
    }

    #[test]
    fn the_clock_is_looked_at_every_second_because_it_may_jump() {
        let mut schedule = Schedule::default();
        schedule.add(Wall(86_400_000), call(1));
        assert_eq!(schedule.next_look(at(0)), Some(LOOK));
    }

    #[test]
    fn a_cancelled_call_never_becomes_due() {
        let mut schedule = Schedule::default();
        schedule.add(Wall(1), call(1));
        schedule.remove(Wall(1), call(1));
        assert_eq!(schedule.pop_due(Wall(2)), None);
        assert!(schedule.is_empty());
    }
}

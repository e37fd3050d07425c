//! What a distribution counts, for wallboards and reports, and who waits now. Owns the sums; refuses averages over time, which are the
//! reader's.

use std::ops::AddAssign;
use std::time::Duration;

use super::distribution::{Distribution, Stage};
use crate::clock::Mono;

/// Who waits at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Queue {
    /// Customers in line, whose phone is not dialled yet.
    pub waiting: usize,
    /// Customers who have answered and hold, or whose representative's phone rings.
    pub holding: usize,
    /// Since when the one who waits longest has waited, in line or holding.
    pub longest: Option<Duration>,
}

impl Distribution {
    /// Who waits now.
    pub fn queue(&self, now: Mono) -> Queue {
        let mut queue = Queue::default();
        for customer in self.customers.values() {
            match customer.stage {
                Stage::Waiting => queue.waiting += 1,
                Stage::Holding { .. } | Stage::Offered { .. } => queue.holding += 1,
                Stage::Dialled { .. } | Stage::Talking { .. } => continue,
            }
            queue.longest = queue.longest.max(Some(now.since(customer.asked) + customer.waited));
        }
        queue
    }
}

/// Sums since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Customers who asked and were taken in.
    pub asked: u64,
    /// Customers who talked with a representative.
    pub talked: u64,
    /// Customers who were gone before their phone was dialled.
    pub left_waiting: u64,
    /// Customers who were dialled and did not answer, or hung up while it rang.
    pub unanswered: u64,
    /// Customers who answered and were gone before they talked with anybody.
    pub abandoned: u64,
    /// Customers who answered.
    pub answered: u64,
    /// Of those, for whom no representative's phone rang within the grace.
    pub late: u64,
    /// Customers whose phone was dialled before a representative was free.
    pub ahead: u64,
    /// Customers sent to the overflow number.
    pub overflowed: u64,
    /// Customers given up.
    pub given_up: u64,
    /// Times that a representative did not take a call.
    pub missed: u64,
    /// From asking to being dialled, of all who were dialled.
    pub waited: Duration,
    /// How many were dialled.
    pub dialled: u64,
    /// From answering to a representative's phone, of all who answered and got one.
    pub held: Duration,
    /// All talks.
    pub talk_time: Duration,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        let counts = [
            (&mut self.asked, other.asked),
            (&mut self.talked, other.talked),
            (&mut self.left_waiting, other.left_waiting),
            (&mut self.unanswered, other.unanswered),
            (&mut self.abandoned, other.abandoned),
            (&mut self.answered, other.answered),
            (&mut self.late, other.late),
            (&mut self.ahead, other.ahead),
            (&mut self.overflowed, other.overflowed),
            (&mut self.given_up, other.given_up),
            (&mut self.missed, other.missed),
            (&mut self.dialled, other.dialled),
        ];
        for (sum, more) in counts {
            *sum += more;
        }
        self.waited += other.waited;
        self.held += other.held;
        self.talk_time += other.talk_time;
    }
}

impl Figures {
    /// The mean wait until the phone was dialled.
    pub fn mean_wait(&self) -> Option<Duration> {
        let count = u32::try_from(self.dialled).ok().filter(|count| *count > 0)?;
        Some(self.waited / count)
    }
}

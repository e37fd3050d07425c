//! What a distribution counts, for wallboards and reports. Owns the sums; refuses averages over time, which are the reader's.

use std::time::Duration;

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

impl Figures {
    /// The mean wait until the phone was dialled.
    pub fn mean_wait(&self) -> Option<Duration> {
        let count = u32::try_from(self.dialled).ok().filter(|count| *count > 0)?;
        Some(self.waited / count)
    }
}

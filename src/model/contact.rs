//! When a customer wants to be called and how often that is tried: windows, ends and plans, as accounts and messages have them. Owns the
//! shapes, their words and their bounds; refuses clocks, zones and verdicts (`access::window`, the engine).

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Outcome, TimeOfDay, Zone};
use crate::clock::Wall;

/// Most tries of one call, the first included.
pub const MAX_TRIES: u8 = 10;
/// Most waits of one cause.
pub const MAX_WAITS: usize = 9;
/// A wait between two tries, in seconds: a second to a week.
pub const WAIT_SECONDS: RangeInclusive<u32> = 1..=7 * 86_400;
/// After how many seconds a call may expire: a second to a month.
pub const EXPIRES_SECONDS: RangeInclusive<u32> = 1..=31 * 86_400;

/// The moments between which a customer may be called: at or after `from`, before `to`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactWindow {
    /// The first moment.
    pub from: Wall,
    /// The first moment behind it.
    pub to: Wall,
}

/// A window as a message asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WindowWish {
    /// Between two moments.
    Between(ContactWindow),
    /// Between two times of the day: the next time that it is so there.
    Daily {
        /// From this time on.
        from: TimeOfDay,
        /// Before this one; where it is not later than `from`, of the next day.
        to: TimeOfDay,
        /// Whose clock; absent: the customer's.
        zone: Option<Zone>,
    },
}

/// What an account has of this: how long its calls are wanted, and how often they are tried.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Contact {
    /// A call that could not be placed so many seconds after its time expires, where its message does not say when; absent: as the equipment has it.
    #[schema(minimum = 1, maximum = 2_678_400)]
    pub expires_after_seconds: Option<u32>,
    /// How its calls are tried again.
    pub retry: RetryPlan,
}

/// How often and when a customer is tried again who was not reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPlan {
    /// Tries in all, the first included; 1: none again.
    #[schema(minimum = 1, maximum = 10)]
    pub max_tries: u8,
    /// Seconds from a busy line to the next try: the first again, the second again and so on, the last for all beyond; empty: none again.
    #[schema(max_items = 9)]
    pub busy_seconds: Vec<u32>,
    /// The same where nobody answered.
    #[schema(max_items = 9)]
    pub no_answer_seconds: Vec<u32>,
    /// The same where a machine answered and was hung up.
    #[schema(max_items = 9)]
    pub machine_seconds: Vec<u32>,
}

impl Default for RetryPlan {
    fn default() -> RetryPlan {
        RetryPlan { max_tries: 1, busy_seconds: vec![], no_answer_seconds: vec![], machine_seconds: vec![] }
    }
}

impl RetryPlan {
    /// How long after a try that ended so the next one is due, where so many were made already (this one included); none: it was the last.
    pub fn wait(&self, outcome: Outcome, tries: u8) -> Option<Duration> {
        let waits = match outcome {
            Outcome::CustomerBusy => &self.busy_seconds,
            Outcome::CustomerNoAnswer => &self.no_answer_seconds,
            Outcome::CustomerMachine => &self.machine_seconds,
            _ => return None,
        };
        let again = usize::from(tries.checked_sub(1)?);
        let wait = waits.get(again).or_else(|| waits.last()).filter(|_| tries < self.max_tries)?;
        Some(Duration::from_secs(u64::from(*wait)))
    }

    /// True when some end of a try is followed by another.
    pub fn tries_again(&self) -> bool {
        self.max_tries > 1 && self.lists().iter().any(|(_, waits)| !waits.is_empty())
    }

    /// What is out of bounds: the field and what would be right.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        if !(1..=MAX_TRIES).contains(&self.max_tries) {
            return Some(("max_tries", "1 to 10 tries, the first included"));
        }
        let bad = |waits: &[u32]| waits.len() > MAX_WAITS || waits.iter().any(|wait| !WAIT_SECONDS.contains(wait));
        let wrong = self.lists().into_iter().find(|(_, waits)| bad(waits));
        wrong.map(|(field, _)| (field, "at most 9 waits of 1 to 604800 seconds"))
    }

    /// The waits of each cause, by the name of their field.
    fn lists(&self) -> [(&'static str, &[u32]); 3] {
        [
            ("busy_seconds", &self.busy_seconds),
            ("no_answer_seconds", &self.no_answer_seconds),
            ("machine_seconds", &self.machine_seconds),
        ]
    }
}

/// What a message wants of its account's plan: less, or later.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RetryWish {
    /// Tries in all.
    pub max_tries: Option<u8>,
    /// Seconds after a busy line.
    pub busy_seconds: Option<Vec<u32>>,
    /// Where nobody answered.
    pub no_answer_seconds: Option<Vec<u32>>,
    /// Where a machine was hung up.
    pub machine_seconds: Option<Vec<u32>>,
}

impl RetryWish {
    /// The plan of a call of this account: what is not given is the account's. Refused where it would try oftener or sooner; says which field.
    pub fn within(self, account: &RetryPlan) -> Result<RetryPlan, &'static str> {
        let plan = RetryPlan {
            max_tries: self.max_tries.unwrap_or(account.max_tries),
            busy_seconds: self.busy_seconds.unwrap_or_else(|| account.busy_seconds.clone()),
            no_answer_seconds: self.no_answer_seconds.unwrap_or_else(|| account.no_answer_seconds.clone()),
            machine_seconds: self.machine_seconds.unwrap_or_else(|| account.machine_seconds.clone()),
        };
        if plan.max_tries > account.max_tries {
            return Err("max_tries");
        }
        for ((field, asked), (_, allowed)) in plan.lists().into_iter().zip(account.lists()) {
            let shortest = allowed.iter().min();
            if asked.iter().any(|wait| shortest.is_none_or(|shortest| wait < shortest)) {
                return Err(field);
            }
        }
        Ok(plan)
    }
}

/// What a message asks of all this; resolved when it is accepted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ContactWish {
    /// Between which moments.
    pub window: Option<WindowWish>,
    /// How it is tried again.
    pub retry: Option<RetryWish>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> RetryPlan {
        RetryPlan {
            max_tries: 4,
            busy_seconds: vec![60, 300],
            no_answer_seconds: vec![900],
            machine_seconds: Vec::new(),
        }
    }

    #[test]
    fn each_cause_has_waits_of_its_own_and_the_last_one_stands_for_all_beyond() {
        let seconds = |outcome, tries| plan().wait(outcome, tries).map(|wait| wait.as_secs());
        let busy: Vec<_> = (1..=4).map(|tries| seconds(Outcome::CustomerBusy, tries)).collect();
        assert_eq!(busy, [Some(60), Some(300), Some(300), None], "four tries in all");
        assert_eq!(seconds(Outcome::CustomerNoAnswer, 2), Some(900));
        assert_eq!(seconds(Outcome::CustomerMachine, 1), None);
        assert_eq!(seconds(Outcome::CustomerRejected, 1), None, "who declines is left alone");
        assert!(plan().tries_again() && !RetryPlan::default().tries_again());
    }

    #[test]
    fn a_message_asks_for_less_or_later_and_never_for_more() {
        let wish = |max_tries, busy: Option<&[u32]>| RetryWish {
            max_tries,
            busy_seconds: busy.map(<[u32]>::to_vec),
            ..RetryWish::default()
        };
        assert_eq!(wish(None, None).within(&plan()), Ok(plan()));
        assert_eq!(wish(Some(1), Some(&[])).within(&plan()).map(|plan| plan.tries_again()), Ok(false));
        assert_eq!(wish(Some(2), Some(&[60, 4000])).within(&plan()).map(|plan| plan.max_tries), Ok(2));
        assert_eq!(wish(Some(5), None).within(&plan()), Err("max_tries"));
        assert_eq!(wish(None, Some(&[59])).within(&plan()), Err("busy_seconds"));
        let machines = RetryWish { machine_seconds: Some(vec![600]), ..RetryWish::default() };
        assert_eq!(machines.within(&plan()), Err("machine_seconds"), "the account tries no machine again");
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        assert_eq!(plan().problem(), None);
        let field = |plan: RetryPlan| plan.problem().map(|(field, _)| field);
        assert_eq!(field(RetryPlan { max_tries: 0, ..plan() }), Some("max_tries"));
        assert_eq!(field(RetryPlan { max_tries: 11, ..plan() }), Some("max_tries"));
        assert_eq!(field(RetryPlan { busy_seconds: vec![0], ..plan() }), Some("busy_seconds"));
        assert_eq!(field(RetryPlan { machine_seconds: vec![60; 10], ..plan() }), Some("machine_seconds"));
    }
}

//! How long an account's calls are wanted and how often they are tried, as arguments. Owns them and how they change what was; refuses to
//! judge a call.

use clap::Args;

use crate::model::contact::{EXPIRES_SECONDS, MAX_TRIES, MAX_WAITS, WAIT_SECONDS};
use crate::model::{Contact, RetryPlan};

/// A list of waits, or `none` for an empty one.
#[derive(Clone, Debug)]
struct Waits(Vec<u32>);

fn waits(text: &str) -> Result<Waits, String> {
    if text == "none" {
        return Ok(Waits(Vec::new()));
    }
    let wait = |item: &str| item.trim().parse::<u32>().ok().filter(|wait| WAIT_SECONDS.contains(wait));
    let waits = text.split(',').map(wait).collect::<Option<Vec<u32>>>().filter(|waits| waits.len() <= MAX_WAITS);
    waits
        .map(Waits)
        .ok_or_else(|| "at most 9 waits of 1 to 604800 seconds with commas between them, or none".to_owned())
}

#[derive(Clone, Copy, Debug)]
struct Expiry(Option<u32>);

fn expiry(text: &str) -> Result<Expiry, String> {
    match text.parse::<u32>() {
        _ if text == "none" => Ok(Expiry(None)),
        Ok(seconds) if EXPIRES_SECONDS.contains(&seconds) => Ok(Expiry(Some(seconds))),
        _ => Err("1 to 2678400 seconds, or none".to_owned()),
    }
}

/// When and how often.
#[derive(Args, Debug)]
#[command(next_help_heading = "Contact time and tries")]
pub(super) struct ContactArgs {
    /// A call that could not be placed so many seconds after its time expires, where its message does not say when [new: none, which is
    /// `[call] late_seconds`]
    #[arg(long, value_name = "SECONDS|none", value_parser = expiry)]
    expires_after: Option<Expiry>,
    /// Tries of a call in all, the first included; 1: none is tried again [new: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_TRIES)))]
    max_tries: Option<u8>,
    /// Seconds from a busy line to the next try, such as 60,300: the last for all beyond [new: none, which is not tried again]
    #[arg(long, value_name = "SECONDS|none", value_parser = waits)]
    retry_busy: Option<Waits>,
    /// The same where nobody answered [new: none]
    #[arg(long, value_name = "SECONDS|none", value_parser = waits)]
    retry_no_answer: Option<Waits>,
    /// The same where a machine answered and was hung up [new: none]
    #[arg(long, value_name = "SECONDS|none", value_parser = waits)]
    retry_machine: Option<Waits>,
}

impl ContactArgs {
    /// What is given instead of what was.
    pub(super) fn contact(&self, old: Contact) -> Contact {
        let waits = |given: &Option<Waits>, old| given.clone().map_or(old, |waits| waits.0);
        let plan = old.retry;
        Contact {
            expires_after_seconds: self.expires_after.map_or(old.expires_after_seconds, |expiry| expiry.0),
            retry: RetryPlan {
                max_tries: self.max_tries.unwrap_or(plan.max_tries),
                busy_seconds: waits(&self.retry_busy, plan.busy_seconds),
                no_answer_seconds: waits(&self.retry_no_answer, plan.no_answer_seconds),
                machine_seconds: waits(&self.retry_machine, plan.machine_seconds),
            },
        }
    }
}

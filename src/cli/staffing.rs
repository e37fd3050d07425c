//! What an account says of its representatives and of how its calls are distributed among them, as arguments. Owns these arguments; what
//! has no argument of its own (shifts, languages, hours) comes from a file of the admin API's form.

use std::path::PathBuf;

use clap::Args;

use super::CliError;
use crate::model::{Endpoint, Representative, RepresentativeId, Staffing, Strategy};

/// What is said of representatives.
#[derive(Args, Debug)]
#[command(next_help_heading = "Representatives and call distribution")]
pub(super) struct StaffingArgs {
    /// A representative: ID=ADDRESS[#SKILL[:LEVEL],…], levels 1 to 10; repeat for more. One of this name is replaced
    #[arg(long, value_name = "REPRESENTATIVE", value_parser = Representative::parse)]
    representative: Vec<Representative>,
    /// A representative who is no more; repeat for more
    #[arg(long, value_name = "ID")]
    remove_representative: Vec<RepresentativeId>,
    /// All of it from a JSON file, as the admin API has it in `staffing`; what else is given comes on top
    #[arg(long, value_name = "FILE")]
    staffing: Option<PathBuf>,
    /// Who of the free is called first: longest_idle, fewest_calls, skill_best, round_robin, priority [new: longest_idle]
    #[arg(long, value_name = "STRATEGY", value_parser = strategy)]
    strategy: Option<Strategy>,
    /// Where customers go whom nobody is there for; empty: nowhere
    #[arg(long, value_name = "ADDRESS")]
    overflow: Option<String>,
    /// After a talk a representative is not called for so long [new: 10]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=3600))]
    wrap_up_seconds: Option<u32>,
    /// Of a thousand customers who answer, so many may find nobody free yet; 0: nobody is called ahead [new: 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=500))]
    late_per_mille: Option<u16>,
    /// A customer in line is given up after this [new: 1800]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    max_wait_seconds: Option<u32>,
}

fn strategy(text: &str) -> Result<Strategy, &'static str> {
    Strategy::parse(text).ok_or("longest_idle, fewest_calls, skill_best, round_robin or priority")
}

impl StaffingArgs {
    /// What is given instead of what was.
    pub(super) fn staffing(&self, old: Staffing) -> Result<Staffing, CliError> {
        let refused = CliError::Refused;
        let mut staffing = match &self.staffing {
            None => old,
            Some(path) => {
                let wrong = |why: String| refused(format!("{}: {why}", path.display()));
                let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
                serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?
            }
        };
        for gone in &self.remove_representative {
            let before = staffing.representatives.len();
            staffing.representatives.retain(|one| one.id != *gone);
            if staffing.representatives.len() == before {
                return Err(refused(format!("there is no representative {gone}")));
            }
        }
        for given in &self.representative {
            match staffing.representatives.iter_mut().find(|one| one.id == given.id) {
                Some(one) => {
                    (one.address, one.skills) = (given.address.clone(), given.skills.clone());
                }
                None => staffing.representatives.push(given.clone()),
            }
        }
        staffing.overflow = match self.overflow.as_deref() {
            None => staffing.overflow,
            Some("") => None,
            Some(text) => Some(Endpoint::parse(text).map_err(|why| refused(format!("--overflow {text:?} is {why}")))?),
        };
        Ok(Staffing {
            strategy: self.strategy.unwrap_or(staffing.strategy),
            wrap_up_seconds: self.wrap_up_seconds.unwrap_or(staffing.wrap_up_seconds),
            late_per_mille: self.late_per_mille.unwrap_or(staffing.late_per_mille),
            max_wait_seconds: self.max_wait_seconds.unwrap_or(staffing.max_wait_seconds),
            ..staffing
        })
    }
}

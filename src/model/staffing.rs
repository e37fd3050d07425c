//! How a business's calls are distributed among its representatives: the account's settings for call distribution routine 338. Owns
//! their shape, defaults and bounds; refuses to decide anything (`acd` does).

use serde::{Deserialize, Serialize};

use super::hours::Hours;
use super::representative::Representative;
use super::{Endpoint, RepresentativeId};

/// Most representatives of one business.
pub const MAX_REPRESENTATIVES: usize = 2_000;
/// Most customers of one business that wait, are called or talk at once.
pub const MAX_CUSTOMERS: u32 = 20_000;

/// Who is called first among those who are free.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Who has been free for longest.
    #[default]
    LongestIdle,
    /// Who has had the fewest calls; who logs on begins with the fewest that anybody there has.
    FewestCalls,
    /// Who knows best what the customer needs; among equals, who has been free for longest.
    SkillBest,
    /// The next in the account's order after the one called last.
    RoundRobin,
    /// The lowest tier; within it, who has been free for longest.
    Priority,
}

impl Strategy {
    /// As it is written.
    pub fn parse(text: &str) -> Option<Strategy> {
        Strategy::ALL.into_iter().find(|strategy| strategy.as_str() == text)
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::LongestIdle => "longest_idle",
            Strategy::FewestCalls => "fewest_calls",
            Strategy::SkillBest => "skill_best",
            Strategy::RoundRobin => "round_robin",
            Strategy::Priority => "priority",
        }
    }

    /// Every one.
    pub const ALL: [Strategy; 5] =
        [Strategy::LongestIdle, Strategy::FewestCalls, Strategy::SkillBest, Strategy::RoundRobin, Strategy::Priority];
}

/// What an account says of its call distribution. Without representatives there is none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Staffing {
    /// Who, in the account's order.
    pub representatives: Vec<Representative>,
    /// Who of them first.
    pub strategy: Strategy,
    /// After a talk a representative is not called for so long, in seconds.
    pub wrap_up_seconds: u32,
    /// A representative who did not take a call is not called for so long, in seconds.
    pub set_aside_seconds: u32,
    /// Of a thousand customers who answer, so many may find nobody free yet; 0: nobody is called before somebody is free.
    pub late_per_mille: u16,
    /// A customer who has answered is late when no representative's phone rings within this, in milliseconds.
    pub grace_millis: u32,
    /// A customer in line is given up after this, in seconds.
    pub max_wait_seconds: u32,
    /// Customers who wait, are called or talk at once.
    pub max_customers: u32,
    /// So many representatives are tried for one customer.
    pub max_offers: u8,
    /// Each step of a customer's priority counts as so many seconds of waiting.
    pub priority_seconds: u32,
    /// Where customers go whom nobody is there for.
    pub overflow: Option<Endpoint>,
    /// When calls are taken; absent: always.
    pub hours: Option<Hours>,
}

impl Default for Staffing {
    fn default() -> Staffing {
        Staffing {
            representatives: Vec::new(),
            strategy: Strategy::LongestIdle,
            wrap_up_seconds: 10,
            set_aside_seconds: 120,
            late_per_mille: 30,
            grace_millis: 2_000,
            max_wait_seconds: 1_800,
            max_customers: 1_000,
            max_offers: 5,
            priority_seconds: 60,
            overflow: None,
            hours: None,
        }
    }
}

impl Staffing {
    /// Whether the equipment distributes this account's calls at all.
    pub fn is_staffed(&self) -> bool {
        !self.representatives.is_empty()
    }

    /// The representative of this identifier.
    pub fn find(&self, id: &RepresentativeId) -> Option<&Representative> {
        self.representatives.iter().find(|representative| representative.id == *id)
    }

    /// What is wrong with it as a whole.
    pub fn problem(&self) -> Option<String> {
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = self.representatives.iter().find(|one| !seen.insert(&one.id)) {
            return Some(format!("two representatives are called {:?}", twice.id.as_str()));
        }
        let count = u32::try_from(self.representatives.len()).unwrap_or(u32::MAX);
        let most = u32::try_from(MAX_REPRESENTATIVES).unwrap_or(u32::MAX);
        let bounds = [
            (count, 0..=most, "representatives"),
            (self.wrap_up_seconds, 0..=3_600, "wrap_up_seconds"),
            (self.set_aside_seconds, 1..=86_400, "set_aside_seconds"),
            (self.late_per_mille.into(), 0..=500, "late_per_mille"),
            (self.grace_millis, 0..=60_000, "grace_millis"),
            (self.max_wait_seconds, 1..=86_400, "max_wait_seconds"),
            (self.max_customers, 1..=MAX_CUSTOMERS, "max_customers"),
            (self.max_offers.into(), 1..=16, "max_offers"),
            (self.priority_seconds, 0..=3_600, "priority_seconds"),
        ];
        if let Some((given, range, what)) = bounds.into_iter().find(|(given, range, _)| !range.contains(given)) {
            return Some(format!("{what} is {given}, not {} to {}", range.start(), range.end()));
        }
        let person = self.representatives.iter().find_map(Representative::problem);
        person.or_else(|| self.hours.as_ref().and_then(Hours::problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_without_a_word_has_the_defaults_and_nobody() {
        let staffing: Staffing = serde_json::from_str("{}").unwrap();
        assert_eq!((staffing.problem(), staffing.is_staffed()), (None, false));
        assert!(serde_json::from_str::<Staffing>(r#"{"strategies":"priority"}"#).is_err());
        let staffing: Staffing =
            serde_json::from_str(r#"{"strategy":"skill_best","overflow":"+12125550109"}"#).unwrap();
        assert_eq!(staffing.strategy, Strategy::SkillBest);
        assert_eq!(serde_json::from_str::<Staffing>(&serde_json::to_string(&staffing).unwrap()).unwrap(), staffing);
    }

    #[test]
    fn what_contradicts_itself_or_has_no_bound_is_told() {
        let anna = Representative::new("anna".parse().unwrap(), Endpoint::parse("+12125550101").unwrap());
        let twice = Staffing { representatives: vec![anna.clone(), anna], ..Staffing::default() };
        assert!(twice.problem().unwrap().contains("anna"));
        assert!(Staffing { late_per_mille: 501, ..Staffing::default() }.problem().is_some());
        assert!(Staffing { max_offers: 0, ..Staffing::default() }.problem().is_some());
    }
}

//! A carrier's tariffs: named price lists by destination and date, and what a leg was rated by. Owns their shapes, their words, and which
//! rates contradict each other or leave a hole; refuses to look a price up and to compute one (`billing` does).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::{Currency, Prefix, Role};
use crate::clock::Wall;

/// Most rates of one tariff.
pub const MAX_RATES: usize = 1_000_000;

/// A tariff's name: 1 to 64 letters, digits, `.`, `_`, `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,64}$", example = "retail")]
pub struct TariffName(Arc<str>);

/// The text is no name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a tariff's name: 1 to 64 letters, digits, . _ -")]
pub struct TariffNameError;

impl TariffName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TariffName {
    type Err = TariffNameError;
    fn from_str(text: &str) -> Result<TariffName, TariffNameError> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(good);
        if fits { Ok(TariffName(Arc::from(text))) } else { Err(TariffNameError) }
    }
}

/// What a rate is for. The longest of those that match is the one that counts: a number's prefix, else `Any`; `Sip` and `Ip` before `Any`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Destination {
    /// Everything: written as nothing.
    Any,
    /// Numbers that begin so, also those that a SIP address has for its user (`sip:+12125550100@…`).
    Numbers(Prefix),
    /// Other SIP addresses.
    Sip,
    /// IP addresses.
    Ip,
}

/// The text is no destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a destination: a prefix of 1 to 15 digits such as +1212, sip, ip, or nothing for everything")]
pub struct DestinationError;

impl FromStr for Destination {
    type Err = DestinationError;
    /// A prefix may stand without its `+`: spreadsheets take it for a sign.
    fn from_str(text: &str) -> Result<Destination, DestinationError> {
        match text {
            "" => Ok(Destination::Any),
            "sip" => Ok(Destination::Sip),
            "ip" => Ok(Destination::Ip),
            _ => {
                let digits = text.strip_prefix('+').unwrap_or(text);
                format!("+{digits}").parse().map(Destination::Numbers).map_err(|_| DestinationError)
            }
        }
    }
}

impl Destination {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Destination::Any => "",
            Destination::Numbers(prefix) => prefix.as_str(),
            Destination::Sip => "sip",
            Destination::Ip => "ip",
        }
    }
}

/// Legs of whom a rate is for. A supervisor pays as a representative does: both are somebody of the business's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatedLegs {
    /// Of everybody.
    #[default]
    Both,
    /// The customer's.
    Customer,
    /// Representatives' and supervisors'.
    Representative,
}

impl RatedLegs {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            RatedLegs::Both => "both",
            RatedLegs::Customer => "customer",
            RatedLegs::Representative => "representative",
        }
    }

    /// Reads its word.
    pub fn parse(text: &str) -> Result<RatedLegs, &'static str> {
        match text {
            "" | "both" => Ok(RatedLegs::Both),
            "customer" => Ok(RatedLegs::Customer),
            "representative" => Ok(RatedLegs::Representative),
            _ => Err("neither customer, representative nor both"),
        }
    }

    /// Whether it rates legs of this role.
    pub fn rates(self, role: Role) -> bool {
        match (self, role) {
            (RatedLegs::Both, _) => true,
            (RatedLegs::Customer, role) => role == Role::Customer,
            (RatedLegs::Representative, role) => role != Role::Customer,
        }
    }
}

/// One price: for whom, where to, and from when until when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rate {
    /// Where to.
    pub prefix: Destination,
    /// Whose legs.
    pub leg: RatedLegs,
    /// Micro-units a minute.
    pub per_minute_micros: i64,
    /// Micro-units for each leg that is answered, whatever its length.
    pub setup_micros: i64,
    /// Seconds are rounded up to a multiple of this (≥ 1).
    pub increment_seconds: u32,
    /// An answered leg is billed at least so many seconds.
    pub minimum_seconds: u32,
    /// Legs answered at or after; absent: always.
    pub effective_from: Option<Wall>,
    /// Legs answered before; absent: until the next rate for the same begins, or for ever.
    pub effective_to: Option<Wall>,
}

/// A tariff of the carrier's: `[[tariff]]`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RatePlan {
    /// Its name, by which accounts have it.
    pub name: TariffName,
    /// What its micro-units are of.
    pub currency: Currency,
    /// Its rates, as they were written.
    pub rates: Vec<Rate>,
}

/// Why a rate cannot stand where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateProblem {
    /// Which rate, by its place in the plan.
    pub rate: usize,
    /// Why.
    pub why: RateConflict,
}

/// How rates contradict each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RateConflict {
    /// It ends before it begins.
    Backwards,
    /// Another one for the same legs and destination is in force at the same time.
    Overlaps(usize),
    /// Between the end of another one and its beginning nothing is in force.
    Gap(usize),
}

impl RatePlan {
    /// Every rate that contradicts another one, or leaves a time without a price between two. After the last rate of a prefix ends, a
    /// shorter prefix holds.
    pub fn problems(&self) -> Vec<RateProblem> {
        let mut problems = Vec::new();
        for role in [Role::Customer, Role::Representative] {
            let mut order: Vec<usize> = (0..self.rates.len()).collect();
            order.retain(|at| self.rates.get(*at).is_some_and(|rate| rate.leg.rates(role)));
            order.sort_by_key(|at| self.rates.get(*at).map(|rate| (&rate.prefix, rate.effective_from)));
            let all = order.iter().filter_map(|at| self.rates.get(*at).map(|rate| (*at, rate)));
            let mut before: Option<(usize, &Rate)> = None;
            for (at, rate) in all {
                if rate.effective_to.is_some_and(|to| rate.effective_from.is_some_and(|from| to <= from)) {
                    problems.push(RateProblem { rate: at, why: RateConflict::Backwards });
                } else if let Some((other, last)) = before.filter(|(_, last)| last.prefix == rate.prefix) {
                    let why = match (last.effective_to, rate.effective_from) {
                        (_, from) if from == last.effective_from => Some(RateConflict::Overlaps(other)),
                        (Some(to), Some(from)) if to > from => Some(RateConflict::Overlaps(other)),
                        (Some(to), Some(from)) if to < from => Some(RateConflict::Gap(other)),
                        _ => None,
                    };
                    problems.extend(why.map(|why| RateProblem { rate: at, why }));
                }
                before = Some((at, rate));
            }
        }
        // A rate for both legs would be told twice.
        problems.sort_by_key(|problem| (problem.rate, matches!(problem.why, RateConflict::Gap(_))));
        problems.dedup_by_key(|problem| problem.rate);
        problems
    }

    /// Names what the rates say, whatever their order: equal versions have equal prices.
    pub fn version(&self) -> TariffVersion {
        let line = |rate: &Rate| {
            let Rate { per_minute_micros, setup_micros, increment_seconds, minimum_seconds, .. } = rate;
            let at = |time: Option<Wall>| time.map_or_else(|| "-".to_owned(), |at| at.0.to_string());
            let (from, to) = (at(rate.effective_from), at(rate.effective_to));
            let (prefix, leg) = (rate.prefix.as_str(), rate.leg.as_str());
            format!(
                "{prefix},{leg},{per_minute_micros},{setup_micros},{increment_seconds},{minimum_seconds},{from},{to}\n"
            )
        };
        let mut lines: Vec<String> = self.rates.iter().map(line).collect();
        lines.sort_unstable();
        let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
        hash.update(format!("{}\n", self.currency).as_bytes());
        lines.iter().for_each(|line| hash.update(line.as_bytes()));
        let mut first = [0; 8];
        first.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
        TariffVersion(u64::from_be_bytes(first))
    }
}

/// Names what a tariff said: 16 digits in base 16, the beginning of a SHA-256 of its rates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9a-f]{16}$")]
pub struct TariffVersion(pub u64);

impl fmt::Display for TariffVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for TariffVersion {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<TariffVersion, Self::Err> {
        u64::from_str_radix(text, 16).map(TariffVersion)
    }
}

/// What a leg was rated by: with its times enough to compute its price again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct LegRate {
    /// The carrier's tariff; absent: the account's own prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff: Option<TariffName>,
    /// What that tariff said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<TariffVersion>,
    /// The destination that the rate is for; absent: the account's own prices are for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Destination>,
    /// Micro-units a minute.
    pub per_minute_micros: i64,
    /// Micro-units for the answer.
    pub setup_micros: i64,
    /// Seconds are rounded up to a multiple of this.
    pub increment_seconds: u32,
    /// Seconds that are billed at least.
    pub minimum_seconds: u32,
    /// What the micro-units are of.
    pub currency: Currency,
}

macro_rules! as_text {
    ($($name:ident $show:expr;)+) => {
        $(
            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    let show: fn(&$name) -> String = $show;
                    serializer.serialize_str(&show(self))
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                }
            }
        )+
    };
}

as_text! {
    TariffName |name| name.as_str().to_owned();
    Destination |to| to.as_str().to_owned();
    TariffVersion |version| version.to_string();
}

impl fmt::Display for TariffName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(prefix: &str, leg: RatedLegs, from: Option<i64>, to: Option<i64>) -> Rate {
        Rate {
            prefix: prefix.parse().unwrap(),
            leg,
            per_minute_micros: 1,
            setup_micros: 0,
            increment_seconds: 1,
            minimum_seconds: 0,
            effective_from: from.map(Wall),
            effective_to: to.map(Wall),
        }
    }

    fn problems(rates: &[Rate]) -> Vec<(usize, RateConflict)> {
        let plan = RatePlan { name: "t".parse().unwrap(), currency: Currency::USD, rates: rates.to_vec() };
        plan.problems().into_iter().map(|problem| (problem.rate, problem.why)).collect()
    }

    #[test]
    fn a_destination_is_written_as_it_is_read() {
        for text in ["", "+1", "+123456789012345", "sip", "ip"] {
            assert_eq!(text.parse::<Destination>().unwrap().as_str(), text);
        }
        assert_eq!("44".parse::<Destination>().unwrap().as_str(), "+44");
        for bad in ["+", "++1", "+1234567890123456", "tel", "+1 2", "SIP"] {
            assert!(bad.parse::<Destination>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_that_follow_each_other_are_in_order() {
        use RatedLegs::{Both, Customer, Representative};
        let chain =
            [rate("+1", Both, None, None), rate("+1", Both, Some(10), Some(20)), rate("+1", Both, Some(20), None)];
        assert_eq!(problems(&chain), []);
        let apart =
            [rate("+1", Customer, None, None), rate("+1", Representative, None, None), rate("", Both, None, None)];
        assert_eq!(problems(&apart), []);
    }

    #[test]
    fn two_rates_for_one_leg_at_one_time_contradict_each_other() {
        use RatedLegs::{Both, Customer};
        let same = [rate("+1", Both, None, None), rate("+1", Customer, None, None)];
        assert_eq!(problems(&same), [(1, RateConflict::Overlaps(0))]);
        let late = [rate("+1", Both, Some(10), Some(30)), rate("+1", Both, Some(20), None)];
        assert_eq!(problems(&late), [(1, RateConflict::Overlaps(0))]);
        assert_eq!(problems(&[rate("+1", Both, Some(10), Some(10))]), [(0, RateConflict::Backwards)]);
    }

    #[test]
    fn a_time_without_a_price_between_two_is_a_gap() {
        use RatedLegs::Both;
        let hole = [rate("+1", Both, Some(30), None), rate("+1", Both, None, Some(20))];
        assert_eq!(problems(&hole), [(0, RateConflict::Gap(1))]);
        assert_eq!(problems(&[rate("+1", Both, Some(10), Some(20))]), [], "before and after it a shorter prefix holds");
    }

    #[test]
    fn a_version_names_what_the_rates_say_whatever_their_order() {
        let plan =
            |rates: &[Rate]| RatePlan { name: "t".parse().unwrap(), currency: Currency::USD, rates: rates.to_vec() };
        let (a, b) = (rate("+1", RatedLegs::Both, None, None), rate("+44", RatedLegs::Both, None, None));
        let version = plan(&[a.clone(), b.clone()]).version();
        assert_eq!(plan(&[b.clone(), a.clone()]).version(), version);
        assert_eq!(version.to_string().parse(), Ok(version));
        let dearer = Rate { setup_micros: 1, ..b };
        assert_ne!(plan(&[a, dearer]).version(), version);
    }
}

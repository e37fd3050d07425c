//! The limits of an account, as arguments. Owns them and how they change what was; refuses to judge a call.

use clap::Args;

use super::CliError;
use crate::model::limits::{MAX_PREFIXES, MAX_SPEND_MICROS, RESERVE_SECONDS};
use crate::model::{
    AtCeiling, Destinations, Duplicates, Guard, Limits, NumberKind, Prefix, QuietHours, Quietly, TimeOfDay, Zone,
};

/// A bound that can be taken away again.
#[derive(Clone, Copy, Debug)]
struct Bound<T>(Option<T>);

fn bound(text: &str) -> Result<Bound<u32>, String> {
    match text {
        "none" => Ok(Bound(None)),
        number => number.parse().map(|most| Bound(Some(most))).map_err(|_| "a whole number, or none".to_owned()),
    }
}

fn money(text: &str) -> Result<Bound<i64>, String> {
    match text.parse::<i64>() {
        _ if text == "none" => Ok(Bound(None)),
        Ok(most) if (0..=MAX_SPEND_MICROS).contains(&most) => Ok(Bound(Some(most))),
        _ => Err("millionths of the currency, or none".to_owned()),
    }
}

fn span(text: &str) -> Result<Bound<(TimeOfDay, TimeOfDay)>, &'static str> {
    match text {
        "none" => Ok(Bound(None)),
        span => QuietHours::parse_span(span).map(|span| Bound(Some(span))),
    }
}

/// A list, or `none` for an empty one.
#[derive(Clone, Debug)]
struct List<T>(Vec<T>);

fn list<T>(text: &str, one: impl Fn(&str) -> Result<T, String>) -> Result<List<T>, String> {
    match text {
        "none" => Ok(List(Vec::new())),
        list => {
            let items: Vec<T> = list.split(',').map(|item| one(item.trim())).collect::<Result<_, _>>()?;
            if items.len() > MAX_PREFIXES { Err(format!("at most {MAX_PREFIXES}")) } else { Ok(List(items)) }
        }
    }
}

fn prefixes(text: &str) -> Result<List<Prefix>, String> {
    list(text, |item| item.parse::<Prefix>().map_err(|error| error.to_string()))
}

fn kinds(text: &str) -> Result<List<NumberKind>, String> {
    list(text, |item| NumberKind::parse(item).map_err(str::to_owned))
}

/// What stands against fraud.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// Calls alive at once [new: 100]
    #[arg(long, value_name = "N")]
    max_concurrent: Option<u32>,
    /// Messages a second [new: 50]
    #[arg(long, value_name = "N")]
    max_per_second: Option<u32>,
    /// Calls waiting for their desired contact time [new: 10000]
    #[arg(long, value_name = "N")]
    max_scheduled: Option<u32>,
    /// Calls of one day (UTC), by the day that they are wanted on [new: none]
    #[arg(long, value_name = "N|none", value_parser = bound)]
    max_calls_per_day: Option<Bound<u32>>,
    /// Billed minutes of all legs of a day's calls [new: none]
    #[arg(long, value_name = "N|none", value_parser = bound)]
    max_minutes_per_day: Option<Bound<u32>>,
    /// And of a month's [new: none]
    #[arg(long, value_name = "N|none", value_parser = bound)]
    max_minutes_per_month: Option<Bound<u32>>,
    /// What a day's calls may cost, in millionths of its currency [new: none]
    #[arg(long, value_name = "N|none", value_parser = money)]
    max_spend_per_day_micros: Option<Bound<i64>>,
    /// And a month's [new: none]
    #[arg(long, value_name = "N|none", value_parser = money)]
    max_spend_per_month_micros: Option<Bound<i64>>,
    /// Calls by message to one customer's number in an hour [new: none]
    #[arg(long, value_name = "N|none", value_parser = bound)]
    max_per_number_per_hour: Option<Bound<u32>>,
    /// And in 24 hours [new: none]
    #[arg(long, value_name = "N|none", value_parser = bound)]
    max_per_number_per_day: Option<Bound<u32>>,
    /// For so long, of both legs, there must be room below the ceilings when a call is accepted, and again while it lives [new: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(RESERVE_SECONDS))]
    reserve_seconds: Option<u32>,
    /// What becomes of live calls when minutes or money are used up: refuse (new ones only) or hang_up (live ones too) [new: refuse]
    #[arg(long, value_name = "WHAT", value_parser = AtCeiling::parse)]
    at_ceiling: Option<AtCeiling>,
    /// A message for a customer and a representative who are in a call already: allow, conflict (409) or too_many (429) [new: conflict]
    #[arg(long, value_name = "WHAT", value_parser = Duplicates::parse)]
    duplicates: Option<Duplicates>,
    /// Prefixes in E.164 with commas between them: it calls there and nowhere else [new: none, which is anywhere]
    #[arg(long, value_name = "PREFIXES|none", value_parser = prefixes)]
    allow_destinations: Option<List<Prefix>>,
    /// Prefixes that it never calls; the longer one of two wins, of two equal ones this [new: none]
    #[arg(long, value_name = "PREFIXES|none", value_parser = prefixes)]
    deny_destinations: Option<List<Prefix>>,
    /// Kinds of numbers that it never calls, but where allow_destinations names their range: premium, shared_cost, personal, satellite
    /// [new: premium,satellite]
    #[arg(long, value_name = "KINDS|none", value_parser = kinds)]
    deny_kinds: Option<List<NumberKind>>,
    /// When no customer is called, by the clock where the customer is, such as 21:00-08:00 [new: none]
    #[arg(long, value_name = "FROM-TO|none", value_parser = span)]
    quiet_hours: Option<Bound<(TimeOfDay, TimeOfDay)>>,
    /// What becomes of a call in quiet hours that is wanted at once: refuse or defer (until they end) [new: refuse]
    #[arg(long, value_name = "WHAT", value_parser = Quietly::parse)]
    quiet_calls: Option<Quietly>,
    /// The time zone of customers who are in no country, such as SIP addresses [new: UTC]
    #[arg(long, value_name = "ZONE")]
    quiet_zone: Option<Zone>,
}

impl LimitArgs {
    /// What is given instead of what was.
    pub(super) fn limits(&self, old: Limits) -> Limits {
        let bound = |given: Option<Bound<u32>>, old| given.map_or(old, |bound| bound.0);
        let money = |given: Option<Bound<i64>>, old| given.map_or(old, |bound| bound.0);
        Limits {
            max_concurrent: self.max_concurrent.unwrap_or(old.max_concurrent),
            max_per_second: self.max_per_second.unwrap_or(old.max_per_second),
            max_scheduled: self.max_scheduled.unwrap_or(old.max_scheduled),
            max_calls_per_day: bound(self.max_calls_per_day, old.max_calls_per_day),
            max_minutes_per_day: bound(self.max_minutes_per_day, old.max_minutes_per_day),
            max_minutes_per_month: bound(self.max_minutes_per_month, old.max_minutes_per_month),
            max_spend_per_day_micros: money(self.max_spend_per_day_micros, old.max_spend_per_day_micros),
            max_spend_per_month_micros: money(self.max_spend_per_month_micros, old.max_spend_per_month_micros),
            max_per_number_per_hour: bound(self.max_per_number_per_hour, old.max_per_number_per_hour),
            max_per_number_per_day: bound(self.max_per_number_per_day, old.max_per_number_per_day),
            reserve_seconds: self.reserve_seconds.unwrap_or(old.reserve_seconds),
            at_ceiling: self.at_ceiling.unwrap_or(old.at_ceiling),
            duplicates: self.duplicates.unwrap_or(old.duplicates),
        }
    }

    /// The same, of where and when it may call.
    pub(super) fn guard(&self, old: Guard) -> Result<Guard, CliError> {
        let Guard { destinations, quiet } = old;
        let destinations = Destinations {
            allow: self.allow_destinations.clone().map_or(destinations.allow, |list| list.0),
            deny: self.deny_destinations.clone().map_or(destinations.deny, |list| list.0),
            deny_kinds: self.deny_kinds.clone().map_or(destinations.deny_kinds, |list| list.0),
        };
        let was = quiet.as_ref().map(|hours| (hours.from, hours.to));
        let Some((from, to)) = self.quiet_hours.map_or(was, |bound| bound.0) else {
            return match self.quiet_calls.is_some() || self.quiet_zone.is_some() {
                true => Err(CliError::Refused(
                    "there are no quiet hours\n    mend: give --quiet-hours 21:00-08:00".to_owned(),
                )),
                false => Ok(Guard { destinations, quiet: None }),
            };
        };
        let old = quiet.as_ref();
        let calls = self.quiet_calls.or(old.map(|hours| hours.calls)).unwrap_or_default();
        let zone = self.quiet_zone.clone().or(old.map(|hours| hours.zone.clone())).unwrap_or_default();
        Ok(Guard { destinations, quiet: Some(QuietHours { from, to, calls, zone }) })
    }
}

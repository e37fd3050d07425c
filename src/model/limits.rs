//! What one business may do: how often, how long, for how much, to whom and when. Owns the shapes, their words and their defaults;
//! refuses to count and to judge (`access` does).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::{BusinessId, CallId, Currency, Money};
use crate::clock::Wall;

/// Most prefixes in each of an account's lists.
pub const MAX_PREFIXES: usize = 256;
/// A ceiling of a million million units: beyond it, something else was meant.
pub const MAX_SPEND_MICROS: i64 = 1_000_000_000_000_000_000;
/// Bounds of [`Limits::reserve_seconds`].
pub const RESERVE_SECONDS: std::ops::RangeInclusive<i64> = 5..=3600;

/// Bounds of one business in numbers. An absent one is no bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls alive at once (queued to bridged; scheduled ones count apart).
    pub max_concurrent: u32,
    /// Initiation messages a second, with a burst of the same size.
    pub max_per_second: u32,
    /// Calls waiting for their desired contact time.
    pub max_scheduled: u32,
    /// Calls accepted for one day (UTC), by the day that they are wanted on.
    pub max_calls_per_day: Option<u32>,
    /// Billed minutes of all legs of a day's calls.
    pub max_minutes_per_day: Option<u32>,
    /// Of a month's calls.
    pub max_minutes_per_month: Option<u32>,
    /// What a day's calls may cost, in millionths of the tariff's currency.
    pub max_spend_per_day_micros: Option<i64>,
    /// What a month's calls may cost.
    pub max_spend_per_month_micros: Option<i64>,
    /// Calls to one customer's number in an hour, those of direct requests apart (they have bounds of their own).
    pub max_per_number_per_hour: Option<u32>,
    /// And in 24 hours.
    pub max_per_number_per_day: Option<u32>,
    /// For so many seconds of both legs there must be room when a call is accepted, and again and again while it lives.
    pub reserve_seconds: u32,
    /// What becomes of live calls when minutes or money are used up.
    pub at_ceiling: AtCeiling,
    /// What becomes of a message for a pair that is in a call already.
    pub duplicates: Duplicates,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_concurrent: 100,
            max_per_second: 50,
            max_scheduled: 10_000,
            max_calls_per_day: None,
            max_minutes_per_day: None,
            max_minutes_per_month: None,
            max_spend_per_day_micros: None,
            max_spend_per_month_micros: None,
            max_per_number_per_hour: None,
            max_per_number_per_day: None,
            reserve_seconds: 60,
            at_ceiling: AtCeiling::default(),
            duplicates: Duplicates::default(),
        }
    }
}

impl Limits {
    /// True where minutes or money are bounded: live calls are looked at again and again.
    pub fn has_ceiling(&self) -> bool {
        self.max_minutes_per_day.is_some()
            || self.max_minutes_per_month.is_some()
            || self.max_spend_per_day_micros.is_some()
            || self.max_spend_per_month_micros.is_some()
    }

    /// True where calls to one number are counted.
    pub fn caps_numbers(&self) -> bool {
        self.max_per_number_per_hour.is_some() || self.max_per_number_per_day.is_some()
    }
}

/// What becomes of live calls when minutes or money are used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtCeiling {
    /// New calls are refused, live ones go on.
    #[default]
    Refuse,
    /// Live ones are hung up, too, before they would cost more.
    HangUp,
}

impl AtCeiling {
    /// As it is written in commands.
    pub fn parse(text: &str) -> Result<AtCeiling, &'static str> {
        match text {
            "refuse" => Ok(AtCeiling::Refuse),
            "hang_up" => Ok(AtCeiling::HangUp),
            _ => Err("refuse or hang_up"),
        }
    }
}

/// What becomes of a message for a customer and a representative who are in a call already, or wait for the same moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// Taken.
    Allow,
    /// Refused with 409.
    #[default]
    Conflict,
    /// Refused with 429.
    TooMany,
}

impl Duplicates {
    /// As it is written in commands.
    pub fn parse(text: &str) -> Result<Duplicates, &'static str> {
        match text {
            "allow" => Ok(Duplicates::Allow),
            "conflict" => Ok(Duplicates::Conflict),
            "too_many" => Ok(Duplicates::TooMany),
            _ => Err("allow, conflict (409) or too_many (429)"),
        }
    }
}

/// What a call has cost, or may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Billed seconds of all its legs.
    pub seconds: u64,
    /// The price.
    pub price: Money,
}

impl Cost {
    /// Both; kept at the greatest there is.
    pub fn plus(self, other: Cost) -> Cost {
        Cost {
            seconds: self.seconds.saturating_add(other.seconds),
            price: Money(self.price.0.saturating_add(other.price.0)),
        }
    }

    /// The greater one of each.
    pub fn at_least(self, other: Cost) -> Cost {
        Cost { seconds: self.seconds.max(other.seconds), price: self.price.max(other.price) }
    }
}

/// What the records of one day come to, for a business: how a restart knows what was used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DayUsage {
    /// Whose.
    pub business: BusinessId,
    /// The day of UTC, counted from 1970-01-01, that the calls were wanted on.
    pub day: i64,
    /// How many.
    pub calls: u64,
    /// What they cost is in this: a day has as many of these as its calls have currencies.
    pub currency: Currency,
    /// What they cost.
    pub cost: Cost,
}

/// A bound of a business was reached: told once for each period, not for each refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitReached {
    /// Names the event: the same for the same business, bound and period.
    pub id: CallId,
    /// Whose.
    pub business: BusinessId,
    /// Which bound.
    pub limit: Limit,
    /// How much it allows: calls, minutes or micro-units.
    pub quota: u64,
    /// The period's first moment.
    pub since: Wall,
    /// The first moment of the next one.
    pub until: Wall,
    /// Now.
    pub at: Wall,
}

/// A bound that can be reached: its word in `type`, metric, header and event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Limit {
    /// Calls of a day.
    CallsPerDay,
    /// Minutes of a day.
    MinutesPerDay,
    /// Minutes of a month.
    MinutesPerMonth,
    /// Money of a day.
    SpendPerDay,
    /// Money of a month.
    SpendPerMonth,
    /// Calls to one number in an hour.
    NumberPerHour,
    /// Calls to one number in 24 hours.
    NumberPerDay,
}

impl Limit {
    /// Every one.
    pub const ALL: [Limit; 7] = [
        Limit::CallsPerDay,
        Limit::MinutesPerDay,
        Limit::MinutesPerMonth,
        Limit::SpendPerDay,
        Limit::SpendPerMonth,
        Limit::NumberPerHour,
        Limit::NumberPerDay,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::CallsPerDay => "calls_per_day",
            Limit::MinutesPerDay => "minutes_per_day",
            Limit::MinutesPerMonth => "minutes_per_month",
            Limit::SpendPerDay => "spend_per_day",
            Limit::SpendPerMonth => "spend_per_month",
            Limit::NumberPerHour => "number_per_hour",
            Limit::NumberPerDay => "number_per_day",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Limit::CallsPerDay => "this account has as many calls on that day as it may have",
            Limit::MinutesPerDay => "this account has used up the minutes of that day",
            Limit::MinutesPerMonth => "this account has used up the minutes of that month",
            Limit::SpendPerDay => "this account has reached its ceiling of that day",
            Limit::SpendPerMonth => "this account has reached its ceiling of that month",
            Limit::NumberPerHour => "this customer was called often enough in this hour",
            Limit::NumberPerDay => "this customer was called often enough in these 24 hours",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where and when a business may call.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Where.
    pub destinations: Destinations,
    /// When not.
    pub quiet: Option<QuietHours>,
}

/// Where a business may call, beside what routing serves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Destinations {
    /// With one at least, nowhere else.
    pub allow: Vec<Prefix>,
    /// Nowhere there. The longer one of two wins, of two equal ones this.
    pub deny: Vec<Prefix>,
    /// No numbers of these kinds, unless `allow` names their range.
    pub deny_kinds: Vec<NumberKind>,
}

impl Default for Destinations {
    fn default() -> Destinations {
        Destinations {
            allow: Vec::new(),
            deny: Vec::new(),
            deny_kinds: vec![NumberKind::Premium, NumberKind::Satellite],
        }
    }
}

/// `+` and one to fifteen digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ToSchema)]
#[schema(value_type = String, pattern = "^\\+[0-9]{1,15}$", example = "+44")]
pub struct Prefix(String);

/// The text is no prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a prefix: + and 1 to 15 digits, such as +44")]
pub struct PrefixError;

impl Prefix {
    /// With its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;
    fn from_str(text: &str) -> Result<Prefix, PrefixError> {
        let digits = text.strip_prefix('+').ok_or(PrefixError)?;
        let good = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if good { Ok(Prefix(text.to_owned())) } else { Err(PrefixError) }
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Prefix, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A kind of number that costs more than it looks, or whoever it is called from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberKind {
    /// The called one earns on the call: premium rate, +979.
    Premium,
    /// The called one pays a part, at best: shared cost, +808.
    SharedCost,
    /// Follows a person anywhere, at the caller's cost: personal numbers, +878.
    Personal,
    /// Satellites and networks of no country: +870, +881, +882, +883.
    Satellite,
}

impl NumberKind {
    /// Every one.
    pub const ALL: [NumberKind; 4] =
        [NumberKind::Premium, NumberKind::SharedCost, NumberKind::Personal, NumberKind::Satellite];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            NumberKind::Premium => "premium",
            NumberKind::SharedCost => "shared_cost",
            NumberKind::Personal => "personal",
            NumberKind::Satellite => "satellite",
        }
    }

    /// Reads its word.
    pub fn parse(word: &str) -> Result<NumberKind, &'static str> {
        let found = NumberKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        found.ok_or("premium, shared_cost, personal or satellite")
    }
}

/// When nobody is called, by the clock where the called one is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// From this time of the day on.
    pub from: TimeOfDay,
    /// Until before this one; where it is not later than `from`, of the next day.
    pub to: TimeOfDay,
    /// What becomes of a call that is wanted as soon as possible.
    #[serde(default)]
    pub calls: Quietly,
    /// The zone of destinations that are in no country, such as SIP addresses.
    #[serde(default)]
    pub zone: Zone,
}

/// What becomes of a call that is wanted in quiet hours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quietly {
    /// It is refused.
    #[default]
    Refuse,
    /// It is placed when they end.
    Defer,
}

impl Quietly {
    /// As it is written in commands.
    pub fn parse(text: &str) -> Result<Quietly, &'static str> {
        match text {
            "refuse" => Ok(Quietly::Refuse),
            "defer" => Ok(Quietly::Defer),
            _ => Err("refuse or defer"),
        }
    }
}

/// A minute of the day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ToSchema)]
#[schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "21:00")]
pub struct TimeOfDay(u16);

/// The text is no time of the day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a time of the day, such as 21:00")]
pub struct TimeOfDayError;

impl TimeOfDay {
    /// Minutes since midnight.
    pub fn minutes(self) -> u16 {
        self.0
    }
}

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;
    fn from_str(text: &str) -> Result<TimeOfDay, TimeOfDayError> {
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        let two = |text: &str| digits(text).then(|| text.parse::<u16>().ok()).flatten();
        let (hour, minute) = text.split_once(':').ok_or(TimeOfDayError)?;
        match (two(hour), two(minute)) {
            (Some(hour @ 0..24), Some(minute @ 0..60)) => Ok(TimeOfDay(hour * 60 + minute)),
            _ => Err(TimeOfDayError),
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TimeOfDay, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The name of a time zone of the IANA database, which the program carries with it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "Europe/Berlin")]
pub struct Zone(String);

/// There is no such zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a time zone of the IANA database, such as America/New_York")]
pub struct ZoneError;

impl Zone {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Zone {
    fn default() -> Zone {
        Zone("UTC".to_owned())
    }
}

impl FromStr for Zone {
    type Err = ZoneError;
    fn from_str(text: &str) -> Result<Zone, ZoneError> {
        let zone = jiff::tz::TimeZone::get(text).map_err(|_| ZoneError)?;
        Ok(Zone(zone.iana_name().unwrap_or(text).to_owned()))
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Zone, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl QuietHours {
    /// Reads `21:00-08:00`.
    pub fn parse_span(text: &str) -> Result<(TimeOfDay, TimeOfDay), &'static str> {
        const FORM: &str = "two different times of the day, such as 21:00-08:00";
        let (from, to) = text.split_once('-').ok_or(FORM)?;
        match (from.parse::<TimeOfDay>(), to.parse::<TimeOfDay>()) {
            (Ok(from), Ok(to)) if from != to => Ok((from, to)),
            _ => Err(FORM),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_from_before_the_limits_has_the_defaults() {
        let limits: Limits =
            serde_json::from_str(r#"{"max_concurrent":7,"max_per_second":5,"max_scheduled":9}"#).unwrap();
        assert_eq!(limits, Limits { max_concurrent: 7, max_per_second: 5, max_scheduled: 9, ..Limits::default() });
        let guard = Guard::default();
        assert_eq!(guard.destinations.deny_kinds, [NumberKind::Premium, NumberKind::Satellite]);
        assert_eq!(serde_json::from_str::<Guard>(&serde_json::to_string(&guard).unwrap()).unwrap(), guard);
    }

    #[test]
    fn prefixes_times_and_zones_are_judged_when_they_are_read() {
        assert!("+44".parse::<Prefix>().is_ok());
        for bad in ["44", "+", "+44x", "+1234567890123456", ""] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
        assert_eq!("08:30".parse::<TimeOfDay>().unwrap().to_string(), "08:30");
        for bad in ["24:00", "8:00", "08:60", "0800", "-1:00", "+8:00"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
        assert!("America/New_York".parse::<Zone>().is_ok());
        assert!("America/Nowhere".parse::<Zone>().is_err());
        assert!(QuietHours::parse_span("21:00-21:00").is_err());
        assert!(QuietHours::parse_span("21:00-08:00").is_ok());
    }
}

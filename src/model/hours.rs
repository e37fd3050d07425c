//! Hours of a week: when a business takes calls, when a representative works. Owns their text forms (`mon-fri 09:00-17:30`) and those
//! of days on which it is closed; refuses clocks and zones: what they come to on a given day is `acd::shift`'s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::representative::MAX_SPANS;
use super::{TimeOfDay, Zone};

/// Most days named as closed.
pub const MAX_CLOSED: usize = 128;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The same hours on some days of the week. An end at or before the beginning is the next day's; both alike: a whole day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// A bit for each day, Monday's the lowest. Never none.
    days: u8,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends.
    pub to: TimeOfDay,
}

/// The text is no such hours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not hours of a week, such as \"mon-fri 09:00-17:30\", \"sat,sun 10:00-14:00\" or \"daily 00:00-00:00\"")]
pub struct NoSpan;

impl Span {
    /// Whether it begins on this day of the week, Monday being 0.
    pub fn begins_on(&self, day: u8) -> bool {
        day < 7 && self.days & (1 << day) != 0
    }

    /// Whether it ends on the day after.
    pub fn is_over_midnight(&self) -> bool {
        self.to <= self.from
    }
}

fn day(text: &str) -> Result<u8, NoSpan> {
    let at = DAYS.iter().position(|day| text.eq_ignore_ascii_case(day)).ok_or(NoSpan)?;
    u8::try_from(at).map_err(|_| NoSpan)
}

impl FromStr for Span {
    type Err = NoSpan;
    fn from_str(text: &str) -> Result<Span, NoSpan> {
        let (days_text, hours) = text.split_once(' ').ok_or(NoSpan)?;
        let (from, to) = hours.trim().split_once('-').ok_or(NoSpan)?;
        let (from, to) = (from.parse().map_err(|_| NoSpan)?, to.parse().map_err(|_| NoSpan)?);
        let mut days = 0;
        if days_text.eq_ignore_ascii_case("daily") {
            days = 0x7f;
        } else {
            for part in days_text.split(',') {
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                let (mut at, last) = (day(first)?, day(last)?);
                days |= 1 << last;
                while at != last {
                    days |= 1 << at;
                    at = (at + 1) % 7;
                }
            }
        }
        Ok(Span { days, from, to })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left: Vec<u8> = (0..7).filter(|day| self.begins_on(*day)).collect();
        if left.len() == 7 {
            write!(f, "daily")?;
            left.clear();
        }
        let mut first = true;
        while let Some(from) = left.first().copied() {
            let run = left.iter().zip(from..).take_while(|(day, expected)| *day == expected).count();
            let to = from + u8::try_from(run).unwrap_or(1) - 1;
            let name = |day: u8| DAYS.get(usize::from(day)).copied().unwrap_or_default();
            f.write_str(if first { "" } else { "," })?;
            match to - from {
                0 => f.write_str(name(from))?,
                1 => write!(f, "{},{}", name(from), name(to))?,
                _ => write!(f, "{}-{}", name(from), name(to))?,
            }
            first = false;
            left.drain(..run);
        }
        write!(f, " {}-{}", self.from, self.to)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A day of the calendar: `2026-12-25`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CivilDate(jiff::civil::Date);

/// The text is no day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a day such as 2026-12-25")]
pub struct NoDate;

impl CivilDate {
    /// The day.
    pub fn date(self) -> jiff::civil::Date {
        self.0
    }
}

impl FromStr for CivilDate {
    type Err = NoDate;
    fn from_str(text: &str) -> Result<CivilDate, NoDate> {
        // The parser takes longer forms too: times, zones.
        let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let date = plain.then(|| text.parse::<jiff::civil::Date>().ok()).flatten();
        date.map(CivilDate).ok_or(NoDate)
    }
}

impl fmt::Display for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for CivilDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CivilDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CivilDate, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// When a business takes calls.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hours {
    /// Whose clock.
    pub zone: Zone,
    /// Its week; none: always.
    pub week: Vec<Span>,
    /// Days on which it does not open; what began the day before goes on into them.
    pub closed: Vec<CivilDate>,
}

impl Hours {
    /// What is beyond its bounds.
    pub fn problem(&self) -> Option<String> {
        let bounds = [(self.week.len(), MAX_SPANS, "spans of hours"), (self.closed.len(), MAX_CLOSED, "closed days")];
        let beyond = bounds.into_iter().find(|(count, most, _)| count > most);
        beyond.map(|(_, most, what)| format!("at most {most} {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_have_one_form_that_is_read_again() {
        for (given, written) in [
            ("mon-fri 09:00-17:30", "mon-fri 09:00-17:30"),
            ("Sat,Sun 10:00-14:00", "sat,sun 10:00-14:00"),
            ("mon,tue,wed,fri 22:00-06:00", "mon-wed,fri 22:00-06:00"),
            ("fri-mon 08:00-12:00", "mon,fri-sun 08:00-12:00"),
            ("mon-sun 00:00-00:00", "daily 00:00-00:00"),
            ("wed 08:00-09:00", "wed 08:00-09:00"),
        ] {
            let span: Span = given.parse().unwrap();
            assert_eq!(span.to_string(), written);
            assert_eq!(written.parse::<Span>(), Ok(span));
        }
        for bad in
            ["", "09:00-17:00", "mon", "mon 9:00-17:00", "mon- 09:00-17:00", "day 09:00-17:00", "mon 09:00-24:00"]
        {
            assert_eq!(bad.parse::<Span>(), Err(NoSpan), "{bad}");
        }
        assert!("fri 22:00-06:00".parse::<Span>().unwrap().is_over_midnight());
        assert!("fri 00:00-00:00".parse::<Span>().unwrap().is_over_midnight());
    }

    #[test]
    fn a_closed_day_is_a_day_and_nothing_more() {
        assert_eq!("2026-12-25".parse::<CivilDate>().unwrap().to_string(), "2026-12-25");
        for bad in ["2026-02-29", "2026-12-25T00:00", "25.12.2026", "2026-1-1"] {
            assert_eq!(bad.parse::<CivilDate>(), Err(NoDate), "{bad}");
        }
    }
}

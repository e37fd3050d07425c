//! What hours of a week come to on the clock of a zone: open or not, and until when. Owns the arithmetic of days over every change
//! between summer and winter time; refuses clocks.
//!
//! A beginning or end that the clock leaves out (spring) is as long after the change as it would have been after it (RFC 5545 §3.3.5);
//! one that comes twice (autumn) is the first. So a span lasts as long as its beginning and end are apart on that day.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::clock::Wall;
use crate::model::{CivilDate, Hours, Representative, Span, TimeOfDay, Zone};

/// Days that are looked through for an opening.
const LOOK_DAYS: usize = 62;
/// Days that are looked through for the end of what is open.
const OPEN_DAYS: usize = 9;

/// Open or closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// Whether it is open at that moment.
    pub open: bool,
    /// The first moment at which that is otherwise; none: not within nine days where it is open, not within two months where it is
    /// closed.
    pub until: Option<Wall>,
}

/// How it is at this moment.
pub fn opening(zone: &Zone, week: &[Span], closed: &[CivilDate], at: Wall) -> Opening {
    let always = Opening { open: true, until: None };
    if week.is_empty() && closed.is_empty() {
        return always;
    }
    // The zone was judged when it was made, the program carries the database with it; a moment beyond all calendars is always open.
    let zone = TimeZone::get(zone.as_str()).unwrap_or(TimeZone::UTC);
    let Ok(now) = Timestamp::from_millisecond(at.0) else { return always };
    match open_until(&zone, week, closed, now) {
        Some(Ok(end)) => Opening { open: true, until: Some(wall(end)) },
        Some(Err(())) => always,
        None => Opening { open: false, until: next_opening(&zone, week, closed, now).map(wall) },
    }
}

/// How a business's hours are at this moment.
pub fn of_business(hours: &Hours, at: Wall) -> Opening {
    opening(&hours.zone, &hours.week, &hours.closed, at)
}

/// How a representative's shifts are at this moment.
pub fn of_representative(one: &Representative, at: Wall) -> Opening {
    opening(&one.zone, &one.shifts, &[], at)
}

fn wall(at: Timestamp) -> Wall {
    Wall(at.as_millisecond())
}

/// The end of what is open now; an error: it is open for longer than is looked for.
fn open_until(zone: &TimeZone, week: &[Span], closed: &[CivilDate], now: Timestamp) -> Option<Result<Timestamp, ()>> {
    let spans: Vec<(Timestamp, Timestamp)> =
        days(zone, now, OPEN_DAYS).flat_map(|day| spans_of(zone, week, closed, day)).collect();
    let holds = |at: Timestamp| spans.iter().filter(move |(from, to)| *from <= at && at < *to).map(|(_, to)| *to).max();
    let mut end = holds(now)?;
    while let Some(further) = holds(end) {
        end = further;
    }
    let horizon = jiff::SignedDuration::from_hours(24 * 7);
    Some(if end.duration_since(now) > horizon { Err(()) } else { Ok(end) })
}

fn next_opening(zone: &TimeZone, week: &[Span], closed: &[CivilDate], now: Timestamp) -> Option<Timestamp> {
    let mut best: Option<Timestamp> = None;
    for day in days(zone, now, LOOK_DAYS) {
        let begins =
            spans_of(zone, week, closed, day).into_iter().map(|(from, _)| from).filter(|from| *from > now).min();
        // A day that changes the clock may begin before the one before it ends: the next is looked at, too.
        match (best, begins) {
            (Some(best), next) => return Some(next.map_or(best, |next| next.min(best))),
            (None, begins) => best = begins,
        }
    }
    best
}

/// So many days, from two before the one of this moment on.
fn days(zone: &TimeZone, now: Timestamp, count: usize) -> impl Iterator<Item = Date> {
    let today = zone.to_datetime(now).date();
    let first = today.yesterday().and_then(Date::yesterday).ok();
    std::iter::successors(first, |day| day.tomorrow().ok()).take(count + 3)
}

/// What begins on this day.
fn spans_of(zone: &TimeZone, week: &[Span], closed: &[CivilDate], day: Date) -> Vec<(Timestamp, Timestamp)> {
    if closed.iter().any(|closed| closed.date() == day) {
        return Vec::new();
    }
    let of_week = u8::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0);
    let midnight = Time::midnight();
    if week.is_empty() {
        return moments(zone, day, midnight, true, midnight).into_iter().collect();
    }
    let spans = week.iter().filter(|span| span.begins_on(of_week));
    spans.filter_map(|span| moments(zone, day, time(span.from)?, span.is_over_midnight(), time(span.to)?)).collect()
}

fn moments(zone: &TimeZone, day: Date, from: Time, over: bool, to: Time) -> Option<(Timestamp, Timestamp)> {
    let last = if over { day.tomorrow().ok()? } else { day };
    let at = |day: Date, time: Time| zone.to_ambiguous_timestamp(day.to_datetime(time)).compatible().ok();
    Some((at(day, from)?, at(last, to)?)).filter(|(from, to)| from < to)
}

fn time(of_day: TimeOfDay) -> Option<Time> {
    let minutes = of_day.minutes();
    let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
    Time::new(hour, minute, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(zone: &str, week: &[&str], closed: &[&str], moment: &str) -> (bool, Option<String>) {
        let week: Vec<Span> = week.iter().map(|text| text.parse().unwrap()).collect();
        let closed: Vec<CivilDate> = closed.iter().map(|text| text.parse().unwrap()).collect();
        let opening = opening(&zone.parse().unwrap(), &week, &closed, Wall::parse(moment).unwrap());
        (opening.open, opening.until.map(|at| at.to_string()))
    }

    fn until(open: bool, text: &str) -> (bool, Option<String>) {
        (open, Some(text.to_owned()))
    }

    const OFFICE: &[&str] = &["mon-fri 09:00-17:30"];

    #[test]
    fn an_office_opens_and_closes_by_the_clock_on_its_wall() {
        let ask = |moment| at("America/New_York", OFFICE, &[], moment);
        assert_eq!(ask("2026-12-01T13:59:59Z"), until(false, "2026-12-01T14:00:00.000Z"));
        assert_eq!(ask("2026-12-01T14:00:00Z"), until(true, "2026-12-01T22:30:00.000Z"));
        assert_eq!(ask("2026-12-01T22:30:00Z"), until(false, "2026-12-02T14:00:00.000Z"));
        assert_eq!(ask("2026-12-04T23:00:00Z"), until(false, "2026-12-07T14:00:00.000Z"), "the weekend");
        assert_eq!(ask("2026-07-01T13:00:00Z"), until(true, "2026-07-01T21:30:00.000Z"), "summer time");
    }

    #[test]
    fn a_closed_day_does_not_begin_and_the_night_before_it_goes_on() {
        let night = ["daily 22:00-06:00"];
        assert_eq!(at("UTC", &night, &["2026-12-25"], "2026-12-25T01:00:00Z"), until(true, "2026-12-25T06:00:00.000Z"));
        assert_eq!(
            at("UTC", &night, &["2026-12-25"], "2026-12-25T23:00:00Z"),
            until(false, "2026-12-26T22:00:00.000Z")
        );
        assert_eq!(at("UTC", &[], &["2026-12-25"], "2026-12-24T12:00:00Z"), until(true, "2026-12-25T00:00:00.000Z"));
        assert_eq!(at("UTC", &[], &["2026-12-25"], "2026-12-25T12:00:00Z"), until(false, "2026-12-26T00:00:00.000Z"));
    }

    #[test]
    fn spans_that_touch_are_one_and_an_open_week_has_no_end() {
        let two = ["mon 08:00-12:00", "mon 12:00-16:00"];
        assert_eq!(at("UTC", &two, &[], "2026-11-30T09:00:00Z"), until(true, "2026-11-30T16:00:00.000Z"));
        assert_eq!(at("UTC", &["daily 00:00-00:00"], &[], "2026-11-30T09:00:00Z"), (true, None));
        assert_eq!(at("UTC", &[], &[], "2026-11-30T09:00:00Z"), (true, None));
    }

    #[test]
    fn a_shift_over_a_change_of_the_clock_begins_and_ends_by_the_clock() {
        let ask = |moment| at("America/New_York", &["daily 22:00-06:00"], &[], moment);
        // 2026-03-08, 02:00 EST is 03:00 EDT: seven hours. 2026-11-01, 02:00 EDT is 01:00 EST: nine.
        assert_eq!(ask("2026-03-08T03:00:00Z"), until(true, "2026-03-08T10:00:00.000Z"));
        assert_eq!(ask("2026-11-01T02:00:00Z"), until(true, "2026-11-01T11:00:00.000Z"));
        let gap = |moment| at("America/New_York", &["sun 02:15-02:45"], &[], moment);
        assert_eq!(gap("2026-03-08T06:00:00Z"), until(false, "2026-03-08T07:15:00.000Z"), "02:15 is left out: 03:15");
        assert_eq!(gap("2026-03-08T07:15:00Z"), until(true, "2026-03-08T07:45:00.000Z"));
        let twice = |moment| at("America/New_York", &["sun 01:15-01:45"], &[], moment);
        assert_eq!(twice("2026-11-01T05:00:00Z"), until(false, "2026-11-01T05:15:00.000Z"), "the first 01:15");
        assert_eq!(twice("2026-11-01T06:20:00Z"), until(false, "2026-11-08T06:15:00.000Z"), "not the second");
    }

    #[test]
    fn what_never_opens_says_no_day() {
        let closed: Vec<String> =
            (1..=28).flat_map(|day| [1, 2, 3].map(|month| format!("2027-{month:02}-{day:02}"))).collect();
        let closed: Vec<&str> = closed.iter().map(String::as_str).collect();
        assert!(!at("UTC", &["fri 09:00-10:00"], &closed, "2027-01-01T08:00:00Z").0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Over every change of the clocks: until the moment that is said it is as it is now, and then it is not.
        #[test]
        fn it_stays_as_it_is_until_the_moment_that_is_said(
            day in 0i64..2000, minute in 0i64..1440, from in 0u16..1440, to in 0u16..1440, days in 1u8..128, more in 0u16..1440,
            zone in proptest::sample::select(vec![
                "UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca",
            ]),
        ) {
            let text = |minutes: u16| format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
            let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
            let of_week: Vec<&str> = (0..7).filter(|day| days & (1 << day) != 0).map(|day: usize| names[day]).collect();
            let span = |from, to| format!("{} {}-{}", of_week.join(","), text(from), text(to)).parse::<Span>().unwrap();
            let week = [span(from, to), span(to, to + more)];
            let zone: Zone = zone.parse().unwrap();
            let at = Wall(1_735_689_600_000 + day * 86_400_000 + minute * 60_000);
            let now = opening(&zone, &week, &[], at);
            match now.until {
                Some(until) => {
                    prop_assert!(until > at);
                    prop_assert_eq!(opening(&zone, &week, &[], until).open, !now.open);
                    let mut before = at;
                    while before < until {
                        prop_assert_eq!(opening(&zone, &week, &[], before).open, now.open, "{}", before);
                        before = Wall(before.0 + 37 * 60_000);
                    }
                    prop_assert_eq!(opening(&zone, &week, &[], Wall(until.0 - 1)).open, now.open);
                }
                None => prop_assert!(now.open, "each of these weeks opens"),
            }
        }
    }
}

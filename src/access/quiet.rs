//! Quiet hours by the clock where the called one is. Owns whether a moment is quiet there and when that ends, over every change between
//! summer and winter time; refuses clocks. Where a number may be in several zones, it is quiet as long as it is quiet in one of them.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::zones::zones_of;
use crate::clock::Wall;
use crate::model::{Endpoint, QuietHours, TimeOfDay};

/// Ends that are looked at: every zone's in turn, until none is quiet. With more there is no such moment within days.
const STEPS: usize = 100;

/// True when nobody should be called there then.
pub fn is_quiet(hours: &QuietHours, called: &Endpoint, at: Wall) -> bool {
    let Some(at) = timestamp(at) else { return true };
    zones(hours, called).any(|zone| quiet_in(hours, &zone, at))
}

/// The first moment at or after `at` that is not quiet there; none: there is no such moment for days.
pub fn ends(hours: &QuietHours, called: &Endpoint, at: Wall) -> Option<Wall> {
    let zones: Vec<TimeZone> = zones(hours, called).collect();
    let mut at = timestamp(at)?;
    for _ in 0..STEPS {
        match zones.iter().find(|zone| quiet_in(hours, zone, at)) {
            // In whole milliseconds, and never a moment too early.
            None => return Some(Wall((at.as_nanosecond() + 999_999).div_euclid(1_000_000).try_into().ok()?)),
            Some(zone) => at = end_in(hours, zone, at)?,
        }
    }
    None
}

fn timestamp(at: Wall) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.0).ok()
}

/// Where the called one may be. A SIP address that names a number is not taken for it: the phone that rings is the representative's or
/// in the business's own network.
fn zones(hours: &QuietHours, called: &Endpoint) -> impl Iterator<Item = TimeZone> {
    let known = called.e164().map(zones_of).unwrap_or_default();
    let own = known.is_empty().then_some(hours.zone.as_str());
    // Both tables were judged when they were made; the program carries the database with it.
    known.iter().copied().chain(own).map(|name| TimeZone::get(name).unwrap_or(TimeZone::UTC))
}

fn quiet_in(hours: &QuietHours, zone: &TimeZone, at: Timestamp) -> bool {
    let local = zone.to_datetime(at);
    let minutes = i32::from(local.hour()) * 60 + i32::from(local.minute());
    let (from, to) = (i32::from(hours.from.minutes()), i32::from(hours.to.minutes()));
    if from < to { (from..to).contains(&minutes) } else { minutes >= from || minutes < to }
}

/// When it stops being quiet in this zone: at the end's time of the day, or where the clock is put past it.
fn end_in(hours: &QuietHours, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let date = zone.to_datetime(at).date();
    let mut candidates = Vec::with_capacity(4);
    for days in -1..=2i64 {
        let day = date.checked_add(jiff::Span::new().days(days)).ok()?;
        let local = day.to_datetime(time(hours.to)?);
        // A time that comes twice is its first and its second: the end of quiet hours may be either.
        let ambiguous = zone.to_ambiguous_timestamp(local);
        candidates.extend(ambiguous.earlier().ok());
        candidates.extend(ambiguous.later().ok());
    }
    candidates.extend(zone.following(at).take(2).map(|transition| transition.timestamp()));
    candidates.retain(|end| *end > at && !quiet_in(hours, zone, *end));
    candidates.into_iter().min()
}

/// As `jiff` has it.
pub(super) fn time(of_day: TimeOfDay) -> Option<Time> {
    let minutes = of_day.minutes();
    let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
    Time::new(hour, minute, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(span: &str) -> QuietHours {
        let (from, to) = QuietHours::parse_span(span).unwrap();
        QuietHours { from, to, calls: Default::default(), zone: Default::default() }
    }

    fn to(number: &str) -> Endpoint {
        Endpoint::parse(number).unwrap()
    }

    fn wall(text: &str) -> Wall {
        Wall::parse(text).unwrap()
    }

    #[test]
    fn the_clock_is_that_of_the_called_one() {
        let (night, at) = (hours("21:00-08:00"), wall("2026-12-01T03:00:00Z"));
        assert!(is_quiet(&night, &to("+12125550100"), at), "22:00 in New York");
        assert!(!is_quiet(&night, &to("+13105550100"), at), "19:00 in Los Angeles");
        assert!(is_quiet(&night, &to("+442079460000"), at), "03:00 in London");
        assert_eq!(ends(&night, &to("+12125550100"), at), Some(wall("2026-12-01T13:00:00Z")));
        assert_eq!(ends(&night, &to("+13105550100"), at), Some(at), "it is not quiet");
    }

    #[test]
    fn a_number_that_may_be_anywhere_is_quiet_where_any_of_it_is() {
        let night = hours("21:00-08:00");
        let toll_free = to("+18005550100");
        assert!(is_quiet(&night, &toll_free, wall("2026-12-01T14:00:00Z")), "04:00 in Honolulu, 09:00 in New York");
        assert_eq!(ends(&night, &toll_free, wall("2026-12-01T14:00:00Z")), Some(wall("2026-12-01T18:00:00Z")));
        let day_and_night = hours("00:00-23:59");
        assert_eq!(ends(&day_and_night, &toll_free, wall("2026-12-01T14:00:00Z")), None, "there is no such minute");
    }

    #[test]
    fn who_is_in_no_country_goes_by_the_accounts_own_zone() {
        let night = QuietHours { zone: "Asia/Tokyo".parse().unwrap(), ..hours("21:00-08:00") };
        assert!(is_quiet(&night, &to("sip:rep@192.0.2.9"), wall("2026-12-01T14:00:00Z")));
        assert!(!is_quiet(&night, &to("sip:rep@192.0.2.9"), wall("2026-12-01T02:00:00Z")));
    }

    #[test]
    fn a_clock_that_is_put_forward_over_the_end_ends_it() {
        // New York: 2026-03-08, 02:00 EST is 03:00 EDT at 07:00Z.
        let night = hours("21:00-02:30");
        assert_eq!(ends(&night, &to("+12125550100"), wall("2026-03-08T06:00:00Z")), Some(wall("2026-03-08T07:00:00Z")));
    }

    #[test]
    fn an_hour_that_comes_twice_is_quiet_twice() {
        // New York: 2026-11-01, 02:00 EDT is 01:00 EST at 06:00Z.
        let night = hours("01:30-01:45");
        let called = to("+12125550100");
        assert_eq!(ends(&night, &called, wall("2026-11-01T05:30:00Z")), Some(wall("2026-11-01T05:45:00Z")));
        assert!(!is_quiet(&night, &called, wall("2026-11-01T06:00:00Z")));
        assert!(is_quiet(&night, &called, wall("2026-11-01T06:30:00Z")));
        assert_eq!(ends(&night, &called, wall("2026-11-01T06:30:00Z")), Some(wall("2026-11-01T06:45:00Z")));
    }

    proptest! {
        /// Over all changes of all years: the end is not quiet, and every minute before it is.
        #[test]
        fn quiet_hours_end_at_the_first_moment_that_is_not_quiet(
            year in 2024i64..2030, day in 0i64..365, minute in 0i64..1440, from in 0u16..1440, length in 1u16..1300,
            number in proptest::sample::select(vec![
                "+12125550100", "+18505550100", "+442079460000", "+61212345678", "+18005550100", "+5511987654321", "+351911234567",
                "+989121234567", "+37322123456", "+672312345", "+212612345678", "+34612345678",
            ]),
        ) {
            let text = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
            let hours = hours(&format!("{}-{}", text(from), text((from + length) % 1440)));
            let at = Wall(((year - 1970) * 365 + day) * 86_400_000 + minute * 60_000);
            let called = to(number);
            if let Some(end) = ends(&hours, &called, at) {
                prop_assert!(end >= at && !is_quiet(&hours, &called, end));
                prop_assert_eq!(end == at, !is_quiet(&hours, &called, at));
                let mut before = at;
                while before < end {
                    prop_assert!(is_quiet(&hours, &called, before), "{} is not quiet, the end was said to be {}", before, end);
                    before = Wall(before.0 + 60_000);
                }
            } else {
                // Nobody may be called for days: so it is quiet now and at any minute of the next day.
                for minute in 0..1440 {
                    prop_assert!(is_quiet(&hours, &called, Wall(at.0 + minute * 60_000)));
                }
            }
        }
    }
}

//! Between two times of the day, by the clock where the called one is: when that is next. Owns the moments, over every change between
//! summer and winter time; refuses clocks. A time that the clock leaves out is the moment at which it is put forward; one that comes twice
//! is taken as it comes, so that a window in that hour comes twice, too. Where a number may be in several zones, it is the time that is
//! within the window in all of them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::quiet::time;
use super::zones::zones_of;
use crate::clock::Wall;
use crate::model::contact::ContactWindow;
use crate::model::{Endpoint, TimeOfDay, Zone};

/// Days that are looked through: where the clock leaves a whole window out, it comes on the next one.
const DAYS: i64 = 4;

/// Why there is no such window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoWindow {
    /// Nobody knows whose clock.
    #[error("nobody knows which clock this customer goes by: give the zone, such as \"Europe/Berlin\"")]
    NoZone,
    /// The number may be in zones that are never in the window together.
    #[error("this number may be in several time zones, which are never all in the window: give the zone")]
    Apart,
}

/// The window from `from` to `to` that is not over at `at`, the earliest.
pub fn next(
    from: TimeOfDay,
    to: TimeOfDay,
    zone: Option<&Zone>,
    called: &Endpoint,
    at: Wall,
) -> Result<ContactWindow, NoWindow> {
    let known = called.e164().map(zones_of).unwrap_or_default();
    let names: Vec<&str> = zone.map_or_else(|| known.to_vec(), |zone| vec![zone.as_str()]);
    // Both tables were judged when they were made; the program carries the database with it.
    let zones: Vec<TimeZone> = names.iter().map(|name| TimeZone::get(name).unwrap_or(TimeZone::UTC)).collect();
    let first = zones.first().ok_or(NoWindow::NoZone)?;
    let at = Timestamp::from_millisecond(at.0).map_err(|_| NoWindow::Apart)?;
    let today = first.to_datetime(at).date();
    for days in -2..DAYS {
        let Ok(day) = today.checked_add(jiff::Span::new().days(days)) else { continue };
        let mut common: Option<Vec<(Timestamp, Timestamp)>> = None;
        for zone in &zones {
            let here = spans(from, to, zone, day);
            common = Some(match common {
                None => here,
                Some(so_far) => meet(&so_far, &here),
            });
        }
        let open = common.unwrap_or_default().into_iter().find(|(_, end)| *end > at);
        if let Some((from, to)) = open {
            return Ok(ContactWindow { from: Wall(from.as_millisecond()), to: Wall(to.as_millisecond()) });
        }
    }
    Err(NoWindow::Apart)
}

/// When it is in the window on this day: once, or twice where its beginning comes twice, or never.
fn spans(from: TimeOfDay, to: TimeOfDay, zone: &TimeZone, day: Date) -> Vec<(Timestamp, Timestamp)> {
    let last = if to > from { Ok(day) } else { day.tomorrow() };
    let (Some(begins), Some(ends)) = (time(from), last.ok().zip(time(to))) else { return Vec::new() };
    let ends = moments(zone, ends.0.to_datetime(ends.1));
    let spans = moments(zone, day.to_datetime(begins)).into_iter();
    spans.filter_map(|begin| Some((begin, *ends.iter().find(|end| **end > begin)?))).collect()
}

/// When it is this time there.
fn moments(zone: &TimeZone, local: DateTime) -> Vec<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous.earlier().into_iter().collect(),
        AmbiguousOffset::Fold { .. } => {
            ambiguous.earlier().into_iter().chain(zone.to_ambiguous_timestamp(local).later()).collect()
        }
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok();
            before.and_then(|before| zone.following(before).next()).map(|put| put.timestamp()).into_iter().collect()
        }
    }
}

/// The times that are in both.
fn meet(some: &[(Timestamp, Timestamp)], others: &[(Timestamp, Timestamp)]) -> Vec<(Timestamp, Timestamp)> {
    let both = some.iter().flat_map(|a| others.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    both.filter(|(from, to)| from < to).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wall(text: &str) -> Wall {
        Wall::parse(text).unwrap()
    }

    fn window(span: (&str, &str), zone: Option<&str>, number: &str, at: &str) -> Result<(String, String), NoWindow> {
        let zone = zone.map(|zone| zone.parse().unwrap());
        let called = Endpoint::parse(number).unwrap();
        let found = next(span.0.parse().unwrap(), span.1.parse().unwrap(), zone.as_ref(), &called, wall(at))?;
        let short = |at: Wall| at.to_string().replace(":00.000Z", "Z");
        Ok((short(found.from), short(found.to)))
    }

    fn is(from: &str, to: &str) -> Result<(String, String), NoWindow> {
        Ok((from.to_owned(), to.to_owned()))
    }

    const EVENING: (&str, &str) = ("17:00", "19:00");

    #[test]
    fn a_window_is_the_one_that_is_open_or_the_next() {
        let berlin = |at| window(EVENING, Some("Europe/Berlin"), "+12125550100", at);
        assert_eq!(berlin("2026-12-01T12:00:00Z"), is("2026-12-01T16:00Z", "2026-12-01T18:00Z"));
        assert_eq!(berlin("2026-12-01T17:59:59Z"), is("2026-12-01T16:00Z", "2026-12-01T18:00Z"), "it is open");
        assert_eq!(berlin("2026-12-01T18:00:00Z"), is("2026-12-02T16:00Z", "2026-12-02T18:00Z"));
        assert_eq!(berlin("2026-07-01T18:00:00Z"), is("2026-07-02T15:00Z", "2026-07-02T17:00Z"), "in summer");
        let night = window(("22:00", "02:00"), Some("UTC"), "+12125550100", "2026-12-01T01:00:00Z");
        assert_eq!(night, is("2026-11-30T22:00Z", "2026-12-01T02:00Z"), "over midnight");
    }

    #[test]
    fn without_a_zone_it_is_the_clock_of_the_called_one() {
        let at = "2026-12-01T12:00:00Z";
        assert_eq!(window(EVENING, None, "+12125550100", at), is("2026-12-01T22:00Z", "2026-12-02T00:00Z"));
        assert_eq!(window(EVENING, None, "+442079460000", at), is("2026-12-01T17:00Z", "2026-12-01T19:00Z"));
        assert_eq!(window(EVENING, None, "sip:someone@192.0.2.9", at), Err(NoWindow::NoZone));
        // The panhandle of Florida: an hour apart, so an hour is common.
        assert_eq!(window(EVENING, None, "+18505550100", at), is("2026-12-01T23:00Z", "2026-12-02T00:00Z"));
        assert_eq!(window(EVENING, None, "+18005550100", at), Err(NoWindow::Apart), "New York to Honolulu");
    }

    #[test]
    fn a_time_that_the_clock_leaves_out_is_the_moment_at_which_it_is_put_forward() {
        // New York: 2026-03-08, 02:00 EST is 03:00 EDT at 07:00Z.
        let new_york = |span, at| window(span, None, "+12125550100", at);
        let at = "2026-03-08T05:00:00Z";
        assert_eq!(new_york(("02:30", "03:30"), at), is("2026-03-08T07:00Z", "2026-03-08T07:30Z"));
        assert_eq!(new_york(("01:30", "02:30"), at), is("2026-03-08T06:30Z", "2026-03-08T07:00Z"));
        assert_eq!(new_york(("02:10", "02:50"), at), is("2026-03-09T06:10Z", "2026-03-09T06:50Z"), "the next day");
    }

    #[test]
    fn a_window_in_an_hour_that_comes_twice_comes_twice() {
        // New York: 2026-11-01, 02:00 EDT is 01:00 EST at 06:00Z.
        let new_york = |span, at| window(span, None, "+12125550100", at);
        let inside = ("01:30", "01:45");
        assert_eq!(new_york(inside, "2026-11-01T05:00:00Z"), is("2026-11-01T05:30Z", "2026-11-01T05:45Z"));
        assert_eq!(new_york(inside, "2026-11-01T05:50:00Z"), is("2026-11-01T06:30Z", "2026-11-01T06:45Z"));
        assert_eq!(new_york(inside, "2026-11-01T06:50:00Z"), is("2026-11-02T06:30Z", "2026-11-02T06:45Z"));
        let around = new_york(("00:30", "03:00"), "2026-11-01T05:00:00Z");
        assert_eq!(around, is("2026-11-01T04:30Z", "2026-11-01T08:00Z"), "an hour longer");
    }

    proptest! {
        /// Over all changes of all years: it ends after now, is never longer than the clock says and an hour, and whoever is called at
        /// its beginning reads the clock within it, in every zone that the number may be in.
        #[test]
        fn a_window_is_where_the_clock_says(
            year in 2024i64..2030, day in 0i64..365, minute in 0i64..1440, from in 0u16..1440, length in 30u16..1300,
            number in proptest::sample::select(vec![
                "+12125550100", "+18505550100", "+442079460000", "+61212345678", "+351291234567", "+37322123456", "+672312345",
            ]),
        ) {
            let text = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
            let (begin, end) = (text(from), text((from + length) % 1440));
            let at = Wall(((year - 1970) * 365 + day) * 86_400_000 + minute * 60_000);
            let called = Endpoint::parse(number).unwrap();
            let (from_time, to_time): (TimeOfDay, TimeOfDay) = (begin.parse().unwrap(), end.parse().unwrap());
            if let Ok(window) = next(from_time, to_time, None, &called, at) {
                prop_assert!(window.to > at && window.from < window.to);
                prop_assert!(window.to.millis_since(window.from) <= (u64::from(length) + 60) * 60_000);
                prop_assert!(window.from.0 - at.0 <= 2 * 86_400_000);
                for zone in zones_of(called.e164().unwrap()) {
                    let zone = TimeZone::get(zone).unwrap();
                    let local = zone.to_datetime(Timestamp::from_millisecond(window.from.0).unwrap());
                    let minutes = local.hour() as u16 * 60 + local.minute() as u16;
                    let (from, to) = (from_time.minutes(), to_time.minutes());
                    let within = if from < to { (from..to).contains(&minutes) } else { minutes >= from || minutes < to };
                    prop_assert!(within, "{local} is not in {begin}-{end}");
                }
            }
        }
    }
}

//! When an event is sent again, and when it is given up. Owns the times; pure: the chance is handed in.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// After each failed try the next one comes so many seconds later; after the last the event is given up. Some two days in all.
const DELAYS: [u64; 10] = [5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR];
/// A webhook may ask for more patience than that, up to this.
const LONGEST: Duration = Duration::from_secs(24 * HOUR);
/// An event that could not be tried for so long is given up as well: its webhook was down, and others were tried in its place.
pub const GIVEN_UP_AFTER: Duration = Duration::from_secs(72 * HOUR);

/// How long to wait after so many failed tries; `None`: no more. `chance` (0 to 1) makes it up to a fifth longer, so that what failed
/// together does not come back together. `asked`: the webhook's Retry-After.
pub fn pause(failed: u32, chance: f64, asked: Option<Duration>) -> Option<Duration> {
    let index = usize::try_from(failed.checked_sub(1)?).ok()?;
    let own = Duration::from_secs(*DELAYS.get(index)?).mul_f64(1.0 + chance.clamp(0.0, 1.0) / 5.0);
    Some(own.max(asked.unwrap_or_default().min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_pauses_grow_from_seconds_to_a_day_and_end() {
        let all: Vec<u64> = (1..).map_while(|failed| pause(failed, 0.0, None)).map(|pause| pause.as_secs()).collect();
        assert_eq!(all, [5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400]);
        let total: u64 = all.iter().sum();
        assert!(Duration::from_secs(total).mul_f64(1.2) < GIVEN_UP_AFTER, "{total}");
        assert_eq!((pause(0, 0.5, None), pause(11, 0.5, None), pause(u32::MAX, 0.5, None)), (None, None, None));
    }

    #[test]
    fn a_webhook_may_ask_for_a_later_time_but_not_for_an_earlier_one() {
        let asked = |seconds| pause(2, 0.0, Some(Duration::from_secs(seconds))).unwrap().as_secs();
        assert_eq!((asked(1), asked(100), asked(1_000_000)), (30, 100, 86_400));
    }

    proptest! {
        #[test]
        fn chance_makes_it_longer_by_a_fifth_at_most(failed in 1u32..=10, chance in 0.0f64..=1.0) {
            let (least, drawn) = (pause(failed, 0.0, None).unwrap(), pause(failed, chance, None).unwrap());
            prop_assert!(drawn >= least && drawn <= least.mul_f64(1.2) + Duration::from_millis(1));
        }
    }
}

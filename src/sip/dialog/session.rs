//! Session timers (RFC 4028): what we ask for. Refuses messages and clocks.

use crate::model::trunk::SessionTimer;

/// The longest interval that a 422 may talk us into, in seconds: a day.
const MAX_INTERVAL: u32 = 86_400;

/// What our INVITE asks for, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Session-Expires.
    pub expires: u32,
    /// Min-SE: the shortest we accept.
    pub min_se: u32,
}

impl Ask {
    /// As a trunk is configured. Session-Expires is never below Min-SE (§7.1).
    pub fn of(timer: &SessionTimer) -> Ask {
        let seconds = |time: std::time::Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let min_se = seconds(timer.min_se);
        Ask { expires: seconds(timer.expires).max(min_se), min_se }
    }

    /// After a 422 that names its shortest interval (§7.3). `None` when we asked for no less already, or when it is absurd:
    /// the refusal stands.
    pub fn after_422(&self, min_se: u32) -> Option<Ask> {
        let news = min_se > self.expires || min_se > self.min_se;
        (news && min_se <= MAX_INTERVAL)
            .then(|| Ask { expires: self.expires.max(min_se), min_se: self.min_se.max(min_se) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_422_makes_us_ask_for_more_and_never_for_the_same_again() {
        let ask = Ask::of(&SessionTimer { expires: Duration::from_secs(90), min_se: Duration::from_secs(90) });
        assert_eq!(ask.after_422(90), None);
        assert_eq!(ask.after_422(600), Some(Ask { expires: 600, min_se: 600 }));
        assert_eq!(ask.after_422(86_401), None);
        let patient = Ask { expires: 1_800, min_se: 90 };
        assert_eq!(patient.after_422(600), Some(Ask { expires: 1_800, min_se: 600 }));
        assert_eq!(Ask::of(&SessionTimer { expires: Duration::ZERO, min_se: Duration::from_secs(90) }).expires, 90);
    }
}

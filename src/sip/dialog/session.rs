//! Session timers (RFC 4028) as a machine: what our INVITE asks for, who refreshes and when, when silence ends the session, and
//! the answer to a peer's refresh. Refuses messages and clocks; `stack::refresh` reads and writes the fields.
//!
//! A 2xx without Session-Expires turns the timer off (§7.2): a peer that knows no timers is left in peace. A refusal proves
//! that the peer lives and ends nothing; only silence, 408 and 481 do (§10), and a session that no connection carried a refresh
//! of before its end.

use std::time::Duration;

use crate::clock::Mono;
use crate::model::trunk::SessionTimer;
use crate::sip::transaction::Deadline;
use crate::sip::wire::{Refresher, SessionExpires};

/// The longest interval that a 422 may talk us into, in seconds: a day.
const MAX_INTERVAL: u32 = 86_400;

/// However short an interval a peer names, ours is no shorter: a bound on what refreshing costs. (The RFC's own is 90 s.)
const MIN_INTERVAL: u32 = 10;

/// The shortest interval of a peer's request that we accept where no trunk says otherwise (§5).
pub const DEFAULT_MIN_SE: u32 = 90;

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
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
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

/// What a peer's re-INVITE or UPDATE says of the session timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    /// Session-Expires.
    pub expires: Option<SessionExpires>,
    /// Min-SE; 0 without.
    pub min_se: u32,
    /// Supported lists `timer`.
    pub supported: bool,
}

/// What our answer to a peer's refresh says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// 422 with this Min-SE.
    TooSmall(u32),
    /// 2xx, and the session from then on; a field and `Require: timer` where due.
    Accept { session: Session, field: Option<SessionExpires>, require: bool },
}

/// The timer of one dialog. Intervals in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Session {
    /// None was agreed.
    #[default]
    Off,
    /// We refresh; nothing is due while a refresh is on its way. Without one the peer ends the session at about this moment.
    Ours { interval: u32, due: Option<Mono>, ends: Mono },
    /// The peer refreshes; without, we end the session at this moment.
    Theirs { interval: u32, ends: Mono },
}

/// What time brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Send a refresh.
    Refresh,
    /// The peer did not refresh: BYE.
    Expired,
}

impl Session {
    /// From a 2xx to our INVITE or refresh, which decides (§7.2). Without a refresher it is us.
    pub fn of_success(now: Mono, field: Option<SessionExpires>) -> Session {
        match field {
            None => Session::Off,
            Some(SessionExpires { seconds, refresher: Some(Refresher::Uas) }) => Session::theirs(now, seconds),
            Some(SessionExpires { seconds, .. }) => Session::ours(now, seconds),
        }
    }

    fn ours(now: Mono, seconds: u32) -> Session {
        let interval = seconds.max(MIN_INTERVAL);
        Session::Ours { interval, due: Some(now + secs(interval) / 2), ends: end_of(now, interval) }
    }

    /// We end it a little before the peer would think it ended: 32 s, or a third of a short interval (§10).
    fn theirs(now: Mono, seconds: u32) -> Session {
        let interval = seconds.max(MIN_INTERVAL);
        Session::Theirs { interval, ends: end_of(now, interval) }
    }

    /// The interval of a session that has a timer.
    pub fn interval(&self) -> Option<u32> {
        match self {
            Session::Off => None,
            Session::Ours { interval, .. } | Session::Theirs { interval, .. } => Some(*interval),
        }
    }

    /// Session-Expires of a request of ours: who refreshes goes on (§7.4).
    pub fn request_field(&self) -> Option<SessionExpires> {
        let refresher = match self {
            Session::Off => return None,
            Session::Ours { .. } => Refresher::Uac,
            Session::Theirs { .. } => Refresher::Uas,
        };
        Some(SessionExpires { seconds: self.interval()?, refresher: Some(refresher) })
    }

    /// The answer to a peer's refresh at this moment; `floor` is the shortest interval we accept (§9, table 2).
    pub fn answer(&self, now: Mono, wish: &Wish, floor: u32) -> Reply {
        let (seconds, asked) = match (wish.expires, self.interval()) {
            (Some(field), _) if wish.supported && field.seconds < floor => return Reply::TooSmall(floor),
            (Some(field), _) => (field.seconds, field.refresher),
            // A re-INVITE of a peer that says nothing must not silently turn a running timer off.
            (None, Some(interval)) => (interval.max(wish.min_se), None),
            (None, None) => return Reply::Accept { session: Session::Off, field: None, require: false },
        };
        let refresher = match (wish.supported, asked, self) {
            (false, ..) => Refresher::Uas,
            (true, Some(asked), _) => asked,
            (true, None, Session::Ours { .. }) => Refresher::Uas,
            (true, None, Session::Off | Session::Theirs { .. }) => Refresher::Uac,
        };
        let session = match refresher {
            Refresher::Uas => Session::ours(now, seconds),
            Refresher::Uac => Session::theirs(now, seconds),
        };
        let field = Some(SessionExpires { seconds, refresher: Some(refresher) });
        Reply::Accept { session, field, require: wish.supported }
    }

    /// A refresh of ours is on its way: its answer says what is next.
    pub fn sent(&mut self) {
        if let Session::Ours { due, .. } = self {
            *due = None;
        }
    }

    /// The peer refused our refresh: it lives, so we try again, after `wait` if it named one.
    pub fn refused(&mut self, now: Mono, wait: Option<Duration>) {
        if let Session::Ours { interval, due, .. } = self {
            let usual = secs(*interval) / 4;
            *due = Some(now + wait.map_or(usual, |wait| wait.min(secs(*interval))));
        }
    }

    /// No connection carried our refresh: another try after `wait`. False when the session has ended by then.
    pub fn unreached(&mut self, now: Mono, wait: Duration) -> bool {
        match self {
            Session::Ours { due, ends, .. } if now + wait < *ends => {
                *due = Some(now + wait);
                true
            }
            Session::Ours { .. } => false,
            Session::Off | Session::Theirs { .. } => true,
        }
    }

    /// The moment of [`Session::deadline`] may have come.
    pub fn timeout(&mut self, now: Mono) -> Due {
        match self {
            Session::Ours { due: due @ Some(_), .. } if due.is_some_and(|due| due <= now) => {
                *due = None;
                Due::Refresh
            }
            Session::Theirs { ends, .. } if *ends <= now => {
                *self = Session::Off;
                Due::Expired
            }
            _ => Due::Nothing,
        }
    }

    /// When to call [`Session::timeout`], and why.
    pub fn deadline(&self) -> Option<Deadline> {
        match self {
            Session::Ours { due: Some(due), .. } => Some((*due, "session refresh")),
            Session::Theirs { ends, .. } => Some((*ends, "session expires")),
            Session::Off | Session::Ours { due: None, .. } => None,
        }
    }
}

/// When whoever does not refresh ends a session of so many seconds (§10).
fn end_of(now: Mono, interval: u32) -> Mono {
    let whole = secs(interval);
    now + (whole - Duration::from_secs(32).min(whole / 3))
}

fn secs(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Mono = Mono(0);

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000)
    }

    fn field(seconds: u32, refresher: Option<Refresher>) -> Option<SessionExpires> {
        Some(SessionExpires { seconds, refresher })
    }

    fn wish(expires: Option<SessionExpires>, supported: bool) -> Wish {
        Wish { expires, min_se: 0, supported }
    }

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

    #[test]
    fn the_2xx_decides_who_refreshes() {
        assert_eq!(Session::of_success(T0, None), Session::Off);
        for refresher in [Some(Refresher::Uac), None] {
            let session = Session::of_success(T0, field(1800, refresher));
            assert_eq!(session, Session::Ours { interval: 1800, due: Some(at(900)), ends: at(1768) });
        }
        let theirs = Session::of_success(T0, field(1800, Some(Refresher::Uas)));
        assert_eq!(theirs, Session::Theirs { interval: 1800, ends: at(1768) });
        let short = Session::of_success(T0, field(90, Some(Refresher::Uas)));
        assert_eq!(short, Session::Theirs { interval: 90, ends: at(60) });
    }

    #[test]
    fn we_refresh_at_half_time_once_and_again_after_the_answer() {
        let mut session = Session::of_success(T0, field(90, Some(Refresher::Uac)));
        assert_eq!(session.deadline(), Some((at(45), "session refresh")));
        assert_eq!(session.timeout(at(44)), Due::Nothing);
        assert_eq!(session.timeout(at(45)), Due::Refresh);
        assert_eq!((session.timeout(at(46)), session.deadline()), (Due::Nothing, None));
        session = Session::of_success(at(46), field(120, Some(Refresher::Uac)));
        assert_eq!(session.deadline(), Some((at(106), "session refresh")));
    }

    #[test]
    fn a_refusal_is_followed_by_another_try_and_never_ends_the_session() {
        let mut session = Session::of_success(T0, field(400, None));
        session.timeout(at(200));
        session.refused(at(201), None);
        assert_eq!(session.deadline(), Some((at(301), "session refresh")));
        session.sent();
        session.refused(at(302), Some(Duration::from_secs(7)));
        assert_eq!(session.deadline(), Some((at(309), "session refresh")));
        session.refused(at(310), Some(Duration::from_secs(1_000_000)));
        assert_eq!(session.deadline(), Some((at(710), "session refresh")));
    }

    #[test]
    fn a_refresh_that_no_connection_carries_is_tried_again_until_the_session_ends() {
        let mut session = Session::of_success(T0, field(90, None));
        session.timeout(at(45));
        assert!(session.unreached(at(46), Duration::from_secs(5)));
        assert_eq!(session.deadline(), Some((at(51), "session refresh")));
        session.sent();
        assert!(!session.unreached(at(56), Duration::from_secs(5)), "the peer hangs up at 60");
    }

    #[test]
    fn without_the_peers_refresh_the_session_expires() {
        let mut session = Session::of_success(T0, field(1800, Some(Refresher::Uas)));
        assert_eq!(session.timeout(at(1767)), Due::Nothing);
        assert_eq!(session.timeout(at(1768)), Due::Expired);
        assert_eq!((session.deadline(), session.timeout(at(9_999))), (None, Due::Nothing));
    }

    #[test]
    fn a_mad_interval_is_bounded_below() {
        let session = Session::of_success(T0, field(0, None));
        assert_eq!(session.deadline(), Some((at(5), "session refresh")));
        assert!(Session::of_success(T0, field(u32::MAX, None)).deadline().is_some());
    }

    #[test]
    fn a_peers_refresh_is_answered_by_table_2() {
        use Refresher::{Uac, Uas};
        let table = [
            (field(300, None), false, Uas),
            (field(300, None), true, Uac),
            (field(300, Some(Uac)), true, Uac),
            (field(300, Some(Uas)), true, Uas),
            (field(300, Some(Uac)), false, Uas),
        ];
        for (expires, supported, refresher) in table {
            let Reply::Accept { session, field, require } = Session::Off.answer(T0, &wish(expires, supported), 90)
            else {
                panic!("refused")
            };
            assert_eq!(field, Some(SessionExpires { seconds: 300, refresher: Some(refresher) }));
            assert_eq!(require, supported);
            assert_eq!(matches!(session, Session::Ours { .. }), refresher == Uas);
        }
    }

    #[test]
    fn too_small_an_interval_is_refused_where_the_peer_can_raise_it() {
        let small = field(89, None);
        assert_eq!(Session::Off.answer(T0, &wish(small, true), 90), Reply::TooSmall(90));
        assert!(matches!(Session::Off.answer(T0, &wish(small, false), 90), Reply::Accept { .. }));
    }

    #[test]
    fn a_request_that_says_nothing_keeps_the_timer_and_who_refreshes() {
        let off = Session::Off.answer(T0, &wish(None, true), 90);
        assert_eq!(off, Reply::Accept { session: Session::Off, field: None, require: false });
        let ours = Session::of_success(T0, field(300, Some(Refresher::Uac)));
        let Reply::Accept { session, field: said, .. } = ours.answer(at(10), &wish(None, true), 90) else { panic!() };
        assert_eq!(said.and_then(|field| field.refresher), Some(Refresher::Uas));
        assert_eq!(session.deadline(), Some((at(160), "session refresh")));
        let theirs = Session::of_success(T0, field(300, Some(Refresher::Uas)));
        let Reply::Accept { session, field: said, .. } = theirs.answer(at(10), &wish(None, true), 90) else { panic!() };
        assert_eq!(said.and_then(|field| field.refresher), Some(Refresher::Uac));
        assert_eq!(session.deadline(), Some((at(278), "session expires")));
        // A peer that has forgotten how to refresh leaves it to us.
        let Reply::Accept { session, require, .. } = theirs.answer(at(10), &wish(None, false), 90) else { panic!() };
        assert!(matches!(session, Session::Ours { .. }) && !require);
    }
}

//! How a representative stands (337): derived from their log-on and from the legs that live, never kept beside them. Owns the states,
//! their words and that derivation.

use super::api::CustomerId;
use super::lease::Session;
use crate::clock::Mono;
use crate::model::Wish;

/// How a representative stands, with what belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Not there, or outside their shift.
    LoggedOff,
    /// May be given a customer now.
    Available {
        /// Since when.
        since: Mono,
    },
    /// Kept for a customer whose phone rings.
    Promised {
        /// Whose.
        customer: CustomerId,
        /// Since when.
        since: Mono,
    },
    /// Their phone rings.
    Ringing {
        /// For whom.
        customer: CustomerId,
        /// Since when.
        since: Mono,
    },
    /// They talk.
    Busy {
        /// With whom.
        customer: CustomerId,
        /// Since when.
        since: Mono,
        /// Who is next, where that is promised.
        next: Option<CustomerId>,
    },
    /// They write up the last call.
    WrapUp {
        /// Until then; none: until they say.
        until: Option<Mono>,
        /// Who is next, where that is promised.
        next: Option<CustomerId>,
    },
    /// They rest.
    Break,
    /// They did not take a call, and get none until then.
    SetAside {
        /// Until when.
        until: Mono,
    },
}

impl State {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::LoggedOff => "logged_off",
            State::Available { .. } => "available",
            State::Promised { .. } => "promised",
            State::Ringing { .. } => "ringing",
            State::Busy { .. } => "busy",
            State::WrapUp { .. } => "wrap_up",
            State::Break => "break",
            State::SetAside { .. } => "set_aside",
        }
    }
}

/// What a representative does, by the legs that live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Work {
    /// Nothing.
    Idle { since: Mono },
    /// Nothing, and kept for this customer, whose phone rings.
    Promised { customer: CustomerId, since: Mono },
    /// Their phone rings for this customer.
    Ringing { customer: CustomerId, since: Mono },
    /// They talk with this customer, and are kept for the next.
    Busy { customer: CustomerId, since: Mono, next: Option<CustomerId> },
    /// They write up, and are kept for the next.
    WrapUp { until: Mono, next: Option<CustomerId> },
}

impl Work {
    /// The customer who has a leg with them.
    #[cfg(test)]
    pub(super) fn with(self) -> Option<CustomerId> {
        match self {
            Work::Ringing { customer, .. } | Work::Busy { customer, .. } => Some(customer),
            Work::Idle { .. } | Work::Promised { .. } | Work::WrapUp { .. } => None,
        }
    }

    /// The customer whom they are kept for.
    pub(super) fn kept_for(self) -> Option<CustomerId> {
        match self {
            Work::Promised { customer, .. } => Some(customer),
            Work::Busy { next, .. } | Work::WrapUp { next, .. } => next,
            Work::Idle { .. } | Work::Ringing { .. } => None,
        }
    }

    /// Busy or writing up, with this one as the next.
    pub(super) fn set_next(&mut self, customer: Option<CustomerId>) {
        if let Work::Busy { next, .. } | Work::WrapUp { next, .. } = self {
            *next = customer;
        }
    }
}

/// Live legs first, then the log-on.
pub(super) fn derive(work: Work, session: Option<Session>, on_shift: bool, aside: Option<Mono>) -> State {
    match (work, session.map(|session| session.wish)) {
        (Work::Ringing { customer, since }, _) => State::Ringing { customer, since },
        (Work::Busy { customer, since, next }, _) => State::Busy { customer, since, next },
        (_, None | Some(Wish::LoggedOff)) => State::LoggedOff,
        (_, Some(_)) if !on_shift => State::LoggedOff,
        (_, Some(Wish::Break)) => State::Break,
        (Work::WrapUp { until, next }, Some(Wish::Available)) => State::WrapUp { until: Some(until), next },
        (_, Some(Wish::WrapUp)) => State::WrapUp { until: None, next: None },
        (Work::Promised { customer, since }, Some(Wish::Available)) => State::Promised { customer, since },
        (Work::Idle { since }, Some(Wish::Available)) => match aside {
            Some(until) => State::SetAside { until },
            None => State::Available { since },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_leg_speaks_before_the_log_on() {
        let busy = Work::Busy { customer: CustomerId(1), since: Mono(5), next: None };
        let on = |wish| Some(Session { wish, until: Mono(100) });
        for session in [None, on(Wish::Break), on(Wish::Available)] {
            assert_eq!(derive(busy, session, true, None).as_str(), "busy");
        }
        let idle = Work::Idle { since: Mono(5) };
        assert_eq!(derive(idle, on(Wish::Available), true, None), State::Available { since: Mono(5) });
        assert_eq!(derive(idle, on(Wish::Available), false, None), State::LoggedOff, "their shift is over");
        assert_eq!(derive(idle, on(Wish::Available), true, Some(Mono(9))).as_str(), "set_aside");
        assert_eq!(derive(idle, on(Wish::WrapUp), true, None).as_str(), "wrap_up");
        assert_eq!(derive(idle, None, true, None).as_str(), "logged_off");
    }
}

//! A representative's log-on: what they want, and until when that holds without another word. Owns the lease's bounds and what one word
//! after another means; refuses to touch a talk: a browser that is lost logs off, the call goes on.

use std::time::Duration;

use crate::clock::Mono;
use crate::model::Wish;

/// The longest lease.
pub const LONGEST: Duration = Duration::from_secs(86_400);
/// The shortest.
pub const SHORTEST: Duration = Duration::from_secs(1);

/// Logged on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// What for. Never [`Wish::LoggedOff`].
    pub wish: Wish,
    /// Until then.
    pub until: Mono,
}

/// What a word of a representative comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// The same as before: only the lease is longer.
    Renewed,
    /// Logged on.
    On,
    /// Back for calls: what kept calls away, wrap-up or having been set aside, is over.
    Back,
    /// Something else.
    Other,
}

/// The session after this word, and what it comes to. `None`: logged off.
pub(super) fn renew(before: Option<Session>, wish: Wish, until: Mono) -> (Option<Session>, Turn) {
    if wish == Wish::LoggedOff {
        return (None, Turn::Other);
    }
    let turn = match before.map(|session| session.wish) {
        None => Turn::On,
        Some(same) if same == wish => Turn::Renewed,
        Some(_) if wish == Wish::Available => Turn::Back,
        Some(_) => Turn::Other,
    };
    (Some(Session { wish, until }), turn)
}

/// Whether a lease of this length is given.
pub(super) fn is_possible(lease: Duration) -> bool {
    (SHORTEST..=LONGEST).contains(&lease)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeating_a_word_only_renews_and_coming_back_is_told_from_it() {
        let (on, turn) = renew(None, Wish::Available, Mono(10));
        assert_eq!(turn, Turn::On);
        assert_eq!(renew(on, Wish::Available, Mono(20)).1, Turn::Renewed);
        let (resting, turn) = renew(on, Wish::WrapUp, Mono(20));
        assert_eq!(turn, Turn::Other);
        assert_eq!(renew(resting, Wish::Available, Mono(30)).1, Turn::Back);
        assert_eq!(renew(resting, Wish::LoggedOff, Mono(30)), (None, Turn::Other));
        assert!(!is_possible(Duration::ZERO) && is_possible(LONGEST) && !is_possible(LONGEST + SHORTEST));
    }
}

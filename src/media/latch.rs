//! Whose packets a leg takes (field.md 23): latch once, within a window, bound to what was signalled and to one SSRC.
//! Owns these rules; refuses counters.
//!
//! - The signalled address is always good: it latches at once and for good.
//! - Another port of the signalled host (or, where NAT is expected, any address) may latch once, only within the window after
//!   the agreement, and only until the signalled address itself speaks within that window.
//! - A latched source is left only by a new agreement.
//! - One SSRC at a time. Another one, from the latched address, is a legitimate change (a switch behind the peer) once the old
//!   one was quiet for [`QUIET`]; while both come at once, the new one is a stranger's. Within the window after a renewed
//!   agreement one change is expected (RFC 7160: another clock, another source) and taken at once.

use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::Mono;

/// How long after an agreement another source than the signalled one may latch.
pub(super) const WINDOW: Duration = Duration::from_secs(3);
/// Five packets: longer than jitter, shorter than anybody would notice.
pub(super) const QUIET: Duration = Duration::from_millis(100);

/// The state of one leg's latch.
#[derive(Clone, Debug)]
pub(super) struct Latch {
    signalled: SocketAddr,
    source: Source,
    ssrc: Option<u32>,
    /// Until then another SSRC is taken at once.
    changes_until: Mono,
    last: Mono,
    window_ends: Mono,
}

/// Where packets are taken from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// Nobody has spoken yet.
    Open,
    /// Another than the signalled address spoke first.
    Guessed(SocketAddr),
    /// The signalled address spoke.
    Signalled,
}

/// What the latch says of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judgement {
    /// From the peer.
    Taken {
        /// Of another SSRC than before: its numbering is new.
        new_source: bool,
    },
    /// Not from the peer.
    Stranger,
}

impl Latch {
    /// A new agreement.
    pub(super) fn new(now: Mono, signalled: SocketAddr) -> Latch {
        Latch {
            signalled,
            source: Source::Open,
            ssrc: None,
            changes_until: Mono(0),
            last: now,
            window_ends: now + WINDOW,
        }
    }

    /// The agreement was renewed. A moved address opens a new window; a changed SSRC is expected in any case. An
    /// unspecified address (`c=0.0.0.0`, hold of old) moves nothing.
    pub(super) fn renew(&mut self, now: Mono, signalled: SocketAddr) {
        if signalled == self.signalled || signalled.ip().is_unspecified() {
            self.changes_until = now + WINDOW;
        } else {
            *self = Latch::new(now, signalled);
        }
    }

    /// Where to send to: the latched source, else what was signalled; nowhere while that is unspecified.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        let target = match self.source {
            Source::Guessed(source) => source,
            Source::Open | Source::Signalled => self.signalled,
        };
        (!target.ip().is_unspecified()).then_some(target)
    }

    /// Who was heard, if anybody.
    pub(super) fn source(&self) -> Option<SocketAddr> {
        match self.source {
            Source::Open => None,
            Source::Guessed(source) => Some(source),
            Source::Signalled => Some(self.signalled),
        }
    }

    /// Whose packets are taken, once one was.
    pub(super) fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// The source can only change by a new agreement from `now` on: the socket may be connected to it.
    pub(super) fn settled(&self, now: Mono) -> bool {
        match self.source {
            Source::Open => false,
            Source::Guessed(_) => now > self.window_ends,
            Source::Signalled => true,
        }
    }

    /// Judges a packet by its source and remembers it.
    pub(super) fn judge(&mut self, now: Mono, from: SocketAddr, ssrc: u32, any_address: bool) -> Judgement {
        let Some(source) = self.moved_by(now, from, any_address) else { return Judgement::Stranger };
        let same_source = source == self.source;
        let new_source = match self.ssrc {
            Some(known) if known == ssrc => false,
            Some(_) if same_source && self.is_held(now) => return Judgement::Stranger,
            Some(_) | None => true,
        };
        if new_source {
            self.changes_until = Mono(0);
        }
        self.source = source;
        self.ssrc = Some(ssrc);
        self.last = now;
        Judgement::Taken { new_source }
    }

    /// The SSRC that speaks is not to be left now.
    fn is_held(&self, now: Mono) -> bool {
        now.since(self.last) < QUIET && now > self.changes_until
    }

    /// The source after a packet from this address; `None`: the address is a stranger's.
    fn moved_by(&self, now: Mono, from: SocketAddr, any_address: bool) -> Option<Source> {
        let in_window = now <= self.window_ends;
        match self.source {
            Source::Signalled => (from == self.signalled).then_some(Source::Signalled),
            Source::Guessed(source) if from == source => Some(self.source),
            Source::Guessed(_) => (from == self.signalled && in_window).then_some(Source::Signalled),
            Source::Open if from == self.signalled => Some(Source::Signalled),
            Source::Open => {
                let near = any_address || from.ip() == self.signalled.ip();
                (near && in_window).then_some(Source::Guessed(from))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKEN: Judgement = Judgement::Taken { new_source: false };
    const TAKEN_NEW: Judgement = Judgement::Taken { new_source: true };

    fn ms(n: u64) -> Mono {
        Mono(n * 1000)
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn latch() -> Latch {
        Latch::new(ms(0), at("192.0.2.9:4000"))
    }

    #[test]
    fn the_signalled_address_latches_at_once_and_for_good() {
        let mut latch = latch();
        assert_eq!(latch.judge(ms(9000), at("192.0.2.9:4000"), 1, false), TAKEN_NEW);
        assert!(latch.settled(ms(9000)));
        assert_eq!(latch.judge(ms(9020), at("192.0.2.9:4002"), 1, false), Judgement::Stranger);
        assert_eq!(latch.judge(ms(9020), at("192.0.2.9:4000"), 1, false), TAKEN);
    }

    #[test]
    fn another_port_of_the_host_latches_once_within_the_window() {
        let mut latch = latch();
        assert_eq!(latch.judge(ms(10), at("203.0.113.1:4000"), 5, false), Judgement::Stranger);
        assert_eq!(latch.judge(ms(20), at("192.0.2.9:5000"), 1, false), TAKEN_NEW);
        assert_eq!(latch.target(), Some(at("192.0.2.9:5000")));
        assert!(!latch.settled(ms(20)));
        assert_eq!(latch.judge(ms(40), at("192.0.2.9:5002"), 1, false), Judgement::Stranger);
        assert!(latch.settled(ms(3001)));
        assert_eq!(latch.judge(ms(3001), at("192.0.2.9:4000"), 1, false), Judgement::Stranger);
    }

    #[test]
    fn the_signalled_address_takes_a_guess_back_within_the_window() {
        let mut latch = latch();
        latch.judge(ms(20), at("192.0.2.9:5000"), 66, false);
        assert_eq!(latch.judge(ms(30), at("192.0.2.9:4000"), 1, false), TAKEN_NEW);
        assert_eq!(latch.judge(ms(40), at("192.0.2.9:5000"), 66, false), Judgement::Stranger);
        assert_eq!(latch.target(), Some(at("192.0.2.9:4000")));
    }

    #[test]
    fn after_the_window_only_the_signalled_address_is_heard() {
        let mut latch = latch();
        assert_eq!(latch.judge(ms(3001), at("192.0.2.9:5000"), 1, false), Judgement::Stranger);
        assert_eq!(latch.judge(ms(3002), at("192.0.2.9:4000"), 1, false), TAKEN_NEW);
    }

    #[test]
    fn behind_nat_any_address_may_be_first() {
        let mut latch = latch();
        assert_eq!(latch.judge(ms(5), at("203.0.113.1:4000"), 5, true), TAKEN_NEW);
        assert_eq!(latch.judge(ms(6), at("203.0.113.2:4000"), 5, true), Judgement::Stranger);
    }

    #[test]
    fn a_second_ssrc_beside_the_first_is_a_stranger_and_after_quiet_a_change() {
        let mut latch = latch();
        let peer = at("192.0.2.9:4000");
        latch.judge(ms(0), peer, 1, false);
        assert_eq!(latch.judge(ms(20), peer, 2, false), Judgement::Stranger);
        assert_eq!(latch.judge(ms(40), peer, 1, false), TAKEN);
        assert_eq!(latch.judge(ms(140), peer, 2, false), TAKEN_NEW);
        assert_eq!(latch.judge(ms(160), peer, 1, false), Judgement::Stranger);
    }

    #[test]
    fn after_a_renewed_agreement_one_change_of_ssrc_costs_no_packet_and_the_old_one_is_a_stranger_then() {
        let mut latch = latch();
        let peer = at("192.0.2.9:4000");
        latch.judge(ms(0), peer, 1, false);
        latch.renew(ms(10), peer);
        assert_eq!(latch.judge(ms(20), peer, 1, false), TAKEN, "what is still on its way");
        assert_eq!(latch.judge(ms(25), peer, 2, false), TAKEN_NEW);
        assert_eq!(latch.judge(ms(26), peer, 1, false), Judgement::Stranger);
        assert_eq!(latch.judge(ms(40), peer, 3, false), Judgement::Stranger, "one change, not two");
        latch.renew(ms(50), peer);
        latch.judge(ms(3_040), peer, 2, false);
        assert_eq!(latch.judge(ms(3_060), peer, 4, false), Judgement::Stranger, "the window is over");
    }

    #[test]
    fn a_moved_agreement_opens_a_new_window_and_a_renewed_one_does_not() {
        let mut latch = latch();
        latch.judge(ms(0), at("192.0.2.9:4000"), 1, false);
        latch.renew(ms(50), at("192.0.2.9:4000"));
        assert_eq!(latch.judge(ms(60), at("192.0.2.9:5000"), 2, false), Judgement::Stranger);
        assert_eq!(latch.judge(ms(61), at("192.0.2.9:4000"), 2, false), TAKEN_NEW);
        latch.renew(ms(5000), at("0.0.0.0:4000"));
        assert_eq!(latch.target(), Some(at("192.0.2.9:4000")));
        latch.renew(ms(6000), at("198.51.100.7:7000"));
        assert_eq!(latch.judge(ms(6010), at("192.0.2.9:4000"), 2, false), Judgement::Stranger);
        assert_eq!(latch.judge(ms(6020), at("198.51.100.7:7004"), 2, false), TAKEN_NEW);
    }
}

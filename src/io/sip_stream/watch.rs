//! When a connection is to be asked for life, given up or closed, from the moments at which bytes came. Owns the keep-alive of
//! RFC 5626 §4.4.1 as data; refuses clocks and sockets.

use std::time::Duration;

use tokio::time::Instant;

use super::StreamLimits;

/// A message must be whole so long after its first byte.
const MESSAGE: Duration = Duration::from_secs(10);
/// A pong must come within this.
const PONG: Duration = Duration::from_secs(10);

/// Which side opened the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// The peer.
    Theirs,
    /// We did: the keep-alive is ours to send.
    Ours,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// Send a ping.
    Ping,
    /// A peer that answered pings before did not answer this one.
    NoPong,
    /// A message was begun and not ended.
    Slow,
    /// Nobody has said anything for long.
    Idle,
}

/// The watch over one connection.
#[derive(Debug)]
pub(super) struct Watch {
    side: Side,
    idle: Duration,
    keepalive: Option<Duration>,
    /// When the last bytes came.
    heard: Instant,
    /// When the last whole message came.
    message: Instant,
    begun: Option<Instant>,
    pinged: Option<Instant>,
    /// The peer has answered a ping: only of such a one is silence a sign. Many peers never answer one.
    ponger: bool,
    line_ends: u8,
}

impl Watch {
    pub(super) fn new(now: Instant, side: Side, limits: &StreamLimits) -> Watch {
        let keepalive = limits.keepalive.filter(|_| side == Side::Ours);
        Watch {
            side,
            idle: limits.idle,
            keepalive,
            heard: now,
            message: now,
            begun: None,
            pinged: None,
            ponger: false,
            line_ends: 0,
        }
    }

    /// Bytes came.
    pub(super) fn bytes(&mut self, now: Instant) {
        self.heard = now;
    }

    /// All frames of the bytes were taken; a message may have begun.
    pub(super) fn partial(&mut self, now: Instant, partial: bool) {
        self.begun = if partial { self.begun.or(Some(now)) } else { None };
    }

    /// A whole message came.
    pub(super) fn message(&mut self, now: Instant) {
        self.message = now;
        self.begun = None;
        self.line_ends = 0;
    }

    /// A line end came between messages: the answer to our ping, or half of a ping. True when a pong is due.
    pub(super) fn line_end(&mut self) -> bool {
        if self.pinged.take().is_some() {
            self.ponger = true;
            self.line_ends = 0;
            return false;
        }
        self.line_ends = (self.line_ends + 1) % 2;
        self.line_ends == 0
    }

    /// A ping was sent.
    pub(super) fn ping(&mut self, now: Instant) {
        self.pinged = Some(now);
    }

    /// What is due next, and when.
    pub(super) fn next(&self) -> (Instant, Due) {
        let idle_from = if self.side == Side::Ours { self.message } else { self.heard };
        let mut next = (idle_from + self.idle, Due::Idle);
        let mut sooner = |at: Instant, due: Due| {
            if at < next.0 {
                next = (at, due);
            }
        };
        if let Some(begun) = self.begun {
            sooner(begun + MESSAGE, Due::Slow);
        }
        match (self.keepalive, self.pinged) {
            (Some(_), Some(pinged)) if self.ponger => sooner(pinged + PONG, Due::NoPong),
            (Some(every), pinged) => sooner(pinged.map_or(self.heard, |at| at.max(self.heard)) + every, Due::Ping),
            (None, _) => {}
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn watch(side: Side) -> (Watch, Instant) {
        let now = Instant::now();
        let limits = StreamLimits { connections: 1, per_source: 1, idle: 600 * SECOND, keepalive: Some(30 * SECOND) };
        (Watch::new(now, side, &limits), now)
    }

    #[test]
    fn a_quiet_connection_of_ours_is_pinged_and_given_up_when_a_ponger_falls_silent() {
        let (mut watch, begin) = watch(Side::Ours);
        assert_eq!(watch.next(), (begin + 30 * SECOND, Due::Ping));
        watch.ping(begin + 30 * SECOND);
        assert_eq!(watch.next(), (begin + 60 * SECOND, Due::Ping), "nobody knows yet whether it answers pings");
        watch.bytes(begin + 31 * SECOND);
        assert!(!watch.line_end(), "a pong is not answered");
        assert_eq!(watch.next(), (begin + 61 * SECOND, Due::Ping));
        watch.ping(begin + 61 * SECOND);
        assert_eq!(watch.next(), (begin + 71 * SECOND, Due::NoPong));
    }

    #[test]
    fn two_line_ends_are_a_ping_and_keep_the_peers_connection() {
        let (mut watch, begin) = watch(Side::Theirs);
        assert_eq!(watch.next(), (begin + 600 * SECOND, Due::Idle));
        watch.bytes(begin + 500 * SECOND);
        assert!(!watch.line_end());
        assert!(watch.line_end());
        assert_eq!(watch.next(), (begin + 1100 * SECOND, Due::Idle));
    }

    #[test]
    fn a_message_that_drips_is_slow_however_often_it_drips() {
        let (mut watch, begin) = watch(Side::Theirs);
        for drip in 1..9 {
            watch.bytes(begin + drip * SECOND);
            watch.partial(begin + drip * SECOND, true);
        }
        assert_eq!(watch.next(), (begin + 11 * SECOND, Due::Slow));
        watch.message(begin + 9 * SECOND);
        watch.partial(begin + 9 * SECOND, false);
        assert_eq!(watch.next().1, Due::Idle);
    }

    #[test]
    fn our_connection_is_idle_without_messages_though_pongs_come() {
        let (mut watch, begin) = watch(Side::Ours);
        watch.bytes(begin + 590 * SECOND);
        assert_eq!(watch.next(), (begin + 600 * SECOND, Due::Idle));
    }
}

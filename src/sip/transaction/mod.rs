//! The transactions of RFC 3261 §17 (with RFC 6026): one machine per file. A machine owns its state, its stored bytes and its
//! deadlines; it is told of messages and of time and answers with a [`Step`]. Refuses parsing, addresses, dialogs and clocks.

pub mod invite_client;
pub mod invite_server;
pub mod non_invite_client;
pub mod non_invite_server;

use std::sync::Arc;
use std::time::Duration;

pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use non_invite_client::NonInviteClient;
pub use non_invite_server::NonInviteServer;

use crate::clock::Mono;
use crate::model::SipTransport;

/// A message as it goes onto the wire, kept for retransmission.
pub type Stored = Arc<[u8]>;

/// When a machine wants to be woken, and the RFC's name of the timer.
pub type Deadline = (Mono, &'static str);

/// What carries the messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// UDP: we retransmit.
    Unreliable,
    /// TCP or TLS: the transport retransmits; waiting for stragglers takes no time.
    Reliable,
}

/// The base timers of RFC 3261 Table 4, and our bound on ringing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerConfig {
    /// Estimate of the round trip.
    pub t1: Duration,
    /// Longest interval between retransmissions of what is not an INVITE.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
    /// Longest time an INVITE may stay unanswered after a provisional: a bound, the engine gives up earlier.
    pub ring_limit: Duration,
}

impl From<SipTransport> for Transport {
    fn from(transport: SipTransport) -> Transport {
        if transport.is_reliable() { Transport::Reliable } else { Transport::Unreliable }
    }
}

impl Default for TimerConfig {
    fn default() -> Self {
        TimerConfig {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            ring_limit: Duration::from_secs(600),
        }
    }
}

impl TimerConfig {
    /// Of a request inside a dialog: nobody has to be fetched to the phone for a re-INVITE, so it is not let ring.
    pub fn in_dialog(self) -> TimerConfig {
        TimerConfig { ring_limit: self.life(), ..self }
    }

    /// 64·T1: the life of timers B, F, H, J, L and M.
    pub fn life(&self) -> Duration {
        self.t1 * 64
    }

    /// Timer D: 32 s or more with the default T1, nothing on a reliable transport.
    fn d(&self, transport: Transport) -> Duration {
        wait(transport, self.life())
    }

    /// Timers I and K.
    fn stragglers(&self, transport: Transport) -> Duration {
        wait(transport, self.t4)
    }
}

fn wait(transport: Transport, time: Duration) -> Duration {
    match transport {
        Transport::Unreliable => time,
        Transport::Reliable => Duration::ZERO,
    }
}

/// What a machine wants after an input: first the bytes, then the event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step<E> {
    /// Put on the wire.
    pub send: Option<Stored>,
    /// Tell the transaction user.
    pub event: Option<E>,
}

impl<E> Step<E> {
    pub(super) fn nothing() -> Step<E> {
        Step { send: None, event: None }
    }

    pub(super) fn send(bytes: Stored) -> Step<E> {
        Step { send: Some(bytes), event: None }
    }

    pub(super) fn tell(event: E) -> Step<E> {
        Step { send: None, event: Some(event) }
    }
}

/// A deadline that repeats with a growing interval (timers A, E and G).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repeat {
    at: Mono,
    interval: Duration,
}

impl Repeat {
    /// The first repetition is due after `interval`.
    pub fn start(now: Mono, interval: Duration) -> Repeat {
        Repeat { at: now + interval, interval }
    }

    /// When the next repetition is due.
    pub fn at(&self) -> Mono {
        self.at
    }

    /// The next repetition: twice the interval, at most `cap`. Counted from `now`, so a late wake-up makes no burst.
    pub fn again(&self, now: Mono, cap: Option<Duration>) -> Repeat {
        let doubled = self.interval * 2;
        Repeat::start(now, cap.map_or(doubled, |cap| doubled.min(cap)))
    }
}

fn sooner(repeat: Option<(Repeat, &'static str)>, end: Deadline) -> Deadline {
    match repeat {
        Some((repeat, name)) if repeat.at() < end.0 => (repeat.at(), name),
        _ => end,
    }
}

#[cfg(test)]
pub(super) mod script {
    //! Helpers of the machines' script tests: virtual milliseconds.

    use super::*;

    pub fn ms(ms: u64) -> Mono {
        Mono(ms * 1000)
    }

    pub fn bytes(text: &str) -> Stored {
        Arc::from(text.as_bytes())
    }
}

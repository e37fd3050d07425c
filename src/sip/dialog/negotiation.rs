//! An offer/answer exchange inside a dialog, as a machine: a re-INVITE or UPDATE of the peer (RFC 3261 §14.2, RFC 3311), or a
//! re-INVITE of ours (§14.1). What is pending, what collides, and the repetition of our 2xx until it is ACKed (§13.3.1.4). Refuses bodies' contents.

use super::session::Wish;
use crate::clock::Mono;
use crate::sip::api::OfferId;
use crate::sip::transaction::{Deadline, Repeat, Stored, TimerConfig, Transport};

/// Where the exchange stands.
#[derive(Clone, Debug, Default)]
pub enum Negotiation {
    /// None.
    #[default]
    Idle,
    /// The engine has not answered yet.
    Offered {
        /// What the engine names it.
        id: OfferId,
        /// The server transaction to answer.
        transaction: usize,
        /// The re-INVITE brought no offer: our 200 will.
        offerless: bool,
        /// Taken over when the request is accepted (target refresh, §12.2).
        contact: Option<Box<str>>,
        /// What it says of the session timer.
        wish: Wish,
    },
    /// Our re-INVITE is on its way.
    Ours {
        /// Its client transaction; none until it is started.
        transaction: Option<usize>,
        /// What it offers.
        proposal: Proposal,
    },
    /// Our 2xx to a re-INVITE is on the way until its ACK comes.
    AwaitingAck {
        /// CSeq number of the re-INVITE.
        cseq: u32,
        /// The 200.
        response: Stored,
        /// When to send it again.
        repeat: Option<Repeat>,
        /// 64·T1 after the first.
        give_up: Mono,
        /// The 200 carried our offer: the ACK brings the answer.
        offered: bool,
    },
}

/// Why we offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To keep the session alive: nothing changes.
    Refresh,
    /// The engine wants something else.
    Engine,
}

/// An offer of ours that waits for its time, or for its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// The session description.
    pub body: Stored,
    /// Why.
    pub purpose: Purpose,
    /// Not before this.
    pub at: Mono,
    /// How often it went out.
    pub tries: u8,
}

impl Proposal {
    /// One that may go out now.
    pub fn new(body: Stored, purpose: Purpose, now: Mono) -> Proposal {
        Proposal { body, purpose, at: now, tries: 0 }
    }
}

/// What a peer's new offer meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Collision {
    /// Nothing: go on.
    None,
    /// An offer of ours is unanswered: 491.
    Glare,
    /// An offer of theirs is unanswered: 500 with Retry-After.
    Busy,
}

/// What time brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Send the 2xx again.
    Again(Stored),
    /// No ACK within 64·T1: BYE (§13.3.1.4).
    NeverAcked,
}

impl Negotiation {
    /// Waits for the ACK of `response`.
    pub fn await_ack(
        now: Mono,
        cseq: u32,
        response: Stored,
        offered: bool,
        timers: &TimerConfig,
        transport: Transport,
    ) -> Negotiation {
        // The user agent core repeats a 2xx over any transport (§13.3.1.4); a reliable one loses it only at a proxy.
        let first = if transport == Transport::Unreliable { timers.t1 } else { timers.t2 };
        let repeat = Some(Repeat::start(now, first));
        Negotiation::AwaitingAck { cseq, response, repeat, give_up: now + timers.life(), offered }
    }

    /// The peer's offer that the engine has not answered.
    pub fn offered(&self) -> Option<OfferId> {
        match self {
            Negotiation::Offered { id, .. } => Some(*id),
            Negotiation::Idle | Negotiation::Ours { .. } | Negotiation::AwaitingAck { .. } => None,
        }
    }

    /// What a new offer of the peer meets.
    pub fn collision(&self) -> Collision {
        match self {
            Negotiation::Idle => Collision::None,
            Negotiation::Ours { .. } | Negotiation::AwaitingAck { offered: true, .. } => Collision::Glare,
            Negotiation::Offered { .. } | Negotiation::AwaitingAck { offered: false, .. } => Collision::Busy,
        }
    }

    /// An ACK of the re-INVITE `number`: `Some(true)` when its body is the answer to our offer.
    pub fn ack(&mut self, number: u32) -> Option<bool> {
        match self {
            Negotiation::AwaitingAck { cseq, offered, .. } if *cseq == number => {
                let offered = *offered;
                *self = Negotiation::Idle;
                Some(offered)
            }
            _ => None,
        }
    }

    /// The moment of [`Negotiation::deadline`] may have come.
    pub fn timeout(&mut self, now: Mono, timers: &TimerConfig) -> Due {
        match self {
            Negotiation::AwaitingAck { give_up, .. } if *give_up <= now => {
                *self = Negotiation::Idle;
                Due::NeverAcked
            }
            Negotiation::AwaitingAck { response, repeat: Some(repeat), .. } if repeat.at() <= now => {
                *repeat = repeat.again(now, Some(timers.t2));
                Due::Again(response.clone())
            }
            _ => Due::Nothing,
        }
    }

    /// When to call [`Negotiation::timeout`], and why.
    pub fn deadline(&self) -> Option<Deadline> {
        match self {
            Negotiation::AwaitingAck { repeat, give_up, .. } => Some(match repeat {
                Some(repeat) if repeat.at() < *give_up => (repeat.at(), "2xx again"),
                _ => (*give_up, "no ACK to our 2xx"),
            }),
            Negotiation::Idle | Negotiation::Offered { .. } | Negotiation::Ours { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_2xx_is_repeated_up_to_t2_and_given_up_after_64_t1() {
        let timers = TimerConfig::default();
        let response: Stored = Arc::from(&b"200"[..]);
        let mut exchange = Negotiation::await_ack(Mono(0), 3, response.clone(), true, &timers, Transport::Unreliable);
        assert_eq!(exchange.collision(), Collision::Glare);
        let mut sent = Vec::new();
        while let Some((at, "2xx again")) = exchange.deadline() {
            assert_eq!(exchange.timeout(at, &timers), Due::Again(response.clone()));
            sent.push(at.0 / 1_000);
        }
        assert_eq!(sent, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!(exchange.ack(2), None);
        assert_eq!(exchange.timeout(Mono(32_000_000), &timers), Due::NeverAcked);
        assert_eq!(exchange.collision(), Collision::None);
    }

    #[test]
    fn the_right_ack_ends_the_wait() {
        let timers = TimerConfig::default();
        let response: Stored = Arc::from(&b"200"[..]);
        let mut exchange = Negotiation::await_ack(Mono(0), 3, response, false, &timers, Transport::Unreliable);
        assert_eq!(exchange.collision(), Collision::Busy);
        assert_eq!(exchange.ack(3), Some(false));
        assert_eq!(exchange.deadline(), None);
    }
}

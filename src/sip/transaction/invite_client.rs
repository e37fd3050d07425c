//! The INVITE client transaction: RFC 3261 §17.1.1 (timers A, B, D) with the Accepted state and timer M of RFC 6026 §7.2.
//! Owns retransmission of the INVITE and of the ACK to a refusal; refuses the ACK to a 2xx, which is the dialog's.

use std::time::Duration;

use super::{Deadline, Repeat, Step, Stored, TimerConfig, Transport, sooner};
use crate::clock::Mono;

/// What the transaction user hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A 1xx.
    Provisional,
    /// A 2xx: the first, a retransmission, or another fork's.
    Success,
    /// The first final refusal; its ACK is on the way.
    Refused,
    /// Timer B, or no final response within 64·T1 of our CANCEL (§9.1).
    TimedOut,
    /// Provisionals for longer than the ring limit: CANCEL is due. The transaction goes on.
    RangTooLong,
}

/// What a response means to the transaction. The refusal brings the ACK that answers it (§17.1.1.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Response {
    /// 100 to 199.
    Provisional,
    /// 200 to 299.
    Success,
    /// 300 to 699.
    Refusal { ack: Stored },
}

#[derive(Clone, Debug)]
enum State {
    /// `wanted`: it may be sent again.
    Calling {
        invite: Stored,
        a: Option<Repeat>,
        b: Mono,
        wanted: bool,
    },
    Proceeding {
        end: Option<Mono>,
        cancelled: bool,
    },
    Accepted {
        m: Mono,
    },
    Completed {
        ack: Stored,
        d: Mono,
    },
    Terminated,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct InviteClient {
    state: State,
    timers: TimerConfig,
    transport: Transport,
    /// The last pause before a lost INVITE went out again.
    pause: Option<Duration>,
}

impl InviteClient {
    /// Starts with the INVITE, which is sent by the step returned.
    pub fn start(now: Mono, invite: Stored, timers: TimerConfig, transport: Transport) -> (InviteClient, Step<Event>) {
        let a = (transport == Transport::Unreliable).then(|| Repeat::start(now, timers.t1));
        let state = State::Calling { invite: invite.clone(), a, b: now + timers.life(), wanted: true };
        (InviteClient { state, timers, transport, pause: None }, Step::send(invite))
    }

    /// A response with our branch and CSeq method INVITE.
    pub fn response(&mut self, now: Mono, response: Response) -> Step<Event> {
        match (&self.state, response) {
            (State::Calling { .. }, Response::Provisional) => {
                self.state = State::Proceeding { end: Some(now + self.timers.ring_limit), cancelled: false };
                Step::tell(Event::Provisional)
            }
            (State::Proceeding { .. }, Response::Provisional) => Step::tell(Event::Provisional),
            (State::Calling { .. } | State::Proceeding { .. }, Response::Success) => {
                self.state = State::Accepted { m: now + self.timers.life() };
                Step::tell(Event::Success)
            }
            (State::Accepted { .. }, Response::Success) => Step::tell(Event::Success),
            (State::Calling { .. } | State::Proceeding { .. }, Response::Refusal { ack }) => {
                self.state = match self.transport {
                    Transport::Unreliable => {
                        State::Completed { ack: ack.clone(), d: now + self.timers.d(self.transport) }
                    }
                    Transport::Reliable => State::Terminated,
                };
                Step { send: Some(ack), event: Some(Event::Refused) }
            }
            (State::Completed { ack, .. }, Response::Refusal { .. }) => Step::send(ack.clone()),
            _ => Step::nothing(),
        }
    }

    /// A CANCEL was sent: no final response within 64·T1 ends the transaction (§9.1).
    pub fn cancelled(&mut self, now: Mono) {
        if let State::Proceeding { end, cancelled } = &mut self.state {
            *end = Some(now + self.timers.life());
            *cancelled = true;
        }
    }

    /// Nobody needs the answer any more: the INVITE is not sent again, and the wait for a final response is bounded as after
    /// a CANCEL.
    pub fn abandon(&mut self, now: Mono) {
        match &mut self.state {
            State::Calling { a, wanted, .. } => (*a, *wanted) = (None, false),
            _ => self.cancelled(now),
        }
    }

    /// The moment of [`InviteClient::deadline`] may have come.
    pub fn timeout(&mut self, now: Mono) -> Step<Event> {
        match &mut self.state {
            State::Calling { b, .. } if *b <= now => self.end(Some(Event::TimedOut)),
            State::Calling { invite, a, .. } if a.is_some_and(|a| a.at() <= now) => {
                // Over a reliable transport nothing follows by itself: the next loss says so.
                let next = a.filter(|_| self.transport == Transport::Unreliable);
                *a = next.map(|a| a.again(now, None));
                Step::send(invite.clone())
            }
            State::Proceeding { end: Some(end), cancelled: true } if *end <= now => self.end(Some(Event::TimedOut)),
            State::Proceeding { end: end @ Some(_), cancelled: false } if end.is_some_and(|end| end <= now) => {
                *end = None;
                Step::tell(Event::RangTooLong)
            }
            State::Accepted { m: end } | State::Completed { d: end, .. } if *end <= now => self.end(None),
            _ => Step::nothing(),
        }
    }

    fn end(&mut self, event: Option<Event>) -> Step<Event> {
        self.state = State::Terminated;
        Step { send: None, event }
    }

    /// Sends the INVITE no more, while nothing has come; false when something has. The transaction waits on: what comes late
    /// still belongs to it.
    pub fn hush(&mut self) -> bool {
        match &mut self.state {
            State::Calling { a, wanted, .. } => {
                (*a, *wanted) = (None, false);
                true
            }
            _ => false,
        }
    }

    /// The INVITE, while no response has come and it may be sent again.
    pub fn waiting(&self) -> Option<Stored> {
        match &self.state {
            State::Calling { invite, wanted: true, .. } => Some(invite.clone()),
            _ => None,
        }
    }

    /// The connection is lost, and the switch may have the INVITE already: it goes out again, as the same one, after T1, after
    /// each further loss after twice as long, up to T2, until timer B.
    pub fn persist(&mut self, now: Mono) {
        let pause = self.pause.map_or(self.timers.t1, |last| (last * 2).min(self.timers.t2));
        if let State::Calling { a, wanted: true, .. } = &mut self.state {
            *a = Some(Repeat::start(now, pause));
            self.pause = Some(pause);
        }
    }

    /// The transport failed: no response will come, so timer B is due (§17.1.1.2).
    pub fn unreachable(&mut self, now: Mono) {
        if let State::Calling { a, b, wanted, .. } = &mut self.state {
            (*a, *b, *wanted) = (None, now, false);
        }
    }

    /// When to call [`InviteClient::timeout`], and why.
    pub fn deadline(&self) -> Option<Deadline> {
        match &self.state {
            State::Calling { a, b, .. } => Some(sooner(a.map(|a| (a, "timer A")), (*b, "timer B"))),
            State::Proceeding { end, cancelled } => {
                end.map(|end| (end, if *cancelled { "64·T1 after CANCEL" } else { "ring limit" }))
            }
            State::Accepted { m } => Some((*m, "timer M")),
            State::Completed { d, .. } => Some((*d, "timer D")),
            State::Terminated => None,
        }
    }

    /// Nothing has come.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// Only now may a CANCEL be sent: a provisional came, no final (§9.1).
    pub fn may_cancel(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// No final response has come and none is given up yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding { .. })
    }

    /// Nothing is left to do: the machine may be dropped.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::{bytes, ms};
    use super::*;

    fn start(transport: Transport) -> InviteClient {
        let (machine, step) = InviteClient::start(ms(0), bytes("INVITE"), TimerConfig::default(), transport);
        assert_eq!(step, Step::send(bytes("INVITE")));
        machine
    }

    #[test]
    fn an_unanswered_invite_is_sent_seven_times_with_doubling_gaps_and_given_up_after_32_seconds() {
        let mut machine = start(Transport::Unreliable);
        for at in [500, 1_500, 3_500, 7_500, 15_500, 31_500] {
            assert_eq!(machine.deadline(), Some((ms(at), "timer A")));
            assert_eq!(machine.timeout(ms(at)), Step::send(bytes("INVITE")));
        }
        assert_eq!(machine.deadline(), Some((ms(32_000), "timer B")));
        assert_eq!(machine.timeout(ms(32_000)), Step::tell(Event::TimedOut));
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_reliable_transport_sends_the_invite_once() {
        let machine = start(Transport::Reliable);
        assert_eq!(machine.deadline(), Some((ms(32_000), "timer B")));
    }

    #[test]
    fn an_invite_that_keeps_losing_its_connection_goes_out_again_ever_later_until_timer_b_or_an_answer() {
        let mut machine = start(Transport::Reliable);
        for (lost, again) in [(100, 600), (600, 1_600), (2_000, 4_000), (4_000, 8_000), (9_000, 13_000)] {
            machine.persist(ms(lost));
            assert_eq!(machine.deadline(), Some((ms(again), "timer A")));
            assert_eq!(machine.timeout(ms(again)), Step::send(bytes("INVITE")));
            assert_eq!(machine.deadline(), Some((ms(32_000), "timer B")));
        }
        machine.response(ms(14_000), Response::Provisional);
        machine.persist(ms(15_000));
        assert_eq!(machine.timeout(ms(31_000)), Step::nothing());
    }

    #[test]
    fn a_provisional_stops_retransmission_and_allows_cancel() {
        let mut machine = start(Transport::Unreliable);
        assert!(!machine.may_cancel());
        assert_eq!(machine.response(ms(100), Response::Provisional), Step::tell(Event::Provisional));
        assert!(machine.may_cancel());
        machine.cancelled(ms(1_000));
        assert_eq!(machine.deadline(), Some((ms(33_000), "64·T1 after CANCEL")));
        assert_eq!(machine.timeout(ms(33_000)), Step::tell(Event::TimedOut));
        assert!(machine.is_terminated());
    }

    #[test]
    fn an_abandoned_invite_is_not_sent_again_but_its_refusal_is_still_acked() {
        let mut machine = start(Transport::Unreliable);
        machine.abandon(ms(100));
        assert_eq!(machine.deadline(), Some((ms(32_000), "timer B")));
        let refusal = Response::Refusal { ack: bytes("ACK") };
        assert_eq!(machine.response(ms(200), refusal), Step { send: Some(bytes("ACK")), event: Some(Event::Refused) });
    }

    #[test]
    fn endless_ringing_is_reported_once_and_the_transaction_waits_for_the_cancel() {
        let mut machine = start(Transport::Unreliable);
        machine.response(ms(0), Response::Provisional);
        assert_eq!(machine.timeout(ms(600_000)), Step::tell(Event::RangTooLong));
        assert!(machine.may_cancel());
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn every_2xx_reaches_the_user_until_timer_m() {
        let mut machine = start(Transport::Unreliable);
        for at in [10, 510, 1_510] {
            assert_eq!(machine.response(ms(at), Response::Success), Step::tell(Event::Success));
        }
        assert_eq!(machine.deadline(), Some((ms(32_010), "timer M")));
        assert_eq!(machine.response(ms(2_000), Response::Refusal { ack: bytes("ACK") }), Step::nothing());
        assert_eq!(machine.timeout(ms(32_010)), Step::nothing());
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_refusal_is_acked_each_time_and_told_once() {
        let mut machine = start(Transport::Unreliable);
        let refusal = || Response::Refusal { ack: bytes("ACK") };
        assert_eq!(machine.response(ms(10), refusal()), Step { send: Some(bytes("ACK")), event: Some(Event::Refused) });
        assert_eq!(machine.response(ms(500), refusal()), Step::send(bytes("ACK")));
        assert_eq!(machine.response(ms(600), Response::Success), Step::nothing());
        assert_eq!(machine.deadline(), Some((ms(32_010), "timer D")));
        machine.timeout(ms(32_010));
        assert!(machine.is_terminated());
    }
}

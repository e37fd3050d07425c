//! The client transaction of every other request: RFC 3261 §17.1.2 (timers E, F, K). Retransmissions double up to T2, and
//! go on at T2 after a provisional. Over a reliable transport only the loss of a connection sends a request again, where its user
//! wants that. Refuses INVITE.

use std::time::Duration;

use super::{Deadline, Repeat, Step, Stored, TimerConfig, Transport, sooner};
use crate::clock::Mono;

/// What the transaction user hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The first final response.
    Final,
    /// Timer F.
    TimedOut,
}

#[derive(Clone, Debug)]
enum State {
    Trying { request: Stored, e: Option<Repeat>, f: Mono },
    Proceeding { request: Stored, e: Option<Repeat>, f: Mono },
    Completed { k: Mono },
    Terminated,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct NonInviteClient {
    state: State,
    timers: TimerConfig,
    transport: Transport,
    /// The last pause before a lost request went out again.
    pause: Option<Duration>,
}

impl NonInviteClient {
    /// Starts with the request, which is sent by the step returned.
    pub fn start(
        now: Mono,
        request: Stored,
        timers: TimerConfig,
        transport: Transport,
    ) -> (NonInviteClient, Step<Event>) {
        let e = (transport == Transport::Unreliable).then(|| Repeat::start(now, timers.t1.min(timers.t2)));
        let state = State::Trying { request: request.clone(), e, f: now + timers.life() };
        (NonInviteClient { state, timers, transport, pause: None }, Step::send(request))
    }

    /// A response with our branch and CSeq method; its status.
    pub fn response(&mut self, now: Mono, status: u16) -> Step<Event> {
        match &self.state {
            State::Trying { request, e, f } if status < 200 => {
                self.state = State::Proceeding { request: request.clone(), e: *e, f: *f };
                Step::nothing()
            }
            State::Trying { .. } | State::Proceeding { .. } if status >= 200 => {
                self.state = match self.transport {
                    Transport::Unreliable => State::Completed { k: now + self.timers.stragglers(self.transport) },
                    Transport::Reliable => State::Terminated,
                };
                Step::tell(Event::Final)
            }
            _ => Step::nothing(),
        }
    }

    /// The moment of [`NonInviteClient::deadline`] may have come.
    pub fn timeout(&mut self, now: Mono) -> Step<Event> {
        let t2 = self.timers.t2;
        // Over a reliable transport nothing follows by itself: the next loss says so.
        let next = |e: Repeat| (self.transport == Transport::Unreliable).then_some(e);
        match &mut self.state {
            State::Trying { f, .. } | State::Proceeding { f, .. } if *f <= now => {
                self.state = State::Terminated;
                Step::tell(Event::TimedOut)
            }
            State::Trying { request, e, .. } if e.is_some_and(|e| e.at() <= now) => {
                *e = e.and_then(|e| next(e.again(now, Some(t2))));
                Step::send(request.clone())
            }
            State::Proceeding { request, e, .. } if e.is_some_and(|e| e.at() <= now) => {
                *e = next(Repeat::start(now, t2));
                Step::send(request.clone())
            }
            State::Completed { k } if *k <= now => {
                self.state = State::Terminated;
                Step::nothing()
            }
            _ => Step::nothing(),
        }
    }

    /// The request, while no final response has come.
    pub fn waiting(&self) -> Option<Stored> {
        match &self.state {
            State::Trying { request, .. } | State::Proceeding { request, .. } => Some(request.clone()),
            State::Completed { .. } | State::Terminated => None,
        }
    }

    /// The connection is lost, and the request must not be lost with it: it goes out again after T1, after each further loss
    /// after twice as long, up to T2, until timer F. What a datagram gets from timer E; but only a loss brings the next one.
    pub fn persist(&mut self, now: Mono) {
        let pause = self.pause.map_or(self.timers.t1, |last| (last * 2).min(self.timers.t2));
        if let State::Trying { e, .. } | State::Proceeding { e, .. } = &mut self.state {
            *e = Some(Repeat::start(now, pause));
            self.pause = Some(pause);
        }
    }

    /// The transport failed: no response will come, so timer F is due (§17.1.2.2).
    pub fn unreachable(&mut self, now: Mono) {
        if let State::Trying { e, f, .. } | State::Proceeding { e, f, .. } = &mut self.state {
            (*e, *f) = (None, now);
        }
    }

    /// When to call [`NonInviteClient::timeout`], and why.
    pub fn deadline(&self) -> Option<Deadline> {
        match &self.state {
            State::Trying { e, f, .. } | State::Proceeding { e, f, .. } => {
                Some(sooner(e.map(|e| (e, "timer E")), (*f, "timer F")))
            }
            State::Completed { k } => Some((*k, "timer K")),
            State::Terminated => None,
        }
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

    fn start(transport: Transport) -> NonInviteClient {
        NonInviteClient::start(ms(0), bytes("BYE"), TimerConfig::default(), transport).0
    }

    #[test]
    fn retransmissions_double_up_to_t2_and_end_with_timer_f() {
        let mut machine = start(Transport::Unreliable);
        let mut sent = Vec::new();
        while let Some((at, "timer E")) = machine.deadline() {
            assert_eq!(machine.timeout(at), Step::send(bytes("BYE")));
            sent.push(at.0 / 1000);
        }
        assert_eq!(sent, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!(machine.timeout(ms(32_000)), Step::tell(Event::TimedOut));
        assert!(machine.is_terminated());
    }

    #[test]
    fn after_a_provisional_it_goes_on_at_t2() {
        let mut machine = start(Transport::Unreliable);
        machine.response(ms(100), 100);
        assert_eq!(machine.timeout(ms(500)), Step::send(bytes("BYE")));
        assert_eq!(machine.deadline(), Some((ms(4_500), "timer E")));
    }

    #[test]
    fn a_final_response_is_told_once_and_stragglers_are_absorbed_for_t4() {
        let mut machine = start(Transport::Unreliable);
        assert_eq!(machine.response(ms(100), 200), Step::tell(Event::Final));
        assert_eq!(machine.response(ms(600), 200), Step::nothing());
        assert_eq!(machine.deadline(), Some((ms(5_100), "timer K")));
        machine.timeout(ms(5_100));
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_request_that_keeps_losing_its_connection_goes_out_again_ever_later_and_not_after_timer_f() {
        let mut machine = start(Transport::Reliable);
        let (mut now, mut pauses) = (ms(0), Vec::new());
        loop {
            machine.persist(now);
            let Some((at, "timer E")) = machine.deadline() else { break };
            assert_eq!(machine.timeout(at), Step::send(bytes("BYE")));
            assert_eq!(machine.deadline(), Some((ms(32_000), "timer F")), "until it is lost again");
            pauses.push(at.since(now).as_millis());
            now = at;
        }
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000]);
        assert_eq!(machine.timeout(ms(32_000)), Step::tell(Event::TimedOut));
        assert!(machine.is_terminated());
    }

    #[test]
    fn an_answer_that_comes_while_it_waits_for_another_connection_ends_it() {
        let mut machine = start(Transport::Reliable);
        machine.persist(ms(0));
        assert_eq!(machine.response(ms(100), 200), Step::tell(Event::Final));
        machine.persist(ms(100));
        assert_eq!((machine.deadline(), machine.is_terminated()), (None, true));
    }

    #[test]
    fn a_reliable_transport_neither_retransmits_nor_waits() {
        let mut machine = start(Transport::Reliable);
        assert_eq!(machine.deadline(), Some((ms(32_000), "timer F")));
        machine.response(ms(100), 486);
        assert!(machine.is_terminated());
    }
}

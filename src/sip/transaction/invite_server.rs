//! The INVITE server transaction: RFC 3261 §17.2.1 (timers G, H, I) with the Accepted state and timer L of RFC 6026 §7.1.
//! Owns retransmission of refusals; refuses that of a 2xx, which is the dialog's.

use std::time::Duration;

use super::{Deadline, Repeat, Step, Stored, TimerConfig, Transport, sooner};
use crate::clock::Mono;

/// The time within which the user must answer, or 100 Trying is sent (§17.2.1).
const TRYING_AFTER: Duration = Duration::from_millis(200);

/// What the transaction user hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Timer H: our refusal was never ACKed.
    TimedOut,
}

#[derive(Clone, Debug)]
enum State {
    Proceeding { trying: Stored, trying_at: Option<Mono> },
    Accepted { l: Mono },
    Completed { response: Stored, g: Option<Repeat>, h: Mono },
    Confirmed { i: Mono },
    Terminated,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct InviteServer {
    state: State,
    timers: TimerConfig,
    transport: Transport,
}

impl InviteServer {
    /// An INVITE arrived. `trying` is the 100 that is sent when the user takes longer than 200 ms.
    pub fn start(now: Mono, trying: Stored, timers: TimerConfig, transport: Transport) -> InviteServer {
        let state = State::Proceeding { trying, trying_at: Some(now + TRYING_AFTER) };
        InviteServer { state, timers, transport }
    }

    /// The same INVITE again.
    pub fn retransmission(&mut self) -> Step<Event> {
        match &mut self.state {
            State::Proceeding { trying, trying_at } => {
                *trying_at = None;
                Step::send(trying.clone())
            }
            State::Completed { response, .. } => Step::send(response.clone()),
            _ => Step::nothing(),
        }
    }

    /// The user accepts: the 2xx is sent, its repetition is the dialog's.
    pub fn accept(&mut self, now: Mono, response: Stored) -> Step<Event> {
        if !self.is_proceeding() {
            return Step::nothing();
        }
        self.state = State::Accepted { l: now + self.timers.life() };
        Step::send(response)
    }

    /// The user refuses: the response is sent until it is ACKed.
    pub fn refuse(&mut self, now: Mono, response: Stored) -> Step<Event> {
        if !self.is_proceeding() {
            return Step::nothing();
        }
        let g = (self.transport == Transport::Unreliable).then(|| Repeat::start(now, self.timers.t1));
        self.state = State::Completed { response: response.clone(), g, h: now + self.timers.life() };
        Step::send(response)
    }

    /// An ACK with this transaction's branch.
    pub fn ack(&mut self, now: Mono) {
        if matches!(self.state, State::Completed { .. }) {
            self.state = match self.transport {
                Transport::Unreliable => State::Confirmed { i: now + self.timers.stragglers(self.transport) },
                Transport::Reliable => State::Terminated,
            };
        }
    }

    /// The moment of [`InviteServer::deadline`] may have come.
    pub fn timeout(&mut self, now: Mono) -> Step<Event> {
        let t2 = self.timers.t2;
        match &mut self.state {
            State::Proceeding { trying, trying_at } if trying_at.is_some_and(|at| at <= now) => {
                *trying_at = None;
                Step::send(trying.clone())
            }
            State::Completed { h, .. } if *h <= now => {
                self.state = State::Terminated;
                Step::tell(Event::TimedOut)
            }
            State::Completed { response, g: Some(g), .. } if g.at() <= now => {
                *g = g.again(now, Some(t2));
                Step::send(response.clone())
            }
            State::Accepted { l: end } | State::Confirmed { i: end } if *end <= now => {
                self.state = State::Terminated;
                Step::nothing()
            }
            _ => Step::nothing(),
        }
    }

    /// When to call [`InviteServer::timeout`], and why.
    pub fn deadline(&self) -> Option<Deadline> {
        match &self.state {
            State::Proceeding { trying_at, .. } => trying_at.map(|at| (at, "100 Trying")),
            State::Accepted { l } => Some((*l, "timer L")),
            State::Completed { g, h, .. } => Some(sooner(g.map(|g| (g, "timer G")), (*h, "timer H"))),
            State::Confirmed { i } => Some((*i, "timer I")),
            State::Terminated => None,
        }
    }

    /// No final response was given yet: a CANCEL still means something.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Neither answered with a 2xx nor refused and ACKed: an INVITE of ours must wait (§14.1).
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Proceeding { .. } | State::Completed { .. })
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

    fn start(transport: Transport) -> InviteServer {
        InviteServer::start(ms(0), bytes("100"), TimerConfig::default(), transport)
    }

    #[test]
    fn a_slow_user_makes_it_say_trying_once() {
        let mut machine = start(Transport::Unreliable);
        assert_eq!(machine.deadline(), Some((ms(200), "100 Trying")));
        assert_eq!(machine.timeout(ms(200)), Step::send(bytes("100")));
        assert_eq!(machine.deadline(), None);
        assert_eq!(machine.retransmission(), Step::send(bytes("100")));
    }

    #[test]
    fn a_refusal_is_repeated_up_to_t2_until_timer_h() {
        let mut machine = start(Transport::Unreliable);
        assert_eq!(machine.refuse(ms(0), bytes("488")), Step::send(bytes("488")));
        let mut sent = Vec::new();
        while let Some((at, "timer G")) = machine.deadline() {
            assert_eq!(machine.timeout(at), Step::send(bytes("488")));
            sent.push(at.0 / 1000);
        }
        assert_eq!(sent, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!(machine.timeout(ms(32_000)), Step::tell(Event::TimedOut));
        assert!(machine.is_terminated());
    }

    #[test]
    fn an_ack_silences_the_refusal_and_timer_i_ends_it() {
        let mut machine = start(Transport::Unreliable);
        machine.refuse(ms(0), bytes("488"));
        assert_eq!(machine.retransmission(), Step::send(bytes("488")));
        machine.ack(ms(100));
        assert_eq!(machine.retransmission(), Step::nothing());
        assert_eq!(machine.deadline(), Some((ms(5_100), "timer I")));
        machine.timeout(ms(5_100));
        assert!(machine.is_terminated());
    }

    #[test]
    fn an_accepted_invite_swallows_its_retransmissions_until_timer_l() {
        let mut machine = start(Transport::Unreliable);
        assert_eq!(machine.accept(ms(0), bytes("200")), Step::send(bytes("200")));
        assert_eq!(machine.retransmission(), Step::nothing());
        assert_eq!(machine.refuse(ms(1), bytes("487")), Step::nothing());
        assert_eq!(machine.deadline(), Some((ms(32_000), "timer L")));
        machine.timeout(ms(32_000));
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_reliable_transport_sends_a_refusal_once_and_forgets_at_the_ack() {
        let mut machine = start(Transport::Reliable);
        machine.refuse(ms(0), bytes("488"));
        assert_eq!(machine.deadline(), Some((ms(32_000), "timer H")));
        machine.ack(ms(1));
        assert!(machine.is_terminated());
    }
}

//! The server transaction of every other request: RFC 3261 §17.2.2 (timer J). The user answers at once, so the machine
//! starts in Completed; it repeats the answer for every retransmission of the request. Refuses INVITE and ACK.

use super::{Deadline, Stored, TimerConfig, Transport, wait};
use crate::clock::Mono;

#[derive(Clone, Debug)]
enum State {
    Trying,
    Completed { response: Stored, j: Mono },
    Terminated,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct NonInviteServer {
    state: State,
    timers: TimerConfig,
    transport: Transport,
}

impl NonInviteServer {
    /// A request arrived; the user has not answered yet.
    pub fn start(timers: TimerConfig, transport: Transport) -> NonInviteServer {
        NonInviteServer { state: State::Trying, timers, transport }
    }

    /// The final response, to be sent. The first one counts.
    pub fn respond(&mut self, now: Mono, response: Stored) -> Option<Stored> {
        if !matches!(self.state, State::Trying) {
            return None;
        }
        let life = wait(self.transport, self.timers.life());
        self.state = if life.is_zero() {
            State::Terminated
        } else {
            State::Completed { response: response.clone(), j: now + life }
        };
        Some(response)
    }

    /// The same request again: the answer again, if there was one.
    pub fn retransmission(&self) -> Option<Stored> {
        match &self.state {
            State::Completed { response, .. } => Some(response.clone()),
            State::Trying | State::Terminated => None,
        }
    }

    /// The moment of [`NonInviteServer::deadline`] may have come.
    pub fn timeout(&mut self, now: Mono) {
        if matches!(self.state, State::Completed { j, .. } if j <= now) {
            self.state = State::Terminated;
        }
    }

    /// When to call [`NonInviteServer::timeout`], and why.
    pub fn deadline(&self) -> Option<Deadline> {
        match &self.state {
            State::Completed { j, .. } => Some((*j, "timer J")),
            State::Trying | State::Terminated => None,
        }
    }

    /// No answer was given yet.
    pub fn is_trying(&self) -> bool {
        matches!(self.state, State::Trying)
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

    #[test]
    fn the_answer_is_repeated_for_every_retransmission_until_timer_j() {
        let mut machine = NonInviteServer::start(TimerConfig::default(), Transport::Unreliable);
        assert_eq!(machine.retransmission(), None);
        assert_eq!(machine.respond(ms(0), bytes("200")), Some(bytes("200")));
        assert_eq!(machine.respond(ms(1), bytes("500")), None);
        assert_eq!(machine.retransmission(), Some(bytes("200")));
        assert_eq!(machine.deadline(), Some((ms(32_000), "timer J")));
        machine.timeout(ms(31_999));
        assert!(!machine.is_terminated());
        machine.timeout(ms(32_000));
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_reliable_transport_forgets_at_once() {
        let mut machine = NonInviteServer::start(TimerConfig::default(), Transport::Reliable);
        machine.respond(ms(0), bytes("200"));
        assert!(machine.is_terminated());
    }
}

//! One registration with a switch that wants it (RFC 3261 §10), as a machine: when to register, what the answer means, when to
//! refresh, how long to wait after a failure (RFC 5626 §4.5). Owns the state; refuses sending, credentials and clocks: the
//! stack sends what it asks for and answers challenges. No call depends on it.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::wire::{Message, Name, NameAddr};
use crate::clock::Mono;

/// The first wait after a failure is at most this long.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// No wait is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// A registrar that grants less is asked no more often than this allows.
const SHORTEST_LIFE: u32 = 10;
/// A registrar may ask for no more than a day.
const LONGEST_LIFE: u32 = 86_400;
/// CSeq numbers that one registration may use for its credentials.
const STRIDE: u32 = 16;

/// What is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Register {
    /// Its CSeq number; the next 15 are free for other tries of the same request.
    pub cseq: u32,
    /// Expires; 0 takes the binding away.
    pub expires: u32,
}

/// Where the registration stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing is sent yet; due at once.
    Idle,
    /// A REGISTER is under way.
    Asking,
    /// Bound until the registrar forgets it; to be refreshed before.
    Bound { refresh: Mono },
    /// Refused or unanswered; tried again later.
    Waiting { retry: Mono },
    /// Taken away, or being taken away.
    Gone,
}

/// What is shown of it: the label of `callbridge_registrations{switch,state}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// Not registered yet.
    Registering,
    /// Registered.
    Registered,
    /// The last try failed.
    Failed,
    /// We took it away.
    Unregistered,
}

impl Shown {
    /// Every one.
    pub const ALL: [Shown; 4] = [Shown::Registering, Shown::Registered, Shown::Failed, Shown::Unregistered];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Shown::Registering => "registering",
            Shown::Registered => "registered",
            Shown::Failed => "failed",
            Shown::Unregistered => "unregistered",
        }
    }
}

/// The machine.
#[derive(Debug)]
pub struct Registration {
    /// Expires that we ask for, in seconds; a 423 makes it longer.
    wanted: u32,
    cseq: u32,
    /// Failures in a row.
    failures: u32,
    shown: Shown,
    state: State,
    rng: StdRng,
}

impl Registration {
    /// One that is due at once. `rng` is for the jitter only.
    pub fn new(expires: Duration, rng: StdRng) -> Registration {
        let seconds = u32::try_from(expires.as_secs()).unwrap_or(LONGEST_LIFE);
        Registration {
            wanted: seconds.clamp(SHORTEST_LIFE, LONGEST_LIFE),
            cseq: 1,
            failures: 0,
            shown: Shown::Registering,
            state: State::Idle,
            rng,
        }
    }

    /// What is shown of it.
    pub fn shown(&self) -> Shown {
        self.shown
    }

    /// When to call [`Registration::due`], and why; `None` while an answer is waited for, and at the end.
    pub fn deadline(&self) -> Option<(Option<Mono>, &'static str)> {
        match self.state {
            State::Idle => Some((None, "register")),
            State::Bound { refresh } => Some((Some(refresh), "registration refresh")),
            State::Waiting { retry } => Some((Some(retry), "registration again")),
            State::Asking | State::Gone => None,
        }
    }

    /// What to send now, if it is time.
    pub fn due(&mut self, now: Mono) -> Option<Register> {
        let due = match self.state {
            State::Idle => true,
            State::Bound { refresh: at } | State::Waiting { retry: at } => at <= now,
            State::Asking | State::Gone => false,
        };
        due.then(|| {
            self.state = State::Asking;
            self.register(self.wanted)
        })
    }

    /// Takes the binding away, where there may be one. Nothing follows.
    pub fn unregister(&mut self) -> Option<Register> {
        let bound = matches!(self.state, State::Asking | State::Bound { .. }) || self.shown == Shown::Registered;
        let gone = self.state == State::Gone;
        self.state = State::Gone;
        self.shown = Shown::Unregistered;
        (bound && !gone).then(|| self.register(0))
    }

    fn register(&mut self, expires: u32) -> Register {
        let cseq = self.cseq;
        // Far from 2³¹ for all the years a daemon may run (RFC 3261 §8.1.1.5).
        self.cseq = (cseq + STRIDE) % (1 << 30);
        Register { cseq, expires }
    }

    /// The final answer to the last [`Register`]; `None`: there was none. `contact` is ours, a URI without brackets.
    pub fn answered(&mut self, now: Mono, answer: Option<&[u8]>, contact: &str) {
        if self.state != State::Asking {
            return;
        }
        let message = answer.and_then(|bytes| Message::parse(bytes).ok());
        let status = message.as_ref().and_then(Message::status);
        match (status, message) {
            (Some(200..300), Some(message)) => self.bound(now, granted(&message, contact).unwrap_or(self.wanted)),
            // Too brief (§10.2.8): asked again at once for what the registrar wants, if that is more and not absurd.
            (Some(423), Some(message)) => match min_expires(&message) {
                Some(min) if min > self.wanted && min <= LONGEST_LIFE => {
                    self.wanted = min;
                    self.state = State::Waiting { retry: now };
                }
                _ => self.failed(now, None),
            },
            (_, message) => self.failed(now, message.and_then(|message| message.retry_after().ok())),
        }
    }

    fn bound(&mut self, now: Mono, granted: u32) {
        self.failures = 0;
        self.shown = Shown::Registered;
        let life = u64::from(granted.clamp(SHORTEST_LIFE, LONGEST_LIFE)) * 1000;
        // Well before the end, and not all trunks at the same moment.
        let share = self.rng.random_range(70..=85);
        self.state = State::Bound { refresh: now + Duration::from_millis(life * share / 100) };
    }

    fn failed(&mut self, now: Mono, retry_after: Option<u32>) {
        self.shown = Shown::Failed;
        let bound = FIRST_WAIT.saturating_mul(1 << self.failures.min(10)).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        let wait = bound * self.rng.random_range(50..=100) / 100;
        let asked = Duration::from_secs(retry_after.unwrap_or(0).into()).min(LONGEST_WAIT);
        self.state = State::Waiting { retry: now + wait.max(asked) };
    }
}

/// For how many seconds the registrar binds our Contact (§10.2.4, §10.3 step 8): its `expires`, else the Expires field.
fn granted(message: &Message, contact: &str) -> Option<u32> {
    let ours = message.headers(Name::Contact).filter_map(|value| NameAddr::parse(value).ok()).find(|one| {
        let same = super::wire::Uri::parse(one.uri).ok().zip(super::wire::Uri::parse(contact).ok());
        same.is_some_and(|(one, ours)| one.equivalent(&ours))
    });
    let own = ours.and_then(|one| one.params.get("expires")?.parse().ok());
    own.or_else(|| message.header_str(Name::Expires)?.parse().ok())
}

fn min_expires(message: &Message) -> Option<u32> {
    message.header_str(Name::MinExpires)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const CONTACT: &str = "sip:callbridge@192.0.2.100:5060";

    fn registration() -> Registration {
        Registration::new(Duration::from_secs(3600), StdRng::seed_from_u64(1))
    }

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000)
    }

    fn answer(status: u16, fields: &str) -> Vec<u8> {
        format!(
            "SIP/2.0 {status} Word\r\nVia: SIP/2.0/UDP 192.0.2.100;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n\
             Call-ID: x\r\nCSeq: 1 REGISTER\r\n{fields}Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    fn seconds_until(machine: &Registration, now: Mono) -> u64 {
        machine.deadline().unwrap().0.unwrap().since(now).as_secs()
    }

    #[test]
    fn the_registrar_s_own_word_for_our_contact_decides_when_to_refresh() {
        for (fields, life) in [
            (format!("Contact: <sip:other@192.0.2.9>;expires=7, <{CONTACT}>;expires=600\r\nExpires: 60\r\n"), 600),
            (format!("Contact: <{CONTACT}>\r\nExpires: 1200\r\n"), 1200),
            (String::new(), 3600),
            // A registrar that grants a second is not asked every second.
            (format!("Contact: <{CONTACT}>;expires=1\r\n"), 10),
        ] {
            let mut machine = registration();
            assert_eq!(machine.due(at(0)), Some(Register { cseq: 1, expires: 3600 }));
            assert_eq!(machine.deadline(), None);
            machine.answered(at(1), Some(&answer(200, &fields)), CONTACT);
            assert_eq!(machine.shown(), Shown::Registered);
            let wait = seconds_until(&machine, at(1));
            assert!((life * 70 / 100..=life * 85 / 100).contains(&wait), "{wait} of {life}");
            assert_eq!(machine.due(at(2)), None);
            assert_eq!(machine.due(at(1 + life)), Some(Register { cseq: 17, expires: 3600 }));
        }
    }

    #[test]
    fn a_423_is_obeyed_once_at_once() {
        let mut machine = registration();
        machine.due(at(0));
        machine.answered(at(1), Some(&answer(423, "Min-Expires: 7200\r\n")), CONTACT);
        assert_eq!(machine.due(at(1)), Some(Register { cseq: 17, expires: 7200 }));
        machine.answered(at(2), Some(&answer(423, "Min-Expires: 7200\r\n")), CONTACT);
        assert_eq!((machine.shown(), machine.due(at(2))), (Shown::Failed, None));
        for absurd in ["Min-Expires: 99999999\r\n", "Min-Expires: x\r\n", ""] {
            let mut machine = registration();
            machine.due(at(0));
            machine.answered(at(1), Some(&answer(423, absurd)), CONTACT);
            assert_eq!((machine.shown(), machine.due(at(1))), (Shown::Failed, None));
        }
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_half_an_hour_with_jitter() {
        let mut machine = registration();
        let mut now = at(0);
        for bound in [30, 60, 120, 240, 480, 960, 1800, 1800, 1800] {
            assert!(machine.due(now).is_some());
            machine.answered(now, None, CONTACT);
            let wait = seconds_until(&machine, now);
            assert!((bound / 2..=bound).contains(&wait), "{wait} of {bound}");
            now = machine.deadline().unwrap().0.unwrap();
        }
        machine.due(now);
        machine.answered(now, Some(&answer(200, "")), CONTACT);
        let refresh = machine.deadline().unwrap().0.unwrap();
        machine.due(refresh);
        machine.answered(refresh, Some(&answer(503, "Retry-After: 100\r\n")), CONTACT);
        assert_eq!(seconds_until(&machine, refresh), 100, "the first failure again, and what it asks for");
    }

    #[test]
    fn what_was_bound_is_taken_away_once_and_nothing_follows() {
        let mut machine = registration();
        assert_eq!(machine.unregister(), None, "nothing was sent yet");
        let mut machine = registration();
        machine.due(at(0));
        machine.answered(at(1), Some(&answer(200, "")), CONTACT);
        assert_eq!(machine.unregister(), Some(Register { cseq: 17, expires: 0 }));
        machine.answered(at(2), Some(&answer(200, "")), CONTACT);
        assert_eq!((machine.unregister(), machine.deadline(), machine.due(at(9999))), (None, None, None));
        assert_eq!(machine.shown(), Shown::Unregistered);
    }
}

//! The manners of carriers' switches, drawn on top of a phone's plain ones: reliable provisionals, forks that ring, session
//! timers, each now and then with a flaw. Owns these draws, from a generator of their own: a seed's plain manners stay.

use std::time::Duration;

use callbridge::phone::manners::{RefreshBy, Refresher, Reliable, ReliableFlaw, SessionFlaw, SessionManner};
use callbridge::phone::{Act, Behaviour, Then};
use rand::Rng;
use rand::rngs::StdRng;

/// The equipment keeps session timers.
const SESSIONS: bool = false;

/// Adds to the manners of one party.
pub fn adorn(rng: &mut StdRng, behaviour: &mut Behaviour) {
    if rng.random_bool(0.25) {
        behaviour.rings = rng.random_range(1..4);
    }
    if rng.random_bool(0.3) {
        behaviour.reliable = Some(reliable(rng));
    }
    if rng.random_bool(0.1) {
        behaviour.talk.push((Duration::from_millis(rng.random_range(0..3_000)), Act::Oddities));
    }
    for (_, act) in &mut behaviour.talk {
        if *act == Act::Hold {
            *act = [Act::Hold, Act::HoldInactive, Act::HoldNull][rng.random_range(0..3)];
        }
    }
    if rng.random_bool(0.3) && SESSIONS {
        behaviour.session = Some(session(rng));
    }
}

fn reliable(rng: &mut StdRng) -> Reliable {
    let flaws = [
        ReliableFlaw::SkipsNumber,
        ReliableFlaw::SameNumber,
        ReliableFlaw::Garbage,
        ReliableFlaw::NeverAnswersPrack,
        ReliableFlaw::RefusesPrack,
        ReliableFlaw::AnswersUnacknowledged,
        ReliableFlaw::BusyInPrack,
    ];
    let answer = rng.random();
    Reliable {
        count: rng.random_range(1..4),
        every: Duration::from_millis(rng.random_range(0..300)),
        answer,
        update: answer && rng.random_bool(0.3),
        flaw: rng.random_bool(0.25).then(|| flaws[rng.random_range(0..flaws.len())]),
    }
}

fn session(rng: &mut StdRng) -> SessionManner {
    let flaws = [SessionFlaw::Garbage, SessionFlaw::NoMinimum, SessionFlaw::NeverEnough];
    SessionManner {
        expires: rng.random_range(90..2_000),
        // More than is asked for (1800 s): refused by 422, and asked for again.
        min_se: if rng.random_bool(0.2) { rng.random_range(1_801..4_000) } else { 90 },
        refresher: if rng.random() { Refresher::Uac } else { Refresher::Uas },
        by: if rng.random() { RefreshBy::Update } else { RefreshBy::Reinvite },
        flaw: rng.random_bool(0.15).then(|| flaws[rng.random_range(0..flaws.len())]),
    }
}

/// What the flaws of a phone's signalling come to before its script decides; none: nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upset {
    /// It refuses with this status, so long after the INVITE.
    Refuses(Duration, u16),
    /// Nobody can say.
    Unclear,
}

/// Whether a phone's script is upset by its flaws.
pub fn upset(behaviour: &Behaviour) -> Option<Upset> {
    if behaviour.then == Then::Silent {
        return None;
    }
    if let Some(session) = &behaviour.session {
        let too_high = session.min_se > 1_800;
        match session.flaw {
            Some(SessionFlaw::NeverEnough) => return Some(Upset::Refuses(Duration::ZERO, 422)),
            Some(SessionFlaw::NoMinimum) if too_high => return Some(Upset::Refuses(Duration::ZERO, 422)),
            _ => {}
        }
    }
    let flaw = behaviour.reliable.as_ref().and_then(|r| r.flaw);
    let ring = behaviour.ring_after?;
    match flaw? {
        ReliableFlaw::BusyInPrack => Some(Upset::Refuses(ring, 486)),
        ReliableFlaw::RefusesPrack => Some(Upset::Unclear),
        _ => None,
    }
}

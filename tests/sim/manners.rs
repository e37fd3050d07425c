//! The manners of carriers' switches, drawn on top of a phone's plain ones: reliable provisionals, forks that ring, session
//! timers, each now and then with a flaw. Owns these draws, from a generator of their own: a seed's plain manners stay.

use std::time::Duration;

use callbridge::model::Trunk;
use callbridge::model::trunk::{Credentials, SessionTimer};
use callbridge::phone::manners::{
    AfterRefer, Challenge, ChallengeFlaw, Hash, OnNotify, OnReinvite, RefreshBy, Refresher, Reliable, ReliableFlaw,
    SessionFlaw, SessionManner,
};
use callbridge::phone::{Act, Behaviour, Then};
use rand::Rng;
use rand::rngs::StdRng;

use crate::plan::{Party, SWITCH_B, Wish, draw_behaviour};

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
    if rng.random_bool(0.3) {
        behaviour.session = Some(session(rng));
    }
}

/// All the world's switches challenge, some of them hopelessly.
pub fn challenges(rng: &mut StdRng, trunk: &mut Trunk, wishes: &mut [Wish]) {
    if !rng.random_bool(0.25) {
        return;
    }
    let flaws =
        [ChallengeFlaw::Malformed, ChallengeFlaw::Missing, ChallengeFlaw::NeverContent, ChallengeFlaw::AlwaysStale];
    let challenge = Challenge {
        as_server: rng.random(),
        algorithm: if rng.random() { Hash::Md5 } else { Hash::Sha256 },
        qop: rng.random(),
        realm: "carrier.example".to_owned(),
        username: "callbridge".to_owned(),
        password: "open sesame".to_owned(),
        stale: rng.random_bool(0.3),
        strangers_first: rng.random_bool(0.3),
        flaw: rng.random_bool(0.15).then(|| flaws[rng.random_range(0..flaws.len())]),
    };
    if rng.random_bool(0.9) {
        trunk.credentials = Some(Credentials {
            username: challenge.username.clone(),
            password: challenge.password.clone(),
            realm: rng.random_bool(0.5).then(|| challenge.realm.clone()),
        });
    }
    for wish in wishes {
        for party in wish.representatives.iter_mut().chain(&mut wish.targets).chain([&mut wish.customer]) {
            if rng.random_bool(0.8) {
                party.behaviour.challenge = Some(challenge.clone());
            }
        }
    }
}

/// Everybody falls silent and stays for minutes: session timers decide.
pub fn lengthen(rng: &mut StdRng, trunk: &mut Trunk, wishes: &mut [Wish]) {
    let second = Duration::from_secs;
    trunk.session = Some(SessionTimer { expires: second(rng.random_range(90..200)), min_se: second(90) });
    for wish in wishes.iter_mut() {
        wish.targets.clear();
        wish.delete = None;
        for party in wish.representatives.iter_mut().chain([&mut wish.customer]) {
            party.extension = None;
            let stays = rng.random_range(100..500);
            let behaviour = &mut party.behaviour;
            behaviour.talk = vec![(Duration::from_millis(400), Act::Mute), (second(stays), Act::HangUp)];
            let stops = rng.random_bool(0.3).then_some(SessionFlaw::StopsRefreshing);
            behaviour.session =
                Some(SessionManner { expires: rng.random_range(90..200), min_se: 90, flaw: stops, ..session(rng) });
            behaviour.on_reinvite = match rng.random_range(0..8) {
                0 => OnReinvite::Pending(rng.random_range(1..3)),
                1 => OnReinvite::Later(rng.random_range(1..5)),
                2 => OnReinvite::Glare,
                3 => OnReinvite::HangUp,
                4 => OnReinvite::Refuse,
                _ => OnReinvite::Accept,
            };
        }
    }
    // Somebody loses the equipment's way back, and is asked for a sign of life.
    for party in wishes.iter_mut().flat_map(|wish| wish.representatives.iter_mut().chain([&mut wish.customer])) {
        if rng.random_bool(0.2) {
            let behaviour = &mut party.behaviour;
            behaviour.on_reinvite = if rng.random_bool(0.7) { OnReinvite::Silent } else { OnReinvite::Gone };
            // A phone whose own time is not up before the equipment must have given up.
            let session = behaviour.session.get_or_insert_with(|| session(rng));
            session.expires = rng.random_range(140..200);
        }
    }
}

/// Extensions, and somebody who transfers the customer: well, badly, or without being asked.
pub fn transfers(rng: &mut StdRng, wish: &mut Wish) {
    for party in &mut wish.representatives {
        if rng.random_bool(0.1) {
            let digits = ["42", "9", "1234#", "0*7"];
            party.extension = Some(digits[rng.random_range(0..digits.len())].to_owned());
        }
    }
    if !rng.random_bool(0.25) {
        return;
    }
    let base: u16 = wish.customer.number.get(9..).and_then(|n| n.parse().ok()).unwrap_or(100) % 10;
    for t in 0..rng.random_range(1..3u16) {
        let mut behaviour = draw_behaviour(rng, 3_000 + 100 * base + 50 * t);
        adorn(rng, &mut behaviour);
        wish.targets.push(Party { number: format!("+16465557{:03}", 100 + 10 * base + t), extension: None, behaviour });
    }
    let host = SWITCH_B.split(':').next().unwrap_or_default();
    let uri = |number: &str| format!("sip:{number}@{host};user=phone");
    let replaced = "consulted@phone;to-tag=a1;from-tag=b2";
    let asker = if rng.random_bool(0.1) { &mut wish.customer } else { &mut wish.representatives[0] };
    let first = &mut wish.targets[0];
    let mut to = vec![uri(&first.number)];
    match rng.random_range(0..10) {
        0 => to = Vec::new(),
        1 => to = vec![uri("+442079460000")],
        2..4 => {
            to = vec![format!("{}?Replaces=consulted%40phone%3Bto-tag%3Da1%3Bfrom-tag%3Db2", to[0])];
            first.behaviour.replaces = Some(replaced.to_owned());
        }
        _ => {}
    }
    let talk = &mut asker.behaviour.talk;
    let at = rng.random_range(50..1_500);
    talk.push((Duration::from_millis(at), Act::Refer));
    if let Some(second) = wish.targets.get(1).filter(|_| !to.is_empty()) {
        to.push(uri(&second.number));
        talk.push((Duration::from_millis(at + rng.random_range(0..2_500)), Act::Refer));
    }
    let transfer = &mut asker.behaviour.transfer;
    transfer.to = to;
    transfer.unsubscribed = rng.random_bool(0.15);
    transfer.then = [AfterRefer::HangUpOnSuccess, AfterRefer::HangUpAtOnce, AfterRefer::Wait][rng.random_range(0..3)];
    transfer.on_notify = match rng.random_range(0..10) {
        0 => OnNotify::Refuse,
        1 => OnNotify::Silent,
        _ => OnNotify::Accept,
    };
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
pub fn upset(behaviour: &Behaviour, trunk: &Trunk) -> Option<Upset> {
    if behaviour.then == Then::Silent {
        return None;
    }
    if let Some(challenge) = behaviour.challenge.as_ref().filter(|c| c.flaw.is_some() || trunk.credentials.is_none()) {
        return Some(Upset::Refuses(Duration::ZERO, if challenge.as_server { 401 } else { 407 }));
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

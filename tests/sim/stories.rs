//! Fixed scenarios of what a carrier's switch adds to a call: reliable provisionals, challenges, session timers, hold. Owns
//! these plans; `ladders` runs them and keeps their ladders.

use std::time::Duration;

use callbridge::model::trunk::{Credentials, SessionTimer};
use callbridge::phone::manners::{
    Challenge, Hash, OnReinvite, RefreshBy, Refresher, Reliable, SessionFlaw, SessionManner,
};
use callbridge::phone::{Act, Behaviour};

use crate::plan::{LONG, Plan};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn customer() -> Behaviour {
    Behaviour::answering(ms(800), 1000, None)
}

fn representative() -> Behaviour {
    Behaviour::answering(ms(900), 2000, Some(ms(2_000)))
}

fn challenge(stale: bool) -> Challenge {
    Challenge {
        as_server: false,
        algorithm: Hash::Sha256,
        qop: true,
        realm: "carrier.example".to_owned(),
        username: "callbridge".to_owned(),
        password: "open sesame".to_owned(),
        stale,
        strangers_first: false,
        flaw: None,
    }
}

fn session(min_se: u32, refresher: Refresher, by: RefreshBy, flaw: Option<SessionFlaw>) -> SessionManner {
    SessionManner { expires: 120, min_se, refresher, by, flaw }
}

/// Both fall silent, and nobody hangs up before this.
fn minutes(representative_session: SessionManner, on_reinvite: OnReinvite) -> Plan {
    let silent = |behaviour: Behaviour, hangs_up: u64| Behaviour {
        talk: vec![(ms(500), Act::Mute), (ms(hangs_up), Act::HangUp)],
        ..behaviour
    };
    let representative =
        Behaviour { session: Some(representative_session), on_reinvite, ..silent(representative(), 150_000) };
    let mut plan = Plan::fixed(silent(customer(), 400_000), vec![representative]);
    plan.limits = LONG;
    plan.trunk.session = Some(SessionTimer { expires: ms(120_000), min_se: ms(90_000) });
    plan
}

/// File name and plan.
pub fn of_carriers() -> Vec<(&'static str, Plan)> {
    let reliable = |count, update| Reliable { count, every: ms(200), answer: true, update, flaw: None };
    let reliably = Behaviour { reliable: Some(reliable(2, false)), ..representative() };
    let forked = Behaviour { rings: 2, reliable: Some(reliable(1, true)), ..representative() };
    let challenged = |stale| Behaviour { challenge: Some(challenge(stale)), ..customer() };
    let mut with_password = Plan::fixed(challenged(true), vec![representative()]);
    with_password.trunk.credentials =
        Some(Credentials { username: "callbridge".to_owned(), password: "open sesame".to_owned(), realm: None });
    let longer = session(3_600, Refresher::Uac, RefreshBy::Update, None);
    let longer = Behaviour { session: Some(longer), ..customer() };
    let hold = [(500, Act::HoldInactive), (1_500, Act::Resume), (2_500, Act::HangUp)];
    let holds = Behaviour { talk: hold.map(|(at, act)| (ms(at), act)).to_vec(), ..representative() };
    let by_us = |by| session(90, Refresher::Uac, by, None);
    let by_them = |flaw| session(90, Refresher::Uas, RefreshBy::Update, flaw);
    let accept = OnReinvite::Accept;
    vec![
        ("completed-reliable-provisionals", Plan::fixed(customer(), vec![reliably])),
        ("completed-forks-ring-reliably-and-update", Plan::fixed(customer(), vec![forked])),
        ("completed-after-a-challenge-and-a-stale-nonce", with_password),
        ("customer_unreachable-challenge-without-credentials", Plan::fixed(challenged(false), vec![representative()])),
        ("completed-after-a-422", Plan::fixed(longer, vec![representative()])),
        ("completed-inactive-hold", Plan::fixed(customer(), vec![holds])),
        ("completed-session-refreshed-by-us", minutes(by_us(RefreshBy::Update), accept)),
        ("completed-session-refreshed-by-reinvite-after-glare", minutes(by_us(RefreshBy::Reinvite), OnReinvite::Glare)),
        ("completed-session-refreshed-by-the-phone", minutes(by_them(None), accept)),
        ("completed-session-expired", minutes(by_them(Some(SessionFlaw::StopsRefreshing)), accept)),
    ]
}

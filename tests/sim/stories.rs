//! Fixed scenarios of what a carrier's switch adds to a call: reliable provisionals, challenges, session timers, hold. Owns
//! these plans; `ladders` runs them and keeps their ladders.

use std::time::Duration;

use callbridge::model::trunk::{Credentials, SessionTimer};
use callbridge::phone::manners::{
    AfterRefer, Challenge, Hash, OnReinvite, RefreshBy, Refresher, Reliable, SessionFlaw, SessionManner, Transfer,
};
use callbridge::phone::{Act, Behaviour};

use crate::plan::{LONG, Party, Plan};
use crate::streams::{Manner, Streams, Upset};

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

/// The same where the session is long enough for somebody to be asked in vain before anyone else is tired of it.
fn longer_minutes(on_reinvite: OnReinvite) -> Plan {
    let manner = SessionManner { expires: 180, ..session(90, Refresher::Uac, RefreshBy::Reinvite, None) };
    let mut plan = minutes(manner, on_reinvite);
    plan.trunk.session = Some(SessionTimer { expires: ms(180_000), min_se: ms(90_000) });
    plan
}

/// The customer's switch speaks TCP; this befalls its connections after so many milliseconds.
fn over_tcp(upsets: &[(u64, Upset)]) -> Plan {
    let mut plan = Plan::fixed(customer(), vec![representative()]);
    let upsets = upsets.iter().map(|(at, upset)| (ms(*at), *upset)).collect();
    plan.topology.streams = Streams { hosts: [(0, Manner::PLAIN)].into(), upsets };
    plan
}

/// A representative who transfers, and the new party.
fn transferred(representative: Behaviour, new_party: Option<Behaviour>) -> Plan {
    let mut plan = Plan::fixed(customer(), vec![representative]);
    plan.wishes[0].targets = new_party
        .map(|behaviour| Party { number: "+16465557100".to_owned(), extension: None, behaviour })
        .into_iter()
        .collect();
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
    let new_party = |answer| Behaviour::answering(ms(answer), 3000, Some(ms(1_500)));
    let to = |transfer: Transfer| Behaviour {
        transfer,
        talk: vec![(ms(1_000), Act::Refer), (ms(9_000), Act::HangUp)],
        ..representative()
    };
    let uri = "sip:+16465557100@192.0.2.12;user=phone";
    let blind = Transfer { to: vec![uri.to_owned()], ..Transfer::default() };
    let attended = "sip:+16465557100@192.0.2.12;user=phone?Replaces=c%40phone%3Bto-tag%3Da%3Bfrom-tag%3Db";
    let attended = Transfer { to: vec![attended.to_owned()], ..Transfer::default() };
    let replaces = Some("c@phone;to-tag=a;from-tag=b".to_owned());
    let gone = Transfer { then: AfterRefer::HangUpAtOnce, ..blind.clone() };
    let abroad = Transfer { to: vec!["sip:+442079460000@192.0.2.12;user=phone".to_owned()], ..Transfer::default() };
    let stays = |behaviour: Behaviour| Behaviour { talk: vec![(ms(3_000), Act::HangUp)], ..behaviour };
    let mut extension = Plan::fixed(customer(), vec![stays(representative())]);
    extension.wishes[0].representatives[0].extension = Some("42#".to_owned());
    vec![
        ("completed-reliable-provisionals", Plan::fixed(customer(), vec![reliably])),
        ("completed-forks-ring-reliably-and-update", Plan::fixed(customer(), vec![forked])),
        ("completed-after-a-challenge-and-a-stale-nonce", with_password),
        ("customer_unreachable-challenge-without-credentials", Plan::fixed(challenged(false), vec![representative()])),
        ("completed-after-a-422", Plan::fixed(longer, vec![representative()])),
        ("completed-inactive-hold", Plan::fixed(customer(), vec![holds])),
        ("completed-session-refreshed-by-us", minutes(by_us(RefreshBy::Update), accept)),
        ("completed-session-refreshed-by-reinvite-after-glare", minutes(by_us(RefreshBy::Reinvite), OnReinvite::Glare)),
        ("completed-over-tcp", over_tcp(&[])),
        ("completed-over-tcp-connection-breaks-while-it-rings", over_tcp(&[(400, Upset::Breaks(0))])),
        (
            "completed-over-tcp-switch-away-at-the-end",
            over_tcp(&[(3_000, Upset::Shut { host: 0, lasts: ms(2_000), silently: false })]),
        ),
        ("completed-session-refresh-never-answered", longer_minutes(OnReinvite::Silent)),
        ("completed-session-refresh-answered-by-408", longer_minutes(OnReinvite::Gone)),
        ("completed-session-refreshed-by-the-phone", minutes(by_them(None), accept)),
        ("completed-extension-dialled", extension),
        ("completed-transferred", transferred(to(blind.clone()), Some(new_party(900)))),
        ("completed-transferred-attended", transferred(to(attended), Some(Behaviour { replaces, ..new_party(300) }))),
        (
            "completed-transfer-to-busy-gives-the-customer-back",
            transferred(to(blind.clone()), Some(Behaviour::refusing(ms(900), 486))),
        ),
        ("completed-transfer-fails-and-nobody-is-left", transferred(to(gone), Some(Behaviour::refusing(ms(900), 486)))),
        ("completed-transfer-abroad-refused", transferred(to(abroad), None)),
        ("completed-customer-may-not-transfer", {
            let refers = Behaviour { transfer: blind, talk: vec![(ms(2_000), Act::Refer)], ..customer() };
            Plan::fixed(refers, vec![stays(representative())])
        }),
        ("completed-session-expired", minutes(by_them(Some(SessionFlaw::StopsRefreshing)), accept)),
    ]
}

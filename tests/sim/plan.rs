//! What a seed stands for: topology, mix of faults, the calls that businesses ask for and the manners of the phones they
//! reach. Owns the drawing; everything after it follows from the plan and the seed.

use std::time::Duration;

use callbridge::call::CallLimits;
use callbridge::model::{self, Codec, Gates, Language, Limits, MachineTimes, RetryPlan, Taping, Trunk};
use callbridge::phone::{Act, AnswerWith, Behaviour, Codecs, OnCancel, Sound, Then};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::consent;
use crate::contact::{self, Timing};
use crate::gates;
use crate::limits;
use crate::machines;
use crate::manners;
use crate::network::Weather;
use crate::staff;
use crate::streams;
use crate::supervisors::{self, Visit};
use crate::topology::{self, Topology};

/// The equipment's SIP address.
pub const EQUIPMENT: &str = "192.0.2.1:5060";
/// The second host: in simple worlds the switch that serves representatives.
pub const SWITCH_B: &str = "192.0.2.12:5060";

/// Short bounds, so that every one of them is met.
pub const LIMITS: CallLimits = CallLimits {
    customer_ring: Duration::from_secs(6),
    representative_ring: Duration::from_secs(4),
    max_hold: Duration::from_secs(10),
    max_call: Duration::from_secs(6),
    silence: Duration::from_secs(3),
    farewell: Duration::from_secs(2),
    audio_proof: Duration::from_secs(2),
    gate: Duration::from_secs(3),
    machine: MachineTimes::USUAL,
    greeting: Duration::from_secs(8),
    still: Duration::ZERO,
};

/// Bounds that let session timers run out: nobody says anything for long.
pub const LONG: CallLimits =
    CallLimits { max_call: Duration::from_secs(420), silence: Duration::from_secs(1_000), ..LIMITS };

/// One phone number with its manners.
#[derive(Clone, Debug)]
pub struct Party {
    /// E.164.
    pub number: String,
    /// Dialled after the answer: `;ext=`.
    pub extension: Option<String>,
    /// What its phone does.
    pub behaviour: Behaviour,
}

impl Party {
    /// As an initiation message names it.
    pub fn address(&self) -> String {
        match &self.extension {
            Some(extension) => format!("tel:{};ext={extension}", self.number),
            None => self.number.clone(),
        }
    }

    /// How long the digits take after the answer: a moment, then a fifth of a second each.
    pub fn dialling(&self) -> Duration {
        let digits = self.extension.as_ref().map_or(0, String::len);
        Duration::from_millis(if digits == 0 { 0 } else { 500 + 200 * digits as u64 })
    }
}

/// One initiation message.
#[derive(Clone, Debug)]
pub struct Wish {
    /// When it is posted.
    pub at: Duration,
    /// 810.
    pub customer: Party,
    /// 812, in hunt order.
    pub representatives: Vec<Party>,
    /// Where the customer has moved to, as one switch after the other says.
    pub elsewhere: Vec<Party>,
    /// To whom representatives (or the customer, who may not) transfer.
    pub targets: Vec<Party>,
    /// 814, so long after the posting.
    pub desired: Option<Duration>,
    /// DELETE so long after the 202.
    pub delete: Option<Duration>,
    /// GET so long after the 202.
    pub get: Option<Duration>,
    /// The POST is repeated with the same `Idempotency-Key` so long after.
    pub again: Option<Duration>,
    /// In which language its parties are spoken to.
    pub language: Option<Language>,
    /// Who is to listen to its talk, whisper or join.
    pub supervisors: Vec<Visit>,
    /// What it says of its moment.
    pub timing: Timing,
}

impl Wish {
    /// Everybody it may reach.
    pub fn parties(&self) -> impl Iterator<Item = &Party> {
        let named = [&self.customer].into_iter().chain(&self.elsewhere).chain(&self.representatives);
        named.chain(&self.targets).chain(self.supervisors.iter().map(|visit| &visit.party))
    }
}

/// Everything that goes wrong on the way.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Faults {
    /// The network until `until`.
    pub weather: Option<Weather>,
    /// The store takes at most so long for a commit.
    pub store_delay: Duration,
    /// Probability that a commit fails, until `until`.
    pub store_failure: f64,
    /// The equipment crashes when it has made so many outputs; several one after the other.
    pub crashes: Vec<u32>,
    /// The wall clock jumps by so many milliseconds at these moments.
    pub jumps: Vec<(Duration, i64)>,
    /// All of this stops then.
    pub until: Duration,
}

/// A world to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// It decides everything.
    pub seed: u64,
    /// What the business wants its parties to be asked.
    pub gates: Gates,
    /// Whether talks are recorded, and their parties told.
    pub taping: Taping,
    /// RTP ports of the equipment.
    pub ports: u16,
    /// The switches.
    pub topology: Topology,
    /// Bounds of time.
    pub limits: CallLimits,
    /// How the switches want SIP spoken.
    pub trunk: Trunk,
    /// The calls.
    pub wishes: Vec<Wish>,
    /// The faults.
    pub faults: Faults,
    /// The tariff's increment and minimum in seconds.
    pub tariff: (u32, u32),
    /// The account's bounds.
    pub account: Limits,
    /// Messages name nobody: the equipment distributes the calls.
    pub staffed: bool,
    /// How the account's calls are tried again.
    pub retry: RetryPlan,
}

impl Plan {
    /// Draws the plan of a seed.
    pub fn draw(seed: u64) -> Plan {
        let mut rng = StdRng::seed_from_u64(seed);
        let until = Duration::from_millis(rng.random_range(3_000..15_000));
        let faults = match seed % 4 {
            0 => Faults { store_delay: Duration::from_millis(1), ..Faults::default() },
            _ => draw_faults(&mut rng, until),
        };
        let calls = rng.random_range(1..=3);
        let mut wishes: Vec<Wish> = (0..calls).map(|n| draw_wish(&mut rng, n, until)).collect();
        let mut further = StdRng::seed_from_u64(seed ^ 0x3262_4028);
        let mut trunk = Trunk::default();
        for wish in &mut wishes {
            manners::adorn(&mut further, &mut wish.customer.behaviour);
            wish.representatives.iter_mut().for_each(|party| manners::adorn(&mut further, &mut party.behaviour));
            manners::transfers(&mut further, wish);
        }
        manners::challenges(&mut further, &mut trunk, &mut wishes);
        let long = further.random_bool(0.04);
        if long {
            manners::lengthen(&mut further, &mut trunk, &mut wishes);
        }
        trunk.codecs = draw_codecs(&mut StdRng::seed_from_u64(seed ^ 0x3551_7587));
        let (ports, two_switches) = (if rng.random_bool(0.1) { rng.random_range(1..4) } else { 64 }, rng.random());
        let mut roads = StdRng::seed_from_u64(seed ^ 0x3263_8484);
        let winding = roads.random_bool(0.35) && !long;
        let mut topology = match winding {
            true => topology::draw(&mut roads, &mut wishes, until),
            false => Topology::plain(two_switches),
        };
        let calm = faults == Faults { store_delay: faults.store_delay, ..Faults::default() };
        let trouble = if long { Duration::from_secs(200) } else { until };
        topology.streams = streams::draw(
            &mut StdRng::seed_from_u64(seed ^ 0x7374_7265),
            &topology.switches,
            &topology.turns,
            (!calm).then_some(trouble),
        );
        let (mut gates, mut limits) = (Gates::default(), if long { LONG } else { LIMITS });
        if !long {
            gates = gates::draw(&mut StdRng::seed_from_u64(seed ^ 0x6a7e_0131), &mut wishes);
            let mut speech = StdRng::seed_from_u64(seed ^ 0x6d61_6368);
            machines::draw(&mut speech, &mut wishes, &mut gates, &mut limits);
            supervisors::draw(&mut StdRng::seed_from_u64(seed ^ 0x7375_7065), &mut wishes);
        }
        let taping = match long {
            true => Taping::Off,
            false => consent::draw(&mut StdRng::seed_from_u64(seed ^ 0x7461_7065)),
        };
        let crashes = !faults.crashes.is_empty();
        let account = limits::draw(&mut StdRng::seed_from_u64(seed ^ 0x6c69_6d69), wishes.len(), crashes);
        let retry = match long || !contact::is_drawn(seed) {
            true => RetryPlan::default(),
            false => contact::draw(&mut StdRng::seed_from_u64(seed ^ 0x7472_6965), &mut wishes),
        };
        let plain = !long && !winding && faults.jumps.is_empty() && !contact::is_drawn(seed);
        let staffed = staff::draw(&mut StdRng::seed_from_u64(seed ^ 0x7374_6166), plain);
        Plan {
            seed,
            gates,
            taping,
            ports,
            topology,
            limits,
            trunk,
            wishes,
            faults,
            tariff: [(1, 0), (1, 30), (6, 6), (60, 60)][rng.random_range(0..4)],
            account,
            staffed,
            retry,
        }
    }

    /// A plan for a fixed scenario: one call, no faults.
    pub fn fixed(customer: Behaviour, representatives: Vec<Behaviour>) -> Plan {
        let party = |number: String, behaviour| Party { number, extension: None, behaviour };
        let representatives =
            representatives.into_iter().enumerate().map(|(n, b)| party(format!("+1646555010{n}"), b)).collect();
        let wish = Wish {
            at: Duration::from_millis(10),
            customer: party("+12125550100".to_owned(), customer),
            representatives,
            elsewhere: Vec::new(),
            targets: Vec::new(),
            desired: None,
            delete: None,
            get: None,
            again: None,
            language: None,
            supervisors: Vec::new(),
            timing: Timing::default(),
        };
        let faults = Faults { store_delay: Duration::from_millis(1), ..Faults::default() };
        Plan {
            seed: 0,
            gates: Gates::default(),
            taping: Taping::Off,
            ports: 64,
            topology: Topology::plain(true),
            limits: LIMITS,
            trunk: Trunk::default(),
            wishes: vec![wish],
            faults,
            tariff: (1, 0),
            account: Limits::default(),
            staffed: false,
            retry: RetryPlan::default(),
        }
    }

    /// True when nothing goes wrong outside of the phones: then the model's expectations are exact.
    pub fn calm(&self) -> bool {
        let f = &self.faults;
        let whole = self.topology.streams.calm() && self.ports > 12 && !limits::cut(&self.account);
        f.weather.is_none() && f.crashes.is_empty() && f.jumps.is_empty() && f.store_failure == 0.0 && whole
    }
}

/// Both laws, which every phone knows one of, in any order and among others.
fn draw_codecs(rng: &mut StdRng) -> model::Codecs {
    let mut all = Codec::ALL.to_vec();
    let mut drawn = Vec::new();
    while !all.is_empty() {
        drawn.push(all.swap_remove(rng.random_range(0..all.len())));
    }
    drawn.retain(|codec| codec.is_g711() || rng.random_bool(0.7));
    model::Codecs::of(&drawn)
}

fn draw_faults(rng: &mut StdRng, until: Duration) -> Faults {
    let crashes = match rng.random_range(0..4) {
        0 => (0..rng.random_range(1..3)).map(|_| rng.random_range(1..120)).collect(),
        _ => Vec::new(),
    };
    let jumps = if rng.random_bool(0.1) {
        vec![(Duration::from_millis(rng.random_range(0..8_000)), rng.random_range(-7_200_000..7_200_000))]
    } else {
        Vec::new()
    };
    Faults {
        weather: rng.random_bool(0.8).then(|| Weather::draw(rng)),
        store_delay: Duration::from_millis([1, 5, 50, 1_000][rng.random_range(0..4)]),
        store_failure: [0.0, 0.0, 0.0, 0.1, 0.5][rng.random_range(0..5)],
        crashes,
        jumps,
        until,
    }
}

/// One message with its phones.
pub fn draw_wish(rng: &mut StdRng, n: u16, until: Duration) -> Wish {
    let some = |rng: &mut StdRng, p: f64, most: u64| {
        rng.random_bool(p).then(|| Duration::from_millis(rng.random_range(0..most)))
    };
    let hunt = [1, 1, 1, 2, 3][rng.random_range(0..5)];
    let at = Duration::from_millis(rng.random_range(0..until.as_millis() as u64 / 2));
    Wish {
        at,
        customer: Party {
            number: format!("+12125550{:03}", 100 + n),
            extension: None,
            behaviour: draw_behaviour(rng, 1000 + 50 * n),
        },
        representatives: (0..hunt)
            .map(|r| Party {
                number: format!("+16465550{:03}", 100 + 10 * n + r),
                extension: None,
                behaviour: draw_behaviour(rng, 2000 + 200 * n + 50 * r),
            })
            .collect(),
        elsewhere: Vec::new(),
        targets: Vec::new(),
        desired: some(rng, 0.2, 20_000),
        delete: some(rng, 0.15, 8_000),
        get: some(rng, 0.2, 8_000),
        again: some(rng, 0.1, 3_000),
        language: None,
        supervisors: Vec::new(),
        timing: Timing::default(),
    }
}

/// Manners: mostly good, now and then any of the bad ones.
pub fn draw_behaviour(rng: &mut StdRng, tone: u16) -> Behaviour {
    let mut millis = |range: std::ops::Range<u64>| Duration::from_millis(rng.random_range(range));
    let (ring, think, talk) = (millis(0..400), millis(100..2_500), millis(50..4_000));
    let then = match rng.random_range(0..20) {
        0..12 => {
            let with = match rng.random_range(0..20) {
                0 => AnswerWith::ForeignCodec,
                1 => AnswerWith::Garbage,
                2 => AnswerWith::Nothing,
                3 => AnswerWith::BrokenHeaders,
                _ => AnswerWith::Session,
            };
            let forks = if rng.random_bool(0.1) { 2 } else { 1 };
            Then::Answer { after: ring + think, with, forks }
        }
        12..16 => {
            let statuses = [486, 603, 404, 503, 480, 600, 500, 302];
            Then::Refuse { after: ring + think, status: statuses[rng.random_range(0..statuses.len())] }
        }
        // Just when the ring bounds pass: CANCEL × 200.
        16 => {
            let bound = if rng.random_bool(0.5) { LIMITS.customer_ring } else { LIMITS.representative_ring };
            let after = bound - Duration::from_millis(20) + Duration::from_millis(rng.random_range(0..40));
            Then::Answer { after, with: AnswerWith::Session, forks: 1 }
        }
        17..19 => Then::NeverAnswer,
        _ => Then::Silent,
    };
    Behaviour {
        trying: rng.random_bool(0.3),
        ring_after: rng.random_bool(0.9).then_some(ring),
        early_media: rng.random_bool(0.1),
        then,
        on_cancel: match rng.random_range(0..10) {
            0..2 => OnCancel::AnswerInstead,
            2 => OnCancel::SayNothingMore,
            _ => OnCancel::Obey,
        },
        codecs: [Codecs::Both, Codecs::Both, Codecs::MuOnly, Codecs::AOnly][rng.random_range(0..4)],
        sound: match rng.random_range(0..10) {
            0 => Sound::Nothing,
            1 => Sound::Silence,
            _ => Sound::Tone(tone),
        },
        rtp_from_elsewhere: rng.random_bool(0.03),
        answer_bye: rng.random_bool(0.95),
        talk: draw_talk(rng, talk),
        ..Behaviour::silent()
    }
}

fn draw_talk(rng: &mut StdRng, talk: Duration) -> Vec<(Duration, Act)> {
    let mut acts = Vec::new();
    if rng.random_bool(0.25) {
        let act = match rng.random_range(0..7) {
            0 => Act::OfferlessReinvite,
            1 => Act::Update,
            2 => Act::Options,
            3 => Act::Info,
            4 => Act::Digit(5),
            5 => Act::Mute,
            _ => Act::Hold,
        };
        acts.push((talk / 4, act));
        if act == Act::Hold {
            acts.push((talk / 2, Act::Resume));
        }
    }
    match rng.random_range(0..20) {
        0 => acts.push((talk, Act::Vanish)),
        1..4 => {}
        _ => acts.push((talk, Act::HangUp)),
    }
    acts
}

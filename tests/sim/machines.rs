//! Who answers in a world, a person or a machine, in which language it is spoken to, and what whoever holds is told. Owns these
//! draws, from a generator of their own, what a machine's call must come to, and the promises about all of it.

use std::time::Duration;

use callbridge::call::CallLimits;
use callbridge::model::{AnsweredBy, CallRecord, Gates, Language, MachinePolicy, Outcome, RepresentativeGate};
use callbridge::phone::{Act, Behaviour, Greeting, Sound, Story};
use rand::Rng;
use rand::rngs::StdRng;

use crate::media::{MACHINE_HZ, STILL_HZ, UNAVAILABLE_HZ};
use crate::plan::{Party, Plan, Wish};
use crate::promises::{Blame, Promise};
use crate::world::World;

/// Closer than this to a bound, either is right.
const MARGIN: Duration = Duration::from_millis(250);
/// What is said to a machine, with what it takes to begin and to end it.
const MESSAGE: Duration = Duration::from_millis(700);
const FRAME: Duration = Duration::from_millis(20);
/// A quiet line tells nothing below this pitch.
const NO_RINGING: u16 = 600;

/// Languages with a message of their own, and its tone.
pub const LANGUAGES: [(&str, u16); 2] = [("de", 700), ("pt-BR", 750)];

/// The tone of the message in a language.
pub fn connecting(language: Option<Language>) -> u16 {
    let own = LANGUAGES.iter().find(|(tag, _)| language.is_some_and(|language| language.as_str() == *tag));
    own.map_or(crate::media::CONNECTING_HZ, |(_, hz)| *hz)
}

/// Every sixth world wants to know who answers, and has phones that speak; some speak languages, some let nobody hold in silence.
pub fn draw(rng: &mut StdRng, wishes: &mut [Wish], gates: &mut Gates, limits: &mut CallLimits) {
    if rng.random_bool(0.3) {
        limits.still = Duration::from_millis(rng.random_range(1_000..3_000));
    }
    for wish in wishes.iter_mut() {
        let (tag, _) = LANGUAGES[rng.random_range(0..LANGUAGES.len())];
        wish.language = tag.parse().ok().filter(|_| rng.random_bool(0.2));
    }
    if !rng.random_bool(0.17) {
        return;
    }
    gates.machine = [MachinePolicy::HangUp, MachinePolicy::LeaveMessage, MachinePolicy::GoOn][rng.random_range(0..3)];
    for wish in wishes {
        speak(rng, &mut wish.customer.behaviour, limits);
        wish.elsewhere.iter_mut().for_each(|party| speak(rng, &mut party.behaviour, limits));
    }
}

/// Most who would send a tone say something first.
fn speak(rng: &mut StdRng, behaviour: &mut Behaviour, limits: &CallLimits) {
    let Sound::Tone(hz) = behaviour.sound else { return };
    behaviour.sound = match rng.random_range(0..8) {
        0 => Sound::Tone(hz),
        1..5 => Sound::Greets(Greeting { speaks: rng.random_range(8..60), beeps: false, then: Some(hz) }),
        _ => Sound::Greets(Greeting { speaks: rng.random_range(160..230), beeps: rng.random_bool(0.7), then: None }),
    };
    // Whoever meant to do something after a while means it once it is known who answered, or left a message.
    let later = match judged(behaviour, limits) {
        Judged::Person(at) => at + MARGIN * 2,
        Judged::Machine { at, over } => over.unwrap_or(at) + Duration::from_millis(rng.random_range(0..2_000)),
    };
    behaviour.talk.iter_mut().for_each(|(at, _)| *at += later);
}

/// What the ear makes of a phone, so long after its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Judged {
    /// A person, or nobody can say.
    Person(Duration),
    /// A machine, and when its greeting is over, if it ever is.
    Machine { at: Duration, over: Option<Duration> },
}

fn judged(behaviour: &Behaviour, limits: &CallLimits) -> Judged {
    let times = &limits.machine;
    match behaviour.sound {
        Sound::Silence | Sound::Nothing => Judged::Person(times.silence),
        Sound::Tone(hz) if hz >= NO_RINGING => Judged::Machine { at: Duration::from_millis(150), over: None },
        Sound::Tone(_) => Judged::Person(times.within),
        Sound::Greets(greeting) => {
            let (first, spoken) = (FRAME * 10, FRAME * greeting.spoken());
            if spoken < first + times.greeting {
                return Judged::Person(spoken + times.pause);
            }
            let quiet = spoken + Duration::from_secs(3);
            let beeped = greeting.beeped().map(|frames| FRAME * frames + Duration::from_millis(100));
            Judged::Machine { at: first + times.greeting, over: Some(beeped.unwrap_or(quiet)) }
        }
    }
}

/// What becomes of a customer who answered, up to the moment at which the call goes on with it.
pub enum Met {
    /// The call goes on, so long after the answer.
    GoesOn(Duration),
    /// It is known for a machine, so long after the answer: whoever hangs up then, that is what the call comes to.
    Machine(Duration),
    /// Nobody can say.
    Unclear,
}

/// A machine is met as the business wants it.
pub fn met(plan: &Plan, customer: &Party) -> Met {
    let stops = matches!(plan.gates.machine, MachinePolicy::HangUp | MachinePolicy::LeaveMessage);
    let behaviour = &customer.behaviour;
    if !stops {
        return Met::GoesOn(Duration::ZERO);
    }
    if behaviour.early_media || behaviour.rtp_from_elsewhere || !customer.dialling().is_zero() {
        return Met::Unclear;
    }
    let (met, until) = match judged(behaviour, &plan.limits) {
        Judged::Person(at) => (Met::GoesOn(at), at),
        Judged::Machine { at, .. } if plan.gates.machine == MachinePolicy::HangUp => (Met::Machine(at), at),
        Judged::Machine { at, over } => (Met::Machine(at), over.map_or(at + plan.limits.greeting, |at| at + MESSAGE)),
    };
    let disturbs = |(at, act): &(Duration, Act)| *act != Act::HangUp && *at < until + MARGIN;
    if behaviour.talk.iter().any(disturbs) { Met::Unclear } else { met }
}

/// What is known of a call when it is judged.
pub struct Seen<'s> {
    pub world: &'s World,
    pub wish: &'s Wish,
    pub record: &'s CallRecord,
    pub customer: &'s Story,
    pub representatives: &'s [&'s Story],
}

/// Nobody rings for a machine, a machine is left a message after its greeting, and whoever holds long is told so.
pub fn check(seen: &Seen<'_>, blame: Blame<'_>) {
    let Seen { world, wish, record, customer, representatives } = seen;
    let plan = &world.plan;
    let policy = plan.gates.machine;
    let stops = matches!(policy, MachinePolicy::HangUp | MachinePolicy::LeaveMessage);
    if policy == MachinePolicy::Off && record.customer_answered_by.is_some() {
        blame(Promise::NobodyRingsForAMachine, format!("nobody asked who answered at {}", customer.user));
    }
    let told = record.customer_answered_by == Some(AnsweredBy::Machine);
    let certain = plan.calm()
        && customer.user == wish.customer.number
        && customer.answered_at.is_some()
        && matches!(met(plan, &wish.customer), Met::Machine(_));
    if stops && (told || certain) && !representatives.is_empty() {
        blame(Promise::NobodyRingsForAMachine, format!("{} rang for a machine", representatives[0].user));
    }
    if policy == MachinePolicy::LeaveMessage && certain && record.outcome == Outcome::CustomerMachine {
        let heard = customer.first_heard(MACHINE_HZ).zip(customer.answered_at).map(|(at, from)| at.since(from));
        let Judged::Machine { over, .. } = judged(&wish.customer.behaviour, &plan.limits) else { return };
        let stayed = customer.ended_at.zip(customer.answered_at).map(|(end, from)| end.since(from));
        let right = match (heard, over) {
            (None, Some(over)) => stayed.is_some_and(|stayed| stayed < over + MARGIN),
            (Some(heard), Some(over)) => heard + MARGIN > over && heard < over + MARGIN,
            (heard, over) => heard.is_none() && over.is_none(),
        };
        if !right {
            let text = format!("{} heard the message after {heard:?}, its greeting: {over:?}", customer.user);
            blame(Promise::MachinesAreLeftAMessage, text);
        }
    }
    still(seen, blame);
}

fn still(seen: &Seen<'_>, blame: Blame<'_>) {
    let plan = &seen.world.plan;
    let (every, customer) = (plan.limits.still, seen.customer);
    let held = customer.first_heard(connecting(seen.wish.language)).zip(customer.first_heard(UNAVAILABLE_HZ));
    // Whom a transfer gave back has talked, and holds in another way.
    let only_held = seen.record.bridged_at.is_none() && customer.holds.is_empty();
    let Some((from, until)) = held.filter(|_| !every.is_zero() && plan.calm() && only_held) else { return };
    if until.since(from) > every + MARGIN && customer.first_heard(STILL_HZ).is_none() {
        blame(Promise::WhoHoldsIsTold, format!("{} held for {:?}", customer.user, until.since(from)));
    }
}

/// A phone that greets first sends its tone only from then on.
pub fn speaks_from(behaviour: &Behaviour) -> Duration {
    match behaviour.sound {
        Sound::Greets(greeting) => FRAME * greeting.waited(),
        Sound::Tone(_) | Sound::Silence | Sound::Nothing => Duration::ZERO,
    }
}

/// Fixed scenarios: file name and plan.
pub fn scenarios() -> Vec<(&'static str, Plan)> {
    let ms = Duration::from_millis;
    let answers = |speaks, beeps, then| Behaviour {
        sound: Sound::Greets(Greeting { speaks, beeps, then }),
        ..Behaviour::answering(ms(800), 1000, None)
    };
    let representative = || vec![Behaviour::answering(ms(900), 2000, Some(ms(2_500)))];
    let world = |customer, machine| Plan {
        gates: Gates { machine, representative: RepresentativeGate::Off, ..Gates::default() },
        ..Plan::fixed(customer, representative())
    };
    let mut holds = Plan::fixed(Behaviour::answering(ms(800), 1000, None), vec![Behaviour::ringing_only()]);
    holds.limits.still = ms(1_500);
    holds.wishes[0].language = "de".parse().ok();
    vec![
        ("completed-a-person-says-hello", world(answers(30, false, Some(1000)), MachinePolicy::HangUp)),
        ("customer_machine-hung-up", world(answers(180, true, None), MachinePolicy::HangUp)),
        ("customer_machine-left-a-message", world(answers(180, true, None), MachinePolicy::LeaveMessage)),
        ("customer_machine-without-a-beep", world(answers(180, false, None), MachinePolicy::LeaveMessage)),
        ("representative_unavailable-in-german-still-in-line", holds),
    ]
}

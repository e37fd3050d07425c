//! Gates in a world: which the business wants, who presses what, and the promises about them. Owns these draws, from a generator
//! of their own, and these verdicts.

use std::time::Duration;

use callbridge::clock::Mono;
use callbridge::model::{Gates, RepresentativeGate};
use callbridge::phone::{Act, Behaviour, Story};
use rand::Rng;
use rand::rngs::StdRng;

use crate::plan::{Party, Plan, Wish};

/// A whisper lasts so long here, with what it takes to begin and to end it.
pub const WHISPER: Duration = Duration::from_millis(700);

/// Every fifth world has gates, and most of its phones know what to press.
pub fn draw(rng: &mut StdRng, wishes: &mut [Wish]) -> Gates {
    if !rng.random_bool(0.2) {
        return Gates::default();
    }
    let representative = RepresentativeGate::ALL[rng.random_range(0..3)];
    let gates = Gates { customer: rng.random_bool(0.7), representative, ..Gates::default() };
    for wish in wishes {
        if gates.customer {
            press(rng, &mut wish.customer);
            wish.elsewhere.iter_mut().for_each(|party| press(rng, party));
        }
        if representative == RepresentativeGate::Accept {
            wish.representatives.iter_mut().for_each(|party| press(rng, party));
        }
    }
    gates
}

fn press(rng: &mut StdRng, party: &mut Party) {
    let after = Duration::from_millis(rng.random_range(100..2_500));
    let digit = match rng.random_range(0..10) {
        0 => return,
        1 => rng.random_range(2..16),
        _ => 1,
    };
    let act = if rng.random_bool(0.3) { Act::InfoDigit { digit, bare: rng.random() } } else { Act::Digit(digit) };
    // Whoever meant to talk for a while means it from there on.
    for (at, _) in &mut party.behaviour.talk {
        *at += after;
    }
    party.behaviour.talk.insert(0, (after, act));
}

/// The moments at which a phone may have pressed 1.
pub fn opened<'s>(party: &'s Party, story: &'s Story) -> impl Iterator<Item = Mono> + 's {
    let ones =
        party.behaviour.talk.iter().filter(|(_, act)| matches!(act, Act::Digit(1) | Act::InfoDigit { digit: 1, .. }));
    ones.filter_map(|(after, _)| Some(story.answered_at? + *after))
}

/// Fixed scenarios: file name and plan.
pub fn scenarios() -> Vec<(&'static str, Plan)> {
    let ms = Duration::from_millis;
    let presses = |behaviour: Behaviour, at: u64, digit: u8| {
        let mut behaviour = behaviour;
        behaviour.talk.insert(0, (ms(at), Act::Digit(digit)));
        behaviour
    };
    let customer = || Behaviour::answering(ms(800), 1000, None);
    let representative = |tone| Behaviour::answering(ms(900), tone, Some(ms(3_500)));
    let gated = |customer, representatives| Plan {
        gates: Gates { customer: true, representative: RepresentativeGate::Accept, ..Gates::default() },
        ..Plan::fixed(customer, representatives)
    };
    let mut whispered = Plan::fixed(customer(), vec![representative(2000)]);
    whispered.gates.representative = RepresentativeGate::Whisper;
    let declines = presses(representative(2000), 700, 9);
    vec![
        (
            "completed-gates",
            gated(presses(customer(), 1_200, 1), vec![declines, presses(representative(2050), 700, 1)]),
        ),
        ("completed-whisper", whispered),
        ("customer_rejected-at-the-gate", gated(presses(customer(), 1_200, 2), vec![representative(2000)])),
        ("customer_no_answer-at-the-gate", gated(customer(), vec![representative(2000)])),
    ]
}

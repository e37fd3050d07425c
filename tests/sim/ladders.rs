//! Golden ladders: one fixed scenario for each outcome and each famous race, its message sequence written as text into
//! docs/ladders and compared on every run. `UPDATE_LADDERS=1` rewrites them.

use std::path::PathBuf;
use std::time::Duration;

use callbridge::phone::{Act, AnswerWith, Behaviour, OnCancel, Then};

use crate::machines::LANGUAGES;
use crate::media::{CONNECTING_HZ, CONSENT_HZ, GATE_HZ, MACHINE_HZ, MUSIC_HZ, STILL_HZ, UNAVAILABLE_HZ, WHISPER_HZ};
use crate::plan::Plan;
use crate::planted::Bug;
use crate::promises;
use crate::world::{Who, World};

/// A party's name in a ladder.
pub fn name(who: Option<Who>) -> String {
    match who {
        Some(Who::Customer(_)) => "customer".to_owned(),
        Some(Who::Representative(_, place)) => format!("rep {}", place + 1),
        Some(Who::Target(_, place)) => format!("new party {}", place + 1),
        Some(Who::Supervisor(..)) => "supervisor".to_owned(),
        None => "stranger".to_owned(),
    }
}

/// What a tone stands for.
pub fn sound(tone: Option<u16>) -> String {
    match tone {
        Some(CONNECTING_HZ) => "the message".to_owned(),
        Some(UNAVAILABLE_HZ) => "the second message".to_owned(),
        Some(MUSIC_HZ) => "hold music".to_owned(),
        Some(GATE_HZ) => "press 1".to_owned(),
        Some(CONSENT_HZ) => "that it is recorded".to_owned(),
        Some(WHISPER_HZ) => "who calls".to_owned(),
        Some(MACHINE_HZ) => "the word to a machine".to_owned(),
        Some(STILL_HZ) => "still in line".to_owned(),
        Some(hz) if let Some((tag, _)) = LANGUAGES.iter().find(|(_, own)| *own == hz) => format!("the message ({tag})"),
        Some(hz) if hz >= 3000 => "the new party".to_owned(),
        Some(hz) if hz >= 2000 => "the representative".to_owned(),
        Some(hz) if hz >= 1500 => "the supervisor".to_owned(),
        Some(_) => "the customer".to_owned(),
        None => "silence".to_owned(),
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn customer(answer: u64, talk: Option<u64>) -> Behaviour {
    Behaviour::answering(ms(answer), 1000, talk.map(ms))
}

fn representative(answer: u64, talk: Option<u64>) -> Behaviour {
    Behaviour::answering(ms(answer), 2000, talk.map(ms))
}

fn with_acts(behaviour: Behaviour, acts: &[(u64, Act)]) -> Behaviour {
    Behaviour { talk: acts.iter().map(|(at, act)| (ms(*at), *act)).collect(), ..behaviour }
}

/// Every fixed scenario: file name and plan.
pub fn scenarios() -> Vec<(&'static str, Plan)> {
    let deleted = |mut plan: Plan, after: u64| {
        plan.wishes[0].delete = Some(ms(after));
        plan
    };
    let late = |status| Behaviour::refusing(ms(700), status);
    let race = Behaviour { on_cancel: OnCancel::AnswerInstead, ..Behaviour::ringing_only() };
    let forked = Behaviour {
        then: Then::Answer { after: ms(900), with: AnswerWith::Session, forks: 2 },
        ..representative(900, Some(1500))
    };
    let early = Behaviour { early_media: true, ..late(486) };
    let garbage =
        Behaviour { then: Then::Answer { after: ms(900), with: AnswerWith::Garbage, forks: 1 }, ..customer(900, None) };
    let hold = [(500, Act::Hold), (1200, Act::Resume), (2000, Act::HangUp)];
    let mut scheduled = Plan::fixed(customer(800, None), vec![representative(900, Some(1000))]);
    scheduled.wishes[0].desired = Some(ms(5_000));
    let talkers = || vec![representative(900, Some(2000))];
    vec![
        ("completed", Plan::fixed(customer(800, None), talkers())),
        ("completed-customer-hangs-up", Plan::fixed(customer(800, Some(3000)), vec![representative(900, None)])),
        ("completed-scheduled", scheduled),
        (
            "completed-second-representative",
            Plan::fixed(customer(800, None), vec![late(486), representative(900, Some(1000))]),
        ),
        (
            "completed-hold-and-resume",
            Plan::fixed(customer(800, None), vec![with_acts(representative(900, None), &hold)]),
        ),
        ("completed-forked-representative", Plan::fixed(customer(800, None), vec![forked])),
        (
            "completed-early-media-then-busy",
            Plan::fixed(customer(800, None), vec![early, representative(900, Some(1000))]),
        ),
        ("completed-by-delete", deleted(Plan::fixed(customer(800, None), vec![representative(900, None)]), 3_500)),
        ("customer_busy", Plan::fixed(late(486), talkers())),
        ("customer_no_answer", Plan::fixed(Behaviour::ringing_only(), talkers())),
        ("customer_no_answer-cancel-crosses-200", Plan::fixed(race.clone(), talkers())),
        ("customer_rejected", Plan::fixed(late(603), talkers())),
        ("customer_unreachable", Plan::fixed(late(404), talkers())),
        ("customer_unreachable-malformed-answer", Plan::fixed(garbage, talkers())),
        ("customer_hung_up", Plan::fixed(customer(800, Some(1500)), vec![Behaviour::ringing_only()])),
        ("customer_hung_up-cancel-crosses-200", Plan::fixed(customer(800, Some(1500)), vec![race])),
        ("representative_unavailable", Plan::fixed(customer(800, None), vec![late(486), Behaviour::ringing_only()])),
        ("cancelled", deleted(Plan::fixed(Behaviour::ringing_only(), talkers()), 2_000)),
        ("cancelled-while-holding", deleted(Plan::fixed(customer(800, None), vec![Behaviour::ringing_only()]), 3_000)),
        ("failed-no-port", Plan { ports: 0, ..Plan::fixed(customer(800, None), talkers()) }),
        ("expired", {
            let mut plan = Plan::fixed(customer(800, None), talkers());
            plan.wishes[0].desired = Some(ms(5_000));
            plan.faults.jumps = vec![(ms(1_000), 2 * 3_600_000)];
            plan
        }),
        ("interrupted", {
            let mut plan = Plan::fixed(customer(800, None), vec![representative(900, Some(9_000))]);
            plan.faults.crashes = vec![36];
            plan.faults.until = ms(60_000);
            plan
        }),
    ]
}

/// Runs a scenario and writes what happened.
pub fn ladder(plan: Plan) -> String {
    let mut world = World::new(plan, crate::media::tones(), Bug::None, true);
    let rested = world.run();
    let broken = promises::check(&world, rested);
    assert!(broken.is_empty(), "{}", broken.iter().map(|b| format!("{b}\n")).collect::<String>());
    let record = world.store.all_kept().next().and_then(|(_, kept)| kept.records.last()).expect("one record");
    let mut text = world.ladder.join("\n");
    if text.is_empty() {
        text.push_str("(nobody was dialled)");
    }
    text.push_str(&format!(
        "\n\noutcome {}, talked {} s, billed {} + {} s: {}\n",
        record.outcome,
        record.talk_seconds,
        record.customer_billable_seconds,
        record.representative_billable_seconds,
        record.detail
    ));
    if let Some(recording) = &record.recording {
        text.push_str(&format!("recording {}\n", recording.state.as_str()));
    }
    text
}

/// Compares every ladder with its file, or writes it; what differs is returned.
pub fn compare() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/ladders");
    let update = std::env::var_os("UPDATE_LADDERS").is_some();
    let mut wrong = Vec::new();
    let more = crate::stories::of_carriers().into_iter().chain(crate::gates::scenarios());
    let more = more.chain(crate::supervisors::scenarios()).chain(crate::consent::scenarios());
    for (name, plan) in scenarios().into_iter().chain(more).chain(crate::machines::scenarios()) {
        let text = ladder(plan);
        let file = folder.join(format!("{name}.txt"));
        if update {
            std::fs::create_dir_all(&folder).expect("docs/ladders");
            std::fs::write(&file, &text).expect("a ladder is written");
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        if golden != text {
            wrong.push(format!("{name}:\n--- docs/ladders\n{golden}\n--- now\n{text}"));
        }
    }
    wrong
}

//! Recorded talks in a world: which are recorded, who is told first, what is on the recording, and the promises about all of it. Owns
//! these draws, from a generator of their own, and these verdicts.

use std::collections::BTreeMap;
use std::time::Duration;

use callbridge::media::Recorded;
use callbridge::media::api::Command;
use callbridge::model::{CallId, CallRecord, LegId, Outcome, RecordingState, Taping};
use callbridge::phone::{Act, Behaviour, Law, Sound, Story, voices_of};
use rand::Rng;
use rand::rngs::StdRng;

use crate::media::{CONSENT_HZ, FRAMES, PROMPTS};
use crate::plan::Plan;
use crate::promises::{Blame, Promise, party};
use crate::world::World;

/// The consent message lasts so long here, with what it takes to begin and to end it.
pub const CONSENT: Duration = Duration::from_millis(700);
/// Of a message that was sent whole so much may still be on its way.
const ON_ITS_WAY: u32 = 1;
/// Samples of a piece of a recording that is looked at.
const PIECE: usize = 160;

/// Every sixth world is recorded, and most of those tell their parties first.
pub fn draw(rng: &mut StdRng) -> Taping {
    match (rng.random_bool(0.17), rng.random_bool(0.8)) {
        (false, _) => Taping::Off,
        (true, false) => Taping::Untold,
        (true, true) => Taping::Told,
    }
}

/// What became of a call's recording.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    /// Media was told to record.
    pub asked: bool,
    left: Vec<i16>,
    right: Vec<i16>,
}

/// Of every call.
pub type Tapes = BTreeMap<CallId, Tape>;

impl World {
    /// What media recorded so far is put away.
    pub(crate) fn take_recordings(&mut self) {
        while let Some(piece) = self.media.poll_recorded() {
            let Recorded::Samples { call, samples } = piece else { continue };
            let tape = self.tapes.entry(call).or_default();
            tape.left.extend(samples.iter().step_by(2));
            tape.right.extend(samples.iter().skip(1).step_by(2));
        }
    }

    /// Two are joined, or recorded, from now on: they were told before, where that is wanted.
    pub(crate) fn judge_consent(&mut self, command: &Command) {
        let (a, b, records) = match command {
            Command::Bridge { a, b } => (*a, *b, false),
            Command::Record { a, b } => {
                self.tapes.entry(a.call).or_default().asked = true;
                (*a, *b, true)
            }
            _ => return,
        };
        match self.plan.taping {
            Taping::Off if records => {
                self.blame(Promise::NobodyIsRecordedUntold, format!("nobody wanted {} recorded", a.call));
            }
            Taping::Told if self.plan.calm() => {
                for leg in [a, b] {
                    self.judge_told(leg, records);
                }
            }
            _ => {}
        }
    }

    fn judge_told(&mut self, leg: LegId, records: bool) {
        let Some(story) = self.story_of(leg) else { return };
        let stretches = story.heard.iter().filter(|heard| heard.tone == Some(CONSENT_HZ));
        let whole = stretches.map(|heard| heard.packets).sum::<u32>() + ON_ITS_WAY >= FRAMES as u32;
        let excused = !records && self.may_have_missed(story);
        if whole || excused {
            return;
        }
        let promise = if records { Promise::NobodyIsRecordedUntold } else { Promise::ToldBeforeTheTalk };
        let text = format!("{} had not heard that it is recorded, recorded: {records}", story.user);
        self.blame(promise, text);
    }

    /// It holds us, or cannot hear us for another reason of its own.
    fn may_have_missed(&self, story: &Story) -> bool {
        let acts = party(self, story).map(|party| &party.behaviour.talk[..]).unwrap_or_default();
        let deaf = |act: &Act| matches!(act, Act::Hold | Act::HoldInactive | Act::HoldNull | Act::Vanish | Act::HangUp);
        acts.iter().any(|(_, act)| deaf(act)) && story.ended_at.is_some() || !story.holds.is_empty()
    }

    /// The last story of a leg's phone.
    fn story_of(&self, leg: LegId) -> Option<&Story> {
        let id = self.roads.call_id_of(leg)?;
        self.stories().find(|story| story.call_id == id)
    }
}

/// What is known of a call that may have been recorded.
pub struct Seen<'s> {
    pub world: &'s World,
    pub record: &'s CallRecord,
    pub customer: Option<&'s Story>,
    /// Everybody else.
    pub others: Vec<&'s Story>,
}

/// The record says what became of the recording, and on it is who talked, each on its side, and nothing else.
pub fn check(seen: &Seen<'_>, blame: Blame<'_>) {
    let Seen { world, record, customer, others } = seen;
    if record.outcome == Outcome::Interrupted || !world.crashed.is_empty() {
        return;
    }
    let tape = world.tapes.get(&record.call_id);
    let asked = tape.is_some_and(|tape| tape.asked);
    let state = record.recording.as_ref().map(|recording| recording.state);
    let expected: &[Option<RecordingState>] = match (world.plan.taping, record.bridged_at, asked) {
        (Taping::Off, ..) | (_, None, _) => &[None],
        (Taping::Untold, Some(_), _) => &[Some(RecordingState::Made)],
        (Taping::Told, Some(_), true) => &[Some(RecordingState::Made), Some(RecordingState::Incomplete)],
        (Taping::Told, Some(_), false) => &[Some(RecordingState::Untold)],
    };
    if !expected.contains(&state) {
        let text = format!("call {}: {state:?}, recorded: {asked}, {}", record.call_id, record.outcome);
        blame(Promise::TheRecordSaysWhatIsKept, text);
    }
    let (Some(tape), true) = (tape, world.plan.calm()) else { return };
    let tone = |story: &Story| crate::case::tone(world, story);
    let steady = |story: &Story| {
        let sound = party(world, story).map(|party| party.behaviour.sound);
        matches!(sound, None | Some(Sound::Tone(_) | Sound::Silence | Sound::Nothing))
    };
    if !customer.iter().chain(others).copied().all(steady) {
        return;
    }
    let left: Vec<u16> = customer.iter().filter_map(|story| tone(story)).collect();
    let right: Vec<u16> = others.iter().filter_map(|story| tone(story)).collect();
    for (side, samples, voices) in [("left", &tape.left, left), ("right", &tape.right, right)] {
        let heard = voices_on(samples);
        // The edge of a voice within one piece may look like a voice beside it.
        let stray = |(hz, pieces): &(&u16, &u32)| **pieces > 1 && !voices.contains(hz);
        if let Some((hz, _)) = heard.iter().find(stray) {
            let whose = if PROMPTS.contains(hz) { "a message" } else { "nobody of that side" };
            let text = format!("call {}: {hz} Hz on the {side}, {whose}", record.call_id);
            blame(Promise::TheRecordingHoldsTheTalk, text);
        }
    }
    both_are_on_it(seen, tape, blame);
}

/// Two who spoke steadily and heard each other are on the recording.
fn both_are_on_it(seen: &Seen<'_>, tape: &Tape, blame: Blame<'_>) {
    let ([other], Some(customer)) = (&seen.others[..], seen.customer) else { return };
    let plain = |story: &Story| {
        party(seen.world, story).is_some_and(|p| p.behaviour.talk.iter().all(|(_, act)| *act == Act::HangUp))
    };
    if !tape.asked || !plain(customer) || !plain(other) {
        return;
    }
    for (speaker, listener, samples) in [(customer, *other, &tape.left), (*other, customer, &tape.right)] {
        let Some(hz) = crate::case::tone(seen.world, speaker) else { continue };
        let heard: u32 = listener.hears(hz).map(|voice| voice.packets).sum();
        let kept = voices_on(samples).get(&hz).copied().unwrap_or(0);
        if kept + 5 < heard {
            let text = format!("{} was heard in {heard} packets, kept are {kept}", speaker.user);
            blame(Promise::TheRecordingHoldsTheTalk, text);
        }
    }
}

/// Whose voices are in it, and in how many pieces.
fn voices_on(samples: &[i16]) -> BTreeMap<u16, u32> {
    let mut voices = BTreeMap::new();
    for piece in samples.chunks_exact(PIECE) {
        let coded: Vec<u8> = piece.iter().map(|sample| Law::Mu.encode(*sample)).collect();
        for hz in voices_of(&coded, Law::Mu).all() {
            *voices.entry(hz).or_default() += 1;
        }
    }
    voices
}

/// Fixed scenarios: file name and plan.
pub fn scenarios() -> Vec<(&'static str, Plan)> {
    let ms = Duration::from_millis;
    let told = |customer: Behaviour, representative: Behaviour| Plan {
        taping: Taping::Told,
        ..Plan::fixed(customer, vec![representative])
    };
    let customer = || Behaviour::answering(ms(800), 1000, None);
    let representative = || Behaviour::answering(ms(900), 2000, Some(ms(3_000)));
    let holds = Behaviour {
        talk: vec![(ms(100), Act::Hold), (ms(400), Act::Resume), (ms(3_000), Act::HangUp)],
        ..representative()
    };
    let leaves = Behaviour { talk: vec![(ms(300), Act::HangUp)], ..representative() };
    vec![
        ("completed-recorded-both-told", told(customer(), representative())),
        ("completed-not-recorded-who-held-was-not-told", told(customer(), holds)),
        ("representative_unavailable-hung-up-while-told", told(customer(), leaves)),
    ]
}

//! Supervisors in a world: who is to come to which talk, when and how, what a business's client asks for that, and the promises about
//! them. Owns these draws, from a generator of their own, these requests and these verdicts.

use std::time::Duration;

use callbridge::clock::{Mono, Wall};
use callbridge::engine::api::{Input, Reply, SupervisorWish};
use callbridge::model::{AttemptRecord, CallId, CallRecord, Endpoint, Role, SupervisorMode};
use callbridge::phone::{Act, AnswerWith, Behaviour, Ending, Sound, Story, Then};
use rand::Rng;
use rand::rngs::StdRng;

use crate::manners;
use crate::plan::{Party, Plan, Wish, draw_behaviour};
use crate::planted::Bug;
use crate::promises::{Blame, Broken, Promise, party};
use crate::setup::{EPOCH, business};
use crate::world::{Asked, Event, Who, World};

/// What is asked for is heard, and what is over is heard no more, within this: a mixer's buffers, and the way.
const SOON: Duration = Duration::from_millis(200);
/// Who speaks steadily for so long is heard.
const WHILE: Duration = Duration::from_millis(800);

/// A supervisor who is to come to a talk.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Who.
    pub party: Party,
    /// How, at first.
    pub mode: SupervisorMode,
    /// When it is asked for.
    pub comes: Comes,
    /// What is asked for next, each so long after the first answer: another mode, or that it goes.
    pub then: Vec<(Duration, Option<SupervisorMode>)>,
}

/// When a supervisor is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comes {
    /// So long after the 202, whether anybody talks or not.
    AfterAcceptance(Duration),
    /// So long after the bridge.
    AfterBridge(Duration),
}

/// What a client asks about a supervisor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// That it is dialled.
    Invite,
    /// Of this leg: what stands at this place of [`Visit::then`].
    Then(u16, usize),
}

/// A supervisor that was dialled.
#[derive(Clone, Debug)]
pub struct Granted {
    /// Which of the wish's visits.
    pub visit: usize,
    /// Of which call.
    pub call: CallId,
    /// How it was to take part, from when on; none: it was to go.
    pub modes: Vec<(Mono, Option<SupervisorMode>)>,
}

/// What became of a wish's visits.
#[derive(Clone, Debug, Default)]
pub struct Visits {
    /// Which were asked for.
    pub asked: Vec<usize>,
    /// Which were granted.
    pub granted: Vec<Granted>,
}

/// Every sixth world has supervisors, and talks that are worth listening to.
pub fn draw(rng: &mut StdRng, wishes: &mut [Wish]) {
    if !rng.random_bool(0.17) {
        return;
    }
    let mut challenges = wishes.iter().map(|wish| wish.customer.behaviour.challenge.clone());
    let challenge = challenges.find(Option::is_some).flatten();
    for (n, wish) in (0u16..).zip(wishes) {
        let later = Duration::from_millis(rng.random_range(500..3_500));
        let talkers = wish.representatives.iter_mut().chain([&mut wish.customer]).chain(&mut wish.elsewhere);
        for (at, act) in talkers.flat_map(|party| &mut party.behaviour.talk) {
            if matches!(act, Act::HangUp | Act::Vanish | Act::Refer) {
                *at += later;
            }
        }
        for visit in 0..rng.random_range(0..3u16) {
            let mut visit = draw_visit(rng, n, visit, later);
            visit.party.behaviour.challenge = challenge.clone().filter(|_| rng.random_bool(0.8));
            wish.supervisors.push(visit);
        }
    }
}

fn draw_visit(rng: &mut StdRng, n: u16, visit: u16, later: Duration) -> Visit {
    let mode = |rng: &mut StdRng| SupervisorMode::ALL[rng.random_range(0..3)];
    let mut behaviour = draw_behaviour(rng, 1_500 + 50 * ((2 * n + visit) % 10));
    if let Then::Answer { after, .. } = &mut behaviour.then {
        *after /= 2;
    }
    manners::adorn(rng, &mut behaviour);
    let comes = match rng.random_range(0..10) {
        0 => Comes::AfterAcceptance(Duration::from_millis(rng.random_range(0..8_000))),
        // About when somebody hangs up.
        1 | 2 => Comes::AfterBridge(later + Duration::from_millis(rng.random_range(0..2_000))),
        _ => Comes::AfterBridge(Duration::from_millis(rng.random_range(0..1_200))),
    };
    let mut then = Vec::new();
    for _ in 0..rng.random_range(0..4) {
        let wants = if rng.random_bool(0.25) { None } else { Some(mode(rng)) };
        then.push((Duration::from_millis(rng.random_range(0..4_000)), wants));
    }
    then.sort_by_key(|(at, _)| *at);
    let extension = rng.random_bool(0.1).then(|| "42".to_owned());
    let party = Party { number: format!("+16465556{:03}", 100 + 10 * n + visit), extension, behaviour };
    Visit { party, mode: mode(rng), comes, then }
}

impl World {
    /// A wish was taken as this call.
    pub(crate) fn expect_visits(&mut self, wish: usize) {
        self.begin_visits(wish, |comes| if let Comes::AfterAcceptance(after) = comes { Some(after) } else { None });
    }

    /// A call has become a talk.
    pub(crate) fn bridged(&mut self, call: CallId) {
        if let Some(wish) = self.fates.iter().position(|fate| fate.calls.contains(&call)) {
            self.begin_visits(wish, |comes| if let Comes::AfterBridge(after) = comes { Some(after) } else { None });
        }
    }

    fn begin_visits(&mut self, wish: usize, when: impl Fn(Comes) -> Option<Duration>) {
        for visit in 0..self.plan.wishes[wish].supervisors.len() {
            if let Some(after) = when(self.plan.wishes[wish].supervisors[visit].comes) {
                self.after(after, Event::Supervise(wish, visit, Step::Invite));
            }
        }
    }

    /// A client asks.
    pub(crate) fn supervise(&mut self, wish: usize, visit: usize, step: Step) {
        let plan = &self.plan.wishes[wish].supervisors[visit];
        let wanted = match step {
            Step::Invite => SupervisorWish::Invite {
                address: Endpoint::parse(&plan.party.address()).expect("a possible number"),
                mode: plan.mode,
            },
            Step::Then(leg, at) => match plan.then[at].1 {
                Some(mode) => SupervisorWish::Change { leg, mode },
                None => SupervisorWish::Dismiss { leg },
            },
        };
        let (Some(call), true) = (self.fates[wish].calls.last().copied(), self.engine.is_some()) else { return };
        self.note(|| format!("wish {wish}, supervisor {visit}: {wanted:?}"));
        if step == Step::Invite {
            self.fates[wish].visits.asked.push(visit);
        }
        let reply = self.ask(Asked::Supervise(wish, visit, step));
        self.tell_engine(Input::Supervise { reply, business: business(), call, wish: wanted });
    }

    /// The answer; false: of no right kind.
    pub(crate) fn supervised(&mut self, wish: usize, visit: usize, step: Step, reply: &Reply) -> bool {
        let plan = self.plan.wishes[wish].supervisors[visit].clone();
        let view = match reply {
            Reply::Supervised(Some(view)) => view,
            Reply::Supervised(None) | Reply::NotSupervised(_) | Reply::AlreadyEnded => return true,
            Reply::Refused(_) => return step == Step::Invite,
            _ => return false,
        };
        let wanted = match step {
            Step::Invite => Some(plan.mode),
            Step::Then(_, at) => plan.then[at].1,
        };
        if wanted.is_some() && view.mode != wanted {
            self.blame(Promise::RequestsAreAnswered, format!("{wanted:?} was wanted, the answer is {:?}", view.mode));
        }
        let (now, call) = (self.now, self.fates[wish].calls.last().copied().expect("it was asked about"));
        let granted = &mut self.fates[wish].visits.granted;
        match step {
            Step::Invite => {
                granted.push(Granted { visit, call, modes: vec![(now, wanted)] });
                for (at, (after, _)) in plan.then.iter().enumerate() {
                    self.after(*after, Event::Supervise(wish, visit, Step::Then(view.leg, at)));
                }
            }
            Step::Then(..) => granted
                .iter_mut()
                .filter(|granted| granted.visit == visit && granted.call == call)
                .for_each(|granted| granted.modes.push((now, wanted))),
        }
        true
    }

    /// A supervisor's phone is dialled: somebody asked for it, and two others talk, or talked until now.
    pub(crate) fn supervisor_dialled(&mut self, wish: usize, visit: usize, number: &str) {
        let answered = |who: fn(Who) -> Option<usize>| {
            self.stories().any(|s| s.answered_at.is_some() && self.who(&s.user).and_then(who) == Some(wish))
        };
        let customer = answered(|who| if let Who::Customer(wish) = who { Some(wish) } else { None });
        let other = answered(|who| match who {
            Who::Representative(wish, _) | Who::Target(wish, _) => Some(wish),
            Who::Customer(_) | Who::Supervisor(..) => None,
        });
        let asked = self.fates[wish].visits.asked.contains(&visit);
        if !(customer && other && asked) {
            let text = format!("{number} was dialled, asked for: {asked}, answered: {customer} and {other}");
            self.blame(Promise::SupervisorsOnlyToATalk, text);
        }
    }
}

/// What is known of a call that supervisors came to.
pub struct Seen<'s> {
    pub world: &'s World,
    pub wish: usize,
    pub record: &'s CallRecord,
    pub customer: Option<&'s Story>,
    /// Representatives, and those whom the customer was transferred to.
    pub others: Vec<&'s Story>,
    /// Of supervisors.
    pub visitors: &'s [&'s Story],
    /// The equipment crashed meanwhile.
    pub crashed: bool,
}

/// They leave with the talk, are heard by whom their mode says, and are billed as what they are.
pub fn check(seen: &Seen<'_>, blame: Blame<'_>) {
    let attempts = seen.world.store.kept(seen.record.call_id).map(|kept| &kept.attempts[..]).unwrap_or_default();
    seen.billed(attempts, blame);
    for visitor in seen.visitors {
        seen.leaves(visitor, attempts, blame);
        if !seen.crashed {
            seen.heard(visitor, blame);
            seen.takes_part(visitor, blame);
        }
    }
}

impl Seen<'_> {
    fn plan(&self) -> &Wish {
        &self.world.plan.wishes[self.wish]
    }

    fn calm(&self) -> bool {
        self.world.plan.calm()
    }

    fn is_supervisor(&self, attempt: &AttemptRecord) -> bool {
        let address = attempt.address.to_string();
        self.plan().supervisors.iter().any(|visit| address.contains(&visit.party.number))
    }

    fn billed(&self, attempts: &[AttemptRecord], blame: Blame<'_>) {
        let of = |role: Role| attempts.iter().filter(|a| a.role == role).map(|a| a.billable_seconds).sum::<u64>();
        let record = self.record;
        let said = [
            record.customer_billable_seconds,
            record.representative_billable_seconds,
            record.supervisor_billable_seconds,
        ];
        let legs = [of(Role::Customer), of(Role::Representative), of(Role::Supervisor)];
        let mistaken = attempts.iter().find(|a| (a.role == Role::Supervisor) != self.is_supervisor(a));
        if said != legs || mistaken.is_some() {
            let text = format!("wish {}: {said:?} s recorded, legs say {legs:?}, mistaken: {mistaken:?}", self.wish);
            blame(Promise::SupervisorsAreBilledAsSuch, text);
        }
    }

    /// Its leg lies within the talk, in the record and as its phone saw it.
    fn leaves(&self, visitor: &Story, attempts: &[AttemptRecord], blame: Blame<'_>) {
        let legs = attempts.iter().filter(|a| a.address.to_string().contains(&visitor.user));
        let customer = attempts.iter().rfind(|a| a.role == Role::Customer);
        for leg in legs {
            let bridged = self.record.bridged_at.is_some_and(|at| at <= leg.dialled_at);
            if !bridged || customer.is_none_or(|customer| customer.ended_at < leg.ended_at) {
                let text = format!("the leg of {} is recorded outside of the talk", visitor.user);
                blame(Promise::SupervisorsLeaveWithTheTalk, text);
            }
        }
        let Some(end) = customer.filter(|_| self.calm() && !self.crashed).map(|c| moment(c.ended_at)) else { return };
        let crooked = party(self.world, visitor)
            .is_some_and(|p| matches!(p.behaviour.then, Then::Answer { with: AnswerWith::BrokenHeaders, .. }));
        let noticed = visitor.ringing_at.is_some() || visitor.answered_at.is_some();
        let left = visitor.ended_at.is_some_and(|at| at <= end + SOON) || visitor.ending == Some(Ending::Cancelled);
        if noticed && !crooked && !left && !self.world.roads.unheard(&visitor.call_id) {
            let text = format!("{} was still there when the talk was over", visitor.user);
            blame(Promise::SupervisorsLeaveWithTheTalk, text);
        }
    }

    /// From when to when it was to take part in one of these modes.
    fn periods(&self, visitor: &Story, modes: &[SupervisorMode]) -> Vec<(Mono, Mono)> {
        let visits = &self.world.fates[self.wish].visits.granted;
        let number = |granted: &Granted| self.plan().supervisors[granted.visit].party.number == visitor.user;
        let Some(granted) = visits.iter().rfind(|granted| number(granted)) else { return Vec::new() };
        let last = visitor.ended_at.unwrap_or(self.world.now);
        let until = granted.modes.iter().skip(1).map(|(at, _)| *at).chain([last]);
        let all = granted.modes.iter().zip(until);
        let mut periods: Vec<(Mono, Mono)> = Vec::new();
        for ((from, mode), until) in all {
            match periods.last_mut() {
                _ if !mode.is_some_and(|mode| modes.contains(&mode)) => {}
                Some((_, end)) if *end == *from => *end = until,
                _ => periods.push((*from, until)),
            }
        }
        periods
    }

    fn tone(&self, story: &Story) -> Option<u16> {
        let Sound::Tone(hz) = party(self.world, story)?.behaviour.sound else { return None };
        Some(hz)
    }

    /// Nobody hears it but who its mode says, and it hears nobody but those who talk.
    fn heard(&self, visitor: &Story, blame: Blame<'_>) {
        use SupervisorMode::{Join, Whisper};
        let slack = if self.calm() { SOON } else { Duration::from_secs(2) };
        // Whoever was called and never answered speaks to nobody: another try of the same phone may.
        if let Some(tone) = self.tone(visitor).filter(|_| visitor.answered_at.is_some()) {
            let customers = self.customer.into_iter().map(|story| (story, &[Join][..]));
            let others = self.others.iter().map(|story| (*story, &[Whisper, Join][..]));
            for (listener, modes) in customers.chain(others) {
                let periods = self.periods(visitor, modes);
                let meant = |first, last| periods.iter().any(|(from, until)| first >= *from && last <= *until + slack);
                if let Some(heard) = listener.hears(tone).find(|heard| !meant(heard.first, heard.last)) {
                    let text = format!("{} hears {} at {:.3}", listener.user, visitor.user, seconds(heard.first));
                    blame(Promise::OnlyWhoMayHears, text);
                }
            }
        }
        let talkers = self.customer.into_iter().chain(self.others.iter().copied());
        let mut voices: Vec<u16> = talkers.filter_map(|story| crate::case::tone(self.world, story)).collect();
        voices.push(callbridge::phone::BEEP_HZ);
        let heard = visitor.heard.iter().filter(|heard| self.calm() || heard.packets > 2);
        for tone in heard.filter_map(|heard| heard.tone).filter(|tone| !voices.contains(tone)) {
            blame(Promise::NoCrosstalk, format!("{} hears {tone} Hz, nobody's of this call", visitor.user));
        }
    }

    /// Where all speak steadily: it hears both, and whoever is to hear it does.
    fn takes_part(&self, visitor: &Story, blame: Blame<'_>) {
        use SupervisorMode::{Join, Listen, Whisper};
        let (Some(customer), [other]) = (self.customer, &self.others[..]) else { return };
        let steady = |story: &Story| {
            party(self.world, story).is_some_and(|p| {
                let behaviour = &p.behaviour;
                let session = matches!(behaviour.then, Then::Answer { with: AnswerWith::Session, forks: 1, .. });
                let stays = behaviour.talk.iter().all(|(_, act)| matches!(act, Act::HangUp | Act::Vanish));
                session && stays && !behaviour.rtp_from_elsewhere && matches!(behaviour.sound, Sound::Tone(_))
            })
        };
        if !self.calm() || ![customer, other, visitor].into_iter().all(steady) {
            return;
        }
        let Some(acked) = visitor.acked_at else { return };
        let here = acked + party(self.world, visitor).map_or(Duration::ZERO, Party::dialling);
        let end = [customer, other, visitor].into_iter().filter_map(|story| story.ended_at).min();
        let pairs = [
            (visitor, customer, &[Listen, Whisper, Join][..]),
            (visitor, other, &[Listen, Whisper, Join][..]),
            (*other, visitor, &[Whisper, Join][..]),
            (customer, visitor, &[Join][..]),
        ];
        for (listener, speaker, modes) in pairs {
            let Some(tone) = self.tone(speaker) else { continue };
            for (from, until) in self.periods(visitor, modes) {
                let (from, until) = (from.max(here), end.map_or(until, |end| end.min(until)));
                let within = |heard: &&callbridge::phone::VoiceHeard| heard.last > from && heard.first < until;
                if from + WHILE < until && !listener.hears(tone).any(|heard| within(&heard)) {
                    let text = format!("{} never heard {} from {:.3}", listener.user, speaker.user, seconds(from));
                    blame(Promise::SupervisorsTakePart, text);
                }
            }
        }
    }
}

/// The same world without supervisors comes to the same, where nothing but them tells the two apart.
pub fn unchanged(world: &World, bug: Bug, broken: &mut Vec<Broken>) {
    let plan = &world.plan;
    let came = world.fates.iter().any(|fate| !fate.visits.granted.is_empty());
    let deleted = world.fates.iter().any(|fate| fate.deleted);
    if !came || deleted || !plan.calm() || !plan.topology.plain {
        return;
    }
    let mut alone = plan.clone();
    alone.wishes.iter_mut().for_each(|wish| wish.supervisors.clear());
    let mut other = World::new(alone, std::sync::Arc::clone(&world.prompts), bug, false);
    other.run();
    for wish in 0..plan.wishes.len() {
        let (Some(with), Some(without)) = (record_of(world, wish), record_of(&other, wish)) else { continue };
        if !alike(with, without) {
            let text = format!("wish {wish}: {}, without: {}", told(with), told(without));
            broken.push(Broken { promise: Promise::SupervisorsChangeNothing, text });
        }
    }
}

fn record_of(world: &World, wish: usize) -> Option<&CallRecord> {
    let call = world.store.accepted().find(|call| world.wish_of(&call.message) == Some(wish))?;
    world.store.kept(call.id)?.records.last()
}

/// But for milliseconds.
fn alike(with: &CallRecord, without: &CallRecord) -> bool {
    let close = |a: Option<Wall>, b: Option<Wall>| match (a, b) {
        (Some(a), Some(b)) => (a.0 - b.0).abs() < 150,
        (a, b) => a == b,
    };
    let same = |record: &CallRecord| {
        (record.outcome, record.representative.clone(), record.transferred_to.clone(), record.transfers)
    };
    same(with) == same(without)
        && with.detail == without.detail
        && close(with.bridged_at, without.bridged_at)
        && close(Some(with.ended_at), Some(without.ended_at))
        && with.one_way_audio == without.one_way_audio
}

fn told(record: &CallRecord) -> String {
    let (bridged, ended) = (record.bridged_at.map(|at| at.0 - EPOCH), record.ended_at.0 - EPOCH);
    format!("{} ({}), bridged {bridged:?}, ended {ended}", record.outcome, record.detail)
}

/// Of a world whose clock never jumps.
fn moment(at: Wall) -> Mono {
    Mono(u64::try_from(at.0 - EPOCH).unwrap_or(0) * 1000)
}

fn seconds(at: Mono) -> f64 {
    at.0 as f64 / 1e6 - 1.0
}

/// Fixed scenarios: file name and plan.
pub fn scenarios() -> Vec<(&'static str, Plan)> {
    let ms = Duration::from_millis;
    let world = |behaviour: Behaviour, mode, then: &[(u64, Option<SupervisorMode>)]| {
        let customer = Behaviour::answering(ms(800), 1000, None);
        let mut plan = Plan::fixed(customer, vec![Behaviour::answering(ms(900), 2000, Some(ms(5_000)))]);
        plan.wishes[0].supervisors.push(Visit {
            party: Party { number: "+16465556100".to_owned(), extension: None, behaviour },
            mode,
            comes: Comes::AfterBridge(ms(300)),
            then: then.iter().map(|(at, mode)| (ms(*at), *mode)).collect(),
        });
        plan
    };
    let answers = || Behaviour::answering(ms(500), 1500, None);
    let changes = [(1_300, Some(SupervisorMode::Whisper)), (2_300, Some(SupervisorMode::Join)), (3_300, None)];
    vec![
        ("completed-supervisor-listens-whispers-joins-goes", world(answers(), SupervisorMode::Listen, &changes)),
        ("completed-supervisor-stays-to-the-end", world(answers(), SupervisorMode::Join, &[])),
        ("completed-supervisor-busy", world(Behaviour::refusing(ms(500), 486), SupervisorMode::Listen, &[])),
        ("completed-supervisor-does-not-answer", world(Behaviour::ringing_only(), SupervisorMode::Listen, &[])),
    ]
}

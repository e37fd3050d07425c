//! Supervisors in a world: who is to listen to which talk, when, in which modes; and the promises about them. Owns these draws, from
//! a generator of their own, what is asked over HTTP for it, and these verdicts.

use std::time::Duration;

use callbridge::clock::Mono;
use callbridge::engine::api::{Input, Reply, SupervisorRefusal, SupervisorWish};
use callbridge::model::{CallId, Endpoint, SupervisorMode};
use callbridge::phone::{Act, Sound, Story};
use rand::Rng;
use rand::rngs::StdRng;

use crate::plan::{self, Party, Wish};
use crate::promises::{Blame, Promise};
use crate::setup::business;
use crate::world::{Asked, Event, World};

/// While nobody talks yet, it is asked again so often …
const AGAIN: Duration = Duration::from_millis(250);
/// … and so many times.
const TRIES: u32 = 120;

/// Somebody who is to listen.
#[derive(Clone, Debug)]
pub struct Supervising {
    /// Its phone.
    pub party: Party,
    /// Its first mode.
    pub mode: SupervisorMode,
    /// What follows, so long after it was accepted; no mode: it is dismissed.
    pub then: Vec<(Duration, Option<SupervisorMode>)>,
}

/// What happened of it.
#[derive(Clone, Debug, Default)]
pub struct Supervised {
    leg: Option<u16>,
    /// From these moments on in these modes.
    modes: Vec<(Mono, SupervisorMode)>,
    dismissed: bool,
}

/// Every fourth wish has a supervisor, where all numbers are served.
pub fn draw(rng: &mut StdRng, wishes: &mut [Wish]) {
    for (n, wish) in (0u16..).zip(wishes) {
        if !rng.random_bool(0.25) {
            continue;
        }
        let mut behaviour = plan::draw_behaviour(rng, 3_300 + 50 * n);
        behaviour
            .talk
            .retain(|(_, act)| matches!(act, Act::HangUp | Act::Mute | Act::Vanish | Act::Hold | Act::Resume));
        let party = Party { number: format!("+16465559{:03}", 100 + n), extension: None, behaviour };
        let mode = |rng: &mut StdRng| SupervisorMode::ALL[rng.random_range(0..3)];
        let first = mode(rng);
        let mut then: Vec<(Duration, Option<SupervisorMode>)> = Vec::new();
        for _ in 0..rng.random_range(0..4) {
            let after = Duration::from_millis(rng.random_range(50..4_000));
            then.push((after, (!rng.random_bool(0.15)).then(|| mode(rng))));
        }
        then.sort_by_key(|(after, _)| *after);
        wish.supervisor = Some(Supervising { party, mode: first, then });
    }
}

impl World {
    /// Asks for the supervisor of a wish; again while nobody talks.
    pub(crate) fn supervise(&mut self, wish: usize, call: CallId, tries: u32) {
        let Some(supervising) = self.plan.wishes[wish].supervisor.clone() else { return };
        if self.engine.is_none() {
            return;
        }
        let address = Endpoint::parse(&supervising.party.address()).expect("a possible number");
        let reply = self.ask(Asked::Supervise { wish, call, tries });
        let invite = SupervisorWish::Invite { address, mode: supervising.mode };
        self.tell_engine(Input::Supervise { reply, business: business(), call, wish: invite });
    }

    /// Another mode, or none.
    pub(crate) fn change_supervisor(&mut self, wish: usize, call: CallId, mode: Option<SupervisorMode>) {
        let Some(leg) = self.fates[wish].supervised.leg.filter(|_| self.engine.is_some()) else { return };
        let reply = self.ask(Asked::Change { wish, mode });
        let change = match mode {
            Some(mode) => SupervisorWish::Change { leg, mode },
            None => SupervisorWish::Dismiss { leg },
        };
        self.tell_engine(Input::Supervise { reply, business: business(), call, wish: change });
    }

    /// What the equipment answered; false: not what is answered to this.
    pub(crate) fn supervised(&mut self, asked: Asked, reply: &Reply) -> bool {
        let now = self.now;
        match (asked, reply) {
            (Asked::Supervise { wish, call, .. }, Reply::Supervised(Some(view))) => {
                let fate = &mut self.fates[wish].supervised;
                fate.leg = Some(view.leg);
                fate.modes.extend(view.mode.map(|mode| (now, mode)));
                let then = self.plan.wishes[wish].supervisor.iter().flat_map(|s| s.then.clone()).collect::<Vec<_>>();
                for (after, mode) in then {
                    self.after(after, Event::ChangeSupervisor(wish, call, mode));
                }
            }
            (Asked::Supervise { wish, call, tries }, Reply::NotSupervised(SupervisorRefusal::NotBridged)) => {
                if tries < TRIES {
                    self.after(AGAIN, Event::Supervise(wish, call, tries + 1));
                }
            }
            (Asked::Change { wish, mode: Some(mode) }, Reply::Supervised(Some(_))) => {
                self.fates[wish].supervised.modes.push((now, mode));
            }
            (Asked::Change { wish, mode: None }, Reply::Supervised(Some(_))) => {
                self.fates[wish].supervised.dismissed = true;
            }
            (Asked::Change { .. }, Reply::NotSupervised(SupervisorRefusal::Over)) => {}
            (Asked::Supervise { .. } | Asked::Change { .. }, Reply::Supervised(None) | Reply::AlreadyEnded) => {}
            _ => return false,
        }
        true
    }
}

/// What is known of one call's talk with a supervisor.
pub struct Talk<'s> {
    /// The wish's.
    pub supervised: &'s Supervised,
    /// The supervisor's stories: one a call.
    pub supervisors: Vec<&'s Story>,
    pub customer: &'s Story,
    /// Everybody who may have talked with the customer.
    pub others: Vec<&'s Story>,
    /// How late the change of a mode may be heard.
    pub slack: Duration,
    /// Nothing went wrong on the way, and both only talked.
    pub plain: bool,
}

/// One of the tones that a stretch of sound is made of.
pub fn sounds(story: &Story, tone: u16) -> impl Iterator<Item = (Mono, Mono)> + '_ {
    let has = move |h: &&callbridge::phone::Heard| {
        h.tone == Some(tone) || h.both.is_some_and(|(a, b)| a == tone || b == tone)
    };
    story.heard.iter().filter(has).map(|h| (h.first, h.last))
}

impl Talk<'_> {
    /// Who hears the supervisor hears it only in the modes for it; and the supervisor hears both.
    pub fn check(&self, supervisor: &Party, tones: (Option<u16>, Option<u16>), blame: Blame<'_>) {
        let Sound::Tone(tone) = supervisor.behaviour.sound else { return self.hears_both(tones, blame) };
        self.heard_only_in(self.customer, tone, &[SupervisorMode::Join], blame);
        for story in &self.others {
            self.heard_only_in(story, tone, &[SupervisorMode::Whisper, SupervisorMode::Join], blame);
        }
        self.hears_both(tones, blame);
    }

    fn heard_only_in(&self, story: &Story, tone: u16, modes: &[SupervisorMode], blame: Blame<'_>) {
        let may = |at: Mono| {
            let ends = self.supervised.modes.iter().skip(1).map(|(end, _)| Some(*end)).chain([None]);
            let mut spans = self.supervised.modes.iter().zip(ends).filter(|((_, mode), _)| modes.contains(mode));
            spans.any(|((from, _), end)| at >= *from && end.is_none_or(|end| at <= end + self.slack))
        };
        if let Some((first, last)) = sounds(story, tone).find(|(first, last)| !may(*first) || !may(*last)) {
            let (first, last) = (first.0 as f64 / 1e6 - 1.0, last.0 as f64 / 1e6 - 1.0);
            let text = format!("{} hears the supervisor ({tone} Hz) from {first:.3} to {last:.3}", story.user);
            blame(Promise::SupervisorUnheard, text);
        }
    }

    /// Whoever is there for a while hears both, where both speak.
    fn hears_both(&self, tones: (Option<u16>, Option<u16>), blame: Blame<'_>) {
        let (Some(customer), Some(representative)) = tones else { return };
        for story in self.supervisors.iter().filter(|_| self.plain) {
            let (Some(from), Some(end)) = (story.acked_at, story.ended_at) else { continue };
            let talk_ends =
                [self.customer.ended_at].into_iter().chain(self.others.iter().map(|o| o.ended_at)).flatten();
            let Some(until) = talk_ends.chain([end]).min() else { continue };
            if until.since(from) < Duration::from_millis(400) {
                continue;
            }
            for tone in [customer, representative] {
                if sounds(story, tone).next().is_none() {
                    blame(Promise::SupervisorHears, format!("{} never hears {tone} Hz", story.user));
                }
            }
        }
    }
}

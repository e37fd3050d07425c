//! A business for the tests: its distribution with a clock, what it said, and a judge of everything that it keeps. The judge knows the
//! outputs by themselves: who was promised to whom, by what was said alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::acd::distribution::{Key, Stage};
use crate::acd::state::Work;
use crate::acd::{CustomerId, Distribution, Input, Output, Refusal, State, Wish};
use crate::clock::{Mono, Now, Wall};
use crate::model::{Endpoint, Level, Need, Representative, RepresentativeId, Staffing};

/// Tuesday 2026-12-01, 12:00 UTC.
pub(super) const NOON: Wall = Wall(1_796_126_400_000);

pub(super) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn id(name: &str) -> RepresentativeId {
    name.parse().unwrap()
}

/// A representative of this name who knows these.
pub(super) fn one(name: &str, skills: &[(&str, u8)]) -> Representative {
    let address = format!("sip:{name}@pbx.example");
    let mut one = Representative::new(id(name), Endpoint::parse(&address).unwrap());
    one.skills = skills.iter().map(|(skill, level)| (skill.parse().unwrap(), Level::new(*level).unwrap())).collect();
    one
}

/// An account with these representatives who know nothing in particular.
pub(super) fn staff(names: &[&str]) -> Staffing {
    let representatives = names.iter().map(|name| one(name, &[])).collect();
    Staffing { representatives, wrap_up_seconds: 10, set_aside_seconds: 60, ..Staffing::default() }
}

/// Where a customer is by what was told and said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    Waits,
    PhoneRings,
    Answered,
    Offered(RepresentativeId),
    Talks(RepresentativeId),
}

pub(super) struct World {
    pub(super) now: Now,
    pub(super) desk: Distribution,
    pub(super) seen: BTreeMap<CustomerId, Seen>,
    pub(super) said: Vec<Output>,
    /// In which order customers were dialled.
    pub(super) dialled: Vec<CustomerId>,
    /// In which order representatives were.
    pub(super) called: Vec<RepresentativeId>,
}

impl World {
    pub(super) fn new(settings: Staffing) -> World {
        let now = Now { mono: Mono(1_000_000), wall: NOON };
        let desk = Distribution::new(now, settings);
        World { now, desk, seen: BTreeMap::new(), said: Vec::new(), dialled: Vec::new(), called: Vec::new() }
    }

    /// Everybody of the account is logged on.
    pub(super) fn everybody(settings: Staffing) -> World {
        let names: Vec<RepresentativeId> = settings.representatives.iter().map(|one| one.id.clone()).collect();
        let mut world = World::new(settings);
        names.into_iter().for_each(|name| world.word(name, Wish::Available, seconds(86_400)));
        world
    }

    pub(super) fn give(&mut self, input: Input) {
        self.desk.handle(self.now, input);
        self.listen();
    }

    fn listen(&mut self) {
        self.said.clear();
        while let Some(output) = self.desk.poll_output() {
            self.hear(&output);
            self.said.push(output);
        }
        self.check();
    }

    fn hear(&mut self, output: &Output) {
        match output {
            Output::CallCustomer { customer } => {
                assert_eq!(self.seen.insert(*customer, Seen::PhoneRings), Some(Seen::Waits), "dialled twice");
                self.dialled.push(*customer);
            }
            Output::CallRepresentative { customer, representative, .. } => {
                let taken = |seen: &Seen| {
                    *seen == Seen::Offered(representative.clone()) || *seen == Seen::Talks(representative.clone())
                };
                assert!(!self.seen.values().any(taken), "{representative} has a customer");
                let before = self.seen.insert(*customer, Seen::Offered(representative.clone()));
                assert_eq!(before, Some(Seen::Answered), "a representative is called for who has answered");
                self.called.push(representative.clone());
            }
            Output::Overflow { customer, .. } | Output::GivenUp { customer, .. } => {
                assert!(self.seen.remove(customer).is_some(), "given up twice");
            }
            Output::Refused { customer: Some(customer), why } => {
                if *why != Refusal::AskedAlready {
                    assert_eq!(self.seen.remove(customer), Some(Seen::Waits));
                }
            }
            Output::Refused { .. } | Output::Changed { .. } => {}
        }
    }

    /// The account is another from now on.
    pub(super) fn reconfigure(&mut self, settings: Staffing) {
        self.desk.reconfigure(self.now, settings);
        self.listen();
    }

    pub(super) fn word(&mut self, representative: RepresentativeId, wish: Wish, lease: Duration) {
        self.give(Input::Session { representative, wish, lease });
    }

    pub(super) fn ask(&mut self, n: u128, need: &Need) {
        let customer = CustomerId(n);
        self.seen.entry(customer).or_insert(Seen::Waits);
        self.give(Input::Ask { customer, need: need.clone(), waited: Duration::ZERO });
    }

    pub(super) fn answers(&mut self, n: u128) {
        let customer = CustomerId(n);
        assert_eq!(self.seen.insert(customer, Seen::Answered), Some(Seen::PhoneRings));
        self.give(Input::CustomerAnswered { customer });
    }

    /// The representative's phone is answered.
    pub(super) fn talks(&mut self, n: u128) {
        let customer = CustomerId(n);
        let Some(Seen::Offered(with)) = self.seen.get(&customer).cloned() else { panic!("{n} is offered to nobody") };
        self.seen.insert(customer, Seen::Talks(with));
        self.give(Input::Talking { customer });
    }

    pub(super) fn misses(&mut self, n: u128) {
        let customer = CustomerId(n);
        assert!(matches!(self.seen.insert(customer, Seen::Answered), Some(Seen::Offered(_))));
        self.give(Input::Missed { customer });
    }

    pub(super) fn goes(&mut self, n: u128) {
        let customer = CustomerId(n);
        self.seen.remove(&customer);
        self.give(Input::Gone { customer });
    }

    /// From asking to talking, with everybody at their phones.
    pub(super) fn serve(&mut self, n: u128, need: &Need) -> RepresentativeId {
        self.ask(n, need);
        self.answers(n);
        self.talks(n);
        match self.seen.get(&CustomerId(n)) {
            Some(Seen::Talks(with)) => with.clone(),
            other => panic!("{n} talks with nobody: {other:?}"),
        }
    }

    /// Time passes, deadline by deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        while let Some((at, _)) = self.desk.poll_timeout().filter(|(at, _)| *at <= end) {
            self.move_to(at.max(self.now.mono));
            self.give(Input::Timeout);
        }
        self.move_to(end);
    }

    pub(super) fn move_to(&mut self, at: Mono) {
        self.now.wall = self.now.wall + at.since(self.now.mono);
        self.now.mono = at;
    }

    pub(super) fn state(&self, name: &str) -> State {
        self.desk.state_of(&id(name)).unwrap()
    }

    /// Everything that is kept agrees with everything else, and is bounded.
    pub(super) fn check(&self) {
        let desk = &self.desk;
        let mut kept_for = BTreeSet::new();
        for (no, seat) in &desk.seats {
            if let Some(customer) = seat.work.kept_for() {
                assert!(kept_for.insert(customer), "two are kept for {customer:?}");
                let stage = desk.customers.get(&customer).unwrap().stage;
                let (Stage::Dialled { kept, .. } | Stage::Holding { kept, .. }) = stage else { panic!("{stage:?}") };
                assert_eq!(kept, Some(no), "kept for one who does not know it");
            }
            if let Some(customer) = seat.work.with() {
                let stage = desk.customers.get(&customer).unwrap().stage;
                let with = matches!(stage, Stage::Offered { to } | Stage::Talking { with: to, .. } if to == no);
                assert!(with, "{stage:?}");
            }
            let idle = matches!(seat.work, Work::Idle { .. });
            assert_eq!(seat.listed, idle && seat.takes(), "{seat:?}");
            assert_eq!(seat.soon, seat.soon_key().filter(|_| seat.takes()), "{seat:?}");
            assert_eq!(seat.counted, seat.takes());
            assert!(!seat.gone || seat.work.with().is_some() || seat.work.kept_for().is_none());
        }
        for (id, customer) in &desk.customers {
            match customer.stage {
                Stage::Dialled { kept: Some(no), .. } | Stage::Holding { kept: Some(no), .. } => {
                    assert_eq!(desk.seats[no].work.kept_for(), Some(*id));
                }
                Stage::Offered { to } | Stage::Talking { with: to, .. } => {
                    assert_eq!(desk.seats[to].work.with(), Some(*id))
                }
                Stage::Waiting | Stage::Dialled { kept: None, .. } | Stage::Holding { kept: None, .. } => {}
            }
        }
        desk.lines.iter().for_each(|(no, _)| self.check_line(no));
        let soon: BTreeSet<_> = desk.seats.iter().filter_map(|(no, seat)| Some((seat.soon?, no))).collect();
        assert_eq!(desk.soon, soon);
        let known: BTreeSet<CustomerId> = desk.customers.keys().copied().collect();
        assert_eq!(known, self.seen.keys().copied().collect::<BTreeSet<_>>(), "nobody is lost, nobody stays");
        assert!(desk.timers.len() <= 4 * desk.seats.len() + 2 * desk.customers.len() + 1);
        if desk.timers.is_set(&Key::Ahead) {
            assert!(desk.settings.late_per_mille > 0);
        }
    }

    fn check_line(&self, no: usize) {
        let (desk, line) = (&self.desk, &self.desk.lines[no]);
        let free: BTreeSet<usize> = line.free.seats().collect();
        let serving =
            |listed: bool| desk.seats.iter().filter(move |(_, seat)| seat.serves(no) && (seat.listed || !listed));
        assert_eq!(free, serving(true).map(|(seat, _)| seat).collect::<BTreeSet<usize>>());
        assert_eq!(line.takers, serving(false).filter(|(_, seat)| seat.takes()).count());
        assert!(
            free.is_empty() || (line.waiting.is_empty() && line.urgent.is_empty()),
            "somebody is free and somebody waits"
        );
        assert_eq!(desk.crowded.contains(&no), !line.waiting.is_empty());
        let own = || desk.customers.iter().filter(move |(_, customer)| customer.line == no);
        assert_eq!(line.customers, own().count());
        let waiting: BTreeSet<CustomerId> = line.waiting.values().copied().collect();
        assert_eq!(
            waiting,
            own().filter(|(_, one)| one.stage == Stage::Waiting).map(|(id, _)| *id).collect::<BTreeSet<_>>()
        );
        let urgent: BTreeSet<CustomerId> = line.urgent.iter().map(|urgent| urgent.customer).collect();
        let needs = |id: &CustomerId, stage: Stage| match stage {
            Stage::Dialled { kept, .. } => kept.is_none_or(|no| !desk.is_firm(no, *id)),
            Stage::Holding { .. } => true,
            Stage::Waiting | Stage::Offered { .. } | Stage::Talking { .. } => false,
        };
        assert_eq!(urgent, own().filter(|(id, one)| needs(id, one.stage)).map(|(id, _)| *id).collect::<BTreeSet<_>>());
    }
}

//! The automated call distribution routine 338: `acd`'s distribution, kept in step with the store. Pure: what the store says comes in,
//! what is to be done comes out. Owns which of the distribution's inputs a difference means; refuses rules of its own about who is next.
//!
//! The store is what is true. Whatever the distribution thinks otherwise (after a restart, after a step that was not stored) is told to it
//! anew, so that nothing has to be kept in step by hand. The equipment dials the representative by itself when the customer has answered
//! (Fig. 8 names both), so the representative is chosen before: who is kept for the customer when the customer's phone may ring.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ring::digest::{SHA256, digest};

use super::store::requests::{Request, Stage};
use super::store::staff::{self, Mode};
use crate::acd::{CustomerId, Distribution, Input, Output, State, Wait, Wish};
use crate::clock::{Mono, Now, Wall};
use crate::model::{CallState, Endpoint, Level, Need, Representative, RepresentativeId, Skill, Staffing};

/// The lease that is told where the store's own holds for longer than the distribution allows.
const LONGEST_LEASE: Duration = Duration::from_secs(86_400);
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
/// Who asked before the distribution hears of it has waited: hours were judged when they asked.
const WAITED: Duration = Duration::from_millis(1);
/// Former talks lie before the beginning of the clock that the distribution is told.
const BEFORE: Duration = Duration::from_secs(366 * 86_400);
/// Who talked in former talks, as far as the forecast is concerned.
const FORMER: &str = "former";

/// A representative as the store has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// Identifier.
    pub id: String,
    /// What rings.
    pub address: String,
    /// What they know: a word, or a word and a level, `cruise=9`.
    pub skills: Vec<String>,
    /// As they say.
    pub mode: Mode,
    /// In this mode since.
    pub since: Wall,
    /// Set aside: they did not answer.
    pub aside: bool,
    /// Logged on until then, without another word of their browser.
    pub lease_until: Wall,
}

/// A request whose time has come and that is not over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Identifier.
    pub id: String,
    /// A representative or a skill that the page named (910).
    pub wanted: Option<String>,
    /// Since when it waits.
    pub due_at: Wall,
    /// What is done about it.
    pub stage: Stage,
    /// Where its call stands.
    pub state: CallState,
    /// Who was named to the equipment; none while it waits, and where it went to the overflow number.
    pub representative: Option<String>,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Send the initiation message (610) for this request with this representative.
    Call {
        /// Which.
        request: String,
        /// Who.
        representative: String,
    },
    /// Nobody is there, or the longest wait is over: connect the customer with this address.
    Overflow {
        /// Which.
        request: String,
        /// Where to.
        address: Endpoint,
    },
    /// The longest wait is over, and there is no such address.
    GiveUp {
        /// Which.
        request: String,
    },
}

/// A former talk, for the forecast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Former {
    /// From dialling the customer to the answer.
    pub ring: Duration,
    /// The talk.
    pub talk: Duration,
}

/// How far the distribution has been told of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    id: String,
    need: Need,
    /// Who was named; none: it waits.
    named: Option<RepresentativeId>,
}

/// See the module.
pub struct Hall {
    acd: Distribution,
    rules: Staffing,
    known: BTreeMap<CustomerId, Known>,
    /// Those of whom the distribution thinks what is not so: told anew.
    astray: BTreeSet<CustomerId>,
    decisions: Vec<Decision>,
}

/// A request's name in the distribution.
fn customer(request: &str) -> CustomerId {
    let mut name = [0; 16];
    let digest = digest(&SHA256, request.as_bytes());
    name.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    CustomerId(u128::from_be_bytes(name))
}

/// An identifier that was judged when it was stored.
fn name(id: &str) -> Option<RepresentativeId> {
    id.parse().ok()
}

/// `cruise` or `cruise=9`.
pub fn skill(text: &str) -> Option<(Skill, Level)> {
    let (word, level) = match text.split_once('=') {
        Some((word, level)) => (word, Level::new(level.trim().parse().ok()?).ok()?),
        None => (text, Level::default()),
    };
    Some((word.trim().parse().ok()?, level))
}

impl From<staff::Representative> for Person {
    fn from(one: staff::Representative) -> Person {
        let staff::Representative { id, address, skills, mode, since, missed_at, lease_until, .. } = one;
        Person { id, address, skills, mode, since, aside: missed_at.is_some(), lease_until }
    }
}

impl From<&Request> for Asked {
    fn from(one: &Request) -> Asked {
        Asked {
            id: one.id.clone(),
            wanted: one.wanted.clone(),
            due_at: one.due_at,
            stage: one.stage,
            state: one.state,
            representative: one.representative.clone(),
        }
    }
}

impl Person {
    fn entry(&self) -> Option<Representative> {
        let mut entry = Representative::new(name(&self.id)?, Endpoint::parse(&self.address).ok()?);
        entry.skills = self.skills.iter().filter_map(|text| skill(text)).collect();
        Some(entry)
    }

    fn knows(&self, wanted: &Skill) -> bool {
        self.skills.iter().filter_map(|text| skill(text)).any(|(known, _)| known == *wanted)
    }
}

/// What the page's word (910) means for those who are logged on; where nobody there is or knows that, anybody is better than nobody.
fn need(wanted: Option<&str>, staff: &[Person]) -> Need {
    let mut there = staff.iter().filter(|one| one.mode != Mode::Off);
    let Some(wanted) = wanted else { return Need::default() };
    if there.clone().any(|one| one.id == wanted) {
        return name(wanted).map(Need::of).unwrap_or_default();
    }
    match wanted.parse::<Skill>() {
        Ok(skill) if there.any(|one| one.knows(&skill)) => Need::skill(skill),
        _ => Need::default(),
    }
}

impl Hall {
    /// With these rules, whose representatives are the store's, and what is known of former talks, the oldest first.
    pub fn new(rules: Staffing, former: &[Former]) -> Hall {
        let nobody = Staffing { representatives: Vec::new(), ..rules.clone() };
        let (acd, known) = (replayed(&nobody, former), BTreeMap::new());
        Hall { acd, rules: nobody, known, astray: BTreeSet::new(), decisions: Vec::new() }
    }

    /// Looks at what the store says, and says what is to be done.
    pub fn look(&mut self, now: Now, staff: &[Person], requests: &[Asked]) -> Vec<Decision> {
        let now = Now { mono: now.mono + BEFORE, ..now };
        self.staff(now, staff);
        self.forget_what_is_over(now, requests);
        for request in requests.iter().filter(|request| request.stage != Stage::Waiting) {
            self.follow(now, request, staff);
        }
        for person in staff {
            self.tell_wish(now, person);
        }
        for request in requests.iter().filter(|request| request.stage == Stage::Waiting) {
            self.ask(now, request, need(request.wanted.as_deref(), staff));
        }
        self.input(now, Input::Timeout);
        std::mem::take(&mut self.decisions)
    }

    /// The place of a request in its line, and in about how long its customer is called.
    pub fn wait(&self, request: &str) -> Option<Wait> {
        self.acd.wait(customer(request))
    }

    /// How a representative stands.
    pub fn state(&self, representative: &str) -> &'static str {
        let known = name(representative).and_then(|id| self.acd.state_of(&id));
        known.unwrap_or(State::LoggedOff).as_str()
    }

    /// Everybody's place: whoever shows one shows it anew when this is another.
    pub fn waits(&self) -> Vec<(CustomerId, Option<u32>, Option<u64>)> {
        let minutes = |wait: Wait| wait.estimate.map(|time| time.as_secs() / 60);
        let wait = |id: &CustomerId| self.acd.wait(*id).map(|wait| (*id, wait.position, minutes(wait)));
        self.known.keys().filter_map(wait).collect()
    }

    /// When to look again, without any change of the store: in how long.
    pub fn again(&self, now: Mono) -> Option<Duration> {
        self.acd.poll_timeout().map(|(at, _)| at.since(now + BEFORE))
    }

    fn staff(&mut self, now: Now, staff: &[Person]) {
        let representatives: Vec<Representative> = staff.iter().filter_map(Person::entry).collect();
        if representatives != self.rules.representatives {
            self.rules.representatives = representatives;
            self.acd.reconfigure(now, self.rules.clone());
            self.heed();
        }
    }

    fn forget_what_is_over(&mut self, now: Now, requests: &[Asked]) {
        let open: BTreeMap<CustomerId, &Asked> = requests.iter().map(|one| (customer(&one.id), one)).collect();
        // A step that was decided and not stored is not so.
        let is_so = |id: &CustomerId, known: &Known| {
            open.get(id).is_some_and(|one| (one.stage == Stage::Waiting) == known.named.is_none())
        };
        let over: Vec<CustomerId> =
            self.known.iter().filter(|(id, known)| !is_so(id, known)).map(|(id, _)| *id).collect();
        for id in over.into_iter().chain(std::mem::take(&mut self.astray)) {
            self.leave(now, id);
        }
    }

    /// The customer is gone, or told anew.
    fn leave(&mut self, now: Now, id: CustomerId) {
        if self.known.remove(&id).is_some() {
            self.input(now, Input::Gone { customer: id });
        }
    }

    /// The representative who was named did not answer: told before the request is over.
    pub fn missed(&mut self, now: Now, request: &str) {
        let now = Now { mono: now.mono + BEFORE, ..now };
        let id = customer(request);
        if self.known.contains_key(&id) {
            self.input(now, Input::CustomerAnswered { customer: id });
            self.input(now, Input::Missed { customer: id });
        }
    }

    /// A request that an equipment has, or is asked to take.
    fn follow(&mut self, now: Now, request: &Asked, staff: &[Person]) {
        let Some(named) = request.representative.as_deref().and_then(name) else { return };
        let id = customer(&request.id);
        if !self.known.contains_key(&id) {
            // From an earlier life: taken up where it stands. Whoever is off meanwhile goes on serving.
            if staff.iter().all(|one| one.id != named.as_str()) {
                return;
            }
            self.input(
                now,
                Input::Session { representative: named.clone(), wish: Wish::Available, lease: LONGEST_LEASE },
            );
            let (need, waited) = (Need::of(named.clone()), WAITED);
            let known = Known { id: request.id.clone(), need: need.clone(), named: Some(named) };
            self.known.insert(id, known);
            self.input(now, Input::Ask { customer: id, need, waited });
        }
        if matches!(request.state, CallState::CallingRepresentative | CallState::Bridged) {
            // Said at each look: it counts once they are called, which may come after their answer is seen.
            self.input(now, Input::CustomerAnswered { customer: id });
        }
        if request.state == CallState::Bridged {
            self.input(now, Input::Talking { customer: id });
        }
    }

    fn tell_wish(&mut self, now: Now, person: &Person) {
        let Some(representative) = name(&person.id) else { return };
        let state = self.acd.state_of(&representative);
        let lease =
            Duration::from_millis(person.lease_until.millis_since(now.wall)).clamp(SHORTEST_LEASE, LONGEST_LEASE);
        let writes_up = matches!(state, Some(State::WrapUp { until: Some(_), .. }));
        let in_time = now.wall < person.since + Duration::from_secs(self.rules.wrap_up_seconds.into());
        let wish = match person.mode {
            Mode::Off => Wish::LoggedOff,
            Mode::Break => Wish::Break,
            Mode::Available if person.aside => Wish::Break,
            Mode::Available => Wish::Available,
            // The distribution reckons with them until the usual time is over; beyond, with what they say.
            Mode::WrapUp if writes_up && in_time => Wish::Available,
            Mode::WrapUp => Wish::WrapUp,
        };
        let mut say = |wish| self.input(now, Input::Session { representative: representative.clone(), wish, lease });
        // The form came before the usual time was over, or they came back before they were fetched.
        let rests = writes_up || matches!(state, Some(State::SetAside { .. }));
        if person.mode == Mode::Available && !person.aside && rests {
            say(Wish::WrapUp);
        }
        say(wish);
    }

    fn ask(&mut self, now: Now, request: &Asked, need: Need) {
        let id = customer(&request.id);
        if let Some(known) = self.known.get(&id) {
            if known.need == need || known.named.is_some() {
                return;
            }
            self.leave(now, id);
        }
        let waited = Duration::from_millis(now.wall.millis_since(request.due_at)).max(WAITED);
        self.known.insert(id, Known { id: request.id.clone(), need: need.clone(), named: None });
        self.input(now, Input::Ask { customer: id, need, waited });
    }

    fn input(&mut self, now: Now, input: Input) {
        self.acd.handle(now, input);
        self.heed();
    }

    fn heed(&mut self) {
        while let Some(output) = self.acd.poll_output() {
            match output {
                Output::CallCustomer { customer } => self.call(customer),
                // The equipment has dialled whom it was told. Another one is chosen here where that one was busy after all.
                Output::CallRepresentative { customer, representative, .. } => {
                    let other = |known: &Known| known.named.as_ref().is_some_and(|named| *named != representative);
                    if self.known.get(&customer).is_some_and(other) {
                        self.astray.insert(customer);
                    }
                }
                Output::Overflow { customer, address } => {
                    self.end(customer, |request| Decision::Overflow { request, address })
                }
                Output::GivenUp { customer, .. } => self.end(customer, |request| Decision::GiveUp { request }),
                // Too many wait, or nobody was ever there: asked again at the next look.
                Output::Refused { customer: Some(customer), .. } => drop(self.known.remove(&customer)),
                Output::Refused { customer: None, .. } | Output::Changed { .. } => {}
            }
        }
    }

    /// This customer's phone may ring.
    fn call(&mut self, id: CustomerId) {
        let kept = |state: State| match state {
            State::Promised { customer, .. } => customer == id,
            State::Busy { next, .. } | State::WrapUp { next, .. } => next == Some(id),
            _ => false,
        };
        let all = self.acd.representatives();
        let found =
            all.into_iter().find(|(_, _, state)| kept(*state)).map(|(representative, ..)| representative.id.clone());
        let Some(known) = self.known.get_mut(&id).filter(|known| known.named.is_none()) else { return };
        let Some(representative) = found else { return };
        self.decisions.push(Decision::Call { request: known.id.clone(), representative: representative.to_string() });
        known.named = Some(representative);
    }

    /// Forgotten by the distribution. What an equipment has goes on there.
    fn end(&mut self, id: CustomerId, decision: impl FnOnce(String) -> Decision) {
        if let Some(known) = self.known.remove(&id)
            && known.named.is_none()
        {
            self.decisions.push(decision(known.id));
        }
    }
}

/// A distribution that has heard of former talks, as if they had come one after the other before the beginning.
fn replayed(rules: &Staffing, former: &[Former]) -> Distribution {
    let start = Now::default();
    let (Some(one), Ok(address)) = (name(FORMER), Endpoint::parse("+12125550100")) else {
        return Distribution::new(start, rules.clone());
    };
    let representatives = vec![Representative::new(one.clone(), address)];
    let mut acd =
        Distribution::new(start, Staffing { representatives, hours: None, wrap_up_seconds: 0, ..rules.clone() });
    let mut at = start;
    let mut tell = |at: Now, input| {
        acd.handle(at, input);
        while acd.poll_output().is_some() {}
    };
    tell(at, Input::Session { representative: one.clone(), wish: Wish::Available, lease: LONGEST_LEASE });
    for (number, talk) in (0..).zip(former) {
        let customer = CustomerId(number);
        tell(at, Input::Ask { customer, need: Need::default(), waited: Duration::ZERO });
        at.mono = at.mono + talk.ring;
        tell(at, Input::CustomerAnswered { customer });
        tell(at, Input::Talking { customer });
        at.mono = at.mono + talk.talk;
        tell(at, Input::Gone { customer });
    }
    tell(at, Input::Session { representative: one, wish: Wish::LoggedOff, lease: LONGEST_LEASE });
    acd.reconfigure(at, rules.clone());
    while acd.poll_output().is_some() {}
    acd
}

#[cfg(test)]
mod tests;

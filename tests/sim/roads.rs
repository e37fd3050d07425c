//! What the switches saw of each leg, and what must hold there: one try at a time, none for a dead call, bounds kept, breakers
//! and wishes to be left alone respected, redirections ended. Judged from the messages alone, by the phones' own reader.

mod health;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use callbridge::clock::Mono;
use callbridge::model::{CallId, LegId};
use callbridge::phone::message::{Message, Start, parameter, user_of};
use callbridge::sip::api::Loss;

use crate::promises::Promise;
use crate::topology::{Topology, host};
use crate::turns::Present;
use health::Place;

/// How a try fares, as the equipment knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fares {
    /// Not a word so far.
    Unanswered,
    /// 100, or a ring.
    Proceeds,
    /// 200.
    Answered,
    /// A final refusal; whether it rang before.
    Refused(u16, bool),
}

/// One INVITE that begins a dialog.
#[derive(Debug)]
struct Try {
    leg: LegId,
    switch: usize,
    hop: SocketAddr,
    user: String,
    cseq: u32,
    sent_at: Mono,
    fares: Fares,
    rang: bool,
    /// CANCEL or BYE was sent.
    left: bool,
    /// Left before a word of it was heard: there was nothing to cancel yet.
    given_up: bool,
    /// Connections that were lost while nothing of it was heard.
    losses: u32,
    /// So many, or one that could not be made, and it has failed for want of a connection.
    unreached: bool,
    /// It holds a channel.
    holds: bool,
    /// Switches that served its number when it began.
    served_by: Vec<usize>,
}

/// All the roads of one life of the equipment.
#[derive(Default)]
pub struct Roads {
    tries: BTreeMap<String, Try>,
    legs: BTreeMap<LegId, Vec<String>>,
    followed: BTreeMap<LegId, u8>,
    over: BTreeSet<CallId>,
    places: BTreeMap<SocketAddr, Place>,
    /// Every host that ever was a place of a switch.
    owner: BTreeMap<SocketAddr, usize>,
    starts: BTreeMap<usize, Vec<Mono>>,
    /// When a row of REGISTERs failed last, and the branch that did.
    failed: BTreeMap<String, (Mono, String)>,
    /// Branches of REGISTERs: what comes with one of them again is a repetition.
    registers: BTreeSet<String>,
    broken: Vec<(Promise, String)>,
}

impl Roads {
    /// The equipment crashed: it knows nothing of what was.
    pub fn forget(&mut self) {
        let owner = std::mem::take(&mut self.owner);
        *self = Roads { owner, broken: std::mem::take(&mut self.broken), ..Roads::default() };
    }

    /// These are the places of the switches now.
    pub fn places(&mut self, topology: &Topology, present: &Present) {
        for switch in 0..topology.switches.len() {
            self.owner.extend(present.places[switch].iter().map(|place| (host(*place), switch)));
        }
        let stays = |place: &SocketAddr| present.places.iter().flatten().any(|at| host(*at) == *place);
        self.places.retain(|place, _| stays(place));
    }

    /// Questions under way are not waited for across a change of configuration.
    pub fn reconfigured(&mut self) {
        self.places.values_mut().for_each(Place::unknown);
    }

    /// What was not kept since this was last asked.
    pub fn broken(&mut self) -> Vec<(Promise, String)> {
        std::mem::take(&mut self.broken)
    }

    /// The equipment left this try, and never heard a word of it: it could not take it back (RFC 3261 §9.1).
    pub fn unheard(&self, call_id: &str) -> bool {
        self.tries.get(call_id).is_some_and(|known| known.given_up && known.fares == Fares::Unanswered)
    }

    /// This try was left before a word of it was heard, and whatever came of it came later.
    pub fn given_up(&self, call_id: &str) -> bool {
        self.tries.get(call_id).is_some_and(|known| known.given_up)
    }

    /// Another try of the same leg followed this one.
    pub fn superseded(&self, call_id: &str) -> bool {
        let leg = self.tries.get(call_id).and_then(|known| self.legs.get(&known.leg));
        leg.and_then(|tries| tries.last()).is_some_and(|last| last != call_id)
    }

    /// The Call-ID of the last try of a leg.
    pub fn call_id_of(&self, leg: LegId) -> Option<&str> {
        self.legs.get(&leg)?.last().map(String::as_str)
    }

    /// Nobody wants this call any more.
    pub fn over(&mut self, call: CallId) {
        self.over.insert(call);
    }

    /// The equipment sends this.
    pub fn sent(&mut self, now: Mono, to: SocketAddr, bytes: &[u8], leg: Option<LegId>, world: (&Topology, &Present)) {
        let Ok(message) = Message::parse(bytes) else { return };
        let (Some(method), Some(id)) = (message.method(), message.get("Call-ID")) else { return };
        let begins = message.get("To").is_some_and(|to| parameter(to, "tag").is_none());
        match (method, leg) {
            ("INVITE", Some(leg)) if begins => self.invited(now, to, &message, leg, world),
            ("CANCEL" | "BYE", _) => {
                self.tries.get_mut(id).into_iter().for_each(|known| known.left = true);
            }
            ("REGISTER", None) => self.registers(now, &message),
            ("OPTIONS", None) => self.places.entry(to).or_default().asked(now, message.branch().unwrap_or_default()),
            _ => {}
        }
    }

    /// A refused REGISTER is not repeated at once (RFC 5626 §4.5: half of 30 seconds at least).
    fn registers(&mut self, now: Mono, message: &Message<'_>) {
        let id = message.get("Call-ID").unwrap_or_default();
        if !self.registers.insert(message.branch().unwrap_or_default().to_owned()) {
            return;
        }
        let Some((at, branch)) = self.failed.get(id) else { return };
        let leaves = message.get("Expires") == Some("0");
        if now.since(*at) < Duration::from_secs(14) && !leaves {
            let text = format!("REGISTER again {:?} after {branch} was refused", now.since(*at));
            self.broken.push((Promise::RegistrationsAreKept, text));
        }
        self.failed.remove(id);
    }

    fn invited(&mut self, now: Mono, to: SocketAddr, message: &Message<'_>, leg: LegId, world: (&Topology, &Present)) {
        let Start::Request { uri, .. } = message.start else { return };
        let (id, user) = (message.get("Call-ID").unwrap_or_default(), user_of(uri).to_owned());
        let cseq = message.cseq().map_or(0, |(number, _)| number);
        if let Some(known) = self.tries.get_mut(id) {
            let redirected = matches!(known.fares, Fares::Refused(300..400, _));
            if known.cseq != cseq && redirected {
                self.broken.push((Promise::RedirectsEnd, format!("{user} is asked again after its 3xx")));
            } else if known.cseq != cseq {
                (known.cseq, known.fares) = (cseq, Fares::Unanswered);
            }
            return;
        }
        let Some(switch) = self.owner.get(&to).copied() else { return };
        let served_by = serving(world.0, world.1, &user).collect();
        let fresh = Try {
            leg,
            switch,
            hop: to,
            user,
            cseq,
            sent_at: now,
            fares: Fares::Unanswered,
            rang: false,
            left: false,
            given_up: false,
            losses: 0,
            unreached: false,
            holds: true,
            served_by,
        };
        self.judge(now, &fresh, world);
        for other in self.legs.entry(leg).or_default().iter() {
            if let Some(known) = self.tries.get_mut(other) {
                known.holds = false;
                known.given_up |= known.fares == Fares::Unanswered;
            }
        }
        self.bounds(now, &fresh, world.0);
        self.legs.entry(leg).or_default().push(id.to_owned());
        self.tries.insert(id.to_owned(), fresh);
    }

    fn before(&self, leg: LegId) -> impl Iterator<Item = &Try> {
        self.legs.get(&leg).into_iter().flatten().filter_map(|id| self.tries.get(id))
    }

    /// Whether this try may be.
    fn judge(&mut self, now: Mono, fresh: &Try, (topology, present): (&Topology, &Present)) {
        let Try { leg, switch, hop, user, .. } = fresh;
        let name = topology.switches[*switch].name;
        let mut broken = Vec::new();
        let mut blame =
            |promise, text: String| broken.push((promise, format!("leg {} to {name}: {text}", leg.attempt)));
        if self.over.contains(&leg.call) {
            blame(Promise::NotOnADeadCall, format!("{user} is dialled for a call that nobody wants"));
        }
        for other in self.before(*leg) {
            let waits = other.fares == Fares::Unanswered
                && now.since(other.sent_at) < topology.answer
                && !(other.left || other.unreached);
            if waits || (other.fares == Fares::Proceeds && !other.left) {
                blame(Promise::OneTryAtATime, format!("the try at {} is alive", other.hop));
            } else if other.fares == Fares::Answered && !other.left {
                blame(Promise::OneTryAtATime, format!("it was answered at {}", other.hop));
            }
        }
        if !present.places[*switch].iter().any(|place| host(*place) == *hop) {
            blame(Promise::PlacesAreNews, format!("{hop} is no place of it any more"));
        }
        if present.drained[*switch] {
            blame(Promise::DrainedIsLeft, "it is in maintenance".to_owned());
        }
        if let Some(place) = self.places.get(hop) {
            if place.rests(now) {
                blame(Promise::BreakersHold, format!("{hop} asked to be left alone"));
            }
            let first = self.before(*leg).next().is_none();
            let other = first.then(|| self.sound_other(now, fresh, topology, present)).flatten();
            if let Some(other) = other.filter(|_| place.is_open(now)) {
                blame(Promise::BreakersHold, format!("{hop} failed three times in a row, {other} never did"));
            }
        }
        let redirected =
            self.before(*leg).last().is_some_and(|other| matches!(other.fares, Fares::Refused(300..400, _)));
        if redirected {
            let followed = self.followed.entry(*leg).or_default();
            *followed += 1;
            if *followed > topology.max_redirects {
                blame(Promise::RedirectsEnd, format!("{followed} redirections were followed"));
            }
            if self.before(*leg).any(|other| other.user == *user) {
                blame(Promise::RedirectsEnd, format!("{user} was asked before"));
            }
        }
        self.broken.append(&mut broken);
    }

    /// A place of this number that never failed, with room for anything.
    fn sound_other(&self, now: Mono, fresh: &Try, topology: &Topology, present: &Present) -> Option<SocketAddr> {
        serving(topology, present, &fresh.user)
            .filter(|switch| topology.switches[*switch].is_wide())
            .flat_map(|switch| present.places[switch].iter().map(|place| host(*place)))
            .find(|place| {
                *place != fresh.hop && self.places.get(place).is_none_or(|known| known.is_sound() && !known.rests(now))
            })
    }

    /// Channels and calls per second.
    fn bounds(&mut self, now: Mono, fresh: &Try, topology: &Topology) {
        let plan = &topology.switches[fresh.switch];
        let live = self.tries.values().filter(|other| other.holds && other.switch == fresh.switch).count();
        if plan.max_channels.is_some_and(|most| live + 1 > most as usize) {
            self.broken.push((Promise::BoundsAreKept, format!("{} has {} legs at once", plan.name, live + 1)));
        }
        let starts = self.starts.entry(fresh.switch).or_default();
        starts.retain(|at| now.since(*at) < Duration::from_secs(1));
        starts.push(now);
        // A second's worth may have been saved up.
        if plan.max_calls_per_second.is_some_and(|most| starts.len() > 2 * most as usize) {
            self.broken.push((Promise::BoundsAreKept, format!("{} got {} calls in a second", plan.name, starts.len())));
        }
    }

    /// This arrives at the equipment.
    pub fn heard(&mut self, now: Mono, from: SocketAddr, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else { return };
        let Some(id) = message.get("Call-ID") else { return };
        match (message.start, message.cseq()) {
            (Start::Request { method: "BYE", .. }, _) => {
                // Of a try that was left, it ends nothing that the customer still has.
                let talks = |known: &&Try| known.fares == Fares::Answered && known.leg.attempt == 0 && !known.left;
                let known = self.tries.get(id).filter(talks);
                self.over.extend(known.map(|known| known.leg.call));
            }
            (Start::Response { status }, Some((cseq, "INVITE"))) => {
                // A ring that is malformed says no more than a 100 would.
                let garbled = message.get("RSeq").is_some_and(|number| number.parse::<u32>().is_err());
                let status = if status < 200 && garbled { 100 } else { status };
                let retry = message.get("Retry-After").and_then(|text| text.parse().ok());
                self.answered(now, id, cseq, status, retry);
            }
            (Start::Response { status: 400.. }, Some((_, "REGISTER"))) if refused(&message) => {
                let branch = message.branch().unwrap_or_default().to_owned();
                self.failed.entry(id.to_owned()).or_insert((now, branch));
            }
            (Start::Response { status }, Some((_, "OPTIONS"))) => {
                let place = self.places.entry(from).or_default();
                place.answers(now, message.branch().unwrap_or_default(), !matches!(status, 408 | 503));
            }
            _ => {}
        }
    }

    fn answered(&mut self, now: Mono, id: &str, cseq: u32, status: u16, retry_after: Option<u64>) {
        let Some(known) = self.tries.get_mut(id).filter(|known| known.cseq == cseq) else { return };
        if matches!(known.fares, Fares::Answered | Fares::Refused(..)) {
            return;
        }
        // Given up: what comes late is released, and says nothing of the switch.
        let wanted = !known.left && !self.over.contains(&known.leg.call) && known.holds;
        known.rang |= (101..200).contains(&status);
        known.fares = match status {
            100..200 => Fares::Proceeds,
            200..300 => Fares::Answered,
            _ => Fares::Refused(status, known.rang),
        };
        known.holds &= status < 300 || matches!(status, 401 | 407 | 422);
        let place = self.places.entry(known.hop).or_default();
        match (status, retry_after) {
            _ if !wanted => {}
            (100 | 401 | 407 | 422, _) => {}
            (503, Some(seconds)) => place.rest_until(now + Duration::from_secs(seconds)),
            (503, None) => place.failed(now),
            _ => place.succeeded(),
        }
    }

    /// The equipment hears that a connection to this host was lost. An INVITE goes out once more where one broke.
    pub fn lost(&mut self, at: SocketAddr, loss: Loss) {
        // It knows more of this place than can be seen from here.
        self.places.entry(at).or_default().unknown();
        for known in self.tries.values_mut().filter(|known| known.hop == at && known.fares == Fares::Unanswered) {
            known.losses += 1;
            known.unreached |= loss == Loss::NotMade || known.losses > 1;
        }
    }

    /// A leg's port is given back: its channel is free, and it was not given up while a sound switch was not asked.
    pub fn released(&mut self, now: Mono, leg: LegId, world: (&Topology, &Present)) {
        self.forsaken(now, leg, world);
        for id in self.legs.get(&leg).into_iter().flatten() {
            if let Some(known) = self.tries.get_mut(id) {
                known.holds = false;
                known.given_up |= known.fares == Fares::Unanswered;
            }
        }
    }

    fn forsaken(&mut self, now: Mono, leg: LegId, (topology, present): (&Topology, &Present)) {
        let Some(last) = self.before(leg).last().filter(|_| !self.over.contains(&leg.call)) else { return };
        let silent = topology.answer + Duration::from_millis(50);
        let for_want = match last.fares {
            Fares::Unanswered => (last.unreached || now.since(last.sent_at) > silent) && !last.left,
            Fares::Refused(status, rang) => status == 503 && !rang,
            Fares::Proceeds | Fares::Answered => false,
        };
        let asked = |switch: usize| self.before(leg).any(|other| other.switch == switch);
        let other = serving(topology, present, &last.user)
            .find(|switch| topology.is_steady(*switch) && last.served_by.contains(switch) && !asked(*switch));
        if let Some(other) = other.filter(|_| for_want && !topology.plain) {
            let text = format!("leg {} was given up, {} was not asked", leg.attempt, topology.switches[other].name);
            self.broken.push((Promise::NotForWantOfASwitch, text));
        }
    }
}

/// A refusal of a REGISTER that stands: no challenge, and no wish for another time.
fn refused(message: &Message<'_>) -> bool {
    !matches!(message.start, Start::Response { status: 401 | 407 | 423 })
}

/// The switches that serve a number now: of those not in maintenance, the ones with the longest prefix.
fn serving<'a>(topology: &'a Topology, present: &'a Present, number: &'a str) -> impl Iterator<Item = usize> + 'a {
    let open = move || (0..topology.switches.len()).filter(move |switch| !present.drained[*switch]);
    let longest = open().filter_map(move |switch| topology.switches[switch].reach(number)).max();
    open().filter(move |switch| longest.is_some() && topology.switches[*switch].reach(number) == longest)
}

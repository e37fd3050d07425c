//! The promises about one call, checked on its record and the stories of its phones. Owns these verdicts; what holds for the
//! whole world is judged in `promises`.

use std::time::Duration;

use callbridge::clock::Mono;
use callbridge::model::{CallRecord, Outcome, RepresentativeGate, Taping};
use callbridge::phone::{Act, BEEP_HZ, Ending, Sound, Story};

use crate::consent;
use crate::gates;
use crate::machines::{self, Seen};
use crate::media::{CONSENT_HZ, GATE_HZ, MUSIC_HZ, PROMPTS, WHISPER_HZ};
use crate::model;
use crate::promises::{Blame, GRACE, Promise, crash_during, party};
use crate::supervisors;
use crate::world::{Who, World};

/// A sound is heard within this.
const WHILE: Duration = Duration::from_millis(500);

/// One call of the world, with everything that is known of it.
pub struct Case<'w> {
    world: &'w World,
    wish: usize,
    record: &'w CallRecord,
    customer: Option<&'w Story>,
    /// Of every try.
    customers: Vec<&'w Story>,
    representatives: Vec<&'w Story>,
    /// To whom the customer was, or was to be, transferred.
    targets: Vec<&'w Story>,
    /// Of supervisors.
    visitors: Vec<&'w Story>,
    crashed: bool,
}

/// Every call that has a record.
pub fn cases(world: &World) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for call in world.store.accepted() {
        let (Some(wish), Some(kept)) = (world.wish_of(&call.message), world.store.kept(call.id)) else { continue };
        let Some(record) = kept.records.last() else { continue };
        let of = |who: fn(Who) -> Option<usize>| -> Vec<&Story> {
            let mut stories: Vec<&Story> =
                world.stories().filter(|s| world.who(&s.user).and_then(who) == Some(wish)).collect();
            stories.sort_by_key(|s| s.invited_at);
            stories
        };
        let customers = of(|who| if let Who::Customer(w) = who { Some(w) } else { None });
        let representatives = of(|who| if let Who::Representative(w, _) = who { Some(w) } else { None });
        let targets = of(|who| if let Who::Target(w, _) = who { Some(w) } else { None });
        let visitors = of(|who| if let Who::Supervisor(w, _) = who { Some(w) } else { None });
        let all = customers.iter().chain(&representatives).chain(&targets).chain(&visitors);
        let crashed = all.copied().any(|s| crash_during(world, s));
        // What was said at a switch that was given up is not what became of the call.
        let lasts = |story: &&&Story| !world.roads.superseded(&story.call_id);
        let customer = customers.iter().rfind(lasts).or(customers.last()).copied();
        cases.push(Case { world, wish, record, customer, customers, representatives, targets, visitors, crashed });
    }
    cases
}

impl Case<'_> {
    /// Everything that is wrong with it.
    pub fn check(&self, blame: Blame<'_>) {
        self.one_at_a_time(blame);
        self.sounds(blame);
        self.accepted(blame);
        self.digits(blame);
        self.transfers(blame);
        self.agreement(blame);
        self.billing(blame);
        if let Some(customer) = self.customer {
            let (record, representatives) = (self.record, &self.representatives[..]);
            machines::check(&Seen { world: self.world, wish: self.plan(), record, customer, representatives }, blame);
        }
        let others = self.representatives.iter().chain(&self.targets).copied().filter(|s| s.answered_at.is_some());
        let (world, wish, record, customer) = (self.world, self.wish, self.record, self.customer);
        let (others, visitors, crashed) = (others.collect(), &self.visitors[..], self.crashed);
        supervisors::check(&supervisors::Seen { world, wish, record, customer, others, visitors, crashed }, blame);
        let others = self.representatives.iter().chain(&self.targets).chain(&self.visitors).copied();
        let others = others.filter(|story| story.answered_at.is_some()).collect();
        consent::check(&consent::Seen { world, record, customer, others }, blame);
        if let Some(expected) = model::expected(&self.world.plan, self.plan()).filter(|_| self.predictable())
            && expected != self.record.outcome
        {
            blame(Promise::ModelAgrees, format!("wish {}: {expected}, recorded {}", self.wish, self.record.outcome));
        }
    }

    fn plan(&self) -> &crate::plan::Wish {
        &self.world.plan.wishes[self.wish]
    }

    fn calm(&self) -> bool {
        self.world.plan.calm()
    }

    fn predictable(&self) -> bool {
        let open = self.plan().timing.is_open();
        self.calm() && self.world.plan.topology.plain && !self.world.fates[self.wish].deleted && !open
    }

    fn one_at_a_time(&self, blame: Blame<'_>) {
        if !self.calm() {
            return;
        }
        let slack = Duration::from_millis(200);
        for pair in self.representatives.windows(2) {
            let [before, after] = pair else { continue };
            let rings_on =
                before.ringing_at.is_some() && before.ended_at.is_none_or(|end| end > after.invited_at + slack);
            // An INVITE that was given up unheard may ring for as long as its CANCEL takes (RFC 3261 §9.1).
            let taken_back = |story: &Story| {
                self.world.roads.given_up(&story.call_id)
                    && story.ringing_at.zip(story.ended_at).is_some_and(|(rang, end)| end.since(rang) < slack)
            };
            let excused = taken_back(before) || taken_back(after);
            if rings_on && !excused && after.ringing_at.is_some() && before.user != after.user {
                let text = format!("{} still rang when {} was dialled", before.user, after.user);
                blame(Promise::OneRepresentativeAtATime, text);
            }
        }
    }

    fn tone(&self, story: &Story) -> Option<u16> {
        tone(self.world, story)
    }

    /// A machine that nobody looks for is put through with its greeting: its beep is its own sound.
    fn beeps(&self, story: &Story, tone: u16) -> bool {
        let sound = party(self.world, story).map(|party| party.behaviour.sound);
        tone == BEEP_HZ && matches!(sound, Some(Sound::Greets(greeting)) if greeting.beeps)
    }

    /// A supervisor's voice; who may hear it is judged elsewhere.
    fn visitor(&self, tone: u16) -> bool {
        self.visitors.iter().any(|story| self.tone(story) == Some(tone))
    }

    fn sounds(&self, blame: Blame<'_>) {
        let gates = self.world.plan.gates;
        let Some(customer) = self.customer else { return };
        let others = || self.representatives.iter().chain(&self.targets).copied();
        let voices: Vec<u16> = others().filter_map(|s| self.tone(s)).collect();
        let late = Duration::from_millis(60);
        let joined = self.joined().filter(|_| self.calm());
        let mut talked = false;
        for heard in &customer.heard {
            let Some(tone) = heard.tone else { continue };
            let over_bridge = (talked && !self.crashed) || joined.is_some_and(|at| heard.last > at + late);
            if over_bridge && PROMPTS.contains(&tone) && !self.waits(heard.last) {
                let text = format!("{} hears {tone} Hz, the representative is there", customer.user);
                blame(Promise::PromptNeverOverBridge, text);
            }
            talked |= voices.contains(&tone);
            if !PROMPTS.contains(&tone) && !voices.contains(&tone) && !self.visitor(tone) {
                blame(Promise::NoCrosstalk, format!("{} hears {tone} Hz, nobody's of this call", customer.user));
            }
        }
        let first = customer.heard.iter().find_map(|h| h.tone);
        let tells = self.world.plan.taping == Taping::Told;
        let expected = match (gates.customer, tells) {
            (true, _) => GATE_HZ,
            (false, true) => CONSENT_HZ,
            (false, false) => machines::connecting(self.plan().language),
        };
        if talked && self.calm() && first != Some(expected) {
            blame(Promise::PromptFirst, format!("{} heard first {first:?}", customer.user));
        }
        for story in others() {
            let mut at_gate = gates.representative != RepresentativeGate::Off || tells;
            for heard in &story.heard {
                let Some(tone) = heard.tone else { continue };
                if (tone == WHISPER_HZ || tells && tone == CONSENT_HZ) && at_gate {
                    continue;
                }
                at_gate = false;
                let held = tone == MUSIC_HZ && self.held_by(&[customer], heard.first);
                if PROMPTS.contains(&tone) && !held {
                    blame(Promise::PromptNeverOverBridge, format!("{} hears {tone} Hz", story.user));
                } else if !(held
                    || self.visitor(tone)
                    || Some(tone) == self.tone(customer)
                    || self.beeps(customer, tone))
                {
                    blame(Promise::NoCrosstalk, format!("{} hears {tone} Hz, not the customer's", story.user));
                }
            }
        }
        self.representatives.iter().for_each(|story| self.crossing(customer, story, blame));
    }

    /// Where it has to accept, a representative hears the customer, and is heard, only after a 1.
    fn accepted(&self, blame: Blame<'_>) {
        let (true, Some(customer)) =
            (self.world.plan.gates.representative == RepresentativeGate::Accept, self.customer)
        else {
            return;
        };
        for story in self.representatives.iter().filter(|story| story.answered_at.is_some()) {
            let crossed = [(story, customer), (&customer, story)]
                .into_iter()
                .filter_map(|(hears, speaks)| hears.first_heard(self.tone(speaks)?));
            let Some(first) = crossed.min() else { continue };
            if !party(self.world, story).is_some_and(|party| gates::opened(party, story).any(|at| at <= first)) {
                let text = format!("{} was joined and had not accepted", story.user);
                blame(Promise::AcceptedBeforeTheBridge, text);
            }
        }
    }

    /// At that moment one of these held the other side.
    fn held_by(&self, stories: &[&Story], at: Mono) -> bool {
        let slack = Duration::from_millis(if self.calm() { 100 } else { 2_000 });
        let covers =
            |(from, until): &(Mono, Option<Mono>)| *from <= at + slack && until.is_none_or(|until| at <= until + slack);
        stories.iter().any(|story| story.holds.iter().any(covers))
    }

    /// On a bad road the equipment may know of a hold whose answer never reached the phone.
    fn asked_to_hold(&self, story: &Story, at: Mono) -> bool {
        let holds = |act: &Act| matches!(act, Act::Hold | Act::HoldInactive | Act::HoldNull);
        let talk = party(self.world, story).map(|party| &party.behaviour.talk[..]).unwrap_or_default();
        let began = |after: &Duration| {
            story.acked_at.is_some_and(|acked| acked <= at) && story.answered_at.is_some_and(|a| a + *after <= at)
        };
        !self.calm() && talk.iter().any(|(after, act)| holds(act) && began(after))
    }

    /// At that moment the customer waits once more: somebody holds, or a transfer is on its way or has failed.
    fn waits(&self, at: Mono) -> bool {
        let others: Vec<&Story> = self.representatives.iter().chain(&self.targets).copied().collect();
        let slack = Duration::from_millis(if self.calm() { 100 } else { 2_000 });
        // The equipment may have accepted a REFER whose answer was lost on a bad road.
        let accepted = |s: &&Story| if self.calm() { s.referred.first().copied() } else { s.refers_from };
        let asked = others.iter().filter_map(accepted).min();
        // Once the new party is there, and was told that it is recorded where that is done, it is a bridge again, until it goes.
        let told = if self.world.plan.taping == Taping::Told { consent::CONSENT } else { Duration::ZERO };
        let new = self.targets.iter().filter_map(|s| Some((s.acked_at?, s.ended_at))).next_back();
        let there = new.is_some_and(|(from, until)| at > from + told + slack && until.is_none_or(|until| at < until));
        let transferring = asked.is_some_and(|asked| at + slack > asked) && !(there && self.targets.len() == 1);
        transferring || self.held_by(&others, at) || others.iter().any(|story| self.asked_to_hold(story, at))
    }

    /// What an extension says is dialled, whole when there was time for it, and never twice.
    fn digits(&self, blame: Blame<'_>) {
        let Some(customer) = self.customer else { return };
        let presses = |story: &Story| {
            party(self.world, story).is_some_and(|p| {
                p.behaviour.talk.iter().any(|(_, act)| matches!(act, Act::Digit(_) | Act::InfoDigit { .. }))
            })
        };
        if presses(customer) {
            return;
        }
        for story in self.representatives.iter().chain(&self.targets).chain(&self.visitors) {
            let Some(party) = party(self.world, story) else { continue };
            let (wanted, heard) = (party.extension.as_deref().unwrap_or_default(), story.dialled());
            let mut left = wanted.chars();
            let in_order = heard.chars().all(|key| left.any(|other| other == key));
            let end = [story.ended_at, customer.ended_at].into_iter().flatten().min();
            let stayed = story.acked_at.zip(end).is_some_and(|(from, until)| {
                until.since(from) > party.dialling() + Duration::from_millis(500) && from < until
            });
            if !in_order || (self.calm() && stayed && heard != wanted && story.holds.is_empty()) {
                blame(Promise::DigitsOnceInOrder, format!("{} heard {heard:?}, wanted was {wanted:?}", story.user));
            }
        }
    }

    /// Who transfers, and that the customer is with somebody, or waits for not too long, or is released.
    fn transfers(&self, blame: Blame<'_>) {
        let Some(customer) = self.customer else { return };
        if !customer.referred.is_empty() {
            blame(Promise::TheCustomerHasAnOwner, format!("{} transferred itself", customer.user));
        }
        let others = || self.representatives.iter().chain(&self.targets);
        let asked = others().any(|story| !story.referred.is_empty());
        let vanished = others().chain([&customer]).any(|story| story.ending == Some(Ending::Vanished));
        let (Some(last), Some(end)) = (others().filter_map(|s| s.ended_at).max(), customer.ended_at) else { return };
        let limits = &self.world.plan.limits;
        let most = limits.max_hold + limits.representative_ring + limits.farewell + Duration::from_secs(2);
        if asked && self.calm() && !vanished && end > last && end.since(last) > most {
            let text = format!("{} was alone for {:?}", customer.user, end.since(last));
            blame(Promise::TheCustomerHasAnOwner, text);
        }
    }

    /// When the representative who talked was connected.
    fn joined(&self) -> Option<Mono> {
        let name =
            number(&self.record.representative.as_ref().filter(|_| self.record.bridged_at.is_some())?.to_string());
        // At a gate it is up to the representative.
        if self.world.plan.gates.representative != RepresentativeGate::Off || self.world.plan.taping == Taping::Told {
            return None;
        }
        // The last one: of those before, another switch took over.
        let story = self
            .representatives
            .iter()
            .rfind(|s| s.user == name && s.acked_at.is_some() && !self.world.roads.superseded(&s.call_id))?;
        Some(story.acked_at? + party(self.world, story)?.dialling())
    }

    /// Both spoke, steadily and for a while: then both were heard.
    fn crossing(&self, customer: &Story, representative: &Story, blame: Blame<'_>) {
        let plain = |story: &Story| {
            party(self.world, story).is_some_and(|p| {
                p.behaviour.talk.iter().all(|(_, act)| *act == Act::HangUp) && !p.behaviour.rtp_from_elsewhere
            })
        };
        let both = |story: &Story| story.acked_at.zip(story.ended_at);
        let (Some((_, customer_end)), Some((joined, end))) = (both(customer), both(representative)) else { return };
        let bridged = self.record.outcome == Outcome::Completed
            && self.record.representative.as_ref().is_some_and(|r| number(&r.to_string()) == representative.user);
        let told = match self.world.plan.gates.representative {
            RepresentativeGate::Off => Duration::ZERO,
            RepresentativeGate::Whisper | RepresentativeGate::Accept => gates::WHISPER,
        };
        let consent = if self.world.plan.taping == Taping::Told { consent::CONSENT } else { Duration::ZERO };
        let dialling = told + consent + party(self.world, representative).map_or(Duration::ZERO, |p| p.dialling());
        let long = end.min(customer_end).since(joined) > Duration::from_millis(200) + dialling;
        if !self.calm() || !bridged || !long || !plain(customer) || !plain(representative) {
            return;
        }
        for (hears, speaks) in [(customer, representative), (representative, customer)] {
            let begins = party(self.world, speaks).map(|p| machines::speaks_from(&p.behaviour)).unwrap_or_default();
            let begun = speaks.answered_at.is_some_and(|at| end.min(customer_end) > at + begins + WHILE);
            if let Some(tone) = self.tone(speaks).filter(|_| begins.is_zero() || begun)
                && hears.hears(tone).next().is_none()
            {
                blame(Promise::VoicesCross, format!("{} never heard {} ({tone} Hz)", hears.user, speaks.user));
            }
        }
    }

    fn agreement(&self, blame: Blame<'_>) {
        let outcome = self.record.outcome;
        let lossy = !self.calm();
        // Of a try that was left unheard the phone can only tell what came after.
        let customer = self.customer.filter(|story| !self.world.roads.given_up(&story.call_id));
        let mut disagree = |text: String| blame(Promise::BothEndsAgree, format!("wish {}: {text}", self.wish));
        if !self.crashed && !model::customer_agrees(outcome, customer, lossy, self.world.plan.gates.customer) {
            let ending = self.customer.map(|s| (s.answered_at.is_some(), s.ending));
            disagree(format!("recorded {outcome}, the customer says {ending:?}"));
        }
        if outcome == Outcome::Completed {
            let name = self.record.representative.as_ref().map(|r| number(&r.to_string()));
            let talked = |s: &Story| Some(&s.user) == name.as_ref() && s.answered_at.is_some();
            if !self.representatives.iter().any(|s| talked(s)) {
                disagree(format!("completed with {name:?}, who says nothing of it"));
            }
        }
        if outcome == Outcome::Interrupted && self.world.crashed.is_empty() {
            disagree("interrupted, and nothing crashed".to_owned());
        }
        let cut = crate::limits::cut(&self.world.plan.account);
        if outcome == Outcome::Cancelled && !self.world.fates[self.wish].deleted && !cut {
            disagree("cancelled, and nobody asked for it".to_owned());
        }
        if outcome == Outcome::Failed && self.world.plan.ports > 12 {
            disagree(format!("failed: {}", self.record.detail));
        }
        let ends = self.plan().timing.is_open();
        if outcome == Outcome::Expired && self.world.plan.faults.jumps.is_empty() && !ends {
            disagree("expired".to_owned());
        }
    }

    fn billing(&self, blame: Blame<'_>) {
        // After a jump of the wall clock the last durable sign of life may lie hours from the marks of the call.
        if self.record.outcome == Outcome::Interrupted && !self.world.plan.faults.jumps.is_empty() {
            return;
        }
        let limits = &self.world.plan.limits;
        let vanished = |story: &Story| story.ending == Some(Ending::Vanished);
        let slack = if self.calm() { Duration::from_millis(300) } else { self.world.plan.faults.until + GRACE / 4 };
        // A crash ends what can be billed: the first one after the dialling.
        let cut = |story: &Story| {
            let interrupted = self.record.outcome == Outcome::Interrupted;
            self.world.crashed.iter().copied().find(|at| interrupted && *at >= story.invited_at)
        };
        let of = |stories: &[&Story]| -> u64 {
            let talk = |story: &&Story| {
                let answered = story.answered_at?;
                if let Some(crashed) = cut(story) {
                    return Some(self.rounded(crashed.since(answered)));
                }
                let end = story.ended_at.unwrap_or(self.world.now);
                let unnoticed =
                    if vanished(story) { limits.silence + limits.max_hold + limits.max_call } else { Duration::ZERO };
                Some(self.rounded(end.since(answered) + slack + unnoticed))
            };
            stories.iter().filter_map(talk).sum()
        };
        let others: Vec<&Story> = self.representatives.iter().chain(&self.targets).copied().collect();
        let most = [of(&self.customers), of(&others), of(&self.visitors)];
        let record = self.record;
        let representatives = record.representative_billable_seconds;
        let billed = [record.customer_billable_seconds, representatives, record.supervisor_billable_seconds];
        for (billed, most) in billed.into_iter().zip(most) {
            if billed > most {
                blame(Promise::BilledAtMostTalked, format!("wish {}: {billed} s billed, at most {most} s", self.wish));
            }
        }
    }

    fn rounded(&self, talked: Duration) -> u64 {
        let (increment, minimum) = self.world.plan.tariff;
        (talked.as_millis() as u64).div_ceil(1000).max(u64::from(minimum)).next_multiple_of(u64::from(increment))
    }
}

/// What a phone sends when it has greeted.
pub fn tone(world: &World, story: &Story) -> Option<u16> {
    match party(world, story)?.behaviour.sound {
        Sound::Tone(hz) => Some(hz),
        Sound::Greets(greeting) => greeting.then,
        Sound::Silence | Sound::Nothing => None,
    }
}

/// The number in an address that may have an extension.
fn number(address: &str) -> String {
    address.trim_start_matches("tel:").split(';').next().unwrap_or_default().to_owned()
}

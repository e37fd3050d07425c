//! The promises of docs/SPECIFICATION.md as checks of a world that has come to rest. Owns the verdicts; what was done wrong
//! within one call's messages is the phones' own judgement.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use callbridge::clock::Mono;
use callbridge::model::{CallRecord, Outcome};
use callbridge::phone::{Act, AnswerWith, Ending, Fault, Sound, Story, Then};

use crate::media::{CONNECTING_HZ, MUSIC_HZ, UNAVAILABLE_HZ};
use crate::model;
use crate::plan::{LIMITS, Party};
use crate::world::{Who, World};

/// A promise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Promise {
    /// A 202 is said only of a call that is durable.
    AcceptedIsDurable,
    /// Exactly one record per accepted call, across crashes.
    OneRecord,
    /// No phone rings or is off-hook for ever.
    NobodyIsLeftHanging,
    /// No call, port, transaction, permit, timer or store operation is left.
    NothingLeaks,
    /// Neither message nor music once both talk, and never to a representative.
    PromptNeverOverBridge,
    /// The customer hears the message before the representative.
    PromptFirst,
    /// No representative is dialled before the customer answered.
    CustomerFirst,
    /// At most one representative of a call rings.
    OneRepresentativeAtATime,
    /// Nobody pays for more than was talked, by the tariff.
    BilledAtMostTalked,
    /// The record and the phones tell the same story.
    BothEndsAgree,
    /// Nothing is sent to anybody but the configured switches and what they signalled.
    NothingToStrangers,
    /// Every SIP message is right in itself and in its place.
    ProperSip,
    /// Every RTP stream is one steady stream of what was agreed, from the answer to the end.
    ProperRtp,
    /// Bridged parties hear each other.
    VoicesCross,
    /// Nobody hears a stranger.
    NoCrosstalk,
    /// A customer whose phone was dialled before a crash is not dialled again.
    DialledOnce,
    /// Everything ends within bounds.
    EndsInTime,
    /// HTTP requests are answered, and by the right kind of answer.
    RequestsAreAnswered,
    /// In a calm world each call comes to what the model says.
    ModelAgrees,
}

/// A promise that was not kept.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// How.
    pub text: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.text)
    }
}

/// One call of the world, with everything that is known of it.
struct Case<'w> {
    world: &'w World,
    wish: usize,
    record: &'w CallRecord,
    customer: Option<&'w Story>,
    representatives: Vec<&'w Story>,
    crashed: bool,
}

/// Everything that is wrong with a world that has come to rest.
pub fn check(world: &World, rested: bool) -> Vec<Broken> {
    let mut broken = world.broken.clone();
    let mut blame = |promise, text: String| broken.push(Broken { promise, text });
    if !rested {
        blame(Promise::EndsInTime, "something still goes on".to_owned());
    }
    nothing_leaks(world, &mut blame);
    records(world, &mut blame);
    for story in world.stories() {
        hanging(world, story, &mut blame);
        violations(world, story, &mut blame);
    }
    for stray in world.strays().filter(|_| world.crashed.is_empty()) {
        blame(Promise::ProperSip, format!("a phone says: {}", stray.text));
    }
    for case in cases(world) {
        case.check(&mut blame);
    }
    if world.unanswered() > 0 {
        blame(Promise::RequestsAreAnswered, format!("{} requests have no answer", world.unanswered()));
    }
    broken
}

type Blame<'b> = &'b mut dyn FnMut(Promise, String);

fn nothing_leaks(world: &World, blame: Blame<'_>) {
    match world.engine().map(|engine| engine.census()) {
        Some(census) if census == Default::default() => {}
        other => blame(Promise::NothingLeaks, format!("the engine still holds {other:?}")),
    }
    if world.media_ports() > 0 {
        blame(Promise::NothingLeaks, format!("media holds {} ports", world.media_ports()));
    }
    if world.store.pending() > 0 {
        blame(Promise::NothingLeaks, format!("{} store operations wait", world.store.pending()));
    }
}

fn records(world: &World, blame: Blame<'_>) {
    let mut per_wish: BTreeMap<usize, u32> = BTreeMap::new();
    for call in world.store.accepted() {
        if let Some(wish) = world.wish_of(&call.message) {
            *per_wish.entry(wish).or_default() += 1;
        }
        let count = world.store.kept(call.id).map_or(0, |kept| kept.records.len());
        if count != 1 {
            blame(Promise::OneRecord, format!("call {} has {count} records", call.id));
        }
    }
    for (wish, calls) in per_wish.into_iter().filter(|(_, calls)| *calls > 1) {
        blame(Promise::OneRecord, format!("one message, one key, {calls} calls (wish {wish})"));
    }
    for (call, _) in world.store.all_kept().filter(|(call, _)| !world.store.holds(**call)) {
        blame(Promise::OneRecord, format!("a record of call {call}, which was never accepted"));
    }
    for (wish, fate) in world.fates.iter().enumerate() {
        for call in fate.calls.iter().filter(|call| !world.store.holds(**call)) {
            blame(Promise::AcceptedIsDurable, format!("wish {wish} was told of call {call}, which is not durable"));
        }
    }
    for fault in world.store.faults() {
        blame(Promise::OneRecord, fault.clone());
    }
}

/// The equipment crashed while this call was on the phone.
fn crash_during(world: &World, story: &Story) -> bool {
    // The INVITE may have been on its way when the equipment crashed.
    let on_the_way = Duration::from_secs(1);
    world
        .crashed
        .iter()
        .any(|at| *at + on_the_way >= story.invited_at && story.ended_at.is_none_or(|end| *at <= end + GRACE))
}

/// After the end of a call, what is left of its signalling goes on so long.
const GRACE: Duration = Duration::from_secs(40);

fn hanging(world: &World, story: &Story, blame: Blame<'_>) {
    if crash_during(world, story) {
        return;
    }
    let noticed = story.ringing_at.is_some() || story.answered_at.is_some();
    if noticed && matches!(story.ending, None | Some(Ending::Forgotten)) {
        let how = if story.answered_at.is_some() { "off-hook" } else { "ringing" };
        blame(Promise::NobodyIsLeftHanging, format!("the phone {} was left {how}", story.user));
    }
}

fn violations(world: &World, story: &Story, blame: Blame<'_>) {
    let party = party(world, story);
    // A phone whose 200 names no dialog can expect nothing of what follows.
    let crooked =
        party.is_some_and(|p| matches!(p.behaviour.then, Then::Answer { with: AnswerWith::BrokenHeaders, .. }));
    for violation in &story.violations {
        let always = matches!(violation.fault, Fault::Malformed | Fault::Header | Fault::Body | Fault::Cancel);
        if !always && (crash_during(world, story) || crooked) {
            continue;
        }
        let promise = match violation.fault {
            Fault::RtpEarly | Fault::RtpLate | Fault::RtpBroken | Fault::RtpForeign => Promise::ProperRtp,
            _ => Promise::ProperSip,
        };
        let at = seconds(violation.at);
        blame(promise, format!("{} says at {at:.3}: {:?}: {}", story.user, violation.fault, violation.text));
    }
}

fn seconds(at: Mono) -> f64 {
    at.0 as f64 / 1e6 - 1.0
}

fn party<'w>(world: &'w World, story: &Story) -> Option<&'w Party> {
    Some(match world.who(&story.user)? {
        Who::Customer(wish) => &world.plan.wishes.get(wish)?.customer,
        Who::Representative(wish, place) => world.plan.wishes.get(wish)?.representatives.get(place)?,
    })
}

fn cases(world: &World) -> Vec<Case<'_>> {
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
        let crashed = customers.iter().chain(&representatives).any(|s| crash_during(world, s));
        let customer = customers.last().copied();
        cases.push(Case { world, wish, record, customer, representatives, crashed });
    }
    cases
}

impl Case<'_> {
    fn check(&self, blame: Blame<'_>) {
        self.one_at_a_time(blame);
        self.sounds(blame);
        self.agreement(blame);
        self.billing(blame);
        if let Some(expected) = model::expected(self.plan()).filter(|_| self.predictable())
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
        self.calm() && !self.world.fates[self.wish].deleted
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
            if rings_on && after.ringing_at.is_some() && before.user != after.user {
                let text = format!("{} still rang when {} was dialled", before.user, after.user);
                blame(Promise::OneRepresentativeAtATime, text);
            }
        }
    }

    fn tone(&self, story: &Story) -> Option<u16> {
        match party(self.world, story)?.behaviour.sound {
            Sound::Tone(hz) => Some(hz),
            Sound::Silence | Sound::Nothing => None,
        }
    }

    fn sounds(&self, blame: Blame<'_>) {
        let prompts = [CONNECTING_HZ, UNAVAILABLE_HZ, MUSIC_HZ];
        let Some(customer) = self.customer else { return };
        let voices: Vec<u16> = self.representatives.iter().filter_map(|s| self.tone(s)).collect();
        let mut talked = false;
        for heard in &customer.heard {
            let Some(tone) = heard.tone else { continue };
            if talked && prompts.contains(&tone) && !self.crashed {
                let text = format!("{} hears {tone} Hz after the representative", customer.user);
                blame(Promise::PromptNeverOverBridge, text);
            }
            talked |= voices.contains(&tone);
            if !prompts.contains(&tone) && !voices.contains(&tone) {
                blame(Promise::NoCrosstalk, format!("{} hears {tone} Hz, nobody's of this call", customer.user));
            }
        }
        let first = customer.heard.iter().find_map(|h| h.tone);
        if talked && self.calm() && first != Some(CONNECTING_HZ) {
            blame(Promise::PromptFirst, format!("{} heard first {first:?}", customer.user));
        }
        if let Some(joined) = self.joined().filter(|_| self.calm()) {
            let late =
                |tone: &u16| customer.last_heard(*tone).is_some_and(|at| at > joined + Duration::from_millis(60));
            if let Some(tone) = prompts.iter().find(|tone| late(tone)) {
                let text = format!("{} still hears {tone} Hz, the representative is there", customer.user);
                blame(Promise::PromptNeverOverBridge, text);
            }
        }
        for story in &self.representatives {
            for tone in story.heard.iter().filter_map(|h| h.tone) {
                if prompts.contains(&tone) {
                    blame(Promise::PromptNeverOverBridge, format!("{} hears {tone} Hz", story.user));
                } else if Some(tone) != self.tone(customer) {
                    blame(Promise::NoCrosstalk, format!("{} hears {tone} Hz, not the customer's", story.user));
                }
            }
            self.crossing(customer, story, blame);
        }
    }

    /// When the representative who talked was connected.
    fn joined(&self) -> Option<Mono> {
        let name = self.record.representative.as_ref().filter(|_| self.record.bridged_at.is_some())?.to_string();
        self.representatives.iter().find(|s| s.user == name)?.acked_at
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
            && self.record.representative.as_ref().is_some_and(|r| r.to_string() == representative.user);
        let long = end.min(customer_end).since(joined) > Duration::from_millis(200);
        if !self.calm() || !bridged || !long || !plain(customer) || !plain(representative) {
            return;
        }
        for (hears, speaks) in [(customer, representative), (representative, customer)] {
            if let Some(tone) = self.tone(speaks)
                && hears.first_heard(tone).is_none()
            {
                blame(Promise::VoicesCross, format!("{} never heard {} ({tone} Hz)", hears.user, speaks.user));
            }
        }
    }

    fn agreement(&self, blame: Blame<'_>) {
        let outcome = self.record.outcome;
        let lossy = !self.calm();
        let mut disagree = |text: String| blame(Promise::BothEndsAgree, format!("wish {}: {text}", self.wish));
        if !self.crashed && !model::customer_agrees(outcome, self.customer, lossy) {
            let ending = self.customer.map(|s| (s.answered_at.is_some(), s.ending));
            disagree(format!("recorded {outcome}, the customer says {ending:?}"));
        }
        if outcome == Outcome::Completed {
            let name = self.record.representative.as_ref().map(ToString::to_string);
            let talked = |s: &Story| Some(&s.user) == name.as_ref() && s.answered_at.is_some();
            if !self.representatives.iter().any(|s| talked(s)) {
                disagree(format!("completed with {name:?}, who says nothing of it"));
            }
        }
        if outcome == Outcome::Interrupted && self.world.crashed.is_empty() {
            disagree("interrupted, and nothing crashed".to_owned());
        }
        if outcome == Outcome::Cancelled && !self.world.fates[self.wish].deleted {
            disagree("cancelled, and nobody asked for it".to_owned());
        }
        if outcome == Outcome::Failed && self.world.plan.ports > 12 {
            disagree(format!("failed: {}", self.record.detail));
        }
        if outcome == Outcome::Expired && self.world.plan.faults.jumps.is_empty() {
            disagree("expired".to_owned());
        }
    }

    fn billing(&self, blame: Blame<'_>) {
        // After a jump of the wall clock the last durable sign of life may lie hours from the marks of the call.
        if self.record.outcome == Outcome::Interrupted && !self.world.plan.faults.jumps.is_empty() {
            return;
        }
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
                    if vanished(story) { LIMITS.silence + LIMITS.max_hold + LIMITS.max_call } else { Duration::ZERO };
                Some(self.rounded(end.since(answered) + slack + unnoticed))
            };
            stories.iter().filter_map(talk).sum()
        };
        let customers: Vec<&Story> = self.customer.into_iter().collect();
        let most = [of(&customers), of(&self.representatives)];
        let billed = [self.record.customer_billable_seconds, self.record.representative_billable_seconds];
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

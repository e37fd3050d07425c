//! The promises about one call, checked on its record and the stories of its phones. Owns these verdicts; what holds for the
//! whole world is judged in `promises`.

use std::time::Duration;

use callbridge::clock::Mono;
use callbridge::model::{CallRecord, Outcome};
use callbridge::phone::{Act, Ending, Sound, Story};

use crate::media::{CONNECTING_HZ, MUSIC_HZ, UNAVAILABLE_HZ};
use crate::model;
use crate::plan::LIMITS;
use crate::promises::{Blame, GRACE, Promise, crash_during, party};
use crate::world::{Who, World};

/// One call of the world, with everything that is known of it.
pub struct Case<'w> {
    world: &'w World,
    wish: usize,
    record: &'w CallRecord,
    customer: Option<&'w Story>,
    representatives: Vec<&'w Story>,
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
        let crashed = customers.iter().chain(&representatives).any(|s| crash_during(world, s));
        let customer = customers.last().copied();
        cases.push(Case { world, wish, record, customer, representatives, crashed });
    }
    cases
}

impl Case<'_> {
    /// Everything that is wrong with it.
    pub fn check(&self, blame: Blame<'_>) {
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

//! Offer and answer after the first: what re-INVITE, UPDATE and session refreshes of a leg change. Owns that an unchanged
//! description keeps its version (RFC 3264 §8), that media hears only of changes, and that what an early dialog agreed on waits
//! until that dialog answers (field.md 5, 6). Refuses the exchange itself, which is the stack's.

use super::{Engine, LegMedia, Port};
use crate::clock::Now;
use crate::media::api::Command;
use crate::model::LegId;
use crate::sdp::{self, Codec, Direction, LocalMedia, MediaPlan};
use crate::sip::api::{OfferId, OfferReply};

/// Most plans of early dialogs that are kept for one leg; an older one was most likely changed since.
const MAX_EARLY: usize = 16;

impl Engine {
    /// A re-INVITE or UPDATE of the peer: hold, resume, another address or codec, or nothing new.
    pub(super) fn offered(&mut self, now: Now, leg: LegId, id: OfferId, offer: &[u8]) {
        let reply = self.answer_to(leg, id, offer).unwrap_or(OfferReply::Refuse);
        self.stack.answer_offer(now.mono, leg, id, reply);
    }

    fn answer_to(&mut self, leg: LegId, id: OfferId, offer: &[u8]) -> Option<OfferReply> {
        let preferred = self.preferred(leg);
        let leg_media = self.calls.get_mut(&leg.call)?.legs.get_mut(&leg.attempt)?;
        let codecs = leg_media.codecs;
        if offer.is_empty() {
            let (body, ()) =
                leg_media.describe(|local| Some((sdp::offer(local, codecs.as_slice(), Direction::BOTH), ())))?;
            return Some(OfferReply::Accept(body));
        }
        let (body, plan) = leg_media.describe(|local| sdp::answer(local, offer, codecs.as_slice(), &preferred).ok())?;
        // Before the answer every early dialog agrees for itself; media hears of the one that answers.
        if leg_media.plan.is_none() {
            if leg_media.early.len() >= MAX_EARLY {
                leg_media.early.remove(0);
            }
            leg_media.early.push((id, plan));
        } else {
            self.settle_on(leg, plan);
        }
        Some(OfferReply::Accept(body))
    }

    /// What a leg's offer is answered with, where it can be: what it has, else what another leg of the call has.
    fn preferred(&self, leg: LegId) -> Vec<Codec> {
        let Some(live) = self.calls.get(&leg.call) else { return Vec::new() };
        let own = live.legs.get(&leg.attempt);
        let others = live.legs.iter().filter(|(attempt, _)| **attempt != leg.attempt).map(|(_, other)| other);
        own.into_iter().chain(others).filter_map(|leg_media| leg_media.plan.as_ref()).map(|plan| plan.codec).collect()
    }

    /// The dialog that answered had agreed on something before, by the peer's offer.
    pub(super) fn agree_early(&mut self, leg: LegId, offer: OfferId) -> Result<Codec, String> {
        let live = self.calls.get_mut(&leg.call).ok_or_else(|| "the call is over".to_owned())?;
        let leg_media = live.legs.get_mut(&leg.attempt).ok_or_else(|| "the leg is over".to_owned())?;
        let early = std::mem::take(&mut leg_media.early);
        let (_, plan) = early.into_iter().find(|(id, _)| *id == offer).ok_or_else(|| "no such offer".to_owned())?;
        let codec = plan.codec;
        self.settle_on(leg, plan);
        Ok(codec)
    }

    /// The answer to a later offer of ours, in the dialog that answered the leg: another may have been told something else
    /// since. One that cannot be used changes nothing.
    pub(super) fn offer_answered(&mut self, leg: LegId, offer: &[u8], answer: &[u8]) {
        let live = self.calls.get_mut(&leg.call);
        let Some(leg_media) = live.and_then(|live| live.legs.get_mut(&leg.attempt)) else { return };
        if let Ok(plan) = sdp::accept_answer_to(offer, &leg_media.srtp(), answer) {
            self.settle_on(leg, plan);
        }
    }

    /// Tells media, if there is news.
    fn settle_on(&mut self, leg: LegId, mut plan: MediaPlan) {
        let live = self.calls.get_mut(&leg.call);
        let Some(leg_media) = live.and_then(|live| live.legs.get_mut(&leg.attempt)) else { return };
        // What we did not offer is not agreed on, whatever the answer says.
        plan.telephone_event = plan.telephone_event.filter(|_| leg_media.wants_events());
        if leg_media.plan.as_ref() != Some(&plan) {
            leg_media.plan = Some(plan.clone());
            if let Some(live) = self.calls.get_mut(&leg.call) {
                live.call.set_codec(leg.attempt, plan.codec.name());
            }
            self.media(Command::Agree { leg, plan });
            self.listen_anew(leg);
        }
    }
}

impl LegMedia {
    /// Writes a description: with the version of the last one where it says the same, else with the next.
    fn describe<T>(&mut self, write: impl Fn(&LocalMedia) -> Option<(Vec<u8>, T)>) -> Option<(Vec<u8>, T)> {
        let Port::Open(local) = self.port else { return None };
        let same = write(&self.local(local)).filter(|(body, _)| **body == *self.sdp);
        if same.is_some() {
            return same;
        }
        self.version += 1;
        let (body, other) = write(&self.local(local))?;
        self.sdp = body.as_slice().into();
        Some((body, other))
    }
}

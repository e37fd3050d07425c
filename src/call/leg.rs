//! One leg of a call as the call sees it: who, when, why. Owns these facts and their order (a leg rings, answers, ends, each
//! once); refuses to decide anything.

use std::collections::VecDeque;

use crate::clock::Wall;
use crate::model::{Cause, Codec, Endpoint, LegState, LegView, Outcome, Quality, Role, Sample, TriedLeg};

/// Samples kept of a live leg: ten minutes.
const SAMPLES: usize = 120;

/// A leg that was dialled.
#[derive(Clone, PartialEq, Debug)]
pub struct Leg {
    /// Which party.
    pub role: Role,
    /// What was dialled.
    pub address: Endpoint,
    /// Dialled.
    pub dialled_at: Wall,
    /// First ring.
    pub ringing_at: Option<Wall>,
    /// Where it stands.
    pub phase: Phase,
    /// Set by the engine when it chose.
    pub switch: Option<String>,
    /// What media has measured so far; from the first five seconds on.
    pub measured: Option<Box<Measured>>,
    /// Whether its party was told that the talk is recorded.
    pub consent: Consent,
}

/// What a party has heard of the consent message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Consent {
    /// Nothing, or not all of it yet.
    #[default]
    NotYet,
    /// All of it.
    Heard,
    /// It was said, and could not be heard: this party held us.
    Missed,
}

/// A leg's media, while it goes on.
#[derive(Clone, PartialEq, Debug)]
pub struct Measured {
    quality: Quality,
    /// The newest last, at most [`SAMPLES`].
    samples: VecDeque<(Wall, Sample)>,
}

/// A leg's life.
#[derive(Clone, PartialEq, Debug)]
pub enum Phase {
    /// Dialled or ringing.
    Calling,
    /// Answered.
    Up {
        /// 200.
        answered_at: Wall,
        /// Agreed.
        codec: &'static str,
    },
    /// Over, as far as signalling goes.
    Over(End),
}

/// The end of a leg.
#[derive(Clone, PartialEq, Debug)]
pub struct End {
    /// The 200 and its codec, if there was one.
    pub answered: Option<(Wall, &'static str)>,
    /// Over.
    pub at: Wall,
    /// Why.
    pub cause: Cause,
    /// Media's last word.
    pub media: MediaEnd,
}

/// Whether the leg's port has come back.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum MediaEnd {
    /// Asked for.
    Awaited,
    /// Back, with what was measured.
    Released(Option<Quality>),
}

impl Leg {
    /// A leg that is being dialled.
    pub fn new(role: Role, address: Endpoint, dialled_at: Wall) -> Leg {
        Leg {
            role,
            address,
            dialled_at,
            ringing_at: None,
            phase: Phase::Calling,
            switch: None,
            measured: None,
            consent: Consent::NotYet,
        }
    }

    /// Of a try that was over before a restart.
    pub fn of_try(address: Endpoint, tried: &TriedLeg) -> Leg {
        let codec = |name: &str| Codec::ALL.into_iter().map(Codec::name).find(|known| *known == name);
        let codec = tried.codec.as_deref().and_then(codec);
        let end = End {
            answered: tried.answered_at.zip(codec),
            at: tried.ended_at,
            cause: tried.cause.clone(),
            media: MediaEnd::Released(tried.quality),
        };
        Leg {
            ringing_at: tried.ringing_at,
            phase: Phase::Over(end),
            switch: tried.switch.clone(),
            ..Leg::new(Role::Customer, address, tried.dialled_at)
        }
    }

    /// What is kept of a leg of a try that is over.
    pub fn tried(&self) -> Option<TriedLeg> {
        let end = self.end()?;
        Some(TriedLeg {
            switch: self.switch.clone(),
            dialled_at: self.dialled_at,
            ringing_at: self.ringing_at,
            answered_at: self.answered_at(),
            codec: self.codec().map(str::to_owned),
            ended_at: end.at,
            cause: end.cause.clone(),
            quality: self.quality(),
            outcome: Outcome::Failed,
            detail: String::new(),
        })
    }

    /// Notes the first ring.
    pub fn rings(&mut self, at: Wall) {
        if self.phase == Phase::Calling && self.ringing_at.is_none() {
            self.ringing_at = Some(at);
        }
    }

    /// Notes the answer.
    pub fn answers(&mut self, at: Wall, codec: &'static str) {
        if self.phase == Phase::Calling {
            self.phase = Phase::Up { answered_at: at, codec };
        }
    }

    /// Another codec was agreed on while it is up.
    pub fn recode(&mut self, another: &'static str) {
        if let Phase::Up { codec, .. } = &mut self.phase {
            *codec = another;
        }
    }

    /// Notes the end, once; false when it was over already.
    pub fn ends(&mut self, at: Wall, cause: Cause) -> bool {
        let answered = match &self.phase {
            Phase::Calling => None,
            Phase::Up { answered_at, codec } => Some((*answered_at, *codec)),
            Phase::Over(_) => return false,
        };
        let cause = if answered.is_some() { cause.after_answer() } else { cause };
        self.phase = Phase::Over(End { answered, at, cause, media: MediaEnd::Awaited });
        true
    }

    /// Notes that the port is free.
    pub fn released(&mut self, quality: Option<Quality>) {
        if let Phase::Over(end) = &mut self.phase {
            end.media = MediaEnd::Released(quality);
        }
    }

    /// Over and released.
    pub fn is_done(&self) -> bool {
        matches!(&self.phase, Phase::Over(End { media: MediaEnd::Released(_), .. }))
    }

    /// When it was answered.
    pub fn answered_at(&self) -> Option<Wall> {
        match &self.phase {
            Phase::Calling => None,
            Phase::Up { answered_at, .. } => Some(*answered_at),
            Phase::Over(end) => end.answered.map(|(at, _)| at),
        }
    }

    /// The codec agreed on.
    pub fn codec(&self) -> Option<&'static str> {
        match &self.phase {
            Phase::Calling => None,
            Phase::Up { codec, .. } => Some(codec),
            Phase::Over(end) => end.answered.map(|(_, codec)| codec),
        }
    }

    /// Its end, once over.
    pub fn end(&self) -> Option<&End> {
        match &self.phase {
            Phase::Over(end) => Some(end),
            Phase::Calling | Phase::Up { .. } => None,
        }
    }

    /// Five seconds were measured.
    pub fn measures(&mut self, at: Wall, quality: Quality, sample: Sample) {
        let empty = || Box::new(Measured { quality, samples: VecDeque::new() });
        let measured = self.measured.get_or_insert_with(empty);
        measured.quality = quality;
        if measured.samples.len() >= SAMPLES {
            measured.samples.pop_front();
        }
        measured.samples.push_back((at, sample));
    }

    /// What was measured: in all once released, so far before.
    pub fn quality(&self) -> Option<Quality> {
        match self.end().map(|end| end.media) {
            Some(MediaEnd::Released(quality)) => quality,
            Some(MediaEnd::Awaited) | None => self.measured.as_ref().map(|measured| measured.quality),
        }
    }

    /// What was measured of the last ten minutes, the newest last; each at the end of its five seconds.
    pub fn samples(&self) -> impl Iterator<Item = (Wall, Sample)> {
        self.measured.iter().flat_map(|measured| &measured.samples).copied()
    }

    /// The leg object of the HTTP contract.
    pub fn view(&self) -> LegView {
        let state = match (&self.phase, self.ringing_at) {
            (Phase::Calling, None) => LegState::Dialling,
            (Phase::Calling, Some(_)) => LegState::Ringing,
            (Phase::Up { .. }, _) => LegState::Answered,
            (Phase::Over(_), _) => LegState::Ended,
        };
        LegView {
            address: self.address.clone(),
            state,
            ringing_at: self.ringing_at,
            answered_at: self.answered_at(),
            ended_at: self.end().map(|end| end.at),
            sip_status: self.end().and_then(|end| end.cause.sip_status),
            q850_cause: self.end().and_then(|end| end.cause.q850),
            quality: self.quality(),
            quality_samples: self.samples().map(|(at, sample)| sample.view(at)).collect(),
        }
    }
}

//! What the legs of a call that is over sounded like, over time: samples of five seconds each. Owns how many are kept and their
//! stored form; refuses to judge them.

use serde::{Deserialize, Serialize};

use super::MAX_PARTIES;
use crate::clock::Wall;
use crate::model::Sample;

/// Samples of one leg: ten minutes.
const MOST: usize = 120;

/// By leg, in the order in which they were dialled; no leg of which nothing was measured.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Packed>", into = "Vec<Packed>")]
pub(super) struct Sound(Vec<(u16, Vec<(Wall, Sample)>)>);

/// A leg, the time of its first sample in milliseconds since the Unix epoch, and each sample with its milliseconds since the one before.
type Packed = (u16, i64, Vec<(i64, [u16; 7])>);

impl Sound {
    /// The newest samples of a leg, the newest last. A leg is taken once.
    pub(super) fn add(&mut self, attempt: u16, samples: impl Iterator<Item = (Wall, Sample)>) {
        if self.0.len() >= MAX_PARTIES || !self.of(attempt).is_empty() {
            return;
        }
        let mut samples: Vec<(Wall, Sample)> = samples.collect();
        samples.drain(..samples.len().saturating_sub(MOST));
        if !samples.is_empty() {
            self.0.push((attempt, samples));
        }
    }

    /// What was measured of this leg.
    pub(super) fn of(&self, attempt: u16) -> &[(Wall, Sample)] {
        self.0.iter().find(|(leg, _)| *leg == attempt).map_or(&[], |(_, samples)| samples)
    }

    /// Nothing was measured of any.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Sound> for Vec<Packed> {
    fn from(sound: Sound) -> Vec<Packed> {
        let pack = |(attempt, samples): (u16, Vec<(Wall, Sample)>)| {
            let from = samples.first().map_or(0, |(at, _)| at.0);
            let mut before = from;
            let packed = samples.iter().map(|(at, sample)| {
                let since = at.0.saturating_sub(before);
                before = at.0;
                (since, sample.packed())
            });
            (attempt, from, packed.collect())
        };
        sound.0.into_iter().map(pack).collect()
    }
}

impl From<Vec<Packed>> for Sound {
    fn from(packed: Vec<Packed>) -> Sound {
        let mut sound = Sound::default();
        for (attempt, mut at, samples) in packed {
            let samples = samples.into_iter().map(|(since, numbers)| {
                at = at.saturating_add(since);
                (Wall(at), Sample::of_packed(numbers))
            });
            sound.add(attempt, samples);
        }
        sound
    }
}

//! What is wrong with a talk while it goes on: a side of which nothing comes, and a sound that has got bad. Owns when that is said,
//! once, and when it is over; refuses to end anything: the silence watch does that.

use std::time::Duration;

use super::api::Event;
use super::leg::{Hears, Leg};
use super::{Shard, Slot};
use crate::clock::Mono;
use crate::model::{Alarm, Sample};

/// When an alarm is raised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alarms {
    /// Nothing comes of a side for so long. Looked at every 100 ms.
    pub quiet: Duration,
    /// The opinion score below this, in hundredths, is bad.
    pub bad_mos: u16,
    /// For so long. Looked at with every sample, each five seconds.
    pub bad_for: Duration,
}

impl Default for Alarms {
    fn default() -> Alarms {
        Alarms { quiet: Duration::from_secs(5), bad_mos: 310, bad_for: Duration::from_secs(10) }
    }
}

/// A leg's alarms.
#[derive(Clone, Copy, Default)]
pub(super) struct State {
    /// Nothing comes, and that was said.
    pub(super) quiet: bool,
    /// Since when its sound is bad, and whether that was said.
    bad: Option<(Mono, bool)>,
}

impl Leg {
    /// How long nothing came of a leg that should talk. Whoever said by comfort noise that it is quiet may be.
    fn quiet_for(&self, now: Mono) -> Option<Duration> {
        let direction = self.agreed.as_ref()?.plan.direction;
        let talks = matches!(self.hears, Hears::Peer { hold: None, .. }) && direction.send && direction.receive;
        (talks && !self.rests).then(|| now.since(self.heard_at))
    }

    /// The peer of a talk.
    fn partner(&self) -> Option<Slot> {
        if let Hears::Peer { slot, .. } = self.hears { Some(slot) } else { None }
    }
}

impl Shard {
    /// Looks whether a side of a talk is quiet, or is heard again.
    pub(super) fn alarm_quiet(&mut self, now: Mono) {
        let after = self.settings.alarms.quiet;
        for at in 0..self.legs.capacity() {
            let Some(leg) = self.legs.get(at) else { continue };
            let Some(quiet) = leg.quiet_for(now) else { continue };
            let (said, partner) = (leg.alarms.quiet, leg.partner());
            let alarm = match (quiet >= after, said) {
                (true, false) => {
                    let other = partner.and_then(|slot| self.legs.get(slot.0)).and_then(|leg| leg.quiet_for(now));
                    // Both fell quiet, perhaps not in the same moment.
                    if other.is_some_and(|other| other >= after / 2) { Alarm::Silence } else { Alarm::OneWay }
                }
                (false, true) => Alarm::Heard,
                (true, true) | (false, false) => continue,
            };
            // One silence of both is said once.
            let silent = partner.filter(|_| alarm == Alarm::Silence);
            for slot in [Some(Slot(at)), silent].into_iter().flatten() {
                if let Some(leg) = self.legs.get_mut(slot.0) {
                    leg.alarms.quiet = alarm != Alarm::Heard;
                }
            }
            if let Some(leg) = self.legs.get(at) {
                self.events.push_back(Event::Alarm { leg: leg.id, alarm });
            }
        }
    }
}

impl Leg {
    /// Follows the score of its samples. Where none can be given, nothing changes.
    pub(super) fn follow_score(
        &mut self,
        now: Mono,
        alarms: &Alarms,
        sample: &Sample,
        every: Duration,
    ) -> Option<Alarm> {
        let bad = sample.mos()? * 100.0 < f64::from(alarms.bad_mos);
        if bad {
            self.bad_for += every;
        }
        match (bad, self.alarms.bad) {
            (true, None) => {
                // A sample speaks of the time before it.
                let since = Mono(now.0.saturating_sub(u64::try_from(every.as_micros()).unwrap_or(0)));
                let said = now.since(since) >= alarms.bad_for;
                self.alarms.bad = Some((since, said));
                said.then_some(Alarm::Bad)
            }
            (true, Some((since, false))) if now.since(since) >= alarms.bad_for => {
                self.alarms.bad = Some((since, true));
                Some(Alarm::Bad)
            }
            (false, Some((_, said))) => {
                self.alarms.bad = None;
                said.then_some(Alarm::Good)
            }
            (true, Some(_)) | (false, None) => None,
        }
    }
}

//! What three parties of one talk hear of each other, mixed: each the others, without itself. Owns who hears whom in which mode, the
//! beat of 10 ms on which voices are added up, and that a sum never clips; refuses packets and legs, which are `conference`'s.
//!
//! ```text
//!              hears   customer   representative   supervisor
//! customer               –            always          join
//! representative       always           –         whisper, join
//! supervisor           always         always            –
//! ```

use std::time::Duration;

use super::hearing::{Hearing, PAUSE_MS, START_MS};
use super::jitter::{Carries, Coded};
use super::playout::after;
use crate::audio::codec::{Encoder, Rate, band};
use crate::clock::Mono;
use crate::model::{LegId, SupervisorMode};
use crate::sdp::MediaPlan;

/// Voices are added up so much at a time: every packet time is a multiple of it.
const BEAT_MS: usize = 10;
/// After a sum that was too loud the gain comes back by this much a beat: whole in half a second at the most.
const RELEASE: f32 = 0.02;
/// A gain that falls does so within so many samples: at once is a click, later is too late.
const ATTACK: usize = 16;

/// A party of the talk, by its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Party {
    Customer,
    Representative,
    Supervisor,
}

impl Party {
    pub(super) const ALL: [Party; 3] = [Party::Customer, Party::Representative, Party::Supervisor];

    /// Whether it hears that one.
    pub(super) fn hears(self, mode: SupervisorMode, speaker: Party) -> bool {
        match (self, speaker) {
            (Party::Customer, Party::Supervisor) => mode == SupervisorMode::Join,
            (Party::Representative, Party::Supervisor) => mode != SupervisorMode::Listen,
            _ => self != speaker,
        }
    }

    /// Whether what it hears is a mix. A talker who does not hear the supervisor hears the other as without one.
    pub(super) fn hears_mix(self, mode: SupervisorMode) -> bool {
        self == Party::Supervisor || self.hears(mode, Party::Supervisor)
    }
}

/// A talk with a supervisor.
pub(super) struct Mixer {
    pub(super) mode: SupervisorMode,
    rate: Rate,
    due: Mono,
    seats: [Seat; 3],
    /// One sum, before it is made to fit.
    sum: Vec<i32>,
}

/// What the mixer has of one party.
struct Seat {
    leg: LegId,
    ear: Ear,
    /// What it says in this beat.
    said: Vec<i16>,
    mouth: Mouth,
}

/// A party's voice as it comes in.
struct Ear {
    hearing: Hearing,
    speaks: Speaks,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Speaks {
    /// Nothing comes.
    Pauses,
    /// From then on it is heard; nothing came for so many milliseconds.
    From { start: Mono, empty_ms: usize },
}

/// What goes out to a party.
struct Mouth {
    encoder: Encoder,
    ptime_ms: u16,
    /// Mixed and not yet sent.
    waits: Vec<i16>,
    limiter: Limiter,
}

impl Mixer {
    /// Of these three with what they agreed on, in the order of [`Party::ALL`].
    pub(super) fn new(now: Mono, mode: SupervisorMode, parties: [(LegId, &MediaPlan); 3]) -> Mixer {
        let narrow = parties.iter().all(|(_, plan)| band(plan.codec) == Rate::Hz8000);
        let rate = if narrow { Rate::Hz8000 } else { Rate::Hz16000 };
        let seats = parties.map(|(leg, plan)| Seat {
            leg,
            ear: Ear { hearing: Hearing::new(rate), speaks: Speaks::Pauses },
            said: Vec::new(),
            mouth: Mouth::new(plan, rate),
        });
        Mixer { mode, rate, due: now + beat(), seats, sum: Vec::new() }
    }

    /// Its legs, in the order of [`Party::ALL`].
    pub(super) fn legs(&self) -> [LegId; 3] {
        let [customer, representative, supervisor] = &self.seats;
        [customer.leg, representative.leg, supervisor.leg]
    }

    /// Which party a leg is.
    pub(super) fn party(&self, leg: LegId) -> Option<Party> {
        Party::ALL.into_iter().zip(&self.seats).find(|(_, seat)| seat.leg == leg).map(|(party, _)| party)
    }

    /// When voices are added up next.
    pub(super) fn due(&self) -> Mono {
        self.due
    }

    /// A packet of a party came.
    pub(super) fn hear(&mut self, now: Mono, party: Party, packet: &Coded<'_>, fresh: bool) {
        let ear = &mut self.seat(party).ear;
        if fresh {
            ear.hearing.new_source();
        }
        ear.hearing.put(packet);
        if ear.speaks == Speaks::Pauses && packet.carries != Carries::Quiet {
            let start = now + Duration::from_millis(u64::from(START_MS));
            ear.speaks = Speaks::From { start, empty_ms: 0 };
            ear.hearing.starts();
        }
    }

    /// What a party is to hear begins anew: with another agreement, or after it heard something else.
    pub(super) fn begins(&mut self, party: Party, plan: &MediaPlan) {
        let rate = self.rate;
        self.seat(party).mouth = Mouth::new(plan, rate);
    }

    /// Something of this party has been heard, and it goes on.
    pub(super) fn speaks(&self, party: Party) -> bool {
        self.seats.get(party as usize).is_some_and(|seat| seat.ear.speaks != Speaks::Pauses)
    }

    /// Adds the voices of one beat up for everybody who hears a mix.
    pub(super) fn beat(&mut self, now: Mono) {
        let samples = self.rate.samples(BEAT_MS);
        for seat in &mut self.seats {
            seat.ear.say(now, samples, &mut seat.said);
        }
        for listener in Party::ALL.into_iter().filter(|party| party.hears_mix(self.mode)) {
            self.sum.clear();
            self.sum.resize(samples, 0);
            for (speaker, seat) in Party::ALL.into_iter().zip(&self.seats) {
                if listener.hears(self.mode, speaker) {
                    self.sum.iter_mut().zip(&seat.said).for_each(|(sum, said)| *sum += i32::from(*said));
                }
            }
            if let Some(seat) = self.seats.get_mut(listener as usize) {
                seat.mouth.limiter.fit(&self.sum, &mut seat.mouth.waits);
            }
        }
        self.due = after(self.due, beat(), now);
    }

    /// The next packet to a party, which loses so many percent of them, if enough was mixed for one: its payload is appended. Its
    /// length in ticks of the codec's clock.
    pub(super) fn packet(&mut self, party: Party, loss: u8, payload: &mut Vec<u8>) -> Option<u32> {
        let wanted = self.rate.samples(usize::from(self.seat(party).mouth.ptime_ms));
        let mouth = &mut self.seat(party).mouth;
        mouth.encoder.expect_loss(loss);
        mouth.encoder.encode(mouth.waits.get(..wanted)?, payload);
        mouth.waits.drain(..wanted);
        Some(u32::from(mouth.ptime_ms) * (mouth.encoder.codec().clock_hz() / 1000))
    }

    fn seat(&mut self, party: Party) -> &mut Seat {
        let [customer, representative, supervisor] = &mut self.seats;
        match party {
            Party::Customer => customer,
            Party::Representative => representative,
            Party::Supervisor => supervisor,
        }
    }
}

impl Ear {
    /// What is said in this beat.
    fn say(&mut self, now: Mono, samples: usize, said: &mut Vec<i16>) {
        said.clear();
        if let Speaks::From { start, empty_ms } = self.speaks
            && now >= start
        {
            let missing = self.hearing.take(BEAT_MS, |heard| said.extend_from_slice(heard));
            let empty_ms = if missing == 0 { 0 } else { empty_ms + missing };
            self.speaks = Speaks::From { start, empty_ms };
            if empty_ms >= PAUSE_MS {
                self.hearing.pauses();
                self.speaks = Speaks::Pauses;
            }
        }
        said.resize(samples, 0);
    }
}

impl Mouth {
    fn new(plan: &MediaPlan, rate: Rate) -> Mouth {
        let ptime_ms = plan.codec.packet_ms(plan.ptime_ms);
        Mouth { encoder: Encoder::new(plan.codec, rate), ptime_ms, waits: Vec::new(), limiter: Limiter::default() }
    }
}

/// Makes sums fit 16 bits: what is too loud is turned down before it clips, and slowly up again.
struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Limiter {
        Limiter { gain: 1.0 }
    }
}

impl Limiter {
    fn fit(&mut self, sums: &[i32], out: &mut Vec<i16>) {
        let peak = sums.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or(0) as f32;
        // The cast saturates the one value that is too many above.
        let most = -f32::from(i16::MIN);
        let bound = if peak > most { most / peak } else { 1.0 };
        let (before, gain) = (self.gain, bound.min(self.gain + RELEASE));
        self.gain = gain;
        if before >= 1.0 && gain >= 1.0 {
            return out.extend(sums.iter().map(|sum| fitted(*sum as f32)));
        }
        let ramp = if gain < before { ATTACK.min(sums.len()) } else { sums.len() }.max(1);
        out.extend(sums.iter().enumerate().map(|(n, sum)| {
            let along = (n + 1).min(ramp) as f32 / ramp as f32;
            fitted(*sum as f32 * (before + (gain - before) * along))
        }));
    }
}

/// Saturates.
fn fitted(sample: f32) -> i16 {
    sample as i16
}

fn beat() -> Duration {
    Duration::from_millis(BEAT_MS as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_whom_is_this_table() {
        use Party::{Customer, Representative, Supervisor};
        let heard = |mode, listener: Party| -> Vec<Party> {
            Party::ALL.into_iter().filter(|speaker| listener.hears(mode, *speaker)).collect()
        };
        for mode in SupervisorMode::ALL {
            assert_eq!(heard(mode, Supervisor), [Customer, Representative]);
        }
        assert_eq!(heard(SupervisorMode::Listen, Customer), [Representative]);
        assert_eq!(heard(SupervisorMode::Listen, Representative), [Customer]);
        assert_eq!(heard(SupervisorMode::Whisper, Customer), [Representative]);
        assert_eq!(heard(SupervisorMode::Whisper, Representative), [Customer, Supervisor]);
        assert_eq!(heard(SupervisorMode::Join, Customer), [Representative, Supervisor]);
        assert_eq!(heard(SupervisorMode::Join, Representative), [Customer, Supervisor]);
    }

    #[test]
    fn a_sum_that_fits_is_left_as_it_is() {
        let mut out = Vec::new();
        let sums = [-32_768, -1, 0, 1, 32_767];
        Limiter::default().fit(&sums, &mut out);
        assert_eq!(out, [-32_768, -1, 0, 1, 32_767]);
    }

    #[test]
    fn two_loud_voices_are_turned_down_and_not_clipped_and_up_again_slowly() {
        let mut limiter = Limiter::default();
        let loud: Vec<i32> = (0..80).map(|n| if n % 2 == 0 { 60_000 } else { -60_000 }).collect();
        for _ in 0..3 {
            limiter.fit(&loud, &mut Vec::new());
        }
        let mut out = Vec::new();
        limiter.fit(&loud, &mut out);
        // A flat top would be clipping; this is the same wave, smaller.
        assert!(out.iter().all(|sample| sample.unsigned_abs() >= 32_000), "{out:?}");
        let quiet = vec![1000; 80];
        let mut gains = Vec::new();
        for _ in 0..40 {
            let mut out = Vec::new();
            limiter.fit(&quiet, &mut out);
            gains.push(*out.last().unwrap());
        }
        assert!(gains.windows(2).all(|pair| pair[0] <= pair[1]), "{gains:?}");
        assert!(gains[0] < 600 && *gains.last().unwrap() == 1000, "{gains:?}");
    }
}

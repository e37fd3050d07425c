//! What a leg's media is like: from our counters and the peer's reports to loss, round trip and opinion score, every five seconds
//! and over the leg. Owns these sums; refuses when reports leave and whose are taken.

use std::time::Duration;

use super::emodel;
use super::leg::Leg;
use crate::clock::Mono;
use crate::model::{Codec, Heard, Quality, Sample};
use crate::rtp::rtcp::Block;

/// Between two samples.
pub(super) const SAMPLE: Duration = Duration::from_secs(5);
/// What is left of an expected loss after a report that speaks of less: networks that lost come back to it.
const FORGETS: f32 = 0.7;
/// A round trip beyond this is no measurement: a peer's clock, or a lie.
const LONGEST_TRIP: i32 = 30 << 16;
/// So much less than nothing is the coarseness of clocks, in 1/65536 s.
const COARSE: i32 = -(65_536 / 50);

/// A leg's figures so far.
pub(super) struct Figures {
    /// The next sample is taken then.
    pub(super) due: Mono,
    /// Received and lost at the last sample.
    before: (u64, u64),
    peer: Option<Peer>,
    /// What the peer lost of sources of ours that are over; none: it never said.
    lost_before: Option<u64>,
    /// Percent that the peer loses of our packets: of its last report, or less and less of an earlier one.
    expected_loss: f32,
    trip: Tally,
    last_trip: Option<f32>,
    came: Tally,
    went: Tally,
}

/// What the peer says of our packets.
struct Peer {
    lost: u64,
    highest: u32,
    jitter_ms: f32,
    /// Lost and expected of its reports since the last sample.
    since: (f64, f64),
}

/// Many figures, of which the sum and the worst are kept.
#[derive(Clone, Copy, Default)]
struct Tally {
    sum: f64,
    count: u32,
    worst: f32,
}

impl Tally {
    fn add(&mut self, value: f32, worse: fn(f32, f32) -> f32) {
        self.worst = if self.count == 0 { value } else { worse(self.worst, value) };
        self.sum += f64::from(value);
        self.count += 1;
    }

    /// Average and worst, to two decimals.
    fn told(&self) -> (Option<f32>, Option<f32>) {
        let round = |value: f64| ((value * 100.0).round() / 100.0) as f32;
        match self.count {
            0 => (None, None),
            count => (Some(round(self.sum / f64::from(count))), Some(round(f64::from(self.worst)))),
        }
    }
}

impl Figures {
    pub(super) fn new(now: Mono) -> Figures {
        Figures {
            due: now + SAMPLE,
            before: (0, 0),
            peer: None,
            lost_before: None,
            expected_loss: 0.0,
            trip: Tally::default(),
            last_trip: None,
            came: Tally::default(),
            went: Tally::default(),
        }
    }

    /// The peer's next reports are about another source of ours.
    pub(super) fn new_source(&mut self) {
        if let Some(peer) = self.peer.take() {
            self.lost_before = Some(self.lost_before.unwrap_or(0) + peer.lost);
        }
    }

    /// Lost of all that we sent, by the peer's reports.
    fn peer_lost(&self) -> Option<u64> {
        let lost = self.peer.as_ref().map(|peer| peer.lost);
        if lost.is_none() { self.lost_before } else { Some(lost.unwrap_or(0) + self.lost_before.unwrap_or(0)) }
    }

    /// Percent of our packets that will not arrive, as far as the last reports tell.
    pub(super) fn expected_loss(&self) -> u8 {
        self.expected_loss.round() as u8
    }

    /// A peer's report about our packets; `here` is the middle of our own time (RFC 3550 §6.4.1).
    pub(super) fn hear(&mut self, block: &Block, here: u32, clock_hz: u32) {
        let lost = u64::from(block.lost.max(0).unsigned_abs());
        let jitter_ms = block.jitter as f32 / (clock_hz as f32 / 1000.0);
        let share = f64::from(block.fraction) / 256.0;
        self.expected_loss = (share as f32 * 100.0).max(self.expected_loss * FORGETS);
        let known = self.peer.take().filter(|known| block.highest.wrapping_sub(known.highest).cast_signed() >= 0);
        let (lost_now, expected) = match &known {
            // What it says over all is finer than its share, which is rounded down.
            Some(known) => (lost as f64 - known.lost as f64, f64::from(block.highest.wrapping_sub(known.highest))),
            // How much it expected is not said: as much as it lost says, of a hundred.
            None => (share * 100.0, 100.0),
        };
        let (lost_before, expected_before) = known.map_or((0.0, 0.0), |known| known.since);
        let since = (lost_before + lost_now.max(0.0), expected_before + expected);
        self.peer = Some(Peer { lost, highest: block.highest, jitter_ms, since });
        if block.last_report == 0 {
            return;
        }
        let trip = here.wrapping_sub(block.last_report).wrapping_sub(block.delay).cast_signed();
        if (COARSE..=LONGEST_TRIP).contains(&trip) {
            let ms = (f64::from(trip.max(0)) * 1000.0 / 65_536.0) as f32;
            self.trip.add(ms, f32::max);
            self.last_trip = Some(ms);
        }
    }

    /// Five seconds are over. Where nothing was to come, nothing is said of it.
    fn sample(&mut self, codec: Codec, ptime_ms: u16, (received, lost, jitter_ms): (u64, u64, f32)) -> Sample {
        let before = std::mem::replace(&mut self.before, (received, lost));
        let missing = lost.saturating_sub(before.1) as f64;
        let expected = (received + lost).saturating_sub(before.0 + before.1) as f64;
        let half_trip = Duration::from_secs_f32(self.last_trip.unwrap_or(0.0) / 2000.0);
        let judge = |(missing, expected): (f64, f64), jitter_ms: f32, tally: &mut Tally| {
            if expected <= 0.0 {
                return Heard::UNKNOWN;
            }
            let share = (missing / expected).clamp(0.0, 1.0);
            // Whoever hears it waits for a whole packet, and twice the jitter for late ones.
            let waits_ms = f32::from(ptime_ms) + 2.0 * jitter_ms.clamp(0.0, 1000.0);
            let mos = emodel::mos(codec, half_trip + Duration::from_secs_f32(waits_ms / 1000.0), share);
            tally.add(mos, f32::min);
            Heard::new(share, jitter_ms, mos)
        };
        let came = judge((missing, expected), jitter_ms, &mut self.came);
        let went = match &mut self.peer {
            Some(peer) => judge(std::mem::take(&mut peer.since), peer.jitter_ms, &mut self.went),
            None => Heard::UNKNOWN,
        };
        Sample::new(came, went, self.last_trip)
    }
}

impl Leg {
    /// A sample, if it is time for one.
    pub(super) fn sample(&mut self, now: Mono) -> Option<Sample> {
        let measured = (self.receiver.received(), self.receiver.lost(), self.receiver.jitter_ms());
        let plan = self.agreed.as_ref().map(|agreed| (agreed.plan.codec, agreed.plan.ptime_ms))?;
        let figures = &mut self.reports.as_mut().filter(|reports| reports.figures.due <= now)?.figures;
        figures.due = now + SAMPLE;
        Some(figures.sample(plan.0, plan.1, measured))
    }

    /// All that was measured so far.
    pub(super) fn quality(&self) -> Quality {
        let of_packets = Quality {
            packets_received: self.receiver.received(),
            packets_sent: self.sender.sent(),
            packets_lost: self.receiver.lost(),
            packets_refused: self.refused,
            jitter_ms: self.receiver.jitter_ms(),
            ..Quality::default()
        };
        let Some(reports) = &self.reports else { return of_packets };
        let (reports_received, reports_refused) = reports.counted();
        let figures = &reports.figures;
        let (round_trip_ms, round_trip_worst_ms) = figures.trip.told();
        let (mos, mos_worst) = figures.came.told();
        let (peer_mos, peer_mos_worst) = figures.went.told();
        Quality {
            peer_packets_lost: figures.peer_lost(),
            peer_jitter_ms: figures.peer.as_ref().map(|peer| peer.jitter_ms),
            round_trip_ms,
            round_trip_worst_ms,
            mos,
            mos_worst,
            peer_mos,
            peer_mos_worst,
            bad_seconds: self.bad_for.as_secs(),
            reports_received,
            reports_refused,
            ..of_packets
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(lost: i32, highest: u32, fraction: u8) -> Block {
        Block { ssrc: 1, fraction, lost, highest, jitter: 80, last_report: 0, delay: 0 }
    }

    #[test]
    fn the_round_trip_is_what_the_peer_did_not_keep_the_report_for() {
        let mut figures = Figures::new(Mono(0));
        let heard = Block { last_report: 0x0001_0000, delay: 0x0000_8000, ..block(0, 1, 0) };
        // A second later, half of which it was kept.
        figures.hear(&heard, 0x0002_0000, 8000);
        assert_eq!(figures.trip.told(), (Some(500.0), Some(500.0)));
        // 10 ms less than nothing, then an hour, then before there was one: the first is nothing, the others no figures.
        figures.hear(&Block { delay: 0x0001_0000 + 655, ..heard }, 0x0002_0000, 8000);
        figures.hear(&Block { last_report: 0x0001_0000, delay: 0, ..heard }, 0x0e10_0000, 8000);
        figures.hear(&block(0, 1, 0), 0x0002_0000, 8000);
        assert_eq!((figures.trip.count, figures.last_trip), (2, Some(0.0)));
    }

    #[test]
    fn loss_at_the_peer_is_of_the_time_since_the_last_sample() {
        let mut figures = Figures::new(Mono(0));
        figures.hear(&block(0, 1000, 0), 0, 8000);
        let first = figures.sample(Codec::Pcmu, 20, (250, 0, 0.0));
        assert_eq!((first.went.lost_percent(), first.went.jitter_ms()), (Some(0.0), Some(10.0)));
        figures.hear(&block(25, 1250, 25), 0, 8000);
        let second = figures.sample(Codec::Pcmu, 20, (475, 25, 0.0));
        assert_eq!((second.went.lost_percent(), second.came.lost_percent()), (Some(10.0), Some(10.0)));
        assert!(second.mos().unwrap() < 3.7, "{:?}", second.mos());
        let third = figures.sample(Codec::Pcmu, 20, (725, 25, 0.0));
        assert_eq!((third.went.mos(), third.came.lost_percent()), (None, Some(0.0)), "no report, no word");
        let (average, worst) = figures.came.told();
        assert!(average.unwrap() > worst.unwrap());
    }

    #[test]
    fn what_was_lost_of_a_source_that_is_over_stays_lost_and_the_next_one_is_counted_from_its_own_numbers() {
        let mut figures = Figures::new(Mono(0));
        assert_eq!(figures.peer_lost(), None);
        figures.hear(&block(0, 60_000, 0), 0, 8000);
        figures.hear(&block(20, 60_200, 25), 0, 8000);
        figures.new_source();
        assert_eq!(figures.peer_lost(), Some(20));
        figures.hear(&block(0, 300, 0), 0, 48_000);
        figures.hear(&block(5, 400, 13), 0, 48_000);
        assert_eq!(figures.peer_lost(), Some(25));
    }

    #[test]
    fn loss_is_expected_as_the_last_report_says_and_forgotten_slowly() {
        let mut figures = Figures::new(Mono(0));
        assert_eq!(figures.expected_loss(), 0);
        figures.hear(&block(25, 1000, 26), 0, 48_000);
        assert_eq!(figures.expected_loss(), 10);
        let after = |figures: &mut Figures| {
            figures.hear(&block(25, 1000, 0), 0, 48_000);
            figures.expected_loss()
        };
        let told: Vec<u8> = (0..9).map(|_| after(&mut figures)).collect();
        assert_eq!(told, [7, 5, 3, 2, 2, 1, 1, 1, 0]);
    }

    #[test]
    fn a_leg_to_which_nothing_comes_has_no_score() {
        let mut figures = Figures::new(Mono(0));
        assert_eq!(figures.sample(Codec::Opus, 20, (0, 0, 0.0)).mos(), None);
        assert_eq!(figures.came.told(), (None, None));
    }
}

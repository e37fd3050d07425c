//! What a leg's media was like: the sums of a whole leg, and one sample of it. Owns their field names (contract.md), and that a
//! sample is small: a live call keeps some of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Wall;

/// What was measured on one leg's RTP, from our side; of what we sent, as the peer's RTCP reports say.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Quality {
    /// Packets taken from the peer.
    pub packets_received: u64,
    /// Packets sent to the peer.
    pub packets_sent: u64,
    /// Packets that never came, by sequence numbers (RFC 3550 A.3).
    pub packets_lost: u64,
    /// Packets refused: strangers, foreign SSRC, malformed.
    pub packets_refused: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f32,
    /// Packets of ours that the peer missed; unknown where it sends no reports.
    pub peer_packets_lost: Option<u64>,
    /// Jitter of ours at the peer, in milliseconds.
    pub peer_jitter_ms: Option<f32>,
    /// There and back, on average, in milliseconds.
    pub round_trip_ms: Option<f32>,
    /// The longest.
    pub round_trip_worst_ms: Option<f32>,
    /// Mean opinion score (G.107) of what came from the peer, on average, 1 to 4.5.
    pub mos: Option<f32>,
    /// The worst five seconds of it.
    pub mos_worst: Option<f32>,
    /// The same of what the peer heard of us.
    pub peer_mos: Option<f32>,
    /// The worst five seconds of that.
    pub peer_mos_worst: Option<f32>,
    /// Seconds in which the worse direction's score was bad (`[media] bad_mos`).
    pub bad_seconds: u64,
    /// RTCP packets taken from the peer.
    pub reports_received: u64,
    /// RTCP packets refused: strangers, malformed.
    pub reports_refused: u64,
}

/// What is wrong with a talk, or right again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// Nothing comes of this leg, and something of the other.
    OneWay,
    /// Nothing comes of either.
    Silence,
    /// This leg is heard again.
    Heard,
    /// Its sound has been bad for some time.
    Bad,
    /// And is good again.
    Good,
}

impl Alarm {
    /// All.
    pub const ALL: [Alarm; 5] = [Alarm::OneWay, Alarm::Silence, Alarm::Heard, Alarm::Bad, Alarm::Good];

    /// As it stands in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Alarm::OneWay => "one_way",
            Alarm::Silence => "silence",
            Alarm::Heard => "heard_again",
            Alarm::Bad => "bad",
            Alarm::Good => "good_again",
        }
    }
}

/// A sample as the leg object shows it: what is not known is left out.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = QualitySample)]
pub struct SampleView {
    /// The end of its five seconds.
    pub at: Wall,
    /// Of what came from the peer: percent lost, jitter, score.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lost_percent: Option<f64>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jitter_ms: Option<f64>,
    /// 1 to 4.5.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mos: Option<f64>,
    /// The same of what the peer heard.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub peer_lost_percent: Option<f64>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub peer_jitter_ms: Option<f64>,
    /// 1 to 4.5.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub peer_mos: Option<f64>,
    /// There and back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub round_trip_ms: Option<f64>,
}

/// Five seconds of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// What came from the peer.
    pub came: Heard,
    /// What the peer heard of us, by its last report.
    pub went: Heard,
    /// In milliseconds.
    round_trip: u16,
}

/// One direction in a sample, packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// In 1/10000.
    lost: u16,
    /// In 1/10 ms.
    jitter: u16,
    /// In 1/100.
    mos: u16,
}

/// No figure.
const UNKNOWN: u16 = u16::MAX;

impl Heard {
    /// Nothing is known.
    pub const UNKNOWN: Heard = Heard { lost: UNKNOWN, jitter: UNKNOWN, mos: UNKNOWN };

    /// The share lost, 0 to 1, jitter in milliseconds, the score.
    pub fn new(lost: f64, jitter_ms: f32, mos: f32) -> Heard {
        Heard {
            lost: pack(lost * 10_000.0),
            jitter: pack(f64::from(jitter_ms) * 10.0),
            mos: pack(f64::from(mos) * 100.0),
        }
    }

    /// Percent lost.
    pub fn lost_percent(&self) -> Option<f64> {
        unpack(self.lost).map(|lost| lost / 100.0)
    }

    /// Milliseconds.
    pub fn jitter_ms(&self) -> Option<f64> {
        unpack(self.jitter).map(|jitter| jitter / 10.0)
    }

    /// 1 to 4.5.
    pub fn mos(&self) -> Option<f64> {
        unpack(self.mos).map(|mos| mos / 100.0)
    }
}

impl Sample {
    /// Both directions, and the way there and back.
    pub fn new(came: Heard, went: Heard, round_trip_ms: Option<f32>) -> Sample {
        Sample { came, went, round_trip: round_trip_ms.map_or(UNKNOWN, |ms| pack(f64::from(ms))) }
    }

    /// Milliseconds.
    pub fn round_trip_ms(&self) -> Option<f64> {
        unpack(self.round_trip)
    }

    /// Its seven numbers, as they are stored: what came (lost, jitter, score), what went, the round trip.
    pub fn packed(&self) -> [u16; 7] {
        let Sample { came, went, round_trip } = *self;
        [came.lost, came.jitter, came.mos, went.lost, went.jitter, went.mos, round_trip]
    }

    /// Reads [`Sample::packed`].
    pub fn of_packed(numbers: [u16; 7]) -> Sample {
        let [lost, jitter, mos, went_lost, went_jitter, went_mos, round_trip] = numbers;
        let came = Heard { lost, jitter, mos };
        Sample { came, went: Heard { lost: went_lost, jitter: went_jitter, mos: went_mos }, round_trip }
    }

    /// As it is shown.
    pub fn view(&self, at: Wall) -> SampleView {
        let (came, went) = (&self.came, &self.went);
        SampleView {
            at,
            lost_percent: came.lost_percent(),
            jitter_ms: came.jitter_ms(),
            mos: came.mos(),
            peer_lost_percent: went.lost_percent(),
            peer_jitter_ms: went.jitter_ms(),
            peer_mos: went.mos(),
            round_trip_ms: self.round_trip_ms(),
        }
    }

    /// The worse direction's score.
    pub fn mos(&self) -> Option<f64> {
        match (self.came.mos(), self.went.mos()) {
            (Some(came), Some(went)) => Some(came.min(went)),
            (came, went) => came.or(went),
        }
    }
}

/// What does not fit is the largest that does.
fn pack(value: f64) -> u16 {
    // A cast saturates, and what is no number becomes 0.
    (value.round() as u16).min(UNKNOWN - 1)
}

fn unpack(value: u16) -> Option<f64> {
    (value != UNKNOWN).then_some(f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_tells_what_is_known_and_is_small() {
        let came = Heard::new(0.0123, 4.56, 4.41);
        let sample = Sample::new(came, Heard::UNKNOWN, Some(31.4));
        assert_eq!((came.lost_percent(), came.jitter_ms(), came.mos()), (Some(1.23), Some(4.6), Some(4.41)));
        assert_eq!((sample.went.mos(), sample.mos(), sample.round_trip_ms()), (None, Some(4.41), Some(31.0)));
        assert_eq!(Sample::new(came, came, None).round_trip_ms(), None);
        assert!(size_of::<Sample>() <= 16);
    }

    #[test]
    fn figures_beyond_all_measure_stay_figures() {
        let wild = Heard::new(f64::NAN, f32::INFINITY, -3.0);
        assert_eq!((wild.lost_percent(), wild.jitter_ms(), wild.mos()), (Some(0.0), Some(6553.4), Some(0.0)));
    }

    #[test]
    fn a_record_of_before_reads_without_the_new_figures() {
        let old = r#"{"packets_received":1,"packets_sent":2,"packets_lost":3,"packets_refused":4,"jitter_ms":0.5}"#;
        let quality: Quality = serde_json::from_str(old).unwrap();
        assert_eq!((quality.packets_lost, quality.mos), (3, None));
    }
}

//! Quality of talks as histograms. Owns their names and buckets: fixed, whatever calls there are.

use metrics::{Histogram, Unit, describe_counter, describe_histogram, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use crate::model::Sample;

const MOS: &[f64] = &[1.5, 2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.2, 4.4];
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.4, 0.8, 1.5];
const RATIO: &[f64] = &[0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

const NAMES: [(&str, &[f64]); 3] =
    [("callbridge_mos", MOS), ("callbridge_round_trip_seconds", SECONDS), ("callbridge_rtp_loss_ratio", RATIO)];

/// The histograms.
pub(super) struct SampleMetrics {
    mos: Histogram,
    trip: Histogram,
    loss: [Histogram; 2],
}

/// Their buckets.
pub(super) fn buckets(builder: PrometheusBuilder) -> PrometheusBuilder {
    let add = |builder: PrometheusBuilder, (name, bounds): (&str, &[f64])| {
        // The only error is an empty list of buckets.
        builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds).unwrap_or_default()
    };
    NAMES.into_iter().fold(builder, add)
}

pub(super) fn describe() {
    describe_histogram!("callbridge_mos", "Opinion score of the worse direction of a leg, every five seconds.");
    describe_histogram!(
        "callbridge_round_trip_seconds",
        Unit::Seconds,
        "Round trip to a leg's peer, every five seconds."
    );
    describe_histogram!("callbridge_rtp_loss_ratio", "Share of packets lost on a leg in five seconds, by direction.");
    describe_counter!(
        "callbridge_audio_alarms_total",
        "Legs of which nothing came, or that sounded bad, and the ends of it."
    );
}

impl SampleMetrics {
    pub(super) fn new() -> SampleMetrics {
        let loss = |direction: &'static str| histogram!("callbridge_rtp_loss_ratio", "direction" => direction);
        SampleMetrics {
            mos: histogram!("callbridge_mos"),
            trip: histogram!("callbridge_round_trip_seconds"),
            loss: [loss("in"), loss("out")],
        }
    }

    /// Five seconds of a leg.
    pub(super) fn observe(&self, sample: &Sample) {
        if let Some(mos) = sample.mos() {
            self.mos.record(mos);
        }
        if let Some(ms) = sample.round_trip_ms() {
            self.trip.record(ms / 1000.0);
        }
        for (histogram, heard) in self.loss.iter().zip([&sample.came, &sample.went]) {
            if let Some(percent) = heard.lost_percent() {
                histogram.record(percent / 100.0);
            }
        }
    }
}

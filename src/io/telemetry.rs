//! Metrics and logs. Owns the contract's metric names and the log format; refuses numbers and passwords at INFO.

use std::sync::{Arc, OnceLock};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;
use crate::engine::api::Notice;
use crate::io::media_thread::MediaCounters;
use crate::model::CallState;
use crate::sip::api::{Note, Way};

/// The recorder behind /metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: Arc<PrometheusHandle>,
}

/// The process's metrics; made once.
pub fn metrics() -> Metrics {
    static HANDLE: OnceLock<Arc<PrometheusHandle>> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| {
        let seconds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets(&seconds).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("metrics are recorded elsewhere in this process");
        }
        describe();
        Arc::new(handle)
    });
    Metrics { handle: Arc::clone(handle) }
}

fn describe() {
    describe_counter!("callbridge_calls_total", "Calls ended, by outcome");
    describe_gauge!("callbridge_calls_active", "Calls alive, by state");
    describe_histogram!("callbridge_setup_seconds", "From the accepted message (or its time) to the customer's INVITE");
    describe_histogram!("callbridge_bridge_seconds", "From the representative's answer to the first relayed packet");
    describe_counter!("callbridge_rtp_packets_total", "RTP packets, by direction and what became of them");
    describe_gauge!("callbridge_rtp_ports_in_use", "RTP ports in use");
    describe_counter!("callbridge_sip_messages_total", "SIP messages, by direction, method and status");
    describe_counter!("callbridge_http_requests_total", "HTTP requests, by route and status");
    describe_counter!("callbridge_rejected_total", "What was refused, by reason");
    describe_gauge!("callbridge_inbox_depth", "Requests that wait for the engine");
}

impl Metrics {
    /// Counts and logs one notice of the engine.
    pub fn observe(&self, notice: &Notice) {
        match notice {
            Notice::SipReceived(note) => self.sip(note),
            Notice::SipRefused(why) => counter!("callbridge_rejected_total", "reason" => why.as_str()).increment(1),
            Notice::Refused(refusal) => {
                counter!("callbridge_rejected_total", "reason" => refusal.reason()).increment(1);
                tracing::info!(reason = refusal.reason(), "initiation message refused");
            }
            Notice::State { call, from, to } => {
                if let Some(from) = from {
                    gauge!("callbridge_calls_active", "state" => from.as_str()).decrement(1.0);
                }
                if *to != CallState::Ended {
                    gauge!("callbridge_calls_active", "state" => to.as_str()).increment(1.0);
                }
                tracing::debug!(%call, state = to.as_str(), "state");
            }
            Notice::Ended { call, outcome } => {
                counter!("callbridge_calls_total", "outcome" => outcome.as_str()).increment(1);
                tracing::info!(%call, outcome = outcome.as_str(), "ended");
            }
            Notice::Setup { micros, .. } => histogram!("callbridge_setup_seconds").record(*micros as f64 / 1e6),
            Notice::FirstRelay { micros, .. } => histogram!("callbridge_bridge_seconds").record(*micros as f64 / 1e6),
            Notice::OneWayAudio { call } => tracing::warn!(%call, "no audio in one direction"),
            Notice::StoreRetry { call } => tracing::error!(%call, "the store refused; trying again"),
        }
    }

    /// Counts a SIP message.
    pub fn sip(&self, note: &Note) {
        let direction = match note.way {
            Way::In => "in",
            Way::Out => "out",
        };
        let status = note.status.map_or(String::new(), |status| status.to_string());
        counter!("callbridge_sip_messages_total", "direction" => direction, "method" => note.method, "status" => status)
            .increment(1);
    }

    /// Sets the inbox gauge.
    pub fn inbox_depth(&self, depth: usize) {
        gauge!("callbridge_inbox_depth").set(depth as f64);
    }

    /// Takes over what the media threads counted.
    pub fn media(&self, counters: &MediaCounters) {
        let packets = &counters.packets;
        let counted = [
            ("in", "taken", packets.taken),
            ("in", "refused", packets.refused),
            ("in", "early", packets.early),
            ("out", "relayed", packets.relayed),
            ("out", "played", packets.played),
        ];
        for (direction, result, count) in counted {
            counter!("callbridge_rtp_packets_total", "direction" => direction, "result" => result).absolute(count);
        }
        gauge!("callbridge_rtp_ports_in_use").set(counters.ports_in_use as f64);
    }

    /// The Prometheus text.
    pub fn render(&self) -> String {
        self.handle.render()
    }
}

/// Logs go to stderr, as text or JSON lines.
pub fn init_logging(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = if config.json { builder.json().try_init() } else { builder.with_ansi(false).try_init() };
    if let Err(error) = set {
        eprintln!("callbridge: logging stays as it was: {error}");
    }
}

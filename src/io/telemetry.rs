//! Metrics: the contract's names and labels, counted cheaply and rendered by our own `/metrics`.
//!
//! Owns every metric's help text and its labels (all bounded: no stranger can grow them). Logs are `logs`'s.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::sample_metrics::{self, SampleMetrics};
use super::{staff_metrics, switch_metrics};
use crate::engine::api::Notice;
use crate::io::media_thread::{BackEnd, MediaCounters};
use crate::model::{CallState, Outcome};
use crate::sip::api::{Note, RefusedWhy, Way};

/// Upper bounds in seconds of the two histograms.
const BUCKETS: &[f64] = &[0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Different (direction, method, status) counted apart; what comes after is counted with status `other`.
const MAX_SIP_SERIES: usize = 512;
/// Observations are moved into their buckets this often, so that they do not pile up while nobody looks.
const UPKEEP: Duration = Duration::from_secs(5);

type SipKey = (Way, &'static str, Option<u16>);

/// The process's metrics; cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    handle: PrometheusHandle,
    ended: HashMap<Outcome, Counter>,
    active: HashMap<CallState, Gauge>,
    setup: Histogram,
    bridge: Histogram,
    samples: SampleMetrics,
    inbox_depth: Gauge,
    ports_in_use: Gauge,
    packets: [Counter; 5],
    sip: Mutex<HashMap<SipKey, Counter>>,
}

/// The metrics of this process, installed at the first call.
pub fn metrics() -> Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(Metrics::install).clone()
}

impl Metrics {
    fn install() -> Metrics {
        let seconds = |builder: PrometheusBuilder, name: &str| {
            // The only error is an empty list of buckets.
            builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), BUCKETS).unwrap_or_default()
        };
        let builder = seconds(PrometheusBuilder::new(), "callbridge_setup_seconds");
        let recorder = sample_metrics::buckets(seconds(builder, "callbridge_bridge_seconds")).build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder of metrics is installed; /metrics will be empty");
        }
        describe();
        let upkeep = handle.clone();
        let keep = move || {
            loop {
                std::thread::sleep(UPKEEP);
                upkeep.run_upkeep();
            }
        };
        if let Err(error) = std::thread::Builder::new().name("metrics".into()).spawn(keep) {
            tracing::warn!(%error, "metrics are kept up only when they are read");
        }
        let packets = |direction: &'static str, result: &'static str| counter!("callbridge_rtp_packets_total", "direction" => direction, "result" => result);
        let ended = |outcome: &Outcome| (*outcome, counter!("callbridge_calls_total", "outcome" => outcome.as_str()));
        let active = |state: &CallState| (*state, gauge!("callbridge_calls_active", "state" => state.as_str()));
        Metrics(Arc::new(Inner {
            handle,
            ended: Outcome::ALL.iter().map(ended).collect(),
            active: CallState::ALL.iter().filter(|state| **state != CallState::Ended).map(active).collect(),
            setup: histogram!("callbridge_setup_seconds"),
            bridge: histogram!("callbridge_bridge_seconds"),
            samples: SampleMetrics::new(),
            inbox_depth: gauge!("callbridge_inbox_depth"),
            ports_in_use: gauge!("callbridge_rtp_ports_in_use"),
            packets: [
                packets("in", "taken"),
                packets("in", "refused"),
                packets("in", "early"),
                packets("out", "relayed"),
                packets("out", "played"),
            ],
            sip: Mutex::default(),
        }))
    }

    /// Counts what the engine noticed. Called on its thread: no allocation but for what is seen the first time.
    pub fn observe(&self, notice: &Notice) {
        let inner = &self.0;
        match notice {
            Notice::SipReceived(note) => self.sip(note),
            Notice::SipRefused(why) => rejected(why.as_str()),
            Notice::Refused(refusal) => rejected(refusal.reason()),
            Notice::State { from, to, .. } => {
                from.and_then(|state| inner.active.get(&state)).inspect(|gauge| gauge.decrement(1.0));
                inner.active.get(to).inspect(|gauge| gauge.increment(1.0));
            }
            Notice::Waiting(calls) => {
                let gauge = inner.active.get(&CallState::Scheduled);
                gauge.inspect(|gauge| gauge.increment(*calls as f64));
            }
            Notice::Ended(record, attempts) => {
                inner.ended.get(&record.outcome).inspect(|counter| counter.increment(1));
                for _ in attempts.iter().filter(|leg| leg.is_unrated()) {
                    counter!("callbridge_unrated_legs_total").increment(1);
                }
            }
            Notice::Setup { micros, .. } => inner.setup.record(seconds(*micros)),
            Notice::FirstRelay { micros, .. } => inner.bridge.record(seconds(*micros)),
            Notice::TransferRefused { why, .. } => rejected(why.as_str()),
            Notice::Measured { sample } => inner.samples.observe(sample),
            Notice::Alarm { alarm, .. } => {
                counter!("callbridge_audio_alarms_total", "alarm" => alarm.as_str()).increment(1);
            }
            Notice::LimitReached { limit, .. } => {
                counter!("callbridge_limits_reached_total", "limit" => limit.as_str()).increment(1);
            }
            Notice::OneWayAudio { .. } | Notice::Failover { .. } => {}
            Notice::LadderLost { .. } | Notice::StoreRetry { .. } => {}
            Notice::SwitchFailed { switch, reason } => switch_metrics::failed(switch, *reason),
            Notice::Switch { switch, up } => switch_metrics::is_up(switch, *up),
            Notice::Registration { switch, state } => switch_metrics::registered(switch, *state),
        }
    }

    /// Counts a SIP message, received or sent.
    pub fn sip(&self, note: &Note) {
        let key = (note.way, note.method, note.status);
        let mut series = self.0.sip.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = series.get(&key) {
            return counter.increment(1);
        }
        let direction = match note.way {
            Way::In => "in",
            Way::Out => "out",
        };
        let status = match note.status {
            None => String::new(),
            Some(_) if series.len() >= MAX_SIP_SERIES => String::from("other"),
            Some(status) => status.to_string(),
        };
        let counter = counter!("callbridge_sip_messages_total", "direction" => direction, "method" => note.method, "status" => status);
        counter.increment(1);
        if series.len() < MAX_SIP_SERIES {
            series.insert(key, counter);
        }
    }

    /// Requests that wait for the engine.
    pub fn inbox_depth(&self, depth: usize) {
        self.0.inbox_depth.set(f64::from(u32::try_from(depth).unwrap_or(u32::MAX)));
    }

    /// What the media threads have counted since their start, and the ports bound now.
    pub fn media(&self, counters: &MediaCounters) {
        let packets = &counters.packets;
        let values = [packets.taken, packets.refused, packets.early, packets.relayed, packets.played];
        self.0.packets.iter().zip(values).for_each(|(counter, value)| counter.absolute(value));
        self.0.ports_in_use.set(counters.ports_in_use as f64);
        gauge!("callbridge_media_busy_ratio").set(counters.busy_permille as f64 / 1000.0);
        gauge!("callbridge_media_late_seconds").set(seconds(counters.late_micros));
        gauge!("callbridge_media_tick_seconds").set(seconds(counters.tick_micros));
        gauge!("callbridge_media_full").set(f64::from(u8::from(counters.full)));
        for back_end in BackEnd::ALL {
            let taken = counters.back_end == Some(back_end);
            gauge!("callbridge_rtp_io", "way" => back_end.as_str()).set(f64::from(u8::from(taken)));
        }
    }

    /// The Prometheus text.
    pub fn render(&self) -> String {
        self.0.handle.render()
    }
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

/// Counts SIP that got nowhere, where the engine did not see it.
pub fn refused(why: RefusedWhy, count: u64) {
    counter!("callbridge_rejected_total", "reason" => why.as_str()).increment(count);
}

fn rejected(reason: &'static str) {
    counter!("callbridge_rejected_total", "reason" => reason).increment(1);
}

fn describe() {
    switch_metrics::describe();
    staff_metrics::describe();
    sample_metrics::describe();
    super::webhooks::describe();
    describe_counter!("callbridge_calls_total", "Calls ended, by outcome.");
    describe_gauge!("callbridge_calls_active", "Calls that have not ended, by state.");
    describe_histogram!(
        "callbridge_setup_seconds",
        Unit::Seconds,
        "Message accepted, or its time come, to the customer's INVITE."
    );
    describe_histogram!(
        "callbridge_bridge_seconds",
        Unit::Seconds,
        "The representative's answer to the first relayed packet."
    );
    describe_counter!("callbridge_rtp_packets_total", "RTP packets, by direction and what became of them.");
    describe_gauge!("callbridge_rtp_ports_in_use", "RTP ports bound now.");
    describe_gauge!(
        "callbridge_media_busy_ratio",
        "Share of a core that the busiest media thread used in its last second."
    );
    describe_gauge!(
        "callbridge_media_late_seconds",
        Unit::Seconds,
        "How late the ticks of a media thread began in its last second, on average."
    );
    describe_gauge!(
        "callbridge_media_tick_seconds",
        Unit::Seconds,
        "How often a media thread looks at its packets: the longest tick of all threads."
    );
    describe_gauge!("callbridge_media_full", "1 while new calls are refused because a media thread is full.");
    describe_gauge!("callbridge_rtp_io", "1 for the way that RTP gets in and out.");
    describe_counter!(
        "callbridge_sip_messages_total",
        "SIP messages, by direction, method and status (empty: a request)."
    );
    describe_counter!("callbridge_http_requests_total", "HTTP requests, by route and status.");
    describe_counter!("callbridge_rejected_total", "Messages and datagrams not accepted, by reason.");
    describe_gauge!("callbridge_inbox_depth", "Requests that wait for the engine.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::media::Counters;
    use crate::model::CallId;

    #[test]
    fn every_notice_is_found_under_the_contracts_names() {
        let metrics = metrics();
        let call = CallId::new(Wall(0), [1; 10]);
        let states = [None, Some(CallState::Queued), Some(CallState::CallingCustomer)];
        for (from, to) in states.into_iter().zip([CallState::Queued, CallState::CallingCustomer, CallState::Ended]) {
            metrics.observe(&Notice::State { call, from, to });
        }
        metrics.observe(&Notice::Ended(Box::new(crate::io::logs::tests::record(Outcome::CustomerBusy)), Vec::new()));
        metrics.observe(&Notice::Setup { call, micros: 1_500 });
        metrics.observe(&Notice::FirstRelay { call, micros: 1_500 });
        metrics.observe(&Notice::SipReceived(Note::new(Way::In, "INVITE", Some(486), None)));
        metrics.sip(&Note::new(Way::Out, "INVITE", None, None));
        metrics.observe(&Notice::SipRefused(crate::sip::api::RefusedWhy::Stranger));
        metrics.inbox_depth(3);
        let packets = Counters { relayed: 7, ..Counters::default() };
        let back_end = Some(BackEnd::OneSocket);
        metrics.media(&MediaCounters { packets, ports_in_use: 4, back_end, ..MediaCounters::default() });
        let text = metrics.render();
        for line in [
            "callbridge_calls_total{outcome=\"customer_busy\"} 1",
            "callbridge_calls_active{state=\"calling_customer\"} 0",
            "callbridge_setup_seconds_bucket{le=\"0.002\"} 1",
            "callbridge_bridge_seconds_count 1",
            "callbridge_sip_messages_total{direction=\"in\",method=\"INVITE\",status=\"486\"} 1",
            "callbridge_sip_messages_total{direction=\"out\",method=\"INVITE\",status=\"\"} 1",
            "callbridge_rejected_total{reason=\"sip_stranger\"} 1",
            "callbridge_inbox_depth 3",
            "callbridge_rtp_packets_total{direction=\"out\",result=\"relayed\"} 7",
            "callbridge_rtp_ports_in_use 4",
            "callbridge_rtp_io{way=\"one-socket\"} 1",
            "callbridge_rtp_io{way=\"portable\"} 0",
            "callbridge_media_tick_seconds 0",
            "callbridge_media_full 0",
            "# HELP callbridge_setup_seconds ",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}

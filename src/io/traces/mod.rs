//! Calls as OpenTelemetry traces: each call that has ended, by OTLP over HTTP to the collector of `[traces]`.
//!
//! Owns the bounded queue and the task behind it: a slow or dead collector costs traces (counted), never the engine's time. Refuses
//! to keep them over a restart: the record is what is never lost. Without `[traces]` none of this exists.

mod post;
mod spans;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use metrics::{Counter, counter, describe_counter};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::post::{Collector, Posted};
use crate::config::TracesConfig;
use crate::engine::api::Notice;
use crate::io::tls::TlsError;
use crate::model::{AttemptRecord, CallId, CallRecord};

/// Calls that may wait for the collector.
const QUEUE: usize = 4096;
/// Calls in one request.
const BATCH: usize = 256;
/// A call waits so long for others to travel with.
const GATHER: Duration = Duration::from_secs(1);
/// Tries of one request, and the wait before the second; each further one is twice as long.
const TRIES: u32 = 4;
const AGAIN: Duration = Duration::from_secs(1);
/// At the end what waits is sent within this time, or not at all.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// `[traces] ca` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("[traces] ca: {0}")]
pub struct TracesError(#[from] TlsError);

/// A call that waits.
struct Ended {
    record: Box<CallRecord>,
    attempts: Vec<AttemptRecord>,
}

/// Where calls are handed in: on the engine's thread.
#[derive(Clone)]
pub struct TraceSink {
    queue: Sender<Ended>,
    sample_percent: u8,
    dropped: Counter,
}

impl TraceSink {
    /// Takes what has ended, if its call is one of the sample; never waits.
    pub fn notice(&self, notice: &Notice) {
        let Notice::Ended(record, attempts) = notice else { return };
        if !is_sampled(record.call_id, self.sample_percent) {
            return;
        }
        let ended = Ended { record: record.clone(), attempts: attempts.clone() };
        if self.queue.try_send(ended).is_err() {
            self.dropped.increment(1);
        }
    }
}

/// Decided by the identifier's random part alone: every part of a system that knows it decides alike.
fn is_sampled(call: CallId, percent: u8) -> bool {
    call.as_u128() % 100 < u128::from(percent)
}

/// The exporter.
pub struct Traces {
    sink: TraceSink,
    task: JoinHandle<()>,
}

impl Traces {
    /// Starts the task. A collector that is not there yet is no error.
    pub fn start(config: &TracesConfig) -> Result<Traces, TracesError> {
        describe_counter!("callbridge_traces_total", "Calls as traces for the collector, by what became of them.");
        let collector = Collector::new(config)?;
        let counted = |result: &'static str| counter!("callbridge_traces_total", "result" => result);
        let (queue, waiting) = channel(QUEUE);
        let sink = TraceSink { queue, sample_percent: config.sample_percent, dropped: counted("dropped") };
        let exporter =
            Exporter { collector, service: config.service.clone(), sent: counted("sent"), lost: counted("dropped") };
        Ok(Traces { sink, task: tokio::spawn(exporter.run(waiting)) })
    }

    /// For the engine's thread.
    pub fn sink(&self) -> TraceSink {
        self.sink.clone()
    }

    /// Sends what waits, for a moment. Every other sink is gone by then.
    pub async fn stop(self) {
        let Traces { sink, mut task } = self;
        drop(sink);
        if timeout(LAST_WORDS, &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Exporter {
    collector: Collector,
    service: String,
    sent: Counter,
    lost: Counter,
}

impl Exporter {
    async fn run(mut self, mut waiting: Receiver<Ended>) {
        while let Some(first) = waiting.recv().await {
            let mut spans = spans::of_call(&first.record, &first.attempts);
            let mut calls = 1;
            let until = Instant::now() + GATHER;
            while calls < BATCH {
                let Ok(Some(next)) = timeout_at(until, waiting.recv()).await else { break };
                spans.extend(spans::of_call(&next.record, &next.attempts));
                calls += 1;
            }
            let counter = if self.send(spans).await { &self.sent } else { &self.lost };
            counter.increment(u64::try_from(calls).unwrap_or(u64::MAX));
        }
    }

    async fn send(&mut self, spans: Vec<Span>) -> bool {
        let body = Bytes::from(spans::request(&self.service, spans).encode_to_vec());
        let mut pause = AGAIN;
        for tried in 1..=TRIES {
            match self.collector.post(body.clone()).await {
                Posted::Taken => return true,
                Posted::Refused(status) => {
                    tracing::warn!(status, "the collector of traces refused them");
                    return false;
                }
                Posted::Later if tried == TRIES => {}
                Posted::Later => {
                    sleep(pause).await;
                    pause *= 2;
                }
            }
        }
        tracing::warn!("the collector of traces cannot be reached; traces are lost");
        false
    }
}

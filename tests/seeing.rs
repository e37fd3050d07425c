//! What one sees of the real daemon's calls: ladders, the capture for Homer, logs, metrics; each judged against what `sipp`
//! phones sent and received. Owns these stories; the stage is in tests/support.

#[allow(dead_code, reason = "every test program uses its part of the stage")]
mod support;

#[path = "seeing/dissected.rs"]
mod dissected;
#[path = "seeing/hep.rs"]
mod hep;
#[path = "seeing/ladder.rs"]
mod ladder;
#[path = "seeing/logs.rs"]
mod logs;
#[path = "seeing/metrics.rs"]
mod metrics;
#[path = "seeing/moments.rs"]
mod moments;
#[path = "seeing/quality.rs"]
mod quality;
#[path = "seeing/secrets.rs"]
mod secrets;
#[path = "seeing/traces.rs"]
mod traces;

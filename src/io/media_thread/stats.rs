//! What the media threads count, readable from anywhere. Owns the atomics; they are written by one thread each, relaxed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::choice::BackEnd;
use super::pressure::Load;
use crate::media::Counters;

/// One shard's figures.
#[derive(Default)]
pub(super) struct ShardStats {
    taken: AtomicU64,
    relayed: AtomicU64,
    played: AtomicU64,
    refused: AtomicU64,
    early: AtomicU64,
    legs: AtomicU64,
    cpu_nanos: AtomicU64,
    busy_permille: AtomicU64,
    late_micros: AtomicU64,
    tick_micros: AtomicU64,
    full: AtomicBool,
}

/// All shards' figures, and the port pool's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MediaCounters {
    /// Packets by what became of them.
    pub packets: Counters,
    /// Legs open.
    pub legs: u64,
    /// Ports bound.
    pub ports_in_use: u64,
    /// How datagrams get in and out; none before the start.
    pub back_end: Option<BackEnd>,
    /// Thousandths of a core that the busiest thread used in its last second.
    pub busy_permille: u64,
    /// How late the ticks of the latest thread began in its last second, on average, in microseconds.
    pub late_micros: u64,
    /// The longest tick that a thread goes by now, in microseconds.
    pub tick_micros: u64,
    /// Some thread wants no more calls.
    pub full: bool,
    /// CPU time of the media threads since their start.
    pub cpu: Duration,
}

impl ShardStats {
    pub(super) fn store(&self, counters: Counters, astray: u64, legs: usize) {
        let pairs = [
            (&self.taken, counters.taken),
            (&self.relayed, counters.relayed),
            (&self.played, counters.played),
            (&self.refused, counters.refused + astray),
            (&self.early, counters.early),
            (&self.legs, legs as u64),
        ];
        for (to, value) in pairs {
            to.store(value, Ordering::Relaxed);
        }
    }

    /// Reads the calling thread's CPU clock into the figures.
    pub(super) fn store_cpu(&self) -> Duration {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let nanos = spent.tv_sec.unsigned_abs() * 1_000_000_000 + spent.tv_nsec.unsigned_abs();
        self.cpu_nanos.store(nanos, Ordering::Relaxed);
        Duration::from_nanos(nanos)
    }

    /// What the last second was like, and the tick that follows from it.
    pub(super) fn store_load(&self, load: Load, tick: Duration) {
        self.tick_micros.store(u64::try_from(tick.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.busy_permille.store((load.busy * 1000.0) as u64, Ordering::Relaxed);
        self.late_micros.store(u64::try_from(load.late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.full.store(load.full, Ordering::Relaxed);
    }

    pub(super) fn add_to(&self, sum: &mut MediaCounters) {
        let read = |from: &AtomicU64| from.load(Ordering::Relaxed);
        sum.packets.taken += read(&self.taken);
        sum.packets.relayed += read(&self.relayed);
        sum.packets.played += read(&self.played);
        sum.packets.refused += read(&self.refused);
        sum.packets.early += read(&self.early);
        sum.legs += read(&self.legs);
        sum.busy_permille = sum.busy_permille.max(read(&self.busy_permille));
        sum.late_micros = sum.late_micros.max(read(&self.late_micros));
        sum.tick_micros = sum.tick_micros.max(read(&self.tick_micros));
        sum.full |= self.full.load(Ordering::Relaxed);
        sum.cpu += Duration::from_nanos(read(&self.cpu_nanos));
    }
}

//! One media thread: tick after tick, commands, datagrams, frames, events. Owns the beat; refuses the rules of media,
//! which are the shard's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use super::Sinks;
use super::backend::Batch;
use super::pace::Pace;
use super::ports::LegPort;
use super::pressure::{Load, Pressure};
use super::stats::ShardStats;
use crate::clock::Mono;
use crate::media::Shard;
use crate::media::api::Command;
use crate::model::LegId;

/// Ticks between two readings of the thread's CPU clock.
const CPU_EVERY: u32 = 16;

/// What a handle sends to its thread.
pub(super) enum Order {
    /// A leg with its port.
    Open { leg: LegId, port: LegPort },
    /// Anything else.
    Command(Command),
}

/// A media thread's belongings.
pub(super) struct Worker<B> {
    pub(super) shard: Shard,
    pub(super) batch: B,
    pub(super) beat: Beat,
}

/// What a worker shares with its handle, whatever its back end.
pub(super) struct Beat {
    pub(super) orders: Receiver<Order>,
    pub(super) asleep: Arc<AtomicBool>,
    pub(super) sinks: Sinks,
    pub(super) stats: Arc<ShardStats>,
    pub(super) pace: Pace,
    pub(super) pressure: Pressure,
}

impl Beat {
    /// The last second was like this.
    fn follow(&mut self, load: Load) {
        self.pace.follow(load.busy);
        self.stats.store_load(load, self.pace.tick());
    }
}

impl<B: Batch> Worker<B> {
    /// Runs until the handle is gone; then every leg is closed.
    pub(super) fn run(mut self) {
        let began = Instant::now();
        let mut due = Duration::ZERO;
        let mut ticks = 0u32;
        let mut open = true;
        while open {
            let now = moment(began);
            open = self.obey(now);
            let (shard, batch) = (&mut self.shard, &mut self.batch);
            batch.relay(|slot, half, from, bytes| shard.packet(now, slot, half, from, bytes));
            shard.tick(now, |way, datagram| batch.send(way, datagram));
            batch.flush();
            self.report();
            if self.beat.pressure.is_due(began.elapsed()) {
                let load = self.beat.pressure.judge(began.elapsed(), self.beat.stats.store_cpu());
                self.beat.follow(load);
            }
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(CPU_EVERY) {
                self.beat.stats.store_cpu();
            }
            if !open {
                break;
            }
            if self.shard.is_empty() {
                let load = self.beat.pressure.rest(began.elapsed(), self.beat.stats.store_cpu());
                self.beat.follow(load);
                self.sleep_while_empty(moment(began));
                due = began.elapsed();
            } else {
                due = self.wait(began, due);
            }
        }
        self.close_all(moment(began));
    }

    /// Obeys what waits in the ring. False: the handle is gone.
    fn obey(&mut self, now: Mono) -> bool {
        loop {
            match self.beat.orders.try_recv() {
                Ok(order) => self.obey_one(now, order),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn obey_one(&mut self, now: Mono, order: Order) {
        match order {
            Order::Open { leg, port } => {
                let Some(slot) = self.shard.open(leg) else { return };
                if self.batch.add(slot, port).is_err() {
                    // The engine was told a port: it hears that the leg is closed.
                    self.shard.command(now, Command::Close { leg });
                }
            }
            Order::Command(Command::Close { leg }) => {
                let slot = self.shard.slot(leg);
                let batch = &mut self.batch;
                self.shard.farewell(now, leg, |way, datagram| batch.send(way, datagram));
                self.shard.command(now, Command::Close { leg });
                if let Some(slot) = slot {
                    self.batch.remove(slot);
                }
            }
            Order::Command(Command::Agree { leg, plan }) => {
                self.shard.command(now, Command::Agree { leg, plan });
                if let Some(slot) = self.shard.slot(leg) {
                    self.batch.connect(slot, self.shard.connected(slot));
                }
            }
            Order::Command(command) => self.shard.command(now, command),
        }
    }

    fn report(&mut self) {
        while let Some(event) = self.shard.poll_event() {
            (self.beat.sinks.events)(event);
        }
        while let Some(piece) = self.shard.poll_recorded() {
            (self.beat.sinks.recordings)(piece);
        }
        self.beat.stats.store(self.shard.counters(), self.batch.astray(), self.shard.len());
    }

    /// Sleeps to the next beat. Beats that were missed are left out.
    fn wait(&mut self, began: Instant, last: Duration) -> Duration {
        let (elapsed, tick) = (began.elapsed(), self.beat.pace.tick());
        let mut due = last + tick;
        let missed_by = elapsed.saturating_sub(due);
        if due < elapsed {
            let missed = (elapsed - due).as_nanos() / tick.as_nanos().max(1);
            due += tick * (u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1);
        }
        std::thread::sleep(due - elapsed);
        self.beat.pressure.tick(missed_by + began.elapsed().saturating_sub(due));
        due
    }

    /// No leg: nothing to do before an order comes.
    fn sleep_while_empty(&mut self, now: Mono) {
        self.beat.asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        // An order sent before the flag could be seen wakes nobody: look once more.
        match self.beat.orders.try_recv() {
            Ok(order) => self.obey_one(now, order),
            Err(TryRecvError::Disconnected) => {}
            Err(TryRecvError::Empty) => self.batch.sleep(),
        }
        self.beat.asleep.store(false, Ordering::SeqCst);
    }

    fn close_all(&mut self, now: Mono) {
        for leg in self.shard.legs() {
            self.obey_one(now, Order::Command(Command::Close { leg }));
        }
        self.report();
        self.beat.stats.store_cpu();
    }
}

fn moment(began: Instant) -> Mono {
    // Half a million years fit.
    Mono(began.elapsed().as_micros() as u64)
}

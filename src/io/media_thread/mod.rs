//! The media threads: RTP sockets, the tick, batches; the portable back end. Owns threads, ports and the way between the
//! engine's thread and theirs; refuses the rules of media, which are [`crate::media`]'s. The shape follows performance.md:
//! wake-ups cost, not packets.
//!
//! [`MediaHandle::command`] binds a leg's port on the caller's thread and passes everything else through a bounded ring.
//! Events come back through a callback on the media thread, which **must not block**: a full ring makes the caller wait one
//! tick for the media thread, and the two must not wait for each other.

mod backend;
mod ports;
mod stats;
mod worker;

#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::TryRngCore;
use rand::rngs::OsRng;

use self::backend::{Portable, PortableParts};
use self::ports::Pool;
pub use self::stats::MediaCounters;
use self::stats::ShardStats;
use self::worker::{Order, Worker};
use crate::media::api::{Command, Event, OpenError, Prompts};
use crate::media::{Settings, Shard};
use crate::model::LegId;

/// Where events go; called on a media thread.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// `[media]`, as the threads need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaSettings {
    /// Bound, and put into SDP.
    pub address: IpAddr,
    /// First and last port; even ones are used.
    pub ports: (u16, u16),
    /// Media threads; at least one is started.
    pub threads: usize,
    /// Milliseconds from tick to tick: a divisor of 20.
    pub tick_ms: u16,
}

/// Orders waiting for one thread at most; it takes all of them each tick.
const RING: usize = 4096;

/// The media threads, as the engine's thread sees them. Dropping it closes every leg, reports each, and waits
/// for the threads.
pub struct MediaHandle {
    shards: Vec<ShardHandle>,
    pool: Pool,
}

struct ShardHandle {
    orders: Option<SyncSender<Order>>,
    asleep: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
    stats: Arc<ShardStats>,
    thread: Option<JoinHandle<()>>,
}

impl MediaHandle {
    /// Starts the threads.
    pub fn start(settings: MediaSettings, prompts: Arc<dyn Prompts>, events: EventSink) -> io::Result<MediaHandle> {
        let tick = Duration::from_millis(u64::from(settings.tick_ms.clamp(1, 20)));
        let shards = (0..settings.threads.max(1))
            .map(|index| ShardHandle::start(index, tick, Arc::clone(&prompts), Arc::clone(&events)))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(MediaHandle { shards, pool: Pool::new(settings.address, settings.ports) })
    }

    /// Obeys the engine. `Open` is answered at once ([`Event::Opened`] or [`Event::OpenFailed`]); everything else is
    /// `None` and takes effect within one tick.
    pub fn command(&self, command: Command) -> Option<Event> {
        match command {
            Command::Open { leg } => Some(self.open(leg)),
            Command::Bridge { a, .. } => self.pass(a, Order::Command(command)),
            Command::Agree { leg, .. }
            | Command::Play { leg, .. }
            | Command::WatchSilence { leg, .. }
            | Command::SendDigits { leg, .. }
            | Command::Pressed { leg, .. }
            | Command::HearKeys { leg }
            | Command::Close { leg } => self.pass(leg, Order::Command(command)),
        }
    }

    /// The figures now; CPU time is up to 16 ticks old.
    pub fn counters(&self) -> MediaCounters {
        let mut sum = MediaCounters { ports_in_use: self.pool.in_use() as u64, ..MediaCounters::default() };
        for shard in &self.shards {
            shard.stats.add_to(&mut sum);
        }
        sum
    }

    fn open(&self, leg: LegId) -> Event {
        match self.pool.open() {
            Ok((socket, local)) => {
                if self.shard(leg).is_some_and(|shard| shard.post(Order::Open { leg, socket })) {
                    Event::Opened { leg, local }
                } else {
                    Event::OpenFailed { leg, reason: OpenError::System }
                }
            }
            Err(reason) => Event::OpenFailed { leg, reason },
        }
    }

    fn pass(&self, leg: LegId, order: Order) -> Option<Event> {
        self.shard(leg)?.post(order);
        None
    }

    /// Both legs of a call are in one shard. The low half of a version 7 UUID is random.
    fn shard(&self, leg: LegId) -> Option<&ShardHandle> {
        let index = leg.call.as_u128() % self.shards.len().max(1) as u128;
        self.shards.get(index as usize)
    }
}

impl ShardHandle {
    fn start(index: usize, tick: Duration, prompts: Arc<dyn Prompts>, events: EventSink) -> io::Result<ShardHandle> {
        let mut seed = [0u8; 32];
        OsRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
        let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
        let wake = Arc::new(rustix::event::eventfd(0, flags)?);
        let (orders, ring) = sync_channel(RING);
        let asleep = Arc::new(AtomicBool::new(false));
        let stats = Arc::new(ShardStats::default());
        let portable = PortableParts::new(Arc::clone(&wake))?;
        let (flag, figures) = (Arc::clone(&asleep), Arc::clone(&stats));
        let run = move || {
            let worker = Worker {
                shard: Shard::new(prompts, Settings::default(), seed),
                batch: Portable::new(portable),
                orders: ring,
                asleep: flag,
                events,
                stats: figures,
                tick,
            };
            worker.run();
        };
        let thread = std::thread::Builder::new().name(format!("media-{index}")).spawn(run)?;
        Ok(ShardHandle { orders: Some(orders), asleep, wake, stats, thread: Some(thread) })
    }

    /// Puts an order into the ring; a full ring is waited for. False: the thread is gone.
    fn post(&self, order: Order) -> bool {
        let Some(orders) = &self.orders else { return false };
        let sent = match orders.try_send(order) {
            Ok(()) => true,
            Err(TrySendError::Full(order)) => orders.send(order).is_ok(),
            Err(TrySendError::Disconnected(_)) => false,
        };
        self.wake_if_asleep();
        sent
    }

    fn wake_if_asleep(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst) {
            // The counter cannot be full: it is written once per sleep.
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }
}

impl Drop for ShardHandle {
    fn drop(&mut self) {
        self.orders = None;
        self.wake_if_asleep();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by it.
            let _ = thread.join();
        }
    }
}

//! The media threads: RTP sockets, the tick, batches; the two back ends. Owns threads, ports and the way between the
//! engine's thread and theirs; refuses the rules of media, which are [`crate::media`]'s. The shape follows performance.md:
//! wake-ups cost, not packets.
//!
//! [`MediaHandle::command`] binds a leg's port on the caller's thread and passes everything else through a bounded ring.
//! Events come back through a callback on the media thread, which **must not block**: a full ring makes the caller wait one
//! tick for the media thread, and the two must not wait for each other.

mod backend;
mod bpf;
mod choice;
mod claim;
mod one_socket;
mod pace;
mod portable;
mod ports;
mod pressure;
mod raw;
mod stats;
mod steer;
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

use rand::TryRngCore;
use rand::rngs::OsRng;

pub use self::choice::{BackEnd, MediaError, Missing, would_take};
use self::choice::{Choice, choose};
use self::claim::Claim;
pub use self::claim::ClaimError;
use self::one_socket::{OneSocket, OneSocketParts};
use self::pace::Pace;
use self::portable::{Portable, PortableParts};
use self::ports::Pool;
use self::pressure::{Fullness, Pressure};
pub use self::stats::MediaCounters;
use self::stats::ShardStats;
use self::worker::{Beat, Order, Worker};
use crate::config::{MediaIo, Tick};
use crate::io::clock::SystemClock;
use crate::io::priority::{First, go_first};
pub use crate::media::Alarms;
use crate::media::api::{Command, Event, OpenError, Prompts};
use crate::media::{Recorded, Settings, Shard};
use crate::model::LegId;

/// Where events go; called on a media thread.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// Hears when a first thread is full, and when none is any more; called on a media thread.
pub type FullSink = Arc<dyn Fn(bool) + Send + Sync>;

/// Where pieces of recordings go; called on a media thread, and must not block either.
pub type RecordingSink = Arc<dyn Fn(Recorded) + Send + Sync>;

/// Where what comes of media goes.
#[derive(Clone)]
pub struct Sinks {
    /// To the engine.
    pub events: EventSink,
    /// To whoever takes calls.
    pub full: FullSink,
    /// To the disk.
    pub recordings: RecordingSink,
}

/// `[media]`, as the threads need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaSettings {
    /// Bound, and put into SDP.
    pub address: IpAddr,
    /// First and last port; a leg takes an even one for RTP and the next for RTCP.
    pub ports: (u16, u16),
    /// Media threads; at least one is started.
    pub threads: usize,
    /// From tick to tick.
    pub tick: Tick,
    /// How datagrams get in and out.
    pub io: MediaIo,
    /// A thread that uses so many percent of a core is full.
    pub full_percent: u8,
    /// When something is wrong with a talk.
    pub alarms: Alarms,
}

/// Orders waiting for one thread at most; it takes all of them each tick.
const RING: usize = 4096;

/// The media threads, as the engine's thread sees them. Dropping it closes every leg, reports each, and waits
/// for the threads.
pub struct MediaHandle {
    shards: Vec<ShardHandle>,
    pool: Pool,
    back_end: BackEnd,
    _claim: Option<Claim>,
}

struct ShardHandle {
    orders: Option<SyncSender<Order>>,
    asleep: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
    stats: Arc<ShardStats>,
    thread: Option<JoinHandle<()>>,
}

/// The system's part of a back end.
enum Parts {
    Portable(PortableParts),
    OneSocket(OneSocketParts),
}

impl MediaHandle {
    /// Starts the threads.
    pub fn start(settings: MediaSettings, prompts: Arc<dyn Prompts>, sinks: Sinks) -> Result<MediaHandle, MediaError> {
        let threads = settings.threads.max(1);
        let Choice { steered, claim, why } = choose(settings.io, settings.address, settings.ports, threads)?;
        let back_end = if steered.is_some() { BackEnd::OneSocket } else { BackEnd::Portable };
        tell(back_end, why.as_ref());
        let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
        let wake = || rustix::event::eventfd(0, flags).map(Arc::new).map_err(io::Error::from);
        let wakes = (0..threads).map(|_| wake()).collect::<io::Result<Vec<_>>>()?;
        let parts: Vec<Parts> = match steered {
            Some(steered) => steered.parts(&wakes).into_iter().map(Parts::OneSocket).collect(),
            None => wakes
                .iter()
                .map(|wake| PortableParts::new(Arc::clone(wake)).map(Parts::Portable))
                .collect::<io::Result<_>>()?,
        };
        let full = Arc::new(Fullness::new(Arc::clone(&sinks.full)));
        let shards = parts
            .into_iter()
            .zip(wakes)
            .enumerate()
            .map(|(index, (parts, wake))| {
                let pressure = Pressure::new(settings.full_percent, Arc::clone(&full));
                ShardHandle::start(
                    index,
                    (settings.tick, settings.alarms),
                    (parts, wake),
                    Arc::clone(&prompts),
                    (sinks.clone(), pressure),
                )
            })
            .collect::<io::Result<Vec<_>>>()?;
        let pool = Pool::new(settings.address, settings.ports, back_end);
        Ok(MediaHandle { shards, pool, back_end, _claim: claim })
    }

    /// How datagrams get in and out.
    pub fn back_end(&self) -> BackEnd {
        self.back_end
    }

    /// Obeys the engine. `Open` is answered at once ([`Event::Opened`] or [`Event::OpenFailed`]); everything else is
    /// `None` and takes effect within one tick.
    pub fn command(&self, command: Command) -> Option<Event> {
        match command {
            Command::Open { leg } => Some(self.open(leg)),
            Command::Bridge { a, .. } | Command::Record { a, .. } => self.pass(a, Order::Command(command)),
            Command::Supervise { customer, .. } => self.pass(customer, Order::Command(command)),
            Command::Agree { leg, .. }
            | Command::Play { leg, .. }
            | Command::WatchSilence { leg, .. }
            | Command::SendDigits { leg, .. }
            | Command::Pressed { leg, .. }
            | Command::Interject { leg, .. }
            | Command::HearKeys { leg }
            | Command::HearWho { leg, .. }
            | Command::Close { leg } => self.pass(leg, Order::Command(command)),
        }
    }

    /// The figures now; CPU time is up to 16 ticks old.
    pub fn counters(&self) -> MediaCounters {
        let (ports_in_use, back_end) = (self.pool.in_use() as u64, Some(self.back_end));
        let mut sum = MediaCounters { ports_in_use, back_end, ..MediaCounters::default() };
        for shard in &self.shards {
            shard.stats.add_to(&mut sum);
        }
        sum
    }

    fn open(&self, leg: LegId) -> Event {
        match self.pool.open() {
            Ok((port, local)) => {
                if self.shard(leg).is_some_and(|shard| shard.post(Order::Open { leg, port })) {
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
    fn start(
        index: usize,
        (tick, alarms): (Tick, Alarms),
        (parts, wake): (Parts, Arc<OwnedFd>),
        prompts: Arc<dyn Prompts>,
        (sinks, pressure): (Sinks, Pressure),
    ) -> io::Result<ShardHandle> {
        let mut seed = [0u8; 32];
        OsRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
        let (orders, ring) = sync_channel(RING);
        let asleep = Arc::new(AtomicBool::new(false));
        let stats = Arc::new(ShardStats::default());
        let (asleep_too, figures) = (Arc::clone(&asleep), Arc::clone(&stats));
        let back_end = match parts {
            Parts::Portable(_) => BackEnd::Portable,
            Parts::OneSocket(_) => BackEnd::OneSocket,
        };
        let pace = Pace::new(tick, back_end);
        let beat = Beat { orders: ring, asleep: asleep_too, sinks, stats: figures, pace, pressure };
        let run = move || {
            go_first(First::Voice);
            // The thread's clock begins now.
            let settings = Settings { wall_at_zero: SystemClock::start().now().wall, alarms, ..Settings::default() };
            let shard = Shard::new(prompts, settings, seed);
            match parts {
                Parts::Portable(parts) => Worker { shard, batch: Portable::new(parts), beat }.run(),
                Parts::OneSocket(parts) => Worker { shard, batch: OneSocket::new(parts), beat }.run(),
            }
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

fn tell(back_end: BackEnd, why: Option<&Missing>) {
    let io = back_end.as_str();
    match why {
        None => tracing::info!(io, "RTP gets in and out"),
        Some(why) => tracing::info!(io, %why, "RTP gets in and out; one socket for all ports would cost less"),
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

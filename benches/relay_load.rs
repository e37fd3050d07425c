//! The media thread under bridged calls on loopback: CPU per relayed packet, beside W (performance.md), and the delay that
//! the relay adds. `cargo bench --bench relay_load -- [CALLS… ] [tick=MS|auto…] [seconds=N]
//! [io=portable|one-socket…] [turns=N]`; one table row each. The ticks take turns for each number of calls, so that rows
//! beside each other may be compared on a machine that others use.
//!
//! The media thread is bound to core 0, the phones to core 1. W here is a hot loop of `sendmmsg(64)` and 64 `recv`:
//! `recvmmsg` has no safe interface among our crates, so our W is a little above the true one.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callbridge::audio::Prompt;
use callbridge::clock::Wall;
use callbridge::config::{MediaIo, Tick};
use callbridge::io::media_thread::{Alarms, MediaCounters, MediaHandle, MediaSettings, Sinks};
use callbridge::media::api::{Clip, Command, Event, Prompts};
use callbridge::model::{CallId, LegId};
use callbridge::sdp::{Codec, Direction, MediaPlan, RtcpPath};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags};

/// Phones behind one socket: the load must cost less than what it measures.
const LEGS_PER_SOCKET: usize = 256;
const PACKET: usize = 172;

struct NoPrompt;

impl Prompts for NoPrompt {
    fn find(&self, _: &Clip) -> Arc<Prompt> {
        Arc::new(Prompt::of_codes([], []))
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let option = |name: &str| -> Vec<u64> {
        let found = arguments.iter().filter_map(|a| a.strip_prefix(name)?.strip_prefix('='));
        found.filter_map(|value| value.parse().ok()).collect()
    };
    let mut calls: Vec<usize> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    if calls.is_empty() {
        calls = vec![25, 100, 400, 1000];
    }
    let mut ticks: Vec<Tick> = Vec::new();
    for value in arguments.iter().filter_map(|a| a.strip_prefix("tick=")) {
        ticks.push(value.parse().map_or(Tick::Adaptive, Tick::Fixed));
    }
    if ticks.is_empty() {
        ticks = vec![Tick::Adaptive];
    }
    let turns = option("turns").first().copied().unwrap_or(1);
    let seconds = option("seconds").first().copied().unwrap_or(4);
    let mut ways: Vec<MediaIo> = Vec::new();
    ways.extend(arguments.iter().any(|a| a == "io=portable").then_some(MediaIo::Portable));
    ways.extend(arguments.iter().any(|a| a == "io=one-socket").then_some(MediaIo::OneSocket));
    if ways.is_empty() {
        ways = vec![MediaIo::Portable, MediaIo::OneSocket];
    }
    println!("| io | tick ms | calls | relayed/s | core % | µs/packet | W µs | in W | lost | delay p50 ms | p99 ms |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for calls in &calls {
        for way in &ways {
            for tick in ticks.iter().cycle().take(ticks.len() * turns as usize) {
                row(*way, *calls, *tick, Duration::from_secs(seconds));
            }
        }
    }
}

fn row(io: MediaIo, calls: usize, tick: Tick, span: Duration) {
    let wall = wall_nanos();
    pin(0);
    let relayed_first = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&relayed_first);
    let sink = Arc::new(move |event| {
        if matches!(event, Event::FirstRelayed { .. }) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let settings = MediaSettings {
        address: [127, 0, 0, 1].into(),
        ports: (20_000, 31_999),
        threads: 1,
        tick,
        io,
        full_percent: 100,
        alarms: Alarms::default(),
    };
    let sinks = Sinks { events: sink, full: Arc::new(|_| {}), recordings: Arc::new(|_| {}) };
    let media = MediaHandle::start(settings, Arc::new(NoPrompt), sinks).expect("media starts");
    pin(1);
    let mut load = Load::new(&media, calls);
    // Warm until every leg heard its peer: on a busy machine the first second may not do.
    let warm = Instant::now() + Duration::from_secs(20);
    while relayed_first.load(Ordering::Relaxed) < 2 * calls as u64 {
        load.run(&media, Duration::from_millis(500));
        let (sent, figures) = (load.sent, media.counters());
        assert!(Instant::now() < warm, "not every leg hears its peer: {sent} sent, {figures:?}");
    }
    load.delays.clear();
    load.sent = 0;
    let (before, began) = (media.counters(), Instant::now());
    load.run(&media, span);
    let (after, seconds) = (media.counters(), began.elapsed().as_secs_f64());
    print!("| {} ", media.back_end().as_str());
    print_row(calls, tick, seconds, wall, (before, after), load.sent, &mut load.delays);
}

fn print_row(
    calls: usize,
    tick: Tick,
    seconds: f64,
    wall: f64,
    (before, after): (MediaCounters, MediaCounters),
    sent: u64,
    delays: &mut [u32],
) {
    let relayed = (after.packets.relayed - before.packets.relayed) as f64;
    let cpu = (after.cpu - before.cpu).as_secs_f64();
    let each = cpu * 1e6 / relayed;
    delays.sort_unstable();
    let at = |share: f64| {
        let index = (delays.len() as f64 * share) as usize;
        delays.get(index.min(delays.len().saturating_sub(1))).map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    };
    let tick = match tick {
        Tick::Adaptive => "auto".to_owned(),
        Tick::Fixed(ms) => ms.to_string(),
    };
    println!(
        "| {tick} | {calls} | {:.0} | {:.1} | {each:.2} | {:.2} | {:.2} | {} | {:.2} | {:.2} |",
        relayed / seconds,
        cpu / seconds * 100.0,
        wall / 1000.0,
        each * 1000.0 / wall,
        sent as i64 - delays.len() as i64,
        at(0.5),
        at(0.99),
    );
}

/// Phones on both sides of all calls.
struct Load {
    sockets: Vec<UdpSocket>,
    /// Where each leg's phone sends, and through which socket.
    legs: Vec<(usize, SocketAddr)>,
    sequence: u16,
    next: usize,
    began: Instant,
    sent: u64,
    slots: u64,
    delays: Vec<u32>,
}

impl Load {
    fn new(media: &MediaHandle, calls: usize) -> Load {
        let mut sockets: Vec<UdpSocket> = Vec::new();
        let mut legs = Vec::new();
        for call in 0..calls {
            let mut id = [0u8; 10];
            id[4..8].copy_from_slice(&(call as u32).to_be_bytes());
            let call = CallId::new(Wall(0), id);
            for attempt in 0..2u16 {
                if legs.len() % LEGS_PER_SOCKET == 0 {
                    let socket =
                        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("socket");
                    socket.set_recv_buffer_size(4 << 20).expect("buffer");
                    socket.set_nonblocking(true).expect("non-blocking");
                    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bind");
                    sockets.push(socket.into());
                }
                let socket = sockets.len() - 1;
                let leg = LegId { call, attempt };
                let Some(Event::Opened { local, .. }) = media.command(Command::Open { leg }) else { panic!("no port") };
                let plan = MediaPlan {
                    remote: sockets[socket].local_addr().expect("address"),
                    rtcp: RtcpPath::Mux,
                    codec: Codec::Pcmu,
                    send_payload_type: 0,
                    receive_payload_type: 0,
                    telephone_event: None,
                    direction: Direction::BOTH,
                    ptime_ms: 20,
                    max_ptime_ms: 120,
                    fec: false,
                    srtp: None,
                    event_hz: 8000,
                };
                media.command(Command::Agree { leg, plan });
                legs.push((socket, local));
            }
            media.command(Command::Bridge { a: LegId { call, attempt: 0 }, b: LegId { call, attempt: 1 } });
        }
        std::thread::sleep(Duration::from_millis(50));
        Load { sockets, legs, sequence: 0, next: 0, began: Instant::now(), sent: 0, slots: 0, delays: Vec::new() }
    }

    /// Each leg's phone sends every 20 ms, all spread evenly over the 20 ms.
    fn run(&mut self, _media: &MediaHandle, span: Duration) {
        let until = Instant::now() + span;
        let mut packet = [0u8; PACKET];
        packet[0] = 0x80;
        while Instant::now() < until {
            let due = (self.began.elapsed().as_nanos() * self.legs.len() as u128 / 20_000_000) as u64;
            // After a stall of this thread the beat goes on without a burst.
            if due > self.slots + self.legs.len() as u64 {
                self.slots = due;
            }
            let mut burst = 0;
            while self.slots < due && burst < 64 {
                self.send(&mut packet);
                burst += 1;
            }
            self.receive();
        }
        let end = Instant::now() + Duration::from_millis(60);
        while Instant::now() < end {
            self.receive();
        }
    }

    fn send(&mut self, packet: &mut [u8; PACKET]) {
        let (socket, to) = self.legs[self.next];
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&(self.next as u32).to_be_bytes());
        packet[12..20].copy_from_slice(&(self.began.elapsed().as_nanos() as u64).to_le_bytes());
        if self.sockets[socket].send_to(packet, to).is_ok() {
            self.sent += 1;
        }
        self.slots += 1;
        self.next += 1;
        if self.next == self.legs.len() {
            self.next = 0;
            self.sequence = self.sequence.wrapping_add(1);
        }
    }

    fn receive(&mut self) {
        let mut bytes = [0u8; PACKET];
        for socket in &self.sockets {
            for _ in 0..64 {
                let Ok(length) = socket.recv(&mut bytes) else { break };
                if let Some(stamp) = bytes.get(12..20).filter(|_| length == PACKET).and_then(|s| s.first_chunk()) {
                    let now = self.began.elapsed().as_nanos() as u64;
                    self.delays.push(((now - u64::from_le_bytes(*stamp)) / 1000) as u32);
                }
            }
        }
    }
}

/// Nanoseconds per packet of the bare loop on one core: the least of five runs.
fn wall_nanos() -> f64 {
    pin(0);
    let here = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let there = UdpSocket::bind("127.0.0.1:0").expect("bind");
    here.connect(there.local_addr().expect("address")).expect("connect");
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        let rounds = 1000;
        for _ in 0..rounds {
            batch(&here, &there);
        }
        best = best.min(began.elapsed().as_nanos() as f64 / f64::from(rounds * 64));
    }
    best
}

fn batch(here: &UdpSocket, there: &UdpSocket) {
    let payload = [0u8; PACKET];
    let slices = [IoSlice::new(&payload)];
    let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> = (0..64).map(|_| SendAncillaryBuffer::default()).collect();
    let mut messages: Vec<MMsgHdr<'_>> = controls.iter_mut().map(|control| MMsgHdr::new(&slices, control)).collect();
    let sent = rustix::net::sendmmsg(here, &mut messages, SendFlags::empty()).expect("sends");
    let mut bytes = [0u8; PACKET];
    for _ in 0..sent {
        there.recv(&mut bytes).expect("receives");
    }
}

/// Binds the calling thread, and those it starts, to a core. Where that is refused the figures say less.
fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

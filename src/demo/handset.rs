//! One phone on real sockets: a thread that moves datagrams between the system and the pure [`Phone`]. Owns its SIP socket, its
//! RTP ports, the microphone and the marks by which the delay of the line is measured. Refuses to judge the call.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc::UnboundedSender;

use crate::audio::{Prompt, SAMPLES_PER_FRAME};
use crate::clock::Mono;
use crate::io::clock::SystemClock;
use crate::model::Role;
use crate::phone::{Behaviour, Phone, PhoneCall, PhoneConfig, PhoneMove, PhoneOutput, Story};

/// RTP ports of a phone: one per call, the next calls take the next ones.
const RTP_PORTS: u16 = 8;
/// The RTP header of a packet without extensions.
const RTP_HEADER: usize = 12;
/// The thread looks up at least so often.
const LOOK: Duration = Duration::from_millis(200);
/// A call is told so long after its end: what comes late is still judged, and nobody waits for the phone's own 64·T1.
const LINGER: Duration = Duration::from_millis(600);

/// What was seen at a phone.
#[derive(Debug)]
pub struct Seen {
    /// Whose phone.
    pub role: Role,
    /// When.
    pub at: Mono,
    /// What.
    pub what: What,
}

/// Kinds of [`Seen`].
#[derive(Debug)]
pub enum What {
    /// A SIP message, sent or received by the phone: `INVITE`, `180 (INVITE)`.
    Sip {
        /// By the phone.
        sent: bool,
        /// In words.
        text: String,
    },
    /// The phone moved.
    Moved(PhoneMove),
    /// The call is wholly over.
    Told(Box<Story>),
}

/// Voice under way from one phone to the other: frames are recognised by their content, each of which occurs once.
#[derive(Debug, Default)]
pub struct Line {
    under_way: [Mutex<HashMap<Vec<u8>, Mono>>; 2],
    delays: [Mutex<Vec<u64>>; 2],
}

impl Line {
    fn sent(&self, by: Role, frame: &[u8], at: Mono) {
        let mut under_way = lock(&self.under_way[side(by)]);
        if under_way.len() > 5_000 {
            under_way.clear();
        }
        under_way.insert(frame.to_vec(), at);
    }

    fn received(&self, by: Role, frame: &[u8], at: Mono) {
        let from = 1 - side(by);
        let sent = lock(&self.under_way[from]).remove(frame);
        if let Some(sent) = sent {
            lock(&self.delays[from]).push(u64::try_from((at - sent).as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// Forgets the last call.
    pub fn clear(&self) {
        self.under_way.iter().for_each(|way| lock(way).clear());
        self.delays.iter().for_each(|way| lock(way).clear());
    }

    /// Microseconds that each relayed frame of both directions took, sorted.
    pub fn delays(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.delays.iter().flat_map(|way| lock(way).clone()).collect();
        all.sort_unstable();
        all
    }
}

fn side(role: Role) -> usize {
    match role {
        Role::Customer => 0,
        Role::Representative | Role::Supervisor => 1,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever speaks into the phone: a recording, over and over.
struct Microphone {
    voice: Arc<Prompt>,
    next: usize,
}

impl Microphone {
    /// Puts the next frame into a packet of either law.
    fn speak(&mut self, packet: &mut [u8]) {
        let law = match packet.get(1).map(|second| second & 0x7f) {
            Some(0) => &self.voice.pcmu,
            Some(8) => &self.voice.pcma,
            _ => return,
        };
        let frame = law.chunks_exact(SAMPLES_PER_FRAME).nth(self.next);
        if let (Some(frame), Some(payload)) = (frame, packet.get_mut(RTP_HEADER..))
            && payload.len() == frame.len()
        {
            payload.copy_from_slice(frame);
            self.next = (self.next + 1) % (law.len() / SAMPLES_PER_FRAME).max(1);
        }
    }
}

/// A phone that is plugged in. Unplugged when dropped.
#[derive(Debug)]
pub struct Handset {
    address: SocketAddr,
    unplugged: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Handset {
    /// Takes free loopback ports and starts the phone.
    pub fn plug_in(
        role: Role,
        behaviour: Behaviour,
        voice: Arc<Prompt>,
        clock: SystemClock,
        line: Arc<Line>,
        seen: UnboundedSender<Seen>,
    ) -> io::Result<Handset> {
        let sip = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = sip.local_addr()?;
        let rtp = even_ports(RTP_PORTS)?;
        let ports = (rtp.first().map_or(0, |(port, _)| *port), rtp.last().map_or(0, |(port, _)| *port));
        let mut config = PhoneConfig::new(address, ports, behaviour, u64::from(address.port()));
        config.record = true;
        config.ladder = true;
        for socket in rtp.iter().map(|(_, socket)| socket).chain([&sip]) {
            socket.set_nonblocking(true)?;
        }
        let unplugged = Arc::new(AtomicBool::new(false));
        let microphone = Microphone { voice, next: 0 };
        let phone = Phone::new(config);
        let ended = Vec::new();
        let gone = Arc::clone(&unplugged);
        let mut desk = Desk { role, phone, sip, rtp, microphone, clock, line, seen, ended, unplugged: gone };
        let thread = std::thread::Builder::new().name(format!("phone-{role:?}")).spawn(move || desk.run())?;
        Ok(Handset { address, unplugged, thread: Some(thread) })
    }

    /// Its SIP address: what a switch would be to callbridge.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        self.unplugged.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// So many consecutive even UDP ports of loopback, bound.
pub fn even_ports(count: u16) -> io::Result<Vec<(u16, UdpSocket)>> {
    let mut last = io::Error::other("no free range of ports");
    for _ in 0..50 {
        let first = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port() & !1;
        let ports = (0..count).map(|n| first.saturating_add(2 * n));
        match ports
            .map(|port| Ok((port, UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?)))
            .collect::<io::Result<Vec<_>>>()
        {
            Ok(bound) => return Ok(bound),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The thread's own things.
struct Desk {
    role: Role,
    phone: Phone,
    sip: UdpSocket,
    rtp: Vec<(u16, UdpSocket)>,
    microphone: Microphone,
    clock: SystemClock,
    line: Arc<Line>,
    seen: UnboundedSender<Seen>,
    /// Calls over but not told, and when each ended.
    ended: Vec<(PhoneCall, Mono)>,
    unplugged: Arc<AtomicBool>,
}

impl Desk {
    fn run(&mut self) {
        while !self.unplugged.load(Ordering::Relaxed) {
            self.wait();
            self.take_datagrams();
            let now = self.clock.now().mono;
            if self.phone.poll_timeout().is_some_and(|at| at <= now) {
                self.phone.timeout(now);
            }
            while let Some(output) = self.phone.poll_output() {
                self.carry_out(output);
            }
            self.tell_stories(now);
        }
    }

    /// Sleeps until a datagram or the phone's next deadline.
    fn wait(&self) {
        let now = self.clock.now().mono;
        let until = self.phone.poll_timeout().map_or(LOOK, |at| (at - now).min(LOOK));
        let sockets = self.rtp.iter().map(|(_, socket)| socket).chain([&self.sip]);
        let mut watched: Vec<PollFd<'_>> = sockets.map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        let until = Timespec { tv_sec: 0, tv_nsec: i64::from(until.subsec_nanos()) };
        // An interrupted sleep only means one more turn.
        let _woken = poll(&mut watched, Some(&until));
    }

    fn take_datagrams(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = self.sip.recv_from(&mut buffer) {
            let now = self.clock.now().mono;
            self.phone.datagram(now, from, buffer.get(..length).unwrap_or_default());
        }
        for (port, socket) in &self.rtp {
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let now = self.clock.now().mono;
                let packet = buffer.get(..length).unwrap_or_default();
                self.line.received(self.role, packet.get(RTP_HEADER..).unwrap_or_default(), now);
                self.phone.rtp(now, SocketAddr::from((Ipv4Addr::LOCALHOST, *port)), from, packet);
            }
        }
    }

    fn carry_out(&mut self, output: PhoneOutput) {
        match output {
            PhoneOutput::SendSip { to, bytes } => {
                // What the network loses, SIP sends again.
                let _sent = self.sip.send_to(&bytes, to);
            }
            PhoneOutput::SendRtp { from, to, mut bytes } => {
                self.microphone.speak(&mut bytes);
                let at = self.clock.now().mono;
                self.line.sent(self.role, bytes.get(RTP_HEADER..).unwrap_or_default(), at);
                if let Some((_, socket)) = self.rtp.iter().find(|(port, _)| *port == from.port()) {
                    let _sent = socket.send_to(&bytes, to);
                }
            }
            // The ports are bound for the phone's whole life.
            PhoneOutput::OpenRtp { .. } | PhoneOutput::CloseRtp { .. } => {}
            PhoneOutput::Moved { call, at, what } => {
                match what {
                    PhoneMove::Answered => self.microphone.next = 0,
                    PhoneMove::Ended(_) => self.ended.push((call, at)),
                    PhoneMove::Invited | PhoneMove::Ringing | PhoneMove::Connected | PhoneMove::Hears(_) => {}
                }
                self.tell(at, What::Moved(what));
            }
            PhoneOutput::Ladder { at, sent, text, .. } => self.tell(at, What::Sip { sent, text }),
            // Told already, when it had ended.
            PhoneOutput::Told(_) => {}
        }
    }

    fn tell_stories(&mut self, now: Mono) {
        while let Some(index) = self.ended.iter().position(|(_, at)| now - *at >= LINGER) {
            let (call, _) = self.ended.swap_remove(index);
            if let Some(story) = self.phone.story(call) {
                self.tell(now, What::Told(Box::new(story.clone())));
            }
        }
    }

    fn tell(&self, at: Mono, what: What) {
        // Nobody listens any more: the demo is ending.
        let _told = self.seen.send(Seen { role: self.role, at, what });
    }
}

//! The phones of the bench: thousands of legs behind one SIP socket and one RTP socket a side, on one thread. They answer at
//! once, talk, and the representative hangs up. Owns legs and their timing; reads SIP by the independent `phone` room.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::micros;
use super::talk::{self, Described, Speech, Srtp, Talk};
use super::tape;
use super::voice::{Window, send_all};
use crate::io::batch::Batch;
use crate::phone::message::{Message, Start, finish, parameter, user_of};

const RESEND: u64 = 500_000;
/// A representative's phone rings so long: time for the message to be heard.
const RINGS: u64 = 200_000;

/// The thread of phones.
pub struct Phones {
    shared: Arc<Shared>,
    speech: Arc<Speech>,
    address: SocketAddr,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    window: Mutex<Window>,
    talk_micros: AtomicU64,
    /// Counts measurements: each keeps the sound of its own first calls.
    measurement: AtomicU32,
    bridged: AtomicU32,
    ended: AtomicU32,
    hang_up_all: AtomicBool,
    stop: AtomicBool,
}

impl Phones {
    /// Phones that listen for SIP there, or on a free port, and talk like this.
    pub fn start(listen: Option<SocketAddr>, talk: &Talk) -> io::Result<Phones> {
        let sip = UdpSocket::bind(listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))))?;
        let address = sip.local_addr()?;
        let (shared, speech) = (Arc::new(Shared::default()), Arc::new(Speech::new(talk)));
        let ([one, one_reports], [other, other_reports]) = (pair(address)?, pair(address)?);
        let work = Work {
            sip: sized(sip)?,
            address,
            rtp: [one, other],
            reports: [one_reports, other_reports],
            speech: Arc::clone(&speech),
            talk: talk.clone(),
            legs: Vec::new(),
            by_call_id: HashMap::new(),
            by_port: [HashMap::new(), HashMap::new()],
            slots: vec![Vec::new(); 20],
            resend: BTreeMap::new(),
            hang_up: BTreeMap::new(),
            answered: HashMap::new(),
            taped: (0, Vec::new()),
            window: Window::default(),
            published: 0,
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new().name("phones".into()).spawn(move || {
            // Phones and load stay off the daemon's core.
            let _pinned = super::target::pin(1);
            work.run();
        })?;
        Ok(Phones { shared, speech, address, thread: Some(thread) })
    }

    /// Where the daemon's switch must point.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forgets what was counted; calls from now on talk for so long.
    pub fn begin(&self, talk: Duration) {
        let talk = u64::try_from(talk.as_micros()).unwrap_or(u64::MAX);
        self.shared.talk_micros.store(talk, Ordering::Relaxed);
        self.shared.bridged.store(0, Ordering::Relaxed);
        self.shared.ended.store(0, Ordering::Relaxed);
        self.shared.measurement.fetch_add(1, Ordering::Relaxed);
        drop(self.take());
    }

    /// What was heard since the last look.
    pub fn take(&self) -> Window {
        std::mem::take(&mut *self.shared.window.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the phones of transcoded talks said and heard becomes delay. Takes a while of the phones' core: after the load.
    pub fn listen(&self, window: &mut Window) {
        window.listen(&self.speech);
    }

    /// Every representative hangs up.
    pub fn hang_up_all(&self) {
        self.shared.hang_up_all.store(true, Ordering::Relaxed);
    }

    /// Waits until so many calls are bridged; how many are.
    pub fn wait_bridged(&self, calls: u32, longest: Duration) -> u32 {
        wait(&self.shared.bridged, calls, longest)
    }

    /// Calls of which both legs have ended.
    pub fn ended(&self) -> u32 {
        self.shared.ended.load(Ordering::Relaxed) / 2
    }

    /// Waits until both legs of so many calls have ended; how many have.
    pub fn wait_ended(&self, calls: u32, longest: Duration) -> u32 {
        wait(&self.shared.ended, calls * 2, longest) / 2
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn wait(counter: &AtomicU32, wanted: u32, longest: Duration) -> u32 {
    let until = micros() + u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    while counter.load(Ordering::Relaxed) < wanted && micros() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    counter.load(Ordering::Relaxed)
}

/// A port for RTP and the next for RTCP: where nobody listens, the kernel would answer each report with an ICMP message, at the
/// cost of whom we measure.
fn pair(address: SocketAddr) -> io::Result<[UdpSocket; 2]> {
    let mut tried = Vec::new();
    for _ in 0..64 {
        let rtp = UdpSocket::bind(SocketAddr::new(address.ip(), 0))?;
        let port = rtp.local_addr()?.port();
        if port.is_multiple_of(2)
            && let Ok(rtcp) = UdpSocket::bind(SocketAddr::new(address.ip(), port | 1))
        {
            rtcp.set_nonblocking(true)?;
            return Ok([sized(rtp)?, rtcp]);
        }
        // Kept, so that no port is tried twice.
        tried.push(rtp);
    }
    Err(io::ErrorKind::AddrInUse.into())
}

fn sized(socket: UdpSocket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    let wrapped = socket2::SockRef::from(&socket);
    wrapped.set_recv_buffer_size(8 << 20)?;
    wrapped.set_send_buffer_size(8 << 20)?;
    Ok(socket)
}

struct Leg {
    number: u32,
    /// 0 the customer, 1 the representative: also which RTP socket.
    side: usize,
    peer: SocketAddr,
    remote_rtp: SocketAddr,
    call_id: String,
    /// From and To of our own requests, and the remote target.
    ours: (String, String, String),
    answer: Vec<u8>,
    described: Described,
    srtp: Option<Box<Srtp>>,
    acked_at: Option<u64>,
    first_heard: bool,
    first_relayed: bool,
    sequence: u32,
    expected: Option<u32>,
    lifted: bool,
    taped: bool,
}

struct Work {
    sip: UdpSocket,
    address: SocketAddr,
    rtp: [UdpSocket; 2],
    reports: [UdpSocket; 2],
    talk: Talk,
    speech: Arc<Speech>,
    /// By number; those that are over are gone.
    legs: Vec<Option<Box<Leg>>>,
    by_call_id: HashMap<String, usize>,
    by_port: [HashMap<u16, usize>; 2],
    slots: Vec<Vec<usize>>,
    /// (when, leg): the 200 until its ACK, the BYE until its 200.
    resend: BTreeMap<(u64, usize), Vec<u8>>,
    hang_up: BTreeMap<(u64, usize), ()>,
    /// When each call's representative sent its 200.
    answered: HashMap<u32, u64>,
    /// In which measurement, and the calls of it whose sound is kept.
    taped: (u32, Vec<u32>),
    window: Window,
    published: u64,
    shared: Arc<Shared>,
}

impl Work {
    fn run(mut self) {
        let mut batch: Batch = Batch::default();
        let mut buffer = vec![0; 65_535];
        let mut tick = micros() / 1000;
        while !self.shared.stop.load(Ordering::Relaxed) {
            while let Ok((length, from)) = self.sip.recv_from(&mut buffer) {
                self.signal(from, buffer.get(..length).unwrap_or_default());
            }
            for side in 0..2 {
                while let Ok(got) = batch.receive(&self.rtp[side]) {
                    let now = micros();
                    batch.datagrams().for_each(|(from, bytes)| self.hear(side, from.port(), bytes, now));
                    if got < crate::io::batch::BATCH {
                        break;
                    }
                }
                // Nobody reads what they say.
                while self.reports[side].recv(&mut buffer).is_ok() {}
            }
            while tick <= micros() / 1000 {
                self.talk((tick % 20) as usize);
                tick += 1;
            }
            self.deadlines();
            self.publish();
            self.rest(tick * 1000);
        }
    }

    fn rest(&self, until: u64) {
        let left = until.saturating_sub(micros());
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::try_from(left * 1000).unwrap_or(0) };
        let mut sockets = [
            PollFd::from_borrowed_fd(self.sip.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.rtp[0].as_fd(), PollFlags::empty()),
        ];
        // RTP is looked at every tick, SIP at once.
        let _woken = poll(&mut sockets, Some(&timeout));
    }

    fn hear(&mut self, side: usize, port: u16, bytes: &[u8], now: u64) {
        let Some(leg) = self.by_port[side].get(&port).and_then(|at| self.legs.get_mut(*at)?.as_mut()) else { return };
        let opened = leg.srtp.as_mut().map(|srtp| srtp.open(bytes));
        if opened == Some(None) {
            self.window.strange += 1;
            return;
        }
        let clear = opened.flatten();
        let clear = clear.as_deref().unwrap_or(bytes);
        let said = self.speech.heard(clear, self.answered.contains_key(&leg.number));
        if !leg.first_heard {
            leg.first_heard = true;
            if let (0, Some(acked)) = (leg.side, leg.acked_at) {
                self.window.first_prompt.push(now.saturating_sub(acked));
            }
        }
        let Some((sequence, said_at)) = said else {
            self.window.prompt += 1;
            return;
        };
        self.window.relayed += 1;
        match said_at {
            Some(said_at) => self.window.delay(now.saturating_sub(said_at)),
            None if leg.taped => self.window.tape.heard(leg.number, side, clear, now),
            None => {}
        }
        if let Some(expected) = leg.expected {
            self.window.lost += u64::from(sequence.saturating_sub(expected));
        }
        leg.expected = Some(sequence.wrapping_add(1));
        if leg.first_relayed {
            return;
        }
        leg.first_relayed = true;
        let answered = self.answered.get(&leg.number).copied().unwrap_or(now);
        if side == 1 {
            self.shared.bridged.fetch_add(1, Ordering::Relaxed);
            self.window.first_at_representative.push(now.saturating_sub(answered));
        } else {
            self.window.first_at_customer.push(now.saturating_sub(answered));
        }
    }

    fn publish(&mut self) {
        if micros() < self.published + 50_000 {
            return;
        }
        self.published = micros();
        let mut shared = self.shared.window.lock().unwrap_or_else(PoisonError::into_inner);
        shared.absorb(&mut self.window);
    }

    fn signal(&mut self, from: SocketAddr, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else {
            self.window.strange += 1;
            return;
        };
        match message.start {
            Start::Request { method: "INVITE", uri } => self.invited(from, uri, &message),
            Start::Request { method: "ACK", .. } => self.acked(&message),
            Start::Request { method: "BYE" | "CANCEL", .. } => {
                self.reply(from, &message, 200, "");
                self.end(message.get("Call-ID").unwrap_or_default());
            }
            Start::Request { .. } => self.reply(from, &message, 200, ""),
            Start::Response { status } if status >= 200 => self.end(message.get("Call-ID").unwrap_or_default()),
            Start::Response { .. } => {}
        }
    }

    fn invited(&mut self, from: SocketAddr, uri: &str, message: &Message<'_>) {
        let now = micros();
        let call_id = message.get("Call-ID").unwrap_or_default().to_owned();
        if let Some(leg) = self.by_call_id.get(&call_id).and_then(|at| self.legs.get(*at)?.as_ref()) {
            let _again = self.sip.send_to(&leg.answer, from);
            return;
        }
        let user = user_of(uri);
        let side = usize::from(user.starts_with("+1646"));
        let number = user.get(5..).and_then(|n| n.parse().ok()).unwrap_or(0);
        let Some(remote_rtp) = rtp_of(message.body) else {
            self.window.strange += 1;
            return;
        };
        if side == 0 {
            self.window.invites.push((number, now));
        }
        self.reply(from, message, 180, "");
        let ours = SocketAddr::new(self.address.ip(), self.rtp[side].local_addr().map_or(0, |a| a.port()));
        let described = talk::answer(&self.talk, side, message.body, ours, self.legs.len());
        let Some((body, described, srtp)) = described else {
            self.window.strange += 1;
            return self.reply(from, message, 488, "");
        };
        let answer = self.answer(message, 200, &body);
        let target = message.get("Contact").map(|c| c.trim_matches(['<', '>']).to_owned()).unwrap_or_default();
        let to = format!("{};tag=p{}", message.get("To").unwrap_or_default(), self.legs.len());
        let at = self.legs.len();
        self.by_call_id.insert(call_id.clone(), at);
        self.by_port[side].insert(remote_rtp.port(), at);
        // The 200 goes out with the deadlines of this very round, or after the ringing.
        let lifts_at = if side == 0 { now } else { now + RINGS };
        self.resend.insert((lifts_at, at), answer.clone());
        let taped = self.is_taped(number);
        self.legs.push(Some(Box::new(Leg {
            number,
            side,
            peer: from,
            remote_rtp,
            call_id,
            ours: (to, message.get("From").unwrap_or_default().to_owned(), target),
            answer,
            described,
            srtp,
            acked_at: None,
            first_heard: false,
            first_relayed: false,
            sequence: 0,
            expected: None,
            lifted: false,
            taped,
        })));
    }

    /// Whether the sound of this call is kept: of the first ones of a measurement, where packets carry no mark.
    fn is_taped(&mut self, call: u32) -> bool {
        let measurement = self.shared.measurement.load(Ordering::Relaxed);
        let (of, calls) = &mut self.taped;
        if *of != measurement {
            (*of, *calls) = (measurement, Vec::new());
        }
        if !calls.contains(&call) && calls.len() < tape::CALLS && !self.speech.is_marked() {
            calls.push(call);
        }
        calls.contains(&call)
    }

    /// The handset is lifted with the first 200: from the next millisecond on its owner talks.
    fn lift(&mut self, at: usize, now: u64) {
        let Some(leg) = self.legs.get_mut(at).and_then(Option::as_mut).filter(|leg| !leg.lifted) else { return };
        leg.lifted = true;
        if leg.side == 1 {
            self.answered.insert(leg.number, now);
        }
        self.slots[((now / 1000 + 1) % 20) as usize].push(at);
    }

    fn answer(&self, message: &Message<'_>, status: u16, body: &str) -> Vec<u8> {
        let mut head = format!("SIP/2.0 {status} {}\r\n", crate::phone::message::reason(status));
        for name in ["Via", "Record-Route", "From", "Call-ID", "CSeq"] {
            for value in message.all(name) {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        let to = message.get("To").unwrap_or_default();
        let tag = if parameter(to, "tag").is_some() { String::new() } else { format!(";tag=p{}", self.legs.len()) };
        let _ = write!(head, "To: {to}{tag}\r\nContact: <sip:phone@{}>\r\n", self.address);
        finish(head, body)
    }

    fn reply(&mut self, to: SocketAddr, message: &Message<'_>, status: u16, body: &str) {
        let _sent = self.sip.send_to(&self.answer(message, status, body), to);
    }

    fn acked(&mut self, message: &Message<'_>) {
        let now = micros();
        let Some(at) = self.by_call_id.get(message.get("Call-ID").unwrap_or_default()).copied() else { return };
        let leg = self.legs.get_mut(at).and_then(Option::as_mut);
        let Some(leg) = leg.filter(|leg| leg.acked_at.is_none()) else { return };
        leg.acked_at = Some(now);
        self.resend.retain(|(_, leg), _| *leg != at);
        if leg.side == 1 {
            let talk = self.shared.talk_micros.load(Ordering::Relaxed);
            self.hang_up.insert((now.saturating_add(talk), at), ());
        }
    }

    fn end(&mut self, call_id: &str) {
        let Some(at) = self.by_call_id.remove(call_id) else { return };
        let Some(leg) = self.legs.get_mut(at).and_then(Option::take) else { return };
        self.by_port[leg.side].remove(&leg.remote_rtp.port());
        self.slots.iter_mut().for_each(|slot| slot.retain(|l| *l != at));
        self.resend.retain(|(_, leg), _| *leg != at);
        self.window.ended += 1;
        self.shared.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Everybody whose turn this millisecond is says 20 ms.
    fn talk(&mut self, slot: usize) {
        let now = micros();
        let mut said: [Vec<(SocketAddr, Vec<u8>)>; 2] = Default::default();
        for at in &self.slots[slot] {
            if let Some(leg) = self.legs.get_mut(*at).and_then(Option::as_mut) {
                let mut bytes = self.speech.packet(leg.side, leg.described, *at as u32, leg.sequence, now);
                if let Some(srtp) = &mut leg.srtp {
                    bytes = srtp.seal(&bytes);
                }
                said[leg.side].push((leg.remote_rtp, bytes));
                if leg.taped {
                    self.window.tape.said(leg.number, leg.side, leg.sequence, now);
                }
                leg.sequence = leg.sequence.wrapping_add(1);
            }
        }
        for (side, packets) in said.iter().enumerate() {
            self.window.sent += packets.len() as u64;
            // A packet that cannot be sent is a packet lost, and counted so by the other side.
            let _sent = send_all(&self.rtp[side], packets);
        }
    }

    fn deadlines(&mut self) {
        let now = micros();
        if self.shared.hang_up_all.swap(false, Ordering::Relaxed) {
            let all: Vec<usize> = self.hang_up.keys().map(|(_, at)| *at).collect();
            self.hang_up = all.into_iter().map(|at| ((now, at), ())).collect();
        }
        while let Some(((due, at), bytes)) = self.resend.pop_first() {
            if due > now {
                self.resend.insert((due, at), bytes);
                break;
            }
            if let Some(leg) = self.legs.get(at).and_then(Option::as_ref) {
                let _again = self.sip.send_to(&bytes, leg.peer);
                self.resend.insert((now + RESEND, at), bytes);
                self.lift(at, now);
            }
        }
        while let Some(((due, at), ())) = self.hang_up.pop_first() {
            if due > now {
                self.hang_up.insert((due, at), ());
                break;
            }
            let Some(leg) = self.legs.get(at).and_then(Option::as_ref) else { continue };
            let bye = bye(leg, self.address, at);
            let _sent = self.sip.send_to(&bye, leg.peer);
            self.resend.insert((now + RESEND, at), bye);
        }
    }
}

fn bye(leg: &Leg, address: SocketAddr, at: usize) -> Vec<u8> {
    let (from, to, target) = &leg.ours;
    let head = format!(
        "BYE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKbench{at};rport\r\nMax-Forwards: 70\r\n\
         From: {from}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\n",
        leg.call_id
    );
    finish(head, "")
}

fn rtp_of(sdp: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(sdp).ok()?;
    let ip = text.lines().find_map(|line| line.strip_prefix("c=IN IP4 ").or(line.strip_prefix("c=IN IP6 ")))?;
    let port = text.lines().find_map(|line| line.strip_prefix("m=audio "))?.split(' ').next()?;
    Some(SocketAddr::new(ip.trim().parse().ok()?, port.parse().ok()?))
}

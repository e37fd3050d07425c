//! A phone's ear and mouth: one UDP port that sends the phone's tone in 20 ms packets of G.711 to wherever the SDP says, and
//! judges by content each packet that comes. Written from RFC 3550, without the crate's rtp room.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::g711::Law;
use super::ports::loopback;
use super::tone::{Tone, level};
use super::trace;

const FRAME: Duration = Duration::from_millis(20);
const SAMPLES: u32 = 160;
/// Quieter than this (of 32767) is silence.
const AUDIBLE: f64 = 150.0;
/// A frame is a tone when this share of its energy is at the tone's frequency; two G.711 laws in a row leave more.
const PURE: f64 = 0.9;
/// A frame has nothing of a tone below this share.
const ABSENT: f64 = 0.2;

/// The payload type of telephone events in the scenarios.
const TELEPHONE_EVENT: u8 = 101;

/// What a packet says of a key (RFC 4733 §2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// The key.
    pub key: char,
    /// It ended.
    pub end: bool,
    /// In samples.
    pub duration: u16,
}

impl Event {
    fn parse(payload: &[u8]) -> Option<Event> {
        let [key, flags, high, low] = *payload.first_chunk::<4>()?;
        let key = "0123456789*#ABCD".chars().nth(usize::from(key))?;
        Some(Event { key, end: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }
}

/// The keys among what was heard, each with its packets.
pub fn keys(heard: &[Frame]) -> Vec<(char, Vec<&Frame>)> {
    let mut keys: Vec<(char, Vec<&Frame>)> = Vec::new();
    for frame in heard {
        let Some(event) = frame.event else { continue };
        match keys.last_mut() {
            Some((_, frames)) if frames[0].timestamp == frame.timestamp => frames.push(frame),
            _ => keys.push((event.key, vec![frame])),
        }
    }
    keys
}

/// One received packet, judged.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When.
    pub at: Instant,
    /// From which port of the equipment.
    pub from: SocketAddr,
    /// RTP payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Synchronisation source.
    pub ssrc: u32,
    /// On the 8 kHz clock.
    pub timestamp: u32,
    /// First of a talk spurt, or of an event.
    pub marker: bool,
    /// A telephone event (RFC 4733).
    pub event: Option<Event>,
    level: f64,
    shares: [f64; Tone::ALL.len()],
}

impl Frame {
    /// The tone that this frame is, purely.
    pub fn tone(&self) -> Option<Tone> {
        let pure = Tone::ALL.into_iter().zip(self.shares).find(|(_, share)| *share >= PURE);
        pure.filter(|_| self.level >= AUDIBLE).map(|(tone, _)| tone)
    }

    /// Audible, and none of the tones: speech, or a seam between two sounds.
    pub fn is_other_sound(&self) -> bool {
        self.level >= AUDIBLE && self.shares.iter().all(|share| *share < PURE)
    }

    /// Something of this tone is in it.
    pub fn has_some_of(&self, tone: Tone) -> bool {
        let share = Tone::ALL.into_iter().zip(self.shares).find(|(t, _)| *t == tone).map_or(0.0, |(_, share)| share);
        self.level >= AUDIBLE && share >= ABSENT
    }

    fn parse(at: Instant, from: SocketAddr, packet: &[u8]) -> Option<Frame> {
        let (header, rest) = packet.split_at_checked(12)?;
        let version_2_without_padding = header[0] & 0b1110_0000 == 0b1000_0000;
        let csrcs = usize::from(header[0] & 0x0f) * 4;
        let payload_type = header[1] & 0x7f;
        let payload = rest.get(csrcs..).filter(|_| version_2_without_padding)?;
        let event = if payload_type == TELEPHONE_EVENT { Some(Event::parse(payload)?) } else { None };
        let law = match event {
            Some(_) => None,
            None => Some(Law::of_payload_type(payload_type)?),
        };
        let samples: Vec<i16> =
            law.map_or_else(Vec::new, |law| payload.iter().map(|octet| law.decode(*octet)).collect());
        Some(Frame {
            at,
            from,
            payload_type,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            marker: header[1] & 0x80 != 0,
            event,
            level: level(&samples),
            shares: Tone::ALL.map(|tone| tone.share(&samples)),
        })
    }
}

/// The running endpoint; stops when dropped.
#[derive(Debug)]
pub struct Endpoint {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    frames: Mutex<Vec<Frame>>,
    silent: AtomicBool,
    /// Of so many packets one is lost on its way; 0: none.
    lost_of: AtomicU32,
    stop: AtomicBool,
}

impl Endpoint {
    /// Opens a port. The phone speaks `tone` in `law` as soon as it has both seen an offer and sent SDP of its own in that
    /// dialog, as the trace shows; before its tone it says `first`, once.
    pub fn open(tone: Tone, law: Law, first: &[i16], trace: &Path) -> Endpoint {
        let port = super::ports::block(2);
        let socket = UdpSocket::bind(loopback(port)).expect("the phone's RTP port");
        let shared = Arc::new(Shared::default());
        let mut mouth = Mouth::new(tone, law, first);
        let mut offers = Offers { reader: trace::Reader::new(trace), offered: BTreeMap::new() };
        let run = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut next = Instant::now() + FRAME;
            while !run.stop.load(Ordering::Relaxed) {
                listen(&socket, next, &run.frames);
                mouth.targets.extend(offers.answered());
                if !run.silent.load(Ordering::Relaxed) {
                    mouth.speak(&socket, run.lost_of.load(Ordering::Relaxed));
                }
                next += FRAME;
            }
        });
        Endpoint { port, shared, thread: Some(thread) }
    }

    /// Its port, for SDP.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops sending (the line goes dead) but goes on listening.
    pub fn fall_silent(&self) {
        self.shared.silent.store(true, Ordering::Relaxed);
    }

    /// Sends again.
    pub fn speak_again(&self) {
        self.shared.silent.store(false, Ordering::Relaxed);
    }

    /// Of so many packets one never arrives from now on.
    pub fn loses_one_of(&self, packets: u32) {
        self.shared.lost_of.store(packets, Ordering::Relaxed);
    }

    /// Everything received so far.
    pub fn heard(&self) -> Vec<Frame> {
        self.judge(<[Frame]>::to_vec)
    }

    /// Looks at everything received so far.
    pub fn judge<T>(&self, judgement: impl FnOnce(&[Frame]) -> T) -> T {
        judgement(&self.shared.frames.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many frames are so.
    pub fn count(&self, is: impl Fn(&Frame) -> bool) -> usize {
        self.judge(|frames| frames.iter().filter(|frame| is(frame)).count())
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed already.
            thread.join().ok();
        }
    }
}

fn listen(socket: &UdpSocket, until: Instant, frames: &Mutex<Vec<Frame>>) {
    let mut packet = [0; 2048];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
            return;
        }
        if let Ok((length, from)) = socket.recv_from(&mut packet)
            && let Some(frame) = Frame::parse(Instant::now(), from, &packet[..length])
        {
            frames.lock().unwrap_or_else(PoisonError::into_inner).push(frame);
        }
    }
}

/// Finds in the trace where to send: the offer's address, once this phone has answered it with SDP.
struct Offers {
    reader: trace::Reader,
    offered: BTreeMap<String, SocketAddr>,
}

impl Offers {
    fn answered(&mut self) -> Vec<SocketAddr> {
        let mut targets = Vec::new();
        for message in self.reader.fresh() {
            let Some(call) = message.call_id().map(str::to_owned) else { continue };
            match (message.sent, message.media()) {
                (false, Some(media)) => {
                    self.offered.entry(call).or_insert(media);
                }
                (true, Some(_)) => targets.extend(self.offered.get(&call)),
                (_, None) => {}
            }
        }
        targets
    }
}

/// The source that a phone is to whom it speaks.
pub fn source(target: SocketAddr) -> u32 {
    0x5eed_0000 | u32::from(target.port())
}

struct Mouth {
    /// What it says first, and how many frames of it were said.
    first: Vec<u8>,
    said: usize,
    /// One period of a second: every tone fits into it whole.
    spoken: Vec<u8>,
    law: Law,
    targets: std::collections::BTreeSet<SocketAddr>,
    frame: u32,
}

impl Mouth {
    fn new(tone: Tone, law: Law, first: &[i16]) -> Mouth {
        let spoken = (0..8000).map(|position| law.encode(tone.sample(position))).collect();
        let first = first.iter().map(|sample| law.encode(*sample)).collect();
        Mouth { first, said: 0, spoken, law, targets: std::collections::BTreeSet::new(), frame: 0 }
    }

    fn speak(&mut self, socket: &UdpSocket, lost_of: u32) {
        let lost = lost_of > 0 && self.frame.is_multiple_of(lost_of);
        let (mut source_of, mut start) = (&self.spoken, (self.frame * SAMPLES % 8000) as usize);
        let frames = SAMPLES as usize;
        if (self.said + 1) * frames <= self.first.len() {
            (source_of, start) = (&self.first, self.said * frames);
            self.said += usize::from(!self.targets.is_empty());
        }
        for target in self.targets.iter().filter(|_| !lost) {
            let mut packet = vec![0x80, self.law.payload_type()];
            packet.extend((self.frame as u16).wrapping_add(1000).to_be_bytes());
            packet.extend((self.frame * SAMPLES).to_be_bytes());
            packet.extend(source(*target).to_be_bytes());
            packet.extend(source_of.iter().skip(start).take(frames));
            // The equipment's port may be closed already: that is the story's affair.
            socket.send_to(&packet, target).ok();
        }
        self.frame += 1;
    }
}

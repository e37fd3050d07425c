//! Real sockets on loopback: two phones, tones both ways, ports returned.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::*;
use crate::audio::{Prompt, g711, tone};
use crate::clock::Wall;
use crate::media::api::{Clip, Script};
use crate::model::CallId;
use crate::rtp::{self, HEADER, Stamp};
use crate::sdp::{Codec, Direction, MediaPlan};

const BOUND: Duration = Duration::from_secs(5);

struct Message;

impl Prompts for Message {
    fn find(&self, _: &Clip) -> Arc<Prompt> {
        let samples = tone::sine(440.0, 8000, 8000);
        let (pcmu, pcma) = (g711::ulaw_encode_all(&samples), g711::alaw_encode_all(&samples));
        Arc::new(Prompt::of_codes(pcmu, pcma))
    }
}

fn leg(call: u8, attempt: u16) -> LegId {
    LegId { call: CallId::new(Wall(0), [call; 10]), attempt }
}

fn start(first: u16, last: u16, threads: usize) -> (MediaHandle, Receiver<Event>) {
    let (sender, events) = channel();
    let settings = MediaSettings { address: "127.0.0.1".parse().unwrap(), ports: (first, last), threads, tick_ms: 5 };
    let sink: EventSink = Arc::new(move |event| drop(sender.send(event)));
    (MediaHandle::start(settings, Arc::new(Message), sink).unwrap(), events)
}

/// A phone with its own socket and a tone.
struct Phone {
    socket: UdpSocket,
    leg: LegId,
    to: SocketAddr,
    tone: Vec<u8>,
    sent: u16,
    heard: Vec<u8>,
}

impl Phone {
    fn new(media: &MediaHandle, leg: LegId, hertz: f64) -> Phone {
        let Some(Event::Opened { local, .. }) = media.command(Command::Open { leg }) else { panic!("no port") };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let plan = MediaPlan {
            remote: socket.local_addr().unwrap(),
            codec: Codec::Pcmu,
            send_payload_type: 0,
            receive_payload_type: 0,
            telephone_event: None,
            direction: Direction::BOTH,
            ptime_ms: 20,
            max_ptime_ms: 120,
            event_hz: 8000,
        };
        media.command(Command::Agree { leg, plan });
        let tone = g711::ulaw_encode_all(&tone::sine(hertz, 8000, 8000));
        Phone { socket, leg, to: local, tone, sent: 0, heard: Vec::new() }
    }

    fn talk(&mut self) {
        let at = usize::from(self.sent) * 160 % self.tone.len();
        let mut bytes = [0u8; HEADER].to_vec();
        bytes.extend_from_slice(&self.tone[at..at + 160]);
        let stamp = Stamp { marker: false, sequence: self.sent, timestamp: u32::from(self.sent) * 160, ssrc: 1 };
        rtp::write(bytes.first_chunk_mut().unwrap(), 0, stamp);
        self.socket.send_to(&bytes, self.to).unwrap();
        self.sent += 1;
    }

    fn listen(&mut self) {
        let mut bytes = [0u8; 2000];
        while let Ok((length, from)) = self.socket.recv_from(&mut bytes) {
            assert_eq!(from, self.to, "RTP comes from the port that SDP named");
            let header = rtp::read(&bytes[..length]).unwrap();
            self.heard.extend_from_slice(&bytes[header.payload]);
        }
    }

    fn hears(&self, hertz: f64, frames: usize) -> bool {
        let from = self.heard.len().saturating_sub(frames * 160);
        self.heard.len() >= frames * 160 && tone::is_heard(&g711::ulaw_decode_all(&self.heard[from..]), hertz)
    }
}

/// Both talk, 20 ms a frame, until this is so.
fn talk_until(phones: &mut [Phone], what: &str, mut done: impl FnMut(&[Phone]) -> bool) {
    let began = Instant::now();
    let mut frame = 0u32;
    while !done(phones) {
        assert!(began.elapsed() < BOUND, "{what}");
        phones.iter_mut().for_each(Phone::talk);
        frame += 1;
        while began.elapsed() < Duration::from_millis(20) * frame {
            phones.iter_mut().for_each(Phone::listen);
            std::thread::yield_now();
        }
    }
}

fn closed(events: &Receiver<Event>) -> crate::model::Quality {
    loop {
        if let Event::Closed { quality, .. } = events.recv_timeout(BOUND).unwrap() {
            return quality;
        }
    }
}

#[test]
fn the_message_is_heard_then_a_tone_crosses_both_ways_and_the_ports_come_back() {
    let (media, events) = start(37_000, 37_009, 1);
    let mut phones = [Phone::new(&media, leg(1, 0), 1000.0), Phone::new(&media, leg(1, 1), 1700.0)];
    assert_eq!(media.counters().ports_in_use, 2);
    media.command(Command::Play {
        leg: phones[0].leg,
        script: Script { once: vec![Clip::HoldMusic], then_loop: Some(Clip::HoldMusic) },
    });
    talk_until(&mut phones, "the message", |phones| phones[0].hears(440.0, 10));
    assert!(phones[1].heard.is_empty());
    media.command(Command::Bridge { a: phones[0].leg, b: phones[1].leg });
    talk_until(&mut phones, "the talk", |phones| phones[0].hears(1700.0, 20) && phones[1].hears(1000.0, 20));
    for phone in &phones {
        media.command(Command::Close { leg: phone.leg });
        let quality = closed(&events);
        assert_eq!((quality.packets_lost, quality.packets_refused), (0, 0));
        assert!(quality.packets_received > 20 && quality.packets_sent >= 20);
    }
    assert_eq!(media.counters().ports_in_use, 0);
    let counters = media.counters();
    assert!(counters.packets.relayed >= 40 && counters.packets.played >= 10, "{counters:?}");
}

#[test]
fn an_idle_thread_sleeps_and_a_thousand_legs_that_fail_leave_no_port() {
    let (media, events) = start(37_100, 37_139, 2);
    for round in 0..50u8 {
        for attempt in 0..20 {
            let opened = media.command(Command::Open { leg: leg(round, attempt) });
            assert!(matches!(opened, Some(Event::Opened { .. })), "{opened:?}");
        }
        let refused = media.command(Command::Open { leg: leg(round, 99) });
        assert_eq!(refused, Some(Event::OpenFailed { leg: leg(round, 99), reason: OpenError::PoolEmpty }));
        for attempt in 0..20 {
            media.command(Command::Close { leg: leg(round, attempt) });
        }
        for _ in 0..20 {
            closed(&events);
        }
        assert_eq!(media.counters().ports_in_use, 0);
    }
}

#[test]
fn dropping_the_handle_closes_every_leg() {
    let (media, events) = start(37_200, 37_209, 1);
    for attempt in 0..3 {
        media.command(Command::Open { leg: leg(1, attempt) });
    }
    drop(media);
    let all: Vec<Event> = events.iter().collect();
    assert_eq!(all.iter().filter(|event| matches!(event, Event::Closed { .. })).count(), 3);
}

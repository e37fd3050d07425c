//! Stories of two legs in virtual time, proved by tones, and a storm of hostile datagrams.

mod conference;
mod forms;
mod held;
mod keys;
mod machines;
mod mixed;
mod recorded;
mod reports;
mod secure;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::api::{Clip, Command, Event, Prompts, Script};
use super::*;
use crate::audio::{Prompt, g711, tone};
use crate::clock::{Mono, Wall};
use crate::model::{CallId, Key, LegId};
use crate::rtp::{self, HEADER, Header, Stamp, TelephoneEvent};
use crate::sdp::{Codec, Direction, MediaPlan, RtcpPath};

/// What the message sounds like here, and what the two people do.
const MESSAGE_HZ: f64 = 440.0;
const CUSTOMER_HZ: f64 = 1000.0;
const REPRESENTATIVE_HZ: f64 = 1700.0;
const STILL_HZ: f64 = 1300.0;

struct ToneLibrary;

impl Prompts for ToneLibrary {
    fn find(&self, clip: &Clip) -> Arc<Prompt> {
        let samples = match clip {
            Clip::HoldMusic => tone::sine(620.0, 8000, 800),
            Clip::Silence => Vec::new(),
            Clip::Still(_) => tone::sine(STILL_HZ, 8000, 4000),
            Clip::Consent(_) => tone::sine(STILL_HZ, 8000, 4000),
            Clip::Connecting(_) | Clip::Unavailable(_) | Clip::Gate(_) | Clip::Whisper(_) | Clip::Machine(_) => {
                tone::sine(MESSAGE_HZ, 8000, 8000)
            }
        };
        let (pcmu, pcma) = (g711::ulaw_encode_all(&samples), g711::alaw_encode_all(&samples));
        Arc::new(Prompt::of_codes(pcmu, pcma))
    }
}

fn leg(attempt: u16) -> LegId {
    LegId { call: CallId::new(Wall(0), [7; 10]), attempt }
}

fn message() -> Script {
    let business = "abc".parse().unwrap();
    let spoken = super::api::Spoken { business, company: "ABC".into(), language: None };
    Script { once: vec![Clip::Connecting(spoken)], then_loop: Some(Clip::HoldMusic) }
}

fn plan(port: u16, codec: Codec) -> MediaPlan {
    MediaPlan {
        remote: format!("192.0.2.9:{port}").parse().unwrap(),
        rtcp: RtcpPath::Apart(format!("192.0.2.9:{}", port + 1).parse().unwrap()),
        codec,
        send_payload_type: codec.payload_type(),
        receive_payload_type: codec.payload_type(),
        telephone_event: Some((101, 101)),
        direction: Direction::BOTH,
        ptime_ms: 20,
        max_ptime_ms: 120,
        fec: false,
        srtp: None,
        event_hz: 8000,
    }
}

fn decode(codec: Codec, bytes: &[u8]) -> Vec<i16> {
    match codec {
        Codec::Pcmu => g711::ulaw_decode_all(bytes),
        Codec::Pcma => g711::alaw_decode_all(bytes),
        Codec::G722 | Codec::Opus => panic!("of another story"),
    }
}

/// A phone at a socket: it sends a tone and keeps what it hears.
struct Phone {
    slot: Slot,
    from: SocketAddr,
    codec: Codec,
    tone: Vec<u8>,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    heard: Vec<(Mono, Header, Vec<u8>)>,
    reports: Vec<(Mono, Vec<u8>)>,
}

impl Phone {
    fn packet(&mut self) -> Vec<u8> {
        let at = usize::from(self.sequence) * 160 % self.tone.len();
        let mut bytes = [0u8; HEADER].to_vec();
        bytes.extend_from_slice(&self.tone[at..at + 160]);
        let stamp = Stamp { marker: false, sequence: self.sequence, timestamp: self.timestamp, ssrc: self.ssrc };
        rtp::write(bytes.first_chunk_mut().unwrap(), self.codec.payload_type(), stamp);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        bytes
    }

    fn samples(&self) -> Vec<i16> {
        self.heard.iter().flat_map(|(_, header, bytes)| decode(self.codec, &bytes[header.payload.clone()])).collect()
    }
}

/// Two phones, a shard, and time.
struct Stage {
    shard: Shard,
    now: Mono,
    phones: Vec<Phone>,
    events: Vec<Event>,
}

impl Stage {
    fn new(codecs: [Codec; 2]) -> Stage {
        let mut shard = Shard::new(Arc::new(ToneLibrary), Settings::default(), [3; 32]);
        let mut phones = Vec::new();
        for (n, (codec, hertz)) in codecs.into_iter().zip([CUSTOMER_HZ, REPRESENTATIVE_HZ]).enumerate() {
            let slot = shard.open(leg(n as u16)).unwrap();
            let samples = tone::sine(hertz, 8000, 8000);
            let tone = match codec {
                Codec::Pcmu => g711::ulaw_encode_all(&samples),
                Codec::Pcma => g711::alaw_encode_all(&samples),
                Codec::G722 | Codec::Opus => panic!("of another story"),
            };
            let plan = plan(4000 + n as u16 * 2, codec);
            let from = plan.remote;
            shard.command(Mono(0), Command::Agree { leg: leg(n as u16), plan });
            let n = n as u32;
            phones.push(Phone {
                slot,
                from,
                codec,
                tone,
                ssrc: 50 + n,
                sequence: 65_500,
                timestamp: n * 7777,
                heard: Vec::new(),
                reports: Vec::new(),
            });
        }
        Stage { shard, now: Mono(1_000_000), phones, events: Vec::new() }
    }

    fn tell(&mut self, command: Command) {
        self.shard.command(self.now, command);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.shard.poll_event() {
            self.events.push(event);
        }
    }

    /// Hands in a datagram; what comes out is heard by the phone whose address it goes to.
    fn hand_in(&mut self, slot: Slot, from: SocketAddr, mut bytes: Vec<u8>) -> Option<Outgoing> {
        let verdict = self.shard.packet(self.now, slot, Half::Rtp, from, &mut bytes);
        self.drain();
        if let Some(way) = verdict.send {
            hear(&mut self.phones, self.now, way, &bytes);
        }
        verdict.send
    }

    /// Lets `millis` pass in ticks of 5 ms; the phones named talk.
    fn run(&mut self, millis: u64, talking: &[usize]) {
        for step in 0..millis / 5 {
            self.now = self.now + Duration::from_millis(5);
            if step % 4 == 0 {
                for n in talking {
                    let (slot, from, bytes) = (self.phones[*n].slot, self.phones[*n].from, self.phones[*n].packet());
                    self.hand_in(slot, from, bytes);
                }
            }
            let (now, phones) = (self.now, &mut self.phones);
            self.shard.tick(now, |way, bytes| hear(phones, now, way, bytes));
            self.drain();
        }
    }

    fn bridge(&mut self) {
        self.tell(Command::Bridge { a: leg(0), b: leg(1) });
    }

    fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }
}

fn hear(phones: &mut [Phone], now: Mono, way: Outgoing, bytes: &[u8]) {
    let phone = phones.iter_mut().find(|phone| phone.slot == way.slot).unwrap();
    if way.half == Half::Rtcp {
        assert_eq!(way.to, SocketAddr::new(phone.from.ip(), phone.from.port() + 1));
        return phone.reports.push((now, bytes.to_vec()));
    }
    assert_eq!(way.to, phone.from);
    phone.heard.push((now, rtp::read(bytes).unwrap(), bytes.to_vec()));
}

#[test]
fn the_message_then_music_then_the_other_side_on_one_numbering() {
    for codecs in [[Codec::Pcmu, Codec::Pcmu], [Codec::Pcmu, Codec::Pcma], [Codec::Pcma, Codec::Pcmu]] {
        let mut stage = Stage::new(codecs);
        stage.tell(Command::Play { leg: leg(0), script: message() });
        stage.run(1500, &[0, 1]);
        assert!(stage.phones[1].heard.is_empty(), "the representative never hears the customer before the bridge");
        let before = stage.phones[0].heard.len();
        assert!((74..=76).contains(&before), "{before}");
        stage.bridge();
        stage.run(1000, &[0, 1]);
        let customer = &stage.phones[0];
        let samples = customer.samples();
        let (held, talk) = samples.split_at(before * 160);
        assert!(tone::is_heard(&held[..8000], MESSAGE_HZ));
        assert!(tone::is_heard(&held[8000..], 620.0));
        assert!(tone::is_heard(talk, REPRESENTATIVE_HZ));
        assert!(!tone::is_heard(&talk[..160], 620.0), "the first frame after the bridge is the representative's");
        assert!(tone::is_heard(&stage.phones[1].samples(), CUSTOMER_HZ));
        let marks: Vec<usize> =
            customer.heard.iter().enumerate().filter(|(_, heard)| heard.1.marker).map(|(n, _)| n).collect();
        assert_eq!(marks, [0, before]);
        for pair in customer.heard.windows(2) {
            assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1));
            assert_eq!(pair[1].1.ssrc, pair[0].1.ssrc);
            let passed = pair[1].1.timestamp.wrapping_sub(pair[0].1.timestamp);
            assert!((1..=320).contains(&passed), "{passed}");
        }
        assert_eq!(stage.count(|event| matches!(event, Event::FirstPacket { .. })), 2);
        assert_eq!(stage.count(|event| matches!(event, Event::FirstRelayed { .. })), 2);
    }
}

#[test]
fn frames_go_out_every_20_ms_on_their_own_beat() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Play { leg: leg(0), script: message() });
    stage.run(5, &[]);
    assert_eq!(stage.phones[0].heard.len(), 1, "the first within one tick");
    stage.run(995, &[]);
    let at: Vec<u64> = stage.phones[0].heard.iter().map(|heard| heard.0.0).collect();
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] == 20_000), "{at:?}");
}

#[test]
fn a_script_without_a_loop_ends_and_says_so_once() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Play { leg: leg(0), script: Script { then_loop: None, ..message() } });
    stage.run(990, &[]);
    assert_eq!(stage.count(|event| matches!(event, Event::PlayEnded { .. })), 0);
    stage.run(500, &[]);
    assert_eq!(stage.count(|event| matches!(event, Event::PlayEnded { .. })), 1);
    assert_eq!(stage.phones[0].heard.len(), 50);
}

#[test]
fn a_script_replaced_in_the_same_instant_sends_single_frames() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Play { leg: leg(0), script: message() });
    stage.tell(Command::Play { leg: leg(0), script: message() });
    stage.run(200, &[]);
    assert_eq!(stage.phones[0].heard.len(), 10);
}

#[test]
fn play_ends_a_bridge_for_both() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(100, &[0, 1]);
    stage.tell(Command::Play { leg: leg(0), script: message() });
    let heard = stage.phones[1].heard.len();
    stage.run(200, &[0, 1]);
    assert_eq!(stage.phones[1].heard.len(), heard);
    assert!(tone::is_heard(&stage.phones[0].samples()[800..], MESSAGE_HZ));
}

#[test]
fn a_leg_on_hold_is_sent_nothing_and_a_resumed_one_begins_with_a_marker() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(100, &[0, 1]);
    let held = MediaPlan { direction: Direction { send: false, receive: true }, ..plan(4000, Codec::Pcmu) };
    stage.tell(Command::Agree { leg: leg(0), plan: held });
    let before = stage.phones[0].heard.len();
    stage.run(1000, &[0, 1]);
    assert_eq!(stage.phones[0].heard.len(), before);
    stage.tell(Command::Agree { leg: leg(0), plan: plan(4000, Codec::Pcmu) });
    stage.run(100, &[0, 1]);
    let after = &stage.phones[0].heard[before..];
    assert_eq!(after.len(), 5);
    assert!(after[0].1.marker);
    assert_eq!(after[0].1.sequence, stage.phones[0].heard[before - 1].1.sequence.wrapping_add(1));
    let passed = after[0].1.timestamp.wrapping_sub(stage.phones[0].heard[before - 1].1.timestamp);
    assert_eq!(passed, 1020 * 8, "the clock went on during the hold");
}

#[test]
fn a_script_goes_on_unheard_while_held_and_ends() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Agree {
        leg: leg(0),
        plan: MediaPlan { direction: Direction::INACTIVE, ..plan(4000, Codec::Pcmu) },
    });
    stage.tell(Command::Play { leg: leg(0), script: Script { then_loop: None, ..message() } });
    stage.run(1100, &[]);
    assert!(stage.phones[0].heard.is_empty());
    assert_eq!(stage.count(|event| matches!(event, Event::PlayEnded { .. })), 1);
}

#[test]
fn before_an_agreement_nothing_is_taken_and_a_script_waits_for_it() {
    let mut shard = Shard::new(Arc::new(ToneLibrary), Settings::default(), [0; 32]);
    let slot = shard.open(leg(0)).unwrap();
    shard.command(Mono(0), Command::Play { leg: leg(0), script: message() });
    let mut frames = 0;
    shard.tick(Mono(5000), |_, _| frames += 1);
    let mut bytes = [0x80; 172];
    bytes[1] = 0;
    assert_eq!(
        shard.packet(Mono(5000), slot, Half::Rtp, "192.0.2.9:4000".parse().unwrap(), &mut bytes),
        Verdict::default()
    );
    shard.command(Mono(9000), Command::Agree { leg: leg(0), plan: plan(4000, Codec::Pcmu) });
    shard.tick(Mono(10_000), |_, _| frames += 1);
    assert_eq!((frames, shard.counters().early), (1, 1));
}

#[test]
fn strangers_are_refused_counted_and_never_heard() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(100, &[0, 1]);
    let heard = stage.phones[1].heard.len();
    let (slot, bytes) = (stage.phones[0].slot, stage.phones[0].packet());
    for from in ["192.0.2.9:4998", "203.0.113.66:4000"] {
        assert_eq!(stage.hand_in(slot, from.parse().unwrap(), bytes.clone()), None);
    }
    let (from, ssrc) = (stage.phones[0].from, stage.phones[0].ssrc);
    stage.phones[0].ssrc = 666;
    let foreign = stage.phones[0].packet();
    assert_eq!(stage.hand_in(slot, from, foreign), None);
    stage.phones[0].ssrc = ssrc;
    assert_eq!(stage.hand_in(slot, from, b"\x01not rtp at all".to_vec()), None);
    assert_eq!(stage.phones[1].heard.len(), heard);
    stage.tell(Command::Close { leg: leg(0) });
    let Some(Event::Closed { quality, .. }) = stage.events.last() else { panic!("not closed") };
    assert_eq!((quality.packets_refused, quality.packets_received, quality.packets_lost), (4, 5, 0));
}

#[test]
fn a_settled_source_is_said_once_and_moved_agreements_take_it_back() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    let (slot, from) = (stage.phones[0].slot, stage.phones[0].from);
    let mut first = stage.phones[0].packet();
    let mut second = stage.phones[0].packet();
    assert_eq!(stage.shard.packet(stage.now, slot, Half::Rtp, from, &mut first).connect, Some(from));
    assert_eq!(stage.shard.packet(stage.now, slot, Half::Rtp, from, &mut second).connect, None);
    assert_eq!(stage.shard.connected(slot), Some(from));
    stage.tell(Command::Agree { leg: leg(0), plan: plan(4000, Codec::Pcmu) });
    assert_eq!(stage.shard.connected(slot), Some(from));
    stage.tell(Command::Agree { leg: leg(0), plan: plan(4800, Codec::Pcmu) });
    assert_eq!(stage.shard.connected(slot), None);
}

#[test]
fn a_digit_crosses_with_the_other_sides_payload_type_and_is_left_out_where_there_is_none() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::Agree {
        leg: leg(1),
        plan: MediaPlan { telephone_event: Some((96, 96)), ..plan(4002, Codec::Pcmu) },
    });
    stage.bridge();
    stage.run(40, &[0]);
    let digit = TelephoneEvent { event: 5, end: false, volume: 10, duration: 160 };
    let press = |stage: &mut Stage| {
        let (slot, from) = (stage.phones[0].slot, stage.phones[0].from);
        let mut bytes = stage.phones[0].packet();
        bytes.truncate(HEADER);
        bytes[1] = 101;
        bytes.extend_from_slice(&digit.write());
        stage.hand_in(slot, from, bytes)
    };
    assert!(press(&mut stage).is_some());
    let (_, header, bytes) = stage.phones[1].heard.last().unwrap();
    assert_eq!(header.payload_type, 96);
    assert_eq!(TelephoneEvent::read(&bytes[header.payload.clone()]), Some(digit));
    let plan = MediaPlan { telephone_event: None, ..plan(4002, Codec::Pcmu) };
    stage.tell(Command::Agree { leg: leg(1), plan });
    assert!(press(&mut stage).is_none());
    stage.run(20, &[0]);
    let numbers: Vec<u16> = stage.phones[1].heard.iter().map(|heard| heard.1.sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "no gap: {numbers:?}");
}

#[test]
fn silence_is_told_once_and_again_only_after_audio() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::WatchSilence { leg: leg(0), after: Some(Duration::from_secs(2)) });
    let silent = |stage: &Stage| stage.count(|event| matches!(event, Event::Silent { .. }));
    stage.run(1900, &[]);
    assert_eq!(silent(&stage), 0);
    stage.run(3000, &[]);
    assert_eq!(silent(&stage), 1);
    stage.run(1000, &[0]);
    stage.run(2200, &[]);
    assert_eq!(silent(&stage), 2);
    stage.tell(Command::WatchSilence { leg: leg(0), after: None });
    stage.run(5000, &[]);
    assert_eq!(silent(&stage), 2);
}

#[test]
fn a_held_leg_may_be_silent() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.tell(Command::WatchSilence { leg: leg(0), after: Some(Duration::from_secs(1)) });
    let held = MediaPlan { direction: Direction { send: false, receive: true }, ..plan(4000, Codec::Pcmu) };
    stage.tell(Command::Agree { leg: leg(0), plan: held });
    stage.run(5000, &[]);
    stage.tell(Command::Agree { leg: leg(0), plan: plan(4000, Codec::Pcmu) });
    stage.run(900, &[]);
    assert_eq!(stage.count(|event| matches!(event, Event::Silent { .. })), 0);
    stage.run(300, &[]);
    assert_eq!(stage.count(|event| matches!(event, Event::Silent { .. })), 1);
}

#[test]
fn a_closed_leg_is_told_once_and_its_peer_hears_nothing_more() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.bridge();
    stage.run(100, &[0, 1]);
    stage.tell(Command::Close { leg: leg(0) });
    stage.tell(Command::Close { leg: leg(0) });
    stage.tell(Command::Bridge { a: leg(0), b: leg(1) });
    let heard = stage.phones[1].heard.len();
    stage.run(100, &[0, 1]);
    assert_eq!(stage.phones[1].heard.len(), heard);
    assert_eq!(stage.count(|event| matches!(event, Event::Closed { .. })), 1);
    assert_eq!(stage.shard.len(), 1);
    // The slot is used again: what a new leg does is not mixed up with the old one.
    assert_eq!(stage.shard.open(leg(9)), Some(stage.phones[0].slot));
    stage.run(100, &[0, 1]);
    assert_eq!(stage.phones[1].heard.len(), heard);
}

#[test]
fn loss_and_jitter_reach_the_record() {
    let mut stage = Stage::new([Codec::Pcmu; 2]);
    stage.run(200, &[0]);
    for _ in 0..3 {
        stage.phones[0].packet();
    }
    stage.run(200, &[0]);
    stage.tell(Command::Close { leg: leg(0) });
    let Some(Event::Closed { quality, .. }) = stage.events.last() else { panic!("not closed") };
    assert_eq!((quality.packets_received, quality.packets_lost), (20, 3));
}

#[test]
fn a_leg_is_small() {
    // Two pointers of it are for SRTP, keys agreed on and contexts; one is for RTCP, whose path has 32 bytes; 48 are for alarms, and
    // 32 for the other sources that it and we may have after another.
    assert!(std::mem::size_of::<super::leg::Leg>() <= 560, "{}", std::mem::size_of::<super::leg::Leg>());
}

fn any_command() -> impl Strategy<Value = Command> {
    let plans = (any::<bool>(), any::<bool>(), any::<bool>(), 1u16.., prop_oneof![0u8..64, 96u8..128], 0u16..100)
        .prop_map(|(alaw, send, receive, port, number, ptime_ms)| MediaPlan {
            direction: Direction { send, receive },
            telephone_event: Some((number, number)),
            ptime_ms,
            max_ptime_ms: 120,
            fec: false,
            srtp: None,
            event_hz: 8000,
            rtcp: if port.is_multiple_of(2) { RtcpPath::Mux } else { plan(port / 2, Codec::Pcmu).rtcp },
            ..plan(port, if alaw { Codec::Pcma } else { Codec::Pcmu })
        });
    prop_oneof![
        (0u16..3, plans).prop_map(|(n, plan)| Command::Agree { leg: leg(n), plan }),
        (0u16..3).prop_map(|n| Command::Play { leg: leg(n), script: message() }),
        (0u16..3, 0u16..3).prop_map(|(a, b)| Command::Bridge { a: leg(a), b: leg(b) }),
        (0u16..3).prop_map(|n| Command::Close { leg: leg(n) }),
        (0u16..3, 0u16..3, 0usize..3).prop_map(|(a, b, mode)| Command::Supervise {
            supervisor: leg(2),
            customer: leg(a),
            representative: leg(b),
            mode: crate::model::SupervisorMode::ALL[mode],
        }),
        (0u16..3, 0u64..3000).prop_map(|(n, ms)| Command::SendDigits {
            leg: leg(n),
            digits: crate::model::Digits::of(&crate::model::Endpoint::parse("tel:+12125550101;ext=4p2").unwrap())
                .unwrap(),
            after: Duration::from_millis(ms),
        }),
        (0u16..3).prop_map(|n| Command::HearKeys { leg: leg(n) }),
        (0u16..3).prop_map(|n| Command::Interject { leg: leg(n), clip: Clip::HoldMusic }),
        (0u16..3).prop_map(|n| Command::HearWho { leg: leg(n), times: crate::model::MachineTimes::default() }),
        (0u16..3, 0u8..16).prop_map(|(n, key)| Command::Pressed { leg: leg(n), key: Key::of_event(key).unwrap() }),
        (0u16..3, 0u64..9)
            .prop_map(|(n, s)| Command::WatchSilence { leg: leg(n), after: Some(Duration::from_secs(s)) }),
    ]
}

proptest! {
    /// Whatever comes in whatever order: no panic, one `Closed` per opened leg, and nothing sent to a closed one.
    #[test]
    fn no_storm_breaks_a_shard(
        steps in proptest::collection::vec(
            (any_command(), proptest::collection::vec(any::<u8>(), 0..60), 0usize..4, 0u64..90_000, any::<bool>()), 1..80),
    ) {
        let mut shard = Shard::new(Arc::new(ToneLibrary), Settings { latch_any_address: true, ..Settings::default() }, [1; 32]);
        let (mut now, mut opened, mut closed) = (Mono(0), 0, 0);
        for (command, mut bytes, place, passed, open) in steps {
            now = now + Duration::from_micros(passed);
            if open && shard.open(command_leg(&command)).is_some() {
                opened += 1;
            }
            shard.command(now, command);
            if let Some(first) = bytes.first_mut() {
                *first = (*first & 0x3f) | 0x80;
            }
            let half = if open { Half::Rtp } else { Half::Rtcp };
            let verdict = shard.packet(now, Slot(place), half, "192.0.2.9:4000".parse().unwrap(), &mut bytes);
            if let Some(way) = verdict.send {
                prop_assert!(rtp::read(&bytes).is_some());
                prop_assert!(way.slot != Slot(place));
            }
            shard.tick(now, |way, frame| {
                assert!(rtp::read(frame).is_some() != rtp::rtcp::read(frame).is_ok());
                assert!(!way.to.ip().is_unspecified());
            });
            while let Some(event) = shard.poll_event() {
                closed += usize::from(matches!(event, Event::Closed { .. }));
            }
            prop_assert_eq!(opened - closed, shard.len());
        }
    }
}

fn command_leg(command: &Command) -> LegId {
    match command {
        Command::Open { leg }
        | Command::Agree { leg, .. }
        | Command::Play { leg, .. }
        | Command::Bridge { a: leg, .. }
        | Command::Record { a: leg, .. }
        | Command::Supervise { supervisor: leg, .. }
        | Command::WatchSilence { leg, .. }
        | Command::SendDigits { leg, .. }
        | Command::Pressed { leg, .. }
        | Command::Interject { leg, .. }
        | Command::HearKeys { leg }
        | Command::HearWho { leg, .. }
        | Command::Close { leg } => *leg,
    }
}

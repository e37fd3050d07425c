//! A bridge of two phones in virtual time, with a network in front of the first: what it says, what the second is sent, and what
//! that sounds like. Owns the packets and their fate; refuses to judge the sound.

use std::net::SocketAddr;
use std::sync::Arc;

use callbridge::audio::Prompt;
use callbridge::audio::codec::{Decoder, Encoder, Rate};
use callbridge::clock::{Mono, Wall};
use callbridge::media::api::{Clip, Command, Prompts};
use callbridge::media::{Half, Settings, Shard, Slot};
use callbridge::model::{CallId, Codec, LegId};
use callbridge::rtp::{self, HEADER, Stamp};
use callbridge::sdp::{Direction, MediaPlan, RtcpPath};

/// What the network does to the packets of the first phone.
#[derive(Clone, Copy, Default, Debug)]
pub struct Network {
    /// Every so many packets one is lost; 0: none.
    pub lose_every: u16,
    /// Packets come up to so many milliseconds late, each its own.
    pub jitter_ms: u64,
    /// Every so many packets one comes so late that its successor is there first; 0: none.
    pub swap_every: u16,
    /// The first phone's clock runs so many millionths fast (or slow).
    pub drift: i64,
    /// The first phone expects to lose so many percent, and tells what matters twice (Opus).
    pub expected: u8,
}

/// One side's agreement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Side {
    pub codec: Codec,
    pub ptime_ms: u16,
}

/// What arrived at the second phone.
#[derive(Default)]
pub struct Arrived {
    /// Decoded at the asked rate, from its first packet on.
    pub heard: Vec<i16>,
    /// When the first packet came, in ms since the first was sent.
    pub first_ms: u64,
    /// Payload types.
    pub kinds: Vec<u8>,
    /// How long each packet lasts.
    pub lengths_ms: Vec<u32>,
    /// For every packet: when it came (µs) minus when the voice in it was spoken by the second side's own timestamps.
    pub transits: Vec<i64>,
}

pub const SEND: u8 = 97;
pub const RECEIVE: u8 = 98;

struct NoPrompt;

impl Prompts for NoPrompt {
    fn find(&self, _: &Clip) -> Arc<Prompt> {
        Arc::new(Prompt::from_pcm(&[]))
    }
}

pub fn leg(attempt: u16) -> LegId {
    LegId { call: CallId::new(Wall(0), [7; 10]), attempt }
}

pub fn plan(port: u16, side: Side) -> MediaPlan {
    MediaPlan {
        remote: SocketAddr::from(([127, 0, 0, 1], port)),
        rtcp: RtcpPath::Off,
        codec: side.codec,
        send_payload_type: SEND,
        receive_payload_type: RECEIVE,
        telephone_event: Some((101, 101)),
        event_hz: 8000,
        direction: Direction::BOTH,
        ptime_ms: side.ptime_ms,
        max_ptime_ms: 120,
        fec: false,
        srtp: None,
    }
}

/// Two bridged legs.
pub fn bridge(sides: [Side; 2]) -> (Shard, [Slot; 2]) {
    let mut shard = Shard::new(Arc::new(NoPrompt), Settings::default(), [7; 32]);
    let slots = [0, 1].map(|n| shard.open(leg(n)).unwrap());
    for (n, side) in (0u16..).zip(sides) {
        shard.command(Mono(0), Command::Agree { leg: leg(n), plan: plan(4000 + 2 * n, side) });
    }
    shard.command(Mono(0), Command::Bridge { a: leg(0), b: leg(1) });
    (shard, slots)
}

/// One packet of a phone.
pub fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER + payload.len()];
    let (header, room) = bytes.split_first_chunk_mut::<HEADER>().unwrap();
    rtp::write(header, payload_type, Stamp { marker: false, sequence, timestamp, ssrc: 9 });
    room.copy_from_slice(payload);
    bytes
}

/// The first phone says `samples` (at `rate`); the second one hears.
pub fn cross(sides: [Side; 2], network: Network, rate: Rate, samples: &[i16]) -> Arrived {
    let (mut shard, [slot, _]) = bridge(sides);
    let from = SocketAddr::from(([127, 0, 0, 1], 4000));
    let mut sent = speak(sides[0], network, rate, samples);
    let end = sent.last().map_or(0, |(at, _)| *at) + 400_000;
    sent.sort_by_key(|(at, _)| *at);
    let mut sent = sent.into_iter().peekable();
    let mut out: Vec<(u64, Vec<u8>)> = Vec::new();
    for now in (0..end).step_by(1000) {
        while let Some((_, mut bytes)) = sent.next_if(|(at, _)| *at <= now) {
            if shard.packet(Mono(now), slot, Half::Rtp, from, &mut bytes).send.is_some() {
                out.push((now, bytes));
            }
        }
        shard.tick(Mono(now), |_, bytes| out.push((now, bytes.to_vec())));
    }
    hear(sides[1], rate, &out)
}

/// The packets of a voice and the moments at which they come, in µs.
fn speak(side: Side, network: Network, rate: Rate, samples: &[i16]) -> Vec<(u64, Vec<u8>)> {
    let mut encoder = Encoder::new(side.codec, rate);
    encoder.expect_loss(network.expected);
    let mut random = 12_345u64;
    let ticks = u32::from(side.ptime_ms) * side.codec.clock_hz() / 1000;
    let mut all = Vec::new();
    for (n, frame) in (0u16..).zip(samples.chunks_exact(rate.samples(side.ptime_ms.into()))) {
        let mut payload = Vec::new();
        assert!(encoder.encode(frame, &mut payload));
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let on_beat = i64::from(n) * i64::from(side.ptime_ms) * (1_000_000 - network.drift) / 1000;
        let mut at = on_beat as u64 + (random >> 33) % (network.jitter_ms * 1000 + 1);
        if network.swap_every > 0 && n % network.swap_every == 1 {
            at += u64::from(side.ptime_ms) * 1000 + 2000;
        }
        if network.lose_every > 0 && n % network.lose_every == network.lose_every / 2 {
            continue;
        }
        all.push((at, packet(RECEIVE, n.wrapping_add(65_500), u32::from(n).wrapping_mul(ticks), &payload)));
    }
    all
}

/// What a phone makes of its packets: a patient one that waits for all of them.
fn hear(side: Side, rate: Rate, out: &[(u64, Vec<u8>)]) -> Arrived {
    let mut arrived = Arrived::default();
    let mut packets: Vec<(u64, rtp::Header, &[u8])> = Vec::new();
    for (at, bytes) in out {
        let header = rtp::read(bytes).expect("an RTP packet");
        let payload = &bytes[header.payload.clone()];
        packets.push((*at, header, payload));
    }
    let Some((first, _)) = out.first() else { return arrived };
    arrived.first_ms = first / 1000;
    let base = packets[0].1.timestamp;
    packets.sort_by_key(|(_, header, _)| header.timestamp.wrapping_sub(base).cast_signed());
    let mut decoder = Decoder::new(side.codec, rate);
    let clock_ms = side.codec.clock_hz() / 1000;
    let mut due = base;
    for (at, header, payload) in packets {
        let gap = header.timestamp.wrapping_sub(due).cast_signed();
        if gap > 0 {
            decoder.lost(gap as usize / clock_ms as usize, Some(payload), &mut arrived.heard);
        }
        assert!(decoder.decode(payload, &mut arrived.heard), "a payload of {:?}", side.codec);
        let ticks = callbridge::audio::codec::ticks(side.codec, payload).unwrap();
        due = header.timestamp.wrapping_add(ticks);
        arrived.kinds.push(header.payload_type);
        arrived.lengths_ms.push(ticks / clock_ms);
        let spoken = i64::from(header.timestamp.wrapping_sub(base)) * 1000 / i64::from(clock_ms);
        arrived.transits.push(at as i64 - spoken);
    }
    arrived
}

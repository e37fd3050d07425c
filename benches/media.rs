//! What media costs by itself, without sockets: one relayed packet, one frame of a message, one re-encoded packet, one
//! offer answered.

use std::sync::Arc;
use std::time::Duration;

use callbridge::audio::{Prompt, g711};
use callbridge::clock::{Mono, Wall};
use callbridge::media::api::{Clip, Command, Prompts, Script};
use callbridge::media::{Half, Settings, Shard, Slot};
use callbridge::model::{CallId, LegId, SupervisorMode};
use callbridge::rtp::{self, HEADER, Stamp};
use callbridge::sdp::{self, Codec, Direction, LocalMedia, LocalSrtp, MediaPlan, RtcpPath};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

struct Message;

impl Prompts for Message {
    fn find(&self, _: &Clip) -> Arc<Prompt> {
        Arc::new(Prompt::of_codes(vec![0xff; 40_000], vec![0xd5; 40_000]))
    }
}

fn leg(attempt: u16) -> LegId {
    LegId { call: CallId::new(Wall(0), [0; 10]), attempt }
}

fn plan(attempt: u16, codec: Codec) -> MediaPlan {
    MediaPlan {
        remote: ([192, 0, 2, 9], 4000 + 2 * attempt).into(),
        rtcp: RtcpPath::Apart(([192, 0, 2, 9], 4001 + 2 * attempt).into()),
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

/// A shard with two legs that agreed.
fn two_legs(codecs: [Codec; 2]) -> (Shard, Slot) {
    let mut shard = Shard::new(Arc::new(Message), Settings::default(), [0; 32]);
    let slots: Vec<Option<Slot>> = (0..2).map(|n| shard.open(leg(n))).collect();
    for (n, codec) in (0u16..).zip(codecs) {
        shard.command(Mono(0), Command::Agree { leg: leg(n), plan: plan(n, codec) });
    }
    (shard, slots.into_iter().flatten().next().expect("a slot"))
}

fn relay(bencher: Bencher<'_, '_>, codecs: [Codec; 2]) {
    let (mut shard, slot) = two_legs(codecs);
    shard.command(Mono(0), Command::Bridge { a: leg(0), b: leg(1) });
    let from = plan(0, codecs[0]).remote;
    let mut sequence = 0u16;
    let mut now = Mono(0);
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        let mut bytes = [0x55u8; HEADER + 160];
        let stamp = Stamp { marker: false, sequence, timestamp: u32::from(sequence) * 160, ssrc: 1 };
        if let Some(header) = bytes.first_chunk_mut() {
            rtp::write(header, codecs[0].payload_type(), stamp);
        }
        sequence = sequence.wrapping_add(1);
        now = now + Duration::from_millis(20);
        shard.packet(now, slot, Half::Rtp, from, black_box(&mut bytes))
    });
}

#[divan::bench]
fn relayed_packet(bencher: Bencher<'_, '_>) {
    relay(bencher, [Codec::Pcmu; 2]);
}

#[divan::bench]
fn relayed_packet_transcoded(bencher: Bencher<'_, '_>) {
    relay(bencher, [Codec::Pcmu, Codec::Pcma]);
}

#[divan::bench]
fn message_frame(bencher: Bencher<'_, '_>) {
    let (mut shard, _) = two_legs([Codec::Pcmu; 2]);
    let script = Script { once: Vec::new(), then_loop: Some(Clip::HoldMusic) };
    shard.command(Mono(0), Command::Play { leg: leg(0), script });
    let mut now = Mono(0);
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        now = now + Duration::from_millis(20);
        shard.tick(now, |way, bytes| {
            black_box((way, bytes));
        });
    });
}

#[divan::bench]
fn alaw_to_ulaw_20_ms(bencher: Bencher<'_, '_>) {
    let mut payload = [0x55u8; 160];
    bencher.bench_local(|| g711::alaw_to_ulaw(black_box(&mut payload)));
}

const LOCAL: LocalMedia = LocalMedia {
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    port: 20_000,
    session_id: 1,
    version: 1,
    telephone_event: true,
    ptime_ms: 20,
    srtp: LocalSrtp::Off,
};

#[divan::bench]
fn sdp_offer() -> Vec<u8> {
    sdp::offer(black_box(&LOCAL), &[Codec::Pcmu, Codec::Pcma], Direction::BOTH)
}

#[divan::bench]
fn sdp_answer(bencher: Bencher<'_, '_>) {
    let offer = sdp::offer(&LOCAL, &[Codec::Pcmu, Codec::Pcma], Direction::BOTH);
    bencher.bench_local(|| sdp::answer(black_box(&LOCAL), black_box(&offer), &Codec::ALL, &[]));
}

#[divan::bench]
fn sdp_accept_answer(bencher: Bencher<'_, '_>) {
    let answer = sdp::offer(&LOCAL, &[Codec::Pcmu], Direction::BOTH);
    bencher.bench_local(|| sdp::accept_answer(&[Codec::Pcmu], &LOCAL.srtp, black_box(&answer)));
}

/// 20 ms of a talk that a supervisor takes part in: a packet of each of the three comes in, and each hears what its mode says.
fn supervised(bencher: Bencher<'_, '_>, codecs: [Codec; 2], mode: SupervisorMode) {
    let (mut shard, first) = two_legs(codecs);
    let Some(third) = shard.open(leg(2)) else { return };
    shard.command(Mono(0), Command::Agree { leg: leg(2), plan: plan(2, Codec::Pcmu) });
    shard.command(Mono(0), Command::Bridge { a: leg(0), b: leg(1) });
    let (customer, representative) = (leg(0), leg(1));
    shard.command(Mono(0), Command::Supervise { supervisor: leg(2), customer, representative, mode });
    let second = shard.slot(leg(1)).unwrap_or(first);
    let voices = [(first, codecs[0]), (second, codecs[1]), (third, Codec::Pcmu)];
    let mut sequence = 0u16;
    let mut now = Mono(0);
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        for (attempt, (slot, codec)) in (0u16..).zip(voices) {
            let mut bytes = [0x55u8; HEADER + 160];
            let stamp = Stamp { marker: false, sequence, timestamp: u32::from(sequence) * 160, ssrc: 1 };
            if let Some(header) = bytes.first_chunk_mut() {
                rtp::write(header, codec.payload_type(), stamp);
            }
            shard.packet(now, slot, Half::Rtp, plan(attempt, codec).remote, black_box(&mut bytes));
        }
        sequence = sequence.wrapping_add(1);
        for _ in 0..2 {
            now = now + Duration::from_millis(10);
            shard.tick(now, |way, bytes| {
                black_box((way, bytes));
            });
        }
    });
}

#[divan::bench]
fn listened_to_20_ms(bencher: Bencher<'_, '_>) {
    supervised(bencher, [Codec::Pcmu; 2], SupervisorMode::Listen);
}

#[divan::bench]
fn joined_20_ms(bencher: Bencher<'_, '_>) {
    supervised(bencher, [Codec::Pcmu, Codec::Pcma], SupervisorMode::Join);
}

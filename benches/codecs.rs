//! Codecs and their meeting, 20 ms at a time: what a decoder, an encoder, a resampler and a whole transcoded way cost.
//! `cargo bench --bench codecs`.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use callbridge::audio::codec::{Decoder, Encoder, Rate};
use callbridge::audio::resample::Resampler;
use callbridge::audio::{Prompt, wav};
use callbridge::clock::{Mono, Wall};
use callbridge::media::api::{Clip, Command, Prompts};
use callbridge::media::{Half, Settings, Shard};
use callbridge::model::{CallId, Codec, LegId};
use callbridge::rtp::{self, HEADER, Stamp};
use callbridge::sdp::{Direction, MediaPlan, RtcpPath};
use divan::Bencher;

fn main() {
    divan::main();
}

/// Four seconds of a voice, at a rate.
fn speech(rate: Rate) -> Vec<i16> {
    let narrow = wav::read(include_bytes!("../assets/unavailable.wav")).expect("the shipped recording");
    let mut samples = Vec::new();
    Resampler::new(Rate::Hz8000, rate).process(&narrow, &mut samples);
    samples
}

fn payloads(codec: Codec) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, Rate::Hz8000);
    let pack = |frame: &[i16]| {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        payload
    };
    speech(Rate::Hz8000).chunks_exact(160).map(pack).collect()
}

#[divan::bench(args = [Codec::Pcmu, Codec::G722, Codec::Opus])]
fn decode_20_ms_to_8_khz(bencher: Bencher, codec: Codec) {
    let (payloads, mut decoder, mut out, mut n) = (payloads(codec), Decoder::new(codec, Rate::Hz8000), Vec::new(), 0);
    bencher.bench_local(|| {
        out.clear();
        n = (n + 1) % payloads.len();
        decoder.decode(black_box(&payloads[n]), &mut out)
    });
}

#[divan::bench(args = [(Codec::Pcmu, Rate::Hz8000), (Codec::G722, Rate::Hz16000), (Codec::Opus, Rate::Hz8000), (Codec::Opus, Rate::Hz16000)])]
fn encode_20_ms(bencher: Bencher, (codec, rate): (Codec, Rate)) {
    let (samples, mut encoder, mut out, mut n) = (speech(rate), Encoder::new(codec, rate), Vec::new(), 0);
    let frame = rate.samples(20);
    let frames = samples.len() / frame;
    bencher.bench_local(|| {
        out.clear();
        n = (n + 1) % frames;
        encoder.encode(black_box(&samples[n * frame..(n + 1) * frame]), &mut out)
    });
}

#[divan::bench(args = [(Rate::Hz8000, Rate::Hz16000), (Rate::Hz16000, Rate::Hz8000), (Rate::Hz48000, Rate::Hz8000)])]
fn resample_20_ms(bencher: Bencher, (from, to): (Rate, Rate)) {
    let samples = speech(from);
    let (frame, mut out, mut resampler) =
        (&samples[8000..8000 + from.samples(20)], Vec::new(), Resampler::new(from, to));
    bencher.bench_local(|| {
        out.clear();
        resampler.process(black_box(frame), &mut out);
    });
}

#[divan::bench(args = [Codec::Pcmu, Codec::G722, Codec::Opus])]
fn conceal_20_ms(bencher: Bencher, codec: Codec) {
    let (payloads, mut decoder, mut out) = (payloads(codec), Decoder::new(codec, Rate::Hz8000), Vec::new());
    let mut n = 0;
    bencher.bench_local(|| {
        out.clear();
        n = (n + 1) % payloads.len();
        decoder.decode(black_box(&payloads[n]), &mut out);
        decoder.lost(20, None, &mut out);
    });
}

struct NoPrompt;

impl Prompts for NoPrompt {
    fn find(&self, _: &Clip) -> Arc<Prompt> {
        Arc::new(Prompt::of_codes([], []))
    }
}

/// One packet in and one packet out of a bridged pair of legs, with the 20 ticks between them.
#[divan::bench(args = [
    (Codec::Pcmu, Codec::Pcma), (Codec::Pcmu, Codec::G722), (Codec::G722, Codec::Pcmu), (Codec::Pcmu, Codec::Opus),
    (Codec::Opus, Codec::Pcmu), (Codec::G722, Codec::Opus), (Codec::Opus, Codec::G722), (Codec::Opus, Codec::Opus),
])]
fn cross_20_ms(bencher: Bencher, (from, to): (Codec, Codec)) {
    let mut shard = Shard::new(Arc::new(NoPrompt), Settings::default(), [7; 32]);
    let legs = [0, 1].map(|attempt| LegId { call: CallId::new(Wall(0), [7; 10]), attempt });
    let slots = legs.map(|leg| shard.open(leg).expect("a leg"));
    for ((leg, codec), port) in legs.into_iter().zip([from, to]).zip([4000, 4002]) {
        shard.command(Mono(0), Command::Agree { leg, plan: plan(codec, port) });
    }
    shard.command(Mono(0), Command::Bridge { a: legs[0], b: legs[1] });
    let (payloads, mut n, mut now) = (payloads(from), 0usize, 0u64);
    let peer = SocketAddr::from(([127, 0, 0, 1], 4000));
    bencher.bench_local(|| {
        let payload = &payloads[n % payloads.len()];
        let mut bytes = [0u8; HEADER + 480];
        let datagram = &mut bytes[..HEADER + payload.len()];
        let timestamp = (n as u32).wrapping_mul(from.clock_hz() / 50);
        let (header, room) = datagram.split_first_chunk_mut::<HEADER>().expect("room");
        rtp::write(header, 96, Stamp { marker: false, sequence: n as u16, timestamp, ssrc: 1 });
        room.copy_from_slice(payload);
        let sent = shard.packet(Mono(now), slots[0], Half::Rtp, peer, datagram).send.is_some();
        let mut made = usize::from(sent);
        for _ in 0..20 {
            shard.tick(Mono(now), |_, _| made += 1);
            now += 1000;
        }
        n += 1;
        made
    });
}

fn plan(codec: Codec, port: u16) -> MediaPlan {
    MediaPlan {
        remote: SocketAddr::from(([127, 0, 0, 1], port)),
        rtcp: RtcpPath::Off,
        codec,
        send_payload_type: 96,
        receive_payload_type: 96,
        telephone_event: None,
        event_hz: codec.clock_hz(),
        direction: Direction::BOTH,
        ptime_ms: 20,
        max_ptime_ms: 120,
        fec: false,
        srtp: None,
    }
}

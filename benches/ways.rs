//! One packet of a talk in each of its ways through the shard, without sockets: relayed in clear, encrypted on one leg or both, with a
//! recording, listened to for keys, through a transcoder. What leaves with the tick is counted with the packet that made it.
//! `cargo bench --bench ways`.

use std::sync::Arc;
use std::time::Duration;

use callbridge::audio::Prompt;
use callbridge::clock::{Mono, Wall};
use callbridge::media::api::{Clip, Command, Prompts};
use callbridge::media::{Half, Settings, Shard, Slot};
use callbridge::model::{CallId, LegId, MasterKey, SrtpKeys, Suite};
use callbridge::rtp::{self, HEADER, Seal, Stamp};
use callbridge::sdp::{Codec, Direction, MediaPlan, RtcpPath};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

struct NoMessage;

impl Prompts for NoMessage {
    fn find(&self, _: &Clip) -> Arc<Prompt> {
        Arc::new(Prompt::of_codes(Vec::new(), Vec::new()))
    }
}

fn leg(attempt: u16) -> LegId {
    LegId { call: CallId::new(Wall(0), [0; 10]), attempt }
}

fn key(suite: Suite, byte: u8) -> MasterKey {
    MasterKey::new(suite, &vec![byte; suite.key_length() + suite.salt_length()]).expect("as long as the suite wants")
}

fn plan(attempt: u16, codec: Codec, suite: Option<Suite>) -> MediaPlan {
    let srtp = suite.map(|suite| Box::new(SrtpKeys { send: key(suite, 1), receive: key(suite, 2) }));
    MediaPlan {
        remote: ([192, 0, 2, 9], 4000 + 2 * attempt).into(),
        rtcp: RtcpPath::Apart(([192, 0, 2, 9], 4001 + 2 * attempt).into()),
        codec,
        send_payload_type: codec.payload_type(),
        receive_payload_type: codec.payload_type(),
        telephone_event: None,
        direction: Direction::BOTH,
        ptime_ms: 20,
        max_ptime_ms: 120,
        fec: false,
        srtp,
        event_hz: 8000,
    }
}

/// A talk whose first leg sends; the second hears.
struct Talk {
    shard: Shard,
    slot: Slot,
    codec: Codec,
    seal: Option<Seal>,
    sequence: u16,
    now: Mono,
}

impl Talk {
    fn new(codecs: [Codec; 2], suites: [Option<Suite>; 2]) -> Talk {
        let mut shard = Shard::new(Arc::new(NoMessage), Settings::default(), [0; 32]);
        let slots: Vec<Slot> = (0..2).filter_map(|n| shard.open(leg(n))).collect();
        for (n, (codec, suite)) in (0u16..).zip(codecs.into_iter().zip(suites)) {
            shard.command(Mono(0), Command::Agree { leg: leg(n), plan: plan(n, codec, suite) });
        }
        shard.command(Mono(0), Command::Bridge { a: leg(0), b: leg(1) });
        let seal = suites[0].and_then(|suite| Seal::new(&key(suite, 2)));
        Talk { shard, slot: slots[0], codec: codecs[0], seal, sequence: 0, now: Mono(0) }
    }

    fn recorded(mut self) -> Talk {
        self.shard.command(Mono(0), Command::Record { a: leg(0), b: leg(1) });
        self
    }

    fn listened_to(mut self) -> Talk {
        self.shard.command(Mono(0), Command::HearKeys { leg: leg(0) });
        self
    }

    /// What the first phone sends next.
    fn packet(&mut self) -> Vec<u8> {
        let mut bytes = vec![0x55u8; HEADER + 160];
        let timestamp = u32::from(self.sequence) * 160;
        let stamp = Stamp { marker: false, sequence: self.sequence, timestamp, ssrc: 1 };
        if let Some(header) = bytes.first_chunk_mut() {
            rtp::write(header, self.codec.payload_type(), stamp);
        }
        self.sequence = self.sequence.wrapping_add(1);
        match &mut self.seal {
            Some(seal) => seal.seal(&bytes).expect("it seals"),
            None => bytes,
        }
    }

    fn measure(mut self, bencher: Bencher<'_, '_>) {
        let from = plan(0, self.codec, None).remote;
        let packets: Vec<Vec<u8>> = (0..u16::MAX).map(|_| self.packet()).collect();
        let mut next = packets.iter();
        bencher
            .counter(ItemsCount::new(1u32))
            .with_inputs(|| next.next().cloned().unwrap_or_default())
            .bench_local_values(|mut packet| {
                self.now = self.now + Duration::from_millis(20);
                black_box(self.shard.packet(self.now, self.slot, Half::Rtp, from, black_box(&mut packet)));
                self.shard.tick(self.now, |way, bytes| {
                    black_box((way, bytes));
                });
                while let Some(event) = self.shard.poll_event() {
                    black_box(event);
                }
                while let Some(piece) = self.shard.poll_recorded() {
                    black_box(piece);
                }
            });
    }
}

#[divan::bench(sample_count = 100, sample_size = 300)]
fn in_clear(bencher: Bencher<'_, '_>) {
    Talk::new([Codec::Pcmu; 2], [None; 2]).measure(bencher);
}

#[divan::bench(sample_count = 100, sample_size = 300)]
fn recorded(bencher: Bencher<'_, '_>) {
    Talk::new([Codec::Pcmu; 2], [None; 2]).recorded().measure(bencher);
}

/// The phone did not agree to telephone-event: keys are listened for in its sound.
#[divan::bench(sample_count = 100, sample_size = 300)]
fn keys_listened_for(bencher: Bencher<'_, '_>) {
    Talk::new([Codec::Pcmu; 2], [None; 2]).listened_to().measure(bencher);
}

#[divan::bench(args = Suite::ALL, sample_count = 100, sample_size = 300)]
fn encrypted_on_one_leg(bencher: Bencher<'_, '_>, suite: Suite) {
    Talk::new([Codec::Pcmu; 2], [Some(suite), None]).measure(bencher);
}

#[divan::bench(args = Suite::ALL, sample_count = 100, sample_size = 300)]
fn encrypted_on_both_legs(bencher: Bencher<'_, '_>, suite: Suite) {
    Talk::new([Codec::Pcmu; 2], [Some(suite); 2]).measure(bencher);
}

#[divan::bench(args = [Codec::Pcma, Codec::G722, Codec::Opus], sample_count = 100, sample_size = 300)]
fn mu_law_to(bencher: Bencher<'_, '_>, codec: Codec) {
    Talk::new([Codec::Pcmu, codec], [None; 2]).measure(bencher);
}

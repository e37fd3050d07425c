//! A supervisor's mix in every codec, packet time and cipher: three telephones that encode and decode what they say and hear. The
//! stories of who comes, changes and goes are `conference`'s, in G.711.

use super::secure::{key, secured};
use super::*;
use crate::audio::codec::{Decoder, Encoder, Rate};
use crate::audio::tone::share_at;
use crate::model::{Suite, SupervisorMode};
use crate::rtp::{Opener, Seal};

const HERTZ: [f64; 3] = [CUSTOMER_HZ, REPRESENTATIVE_HZ, 2500.0];
const SUITE: Suite = Suite::AeadAes128Gcm;

/// A telephone of any codec.
struct Talker {
    slot: Slot,
    plan: MediaPlan,
    encoder: Encoder,
    sealed: Option<(Seal, Opener)>,
    line: Vec<i16>,
    at: usize,
    sequence: u16,
    timestamp: u32,
    heard: Vec<(Mono, Header, Vec<u8>)>,
}

impl Talker {
    fn new(slot: Slot, plan: MediaPlan, hertz: f64) -> Talker {
        let sealed = plan
            .srtp
            .as_ref()
            .map(|_| (Seal::new(&key(SUITE, 2)).expect("a key"), Opener::new(&key(SUITE, 1)).expect("a key")));
        // A second of it is whole periods.
        let line = tone::sine(hertz, 8000, 8000);
        let encoder = Encoder::new(plan.codec, Rate::Hz8000);
        Talker { slot, plan, encoder, sealed, line, at: 0, sequence: 1, timestamp: 9, heard: Vec::new() }
    }

    fn ptime(&self) -> u64 {
        u64::from(self.plan.codec.packet_ms(self.plan.ptime_ms))
    }

    fn packet(&mut self) -> Vec<u8> {
        let ms = self.ptime() as usize;
        let said: Vec<i16> = (0..ms * 8).map(|n| self.line[(self.at + n) % self.line.len()]).collect();
        self.at += said.len();
        let mut bytes = vec![0; HEADER];
        assert!(self.encoder.encode(&said, &mut bytes));
        let stamp =
            Stamp { marker: false, sequence: self.sequence, timestamp: self.timestamp, ssrc: self.slot.0 as u32 + 1 };
        rtp::write(bytes.first_chunk_mut().unwrap(), self.plan.send_payload_type, stamp);
        self.sequence += 1;
        self.timestamp += ms as u32 * (self.plan.codec.clock_hz() / 1000);
        match &mut self.sealed {
            Some((seal, _)) => seal.seal(&bytes).unwrap(),
            None => bytes,
        }
    }

    fn hear(&mut self, now: Mono, way: Outgoing, bytes: &[u8]) {
        if way.half == Half::Rtcp {
            return;
        }
        let clear = match &mut self.sealed {
            Some((_, opener)) => opener.open(bytes).expect("sealed with our key"),
            None => bytes.to_vec(),
        };
        self.heard.push((now, rtp::read(&clear).unwrap(), clear));
    }

    fn samples(&self) -> Vec<i16> {
        let (mut decoder, mut samples) = (Decoder::new(self.plan.codec, Rate::Hz8000), Vec::new());
        for (_, header, bytes) in &self.heard {
            assert!(decoder.decode(&bytes[header.payload.clone()], &mut samples));
        }
        samples
    }
}

/// The three of them: customer, representative, supervisor.
struct Room {
    shard: Shard,
    now: Mono,
    talkers: Vec<Talker>,
}

impl Room {
    /// The first two talk already.
    fn new(plans: [MediaPlan; 3]) -> Room {
        let mut shard = Shard::new(Arc::new(ToneLibrary), Settings::default(), [3; 32]);
        let now = Mono(1_000_000);
        let mut talkers = Vec::new();
        for (n, (plan, hertz)) in plans.into_iter().zip(HERTZ).enumerate() {
            let slot = shard.open(leg(n as u16)).unwrap();
            shard.command(now, Command::Agree { leg: leg(n as u16), plan: plan.clone() });
            talkers.push(Talker::new(slot, plan, hertz));
        }
        shard.command(now, Command::Bridge { a: leg(0), b: leg(1) });
        Room { shard, now, talkers }
    }

    fn run(&mut self, millis: u64) {
        for _ in 0..millis / 5 {
            self.now = self.now + Duration::from_millis(5);
            let now = self.now;
            for n in 0..3 {
                if !(now.0 / 1000).is_multiple_of(self.talkers[n].ptime()) {
                    continue;
                }
                let (slot, from, mut bytes) =
                    (self.talkers[n].slot, self.talkers[n].plan.remote, self.talkers[n].packet());
                if let Some(way) = self.shard.packet(now, slot, Half::Rtp, from, &mut bytes).send {
                    self.talkers[way.slot.0].hear(now, way, &bytes);
                }
            }
            let talkers = &mut self.talkers;
            self.shard.tick(now, |way, bytes| talkers[way.slot.0].hear(now, way, bytes));
            while self.shard.poll_event().is_some() {}
        }
    }

    fn supervise(&mut self, mode: SupervisorMode) {
        let (customer, representative) = (leg(0), leg(1));
        self.shard.command(self.now, Command::Supervise { supervisor: leg(2), customer, representative, mode });
    }

    fn who_hears(&mut self) -> [[bool; 3]; 3] {
        self.run(240);
        self.talkers.iter_mut().for_each(|talker| talker.heard.clear());
        self.run(900);
        [0, 1, 2].map(|listener| {
            let samples = self.talkers[listener].samples();
            // A codec that begins anew needs a moment.
            HERTZ.map(|hertz| share_at(&samples[800..], hertz) > 0.2)
        })
    }

    /// In every mode, as the table of the mixer says.
    #[track_caller]
    fn everybody_hears_whom_the_mode_says(&mut self, of: &str) {
        for (mode, customer, representative) in [
            (SupervisorMode::Listen, [false, true, false], [true, false, false]),
            (SupervisorMode::Whisper, [false, true, false], [true, false, true]),
            (SupervisorMode::Join, [false, true, true], [true, false, true]),
        ] {
            self.supervise(mode);
            assert_eq!(self.who_hears(), [customer, representative, [true, true, false]], "{mode:?} {of}");
        }
    }
}

fn plans(codecs: [Codec; 3]) -> [MediaPlan; 3] {
    [0, 1, 2].map(|n| plan(4000 + n * 2, codecs[usize::from(n)]))
}

#[test]
fn each_hears_whom_the_mode_says_in_wide_band_narrow_band_and_opus() {
    use Codec::{G722, Opus, Pcma, Pcmu};
    for codecs in [[G722, G722, Pcmu], [G722, Pcmu, Opus], [Opus, Pcma, G722], [Opus, Opus, Opus]] {
        Room::new(plans(codecs)).everybody_hears_whom_the_mode_says(&format!("{codecs:?}"));
    }
}

#[test]
fn who_asked_for_packets_of_30_ms_is_sent_a_mix_of_30_ms() {
    for at in 0..3 {
        let mut plans = plans([Codec::Pcmu, Codec::Pcma, Codec::Pcmu]);
        plans[at].ptime_ms = 30;
        let mut room = Room::new(plans);
        room.everybody_hears_whom_the_mode_says(&format!("30 ms at {at}"));
        // The last mode is `join`: all three hear a mix.
        for (n, talker) in room.talkers.iter().enumerate() {
            let (ms, bytes) = if n == at { (30, 240) } else { (20, 160) };
            assert!(talker.heard.iter().all(|(_, header, _)| header.payload.len() == bytes), "{n}");
            for pair in talker.heard.windows(2) {
                assert_eq!(pair[1].1.timestamp.wrapping_sub(pair[0].1.timestamp), ms * 8, "{n}");
                assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1), "{n}");
            }
        }
    }
}

#[test]
fn a_mix_leaves_sealed_and_what_comes_sealed_is_mixed() {
    for encrypted in [vec![0], vec![2], vec![0, 1, 2]] {
        let mut plans = plans([Codec::Pcmu, Codec::G722, Codec::Pcma]);
        for at in &encrypted {
            let (port, codec) = (4000 + *at as u16 * 2, plans[*at].codec);
            plans[*at] = secured(port, codec, SUITE, 2);
        }
        Room::new(plans).everybody_hears_whom_the_mode_says(&format!("encrypted {encrypted:?}"));
    }
}

/// What the representative hears of the customer as a supervisor joins: milliseconds without the voice, in fives.
fn silence_at_join(listens_before: bool, codecs: [Codec; 3]) -> usize {
    let mut room = Room::new(plans(codecs));
    if listens_before {
        room.supervise(SupervisorMode::Listen);
    }
    room.run(1000);
    room.talkers[1].heard.clear();
    // The supervisor does not speak.
    room.talkers[2].line.fill(0);
    room.run(500);
    room.supervise(SupervisorMode::Join);
    room.run(500);
    let samples = room.talkers[1].samples();
    samples[800..].chunks_exact(40).filter(|part| part.iter().all(|sample| sample.abs() < 300)).count() * 5
}

#[test]
fn the_voice_is_away_for_a_moment_at_most_as_a_supervisor_joins() {
    use Codec::{G722, Pcma, Pcmu};
    // Who listened before has filled the mixer's jitter buffers; else they fill while the talkers wait.
    for (listens_before, codecs, most) in [
        (false, [Pcmu, Pcmu, Pcmu], 40),
        (true, [Pcmu, Pcmu, Pcmu], 0),
        (false, [G722, Pcmu, Pcma], 60),
        (true, [G722, Pcmu, Pcma], 60),
    ] {
        let ms = silence_at_join(listens_before, codecs);
        println!("{ms} ms, listens before: {listens_before}, {codecs:?}");
        assert!(ms <= most, "{ms} ms of silence, listens before: {listens_before}, {codecs:?}");
    }
}

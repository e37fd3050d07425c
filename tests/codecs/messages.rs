//! A recording of any rate, from its file to the ear: what only a wide band carries is heard where a leg has one, a telephone line
//! hears what it always heard, and the answer cuts it within a frame.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callbridge::audio::codec::{Decoder, Rate};
use callbridge::audio::g711::ulaw_encode_all;
use callbridge::audio::tone::share_at;
use callbridge::audio::wav;
use callbridge::clock::Mono;
use callbridge::config::{PromptConfig, SpeechConfig, Texts};
use callbridge::io::prompts::PromptLibrary;
use callbridge::media::api::{Clip, Command, Prompts, Script};
use callbridge::media::{Half, Settings, Shard};
use callbridge::model::{Codec, Language};
use callbridge::rtp;

use crate::line::{RECEIVE, Side, leg, packet, plan};

/// Two seconds of 1 kHz and 6 kHz together.
fn chord(path: &Path, rate: u32) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..rate * 2 {
        let turn = std::f64::consts::TAU * f64::from(n) / f64::from(rate);
        file.write_sample((4000.0 * ((turn * 1000.0).sin() + (turn * 6000.0).sin())) as i16).unwrap();
    }
    file.finalize().unwrap();
}

fn library(folder: &Path, rate: u32) -> Arc<PromptLibrary> {
    let music = folder.join("music.wav");
    chord(&music, rate);
    let config = PromptConfig {
        language: Language::ENGLISH,
        texts: Texts::english(),
        others: Default::default(),
        hold_repeat_seconds: 0,
        file: None,
        unavailable_file: None,
        hold_music: Some(music),
    };
    let speech = SpeechConfig { command: Some(Vec::new()), timeout_seconds: 1 };
    Arc::new(PromptLibrary::start(&config, &speech, folder).unwrap())
}

/// Payloads that come of a leg's music within so many milliseconds.
fn listen(shard: &mut Shard, now: &mut u64, ms: u64) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for _ in 0..ms {
        shard.tick(Mono(*now * 1000), |_, bytes| {
            let header = rtp::read(bytes).unwrap();
            payloads.push(bytes[header.payload].to_vec());
        });
        *now += 1;
    }
    payloads
}

/// A customer with this codec who hears the music.
fn customer(library: &Arc<PromptLibrary>, codec: Codec) -> Shard {
    let mut shard = Shard::new(Arc::clone(library) as Arc<dyn Prompts>, Settings::default(), [7; 32]);
    shard.open(leg(0)).unwrap();
    let script = Script { once: Vec::new(), then_loop: Some(Clip::HoldMusic) };
    shard.command(Mono(0), Command::Play { leg: leg(0), script });
    shard.command(Mono(0), Command::Agree { leg: leg(0), plan: plan(4000, Side { codec, ptime_ms: 20 }) });
    shard
}

/// The shares of 1 kHz and of 6 kHz in what a wide-band phone hears.
fn shares(codec: Codec, payloads: &[Vec<u8>]) -> [f64; 2] {
    let (mut decoder, mut heard) = (Decoder::new(codec, Rate::Hz16000), Vec::new());
    payloads.iter().for_each(|payload| assert!(decoder.decode(payload, &mut heard)));
    // The detector counts at 8 kHz.
    [500.0, 3000.0].map(|hertz| share_at(&heard[3200..12_800], hertz))
}

#[test]
fn six_kilohertz_of_a_recording_reach_a_g722_and_an_opus_listener() {
    for rate in [16_000, 22_050, 44_100, 48_000] {
        let folder = tempfile::tempdir().unwrap();
        let library = library(folder.path(), rate);
        for codec in [Codec::G722, Codec::Opus] {
            // Whoever hears it first is played what there is, and has it made for all.
            let first = listen(&mut customer(&library, codec), &mut 0, 1000);
            let [low, high] = shares(codec, &first);
            assert!(low > 0.9 && high < 0.05, "{rate} Hz, {codec:?}: {low} and {high}");
            assert!(library.settle(Duration::from_secs(30)));
            let listeners = [0, 1].map(|_| listen(&mut customer(&library, codec), &mut 0, 1000));
            assert_eq!(listeners[0], listeners[1], "one encoding for all");
            let [low, high] = shares(codec, &listeners[0]);
            assert!(low > 0.4 && high > 0.4, "{rate} Hz, {codec:?}: {low} and {high}");
        }
    }
}

#[test]
fn a_telephone_line_hears_of_a_wide_recording_what_it_carries() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), 48_000);
    let heard = listen(&mut customer(&library, Codec::Pcmu), &mut 0, 1000);
    let narrow = wav::read(&std::fs::read(folder.path().join("music.wav")).unwrap()).unwrap();
    assert_eq!(heard.concat(), ulaw_encode_all(&narrow[..8000]));
}

#[test]
fn a_wide_message_is_cut_within_one_frame() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), 44_100);
    for codec in [Codec::G722, Codec::Opus] {
        library.find(&Clip::HoldMusic).make(codec);
        let (mut shard, mut now) = (customer(&library, codec), 0);
        assert_eq!(listen(&mut shard, &mut now, 505).len(), 26, "{codec:?}: in the midst of the 26th frame");
        let slot = shard.open(leg(1)).unwrap();
        shard.command(Mono(now * 1000), Command::Agree { leg: leg(1), plan: plan(4002, Side { codec, ptime_ms: 20 }) });
        shard.command(Mono(now * 1000), Command::Bridge { a: leg(0), b: leg(1) });
        // The first that comes of the representative is the next that the customer hears.
        let mut bytes = packet(RECEIVE, 7, 0, &[0x2a; 160]);
        let from = SocketAddr::from(([127, 0, 0, 1], 4002));
        assert!(shard.packet(Mono(now * 1000), slot, Half::Rtp, from, &mut bytes).send.is_some(), "{codec:?}");
        assert_eq!(listen(&mut shard, &mut now, 200), Vec::<Vec<u8>>::new(), "{codec:?}: and none of the message");
    }
}

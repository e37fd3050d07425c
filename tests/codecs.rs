//! Voices through every pair of codecs and packet times, over networks that lose, delay and reorder: what is heard is what was
//! said. In virtual time; the daemon's own way over sockets is `interop`'s.

#[path = "codecs/likeness.rs"]
mod likeness;
#[path = "codecs/line.rs"]
mod line;
#[path = "codecs/messages.rs"]
mod messages;
#[path = "codecs/pesq.rs"]
mod pesq;
#[path = "codecs/turns.rs"]
mod turns;

use callbridge::audio::codec::Rate;
use callbridge::audio::wav;
use callbridge::model::Codec;
use likeness::compare;
use line::{Network, SEND, Side, cross};

const CALM: Network = Network { lose_every: 0, jitter_ms: 0, swap_every: 0, drift: 0, expected: 0 };

/// The message that callbridge ships, spoken by a voice, with a rest before and behind it.
fn speech(rate: Rate) -> Vec<i16> {
    let narrow = wav::read(include_bytes!("../assets/unavailable.wav")).unwrap();
    let mut samples = Vec::new();
    callbridge::audio::resample::Resampler::new(Rate::Hz8000, rate).process(&narrow, &mut samples);
    samples.truncate(rate.samples(3000));
    samples
}

fn side(codec: Codec, ptime_ms: u16) -> Side {
    Side { codec, ptime_ms }
}

fn pairs() -> impl Iterator<Item = [Codec; 2]> {
    Codec::ALL.into_iter().flat_map(|from| Codec::ALL.map(|to| [from, to]))
}

/// What a way through these codecs may cost, in dB: each has its own, and two in a row more.
fn bound(codecs: [Codec; 2]) -> f64 {
    let own = |codec: Codec| match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => 0.5,
        Codec::Opus => 1.0,
    };
    own(codecs[0]) + own(codecs[1])
}

#[test]
fn speech_crosses_every_pair_of_codecs() {
    let said = speech(Rate::Hz8000);
    for codecs in pairs() {
        let arrived = cross(codecs.map(|codec| side(codec, 20)), CALM, Rate::Hz8000, &said);
        let score = compare(&said, &arrived.heard, Rate::Hz8000, false);
        let quality = pesq::listening_quality(&said, &arrived.heard, Rate::Hz8000);
        println!(
            "{:>5} to {:>5}: {:.2} dB, {:.1} ms, PESQ {}",
            codecs[0].name(),
            codecs[1].name(),
            score.distance_db,
            score.late_ms,
            quality.map_or("not asked".to_owned(), |quality| format!("{quality:.2}"))
        );
        assert!(score.distance_db < bound(codecs), "{codecs:?}: {score:?}");
        // One law of G.711 alone is 3.3 with this voice, which a program speaks in perfect silence.
        assert!(quality.is_none_or(|quality| quality > 2.3), "{codecs:?}: {quality:?}");
        assert!(arrived.kinds.iter().all(|kind| *kind == SEND), "{codecs:?}: the second side's own payload type");
        assert!(arrived.first_ms <= 25, "{codecs:?}: {} ms", arrived.first_ms);
        assert!(score.late_ms < 15.0, "{codecs:?}: {score:?}");
    }
}

/// Guards the measure itself: what nobody would call the same voice is far from it.
#[test]
fn the_measure_tells_a_spoiled_voice_from_a_good_one() {
    let said = speech(Rate::Hz8000);
    let score = |heard: &[i16]| compare(&said, heard, Rate::Hz8000, false).distance_db;
    assert!(score(&said) < 0.01);
    let mut holes = said.clone();
    holes.chunks_mut(160).skip(3).step_by(10).for_each(|frame| frame.fill(0));
    assert!(score(&holes) > 2.5, "a hole of 20 ms in ten frames: {}", score(&holes));
    let swapped: Vec<i16> =
        said.chunks(320).flat_map(|two| two.iter().skip(160).chain(two.iter().take(160))).copied().collect();
    assert!(score(&swapped) > 2.5, "frames in the wrong order: {}", score(&swapped));
    let quiet: Vec<i16> = said.iter().map(|s| s / 2).collect();
    assert!(score(&quiet) > 4.0, "half as loud: {}", score(&quiet));
    let muffled: Vec<i16> =
        said.windows(4).map(|w| (w.iter().map(|s| i32::from(*s)).sum::<i32>() / 4) as i16).collect();
    assert!(score(&muffled) > 2.5, "muffled: {}", score(&muffled));
    let mut other = said.clone();
    other.rotate_left(8000);
    assert!(score(&other) > 8.0, "another part of it: {}", score(&other));
}

#[test]
fn every_packet_time_meets_every_other() {
    let said = speech(Rate::Hz8000);
    let times = [10, 20, 30, 40, 50, 60];
    let said = &said[..16_000];
    for (n, [from, to]) in times.into_iter().flat_map(|from| times.map(|to| [from, to])).enumerate() {
        let codecs = pairs().nth(n * 7 % 16).unwrap();
        let sides = [side(codecs[0], codecs[0].packet_ms(from)), side(codecs[1], codecs[1].packet_ms(to))];
        let arrived = cross(sides, CALM, Rate::Hz8000, said);
        let score = compare(said, &arrived.heard, Rate::Hz8000, false);
        println!("{sides:?}: {:.2} dB, first after {} ms", score.distance_db, arrived.first_ms);
        assert!(score.distance_db < bound(codecs) + 0.2, "{sides:?}: {score:?}");
        // Nothing waits but for what a packet is made of, and 20 ms for those that come late.
        let ready = u64::from(sides[1].ptime_ms) + 25;
        assert!(arrived.first_ms <= ready, "{sides:?}: {} ms", arrived.first_ms);
        // Opus is relayed as it comes; of the rest, the second packet may be a mishap of the peer, the third is its way.
        let opus = codecs == [Codec::Opus; 2];
        let mut settled = arrived.lengths_ms.iter().skip(2);
        assert!(opus || settled.all(|ms| *ms == u32::from(sides[1].ptime_ms)), "{sides:?}: {:?}", arrived.lengths_ms);
    }
}

#[test]
fn lost_late_and_reordered_packets_are_hardly_heard() {
    let said = speech(Rate::Hz8000);
    let rough = Network { lose_every: 25, jitter_ms: 12, swap_every: 40, ..CALM };
    for codecs in pairs().filter(|[from, to]| from != to && !(from.is_g711() && to.is_g711())) {
        let arrived = cross(codecs.map(|codec| side(codec, 20)), rough, Rate::Hz8000, &said);
        let score = compare(&said, &arrived.heard, Rate::Hz8000, false);
        println!(
            "{:>5} to {:>5}: {:.2} dB, {:.1} ms",
            codecs[0].name(),
            codecs[1].name(),
            score.distance_db,
            score.late_ms
        );
        assert!(score.distance_db < bound(codecs) + 2.5, "{codecs:?}: {score:?}");
        // Not one packet of the second side is missing or late: the first side's network is not heard in its rhythm.
        let (first, rest) = arrived.transits.split_first().unwrap();
        assert!(rest.iter().all(|transit| (transit - first).abs() <= 1000), "{codecs:?}");
    }
}

#[test]
fn what_opus_tells_twice_mends_what_is_lost() {
    let said = speech(Rate::Hz8000);
    for (percent, lose_every) in [(5, 20), (10, 10), (20, 5)] {
        let score = |expected| {
            let lossy = Network { lose_every, expected, ..CALM };
            let arrived = cross([Codec::Opus, Codec::Pcmu].map(|codec| side(codec, 20)), lossy, Rate::Hz8000, &said);
            compare(&said, &arrived.heard, Rate::Hz8000, false).distance_db
        };
        let (once, twice) = (score(0), score(percent));
        println!("{percent} % lost: {once:.2} dB where nothing is told twice, {twice:.2} dB where it is");
        assert!(twice < once - 0.3, "{percent} %: {once} and {twice}");
    }
}

#[test]
fn a_wide_band_voice_stays_wide_where_both_sides_are() {
    let rate = Rate::Hz16000;
    let step = std::f64::consts::TAU / 16_000.0;
    // A chord that swells: 800 Hz and 5.6 kHz.
    let said: Vec<i16> = (0..48_000)
        .map(|n| {
            let t = f64::from(n) * step;
            (((800.0 * t).sin() + 0.7 * (5600.0 * t).sin()) * (3000.0 + 2500.0 * (5.0 * t).sin())) as i16
        })
        .collect();
    for codecs in [[Codec::G722, Codec::Opus], [Codec::Opus, Codec::G722], [Codec::G722; 2], [Codec::Opus; 2]] {
        let arrived = cross(codecs.map(|codec| side(codec, 20)), CALM, rate, &said);
        let score = compare(&said, &arrived.heard, rate, true);
        println!("{codecs:?}: {score:?}");
        assert!(score.distance_db < 2.5, "{codecs:?}: {score:?}");
    }
}

#[test]
fn clocks_that_differ_leave_the_delay_where_it_was() {
    for drift in [5000, -5000] {
        // Two minutes at 5000 millionths are 600 ms: thirty packets.
        let said: Vec<i16> = callbridge::audio::tone::sine(250.0, 6000, 8000 * 120);
        let network = Network { drift, jitter_ms: 5, ..CALM };
        let arrived = cross([side(Codec::Pcmu, 20), side(Codec::G722, 20)], network, Rate::Hz8000, &said);
        let pure = |second: &&[i16]| callbridge::audio::tone::share_at(second, 250.0) > 0.95;
        let good = arrived.heard.chunks(8000).filter(pure).count();
        assert!(good >= 110, "{drift}: {good} good seconds");
        // What was said in two minutes of one clock is heard in as many of the other; the pause behind it takes 500 ms.
        let spoken_ms = 120_000 - drift * 120 / 1000;
        let heard_ms = (arrived.heard.len() / 8) as i64 - 500;
        assert!((heard_ms - spoken_ms).abs() < 200, "{drift}: {heard_ms} ms of {spoken_ms}");
    }
}

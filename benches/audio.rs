//! What the audio room costs: a frame between the laws, a prompt, a resampled recording, a detector's window.

use callbridge::audio::{Prompt, g711, music, tone, wav};
use divan::{Bencher, black_box, counter::ItemsCount};

fn main() {
    divan::main();
}

/// One 20 ms frame from µ-law to A-law: what a relay between unlike legs pays.
#[divan::bench]
fn ulaw_to_alaw_frame(bencher: Bencher) {
    let mut frame = [0x55u8; 160];
    bencher.bench_local(|| g711::ulaw_to_alaw(black_box(&mut frame)));
}

/// One frame from A-law to µ-law.
#[divan::bench]
fn alaw_to_ulaw_frame(bencher: Bencher) {
    let mut frame = [0x55u8; 160];
    bencher.bench_local(|| g711::alaw_to_ulaw(black_box(&mut frame)));
}

/// One second of samples to µ-law.
#[divan::bench]
fn encode_a_second(bencher: Bencher) {
    let second = tone::sine(440.0, 8000, 8000);
    bencher.counter(ItemsCount::new(second.len())).bench_local(|| g711::ulaw_encode_all(black_box(&second)));
}

/// A five-second message in both laws.
#[divan::bench]
fn prompt_of_five_seconds(bencher: Bencher) {
    let samples = tone::sine(440.0, 8000, 40_000);
    bencher.bench_local(|| Prompt::from_pcm(black_box(&samples)));
}

/// A five-second file read at 8 kHz.
#[divan::bench]
fn read_five_seconds(bencher: Bencher) {
    let file = wav::write_mono(&tone::sine(440.0, 8000, 40_000));
    bencher.bench_local(|| wav::read(black_box(&file)));
}

/// A 20 ms window asked for one tone.
#[divan::bench]
fn hear_a_tone_in_a_frame(bencher: Bencher) {
    let frame = tone::sine(440.0, 8000, 160);
    bencher.bench_local(|| tone::is_heard(black_box(&frame), 440.0));
}

/// The shipped hold music, computed once at start.
#[divan::bench]
fn hold_music() -> Vec<i16> {
    music::hold_music()
}

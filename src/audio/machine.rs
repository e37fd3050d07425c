//! Who answered: a person says a few words and waits, a machine speaks on, and beeps. Owns the verdict and when a machine's
//! greeting is over; refuses packets and what follows from a verdict.
//!
//! Sound is judged in frames of 20 ms. Speech is what stands above the noise of the line, pauses shorter than
//! [`MachineTimes::pause`] belong to it. A tone is one frequency, steady for 120 ms: beeps, fax and the tones before "the number
//! you have dialled" (SIT) are such, speech is not. What is lower than 600 Hz may be ringing and says nothing about who answered.
//!
//! ```text
//! answer ── silence ──┬─ speech … pause ──────→ Person          silence too long, or too late → Unsure
//!                     ├─ speech ≥ greeting ───→ Machine ─┬─ tone, and its end ─┐
//!                     └─ tone ────────────────→ Machine ─┴─ quiet for 3 s ─────┴→ greeting over
//! ```

use std::f64::consts::TAU;

use super::level::rms;
use super::{SAMPLE_RATE, SAMPLES_PER_FRAME};
use crate::model::{AnsweredBy, MachineTimes};

/// Frames in which the noise of the line is looked for: a second has gaps in any speech.
const NOISE_FRAMES: usize = 50;
/// Speech is so much louder than that noise (8 dB) …
const ABOVE_NOISE: f64 = 2.5;
/// … and than this root mean square (about -42 dBFS).
const FAINTEST: f64 = 260.0;
/// So many loud frames in a row are speech; fewer are a click.
const SPOKEN: u32 = 3;
/// So many frames of one frequency in a row are a tone: with the first window, 120 ms.
const TONE_FRAMES: u32 = 5;
/// So many frames without it end a tone.
const TONE_OVER: u32 = 5;
/// A tone keeps its frequency within this, in hertz.
const STEADY: f64 = 20.0;
/// The one frequency holds this share of the energy.
const PURE: f64 = 0.85;
/// Beeps lie here, in hertz; below the second number a tone may be ringing.
const LOWEST: f64 = 300.0;
const NO_RINGING: f64 = 600.0;
const HIGHEST: f64 = 3000.0;
/// A greeting without a beep is over when it was quiet for so many frames.
const QUIET_FRAMES: u32 = 150;

/// What the ear has to say, each once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// Who answered.
    By(AnsweredBy),
    /// The machine's greeting is over: it records.
    GreetingOver,
}

/// Listens to a leg from its answer on.
#[derive(Clone, Debug)]
pub struct MachineEar {
    times: Frames,
    /// The frame being filled, behind the last one: a tone is looked for in both.
    window: Vec<i16>,
    noise: Noise,
    frames: u32,
    greeting: Greeting,
    tone: Tone,
    stage: Stage,
}

/// [`MachineTimes`] in frames.
#[derive(Clone, Copy, Debug)]
struct Frames {
    greeting: u32,
    pause: u32,
    silence: u32,
    within: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// No verdict yet.
    Listens,
    /// It is a machine.
    Greets,
    /// All is said.
    Over,
}

/// Speech so far.
#[derive(Clone, Copy, Debug, Default)]
struct Greeting {
    /// The frame of its first word.
    began: Option<u32>,
    /// The last frame of speech.
    last: u32,
    /// Loud frames in a row.
    loud: u32,
}

/// The tone that may be sounding.
#[derive(Clone, Copy, Debug, Default)]
struct Tone {
    hertz: f64,
    /// Frames in a row.
    heard: u32,
    /// Frames without it after a whole tone.
    over: Option<u32>,
}

impl Tone {
    fn is_whole(self) -> bool {
        self.heard >= TONE_FRAMES
    }
}

/// The quietest of the last frames.
#[derive(Clone, Debug)]
struct Noise {
    levels: [f32; NOISE_FRAMES],
    next: usize,
}

impl Noise {
    fn hear(&mut self, level: f64) -> f64 {
        if let Some(place) = self.levels.get_mut(self.next) {
            *place = level as f32;
        }
        self.next = (self.next + 1) % NOISE_FRAMES;
        f64::from(self.levels.iter().copied().fold(f32::MAX, f32::min))
    }
}

impl MachineEar {
    /// Begins at the answer.
    pub fn new(times: MachineTimes) -> MachineEar {
        let frames = |time: std::time::Duration| u32::try_from(time.as_millis() / 20).unwrap_or(u32::MAX).max(1);
        MachineEar {
            times: Frames {
                greeting: frames(times.greeting),
                pause: frames(times.pause),
                silence: frames(times.silence),
                within: frames(times.within),
            },
            window: vec![0; SAMPLES_PER_FRAME],
            noise: Noise { levels: [f32::MAX; NOISE_FRAMES], next: 0 },
            frames: 0,
            greeting: Greeting::default(),
            tone: Tone::default(),
            stage: Stage::Listens,
        }
    }

    /// Nothing more will be said.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Hears the next samples (8 kHz).
    pub fn hear(&mut self, samples: &[i16], mut said: impl FnMut(Told)) {
        for sample in samples {
            self.window.push(*sample);
            if self.window.len() == 2 * SAMPLES_PER_FRAME {
                let told = self.frame();
                self.window.drain(..SAMPLES_PER_FRAME);
                told.into_iter().for_each(&mut said);
            }
        }
    }

    /// Nothing came for so many milliseconds: a line that sends no silence, or lost packets.
    pub fn hear_nothing(&mut self, ms: usize, mut said: impl FnMut(Told)) {
        let quiet = [0; SAMPLES_PER_FRAME];
        let mut rest = ms * SAMPLE_RATE as usize / 1000;
        while rest > 0 && !self.is_done() {
            let count = rest.min(SAMPLES_PER_FRAME);
            self.hear(quiet.get(..count).unwrap_or_default(), &mut said);
            rest -= count;
        }
    }

    /// Judges the frame that the window ends with.
    fn frame(&mut self) -> Option<Told> {
        if self.is_done() {
            return None;
        }
        self.frames += 1;
        let level = rms(self.window.get(SAMPLES_PER_FRAME..).unwrap_or_default());
        let noise = self.noise.hear(level);
        let audible = level > FAINTEST;
        self.hear_tone(audible);
        let speaks = audible && level > noise * ABOVE_NOISE && self.tone.heard == 0;
        self.hear_speech(speaks);
        match self.stage {
            Stage::Listens => {
                let by = self.verdict()?;
                self.stage = if by == AnsweredBy::Machine { Stage::Greets } else { Stage::Over };
                Some(Told::By(by))
            }
            Stage::Greets => {
                let beeped = self.tone.over == Some(TONE_OVER);
                let quiet = self.frames.saturating_sub(self.greeting.last) >= QUIET_FRAMES && !self.tone.is_whole();
                if !beeped && !quiet {
                    return None;
                }
                self.stage = Stage::Over;
                Some(Told::GreetingOver)
            }
            Stage::Over => None,
        }
    }

    fn hear_speech(&mut self, speaks: bool) {
        let greeting = &mut self.greeting;
        greeting.loud = if speaks { greeting.loud + 1 } else { 0 };
        if greeting.loud >= SPOKEN {
            greeting.began.get_or_insert(self.frames - SPOKEN);
            greeting.last = self.frames;
        }
    }

    fn hear_tone(&mut self, audible: bool) {
        let heard = if audible { frequency(&self.window) } else { None };
        let tone = &mut self.tone;
        match heard {
            Some(hertz) if tone.heard > 0 && (hertz - tone.hertz).abs() < STEADY => {
                tone.heard += 1;
                tone.over = None;
            }
            Some(hertz) if !tone.is_whole() => *tone = Tone { hertz, heard: 1, over: tone.over },
            Some(_) | None => {
                // The tone that was whole ends, or it was none.
                tone.over = if tone.is_whole() { Some(0) } else { tone.over.map(|frames| frames + 1) };
                tone.heard = 0;
            }
        }
        if tone.is_whole() {
            self.greeting.last = self.frames;
        }
    }

    fn verdict(&self) -> Option<AnsweredBy> {
        if self.tone.is_whole() && self.tone.hertz >= NO_RINGING {
            return Some(AnsweredBy::Machine);
        }
        let late = self.frames >= self.times.within;
        let Some(began) = self.greeting.began else {
            return (late || self.frames >= self.times.silence).then_some(AnsweredBy::Unsure);
        };
        let spoken = self.greeting.last.saturating_sub(began);
        let quiet = self.frames - self.greeting.last;
        if spoken >= self.times.greeting {
            Some(AnsweredBy::Machine)
        } else if quiet >= self.times.pause {
            Some(AnsweredBy::Person)
        } else if late {
            // Most of a machine's greeting, and still going on.
            let long = spoken >= self.times.greeting / 4 * 3;
            Some(if long { AnsweredBy::Machine } else { AnsweredBy::Unsure })
        } else {
            None
        }
    }
}

/// The one frequency that this window consists of, if it does and it may be a beep's.
fn frequency(window: &[i16]) -> Option<f64> {
    // A sine follows x(n-1) + x(n+1) = 2·cos(ω)·x(n): the best cos(ω) is its frequency, and what is left over is not.
    let (mut product, mut energy, mut neighbours) = (0.0, 0.0, 0.0);
    for [before, here, after] in window.array_windows::<3>() {
        let (here, around) = (f64::from(*here), f64::from(*before) + f64::from(*after));
        product += here * around;
        energy += here * here;
        neighbours += around * around;
    }
    if energy <= 0.0 {
        return None;
    }
    let cosine = product / (2.0 * energy);
    let left = (neighbours - product * product / energy) / energy;
    let hertz = f64::from(SAMPLE_RATE) * cosine.clamp(-1.0, 1.0).acos() / TAU;
    if left > 0.3 || !(LOWEST - STEADY..=HIGHEST + STEADY).contains(&hertz) {
        return None;
    }
    // Noise drags that estimate: the truth is nearby.
    let near = (-5..=5).map(|step| hertz + f64::from(step) * 6.0);
    let shares = near.map(|hertz| (super::tone::share_at(window, hertz), hertz));
    let (share, hertz) = shares.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (share >= PURE && (LOWEST..=HIGHEST).contains(&hertz)).then_some(hertz)
}

#[cfg(test)]
mod tests;

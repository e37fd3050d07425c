//! How somebody answers: a person says a word and waits, a machine speaks on and beeps. Owns the order of these sounds, frame by
//! frame; refuses packets.

use super::sound::{FRAME, Law, TONE_STEP_HZ, chord_frame, tone_frame};

/// Frames of quiet before the first word, and before a beep.
const BREATH: u32 = 10;
/// Frames of a syllable and of the gap behind it: speech is never one steady sound.
const SYLLABLE: u32 = 8;
const GAP: u32 = 4;
/// Frames of a beep, and its pitch.
const BEEP: u32 = 20;
const BEEP_HZ: u16 = 1400;
/// Frames of quiet after all of it.
const WAITS: u32 = 75;
/// Several voices at once: no tone stands out.
const VOICE_HZ: [u16; 3] = [5 * TONE_STEP_HZ, 14 * TONE_STEP_HZ, 23 * TONE_STEP_HZ];

/// A greeting after the answer, and the tone that follows a wait of 1.5 s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Greeting {
    /// Frames of 20 ms in which it speaks.
    pub speaks: u32,
    /// Then it beeps for 400 ms.
    pub beeps: bool,
    /// The tone that it sends in the end, a multiple of 50 Hz; none: it is quiet.
    pub then: Option<u16>,
}

impl Greeting {
    /// The frame at which the last word is over.
    pub fn spoken(&self) -> u32 {
        BREATH + self.speaks
    }

    /// The frame at which the beep is over, if there is one.
    pub fn beeped(&self) -> Option<u32> {
        self.beeps.then(|| self.spoken() + BREATH + BEEP)
    }

    /// The frame from which the last tone sounds.
    pub fn waited(&self) -> u32 {
        self.beeped().unwrap_or_else(|| self.spoken()) + WAITS
    }

    /// The sound of the frame with this number.
    pub(super) fn frame(&self, at: u32, law: Law) -> [u8; FRAME] {
        let speaks = (BREATH..self.spoken()).contains(&at) && (at - BREATH) % (SYLLABLE + GAP) < SYLLABLE;
        let beeps = self.beeped().is_some_and(|over| (over - BEEP..over).contains(&at));
        match self.then {
            _ if speaks => chord_frame(&VOICE_HZ, law),
            _ if beeps => tone_frame(BEEP_HZ, law),
            Some(hz) if at >= self.waited() => tone_frame(hz, law),
            _ => tone_frame(0, law),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sound::tone_of;
    use super::*;

    #[test]
    fn a_machine_speaks_and_beeps_and_a_person_waits_and_talks() {
        let law = Law::Mu;
        let machine = Greeting { speaks: 160, beeps: true, then: None };
        let tones = |greeting: &Greeting, from: u32, to: u32| -> Vec<Option<u16>> {
            let mut heard: Vec<_> = (from..to).map(|at| tone_of(&greeting.frame(at, law), law)).collect();
            heard.dedup();
            heard
        };
        assert_eq!(tones(&machine, 0, 1_000), [None, Some(BEEP_HZ), None]);
        let person = Greeting { speaks: 30, beeps: false, then: Some(1000) };
        assert_eq!(tones(&person, 0, 1_000), [None, Some(1000)]);
        assert_eq!(person.waited(), 115);
        let loud = (0..160).filter(|at| machine.frame(*at, law) != tone_frame(0, law)).count();
        assert_eq!(loud, 102, "two thirds of speech are sound");
    }
}

//! What the two people of the demo say: a tone that proves whose voice it is, and words where a speech program is installed.
//! Owns the two tones and their recognition; refuses sockets.

use std::path::Path;

use crate::audio::tone::{is_heard, sine};
use crate::audio::{Prompt, SAMPLE_RATE, SAMPLES_PER_FRAME, render};
use crate::config::SpeechConfig;
use crate::io::speech::Speaker;
use crate::model::Role;

/// Peak of the tones: clear, but softer than the words.
const PEAK: i16 = 3_000;
/// Consecutive frames that make a tone certain: speech and music hit a frequency for a frame or two.
const CERTAIN: usize = 5;

/// The tone in a person's voice. Not a divisor of the frame rate, so that no two frames are equal and each can be timed.
pub fn tone(role: Role) -> f64 {
    match role {
        Role::Customer => 951.3,
        Role::Representative | Role::Supervisor => 1251.7,
    }
}

fn words(role: Role) -> &'static str {
    match role {
        Role::Customer => "Hello. I saw the cruise to Alaska on your web page, and I have a question about it.",
        Role::Representative | Role::Supervisor => {
            "Good morning, this is your representative speaking. How may I help you?"
        }
    }
}

/// Both voices, and the program that speaks, if any. Words are rendered once and kept in `folder`.
pub fn prepare(folder: &Path) -> ([Prompt; 2], Option<String>) {
    let speaker = Speaker::find(&SpeechConfig { command: None, timeout_seconds: 10 }, folder);
    let voices = [Role::Customer, Role::Representative].map(|role| {
        let spoken = speaker.as_ref().and_then(|speaker| speaker.speak(words(role)).ok()).unwrap_or_default();
        Prompt::from_pcm(&recording(role, &spoken))
    });
    (voices, speaker.map(|speaker| speaker.program().to_owned()))
}

/// A second and a half of tone, the words, and so on.
fn recording(role: Role, words: &[i16]) -> Vec<i16> {
    let tone = sine(tone(role), PEAK, SAMPLE_RATE as usize * 3 / 2);
    render::join(&[&tone, words])
}

/// How many frames of a recording carry a person's tone.
pub fn frames_of(recording: &[i16], role: Role) -> usize {
    recording.chunks_exact(SAMPLES_PER_FRAME).filter(|frame| is_heard(frame, tone(role))).count()
}

/// The frame in which a person is heard first, for certain.
pub fn first_frame_of(recording: &[i16], role: Role) -> Option<usize> {
    let heard: Vec<bool> = recording.chunks_exact(SAMPLES_PER_FRAME).map(|frame| is_heard(frame, tone(role))).collect();
    heard.windows(CERTAIN).position(|run| run.iter().all(|heard| *heard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::music;

    #[test]
    fn each_person_is_recognised_by_the_tone_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let (voices, _) = prepare(folder.path());
        let [customer, representative] = voices.map(|voice| voice.to_pcm());
        for (voice, own, other) in
            [(&customer, Role::Customer, Role::Representative), (&representative, Role::Representative, Role::Customer)]
        {
            assert_eq!(first_frame_of(voice, own), Some(0));
            assert!(frames_of(voice, own) >= 74);
            assert_eq!(first_frame_of(voice, other), None);
        }
        let music = music::hold_music();
        assert_eq!(first_frame_of(&music, Role::Customer).or(first_frame_of(&music, Role::Representative)), None);
    }

    #[test]
    fn no_two_frames_of_a_voice_are_equal() {
        let voice = Prompt::from_pcm(&recording(Role::Customer, &[]));
        let frames: std::collections::BTreeSet<&[u8]> = voice.pcmu.chunks_exact(SAMPLES_PER_FRAME).collect();
        assert_eq!(frames.len(), voice.samples() / SAMPLES_PER_FRAME);
    }
}

//! Plays a script from frames that were encoded beforehand. Owns the place in it; refuses time and packets.

use std::sync::Arc;

use super::api::{Prompts, Script};
use crate::audio::Prompt;
use crate::sdp::Codec;

/// What a leg hears and how far it has come.
pub(super) struct Player {
    script: Script,
    /// Index of the clip being played in `once`; past its end: the loop.
    clip: usize,
    /// Resolved when its first sample is due, so that a recording made meanwhile is heard.
    prompt: Option<Arc<Prompt>>,
    /// Samples of it already played.
    position: usize,
}

impl Player {
    /// At the beginning of a script.
    pub(super) fn new(script: Script) -> Player {
        Player { script, clip: 0, prompt: None, position: 0 }
    }

    /// Fills a frame with what comes next; clips follow each other without a gap and the last frame of all is filled up
    /// with silence. False: the script is over and nothing was written.
    pub(super) fn fill(&mut self, codec: Codec, prompts: &dyn Prompts, frame: &mut [u8]) -> bool {
        let mut filled = 0;
        // Empty recordings must not hold us: at most one pass over all clips without a sample.
        let mut idle = 0;
        while filled < frame.len() && idle <= self.script.once.len() + 1 {
            let Some(prompt) = self.current(prompts) else { break };
            let samples = match codec {
                Codec::Pcmu => &prompt.pcmu,
                _ => &prompt.pcma,
            };
            let rest = samples.get(self.position..).unwrap_or_default();
            let take = rest.len().min(frame.len() - filled);
            if let (Some(to), Some(from)) = (frame.get_mut(filled..filled + take), rest.get(..take)) {
                to.copy_from_slice(from);
            }
            idle = if take == 0 { idle + 1 } else { 0 };
            filled += take;
            self.position += take;
            if take == rest.len() {
                self.next_clip();
            }
        }
        if filled == 0 && self.over() {
            return false;
        }
        if let Some(rest) = frame.get_mut(filled..) {
            rest.fill(quiet(codec));
        }
        true
    }

    fn current(&mut self, prompts: &dyn Prompts) -> Option<Arc<Prompt>> {
        if self.prompt.is_none() {
            let clip = self.script.once.get(self.clip).or(self.script.then_loop.as_ref())?;
            self.prompt = Some(prompts.find(clip));
        }
        self.prompt.clone()
    }

    fn next_clip(&mut self) {
        self.position = 0;
        if self.clip < self.script.once.len() {
            self.clip += 1;
            self.prompt = None;
        }
    }

    fn over(&self) -> bool {
        self.clip >= self.script.once.len() && self.script.then_loop.is_none()
    }
}

/// The code of zero volts.
fn quiet(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0xff,
        _ => 0xd5,
    }
}

#[cfg(test)]
mod tests {
    use super::super::api::Clip;
    use super::*;

    struct Fixed(&'static [u8]);

    impl Prompts for Fixed {
        fn find(&self, _: &Clip) -> Arc<Prompt> {
            Arc::new(Prompt { pcmu: self.0.into(), pcma: self.0.into() })
        }
    }

    fn script(once: usize, looped: bool) -> Player {
        Player::new(Script { once: vec![Clip::HoldMusic; once], then_loop: looped.then_some(Clip::HoldMusic) })
    }

    #[test]
    fn clips_join_within_a_frame_and_the_last_is_filled_up() {
        let mut player = script(2, false);
        let mut frame = [0; 4];
        let prompts = Fixed(&[1, 2, 3]);
        assert!(player.fill(Codec::Pcmu, &prompts, &mut frame));
        assert_eq!(frame, [1, 2, 3, 1]);
        assert!(player.fill(Codec::Pcmu, &prompts, &mut frame));
        assert_eq!(frame, [2, 3, 0xff, 0xff]);
        assert!(!player.fill(Codec::Pcmu, &prompts, &mut frame));
    }

    #[test]
    fn a_loop_goes_on_for_ever() {
        let mut player = script(1, true);
        let mut frame = [0; 5];
        let mut heard = Vec::new();
        for _ in 0..6 {
            assert!(player.fill(Codec::Pcma, &Fixed(&[7, 8]), &mut frame));
            heard.extend_from_slice(&frame);
        }
        assert_eq!(heard, [7, 8].repeat(15));
    }

    #[test]
    fn an_empty_recording_is_silence_when_looped_and_nothing_when_played_once() {
        let mut frame = [0; 3];
        assert!(script(0, true).fill(Codec::Pcmu, &Fixed(&[]), &mut frame));
        assert_eq!(frame, [0xff; 3]);
        assert!(!script(3, false).fill(Codec::Pcmu, &Fixed(&[]), &mut frame));
        assert!(!script(0, false).fill(Codec::Pcmu, &Fixed(&[1]), &mut frame));
    }
}

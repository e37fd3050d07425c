//! Plays a script, from frames that were encoded beforehand wherever there are such. Owns the place in it; refuses time and packets.

use std::sync::Arc;

use super::api::{Clip, Prompts, Script};
use crate::audio::codec::{Encoder, Rate, silence};
use crate::audio::g711::ulaw_decode;
use crate::audio::{Prompt, SAMPLES_PER_FRAME};
use crate::model::Codec;

/// The packet time in which a recording's Opus packets are made, in milliseconds.
const PACKET_MS: u16 = 20;

/// What a leg hears and how far it has come.
pub(super) struct Player {
    script: Script,
    /// Index of the clip being played in `once`; past its end: the loop.
    clip: usize,
    /// Resolved when its first sample is due, so that a recording made meanwhile is heard.
    prompt: Option<Arc<Prompt>>,
    /// Samples of it already played.
    position: usize,
    /// This clip is encoded here, frame by frame: nobody has made it in this codec yet, or not in this packet time.
    live: bool,
    encoder: Option<Box<Encoder>>,
    /// How far the consent message has come.
    consent: Consent,
    /// Where the loop goes on after what is said in between.
    resume: Option<(Option<Arc<Prompt>>, usize)>,
}

/// What has become of a consent message.
#[derive(Default)]
struct Consent {
    /// It was played to its end, and nobody was told so yet.
    said: bool,
    /// Something of it could not be sent.
    missed: bool,
}

impl Player {
    /// At the beginning of a script.
    pub(super) fn new(script: Script) -> Player {
        Player {
            script,
            clip: 0,
            prompt: None,
            position: 0,
            live: false,
            encoder: None,
            consent: Consent::default(),
            resume: None,
        }
    }

    /// Says this once in the midst of the loop, which then goes on where it was. Before the loop, and while something else is
    /// said in between, it is left out.
    pub(super) fn interject(&mut self, clip: Clip) {
        if self.clip < self.script.once.len() || self.script.then_loop.is_none() {
            return;
        }
        self.resume = Some((self.prompt.take(), self.position));
        self.script.once = vec![clip];
        (self.clip, self.position) = (0, 0);
    }

    /// What was filled last was sent, or could not be. Said once after the last of a consent message: whether all of it was.
    pub(super) fn consented(&mut self, sent: bool) -> Option<bool> {
        let unsaid = matches!(self.script.once.get(self.clip), Some(Clip::Consent(_))) && self.position > 0;
        self.consent.missed |= !sent && (unsaid || self.consent.said);
        self.consent.said.then(|| !std::mem::take(&mut self.consent).missed)
    }

    /// Fills a payload of `ms` milliseconds with what comes next and says how long it became; clips follow each other without a
    /// gap and the last frame of all is filled up with silence. `None`: the script is over and nothing was written.
    pub(super) fn fill(&mut self, codec: Codec, ms: u16, prompts: &dyn Prompts, payload: &mut [u8]) -> Option<usize> {
        let samples = usize::from(ms) * 8;
        // Nothing begins a script whose recordings are all empty.
        let begun = self.begin(codec, ms, prompts);
        if begun && !self.live && codec == Codec::Opus {
            return Some(self.packet(samples, payload));
        }
        if codec == Codec::Opus || (begun && self.live) {
            return self.encode(codec, samples, prompts, payload);
        }
        let frame = payload.get_mut(..samples)?;
        let filled = self.walk(samples, prompts, |prompt, from, at, count| {
            let codes = prompt.codes(codec).and_then(|codes| codes.get(from..from + count));
            if let (Some(to), Some(codes)) = (frame.get_mut(at..at + count), codes) {
                to.copy_from_slice(codes);
            }
        });
        if filled == 0 && self.over() {
            return None;
        }
        frame.get_mut(filled..)?.fill(silence(codec).unwrap_or_default());
        Some(samples)
    }

    /// Looks up the clip whose turn it is; at its beginning it is decided who encodes it. False: there is none with samples.
    fn begin(&mut self, codec: Codec, ms: u16, prompts: &dyn Prompts) -> bool {
        let mut idle = 0;
        while idle <= self.script.once.len() + 1 {
            let Some(prompt) = self.current(prompts) else { return false };
            if self.position < prompt.samples() {
                let whole =
                    codec != Codec::Opus || (ms == PACKET_MS && self.position.is_multiple_of(SAMPLES_PER_FRAME));
                if self.position == 0 || !whole {
                    self.live = !whole || !prompt.is_made(codec);
                    if self.live && whole && prompt.ask(codec) {
                        prompts.wish(&prompt, codec);
                    }
                }
                // A codec that was agreed on meanwhile may not have been made.
                self.live |= !prompt.is_made(codec);
                return true;
            }
            self.next_clip();
            idle += 1;
        }
        false
    }

    /// The Opus packet whose turn it is.
    fn packet(&mut self, samples: usize, payload: &mut [u8]) -> usize {
        let Some(prompt) = &self.prompt else { return 0 };
        let packet = prompt.packet(self.position / SAMPLES_PER_FRAME).unwrap_or_default();
        let (end, length) = (prompt.samples(), packet.len().min(payload.len()));
        if let (Some(to), Some(from)) = (payload.get_mut(..length), packet.get(..length)) {
            to.copy_from_slice(from);
        }
        self.position += samples;
        if self.position >= end {
            self.next_clip();
        }
        length
    }

    /// Encodes what comes next.
    fn encode(&mut self, codec: Codec, samples: usize, prompts: &dyn Prompts, payload: &mut [u8]) -> Option<usize> {
        let mut line = vec![0; samples];
        let filled = self.walk(samples, prompts, |prompt, from, at, count| {
            let codes = prompt.pcmu.get(from..from + count).unwrap_or_default();
            for (sample, code) in line.iter_mut().skip(at).zip(codes) {
                *sample = ulaw_decode(*code);
            }
        });
        if filled == 0 && self.over() {
            return None;
        }
        let mut encoder = self.encoder.take().filter(|encoder| encoder.codec() == codec);
        let encoder = encoder.take().unwrap_or_else(|| Box::new(Encoder::new(codec, Rate::Hz8000)));
        let encoder = self.encoder.insert(encoder);
        let mut made = Vec::new();
        encoder.encode(&line, &mut made);
        let length = made.len().min(payload.len());
        payload.get_mut(..length)?.copy_from_slice(made.get(..length)?);
        Some(length)
    }

    /// Goes on by so many samples: says of each stretch of a recording where it begins, where it belongs and how long it is.
    /// Returns how many there were.
    fn walk(
        &mut self,
        samples: usize,
        prompts: &dyn Prompts,
        mut take: impl FnMut(&Prompt, usize, usize, usize),
    ) -> usize {
        let mut filled = 0;
        // Empty recordings must not hold us: at most one pass over all clips without a sample.
        let mut idle = 0;
        while filled < samples && idle <= self.script.once.len() + 1 {
            let Some(prompt) = self.current(prompts) else { break };
            let rest = prompt.samples().saturating_sub(self.position);
            let count = rest.min(samples - filled);
            take(&prompt, self.position, filled, count);
            idle = if count == 0 { idle + 1 } else { 0 };
            filled += count;
            self.position += count;
            if count == rest {
                self.next_clip();
            }
        }
        filled
    }

    fn current(&mut self, prompts: &dyn Prompts) -> Option<Arc<Prompt>> {
        if self.prompt.is_none() {
            let clip = self.script.once.get(self.clip).or(self.script.then_loop.as_ref())?;
            self.prompt = Some(prompts.find(clip));
        }
        self.prompt.clone()
    }

    fn next_clip(&mut self) {
        // Nobody was told anything by a recording without a sound.
        let said = std::mem::take(&mut self.position) > 0;
        if self.clip < self.script.once.len() {
            self.consent.said |= said && matches!(self.script.once.get(self.clip), Some(Clip::Consent(_)));
            self.clip += 1;
            self.prompt = None;
        }
        if self.clip >= self.script.once.len()
            && let Some((prompt, position)) = self.resume.take()
        {
            (self.prompt, self.position) = (prompt, position);
        }
    }

    fn over(&self) -> bool {
        self.clip >= self.script.once.len() && self.script.then_loop.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::audio::codec::Decoder;
    use crate::audio::g711::{self, ALAW_SILENCE};
    use crate::audio::level::rms;
    use crate::audio::tone::{share_at, sine};

    /// A recording of these codes in both laws, and what was wished for.
    struct Fixed(Arc<Prompt>, AtomicUsize);

    impl Fixed {
        fn of(codes: &[u8]) -> Fixed {
            Fixed(Arc::new(Prompt::of_codes(codes, codes)), AtomicUsize::default())
        }
    }

    impl Prompts for Fixed {
        fn find(&self, _: &Clip) -> Arc<Prompt> {
            Arc::clone(&self.0)
        }

        fn wish(&self, _: &Arc<Prompt>, _: Codec) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn script(once: usize, looped: bool) -> Player {
        Player::new(Script { once: vec![Clip::HoldMusic; once], then_loop: looped.then_some(Clip::HoldMusic) })
    }

    /// Payloads of so many milliseconds until the script is over, at most so many.
    fn play(player: &mut Player, codec: Codec, ms: u16, prompts: &Fixed, most: usize) -> Vec<Vec<u8>> {
        let mut room = [0; 480];
        let next = || player.fill(codec, ms, prompts, &mut room).map(|length| room[..length].to_vec());
        std::iter::from_fn(next).take(most).collect()
    }

    /// What a phone hears of them, 8 kHz.
    fn heard(codec: Codec, payloads: &[Vec<u8>]) -> Vec<i16> {
        let (mut decoder, mut heard) = (Decoder::new(codec, Rate::Hz8000), Vec::new());
        payloads.iter().for_each(|payload| assert!(decoder.decode(payload, &mut heard)));
        heard
    }

    #[test]
    fn clips_join_within_a_frame_and_the_last_is_filled_up() {
        let codes: Vec<u8> = (0..120).collect();
        let frames = play(&mut script(2, false), Codec::Pcmu, 10, &Fixed::of(&codes), 10);
        let whole: Vec<u8> = codes.iter().chain(&codes).copied().collect();
        assert_eq!(frames.concat(), whole);
        let frames = play(&mut script(2, false), Codec::Pcma, 20, &Fixed::of(&codes), 10);
        assert_eq!(frames.concat(), [&whole[..], &[ALAW_SILENCE; 80]].concat());
    }

    #[test]
    fn a_loop_goes_on_for_ever() {
        let frames = play(&mut script(1, true), Codec::Pcma, 30, &Fixed::of(&[7, 8]), 60);
        assert_eq!(frames.concat(), [7, 8].repeat(30 * 8 * 60 / 2));
    }

    /// Counts up in the music, and says nines.
    struct Counting;

    impl Prompts for Counting {
        fn find(&self, clip: &Clip) -> Arc<Prompt> {
            let codes: Vec<u8> = if *clip == Clip::HoldMusic { (0..160).collect() } else { vec![9; 100] };
            Arc::new(Prompt::of_codes(&codes[..], &codes[..]))
        }
    }

    #[test]
    fn what_is_said_in_between_cuts_the_loop_which_goes_on_where_it_was() {
        let mut player = script(0, true);
        let mut room = [0; 480];
        let mut next = |player: &mut Player| {
            let length = player.fill(Codec::Pcmu, 10, &Counting, &mut room).unwrap();
            room[..length].to_vec()
        };
        let count = |from: u8, to: u8| (from..to).collect::<Vec<u8>>();
        assert_eq!(next(&mut player), count(0, 80));
        player.interject(Clip::Silence);
        player.interject(Clip::HoldMusic);
        assert_eq!(next(&mut player), [9; 80], "and no second one over it");
        assert_eq!(next(&mut player), [vec![9; 20], count(80, 140)].concat());
        assert_eq!(next(&mut player), [count(140, 160), count(0, 60)].concat());
        let mut once = Player::new(Script { once: vec![Clip::HoldMusic], then_loop: Some(Clip::HoldMusic) });
        assert_eq!(next(&mut once), count(0, 80));
        once.interject(Clip::Silence);
        assert_eq!(next(&mut once), count(80, 160), "the message is heard out");
    }

    #[test]
    fn an_empty_recording_is_silence_when_looped_and_nothing_when_played_once() {
        for codec in Codec::ALL {
            let empty = Fixed::of(&[]);
            let frames = play(&mut script(0, true), codec, 20, &empty, 20);
            assert_eq!(frames.len(), 20);
            assert!(rms(&heard(codec, &frames)[1600..]) < 20.0, "{codec:?}");
            assert_eq!(play(&mut script(3, false), codec, 20, &empty, 3).len(), 0);
            assert_eq!(play(&mut script(0, false), codec, 20, &Fixed::of(&[1]), 3).len(), 0);
        }
    }

    #[test]
    fn every_codec_and_packet_time_hears_it_whether_it_was_made_or_not() {
        let tone = g711::ulaw_encode_all(&sine(440.0, 8000, 8000));
        for (codec, ms) in Codec::ALL.into_iter().flat_map(|codec| [10, 20, 40, 60].map(|ms| (codec, ms))) {
            let fresh = Fixed(
                Arc::new(Prompt::of_codes(&tone[..], g711::alaw_encode_all(&sine(440.0, 8000, 8000)))),
                AtomicUsize::default(),
            );
            for made in [false, true] {
                let frames = play(&mut script(2, false), codec, ms, &fresh, 500);
                assert_eq!(frames.len(), 2000usize.div_ceil(usize::from(ms)), "{codec:?}, {ms} ms");
                let sound = heard(codec, &frames);
                assert!(share_at(&sound[800..7200], 440.0) > 0.97, "{codec:?}, {ms} ms, {made}");
                assert!(share_at(&sound[8800..15_200], 440.0) > 0.97, "{codec:?}, {ms} ms, {made}");
                fresh.0.make(codec);
            }
            let shared = codec == Codec::G722 || (codec == Codec::Opus && ms == 20);
            assert_eq!(fresh.1.load(Ordering::Relaxed), usize::from(shared), "{codec:?}, {ms} ms: wished for once");
        }
    }

    #[test]
    fn another_codec_in_the_middle_goes_on_where_the_last_one_stood() {
        let prompts = Fixed::of(&g711::ulaw_encode_all(&sine(440.0, 8000, 8000)));
        let mut player = script(1, false);
        for (codec, ms) in
            [(Codec::Pcmu, 20), (Codec::Opus, 20), (Codec::G722, 30), (Codec::Opus, 60), (Codec::Pcma, 10)]
        {
            assert_eq!(play(&mut player, codec, ms, &prompts, 5).len(), 5);
        }
        assert_eq!(player.position, (20 + 20 + 30 + 60 + 10) * 5 * 8);
    }
}

//! How late a voice comes where its packets carry no mark, because the equipment transcodes them: told by the sound itself. Owns the
//! tape of some talks and the search in it; refuses sockets and clocks.
//!
//! Of the first calls of a measurement each packet is kept, said or heard. What was heard is decoded and laid over the speech that was
//! said, half a second at a time, where the two are most alike: so each heard packet's first sample is found in a packet that was
//! said, and the delay is the time between the two. What the speaker's own codec would cost in a direct call is taken off; what
//! is left is the equipment's: its jitter buffer, its second codec, its ticks.

use std::collections::BTreeMap;

use super::talk::Speech;
use crate::audio::codec::{Decoder, Rate, band};
use crate::model::Codec;

/// So many calls are kept.
pub const CALLS: usize = 8;
/// Packets kept of each phone: a minute said and a minute heard.
const PACKETS: usize = 3_000;
/// An RTP header without extensions.
const HEADER: usize = 12;
/// Samples of a packet at 8 kHz, at which voices are compared.
const FRAME: usize = 160;
/// Packets that are compared at once.
const WINDOW: usize = 25;
/// A voice is looked for so far back, in samples: 400 ms.
const FARTHEST: usize = 3_200;
/// Around the place where it was before, in samples: 15 ms.
const NEAR: usize = 120;
/// As alike as a voice is to itself after two codecs; other words are below half of it.
const ALIKE: f32 = 0.7;
/// What is quieter tells nothing, as a root mean square.
const AUDIBLE: f32 = 200.0;
const MICROS_PER_SAMPLE: u64 = 125;

/// What the phones of some calls said and heard, by call and side.
#[derive(Clone, Debug, Default)]
pub struct Tape(BTreeMap<(u32, usize), Line>);

#[derive(Clone, Debug, Default)]
struct Line {
    /// The number of each packet and when it was said.
    said: BTreeMap<u32, u64>,
    heard: Vec<Heard>,
}

#[derive(Clone, Debug)]
struct Heard {
    number: u16,
    at: u64,
    payload: Vec<u8>,
}

/// Packets heard one after the other.
#[derive(Default)]
struct Stretch {
    samples: Vec<f32>,
    /// The first sample of each packet, and when it came.
    packets: Vec<(usize, u64)>,
}

impl Tape {
    /// A phone said its packet of this number.
    pub fn said(&mut self, call: u32, side: usize, number: u32, at: u64) {
        let line = self.0.entry((call, side)).or_default();
        if line.said.len() < PACKETS {
            line.said.insert(number, at);
        }
    }

    /// A phone heard this RTP packet.
    pub fn heard(&mut self, call: u32, side: usize, bytes: &[u8], at: u64) {
        let line = self.0.entry((call, side)).or_default();
        let number = bytes.get(2..4).and_then(|two| two.first_chunk()).map(|two| u16::from_be_bytes(*two));
        if let (Some(number), Some(payload)) = (number, bytes.get(HEADER..))
            && line.heard.len() < PACKETS
        {
            line.heard.push(Heard { number, at, payload: payload.to_vec() });
        }
    }

    /// Takes over what another tape has, and empties it.
    pub fn absorb(&mut self, other: &mut Tape) {
        for (key, line) in std::mem::take(&mut other.0) {
            let mine = self.0.entry(key).or_default();
            let room = PACKETS.saturating_sub(mine.said.len());
            mine.said.extend(line.said.into_iter().take(room));
            let room = PACKETS.saturating_sub(mine.heard.len());
            mine.heard.extend(line.heard.into_iter().take(room));
        }
    }

    /// The delay of every packet whose sound is recognised, in microseconds.
    pub fn delays(&self, speech: &Speech) -> Vec<u64> {
        let mut delays = Vec::new();
        let own = [0, 1].map(|side| own_delay(speech, side));
        for ((call, listener), line) in &self.0 {
            let speaker = 1 - listener.min(&1);
            let Some(said) = self.0.get(&(*call, speaker)).map(|line| &line.said) else { continue };
            for stretch in stretches(speech.codec(*listener), &line.heard) {
                stretch.find(speech.samples(), said, own[speaker], &mut delays);
            }
        }
        delays
    }
}

impl Stretch {
    /// Looks for each half second of it in what was said.
    fn find(&self, speech: &[f32], said: &BTreeMap<u32, u64>, own: u64, delays: &mut Vec<u64>) {
        let mut last = None;
        for packets in self.packets.chunks(WINDOW) {
            let (Some((begin, at)), Some((end, _))) = (packets.first(), packets.last()) else { continue };
            let window = self.samples.get(*begin..*end).unwrap_or_default();
            // The newest packet that was said before this one came.
            let Some(newest) = said.iter().rev().find(|(_, when)| *when <= at).map(|(number, _)| *number) else {
                continue;
            };
            let newest = (newest as usize + 1) * FRAME;
            let Some(back) = search(window, speech, newest, last) else { continue };
            last = Some(back);
            for (sample, at) in packets {
                let Some(place) = (newest + sample - begin).checked_sub(back) else { continue };
                let number = u32::try_from(place / FRAME).unwrap_or(u32::MAX);
                let Some(when) = said.get(&number) else { continue };
                let within = (place % FRAME) as u64 * MICROS_PER_SAMPLE;
                delays.push(at.saturating_sub(when + within).saturating_sub(own));
            }
        }
    }
}

/// So many samples before `newest` the window fits best; around `last`, or else anywhere. `None`: it fits nowhere.
fn search(window: &[f32], speech: &[f32], newest: usize, last: Option<usize>) -> Option<usize> {
    if speech.is_empty() || window.len() < FRAME || rms(window) < AUDIBLE {
        return None;
    }
    let best = |places: std::ops::RangeInclusive<usize>| {
        let tried = places.filter_map(|back| Some((back, alike(window, speech, newest.checked_sub(back)?))));
        tried.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, like)| *like >= ALIKE).map(|(back, _)| back)
    };
    let near = last.and_then(|last| best(last.saturating_sub(NEAR)..=last + NEAR));
    near.or_else(|| best(0..=FARTHEST))
}

/// The cosine between a window and the endlessly repeated speech from this sample on.
fn alike(window: &[f32], speech: &[f32], from: usize) -> f32 {
    let (mut product, mut ours, mut theirs) = (0.0f32, 1.0f32, 1.0f32);
    let (mut from, mut rest) = (from % speech.len(), window);
    while !rest.is_empty() {
        let stretch = speech.get(from..).unwrap_or_default();
        let count = stretch.len().min(rest.len()).max(1);
        for (a, b) in rest.iter().zip(stretch) {
            product += a * b;
            ours += a * a;
            theirs += b * b;
        }
        rest = rest.get(count..).unwrap_or_default();
        from = 0;
    }
    product / (ours * theirs).sqrt()
}

/// Decodes what was heard, anew wherever a packet is missing.
fn stretches(codec: Codec, heard: &[Heard]) -> Vec<Stretch> {
    let follows = |a: &Heard, b: &Heard| b.number == a.number.wrapping_add(1);
    let decode = |packets: &[Heard]| {
        let (mut decoder, mut stretch) = (Ear::new(codec), Stretch::default());
        for Heard { at, payload, .. } in packets {
            stretch.packets.push((stretch.samples.len(), *at));
            decoder.hear(payload, &mut stretch.samples);
        }
        stretch
    };
    heard.chunk_by(follows).map(decode).collect()
}

/// What the codec itself costs from phone to phone, in microseconds.
fn own_delay(speech: &Speech, side: usize) -> u64 {
    let (mut ear, mut heard) = (Ear::new(speech.codec(side)), Vec::new());
    speech.frames(side).iter().take(3 * WINDOW).for_each(|payload| ear.hear(payload, &mut heard));
    // Its middle: a codec needs a moment to get going.
    let from = heard.len() / 3;
    let window = heard.get(from..2 * from).unwrap_or_default();
    search(window, speech.samples(), from, None).unwrap_or(0) as u64 * MICROS_PER_SAMPLE
}

/// A decoder to 8 kHz without a filter of ours, which would be late as well: what was said has nothing above 4 kHz.
struct Ear {
    decoder: Decoder,
    step: usize,
    room: Vec<i16>,
}

impl Ear {
    fn new(codec: Codec) -> Ear {
        // Opus knows how to decode to any rate.
        let rate = if codec == Codec::Opus { Rate::Hz8000 } else { band(codec) };
        let step = (rate.hertz() / Rate::Hz8000.hertz()) as usize;
        Ear { decoder: Decoder::new(codec, rate), step, room: Vec::new() }
    }

    fn hear(&mut self, payload: &[u8], out: &mut Vec<f32>) {
        self.room.clear();
        self.decoder.decode(payload, &mut self.room);
        out.extend(self.room.iter().step_by(self.step).map(|sample| f32::from(*sample)));
    }
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::codec::Encoder;
    use crate::bench::talk::Talk;

    fn speech(representative_codec: Codec) -> Speech {
        Speech::new(&Talk { srtp: None, record: false, telephone_event: false, representative_codec })
    }

    /// The customer speaks from packet 100 on, one every 20 ms; a perfect transcoder sends it on to the representative this much later.
    fn transcoded(speech: &Speech, late_micros: u64) -> Tape {
        let mut tape = Tape::default();
        let mut encoder = Encoder::new(speech.codec(1), Rate::Hz8000);
        for number in 100..200u32 {
            let at = 1_000_000 + u64::from(number) * 20_000;
            tape.said(7, 0, number, at);
            let mut ear = Ear::new(speech.codec(0));
            let (mut samples, mut payload) = (Vec::new(), vec![0; HEADER]);
            ear.hear(&speech.frames(0)[number as usize % speech.frames(0).len()], &mut samples);
            let samples: Vec<i16> = samples.iter().map(|s| *s as i16).collect();
            encoder.encode(&samples, &mut payload);
            payload[2..4].copy_from_slice(&(number as u16 + 9_000).to_be_bytes());
            tape.heard(7, 1, &payload, at + late_micros);
        }
        tape
    }

    #[test]
    fn the_delay_is_told_by_the_sound_whatever_the_numbers_of_packets_are() {
        for (codec, of_the_codec) in [(Codec::G722, 0..6_000), (Codec::Opus, 0..9_000)] {
            let speech = speech(codec);
            for late in [3_000, 47_000] {
                let delays = transcoded(&speech, late).delays(&speech);
                assert!(delays.len() >= 40, "{codec:?}: {} packets recognised", delays.len());
                // The second codec's own look-ahead is the equipment's doing.
                let of_the_codec = late + of_the_codec.start..late + of_the_codec.end;
                assert!(delays.iter().all(|delay| of_the_codec.contains(delay)), "{codec:?}, {late}: {delays:?}");
            }
        }
    }

    #[test]
    fn a_direct_call_has_no_delay_of_its_own() {
        let speech = speech(Codec::G722);
        assert_eq!(own_delay(&speech, 0), 0, "G.711 has none");
        assert!((500..6_000).contains(&own_delay(&speech, 1)), "{}", own_delay(&speech, 1));
    }

    #[test]
    fn other_words_are_not_taken_for_what_was_said() {
        let speech = speech(Codec::G722);
        let mut tape = transcoded(&speech, 3_000);
        // As if the speaker had been somewhere else in his speech.
        let line = tape.0.get_mut(&(7, 0)).unwrap();
        line.said = line.said.iter().map(|(number, at)| (number + 75, *at)).collect();
        assert_eq!(tape.delays(&speech), Vec::<u64>::new());
    }

    #[test]
    fn a_tape_has_an_end() {
        let mut tape = Tape::default();
        for number in 0..10_000 {
            tape.said(1, 0, number, 0);
            tape.heard(1, 0, &[0; 172], 0);
        }
        let mut whole = Tape::default();
        whole.absorb(&mut tape.clone());
        whole.absorb(&mut tape);
        assert_eq!((whole.0[&(1, 0)].said.len(), whole.0[&(1, 0)].heard.len()), (PACKETS, PACKETS));
        assert!(tape.0.is_empty());
    }
}

//! The verdict on one call, out of what both phones heard and the record says. Owns the judgement; every word of it can be
//! checked in the two WAV files and the record.

use std::time::Duration;

use serde_json::Value;

use super::voices::{first_frame_of, frames_of};
use crate::audio::{Prompt, SAMPLES_PER_FRAME, level, music};
use crate::clock::Mono;
use crate::model::Role;
use crate::phone::Story;

/// Frames of the other's tone that prove the way: half a second.
const PROOF: usize = 25;

/// What the demo knows of a call afterwards.
#[derive(Debug, Default)]
pub struct Evidence {
    /// When the message was posted.
    pub posted: Mono,
    /// The customer's phone.
    pub customer: Option<Box<Story>>,
    /// The representative's phone.
    pub representative: Option<Box<Story>>,
    /// Microseconds of each relayed frame, sorted.
    pub delays: Vec<u64>,
    /// The call detail record, or null.
    pub record: Value,
    /// What the representative's desk showed of the customer while they talked.
    pub desk: Option<String>,
    /// An order was sent back from the desk and stored.
    pub order: bool,
}

/// The judgement.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// Bridged, and audio crossed both ways.
    pub passed: bool,
    /// In words, a fact a line.
    pub lines: Vec<String>,
}

impl Evidence {
    /// Judges the call.
    pub fn verdict(&self) -> Verdict {
        let mut lines = Vec::new();
        let outcome = self.record["outcome"].as_str().unwrap_or("unknown");
        let bridged = outcome == "completed" && self.record["bridged_at"].is_string();
        lines.push(format!("call        outcome {outcome}, talk {} s", number(&self.record["talk_seconds"])));
        let (mut to_customer, mut to_representative) = (false, false);
        if let (Some(customer), Some(representative)) = (&self.customer, &self.representative) {
            self.message_heard(customer, representative, &mut lines);
            to_customer = crossing("customer", Role::Representative, customer, self.posted, &mut lines);
            to_representative = crossing("repr.", Role::Customer, representative, self.posted, &mut lines);
            lines.push(loss(customer, representative));
        }
        lines.push(self.delay());
        lines.push(self.desk());
        for (name, story) in [("customer", &self.customer), ("repr.", &self.representative)] {
            for violation in story.iter().flat_map(|story| &story.violations) {
                lines.push(format!("{name:<12}noticed a fault: {}", violation.text));
            }
        }
        let passed = bridged && to_customer && to_representative;
        lines.push(format!("verdict     {}", if passed { "bridged; audio crossed both ways" } else { "NOT proven" }));
        Verdict { passed, lines }
    }

    /// What the customer heard before the bridge, and how it was cut.
    fn message_heard(&self, customer: &Story, representative: &Story, lines: &mut Vec<String>) {
        let frames = customer.recording.len() / SAMPLES_PER_FRAME;
        let voice = first_frame_of(&customer.recording, Role::Representative);
        let cut = voice.unwrap_or(frames);
        let before = customer.recording.get(..cut * SAMPLES_PER_FRAME).unwrap_or_default();
        let music_at = first_music_frame(before);
        let message = before.get(..music_at.unwrap_or(cut) * SAMPLES_PER_FRAME).unwrap_or_default();
        let loudness = level::measure(message);
        let like = if loudness.is_like_speech() { "speech" } else { "no speech" };
        lines.push(format!(
            "customer    heard the message for {:.2} s ({like}, {:.0} dBFS), then hold music for {:.2} s",
            seconds(message.len()),
            loudness.active_dbfs,
            seconds(before.len() - message.len()),
        ));
        let first = arrival(customer, 0).zip(customer.acked_at.or(customer.answered_at));
        if let Some((first, answered)) = first {
            lines.push(format!(
                "message     first packet {} ms after the customer's phone got its ACK",
                millis(first - answered)
            ));
        }
        let (Some(answered), Some(voice)) = (representative.answered_at, voice) else { return };
        let last = voice.checked_sub(1).and_then(|frame| arrival(customer, frame));
        let heard = arrival(customer, voice);
        if let (Some(last), Some(heard)) = (last, heard) {
            let cut = if last <= answered {
                "no frame of it came after the representative's 200".to_owned()
            } else {
                format!("the last frame of it came {} ms after the representative's 200", millis(last - answered))
            };
            lines.push(format!(
                "cut         {cut}; the representative's voice came {} ms after",
                millis(heard - answered)
            ));
        }
        let after = customer.recording.get(voice * SAMPLES_PER_FRAME..).unwrap_or_default();
        if first_music_frame(after).is_some() {
            lines.push("cut         hold music was heard over the bridge".to_owned());
        }
    }

    fn desk(&self) -> String {
        let shown = if self.desk.is_some() { "showed the customer" } else { "did NOT show the customer" };
        let order = if self.order { "the order that came back is stored" } else { "NO order came back" };
        format!("desk        {shown}; {order}")
    }

    fn delay(&self) -> String {
        let at =
            |share: usize| self.delays.get((self.delays.len() * share / 100).min(self.delays.len().saturating_sub(1)));
        match (at(50), at(99)) {
            (Some(p50), Some(p99)) => format!(
                "delay       phone to phone p50 {:.2} ms, p99 {:.2} ms over {} frames",
                *p50 as f64 / 1000.0,
                *p99 as f64 / 1000.0,
                self.delays.len()
            ),
            _ => "delay       not measured: no frame crossed".to_owned(),
        }
    }
}

/// Whether a phone heard the other's voice, and since when.
fn crossing(name: &str, other: Role, story: &Story, posted: Mono, lines: &mut Vec<String>) -> bool {
    let who = match other {
        Role::Customer => "customer",
        Role::Representative | Role::Supervisor => "representative",
    };
    let frames = frames_of(&story.recording, other);
    let first = first_frame_of(&story.recording, other).and_then(|frame| arrival(story, frame));
    match first {
        Some(at) => lines.push(format!(
            "{name:<12}heard the {who} from {:.3} s on, the tone for {:.2} s",
            (at - posted).as_secs_f64(),
            seconds(frames * SAMPLES_PER_FRAME),
        )),
        None => lines.push(format!("{name:<12}never heard the {who}")),
    }
    first.is_some() && frames >= PROOF
}

fn loss(customer: &Story, representative: &Story) -> String {
    format!(
        "loss        customer {} of {} packets, representative {} of {}",
        customer.rtp_lost,
        customer.rtp_received + customer.rtp_lost,
        representative.rtp_lost,
        representative.rtp_received + representative.rtp_lost
    )
}

/// When the n-th frame of a phone's recording came.
fn arrival(story: &Story, frame: usize) -> Option<Mono> {
    let mut left = u32::try_from(frame).ok()?;
    for heard in &story.heard {
        if left < heard.packets {
            let step = (heard.last - heard.first) / heard.packets.saturating_sub(1).max(1);
            return Some(heard.first + step * left);
        }
        left -= heard.packets;
    }
    None
}

/// Where our hold music begins: found by content, sample for sample, since it is sent as it is kept.
fn first_music_frame(recording: &[i16]) -> Option<usize> {
    let music = Prompt::from_pcm(music::hold_music().get(..SAMPLES_PER_FRAME * 2)?).to_pcm();
    // Its first frame begins softly; the second is unmistakable.
    let second = music.get(SAMPLES_PER_FRAME..)?;
    recording.chunks_exact(SAMPLES_PER_FRAME).position(|frame| frame == second).map(|frame| frame.saturating_sub(1))
}

fn seconds(samples: usize) -> f64 {
    crate::audio::duration(samples).as_secs_f64()
}

fn millis(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1000.0)
}

fn number(value: &Value) -> String {
    value.as_u64().map_or_else(|| "?".to_owned(), |n| n.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audio::tone::sine;
    use crate::demo::voices::tone;
    use crate::phone::{Fault, Heard, Violation};

    fn story(recording: Vec<i16>, first: u64) -> Box<Story> {
        let mut story = Story::new("a", "+1", Mono(first));
        let packets = (recording.len() / SAMPLES_PER_FRAME) as u32;
        let last = Mono(first + 20_000 * u64::from(packets.saturating_sub(1)));
        story.heard.push(Heard { tone: None, first: Mono(first), last, packets });
        story.rtp_received = u64::from(packets);
        story.recording = recording;
        story.answered_at = Some(Mono(first));
        Box::new(story)
    }

    fn evidence(customer_hears: Vec<i16>, representative_hears: Vec<i16>) -> Evidence {
        let mut representative = story(representative_hears, 3_000_000);
        representative.answered_at = Some(Mono(3_000_000));
        Evidence {
            posted: Mono(0),
            customer: Some(story(customer_hears, 1_000_000)),
            representative: Some(representative),
            delays: vec![900, 1000, 1100],
            record: json!({"outcome": "completed", "bridged_at": "2026-11-24T14:00:00Z", "talk_seconds": 2}),
            ..Evidence::default()
        }
    }

    fn voice(role: Role) -> Vec<i16> {
        sine(tone(role), 3000, 8000)
    }

    fn held() -> Vec<i16> {
        let mut heard = crate::audio::render::silence(1000);
        heard.extend(Prompt::from_pcm(&music::hold_music()[..8000]).to_pcm());
        heard
    }

    #[test]
    fn a_call_in_which_both_were_heard_is_proven() {
        let mut heard = held();
        heard.extend(voice(Role::Representative));
        let verdict = evidence(heard, voice(Role::Customer)).verdict();
        assert!(verdict.passed, "{verdict:#?}");
        let all = verdict.lines.join("\n");
        assert!(all.contains("message for 1.00 s") && all.contains("music for 1.00 s"), "{all}");
        assert!(all.contains("representative from 3.000 s"), "{all}");
    }

    #[test]
    fn one_way_audio_is_not_proven() {
        let verdict = evidence(held(), voice(Role::Customer)).verdict();
        assert!(!verdict.passed && verdict.lines.join("\n").contains("never heard the representative"));
        let mut heard = held();
        heard.extend(voice(Role::Representative));
        assert!(!evidence(heard, vec![0; 8000]).verdict().passed);
    }

    #[test]
    fn music_over_the_bridge_and_faults_are_told() {
        let mut heard = held();
        heard.extend(voice(Role::Representative));
        heard.extend(held());
        let mut evidence = evidence(heard, voice(Role::Customer));
        let fault = Violation { at: Mono(5), fault: Fault::RtpLate, text: "RTP after the end".to_owned() };
        evidence.customer.as_mut().unwrap().violations.push(fault);
        let all = evidence.verdict().lines.join("\n");
        assert!(all.contains("over the bridge") && all.contains("noticed a fault: RTP after the end"), "{all}");
    }

    #[test]
    fn no_call_at_all_is_not_proven() {
        assert!(!Evidence::default().verdict().passed);
    }
}

//! Dials to a leg: as tones where its peer did not agree to telephone-event ([`Sounding`]), else as events (RFC 4733): a key sounds 100 ms and rests 100 ms, every packet of it bears the moment of its
//! beginning, the last one is sent three times. Owns the beat and what stands in each packet; refuses to know why.
//!
//! ```text
//! ms   0    20   40   60   80   100  120        200
//!      160  320  480  640  800E 800E 800E  …    next key     (duration in ticks of 8 kHz, E = end)
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use super::api::Event;
use super::playout::after;
use super::secure;
use super::tones::Sounding;
use super::{Half, Outgoing, Shard, Slot};
use crate::clock::Mono;
use crate::model::digits::{PAUSE, PRESS, RELEASE, Step};
use crate::model::{Digits, Key, LegId};
use crate::rtp::{self, HEADER, Sender, TelephoneEvent};
use crate::sdp::MediaPlan;

/// Between two packets of an event.
const BEAT: Duration = Duration::from_millis(20);
/// Beats a second.
const BEATS: u32 = 50;
/// Reports of a key that sounds [`PRESS`]; the last one says that it ended.
const REPORTS: u8 = 5;
/// How often the end is said (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;
/// Below 0 dBm0: a usual level.
const VOLUME: u8 = 10;
/// Most steps that wait: more than an address can hold.
const MAX_STEPS: usize = 96;

/// A leg's dialling.
pub(super) struct Dialler {
    steps: VecDeque<Step>,
    pressing: Option<Pressing>,
    /// The same in sound.
    sounding: Option<Sounding>,
    due: Mono,
}

/// A key that sounds.
struct Pressing {
    key: Key,
    began: Mono,
    timestamp: u32,
    /// Packets sent.
    packets: u8,
}

/// What a beat brought.
pub(super) enum Beat {
    /// Nothing to send now.
    Rest,
    /// Send this.
    Packet(TelephoneEvent, rtp::Stamp),
    /// Send this; it is the last of all.
    Last(TelephoneEvent, rtp::Stamp),
    /// All is dialled.
    Over,
}

impl Dialler {
    fn new(digits: &Digits, due: Mono) -> Dialler {
        Dialler { steps: digits.steps().iter().copied().collect(), pressing: None, sounding: None, due }
    }

    fn add(&mut self, digits: &Digits) {
        let room = MAX_STEPS.saturating_sub(self.steps.len());
        self.steps.extend(digits.steps().iter().copied().take(room));
    }

    /// A key sounds: nothing else is to be heard.
    pub(super) fn sounds(&self) -> bool {
        self.pressing.is_some() || self.sounding.is_some()
    }

    /// What is due now, on an event clock of so many ticks a second.
    fn beat(&mut self, now: Mono, sender: &mut Sender, event_hz: u32) -> Beat {
        let pressing = match &mut self.pressing {
            Some(pressing) => pressing,
            None => match self.steps.pop_front() {
                None => return Beat::Over,
                Some(Step::Pause) => {
                    self.due = self.due + PAUSE;
                    return Beat::Rest;
                }
                Some(Step::Press(key)) => {
                    let timestamp = sender.begin_event(now);
                    self.pressing.insert(Pressing { key, began: now, timestamp, packets: 0 })
                }
            },
        };
        let stamp = sender.event(pressing.timestamp, pressing.packets == 0);
        pressing.packets += 1;
        let reports = pressing.packets.min(REPORTS);
        let end = reports == REPORTS;
        // Five beats of 48 kHz are 4800 ticks.
        let duration = u16::try_from(u32::from(reports) * (event_hz / BEATS)).unwrap_or(u16::MAX);
        let event = TelephoneEvent { event: pressing.key.event(), end, volume: VOLUME, duration };
        if pressing.packets < REPORTS + ENDS - 1 {
            self.due = after(self.due, BEAT, now);
            return Beat::Packet(event, stamp);
        }
        self.due = pressing.began + (PRESS + RELEASE);
        self.pressing = None;
        sender.end_event();
        if self.steps.is_empty() { Beat::Last(event, stamp) } else { Beat::Packet(event, stamp) }
    }
}

/// What a beat of sound brought.
enum Sounded {
    /// Nothing to send now.
    Rest,
    /// A frame of so many milliseconds; the last of all?
    Frame { ms: u16, last: bool },
    /// All is dialled.
    Over,
}

impl Dialler {
    /// What is due now, as sound, appended to `packet`.
    fn sound(&mut self, now: Mono, plan: &MediaPlan, packet: &mut Vec<u8>) -> Sounded {
        let sounding = match &mut self.sounding {
            Some(sounding) => sounding,
            None => match self.steps.pop_front() {
                None => return Sounded::Over,
                Some(Step::Pause) => {
                    self.due = self.due + PAUSE;
                    return Sounded::Rest;
                }
                Some(Step::Press(key)) => self.sounding.insert(Sounding::new(key, plan.codec)),
            },
        };
        let ms = plan.codec.packet_ms(plan.ptime_ms);
        let over = sounding.frame(plan.codec, ms, packet);
        self.due = after(self.due, Duration::from_millis(u64::from(ms)), now);
        if over {
            self.due = self.due + RELEASE;
            self.sounding = None;
        }
        Sounded::Frame { ms, last: over && self.steps.is_empty() }
    }
}

impl Shard {
    /// Dials `digits` to a leg, behind what is being dialled already.
    pub(super) fn send_digits(&mut self, now: Mono, id: LegId, digits: &Digits, wait: Duration) {
        let Some(slot) = self.slot(id) else { return };
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        match &mut leg.dialler {
            Some(dialler) => dialler.add(digits),
            None => {
                leg.dialler = Some(Box::new(Dialler::new(digits, now + wait)));
                self.playout.put(slot, now + wait);
            }
        }
    }

    /// The digits' part of what is due at a leg.
    pub(super) fn dial_beat(&mut self, now: Mono, slot: Slot, at: Mono, send: &mut impl FnMut(Outgoing, &mut [u8])) {
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let target = leg.target();
        let Some(dialler) = leg.dialler.as_mut().filter(|dialler| dialler.due == at) else { return };
        if now < at {
            // Further away than the wheel reaches.
            return self.playout.put(slot, at);
        }
        let plan = leg.agreed.as_ref().map(|agreed| &agreed.plan);
        let agreed = plan.and_then(|plan| plan.telephone_event.map(|(send, _)| (send, plan.event_hz)));
        let Some((payload_type, event_hz)) = agreed else {
            return self.sound_beat(now, slot, send);
        };
        let beat = dialler.beat(now, &mut leg.sender, event_hz);
        let due = dialler.due;
        let over = matches!(beat, Beat::Last(..) | Beat::Over);
        if let (Beat::Packet(event, stamp) | Beat::Last(event, stamp), Some(to)) = (&beat, target) {
            let mut packet = [0u8; HEADER + 4];
            if let Some((header, payload)) = packet.split_first_chunk_mut::<HEADER>() {
                rtp::write(header, payload_type, *stamp);
                payload.copy_from_slice(&event.write());
            }
            self.counters.played += 1;
            secure::emit(&mut leg.secure, Outgoing { slot, half: Half::Rtp, to }, &mut packet, send);
        }
        if over {
            leg.dialler = None;
            self.events.push_back(Event::DigitsSent { leg: leg.id });
        } else {
            self.playout.put(slot, due);
        }
    }
}

impl Shard {
    /// The same for a peer without events.
    fn sound_beat(&mut self, now: Mono, slot: Slot, send: &mut impl FnMut(Outgoing, &mut [u8])) {
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let target = leg.target();
        let (Some(dialler), Some(agreed)) = (&mut leg.dialler, &leg.agreed) else {
            // Nothing is agreed: who asked has a bound of his own.
            leg.dialler = None;
            return;
        };
        let packet = &mut self.made;
        packet.clear();
        packet.resize(HEADER, 0);
        let sounded = dialler.sound(now, &agreed.plan, packet);
        let due = dialler.due;
        if let (Sounded::Frame { ms, .. }, Some(to)) = (&sounded, target) {
            let codec = agreed.plan.codec;
            let stamp =
                leg.sender.frame(now, u32::from(*ms) * (codec.clock_hz() / 1000), packet.len().saturating_sub(HEADER));
            if let Some(header) = packet.first_chunk_mut::<HEADER>() {
                rtp::write(header, agreed.plan.send_payload_type, stamp);
            }
            self.counters.played += 1;
            secure::emit(&mut leg.secure, Outgoing { slot, half: Half::Rtp, to }, packet, send);
        }
        match sounded {
            Sounded::Rest | Sounded::Frame { last: false, .. } => self.playout.put(slot, due),
            Sounded::Frame { last: true, .. } | Sounded::Over => {
                leg.dialler = None;
                self.events.push_back(Event::DigitsSent { leg: leg.id });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Endpoint;

    #[test]
    fn a_key_is_five_reports_and_two_more_ends_on_a_beat_of_20_ms() {
        let digits = Digits::of(&Endpoint::parse("tel:+12125550101;ext=4p2").unwrap()).unwrap();
        let mut dialler = Dialler::new(&digits, Mono(1_000_000));
        let mut sender = Sender::new(9, 100, 0);
        let mut said = Vec::new();
        loop {
            let now = dialler.due;
            match dialler.beat(now, &mut sender, 8_000) {
                Beat::Rest => {}
                Beat::Packet(event, stamp) => said.push((now.0 / 1000, event, stamp)),
                Beat::Last(event, stamp) => {
                    said.push((now.0 / 1000, event, stamp));
                    break;
                }
                Beat::Over => panic!("the last packet says that it is the last"),
            }
        }
        let (four, two) = said.split_at(7);
        let durations: Vec<u16> = four.iter().map(|(_, event, _)| event.duration).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        let ends: Vec<bool> = four.iter().map(|(_, event, _)| event.end).collect();
        assert_eq!(ends, [false, false, false, false, true, true, true]);
        let at: Vec<u64> = four.iter().map(|(at, ..)| *at).collect();
        assert_eq!(at, [1000, 1020, 1040, 1060, 1080, 1100, 1120]);
        assert_eq!(two.first().map(|(at, event, _)| (*at, event.digit())), Some((3200, Some('2'))));
        let one = |packets: &[(u64, TelephoneEvent, rtp::Stamp)]| {
            assert!(packets.iter().all(|(_, _, stamp)| stamp.timestamp == packets[0].2.timestamp));
            assert!(packets.iter().enumerate().all(|(n, (_, _, stamp))| stamp.marker == (n == 0)));
        };
        one(four);
        one(two);
        let numbers: Vec<u16> = said.iter().map(|(_, _, stamp)| stamp.sequence).collect();
        assert_eq!(numbers, (100..114).collect::<Vec<u16>>());
        assert_eq!(two[0].2.timestamp - four[0].2.timestamp, 2200 * 8);
    }
}

//! One leg's media state: what was agreed, whose packets it takes, what it hears, its counters. Owns the rules of one leg
//! alone; refuses anything about two legs, which is the shard's.

use std::net::SocketAddr;
use std::time::Duration;

use super::Slot;
use super::alarm;
use super::digits::Dialler;
use super::ear::Ear;
use super::hold::Hold;
use super::latch::{Judgement, Latch};
use super::player::Player;
use super::presses::Presses;
use super::relay::Way;
use super::reports::Reports;
use super::secure::{self, Secure};
use crate::clock::Mono;
use crate::model::LegId;
use crate::rtp::{self, Arrival, Header, Receiver, Sender};
use crate::sdp::{Codec, MediaPlan};

/// The static payload type of comfort noise (RFC 3389 §4).
const COMFORT_NOISE: u8 = 13;

/// A leg.
pub(super) struct Leg {
    pub(super) id: LegId,
    /// Absent before the first agreement: no packet is taken, none sent.
    pub(super) agreed: Option<Agreed>,
    pub(super) hears: Hears,
    pub(super) sender: Sender,
    /// Digits being dialled to it.
    pub(super) dialler: Option<Box<Dialler>>,
    /// Keys that its party pressed lately; made with the first one.
    pub(super) presses: Option<Box<Presses>>,
    /// What its party says may be recorded.
    pub(super) recorded: bool,
    /// What its party says goes to a mixer.
    pub(super) mixed: bool,
    /// Made by the first agreement with keys.
    pub(super) secure: Option<Box<Secure>>,
    /// Listens for keys in its sound, while one is waited for.
    pub(super) ear: Option<Box<Ear>>,
    /// Its RTCP; made by the first agreement.
    pub(super) reports: Option<Box<Reports>>,
    pub(super) receiver: Receiver,
    /// The transcoding of what it hears that was told last, and how often one was.
    pub(super) transcodes: (Option<(Codec, Codec)>, u8),
    /// How often it has had another source of ours.
    pub(super) renewed: u8,
    pub(super) refused: u64,
    pub(super) alarms: alarm::State,
    /// When something came last, or was to begin to come.
    pub(super) heard_at: Mono,
    /// What came last said that nothing follows.
    pub(super) rests: bool,
    /// How long its sound was bad in all.
    pub(super) bad_for: Duration,
    watch: Watch,
    /// The first packet was reported.
    spoke: bool,
}

/// An agreement and the latch that follows from it.
pub(super) struct Agreed {
    pub(super) plan: MediaPlan,
    pub(super) latch: Latch,
    /// The host was told to connect the socket.
    pub(super) connected: bool,
}

impl Agreed {
    /// Percent of our packets that are lost on their way, where that matters to how they are made.
    pub(super) fn expected_loss(&self, reports: &Option<Box<Reports>>) -> u8 {
        reports.as_ref().filter(|_| self.plan.fec).map_or(0, |reports| reports.figures.expected_loss())
    }
}

/// What goes to a leg.
pub(super) enum Hears {
    /// Nothing.
    Nothing,
    /// A script, its next frame due then.
    Script { player: Box<Player>, due: Mono },
    /// The other leg; while that one holds, perhaps music.
    Peer { slot: Slot, relayed: bool, hold: Option<Box<Hold>>, way: Way },
    /// Two others, mixed: it is their supervisor.
    Mix,
}

impl Hears {
    /// It talks with others.
    pub(super) fn is_talk(&self) -> bool {
        matches!(self, Hears::Peer { .. } | Hears::Mix)
    }
}

/// Silence being watched for.
struct Watch {
    after: Option<Duration>,
    since: Mono,
    said: bool,
}

/// A packet of the peer.
pub(super) struct Heard {
    pub(super) header: Header,
    pub(super) sound: Sound,
    pub(super) arrival: Arrival,
    /// The first one of this leg.
    pub(super) first: bool,
}

/// What a payload is, by the agreement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sound {
    /// In this codec.
    Voice(Codec),
    /// RFC 4733.
    Event,
    /// Comfort noise (RFC 3389): tolerated, though never agreed; not relayed.
    Quiet,
    /// Never agreed; not relayed.
    Other,
}

/// What became of a datagram.
pub(super) enum Taken {
    /// It is the peer's.
    Heard(Heard),
    /// It is a stranger's or no RTP.
    Refused,
    /// Nothing is agreed yet.
    Early,
}

impl Leg {
    pub(super) fn new(id: LegId, sender: Sender) -> Leg {
        Leg {
            id,
            agreed: None,
            hears: Hears::Nothing,
            sender,
            dialler: None,
            presses: None,
            recorded: false,
            mixed: false,
            secure: None,
            ear: None,
            reports: None,
            alarms: alarm::State::default(),
            heard_at: Mono::default(),
            rests: false,
            bad_for: Duration::ZERO,
            receiver: Receiver::default(),
            transcodes: (None, 0),
            renewed: 0,
            watch: Watch { after: None, since: Mono::default(), said: false },
            refused: 0,
            spoke: false,
        }
    }

    /// Takes an agreement, the first or a renewed one.
    pub(super) fn agree(&mut self, now: Mono, plan: MediaPlan) {
        self.watch.since = now;
        self.heard_at = now;
        secure::agree(&mut self.secure, plan.srtp.as_deref());
        self.sender.set_clock(plan.codec.clock_hz());
        self.receiver.set_clock(plan.codec.clock_hz());
        match &mut self.agreed {
            None => {
                let latch = Latch::new(now, plan.remote);
                self.agreed = Some(Agreed { plan, latch, connected: false });
            }
            Some(agreed) => {
                agreed.latch.renew(now, plan.remote);
                agreed.connected &= agreed.latch.settled(now);
                agreed.plan = plan;
            }
        }
    }

    /// Judges and counts a datagram.
    pub(super) fn take(&mut self, now: Mono, from: SocketAddr, bytes: &[u8], any_address: bool) -> Taken {
        let Some(agreed) = &mut self.agreed else { return Taken::Early };
        let judged = rtp::read(bytes).map(|header| {
            let judgement = agreed.latch.judge(now, from, header.ssrc, any_address);
            (header, judgement)
        });
        let Some((header, Judgement::Taken { new_source })) = judged else {
            self.refused += 1;
            return Taken::Refused;
        };
        if new_source {
            self.receiver.new_source();
        }
        let arrival = self.receiver.update(now, &header);
        self.watch.since = now;
        self.watch.said = false;
        self.heard_at = now;
        let first = !std::mem::replace(&mut self.spoke, true);
        let sound = sound(&agreed.plan, header.payload_type);
        self.rests = sound == Sound::Quiet;
        Taken::Heard(Heard { header, sound, arrival, first })
    }

    /// Counts a datagram that is nobody's.
    pub(super) fn refuse(&mut self) {
        self.refused += 1;
    }

    /// The address to connect the socket to, said once per agreement, when no other source can latch any more.
    pub(super) fn settle(&mut self, now: Mono) -> Option<SocketAddr> {
        let agreed = self.agreed.as_mut()?;
        if agreed.connected || !agreed.latch.settled(now) {
            return None;
        }
        agreed.connected = true;
        agreed.latch.target()
    }

    /// Where to send now; `None` while the peer must not be sent to.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.plan.direction.send)?;
        agreed.latch.target()
    }

    /// The presses of its party.
    pub(super) fn presses(&mut self) -> &mut Presses {
        self.presses.get_or_insert_default()
    }

    /// Watches for silence from now on.
    pub(super) fn watch(&mut self, now: Mono, after: Option<Duration>) {
        self.watch = Watch { after, since: now, said: false };
    }

    /// The watch counts from now.
    pub(super) fn watch_anew(&mut self, now: Mono) {
        self.watch.since = now;
        self.heard_at = now;
    }

    /// A key is being dialled to it.
    pub(super) fn sounds_key(&self) -> bool {
        self.dialler.as_ref().is_some_and(|dialler| dialler.sounds())
    }

    /// How long the leg has been silent, once per silence. Only a leg that talks both ways is watched: a phone that holds us
    /// need not send, whatever its `a=` line says, and whom it holds has nobody to talk to.
    pub(super) fn fell_silent(&mut self, now: Mono) -> Option<Duration> {
        let after = self.watch.after?;
        if matches!(self.hears, Hears::Peer { hold: Some(_), .. }) {
            return None;
        }
        let direction = self.agreed.as_ref()?.plan.direction;
        let lasted = now.since(self.watch.since);
        if self.watch.said || !direction.receive || !direction.send || lasted < after {
            return None;
        }
        self.watch.said = true;
        Some(lasted)
    }

    /// The moment at which silence will have lasted too long.
    pub(super) fn silence_due(&self) -> Option<Mono> {
        if self.watch.said {
            return None;
        }
        self.watch.after.map(|after| self.watch.since + after)
    }
}

/// The static numbers are understood even where another codec was agreed: some phones send what they offered first, and a voice
/// is better heard than dropped. So is the number that the peer gave to the codec itself, where ours was to be used.
fn sound(plan: &MediaPlan, payload_type: u8) -> Sound {
    if payload_type == plan.receive_payload_type {
        return Sound::Voice(plan.codec);
    }
    if plan.telephone_event.is_some_and(|(_, receive)| receive == payload_type) {
        return Sound::Event;
    }
    if payload_type == plan.send_payload_type {
        return Sound::Voice(plan.codec);
    }
    if payload_type == COMFORT_NOISE {
        return Sound::Quiet;
    }
    Codec::from_payload_type(payload_type).map_or(Sound::Other, Sound::Voice)
}

//! The equipment's media in virtual time: the production [`Shard`] run inline, with a pool of ports in place of sockets and
//! prompts that are pure tones, so that a phone can tell what it hears. Owns ports; refuses the network.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use callbridge::audio::Prompt;
use callbridge::clock::Mono;
use callbridge::media::api::{Clip, Command, Event, OpenError, Prompts};
use callbridge::media::{Half, Outgoing, Recorded, Settings, Shard, Slot};
use callbridge::model::LegId;
use callbridge::phone::{Law, tone_frame};

use crate::machines;

/// "Please hold while we connect you …", as a tone.
pub const CONNECTING_HZ: u16 = 450;
/// The second message.
pub const UNAVAILABLE_HZ: u16 = 550;
/// Hold music.
pub const MUSIC_HZ: u16 = 650;
/// The customer is asked to press 1.
pub const GATE_HZ: u16 = 350;
/// A representative is told who calls.
pub const WHISPER_HZ: u16 = 400;
/// What a machine is told.
pub const MACHINE_HZ: u16 = 500;
/// Both are told that they are recorded.
pub const CONSENT_HZ: u16 = 850;
/// To whoever holds for long.
pub const STILL_HZ: u16 = 600;
/// Everything that the equipment says itself.
pub const PROMPTS: [u16; 10] = [
    CONNECTING_HZ,
    UNAVAILABLE_HZ,
    MUSIC_HZ,
    GATE_HZ,
    WHISPER_HZ,
    MACHINE_HZ,
    STILL_HZ,
    CONSENT_HZ,
    machines::LANGUAGES[0].1,
    machines::LANGUAGES[1].1,
];
/// Frames of each.
pub const FRAMES: usize = 30;

struct Tones(BTreeMap<u16, Arc<Prompt>>);

impl Prompts for Tones {
    fn find(&self, clip: &Clip) -> Arc<Prompt> {
        let hz = match clip {
            Clip::Connecting(spoken) => machines::connecting(spoken.language),
            Clip::Unavailable(_) => UNAVAILABLE_HZ,
            Clip::HoldMusic => MUSIC_HZ,
            Clip::Gate(_) => GATE_HZ,
            Clip::Whisper(_) => WHISPER_HZ,
            Clip::Machine(_) => MACHINE_HZ,
            Clip::Consent(_) => CONSENT_HZ,
            Clip::Still(_) => STILL_HZ,
            Clip::Silence => return Arc::new(Prompt::of_codes(&[][..], &[][..])),
        };
        self.0.get(&hz).map(Arc::clone).expect("all are rendered")
    }
}

/// The prompts of every world, rendered once.
pub fn tones() -> Arc<dyn Prompts> {
    let render = |hz| {
        let long = |law| -> Arc<[u8]> { tone_frame(hz, law).repeat(FRAMES).into() };
        (hz, Arc::new(Prompt::of_codes(long(Law::Mu), long(Law::A))))
    };
    Arc::new(Tones(PROMPTS.map(render).into()))
}

/// The media plane.
pub struct Media {
    shard: Shard,
    address: SocketAddr,
    most: u16,
    ports: BTreeMap<u16, LegId>,
    slots: BTreeMap<usize, u16>,
    next: u16,
}

/// A packet that the equipment sends: from, to, bytes.
pub type Sent = (SocketAddr, SocketAddr, Vec<u8>);

impl Media {
    /// A pool of `most` ports from `address` on, every second one.
    pub fn new(prompts: Arc<dyn Prompts>, address: SocketAddr, most: u16, seed: u64) -> Media {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let shard = Shard::new(prompts, Settings::default(), bytes);
        Media { shard, address, most, ports: BTreeMap::new(), slots: BTreeMap::new(), next: 0 }
    }

    /// Obeys, but for `Open`, which answers.
    pub fn command(&mut self, now: Mono, command: Command) -> Option<Event> {
        let Command::Open { leg } = command else {
            if let Command::Close { leg } = command
                && let Some(slot) = self.shard.slot(leg)
                && let Some(port) = self.slots.remove(&slot.0)
            {
                self.ports.remove(&port);
            }
            self.shard.command(now, command);
            return None;
        };
        if self.ports.len() >= usize::from(self.most) {
            return Some(Event::OpenFailed { leg, reason: OpenError::PoolEmpty });
        }
        // The longest unused port first, as the daemon does: a late packet of the last call must not meet the next one.
        let port = loop {
            let port = self.address.port() + 2 * self.next;
            self.next = (self.next + 1) % (self.most * 8);
            if !self.ports.contains_key(&port) {
                break port;
            }
        };
        let Some(Slot(slot)) = self.shard.open(leg) else {
            return Some(Event::OpenFailed { leg, reason: OpenError::System });
        };
        self.ports.insert(port, leg);
        self.slots.insert(slot, port);
        Some(Event::Opened { leg, local: SocketAddr::new(self.address.ip(), port) })
    }

    /// A datagram came to one of the equipment's RTP ports.
    pub fn packet(&mut self, now: Mono, local: SocketAddr, from: SocketAddr, mut bytes: Vec<u8>) -> Option<Sent> {
        let (port, half) =
            if local.port().is_multiple_of(2) { (local.port(), Half::Rtp) } else { (local.port() - 1, Half::Rtcp) };
        let slot = self.shard.slot(*self.ports.get(&port)?)?;
        let verdict = self.shard.packet(now, slot, half, from, &mut bytes);
        let out = verdict.send?;
        Some((self.local(out)?, out.to, bytes))
    }

    /// Plays what is due.
    pub fn tick(&mut self, now: Mono) -> Vec<Sent> {
        let mut ticked = Vec::new();
        self.shard.tick(now, |out, bytes| ticked.push((out, bytes.to_vec())));
        ticked.into_iter().filter_map(|(out, bytes)| Some((self.local(out)?, out.to, bytes))).collect()
    }

    /// When `tick` has something to do.
    pub fn next_due(&self) -> Option<Mono> {
        self.shard.next_due()
    }

    /// What media has to say.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shard.poll_event()
    }

    /// The next piece of a recording.
    pub fn poll_recorded(&mut self) -> Option<Recorded> {
        self.shard.poll_recorded()
    }

    /// Ports held.
    pub fn ports(&self) -> usize {
        self.ports.len()
    }

    fn local(&self, out: Outgoing) -> Option<SocketAddr> {
        let port = *self.slots.get(&out.slot.0)? + u16::from(out.half == Half::Rtcp);
        Some(SocketAddr::new(self.address.ip(), port))
    }
}

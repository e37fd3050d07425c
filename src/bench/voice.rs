//! The phones' RTP: packets whose payload says who spoke and when, so that the other side can tell loss, order and delay.
//! Owns the packet form and the window of what was heard; refuses signalling.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

use super::talk::Speech;
use super::tape::Tape;

/// An RTP header and 20 ms of G.711.
pub const PACKET: usize = 172;
/// What marks a payload as a phone's, not the prompt's.
const MARK: [u8; 8] = *b"cbphone!";
/// Delay is counted in steps of this many microseconds…
const STEP: u64 = 50;
/// …up to 200 ms.
const STEPS: usize = 4000;

/// One packet of a phone: G.711 silence around the mark, the speaker, its sequence and the time in microseconds.
pub fn packet(ssrc: u32, sequence: u32, micros: u64) -> [u8; PACKET] {
    let mut out = [0xffu8; PACKET];
    out[0] = 0x80;
    out[1] = 0;
    out[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
    out[4..8].copy_from_slice(&sequence.wrapping_mul(160).to_be_bytes());
    out[8..12].copy_from_slice(&ssrc.to_be_bytes());
    out[12..20].copy_from_slice(&MARK);
    out[20..24].copy_from_slice(&sequence.to_be_bytes());
    out[24..32].copy_from_slice(&micros.to_be_bytes());
    out
}

/// What a received payload says: the speaker's sequence and time, or nothing when it is the prompt.
pub fn spoken(bytes: &[u8]) -> Option<(u32, u64)> {
    if bytes.get(12..20)? != MARK {
        return None;
    }
    let sequence = u32::from_be_bytes(bytes.get(20..24)?.try_into().ok()?);
    let micros = u64::from_be_bytes(bytes.get(24..32)?.try_into().ok()?);
    Some((sequence, micros))
}

/// Sends packets to several peers with as few system calls as possible.
pub fn send_all(socket: &UdpSocket, packets: &[(SocketAddr, impl AsRef<[u8]>)]) -> io::Result<()> {
    for chunk in packets.chunks(64) {
        let names: Vec<SocketAddrAny> = chunk.iter().map(|(to, _)| SocketAddrAny::from(*to)).collect();
        let slices: Vec<[io::IoSlice<'_>; 1]> =
            chunk.iter().map(|(_, bytes)| [io::IoSlice::new(bytes.as_ref())]).collect();
        let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
            chunk.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let each = names.iter().zip(&slices).zip(&mut controls);
        let mut messages: Vec<MMsgHdr<'_>> =
            each.map(|((to, slice), control)| MMsgHdr::new_with_addr(to, slice, control)).collect();
        sendmmsg(socket, &mut messages, SendFlags::empty())?;
    }
    Ok(())
}

/// What was heard and measured since the last look.
#[derive(Clone, Debug)]
pub struct Window {
    /// Packets sent by phones.
    pub sent: u64,
    /// Packets of the other phone that arrived.
    pub relayed: u64,
    /// Prompt and hold-music packets that arrived.
    pub prompt: u64,
    /// Gaps in the other phone's sequence.
    pub lost: u64,
    /// What some phones said and heard, where packets carry no mark.
    pub tape: Tape,
    /// Delay through the equipment.
    delays: Vec<u64>,
    /// Microseconds: the customer's ACK → its first prompt packet.
    pub first_prompt: Vec<u64>,
    /// Microseconds: the representative's 200 → the first relayed packet at the customer.
    pub first_at_customer: Vec<u64>,
    /// Microseconds: the representative's 200 → the first relayed packet at the representative.
    pub first_at_representative: Vec<u64>,
    /// When the INVITE of a call's customer arrived.
    pub invites: Vec<(u32, u64)>,
    /// Legs that ended with an answered BYE.
    pub ended: u64,
    /// SIP messages that a phone could not understand.
    pub strange: u64,
}

impl Default for Window {
    fn default() -> Window {
        Window {
            sent: 0,
            relayed: 0,
            prompt: 0,
            lost: 0,
            tape: Tape::default(),
            delays: vec![0; STEPS],
            first_prompt: Vec::new(),
            first_at_customer: Vec::new(),
            first_at_representative: Vec::new(),
            invites: Vec::new(),
            ended: 0,
            strange: 0,
        }
    }
}

impl Window {
    /// Counts one relayed packet.
    pub fn delay(&mut self, micros: u64) {
        let step = usize::try_from(micros / STEP).unwrap_or(STEPS).min(STEPS - 1);
        if let Some(count) = self.delays.get_mut(step) {
            *count += 1;
        }
    }

    /// Takes over what another window counted, and empties it.
    pub fn absorb(&mut self, other: &mut Window) {
        self.sent += std::mem::take(&mut other.sent);
        self.relayed += std::mem::take(&mut other.relayed);
        self.prompt += std::mem::take(&mut other.prompt);
        self.lost += std::mem::take(&mut other.lost);
        self.ended += std::mem::take(&mut other.ended);
        self.strange += std::mem::take(&mut other.strange);
        self.first_prompt.append(&mut other.first_prompt);
        self.first_at_customer.append(&mut other.first_at_customer);
        self.first_at_representative.append(&mut other.first_at_representative);
        self.invites.append(&mut other.invites);
        self.tape.absorb(&mut other.tape);
        for (mine, theirs) in self.delays.iter_mut().zip(&mut other.delays) {
            *mine += std::mem::take(theirs);
        }
    }

    /// Tells from the tape how late packets without a mark came.
    pub fn listen(&mut self, speech: &Speech) {
        std::mem::take(&mut self.tape).delays(speech).into_iter().for_each(|delay| self.delay(delay));
    }

    /// Packets whose delay is known.
    pub fn delays_known(&self) -> u64 {
        self.delays.iter().sum()
    }

    /// The delay below which this share of packets stayed, in milliseconds; 0 where none is known.
    pub fn delay_ms(&self, share: f64) -> f64 {
        let wanted = (self.delays_known() as f64 * share) as u64;
        let mut seen = 0;
        for (step, count) in self.delays.iter().enumerate() {
            seen += count;
            if seen > wanted {
                return (step as u64 * STEP + STEP) as f64 / 1000.0;
            }
        }
        0.0
    }
}

/// The value below which this share of the samples lies, in milliseconds.
pub fn percentile_ms(samples: &[u64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let at = ((sorted.len() as f64) * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).map_or(0.0, |micros| *micros as f64 / 1000.0)
}

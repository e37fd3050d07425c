//! One frame of a recording as a packet: filled from a player, stamped by a leg's sender. Owns its size and layout; refuses to
//! know when it is due and who hears it.

use std::time::Duration;

use super::api::Prompts;
use super::player::Player;
use crate::audio::codec::MAX_PAYLOAD;
use crate::clock::Mono;
use crate::rtp::{self, HEADER, Sender};
use crate::sdp::MediaPlan;

/// A packet being made.
pub(super) struct Frame {
    bytes: [u8; HEADER + MAX_PAYLOAD],
    length: usize,
    milliseconds: u16,
}

impl Frame {
    /// What the player has next, in the codec and the packet time of the agreement. `None`: the script is over.
    pub(super) fn fill(plan: &MediaPlan, player: &mut Player, prompts: &dyn Prompts) -> Option<Frame> {
        let milliseconds = plan.codec.packet_ms(plan.ptime_ms);
        let mut frame = Frame { bytes: [0; HEADER + MAX_PAYLOAD], length: 0, milliseconds };
        frame.length = player.fill(plan.codec, milliseconds, prompts, frame.bytes.get_mut(HEADER..)?)?;
        Some(frame)
    }

    /// Until the next one.
    pub(super) fn period(&self) -> Duration {
        Duration::from_millis(u64::from(self.milliseconds))
    }

    /// The datagram, as the next packet of this sender.
    pub(super) fn stamp(&mut self, now: Mono, plan: &MediaPlan, sender: &mut Sender) -> &mut [u8] {
        let stamp = sender.frame(now, u32::from(self.milliseconds) * (plan.codec.clock_hz() / 1000), self.length);
        if let Some(header) = self.bytes.first_chunk_mut::<HEADER>() {
            rtp::write(header, plan.send_payload_type, stamp);
        }
        self.bytes.get_mut(..HEADER + self.length).unwrap_or_default()
    }
}

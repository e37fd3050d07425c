//! One frame of a recording as a packet: filled from a player, stamped by a leg's sender. Owns its size and layout; refuses to
//! know when it is due and who hears it.

use std::time::Duration;

use super::api::Prompts;
use super::player::Player;
use crate::clock::Mono;
use crate::rtp::{self, HEADER, Sender};
use crate::sdp::MediaPlan;

/// Longest frame we send: 60 ms of G.711.
const MAX_FRAME: usize = 480;

/// A packet being made.
pub(super) struct Frame {
    bytes: [u8; HEADER + MAX_FRAME],
    milliseconds: u16,
}

impl Frame {
    /// What the player has next, in the codec and the packet time of the agreement. `None`: the script is over.
    pub(super) fn fill(plan: &MediaPlan, player: &mut Player, prompts: &dyn Prompts) -> Option<Frame> {
        let milliseconds = plan.ptime_ms.clamp(10, 60);
        let mut frame = Frame { bytes: [0; HEADER + MAX_FRAME], milliseconds };
        let samples = frame.samples();
        let room = frame.bytes.get_mut(HEADER..HEADER + samples)?;
        player.fill(plan.codec, prompts, room).then_some(frame)
    }

    fn samples(&self) -> usize {
        usize::from(self.milliseconds) * 8
    }

    /// Until the next one.
    pub(super) fn period(&self) -> Duration {
        Duration::from_millis(u64::from(self.milliseconds))
    }

    /// The datagram, as the next packet of this sender.
    pub(super) fn stamp(&mut self, now: Mono, plan: &MediaPlan, sender: &mut Sender) -> &mut [u8] {
        let samples = self.samples();
        let stamp = sender.frame(now, u32::from(self.milliseconds) * 8);
        if let Some(header) = self.bytes.first_chunk_mut::<HEADER>() {
            rtp::write(header, plan.send_payload_type, stamp);
        }
        self.bytes.get_mut(..HEADER + samples).unwrap_or_default()
    }
}

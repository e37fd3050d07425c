//! What a leg hears while its peer holds: the holder's own music where it streams some, else ours. Owns when ours begins and when
//! it stops; refuses signalling: a hold is an agreement by which the holder is sent nothing.

use std::time::Duration;

use super::api::{Clip, Script};
use super::frame::Frame;
use super::leg::Hears;
use super::player::Player;
use super::playout::after;
use super::secure;
use super::{Half, Outgoing, Shard, Slot};
use crate::clock::Mono;

/// A holder who streams music is never quiet for so long; one who streams none is not waited for longer.
pub(super) const QUIET: Duration = Duration::from_millis(250);
/// How far ahead the wheel of frames is asked: it reaches 63 ms.
const AHEAD: Duration = Duration::from_millis(60);

/// A hold that a leg is under.
pub(super) struct Hold {
    player: Player,
    /// The next look.
    due: Mono,
    /// Our music begins then, unless the holder sends something.
    quiet: Mono,
    playing: bool,
}

impl Hold {
    /// The holder sent something that is passed on: true when our music is thereby cut.
    pub(super) fn holder_speaks(&mut self, now: Mono) -> bool {
        self.quiet = now + QUIET;
        std::mem::replace(&mut self.playing, false)
    }

    /// Our music is being heard.
    pub(super) fn plays(&self) -> bool {
        self.playing
    }

    fn is_due(&self, at: Mono) -> bool {
        self.due == at
    }
}

impl Shard {
    /// The agreement of `holder` is new, or whom it talks with: whoever hears it follows.
    pub(super) fn follow_hold(&mut self, now: Mono, holder: Slot) {
        let Some(leg) = self.legs.get(holder.0) else { return };
        let (Some(agreed), Hears::Peer { slot: other, .. }) = (&leg.agreed, &leg.hears) else { return };
        let (direction, other) = (agreed.plan.direction, *other);
        let Some(held) = self.legs.get_mut(other.0) else { return };
        let Hears::Peer { slot, hold, .. } = &mut held.hears else { return };
        if *slot != holder {
            return;
        }
        if direction.send {
            if hold.take().is_some() {
                held.sender.new_source();
                held.watch_anew(now);
            }
            return;
        }
        let quiet = if direction.receive { now + QUIET } else { now };
        match hold {
            Some(hold) => hold.quiet = hold.quiet.min(quiet),
            None => {
                let script = Script { once: Vec::new(), then_loop: Some(Clip::HoldMusic) };
                let due = quiet.min(now + AHEAD);
                *hold = Some(Box::new(Hold { player: Player::new(script), due, quiet, playing: false }));
                self.playout.put(other, due);
            }
        }
    }

    /// The hold's part of what is due at a leg.
    pub(super) fn hold_frame(&mut self, now: Mono, slot: Slot, at: Mono, send: &mut impl FnMut(Outgoing, &mut [u8])) {
        let Some(leg) = self.legs.get_mut(slot.0) else { return };
        let target = leg.target().filter(|_| !leg.sounds_key());
        let Hears::Peer { hold: Some(hold), .. } = &mut leg.hears else { return };
        if !hold.is_due(at) {
            return;
        }
        if now < hold.quiet {
            hold.due = hold.quiet.min(now + AHEAD);
            return self.playout.put(slot, hold.due);
        }
        let Some(agreed) = &leg.agreed else { return };
        if !std::mem::replace(&mut hold.playing, true) {
            leg.sender.new_source();
            hold.due = now;
        }
        // Looped music is never over.
        let Some(mut frame) = Frame::fill(&agreed.plan, &mut hold.player, self.prompts.as_ref()) else { return };
        hold.due = after(hold.due, frame.period(), now);
        let due = hold.due;
        match target {
            // Held by both, or a key sounds: the music goes on unheard.
            None => leg.sender.new_source(),
            Some(to) => {
                self.counters.played += 1;
                let datagram = frame.stamp(now, &agreed.plan, &mut leg.sender);
                secure::emit(&mut leg.secure, Outgoing { slot, half: Half::Rtp, to }, datagram, send);
            }
        }
        self.playout.put(slot, due);
    }
}

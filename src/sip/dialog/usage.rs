//! The INVITE usage of one leg: its forks, who won, and what a hang-up still owes. Owns the decisions (win, late, surplus,
//! re-ACK, may CANCEL go); refuses messages.

use super::{Dialog, MAX_FORKS, State};
use crate::sip::api::OfferId;

/// Why we hang up: becomes the Reason field (RFC 3326).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HangUpReason {
    /// Q.850 cause value.
    pub q850: u8,
    /// Our words for it.
    pub text: String,
}

/// What a 2xx means to the usage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Success {
    /// Its dialog was made by an earlier copy: send that dialog's ACK again.
    Again(usize),
    /// The first: the leg is answered.
    Winner,
    /// Another fork won, or we hung up meanwhile: ACK, then BYE.
    Unwanted,
    /// More forks than are kept: dropped.
    TooMany,
}

/// The usage.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    forks: Vec<Dialog>,
    winner: Option<usize>,
    hung_up: Option<HangUpReason>,
    rang: bool,
    closed: bool,
    cancelled: bool,
}

impl Usage {
    /// Judges a 2xx with this To tag.
    pub fn success(&self, tag: &str) -> Success {
        match self.find(tag) {
            Some(fork) if self.forks.get(fork).is_some_and(|fork| fork.ack().is_some()) => Success::Again(fork),
            None if self.is_full() => Success::TooMany,
            _ if self.closed || self.winner.is_some() => Success::Unwanted,
            _ => Success::Winner,
        }
    }

    /// A 180 to 183: true the first time, while someone listens.
    pub fn ringing(&mut self) -> bool {
        !self.closed && !std::mem::replace(&mut self.rang, true)
    }

    /// Keeps a dialog, in the place of an early one with its tag, whose state it takes over; without room, of any early one.
    /// Gives its index.
    pub fn keep(&mut self, dialog: Dialog) -> Option<usize> {
        let place = self.find(&dialog.remote_tag).or_else(|| self.displaced_by(&dialog.remote_tag));
        let Some(place) = place else {
            let room = self.forks.len() < MAX_FORKS;
            return room.then(|| {
                // Most calls have one.
                self.forks.reserve_exact(1);
                self.forks.push(dialog);
                self.forks.len() - 1
            });
        };
        let old = self.forks.get_mut(place).filter(|old| is_early(old))?;
        if old.remote_tag == dialog.remote_tag {
            // The route set and the target are the 2xx's (§13.2.2.4); what happened in the dialog has happened.
            old.to = dialog.to;
            old.remote_target = dialog.remote_target;
            old.route_set = dialog.route_set;
            old.state = dialog.state;
        } else {
            *old = dialog;
        }
        Some(place)
    }

    /// The early dialog that a 2xx with a new tag takes the place of, when there is no other.
    pub fn displaced_by(&self, tag: &str) -> Option<usize> {
        let full = self.forks.len() >= MAX_FORKS && self.find(tag).is_none();
        full.then(|| self.forks.iter().position(is_early)).flatten()
    }

    /// Room for early dialogs too.
    pub fn has_room_for_early(&self) -> bool {
        self.forks.len() < MAX_FORKS
    }

    fn is_full(&self) -> bool {
        self.forks.len() >= MAX_FORKS && self.forks.iter().all(|fork| fork.ack().is_some())
    }

    /// The fork in which the engine owes the answer to this offer.
    pub fn offered(&self, offer: OfferId) -> Option<usize> {
        self.forks.iter().position(|fork| fork.negotiation.offered() == Some(offer))
    }

    /// The fork with this tag of the peer.
    pub fn find(&self, tag: &str) -> Option<usize> {
        self.forks.iter().position(|fork| &*fork.remote_tag == tag)
    }

    /// A fork.
    pub fn fork(&self, fork: usize) -> Option<&Dialog> {
        self.forks.get(fork)
    }

    /// A fork, to change it.
    pub fn fork_mut(&mut self, fork: usize) -> Option<&mut Dialog> {
        self.forks.get_mut(fork)
    }

    /// The INVITE was refused: its early dialogs are no more. (One that was answered cannot be refused any more.)
    pub fn end_early(&mut self) {
        if self.winner.is_none() {
            self.forks.retain(|fork| fork.ack().is_some());
        }
    }

    /// The highest CSeq number that we used in any of its dialogs; 0 without any.
    pub fn highest_cseq(&self) -> u32 {
        self.forks.iter().map(|fork| fork.local_cseq).max().unwrap_or(0)
    }

    /// How many dialogs, in any state.
    pub fn forks(&self) -> usize {
        self.forks.len()
    }

    /// This fork answered the leg.
    pub fn win(&mut self, fork: usize) {
        self.winner = Some(fork);
    }

    /// The dialog that answered the leg.
    pub fn winner(&self) -> Option<usize> {
        self.winner
    }

    /// From now on nothing is reported of the leg.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Nothing is reported any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Remembers why we hang up; the first reason counts.
    pub fn hang_up(&mut self, reason: HangUpReason) {
        self.closed = true;
        self.hung_up.get_or_insert(reason);
    }

    /// Why we hung up.
    pub fn hung_up(&self) -> Option<&HangUpReason> {
        self.hung_up.as_ref()
    }

    /// A CANCEL is owed and this is the time: true once, when a provisional has come and no final (§9.1).
    pub fn cancel_now(&mut self, may_cancel: bool) -> bool {
        self.hung_up.is_some() && may_cancel && !std::mem::replace(&mut self.cancelled, true)
    }

    /// No dialog of it is confirmed.
    pub fn is_over(&self) -> bool {
        !self.forks.iter().any(Dialog::is_confirmed)
    }
}

fn is_early(dialog: &Dialog) -> bool {
    matches!(dialog.state, State::Early)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn dialog(tag: &str, early: bool) -> Dialog {
        let state = match early {
            true => State::Early,
            false => State::Confirmed {
                ack: Arc::from(&b"ACK"[..]),
                ack_to: crate::model::Hop::udp("192.0.2.1:5060".parse().unwrap()),
            },
        };
        Dialog { state, ..Dialog::new(tag.into(), "".into(), "".into(), 1) }
    }

    fn reason() -> HangUpReason {
        HangUpReason { q850: 16, text: "over".into() }
    }

    #[test]
    fn the_first_2xx_wins_later_tags_are_unwanted_and_copies_are_acked_again() {
        let mut usage = Usage::default();
        assert_eq!(usage.success("a"), Success::Winner);
        let fork = usage.keep(dialog("a", false)).unwrap();
        usage.win(fork);
        assert_eq!(usage.success("a"), Success::Again(fork));
        assert_eq!(usage.success("b"), Success::Unwanted);
    }

    #[test]
    fn early_forks_make_room_for_answers_and_answers_are_bounded() {
        let mut usage = Usage::default();
        for tag in 0..MAX_FORKS {
            usage.keep(dialog(&format!("e{tag}"), true));
        }
        assert!(!usage.has_room_for_early());
        for tag in 0..MAX_FORKS {
            assert_ne!(usage.success(&format!("a{tag}")), Success::TooMany);
            assert!(usage.keep(dialog(&format!("a{tag}"), false)).is_some());
        }
        assert_eq!(usage.success("one more"), Success::TooMany);
        assert_eq!(usage.forks(), MAX_FORKS);
    }

    #[test]
    fn a_cancel_waits_for_the_first_provisional_and_goes_once() {
        let mut usage = Usage::default();
        assert!(!usage.cancel_now(true));
        usage.hang_up(reason());
        assert!(!usage.cancel_now(false));
        assert!(usage.cancel_now(true));
        assert!(!usage.cancel_now(true));
        assert_eq!(usage.success("late"), Success::Unwanted);
    }

    #[test]
    fn ringing_is_news_once() {
        let mut usage = Usage::default();
        assert!(usage.ringing());
        assert!(!usage.ringing());
    }
}

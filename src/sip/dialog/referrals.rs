//! The subscriptions that a peer's REFERs made (RFC 3515, RFC 6665) in one leg: what is still to be told, in order. Owns that each
//! ends once, that one NOTIFY is on the way at a time, and what each says of itself; refuses messages and transactions.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Mono;
use crate::model::TransferId;

/// Longer than any transfer takes; said in the NOTIFYs.
const LIFE: Duration = Duration::from_secs(600);
/// Most news of one leg that wait for their turn; above, what is not the last word is left out.
const MAX_WAITING: usize = 16;

/// One subscription.
#[derive(Clone, Debug)]
struct Subscription {
    id: TransferId,
    fork: usize,
    /// The `id` of Event: the CSeq number of the REFER, but for the first one of the dialog (RFC 3515 §2.4.6).
    event: Option<u32>,
    until: Mono,
}

/// What one NOTIFY says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Of which transfer.
    pub id: TransferId,
    /// In which dialog of the leg.
    pub fork: usize,
    /// The status line of its sipfrag.
    pub status: u16,
    /// Nothing follows.
    pub last: bool,
    /// Event.
    pub event: String,
    /// Subscription-State.
    pub state: String,
}

/// All of them of one leg.
#[derive(Clone, Debug, Default)]
pub struct Referrals {
    live: Vec<Subscription>,
    begun: bool,
    waiting: VecDeque<(TransferId, u16, bool)>,
    on_the_way: Option<(TransferId, bool)>,
}

impl Referrals {
    /// A REFER with this CSeq number was accepted: 100 is owed at once.
    pub fn begin(&mut self, now: Mono, id: TransferId, fork: usize, cseq: u32) {
        let event = std::mem::replace(&mut self.begun, true).then_some(cseq);
        self.live.push(Subscription { id, fork, event, until: now + LIFE });
        self.waiting.push_back((id, 100, false));
    }

    /// News of a transfer. Of one that nobody subscribed to there is nothing to say.
    pub fn tell(&mut self, id: TransferId, status: u16, last: bool) {
        let known = self.live.iter().any(|subscription| subscription.id == id);
        if known && (last || self.waiting.len() < MAX_WAITING) {
            self.waiting.push_back((id, status, last));
        }
    }

    /// The NOTIFY whose turn it is, none while another is on the way.
    pub fn next(&mut self, now: Mono) -> Option<Notice> {
        if self.on_the_way.is_some() {
            return None;
        }
        let (id, status, last) = self.waiting.pop_front()?;
        let subscription = self.live.iter().find(|subscription| subscription.id == id)?;
        let event = subscription.event.map_or_else(|| "refer".to_owned(), |cseq| format!("refer;id={cseq}"));
        let state = match last {
            true => "terminated;reason=noresource".to_owned(),
            false => format!("active;expires={}", subscription.until.since(now).as_secs().max(1)),
        };
        self.on_the_way = Some((id, last));
        Some(Notice { id, fork: subscription.fork, status, last, event, state })
    }

    /// The NOTIFY on the way was answered; a refused one ends its subscription (RFC 6665 §4.2.2). Gives the subscription that is over.
    pub fn answered(&mut self, accepted: bool) -> Option<TransferId> {
        let (id, last) = self.on_the_way.take()?;
        if accepted && !last {
            return None;
        }
        self.live.retain(|subscription| subscription.id != id);
        self.waiting.retain(|(of, ..)| *of != id);
        Some(id)
    }

    /// How many live.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Nothing is owed any more.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: TransferId = TransferId(7);
    const SECOND: TransferId = TransferId(8);

    #[test]
    fn news_go_one_by_one_and_the_last_word_ends_it() {
        let mut referrals = Referrals::default();
        referrals.begin(Mono(0), FIRST, 0, 2);
        referrals.tell(FIRST, 180, false);
        referrals.tell(FIRST, 200, true);
        let mut said = Vec::new();
        while let Some(notice) = referrals.next(Mono(1_000_000)) {
            assert_eq!(referrals.next(Mono(1_000_000)), None, "one at a time");
            said.push((notice.status, notice.event, notice.state));
            referrals.answered(true);
        }
        let expected =
            [(100, "active;expires=599"), (180, "active;expires=599"), (200, "terminated;reason=noresource")];
        assert_eq!(said, expected.map(|(status, state)| (status, "refer".to_owned(), state.to_owned())));
        assert!(referrals.is_empty());
    }

    #[test]
    fn a_refused_notify_ends_its_subscription_and_no_other() {
        let mut referrals = Referrals::default();
        referrals.begin(Mono(0), FIRST, 0, 2);
        referrals.tell(FIRST, 486, true);
        referrals.begin(Mono(0), SECOND, 0, 5);
        assert_eq!(referrals.next(Mono(0)).map(|notice| notice.id), Some(FIRST));
        assert_eq!(referrals.answered(false), Some(FIRST));
        let second = referrals.next(Mono(0)).unwrap();
        assert_eq!((second.id, second.event.as_str()), (SECOND, "refer;id=5"));
        referrals.tell(FIRST, 200, true);
        referrals.answered(true);
        assert_eq!(referrals.next(Mono(0)), None);
        assert!(!referrals.is_empty());
    }
}

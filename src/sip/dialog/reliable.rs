//! Reliable provisional responses of one early dialog (RFC 3262), as who called: their sequence, and what they settled of our
//! offer before the 2xx. Refuses messages; the PRACK is the stack's.

use crate::sip::api::OfferId;
use crate::sip::transaction::Stored;

/// The highest number a sequence may begin with (§7.1).
const MAX_FIRST: u32 = (1 << 31) - 1;

/// What a reliable provisional is in its dialog's sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The next one: PRACK it.
    Next,
    /// One that was PRACKed: its PRACK repeats itself.
    Again,
    /// Not the next one, or none that could begin: neither PRACKed nor looked at (§4).
    Astray,
}

/// What is agreed in the early dialog. It holds when this dialog answers the leg (RFC 3261 §13.2.1: the first description is
/// the answer, later ones are ignored).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Settled {
    /// Nothing: the 2xx brings the answer.
    #[default]
    Nothing,
    /// A reliable provisional brought the answer.
    Answer(Stored),
    /// The peer has changed it since, by an UPDATE that we accepted.
    Offer(OfferId),
}

/// The state.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reliable {
    last: Option<u32>,
    /// What is agreed.
    pub settled: Settled,
}

impl Reliable {
    /// What the response with this RSeq is.
    pub fn order(&self, rseq: u32) -> Order {
        match self.last {
            None if (1..=MAX_FIRST).contains(&rseq) => Order::Next,
            Some(last) if last.checked_add(1) == Some(rseq) => Order::Next,
            Some(last) if rseq == last => Order::Again,
            None | Some(_) => Order::Astray,
        }
    }

    /// It is PRACKed now. Its body, if it has one and none came before, is the answer to our offer.
    pub fn take(&mut self, rseq: u32, body: &[u8]) {
        self.last = Some(rseq);
        if !body.is_empty() && self.settled == Settled::Nothing {
            self.settled = Settled::Answer(Stored::from(body));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_begins_anywhere_below_two_to_the_31_and_goes_on_by_one() {
        let mut reliable = Reliable::default();
        assert_eq!(reliable.order(0), Order::Astray);
        assert_eq!(reliable.order(1 << 31), Order::Astray);
        assert_eq!(reliable.order(MAX_FIRST), Order::Next);
        reliable.take(MAX_FIRST, b"");
        assert_eq!(reliable.order(MAX_FIRST), Order::Again);
        assert_eq!(reliable.order(1 << 31), Order::Next);
        assert_eq!(reliable.order((1 << 31) + 1), Order::Astray);
        assert_eq!(reliable.order(1), Order::Astray);
        reliable.take(u32::MAX, b"");
        assert_eq!(reliable.order(0), Order::Astray);
    }

    #[test]
    fn the_first_description_is_the_answer() {
        let mut reliable = Reliable::default();
        reliable.take(7, b"");
        assert_eq!(reliable.settled, Settled::Nothing);
        reliable.take(8, b"first");
        reliable.take(9, b"second");
        assert_eq!(reliable.settled, Settled::Answer(Stored::from(&b"first"[..])));
    }
}

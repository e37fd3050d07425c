//! The ladder of one call: every SIP message of its legs as it was really sent or received, and the call's own moments, kept
//! small and bounded; with it, once the call is over, what its legs sounded like over time. Owns the noting (`Ladder`), the stored
//! form and the three faces: text, SVG, JSON. Refuses contents of messages; it shows no number that the call object does not show.

mod entry;
mod json;
mod rows;
mod sound;
mod stored;
mod svg;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::clock::{Now, Wall};
use crate::model::{BusinessId, CallId, Endpoint, Outcome, Role, Sample, SipTransport};

use sound::Sound;

pub use entry::{Clip, Coding, Entry, Message, Moment, SdpMode, Verb, What};
pub use stored::Unreadable;

/// Entries kept from the beginning.
const FIRST: usize = 120;
/// Entries kept from the end; between the two only moments and a number are left.
const LAST: usize = 80;
/// Legs with a column of their own: the customer and a hunt list, with room for transfers.
const MAX_PARTIES: usize = 32;
/// Peers and switches remembered by name.
const MAX_NAMES: usize = 64;

/// A leg's party: one column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// The leg's number within the call: 0 is the customer.
    pub attempt: u16,
    /// Which of the two parties.
    pub role: Role,
    /// What was dialled.
    pub address: Endpoint,
}

/// Where a message went to or came from.
pub type Peer = (SipTransport, SocketAddr);

/// One call's ladder.
#[derive(Clone, PartialEq, Debug)]
pub struct Ladder {
    call: CallId,
    business: BusinessId,
    /// Wall time is read here; what follows is that plus monotonic time (docs/decisions/0003).
    anchor: Now,
    parties: Vec<Party>,
    peers: Vec<Peer>,
    switches: Vec<Box<str>>,
    first: Vec<Entry>,
    last: VecDeque<Entry>,
    omitted: u32,
    sound: Sound,
}

impl Ladder {
    /// An empty ladder of this call.
    pub fn new(call: CallId, business: BusinessId, now: Now) -> Ladder {
        Ladder {
            call,
            business,
            anchor: now,
            parties: Vec::new(),
            peers: Vec::new(),
            switches: Vec::new(),
            first: Vec::with_capacity(32),
            last: VecDeque::new(),
            omitted: 0,
            sound: Sound::default(),
        }
    }

    /// Which call.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// Whose.
    pub fn business(&self) -> &BusinessId {
        &self.business
    }

    /// The legs, in the order in which they were dialled.
    pub fn parties(&self) -> &[Party] {
        &self.parties
    }

    /// All that is kept, in order; what was left out lies after the first [`Ladder::before_gap`] of them.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.first.iter().chain(&self.last)
    }

    /// How many messages were left out.
    pub fn omitted(&self) -> u32 {
        self.omitted
    }

    /// How many entries lie before those that were left out.
    pub fn before_gap(&self) -> usize {
        self.first.len()
    }

    /// The peer of a message.
    pub fn peer(&self, message: &Message) -> Option<Peer> {
        self.peers.get(usize::from(message.peer)).copied()
    }

    /// The name of a switch that a moment speaks of.
    pub fn switch(&self, index: u8) -> &str {
        self.switches.get(usize::from(index)).map_or("another switch", |name| name)
    }

    /// The outcome, once the call has ended.
    pub fn outcome(&self) -> Option<Outcome> {
        self.entries().find_map(|entry| match entry.what {
            What::Moment(Moment::Ended { outcome }) => Some(outcome),
            _ => None,
        })
    }

    /// What is played to this leg, as far as is known.
    pub fn hears(&self, leg: u16) -> Option<Clip> {
        let moments = self.first.iter().chain(&self.last).rev().filter_map(|entry| match &entry.what {
            What::Moment(moment) => Some(moment),
            What::Message(_) => None,
        });
        let last = |moment: &Moment| match *moment {
            Moment::Plays { attempt, clip } if attempt == leg => Some(Some(clip)),
            Moment::Bridged { a, b } if a == leg || b == leg => Some(None),
            _ => None,
        };
        moments.filter_map(last).next().flatten()
    }

    /// What this leg's audio was last agreed to be.
    pub fn coding(&self, leg: u16) -> Option<Coding> {
        let last = |entry: &Entry| match entry.what {
            What::Moment(Moment::Agreed { attempt, coding }) if attempt == leg => Some(coding),
            _ => None,
        };
        self.first.iter().chain(&self.last).rev().find_map(last)
    }

    /// Whether this leg has put the other on hold.
    pub fn is_holding(&self, leg: u16) -> bool {
        let last = |entry: &Entry| match entry.what {
            What::Moment(Moment::Held { by }) if by == leg => Some(true),
            What::Moment(Moment::Resumed { by }) if by == leg => Some(false),
            _ => None,
        };
        self.first.iter().chain(&self.last).rev().find_map(last).unwrap_or(false)
    }

    /// Reads wall time anew: dialling begins.
    pub fn anchor(&mut self, now: Now) {
        self.anchor = now;
    }

    /// A leg is dialled through this switch. True: not for the first time.
    pub fn dials(&mut self, now: Now, attempt: u16, role: Role, address: &Endpoint, switch: &str) -> bool {
        let again = self.parties.iter().any(|party| party.attempt == attempt);
        if !again && self.parties.len() < MAX_PARTIES {
            self.parties.push(Party { attempt, role, address: address.clone() });
        }
        let switch = index_of(&mut self.switches, |name| **name == *switch, || switch.into());
        self.moment(now, Moment::Dials { attempt, switch, again });
        again
    }

    /// One message. `message.peer` and `message.again` are set here.
    pub fn message(&mut self, now: Now, peer: Peer, mut message: Message) {
        message.peer = index_of(&mut self.peers, |known| *known == peer, || peer);
        message.again = self.entries().any(|entry| matches!(&entry.what, What::Message(old) if old.is_same(&message)));
        self.push(Entry { at: self.wall(now), what: What::Message(message) });
    }

    /// Something that happened to the call.
    pub fn moment(&mut self, now: Now, moment: Moment) {
        self.moment_at(self.wall(now), moment);
    }

    /// The same, of an earlier moment that is known by wall time only.
    pub fn moment_at(&mut self, at: Wall, moment: Moment) {
        self.push(Entry { at, what: What::Moment(moment) });
    }

    /// What was measured of a leg that is over, the newest last.
    pub fn sounded(&mut self, attempt: u16, samples: impl Iterator<Item = (Wall, Sample)>) {
        self.sound.add(attempt, samples);
    }

    /// What was measured of this leg, the newest last; each at the end of its five seconds.
    pub fn sound(&self, attempt: u16) -> &[(Wall, Sample)] {
        self.sound.of(attempt)
    }

    /// Every request of ours has its final answer: nothing more is expected.
    pub fn is_settled(&self) -> bool {
        let messages = || {
            self.entries().filter_map(|entry| match &entry.what {
                What::Message(message) => Some(message),
                What::Moment(_) => None,
            })
        };
        let asked = |m: &&Message| m.out && m.status.is_none() && m.verb != Verb::of("ACK");
        messages().filter(asked).all(|request| messages().any(|message| message.answers(request)))
    }

    fn push(&mut self, entry: Entry) {
        if self.first.len() < FIRST && self.last.is_empty() {
            return self.first.push(entry);
        }
        if self.last.len() >= LAST {
            let message = self.last.iter().position(|entry| matches!(entry.what, What::Message(_))).unwrap_or(0);
            self.last.remove(message);
            self.omitted = self.omitted.saturating_add(1);
        }
        self.last.push_back(entry);
    }

    fn wall(&self, now: Now) -> Wall {
        self.anchor.wall + now.mono.since(self.anchor.mono)
    }
}

/// The place of a thing in a short list, put in where it is new; 255 when the list is full.
fn index_of<T>(list: &mut Vec<T>, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> u8 {
    let at = list.iter().position(is).unwrap_or_else(|| {
        let room = list.len() < MAX_NAMES;
        if room {
            list.push(make());
        }
        if room { list.len() - 1 } else { usize::from(u8::MAX) }
    });
    u8::try_from(at).unwrap_or(u8::MAX)
}

/// Faces.
impl Ladder {
    /// For a terminal: fixed width, at most 79 + 20 for each leg beyond the second.
    pub fn to_text(&self) -> String {
        text::draw(self)
    }

    /// A picture: well-formed XML, no script, nothing from outside.
    pub fn to_svg(&self) -> String {
        svg::draw(self)
    }

    /// For programs.
    pub fn to_json(&self) -> serde_json::Value {
        json::write(self)
    }

    /// One row of the store.
    pub fn to_stored(&self) -> String {
        stored::write(self)
    }

    /// Reads [`Ladder::to_stored`].
    pub fn from_stored(text: &str) -> Result<Ladder, Unreadable> {
        stored::read(text)
    }
}

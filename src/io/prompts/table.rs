//! The shelf: every loaded recording behind one atomic pointer. Owns the order of choice and the bound on memory. Refuses
//! locks and files: readers are media threads, the one writer is the prompt worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::shipped;
use crate::audio::{Prompt, music};
use crate::media::api::{Clip, Spoken};
use crate::model::BusinessId;

/// Memory for rendered messages, in bytes: some 400 messages of 5 s. Those unused for longest go first.
const RENDERED_BYTES: usize = 32 * 1024 * 1024;

/// A business's own recordings and its registered name.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// `message.wav`: the whole message.
    pub message: Option<Arc<Prompt>>,
    /// The fixed words around `spoken-name.wav`.
    pub named: Option<Arc<Prompt>>,
    /// `unavailable.wav`: the second message.
    pub unavailable: Option<Arc<Prompt>>,
    /// The name that `spoken-name.wav` says.
    pub registered_name: Arc<str>,
}

/// Which of the two messages a rendered text is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Message {
    /// While a representative is called.
    Connecting,
    /// When none answered.
    Unavailable,
}

/// A rendered message, by what was said to whose name.
type Key = (Message, Arc<str>);

#[derive(Debug)]
struct Rendered {
    prompt: Arc<Prompt>,
    /// The reading of [`Shelf::clock`] when last found.
    used: AtomicU64,
}

#[derive(Clone, Debug)]
struct Table {
    own: Arc<BTreeMap<BusinessId, Own>>,
    rendered: BTreeMap<Key, Arc<Rendered>>,
    bytes: usize,
}

/// Every recording that can be played now.
#[derive(Debug)]
pub struct Shelf {
    table: ArcSwap<Table>,
    /// Counts finds: the age of a rendered message.
    clock: AtomicU64,
    configured: Option<Arc<Prompt>>,
    configured_unavailable: Option<Arc<Prompt>>,
    hold_music: Arc<Prompt>,
    plain: Arc<Prompt>,
    plain_unavailable: Arc<Prompt>,
}

impl Shelf {
    /// The shipped recordings and, in front of them, the configured files.
    pub fn new(
        message: Option<Arc<Prompt>>,
        unavailable: Option<Arc<Prompt>>,
        hold_music: Option<Arc<Prompt>>,
    ) -> Shelf {
        let prompt = |samples: Vec<i16>| Arc::new(Prompt::from_pcm(&samples));
        Shelf {
            table: ArcSwap::from_pointee(Table { own: Arc::default(), rendered: BTreeMap::new(), bytes: 0 }),
            clock: AtomicU64::new(0),
            configured: message,
            configured_unavailable: unavailable,
            hold_music: hold_music.unwrap_or_else(|| prompt(music::hold_music())),
            plain: prompt(shipped::connecting()),
            plain_unavailable: prompt(shipped::unavailable()),
        }
    }

    /// The recording to play. Lock-free: one atomic load, a few look-ups.
    pub fn find(&self, clip: &Clip) -> Arc<Prompt> {
        match clip {
            Clip::Connecting(spoken) => self.choose(Message::Connecting, spoken),
            Clip::Unavailable(spoken) => self.choose(Message::Unavailable, spoken),
            Clip::HoldMusic => Arc::clone(&self.hold_music),
        }
    }

    /// The order of choice: the business's own whole message, the configured file, the rendered text, the fixed words with
    /// the business's spoken name (where the call names no other company), the shipped message.
    fn choose(&self, message: Message, spoken: &Spoken) -> Arc<Prompt> {
        let table = self.table.load();
        let own = table.own.get(&spoken.business);
        let (uploaded, configured, named, plain) = match message {
            Message::Connecting => {
                let says_it = |own: &&Own| own.registered_name == spoken.company;
                let named = own.filter(says_it).and_then(|own| own.named.as_ref());
                (own.and_then(|own| own.message.as_ref()), &self.configured, named, &self.plain)
            }
            Message::Unavailable => {
                let uploaded = own.and_then(|own| own.unavailable.as_ref());
                (uploaded, &self.configured_unavailable, None, &self.plain_unavailable)
            }
        };
        if let Some(prompt) = uploaded.or(configured.as_ref()) {
            return Arc::clone(prompt);
        }
        if let Some(rendered) = table.rendered.get(&(message, Arc::clone(&spoken.company))) {
            rendered.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            return Arc::clone(&rendered.prompt);
        }
        Arc::clone(named.unwrap_or(plain))
    }

    /// True when neither message of this call needs rendering.
    pub fn is_ready(&self, spoken: &Spoken) -> bool {
        !self.needs(Message::Connecting, spoken) && !self.needs(Message::Unavailable, spoken)
    }

    /// True when a rendered text would be played and is not there.
    pub fn needs(&self, message: Message, spoken: &Spoken) -> bool {
        let table = self.table.load();
        let own = table.own.get(&spoken.business);
        let covered = match message {
            Message::Connecting => self.configured.is_some() || own.is_some_and(|own| own.message.is_some()),
            Message::Unavailable => {
                self.configured_unavailable.is_some() || own.is_some_and(|own| own.unavailable.is_some())
            }
        };
        !covered && !table.rendered.contains_key(&(message, Arc::clone(&spoken.company)))
    }

    /// Adds a rendered message; the ones unused for longest go when memory is full. Called by the worker only.
    pub fn add_rendered(&self, message: Message, company: Arc<str>, prompt: Prompt) {
        let mut table = Table::clone(&self.table.load());
        table.bytes += prompt.bytes();
        let used = AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed));
        let added = Arc::new(Rendered { prompt: Arc::new(prompt), used });
        if let Some(old) = table.rendered.insert((message, company), added) {
            table.bytes -= old.prompt.bytes();
        }
        while table.bytes > RENDERED_BYTES && table.rendered.len() > 1 {
            let oldest =
                table.rendered.iter().min_by_key(|(_, r)| r.used.load(Ordering::Relaxed)).map(|(k, _)| k.clone());
            let Some(gone) = oldest.and_then(|key| table.rendered.remove(&key)) else { break };
            table.bytes -= gone.prompt.bytes();
        }
        self.table.store(Arc::new(table));
    }

    /// Replaces every business's own recordings. Called by the worker only.
    pub fn set_own(&self, own: BTreeMap<BusinessId, Own>) {
        let mut table = Table::clone(&self.table.load());
        table.own = Arc::new(own);
        self.table.store(Arc::new(table));
    }

    /// Memory that rendered messages take, in bytes.
    pub fn rendered_bytes(&self) -> usize {
        self.table.load().bytes
    }

    /// True when about another eighth of the memory for rendered messages is free: registered names are rendered ahead only
    /// so far, and never push each other out.
    pub fn has_room(&self) -> bool {
        self.rendered_bytes() < RENDERED_BYTES / 8 * 7
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(company: &str) -> Spoken {
        Spoken { business: "abc".parse().unwrap(), company: company.into() }
    }

    fn prompt(seconds: usize) -> Prompt {
        Prompt::from_pcm(&vec![100; seconds * 8000])
    }

    #[test]
    fn a_stranger_cannot_grow_the_shelf() {
        let shelf = Shelf::new(None, None, None);
        shelf.add_rendered(Message::Connecting, "Kept".into(), prompt(5));
        for n in 0..600 {
            shelf.add_rendered(Message::Connecting, format!("Company {n}").into(), prompt(5));
            assert!(!shelf.needs(Message::Connecting, &spoken("Kept")));
            shelf.find(&Clip::Connecting(spoken("Kept")));
        }
        assert!(shelf.rendered_bytes() <= RENDERED_BYTES);
        assert!(shelf.needs(Message::Connecting, &spoken("Company 0")), "the oldest is gone");
        assert!(!shelf.needs(Message::Connecting, &spoken("Company 599")), "the newest is there");
        assert!(!shelf.has_room());
    }

    #[test]
    fn the_same_name_rendered_twice_is_counted_once() {
        let shelf = Shelf::new(None, None, None);
        for _ in 0..3 {
            shelf.add_rendered(Message::Unavailable, "ABC".into(), prompt(1));
        }
        assert_eq!(shelf.rendered_bytes(), prompt(1).bytes());
        assert!(shelf.needs(Message::Connecting, &spoken("ABC")) && !shelf.needs(Message::Unavailable, &spoken("ABC")));
    }
}

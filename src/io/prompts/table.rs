//! The shelf: every loaded recording behind one atomic pointer. Owns the order of choice and the bound on memory. Refuses
//! locks and files: readers are media threads, the one writer is the prompt worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::shipped;
use crate::audio::{Prompt, SAMPLE_RATE, music};
use crate::media::api::{Clip, Spoken, Still, Whisper, Worded};
use crate::model::{BusinessId, Language};

/// Memory for rendered messages, in bytes: some 240 messages of 5 s. Those unused for longest go first.
const RENDERED_BYTES: usize = 32 * 1024 * 1024;

/// Between two sayings of what to press: two seconds.
const PAUSE_SAMPLES: usize = 2 * SAMPLE_RATE as usize;

/// A business's own recordings and its registered name.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// `message.wav`: the whole message.
    pub message: Option<Arc<Prompt>>,
    /// The fixed words around `spoken-name.wav`.
    pub named: Option<Arc<Prompt>>,
    /// `unavailable.wav`: the second message.
    pub unavailable: Option<Arc<Prompt>>,
    /// `gate.wav`: what the customer's gate asks.
    pub gate: Option<Arc<Prompt>>,
    /// `machine.wav`: what is left on a machine.
    pub machine: Option<Arc<Prompt>>,
    /// `consent.wav`: that the talk is recorded.
    pub consent: Option<Arc<Prompt>>,
    /// `hold.wav`: to a customer who holds.
    pub hold: Option<Arc<Prompt>>,
    /// `whisper.wav`: what a representative is told.
    pub whisper: Option<Arc<Prompt>>,
    /// The same and a pause: it is asked what to press.
    pub accept: Option<Arc<Prompt>>,
    /// The name that `spoken-name.wav` says.
    pub registered_name: Arc<str>,
    /// The language that all of them are in: the business's.
    pub language: Option<Language>,
}

/// Which of the messages a rendered text is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Message {
    /// While a representative is called.
    Connecting,
    /// When none answered.
    Unavailable,
    /// The customer's gate.
    Gate,
    /// What a representative is told.
    Whisper,
    /// The same, and what to press.
    Accept,
    /// What is left on a machine.
    Machine,
    /// To a customer who holds.
    Still,
    /// That the talk is recorded.
    Consent,
}

/// A rendered message, by its language and the words of its own that it has: a company's name, perhaps a page's title behind it.
type Key = (Message, Option<Language>, Arc<str>);

/// What a clip says and for whom; none: music.
pub fn named(clip: &Clip) -> Option<(Key, &Spoken)> {
    let of = |message, spoken: &Spoken| (message, spoken.language, Arc::clone(&spoken.company));
    match clip {
        Clip::Connecting(spoken) => Some((of(Message::Connecting, spoken), spoken)),
        Clip::Unavailable(spoken) => Some((of(Message::Unavailable, spoken), spoken)),
        Clip::Gate(spoken) => Some((of(Message::Gate, spoken), spoken)),
        Clip::Whisper(Whisper { spoken, page, accept }) => {
            let message = if *accept { Message::Accept } else { Message::Whisper };
            let page = page.as_deref().unwrap_or_default();
            Some(((message, spoken.language, format!("{}\n{page}", spoken.company).into()), spoken))
        }
        Clip::Machine(Worded { spoken, text }) | Clip::Consent(Worded { spoken, text }) => {
            let message = if matches!(clip, Clip::Machine(_)) { Message::Machine } else { Message::Consent };
            let text = text.as_deref().unwrap_or_default();
            Some(((message, spoken.language, format!("{}\n{text}", spoken.company).into()), spoken))
        }
        Clip::Still(Still { spoken, minutes }) => {
            let minutes = minutes.unwrap_or(0);
            Some(((Message::Still, spoken.language, format!("{}\n{minutes}", spoken.company).into()), spoken))
        }
        Clip::HoldMusic | Clip::Silence => None,
    }
}

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
    /// What the configured files are in.
    language: Language,
    configured: Option<Arc<Prompt>>,
    configured_unavailable: Option<Arc<Prompt>>,
    hold_music: Arc<Prompt>,
    plain: Arc<Prompt>,
    plain_unavailable: Arc<Prompt>,
    plain_gate: Arc<Prompt>,
    plain_machine: Arc<Prompt>,
    plain_still: Arc<Prompt>,
    plain_consent: Arc<Prompt>,
    nothing: Arc<Prompt>,
}

impl Shelf {
    /// The shipped recordings and, in front of them, the configured files.
    pub fn new(
        language: Language,
        message: Option<Arc<Prompt>>,
        unavailable: Option<Arc<Prompt>>,
        hold_music: Option<Arc<Prompt>>,
    ) -> Shelf {
        let prompt = |samples: Vec<i16>| Arc::new(Prompt::from_pcm(&samples));
        Shelf {
            table: ArcSwap::from_pointee(Table { own: Arc::default(), rendered: BTreeMap::new(), bytes: 0 }),
            clock: AtomicU64::new(0),
            language,
            configured: message,
            configured_unavailable: unavailable,
            hold_music: hold_music.unwrap_or_else(|| prompt(music::hold_music())),
            plain: prompt(shipped::connecting()),
            plain_unavailable: prompt(shipped::unavailable()),
            plain_gate: prompt(with_pause(shipped::gate())),
            plain_machine: prompt(shipped::machine()),
            plain_still: prompt(shipped::still()),
            plain_consent: prompt(shipped::consent()),
            nothing: prompt(Vec::new()),
        }
    }

    /// The recording to play. Lock-free: one atomic load, a few look-ups.
    pub fn find(&self, clip: &Clip) -> Arc<Prompt> {
        match named(clip) {
            Some((key, spoken)) => self.choose(&key, spoken),
            None if *clip == Clip::Silence => Arc::clone(&self.nothing),
            None => Arc::clone(&self.hold_music),
        }
    }

    /// The order of choice: the business's own whole message, the configured file, the rendered text, the fixed words with
    /// the business's spoken name (where the call names no other company), the shipped message. A whisper that is not rendered
    /// is left out: who calls is not known without it.
    fn choose(&self, key: &Key, spoken: &Spoken) -> Arc<Prompt> {
        let table = self.table.load();
        if let Some(prompt) = self.recorded(&table, key.0, spoken) {
            return prompt;
        }
        if let Some(rendered) = table.rendered.get(key) {
            rendered.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            return Arc::clone(&rendered.prompt);
        }
        let plain = match key.0 {
            Message::Connecting => {
                let own = table.own.get(&spoken.business);
                let own = own.filter(|own| own.registered_name == spoken.company && own.language == spoken.language);
                own.and_then(|own| own.named.as_ref()).unwrap_or(&self.plain)
            }
            Message::Unavailable => &self.plain_unavailable,
            Message::Gate | Message::Accept => &self.plain_gate,
            Message::Whisper => &self.nothing,
            Message::Machine => &self.plain_machine,
            Message::Still => &self.plain_still,
            Message::Consent => &self.plain_consent,
        };
        Arc::clone(plain)
    }

    /// The whole message from a file: the business's own, else the configured one.
    fn recorded(&self, table: &Table, message: Message, spoken: &Spoken) -> Option<Arc<Prompt>> {
        let own = table.own.get(&spoken.business).filter(|own| own.language == spoken.language);
        let usual = spoken.language.is_none_or(|language| language == self.language);
        let configured = |file: &Option<Arc<Prompt>>| file.clone().filter(|_| usual);
        match message {
            Message::Connecting => own.and_then(|own| own.message.clone()).or_else(|| configured(&self.configured)),
            Message::Unavailable => {
                own.and_then(|own| own.unavailable.clone()).or_else(|| configured(&self.configured_unavailable))
            }
            Message::Gate => own.and_then(|own| own.gate.clone()),
            Message::Machine => own.and_then(|own| own.machine.clone()),
            Message::Consent => own.and_then(|own| own.consent.clone()),
            Message::Still => own.and_then(|own| own.hold.clone()),
            Message::Whisper => own.and_then(|own| own.whisper.clone()),
            Message::Accept => own.and_then(|own| own.accept.clone()),
        }
    }

    /// True when neither message of this call needs rendering.
    pub fn is_ready(&self, spoken: &Spoken) -> bool {
        !self.needs(&Clip::Connecting(spoken.clone())) && !self.needs(&Clip::Unavailable(spoken.clone()))
    }

    /// True when a rendered text would be played and is not there.
    pub fn needs(&self, clip: &Clip) -> bool {
        let table = self.table.load();
        named(clip).is_some_and(|(key, spoken)| {
            self.recorded(&table, key.0, spoken).is_none() && !table.rendered.contains_key(&key)
        })
    }

    /// Adds a rendered message, and gives it as it is shared; the ones unused for longest go when memory is full. Called by the
    /// worker only.
    pub fn add_rendered(&self, key: Key, prompt: Prompt) -> Arc<Prompt> {
        let mut table = Table::clone(&self.table.load());
        table.bytes += prompt.bytes();
        let used = AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed));
        let prompt = Arc::new(prompt);
        let added = Arc::new(Rendered { prompt: Arc::clone(&prompt), used });
        if let Some(old) = table.rendered.insert(key, added) {
            table.bytes -= old.prompt.bytes();
        }
        while table.bytes > RENDERED_BYTES && table.rendered.len() > 1 {
            let oldest =
                table.rendered.iter().min_by_key(|(_, r)| r.used.load(Ordering::Relaxed)).map(|(k, _)| k.clone());
            let Some(gone) = oldest.and_then(|key| table.rendered.remove(&key)) else { break };
            table.bytes -= gone.prompt.bytes();
        }
        self.table.store(Arc::new(table));
        prompt
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

/// With the pause in which a key is waited for before it is said again.
pub fn with_pause(mut samples: Vec<i16>) -> Vec<i16> {
    samples.resize(samples.len() + PAUSE_SAMPLES, 0);
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(company: &str) -> Spoken {
        Spoken { business: "abc".parse().unwrap(), company: company.into(), language: None }
    }

    fn prompt(seconds: usize) -> Prompt {
        Prompt::from_pcm(&vec![100; seconds * 8000])
    }

    #[test]
    fn a_stranger_cannot_grow_the_shelf() {
        let shelf = Shelf::new(Language::ENGLISH, None, None, None);
        shelf.add_rendered((Message::Connecting, None, "Kept".into()), prompt(5));
        for n in 0..600 {
            shelf.add_rendered((Message::Connecting, None, format!("Company {n}").into()), prompt(5));
            assert!(!shelf.needs(&Clip::Connecting(spoken("Kept"))));
            shelf.find(&Clip::Connecting(spoken("Kept")));
        }
        assert!(shelf.rendered_bytes() <= RENDERED_BYTES);
        assert!(shelf.needs(&Clip::Connecting(spoken("Company 0"))), "the oldest is gone");
        assert!(!shelf.needs(&Clip::Connecting(spoken("Company 599"))), "the newest is there");
        assert!(!shelf.has_room());
    }

    #[test]
    fn the_same_name_rendered_twice_is_counted_once() {
        let shelf = Shelf::new(Language::ENGLISH, None, None, None);
        for _ in 0..3 {
            shelf.add_rendered((Message::Unavailable, None, "ABC".into()), prompt(1));
        }
        assert_eq!(shelf.rendered_bytes(), prompt(1).bytes());
        assert!(shelf.needs(&Clip::Connecting(spoken("ABC"))) && !shelf.needs(&Clip::Unavailable(spoken("ABC"))));
    }
}

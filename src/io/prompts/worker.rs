//! The prompt worker: one thread that renders texts and loads uploads. Owns the two queues: what a live call needs goes before
//! the registered names rendered ahead. Refuses to hold anything up: a text that cannot be rendered is said in the log, and the
//! next best recording is heard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::{Duration, Instant, SystemTime};

use super::table::{self, Message, Shelf, with_pause};
use super::uploads;
use crate::audio::Prompt;
use crate::config::{PromptConfig, Texts};
use crate::io::speech::{Said, Speaker, SpeechError, Voice};
use crate::media::api::{Clip, Spoken, Still, Worded};
use crate::model::{BusinessId, Codec, Language};

/// How often the worker looks for newly installed recordings.
const LOOK: Duration = Duration::from_millis(500);
/// A company's name is spoken up to so many characters.
const MAX_NAME: usize = 100;

/// What the worker is asked to do.
#[derive(Debug)]
pub enum Job {
    /// A call was accepted: render what it needs.
    Prepare(Clip),
    /// These businesses exist now, with these registered names.
    Businesses(BTreeMap<BusinessId, Spoken>),
    /// Somebody hears this recording in a codec that it was not made in.
    Make(Arc<Prompt>, Codec),
    /// Answer when everything asked for before is done.
    Settle(SyncSender<()>),
}

/// The thread's state.
#[derive(Debug)]
pub struct Worker {
    shelf: Arc<Shelf>,
    speaker: Option<Arc<Speaker>>,
    texts: PromptConfig,
    store_folder: PathBuf,
    inbox: Receiver<Job>,
    /// Messages with registered names, not rendered yet.
    ahead: VecDeque<Clip>,
    names: BTreeMap<BusinessId, Spoken>,
    settling: Vec<SyncSender<()>>,
    /// Codecs that somebody hears recordings in: what is rendered from now on is made in them before anybody asks.
    heard: BTreeSet<Codec>,
    installed_seen: Option<SystemTime>,
    looked: Instant,
}

impl Worker {
    /// A worker at rest.
    pub fn new(
        shelf: Arc<Shelf>,
        speaker: Option<Arc<Speaker>>,
        prompt: &PromptConfig,
        store_folder: &Path,
        inbox: Receiver<Job>,
    ) -> Worker {
        Worker {
            shelf,
            speaker,
            texts: prompt.clone(),
            store_folder: store_folder.to_owned(),
            inbox,
            ahead: VecDeque::new(),
            names: BTreeMap::new(),
            settling: Vec::new(),
            heard: BTreeSet::new(),
            installed_seen: uploads::last_installed(store_folder),
            looked: Instant::now(),
        }
    }

    /// Works until the library is dropped.
    pub fn run(mut self) {
        loop {
            self.look_for_uploads();
            match self.inbox.try_recv() {
                Ok(job) => self.take(job),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => match self.ahead.pop_front() {
                    Some(clip) if self.shelf.has_room() => self.render(&clip),
                    Some(_) => self.ahead.clear(),
                    None => {
                        for done in self.settling.drain(..) {
                            let _ = done.try_send(());
                        }
                        match self.inbox.recv_timeout(LOOK) {
                            Ok(job) => self.take(job),
                            Err(RecvTimeoutError::Timeout) => {}
                            Err(RecvTimeoutError::Disconnected) => return,
                        }
                    }
                },
            }
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Prepare(clip) => self.render(&clip),
            Job::Make(prompt, codec) => {
                self.heard.insert(codec);
                prompt.make(codec);
            }
            Job::Settle(done) => self.settling.push(done),
            Job::Businesses(names) => {
                let new = names.iter().filter(|(id, name)| self.names.get(*id) != Some(*name));
                let spoken = new.map(|(_, name)| name.clone());
                self.ahead
                    .extend(spoken.flat_map(|spoken| [Clip::Connecting(spoken.clone()), Clip::Unavailable(spoken)]));
                self.names = names;
                self.load_uploads();
            }
        }
    }

    fn look_for_uploads(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let installed = uploads::last_installed(&self.store_folder);
        if installed != self.installed_seen {
            self.installed_seen = installed;
            self.load_uploads();
        }
    }

    fn load_uploads(&self) {
        self.shelf.set_own(uploads::load(&self.store_folder, &self.names));
    }

    fn render(&self, clip: &Clip) {
        let Some(speaker) = &self.speaker else { return };
        let Some(((message, language, words), spoken)) = table::named(clip).filter(|_| self.shelf.needs(clip)) else {
            return;
        };
        let (texts, usual) = self.texts.of(language);
        let english = language.unwrap_or(self.texts.language).without_region() == Language::ENGLISH;
        let voice = Voice { name: &texts.voice, usual, english };
        match speaker.speak_as(&text_of(texts, clip, message, spoken), voice) {
            Ok(Said { samples, file }) => {
                let repeated = matches!(message, Message::Gate | Message::Accept);
                let samples = if repeated { with_pause(samples) } else { samples };
                let prompt = Prompt::from_pcm(&samples).with_wide(Some(uploads::wide(file)));
                let prompt = self.shelf.add_rendered((message, language, words), prompt);
                self.heard.iter().for_each(|codec| prompt.make(*codec));
            }
            Err(SpeechError::Stopped) => {}
            Err(error) => {
                tracing::warn!(business = %spoken.business, %error, "a message could not be spoken; a recording is used");
            }
        }
    }
}

fn text_of(texts: &Texts, clip: &Clip, message: Message, spoken: &Spoken) -> String {
    let name: String = spoken.company.chars().take(MAX_NAME).collect();
    let text = match message {
        Message::Connecting => &texts.connecting,
        Message::Unavailable => &texts.unavailable,
        Message::Gate => &texts.gate,
        Message::Whisper | Message::Accept => &texts.whisper,
        Message::Still => &texts.still,
        Message::Machine => match clip {
            Clip::Machine(Worded { text: Some(own), .. }) => own.as_ref(),
            _ => &texts.machine,
        },
        Message::Consent => match clip {
            Clip::Consent(Worded { text: Some(own), .. }) => own.as_ref(),
            _ => &texts.consent,
        },
    };
    let mut text = text.replace("{company}", &name);
    if let Clip::Whisper(whisper) = clip {
        text.extend(whisper.page.iter().flat_map(|page| [" ", page, "."]));
        if whisper.accept {
            text.extend([" ", &texts.accept]);
        }
    }
    if let Clip::Still(Still { minutes: Some(minutes), .. }) = clip {
        let wait = match minutes {
            1 => texts.minute.clone(),
            more => texts.minutes.replace("{minutes}", &more.to_string()),
        };
        text.extend([" ", &texts.wait.replace("{wait}", &wait)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_the_words_in_each_shipped_language() {
        let said = |tag: &str, minutes| {
            let language: Language = tag.parse().unwrap();
            let spoken = Spoken { business: "abc".parse().unwrap(), company: "ABC".into(), language: Some(language) };
            let clip = Clip::Still(Still { spoken: spoken.clone(), minutes });
            text_of(&Texts::shipped(language).unwrap(), &clip, Message::Still, &spoken)
        };
        assert_eq!(said("en", None), "You are still in line. Please hold.");
        assert_eq!(
            said("en-GB", Some(1)),
            "You are still in line. Please hold. The estimated wait is about one minute."
        );
        assert!(said("de", Some(2)).ends_with("Die Wartezeit beträgt etwa 2 Minuten."));
        assert!(said("es", Some(10)).ends_with("aproximadamente 10 minutos."));
        assert!(said("fr", Some(1)).ends_with("environ une minute."));
    }
}

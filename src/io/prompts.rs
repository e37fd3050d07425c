//! The prompt library: which recording a clip is, rendered, uploaded or shipped.
//!
//! Owns the order of choice and one worker thread that renders ahead of need. [`PromptLibrary::find`] is called from the media
//! thread: it reads one atomic pointer and never waits. Refuses to fail there: the shipped recordings always answer.

mod shipped;
mod table;
mod uploads;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::audio::Prompt;
use crate::audio::wav::{self, WavError};
use crate::config::{PromptConfig, SpeechConfig};
use crate::media::api::{Clip, Prompts, Spoken};
use crate::model::{Business, Codec, Directory};

use self::table::Shelf;
use self::worker::{Job, Worker};
use super::speech::Speaker;

pub use self::uploads::{RecordingError, RecordingKind, install_bytes, install_recording, remove_recording};

/// Messages waiting to be rendered; more are dropped, and the shipped message is heard instead of them.
const QUEUE: usize = 256;

/// Why the library cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// A file named in `[prompt]` cannot be read.
    #[error("[prompt] {key} = {path:?} cannot be read: {error}", path = path.display())]
    Read {
        /// The key of the configuration.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file named in `[prompt]` is no usable WAV.
    #[error("[prompt] {key} = {path:?}: {error}", path = path.display())]
    Wav {
        /// The key of the configuration.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// What is wrong with it.
        error: WavError,
    },
    /// The worker thread could not be started.
    #[error("the prompt worker cannot be started: {0}")]
    Thread(std::io::Error),
}

/// Every message callbridge can say. Cheap to share; ends its worker when dropped.
#[derive(Debug)]
pub struct PromptLibrary {
    shelf: Arc<Shelf>,
    jobs: Option<SyncSender<Job>>,
    speaker: Option<Arc<Speaker>>,
    worker: Option<JoinHandle<()>>,
}

impl PromptLibrary {
    /// Reads the configured files and starts the worker. `store_folder` keeps rendered prompts and uploaded recordings.
    pub fn start(
        prompt: &PromptConfig,
        speech: &SpeechConfig,
        store_folder: &Path,
    ) -> Result<PromptLibrary, PromptError> {
        let file = |key, path: &Option<PathBuf>| path.as_ref().map(|path| read_configured(key, path)).transpose();
        let shelf = Arc::new(Shelf::new(
            prompt.language,
            file("file", &prompt.file)?,
            file("unavailable_file", &prompt.unavailable_file)?,
            file("hold_music", &prompt.hold_music)?,
        ));
        let speaker = Speaker::find(speech, store_folder).map(Arc::new);
        match &speaker {
            Some(speaker) => tracing::info!(program = speaker.program(), "messages are spoken by a program"),
            None => tracing::info!("no speech program: messages come from the shipped and the uploaded recordings"),
        }
        let (jobs, inbox) = sync_channel(QUEUE);
        let worker = Worker::new(Arc::clone(&shelf), speaker.clone(), prompt, store_folder, inbox);
        let worker = std::thread::Builder::new().name("prompts".to_owned()).spawn(move || worker.run());
        let worker = worker.map_err(PromptError::Thread)?;
        Ok(PromptLibrary { shelf, jobs: Some(jobs), speaker, worker: Some(worker) })
    }

    /// Says which businesses there are, at start and after every change: their recordings are loaded and their registered
    /// names rendered in the background. Never blocks.
    pub fn businesses_changed(&self, directory: &Directory) {
        let spoken = |b: &Business| Spoken {
            business: b.id.clone(),
            company: Arc::from(b.name.as_str()),
            language: b.voice.language,
        };
        let names = directory.businesses.values().map(|b| (b.id.clone(), spoken(b))).collect();
        self.post(Job::Businesses(names));
    }

    /// Renders ahead what an accepted message will need. Never blocks; does nothing when it is there already.
    pub fn prepare(&self, clip: Clip) {
        if self.shelf.needs(&clip) {
            self.post(Job::Prepare(clip));
        }
    }

    /// True when the best recording for this call is loaded (or nothing better than the shipped one can be had).
    pub fn is_ready(&self, spoken: &Spoken) -> bool {
        self.speaker.is_none() || self.shelf.is_ready(spoken)
    }

    /// Waits until all that was asked for so far is done, at most so long; false when it was not. For the demo and tests.
    pub fn settle(&self, at_most: Duration) -> bool {
        let (done, answer) = sync_channel(1);
        self.post(Job::Settle(done)) && answer.recv_timeout(at_most).is_ok()
    }

    fn post(&self, job: Job) -> bool {
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => true,
            Some(Err(TrySendError::Full(_))) => {
                metrics::counter!("callbridge_rejected_total", "reason" => "prompt_queue_full").increment(1);
                false
            }
            Some(Err(TrySendError::Disconnected(_))) | None => false,
        }
    }
}

impl Prompts for PromptLibrary {
    fn find(&self, clip: &Clip) -> Arc<Prompt> {
        self.shelf.find(clip)
    }

    /// One try: where the queue is full, the legs that hear it go on encoding it.
    fn wish(&self, prompt: &Arc<Prompt>, codec: Codec) {
        self.post(Job::Make(Arc::clone(prompt), codec));
    }
}

impl Drop for PromptLibrary {
    fn drop(&mut self) {
        if let Some(speaker) = &self.speaker {
            speaker.stop();
        }
        self.jobs = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn read_configured(key: &'static str, path: &Path) -> Result<Arc<Prompt>, PromptError> {
    let bytes = uploads::read_bounded(path).map_err(|error| PromptError::Read { key, path: path.to_owned(), error })?;
    let samples = wav::read(&bytes).map_err(|error| PromptError::Wav { key, path: path.to_owned(), error })?;
    Ok(Arc::new(uploads::prompt(&samples, &bytes, path.to_owned())))
}

#[cfg(test)]
mod tests;

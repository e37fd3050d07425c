//! Recordings that a business uploads: checked and brought to the line's format when installed, loaded by the worker. Owns the
//! folder `recordings`. Refuses anything that is not a usable WAV before it touches that folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::shipped;
use super::table::{Own, with_pause};
use crate::audio::codec::Rate;
use crate::audio::wav::{self, WavError};
use crate::audio::{Prompt, Wide, render};
use crate::io::speech::write_atomically;
use crate::media::api::Spoken;
use crate::model::BusinessId;

/// What a business may upload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RecordingKind {
    /// Its name, to stand between the message's fixed words.
    SpokenName,
    /// The whole message.
    Message,
    /// The whole second message.
    Unavailable,
    /// What the customer's gate asks; a pause follows.
    Gate,
    /// What is left on a machine.
    Machine,
    /// That the talk is recorded.
    Consent,
    /// To a customer who holds, in place of the text and the estimated wait.
    Hold,
    /// What a representative is told, in place of the text and the page's title; a pause follows where a key is asked for.
    Whisper,
}

impl RecordingKind {
    /// Every kind.
    pub const ALL: [RecordingKind; 8] = [
        RecordingKind::SpokenName,
        RecordingKind::Message,
        RecordingKind::Unavailable,
        RecordingKind::Gate,
        RecordingKind::Machine,
        RecordingKind::Consent,
        RecordingKind::Hold,
        RecordingKind::Whisper,
    ];

    /// As it is called in paths and in the audit trail.
    pub fn name(self) -> &'static str {
        self.file_name().trim_end_matches(".wav")
    }

    /// The file's name in the business's folder.
    pub fn file_name(self) -> &'static str {
        match self {
            RecordingKind::SpokenName => "spoken-name.wav",
            RecordingKind::Message => "message.wav",
            RecordingKind::Unavailable => "unavailable.wav",
            RecordingKind::Gate => "gate.wav",
            RecordingKind::Machine => "machine.wav",
            RecordingKind::Consent => "consent.wav",
            RecordingKind::Hold => "hold.wav",
            RecordingKind::Whisper => "whisper.wav",
        }
    }
}

/// Why a recording was not installed.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("{path:?} cannot be read: {error}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is no usable WAV.
    #[error("{path:?}: {error}", path = path.display())]
    Wav {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        error: WavError,
    },
    /// Nothing is heard in it.
    #[error("{path:?} is silent", path = path.display())]
    Silent {
        /// Which.
        path: PathBuf,
    },
    /// The store's folder cannot be written.
    #[error("the recording cannot be stored: {0}")]
    Write(io::Error),
}

/// Checks a WAV file and installs it for a business: mono of 16 kHz (8 where it has no more), silence trimmed, at the common loudness. A running daemon
/// hears of it within a second. Answers where it is now.
pub fn install_recording(
    store_folder: &Path,
    business: &BusinessId,
    kind: RecordingKind,
    file: &Path,
) -> Result<PathBuf, RecordingError> {
    let bytes = read_bounded(file).map_err(|error| RecordingError::Read { path: file.to_owned(), error })?;
    install_bytes(store_folder, business, kind, &bytes, file)
}

/// The same with the file's contents; `name` is how errors call it.
pub fn install_bytes(
    store_folder: &Path,
    business: &BusinessId,
    kind: RecordingKind,
    bytes: &[u8],
    name: &Path,
) -> Result<PathBuf, RecordingError> {
    let path = || name.to_owned();
    let rate = if wav::is_wide(bytes) { Rate::Hz16000 } else { Rate::Hz8000 };
    let samples = wav::read_at(bytes, rate).map_err(|error| RecordingError::Wav { path: path(), error })?;
    let ready = render::ready(&samples, rate);
    if ready.is_empty() {
        return Err(RecordingError::Silent { path: path() });
    }
    let installed = folder(store_folder).join(business.as_str()).join(kind.file_name());
    write_atomically(&installed, &wav::write_mono_at(&ready, rate)).map_err(RecordingError::Write)?;
    write_atomically(&mark(store_folder), business.as_str().as_bytes()).map_err(RecordingError::Write)?;
    Ok(installed)
}

/// Takes a recording away. False: there is none.
pub fn remove_recording(store_folder: &Path, business: &BusinessId, kind: RecordingKind) -> io::Result<bool> {
    match fs::remove_file(folder(store_folder).join(business.as_str()).join(kind.file_name())) {
        Ok(()) => write_atomically(&mark(store_folder), business.as_str().as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a file, but not more than one byte over what a recording may have.
pub fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(wav::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A recording, and the file to read it from again for those who hear more of it than a telephone line carries.
pub fn prompt(samples: &[i16], bytes: &[u8], path: PathBuf) -> Prompt {
    Prompt::from_pcm(samples).with_wide(wav::is_wide(bytes).then(|| wide(path)))
}

/// This file once more, whenever that is asked for.
pub fn wide(path: PathBuf) -> Wide {
    Wide::new(move || wav::read_at(&read_bounded(&path).ok()?, Rate::Hz16000).ok())
}

/// When a recording was last installed; changes whenever one is.
pub fn last_installed(store_folder: &Path) -> Option<SystemTime> {
    fs::metadata(mark(store_folder)).and_then(|meta| meta.modified()).ok()
}

/// Loads the recordings of the businesses given with their registered names. A file that cannot be used is left out and said
/// in the log.
pub fn load(store_folder: &Path, names: &BTreeMap<BusinessId, Spoken>) -> BTreeMap<BusinessId, Own> {
    let with_recordings = names.iter().filter(|(id, _)| folder(store_folder).join(id.as_str()).is_dir());
    with_recordings.map(|(id, name)| (id.clone(), load_one(store_folder, id, name))).collect()
}

fn load_one(store_folder: &Path, id: &BusinessId, name: &Spoken) -> Own {
    let read = |kind: RecordingKind| {
        let path = folder(store_folder).join(id.as_str()).join(kind.file_name());
        let bytes = read_bounded(&path).ok()?;
        let samples = wav::read(&bytes)
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a recording is left out"))
            .ok()?;
        let wide = wav::is_wide(&bytes).then(|| wide(path));
        Some((samples, wide))
    };
    let prompt = |(samples, wide): (Vec<i16>, Option<Wide>)| Arc::new(Prompt::from_pcm(&samples).with_wide(wide));
    let with_pause = |(samples, wide)| (with_pause(samples), wide);
    let whisper = read(RecordingKind::Whisper);
    Own {
        message: read(RecordingKind::Message).map(prompt),
        // The words around the name are of 8 kHz, and so is all of it.
        named: read(RecordingKind::SpokenName).map(|(name, _)| prompt((shipped::connecting_with(&name), None))),
        unavailable: read(RecordingKind::Unavailable).map(prompt),
        gate: read(RecordingKind::Gate).map(with_pause).map(prompt),
        machine: read(RecordingKind::Machine).map(prompt),
        consent: read(RecordingKind::Consent).map(prompt),
        hold: read(RecordingKind::Hold).map(prompt),
        accept: whisper.clone().map(with_pause).map(prompt),
        whisper: whisper.map(prompt),
        registered_name: Arc::clone(&name.company),
        language: name.language,
    }
}

fn folder(store_folder: &Path) -> PathBuf {
    store_folder.join("recordings")
}

fn mark(store_folder: &Path) -> PathBuf {
    folder(store_folder).join(".installed")
}

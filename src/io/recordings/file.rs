//! One recording's file: a stereo WAV that opens at every moment, because its sizes are written with each block, or the same samples
//! encrypted. Owns names and bytes; refuses to decide when, and what encryption is (`seal`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use super::seal::{CHUNK, RecordingKey, Seal};
use crate::model::CallId;

/// How a recording is kept: as anybody can open it, or encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Plain,
    Sealed,
}

impl Form {
    pub(super) const ALL: [Form; 2] = [Form::Plain, Form::Sealed];

    /// While it is made.
    pub(super) fn part(self) -> &'static str {
        match self {
            Form::Plain => "part",
            Form::Sealed => "sealed.part",
        }
    }

    /// Nothing is missing.
    pub(super) fn whole(self) -> &'static str {
        match self {
            Form::Plain => "wav",
            Form::Sealed => "sealed",
        }
    }

    /// Something is.
    pub(super) fn incomplete(self) -> &'static str {
        match self {
            Form::Plain => "incomplete.wav",
            Form::Sealed => "incomplete.sealed",
        }
    }

    /// Of a file with this ending, if it is finished.
    pub(super) fn of_finished(ending: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|form| [form.whole(), form.incomplete()].contains(&ending))
    }

    /// Of a file that is being made.
    fn of_part(ending: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|form| form.part() == ending)
    }
}

/// A call and the ending of a name of ours.
pub(super) fn parse(path: &Path) -> Option<(CallId, &str)> {
    let (call, ending) = path.file_name()?.to_str()?.split_once('.')?;
    Some((call.parse().ok()?, ending))
}

/// Bytes before the samples.
pub(super) const HEADER: usize = 44;
const HERTZ: u32 = 8_000;
/// Two sides of 16 bits.
const FRAME: u32 = 4;
/// A WAV file's sizes have 32 bits: some 37 hours.
const LONGEST: u32 = u32::MAX - 64;

/// A call's file; nothing but its identifier is in the name.
pub(super) fn path(folder: &Path, call: CallId, ending: &str) -> PathBuf {
    folder.join(format!("{call}.{ending}"))
}

/// An open recording.
pub(super) struct Recording {
    file: File,
    bytes: u32,
    sealing: Option<Sealing>,
}

/// What an encrypted one has besides.
struct Sealing {
    seal: Seal,
    /// Less than a chunk.
    waits: Vec<u8>,
}

impl Recording {
    /// Begins one; only we may read it.
    pub(super) fn create(folder: &Path, call: CallId, key: Option<&RecordingKey>) -> io::Result<Recording> {
        fs::create_dir_all(folder)?;
        let form = if key.is_some() { Form::Sealed } else { Form::Plain };
        let part = path(folder, call, form.part());
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part)?;
        let sealing = match key {
            None => {
                file.write_all(&header(0))?;
                None
            }
            Some(key) => {
                let mut salt = [0; 16];
                SystemRandom::new().fill(&mut salt).map_err(|_| io::Error::other("no randomness"))?;
                let (seal, head) = Seal::begin(key, call, salt).map_err(io::Error::other)?;
                file.write_all(&head)?;
                Some(Sealing { seal, waits: Vec::new() })
            }
        };
        Ok(Recording { file, bytes: 0, sealing })
    }

    /// How it is kept.
    pub(super) fn form(&self) -> Form {
        if self.sealing.is_some() { Form::Sealed } else { Form::Plain }
    }

    /// Goes on.
    pub(super) fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let more = u32::try_from(bytes.len()).ok().and_then(|more| self.bytes.checked_add(more));
        let Some(total) = more.filter(|total| *total <= LONGEST) else {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        };
        self.bytes = total;
        match &mut self.sealing {
            None => {
                self.file.seek(SeekFrom::End(0))?;
                self.file.write_all(&bytes)?;
                self.file.seek(SeekFrom::Start(0))?;
                self.file.write_all(&header(total))
            }
            Some(sealing) => {
                sealing.waits.extend(bytes);
                while sealing.waits.len() >= CHUNK {
                    let rest = sealing.waits.split_off(CHUNK);
                    let chunk = std::mem::replace(&mut sealing.waits, rest);
                    put(&mut self.file, &mut sealing.seal, chunk)?;
                }
                Ok(())
            }
        }
    }

    /// On the disk, as far as it got; `whole`: nothing is missing.
    pub(super) fn finish(mut self, whole: bool) -> io::Result<()> {
        if let Some(Sealing { mut seal, waits }) = self.sealing {
            if !waits.is_empty() {
                put(&mut self.file, &mut seal, waits)?;
            }
            if whole {
                self.file.write_all(&seal.end().map_err(io::Error::other)?)?;
            }
        }
        self.file.sync_all()
    }
}

fn put(file: &mut File, seal: &mut Seal, mut chunk: Vec<u8>) -> io::Result<()> {
    seal.seal(&mut chunk).map_err(io::Error::other)?;
    file.write_all(&chunk)
}

/// Gives a finished file its name.
pub(super) fn rename(folder: &Path, call: CallId, form: Form, ending: &str) -> io::Result<()> {
    fs::rename(path(folder, call, form.part()), path(folder, call, ending))
}

/// What a run that was killed left: its sizes are made to fit, and it is called incomplete.
pub(super) fn close_left_open(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for found in entries.flatten().map(|entry| entry.path()) {
        let Some((call, ending)) = parse(&found) else { continue };
        let Some(form) = Form::of_part(ending) else { continue };
        // An encrypted one is measured when it is read: what does not open at its end is left out.
        let repaired = if form == Form::Plain { repair(&found) } else { Ok(()) };
        if let Err(error) = repaired.and_then(|()| rename(folder, call, form, form.incomplete())) {
            tracing::warn!(%error, file = %found.display(), "a recording that was cut short cannot be closed");
        }
    }
}

fn repair(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let bytes = file.metadata()?.len().saturating_sub(HEADER as u64);
    let bytes = u32::try_from(bytes).unwrap_or(LONGEST) / FRAME * FRAME;
    file.set_len(u64::from(bytes) + HEADER as u64)?;
    file.write_all(&header(bytes))?;
    file.sync_all()
}

/// RIFF, WAVE, 16-bit PCM, two channels.
pub(super) fn header(bytes: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let parts: [&[u8]; 12] = [
        b"RIFF",
        &(bytes + 36).to_le_bytes(),
        b"WAVEfmt ",
        &16u32.to_le_bytes(),
        &1u16.to_le_bytes(),
        &2u16.to_le_bytes(),
        &HERTZ.to_le_bytes(),
        &(HERTZ * FRAME).to_le_bytes(),
        &4u16.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &bytes.to_le_bytes(),
    ];
    for (place, byte) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    header
}

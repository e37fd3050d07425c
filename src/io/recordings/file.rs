//! One recording's file: a stereo WAV that opens at every moment, because its sizes are written with each block. Owns names and
//! bytes; refuses to decide when.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::model::CallId;

/// While it is made.
pub(super) const PART: &str = "part";
/// Nothing is missing.
pub(super) const WHOLE: &str = "wav";
/// Something is.
pub(super) const INCOMPLETE: &str = "incomplete.wav";

/// Bytes before the samples.
const HEADER: usize = 44;
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
}

impl Recording {
    /// Begins one; only we may read it.
    pub(super) fn create(folder: &Path, call: CallId) -> io::Result<Recording> {
        fs::create_dir_all(folder)?;
        let open =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path(folder, call, PART));
        let mut recording = Recording { file: open?, bytes: 0 };
        recording.file.write_all(&header(0))?;
        Ok(recording)
    }

    /// Goes on.
    pub(super) fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let more = u32::try_from(bytes.len()).ok().and_then(|more| self.bytes.checked_add(more));
        let Some(total) = more.filter(|total| *total <= LONGEST) else {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        };
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(&bytes)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header(total))?;
        self.bytes = total;
        Ok(())
    }

    /// On the disk, as far as it got.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// Gives a finished file its name.
pub(super) fn rename(folder: &Path, call: CallId, ending: &str) -> io::Result<()> {
    fs::rename(path(folder, call, PART), path(folder, call, ending))
}

/// What a run that was killed left: its sizes are made to fit, and it is called incomplete.
pub(super) fn close_left_open(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let ours = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.parse::<CallId>().is_ok());
        if !ours || path.extension().is_none_or(|ending| ending != PART) {
            continue;
        }
        if let Err(error) = repair(&path).and_then(|()| fs::rename(&path, path.with_extension(INCOMPLETE))) {
            tracing::warn!(%error, file = %path.display(), "a recording that was cut short cannot be closed");
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
fn header(bytes: u32) -> [u8; HEADER] {
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

//! How long recordings are kept. Owns which files are too old, and that a pass over a large folder never takes long: some hundred
//! names at a time, between two pieces of talk; refuses files that are not ours.

use std::fs::{self, ReadDir};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::file::{self, Form};

/// Names looked at in one pass.
pub(super) const NAMES: usize = 256;
/// Between two passes over one folder.
pub(super) const BETWEEN: Duration = Duration::from_secs(1);
/// From the end of a folder to its beginning.
pub(super) const AROUND: Duration = Duration::from_secs(3600);

/// Goes round the folder again and again.
pub(super) struct Keeper {
    folder: PathBuf,
    keep: Duration,
    at: Option<ReadDir>,
}

impl Keeper {
    pub(super) fn new(folder: &Path, keep: Duration) -> Keeper {
        Keeper { folder: folder.to_path_buf(), keep, at: None }
    }

    /// One pass. When the next one is to be.
    pub(super) fn pass(&mut self, now: SystemTime) -> Duration {
        if self.at.is_none() {
            self.at = fs::read_dir(&self.folder).ok();
        }
        let Some(names) = &mut self.at else { return AROUND };
        for _ in 0..NAMES {
            match names.next() {
                Some(Ok(entry)) => look_at(&entry.path(), self.keep, now),
                Some(Err(_)) => {}
                None => {
                    self.at = None;
                    return AROUND;
                }
            }
        }
        BETWEEN
    }
}

fn look_at(path: &Path, keep: Duration, now: SystemTime) {
    let Some((call, ending)) = file::parse(path) else { return };
    if Form::of_finished(ending).is_none() {
        return;
    }
    let written = fs::metadata(path).and_then(|about| about.modified());
    let old = written.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > keep));
    if !old {
        return;
    }
    match fs::remove_file(path) {
        Ok(()) => {
            metrics::counter!("callbridge_recordings_removed_total").increment(1);
            tracing::debug!(%call, "a recording is removed: it is older than keep_days");
        }
        Err(error) => tracing::warn!(%call, %error, "an old recording cannot be removed"),
    }
}

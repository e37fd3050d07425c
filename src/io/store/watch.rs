//! Watches the accounts for changes made by another process. Owns one thread that asks for the generation; refuses to compare
//! accounts: the whole directory is handed on when the generation has moved.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Archive, StoreError};
use crate::model::Directory;

/// Ends its thread when dropped.
pub struct DirectoryWatch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for DirectoryWatch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the accounts panicked");
        }
    }
}

/// Calls `changed` with the present directory at once on the new thread, and again within about `every` after each change.
pub fn watch_directory(
    archive: Arc<dyn Archive>,
    every: Duration,
    mut changed: impl FnMut(Arc<Directory>) + Send + 'static,
) -> Result<DirectoryWatch, StoreError> {
    let (stop, stopped) = channel();
    let run = move || {
        let (mut seen, mut failed) = (None, false);
        loop {
            let found = look(&*archive, &mut seen);
            let failed_before = std::mem::replace(&mut failed, found.is_err());
            match found {
                Ok(Some(directory)) => changed(Arc::new(directory)),
                Ok(None) => {}
                // Said once until they can be read again.
                Err(_) if failed_before => {}
                Err(error) => tracing::error!(%error, "the accounts could not be read; the last ones stay valid"),
            }
            if stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("accounts".to_owned()).spawn(run).map_err(StoreError::Thread)?;
    Ok(DirectoryWatch { stop: Some(stop), thread: Some(thread) })
}

/// The generation is read first: a change between the two reads is seen twice rather than never.
fn look(archive: &dyn Archive, seen: &mut Option<u64>) -> Result<Option<Directory>, StoreError> {
    let generation = archive.generation()?;
    if *seen == Some(generation) {
        return Ok(None);
    }
    let directory = archive.directory()?;
    *seen = Some(generation);
    Ok(Some(directory))
}

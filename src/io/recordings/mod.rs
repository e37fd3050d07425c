//! Recordings of talks as files: `ID.part` while a talk goes on, then `ID.wav`, or `ID.incomplete.wav` where something is
//! missing; encrypted, with a key, `ID.sealed.part`, `ID.sealed`, `ID.incomplete.sealed`. Owns the folder, its names, how long they
//! stay, the writer's queue and the way to read a file; refuses what is in them, which is [`crate::media`]'s. A disk that is full or slow costs the recording, never the call.

mod body;
mod file;
mod keep;
mod seal;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

pub use self::body::{Body, Opened, Unreadable};
use self::file::Form;
pub use self::seal::{RecordingKey, SealError};
use self::writer::Order;
use crate::io::media_thread::RecordingSink;
use crate::media::Recorded;
use crate::model::CallId;

/// Seconds of talk that may wait for the disk, of 32 KB each; later ones become silence.
const WAITING: usize = 1024;
/// Orders that may wait at all: then even that a talk ended is forgotten, and its file is closed at the next start.
const ORDERS: usize = 65_536;

/// What there is of a call's recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// All of it.
    Whole(PathBuf),
    /// A part of it: the disk failed or the equipment was stopped.
    Incomplete(PathBuf),
    /// It is being made.
    Unfinished,
    /// Nothing.
    None,
}

/// Told that something of a call's recording is missing, while the call may still go on.
pub type FailureSink = Arc<dyn Fn(CallId) + Send + Sync>;

/// Where recordings are, how they are kept and for how long.
#[derive(Clone, Debug)]
pub struct Talks {
    /// The folder, which need not be there.
    pub folder: PathBuf,
    /// New ones are encrypted with it; encrypted ones are read with it.
    pub key: Option<RecordingKey>,
    /// Older ones are removed; nothing: never.
    pub keep: Option<Duration>,
}

impl Talks {
    /// In this folder, in clear, for ever.
    pub fn new(folder: &Path) -> Talks {
        Talks { folder: folder.to_path_buf(), key: None, keep: None }
    }

    fn form(&self) -> Form {
        if self.key.is_some() { Form::Sealed } else { Form::Plain }
    }

    /// Looks for a call's recording. It asks the file system: [`Talks::open`] does so where it may wait.
    pub fn find(&self, call: CallId) -> Found {
        let find = |ending: fn(Form) -> &'static str| {
            let paths = Form::ALL.map(|form| file::path(&self.folder, call, ending(form)));
            paths.into_iter().find(|path| path.is_file())
        };
        if let Some(whole) = find(Form::whole) {
            Found::Whole(whole)
        } else if let Some(incomplete) = find(Form::incomplete) {
            Found::Incomplete(incomplete)
        } else if find(Form::part).is_some() {
            Found::Unfinished
        } else {
            Found::None
        }
    }
}

/// The writer thread. Dropping it writes what waits; media is stopped first.
pub struct Recordings {
    orders: Sender<Order>,
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Recordings {
    /// Closes what an earlier run left open, and starts to write. The folder is made with the first recording.
    pub fn start(talks: Talks, failed: FailureSink) -> io::Result<Recordings> {
        file::close_left_open(&talks.folder);
        let (orders, queue) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&waiting);
        let thread = std::thread::Builder::new()
            .name("recordings".to_owned())
            .spawn(move || writer::run(&talks, &queue, &count, &failed))?;
        Ok(Recordings { orders, waiting, thread: Some(thread) })
    }

    /// Takes pieces from media threads, never waiting.
    pub fn sink(&self) -> RecordingSink {
        let (orders, waiting) = (self.orders.clone(), Arc::clone(&self.waiting));
        Arc::new(move |piece| {
            let depth = waiting.load(Ordering::Relaxed);
            let order = match piece {
                Recorded::Samples { call, samples } if depth >= WAITING => {
                    Order::Lost { call, moments: samples.len() / 2 }
                }
                piece => Order::Piece(piece),
            };
            if depth < ORDERS {
                waiting.fetch_add(1, Ordering::Relaxed);
                // The thread is gone only when the equipment stops.
                let _sent = orders.send(order);
            }
        })
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        let _told = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

//! The thread that writes recordings. Owns the open files, and that a failing one is ended once, with a word in the log and a
//! count; refuses to be waited for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use super::file::{self, Recording};
use crate::media::Recorded;
use crate::model::CallId;

/// What the thread is told.
pub(super) enum Order {
    /// A piece to be written.
    Piece(Recorded),
    /// A piece that found the queue full: silence in its place.
    Lost {
        /// Whose.
        call: CallId,
        /// How long it was, in samples of one side.
        moments: usize,
    },
    /// Write no more.
    Stop,
}

/// A recording under way.
enum State {
    /// `whole`: nothing is missing yet.
    Open { file: Recording, whole: bool },
    /// The disk failed: what still comes is let go.
    Failed,
}

/// Writes until it is stopped.
pub(super) fn run(folder: &Path, orders: &Receiver<Order>, waiting: &AtomicUsize) {
    let mut open = BTreeMap::new();
    while let Ok(order) = orders.recv() {
        match order {
            Order::Piece(Recorded::Samples { call, samples }) => write(folder, &mut open, call, &samples, true),
            Order::Lost { call, moments } => {
                metrics::counter!("callbridge_recording_seconds_lost_total").increment(1);
                write(folder, &mut open, call, &vec![0; moments * 2], false);
            }
            Order::Piece(Recorded::Ended { call }) => end(folder, call, open.remove(&call)),
            Order::Stop => break,
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
    // Media closes every leg before this is stopped; whatever is left was cut short.
    for (call, state) in open {
        let cut = match state {
            State::Open { file, .. } => State::Open { file, whole: false },
            State::Failed => State::Failed,
        };
        end(folder, call, Some(cut));
    }
}

fn write(folder: &Path, open: &mut BTreeMap<CallId, State>, call: CallId, samples: &[i16], all: bool) {
    let state = open.entry(call).or_insert_with(|| match Recording::create(folder, call) {
        Ok(file) => State::Open { file, whole: true },
        Err(error) => failed(call, &error),
    });
    if let State::Open { file, whole } = state {
        *whole &= all;
        if let Err(error) = file.write(samples) {
            *state = failed(call, &error);
        }
    }
}

fn failed(call: CallId, error: &std::io::Error) -> State {
    metrics::counter!("callbridge_recordings_total", "result" => "failed").increment(1);
    tracing::error!(%call, %error, "a recording ends here: its file cannot be written; the call goes on");
    State::Failed
}

fn end(folder: &Path, call: CallId, state: Option<State>) {
    let ending = match state {
        // Nothing of it was ever written.
        None => return,
        Some(State::Failed) => file::INCOMPLETE,
        Some(State::Open { file, whole }) => {
            let kept = file.finish();
            if let Err(error) = &kept {
                tracing::error!(%call, %error, "a recording may not be on the disk");
            }
            let result = if whole && kept.is_ok() { "whole" } else { "incomplete" };
            metrics::counter!("callbridge_recordings_total", "result" => result).increment(1);
            if result == "whole" { file::WHOLE } else { file::INCOMPLETE }
        }
    };
    match file::rename(folder, call, ending) {
        Ok(()) => {}
        // The file could not even be made.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::error!(%call, %error, "a recording cannot be given its name"),
    }
}
